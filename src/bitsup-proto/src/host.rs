//! `BITS-Host-Id`: another host to go on with, and whether to trust it.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::ack::MAX_HOST_ID;
use crate::error::{Error, ErrorKind};

/// A host with an optional port, as an Ack names it: MC-BUP §2.2.3.2 has no port and no
/// brackets, servers write both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostId {
    host: String,
    port: Option<u16>,
}

impl HostId {
    /// Reads a host name, an IPv4 address or an IPv6 address with or without brackets,
    /// each with or without a port.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_HOST_ID {
            return None;
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Some(Self { host: text.to_owned(), port: None });
        }
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            let port = if port.is_empty() { None } else { Some(port.strip_prefix(':')?) };
            (address, port)
        } else {
            let (host, port) = match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            };
            is_host_name(host).then_some((host, port))?
        };
        let port = match port {
            Some(digits) if !digits.bytes().all(|b| b.is_ascii_digit()) => return None,
            Some(digits) => Some(digits.parse().ok().filter(|port| *port != 0)?),
            None => None,
        };
        Some(Self { host: host.to_owned(), port })
    }

    /// The name or address, without brackets, in the case the server wrote it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if the value has one; else that of the URL stays.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl TryFrom<String> for HostId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("this is no host")
    }
}

impl From<HostId> for String {
    fn from(host: HostId) -> Self {
        format!("{host}")
    }
}

/// Whom to follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostPolicy {
    /// Hosts of the same registrable domain (public-suffix list), and those in the list of trusted ones.
    #[default]
    SameSite,
    /// Any host.
    Any,
    /// None: all packets go to the URL's host.
    Ignore,
}

/// A host that the policy does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untrusted(pub HostId);

impl Untrusted {
    /// The error of an upload that would have to go there, with the option to copy.
    #[must_use]
    pub fn error(&self) -> Error {
        let Self(host) = self;
        let message =
            format!("the server wants the upload to go to {host}, which is not a trusted host");
        // The characters of a host's name are known: it cannot name an option.
        let advice = format!("If the host is right, trust it: {{trusted_hosts={}}}.", host.host());
        Error::new(ErrorKind::HostIdUntrusted, message).with_advice(advice)
    }
}

/// Decides on a `BITS-Host-Id`: the host to go on with, or that it is not trusted.
///
/// A name without a dot (`NODE7`) is first completed with the parent domain of the URL's
/// host, since farms announce their members so; but only to a name that may be followed by itself:
/// `NODE7.com` is a stranger. To trust the short name is to trust that one, and none that it is part of.
pub fn decide(
    origin: &str,
    named: HostId,
    policy: HostPolicy,
    trusted: &[String],
) -> Result<Option<HostId>, Untrusted> {
    if policy == HostPolicy::Ignore {
        return Ok(None);
    }
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    if same(&named.host, origin) {
        return Ok(Some(named));
    }
    let is_trusted = |host: &HostId| is_named(&host.host, trusted) || same_site(origin, &host.host);
    if let Some(completed) = complete(origin, &named).filter(is_trusted) {
        return Ok(Some(completed));
    }
    let follow = policy == HostPolicy::Any || is_trusted(&named);
    if follow { Ok(Some(named)) } else { Err(Untrusted(named)) }
}

/// Whether the host is in the list; an entry with a leading dot names all hosts below.
#[must_use]
pub fn is_named(host: &str, list: &[String]) -> bool {
    list.iter().any(|entry| {
        entry.eq_ignore_ascii_case(host)
            || entry.strip_prefix('.').is_some_and(|parent| is_below(host, parent))
    })
}

/// Whether both names have the same registrable domain.
#[must_use]
pub fn same_site(a: &str, b: &str) -> bool {
    if a.eq_ignore_ascii_case(b) {
        return true;
    }
    if is_address(a) || is_address(b) {
        return false;
    }
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    match (psl::domain_str(a.trim_end_matches('.')), psl::domain_str(b.trim_end_matches('.'))) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

fn complete(origin: &str, named: &HostId) -> Option<HostId> {
    let single_label = !named.host.contains(['.', ':']);
    let (_, parent) = origin.split_once('.').filter(|_| !is_address(origin))?;
    single_label.then(|| HostId { host: format!("{}.{parent}", named.host), port: named.port })
}

fn is_below(host: &str, parent: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.strip_suffix(&parent.to_ascii_lowercase()).is_some_and(|rest| rest.ends_with('.'))
}

fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

/// Letters, digits, `-` and `.` (RFC 1738 §5), `_` too since Windows names have it.
fn is_host_name(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    !text.is_empty()
        && text.bytes().all(legal)
        && !text.starts_with(['.', '-'])
        && !text.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use std::vec;

    fn host(text: &str) -> HostId {
        HostId::parse(text).expect(text)
    }

    #[test]
    fn hosts_are_read_with_and_without_port_and_brackets() {
        let _rule = bitsup_server::rule!("HST-09");
        let cases = [
            ("FRANKCAO8", "FRANKCAO8", None),
            ("b.example.com", "b.example.com", None),
            ("b:9000", "b", Some(9000)),
            ("127.0.0.2:81", "127.0.0.2", Some(81)),
            ("::1", "::1", None),
            ("[::1]", "::1", None),
            ("[::1]:9000", "::1", Some(9000)),
        ];
        for (text, name, port) in cases {
            let parsed = host(text);
            assert_eq!((parsed.host(), parsed.port()), (name, port), "{text}");
            assert_eq!(HostId::parse(&parsed.to_string()), Some(parsed));
        }
        assert_eq!(host("::1").to_string(), "[::1]");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let _rule = bitsup_server::rule!("HST-10");
        let long = "a".repeat(301);
        for text in [
            "a/b", "u@b", "a b", "[::1", "[::1]x", "a:b", "a:", "a:0", "a:65536", "a:+1", "[a]",
            ".a", "-a", "a..b", "ä", "a\r\nb", "", "[]", ":80", &long,
        ] {
            assert_eq!(HostId::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn same_site_follows_the_public_suffix_list() {
        let _rule = bitsup_server::rule!("SEC-04");
        let decide = |origin: &str, named: &str| {
            decide(origin, host(named), HostPolicy::SameSite, &[])
                .map(|followed| followed.expect("not ignored").to_string())
        };
        assert_eq!(decide("a.example.com", "b.example.com"), Ok("b.example.com".into()));
        assert_eq!(decide("a.example.com", "b"), Ok("b.example.com".into()));
        assert_eq!(decide("frankcao8", "FRANKCAO8"), Ok("FRANKCAO8".into()));
        assert_eq!(decide("10.0.0.1", "10.0.0.1"), Ok("10.0.0.1".into()));
        assert_eq!(decide("a.example.com", "B.EXAMPLE.com:81"), Ok("B.EXAMPLE.com:81".into()));
        for (origin, named) in [
            ("a.example.com", "b.example.net"),
            ("a.example.com", "a.example.com.evil.net"),
            ("a.co.uk", "b.co.uk"),
            ("10.0.0.1", "10.0.0.2"),
            ("a.example.com", "10.0.0.2"),
            ("node1", "node2"),
            ("a.example.com", "::1"),
        ] {
            assert!(decide(origin, named).is_err(), "{origin} must not lead to {named}");
        }
    }

    #[test]
    fn a_short_name_becomes_no_strangers_name() {
        let _rule = bitsup_server::rule!("HST-11", "LOG-02", "SEC-04");
        let decide = |origin: &str, policy, trusted: &[&str]| {
            let trusted: vec::Vec<String> = trusted.iter().map(ToString::to_string).collect();
            decide(origin, host("NODE7"), policy, &trusted)
                .map(|followed| followed.expect("not ignored").to_string())
                .map_err(|Untrusted(host)| host.to_string())
        };
        let same_site = HostPolicy::SameSite;
        for origin in ["example.com", "example.co.uk", "node1.corp", "10.0.0.1", "node1", "com"] {
            assert_eq!(decide(origin, same_site, &["node7"]), Ok("NODE7".into()), "{origin}");
            assert_eq!(decide(origin, HostPolicy::Any, &[]), Ok("NODE7".into()), "{origin}");
            // The name to trust is the one that the packets then go to.
            assert_eq!(decide(origin, same_site, &[]), Err("NODE7".into()), "{origin}");
        }
        assert_eq!(decide("a.example.com", same_site, &["node7"]), Ok("NODE7.example.com".into()));
        assert_eq!(decide("a.example.com", HostPolicy::Any, &[]), Ok("NODE7.example.com".into()));
        for named in ["node7.corp", ".corp"] {
            assert_eq!(decide("node1.corp", same_site, &[named]), Ok("NODE7.corp".into()));
        }
    }

    #[test]
    fn the_caller_can_trust_more_or_nothing() {
        let _rule = bitsup_server::rule!("HST-11");
        let trusted = vec!["Node2".to_string(), ".example.net".to_string()];
        let decide = |named: &str, policy| decide("node1", host(named), policy, &trusted);
        assert_eq!(decide("NODE2", HostPolicy::SameSite), Ok(Some(host("NODE2"))));
        assert_eq!(decide("x.example.net", HostPolicy::SameSite), Ok(Some(host("x.example.net"))));
        assert!(decide("xexample.net", HostPolicy::SameSite).is_err());
        assert!(decide("node3", HostPolicy::SameSite).is_err());
        assert_eq!(decide("node3", HostPolicy::Any), Ok(Some(host("node3"))));
        assert_eq!(decide("node2", HostPolicy::Ignore), Ok(None));
    }
}
