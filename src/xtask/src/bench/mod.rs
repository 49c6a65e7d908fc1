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
use std::process::Command;

use clap::{Args, ValueEnum};

use crate::Result;
use crate::install;
use crate::python;
use crate::requirements::{CURL_PROGRAM, LIBCURL_HEADERS, Requirement};
use crate::workspace::Workspace;
use cases::{CASES, Case, Pair, Payload};
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

    let is_wanted = |case: &&Case| options.case.as_ref().is_none_or(|name| name == case.name);
    let wanted: Vec<&Case> = CASES.iter().filter(is_wanted).collect();
    let with_python = wanted.iter().any(|case| case.pair == Pair::ToolAndPython);
    let builds = build(workspace, options.features, with_python)?;
    let mut reports = Vec::new();
    for case in wanted {
        let report = run_case(case, &builds, options.runs)?;
        println!("{report}");
        reports.push(report);
    }
    if let Some(path) = &options.json {
        fs::write(path, report::json(&reports)?)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// bitsup with one of the two libcurls.
struct Build {
    name: &'static str,
    tool: PathBuf,
    /// A folder with the Python package, if a case needs it.
    python: PathBuf,
}

/// Builds in release and puts each build aside under a name of its own, since both have the same path.
fn build(workspace: &Workspace, features: Features, with_python: bool) -> Result<Vec<Build>> {
    let folder = workspace.target.join("bench");
    fs::create_dir_all(&folder)?;
    let mut builds = Vec::new();
    for (name, is_wanted, arguments) in [
        ("system", features != Features::Bundled, &["--no-default-features"][..]),
        ("bundled", features != Features::System, &[]),
    ] {
        if !is_wanted {
            continue;
        }
        let mut cargo = workspace.cargo();
        cargo.args(["build", "--release", "--package", "bitsup-cli"]);
        if with_python {
            cargo.args(["--package", "bitsup-python"]);
        }
        if !cargo.args(arguments).status()?.success() {
            return Err(format!("bitsup-{name} does not build").into());
        }
        let release = workspace.target.join("release");
        let tool = folder.join(format!("bitsup-{name}"));
        fs::copy(release.join("bitsup"), &tool)?;
        let python = folder.join(format!("python-{name}"));
        if with_python {
            python::lay_out(workspace, &release, &python)?;
        }
        builds.push(Build { name, tool, python });
    }
    Ok(builds)
}

fn run_case(case: &Case, builds: &[Build], runs: u32) -> Result<Report> {
    let payload = Payload::create(case.name, case.bytes)?;
    let sink = Sink::start()?;
    let url = sink.url(case.name);
    let mut contenders = Vec::new();
    let mut programs: Vec<Box<dyn Fn() -> Command>> = Vec::new();
    let mut add = |name: &str, program: Box<dyn Fn() -> Command>| {
        contenders.push(Contender::new(name));
        programs.push(program);
    };
    if case.pair == Pair::CurlAndTool {
        let (file, url) = (payload.path().to_owned(), url.clone());
        add("curl -T", Box::new(move || cases::curl_upload(&file, &url)));
    }
    for build in builds {
        let (tool, file, url) = (build.tool.clone(), payload.path().to_owned(), url.clone());
        let program = move || cases::bitsup_upload(&tool, &file, &url);
        add(&format!("bitsup-{}", build.name), Box::new(program));
    }
    for build in builds.iter().filter(|_| case.pair == Pair::ToolAndPython) {
        let (package, file, url) = (build.python.clone(), payload.path().to_owned(), url.clone());
        let program = move || cases::python_upload(&package, &file, &url);
        add(&format!("python-{}", build.name), Box::new(program));
    }

    let run_one = |index: usize| -> Result<Usage> {
        let mut command = programs.get(index).ok_or("there is no such program")?();
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
