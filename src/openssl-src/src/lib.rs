//! Gives openssl-sys OpenSSL 4: it asks for `openssl-src` 300, and `[patch.crates-io]` of the workspace
//! answers with this crate. Remove it once openssl-sys asks for 400 itself.

use std::path::Path;
use std::{env, fs};

pub use openssl_src_4::{source_dir, version, Artifacts};

/// Parts of OpenSSL that no client of HTTP calls: they would be built, shipped and have weaknesses.
const LEFT_OUT: &str = "no-quic no-cmp no-cms no-ts no-srp no-apps no-docs no-makedepend";

/// Defines `HAVE_POLL` for libcurl, in the name of a header that it includes before it asks. curl-sys does not
/// define it, and libcurl would wait by `select`, which ends at descriptor 1023.
const POLL_HEADER: &str = "\
#include_next <poll.h>
/* libcurl's own build does not trust the poll() of macOS either */
#if !defined(HAVE_POLL) && !defined(__APPLE__)
#define HAVE_POLL 1
#endif
";

/// Builds OpenSSL, with as much of the interface of openssl-src as openssl-sys uses.
#[expect(missing_debug_implementations, reason = "what it holds has none")]
pub struct Build(openssl_src_4::Build);

impl Build {
    /// Reads the target and the folders from Cargo's environment.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "nor has openssl-src")]
    pub fn new() -> Self {
        Self(openssl_src_4::Build::new())
    }

    /// Sets the folder in which OpenSSL looks for its configuration and certificates.
    pub fn openssl_dir(&mut self, path: impl AsRef<Path>) -> &mut Self {
        self.0.openssl_dir(path);
        self
    }

    /// Builds it, and ends the process where that fails, as openssl-src does.
    ///
    /// # Panics
    ///
    /// If the folder of the headers cannot be written.
    pub fn build(&mut self) -> Artifacts {
        // The compiler's flags go to OpenSSL's Configure, which takes options among them. Not CFLAGS itself,
        // which make would hand to the compiler.
        let names = ["HOST_CFLAGS", "TARGET_CFLAGS"];
        let before = names.map(env::var_os);
        for (name, given) in names.iter().zip(&before) {
            let mut flags = given.clone().unwrap_or_default();
            flags.push(" ");
            flags.push(LEFT_OUT);
            env::set_var(name, flags);
        }
        let artifacts = self.0.build();
        for (name, given) in names.iter().zip(before) {
            match given {
                Some(flags) => env::set_var(name, flags),
                None => env::remove_var(name),
            }
        }
        // curl-sys puts this folder before the system's.
        fs::write(artifacts.include_dir().join("poll.h"), POLL_HEADER)
            .expect("the folder of OpenSSL's headers can be written");
        artifacts
    }
}
