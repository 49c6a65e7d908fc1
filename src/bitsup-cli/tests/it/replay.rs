//! Uploads that are recorded, and played back to the same end.

use crate::common::{Ended, Host, Place, payload};
use bitsup_server::Config;
use bitsup_server::replay::{Played, Replay, Transcript};

const LIMITS: [&str; 4] =
    ["--ack-timeout=3s", "--stall-timeout=3s", "--max-attempts=8", "--give-up-after=20s"];

fn upload(place: &Place, url: &str, record: &str, more: &[&str]) -> Ended {
    let record = format!("--record={record}");
    let mut args = vec!["upload", "--no-resume", "--fragment-size=10K", &record];
    args.extend(LIMITS);
    args.extend(more);
    args.extend(["a.bin", url]);
    place.run(args)
}

/// Records an upload under a fault script, plays it back, and compares both.
fn there_and_back(script: &str, expected: i32, more: &[&str]) {
    let fault = Some(script.parse().expect("a script"));
    let config = Config { fault, create_dirs: true, ..Config::default() };
    let (place, host) = (Place::new(), Host::with(config));
    place.write("a.bin", &payload(100_000));
    let first = upload(&place, &host.url("secret-folder/a.bin?key=hunter2"), "one.txt", more);
    assert_eq!(first.code, expected, "{script}: {}", first.stderr);
    let one = std::fs::read_to_string(place.path("one.txt")).expect("recorded");
    for secret in ["hunter2", "secret-folder", "a.bin", "127.0.0.1"] {
        assert!(!one.contains(secret), "{script}: {secret} in {one}");
    }
    let sessions = host.server.requests().into_iter().filter_map(|request| request.session);
    for id in sessions {
        assert!(!one.contains(&id), "{script}: a session's id in {one}");
    }
    let transcript: Transcript = one.parse().expect("what is written can be read");
    let replay = Replay::start(transcript, "127.0.0.1:0".parse().expect("an address"));
    let replay = replay.expect("a port");
    let url = format!("http://{}/elsewhere/b.bin", replay.address());
    let second = upload(&place, &url, "two.txt", more);
    let played = replay.played();
    assert_eq!((&played.diverged, played.left), (&None, 0), "{script}:\n{one}");
    assert_eq!(second.code, first.code, "{script}: {}", second.stderr);
    let two = std::fs::read_to_string(place.path("two.txt")).expect("recorded");
    assert_eq!(one, two, "{script}");
}

#[test]
fn an_upload_with_faults_is_played_back_to_the_same_end() {
    there_and_back("fragment 3: drop after 4000\nfragment 6: swallow", 0, &[]);
    there_and_back(
        r#"create 1: answer 503 header "Retry-After: 1"
fragment 2: rewind 1000
fragment 4: forget
fragment 7: garbage 64
close 1: swallow"#,
        0,
        &["--on-lost-ack=accept"],
    );
    there_and_back("fragment 2: hang", 0, &[]);
}

#[test]
fn a_failure_is_played_back_to_the_same_failure() {
    there_and_back("fragment: answer 403 error 0x80070005 context 0x5", 7, &[]);
    there_and_back("create: without BITS-Session-Id", 8, &[]);
    there_and_back("request 1: 401", 4, &[]);
}

#[test]
fn a_client_that_goes_another_way_is_told_where() {
    let (place, host) = (Place::new(), Host::new());
    place.write("a.bin", &payload(50_000));
    upload(&place, &host.url("a.bin"), "one.txt", &[]).ok();
    let (output, child) = serve(&place, "one.txt");
    let ended = upload(&place, &format!("{output}/a.bin"), "two.txt", &["--fragment-size=20K"]);
    assert_eq!(ended.code, 7, "{}", ended.stderr);
    let server = crate::common::wait(child);
    assert_eq!(server.code, 8, "{}", server.stderr);
    let line = "exchange 2 was Fragment 0-10239, and now Fragment 0-20479 came";
    assert!(server.stderr.contains(line), "{}", server.stderr);

    let (output, child) = serve(&place, "one.txt");
    upload(&place, &format!("{output}/a.bin"), "two.txt", &[]).ok();
    let server = crate::common::wait(child);
    assert_eq!(server.code, 0, "{}", server.stderr);
    assert!(server.stderr.contains("played to the end: 7 exchanges"), "{}", server.stderr);
}

/// The program that plays, and its URL.
fn serve(place: &Place, file: &str) -> (String, std::process::Child) {
    use std::io::{BufRead, BufReader};
    let mut child = place.command(["serve", "--replay", file]).spawn().expect("started");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("its first line");
    let url = line.trim_end().strip_prefix("listening on ").expect("an address").to_owned();
    (url, child)
}

#[test]
fn what_cannot_be_recorded_or_played_is_said() {
    let place = Place::new();
    place.write("a.bin", b"a");
    place.write("b.bin", b"b");
    place.write("bad.txt", b"bitsup-transcript 1\n< 200\n");
    let several = place.run(["upload", "--record", "r", "a.bin", "b.bin", "http://127.0.0.1:9/"]);
    assert_eq!((several.code, several.last_line().contains("one file")), (2, true), "{several:?}");
    let bad = place.run(["serve", "--replay", "bad.txt"]);
    assert_eq!((bad.code, bad.stderr.contains("line 2")), (2, true), "{bad:?}");
    let none = place.run(["serve", "--replay", "none.txt"]);
    assert_eq!(none.code, 3, "{none:?}");
}

#[test]
fn the_documented_transcript_can_be_played() {
    let page = include_str!("../../../../docs/transcripts.md");
    let (_, rest) = page.split_once("```transcript\n").expect("an example");
    let (text, _) = rest.split_once("```").expect("its end");
    let transcript: Transcript = text.parse().expect("legal");
    let replay = Replay::start(transcript, "127.0.0.1:0".parse().expect("an address"));
    assert_eq!(replay.expect("a port").played(), Played { left: 3, ..Played::default() });
}
