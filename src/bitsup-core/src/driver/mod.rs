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

use bitsup_proto::classify::Meaning;
use bitsup_proto::host::HostId;
use bitsup_proto::reply::Get;
use bitsup_proto::session::{Action, CancelMode, Notice, Outcome, Request, Session};
use bitsup_proto::{Checkpoint, Config, ContentRange, Error, Moment, PacketType, SessionId};

use crate::journal::Proof;
use crate::{ClientState, CredentialId, Hosts, Pace, Parallelism, Site, TaskId};

mod exchanges;
mod lifecycle;
mod packets;
mod steps;

use packets::Packets;
pub use packets::SinglePacket;

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
    /// In a session that was kept. Bytes that are not proven to be the source's count only as far as the journal
    /// knows of them.
    Resume(Checkpoint, Proof),
    /// A session that was kept is cancelled first.
    CancelFirst(Checkpoint, AfterCancel),
}

impl Opening {
    /// What is known of the bytes that an earlier process sent.
    #[must_use]
    pub fn proof(&self) -> Proof {
        if let Self::Resume(_, proof) = self { *proof } else { Proof::Given }
    }
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
#[derive(Debug)]
pub enum Step {
    /// Tell what has happened.
    Tell(Notice),
    /// Tell that the session is given up, since what it holds cannot be proven to be the source.
    TellUnproven,
    /// Store where the upload stands, before anything else goes out.
    Store(Checkpoint),
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
#[derive(Debug)]
pub enum PostAck {
    /// Nothing.
    Nothing,
    /// There is a session: a process that is killed from here on must find it again.
    Created(Checkpoint),
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
    pace: Pace,
    /// Comparisons of the source with what was sent; what completes the file waits for them.
    comparisons: u32,
    intent: Intent,
    /// Whether there is a journal that has to know of Close-Session before it goes out.
    stores_intent: bool,
    /// The end of what went out in the session, whether acknowledged or not.
    sent_end: u64,
    /// The end of what the journal knows of and what this process sent and the server took as sent.
    own_end: u64,
    /// Whether an earlier process sent what it sent while the source was what it is now, so that what the server has
    /// beyond `own_end` counts.
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
        let is_certain = opening.proof() == Proof::Given;
        let restarts = u32::from(matches!(opening, Opening::CancelFirst(_, AfterCancel::Restart)));
        let (session, cancels_first, error_after_cancel) = match opening {
            Opening::New => (Session::new(config), None, None),
            Opening::Resume(checkpoint, _) => {
                (Session::restore(config, &checkpoint, now), None, None)
            }
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
            action: None,
            deferred: None,
            was_deferred: false,
            is_asking: false,
            blocked_since: None,
            exchange: None,
            exchanges: 0,
            credentials: None,
            requests: 0,
            pace: Pace::default(),
            comparisons: 0,
            intent: Intent::None,
            stores_intent: false,
            sent_end: session.offset(),
            own_end: session.offset(),
            is_certain,
            restarts,
            session,
            packets: None,
        }
    }

    /// Step 1 for packets that the caller sends one by one, without a slot. `usable`: whether there are
    /// credentials for the server, and for the proxy.
    #[must_use]
    pub fn for_packets(id: TaskId, origin: String, usable: (bool, bool)) -> Self {
        let mut none = ClientState::new(Hosts::new(Parallelism::fixed(1), 1));
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
}

/// Seconds since 1970 of an HTTP date.
#[must_use]
pub fn http_date(text: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(text).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|time| time.as_secs())
}

#[cfg(test)]
mod tests;
