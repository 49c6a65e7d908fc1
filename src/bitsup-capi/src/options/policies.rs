//! Options: what to do when.

use std::ffi::{c_char, c_int};

use super::bitsup_upload_options;
use crate::error::bitsup_error;
use crate::status::bitsup_status;
use crate::{enumerations, text};

/// Which other host to go on with: a bitsup_host_policy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_host_id(
    options: *mut bitsup_upload_options,
    policy: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let value = enumerations::host_policy(policy)?;
        options.choose(move |choices| choices.options.host_id = value)
    })
}

/// Adds a host to go on with whatever the policy, which is shown logins,
/// tokens, cookies and secret headers as the URL's host is; a leading dot names
/// all hosts below. Without it BITSUP_HOST_POLICY_ANY shows them to hosts of
/// the URL's registrable domain only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_trusted_host(
    options: *mut bitsup_upload_options,
    host: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let host = unsafe { text::text(host, "host") }?.to_owned();
        options.choose(move |choices| choices.options.trusted_hosts.push(host.clone()))
    })
}

/// What to do about a file that exists: a bitsup_if_exists.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_if_exists(
    options: *mut bitsup_upload_options,
    policy: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let value = enumerations::if_exists(policy)?;
        options.choose(move |choices| choices.options.if_exists = value)
    })
}

/// When to ask for the destination's size afterwards: a bitsup_verify.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_verify(
    options: *mut bitsup_upload_options,
    policy: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let value = enumerations::verify(policy)?;
        options.choose(move |choices| choices.options.verify = value)
    })
}

/// What to do where an answer was lost: a bitsup_on_lost_ack.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_on_lost_ack(
    options: *mut bitsup_upload_options,
    policy: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let value = enumerations::on_lost_ack(policy)?;
        options.choose(move |choices| choices.options.on_lost_ack = value)
    })
}

/// How much of the source is compared before an upload is continued: a
/// bitsup_resume_check.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_resume_check(
    options: *mut bitsup_upload_options,
    policy: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let value = enumerations::resume_check(policy)?;
        options.choose(move |choices| choices.options.resume_check = value)
    })
}

/// Whether (not 0) a kept session of the same source and destination is
/// cancelled, and the upload starts anew. Default 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_fresh(
    options: *mut bitsup_upload_options,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        options.choose(move |choices| choices.options.fresh = on != 0)
    })
}

/// Whether (not 0) nothing is kept for a later continuation, also where the
/// client has a state directory. Default 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_no_resume(
    options: *mut bitsup_upload_options,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        options.choose(move |choices| choices.options.no_resume = on != 0)
    })
}

/// Whether (not 0) it is an error that nothing can be kept in the state
/// directory, instead of a warning. Default 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_require_resume(
    options: *mut bitsup_upload_options,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        options.choose(move |choices| choices.options.require_resume = on != 0)
    })
}

/// Whether (not 0) the receipt gets the SHA-256 of the file. Default 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_sha256(
    options: *mut bitsup_upload_options,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        options.choose(move |choices| choices.options.sha256 = on != 0)
    })
}

/// Whether (not 0) an empty file is an error. Default 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_refuse_empty(
    options: *mut bitsup_upload_options,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        options.choose(move |choices| choices.options.refuse_empty = on != 0)
    })
}

/// Whether (not 0) a 200 without BITS-Received-Content-Range is taken for "all
/// received". Default 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_lenient(
    options: *mut bitsup_upload_options,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        options.choose(move |choices| choices.options.lenient = on != 0)
    })
}

/// The Content-Name; default: the name of the source.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_content_name(
    options: *mut bitsup_upload_options,
    name: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let name = unsafe { text::text(name, "name") }?.to_owned();
        options.choose(move |choices| choices.options.content_name = Some(name.clone()))
    })
}

/// Words that the journal keeps for people, such as the command that continues
/// the upload. No secret: they are stored and shown.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_note(
    options: *mut bitsup_upload_options,
    note: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let note = unsafe { text::text(note, "note") }?.to_owned();
        options.choose(move |choices| choices.options.note = Some(note.clone()))
    })
}

/// Whether (not 0) others go first on the way: the upload slows down as soon as
/// Acks come later or the system refuses bytes for longer than on a free way,
/// to 16 KiB a second at the least, and its packets are marked as lower effort
/// (RFC 8622). Default 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_polite(
    options: *mut bitsup_upload_options,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        options.choose(move |choices| choices.options.polite = on != 0)
    })
}

/// Whether (not 0) packets go as POST with the header X-HTTP-Method-Override:
/// BITS_POST, for a way on which the method BITS_POST is blocked. Something at
/// its end must turn them back: IIS does not. Default 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_post_override(
    options: *mut bitsup_upload_options,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        options.choose(move |choices| choices.options.post_override = on != 0)
    })
}
