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
    SERVER_PROGRAMS, SITE,
};
use crate::workspace::Workspace;

/// Those of the C library's tests that need programs.
const C_PROGRAMS: &[Name] = &[LIBCURL_HEADERS, "clang", "valgrind", "cmake", "abidiff"];
/// Linkers that its tests link programs with.
const LINKERS: &[Name] = &["gold", "lld"];

/// All steps, in the order in which they run.
pub(crate) static STEPS: &[Step] = &[
    Step::new(
        "system",
        "tests of the build with the system's libcurl",
        &[LIBCURL_HEADERS],
        Kind::Tests(system_tests),
    )
    .uses(SERVER_PROGRAMS),
    Step::new(
        "instructions",
        "small uploads take no more instructions than is written down: cargo xtask instructions",
        &[LIBCURL_HEADERS, "valgrind"],
        Kind::Xtask(&["instructions"]),
    ),
    Step::new(
        "c",
        "tests of the C library: compilers, valgrind, examples, packaging",
        C_PROGRAMS,
        Kind::Tests(|workspace| vec![c_library(workspace)]),
    )
    .uses(LINKERS),
    Step::new(
        "c-address",
        "the C programs with AddressSanitizer in them and in the library",
        &[LIBCURL_HEADERS],
        Kind::Tests(|workspace| sanitized_tests(workspace, "address")),
    ),
    Step::new(
        "docs",
        "the Rust documentation and the documents' site build without a warning",
        &[LIBCURL_HEADERS, SITE],
        Kind::Check(documentation),
    ),
    Step::new(
        "examples",
        "the wrappers in other languages: cargo xtask examples",
        &[LIBCURL_HEADERS],
        Kind::Tests(|workspace| vec![xtask(workspace, "examples")]),
    )
    .uses(examples::WANTS),
    Step::new(
        "python",
        "tests of the Python package",
        &[LIBCURL_HEADERS, PYTHON_TESTS],
        Kind::Tests(|workspace| python::tests(workspace, PYTHON_TESTS)),
    ),
    Step::new(
        "python-types",
        "three type checkers on the Python package, as the step before has installed it",
        &[PYTHON_TESTS, "npm"],
        Kind::Check(python::type_checks),
    ),
    Step::new(
        "bundled",
        "what differs in the build with libcurl and OpenSSL from their crates' sources",
        // Programs with a libcurl of their own beside ours, by every linker.
        &[LIBCURL_HEADERS, "gold", "lld"],
        Kind::Tests(bundled_tests),
    )
    .uses(SERVER_PROGRAMS),
    // After the step that has built libcurl and OpenSSL.
    Step::new(
        "python-package",
        "the Python package from its folder and from its source distribution",
        &[PYTHON_TESTS],
        Kind::Tests(python::package_tests),
    ),
    Step::new(
        "fuzz",
        "the same made-up inputs each time for each thing that reads a stranger's bytes",
        fuzz::NEEDS,
        Kind::Xtask(&["fuzz --short"]),
    ),
    Step::new(
        "bundled-all",
        "every test of tool, client, C library and Python module in the bundled build",
        C_PROGRAMS,
        Kind::Tests(|workspace| vec![bundled(workspace)]),
    )
    .uses(SERVER_PROGRAMS)
    .long(),
    Step::new(
        "stress",
        "tests with sockets, threads and timers twenty times, with every core busy",
        &[LIBCURL_HEADERS, PYTHON_TESTS],
        Kind::Xtask(&["stress"]),
    )
    .uses(SERVER_PROGRAMS)
    .long(),
    Step::new(
        "c-thread",
        "the C programs with ThreadSanitizer in them and in the library",
        &[LIBCURL_HEADERS],
        Kind::Tests(|workspace| sanitized_tests(workspace, "thread")),
    )
    .long(),
    Step::new(
        "python-3.13",
        "every test of the Python package on the newest Python",
        &[LIBCURL_HEADERS, PYTHON_TESTS_NEWEST],
        Kind::Tests(|workspace| python::tests(workspace, PYTHON_TESTS_NEWEST)),
    )
    .long(),
    Step::new(
        "fleet",
        "uploads by many workers, one of which is killed",
        &[LIBCURL_HEADERS, FLEET_TESTS],
        Kind::Tests(python::fleet_tests),
    )
    .long(),
    Step::new(
        "python-newer",
        "tests of the Python package on Debian's next Python, libcurl and OpenSSL",
        &[LIBCURL_HEADERS, PYTHON_TESTS, "debootstrap"],
        Kind::Tests(python::tests_on_newer),
    )
    .long(),
    Step::new(
        "fuzz-long",
        "ten minutes of made-up inputs for each thing that reads a stranger's bytes",
        fuzz::NEEDS,
        Kind::Xtask(&["fuzz --seconds 600"]),
    )
    .long(),
    Step::new(
        "simulate",
        "a million uploads in virtual time",
        &[],
        Kind::Xtask(&["simulate --seeds 1000000"]),
    )
    .long(),
    Step::new(
        "chaos",
        "1,000 uploads with cut connections, 400 that are killed, 20,000 to random servers",
        &[LIBCURL_HEADERS],
        Kind::Xtask(&["soak", "kills", "servers"]),
    )
    .long(),
    Step::new(
        "mutants",
        "the code behind rules broken, by hand and by cargo-mutants, and each break seen by a test",
        &[LIBCURL_HEADERS, CARGO_MUTANTS],
        Kind::Xtask(&["mutants", "mutants --generated"]),
    )
    .long(),
    Step::new(
        "conformance",
        "every protocol rule has a test",
        &[],
        Kind::Review(|workspace| conformance::compare(workspace, false)),
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

    const fn uses(self, uses: &'static [Name]) -> Self {
        Self { uses, ..self }
    }

    const fn long(self) -> Self {
        Self { long: true, ..self }
    }

    /// All that it wants installed.
    pub(crate) fn wants(&self) -> impl Iterator<Item = Name> {
        self.needs.iter().chain(self.uses).copied()
    }
}

/// What a step does. Commands run one after the other until one fails, but for checks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Runs tests and fails when none was executed.
    Tests(fn(&Workspace) -> Vec<Command>),
    /// Runs commands that say nothing about single tests, at once.
    Check(fn(&Workspace) -> Vec<Command>),
    /// The same with other commands of this program.
    Xtask(&'static [&'static str]),
    /// Looks at what the other steps left, so it makes sense after a complete run only.
    Review(fn(&Workspace) -> Result),
}

fn system_tests(workspace: &Workspace) -> Vec<Command> {
    let features = "--exclude bitsup-capi --no-default-features";
    vec![workspace.cargo(&format!("test --workspace {features} --no-fail-fast"))]
}

/// With the features that the client has in the tests of other members, whose artefacts it shares.
fn c_library(workspace: &Workspace) -> Command {
    let features = "--no-default-features --features ntlm,openssl";
    workspace.cargo(&format!("test --package bitsup-capi {features} --no-fail-fast"))
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
const DIFFERS: &str = "acks:: addresses:: basic_auth:: cancel:: commands:: cores:: doctor:: features login memory:: \
    packets:: process:: programs:: prox replies:: security:: timers:: tls transport:: upload:: vendored version";

/// The same of the C library: how it is linked and what it exports. Where libcurl and OpenSSL are inside, others beside
/// them matter; and libcurl's memory is the library's own.
const LIBRARY_DIFFERS: &str = "install:: symbols:: programs::an_abrupt programs::example static_library:: programs::no_password";

/// Only what differs between the two builds; the rest was tested with the system's libcurl.
fn bundled_tests(workspace: &Workspace) -> Vec<Command> {
    let mut command = bundled(workspace);
    command.args(["--lib", "--test", "it", "--"]).args(DIFFERS.split(' '));
    let mut library = bundled(workspace);
    library.args(["--test", "capi", "--"]).args(LIBRARY_DIFFERS.split(' '));
    vec![command, library]
}

/// The members that pass the choice of libcurl on, always the same: with others cargo builds OpenSSL a second time.
fn bundled(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo("test --no-fail-fast");
    for member in workspace.members.iter().filter(|member| member.has_bundled_feature) {
        command.args(["--package", &member.name]);
    }
    command
}

fn documentation(workspace: &Workspace) -> Vec<Command> {
    let mut command = workspace.cargo("doc --workspace --no-deps --no-default-features");
    command.env("RUSTDOCFLAGS", "-D warnings");
    vec![command, xtask(workspace, "docs")]
}

/// Another command of this program.
pub(crate) fn xtask(workspace: &Workspace, words: &str) -> Command {
    workspace.cargo(&format!("run --quiet --package xtask -- {words}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_reviews_come_last() {
        let names: BTreeSet<_> = STEPS.iter().map(|step| step.name).collect();
        assert_eq!(names.len(), STEPS.len());
        let is_review = |step: &Step| matches!(step.kind, Kind::Review(_));
        let first = STEPS.iter().position(is_review).expect("the conformance step is one");
        assert!(STEPS[first..].iter().all(is_review));
    }

    #[test]
    fn the_bundled_step_takes_the_members_that_differ() {
        let workspace = Workspace::find().expect("cargo metadata works in a checkout");
        let command = format!("{:?}", bundled_tests(&workspace)[0]);
        assert!(command.contains(r#""--package" "bitsup" "#), "{command}");
        assert!(!command.contains("bitsup-proto") && !command.contains("no-default-features"));
    }
}
