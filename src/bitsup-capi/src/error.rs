//! The error object.

use std::any::Any;
use std::ffi::{CString, c_char, c_int};
use std::io;

use bitsup::Finding;
use bitsup::explain::Reader;

use crate::handle::{Handle, Owned};
use crate::life::Life;
use crate::status::bitsup_status;
use crate::text;

/// Why a call failed. It never changes and any thread may read it; its texts
/// live as long as it does.
pub struct bitsup_error {
    status: bitsup_status,
    message: CString,
    advice: CString,
    token: Option<CString>,
    http_status: u32,
    hresult: u32,
    context: u32,
    os_error: i64,
    resumable: bool,
}

/// The error of a body in the boundary.
pub(crate) struct Failure(pub(crate) Box<bitsup_error>);

impl Handle for bitsup_error {
    type Ownership = Owned;
    const NAME: &'static str = "bitsup_error";

    fn life(&self) -> Option<&Life> {
        None
    }
}

impl Failure {
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

impl bitsup_error {
    /// What happened.
    pub(crate) fn message_text(&self) -> String {
        self.message.to_string_lossy().into_owned()
    }
}

impl From<bitsup::Error> for Failure {
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

/// The status that the call returned; BITSUP_STATUS_OK for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_status(error: *const bitsup_error) -> bitsup_status {
    boundary!(value: bitsup_status::Ok, [error], { error.status })
}

/// What happened, in one line, with what the server said; "" for NULL. It holds
/// no secret.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_message(error: *const bitsup_error) -> *const c_char {
    boundary!(value: c"".as_ptr(), [error], { error.message.as_ptr() })
}

/// The likely next step, in one or two sentences; "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_advice(error: *const bitsup_error) -> *const c_char {
    boundary!(value: c"".as_ptr(), [error], { error.advice.as_ptr() })
}

/// The HTTP status of the server's answer; 0 if there was none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_http_status(error: *const bitsup_error) -> u32 {
    boundary!(value: 0, [error], { error.http_status })
}

/// The BITS error (an HRESULT such as 0x80200020) of the server's answer, else
/// the code that stands for its HTTP status; 0 if there was none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_hresult(error: *const bitsup_error) -> u32 {
    boundary!(value: 0, [error], { error.hresult })
}

/// BITS-Error-Context of the answer: 5 for the BITS server, 7 for the
/// application behind it; 0 if there was none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_context(error: *const bitsup_error) -> u32 {
    boundary!(value: 0, [error], { error.context })
}

/// The system's number where something on this machine failed: errno, on
/// Windows what GetLastError gave; 0 if nothing did.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_os_error(error: *const bitsup_error) -> i64 {
    boundary!(value: 0, [error], { error.os_error })
}

/// Whether (not 0) the server still holds what was sent, so that starting the
/// same upload again continues it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_resumable(error: *const bitsup_error) -> c_int {
    boundary!(value: 0, [error], { c_int::from(error.resumable) })
}

/// The session that was left on the server, as text to continue it with; NULL
/// if there is none. Who has this text can write to the upload.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_token(error: *const bitsup_error) -> *const c_char {
    boundary!(value: std::ptr::null(), [error], {
        error.token.as_ref().map_or(std::ptr::null(), |token| token.as_ptr())
    })
}

/// Frees the error and its texts. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_free(error: *mut bitsup_error) {
    boundary!(value: (), [], {
        // SAFETY: the caller gives NULL or an error that it owns, and this is its last use.
        drop(unsafe { crate::handle::take(error) });
    });
}

#[cfg(test)]
mod tests {
    use bitsup::ErrorKind;
    use bitsup::explain::{NAMES, Naming, Reader, TABLE, render};

    #[test]
    fn advice_speaks_c() {
        let _rule = bitsup_server::rule!("OUT-05");
        let symbols = include_str!("../symbols.txt");
        let header = include_str!("../../../include/bitsup.h");
        for named in NAMES {
            let name = named.name_for(None, Reader::C);
            let known = symbols.lines().any(|symbol| symbol == name)
                || header.contains(&format!("  {name} = "));
            assert!(known, "{name}");
            if let Naming::Choice(prefix) = named.naming {
                assert!(header.contains(prefix), "{prefix}");
            }
        }
        for text in ["{if_exists=try}", "{host_id=ignore}"] {
            let told = render(text, Reader::C);
            let constant = told.split(' ').next_back().unwrap_or_default();
            assert!(header.contains(&format!("  {constant} = ")), "{told}");
        }
        for entry in TABLE {
            let told = entry.advice(Reader::C);
            assert!(!told.contains("--") && !told.contains('{'), "{told}");
        }
        let error = bitsup::Client::new().expect("a client").session(
            "http://127.0.0.1:1/x",
            1,
            "x",
            &bitsup::UploadOptions::default(),
        );
        let error = error.expect_err("nothing listens there");
        assert_eq!(error.kind(), ErrorKind::Network);
        let failure = super::Failure::from(error);
        assert!(!failure.0.advice.to_string_lossy().contains("--"));
    }
}
