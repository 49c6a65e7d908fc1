//! What comes back on an exchange, line by line and piece by piece.

use std::time::{Duration, Instant};

use super::headers::{Headers, MAX_HEADER_BYTES, MAX_HEADER_LINES};

/// A longer body of an answer to a packet is not read: error pages of servers and gateways are
/// shorter, and reading more costs more than a new connection.
pub(super) const MAX_DRAINED_BODY: u64 = 64 * 1024;

/// Reading such a body may take so long; then the answer is taken without it.
pub(super) const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// So much of an answer's body is kept for diagnostics.
const BODY_PREFIX: usize = 4 * 1024;

/// The answer to one request, as far as it has come.
#[derive(Default)]
pub(super) struct ResponseHead {
    status: Option<StatusLine>,
    headers: Headers,
    header_bytes: usize,
    header_lines: usize,
    drained: u64,
    body_prefix: Vec<u8>,
    /// When the last header line of the final answer came.
    pub(super) complete: Option<Instant>,
}

#[derive(Clone, Copy)]
pub(super) struct StatusLine {
    pub(super) code: u16,
    pub(super) http10: bool,
    ended: bool,
}

/// What a line meant.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum HeaderLine {
    /// More lines follow, or it is a trailer.
    More,
    /// It ended the header lines of an answer that is not an interim one, of this status.
    Last(u16),
    /// It was one too many.
    Flood,
}

impl ResponseHead {
    /// Takes a header line. Interim answers count for the bounds and leave nothing else behind.
    pub(super) fn push_line(&mut self, line: &[u8]) -> HeaderLine {
        self.header_bytes += line.len();
        self.header_lines += 1;
        if self.header_bytes > MAX_HEADER_BYTES || self.header_lines > MAX_HEADER_LINES {
            return HeaderLine::Flood;
        }
        let Some(status) = &mut self.status else {
            self.status = parse_status_line(line);
            return HeaderLine::More;
        };
        if status.ended {
            return HeaderLine::More;
        }
        if !line.trim_ascii().is_empty() {
            self.headers.push_line(line);
            return HeaderLine::More;
        }
        if (100..200).contains(&status.code) && status.code != 101 {
            self.status = None;
            self.headers.clear();
            return HeaderLine::More;
        }
        status.ended = true;
        HeaderLine::Last(status.code)
    }

    /// Whether any header line came.
    pub(super) fn has_lines(&self) -> bool {
        self.header_lines > 0
    }

    /// Counts a piece of the body and keeps the first ones. Returns the length so far.
    pub(super) fn drain(&mut self, bytes: &[u8]) -> u64 {
        let room = BODY_PREFIX.saturating_sub(self.body_prefix.len());
        self.body_prefix.extend(bytes.iter().take(room));
        self.drained += bytes.len() as u64;
        self.drained
    }

    /// The status line, once the header lines are complete.
    pub(super) fn answer(&self) -> Option<StatusLine> {
        self.status.filter(|status| status.ended)
    }

    /// Whether the end of the body can be told without waiting for the close.
    pub(super) fn is_framed(&self) -> bool {
        self.answer().is_some_and(|status| matches!(status.code, 204 | 304))
            || self.headers.has_word("Transfer-Encoding", "chunked")
            || self.content_length().is_some()
    }

    pub(super) fn content_length(&self) -> Option<u64> {
        self.headers.number("Content-Length")
    }

    /// Whether the peer has said that it will close the connection.
    pub(super) fn announces_close(&self) -> bool {
        self.headers.has_word("Connection", "close")
            || self.headers.has_word("Proxy-Connection", "close")
    }

    pub(super) fn take_headers(&mut self) -> Headers {
        std::mem::take(&mut self.headers)
    }

    pub(super) fn take_body_prefix(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body_prefix)
    }
}

/// The version and the code; what follows can be in any encoding.
fn parse_status_line(line: &[u8]) -> Option<StatusLine> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let version = words.next().filter(|version| version.starts_with(b"HTTP/"))?;
    let code = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    Some(StatusLine { code, http10: version == b"HTTP/1.0", ended: false })
}
