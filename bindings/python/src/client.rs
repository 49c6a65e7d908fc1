//! The client: starts uploads and packets.

use std::sync::{Arc, Mutex, PoisonError};

use bitsup::{LimitRate, OptionSet, UploadBuilder};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::errors;
use crate::events;
use crate::information;
use crate::options;
use crate::session::Session;
use crate::source::source;
use crate::upload::Upload;
use crate::waiting::interruptible;

/// One engine thread, which moves all bytes.
#[pyclass(frozen, module = "bitsup._bitsup")]
pub(crate) struct Client {
    client: Mutex<Option<bitsup::Client>>,
    /// Its own, and the defaults of its uploads.
    options: OptionSet,
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

    /// Starts what `describe` makes of the client, without the interpreter's lock: it may read the source.
    fn begin(
        &self,
        py: Python<'_>,
        keywords: &Bound<'_, PyDict>,
        sink: Py<PyAny>,
        level: u8,
        source: Option<&Bound<'_, PyAny>>,
        describe: impl FnOnce(&bitsup::Client) -> Result<UploadBuilder, bitsup::Error> + Send,
    ) -> PyResult<Upload> {
        let client = self.get(py)?;
        let mut options = options::read(&self.options, keywords)?;
        if let Some(source) = source {
            options::bound(&mut options, source)?;
        }
        let told = Arc::default();
        let listener = events::listener(sink, Arc::clone(&told));
        let filter = events::filter(level);
        let start = || {
            let builder = describe(&client)?.options(options);
            builder.event_filter(filter).on_event(listener).start()
        };
        let upload = py.detach(start).map_err(|error| errors::raised(py, &error))?;
        Ok(Upload::new(upload, told))
    }
}

#[pymethods]
impl Client {
    #[new]
    fn new(py: Python<'_>, keywords: &Bound<'_, PyDict>) -> PyResult<Self> {
        let options = options::set(keywords)?;
        let build = || {
            let client = bitsup::Client::builder().options(&options).build()?;
            // Errors in the defaults of uploads are better reported now.
            options.check()?;
            Ok(client)
        };
        let client = py.detach(build).map_err(|error: bitsup::Error| errors::raised(py, &error))?;
        Ok(Self { client: Mutex::new(Some(client)), options, process: std::process::id() })
    }

    /// Starts an upload. `sink(event)` gets its events on the client's callback thread.
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
        self.get(py)?;
        let source = source(source_object, size, name)?;
        self.begin(py, keywords, sink, level, Some(source_object), |client| {
            Ok(client.upload(source, url))
        })
    }

    /// Goes on with a session that was kept in the state directory.
    fn resume(
        &self,
        py: Python<'_>,
        id: &str,
        keywords: &Bound<'_, PyDict>,
        sink: Py<PyAny>,
        level: u8,
    ) -> PyResult<Upload> {
        self.begin(py, keywords, sink, level, None, |client| client.resume(id))
    }

    /// Goes on with the session of a token.
    #[expect(clippy::too_many_arguments, reason = "called from one place of the package")]
    fn import_token(
        &self,
        py: Python<'_>,
        token: &str,
        source_object: &Bound<'_, PyAny>,
        size: Option<u64>,
        name: Option<String>,
        keywords: &Bound<'_, PyDict>,
        sink: Py<PyAny>,
        level: u8,
    ) -> PyResult<Upload> {
        self.get(py)?;
        let source = source(source_object, size, name)?;
        self.begin(py, keywords, sink, level, None, |client| client.import(token, source))
    }

    /// The sessions that were kept, and the errors of those that cannot be read.
    fn sessions<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyList>)> {
        let client = self.get(py)?;
        let found = py.detach(|| client.sessions()).map_err(|error| errors::raised(py, &error))?;
        let (sessions, problems) = (PyList::empty(py), PyList::empty(py));
        for session in found {
            match session {
                Ok(session) => sessions.append(information::session(py, &session)?)?,
                Err(error) => problems.append(errors::object(py, &error)?)?,
            }
        }
        Ok((sessions.to_tuple(), problems))
    }

    /// Cancels a kept session on the server, and forgets it.
    fn cancel_session(
        &self,
        py: Python<'_>,
        id: String,
        keywords: &Bound<'_, PyDict>,
    ) -> PyResult<()> {
        let client = self.get(py)?;
        let options = options::read(&self.options, keywords)?;
        interruptible(py, move || client.cancel_session(&id, &options))?
            .map_err(|error| errors::raised(py, &error))
    }

    /// Forgets a kept session without asking the server.
    fn forget_session(&self, py: Python<'_>, id: &str) -> PyResult<()> {
        let client = self.get(py)?;
        py.detach(|| client.forget_session(id)).map_err(|error| errors::raised(py, &error))
    }

    /// A kept session as a token.
    fn export(&self, py: Python<'_>, id: &str) -> PyResult<String> {
        let client = self.get(py)?;
        py.detach(|| client.export(id)).map_err(|error| errors::raised(py, &error))
    }

    /// Asks whether a BITS server answers.
    fn ping<'py>(
        &self,
        py: Python<'py>,
        url: String,
        keywords: &Bound<'_, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let client = self.get(py)?;
        let options = options::read(&self.options, keywords)?;
        let report = interruptible(py, move || client.ping(&url, &options))?;
        information::ping(py, &report.map_err(|error| errors::raised(py, &error))?)
    }

    /// Looks at the way to a server.
    fn doctor<'py>(
        &self,
        py: Python<'py>,
        url: String,
        keywords: &Bound<'_, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let client = self.get(py)?;
        let options = options::read(&self.options, keywords)?;
        let report = interruptible(py, move || client.doctor(&url, &options))?;
        information::doctor(py, &report.map_err(|error| errors::raised(py, &error))?)
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
        let options = options::read(&self.options, keywords)?;
        let session = interruptible(py, move || client.session(&url, size, &name, &options))?
            .map_err(|error| errors::raised(py, &error))?;
        Ok(Session::new(session))
    }

    /// Changes the limit of all uploads together, to the one that the keywords name.
    fn set_limit_rate(&self, py: Python<'_>, keywords: &Bound<'_, PyDict>) -> PyResult<()> {
        let client = self.get(py)?;
        let options = options::set(keywords)?.client_options();
        match options.map_err(|error| errors::raised(py, &error))?.limit_rate {
            Some(LimitRate::Always(limit)) => client.set_rate_limit(Some(limit)),
            Some(LimitRate::Timetable(timetable)) => client.set_rate_timetable(timetable),
            _ => client.set_rate_limit(None),
        }
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
