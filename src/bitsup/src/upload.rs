//! The handle of a running upload.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use bitsup_proto::session::CancelMode;

use crate::callbacks::Subscriber;
use crate::client::ClientInner;
use crate::engine::{Task, TaskId};
use crate::error::{Error, ErrorKind};
use crate::progress::{EventFilter, Progress, Receipt, UploadState, Waiting};

/// Longest time that a waiter, after an upload's end, gives the callbacks of what happened before:
/// one may itself wait for something that the waiter is to do.
const LAST_CALLBACKS: Duration = Duration::from_secs(1);

/// An upload under way. Any thread may use it.
///
/// Dropping it stops the upload without waiting: a session that can be found again (the
/// client has a state directory) is kept, another one is cancelled on the server.
pub struct Upload {
    shared: Arc<Shared>,
    client: Arc<ClientInner>,
    resume_id: Option<String>,
}

/// What engine and handle share.
pub(crate) struct Shared {
    pub(crate) id: TaskId,
    pub(crate) subscriber: Arc<Subscriber>,
    /// Bytes of the part under way that were handed to the network.
    pub(crate) sent: Arc<AtomicU64>,
    status: Mutex<Status>,
    finished: Condvar,
}

#[derive(Default)]
struct Status {
    progress: Progress,
    /// Length of the part under way.
    fragment: u64,
    next_try: Option<Instant>,
    reason: String,
    result: Option<Result<Receipt, Error>>,
    /// Whether all of it is handed over to the callbacks.
    told: bool,
}

impl Shared {
    pub(crate) fn new(id: TaskId, subscriber: Subscriber, total: u64) -> Self {
        let progress = Progress { total, ..Progress::default() };
        Self {
            id,
            subscriber: Arc::new(subscriber),
            sent: Arc::default(),
            status: Mutex::new(Status { progress, ..Status::default() }),
            finished: Condvar::new(),
        }
    }

    /// Changes what the handle shows.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.lock().progress);
    }

    pub(crate) fn fragment_under_way(&self, length: u64) {
        self.lock().fragment = length;
    }

    pub(crate) fn waits(&self, reason: String, until: Instant) {
        let mut status = self.lock();
        status.reason = reason;
        status.next_try = Some(until);
    }

    pub(crate) fn waits_no_more(&self) {
        self.lock().next_try = None;
    }

    pub(crate) fn progress(&self) -> Progress {
        let status = self.lock();
        let mut progress = status.progress.clone();
        let sent = self.sent.load(Ordering::Relaxed).min(status.fragment);
        progress.sent = progress.acknowledged.saturating_add(sent).min(progress.total);
        if progress.state == UploadState::Sending && status.fragment > 0 && sent == status.fragment
        {
            progress.state = UploadState::WaitingAck;
        }
        let left = progress.total.saturating_sub(progress.sent);
        progress.eta = left.checked_div(progress.rate).map(Duration::from_secs);
        progress.waiting = status.next_try.map(|next| Waiting {
            reason: status.reason.clone(),
            remaining: next.saturating_duration_since(Instant::now()),
        });
        progress
    }

    /// Keeps the result: callbacks that tell of the end find it there.
    pub(crate) fn finish(&self, result: Result<Receipt, Error>) {
        let mut status = self.lock();
        status.next_try = None;
        if status.result.is_none() {
            status.result = Some(result);
        }
    }

    /// No event follows: wakes the threads that wait for the end.
    pub(crate) fn release(&self) {
        self.lock().told = true;
        self.finished.notify_all();
    }

    /// The client was closed before the upload could end by itself.
    pub(crate) fn finish_closed(&self) {
        self.update(|progress| progress.state = UploadState::Cancelled);
        self.finish(Err(Error::new(ErrorKind::Cancelled, "the client was closed")));
        self.release();
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upload {
    pub(crate) fn new(shared: Arc<Shared>, client: Arc<ClientInner>) -> Self {
        Self { shared, client, resume_id: None }
    }

    pub(crate) fn kept_as(mut self, id: Option<String>) -> Self {
        self.resume_id = id;
        self
    }

    /// The name that this upload's session has in the state directory, for [`crate::Client::resume`]
    /// once it is interrupted. `None` where no resume state is stored.
    #[must_use]
    pub fn resume_id(&self) -> Option<&str> {
        self.resume_id.as_deref()
    }

    /// Waits until the upload has ended and its callbacks on the client's thread have run, but no
    /// more than a second for these.
    pub fn wait(&self) -> Result<Receipt, Error> {
        loop {
            // Longer than any upload, and short enough for every clock.
            if let Some(result) = self.wait_for(Duration::from_hours(24)) {
                return result;
            }
        }
    }

    /// The same, but waits at most `limit`; `None` if the upload is still running then.
    #[must_use]
    pub fn wait_for(&self, limit: Duration) -> Option<Result<Receipt, Error>> {
        let begun = Instant::now();
        let mut status = self.shared.lock();
        while !status.told {
            let left = limit.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return status.result.clone();
            }
            let waited = self.shared.finished.wait_timeout(status, left);
            status = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let result = status.result.clone();
        drop(status);
        let left = limit.saturating_sub(begun.elapsed()).min(LAST_CALLBACKS);
        self.shared.subscriber.wait_delivered(Instant::now() + left);
        result
    }

    /// The result, if the upload has ended.
    #[must_use]
    pub fn result(&self) -> Option<Result<Receipt, Error>> {
        self.shared.lock().result.clone()
    }

    /// A snapshot; never waits.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.shared.progress()
    }

    /// Changes which events are told, from now on.
    pub fn set_event_filter(&self, filter: EventFilter) {
        self.shared.subscriber.want(filter);
        // It may need a timer now, to tell progress by.
        self.client.with_task(self.shared.id, |_, _| {});
    }

    /// Pauses: the request under way ends, then nothing is sent. Returns at once; the state tells.
    pub fn suspend(&self) {
        self.client.with_task(self.shared.id, Task::suspend);
    }

    /// Goes on after [`Upload::suspend`].
    pub fn resume(&self) {
        self.client.with_task(self.shared.id, Task::resume);
    }

    /// Stops. With [`CancelMode::Delete`] the server is told to delete what it has. Returns at
    /// once; the result is then an error of kind `Cancelled`.
    pub fn cancel(&self, mode: CancelMode) {
        self.client.with_task(self.shared.id, move |task, core| task.cancel(mode, core));
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.shared.subscriber.close();
        self.client.with_task(self.shared.id, Task::abandon);
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("progress", &self.progress()).finish_non_exhaustive()
    }
}
