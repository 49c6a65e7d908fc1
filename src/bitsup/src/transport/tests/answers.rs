//! What counts as an answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bitsup_server::scripted::{Reply, Scripted};

use super::support::{Bench, Fed, SOON, fragment, limits, packet};
use crate::transport::{BodyRead, Event, Exchange, FailureKind, Limits, Method, Sent, Sink};

/// Runs three exchanges against a peer that always answers so.
fn run_thrice(reply: impl Fn() -> Reply + Send + 'static, body: usize) -> (Scripted, Vec<Event>) {
    let peer = Scripted::start(move |_, _, _| reply());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let events = (0..3).map(|_| bench.run(pinned, fragment(&peer, body))).collect();
    (peer, events)
}

fn statuses(events: &[Event]) -> Vec<u16> {
    events.iter().map(|event| event.result.as_ref().map_or(0, |answer| answer.status)).collect()
}

#[test]
fn an_answer_without_length_ends_with_its_headers() {
    let _rule = bitsup_server::rule!("ACK-15");
    for body in [0, 10] {
        let (peer, events) = run_thrice(|| Reply::ack().without_length(), body);
        assert_eq!(statuses(&events), [200, 200, 200]);
        assert_eq!(peer.connections().len(), 3);
        let answer = events[0].result.as_ref().unwrap();
        assert_eq!(answer.headers.get("bits-packet-type"), Some(&b"Ack"[..]));
    }
}

#[test]
fn interim_answers_are_skipped() {
    let _rule = bitsup_server::rule!("ACK-14");
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    for reply in [Reply::ack(), Reply::ack().without_length()] {
        let reply = move || reply.clone().preceded_by(interim).header("X", "1");
        let (_peer, events) = run_thrice(reply, 10);
        assert_eq!(statuses(&events), [200, 200, 200]);
        let headers = &events[0].result.as_ref().unwrap().headers;
        assert_eq!(headers.get("Link"), None);
        assert_eq!(headers.get("X"), Some(&b"1"[..]));
    }
}

#[test]
fn after_http_1_0_comes_a_new_connection_that_says_1_1() {
    let _rule = bitsup_server::rule!("ACK-14");
    for reply in [
        Reply::ack().http10(),
        Reply::ack().http10().header("Connection", "keep-alive"),
        Reply::ack().http10().without_length(),
    ] {
        let (peer, events) = run_thrice(move || reply.clone(), 10);
        assert_eq!(statuses(&events), [200, 200, 200]);
        assert!(events[0].result.as_ref().unwrap().http10);
        assert_eq!(peer.connections().len(), 3);
        assert!(peer.requests().iter().all(|request| request.version == "HTTP/1.1"));
        assert!(peer.wait_for_close(0, SOON));
    }
}

#[test]
fn bodies_are_drained_up_to_a_bound() {
    let _rule = bitsup_server::rule!("ACK-05");
    let page = |length| "x".repeat(length);
    for (length, connections) in [(4096, 1), (65_536, 1), (65_537, 3)] {
        for code in [200, 416, 503] {
            let (peer, events) =
                run_thrice(move || Reply::status(code, "Some").body(page(length)), 10);
            assert_eq!(statuses(&events), [code; 3]);
            assert_eq!(peer.connections().len(), connections, "{length} bytes on {code}");
        }
    }
    let chunked = move |chunks: usize| {
        let chunk = format!("1000\r\n{}\r\n", page(4096)).repeat(chunks);
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n")
    };
    for (chunks, connections) in [(2, 1), (17, 3)] {
        let (peer, events) = run_thrice(move || Reply::raw(chunked(chunks)), 10);
        assert_eq!(statuses(&events), [200; 3]);
        assert_eq!(peer.connections().len(), connections, "{chunks} chunks");
        assert_eq!(events[0].result.as_ref().unwrap().body_prefix.len(), 4096);
    }
}

#[test]
fn a_body_that_does_not_end_does_not_hold_the_answer_up() {
    let (_peer, events) = run_thrice(
        || Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").then_close(),
        10,
    );
    assert_eq!(statuses(&events), [200; 3]);
    assert!(events.iter().all(|event| event.stats.new_connection));
}

#[test]
fn an_early_answer_ends_the_sending() {
    for code in [200, 201, 413, 416, 500] {
        for reply in [Reply::status(code, "Early"), Reply::status(code, "Early").body("why")] {
            let reply = reply.after_body_bytes(1000).then_hang();
            let peer = Scripted::start(move |_, _, _| reply.clone());
            let mut bench = Bench::new();
            let pinned = bench.pinned();
            let body = Fed::default();
            body.feed(BodyRead::Bytes(1000));
            let exchange = Exchange { length: 5000, body: Some(Box::new(body)), ..packet(&peer) };
            let event = bench.run(pinned, exchange);
            let answer = event.result.unwrap();
            assert_eq!(answer.status, code);
            assert!(!answer.request_sent);
            assert!(answer.body_prefix.is_empty() || answer.body_prefix == b"why");
            assert_eq!(event.stats.sent, 1000);
            assert!(peer.wait_for_close(0, SOON));
        }
    }
}

#[test]
fn an_early_refusal_of_a_large_body_is_taken() {
    let peer = Scripted::start(|_, _, number| {
        if number == 0 {
            Reply::status(413, "Too Large").body("too large").after_body_bytes(100_000).then_hang()
        } else {
            Reply::ack()
        }
    });
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let event = bench.run(pinned, fragment(&peer, 28_000_000));
    assert_eq!(event.result.unwrap().status, 413);
    let event = bench.run(pinned, packet(&peer));
    assert_eq!(event.result.unwrap().status, 200);
    assert!(event.stats.new_connection);
}

#[test]
fn floods_of_header_lines_are_refused() {
    let long = "X: ".to_owned() + &"y".repeat(1000) + "\r\n";
    for flood in
        ["X: y\r\n".repeat(100_000), long.repeat(1000), "HTTP/1.1 100 C\r\n\r\n".repeat(50_000)]
    {
        let reply = format!("HTTP/1.1 200 OK\r\n{flood}");
        let peer = Scripted::start(move |_, _, _| Reply::raw(reply.clone()).then_hang());
        let mut bench = Bench::new();
        let pinned = bench.pinned();
        let failure = bench.run(pinned, packet(&peer)).result.unwrap_err();
        assert!(matches!(failure.kind, FailureKind::BadAnswer), "{failure:?}");
        assert_eq!(failure.sent, Sent::All);
        assert!(peer.wait_for_close(0, SOON));
    }
}

#[test]
fn garbage_is_a_bad_answer() {
    for garbage in ["SSH-2.0-OpenSSH_9\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "\0\0\0\0\0\0\0\0\0\0"] {
        let peer = Scripted::start(move |_, _, _| Reply::raw(garbage).then_close());
        let mut bench = Bench::new();
        let pinned = bench.pinned();
        let failure = bench.run(pinned, packet(&peer)).result.unwrap_err();
        assert!(matches!(failure.kind, FailureKind::BadAnswer), "{garbage:?}: {failure:?}");
    }
}

#[test]
fn header_lines_keep_their_bytes() {
    let peer = Scripted::start(|_, _, _| {
        let mut reply = b"HTTP/1.1 200 \xff\xfe\r\nX-Raw: \xe4\xf6\r\nA: 1\r\nA: 2\r\n".to_vec();
        reply.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        Reply::raw(reply)
    });
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let answer = bench.run(pinned, packet(&peer)).result.unwrap();
    assert_eq!(answer.headers.get("x-raw"), Some(&b"\xe4\xf6"[..]));
    assert_eq!(answer.headers.get_all("A").collect::<Vec<_>>(), [b"1", b"2"]);
}

struct Kept(Arc<Mutex<Vec<u8>>>, usize);

impl Sink for Kept {
    fn write(&mut self, bytes: &[u8]) -> Result<(), std::io::Error> {
        let mut kept = self.0.lock().unwrap();
        kept.extend_from_slice(bytes);
        if kept.len() > self.1 { Err(std::io::Error::other("full")) } else { Ok(()) }
    }
}

#[test]
fn a_get_fills_its_sink() {
    let reply = "r".repeat(300_000);
    let served = reply.clone();
    let peer = Scripted::start(move |_, request, _| match request.target.as_str() {
        "/missing" => Reply::status(404, "Not Found").body("no such file"),
        "/unframed" => Reply::status(200, "OK").body(served.as_str()).without_length().then_close(),
        _ => Reply::status(200, "OK").body(served.as_str()),
    });
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let get = |target: &str, limit: usize| Exchange {
        method: Method::Get,
        target: target.to_owned(),
        sink: Some(Box::new(Kept(Arc::clone(&kept), limit))),
        headers: Vec::new(),
        ..packet(&peer)
    };
    for target in ["/framed", "/unframed"] {
        let event = bench.run(pinned, get(target, usize::MAX));
        assert_eq!(event.result.unwrap().status, 200);
        assert!(*kept.lock().unwrap() == reply.as_bytes());
        kept.lock().unwrap().clear();
    }
    let answer = bench.run(pinned, get("/missing", 0)).result.unwrap();
    assert_eq!((answer.status, answer.body_prefix), (404, b"no such file".to_vec()));
    assert!(kept.lock().unwrap().is_empty());

    let failure = bench.run(pinned, get("/framed", 1000)).result.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Sink(_)), "{failure:?}");
    assert_eq!(peer.requests()[0].head.split(|b| *b == b' ').next(), Some(&b"GET"[..]));
}

#[test]
fn a_get_that_ends_early_is_no_answer() {
    let peer = Scripted::start(|_, _, _| {
        Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").then_close()
    });
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let exchange = Exchange { method: Method::Get, ..packet(&peer) };
    let failure = bench.run(pinned, exchange).result.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::ConnectionLost), "{failure:?}");
}

#[test]
fn a_head_has_no_body_and_keeps_the_connection() {
    let peer = Scripted::start(|_, request, _| match request.method.as_str() {
        "HEAD" => Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"),
        _ => Reply::ack(),
    });
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let exchange = Exchange { method: Method::Head, ..packet(&peer) };
    let answer = bench.run(pinned, exchange).result.unwrap();
    assert_eq!(answer.headers.get("Content-Length"), Some(&b"12345"[..]));
    assert!(!bench.run(pinned, packet(&peer)).stats.new_connection);
}

#[test]
fn an_endless_answer_to_a_head_or_a_get_ends_at_a_limit() {
    let peer = Scripted::start(|_, _, _| {
        Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").then_hang()
    });
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let exchange = Exchange {
        method: Method::Get,
        limits: Limits { stall: Duration::from_millis(200), ..limits() },
        ..packet(&peer)
    };
    let failure = bench.run(pinned, exchange).result.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::StallTimeout), "{failure:?}");
}
