//! What goes into an exchange and what comes out of it.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use curl::easy::Auth;
use socket2::Socket;
use zeroize::Zeroizing;

use super::headers::Headers;
use super::tls_errors::TlsProblem;
use crate::error::Error;

/// Names one connection of one [`Transport`](super::Transport); never used twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct ConnectionId(pub(super) usize);

/// One HTTP request and what is to be done with its answer.
pub(crate) struct Exchange {
    /// Comes back with the event.
    pub(crate) number: u64,
    pub(crate) method: Method,
    pub(crate) origin: Origin,
    /// Path and query exactly as they must go out; begins with a slash.
    pub(crate) target: String,
    /// Sent in this order and case, after `Host`, `User-Agent` and `Accept`. A `Host` among them
    /// replaces the one made from host and port.
    pub(crate) headers: Vec<(String, Zeroizing<String>)>,
    /// Needed when `length` is not 0; given back with the event.
    pub(crate) body: Option<Box<dyn Body>>,
    /// Length of the body in bytes, the value of `Content-Length`.
    pub(crate) length: u64,
    /// Where the body of a 2xx answer to a GET goes; without one it is discarded.
    pub(crate) sink: Option<Box<dyn Sink>>,
    pub(crate) connection: ConnectionUse,
    pub(crate) limits: Limits,
    /// A login. The transport makes that of Basic only, see `engine/connection_auth.rs`.
    pub(crate) auth: Option<Arc<Credentials>>,
    /// Credentials for the proxy, if there is one.
    pub(crate) proxy_auth: Option<Arc<Credentials>>,
    /// Whether a proxy that forwards requests has asked for them. One that makes a tunnel is asked
    /// for it without a body, and gets them when it wants them.
    pub(crate) proxy_asked: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Method {
    /// A BITS packet. The answer ends with its header lines if it does not say its length.
    BitsPost,
    Head,
    Get,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// A server as it is spoken to. As text it is `https://host:port`, the port only if it is not the scheme's own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Origin {
    pub(crate) scheme: Scheme,
    /// Name or address without brackets and zone, as it stands in `Host`.
    pub(crate) host: String,
    /// The interface of a link-local address, which is used to connect and never sent (RFC 9844).
    pub(crate) zone: Option<Box<str>>,
    pub(crate) port: u16,
}

/// Which connection an exchange may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ConnectionUse {
    /// The connection's own, if it is alive and clean; else a new one.
    Reuse,
    /// A new one; the connection's old one is closed first.
    Fresh,
    /// The connection's own with this number and no other: it was logged in.
    Same(u32),
}

/// How long an exchange may take, by this layer's own clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For name, connection and TLS together.
    pub(crate) connect: Duration,
    /// For the time in which no byte of a body moves, in either direction. Time in which the
    /// body said [`BodyRead::Wait`] does not count.
    pub(crate) stall: Duration,
    /// From the last byte of the body to the last header line of the final answer.
    pub(crate) answer: Duration,
}

/// A user and a password for one scheme.
#[derive(PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) scheme: AuthScheme,
    pub(crate) user: String,
    pub(crate) password: Zeroizing<String>,
}

/// Exactly one scheme: a mask of several would send a body only to have it refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AuthScheme {
    Basic,
    Digest,
    Ntlm,
    Negotiate,
    /// What a proxy asks for before it makes a tunnel; no body is there then.
    OfTunnel,
    /// Negotiate with NTLM inside, driven by the engine.
    Spnego,
    /// Negotiate with a Kerberos ticket inside, driven by the engine.
    Kerberos,
}

impl AuthScheme {
    /// The scheme for libcurl; none where the engine makes the login.
    pub(super) fn mask(self) -> Auth {
        let mut auth = Auth::new();
        match self {
            Self::Basic => auth.basic(true),
            Self::Digest => auth.digest(true),
            Self::Ntlm => auth.ntlm(true),
            Self::Negotiate => auth.gssnegotiate(true),
            Self::OfTunnel => auth.basic(true).digest(true).ntlm(true),
            Self::Spnego | Self::Kerberos => &mut auth,
        };
        auth
    }
}

/// The bytes of a request's body, read on the engine's thread: it must not block.
pub(crate) trait Body: Send {
    /// Puts the next bytes into `buffer`, which is never empty.
    fn read(&mut self, buffer: &mut [u8]) -> BodyRead;
    /// Goes back to the first byte, for the next step of a login.
    fn rewind(&mut self);
    /// Whether [`Body::pass`] can be used in place of `read`.
    fn can_pass(&self) -> bool {
        false
    }
    /// Has the system send the next bytes on a connection, which does not block either.
    fn pass(&mut self, _connection: &Socket) -> SendResult {
        SendResult::Failed(io::ErrorKind::Unsupported.into())
    }
}

#[derive(Debug)]
pub(crate) enum BodyRead {
    /// The number of bytes, at least one.
    Bytes(usize),
    /// None now; ask again after [`Transport::resume_body`](super::Transport::resume_body).
    Wait,
    /// The source failed; the exchange ends.
    Failed(io::Error),
}

#[derive(Debug)]
pub(crate) enum SendResult {
    /// The system took this number of bytes, at least one.
    Bytes(usize),
    /// As [`BodyRead::Wait`].
    Wait,
    /// The connection takes no byte now.
    Full,
    /// The connection takes no byte any more; what came on it tells why.
    Lost,
    /// The source failed; the exchange ends.
    Failed(io::Error),
}

/// Where the body of an answer goes, on the engine's thread: it must not block.
pub(crate) trait Sink: Send {
    /// Takes all of `bytes` or ends the exchange.
    fn write(&mut self, bytes: &[u8]) -> Result<(), io::Error>;
}

/// How an exchange ended.
pub(crate) struct Event {
    pub(crate) pinned: ConnectionId,
    /// That of the exchange.
    pub(crate) number: u64,
    pub(crate) result: Result<Answer, ExchangeFailure>,
    /// The body of the exchange and the place for the answer's, given back.
    pub(crate) body: Option<Box<dyn Body>>,
    pub(crate) sink: Option<Box<dyn Sink>>,
    pub(crate) stats: Stats,
    /// Where the exchange went to.
    pub(crate) origin: Origin,
    /// The exchange was to show a login, and has not.
    pub(crate) withheld: bool,
}

/// A final answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The status line said HTTP/1.0; the next exchange will use a new connection.
    #[cfg_attr(not(test), expect(dead_code, reason = "looked at by tests"))]
    pub(crate) http10: bool,
    pub(crate) headers: Headers,
    /// The first bytes of the body, for diagnostics; empty if a sink got it.
    pub(crate) body_prefix: Vec<u8>,
    /// Whether the whole request had been sent when the answer was complete.
    #[cfg_attr(not(test), expect(dead_code, reason = "looked at by tests"))]
    pub(crate) request_sent: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stats {
    /// Body bytes, of the request that was answered, that the system took for sending.
    pub(crate) sent: u64,
    /// A request of a login was answered so, and the exchange itself was not sent.
    pub(crate) is_of_login: bool,
    /// Requests on the wire, those to a proxy and login rounds included.
    pub(crate) requests: u32,
    /// A proxy forwarded the request, and may have answered itself.
    pub(crate) forwarded: bool,
    pub(crate) new_connection: bool,
    /// The other end: the server, or the proxy.
    pub(crate) peer: Option<SocketAddr>,
    /// From the start to the first request byte; close to 0 on a reused connection.
    pub(crate) connect_time: Duration,
    /// From the first request byte to the last.
    pub(crate) sending_time: Duration,
    /// From the last request byte to the last header line of the answer.
    pub(crate) answer_delay: Duration,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct ExchangeFailure {
    pub(crate) kind: FailureKind,
    pub(crate) sent: Sent,
    /// How long nothing had moved.
    pub(crate) idle: Duration,
    /// One line, with host and port.
    pub(crate) message: String,
}

#[derive(Debug)]
pub(crate) enum FailureKind {
    NameNotResolved,
    NoRoute,
    ConnectFailed,
    ConnectTimeout,
    /// Handshake or certificate; the text says what, and this what to do, if it is known.
    Tls(Option<&'static TlsProblem>),
    /// The proxy cannot be reached or refuses; with the status of its answer, if it gave one.
    ProxyFailed(Option<u16>),
    /// There is nothing to log in with; with what to do.
    NoLogin(&'static str),
    /// Closed or reset after the connection stood.
    ConnectionLost,
    /// The same on a connection that had served an exchange before, and no byte of an answer came:
    /// the server may have closed it while it was idle.
    StaleConnection,
    StallTimeout,
    AnswerTimeout,
    /// Not HTTP, or more header lines than any server needs.
    BadAnswer,
    /// The request's body could not be read.
    Source(io::Error),
    /// The system gives no descriptor or thread.
    Lack(Error),
    /// The answer's body could not be written.
    Sink(io::Error),
    /// A login took more requests than it has a reason for.
    TooManyRequests,
    /// This build or version of libcurl cannot do what was asked.
    Unsupported,
    Internal,
}

/// How much of the request had been handed to the system when the exchange failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sent {
    /// No byte: the server cannot have acted on it.
    Nothing,
    /// The head, perhaps in part, and this number of bytes of the body.
    Part(u64),
    /// Everything: the server may have acted on it.
    All,
}

impl Exchange {
    /// The same without a body, a place for the answer's and a login.
    pub(crate) fn bare(&self) -> Self {
        Self {
            number: self.number,
            method: self.method,
            origin: self.origin.clone(),
            target: self.target.clone(),
            headers: self.headers.clone(),
            body: None,
            length: 0,
            sink: None,
            connection: self.connection,
            limits: self.limits,
            auth: None,
            proxy_auth: self.proxy_auth.clone(),
            proxy_asked: self.proxy_asked,
        }
    }

    /// Refuses what would not stand on the wire as one request.
    pub(super) fn check(&self) -> Result<(), ExchangeFailure> {
        let Origin { host, port, .. } = &self.origin;
        let refuse = |what: &str| {
            let text = format!("{}:{port}: {what}", host.escape_debug());
            Err(ExchangeFailure::unsent(FailureKind::Internal, text))
        };
        // libcurl would encode what is not ASCII and cut off what follows a number sign.
        if !self.target.starts_with('/')
            || self.target.contains(|c: char| !c.is_ascii_graphic() || c == '#')
        {
            return refuse("the request target is not valid");
        }
        let is_of_host = |c: char| c.is_ascii_alphanumeric() || "-._~:%!$&'()*+,;=".contains(c);
        if host.is_empty() || !host.chars().all(is_of_host) {
            return refuse("the host is not valid");
        }
        let ends_line = |text: &str| text.contains(['\r', '\n', '\0']);
        if self.headers.iter().any(|(name, value)| {
            name.is_empty() || name.contains([':', ';']) || ends_line(name) || ends_line(value)
        }) {
            return refuse("a header is not valid");
        }
        if self.length > 0 && self.body.is_none() {
            return refuse("a body is announced but there is none");
        }
        // libcurl would make the rounds of any other with this request, its body held back.
        if self.auth.as_ref().is_some_and(|own| own.scheme != AuthScheme::Basic) {
            return refuse("a login is to be made with the request itself");
        }
        Ok(())
    }
}

impl Scheme {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of URLs that name none.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Origin {
    pub(crate) fn is_https(&self) -> bool {
        self.scheme == Scheme::Https
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, zone, port } = self;
        let zoned = zone.as_ref().map(|zone| format!("{host}%25{zone}"));
        write!(f, "{}://{}", scheme.name(), bracketed(zoned.as_ref().unwrap_or(host)))?;
        if *port == scheme.port() { Ok(()) } else { write!(f, ":{port}") }
    }
}

/// A host as it stands in a URL: with brackets for IPv6.
pub(super) fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') { format!("[{host}]").into() } else { host.into() }
}

impl ExchangeFailure {
    /// Nothing was sent, since the system gave no descriptor or thread.
    pub(crate) fn lacks(error: Error) -> Self {
        let message = error.message().to_owned();
        Self::unsent(FailureKind::Lack(error), message)
    }

    /// A failure before any byte was sent.
    pub(crate) fn unsent(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, sent: Sent::Nothing, idle: Duration::ZERO, message: message.into() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Event")
            .field("pinned", &self.pinned)
            .field("result", &self.result)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
