//! A raw socket peer for tests: it answers what a script says, byte for byte, and remembers
//! everything that arrived.
//!
//! The server of this crate speaks correct HTTP through a library. Tests of a client with
//! a peer that does not (half an answer, stray bytes, a reset in the middle of a body) need
//! a peer below HTTP. A [`Scripted`] peer listens on a free loopback port. Whenever the head of
//! a request is complete it asks the script for a [`Reply`], which says how much of the body to
//! read, which bytes to send when, and how the connection ends.
//!
//! ```
//! use bitsup_server::scripted::{Reply, Scripted};
//!
//! let peer = Scripted::start(|_connection, request, number| match number {
//!     0 => Reply::ack().header("BITS-Session-Id", "{7b6f}"),
//!     _ if request.packet_type() == "Fragment" => Reply::drop_after_body_bytes(10),
//!     _ => Reply::ack().then_close(),
//! });
//! # let _ = peer.url("/up/a.bin");
//! assert!(peer.requests().is_empty());
//! ```
//!
//! Connections and requests are numbered from 0 in the order of their arrival at the peer. All
//! times in the log are measured from the start of the peer. Nothing here is meant to be
//! reachable by others: the request reader trusts its client.

mod log;
mod reply;
mod serve;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use self::log::{Connection, Request};
pub use self::reply::{Latch, Reply};

use self::log::Log;
use self::serve::{Script, serve_connection};

/// A listening peer; dropping it closes all connections and ends its threads.
#[derive(Debug)]
pub struct Scripted {
    address: SocketAddr,
    log: Arc<Log>,
    stopping: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Scripted {
    /// Listens on a free port of 127.0.0.1 and asks `script` for the reply to each request.
    ///
    /// The script gets the connection's number, the request (its body has not been read yet, so
    /// it is empty) and the request's number.
    ///
    /// # Panics
    ///
    /// If no loopback port can be opened.
    pub fn start(script: impl FnMut(usize, &Request, usize) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port can be opened");
        Self::start_on(listener, script)
    }

    /// Like [`Scripted::start`] on a listener that the test has opened itself.
    ///
    /// # Panics
    ///
    /// If the listener has no address.
    pub fn start_on(
        listener: TcpListener,
        script: impl FnMut(usize, &Request, usize) -> Reply + Send + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("a listener has an address");
        let log = Arc::new(Log::new());
        let stopping = Arc::new(AtomicBool::new(false));
        let script: Script = Arc::new(Mutex::new(script));
        let acceptor = std::thread::spawn({
            let (log, stopping) = (Arc::clone(&log), Arc::clone(&stopping));
            move || accept(&listener, &log, &stopping, &script)
        });
        Self { address, log, stopping, acceptor: Some(acceptor) }
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An `http` URL of this peer; `target` begins with a slash.
    #[must_use]
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// All requests whose head has arrived so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.log.requests()
    }

    /// All connections accepted so far, in order.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        self.log.connections()
    }

    /// Waits until `condition` holds for this peer's log, at most `limit`; tells whether it did.
    pub fn wait_until(&self, limit: Duration, mut condition: impl FnMut(&Self) -> bool) -> bool {
        let end = Instant::now() + limit;
        loop {
            let seen = self.log.version();
            if condition(self) {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.log.wait_for_change(seen, left);
        }
    }

    /// Waits until at least `count` requests have been logged, at most `limit`.
    #[must_use]
    pub fn wait_for_requests(&self, count: usize, limit: Duration) -> bool {
        self.wait_until(limit, |peer| peer.log.request_count() >= count)
    }

    /// Waits until connection `number` has been closed by the client, at most `limit`.
    #[must_use]
    pub fn wait_for_close(&self, number: usize, limit: Duration) -> bool {
        self.wait_until(limit, |peer| {
            peer.connections().get(number).is_some_and(|connection| connection.closed_by_client)
        })
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.log.close_all();
        // The acceptor is waiting in accept(): one more connection lets it see the flag.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            // A script that panicked has already failed its test's expectations.
            drop(acceptor.join());
        }
    }
}

fn accept(listener: &TcpListener, log: &Arc<Log>, stopping: &Arc<AtomicBool>, script: &Script) {
    let mut threads = Vec::new();
    for stream in listener.incoming() {
        if stopping.load(Ordering::SeqCst) {
            break;
        }
        let Ok(stream) = stream else { continue };
        let Ok(handle) = stream.try_clone() else {
            continue;
        };
        let number = log.opened(handle);
        let (log, stopping, script) = (Arc::clone(log), Arc::clone(stopping), Arc::clone(script));
        threads.push(std::thread::spawn(move || {
            serve_connection(stream, number, &log, &stopping, &script);
        }));
    }
    log.close_all();
    for thread in threads {
        drop(thread.join());
    }
}

#[cfg(test)]
mod tests;
