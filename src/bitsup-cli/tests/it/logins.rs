//! Where the program takes passwords from: `.netrc`, and a person at a terminal.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::common::{GENEROUS, Host, Place, payload, wait};
use bitsup_server::Config;

const OPTIONS: [&str; 2] = ["upload", "--allow-cleartext-credentials"];

fn host() -> Host {
    Host::with(Config {
        basic_auth: Some(("operator".into(), "right".into())),
        ..Config::default()
    })
}

/// How often the server was shown a login that it did not take.
fn refused(host: &Host) -> usize {
    let requests = host.server.requests();
    let shown = requests.iter().filter(|request| request.header("authorization").is_some());
    shown.filter(|request| request.status == Some(401)).count()
}

#[test]
fn netrc_gives_the_login_of_the_host_that_asks() {
    let (place, host) = (Place::new(), host());
    let bytes = place_payload(&place);
    private(&place, ".netrc", "machine other.example login operator password wrong\n");
    let args = |more: &[&str], name: &str| -> Vec<String> {
        let all = OPTIONS.iter().chain(more).chain(&["source.bin"]).map(|word| (*word).to_owned());
        all.chain([host.url(name)]).collect()
    };
    let ended = place.run(args(&["--netrc"], "none"));
    assert_eq!(ended.code, 4, "{ended:?}");
    private(&place, ".netrc", "machine 127.0.0.1 login operator password right\n");
    let ended = place.run(args(&["--netrc"], "home")).ok();
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    private(&place, "named", "default login another password x login operator password right");
    let mut command = place.command(args(&["--netrc", "-u", "operator"], "named"));
    let named = command.env("NETRC", place.path("named")).spawn().expect("started");
    wait(named).ok();
    place.run(args(&["--netrc-file", "named"], "file")).ok();
    for name in ["home", "named", "file"] {
        assert!(host.published(name) == bytes, "{name}");
    }
    assert_eq!(refused(&host), 0);

    private(&place, "named", "default login operator password wrong");
    for _ in 0..2 {
        let ended = place.run(args(&["--netrc-file", "named"], "wrong"));
        assert_eq!(ended.code, 4, "{ended:?}");
        assert!(!ended.stderr.contains("wrong"), "{ended:?}");
    }
    assert_eq!(refused(&host), 2, "once a run");
    let missing = place.run(args(&["--netrc-file", "nowhere"], "x"));
    assert!(missing.stderr.contains("cannot read nowhere"), "{missing:?}");
}

#[test]
fn netrc_that_others_can_read_is_read_with_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let (place, host) = (Place::new(), host());
    place_payload(&place);
    let file = private(&place, ".netrc", "default login operator password right");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).expect("changed");
    let url = host.url("x");
    let ended = place.run(OPTIONS.into_iter().chain(["--netrc", "source.bin", &url])).ok();
    assert!(ended.stderr.contains("warning: ") && ended.stderr.contains("chmod 600"), "{ended:?}");
}

#[test]
fn resume_remembers_that_the_login_came_from_netrc() {
    let (place, host) = (Place::new(), host());
    let bytes = place_payload(&place);
    private(&place, ".netrc", "default login operator password right");
    let url = host.url("x");
    let slow = ["--netrc", "--limit-rate", "400K", "--fragment-size", "100K", "source.bin", &url];
    let mut child = place.command(OPTIONS.into_iter().chain(slow)).spawn().expect("started");
    host.wait_for_bytes(200_000);
    child.kill().expect("killed");
    child.wait().expect("ended");
    let folder = place.path(".local/state/bitsup");
    let found = |word: &str| {
        let grep = Command::new("grep").args(["-rqe", word]).arg(&folder).status();
        grep.expect("grep runs").code() == Some(0)
    };
    assert!(found("[-]-netrc") && !found("right"));
    place.run(["resume", "--limit-rate", "1G"]).ok();
    assert!(host.published("x") == bytes);
}

/// The program on a terminal of its own, where a person types the words, each when asked.
fn on_a_terminal(place: &Place, args: &[&str], words: &[&str]) -> (i32, String) {
    let program = place.command::<&str>([]);
    let mut command = Command::new("script");
    let words_of_program: Vec<_> =
        [env!("CARGO_BIN_EXE_bitsup")].iter().chain(args).map(|word| format!("'{word}'")).collect();
    command.args(["--quiet", "--return", "--command", &words_of_program.join(" "), "/dev/null"]);
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(place.path("")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("script runs");
    let mut keyboard = child.stdin.take().expect("piped");
    let mut screen = child.stdout.take().expect("piped");
    let (mut shown, mut typed) = (Vec::new(), 0);
    let deadline = std::time::Instant::now() + GENEROUS;
    let mut byte = [0];
    while screen.read(&mut byte).expect("readable") == 1 {
        shown.push(byte[0]);
        if shown.ends_with(b"Password for operator: ") {
            let word = words.get(typed).unwrap_or(&"nothing more");
            typed += 1;
            keyboard.write_all(format!("{word}\n").as_bytes()).expect("typed");
        }
        assert!(std::time::Instant::now() < deadline, "{}", String::from_utf8_lossy(&shown));
    }
    drop(keyboard);
    let code = child.wait().expect("ended").code().unwrap_or(-1);
    (code, String::from_utf8_lossy(&shown).into_owned())
}

#[test]
fn a_password_that_was_mistyped_is_asked_for_again() {
    let (place, host) = (Place::new(), host());
    let bytes = place_payload(&place);
    let url = host.url("x");
    let args = [OPTIONS[0], OPTIONS[1], "-u", "operator", "source.bin", &url];
    let (code, shown) = on_a_terminal(&place, &args, &["wrong", "wrong too", "right"]);
    assert_eq!(code, 0, "{shown}");
    assert_eq!(shown.matches("The password was refused.").count(), 2, "{shown}");
    assert!(host.published("x") == bytes);
    assert_eq!(refused(&host), 2);

    // Three times are all.
    let url = host.url("y");
    let args = [OPTIONS[0], OPTIONS[1], "-u", "operator", "source.bin", &url];
    let (code, shown) = on_a_terminal(&place, &args, &["a", "b", "c", "right"]);
    assert_eq!(code, 4, "{shown}");
    assert_eq!(shown.matches("Password for operator: ").count(), 3, "{shown}");
    assert_eq!(refused(&host), 5);
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let (place, host) = (Place::new(), host());
    place_payload(&place);
    let url = host.url("x");
    let args = OPTIONS.into_iter().chain(["-u", "operator", "source.bin", &url]);
    let ended = place.run_with_input(&args.collect::<Vec<_>>(), b"right\n");
    assert_eq!(ended.code, 2, "{ended:?}");
    let args = OPTIONS.into_iter().chain(["-u", "operator", "source.bin", &url]);
    let mut command = place.command(args);
    let child = command.env("BITSUP_PASSWORD", "wrong").spawn().expect("started");
    let ended = wait(child);
    assert_eq!(ended.code, 4, "{ended:?}");
    assert_eq!(refused(&host), 1);
}

fn place_payload(place: &Place) -> Vec<u8> {
    let bytes = payload(1_500_000);
    place.write("source.bin", &bytes);
    bytes
}

/// Writes a file that only its owner can read.
fn private(place: &Place, name: &str, text: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = place.write(name, text.as_bytes());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("changed");
    path
}
