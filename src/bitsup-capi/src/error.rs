//! The error object.

use std::ffi::{CString, c_char, c_int};

use crate::handle::{Handle, Owned};
use crate::life::Life;
use crate::status::bitsup_status;

/// Why a call failed. It never changes and any thread may read it; its texts
/// live as long as it does.
pub struct bitsup_error {
    pub(crate) status: bitsup_status,
    pub(crate) message: CString,
    pub(crate) advice: CString,
    pub(crate) token: Option<CString>,
    pub(crate) http_status: u32,
    pub(crate) hresult: u32,
    pub(crate) context: u32,
    pub(crate) os_error: i64,
    pub(crate) resumable: bool,
}

impl Handle for bitsup_error {
    type Ownership = Owned;
    const NAME: &'static str = "bitsup_error";

    fn life(&self) -> Option<&Life> {
        None
    }
}

/// Gives the status that the call returned; BITSUP_STATUS_OK for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_status(error: *const bitsup_error) -> bitsup_status {
    boundary!(value: bitsup_status::Ok, [error], { error.status })
}

/// Says what happened, in one line, with what the server said; "" for NULL. It
/// holds no secret.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_message(error: *const bitsup_error) -> *const c_char {
    boundary!(value: c"".as_ptr(), [error], { error.message.as_ptr() })
}

/// Says the likely next step, in one or two sentences; "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_advice(error: *const bitsup_error) -> *const c_char {
    boundary!(value: c"".as_ptr(), [error], { error.advice.as_ptr() })
}

/// Gives the HTTP status of the server's answer; 0 if there was none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_http_status(error: *const bitsup_error) -> u32 {
    boundary!(value: 0, [error], { error.http_status })
}

/// Gives the BITS error (an HRESULT such as 0x80200020) of the server's answer,
/// else the code that stands for its HTTP status; 0 if there was none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_hresult(error: *const bitsup_error) -> u32 {
    boundary!(value: 0, [error], { error.hresult })
}

/// Gives BITS-Error-Context of the answer: 5 for the BITS server, 7 for the
/// application behind it; 0 if there was none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_context(error: *const bitsup_error) -> u32 {
    boundary!(value: 0, [error], { error.context })
}

/// Gives the system's number where something on this machine failed: errno, on
/// Windows what GetLastError gave; 0 if nothing did.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_os_error(error: *const bitsup_error) -> i64 {
    boundary!(value: 0, [error], { error.os_error })
}

/// Tells whether (not 0) the server still holds what was sent, so that starting
/// the same upload again continues it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_error_resumable(error: *const bitsup_error) -> c_int {
    boundary!(value: 0, [error], { c_int::from(error.resumable) })
}

/// Gives the session that was left on the server, as text to continue it with:
/// see bitsup_upload_import. NULL if there is none. Keep it secret: it allows
/// to write to the upload.
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
        let error = crate::failure::CallFailure::from(error).into_error();
        assert!(!error.advice.to_str().expect("UTF-8").contains("--"));
    }
}
