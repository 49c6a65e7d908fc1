//! The URL of an upload: checked once, and kept as it must stand on the wire.

use std::fmt;
use std::fmt::Write as _;

use url::{Host, Url};

use crate::error::Error;

/// Windows clients and servers take 2,200 characters.
const MAX_URL: usize = 2200;

/// Where a file goes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) https: bool,
    /// Name or address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query exactly as given.
    pub(crate) target: String,
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
        if let Some(illegal) = text.chars().find(|c| c.is_control() || *c == ' ' || *c == '\\') {
            return Err(Error::invalid(format!(
                "the URL has a {} in it: percent-encode it",
                describe(illegal)
            )));
        }
        let url = Url::parse(text)
            .map_err(|error| Error::invalid(format!("the URL cannot be read: {error}")))?;
        let https = match url.scheme() {
            "http" => false,
            "https" => true,
            other => {
                return Err(Error::invalid(format!(
                    "the URL's scheme is {other}: BITS needs http or https"
                )));
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::invalid(
                "the URL has a user name or password in it: give them as options instead",
            ));
        }
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(Error::invalid("the URL has no host")),
        };
        let port = url.port_or_known_default().filter(|port| *port != 0);
        let port = port.ok_or_else(|| Error::invalid("the URL's port is 0"))?;
        Ok(Self { https, host, port, target: target(text) })
    }

    /// Scheme, host and port as a key for what is known of an endpoint; with the folder,
    /// since limits differ between virtual directories.
    pub(crate) fn endpoint(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{}{folder}/", self.origin())
    }

    /// `https://host:port`, the port only if it is not the scheme's own.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", authority(&self.host, self.port, self.https))
    }

    /// The whole URL, query included: a query may be a secret.
    pub(crate) fn full(&self) -> String {
        format!("{}{}", self.origin(), self.target)
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

/// `host:port` for a `Host` header: brackets for IPv6, no port if it is the scheme's own.
pub(crate) fn authority(host: &str, port: u16, https: bool) -> String {
    let bracketed = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let default = if https { 443 } else { 80 };
    if port == default { bracketed } else { format!("{bracketed}:{port}") }
}

/// Everything behind the authority, without the fragment; non-ASCII characters as UTF-8
/// in percent-encoding, everything else as given.
fn target(text: &str) -> String {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.split('#').next().unwrap_or_default();
    let given = rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or_default();
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
        write!(f, "{}{path}{query}", self.origin())
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
        let https = parse("https://EXAMPLE.com:8443/x");
        assert_eq!((https.https, https.host.as_str(), https.port), (true, "example.com", 8443));
        assert_eq!(parse("http://[::1]/").host, "::1");
        assert_eq!(parse("http://[::1]:80/").origin(), "http://[::1]");
        assert_eq!(parse("http://h:81/d/x?secret").to_string(), "http://h:81/d/x?…");
        assert_eq!(parse("http://h:81/d/x?secret").endpoint(), "http://h:81/d/");
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_a_reason() {
        let _rule = bitsup_server::rule!("SEC-03");
        for (url, word) in [
            ("ftp://h/x", "scheme"),
            ("/x", "read"),
            ("http://", "read"),
            ("http://u:p@h/x", "user name"),
            ("http://u@h/x", "user name"),
            ("http://h/a b", "space"),
            ("http://h/a\r\nX: y", "line break"),
            ("http://h/\u{7}", "control"),
            ("http://h\\x", "backslash"),
            ("http://h:0/", "port"),
            ("http://h:99999/", "read"),
        ] {
            let error = Destination::parse(url).expect_err(url);
            assert!(error.to_string().contains(word), "{url}: {error}");
            assert!(!error.to_string().contains('\n'));
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
