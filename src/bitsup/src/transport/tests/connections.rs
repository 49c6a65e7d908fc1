//! Which connection carries what, and that libcurl sends nothing twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bitsup_server::scripted::{Latch, Reply, Scripted};

use super::support::{Bench, SOON, direct, fragment, origin, packet};
use crate::transport::{
    AuthScheme, ConnectionOptions, ConnectionUse, Credentials, Exchange, FailureKind, Scheme, Sent,
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
        let count = peer.connections().len();
        assert!(peer.wait_until(SOON, |peer| peer.connections()[count - 1].closed.is_some()));
    }
    assert_eq!(peer.requests().len(), 3);
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
            std::thread::sleep(Duration::from_millis(150));
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
