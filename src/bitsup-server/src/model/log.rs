//! What happened at a model, for transcripts and for judging exit codes.

use std::fmt;

use super::request::{Packet, Range};

/// One exchange.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The connection.
    pub connection: u64,
    /// The packet.
    pub packet: Packet,
    /// The bytes that a Fragment named.
    pub range: Option<Range>,
    /// How many body bytes came.
    pub received: u64,
    /// Whether a login was shown.
    pub login: bool,
    /// The name of the fault, if there was one.
    pub fault: Option<&'static str>,
    /// The status that was answered; 0 if there was no whole answer.
    pub status: u16,
    /// Whether the answer is one that a server may give.
    pub valid: bool,
    /// The offset that was told.
    pub offset: Option<String>,
    /// How many bytes the session has then.
    pub stored: u64,
    /// How many sessions are open then.
    pub open: usize,
}

impl Entry {
    /// Whether it went as between a conforming client and server.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.valid && matches!(self.status, 200 | 201)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {}", self.connection, self.packet)?;
        if let Some(range) = self.range {
            write!(f, " {}-{}/{}", range.first, range.last, range.total)?;
        }
        if self.login {
            f.write_str(" login")?;
        }
        match (self.status, self.valid) {
            (0, _) => f.write_str(" -> nothing")?,
            (status, true) => write!(f, " -> {status}")?,
            (status, false) => write!(f, " -> {status} invalid")?,
        }
        if let Some(offset) = &self.offset {
            write!(f, " offset {offset}")?;
        }
        write!(f, "  [got {}, stored {}, open {}]", self.received, self.stored, self.open)?;
        if let Some(fault) = self.fault {
            write!(f, "  ({fault})")?;
        }
        Ok(())
    }
}
