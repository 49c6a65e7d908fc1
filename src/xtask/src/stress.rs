//! `cargo xtask stress`: the tests with sockets, threads and timers again and again while every core is busy, so that
//! one that depends on a quiet machine is found here and not in CI.

use std::num::NonZero;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use clap::Args;
use fs_err::{self as fs, File};

use crate::Result;
use crate::python;
use crate::requirements::{self, LIBCURL_HEADERS, PYTHON_TESTS};
use crate::runner::{self, KillOnDrop};
use crate::workspace::Workspace;

/// The members whose tests use sockets, threads or timers.
const MEMBERS: [&str; 3] = ["bitsup", "bitsup-cli", "bitsup-server"];

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How often
    #[arg(long, value_name = "N", default_value_t = 20)]
    rounds: u32,
    /// Only the tests of this member
    #[arg(long, value_name = "NAME", value_parser = MEMBERS)]
    member: Option<String>,
}

/// Busy loops, one a core.
fn busy_loops() -> Result<Vec<KillOnDrop>> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let busy = || Command::new("sh").args(["-c", "while :; do :; done"]).spawn();
    (0..cores).map(|_| Ok(KillOnDrop(busy()?))).collect()
}

/// Builds once, then runs everything in each round; fails at the end when anything failed.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    requirements::require(workspace, &[LIBCURL_HEADERS])?;
    let is_wanted = |name: &&str| options.member.as_ref().is_none_or(|member| member == name);
    let members: Vec<&str> = MEMBERS.into_iter().filter(is_wanted).collect();
    let packages = members.join(" --package ");
    let options_of_cargo = "--no-default-features --tests --no-fail-fast --package";
    let tests = || workspace.cargo(&format!("test {options_of_cargo} {packages}"));
    runner::run(tests().arg("--no-run"))?;
    let mut runs = vec![("rust", tests())];
    if options.member.is_none() {
        requirements::require(workspace, &[PYTHON_TESTS])?;
        let mut commands = python::tests(workspace, PYTHON_TESTS);
        runs.extend(commands.pop().map(|tests| ("python", tests)));
        commands.iter_mut().try_for_each(runner::run)?;
    }
    let logs = workspace.target.join("stress");
    fs::create_dir_all(&logs)?;
    let _busy = busy_loops()?;
    let mut failed = 0;
    for round in 1..=options.rounds {
        for (name, command) in &mut runs {
            let start = Instant::now();
            let path = logs.join(format!("{round}-{name}.log"));
            let log = File::create(&path)?.into_file();
            let command = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
            let result = if command.status()?.success() {
                "passed".to_owned()
            } else {
                failed += 1;
                format!("FAILED, see {}", path.display())
            };
            let seconds = start.elapsed().as_secs();
            println!("round {round}, {name}, {seconds} s: {result}");
        }
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of the runs failed").into()) }
}
