//! What the static library shows to a linker, and programs that have the same libraries as it has inside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bitsup_server::{Config, Server, TlsFiles};
use tempfile::TempDir;

use crate::build;
use crate::support::{self, capi, workspace};

/// What the static library needs beyond itself.
pub(crate) const PRIVATE: &[&str] = if cfg!(feature = "bundled") {
    &["-lpthread", "-lm", "-ldl"]
} else {
    &["-lcurl", "-lssl", "-lcrypto", "-lpthread", "-lm", "-ldl"]
};

/// An OpenSSL of the program's own, which is in the program.
const OWN_OPENSSL: [&str; 5] = ["-Wl,-Bstatic", "-lssl", "-lcrypto", "-Wl,-Bdynamic", "-ldl"];

/// A libcurl of its own.
const OWN_CURL: [&str; 1] = ["-lcurl"];

/// Linkers, compilers whose intermediate code they can link, and their Debian packages. lld comes with rustc too.
const LINKERS: [(&str, &str, &str); 3] =
    [("bfd", "cc", "binutils"), ("gold", "cc", "binutils-gold"), ("lld", "clang", "lld")];

/// Where a program's own libraries stand among the linker's arguments.
#[derive(Clone, Copy, Debug)]
enum Place {
    Before,
    After,
}

/// A folder with a program.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Compiles and links in one go.
    fn compile(&self, compiler: &str, name: &str, before: &[&str], after: &[&str]) -> PathBuf {
        let source = capi().join("tests/capi/programs").join(name);
        let program = self.path("program");
        let mut command = Command::new(compiler);
        let standard = if name.ends_with("pp") { "-std=c++17" } else { "-std=c11" };
        command.args(build::STRICT).arg(standard);
        command.arg("-I").arg(workspace().join("include")).arg("-O1").arg(source);
        command.args(before).arg(archive()).args(PRIVATE).args(after);
        // For the hook of faults.
        command.arg("-rdynamic").arg("-o").arg(&program);
        support::succeed(&mut command);
        program
    }

    /// A program with libraries of its own in that place.
    fn host(
        &self,
        compiler: &str,
        macros: &[&str],
        own: &[&str],
        place: Place,
        options: &[&str],
    ) -> PathBuf {
        let mut macros = macros.to_vec();
        // A static program has no function that is looked up by its name.
        if cfg!(debug_assertions) && !options.iter().any(|option| option.starts_with("-static")) {
            macros.push("-DFAULTS");
        }
        macros.extend(options);
        match place {
            Place::Before => self.compile(compiler, "host.c", &[&macros, own].concat(), &[]),
            // With static libraries an order matters, so the program's object asks for its own ones here.
            Place::After => self.compile(compiler, "host.c", &macros, own),
        }
    }

    /// Two other Rust libraries: as rustc makes them, and as ours is made.
    fn rust_libraries(&self) -> [String; 2] {
        ["plain", "localized"].map(|kind| {
            let file = self.path(&format!("lib{kind}.a"));
            let mut command = Command::new("rustc");
            command.args(["--edition", "2024", "--crate-type", "staticlib", "-Cpanic=unwind"]);
            command.args(["--check-cfg", "cfg(localized)", "--cfg", kind]);
            command.args(["--crate-name", kind, "-o"]).arg(&file);
            support::succeed(command.arg(capi().join("tests/capi/programs/other.rs")));
            if kind == "localized" {
                let mut command = Command::new(env!("CARGO"));
                command.args(["run", "--quiet", "--package", "xtask", "--", "localize"]);
                support::succeed(command.arg(&file).current_dir(workspace()));
            }
            file.to_str().expect("UTF-8").to_owned()
        })
    }

    /// Runs a program that uploads a file: by https where TLS is inside of the library.
    fn uploads(&self, program: &Path, more: &[&Path]) {
        let root = tempfile::tempdir().expect("root");
        let (cert, key) = (self.path("cert.pem"), self.path("key.pem"));
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
        let made = made.expect("a certificate");
        fs::write(&cert, made.cert.pem()).expect("written");
        fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        let tls = TlsFiles { cert: cert.clone(), key };
        let server = Server::start(Config {
            root: root.path().to_owned(),
            overwrite: true,
            tls: cfg!(feature = "bundled").then_some(tls),
            ..Config::default()
        });
        let server = server.expect("server");
        let file = self.path("source");
        let bytes: Vec<u8> =
            (0..300_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 9) as u8).collect();
        fs::write(&file, &bytes).expect("written");
        let mut command = build::plain(program);
        command.env("SSL_CERT_FILE", &cert).arg(server.url("/arrived")).arg(&file).args(more);
        let output = support::succeed(&mut command);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert!(fs::read(root.path().join("arrived")).expect("uploaded") == bytes);
    }
}

/// The library.
pub(crate) fn archive() -> PathBuf {
    build::library().join("libbitsup.a")
}

fn tell(command: &mut Command) -> String {
    let output = support::succeed(command.env("LC_ALL", "C"));
    String::from_utf8(output.stdout).expect("ASCII")
}

/// Combines linkers that are here, these options and the places of a program's own libraries. A linker that is missing is
/// noted.
fn cross(options: &[&[&str]], mut test: impl FnMut(&str, &[&str], Place)) {
    let root = tell(Command::new("rustc").args(["--print", "target-libdir"]));
    let with_rustc = Path::new(root.trim()).with_file_name("bin").join("gcc-ld");
    let folder = format!("-B{}", with_rustc.display());
    for (linker, compiler, package) in LINKERS {
        let program = format!("ld.{linker}");
        if !support::has_program(&program) && !with_rustc.join(&program).is_file() {
            support::skipped(&format!("{program} is missing (Debian package {package})"));
            continue;
        }
        if !support::has_program(compiler) {
            support::skipped(&format!("{compiler} is missing (Debian package {compiler})"));
            continue;
        }
        let choice = [&*format!("-fuse-ld={linker}"), &folder];
        for options in options.iter().filter(|options| links(linker, options)) {
            for place in [Place::Before, Place::After] {
                test(compiler, &[options, &choice[..]].concat(), place);
            }
        }
    }
}

/// Whether the linker can do it. gold has no static PIE. It fails where a plugin of a compiler is at work and an object has
/// more than 65,279 sections, as the library has without optimisation.
fn links(linker: &str, options: &[&str]) -> bool {
    let fails =
        |option: &&str| *option == "-static-pie" || *option == "-flto" && cfg!(debug_assertions);
    linker != "gold" || !options.iter().any(fails)
}

#[test]
fn the_static_library_shows_the_public_functions_and_nothing_else() {
    let shown =
        tell(Command::new("nm").args(["-g", "--defined-only", "--format=posix"]).arg(archive()));
    let mut names: Vec<&str> =
        shown.lines().filter_map(|line| line.split_once(' ')).map(|(name, _)| name).collect();
    // A line with the member's name.
    names.retain(|name| !name.contains("bitsup.o"));
    names.sort_unstable();
    assert_eq!(names, include_str!("../../symbols.txt").lines().collect::<Vec<_>>());
    // One of those is left out beside another library's group of the same name, and code that needs it breaks.
    let groups = tell(Command::new("readelf").arg("-gW").arg(archive()));
    assert!(groups.contains("no section groups"), "{groups}");
}

/// The standard library's keeps where the arguments are, OpenSSL's look at the processor and clean up: they change nothing that
/// others see.
#[test]
fn what_runs_before_main_and_after_it_is_known() {
    let sections = tell(Command::new("readelf").arg("-SW").arg(archive()));
    let is_run = |word: &&str| {
        [".init", ".fini", ".preinit", ".ctors", ".dtors"].iter().any(|of| word.starts_with(of))
    };
    let mut found: Vec<String> = Vec::new();
    for section in sections.split_whitespace().filter(is_run) {
        let entries = tell(Command::new("objdump").args(["-r", "-j", section]).arg(archive()));
        let entries = entries.lines().filter(|line| line.contains(" R_"));
        found.extend(entries.map(|line| {
            format!("{section} {}", line.split_whitespace().next_back().expect("one"))
        }));
    }
    found.sort_unstable();
    let known: &[(&str, &str)] = if cfg!(feature = "bundled") {
        &[
            (".fini_array ", "ossl_cleanup_destructor"),
            (".init ", "OPENSSL_cpuid_setup"),
            (".init_array.00099 ", "ARGV_INIT_ARRAY"),
        ]
    } else {
        &[(".init_array.00099 ", "ARGV_INIT_ARRAY")]
    };
    let is = |found: &String, (section, name): &(&str, &str)| {
        found.starts_with(section) && found.contains(name)
    };
    let all_are = found.iter().zip(known).all(|(found, known)| is(found, known));
    assert!(found.len() == known.len() && all_are, "{found:#?}");

    // The compiler adds one that does nothing here.
    let shared = build::library().join("libbitsup.so");
    let sections = tell(Command::new("readelf").arg("-SW").arg(shared));
    let array = sections.lines().find(|line| line.contains(" .init_array ")).expect("an array");
    assert!(array.contains(" 000010 08 "), "{array}");
}

/// The other build has none inside; the program with every linker has one there.
#[cfg(feature = "bundled")]
#[test]
fn a_program_has_an_openssl_of_its_own() {
    let bench = Bench::new();
    for place in [Place::Before, Place::After] {
        let program = bench.host("cc", &["-DOWN_OPENSSL"], &OWN_OPENSSL, place, &[]);
        bench.uploads(&program, &[]);
    }
}

/// The other build has none inside; the program with every linker has one there.
#[cfg(feature = "bundled")]
#[test]
fn a_program_has_a_libcurl_of_its_own_and_its_memory_functions() {
    let bench = Bench::new();
    for place in [Place::Before, Place::After] {
        let program = bench.host("cc", &["-DOWN_CURL"], &OWN_CURL, place, &[]);
        bench.uploads(&program, &[]);
    }
}

#[test]
fn a_program_has_other_rust_libraries_with_every_linker_and_option() {
    let bench = Bench::new();
    let [plain, localized] = bench.rust_libraries();
    let own = [&[&*plain, &*localized], &OWN_OPENSSL[..], &OWN_CURL[..]].concat();
    let macros = ["-DOWN_RUST", "-DOWN_OPENSSL", "-DOWN_CURL"];
    let options: [&[&str]; 3] =
        [&["-flto"], &["-ffunction-sections", "-Wl,--gc-sections"], &["-pie"]];
    cross(&options, |compiler, options, place| {
        let program = bench.host(compiler, &macros, &own, place, options);
        bench.uploads(&program, &[]);
    });
}

#[test]
fn a_plugin_has_the_library_and_its_program_an_openssl() {
    let bench = Bench::new();
    let (plugin, source) = (bench.path("plugin.so"), capi().join("tests/capi/programs/plugin.c"));
    let mut command = Command::new("cc");
    command.args(build::STRICT).args(["-shared", "-fPIC", "-Wl,-z,nodelete,-z,defs"]);
    command.arg("-I").arg(workspace().join("include")).arg(source).arg(archive());
    support::succeed(command.args(PRIVATE).arg("-o").arg(&plugin));
    let program = bench.compile("cc", "loader.c", &OWN_OPENSSL, &[]);
    bench.uploads(&program, &[&plugin]);
}

/// There is no static libcurl that all systems have.
#[cfg(feature = "bundled")]
#[test]
fn a_program_is_linked_statically_alone() {
    let bench = Bench::new();
    let own = ["-lssl", "-lcrypto"];
    cross(&[&["-static-pie"], &["-static"]], |compiler, options, place| {
        let program = bench.host(compiler, &["-DOWN_OPENSSL"], &own, place, options);
        bench.uploads(&program, &[]);
    });
}

#[test]
fn exceptions_of_the_program_pass_through_its_frames() {
    let bench = Bench::new();
    let program = bench.compile("c++", "exceptions.cpp", &[], &[]);
    bench.uploads(&program, &[]);
}
