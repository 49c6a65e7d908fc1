//! What this build has, and what codes mean.

use std::ffi::OsString;

use bitsup::explain::{Naming, Reader};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::records::{make, record};

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

/// A `bitsup.Features`.
#[pyfunction]
pub(crate) fn features(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let features = bitsup::features();
    record!(
        py,
        "Features",
        version: bitsup::VERSION,
        libcurl: features.libcurl,
        tls: features.tls,
        zlib: features.zlib,
        optimised: features.optimised,
        bundled: features.bundled,
        wipes_libcurl: features.wipes_libcurl,
        ntlm: features.ntlm,
        negotiate: features.negotiate,
        kerberos: features.kerberos,
        channel_binding: features.channel_binding,
        proxy_ntlm: features.proxy_ntlm,
        proxy_negotiate: features.proxy_negotiate,
    )
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

/// The `bitsup.Explanation`s of an HTTP status, a code or its name.
#[pyfunction]
pub(crate) fn explain<'py>(py: Python<'py>, code: &str) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let explain = |entry: &bitsup::explain::Entry| {
        record!(
            py,
            "Explanation",
            http_status: entry.key.status,
            hresult: entry.key.code,
            title: entry.title,
            cause: entry.cause,
            advice: entry.advice(Reader::Python),
        )
    };
    bitsup::explain::search(code).map(explain).collect()
}

/// A `bitsup.SessionInfo`.
pub(crate) fn session<'py>(
    py: Python<'py>,
    session: &bitsup::SessionInfo,
) -> PyResult<Bound<'py, PyAny>> {
    let datetime = py.import("datetime")?;
    let (class, utc) = (datetime.getattr("datetime")?, datetime.getattr("UTC")?);
    let time = |seconds: u64| class.call_method1("fromtimestamp", (seconds, &utc));
    record!(
        py,
        "SessionInfo",
        id: &session.id,
        url: &session.url,
        path: session.path.as_os_str(),
        size: session.size,
        acknowledged: session.acknowledged,
        begun: time(session.begun)?,
        updated: time(session.updated)?,
        in_use: session.in_use,
        may_be_left: session.may_be_left,
        note: &session.note,
    )
}

/// A `bitsup.PingReport`.
pub(crate) fn ping<'py>(
    py: Python<'py>,
    report: &bitsup::PingReport,
) -> PyResult<Bound<'py, PyAny>> {
    record!(
        py,
        "PingReport",
        url: &report.url,
        seconds: report.duration.as_secs_f64(),
        server: &report.server,
        authorized: report.authorized,
    )
}

/// A `bitsup.DoctorReport`.
pub(crate) fn doctor<'py>(
    py: Python<'py>,
    report: &bitsup::DoctorReport,
) -> PyResult<Bound<'py, PyAny>> {
    let json = report.to_json(Reader::Python);
    let findings = py.import("json")?.call_method1("loads", (&json,))?.get_item("findings")?;
    let mut made = Vec::new();
    for (fields, finding) in findings.try_iter()?.zip(&report.findings) {
        let fields: Bound<'_, PyDict> = fields?.cast_into()?;
        fields.set_item("kind", finding.kind.map(|kind| kind.row().name))?;
        made.push(make(py, "Finding", &fields)?);
    }
    record!(py, "DoctorReport", url: &report.url, findings: PyTuple::new(py, made)?, json: json)
}

/// Runs the tool with these arguments, the first of which is the program's name; its exit code.
#[pyfunction]
pub(crate) fn tool(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| bitsup_cli::main_with(arguments.into_iter()))
}
