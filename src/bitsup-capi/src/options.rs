//! The options of an upload.

use std::ffi::{c_char, c_int, c_void};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bitsup::{Header, HostPolicy, IfExists, ReplyTo, Secret, UnclearPolicy, VerifyPolicy};

use crate::callbacks::{
    ProgressCallback, StateCallback, Userdata, bitsup_progress_callback, bitsup_state_callback,
};
use crate::choices::{Changes, Choices};
use crate::error::{Failure, bitsup_error};
use crate::handle::{self, Handle, Owned};
use crate::life::Life;
use crate::status::bitsup_status;
use crate::text;

/// What is chosen for uploads. Each call that takes options copies them.
pub struct bitsup_upload_options {
    life: Life,
    changes: Mutex<Changes>,
}

/// What to do about a file that already exists at the destination.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum bitsup_if_exists {
    /// Upload, and let the server decide. The default.
    Try = 0,
    /// Ask first; upload nothing if it exists.
    Skip = 1,
    /// Ask first; fail if it exists.
    Fail = 2,
}

/// Which other host to go on with, where the server names one (BITS-Host-Id).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum bitsup_host_policy {
    /// One of the same registrable domain, and trusted ones. The default.
    SameSite = 0,
    /// Any.
    Any = 1,
    /// None: all packets go to the host of the URL.
    Ignore = 2,
}

/// When to ask for the destination's size afterwards.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum bitsup_verify {
    /// Where it is unclear what the server did. The default.
    Auto = 0,
    /// Always; an answer that tells nothing is an error.
    Always = 1,
    /// Never.
    Never = 2,
}

/// What to do where an answer was lost and it is unclear what the server did.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum bitsup_on_unclear {
    /// Send again in the same session, and verify afterwards. The default.
    Resend = 0,
    /// Cancel the session and start anew: for servers that append without looking
    /// at offsets.
    Restart = 1,
    /// Send again; where only the answer to the end is missing, take it as given.
    Accept = 2,
}

impl Handle for bitsup_upload_options {
    type Ownership = Owned;

    fn life(&self) -> Option<&Life> {
        Some(&self.life)
    }
}

impl bitsup_upload_options {
    /// A copy of what was chosen.
    pub(crate) fn changes(&self) -> Changes {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[expect(clippy::unnecessary_wraps, reason = "the last expression of every setter")]
    fn change(
        &self,
        change: impl Fn(&mut Choices) + Send + Sync + 'static,
    ) -> Result<bitsup_status, Failure> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
        Ok(bitsup_status::Ok)
    }
}

/// What the number of an enumerator stands for.
fn choose<T: Copy>(values: [(c_int, T); 3], number: c_int, name: &str) -> Result<T, Failure> {
    let found = values.iter().find(|(known, _)| *known == number);
    let known =
        || Failure::invalid(format!("{name} is {number}, which is none of its enumeration"));
    found.map(|(_, value)| *value).ok_or_else(known)
}

/// Options with the defaults; NULL only after a fault inside bitsup.
#[unsafe(no_mangle)]
pub extern "C" fn bitsup_upload_options_new() -> *mut bitsup_upload_options {
    boundary!(value: std::ptr::null_mut(), [], {
        handle::give(bitsup_upload_options { life: Life::new(), changes: Mutex::default() })
    })
}

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
        options.change(move |choices| choices.user = Some(user.clone()))
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
        let password = Secret::new(unsafe { text::text(password, "password") }?);
        options.change(move |choices| choices.password = Some(password.clone()))
    })
}

/// Whether (not 0) passwords and secret headers may go over plain http. Default
/// 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_allow_cleartext_credentials(
    options: *mut bitsup_upload_options,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        options.change(move |choices| choices.options.allow_cleartext_credentials = on != 0)
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
        options.change(move |choices| choices.set_header(header.clone()))
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
        options.change(move |choices| choices.set_header(header.clone()))
    })
}

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
        options.change(move |choices| choices.options.tls.ca_file = Some(path.clone()))
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
        options.change(move |choices| choices.options.tls.ca_file = Some(path.clone()))
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
        options.change(move |choices| choices.options.tls.insecure = on != 0)
    })
}

/// Bytes in each Fragment; 0 chooses by itself, which is the default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_fragment_size(
    options: *mut bitsup_upload_options,
    bytes: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let size = Some(bytes).filter(|size| *size > 0);
        options.change(move |choices| choices.options.fragment_size = size)
    })
}

/// The most bytes in a Fragment that is chosen by itself, at least 1. Default
/// 28 MiB: IIS refuses requests above 30,000,000 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_max_fragment(
    options: *mut bitsup_upload_options,
    bytes: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        if bytes == 0 {
            return Err(Failure::invalid("bytes is 0: give at least 1"));
        }
        options.change(move |choices| choices.options.max_fragment = bytes)
    })
}

/// How long connecting may take (name, TCP, TLS). Default 30 s.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_connect_timeout_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        if milliseconds == 0 {
            return Err(Failure::invalid("milliseconds is 0: give at least 1"));
        }
        let time = Duration::from_millis(milliseconds);
        options.change(move |choices| choices.options.connect_timeout = time)
    })
}

/// How long no byte may move while a packet is sent. Default 60 s.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_stall_timeout_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        if milliseconds == 0 {
            return Err(Failure::invalid("milliseconds is 0: give at least 1"));
        }
        let time = Duration::from_millis(milliseconds);
        options.change(move |choices| choices.options.stall_timeout = time)
    })
}

/// How long an answer may take. Default 5 min.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_ack_timeout_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        if milliseconds == 0 {
            return Err(Failure::invalid("milliseconds is 0: give at least 1"));
        }
        let time = Duration::from_millis(milliseconds);
        options.change(move |choices| choices.options.ack_timeout = time)
    })
}

/// How long the answers to the last Fragment and to Close-Session may take.
/// Default 15 min.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_last_ack_timeout_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        if milliseconds == 0 {
            return Err(Failure::invalid("milliseconds is 0: give at least 1"));
        }
        let time = Duration::from_millis(milliseconds);
        options.change(move |choices| choices.options.last_ack_timeout = time)
    })
}

/// How long to go on without progress once a server has answered. Default 15
/// min.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_give_up_after_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let time = Duration::from_millis(milliseconds);
        options.change(move |choices| choices.options.give_up_after = time)
    })
}

/// How long to wait for a server that never answered. Default 15 s, and 3
/// tries.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_wait_for_server_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let time = Duration::from_millis(milliseconds);
        options.change(move |choices| choices.options.wait_for_server = time)
    })
}

/// The bound of the second retry's delay, which doubles up to the longest.
/// Default 1 s.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_retry_delay_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let time = Duration::from_millis(milliseconds);
        options.change(move |choices| choices.options.retry_delay = time)
    })
}

/// The longest bound of a retry's delay. Default 60 s.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_max_retry_delay_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let time = Duration::from_millis(milliseconds);
        options.change(move |choices| choices.options.max_retry_delay = time)
    })
}

/// How many tries without progress; 0 is unlimited, which is the default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_max_attempts(
    options: *mut bitsup_upload_options,
    attempts: u32,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let attempts = Some(attempts).filter(|attempts| *attempts > 0);
        options.change(move |choices| choices.options.max_attempts = attempts)
    })
}

/// How long the whole upload may take; 0 is unlimited, which is the default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_max_time_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let time = Some(milliseconds).filter(|time| *time > 0).map(Duration::from_millis);
        options.change(move |choices| choices.options.max_time = time)
    })
}

/// How many bytes may be sent, repetitions included; 0 is unlimited, which is
/// the default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_max_bytes(
    options: *mut bitsup_upload_options,
    bytes: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let limit = Some(bytes).filter(|limit| *limit > 0);
        options.change(move |choices| choices.options.max_bytes = limit)
    })
}

/// Which other host to go on with: a bitsup_host_policy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_host_id(
    options: *mut bitsup_upload_options,
    policy: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let values = [(bitsup_host_policy::SameSite as c_int, HostPolicy::SameSite), (bitsup_host_policy::Any as c_int, HostPolicy::Any), (bitsup_host_policy::Ignore as c_int, HostPolicy::Ignore)];
        let value = choose(values, policy, "policy")?;
        options.change(move |choices| choices.options.host_id = value)
    })
}

/// Adds a host to go on with whatever the policy; a leading dot allows all
/// names below.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_trusted_host(
    options: *mut bitsup_upload_options,
    host: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let host = unsafe { text::text(host, "host") }?.to_owned();
        options.change(move |choices| choices.options.trusted_hosts.push(host.clone()))
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
        let values = [(bitsup_if_exists::Try as c_int, IfExists::Try), (bitsup_if_exists::Skip as c_int, IfExists::Skip), (bitsup_if_exists::Fail as c_int, IfExists::Fail)];
        let value = choose(values, policy, "policy")?;
        options.change(move |choices| choices.options.if_exists = value)
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
        let values = [(bitsup_verify::Auto as c_int, VerifyPolicy::Auto), (bitsup_verify::Always as c_int, VerifyPolicy::Always), (bitsup_verify::Never as c_int, VerifyPolicy::Never)];
        let value = choose(values, policy, "policy")?;
        options.change(move |choices| choices.options.verify = value)
    })
}

/// What to do where an answer was lost: a bitsup_on_unclear.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_on_unclear(
    options: *mut bitsup_upload_options,
    policy: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let values = [(bitsup_on_unclear::Resend as c_int, UnclearPolicy::Resend), (bitsup_on_unclear::Restart as c_int, UnclearPolicy::Restart), (bitsup_on_unclear::Accept as c_int, UnclearPolicy::Accept)];
        let value = choose(values, policy, "policy")?;
        options.change(move |choices| choices.options.on_unclear = value)
    })
}

/// Asks for a reply, into this file, which is replaced when the reply is
/// complete.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_reply_path(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        options.change(move |choices| choices.options.reply_to = ReplyTo::File(path.clone()))
    })
}

/// The same with a path of length bytes, in any encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_reply_path_bytes(
    options: *mut bitsup_upload_options,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        options.change(move |choices| choices.options.reply_to = ReplyTo::File(path.clone()))
    })
}

/// Asks for a reply, into memory: at most max_bytes, at least 1. The receipt
/// has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_reply_memory(
    options: *mut bitsup_upload_options,
    max_bytes: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        if max_bytes == 0 {
            return Err(Failure::invalid("max_bytes is 0: give at least 1"));
        }
        options.change(move |choices| choices.options.reply_to = ReplyTo::Memory(max_bytes))
    })
}

/// Whether (not 0) a missing reply is no error. Default 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_reply_optional(
    options: *mut bitsup_upload_options,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        options.change(move |choices| choices.options.reply_optional = on != 0)
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
        options.change(move |choices| choices.options.refuse_empty = on != 0)
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
        options.change(move |choices| choices.options.lenient = on != 0)
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
        options.change(move |choices| choices.options.content_name = Some(name.clone()))
    })
}

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
        options.change(move |choices| choices.progress = callback)
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
        options.change(move |choices| choices.state = callback)
    })
}

/// Frees the options. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_free(options: *mut bitsup_upload_options) {
    boundary!(value: (), [], {
        // SAFETY: the caller gives NULL or options that it owns, and this is their last use.
        drop(unsafe { handle::take(options) });
    });
}
