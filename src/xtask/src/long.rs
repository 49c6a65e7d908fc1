//! `cargo xtask simulate`, `soak`, `kills` and `servers`: the long forms of tests that have a short one in CI.

use std::io;

use clap::Args;

use crate::Result;
use crate::tally::Tally;
use crate::workspace::Workspace;

#[derive(Args, Debug)]
pub(crate) struct Simulate {
    /// How many uploads to play
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 0)]
    from: u64,
    /// Print what happens, line by line
    #[arg(short, long)]
    verbose: bool,
}

/// Options of `cargo xtask soak`, `kills` and `servers`.
#[derive(Args, Debug)]
pub(crate) struct Chaos {
    /// How many uploads (default: 1,000 through a proxy, 20,000 to random servers; 200 that are killed at random moments and
    /// 200 right after their session was made)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    uploads: Option<u64>,
    /// What the random choices are made from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Whole uploads in virtual time, each with a world that its seed decides.
pub(crate) fn simulate(workspace: &Workspace, options: &Simulate) -> Result {
    // What optimising everything gains is worth its minutes only then.
    let profile = if options.seeds > 100_000 { "release" } else { "dev" };
    let mut set = vec![
        ("BITSUP_SIMULATE", options.seeds.to_string()),
        ("BITSUP_SEED", options.from.to_string()),
    ];
    if options.verbose {
        set.push(("BITSUP_TRANSCRIPT", "/dev/stdout".to_owned()));
    }
    test(workspace, profile, "bitsup-core", "simulate::uploads_", set)
}

/// Uploads through a proxy that cuts connections.
pub(crate) fn soak(workspace: &Workspace, options: &Chaos) -> Result {
    options.run(workspace, "bitsup", "soak::", &["BITSUP_SOAK"], 1000)
}

/// Uploads whose process is killed.
pub(crate) fn kills(workspace: &Workspace, options: &Chaos) -> Result {
    let counts = ["BITSUP_KILLS", "BITSUP_AIMED_KILLS"];
    options.run(workspace, "bitsup-cli", "kills::", &counts, 200)
}

/// Uploads to servers with random habits and faults.
pub(crate) fn servers(workspace: &Workspace, options: &Chaos) -> Result {
    options.run(workspace, "bitsup-cli", "random_servers::", &["BITSUP_RANDOM_SERVERS"], 20_000)
}

impl Chaos {
    fn run(
        &self,
        workspace: &Workspace,
        package: &str,
        name: &str,
        counts: &[&'static str],
        usual: u64,
    ) -> Result {
        let count = self.uploads.unwrap_or(usual);
        let mut set: Vec<_> = counts.iter().map(|name| (*name, count.to_string())).collect();
        set.push(("BITSUP_SEED", self.seed.to_string()));
        test(workspace, "release", package, name, set)
    }
}

/// Runs the tests of a member whose names begin so, and shows the figures that they print.
fn test(
    workspace: &Workspace,
    profile: &str,
    package: &str,
    name: &str,
    set: Vec<(&str, String)>,
) -> Result {
    let build = format!("--quiet --profile {profile} --no-default-features --package {package}");
    let mut command = workspace.cargo(&format!("test {build} --test it {name}"));
    command.args(["--", "--nocapture", "--test-threads=1"]).envs(set);
    let mut tally = Tally::default();
    match (tally.run(&mut command, &mut io::stdout())?, tally.executed()) {
        (false, _) => Err("the test failed: see above".into()),
        (true, 0) => Err(format!("no test of {package} is named {name}").into()),
        (true, _) => Ok(()),
    }
}
