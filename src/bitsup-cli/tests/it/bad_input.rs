//! Bad input ends with one clear line, the right exit code, and nothing left running.

use std::time::Instant;

use crate::common::{GENEROUS, Host, Place, unheard};
use bitsup_server::scripted::{Reply, Scripted};

/// What answers, how, and the exit code for it.
type Case = (&'static str, fn() -> Reply, i32);

/// Uploads a small file and expects failure; returns what was said.
fn refused(place: &Place, args: &[&str], code: i32) -> String {
    let begun = Instant::now();
    let ended = place.run(std::iter::once(&"upload").chain(args));
    assert!(begun.elapsed() < GENEROUS);
    assert_eq!(ended.code, code, "{args:?}: {ended:?}");
    assert!(ended.stdout.is_empty(), "{ended:?}");
    let first = ended.stderr.lines().next().unwrap_or_default();
    assert!(first.starts_with("bitsup: ") || first.starts_with("error: "), "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    ended.stderr
}

#[test]
fn local_files_that_cannot_be_read() {
    let (place, host) = (Place::new(), Host::new());
    std::fs::create_dir(place.path("folder")).expect("made");
    let fifo = std::process::Command::new("mkfifo").arg(place.path("fifo")).status();
    assert!(fifo.expect("mkfifo runs").success());
    let url = host.url("");
    for (file, words) in [
        ("missing", "No such file"),
        ("folder", "It is a directory: name a file"),
        ("fifo", "not a regular file"),
        ("/proc/self/mem/x", "cannot read"),
    ] {
        let said = refused(&place, &[file, &url], 3);
        assert!(said.contains(words) && said.contains(file), "{said}");
        assert_eq!(said.lines().last(), Some("nothing was sent"));
    }
    place.write("a", b"x");
    for option in ["--cacert=missing", "--trace=no/folder", "--receipt=no/folder", "-H@missing"] {
        refused(&place, &[option, "a", &url], 3);
    }
    assert!(host.server.requests().is_empty());
}

#[test]
fn urls_and_headers_that_cannot_be_used() {
    let place = Place::new();
    place.write("a", b"x");
    for (url, words) in [
        ("ftp://h/x", "http or https"),
        ("http://", "URL"),
        ("http://ann:hunter2@h/x", "user name or password"),
        ("http://h/a b", "space"),
        ("http://h/a\r\nX: y", "line break"),
        ("http://h:0/", "port"),
        ("server/x", "last argument"),
    ] {
        let said = refused(&place, &["a", url], 2);
        assert!(said.contains(words), "{url}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    for (header, words) in [
        ("X-A: b\r\nX-B: c", "line break"),
        ("X-A\nX-B: c", "header name"),
        ("Content-Length: 5", "belongs to the protocol"),
        ("BITS-Session-Id: x", "belongs to the protocol"),
        ("no colon", "colon"),
    ] {
        let said = refused(&place, &["-H", header, "a", "http://127.0.0.1:1/x"], 2);
        assert!(said.contains(words), "{header}: {said}");
    }
    place.write("key", b"X-Key: hunter2");
    let said = refused(&place, &["-H", "@key", "a", "http://127.0.0.1:1/x"], 2);
    assert!(said.contains("plain http") && !said.contains("hunter2"), "{said}");
    for option in
        ["--limit-rate=0", "--limit-rate=fast", "--max-time=0", "--fragment-size=0", "--no-such"]
    {
        refused(&place, &[option, "a", "http://127.0.0.1:1/x"], 2);
    }
}

#[test]
fn names_and_ports_that_nobody_answers_for() {
    let place = Place::new();
    place.write("a", b"x");
    let said = refused(&place, &["a", "http://name.invalid/x"], 6);
    assert!(said.contains("name.invalid") && said.contains("not found"), "{said}");
    let (_unheard, address) = unheard();
    let port = address.port();
    let said = refused(&place, &["a", &format!("http://127.0.0.1:{port}/x")], 6);
    assert!(said.contains(&port.to_string()), "{said}");
}

#[test]
fn servers_that_speak_no_bits() {
    let place = Place::new();
    place.write("a", b"x");
    let html =
        || Reply::status(200, "OK").header("Content-Type", "text/html").body("<html>hello</html>");
    let cases: [Case; 5] = [
        ("HTML", || Reply::status(200, "OK").body("<html>hello</html>"), 8),
        ("405", || Reply::status(405, "Method Not Allowed"), 7),
        ("501", || Reply::status(501, "Not Implemented"), 7),
        ("302", || Reply::status(302, "Found").header("Location", "http://other.invalid/"), 7),
        ("garbage", || Reply::raw("SSH-2.0-OpenSSH_9.2\r\n").then_close(), 8),
    ];
    for (name, reply, code) in cases {
        let peer = Scripted::start(move |_, _, _| reply());
        let args = ["a", &peer.url("/x"), "--wait-for-server=3s", "--max-attempts=3"];
        let ended = place.run(std::iter::once(&"upload").chain(&args));
        assert_eq!(ended.code, code, "{name}: {ended:?}");
    }
    let peer = Scripted::start(move |_, _, _| html());
    let ended = place.run(["ping", &peer.url("/x")]);
    assert_eq!(ended.code, 8, "{ended:?}");
}

#[test]
fn other_commands_refuse_what_they_cannot_use() {
    let place = Place::new();
    for (args, code) in [
        (&["ping", "nonsense"][..], 2),
        (&["ping", "http://127.0.0.1:1/"], 6),
        (&["explain", "hello"], 2),
        (&["resume", "0123"], 2),
        (&["cancel"], 2),
        (&["man", "nothing"], 2),
        (&["demo", "missing"], 3),
        (&["serve", "--root", "missing"], 3),
        (&["serve", "--root", ".", "--fault", "missing"], 3),
        (&["serve", "--root", ".", "--listen", "nonsense"], 2),
        (&["serve", "--root", ".", "--conflict-status", "418"], 2),
        (&[], 2),
    ] {
        let ended = place.run(args);
        assert_eq!(ended.code, code, "{args:?}: {ended:?}");
        assert!(!ended.stderr.is_empty());
    }
    for args in [&["list"][..], &["resume"], &["cancel", "--all"]] {
        place.run(args).ok();
    }
}
