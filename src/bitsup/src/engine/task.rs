//! One upload on the engine's thread: from the state machine's wishes to exchanges and back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bitsup_proto::reply::ReplyMode;
use bitsup_proto::session::{
    self, Action, CancelMode, Failure, FailureClass, Notice, Outcome, Request, Session, State,
};
use bitsup_proto::verify::Head;
use bitsup_proto::{Ack, Checkpoint, Config, PacketType, SessionId, fragment_size, packet, retry};

use super::Core;
use super::auth;
use super::body::FragmentBody;
use super::command::{Command, TaskId};
use super::reply::{self, ReplyFetch};
use crate::destination::Destination;
use crate::error::{Error, ErrorKind};
use crate::journal::{Endpoint, Entry, Finish, Journal, Keeper, Leavings, Place, Prefix, Token};
use crate::options::{IfExists, ReplyTo, UnclearPolicy, UploadOptions};
use crate::progress::{AckEvent, Event, PacketEvent, Receipt, UploadState};
use crate::source::{Opened, Source};
use crate::transport::{
    self, Answer, AuthScheme, ConnectionUse, Exchange, FailureKind, KeyPassword, LaneId,
    LaneOptions, Limits, Method, Scheme, TlsOptions,
};
use crate::upload::Shared;

/// How often progress is told while bytes move.
const TICK: Duration = Duration::from_millis(100);
/// A session that nobody could find again is cancelled within this time, or left.
const ABANDON: Duration = Duration::from_secs(5);
/// The rate is that of the last seconds.
const RATE_WINDOW: Duration = Duration::from_secs(5);

/// What [`crate::UploadBuilder::start`] hands over.
pub(crate) struct NewUpload {
    pub(crate) shared: Arc<Shared>,
    pub(crate) source: Source,
    pub(crate) destination: Destination,
    pub(crate) options: UploadOptions,
    pub(crate) opening: Opening,
    pub(crate) journal: Option<Journal>,
    /// What the journal holds of an earlier run.
    pub(crate) entry: Option<Entry>,
    pub(crate) warning: Option<String>,
}

/// How an upload begins.
pub(crate) enum Opening {
    New,
    /// In a session that was kept; the check runs beside the sending.
    Continue(Checkpoint, Option<Check>),
    /// A session that was kept is cancelled first.
    CancelFirst(Checkpoint, Then),
}

/// Compares a source with what was sent of it before; the function says whether to go on.
pub(crate) type Check = Box<dyn FnOnce(&Opened, &dyn Fn() -> bool) -> io::Result<bool> + Send>;

/// What follows when the kept session is cancelled.
pub(crate) enum Then {
    Start,
    Fail(Error),
    Forget,
}

/// An upload.
pub(crate) struct Task {
    id: TaskId,
    shared: Arc<Shared>,
    source: Source,
    destination: Destination,
    options: UploadOptions,
    session: Session,
    phase: Phase,
    lane: Option<LaneId>,
    running: Option<Running>,
    /// The last packet, which waits until the source is checked.
    held: Option<Request>,
    checking: Option<Arc<AtomicBool>>,
    /// Whether the caller wants a pause.
    paused: bool,
    /// Set while a kept session is cancelled.
    then: Option<Then>,
    keeper: Option<Keeper>,
    has_journal: bool,
    /// The session that the journal is about.
    kept_session: Option<SessionId>,
    ending: Option<Result<Receipt, Error>>,
    leavings: Option<Leavings>,
    reply: Option<ReplyFetch>,
    /// The error of a local operation, which says more than the state machine's.
    local_error: Option<Error>,
    /// The scheme the server is answered with, once it has asked.
    scheme: Option<AuthScheme>,
    /// The server takes Basic only, and the way there is not safe.
    withheld: bool,
    /// The server has refused these credentials before.
    known_refused: bool,
    /// What is reported once the session is cancelled that nobody could continue.
    last_words: Option<Error>,
    warnings: Vec<String>,
    session_name: Option<String>,
    begun: Instant,
    /// When to look up next, by the state machine's wish.
    wake: Option<Instant>,
    abandoned: Option<Instant>,
    rate: Rate,
    /// The entry of this task in the engine's timers.
    pub(crate) timer: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits for its turn at the host.
    Queued,
    /// Asks whether the destination exists.
    Precheck,
    /// The state machine runs.
    Running,
    /// The journal and the hashes are being finished.
    Finishing,
    /// The result is there.
    Ended,
}

/// The exchange under way.
#[derive(Clone, Copy)]
enum Running {
    Packet(Request, Instant),
    Head,
    Reply { authorized: bool },
}

impl Task {
    /// Takes an upload over.
    pub(crate) fn begin(id: TaskId, new: NewUpload, core: &mut Core) -> Self {
        let NewUpload { shared, source, destination, options, opening, journal, entry, warning } =
            new;
        let now = core.now();
        let endpoint = core.endpoints.get(&destination.endpoint());
        let config = config(&source, &destination, &options, &endpoint);
        let (session, check, then) = match opening {
            Opening::New => (Session::new(config), None, None),
            Opening::Continue(checkpoint, check) => {
                (Session::restore(config, &checkpoint, now), check, None)
            }
            Opening::CancelFirst(checkpoint, then) => {
                let config = Config { size: checkpoint.size, ..config };
                let mut session = Session::restore(config, &checkpoint, now);
                let _ = session.cancel(now, CancelMode::Delete);
                (session, None, Some(then))
            }
        };
        let phase = if core.hosts.enter(&destination.origin(), id) {
            first_phase(&options, &session)
        } else {
            Phase::Queued
        };
        let has_journal = journal.is_some();
        let keeper = (has_journal || options.sha256).then(|| {
            let place = Place {
                url: destination.full(),
                path: source.file_path().map(crate::journal::absolute).unwrap_or_default(),
                note: options.note.clone(),
            };
            Keeper::new(source.clone(), journal, entry, place, options.sha256)
        });
        let mut task = Self {
            id,
            shared,
            source,
            destination,
            options,
            kept_session: session.session_id().cloned(),
            session_name: session.session_id().map(|id| id.as_str().to_owned()),
            session,
            phase,
            lane: None,
            running: None,
            held: None,
            checking: None,
            paused: false,
            then,
            keeper,
            has_journal,
            ending: None,
            leavings: None,
            reply: None,
            local_error: None,
            scheme: None,
            withheld: false,
            known_refused: false,
            last_words: None,
            warnings: warning.into_iter().collect(),
            begun: Instant::now(),
            wake: None,
            abandoned: None,
            rate: Rate::default(),
            timer: None,
        };
        if let Some(check) = check {
            task.begin_check(check, core);
        }
        if task.kept_session.is_some() && task.then.is_none() {
            let from = task.session.offset();
            let event = Event::Notice(format!("continuing a kept session from byte {from}"));
            core.dispatcher.push(&task.shared.ear, event);
        }
        for warning in &task.warnings {
            core.dispatcher.push(&task.shared.ear, Event::Notice(warning.clone()));
        }
        task.tell_progress(core);
        task
    }

    /// It is this upload's turn.
    pub(crate) fn admit(&mut self) {
        if self.phase == Phase::Queued {
            self.phase = first_phase(&self.options, &self.session);
            self.begun = Instant::now();
        }
    }

    pub(crate) fn lane(&self) -> Option<LaneId> {
        self.lane
    }

    /// Whether the engine can forget it: it has ended and nothing is to be sent any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.phase == Phase::Ended
    }

    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let tick = matches!(self.running, Some(Running::Packet(request, _)) if request.range.is_some())
            && self.shared.ear.listens();
        let tick = tick.then(|| Instant::now() + TICK);
        [self.wake, tick, self.abandoned].into_iter().flatten().min()
    }

    pub(crate) fn suspend(&mut self, core: &mut Core) {
        self.paused = true;
        let now = core.now();
        // Refused only where there is nothing to pause, or a kept session is cancelled first.
        let _ = self.session.suspend(now);
    }

    pub(crate) fn resume(&mut self, core: &mut Core) {
        self.paused = false;
        let now = core.now();
        let _ = self.session.resume(now);
    }

    pub(crate) fn cancel(&mut self, mode: CancelMode, core: &mut Core) {
        let before =
            || Error::new(ErrorKind::Cancelled, "the upload was cancelled before it began");
        match self.phase {
            Phase::Finishing | Phase::Ended => return,
            Phase::Running => {}
            Phase::Queued if mode == CancelMode::Delete && self.session.session_id().is_some() => {
                // One packet to delete a session needs no turn.
                core.hosts.enter_now(&self.destination.origin(), self.id);
                self.phase = Phase::Running;
            }
            Phase::Queued | Phase::Precheck => {
                self.abort_exchange(core);
                return self.end(Err(before()), core);
            }
        }
        match (&self.then, mode) {
            (Some(_), CancelMode::Keep) => {
                self.abort_exchange(core);
                self.end(Err(before()), core);
            }
            (Some(Then::Start), CancelMode::Delete) => self.then = Some(Then::Fail(before())),
            (Some(_), CancelMode::Delete) => {}
            (None, mode) => {
                let now = core.now();
                let _ = self.session.cancel(now, mode);
            }
        }
    }

    /// Nobody waits any more.
    pub(crate) fn abandon(&mut self, core: &mut Core) {
        if let Some(then) = &mut self.then {
            // The kept session is cancelled all the same, but nothing follows.
            if matches!(then, Then::Start) {
                *then = Then::Forget;
            }
            return;
        }
        let mode = if self.has_journal { CancelMode::Keep } else { CancelMode::Delete };
        self.cancel(mode, core);
        self.abandoned = Some(Instant::now() + ABANDON);
    }

    /// The engine ends before the upload did.
    pub(crate) fn closed(&self) {
        self.shared.finish_closed();
    }

    /// Does what can be done now.
    pub(crate) fn step(&mut self, core: &mut Core) {
        if self.abandoned.is_some_and(|at| Instant::now() >= at) {
            self.abort_exchange(core);
            let error = Error::new(ErrorKind::Cancelled, "the upload was abandoned");
            self.end(Err(error), core);
        }
        match self.phase {
            Phase::Queued | Phase::Ended => {}
            Phase::Finishing => self.end_if_finished(core),
            Phase::Precheck => {
                if self.running.is_none() && !self.paused {
                    self.start_head(core);
                }
            }
            Phase::Running => self.drive(core),
        }
        if self.phase != Phase::Ended && self.phase != Phase::Finishing {
            self.rate.measure(self.shared.progress().sent);
            self.tell_progress(core);
        }
    }

    fn drive(&mut self, core: &mut Core) {
        self.wake = self.session.deadline().map(|at| core.instant(at));
        if self.checking.is_none()
            && let Some(request) = self.held.take()
            && self.send(request, core)
        {
            return;
        }
        loop {
            let now = core.now();
            let action = self.session.poll_action(now);
            self.take_notices(core);
            self.keep(core);
            match action {
                Action::Send(request) => {
                    if self.must_hold(request) {
                        self.held = Some(request);
                        return;
                    }
                    if self.send(request, core) {
                        return;
                    }
                }
                Action::Head => {
                    self.start_head(core);
                    return;
                }
                Action::GetReply(get) => {
                    if self.start_reply(&get, core) {
                        return;
                    }
                }
                Action::Abort => self.abort_exchange(core),
                Action::Wait(until) => {
                    let at = core.instant(until);
                    self.wake = Some(self.wake.map_or(at, |deadline| deadline.min(at)));
                    if let Some((cause, _)) = self.session.waiting_for() {
                        self.shared.waits(cause.to_string(), at);
                    }
                    return;
                }
                Action::Idle => return,
                Action::Finished => {
                    if self.finished(core) {
                        return;
                    }
                }
            }
        }
    }

    // ---- exchanges -------------------------------------------------------

    /// Step 2: sends a packet. `false`: it could not be begun, and the state machine knows.
    fn send(&mut self, request: Request, core: &mut Core) -> bool {
        let now = core.now();
        let body = match self.open_source(request, core) {
            Ok(body) => body,
            Err(error) => {
                let protocol = error.protocol().clone();
                self.local_error = Some(error);
                let _ = self.session.fail_source(now, protocol);
                return false;
            }
        };
        let mut exchange = self.exchange(Method::BitsPost, core);
        self.session.headers(&request, |name, value| {
            exchange.headers.push((name.to_owned(), value.to_string()));
        });
        exchange.length = request.range.map_or(0, bitsup_proto::ContentRange::length);
        exchange.body = body.map(|body| Box::new(body) as Box<dyn transport::Body>);
        if request.connection == session::Connection::Fresh {
            exchange.connection = ConnectionUse::Fresh;
        }
        exchange.limits.answer = request.answer_limit;
        exchange.auth = self.authorization(request.authorize);
        self.shared.fragment_under_way(exchange.length);
        let range = request.range.map(|range| (range.first(), range.length()));
        let event = PacketEvent { packet: request.packet, range, host: exchange.host.clone() };
        core.dispatcher.push(&self.shared.ear, Event::Packet(event));
        self.begin_exchange(Running::Packet(request, Instant::now()), exchange, core)
    }

    fn open_source(&self, request: Request, core: &Core) -> Result<Option<FragmentBody>, Error> {
        match (request.packet, request.range) {
            (PacketType::Fragment, Some(range)) => {
                let opened = self.source.open()?;
                let sent = Arc::clone(&self.shared.sent);
                Ok(Some(FragmentBody::new(opened, range, sent, self.id, &core.around())))
            }
            // What was sent must still be what the file holds; a file that is gone is no change.
            (PacketType::CloseSession, _) => match self.source.open() {
                Err(error) if error.kind() == ErrorKind::SourceChanged => Err(error),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn start_head(&mut self, core: &mut Core) {
        let mut exchange = self.exchange(Method::Head, core);
        exchange.auth = self.authorization(true);
        self.begin_exchange(Running::Head, exchange, core);
    }

    fn start_reply(&mut self, get: &bitsup_proto::reply::Get, core: &mut Core) -> bool {
        let exchange = self.exchange(Method::Get, core);
        let fetch = self.reply.take().map_or_else(|| ReplyFetch::new(&self.options), Ok);
        let prepared = fetch.and_then(|mut fetch| {
            let host = self.session.host();
            let prepared = fetch.prepare(get, &self.destination, host, exchange)?;
            Ok((fetch, prepared))
        });
        match prepared {
            Ok((fetch, mut exchange)) => {
                let same_site = fetch.is_at_destination();
                exchange.auth = self.authorization(get.authorize && same_site);
                // One timer for the whole download, started anew by each byte (MC-BUP §3.6.2).
                exchange.limits.stall = exchange.limits.answer;
                self.reply = Some(fetch);
                let authorized = exchange.auth.is_some();
                self.begin_exchange(Running::Reply { authorized }, exchange, core)
            }
            Err(error) => {
                let failure = Failure {
                    class: FailureClass::Fatal(error.kind()),
                    sent: session::Sent::Nothing,
                    message: error.message().to_owned(),
                };
                self.local_error = Some(error);
                let now = core.now();
                let _ = self.session.handle_failure(now, &failure);
                false
            }
        }
    }

    /// An exchange with what all have in common.
    fn exchange(&self, method: Method, _: &Core) -> Exchange {
        let (host, port) = match self.session.host() {
            Some(host) => (host.host().to_owned(), host.port().unwrap_or(self.destination.port)),
            None => (self.destination.host.clone(), self.destination.port),
        };
        let https = self.destination.https;
        Exchange {
            method,
            scheme: if https { Scheme::Https } else { Scheme::Http },
            host,
            port,
            target: self.destination.target.clone(),
            headers: own_headers(&self.options),
            body: None,
            length: 0,
            sink: None,
            connection: ConnectionUse::Reuse,
            limits: Limits {
                connect: self.options.connect_timeout,
                stall: self.options.stall_timeout,
                answer: self.options.ack_timeout,
            },
            auth: None,
        }
    }

    /// The credentials, once the server has asked for them.
    fn authorization(&self, wanted: bool) -> Option<Arc<transport::Credentials>> {
        let credentials = self.options.credentials.as_ref().filter(|_| wanted)?;
        Some(auth::for_transport(credentials, self.scheme?))
    }

    /// The server asks for credentials: whether there are any that may be shown to it.
    fn challenged(&mut self, answer: &Answer, authorized: bool, core: &mut Core) {
        let Some(credentials) = &self.options.credentials else { return };
        let origin = self.destination.origin();
        if authorized {
            core.refused.add(origin, credentials);
            return;
        }
        let https = self.destination.https;
        self.scheme = auth::choose(answer, &self.options, https);
        self.withheld = self.scheme.is_none() && auth::offers_only_basic(answer);
        self.known_refused = core.refused.has(&origin, credentials);
        self.session.set_credentials(self.scheme.is_some() && !self.known_refused, false);
    }

    fn begin_exchange(&mut self, running: Running, exchange: Exchange, core: &mut Core) -> bool {
        self.shared.waits_no_more();
        let lane = self.lane.unwrap_or_else(|| {
            let lane = core.transport.open_lane(lane_options(&self.options, core));
            core.lanes.insert(lane, self.id);
            lane
        });
        self.lane = Some(lane);
        self.running = Some(running);
        match core.transport.start(lane, exchange) {
            Ok(()) => true,
            Err(failure) => {
                self.failed(failure, core);
                false
            }
        }
    }

    // ---- what was sent before ----------------------------------------------

    fn begin_check(&mut self, check: Check, core: &Core) {
        let go_on = Arc::new(AtomicBool::new(true));
        self.checking = Some(Arc::clone(&go_on));
        let (source, inbox, id) = (self.source.clone(), core.inbox.clone(), self.id);
        core.workers.run(move || {
            let result = source.open().and_then(|opened| {
                let checked = check(&opened, &|| go_on.load(Ordering::Relaxed));
                checked.map_err(|error| Error::local("cannot read the source", &error))
            });
            let done = |task: &mut Self, core: &mut Core| task.checked(result, core);
            inbox.send(Command::Worked(id, Box::new(done)));
        });
    }

    fn checked(&mut self, result: Result<bool, Error>, core: &mut Core) {
        self.checking = None;
        let error = match result {
            Ok(true) => return,
            Ok(false) => {
                let name = self
                    .source
                    .file_path()
                    .map_or("the source".into(), |path| path.display().to_string());
                crate::source::changed(&name, "it holds other bytes than those that were sent")
            }
            Err(error) => error,
        };
        self.held = None;
        let now = core.now();
        let protocol = error.protocol().clone();
        self.local_error = Some(error);
        let _ = self.session.fail_source(now, protocol);
    }

    /// Nothing that completes the file goes out before what was sent earlier is known to be the same.
    fn must_hold(&self, request: Request) -> bool {
        let completes = request.packet == PacketType::CloseSession
            || request.range.is_some_and(bitsup_proto::ContentRange::is_last);
        completes && self.checking.is_some()
    }

    /// Step 5: keeps the checkpoint.
    fn keep(&mut self, core: &Core) {
        if !self.session.take_checkpoint_due() || self.then.is_some() {
            return;
        }
        let Some(keeper) = &self.keeper else { return };
        let checkpoint = self.session.checkpoint();
        if let Some(checkpoint) = &checkpoint
            && self.kept_session.as_ref() != Some(&checkpoint.session_id)
        {
            self.kept_session = Some(checkpoint.session_id.clone());
            keeper.created(checkpoint.clone());
        }
        keeper.update(self.session.offset(), checkpoint, &core.workers);
    }

    fn abort_exchange(&mut self, core: &mut Core) {
        self.held = None;
        if let Some(lane) = self.lane.filter(|_| self.running.is_some()) {
            drop(core.transport.abort(lane));
        }
        self.running = None;
        self.sent_nothing();
    }

    // ---- step 3: how exchanges end ------------------------------------------

    pub(crate) fn exchange_ended(&mut self, event: transport::Event, core: &mut Core) {
        match event.result {
            Ok(answer) => self.answered(&answer, &event.stats, core),
            Err(failure) => self.failed(failure, core),
        }
    }

    fn answered(&mut self, answer: &Answer, stats: &transport::Stats, core: &mut Core) {
        let Some(running) = self.running.take() else { return };
        let now = core.now();
        match running {
            Running::Head if self.phase == Phase::Precheck => self.precheck_answered(answer, core),
            Running::Head => {
                let _ = self.session.handle_head(&head(answer));
            }
            Running::Reply { authorized } => {
                // Only the upload's own site may ask for the password.
                let own_site = self.reply.as_ref().is_some_and(ReplyFetch::is_at_destination);
                if answer.status == 401 && own_site {
                    self.challenged(answer, authorized, core);
                }
                if let Some(fetch) = &mut self.reply {
                    match fetch.answered(answer, &self.destination) {
                        Ok(got) => {
                            let _ = self.session.handle_reply(now, &got);
                        }
                        Err(error) => self.reply_broken(error, core),
                    }
                }
            }
            Running::Packet(request, started) => {
                let headers = answer
                    .headers
                    .iter()
                    .filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value)));
                let ack = Ack::parse(answer.status, headers);
                if answer.status == 401 {
                    self.challenged(answer, request.authorize, core);
                }
                let date = ack.date.and_then(http_date);
                let retry_after = match ack.retry_after {
                    Some(bitsup_proto::ack::RetryAfter::Date(text)) => http_date(text),
                    _ => None,
                };
                let exchange =
                    session::Exchange { sending: stats.sending_time, waiting: stats.answer_delay };
                let had_session = self.session.session_id().is_some();
                let _ = self.session.handle_ack(now, &ack, date, retry_after, exchange);
                self.sent_nothing();
                let created = !had_session && self.session.session_id().is_some();
                if let Some(id) = self.session.session_id() {
                    self.session_name = Some(id.as_str().to_owned());
                }
                let event = AckEvent {
                    packet: request.packet,
                    range: request.range.map(|range| (range.first(), range.length())),
                    status: answer.status,
                    offset: match ack.offset {
                        bitsup_proto::ack::Offset::At(offset) if request.range.is_some() => {
                            Some(offset)
                        }
                        _ => None,
                    },
                    hresult: ack.code,
                    duration: started.elapsed(),
                    session_created: created,
                    new_connection: stats.new_connection,
                    peer: stats.peer,
                    connect_time: stats.connect_time,
                };
                core.dispatcher.push(&self.shared.ear, Event::Ack(event));
            }
        }
    }

    fn failed(&mut self, failure: transport::Failure, core: &mut Core) {
        let Some(running) = self.running.take() else { return };
        self.sent_nothing();
        if self.phase == Phase::Precheck {
            // The upload itself will tell what is wrong.
            self.phase = Phase::Running;
            return;
        }
        let now = core.now();
        if let (FailureKind::Source(error), Running::Packet(..)) = (&failure.kind, running) {
            let error = self.source_failed(error);
            let protocol = error.protocol().clone();
            self.local_error = Some(error);
            // Reported first, so that the state machine knows that nothing runs any more.
            let class = FailureClass::Transport;
            let lost = Failure { class, sent: session::Sent::Perhaps, message: failure.message };
            let _ = self.session.handle_failure(now, &lost);
            let _ = self.session.fail_source(now, protocol);
            return;
        }
        if let FailureKind::Sink(error) = &failure.kind {
            self.local_error = Some(reply::not_stored(error));
        }
        let sent = match failure.sent {
            transport::Sent::Nothing => session::Sent::Nothing,
            transport::Sent::Part(_) | transport::Sent::All => session::Sent::Perhaps,
        };
        let failure = Failure { class: class(&failure.kind), sent, message: failure.message };
        let _ = self.session.handle_failure(now, &failure);
    }

    /// A read failed: most often because the file was cut short or replaced.
    fn source_failed(&self, error: &io::Error) -> Error {
        if let Err(changed) = self.source.open() {
            return changed;
        }
        let name =
            self.source.file_path().map_or("the source".into(), |path| path.display().to_string());
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return crate::source::changed(&name, "it is shorter than it was");
        }
        Error::local(format_args!("cannot read {name}"), error)
    }

    fn reply_broken(&mut self, error: Error, core: &mut Core) {
        let now = core.now();
        let class = FailureClass::Fatal(error.kind());
        let message = error.message().to_owned();
        self.local_error = Some(error);
        let failure = Failure { class, sent: session::Sent::Nothing, message };
        let _ = self.session.handle_failure(now, &failure);
    }

    fn precheck_answered(&mut self, answer: &Answer, core: &mut Core) {
        if answer.status == 401 {
            let authorized = self.scheme.is_some();
            self.challenged(answer, authorized, core);
            if !authorized && self.scheme.is_some() && !self.known_refused {
                return self.start_head(core);
            }
        }
        self.phase = Phase::Running;
        if answer.status != 200 {
            return;
        }
        if self.options.if_exists == IfExists::Skip {
            let receipt = Receipt {
                url: self.destination.to_string(),
                size: self.source.size(),
                skipped: true,
                ..Receipt::default()
            };
            self.end(Ok(receipt), core);
        } else {
            let message = format!("{} exists already", self.destination);
            let error = Error::new(ErrorKind::Refused, message)
                .with_advice("Choose another name, or allow it to be replaced (--if-exists try).");
            self.end(Err(error), core);
        }
    }

    // ---- telling ---------------------------------------------------------

    fn take_notices(&mut self, core: &mut Core) {
        while let Some(notice) = self.session.poll_notice() {
            let event = match notice {
                Notice::Retrying { cause, delay, attempt } => {
                    Event::Retry { cause: cause.into(), delay, attempt }
                }
                notice => Event::Notice(self.describe(notice, core)),
            };
            core.dispatcher.push(&self.shared.ear, event);
        }
    }

    fn describe(&mut self, notice: Notice, core: &mut Core) -> String {
        match notice {
            Notice::SessionCreated => "session created".into(),
            Notice::SessionLost => {
                let limit = core.hosts.session_lost(&self.destination.origin());
                let fewer = limit.map_or(String::new(), |limit| {
                    format!("; the server may hold too many: at most {limit} uploads at once from now on")
                });
                format!("the server forgot the session: starting again from the beginning{fewer}")
            }
            Notice::HostChanged(host) => format!("the server sends us to {host}"),
            Notice::FellBack => "the other host did not come back: going on at the URL's host".into(),
            Notice::Moved { to, .. } => format!("the server has {to} bytes: continuing there"),
            Notice::Shrunk { refused, next } => {
                format!("parts of {refused} bytes are too large for the server: going on with {next}")
            }
            Notice::ReplyOffered(url) => self.warn(format!("the server offers a reply that was not asked for: {url}")),
            Notice::NotVerified => self.warn(
                "a part had to be sent twice, and the server does not tell the file's size: compare the file on the server".into(),
            ),
            Notice::CloseUnconfirmed => self.warn("the server's last answer was lost".into()),
            _ => "something new happened".into(),
        }
    }

    fn warn(&mut self, warning: String) -> String {
        self.warnings.push(warning.clone());
        warning
    }

    fn tell_progress(&self, core: &Core) {
        let state = self.state();
        let (acknowledged, attempt) = (self.session.offset(), self.session.attempt());
        let rate = self.rate.per_second();
        self.shared.update(|progress| {
            progress.state = state;
            progress.acknowledged = acknowledged;
            progress.attempt = attempt;
            progress.rate = rate;
        });
        if self.shared.ear.listens() {
            core.dispatcher.push(&self.shared.ear, Event::Progress(self.shared.progress()));
        }
    }

    fn state(&self) -> UploadState {
        match self.phase {
            Phase::Queued | Phase::Precheck if self.paused => return UploadState::Suspended,
            Phase::Queued => return UploadState::Queued,
            Phase::Precheck => return UploadState::Checking,
            Phase::Running | Phase::Finishing | Phase::Ended => {}
        }
        let authorizing =
            matches!(self.running, Some(Running::Packet(request, _)) if request.authorize);
        if self.held.is_some() {
            return UploadState::Checking;
        }
        match self.session.state() {
            State::Init | State::CreateSession | State::Ping if authorizing => {
                UploadState::Authenticating
            }
            State::Init | State::CreateSession | State::Ping => UploadState::Connecting,
            State::Fragment => UploadState::Sending,
            State::GetReply => UploadState::Reply,
            State::Complete | State::Cancel => UploadState::Closing,
            State::Verify => UploadState::Checking,
            State::Suspend => UploadState::Suspended,
            State::Error => UploadState::WaitingRetry,
            State::Done => UploadState::Done,
            State::Cancelled => UploadState::Cancelled,
            _ => UploadState::Failed,
        }
    }

    fn sent_nothing(&self) {
        self.shared.sent.store(0, Ordering::Relaxed);
        self.shared.fragment_under_way(0);
    }

    // ---- the end ---------------------------------------------------------

    /// The state machine is done. `false`: there is more to do (a session is cancelled first).
    fn finished(&mut self, core: &mut Core) -> bool {
        let now = core.now();
        match self.then.take() {
            None => {}
            Some(Then::Start) => {
                let endpoint = core.endpoints.get(&self.destination.endpoint());
                let config = config(&self.source, &self.destination, &self.options, &endpoint);
                self.session = Session::new(config);
                if self.paused {
                    let _ = self.session.suspend(now);
                }
                self.phase = first_phase(&self.options, &self.session);
                if self.phase == Phase::Precheck {
                    if !self.paused {
                        self.start_head(core);
                    }
                    return true;
                }
                return false;
            }
            Some(Then::Fail(error)) => {
                self.end(Err(error), core);
                return true;
            }
            Some(Then::Forget) => {}
        }
        let result = match self.session.outcome().cloned() {
            Some(Outcome::Done(summary)) => self.receipt(summary),
            Some(Outcome::Failed(error)) => Err(self.failure(error)),
            Some(Outcome::Cancelled { confirmed, kept }) => Err(self.cancelled(confirmed, kept)),
            None => Err(Error::new(ErrorKind::Internal, "the upload ended without a result")),
        };
        let result = match (self.last_words.take(), result) {
            (Some(error), _) => Err(error),
            (None, Err(error)) if self.options.no_resume && self.session.session_id().is_some() => {
                // Nobody is to find the session again.
                self.last_words = Some(error);
                self.abandoned = Some(Instant::now() + ABANDON);
                let refused = self.session.cancel(now, CancelMode::Delete).is_err();
                if !refused {
                    return false;
                }
                Err(self.last_words.take().unwrap_or_else(|| {
                    Error::new(ErrorKind::Internal, "the session cannot be cancelled")
                }))
            }
            (None, result) => result,
        };
        self.end(result, core);
        true
    }

    fn receipt(&mut self, summary: session::Summary) -> Result<Receipt, Error> {
        let counters = self.session.counters();
        let (reply_path, reply) = match self.reply.take() {
            Some(reply) => reply.finish()?,
            None => (None, None),
        };
        Ok(Receipt {
            url: self.destination.to_string(),
            size: self.source.size(),
            session_id: self.session_name.clone(),
            duration: self.begun.elapsed(),
            fragments: counters.fragments,
            restarts: counters.restarts,
            retries: counters.retries,
            unclear_resends: counters.unclear_resends,
            close_confirmed: summary.close_confirmed,
            verified: summary.verified,
            reply_path,
            reply,
            reply_url: self.session.reply_url().map(str::to_owned),
            warnings: std::mem::take(&mut self.warnings),
            ..Receipt::default()
        })
    }

    fn failure(&mut self, error: bitsup_proto::Error) -> Error {
        let kind = error.kind();
        if let Some(local) = self.local_error.take().filter(|local| local.kind() == kind) {
            return local;
        }
        let error = Error::from(error);
        if kind == ErrorKind::Auth && self.withheld {
            return error.with_advice(
                "The password was not sent, since everybody on the way could read it without verified TLS: use https, or allow it (--allow-cleartext-credentials).",
            );
        }
        if kind == ErrorKind::Auth && self.known_refused {
            return error.with_advice(
                "The server refused this password before, so that it was not sent again: no account is to be locked. Give the right one.",
            );
        }
        error
    }

    fn cancelled(&mut self, confirmed: bool, kept: bool) -> Error {
        if let Some(panic) = self.shared.ear.take_panic() {
            return panic;
        }
        let message = match (kept, confirmed) {
            (true, _) => "the upload was stopped",
            (false, true) => "the upload was cancelled",
            (false, false) => "the upload was cancelled, but the server did not confirm it",
        };
        Error::new(ErrorKind::Cancelled, message)
    }

    /// The result stands; what is kept is brought in order first.
    fn end(&mut self, result: Result<Receipt, Error>, core: &mut Core) {
        if matches!(self.phase, Phase::Finishing | Phase::Ended) {
            return;
        }
        let key = self.destination.origin();
        if self.phase == Phase::Queued {
            core.hosts.forget(&key, self.id);
        } else {
            core.hosts.leave(&key);
        }
        if let Some(checking) = self.checking.take() {
            checking.store(false, Ordering::Relaxed);
        }
        if let Some(lane) = self.lane.take() {
            core.transport.close_lane(lane);
            core.lanes.remove(&lane);
        }
        self.running = None;
        self.sent_nothing();
        self.learn(core);
        self.ending = Some(result);
        self.phase = Phase::Finishing;
        match &self.keeper {
            None => {
                self.leavings = Some(Leavings::default());
                self.end_if_finished(core);
            }
            Some(keeper) => {
                let held = self.session.session_id().is_some();
                let finish = if held { Finish::Keep } else { Finish::Remove };
                let (inbox, id) = (core.inbox.clone(), self.id);
                let done = move |leavings| {
                    let take = move |task: &mut Self, _: &mut Core| task.leavings = Some(leavings);
                    inbox.send(Command::Worked(id, Box::new(take)));
                };
                keeper.finish(finish, done, &core.workers);
            }
        }
    }

    fn learn(&self, core: &mut Core) {
        let learned = self.session.learned();
        if let Some((file, text)) = core.endpoints.learn(&self.destination.endpoint(), &learned) {
            core.workers.run(move || crate::journal::store(&file, &text));
        }
    }

    fn end_if_finished(&mut self, core: &mut Core) {
        let Some(leavings) = self.leavings.take() else { return };
        let Some(result) = self.ending.take() else { return };
        self.phase = Phase::Ended;
        self.wake = None;
        self.abandoned = None;
        let result = match result {
            Ok(mut receipt) => {
                receipt.sha256 = leavings.sha256;
                if self.options.sha256 && receipt.sha256.is_none() && !receipt.skipped {
                    receipt.warnings.push(
                        "the SHA-256 could not be computed: the source cannot be read".into(),
                    );
                }
                receipt.warnings.extend(leavings.problem);
                Ok(receipt)
            }
            Err(error) => {
                let token = self.token(leavings.prefix.as_ref());
                let kept = self.has_journal && token.is_some() && leavings.problem.is_none();
                Err(error.with_resumable(kept).with_token(token))
            }
        };
        let state = match &result {
            Ok(_) => UploadState::Done,
            Err(error) if error.kind() == ErrorKind::Cancelled => UploadState::Cancelled,
            Err(_) => UploadState::Failed,
        };
        let offset = self.session.offset();
        self.shared.update(|progress| {
            progress.state = state;
            progress.acknowledged = offset;
        });
        // First, so that a caller who hears of the end finds the result.
        self.shared.finish(result.clone());
        if self.shared.ear.listens() {
            core.dispatcher.push(&self.shared.ear, Event::Progress(self.shared.progress()));
            core.dispatcher.push(&self.shared.ear, Event::Finished(result.map(Box::new)));
        }
    }

    /// The session for another process or machine, while the server holds one.
    fn token(&self, prefix: Option<&Prefix>) -> Option<String> {
        let identity = self.source.identity();
        let token = Token {
            url: self.destination.full(),
            checkpoint: self.session.checkpoint()?,
            prefix: prefix.map(Token::prefix_of),
            modified: identity.map(|identity| (identity.modified_s, identity.modified_ns)),
        };
        token.encode()
    }
}

fn first_phase(options: &UploadOptions, session: &Session) -> Phase {
    let ask = options.if_exists != IfExists::Try && session.session_id().is_none();
    if ask { Phase::Precheck } else { Phase::Running }
}

fn config(
    source: &Source,
    destination: &Destination,
    options: &UploadOptions,
    endpoint: &Endpoint,
) -> Config {
    let name = options.content_name.as_deref().or(source.name());
    let credentials = options.credentials.is_some();
    Config {
        size: source.size(),
        content_name: name.and_then(packet::content_name),
        origin: destination.host.clone(),
        opening_ping: credentials || options.bearer_token.is_some() || options.uses_proxy(),
        credentials,
        host_policy: options.host_id,
        trusted_hosts: options.trusted_hosts.clone(),
        reply: match (&options.reply_to, options.reply_optional) {
            (ReplyTo::Nowhere, _) => ReplyMode::None,
            (_, true) => ReplyMode::Optional,
            (_, false) => ReplyMode::Required,
        },
        retry: retry::RetryPolicy {
            first_delay: options.retry_delay,
            max_delay: options.max_retry_delay,
            give_up_after: options.give_up_after,
            wait_for_server: options.wait_for_server,
            max_attempts: options.max_attempts,
            ..retry::RetryPolicy::default()
        },
        fragment: fragment_size::Limits {
            fixed: options.fragment_size,
            ceiling: options.max_fragment,
            floor: options.min_fragment,
        },
        answer_limit: options.ack_timeout,
        last_answer_limit: options.last_ack_timeout,
        cancel_limit: options.give_up_after.min(Config::default().cancel_limit),
        max_time: options.max_time,
        max_bytes: options.max_bytes,
        refuse_empty: options.refuse_empty,
        lenient_offset: options.lenient,
        verify: options.verify,
        // A server that was seen to append a repeated part gets no repeated part.
        on_unclear: match options.on_unclear {
            UnclearPolicy::Resend if endpoint.appends => UnclearPolicy::Restart,
            policy => policy,
        },
        learned_size: endpoint.max_fragment,
        checks_offsets: endpoint.checks_offsets,
        ..Config::default()
    }
}

pub(super) fn lane_options(options: &UploadOptions, core: &Core) -> LaneOptions {
    let tls = &options.tls;
    LaneOptions {
        tls: TlsOptions {
            ca_file: tls.ca_file.clone(),
            insecure: tls.insecure,
            cert: tls.cert.clone(),
            key: tls.key.clone(),
            key_password: tls
                .key_password
                .as_ref()
                .map(|p| KeyPassword(p.reveal().to_owned().into())),
            pinned_key: tls.pinned_public_key.clone(),
        },
        // Checked before the upload began.
        proxy: options.transport_proxy().unwrap_or_default(),
        no_proxy: options.no_proxy.clone(),
        user_agent: core.settings.user_agent.clone(),
    }
}

/// The headers that the caller wants with every packet.
pub(super) fn own_headers(options: &UploadOptions) -> Vec<(String, String)> {
    let own = options.headers.iter().map(|h| (h.name().to_owned(), h.value().to_owned()));
    let token = options.bearer_token.iter();
    let token =
        token.map(|token| ("Authorization".to_owned(), format!("Bearer {}", token.reveal())));
    own.chain(token).collect()
}

/// The class of a transport failure, which decides about retries.
pub(super) fn class(kind: &FailureKind) -> FailureClass {
    match kind {
        FailureKind::NameNotResolved | FailureKind::NoRoute => FailureClass::Offline,
        FailureKind::ConnectFailed | FailureKind::ConnectionLost => FailureClass::Transport,
        FailureKind::ProxyFailed(Some(407)) => FailureClass::Fatal(ErrorKind::ProxyAuth),
        FailureKind::ProxyFailed(_) => FailureClass::Transport,
        FailureKind::ConnectTimeout | FailureKind::StallTimeout | FailureKind::AnswerTimeout => {
            FailureClass::Timeout
        }
        FailureKind::BadAnswer => FailureClass::BadAnswer,
        FailureKind::Tls => FailureClass::Fatal(ErrorKind::Tls),
        FailureKind::Source(_) => FailureClass::Fatal(ErrorKind::LocalFile),
        FailureKind::Sink(error) => FailureClass::Fatal(reply::not_stored(error).kind()),
        FailureKind::Unsupported => FailureClass::Fatal(ErrorKind::Unsupported),
        FailureKind::Internal => FailureClass::Fatal(ErrorKind::Internal),
    }
}

fn head(answer: &Answer) -> Head {
    Head {
        status: answer.status,
        content_length: number(answer, "Content-Length"),
        encoded: answer.headers.get("Content-Encoding").is_some(),
        last_modified: text(answer, "Last-Modified").and_then(http_date),
    }
}

pub(super) fn text<'a>(answer: &'a Answer, name: &'a str) -> Option<&'a str> {
    answer.headers.get(name).and_then(|value| std::str::from_utf8(value).ok())
}

pub(super) fn number(answer: &Answer, name: &str) -> Option<u64> {
    text(answer, name)?.parse().ok()
}

/// Seconds since 1970 of an HTTP date.
fn http_date(text: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(text).ok()?;
    time.duration_since(std::time::UNIX_EPOCH).ok().map(|time| time.as_secs())
}

/// Bytes sent over the last seconds.
#[derive(Default)]
struct Rate {
    samples: std::collections::VecDeque<(Instant, u64)>,
}

impl Rate {
    fn measure(&mut self, sent: u64) {
        let now = Instant::now();
        if self.samples.back().is_some_and(|(_, last)| sent < *last) {
            self.samples.clear();
        }
        let fresh = |(at, _): &(Instant, u64)| now.duration_since(*at) < TICK;
        if !self.samples.back().is_some_and(fresh) {
            self.samples.push_back((now, sent));
        }
        let old = |(at, _): &(Instant, u64)| now.duration_since(*at) > RATE_WINDOW;
        while self.samples.len() > 2 && self.samples.front().is_some_and(old) {
            self.samples.pop_front();
        }
    }

    fn per_second(&self) -> u64 {
        match (self.samples.front(), self.samples.back()) {
            (Some((from, first)), Some((to, last))) if to > from => {
                ((last - first) as f64 / (*to - *from).as_secs_f64()) as u64
            }
            _ => 0,
        }
    }
}
