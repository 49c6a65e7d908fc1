//! From errors of the crate `bitsup` to the exceptions of the package.

use bitsup::explain::Reader;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Where the exceptions are defined.
const MODULE: &str = "bitsup._errors";

/// The exception for `error`, as an object; an exception of its own if it cannot be made.
pub(crate) fn object<'py>(py: Python<'py>, error: &bitsup::Error) -> PyResult<Bound<'py, PyAny>> {
    let facts = PyDict::new(py);
    facts.set_item("_message", error.message())?;
    facts.set_item("advice", error.advice_for(Reader::Python))?;
    facts.set_item("http_status", error.http_status())?;
    facts.set_item("hresult", error.hresult().map(|code| code.0))?;
    facts.set_item("context", error.context())?;
    facts.set_item("packet", error.packet().map(|packet| packet.to_string()))?;
    facts.set_item("resumable", error.is_resumable())?;
    let (text, kind) = (error.to_string(), error.kind().row().name);
    let of = py.import(MODULE)?.getattr("from_facts")?;
    of.call1((text, kind, error.os_error(), error.token(), facts))
}

/// The exception for `error`, to be raised.
pub(crate) fn raised(py: Python<'_>, error: &bitsup::Error) -> PyErr {
    object(py, error).map_or_else(|problem| problem, PyErr::from_value)
}

/// The exception for an argument that cannot be used.
pub(crate) fn invalid(py: Python<'_>, message: &str) -> PyErr {
    let make = || py.import(MODULE)?.getattr("InvalidArgumentError")?.call1((message,));
    make().map_or_else(|problem| problem, PyErr::from_value)
}
