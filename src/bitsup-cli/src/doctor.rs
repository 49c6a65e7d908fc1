//! `bitsup doctor`.

use std::fmt::Write as _;

use bitsup::explain::Reader;
use bitsup::{Check, Client, DoctorReport, OptionSet, Verdict};
use clap::Args;

use crate::connection::ConnectionArgs;
use crate::failure::CommandFailure;
use crate::state::StateArgs;
use crate::{format, json};

/// Diagnose the path to a server: proxy, DNS, TCP, TLS, login, BITS
///
/// Says what to change, and where. Nothing at the URL itself is touched: a file of the name
/// bitsup-doctor-... in the same folder is begun, and cancelled again.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The URL of a folder or file on the server
    #[arg(value_name = "URL")]
    url: String,
    /// Write a JSON object to standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    state: StateArgs,
}

/// Examines. The exit code is that of the first problem, as an upload would end with it.
pub(crate) fn run(args: &DoctorArgs) -> Result<u8, CommandFailure> {
    let options = args.connection.options()?;
    let folder = args.state.folder();
    let kept = folder.map_or_else(OptionSet::new, |folder| OptionSet::new().state_dir(folder));
    let client = Client::builder().options(&kept).build()?;
    let report = client.doctor(&args.url, &options)?;
    let _ = format::print(&if args.json { json::doctor(&report) } else { text(&report) });
    let kind = report.problem().and_then(|finding| finding.kind);
    Ok(kind.map_or(0, bitsup::ErrorKind::exit_code))
}

fn text(report: &DoctorReport) -> String {
    let mut text = report.url.clone();
    for finding in &report.findings {
        let mark = match finding.verdict {
            Verdict::Good => "ok",
            Verdict::Skipped => "-",
            Verdict::Warning => "warning",
            Verdict::Unknown => "unknown",
            _ => "PROBLEM",
        };
        let _ = write!(text, "\n{mark:<8} {:<13} {}", name(finding.check), finding.detail);
        if let Some(fix) = finding.fix(Reader::Tool) {
            let _ = write!(text, "\n{:<8} {:<13} -> {fix}", "", "");
        }
    }
    text.push_str(match report.problem() {
        Some(_) => "\nUploads will fail until the problem is solved.",
        None if report.is_uncertain() => {
            "\nNo problem was found, but it is unknown whether uploads work."
        }
        None => "\nUploads should work.",
    });
    text
}

fn name(check: Check) -> &'static str {
    match check {
        Check::Proxy => "proxy",
        Check::Name => "name",
        Check::Connection => "connection",
        Check::Certificates => "certificates",
        Check::Verb => "verb",
        Check::Authentication => "login",
        Check::Session => "session",
        Check::HostId => "host id",
        Check::Fragment => "fragment",
        Check::Cleanup => "cleanup",
        Check::State => "resume state",
        Check::Clock => "clock",
        _ => "other",
    }
}
