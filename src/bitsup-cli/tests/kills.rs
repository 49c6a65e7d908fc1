//! Uploads whose process is killed at random moments, and continued.
//!
//! `BITSUP_KILLS` sets how many (the long form is 200), `BITSUP_SEED` at which moments.

mod common;

use std::time::Duration;

use bitsup_server::{Config, Server};
use common::Place;

const SIZE: usize = 8_000_000;
const FRAGMENT: u64 = 500_000;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// splitmix64: the same moments for the same seed.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Body bytes of all Fragments that the server read.
fn received(server: &Server) -> u64 {
    server.requests().iter().map(|request| request.body).sum()
}

#[test]
fn a_killed_upload_is_continued_byte_exact() {
    let (kills, mut seed) = (number("BITSUP_KILLS", 8), number("BITSUP_SEED", 1));
    let (mut continued, mut anew, mut left, mut resent_most) = (0, 0, 0, 0);
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
        let common = ["--state-dir", "state", "--fragment-size", &fragment];
        let mut args = vec!["upload", "-q", "--limit-rate", "20M", "x.bin", &url];
        args.extend(common);
        let mut child = place.command(&args).spawn().expect("started");
        std::thread::sleep(Duration::from_millis(random(&mut seed) % 480));
        child.kill().expect("killed");
        drop(child.wait());
        let mut before = received(&server);
        if kill % 2 == 1 {
            // The server goes down as well, and comes back on the same port.
            server.stop();
            server = Server::start(Config { listen: address, ..config }).expect("the server again");
            let data = place.path("root/.bitsup-server");
            assert!(data.exists(), "the server keeps its sessions");
            before = before.min(SIZE as u64);
        }
        let resumed = place.run(["resume", "-q", "--state-dir", "state"]);
        assert_eq!(resumed.code, 0, "kill {kill}: {}", resumed.stderr);
        if root.join("x.bin").exists() {
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
            let again = place.run(&args);
            assert_eq!(again.code, 0, "kill {kill}: {}", again.stderr);
        }
        assert!(std::fs::read(root.join("x.bin")).expect("published") == bytes, "kill {kill}");
        left += server.open_sessions();
    }
    println!(
        "{kills} uploads killed: all byte-exact; {continued} continued, {anew} begun anew, \
         at most {resent_most} bytes sent again, {left} sessions left on the server"
    );
    // A kill between the server's answer and the journal's first write cannot be undone.
    assert!(left <= usize::try_from(kills / 50).unwrap_or(0), "{left} sessions left");
}
