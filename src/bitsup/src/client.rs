//! The client: one engine thread and any number of uploads.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use bitsup_core::{Opening, Parallelism};

use crate::callbacks::{Delivery, Dispatcher, Listener, Subscriber};
use crate::destination::Destination;
use crate::doctor::DoctorReport;
use crate::engine::{
    Command, Core, Inbox, NewUpload, RateLimiter, Reporter, Settings, Task, TaskId, reply_place,
};
use crate::error::{Error, ErrorKind};
use crate::journal::{self, HASH_AFTER, StateDirectory, Token};
use crate::options::{ClientOptions, LimitRate, OptionSet, RetryDecision, UploadOptions};
use crate::packets::{PacketSession, PingReport};
use crate::progress::{Event, EventFilter, Flow};
use crate::sessions;
use crate::source::Source;
use crate::timetable::RateTimetable;
use crate::upload::{Shared, Upload};

/// Dropping a client waits no longer for its thread.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// What can be said where a kill or a power cut has left an orphaned session.
const LEFT_BEHIND: &str = "the previous run ended before it stored its session id, or its journal is damaged: an orphaned session may remain on the server until it expires (IIS: 14 days)";

/// Uploads files. Cheap to clone: clones share the engine, which ends with the last clone
/// and the last upload.
#[derive(Clone)]
pub struct Client {
    inner: Arc<ClientInner>,
}

pub(crate) struct ClientInner {
    inbox: Inbox,
    limiter: Arc<RateLimiter>,
    dispatcher: Arc<Dispatcher>,
    next: AtomicU64,
    settings: Arc<Settings>,
    state: Mutex<Option<StateDirectory>>,
    process: u32,
    thread: Mutex<Option<JoinHandle<()>>>,
    ended: Mutex<mpsc::Receiver<()>>,
}

/// Choices for a client.
#[derive(Default)]
pub struct ClientBuilder {
    options: OptionSet,
    hashes_at_once: bool,
    on_demand: Option<Box<dyn Fn() + Send + Sync>>,
}

impl ClientBuilder {
    /// Sets all that `options` has set; what it refused is an error of [`ClientBuilder::build`]. Options of uploads are
    /// given to those.
    #[must_use]
    pub fn options(mut self, options: &OptionSet) -> Self {
        self.options.merge(options);
        self
    }

    /// Acknowledged bytes are hashed from the first one on, and not only where an upload lasts: for benchmarks and
    /// tests.
    #[doc(hidden)]
    #[must_use]
    pub fn hash_from_first_byte(mut self) -> Self {
        self.hashes_at_once = true;
        self
    }

    /// Callbacks run in [`Client::dispatch`] only, and `notify` is called from a thread of the
    /// client whenever an event waits. It must not block and must not call the client.
    #[must_use]
    pub fn dispatch_on_demand(mut self, notify: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_demand = Some(Box::new(notify));
        self
    }

    /// Starts the engine.
    pub fn build(self) -> Result<Client, Error> {
        bitsup_wipe::init();
        curl::init();
        // Without a function to be told by, nothing could be dispatched.
        let ClientOptions { user_agent, limit_rate, uploads_per_host, state_dir, dispatch: _ } =
            self.options.client_options()?;
        let limiter = Arc::new(match limit_rate {
            Some(LimitRate::Always(limit)) => RateLimiter::new(Some(limit)),
            _ => RateLimiter::new(None),
        });
        if let Some(LimitRate::Timetable(timetable)) = limit_rate {
            limiter.follow(timetable);
        }
        let user_agent =
            user_agent.unwrap_or_else(|| concat!("bitsup/", env!("CARGO_PKG_VERSION")).into());
        crate::options::Header::new("X-User-Agent", &user_agent).map_err(|_| {
            Error::invalid("the user agent has a character that no header may hold")
        })?;
        let state_directory = state_dir.map(|folder| {
            crate::options::absolute(&folder).map_err(|error| {
                let what = format_args!("cannot find the state directory {}", folder.display());
                Error::local(what, &error)
            })
        });
        let settings = Arc::new(Settings {
            uploads_per_host: match uploads_per_host.unwrap_or(16) {
                0 => Parallelism::automatic(),
                limit => Parallelism::fixed(limit),
            },
            state_directory: state_directory.transpose()?,
            hash_after: if self.hashes_at_once { Duration::ZERO } else { HASH_AFTER },
            user_agent,
        });
        let delivery = self.on_demand.map_or(Delivery::Thread, Delivery::OnDemand);
        let (inbox, dispatcher, thread, ended) =
            crate::engine::start(Arc::clone(&settings), Arc::clone(&limiter), delivery)?;
        let inner = ClientInner {
            inbox,
            limiter,
            dispatcher,
            next: AtomicU64::new(1),
            settings,
            state: Mutex::default(),
            process: std::process::id(),
            thread: Mutex::new(Some(thread)),
            ended: Mutex::new(ended),
        };
        Ok(Client { inner: Arc::new(inner) })
    }
}

impl Client {
    /// A client with the defaults.
    pub fn new() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Begins to describe a client.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Begins to describe an upload of `source` to `url`. A URL that ends in `/` gets the
    /// source's name appended.
    #[must_use]
    pub fn upload(&self, source: Source, url: &str) -> UploadBuilder {
        UploadBuilder {
            client: self.clone(),
            source,
            url: url.to_owned(),
            options: UploadOptions::default(),
            listener: None,
            filter: EventFilter::default(),
            on_retry: None,
            token: None,
            continuing: false,
        }
    }

    pub(crate) fn inner(&self) -> &Arc<ClientInner> {
        &self.inner
    }

    /// Asks whether a BITS server answers at `url`.
    pub fn ping(&self, url: &str, options: &UploadOptions) -> Result<PingReport, Error> {
        self.inner.check_process()?;
        crate::packets::ping(&self.inner, url, options)
    }

    /// Diagnoses the path to a server: proxy, name, connection, certificates, login, and whether a session takes a
    /// byte. That session is for a file of its own in the folder of `url`, and is cancelled again: the file at `url` is
    /// not touched. Problems are in the report; an error is a URL or an option that cannot be used. It takes less than
    /// 20 seconds, whatever the server does, but for the time in which the caller is asked for a login.
    pub fn doctor(&self, url: &str, options: &UploadOptions) -> Result<DoctorReport, Error> {
        self.inner.check_process()?;
        crate::doctor::examine(&self.inner, url, options)
    }

    /// Opens a session to be driven packet by packet: the caller sends each Fragment, and
    /// nothing is tried again.
    pub fn session(
        &self,
        url: &str,
        size: u64,
        name: &str,
        options: &UploadOptions,
    ) -> Result<PacketSession, Error> {
        self.inner.check_process()?;
        PacketSession::create(&self.inner, url, size, name, options)
    }

    /// Changes the limit that all uploads share, in bytes a second; acts at once. A timetable
    /// holds no more.
    pub fn set_rate_limit(&self, limit: Option<u64>) {
        self.inner.limiter.set(limit);
        self.inner.send(Command::RateChanged);
    }

    /// From now on the limit that all uploads share follows the local time of day; a change of
    /// hour acts within a second.
    pub fn set_rate_timetable(&self, timetable: RateTimetable) {
        self.inner.limiter.follow(timetable);
        self.inner.send(Command::RateChanged);
    }

    /// Runs at most `max` callbacks that wait, on this thread, without waiting for more; for
    /// clients made with [`ClientBuilder::dispatch_on_demand`]. Returns how many ran and
    /// whether more wait.
    pub fn dispatch(&self, max: usize) -> Result<(usize, bool), Error> {
        self.inner.check_process()?;
        Ok(self.inner.dispatcher.dispatch(max))
    }

    /// How many uploads can be active at once by the limit of open files that this process has
    /// now; the others wait as `queued`. A client takes this number when it is built.
    #[must_use]
    pub fn most_active() -> usize {
        crate::engine::most_active()
    }

    /// Ends the client now, within two seconds, also where clones and uploads of it are alive.
    /// Uploads that still run are stopped as if their handles were dropped; they, and what is
    /// started later, end with an error of kind `Cancelled`. No event follows.
    pub fn shutdown(&self) {
        self.inner.shutdown();
    }

    /// The folder for what lets uploads continue, if there is one.
    #[must_use]
    pub fn state_directory(&self) -> Option<&std::path::Path> {
        self.inner.state_directory()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").finish_non_exhaustive()
    }
}

impl ClientInner {
    pub(crate) fn send(&self, command: Command) {
        if self.process == std::process::id() {
            self.inbox.send(command);
        }
    }

    /// Has the engine do this with an upload, if it is still there.
    pub(crate) fn with_task(
        &self,
        id: TaskId,
        act: impl FnOnce(&mut Task, &mut Core) + Send + 'static,
    ) {
        self.send(Command::Task(id, Box::new(act)));
    }

    /// The state directory, for what cannot be done without one.
    pub(crate) fn state_directory(&self) -> Option<&std::path::Path> {
        self.settings.state_directory.as_deref()
    }

    pub(crate) fn state(&self) -> Result<StateDirectory, Error> {
        let folder = self.state_directory().ok_or_else(|| {
            Error::invalid("the client has no state directory, and so no sessions: give it one")
        })?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Opened once, unless another directory has been put in its place.
        if let Some(directory) = state.as_ref().filter(|directory| directory.is_at(folder)) {
            return Ok(directory.clone());
        }
        Ok(state.insert(StateDirectory::open(folder)?).clone())
    }

    /// The same, where one is there already.
    pub(crate) fn state_if_any(&self) -> Result<Option<StateDirectory>, Error> {
        match self.settings.state_directory.as_deref() {
            Some(folder) => StateDirectory::existing(folder),
            None => self.state().map(Some),
        }
    }

    /// The kept session of this upload; or none, and a warning why nothing can be kept.
    fn kept(
        &self,
        source: &Source,
        destination: &Destination,
        options: &UploadOptions,
        continuing: bool,
    ) -> Result<(Option<journal::OpenedJournal>, Option<String>), Error> {
        let Some(folder) = self.settings.state_directory.as_deref().filter(|_| !options.no_resume)
        else {
            return Ok((None, None));
        };
        let opened = self
            .state()
            .and_then(|directory| journal::open(&directory, source, destination, options.fresh));
        let error = match opened {
            Ok(kept) if kept.as_ref().is_some_and(|kept| kept.lost) => {
                return Ok((kept, Some(LEFT_BEHIND.into())));
            }
            Ok(kept) => return Ok((kept, None)),
            Err(error) => error,
        };
        if let Some(shortage) = journal::shortage(&error, folder, source, destination) {
            return Err(shortage);
        }
        let goes_on = error.kind() == ErrorKind::LocalFile
            && journal::is_environment(&error)
            && !(options.require_resume || continuing);
        if goes_on {
            return Ok((None, Some(format!("cannot store resume state: {error}"))));
        }
        Err(error)
    }

    /// Sees to it that there is a thread for callbacks.
    pub(crate) fn make_ready(&self) -> Result<(), Error> {
        self.dispatcher.make_ready()
    }

    pub(crate) fn next_task(&self) -> TaskId {
        TaskId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn shutdown(&self) {
        if self.process != std::process::id() {
            return;
        }
        self.dispatcher.close();
        self.inbox.send(Command::Shutdown);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let here = std::thread::current().id();
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != here) {
            // The sender is dropped when the thread ends.
            let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            if !matches!(ended.recv_timeout(SHUTDOWN_GRACE), Err(mpsc::RecvTimeoutError::Timeout)) {
                drop(thread.join());
            }
        }
        // Handles of uploads may outlive the client, and its log goes with the last who may use it.
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A fork has no engine thread; compared before any lock, since a lock may be held for ever there.
    pub(crate) fn check_process(&self) -> Result<(), Error> {
        if self.process == std::process::id() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::InvalidArgument,
            "this client was made before a fork, and its thread is not in this process: make a new client after the fork",
        ))
    }
}

impl Drop for ClientInner {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// What decides about next tries.
type RetryHook = Box<dyn FnMut(&Error, u32) -> RetryDecision + Send>;

/// A listener that asks `decide` as well.
fn deciding(upload: Reporter, mut decide: RetryHook, mut listener: Option<Listener>) -> Listener {
    Box::new(move |event| {
        let flow = listener.as_mut().map_or(Flow::Continue, |listener| listener(event));
        if let Event::Retry { cause, attempt, .. } = event {
            let decision = decide(cause, *attempt);
            upload.report(move |task, core| task.decided(decision, core));
        }
        flow
    })
}

/// An upload that is not started yet.
pub struct UploadBuilder {
    client: Client,
    source: Source,
    url: String,
    options: UploadOptions,
    listener: Option<Listener>,
    filter: EventFilter,
    on_retry: Option<RetryHook>,
    token: Option<Token>,
    continuing: bool,
}

impl UploadBuilder {
    /// Takes these options instead of the defaults.
    #[must_use]
    pub fn options(mut self, options: UploadOptions) -> Self {
        self.options = options;
        self
    }

    /// Calls `listener` for each event, never twice at the same time. It must not wait for
    /// the upload.
    #[must_use]
    pub fn on_event(mut self, listener: impl FnMut(&Event) -> Flow + Send + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Calls the listener of [`UploadBuilder::on_event`] for these events only.
    #[must_use]
    pub fn event_filter(mut self, filter: EventFilter) -> Self {
        self.filter = filter;
        self
    }

    /// Asks `decide` before each next try, with what went wrong and the number of tries since
    /// the last progress. It runs where the events run, never at the same time as one of this
    /// upload's, and after none that came later; it must not wait for the upload.
    ///
    /// It is not called for failures that are never retried, nor when a limit that is set
    /// ends the upload. An answer is awaited for ten seconds, or until the time of the
    /// next try if that is later; then the upload goes on as if it had been
    /// [`RetryDecision::Retry`]. While a session is being cancelled it counts for nothing.
    #[must_use]
    pub fn on_retry(
        mut self,
        decide: impl FnMut(&Error, u32) -> RetryDecision + Send + 'static,
    ) -> Self {
        self.on_retry = Some(Box::new(decide));
        self
    }

    pub(crate) fn continuing(mut self) -> Self {
        self.continuing = true;
        self
    }

    pub(crate) fn with_token(mut self, token: Token) -> Self {
        self.token = Some(token);
        self
    }

    /// Starts. With a state directory this goes on with a session that was kept for the same
    /// source and URL. Bad arguments are errors here; everything else comes from [`Upload::wait`].
    pub fn start(mut self) -> Result<Upload, Error> {
        let inner = &self.client.inner;
        inner.check_process()?;
        let mut destination = Destination::parse(&self.url)?;
        self.options.check(destination.origin.is_https())?;
        self.options.check_proxy(&destination)?;
        self.options.locate()?;
        let reply_place = reply_place(&self.options)?;
        if destination.is_folder() {
            let name = self.source.url_name().ok_or_else(|| {
                Error::invalid(
                    "the URL ends in / and the source has no name to append: give the whole URL",
                )
            })?;
            destination = destination.with_name(&name);
        }
        let (kept, warning) =
            inner.kept(&self.source, &destination, &self.options, self.continuing)?;
        let (journal, mut entry) =
            kept.map_or((None, None), |kept| (Some(kept.journal), kept.entry));
        if self.token.is_some() {
            // That of the token takes its place.
            entry = None;
        }
        let (opening, check) = match (&self.token, &entry) {
            (Some(token), _) => sessions::opening_of_token(token, &self.source)?,
            (None, Some(entry)) => sessions::opening(entry, &self.source, &self.options)?,
            (None, None) if self.continuing => {
                return Err(Error::invalid(
                    "the session is over, or was continued by another upload",
                ));
            }
            (None, None) => (Opening::New, None),
        };
        let resume_id = journal.as_ref().map(|journal| journal.id().to_owned());
        let id = inner.next_task();
        let decides = self.on_retry.is_some();
        let listener = match self.on_retry {
            Some(on_retry) => Some(deciding(inner.inbox.reporter(id), on_retry, self.listener)),
            None => self.listener,
        };
        if listener.is_some() || self.options.asks_caller() {
            inner.make_ready()?;
        }
        let subscriber = Subscriber::new(id, listener, self.filter);
        let shared = Arc::new(Shared::new(id, subscriber, self.source.size()));
        let new = NewUpload {
            shared: Arc::clone(&shared),
            source: self.source,
            destination,
            options: self.options,
            opening,
            check,
            journal,
            entry,
            warning,
            decides,
            reply_place,
        };
        inner.send(Command::Start(id, Box::new(new)));
        Ok(Upload::new(shared, Arc::clone(inner)).kept_as(resume_id))
    }
}

impl fmt::Debug for UploadBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadBuilder").field("source", &self.source).finish_non_exhaustive()
    }
}
