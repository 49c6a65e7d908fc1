//! Logins that libcurl does not make: Digest, and those that hold for a connection (NTLM, and Negotiate
//! with NTLM or a Kerberos ticket inside).
//!
//! No packet goes out with less than its body, so that no login round is made with one that has a
//! body: rounds are made with Ping. Where a Ping is not challenged, the packet goes whole and without a
//! login, and its challenge is answered with the packet itself, whole at each step. libcurl sees
//! ordinary requests and knows nothing of it; it makes the rounds of a proxy that makes tunnels,
//! and of one that wants NTLM or Negotiate, the latter with a Ping that logs the connection in.
//!
//! Over TLS a login that holds for a connection is bound to its certificate. With a password the second step
//! is, and the first has made the connection by then; with a ticket already the first, so that a
//! request without a login makes the connection where there is none. A bound step goes over the
//! connection it was made for, or not at all.
//!
//! The first step with a ticket may ask the key distribution centre, and so is made on a thread of
//! its own. It mostly is the only one, so that a server which wants a login for each request
//! costs no round trip more.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bitsup_core::MAX_LOGIN_REQUESTS;
use zeroize::Zeroizing;

use super::Core;
use super::auth::offered;
use super::command::Command;
use super::digest::Digest;
use super::mechanism::{Mechanism, Problem};
use crate::credentials::Role;
use crate::error::Error;
use crate::transport::{
    Answer, AuthScheme, Binding, Body, ConnectionId, ConnectionUse, Credentials, Event, Exchange,
    ExchangeFailure, FailureKind, Method, Origin, Sent, ServerCertificate, Sink, Stats,
};

/// A token of NTLM has some hundred bytes; more is no login.
const MAX_TOKEN: usize = 16 * 1024;
/// So often in a row a login may be taken and asked for again by the next packet.
const MAX_ASKED_AGAIN: u32 = 3;

/// The logins of all connections.
pub(crate) type ConnectionAuths = BTreeMap<ConnectionId, ConnectionAuth>;

/// What is known of the logins of a connection, and what runs over it.
#[derive(Default)]
pub(crate) struct ConnectionAuth {
    /// The number of the connection, and who is logged in there.
    login: Option<(u32, Arc<Credentials>)>,
    /// The number of the connection that is logged in at a proxy which forwards requests.
    proxy_login: Option<u32>,
    /// A login was seen to hold for more than one request.
    lasts: bool,
    /// The server wants a login for each request.
    each_request: bool,
    /// Where a Ping is not challenged; packets may be.
    open_ping: Option<Origin>,
    nonces: BTreeMap<Role, Nonce>,
    /// At the server, and at a proxy that forwards requests.
    running: BTreeMap<Role, LoginStep>,
    /// Counts the logins whose first step is made elsewhere.
    begun: u32,
    /// Requests of the exchange under way.
    requests: u32,
    /// How often in a row a login was taken, and asked for again by the next packet.
    asked_again: u32,
}

/// What Digest logins are made with.
struct Nonce {
    /// The server; of a proxy, the server that the request was for.
    origin: Origin,
    digest: Digest,
}

/// The first step of a login, made on another thread.
pub(crate) struct Begun {
    number: u32,
    result: Result<(Mechanism, Vec<u8>), Problem>,
}

enum LoginStep {
    /// A connection is made, whose certificate the login will be bound to; the exchange waits.
    Connecting(Arc<Credentials>, Box<Exchange>),
    /// The first step is being made.
    Beginning(Arc<Credentials>, Box<Exchange>),
    /// The first step is on its way; the exchange waits.
    Asking(Box<Waiting>),
    /// The exchange itself is the first step, since a Ping is not challenged.
    AskingItself(Box<Waiting>, Resend),
    /// The second one is, as a Ping; the exchange waits.
    Proving(Box<Waiting>),
    /// The exchange itself is the last step; a copy says where it goes.
    Last(Box<Waiting>),
    /// A Ping shows whether the login lasts, before the exchange's body goes out.
    Testing(Arc<Credentials>, Box<Exchange>),
    /// The exchange goes over a connection that is logged in.
    Through(Arc<Credentials>, Resend),
    /// A Ping has libcurl log the connection in at the proxy; the exchange waits.
    PingingProxy(Box<Exchange>),
    /// libcurl does so with the exchange itself, which has no body.
    LoggingIn(Box<Exchange>),
    /// A Ping asks what a Digest login is made with; the exchange waits.
    Sounding(Arc<Credentials>, Box<Exchange>),
    /// The exchange goes without a login, since a Ping is not challenged.
    Unasked(Arc<Credentials>, Resend),
    /// The exchange shows a Digest login, perhaps for the second time.
    Digest { credentials: Arc<Credentials>, resend: Resend, again: bool },
}

struct Waiting {
    mechanism: Mechanism,
    credentials: Arc<Credentials>,
    exchange: Exchange,
}

/// What an exchange needs to be sent again, whole.
struct Resend {
    bare: Box<Exchange>,
    length: u64,
    has_sink: bool,
}

impl Resend {
    fn of(exchange: &Exchange) -> Self {
        let has_sink = exchange.sink.is_some();
        Self { bare: Box::new(exchange.bare()), length: exchange.length, has_sink }
    }

    /// The exchange with its body from the first byte on, on any connection; `None`
    /// if that, or the place for the answer's, is gone.
    fn again(self, body: Option<Box<dyn Body>>, sink: Option<Box<dyn Sink>>) -> Option<Exchange> {
        let Self { bare, length, has_sink } = self;
        let mut body = body.filter(|_| length > 0);
        if (has_sink && sink.is_none()) || (length > 0 && body.is_none()) {
            return None;
        }
        if let Some(body) = &mut body {
            body.rewind();
        }
        Some(Exchange { body, sink, length, connection: ConnectionUse::Reuse, ..*bare })
    }
}

impl ConnectionAuth {
    /// The exchange under way is over, and so are the logins of the connection.
    fn reset(&mut self) {
        self.login = None;
        self.proxy_login = None;
        self.lasts = false;
        self.each_request = false;
        self.running.clear();
        self.requests = 0;
    }

    /// The value that answers the last challenge for Digest, if there is one.
    fn digest(
        &mut self,
        role: Role,
        exchange: &Exchange,
        credentials: &Credentials,
        method: &str,
    ) -> Option<Zeroizing<String>> {
        let nonce = self.nonces.get_mut(&role)?;
        let is_for = role == Role::Proxy || nonce.origin == exchange.origin;
        is_for.then(|| nonce.digest.answer(credentials, method, &exchange.target))
    }

    /// Whether a Digest login that was refused may be made once more: only what it was made with was
    /// too old.
    fn may_renew(&self, role: Role) -> bool {
        self.nonces.get(&role).is_some_and(|nonce| nonce.digest.is_stale)
    }
}

impl Core {
    /// Begins an exchange, after a login if it wants one that libcurl does not make.
    pub(crate) fn start(&mut self, pinned: ConnectionId, exchange: Exchange) -> Started {
        LoginRounds { core: self, pinned }.begin(exchange)
    }

    /// The first step was made elsewhere; gives back what is for the upload.
    pub(crate) fn login_begun(&mut self, pinned: ConnectionId, begun: Begun) -> Option<Event> {
        LoginRounds { core: self, pinned }.begun(begun)
    }

    /// Takes an event that belongs to a login; gives back what is for the upload, with all its
    /// requests counted.
    pub(crate) fn on_event(&mut self, event: Event) -> Option<Event> {
        let pinned = event.pinned;
        LoginRounds { core: self, pinned }.on_event(event)
    }

    /// Gives up the exchange of a connection.
    pub(crate) fn abort(&mut self, pinned: ConnectionId) {
        if let Some(auth) = self.auths.get_mut(&pinned) {
            auth.reset();
        }
        drop(self.transport.abort(pinned));
    }

    /// Retires a connection; another upload may use it, unless it is authenticated.
    pub(crate) fn retire_connection(&mut self, pinned: ConnectionId) {
        if self.auths.contains_key(&pinned) {
            return self.close_connection(pinned);
        }
        self.transport.retire_connection(pinned);
        self.connections.remove(&pinned);
    }

    /// A connection is no more.
    pub(crate) fn close_connection(&mut self, pinned: ConnectionId) {
        self.auths.remove(&pinned);
        self.transport.close_connection(pinned);
        self.connections.remove(&pinned);
    }
}

/// The connection on which logins are made.
struct LoginRounds<'a> {
    core: &'a mut Core,
    pinned: ConnectionId,
}

/// Whether the next request is on its way.
type Started = Result<(), ExchangeFailure>;

impl LoginRounds<'_> {
    /// What is known of the connection's logins, if anything is.
    fn known(&mut self) -> Option<&mut ConnectionAuth> {
        self.core.auths.get_mut(&self.pinned)
    }

    /// The same; from now on something is.
    fn auth(&mut self) -> &mut ConnectionAuth {
        self.core.auths.entry(self.pinned).or_default()
    }

    /// The number of the TCP connection, if it leads to where the exchange goes.
    fn connection(&self, exchange: &Exchange) -> Option<u32> {
        self.core.transport.connection(self.pinned, exchange)
    }

    /// The same where it was logged in, and has to be there.
    fn kept_connection(&self, exchange: &Exchange) -> Result<u32, ExchangeFailure> {
        self.connection(exchange).ok_or_else(|| not_kept(exchange))
    }

    /// Puts a request on the wire.
    fn put(&mut self, exchange: Exchange) -> Started {
        self.core.transport.start(self.pinned, exchange)
    }

    fn begin(&mut self, mut exchange: Exchange) -> Started {
        let ours = |own: &mut Arc<Credentials>| own.scheme != AuthScheme::Basic;
        let Some(credentials) = exchange.auth.take_if(ours) else {
            return self.send(exchange);
        };
        if credentials.scheme == AuthScheme::Digest {
            return self.show_digest(Role::Server, credentials, exchange, false);
        }
        let there = self.connection(&exchange);
        let auth = self.auth();
        let is_in =
            |(number, who): &(u32, Arc<Credentials>)| Some(*number) == there && *who == credentials;
        if exchange.connection == ConnectionUse::Reuse
            && !auth.each_request
            && let Some((number, _)) = auth.login.as_ref().filter(|login| is_in(login))
        {
            let number = *number;
            return self.send_authenticated(credentials, exchange, number);
        }
        if auth.open_ping.as_ref() == Some(&exchange.origin) && has_ping(&exchange) {
            return self.send_unasked(Role::Server, credentials, exchange);
        }
        self.log_in(credentials, exchange)
    }

    /// Sends the exchange with a Digest login; its parameters have to be known before.
    fn show_digest(
        &mut self,
        role: Role,
        credentials: Arc<Credentials>,
        mut exchange: Exchange,
        again: bool,
    ) -> Started {
        let method = self.core.transport.method(self.pinned, exchange.method);
        if role == Role::Proxy {
            exchange.proxy_auth = None;
            exchange.proxy_asked = false;
        }
        let auth = self.auth();
        if let Some(value) = auth.digest(role, &exchange, &credentials, method) {
            let resend = Resend::of(&exchange);
            exchange.headers.push((role.authorization().to_owned(), value));
            return self.send_step(
                role,
                LoginStep::Digest { credentials, resend, again },
                exchange,
            );
        }
        let is_open = role == Role::Server && auth.open_ping.as_ref() == Some(&exchange.origin);
        if is_open || !has_ping(&exchange) {
            return self.send_unasked(role, credentials, exchange);
        }
        let ping = ping(&exchange, exchange.connection);
        self.send_step(role, LoginStep::Sounding(credentials, Box::new(exchange)), ping)
    }

    /// Sends the exchange whole and without a login.
    fn send_unasked(
        &mut self,
        role: Role,
        credentials: Arc<Credentials>,
        exchange: Exchange,
    ) -> Started {
        let step = LoginStep::Unasked(credentials, Resend::of(&exchange));
        self.send_step(role, step, exchange)
    }

    /// A Ping was not challenged: the exchange goes without a login, and at a server those that follow do.
    fn ping_is_open(
        &mut self,
        role: Role,
        credentials: Arc<Credentials>,
        mut exchange: Exchange,
    ) -> Started {
        exchange.connection = ConnectionUse::Reuse;
        if role == Role::Server && has_ping(&exchange) {
            self.auth().open_ping = Some(exchange.origin.clone());
        }
        self.send_unasked(role, credentials, exchange)
    }

    /// Sends a request that belongs to a login.
    fn send_step(&mut self, role: Role, step: LoginStep, request: Exchange) -> Started {
        self.auth().running.insert(role, step);
        let sent = match role {
            Role::Server => self.send(request),
            Role::Proxy => self.put(request),
        };
        if sent.is_err() {
            // The next exchange's answer is not its answer.
            self.auth().running.remove(&role);
        }
        sent
    }

    /// The exchange was challenged where no Ping is: it is the first step itself.
    fn ask_itself(&mut self, credentials: Arc<Credentials>, mut exchange: Exchange) -> Started {
        let (mechanism, token) = first_step(&credentials, &exchange)?;
        let resend = Resend::of(&exchange);
        let waiting = Waiting { mechanism, credentials, exchange: exchange.bare() };
        exchange.headers.push(authorization(&waiting.credentials, &token));
        let step = LoginStep::AskingItself(Box::new(waiting), resend);
        self.send_step(Role::Server, step, exchange)
    }

    /// Sends a request, after a login at a proxy that forwards requests if it asked for one.
    fn send(&mut self, mut exchange: Exchange) -> Started {
        let asked = exchange.proxy_asked && self.core.transport.forwards(self.pinned, &exchange);
        let credentials = exchange.proxy_auth.clone();
        let Some(credentials) = credentials.filter(|own| asked && own.scheme != AuthScheme::Basic)
        else {
            return self.put(exchange);
        };
        if credentials.scheme == AuthScheme::Digest {
            return self.show_digest(Role::Proxy, credentials, exchange, false);
        }
        let there = self.connection(&exchange);
        let is_in = self.auth().proxy_login == there && exchange.connection != ConnectionUse::Fresh;
        if let Some(number) = there.filter(|_| is_in) {
            exchange.connection = ConnectionUse::Same(number);
            return self.put(exchange);
        }
        if has_ping(&exchange) {
            let ping = ping(&exchange, exchange.connection);
            return self.send_step(Role::Proxy, LoginStep::PingingProxy(Box::new(exchange)), ping);
        }
        let step = LoginStep::LoggingIn(Box::new(exchange.bare()));
        self.send_step(Role::Proxy, step, exchange)
    }

    fn log_in(&mut self, credentials: Arc<Credentials>, exchange: Exchange) -> Started {
        self.auth().login = None;
        if credentials.scheme != AuthScheme::Kerberos {
            let (mechanism, token) = first_step(&credentials, &exchange)?;
            return self.ask(Waiting { mechanism, credentials, exchange }, &token);
        }
        let is_there =
            exchange.connection != ConnectionUse::Fresh && self.connection(&exchange).is_some();
        if !exchange.origin.is_https() || is_there {
            return self.begin_with_ticket(credentials, exchange);
        }
        let ping = ping(&exchange, exchange.connection);
        self.send_step(Role::Server, LoginStep::Connecting(credentials, Box::new(exchange)), ping)
    }

    /// Lets the first step be made elsewhere, for the connection that is there.
    fn begin_with_ticket(
        &mut self,
        credentials: Arc<Credentials>,
        mut exchange: Exchange,
    ) -> Started {
        let mut binding = None;
        if exchange.origin.is_https() {
            let (number, own) = self.binding(&exchange)?;
            exchange.connection = ConnectionUse::Same(number);
            binding = own;
        }
        let (pinned, inbox) = (self.pinned, self.core.inbox.clone());
        let (own, host) = (Arc::clone(&credentials), exchange.origin.host.clone());
        let auth = self.auth();
        auth.begun = auth.begun.wrapping_add(1);
        let number = auth.begun;
        let begin = move || {
            let result = Mechanism::begin(&own, &host, binding.as_ref());
            inbox.send(Command::LoginBegun(pinned, Begun { number, result }));
        };
        let begins = super::spawn("bitsup-login", begin);
        begins.map_err(|error| ExchangeFailure::lacks(Error::of_thread(&error)))?;
        auth.running.insert(Role::Server, LoginStep::Beginning(credentials, Box::new(exchange)));
        Ok(())
    }

    /// The number of the connection over TLS, and what a login there is bound to; nothing where
    /// the TLS library does not tell of certificates.
    fn binding(&self, exchange: &Exchange) -> Result<(u32, Option<Binding>), ExchangeFailure> {
        let number = self.kept_connection(exchange)?;
        match self.core.transport.certificate(self.pinned) {
            ServerCertificate::Known(binding) => Ok((number, Some(binding))),
            ServerCertificate::NotReported => Ok((number, None)),
            // Else a man in the middle that hides it could have the binding left out.
            ServerCertificate::Unknown => {
                let text = "the server's certificate, which the login is bound to, cannot be read"
                    .to_owned();
                Err(failed(exchange, Problem { kind: FailureKind::Unsupported, text }))
            }
        }
    }

    fn begun(&mut self, begun: Begun) -> Option<Event> {
        // It may have been given up meanwhile.
        let auth = self.known().filter(|auth| auth.begun == begun.number)?;
        let running = auth.running.remove(&Role::Server)?;
        let LoginStep::Beginning(credentials, exchange) = running else {
            auth.running.insert(Role::Server, running);
            return None;
        };
        let each_request = auth.each_request;
        let (number, origin) = (exchange.number, exchange.origin.clone());
        let next = match begun.result {
            Err(problem) => Err(failed(&exchange, problem)),
            Ok((mechanism, token)) => {
                let waiting = Waiting { mechanism, credentials, exchange: *exchange };
                if each_request {
                    let connection = waiting.exchange.connection;
                    self.show(waiting, &token, connection)
                } else {
                    self.ask(waiting, &token)
                }
            }
        };
        let failure = next.err()?;
        let auth = self.auth();
        let stats = Stats { requests: auth.requests, ..Stats::default() };
        auth.reset();
        let (pinned, result, body, sink) = (self.pinned, Err(failure), None, None);
        Some(Event { pinned, number, origin, result, body, sink, stats, withheld: true })
    }

    /// Sends the first step.
    fn ask(&mut self, waiting: Waiting, token: &[u8]) -> Started {
        let Waiting { credentials, exchange, .. } = &waiting;
        let request = step(exchange, credentials, token, exchange.connection);
        self.send_step(Role::Server, LoginStep::Asking(Box::new(waiting)), request)
    }

    /// Sends the exchange with the last step.
    fn show(&mut self, waiting: Waiting, token: &[u8], connection: ConnectionUse) -> Started {
        let Waiting { mechanism, credentials, mut exchange } = waiting;
        let resend = exchange.bare();
        exchange.headers.push(authorization(&credentials, token));
        exchange.connection = connection;
        let waiting = Waiting { mechanism, credentials, exchange: resend };
        self.send_step(Role::Server, LoginStep::Last(Box::new(waiting)), exchange)
    }

    fn on_event(&mut self, mut event: Event) -> Option<Event> {
        self.note_challenge(&event);
        let Some(auth) = self.known() else { return Some(event) };
        auth.requests = auth.requests.saturating_add(event.stats.requests);
        if auth.requests >= MAX_LOGIN_REQUESTS && event.result.is_ok() && auth.is_unfinished() {
            let text = "the login takes too many rounds".to_owned();
            event.result = Err(ExchangeFailure::unsent(FailureKind::TooManyRequests, text));
        }
        let event = self.on_answer(event, Role::Proxy)?;
        let event = self.on_answer(event, Role::Server)?;
        let mut stats = event.stats;
        if let Some(auth) = self.known() {
            stats.requests = std::mem::take(&mut auth.requests);
        }
        Some(Event { stats, ..event })
    }

    /// Keeps what a Digest login is made with.
    fn note_challenge(&mut self, event: &Event) {
        let Ok(answer) = &event.result else { return };
        let role = match answer.status {
            401 => Role::Server,
            407 if event.stats.forwarded => Role::Proxy,
            _ => return,
        };
        if let Some(digest) = Digest::choose(&offered(answer, role)) {
            let nonce = Nonce { origin: event.origin.clone(), digest };
            self.auth().nonces.insert(role, nonce);
        } else if let Some(auth) = self.known() {
            auth.nonces.remove(&role);
        }
    }

    /// What the server, or before it a proxy that forwards requests, says of a login.
    fn on_answer(&mut self, mut event: Event, role: Role) -> Option<Event> {
        let running = self.known().and_then(|auth| auth.running.remove(&role));
        let Some(running) = running else { return Some(event) };
        let (is_before, is_server) = (running.is_before(), role == Role::Server);
        if is_before {
            // A Ping's body is no part of the exchange's, nor is its answer the exchange's.
            event.stats.sent = 0;
            event.stats.is_of_login = true;
            event.withheld |= is_server && running.withholds();
        }
        let answer = match &mut event.result {
            Ok(answer) => answer,
            Err(failure) => {
                if is_before {
                    // Of the upload nothing was sent.
                    failure.sent = Sent::Nothing;
                }
                return Some(event);
            }
        };
        if is_server && answer.status == 407 {
            event.withheld = true;
            return Some(event);
        }
        let asks = answer.status == if is_server { 401 } else { 407 };
        // Whatever comes from behind the proxy was let through.
        let goes_on = !asks && (!is_server || is_about_ping(answer.status));
        let connection = ConnectionUse::Reuse;
        let next = match running {
            LoginStep::Beginning(..) => return Some(event),
            LoginStep::Connecting(credentials, exchange) => {
                if !asks && !goes_on {
                    return Some(event);
                }
                self.begin_with_ticket(credentials, Exchange { connection, ..*exchange })
            }
            LoginStep::Asking(mut waiting) if asks => match self.reply(&mut waiting, answer) {
                Ok(Some(token)) => self.prove(*waiting, &token),
                Ok(None) => {
                    event.withheld = false;
                    return Some(event);
                }
                Err(failure) => Err(failure),
            },
            // It took a ticket, or knows the connection already.
            LoginStep::Asking(waiting) if goes_on && waiting.is_with_ticket() => {
                self.logged_in(*waiting, answer)
            }
            // It asks for no login.
            LoginStep::Asking(waiting) if goes_on => {
                let Waiting { credentials, exchange, .. } = *waiting;
                self.ping_is_open(role, credentials, exchange)
            }
            LoginStep::PingingProxy(exchange) if goes_on => {
                self.auth().proxy_login = self.connection(&exchange);
                self.kept_connection(&exchange).and_then(|number| {
                    let connection = ConnectionUse::Same(number);
                    self.put(Exchange { connection, ..*exchange })
                })
            }
            LoginStep::LoggingIn(exchange) if goes_on => {
                self.auth().proxy_login = self.connection(&exchange);
                return Some(event);
            }
            LoginStep::AskingItself(mut waiting, resend) if asks => {
                match (
                    self.reply(&mut waiting, answer),
                    resend.again(event.body.take(), event.sink.take()),
                ) {
                    (Err(failure), _) => Err(failure),
                    (Ok(Some(token)), Some(exchange)) => {
                        self.kept_connection(&exchange).and_then(|number| {
                            let waiting = Waiting { exchange, ..*waiting };
                            self.show(waiting, &token, ConnectionUse::Same(number))
                        })
                    }
                    (Ok(_), _) => return Some(event),
                }
            }
            LoginStep::Proving(waiting) if goes_on => self.logged_in(*waiting, answer),
            LoginStep::Last(mut waiting) if !asks => match waiting.confirm(answer) {
                Ok(()) => {
                    let there = self.connection(&waiting.exchange);
                    let auth = self.auth();
                    auth.login = there.map(|number| (number, waiting.credentials));
                    auth.asked_again = 0;
                    return Some(event);
                }
                // The peer that answered may have acted on it.
                Err(failure) => Err(ExchangeFailure { sent: Sent::All, ..failure }),
            },
            LoginStep::Testing(credentials, exchange) if asks || goes_on => {
                let auth = self.auth();
                auth.each_request = asks;
                auth.lasts = !asks;
                self.begin(Exchange { connection, auth: Some(credentials), ..*exchange })
            }
            LoginStep::Through(credentials, resend) if asks => {
                let exchange = resend.again(event.body.take(), event.sink.take());
                self.asked_again(credentials, exchange)
            }
            LoginStep::Through(_, resend) => {
                let auth = self.auth();
                auth.lasts = true;
                if has_ping(&resend.bare) {
                    auth.asked_again = 0;
                }
                return Some(event);
            }
            LoginStep::Sounding(credentials, exchange) if asks => {
                if !self.has_nonce(role) {
                    return Some(event);
                }
                let exchange = Exchange { connection, ..*exchange };
                self.show_digest(role, credentials, exchange, false)
            }
            LoginStep::Sounding(credentials, exchange) if goes_on => {
                self.ping_is_open(role, credentials, *exchange)
            }
            LoginStep::Unasked(credentials, resend) if asks => {
                let is_digest = credentials.scheme == AuthScheme::Digest;
                event.withheld |= is_server;
                if is_digest && !self.has_nonce(role) {
                    return Some(event);
                }
                match resend.again(event.body.take(), event.sink.take()) {
                    Some(exchange) if is_digest => {
                        self.show_digest(role, credentials, exchange, false)
                    }
                    Some(exchange) => self.ask_itself(credentials, exchange),
                    None => return Some(event),
                }
            }
            LoginStep::Digest { credentials, resend, again: false }
                if asks && self.known().is_some_and(|own| own.may_renew(role)) =>
            {
                match resend.again(event.body.take(), event.sink.take()) {
                    Some(exchange) => self.show_digest(role, credentials, exchange, true),
                    None => return Some(event),
                }
            }
            LoginStep::AskingItself(..) | LoginStep::Unasked(..) => {
                event.withheld |= is_server;
                return Some(event);
            }
            LoginStep::Asking(_)
            | LoginStep::Proving(_)
            | LoginStep::Last(_)
            | LoginStep::Testing(..)
            | LoginStep::PingingProxy(_)
            | LoginStep::LoggingIn(_)
            | LoginStep::Sounding(..)
            | LoginStep::Digest { .. } => return Some(event),
        };
        let failure = next.err()?;
        if let Some(auth) = self.known().filter(|_| is_server) {
            let requests = auth.requests;
            auth.reset();
            auth.requests = requests;
        }
        event.result = Err(failure);
        Some(event)
    }

    /// The login was taken a moment ago: it does not last, or is never enough.
    fn asked_again(
        &mut self,
        credentials: Arc<Credentials>,
        exchange: Option<Exchange>,
    ) -> Started {
        let auth = self.auth();
        auth.each_request = true;
        auth.login = None;
        auth.asked_again += 1;
        if auth.asked_again >= MAX_ASKED_AGAIN {
            let kind = FailureKind::NoLogin(
                "Have the server ask for the login with each packet, or keep it for the connection or the session.",
            );
            let text = "the server takes the login and asks for it again with the next packet";
            return Err(ExchangeFailure::unsent(kind, text));
        }
        match exchange {
            Some(exchange) => self.log_in(credentials, exchange),
            None => Err(ExchangeFailure::unsent(
                FailureKind::ConnectionLost,
                "the server forgot the login of its connection",
            )),
        }
    }

    fn has_nonce(&mut self, role: Role) -> bool {
        self.known().is_some_and(|auth| auth.nonces.contains_key(&role))
    }

    /// What to say to a challenge; `None` if everything was said, and the server refuses.
    fn reply(
        &self,
        waiting: &mut Waiting,
        answer: &Answer,
    ) -> Result<Option<Vec<u8>>, ExchangeFailure> {
        let Some(token) = token(answer, &waiting.credentials) else {
            if waiting.is_with_ticket() {
                return Ok(None);
            }
            let text = "the server does not continue the login that it offers".to_owned();
            let advice = "Have the server offer another scheme, or choose one that works ({auth}).";
            let problem = Problem { kind: FailureKind::NoLogin(advice), text };
            return Err(failed(&waiting.exchange, problem));
        };
        let mut binding = None;
        if waiting.exchange.origin.is_https() && !waiting.is_with_ticket() {
            binding = self.binding(&waiting.exchange)?.1;
        }
        let reply = waiting.mechanism.step(token, binding.as_ref());
        let reply = reply.map_err(|problem| failed(&waiting.exchange, problem))?;
        Ok(Some(reply).filter(|reply| !reply.is_empty()))
    }

    /// The second step: the answer to what the server said.
    fn prove(&mut self, waiting: Waiting, token: &[u8]) -> Started {
        let same = ConnectionUse::Same(self.kept_connection(&waiting.exchange)?);
        let each_request = self.known().is_some_and(|auth| auth.each_request);
        if waiting.exchange.length == 0 || each_request {
            return self.show(waiting, token, same);
        }
        let ping = step(&waiting.exchange, &waiting.credentials, token, same);
        self.send_step(Role::Server, LoginStep::Proving(Box::new(waiting)), ping)
    }

    /// The connection is logged in.
    fn logged_in(&mut self, mut waiting: Waiting, answer: &Answer) -> Started {
        waiting.confirm(answer)?;
        let Waiting { credentials, exchange, .. } = waiting;
        let number = self.kept_connection(&exchange)?;
        self.auth().login = Some((number, Arc::clone(&credentials)));
        self.send_authenticated(credentials, exchange, number)
    }

    /// Sends an exchange over the connection that is logged in.
    fn send_authenticated(
        &mut self,
        credentials: Arc<Credentials>,
        mut exchange: Exchange,
        number: u32,
    ) -> Started {
        let same = ConnectionUse::Same(number);
        if exchange.length > 0 && !self.auth().lasts {
            let ping = ping(&exchange, same);
            let step = LoginStep::Testing(credentials, Box::new(exchange));
            return self.send_step(Role::Server, step, ping);
        }
        exchange.connection = same;
        let step = LoginStep::Through(credentials, Resend::of(&exchange));
        self.send_step(Role::Server, step, exchange)
    }
}

impl ConnectionAuth {
    /// Whether the exchange itself is still to go out, or out as a step.
    fn is_unfinished(&self) -> bool {
        self.running.values().any(LoginStep::is_before)
    }
}

impl LoginStep {
    /// Whether the exchange itself has not gone out yet.
    fn is_before(&self) -> bool {
        match self {
            Self::Connecting(..)
            | Self::Beginning(..)
            | Self::Asking(_)
            | Self::Proving(_)
            | Self::Testing(..)
            | Self::PingingProxy(_)
            | Self::Sounding(..) => true,
            Self::AskingItself(..)
            | Self::LoggingIn(_)
            | Self::Last(_)
            | Self::Through(..)
            | Self::Unasked(..)
            | Self::Digest { .. } => false,
        }
    }

    /// Whether the login has not been shown so far.
    fn withholds(&self) -> bool {
        matches!(
            self,
            Self::Connecting(..) | Self::Beginning(..) | Self::Asking(_) | Self::Sounding(..)
        )
    }
}

impl Waiting {
    fn is_with_ticket(&self) -> bool {
        self.credentials.scheme == AuthScheme::Kerberos
    }

    /// With a ticket the server shows who it is, too: in its last word, if it says one.
    fn confirm(&mut self, answer: &Answer) -> Result<(), ExchangeFailure> {
        let Some(token) = token(answer, &self.credentials).filter(|_| self.is_with_ticket()) else {
            return Ok(());
        };
        self.mechanism.step(token, None).map(drop).map_err(|Problem { text, .. }| {
            let text = format!("the server failed mutual authentication: {text}");
            failed(&self.exchange, Problem { kind: FailureKind::BadAnswer, text })
        })
    }
}

/// The first step of a login with a password.
fn first_step(
    credentials: &Credentials,
    exchange: &Exchange,
) -> Result<(Mechanism, Vec<u8>), ExchangeFailure> {
    let begun = Mechanism::begin(credentials, &exchange.origin.host, None);
    begun.map_err(|problem| failed(exchange, problem))
}

/// A request of a login.
fn step(
    exchange: &Exchange,
    credentials: &Credentials,
    token: &[u8],
    connection: ConnectionUse,
) -> Exchange {
    let mut step = ping(exchange, connection);
    step.headers.push(authorization(credentials, token));
    step
}

/// Whether a Ping can be sent in the place of an exchange: of a packet that is none itself.
fn has_ping(exchange: &Exchange) -> bool {
    exchange.method == Method::BitsPost
        && !exchange.headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("BITS-Packet-Type") && value.eq_ignore_ascii_case("Ping")
        })
}

/// Whether an answer to a Ping says nothing but that a login is not wanted, or was taken: a server
/// that has no Ping refuses it so.
fn is_about_ping(status: u16) -> bool {
    matches!(status, 200..300 | 400 | 404 | 405 | 411 | 413 | 416 | 501)
}

/// A Ping to where a packet goes; of a question or a request for a reply, the same without a
/// place for the answer.
fn ping(exchange: &Exchange, connection: ConnectionUse) -> Exchange {
    let mut ping = exchange.bare();
    ping.connection = connection;
    if ping.method == Method::BitsPost {
        ping.headers.retain(|(name, _)| {
            let name = name.to_ascii_lowercase();
            !name.starts_with("bits-") && !name.starts_with("content-")
        });
        ping.headers.push(("BITS-Packet-Type".to_owned(), "Ping".to_owned().into()));
    }
    ping
}

fn authorization(credentials: &Credentials, token: &[u8]) -> (String, Zeroizing<String>) {
    let token = Zeroizing::new(BASE64.encode(token));
    ("Authorization".to_owned(), [scheme(credentials), " ", &token].concat().into())
}

/// What the server says in its challenge.
fn token(answer: &Answer, credentials: &Credentials) -> Option<Vec<u8>> {
    let scheme = scheme(credentials).to_ascii_lowercase();
    offered(answer, Role::Server).into_iter().find_map(|offer| {
        let token =
            offer.token.filter(|token| offer.scheme == scheme && token.len() <= MAX_TOKEN)?;
        BASE64.decode(token).ok()
    })
}

fn scheme(credentials: &Credentials) -> &'static str {
    if credentials.scheme == AuthScheme::Ntlm { "NTLM" } else { "Negotiate" }
}

fn not_kept(exchange: &Exchange) -> ExchangeFailure {
    let text = "the server does not keep the connection that was logged in".to_owned();
    failed(exchange, Problem { kind: FailureKind::ConnectionLost, text })
}

fn failed(exchange: &Exchange, problem: Problem) -> ExchangeFailure {
    let Problem { kind, text } = problem;
    let Origin { host, port, .. } = &exchange.origin;
    ExchangeFailure::unsent(kind, format!("{host}:{port}: {text}"))
}
