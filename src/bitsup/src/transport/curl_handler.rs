//! One exchange as libcurl's callbacks see it: what was sent, what came back, when.
//!
//! The debug callback tells which request bytes the system has really taken. Two decisions
//! rest on that: how much was sent when an exchange fails, and whether libcurl may open a
//! connection. It may while nothing of the request has gone out, or after a 401 or 407; a
//! connection wanted at any other time is libcurl sending a request a second time by itself.

use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::{Duration, Instant};

use curl::easy::{Handler, InfoType, ReadError, SeekResult, WriteError};
use socket2::{Domain, Protocol, Socket, Type};

use super::binding::ServerCertificate;
use super::exchange::{Body, BodyRead, Exchange, Limits, Method, SendResult, Sink};
use super::headers::Headers;
use super::priority;
use super::response_head::{DRAIN_LIMIT, HeaderLine, MAX_DRAINED_BODY, ResponseHead, StatusLine};
use super::setup::Setup;
use crate::error::Error;

/// The kernel gives up a connection whose data has not been acknowledged for so long, so that
/// the limit for the answer applies to a living path only.
#[cfg(target_os = "linux")]
const TCP_USER_TIMEOUT: Duration = Duration::from_mins(1);

/// No login takes more requests; a proxy that calls each nonce stale would make libcurl go on for ever.
const MAX_REQUESTS: u32 = 8;

/// Whether libcurl may make a connection for an exchange.
pub(super) enum NewConnection {
    Allowed,
    /// The exchange goes over the connection that is there, or fails.
    Refused,
    /// It goes over this one, and fails where that has ended: what the server may have lost with it comes first.
    InPlaceOf(Arc<Socket>),
}

/// What an exchange is made of, for the callbacks.
pub(super) struct ExchangeHandler {
    method: Method,
    body: Option<Box<dyn Body>>,
    length: u64,
    sink: Option<Box<dyn Sink>>,
    answers_challenges: bool,
    limits: Limits,

    started: Instant,
    last_moved: Instant,
    head: RequestHead,
    /// Requests that began to go out, those to a proxy included.
    requests: u32,
    /// Body bytes taken from the source, and those of them that the system took.
    taken: u64,
    sent: u64,
    paused: bool,
    direct_body: DirectBody,
    head_began: Option<Instant>,
    all_sent: Option<Instant>,

    sockets: Vec<Socket>,
    /// Of the latest connection's server, or of the proxy as long as there is no tunnel.
    certificate: ServerCertificate,
    /// The latest request was answered by a 401 or 407 and libcurl may answer that.
    challenged: bool,
    refused_socket: bool,
    /// The system gave no socket.
    lack: Option<io::Error>,
    new_connection: NewConnection,
    /// Its connections go behind those of others.
    polite: bool,

    incoming: ResponseHead,
    excess: bool,
    stopped: Option<Stop>,
    /// What the handle is set up for.
    pub(super) setup: Option<Setup>,
}

/// A body on its way past libcurl.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum DirectBody {
    /// It goes through libcurl, or there is nothing to send.
    Off,
    /// The connection may take more.
    Writable,
    /// It takes no byte for now.
    Blocked,
    /// It takes no byte any more. libcurl waits for an answer on it and reports its end.
    Closed,
}

/// The head of the latest request on its way out.
#[derive(Default)]
struct RequestHead {
    open: bool,
    complete: bool,
    to_proxy: bool,
    tail: [u8; 4],
    /// Body length that the head announced: 0 in a step of a login that libcurl makes.
    announced: u64,
}

/// Why a callback of ours ended the exchange.
#[derive(Debug)]
pub(super) enum Stop {
    /// The answer is known; nothing more is needed.
    AnswerTaken,
    HeaderFlood,
    /// libcurl answers challenges, and there is no end of them.
    TooManyRequests,
    SourceFailed(io::Error),
    SinkFailed(io::Error),
}

/// Which limit ends the exchange next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Limit {
    Connect,
    Stall,
    Answer,
    /// The answer is there, only its body is not.
    Drain,
}

impl ExchangeHandler {
    /// An exchange with nothing to send, for a handle that is not in use.
    pub(super) fn idle() -> Self {
        let (never, now) = (Duration::ZERO, Instant::now());
        Self {
            method: Method::Head,
            body: None,
            length: 0,
            sink: None,
            answers_challenges: false,
            limits: Limits { connect: never, stall: never, answer: never },
            started: now,
            last_moved: now,
            head: RequestHead::default(),
            requests: 0,
            taken: 0,
            sent: 0,
            paused: false,
            direct_body: DirectBody::Off,
            head_began: None,
            all_sent: None,
            sockets: Vec::new(),
            certificate: ServerCertificate::NotReported,
            challenged: false,
            refused_socket: false,
            lack: None,
            new_connection: NewConnection::Allowed,
            polite: false,
            incoming: ResponseHead::default(),
            excess: false,
            stopped: None,
            setup: None,
        }
    }

    /// Takes body and sink of the exchange; `answers_challenges`: libcurl makes a login on the way.
    pub(super) fn new(
        exchange: &mut Exchange,
        answers_challenges: bool,
        new_connection: NewConnection,
        polite: bool,
        started: Instant,
    ) -> Self {
        Self {
            method: exchange.method,
            body: exchange.body.take(),
            length: exchange.length,
            sink: exchange.sink.take(),
            answers_challenges,
            limits: exchange.limits,
            started,
            last_moved: started,
            new_connection,
            polite,
            ..Self::idle()
        }
    }

    /// When the next limit ends the exchange; `None` while its body has nothing to send.
    pub(super) fn deadline(&self) -> Option<(Instant, Limit)> {
        let (from, limit, kind) = if let Some(complete) = self.incoming.complete {
            match self.method {
                Method::Get => (self.last_moved, self.limits.stall, Limit::Stall),
                Method::BitsPost | Method::Head => (complete, DRAIN_LIMIT, Limit::Drain),
            }
        } else if let Some(sent) = self.all_sent {
            (sent, self.limits.answer, Limit::Answer)
        } else if self.head_began.is_none() {
            (self.started, self.limits.connect, Limit::Connect)
        } else if self.paused {
            return None;
        } else {
            (self.last_moved, self.limits.stall, Limit::Stall)
        };
        Some((from.checked_add(limit)?, kind))
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    pub(super) fn resume(&mut self) {
        self.paused = false;
        self.last_moved = Instant::now();
    }

    /// Whether a byte of the request, a CONNECT to a proxy aside, has gone out.
    pub(super) fn began(&self) -> bool {
        self.head_began.is_some()
    }

    pub(super) fn all_sent(&self) -> bool {
        self.head.complete && self.head.announced == self.length && self.sent == self.length
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn requests(&self) -> u32 {
        self.requests
    }

    /// Whether libcurl wanted a connection that it must not have.
    pub(super) fn refused_socket(&self) -> bool {
        self.refused_socket
    }

    /// Why the system gave no socket, if that was for want of descriptors or memory. A family of
    /// addresses that it does not know is no such thing.
    pub(super) fn take_lack(&mut self) -> Option<Error> {
        let error = Error::local("cannot open a connection", &self.lack.take()?);
        error.is_lack().then_some(error)
    }

    /// The status line of an answer that counts. A proxy's to a CONNECT never does, others do
    /// when libcurl was content (`finished`), and else if it is the answer to a packet: of
    /// that only the header lines matter.
    pub(super) fn answer(&self, finished: bool) -> Option<StatusLine> {
        // Nor does one to a request that was sent with less than its body.
        if self.head.to_proxy || self.head.announced != self.length {
            return None;
        }
        let header_lines_suffice = self.method != Method::Get && !self.challenged;
        self.incoming.answer().filter(|_| finished || header_lines_suffice)
    }

    /// Whether any byte of an answer came.
    pub(super) fn heard(&self) -> bool {
        self.incoming.has_lines()
    }

    /// How long nothing has moved.
    pub(super) fn idle_for(&self) -> Duration {
        self.last_moved.elapsed()
    }

    /// Whether the connection can carry another request after this answer.
    pub(super) fn leaves_connection_clean(&self) -> bool {
        let Some(status) = self.incoming.answer() else { return false };
        !status.http10
            && status.code != 101
            && (self.method == Method::Head || self.incoming.is_framed())
            && !self.incoming.announces_close()
            && self.all_sent()
            && !self.excess
            && self.stopped.is_none()
    }

    /// Sends the body past libcurl, if it can be and is longer than what goes out with the head.
    pub(super) fn send_directly(&mut self, with_head: u64) -> bool {
        let goes =
            self.length > with_head && self.body.as_ref().is_some_and(|body| body.can_pass());
        if goes {
            self.direct_body = DirectBody::Writable;
        }
        goes
    }

    /// Whether libcurl knows of no body, since it goes past it.
    pub(super) fn is_direct(&self) -> bool {
        self.direct_body != DirectBody::Off
    }

    /// Where the body goes past libcurl and is to be sent now: after the last byte of the head,
    /// until there is an answer.
    pub(super) fn direct_body(&self) -> DirectBody {
        let now = self.head.complete
            && self.sent < self.length
            && !self.paused
            && self.stopped.is_none()
            && self.incoming.complete.is_none();
        if now { self.direct_body } else { DirectBody::Off }
    }

    pub(super) fn has_room(&mut self) {
        self.direct_body = DirectBody::Writable;
    }

    /// Sends the next bytes past libcurl, on `own` if the exchange has made no connection.
    pub(super) fn pass(&mut self, own: Option<&Socket>, local_port: u16) {
        let connection = in_use(&self.sockets, own, local_port);
        let (Some(connection), Some(body)) = (connection, &mut self.body) else { return };
        match body.pass(connection) {
            SendResult::Bytes(count) => self.body_went_out(count),
            SendResult::Wait => self.paused = true,
            SendResult::Full => self.direct_body = DirectBody::Blocked,
            SendResult::Lost => self.direct_body = DirectBody::Closed,
            SendResult::Failed(error) => self.stopped = Some(Stop::SourceFailed(error)),
        }
    }

    /// The connection of the exchange: `own` if it has made none.
    pub(super) fn connection<'a>(
        &'a self,
        own: Option<&'a Socket>,
        local_port: u16,
    ) -> Option<&'a Socket> {
        in_use(&self.sockets, own, local_port)
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    pub(super) fn take_body(&mut self) -> Option<Box<dyn Body>> {
        self.body.take()
    }

    pub(super) fn take_sink(&mut self) -> Option<Box<dyn Sink>> {
        self.sink.take()
    }

    pub(super) fn take_sockets(&mut self) -> Vec<Socket> {
        std::mem::take(&mut self.sockets)
    }

    /// The certificate of a new connection's server.
    pub(super) fn take_certificate(&mut self) -> ServerCertificate {
        std::mem::take(&mut self.certificate)
    }

    pub(super) fn take_headers(&mut self) -> Headers {
        self.incoming.take_headers()
    }

    pub(super) fn take_body_prefix(&mut self) -> Vec<u8> {
        self.incoming.take_body_prefix()
    }

    pub(super) fn take_stop(&mut self) -> Option<Stop> {
        self.stopped.take()
    }

    /// Connect time, sending time and answer delay, as far as the exchange came.
    pub(super) fn times(&self) -> (Duration, Duration, Duration) {
        let between = |from: Option<Instant>, to: Option<Instant>| match (from, to) {
            (Some(from), Some(to)) => to.saturating_duration_since(from),
            _ => Duration::ZERO,
        };
        (
            between(Some(self.started), self.head_began),
            between(self.head_began, self.all_sent),
            between(self.all_sent, self.incoming.complete),
        )
    }

    fn head_went_out(&mut self, bytes: &[u8]) {
        let now = Instant::now();
        self.last_moved = now;
        if !self.head.open {
            self.begin_request(bytes, now);
        }
        for byte in bytes.iter().skip(bytes.len().saturating_sub(4)) {
            self.head.tail.rotate_left(1);
            self.head.tail[3] = *byte;
        }
        if self.head.tail == *b"\r\n\r\n" {
            self.head.open = false;
            self.head.complete = !self.head.to_proxy;
            self.note_all_sent(now);
        }
    }

    fn begin_request(&mut self, bytes: &[u8], now: Instant) {
        let to_proxy = bytes.starts_with(b"CONNECT ");
        let empty = b"\r\nContent-Length: 0\r\n";
        self.requests = self.requests.saturating_add(1);
        let login_step = self.answers_challenges
            && bytes.windows(empty.len()).any(|window| window.eq_ignore_ascii_case(empty));
        self.head = RequestHead {
            open: true,
            to_proxy,
            announced: if login_step { 0 } else { self.length },
            ..RequestHead::default()
        };
        self.sent = 0;
        self.all_sent = None;
        if to_proxy {
            // The answer so far was the proxy's own; the server's comes through the tunnel.
            self.certificate = ServerCertificate::NotReported;
        } else {
            self.head_began.get_or_insert(now);
        }
        self.challenged = false;
        self.incoming = ResponseHead::default();
    }

    fn body_went_out(&mut self, count: usize) {
        let now = Instant::now();
        self.last_moved = now;
        self.sent += count as u64;
        self.note_all_sent(now);
    }

    fn note_all_sent(&mut self, now: Instant) {
        if self.head.complete && self.sent >= self.head.announced {
            self.all_sent.get_or_insert(now);
        }
    }

    /// The end of the header lines; says whether libcurl shall go on.
    fn headers_ended(&mut self, code: u16) -> bool {
        if matches!(code, 401 | 407) && self.answers_challenges {
            self.challenged = true;
            return true;
        }
        let now = Instant::now();
        self.last_moved = now;
        self.incoming.complete = Some(now);
        if self.method != Method::BitsPost {
            return true;
        }
        let length = self.incoming.content_length();
        let too_long = length.is_some_and(|length| length > MAX_DRAINED_BODY);
        // After an early answer libcurl waits for the request's body, unless the status is an
        // error; then the answer's own body can be read for its words, if its end is known.
        let early = !self.all_sent() && (code < 400 || length.is_none_or(|length| length == 0));
        if too_long || early || !self.incoming.is_framed() {
            self.stopped = Some(Stop::AnswerTaken);
        }
        self.stopped.is_none()
    }

    fn source_failed(&mut self, error: io::Error) -> ReadError {
        self.stopped = Some(Stop::SourceFailed(error));
        ReadError::Abort
    }
}

impl Handler for ExchangeHandler {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let left = usize::try_from(self.length - self.taken).unwrap_or(usize::MAX);
        let limit = buffer.len().min(left);
        if limit == 0 {
            return Ok(0);
        }
        let (Some(body), Some(buffer)) = (&mut self.body, buffer.get_mut(..limit)) else {
            return Err(self.source_failed(io::ErrorKind::UnexpectedEof.into()));
        };
        match body.read(buffer) {
            BodyRead::Bytes(count) if (1..=limit).contains(&count) => {
                self.taken += count as u64;
                Ok(count)
            }
            BodyRead::Bytes(_) => Err(self.source_failed(io::ErrorKind::UnexpectedEof.into())),
            BodyRead::Wait => {
                self.paused = true;
                Err(ReadError::Pause)
            }
            BodyRead::Failed(error) => Err(self.source_failed(error)),
        }
    }

    fn seek(&mut self, whence: io::SeekFrom) -> SeekResult {
        if !self.challenged || whence != io::SeekFrom::Start(0) {
            return SeekResult::Fail;
        }
        if let Some(body) = &mut self.body {
            body.rewind();
        }
        self.taken = 0;
        SeekResult::Ok
    }

    fn header(&mut self, line: &[u8]) -> bool {
        match self.incoming.push_line(line) {
            HeaderLine::Last(401 | 407) if self.requests >= MAX_REQUESTS => {
                self.stopped = Some(Stop::TooManyRequests);
                false
            }
            // The answer to a CONNECT is between libcurl and the proxy.
            HeaderLine::Last(_) if self.head.to_proxy => true,
            HeaderLine::Last(code) => self.headers_ended(code),
            HeaderLine::More => true,
            HeaderLine::Flood => {
                self.stopped = Some(match self.incoming.complete {
                    // Only trailers can come after the answer's header lines.
                    Some(_) => Stop::AnswerTaken,
                    None => Stop::HeaderFlood,
                });
                false
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, WriteError> {
        self.last_moved = Instant::now();
        let is_success =
            self.incoming.answer().is_some_and(|status| (200..300).contains(&status.code));
        if let (Method::Get, true, Some(sink)) = (self.method, is_success, &mut self.sink) {
            return Ok(match sink.write(bytes) {
                Ok(()) => bytes.len(),
                Err(error) => {
                    self.stopped = Some(Stop::SinkFailed(error));
                    0
                }
            });
        }
        let drained = self.incoming.drain(bytes);
        let early_and_whole =
            !self.all_sent() && self.incoming.content_length().is_some_and(|all| all <= drained);
        if drained > MAX_DRAINED_BODY || early_and_whole {
            self.stopped = Some(Stop::AnswerTaken);
            return Ok(0);
        }
        Ok(bytes.len())
    }

    fn debug(&mut self, kind: InfoType, data: &[u8]) {
        match kind {
            InfoType::HeaderOut => self.head_went_out(data),
            InfoType::DataOut => self.body_went_out(data.len()),
            InfoType::SslDataIn => self.certificate.received(data),
            // libcurl throws bytes after the end of an answer away without another sign.
            InfoType::Text if data.starts_with(b"Excess found") => self.excess = true,
            _ => {}
        }
    }

    fn open_socket(
        &mut self,
        family: i32,
        kind: i32,
        protocol: i32,
    ) -> Option<curl::multi::Socket> {
        let is_refused = match &self.new_connection {
            NewConnection::Allowed => false,
            NewConnection::Refused => true,
            // libcurl may have other reasons than that it has ended, such as a login at a proxy.
            NewConnection::InPlaceOf(held) => !self.challenged && !is_quiet(held),
        };
        if is_refused || (self.began() && !self.challenged) {
            self.refused_socket = true;
            return None;
        }
        self.certificate = ServerCertificate::NotReported;
        let protocol = Some(Protocol::from(protocol));
        let socket = Socket::new(Domain::from(family), Type::from(kind), protocol);
        let pair = socket.and_then(|socket| Ok((socket.try_clone()?, socket)));
        let (twin, socket) = pair.map_err(|error| self.lack = Some(error)).ok()?;
        if self.polite {
            priority::lower(&socket, Domain::from(family));
        }
        #[cfg(target_os = "linux")]
        drop(socket.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT)));
        self.sockets.push(twin);
        Some(into_raw(socket))
    }
}

fn in_use<'a>(
    opened: &'a [Socket],
    own: Option<&'a Socket>,
    local_port: u16,
) -> Option<&'a Socket> {
    match opened {
        [] => own,
        [only] => Some(only),
        several => several.iter().find(|socket| is_used(socket, local_port)),
    }
}

/// Whether it is the one of several attempts that became the connection.
pub(super) fn is_used(socket: &Socket, local_port: u16) -> bool {
    socket.peer_addr().is_ok()
        && socket
            .local_addr()
            .ok()
            .and_then(|address| address.as_socket())
            .is_some_and(|address| address.port() == local_port)
}

/// Whether nothing has arrived on an idle connection, its end included.
pub(super) fn is_quiet(socket: &Socket) -> bool {
    // libcurl has made the socket non-blocking.
    match socket.peek(&mut [MaybeUninit::uninit()]) {
        Ok(_) => false,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// Gives the socket away; libcurl closes it.
#[cfg(unix)]
fn into_raw(socket: Socket) -> curl::multi::Socket {
    std::os::fd::IntoRawFd::into_raw_fd(socket)
}

/// Gives the socket away; libcurl closes it.
#[cfg(windows)]
fn into_raw(socket: Socket) -> curl::multi::Socket {
    std::os::windows::io::IntoRawSocket::into_raw_socket(socket)
}
