//! One HTTP exchange at a time per pinned connection, any number of them, over libcurl's multi interface.
//!
//! This layer knows nothing of BITS sessions. It puts a request on the wire exactly as it is
//! given, once, and brings back one answer or one failure that says how much had gone out.
//! Whether to try again is for the caller to decide.
//!
//! How it is driven, all on one thread:
//!
//! 1. [`Transport::open_connection`] makes a session's own place with its settings.
//! 2. [`Transport::start`] begins an exchange on it, one at a time.
//! 3. [`Transport::poll`] does all work and is the only place that waits. It returns when it
//!    has an [`Event`] for the caller, when a [`Waker`] was used, or when the time is over.
//! 4. A body that said [`BodyRead::Wait`] is asked again after [`Transport::resume_body`].
//! 5. Every exchange ends with one event, unless [`Transport::abort`] or
//!    [`Transport::close_connection`] ends it: then none follows.
//!
//! What it takes care of, since libcurl by itself would not:
//!
//! - A pinned connection has one TCP connection, which no other ever gets (see `pinned_connection`), and which is
//!   used again only if nothing at all has arrived on it since the last answer.
//! - libcurl sends a request again by itself when a reused connection dies. That is stopped
//!   (see `curl_handler`); the caller gets [`FailureKind::ConnectionLost`].
//! - An answer is complete with its header lines if it does not say where its body ends.
//! - A request target goes out as it is given, with one exception that cannot be helped:
//!   newer versions of libcurl (8.22, not 7.88) write the hexadecimal digits of escapes in a
//!   path in capitals.
//! - The limits of an exchange run by this layer's own clock.
//! - A long body from a file goes from the system's memory to the connection without a copy of
//!   ours, past libcurl (see `sendfile`).
//! - Names are looked up on helper threads (see `resolve`).

mod binding;
mod curl_handler;
mod exchange;
mod failure;
mod headers;
mod idle_pool;
mod options;
mod pinned_connection;
mod priority;
mod proxy;
mod resolve;
mod response_head;
mod running;
pub(crate) mod sendfile;
mod setup;
mod tls_errors;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use curl::multi::{Multi, MultiWaker};

pub(crate) use self::binding::{Binding, ServerCertificate};
pub(crate) use self::exchange::{
    Answer, AuthScheme, Body, BodyRead, ConnectionId, ConnectionUse, Credentials, Event, Exchange,
    ExchangeFailure, FailureKind, Limits, Method, Origin, Scheme, SendResult, Sent, Sink, Stats,
};
pub(crate) use self::headers::Headers;
pub(crate) use self::options::ConnectionOptions;
pub use self::options::{Resolve, TlsOptions};
pub(crate) use self::proxy::{Proxy, ProxyChoice};
pub(crate) use self::resolve::addresses_within;

use self::idle_pool::IdlePool;
use self::pinned_connection::{MANY_CONNECTIONS, PinnedConnection, Resolving, State};
use self::resolve::{Lookup, Resolver};
use self::running::End;
use self::sendfile::SendProgress;
use crate::descriptors;
use crate::error::Error;

/// libcurl closes the oldest idle connection when it holds more than it may. Those that were dropped count until
/// libcurl notices, so it may hold more than are open here.
const SPARE_CONNECTIONS: usize = 16;

/// Without anything to do, a wait ends after so long at the latest.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// All exchanges of one client; lives on one thread.
pub(crate) struct Transport {
    connections: BTreeMap<ConnectionId, PinnedConnection>,
    spare: IdlePool,
    next_id: usize,
    connections_allowed: usize,
    resolver: Resolver,
    woken: Arc<AtomicBool>,
    multi: Multi,
    /// How often `poll` has gone to sleep.
    #[cfg(test)]
    waits: usize,
}

/// Ends the wait of [`Transport::poll`] from any thread.
#[derive(Clone, Debug)]
pub(crate) struct Waker {
    woken: Arc<AtomicBool>,
    multi: MultiWaker,
}

impl Waker {
    /// Makes the running `poll`, or else the next one, return.
    pub(crate) fn wake(&self) {
        if !self.woken.swap(true, Ordering::SeqCst) {
            // An error means that the transport is gone.
            drop(self.multi.wakeup());
        }
    }
}

impl Transport {
    /// A transport without connections.
    pub(crate) fn new() -> Result<Self, ExchangeFailure> {
        // The crate panics where libcurl gives no handle.
        descriptors::check("cannot start the client").map_err(ExchangeFailure::lacks)?;
        let multi = Multi::new();
        let mut transport = Self {
            connections: BTreeMap::new(),
            spare: IdlePool::default(),
            next_id: 0,
            connections_allowed: 0,
            resolver: Resolver::new(multi.waker()),
            woken: Arc::default(),
            multi,
            #[cfg(test)]
            waits: 0,
        };
        transport.allow_connections()?;
        Ok(transport)
    }

    /// Something to end the wait of [`Transport::poll`] with.
    pub(crate) fn waker(&self) -> Waker {
        Waker { woken: Arc::clone(&self.woken), multi: self.multi.waker() }
    }

    /// Makes a place for one session.
    pub(crate) fn open_connection(&mut self, options: ConnectionOptions) -> ConnectionId {
        self.insert(|id| PinnedConnection::new(id, options))
    }

    fn insert(&mut self, pinned: impl FnOnce(ConnectionId) -> PinnedConnection) -> ConnectionId {
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        self.connections.insert(id, pinned(id));
        id
    }

    /// Makes a place for one session, if it can be with the connection to `host` of a session
    /// that is over.
    pub(crate) fn open_connection_to(
        &mut self,
        host: &str,
        options: ConnectionOptions,
    ) -> ConnectionId {
        match self.spare.take(&options, host) {
            Some(pinned) => self.insert(|_| pinned),
            None => self.open_connection(options),
        }
    }

    /// Releases a connection whose session is over; it may serve another one.
    pub(crate) fn retire_connection(&mut self, id: ConnectionId) {
        self.abort(id);
        if let Some(pinned) = self.connections.remove(&id) {
            self.spare.put(pinned);
        }
    }

    /// Ends what the connection is doing and closes it; no event follows.
    pub(crate) fn close_connection(&mut self, id: ConnectionId) {
        self.abort(id);
        if let Some(mut pinned) = self.connections.remove(&id) {
            pinned.drop_connection();
        }
    }

    /// Begins an exchange. It fails at once if it cannot be begun at all; then no event follows
    /// and the exchange with its body is gone.
    pub(crate) fn start(
        &mut self,
        id: ConnectionId,
        exchange: Exchange,
    ) -> Result<(), ExchangeFailure> {
        self.allow_connections()?;
        exchange.check()?;
        let many = self.connections.len() > MANY_CONNECTIONS;
        let Some(pinned) = self.connections.get_mut(&id) else {
            return Err(ExchangeFailure::unsent(FailureKind::Internal, "the connection is closed"));
        };
        let easy = match std::mem::replace(&mut pinned.state, State::Moving) {
            State::Idle(easy) => easy,
            busy => {
                pinned.state = busy;
                return Err(ExchangeFailure::unsent(
                    FailureKind::Internal,
                    "the connection is busy",
                ));
            }
        };
        let started = Instant::now();
        let route = pinned.prepare(&exchange).and_then(|route| {
            if !pinned.is_connected() {
                descriptors::check("cannot open a connection").map_err(ExchangeFailure::lacks)?;
            }
            Ok(route)
        });
        let route = match route {
            Ok(route) => route,
            Err(failure) => {
                pinned.state = State::Idle(easy);
                return Err(failure);
            }
        };
        let resolving = Resolving { easy, exchange, route, started };
        if pinned.knows_addresses(&resolving.route) {
            return running::begin(&self.multi, id, pinned, resolving, many);
        }
        match self.resolver.look_up(&resolving.route.connect_host) {
            Ok(()) => {
                pinned.state = State::Resolving(Box::new(resolving));
                Ok(())
            }
            Err(error) => {
                pinned.state = State::Idle(resolving.easy);
                Err(ExchangeFailure::lacks(Error::of_thread(&error)))
            }
        }
    }

    /// The number of the TCP connection, if it is alive and leads to where the exchange goes.
    pub(crate) fn connection(&self, id: ConnectionId, exchange: &Exchange) -> Option<u32> {
        self.connections.get(&id)?.connection(exchange)
    }

    /// Whether the idle TCP connection was ended by the other side, without a word before: told once of each. A packet
    /// that is to go over one of which it was not told fails, see [`FailureKind::StaleConnection`].
    pub(crate) fn take_ended(&mut self, id: ConnectionId) -> bool {
        self.connections.get_mut(&id).is_some_and(PinnedConnection::take_ended)
    }

    /// The method as the connection puts it on the wire.
    pub(crate) fn method(&self, id: ConnectionId, method: Method) -> &'static str {
        self.connections.get(&id).map_or("", |pinned| pinned.method(method))
    }

    /// Whether a proxy forwards the connection's requests to where the exchange goes.
    pub(crate) fn forwards(&self, id: ConnectionId, exchange: &Exchange) -> bool {
        self.connections.get(&id).is_some_and(|pinned| pinned.forwards(exchange))
    }

    /// What is known of the certificate of the TCP connection.
    pub(crate) fn certificate(&self, id: ConnectionId) -> ServerCertificate {
        self.connections.get(&id).map(PinnedConnection::certificate).unwrap_or_default()
    }

    /// What the packets of the TCP connection carry as their type of service.
    #[cfg(test)]
    fn connection_mark(&self, id: ConnectionId) -> Option<u32> {
        self.connections.get(&id)?.connection_mark()
    }

    /// Ends the running exchange, if there is one, and closes its connection now. No event
    /// follows; the body is given back.
    pub(crate) fn abort(&mut self, id: ConnectionId) -> Option<Box<dyn Body>> {
        running::take_back(&self.multi, self.connections.get_mut(&id)?)
    }

    /// Asks a body again that said [`BodyRead::Wait`]; without one it does nothing.
    pub(crate) fn resume_body(&mut self, id: ConnectionId) {
        if let Some(PinnedConnection { state: State::Running(running), .. }) =
            self.connections.get_mut(&id)
            && running.handle.get_ref().is_paused()
        {
            running.handle.get_mut().resume();
            if !running.handle.get_ref().is_direct() {
                // An error would show as a stall.
                drop(running.handle.unpause_read());
            }
        }
    }

    /// Does all work that can be done, waiting for more at most `timeout`. Returns early when
    /// there are events, which it adds to `events`, or when a [`Waker`] was used.
    pub(crate) fn poll(&mut self, timeout: Duration, events: &mut Vec<Event>) {
        let end = Instant::now() + timeout.min(LONGEST_WAIT);
        loop {
            self.begin_resolved(events);
            self.perform(events);
            let more = self.pass_bodies(events);
            self.enforce_limits(events);
            let now = Instant::now();
            if !events.is_empty() || self.woken.swap(false, Ordering::SeqCst) || now >= end {
                return;
            }
            if more {
                continue;
            }
            let next = self.next_deadline().map_or(end, |deadline| deadline.min(end));
            // libcurl counts whole milliseconds: one more, so that the time is really over then.
            let wait = next.saturating_duration_since(now) + Duration::from_millis(1);
            #[cfg(test)]
            {
                self.waits += 1;
            }
            let (connections, mut full) = sendfile::full_connections(&self.connections);
            if self.multi.poll(&mut full, wait).is_err() {
                return;
            }
            sendfile::note_room(&mut self.connections, &connections, &full);
        }
    }

    /// Sends what connections take of bodies that go past libcurl; whether there is more to
    /// send at once.
    fn pass_bodies(&mut self, events: &mut Vec<Event>) -> bool {
        let mut more = false;
        let mut broken = Vec::new();
        for (id, pinned) in &mut self.connections {
            match sendfile::pass(pinned) {
                SendProgress::Nothing => {}
                SendProgress::More => more = true,
                SendProgress::Stopped => broken.push(*id),
            }
        }
        for id in broken {
            self.finish(id, End::Stopped, events);
        }
        more
    }

    /// Lets libcurl hold one TCP connection each, and some that are about to go.
    fn allow_connections(&mut self) -> Result<(), ExchangeFailure> {
        let wanted = self.connections.len() * 2 + SPARE_CONNECTIONS;
        if wanted > self.connections_allowed {
            self.multi.set_max_connects(wanted).map_err(|error| {
                ExchangeFailure::unsent(FailureKind::Internal, format!("libcurl: {error}"))
            })?;
            self.connections_allowed = wanted;
        }
        Ok(())
    }

    fn begin_resolved(&mut self, events: &mut Vec<Event>) {
        let many = self.connections.len() > MANY_CONNECTIONS;
        while let Some(Lookup { host, addresses }) = self.resolver.next_finished() {
            for (id, pinned) in &mut self.connections {
                let State::Resolving(resolving) = &pinned.state else {
                    continue;
                };
                if resolving.route.connect_host != host {
                    continue;
                }
                let Some(resolving) = pinned.take_resolving() else {
                    continue;
                };
                match &addresses {
                    Ok(addresses) => {
                        pinned.learn_addresses(&resolving.route, addresses);
                        let (number, origin) =
                            (resolving.route.number, resolving.route.origin.clone());
                        if let Err(failure) =
                            running::begin(&self.multi, *id, pinned, resolving, many)
                        {
                            events.push(Event {
                                pinned: *id,
                                number,
                                result: Err(failure),
                                body: None,
                                sink: None,
                                stats: Stats::default(),
                                origin,
                                withheld: false,
                            });
                        }
                    }
                    Err(text) => {
                        events.push(running::unresolved(*id, pinned, resolving, text));
                    }
                }
            }
        }
    }

    fn perform(&mut self, events: &mut Vec<Event>) {
        if let Err(error) = self.multi.perform() {
            tracing::error!(%error, "libcurl cannot go on");
        }
        let mut ended = Vec::new();
        self.multi.messages(|message| {
            let Ok(token) = message.token() else { return };
            let id = ConnectionId(token);
            if let Some(PinnedConnection { state: State::Running(running), .. }) =
                self.connections.get(&id)
                && let Some(result) = message.result_for2(&running.handle)
            {
                ended.push((id, result));
            }
        });
        for (id, result) in ended {
            self.finish(id, End::Curl(result), events);
        }
    }

    fn enforce_limits(&mut self, events: &mut Vec<Event>) {
        let now = Instant::now();
        self.spare.expire(now);
        let mut over = Vec::new();
        for (id, pinned) in &self.connections {
            if let Some((deadline, limit)) = pinned.deadline()
                && deadline <= now
            {
                over.push((*id, limit));
            }
        }
        for (id, limit) in over {
            self.finish(id, End::Limit(limit), events);
        }
    }

    fn finish(&mut self, id: ConnectionId, end: End, events: &mut Vec<Event>) {
        if let Some(pinned) = self.connections.get_mut(&id) {
            events.extend(running::finish(&self.multi, id, pinned, end));
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let connections = self.connections.values();
        let deadlines =
            connections.filter_map(|pinned| pinned.deadline().map(|(deadline, _)| deadline));
        deadlines.chain(self.spare.deadline()).min()
    }
}

#[cfg(test)]
mod tests;
