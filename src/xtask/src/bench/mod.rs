//! `cargo xtask bench`: bitsup beside another program in one run, on one machine, in turns.
//!
//! Figures of different machines or hours say little; the ratios of one run do. The server throws everything
//! away, so what is compared is the client.

mod cases;
mod measure;
mod report;
mod sink;

use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::Result;
use crate::install;
use crate::requirements::{CURL_PROGRAM, LIBCURL_HEADERS, Requirement};
use crate::workspace::Workspace;
use cases::{CASES, Case, Payload};
use measure::Usage;
use report::{Contender, Report};
use sink::Sink;

/// Fewer runs give a median that one disturbance can move.
const FEWEST_RUNS: u32 = 5;

/// Options of `cargo xtask bench`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Run this case only
    #[arg(value_name = "NAME", value_parser = CASES.iter().map(|case| case.name).collect::<Vec<_>>())]
    case: Option<String>,
    /// Counted runs of each program, at least 5
    #[arg(long, value_name = "N", default_value_t = FEWEST_RUNS, value_parser = clap::value_parser!(u32).range(i64::from(FEWEST_RUNS)..))]
    runs: u32,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Which libcurl bitsup is built with
    #[arg(long, value_enum, default_value_t = Features::System)]
    features: Features,
    /// Install what is missing without asking (as with CI set, and as root in a container)
    #[arg(long)]
    install: bool,
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

/// Runs the command.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    let mut needs: Vec<&'static Requirement> = vec![&CURL_PROGRAM];
    if options.features != Features::Bundled {
        needs.push(&LIBCURL_HEADERS);
    }
    install::provide(workspace, &needs, options.install, &|_| "benchmarks".to_owned())?;
    install::check(workspace, &needs)?;

    let builds = build(workspace, options.features)?;
    let mut reports = Vec::new();
    for case in CASES {
        if options.case.as_ref().is_none_or(|name| name == case.name) {
            let report = run_case(case, &builds, options.runs)?;
            println!("{report}");
            reports.push(report);
        }
    }
    if let Some(path) = &options.json {
        fs::write(path, report::json(&reports)?)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Builds the tool in release and puts each build aside under a name of its own, since both have the same path.
fn build(workspace: &Workspace, features: Features) -> Result<Vec<(&'static str, PathBuf)>> {
    let folder = workspace.target.join("bench");
    fs::create_dir_all(&folder)?;
    let mut builds = Vec::new();
    for (name, is_wanted, arguments) in [
        ("bitsup-system", features != Features::Bundled, &["--no-default-features"][..]),
        ("bitsup-bundled", features != Features::System, &[]),
    ] {
        if !is_wanted {
            continue;
        }
        let status = workspace
            .cargo()
            .args(["build", "--release", "--package", "bitsup-cli"])
            .args(arguments)
            .status()?;
        if !status.success() {
            return Err(format!("{name} does not build").into());
        }
        let binary = folder.join(name);
        fs::copy(workspace.target.join("release/bitsup"), &binary)?;
        builds.push((name, binary));
    }
    Ok(builds)
}

fn run_case(case: &Case, builds: &[(&'static str, PathBuf)], runs: u32) -> Result<Report> {
    let payload = Payload::create(case.name, case.bytes)?;
    let sink = Sink::start()?;
    let mut contenders = vec![Contender::new("curl -T")];
    contenders.extend(builds.iter().map(|(name, _)| Contender::new(name)));

    let run_one = |index: usize| -> Result<Usage> {
        let url = sink.url(case.name);
        let mut command = match index.checked_sub(1).and_then(|index| builds.get(index)) {
            None => (case.reference)(payload.path(), &url),
            Some((_, binary)) => (case.bitsup)(binary, payload.path(), &url),
        };
        let before = sink.bytes_received();
        let usage = measure::measure(&mut command)?;
        let received = sink.bytes_received() - before;
        if received == case.bytes {
            Ok(usage)
        } else {
            let program = command.get_program().to_string_lossy();
            Err(format!("{program} sent {received} of {} bytes", case.bytes).into())
        }
    };
    for index in 0..contenders.len() {
        run_one(index)?; // warms the caches up
    }
    for round in 0..runs {
        // Every second round backwards, so that none always follows the same other.
        let mut order: Vec<usize> = (0..contenders.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let usage = run_one(index)?;
            if let Some(contender) = contenders.get_mut(index) {
                contender.usages.push(usage);
            }
        }
    }
    Ok(Report { case: case.name, purpose: case.purpose, bytes: case.bytes, contenders })
}
