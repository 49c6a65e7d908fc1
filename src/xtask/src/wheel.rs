//! The wheel that people install: for every `CPython` from 3.11 on, with libcurl and OpenSSL inside, and linked
//! against a C library as old as that of manylinux2014.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::Result;
use crate::python::PACKAGE;
use crate::requirements::{self, WHEEL_TOOLS};
use crate::sbom::{Artifact, Bill};
use crate::supply_chain;
use crate::workspace::Workspace;

/// glibc 2.17.
const POLICY: &str = "manylinux2014";

/// Options of `cargo xtask wheel`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Install what is missing without asking (as with CI set, and as root in a container)
    #[arg(long)]
    install: bool,
    /// Folder for the wheel
    #[arg(long, default_value = "target/wheels")]
    output: PathBuf,
}

/// Builds the wheel, and has auditwheel look at what it links.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    supply_chain::require_supported(workspace)?;
    requirements::require(workspace, &[WHEEL_TOOLS], options.install)?;
    let environment = requirements::environment(workspace, WHEEL_TOOLS);
    let output = workspace.root.join(&options.output);
    // Of the folder of others only what an earlier run has put there.
    for wheel in own_wheels(&output)? {
        fs::remove_file(wheel)?;
    }
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [environment.join("bin")].into_iter().chain(std::env::split_paths(&search_path));
    let search_path = std::env::join_paths(folders)?;
    let tool = |name: &str| {
        let mut command = workspace.command(environment.join("bin").join(name));
        command.env("PATH", &search_path).env("VIRTUAL_ENV", &environment);
        command
    };
    let manifest = workspace.path(PACKAGE).join("Cargo.toml");
    let bill = Bill::of(workspace, Artifact::Wheel, "bundled")?;
    let parts = workspace.path("target/bitsup.cdx.json");
    fs::write(&parts, bill.to_json()?)?;
    // pyproject.toml takes it up by its name.
    let licences = Temporary(workspace.path(PACKAGE).join("LICENSE-THIRD-PARTY"));
    fs::write(&licences.0, bill.licences()?)?;
    // The C compiler of Zig links against a C library of any age.
    requirements::run(
        tool("maturin")
            .args(["build", "--release", "--locked", "--zig", "--compatibility", POLICY])
            .arg("--sbom-include")
            .arg(&parts)
            .envs([workspace.without_folders()])
            .arg("--manifest-path")
            .arg(manifest)
            .arg("--out")
            .arg(&output),
    )?;
    for wheel in own_wheels(&output)? {
        let shown = tool("auditwheel").arg("show").arg(&wheel).output()?;
        let text = String::from_utf8_lossy(&shown.stdout).into_owned();
        println!("{}", text.trim());
        // auditwheel's new name for manylinux2014 has the C library's version in it.
        if !shown.status.success() || !text.replace('\n', " ").contains("manylinux_2_17_") {
            return Err(format!("{} is not {POLICY}", wheel.display()).into());
        }
        // The module is compressed in it.
        let unpacked = tempfile::tempdir()?;
        let module = unpacked.path().join("bitsup/_bitsup.abi3.so");
        requirements::run(
            tool("python").args(["-m", "zipfile", "-e"]).args([&wheel, unpacked.path()]),
        )?;
        workspace.require_no_folders(&module)?;
        println!("{} ({} KiB)", wheel.display(), fs::metadata(&wheel)?.len() / 1024);
    }
    Ok(())
}

/// A file that goes when the wheel is built, or was not.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// The wheels of this package in a folder, which may be missing.
fn own_wheels(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut wheels = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_own = name.starts_with("bitsup-") && name.ends_with(".whl");
        if is_own && entry.file_type()?.is_file() {
            wheels.push(entry.path());
        }
    }
    Ok(wheels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wheels_of_this_package_are_its_own() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path();
        fs::create_dir(folder.join("bitsup-1.whl")).expect("a folder");
        for name in ["bitsup-0.1.0-cp311-abi3-linux_x86_64.whl", "other-1.whl", "bitsup-1.txt", "x"]
        {
            fs::write(folder.join(name), name).expect("written");
        }
        let own = own_wheels(folder).expect("read");
        assert_eq!(own, [folder.join("bitsup-0.1.0-cp311-abi3-linux_x86_64.whl")]);
        assert!(own_wheels(&folder.join("none")).expect("missing").is_empty());
    }
}
