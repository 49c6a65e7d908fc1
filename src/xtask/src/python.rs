//! The tests of the Python package, on the oldest and the newest `CPython` that are wanted.

use std::path::Path;
use std::process::Command;

use fs_err as fs;

use crate::Result;
use crate::requirements::{FLEET_TESTS, Name, PYTHON_TESTS, environment};
use crate::runner::run;
use crate::workspace::{Workspace, empty_folder};

/// Folder of the package.
pub(crate) const PACKAGE: &str = "bindings/python";

/// Builds the module with the system's libcurl and installs it.
const DEVELOP: &str = "maturin develop --no-default-features";

/// Builds the module, installs it in an environment, and runs the tests there.
pub(crate) fn tests(workspace: &Workspace, environment: Name) -> Vec<Command> {
    let python = |words: &str| python(workspace, environment, words);
    // Most wait for a peer or a limit, not for a processor.
    vec![server(workspace), python(DEVELOP), python("pytest -q -n 4 --dist worksteal")]
}

/// Builds a wheel with the system's libcurl, and runs the tests with it where Python and all libraries are newer.
pub(crate) fn tests_on_newer(workspace: &Workspace) -> Vec<Command> {
    let folder = workspace.target.join("newer-python");
    let options = "--quiet --no-default-features --profile dev --auditwheel skip --out";
    let mut build = python(workspace, PYTHON_TESTS, &format!("maturin build {options}"));
    build.arg(folder.join("wheel"));
    let mut tests = Command::new(workspace.path("src/xtask/src/newer_python.sh"));
    tests.args([&folder, &workspace.target.join("debug/examples/serve")]);
    vec![server(workspace), build, tests]
}

/// Compares the types of the installed module with its stub, and checks how tests and examples use them.
pub(crate) fn type_checks(workspace: &Workspace) -> Vec<Command> {
    let python = |words: &str| python(workspace, PYTHON_TESTS, words);
    let interpreter = environment(workspace, PYTHON_TESTS).join("bin/python");
    let [mut types, mut verify] =
        ["pyright", "pyright --verifytypes bitsup --ignoreexternal"].map(python);
    types.arg("--pythonpath").arg(&interpreter);
    // pyright does not find what is installed from its folder.
    verify
        .arg("--pythonpath")
        .arg(&interpreter)
        .env("PYTHONPATH", workspace.path(PACKAGE).join("python"));
    let stub = "mypy.stubtest bitsup --allowlist tests/stubtest-allowlist.txt";
    vec![python("mypy"), python(stub), types, verify]
}

/// Installs the module beside Dask, and uploads through a cluster of processes.
pub(crate) fn fleet_tests(workspace: &Workspace) -> Vec<Command> {
    let tool = workspace.cargo("build --quiet --package bitsup-cli --no-default-features");
    let mut tests = python(workspace, FLEET_TESTS, "pytest -q --timeout=120 -p no:cacheprovider");
    tests.current_dir(workspace.path("examples/python"));
    tests.env("BITSUP_TOOL", workspace.target.join("debug/bitsup"));
    vec![tool, python(workspace, FLEET_TESTS, DEVELOP), tests]
}

/// Builds the package as people get it, with libcurl inside, and installs it where nothing else is.
pub(crate) fn package_tests(workspace: &Workspace) -> Vec<Command> {
    let mut tests = python(workspace, PYTHON_TESTS, "pytest -q tests/package.py");
    tests.env("CARGO_TARGET_DIR", &workspace.target);
    vec![server(workspace), tests]
}

/// Lays the package out in `folder` with this module, as an installed one is, and compiles it for the interpreter in the
/// folder's `environment`, as pip compiles what it installs. The one of the search path may be a shell script that looks
/// for an interpreter, and may load what others have installed.
pub(crate) fn lay_out(workspace: &Workspace, module: &Path, folder: &Path) -> Result {
    let package = folder.join("bitsup");
    // A module that is gone in the sources would stay.
    empty_folder(&package)?;
    for entry in fs::read_dir(workspace.path(PACKAGE).join("python/bitsup"))? {
        let file = entry?.path();
        if let Some(name) = file.file_name().filter(|_| file.is_file()) {
            fs::copy(&file, package.join(name))?;
        }
    }
    fs::copy(module, package.join("_bitsup.abi3.so"))?;
    let environment = folder.join("environment");
    let venv = ["-m", "venv", "--clear", "--without-pip"];
    run(Command::new("python3").args(venv).arg(&environment))?;
    let python = environment.join("bin/python");
    run(Command::new(python).args(["-m", "compileall", "-q"]).arg(package))
}

/// All members but one, so that dependencies have the features that the tests built them with.
fn server(workspace: &Workspace) -> Command {
    let features = "--workspace --exclude bitsup-capi --no-default-features";
    workspace.cargo(&format!("build {features} --example serve"))
}

/// A module of Python with its arguments, in an environment and the package's folder.
pub(crate) fn python(workspace: &Workspace, name: Name, words: &str) -> Command {
    let environment = environment(workspace, name);
    let mut command = Command::new(environment.join("bin/python"));
    command
        .arg("-m")
        .args(words.split(' '))
        .current_dir(workspace.path(PACKAGE))
        .env("VIRTUAL_ENV", environment)
        .env("BITSUP_TEST_SERVER", workspace.target.join("debug/examples/serve"));
    command
}
