//! The setters of `options/callbacks.rs` for all uploads of a client: made from that file, never edited.

use std::ffi::c_void;

use super::bitsup_config;
use crate::callbacks::{
    ProgressCallback, RetryCallback, StateCallback, TranscriptCallback, Userdata,
    bitsup_progress_callback, bitsup_retry_callback, bitsup_state_callback,
    bitsup_transcript_callback,
};
use crate::credential::{Asked, bitsup_credential_callback};
use crate::error::bitsup_error;
use crate::status::bitsup_status;

/// For all uploads of the client:
/// bitsup_upload_options_set_on_progress.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_on_progress(
    config: *mut bitsup_config,
    callback: bitsup_progress_callback,
    userdata: *mut c_void,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let callback = callback.map(|function| ProgressCallback(function, Userdata(userdata)));
        config.choose(move |choices| choices.progress = callback)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_on_state.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_on_state(
    config: *mut bitsup_config,
    callback: bitsup_state_callback,
    userdata: *mut c_void,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let callback = callback.map(|function| StateCallback(function, Userdata(userdata)));
        config.choose(move |choices| choices.state = callback)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_on_retry.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_on_retry(
    config: *mut bitsup_config,
    callback: bitsup_retry_callback,
    userdata: *mut c_void,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let callback = callback.map(|function| RetryCallback(function, Userdata(userdata)));
        config.choose(move |choices| choices.retry = callback)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_on_transcript.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_on_transcript(
    config: *mut bitsup_config,
    callback: bitsup_transcript_callback,
    userdata: *mut c_void,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let callback = callback.map(|function| TranscriptCallback(function, Userdata(userdata)));
        config.choose(move |choices| choices.transcript = callback)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_credential_callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_credential_callback(
    config: *mut bitsup_config,
    callback: bitsup_credential_callback,
    userdata: *mut c_void,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let asked = callback.map(|function| Asked(function, Userdata(userdata)).shared());
        config.choose(move |choices| choices.options.credential_callback.clone_from(&asked))
    })
}
