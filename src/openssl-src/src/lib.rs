//! Gives openssl-sys OpenSSL 4: it asks for `openssl-src` 300, and `[patch.crates-io]` of the workspace
//! answers with this crate. Remove it once openssl-sys asks for 400 itself.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::{env, fs};

pub use openssl_src_4::{source_dir, version, Artifacts};

/// Parts of OpenSSL that no client of HTTP calls: they would be built, shipped and have weaknesses.
const LEFT_OUT: &str = "no-quic no-cmp no-cms no-ts no-srp no-apps no-docs no-makedepend";

/// Where Cargo is asked for no optimisation, compiling counts: little optimisation takes half of the time.
const QUICKLY: &str = "-O1";

/// Where OpenSSL looks for modules, as it does by default. It would be below the target folder of this build, which on
/// another machine another user may own.
const MODULES: &str = "MODULESDIR=/usr/local/lib/ossl-modules";

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
        let mut changed = Changed::default();
        // The compiler's flags go to OpenSSL's Configure, which takes options among them. Not CFLAGS itself,
        // which make would hand to the compiler.
        for flags in ["HOST_CFLAGS", "TARGET_CFLAGS"] {
            changed.append(flags, LEFT_OUT);
            if env::var("OPT_LEVEL").is_ok_and(|level| level == "0") {
                changed.append(flags, QUICKLY);
            }
        }
        changed.append("CARGO_MAKEFLAGS", MODULES);
        changed.compiler_by_name();
        let artifacts = self.0.build();
        drop(changed);
        // curl-sys puts this folder before the system's.
        fs::write(artifacts.include_dir().join("poll.h"), POLL_HEADER)
            .expect("the folder of OpenSSL's headers can be written");
        artifacts
    }
}

/// Variables of the environment, which get the values back that they had.
#[derive(Default)]
struct Changed(Vec<(String, Option<OsString>)>);

impl Changed {
    fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.0.push((name.to_owned(), env::var_os(name)));
        env::set_var(name, value);
    }

    fn append(&mut self, name: &str, value: impl AsRef<OsStr>) {
        let mut all = env::var_os(name).unwrap_or_default();
        all.push(" ");
        all.push(value);
        self.set(name, all);
    }

    /// OpenSSL keeps how its compiler was called, which is to be without a folder of this machine.
    fn compiler_by_name(&mut self) {
        let target = env::var("TARGET").unwrap_or_default();
        let names = [&*format!("CC_{target}"), &format!("CC_{}", target.replace('-', "_"))];
        let of_kind =
            if env::var("HOST").is_ok_and(|host| host == target) { "HOST_CC" } else { "TARGET_CC" };
        // The first that is set is the compiler.
        let mut names = names.into_iter().chain([of_kind, "CC"]);
        if let Some((name, compiler)) =
            names.find_map(|name| Some((name, PathBuf::from(env::var_os(name)?))))
        {
            // Not one that is looked for already, nor one with options behind it.
            let is_path = compiler.is_absolute() && compiler.is_file();
            let (true, Some(folder), Some(bare)) =
                (is_path, compiler.parent(), compiler.file_name())
            else {
                return;
            };
            let path = env::var_os("PATH").unwrap_or_default();
            let folders = [folder.to_owned()].into_iter().chain(env::split_paths(&path));
            // A folder with a colon in its name cannot be searched.
            if let Ok(path) = env::join_paths(folders) {
                self.set("PATH", path);
                self.set(name, bare);
            }
        }
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        for (name, before) in self.0.drain(..).rev() {
            match before {
                Some(value) => env::set_var(name, value),
                None => env::remove_var(name),
            }
        }
    }
}
