//! The bytes of one Fragment on their way from the source to libcurl's buffer.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bitsup_core::journal::Bytes as _;
use bitsup_proto::ContentRange;
use socket2::Socket;

use super::chunk::Chunk;
use super::command::{Command, TaskId};
use super::rate::RateLimiter;
use super::sent_hash::SentHash;
use super::workers::Workers;
use super::{Core, Inbox};
use crate::source::Opened;
use crate::transport::sendfile;
use crate::transport::{Body, BodyRead, SendResult};

/// One read from a source that may wait: as large as libcurl's upload buffer.
const CHUNK: usize = 256 * 1024;

/// So much the system is asked to send at a time: if the last byte of it is in memory all is
/// taken to be, and the engine waits for the disk at most for so much if it is not.
const PASSED: usize = 1024 * 1024;

/// Reads the bytes of a range.
pub(crate) struct FragmentBody {
    source: Opened,
    range: ContentRange,
    at: u64,
    limiter: Arc<RateLimiter>,
    /// Bytes of this Fragment handed to libcurl.
    sent: Arc<AtomicU64>,
    ahead: ReadAhead,
    buffers: Arc<Buffers>,
    task: TaskId,
    inbox: Inbox,
    workers: Arc<Workers>,
    /// Hashes what is sent.
    hash: Option<SentHash>,
    /// What was read to be sent and hashed, and how much of it is sent.
    chunk: Option<(Arc<Chunk>, usize)>,
}

/// Buffers of bodies that are gone, for the next ones; more are not kept.
pub(crate) type Buffers = Mutex<Vec<Chunk>>;
const MAX_POOLED_BUFFERS: usize = 16;

/// What a worker reads for us. There is one buffer, which is used again and again.
#[derive(Default)]
struct ReadAhead {
    slot: Arc<Mutex<Slot>>,
    taken: usize,
}

enum Slot {
    /// With the buffer for the next read.
    Empty(Chunk),
    /// `wanted`: the engine has asked in vain and is to be told.
    Reading {
        wanted: bool,
    },
    Ready(io::Result<Chunk>),
}

impl Default for Slot {
    fn default() -> Self {
        Self::Empty(Chunk::default())
    }
}

impl FragmentBody {
    /// With a `hash`, what is sent is hashed as well: it is read once, and sent and hashed from there.
    pub(crate) fn new(
        source: Opened,
        range: ContentRange,
        sent: Arc<AtomicU64>,
        task: TaskId,
        hash: Option<SentHash>,
        core: &Core,
    ) -> Self {
        sent.store(0, Ordering::Relaxed);
        if let Some(hash) = &hash {
            hash.begin(range.first(), &core.workers);
        }
        Self {
            source,
            range,
            at: range.first(),
            limiter: Arc::clone(&core.limiter),
            sent,
            ahead: ReadAhead::default(),
            buffers: Arc::clone(&core.buffers),
            task,
            inbox: core.inbox.clone(),
            workers: Arc::clone(&core.workers),
            hash,
            chunk: None,
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(result) = self.ahead.take(buffer) {
            if let Ok(count) = &result
                && self.source.always_waits()
            {
                // Read while these are sent.
                self.read_ahead(self.at + *count as u64, false);
            }
            return result;
        }
        match self.source.read_now(buffer, self.at) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.read_ahead(self.at, true);
                Err(error)
            }
            result => result,
        }
    }

    /// Has the system send up to `most` bytes on the connection: of the file, or what a worker
    /// has read of it.
    fn pass_some(&mut self, connection: &Socket, most: usize) -> SendResult {
        let (hash, workers) = (self.hash.as_ref(), &self.workers);
        let sent = |bytes: &[u8]| {
            if let Some(hash) = hash {
                hash.add(bytes, workers);
            }
        };
        let passed = match (self.ahead.pass(connection, most, sent), hash) {
            (Some(passed), _) => passed,
            (None, None) => self.source.pass(connection, self.at, most),
            (None, Some(hash)) => self.pass_read(connection, most, &hash.clone()),
        };
        if matches!(passed, SendResult::Wait) {
            self.read_ahead(self.at, true);
        }
        passed
    }

    /// The same of a chunk that is read, since the bytes that are sent are to be those that are hashed.
    fn pass_read(&mut self, connection: &Socket, most: usize, hash: &SentHash) -> SendResult {
        let (buffer, sent) = match self.chunk.take() {
            Some(chunk) => chunk,
            None => match self.read_chunk(hash) {
                Ok(buffer) => (Arc::new(buffer), 0),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return SendResult::Wait,
                Err(error) => return SendResult::Failed(error),
            },
        };
        let rest = buffer.get(sent..).unwrap_or_default();
        let passed = sendfile::send(connection, rest.get(..most).unwrap_or(rest));
        let end = if let SendResult::Bytes(count) = passed { sent + count } else { sent };
        if end > sent {
            hash.add_from(&buffer, sent..end, &self.workers);
        }
        if end < buffer.len() {
            self.chunk = Some((buffer, end));
        } else {
            hash.give_back(buffer);
        }
        passed
    }

    /// Reads what is sent next, without waiting.
    fn read_chunk(&self, hash: &SentHash) -> io::Result<Chunk> {
        let left = self.range.end().saturating_sub(self.at);
        let most = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        let mut buffer = hash.buffer();
        let read = buffer.read(most, |room| match self.source.read_now(room, self.at) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            read => read,
        });
        match read {
            Ok(()) => Ok(buffer),
            Err(error) => {
                hash.give_back(Arc::new(buffer));
                Err(error)
            }
        }
    }

    /// Counts bytes that were handed to the connection.
    fn advance(&mut self, count: usize) {
        self.at += count as u64;
        self.sent.store(self.at - self.range.first(), Ordering::Relaxed);
    }

    /// Lets a worker read from `at` on, if it has nothing to do for this body and bytes are left.
    fn read_ahead(&mut self, at: u64, wanted: bool) {
        let left = self.range.end().saturating_sub(at);
        let length = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        let mut slot = self.ahead.lock();
        let Slot::Empty(buffer) = &mut *slot else { return };
        if length == 0 {
            return;
        }
        let mut buffer = std::mem::take(buffer);
        if buffer.is_new() {
            let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
            buffer = buffers.pop().unwrap_or_default();
        }
        *slot = Slot::Reading { wanted };
        drop(slot);
        self.ahead.taken = 0;
        let source = self.source.clone();
        let mut delivery = Delivery {
            slot: Arc::clone(&self.ahead.slot),
            result: None,
            inbox: self.inbox.clone(),
            task: self.task,
        };
        let may_wait = source.always_waits();
        let job = move || {
            let read = buffer.read(length, |room| source.explain(source.read(room, at)));
            if matches!(&read, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
                // Held until the source wakes us: then the slot is empty and the engine asks again.
                delivery.result = Some(Err(io::Error::other(NEVER_READY)));
                let wake = move || {
                    delivery.result = Some(Err(io::ErrorKind::WouldBlock.into()));
                    drop(delivery);
                };
                source.when_ready(at, Box::new(wake));
                return;
            }
            source.soon(at + length as u64);
            delivery.result = Some(read.map(|()| buffer));
            // After the delivery the caller may want its source back.
            drop(source);
            drop(delivery);
        };
        if !may_wait {
            self.workers.run(job);
        } else if let Err(error) = self.workers.run_waiting(job) {
            // The job was dropped with its delivery: this is what was to be delivered.
            *self.ahead.lock() = Slot::Ready(Err(io::Error::other(error)));
        }
    }
}

impl Body for FragmentBody {
    fn read(&mut self, buffer: &mut [u8]) -> BodyRead {
        if self.hash.as_ref().is_some_and(|hash| !hash.has_room()) {
            return BodyRead::Wait;
        }
        let left = self.range.end() - self.at;
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let granted = self.limiter.take(self.task, wanted);
        if granted == 0 {
            // The engine's wait was set before it could know of this turn.
            self.inbox.wake();
            return BodyRead::Wait;
        }
        let Some(buffer) = buffer.get_mut(..granted) else {
            return BodyRead::Failed(io::ErrorKind::InvalidInput.into());
        };
        let filled = loop {
            match self.fill(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                filled => break filled,
            }
        };
        // Bytes that this upload cannot send now are for the others.
        self.limiter.give_back(self.task, granted - filled.as_ref().map_or(0, |count| *count));
        match filled {
            Ok(0) => BodyRead::Failed(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                if let (Some(hash), Some(sent)) = (&self.hash, buffer.get(..count)) {
                    hash.add(sent, &self.workers);
                }
                self.advance(count);
                BodyRead::Bytes(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => BodyRead::Wait,
            Err(error) => BodyRead::Failed(error),
        }
    }

    fn can_pass(&self) -> bool {
        self.source.can_pass()
    }

    fn pass(&mut self, connection: &Socket) -> SendResult {
        if self.hash.as_ref().is_some_and(|hash| !hash.has_room()) {
            return SendResult::Wait;
        }
        let left = self.range.end() - self.at;
        let wanted = usize::try_from(left).map_or(PASSED, |left| left.min(PASSED));
        let granted = self.limiter.take(self.task, wanted);
        if granted == 0 {
            self.inbox.wake();
            return SendResult::Wait;
        }
        let passed = self.pass_some(connection, granted);
        let count = if let SendResult::Bytes(count) = passed { count } else { 0 };
        self.limiter.give_back(self.task, granted.saturating_sub(count));
        self.advance(count);
        passed
    }

    fn rewind(&mut self) {
        self.at = self.range.first();
        self.ahead = ReadAhead::default();
        self.chunk = None;
        self.sent.store(0, Ordering::Relaxed);
        if let Some(hash) = &self.hash {
            hash.begin(self.at, &self.workers);
        }
    }
}

impl Drop for FragmentBody {
    fn drop(&mut self) {
        self.limiter.forget(self.task);
        let slot = std::mem::take(&mut *self.ahead.lock());
        let (Slot::Empty(buffer) | Slot::Ready(Ok(buffer))) = slot else { return };
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        if !buffer.is_new() && buffers.len() < MAX_POOLED_BUFFERS {
            buffers.push(buffer);
        }
    }
}

impl ReadAhead {
    /// What a worker has read, copied; `WouldBlock` while it reads, `None` if it was not asked.
    fn take(&mut self, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        self.spend(buffer.len(), |bytes| {
            if let Some(to) = buffer.get_mut(..bytes.len()) {
                to.copy_from_slice(bytes);
            }
            (bytes.len(), bytes.len())
        })
    }

    /// The same, sent; what is sent is told.
    fn pass(
        &mut self,
        connection: &Socket,
        most: usize,
        sent: impl FnOnce(&[u8]),
    ) -> Option<SendResult> {
        let passed = self.spend(most, |bytes| {
            let passed = match bytes {
                [] => SendResult::Failed(io::ErrorKind::UnexpectedEof.into()),
                bytes => sendfile::send(connection, bytes),
            };
            let count = if let SendResult::Bytes(count) = passed { count } else { 0 };
            if count > 0 {
                sent(bytes.get(..count).unwrap_or_default());
            }
            (count, passed)
        })?;
        Some(passed.unwrap_or_else(|error| match error.kind() {
            io::ErrorKind::WouldBlock => SendResult::Wait,
            _ => SendResult::Failed(error),
        }))
    }

    /// Gives `most` bytes of what a worker has read to `spend`, which says how many it used.
    fn spend<R>(
        &mut self,
        most: usize,
        spend: impl FnOnce(&[u8]) -> (usize, R),
    ) -> Option<io::Result<R>> {
        let slot = Arc::clone(&self.slot);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *slot {
            Slot::Empty(_) => None,
            Slot::Reading { wanted } => {
                *wanted = true;
                Some(Err(io::ErrorKind::WouldBlock.into()))
            }
            Slot::Ready(Err(error)) => {
                let error = std::mem::replace(error, io::ErrorKind::Other.into());
                *slot = Slot::default();
                Some(Err(error))
            }
            Slot::Ready(Ok(read)) => {
                let rest = read.get(self.taken..).unwrap_or_default();
                let (used, result) = spend(rest.get(..most).unwrap_or(rest));
                self.taken += used;
                if self.taken >= read.len() {
                    *slot = Slot::Empty(std::mem::take(read));
                }
                Some(Ok(result))
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A source said `WouldBlock` and dropped the function to call when it would not.
const NEVER_READY: &str = "the source has no bytes now and does not tell when it will";

/// Puts a worker's result into the slot, also if the reader panics, and tells the engine if it
/// waits for it.
struct Delivery {
    slot: Arc<Mutex<Slot>>,
    result: Option<io::Result<Chunk>>,
    inbox: Inbox,
    task: TaskId,
}

impl Drop for Delivery {
    fn drop(&mut self) {
        let result = self.result.take();
        let result =
            result.unwrap_or_else(|| Err(io::Error::other("the source's reader panicked")));
        let new = match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Slot::default(),
            result => Slot::Ready(result),
        };
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *slot, new);
        drop(slot);
        if matches!(old, Slot::Reading { wanted: true }) {
            self.inbox.send(Command::BodyReady(self.task));
        }
    }
}
