//! The one way by which threads of the client enter the interpreter.
//!
//! A thread that is inside while the interpreter ends would crash the process, so that the end closes
//! this gate first, and waits for those inside.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;

/// How long the end of the interpreter waits for callbacks and reads of the caller.
const PATIENCE: Duration = Duration::from_secs(5);

/// Set once the gate is closed; the other bits count those inside. No lock: a thread that is gone after a fork could
/// hold it.
const CLOSED: usize = 1 << (usize::BITS - 1);
static GATE: AtomicUsize = AtomicUsize::new(0);

/// What waits at a closed gate.
static CLOSING: Mutex<()> = Mutex::new(());
static LEFT: Condvar = Condvar::new();

/// Runs `work` with the interpreter's lock; `None` once the interpreter ends.
pub(crate) fn enter<T>(work: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    let _inside = Inside::new()?;
    Python::try_attach(work)
}

/// Lets no thread in any more, and waits until all have left.
#[pyfunction]
pub(crate) fn close_gate(py: Python<'_>) {
    py.detach(|| {
        GATE.fetch_or(CLOSED, Ordering::SeqCst);
        let closing = CLOSING.lock().unwrap_or_else(PoisonError::into_inner);
        // A thread that stays longer hangs in code of the caller.
        let is_in = |(): &mut ()| GATE.load(Ordering::SeqCst) != CLOSED;
        drop(LEFT.wait_timeout_while(closing, PATIENCE, is_in));
    });
}

/// After a fork: the threads that were inside are not in this process.
#[pyfunction]
pub(crate) fn reset_gate() {
    GATE.fetch_and(CLOSED, Ordering::SeqCst);
}

struct Inside;

impl Inside {
    fn new() -> Option<Self> {
        let inside = Self;
        let before = GATE.fetch_add(1, Ordering::SeqCst);
        (before & CLOSED == 0).then_some(inside)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // A thread that forks inside is not counted any more in the child.
        let less = |now| (now & !CLOSED > 0).then(|| now - 1);
        if GATE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) == Ok(CLOSED + 1) {
            drop(CLOSING.lock());
            LEFT.notify_all();
        }
    }
}
