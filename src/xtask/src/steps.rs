//! The steps of `cargo xtask test`. To add one: an entry in [`STEPS`].
//!
//! Every command of a step gets `BITSUP_RULES_DIR` and `BITSUP_SKIPS_DIR`, two empty folders of the step's own.
//! A test notes the protocol rules it showed in the first (lines `ID<TAB>test path<TAB>file`), and in the second
//! that a program it needs is missing (a line `test path<TAB>reason`); each process writes a file of its own.
//! Under `--no-skip`, as in CI, a skipped or ignored test is a failure: a long run belongs into a command of its
//! own, with a short form here.

use std::process::Command;

use crate::Result;
use crate::conformance;
use crate::examples;
use crate::fuzz;
use crate::python;
use crate::requirements::{
    ABIGAIL, CLANG, CMAKE, FLEET_TESTS, LIBCURL_HEADERS, NPM, PYTHON_TESTS, PYTHON_TESTS_NEWEST,
    Requirement, SERVER_PROGRAMS, VALGRIND,
};
use crate::workspace::Workspace;

const C_LIBRARY: &str = "bitsup-capi";

/// All steps, in the order in which they run.
pub(crate) static STEPS: &[Step] = &[
    Step {
        name: "system",
        purpose: "tests of the build with the system's libcurl",
        needs: &[&LIBCURL_HEADERS],
        uses: &SERVER_PROGRAMS,
        kind: Kind::Tests(system_tests),
    },
    Step {
        name: "c",
        purpose: "tests of the C library: compilers, valgrind, examples, packaging",
        needs: &[&LIBCURL_HEADERS, &CLANG, &VALGRIND, &CMAKE, &ABIGAIL],
        uses: &[],
        kind: Kind::Tests(c_tests),
    },
    Step {
        name: "c-address",
        purpose: "the C programs with AddressSanitizer in them and in the library",
        needs: &[&LIBCURL_HEADERS],
        uses: &[],
        kind: Kind::Tests(|workspace| sanitized_tests(workspace, "address")),
    },
    Step {
        name: "c-thread",
        purpose: "the C programs with ThreadSanitizer in them and in the library",
        needs: &[&LIBCURL_HEADERS],
        uses: &[],
        kind: Kind::Tests(|workspace| sanitized_tests(workspace, "thread")),
    },
    Step {
        name: "docs",
        purpose: "the Rust documentation builds without a warning",
        needs: &[&LIBCURL_HEADERS],
        uses: &[],
        kind: Kind::Check(documentation),
    },
    Step {
        name: "examples",
        purpose: "the wrappers in other languages: cargo xtask examples",
        needs: &[&LIBCURL_HEADERS],
        uses: &examples::WANTS,
        kind: Kind::Tests(example_tests),
    },
    Step {
        name: "python",
        purpose: "tests and types of the Python package",
        needs: &[&LIBCURL_HEADERS, &PYTHON_TESTS, &NPM],
        uses: &[],
        kind: Kind::Tests(|workspace| {
            python::tests(workspace, &PYTHON_TESTS.environment(workspace))
        }),
    },
    Step {
        name: "python-3.13",
        purpose: "the same on the newest Python",
        needs: &[&LIBCURL_HEADERS, &PYTHON_TESTS_NEWEST, &NPM],
        uses: &[],
        kind: Kind::Tests(|workspace| {
            python::tests(workspace, &PYTHON_TESTS_NEWEST.environment(workspace))
        }),
    },
    Step {
        name: "fleet",
        purpose: "uploads by many workers, one of which is killed",
        needs: &[&LIBCURL_HEADERS, &FLEET_TESTS],
        uses: &[],
        kind: Kind::Tests(|workspace| {
            python::fleet_tests(workspace, &FLEET_TESTS.environment(workspace))
        }),
    },
    Step {
        name: "bundled",
        purpose: "tests of the build with libcurl and OpenSSL from their crates' sources",
        needs: &[],
        uses: &SERVER_PROGRAMS,
        kind: Kind::Tests(bundled_tests),
    },
    // After the step that has built libcurl and OpenSSL.
    Step {
        name: "python-package",
        purpose: "the Python package from its folder and from its source distribution",
        needs: &[&PYTHON_TESTS],
        uses: &[],
        kind: Kind::Tests(|workspace| {
            python::package_tests(workspace, &PYTHON_TESTS.environment(workspace))
        }),
    },
    Step {
        name: "fuzz",
        purpose: "a minute of made-up inputs for each thing that reads a stranger's bytes",
        needs: &fuzz::NEEDS,
        uses: &[],
        kind: Kind::Check(fuzzing),
    },
    Step {
        name: "conformance",
        purpose: "every protocol rule has a test or a stated reason",
        needs: &[],
        uses: &[],
        kind: Kind::Review(conformance::review),
    },
];

/// One step of the tests.
#[derive(Debug)]
pub(crate) struct Step {
    /// Name for `--only` and for the summary.
    pub(crate) name: &'static str,
    /// What it shows.
    pub(crate) purpose: &'static str,
    /// What it cannot do without.
    pub(crate) needs: &'static [&'static Requirement],
    /// What single tests of it use. One that is missing skips those tests, by name.
    pub(crate) uses: &'static [&'static Requirement],
    /// What it does.
    pub(crate) kind: Kind,
}

impl Step {
    /// All that it wants installed.
    pub(crate) fn wants(&self) -> impl Iterator<Item = &'static Requirement> {
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

fn c_tests(workspace: &Workspace) -> Vec<Command> {
    let mut command = workspace.cargo();
    command.args(["test", "--package", C_LIBRARY, "--no-default-features", "--no-fail-fast"]);
    vec![command]
}

/// Those of the C tests that run programs; they build the library once more, in a folder of its own.
fn sanitized_tests(workspace: &Workspace, sanitizer: &str) -> Vec<Command> {
    let mut command = workspace.cargo();
    command.args(["test", "--package", C_LIBRARY, "--no-default-features", "--test", "capi"]);
    command.args(["--", "programs::", "arguments::", "panics::"]);
    command.env("BITSUP_SANITIZER", sanitizer);
    vec![command]
}

/// Only what differs between the two builds; the rest was tested with the system's libcurl. Of the C library that is
/// how it is linked and what it exports.
fn bundled_tests(workspace: &Workspace) -> Vec<Command> {
    let mut command = workspace.cargo();
    let mut library = workspace.cargo();
    for cargo in [&mut command, &mut library] {
        cargo.args(["test", "--no-fail-fast"]);
        // The same in both: with others cargo builds OpenSSL a second time.
        for member in workspace.members.iter().filter(|member| member.has_bundled_feature) {
            if member.name != C_LIBRARY {
                cargo.args(["--package", &member.name]);
            }
        }
    }
    library.args(["--package", C_LIBRARY, "--test", "capi", "--"]);
    library.args(["install::", "symbols::", "programs::an_abrupt", "programs::example"]);
    vec![command, library]
}

fn documentation(workspace: &Workspace) -> Vec<Command> {
    let mut command = workspace.cargo();
    command
        .args(["doc", "--workspace", "--no-deps", "--no-default-features"])
        .env("RUSTDOCFLAGS", "-D warnings");
    vec![command]
}

fn example_tests(workspace: &Workspace) -> Vec<Command> {
    let mut command = workspace.cargo();
    command.args(["run", "--quiet", "--package", "xtask", "--", "examples"]);
    vec![command]
}

/// The short form of the command; the long one is for the nights.
fn fuzzing(workspace: &Workspace) -> Vec<Command> {
    let mut command = workspace.cargo();
    command.args(["run", "--quiet", "--package", "xtask", "--", "fuzz"]);
    vec![command]
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
