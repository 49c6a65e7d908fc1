//! Uploads whose process is killed at random moments, and continued.
//!
//! `BITSUP_KILLS` sets how many (the long form is 200), `BITSUP_SEED` at which moments;
//! `BITSUP_AIMED_KILLS` and `BITSUP_WINDOW_US` do for those aimed at the session's making.

use std::process::Child;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use crate::common::Place;
use bitsup_core::Random;
use bitsup_server::{Config, Request, Server};

const SIZE: usize = 8_000_000;
const FRAGMENT: u64 = 500_000;

/// What the next run says of a session whose id was never read.
const LEFT_BEHIND: &str = "an orphaned session may remain";

/// What the list says of it.
const MAY_EXIST: &str = "a session may exist on the server";

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn is_create(request: &Request) -> bool {
    request.packet_type().as_deref() == Some("Create-Session")
}

/// Body bytes of all Fragments that the server read.
fn received(server: &Server) -> u64 {
    server.requests().iter().map(|request| request.body).sum()
}

#[test]
fn a_killed_upload_is_continued_byte_exact() {
    let kills = number("BITSUP_KILLS", 8);
    let mut random = Random::new(number("BITSUP_SEED", 1));
    let (mut continued, mut anew, mut told, mut left, mut resent_most) = (0, 0, 0, 0, 0);
    for kill in 0..kills {
        let place = Place::new();
        let bytes: Vec<u8> =
            (0..SIZE).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
        place.write("x.bin", &bytes);
        let root = place.path("root");
        std::fs::create_dir(&root).expect("root");
        let config = Config { root: root.clone(), ..Config::default() };
        let mut server = Server::start(config.clone()).expect("server");
        let address = server.address();
        let url = format!("http://{address}/x.bin");
        let fragment = FRAGMENT.to_string();
        // An earlier file there proves the new one where the kill comes between Close-Session and its Ack.
        let common = ["--state-dir", "state", "--fragment-size", &fragment, "--verify", "always"];
        let mut args = vec!["upload", "-q", "--limit-rate", "20M", "x.bin", &url];
        args.extend(common);
        let mut child = place.command(&args).spawn().expect("started");
        std::thread::sleep(Duration::from_millis(random.below(480)));
        child.kill().expect("killed");
        drop(child.wait());
        let mut before = received(&server);
        let listed = place.run(["list", "--state-dir", "state"]).ok().stdout;
        let says = listed.contains(MAY_EXIST);
        if kill % 2 == 1 {
            // The server goes down as well, and comes back on the same port.
            server.stop();
            server = Server::start(Config { listen: address, ..config }).expect("the server again");
            let data = place.path("root/.bitsup-server");
            assert!(data.exists(), "the server keeps its sessions");
            before = before.min(SIZE as u64);
        }
        assert!(server.open_sessions() == 0 || !listed.is_empty(), "kill {kill}: not listed");
        let resumed = place.run(["resume", "--state-dir", "state", "--verify", "always"]);
        assert_eq!(resumed.code, 0, "kill {kill}: {}", resumed.stderr);
        assert_eq!(resumed.stderr.contains(LEFT_BEHIND), says, "kill {kill}: {}", resumed.stderr);
        if says {
            (anew, told) = (anew + 1, told + 1);
        } else if root.join("x.bin").exists() {
            continued += 1;
            if kill % 2 == 0 {
                let resent = received(&server).saturating_sub(SIZE as u64);
                resent_most = resent_most.max(resent);
                assert!(
                    resent <= FRAGMENT,
                    "kill {kill}: {resent} bytes sent again, {before} before"
                );
            }
        } else {
            // Killed before there was a session that could be continued.
            anew += 1;
            args.retain(|arg| *arg != "-q");
            place.run(&args).ok();
            let open = server.open_sessions();
            assert_eq!(open, 0, "kill {kill}: a session is left, and no line says so");
        }
        assert!(std::fs::read(root.join("x.bin")).expect("published") == bytes, "kill {kill}");
        // The server forgets a session whose id was never read. One whose id was read, but not yet
        // written down, when the program was killed stays; the list had told of it.
        let open = server.open_sessions();
        assert!(open <= usize::from(says), "kill {kill}: {open} sessions left");
        left += open;
    }
    // Of a few kills a busy machine may hit the moment twice.
    let most = 1 + usize::try_from(kills / 100).unwrap_or(0);
    assert!(kills < 100 || left <= most, "{left} sessions left");
    println!(
        "{kills} uploads killed: all byte-exact; {continued} continued, {anew} begun anew, \
         at most {resent_most} bytes sent again, {told} sessions told of as perhaps left, \
         {left} left on the server"
    );
}

/// Kills a program that has just been answered its Create-Session, some microseconds after the
/// server made the session: the moment at which a session is most easily lost.
#[test]
fn a_session_is_kept_or_said_to_be_left_however_early_the_kill() {
    let kills = number("BITSUP_AIMED_KILLS", 12);
    let mut random = Random::new(number("BITSUP_SEED", 1));
    let window = number("BITSUP_WINDOW_US", 2000);
    let (mut kept, mut lost, mut left) = (0, 0, 0);
    for kill in 0..kills {
        let place = Place::new();
        place.write("x.bin", &crate::common::payload(100_000));
        let root = place.path("root");
        std::fs::create_dir(&root).expect("root");
        let delay = Duration::from_micros(random.below(window));
        let victim: Arc<Mutex<Option<Child>>> = Arc::default();
        let aim = Arc::clone(&victim);
        let (done, killed) = mpsc::channel();
        let config = Config {
            root,
            on_request: Some(Arc::new(move |request| {
                if request.body > 0 || request.method != "BITS_POST" {
                    return;
                }
                let Some(mut child) = aim.lock().expect("not poisoned").take() else { return };
                let (done, answered) = (done.clone(), Instant::now());
                std::thread::spawn(move || {
                    while answered.elapsed() < delay {
                        std::hint::spin_loop();
                    }
                    child.kill().expect("killed");
                    drop(child.wait());
                    let _ = done.send(());
                });
            })),
            ..Config::default()
        };
        let server = Server::start(config).expect("server");
        let url = server.url("/x.bin");
        let args = ["upload", "--limit-rate", "10K", "--state-dir", "state", "x.bin", &url];
        let mut holder = victim.lock().expect("not poisoned");
        let child = place.command(args).spawn().expect("started");
        *holder = Some(child);
        drop(holder);
        killed.recv_timeout(crate::common::GENEROUS).expect("the program was killed");
        let listed = place.run(["list", "--state-dir", "state"]).ok();
        let args = ["upload", "--state-dir", "state", "x.bin", &url];
        let again = place.run(args).ok();
        let told = again.stderr.contains(LEFT_BEHIND);
        assert_eq!(listed.stdout.contains(MAY_EXIST), told, "kill {kill}: {}", listed.stdout);
        assert_eq!(listed.stdout.lines().count(), 1, "kill {kill}: {}", listed.stdout);
        // Not one session is lost in silence, and none is said to be lost that was continued.
        let made = server.requests().iter().filter(|request| is_create(request)).count();
        assert_eq!(made, 1 + usize::from(told), "kill {kill}: {}", again.stderr);
        *(if told { &mut lost } else { &mut kept }) += 1;
        let open = server.open_sessions();
        assert!(open <= usize::from(told), "kill {kill}: {open} sessions left");
        left += open;
    }
    println!(
        "{kills} programs killed within {window} µs of their session's making: \
         {kept} sessions continued, {lost} lost and told of, {left} left on the server"
    );
}
