//! Whether an exchange goes through a proxy, and through which.
//!
//! libcurl would find this out by itself, but a connection must know the name it connects to, so that it
//! can invent another one for it. The rules are libcurl's.

use std::fmt;
use std::net::IpAddr;

use bitsup_proto::host::HostId;
use zeroize::Zeroizing;

use super::exchange::{Origin, Scheme, bracketed};

/// Where a connection takes its proxy from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum ProxyChoice {
    /// `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, as libcurl reads them.
    #[default]
    Environment,
    /// No proxy, whatever the environment says.
    Direct,
    Explicit(Proxy),
}

impl ProxyChoice {
    /// Whether it is an http proxy that libcurl knows by an invented name only.
    pub(crate) fn hides_name(&self) -> bool {
        matches!(self, Self::Explicit(proxy) if proxy.kind == ProxyKind::Http)
    }
}

/// A proxy to go through.
#[derive(Clone, PartialEq)]
pub(crate) struct Proxy {
    pub(crate) kind: ProxyKind,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `user:password` of the proxy's URL, still percent-encoded.
    userinfo: Option<Zeroizing<String>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ProxyKind {
    Http,
    Https,
    Socks4,
    Socks4a,
    Socks5,
    Socks5Hostname,
}

impl Proxy {
    /// Reads `[scheme://][user:password@]host[:port]`; no scheme means http, no port 1080, or
    /// 443 for an https proxy. An error says what is wrong with it and quotes nothing: in a bad URL
    /// the borders of its parts are unknown, and one of them is a password.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const LOGIN: &str =
            "@ : / ? # \\ and spaces in its user name or password must be percent-encoded";
        const PLACE: &str = "it is not written [SCHEME://]HOST[:PORT]";
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "http" => ProxyKind::Http,
            "https" => ProxyKind::Https,
            "socks" | "socks4" => ProxyKind::Socks4,
            "socks4a" => ProxyKind::Socks4a,
            "socks5" => ProxyKind::Socks5,
            "socks5h" => ProxyKind::Socks5Hostname,
            _ => return Err("its scheme is not http, https, socks4, socks4a, socks5 or socks5h"),
        };
        if rest.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(if rest.contains('@') { LOGIN } else { PLACE });
        }
        // Text after the host means nothing for a proxy, or the host is a password's end.
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) || rest.matches('@').count() > 1 {
            return Err(if rest.contains('@') { LOGIN } else { PLACE });
        }
        let (userinfo, place) = match rest.rsplit_once('@') {
            Some((userinfo, place)) => (Some(userinfo), place),
            None => (None, rest),
        };
        let place = HostId::parse(place.strip_suffix(':').unwrap_or(place)).ok_or(PLACE)?;
        let default_port = if kind == ProxyKind::Https { 443 } else { 1080 };
        Ok(Self {
            kind,
            host: place.host().to_owned(),
            port: place.port().unwrap_or(default_port),
            userinfo: userinfo.filter(|login| !login.is_empty()).map(encoded).transpose()?,
        })
    }

    /// The URL for libcurl, with another name in place of the proxy's.
    pub(super) fn url_with_host(&self, name: &str) -> Zeroizing<String> {
        let scheme = self.scheme();
        let (userinfo, at) = match &self.userinfo {
            Some(userinfo) => (userinfo.as_str(), "@"),
            None => ("", ""),
        };
        let port = self.port.to_string();
        Zeroizing::new([scheme, "://", userinfo, at, name, ":", &port].concat())
    }

    /// The URL without a login, for people.
    pub(crate) fn shown(&self) -> String {
        format!("{}://{}:{}", self.scheme(), bracketed(&self.host), self.port)
    }

    fn scheme(&self) -> &'static str {
        match self.kind {
            ProxyKind::Http => "http",
            ProxyKind::Https => "https",
            ProxyKind::Socks4 => "socks4",
            ProxyKind::Socks4a => "socks4a",
            ProxyKind::Socks5 => "socks5",
            ProxyKind::Socks5Hostname => "socks5h",
        }
    }

    /// Whether its URL has a user in it.
    pub(super) fn has_login(&self) -> bool {
        self.userinfo.is_some()
    }

    /// Whether it makes tunnels to such servers, and does not forward single requests.
    pub(super) fn makes_tunnels(&self, scheme: Scheme) -> bool {
        scheme == Scheme::Https || !matches!(self.kind, ProxyKind::Http | ProxyKind::Https)
    }
}

/// A login of a URL with everything percent-encoded that libcurl would not take.
fn encoded(userinfo: &str) -> Result<Zeroizing<String>, &'static str> {
    let url = Zeroizing::new(format!("proxy://{userinfo}@h"));
    let url = url::Url::parse(&url).map_err(|_| "its user name or password cannot be read")?;
    Ok(match url.password() {
        Some(password) => Zeroizing::new(format!("{}:{password}", url.username())),
        None => Zeroizing::new(url.username().to_owned()),
    })
}

impl ProxyChoice {
    /// The proxy for this origin. `no_proxy` given here replaces the one of the environment.
    pub(crate) fn for_origin(
        &self,
        origin: &Origin,
        no_proxy: Option<&str>,
    ) -> Result<Option<Proxy>, String> {
        self.for_origin_with(origin.scheme, &origin.host, no_proxy, |name| {
            // One that is no text must not be taken for none: the replacement is in no host's name.
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    fn for_origin_with(
        &self,
        scheme: Scheme,
        host: &str,
        no_proxy: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Proxy>, String> {
        let first = |names: &[&'static str]| {
            let value = |name| Some((name, variable(name).filter(|value| !value.is_empty())?));
            names.iter().copied().find_map(value)
        };
        let exceptions = match no_proxy {
            Some(list) => Some(list.to_owned()),
            None => first(&["no_proxy", "NO_PROXY"]).map(|(_, list)| list),
        };
        if exceptions.is_some_and(|list| is_excepted(host, &list)) {
            return Ok(None);
        }
        match self {
            Self::Direct => Ok(None),
            Self::Explicit(proxy) => Ok(Some(proxy.clone())),
            Self::Environment => {
                // HTTP_PROXY in capitals can be set by a CGI client's `Proxy` header.
                let names: &[&'static str] = match scheme {
                    Scheme::Http => &["http_proxy", "all_proxy", "ALL_PROXY"],
                    Scheme::Https => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
                };
                let Some((name, text)) = first(names) else { return Ok(None) };
                let proxy = Proxy::parse(&text);
                proxy.map(Some).map_err(|problem| {
                    format!(
                        "the proxy in the environment variable {name} cannot be used: {problem}"
                    )
                })
            }
        }
    }
}

/// Whether the list of names, domains, addresses and networks covers the host.
fn is_excepted(host: &str, list: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    list.split([',', ' ']).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        let entry = entry.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
        match address {
            Some(address) => is_in_network(address, entry.trim_matches(['[', ']'])),
            None => {
                !entry.is_empty()
                    && host
                        .strip_suffix(&entry)
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
        }
    })
}

fn is_in_network(address: IpAddr, network: &str) -> bool {
    let (base, bits) = match network.split_once('/') {
        Some((base, bits)) => (base, bits.parse().ok()),
        None => (network, Some(128)),
    };
    let (Ok(base), Some(bits)) = (base.parse(), bits) else {
        return false;
    };
    match (address, base) {
        (IpAddr::V4(address), IpAddr::V4(base)) => {
            let shift = 32_u32.saturating_sub(bits);
            let shifted = |address: u32| address.checked_shr(shift).unwrap_or(0);
            shifted(address.to_bits()) == shifted(base.to_bits())
        }
        (IpAddr::V6(address), IpAddr::V6(base)) => {
            let shift = 128_u32.saturating_sub(bits);
            let shifted = |address: u128| address.checked_shr(shift).unwrap_or(0);
            shifted(address.to_bits()) == shifted(base.to_bits())
        }
        _ => false,
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Proxy")
            .field("kind", &self.kind)
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Proxy, ProxyChoice, ProxyKind, is_excepted};
    use crate::transport::exchange::Scheme;

    #[test]
    fn a_proxy_url_is_read_as_libcurl_does() {
        let proxy = Proxy::parse("proxy.example:80").unwrap();
        assert_eq!(
            (proxy.kind, proxy.host.as_str(), proxy.port),
            (ProxyKind::Http, "proxy.example", 80)
        );
        assert_eq!(Proxy::parse("http://proxy.example").unwrap().port, 1080);
        assert_eq!(Proxy::parse("https://proxy.example").unwrap().port, 443);
        let proxy = Proxy::parse("socks5h://u:p%40@[::1]:9").unwrap();
        assert_eq!((proxy.kind, proxy.host.as_str()), (ProxyKind::Socks5Hostname, "::1"));
        assert_eq!(proxy.url_with_host("x").as_str(), "socks5h://u:p%40@x:9");
        assert!(!format!("{proxy:?}").contains("p%40"));
        assert!(Proxy::parse("ftp://proxy.example").is_err());
        assert!(Proxy::parse("http://").is_err());
    }

    #[test]
    fn an_unusable_proxy_is_named_by_its_variable_and_not_quoted() {
        let _rule = bitsup_server::rule!("NAM-05");
        for text in [
            "http=h:1",
            "ftp://operator:hunter2@h:1",
            "hunter2://h",
            "operator:hun://ter2@h:1",
            "http://operator:hunter2@h:99999",
            "http://operator:hunter2@h:0",
            "http://operator:hun@ter2@h:1",
            "http://operator:hun#ter2@h:1",
            "http://operator:1#hunter2@h:1",
            "http://operator:1/hunter2@h:1",
            "http://operator:1?hunter2@h:1",
            "http://operator:hun ter2@h:1",
            "http://operator:hun\\ter2@h:1",
            "http://operator:hunter2@h\u{fffd}:1",
            "http://operator:hunter2@",
            "http://h:1/path",
            "http://h:1?x",
            "http://[::1:1",
            "://h",
        ] {
            let choose = |name| {
                ProxyChoice::Environment.for_origin_with(Scheme::Http, "o", None, |asked| {
                    (asked == name).then(|| text.to_owned())
                })
            };
            for name in ["http_proxy", "ALL_PROXY"] {
                let error = choose(name).expect_err(text);
                assert!(error.contains(name), "{text}: {error}");
                for part in ["hunter", "hun", "ter2", "operator"] {
                    assert!(!error.contains(part), "{text}: {error}");
                }
            }
        }
        let proxy = Proxy::parse("http://operator:h%40%23%2F%3f:2@h:1/").unwrap();
        assert_eq!(proxy.url_with_host("x").as_str(), "http://operator:h%40%23%2F%3f%3A2@x:1");
    }

    #[test]
    fn the_environment_is_asked_in_libcurls_order() {
        let choose = |scheme, host: &str, variables: &[(&str, &str)]| {
            ProxyChoice::Environment
                .for_origin_with(scheme, host, None, |name| {
                    let found = variables.iter().find(|(candidate, _)| *candidate == name)?;
                    Some(found.1.to_owned())
                })
                .unwrap()
                .map(|proxy| proxy.host)
        };
        let both = [("http_proxy", "a:1"), ("ALL_PROXY", "b:1")];
        assert_eq!(choose(Scheme::Http, "h", &both).as_deref(), Some("a"));
        assert_eq!(choose(Scheme::Https, "h", &both).as_deref(), Some("b"));
        assert_eq!(choose(Scheme::Http, "h", &[("HTTP_PROXY", "a:1")]), None);
        assert_eq!(choose(Scheme::Http, "h", &[("http_proxy", "a:1"), ("no_proxy", "h")]), None);
    }

    #[test]
    fn exceptions_are_names_domains_and_networks() {
        for (host, list) in [
            ("h.example.com", "example.com"),
            ("h.example.com", "x, .example.com"),
            ("H.EXAMPLE.COM.", "h.example.com"),
            ("10.1.2.3", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3"),
            ("fe80::1", "fe80::/10"),
            ("anything", "*"),
        ] {
            assert!(is_excepted(host, list), "{host} in {list}");
        }
        for (host, list) in [
            ("badexample.com", "example.com"),
            ("example.com", "h.example.com"),
            ("11.1.2.3", "10.0.0.0/8"),
            ("10.1.2.3", "10.0.0.0/x"),
            ("10.1.2.3", "2.3"),
            ("h", "."),
            ("h", ""),
        ] {
            assert!(!is_excepted(host, list), "{host} not in {list}");
        }
    }
}
