//! Waiting for another thread without keeping the interpreter from anything.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// How often signals are looked for: Ctrl-C is answered within 100 ms.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(40);

/// Runs `work` on a thread of its own and waits for it without the interpreter's lock. A signal
/// handler's exception ends the waiting, not the work, whose result is then dropped.
pub(crate) fn interruptible<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    let (send, receive) = mpsc::sync_channel(1);
    std::thread::Builder::new().name("bitsup-call".into()).spawn(move || {
        // After an interruption the receiver is gone.
        drop(send.send(work()));
    })?;
    let receive = std::sync::Mutex::new(receive);
    loop {
        let outcome = py.detach(|| {
            let receive = receive.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            receive.recv_timeout(SIGNAL_INTERVAL)
        });
        match outcome {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("a thread of bitsup has died"));
            }
        }
    }
}
