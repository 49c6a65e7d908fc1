//! `bitsup explain`.

use bitsup::explain::{self, Reader};
use clap::Args;

use crate::failure::CommandFailure;
use crate::format;

/// Explain a code of BITS: what it means, its likely causes, and what to do
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bitsup explain 0x80200020\n  bitsup explain BG_E_TOO_LARGE\n  bitsup explain 413"
)]
pub(crate) struct ExplainArgs {
    /// An HTTP status, an HRESULT or its name
    #[arg(value_name = "CODE")]
    code: String,
}

/// Explains.
pub(crate) fn run(args: &ExplainArgs) -> Result<u8, CommandFailure> {
    let mut found = false;
    for entry in explain::search(&args.code) {
        let packet =
            entry.key.packet.map_or(String::new(), |packet| format!(" (answer to {packet})"));
        let gap = if found { "\n" } else { "" };
        let text = format!(
            "{gap}{}{packet}\n{}\n{}",
            entry.title,
            entry.cause,
            entry.advice(Reader::Tool)
        );
        found = true;
        if !format::print(&text) {
            break;
        }
    }
    if found {
        return Ok(0);
    }
    Err(CommandFailure::usage(format!(
        "nothing is known about {:?}: give an HTTP status (413), an HRESULT (0x80200020) or its name (BG_E_TOO_LARGE)",
        format::printable(&args.code)
    )))
}
