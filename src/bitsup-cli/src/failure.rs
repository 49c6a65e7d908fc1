//! Why a command or one of its files failed: what is told, and the exit code.

use std::fmt;

use bitsup::explain::Reader;
use bitsup::{Error, ErrorKind, Left};

use crate::format;
use crate::output::NOT_WRITTEN;

/// What went wrong, in one line, with the kind that gives the exit code.
#[derive(Clone, Debug)]
pub(crate) struct CommandFailure {
    kind: ErrorKind,
    message: String,
    /// The next step; empty where the message says it itself, as those of bad arguments do.
    advice: String,
    error: Option<Error>,
}

impl CommandFailure {
    /// Arguments that cannot be used.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// A local file that cannot be used: `what` names operation and path.
    pub(crate) fn local(what: impl fmt::Display, error: &std::io::Error) -> Self {
        Self::new(ErrorKind::LocalFile, format!("{what}: {}", format::io_error(error)))
    }

    /// Any other kind.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), advice: String::new(), error: None }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self.error.as_ref().map(Error::left) {
            // The reply is output.
            Some(Left::Whole) => NOT_WRITTEN,
            _ => self.kind.exit_code(),
        }
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The library's error, if it is one.
    pub(crate) fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// The next step; empty where the message says it itself, as those of bad arguments do.
    pub(crate) fn advice(&self) -> &str {
        &self.advice
    }

    /// Whether the same command would go on where this one ended.
    pub(crate) fn is_resumable(&self) -> bool {
        self.error.as_ref().is_some_and(Error::is_resumable)
    }

    /// Writes it to standard error.
    pub(crate) fn tell(&self) {
        format::say(&format!("bitsup: {self}"));
        if !self.advice().is_empty() {
            format::say(self.advice());
        }
    }
}

impl From<Error> for CommandFailure {
    fn from(error: Error) -> Self {
        let advice = match error.kind() {
            // The last line says how a cancelled upload goes on.
            ErrorKind::InvalidArgument | ErrorKind::Cancelled => String::new(),
            _ => error.advice_for(Reader::Tool).into_owned(),
        };
        Self { kind: error.kind(), message: error.to_string(), advice, error: Some(error) }
    }
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
