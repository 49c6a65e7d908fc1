//! The settings of a connection.

use std::net::IpAddr;
use std::path::PathBuf;

use super::proxy::ProxyChoice;
use crate::credentials::Secret;
use crate::error::Error;

/// So much of a text that cannot be read is told.
const MAX_SHOWN: usize = 40;

/// The settings of a connection; they hold as long as it is open.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ConnectionOptions {
    pub(crate) tls: TlsOptions,
    /// The certificate's file is PKCS#12 and holds the key too; else it is PEM.
    pub(crate) cert_is_pkcs12: bool,
    pub(crate) proxy: ProxyChoice,
    /// Hosts reached without the proxy; `None` takes the environment's list.
    pub(crate) no_proxy: Option<String>,
    /// Packets go as POST, with a header that names their own method.
    pub(crate) post_override: bool,
    /// Its packets go behind those of others.
    pub(crate) polite: bool,
    /// Empty for none.
    pub(crate) user_agent: String,
    /// Addresses of names that are not looked up.
    pub(crate) resolve: Vec<Resolve>,
}

/// The addresses to take for a name, in place of a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolve {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) addresses: Vec<IpAddr>,
}

impl Resolve {
    /// The most addresses of one name that are tried.
    pub const MAX_ADDRESSES: usize = 16;

    /// Reads `HOST:PORT:ADDRESS[,ADDRESS]…`, as curl's `--resolve`: for connections to HOST
    /// at PORT. An address is IPv4 or IPv6, the latter also in brackets. The order is kept;
    /// once an address has answered, an upload stays with it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = |what: &str| {
            Error::invalid(format!(
                "{:?} cannot be used, since {what}: write HOST:PORT:ADDRESS[,ADDRESS]",
                text.chars().take(MAX_SHOWN).collect::<String>()
            ))
        };
        let mut parts = text.splitn(3, ':');
        let (Some(host), Some(port), Some(addresses)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(bad("a part is missing"));
        };
        if host.is_empty() || host.parse::<IpAddr>().is_ok() || host.starts_with('[') {
            return Err(bad("its host is not a name"));
        }
        let port = port.parse().ok().filter(|port| *port != 0);
        let port = port.ok_or_else(|| bad("its port is not a number from 1 to 65535"))?;
        let address = |text: &str| {
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
            bare.unwrap_or(text).parse().map_err(|_| bad("an address is not one"))
        };
        let addresses = addresses.split(',').map(address).collect::<Result<Vec<_>, _>>()?;
        if addresses.len() > Self::MAX_ADDRESSES {
            return Err(bad("it has more than 16 addresses"));
        }
        Ok(Self { host: host.to_owned(), port, addresses })
    }

    /// Whether they are those of this host at this port.
    pub(crate) fn is_for(&self, host: &str, port: u16) -> bool {
        self.port == port && self.host.eq_ignore_ascii_case(host)
    }
}

/// How TLS is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsOptions {
    /// A file of CA certificates (PEM) instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// A file of CA certificates (PEM) instead of the system's for a proxy that is reached over https.
    pub proxy_ca_file: Option<PathBuf>,
    /// Whether certificates of servers are not checked at all. Those of a proxy always are.
    pub insecure: bool,
    /// A file with the client's certificate: PEM, or PKCS#12 with its key.
    pub cert: Option<PathBuf>,
    /// A file with its private key (PEM), if that is not in the same file.
    pub key: Option<PathBuf>,
    /// The private key's passphrase.
    pub key_password: Option<Secret>,
    /// The server's public key, as curl writes it: `sha256//…`.
    pub pinned_public_key: Option<String>,
}
