//! Builds the library and programs, and runs them: plainly and under valgrind, or, where
//! `BITSUP_SANITIZER` says so, with a sanitizer in both.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{abi, capi, has_program, skipped, succeed, workspace};

/// Warnings that the header and the C and C++ code of this project do without.
pub(crate) const STRICT: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// How a program ends in which valgrind or a sanitizer found something.
pub(crate) const FOUND: i32 = 99;

/// What finds errors in library and programs while they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finder {
    /// valgrind, without another build.
    Valgrind,
    /// The sanitizer for addresses, with that for leaks.
    Address,
    /// The one for threads.
    Thread,
}

impl Finder {
    /// What `BITSUP_SANITIZER` asks for.
    pub(crate) fn chosen() -> Self {
        match std::env::var("BITSUP_SANITIZER").as_deref() {
            Err(_) | Ok("") => Self::Valgrind,
            Ok("address") => Self::Address,
            Ok("thread") => Self::Thread,
            Ok(other) => panic!("BITSUP_SANITIZER is {other}: address and thread are known"),
        }
    }

    /// The name of a sanitizer, as compilers know it.
    fn sanitizer(self) -> Option<&'static str> {
        match self {
            Self::Valgrind => None,
            Self::Address => Some("address"),
            Self::Thread => Some("thread"),
        }
    }

    /// The compiler's own library for it, which fits the code that the compiler makes.
    fn runtime(self) -> Option<PathBuf> {
        let name = match self {
            Self::Valgrind => return None,
            Self::Address => "librustc-stable_rt.asan.a",
            Self::Thread => "librustc-stable_rt.tsan.a",
        };
        let folder = tell(Command::new("rustc").args(["--print", "target-libdir"]));
        Some(Path::new(folder.trim()).join(name))
    }
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
    let mut built = test.ancestors().nth(2).expect("three folders").to_owned();
    let profile = built.file_name().and_then(|name| name.to_str()).expect("a profile's name");
    let mut target = built.parent().expect("the target folder").to_owned();
    let mut command = Command::new(env!("CARGO"));
    // A crate of types cdylib and staticlib is not built for its tests.
    command.args(["rustc", "--quiet", "--package", "bitsup-capi", "--lib"]);
    if profile != "debug" {
        command.args(["--profile", profile]);
    }
    let mut name = "capi".to_owned();
    if let Some(sanitizer) = Finder::chosen().sanitizer() {
        name = format!("capi-{sanitizer}");
        // No program uses NTLM, which half of all crates are for.
        command.args(["--no-default-features", "--features", "openssl"]);
        let host = host();
        // One folder for all of them, which share what runs while they are built.
        target = target.join("sanitizers");
        built = target.join(&host).join(profile);
        // With `--target` the options are for the library alone, not for build scripts.
        command.args(["--target", &host]).env("RUSTFLAGS", sanitizer_flags(sanitizer));
        // The stable compiler has the sanitizers, and this lets it use them.
        command.env("RUSTC_BOOTSTRAP", "1");
    } else if !cfg!(feature = "bundled") {
        command.args(["--no-default-features", "--features", "ntlm,openssl"]);
    }
    let folder = built.join(name);
    fs::create_dir_all(&folder).expect("the folder can be made");
    command.arg("--target-dir").arg(&target).current_dir(workspace());
    match Finder::chosen() {
        Finder::Thread => command.arg("--").args(annotations(&folder)),
        Finder::Address => &mut command,
        // As `cargo xtask install` asks for it: with other arguments each would build the library anew.
        Finder::Valgrind => {
            command.args(["--color", "never", "--", "--print", "native-static-libs"])
        }
    };
    succeed(&mut command);
    let soname = format!("libbitsup.so.{}", abi());
    if has_sanitizer() {
        // Its functions are in both, and the program's.
        link(&built.join("libbitsup.so"), &folder.join("libbitsup.so"));
        link(&built.join("libbitsup.a"), &folder.join("libbitsup.a"));
    } else {
        localize(&built, &folder, &target);
    }
    link(Path::new("libbitsup.so"), &folder.join(soname));
    folder
}

fn link(target: &Path, path: &Path) {
    match symlink(target, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            panic!("{}: {error}", path.display())
        }
        _ => {}
    }
}

/// Makes the libraries that are installed of those that rustc wrote, unless that was done.
fn localize(built: &Path, folder: &Path, target: &Path) {
    let written = |path: &Path| path.symlink_metadata().and_then(|of| of.modified()).ok();
    let [from, to] = [built, folder].map(|folder| folder.join("libbitsup.a"));
    let by = workspace().join("src/xtask/src/localize.sh");
    if written(&to) > written(&from).max(written(&by)) {
        return;
    }
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--package", "xtask", "--target-dir"]).arg(target);
    command.args(["--", "localize", "--strip"]).arg(from);
    command.arg("--shared").arg(built.join("libbitsup.so"));
    command.arg("--shared-output").arg(folder.join("libbitsup.so"));
    // Last, since it is what tells that both are there.
    succeed(command.arg("--output").arg(to).current_dir(workspace()));
}

/// Whether the programs and the library are built with one.
pub(crate) fn has_sanitizer() -> bool {
    Finder::chosen().sanitizer().is_some()
}

/// The standard library is the compiled one, without a sanitizer: the compiler must be told that
/// this is meant.
fn sanitizer_flags(sanitizer: &str) -> String {
    format!("-Zsanitizer={sanitizer} -Cunsafe-allow-abi-mismatch=sanitizer")
}

/// Functions of the standard library that lock and unlock, by parts of their names in it.
const LOCKING: [(&str, &str, &str); 4] = [
    ("LOCK", "5mutex5futex", "5Mutex14lock_contended"),
    ("WAIT", "7condvar5futex", "7Condvar4wait"),
    ("WAIT_TIMEOUT", "7condvar5futex", "7Condvar12wait_timeout"),
    ("ONCE", "4once5futex", "4Once4call"),
];

/// Compiles what tells the sanitizer about them; the compiler's arguments to link it.
fn annotations(folder: &Path) -> Vec<String> {
    let libraries = tell(Command::new("rustc").args(["--print", "target-libdir"]));
    let standard = fs::read_dir(libraries.trim())
        .expect("the compiler has libraries")
        .map(|entry| entry.expect("readable").path())
        .find(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("libstd-") && path.extension().is_some_and(|kind| kind == "rlib")
        });
    let symbols =
        tell(Command::new("readelf").arg("-sW").arg(standard.expect("the standard library")));
    let object = folder.join("annotations.o");
    let source = capi().join("tests/capi/programs/annotations.c");
    let mut command = Command::new("cc");
    command.args(["-std=c11", "-O1", "-fPIC", "-c"]).arg(source).arg("-o").arg(&object);
    let mut arguments = vec![format!("-Clink-arg={}", object.display())];
    for (macro_name, module, function) in LOCKING {
        let symbol = symbols
            .split_whitespace()
            .find(|word| {
                word.starts_with("_R") && word.contains(module) && word.ends_with(function)
            })
            .unwrap_or_else(|| panic!("this compiler's library has no {function}"));
        command.arg(format!("-D{macro_name}=\"{symbol}\""));
        arguments.push(format!("-Clink-arg=-Wl,--wrap={symbol}"));
    }
    succeed(&mut command);
    arguments
}

/// The name of the system that the compiler runs on.
fn host() -> String {
    let text = tell(Command::new("rustc").arg("-vV"));
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").to_owned()
}

fn tell(command: &mut Command) -> String {
    String::from_utf8(succeed(command.current_dir(workspace())).stdout).expect("UTF-8")
}

/// Compiles a program of one file and links it with the library; C or C++ by the file's name.
pub(crate) fn compile(source: &Path, program: &Path, options: &[&str]) {
    let finder = Finder::chosen();
    let plus = source.extension().is_some_and(|extension| extension == "cpp");
    let compiler = if plus { "c++" } else { "cc" };
    let object = program.with_extension("o");
    let mut command = Command::new(compiler);
    command
        .arg(if plus { "-std=c++17" } else { "-std=c11" })
        .args(STRICT)
        .args(["-g1", "-O1", "-pthread", "-c"])
        .args(options.iter().filter(|option| !option.starts_with("-l")))
        .args(finder.sanitizer().map(|name| format!("-fsanitize={name}")))
        .arg("-I")
        .arg(workspace().join("include"))
        .arg(source)
        .arg("-o")
        .arg(&object);
    succeed(&mut command);
    let mut command = Command::new(compiler);
    command.args(["-pthread", "-rdynamic"]).arg(object).arg("-o").arg(program);
    if let Some(runtime) = finder.runtime() {
        command.arg("-Wl,--whole-archive").arg(runtime).arg("-Wl,--no-whole-archive");
        command.args(["-lm", "-ldl", "-lrt", "-lresolv"]);
    }
    command.arg("-L").arg(library()).arg("-lbitsup");
    command.args(options.iter().filter(|option| option.starts_with("-l")));
    succeed(command.arg(format!("-Wl,-rpath,{}", library().display())));
}

/// A command that runs the program and ends it if it hangs.
pub(crate) fn plain(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg("600").arg(program);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/capi/thread-suppressions.txt");
    command
        .env("ASAN_OPTIONS", format!("exitcode={FOUND}"))
        .env("LSAN_OPTIONS", format!("exitcode={FOUND}"))
        .env(
            "TSAN_OPTIONS",
            format!("exitcode={FOUND}:die_after_fork=0:suppressions={}", file.display()),
        );
    command
}

/// The same with what finds errors and leaks, which must find nothing; plainly, with a note, where
/// there is no valgrind.
pub(crate) fn checked(program: &Path) -> Command {
    if Finder::chosen() != Finder::Valgrind {
        return plain(program);
    }
    if !has_program("valgrind") {
        skipped("valgrind is missing");
        return plain(program);
    }
    let mut command = plain(Path::new("valgrind"));
    command
        .arg(format!("--error-exitcode={FOUND}"))
        .args(["--quiet", "--fair-sched=yes", "--num-callers=40"])
        .args(["--leak-check=full", "--show-leak-kinds=definite,indirect"])
        .arg("--errors-for-leak-kinds=definite,indirect")
        .arg(program);
    command
}
