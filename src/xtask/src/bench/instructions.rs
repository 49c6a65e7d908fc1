//! `cargo xtask instructions`: counts the instructions of small uploads, and compares them with the recorded figures.
//!
//! Seconds of a shared machine do not show a regression of a tenth; instructions are the same in each run but
//! for the waits. They depend on what compiled the code and on the libraries below it, so each such combination has
//! figures of its own, and one without prints them and does not fail. Another processor of the same kind makes less
//! difference than is borne, since valgrind shows programs its own. The build is the one that the tests use.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::Command;

use clap::Args;
use fs_err as fs;

use super::cases::{Files, KIB, MIB, Way, one};
use super::stage::Stage;
use crate::Result;
use crate::requirements::{self, LIBCURL_HEADERS};
use crate::runner::{failure, read, run as run_command};
use crate::workspace::Workspace;

/// The figures, by what they depend on.
type Figures = BTreeMap<String, BTreeMap<String, u64>>;

/// What is written down, below the workspace's folder.
const FILE: &str = "src/xtask/src/bench/instructions.json";
/// A case that takes too many is run again, so often in all, and the least counts: a wait that ends early costs a few more.
const RUNS: u32 = 3;
/// A case may take this share more than is written down.
const TOLERANCE: f64 = 0.05;

/// What is counted: a name, what is sent, and what is typed after the tool's name, as [`Stage::command`] reads it.
const CASES: [(&str, Files, &str); 5] = [
    ("version", one(0), "--version"),
    ("one", one(4 * KIB), "upload -q --no-resume file-0 URL/"),
    ("many", FIFTY, "upload -q --state-dir state --files-from list URL/"),
    ("many-no-resume", FIFTY, "upload -q --no-resume --files-from list URL/"),
    ("fragments", one(4 * MIB), "upload -q --no-resume --fragment-size 64K file-0 URL/"),
];
const FIFTY: Files = Files { count: 50, bytes: 4 * KIB, sparse: false };

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Write the figures down
    #[arg(long)]
    bless: bool,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    requirements::require(workspace, &["valgrind", LIBCURL_HEADERS])?;
    // As the tests build it, so that nothing is built twice.
    let features = "--workspace --exclude bitsup-capi --no-default-features";
    run_command(&mut workspace.cargo(&format!("build {features} --bin bitsup")))?;
    let path = workspace.root.join(FILE);
    let mut figures: Figures = serde_json::from_slice(&fs::read(&path)?)?;
    let key = key()?;
    let known = figures.get(&key).cloned().unwrap_or_default();
    let counted = count_all(&workspace.target.join("debug/bitsup"), &known)?;
    println!("{key}");
    for (case, count) in &counted {
        match known.get(case) {
            Some(before) => println!("{case:16} {count:>12}  {:.3}", ratio(*count, *before)),
            None => println!("{case:16} {count:>12}  nothing to compare with"),
        }
    }
    if options.bless {
        figures.insert(key, counted);
        fs::write(&path, serde_json::to_string_pretty(&figures)? + "\n")?;
        return Ok(());
    }
    let worse = worse(&counted, &known);
    if worse.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} takes more instructions than {FILE} allows: find out why, or `cargo xtask instructions --bless`",
        worse.join(", ")
    )
    .into())
}

/// The cases that take more than what is known of them.
fn worse<'a>(counted: &'a BTreeMap<String, u64>, known: &BTreeMap<String, u64>) -> Vec<&'a str> {
    let is_worse = |(case, count): &(&'a String, &u64)| {
        known.get(*case).is_some_and(|before| is_worse(**count, *before))
    };
    counted.iter().filter(is_worse).map(|(case, _)| case.as_str()).collect()
}

fn is_worse(count: u64, before: u64) -> bool {
    ratio(count, before) > 1.0 + TOLERANCE
}

fn ratio(count: u64, before: u64) -> f64 {
    count as f64 / before as f64
}

fn count_all(binary: &Path, known: &BTreeMap<String, u64>) -> Result<BTreeMap<String, u64>> {
    let mut counted = BTreeMap::new();
    for (case, files, words) in CASES {
        let stage = Stage::set(files, Way::Loopback)?;
        let most = known.get(case).copied().unwrap_or_default();
        let mut least = u64::MAX;
        for _ in 0..RUNS {
            least = least.min(count(&stage, binary, words)?);
            if !is_worse(least, most) {
                break;
            }
        }
        counted.insert(case.to_owned(), least);
    }
    Ok(counted)
}

/// The instructions of one run, those of the system's kernel aside.
fn count(stage: &Stage, binary: &Path, words: &str) -> Result<u64> {
    let tool = "valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file=/dev/null BITSUP";
    let mut command = stage.command(&format!("{tool} {words}"), binary)?;
    // Nothing of the user's has a part in it.
    command.env_clear().env("HOME", stage.path(""));
    command.env("PATH", env::var_os("PATH").unwrap_or_default());
    let output = command.output().map_err(|error| failure(&command, error))?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("under valgrind bitsup failed:\n{text}").into());
    }
    refs(&text).ok_or_else(|| format!("valgrind told no number:\n{text}").into())
}

/// The number in `==7== I   refs:      23,058,702`.
fn refs(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains(" I ") && line.contains("refs:"))?;
    let (_, number) = line.rsplit_once(':')?;
    number.trim().replace(',', "").parse().ok()
}

/// What the figures depend on.
fn key() -> Result<String> {
    let ask = |program: &str, arguments: &[&str]| -> Result<String> {
        Ok(read(Command::new(program).args(arguments))?.trim().to_owned())
    };
    let compiler = ask("rustc", &["--version"])?;
    let compiler = compiler.split(" (").next().unwrap_or_default();
    let library = ask("getconf", &["GNU_LIBC_VERSION"])?;
    let curl = ask("pkg-config", &["--modversion", "libcurl"])?;
    Ok(format!("{}, {compiler}, {library}, libcurl {curl}", env::consts::ARCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_valgrind_is_read() {
        let text = "==7== Cachegrind\n==7== \n==7== I   refs:      23,058,702\n";
        assert_eq!(refs(text), Some(23_058_702));
        assert_eq!(refs("==7== D   refs:      1\n"), None);
    }

    #[test]
    fn a_twentieth_more_is_borne_and_what_is_not_known_too() {
        let counted: BTreeMap<String, u64> =
            [("a", 105), ("b", 106), ("c", 9)].map(|(case, count)| (case.into(), count)).into();
        let known = [("a", 100), ("b", 100)].map(|(case, count)| (case.into(), count)).into();
        assert_eq!(worse(&counted, &known), ["b"]);
        assert!(worse(&counted, &BTreeMap::new()).is_empty());
    }
}
