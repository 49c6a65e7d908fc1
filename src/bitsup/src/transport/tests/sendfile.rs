//! Long bodies from a file, which go past libcurl: on the wire nothing is different.

use std::io::{self, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bitsup_server::scripted::{Reply, Scripted};
use socket2::Socket;

use super::support::{Bench, SOON, counting, fragment, limits, origin, packet};
use crate::transport::sendfile;
use crate::transport::{Body, BodyRead, Exchange, FailureKind, Limits, Scheme, SendResult, Sent};

/// Longer than what goes out with the head, and than what a connection takes at once.
const LONG: usize = 9_000_000;

/// A body from a file, and what has been seen of it.
#[derive(Clone)]
struct InFile {
    file: Arc<tempfile::NamedTempFile>,
    at: Arc<AtomicUsize>,
    end: usize,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    passed: AtomicUsize,
    full: AtomicUsize,
    /// Where it says once that it has to wait.
    waits_at: Mutex<Option<usize>>,
}

impl InFile {
    fn new(end: usize) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&counting(end)).unwrap();
        Self { file: Arc::new(file), at: Arc::default(), end, seen: Arc::default() }
    }
}

impl Body for InFile {
    fn read(&mut self, _: &mut [u8]) -> BodyRead {
        panic!("it goes past libcurl");
    }

    fn rewind(&mut self) {}

    fn can_pass(&self) -> bool {
        true
    }

    fn pass(&mut self, connection: &Socket) -> SendResult {
        let at = self.at.load(Ordering::Relaxed);
        let mut waits_at = self.seen.waits_at.lock().unwrap();
        let most = waits_at.map_or(self.end, |wait| wait.min(self.end)) - at;
        if most == 0 {
            *waits_at = None;
            return SendResult::Wait;
        }
        let passed = sendfile::from_file(connection, self.file.as_file(), at as u64, most);
        match &passed {
            SendResult::Bytes(count) => {
                self.at.fetch_add(*count, Ordering::Relaxed);
                self.seen.passed.fetch_add(1, Ordering::Relaxed);
            }
            SendResult::Full => {
                self.seen.full.fetch_add(1, Ordering::Relaxed);
            }
            SendResult::Wait => panic!("it is in memory"),
            SendResult::Lost | SendResult::Failed(_) => {}
        }
        passed
    }
}

fn from_file(peer: &Scripted, body: &InFile) -> Exchange {
    Exchange { body: Some(Box::new(body.clone())), ..fragment(peer, body.end) }
}

#[test]
fn the_request_is_the_same_as_through_libcurl() {
    let _rule = bitsup_server::rule!("PKT-05");
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let body = InFile::new(LONG);
    for _ in 0..2 {
        body.at.store(0, Ordering::Relaxed);
        let event = bench.run(pinned, from_file(&peer, &body));
        assert_eq!(event.result.unwrap().status, 200);
        assert_eq!(event.stats.sent, LONG as u64);
        assert_eq!(body.at.load(Ordering::Relaxed), LONG);
        bench.run(pinned, fragment(&peer, LONG)).result.unwrap();
    }
    let requests = peer.requests();
    for request in &requests {
        assert_eq!(request.headers, requests[1].headers);
        assert_eq!((request.method.as_str(), request.connection), ("BITS_POST", 0));
        assert!(request.body == counting(LONG));
    }
    assert_eq!(requests.len(), 4);
}

#[test]
fn a_short_body_goes_out_with_its_head() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let mut exchange = fragment(&peer, 30_000);
    exchange.body = Some(Box::new(Short(exchange.body.take().unwrap())));
    bench.run(pinned, exchange).result.unwrap();
    assert!(peer.requests()[0].body == counting(30_000));
}

struct Short(Box<dyn Body>);

impl Body for Short {
    fn read(&mut self, buffer: &mut [u8]) -> BodyRead {
        self.0.read(buffer)
    }

    fn rewind(&mut self) {}

    fn can_pass(&self) -> bool {
        true
    }

    fn pass(&mut self, _: &Socket) -> SendResult {
        panic!("it goes through libcurl");
    }
}

#[test]
fn a_slow_reader_gets_all_and_nobody_turns_in_circles() {
    let peer = Scripted::start(|_, _, _| Reply::ack().reading(500_000, Duration::from_millis(10)));
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let body = InFile::new(LONG);
    let event = bench.run(pinned, from_file(&peer, &body));
    assert_eq!(event.result.unwrap().status, 200);
    assert!(peer.requests()[0].body == counting(LONG));
    let (passed, full) = (&body.seen.passed, &body.seen.full);
    let calls = passed.load(Ordering::Relaxed) + full.load(Ordering::Relaxed);
    assert!(full.load(Ordering::Relaxed) > 0, "the connection was never full");
    assert!(calls < 1000, "{calls} calls");
    assert!(bench.transport.waits < 1000, "{} waits", bench.transport.waits);
}

#[test]
fn a_body_that_waits_goes_on_when_it_is_told_to() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let body = InFile::new(LONG);
    *body.seen.waits_at.lock().unwrap() = Some(1_000_000);
    let mut exchange = from_file(&peer, &body);
    exchange.limits = Limits { stall: Duration::from_millis(500), ..limits() };
    bench.transport.start(pinned, exchange).unwrap();
    assert!(bench.drive_until(|| body.seen.waits_at.lock().unwrap().is_none()));
    let waits = bench.transport.waits;
    assert!(bench.next_event_within(Duration::from_secs(1)).is_none());
    assert_eq!(body.at.load(Ordering::Relaxed), 1_000_000);
    assert!(bench.transport.waits - waits < 10, "{} waits", bench.transport.waits - waits);
    bench.transport.resume_body(pinned);
    assert_eq!(bench.next_event().unwrap().result.unwrap().status, 200);
    assert!(peer.requests()[0].body == counting(LONG));
}

/// Runs one exchange that is answered, then one on the same connection.
fn after_another(
    reply: fn() -> Reply,
    exchange: impl FnOnce(&Scripted) -> Exchange,
) -> (FailureKind, Sent) {
    let peer =
        Scripted::start(move |_, _, number| if number == 0 { Reply::ack() } else { reply() });
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    bench.run(pinned, packet(&peer)).result.unwrap();
    let event = bench.run(pinned, exchange(&peer));
    assert!(!event.stats.new_connection);
    // A copy on a new connection would come at once.
    assert!(!peer.wait_for_requests(3, Duration::from_millis(200)));
    assert_eq!(peer.connections().len(), 1);
    let failure = event.result.unwrap_err();
    (failure.kind, failure.sent)
}

#[test]
fn a_cut_is_a_lost_connection_and_nothing_is_sent_again() {
    let cases: [fn() -> Reply; 3] = [
        || Reply::drop_after_body_bytes(100_000),
        || Reply::drop_after_body_bytes(100_000).then_reset(),
        || Reply::drop_after_body_bytes(0).delayed(Duration::from_millis(50)),
    ];
    for reply in cases {
        let body = InFile::new(28_000_000);
        let (kind, sent) = after_another(reply, |peer| from_file(peer, &body));
        assert!(matches!(kind, FailureKind::StaleConnection), "{kind:?}");
        assert!(matches!(sent, Sent::Part(_)), "{sent:?}");
    }
    let body = InFile::new(LONG);
    for reply in [Reply::close, || Reply::close().then_reset()] {
        body.at.store(0, Ordering::Relaxed);
        let (kind, sent) = after_another(reply, |peer| from_file(peer, &body));
        assert!(matches!(kind, FailureKind::StaleConnection), "{kind:?}");
        assert_eq!(sent, Sent::All);
    }
}

#[test]
fn a_peer_that_reads_nothing_is_a_stall() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let exchange = Exchange {
        origin: origin(Scheme::Http, "127.0.0.1", listener.local_addr().unwrap().port()),
        limits: Limits { stall: Duration::from_millis(200), ..limits() },
        ..from_file(&peer, &InFile::new(28_000_000))
    };
    let failure = bench.run(pinned, exchange).result.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::StallTimeout), "{failure:?}");
    assert!(matches!(failure.sent, Sent::Part(count) if count > 0), "{failure:?}");
}

#[test]
fn a_file_that_is_too_short_ends_the_exchange() {
    let mut body = InFile::new(LONG);
    body.file.as_file().set_len(5_000_000).unwrap();
    body.end = LONG;
    let (kind, _) = after_another(Reply::ack, |peer| from_file(peer, &body));
    let FailureKind::Source(error) = kind else { panic!("{kind:?}") };
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn an_early_answer_counts_and_ends_the_connection() {
    for code in [200, 413, 500] {
        let reply = move || Reply::status(code, "Early").after_body_bytes(1000);
        let peer =
            Scripted::start(move |_, _, number| if number == 0 { reply() } else { Reply::ack() });
        let mut bench = Bench::new();
        let pinned = bench.pinned();
        let body = InFile::new(28_000_000);
        let event = bench.run(pinned, from_file(&peer, &body));
        let answer = event.result.unwrap();
        assert_eq!((answer.status, answer.request_sent), (code, false));
        let event = bench.run(pinned, packet(&peer));
        assert_eq!(event.result.unwrap().status, 200);
        assert!(event.stats.new_connection);
        assert!(peer.wait_until(SOON, |peer| peer.connections()[0].closed.is_some()));
    }
}
