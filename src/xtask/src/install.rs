//! Installs what is missing: Debian packages, Rust components, Python and npm packages.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::Result;
use crate::consent::{self, Circumstances};
use crate::python;
use crate::requirements::{self, Requirement, Source};
use crate::workspace::{Workspace, has_program};

const DEBIAN_SCRIPT: &str = include_str!("debian-install.sh");
const SERVICE_POLICY: &str = "/usr/sbin/policy-rc.d";

/// Offers to install what is missing of these requirements and does so. `purposes` tells what each is for.
///
/// What was refused or failed is still missing afterwards; the steps that need it are skipped.
pub(crate) fn provide(
    workspace: &Workspace,
    wanted: &[&'static Requirement],
    install_option: bool,
    purposes: &dyn Fn(&Requirement) -> String,
) -> Result {
    let missing: Vec<_> = requirements::closure(wanted.iter().copied())
        .into_iter()
        .filter(|requirement| !requirement.is_met(workspace))
        .collect();
    let consent = Circumstances::here(install_option).consent();
    let chosen = consent::choose(&missing, consent, purposes, &mut io::stdin().lock())?;

    install_debian(&chosen);
    for requirement in chosen {
        let outcome = match &requirement.source {
            Source::Debian { .. } => Ok(()),
            Source::RustComponent { component, .. } => {
                run(Command::new("rustup").args(["component", "add", component]))
            }
            Source::PythonPackages { requirements, version } => {
                install_python(workspace, requirement, requirements, *version)
            }
            Source::NpmPackages { folder } => run(workspace
                .command("npm")
                .args(["ci", "--no-audit", "--no-fund"])
                .current_dir(workspace.path(folder))),
        };
        if let Err(error) = outcome {
            eprintln!("{} could not be installed: {error}", requirement.name);
        }
    }
    Ok(())
}

/// Says that everything is there, or names what is not.
pub(crate) fn check(workspace: &Workspace, wanted: &[&'static Requirement]) -> Result {
    match wanted.iter().find(|requirement| !requirement.is_met(workspace)) {
        None => Ok(()),
        Some(missing) => {
            Err(format!("{} is missing ({})", missing.name, missing.describe()).into())
        }
    }
}

/// All packages in one go, which is quick; one requirement after the other if that failed, so that one missing
/// package does not keep the rest away.
fn install_debian(chosen: &[&'static Requirement]) {
    let groups: Vec<&[&str]> = chosen
        .iter()
        .filter_map(|requirement| match requirement.source {
            Source::Debian { packages, .. } => Some(packages),
            _ => None,
        })
        .collect();
    if groups.is_empty() || run(&mut debian_command(&groups.concat())).is_ok() {
        return;
    }
    for packages in groups {
        if let Err(error) = run(&mut debian_command(packages)) {
            eprintln!("{} could not be installed: {error}", packages.join(" "));
        }
    }
}

fn debian_command(packages: &[&str]) -> Command {
    let mut command = if consent::is_root() || !has_program("sudo") {
        Command::new("sh")
    } else {
        let mut command = Command::new("sudo");
        command.arg("sh");
        command
    };
    command.args(["-c", DEBIAN_SCRIPT, "debian-install.sh", SERVICE_POLICY]).args(packages);
    command
}

fn install_python(
    workspace: &Workspace,
    requirement: &Requirement,
    requirements: &str,
    version: Option<&str>,
) -> Result {
    let python = match version {
        None => PathBuf::from("python3"),
        Some(version) => python::interpreter(version)
            .ok_or_else(|| format!("there is no python{version}, also not in pyenv"))?,
    };
    let environment = requirement.environment(workspace);
    let wanted = fs::read(workspace.path(requirements))?;
    run(workspace.command(python).args(["-m", "venv", "--clear"]).arg(&environment))?;
    run(workspace
        .command(environment.join("bin/python"))
        .args(["-m", "pip", "install", "--disable-pip-version-check", "-q"])
        .args(["-r", requirements]))?;
    // Last, so that an interrupted install is done again.
    fs::write(requirement.installed_list(workspace), wanted)?;
    Ok(())
}

/// Runs a command, whose failure is an error.
pub(crate) fn run(command: &mut Command) -> Result {
    let program = command.get_program().to_string_lossy().into_owned();
    let status =
        command.stdin(Stdio::null()).status().map_err(|error| format!("{program}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} failed ({status})").into()) }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    /// Runs the script with an `apt-get` that notes its arguments and the policy's exit code, and then fails
    /// with the given code when it is to install. Returns the note and the script's exit code.
    fn install_with_fake_apt(folder: &Path, install_code: i32) -> (String, Option<i32>) {
        let programs = folder.join("bin");
        fs::create_dir_all(&programs).expect("created");
        let note = folder.join("note");
        let apt = format!(
            "#!/bin/sh\nsh {policy}; echo \"$? $*\" >>{note}\n[ \"$1\" != install ] || exit {install_code}\n",
            policy = folder.join("policy").display(),
            note = note.display(),
        );
        fs::write(programs.join("apt-get"), apt).expect("written");
        fs::set_permissions(programs.join("apt-get"), fs::Permissions::from_mode(0o755))
            .expect("changed");
        let inherited = env::var_os("PATH").unwrap_or_default();
        let search_path =
            env::join_paths([programs].into_iter().chain(env::split_paths(&inherited)))
                .expect("no colon in the temporary folder's name");
        let status = Command::new("sh")
            .args(["-c", DEBIAN_SCRIPT, "debian-install.sh"])
            .arg(folder.join("policy"))
            .args(["one", "two"])
            .env("PATH", search_path)
            .stderr(Stdio::null())
            .status()
            .expect("sh runs");
        (fs::read_to_string(note).expect("apt-get was called"), status.code())
    }

    #[test]
    fn services_are_held_back_during_an_install_only() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (note, code) = install_with_fake_apt(folder.path(), 0);
        assert_eq!(code, Some(0));
        let lines: Vec<_> = note.lines().collect();
        assert!(lines[0].starts_with("101 update"), "{note}");
        assert!(lines[1].starts_with("101 install"), "{note}");
        assert!(lines[1].ends_with(" one two"), "{note}");
        assert!(!folder.path().join("policy").exists());
    }

    #[test]
    fn an_existing_policy_is_put_back_after_a_failed_install() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let policy = folder.path().join("policy");
        fs::write(&policy, "exit 104\n").expect("written");
        let (note, code) = install_with_fake_apt(folder.path(), 7);
        assert_eq!(code, Some(7));
        assert!(note.contains("101 install"), "{note}");
        assert_eq!(fs::read_to_string(&policy).expect("restored"), "exit 104\n");
        assert!(!folder.path().join("policy.before-bitsup").exists());
    }

    #[test]
    fn what_a_killed_install_left_is_cleared_by_the_next() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let policy = folder.path().join("policy");
        fs::write(&policy, "#!/bin/sh\n# written by cargo xtask\nexit 101\n").expect("written");
        let saved = folder.path().join("policy.before-bitsup");
        fs::write(&saved, "exit 104\n").expect("written");
        install_with_fake_apt(folder.path(), 0);
        assert_eq!(fs::read_to_string(&policy).expect("restored"), "exit 104\n");
        assert!(!saved.exists());
    }

    #[test]
    fn a_missing_installer_is_named() {
        let error = run(&mut Command::new("an-installer-that-nobody-has"))
            .expect_err("it cannot be started");
        assert!(error.to_string().starts_with("an-installer-that-nobody-has: "));
    }
}
