//! `cargo xtask examples`: the wrappers in other languages against the real server. `examples.py` has the situations.

use std::io;
use std::process::Command;
use std::time::Instant;

use clap::Args;

use crate::Result;
use crate::requirements::{self, LIBCURL_HEADERS, Missing, Name};
use crate::runner;
use crate::steps::xtask;
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

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Run these languages only
    #[arg(value_name = "LANGUAGE", value_parser = LANGUAGES.map(|(name, ..)| name).to_vec())]
    languages: Vec<String>,
}

/// Runs the command: every language, also after one failed, and as many at once as there are cores.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    let chosen = |name: &str| {
        options.languages.is_empty() || options.languages.iter().any(|own| own == name)
    };
    let languages: Vec<_> = LANGUAGES.iter().filter(|(name, ..)| chosen(name)).collect();
    let mut needs = vec![LIBCURL_HEADERS];
    needs.extend(languages.iter().flat_map(|(.., needs)| needs.iter().copied()));
    let missing: Missing = requirements::provide(workspace, &needs)?;
    missing.check(&[LIBCURL_HEADERS])?;

    // As a user would.
    let folder = workspace.target.join("examples-in-other-languages");
    let prefix = folder.join("prefix");
    // Unoptimised and with the system's libcurl, which tests have built already.
    let options = "install --system-libcurl --profile dev --prefix";
    runner::run(xtask(workspace, options).arg(&prefix))?;
    runner::run(&mut workspace.cargo("build --quiet --package bitsup-cli --no-default-features"))?;

    let played = runner::at_once(&languages, |(name, _, needs)| -> Result<Tally> {
        let (start, mut tally) = (Instant::now(), Tally::default());
        if let Some(reason) = missing.first(needs) {
            tally.skipped = 1;
            // As cargo says it, which is what `cargo xtask test` reads.
            println!("test examples::{name} ... ignored, {reason}");
            return Ok(tally);
        }
        let mut script = Command::new("python3");
        script.arg(workspace.path("src/xtask/src/examples.py")).arg(&workspace.root);
        script.arg(workspace.target.join("debug/bitsup")).args([&folder, &prefix]).arg(name);
        // Its count is not printed, or `cargo xtask test` would take it for one more.
        if !tally.run(&mut script, &mut io::sink())? {
            tally.failed = tally.failed.max(1);
        }
        let (seconds, Tally { passed, failed, .. }) = (start.elapsed().as_secs_f64(), &tally);
        println!("{name:<8} {seconds:>6.1} s  {passed} scenarios passed, {failed} FAILED");
        Ok(tally)
    });
    let mut sum = Tally::default();
    for tally in played {
        sum += tally?;
    }
    println!("{} passed, {} failed, {} skipped", sum.passed, sum.failed, sum.skipped);
    if sum.failed == 0 { Ok(()) } else { Err(format!("{} scenarios failed", sum.failed).into()) }
}

#[cfg(test)]
mod tests {
    use std::fs;

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
            let folder = workspace.path("examples").join(name);
            let text = fs::read_to_string(folder.join(wrapper)).expect("a wrapper");
            let is_comment = |line: &&str| {
                ["//", "#", "--", "/*", "*"].iter().any(|mark| line.starts_with(mark))
            };
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let lines = lines.filter(|line| !is_comment(line)).count();
            // docs/bindings.md says so.
            assert!((50..=280).contains(&lines), "{name}: {lines}");
            let is_probe = ["ruby", "php", "lua", "perl"].contains(&name);
            assert!(folder.join("README.md").is_file() || is_probe, "{name} has no README.md");
        }
    }
}
