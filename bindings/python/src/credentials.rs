//! Asks Python for a login.

use std::time::Duration;

use bitsup::{CredentialRequest, Credentials, Login, Secret};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::gate;

/// A function of Python that is asked for a login. Uploads with the same object share its answers.
#[pyclass(frozen, module = "bitsup._bitsup")]
pub(crate) struct CredentialCallback(bitsup::CredentialCallback);

impl CredentialCallback {
    pub(crate) fn get(&self) -> bitsup::CredentialCallback {
        self.0.clone()
    }
}

#[pymethods]
impl CredentialCallback {
    /// `ask(facts)` answers `("password", user, password)`, `("token", token, seconds or None)` or `None`.
    /// It keeps the exceptions of the caller's function for whoever waits.
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
    let facts = PyDict::new(py);
    facts.set_item("site", &request.site)?;
    facts.set_item("proxy", request.proxy)?;
    facts.set_item("realm", &request.realm)?;
    facts.set_item("schemes", &request.schemes)?;
    facts.set_item("user", &request.user)?;
    facts.set_item("refused", request.refused)?;
    facts.set_item("expiring", request.expiring)?;
    facts.set_item("attempt", request.attempt)?;
    let answer = ask.bind(py).call1((facts,))?;
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
