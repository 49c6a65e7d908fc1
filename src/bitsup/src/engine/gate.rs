//! Logins that hold for a connection (NTLM, and Negotiate with NTLM or a Kerberos ticket inside).
//!
//! Each new connection of a lane begins with a login, by requests without a body: first a
//! Ping, then the request itself if that has no body, else a second Ping. What follows goes over
//! that connection and no other. libcurl sees ordinary requests and knows nothing of it.
//!
//! Over TLS a login is bound to the certificate of its connection. With a password the second step
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
use zeroize::Zeroizing;

use super::Core;
use super::command::Command;
use super::mechanism::{Mechanism, Problem};
use crate::error::Error;
use crate::transport::{
    Answer, AuthScheme, Binding, ConnectionUse, Credentials, Event, Exchange, Failure, FailureKind,
    LaneId, Method, Scheme, Sent, ServerCertificate, Stats,
};

/// A token of NTLM has some hundred bytes; more is no login.
const MAX_TOKEN: usize = 16 * 1024;

/// The logins of all lanes.
pub(crate) type Gates = BTreeMap<LaneId, Gate>;

/// What a lane's connection was logged in with, and what runs over it.
#[derive(Default)]
pub(crate) struct Gate {
    /// The number of the connection, and who is logged in there.
    login: Option<(u32, Arc<Credentials>)>,
    /// A login was seen to hold for more than one request.
    lasts: bool,
    /// The server wants a login for each request.
    each_request: bool,
    running: Option<Running>,
    /// Counts the logins whose first step is made elsewhere.
    begun: u32,
}

/// The first step of a login, made on another thread.
pub(crate) struct Begun {
    number: u32,
    result: Result<(Mechanism, Vec<u8>), Problem>,
}

enum Running {
    /// A connection is made, whose certificate the login will be bound to; the exchange waits.
    Connecting(Arc<Credentials>, Box<Exchange>),
    /// The first step is being made.
    Beginning(Arc<Credentials>, Box<Exchange>),
    /// The first step is on its way; the exchange waits.
    Asking(Box<Waiting>),
    /// The second one is, as a Ping; the exchange waits.
    Proving(Box<Waiting>),
    /// The exchange itself is the last step; a copy says where it goes.
    Last(Box<Waiting>),
    /// A Ping shows whether the login lasts, before the exchange's body goes out.
    Testing(Arc<Credentials>, Box<Exchange>),
    /// The exchange goes over a connection that is logged in; a copy, if it has no body.
    Through(Arc<Credentials>, Option<Exchange>),
}

struct Waiting {
    mechanism: Mechanism,
    credentials: Arc<Credentials>,
    exchange: Exchange,
}

impl Core {
    /// Begins an exchange, after a login if it wants one that holds for a connection.
    pub(crate) fn start(&mut self, lane: LaneId, mut exchange: Exchange) -> Result<(), Failure> {
        let ours = |own: &mut Arc<Credentials>| {
            matches!(own.scheme, AuthScheme::Ntlm | AuthScheme::Spnego | AuthScheme::Kerberos)
        };
        let Some(credentials) = exchange.auth.take_if(ours) else {
            return self.transport.start(lane, exchange);
        };
        let there = self.transport.connection(lane, &exchange);
        let gate = self.gates.entry(lane).or_default();
        let is_in =
            |(number, who): &(u32, Arc<Credentials>)| Some(*number) == there && *who == credentials;
        if exchange.connection == ConnectionUse::Reuse
            && !gate.each_request
            && let Some((number, _)) = gate.login.as_ref().filter(|login| is_in(login))
        {
            let number = *number;
            return self.go_through(lane, credentials, exchange, number);
        }
        self.log_in(lane, credentials, exchange)
    }

    fn log_in(
        &mut self,
        lane: LaneId,
        credentials: Arc<Credentials>,
        exchange: Exchange,
    ) -> Result<(), Failure> {
        self.gates.entry(lane).or_default().login = None;
        if credentials.scheme != AuthScheme::Kerberos {
            let begun = Mechanism::begin(&credentials, &exchange.host, None);
            let (mechanism, token) = begun.map_err(|problem| failed(&exchange, problem))?;
            return self.ask(lane, Waiting { mechanism, credentials, exchange }, &token);
        }
        let is_there = exchange.connection != ConnectionUse::Fresh
            && self.transport.connection(lane, &exchange).is_some();
        if exchange.scheme == Scheme::Http || is_there {
            return self.begin_with_ticket(lane, credentials, exchange);
        }
        let ping = ping(&exchange, exchange.connection);
        let running = Running::Connecting(credentials, Box::new(exchange));
        self.gates.entry(lane).or_default().running = Some(running);
        self.transport.start(lane, ping)
    }

    /// Lets the first step be made elsewhere, for the connection that is there.
    fn begin_with_ticket(
        &mut self,
        lane: LaneId,
        credentials: Arc<Credentials>,
        mut exchange: Exchange,
    ) -> Result<(), Failure> {
        let mut binding = None;
        if exchange.scheme == Scheme::Https {
            let (number, own) = self.binding(lane, &exchange)?;
            exchange.connection = ConnectionUse::Same(number);
            binding = own;
        }
        let gate = self.gates.entry(lane).or_default();
        gate.begun = gate.begun.wrapping_add(1);
        let (number, own, host) = (gate.begun, Arc::clone(&credentials), exchange.host.clone());
        let inbox = self.inbox.clone();
        let begin = move || {
            let result = Mechanism::begin(&own, &host, binding.as_ref());
            inbox.send(Command::LoginBegun(lane, Begun { number, result }));
        };
        let begins = super::spawn("bitsup-login", begin);
        begins.map_err(|error| Failure::lacks(Error::of_thread(&error)))?;
        gate.running = Some(Running::Beginning(credentials, Box::new(exchange)));
        Ok(())
    }

    /// The number of the connection over TLS, and what a login there is bound to; nothing where
    /// the TLS library does not tell of certificates.
    fn binding(
        &self,
        lane: LaneId,
        exchange: &Exchange,
    ) -> Result<(u32, Option<Binding>), Failure> {
        let there = self.transport.connection(lane, exchange);
        let number = there.ok_or_else(|| not_kept(exchange))?;
        match self.transport.certificate(lane) {
            ServerCertificate::Known(binding) => Ok((number, Some(binding))),
            ServerCertificate::Untold => Ok((number, None)),
            // Else whoever hides it could have the binding left out.
            ServerCertificate::Unknown => {
                let text = "the server's certificate, which a login is bound to, was not shown in a form that can be read".to_owned();
                Err(failed(exchange, Problem { kind: FailureKind::Unsupported, text }))
            }
        }
    }

    /// The first step was made elsewhere; gives back what is for the upload.
    pub(crate) fn login_begun(&mut self, lane: LaneId, begun: Begun) -> Option<Event> {
        // It may have been given up meanwhile.
        let gate = self.gates.get_mut(&lane).filter(|gate| gate.begun == begun.number)?;
        let running = gate.running.take_if(|own| matches!(own, Running::Beginning(..)));
        let Some(Running::Beginning(credentials, exchange)) = running else { return None };
        let each_request = gate.each_request;
        let next = match begun.result {
            Err(problem) => Err(failed(&exchange, problem)),
            Ok((mechanism, token)) => {
                let waiting = Waiting { mechanism, credentials, exchange: *exchange };
                if each_request {
                    let connection = waiting.exchange.connection;
                    self.show(lane, waiting, &token, connection)
                } else {
                    self.ask(lane, waiting, &token)
                }
            }
        };
        let failure = next.err()?;
        self.gates.remove(&lane);
        Some(Event { lane, result: Err(failure), body: None, stats: Stats::default() })
    }

    /// Sends the first step.
    fn ask(&mut self, lane: LaneId, waiting: Waiting, token: &[u8]) -> Result<(), Failure> {
        let Waiting { credentials, exchange, .. } = &waiting;
        let step = step(exchange, credentials, token, exchange.connection);
        self.gates.entry(lane).or_default().running = Some(Running::Asking(Box::new(waiting)));
        self.transport.start(lane, step)
    }

    /// Sends the exchange with the last step.
    fn show(
        &mut self,
        lane: LaneId,
        waiting: Waiting,
        token: &[u8],
        connection: ConnectionUse,
    ) -> Result<(), Failure> {
        let Waiting { mechanism, credentials, mut exchange } = waiting;
        let spare = exchange.bare();
        exchange.headers.push(authorization(&credentials, token));
        exchange.connection = connection;
        let waiting = Waiting { mechanism, credentials, exchange: spare };
        self.gates.entry(lane).or_default().running = Some(Running::Last(Box::new(waiting)));
        self.transport.start(lane, exchange)
    }

    /// What a lane does is given up.
    pub(crate) fn abort(&mut self, lane: LaneId) {
        self.gates.remove(&lane);
        drop(self.transport.abort(lane));
    }

    /// A lane is no more; its connection may serve another upload, if nobody is logged in there.
    pub(crate) fn retire_lane(&mut self, lane: LaneId) {
        if self.gates.contains_key(&lane) {
            return self.close_lane(lane);
        }
        self.transport.retire_lane(lane);
        self.lanes.remove(&lane);
    }

    /// A lane is no more.
    pub(crate) fn close_lane(&mut self, lane: LaneId) {
        self.gates.remove(&lane);
        self.transport.close_lane(lane);
        self.lanes.remove(&lane);
    }

    /// Takes an event that belongs to a login; gives back what is for the upload.
    pub(crate) fn pass(&mut self, mut event: Event) -> Option<Event> {
        let lane = event.lane;
        let running = self.gates.get_mut(&lane).and_then(|gate| gate.running.take());
        let next = match (running, &mut event.result) {
            (None | Some(Running::Beginning(..)), _) => return Some(event),
            (
                Some(
                    Running::Connecting(..)
                    | Running::Asking(_)
                    | Running::Proving(_)
                    | Running::Testing(..),
                ),
                Err(failure),
            ) => {
                // Of the upload nothing was sent.
                failure.sent = Sent::Nothing;
                return Some(event);
            }
            (Some(Running::Last(..) | Running::Through(..)), Err(_)) => return Some(event),
            (Some(Running::Connecting(credentials, exchange)), Ok(answer)) => {
                if !matches!(answer.status, 200..300 | 401) {
                    return Some(event);
                }
                let connection = ConnectionUse::Reuse;
                self.begin_with_ticket(lane, credentials, Exchange { connection, ..*exchange })
            }
            (Some(Running::Asking(waiting)), Ok(answer)) => match answer.status {
                401 => {
                    let mut waiting = waiting;
                    match self.reply(lane, &mut waiting, answer) {
                        Ok(Some(token)) => self.prove(lane, *waiting, &token),
                        Ok(None) => return Some(event),
                        Err(failure) => Err(failure),
                    }
                }
                // It took a ticket, knows the connection already, or asks nobody.
                200..300 => self.logged_in(lane, *waiting, answer),
                _ => return Some(event),
            },
            (Some(Running::Proving(waiting)), Ok(answer)) => match answer.status {
                200..300 => self.logged_in(lane, *waiting, answer),
                _ => return Some(event),
            },
            (Some(Running::Last(mut waiting)), Ok(answer)) => {
                if answer.status == 401 {
                    return Some(event);
                }
                match waiting.confirm(answer) {
                    Ok(()) => {
                        let there = self.transport.connection(lane, &waiting.exchange);
                        let gate = self.gates.entry(lane).or_default();
                        gate.login = there.map(|number| (number, waiting.credentials));
                        return Some(event);
                    }
                    // Whoever answered may have acted on it.
                    Err(failure) => Err(Failure { sent: Sent::All, ..failure }),
                }
            }
            (Some(Running::Testing(credentials, exchange)), Ok(answer)) => {
                let gate = self.gates.entry(lane).or_default();
                gate.each_request = answer.status == 401;
                gate.lasts = !gate.each_request;
                let mut exchange = *exchange;
                exchange.connection = ConnectionUse::Reuse;
                exchange.auth = Some(credentials);
                self.start(lane, exchange)
            }
            (Some(Running::Through(credentials, spare)), Ok(answer)) => {
                if answer.status != 401 {
                    self.gates.entry(lane).or_default().lasts = true;
                    return Some(event);
                }
                // The password was taken a moment ago: it is the login that does not last.
                let gate = self.gates.entry(lane).or_default();
                gate.each_request = true;
                gate.login = None;
                match spare {
                    Some(mut exchange) => {
                        exchange.connection = ConnectionUse::Reuse;
                        self.log_in(lane, credentials, exchange)
                    }
                    None => Err(Failure::unsent(
                        FailureKind::ConnectionLost,
                        "the server forgot the login of its connection",
                    )),
                }
            }
        };
        match next {
            Ok(()) => None,
            Err(failure) => {
                self.gates.remove(&lane);
                event.result = Err(failure);
                Some(event)
            }
        }
    }

    /// What to say to a challenge; `None` if everything was said, and the server refuses.
    fn reply(
        &self,
        lane: LaneId,
        waiting: &mut Waiting,
        answer: &Answer,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let Some(token) = token(answer, &waiting.credentials) else {
            if waiting.is_with_ticket() {
                return Ok(None);
            }
            let text = "the server does not go on with the login that it offers".to_owned();
            let problem = Problem { kind: FailureKind::BadAnswer, text };
            return Err(failed(&waiting.exchange, problem));
        };
        let mut binding = None;
        if waiting.exchange.scheme == Scheme::Https && !waiting.is_with_ticket() {
            binding = self.binding(lane, &waiting.exchange)?.1;
        }
        let reply = waiting.mechanism.step(token, binding.as_ref());
        let reply = reply.map_err(|problem| failed(&waiting.exchange, problem))?;
        Ok(Some(reply).filter(|reply| !reply.is_empty()))
    }

    /// The second step: the answer to what the server said.
    fn prove(&mut self, lane: LaneId, waiting: Waiting, token: &[u8]) -> Result<(), Failure> {
        let there = self.transport.connection(lane, &waiting.exchange);
        let number = there.ok_or_else(|| not_kept(&waiting.exchange))?;
        let each_request = self.gates.get(&lane).is_some_and(|gate| gate.each_request);
        let same = ConnectionUse::Same(number);
        if waiting.exchange.length == 0 || each_request {
            return self.show(lane, waiting, token, same);
        }
        let ping = step(&waiting.exchange, &waiting.credentials, token, same);
        self.gates.entry(lane).or_default().running = Some(Running::Proving(Box::new(waiting)));
        self.transport.start(lane, ping)
    }

    /// The connection is logged in.
    fn logged_in(
        &mut self,
        lane: LaneId,
        mut waiting: Waiting,
        answer: &Answer,
    ) -> Result<(), Failure> {
        waiting.confirm(answer)?;
        let Waiting { credentials, exchange, .. } = waiting;
        let there = self.transport.connection(lane, &exchange);
        let number = there.ok_or_else(|| not_kept(&exchange))?;
        let gate = self.gates.entry(lane).or_default();
        gate.login = Some((number, Arc::clone(&credentials)));
        self.go_through(lane, credentials, exchange, number)
    }

    /// Sends an exchange over the connection that is logged in.
    fn go_through(
        &mut self,
        lane: LaneId,
        credentials: Arc<Credentials>,
        mut exchange: Exchange,
        number: u32,
    ) -> Result<(), Failure> {
        let gate = self.gates.entry(lane).or_default();
        let same = ConnectionUse::Same(number);
        if exchange.length > 0 && !gate.lasts {
            let ping = ping(&exchange, same);
            gate.running = Some(Running::Testing(credentials, Box::new(exchange)));
            return self.transport.start(lane, ping);
        }
        exchange.connection = same;
        gate.running = Some(Running::Through(credentials, without_body(&exchange)));
        self.transport.start(lane, exchange)
    }
}

impl Waiting {
    fn is_with_ticket(&self) -> bool {
        self.credentials.scheme == AuthScheme::Kerberos
    }

    /// With a ticket the server shows who it is, too: in its last word, if it says one.
    fn confirm(&mut self, answer: &Answer) -> Result<(), Failure> {
        let Some(token) = token(answer, &self.credentials).filter(|_| self.is_with_ticket()) else {
            return Ok(());
        };
        self.mechanism.step(token, None).map(drop).map_err(|Problem { text, .. }| {
            let text = format!("the server does not show who it is: {text}");
            failed(&self.exchange, Problem { kind: FailureKind::BadAnswer, text })
        })
    }
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
    let scheme = scheme(credentials);
    answer.headers.get_all("WWW-Authenticate").find_map(|value| {
        let value = std::str::from_utf8(value).ok()?;
        let (name, token) = value.trim().split_once(' ')?;
        let fits = name.eq_ignore_ascii_case(scheme) && token.len() <= MAX_TOKEN;
        BASE64.decode(token.trim()).ok().filter(|token| fits && !token.is_empty())
    })
}

fn scheme(credentials: &Credentials) -> &'static str {
    if credentials.scheme == AuthScheme::Ntlm { "NTLM" } else { "Negotiate" }
}

fn without_body(exchange: &Exchange) -> Option<Exchange> {
    (exchange.length == 0 && exchange.sink.is_none()).then(|| exchange.bare())
}

fn not_kept(exchange: &Exchange) -> Failure {
    let text = "the server does not keep the connection that was logged in".to_owned();
    failed(exchange, Problem { kind: FailureKind::ConnectionLost, text })
}

fn failed(exchange: &Exchange, problem: Problem) -> Failure {
    let Problem { kind, text } = problem;
    Failure::unsent(kind, format!("{}:{}: {text}", exchange.host, exchange.port))
}
