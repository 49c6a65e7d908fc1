//! Setters, by what they take.

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;

use bitsup::{
    Error, Header, OptionKind, OptionRow, OptionValue, Secret, option_by_id, option_by_name,
    unknown_option,
};

use super::{bitsup_options, kept};
use crate::error::bitsup_error;
use crate::failure::CallFailure;
use crate::status::bitsup_status;
use crate::text;

/// How a value is put to others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Set,
    Add,
}

impl bitsup_options {
    /// Puts a value in, or keeps why that cannot be.
    fn put(
        &self,
        option: c_int,
        how: How,
        value: impl FnOnce(&OptionRow) -> Result<OptionValue, Error>,
    ) -> Result<bitsup_status, CallFailure> {
        let set = &mut self.lock().set;
        let Some(row) = option_by_id(option) else {
            return Err(kept(set.refuse(option, unknown_option(&option.to_string()))));
        };
        match (value(row), how) {
            (Ok(value), How::Set) => set.set(row, value).map_err(kept)?,
            (Ok(value), How::Add) => set.add(row, value).map_err(kept)?,
            (Err(error), _) => return Err(kept(set.refuse(row.id, error))),
        }
        Ok(bitsup_status::Ok)
    }
}

/// The function that sets such an option.
fn setter(row: &OptionRow) -> &'static str {
    match row.kind {
        OptionKind::Text | OptionKind::Rate if row.list => "bitsup_options_add_text",
        OptionKind::Text | OptionKind::Rate => "bitsup_options_set_text",
        OptionKind::Path | OptionKind::Secret => "bitsup_options_set_text or _set_bytes",
        OptionKind::Header if row.secret => "bitsup_options_set_secret_header",
        OptionKind::Header => "bitsup_options_set_header",
        _ => "bitsup_options_set_number",
    }
}

fn another_function(row: &OptionRow) -> Error {
    row.refusal(&format!("is a {}: {} sets it", row.kind.name(), setter(row)))
}

/// Text for an option that takes it.
fn of_text(row: &OptionRow, text: Result<&str, &str>) -> Result<OptionValue, Error> {
    let text = text.map_err(|what| row.refusal(what));
    Ok(match row.kind {
        OptionKind::Text | OptionKind::Rate => OptionValue::Text(text?.to_owned()),
        OptionKind::Path => OptionValue::Path(text?.into()),
        OptionKind::Secret => OptionValue::Secret(Secret::new(text?)),
        _ => return Err(another_function(row)),
    })
}

fn of_bytes(row: &OptionRow, bytes: &[u8]) -> Result<OptionValue, Error> {
    if bytes.contains(&0) {
        return Err(row.refusal("has a zero byte in it"));
    }
    match row.kind {
        OptionKind::Path => Ok(OptionValue::Path(OsStr::from_bytes(bytes).into())),
        _ => of_text(row, std::str::from_utf8(bytes).map_err(|_| "is not UTF-8")),
    }
}

fn of_none(row: &OptionRow) -> Result<OptionValue, Error> {
    match row.kind {
        OptionKind::Text | OptionKind::Path | OptionKind::Secret | OptionKind::Rate => {
            Ok(OptionValue::None)
        }
        _ => Err(another_function(row)),
    }
}

/// # Safety
/// `text` is NULL or text that ends with a zero byte and does not change during the call.
unsafe fn c_value(row: &OptionRow, text: *const c_char) -> Result<OptionValue, Error> {
    if text.is_null() {
        return of_none(row);
    }
    // SAFETY: not NULL, so it is text that ends with a zero byte.
    of_text(row, unsafe { CStr::from_ptr(text) }.to_str().map_err(|_| "is not UTF-8"))
}

/// # Safety
/// `data` is NULL or `length` bytes that do not change during the call.
unsafe fn counted_value(
    row: &OptionRow,
    data: *const c_void,
    length: usize,
) -> Result<OptionValue, Error> {
    if data.is_null() && length == 0 {
        return of_none(row);
    }
    if length > MAX_VALUE {
        return Err(row.refusal(&format!("has {length} bytes: at most {MAX_VALUE} can be right")));
    }
    // SAFETY: as this function's.
    let bytes = unsafe { text::bytes(data, length, "data") };
    of_bytes(row, bytes.map_err(|_| row.refusal("is NULL and has a length"))?)
}

/// No text, path or secret is longer; a longer one is a mistake in the length.
const MAX_VALUE: usize = 1024 * 1024;

/// Sets an option of text, a path, a secret or a rate; a list then has this
/// value only. NULL sets it to none: no proxy, no user, no list. A copy of the
/// text is taken. BITSUP_STATUS_INVALID_ARGUMENT: the option takes no text, or
/// this text can never work; BITSUP_STATUS_UNSUPPORTED: this library has no
/// such option. The error is kept too.
/// Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_set_text(
    options: *mut bitsup_options,
    option: c_int,
    text: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives OPTION, [options], {
        // SAFETY: the caller gives NULL or text.
        options.put(option, How::Set, |row| unsafe { c_value(row, text) })
    })
}

/// Sets an option as bitsup_options_set_text does, to length bytes of UTF-8,
/// which need no zero byte at their end and may have none in them.
/// Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_set_text_n(
    options: *mut bitsup_options,
    option: c_int,
    text: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives OPTION, [options], {
        options.put(option, How::Set, |row| {
            // SAFETY: the caller gives NULL or as many bytes as it says.
            let value = unsafe { counted_value(row, text.cast(), length) }?;
            match &value {
                OptionValue::Path(path) if path.to_str().is_none() => {
                    Err(row.refusal("is not UTF-8: bitsup_options_set_bytes takes a path of bytes"))
                }
                _ => Ok(value),
            }
        })
    })
}

/// Sets a path to the system's bytes, in any encoding (on Windows WTF-8), or a
/// secret to UTF-8. No byte may be zero. NULL with length 0 sets it to none.
/// Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_set_bytes(
    options: *mut bitsup_options,
    option: c_int,
    data: *const c_void,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives OPTION, [options], {
        options.put(option, How::Set, |row| {
            if !matches!(row.kind, OptionKind::Path | OptionKind::Secret) {
                return Err(another_function(row));
            }
            // SAFETY: the caller gives NULL or as many bytes as it says.
            unsafe { counted_value(row, data, length) }
        })
    })
}

/// Sets a size in bytes, a duration in milliseconds, a count, a flag (0 or 1),
/// a choice (one of its constants) or a rate in bytes a second.
/// BITSUP_UNLIMITED is no limit, where the option has that. What 0 means is
/// said of each option; a negative number is refused.
/// Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_set_number(
    options: *mut bitsup_options,
    option: c_int,
    number: i64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives OPTION, [options], {
        options.put(option, How::Set, |row| {
            if row.kind.takes_numbers() {
                Ok(OptionValue::Number(number))
            } else {
                Err(another_function(row))
            }
        })
    })
}

/// Sets a header for every packet; it replaces one of the same name.
/// BITSUP_STATUS_INVALID_ARGUMENT: it is no header, or one that the protocol
/// sets. The error is kept for BITSUP_OPTION_HEADERS, which
/// bitsup_options_reset empties.
/// Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_set_header(
    options: *mut bitsup_options,
    name: *const c_char,
    value: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives OPTION, [options], {
        // SAFETY: the caller gives NULL or text, twice.
        let (name, value) = unsafe { (text::text(name, "name"), text::text(value, "value")) };
        options.put_header("headers", name, value)
    })
}

/// Sets a header as bitsup_options_set_header does, which is treated like a
/// password: see BITSUP_OPTION_SECRET_HEADERS.
/// Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_set_secret_header(
    options: *mut bitsup_options,
    name: *const c_char,
    value: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives OPTION, [options], {
        // SAFETY: the caller gives NULL or text, twice.
        let (name, value) = unsafe { (text::text(name, "name"), text::text(value, "value")) };
        options.put_header("secret_headers", name, value)
    })
}

impl bitsup_options {
    fn put_header(
        &self,
        list: &str,
        name: Result<&str, CallFailure>,
        value: Result<&str, CallFailure>,
    ) -> Result<bitsup_status, CallFailure> {
        let id = option_by_name(list).map_or(0, |row| row.id);
        let words = |failure: CallFailure| failure.message().to_owned();
        self.put(id, How::Add, |row| {
            let name =
                name.map_err(|failure| row.refusal(&format!("have a {}", words(failure))))?;
            let value =
                value.map_err(|failure| row.refusal(&format!("have a {}", words(failure))))?;
            Header::new(name, value).map(OptionValue::Header)
        })
    }
}

/// Adds a text to a list, such as BITSUP_OPTION_TRUSTED_HOSTS. An upload's list
/// replaces its client's.
/// Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_add_text(
    options: *mut bitsup_options,
    option: c_int,
    text: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives OPTION, [options], {
        options.put(option, How::Add, |row| {
            if text.is_null() {
                return Err(row.refusal("text is NULL"));
            }
            // SAFETY: not NULL, so it is text.
            unsafe { c_value(row, text) }
        })
    })
}

/// Sets an option by its name ("ca_file" is BITSUP_OPTION_CA_FILE) to a text as
/// the tool takes it: "5M", "10m" (seconds without a unit), "true", "skip",
/// "unlimited", "Name: value". A list gets it added. For programs and languages
/// that do not declare the constants.
/// Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_set_by_name(
    options: *mut bitsup_options,
    name: *const c_char,
    text: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives OPTION, [options], {
        // SAFETY: the caller gives NULL or text, twice.
        let (name, text) = unsafe { (text::text(name, "name")?, text::c_text(text, "text")?) };
        let set = &mut options.lock().set;
        match text.to_str() {
            Ok(text) => set.set_by_name(name, text).map_err(kept)?,
            Err(_) => {
                let row = option_by_name(name);
                let id = row.map_or(0, |row| row.id);
                let error = row.map_or_else(
                    || unknown_option(name),
                    |row| row.refusal("is not UTF-8"),
                );
                return Err(kept(set.refuse(id, error)));
            }
        }
        Ok(bitsup_status::Ok)
    })
}
