//! The five packets, as far as headers go: MC-BUP §2.2.

use hyper::Version;
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderName,
};

use crate::server::ack::Refusal;

/// The only protocol there is (MC-BUP §1.7.1).
pub(crate) const PROTOCOL: &str = "{7df0354d-249b-430f-820d-3d2a9bef4931}";
/// Longest header value (MC-BUP §2.2.1, note 2).
const MAX_HEADER_VALUE: usize = 4096;
/// Longest session id (Learn, Ack for Create-Session).
const MAX_SESSION_ID: usize = 100;
/// Protocol ids looked at (MC-BUP, note 6).
const MAX_PROTOCOLS: usize = 100;

/// Packet type of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PacketKind {
    Create,
    Ping,
    Fragment,
    Close,
    Cancel,
    Unknown,
}

/// Headers of a request that met the syntax.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) kind: PacketKind,
    pub(crate) content_length: Option<u64>,
    /// There for all but Create-Session and Ping.
    pub(crate) session_id: Option<String>,
    /// There for Fragment.
    pub(crate) range: Option<ContentRange>,
}

/// `Content-Range: bytes first-last/total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) total: u64,
}

impl PacketKind {
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get("bits-packet-type")?.to_str().ok()?.trim();
        let known = [
            ("Create-Session", Self::Create),
            ("Ping", Self::Ping),
            ("Fragment", Self::Fragment),
            ("Close-Session", Self::Close),
            ("Cancel-Session", Self::Cancel),
        ];
        Some(
            known
                .iter()
                .find(|(name, _)| text.eq_ignore_ascii_case(name))
                .map_or(Self::Unknown, |(_, kind)| *kind),
        )
    }
}

impl Packet {
    /// The first step of validation: MC-BUP §3.2.5.2.3.
    pub(crate) fn parse(version: Version, headers: &HeaderMap) -> Result<Self, Refusal> {
        if version != Version::HTTP_11 {
            return Err(Refusal::invalid());
        }
        // A Kerberos ticket may be longer than anything that BITS itself sends.
        if headers
            .iter()
            .any(|(name, value)| name != AUTHORIZATION && value.len() > MAX_HEADER_VALUE)
        {
            return Err(Refusal::invalid());
        }
        single(headers, &HeaderName::from_static("bits-packet-type"))?;
        let kind = PacketKind::of(headers).ok_or_else(Refusal::invalid)?;
        let content_length = match single(headers, &CONTENT_LENGTH)? {
            Some(text) => Some(decimal(text).ok_or_else(Refusal::invalid)?),
            None => None,
        };
        let session_id = match single(headers, &HeaderName::from_static("bits-session-id"))? {
            Some(id) if !is_session_id(id) => return Err(Refusal::invalid()),
            id => id.map(str::to_owned),
        };
        let mut packet = Self { kind, content_length, session_id, range: None };
        match kind {
            PacketKind::Create => check_protocols(headers)?,
            PacketKind::Ping => {}
            _ if packet.session_id.is_none() => return Err(Refusal::invalid()),
            PacketKind::Fragment => packet.check_fragment(headers)?,
            _ => {}
        }
        // A packet without data must not have a body; an unknown one is refused later.
        if !matches!(kind, PacketKind::Fragment | PacketKind::Unknown)
            && content_length.is_some_and(|length| length > 0)
        {
            return Err(Refusal::invalid());
        }
        Ok(packet)
    }

    fn check_fragment(&mut self, headers: &HeaderMap) -> Result<(), Refusal> {
        let text = single(headers, &CONTENT_RANGE)?.ok_or_else(Refusal::invalid)?;
        let range = ContentRange::parse(text).ok_or_else(Refusal::invalid)?;
        if self.content_length.is_some_and(|length| length != range.length()) {
            return Err(Refusal::invalid());
        }
        if single(headers, &CONTENT_ENCODING)?
            .is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"))
        {
            return Err(Refusal::invalid());
        }
        self.range = Some(range);
        Ok(())
    }
}

impl ContentRange {
    fn parse(text: &str) -> Option<Self> {
        let (unit, rest) = text.split_once(' ')?;
        let (range, total) = rest.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let range = Self { first: decimal(first)?, last: decimal(last)?, total: decimal(total)? };
        (unit.eq_ignore_ascii_case("bytes")
            && range.first <= range.last
            && range.last < range.total)
            .then_some(range)
    }

    /// Number of bytes; cannot overflow, since `last` is below a 64-bit total.
    pub(crate) fn length(self) -> u64 {
        self.last - self.first + 1
    }

    /// Offset after the last byte.
    pub(crate) fn end(self) -> u64 {
        self.last + 1
    }
}

/// Digits only: no sign, no space, nothing above 64 bits.
fn decimal(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The value of a header that may be repeated only with the same value.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.any(|other| other != first) {
        return Err(Refusal::invalid());
    }
    Ok(Some(first.to_str().map_err(|_| Refusal::invalid())?.trim()))
}

fn is_session_id(id: &str) -> bool {
    (1..=MAX_SESSION_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn check_protocols(headers: &HeaderMap) -> Result<(), Refusal> {
    let offered =
        headers.get_all("bits-supported-protocols").iter().filter_map(|value| value.to_str().ok());
    let mut ids = offered
        .flat_map(|value| value.split([' ', ',', '\t']))
        .filter(|id| !id.is_empty())
        .take(MAX_PROTOCOLS);
    if ids.any(|id| id.eq_ignore_ascii_case(PROTOCOL)) { Ok(()) } else { Err(Refusal::invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_range_is_read_strictly_and_in_64_bits() {
        let range = |first, last, total| Some(ContentRange { first, last, total });
        assert_eq!(ContentRange::parse("bytes 0-4891/4892"), range(0, 4891, 4892));
        assert_eq!(ContentRange::parse("Bytes 0-0/1"), range(0, 0, 1));
        let most =
            ContentRange::parse("bytes 4294967296-18446744073709551614/18446744073709551615")
                .expect("in range");
        assert_eq!(most.end(), u64::MAX);
        let bad = [
            "",
            "bytes",
            "bytes ",
            "bytes 0-0",
            "bytes 0-0/*",
            "bytes */4",
            "bytes 1-0/4",
            "bytes 0-4/4",
            "bytes 0--1/0",
            "bytes +0-1/4",
            "bytes 0-1/18446744073709551616",
            "octets 0-0/1",
            "bytes  0-0/1",
            "bytes 0 -0/1",
            "bytes 0-0/1x",
        ];
        for text in bad {
            assert_eq!(ContentRange::parse(text), None, "{text}");
        }
    }

    #[test]
    fn packet_types_in_any_case() {
        for (text, kind) in [
            ("FRAgmENT", Some(PacketKind::Fragment)),
            ("PING", Some(PacketKind::Ping)),
            ("Ack", Some(PacketKind::Unknown)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("bits-packet-type", text.parse().expect("header value"));
            assert_eq!(PacketKind::of(&headers), kind, "{text}");
        }
        assert_eq!(PacketKind::of(&HeaderMap::new()), None);
    }

    #[test]
    fn protocol_ids_may_be_split_by_space_or_comma() {
        let offered = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("bits-supported-protocols", value.parse().expect("header value"));
            check_protocols(&headers).is_ok()
        };
        assert!(offered(PROTOCOL));
        assert!(offered(&format!("{{other}},{}", PROTOCOL.to_uppercase())));
        assert!(offered(&format!("{{other}} {PROTOCOL}")));
        assert!(!offered("{other}") && !offered(""));
        assert!(!offered(&format!("{}{PROTOCOL}", "{other} ".repeat(MAX_PROTOCOLS))));
    }
}
