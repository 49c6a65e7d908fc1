//! What this build has, as the libraries themselves say at run time.

use std::fmt;

/// The version of this library.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What this build has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Features {
    /// libcurl's version.
    pub libcurl: String,
    /// The TLS library and its version; `None` if there is no TLS.
    pub tls: Option<String>,
    /// Whether libcurl was built with this library instead of being the system's.
    pub bundled: bool,
    /// Whether servers can be answered with NTLM, alone and inside of Negotiate; with every build.
    pub ntlm: bool,
    /// Whether servers and proxies can be answered with a Kerberos ticket of the system
    /// (Negotiate); with the system's libcurl.
    pub negotiate: bool,
    /// Whether proxies can be answered with NTLM; as libcurl has it.
    pub proxy_ntlm: bool,
}

/// Asks the libraries.
#[must_use]
pub fn features() -> Features {
    let curl = curl::Version::get();
    Features {
        libcurl: curl.version().to_owned(),
        tls: curl.ssl_version().map(str::to_owned),
        bundled: curl.vendored(),
        ntlm: true,
        proxy_ntlm: curl.feature_ntlm(),
        negotiate: curl.feature_spnego(),
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = if self.bundled { "bundled" } else { "of the system" };
        let tls = self.tls.as_deref().unwrap_or("no TLS");
        write!(f, "libcurl {} ({origin}), {tls}", self.libcurl)?;
        for (has, name) in [
            (self.ntlm, "NTLM"),
            (self.proxy_ntlm, "NTLM at proxies"),
            (self.negotiate, "Kerberos"),
        ] {
            if has {
                write!(f, ", {name}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// curl-sys builds a copy of its own in silence where the system has no libcurl.
    #[test]
    fn the_libcurl_is_the_one_that_was_asked_for() {
        assert_eq!(features().bundled, cfg!(feature = "bundled"), "{}", features());
    }
}
