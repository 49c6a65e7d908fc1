//! Options: who we are for the server.

use std::ffi::{c_char, c_int};

use bitsup::Header;

use super::bitsup_upload_options;
use crate::error::bitsup_error;
use crate::hidden::Hidden;
use crate::status::bitsup_status;
use crate::{enumerations, text};

/// The user, also as DOMAIN\user or user@domain; goes with a password.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_user(
    options: *mut bitsup_upload_options,
    user: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let user = unsafe { text::text(user, "user") }?.to_owned();
        options.choose(move |choices| choices.user = Some(user.clone()))
    })
}

/// The password. Copies inside bitsup are overwritten when they are not needed
/// any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_password(
    options: *mut bitsup_upload_options,
    password: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let password = Hidden::value(unsafe { text::text(password, "password") }?);
        options.choose(move |choices| choices.password = Some(password.clone()))
    })
}

/// A file whose content is the password, without one newline at its end. It is
/// read when an upload or session starts, at most 64 KiB.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_password_file(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        options.choose(move |choices| choices.password = Some(Hidden::File(path.clone())))
    })
}

/// The same with a path of length bytes, in any encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_password_file_bytes(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        options.choose(move |choices| choices.password = Some(Hidden::File(path.clone())))
    })
}

/// With which scheme to answer the server's challenge: a bitsup_auth.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_auth(
    options: *mut bitsup_upload_options,
    scheme: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let value = enumerations::auth(scheme)?;
        options.choose(move |choices| choices.options.auth = value)
    })
}

/// A bearer token, which goes with every packet. It is treated like the
/// password.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_bearer_token(
    options: *mut bitsup_upload_options,
    token: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let token = Hidden::value(unsafe { text::text(token, "token") }?);
        options.choose(move |choices| choices.token = Some(token.clone()))
    })
}

/// A file with the bearer token, which is read like that of the password.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_token_file(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        options.choose(move |choices| choices.token = Some(Hidden::File(path.clone())))
    })
}

/// The same with a path of length bytes, in any encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_token_file_bytes(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        options.choose(move |choices| choices.token = Some(Hidden::File(path.clone())))
    })
}

/// Whether (not 0) passwords, tokens and secret headers may go over plain http.
/// Default 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_allow_cleartext_credentials(
    options: *mut bitsup_upload_options,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        options.choose(move |choices| choices.options.allow_cleartext_credentials = on != 0)
    })
}

/// A header for every packet; it takes the place of one of the same name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_header(
    options: *mut bitsup_upload_options,
    name: *const c_char,
    value: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text, twice.
        let (name, value) = unsafe { (text::text(name, "name")?, text::text(value, "value")?) };
        let header = Header::new(name, value)?;
        options.choose(move |choices| choices.set_header(header.clone()))
    })
}

/// A header that is treated like a password: never shown, and not sent over
/// plain http unless that is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_secret_header(
    options: *mut bitsup_upload_options,
    name: *const c_char,
    value: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text, twice.
        let (name, value) = unsafe { (text::text(name, "name")?, text::text(value, "value")?) };
        let header = Header::new(name, value)?.secret();
        options.choose(move |choices| choices.set_header(header.clone()))
    })
}
