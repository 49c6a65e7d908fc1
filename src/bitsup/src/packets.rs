//! Ping, and sessions that the caller drives packet by packet.

use std::fmt;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use bitsup_proto::classify::{Meaning, classify, invalid_answer};
use bitsup_proto::host::{self, HostId};
use bitsup_proto::packet::{self, Packet};
use bitsup_proto::{Ack, ContentRange, Hresult, PacketType, SessionId, explain};

use crate::client::ClientInner;
use crate::credentials::{CredentialRequest, Credentials, Login, MAX_QUESTIONS, Role, Secret};
use crate::destination::Destination;
use crate::diagnosis::Remark;
use crate::engine::{
    Command, NotSent, Offer, PacketAnswer, PacketJob, TaskId, may_be_read, proxy_site,
    read_challenges,
};
use crate::error::{Error, ErrorKind};
use crate::options::UploadOptions;
use crate::source::Source;
use crate::transport::AuthScheme;

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

const PING: Packet<'static> =
    Packet { packet_type: PacketType::Ping, session_id: None, content_name: None, range: None };

/// Sends one Ping; asked for credentials, one more with them.
pub(crate) fn ping(
    client: &Arc<ClientInner>,
    url: &str,
    options: &UploadOptions,
) -> Result<PingReport, Error> {
    let mut line = Line::new(client, url, options, None)?;
    let started = Instant::now();
    let (answer, meaning) = line.exchange(&PING, None)?;
    match meaning {
        Meaning::Success => {
            let server =
                answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Server"));
            let server = server.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
            Ok(PingReport {
                url: line.destination.to_string(),
                duration: started.elapsed(),
                server: server.filter(|text| !text.chars().any(char::is_control)),
                authorized: line.auth.is_some(),
            })
        }
        meaning => Err(failed(PacketType::Ping, &answer, meaning)),
    }
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

/// So many schemes are told, of so many characters at most: those that exist are five.
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
    fn see(&mut self, answer: &PacketAnswer) {
        let shown = |name: &str| {
            let mut headers = answer.headers.iter();
            let (_, value) = headers.find(|(header, _)| header.eq_ignore_ascii_case(name))?;
            let text: String = String::from_utf8_lossy(value).chars().take(MAX_SEEN).collect();
            Some(text).filter(|text| !text.chars().any(char::is_control))
        };
        self.server = self.server.take().or_else(|| shown("Server"));
        self.date = self.date.take().or_else(|| shown("Date"));
        // What a 407 offers is the proxy's.
        let challenges = answer.headers.iter().filter(|(name, _)| {
            answer.status == 401 && name.eq_ignore_ascii_case("WWW-Authenticate")
        });
        for offer in read_challenges(challenges.map(|(_, value)| value.as_slice())) {
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
pub struct PacketSession {
    line: Line,
    id: SessionId,
    name: Option<String>,
    size: u64,
    offset: u64,
    ended: bool,
}

impl PacketSession {
    pub(crate) fn create(
        client: &Arc<ClientInner>,
        url: &str,
        size: u64,
        name: &str,
        options: &UploadOptions,
    ) -> Result<Self, Error> {
        let mut line = Line::new(client, url, options, None)?;
        let created = line.create(size, name)?;
        Ok(Self::new(line, created))
    }

    pub(crate) fn new(line: Line, created: Created) -> Self {
        let Created { id, name, size } = created;
        Self { line, id, name, size, offset: 0, ended: false }
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
    /// anywhere in the file.
    pub fn send(&mut self, data: impl Into<Arc<[u8]>>) -> Result<u64, Error> {
        self.check_open()?;
        let data = data.into();
        let range = ContentRange::new(self.offset, data.len() as u64, self.size);
        let range = range.ok_or_else(|| {
            Error::invalid(format!(
                "{} bytes from offset {} do not fit into a file of {} bytes, or there are none",
                data.len(),
                self.offset,
                self.size
            ))
        })?;
        let fragment = self.packet(PacketType::Fragment, Some(range));
        let (answer, meaning) =
            fragment.exchange(&mut self.line, Some(&(range, Source::bytes(data))))?;
        let ack = answer.ack();
        match meaning {
            Meaning::ContinueAt { offset: Some(offset), .. } if offset <= self.size => {
                self.offset = offset;
                Ok(offset)
            }
            Meaning::ContinueAt { offset: None, .. } if self.line.options.lenient => {
                self.offset = range.end();
                Ok(self.offset)
            }
            Meaning::ContinueAt { .. } => Err(Error::from(invalid_answer(
                PacketType::Fragment,
                &ack,
                "the answer names no offset within the file",
            ))),
            meaning => Err(failed(PacketType::Fragment, &answer, meaning)),
        }
    }

    /// Sends Close-Session. Refused, and nothing sent, before the server has all bytes.
    pub fn close(&mut self) -> Result<(), Error> {
        self.check_open()?;
        if self.offset != self.size {
            return Err(Error::invalid(format!(
                "the session cannot be closed: the server has {} of {} bytes",
                self.offset, self.size
            )));
        }
        self.finish(PacketType::CloseSession)
    }

    /// The host that the server sent this session to.
    pub(crate) fn host(&self) -> Option<String> {
        self.line.host.as_ref().map(|(host, _)| host.clone())
    }

    /// Cancels, and an error is one: the server may keep what it has.
    pub(crate) fn delete(&mut self) -> Result<(), Error> {
        match self.finish(PacketType::CancelSession) {
            Err(error) if error.hresult() == Some(Hresult::SESSION_NOT_FOUND) => Ok(()),
            result => result,
        }
    }

    /// Sends Cancel-Session: the server deletes what it has.
    pub fn cancel(&mut self) -> Result<(), Error> {
        self.check_open()?;
        match self.finish(PacketType::CancelSession) {
            Err(error)
                if error.http_status().is_some_and(|status| (400..500).contains(&status)) =>
            {
                Ok(())
            }
            Err(error) if error.hresult() == Some(Hresult::SESSION_NOT_FOUND) => Ok(()),
            result => result,
        }
    }

    fn finish(&mut self, packet_type: PacketType) -> Result<(), Error> {
        let packet = self.packet(packet_type, None);
        let (answer, meaning) = packet.exchange(&mut self.line, None)?;
        if meaning == Meaning::Success || packet_type == PacketType::CancelSession {
            self.ended = true;
        }
        match meaning {
            Meaning::Success => Ok(()),
            meaning => Err(failed(packet_type, &answer, meaning)),
        }
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.ended {
            return Err(Error::invalid("the session has ended already"));
        }
        Ok(())
    }

    fn packet(&self, packet_type: PacketType, range: Option<ContentRange>) -> OwnedPacket {
        OwnedPacket { packet_type, id: self.id.clone(), name: self.name.clone(), range }
    }
}

impl fmt::Debug for PacketSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketSession")
            .field("url", &self.line.destination)
            .field("size", &self.size)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// A packet that does not borrow from its session.
struct OwnedPacket {
    packet_type: PacketType,
    id: SessionId,
    name: Option<String>,
    range: Option<ContentRange>,
}

impl OwnedPacket {
    fn exchange(
        &self,
        line: &mut Line,
        body: Option<&(ContentRange, Source)>,
    ) -> Result<(PacketAnswer, Meaning), Error> {
        let packet = Packet {
            packet_type: self.packet_type,
            session_id: Some(&self.id),
            content_name: self.name.as_deref(),
            range: self.range,
        };
        let (answer, meaning) = line.exchange(&packet, body)?;
        let ack = answer.ack();
        let foreign = ack.session_id.is_some_and(|theirs| !self.id.matches(theirs));
        if foreign {
            let what = "the answer belongs to another session";
            return Err(invalid_answer(self.packet_type, &ack, what).into());
        }
        Ok((answer, meaning))
    }
}

/// A session that the server has created.
pub(crate) struct Created {
    id: SessionId,
    name: Option<String>,
    size: u64,
}

/// So often one packet goes out: once without a login, and with each that there is or was asked for, at
/// server and proxy.
const MAX_ROUNDS: u32 = 10;

/// A lane to one destination.
pub(crate) struct Line {
    client: Arc<ClientInner>,
    task: TaskId,
    destination: Arc<Destination>,
    options: Arc<UploadOptions>,
    host: Option<(String, u16)>,
    auth: Option<AuthScheme>,
    at_proxy: Option<AuthScheme>,
    deadline: Option<Deadline>,
    seen: Seen,
    /// User and token of the caller's options, where others were asked for since.
    own: Option<(Option<Credentials>, Option<Secret>)>,
}

impl Line {
    pub(crate) fn new(
        client: &Arc<ClientInner>,
        url: &str,
        options: &UploadOptions,
        deadline: Option<Deadline>,
    ) -> Result<Self, Error> {
        let destination = Destination::parse(url)?;
        options.check(destination.https)?;
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
            auth: None,
            at_proxy: None,
            deadline,
            seen: Seen::default(),
            own: None,
        })
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    pub(crate) fn set_ack_timeout(&mut self, time: Duration) {
        Arc::make_mut(&mut self.options).ack_timeout = time;
    }

    /// Pings: without credentials first, then with them if the server asks.
    pub(crate) fn ping(&mut self) -> Result<(), Error> {
        match self.exchange(&PING, None)? {
            (_, Meaning::Success) => Ok(()),
            (answer, meaning) => Err(failed(PacketType::Ping, &answer, meaning)),
        }
    }

    /// Creates a session, and goes on at the host that it is sent to.
    pub(crate) fn create(&mut self, size: u64, name: &str) -> Result<Created, Error> {
        let name = packet::content_name(name);
        let create = Packet {
            packet_type: PacketType::CreateSession,
            session_id: None,
            content_name: name.as_deref(),
            range: None,
        };
        let (answer, meaning) = self.exchange(&create, None)?;
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
            let origin = &self.destination.host;
            let followed =
                host::decide(origin, named, self.options.host_id, &self.options.trusted_hosts);
            let followed = followed.map_err(|untrusted| untrusted.error())?;
            self.go_to(followed.map(|host| {
                (host.host().to_owned(), host.port().unwrap_or(self.destination.port))
            }));
        }
        Ok(Created { id, name, size })
    }

    /// Speaks with another host from now on. What was asked for at the last one is not for it.
    fn go_to(&mut self, host: Option<(String, u16)>) {
        if self.host == host {
            return;
        }
        self.host = host;
        if let Some((credentials, token)) = self.own.take() {
            let options = Arc::make_mut(&mut self.options);
            options.credentials = credentials;
            options.bearer_token = token;
            self.auth = None;
        }
    }

    /// Whether the host that is spoken to may see what is meant for the URL's.
    fn is_trusted(&self) -> bool {
        let other = self.host.as_ref();
        other.is_none_or(|(host, _)| self.options.trusts(&self.destination.host, host))
    }

    /// The server that is spoken to, as it is named to whom knows logins.
    fn site(&self) -> String {
        let Some((host, port)) = self.host.clone() else { return self.destination.origin() };
        Destination { host, port, ..Destination::clone(&self.destination) }.origin()
    }

    /// One packet and its answer; a challenge is answered with each login once.
    fn exchange(
        &mut self,
        packet: &Packet<'_>,
        body: Option<&(ContentRange, Source)>,
    ) -> Result<(PacketAnswer, Meaning), Error> {
        let mut questions = 0;
        let mut rounds = 0;
        loop {
            rounds += 1;
            let answer = match self.send(packet, body.cloned()) {
                Ok(answer) => answer,
                // A proxy makes no tunnel.
                Err(NotSent::Failed(error))
                    if error.kind() == ErrorKind::ProxyAuth
                        && self.ask_for_proxy(&[], &mut questions) =>
                {
                    continue;
                }
                Err(NotSent::Failed(error)) => return Err(error),
                Err(NotSent::RefusedBefore) => {
                    if self.ask(None, &mut questions) {
                        continue;
                    }
                    let text = "the server refused this login before, and it was not sent again";
                    return Err(Error::new(ErrorKind::Auth, text));
                }
            };
            self.seen.see(&answer);
            let meaning = classify(packet.packet_type, &answer.ack());
            let may_go_on = rounds < MAX_ROUNDS;
            if meaning == (Meaning::Challenge { proxy: false }) && may_go_on {
                let has_password = self.options.credentials.is_some() && !answer.refused;
                if answer.scheme.is_some() && has_password {
                    self.auth = answer.scheme;
                    // The server asked in spite of it.
                    Arc::make_mut(&mut self.options).bearer_token = None;
                    continue;
                }
                if self.ask(Some(&answer), &mut questions) {
                    continue;
                }
            }
            let is_proxy = answer.forwarded && may_go_on;
            if meaning == (Meaning::Challenge { proxy: true }) && is_proxy {
                self.at_proxy = answer.proxy_scheme;
                if self.at_proxy.is_some() || self.ask_for_proxy(&answer.offers, &mut questions) {
                    continue;
                }
            }
            return Ok((answer, meaning));
        }
    }

    /// Asks the caller for a login, on this thread. `false`: there is none that may be sent.
    fn ask(&mut self, answer: Option<&PacketAnswer>, questions: &mut u32) -> bool {
        let callback = self.options.credential_callback.clone();
        let Some(callback) = callback.filter(|own| own.knows(Role::Server)) else { return false };
        if *questions == MAX_QUESTIONS || !self.is_trusted() {
            return false;
        }
        *questions += 1;
        let offers = answer.map_or(&[][..], |answer| &answer.offers);
        let shown = self.auth.is_some() || self.options.bearer_token.is_some();
        let request = CredentialRequest {
            site: self.site(),
            proxy: false,
            realm: offers.iter().find_map(Offer::realm),
            schemes: offers.iter().map(|offer| offer.scheme.clone()).collect(),
            user: self.options.credentials.as_ref().map(|own| own.user.clone()),
            refused: answer.is_none_or(|answer| answer.refused || shown),
            expiring: false,
            attempt: *questions,
        };
        let asked = Instant::now();
        let login = callback.ask(&request);
        if let Some(deadline) = &self.deadline {
            deadline.extend(asked.elapsed());
        }
        let may_be_read = may_be_read(&self.options, self.destination.https);
        let options = Arc::make_mut(&mut self.options);
        if login.is_some() && self.own.is_none() {
            self.own = Some((options.credentials.clone(), options.bearer_token.clone()));
        }
        match login {
            Some(Login::Password(credentials)) => {
                options.credentials = Some(credentials);
                options.bearer_token = None;
                if let Some(answer) = answer {
                    self.auth = answer.scheme;
                }
                self.auth.is_some() || answer.is_none()
            }
            Some(Login::Token { token, .. }) if may_be_read && token.is_header_value() => {
                options.bearer_token = Some(token);
                self.auth = None;
                true
            }
            Some(Login::Token { .. }) | None => false,
        }
    }

    /// The same for the proxy, which takes no tokens.
    fn ask_for_proxy(&mut self, offers: &[Offer], questions: &mut u32) -> bool {
        let callback = self.options.credential_callback.clone();
        let Some(callback) = callback.filter(|own| own.knows(Role::Proxy)) else { return false };
        if *questions == MAX_QUESTIONS {
            return false;
        }
        *questions += 1;
        let own = self.options.proxy_credentials.as_ref();
        let request = CredentialRequest {
            site: proxy_site(&self.options),
            proxy: true,
            realm: offers.iter().find_map(Offer::realm),
            schemes: offers.iter().map(|offer| offer.scheme.clone()).collect(),
            user: own.map(|own| own.user.clone()),
            refused: own.is_some(),
            expiring: false,
            attempt: *questions,
        };
        let Some(Login::Password(credentials)) = callback.ask(&request) else { return false };
        Arc::make_mut(&mut self.options).proxy_credentials = Some(credentials);
        true
    }

    fn send(
        &mut self,
        packet: &Packet<'_>,
        body: Option<(ContentRange, Source)>,
    ) -> Result<PacketAnswer, NotSent> {
        self.client.check_process().map_err(NotSent::Failed)?;
        let mut headers = Vec::new();
        packet.for_each_header(|name, value| headers.push((name.to_owned(), value.to_string())));
        let left = self.deadline.as_ref().map(Deadline::left);
        let options = match left {
            None => Arc::clone(&self.options),
            Some(left) => Arc::new(no_longer_than(left, &self.options)),
        };
        let (answer, receive) = mpsc::channel();
        let last = packet.packet_type == PacketType::CloseSession
            || packet.range.is_some_and(ContentRange::is_last);
        let (range, source) = body.unzip();
        let job = PacketJob {
            destination: Arc::clone(&self.destination),
            options,
            headers,
            range,
            source,
            host: self.host.clone(),
            auth: self.auth,
            at_proxy: self.at_proxy,
            last,
            answer,
        };
        self.client.send(Command::Packet(self.task, Box::new(job)));
        let ended = || NotSent::Failed(Error::new(ErrorKind::Cancelled, "the client was closed"));
        let Some(left) = left else { return receive.recv().map_err(|_| ended())? };
        match receive.recv_timeout(left + SLACK) {
            Ok(result) => result,
            Err(RecvTimeoutError::Disconnected) => Err(ended()),
            Err(RecvTimeoutError::Timeout) => {
                // The next packet must not wait behind this one.
                self.client.send(Command::ClosePackets(self.task));
                self.task = self.client.next_task();
                let text = format!("no answer within {} s", left.as_secs().max(1));
                Err(NotSent::Failed(Error::new(ErrorKind::Timeout, text)))
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.client.send(Command::ClosePackets(self.task));
    }
}

fn no_longer_than(left: Duration, options: &UploadOptions) -> UploadOptions {
    UploadOptions {
        connect_timeout: options.connect_timeout.min(left),
        stall_timeout: options.stall_timeout.min(left),
        ack_timeout: options.ack_timeout.min(left),
        last_ack_timeout: options.last_ack_timeout.min(left),
        ..options.clone()
    }
}

impl PacketAnswer {
    fn ack(&self) -> Ack<'_> {
        Ack::parse(
            self.status,
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())),
        )
    }
}

fn failed(packet: PacketType, answer: &PacketAnswer, meaning: Meaning) -> Error {
    let refusal = || explain::refusal(packet, &answer.ack());
    let error = match meaning {
        Meaning::Invalid(error) | Meaning::Later(error) | Meaning::Fatal(error) => error,
        Meaning::Challenge { proxy: false } => refusal().with_kind(ErrorKind::Auth),
        Meaning::Challenge { proxy: true } => refusal().with_kind(ErrorKind::ProxyAuth),
        Meaning::SessionLost
        | Meaning::TooLarge
        | Meaning::NotFoundMaybeTooLarge
        | Meaning::Success
        | Meaning::ContinueAt { .. } => refusal(),
    };
    Remark::apply(answer.remark.as_ref(), error)
}
