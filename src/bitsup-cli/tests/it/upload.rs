//! Whole uploads by the program.

use crate::common::{Host, Place, payload};

#[test]
fn files_of_every_size_arrive_byte_exact() {
    let (place, host) = (Place::new(), Host::new());
    for size in [0, 1, 5119, 5120, 1 << 20, 29_360_128, 29_360_129] {
        let bytes = payload(size);
        place.write("source.bin", &bytes);
        let name = format!("{size}.bin");
        let ended = place.run(["upload", "source.bin", &host.url(&name)]);
        let ended = ended.ok();
        assert!(host.published(&name) == bytes, "{size}");
        assert!(ended.stdout.is_empty(), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
    assert_eq!(host.server.open_sessions(), 0);
}

#[test]
fn quiet_is_quiet_and_names_are_appended() {
    let (place, host) = (Place::new(), Host::new());
    place.write("a b%.bin", b"one");
    let ended = place.run(["upload", "-q", "a b%.bin", &host.url("")]).ok();
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    assert_eq!(host.published("a b%.bin"), b"one");
}

#[test]
fn standard_input_is_spooled_and_leaves_nothing_behind() {
    let (place, host) = (Place::new(), Host::new());
    let bytes = payload(3_000_000);
    place.run_with_input(&["upload", "-", &host.url("x")], &bytes).ok();
    assert!(host.published("x") == bytes);
    let spool = place.path(".local/state/bitsup");
    let left = std::fs::read_dir(spool).expect("made").flatten();
    let left: Vec<_> =
        left.filter(|entry| entry.file_name().to_string_lossy().contains("spool")).collect();
    assert!(left.is_empty(), "{left:?}");
    let refused = place.run_with_input(&["upload", "-", &host.url("")], b"x");
    assert_eq!(refused.code, 2, "{refused:?}");
}

#[test]
fn standard_input_that_is_closed_is_no_empty_file() {
    let _rule = bitsup_server::rule!("SRC-02");
    let (place, host) = (Place::new(), Host::new());
    let run = |input: &str, arguments: &str| {
        let line = format!("exec \"$0\" {arguments} \"$URL\" {input}");
        let output = std::process::Command::new("sh")
            .args(["-c", &line, env!("CARGO_BIN_EXE_bitsup")])
            .envs([("HOME", place.path("")), ("URL", host.url("x").into())])
            .output()
            .expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for arguments in ["upload -", "upload --files-from -"] {
        let (code, words) = run("<&-", arguments);
        assert_eq!(code, Some(3), "{words}");
        assert!(words.contains("closed"), "{words}");
    }
    assert!(!host.root().join("x").exists());
    assert_eq!(run("</dev/null", "upload -").0, Some(0));
    assert_eq!(host.published("x"), b"");
}

#[test]
fn several_files_end_in_a_summary_with_what_failed() {
    let (place, host) = (Place::new(), Host::new());
    for number in 0..20 {
        place.write(&format!("{number}.bin"), &payload(number * 1000));
    }
    std::fs::write(host.root().join("7.bin"), b"there").expect("written");
    let list = (0..20).map(|number| format!("{number}.bin")).collect::<Vec<_>>().join("\n");
    let args = ["upload", "--files-from", "-", &host.url("")];
    let ended = place.run_with_input(&args, list.as_bytes());
    // One kind of failure: its code.
    assert_eq!(ended.code, 7, "{ended:?}");
    assert!(ended.stderr.contains("bitsup: 7.bin: "), "{ended:?}");
    assert!(ended.stderr.contains("19 files uploaded") && ended.stderr.contains("1 failed"));
    assert_eq!(host.published("19.bin"), payload(19_000));

    // Several kinds: 1.
    place.write("new.bin", b"new");
    let ended = place.run(["upload", "7.bin", "missing", "new.bin", &host.url("")]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(host.published("new.bin"), b"new");
    let ended = place.run(["upload", "missing", "gone", &host.url("")]);
    assert_eq!(ended.code, 3, "{ended:?}");
}

#[test]
fn receipts_and_traces_are_written_without_secrets() {
    let (place, host) = (Place::new(), Host::new());
    place.write("a.bin", &payload(2_000_000));
    place.write("headers", b"X-Key: hunter2\n");
    let url = host.url("a.bin?sig=hunter2");
    let args = [
        "upload",
        "a.bin",
        &url,
        "-H",
        "@headers",
        "--allow-cleartext-credentials",
        "--sha256",
        "-v",
        "--json",
        "--receipt",
        "receipt.json",
        "--trace",
        "trace.txt",
    ];
    let ended = place.run(args).ok();
    let receipt = std::fs::read_to_string(place.path("receipt.json")).expect("written");
    let trace = std::fs::read_to_string(place.path("trace.txt")).expect("written");
    for text in [&receipt, &trace, &ended.stdout, &ended.stderr] {
        assert!(!text.contains("hunter2"), "{text}");
        assert!(!text.contains('{') || !text.contains("BITS-Session"), "{text}");
    }
    let fields: serde_json::Value = serde_json::from_str(&receipt).expect("JSON");
    assert_eq!(fields["type"], "receipt");
    assert_eq!(fields["sha256"].as_str().map(str::len), Some(64));
    assert!(trace.contains("-> Fragment 0-") && trace.contains("<- 200 Close-Session"), "{trace}");
    let keys = host.server.requests().iter().filter_map(|one| one.header("x-key")).count();
    assert!(keys >= 4, "the header goes with each packet");
}

#[test]
fn an_existing_file_is_skipped_or_refused_as_told() {
    let (place, host) = (Place::new(), Host::new());
    place.write("a.bin", b"new");
    std::fs::write(host.root().join("a.bin"), b"old").expect("written");
    let ended = place.run(["upload", "--if-exists", "skip", "a.bin", &host.url("")]).ok();
    assert!(ended.stderr.contains("skipped"), "{ended:?}");
    for choice in ["fail", "try"] {
        let ended = place.run(["upload", "--if-exists", choice, "a.bin", &host.url("")]);
        assert_eq!((ended.code, ended.last_line()), (7, "nothing is left on the server"));
    }
    assert_eq!(host.published("a.bin"), b"old");
}

#[test]
fn a_reply_lands_in_its_file() {
    // The paths of upload and reply follow the command's own arguments.
    let words = ["sh", "-c", "printf %s hello > \"$2\"", "reply"].map(Into::into).into();
    let reply = bitsup_server::Reply::Command(words);
    let host = Host::with(bitsup_server::Config { reply: Some(reply), ..Default::default() });
    let place = Place::new();
    place.write("a.bin", &payload(10_000));
    place.run(["upload", "-o", "reply.txt", "a.bin", &host.url("")]).ok();
    assert_eq!(std::fs::read(place.path("reply.txt")).expect("written"), b"hello");
    let plain = Host::new();
    let ended = place.run(["upload", "-o", "other.txt", "a.bin", &plain.url("")]);
    assert_eq!(ended.code, 7, "{ended:?}");
    assert!(!place.path("other.txt").exists());
    place.run(["upload", "-o", "other.txt", "--reply-optional", "a.bin", &plain.url("b")]).ok();
}

#[test]
fn a_login_needs_the_right_password_and_shows_it_to_nobody() {
    let host = Host::with(bitsup_server::Config {
        basic_auth: Some(("ann".into(), "hunter2".into())),
        ..Default::default()
    });
    let place = Place::new();
    place.write("a.bin", b"x");
    place.write("right", b"hunter2\n");
    place.write("wrong", b"hunter3\n");
    let url = host.url("");
    let clear = "--allow-cleartext-credentials";
    let ended = place.run(["upload", "a.bin", &url]);
    assert_eq!(ended.code, 4, "{ended:?}");
    let ended = place.run(["upload", "-u", "ann", "--password-file", "right", "a.bin", &url]);
    assert_eq!(ended.code, 4, "not over plain http: {ended:?}");
    assert!(ended.stderr.contains("--allow-cleartext-credentials"), "{ended:?}");
    let ended =
        place.run(["upload", clear, "-u", "ann", "--password-file", "wrong", "a.bin", &url]);
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(!format!("{ended:?}").contains("hunter"), "{ended:?}");
    let ended = place.run(["upload", clear, "-u", "ann", "a.bin", &url]);
    assert_eq!(ended.code, 2, "no password and no terminal: {ended:?}");
    let ended = place.run(["upload", clear, "-u", "ann:hunter2", "a.bin", &url]);
    assert_eq!(ended.code, 2, "{ended:?}");
    place.run(["upload", clear, "-u", "ann", "--password-file", "right", "a.bin", &url]).ok();
    let mut command = place.command(["ping", clear, &url]);
    command.env("BITSUP_USER", "ann").env("BITSUP_PASSWORD", "hunter2");
    let ended = crate::common::wait(command.spawn().expect("started")).ok();
    assert!(ended.stdout.contains("logged in"), "{ended:?}");
}

#[test]
fn tokens_and_proxies_are_used_as_told() {
    use bitsup_server::scripted::{Reply, Scripted};
    let place = Place::new();
    place.write("a.bin", b"x");
    place.write("token", b"hunter2\n");
    let peer = Scripted::start(|_, request, _| {
        let held = request.header("Authorization") == "Bearer hunter2";
        if held { Reply::ack() } else { Reply::status(401, "Unauthorized") }
    });
    let url = peer.url("/a.bin");
    let clear = "--allow-cleartext-credentials";
    assert_eq!(place.run(["ping", &url]).code, 4);
    assert_eq!(place.run(["ping", "--token-file=token", &url]).code, 2, "not over plain http");
    place.run(["ping", clear, "--token-file=token", &url]).ok();
    assert_eq!(place.run(["ping", "--auth=bearer", &url]).code, 2);

    // The proxy is asked for the origin, whatever its name.
    let proxy = Scripted::start(|_, _, _| Reply::ack());
    let args = ["ping", "--proxy", &proxy.url(""), "http://far.invalid/x"];
    place.run(args).ok();
    let asked = proxy.requests();
    assert!(String::from_utf8_lossy(&asked[0].head).contains("http://far.invalid/x"), "{asked:?}");
    let refused = place.run(["ping", "--proxy=http://u:hunter2@h:1", "http://far.invalid/x"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
}
