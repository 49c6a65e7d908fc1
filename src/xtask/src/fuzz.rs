//! `cargo xtask fuzz`: libFuzzer on everything that reads what a stranger wrote.
//!
//! The targets stand in `src/xtask/fuzz`, outside of the workspace. The stable compiler inserts libFuzzer's
//! counters by the options below, the ones that cargo-fuzz uses, so that no nightly toolchain is needed.
//! A target's findings are in `target/fuzz/artifacts`; give the path of one to the program to run it again.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::{Args, value_parser};
use fs_err as fs;

use crate::Result;
use crate::requirements::{self, LIBCURL_HEADERS, Name};
use crate::runner;
use crate::workspace::{Workspace, empty_folder};

/// What the targets need; libFuzzer itself is built from its crate.
pub(crate) const NEEDS: &[Name] = &["c++", LIBCURL_HEADERS];

/// Every target, and how many inputs its short form takes: about ten seconds' worth. The slow ones begin.
static TARGETS: [(&str, u32); 4] =
    [("session", 100_000), ("journal", 10_000), ("ack", 400_000), ("token", 500_000)];

/// What the short form's inputs are made from, so that CI turns red by a change alone and never by luck.
const SHORT_SEED: u32 = 1;

/// Counters on every branch, and what comparisons compare.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

/// An input that takes longer than this is a loop without end.
const SECONDS_AN_INPUT: u32 = 10;
/// The memory that a peer or a file can make us hold is bounded far below this, in megabytes.
const MEMORY: u32 = 1024;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How long each target runs
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = value_parser!(u64).range(1..))]
    seconds: u64,
    /// What the inputs are made from (default: a random number, which is printed)
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    seed: Option<u32>,
    /// The same inputs each time, as far as a target has no clock, about ten seconds' worth: what CI runs
    #[arg(long, conflicts_with_all = ["seconds", "seed"])]
    short: bool,
    /// Run this target only
    #[arg(long, value_name = "NAME", value_parser = TARGETS.map(|(name, _)| name).to_vec())]
    target: Option<String>,
}

/// Runs the command: every target, also after one failed, and as many at once as there are cores.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    requirements::require(workspace, NEEDS)?;
    let programs = build(workspace)?;
    let wanted = |name: &str| options.target.as_deref().is_none_or(|target| target == name);
    let targets: Vec<_> = TARGETS.into_iter().filter(|(name, _)| wanted(name)).collect();
    let ended = runner::at_once(&targets, |(name, inputs)| {
        fuzz(workspace, &programs.join(name), name, *inputs, options)
    });
    let mut failed = Vec::new();
    for ((name, _), ended) in targets.iter().zip(ended) {
        match ended {
            Ok(line) => println!("{name:<8} {line}"),
            Err(error) => {
                println!("{name:<8} FAILED: {error}");
                failed.push(*name);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", ")).into()) }
}

/// Builds the targets; the folder of the programs.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    let host = runner::read(workspace.command("rustc").args(["--print", "host-tuple"]))?;
    let host = host.trim();
    let target = workspace.target.join("fuzz");
    // With `--target` the options are for the targets alone, not for build scripts.
    let words = format!("build --quiet --release --locked --target {host} --manifest-path");
    let mut cargo = workspace.cargo(&words);
    cargo.arg("src/xtask/fuzz/Cargo.toml").env("CARGO_TARGET_DIR", &target);
    runner::run(cargo.env("RUSTFLAGS", COVERAGE))?;
    Ok(target.join(host).join("release"))
}

/// Runs one target; libFuzzer says from which seed, and how many inputs it tried.
fn fuzz(
    workspace: &Workspace,
    program: &PathBuf,
    name: &str,
    inputs: u32,
    options: &Options,
) -> Result<String> {
    let folder = workspace.target.join("fuzz");
    let corpus = folder.join(if options.short { "short" } else { "corpus" }).join(name);
    let artifacts = folder.join("artifacts");
    if options.short {
        // What an earlier run has kept would change what comes next.
        empty_folder(&corpus)?;
    }
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    let mut command = Command::new(program);
    // With the same addresses in each run, since libFuzzer makes inputs of what was compared, pointers too. Some
    // containers do not allow it.
    let probe = workspace.command("setarch").args(["-R", "true"]).output();
    if options.short && probe.is_ok_and(|probe| probe.status.success()) {
        command = Command::new("setarch");
        command.arg("-R").arg(program);
    }
    command.arg(&corpus);
    let seeds = workspace.path("src/xtask/fuzz/seeds").join(name);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    if options.short {
        command.args([format!("-runs={inputs}"), format!("-seed={SHORT_SEED}")]);
    } else {
        command.arg(format!("-max_total_time={}", options.seconds));
        command.args(options.seed.map(|seed| format!("-seed={seed}")));
    }
    command
        .arg(format!("-artifact_prefix={}/{name}-", artifacts.display()))
        .arg(format!("-timeout={SECONDS_AN_INPUT}"))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .args(["-max_len=4096", "-print_final_stats=0"])
        .stdin(Stdio::null());
    let output = command.output()?;
    let (status, text) = (output.status, String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = text.lines().collect();
    let said = |word: &str| lines.iter().rev().find_map(|line| line.strip_prefix(word));
    let seed = said("INFO: Seed: ").unwrap_or("unknown");
    if status.success() {
        let done = said("Done ").map(|done| format!("{done}, seed {seed}"));
        return done.ok_or_else(|| "libFuzzer did not say what it did".into());
    }
    let last = lines.split_at(lines.len().saturating_sub(40)).1.join("\n");
    Err(format!("{status}, seed {seed}; the input is in {}\n{last}", artifacts.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_in_the_manifest_and_has_a_source() {
        let workspace = Workspace::find().expect("cargo metadata works in a checkout");
        let manifest = fs::read_to_string(workspace.path("src/xtask/fuzz/Cargo.toml"))
            .expect("the manifest is there");
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
        for (name, _) in TARGETS {
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            assert!(workspace.path(&format!("src/xtask/fuzz/src/{name}.rs")).is_file(), "{name}");
        }
    }

    /// The workspace's patch does not reach them, and an OpenSSL of their own would be an old one.
    #[test]
    fn the_targets_link_the_systems_openssl() {
        let workspace = Workspace::find().expect("cargo metadata works in a checkout");
        let lock = fs::read_to_string(workspace.path("src/xtask/fuzz/Cargo.lock"));
        let lock = lock.expect("the lock file is there");
        assert!(
            lock.contains("name = \"openssl-sys\"") && !lock.contains("name = \"openssl-src\"")
        );
    }
}
