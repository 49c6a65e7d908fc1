//! The five request packets and the values they carry.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use uuid::Uuid;

/// The only protocol identifier there is (MC-BUP §1.7.1).
pub const PROTOCOL: Uuid = Uuid::from_u128(0x7df0_354d_249b_430f_820d_3d2a_9bef_4931);

/// The HTTP method of every packet (MC-BUP §2.2.1).
pub const METHOD: &str = "BITS_POST";

/// MC-BUP §2.2.1: a header value should not exceed 4 KB; Windows servers refuse longer ones.
pub const MAX_HEADER_VALUE: usize = 4096;

/// MC-BUP §2.2.1.1: `Content-Name` should not exceed 260 characters.
pub const MAX_CONTENT_NAME: usize = 260;

/// The kind of a request packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketType {
    /// Asks whether the host answers (MC-BUP §2.2.4).
    Ping,
    /// Opens a session (MC-BUP §2.2.2).
    CreateSession,
    /// Carries a range of the file (MC-BUP §2.2.6).
    Fragment,
    /// Ends a complete upload (MC-BUP §2.2.8).
    CloseSession,
    /// Gives the upload up and deletes it on the server (MC-BUP §2.2.10).
    CancelSession,
}

impl PacketType {
    /// All five, in the order of their names in MC-BUP §2.2.
    pub const ALL: [Self; 5] =
        [Self::Ping, Self::CreateSession, Self::Fragment, Self::CloseSession, Self::CancelSession];

    /// The value of `BITS-Packet-Type`, spelled as Windows clients do (MC-BUP §4).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "Ping",
            Self::CreateSession => "Create-Session",
            Self::Fragment => "Fragment",
            Self::CloseSession => "Close-Session",
            Self::CancelSession => "Cancel-Session",
        }
    }
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The bytes that a Fragment carries: `first..first + length` of a file of `total` bytes.
///
/// A range is never empty and never ends beyond the total, so that its header is
/// always legal by RFC 2616 §14.16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentRange {
    first: u64,
    length: u64,
    total: u64,
}

impl ContentRange {
    /// The range of `length` bytes from `first` in a file of `total`; `None` if it is
    /// empty or does not lie within the file.
    #[must_use]
    pub const fn new(first: u64, length: u64, total: u64) -> Option<Self> {
        match first.checked_add(length) {
            Some(end) if length > 0 && end <= total => Some(Self { first, length, total }),
            _ => None,
        }
    }

    /// Offset of the first byte.
    #[must_use]
    pub const fn first(self) -> u64 {
        self.first
    }

    /// Number of bytes, at least 1.
    #[must_use]
    pub const fn length(self) -> u64 {
        self.length
    }

    /// Offset behind the last byte.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.first + self.length
    }

    /// Size of the whole file.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.total
    }

    /// Whether the range holds the file's last byte.
    #[must_use]
    pub const fn is_last(self) -> bool {
        self.end() == self.total
    }
}

/// The header's text: `bytes 0-4891/4892`.
impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {}-{}/{}", self.first, self.end() - 1, self.total)
    }
}

/// The session's name, as the server gave it: echoed byte for byte.
///
/// MC-BUP makes it a GUID; other servers send any string of up to 100 characters.
/// It is a capability (who knows it can write to the upload), so `Debug` hides it.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

impl SessionId {
    /// The most characters a session id may have.
    pub const MAX_LENGTH: usize = 100;

    /// Takes 1 to 100 visible ASCII characters; anything else could smuggle in a header.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let legal = (1..=Self::MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic());
        legal.then(|| Self(text.to_owned()))
    }

    /// The id as the server wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an Ack's id names this session: the same, but for case if both are GUIDs.
    #[must_use]
    pub fn matches(&self, other: &str) -> bool {
        self.0 == other
            || matches!(
                (Uuid::try_parse(&self.0), Uuid::try_parse(other)),
                (Ok(ours), Ok(theirs)) if ours == theirs
            )
    }
}

impl TryFrom<String> for SessionId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text).ok_or("a session id has 1 to 100 visible ASCII characters")
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
    }
}

/// The `Content-Name` for a source of that name: the base name without path, without the
/// characters Windows forbids and without what no header may hold, at most 260
/// characters; `None` if nothing is left.
#[must_use]
pub fn content_name(source: &str) -> Option<String> {
    let base = source.rsplit('/').next().unwrap_or(source);
    let kept: String = base
        .chars()
        .filter(|c| (c.is_ascii_graphic() || *c == ' ') && !"\\/:*?\"<>|".contains(*c))
        .take(MAX_CONTENT_NAME)
        .collect();
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// One packet with everything that its headers need.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Which of the five.
    pub packet_type: PacketType,
    /// The session; used by Fragment, Close-Session and Cancel-Session.
    pub session_id: Option<&'a SessionId>,
    /// The source's name; used by Create-Session, Fragment and Close-Session.
    pub content_name: Option<&'a str>,
    /// The bytes carried; used by Fragment.
    pub range: Option<ContentRange>,
}

impl Packet<'_> {
    /// The body's length in bytes, which is also the `Content-Length`.
    #[must_use]
    pub fn content_length(&self) -> u64 {
        self.range.map_or(0, ContentRange::length)
    }

    /// Gives each header (name, value) in the order in which Windows clients send them
    /// (MC-BUP §4). `Host`, `Content-Length` and `User-Agent` belong to the transport.
    pub fn for_each_header(&self, mut emit: impl FnMut(&'static str, fmt::Arguments<'_>)) {
        emit("Accept", format_args!("*/*"));
        emit("BITS-Packet-Type", format_args!("{}", self.packet_type));
        if self.packet_type == PacketType::CreateSession {
            emit("BITS-Supported-Protocols", format_args!("{}", PROTOCOL.braced()));
        }
        if let Some(id) = self.session_id.filter(|_| self.names_session()) {
            emit("BITS-Session-Id", format_args!("{}", id.as_str()));
        }
        let named = !matches!(self.packet_type, PacketType::Ping | PacketType::CancelSession);
        if let Some(name) = self.content_name.filter(|_| named) {
            emit("Content-Name", format_args!("{name}"));
        }
        if let Some(range) = self.range {
            emit("Content-Range", format_args!("{range}"));
        }
        emit("Connection", format_args!("Keep-Alive"));
    }

    fn names_session(&self) -> bool {
        !matches!(self.packet_type, PacketType::Ping | PacketType::CreateSession)
    }
}

#[cfg(test)]
mod tests;
