//! `cargo xtask bench`: bitsup beside another program in one run, on one machine, in turns.
//!
//! Figures of different machines or hours say little; the ratios of one run do. The server throws everything
//! away, so what is compared is the client.

mod cases;
pub(crate) mod instructions;
mod link;
mod measure;
mod polite;
mod report;
mod scene;
mod sink;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::{Args, ValueEnum};
use fs_err as fs;

use crate::Result;
use crate::python;
use crate::requirements::{self, LIBCURL_HEADERS};
use crate::runner::run as run_command;
use crate::workspace::Workspace;
use cases::{CASES, Case, Kind, Program};
use measure::Usage;
use report::{Contender, Report};
use scene::Stage;

/// Fewer runs give a median that one disturbance can move.
const FEWEST_RUNS: u32 = 5;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Run this case only
    #[arg(value_name = "NAME", value_parser = CASES.iter().map(|case| case.name).chain([polite::NAME]).collect::<Vec<_>>())]
    case: Option<String>,
    /// Counted runs of each program, at least 5
    #[arg(long, value_name = "N", default_value_t = FEWEST_RUNS, value_parser = clap::value_parser!(u32).range(i64::from(FEWEST_RUNS)..))]
    runs: u32,
    /// Run small forms once, to see that they run; the figures say nothing
    #[arg(long)]
    quick: bool,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Which libcurl bitsup is built with
    #[arg(long, value_enum, default_value_t = Features::System)]
    features: Features,
    /// The part of `polite` that runs in a network namespace, with this build of bitsup
    #[arg(long, value_name = "BITSUP", hide = true)]
    inside: Option<PathBuf>,
}

impl Options {
    fn counted(&self) -> u32 {
        if self.quick { 1 } else { self.runs }
    }
}

/// The choice of libcurl.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Features {
    /// The system's
    System,
    /// The one built from its crate's sources
    Bundled,
    /// One after the other
    Both,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    if let Some(binary) = &options.inside {
        let report = polite::run(binary, options.counted(), options.quick)?;
        println!("{report}");
        return write_json(&[report], options);
    }
    let mut needs = vec!["curl"];
    if options.features != Features::Bundled {
        needs.push(LIBCURL_HEADERS);
    }
    requirements::require(workspace, &needs)?;

    let is_wanted = |case: &&Case| options.case.as_ref().is_none_or(|name| name == case.name);
    let wanted: Vec<&Case> = CASES.iter().filter(is_wanted).collect();
    let is_python = |program: &Program| matches!(program.kind, Kind::Python);
    let with_python = wanted.iter().any(|case| case.contenders.iter().any(is_python));
    let builds = build(workspace, options.features, with_python)?;
    if options.case.as_deref() == Some(polite::NAME) {
        return builds.iter().try_for_each(|(_, binary)| polite::start(workspace, binary, options));
    }
    println!("{}", measure::machine());
    let mut reports = Vec::new();
    for case in wanted {
        let report = run_case(case, &builds, options.counted(), options.quick)?;
        println!("{report}");
        reports.push(report);
    }
    write_json(&reports, options)
}

/// Writes all figures where they are wanted.
fn write_json(reports: &[Report], options: &Options) -> Result {
    if let Some(path) = &options.json {
        fs::write(path, report::json(reports)?)?;
    }
    Ok(())
}

/// Builds the tool, and the Python package where a case wants it, in release and puts each build aside under a name of its own, since both have the same path.
fn build(
    workspace: &Workspace,
    features: Features,
    with_python: bool,
) -> Result<Vec<(&'static str, PathBuf)>> {
    let folder = workspace.target.join("bench");
    fs::create_dir_all(&folder)?;
    let mut builds = Vec::new();
    for (name, is_wanted, choice) in [
        ("bitsup-system", features != Features::Bundled, "--no-default-features"),
        ("bitsup-bundled", features != Features::System, ""),
    ] {
        if !is_wanted {
            continue;
        }
        let module = if with_python { "--package bitsup-python" } else { "" };
        let words = format!("build --release --package bitsup-cli {module} {choice}");
        run_command(&mut workspace.cargo(&words))?;
        let binary = folder.join(name);
        let release = workspace.target.join("release");
        fs::copy(release.join("bitsup"), &binary)?;
        if with_python {
            python::lay_out(workspace, &release, &package(&binary))?;
            python::bare_interpreter(&package(&binary))?;
        }
        builds.push((name, binary));
    }
    Ok(builds)
}

/// Where the Python package of the same build lies.
fn package(binary: &Path) -> PathBuf {
    binary.with_extension("python")
}

/// One who takes part: a program, and the build of bitsup if it is one.
struct Entrant<'a> {
    kind: Kind,
    binary: Option<&'a Path>,
}

fn run_case(
    case: &Case,
    builds: &[(&'static str, PathBuf)],
    runs: u32,
    quick: bool,
) -> Result<Report> {
    let stage = Stage::set(case, quick)?;
    let mut entrants = Vec::new();
    for Program { name, kind } in case.contenders.iter().copied() {
        if matches!(kind, Kind::Other(_) | Kind::Local(_) | Kind::Ideal(_)) {
            entrants.push((Entrant { kind, binary: None }, Contender::new(name)));
            continue;
        }
        for (build, binary) in builds {
            let build = if builds.len() > 1 { format!(" ({build})") } else { String::new() };
            let contender = Contender::new(&format!("{name}{build}"));
            entrants.push((Entrant { kind, binary: Some(binary) }, contender));
        }
    }
    // Warms the caches up, and shows who cannot run.
    for (entrant, contender) in &mut entrants {
        match run_one(entrant, &stage) {
            Ok(_) => {}
            Err(error) if entrant.binary.is_none() => contender.skipped = Some(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    for round in 0..runs {
        let mut turn: Vec<_> = entrants.iter_mut().collect();
        // Every second round backwards, so that none always follows the same other.
        if round % 2 == 1 {
            turn.reverse();
        }
        for (entrant, contender) in turn {
            if contender.skipped.is_none() {
                contender.usages.push(run_one(entrant, &stage)?);
            }
        }
    }
    let contenders = entrants.into_iter().map(|(_, contender)| contender).collect();
    let bytes = stage.files.bytes * stage.files.count;
    Ok(Report { case: case.name, purpose: case.purpose, bytes, contenders })
}

fn run_one(entrant: &Entrant<'_>, stage: &Stage) -> Result<Usage> {
    let mut bytes = stage.files.bytes * stage.files.count;
    let mut command = match (entrant.kind, entrant.binary) {
        (Kind::Ideal(rate), _) => return Ok(Usage::ideal(bytes as f64 / rate)),
        (Kind::Local(command), _) => return measure::measure(&mut command(&stage.scene), None),
        (Kind::Other(command), _) => command(&stage.scene),
        (Kind::Bitsup(options), Some(binary)) => bitsup(binary, options, stage)?,
        (Kind::Hashing, Some(binary)) => {
            let mut command = bitsup(binary, &[], stage)?;
            command.env("BITSUP_HASH_FROM_FIRST_BYTE", "1");
            command
        }
        // The small form is over before.
        (Kind::Killed(_), Some(binary)) if stage.is_quick => bitsup(binary, &[], stage)?,
        (Kind::Killed(after), Some(binary)) => {
            let mut usage = measure::measure(&mut bitsup(binary, &[], stage)?, Some(after))?;
            usage.hash_lag = Some(stage.hash_lag(after)?);
            stage.sink.drain();
            return Ok(usage);
        }
        (Kind::Smaller(size), Some(binary)) => {
            bytes = size;
            let mut command = tool(binary, stage)?;
            command.arg(stage.smaller(size)?).arg(&stage.scene.base);
            command
        }
        (Kind::Python, Some(binary)) => {
            let mut command = Command::new(package(binary).join("environment/bin/python"));
            let script = "import sys, bitsup; bitsup.upload(sys.argv[1], sys.argv[2])";
            command.args(["-c", script]).arg(stage.scene.file()).arg(&stage.scene.base);
            command.env("PYTHONPATH", package(binary));
            command
        }
        (_, None) => return Err("bitsup is not built".into()),
    };
    let before = stage.sink.bytes_received();
    stage.sink.take_first_byte();
    let start = Instant::now();
    let mut usage = measure::measure(&mut command, None)?;
    usage.first_byte = stage.sink.take_first_byte().map(|at| at.saturating_duration_since(start));
    let received = stage.sink.bytes_received() - before;
    if received == bytes {
        Ok(usage)
    } else {
        let program = command.get_program().to_string_lossy();
        Err(format!("{program} sent {received} of {bytes} bytes").into())
    }
}

/// The tool with an empty folder for its journal, since the user's own has no part in this.
fn tool(binary: &Path, stage: &Stage) -> Result<Command> {
    let mut command = Command::new(binary);
    command.args(["upload", "-q"]).env("BITSUP_STATE_DIR", stage.new_state()?);
    Ok(command)
}

fn bitsup(binary: &Path, options: &[&str], stage: &Stage) -> Result<Command> {
    let mut command = tool(binary, stage)?;
    command.args(options);
    if let Some(certificate) = &stage.scene.certificate {
        command.arg("--cacert").arg(certificate);
    }
    if stage.files.count > 1 {
        command.arg("--files-from").arg(stage.scene.path("list"));
    } else {
        command.arg(stage.scene.file());
    }
    command.arg(&stage.scene.base);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every case in small, with a debug build of the tool, so that none of them rots.
    #[test]
    fn every_case_runs() {
        let workspace = Workspace::find().expect("the workspace");
        let binary = workspace.target.join("debug/bitsup");
        let packages = "--package bitsup-cli --package bitsup-python";
        let mut cargo = workspace.cargo(&format!("build --no-default-features {packages}"));
        run_command(&mut cargo).expect("it builds");
        python::lay_out(&workspace, &workspace.target.join("debug"), &package(&binary))
            .expect("laid out");
        python::bare_interpreter(&package(&binary)).expect("made");
        let builds = [("bitsup", binary)];
        for case in CASES {
            let report = run_case(case, &builds, 1, true)
                .unwrap_or_else(|error| panic!("{}: {error}", case.name));
            println!("{report}");
            for contender in &report.contenders {
                // Those of our own need a C compiler only, which is always there.
                let is_ours = ["sendfile", "socket loop in C"].contains(&&*contender.name);
                assert!(!is_ours || contender.skipped.is_none(), "{contender:?}");
                assert_eq!(
                    contender.usages.len(),
                    usize::from(contender.skipped.is_none()),
                    "{contender:?}"
                );
            }
        }
    }
}
