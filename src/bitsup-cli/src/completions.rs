//! `bitsup completions` and `bitsup man`.

use bitsup::ErrorKind;
use clap::Args;
use clap_complete::Shell;

use crate::failure::CommandFailure;

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

/// Writes completions of the tool's command line.
pub(crate) fn completions(args: &CompletionsArgs, mut tool: clap::Command) -> u8 {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut tool, "bitsup", &mut text);
    write(&text)
}

/// Writes a manual page of the tool or of one command.
pub(crate) fn man(args: &ManArgs, mut tool: clap::Command) -> Result<u8, CommandFailure> {
    tool.build();
    let command = match &args.command {
        None => tool,
        Some(name) => {
            let found = tool.find_subcommand(name).cloned();
            let found = found
                .ok_or_else(|| CommandFailure::usage(format!("there is no command {name:?}")))?;
            let display = format!("bitsup-{name}");
            found.name(display)
        }
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).map_err(|error| {
        CommandFailure::new(ErrorKind::Internal, format!("cannot make the manual page: {error}"))
    })?;
    Ok(write(&page))
}

fn write(text: &[u8]) -> u8 {
    let _ = crate::output::print_bytes(text);
    0
}
