//! Upload-reply, GET and HEAD.

use std::time::Duration;

use crate::peer::{Bench, bytes};
use bitsup_server::{Config, Reply, rule};

fn command(script: &str) -> Reply {
    Reply::Command(["sh", "-c", script, "sh"].map(str::to_owned).to_vec())
}

/// The URL that a client makes of the header: MC-BUP §4.2.
fn path_of(folder: &str, url: &str) -> String {
    format!("{folder}/{}", url.replace('\\', "/").replace('{', "%7B").replace('}', "%7D"))
}

#[test]
fn the_upload_reply_of_the_transcript() {
    let config = Config {
        reply: Some(command("tr a-z A-Z < \"$1\" > \"$2\"")),
        create_dirs: true,
        host_id: Some("FRANKCAO8".into()),
        host_id_fallback: Some(110),
        ..Config::default()
    };
    let bench = Bench::with(config);
    let mut peer = bench.connect();
    let ack = peer.create("/up/a.txt");
    assert_eq!(
        (ack.header("BITS-Host-Id"), ack.header("BITS-Host-Id-Fallback-Timeout")),
        (Some("FRANKCAO8"), Some("110"))
    );
    let id = ack.session();
    assert_eq!(peer.fragment("/up/a.txt", &id, 0, 6, b"abc").header("BITS-Reply-URL"), None);
    let ack = peer.fragment("/up/a.txt", &id, 3, 6, b"def");
    let url = format!("BITS-Sessions\\Replies\\{id}\\responsefile.bin");
    assert_eq!((ack.offset(), ack.header("BITS-Reply-URL")), (Some(6), Some(url.as_str())));
    // A lost Ack: the resent fragment is told the offset and the reply again.
    let ack = peer.fragment("/up/a.txt", &id, 3, 6, b"def");
    assert_eq!(
        (ack.status, ack.offset(), ack.header("BITS-Reply-URL")),
        (416, Some(6), Some(url.as_str()))
    );
    let path = path_of("/up", &url);
    assert_eq!(peer.ask(&format!("GET {path}"), &[], b"").body, b"ABCDEF");
    assert_eq!(
        peer.ask(&format!("GET {}", path_of("", &url)), &[], b"").status,
        404,
        "another folder"
    );
    assert_eq!(peer.close("/up/a.txt", &id).status, 200);
    assert_eq!(peer.ask(&format!("GET {path}"), &[], b"").status, 404, "gone with the session");
    assert_eq!(bench.file("up/a.txt").as_deref(), Some(&b"abcdef"[..]));
}

#[test]
fn an_application_that_failed_is_asked_again() {
    let _rule = rule!("SRV-05");
    let folder = tempfile::tempdir().expect("temporary folder");
    let runs = folder.path().join("runs");
    let script = format!(
        "echo run >> '{0}'; test $(wc -l < '{0}') -gt 1 && cat \"$1\" > \"$2\"",
        runs.display()
    );
    let bench = Bench::with(Config { reply: Some(command(&script)), ..Config::default() });
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    peer.fragment("/a", &id, 0, 6, b"abc");
    let ack = peer.fragment("/a", &id, 3, 6, b"def");
    assert_eq!(ack.error(), (500, Some("0x80004005"), Some("0x7")));
    // Another body shows that the first one was kept.
    let ack = peer.fragment("/a", &id, 3, 6, b"xxx");
    assert_eq!((ack.status, ack.offset()), (200, Some(6)));
    let url = ack.header("BITS-Reply-URL").expect("reply").to_owned();
    assert_eq!(peer.ask(&format!("GET {}", path_of("", &url)), &[], b"").body, b"abcdef");
    assert_eq!(std::fs::read_to_string(&runs).expect("runs").lines().count(), 2);
    peer.close("/a", &id);
    assert_eq!(bench.file("a").as_deref(), Some(&b"abcdef"[..]));
}

#[test]
fn downloads_know_ranges_length_and_age() {
    let _rule = rule!("SRV-06");
    let body = bytes(10_240);
    let bench =
        Bench::with(Config { reply: Some(command("cat \"$1\" > \"$2\"")), ..Config::default() });
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    let url = peer
        .fragment("/a", &id, 0, 10_240, &body)
        .header("BITS-Reply-URL")
        .expect("reply")
        .to_owned();
    let path = path_of("", &url);
    let first = peer.ask(
        &format!("GET {path}"),
        &["Range: bytes=0-9976", "Accept-Encoding: identity"],
        b"",
    );
    assert_eq!((first.status, first.header("Content-Range")), (206, Some("bytes 0-9976/10240")));
    assert_eq!(
        (first.header("Content-Length"), first.body.as_slice()),
        (Some("9977"), &body[..9977])
    );
    let modified = format!("If-Range: {}", first.header("Last-Modified").expect("Last-Modified"));
    assert_eq!(
        peer.ask(&format!("GET {path}"), &["Range: bytes=9977-", &modified], b"").body,
        body[9977..]
    );
    let other = ["Range: bytes=9977-", "If-Range: Mon, 18 Jun 2007 21:12:01 GMT"];
    assert_eq!(
        peer.ask(&format!("GET {path}"), &other, b"").status,
        200,
        "another version: all of it"
    );
    assert_eq!(peer.ask(&format!("GET {path}"), &["Range: bytes=10240-"], b"").status, 416);
    let whole = peer.ask(&format!("GET {path}"), &[], b"");
    assert_eq!(
        (whole.status, whole.body.len(), whole.header("Accept-Ranges")),
        (200, 10_240, Some("bytes"))
    );
    peer.send_request(&format!("HEAD {path}"), &[], b"");
    let head = peer.read_head_of("HEAD").expect("answer");
    assert_eq!((head.status, head.header("Content-Length")), (200, Some("10240")));
    assert_eq!(head.header("Last-Modified"), whole.header("Last-Modified"));
    peer.close("/a", &id);
    peer.send_request("HEAD /a", &[], b"");
    assert_eq!(
        peer.read_head_of("HEAD").expect("answer").header("Content-Length"),
        Some("10240"),
        "a published file too"
    );
    assert_eq!(peer.ask("GET /a", &["Range: bytes=-5"], b"").body, body[10_235..]);
}

#[test]
fn other_replies() {
    let url = "https://replies.example/static.bin";
    let bench = Bench::with(Config {
        reply: Some(Reply::StaticUrl(url.into())),
        reply_keeps_upload: false,
        ..Config::default()
    });
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    assert_eq!(peer.fragment("/a", &id, 0, 1, b"x").header("BITS-Reply-URL"), Some(url));
    peer.close("/a", &id);
    assert_eq!(bench.file("a"), None, "not asked to place it");

    let bench = Bench::with(Config { reply: Some(command("true")), ..Config::default() });
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    let url =
        peer.fragment("/a", &id, 0, 1, b"x").header("BITS-Reply-URL").expect("reply").to_owned();
    let answer = peer.ask(&format!("GET {}", path_of("", &url)), &[], b"");
    assert_eq!((answer.status, answer.body.len()), (200, 0), "no reply is an empty one");

    let slow = Config {
        reply: Some(command("sleep 60")),
        reply_timeout: Duration::from_millis(100),
        ..Config::default()
    };
    let bench = Bench::with(slow);
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    assert_eq!(
        peer.fragment("/a", &id, 0, 1, b"x").error(),
        (408, Some("0x80070112"), Some("0x7"))
    );
}
