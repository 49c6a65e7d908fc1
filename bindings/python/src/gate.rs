//! The one way by which threads of the client enter the interpreter.
//!
//! A thread that is inside while the interpreter ends would crash the process, so that the end closes
//! this gate first, and waits for those inside.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;

/// How long the end of the interpreter waits for callbacks and reads of the caller.
const PATIENCE: Duration = Duration::from_secs(5);

struct Entries {
    inside: usize,
    closed: bool,
}

static ENTRIES: Mutex<Entries> = Mutex::new(Entries { inside: 0, closed: false });
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
        let mut gate = lock();
        gate.closed = true;
        // A thread that stays longer hangs in code of the caller.
        drop(LEFT.wait_timeout_while(gate, PATIENCE, |gate| gate.inside > 0));
    });
}

/// After a fork: the threads that were inside are not in this process.
#[pyfunction]
pub(crate) fn reset_gate() {
    // Held for moments only, but perhaps by a thread that is gone.
    if let Ok(mut gate) = ENTRIES.try_lock() {
        gate.inside = 0;
    }
}

struct Inside;

impl Inside {
    fn new() -> Option<Self> {
        let mut gate = lock();
        if gate.closed {
            return None;
        }
        gate.inside += 1;
        Some(Self)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let mut gate = lock();
        gate.inside = gate.inside.saturating_sub(1);
        drop(gate);
        LEFT.notify_all();
    }
}

fn lock() -> MutexGuard<'static, Entries> {
    ENTRIES.lock().unwrap_or_else(PoisonError::into_inner)
}
