//! What a model does about a request.

use std::fmt;
use std::time::SystemTime;

/// An answer that is not yet bytes.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers in order, without those that `framing` makes.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How the end of the body is told.
    pub framing: Framing,
    /// Whether the status line says `HTTP/1.0`.
    pub http10: bool,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// By `Content-Length`.
    #[default]
    Length,
    /// By nothing: the body is not sent, and the connection stays as it is.
    Nothing,
    /// By chunks.
    Chunks,
    /// By `Content-Length` of a body that is not sent, as for HEAD.
    Head(u64),
}

impl Answer {
    /// An answer of this status with nothing else.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// An Ack.
    #[must_use]
    pub fn ack() -> Self {
        Self::status(200).with("BITS-Packet-Type", "Ack")
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// The length that an answer to HEAD tells.
    #[must_use]
    pub fn told_length(&self) -> Option<u64> {
        match self.framing {
            Framing::Head(length) => Some(length),
            _ => None,
        }
    }

    /// Last-Modified, in seconds since 1970.
    #[must_use]
    pub fn last_modified(&self) -> Option<u64> {
        let date = httpdate::parse_http_date(self.header("Last-Modified")?).ok()?;
        Some(date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs())
    }

    /// Removes all headers of this name.
    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The answer as it goes over the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let version = if self.http10 { "1.0" } else { "1.1" };
        let mut lines = vec![format!("HTTP/{version} {} X", self.status)];
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        let mut body = self.body.clone();
        match self.framing {
            Framing::Length => lines.push(format!("Content-Length: {}", body.len())),
            Framing::Nothing => body.clear(),
            Framing::Head(length) => {
                lines.push(format!("Content-Length: {length}"));
                body.clear();
            }
            Framing::Chunks => {
                lines.push("Transfer-Encoding: chunked".to_owned());
                if !body.is_empty() {
                    body.splice(..0, format!("{:x}\r\n", self.body.len()).into_bytes());
                    body.extend(b"\r\n");
                }
                body.extend(b"0\r\n\r\n");
            }
        }
        [(lines.join("\r\n") + "\r\n\r\n").into_bytes(), body].concat()
    }
}

/// How much of a request's body is read before the model is asked for its reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// All of it.
    All,
    /// At most this many bytes; the rest is read and thrown away where the connection goes on.
    First(u64),
}

/// How the bytes of a reaction go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At once.
    AtOnce,
    /// In two pieces, with a moment between.
    Halves,
    /// Byte by byte.
    Trickle,
}

/// How a connection goes on after a reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It waits for the next request.
    Keep,
    /// It is closed.
    Close,
    /// It is closed after a moment in which the client may have used it again.
    CloseSoon,
    /// It is reset.
    Reset,
    /// It stays open, and nothing is read or sent any more.
    Hang,
}

/// What goes over the wire after a request.
#[derive(Clone, Debug)]
pub struct Reaction {
    /// The bytes; empty where nothing is answered.
    pub bytes: Vec<u8>,
    /// How they go out.
    pub pace: Pace,
    /// How the connection goes on.
    pub end: End,
}
