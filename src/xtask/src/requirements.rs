//! What steps need beyond Rust, a C compiler, make, perl, Python 3 and Debian's package manager.
//!
//! The list of it, and how it is installed, is `.ci/requirements`; here stand only the names.

use std::path::PathBuf;
use std::process::Stdio;

use crate::Result;
use crate::workspace::Workspace;

/// A name in the table of `.ci/requirements`.
pub(crate) type Name = &'static str;

/// For the build that links the system's libcurl.
pub(crate) const LIBCURL_HEADERS: Name = "libcurl-headers";
/// What tests and checks the Python package, on the system's Python.
pub(crate) const PYTHON_TESTS: Name = "python-tests";
/// The same on the newest Python that the package is tested with.
pub(crate) const PYTHON_TESTS_NEWEST: Name = "python-tests-3.13";
/// What tests the example with Dask.
pub(crate) const FLEET_TESTS: Name = "fleet-tests";
/// What breaks code by a program.
pub(crate) const CARGO_MUTANTS: Name = "cargo-mutants";
/// What builds the documents as a site.
pub(crate) const SITE: Name = "site";
/// What builds and checks the wheel.
pub(crate) const WHEEL_TOOLS: Name = "wheel-tools";
/// The servers and proxies that uploads go to and through in tests.
pub(crate) const SERVER_PROGRAMS: &[Name] = &[
    "nginx",
    "haproxy",
    "squid",
    "microsocks",
    "openssl",
    "apache2",
    "krb5-kdc",
    "python3-gssapi",
    "ntlm-server",
];

/// What is missing: names, with what they are.
#[derive(Debug, Default)]
pub(crate) struct Missing(Vec<(String, String)>);

impl Missing {
    #[cfg(test)]
    pub(crate) fn of(name: &str, what: &str) -> Self {
        Self(vec![(name.to_owned(), what.to_owned())])
    }

    /// The first of these that is missing, for people.
    pub(crate) fn first(&self, names: &[Name]) -> Option<String> {
        let (name, what) = self.0.iter().find(|(name, _)| names.contains(&name.as_str()))?;
        Some(format!("{name} is missing ({what})"))
    }

    /// Fails when one of these is missing.
    pub(crate) fn check(&self, names: &[Name]) -> Result {
        self.first(names).map_or(Ok(()), |missing| Err(missing.into()))
    }
}

/// Offers to install what is missing, and tells what is missing then.
pub(crate) fn provide(workspace: &Workspace, names: &[Name]) -> Result<Missing> {
    ask(workspace, names, workspace.installs.then_some("--yes"))
}

/// Tells what is missing.
pub(crate) fn missing(workspace: &Workspace, names: &[Name]) -> Result<Missing> {
    ask(workspace, names, Some("--check"))
}

/// Installs what a command cannot do without, or fails.
pub(crate) fn require(workspace: &Workspace, names: &[Name]) -> Result {
    provide(workspace, names)?.check(names)
}

fn ask(workspace: &Workspace, names: &[Name], option: Option<&str>) -> Result<Missing> {
    if names.is_empty() {
        return Ok(Missing::default());
    }
    let mut script = workspace.command("bash");
    script.arg(".ci/requirements").args(option).arg("--target").arg(&workspace.target).args(names);
    let output = script.stdin(Stdio::inherit()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!(".ci/requirements: {}", output.status).into());
    }
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = lines.lines().filter_map(|line| line.split_once('\t'));
    Ok(Missing(lines.map(|(name, what)| (name.to_owned(), what.to_owned())).collect()))
}

/// The virtual environment of a requirement of Python packages.
pub(crate) fn environment(workspace: &Workspace, name: Name) -> PathBuf {
    workspace.target.join("venv").join(name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::steps::{STEPS, Step};

    /// Runs the script on a machine that lacks luajit and php, with an `apt-get` that notes its arguments and the
    /// exit code of the services' policy, and fails with the given code when it is to install.
    fn script(folder: &Path, options: &[&str], code: i32) -> (String, String) {
        let workspace = Workspace::find().expect("the workspace");
        let programs = folder.join("bin");
        fs::create_dir_all(&programs).expect("created");
        let (policy, note) = (folder.join("policy"), folder.join("note"));
        let apt = format!(
            "#!/bin/sh\nsh {}; echo \"$? $*\" >>{}\n[ \"$1\" != install ] || exit {code}\n",
            policy.display(),
            note.display(),
        );
        let failing = "#!/bin/sh\nexit 1\n".to_owned();
        for (name, text) in [("apt-get", &apt), ("sudo", &failing), ("php", &failing)] {
            fs::write(programs.join(name), text).expect("written");
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(programs.join(name), mode).expect("changed");
        }
        let path = format!("{}:/usr/bin:/bin", programs.display());
        let mut command = workspace.command("bash");
        command.arg(".ci/requirements").args(options).args(["php", "c++"]);
        command.env("PATH", path).env_remove("CI").env("BITSUP_SERVICE_POLICY", &policy);
        let output = command.stdin(Stdio::null()).output().expect("bash runs");
        assert!(output.status.success(), "{output:?}");
        let note = fs::read_to_string(&note).unwrap_or_default();
        (note, String::from_utf8(output.stdout).expect("text"))
    }

    #[test]
    fn services_are_held_back_during_an_install_only() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let policy = folder.path().join("policy");
        for code in [0, 7] {
            let (note, missing) = script(folder.path(), &["--yes"], code);
            let lines: Vec<_> = note.lines().collect();
            assert!(lines[0].starts_with("101 update"), "{note}");
            assert!(
                lines[1].starts_with("101 install") && lines[1].ends_with(" php-cli"),
                "{note}"
            );
            // The program still fails, so it is missing.
            assert_eq!(missing, "php\tDebian packages php-cli\n");
            assert!(!policy.exists());
        }
        // One that was there, and what a killed install left beside it.
        fs::write(&policy, "#!/bin/sh\n# written by cargo xtask\nexit 101\n").expect("written");
        let saved = folder.path().join("policy.before-bitsup");
        fs::write(&saved, "exit 104\n").expect("written");
        script(folder.path(), &["--yes"], 7);
        assert_eq!(fs::read_to_string(&policy).expect("restored"), "exit 104\n");
        assert!(!saved.exists());
    }

    #[test]
    fn nothing_is_installed_by_a_check() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (note, missing) = script(folder.path(), &["--check"], 0);
        assert_eq!((note.as_str(), missing.as_str()), ("", "php\tDebian packages php-cli\n"));
    }

    #[test]
    fn the_script_knows_what_steps_want() {
        let workspace = Workspace::find().expect("the workspace");
        let names: BTreeSet<Name> = STEPS.iter().flat_map(Step::wants).collect();
        let names: Vec<Name> = names.into_iter().collect();
        missing(&workspace, &names).unwrap_or_else(|error| panic!("{error}"));
    }
}
