//! What steps need beyond Rust, a C compiler, make, perl, Python 3 and Debian's package manager.
//!
//! To add one: a `static` here, and its name in the step's `needs`. What it is for follows from the steps.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::python;
use crate::workspace::{Workspace, has_program};

/// libcurl's headers, for the build that links the system's libcurl.
pub(crate) static LIBCURL_HEADERS: Requirement = Requirement {
    name: "libcurl-headers",
    // 7.68 has the waker that the client's engine waits with.
    source: Source::Debian {
        packages: &["libcurl4-openssl-dev", "pkg-config"],
        probe: Probe::PkgConfig("libcurl >= 7.68.0"),
    },
};

/// The `curl` program, which the benchmarks compare with.
pub(crate) static CURL_PROGRAM: Requirement = Requirement {
    name: "curl",
    source: Source::Debian { packages: &["curl"], probe: Probe::Program("curl") },
};

/// A second C and C++ compiler, for the headers.
pub(crate) static CLANG: Requirement = Requirement {
    name: "clang",
    source: Source::Debian { packages: &["clang"], probe: Probe::Program("clang++") },
};

/// Finds errors and leaks in the C test programs.
pub(crate) static VALGRIND: Requirement = Requirement {
    name: "valgrind",
    source: Source::Debian { packages: &["valgrind"], probe: Probe::Program("valgrind") },
};

/// Builds the C and C++ examples through the package for cmake.
pub(crate) static CMAKE: Requirement = Requirement {
    name: "cmake",
    source: Source::Debian { packages: &["cmake"], probe: Probe::Program("cmake") },
};

/// Compares the C library's binary interface with that of the last release.
pub(crate) static ABIGAIL: Requirement = Requirement {
    name: "abidiff",
    source: Source::Debian { packages: &["abigail-tools"], probe: Probe::Program("abidiff") },
};

/// A C++ compiler, which builds libFuzzer.
pub(crate) static CXX_COMPILER: Requirement = Requirement {
    name: "c++",
    source: Source::Debian { packages: &["g++"], probe: Probe::Program("c++") },
};

/// `cargo fmt`.
pub(crate) static RUSTFMT: Requirement = Requirement {
    name: "rustfmt",
    source: Source::RustComponent { component: "rustfmt", command: "fmt" },
};

/// `cargo clippy`.
pub(crate) static CLIPPY: Requirement = Requirement {
    name: "clippy",
    source: Source::RustComponent { component: "clippy", command: "clippy" },
};

/// Python's modules for virtual environments, which Debian packages apart from Python.
static PYTHON_VENV: Requirement = Requirement {
    name: "python3-venv",
    source: Source::Debian {
        packages: &["python3-venv"],
        probe: Probe::PythonModules("venv, ensurepip"),
    },
};

/// What tests and checks the Python package, on the system's Python.
pub(crate) static PYTHON_TESTS: Requirement = Requirement {
    name: "python-tests",
    source: Source::PythonPackages { requirements: python::REQUIREMENTS, version: None },
};

/// The same on the newest Python that the package is tested with.
pub(crate) static PYTHON_TESTS_NEWEST: Requirement = Requirement {
    name: "python-tests-3.13",
    source: Source::PythonPackages { requirements: python::REQUIREMENTS, version: Some("3.13") },
};

/// What builds and checks the wheel.
pub(crate) static WHEEL_TOOLS: Requirement = Requirement {
    name: "wheel-tools",
    source: Source::PythonPackages {
        requirements: "bindings/python/wheel-requirements.txt",
        version: None,
    },
};

/// npm with Node.js, which also runs one of the type checkers of Python.
pub(crate) static NPM: Requirement = Requirement {
    name: "npm",
    source: Source::Debian { packages: &["nodejs", "npm"], probe: Probe::Program("npm") },
};

/// Dask, and what tests the example that uses it.
pub(crate) static FLEET_TESTS: Requirement = Requirement {
    name: "fleet-tests",
    source: Source::PythonPackages {
        requirements: "examples/python/requirements.txt",
        version: None,
    },
};

/// Compiles the example in Go.
pub(crate) static GO: Requirement = Requirement {
    name: "go",
    source: Source::Debian { packages: &["golang-go", "pkg-config"], probe: Probe::Program("go") },
};

/// The library through which the example in Node.js calls C.
pub(crate) static NODE_PACKAGES: Requirement =
    Requirement { name: "koffi", source: Source::NpmPackages { folder: "examples/node" } };

/// Compiles and runs the example in Java.
pub(crate) static JAVA: Requirement = Requirement {
    name: "java",
    source: Source::Debian { packages: &["default-jdk-headless"], probe: Probe::Program("javac") },
};

/// The library through which it calls C.
pub(crate) static JNA: Requirement = Requirement {
    name: "jna",
    source: Source::Debian {
        packages: &["libjna-java"],
        probe: Probe::File("/usr/share/java/jna.jar"),
    },
};

/// Compiles and runs the example in C#.
pub(crate) static MONO: Requirement = Requirement {
    name: "mono",
    source: Source::Debian {
        packages: &[
            "mono-mcs",
            "mono-runtime",
            "libmono-corlib4.5-cil",
            "libmono-system-core4.0-cil",
        ],
        probe: Probe::Program("mcs"),
    },
};

/// The servers that uploads go through in tests; their packages must not start services.
pub(crate) static SERVER_PROGRAMS: [&Requirement; 9] =
    [&NGINX, &HAPROXY, &SQUID, &MICROSOCKS, &OPENSSL, &APACHE, &KERBEROS, &GSSAPI, &NTLM];

static NGINX: Requirement = Requirement {
    name: "nginx",
    source: Source::Debian { packages: &["nginx"], probe: Probe::Program("nginx") },
};

static HAPROXY: Requirement = Requirement {
    name: "haproxy",
    source: Source::Debian { packages: &["haproxy"], probe: Probe::Program("haproxy") },
};

static SQUID: Requirement = Requirement {
    name: "squid",
    source: Source::Debian { packages: &["squid"], probe: Probe::Program("squid") },
};

/// A SOCKS5 proxy.
static MICROSOCKS: Requirement = Requirement {
    name: "microsocks",
    source: Source::Debian { packages: &["microsocks"], probe: Probe::Program("microsocks") },
};

static OPENSSL: Requirement = Requirement {
    name: "openssl",
    source: Source::Debian { packages: &["openssl"], probe: Probe::Program("openssl") },
};

/// Apache httpd, which can ask for Basic, Digest and Kerberos.
static APACHE: Requirement = Requirement {
    name: "apache2",
    source: Source::Debian {
        packages: &["apache2", "apache2-utils", "libapache2-mod-auth-gssapi"],
        probe: Probe::File("/usr/lib/apache2/modules/mod_auth_gssapi.so"),
    },
};

/// MIT Kerberos: a key distribution centre and the programs around it.
static KERBEROS: Requirement = Requirement {
    name: "krb5-kdc",
    source: Source::Debian {
        packages: &["krb5-kdc", "krb5-admin-server", "krb5-user"],
        probe: Probe::Programs(&["krb5kdc", "kadmin.local", "kinit"]),
    },
};

/// MIT Kerberos on a server's side, where channel bindings can be demanded.
static GSSAPI: Requirement = Requirement {
    name: "python3-gssapi",
    source: Source::Debian {
        packages: &["python3-gssapi", "python3-cryptography"],
        probe: Probe::Runs(&["/usr/bin/python3", "-c", "import cryptography, gssapi"]),
    },
};

/// NTLM and SPNEGO on a server's side.
static NTLM: Requirement = Requirement {
    name: "ntlm-server",
    source: Source::PythonPackages {
        requirements: "src/bitsup/tests/it/programs/ntlm-requirements.txt",
        version: None,
    },
};

/// Runs the example in Ruby, with the gem through which it calls C.
pub(crate) static RUBY_FFI: Requirement = Requirement {
    name: "ruby-ffi",
    source: Source::Debian {
        packages: &["ruby", "ruby-ffi"],
        probe: Probe::Runs(&["ruby", "-rffi", "-e", ""]),
    },
};

/// Runs the example in PHP.
pub(crate) static PHP: Requirement = Requirement {
    name: "php",
    source: Source::Debian {
        packages: &["php-cli"],
        probe: Probe::Runs(&["php", "-r", "exit(extension_loaded('FFI') ? 0 : 1);"]),
    },
};

/// Runs the example in Lua.
pub(crate) static LUAJIT: Requirement = Requirement {
    name: "luajit",
    source: Source::Debian { packages: &["luajit"], probe: Probe::Program("luajit") },
};

/// Something that a step needs and that can be installed.
#[derive(Debug)]
pub(crate) struct Requirement {
    /// How it is called in messages.
    pub(crate) name: &'static str,
    /// Where it comes from.
    pub(crate) source: Source,
}

/// Where a requirement comes from, and how one sees that it is there.
#[derive(Debug)]
pub(crate) enum Source {
    /// Packages of Debian. Other systems may have the same by another way, so the probe looks at the thing itself.
    Debian { packages: &'static [&'static str], probe: Probe },
    /// A component of the Rust toolchain, there when cargo has this command.
    RustComponent { component: &'static str, command: &'static str },
    /// A Python virtual environment `target/venv/<requirement's name>` with the pinned packages of a requirements
    /// file; of the `python3` in the search path, or of another version such as `3.13`.
    PythonPackages { requirements: &'static str, version: Option<&'static str> },
    /// The npm packages of a folder with a `package-lock.json`, installed beside it.
    NpmPackages { folder: &'static str },
}

/// How to see that something is there.
#[derive(Debug)]
pub(crate) enum Probe {
    /// A program in the search path.
    Program(&'static str),
    /// Several programs.
    Programs(&'static [&'static str]),
    /// A file.
    File(&'static str),
    /// A library with headers, as pkg-config knows it.
    PkgConfig(&'static str),
    /// A command that succeeds.
    Runs(&'static [&'static str]),
    /// Modules that `python3` can import.
    PythonModules(&'static str),
}

impl Requirement {
    /// What must be there before this can be installed.
    pub(crate) fn needs(&self) -> Option<&'static Requirement> {
        match self.source {
            Source::Debian { .. } | Source::RustComponent { .. } => None,
            Source::PythonPackages { .. } => Some(&PYTHON_VENV),
            Source::NpmPackages { .. } => Some(&NPM),
        }
    }

    /// Whether it is there.
    pub(crate) fn is_met(&self, workspace: &Workspace) -> bool {
        match &self.source {
            Source::Debian { probe, .. } => probe.succeeds(),
            Source::RustComponent { command, .. } => {
                succeeds(workspace.cargo().args([command, "--version"]))
            }
            Source::PythonPackages { requirements, .. } => {
                let installed = fs::read(self.installed_list(workspace));
                let wanted = fs::read(workspace.path(requirements));
                matches!((installed, wanted), (Ok(installed), Ok(wanted)) if installed == wanted)
            }
            Source::NpmPackages { folder } => {
                let modified = |name: &str| {
                    let path = workspace.path(folder).join(name);
                    path.metadata().and_then(|metadata| metadata.modified())
                };
                let installed = modified("node_modules/.package-lock.json");
                let wanted = modified("package-lock.json");
                matches!((installed, wanted), (Ok(installed), Ok(wanted)) if installed >= wanted)
            }
        }
    }

    /// What would be installed, for people.
    pub(crate) fn describe(&self) -> String {
        match &self.source {
            Source::Debian { packages, .. } => {
                format!("Debian packages {}", packages.join(" "))
            }
            Source::RustComponent { component, .. } => format!("Rust component {component}"),
            Source::PythonPackages { requirements, version } => {
                let version =
                    version.map_or_else(String::new, |version| format!(" of Python {version}"));
                format!("Python packages of {requirements} in a virtual environment{version}")
            }
            Source::NpmPackages { folder } => format!("npm packages of {folder}"),
        }
    }

    /// The virtual environment of a requirement of Python packages.
    pub(crate) fn environment(&self, workspace: &Workspace) -> PathBuf {
        workspace.target.join("venv").join(self.name)
    }

    /// The copy of the requirements file that says what the virtual environment has.
    pub(crate) fn installed_list(&self, workspace: &Workspace) -> PathBuf {
        self.environment(workspace).join("installed.txt")
    }
}

/// The requirements and what those need, each once, what is needed first.
pub(crate) fn closure(
    wanted: impl IntoIterator<Item = &'static Requirement>,
) -> Vec<&'static Requirement> {
    let mut all: Vec<&'static Requirement> = Vec::new();
    for requirement in wanted {
        for next in requirement.needs().into_iter().chain([requirement]) {
            if !all.iter().any(|known| known.name == next.name) {
                all.push(next);
            }
        }
    }
    all
}

impl Probe {
    fn succeeds(&self) -> bool {
        match self {
            Self::Program(name) => has_program(name),
            Self::Programs(names) => names.iter().all(|name| has_program(name)),
            Self::Runs(words) => words.split_first().is_some_and(|(program, arguments)| {
                succeeds(Command::new(program).args(arguments))
            }),
            Self::File(path) => Path::new(path).is_file(),
            Self::PkgConfig(library) => {
                succeeds(Command::new("pkg-config").args(["--exists", library]))
            }
            Self::PythonModules(modules) => {
                succeeds(Command::new("python3").args(["-c", &format!("import {modules}")]))
            }
        }
    }
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    static PACKAGES: Requirement = Requirement {
        name: "some-packages",
        source: Source::PythonPackages { requirements: "requirements.txt", version: None },
    };

    fn workspace_in(folder: &Path) -> Workspace {
        Workspace { root: folder.to_owned(), target: folder.join("target"), members: Vec::new() }
    }

    #[test]
    fn what_is_needed_comes_first_and_once() {
        let names: Vec<_> = closure([&PACKAGES, &LIBCURL_HEADERS, &PACKAGES])
            .iter()
            .map(|requirement| requirement.name)
            .collect();
        assert_eq!(names, ["python3-venv", "some-packages", "libcurl-headers"]);
    }

    #[test]
    fn an_environment_is_met_while_its_list_is_the_wanted_one() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let workspace = workspace_in(folder.path());
        fs::write(workspace.path("requirements.txt"), "pytest==1\n").expect("written");
        assert!(!PACKAGES.is_met(&workspace));

        fs::create_dir_all(PACKAGES.environment(&workspace)).expect("created");
        fs::write(PACKAGES.installed_list(&workspace), "pytest==1\n").expect("written");
        assert!(PACKAGES.is_met(&workspace));

        fs::write(workspace.path("requirements.txt"), "pytest==2\n").expect("written");
        assert!(!PACKAGES.is_met(&workspace));
    }

    #[test]
    fn npm_packages_are_met_when_installed_after_the_last_change_of_the_lock() {
        static NODE: Requirement =
            Requirement { name: "node-packages", source: Source::NpmPackages { folder: "node" } };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let workspace = workspace_in(folder.path());
        fs::create_dir_all(workspace.path("node/node_modules")).expect("created");
        fs::write(workspace.path("node/package-lock.json"), "{}").expect("written");
        assert!(!NODE.is_met(&workspace));
        fs::write(workspace.path("node/node_modules/.package-lock.json"), "{}").expect("written");
        assert!(NODE.is_met(&workspace));
        assert_eq!(NODE.needs().map(|needed| needed.name), Some("npm"));
    }

    #[test]
    fn a_probe_sees_what_is_missing() {
        assert!(Probe::Program("sh").succeeds());
        assert!(!Probe::Program("a-program-that-nobody-has").succeeds());
        assert!(Probe::Programs(&["sh", "cat"]).succeeds());
        assert!(!Probe::Programs(&["sh", "a-program-that-nobody-has"]).succeeds());
        assert!(Probe::File("/proc/self/stat").succeeds());
        assert!(!Probe::File("/a-file-that-nobody-has").succeeds());
        assert!(!Probe::PkgConfig("a-library-that-nobody-has").succeeds());
        assert!(!Probe::PythonModules("a_module_that_nobody_has").succeeds());
    }
}
