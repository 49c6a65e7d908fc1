//! The setters of `options/credentials.rs` for all uploads of a client: made from that file, never edited.

use std::ffi::{c_char, c_int};

use bitsup::Header;

use super::bitsup_config;
use crate::error::bitsup_error;
use crate::hidden::Hidden;
use crate::status::bitsup_status;
use crate::{enumerations, text};

/// For all uploads of the client:
/// bitsup_upload_options_set_user.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_user(
    config: *mut bitsup_config,
    user: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let user = unsafe { text::text(user, "user") }?.to_owned();
        config.choose(move |choices| choices.user = Some(user.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_password.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_password(
    config: *mut bitsup_config,
    password: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let password = Hidden::value(unsafe { text::text(password, "password") }?);
        config.choose(move |choices| choices.password = Some(password.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_password_file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_password_file(
    config: *mut bitsup_config,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        config.choose(move |choices| choices.password = Some(Hidden::File(path.clone())))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_password_file_bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_password_file_bytes(
    config: *mut bitsup_config,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        config.choose(move |choices| choices.password = Some(Hidden::File(path.clone())))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_auth.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_auth(
    config: *mut bitsup_config,
    scheme: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let value = enumerations::auth(scheme)?;
        config.choose(move |choices| choices.options.auth = value)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_bearer_token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_bearer_token(
    config: *mut bitsup_config,
    token: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let token = Hidden::value(unsafe { text::text(token, "token") }?);
        config.choose(move |choices| choices.token = Some(token.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_token_file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_token_file(
    config: *mut bitsup_config,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        config.choose(move |choices| choices.token = Some(Hidden::File(path.clone())))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_token_file_bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_token_file_bytes(
    config: *mut bitsup_config,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        config.choose(move |choices| choices.token = Some(Hidden::File(path.clone())))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_allow_cleartext_credentials.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_allow_cleartext_credentials(
    config: *mut bitsup_config,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        config.choose(move |choices| choices.options.allow_cleartext_credentials = on != 0)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_header(
    config: *mut bitsup_config,
    name: *const c_char,
    value: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text, twice.
        let (name, value) = unsafe { (text::text(name, "name")?, text::text(value, "value")?) };
        let header = Header::new(name, value)?;
        config.choose(move |choices| choices.set_header(header.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_secret_header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_secret_header(
    config: *mut bitsup_config,
    name: *const c_char,
    value: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text, twice.
        let (name, value) = unsafe { (text::text(name, "name")?, text::text(value, "value")?) };
        let header = Header::new(name, value)?.secret();
        config.choose(move |choices| choices.set_header(header.clone()))
    })
}
