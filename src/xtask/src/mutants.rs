//! `cargo xtask mutants`: breaks the code behind a sample of rules and shows that their tests see it; with
//! `--generated`, breaks that cargo-mutants makes in the rules' code. Its files, and the breaks that no test can see, each
//! with the reason, are in `.cargo/mutants.toml`.
//!
//! Each break is a small textual change. It is made in a copy of the sources below the target
//! folder, which has a target folder of its own, and the one test that stands for the rule must
//! fail there. A break that does not apply or does not build is an error, as is a test that
//! does not pass without it. The working tree is only read, and only at the beginning.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::Args;
use fs_err as fs;

use crate::python;
use crate::requirements::{self, CARGO_MUTANTS, PYTHON_TESTS};
use crate::workspace::{Workspace, empty_folder};
use crate::{Result, columns};

/// The breaks; its head describes the format.
const LIST: &str = include_str!("mutants.txt");
/// The program of breaks in the Python package.
const PYTEST: &str = "pytest";

/// A break, and the test that must turn red by it.
#[derive(Clone, Debug)]
struct Mutant {
    rule: &'static str,
    package: &'static str,
    /// The test program: `lib`, the name of a program in `tests`, or `pytest`.
    program: &'static str,
    test: &'static str,
    /// What is wrong then, for people.
    what: &'static str,
    file: &'static str,
    /// Stands in the file exactly once.
    from: String,
    to: String,
}

impl Mutant {
    fn parse(text: &'static str) -> Option<Self> {
        let mut lines = text.lines();
        let [rule, package, program, test] = columns(lines.next()?, ' ')?;
        let (what, file) = (lines.next()?, lines.next()?);
        let of = |sign: char| {
            let own: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(sign)).collect();
            own.join("\n")
        };
        Some(Self { rule, package, program, test, what, file, from: of('-'), to: of('+') })
    }

    fn error(&self, what: &str, output: &[u8]) -> Box<dyn Error + Send + Sync> {
        let output = String::from_utf8_lossy(output);
        format!("the break behind {}{what}: {}\n{output}", self.rule, self.test).into()
    }

    /// All of them.
    fn all() -> Result<Vec<Self>> {
        let parts = LIST.trim().split("\n\n").skip(1);
        let parsed = parts
            .map(|text| Self::parse(text).ok_or_else(|| format!("not a break: {text}").into()));
        parsed.collect()
    }
}

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Only the breaks behind this rule
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Instead those that cargo-mutants makes in the rules' code: half an hour
    #[arg(long, conflicts_with = "rule")]
    generated: bool,
    /// In all files of the protocol: hours
    #[arg(long, requires = "generated")]
    all: bool,
}

/// Runs the command: every break, also after one that no test saw.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    if options.generated {
        return generated(workspace, options);
    }
    let mut chosen = Mutant::all()?;
    chosen.retain(|mutant| options.rule.as_ref().is_none_or(|rule| rule == mutant.rule));
    if chosen.is_empty() {
        return Err("there is no break behind that rule".into());
    }
    let begun = Instant::now();
    let scratch = Scratch::make(workspace)?;
    for mutant in &chosen {
        broken(&scratch.tree, mutant)?;
    }
    let mut survived = Vec::new();
    // The build without a break is shared by all breaks that one program shows.
    for group in chosen.chunk_by(|a, b| (a.package, a.program) == (b.package, b.program)) {
        for mutant in group {
            if !scratch.passes(workspace, mutant)? {
                return Err(format!("{} fails without any break", mutant.test).into());
            }
        }
        for mutant in group {
            if scratch.survives(workspace, mutant)? {
                survived.push(mutant.rule);
            }
        }
    }
    let (breaks, seen) = (chosen.len(), chosen.len() - survived.len());
    println!("{breaks} breaks, {seen} seen, {} s", begun.elapsed().as_secs());
    match survived.len() {
        0 => Ok(()),
        _ => Err(format!("no test sees the break behind {}", survived.join(", ")).into()),
    }
}

/// Breaks that cargo-mutants makes. One by which the tests do not end is seen by those who run them.
fn generated(workspace: &Workspace, options: &Options) -> Result {
    requirements::require(workspace, &[CARGO_MUTANTS])?;
    let folder = workspace.target.join("mutants");
    fs::create_dir_all(&folder)?;
    let mut command = workspace.command(workspace.target.join("tools/bin/cargo-mutants"));
    command.args(["mutants", "--package", "bitsup-proto", "--jobs", "2", "--output"]).arg(&folder);
    if options.all {
        command.args(["--file", "**"]);
    }
    // The copies of the sources are built there, in some gigabytes.
    command.env("TMPDIR", &folder);
    let status = command.stdin(Stdio::null()).status()?;
    // 2: a break that no test saw; 3: tests that did not end, whether or not there was such a break.
    if !matches!(status.code(), Some(0 | 2 | 3)) {
        return Err(format!("cargo mutants: {status}").into());
    }
    match fs::read_to_string(folder.join("mutants.out/missed.txt"))?.lines().count() {
        0 => Ok(()),
        count => Err(format!("no test sees {count} breaks, which are named above").into()),
    }
}

/// The file with the break in it.
fn broken(root: &Path, mutant: &Mutant) -> Result<String> {
    let text = fs::read_to_string(root.join(mutant.file))?;
    match text.matches(&mutant.from).count() {
        1 => Ok(text.replace(&mutant.from, &mutant.to)),
        count => Err(format!(
            "the break behind {} does not apply: {:?} stands {count} times in {}",
            mutant.rule, mutant.from, mutant.file
        )
        .into()),
    }
}

/// The copy in which things are broken.
struct Scratch {
    tree: PathBuf,
    target: PathBuf,
}

impl Scratch {
    /// Copies what git would, anew: the break of a run that was interrupted is neither there nor in what was built.
    fn make(workspace: &Workspace) -> Result<Self> {
        let folder = workspace.target.join("mutants");
        let scratch = Self { tree: folder.join("tree"), target: folder.join("target") };
        empty_folder(&scratch.tree)?;
        for name in workspace.files(&[""])? {
            let to = scratch.tree.join(&name);
            fs::create_dir_all(to.parent().unwrap_or(&to))?;
            fs::write(to, fs::read(workspace.path(&name))?)?;
        }
        Ok(scratch)
    }

    /// The test on the package in the copy, with the compiled module and the server that the step `python` has built.
    fn pytest(&self, workspace: &Workspace, mutant: &Mutant) -> Result<bool> {
        let package = self.tree.join(python::PACKAGE);
        let module = "python/bitsup/_bitsup.abi3.so";
        fs::copy(workspace.path(python::PACKAGE).join(module), package.join(module))
            .map_err(|error| format!("{error}: run cargo xtask test --only python"))?;
        // As the table of rules names it.
        let test = format!("tests/{}", mutant.test.replacen("::", ".py::", 1));
        let words = format!("pytest -q -p no:cacheprovider {test}");
        let mut pytest = python::python(workspace, PYTHON_TESTS, &words);
        pytest.current_dir(&package).env("PYTHONPATH", package.join("python"));
        // Compiled code of the same second and length would be taken for the break's.
        pytest.env("PYTHONDONTWRITEBYTECODE", "1");
        // 1: tests have failed.
        let output = pytest.stdin(Stdio::null()).output()?;
        match output.status.code() {
            Some(code @ (0 | 1)) => Ok(code == 0),
            _ => Err(mutant.error("'s test did not run", &output.stdout)),
        }
    }

    /// Makes the break, and says whether its test passes all the same.
    fn survives(&self, workspace: &Workspace, mutant: &Mutant) -> Result<bool> {
        let begun = Instant::now();
        let file = self.tree.join(mutant.file);
        let whole = fs::read(&file)?;
        fs::write(&file, broken(&self.tree, mutant)?)?;
        let passes = self.builds(workspace, mutant).and_then(|()| self.passes(workspace, mutant));
        fs::write(&file, whole)?;
        let passes = passes?;
        let word = if passes { "NOT SEEN" } else { "seen" };
        let seconds = begun.elapsed().as_secs();
        println!("{:<8} {word}: {} ({}, {seconds} s)", mutant.rule, mutant.what, mutant.test);
        Ok(passes)
    }

    fn cargo(&self, workspace: &Workspace, mutant: &Mutant) -> Command {
        let mut command = workspace.cargo("test --quiet --no-default-features --package");
        command.arg(mutant.package).current_dir(&self.tree);
        command.env("CARGO_TARGET_DIR", &self.target);
        match mutant.program {
            "lib" => command.arg("--lib"),
            program => command.args(["--test", program]),
        };
        command
    }

    fn builds(&self, workspace: &Workspace, mutant: &Mutant) -> Result {
        if mutant.program == PYTEST {
            return Ok(());
        }
        let mut command = self.cargo(workspace, mutant);
        let output = command.args(["--no-run", "--message-format=json"]).output()?;
        if output.status.success() {
            // A test that runs without the break would say nothing of it.
            let is_new = String::from_utf8_lossy(&output.stdout).contains("\"fresh\":false");
            return if is_new { Ok(()) } else { Err(mutant.error(" was not built", &[])) };
        }
        Err(mutant.error(" does not build", &output.stderr))
    }

    /// Whether the test passes. One that does not exist is an error.
    fn passes(&self, workspace: &Workspace, mutant: &Mutant) -> Result<bool> {
        if mutant.program == PYTEST {
            return self.pytest(workspace, mutant);
        }
        let mut command = self.cargo(workspace, mutant);
        command.args(["--", "--exact", mutant.test]);
        let output = command.stdin(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        match (text.contains(" 1 passed; 0 failed;"), text.contains(" 0 passed; 1 failed;")) {
            (true, _) => Ok(true),
            (_, true) => Ok(false),
            _ => Err(mutant.error("'s test did not run", &output.stderr)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_break_applies_and_stands_for_a_rule_with_that_test() {
        let workspace = Workspace::find().expect("cargo metadata works in a checkout");
        let page = fs::read_to_string(workspace.path("docs/conformance.md")).expect("the page");
        for mutant in &Mutant::all().expect("a list") {
            let text = broken(&workspace.root, mutant).expect("it applies");
            assert!(!text.contains(&mutant.from), "{}: nothing changes", mutant.rule);
            let row = page.lines().find(|line| line.starts_with(&format!("| {} |", mutant.rule)));
            assert!(row.expect("a rule").contains(mutant.test), "{}: {}", mutant.rule, mutant.test);
        }
    }

    #[test]
    fn a_break_that_does_not_apply_is_an_error() {
        let workspace = Workspace::find().expect("cargo metadata works in a checkout");
        let first = Mutant::all().expect("a list").swap_remove(0);
        for from in ["this stands nowhere", "the"] {
            let stale = Mutant { from: from.to_owned(), ..first.clone() };
            let error = broken(&workspace.root, &stale).expect_err(from).to_string();
            assert!(error.contains("does not apply"), "{error}");
        }
    }
}
