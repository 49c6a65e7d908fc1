//! Signals stop the program, keep the session, and the next run continues.

use std::process::Stdio;

use crate::common::{Host, Place, payload, signal, wait};

#[test]
fn a_signal_keeps_the_session_and_the_same_command_continues() {
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let (place, host) = (Place::new(), Host::new());
        let bytes = payload(6_000_000);
        place.write("a.bin", &bytes);
        let url = host.url("a.bin");
        let slow = ["upload", "--limit-rate=1M", "--fragment-size=256K", "a.bin", &url];
        let child = place.command(slow).spawn().expect("started");
        host.wait_for_bytes(1_000_000);
        signal(&child, name);
        let ended = wait(child);
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(ended.stderr.contains("to continue: bitsup resume "), "{ended:?}");
        let listed = place.run(["list"]).ok();
        assert!(listed.stdout.contains("a.bin"), "{listed:?}");

        let before = host.server.requests().iter().map(|one| one.body).sum::<u64>();
        place.run(["upload", "a.bin", &url]).ok();
        assert!(host.published("a.bin") == bytes);
        let after = host.server.requests().iter().map(|one| one.body).sum::<u64>();
        assert!(after - before < bytes.len() as u64 - 500_000, "it went on where it was");
        assert!(place.run(["list"]).ok().stdout.is_empty());
    }
}

#[test]
fn files_whose_turn_had_not_come_are_told_as_not_started() {
    let (place, host) = (Place::new(), Host::new());
    let names: Vec<String> = (0..9).map(|number| format!("{number}.bin")).collect();
    for name in &names {
        place.write(name, &payload(3_000_000));
    }
    let mut slow: Vec<&str> =
        vec!["upload", "--parallel=2", "--limit-rate=500K", "--fragment-size=50K"];
    slow.extend(names.iter().map(String::as_str));
    let url = host.url("");
    slow.push(&url);
    let child = place.command(&slow).spawn().expect("started");
    host.wait_for_sessions(2);
    signal(&child, "INT");
    let ended = wait(child);
    assert_eq!(ended.code, 130, "{ended:?}");
    let summary = ended.stderr.lines().find(|line| line.contains("not started"));
    let summary = summary.expect("a summary");
    assert!(summary.contains("0 files uploaded"), "{summary}");
    assert!(summary.ends_with("2 failed; 7 not started"), "{summary}");
    assert_eq!(place.run(["list"]).ok().stdout.lines().count(), 2);
    assert_eq!(host.server.open_sessions(), 2);
}

#[test]
fn resume_continues_with_the_options_of_then() {
    let (place, host) = (Place::new(), Host::new());
    let bytes = payload(3_000_000);
    place.write("a.bin", &bytes);
    let url = host.url("a.bin?sig=hunter2");
    let args =
        ["upload", "-H", "X-Case: 17", "--limit-rate=1M", "--fragment-size=128K", "a.bin", &url];
    let child = place.command(args).spawn().expect("started");
    host.wait_for_bytes(500_000);
    signal(&child, "INT");
    let ended = wait(child);
    assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
    let command = ended.stderr.lines().find_map(|line| line.strip_prefix("to continue: bitsup "));
    let mut words = shlex::split(command.expect("one to continue")).expect("quoted");
    words.push("--limit-rate=100M".into());
    let before = host.server.requests().len();
    place.run(&words).ok();
    assert!(host.published("a.bin") == bytes);
    let requests = host.server.requests();
    assert!(requests[before..].iter().all(|one| one.header("x-case").as_deref() == Some("17")));
    let ended = place.run(["resume"]).ok();
    assert!(ended.stderr.contains("no interrupted uploads"), "{ended:?}");
}

#[test]
fn what_is_cancelled_or_not_to_be_kept_is_gone_from_the_server() {
    let (place, host) = (Place::new(), Host::new());
    place.write("a.bin", &payload(3_000_000));
    let url = host.url("a.bin");
    let slow = ["upload", "--limit-rate=1M", "--fragment-size=128K", "a.bin", &url];
    let child = place.command(slow).spawn().expect("started");
    host.wait_for_bytes(300_000);
    signal(&child, "TERM");
    wait(child);
    assert_eq!(host.server.open_sessions(), 1);
    place.run(["cancel", "--all"]).ok();
    assert_eq!(host.server.open_sessions(), 0);

    let before = host.server.requests().iter().map(|one| one.body).sum::<u64>();
    let child = place.command(slow.iter().chain(&["--no-resume"])).spawn().expect("started");
    host.wait_for_bytes(before + 300_000);
    signal(&child, "TERM");
    let ended = wait(child);
    assert_eq!(ended.code, 143, "{ended:?}");
    assert!(ended.stderr.contains("nothing is left on the server"), "{ended:?}");
    assert_eq!(host.server.open_sessions(), 0);
}

#[test]
fn a_second_upload_of_the_same_file_is_told_that_one_runs() {
    let (place, host) = (Place::new(), Host::new());
    place.write("a.bin", &payload(3_000_000));
    let url = host.url("a.bin");
    let slow = ["upload", "--limit-rate=500K", "--fragment-size=128K", "a.bin", &url];
    let child = place.command(slow).spawn().expect("started");
    host.wait_for_bytes(100_000);
    let second = place.run(slow);
    assert_eq!(second.code, 11, "{second:?}");
    signal(&child, "INT");
    wait(child);
}

#[test]
fn a_signal_ends_the_reading_of_standard_input_and_leaves_no_copy() {
    let (place, host) = (Place::new(), Host::new());
    let mut command = place.command(["upload", "-", &host.url("x")]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("started");
    let open = child.stdin.take();
    // The copy has no name from its beginning.
    let descriptors = format!("/proc/{}/fd", child.id());
    let spooled = || {
        std::fs::read_dir(&descriptors).is_ok_and(|entries| {
            entries.flatten().any(|entry| {
                std::fs::read_link(entry.path())
                    .is_ok_and(|file| file.to_string_lossy().ends_with("(deleted)"))
            })
        })
    };
    while !spooled() {
        assert!(child.try_wait().expect("our child").is_none());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    signal(&child, "INT");
    let ended = wait(child);
    drop(open);
    assert_eq!(ended.code, 130, "{ended:?}");
    let state = place.path(".local/state/bitsup");
    let named = std::fs::read_dir(state).map(|entries| {
        let names = entries.flatten().map(|entry| entry.file_name());
        names.filter(|name| name.to_string_lossy().contains("spool")).count()
    });
    assert_eq!(named.unwrap_or_default(), 0);
}

#[test]
fn a_server_that_hangs_does_not_hold_the_program() {
    let (place, host) = (Place::new(), Host::with_faults("fragment: hang\ncancel: hang"));
    place.write("a.bin", &payload(10_000));
    for (option, taken) in [("--no-resume", 10_000), ("--fragment-size=5000", 15_000)] {
        let child = place
            .command(["upload", option, "a.bin", &host.url("a.bin")])
            .spawn()
            .expect("started");
        host.wait_for_bytes(taken);
        signal(&child, "INT");
        let ended = wait(child);
        assert_eq!(ended.code, 130);
        let told = ["may remain on the server", "to continue: bitsup resume"];
        assert!(told.iter().any(|words| ended.stderr.contains(words)), "{ended:?}");
    }
}

#[test]
fn a_closed_standard_output_does_not_disturb() {
    let (place, host) = (Place::new(), Host::new());
    place.write("a.bin", &payload(2_000_000));
    let mut child =
        place.command(["upload", "--json", "a.bin", &host.url("")]).spawn().expect("started");
    drop(child.stdout.take());
    let ended = wait(child).ok();
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    assert!(host.published("a.bin") == payload(2_000_000));
    let mut child = place.command(["--help-all"]).spawn().expect("started");
    drop(child.stdout.take());
    assert!(!wait(child).stderr.contains("panicked"));
}
