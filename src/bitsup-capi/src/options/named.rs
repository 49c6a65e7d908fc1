//! Options by name and as text: one function for callers that would have to declare all the others.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;
use std::str::FromStr;

use super::{bitsup_upload_options, credentials, limits, policies, proxy, reply, tls};
use crate::error::{Failure, bitsup_error};
use crate::handle;
use crate::status::bitsup_status;
use crate::text;

type Options = *mut bitsup_upload_options;
type Error = *mut *mut bitsup_error;

/// The setter behind a name, by what it takes.
enum Setter {
    Text(unsafe extern "C" fn(Options, *const c_char, Error) -> bitsup_status),
    Number(unsafe extern "C" fn(Options, u64, Error) -> bitsup_status),
    Count(unsafe extern "C" fn(Options, u32, Error) -> bitsup_status),
    /// 0 or 1, false or true.
    Switch(unsafe extern "C" fn(Options, c_int, Error) -> bitsup_status),
    /// The words of the enumeration, in the order of its numbers from 0 on.
    Choice(unsafe extern "C" fn(Options, c_int, Error) -> bitsup_status, &'static [&'static str]),
    /// `Name: value`.
    Header(unsafe extern "C" fn(Options, *const c_char, *const c_char, Error) -> bitsup_status),
}

use Setter::{Choice, Count, Number, Switch, Text};

/// By the functions' names after `bitsup_upload_options_set_`.
#[rustfmt::skip]
const SETTERS: &[(&str, Setter)] = &[
    ("ack_timeout_ms", Number(limits::bitsup_upload_options_set_ack_timeout_ms)),
    ("allow_cleartext_credentials", Switch(credentials::bitsup_upload_options_set_allow_cleartext_credentials)),
    ("auth", Choice(credentials::bitsup_upload_options_set_auth, &["any", "basic", "digest", "ntlm", "negotiate"])),
    ("bearer_token", Text(credentials::bitsup_upload_options_set_bearer_token)),
    ("ca_file", Text(tls::bitsup_upload_options_set_ca_file)),
    ("client_cert", Text(tls::bitsup_upload_options_set_client_cert)),
    ("client_key", Text(tls::bitsup_upload_options_set_client_key)),
    ("client_key_password", Text(tls::bitsup_upload_options_set_client_key_password)),
    ("client_key_password_file", Text(tls::bitsup_upload_options_set_client_key_password_file)),
    ("connect_timeout_ms", Number(limits::bitsup_upload_options_set_connect_timeout_ms)),
    ("content_name", Text(policies::bitsup_upload_options_set_content_name)),
    ("fragment_size", Number(limits::bitsup_upload_options_set_fragment_size)),
    ("fresh", Switch(policies::bitsup_upload_options_set_fresh)),
    ("give_up_after_ms", Number(limits::bitsup_upload_options_set_give_up_after_ms)),
    ("header", Setter::Header(credentials::bitsup_upload_options_set_header)),
    ("host_id", Choice(policies::bitsup_upload_options_set_host_id, &["same_site", "any", "ignore"])),
    ("if_exists", Choice(policies::bitsup_upload_options_set_if_exists, &["try", "skip", "fail"])),
    ("insecure", Switch(tls::bitsup_upload_options_set_insecure)),
    ("last_ack_timeout_ms", Number(limits::bitsup_upload_options_set_last_ack_timeout_ms)),
    ("lenient", Switch(policies::bitsup_upload_options_set_lenient)),
    ("max_attempts", Count(limits::bitsup_upload_options_set_max_attempts)),
    ("max_bytes", Number(limits::bitsup_upload_options_set_max_bytes)),
    ("max_fragment", Number(limits::bitsup_upload_options_set_max_fragment)),
    ("max_retry_delay_ms", Number(limits::bitsup_upload_options_set_max_retry_delay_ms)),
    ("max_time_ms", Number(limits::bitsup_upload_options_set_max_time_ms)),
    ("min_fragment", Number(limits::bitsup_upload_options_set_min_fragment)),
    ("no_resume", Switch(policies::bitsup_upload_options_set_no_resume)),
    ("noproxy", Text(proxy::bitsup_upload_options_set_noproxy)),
    ("note", Text(policies::bitsup_upload_options_set_note)),
    ("on_lost_ack", Choice(policies::bitsup_upload_options_set_on_lost_ack, &["auto", "restart", "resend", "accept"])),
    ("password", Text(credentials::bitsup_upload_options_set_password)),
    ("password_file", Text(credentials::bitsup_upload_options_set_password_file)),
    ("pinned_key", Text(tls::bitsup_upload_options_set_pinned_key)),
    ("polite", Switch(policies::bitsup_upload_options_set_polite)),
    ("post_override", Switch(policies::bitsup_upload_options_set_post_override)),
    ("proxy", Text(proxy::bitsup_upload_options_set_proxy)),
    ("proxy_auth", Choice(proxy::bitsup_upload_options_set_proxy_auth, &["any", "basic", "digest", "ntlm", "negotiate"])),
    ("proxy_ca_file", Text(proxy::bitsup_upload_options_set_proxy_ca_file)),
    ("proxy_password", Text(proxy::bitsup_upload_options_set_proxy_password)),
    ("proxy_password_file", Text(proxy::bitsup_upload_options_set_proxy_password_file)),
    ("proxy_user", Text(proxy::bitsup_upload_options_set_proxy_user)),
    ("refuse_empty", Switch(policies::bitsup_upload_options_set_refuse_empty)),
    ("reply_max_size", Number(reply::bitsup_upload_options_set_reply_max_size)),
    ("reply_memory", Number(reply::bitsup_upload_options_set_reply_memory)),
    ("reply_optional", Switch(reply::bitsup_upload_options_set_reply_optional)),
    ("reply_path", Text(reply::bitsup_upload_options_set_reply_path)),
    ("require_resume", Switch(policies::bitsup_upload_options_set_require_resume)),
    ("resume_check", Choice(policies::bitsup_upload_options_set_resume_check, &["full", "tail"])),
    ("resolve", Text(proxy::bitsup_upload_options_set_resolve)),
    ("retry_delay_ms", Number(limits::bitsup_upload_options_set_retry_delay_ms)),
    ("secret_header", Setter::Header(credentials::bitsup_upload_options_set_secret_header)),
    ("sha256", Switch(policies::bitsup_upload_options_set_sha256)),
    ("stall_timeout_ms", Number(limits::bitsup_upload_options_set_stall_timeout_ms)),
    ("token_file", Text(credentials::bitsup_upload_options_set_token_file)),
    ("trusted_host", Text(policies::bitsup_upload_options_set_trusted_host)),
    ("user", Text(credentials::bitsup_upload_options_set_user)),
    ("verify", Choice(policies::bitsup_upload_options_set_verify, &["auto", "always", "never"])),
    ("wait_for_server_ms", Number(limits::bitsup_upload_options_set_wait_for_server_ms)),
];

/// Sets one option by name, for programs that would rather not declare each of
/// the functions below: name is the rest of a function's name after
/// bitsup_upload_options_set_, such as "fragment_size". value is its argument
/// as text: a decimal number; 0 or 1, false or true; an enumerator's last words
/// such as "skip"; for "header" and "secret_header", "Name: value". Callbacks
/// cannot be set so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set(
    options: *mut bitsup_upload_options,
    name: *const c_char,
    value: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        // SAFETY: the caller gives NULL or text, twice.
        let (name, value) = unsafe { (text::text(name, "name")?, text::c_text(value, "value")?) };
        let Some((_, setter)) = SETTERS.iter().find(|(known, _)| *known == name) else {
            return Err(Failure::invalid(format!("no option is named {name:?}")));
        };
        setter.set(ptr::from_ref(options).cast_mut(), name, value)
    })
}

impl Setter {
    /// Never copies the value where it is text: it may be secret.
    fn set(&self, options: Options, name: &str, value: &CStr) -> Result<bitsup_status, Failure> {
        let text = value.to_str().map_err(|_| Failure::invalid(format!("{name} is not UTF-8")))?;
        let mut error = ptr::null_mut();
        let place = &raw mut error;
        let status = match self {
            // SAFETY: the options are usable, the text ends with a zero byte, and place is one.
            Text(function) => unsafe { function(options, value.as_ptr(), place) },
            Number(function) => {
                let number = number(name, text)?;
                // SAFETY: as above.
                unsafe { function(options, number, place) }
            }
            Count(function) => {
                let number = number(name, text)?;
                // SAFETY: as above.
                unsafe { function(options, number, place) }
            }
            Switch(function) => {
                let on = choice(name, text, &["0", "1"])
                    .or_else(|_| choice(name, text, &["false", "true"]))?;
                // SAFETY: as above.
                unsafe { function(options, on, place) }
            }
            Choice(function, words) => {
                let number = choice(name, text, words)?;
                // SAFETY: as above.
                unsafe { function(options, number, place) }
            }
            Setter::Header(function) => {
                let form = || Failure::invalid(format!("{name} is not of the form Name: value"));
                let (header, rest) = text.split_once(':').ok_or_else(form)?;
                let header = CString::new(header).map_err(|_| form())?;
                let from = text.len() - rest.trim_start().len();
                let rest = value.to_bytes_with_nul().get(from..).ok_or_else(form)?;
                // SAFETY: as above; the rest has the zero byte at its end.
                unsafe { function(options, header.as_ptr(), rest.as_ptr().cast(), place) }
            }
        };
        // SAFETY: the function wrote NULL or an error that is ours.
        match unsafe { handle::take(error) } {
            Some(error) => Err(Failure(error)),
            None => Ok(status),
        }
    }
}

fn number<T: FromStr>(name: &str, text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| {
        Failure::invalid(format!("{name} is {text:?}, which is no number that it can be"))
    })
}

fn choice(name: &str, text: &str, words: &[&str]) -> Result<c_int, Failure> {
    let found = words.iter().zip(0..).find(|(word, _)| **word == text);
    found.map(|(_, number)| number).ok_or_else(|| {
        let words = words.join(", ");
        Failure::invalid(format!("{name} is {text:?}, which is none of {words}"))
    })
}
