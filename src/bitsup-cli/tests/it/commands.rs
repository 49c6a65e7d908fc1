//! `serve`, `demo`, `explain`, help, completions and manual pages.

use std::io::{BufRead, BufReader};

use crate::common::{Place, payload, signal, wait};
use bitsup_server::scripted::{Reply, Scripted};

#[test]
fn serve_tells_its_address_takes_an_upload_and_ends_on_a_signal() {
    let place = Place::new();
    std::fs::create_dir(place.path("root")).expect("made");
    place.write("faults", b"fragment 1: drop after 500\n");
    place.write("a.bin", &payload(100_000));
    let args = ["serve", "--root", "root", "--create-dirs", "--fault", "faults"];
    let mut child = place.command(args).spawn().expect("started");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    stdout.read_line(&mut line).expect("read");
    let url = line.trim_end().strip_prefix("listening on ").expect("the address");
    assert!(url.starts_with("http://127.0.0.1:"), "{line}");
    place.run(["upload", "a.bin", &format!("{url}/new/?key=hunter2")]).ok();
    assert!(std::fs::read(place.path("root/new/a.bin")).expect("published") == payload(100_000));
    signal(&child, "INT");
    let ended = wait(child).ok();
    assert!(ended.stderr.contains("Close-Session: 200"), "{ended:?}");
    assert!(ended.stderr.contains("dropped"), "{ended:?}");
    assert!(!ended.stderr.contains("hunter2") && !ended.stderr.contains("warning"), "{ended:?}");
}

#[test]
fn a_server_open_to_all_says_so() {
    let place = Place::new();
    place.write("password", b"x");
    for (options, warns) in [(&[][..], true), (&["--user=u", "--password-file=password"], false)] {
        let args = ["serve", "--root", ".", "--listen", "0.0.0.0:0"].iter().chain(options);
        let mut child = place.command(args).spawn().expect("started");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("read");
        signal(&child, "TERM");
        let ended = wait(child).ok();
        assert_eq!(ended.stderr.contains("warning"), warns, "{ended:?}");
    }
}

#[test]
fn the_demonstration_loses_a_connection_and_arrives() {
    let place = Place::new();
    place.write("large.bin", &payload(3_000_000));
    place.write("one.bin", b"1");
    place.write("empty.bin", b"");
    for file in [None, Some("large.bin"), Some("one.bin"), Some("empty.bin")] {
        let ended = place.run(["demo", "--fast"].into_iter().chain(file)).ok();
        assert!(ended.stdout.contains("byte for byte"), "{ended:?}");
        // Of one byte there is none to ask the server with: the session is replaced.
        let told =
            if file == Some("one.bin") { "with 2 interr" } else { "with one lost connection" };
        assert!(ended.stdout.contains(told), "{ended:?}");
        assert!(ended.stdout.contains("connection lost"), "{ended:?}");
        if file.is_none_or(|file| file == "large.bin") {
            assert!(ended.stdout.contains("continuing there"), "{ended:?}");
        }
    }
}

#[test]
fn codes_are_explained() {
    let place = Place::new();
    for code in ["0x80200020", "BG_E_TOO_LARGE", "413"] {
        let ended = place.run(["explain", code]).ok();
        assert!(ended.stdout.lines().count() >= 3, "{ended:?}");
    }
}

#[test]
fn help_version_completions_and_manual_pages_are_there() {
    let place = Place::new();
    let version = place.run(["--version"]).ok().stdout;
    assert!(
        version.contains("libcurl") && version.contains(env!("CARGO_PKG_VERSION")),
        "{version}"
    );
    let (short, long) =
        (place.run(["upload", "--help"]).ok(), place.run(["upload", "--help-all"]).ok());
    assert!(short.stdout.contains("Examples:") && !short.stdout.contains("--on-lost-ack"));
    assert!(long.stdout.contains("--on-lost-ack"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(place.run(["completions", shell]).ok().stdout.contains("upload"));
    }
    for command in [&["man"][..], &["man", "upload"]] {
        assert!(place.run(command).ok().stdout.contains(".TH"));
    }
}

/// A server that takes no Fragment, so that sessions are kept, and answers Cancel-Session so.
fn keeping(cancelled: Reply) -> Scripted {
    Scripted::start(move |_, request, _| match request.packet_type().as_str() {
        "Create-Session" => Reply::ack()
            .header("BITS-Session-Id", "{1}")
            .header("BITS-Protocol", "{7df0354d-249b-430f-820d-3d2a9bef4931}"),
        "Fragment" => Reply::status(500, "Server Error"),
        "Cancel-Session" => cancelled.clone(),
        _ => Reply::ack(),
    })
}

#[test]
fn cancelled_is_said_only_of_what_the_server_cancelled() {
    let gone = Reply::status(500, "No")
        .header("BITS-Packet-Type", "Ack")
        .header("BITS-Error-Code", "0x8020001F");
    for (answer, code) in [
        (Reply::ack(), 0),
        (Reply::status(404, "Not Found"), 0),
        (gone, 0),
        (Reply::status(403, "Forbidden"), 7),
    ] {
        let (place, peer) = (Place::new(), keeping(answer));
        place.write("a.bin", b"some bytes");
        let ended = place.run(["upload", "--max-attempts=1", "a.bin", &peer.url("/up/a.bin")]);
        assert!(ended.stderr.contains("to continue: "), "{ended:?}");
        let ended = place.run(["cancel", "-v", "--all"]);
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(ended.stderr.contains("-> Cancel-Session to 127.0.0.1"), "{ended:?}");
        assert!(ended.stderr.contains("<- "), "{ended:?}");
        assert_eq!(ended.stderr.contains(" cancelled\n"), code == 0, "{ended:?}");
        assert_eq!(ended.stderr.contains("may remain on the server"), code != 0, "{ended:?}");
        let ended = place.run(["resume", "--all"]).ok();
        assert_eq!(place.run(["list"]).ok().stdout, "", "{ended:?}");
    }
    // Of one that the server is not asked about nothing of the kind is said.
    let (place, peer) = (Place::new(), keeping(Reply::ack()));
    place.write("a.bin", b"some bytes");
    place.run(["upload", "--max-attempts=1", "a.bin", &peer.url("/up/a.bin")]);
    let ended = place.run(["cancel", "--all", "--local"]).ok();
    assert!(!ended.stderr.contains("cancelled"), "{ended:?}");
    assert!(!peer.requests().iter().any(|one| one.packet_type() == "Cancel-Session"));
}

#[test]
fn all_is_what_resume_does_without_an_id() {
    let (place, peer) = (Place::new(), keeping(Reply::ack()));
    place.write("a.bin", b"some bytes");
    place.run(["upload", "--max-attempts=1", "a.bin", &peer.url("/up/a.bin")]);
    let before = peer.requests().len();
    let ended = place.run(["resume", "--all", "--max-attempts=1"]);
    assert_ne!(ended.code, 0, "{ended:?}");
    assert!(peer.requests().len() > before, "{ended:?}");
    assert_eq!(place.run(["resume", "--all", "0123"]).code, 2);
}

/// A server that never names its offset, and one behind something that blocks the verb.
#[test]
fn lenient_and_post_override_reach_servers_of_their_kind() {
    let silent = Scripted::start(|_, request, _| match request.packet_type().as_str() {
        "Create-Session" => Reply::ack().header("BITS-Session-Id", "{1}"),
        _ if request.method == "BITS_POST" => Reply::ack(),
        _ => Reply::status(404, "Not Found"),
    });
    let place = Place::new();
    place.write("a.bin", b"some bytes");
    let url = silent.url("/up/a.bin");
    let args = ["upload", "--no-resume", "--max-attempts=1", "--verify=never", "a.bin", &url];
    let ended = place.run(args);
    assert_ne!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("--lenient"), "{ended:?}");
    place.run(args.iter().chain(&["--lenient"])).ok();

    let blocked = Scripted::start(|_, request, _| match request.packet_type().as_str() {
        _ if request.method == "BITS_POST" => Reply::status(501, "Not Implemented"),
        "Create-Session" => Reply::ack().header("BITS-Session-Id", "{1}"),
        "Fragment" => Reply::ack().header("BITS-Received-Content-Range", "10"),
        _ => Reply::ack(),
    });
    let url = blocked.url("/up/a.bin");
    let args = ["upload", "--no-resume", "a.bin", &url];
    let ended = place.run(args);
    assert_eq!(ended.code, 7, "{ended:?}");
    assert!(ended.stderr.contains("--post-override"), "{ended:?}");
    place.run(args.iter().chain(&["--post-override"])).ok();
}
