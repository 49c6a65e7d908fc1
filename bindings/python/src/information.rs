//! What this build has, and what codes mean.

use std::ffi::OsString;

use bitsup::explain::{Naming, Reader};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The version of the library.
#[pyfunction]
pub(crate) fn version() -> &'static str {
    bitsup::VERSION
}

/// The first line of a transcript.
#[pyfunction]
pub(crate) fn transcript_head() -> &'static str {
    bitsup::TRANSCRIPT_HEAD
}

/// The fields of a `bitsup.Features`.
#[pyfunction]
pub(crate) fn features(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let features = bitsup::features();
    let facts = PyDict::new(py);
    facts.set_item("libcurl", features.libcurl)?;
    facts.set_item("tls", features.tls)?;
    facts.set_item("zlib", features.zlib)?;
    facts.set_item("optimised", features.optimised)?;
    facts.set_item("bundled", features.bundled)?;
    facts.set_item("ntlm", features.ntlm)?;
    facts.set_item("negotiate", features.negotiate)?;
    facts.set_item("kerberos", features.kerberos)?;
    facts.set_item("channel_binding", features.channel_binding)?;
    facts.set_item("proxy_ntlm", features.proxy_ntlm)?;
    facts.set_item("proxy_negotiate", features.proxy_negotiate)?;
    Ok(facts)
}

/// The rows of the table of errors: name, C status, class, exit code of the tool.
#[pyfunction]
pub(crate) fn kinds() -> Vec<(&'static str, u32, &'static str, u8)> {
    bitsup::KINDS.iter().map(|row| (row.name, row.status, row.python, row.exit)).collect()
}

/// What advice can name: keywords, and calls.
#[pyfunction]
pub(crate) fn advised() -> Vec<String> {
    let name = |named: &bitsup::explain::Named| match named.naming {
        Naming::Call => named.name_for(None, Reader::Python),
        _ => named.id.to_owned(),
    };
    bitsup::explain::NAMES.iter().map(name).collect()
}

/// The fields of the `bitsup.Explanation`s of an HTTP status, a code or its name.
#[pyfunction]
pub(crate) fn explain<'py>(py: Python<'py>, code: &str) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let explain = |entry: &bitsup::explain::Entry| {
        let facts = PyDict::new(py);
        facts.set_item("http_status", entry.key.status)?;
        facts.set_item("hresult", entry.key.code)?;
        facts.set_item("title", entry.title)?;
        facts.set_item("cause", entry.cause)?;
        facts.set_item("advice", entry.advice(Reader::Python))?;
        Ok(facts)
    };
    bitsup::explain::search(code).map(explain).collect()
}

/// The fields of a `bitsup.SessionInfo`.
pub(crate) fn session<'py>(
    py: Python<'py>,
    session: &bitsup::SessionInfo,
) -> PyResult<Bound<'py, PyDict>> {
    let facts = PyDict::new(py);
    facts.set_item("id", &session.id)?;
    facts.set_item("url", &session.url)?;
    facts.set_item("path", &session.path)?;
    facts.set_item("size", session.size)?;
    facts.set_item("acknowledged", session.acknowledged)?;
    facts.set_item("begun", session.begun)?;
    facts.set_item("updated", session.updated)?;
    facts.set_item("in_use", session.in_use)?;
    facts.set_item("note", &session.note)?;
    Ok(facts)
}

/// Runs the tool with these arguments, the first of which is the program's name; its exit code.
#[pyfunction]
pub(crate) fn tool(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| bitsup_cli::main_with(arguments.into_iter()))
}
