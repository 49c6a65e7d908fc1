//! The client: starts uploads and packets.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors;
use crate::events::{self, Interest};
use crate::options;
use crate::session::Session;
use crate::source::source;
use crate::upload::Upload;
use crate::waiting::interruptible;

/// One engine thread, which moves all bytes.
#[pyclass(frozen, module = "bitsup._bitsup")]
pub(crate) struct Client {
    client: Mutex<Option<bitsup::Client>>,
    process: u32,
}

impl Client {
    fn get(&self, py: Python<'_>) -> PyResult<bitsup::Client> {
        // Compared before the lock, which another thread may have held at the fork.
        if std::process::id() != self.process {
            return Err(errors::invalid(
                py,
                "this client was made before a fork, and its thread is not in this process: make a new client after the fork",
            ));
        }
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.clone().ok_or_else(|| errors::invalid(py, "the client is closed: make a new one"))
    }
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (*, limit_rate=None, uploads_per_host=None, state_dir=None, user_agent=None))]
    fn new(
        py: Python<'_>,
        limit_rate: Option<u64>,
        uploads_per_host: Option<usize>,
        state_dir: Option<PathBuf>,
        user_agent: Option<String>,
    ) -> PyResult<Self> {
        let mut builder = bitsup::Client::builder().rate_limit(limit_rate);
        if let Some(limit) = uploads_per_host {
            builder = builder.uploads_per_host(limit);
        }
        if let Some(folder) = state_dir {
            builder = builder.state_directory(folder);
        }
        if let Some(agent) = user_agent {
            builder = builder.user_agent(agent);
        }
        let client = py.detach(|| builder.build()).map_err(|error| errors::raised(py, &error))?;
        Ok(Self { client: Mutex::new(Some(client)), process: std::process::id() })
    }

    /// Starts an upload. `sink(kind, facts)` gets its events on the client's callback thread.
    #[expect(clippy::too_many_arguments, reason = "called from one place of the package")]
    fn start(
        &self,
        py: Python<'_>,
        source_object: &Bound<'_, PyAny>,
        size: Option<u64>,
        name: Option<String>,
        url: &str,
        keywords: &Bound<'_, PyDict>,
        sink: Py<PyAny>,
        level: u8,
    ) -> PyResult<Upload> {
        let client = self.get(py)?;
        let options = options::read(keywords)?;
        let source = source(source_object, size, name)?;
        let interest = Interest::default();
        interest.raise(level);
        let listener = events::listener(sink, interest.clone());
        let upload = client.upload(source, url).options(options).on_event(listener);
        let upload = py.detach(|| upload.start()).map_err(|error| errors::raised(py, &error))?;
        Ok(Upload::new(upload, interest))
    }

    /// Asks whether a BITS server answers: the fields of a `bitsup.PingReport`.
    fn ping<'py>(
        &self,
        py: Python<'py>,
        url: String,
        keywords: &Bound<'_, PyDict>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let client = self.get(py)?;
        let options = options::read(keywords)?;
        let report = interruptible(py, move || client.ping(&url, &options))?
            .map_err(|error| errors::raised(py, &error))?;
        let facts = PyDict::new(py);
        facts.set_item("url", report.url)?;
        facts.set_item("seconds", report.duration.as_secs_f64())?;
        facts.set_item("server", report.server)?;
        facts.set_item("authorized", report.authorized)?;
        Ok(facts)
    }

    /// Opens a session that is driven packet by packet.
    fn session(
        &self,
        py: Python<'_>,
        url: String,
        size: u64,
        name: String,
        keywords: &Bound<'_, PyDict>,
    ) -> PyResult<Session> {
        let client = self.get(py)?;
        let options = options::read(keywords)?;
        let session = interruptible(py, move || client.session(&url, size, &name, &options))?
            .map_err(|error| errors::raised(py, &error))?;
        Ok(Session::new(session))
    }

    /// Changes the limit of all uploads together, in bytes a second.
    fn set_limit_rate(&self, py: Python<'_>, limit: Option<u64>) -> PyResult<()> {
        self.get(py)?.set_rate_limit(limit);
        Ok(())
    }

    /// Ends the engine, within two seconds. Uploads must have been stopped before.
    fn close(&self, py: Python<'_>) {
        if std::process::id() == self.process {
            let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
            py.detach(|| drop(client));
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let client = self.client.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if std::process::id() != self.process {
            std::mem::forget(client);
            return;
        }
        let mut client = Some(client);
        Python::try_attach(|py| {
            let client = client.take();
            py.detach(|| drop(client));
        });
    }
}
