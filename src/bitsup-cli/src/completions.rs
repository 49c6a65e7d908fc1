//! `bitsup completions` and `bitsup man`.

use bitsup::ErrorKind;
use clap::Args;
use clap_complete::Shell;

use crate::failure::Failure;

/// Write completions for a shell to standard output
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bitsup completions bash > /etc/bash_completion.d/bitsup")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Write a manual page (roff) to standard output
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bitsup man > bitsup.1\n  bitsup man upload | man -l -")]
pub(crate) struct ManArgs {
    /// The command; without one the page of bitsup itself
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

/// Writes completions.
pub(crate) fn completions(args: &CompletionsArgs) -> u8 {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut crate::cli::command(), "bitsup", &mut text);
    write(&text)
}

/// Writes a manual page.
pub(crate) fn man(args: &ManArgs) -> Result<u8, Failure> {
    let mut root = crate::cli::command();
    root.build();
    let command = match &args.command {
        None => root,
        Some(name) => {
            let found = root.find_subcommand(name).cloned();
            let found =
                found.ok_or_else(|| Failure::usage(format!("there is no command {name:?}")))?;
            let display = format!("bitsup-{name}");
            found.name(display)
        }
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).map_err(|error| {
        Failure::new(ErrorKind::Internal, format!("cannot make the manual page: {error}"))
    })?;
    Ok(write(&page))
}

fn write(text: &[u8]) -> u8 {
    let _ = crate::output::print_bytes(text);
    0
}
