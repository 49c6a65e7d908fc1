//! The setters of `options/proxy.rs` for all uploads of a client: made from that file, never edited.

use std::ffi::{c_char, c_int};

use bitsup::{ProxyChoice, Resolve};

use super::bitsup_config;
use crate::error::bitsup_error;
use crate::hidden::Hidden;
use crate::status::bitsup_status;
use crate::{enumerations, text};

/// For all uploads of the client:
/// bitsup_upload_options_set_proxy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_proxy(
    config: *mut bitsup_config,
    url: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let proxy = match unsafe { text::text(url, "url") }? {
            "" => ProxyChoice::Direct,
            url => ProxyChoice::Url(url.to_owned()),
        };
        config.choose(move |choices| choices.options.proxy = proxy.clone())
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_noproxy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_noproxy(
    config: *mut bitsup_config,
    hosts: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let hosts = unsafe { text::text(hosts, "hosts") }?.to_owned();
        config.choose(move |choices| choices.options.no_proxy = Some(hosts.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_proxy_user.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_proxy_user(
    config: *mut bitsup_config,
    user: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let user = unsafe { text::text(user, "user") }?.to_owned();
        config.choose(move |choices| choices.proxy_user = Some(user.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_proxy_password.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_proxy_password(
    config: *mut bitsup_config,
    password: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let password = Hidden::value(unsafe { text::text(password, "password") }?);
        config.choose(move |choices| choices.proxy_password = Some(password.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_proxy_password_file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_proxy_password_file(
    config: *mut bitsup_config,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        config.choose(move |choices| choices.proxy_password = Some(Hidden::File(path.clone())))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_proxy_password_file_bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_proxy_password_file_bytes(
    config: *mut bitsup_config,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        config.choose(move |choices| choices.proxy_password = Some(Hidden::File(path.clone())))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_proxy_auth.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_proxy_auth(
    config: *mut bitsup_config,
    scheme: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let value = enumerations::auth(scheme)?;
        config.choose(move |choices| choices.options.proxy_auth = value)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_proxy_ca_file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_proxy_ca_file(
    config: *mut bitsup_config,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        config.choose(move |choices| choices.options.tls.proxy_ca_file = Some(path.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_proxy_ca_file_bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_proxy_ca_file_bytes(
    config: *mut bitsup_config,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        config.choose(move |choices| choices.options.tls.proxy_ca_file = Some(path.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_resolve.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_resolve(
    config: *mut bitsup_config,
    addresses: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let addresses = Resolve::parse(unsafe { text::text(addresses, "addresses") }?)?;
        config.choose(move |choices| choices.options.resolve.push(addresses.clone()))
    })
}
