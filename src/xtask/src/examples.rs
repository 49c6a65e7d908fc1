//! `cargo xtask examples`: the wrappers in other languages against the real server. `examples.py` has the situations.

use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use clap::Args;

use crate::Result;
use crate::library;
use crate::requirements::{self, LIBCURL_HEADERS, Missing, Name};
use crate::runner;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// The languages, the wrapper of each below `examples`, and what it cannot do without.
const LANGUAGES: [(&str, &str, &[Name]); 8] = [
    ("go", "bitsup.go", &["go"]),
    ("node", "bitsup.js", &["koffi"]),
    ("java", "Bitsup.java", &["java", "jna"]),
    ("csharp", "Bitsup.cs", &["mono"]),
    ("ruby", "bitsup.rb", &["ruby-ffi"]),
    ("php", "bitsup.php", &["php"]),
    ("lua", "bitsup.lua", &["luajit"]),
    ("perl", "Bitsup.pm", &["platypus"]),
];

/// What they need, each of them for itself alone.
pub(crate) const WANTS: &[Name] =
    &["go", "koffi", "java", "jna", "mono", "ruby-ffi", "php", "luajit", "platypus"];

/// Options of `cargo xtask examples`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Run these languages only
    #[arg(value_name = "LANGUAGE", value_parser = LANGUAGES.map(|(name, ..)| name).to_vec())]
    languages: Vec<String>,
    /// Install what is missing without asking (as with CI set, and as root in a container)
    #[arg(long)]
    install: bool,
}

/// Runs the command: every language, also after one failed, and as many at once as there are cores.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    let chosen = |name: &str| {
        options.languages.is_empty() || options.languages.iter().any(|own| own == name)
    };
    let languages: Vec<_> = LANGUAGES.iter().filter(|(name, ..)| chosen(name)).collect();
    let mut needs = vec![LIBCURL_HEADERS];
    needs.extend(languages.iter().flat_map(|(.., needs)| needs.iter().copied()));
    let missing: Missing = requirements::provide(workspace, &needs, options.install)?;
    missing.check(&[LIBCURL_HEADERS])?;

    // As a user would.
    let folder = workspace.target.join("examples-in-other-languages");
    let prefix = folder.join("prefix");
    library::run(workspace, &library::Options::for_tests(&prefix))?;
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--quiet", "--package", "bitsup-cli", "--no-default-features"]);
    requirements::run(&mut cargo)?;

    let tallies = runner::at_once(&languages, |(name, wrapper, needs)| {
        let start = Instant::now();
        let mut tally = Tally::default();
        let played = match missing.first(needs) {
            Some(reason) => note_skip(name, &reason, &mut tally)
                .map(|()| format!("skipped: {reason}"))
                .map_err(Into::into),
            None => play(workspace, &folder, &prefix, name, &mut tally),
        };
        let lines = wrapper_lines(workspace, name, wrapper);
        // An error of one thread cannot be handed to another as it is.
        let (result, lines) =
            played.and_then(|result| Ok((result, lines?))).map_err(|e| e.to_string())?;
        let seconds = start.elapsed().as_secs_f64();
        println!("{name:<8} {seconds:>6.1} s  {lines:>4} lines  {result}");
        Ok::<_, String>(tally)
    });
    let mut sum = Tally::default();
    for tally in tallies {
        sum += tally?;
    }
    println!("{} passed, {} failed, {} skipped", sum.passed, sum.failed, sum.skipped);
    if sum.failed == 0 { Ok(()) } else { Err(format!("{} scenarios failed", sum.failed).into()) }
}

/// Puts one language through all situations.
fn play(
    workspace: &Workspace,
    folder: &Path,
    prefix: &Path,
    name: &str,
    tally: &mut Tally,
) -> Result<String> {
    let mut script = Command::new("python3");
    script.arg(workspace.path("src/xtask/src/examples.py")).arg(&workspace.root);
    script.arg(workspace.target.join("debug/bitsup")).args([folder, prefix]).arg(name);
    // Its count is not printed, or `cargo xtask test` would take it for one more.
    if !runner::run(&mut script, &mut io::sink(), tally)? {
        tally.failed = tally.failed.max(1);
    }
    Ok(format!("{} scenarios passed, {} FAILED", tally.passed, tally.failed))
}

/// Lines of the wrapper that are neither empty nor comments.
fn wrapper_lines(workspace: &Workspace, name: &str, wrapper: &str) -> Result<usize> {
    let path = workspace.path("examples").join(name).join(wrapper);
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let comment =
        |line: &str| ["//", "#", "--", "/*", "*"].iter().any(|mark| line.starts_with(mark));
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty() && !comment(line)).count())
}

/// Under `cargo xtask test` a skip is a note, and counts as passed until the note is read.
fn note_skip(name: &str, reason: &str, tally: &mut Tally) -> io::Result<()> {
    let Some(folder) = env::var_os("BITSUP_SKIPS_DIR") else {
        tally.skipped += 1;
        return Ok(());
    };
    tally.passed += 1;
    let note = Path::new(&folder).join(format!("examples-{name}"));
    fs::write(note, format!("examples::{name}\t{reason}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_offers_what_the_languages_need() {
        let needed = LANGUAGES.iter().flat_map(|(.., needs)| *needs).copied();
        assert_eq!(needed.collect::<Vec<_>>(), WANTS);
    }

    #[test]
    fn every_language_has_its_folder_and_a_readme() {
        let workspace = Workspace::find().expect("cargo metadata works in a checkout");
        for (name, wrapper, _) in LANGUAGES {
            // docs/bindings.md says so.
            let lines = wrapper_lines(&workspace, name, wrapper).expect("a wrapper");
            assert!((50..=280).contains(&lines), "{name}: {lines}");
            let readme = workspace.path("examples").join(name).join("README.md");
            let is_probe = ["ruby", "php", "lua", "perl"].contains(&name);
            assert!(readme.is_file() || is_probe, "{name} has no README.md");
        }
    }
}
