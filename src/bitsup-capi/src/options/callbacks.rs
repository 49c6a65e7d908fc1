//! Options: functions of the program. Each has a type of its own, and so a setter.

use std::ffi::c_void;
use std::sync::Arc;

use super::{Chosen, bitsup_options};
use crate::callbacks::{
    Hook, bitsup_destroy_callback, bitsup_log_callback, bitsup_progress_callback,
    bitsup_retry_callback, bitsup_state_callback, bitsup_transcript_callback,
};
use crate::credential::{CredentialHook, bitsup_credential_callback};
use crate::error::bitsup_error;
use crate::failure::CallFailure;
use crate::status::bitsup_status;

impl bitsup_options {
    #[expect(clippy::unnecessary_wraps, reason = "the last expression of every setter")]
    fn hook(&self, set: impl FnOnce(&mut Chosen)) -> Result<bitsup_status, CallFailure> {
        self.change(set);
        Ok(bitsup_status::Ok)
    }
}

/// Calls the function with a snapshot, at most ten times a second and at every
/// change of state; NULL is none, also where the client has one. userdata goes
/// to it as it is. destroy, if not NULL, is called with it once: when the
/// options, their copies, and the clients and uploads that were made with them
/// are freed and the last callback has returned, or when this call fails. So it
/// is with the setters below.
/// Statuses: OK, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_set_on_progress(
    options: *mut bitsup_options,
    callback: bitsup_progress_callback,
    userdata: *mut c_void,
    destroy: bitsup_destroy_callback,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives ARGUMENT, [options], owns hook = Hook::new(callback, userdata, destroy), {
        options.hook(|chosen| chosen.hooks.progress = Some(Arc::new(hook)))
    })
}

/// Calls the function at every change of state.
/// Statuses: OK, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_set_on_state(
    options: *mut bitsup_options,
    callback: bitsup_state_callback,
    userdata: *mut c_void,
    destroy: bitsup_destroy_callback,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives ARGUMENT, [options], owns hook = Hook::new(callback, userdata, destroy), {
        options.hook(|chosen| chosen.hooks.state = Some(Arc::new(hook)))
    })
}

/// Asks the function before each retry.
/// Statuses: OK, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_set_on_retry(
    options: *mut bitsup_options,
    callback: bitsup_retry_callback,
    userdata: *mut c_void,
    destroy: bitsup_destroy_callback,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives ARGUMENT, [options], owns hook = Hook::new(callback, userdata, destroy), {
        options.hook(|chosen| chosen.hooks.retry = Some(Arc::new(hook)))
    })
}

/// Calls the function with each exchange, to be written down and played back by
/// a development server.
/// Statuses: OK, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_set_on_transcript(
    options: *mut bitsup_options,
    callback: bitsup_transcript_callback,
    userdata: *mut c_void,
    destroy: bitsup_destroy_callback,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives ARGUMENT, [options], owns hook = Hook::new(callback, userdata, destroy), {
        options.hook(|chosen| chosen.hooks.transcript = Some(Arc::new(hook)))
    })
}

/// Asks the function for a login when one is wanted.
/// Statuses: OK, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_set_on_credentials(
    options: *mut bitsup_options,
    callback: bitsup_credential_callback,
    userdata: *mut c_void,
    destroy: bitsup_destroy_callback,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives ARGUMENT, [options], owns hook = Hook::new(callback, userdata, destroy), {
        let hook = CredentialHook::new(hook);
        options.hook(|chosen| chosen.hooks.credentials = Some(Arc::new(hook)))
    })
}

/// Calls the function with each line of the log. It is an option of the client.
/// Statuses: OK, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_set_on_log(
    options: *mut bitsup_options,
    callback: bitsup_log_callback,
    userdata: *mut c_void,
    destroy: bitsup_destroy_callback,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives ARGUMENT, [options], owns hook = Hook::new(callback, userdata, destroy), {
        options.hook(|chosen| chosen.hooks.log = Some(Arc::new(hook)))
    })
}
