//! Acks: what of a server's answer the protocol reads.

use crate::error::Remark;
use crate::hresult::{Hresult, parse_hexadecimal};

/// The most characters a reply URL may have (MC-BUP §2.2.1.2).
pub const MAX_REPLY_URL: usize = 2200;

/// The most characters of a host that an Ack may name: IIS limits the setting to 300.
pub const MAX_HOST_ID: usize = 300;

/// The answer to a packet, reduced to what the protocol reads. It borrows the header
/// values; bytes that are not visible ASCII never get in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ack<'a> {
    /// The HTTP status.
    pub status: u16,
    /// Whether `BITS-Packet-Type` (or, as MC-BUP §2.2.1 spells it once, `BITS-Package-Type`) says `Ack`.
    pub is_ack: bool,
    /// `BITS-Session-Id`.
    pub session_id: Option<&'a str>,
    /// `BITS-Protocol`.
    pub protocol: Option<&'a str>,
    /// `BITS-Host-Id`; empty counts as absent.
    pub host_id: Option<&'a str>,
    /// `BITS-Host-Id-Fallback-Timeout` in seconds; unparsable counts as absent.
    pub fallback_timeout: Option<u64>,
    /// `BITS-Received-Content-Range`: where the next Fragment is to start.
    pub offset: Offset,
    /// `BITS-Reply-URL`; empty, or not visible ASCII, counts as absent.
    pub reply_url: Option<&'a str>,
    /// `BITS-Error-Code` or `BITS-Error`, whichever parses, the former first.
    pub code: Option<Hresult>,
    /// `BITS-Error-Context`.
    pub context: Option<u32>,
    /// The text of an error header that could not be read, for diagnostics.
    pub unread_code: Option<&'a str>,
    /// Whether `Accept-Encoding` excludes identity, the only coding we send.
    pub refuses_identity: bool,
    /// `Retry-After`.
    pub retry_after: Option<RetryAfter<'a>>,
    /// `Date`, not yet parsed: the server's clock.
    pub date: Option<&'a str>,
    /// A header that we use stood twice with different values.
    pub contradiction: Option<&'static str>,
    /// What the caller knows of it besides.
    pub remark: Option<&'static Remark>,
}

/// The wanted offset as the Ack has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offset {
    /// There is no such header.
    #[default]
    Absent,
    /// A decimal number of at most 64 bit.
    At(u64),
    /// A header that is no such number.
    Unreadable,
}

/// A `Retry-After` value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter<'a> {
    /// Seconds from now.
    Seconds(u64),
    /// An HTTP date, to be compared with the answer's `Date`.
    Date(&'a str),
}

impl<'a> Ack<'a> {
    /// Reads the headers of an answer. Names match in any case, unknown ones are passed over.
    pub fn parse(status: u16, headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut fields = Fields::default();
        for (name, value) in headers {
            fields.take(name, value);
        }
        fields.into_ack(status)
    }
}

/// The header values we use, before they are read.
#[derive(Default)]
struct Fields<'a> {
    values: [Option<&'a str>; USED.len()],
    contradiction: Option<&'static str>,
    refuses_identity: bool,
}

/// The headers we use. Equal values of one header are one; different ones make the answer invalid.
const USED: [&str; 14] = [
    "BITS-Packet-Type",
    "BITS-Package-Type",
    "BITS-Session-Id",
    "BITS-Protocol",
    "BITS-Host-Id",
    "BITS-Host-Id-Fallback-Timeout",
    "BITS-Received-Content-Range",
    // So misspelt by a public server; read where the right one is absent.
    "BITS-Recieved-Content-Range",
    "BITS-Reply-URL",
    "BITS-Error-Code",
    "BITS-Error",
    "BITS-Error-Context",
    "Retry-After",
    "Date",
];

/// What stands for a value that is no visible ASCII: no reader below takes it for anything.
const UNREADABLE: &str = "\u{0}";

impl<'a> Fields<'a> {
    fn take(&mut self, name: &str, value: &'a [u8]) {
        let text = readable(value);
        if name.eq_ignore_ascii_case("Accept-Encoding") {
            self.refuses_identity |= refuses_identity(text);
            return;
        }
        let Some(at) = USED.iter().position(|used| used.eq_ignore_ascii_case(name)) else {
            return;
        };
        // A second Date or Retry-After comes from a cache on the way; the first one counts.
        let decisive = at < USED.len() - 2;
        match (self.values.get(at).copied().flatten(), self.values.get_mut(at)) {
            (None, Some(slot)) => *slot = Some(text),
            (Some(first), _) if first != text && decisive => {
                self.contradiction = USED.get(at).copied();
            }
            _ => {}
        }
    }

    fn into_ack(self, status: u16) -> Ack<'a> {
        let [
            packet_type,
            package_type,
            session_id,
            protocol,
            host_id,
            fallback_timeout,
            offset,
            misspelt_offset,
            reply_url,
            error_code,
            error,
            context,
            retry_after,
            date,
        ] = self.values;
        let code = |text: Option<&str>| text.and_then(Hresult::parse);
        let parsed = code(error_code).or_else(|| code(error));
        Ack {
            status,
            is_ack: packet_type
                .or(package_type)
                .is_some_and(|text| text.eq_ignore_ascii_case("Ack")),
            session_id: session_id.filter(|text| !text.is_empty()),
            protocol: protocol.filter(|text| !text.is_empty()),
            host_id: host_id.filter(|text| !text.is_empty()),
            fallback_timeout: fallback_timeout.and_then(decimal),
            offset: match offset.or(misspelt_offset) {
                None => Offset::Absent,
                Some(text) => decimal(text).map_or(Offset::Unreadable, Offset::At),
            },
            reply_url: reply_url
                .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())),
            code: parsed,
            context: context.and_then(parse_hexadecimal),
            unread_code: error_code.or(error).filter(|_| parsed.is_none()),
            refuses_identity: self.refuses_identity,
            retry_after: retry_after
                .filter(|text| !text.is_empty())
                .map(|text| decimal(text).map_or(RetryAfter::Date(text), RetryAfter::Seconds)),
            date,
            contradiction: self.contradiction,
            remark: None,
        }
    }
}

/// The value without surrounding white space.
fn readable(value: &[u8]) -> &str {
    match core::str::from_utf8(value) {
        Ok(text) => {
            let text = text.trim_matches([' ', '\t']);
            let legal = text.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b));
            if legal { text } else { UNREADABLE }
        }
        Err(_) => UNREADABLE,
    }
}

/// Digits only: no sign, no white space, no prefix.
fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// RFC 9110 §12.5.3: identity is acceptable unless it, or `*` without it, has the weight 0.
fn refuses_identity(value: &str) -> bool {
    let weight_is_zero = |parameters: &str| {
        parameters.split(';').any(|parameter| {
            parameter
                .trim()
                .strip_prefix(['q', 'Q'])
                .and_then(|rest| rest.trim_start().strip_prefix('='))
                .is_some_and(|q| {
                    let q = q.trim();
                    q.starts_with('0') && q.bytes().all(|b| b == b'0' || b == b'.')
                })
        })
    };
    let mut star = false;
    for item in value.split(',') {
        let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
        match coding.trim() {
            coding if coding.eq_ignore_ascii_case("identity") => return weight_is_zero(parameters),
            "*" => star = weight_is_zero(parameters),
            _ => {}
        }
    }
    star
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    fn ack(headers: &[(&'static str, &'static str)]) -> Ack<'static> {
        Ack::parse(200, headers.iter().map(|(name, value)| (*name, value.as_bytes())))
    }

    #[test]
    fn the_transcripts_create_ack_is_read() {
        let ack = ack(&[
            ("Date", "Mon, 18 Jun 2007 21:11:57 GMT"),
            ("Server", "Microsoft-IIS/6.0"),
            ("Pragma", "no-cache"),
            ("BITS-Packet-Type", "Ack"),
            ("BITS-Protocol", "{7df0354d-249b-430f-820d-3d2a9bef4931}"),
            ("BITS-Session-Id", "{C85B4E0A-9EB9-4114-BFA4-8A43B4710091}"),
            ("BITS-Host-Id", "FRANKCAO8"),
            ("BITS-Host-Id-Fallback-Timeout", "110"),
            ("Content-Length", "0"),
            ("Accept-encoding", "identity"),
        ]);
        assert!(ack.is_ack);
        assert_eq!(ack.session_id, Some("{C85B4E0A-9EB9-4114-BFA4-8A43B4710091}"));
        assert_eq!(ack.host_id, Some("FRANKCAO8"));
        assert_eq!(ack.fallback_timeout, Some(110));
        assert_eq!(ack.offset, Offset::Absent);
        assert!(!ack.refuses_identity);
    }

    #[test]
    fn names_and_packet_type_match_in_any_case() {
        let _rule = bitsup_server::rule!("ACK-01", "ACK-04");
        for spelling in ["Ack", "ACK", "ack"] {
            assert!(ack(&[("bits-packet-type", spelling)]).is_ack);
            assert!(
                ack(&[("BITS-PACKAGE-TYPE", spelling), ("X-A", "1"), ("BITS-Foo", "2")]).is_ack
            );
        }
        assert!(!ack(&[("BITS-Packet-Type", "Nack")]).is_ack);
        assert_eq!(ack(&[("bits-received-content-range", "5")]).offset, Offset::At(5));
    }

    #[test]
    fn the_code_that_parses_wins_and_the_first_of_two() {
        let _rule = bitsup_server::rule!("ERR-01");
        let code = |headers: &[(&'static str, &'static str)]| ack(headers).code;
        assert_eq!(code(&[("BITS-Error", "0x5")]), Some(Hresult(5)));
        assert_eq!(code(&[("BITS-Error", "0x5"), ("BITS-Error-Code", "0x6")]), Some(Hresult(6)));
        assert_eq!(code(&[("BITS-Error", "0x5"), ("BITS-Error-Code", "zz")]), Some(Hresult(5)));
        let unread = ack(&[("BITS-Error-Code", "zz"), ("BITS-Error-Context", "")]);
        assert_eq!((unread.code, unread.context, unread.unread_code), (None, None, Some("zz")));
    }

    #[test]
    fn an_offset_is_a_plain_decimal_number() {
        let _rule = bitsup_server::rule!("OFF-04");
        assert_eq!(ack(&[("BITS-Received-Content-Range", " 4892 ")]).offset, Offset::At(4892));
        for text in ["-1", "5-9", "0x10", "abc", "", "18446744073709551616", "+5", "5 5", "ü"] {
            let ack = ack(&[("BITS-Received-Content-Range", text)]);
            assert_eq!(ack.offset, Offset::Unreadable, "{text:?}");
        }
    }

    #[test]
    fn identity_is_refused_only_by_a_weight_of_zero() {
        let _rule = bitsup_server::rule!("ACK-11");
        for text in
            ["", "Identity", "gzip, identity", "gzip", "identity;q=0.1", "*;q=0, identity", "*"]
        {
            assert!(!refuses_identity(text), "{text}");
        }
        for text in ["identity;q=0", "gzip, identity; q=0.000", "*;q=0", "gzip, *; Q=0"] {
            assert!(refuses_identity(text), "{text}");
        }
    }

    #[test]
    fn equal_duplicates_are_one_and_different_ones_a_contradiction() {
        let twice =
            ack(&[("BITS-Received-Content-Range", "5"), ("bits-received-content-range", "5")]);
        assert_eq!((twice.offset, twice.contradiction), (Offset::At(5), None));
        let torn =
            ack(&[("BITS-Received-Content-Range", "5"), ("BITS-Received-Content-Range", "6")]);
        assert_eq!(torn.contradiction, Some("BITS-Received-Content-Range"));
        let dates = ack(&[("Date", "a"), ("Date", "b")]);
        assert_eq!((dates.date, dates.contradiction), (Some("a"), None));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(ack(&[("Retry-After", "3")]).retry_after, Some(RetryAfter::Seconds(3)));
        let date = "Mon, 18 Jun 2007 21:11:57 GMT";
        assert_eq!(ack(&[("Retry-After", date)]).retry_after, Some(RetryAfter::Date(date)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(
            headers in proptest::collection::vec((0..USED.len() + 2, any::<Vec<u8>>()), 0..20),
        ) {
            let name = |at: usize| USED.get(at).copied().unwrap_or("Accept-Encoding");
            let ack = Ack::parse(200, headers.iter().map(|(at, value)| (name(*at), value.as_slice())));
            for text in [ack.session_id, ack.host_id, ack.reply_url, ack.protocol].into_iter().flatten() {
                prop_assert!(text == UNREADABLE || text.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b)));
            }
        }

        #[test]
        fn every_64_bit_offset_is_read(offset in any::<u64>()) {
            let text: String = std::format!("{offset}");
            let ack = Ack::parse(416, [("BITS-Received-Content-Range", text.as_bytes())]);
            prop_assert_eq!(ack.offset, Offset::At(offset));
        }
    }
}
