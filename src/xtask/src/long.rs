//! `cargo xtask simulate`, `soak`, `kills` and `servers`: the long forms of tests that have a short one in CI.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Args;

use crate::Result;
use crate::workspace::Workspace;

/// Options of `cargo xtask simulate`.
#[derive(Args, Debug)]
pub(crate) struct Simulate {
    /// How many uploads to play
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 0)]
    from: u64,
    /// Print what happens, line by line
    #[arg(short, long, conflicts_with = "record")]
    verbose: bool,
    /// Write what happens to this file
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// Options of `cargo xtask soak`.
#[derive(Args, Debug)]
pub(crate) struct Soak {
    /// How many uploads
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    uploads: u32,
    /// Where the connections are cut
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Options of `cargo xtask kills`.
#[derive(Args, Debug)]
pub(crate) struct Kills {
    /// How many programs are killed at random moments, and how many right after their session was made
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// At which moments
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Options of `cargo xtask servers`.
#[derive(Args, Debug)]
pub(crate) struct Servers {
    /// How many uploads, each to a server of its own
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    uploads: u32,
    /// The first upload's seed; each next one is higher by one
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Whole uploads in virtual time, each with a world that its seed decides.
pub(crate) fn simulate(workspace: &Workspace, options: &Simulate) -> Result {
    let set = [("BITSUP_SIMULATE", options.seeds), ("BITSUP_SEED", options.from)];
    // What optimising everything gains is worth its minutes only then.
    let profile = if options.seeds > 100_000 { "release" } else { "dev" };
    let test = Test { package: "bitsup-core", name: "simulate::uploads_", profile };
    if !options.verbose && options.record.is_none() {
        return test.run(workspace, &set, None);
    }
    let file = match &options.record {
        Some(file) => std::path::absolute(file)?,
        None => workspace.target.join("simulate.txt"),
    };
    let played = test.run(workspace, &set, Some(&file));
    if options.verbose {
        io::copy(&mut File::open(file)?, &mut io::stdout())?;
    }
    played
}

/// Uploads through a proxy that cuts connections.
pub(crate) fn soak(workspace: &Workspace, options: &Soak) -> Result {
    let set = [("BITSUP_SOAK", options.uploads.into()), ("BITSUP_SEED", options.seed)];
    Test::optimised("bitsup", "soak::").run(workspace, &set, None)
}

/// Uploads whose process is killed.
pub(crate) fn kills(workspace: &Workspace, options: &Kills) -> Result {
    let runs = options.runs.into();
    let set = [("BITSUP_KILLS", runs), ("BITSUP_AIMED_KILLS", runs), ("BITSUP_SEED", options.seed)];
    Test::optimised("bitsup-cli", "kills::").run(workspace, &set, None)
}

/// Uploads to servers with random habits and faults.
pub(crate) fn servers(workspace: &Workspace, options: &Servers) -> Result {
    let set = [("BITSUP_RANDOM_SERVERS", options.uploads.into()), ("BITSUP_SEED", options.seed)];
    Test::optimised("bitsup-cli", "random_servers::").run(workspace, &set, None)
}

/// Tests of a member.
struct Test {
    package: &'static str,
    /// What their names begin with.
    name: &'static str,
    profile: &'static str,
}

impl Test {
    fn optimised(package: &'static str, name: &'static str) -> Self {
        Self { package, name, profile: "release" }
    }

    /// Runs them and prints their figures; those that write a transcript have none.
    fn run(&self, workspace: &Workspace, set: &[(&str, u64)], transcript: Option<&Path>) -> Result {
        let mut command = workspace.cargo();
        command.args(["test", "--quiet", "--profile", self.profile, "--no-default-features"]);
        command.args(["--package", self.package, "--test", "it", self.name]);
        command.args(["--", "--nocapture", "--test-threads=1"]);
        command.envs(set.iter().map(|(name, value)| (name, value.to_string())));
        command.envs(transcript.map(|file| ("BITSUP_TRANSCRIPT", file)));
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!("the test failed:\n{text}").into());
        }
        let figures: Vec<&str> = text.lines().filter_map(figures).collect();
        if figures.is_empty() && transcript.is_none() {
            return Err("the test printed no figures".into());
        }
        for line in figures {
            println!("{line}");
        }
        Ok(())
    }
}

/// A line of the test's own: it begins with a number or stands in a table, and is none of cargo's.
fn figures(line: &str) -> Option<&str> {
    // Cargo's quiet form puts a dot before what comes after a test that passed.
    let line = line.trim_start_matches('.');
    let of_table = ["  ", "most "].iter().any(|start| line.starts_with(start));
    let of_table = of_table || line.contains("  uploads  ");
    (of_table || line.starts_with(|c: char| c.is_ascii_digit())).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_among_cargos_lines() {
        assert_eq!(figures("200 uploads killed: all"), Some("200 uploads killed: all"));
        assert_eq!(figures(".9 programs killed"), Some("9 programs killed"));
        assert_eq!(figures("most requests 9"), Some("most requests 9"));
        for line in ["faults    uploads    done", "  trims overlaps   3   2"] {
            assert_eq!(figures(line), Some(line), "{line}");
        }
        for line in ["", "running 2 tests", "test result: ok. 2 passed", ".."] {
            assert_eq!(figures(line), None, "{line}");
        }
    }
}
