//! The settings of a connection.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::proxy::ProxyChoice;

/// The settings of a connection; they hold as long as it is open.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ConnectionOptions {
    pub(crate) tls: TlsOptions,
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

/// The addresses of a name and port.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resolve {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) addresses: Vec<IpAddr>,
}

/// How servers are verified, and what we show them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TlsOptions {
    /// Trusted certificates (PEM) in place of the system's bundle.
    pub(crate) ca_file: Option<PathBuf>,
    /// Takes any certificate.
    pub(crate) insecure: bool,
    /// The same for a proxy that is reached over https.
    pub(crate) proxy_ca_file: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    /// The certificate's file is PKCS#12 and holds the key too; else it is PEM.
    pub(crate) cert_is_pkcs12: bool,
    pub(crate) key: Option<PathBuf>,
    pub(crate) key_password: Option<KeyPassword>,
    /// In libcurl's form, `sha256//…`.
    pub(crate) pinned_key: Option<String>,
}

/// The password of a private key.
#[derive(Clone, PartialEq)]
pub(crate) struct KeyPassword(pub(crate) Zeroizing<String>);

impl fmt::Debug for KeyPassword {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyPassword(…)")
    }
}
