//! The part of a handle that several threads share: whether it can be used, and which of the
//! caller's functions run for it. `tests/life.rs` tries all orders of its steps.

use std::sync::PoisonError;

use crate::sync::{AtomicBool, Condvar, Mutex, MutexGuard, Ordering, ThreadId, current};

/// How a handle is doing. Callbacks and reads of the caller's memory [`Life::enter`] it; the
/// handle's `_free` closes it, after which nothing of the caller's is touched any more.
pub(crate) struct Life {
    process: u32,
    spoiled: AtomicBool,
    calls: Mutex<Calls>,
    fewer: Condvar,
}

#[derive(Default)]
struct Calls {
    closed: bool,
    running: Vec<ThreadId>,
}

/// A call into the caller's code that is under way.
pub(crate) struct Call<'a> {
    life: &'a Life,
    thread: ThreadId,
}

impl Life {
    pub(crate) fn new() -> Self {
        Self {
            process: std::process::id(),
            spoiled: AtomicBool::new(false),
            calls: Mutex::default(),
            fewer: Condvar::new(),
        }
    }

    /// Whether this is the process that made the handle; takes no lock, since after a fork a
    /// lock may be held for ever.
    pub(crate) fn is_at_home(&self) -> bool {
        self.process == std::process::id()
    }

    pub(crate) fn spoil(&self) {
        self.spoiled.store(true, Ordering::Release);
    }

    pub(crate) fn is_spoiled(&self) -> bool {
        self.spoiled.load(Ordering::Acquire)
    }

    /// Begins a call into the caller's code; `None` once the handle is closed.
    pub(crate) fn enter(&self) -> Option<Call<'_>> {
        let thread = current().id();
        let mut calls = self.lock();
        if calls.closed {
            return None;
        }
        calls.running.push(thread);
        Some(Call { life: self, thread })
    }

    /// Whether the handle was closed, by a call into the caller's code or beside it.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Whether this thread is in a call of the handle.
    pub(crate) fn is_calling_here(&self) -> bool {
        self.lock().running.contains(&current().id())
    }

    /// Lets no call begin any more, and waits for those of other threads.
    pub(crate) fn close(&self) {
        let here = current().id();
        let mut calls = self.lock();
        calls.closed = true;
        while calls.running.iter().any(|thread| *thread != here) {
            calls = self.fewer.wait(calls).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut calls = self.life.lock();
        if let Some(at) = calls.running.iter().position(|thread| *thread == self.thread) {
            calls.running.swap_remove(at);
        }
        drop(calls);
        self.life.fewer.notify_all();
    }
}
