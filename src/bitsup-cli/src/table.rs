//! Arguments that come from the table of options: their names, texts, defaults and choices stand
//! there, and here only what is the tool's own.

use std::ffi::{OsStr, OsString};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use bitsup::explain::Reader;
use bitsup::{
    JournalKeeps, OPTIONS, OptionKind, OptionRow, OptionSet, OptionValue, option_by_name,
};
use clap::builder::{PossibleValue, PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::failure::CommandFailure;
use crate::format::Words;

/// What the tool knows of an option beside the table.
#[derive(Clone, Copy)]
struct Facts {
    name: &'static str,
    /// curl's short form.
    short: Option<char>,
    /// curl's name, where it is another.
    alias: Option<&'static str>,
    /// What stands for the value in the help.
    value: &'static str,
    /// A variable that has the value, too.
    env: Option<&'static str>,
    /// Whether `--help` shows it, and not `--help-all` alone.
    shown: bool,
    /// What it makes sense with.
    requires: Option<&'static str>,
    /// What it takes the place of.
    overrides: &'static [&'static str],
}

const fn fact(name: &'static str) -> Facts {
    let overrides = &[];
    Facts {
        name,
        short: None,
        alias: None,
        value: "",
        env: None,
        shown: false,
        requires: None,
        overrides,
    }
}

/// An option that is not here has all of it derived.
const FACTS: &[Facts] = &[
    Facts {
        short: Some('u'),
        value: "NAME",
        env: Some("BITSUP_USER"),
        shown: true,
        ..fact("user")
    },
    Facts { shown: true, overrides: &["netrc", "netrc_file"], ..fact("password_file") },
    Facts { overrides: &["netrc", "password_file"], ..fact("netrc_file") },
    Facts { value: "SCHEME", ..fact("auth") },
    Facts { short: Some('H'), value: "NAME: VALUE|@FILE", shown: true, ..fact("headers") },
    Facts { alias: Some("cacert"), shown: true, ..fact("ca_file") },
    Facts { short: Some('k'), shown: true, ..fact("insecure") },
    Facts { alias: Some("pinnedpubkey"), value: "HASHES", ..fact("pinned_public_key") },
    Facts { requires: Some("cert"), ..fact("key") },
    Facts { requires: Some("cert"), ..fact("key_password_file") },
    Facts { short: Some('x'), value: "URL", shown: true, ..fact("proxy") },
    Facts { alias: Some("noproxy"), value: "HOSTS", ..fact("no_proxy") },
    Facts { value: "NAME", requires: Some("proxy"), ..fact("proxy_user") },
    Facts { requires: Some("proxy_user"), ..fact("proxy_password_file") },
    Facts { value: "SCHEME", requires: Some("proxy_user"), ..fact("proxy_auth") },
    Facts { alias: Some("proxy-cacert"), requires: Some("proxy"), ..fact("proxy_ca_file") },
    Facts { value: "HOST:PORT:ADDR[,ADDR]", ..fact("resolve") },
    Facts { shown: true, ..fact("give_up_after") },
    Facts { shown: true, ..fact("wait_for_server") },
    Facts { value: "SIZE|TIMETABLE", shown: true, ..fact("limit_rate") },
    Facts { value: "WHICH", ..fact("host_id") },
    Facts { value: "HOST", ..fact("trusted_hosts") },
    Facts { shown: true, ..fact("if_exists") },
    Facts { value: "WHEN", ..fact("verify") },
    Facts { shown: true, ..fact("sha256") },
    Facts { short: Some('o'), shown: true, ..fact("reply") },
    Facts { requires: Some("reply"), ..fact("reply_max_size") },
    Facts { requires: Some("reply"), ..fact("reply_optional") },
    Facts { value: "HOW", ..fact("resume_check") },
];

/// Options that the tool has otherwise, or cannot have.
const NOT_HERE: &[&str] = &[
    // Given as @FILE of --header.
    "secret_headers",
    // The same for the agent of all tools of this name.
    "user_agent",
    // --parallel.
    "uploads_per_host",
    // A command uploads several files, each with its name.
    "content_name",
    // A reply goes to a file.
    "reply_memory",
    // Arguments of their own: they are not kept for a later resume.
    "state_dir",
    "fresh",
    "no_resume",
    "require_resume",
    "note",
    "dispatch",
];

/// A part of the table.
pub(crate) trait Part: Clone + std::fmt::Debug + Default + Send + Sync + 'static {
    /// Under which heading the help has it.
    const HEADING: &'static str;

    /// Whether an option belongs to it.
    fn has(id: i32) -> bool;
}

/// How to speak with a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection;

impl Part for Connection {
    const HEADING: &'static str = "Connection";

    fn has(id: i32) -> bool {
        // And `lenient`, which single packets need, too.
        matches!(id, 100..500 | 706)
    }
}

/// How a file is transferred.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transfer;

impl Part for Transfer {
    const HEADING: &'static str = "Transfer";

    fn has(id: i32) -> bool {
        !Connection::has(id)
    }
}

/// The options that the tool has of a part.
fn rows<P: Part>() -> impl Iterator<Item = &'static OptionRow> {
    OPTIONS.iter().filter(|row| {
        // A secret does not belong on a command line, where all can see it.
        P::has(row.id) && row.kind != OptionKind::Secret && !NOT_HERE.contains(&row.name)
    })
}

/// Options as they were given.
#[derive(Clone, Debug)]
pub(crate) struct TableArgs<P> {
    given: Vec<(&'static OptionRow, OsString)>,
    part: PhantomData<P>,
}

impl<P> Default for TableArgs<P> {
    fn default() -> Self {
        Self { given: Vec::new(), part: PhantomData }
    }
}

/// A reply to `-` goes where this leads, also when the journal's options are used again.
pub(crate) const STDOUT: &str = "/dev/stdout";

impl<P: Part> TableArgs<P> {
    /// The values of an option.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &OsStr> {
        self.given.iter().filter(move |(row, _)| row.name == name).map(|(_, text)| text.as_os_str())
    }

    /// The value of an option.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.all(name).last().map(|text| text.to_string_lossy().into_owned())
    }

    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.all(name).last().map(PathBuf::from)
    }

    /// Leaves out what was given of an option.
    pub(crate) fn forget(&mut self, name: &str) {
        self.given.retain(|(row, _)| row.name != name);
    }

    /// The lists that were given.
    pub(crate) fn lists(&self) -> impl Iterator<Item = &'static str> {
        self.given.iter().map(|(row, _)| row).filter(|row| row.list).map(|row| row.name)
    }

    /// Puts the options in, and what the tool has as defaults; headers have a form of their own here.
    pub(crate) fn fill(&self, set: &mut OptionSet) -> Result<(), CommandFailure> {
        for row in rows::<P>() {
            if let Some(default) = row.tool_default {
                set.set(row, row.parse(default)?)?;
            }
        }
        for (row, text) in &self.given {
            let value = match row.kind {
                OptionKind::Header | OptionKind::Rate => continue,
                OptionKind::Path => OptionValue::Path(text.into()),
                _ => row.parse(&text.to_string_lossy())?,
            };
            if row.list { set.add(row, value)? } else { set.set(row, value)? }
        }
        Ok(())
    }

    /// The options as words of a command line, as far as a journal keeps them.
    pub(crate) fn words(&self, words: &mut Words) {
        for (row, text) in &self.given {
            let name = format!("--{}", long(row));
            match (row.journal, row.kind) {
                (JournalKeeps::Nothing, _) | (_, OptionKind::Header) => {}
                (_, OptionKind::Flag) => words.flag(&name, true),
                (_, OptionKind::Path) => words.path(&name, Some(Path::new(text))),
                _ => words.text(&name, Some(text.to_string_lossy())),
            }
        }
    }
}

impl<P: Part> FromArgMatches for TableArgs<P> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Vec::new();
        for row in rows::<P>() {
            if row.kind == OptionKind::Flag {
                given.extend(matches.get_flag(row.name).then(|| (row, OsString::from("true"))));
            } else if row.kind == OptionKind::Path {
                let values = matches.get_many::<OsString>(row.name).unwrap_or_default();
                given.extend(values.map(|value| (row, on_stdout(row, value))));
            } else {
                let values = matches.get_many::<String>(row.name).unwrap_or_default();
                given.extend(values.map(|value| (row, OsString::from(value))));
            }
        }
        Ok(Self { given, part: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<P: Part> Args for TableArgs<P> {
    fn augment_args(command: Command) -> Command {
        rows::<P>().fold(command, |command, row| command.arg(argument(row, P::HEADING)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn on_stdout(row: &OptionRow, value: &OsString) -> OsString {
    let is_reply = row.name == "reply" && crate::output::is_stdout(Path::new(value));
    if is_reply { STDOUT.into() } else { value.clone() }
}

/// The name after the dashes.
fn long(row: &OptionRow) -> String {
    row.name_for(Reader::Tool).trim_start_matches('-').to_owned()
}

fn argument(row: &'static OptionRow, heading: &'static str) -> Arg {
    let facts = FACTS.iter().find(|facts| facts.name == row.name).copied().unwrap_or(fact(""));
    let derived = match row.kind {
        OptionKind::Path => "FILE",
        OptionKind::Size if row.default == Some("auto") => "auto|SIZE",
        OptionKind::Size => "SIZE",
        OptionKind::Duration => "TIME",
        OptionKind::Count => "N",
        OptionKind::Choice => "WHAT",
        _ => "TEXT",
    };
    let mut help = row.doc_for(Reader::Tool).trim_end_matches('.').to_owned();
    let default = row.tool_default.or(row.default).filter(|_| row.kind != OptionKind::Flag);
    if let Some(default) = default {
        help.extend([" [default: ", default, "]"]);
    }
    let mut argument = Arg::new(row.name)
        .long(long(row))
        .help(help)
        .help_heading(heading)
        .hide_short_help(!facts.shown)
        .overrides_with_all(facts.overrides);
    argument = match row.kind {
        OptionKind::Flag => argument.action(ArgAction::SetTrue),
        _ if row.list => argument.action(ArgAction::Append),
        _ => argument.action(ArgAction::Set),
    };
    if row.kind != OptionKind::Flag {
        let value = if facts.value.is_empty() { derived } else { facts.value };
        argument = argument.value_name(value).value_parser(parser(row));
    }
    if let Some(short) = facts.short {
        argument = argument.short(short);
    }
    if let Some(alias) = facts.alias {
        argument = argument.visible_alias(alias);
    }
    if let Some(variable) = facts.env {
        argument = argument.env(variable).hide_env_values(true);
    }
    if let Some(other) = facts.requires {
        argument = argument.requires(other);
    }
    argument
}

/// Numbers and words are looked at here, so that the error names the argument. Texts may hold what
/// must not be shown.
fn parser(row: &'static OptionRow) -> ValueParser {
    match row.kind {
        OptionKind::Path => ValueParser::os_string(),
        OptionKind::Choice => {
            let choices = row.choices.map(|set| set.choices).unwrap_or_default();
            let value = |choice: &bitsup::Choice| {
                PossibleValue::new(choice.word).help(choice.doc.trim_end_matches('.'))
            };
            // A proxy takes no token.
            let fits =
                |choice: &&bitsup::Choice| row.check(&OptionValue::Number(choice.number)).is_ok();
            PossibleValuesParser::new(choices.iter().filter(fits).map(value)).into()
        }
        OptionKind::Size | OptionKind::Duration | OptionKind::Count | OptionKind::Rate => {
            ValueParser::from(move |text: &str| -> Result<String, String> {
                let value = row.parse(text).map_err(|error| reason(row, &error))?;
                row.check(&value).map_err(|error| reason(row, &error))?;
                if row.default == Some("auto") && value == OptionValue::Number(0) && text != "auto"
                {
                    return Err("give at least 1, or auto".to_owned());
                }
                Ok(text.to_owned())
            })
        }
        _ => ValueParser::string(),
    }
}

/// Returns the error without the option's name, which is printed next to it.
fn reason(row: &OptionRow, error: &bitsup::Error) -> String {
    let text = error.message();
    let text = text.strip_prefix(row.name).unwrap_or(text).trim_start_matches([' ', ':']);
    text.split_once(": ").map_or(text, |(_, rest)| rest).to_owned()
}

/// The row of an option that the tool's own code names.
pub(crate) fn row(name: &str) -> Result<&'static OptionRow, CommandFailure> {
    option_by_name(name).ok_or_else(|| bitsup::unknown_option(name).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tool's facts are about options of the table.
    #[test]
    fn the_tools_facts_are_of_options_of_the_table() {
        for name in FACTS.iter().map(|facts| facts.name).chain(NOT_HERE.iter().copied()) {
            assert!(option_by_name(name).is_some(), "{name}");
        }
        for facts in FACTS {
            assert!(!NOT_HERE.contains(&facts.name), "{}", facts.name);
            let needed = facts.requires.map(option_by_name);
            assert!(needed.is_none_or(|row| row.is_some()), "{}", facts.name);
        }
    }

    /// A help text names no option that only libraries have.
    #[test]
    fn help_names_options_of_the_tool_only() {
        let here = |row: &OptionRow| row.kind != OptionKind::Secret;
        for row in OPTIONS.iter().filter(|row| here(row) && !NOT_HERE.contains(&row.name)) {
            for name in row.doc.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                assert!(option_by_name(name).is_some_and(here), "{}: {name}", row.name);
            }
        }
    }
}
