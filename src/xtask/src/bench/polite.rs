//! What a polite upload leaves to others: `curl -T` alone, and beside bitsup, over one link with a real queue.
//!
//! The link is a pair of devices between two network namespaces with `tc tbf` at the sending end. The namespaces are
//! made without privileges by `unshare` and go with their processes: nothing of the machine's network is touched.
//! The sink and the measuring run in one, so the benchmark starts itself there a second time.

use std::env;
use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use fs_err as fs;

use super::measure;
use super::report::{Contender, Report};
use super::scene::write_file;
use super::sink::Sink;
use super::{Options, Result};
use crate::runner::{KillOnDrop, run as run_command};
use crate::workspace::Workspace;

/// Its name on the command line.
pub(super) const NAME: &str = "polite";
const PURPOSE: &str = "25 MiB by curl -T, alone and beside an upload of bitsup that began before, 40 Mbit/s with a \
                       queue of 100 ms; goal: wall at most 1.11 of alone beside --polite (a tenth less throughput)";

const SINK: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// Makes the namespaces and the link.
const LINK: &str = "src/xtask/src/bench/programs/polite_link.sh";
/// Bytes a second.
const RATE: f64 = 5e6;
const FOREGROUND: u64 = 25 << 20;
/// More than goes over the link meanwhile.
const BACKGROUND: u64 = 4 << 30;
/// So long the upload is alone before, and so long of it is measured.
const LEAD: Duration = Duration::from_secs(8);
const MEASURED: Duration = Duration::from_secs(3);

/// Runs the benchmark in a namespace of its own.
pub(super) fn start(workspace: &Workspace, binary: &Path, options: &Options) -> Result {
    let mut command = linked(workspace, &env::current_exe()?, binary);
    command.args(["--runs", &options.runs.to_string()]);
    if options.quick {
        command.arg("--quick");
    }
    if let Some(path) = &options.json {
        command.arg("--json").arg(path);
    }
    run_command(&mut command).map_err(|error| {
        format!("it failed, or there are no network namespaces here: {error}").into()
    })
}

/// A command for this benchmark by a program of xtask, beside a link.
fn linked(workspace: &Workspace, xtask: &Path, binary: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--user", "--net"]).arg(workspace.path(LINK));
    command.arg(SINK.to_string()).arg(xtask).args(["bench", NAME, "--inside"]).arg(binary);
    command
}

/// Runs it where [`start`] has put this process.
pub(super) fn run(binary: &Path, runs: u32, quick: bool) -> Result<Report> {
    let folder = Path::new("/dev/shm").join(format!("bitsup-bench-{NAME}-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let report = measured(binary, runs, quick, &folder);
    fs::remove_dir_all(&folder)?;
    report
}

fn measured(binary: &Path, runs: u32, quick: bool, folder: &Path) -> Result<Report> {
    let (small, large) = (folder.join("foreground"), folder.join("background"));
    let bytes = if quick { 1 << 20 } else { FOREGROUND };
    write_file(&small, bytes, false)?;
    write_file(&large, BACKGROUND, true)?;
    let sink = Sink::start(SINK, false, None)?;
    let base = format!("http://{}/", sink.address());
    let backgrounds: [(&str, Option<&[&str]>); 3] = [
        ("curl -T alone", None),
        ("beside --polite", Some(&["--polite"])),
        ("beside bitsup", Some(&[])),
    ];
    let mut contenders: Vec<Contender> =
        backgrounds.iter().map(|(name, _)| Contender::new(name)).collect();
    let mut shares = Vec::new();
    for _ in 0..runs {
        for ((_, options), contender) in backgrounds.iter().zip(&mut contenders) {
            let _background = match options {
                None => None,
                Some(options) => {
                    let mut command = client(binary);
                    command.args(["upload", "--no-resume", "-q"]).args(*options).arg(&large);
                    let child = KillOnDrop(command.arg(format!("{base}background")).spawn()?);
                    let share = lead(&sink, quick);
                    shares.extend((*options == ["--polite"]).then_some(share));
                    Some(child)
                }
            };
            let mut foreground = client("curl");
            foreground.args(["-q", "-sS", "--fail", "-o", "/dev/null", "-T"]).arg(&small);
            contender.usages.push(measure::measure(foreground.arg(&base), None)?);
        }
    }
    shares.sort_by(f64::total_cmp);
    let share = shares.get(shares.len() / 2).copied().unwrap_or(f64::NAN);
    println!("{NAME}: alone, --polite takes {share:.2} of the link (median)");
    Ok(Report { case: NAME, purpose: PURPOSE, bytes, contenders })
}

/// Lets the upload find its pace; what part of the link it takes alone.
fn lead(sink: &Sink, quick: bool) -> f64 {
    let (lead, measured) = if quick { (LEAD / 8, MEASURED / 8) } else { (LEAD, MEASURED) };
    thread::sleep(lead.saturating_sub(measured));
    let (begun, before) = (Instant::now(), sink.bytes_read());
    thread::sleep(measured);
    (sink.bytes_read() - before) as f64 / begun.elapsed().as_secs_f64() / RATE
}

/// A command that runs in the namespace of the clients.
fn client(program: impl AsRef<OsStr>) -> Command {
    let clients = env::var_os("BITSUP_CLIENTS").unwrap_or_default();
    let mut command = Command::new("nsenter");
    command.arg("--net").arg("--target").arg(clients).arg("--").arg(program);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_where_there_are_namespaces() {
        let options = ["--map-root-user", "--user", "--net", "true"];
        let probe = Command::new("unshare").args(options).status();
        if !probe.is_ok_and(|status| status.success()) {
            println!("skipped: this system makes no network namespaces");
            return;
        }
        let workspace = Workspace::find().expect("the workspace");
        let packages = "--package bitsup-cli --package xtask --no-default-features";
        run_command(&mut workspace.cargo(&format!("build {packages}"))).expect("it builds");
        let folder = workspace.target.join("debug");
        let mut bench = linked(&workspace, &folder.join("xtask"), &folder.join("bitsup"));
        let output = bench.arg("--quick").output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}{text}", String::from_utf8_lossy(&output.stderr));
        for line in ["curl -T alone", "beside --polite", "beside bitsup"] {
            assert!(text.contains(line), "{text}");
        }
    }
}
