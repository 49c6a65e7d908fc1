//! `bitsup doctor`.

use std::fmt::Write as _;

use bitsup::{Check, Client, DoctorReport, UploadOptions, Verdict};
use clap::Args;

use crate::connection::ConnectionArgs;
use crate::failure::Failure;
use crate::{json, words};

/// Look at all that stands between this machine and uploads to a URL, and say what to change where
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
}

/// Examines. The exit code is that of the first problem, as an upload would end with it.
pub(crate) fn run(args: &DoctorArgs) -> Result<u8, Failure> {
    let mut options = UploadOptions::default();
    args.connection.apply(&mut options)?;
    let report = Client::new()?.doctor(&args.url, &options)?;
    let _ = words::print(&if args.json { json::doctor(&report) } else { text(&report) });
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
            _ => "PROBLEM",
        };
        let _ = write!(text, "\n{mark:<8} {:<13} {}", name(finding.check), finding.detail);
        if let Some(fix) = &finding.fix {
            let _ = write!(text, "\n{:<8} {:<13} -> {fix}", "", "");
        }
    }
    text.push_str(match report.problem() {
        Some(_) => "\nUploads do not work before the problem is solved.",
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
        Check::Clock => "clock",
        _ => "other",
    }
}
