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
mod sink;
mod stage;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use fs_err as fs;

use crate::Result;
use crate::python;
use crate::requirements::{self, LIBCURL_HEADERS, Name};
use crate::runner::run as run_command;
use crate::workspace::Workspace;
use cases::{CASES, Case, Kind, Program, SMALLER};
use measure::Usage;
use report::{Contender, Report};
use stage::Stage;

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
    /// Build bitsup with the libcurl of its crate's sources instead of the system's
    #[arg(long)]
    bundled: bool,
    /// The part of `polite` that runs in a network namespace, with this build of bitsup
    #[arg(long, value_name = "BITSUP", hide = true)]
    inside: Option<PathBuf>,
}

impl Options {
    fn counted(&self) -> u32 {
        if self.quick { 1 } else { self.runs }
    }
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    if let Some(binary) = &options.inside {
        let report = polite::run(binary, options.counted(), options.quick)?;
        println!("{report}");
        return write_json(&[report], options);
    }
    let needs: &[Name] = if options.bundled { &["curl"] } else { &["curl", LIBCURL_HEADERS] };
    requirements::require(workspace, needs)?;

    let is_wanted = |case: &&Case| options.case.as_ref().is_none_or(|name| name == case.name);
    let wanted: Vec<&Case> = CASES.iter().filter(is_wanted).collect();
    let with_python = wanted.iter().any(|case| case.contenders.iter().any(Program::is_python));
    let libcurl = if options.bundled { "" } else { "--no-default-features" };
    let binary = build(workspace, &format!("--release {libcurl}"), with_python)?;
    if options.case.as_deref() == Some(polite::NAME) {
        return polite::start(workspace, &binary);
    }
    println!("{}", measure::machine());
    let mut reports = Vec::new();
    for case in wanted {
        let report = run_case(case, &binary, options.counted(), options.quick)?;
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

/// Builds the tool, and the Python package where a case wants it.
fn build(workspace: &Workspace, options: &str, with_python: bool) -> Result<PathBuf> {
    let module = if with_python { "--package bitsup-python" } else { "" };
    run_command(&mut workspace.cargo(&format!("build --package bitsup-cli {module} {options}")))?;
    let profile = if options.contains("--release") { "release" } else { "debug" };
    let binary = workspace.target.join(profile).join("bitsup");
    if with_python {
        python::lay_out(workspace, &binary.with_file_name("lib_bitsup.so"), &package(&binary))?;
    }
    Ok(binary)
}

/// Where the Python package of the same build lies.
fn package(binary: &Path) -> PathBuf {
    binary.with_extension("python")
}

fn run_case(case: &Case, binary: &Path, runs: u32, quick: bool) -> Result<Report> {
    let stage = Stage::set(case.files(quick), case.way)?;
    if case.contenders.iter().any(|program| program.command.starts_with("BOUND")) {
        // Without a C compiler those who need it are skipped.
        drop(stage.compile("bound", &[]));
    }
    let run_one = |program: &Program| match program.kind {
        // The small form is over before.
        Kind::Killed(_) if quick => {
            run_one(&Program { kind: Kind::Sends, ..*program }, binary, &stage)
        }
        _ => run_one(program, binary, &stage),
    };
    let new = |program: &'static Program| (program, Contender::new(program.name));
    let mut entrants: Vec<_> = case.contenders.iter().map(new).collect();
    // Warms the caches up, and shows who cannot run.
    for (program, contender) in &mut entrants {
        match run_one(program) {
            Ok(_) => {}
            Err(error) if !program.is_ours() => contender.skipped = Some(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    for round in 0..runs {
        let mut turn: Vec<_> = entrants.iter_mut().collect();
        // Every second round backwards, so that none always follows the same other.
        if round % 2 == 1 {
            turn.reverse();
        }
        for (program, contender) in turn {
            if contender.skipped.is_none() {
                contender.usages.push(run_one(program)?);
            }
        }
    }
    let contenders = entrants.into_iter().map(|(_, contender)| contender).collect();
    let bytes = stage.files.bytes * stage.files.count;
    Ok(Report { case: case.name, purpose: case.purpose, bytes, contenders })
}

fn run_one(program: &Program, binary: &Path, stage: &Stage) -> Result<Usage> {
    let all = stage.files.bytes * stage.files.count;
    let mut command = stage.command(program.command, binary)?;
    let bytes = match program.kind {
        Kind::Ideal(rate) => {
            let wall = Duration::from_secs_f64(all as f64 / rate);
            return Ok(Usage { wall, ..Usage::default() });
        }
        Kind::Killed(after) => {
            let mut usage = measure::measure(&mut command, Some(after))?;
            usage.hash_lag = Some(stage.hash_lag(after)?);
            stage.sink.drain();
            return Ok(usage);
        }
        Kind::Local => 0,
        Kind::Smaller => SMALLER,
        Kind::Sends => all,
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
        Err(format!("{} sent {received} of {bytes} bytes", program.name).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every case in small, with a debug build of the tool, so that none of them rots.
    #[test]
    fn every_case_runs() {
        let workspace = Workspace::find().expect("the workspace");
        let binary = build(&workspace, "--no-default-features", true).expect("it builds");
        for case in CASES {
            let report = run_case(case, &binary, 1, true)
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
