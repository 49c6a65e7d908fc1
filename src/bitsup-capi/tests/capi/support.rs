//! Builds the library and programs, and runs them.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Warnings that the header and the C and C++ code of this project do without.
pub(crate) const STRICT: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// The folder of this crate.
pub(crate) fn capi() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the workspace.
pub(crate) fn workspace() -> &'static Path {
    capi().ancestors().nth(2).expect("src/bitsup-capi lies two folders down")
}

/// Compares a committed file with what it must be, or writes it if `BITSUP_BLESS` is 1.
pub(crate) fn blessed(file: &Path, wanted: &str) {
    if std::env::var("BITSUP_BLESS").as_deref() == Ok("1") {
        fs::write(file, wanted).expect("the file can be written");
        return;
    }
    let there = fs::read_to_string(file).unwrap_or_default();
    assert!(
        there == wanted,
        "{} is stale: look at what changed, and bless it with\nBITSUP_BLESS=1 cargo test -p bitsup-capi",
        file.display()
    );
}

/// Whether a program of this name is in the search path.
pub(crate) fn has_program(name: &str) -> bool {
    let Some(folders) = std::env::var_os("PATH") else { return false };
    std::env::split_paths(&folders).any(|folder| folder.join(name).is_file())
}

/// Notes for `cargo xtask test` that a part of this test could not run.
pub(crate) fn skipped(reason: &str) {
    let test = std::thread::current().name().unwrap_or("unnamed").to_owned();
    eprintln!("{test}: skipped: {reason}");
    let Some(folder) = std::env::var_os("BITSUP_SKIPS_DIR") else { return };
    let file = Path::new(&folder).join(format!("capi-{}", std::process::id()));
    let file = fs::OpenOptions::new().append(true).create(true).open(file);
    file.and_then(|mut file| writeln!(file, "bitsup-capi::{test}\t{reason}"))
        .expect("the note can be written");
}

/// Runs a command that must succeed.
pub(crate) fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Builds the library as this test was built, and gives the folder that has it, under the names
/// that linkers and loaders look for.
pub(crate) fn library() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build_library)
}

fn build_library() -> PathBuf {
    // target/PROFILE/deps/TEST
    let test = std::env::current_exe().expect("this program has a path");
    let built = test.ancestors().nth(2).expect("three folders");
    let profile = built.file_name().and_then(|name| name.to_str()).expect("a profile's name");
    let mut command = Command::new(env!("CARGO"));
    // A crate of types cdylib and staticlib is not built for its tests.
    command.args(["build", "--quiet", "--package", "bitsup-capi", "--lib"]);
    command.arg("--target-dir").arg(built.parent().expect("the target folder"));
    if profile != "debug" {
        command.args(["--profile", profile]);
    }
    if !cfg!(feature = "bundled") {
        command.arg("--no-default-features");
    }
    succeed(command.current_dir(workspace()));
    let folder = built.join("capi");
    fs::create_dir_all(&folder).expect("the folder can be made");
    for (link, file) in [
        ("libbitsup.so", "libbitsup.so"),
        ("libbitsup.so.0", "libbitsup.so"),
        ("libbitsup.a", "libbitsup.a"),
    ] {
        match symlink(built.join(file), folder.join(link)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => panic!("{link}: {error}"),
            _ => {}
        }
    }
    folder
}

/// Compiles a program of one file and links it with the library; C or C++ by the file's name.
pub(crate) fn compile(source: &Path, program: &Path, options: &[&str]) {
    let plus = source.extension().is_some_and(|extension| extension == "cpp");
    let mut command = Command::new(if plus { "c++" } else { "cc" });
    command
        .arg(if plus { "-std=c++17" } else { "-std=c11" })
        .args(STRICT)
        .args(["-g", "-O1", "-pthread"])
        .args(options)
        .arg("-I")
        .arg(workspace().join("include"))
        .arg(source)
        .arg("-o")
        .arg(program)
        .arg("-L")
        .arg(library())
        .arg("-lbitsup")
        .arg(format!("-Wl,-rpath,{}", library().display()));
    succeed(&mut command);
}

/// A command that runs the program and ends it if it hangs.
pub(crate) fn plain(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg("120").arg(program);
    command
}

/// The same under valgrind, which fails on any error and leak; plainly, with a note, where there is
/// no valgrind.
pub(crate) fn checked(program: &Path) -> Command {
    if !has_program("valgrind") {
        skipped("valgrind is missing");
        return plain(program);
    }
    let mut command = plain(Path::new("valgrind"));
    command
        .args(["--quiet", "--error-exitcode=99", "--fair-sched=yes", "--num-callers=40"])
        .args(["--leak-check=full", "--show-leak-kinds=definite,indirect"])
        .arg("--errors-for-leak-kinds=definite,indirect")
        .arg(program);
    command
}
