//! What arrived at a scripted peer, with times.

use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One request as it stood on the wire.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Number of the connection that carried it.
    pub connection: usize,
    /// When its first byte was read.
    pub began: Duration,
    /// When the last byte of its body was read; `None` while, or if, it is not complete.
    pub completed: Option<Duration>,
    /// When the last byte of the reply was sent.
    pub answered: Option<Duration>,
    /// When all that was to follow the reply had been sent, and the waits there were over.
    pub finished: Option<Duration>,
    /// The method, for example `BITS_POST`.
    pub method: String,
    /// The request target as sent.
    pub target: String,
    /// The version as sent, for example `HTTP/1.1`.
    pub version: String,
    /// Header names and values in order, names in their case, values without the blanks around.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The head as it stood on the wire, with the empty line that ends it.
    pub head: Vec<u8>,
    /// The body bytes that were read.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of the first header of this name, in any case, as text; empty without one.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        self.header_values(name).into_iter().next().unwrap_or_default()
    }

    /// The values of all headers of this name, in any case, as text.
    #[must_use]
    pub fn header_values(&self, name: &str) -> Vec<String> {
        self.headers
            .iter()
            .filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }

    /// The value of `BITS-Packet-Type`, empty without one.
    #[must_use]
    pub fn packet_type(&self) -> String {
        self.header("BITS-Packet-Type")
    }

    /// The value of `Content-Length` as a number, 0 without one.
    #[must_use]
    pub fn content_length(&self) -> usize {
        self.header("Content-Length").parse().unwrap_or(0)
    }
}

/// One accepted connection.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// When it was accepted.
    pub opened: Duration,
    /// When the peer or the client ended it.
    pub closed: Option<Duration>,
    /// Whether the client ended it, by closing or by a reset.
    pub closed_by_client: bool,
    /// How many requests it carried.
    pub requests: usize,
    /// Bytes that came while none were expected: after a reply that hangs, or a head that was
    /// never completed.
    pub stray: Vec<u8>,
}

/// The log of one peer, shared by its threads.
#[derive(Debug)]
pub(super) struct Log {
    started: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    requests: Vec<Request>,
    connections: Vec<Connection>,
    /// The log's own handles, by connection; needed to close all at the end.
    streams: Vec<Option<TcpStream>>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), state: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Adds a connection and returns its number; `stream` is kept to close it at the end.
    pub(super) fn opened(&self, stream: TcpStream) -> usize {
        let opened = self.now();
        self.change(|state| {
            state.connections.push(Connection { opened, ..Connection::default() });
            state.streams.push(Some(stream));
            state.connections.len() - 1
        })
    }

    /// Adds a request whose head is complete and returns its number.
    pub(super) fn add(&self, request: Request) -> usize {
        self.change(|state| {
            if let Some(connection) = state.connections.get_mut(request.connection) {
                connection.requests += 1;
            }
            state.requests.push(request);
            state.requests.len() - 1
        })
    }

    pub(super) fn update_request(&self, number: usize, update: impl FnOnce(&mut Request)) {
        self.change(|state| state.requests.get_mut(number).map(update));
    }

    pub(super) fn update_connection(&self, number: usize, update: impl FnOnce(&mut Connection)) {
        self.change(|state| state.connections.get_mut(number).map(update));
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    pub(super) fn request_count(&self) -> usize {
        self.lock().requests.len()
    }

    pub(super) fn connections(&self) -> Vec<Connection> {
        self.lock().connections.clone()
    }

    pub(super) fn version(&self) -> u64 {
        self.lock().version
    }

    /// Waits until the log is newer than `seen`, at most `limit`.
    pub(super) fn wait_for_change(&self, seen: u64, limit: Duration) {
        let state = self.lock();
        drop(self.changed.wait_timeout_while(state, limit, |state| state.version == seen));
    }

    pub(super) fn close_all(&self) {
        for stream in self.lock().streams.drain(..).flatten() {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Lets go of the log's handle, so that the connection's thread can close it.
    pub(super) fn forget(&self, connection: usize) {
        if let Some(stream) = self.lock().streams.get_mut(connection) {
            *stream = None;
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        state.version += 1;
        let result = change(&mut state);
        self.changed.notify_all();
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
