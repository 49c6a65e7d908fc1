//! A session as text.

use std::ffi::{CString, c_char};

use crate::handle::{self, Handle, Owned};
use crate::life::Life;
use crate::text;

/// A session as text, to continue it with. It holds no password, but who has it
/// can write to the upload.
pub struct bitsup_token {
    life: Life,
    text: CString,
}

impl Handle for bitsup_token {
    type Ownership = Owned;
    const NAME: &'static str = "bitsup_token";

    fn life(&self) -> Option<&Life> {
        Some(&self.life)
    }
}

impl bitsup_token {
    pub(crate) fn new(text: &str) -> Self {
        Self { life: Life::new(), text: text::for_c(text) }
    }
}

/// Gives the text: one line of visible ASCII characters, which lives as long as
/// the token; "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_token_text(token: *const bitsup_token) -> *const c_char {
    boundary!(value: c"".as_ptr(), [token], { token.text.as_ptr() })
}

/// Frees the token and its text. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_token_free(token: *mut bitsup_token) {
    boundary!(value: (), [], {
        // SAFETY: the caller gives NULL or a token that it owns, and this is its last use.
        drop(unsafe { handle::take(token) });
    });
}
