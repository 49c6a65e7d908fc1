//! The tests of the Python package, on the oldest and the newest `CPython` that are wanted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::workspace::Workspace;

/// Folder of the package.
pub(crate) const PACKAGE: &str = "bindings/python";

/// Modules of tests whose subject is not the interpreter's part: threads, forks, the garbage collector, the end of the
/// process, asyncio, subinterpreters, kinds of sources, exceptions, import, and what editors and pytest see. A new module
/// runs everywhere.
const OF_ANY_INTERPRETER: [&str; 11] = [
    "bad_input",
    "docs",
    "doctor",
    "features",
    "generated",
    "options",
    "packets",
    "sessions",
    "tool",
    "transcript",
    "words",
];

/// Builds the module with the system's libcurl, installs it, and runs the tests.
pub(crate) fn tests(workspace: &Workspace, environment: &Path) -> Vec<Command> {
    let run = |arguments: &[&str]| run(workspace, environment, arguments);
    vec![
        server(workspace),
        run(&["-m", "maturin", "develop", "--no-default-features"]),
        // Most wait for a peer or a limit, not for a processor.
        run(&["-m", "pytest", "-q", "-n", "4", "--dist", "worksteal"]),
    ]
}

/// The same with those tests alone that can differ between interpreters.
pub(crate) fn tests_of_interpreter(workspace: &Workspace, environment: &Path) -> Vec<Command> {
    let mut commands = tests(workspace, environment);
    if let Some(pytest) = commands.last_mut() {
        pytest.args(OF_ANY_INTERPRETER.map(|name| format!("--ignore=tests/test_{name}.py")));
    }
    commands
}

/// Builds a wheel with the system's libcurl, and runs the tests with it where Python and all libraries are newer.
pub(crate) fn tests_on_newer(workspace: &Workspace, environment: &Path) -> Vec<Command> {
    let folder = workspace.target.join("newer-python");
    let mut build = run(workspace, environment, &["-m", "maturin", "build", "--quiet"]);
    build.args(["--no-default-features", "--profile", "dev", "--auditwheel", "skip"]);
    build.arg("--out").arg(folder.join("wheel"));
    let mut tests = Command::new(workspace.path("src/xtask/src/newer_python.sh"));
    tests.args([&folder, &workspace.target.join("debug/examples/serve")]);
    vec![server(workspace), build, tests]
}

/// Compares the types of the installed module with its stub, and checks how tests and examples use them.
pub(crate) fn type_checks(workspace: &Workspace, environment: &Path) -> Vec<Command> {
    let run = |arguments: &[&str]| run(workspace, environment, arguments);
    let python = environment.join("bin/python");
    let mut verify = run(&[
        "-m",
        "pyright",
        "--pythonpath",
        &python.to_string_lossy(),
        "--verifytypes",
        "bitsup",
    ]);
    // pyright does not find what is installed from its folder.
    verify.arg("--ignoreexternal").env("PYTHONPATH", workspace.path(PACKAGE).join("python"));
    vec![
        run(&["-m", "mypy"]),
        run(&["-m", "mypy.stubtest", "bitsup", "--allowlist", "tests/stubtest-allowlist.txt"]),
        run(&["-m", "pyright", "--pythonpath", &python.to_string_lossy()]),
        verify,
    ]
}

/// Installs the module beside Dask, and uploads through a cluster of processes.
pub(crate) fn fleet_tests(workspace: &Workspace, environment: &Path) -> Vec<Command> {
    let mut tool = workspace.cargo();
    tool.args(["build", "--quiet", "--package", "bitsup-cli", "--no-default-features"]);
    let mut tests = run(workspace, environment, &["-m", "pytest", "-q", "--timeout=120"]);
    tests
        .args(["-p", "no:cacheprovider"])
        .current_dir(workspace.path("examples/python"))
        .env("BITSUP_TOOL", workspace.target.join("debug/bitsup"));
    let module = ["-m", "maturin", "develop", "--no-default-features"];
    vec![tool, run(workspace, environment, &module), tests]
}

/// Builds the package as people get it, with libcurl inside, and installs it where nothing else is.
pub(crate) fn package_tests(workspace: &Workspace, environment: &Path) -> Vec<Command> {
    let mut tests = run(workspace, environment, &["-m", "pytest", "-q", "tests/package.py"]);
    tests.env("CARGO_TARGET_DIR", &workspace.target);
    vec![server(workspace), tests]
}

/// Lays the package out in `folder` with the module that cargo has built in `built`, as an installed one is.
pub(crate) fn lay_out(workspace: &Workspace, built: &Path, folder: &Path) -> Result {
    let package = folder.join("bitsup");
    if package.exists() {
        // A module that is gone in the sources would stay.
        fs::remove_dir_all(&package)?;
    }
    fs::create_dir_all(&package)?;
    for entry in fs::read_dir(workspace.path(PACKAGE).join("python/bitsup"))? {
        let file = entry?.path();
        if let Some(name) = file.file_name().filter(|_| file.is_file()) {
            fs::copy(&file, package.join(name))?;
        }
    }
    fs::copy(built.join("lib_bitsup.so"), package.join("_bitsup.abi3.so"))?;
    Ok(())
}

/// An interpreter for the package in `folder`, which is compiled for it, as pip compiles what it installs. The one of
/// the search path may be a shell script that looks for an interpreter, and may load what others have installed.
pub(crate) fn bare_interpreter(workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
    let environment = folder.join("environment");
    let python = environment.join("bin/python");
    let run = |program: &Path, arguments: &[&str]| -> Result {
        let status = workspace.command(program).args(arguments).status()?;
        if status.success() {
            return Ok(());
        }
        Err(format!("{} {}: {status}", program.display(), arguments.join(" ")).into())
    };
    let environment = environment.to_string_lossy();
    run(Path::new("python3"), &["-m", "venv", "--clear", "--without-pip", &environment])?;
    run(&python, &["-m", "compileall", "-q", &folder.join("bitsup").to_string_lossy()])?;
    Ok(python)
}

fn server(workspace: &Workspace) -> Command {
    let mut server = workspace.cargo();
    // All members but one, so that dependencies have the features that the tests built them with.
    server.args(["build", "--workspace", "--exclude", "bitsup-capi", "--no-default-features"]);
    server.args(["--example", "serve"]);
    server
}

fn run(workspace: &Workspace, environment: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(environment.join("bin/python"));
    command
        .args(arguments)
        .current_dir(workspace.path(PACKAGE))
        .env("VIRTUAL_ENV", environment)
        .env("BITSUP_TEST_SERVER", workspace.target.join("debug/examples/serve"));
    command
}
