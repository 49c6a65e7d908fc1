//! Options: functions of the program.

use std::ffi::c_void;

use super::bitsup_upload_options;
use crate::callbacks::{
    ProgressCallback, RetryCallback, StateCallback, TranscriptCallback, Userdata,
    bitsup_progress_callback, bitsup_retry_callback, bitsup_state_callback,
    bitsup_transcript_callback,
};
use crate::credential::{Asked, bitsup_credential_callback};
use crate::error::bitsup_error;
use crate::status::bitsup_status;

/// Calls the function at most ten times a second and at every change of state;
/// NULL for none. userdata goes to it as it is, and must be good until
/// bitsup_upload_free returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_on_progress(
    options: *mut bitsup_upload_options,
    callback: bitsup_progress_callback,
    userdata: *mut c_void,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let callback = callback.map(|function| ProgressCallback(function, Userdata(userdata)));
        options.choose(move |choices| choices.progress = callback)
    })
}

/// Calls the function at every change of state; NULL for none. userdata goes to
/// it as it is, and must be good until bitsup_upload_free returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_on_state(
    options: *mut bitsup_upload_options,
    callback: bitsup_state_callback,
    userdata: *mut c_void,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let callback = callback.map(|function| StateCallback(function, Userdata(userdata)));
        options.choose(move |choices| choices.state = callback)
    })
}

/// Asks the function before each next try; NULL for none. userdata goes to it
/// as it is, and must be good until bitsup_upload_free returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_on_retry(
    options: *mut bitsup_upload_options,
    callback: bitsup_retry_callback,
    userdata: *mut c_void,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let callback = callback.map(|function| RetryCallback(function, Userdata(userdata)));
        options.choose(move |choices| choices.retry = callback)
    })
}

/// Calls the function with each exchange, to be written down and played back by
/// a development server; NULL for none. userdata goes to it as it is, and must
/// be good until bitsup_upload_free returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_on_transcript(
    options: *mut bitsup_upload_options,
    callback: bitsup_transcript_callback,
    userdata: *mut c_void,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let callback = callback.map(|function| TranscriptCallback(function, Userdata(userdata)));
        options.choose(move |choices| choices.transcript = callback)
    })
}

/// Asks the function for a login when one is wanted; NULL for none. userdata
/// goes to it as it is, and must be good until bitsup_upload_free returned, or
/// bitsup_session_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_credential_callback(
    options: *mut bitsup_upload_options,
    callback: bitsup_credential_callback,
    userdata: *mut c_void,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let asked = callback.map(|function| Asked(function, Userdata(userdata)).shared());
        options.choose(move |choices| choices.options.credential_callback.clone_from(&asked))
    })
}
