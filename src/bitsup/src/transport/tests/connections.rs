//! Which connection carries what, and that libcurl sends nothing twice.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bitsup_server::scripted::{Latch, Reply, Scripted};

use super::support::{Bench, SOON, direct, fragment, origin, packet};
use crate::transport::{
    AuthScheme, ConnectionOptions, ConnectionUse, Credentials, Exchange, FailureKind, Method,
    Scheme, Sent,
};

#[test]
fn ten_pinned_connections_keep_their_own_connections() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let connections: Vec<_> = (0..10).map(|_| bench.pinned()).collect();
    for round in 0..4 {
        for pinned in &connections {
            let mut exchange = fragment(&peer, 1000);
            exchange.target = format!("/{}", pinned.0);
            bench.transport.start(*pinned, exchange).unwrap();
        }
        for _ in &connections {
            let event = bench.next_event().unwrap();
            assert_eq!(event.result.unwrap().status, 200);
            assert_eq!(event.stats.new_connection, round == 0);
        }
    }
    let pairs: BTreeSet<_> =
        peer.requests().into_iter().map(|request| (request.target, request.connection)).collect();
    assert_eq!(pairs.len(), 10, "{pairs:?}");
    assert_eq!(peer.connections().len(), 10);
}

#[test]
fn a_name_is_resolved_and_its_connection_kept() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    for _ in 0..3 {
        let origin = origin(Scheme::Http, "LocalHost", peer.address().port());
        let exchange = Exchange { origin, ..packet(&peer) };
        let event = bench.run(pinned, exchange);
        assert_eq!(event.result.unwrap().status, 200);
        assert_eq!(event.stats.peer, Some(peer.address()));
    }
    let port = peer.address().port();
    for request in peer.requests() {
        assert_eq!(request.header_values("Host"), [format!("LocalHost:{port}")]);
        assert_eq!(request.connection, 0);
    }
}

#[test]
fn the_connections_of_a_polite_session_are_marked() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let mut mark = |polite| {
        let pinned = bench.transport.open_connection(ConnectionOptions { polite, ..direct() });
        bench.run(pinned, packet(&peer)).result.unwrap();
        bench.transport.connection_mark(pinned)
    };
    assert_eq!(mark(true), Some(4));
    assert_eq!(mark(false), Some(0));
}

/// Runs one exchange that is answered, then one on the same connection, which the peer closes
/// without an answer. Returns how that one ended.
fn close_second(reply: fn() -> Reply, second: fn(&Scripted) -> Exchange) -> (FailureKind, Sent) {
    let peer =
        Scripted::start(move |_, _, number| if number == 0 { Reply::ack() } else { reply() });
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    bench.run(pinned, packet(&peer)).result.unwrap();
    let event = bench.run(pinned, second(&peer));
    assert!(!event.stats.new_connection);
    let failure = event.result.unwrap_err();
    assert!(failure.message.contains(&peer.address().to_string()), "{}", failure.message);
    assert!(!failure.message.contains("invalid"), "{}", failure.message);
    // A copy on a new connection would come at once.
    assert!(!peer.wait_for_requests(3, Duration::from_millis(200)));
    assert_eq!(peer.connections().len(), 1);
    (failure.kind, failure.sent)
}

#[test]
fn a_request_is_not_sent_again_when_its_connection_dies() {
    type Case = (fn() -> Reply, fn(&Scripted) -> Exchange);
    let cases: [Case; 6] = [
        (Reply::close, packet),
        (|| Reply::close().then_reset(), packet),
        (Reply::close, |peer| fragment(peer, 5000)),
        (Reply::close, |peer| fragment(peer, 3_000_000)),
        (|| Reply::close().then_reset(), |peer| fragment(peer, 5000)),
        (|| Reply::close().delayed(Duration::from_millis(100)), |peer| fragment(peer, 5000)),
    ];
    for (reply, second) in cases {
        let (kind, sent) = close_second(reply, second);
        assert!(matches!(kind, FailureKind::StaleConnection), "{kind:?}");
        assert_eq!(sent, Sent::All);
    }
}

#[test]
fn a_cut_off_body_is_reported_with_what_was_sent() {
    let (kind, sent) =
        close_second(|| Reply::drop_after_body_bytes(100_000), |peer| fragment(peer, 28_000_000));
    assert!(matches!(kind, FailureKind::StaleConnection), "{kind:?}");
    assert!(matches!(sent, Sent::Part(count) if count >= 100_000), "{sent:?}");
}

#[test]
fn a_connection_closed_after_an_answer_is_replaced() {
    let peer = Scripted::start(|_, _, _| Reply::ack().then_close());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    for _ in 0..3 {
        let event = bench.run(pinned, fragment(&peer, 10));
        assert_eq!(event.result.unwrap().status, 200);
        assert!(event.stats.new_connection);
        assert!(bench.take_end(pinned, &packet(&peer)));
        assert!(!bench.transport.take_ended(pinned), "it is told once");
    }
    assert_eq!(peer.requests().len(), 3);
}

/// A server may have lost acknowledged bytes with the connection: no packet goes over another one before that was told.
#[test]
fn no_packet_goes_over_a_new_connection_unnoticed() {
    let _rule = bitsup_server::rule!("TRU-05");
    let peer = Scripted::start(|_, _, _| Reply::ack().then_close());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    bench.run(pinned, packet(&peer)).result.unwrap();
    assert!(bench.drive_until(|| peer.connections()[0].closed.is_some()));
    while bench.transport.connection(pinned, &packet(&peer)).is_some() {
        std::thread::yield_now();
    }
    // As if it had ended just after the look at it.
    let failure = bench.transport.start(pinned, packet(&peer)).unwrap_err();
    assert!(matches!(failure.kind, FailureKind::StaleConnection), "{failure:?}");
    assert_eq!(failure.sent, Sent::Nothing);
    assert!(!bench.transport.take_ended(pinned), "the failure has told of it");
    // Another method changes nothing on the server, and a packet that wants a new connection expects no other.
    bench.run(pinned, packet(&peer)).result.unwrap();
    for other in [
        Exchange { method: Method::Head, ..packet(&peer) },
        Exchange { connection: ConnectionUse::Fresh, ..packet(&peer) },
    ] {
        assert!(bench.drive_until(|| peer.connections().iter().all(|own| own.closed.is_some())));
        assert!(bench.run(pinned, other).stats.new_connection);
    }
    assert_eq!(peer.requests().len(), 4);
}

/// The connection ends after the exchange has begun, and before libcurl looks at it: so it is with one that is made.
#[test]
fn a_connection_that_ends_just_before_a_packet_goes_out_is_not_replaced() {
    let _rule = bitsup_server::rule!("TRU-05");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (end, ends) = mpsc::channel();
    let answering = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.is_empty()));
        (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        ends.recv().unwrap();
        drop(stream);
        // Nothing else may have been asked for.
        listener.set_nonblocking(true).unwrap();
        listener
    });
    let unused = Scripted::start(|_, _, _| Reply::ack());
    let there = origin(Scheme::Http, "127.0.0.1", port);
    let next = || Exchange { origin: there.clone(), ..fragment(&unused, 10) };
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    bench.run(pinned, next()).result.unwrap();
    bench.transport.start(pinned, next()).unwrap();
    end.send(()).unwrap();
    let listener = answering.join().unwrap();
    while bench.transport.connection(pinned, &next()).is_some() {
        std::thread::yield_now();
    }
    let failure = bench.next_event().expect("it ends").result.unwrap_err();
    // libcurl 8.22 sends on a connection that was just used without a look at it.
    assert!(matches!(failure.kind, FailureKind::StaleConnection), "{failure:?}");
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

const STRAY: &str = "HTTP/1.1 500 Stray\r\nContent-Length: 0\r\n\r\n";

#[test]
fn stray_bytes_are_never_an_answer() {
    let _rule = bitsup_server::rule!("ACK-15");
    // Once in a segment of their own, and twice in the same as the answer.
    let apart = || Reply::ack().pause(Duration::from_millis(50)).followed_by(STRAY);
    let joined = || Reply::raw(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n{STRAY}"));
    let in_body = || Reply::raw(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi{STRAY}"));
    let replies: [fn() -> Reply; 3] = [apart, joined, in_body];
    for (index, reply) in replies.into_iter().enumerate() {
        let peer = Scripted::start(move |_, _, _| reply());
        let mut bench = Bench::new();
        let pinned = bench.pinned();
        for _ in 0..3 {
            let event = bench.run(pinned, fragment(&peer, 10));
            assert_eq!(event.result.unwrap().status, 200);
            assert!(event.stats.new_connection, "case {index}");
            bench.take_end(pinned, &packet(&peer));
        }
        assert_eq!(peer.connections().len(), 3);
    }
}

#[test]
fn fresh_closes_the_old_connection_first() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    bench.run(pinned, packet(&peer)).result.unwrap();
    let exchange = Exchange { connection: ConnectionUse::Fresh, ..packet(&peer) };
    assert!(bench.run(pinned, exchange).stats.new_connection);
    assert!(peer.wait_for_close(0, SOON));
    assert!(!bench.run(pinned, packet(&peer)).stats.new_connection);
    assert_eq!(peer.connections().len(), 2);
}

#[test]
fn abort_closes_the_connection_and_is_followed_by_nothing() {
    let latch = Latch::new();
    let held = latch.clone();
    let peer = Scripted::start(
        move |_, _, number| {
            if number == 0 { Reply::hang() } else { Reply::ack().held(&held) }
        },
    );
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    bench.transport.start(pinned, fragment(&peer, 1000)).unwrap();
    assert!(bench.drive_until(|| peer.requests().iter().any(|r| r.completed.is_some())));
    assert!(bench.transport.abort(pinned).is_some());
    assert!(peer.wait_for_close(0, SOON));
    assert!(bench.next_event_within(Duration::from_millis(50)).is_none());

    bench.transport.start(pinned, packet(&peer)).unwrap();
    assert!(bench.transport.start(pinned, packet(&peer)).is_err());
    latch.open();
    let event = bench.next_event().unwrap();
    assert_eq!(event.result.unwrap().status, 200);
    assert_eq!(peer.requests()[1].connection, 1);
}

#[test]
fn closing_a_pinned_connection_closes_its_idle_one() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    bench.run(pinned, packet(&peer)).result.unwrap();
    bench.transport.close_connection(pinned);
    assert!(peer.wait_for_close(0, SOON));
    assert!(bench.transport.start(pinned, packet(&peer)).is_err());
}

#[test]
fn another_origin_takes_another_connection() {
    let first = Scripted::start(|_, _, _| Reply::ack());
    let second = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    for peer in [&first, &second, &first] {
        let event = bench.run(pinned, packet(peer));
        assert_eq!(event.stats.peer, Some(peer.address()));
        assert!(event.stats.new_connection);
    }
    assert_eq!((first.requests().len(), second.requests().len()), (2, 1));
}

#[test]
fn a_finished_sessions_connection_serves_the_next_one() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let host = peer.address().ip().to_string();
    for new_connection in [true, false, false] {
        let pinned = bench.transport.open_connection_to(&host, direct());
        let event = bench.run(pinned, packet(&peer));
        assert_eq!(event.stats.new_connection, new_connection);
        bench.transport.retire_connection(pinned);
    }
    // Other settings, and two sessions at once, do not share it.
    let other = ConnectionOptions { user_agent: "other".into(), ..direct() };
    let connections = [("127.0.0.2", direct()), (host.as_str(), other), (&host, direct())]
        .map(|(host, options)| bench.transport.open_connection_to(host, options));
    let [_, other, first] = connections;
    let second = bench.transport.open_connection_to(&host, direct());
    for (pinned, new_connection) in [(other, true), (first, false), (second, true)] {
        assert_eq!(bench.run(pinned, packet(&peer)).stats.new_connection, new_connection);
    }
}

#[test]
fn a_connection_that_somebody_may_have_logged_in_on_is_closed() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let host = peer.address().ip().to_string();
    let pinned = bench.transport.open_connection_to(&host, direct());
    let own = Credentials {
        scheme: AuthScheme::Basic,
        user: "user".into(),
        password: String::from("secret").into(),
    };
    bench.run(pinned, Exchange { auth: Some(Arc::new(own)), ..packet(&peer) }).result.unwrap();
    bench.transport.retire_connection(pinned);
    assert!(peer.wait_for_close(0, SOON));
    let next = bench.transport.open_connection_to(&host, direct());
    assert!(bench.run(next, packet(&peer)).stats.new_connection);
}

#[test]
fn an_idle_connection_is_closed_after_a_moment() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.transport.open_connection_to(&peer.address().ip().to_string(), direct());
    bench.run(pinned, packet(&peer)).result.unwrap();
    bench.transport.retire_connection(pinned);
    // No caller asks for it: the transport looks by itself.
    assert!(bench.next_event_within(Duration::from_secs(3)).is_none());
    assert!(peer.wait_for_close(0, SOON));
}
