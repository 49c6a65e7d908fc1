//! Reads text and bytes that the caller gives, and makes text for the caller.

use std::ffi::{CStr, CString, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::failure::CallFailure;

/// No system takes a longer path; a longer one is a mistake in the length.
const MAX_PATH: usize = 64 * 1024;

/// Text that ends with a zero byte.
///
/// # Safety
/// `pointer` is NULL or text that ends with a zero byte and does not change during the call.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str, CallFailure> {
    // SAFETY: as this function's.
    let text = unsafe { c_text(pointer, name) }?;
    text.to_str().map_err(|_| CallFailure::invalid(format!("{name} is not UTF-8")))
}

/// Text in any encoding, with its zero byte.
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn c_text<'a>(
    pointer: *const c_char,
    name: &str,
) -> Result<&'a CStr, CallFailure> {
    if pointer.is_null() {
        return Err(CallFailure::invalid(format!("{name} is NULL")));
    }
    // SAFETY: not NULL, so it is text that ends with a zero byte.
    Ok(unsafe { CStr::from_ptr(pointer) })
}

/// A path that ends with a zero byte.
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn path(pointer: *const c_char, name: &str) -> Result<PathBuf, CallFailure> {
    // SAFETY: as this function's.
    let text = unsafe { text(pointer, name) }?;
    checked_path(Path::new(text), name)
}

/// A path as the system's bytes.
///
/// # Safety
/// `pointer` is NULL or `length` bytes that do not change during the call.
pub(crate) unsafe fn path_bytes(
    pointer: *const c_char,
    length: usize,
    name: &str,
) -> Result<PathBuf, CallFailure> {
    if length > MAX_PATH {
        return Err(CallFailure::invalid(format!(
            "{name} has {length} bytes: no path is that long"
        )));
    }
    // SAFETY: as this function's.
    let bytes = unsafe { bytes(pointer.cast(), length, name) }?;
    if bytes.contains(&0) {
        return Err(CallFailure::invalid(format!("{name} has a zero byte in it")));
    }
    checked_path(Path::new(OsStr::from_bytes(bytes)), name)
}

/// Bytes in the caller's memory.
///
/// # Safety
/// `pointer` is NULL or `length` bytes that neither change nor go away while the result is used.
pub(crate) unsafe fn bytes<'a>(
    pointer: *const c_void,
    length: usize,
    name: &str,
) -> Result<&'a [u8], CallFailure> {
    check_length(length, name)?;
    if pointer.is_null() {
        if length == 0 {
            return Ok(&[]);
        }
        return Err(CallFailure::invalid(format!("{name} is NULL")));
    }
    // SAFETY: not NULL, so it is `length` bytes, and no object is larger than `isize::MAX`.
    Ok(unsafe { std::slice::from_raw_parts(pointer.cast(), length) })
}

/// Refuses lengths that no object in memory has.
pub(crate) fn check_length(length: usize, name: &str) -> Result<(), CallFailure> {
    if isize::try_from(length).is_err() {
        return Err(CallFailure::invalid(format!("{name} cannot have {length} bytes")));
    }
    Ok(())
}

/// Text for C. Zero bytes, which C could not see, become U+FFFD.
pub(crate) fn for_c(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

fn checked_path(path: &Path, name: &str) -> Result<PathBuf, CallFailure> {
    if path.as_os_str().is_empty() {
        return Err(CallFailure::invalid(format!("{name} is empty")));
    }
    Ok(path.to_owned())
}

/// Writes text with a zero at its end, as much as fits, and returns the length of the whole.
///
/// # Safety
/// `buffer` is NULL or a place for `size` bytes.
pub(crate) unsafe fn copy(text: &str, buffer: *mut c_char, size: usize) -> usize {
    let text = text.as_bytes();
    if !buffer.is_null() && size > 0 {
        let count = text.len().min(size - 1);
        // SAFETY: not NULL, so there is a place for `size` bytes, and `count` is less.
        unsafe {
            buffer.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), count);
            buffer.add(count).write(0);
        }
    }
    text.len()
}
