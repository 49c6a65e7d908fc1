//! The wheel that people install: for every `CPython` from 3.11 on, with libcurl and OpenSSL inside, and linked
//! against a C library as old as that of manylinux2014.

use fs_err as fs;
use tempfile::TempPath;

use crate::Result;
use crate::python::PACKAGE;
use crate::requirements::{self, WHEEL_TOOLS};
use crate::runner::{read, run as run_command};
use crate::sbom::{Artifact, Bill};
use crate::supply_chain;
use crate::workspace::Workspace;

/// glibc 2.17.
const POLICY: &str = "manylinux2014";

/// Builds the wheel in `target/wheels`, and has auditwheel look at what it links.
pub(crate) fn run(workspace: &Workspace) -> Result {
    supply_chain::require_supported(workspace)?;
    requirements::require(workspace, &[WHEEL_TOOLS])?;
    let environment = requirements::environment(workspace, WHEEL_TOOLS);
    let built = tempfile::tempdir_in(&workspace.target)?;
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [environment.join("bin")].into_iter().chain(std::env::split_paths(&search_path));
    let search_path = std::env::join_paths(folders)?;
    let tool = |name: &str| {
        let mut command = workspace.command(environment.join("bin").join(name));
        command.env("PATH", &search_path).env("VIRTUAL_ENV", &environment);
        command
    };
    let bill = Bill::of(workspace, Artifact::Wheel, "bundled")?;
    let parts = workspace.path("target/bitsup.cdx.json");
    fs::write(&parts, bill.to_json()?)?;
    // pyproject.toml takes it up by its name; it goes when the wheel is built, or was not.
    let licences = TempPath::try_from_path(workspace.path(PACKAGE).join("LICENSE-THIRD-PARTY"))?;
    fs::write(&licences, bill.licences()?)?;
    // The C compiler of Zig links against a C library of any age.
    let mut build = tool("maturin");
    build.args(["build", "--release", "--locked", "--zig", "--compatibility", POLICY]);
    build.arg("--manifest-path").arg(workspace.path(PACKAGE).join("Cargo.toml"));
    build.arg("--sbom-include").arg(&parts).envs([workspace.without_folders()]);
    run_command(build.arg("--out").arg(built.path()))?;
    let wheel = fs::read_dir(built.path())?.next().ok_or("maturin made no wheel")??.path();
    let text = read(tool("auditwheel").arg("show").arg(&wheel))?;
    println!("{}", text.trim());
    // auditwheel's new name for manylinux2014 has the C library's version in it.
    if !text.replace('\n', " ").contains("manylinux_2_17_") {
        return Err(format!("{} is not {POLICY}", wheel.display()).into());
    }
    // The module is compressed in it.
    let unpacked = tempfile::tempdir()?;
    run_command(tool("python").args(["-m", "zipfile", "-e"]).args([&wheel, unpacked.path()]))?;
    workspace.require_no_folders(&unpacked.path().join("bitsup/_bitsup.abi3.so"))?;
    let output = workspace.target.join("wheels");
    fs::create_dir_all(&output)?;
    let output = output.join(wheel.file_name().unwrap_or_default());
    let size = fs::copy(&wheel, &output)?;
    println!("{} ({} KiB)", output.display(), size / 1024);
    Ok(())
}
