//! One upload on the engine's thread: from the state machine's wishes to exchanges and back.

mod answers;
mod comparing;
mod deciding;
mod ending;
mod login;
mod rate;
mod recording;
mod sending;
mod telling;
mod trial;
mod wording;

use comparing::{Checking, Closing, Sending};
use deciding::Deciding;
use login::LoginState;
pub(super) use login::renewal;
use rate::Rate;
use sending::SourceState;
pub(super) use wording::{class, lane_options, number, own_headers, text};
use wording::{config, head, http_date};

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bitsup_core::{Cancelling, Life, Phase, Step};
use bitsup_proto::session::{CancelMode, Request, Session};
use bitsup_proto::{Checkpoint, Config};

use super::Core;
use super::command::TaskId;
use super::reply::ReplyFetch;
use super::sent_hash::SentHash;
use crate::destination::Destination;
use crate::diagnosis::Remark;
use crate::error::{Error, ErrorKind};
use crate::journal::{Entry, Journal, Keeper, Leavings, Place, Proof};
use crate::options::{IfExists, UploadOptions, VerifyPolicy};
use crate::output_file::OutputFile;
use crate::progress::{Event, Receipt};
use crate::source::{Opened, Source};
use crate::transcript::Recorder;
use crate::transport::{AuthScheme, LaneId};
use crate::upload::Shared;

/// How often progress is told while bytes move.
const TICK: Duration = Duration::from_millis(100);
/// A session that nobody could find again is cancelled within this time, or left.
const ABANDON: Duration = Duration::from_secs(5);

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
    /// Whether the caller is asked before each next try.
    pub(crate) decides: bool,
    /// Where a reply goes that goes to a file.
    pub(crate) reply_place: Option<OutputFile>,
}

/// A complete reply on its way to what is no regular file.
enum ReplyWrite {
    None,
    UnderWay,
    Ended(Result<(), Error>),
}

/// How an upload begins.
pub(crate) enum Opening {
    New,
    /// In a session that was kept; the check runs beside the sending. What it has to prove.
    Continue(Checkpoint, Option<Check>, Proof),
    /// A session that was kept is cancelled first.
    CancelFirst(Checkpoint, Then),
}

/// Compares a source with what was sent of it before; the function says whether to go on.
pub(crate) type Check = Box<dyn FnOnce(&Opened, &dyn Fn() -> bool) -> io::Result<bool> + Send>;

/// What follows when the kept session is cancelled.
pub(crate) enum Then {
    Start,
    /// The same, since what it holds cannot be proven to be the source.
    Restart,
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
    /// The key of what is known of the server that is spoken to.
    endpoint: String,
    life: Life,
    lane: Option<LaneId>,
    running: Option<Running>,
    checking: Option<Checking>,
    sending: Sending,
    keeper: Option<Keeper>,
    has_journal: bool,
    closing: Closing,
    /// The SHA-256 of what is sent, if it was asked for.
    hash: Option<SentHash>,
    /// Whether the result waits for it.
    is_hashing: bool,
    opened: SourceState,
    ending: Option<Result<Receipt, Error>>,
    leavings: Option<Leavings>,
    reply: Option<ReplyFetch>,
    reply_place: Option<OutputFile>,
    reply_write: ReplyWrite,
    /// Whether a session before this one may be left on the server.
    left_before: bool,
    /// The error of a local operation, which says more than the state machine's.
    local_error: Option<Error>,
    login: LoginState,
    /// What is to be said about the last exchange.
    remark: Option<Remark>,
    /// The scheme that a proxy which forwards requests is answered with, once it has asked.
    proxy_scheme: Option<AuthScheme>,
    /// What is reported once a session is cancelled that nobody could continue, or that was kept.
    last_words: Option<Error>,
    deciding: Deciding,
    /// Requests on the wire since the last progress, or the last pause of a retry.
    requests: u32,
    /// Writes the exchanges down, if the caller wants them.
    recorder: Option<Recorder>,
    warnings: Vec<String>,
    session_name: Option<String>,
    begun: Instant,
    /// When to look up next, by the state machine's wish.
    wake: Option<Instant>,
    abandoned: Option<Instant>,
    /// Since when nothing can be done before a person or a worker has answered.
    held_since: Option<Duration>,
    rate: Rate,
    /// The entry of this task in the engine's timers.
    pub(crate) timer: Option<Instant>,
}

/// The exchange under way.
#[derive(Clone, Copy)]
enum Running {
    Packet(Request, Instant),
    /// The question before the upload; a pause in it may have put the upload in the queue again.
    Precheck,
    Head,
    Reply {
        at_proxy: bool,
    },
}

impl Task {
    /// Takes an upload over.
    pub(crate) fn begin(id: TaskId, new: NewUpload, core: &mut Core) -> Self {
        let NewUpload {
            shared,
            source,
            destination,
            options,
            opening,
            journal,
            entry,
            warning,
            decides,
            reply_place,
        } = new;
        let options = options.with_ticket();
        let now = core.now();
        let endpoint = core.endpoints.get(&destination.endpoint_at(None));
        let config = config(&source, &destination, &options, &endpoint);
        let mut proof = Proof::Given;
        let is_unproven = matches!(opening, Opening::CancelFirst(_, Then::Restart));
        let (session, check, then, last_words) = match opening {
            Opening::New => (Session::new(config), None, None, None),
            Opening::Continue(checkpoint, check, known) => {
                proof = known;
                (Session::restore(config, &checkpoint, now), check, None, None)
            }
            Opening::CancelFirst(checkpoint, then) => {
                let config = Config { size: checkpoint.size, ..config };
                let mut session = Session::restore(config, &checkpoint, now);
                let _ = session.cancel(now, CancelMode::Delete);
                let (then, last_words) = match then {
                    Then::Start | Then::Restart => (bitsup_core::Then::Start, None),
                    Then::Fail(error) => (bitsup_core::Then::End, Some(error)),
                    Then::Forget => (bitsup_core::Then::End, None),
                };
                (session, None, Some(then), last_words)
            }
        };
        // What stands there before is what the file is compared with afterwards.
        let asks = options.if_exists != IfExists::Try || options.verify == VerifyPolicy::Always;
        let life = Life::begin(id, destination.origin(), (asks, then), &session, &mut core.hosts);
        let has_journal = journal.is_some();
        let destination_endpoint = destination.endpoint_at(session.host());
        let recorder = options.transcript.then(Recorder::default);
        let keeper = journal.map(|journal| {
            let place = Place {
                url: destination.full(),
                path: source.file_path().map(crate::journal::absolute).unwrap_or_default(),
                note: options.note.clone(),
            };
            let on_failure = options.require_resume.then(|| Self::ends_without(id, core));
            Keeper::new(source.clone(), journal, (entry, proof), place, on_failure)
        });
        let hash = options.sha256.then(|| SentHash::new(source.clone(), core.inbox.clone(), id));
        let mut task = Self {
            id,
            shared,
            sending: Sending::new(source.identity(), &session, proof),
            source,
            destination,
            options,
            endpoint: destination_endpoint,
            session_name: session.session_id().map(|id| id.as_str().to_owned()),
            session,
            life,
            lane: None,
            running: None,
            checking: None,
            keeper,
            has_journal,
            closing: Closing::default(),
            hash,
            is_hashing: false,
            opened: SourceState::Closed,
            ending: None,
            leavings: None,
            reply: None,
            reply_place,
            reply_write: ReplyWrite::None,
            left_before: false,
            local_error: None,
            login: LoginState::default(),
            remark: None,
            proxy_scheme: None,
            last_words,
            deciding: Deciding::new(decides),
            requests: 0,
            recorder,
            warnings: warning.into_iter().collect(),
            begun: Instant::now(),
            wake: None,
            abandoned: None,
            held_since: None,
            rate: Rate::default(),
            timer: None,
        };
        if task.options.polite {
            task.session.hold_fragments(core.limiter.be_polite(id));
        }
        task.withhold_refused_token(core);
        if let Some(check) = check {
            let proves = if proof == Proof::Given { None } else { task.source.identity() };
            task.begin_check(check, proves, core);
        }
        if is_unproven {
            task.warn_of_restart();
        }
        if task.session.session_id().is_some() && !task.life.cancels_first() {
            let from = task.session.offset();
            let event = Event::Notice(format!("continuing a kept session from byte {from}"));
            core.dispatcher.push(&task.shared.ear, event);
        }
        if task.life.phase() == Phase::Queued {
            task.tell_queued();
        }
        for warning in &task.warnings {
            core.dispatcher.push(&task.shared.ear, Event::Notice(warning.clone()));
        }
        task.tell_progress(core);
        task
    }

    /// It is this upload's turn.
    pub(crate) fn admit(&mut self, core: &mut Core) {
        let (is_first, now) = (!self.life.is_returning(), core.now());
        if !self.life.admit(&mut self.session, &mut core.hosts, now) {
            return;
        }
        self.shared.waits_no_more();
        if is_first {
            self.begun = Instant::now();
        }
    }

    pub(crate) fn lane(&self) -> Option<LaneId> {
        self.lane
    }

    /// Whether the engine can forget it: it has ended and nothing is to be sent any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.life.phase() == Phase::Ended
    }

    pub(crate) fn wake_at(&self) -> Option<Instant> {
        // A limit that has passed would call the engine without end while the end is brought in order.
        if self.life.is_over() {
            return None;
        }
        let tick = matches!(self.running, Some(Running::Packet(request, _)) if request.range.is_some())
            && !self.login.is_asking()
            && self.shared.ear.wants_progress();
        let tick = tick.then(|| Instant::now() + TICK);
        [self.wake, tick, self.abandoned].into_iter().flatten().min()
    }

    pub(crate) fn suspend(&mut self, core: &mut Core) {
        let now = core.now();
        let shows_login = self.running.is_some() && self.login.shows();
        let logins = (&mut core.logins, shows_login);
        self.life.suspend(&mut self.session, &mut core.hosts, logins, now);
    }

    pub(crate) fn resume(&mut self, core: &mut Core) {
        let now = core.now();
        self.life.resume(&mut self.session, &mut core.hosts, now);
        if self.life.is_returning() {
            self.tell_queued();
        }
    }

    /// Why nothing happens; when it will, nobody knows.
    fn tell_queued(&self) {
        let reason = "other uploads to this host go first".to_owned();
        self.shared.waits(reason, Instant::now());
    }

    pub(crate) fn cancel(&mut self, mode: CancelMode, core: &mut Core) {
        let now = core.now();
        let before = "the upload was cancelled before it began";
        match self.life.cancel(mode, &mut self.session, &mut core.hosts, now) {
            Cancelling::UnderWay => {}
            Cancelling::Ends => {
                self.abort_exchange(core);
                self.end(Err(Error::new(ErrorKind::Cancelled, before)), core);
            }
            Cancelling::EndsLater => {
                self.last_words = Some(Error::new(ErrorKind::Cancelled, before));
            }
        }
    }

    /// Nobody waits any more.
    pub(crate) fn abandon(&mut self, core: &mut Core) {
        if self.life.abandon() {
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
            // An upload that failed before its session was cancelled ends as it failed.
            let error = self
                .last_words
                .take()
                .unwrap_or_else(|| Error::new(ErrorKind::Cancelled, "the upload was abandoned"));
            self.end(Err(error), core);
        }
        if self.life.phase() == Phase::Finishing {
            self.end_if_finished(core);
        }
        self.drive(core);
        if !self.life.is_over() {
            self.rate.measure(self.shared.progress().sent);
            self.tell_progress(core);
        }
    }

    /// Steps 2 and 5 of the driving contract, in the order of [`Life::next`].
    fn drive(&mut self, core: &mut Core) {
        if let Some(since) = self.held_since.take() {
            self.session.exclude(core.now().monotonic.saturating_sub(since));
        }
        loop {
            let now = core.now();
            match self.life.next(&mut self.session, self.running.is_some(), now) {
                Step::Tell(notice) => self.tell(notice, core),
                Step::Keep(news) => self.keep(news, core),
                Step::Begin(wish) => self.offer(wish, core),
                Step::Abort => self.abort_exchange(core),
                Step::Finish => self.finished(core),
                Step::Wait(until) => return self.wait(until, core),
            }
        }
    }

    fn wait(&mut self, until: Option<Duration>, core: &mut Core) {
        if self.life.is_holding() || self.login.is_asking() {
            self.held_since = Some(core.now().monotonic);
        }
        if self.running.is_none() && until.is_some() && self.session.waiting_for().is_some() {
            self.requests = 0;
        }
        let next = [until, self.session.deadline()].into_iter().flatten().min();
        self.wake = next.map(|at| core.instant(at));
        if let (Some(until), Some((cause, _))) = (until, self.session.waiting_for()) {
            self.shared.waits(cause.to_string(), core.instant(until));
        }
    }
}
