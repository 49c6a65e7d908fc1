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
    /// zlib's version, if libcurl has it. `docs/sbom.cdx.json` lists the parts of a bundled build.
    pub zlib: Option<String>,
    /// Whether the compiler was let to optimise: the profile `quick` and those of developers do not.
    pub optimised: bool,
    /// Whether libcurl was built with this library instead of being the system's.
    pub bundled: bool,
    /// Whether libcurl overwrites what it frees, and with it logins: a bundled one does, the system's in the tool only,
    /// and in programs with the feature `wipe-libcurl`.
    pub wipes_libcurl: bool,
    /// Whether servers can be answered with NTLM: the feature `ntlm`.
    pub ntlm: bool,
    /// Whether servers can be answered with Negotiate with a password, which is NTLM inside: the
    /// feature `ntlm` too.
    pub negotiate: bool,
    /// Whether servers can be answered with a Kerberos ticket of the system (Negotiate): the
    /// system has a library that reads them, in whichever build.
    pub kerberos: bool,
    /// Whether such logins are bound to the server's certificate over https (channel binding,
    /// Extended Protection): the TLS library is OpenSSL, which tells of it.
    pub channel_binding: bool,
    /// Whether proxies can be answered with NTLM; as libcurl has it.
    pub proxy_ntlm: bool,
    /// Whether proxies reached over https can be answered with a Kerberos ticket of the system; as
    /// libcurl has it.
    pub proxy_negotiate: bool,
}

/// Asks the libraries.
#[must_use]
pub fn features() -> Features {
    let curl = curl::Version::get();
    Features {
        libcurl: curl.version().to_owned(),
        tls: curl.ssl_version().map(str::to_owned),
        zlib: curl.libz_version().map(str::to_owned),
        optimised: cfg!(optimised),
        bundled: curl.vendored(),
        wipes_libcurl: bitsup_wipe::is_active(),
        ntlm: cfg!(feature = "ntlm"),
        negotiate: cfg!(feature = "ntlm"),
        kerberos: bitsup_gssapi::is_available(),
        // With several libraries, those in brackets are not in use.
        channel_binding: curl
            .ssl_version()
            .is_some_and(|tls| tls.split(' ').any(|library| library.starts_with("OpenSSL/"))),
        proxy_ntlm: curl.feature_ntlm(),
        proxy_negotiate: curl.feature_spnego(),
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = if self.bundled { "bundled" } else { "of the system" };
        let tls = self.tls.as_deref().unwrap_or("no TLS");
        write!(f, "libcurl {} ({origin}), {tls}", self.libcurl)?;
        if let Some(zlib) = &self.zlib {
            write!(f, ", zlib/{zlib}")?;
        }
        for (has, name) in [
            (self.ntlm, "NTLM"),
            (self.negotiate, "Negotiate"),
            (self.kerberos, "Kerberos"),
            (self.channel_binding, "channel binding"),
            (self.proxy_ntlm, "NTLM at proxies"),
            (self.proxy_negotiate, "Kerberos at proxies over https"),
        ] {
            if has {
                write!(f, ", {name}")?;
            }
        }
        if !self.wipes_libcurl {
            write!(f, "; libcurl's memory is not overwritten")?;
        }
        if !self.optimised {
            write!(f, "; a quick build, slower than a release build")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    /// Crates that bring C code of others: the crate, what it brings, and the name under which
    /// weaknesses of that are listed.
    const C_CODE: [(&str, &str, &str); 4] = [
        ("curl-sys", "libcurl", "haxx:libcurl"),
        ("libz-sys", "zlib (version of libz-sys)", ""),
        ("openssl-src", "OpenSSL", "openssl:openssl"),
        ("ring", "ring (parts of BoringSSL)", ""),
    ];
    /// Crates whose names look so, and which bring declarations only.
    const DECLARATIONS: [&str; 5] =
        ["linux-raw-sys", "openssl-sys", "windows-sys", "js-sys", "core-foundation-sys"];

    fn workspace() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// Names and versions of all crates.
    fn locked() -> Vec<(String, String)> {
        let lock = std::fs::read_to_string(workspace().join("Cargo.lock")).expect("Cargo.lock");
        let value = |line: Option<&str>, key: &str| {
            Some(line?.strip_prefix(key)?.trim_matches('"').to_owned())
        };
        lock.split("[[package]]\n")
            .filter_map(|package| {
                let mut lines = package.lines();
                Some((value(lines.next(), "name = ")?, value(lines.next(), "version = ")?))
            })
            .collect()
    }

    /// `8.22.0` of `0.4.91+curl-8.22.0`; a library without a version of its own has the crate's.
    fn upstream(version: &str) -> &str {
        let (own, upstream) = version.split_once('+').unwrap_or((version, version));
        let upstream = upstream.rsplit_once('-').map_or(upstream, |(_, upstream)| upstream);
        if upstream.is_empty() { own } else { upstream }
    }

    /// The list in the form of `CycloneDX`.
    fn bill_of_materials(locked: &[(String, String)]) -> String {
        let components: Vec<_> = C_CODE
            .iter()
            .flat_map(|(name, brings, listed)| {
                let of_name = locked.iter().filter(move |(locked, _)| locked == name);
                // Not what stands in for openssl-src, which only passes it on.
                let of_name = of_name
                    .filter(|(name, version)| name != "openssl-src" || version.contains('+'));
                of_name.map(move |(_, version)| {
                    let mut component = serde_json::json!({
                        "type": "library",
                        "name": brings,
                        "version": upstream(version),
                        "purl": format!("pkg:cargo/{name}@{version}"),
                    });
                    if version.contains('+') {
                        let cpe = format!("cpe:2.3:a:{listed}:{}:*:*:*:*:*:*:*", upstream(version));
                        component["cpe"] = cpe.into();
                    }
                    component
                })
            })
            .collect();
        let bill = serde_json::json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": { "component": { "type": "library", "name": "bitsup", "version": VERSION } },
            "components": components,
        });
        serde_json::to_string_pretty(&bill).expect("JSON") + "\n"
    }

    /// curl-sys builds a copy of its own in silence where the system has no libcurl.
    #[test]
    fn the_libcurl_is_the_one_that_was_asked_for() {
        assert_eq!(features().bundled, cfg!(feature = "bundled"), "{}", features());
    }

    #[test]
    fn the_bill_of_materials_is_that_of_the_lock_file() {
        let locked = locked();
        for (name, _) in &locked {
            let brings_c = C_CODE.iter().any(|(known, ..)| known == name);
            let looks_so = name.ends_with("-sys") || name.ends_with("-src");
            let known = brings_c || DECLARATIONS.contains(&name.as_str());
            assert!(!looks_so || known, "does {name} bring C code? Put it into one of the lists");
        }
        let path = workspace().join("docs/sbom.cdx.json");
        let wanted = bill_of_materials(&locked);
        if std::env::var("BITSUP_BLESS").as_deref() == Ok("1") {
            std::fs::write(&path, wanted).expect("written");
            return;
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == wanted,
            "docs/sbom.cdx.json is stale: BITSUP_BLESS=1 cargo test -p bitsup --lib features"
        );
    }

    /// No date counts here: an old checkout stays green.
    #[cfg(feature = "bundled")]
    #[test]
    fn what_was_built_in_is_what_the_bill_says_and_not_older_than_the_table_allows() {
        let features = features();
        let tls = features.tls.as_deref().expect("TLS");
        let built = [
            // The crate builds from the repository, whose version is marked.
            ("libcurl", features.libcurl.trim_end_matches("-DEV")),
            ("OpenSSL", tls.strip_prefix("OpenSSL/").expect("OpenSSL")),
            ("zlib", features.zlib.as_deref().expect("zlib")),
        ];
        let numbers = |version: &str| -> Vec<u32> {
            version.split('.').map(|part| part.parse().expect(version)).collect()
        };
        let table = include_str!("../bundled.tsv");
        let rows: Vec<_> = table.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(rows.len(), built.len());
        for row in rows {
            let [name, brought_by, least, ..] = row.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{row}")
            };
            let (_, version) = built.iter().find(|(built, _)| *built == name).expect(name);
            assert!(numbers(version) >= numbers(least), "{name} {version} is older than {least}");
            let of_name = locked().into_iter().filter(|(locked, _)| locked == brought_by);
            // zlib's version is not in its crate's.
            for (_, locked) in of_name.filter(|(_, version)| version.contains('+')) {
                assert_eq!(*version, upstream(&locked), "{name}");
            }
        }
    }
}
