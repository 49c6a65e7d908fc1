//! Options: TLS.

use std::ffi::{c_char, c_int};

use super::bitsup_upload_options;
use crate::error::bitsup_error;
use crate::hidden::Hidden;
use crate::status::bitsup_status;
use crate::text;

/// A file of CA certificates (PEM) instead of those of the system.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_ca_file(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        options.choose(move |choices| choices.options.tls.ca_file = Some(path.clone()))
    })
}

/// The same with a path of length bytes, in any encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_ca_file_bytes(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        options.choose(move |choices| choices.options.tls.ca_file = Some(path.clone()))
    })
}

/// A file with a certificate that shows the server who we are: PEM, or
/// PKCS#12 with its key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_client_cert(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        options.choose(move |choices| choices.options.tls.cert = Some(path.clone()))
    })
}

/// The same with a path of length bytes, in any encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_client_cert_bytes(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        options.choose(move |choices| choices.options.tls.cert = Some(path.clone()))
    })
}

/// A file with that certificate's private key (PEM). Default: it is in the
/// certificate's file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_client_key(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        options.choose(move |choices| choices.options.tls.key = Some(path.clone()))
    })
}

/// The same with a path of length bytes, in any encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_client_key_bytes(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        options.choose(move |choices| choices.options.tls.key = Some(path.clone()))
    })
}

/// The private key's passphrase, treated like a password.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_client_key_password(
    options: *mut bitsup_upload_options,
    password: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let password = Hidden::value(unsafe { text::text(password, "password") }?);
        options.choose(move |choices| choices.key_password = Some(password.clone()))
    })
}

/// A file with the private key's passphrase, which is read like that of a
/// password.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_client_key_password_file(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        options.choose(move |choices| choices.key_password = Some(Hidden::File(path.clone())))
    })
}

/// The same with a path of length bytes, in any encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_client_key_password_file_bytes(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        options.choose(move |choices| choices.key_password = Some(Hidden::File(path.clone())))
    })
}

/// The server's public key, as curl writes it: sha256//BASE64. A server with
/// another one is refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_pinned_key(
    options: *mut bitsup_upload_options,
    key: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let key = unsafe { text::text(key, "key") }?.to_owned();
        options.choose(move |choices| choices.options.tls.pinned_public_key = Some(key.clone()))
    })
}

/// Whether (not 0) certificates are not checked at all. Default 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_insecure(
    options: *mut bitsup_upload_options,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        options.choose(move |choices| choices.options.tls.insecure = on != 0)
    })
}
