//! Each verb of the fault scripts, as a client sees it.

use std::time::{Duration, Instant};

use crate::peer::{Bench, bytes};
use bitsup_server::{Config, FaultScript};

#[test]
fn every_example_of_the_guide_is_a_script() {
    let guide = include_str!("../../../../docs/fault-scripts.md");
    let mut examples = 0;
    for block in guide.split("```fault\n").skip(1) {
        let text = block.split("```").next().expect("end of the block");
        let script: FaultScript = text.parse().unwrap_or_else(|error| panic!("{error} in\n{text}"));
        assert_eq!(script.to_string().parse(), Ok(script), "{text}");
        examples += text.lines().filter(|line| !line.starts_with('#')).count();
    }
    assert!(examples > 25, "{examples}");
    // Each verb of the tables has an example.
    let verbs = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split(['`', ' ']).next());
    let lowercase: Vec<_> =
        verbs.filter(|verb| verb.bytes().all(|byte| byte.is_ascii_lowercase())).collect();
    let blocks: String =
        guide.split("```fault\n").skip(1).filter_map(|block| block.split("```").next()).collect();
    for verb in lowercase {
        assert!(blocks.contains(verb), "{verb} has no example");
    }
}

#[test]
fn drop_closes_at_its_byte_and_keeps_or_discards() {
    let body = bytes(300_000);
    for (script, kept) in [
        ("fragment 1: drop after 70000", 70_000),
        ("fragment 1: drop after 70000 discard", 0),
        ("fragment 1: drop", 0),
        ("fragment 1: drop after 1G keep", 200_000),
    ] {
        let bench = Bench::scripted(script);
        let mut peer = bench.connect();
        let id = peer.create("/a").session();
        peer.send_fragment("/a", &id, 0, 300_000, 200_000, &body[..200_000]);
        assert_eq!(peer.rest(), b"", "{script}");
        let mut peer = bench.connect();
        let ack = peer.fragment("/a", &id, 299_999, 300_000, &body[299_999..]);
        assert_eq!((ack.status, ack.offset()), (416, Some(kept)), "{script}");
        assert_eq!(bench.server.requests()[1].status, None);
        let ack = peer.fragment("/a", &id, kept, 300_000, &body[kept as usize..]);
        assert_eq!(ack.offset(), Some(300_000), "{script}");
        peer.close("/a", &id);
        assert_eq!(bench.file("a"), Some(body.clone()), "{script}");
    }
}

#[test]
fn packets_without_a_body_are_dropped_before_their_work() {
    let bench = Bench::scripted("create 1: drop\nclose 1: drop after 9");
    let mut peer = bench.connect();
    peer.send_request(
        "BITS_POST /a",
        &["BITS-Packet-Type: Create-Session", "Content-Length: 0"],
        b"",
    );
    assert_eq!(peer.rest(), b"");
    assert_eq!(bench.server.open_sessions(), 0);
}

#[test]
fn swallow_does_the_work() {
    let bench = Bench::scripted("fragment 1: swallow\nclose 1: swallow");
    let id = bench.connect().create("/a").session();
    let mut peer = bench.connect();
    peer.send_fragment("/a", &id, 0, 3, 3, b"abc");
    assert_eq!(peer.rest(), b"");
    let ack = bench.connect().fragment("/a", &id, 0, 4, b"abcd");
    assert_eq!(ack.status, 400, "the size is known, so the fragment was seen");
    let mut peer = bench.connect();
    let lines =
        ["BITS-Packet-Type: Close-Session", "Content-Length: 0", &format!("BITS-Session-Id: {id}")];
    peer.send_request("BITS_POST /a", &lines, b"");
    assert_eq!(peer.rest(), b"");
    assert_eq!(bench.file("a").as_deref(), Some(&b"abc"[..]));
    assert_eq!(bench.connect().close("/a", &id).error().1, Some("0x8020001f"));
}

#[test]
fn hang_never_answers_and_another_connection_goes_on() {
    let bench = Bench::scripted("fragment 1: hang");
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    peer.send_fragment("/a", &id, 0, 6, 3, b"abc");
    peer.stream.set_read_timeout(Some(Duration::from_millis(200))).expect("time-out");
    assert!(peer.read().is_err());
    assert_eq!(bench.connect().fragment("/a", &id, 3, 6, b"def").offset(), Some(6));
}

#[test]
fn garbage_comes_instead_of_an_answer() {
    let bench = Bench::scripted("ping 1: garbage\nping 2: garbage 70000 trickle 10000/1ms");
    for length in [512, 70_000] {
        let mut peer = bench.connect();
        peer.send_request("BITS_POST /a", &["BITS-Packet-Type: Ping", "Content-Length: 0"], b"");
        let seen = peer.rest();
        assert_eq!(seen.len(), length);
        assert!(!seen.starts_with(b"H"));
    }
    assert_eq!(bench.server.requests()[0].status, None);
}

#[test]
fn forget_deletes_the_session() {
    let bench = Bench::scripted("fragment 2: forget");
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    peer.fragment("/a", &id, 0, 6, b"abc");
    assert_eq!(bench.server.open_sessions(), 1);
    assert_eq!(
        peer.fragment("/a", &id, 3, 6, b"def").error(),
        (500, Some("0x8020001f"), Some("0x5"))
    );
    assert_eq!(bench.server.open_sessions(), 0);
    assert_eq!(peer.fragment("/a", &id, 3, 6, b"def").status, 500);
}

#[test]
fn answers_of_the_script() {
    let script = "fragment 1: answer 503 header \"Retry-After: 2\" error 0x80070070 context 0x7 body \"<html>\"\n\
        fragment 2: 413\nfragment 3: 401\nfragment 4: answer 502 after work";
    let bench = Bench::scripted(script);
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    let ack = peer.fragment("/a", &id, 0, 6, b"abc");
    assert_eq!(ack.error(), (503, Some("0x80070070"), Some("0x7")));
    assert_eq!((ack.header("Retry-After"), ack.body.as_slice()), (Some("2"), &b"<html>"[..]));
    assert_eq!(peer.fragment("/a", &id, 0, 6, b"abc").error(), (413, None, None));
    let ack = peer.fragment("/a", &id, 0, 6, b"abc");
    assert_eq!((ack.status, ack.header("WWW-Authenticate").is_some()), (401, true));
    assert_eq!(peer.fragment("/a", &id, 0, 6, b"abc").status, 502);
    assert_eq!(peer.fragment("/a", &id, 0, 6, b"abc").offset(), Some(3), "the fourth was stored");
}

#[test]
fn offsets_go_back_or_lie_and_the_file_is_still_right() {
    let body = bytes(60);
    let script = "fragment 2: rewind 15\nfragment 3: rewind 10 as 416\nfragment 4: offset 3\nfragment 5: offset 99 as 416\nfragment 7: rewind 10";
    let bench = Bench::scripted(script);
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    // Bytes first to end, and what is answered.
    let steps = [
        (0, 20, 200, 20),
        (20, 40, 200, 25),
        (25, 45, 416, 35),
        (35, 40, 200, 3),
        (3, 30, 416, 99),
        (59, 60, 416, 30),
        (30, 60, 200, 50),
        (50, 60, 200, 60),
    ];
    for (first, end, status, offset) in steps {
        let ack = peer.fragment("/a", &id, first as u64, 60, &body[first..end]);
        assert_eq!((ack.status, ack.offset()), (status, Some(offset)), "{first} to {end}");
    }
    peer.close("/a", &id);
    assert_eq!(bench.file("a"), Some(body));
}

#[test]
fn stall_and_delay_take_their_time() {
    let bench = Bench::scripted("fragment 1: stall 300ms after 1000\nping: delay 300ms");
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    let start = Instant::now();
    assert_eq!(peer.fragment("/a", &id, 0, 3000, &bytes(3000)).offset(), Some(3000));
    assert_eq!(peer.packet("Ping", "/a", &[]).status, 200);
    assert!(start.elapsed() >= Duration::from_millis(600));
}

#[test]
fn a_newer_packet_ends_a_stalled_body() {
    let bench = Bench::start();
    let mut stuck = bench.connect();
    let id = stuck.create("/a").session();
    let lines = [
        "BITS-Packet-Type: Fragment",
        &format!("BITS-Session-Id: {id}"),
        "Content-Range: bytes 0-99/100",
        "Content-Length: 100",
        "Expect: 100-continue",
    ];
    stuck.send_request("BITS_POST /a", &lines, b"");
    // The server asks for the body when the packet has its turn.
    assert_eq!(stuck.read().expect("an answer").status, 100);
    stuck.send(&bytes(100)[..40]);
    let mut peer = bench.connect();
    let mut offset = peer.fragment("/a", &id, 99, 100, &bytes(100)[99..]).offset().expect("offset");
    // The newer packet may have come before those bytes.
    assert!(offset == 40 || offset == 0, "{offset}");
    offset = peer
        .fragment("/a", &id, offset, 100, &bytes(100)[offset as usize..])
        .offset()
        .expect("offset");
    assert_eq!(offset, 100);
    assert_eq!(stuck.rest(), b"");
}

#[test]
fn headers_and_status_can_be_spoiled() {
    let script = "create 1: status 201 with \"BITS-Host-Id: node7\" without Accept-Encoding\n\
        fragment 1: without bits-received-content-range\n\
        fragment 2: adding \"BITS-Received-Content-Range: 7\"\n\
        ping 1: version 1.0 without Content-Length\n\
        ping 2: stray \"HTTP/1.1 999 ?\"\n\
        ping 3: trickle 20/1ms\n\
        ping 4: with \"Content-Length: 5\"";
    let bench = Bench::scripted(script);
    let mut peer = bench.connect();
    let ack = peer.create("/a");
    assert_eq!(
        (ack.status, ack.header("BITS-Host-Id"), ack.header("Accept-Encoding")),
        (201, Some("node7"), None)
    );
    let id = ack.header("BITS-Session-Id").expect("session").to_owned();
    let ack = peer.fragment("/a", &id, 0, 6, b"abc");
    assert_eq!((ack.status, ack.offset()), (200, None));
    let ack = peer.fragment("/a", &id, 3, 6, b"def");
    assert_eq!(ack.head.to_ascii_lowercase().matches("bits-received-content-range").count(), 2);
    let ack = peer.packet("Ping", "/a", &[]);
    assert!(ack.head.starts_with("HTTP/1.0 200 OK\r\n"), "{}", ack.head);
    assert_eq!(ack.header("Content-Length"), None);
    assert_eq!(peer.packet("Ping", "/a", &[]).status, 200);
    let mut stray = [0; 14];
    std::io::Read::read_exact(&mut peer.stream, &mut stray).expect("stray bytes");
    assert_eq!(&stray, b"HTTP/1.1 999 ?");
    assert_eq!(
        peer.packet("Ping", "/a", &[]).header("Content-Length"),
        Some("0"),
        "trickled, but whole"
    );
    peer.send_request("BITS_POST /a", &["BITS-Packet-Type: Ping", "Content-Length: 0"], b"");
    let ack = peer.read_head_of("HEAD").expect("head");
    assert_eq!(ack.header("Content-Length"), Some("5"), "there is no such body");
    assert_eq!(peer.close("/a", &id).status, 200);
}

#[test]
fn every_and_from_count_requests() {
    let bench = Bench::scripted("every 3: 503\nfrom 5: 504");
    let mut peer = bench.connect();
    let seen: Vec<u16> = (0..6).map(|_| peer.packet("Ping", "/a", &[]).status).collect();
    assert_eq!(seen, [200, 200, 503, 200, 504, 503]);
}

#[test]
fn broken_servers() {
    let bench = Bench::with(Config { appends_blindly: true, ..Config::default() });
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    assert_eq!(peer.fragment("/a", &id, 0, 6, b"abc").offset(), Some(3));
    assert_eq!(peer.fragment("/a", &id, 0, 6, b"abc").offset(), Some(3), "again");
    assert_eq!(peer.fragment("/a", &id, 3, 6, b"def").offset(), Some(6));
    assert_eq!(peer.close("/a", &id).status, 200);
    assert_eq!(bench.file("a").as_deref(), Some(&b"abcabcdef"[..]));

    let bench = Bench::with(Config { session_bound_to_connection: true, ..Config::default() });
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    assert_eq!(peer.fragment("/a", &id, 0, 6, b"abc").offset(), Some(3));
    assert_eq!(bench.connect().fragment("/a", &id, 3, 6, b"def").error().1, Some("0x8020001f"));
    assert_eq!(
        peer.fragment("/a", &id, 3, 6, b"def").error().1,
        Some("0x8020001f"),
        "gone for both"
    );
}
