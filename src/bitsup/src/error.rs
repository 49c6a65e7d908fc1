//! What went wrong, whose fault it is, and what to do next.

use std::borrow::Cow;
use std::fmt;
use std::io;

pub(crate) use bitsup_proto::ErrorKind;
use bitsup_proto::{Hresult, PacketType, explain};

/// The error of every fallible function of this crate.
///
/// `Display` is one line: what happened, and what the server said. [`Error::advice`] is
/// the next step. No error holds a secret; query strings of URLs are left out.
#[derive(Clone)]
pub struct Error {
    what: Box<What>,
}

#[derive(Clone)]
struct What {
    protocol: bitsup_proto::Error,
    advice: Option<Cow<'static, str>>,
    os: Option<i32>,
    io_kind: Option<io::ErrorKind>,
    token: Option<String>,
    resumable: bool,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        bitsup_proto::Error::new(kind, message).into()
    }

    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// A failed operation on a local file: `what` names operation and path.
    pub(crate) fn local(what: impl fmt::Display, error: &io::Error) -> Self {
        let lack = lack(error);
        // The number stays where it is what to search for, and no file is to be blamed.
        let words = if lack.is_some() { error.to_string() } else { plain(error) };
        let mut made = Self::new(ErrorKind::LocalFile, format!("{what}: {words}"));
        made.what.os = error.raw_os_error();
        made.what.io_kind = Some(error.kind());
        made.what.advice = lack.map(Cow::Borrowed);
        made
    }

    /// The system gives no thread.
    pub(crate) fn of_thread(error: &io::Error) -> Self {
        let mut made = Self::new(ErrorKind::LocalFile, format!("cannot start a thread: {error}"));
        made.what.os = error.raw_os_error();
        made.what.io_kind = Some(error.kind());
        made.with_advice(NO_THREAD)
    }

    /// The error of ours that travels inside one of the system.
    pub(crate) fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Whether the system lacked descriptors, threads or memory: nothing that was touched is at fault.
    pub(crate) fn is_lack(&self) -> bool {
        self.what.os.is_some_and(|os| lack(&io::Error::from_raw_os_error(os)).is_some())
            || self.what.advice.as_deref() == Some(NO_THREAD)
    }

    pub(crate) fn with_advice(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.what.advice = Some(advice.into());
        self
    }

    pub(crate) fn with_token(mut self, token: Option<String>) -> Self {
        self.what.token = token;
        self
    }

    pub(crate) fn with_resumable(mut self, resumable: bool) -> Self {
        self.what.resumable = resumable;
        self
    }

    pub(crate) fn protocol(&self) -> &bitsup_proto::Error {
        &self.what.protocol
    }

    /// Whose fault it is, in one word.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.what.protocol.kind()
    }

    /// What happened, without status and code.
    #[must_use]
    pub fn message(&self) -> &str {
        self.what.protocol.message()
    }

    /// The likely next step, in one or two sentences.
    #[must_use]
    pub fn advice(&self) -> &str {
        match &self.what.advice {
            Some(advice) => advice,
            None => explain::advice(&self.what.protocol),
        }
    }

    /// The HTTP status of the server's answer, if there was one.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        self.what.protocol.http_status()
    }

    /// The BITS error of the answer, else the code that stands for the HTTP status.
    #[must_use]
    pub fn hresult(&self) -> Option<Hresult> {
        self.what.protocol.hresult()
    }

    /// `BITS-Error-Context`: 5 the BITS server, 7 the application behind it.
    #[must_use]
    pub fn context(&self) -> Option<u32> {
        self.what.protocol.context()
    }

    /// The packet that was under way, if one was.
    #[must_use]
    pub fn packet(&self) -> Option<PacketType> {
        self.what.protocol.packet()
    }

    /// The system's error number, if a local operation failed.
    #[must_use]
    pub fn os_error(&self) -> Option<i32> {
        self.what.os
    }

    /// The class of a failed local operation.
    #[must_use]
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        self.what.io_kind
    }

    /// Whether the server still holds what was sent, so that starting the same upload again continues it.
    #[must_use]
    pub fn is_resumable(&self) -> bool {
        self.what.resumable
    }

    /// The session as a token for [`crate::Client::import`], if the server still holds it.
    /// Who has the token can write to the upload. That of a source that is read through
    /// [`crate::ReadAt`] and may block has no hash of the bytes sent (they would have to be read
    /// again), and is refused there.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.what.token.as_deref()
    }
}

const NO_THREAD: &str = "The limit of threads is reached, for this process, its user or its container: raise it (ulimit -u, TasksMax, pids.max) or run less at a time, and start the same upload again.";

/// What to do where the system lacks descriptors or memory.
fn lack(error: &io::Error) -> Option<&'static str> {
    match error.raw_os_error()? {
        libc::EMFILE => Some(
            "This process may have no more files open: raise its limit (ulimit -n) or run fewer uploads at a time, and start the same upload again.",
        ),
        libc::ENFILE => Some(
            "The system may have no more files open: raise fs.file-max or end other programs, and start the same upload again.",
        ),
        libc::ENOMEM => Some(
            "The system has no memory left for this: free some, and start the same upload again.",
        ),
        _ => None,
    }
}

/// The system's words without the number that `io::Error` appends.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

impl From<bitsup_proto::Error> for Error {
    fn from(protocol: bitsup_proto::Error) -> Self {
        let what =
            What { protocol, advice: None, os: None, io_kind: None, token: None, resumable: false };
        Self { what: Box::new(what) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.what.protocol, f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind())
            .field("message", &self.to_string())
            .field("resumable", &self.is_resumable())
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {}
