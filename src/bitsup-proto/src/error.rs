//! Errors of an upload: one list of kinds for the tool, C, Python and Rust.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use crate::hresult::Hresult;
use crate::packet::PacketType;

/// Whose fault it is and what can be done, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller gave something that cannot be used.
    InvalidArgument,
    /// The source cannot be read.
    LocalFile,
    /// The source is not what it was when the upload began.
    SourceChanged,
    /// Another process or upload holds the session.
    SessionInUse,
    /// The server requires credentials, or refused those it got.
    Auth,
    /// The proxy requires credentials, or refused those it got.
    ProxyAuth,
    /// The TLS connection could not be made as it must be.
    Tls,
    /// The server cannot be reached, or the connection is lost again and again.
    Network,
    /// A limit of time passed: no answer, no byte, or the server kept answering "later".
    Timeout,
    /// The server understood and said no.
    Refused,
    /// The server names another host that is not trusted.
    HostIdUntrusted,
    /// The answer is none that the protocol allows.
    Protocol,
    /// All was sent, and the file on the server is not proven to be right.
    VerifyFailed,
    /// A limit that the caller set was reached.
    LimitReached,
    /// The upload was cancelled.
    Cancelled,
    /// This build or this server lacks what was asked for.
    Unsupported,
    /// A fault of this program.
    Internal,
}

/// One row of the table that all languages share.
#[derive(Clone, Copy, Debug)]
pub struct KindRow {
    /// The kind.
    pub kind: ErrorKind,
    /// Its name, as in Rust.
    pub name: &'static str,
    /// The number of the C status `BITSUP_STATUS_…`.
    pub status: u32,
    /// The class in Python's module `bitsup`.
    pub python: &'static str,
    /// The tool's exit code.
    pub exit: u8,
}

/// Kind, C status, Python class and exit code; 0, 1 and 2 of C are OK, PENDING and PANIC.
pub const KINDS: [KindRow; 17] = {
    const fn row(
        kind: ErrorKind,
        name: &'static str,
        status: u32,
        python: &'static str,
        exit: u8,
    ) -> KindRow {
        KindRow { kind, name, status, python, exit }
    }
    [
        row(ErrorKind::InvalidArgument, "InvalidArgument", 3, "InvalidArgumentError", 2),
        row(ErrorKind::LocalFile, "LocalFile", 4, "LocalFileError", 3),
        row(ErrorKind::SourceChanged, "SourceChanged", 5, "SourceChangedError", 3),
        row(ErrorKind::SessionInUse, "SessionInUse", 6, "SessionInUseError", 11),
        row(ErrorKind::Auth, "Auth", 7, "AuthError", 4),
        row(ErrorKind::ProxyAuth, "ProxyAuth", 8, "ProxyAuthError", 4),
        row(ErrorKind::Tls, "Tls", 9, "TlsError", 5),
        row(ErrorKind::Network, "Network", 10, "NetworkError", 6),
        row(ErrorKind::Timeout, "Timeout", 11, "NetworkTimeoutError", 6),
        row(ErrorKind::Refused, "Refused", 12, "RefusedError", 7),
        row(ErrorKind::HostIdUntrusted, "HostIdUntrusted", 13, "HostIdUntrustedError", 7),
        row(ErrorKind::Protocol, "Protocol", 14, "ProtocolError", 8),
        row(ErrorKind::VerifyFailed, "VerifyFailed", 15, "VerifyFailedError", 8),
        row(ErrorKind::LimitReached, "LimitReached", 16, "LimitReachedError", 9),
        row(ErrorKind::Cancelled, "Cancelled", 17, "CancelledError", 10),
        row(ErrorKind::Unsupported, "Unsupported", 18, "UnsupportedError", 2),
        row(ErrorKind::Internal, "Internal", 19, "InternalError", 70),
    ]
};

impl ErrorKind {
    /// The kind's row in the shared table.
    #[must_use]
    pub fn row(self) -> &'static KindRow {
        const INTERNAL: &KindRow = &KINDS[KINDS.len() - 1];
        KINDS.iter().find(|row| row.kind == self).unwrap_or(INTERNAL)
    }

    /// The tool's exit code.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        self.row().exit
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().name)
    }
}

/// Why an upload failed, or why it waits: one line of text and what the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    packet: Option<PacketType>,
    status: Option<u16>,
    code: Option<Hresult>,
    context: Option<u32>,
    advice: Option<Cow<'static, str>>,
    cause: Option<Cause>,
}

/// What is known of an answer beyond what BITS reads of it: it goes with the answer into its error.
#[derive(Debug, PartialEq, Eq)]
pub struct Remark {
    /// Whose fault it is, if not as the status says.
    pub kind: Option<ErrorKind>,
    /// What happened, in one line, if not as the status says.
    pub message: Option<&'static str>,
    /// What to do, with options by id.
    pub advice: &'static str,
}

/// What led to an error outside of the protocol; equal only to itself.
#[derive(Clone, Debug)]
struct Cause(Arc<dyn core::error::Error + Send + Sync>);

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Cause {}

impl Error {
    /// An error of that kind; the message is one line without a full stop, says what
    /// failed and why, and names neither status nor code (`Display` adds them). What servers and names
    /// bring into it is made [visible](crate::text::visible).
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: one_line(message.into()),
            packet: None,
            status: None,
            code: None,
            context: None,
            advice: None,
            cause: None,
        }
    }

    /// The same error, met while that packet was under way.
    #[must_use]
    pub fn during(mut self, packet: PacketType) -> Self {
        self.packet = Some(packet);
        self
    }

    /// The same error with the HTTP status of the answer.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The same error with a code; one that means success is none.
    #[must_use]
    pub fn with_code(mut self, code: Hresult) -> Self {
        self.code = Some(code).filter(|code| *code != Hresult::OK);
        self
    }

    /// The same error with the context the server gave.
    #[must_use]
    pub fn with_context(mut self, context: Option<u32>) -> Self {
        self.context = context;
        self
    }

    /// The same error with another message.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = one_line(message.into());
        self
    }

    /// The same error with advice that fits better than what is known of its status and code.
    /// Options are named by id: see [`crate::explain::render`].
    #[must_use]
    pub fn with_advice(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        let advice = advice.into();
        debug_assert_eq!(crate::explain::unknown_name(&advice), None, "{advice}");
        self.advice = Some(advice);
        self
    }

    /// The same error with what is known of the answer that it is about.
    #[must_use]
    pub fn with_remark(mut self, remark: Option<&'static Remark>) -> Self {
        let Some(Remark { kind, message, advice }) = remark else { return self };
        self.kind = kind.unwrap_or(self.kind);
        self.message = message.map_or(self.message, Cow::Borrowed);
        self.advice = Some(Cow::Borrowed(advice));
        self
    }

    /// The same error with what led to it outside of the protocol: [`core::error::Error::source`] gives it back.
    #[must_use]
    pub fn with_cause(mut self, cause: Arc<dyn core::error::Error + Send + Sync>) -> Self {
        self.cause = Some(Cause(cause));
        self
    }

    /// The same error as another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Its own advice, with options by id.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    /// Whose fault it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What happened, without status and code.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The packet under way, if there was one.
    #[must_use]
    pub fn packet(&self) -> Option<PacketType> {
        self.packet
    }

    /// The HTTP status of the answer, if there was one.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        self.status
    }

    /// The BITS error of the answer, else the code that stands for the HTTP status.
    #[must_use]
    pub fn hresult(&self) -> Option<Hresult> {
        // Some servers send S_OK with a refusal: it says nothing, least of all that all is well.
        let code = self.code.filter(|code| code.0 != 0);
        code.or_else(|| self.status.filter(|status| *status >= 300).map(Hresult::from_status))
    }

    /// `BITS-Error-Context` of the answer: 5 the BITS server, 7 the application behind it.
    #[must_use]
    pub fn context(&self) -> Option<u32> {
        self.context
    }
}

/// The message without characters that could steer a terminal.
fn one_line(message: Cow<'static, str>) -> Cow<'static, str> {
    if !message.contains(crate::text::is_hidden) {
        return message;
    }
    Cow::Owned(crate::text::visible(&message).into_owned())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut facts = String::new();
        let mut add = |fact: fmt::Arguments<'_>| {
            let separator = if facts.is_empty() { "" } else { ", " };
            let _ = fmt::Write::write_fmt(&mut facts, format_args!("{separator}{fact}"));
        };
        if let Some(status) = self.status {
            match self.packet {
                Some(packet) => add(format_args!("HTTP {status} to {packet}")),
                None => add(format_args!("HTTP {status}")),
            }
        }
        if let Some(code) = self.hresult() {
            add(format_args!("{code}"));
        }
        if let Some(context) = self.context {
            add(format_args!("context {context:#x}"));
        }
        if facts.is_empty() { Ok(()) } else { write!(f, " ({facts})") }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| &*cause.0 as &(dyn core::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn the_table_has_every_kind_once_and_numbers_once() {
        for (at, row) in KINDS.iter().enumerate() {
            assert_eq!(row.status as usize, at + 3);
            assert_eq!(std::format!("{:?}", row.kind), row.name);
            assert_eq!(row.kind.row().status, row.status);
        }
    }

    #[test]
    fn an_error_is_one_line_with_what_the_server_said() {
        let error = Error::new(ErrorKind::Refused, "the server refused the upload")
            .during(PacketType::CreateSession)
            .with_status(403)
            .with_code(Hresult::ACCESS_DENIED)
            .with_context(Some(5));
        assert_eq!(
            error.to_string(),
            "the server refused the upload (HTTP 403 to Create-Session, 0x80070005 E_ACCESSDENIED, context 0x5)"
        );
    }

    #[test]
    fn what_a_name_brings_into_a_message_cannot_steer() {
        let _rule = bitsup_server::rule!("LOG-05");
        let name = std::format!("cannot read {}", "a\u{1b}[2J\u{202e}\n\u{2028}b");
        let shown = "cannot read a\\u{1b}[2J\\u{202e}\\u{a}\\u{2028}b";
        assert_eq!(Error::new(ErrorKind::LocalFile, name.clone()).message(), shown);
        let again = Error::new(ErrorKind::LocalFile, "x").with_message(name);
        assert_eq!(again.to_string(), shown);
    }

    #[test]
    fn without_a_bits_error_the_status_gives_the_code() {
        let _rule = bitsup_server::rule!("ERR-07");
        let plain = Error::new(ErrorKind::Refused, "no").with_status(404);
        assert_eq!(plain.hresult(), Some(Hresult(0x8019_0194)));
        let vendor = plain.with_code(Hresult(0xA000_1234));
        assert_eq!(vendor.hresult(), Some(Hresult(0xA000_1234)));
        let success = Error::new(ErrorKind::Refused, "no").with_status(500).with_code(Hresult(0));
        assert_eq!(success.to_string(), "no (HTTP 500, 0x801901F4)");
    }
}
