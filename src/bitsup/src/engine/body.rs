//! The bytes of one Fragment on their way from the source to libcurl's buffer.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bitsup_proto::ContentRange;

use super::Inbox;
use super::command::{Command, TaskId};
use super::rate::RateLimiter;
use super::workers::Workers;
use crate::source::Opened;
use crate::transport::{Body, BodyRead};

/// One read from a source that may wait: as large as libcurl's upload buffer.
const CHUNK: usize = 256 * 1024;

/// Reads the bytes of a range.
pub(crate) struct FragmentBody {
    source: Opened,
    range: ContentRange,
    at: u64,
    limiter: Arc<RateLimiter>,
    /// Bytes of this Fragment handed to libcurl.
    sent: Arc<AtomicU64>,
    ahead: Ahead,
    throttled: Arc<Throttled>,
    task: TaskId,
    inbox: Inbox,
    workers: Arc<Workers>,
}

/// Uploads that wait for their turn under the rate limit, in order.
pub(crate) type Throttled = Mutex<Vec<TaskId>>;

/// What a worker reads for us.
#[derive(Default)]
struct Ahead {
    slot: Arc<Mutex<Slot>>,
    taken: usize,
}

#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    Reading,
    Ready(io::Result<Vec<u8>>),
}

/// What a body needs of its engine.
pub(crate) struct Surroundings<'a> {
    pub(crate) limiter: &'a Arc<RateLimiter>,
    pub(crate) throttled: &'a Arc<Throttled>,
    pub(crate) workers: &'a Arc<Workers>,
    pub(crate) inbox: &'a Inbox,
}

impl FragmentBody {
    pub(crate) fn new(
        source: Opened,
        range: ContentRange,
        sent: Arc<AtomicU64>,
        task: TaskId,
        around: &Surroundings<'_>,
    ) -> Self {
        sent.store(0, Ordering::Relaxed);
        Self {
            source,
            range,
            at: range.first(),
            limiter: Arc::clone(around.limiter),
            sent,
            ahead: Ahead::default(),
            throttled: Arc::clone(around.throttled),
            task,
            inbox: around.inbox.clone(),
            workers: Arc::clone(around.workers),
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(result) = self.ahead.take(buffer) {
            return result;
        }
        match self.source.read_now(buffer, self.at) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.read_ahead();
                Err(error)
            }
            result => result,
        }
    }

    fn read_ahead(&mut self) {
        let left = self.range.end() - self.at;
        let length = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        *self.ahead.lock() = Slot::Reading;
        self.ahead.taken = 0;
        let (slot, source, at) = (Arc::clone(&self.ahead.slot), self.source.clone(), self.at);
        let (inbox, task) = (self.inbox.clone(), self.task);
        self.workers.run(move || {
            // Sent also if a caller's reader panics: then the slot says what happened.
            let ready = OnDrop(move || inbox.send(Command::BodyReady(task)));
            let mut guard = Delivery { slot, result: None };
            let mut buffer = vec![0; length];
            let read = source.read(&mut buffer, at);
            if matches!(&read, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
                // Held until the source wakes us: then the slot is empty and the engine asks again.
                guard.result = Some(Err(io::ErrorKind::WouldBlock.into()));
                source.when_ready(at, Box::new(move || drop((guard, ready))));
                return;
            }
            guard.result = Some(read.map(|count| {
                buffer.truncate(count);
                buffer
            }));
            // Whoever is told that the bytes are there may want its source back.
            drop(source);
        });
    }
}

impl Body for FragmentBody {
    fn read(&mut self, buffer: &mut [u8]) -> BodyRead {
        let left = self.range.end() - self.at;
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let granted = self.limiter.take(wanted);
        if granted == 0 {
            self.throttled.lock().unwrap_or_else(PoisonError::into_inner).push(self.task);
            // The engine's wait was set before it could know of this turn.
            self.inbox.wake();
            return BodyRead::Wait;
        }
        let Some(buffer) = buffer.get_mut(..granted) else {
            return BodyRead::Failed(io::ErrorKind::InvalidInput.into());
        };
        match self.fill(buffer) {
            Ok(0) => BodyRead::Failed(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.at += count as u64;
                self.sent.store(self.at - self.range.first(), Ordering::Relaxed);
                BodyRead::Bytes(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => BodyRead::Wait,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.read(buffer),
            Err(error) => BodyRead::Failed(error),
        }
    }

    fn rewind(&mut self) {
        self.at = self.range.first();
        self.ahead = Ahead::default();
        self.sent.store(0, Ordering::Relaxed);
    }
}

impl Ahead {
    /// What a worker has read, `WouldBlock` while it reads, `None` if it was not asked.
    fn take(&mut self, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        let slot = Arc::clone(&self.slot);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            Slot::Empty => return None,
            Slot::Reading => return Some(Err(io::ErrorKind::WouldBlock.into())),
            Slot::Ready(Ok(read)) if !read.is_empty() => {
                let rest = read.get(self.taken..).unwrap_or_default();
                let count = rest.len().min(buffer.len());
                if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
                    to.copy_from_slice(from);
                }
                self.taken += count;
                if count < rest.len() {
                    return Some(Ok(count));
                }
                *slot = Slot::Empty;
                return Some(Ok(count));
            }
            Slot::Ready(_) => {}
        }
        match std::mem::take(&mut *slot) {
            Slot::Ready(result) => Some(result.map(|read| read.len())),
            Slot::Empty | Slot::Reading => None,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts a worker's result into the slot, also if the reader panics.
struct Delivery {
    slot: Arc<Mutex<Slot>>,
    result: Option<io::Result<Vec<u8>>>,
}

impl Drop for Delivery {
    fn drop(&mut self) {
        let result = self.result.take();
        let result =
            result.unwrap_or_else(|| Err(io::Error::other("the source's reader panicked")));
        let slot = match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Slot::Empty,
            result => Slot::Ready(result),
        };
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = slot;
    }
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
