//! Why the body of a call failed, before it becomes an object of C.

use std::any::Any;
use std::io;

use bitsup::Finding;
use bitsup::explain::Reader;

use crate::status::bitsup_status;

/// The error of a body in the boundary.
pub(crate) struct CallFailure(Box<Facts>);

/// What an error object tells.
pub(crate) struct Facts {
    pub(crate) status: bitsup_status,
    pub(crate) message: String,
    pub(crate) advice: String,
    pub(crate) token: Option<String>,
    pub(crate) http_status: u32,
    pub(crate) hresult: u32,
    pub(crate) context: u32,
    pub(crate) os_error: i64,
    pub(crate) resumable: bool,
}

impl CallFailure {
    pub(crate) fn invalid(message: impl AsRef<str>) -> Self {
        let advice = "Correct the call: the header says what each argument may be.";
        Self::own(bitsup_status::InvalidArgument, message.as_ref(), advice)
    }

    /// The system refused something that has nothing to do with the source.
    pub(crate) fn system(what: &str, error: &io::Error) -> Self {
        let advice = "The system is short of something: file descriptors or memory, most likely.";
        let mut failure =
            Self::own(bitsup_status::Internal, &format!("cannot {what}: {error}"), advice);
        failure.0.os_error = error.raw_os_error().map_or(0, i64::from);
        failure
    }

    /// A problem that was found on the way to a server.
    pub(crate) fn found(problem: &Finding) -> Self {
        let status = problem.kind.map_or(bitsup_status::Internal, bitsup_status::from);
        Self::own(status, &problem.detail, &problem.fix(Reader::C).unwrap_or_default())
    }

    pub(crate) fn spoiled(name: &str) -> Self {
        let message = format!("{name} met a fault inside bitsup before and cannot be used");
        Self::own(bitsup_status::Panic, &message, "Free it, and report the fault.")
    }

    pub(crate) fn panic(payload: &(dyn Any + Send)) -> Self {
        let words = payload.downcast_ref::<&str>().copied();
        let words = words.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let place = crate::place::take().map(|place| format!(" ({place})")).unwrap_or_default();
        let message = format!("a fault inside bitsup: {}{place}", words.unwrap_or("unknown"));
        let advice =
            "Free the handle of this call, which is refused from now on, and report the fault.";
        Self::own(bitsup_status::Panic, &message, advice)
    }

    pub(crate) fn status(&self) -> bitsup_status {
        self.0.status
    }

    /// What happened.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    pub(crate) fn into_facts(self) -> Facts {
        *self.0
    }

    fn own(status: bitsup_status, message: &str, advice: &str) -> Self {
        Self(Box::new(Facts {
            status,
            message: message.to_owned(),
            advice: advice.to_owned(),
            token: None,
            http_status: 0,
            hresult: 0,
            context: 0,
            os_error: 0,
            resumable: false,
        }))
    }
}

impl From<bitsup::Error> for CallFailure {
    fn from(error: bitsup::Error) -> Self {
        Self(Box::new(Facts {
            status: error.kind().into(),
            message: error.to_string(),
            advice: error.advice_for(Reader::C).into_owned(),
            token: error.token().map(str::to_owned),
            http_status: error.http_status().map_or(0, u32::from),
            hresult: error.hresult().map_or(0, |code| code.0),
            context: error.context().unwrap_or(0),
            os_error: error.os_error().map_or(0, i64::from),
            resumable: error.is_resumable(),
        }))
    }
}
