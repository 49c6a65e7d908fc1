//! Ping, and sessions that the caller drives packet by packet.

use std::fmt;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use bitsup_core::SinglePacket;
use bitsup_proto::ack::Offset;
use bitsup_proto::classify::{
    Meaning, NoOffset, OF_FRAGMENT, invalid_answer, is_of_fragment, next_offset,
};
use bitsup_proto::host::{self, HostId};
use bitsup_proto::session::Sent;
use bitsup_proto::{ContentRange, Hresult, PacketType, SessionId, explain, packet};

use crate::client::ClientInner;
use crate::credentials::Role;
use crate::destination::Destination;
use crate::engine::{
    Command, PacketAnswer, PacketEvent, PacketFailure, PacketJob, Task, TaskId, offered,
};
use crate::error::{Error, ErrorKind, Left};
use crate::options::UploadOptions;
use crate::source::Source;
use crate::transport::Answer;

/// What a Ping found out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PingReport {
    /// The URL, without its query.
    pub url: String,
    /// Connecting, asking and the answer together.
    pub duration: Duration,
    /// The `Server` header.
    pub server: Option<String>,
    /// Whether the server asked for the credentials and took them.
    pub authorized: bool,
}

/// Sends one Ping; asked for credentials, one more with them.
pub(crate) fn ping(
    client: &Arc<ClientInner>,
    url: &str,
    options: &UploadOptions,
) -> Result<PingReport, Error> {
    let mut packets = PacketClient::new(client, url, options, None)?;
    let started = Instant::now();
    let answer = packets.ping()?;
    let server = answer.answer.headers.get("Server");
    let server = server.map(|value| String::from_utf8_lossy(value).into_owned());
    Ok(PingReport {
        url: packets.destination.to_string(),
        duration: started.elapsed(),
        server: server.filter(|text| !text.chars().any(char::is_control)),
        authorized: answer.has_login,
    })
}

/// Until when packets wait, whatever the options allow. Time in which the caller is asked for a login does not count.
#[derive(Clone)]
pub(crate) struct Deadline(Arc<Mutex<Instant>>);

/// So much later than libcurl, which can say what it waited for, waiting ends in any case.
const SLACK: Duration = Duration::from_millis(500);

impl Deadline {
    pub(crate) fn new(time: Duration) -> Self {
        Self(Arc::new(Mutex::new(Instant::now() + time)))
    }

    /// What is left.
    pub(crate) fn left(&self) -> Duration {
        self.change(|until| until.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// From now on at least so much is left.
    pub(crate) fn leave(&self, time: Duration) {
        self.change(|until| *until = (*until).max(Instant::now() + time));
    }

    fn extend(&self, time: Duration) {
        self.change(|until| *until += time);
    }

    fn change<T>(&self, work: impl FnOnce(&mut Instant) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The most schemes that are told, and the most characters of each: those that exist are five.
const MAX_SCHEMES: usize = 8;
const MAX_SCHEME: usize = 20;
/// So much of a header is told.
const MAX_SEEN: usize = 100;

/// What the answers say of the server, for the doctor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The authentication schemes that it offers.
    pub(crate) schemes: Vec<String>,
    /// `Server` and `Date` of its first answer.
    pub(crate) server: Option<String>,
    pub(crate) date: Option<String>,
}

impl Seen {
    fn see(&mut self, answer: &Answer) {
        let shown = |name: &str| {
            let value = String::from_utf8_lossy(answer.headers.get(name)?);
            let text: String = value.chars().take(MAX_SEEN).collect();
            Some(text).filter(|text| !text.chars().any(char::is_control))
        };
        self.server = self.server.take().or_else(|| shown("Server"));
        self.date = self.date.take().or_else(|| shown("Date"));
        // The schemes of a 407 are the proxy's.
        let asks = answer.status == 401;
        for offer in asks.then(|| offered(answer, Role::Server)).into_iter().flatten() {
            let is_scheme = offer.name.len() <= MAX_SCHEME
                && offer.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            let is_new = !self.schemes.contains(&offer.name);
            if is_scheme && self.schemes.len() < MAX_SCHEMES && is_new {
                self.schemes.push(offer.name);
            }
        }
    }
}

/// An upload session whose packets the caller sends one by one. Nothing is tried again:
/// after an error the caller decides. Dropping it without [`PacketSession::close`] leaves
/// the session on the server; [`PacketSession::cancel`] deletes it.
///
/// A packet whose answer is lost may have been carried out: its error says so. Where a server writes what it gets behind
/// what it has, a part that is sent again after that stands in the file twice, and no answer tells.
pub struct PacketSession {
    packets: PacketClient,
    id: SessionId,
    name: Option<String>,
    size: u64,
    offset: u64,
    /// The end of the bytes that may have gone out.
    sent: u64,
    /// The largest part that the server took.
    largest_accepted: u64,
    /// The answer to Create-Session had an offset.
    tells_offsets: bool,
    /// Close-Session was sent, and may have been carried out.
    close_unclear: bool,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// The server has bytes that were not sent in this session: nothing can make the file right.
    Foreign,
    Ended,
}

impl PacketSession {
    pub(crate) fn create(
        client: &Arc<ClientInner>,
        url: &str,
        size: u64,
        name: &str,
        options: &UploadOptions,
    ) -> Result<Self, Error> {
        let mut packets = PacketClient::new(client, url, options, None)?;
        let created = packets.create(size, name)?;
        Ok(Self::new(packets, created))
    }

    pub(crate) fn new(packets: PacketClient, created: Created) -> Self {
        let Created { id, name, size, tells_offsets } = created;
        Self {
            packets,
            id,
            name,
            size,
            offset: 0,
            sent: 0,
            largest_accepted: 0,
            tells_offsets,
            close_unclear: false,
            stage: Stage::Open,
        }
    }

    /// The session's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// Where the next part is to start.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Sends `data` as one Fragment from [`PacketSession::offset`] on, and returns the offset at
    /// which the server wants to continue: normally behind what was sent, but it may be
    /// anywhere in what has gone out.
    pub fn send(&mut self, data: impl Into<Arc<[u8]>>) -> Result<u64, Error> {
        let sent = self.send_part(data.into());
        sent.map_err(
            |PartFailure { error, is_unclear, .. }| {
                if is_unclear { part_unclear(error) } else { error }
            },
        )
    }

    /// The same, and what the server may have is told beside the error.
    pub(crate) fn send_part(&mut self, data: Arc<[u8]>) -> Result<u64, PartFailure> {
        self.check_open()?;
        let range = ContentRange::new(self.offset, data.len() as u64, self.size);
        let range = range.ok_or_else(|| {
            Error::invalid(format!(
                "{} bytes from offset {} do not fit into a file of {} bytes, or there are none",
                data.len(),
                self.offset,
                self.size
            ))
        })?;
        let answered = self.exchange(PacketType::Fragment, Some((range, Source::bytes(data))));
        let sent = match &answered {
            Ok((answer, _)) => answer.sent,
            Err(failure) => failure.sent,
        };
        let sent = sent.body().unwrap_or(0);
        self.sent = self.sent.max(range.first() + sent.min(range.length()));
        // TRU-03.
        let unclear = |error| PartFailure { error, is_unclear: sent > 0, foreign: None };
        let (answer, meaning) = answered.map_err(|failure| unclear(failure.error))?;
        let ack = answer.ack();
        let invalid = |what| Error::from(invalid_answer(PacketType::Fragment, &ack, what));
        if ack.session_id.is_some_and(|theirs| !self.id.matches(theirs)) {
            return Err(unclear(invalid(OF_ANOTHER)));
        }
        let refused = |meaning| failed(PacketType::Fragment, &answer, meaning);
        match meaning {
            Meaning::ContinueAt { .. } => {
                let lenient = self.packets.options.lenient;
                match next_offset(&ack, range, sent, self.sent, lenient) {
                    Ok(offset) => {
                        if offset == range.end() {
                            self.largest_accepted = self.largest_accepted.max(range.length());
                        }
                        self.offset = offset;
                        Ok(offset)
                    }
                    Err(NoOffset::Invalid(what)) => Err(unclear(invalid(what))),
                    Err(NoOffset::Foreign(offset)) => {
                        self.stage = Stage::Foreign;
                        let error = invalid(
                            "the server acknowledges bytes that were not sent in this session",
                        );
                        Err(PartFailure {
                            error: error.with_advice("Cancel the session and open another one."),
                            is_unclear: false,
                            foreign: Some(offset),
                        })
                    }
                }
            }
            Meaning::Challenge { .. } | Meaning::TooLarge | Meaning::SessionLost => {
                Err(refused(meaning).into())
            }
            Meaning::NotFoundMaybeTooLarge if range.length() > self.largest_accepted => {
                Err(refused(meaning).into())
            }
            meaning => Err(unclear(refused(meaning))),
        }
    }

    /// Sends Close-Session. Refused, and nothing sent, before the server has all bytes. An upload also asks a server whose
    /// connection ended in between whether it still has all bytes, and a HEAD for the file where that is unclear; here
    /// nothing does.
    pub fn close(&mut self) -> Result<(), Error> {
        self.check_open()?;
        if self.offset != self.size {
            return Err(Error::invalid(format!(
                "the session cannot be closed: the server has {} of {} bytes",
                self.offset, self.size
            )));
        }
        let was_unclear = self.close_unclear;
        let answered = self.exchange(PacketType::CloseSession, None);
        let (answer, meaning) = match answered {
            Ok(answered) => answered,
            Err(PacketFailure { error, sent }) => {
                self.close_unclear |= sent != Sent::Nothing;
                return Err(if self.close_unclear { close_unclear(error) } else { error });
            }
        };
        let ack = answer.ack();
        let invalid = |what| Error::from(invalid_answer(PacketType::CloseSession, &ack, what));
        let error = if ack.session_id.is_some_and(|theirs| !self.id.matches(theirs)) {
            self.close_unclear = true;
            invalid(OF_ANOTHER)
        } else if meaning == Meaning::Success {
            if was_unclear || !is_of_fragment(&ack, self.tells_offsets) {
                self.stage = Stage::Ended;
                return Ok(());
            }
            self.close_unclear = true;
            invalid(OF_FRAGMENT)
        } else {
            self.close_unclear |= answer.sent != Sent::Nothing
                && matches!(meaning, Meaning::Invalid(_) | Meaning::Later(_));
            failed(PacketType::CloseSession, &answer, meaning)
        };
        Err(if self.close_unclear { close_unclear(error) } else { error })
    }

    /// The host that the server sent this session to.
    pub(crate) fn host(&self) -> Option<String> {
        self.packets.host.as_ref().map(|host| host.host().to_owned())
    }

    /// Cancels, and an error is one: the server may keep what it has.
    pub(crate) fn delete(&mut self) -> Result<(), Error> {
        match self.send_cancel() {
            Err(error) if error.hresult() == Some(Hresult::SESSION_NOT_FOUND) => Ok(()),
            result => result,
        }
    }

    /// Sends Cancel-Session: the server deletes what it has.
    pub fn cancel(&mut self) -> Result<(), Error> {
        if self.stage == Stage::Ended {
            return Err(has_ended());
        }
        match self.send_cancel() {
            Err(error)
                if error.http_status().is_some_and(|status| (400..500).contains(&status)) =>
            {
                Ok(())
            }
            Err(error) if error.hresult() == Some(Hresult::SESSION_NOT_FOUND) => Ok(()),
            result => result,
        }
    }

    fn send_cancel(&mut self) -> Result<(), Error> {
        let (answer, meaning) = self.exchange(PacketType::CancelSession, None)?;
        let ack = answer.ack();
        if ack.session_id.is_some_and(|theirs| !self.id.matches(theirs)) {
            return Err(invalid_answer(PacketType::CancelSession, &ack, OF_ANOTHER).into());
        }
        self.stage = Stage::Ended;
        match meaning {
            Meaning::Success => Ok(()),
            meaning => Err(failed(PacketType::CancelSession, &answer, meaning)),
        }
    }

    fn check_open(&self) -> Result<(), Error> {
        match self.stage {
            Stage::Open => Ok(()),
            Stage::Foreign => Err(Error::invalid(
                "the server has bytes that were not sent in this session: cancel it and open another one",
            )),
            Stage::Ended => Err(has_ended()),
        }
    }

    fn exchange(
        &mut self,
        packet: PacketType,
        body: Option<(ContentRange, Source)>,
    ) -> Result<(PacketAnswer, Meaning), PacketFailure> {
        self.packets.exchange(packet, Some(&self.id), self.name.as_deref(), body)
    }
}

/// Why a part was not acknowledged.
pub(crate) struct PartFailure {
    pub(crate) error: Error,
    /// The server may have stored it.
    is_unclear: bool,
    /// The offset that the server named instead, beyond all that was sent.
    pub(crate) foreign: Option<u64>,
}

impl From<Error> for PartFailure {
    fn from(error: Error) -> Self {
        Self { error, is_unclear: false, foreign: None }
    }
}

const OF_ANOTHER: &str = "the answer belongs to another session";

fn has_ended() -> Error {
    Error::invalid("the session has ended already")
}

/// A Fragment that may have been stored.
fn part_unclear(error: Error) -> Error {
    error.and("whether the server has stored the part is unclear").with_advice(
        "Send it again only to a server that checks offsets: another one stores it twice. Otherwise cancel the session and open another one.",
    )
}

/// A Close-Session that may have been carried out.
fn close_unclear(error: Error) -> Error {
    error.and("whether the server has closed the session, and so has the file, is unclear").with_advice(
        "Look at the server whether the file is there, or close again: a session that is unknown then was probably closed.",
    )
}

impl fmt::Debug for PacketSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketSession")
            .field("url", &self.packets.destination)
            .field("size", &self.size)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// A session that the server has created.
pub(crate) struct Created {
    id: SessionId,
    name: Option<String>,
    size: u64,
    /// The answer had an offset.
    tells_offsets: bool,
}

/// Sends packets to one destination, one at a time, and waits for their answers. Logins are asked for on its
/// thread.
pub(crate) struct PacketClient {
    client: Arc<ClientInner>,
    task: TaskId,
    destination: Arc<Destination>,
    options: Arc<UploadOptions>,
    host: Option<HostId>,
    deadline: Option<Deadline>,
    seen: Seen,
}

impl PacketClient {
    pub(crate) fn new(
        client: &Arc<ClientInner>,
        url: &str,
        options: &UploadOptions,
        deadline: Option<Deadline>,
    ) -> Result<Self, Error> {
        let destination = Destination::parse(url)?;
        options.check(destination.origin.is_https())?;
        options.check_proxy(&destination)?;
        let mut options = options.clone().with_ticket();
        options.locate()?;
        if options.asks_caller() {
            client.make_ready()?;
        }
        Ok(Self {
            client: Arc::clone(client),
            task: client.next_task(),
            destination: Arc::new(destination),
            options: Arc::new(options),
            host: None,
            deadline,
            seen: Seen::default(),
        })
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    pub(crate) fn set_ack_timeout(&mut self, time: Duration) {
        Arc::make_mut(&mut self.options).ack_timeout = time;
    }

    /// Pings: without credentials first, then with them if the server asks.
    pub(crate) fn ping(&mut self) -> Result<PacketAnswer, Error> {
        match self.exchange(PacketType::Ping, None, None, None)? {
            (answer, Meaning::Success) => Ok(answer),
            (answer, meaning) => Err(failed(PacketType::Ping, &answer, meaning)),
        }
    }

    /// Creates a session, and goes on at the host that it is sent to.
    pub(crate) fn create(&mut self, size: u64, name: &str) -> Result<Created, Error> {
        let name = packet::content_name(name);
        let answered = self.exchange(PacketType::CreateSession, None, name.as_deref(), None);
        let (answer, meaning) = answered.map_err(|PacketFailure { error, sent }| {
            // It may have made a session whose id is unknown.
            error.with_left(if sent == Sent::Nothing { Left::AsBefore } else { Left::Part })
        })?;
        if meaning != Meaning::Success {
            return Err(failed(PacketType::CreateSession, &answer, meaning));
        }
        let ack = answer.ack();
        let invalid = |what| Error::from(invalid_answer(PacketType::CreateSession, &ack, what));
        let id = ack.session_id.and_then(SessionId::new).ok_or_else(|| {
            invalid("the session id is longer than 100 characters or not visible ASCII")
        })?;
        if let Some(named) = ack.host_id {
            let named =
                HostId::parse(named).ok_or_else(|| invalid("BITS-Host-Id is not a host"))?;
            let origin = &self.destination.origin.host;
            let followed =
                host::decide(origin, named, self.options.host_id, &self.options.trusted_hosts);
            self.host = followed.map_err(|untrusted| untrusted.error())?;
        }
        Ok(Created { id, name, size, tells_offsets: ack.offset != Offset::Absent })
    }

    /// Sends one packet and waits for its answer; challenges are answered on the way.
    fn exchange(
        &mut self,
        packet: PacketType,
        session: Option<&SessionId>,
        name: Option<&str>,
        body: Option<(ContentRange, Source)>,
    ) -> Result<(PacketAnswer, Meaning), PacketFailure> {
        self.client.check_process().map_err(PacketFailure::unsent)?;
        let (range, source) = body.unzip();
        let last = packet == PacketType::CloseSession || range.is_some_and(ContentRange::is_last);
        let own = if last { self.options.last_ack_timeout } else { self.options.ack_timeout };
        let limit = self.deadline.as_ref().map(Deadline::left);
        let (caller, events) = mpsc::channel();
        let job = PacketJob {
            destination: Arc::clone(&self.destination),
            options: Arc::clone(&self.options),
            packet: SinglePacket {
                packet,
                session: session.cloned(),
                name: name.map(str::to_owned),
                range,
                host: self.host.clone(),
                answer_limit: own.min(limit.unwrap_or(Duration::MAX)),
            },
            source,
            limit,
            caller,
        };
        self.client.send(Command::Packet(self.task, Box::new(job)));
        let mut last = None;
        loop {
            match self.next_event(&events, limit).map_err(PacketFailure::abandoned)? {
                PacketEvent::Answered(answer) => {
                    self.seen.see(&answer.answer);
                    last = Some(answer);
                }
                PacketEvent::Ask(question) => {
                    let asked = Instant::now();
                    question();
                    if let Some(deadline) = &self.deadline {
                        deadline.extend(asked.elapsed());
                    }
                }
                PacketEvent::Done(meaning) => {
                    let answer = last.ok_or_else(|| {
                        PacketFailure::abandoned(Error::new(ErrorKind::Internal, "no answer"))
                    });
                    return meaning.and_then(|meaning| Ok((answer?, meaning)));
                }
            }
        }
    }

    fn next_event(
        &self,
        events: &mpsc::Receiver<PacketEvent>,
        limit: Option<Duration>,
    ) -> Result<PacketEvent, Error> {
        let ended = || Error::new(ErrorKind::Cancelled, "the client was closed");
        let Some(deadline) = &self.deadline else { return events.recv().map_err(|_| ended()) };
        match events.recv_timeout(deadline.left() + SLACK) {
            Ok(event) => Ok(event),
            Err(RecvTimeoutError::Disconnected) => Err(ended()),
            Err(RecvTimeoutError::Timeout) => {
                // The next packet must not wait behind this one.
                self.client.with_task(self.task, Task::abort_packet);
                let seconds = limit.unwrap_or_default().as_secs().max(1);
                Err(Error::new(ErrorKind::Timeout, format!("no answer within {seconds} s")))
            }
        }
    }
}

impl Drop for PacketClient {
    fn drop(&mut self) {
        self.client.send(Command::ClosePackets(self.task));
    }
}

fn failed(packet: PacketType, answer: &PacketAnswer, meaning: Meaning) -> Error {
    let refusal = || explain::refusal(packet, &answer.ack());
    match meaning {
        Meaning::Invalid(error) | Meaning::Later(error) | Meaning::Fatal(error) => error,
        Meaning::Challenge { proxy: false } => refusal().with_kind(ErrorKind::Auth),
        Meaning::Challenge { proxy: true } => refusal().with_kind(ErrorKind::ProxyAuth),
        Meaning::SessionLost
        | Meaning::TooLarge
        | Meaning::NotFoundMaybeTooLarge
        | Meaning::Success
        | Meaning::ContinueAt { .. } => refusal(),
    }
    .into()
}
