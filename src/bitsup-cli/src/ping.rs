//! `bitsup ping`.

use bitsup::Client;
use clap::Args;

use crate::connection::ConnectionArgs;
use crate::failure::CommandFailure;
use crate::{format, json};

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
pub(crate) fn run(args: &PingArgs) -> Result<u8, CommandFailure> {
    let options = args.connection.options()?;
    let report = Client::new()?.ping(&args.url, &options).inspect_err(|error| {
        if args.json {
            let url = format::without_query(&args.url);
            let _ = format::print(&json::error(&url, &error.clone().into(), ""));
        }
    })?;
    if args.json {
        let _ = format::print(&json::ping(&report));
        return Ok(0);
    }
    let server = report.server.as_ref().map_or(String::new(), |server| format!(" ({server})"));
    let login = if report.authorized { ", logged in" } else { "" };
    let time = format::time(report.duration);
    let _ = format::print(&format!("{}: a BITS server answers{server}{login}, {time}", report.url));
    Ok(0)
}
