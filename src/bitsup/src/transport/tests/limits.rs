//! Limits, waiting bodies and failed connects.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use bitsup_server::scripted::{Reply, Scripted};

use super::support::{Bench, Fed, SOON, fragment, limits, origin, packet, unheard};
use crate::transport::{BodyRead, Exchange, FailureKind, Limits, Scheme, Sent};

const SHORT: Duration = Duration::from_millis(300);

#[test]
fn a_silent_peer_meets_the_answer_limit() {
    for body in [0, 1000] {
        let peer = Scripted::start(|_, _, _| Reply::hang());
        let mut bench = Bench::new();
        let pinned = bench.pinned();
        let exchange =
            Exchange { limits: Limits { answer: SHORT, ..limits() }, ..fragment(&peer, body) };
        let failure = bench.run(pinned, exchange).result.unwrap_err();
        assert!(matches!(failure.kind, FailureKind::AnswerTimeout), "{failure:?}");
        assert_eq!(failure.sent, Sent::All);
        assert!(peer.wait_for_close(0, SOON));
    }
}

#[test]
fn trickling_headers_and_interim_answers_do_not_extend_the_limit() {
    let _rule = bitsup_server::rule!("TMR-05");
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(200);
    for reply in [
        Reply::ack().header("X", &"y".repeat(1000)).trickled(Duration::from_millis(50)),
        Reply::raw(interim).trickled(Duration::from_millis(5)),
    ] {
        let peer = Scripted::start(move |_, _, _| reply.clone());
        let mut bench = Bench::new();
        let pinned = bench.pinned();
        let exchange = Exchange { limits: Limits { answer: SHORT, ..limits() }, ..packet(&peer) };
        let failure = bench.run(pinned, exchange).result.unwrap_err();
        assert!(matches!(failure.kind, FailureKind::AnswerTimeout), "{failure:?}");
    }
}

#[test]
fn late_answers_within_the_limit_all_pass() {
    let peer = Scripted::start(|_, _, _| Reply::ack().delayed(Duration::from_millis(600)));
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let limits = Limits { answer: Duration::from_secs(2), ..limits() };
    // Together they take longer than the limit.
    for _ in 0..5 {
        let exchange = Exchange { limits, ..fragment(&peer, 100) };
        assert_eq!(bench.run(pinned, exchange).result.unwrap().status, 200);
    }
    assert_eq!(peer.connections().len(), 1);
}

#[test]
fn a_peer_that_stops_reading_meets_the_stall_limit() {
    let _rule = bitsup_server::rule!("TMR-01");
    // The head is answered by nothing and the body is never read.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let exchange = Exchange {
        origin: origin(Scheme::Http, "127.0.0.1", address.port()),
        limits: Limits { stall: SHORT, ..limits() },
        ..fragment(&peer, 100_000_000)
    };
    let failure = bench.run(pinned, exchange).result.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::StallTimeout), "{failure:?}");
    assert!(matches!(failure.sent, Sent::Part(count) if count > 0), "{failure:?}");
}

#[test]
fn a_slow_body_that_moves_goes_on() {
    let _rule = bitsup_server::rule!("TMR-01");
    // Takes longer than the limit, but no pause does.
    let peer = Scripted::start(|_, _, _| Reply::ack().reading(400_000, Duration::from_millis(50)));
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let exchange = Exchange {
        limits: Limits { stall: Duration::from_secs(1), ..limits() },
        ..fragment(&peer, 16_000_000)
    };
    assert_eq!(bench.run(pinned, exchange).result.unwrap().status, 200);
}

#[test]
fn a_waiting_body_is_no_stall_and_costs_no_wake_ups() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let body = Fed::default();
    let exchange = Exchange {
        length: 20,
        body: Some(Box::new(body.clone())),
        limits: Limits { stall: Duration::from_millis(500), ..limits() },
        ..packet(&peer)
    };
    bench.transport.start(pinned, exchange).unwrap();
    assert!(bench.drive_until(|| body.asked() > 0));
    let (asked, waits) = (body.asked(), bench.transport.waits);
    assert!(bench.next_event_within(Duration::from_secs(1)).is_none());
    assert_eq!(body.asked(), asked);
    assert!(bench.transport.waits - waits < 10, "{} waits", bench.transport.waits - waits);

    for _ in 0..2 {
        body.feed(BodyRead::Bytes(10));
        bench.transport.resume_body(pinned);
        let asked = body.asked();
        assert!(bench.drive_until(|| body.asked() > asked));
    }
    bench.transport.resume_body(pinned);
    assert_eq!(bench.next_event().unwrap().result.unwrap().status, 200);
    assert_eq!(peer.requests()[0].body, [b'x'; 20]);
}

#[test]
fn a_connection_that_ended_while_the_body_waited_is_noticed_when_it_goes_on() {
    let peer = Scripted::start(|_, _, _| Reply::drop_after_body_bytes(0));
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let body = Fed::default();
    let exchange = Exchange { length: 1000, body: Some(Box::new(body.clone())), ..packet(&peer) };
    bench.transport.start(pinned, exchange).unwrap();
    assert!(bench.drive_until(|| !peer.requests().is_empty() && body.asked() > 0));
    let end = Instant::now() + SOON;
    let event = loop {
        body.feed(BodyRead::Bytes(1));
        bench.transport.resume_body(pinned);
        if let Some(event) = bench.next_event_within(Duration::from_millis(20)) {
            break event;
        }
        assert!(Instant::now() < end, "the exchange ends");
    };
    let failure = event.result.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::ConnectionLost), "{failure:?}");
    assert!(matches!(failure.sent, Sent::Part(_)), "{failure:?}");
    assert_eq!(peer.connections().len(), 1);
}

#[test]
fn a_failing_source_ends_the_exchange() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let body = Fed::default();
    body.feed(BodyRead::Bytes(10));
    body.feed(BodyRead::Failed(std::io::Error::other("disk on fire")));
    let exchange = Exchange { length: 20, body: Some(Box::new(body)), ..packet(&peer) };
    let event = bench.run(pinned, exchange);
    let failure = event.result.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Source(_)), "{failure:?}");
    assert!(failure.message.contains("disk on fire"));
    assert!(event.body.is_some());
    assert!(peer.wait_for_close(0, SOON));
}

#[test]
fn a_closed_port_is_a_failed_connect() {
    let (_unheard, address) = unheard();
    let port = address.port();
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    for _ in 0..4 {
        let exchange =
            Exchange { origin: origin(Scheme::Http, "localhost", port), ..packet(&peer) };
        let event = bench.run(pinned, exchange);
        let failure = event.result.unwrap_err();
        assert!(matches!(failure.kind, FailureKind::ConnectFailed), "{failure:?}");
        assert_eq!(failure.sent, Sent::Nothing);
        assert!(failure.message.starts_with(&format!("localhost:{port}: ")), "{failure:?}");
        assert!(!failure.message.contains("invalid"), "{failure:?}");
    }
}

#[test]
fn a_peer_that_never_finishes_the_handshake_meets_the_connect_limit() {
    // It accepts, but says nothing of TLS.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let exchange = Exchange {
        origin: origin(Scheme::Https, "127.0.0.1", port),
        limits: Limits { connect: SHORT, ..limits() },
        ..packet(&peer)
    };
    let failure = bench.run(pinned, exchange).result.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::ConnectTimeout), "{failure:?}");
    assert_eq!(failure.sent, Sent::Nothing);
}

#[test]
fn plain_http_in_place_of_tls_is_a_tls_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let plain = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        drop(stream.read(&mut [0; 2000]));
        drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    });
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let exchange = Exchange { origin: origin(Scheme::Https, "127.0.0.1", port), ..packet(&peer) };
    let failure = bench.run(pinned, exchange).result.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Tls(_)), "{failure:?}");
    plain.join().unwrap();
}

#[test]
fn a_name_that_does_not_exist_is_reported() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    // No label may be so long: the lookup fails without a query.
    let host = format!("{}.invalid", "x".repeat(64));
    let exchange = Exchange { origin: origin(Scheme::Http, &host, 80), ..fragment(&peer, 10) };
    let event = bench.run(pinned, exchange);
    let failure = event.result.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::NameNotResolved), "{failure:?}");
    assert!(failure.message.contains(&host), "{failure:?}");
    assert!(event.body.is_some());
}

#[test]
fn a_waker_ends_the_wait_and_an_early_one_is_not_lost() {
    let mut bench = Bench::new();
    let waker = bench.transport.waker();
    let mut events = Vec::new();
    let begun = Instant::now();
    waker.wake();
    bench.transport.poll(SOON, &mut events);
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        waker.wake();
    });
    bench.transport.poll(SOON, &mut events);
    thread.join().unwrap();
    assert!(begun.elapsed() < SOON);
    assert!(events.is_empty());
}
