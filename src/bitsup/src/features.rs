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
    /// Whether servers can be answered with NTLM.
    pub ntlm: bool,
    /// Whether servers can be answered with Negotiate (Kerberos).
    pub negotiate: bool,
}

/// Asks the libraries.
#[must_use]
pub fn features() -> Features {
    let curl = curl::Version::get();
    Features {
        libcurl: curl.version().to_owned(),
        tls: curl.ssl_version().map(str::to_owned),
        bundled: curl.vendored(),
        ntlm: curl.feature_ntlm(),
        negotiate: curl.feature_spnego(),
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = if self.bundled { "bundled" } else { "of the system" };
        let tls = self.tls.as_deref().unwrap_or("no TLS");
        write!(f, "libcurl {} ({origin}), {tls}", self.libcurl)?;
        for (has, name) in [(self.ntlm, "NTLM"), (self.negotiate, "Negotiate")] {
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
