//! One upload: its state machine, its slot at the host, the exchange under way and what has to wait.
//!
//! # Contract
//!
//! 1. Make an [`UploadDriver`] with [`UploadDriver::new`].
//! 2. Call [`UploadDriver::poll`] and do what it says, again and again until it says [`Step::Wait`]. Of a
//!    [`Step::Begin`] ask [`UploadDriver::check`] and [`UploadDriver::authorize`] whether it can go out: either
//!    [`UploadDriver::start`] it, which numbers the exchange, or [`UploadDriver::defer`] it, or report why it
//!    cannot be.
//! 3. Report how the exchange ended with its number, once, by one of the functions `handle_…`. The end of one
//!    that is no longer current is dropped. Before, [`UploadDriver::judge`] the credentials that it showed.
//! 4. [`UploadDriver::suspend`], [`UploadDriver::resume`], [`UploadDriver::cancel`],
//!    [`UploadDriver::abandon`] and [`UploadDriver::fail_source`] may come at any time, and
//!    [`UploadDriver::admit`] when [`crate::Hosts`] says so.
//! 5. After each event, and at the time of [`Step::Wait`] or [`UploadDriver::deadline`], go to 2.
//! 6. [`Step::Finish`] is the result: [`UploadDriver::end`] releases what the upload holds, and
//!    [`UploadDriver::ended`] says that nothing is left to be done.
//!
//! For packets that the caller sends one by one there is [`UploadDriver::for_packets`]: [`UploadDriver::send_packet`]
//! instead of 4, and [`PostAck::Answered`] instead of 6.
//!
//! Everything is told and stored before anything new begins. Time is an argument and never goes back.

use std::fmt::Arguments;
use std::time::{Duration, UNIX_EPOCH};

use bitsup_proto::ack::RetryAfter;
use bitsup_proto::classify::Meaning;
use bitsup_proto::host::HostId;
use bitsup_proto::reply::{Get, Got};
use bitsup_proto::session::{
    Action, CancelMode, Exchange, Failure, FailureClass, InvalidState, Learned, Notice, Outcome,
    Request, Sent, Session,
};
use bitsup_proto::verify::Head;
use bitsup_proto::{
    Ack, Checkpoint, Config, ContentRange, Error, ErrorKind, Moment, PacketType, SessionId,
};

use crate::journal::{CheckpointTracker, CheckpointUpdate};
mod packets;

use packets::Packets;
pub use packets::SinglePacket;

use crate::{ClientState, CredentialId, Hosts, Ready, Site, TaskId, Verdict};

/// One exchange takes no more requests than this, login rounds included: six are the most that a
/// server has a reason for, as many again if a proxy asks too.
pub const MAX_LOGIN_REQUESTS: u32 = 12;
/// Between two steps of progress no more requests than this go out without the pause of a retry: no
/// upload needs as many, and a server that wants one thing after the other for ever is not
/// hammered.
const MAX_REQUESTS: u32 = 32;
/// The session of an upload whose handle is gone is cancelled within this time, or left.
const ABANDON_LIMIT: Duration = Duration::from_secs(5);

/// How an upload begins.
#[derive(Debug)]
pub enum Opening {
    /// In a new session.
    New,
    /// In a session that was kept.
    Resume(Checkpoint),
    /// A session that was kept is cancelled first.
    CancelFirst(Checkpoint, AfterCancel),
}

/// What follows when a kept session is cancelled.
#[derive(Debug)]
pub enum AfterCancel {
    /// The upload, in a new session.
    Upload,
    /// The same, since what the session holds cannot be proven to be the source.
    Restart,
    /// The upload fails.
    Fail(Error),
    /// Nothing.
    End,
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Waits for a slot at the host.
    Queued,
    /// Asks whether the destination exists.
    Precheck,
    /// The state machine runs.
    Running,
    /// The result stands; the journal and the hashes are being finished.
    Finishing,
    /// The result is there.
    Ended,
}

/// What an upload does next.
#[expect(clippy::large_enum_variant, reason = "it lives for one turn of a loop")]
#[derive(Debug)]
pub enum Step {
    /// Tell what has happened.
    Tell(Notice),
    /// Tell that the session is given up, since what it holds cannot be proven to be the source.
    TellUnproven,
    /// Store where the upload stands, before anything else goes out.
    Store(CheckpointUpdate),
    /// Begin an exchange.
    Begin(PendingRequest),
    /// End the exchange under way, now; `None` if it has not gone out.
    Abort(Option<PendingRequest>),
    /// Wait until something happens, or that time has come.
    Wait(Option<Duration>),
    /// The kept session is cancelled: call [`UploadDriver::start_upload`].
    StartUpload,
    /// The upload has come to its end.
    Finish(Ending),
}

/// How an upload ended.
#[derive(Debug)]
pub enum Ending {
    /// As the state machine says.
    Session(Outcome),
    /// With this error, which stood before the session was cancelled or the upload began.
    Error(Error),
}

/// An exchange that an upload wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PendingRequest {
    /// A HEAD that asks whether the destination exists, before the upload.
    Precheck,
    /// A packet.
    Packet(Request),
    /// A GET for (a part of) the reply.
    Reply(Get),
    /// A HEAD that asks what the destination holds, after the upload.
    Head,
}

impl PendingRequest {
    /// Whether it waits for the verdict on the credentials that it would show. The HEAD after the upload is
    /// only evidence, and goes without.
    fn shows_credentials(&self) -> bool {
        match self {
            Self::Precheck => true,
            Self::Packet(request) => request.authorize,
            Self::Reply(get) => get.authorize,
            Self::Head => false,
        }
    }

    /// Whether it completes the file.
    #[must_use]
    pub fn completes(&self) -> bool {
        let Self::Packet(request) = self else { return false };
        request.packet == PacketType::CloseSession
            || request.range.is_some_and(ContentRange::is_last)
    }
}

/// Whether a request can go out.
#[expect(clippy::large_enum_variant, reason = "it lives for one turn of a loop")]
#[derive(Debug)]
pub enum Readiness {
    /// It can.
    Now,
    /// It has to wait: [`UploadDriver::defer`] it.
    Wait,
    /// The same, and the journal has to say first that Close-Session goes out (RES-06): report
    /// [`UploadDriver::intent_stored`].
    StoreIntent(Checkpoint),
}

/// The number of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeId(pub u64);

/// What is done with the journal at once, when a packet was answered.
#[expect(clippy::large_enum_variant, reason = "it lives for one turn of a loop")]
#[derive(Debug)]
pub enum PostAck {
    /// Nothing.
    Nothing,
    /// There is a session: a process that is killed from here on must find it again.
    Created(Option<CheckpointUpdate>),
    /// A Create-Session brought none: the mark that one is being made is removed.
    NotCreated,
    /// The answer to a packet of the caller's own is what it means.
    Answered(Meaning),
}

/// The upload's slot at its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// It waits for one; `again`: after a pause.
    Queued {
        again: bool,
    },
    Held,
    /// It was given up for a pause.
    Yielded,
    Released,
}

/// The exchange under way.
#[derive(Debug)]
struct Current {
    id: ExchangeId,
    request: PendingRequest,
    /// The credentials that it shows, until they are judged.
    shown: Option<CredentialId>,
}

/// Which session's Close-Session the journal knows of.
#[derive(Debug, Default, PartialEq, Eq)]
enum Intent {
    #[default]
    None,
    Storing(SessionId),
    Stored(SessionId),
}

/// Drives one upload among those of its client. It holds handles of credentials, never secrets.
#[derive(Debug)]
pub struct UploadDriver {
    id: TaskId,
    /// The key of its slot.
    origin: String,
    /// The server that is spoken to.
    peer: Site,
    session: Session,
    /// The caller sends each packet; then nothing comes of the state machine.
    packets: Option<Packets>,
    stage: Stage,
    slot: Slot,
    /// Whether to ask if the destination exists, before a session is made; not again once that was answered.
    prechecks: bool,
    /// Whether the caller wants a pause.
    paused: bool,
    /// While a kept session is cancelled: whether the upload follows.
    cancels_first: Option<bool>,
    /// What is reported once the session is cancelled.
    error_after_cancel: Option<Error>,
    /// The upload ends with it now.
    ends_with: Option<Error>,
    /// When an upload ends whose handle is gone.
    abandoned: Option<Duration>,
    tracker: CheckpointTracker,
    /// What the state machine said last, until all is told and stored.
    action: Option<Action>,
    deferred: Option<PendingRequest>,
    /// Whether that was deferred just now.
    was_deferred: bool,
    /// Whether the caller is asked for credentials.
    is_asking: bool,
    /// Since when nothing can be done before the caller or a worker has answered.
    blocked_since: Option<Duration>,
    exchange: Option<Current>,
    exchanges: u64,
    /// The credentials that answer the server, once it has asked.
    credentials: Option<CredentialId>,
    /// Requests on the wire since the last progress, or the last pause of a retry.
    requests: u32,
    /// Comparisons of the source with what was sent; what completes the file waits for them.
    comparisons: u32,
    intent: Intent,
    /// Whether there is a journal that has to know of Close-Session before it goes out.
    stores_intent: bool,
    /// The end of what went out in the session, whether acknowledged or not.
    sent_end: u64,
    /// Whether an earlier process sent what it sent while the source was what it is now, so that it counts
    /// although the journal does not know of it.
    is_certain: bool,
    /// Sessions that were given up for want of proof.
    restarts: u32,
}

impl UploadDriver {
    /// Step 1: takes a slot at that server, or a place in the queue.
    pub fn new(
        id: TaskId,
        origin: String,
        config: Config,
        opening: Opening,
        client: &mut ClientState,
        now: Moment,
    ) -> Self {
        let restarts = u32::from(matches!(opening, Opening::CancelFirst(_, AfterCancel::Restart)));
        let (session, cancels_first, error_after_cancel) = match opening {
            Opening::New => (Session::new(config), None, None),
            Opening::Resume(checkpoint) => (Session::restore(config, &checkpoint, now), None, None),
            Opening::CancelFirst(checkpoint, then) => {
                let config = Config { size: checkpoint.size, ..config };
                let mut session = Session::restore(config, &checkpoint, now);
                let _ = session.cancel(now, CancelMode::Delete);
                let (follows, error) = match then {
                    AfterCancel::Upload | AfterCancel::Restart => (true, None),
                    AfterCancel::Fail(error) => (false, Some(error)),
                    AfterCancel::End => (false, None),
                };
                (session, Some(follows), error)
            }
        };
        let is_free = client.hosts.acquire(&origin, id);
        Self {
            id,
            peer: Site::server(origin.clone()),
            origin,
            stage: Stage::Running,
            slot: if is_free { Slot::Held } else { Slot::Queued { again: false } },
            prechecks: false,
            paused: false,
            cancels_first,
            error_after_cancel,
            ends_with: None,
            abandoned: None,
            tracker: CheckpointTracker::new(&session),
            action: None,
            deferred: None,
            was_deferred: false,
            is_asking: false,
            blocked_since: None,
            exchange: None,
            exchanges: 0,
            credentials: None,
            requests: 0,
            comparisons: 0,
            intent: Intent::None,
            stores_intent: false,
            sent_end: session.offset(),
            is_certain: true,
            restarts,
            session,
            packets: None,
        }
    }

    /// Step 1 for packets that the caller sends one by one, without a slot. `usable`: whether there are
    /// credentials for the server, and for the proxy.
    #[must_use]
    pub fn for_packets(id: TaskId, origin: String, usable: (bool, bool)) -> Self {
        let mut none = ClientState::new(Hosts::new(1, 1));
        let now = Moment::default();
        let driver = Self::new(id, origin, Config::default(), Opening::New, &mut none, now);
        Self { slot: Slot::Released, packets: Some(Packets::new(usable)), ..driver }
    }

    /// The caller sends a packet.
    pub fn send_packet(&mut self, packet: SinglePacket) {
        self.requests = 0;
        if let Some(packets) = &mut self.packets {
            packets.send(packet);
        }
    }

    /// The caller gives the packet up.
    pub fn abort_packet(&mut self) {
        self.exchange = None;
        self.deferred = None;
        if let Some(packets) = &mut self.packets {
            packets.abort();
        }
    }

    /// Asks whether the destination exists before a session is made.
    #[must_use]
    pub fn with_precheck(mut self, prechecks: bool) -> Self {
        self.prechecks = prechecks;
        self.choose_stage();
        self
    }

    /// There is a journal: Close-Session goes out when it knows of it.
    #[must_use]
    pub fn with_intent(mut self) -> Self {
        self.stores_intent = true;
        self
    }

    /// What an earlier process sent counts only as far as the journal knows of it.
    #[must_use]
    pub fn with_unproven_end(mut self) -> Self {
        self.is_certain = false;
        self
    }

    // ---- what there is to see ---------------------------------------------------------------

    /// The state machine.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The host that is spoken to, if it is not the URL's.
    #[must_use]
    pub fn host(&self) -> Option<&HostId> {
        match &self.packets {
            Some(packets) => packets.host(),
            None => self.session.host(),
        }
    }

    /// Gives the headers of a packet, in order.
    pub fn headers(&self, request: &Request, emit: impl FnMut(&'static str, Arguments<'_>)) {
        match &self.packets {
            Some(packets) => packets.headers(request, emit),
            None => self.session.headers(request, emit),
        }
    }

    /// How far the upload is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.slot {
            Slot::Queued { .. } if !self.is_over() => Stage::Queued,
            _ => self.stage,
        }
    }

    /// Whether the caller wants a pause.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether it has had a slot, gave it up for a pause and waits for another.
    #[must_use]
    pub fn is_returning(&self) -> bool {
        self.slot == Slot::Queued { again: true }
    }

    /// Whether a kept session is being cancelled, in place of the upload.
    #[must_use]
    pub fn cancels_first(&self) -> bool {
        self.cancels_first.is_some()
    }

    /// Whether it holds one of the slots at its host.
    #[must_use]
    pub fn has_slot(&self) -> bool {
        self.slot == Slot::Held
    }

    /// Whether its result stands.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Finishing | Stage::Ended)
    }

    /// The exchange under way.
    #[must_use]
    pub fn exchange(&self) -> Option<(ExchangeId, &PendingRequest)> {
        self.exchange.as_ref().map(|current| (current.id, &current.request))
    }

    /// Whether that exchange is the one under way.
    #[must_use]
    pub fn is_current(&self, id: ExchangeId) -> bool {
        self.exchange.as_ref().is_some_and(|current| current.id == id)
    }

    /// Whether a request is deferred.
    #[must_use]
    pub fn is_deferring(&self) -> bool {
        self.deferred.is_some()
    }

    /// Whether the source is being compared with what was sent.
    #[must_use]
    pub fn is_comparing(&self) -> bool {
        self.comparisons > 0
    }

    /// Whether an earlier process sent what it sent while the source was what it is now.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.is_certain
    }

    /// The end of what went out in the session, or was acknowledged.
    #[must_use]
    pub fn sent_end(&self) -> u64 {
        self.sent_end.max(self.session.offset())
    }

    /// Sessions that had to be replaced.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.session.counters().restarts + self.restarts
    }

    /// When to call [`Self::poll`] although nothing happened. An exchange under way does not count.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        if self.is_over() {
            return None;
        }
        [self.session.deadline(), self.abandoned].into_iter().flatten().min()
    }

    /// Why the upload waits, and until when, while it does.
    #[must_use]
    pub fn waiting_for(&self) -> Option<(&Error, Duration)> {
        self.session.waiting_for()
    }

    // ---- steps ------------------------------------------------------------------------------

    /// Steps 2 and 5: what to do now.
    pub fn poll(&mut self, now: Moment) -> Step {
        if let Some(since) = self.blocked_since.take() {
            self.session.exclude(now.monotonic.saturating_sub(since));
        }
        let step = self.next(now);
        if let Step::Wait(until) = step {
            if self.deferred.is_some() || self.is_asking {
                self.blocked_since = Some(now.monotonic);
            }
            let pauses = self.exchange.is_none() && until.is_some();
            if pauses && self.session.waiting_for().is_some() {
                self.requests = 0;
            }
        }
        step
    }

    fn next(&mut self, now: Moment) -> Step {
        if self.is_over() {
            return Step::Wait(None);
        }
        if let Some(packets) = &mut self.packets {
            return match packets.next.take() {
                Some(request) => Step::Begin(PendingRequest::Packet(request)),
                None => self.retry_deferred(None),
            };
        }
        if self.abandoned.is_some_and(|at| now.monotonic >= at) && self.ends_with.is_none() {
            // An upload that failed before its session was cancelled ends as it failed.
            let error = self.error_after_cancel.take();
            let abandoned = || Error::new(ErrorKind::Cancelled, "the upload was abandoned");
            self.ends_with = Some(error.unwrap_or_else(abandoned));
        }
        if let Some(error) = &self.ends_with {
            if let Some(current) = self.exchange.take() {
                return Step::Abort(Some(current.request));
            }
            return Step::Finish(Ending::Error(error.clone()));
        }
        if self.stage() == Stage::Precheck
            && self.exchange.is_none()
            && self.session.state().is_terminal()
        {
            // The source failed before there was an answer.
            self.end_precheck();
        }
        match self.stage() {
            Stage::Precheck if self.exchange.is_none() => {
                self.deferred = Some(PendingRequest::Precheck);
                return self.retry_deferred(None);
            }
            Stage::Running => {}
            _ => return Step::Wait(None),
        }
        loop {
            // Told first, since the caller may want something else next.
            if let Some(notice) = self.session.poll_notice() {
                return Step::Tell(notice);
            }
            if let Some(update) = self.update() {
                if self.is_certain || update.offset <= self.sent_end {
                    return Step::Store(update);
                }
                // An earlier process sent these bytes, and their hashes are not known.
                if self.restart(now) {
                    return Step::TellUnproven;
                }
            }
            return match self.action.take() {
                None => {
                    self.action = Some(self.session.poll_action(now));
                    continue;
                }
                Some(Action::Send(request)) => Step::Begin(PendingRequest::Packet(request)),
                Some(Action::GetReply(get)) => Step::Begin(PendingRequest::Reply(get)),
                Some(Action::Head) => Step::Begin(PendingRequest::Head),
                Some(Action::Abort) => {
                    self.deferred = None;
                    Step::Abort(self.exchange.take().map(|current| current.request))
                }
                Some(Action::Wait(until)) => self.retry_deferred(Some(until)),
                Some(Action::Idle) => self.retry_deferred(None),
                Some(Action::Finished) => self.finish(),
            };
        }
    }

    /// What is to be stored, if anything is. While a kept session is cancelled nothing is: the journal
    /// tells of that until it is over.
    fn update(&mut self) -> Option<CheckpointUpdate> {
        if self.cancels_first() { None } else { self.tracker.update(&mut self.session) }
    }

    /// Offers what is deferred, since the state machine has not called it back; in a pause only what cancels a
    /// kept session, which the pause is not about.
    fn retry_deferred(&mut self, until: Option<Duration>) -> Step {
        let was_deferred = std::mem::take(&mut self.was_deferred);
        if was_deferred || (self.paused && !self.cancels_first()) {
            return Step::Wait(until);
        }
        self.deferred.take().map_or(Step::Wait(until), Step::Begin)
    }

    fn finish(&mut self) -> Step {
        if self.cancels_first == Some(true) {
            return Step::StartUpload;
        }
        self.cancels_first = None;
        if let Some(error) = &self.error_after_cancel {
            return Step::Finish(Ending::Error(error.clone()));
        }
        let outcome = self.session.outcome().unwrap_or_else(|| {
            Outcome::Failed(Error::new(ErrorKind::Internal, "the upload ended without a result"))
        });
        Step::Finish(Ending::Session(outcome))
    }

    /// Whether a request has to wait for a comparison, or for the journal.
    pub fn check(&mut self, request: &PendingRequest) -> Readiness {
        if request.completes() && self.is_comparing() {
            return Readiness::Wait;
        }
        self.check_intent(request).unwrap_or(Readiness::Now)
    }

    /// Whether a request may show the credentials that it would show. Where the site has refused them, what it
    /// would answer is known: [`Self::start_unsent`].
    pub fn authorize(&mut self, request: &PendingRequest, client: &mut ClientState) -> Ready {
        match self.credentials {
            Some(own) if request.shows_credentials() => {
                client.credentials.offer(&self.peer, own, self.id)
            }
            _ => Ready::Now,
        }
    }

    fn check_intent(&mut self, request: &PendingRequest) -> Option<Readiness> {
        let PendingRequest::Packet(request) = request else { return None };
        if request.packet != PacketType::CloseSession || !self.stores_intent {
            return None;
        }
        let checkpoint = self.session.checkpoint()?;
        match &self.intent {
            Intent::Stored(id) if *id == checkpoint.session_id => None,
            Intent::Storing(id) if *id == checkpoint.session_id => Some(Readiness::Wait),
            _ => {
                self.intent = Intent::Storing(checkpoint.session_id.clone());
                Some(Readiness::StoreIntent(checkpoint))
            }
        }
    }

    /// The journal says that Close-Session of that session goes out, or could not be written.
    pub fn intent_stored(&mut self, session: SessionId) {
        self.intent = Intent::Stored(session);
    }

    /// Whether a HEAD that is only evidence may show the credentials.
    pub fn may_show(&mut self, client: &mut ClientState) -> bool {
        self.credentials
            .is_none_or(|own| client.credentials.offer(&self.peer, own, self.id) == Ready::Now)
    }

    /// A request must not go out now; it is offered again when something has happened.
    pub fn defer(&mut self, request: PendingRequest) {
        self.deferred = Some(request);
        self.was_deferred = true;
    }

    /// Before a packet is started: the connection that it was to take has ended unannounced. `false`: the
    /// packet does not go out, and another one is first.
    pub fn connection_ended(&mut self) -> bool {
        let goes_out = self.session.handle_connection_ended() != Ok(false);
        if !goes_out {
            self.intent = Intent::None;
        }
        goes_out
    }

    /// A request goes out, and shows these credentials. `None`: there were too many, and the state machine
    /// knows.
    pub fn start(
        &mut self,
        request: PendingRequest,
        shown: Option<CredentialId>,
        now: Moment,
    ) -> Option<ExchangeId> {
        if self.packets.is_none() && self.requests + MAX_LOGIN_REQUESTS > MAX_REQUESTS {
            self.pause(&request, now);
            return None;
        }
        if let PendingRequest::Packet(packet) = &request {
            if let Some(range) = packet.range {
                self.sent_end = self.sent_end.max(range.end());
            }
            if packet.packet == PacketType::CreateSession {
                // What was sent in an earlier session is of no interest any more.
                (self.sent_end, self.is_certain, self.comparisons) = (0, true, 0);
            }
        }
        Some(self.number(request, shown))
    }

    /// A request stays here, since its answer is known: [`Readiness::Refused`].
    pub fn start_unsent(&mut self, request: PendingRequest) -> ExchangeId {
        self.number(request, None)
    }

    fn number(&mut self, request: PendingRequest, shown: Option<CredentialId>) -> ExchangeId {
        self.exchanges += 1;
        let id = ExchangeId(self.exchanges);
        self.exchange = Some(Current { id, request, shown });
        id
    }

    /// A retry that would be made at once waits as one that would not.
    fn pause(&mut self, request: &PendingRequest, now: Moment) {
        self.requests = 0;
        if *request == PendingRequest::Precheck {
            return self.end_precheck();
        }
        let text = "the server answers, and nothing comes of it";
        let failure = Failure::new(FailureClass::Transport, Sent::Nothing, text);
        let _ = self.session.handle_failure(now, &failure);
        if self.session.waiting_for().is_some_and(|(_, at)| at <= now.monotonic) {
            let _ = self.session.defer_retry(now, self.session.config().retry.first_delay);
        }
    }

    // ---- how exchanges end --------------------------------------------------------------------

    /// Says what an answer, or the lack of one, says of the credentials that the exchange showed; gives them.
    pub fn judge(&mut self, verdict: Verdict, client: &mut ClientState) -> Option<CredentialId> {
        let shown = self.exchange.as_mut()?.shown.take()?;
        client.credentials.judge(verdict, &self.peer, shown, self.id);
        Some(shown)
    }

    /// Whether the exchange under way shows credentials.
    #[must_use]
    pub fn shows_credentials(&self) -> bool {
        self.exchange.as_ref().is_some_and(|current| current.shown.is_some())
    }

    /// The exchange took so many requests, login rounds included.
    pub fn count_requests(&mut self, requests: u32) {
        self.requests = self.requests.saturating_add(requests);
    }

    /// The answer to a packet.
    pub fn handle_ack(
        &mut self,
        id: ExchangeId,
        ack: &Ack<'_>,
        exchange: Exchange,
        now: Moment,
    ) -> Result<PostAck, InvalidState> {
        let Some(taken) = self.take(id) else { return Ok(PostAck::Nothing) };
        let PendingRequest::Packet(request) = taken else { return Err(InvalidState) };
        if let Some(packets) = &mut self.packets {
            return Ok(packets.answered(&request, ack).map_or(PostAck::Nothing, PostAck::Answered));
        }
        let date = ack.date.and_then(http_date);
        let retry_after = match ack.retry_after {
            Some(RetryAfter::Date(text)) => http_date(text),
            _ => None,
        };
        let (had_session, highest) = (self.session.session_id().is_some(), self.session.offset());
        self.session.handle_ack(now, ack, date, retry_after, exchange)?;
        let created = !had_session && self.session.session_id().is_some();
        if created || self.session.offset() > highest {
            self.requests = 0;
        }
        Ok(match request.packet {
            _ if created => PostAck::Created(self.update()),
            PacketType::CreateSession if !had_session => PostAck::NotCreated,
            _ => PostAck::Nothing,
        })
    }

    /// The answer to the HEAD after the upload.
    pub fn handle_head(&mut self, id: ExchangeId, head: &Head) -> Result<(), InvalidState> {
        self.take(id).map_or(Ok(()), |_| self.session.handle_head(head))
    }

    /// The answer to the HEAD before the upload; `again`: it is asked again with credentials. Gives whether
    /// the destination exists with the size of the source.
    pub fn handle_precheck(&mut self, id: ExchangeId, head: Head, again: bool) -> bool {
        if self.take(id).is_none() {
            return false;
        }
        // A sign-in page of a network and the empty leftover of a broken upload are 200 as well.
        let exists = head.status == 200
            && head.content_length == Some(self.session.config().size)
            && !head.encoded;
        self.session.set_before(head);
        if !again {
            self.end_precheck();
        }
        exists && !again
    }

    /// What became of a GET, and of its bytes.
    pub fn handle_reply(
        &mut self,
        id: ExchangeId,
        got: &Got,
        now: Moment,
    ) -> Result<(), InvalidState> {
        self.take(id).map_or(Ok(()), |_| self.session.handle_reply(now, got))
    }

    /// An exchange met no answer.
    pub fn handle_failure(
        &mut self,
        id: ExchangeId,
        failure: &Failure,
        now: Moment,
    ) -> Result<(), InvalidState> {
        match self.take(id) {
            None => Ok(()),
            Some(PendingRequest::Precheck) => {
                // The upload itself tells what is wrong.
                self.end_precheck();
                Ok(())
            }
            Some(_) if self.packets.is_some() => Ok(()),
            Some(_) => self.session.handle_failure(now, failure),
        }
    }

    /// A request cannot be made, and that ends the upload.
    pub fn fail_request(&mut self, error: Error, now: Moment) {
        let _ = self.session.handle_failure(now, &Failure::fatal(error));
    }

    /// The exchange ended before anything of it was sent, for a reason that is gone: it is made again.
    pub fn retry_unsent(&mut self) {
        self.exchange = None;
        match &mut self.packets {
            Some(packets) => packets.send_again(),
            // A cancel in between has ended it.
            None => {
                let _ = self.session.retry_unsent();
            }
        }
    }

    fn take(&mut self, id: ExchangeId) -> Option<PendingRequest> {
        self.exchange.take_if(|current| current.id == id).map(|current| current.request)
    }

    /// The HEAD before the upload has an answer, or will get none.
    pub fn end_precheck(&mut self) {
        self.prechecks = false;
        self.deferred.take_if(|request| *request == PendingRequest::Precheck);
        if self.stage == Stage::Precheck {
            self.stage = Stage::Running;
        }
    }

    // ---- credentials ----------------------------------------------------------------------------

    /// The server that is spoken to.
    #[must_use]
    pub fn peer(&self) -> &Site {
        &self.peer
    }

    /// From now on that server is spoken to.
    pub fn set_peer(&mut self, peer: Site) {
        self.peer = peer;
    }

    /// These credentials answer the server; `None` while it has not asked for any, or a token does.
    pub fn set_credentials(&mut self, credentials: Option<CredentialId>) {
        self.credentials = credentials;
    }

    /// Whether there are credentials that the server has not refused.
    pub fn set_server_usable(&mut self, usable: bool) {
        match &mut self.packets {
            Some(packets) => packets.server = packets::Credentials::new(usable),
            None => self.session.set_server_credentials(usable),
        }
    }

    /// The same for the proxy.
    pub fn set_proxy_usable(&mut self, usable: bool) {
        match &mut self.packets {
            Some(packets) => packets.proxy = packets::Credentials::new(usable),
            None => self.session.set_proxy_credentials(usable),
        }
    }

    /// The exchange under way did not show what there is now: a challenge to it says nothing of that.
    pub fn mark_request_unauthenticated(&mut self) {
        self.session.mark_request_unauthenticated();
        if let Some(Current { request, .. }) = &mut self.exchange {
            match request {
                PendingRequest::Packet(packet) => {
                    packet.authorize = false;
                    packet.authorize_proxy = false;
                }
                PendingRequest::Reply(get) => get.authorize_proxy = false,
                PendingRequest::Precheck | PendingRequest::Head => {}
            }
        }
    }

    /// The caller is asked for credentials, or has answered.
    pub fn set_asking(&mut self, is_asking: bool) {
        self.is_asking = is_asking;
    }

    // ---- what is known of the server and the source ---------------------------------------------

    /// See [`Session::set_learned`].
    pub fn set_learned(&mut self, learned: Learned) {
        self.session.set_learned(learned);
    }

    /// See [`Session::hold_fragments`].
    pub fn hold_fragments(&mut self, bytes: u64) {
        self.session.hold_fragments(bytes);
    }

    /// A comparison of the source with what was sent begins.
    pub fn comparison_started(&mut self) {
        self.comparisons += 1;
    }

    /// A comparison has ended.
    pub fn comparison_ended(&mut self) {
        self.comparisons = self.comparisons.saturating_sub(1);
    }

    /// The source cannot be read any more, or has changed. `false`: the upload ends already.
    pub fn fail_source(&mut self, error: Error, now: Moment) -> bool {
        self.session.fail_source(now, error).is_ok()
    }

    /// The same, found by the exchange under way.
    pub fn fail_reading(&mut self, id: ExchangeId, lost: &Failure, error: Error, now: Moment) {
        // Reported first, so that the state machine knows that nothing runs any more.
        if self.take(id).is_some() {
            let _ = self.session.handle_failure(now, lost);
            self.fail_source(error, now);
        }
    }

    /// What the session holds cannot be proven: it is cancelled, and the upload begins anew. `false`: it
    /// ends already.
    fn restart(&mut self, now: Moment) -> bool {
        let begins =
            self.cancels_first.is_none() && self.session.cancel(now, CancelMode::Delete).is_ok();
        if begins {
            self.cancels_first = Some(true);
            self.restarts += 1;
        }
        begins
    }

    /// See [`Session::defer_retry`].
    pub fn defer_retry(&mut self, delay: Duration, now: Moment) {
        let _ = self.session.defer_retry(now, delay);
    }

    /// See [`Session::refuse_retry`].
    pub fn refuse_retry(&mut self) {
        let _ = self.session.refuse_retry();
    }

    // ---- the caller and the end -------------------------------------------------------------------

    /// A slot is free for this upload. `false`: it waits for none.
    pub fn admit(&mut self, client: &mut ClientState, now: Moment) -> bool {
        if self.stage() != Stage::Queued {
            return false;
        }
        self.slot = Slot::Held;
        self.choose_stage();
        if self.paused {
            self.yield_slot(client);
        } else if !self.session.state().is_terminal() {
            // Also while the request is under way that the pause let end.
            let _ = self.session.resume(now);
        }
        true
    }

    /// The caller wants a pause. `false`: there is nothing to pause.
    pub fn suspend(&mut self, client: &mut ClientState, now: Moment) -> bool {
        if self.is_over() {
            return false;
        }
        self.paused = true;
        // Credentials that are on their way have their verdict still to come.
        if !self.shows_credentials() {
            client.credentials.leave(self.id);
        }
        // Refused only where there is nothing to pause, or a kept session is cancelled first.
        let pauses = self.session.suspend(now).is_ok();
        if pauses {
            self.yield_slot(client);
        }
        pauses
    }

    /// The pause is over, or an upload that failed is tried again. An upload that has given its slot up may
    /// have to wait for another. `false`: there is nothing to go on with.
    pub fn resume(&mut self, client: &mut ClientState, now: Moment) -> bool {
        if self.is_over() {
            // A slot that is taken now would never be given back.
            return false;
        }
        self.paused = false;
        if self.slot == Slot::Yielded {
            if !client.hosts.acquire(&self.origin, self.id) {
                self.slot = Slot::Queued { again: true };
                return true;
            }
            self.slot = Slot::Held;
        }
        self.session.resume(now).is_ok()
    }

    /// The caller wants no more of it. `false`: it ends already.
    pub fn cancel(&mut self, mode: CancelMode, client: &mut ClientState, now: Moment) -> bool {
        let before =
            || Error::new(ErrorKind::Cancelled, "the upload was cancelled before it began");
        match (self.stage(), self.slot) {
            (Stage::Finishing | Stage::Ended, _) => return false,
            (Stage::Running, Slot::Yielded) if mode == CancelMode::Delete => {
                client.hosts.acquire_now(&self.origin, self.id);
                self.slot = Slot::Held;
            }
            (Stage::Running, _) => {}
            (Stage::Queued, Slot::Queued { again: true }) if mode == CancelMode::Keep => {
                client.hosts.dequeue(&self.origin, self.id);
                self.slot = Slot::Yielded;
                self.stage = Stage::Running;
            }
            (Stage::Queued, _)
                if mode == CancelMode::Delete && self.session.session_id().is_some() =>
            {
                // One packet to delete a session needs no slot.
                client.hosts.acquire_now(&self.origin, self.id);
                self.slot = Slot::Held;
                self.stage = Stage::Running;
            }
            (Stage::Queued | Stage::Precheck, _) => {
                self.ends_with = Some(before());
                return true;
            }
        }
        match (self.cancels_first, mode) {
            (Some(_), CancelMode::Keep) => self.ends_with = Some(before()),
            (Some(true), CancelMode::Delete) => {
                self.cancels_first = Some(false);
                self.error_after_cancel = Some(before());
            }
            (Some(false), CancelMode::Delete) => {}
            (None, mode) => return self.session.cancel(now, mode).is_ok(),
        }
        true
    }

    /// The upload's handle is gone. A kept session is cancelled all the same, and nothing follows; else the
    /// upload is cancelled, within a short time. `keeps`: the session can be found again.
    pub fn abandon(&mut self, keeps: bool, client: &mut ClientState, now: Moment) {
        if self.cancels_first.is_some() {
            self.cancels_first = Some(false);
            return;
        }
        let mode = if keeps { CancelMode::Keep } else { CancelMode::Delete };
        self.cancel(mode, client, now);
        self.abandoned = Some(now.monotonic.saturating_add(ABANDON_LIMIT));
    }

    /// The upload ends with this error when its session is cancelled. `false`: there is nothing to cancel.
    pub fn fail_and_cancel(&mut self, error: Error, now: Moment) -> bool {
        let cancels = self.session.cancel(now, CancelMode::Delete).is_ok();
        if cancels {
            self.error_after_cancel = Some(error);
        }
        cancels
    }

    /// The same for a session that must not be found again: it is cancelled within a short time, or left.
    pub fn fail_and_abandon(&mut self, error: Error, now: Moment) -> bool {
        let cancels = self.fail_and_cancel(error, now);
        if cancels {
            self.abandoned = Some(now.monotonic.saturating_add(ABANDON_LIMIT));
        }
        cancels
    }

    /// The kept session is cancelled, and the upload begins ([`Step::StartUpload`]).
    pub fn start_upload(&mut self, config: Config, client: &mut ClientState, now: Moment) {
        self.cancels_first = None;
        self.session = Session::new(config);
        self.choose_stage();
        if self.paused {
            let _ = self.session.suspend(now);
            self.yield_slot(client);
        }
    }

    /// The result stands. `false`: it did already.
    pub fn end(&mut self, client: &mut ClientState) -> bool {
        if self.is_over() {
            return false;
        }
        client.credentials.leave(self.id);
        match self.slot {
            Slot::Queued { .. } => client.hosts.dequeue(&self.origin, self.id),
            Slot::Held => client.hosts.release(&self.origin),
            Slot::Yielded | Slot::Released => {}
        }
        self.slot = Slot::Released;
        self.stage = Stage::Finishing;
        self.exchange = None;
        self.is_asking = false;
        true
    }

    /// Nothing is left to be done.
    pub fn ended(&mut self) {
        self.stage = Stage::Ended;
    }

    fn choose_stage(&mut self) {
        let asks = self.prechecks && self.session.session_id().is_none();
        self.stage = if asks { Stage::Precheck } else { Stage::Running };
    }

    /// Gives the slot up: no upload waits for one that waits for a person. While a kept session is cancelled
    /// there is something to do, in a pause as well.
    fn yield_slot(&mut self, client: &mut ClientState) {
        if self.has_slot() && !self.cancels_first() {
            self.slot = Slot::Yielded;
            client.hosts.release(&self.origin);
        }
    }
}

/// Seconds since 1970 of an HTTP date.
#[must_use]
pub fn http_date(text: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(text).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|time| time.as_secs())
}

#[cfg(test)]
mod tests;
