//! The setters of `options/policies.rs` for all uploads of a client: made from that file, never edited.

use std::ffi::{c_char, c_int};

use super::bitsup_config;
use crate::error::bitsup_error;
use crate::status::bitsup_status;
use crate::{enumerations, text};

/// For all uploads of the client:
/// bitsup_upload_options_set_host_id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_host_id(
    config: *mut bitsup_config,
    policy: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let value = enumerations::host_policy(policy)?;
        config.choose(move |choices| choices.options.host_id = value)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_trusted_host.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_trusted_host(
    config: *mut bitsup_config,
    host: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let host = unsafe { text::text(host, "host") }?.to_owned();
        config.choose(move |choices| choices.options.trusted_hosts.push(host.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_if_exists.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_if_exists(
    config: *mut bitsup_config,
    policy: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let value = enumerations::if_exists(policy)?;
        config.choose(move |choices| choices.options.if_exists = value)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_verify.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_verify(
    config: *mut bitsup_config,
    policy: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let value = enumerations::verify(policy)?;
        config.choose(move |choices| choices.options.verify = value)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_on_lost_ack.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_on_lost_ack(
    config: *mut bitsup_config,
    policy: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let value = enumerations::on_lost_ack(policy)?;
        config.choose(move |choices| choices.options.on_lost_ack = value)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_resume_check.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_resume_check(
    config: *mut bitsup_config,
    policy: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let value = enumerations::resume_check(policy)?;
        config.choose(move |choices| choices.options.resume_check = value)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_fresh.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_fresh(
    config: *mut bitsup_config,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        config.choose(move |choices| choices.options.fresh = on != 0)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_no_resume.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_no_resume(
    config: *mut bitsup_config,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        config.choose(move |choices| choices.options.no_resume = on != 0)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_require_resume.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_require_resume(
    config: *mut bitsup_config,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        config.choose(move |choices| choices.options.require_resume = on != 0)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_sha256.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_sha256(
    config: *mut bitsup_config,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        config.choose(move |choices| choices.options.sha256 = on != 0)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_refuse_empty.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_refuse_empty(
    config: *mut bitsup_config,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        config.choose(move |choices| choices.options.refuse_empty = on != 0)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_lenient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_lenient(
    config: *mut bitsup_config,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        config.choose(move |choices| choices.options.lenient = on != 0)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_content_name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_content_name(
    config: *mut bitsup_config,
    name: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let name = unsafe { text::text(name, "name") }?.to_owned();
        config.choose(move |choices| choices.options.content_name = Some(name.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_note.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_note(
    config: *mut bitsup_config,
    note: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let note = unsafe { text::text(note, "note") }?.to_owned();
        config.choose(move |choices| choices.options.note = Some(note.clone()))
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_polite.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_polite(
    config: *mut bitsup_config,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        config.choose(move |choices| choices.options.polite = on != 0)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_post_override.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_post_override(
    config: *mut bitsup_config,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        config.choose(move |choices| choices.options.post_override = on != 0)
    })
}
