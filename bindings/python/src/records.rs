//! Makes the package's records: data classes of Python, by the names of their fields.

/// `record!(py, "Class", field: value, …)`; a value that a field cannot hold is an exception.
macro_rules! record {
    ($py:expr, $class:literal, $($field:ident: $value:expr),* $(,)?) => {{
        let fields = pyo3::types::PyDict::new($py);
        $(fields.set_item(stringify!($field), $value)?;)*
        $crate::records::make($py, $class, &fields)
    }};
}

use pyo3::prelude::*;
use pyo3::types::PyDict;
pub(crate) use record;

/// One with these fields.
pub(crate) fn make<'py>(
    py: Python<'py>,
    class: &str,
    fields: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    py.import("bitsup")?.getattr(class)?.call((), Some(fields))
}
