//! Options: the proxy.

use std::ffi::{c_char, c_int};

use bitsup::{ProxyChoice, Resolve};

use super::bitsup_upload_options;
use crate::error::bitsup_error;
use crate::hidden::Hidden;
use crate::status::bitsup_status;
use crate::{enumerations, text};

/// The proxy to go through: http://host:port, https://host:port or
/// socks5h://host:port, without a password; "" for none. Default: what
/// http_proxy, https_proxy, all_proxy and no_proxy in the environment say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_proxy(
    options: *mut bitsup_upload_options,
    url: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let proxy = match unsafe { text::text(url, "url") }? {
            "" => ProxyChoice::Direct,
            url => ProxyChoice::Url(url.to_owned()),
        };
        options.choose(move |choices| choices.options.proxy = proxy.clone())
    })
}

/// Hosts to reach without the proxy, separated by commas. Default: what
/// no_proxy in the environment says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_noproxy(
    options: *mut bitsup_upload_options,
    hosts: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let hosts = unsafe { text::text(hosts, "hosts") }?.to_owned();
        options.choose(move |choices| choices.options.no_proxy = Some(hosts.clone()))
    })
}

/// The user for the proxy; goes with a password.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_proxy_user(
    options: *mut bitsup_upload_options,
    user: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let user = unsafe { text::text(user, "user") }?.to_owned();
        options.choose(move |choices| choices.proxy_user = Some(user.clone()))
    })
}

/// The password for the proxy, treated like that for the server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_proxy_password(
    options: *mut bitsup_upload_options,
    password: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let password = Hidden::value(unsafe { text::text(password, "password") }?);
        options.choose(move |choices| choices.proxy_password = Some(password.clone()))
    })
}

/// A file with the password for the proxy, which is read like that for the
/// server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_proxy_password_file(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        options.choose(move |choices| choices.proxy_password = Some(Hidden::File(path.clone())))
    })
}

/// The same with a path of length bytes, in any encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_proxy_password_file_bytes(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        options.choose(move |choices| choices.proxy_password = Some(Hidden::File(path.clone())))
    })
}

/// With which scheme to answer the proxy's challenge: a bitsup_auth.
/// BITSUP_AUTH_ANY takes Basic too: few proxies have TLS of their own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_proxy_auth(
    options: *mut bitsup_upload_options,
    scheme: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let value = enumerations::auth(scheme)?;
        options.choose(move |choices| choices.options.proxy_auth = value)
    })
}

/// A file of CA certificates (PEM) for a proxy that is reached over https,
/// instead of those of the system.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_proxy_ca_file(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        options.choose(move |choices| choices.options.tls.proxy_ca_file = Some(path.clone()))
    })
}

/// The same with a path of length bytes, in any encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_proxy_ca_file_bytes(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        options.choose(move |choices| choices.options.tls.proxy_ca_file = Some(path.clone()))
    })
}

/// Adds the addresses to take for a name instead of looking it up:
/// HOST:PORT:ADDRESS[,ADDRESS]…, as for curl's --resolve.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_resolve(
    options: *mut bitsup_upload_options,
    addresses: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let addresses = Resolve::parse(unsafe { text::text(addresses, "addresses") }?)?;
        options.choose(move |choices| choices.options.resolve.push(addresses.clone()))
    })
}
