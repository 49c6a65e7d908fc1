//! MIT Kerberos. Its binary interface is that of RFC 2744, and its file's name stands for it.

mod abi;

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::OnceLock;

use abi::{Api, Buffer, ChannelBindings, Context as RawContext, Name, Oid, OidSet};

use crate::{Error, ErrorKind};

const FILE: &str = "libgssapi_krb5.so.2";

/// 1.3.6.1.5.5.2
static SPNEGO: Oid = Oid::new(b"\x2b\x06\x01\x05\x05\x02");
/// 1.2.840.113554.1.2.2
static KRB5: Oid = Oid::new(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02");
/// 1.2.840.113554.1.2.1.4, the type of names such as `HTTP@host`.
static HOST_BASED_SERVICE: Oid = Oid::new(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04");

/// The server shows who it is, too.
const MUTUAL: u32 = 2;
/// Negotiate seals its own words with it.
const INTEGRITY: u32 = 32;
const INITIATE: c_int = 1;
/// The kinds of codes that are displayed.
const GSS_CODE: c_int = 1;
const MECHANISM_CODE: c_int = 2;
/// The upper half of a status has the error.
const ERRORS: u32 = 0xffff_0000;
const NO_CREDENTIALS: u32 = 7 << 16;
const CREDENTIALS_EXPIRED: u32 = 11 << 16;
/// A status has a line or two of text.
const MAX_LINES: usize = 4;

/// The library stays loaded: it has threads' data and handlers of its own.
fn api() -> Option<&'static Api> {
    static API: OnceLock<Option<Api>> = OnceLock::new();
    API.get_or_init(|| Api::load(FILE)).as_ref()
}

pub(crate) fn is_available() -> bool {
    api().is_some()
}

pub(crate) struct Context {
    api: &'static Api,
    raw: *mut RawContext,
    target: *mut Name,
    binding: Option<Vec<u8>>,
}

// SAFETY: RFC 2744 objects belong to no thread; MIT Kerberos allows one thread at a time to use
// each, and `&mut` sees to that.
unsafe impl Send for Context {}

impl Context {
    pub(crate) fn new(host: &str, binding: Option<Vec<u8>>) -> Result<Self, Error> {
        let Some(api) = api() else {
            let message = format!("the system has no {FILE}, which reads Kerberos tickets");
            return Err(Error { kind: ErrorKind::Unavailable, message });
        };
        let service = format!("HTTP@{host}");
        let (raw, target) = (ptr::null_mut(), ptr::null_mut());
        let mut context = Self { api, raw, target, binding };
        let mut minor = 0;
        // SAFETY: all pointers are to values that live through the call; the library copies the
        // name and writes a handle that `drop` releases.
        let major = unsafe {
            (api.import_name)(
                &raw mut minor,
                &Buffer::of(service.as_bytes()),
                &raw const HOST_BASED_SERVICE,
                &raw mut context.target,
            )
        };
        if major & ERRORS == 0 { Ok(context) } else { Err(problem(api, major, minor)) }
    }

    pub(crate) fn step(&mut self, token: &[u8]) -> Result<Vec<u8>, Error> {
        let mut minor = 0;
        let mut said = Buffer::EMPTY;
        let bindings = self.binding.as_deref().map(ChannelBindings::of);
        // SAFETY: the context is null at first and then the library's own; the name was imported;
        // token and channel bindings are read during the call only. Null is passed only where allowed (RFC 2744
        // §5.19), with the default credentials, no channel bindings if there are none, and no
        // interest in what was granted.
        let major = unsafe {
            (self.api.init_sec_context)(
                &raw mut minor,
                ptr::null_mut(),
                &raw mut self.raw,
                self.target,
                &raw const SPNEGO,
                MUTUAL | INTEGRITY,
                0,
                bindings.as_ref().map_or(ptr::null(), ptr::from_ref),
                &Buffer::of(token),
                ptr::null_mut(),
                &raw mut said,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        let answer = take(self.api, &mut said);
        if major & ERRORS == 0 {
            return Ok(answer);
        }
        let error = problem(self.api, major, minor);
        // Negotiate hides what was wrong with the ticket.
        Err(match ticket_problem(self.api) {
            Some(own) if own.kind == ErrorKind::Expired => {
                Error { kind: ErrorKind::Expired, ..error }
            }
            Some(own) => own,
            None => error,
        })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: each is null or a handle that the library gave us, and we own it alone.
        unsafe {
            if !self.raw.is_null() {
                (self.api.delete_sec_context)(&raw mut minor, &raw mut self.raw, ptr::null_mut());
            }
            if !self.target.is_null() {
                (self.api.release_name)(&raw mut minor, &raw mut self.target);
            }
        }
    }
}

/// What is wrong with the ticket of the default cache, if something is.
fn ticket_problem(api: &Api) -> Option<Error> {
    let mut minor = 0;
    let mut credentials: *mut c_void = ptr::null_mut();
    let only = OidSet { count: 1, elements: &raw const KRB5 };
    // SAFETY: all pointers are to values that live through the call or may be null (RFC 2744 §5.2).
    let major = unsafe {
        (api.acquire_cred)(
            &raw mut minor,
            ptr::null_mut(),
            0,
            &raw const only,
            INITIATE,
            &raw mut credentials,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    if major & ERRORS != 0 {
        return Some(problem(api, major, minor));
    }
    let mut seconds = u32::MAX;
    // SAFETY: the library gave us the credentials a moment ago; null is passed only where allowed (§5.21).
    let (major, release) = unsafe {
        let major = (api.inquire_cred)(
            &raw mut minor,
            credentials,
            ptr::null_mut(),
            &raw mut seconds,
            ptr::null_mut(),
            ptr::null_mut(),
        );
        let mut minor = 0;
        (major, (api.release_cred)(&raw mut minor, &raw mut credentials))
    };
    debug_assert_eq!(release & ERRORS, 0);
    match major & ERRORS {
        0 if seconds > 0 => None,
        0 => Some(problem(api, CREDENTIALS_EXPIRED, 0)),
        _ => Some(problem(api, major, minor)),
    }
}

fn problem(api: &Api, major: u32, minor: u32) -> Error {
    let kind = match major & 0x00ff_0000 {
        CREDENTIALS_EXPIRED => ErrorKind::Expired,
        NO_CREDENTIALS => ErrorKind::NoTicket,
        _ => ErrorKind::Other,
    };
    let mut lines = display(api, minor, MECHANISM_CODE);
    if minor == 0 || lines.is_empty() {
        lines = display(api, major, GSS_CODE);
    }
    let message: String = lines.join("; ").chars().filter(|c| !c.is_control()).collect();
    Error { kind, message }
}

/// The texts of a status.
fn display(api: &Api, status: u32, kind: c_int) -> Vec<String> {
    let mut lines = Vec::new();
    let mut more = 0;
    while lines.len() < MAX_LINES {
        let mut minor = 0;
        let mut text = Buffer::EMPTY;
        // SAFETY: all pointers are to values that live through the call; a mechanism may be null,
        // which is the library's default, Kerberos.
        let major = unsafe {
            (api.display_status)(
                &raw mut minor,
                status,
                kind,
                ptr::null(),
                &raw mut more,
                &raw mut text,
            )
        };
        let text = take(api, &mut text);
        if major & ERRORS == 0 && !text.is_empty() {
            lines.push(String::from_utf8_lossy(&text).into_owned());
        }
        if major & ERRORS != 0 || more == 0 {
            break;
        }
    }
    lines
}

/// A copy of what the library wrote, which it gets back.
fn take(api: &Api, buffer: &mut Buffer) -> Vec<u8> {
    let mut minor = 0;
    // SAFETY: the buffer is empty, or the library's own with as many bytes as it says; it is given
    // back once, and is empty afterwards.
    unsafe {
        let copy = buffer.bytes().to_vec();
        (api.release_buffer)(&raw mut minor, buffer);
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_there_is_none() {
        assert!(Api::load("libbitsup-has-no-such-file.so.2").is_none());
        // It is there, and has none of the functions.
        assert!(Api::load("libc.so.6").is_none());
    }

    #[test]
    fn words_that_are_none_are_an_error_in_the_words_of_the_library() {
        if !is_available() {
            let error = Context::new("host", None).err().expect("no library");
            assert_eq!(error.kind, ErrorKind::Unavailable);
            return;
        }
        let mut context = Context::new("host.invalid", Some(b"binding".to_vec())).expect("a name");
        let error = context.step(b"nonsense").expect_err("no word of Negotiate");
        assert!(!error.message.is_empty(), "{error:?}");
        assert!(!error.message.contains(char::is_control), "{error:?}");
    }
}
