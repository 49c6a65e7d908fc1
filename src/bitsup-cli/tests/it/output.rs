//! Output for programs: where it goes, what it means that it cannot be written, and that a reader
//! that does not read it blocks nothing.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Host, Place, payload, signal, wait};

/// `/dev/full` as a plain place to write to.
fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").expect("Linux has it").into()
}

#[test]
fn a_signal_ends_the_tool_although_nobody_reads() {
    let _rule = bitsup_server::rule!("PRC-01");
    let unread = |kind: &str, name: &str, code: i32| {
        // Each packet is a line: far more than a pipe holds, and no end.
        let (place, host) = (Place::new(), Host::with_faults("fragment 1500: hang"));
        place.write("a.bin", &payload(1_600_000));
        let child = place
            .command(["upload", kind, "--fragment-size=1000", "a.bin", &host.url("")])
            .spawn()
            .expect("started");
        host.wait_for_bytes(1_490_000);
        let begun = Instant::now();
        signal(&child, name);
        let ended = wait(child);
        assert_eq!(ended.code, code, "{kind} {name}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{kind} {name}: {:?}", begun.elapsed());
        let lines = if kind == "-v" { &ended.stderr } else { &ended.stdout };
        assert!(lines.len() >= 50_000, "the pipe was not full: {}", lines.len());
        assert_eq!(place.run(["list"]).ok().stdout.lines().count(), 1, "{kind} {name}");
    };
    std::thread::scope(|scope| {
        scope.spawn(|| unread("--json", "TERM", 143));
        scope.spawn(|| unread("--json", "INT", 130));
        scope.spawn(|| unread("-v", "HUP", 129));
    });
}

#[test]
fn signals_ignored_at_the_start_stay_ignored() {
    let _rule = bitsup_server::rule!("PRC-02");
    let (place, host) = (Place::new(), Host::new());
    let bytes = payload(1_500_000);
    place.write("a.bin", &bytes);
    let mut command = Command::new("env");
    command.args(["--ignore-signal=HUP,INT,TERM", env!("CARGO_BIN_EXE_bitsup")]);
    command.args(["upload", "--limit-rate=1M", "--fragment-size=128K", "a.bin", &host.url("")]);
    command.current_dir(place.path("")).env("HOME", place.path(""));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("started");
    host.wait_for_bytes(200_000);
    for name in ["INT", "TERM", "HUP"] {
        signal(&child, name);
    }
    wait(child).ok();
    assert!(host.published("a.bin") == bytes);
}

#[test]
fn output_for_programs_that_cannot_be_written_is_an_exit_code_of_its_own() {
    let _rule = bitsup_server::rule!("OUT-03");
    let (place, host) = (Place::new(), Host::new());
    place.write("a.bin", &payload(10_000));
    let run = |args: &[&str], stdout: Stdio| {
        wait(place.command(args).stdout(stdout).spawn().expect("started"))
    };
    let url = host.url("1");
    let ended = run(&["upload", "--json", "a.bin", &url], full());
    assert_eq!(ended.code, 12, "{ended:?}");
    assert_eq!(ended.stderr.matches("cannot write to standard output").count(), 1, "{ended:?}");
    assert_eq!(host.published("1"), payload(10_000));
    for (number, option) in ["--receipt", "--trace", "--record"].into_iter().enumerate() {
        let url = host.url(&format!("2{number}"));
        let ended = run(&["upload", option, "/dev/full", "a.bin", &url], Stdio::piped());
        assert_eq!(ended.code, 12, "{option}: {ended:?}");
        assert!(ended.stderr.contains("cannot write to /dev/full"), "{option}: {ended:?}");
        assert_eq!(host.published(&format!("2{number}")), payload(10_000));
    }
    for args in
        [&["ping", "--json", &url][..], &["explain", "0x80200020"], &["man"], &["ping", &url]]
    {
        assert_eq!(run(args, full()).code, 12, "{args:?}");
    }
    // Its own failure says more.
    let ended = run(&["upload", "--json", "none.bin", &url], full());
    assert_eq!(ended.code, 3, "{ended:?}");
    // A reader that has left wants no more.
    let mut child =
        place.command(["upload", "--json", "a.bin", &host.url("3")]).spawn().expect("started");
    drop(child.stdout.take());
    wait(child).ok();
}

#[test]
fn a_descriptor_that_does_not_block_is_waited_for() {
    let _rule = bitsup_server::rule!("OUT-03");
    let (place, host) = (Place::new(), Host::new());
    place.write("a.bin", &payload(1_000_000));
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("set");
    let mut command =
        place.command(["upload", "--json", "--fragment-size=1000", "a.bin", &host.url("")]);
    let child = command.stdout(writer).spawn().expect("started");
    drop(command);
    // All has been sent before the first line is read: the pipe was full for long.
    host.wait_for_bytes(1_000_000);
    let mut all = String::new();
    reader.read_to_string(&mut all).expect("read");
    wait(child).ok();
    let lines: Vec<serde_json::Value> =
        all.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let count = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count();
    assert_eq!((count("packet"), count("receipt")), (1002, 1));
    assert!(all.len() > 100_000, "{}", all.len());
}

#[test]
fn what_is_no_regular_file_is_written_through_and_links_are_followed() {
    let (place, host) = (Place::new(), Host::new());
    place.write("a.bin", &payload(10_000));
    for (number, option) in ["--receipt", "--trace", "--record"].into_iter().enumerate() {
        let url = host.url(&number.to_string());
        let (link, real) = (place.path("link"), place.path("real"));
        let _ = std::fs::remove_file(&link);
        symlink("real", &link).expect("made");
        std::fs::write(&real, "old").expect("written");
        place.run(["upload", option, "link", "a.bin", &url]).ok();
        assert!(std::fs::symlink_metadata(&link).expect("there").is_symlink(), "{option}");
        let content = std::fs::read_to_string(&real).expect("text");
        assert!(!content.contains("old") && content.len() > 50, "{option}: {content}");

        let fifo = place.path("fifo");
        let _ = std::fs::remove_file(&fifo);
        assert!(Command::new("mkfifo").arg(&fifo).status().expect("runs").success());
        let ended = place.run(["upload", option, "fifo", "a.bin", &format!("{url}x")]);
        assert_eq!(ended.code, 3, "{option}: {ended:?}");
        // An open of one end waits for the other.
        let both = OpenOptions::new().read(true).write(true).open(&fifo).expect("opened");
        let mut reader = File::open(&fifo).expect("opened");
        drop(both);
        place.run(["upload", option, "fifo", "a.bin", &format!("{url}y")]).ok();
        let mut read = String::new();
        reader.read_to_string(&mut read).expect("text");
        assert!(read.len() > 50, "{option}");
        assert!(std::fs::symlink_metadata(&fifo).expect("there").file_type().is_fifo());

        // Of the shell: the lines of two runs, one behind the other.
        let script = format!(
            "exec 3>fd; for n in 1 2; do \"$0\" upload {option} /dev/fd/3 a.bin {url}$n; done"
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_bitsup")]);
        shell.current_dir(place.path("")).env("HOME", place.path(""));
        assert!(shell.output().expect("runs").status.success());
        let content = std::fs::read_to_string(place.path("fd")).expect("text");
        let first = content.lines().next().expect("a line");
        let same = |line: &&str| line.get(..12) == first.get(..12);
        assert!(content.lines().filter(same).count() >= 2, "{option}: {content}");

        let ended = place.run(["upload", option, "none/x", "a.bin", &format!("{url}z")]);
        assert_eq!(ended.code, 3, "{option}: {ended:?}");
        let ended = place.run(["upload", option, "-", "a.bin", &format!("{url}s")]).ok();
        assert!(ended.stdout.len() > 50, "{option}: {ended:?}");
        let both = ["upload", option, "-", "--json", "a.bin", &format!("{url}t")];
        assert_eq!(place.run(both).code, 2, "{option}");
    }
    let names: Vec<_> = host.server.requests().iter().map(|one| one.target.clone()).collect();
    assert!(!names.iter().any(|name| name.ends_with(['x', 'z', 't'])), "{names:?}");
}

#[test]
fn a_reply_can_go_to_standard_output() {
    let words = ["sh", "-c", "printf %s hello > \"$2\"", "reply"].map(Into::into).into();
    let reply = bitsup_server::Reply::Command(words);
    let host = Host::with(bitsup_server::Config { reply: Some(reply), ..Default::default() });
    let place = Place::new();
    place.write("a.bin", &payload(10_000));
    let ended = place.run(["upload", "-q", "-o", "-", "a.bin", &host.url("1")]).ok();
    assert_eq!(ended.stdout, "hello");
    assert!(!place.path("-").exists());
    let ended = place.run(["upload", "--json", "-o", "-", "a.bin", &host.url("2")]);
    assert_eq!(ended.code, 2, "{ended:?}");
}

/// The file is there by then, and is not said to be missing.
#[test]
fn a_reply_that_cannot_be_written_does_not_deny_the_upload() {
    let _rule = bitsup_server::rule!("OUT-03");
    let words = ["sh", "-c", "printf %s hello > \"$2\"", "reply"].map(Into::into).into();
    let reply = bitsup_server::Reply::Command(words);
    let host = Host::with(bitsup_server::Config { reply: Some(reply), ..Default::default() });
    let place = Place::new();
    place.write("a.bin", &payload(10_000));
    for (number, out) in ["/dev/full", "-"].into_iter().enumerate() {
        let url = host.url(&number.to_string());
        let mut command = place.command(["upload", "-o", out, "a.bin", &url]);
        let ended = wait(command.stdout(full()).spawn().expect("started"));
        assert_eq!((ended.code, ended.last_line()), (12, "the file is on the server"), "{ended:?}");
        assert!(ended.stderr.contains("cannot write"), "{ended:?}");
        assert_eq!(host.server.open_sessions(), 0);
    }
}

#[test]
fn a_warning_that_nothing_is_proven_is_shown_with_quiet_too() {
    let _rule = bitsup_server::rule!("OUT-02");
    let (place, host) = (Place::new(), Host::with_faults("close 1: swallow"));
    place.write("a.bin", &payload(10_000));
    let resend = ["upload", "-q", "--receipt", "r", "--on-lost-ack=accept", "--verify=never"];
    let url = host.url("");
    let ended = place.run(resend.iter().chain(&["a.bin", &url])).ok();
    let receipt = std::fs::read_to_string(place.path("r")).expect("text");
    let receipt: serde_json::Value = serde_json::from_str(&receipt).expect("JSON");
    assert_eq!(receipt["verified"], false, "{receipt}");
    let warnings = receipt["warnings"].as_array().expect("a list");
    assert!(!warnings.is_empty(), "{receipt}");
    for warning in warnings {
        assert!(ended.stderr.contains(warning.as_str().expect("text")), "{ended:?}");
    }
    // One that is proven says nothing.
    let plain = Host::new();
    let ended = place.run(["upload", "-q", "a.bin", &plain.url("")]).ok();
    assert_eq!(ended.stderr, "");
}
