//! Options by name and as text: one function for callers that would have to declare all the others.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;
use std::str::FromStr;

use crate::error::{Failure, bitsup_error};
use crate::handle;
use crate::options::{
    bitsup_upload_options, bitsup_upload_options_set_ack_timeout_ms,
    bitsup_upload_options_set_allow_cleartext_credentials, bitsup_upload_options_set_ca_file,
    bitsup_upload_options_set_connect_timeout_ms, bitsup_upload_options_set_content_name,
    bitsup_upload_options_set_fragment_size, bitsup_upload_options_set_give_up_after_ms,
    bitsup_upload_options_set_header, bitsup_upload_options_set_host_id,
    bitsup_upload_options_set_if_exists, bitsup_upload_options_set_insecure,
    bitsup_upload_options_set_last_ack_timeout_ms, bitsup_upload_options_set_lenient,
    bitsup_upload_options_set_max_attempts, bitsup_upload_options_set_max_bytes,
    bitsup_upload_options_set_max_fragment, bitsup_upload_options_set_max_retry_delay_ms,
    bitsup_upload_options_set_max_time_ms, bitsup_upload_options_set_on_unclear,
    bitsup_upload_options_set_password, bitsup_upload_options_set_refuse_empty,
    bitsup_upload_options_set_reply_memory, bitsup_upload_options_set_reply_optional,
    bitsup_upload_options_set_reply_path, bitsup_upload_options_set_retry_delay_ms,
    bitsup_upload_options_set_secret_header, bitsup_upload_options_set_stall_timeout_ms,
    bitsup_upload_options_set_trusted_host, bitsup_upload_options_set_user,
    bitsup_upload_options_set_verify, bitsup_upload_options_set_wait_for_server_ms,
};
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
    ("ack_timeout_ms", Number(bitsup_upload_options_set_ack_timeout_ms)),
    ("allow_cleartext_credentials", Switch(bitsup_upload_options_set_allow_cleartext_credentials)),
    ("ca_file", Text(bitsup_upload_options_set_ca_file)),
    ("connect_timeout_ms", Number(bitsup_upload_options_set_connect_timeout_ms)),
    ("content_name", Text(bitsup_upload_options_set_content_name)),
    ("fragment_size", Number(bitsup_upload_options_set_fragment_size)),
    ("give_up_after_ms", Number(bitsup_upload_options_set_give_up_after_ms)),
    ("header", Setter::Header(bitsup_upload_options_set_header)),
    ("host_id", Choice(bitsup_upload_options_set_host_id, &["same_site", "any", "ignore"])),
    ("if_exists", Choice(bitsup_upload_options_set_if_exists, &["try", "skip", "fail"])),
    ("insecure", Switch(bitsup_upload_options_set_insecure)),
    ("last_ack_timeout_ms", Number(bitsup_upload_options_set_last_ack_timeout_ms)),
    ("lenient", Switch(bitsup_upload_options_set_lenient)),
    ("max_attempts", Count(bitsup_upload_options_set_max_attempts)),
    ("max_bytes", Number(bitsup_upload_options_set_max_bytes)),
    ("max_fragment", Number(bitsup_upload_options_set_max_fragment)),
    ("max_retry_delay_ms", Number(bitsup_upload_options_set_max_retry_delay_ms)),
    ("max_time_ms", Number(bitsup_upload_options_set_max_time_ms)),
    ("on_unclear", Choice(bitsup_upload_options_set_on_unclear, &["resend", "restart", "accept"])),
    ("password", Text(bitsup_upload_options_set_password)),
    ("refuse_empty", Switch(bitsup_upload_options_set_refuse_empty)),
    ("reply_memory", Number(bitsup_upload_options_set_reply_memory)),
    ("reply_optional", Switch(bitsup_upload_options_set_reply_optional)),
    ("reply_path", Text(bitsup_upload_options_set_reply_path)),
    ("retry_delay_ms", Number(bitsup_upload_options_set_retry_delay_ms)),
    ("secret_header", Setter::Header(bitsup_upload_options_set_secret_header)),
    ("stall_timeout_ms", Number(bitsup_upload_options_set_stall_timeout_ms)),
    ("trusted_host", Text(bitsup_upload_options_set_trusted_host)),
    ("user", Text(bitsup_upload_options_set_user)),
    ("verify", Choice(bitsup_upload_options_set_verify, &["auto", "always", "never"])),
    ("wait_for_server_ms", Number(bitsup_upload_options_set_wait_for_server_ms)),
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
