//! The five packets, written by hand, against the transcripts of MC-BUP §4 and the rules of §3.2.

use crate::peer::{Bench, bytes};
use bitsup_server::{Config, ErrorHeaders, Publish, rule};

const UNKNOWN: &str = "{00000000-0000-0000-0000-000000000000}";
const INVALID: (u16, Option<&str>, Option<&str>) = (400, Some("0x80070057"), Some("0x5"));
const NOT_FOUND: (u16, Option<&str>, Option<&str>) = (500, Some("0x8020001f"), Some("0x5"));

/// MC-BUP §4.1 with its header lines as they stand there.
#[test]
fn the_simple_upload_of_the_transcript() {
    let bench = Bench::with(Config { create_dirs: true, ..Config::default() });
    let mut peer = bench.connect();
    let body = bytes(4892);
    let tail = "User-Agent: Microsoft BITS/6.7\r\nHost: frankcao8\r\n";
    let line = "BITS_POST /upload/2000mb-rfc2119.txt HTTP/1.1\r\nAccept: */*\r\n";

    peer.send(format!("{line}BITS-Packet-Type: Create-Session\r\nBITS-Supported-Protocols: {}\r\nContent-Name: rfc2119.txt\r\n{tail}Content-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", crate::peer::PROTOCOL).as_bytes());
    let ack = peer.read().expect("Ack");
    assert_eq!(ack.head.lines().next(), Some("HTTP/1.1 200 OK"));
    assert_eq!(ack.header("BITS-Packet-Type"), Some("Ack"));
    assert_eq!(ack.header("BITS-Protocol"), Some(crate::peer::PROTOCOL));
    assert_eq!(ack.header("Accept-Encoding"), Some("identity"));
    assert_eq!(ack.header("Content-Length"), Some("0"));
    assert_eq!(ack.header("Pragma"), Some("no-cache"));
    assert_eq!(ack.header("BITS-Host-Id"), None);
    let id = ack.session();
    assert_eq!((id.len(), id.starts_with('{'), id.to_uppercase() == id), (38, true, true), "{id}");

    let session = format!("BITS-Session-Id: {id}\r\nContent-Name: rfc2119.txt\r\n");
    peer.send(format!("{line}BITS-Packet-Type: Fragment\r\n{session}Content-Range: bytes 0-4891/4892\r\n{tail}Content-Length: 4892\r\nConnection: Keep-Alive\r\n\r\n").as_bytes());
    peer.send(&body);
    let ack = peer.read().expect("Ack");
    assert_eq!(
        (ack.status, ack.offset(), ack.header("BITS-Packet-Type")),
        (200, Some(4892), Some("Ack"))
    );
    assert_eq!((ack.header("BITS-Reply-URL"), ack.header("BITS-Error")), (None, None));
    assert_eq!(bench.file("upload/2000mb-rfc2119.txt"), None, "published at Close-Session");

    peer.send(format!("{line}BITS-Packet-Type: Ping\r\n{tail}Content-Length: 0\r\nConnection: Keep-Alive\r\n\r\n").as_bytes());
    let ack = peer.read().expect("Ack");
    assert_eq!(
        (ack.status, ack.header("BITS-Packet-Type"), ack.header("BITS-Session-Id")),
        (200, Some("Ack"), None)
    );
    assert_eq!(bench.server.open_sessions(), 1);

    peer.send(format!("{line}BITS-Packet-Type: Close-Session\r\n{session}{tail}Content-Length: 0\r\nConnection: Keep-Alive\r\n\r\n").as_bytes());
    let ack = peer.read().expect("Ack");
    assert_eq!(
        (ack.status, ack.header("BITS-Packet-Type"), ack.header("Content-Length")),
        (200, Some("Ack"), Some("0"))
    );
    assert_eq!(bench.file("upload/2000mb-rfc2119.txt"), Some(body));
    assert_eq!(bench.server.open_sessions(), 0);

    let log = bench.server.requests();
    let seen: Vec<_> = log
        .iter()
        .map(|request| {
            (request.packet_type().expect("type"), request.body, request.status, request.connection)
        })
        .collect();
    let row = |kind: &str, body| (kind.to_owned(), body, Some(200), 1);
    assert_eq!(
        seen,
        [row("Create-Session", 0), row("Fragment", 4892), row("Ping", 0), row("Close-Session", 0)]
    );
    assert_eq!(log[0].session.as_deref(), Some(id.as_str()));
}

#[test]
fn the_other_offset_is_answered_416_or_trimmed() {
    let _rule = rule!("SRV-01");
    let body = bytes(200);
    let bench = Bench::start();
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    assert_eq!(peer.fragment("/a", &id, 0, 200, &body[..101]).offset(), Some(101));
    for first in [50, 0, 102, 199] {
        let ack = peer.fragment("/a", &id, first, 200, &body[first as usize..=first as usize]);
        assert_eq!(
            (ack.status, ack.offset(), ack.header("BITS-Error-Code")),
            (416, Some(101), None),
            "start {first}"
        );
    }
    assert_eq!(peer.fragment("/a", &id, 101, 200, &body[101..]).offset(), Some(200));
    assert_eq!(peer.close("/a", &id).status, 200);
    assert_eq!(bench.file("a"), Some(body.clone()));

    let bench = Bench::with(Config { overlap: true, ..Config::default() });
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    peer.fragment("/a", &id, 0, 200, &body[..101]);
    let mut other = body.clone();
    other[..101].fill(0);
    let ack = peer.fragment("/a", &id, 50, 200, &other[50..151]);
    assert_eq!((ack.status, ack.offset()), (200, Some(151)), "Learn's example: 101-150 are stored");
    let ack = peer.fragment("/a", &id, 0, 200, &other[..20]);
    assert_eq!((ack.status, ack.offset()), (200, Some(151)), "nothing new");
    assert_eq!(peer.fragment("/a", &id, 152, 200, &other[152..]).status, 416, "a gap");
    peer.fragment("/a", &id, 151, 200, &other[151..]);
    peer.close("/a", &id);
    assert_eq!(bench.file("a"), Some(body));
}

#[test]
fn faults_are_found_in_the_order_of_the_protocol() {
    let _rule = rule!("SRV-02");
    let bench = Bench::start();
    let mut peer = bench.connect();
    let unknown = format!("BITS-Session-Id: {UNKNOWN}");
    let kind = |kind: &str| format!("BITS-Packet-Type: {kind}");
    // Syntax before right.
    let ack = peer.ask(
        "BITS_POST /../x",
        &[&kind("Fragment"), &unknown, "Content-Range: bytes 5-1/9", "Content-Length: 0"],
        b"",
    );
    assert_eq!(ack.error(), INVALID);
    // Right before Content-Length.
    let ack = peer.ask("BITS_POST /../x", &[&kind("Close-Session"), &unknown], b"");
    assert_eq!(ack.error(), (403, Some("0x80070005"), Some("0x5")));
    // Content-Length before the session.
    let ack = peer.ask("BITS_POST /x", &[&kind("Close-Session"), &unknown], b"");
    assert_eq!(ack.error(), (411, Some("0x80070057"), Some("0x5")));
    // The session before the packet type.
    assert_eq!(peer.packet("Explode", "/x", &[&unknown]).error(), NOT_FOUND);
    let id = peer.create("/x").session();
    assert_eq!(peer.packet("Explode", "/x", &[&format!("BITS-Session-Id: {id}")]).error(), INVALID);
    // And the other packets ask for the session, but Ping does not.
    assert_eq!(peer.fragment("/x", UNKNOWN, 0, 1, b"x").error(), NOT_FOUND);
    assert_eq!(peer.close("/x", UNKNOWN).error(), NOT_FOUND);
    assert_eq!(peer.cancel("/x", UNKNOWN).error(), NOT_FOUND);
    assert_eq!(peer.packet("PING", "/x", &[&unknown]).status, 200);
}

#[test]
fn malformed_packets_are_answered_400() {
    let bench = Bench::start();
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    let session = format!("BITS-Session-Id: {id}");
    let long = format!("X-Long: {}", "x".repeat(4097));
    assert_eq!(peer.packet("Ping", "/a", &[&long]).error(), INVALID, "4 KB a value");
    assert_eq!(
        peer.packet("Create-Session", "/a", &["BITS-Supported-Protocols: {other}"]).error(),
        INVALID
    );
    assert_eq!(peer.packet("Create-Session", "/a", &[]).error(), INVALID);
    assert_eq!(peer.packet("Close-Session", "/a", &[]).error(), INVALID, "no session id");
    assert_eq!(
        peer.packet("Close-Session", "/other", &[&session]).error(),
        INVALID,
        "another path"
    );
    assert_eq!(
        peer.ask("BITS_POST /a", &["Content-Length: 0"], b"").error(),
        INVALID,
        "no packet type"
    );
    let close = ["BITS-Packet-Type: Close-Session", &session, "Content-Length: 3"];
    assert_eq!(peer.ask("BITS_POST /a", &close, b"abc").error(), INVALID, "a body");
    for range in [
        "bytes 0-2/3 ",
        "0-2/3",
        "bytes 0-3/4",
        "bytes 0-1/3",
        "bytes 0-2/*",
        "bytes 3-2/3",
        "bytes 0-2/2",
    ] {
        let range_line = format!("Content-Range: {range}");
        let lines = ["BITS-Packet-Type: Fragment", &session, &range_line, "Content-Length: 3"];
        let ack = peer.ask("BITS_POST /a", &lines, b"abc");
        if range.ends_with(' ') {
            assert_eq!(ack.offset(), Some(3), "white space around a value is not part of it");
        } else {
            assert_eq!(ack.error(), INVALID, "{range}");
        }
    }
    assert_eq!(
        peer.fragment("/a", &id, 3, 5, b"de").error(),
        INVALID,
        "another length than before"
    );
    let chunked = [
        "BITS-Packet-Type: Fragment",
        &session,
        "Content-Range: bytes 0-2/3",
        "Transfer-Encoding: chunked",
    ];
    assert_eq!(peer.ask("BITS_POST /a", &chunked, b"3\r\nabc\r\n0\r\n\r\n").status, 411);
    let mut old = bench.connect();
    old.send(b"BITS_POST /a HTTP/1.0\r\nBITS-Packet-Type: Ping\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(old.read().expect("answer").error(), INVALID);
    assert_eq!(bench.connect().ask("PUT /a", &["Content-Length: 0"], b"").status, 405);
}

#[test]
fn error_headers_in_both_spellings() {
    let _rule = rule!("SRV-03");
    for (spelling, code, error) in [
        (ErrorHeaders::Both, true, true),
        (ErrorHeaders::CodeOnly, true, false),
        (ErrorHeaders::ErrorOnly, false, true),
    ] {
        let bench = Bench::with(Config { error_headers: spelling, ..Config::default() });
        let ack = bench.connect().close("/a", UNKNOWN);
        let has = |line: &str| ack.head.to_ascii_lowercase().contains(line);
        assert_eq!(has("\r\nbits-error-code: 0x8020001f\r\n"), code, "{spelling:?}");
        assert_eq!(has("\r\nbits-error: 0x8020001f\r\n"), error, "{spelling:?}");
        assert!(has("\r\nbits-error-context: 0x5\r\n"), "{spelling:?}");
    }
    // 0x7 comes from the application.
    let reply = Some(bitsup_server::Reply::Command(vec!["false".into()]));
    let bench = Bench::with(Config { reply, ..Config::default() });
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    assert_eq!(
        peer.fragment("/a", &id, 0, 1, b"x").error(),
        (500, Some("0x80004005"), Some("0x7"))
    );
}

#[test]
fn a_file_is_published_whole_or_not_at_all() {
    let _rule = rule!("SRV-04");
    let bench = Bench::start();
    let mut peer = bench.connect();
    let listed = || {
        std::fs::read_dir(bench.root())
            .expect("root")
            .filter(|entry| entry.as_ref().expect("entry").file_name() != ".bitsup-server")
            .count()
    };

    let id = peer.create("/early").session();
    peer.fragment("/early", &id, 0, 4, b"abc");
    assert_eq!(listed(), 0);
    assert_eq!(peer.close("/early", &id).status, 200);
    assert_eq!(listed(), 0, "a part is discarded");
    assert_eq!(peer.fragment("/early", &id, 3, 4, b"d").error(), NOT_FOUND);

    let id = peer.create("/empty").session();
    assert_eq!(peer.close("/empty", &id).status, 200);
    assert_eq!(bench.file("empty"), Some(Vec::new()));

    let id = peer.create("/gone").session();
    peer.fragment("/gone", &id, 0, 3, b"abc");
    assert_eq!(peer.cancel("/gone", &id).status, 200);
    assert_eq!(bench.file("gone"), None);
    assert_eq!(peer.close("/gone", &id).error(), NOT_FOUND);
    assert_eq!(bench.server.open_sessions(), 0);

    let bench = Bench::with(Config { publish: Publish::AtLastFragment, ..Config::default() });
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    peer.fragment("/a", &id, 0, 3, b"ab");
    assert_eq!(bench.file("a"), None);
    peer.fragment("/a", &id, 2, 3, b"c");
    assert_eq!(bench.file("a").as_deref(), Some(&b"abc"[..]));
    let ack = peer.fragment("/a", &id, 2, 3, b"c");
    assert_eq!((ack.status, ack.offset()), (416, Some(3)));
    assert_eq!(peer.cancel("/a", &id).status, 200);
    assert!(bench.file("a").is_some(), "a cancel comes too late");
}
