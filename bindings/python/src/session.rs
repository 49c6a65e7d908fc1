//! Sessions that are driven packet by packet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use bitsup::PacketSession;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors;
use crate::waiting::interruptible;

/// One session; one packet at a time.
#[pyclass(frozen, module = "bitsup._bitsup")]
pub(crate) struct Session {
    session: Arc<Mutex<PacketSession>>,
    /// That of the session, to be read while a packet is under way.
    offset: Arc<AtomicU64>,
    id: String,
    process: u32,
}

impl Session {
    pub(crate) fn new(session: PacketSession) -> Self {
        let id = session.id().to_owned();
        let offset = Arc::new(AtomicU64::new(session.offset()));
        Self { session: Arc::new(Mutex::new(session)), offset, id, process: std::process::id() }
    }

    fn check_process(&self, py: Python<'_>) -> PyResult<()> {
        if std::process::id() != self.process {
            return Err(errors::invalid(
                py,
                "this session was opened before a fork: open one after the fork",
            ));
        }
        Ok(())
    }

    /// Refused while another packet is under way, in another thread or after an interruption.
    fn check_free(&self, py: Python<'_>) -> PyResult<()> {
        self.check_process(py)?;
        match self.session.try_lock() {
            Err(TryLockError::WouldBlock) => Err(errors::invalid(
                py,
                "a packet of this session is under way: wait for it, or open another session",
            )),
            _ => Ok(()),
        }
    }

    fn packet<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut PacketSession) -> Result<T, bitsup::Error> + Send + 'static,
    ) -> PyResult<T> {
        self.check_free(py)?;
        let (session, offset) = (Arc::clone(&self.session), Arc::clone(&self.offset));
        interruptible(py, move || {
            let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
            let result = work(&mut session);
            offset.store(session.offset(), Ordering::Release);
            result
        })?
        .map_err(|error| errors::raised(py, &error))
    }
}

#[pymethods]
impl Session {
    /// The session's id, which is as good as a password for this upload.
    fn id(&self) -> &str {
        &self.id
    }

    /// Where the next Fragment starts; never waits.
    fn offset(&self, py: Python<'_>) -> PyResult<u64> {
        self.check_process(py)?;
        Ok(self.offset.load(Ordering::Acquire))
    }

    /// Sends one Fragment; where the server wants to go on.
    fn send(&self, py: Python<'_>, data: &Bound<'_, PyBytes>) -> PyResult<u64> {
        let data: Arc<[u8]> = Arc::from(data.as_bytes());
        self.packet(py, move |session| session.send(data))
    }

    /// Sends Close-Session.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.packet(py, PacketSession::close)
    }

    /// Sends Cancel-Session.
    fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        self.packet(py, PacketSession::cancel)
    }
}
