//! Asks Python for a login.

use std::time::Duration;

use bitsup::{CredentialRequest, Credentials, Login, Secret};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::gate;
use crate::records::record;

/// A function of Python that is asked for a login. Uploads with the same object share its answers.
#[pyclass(frozen, module = "bitsup._bitsup")]
pub(crate) struct CredentialCallback(bitsup::CredentialCallback);

impl CredentialCallback {
    pub(crate) fn callback(&self) -> bitsup::CredentialCallback {
        self.0.clone()
    }
}

#[pymethods]
impl CredentialCallback {
    /// `ask(request)` answers `("password", user, password)`, `("token", token, seconds or None)` or `None`.
    /// It keeps the exceptions of the caller's function for those who wait.
    #[new]
    fn new(ask: Py<PyAny>) -> Self {
        Self(bitsup::CredentialCallback::new(move |request| {
            let answer = gate::enter(|py| match call(py, &ask, request) {
                Ok(login) => login,
                Err(problem) => {
                    problem.write_unraisable(py, None);
                    None
                }
            });
            answer.flatten()
        }))
    }
}

fn call(py: Python<'_>, ask: &Py<PyAny>, request: &CredentialRequest) -> PyResult<Option<Login>> {
    let request = record!(
        py,
        "CredentialRequest",
        site: &request.site,
        proxy: request.proxy,
        realm: &request.realm,
        schemes: PyTuple::new(py, &request.schemes)?,
        user: &request.user,
        refused: request.refused,
        expiring: request.expiring,
        attempt: request.attempt,
    )?;
    let answer = ask.bind(py).call1((request,))?;
    let Some((kind, first, second)): Option<(String, String, Bound<'_, PyAny>)> =
        answer.extract()?
    else {
        return Ok(None);
    };
    Ok(Some(if kind == "token" {
        let seconds: Option<f64> = second.extract()?;
        // A time that cannot be is none.
        let valid_for = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Login::Token { token: Secret::new(first), valid_for }
    } else {
        let password = Secret::new(second.extract::<String>()?);
        Login::Password(Credentials { user: first, password })
    }))
}
