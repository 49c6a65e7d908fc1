//! `bitsup ping`.

use bitsup::Client;
use clap::Args;

use crate::connection::ConnectionArgs;
use crate::failure::Failure;
use crate::{json, words};

/// Ask whether a BITS server answers at a URL
#[derive(Debug, Args)]
pub(crate) struct PingArgs {
    /// The URL of a folder or file on the server
    #[arg(value_name = "URL")]
    url: String,
    /// Write a JSON object to standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Pings.
pub(crate) fn run(args: &PingArgs) -> Result<u8, Failure> {
    let options = args.connection.options(None)?;
    let report = Client::new()?.ping(&args.url, &options).inspect_err(|error| {
        if args.json {
            let url = words::without_query(&args.url);
            let _ = words::print(&json::error(&url, &error.clone().into(), ""));
        }
    })?;
    if args.json {
        let _ = words::print(&json::ping(&report));
        return Ok(0);
    }
    let server = report.server.as_ref().map_or(String::new(), |server| format!(" ({server})"));
    let login = if report.authorized { ", logged in" } else { "" };
    let time = words::time(report.duration);
    let _ = words::print(&format!("{}: a BITS server answers{server}{login}, {time}", report.url));
    Ok(0)
}
