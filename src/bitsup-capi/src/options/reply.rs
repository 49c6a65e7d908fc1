//! Options: the reply.

use std::ffi::{c_char, c_int};

use bitsup::ReplyTo;

use super::bitsup_upload_options;
use crate::error::{Failure, bitsup_error};
use crate::status::bitsup_status;
use crate::text;

/// Asks for a reply, into this file, which is replaced when the reply is
/// complete.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_reply_path(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        options.choose(move |choices| choices.options.reply_to = ReplyTo::File(path.clone()))
    })
}

/// The same with a path of length bytes, in any encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_reply_path_bytes(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        options.choose(move |choices| choices.options.reply_to = ReplyTo::File(path.clone()))
    })
}

/// Asks for a reply, into memory: at most max_bytes, at least 1. The receipt
/// has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_reply_memory(
    options: *mut bitsup_upload_options,
    max_bytes: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        if max_bytes == 0 {
            return Err(Failure::invalid("max_bytes is 0: give at least 1"));
        }
        options.choose(move |choices| choices.options.reply_to = ReplyTo::Memory(max_bytes))
    })
}

/// How many bytes a reply to a file may have, at least 1; a larger one is an
/// error. Default 1 GiB.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_reply_max_size(
    options: *mut bitsup_upload_options,
    bytes: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        if bytes == 0 {
            return Err(Failure::invalid("bytes is 0: give at least 1"));
        }
        options.choose(move |choices| choices.options.reply_max_size = bytes)
    })
}

/// Whether (not 0) a missing reply is no error. Default 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_reply_optional(
    options: *mut bitsup_upload_options,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        options.choose(move |choices| choices.options.reply_optional = on != 0)
    })
}
