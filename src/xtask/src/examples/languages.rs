//! The languages: their programs, and what these need.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::scenarios::Stage;
use crate::requirements::Name;

/// One language.
pub(crate) struct Language {
    /// On the command line and in results.
    pub(crate) name: &'static str,
    /// Its folder in the workspace.
    pub(crate) folder: &'static str,
    /// The wrapper in it.
    pub(crate) wrapper: &'static str,
    /// Whether it wraps all that the scenarios show, or is a probe: upload, progress and errors.
    pub(crate) full: bool,
    /// What it cannot do without.
    pub(crate) needs: &'static [Name],
    /// Builds its programs into the folder that is given.
    pub(crate) build: fn(&Stage, &Path) -> Vec<Command>,
    /// Runs one of them, `check` or `upload`; arguments follow.
    pub(crate) program: fn(&Stage, &Path, &str) -> Command,
}

/// The names, for the command line.
pub(crate) const NAMES: [&str; 8] = ["go", "node", "java", "csharp", "ruby", "php", "lua", "perl"];

/// What they need, each of them for itself alone.
pub(crate) const WANTS: &[Name] =
    &["go", "koffi", "java", "jna", "mono", "ruby-ffi", "php", "luajit", "platypus"];

/// All languages, in the order in which they run.
pub(crate) static LANGUAGES: [Language; 8] = [
    Language {
        name: "go",
        folder: "examples/go",
        wrapper: "bitsup.go",
        full: true,
        needs: &["go"],
        build: |stage, place| {
            let mut command = Command::new("go");
            command.current_dir(stage.root.join("examples/go")).arg("build").arg("-o").arg(place);
            command.args(["./upload", "./check"]);
            // Neither looks for newer toolchains and modules nor leaves anything in the home folder.
            command.env("GOFLAGS", "-mod=mod").env("GOPROXY", "off").env("GOTOOLCHAIN", "local");
            command.env("GOCACHE", stage.folder.join("go-cache"));
            vec![command]
        },
        program: |_, place, name| Command::new(place.join(name)),
    },
    Language {
        name: "node",
        folder: "examples/node",
        wrapper: "bitsup.js",
        full: true,
        needs: &["koffi"],
        build: |_, _| vec![],
        program: |stage, _, name| {
            let mut command = Command::new("node");
            command.arg("--expose-gc").arg(script(stage, "examples/node", name, "js"));
            command
        },
    },
    Language {
        name: "java",
        folder: "examples/java",
        wrapper: "Bitsup.java",
        full: true,
        needs: &["java", "jna"],
        build: |stage, place| {
            let folder = stage.root.join("examples/java");
            let mut command = Command::new("javac");
            command.args(["-Xlint:all", "-Werror", "-cp", JNA_JAR, "-d"]).arg(place);
            for file in ["Bitsup.java", "Upload.java", "Check.java"] {
                command.arg(folder.join(file));
            }
            vec![command]
        },
        program: |_, place, name| {
            let mut command = Command::new("java");
            // A heap that is small and whole from the start, and the simple compiler, so that memory that grows is
            // not the virtual machine's.
            command.args(["-Xms32m", "-Xmx32m", "-XX:+AlwaysPreTouch", "-XX:+UseSerialGC"]);
            command.args(["-XX:TieredStopAtLevel=1", "-cp"]);
            command.arg(format!("{JNA_JAR}:{}", place.display()));
            command.arg(if name == "check" { "Check" } else { "Upload" });
            command
        },
    },
    Language {
        name: "csharp",
        folder: "examples/csharp",
        wrapper: "Bitsup.cs",
        full: true,
        needs: &["mono"],
        build: |stage, place| {
            let folder = stage.root.join("examples/csharp");
            let compile = |source: &str, program: &str| {
                let mut command = Command::new("mcs");
                command.args(["-langversion:7", "-warnaserror"]);
                command.arg(format!("-out:{}", place.join(program).display()));
                command.arg(folder.join("Bitsup.cs")).arg(folder.join(source));
                command
            };
            vec![compile("Check.cs", "check.exe"), compile("Upload.cs", "upload.exe")]
        },
        program: |_, place, name| {
            let mut command = Command::new("mono");
            command.arg(place.join(name).with_extension("exe"));
            command
        },
    },
    Language {
        name: "ruby",
        folder: "examples/ruby",
        wrapper: "bitsup.rb",
        full: false,
        needs: &["ruby-ffi"],
        build: |_, _| vec![],
        program: |stage, _, name| {
            let mut command = Command::new("ruby");
            command.arg(script(stage, "examples/ruby", name, "rb"));
            command
        },
    },
    Language {
        name: "php",
        folder: "examples/php",
        wrapper: "bitsup.php",
        full: false,
        needs: &["php"],
        build: |_, _| vec![],
        program: |stage, _, name| {
            let mut command = Command::new("php");
            command.args(["-d", "ffi.enable=1"]).arg(script(stage, "examples/php", name, "php"));
            command
        },
    },
    Language {
        name: "lua",
        folder: "examples/lua",
        wrapper: "bitsup.lua",
        full: false,
        needs: &["luajit"],
        build: |_, _| vec![],
        program: |stage, _, name| {
            let mut command = Command::new("luajit");
            command.arg(script(stage, "examples/lua", name, "lua"));
            command
        },
    },
    Language {
        name: "perl",
        folder: "examples/perl",
        wrapper: "Bitsup.pm",
        full: false,
        needs: &["platypus"],
        build: |_, _| vec![],
        program: |stage, _, name| {
            let mut command = Command::new("perl");
            command.arg(script(stage, "examples/perl", name, "pl"));
            command
        },
    },
];

/// Where Debian has it.
const JNA_JAR: &str = "/usr/share/java/jna.jar";

/// The file of a program that needs no compiler.
fn script(stage: &Stage, folder: &str, name: &str, extension: &str) -> PathBuf {
    stage.root.join(folder).join(name).with_extension(extension)
}
