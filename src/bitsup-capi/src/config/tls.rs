//! The setters of `options/tls.rs` for all uploads of a client: made from that file, never edited.

use std::ffi::{c_char, c_int};

use super::bitsup_config;
use crate::error::bitsup_error;
use crate::hidden::Hidden;
use crate::status::bitsup_status;
use crate::text;

/// For all uploads of the client:
/// bitsup_upload_options_set_ca_file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_ca_file(
    config: *mut bitsup_config,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        config.choose(move |choices| choices.options.tls.ca_file = Some(path.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_ca_file_bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_ca_file_bytes(
    config: *mut bitsup_config,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        config.choose(move |choices| choices.options.tls.ca_file = Some(path.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_client_cert.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_client_cert(
    config: *mut bitsup_config,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        config.choose(move |choices| choices.options.tls.cert = Some(path.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_client_cert_bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_client_cert_bytes(
    config: *mut bitsup_config,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        config.choose(move |choices| choices.options.tls.cert = Some(path.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_client_key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_client_key(
    config: *mut bitsup_config,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        config.choose(move |choices| choices.options.tls.key = Some(path.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_client_key_bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_client_key_bytes(
    config: *mut bitsup_config,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        config.choose(move |choices| choices.options.tls.key = Some(path.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_client_key_password.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_client_key_password(
    config: *mut bitsup_config,
    password: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let password = Hidden::value(unsafe { text::text(password, "password") }?);
        config.choose(move |choices| choices.key_password = Some(password.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_client_key_password_file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_client_key_password_file(
    config: *mut bitsup_config,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        config.choose(move |choices| choices.key_password = Some(Hidden::File(path.clone())))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_client_key_password_file_bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_client_key_password_file_bytes(
    config: *mut bitsup_config,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        config.choose(move |choices| choices.key_password = Some(Hidden::File(path.clone())))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_pinned_key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_pinned_key(
    config: *mut bitsup_config,
    key: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let key = unsafe { text::text(key, "key") }?.to_owned();
        config.choose(move |choices| choices.options.tls.pinned_public_key = Some(key.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_insecure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_insecure(
    config: *mut bitsup_config,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        config.choose(move |choices| choices.options.tls.insecure = on != 0)
    })
}
