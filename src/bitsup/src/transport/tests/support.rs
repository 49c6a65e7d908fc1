//! What the tests of the transport share.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bitsup_server::scripted::Scripted;
use socket2::{Domain, Socket, Type};

use crate::transport::{
    Body, BodyRead, ConnectionId, ConnectionOptions, ConnectionUse, Event, Exchange, Limits,
    Method, Origin, ProxyChoice, Scheme, Transport,
};

/// No test waits longer for anything that is to happen.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// A transport, driven until something happens.
pub(super) struct Bench {
    pub(super) transport: Transport,
    pub(super) events: VecDeque<Event>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self { transport: Transport::new().unwrap(), events: VecDeque::new() }
    }

    pub(super) fn pinned(&mut self) -> ConnectionId {
        self.transport.open_connection(direct())
    }

    /// Runs one exchange to its end.
    pub(super) fn run(&mut self, pinned: ConnectionId, exchange: Exchange) -> Event {
        self.transport.start(pinned, exchange).unwrap();
        self.next_event().expect("the exchange ends")
    }

    /// Waits until the idle connection is gone, and takes note of it as what drives uploads does; whether it had ended
    /// without a word.
    pub(super) fn take_end(&mut self, pinned: ConnectionId, next: &Exchange) -> bool {
        assert!(self.drive_until_gone(pinned, next), "the connection lives");
        self.transport.take_ended(pinned)
    }

    fn drive_until_gone(&mut self, pinned: ConnectionId, next: &Exchange) -> bool {
        let end = Instant::now() + SOON;
        while self.transport.connection(pinned, next).is_some() {
            if Instant::now() >= end {
                return false;
            }
            self.transport.poll(Duration::from_millis(5), &mut Vec::new());
        }
        true
    }

    /// The next event, `None` if there is none soon.
    pub(super) fn next_event(&mut self) -> Option<Event> {
        self.next_event_within(SOON)
    }

    pub(super) fn next_event_within(&mut self, limit: Duration) -> Option<Event> {
        let end = Instant::now() + limit;
        while self.events.is_empty() && Instant::now() < end {
            let mut events = Vec::new();
            self.transport.poll(end.saturating_duration_since(Instant::now()), &mut events);
            self.events.extend(events);
        }
        self.events.pop_front()
    }

    /// Drives the transport until `condition` holds; tells whether it did soon.
    pub(super) fn drive_until(&mut self, mut condition: impl FnMut() -> bool) -> bool {
        let end = Instant::now() + SOON;
        while !condition() {
            if Instant::now() >= end {
                return false;
            }
            let mut events = Vec::new();
            self.transport.poll(Duration::from_millis(5), &mut events);
            self.events.extend(events);
        }
        true
    }
}

/// Settings that no environment changes.
pub(super) fn direct() -> ConnectionOptions {
    ConnectionOptions { proxy: ProxyChoice::Direct, ..ConnectionOptions::default() }
}

/// A port of 127.0.0.1 without a listener, as long as the socket is there.
pub(super) fn unheard() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// Limits that no test reaches by accident.
pub(super) fn limits() -> Limits {
    Limits { connect: SOON, stall: SOON, answer: SOON }
}

/// A server that is spoken to.
pub(super) fn origin(scheme: Scheme, host: &str, port: u16) -> Origin {
    Origin { scheme, host: host.to_owned(), zone: None, port }
}

/// A packet without a body.
pub(super) fn packet(peer: &Scripted) -> Exchange {
    Exchange {
        number: 0,
        method: Method::BitsPost,
        origin: origin(Scheme::Http, "127.0.0.1", peer.address().port()),
        target: "/up/a.bin".to_owned(),
        headers: vec![("BITS-Packet-Type".to_owned(), "Ping".to_owned().into())],
        body: None,
        length: 0,
        sink: None,
        connection: ConnectionUse::Reuse,
        limits: limits(),
        auth: None,
        proxy_auth: None,
        proxy_asked: false,
    }
}

/// A packet with `length` bytes.
pub(super) fn fragment(peer: &Scripted, length: usize) -> Exchange {
    Exchange { length: length as u64, body: Some(Box::new(Counting::new(length))), ..packet(peer) }
}

/// Bytes that count from 0 to 250 again and again.
pub(super) fn counting(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

/// A body of such bytes.
pub(super) struct Counting {
    position: usize,
    length: usize,
}

impl Counting {
    pub(super) fn new(length: usize) -> Self {
        Self { position: 0, length }
    }
}

impl Body for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> BodyRead {
        let count = buffer.len().min(self.length - self.position);
        for (index, byte) in buffer[..count].iter_mut().enumerate() {
            *byte = ((self.position + index) % 251) as u8;
        }
        self.position += count;
        BodyRead::Bytes(count)
    }

    fn rewind(&mut self) {
        self.position = 0;
    }
}

/// A body whose answers the test hands out; without one it says wait.
#[derive(Clone, Default)]
pub(super) struct Fed {
    answers: Arc<Mutex<VecDeque<BodyRead>>>,
    asked: Arc<Mutex<usize>>,
}

impl Fed {
    pub(super) fn feed(&self, answer: BodyRead) {
        self.answers.lock().unwrap().push_back(answer);
    }

    /// How often it has been asked.
    pub(super) fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

impl Body for Fed {
    fn read(&mut self, buffer: &mut [u8]) -> BodyRead {
        *self.asked.lock().unwrap() += 1;
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or(BodyRead::Wait);
        if let BodyRead::Bytes(count) = answer {
            buffer[..count].fill(b'x');
        }
        answer
    }

    fn rewind(&mut self) {}
}
