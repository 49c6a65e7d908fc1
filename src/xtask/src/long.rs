//! `cargo xtask soak`, `kills` and `servers`: the long forms of tests that have a short one in CI.

use std::process::Stdio;

use clap::Args;

use crate::Result;
use crate::workspace::Workspace;

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

/// Uploads through a proxy that cuts connections.
pub(crate) fn soak(workspace: &Workspace, options: &Soak) -> Result {
    let set = [("BITSUP_SOAK", options.uploads.into()), ("BITSUP_SEED", options.seed)];
    test(workspace, "bitsup", "soak::", &set)
}

/// Uploads whose process is killed.
pub(crate) fn kills(workspace: &Workspace, options: &Kills) -> Result {
    let runs = options.runs.into();
    let set = [("BITSUP_KILLS", runs), ("BITSUP_AIMED_KILLS", runs), ("BITSUP_SEED", options.seed)];
    test(workspace, "bitsup-cli", "kills::", &set)
}

/// Uploads to servers with random habits and faults.
pub(crate) fn servers(workspace: &Workspace, options: &Servers) -> Result {
    let set = [("BITSUP_RANDOM_SERVERS", options.uploads.into()), ("BITSUP_SEED", options.seed)];
    test(workspace, "bitsup-cli", "random_servers::", &set)
}

/// Runs the tests of a module and prints their figures.
fn test(workspace: &Workspace, package: &str, module: &str, set: &[(&str, u64)]) -> Result {
    let mut command = workspace.cargo();
    command.args(["test", "--quiet", "--release", "--no-default-features", "--package", package]);
    command.args(["--test", "it", module, "--", "--nocapture", "--test-threads=1"]);
    for (name, value) in set {
        command.env(name, value.to_string());
    }
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("the test failed:\n{text}").into());
    }
    let figures: Vec<&str> = text.lines().filter_map(figures).collect();
    if figures.is_empty() {
        return Err("the test printed no figures".into());
    }
    for line in figures {
        println!("{line}");
    }
    Ok(())
}

/// A line of the test's own: it begins with a number or stands in a table, and is none of cargo's.
fn figures(line: &str) -> Option<&str> {
    // Cargo's quiet form puts a dot before what comes after a test that passed.
    let line = line.trim_start_matches('.');
    let of_table = line.starts_with("  ") || line.contains("  uploads  ");
    (of_table || line.starts_with(|c: char| c.is_ascii_digit())).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_among_cargos_lines() {
        assert_eq!(figures("200 uploads killed: all"), Some("200 uploads killed: all"));
        assert_eq!(figures(".9 programs killed"), Some("9 programs killed"));
        for line in ["faults    uploads    done", "  trims overlaps   3   2"] {
            assert_eq!(figures(line), Some(line), "{line}");
        }
        for line in ["", "running 2 tests", "test result: ok. 2 passed", ".."] {
            assert_eq!(figures(line), None, "{line}");
        }
    }
}
