//! What other threads ask of the engine.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Core;
use super::connection_auth::Begun;
use super::credential_prompts::Reply;
use super::task::{NewUpload, PacketJob, Task};
use crate::transport::{ConnectionId, Waker};

pub(crate) use bitsup_core::TaskId;

/// What to do with an upload.
pub(crate) type Act = Box<dyn FnOnce(&mut Task, &mut Core) + Send>;

pub(crate) enum Command {
    Start(TaskId, Box<NewUpload>),
    /// The caller wants something of an upload, or a worker has finished what it waits for.
    Task(TaskId, Act),
    /// A worker has read bytes for the Fragment under way.
    BodyReady(TaskId),
    /// The first step of a connection's login was made, or cannot be.
    LoginBegun(ConnectionId, Begun),
    /// A question for a login was answered, or could not be put.
    Prompted(u64, Reply),
    /// Send one packet of a packet-by-packet session, or a Ping.
    Packet(TaskId, Box<PacketJob>),
    /// The packet-by-packet session is gone.
    ClosePackets(TaskId),
    /// The shared limit has changed.
    RateChanged,
    /// Stop all uploads, and end.
    Shutdown,
}

impl Command {
    /// The engine has ended: threads that wait for it must not wait for ever.
    fn refuse(self) {
        if let Self::Start(_, new) = self {
            new.shared.finish_closed();
        }
    }
}

/// Where a worker reports to for one upload.
#[derive(Clone)]
pub(crate) struct Reporter {
    inbox: Inbox,
    task: TaskId,
}

impl Reporter {
    /// Has the engine do this with the upload, if it is still there.
    pub(crate) fn report(&self, act: impl FnOnce(&mut Task, &mut Core) + Send + 'static) {
        self.inbox.send(Command::Task(self.task, Box::new(act)));
    }
}

/// Where commands go; any thread may send.
#[derive(Clone)]
pub(crate) struct Inbox {
    /// `None` once the engine has ended.
    commands: Arc<Mutex<Option<Vec<Command>>>>,
    waker: Waker,
}

impl Inbox {
    pub(crate) fn new(waker: Waker) -> Self {
        Self { commands: Arc::new(Mutex::new(Some(Vec::new()))), waker }
    }

    pub(crate) fn send(&self, command: Command) {
        let mut commands = self.lock();
        let Some(waiting) = commands.as_mut() else {
            drop(commands);
            command.refuse();
            return;
        };
        waiting.push(command);
        drop(commands);
        self.waker.wake();
    }

    /// Where workers of that upload report to.
    pub(crate) fn reporter(&self, task: TaskId) -> Reporter {
        Reporter { inbox: self.clone(), task }
    }

    /// Makes the engine look up without telling it anything.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    pub(crate) fn take(&self) -> Vec<Command> {
        self.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The engine ends; commands that come later are refused.
    pub(crate) fn close(&self) {
        let waiting = self.lock().take();
        waiting.into_iter().flatten().for_each(Command::refuse);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Command>>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
