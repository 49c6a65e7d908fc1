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

use super::measure;
use super::report::{Contender, Report};
use super::sink::Sink;
use super::stage::{folder_in_memory, write_file};
use crate::Result;
use crate::runner::{KillOnDrop, run as run_command};
use crate::workspace::Workspace;

/// Its name on the command line.
pub(super) const NAME: &str = "polite";
const POLITE: &str = "beside --polite";
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

/// Runs the benchmark in a namespace of its own, with the options that this process has.
pub(super) fn start(workspace: &Workspace, binary: &Path) -> Result {
    let mut command = linked(workspace, &env::current_exe()?);
    command.args(env::args_os().skip(1)).arg("--inside").arg(binary);
    run_command(&mut command).map_err(|error| {
        format!("it failed, or there are no network namespaces here: {error}").into()
    })
}

/// A command of a program of xtask beside a link.
fn linked(workspace: &Workspace, xtask: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--user", "--net"]).arg(workspace.path(LINK));
    command.arg(SINK.to_string()).arg(xtask);
    command
}

/// Runs it where [`start`] has put this process.
pub(super) fn run(binary: &Path, runs: u32, quick: bool) -> Result<Report> {
    let folder = folder_in_memory()?;
    let [small, large] = ["foreground", "background"].map(|name| folder.path().join(name));
    let bytes = if quick { 1 << 20 } else { FOREGROUND };
    write_file(&small, bytes, false)?;
    write_file(&large, BACKGROUND, true)?;
    let sink = Sink::start(SINK, false, None)?;
    let base = format!("http://{}/", sink.address());
    let backgrounds = [
        ("curl -T alone", None),
        (POLITE, Some("upload -q --no-resume --polite")),
        ("beside bitsup", Some("upload -q --no-resume")),
    ];
    let mut contenders = backgrounds.map(|(name, _)| Contender::new(name));
    let mut shares = Vec::new();
    for _ in 0..runs {
        for ((name, words), contender) in backgrounds.iter().zip(&mut contenders) {
            let mut background = None;
            if let Some(words) = words {
                let mut command = client(binary);
                command.args(words.split(' ')).arg(&large).arg(format!("{base}background"));
                background = Some(KillOnDrop(command.spawn()?));
                let share = lead(&sink, quick);
                shares.extend((*name == POLITE).then_some(share));
            }
            let mut foreground = client("curl");
            foreground.args(["-q", "-sS", "--fail", "-o", "/dev/null", "-T"]).arg(&small);
            contender.usages.push(measure::measure(foreground.arg(&base), None)?);
            drop(background);
        }
    }
    shares.sort_by(f64::total_cmp);
    let share = shares.get(shares.len() / 2).copied().unwrap_or(f64::NAN);
    println!("{NAME}: alone, --polite takes {share:.2} of the link (median)");
    Ok(Report { case: NAME, purpose: PURPOSE, bytes, contenders: contenders.into() })
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
        let mut bench = linked(&workspace, &folder.join("xtask"));
        bench.args(["bench", NAME, "--quick", "--inside"]).arg(folder.join("bitsup"));
        let output = bench.output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}{text}", String::from_utf8_lossy(&output.stderr));
        for line in ["curl -T alone", POLITE, "beside bitsup"] {
            assert!(text.contains(line), "{text}");
        }
    }
}
