//! The examples, built from an installed prefix through pkg-config and cmake.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use bitsup_server::{Config, Server};

use crate::build;
use crate::support::{self, workspace};

/// One for each compiler: `programs` runs all of them.
const EXAMPLES: [&str; 2] = ["upload.c", "upload.cpp"];

/// An installed library in a folder that ends with this.
struct Installed {
    folder: tempfile::TempDir,
}

impl Installed {
    fn new(destdir: bool) -> Self {
        // Builds with other options write the same file.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("folder");
        let mut command = Command::new(env!("CARGO"));
        command.args(["run", "--quiet", "--package", "xtask", "--", "install"]);
        if destdir {
            command.args(["--prefix", "/opt/bitsup", "--destdir"]).arg(folder.path());
        } else {
            command.arg("--prefix").arg(folder.path().join("opt/bitsup"));
        }
        if !cfg!(feature = "bundled") {
            command.arg("--system-libcurl");
        }
        let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
        support::succeed(command.args(["--profile", profile]).current_dir(workspace()));
        Self { folder }
    }

    fn prefix(&self) -> PathBuf {
        self.folder.path().join("opt/bitsup")
    }

    /// What pkg-config says, as arguments.
    fn pkg_config(&self, arguments: &[&str]) -> Vec<String> {
        let mut command = Command::new("pkg-config");
        command.env("PKG_CONFIG_PATH", self.prefix().join("lib/pkgconfig")).args(arguments);
        let output = support::succeed(&mut command);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.split_whitespace().map(str::to_owned).collect()
    }
}

/// The program in that folder uploads a file, or sends its packets.
fn runs(program: &Path) {
    let root = tempfile::tempdir().expect("root");
    let config = Config { root: root.path().to_owned(), overwrite: true, ..Config::default() };
    let server = Server::start(config).expect("server");
    let file = root.path().join("source");
    fs::write(&file, "installed").expect("written");
    let mut command = build::plain(program);
    let name = program.file_name().and_then(|name| name.to_str()).expect("a name");
    let arrived = match name {
        "packets" => {
            command.arg(server.url("/two.txt"));
            "two.txt"
        }
        "event_loop" => {
            fs::create_dir(root.path().join("in")).expect("made");
            command.arg(server.url("/in/")).arg(&file);
            "in/source"
        }
        _ => {
            command.arg(&file).arg(server.url("/arrived"));
            "arrived"
        }
    };
    support::succeed(&mut command);
    assert!(fs::metadata(root.path().join(arrived)).expect("uploaded").len() > 8, "{name}");
}

#[test]
fn pkg_config_builds_examples_shared_and_static() {
    let installed = Installed::new(false);
    assert_eq!(installed.pkg_config(&["--modversion", "bitsup"]), [env!("CARGO_PKG_VERSION")]);
    for name in ["valgrind.supp", "tsan.supp"] {
        assert!(installed.prefix().join("share/bitsup").join(name).is_file(), "{name}");
    }
    let options = fs::read_to_string(installed.prefix().join("share/bitsup/options.json"));
    assert!(options.expect("installed").contains("\"name\": \"ca_file\""));
    for fixed in [false, true] {
        let package = if fixed { "bitsup-static" } else { "bitsup" };
        let mut flags = installed.pkg_config(&["--cflags", "--libs", package]);
        if !fixed {
            flags.push(format!("-Wl,-rpath,{}", installed.prefix().join("lib").display()));
        }
        for example in EXAMPLES {
            let program =
                installed.folder.path().join(Path::new(example).file_stem().expect("one"));
            let compiler = if example.ends_with("pp") { "c++" } else { "cc" };
            let mut command = Command::new(compiler);
            command.args(build::STRICT).arg(workspace().join("examples").join(example));
            support::succeed(command.arg("-o").arg(&program).args(&flags));
            runs(&program);
        }
    }
    // There is no static libcurl that all systems have.
    let alone = if cfg!(feature = "bundled") { &["-static", "-static-pie"][..] } else { &[] };
    for kind in alone {
        for package in ["bitsup", "bitsup-static"] {
            let program = installed.folder.path().join("upload");
            let mut command = Command::new("cc");
            command.arg(kind).arg(workspace().join("examples/upload.c")).arg("-o").arg(&program);
            let flags = ["--static", "--cflags", "--libs", package];
            support::succeed(command.args(installed.pkg_config(&flags)));
            runs(&program);
        }
    }
}

#[test]
fn cmake_builds_examples_shared_and_static_and_finds_what_fits() {
    if !support::has_program("cmake") {
        support::skipped("cmake is missing");
        return;
    }
    // Below a DESTDIR, where the prefix that was given does not exist.
    let installed = Installed::new(true);
    let source = installed.folder.path().join("project");
    fs::create_dir(&source).expect("made");
    let mut project = "cmake_minimum_required(VERSION 3.13)\nproject(examples C CXX)\n\
        set(CMAKE_CXX_STANDARD 17)\nfind_package(bitsup 0.1 REQUIRED COMPONENTS ${COMPONENT})\n"
        .to_owned();
    for example in EXAMPLES {
        let path = workspace().join("examples").join(example);
        let name = example.replace('.', "_");
        let lines = [
            format!("add_executable({name} {})\n", path.display()),
            format!("target_link_libraries({name} bitsup::bitsup)\n"),
        ];
        project.extend(lines);
    }
    fs::write(source.join("CMakeLists.txt"), project).expect("written");
    for component in ["shared", "static"] {
        let build = installed.folder.path().join(component);
        let mut command = Command::new("cmake");
        command.arg("-S").arg(&source).arg("-B").arg(&build);
        command.arg(format!("-DCMAKE_PREFIX_PATH={}", installed.prefix().display()));
        support::succeed(command.arg(format!("-DCOMPONENT={component}")));
        support::succeed(Command::new("cmake").arg("--build").arg(&build));
        for example in EXAMPLES {
            let built = build.join(example.replace('.', "_"));
            let folder = build.join(if example.ends_with("pp") { "cpp" } else { "c" });
            fs::create_dir_all(&folder).expect("made");
            let program = folder.join(Path::new(example).file_stem().expect("one"));
            fs::rename(built, &program).expect("moved");
            runs(&program);
        }
    }
    finds_what_fits(&installed);
}

/// `cmake` finds versions that fit, and components that are there; the static library goes away for that.
fn finds_what_fits(installed: &Installed) {
    let lib = installed.prefix().join("lib/libbitsup.a");
    fs::rename(&lib, lib.with_extension("away")).expect("renamed");
    let source = installed.folder.path().join("versions");
    fs::create_dir(&source).expect("made");
    let mut project = "cmake_minimum_required(VERSION 3.19)\nproject(versions C)\n".to_owned();
    let wanted = [
        ("", true),
        ("0.1", true),
        ("0.1.0 EXACT", true),
        ("0.1...<0.2", true),
        ("0.0.9...0.1", true),
        ("0.0...<0.1", false),
        ("0.1.1", false),
        ("0.0", false),
        ("0.2", false),
        ("1", false),
        ("0.1 COMPONENTS shared", true),
        ("0.1 COMPONENTS static", false),
        ("0.1 COMPONENTS shared OPTIONAL_COMPONENTS static", true),
        ("0.1 COMPONENTS other", false),
    ];
    for (arguments, found) in wanted {
        let check = if found { "NOT bitsup_FOUND" } else { "bitsup_FOUND" };
        project.extend([
            format!("find_package(bitsup {arguments} QUIET)\n"),
            format!("if({check})\n  message(SEND_ERROR \"{arguments}\")\nendif()\n"),
        ]);
    }
    fs::write(source.join("CMakeLists.txt"), project).expect("written");
    let mut command = Command::new("cmake");
    command.arg("-S").arg(&source).arg("-B").arg(installed.folder.path().join("versions-build"));
    command.arg(format!("-DCMAKE_PREFIX_PATH={}", installed.prefix().display()));
    support::succeed(&mut command);
}
