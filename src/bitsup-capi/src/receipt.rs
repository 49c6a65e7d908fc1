//! The proof of a complete upload.

use std::ffi::{CString, c_char, c_int, c_void};
use std::mem::offset_of;
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use bitsup::Receipt;

use crate::progress::milliseconds;
use crate::structure::Extensible;
use crate::text;

/// What is known about a complete upload. Texts and reply live as long as the
/// upload's handle.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bitsup_receipt {
    /// Set it to sizeof(bitsup_receipt) before the call; afterwards the bytes
    /// that were written.
    pub struct_size: usize,
    /// The destination, without its query.
    pub url: *const c_char,
    /// Size in bytes.
    pub size: u64,
    /// The session's id; NULL if there was no session.
    pub session_id: *const c_char,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Fragments acknowledged.
    pub fragments: u64,
    /// Tries after a failure.
    pub retries: u64,
    /// Sessions that had to be replaced.
    pub restarts: u32,
    /// Parts sent again where the server may have stored them before.
    pub unconfirmed_resends: u32,
    /// Whether (not 0) the end of the session was acknowledged.
    pub close_confirmed: c_int,
    /// Whether (not 0) no doubt about the file on the server is left.
    pub verified: c_int,
    /// Whether (not 0) nothing was sent because the destination existed.
    pub skipped: c_int,
    /// SHA-256 of what was sent, as hexadecimal digits; NULL if it was not asked
    /// for.
    pub sha256: *const c_char,
    /// The file with the reply; NULL if there is none.
    pub reply_path: *const c_char,
    /// The reply, if it was asked for in memory; else NULL.
    pub reply: *const c_void,
    /// Bytes of the reply in memory.
    pub reply_size: usize,
    /// The URL of a reply that the server offered; NULL if it did not.
    pub reply_url: *const c_char,
    /// Things that a person should know, a line each; NULL if there are none.
    pub warnings: *const c_char,
}

// SAFETY: `repr(C)`, the first field is the size, and each field may be zero.
unsafe impl Extensible for bitsup_receipt {
    const FIRST: usize = offset_of!(Self, warnings) + size_of::<*const c_char>();
}

/// A receipt with the texts that C sees.
pub(crate) struct OwnedReceipt {
    receipt: Receipt,
    url: CString,
    session_id: Option<CString>,
    sha256: Option<CString>,
    reply_path: Option<CString>,
    reply_url: Option<CString>,
    warnings: Option<CString>,
}

impl OwnedReceipt {
    pub(crate) fn new(receipt: Receipt) -> Self {
        let optional = |value: &Option<String>| value.as_deref().map(text::for_c);
        let path = receipt.reply_path.as_ref().map(|path| path.as_os_str().as_bytes());
        let warnings = receipt.warnings.join("\n");
        Self {
            url: text::for_c(&receipt.url),
            session_id: optional(&receipt.session_id),
            sha256: optional(&receipt.sha256),
            reply_path: path.and_then(|path| CString::new(path).ok()),
            reply_url: optional(&receipt.reply_url),
            warnings: (!warnings.is_empty()).then(|| text::for_c(&warnings)),
            receipt,
        }
    }

    /// The structure for C, which points into this.
    pub(crate) fn for_c(&self) -> bitsup_receipt {
        let pointer =
            |value: &Option<CString>| value.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        let receipt = &self.receipt;
        let reply = receipt.reply.as_deref();
        bitsup_receipt {
            struct_size: size_of::<bitsup_receipt>(),
            url: self.url.as_ptr(),
            size: receipt.size,
            session_id: pointer(&self.session_id),
            duration_ms: milliseconds(receipt.duration),
            fragments: receipt.fragments,
            retries: receipt.retries,
            restarts: receipt.restarts,
            unconfirmed_resends: receipt.unconfirmed_resends,
            close_confirmed: c_int::from(receipt.close_confirmed),
            verified: c_int::from(receipt.verified),
            skipped: c_int::from(receipt.skipped),
            sha256: pointer(&self.sha256),
            reply_path: pointer(&self.reply_path),
            reply: reply.map_or(ptr::null(), |reply| reply.as_ptr().cast()),
            reply_size: reply.map_or(0, <[u8]>::len),
            reply_url: pointer(&self.reply_url),
            warnings: pointer(&self.warnings),
        }
    }
}
