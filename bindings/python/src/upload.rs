//! The handle of an upload.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bitsup::CancelMode;
use pyo3::prelude::*;

use crate::events;

/// An upload under way. It stops when this object is freed.
#[pyclass(frozen, module = "bitsup._bitsup")]
pub(crate) struct Upload {
    upload: Mutex<Option<bitsup::Upload>>,
    /// Whether the end was told: no callback runs any more.
    told: Arc<AtomicBool>,
    process: u32,
}

impl Upload {
    pub(crate) fn new(upload: bitsup::Upload, told: Arc<AtomicBool>) -> Self {
        Self { upload: Mutex::new(Some(upload)), told, process: std::process::id() }
    }

    /// None of the functions called here waits.
    fn with<T: Default>(&self, work: impl FnOnce(&bitsup::Upload) -> T) -> T {
        let upload = self.upload.lock().unwrap_or_else(PoisonError::into_inner);
        upload.as_ref().map(work).unwrap_or_default()
    }
}

#[pymethods]
impl Upload {
    /// A `bitsup.Progress`.
    fn progress<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        events::progress(py, &self.with(bitsup::Upload::progress))
    }

    /// The result, if there is one: a `bitsup.Finished`.
    fn outcome<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let result = self.with(bitsup::Upload::result);
        result.map(|result| events::outcome(py, result.as_ref())).transpose()
    }

    /// Asks for other events: 0 few, 1 progress too, 2 packets and Acks too.
    fn listen(&self, level: u8) {
        self.with(|upload| upload.set_event_filter(events::filter(level)));
    }

    /// Pauses; returns at once.
    fn suspend(&self) {
        self.with(bitsup::Upload::suspend);
    }

    /// Goes on; returns at once.
    fn resume(&self) {
        self.with(bitsup::Upload::resume);
    }

    /// Stops; returns at once. The session stays on the server if `keep`.
    fn cancel(&self, keep: bool) {
        let mode = if keep { CancelMode::Keep } else { CancelMode::Delete };
        self.with(|upload| upload.cancel(mode));
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let upload = self.upload.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if std::process::id() != self.process {
            // After a fork: locks in there may be held by threads that are not in this process.
            std::mem::forget(upload);
            return;
        }
        if !self.told.load(Ordering::Relaxed) {
            // Waits for a callback that is running, which may ask a person for a password: after a
            // KeyboardInterrupt the caller must not wait for that.
            let elsewhere = std::thread::Builder::new().name("bitsup-farewell".into());
            drop(elsewhere.spawn(move || drop(upload)));
            return;
        }
        // The client may go with it, and its threads may need the interpreter's lock.
        let mut upload = Some(upload);
        Python::try_attach(|py| {
            let upload = upload.take();
            py.detach(|| drop(upload));
        });
    }
}
