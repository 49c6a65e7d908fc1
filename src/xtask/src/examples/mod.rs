//! `cargo xtask examples`: the wrappers in other languages against the real server.
//!
//! A language has a program `check SCENARIO URL FILE`, which uploads through its wrapper and looks at what the
//! wrapper says, and `upload FILE URL`, which its README shows. The server's file, and the packets that it
//! saw, are checked here, the same way for all of them.

mod languages;
mod process;
mod scenarios;
mod server;

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

pub(crate) use self::languages::WANTS;
use self::languages::{LANGUAGES, Language};
use self::scenarios::Stage;
use crate::Result;
use crate::library;
use crate::requirements::{self, LIBCURL_HEADERS, Missing};
use crate::workspace::Workspace;

/// Options of `cargo xtask examples`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Run these languages only
    #[arg(value_name = "LANGUAGE", value_parser = languages::NAMES.to_vec())]
    languages: Vec<String>,
    /// Install what is missing without asking (as with CI set, and as root in a container)
    #[arg(long)]
    install: bool,
}

/// Runs the command: every language, also after one failed.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    let chosen = |language: &&Language| {
        options.languages.is_empty() || options.languages.iter().any(|name| name == language.name)
    };
    let languages: Vec<_> = LANGUAGES.iter().filter(chosen).collect();
    let mut needs = vec![LIBCURL_HEADERS];
    needs.extend(languages.iter().flat_map(|language| language.needs.iter().copied()));
    let missing: Missing = requirements::provide(workspace, &needs, options.install)?;
    missing.check(&[LIBCURL_HEADERS])?;
    let stage = prepare(workspace)?;

    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for language in languages {
        let start = Instant::now();
        let lines = wrapper_lines(workspace, language)?;
        let result = if let Some(reason) = missing.first(language.needs) {
            if note_skip(language, &reason)? {
                passed += 1;
            } else {
                skipped += 1;
            }
            format!("skipped: {reason}")
        } else {
            let (right, wrong) = run_language(&stage, language);
            passed += right;
            failed += wrong.len();
            for reason in &wrong {
                println!("{}: {reason}", language.name);
            }
            match wrong.len() {
                0 => format!("{right} scenarios passed"),
                count => format!("{count} of {} scenarios FAILED", right + count),
            }
        };
        let seconds = start.elapsed().as_secs_f64();
        println!("{:<8} {seconds:>6.1} s  {lines:>4} lines  {result}", language.name);
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { Ok(()) } else { Err(format!("{failed} scenarios failed").into()) }
}

/// Installs the library as a user would, and builds the server.
fn prepare(workspace: &Workspace) -> Result<Stage> {
    let folder = workspace.target.join("examples-in-other-languages");
    let prefix = folder.join("prefix");
    library::run(workspace, &library::Options::for_tests(&prefix))?;
    let mut command = workspace.cargo();
    command.args(["build", "--quiet", "--package", "bitsup-cli", "--no-default-features"]);
    requirements::run(&mut command)?;
    Ok(Stage {
        root: workspace.root.clone(),
        tool: workspace.target.join("debug/bitsup"),
        folder,
        prefix,
    })
}

/// Builds and runs one language's programs; how many scenarios passed, and what is wrong with the others.
fn run_language(stage: &Stage, language: &Language) -> (usize, Vec<String>) {
    let place = stage.folder.join(language.name);
    let built = empty(&place).and_then(|()| {
        (language.build)(stage, &place)
            .into_iter()
            .try_for_each(|command| process::build(stage.within(command)))
    });
    if let Err(error) = built {
        return (0, vec![format!("cannot be built: {error}")]);
    }
    let mut passed = 0;
    let mut wrong = Vec::new();
    for scenario in scenarios::of(language) {
        match scenarios::play(stage, language, &place, scenario) {
            Ok(()) => passed += 1,
            Err(error) => wrong.push(format!("{}: {error}", scenario.name)),
        }
    }
    (passed, wrong)
}

/// Lines of the wrapper that are neither empty nor comments.
fn wrapper_lines(workspace: &Workspace, language: &Language) -> Result<usize> {
    let path = workspace.path(language.folder).join(language.wrapper);
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(count_lines(&text))
}

fn count_lines(text: &str) -> usize {
    let comment =
        |line: &str| ["//", "#", "--", "/*", "*"].iter().any(|mark| line.starts_with(mark));
    let code = |line: &&str| !line.is_empty() && (!comment(line) || line.starts_with("#include"));
    text.lines().map(str::trim).filter(code).count()
}

/// Under `cargo xtask test` a skip is a note, and counts as passed until the note is read; whether it is so.
fn note_skip(language: &Language, reason: &str) -> Result<bool> {
    let Some(folder) = env::var_os("BITSUP_SKIPS_DIR") else { return Ok(false) };
    let file = Path::new(&folder).join(format!("examples-{}", language.name));
    let mut file = fs::OpenOptions::new().append(true).create(true).open(file)?;
    writeln!(file, "examples::{}\t{reason}", language.name)?;
    Ok(true)
}

/// Makes the folder, and empties it if it is there.
fn empty(folder: &PathBuf) -> Result {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(fs::create_dir_all(folder)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_are_not_counted() {
        assert_eq!(
            count_lines("// a\n\n# b\n-- c\n/* d\n * e\n */\n#include <a>\n  x = 1 // f\n"),
            2
        );
    }

    #[test]
    fn the_step_offers_what_the_languages_need() {
        let needed = LANGUAGES.iter().flat_map(|language| language.needs).copied();
        assert_eq!(needed.collect::<Vec<_>>(), WANTS);
    }

    #[test]
    fn every_language_has_its_folder_and_a_readme() {
        let workspace = Workspace::find().expect("cargo metadata works in a checkout");
        for (language, name) in LANGUAGES.iter().zip(languages::NAMES) {
            assert_eq!(language.name, name);
            // docs/bindings.md says so.
            let lines = wrapper_lines(&workspace, language).expect("a wrapper");
            assert!((50..=280).contains(&lines), "{name}: {lines}");
            let readme = workspace.path(language.folder).join("README.md");
            assert!(readme.is_file() || !language.full, "{name} has no README.md");
        }
    }
}
