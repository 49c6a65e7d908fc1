//! Programs with threads, small stacks, valgrind and sanitizers of their own, which the library has none of.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bitsup_server::{Config, Server};
use tempfile::TempDir;

use crate::build::{self, FOUND};
use crate::static_library::{PRIVATE, archive};
use crate::support::{self, capi, has_program, skipped, workspace};

/// What a thread that calls the library needs; `docs/c.md` says so.
const STACK: usize = 64 * 1024;

#[derive(Clone, Copy, Debug)]
enum Library {
    Shared,
    Static,
}

/// `threads.c`, and a server for it.
struct Host {
    folder: TempDir,
    server: Server,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config =
            Config { root: folder.path().to_owned(), overwrite: true, ..Config::default() };
        Self { folder, server: Server::start(config).expect("server") }
    }

    fn compile(&self, library: Library, options: &[&str]) -> PathBuf {
        let sources = capi().join("tests/capi/programs");
        let program = self.folder.path().join("program");
        let mut command = Command::new("cc");
        command.args(build::STRICT).args(["-std=c11", "-g", "-O1", "-pthread"]).args(options);
        command.arg("-I").arg(workspace().join("include")).arg("-I").arg(&sources);
        // Suppressions go by names: nothing of the program may have one that they mean.
        let copy = self.folder.path().join("threads.c");
        fs::copy(sources.join("threads.c"), &copy).expect("copied");
        command.arg(copy).arg("-o").arg(&program);
        match library {
            Library::Static => command.arg(archive()).args(PRIVATE),
            Library::Shared => {
                let folder = build::library().display();
                command.arg(format!("-L{folder}")).arg("-lbitsup");
                command.arg(format!("-Wl,-rpath,{folder}"))
            }
        };
        support::succeed(&mut command);
        program
    }

    fn run(&self, mut command: Command) {
        let output = support::succeed(command.arg(self.server.url("/")));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }

    fn finds(&self, mut command: Command, words: &str) {
        let output = command.arg(self.server.url("/")).arg("race").output().expect("it runs");
        let printed = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(FOUND), "{printed}");
        assert!(printed.contains(words), "{printed}");
    }
}

/// A file that is installed.
fn suppressions(name: &str) -> String {
    workspace().join("src/xtask/src/library").join(name).to_str().expect("UTF-8").to_owned()
}

/// A tool of valgrind, as a program's makers use it.
fn valgrind(program: &PathBuf, arguments: &[&str]) -> Command {
    let mut command = build::plain("valgrind".as_ref());
    command.args(["--quiet", "--fair-sched=yes", "--num-callers=40"]);
    command.arg(format!("--error-exitcode={FOUND}"));
    command.arg(format!("--suppressions={}", suppressions("valgrind.supp")));
    command.args(arguments).arg(program);
    command
}

fn sanitized(program: &Path) -> Command {
    let mut command = build::plain(program);
    let file = suppressions("tsan.supp");
    command.env("TSAN_OPTIONS", format!("exitcode={FOUND}:suppressions={file}"));
    command
}

#[test]
fn threads_with_a_small_stack_call_the_library() {
    let host = Host::new();
    for library in [Library::Shared, Library::Static] {
        let program = host.compile(library, &[&format!("-DSTACK={STACK}")]);
        host.run(build::plain(&program));
    }
}

#[test]
fn valgrind_finds_no_leak_whether_the_client_is_freed_or_not() {
    if !has_program("valgrind") {
        skipped("valgrind is missing");
        return;
    }
    let host = Host::new();
    for (library, options) in [(Library::Shared, &["-DLEAVE"][..]), (Library::Static, &[])] {
        let program = host.compile(library, options);
        host.run(valgrind(&program, &["--leak-check=full"]));
    }
}

#[test]
fn helgrind_finds_the_races_of_the_program_alone() {
    if !has_program("valgrind") {
        skipped("valgrind is missing");
        return;
    }
    let host = Host::new();
    let tool = ["--tool=helgrind"];
    let program = host.compile(Library::Static, &[]);
    host.run(valgrind(&program, &tool));
    host.finds(valgrind(&program, &tool), "data race");
}

#[test]
fn thread_sanitizer_finds_the_races_of_the_program_alone() {
    let host = Host::new();
    for library in [Library::Shared, Library::Static] {
        let program = host.compile(library, &["-fsanitize=thread"]);
        host.run(sanitized(&program));
        host.finds(sanitized(&program), "data race");
    }
}
