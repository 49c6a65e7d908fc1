//! One upload on the engine's thread: from the state machine's wishes to exchanges and back.

mod answers;
mod comparing;
mod convert;
mod ending;
mod login;
mod notify;
mod packets;
mod proxy_login;
mod rate;
mod recording;
mod retry_callback;
mod sending;
mod starting;

use comparing::UNPROVEN;
use convert::{config, head};
pub(super) use convert::{connection_options, own_headers, protocol_failure};
use login::LoginState;
pub(super) use login::renewal;
pub(super) use packets::error_of;
pub(crate) use packets::{PacketAnswer, PacketEvent, PacketFailure, PacketJob};
use proxy_login::ProxyLogin;
use rate::Rate;
use retry_callback::Deciding;
use sending::SourceState;

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bitsup_core::{AfterCancel, ExchangeId, Opening, PendingRequest, Stage, Step, UploadDriver};
use bitsup_proto::session::CancelMode;

use super::Core;
use super::command::{Reporter, TaskId};
use super::reply::ReplyFetch;
use super::sent_hash::SentHash;
use crate::destination::Destination;
use crate::error::Error;
use crate::journal::{Disk, Entry, EntryKey, FinalReport, Identity, JournalWriter, Proof};
use crate::options::{IfExists, UploadOptions, VerifyPolicy};
use crate::output_file::OutputFile;
use crate::progress::{Event, Receipt};
use crate::source::{Opened, Source};
use crate::transcript::Recorder;
use crate::transport::ConnectionId;
use crate::upload::Shared;

/// How often progress is told while bytes move.
const TICK: Duration = Duration::from_millis(100);

/// What [`crate::UploadBuilder::start`] hands over.
pub(crate) struct NewUpload {
    pub(crate) shared: Arc<Shared>,
    pub(crate) source: Source,
    pub(crate) destination: Destination,
    pub(crate) options: UploadOptions,
    pub(crate) opening: Opening,
    /// Runs beside the sending in a session that was kept.
    pub(crate) check: Option<Check>,
    pub(crate) journal: Option<Disk>,
    /// What the journal holds of an earlier run.
    pub(crate) entry: Option<Entry>,
    pub(crate) warning: Option<String>,
    /// Whether the caller is asked before each next try.
    pub(crate) decides: bool,
    /// Where a reply goes that goes to a file.
    pub(crate) reply_place: Option<OutputFile>,
}

/// Compares a source with what was sent of it before; the function says whether to go on.
pub(crate) type Check = Box<dyn FnOnce(&Opened, &dyn Fn() -> bool) -> io::Result<bool> + Send>;

/// An upload: handles, and what carries out what its driver says.
pub(crate) struct Task {
    shared: Arc<Shared>,
    source: Source,
    destination: Destination,
    options: UploadOptions,
    driver: UploadDriver,
    /// Where packets are sent one by one: who waits for the one under way.
    caller: Option<mpsc::Sender<PacketEvent>>,
    /// The key of what is known of the server that is spoken to.
    endpoint: String,
    /// Whether it forgot a session while it held more than a few.
    holds_few: bool,
    pinned: Option<ConnectionId>,
    /// When the exchange under way began.
    exchange_begun: Instant,
    /// While comparisons of the source run on worker threads: whether they are still wanted.
    comparing: Option<Arc<AtomicBool>>,
    /// What the source was when it was sent, or when it was last found to be the same.
    source_sent: Option<Identity>,
    writer: Option<Arc<JournalWriter>>,
    /// Up to where all was hashed in a pause.
    rested: u64,
    /// The SHA-256 of what is sent, if it was asked for.
    hash: Option<SentHash>,
    opened: SourceState,
    ending: Option<Result<Receipt, Error>>,
    /// Workers whose part of the result it waits for.
    unfinished: u32,
    final_report: Option<FinalReport>,
    reply: Option<ReplyFetch>,
    reply_place: Option<OutputFile>,
    /// Whether a session before this one may be left on the server.
    left_before: bool,
    login: LoginState,
    proxy: ProxyLogin,
    deciding: Deciding,
    /// Writes the exchanges down, if the caller wants them.
    recorder: Option<Recorder>,
    warnings: Vec<String>,
    session_name: Option<String>,
    begun: Instant,
    /// When to look up next, by the driver's wish.
    wake: Option<Instant>,
    rate: Rate,
    /// The entry of this task in the engine's timers.
    pub(crate) timer: Option<Instant>,
}

impl Task {
    fn new(
        shared: Arc<Shared>,
        source: Source,
        destination: Destination,
        options: UploadOptions,
        driver: UploadDriver,
    ) -> Self {
        Self {
            shared,
            source_sent: source.identity(),
            source,
            endpoint: destination.endpoint_at(driver.host()),
            destination,
            options,
            driver,
            caller: None,
            session_name: None,
            holds_few: false,
            pinned: None,
            exchange_begun: Instant::now(),
            comparing: None,
            writer: None,
            rested: 0,
            hash: None,
            opened: SourceState::Closed,
            ending: None,
            unfinished: 0,
            final_report: None,
            reply: None,
            reply_place: None,
            left_before: false,
            login: LoginState::default(),
            proxy: ProxyLogin::default(),
            deciding: Deciding::default(),
            recorder: None,
            warnings: Vec::new(),
            begun: Instant::now(),
            wake: None,
            rate: Rate::default(),
            timer: None,
        }
    }

    /// Takes an upload over.
    pub(crate) fn begin(id: TaskId, new: NewUpload, core: &mut Core) -> Self {
        let NewUpload {
            shared,
            source,
            destination,
            options,
            opening,
            check,
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
        if endpoint.holds_few {
            core.client.hosts.keep_few(&destination.origin.to_string());
        }
        let proof = opening.proof();
        let is_unproven = matches!(opening, Opening::CancelFirst(_, AfterCancel::Restart));
        // The file is compared afterwards with the one that is there now.
        let prechecks =
            options.if_exists != IfExists::Try || options.verify == VerifyPolicy::Always;
        let client = &mut core.client;
        let origin = destination.origin.to_string();
        let mut driver =
            UploadDriver::new(id, origin, config, opening, client, now).with_precheck(prechecks);
        if journal.is_some() {
            driver = driver.with_intent();
        }
        let session = driver.session();
        let session_name = session.session_id().map(|id| id.as_str().to_owned());
        let recorder = options.transcript.then(Recorder::default);
        let writer = journal.map(|journal| {
            let place = EntryKey {
                url: destination.full(),
                path: source.canonical_path().map(Path::to_owned).unwrap_or_default(),
                note: options.note.clone(),
            };
            let on_failure =
                options.require_resume.then(|| Self::ends_without(core.inbox.reporter(id)));
            let after = core.settings.hash_after;
            JournalWriter::new(source.clone(), journal, (entry, proof), place, after, on_failure)
        });
        let hash = options.sha256.then(|| SentHash::new(source.clone(), core.inbox.clone(), id));
        let warnings = warning.into_iter().collect();
        let new = Self::new(shared, source, destination, options, driver);
        let deciding = Deciding::new(decides);
        let mut task =
            Self { writer, hash, reply_place, deciding, recorder, warnings, session_name, ..new };
        if task.options.polite {
            task.driver.hold_fragments(core.limiter.be_polite(id));
        }
        task.withhold_refused_token(core);
        if let Some(check) = check {
            let proves = if proof == Proof::Given { None } else { task.source.identity() };
            task.begin_check(check, proves, core);
        }
        if is_unproven {
            task.warn(UNPROVEN.into());
        }
        let session = task.driver.session();
        if session.session_id().is_some() && !task.driver.cancels_first() {
            let from = session.offset();
            let event = Event::Notice(format!("resuming from byte {from}"));
            task.tell_event(event, core);
        }
        if task.driver.stage() == Stage::Queued {
            task.tell_queued();
        }
        for warning in &task.warnings {
            task.tell_event(Event::Notice(warning.clone()), core);
        }
        task.tell_progress(core);
        task
    }

    /// There is a slot for this upload.
    pub(crate) fn admit(&mut self, core: &mut Core) {
        let (is_first, now) = (!self.driver.is_returning(), core.now());
        if !self.driver.admit(&mut core.client, now) {
            return;
        }
        self.shared.waits_no_more();
        if is_first {
            self.begun = Instant::now();
        }
    }

    fn id(&self) -> TaskId {
        self.shared.id
    }

    /// Where workers report to.
    fn reporter(&self, core: &Core) -> Reporter {
        core.inbox.reporter(self.id())
    }

    pub(crate) fn pinned(&self) -> Option<ConnectionId> {
        self.pinned
    }

    /// Whether the engine can forget it: it has ended and nothing is to be sent any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.driver.stage() == Stage::Ended
    }

    pub(crate) fn wake_at(&self) -> Option<Instant> {
        // A limit that has passed would call the engine without end while the end is brought in order.
        if self.driver.is_over() {
            return None;
        }
        let sends = matches!(
            self.driver.exchange(),
            Some((_, PendingRequest::Packet(request))) if request.range.is_some()
        );
        let tick = sends && !self.login.is_asking() && self.shared.subscriber.wants_progress();
        let tick = tick.then(|| Instant::now() + TICK);
        [self.wake, tick].into_iter().flatten().min()
    }

    /// Whether the end of that exchange is of interest.
    pub(crate) fn is_current(&self, number: u64) -> bool {
        self.driver.is_current(ExchangeId(number))
    }

    pub(crate) fn suspend(&mut self, core: &mut Core) {
        let now = core.now();
        self.driver.suspend(&mut core.client, now);
    }

    pub(crate) fn resume(&mut self, core: &mut Core) {
        let now = core.now();
        self.driver.resume(&mut core.client, now);
        if self.driver.is_returning() {
            self.tell_queued();
        }
    }

    /// Reports why nothing happens; the end of the wait is unknown.
    fn tell_queued(&self) {
        let reason = "other uploads to this host go first".to_owned();
        self.shared.waits(reason, Instant::now());
    }

    pub(crate) fn cancel(&mut self, mode: CancelMode, core: &mut Core) {
        let now = core.now();
        self.driver.cancel(mode, &mut core.client, now);
    }

    /// The upload's handle is gone.
    pub(crate) fn abandon(&mut self, core: &mut Core) {
        let now = core.now();
        self.driver.abandon(self.writer.is_some(), &mut core.client, now);
    }

    /// The engine ends before the upload did.
    pub(crate) fn closed(&self) {
        self.shared.finish_closed();
    }

    /// Does what can be done now.
    pub(crate) fn step(&mut self, core: &mut Core) {
        if self.driver.stage() == Stage::Finishing {
            self.end_if_finished(core);
        }
        self.drive(core);
        if !self.driver.is_over() {
            self.rate.measure(self.shared.progress().sent);
            self.tell_progress(core);
        }
    }

    /// Steps 2 to 6 of the driver's contract.
    fn drive(&mut self, core: &mut Core) {
        loop {
            self.driver.set_asking(self.login.is_asking());
            match self.driver.poll(core.now()) {
                Step::Tell(notice) => self.tell(notice, core),
                Step::TellUnproven => {
                    self.warn(UNPROVEN.into());
                    self.tell_event(Event::Notice(UNPROVEN.into()), core);
                }
                Step::Store(checkpoint) => {
                    if let Some(writer) = &self.writer {
                        writer.update(checkpoint, &core.workers);
                    }
                }
                Step::Begin(request) => self.offer(request, core),
                Step::Abort(request) => self.abort_exchange(request.as_ref(), core),
                Step::StartUpload => self.start_upload(core),
                Step::Finish(ending) => self.finished(ending, core),
                Step::Wait(until) => return self.wait(until, core),
            }
        }
    }

    fn wait(&mut self, until: Option<Duration>, core: &Core) {
        let next = [until, self.driver.deadline()].into_iter().flatten().min();
        self.wake = next.map(|at| core.instant(at));
        let cause = self.driver.waiting_for().map(|(cause, _)| cause.to_string());
        if self.driver.exchange().is_none() && (cause.is_some() || self.driver.is_paused()) {
            self.rest(core);
        }
        if let Some((until, cause)) = until.zip(cause) {
            self.shared.waits(cause, core.instant(until));
        }
    }
}
