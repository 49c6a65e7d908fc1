//! The setters of `options/reply.rs` for all uploads of a client: made from that file, never edited.

use std::ffi::{c_char, c_int};

use bitsup::ReplyTo;

use super::bitsup_config;
use crate::error::{Failure, bitsup_error};
use crate::status::bitsup_status;
use crate::text;

/// For all uploads of the client:
/// bitsup_upload_options_set_reply_path.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_reply_path(
    config: *mut bitsup_config,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        config.choose(move |choices| choices.options.reply_to = ReplyTo::File(path.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_reply_path_bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_reply_path_bytes(
    config: *mut bitsup_config,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        config.choose(move |choices| choices.options.reply_to = ReplyTo::File(path.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_reply_memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_reply_memory(
    config: *mut bitsup_config,
    max_bytes: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        if max_bytes == 0 {
            return Err(Failure::invalid("max_bytes is 0: give at least 1"));
        }
        config.choose(move |choices| choices.options.reply_to = ReplyTo::Memory(max_bytes))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_reply_max_size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_reply_max_size(
    config: *mut bitsup_config,
    bytes: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        if bytes == 0 {
            return Err(Failure::invalid("bytes is 0: give at least 1"));
        }
        config.choose(move |choices| choices.options.reply_max_size = bytes)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_reply_optional.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_reply_optional(
    config: *mut bitsup_config,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        config.choose(move |choices| choices.options.reply_optional = on != 0)
    })
}
