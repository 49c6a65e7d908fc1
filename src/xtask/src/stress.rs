//! `cargo xtask stress`: the tests with sockets, threads and timers again and again while every core is busy, so that
//! one that depends on a quiet machine is found here and not in CI.

use std::num::NonZero;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use clap::Args;
use serde_json::Value;

use crate::Result;
use crate::python;
use crate::requirements::{self, LIBCURL_HEADERS, PYTHON_TESTS};
use crate::workspace::Workspace;

/// The members whose tests use sockets, threads or timers.
const MEMBERS: [&str; 3] = ["bitsup", "bitsup-cli", "bitsup-server"];

/// Options of `cargo xtask stress`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How often
    #[arg(long, value_name = "N", default_value_t = 20)]
    rounds: u32,
    /// Without the tests of the Python package
    #[arg(long)]
    no_python: bool,
    /// Only the tests of this member
    #[arg(long, value_name = "NAME", value_parser = MEMBERS, conflicts_with = "no_python")]
    member: Option<String>,
}

/// Busy loops, one a core, that end with this value.
struct Busy(Vec<Child>);

impl Busy {
    fn start() -> Result<Self> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let mut busy = Self(Vec::new());
        for _ in 0..cores {
            let mut sh = Command::new("sh");
            busy.0.push(sh.args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn()?);
        }
        Ok(busy)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Builds once, then runs everything in each round; fails at the end when anything failed.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    requirements::require(workspace, &[LIBCURL_HEADERS], false)?;
    let mut programs = build(workspace)?;
    if let Some(member) = &options.member {
        programs.retain(|program| program.member == *member);
    }
    let mut python_tests = None;
    if !options.no_python && options.member.is_none() {
        requirements::require(workspace, &[PYTHON_TESTS], false)?;
        let environment = requirements::environment(workspace, PYTHON_TESTS);
        let mut commands = python::tests(workspace, &environment);
        python_tests = commands.pop();
        for mut command in commands {
            requirements::run(&mut command)?;
        }
    }
    let logs = workspace.target.join("stress");
    std::fs::create_dir_all(&logs)?;
    let _busy = Busy::start()?;
    let mut failed = Vec::new();
    for round in 1..=options.rounds {
        let start = Instant::now();
        let mut here = Vec::new();
        for Program { member, name, folder, path } in &programs {
            let log = logs.join(format!("{round}-{member}-{name}.log"));
            if !logged(Command::new(path).current_dir(folder), &log)? {
                here.push(log);
            }
        }
        if let Some(command) = &mut python_tests {
            let log = logs.join(format!("{round}-python.log"));
            if !logged(command, &log)? {
                here.push(log);
            }
        }
        let result = if here.is_empty() { "passed" } else { "FAILED" };
        println!("round {round}: {result} in {:.0} s", start.elapsed().as_secs_f64());
        for log in &here {
            println!("  {}", log.display());
        }
        failed.extend(here);
    }
    match failed.len() {
        0 => Ok(()),
        count => Err(format!("{count} of the runs failed").into()),
    }
}

fn logged(command: &mut Command, log: &std::path::Path) -> Result<bool> {
    let file = std::fs::File::create(log)?;
    let command = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    Ok(command.status()?.success())
}

/// A test program.
struct Program {
    member: String,
    name: String,
    /// The folder to run in.
    folder: PathBuf,
    path: PathBuf,
}

/// Builds the test programs.
fn build(workspace: &Workspace) -> Result<Vec<Program>> {
    let mut cargo = workspace.cargo();
    // The same members as in the step "system", so that nothing is built again.
    cargo.args(["test", "--workspace", "--exclude", "bitsup-capi", "--no-default-features"]);
    cargo.args(["--no-run", "--message-format=json"]);
    let output = cargo.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("the tests do not build".into());
    }
    let mut programs = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let message: Value = serde_json::from_str(line)?;
        let text = |value: &Value| value.as_str().map(PathBuf::from);
        let manifest = text(&message["manifest_path"]);
        let folder = manifest.as_deref().and_then(|manifest| manifest.parent());
        let (Some(path), Some(folder)) = (text(&message["executable"]), folder) else {
            continue;
        };
        let member = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_test = message["profile"]["test"] == Value::Bool(true);
        if is_test && MEMBERS.contains(&member.as_str()) {
            let name = message["target"]["name"].as_str().unwrap_or_default().to_owned();
            programs.push(Program { member, name, folder: folder.to_owned(), path });
        }
    }
    Ok(programs)
}
