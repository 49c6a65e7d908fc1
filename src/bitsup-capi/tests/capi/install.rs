//! The examples, built from an installed prefix through pkg-config and cmake.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use bitsup_server::{Config, Server};

use crate::build;
use crate::support::{self, workspace};

const EXAMPLES: [&str; 5] = ["upload.c", "progress.c", "event_loop.c", "packets.c", "upload.cpp"];

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
        let output = support::succeed(command.arg("bitsup"));
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
fn examples_build_through_pkg_config_shared_and_static() {
    let installed = Installed::new(false);
    assert_eq!(installed.pkg_config(&["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    let options = fs::read_to_string(installed.prefix().join("share/bitsup/options.json"));
    assert!(options.expect("installed").contains("\"name\": \"ca_file\""));
    for fixed in [false, true] {
        let mut flags = installed.pkg_config(if fixed {
            &["--cflags", "--libs", "--static"]
        } else {
            &["--cflags", "--libs"]
        });
        if fixed {
            for flag in flags.iter_mut().filter(|flag| *flag == "-lbitsup") {
                "-l:libbitsup.a".clone_into(flag);
            }
        } else {
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
}

#[test]
fn examples_build_through_cmake_shared_and_static() {
    if !support::has_program("cmake") {
        support::skipped("cmake is missing");
        return;
    }
    // Below a DESTDIR, where the prefix that was given does not exist.
    let installed = Installed::new(true);
    let source = installed.folder.path().join("project");
    fs::create_dir(&source).expect("made");
    let mut project = "cmake_minimum_required(VERSION 3.13)\nproject(examples C CXX)\n\
        set(CMAKE_CXX_STANDARD 17)\nfind_package(bitsup 0.1 REQUIRED)\n"
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
    for fixed in ["OFF", "ON"] {
        let build = installed.folder.path().join(fixed);
        let mut command = Command::new("cmake");
        command.arg("-S").arg(&source).arg("-B").arg(&build);
        command.arg(format!("-DCMAKE_PREFIX_PATH={}", installed.prefix().display()));
        support::succeed(command.arg(format!("-Dbitsup_USE_STATIC_LIBS={fixed}")));
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
}
