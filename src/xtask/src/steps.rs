//! The steps of `cargo xtask test`. To add one: an entry in [`STEPS`].
//!
//! Every command of a step gets `BITSUP_RULES_DIR` and `BITSUP_SKIPS_DIR`, two empty folders of the step's own.
//! A test notes the protocol rules it showed in the first (lines `ID<TAB>test path<TAB>file`), and in the second
//! that a program it needs is missing (a line `test path<TAB>reason`); each process writes a file of its own.
//! Under `--no-skip`, as in CI, a skipped or ignored test is a failure: a long run belongs into a long step, with a
//! short form in one of the others. `docs/testing.md` has the budget of seconds.

use std::process::Command;

use crate::Result;
use crate::conformance;
use crate::examples;
use crate::fuzz;
use crate::python;
use crate::requirements::{
    CARGO_MUTANTS, FLEET_TESTS, LIBCURL_HEADERS, Name, PYTHON_TESTS, PYTHON_TESTS_NEWEST,
    SERVER_PROGRAMS, SITE, environment,
};
use crate::workspace::Workspace;

const C_LIBRARY: &str = "bitsup-capi";
/// Those of the C library's tests that need programs.
const C_PROGRAMS: &[Name] = &[LIBCURL_HEADERS, "clang", "valgrind", "cmake", "abidiff"];
/// Linkers that its tests link programs with.
const LINKERS: &[Name] = &["gold", "lld"];

/// All steps, in the order in which they run.
pub(crate) static STEPS: &[Step] = &[
    Step {
        uses: SERVER_PROGRAMS,
        ..Step::new(
            "system",
            "tests of the build with the system's libcurl",
            &[LIBCURL_HEADERS],
            Kind::Tests(system_tests),
        )
    },
    Step::new(
        "instructions",
        "small uploads take no more instructions than is written down: cargo xtask instructions",
        &[LIBCURL_HEADERS, "valgrind"],
        Kind::Check(|workspace| vec![xtask(workspace, &["instructions"])]),
    ),
    Step {
        uses: LINKERS,
        ..Step::new(
            "c",
            "tests of the C library: compilers, valgrind, examples, packaging",
            C_PROGRAMS,
            Kind::Tests(c_tests),
        )
    },
    Step::new(
        "c-address",
        "the C programs with AddressSanitizer in them and in the library",
        &[LIBCURL_HEADERS],
        Kind::Tests(|workspace| sanitized_tests(workspace, "address")),
    ),
    Step::new(
        "c-thread",
        "the C programs with ThreadSanitizer in them and in the library",
        &[LIBCURL_HEADERS],
        Kind::Tests(|workspace| sanitized_tests(workspace, "thread")),
    ),
    Step::new(
        "docs",
        "the Rust documentation and the documents' site build without a warning",
        &[LIBCURL_HEADERS, SITE],
        Kind::Check(documentation),
    ),
    Step {
        uses: examples::WANTS,
        ..Step::new(
            "examples",
            "the wrappers in other languages: cargo xtask examples",
            &[LIBCURL_HEADERS],
            Kind::Tests(|workspace| vec![xtask(workspace, &["examples"])]),
        )
    },
    Step::new(
        "python",
        "tests of the Python package",
        &[LIBCURL_HEADERS, PYTHON_TESTS],
        Kind::Tests(|workspace| python::tests(workspace, &environment(workspace, PYTHON_TESTS))),
    ),
    Step::new(
        "python-types",
        "three type checkers on the Python package, as the step before has installed it",
        &[PYTHON_TESTS, "npm"],
        Kind::Check(|workspace| {
            python::type_checks(workspace, &environment(workspace, PYTHON_TESTS))
        }),
    ),
    Step::new(
        "python-3.13",
        "those tests of the Python package that can differ between interpreters, on the newest",
        &[LIBCURL_HEADERS, PYTHON_TESTS_NEWEST],
        Kind::Tests(|workspace| {
            python::tests_of_interpreter(workspace, &environment(workspace, PYTHON_TESTS_NEWEST))
        }),
    ),
    Step::new(
        "fleet",
        "uploads by many workers, one of which is killed",
        &[LIBCURL_HEADERS, FLEET_TESTS],
        Kind::Tests(|workspace| {
            python::fleet_tests(workspace, &environment(workspace, FLEET_TESTS))
        }),
    ),
    Step {
        uses: SERVER_PROGRAMS,
        ..Step::new(
            "bundled",
            "what differs in the build with libcurl and OpenSSL from their crates' sources",
            &[],
            Kind::Tests(bundled_tests),
        )
    },
    // After the step that has built libcurl and OpenSSL.
    Step::new(
        "python-package",
        "the Python package from its folder and from its source distribution",
        &[PYTHON_TESTS],
        Kind::Tests(|workspace| {
            python::package_tests(workspace, &environment(workspace, PYTHON_TESTS))
        }),
    ),
    Step::new(
        "fuzz",
        "the same made-up inputs each time for each thing that reads a stranger's bytes",
        fuzz::NEEDS,
        Kind::Check(|workspace| vec![xtask(workspace, &["fuzz", "--short"])]),
    ),
    Step {
        uses: SERVER_PROGRAMS,
        ..Step::long(
            "bundled-all",
            "every test of tool, client, C library and Python module in the bundled build",
            C_PROGRAMS,
            Kind::Tests(|workspace| vec![bundled(workspace)]),
        )
    },
    Step {
        uses: SERVER_PROGRAMS,
        ..Step::long(
            "stress",
            "tests with sockets, threads and timers twenty times, with every core busy",
            &[LIBCURL_HEADERS, PYTHON_TESTS],
            Kind::Check(|workspace| vec![xtask(workspace, &["stress"])]),
        )
    },
    Step::long(
        "python-3.13-all",
        "every test of the Python package on the newest Python",
        &[LIBCURL_HEADERS, PYTHON_TESTS_NEWEST],
        Kind::Tests(|workspace| {
            python::tests(workspace, &environment(workspace, PYTHON_TESTS_NEWEST))
        }),
    ),
    Step::long(
        "python-newer",
        "tests of the Python package on Debian's next Python, libcurl and OpenSSL",
        &[LIBCURL_HEADERS, PYTHON_TESTS, "debootstrap"],
        Kind::Tests(|workspace| {
            python::tests_on_newer(workspace, &environment(workspace, PYTHON_TESTS))
        }),
    ),
    Step::long(
        "fuzz-long",
        "ten minutes of made-up inputs for each thing that reads a stranger's bytes",
        fuzz::NEEDS,
        Kind::Check(|workspace| vec![xtask(workspace, &["fuzz", "--seconds", "600"])]),
    ),
    Step::long(
        "simulate",
        "a million uploads in virtual time",
        &[],
        Kind::Check(|workspace| vec![xtask(workspace, &["simulate", "--seeds", "1000000"])]),
    ),
    Step::long(
        "chaos",
        "1,000 uploads with cut connections, 400 that are killed, 20,000 to random servers",
        &[LIBCURL_HEADERS],
        Kind::Check(|workspace| {
            ["soak", "kills", "servers"].map(|name| xtask(workspace, &[name])).into()
        }),
    ),
    Step::long(
        "mutants",
        "the code behind rules broken, by hand and by cargo-mutants, and each break seen by a test",
        &[LIBCURL_HEADERS, CARGO_MUTANTS],
        Kind::Check(|workspace| {
            [&["mutants"][..], &["mutants", "--generated"]]
                .map(|words| xtask(workspace, words))
                .into()
        }),
    ),
    Step::new(
        "conformance",
        "every protocol rule has a test",
        &[],
        Kind::Review(conformance::review),
    ),
];

/// One step of the tests.
#[derive(Debug)]
pub(crate) struct Step {
    /// Name for `--only` and for the summary.
    pub(crate) name: &'static str,
    /// What it shows.
    pub(crate) purpose: &'static str,
    /// What it cannot do without.
    pub(crate) needs: &'static [Name],
    /// What single tests of it use. One that is missing skips those tests, by name.
    pub(crate) uses: &'static [Name],
    /// Whether it runs under `--long` only.
    pub(crate) long: bool,
    /// What it does.
    pub(crate) kind: Kind,
}

impl Step {
    pub(crate) const fn new(
        name: &'static str,
        purpose: &'static str,
        needs: &'static [Name],
        kind: Kind,
    ) -> Self {
        Self { name, purpose, needs, uses: &[], long: false, kind }
    }

    const fn long(
        name: &'static str,
        purpose: &'static str,
        needs: &'static [Name],
        kind: Kind,
    ) -> Self {
        Self { name, purpose, needs, uses: &[], long: true, kind }
    }

    /// All that it wants installed.
    pub(crate) fn wants(&self) -> impl Iterator<Item = Name> {
        self.needs.iter().chain(self.uses).copied()
    }
}

/// What a step does. Commands run one after the other until one fails.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Runs tests and fails when none was executed.
    Tests(fn(&Workspace) -> Vec<Command>),
    /// Runs commands that say nothing about single tests.
    Check(fn(&Workspace) -> Vec<Command>),
    /// Looks at what the other steps left, so it makes sense after a complete run only.
    Review(fn(&Workspace) -> Result),
}

fn system_tests(workspace: &Workspace) -> Vec<Command> {
    let mut command = workspace.cargo();
    command.args(["test", "--workspace", "--no-default-features", "--no-fail-fast"]);
    command.args(["--exclude", C_LIBRARY]);
    vec![command]
}

/// With the features that the client has in the tests of other members, whose artefacts it shares.
fn c_library(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo();
    command.args(["test", "--package", C_LIBRARY, "--no-fail-fast"]);
    command.args(["--no-default-features", "--features", "ntlm,openssl"]);
    command
}

fn c_tests(workspace: &Workspace) -> Vec<Command> {
    vec![c_library(workspace)]
}

/// Those of the C tests that run programs; they build the library once more, in a folder of its own.
fn sanitized_tests(workspace: &Workspace, sanitizer: &str) -> Vec<Command> {
    let mut command = c_library(workspace);
    command.args(["--test", "capi", "--", "programs::", "arguments::", "panics::"]);
    command.env("BITSUP_SANITIZER", sanitizer);
    vec![command]
}

/// Names of tests whose result depends on which libcurl and which TLS library is linked: what goes over the wire,
/// TLS, proxies, logins, limits of a process, and a look at the tool.
const DIFFERS: &[&str] = &[
    "acks::",
    "addresses::",
    "basic_auth::",
    "cancel::",
    "commands::",
    "cores::",
    "doctor::",
    "features",
    "login",
    "memory::",
    "packets::",
    "process::",
    "programs::",
    "prox",
    "replies::",
    "security::",
    "timers::",
    "tls",
    "transport::",
    "upload::",
    "vendored",
    "version",
];

/// Only what differs between the two builds; the rest was tested with the system's libcurl. Of the C library that is
/// how it is linked and what it exports.
fn bundled_tests(workspace: &Workspace) -> Vec<Command> {
    let mut command = bundled(workspace);
    command.args(["--lib", "--test", "it", "--"]).args(DIFFERS);
    let mut library = bundled(workspace);
    library.args(["--test", "capi", "--"]);
    library.args(["install::", "symbols::", "programs::an_abrupt", "programs::example"]);
    // Where libcurl and OpenSSL are inside, others beside them matter; and libcurl's memory is the library's own.
    library.args(["static_library::", "programs::no_password"]);
    vec![command, library]
}

/// The members that pass the choice of libcurl on, always the same: with others cargo builds OpenSSL a second time.
fn bundled(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo();
    command.args(["test", "--no-fail-fast"]);
    for member in workspace.members.iter().filter(|member| member.has_bundled_feature) {
        command.args(["--package", &member.name]);
    }
    command
}

fn documentation(workspace: &Workspace) -> Vec<Command> {
    let mut command = workspace.cargo();
    command
        .args(["doc", "--workspace", "--no-deps", "--no-default-features"])
        .env("RUSTDOCFLAGS", "-D warnings");
    vec![command, xtask(workspace, &["docs"])]
}

/// Another command of this program.
fn xtask(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = workspace.cargo();
    command.args(["run", "--quiet", "--package", "xtask", "--"]).args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_reviews_come_last() {
        let names: BTreeSet<_> = STEPS.iter().map(|step| step.name).collect();
        assert_eq!(names.len(), STEPS.len());
        let first_review = STEPS
            .iter()
            .position(|step| matches!(step.kind, Kind::Review(_)))
            .expect("the conformance step is one");
        assert!(STEPS[first_review..].iter().all(|step| matches!(step.kind, Kind::Review(_))));
    }

    #[test]
    fn the_bundled_step_takes_the_members_that_differ() {
        let workspace = Workspace::find().expect("cargo metadata works in a checkout");
        let commands = bundled_tests(&workspace);
        let arguments: Vec<_> = commands[0]
            .get_args()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect();
        assert!(arguments.contains(&"bitsup".to_owned()));
        assert!(!arguments.contains(&"bitsup-proto".to_owned()));
        assert!(!arguments.contains(&"--no-default-features".to_owned()));
    }
}
