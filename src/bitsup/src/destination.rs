//! The URL of an upload: checked once, and kept as it must stand on the wire.

use std::fmt;
use std::fmt::Write as _;

use bitsup_proto::host::HostId;
use url::{Host, Url};

use crate::error::Error;
use crate::transport::{Origin, Scheme};

/// Windows clients and servers take 2,200 characters.
const MAX_URL: usize = 2200;
/// No system has longer names of interfaces (`IFNAMSIZ` is 16 on Linux, 256 on Windows).
const MAX_ZONE: usize = 255;

/// Where a file goes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) origin: Origin,
    /// Path and query exactly as given.
    pub(crate) target: String,
}

impl Origin {
    /// Reads the head of an absolute http or https URL, and gives what stands behind it.
    ///
    /// Readers differ: WHATWG (the crate `url`, browsers) finds a host in `http:/h`, `http:///h`
    /// and `http:\\h`, and passes over tabs; RFC 3986 does not. A URL in which they would not see
    /// the same host, port and user is refused, so that no request is sent to another host than the one
    /// that another reader has checked. The message is one line without the URL.
    pub(crate) fn read(text: &str) -> Result<(Self, &str), String> {
        if let Some(illegal) = text.chars().find(|c| c.is_control() || *c == ' ' || *c == '\\') {
            return Err(format!("the URL has a {} in it: percent-encode it", describe(illegal)));
        }
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err("the URL cannot be read: it has no scheme, as in https://".into());
        };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other if is_scheme(other) => {
                return Err(format!("the URL's scheme is {other}: BITS needs http or https"));
            }
            _ => return Err("the URL cannot be read: it has no scheme, as in https://".into()),
        };
        let no_host = "the URL has no host: write https://HOST/PATH";
        let rest = rest.strip_prefix("//").ok_or(no_host)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.is_empty() {
            return Err(no_host.into());
        }
        if authority.contains('@') {
            return Err(
                "the URL has a user name or password in it: give them as options instead".into()
            );
        }
        let (name, port) = split_port(authority).ok_or("the URL's host cannot be read")?;
        let port = match port {
            None | Some("") => scheme.port(),
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits
                .parse()
                .map_err(|_| "the URL's port cannot be read: it is larger than 65535")?,
            Some(_) => return Err("the URL's port cannot be read: it is no number".into()),
        };
        if port == 0 {
            return Err("the URL's port is 0".into());
        }
        let (name, zone) = split_zone(name)?;
        // The crate knows international names and the many ways to write an IPv4 address.
        let url = Url::parse(&format!("{}://{name}/", scheme.name()))
            .map_err(|error| format!("the URL cannot be read: {error}"))?;
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(no_host.into()),
        };
        let plain = url.username().is_empty() && url.password().is_none() && url.port().is_none();
        if !plain || url.path() != "/" || zone.is_some() && !host.contains(':') {
            return Err("the URL's host cannot be read".into());
        }
        Ok((Self { scheme, host, zone: zone.map(Into::into), port }, rest))
    }

    /// Checks a reference that is resolved against a URL, as a server sends it: what names a host
    /// of its own must name the same one for all readers. Relative paths are left as they are.
    pub(crate) fn check_reference(reference: &str) -> Result<(), String> {
        if let Some(rest) = reference.strip_prefix("//") {
            return Self::read(&format!("http://{rest}")).map(drop);
        }
        let head = reference.split(['/', '?', '#']).next().unwrap_or_default();
        match head.split_once(':') {
            Some((scheme, _)) if is_scheme(scheme) => Self::read(reference).map(drop),
            _ => Ok(()),
        }
    }
}

/// Host, brackets included, and port of an authority without a user.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if authority.starts_with('[') {
        let end = authority.find(']')?;
        let (host, rest) = authority.split_at_checked(end + 1)?;
        return match rest {
            "" => Some((host, None)),
            rest => Some((host, Some(rest.strip_prefix(':')?))),
        };
    }
    match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => None,
        Some((host, port)) => Some((host, Some(port))),
        None => Some((authority, None)),
    }
}

/// An address in brackets without its zone, and that: `%25eth0` (RFC 6874), or `%eth0` as
/// people type it.
fn split_zone(host: &str) -> Result<(String, Option<&str>), String> {
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let Some((address, zone)) = inside.and_then(|inside| inside.split_once('%')) else {
        return Ok((host.to_owned(), None));
    };
    let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).unwrap_or(zone);
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    if zone.is_empty() || zone.len() > MAX_ZONE || !zone.bytes().all(legal) {
        return Err("the zone of the URL's IPv6 address is no name of an interface".into());
    }
    Ok((format!("[{address}]"), Some(zone)))
}

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

impl Destination {
    /// Reads an http or https URL. Every message ends in what to do.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_URL {
            return Err(Error::invalid(format!(
                "the URL has {} characters; BITS servers take {MAX_URL}",
                text.len()
            )));
        }
        let (origin, rest) = Origin::read(text).map_err(Error::invalid)?;
        Ok(Self { origin, target: target(rest) })
    }

    /// The server that is spoken to; `host`: the one that the URL's has named.
    pub(crate) fn origin_at(&self, host: Option<&HostId>) -> Origin {
        let own = &self.origin;
        host.map_or_else(
            || own.clone(),
            |host| Origin {
                scheme: own.scheme,
                host: host.host().to_owned(),
                zone: None,
                port: host.port().unwrap_or(own.port),
            },
        )
    }

    /// A key for what is known of an endpoint: its server, and the folder, since limits differ between
    /// virtual directories.
    pub(crate) fn endpoint_at(&self, host: Option<&HostId>) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{}{folder}/", self.origin_at(host))
    }

    /// The whole URL, query included: a query may be a secret.
    pub(crate) fn full(&self) -> String {
        format!("{}{}", self.origin, self.target)
    }

    /// The same destination with `name` appended to its folder, which is encoded already.
    pub(crate) fn with_name(&self, name: &str) -> Self {
        let (path, query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.target.as_str(), None),
        };
        let mut target = format!("{path}{name}");
        if let Some(query) = query {
            let _ = write!(target, "?{query}");
        }
        Self { target, ..self.clone() }
    }

    /// Whether the URL names a folder, so that a file's name is to be appended.
    pub(crate) fn is_folder(&self) -> bool {
        self.target.split('?').next().is_some_and(|path| path.ends_with('/'))
    }
}

/// What stands behind the authority, without the fragment; non-ASCII characters as UTF-8
/// in percent-encoding, everything else as given.
fn target(rest: &str) -> String {
    let given = rest.split('#').next().unwrap_or_default();
    let mut target = String::with_capacity(given.len() + 1);
    if !given.starts_with('/') {
        target.push('/');
    }
    for c in given.chars() {
        if c.is_ascii() {
            target.push(c);
        } else {
            percent(&mut target, c);
        }
    }
    target
}

/// A file name as one path segment: every byte but the unreserved characters (RFC 3986 §2.3) is
/// percent-encoded, so that names which are not UTF-8 stay different ones.
pub(crate) fn encode(name: &[u8]) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn percent(to: &mut String, c: char) {
    let mut utf8 = [0; 4];
    for byte in c.encode_utf8(&mut utf8).bytes() {
        let _ = write!(to, "%{byte:02X}");
    }
}

fn describe(c: char) -> String {
    match c {
        ' ' => "space".into(),
        '\\' => "backslash".into(),
        '\r' | '\n' => "line break".into(),
        c => format!("control character (U+{:04X})", u32::from(c)),
    }
}

/// For people: without the query, which may be a secret.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, query) = match self.target.split_once('?') {
            Some((path, _)) => (path, "?…"),
            None => (self.target.as_str(), ""),
        };
        write!(f, "{}{path}{query}", self.origin)
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Destination {
        Destination::parse(text).expect(text)
    }

    #[test]
    fn path_and_query_stay_as_given() {
        let _rule = bitsup_server::rule!("PKT-02");
        for (url, target) in [
            ("http://h/up/a.bin?x=1", "/up/a.bin?x=1"),
            ("http://h/a/../b//c%2e{x}", "/a/../b//c%2e{x}"),
            ("http://h", "/"),
            ("http://h?x", "/?x"),
            ("http://h/a#fragment", "/a"),
            ("http://h/Ä?ö", "/%C3%84?%C3%B6"),
        ] {
            assert_eq!(parse(url).target, target, "{url}");
        }
    }

    #[test]
    fn host_and_port_are_taken_apart() {
        let https = parse("https://EXAMPLE.com:8443/x").origin;
        assert!(https.is_https());
        assert_eq!((https.host.as_str(), https.port), ("example.com", 8443));
        assert_eq!(parse("http://[::1]/").origin.host, "::1");
        assert_eq!(parse("http://[::1]:80/").origin.to_string(), "http://[::1]");
        assert_eq!(parse("http://h:81/d/x?secret").to_string(), "http://h:81/d/x?…");
        assert_eq!(parse("http://h:81/d/x?secret").endpoint_at(None), "http://h:81/d/");
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_a_reason() {
        let _rule = bitsup_server::rule!("SEC-03");
        for (url, word) in [
            ("ftp://h/x", "scheme"),
            ("/x", "read"),
            ("http://", "no host"),
            ("http://u:p@h/x", "user name"),
            ("http://u@h/x", "user name"),
            ("http://h/a b", "space"),
            ("http://h/a\r\nX: y", "line break"),
            ("http://h/\u{7}", "control"),
            ("http://h\\x", "backslash"),
            ("http://h:0/", "port"),
            ("http://h:99999/", "read"),
            ("", "scheme"),
            ("http:", "no host"),
        ] {
            let error = Destination::parse(url).expect_err(url);
            assert!(error.to_string().contains(word), "{url}: {error}");
            assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn a_url_that_readers_take_for_different_hosts_is_refused() {
        let _rule = bitsup_server::rule!("NAM-03");
        for url in [
            "http:///h/x",
            "http:////h/x",
            "http:/h/x",
            "http:h/x",
            "http:/h/x?u=http://evil/y",
            "http://",
            "http://?x",
            "http://#h",
            "http://:80/x",
            "http:\\\\h\\x",
            "http://h\\@evil/x",
            "http:/\\evil/x",
            "http://evil\t.h/x",
            "http://ev\nil/x",
            "ht\ttp://h/x",
            " http://h/x",
            "http://h/x ",
            "http://@h/x",
            "http://:@h/x",
            "http://a@b@h/x",
            "http://h@/x",
            "http://h%40evil/x",
            "http://h%2fx/y",
            "http://h%3a81/x",
            "http://h%23/x",
            "http://h\u{ff0f}x/y",
            "http://h\u{ff20}evil/y",
            "http://h\u{ff1a}81/y",
            "http://\u{ad}/x",
            "http://h:80:81/x",
            "http://h:+80/x",
            "http://h: 80/x",
            "http://h:8\u{661}/x",
            "http://h:65617/x",
            "http://[::1/x",
            "http://[::1]x/y",
            "http://[::1]]/y",
            "http://[h]/x",
            "http://::1/x",
            "http://h<b>/x",
        ] {
            assert!(Destination::parse(url).is_err(), "{url:?}");
        }
        for (url, host, port) in [
            ("HTTP://h/x@y", "h", 80),
            ("http://h?x@evil", "h", 80),
            ("http://h#@evil/x", "h", 80),
            ("http://h:/x", "h", 80),
            ("http://h:00081/http://evil/", "h", 81),
            ("https://EX\u{e4}mple.com/x", "xn--exmple-cua.com", 443),
            ("http://0x7f.1/x", "127.0.0.1", 80),
        ] {
            let read = parse(url);
            assert_eq!((read.origin.host.as_str(), read.origin.port), (host, port), "{url}");
        }
    }

    #[test]
    fn a_reference_of_a_server_names_one_host_only() {
        let _rule = bitsup_server::rule!("NAM-03");
        for reference in [
            "///h/x",
            "//",
            "//u@h/x",
            "http:///h/x",
            "http:/h/x",
            "http:r.bin",
            "https:?x",
            "file:///etc/passwd",
            "HTTP://a@b@c/",
            "//h:x/",
            "javascript:x",
        ] {
            assert!(Origin::check_reference(reference).is_err(), "{reference}");
        }
        for reference in
            ["r.bin", "/r.bin", "../r", "?x=a:b", "a/b:c", "//h/x", "https://h:1/x", "", "1:r"]
        {
            assert!(Origin::check_reference(reference).is_ok(), "{reference}");
        }
    }

    #[test]
    fn a_zone_is_kept_apart_from_the_address() {
        let _rule = bitsup_server::rule!("NAM-04");
        for url in ["http://[fe80::1%25eth0]:81/x", "http://[fe80::1%eth0]:81/x"] {
            let read = parse(url);
            assert_eq!(
                (&*read.origin.host, read.origin.zone.as_deref()),
                ("fe80::1", Some("eth0"))
            );
            assert_eq!(read.full(), "http://[fe80::1%25eth0]:81/x");
            assert_eq!(parse(&read.full()), read);
        }
        assert_eq!(parse("http://[fe80::1%25]/x").origin.zone.as_deref(), Some("25"));
        for url in ["http://[fe80::1%]/", "http://[fe80::1%a b]/", "http://[fe80::1%25a%25b]/"] {
            assert!(Destination::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn names_are_encoded_as_one_segment() {
        let folder = parse("http://h/d/?k=v");
        assert!(folder.is_folder());
        let name = encode("a b%#?/ü.bin".as_bytes());
        assert_eq!(folder.with_name(&name).target, "/d/a%20b%25%23%3F%2F%C3%BC.bin?k=v");
    }

    #[test]
    fn each_byte_of_a_name_that_is_not_utf_8_is_encoded() {
        let _rule = bitsup_server::rule!("NAM-01");
        assert_eq!(encode(b"caf\xe9.txt"), "caf%E9.txt");
        assert_eq!(encode(b"caf\xe8.txt"), "caf%E8.txt");
        assert_eq!(encode(b"\xff~\n/"), "%FF~%0A%2F");
    }
}
