//! Why the body of a call failed.

use std::any::Any;
use std::io;

use bitsup::Finding;
use bitsup::explain::Reader;

use crate::error::bitsup_error;
use crate::status::bitsup_status;
use crate::text;

/// The error of a body in the boundary, as C will see it.
pub(crate) struct CallFailure(Box<bitsup_error>);

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
        self.0.message.to_str().unwrap_or_default()
    }

    pub(crate) fn into_error(self) -> bitsup_error {
        *self.0
    }

    fn own(status: bitsup_status, message: &str, advice: &str) -> Self {
        Self(Box::new(bitsup_error {
            status,
            message: text::for_c(message),
            advice: text::for_c(advice),
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
        Self(Box::new(bitsup_error {
            status: error.kind().into(),
            message: text::for_c(&error.to_string()),
            advice: text::for_c(&error.advice_for(Reader::C)),
            token: error.token().map(text::for_c),
            http_status: error.http_status().map_or(0, u32::from),
            hresult: error.hresult().map_or(0, |code| code.0),
            context: error.context().unwrap_or(0),
            os_error: error.os_error().map_or(0, i64::from),
            resumable: error.is_resumable(),
        }))
    }
}
