//! A request as the model takes it.

use std::fmt;

/// The bytes that a Fragment says it holds: `bytes first-last/total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: u64,
    /// The size of the whole file.
    pub total: u64,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (bytes, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = bytes.split_once('-')?;
        let number = |text: &str| text.parse::<u64>().ok();
        let range = Self { first: number(first)?, last: number(last)?, total: number(total)? };
        (range.first <= range.last && range.last < range.total).then_some(range)
    }

    /// How many bytes it has.
    #[must_use]
    pub fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

/// The kinds of requests that a server tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Packet {
    /// `Ping`
    Ping,
    /// `Create-Session`
    Create,
    /// `Fragment`
    Fragment,
    /// `Close-Session`
    Close,
    /// `Cancel-Session`
    Cancel,
    /// A request by HEAD.
    Head,
    /// A request by GET.
    Get,
    /// Anything else.
    Unknown,
}

/// The head of a request, parsed.
#[derive(Clone, Debug)]
pub struct Request {
    /// Names the connection that it came by.
    pub connection: u64,
    /// What it is.
    pub packet: Packet,
    /// Its target.
    pub target: String,
    /// `BITS-Session-Id`
    pub session: Option<String>,
    /// `Content-Range`, if there is a valid one.
    pub range: Option<Range>,
    /// `Content-Length`; 0 without one.
    pub length: u64,
    /// `Authorization`
    pub authorization: Option<String>,
    /// Whether it came to the host that a Host-Id named.
    pub at_node: bool,
}

impl Request {
    /// Parses the head of a request, with or without the empty line that ends it; `None` if it is not HTTP.
    #[must_use]
    pub fn parse(head: &[u8], connection: u64) -> Option<Self> {
        let head = std::str::from_utf8(head).ok()?;
        let mut lines = head.split("\r\n").take_while(|line| !line.is_empty());
        let mut words = lines.next()?.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let headers: Vec<_> = lines.filter_map(|line| line.split_once(':')).collect();
        let header = |name: &str| {
            let found = headers.iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.trim().to_owned())
        };
        let mut request = Self::new(method, connection, header);
        target.clone_into(&mut request.target);
        Some(request)
    }

    /// A request by this method whose headers a function looks up.
    #[must_use]
    pub fn new(method: &str, connection: u64, header: impl Fn(&str) -> Option<String>) -> Self {
        let packet = match (method, header("BITS-Packet-Type").as_deref()) {
            ("HEAD", _) => Packet::Head,
            ("GET", _) => Packet::Get,
            ("BITS_POST", Some("Ping")) => Packet::Ping,
            ("BITS_POST", Some("Create-Session")) => Packet::Create,
            ("BITS_POST", Some("Fragment")) => Packet::Fragment,
            ("BITS_POST", Some("Close-Session")) => Packet::Close,
            ("BITS_POST", Some("Cancel-Session")) => Packet::Cancel,
            _ => Packet::Unknown,
        };
        Self {
            connection,
            packet,
            target: String::new(),
            session: header("BITS-Session-Id"),
            range: header("Content-Range").as_deref().and_then(Range::parse),
            length: header("Content-Length").and_then(|text| text.parse().ok()).unwrap_or(0),
            authorization: header("Authorization"),
            at_node: false,
        }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
