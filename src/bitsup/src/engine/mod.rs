//! The engine: one thread that drives all uploads of a client.
//!
//! It waits in one place, [`Transport::poll`]. What may take long (reads from slow sources,
//! callbacks, hashing, syncs) runs on other threads, which answer with a [`Command`]. The
//! numbered steps are those of the driving contract of `bitsup_proto::session`.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Weak, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bitsup_core::journal::SYNC;
use bitsup_core::{ClientState, Hosts, Parallelism, Random};
use bitsup_proto::Moment;

mod auth;
mod body;
mod challenge;
mod chunk;
mod command;
mod connection_auth;
mod credential_prompts;
mod digest;
mod files;
mod mechanism;
#[cfg(feature = "ntlm")]
mod ntlm;
mod polite;
mod rate;
mod reply;
mod sent_hash;
mod task;
#[cfg(test)]
mod tests;
mod thread;
mod workers;

pub(crate) use auth::offered;
pub(crate) use command::{Command, Inbox, Reporter, TaskId};
pub(crate) use files::most_active;
pub(crate) use rate::RateLimiter;
pub(crate) use reply::place as reply_place;
pub(crate) use task::{
    Check, NewUpload, PacketAnswer, PacketEvent, PacketFailure, PacketJob, Task,
};
pub(crate) use thread::spawn;
pub(crate) use workers::Workers;

use crate::callbacks::{Delivery, Dispatcher};
use crate::error::{Error, ErrorKind};
use crate::journal::{Endpoints, IntentLog, JournalWriter};
use crate::transport::{self, ConnectionId, Transport};
use body::Buffers;

/// Without timers the engine looks up so often.
const IDLE: Duration = Duration::from_secs(3600);
/// When the client goes, sessions that would be orphaned are cancelled within this time.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(1500);

/// The choices for a client that concern the engine.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) uploads_per_host: Parallelism,
    pub(crate) state_directory: Option<PathBuf>,
    /// Nothing that was sent is hashed before an upload has sent for this long.
    pub(crate) hash_after: Duration,
    pub(crate) user_agent: String,
}

/// What tasks need of the engine.
pub(crate) struct Core {
    pub(crate) transport: Transport,
    pub(crate) settings: Arc<Settings>,
    pub(crate) inbox: Inbox,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) limiter: Arc<RateLimiter>,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) connections: BTreeMap<ConnectionId, TaskId>,
    pub(crate) client: ClientState,
    pub(crate) logins: auth::Logins,
    pub(crate) endpoints: Endpoints,
    pub(crate) prompts: credential_prompts::CredentialPrompts,
    pub(crate) auths: connection_auth::ConnectionAuths,
    /// When which log of short uploads is synced, since they have noted something.
    noted: Option<(Instant, Weak<IntentLog>)>,
    clock: Instant,
    /// Jitter needs to differ between processes, not to be secret.
    random: Random,
}

struct Engine {
    core: Core,
    /// In boxes, since the map moves its values.
    tasks: BTreeMap<TaskId, Box<Task>>,
    timers: BTreeSet<(Instant, TaskId)>,
    /// When to look for the rate limit of the hour.
    next_look: Option<Instant>,
    /// Until when to stay although the client is gone.
    farewell: Option<Instant>,
}

/// Starts the engine's thread. The receiver ends when the thread does.
#[expect(clippy::type_complexity, reason = "four parts for one caller")]
pub(crate) fn start(
    settings: Arc<Settings>,
    limiter: Arc<RateLimiter>,
    delivery: Delivery,
) -> Result<(Inbox, Arc<Dispatcher>, JoinHandle<()>, mpsc::Receiver<()>), Error> {
    let (begun, begin) = mpsc::channel();
    let (ending, ended) = mpsc::channel();
    let run = move || {
        let _ending: mpsc::Sender<()> = ending;
        let transport = match Transport::new() {
            Ok(transport) => transport,
            Err(failure) => {
                drop(begun.send(Err(task::error_of(failure))));
                return;
            }
        };
        let inbox = Inbox::new(transport.waker());
        let dispatcher = Arc::new(Dispatcher::new(inbox.clone(), delivery));
        drop(begun.send(Ok((inbox.clone(), Arc::clone(&dispatcher)))));
        let hosts = Hosts::new(settings.uploads_per_host, most_active());
        let folder = settings.state_directory.as_deref();
        let endpoints = Endpoints::open(folder.map(|folder| folder.join("endpoints.json")));
        let core = Core {
            transport,
            settings,
            inbox,
            dispatcher,
            limiter,
            buffers: Arc::default(),
            workers: Arc::new(Workers::new()),
            connections: BTreeMap::new(),
            client: ClientState::new(hosts),
            logins: auth::Logins::default(),
            endpoints,
            prompts: credential_prompts::CredentialPrompts::default(),
            auths: connection_auth::ConnectionAuths::new(),
            noted: None,
            clock: Instant::now(),
            random: Random::new(RandomState::new().build_hasher().finish()),
        };
        let engine = Engine {
            core,
            tasks: BTreeMap::new(),
            timers: BTreeSet::new(),
            next_look: None,
            farewell: None,
        };
        engine.run();
    };
    let thread = spawn("bitsup", run).map_err(|error| Error::of_thread(&error))?;
    match begin.recv() {
        Ok(Ok((inbox, dispatcher))) => Ok((inbox, dispatcher, thread, ended)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::new(ErrorKind::Internal, "the client's thread ended at once")),
    }
}

impl Engine {
    fn run(mut self) {
        let mut events = Vec::new();
        loop {
            for command in self.core.inbox.take() {
                self.handle_command(command);
            }
            if self.is_over() {
                for task in self.tasks.values() {
                    task.closed();
                }
                self.core.inbox.close();
                return;
            }
            self.apply_rate_schedule();
            let timeout = self.timeout();
            self.core.transport.poll(timeout, &mut events);
            for event in events.drain(..) {
                self.exchange_ended(event);
            }
            self.wake_throttled();
            self.run_timers();
            self.core.sync_notes();
        }
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Start(id, new) => {
                let task = Task::begin(id, *new, &mut self.core);
                self.tasks.insert(id, Box::new(task));
                self.step(id);
            }
            Command::Task(id, act) => self.with(id, act),
            Command::BodyReady(id) => {
                if let Some(pinned) = self.tasks.get(&id).and_then(|task| task.pinned()) {
                    self.core.transport.resume_body(pinned);
                }
            }
            Command::LoginBegun(pinned, begun) => {
                if let Some(event) = self.core.login_begun(pinned, begun) {
                    self.exchange_ended(event);
                }
            }
            Command::Prompted(number, reply) => self.prompted(number, reply),
            // Where the client is gone the caller accepts of it by the end of its channel.
            Command::Packet(id, job) if self.farewell.is_none() => {
                let core = &mut self.core;
                let new = || Box::new(Task::for_packets(id, &job, core));
                let task = self.tasks.entry(id).or_insert_with(new);
                task.send_packet(*job);
                self.step(id);
            }
            Command::Packet(..) => {}
            Command::ClosePackets(id) => {
                if let Some(task) = self.tasks.remove(&id) {
                    self.timers.retain(|(_, own)| *own != id);
                    task.end_packets(&mut self.core);
                    self.wake_others();
                }
            }
            Command::RateChanged => {
                self.next_look = None;
                self.wake_throttled();
            }
            Command::Shutdown => {
                self.farewell = Some(Instant::now() + SHUTDOWN_GRACE);
                self.tasks.retain(|_, task| !task.is_packets());
                for id in self.tasks.keys().copied().collect::<Vec<_>>() {
                    self.with(id, Task::abandon);
                }
            }
        }
    }

    fn with(&mut self, id: TaskId, act: impl FnOnce(&mut Task, &mut Core)) {
        if let Some(task) = self.tasks.get_mut(&id) {
            act(task, &mut self.core);
            self.step(id);
        }
    }

    /// Lets a task do what it can (step 2), and sees to its timer and its end.
    fn step(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if let Some(old) = task.timer.take() {
            self.timers.remove(&(old, id));
        }
        task.step(&mut self.core);
        task.timer = task.wake_at();
        self.timers.extend(task.timer.map(|at| (at, id)));
        if task.is_gone() {
            self.tasks.remove(&id);
        }
        self.wake_others();
    }

    /// Lets those go on that waited for a slot, or for a verdict on credentials.
    fn wake_others(&mut self) {
        while let Some(next) = self.core.client.hosts.next_admitted() {
            self.with(next, Task::admit);
        }
        while let Some(next) = self.core.client.credentials.next_woken() {
            self.with(next, |_, _| {});
        }
    }

    /// Step 3: how an exchange ended.
    fn exchange_ended(&mut self, event: transport::Event) {
        let Some(id) = self.core.connections.get(&event.pinned).copied() else { return };
        // It may have been given up since it ended.
        if self.tasks.get(&id).is_some_and(|task| !task.is_current(event.number)) {
            return;
        }
        let Some(event) = self.core.on_event(event) else { return };
        self.with(id, |task, core| task.exchange_ended(event, core));
    }

    fn run_timers(&mut self) {
        let now = Instant::now();
        while let Some((at, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, id));
            if let Some(task) = self.tasks.get_mut(&id) {
                task.timer = None;
                self.step(id);
            }
        }
    }

    /// Asks the bodies again that waited for their turn under the rate limit.
    fn wake_throttled(&mut self) {
        for id in self.core.limiter.call() {
            if let Some(pinned) = self.tasks.get(&id).and_then(|task| task.pinned()) {
                self.core.transport.resume_body(pinned);
            }
        }
    }

    /// Follows the timetable of rates, if there is one, while there is something to send.
    fn apply_rate_schedule(&mut self) {
        if self.tasks.is_empty() {
            self.next_look = None;
        } else if self.next_look.is_none_or(|at| at <= Instant::now()) {
            self.next_look = self.core.limiter.look().map(|wait| Instant::now() + wait);
            self.wake_throttled();
        }
    }

    fn timeout(&self) -> Duration {
        let now = Instant::now();
        let timer = self.timers.first().map(|(at, _)| *at);
        let notes = self.core.noted.as_ref().map(|(at, _)| *at);
        let all = [timer, notes, self.core.limiter.next_turn(), self.next_look, self.farewell];
        let next = all.into_iter().flatten().fold(now + IDLE, Instant::min);
        next.saturating_duration_since(now)
    }

    fn is_over(&self) -> bool {
        self.farewell.is_some_and(|at| self.tasks.is_empty() || Instant::now() >= at)
    }
}

impl Core {
    /// An upload has noted something, which is to survive a power cut from a while later on: one sync for all
    /// uploads, and none for what is over by then.
    pub(crate) fn noted(&mut self, writer: &JournalWriter) {
        let log = writer.log();
        // That of a folder that is gone is of no more use.
        if self.noted.as_ref().is_none_or(|(_, noted)| !noted.ptr_eq(&log)) {
            self.noted = Some((Instant::now() + SYNC, log));
        }
    }

    fn sync_notes(&mut self) {
        let now = Instant::now();
        let due = self.noted.take_if(|(at, _)| *at <= now);
        if let Some(log) = due.and_then(|(_, log)| log.upgrade()) {
            // At worst a power cut takes what was noted.
            self.workers.run(move || drop(log.sync()));
        }
    }

    pub(crate) fn now(&mut self) -> Moment {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Moment { monotonic: self.clock.elapsed(), unix, random: self.random.bits() }
    }

    /// The instant of a time that the state machine named.
    pub(crate) fn instant(&self, monotonic: Duration) -> Instant {
        self.clock.checked_add(monotonic).unwrap_or_else(|| Instant::now() + IDLE)
    }
}
