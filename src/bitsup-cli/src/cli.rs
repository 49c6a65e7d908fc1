//! The command line: commands, help and version.

use std::ffi::OsString;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::completions::{CompletionsArgs, ManArgs};
use crate::demo::DemoArgs;
use crate::doctor::DoctorArgs;
use crate::explain::ExplainArgs;
use crate::failure::CommandFailure;
use crate::ping::PingArgs;
use crate::serve::ServeArgs;
use crate::sessions::{CancelArgs, ListArgs, ResumeArgs};
use crate::upload::UploadArgs;

const EXAMPLES: &str = "\
Examples:
  bitsup upload disk.img https://server/incoming/
  bitsup ping https://server/incoming/
  bitsup doctor https://server/incoming/
  bitsup explain 0x80200020
  bitsup demo

Exit codes:
  0 done    1 several files failed for different reasons    2 usage
  3 local file    4 authentication    5 TLS    6 not now, the same command may work later
  7 refused by the server    8 the server broke the protocol, or verification failed
  9 limit reached    10 cancelled    11 session in use    12 output cannot be written
  70 internal error
  128 + N stopped by signal N";

/// The command line.
#[derive(Debug, Parser)]
#[command(about = "Uploads files with the BITS Upload Protocol (BITS_POST)", long_about = None)]
#[command(name = "bitsup", after_help = EXAMPLES, disable_help_flag = true)]
#[command(disable_help_subcommand = true, max_term_width = 100)]
struct Cli {
    /// Show the options that matter most
    #[arg(short, long, global = true, action = ArgAction::HelpShort, display_order = 900)]
    help: Option<bool>,
    /// Show all options
    #[arg(long, global = true, action = ArgAction::HelpLong, display_order = 901)]
    help_all: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Upload(UploadArgs),
    List(ListArgs),
    Resume(ResumeArgs),
    Cancel(CancelArgs),
    Ping(PingArgs),
    Doctor(DoctorArgs),
    Explain(ExplainArgs),
    Serve(ServeArgs),
    Demo(DemoArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

impl Command {
    /// Does it. The result is the exit code, or a failure that is not told yet.
    pub(crate) fn run(self) -> Result<u8, CommandFailure> {
        match self {
            Self::Upload(args) => crate::upload::run(&args),
            Self::List(args) => crate::sessions::list(&args),
            Self::Resume(args) => crate::sessions::resume(&args),
            Self::Cancel(args) => crate::sessions::cancel(&args),
            Self::Ping(args) => crate::ping::run(&args),
            Self::Doctor(args) => crate::doctor::run(&args),
            Self::Explain(args) => crate::explain::run(&args),
            Self::Serve(args) => crate::serve::run(args),
            Self::Demo(args) => crate::demo::run(&args),
            Self::Completions(args) => Ok(crate::completions::completions(&args, command())),
            Self::Man(args) => crate::completions::man(&args, command()),
        }
    }
}

/// Reads the command line. Help and version come as an error of clap's, with exit code 0.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Command, clap::Error> {
    let matches = command().try_get_matches_from(args)?;
    Ok(Cli::from_arg_matches(&matches)?.command)
}

/// The whole command line, for help, completions and manual page too.
pub(crate) fn command() -> clap::Command {
    Cli::command().version(format!("{} with {}", bitsup::VERSION, bitsup::features()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    /// The commands and options that advice names exist.
    #[test]
    fn advice_names_options_that_exist() {
        use bitsup::explain::Reader;
        let _rule = bitsup_server::rule!("OUT-05");
        let command = command();
        let all = |wanted: fn(&clap::Arg) -> Vec<String>| -> Vec<String> {
            command
                .get_subcommands()
                .flat_map(clap::Command::get_arguments)
                .flat_map(wanted)
                .collect()
        };
        let long = all(|argument| argument.get_long().map(str::to_owned).into_iter().collect());
        let words = all(|argument| {
            argument.get_possible_values().iter().map(|v| v.get_name().to_owned()).collect()
        });
        for named in bitsup::explain::NAMES {
            let tool = named.name_for(None, Reader::Tool);
            let command_name = tool.strip_prefix("`bitsup ");
            let name = tool.strip_prefix("--").and_then(|name| name.split(' ').next());
            let exists = match (name, command_name.and_then(|text| text.split([' ', '`']).next())) {
                (Some(name), _) => long.iter().any(|known| known == name),
                (None, Some("--version")) => true,
                (None, Some(name)) => command.find_subcommand(name).is_some(),
                (None, None) => false,
            };
            assert!(exists, "{tool}");
        }
        for word in ["try", "ignore"] {
            assert!(words.iter().any(|known| known == word), "{word}");
        }
    }

    fn document(name: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
    }

    /// Every command line of this program in a shell block of a page, in words.
    fn command_lines(page: &str) -> Vec<Vec<String>> {
        let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
        let mut found = Vec::new();
        for line in blocks.flat_map(str::lines) {
            let words = shlex::split(line).unwrap_or_else(|| panic!("{line}"));
            let commands = words.split(|word| ["|", "&&", ";"].contains(&word.as_str()));
            for command in commands.filter(|words| words.first().is_some_and(|w| w == "bitsup")) {
                let end = command.iter().position(|word| word == ">" || word == "&");
                found.push(command[..end.unwrap_or(command.len())].to_vec());
            }
        }
        found
    }

    #[test]
    fn the_command_lines_of_the_documents_are_understood() {
        let folder = document("docs").read_dir().expect("the documents");
        let pages = folder.map(|entry| entry.expect("an entry").path());
        let pages = pages.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
        let mut count = 0;
        for path in pages.chain([document("README.md")]) {
            let page = std::fs::read_to_string(&path).expect("readable");
            for line in command_lines(&page) {
                let matches = command().try_get_matches_from(&line);
                assert!(matches.is_ok(), "{}: {line:?}\n{}", path.display(), matches.unwrap_err());
                count += 1;
            }
        }
        assert!(count >= 12, "{count} command lines");
    }

    #[test]
    fn the_commands_are_listed() {
        let path = document("docs/tool.md");
        let page = std::fs::read_to_string(&path).expect("readable");
        let (begin, end) =
            ("<!-- generated by the tests of the tool: commands -->\n", "<!-- end -->");
        let (head, rest) = page.split_once(begin).expect("a mark");
        let (_, tail) = rest.split_once(end).expect("its end");
        let row = |command: &clap::Command| {
            let about = command.get_about().expect("a sentence");
            format!("| `bitsup {}` | {about} |\n", command.get_name())
        };
        let rows: Vec<String> = command().get_subcommands().map(row).collect();
        let rows = rows.concat();
        let list = format!("\n| command | |\n|---|---|\n{rows}");
        let wanted = format!("{head}{begin}{list}\n{end}{tail}");
        if std::env::var("BITSUP_BLESS").as_deref() == Ok("1") {
            std::fs::write(&path, wanted).expect("written");
        } else {
            assert!(page == wanted, "docs/tool.md is stale: bless it with BITSUP_BLESS=1");
        }
    }

    #[test]
    fn help_shows_less_than_all_help() {
        let mut upload = command();
        let upload = upload.find_subcommand_mut("upload").expect("there");
        let visible = |argument: &&clap::Arg| !argument.is_hide_short_help_set();
        let shown = upload.get_opts().filter(visible).count();
        assert!((8..=15).contains(&shown), "{shown} options in --help");
        assert!(upload.get_opts().count() > 25);
    }
}
