//! Answers: Acks and refusals as they go on the wire.

use std::io;

use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, PRAGMA, SERVER};
use hyper::{Response, StatusCode};

use crate::server::response::Body;

pub(crate) const E_ACCESSDENIED: u32 = 0x8007_0005;
pub(crate) const E_INVALIDARG: u32 = 0x8007_0057;
pub(crate) const ERROR_PATH_NOT_FOUND: u32 = 0x8007_0003;
pub(crate) const ERROR_FILE_NOT_FOUND: u32 = 0x8007_0002;
pub(crate) const ERROR_WRITE_FAULT: u32 = 0x8007_001d;
pub(crate) const ERROR_DISK_FULL: u32 = 0x8007_0070;
pub(crate) const ERROR_NO_SYSTEM_RESOURCES: u32 = 0x8007_05aa;
pub(crate) const E_FAIL: u32 = 0x8000_4005;
pub(crate) const BG_E_SESSION_NOT_FOUND: u32 = 0x8020_001f;
pub(crate) const BG_E_TOO_LARGE: u32 = 0x8020_0020;
/// As MC-BUP §3.3.6 prints it for a server application that ran too long.
pub(crate) const APPLICATION_TIMED_OUT: u32 = 0x8007_0112;

/// The error is the BITS server's.
pub(crate) const CONTEXT_SERVER: u32 = 0x5;
/// The error is the server application's.
pub(crate) const CONTEXT_APPLICATION: u32 = 0x7;

/// Spelling of the header with the error code: MC-BUP and Learn differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorHeaders {
    /// `BITS-Error-Code` and `BITS-Error`.
    #[default]
    Both,
    /// `BITS-Error-Code` only (Learn).
    CodeOnly,
    /// `BITS-Error` only (MC-BUP).
    ErrorOnly,
}

/// An answer other than success: HTTP status and, at the level of BITS, code and context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) error: Option<(u32, u32)>,
    /// The offset wanted instead, for 416.
    pub(crate) offset: Option<u64>,
}

impl Refusal {
    pub(crate) const fn new(status: u16, code: u32, context: u32) -> Self {
        Self { status, error: Some((code, context)), offset: None }
    }

    /// An answer of the HTTP level, without a code.
    pub(crate) const fn plain(status: u16) -> Self {
        Self { status, error: None, offset: None }
    }

    pub(crate) const fn invalid() -> Self {
        Self::new(400, E_INVALIDARG, CONTEXT_SERVER)
    }

    pub(crate) const fn denied() -> Self {
        Self::new(403, E_ACCESSDENIED, CONTEXT_SERVER)
    }

    pub(crate) const fn session_not_found() -> Self {
        Self::new(500, BG_E_SESSION_NOT_FOUND, CONTEXT_SERVER)
    }

    /// A fragment that starts elsewhere: the error code is absent (MC-BUP §2.2.1.2, `S_OK`).
    pub(crate) const fn wrong_offset(wanted: u64) -> Self {
        Self { status: 416, error: None, offset: Some(wanted) }
    }

    /// A failure of the server's disk.
    pub(crate) fn from_io(error: &io::Error) -> Self {
        use io::ErrorKind::{
            FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
        };
        let (status, code) = match error.kind() {
            StorageFull | QuotaExceeded => (500, ERROR_DISK_FULL),
            FileTooLarge => (500, BG_E_TOO_LARGE),
            PermissionDenied | ReadOnlyFilesystem => (403, E_ACCESSDENIED),
            _ => (500, ERROR_WRITE_FAULT),
        };
        Self::new(status, code, CONTEXT_SERVER)
    }
}

/// An Ack without a body.
pub(crate) fn ack(status: u16) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(SERVER, server_name());
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert("bits-packet-type", HeaderValue::from_static("Ack"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// The Ack that says no.
pub(crate) fn refuse(refusal: Refusal, spelling: ErrorHeaders) -> Response<Body> {
    let mut response = ack(refusal.status);
    let headers = response.headers_mut();
    if let Some((code, context)) = refusal.error {
        put_error(headers, spelling, code, context);
    }
    if let Some(offset) = refusal.offset {
        put(headers, "bits-received-content-range", &offset.to_string());
    }
    response
}

/// An answer of the HTTP server in front of BITS: no BITS header at all.
pub(crate) fn http_only(status: u16) -> Response<Body> {
    let mut response = ack(status);
    response.headers_mut().remove("bits-packet-type");
    response
}

pub(crate) fn put_error(headers: &mut HeaderMap, spelling: ErrorHeaders, code: u32, context: u32) {
    let code = format!("0x{code:08x}");
    if spelling != ErrorHeaders::ErrorOnly {
        put(headers, "bits-error-code", &code);
    }
    if spelling != ErrorHeaders::CodeOnly {
        put(headers, "bits-error", &code);
    }
    put(headers, "bits-error-context", &format!("{context:#x}"));
}

/// Sets a header to text that the configuration or this crate made. Text that no header may
/// carry is left out, which [`Config::check`](crate::Config) has excluded before.
pub(crate) fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

pub(crate) fn server_name() -> HeaderValue {
    HeaderValue::from_static(concat!("bitsup/", env!("CARGO_PKG_VERSION")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_errors_have_their_codes() {
        let refused =
            |kind: io::ErrorKind| Refusal::from_io(&kind.into()).error.map(|(code, _)| code);
        assert_eq!(refused(io::ErrorKind::StorageFull), Some(0x8007_0070));
        assert_eq!(refused(io::ErrorKind::QuotaExceeded), Some(0x8007_0070));
        assert_eq!(refused(io::ErrorKind::FileTooLarge), Some(0x8020_0020));
        assert_eq!(refused(io::ErrorKind::PermissionDenied), Some(0x8007_0005));
        assert_eq!(refused(io::ErrorKind::Other), Some(0x8007_001d));
    }
}
