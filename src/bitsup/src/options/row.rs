//! What a row of the option table says, and the values that options take.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::resolve::Target;
use super::{Header, units};
use crate::credentials::Secret;
use crate::error::{Error, ErrorKind};
use bitsup_proto::explain::{self, Naming, Reader};

/// The number that stands for "no limit", in rows whose [`OptionRow::unlimited`] says so.
pub const UNLIMITED: i64 = i64::MAX;

/// What values an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionKind {
    /// Text in UTF-8.
    Text,
    /// The path of a file or folder, in the system's encoding.
    Path,
    /// A password, token or passphrase.
    Secret,
    /// A number of bytes.
    Size,
    /// A number of milliseconds; seconds in texts without a unit.
    Duration,
    /// A number of something.
    Count,
    /// 1 for on, 0 for off.
    Flag,
    /// One of the row's choices.
    Choice,
    /// Name and value of a header.
    Header,
    /// A number of bytes a second, or a timetable of such numbers as text.
    Rate,
}

impl OptionKind {
    /// All kinds, in the order of their numbers in C.
    pub const ALL: [Self; 10] = [
        Self::Text,
        Self::Path,
        Self::Secret,
        Self::Size,
        Self::Duration,
        Self::Count,
        Self::Flag,
        Self::Choice,
        Self::Header,
        Self::Rate,
    ];

    /// The kind in one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Path => "path",
            Self::Secret => "secret",
            Self::Size => "size",
            Self::Duration => "duration",
            Self::Count => "count",
            Self::Flag => "flag",
            Self::Choice => "choice",
            Self::Header => "header",
            Self::Rate => "rate",
        }
    }

    /// The unit of its numbers; "" where there is none.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Size => "bytes",
            Self::Duration => "milliseconds",
            Self::Rate => "bytes a second",
            _ => "",
        }
    }

    /// Whether numbers are values of it.
    #[must_use]
    pub fn takes_numbers(self) -> bool {
        matches!(
            self,
            Self::Size | Self::Duration | Self::Count | Self::Flag | Self::Choice | Self::Rate
        )
    }
}

/// Where an option has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionScope {
    /// For a client only.
    Client,
    /// For one upload only.
    Upload,
    /// For one upload; a client's is the default of its uploads.
    Both,
}

impl OptionScope {
    /// The scope in one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upload => "upload",
            Self::Both => "both",
        }
    }
}

/// What a journal entry keeps of an option for a later `resume`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalKeeps {
    /// Its value.
    Value,
    /// Where the value came from, and not the value.
    Source,
    /// Nothing: it is of no use later, or a secret.
    Nothing,
}

impl JournalKeeps {
    /// It in one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Source => "source",
            Self::Nothing => "nothing",
        }
    }
}

/// The words that one or several options choose from.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChoiceSet {
    /// The name of the enumeration, as in `bitsup_auth` and `BITSUP_AUTH_ANY`.
    pub name: &'static str,
    /// What the constants of its choices begin with in C.
    pub prefix: &'static str,
    /// What is chosen, in one sentence.
    pub doc: &'static str,
    /// The choices.
    pub choices: &'static [Choice],
}

/// One word to choose.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Choice {
    /// Its number, which no other choice has.
    pub number: i64,
    /// The word, as in the tool and in Python.
    pub word: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
}

impl ChoiceSet {
    /// The choice of a number.
    #[must_use]
    pub fn by_number(&self, number: i64) -> Option<&'static Choice> {
        self.choices.iter().find(|choice| choice.number == number)
    }

    /// The choice of a word; `_` stands for `-` too, as in names of constants.
    #[must_use]
    pub fn by_word(&self, word: &str) -> Option<&'static Choice> {
        self.choices
            .iter()
            .find(|choice| choice.word == word || choice.word.replace('-', "_") == word)
    }

    fn words(&self) -> String {
        self.choices.iter().map(|choice| choice.word).collect::<Vec<_>>().join(", ")
    }
}

/// One option.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct OptionRow {
    /// The number. It is never used for another option.
    pub id: i32,
    /// The name, the same in all languages: `ca_file`, `--ca-file`, `BITSUP_OPTION_CA_FILE`.
    pub name: &'static str,
    /// What values it takes.
    pub kind: OptionKind,
    /// Where it has a meaning.
    pub scope: OptionScope,
    /// Whether it has any number of values.
    pub list: bool,
    /// Whether its values are secret.
    pub secret: bool,
    /// Whether it takes a protection away, so that a journal of another user cannot set it.
    pub relaxation: bool,
    /// The default as a text that [`OptionRow::parse`] takes; `None` where unset is a state of its own.
    pub default: Option<&'static str>,
    /// The tool's default, where it is another.
    pub tool_default: Option<&'static str>,
    /// The smallest number.
    pub minimum: i64,
    /// The largest number, [`UNLIMITED`] aside.
    pub maximum: i64,
    /// Whether [`UNLIMITED`] is a value.
    pub unlimited: bool,
    /// The words, where it is a choice.
    pub choices: Option<&'static ChoiceSet>,
    /// What the journal keeps of it.
    pub journal: JournalKeeps,
    /// The version of bitsup that has it first.
    pub since: &'static str,
    /// What it does, in one sentence, or two. Other options stand as `{ca_file}` and choices as
    /// `{verify=never}`, which [`crate::explain::render`] names in the reader's language.
    pub doc: &'static str,
    /// Puts a value into what options come to; refuses one that can never work.
    pub(super) apply: fn(&OptionValue, &mut Target) -> Result<(), Error>,
}

impl fmt::Debug for OptionRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OptionRow")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl PartialEq for OptionRow {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for OptionRow {}

/// The value of an option, or one of a list's values.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OptionValue {
    /// Explicitly none: no proxy, no user.
    None,
    /// Text.
    Text(String),
    /// A path.
    Path(PathBuf),
    /// A password, token or passphrase.
    Secret(Secret),
    /// Bytes, milliseconds, a count, 0 or 1, or the number of a choice.
    Number(i64),
    /// A header.
    Header(Header),
}

/// A time as a number; one that is too long is [`UNLIMITED`].
pub(super) fn milliseconds(time: Duration) -> OptionValue {
    OptionValue::Number(i64::try_from(time.as_millis()).unwrap_or(UNLIMITED))
}

impl OptionRow {
    /// Reads a value as the tool takes it: `5M`, `10m`, `true`, `same-site`, `Name: value`.
    pub fn parse(&self, text: &str) -> Result<OptionValue, Error> {
        let refuse = |what: String| Err(self.refusal(&what));
        if self.unlimited && (text == "unlimited" || self.kind == OptionKind::Rate && text == "off")
        {
            return Ok(OptionValue::Number(UNLIMITED));
        }
        // 0 is the number for it.
        if text == "auto" && self.default == Some("auto") && self.choices.is_none() {
            return Ok(OptionValue::Number(0));
        }
        let number = |read: Result<u64, String>| match read.map(i64::try_from) {
            Ok(Ok(number)) => self.check_number(number).map(|()| OptionValue::Number(number)),
            Ok(Err(_)) => refuse("is too large".into()),
            Err(why) => refuse(format!("is {text:?}: {why}")),
        };
        match self.kind {
            OptionKind::Text => Ok(OptionValue::Text(text.to_owned())),
            OptionKind::Path => Ok(OptionValue::Path(text.into())),
            OptionKind::Secret => Ok(OptionValue::Secret(Secret::new(text))),
            OptionKind::Header => {
                Header::from_line(text).map(OptionValue::Header).map_err(|error| self.named(error))
            }
            OptionKind::Size => number(units::size(text)),
            OptionKind::Rate if text.contains(['=', ':']) => Ok(OptionValue::Text(text.to_owned())),
            OptionKind::Rate => number(units::size(text)),
            OptionKind::Duration => number(units::time(text).map(|time| {
                // At most a hundred years, which is no more than fits.
                u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
            })),
            OptionKind::Count => {
                number(text.parse().map_err(|_| "it is not a whole number".to_owned()))
            }
            OptionKind::Flag => match text {
                "1" | "true" | "on" | "yes" => Ok(OptionValue::Number(1)),
                "0" | "false" | "off" | "no" => Ok(OptionValue::Number(0)),
                _ => refuse(format!("is {text:?}: write true or false")),
            },
            OptionKind::Choice => {
                let found = self.choices.and_then(|set| set.by_word(text));
                match found {
                    Some(choice) => Ok(OptionValue::Number(choice.number)),
                    None => {
                        let words = self.choices.map(ChoiceSet::words).unwrap_or_default();
                        refuse(format!("is {text:?}: it can be {words}"))
                    }
                }
            }
        }
    }

    /// Refuses a value of another kind, a number out of range, and what can never work.
    pub fn check(&self, value: &OptionValue) -> Result<(), Error> {
        let fits = match value {
            // There is no number for it, and a list without values is reset.
            OptionValue::None => !self.kind.takes_numbers() || self.kind == OptionKind::Rate,
            OptionValue::Text(_) => matches!(self.kind, OptionKind::Text | OptionKind::Rate),
            OptionValue::Path(_) => self.kind == OptionKind::Path,
            OptionValue::Secret(_) => self.kind == OptionKind::Secret,
            OptionValue::Number(_) => self.kind.takes_numbers(),
            OptionValue::Header(_) => self.kind == OptionKind::Header,
        };
        if !fits {
            return Err(self.refusal(&format!("takes a {}, and nothing else", self.kind.name())));
        }
        match value {
            OptionValue::Number(number) => self.check_number(*number)?,
            OptionValue::Path(path) if path.as_os_str().is_empty() => {
                return Err(self.refusal("is empty: give a path"));
            }
            OptionValue::Text(text) if text.contains('\0') => {
                return Err(self.refusal("has a zero byte in it"));
            }
            OptionValue::Secret(secret) if secret.expose().contains('\0') => {
                return Err(self.refusal("has a zero byte in it"));
            }
            _ => {}
        }
        (self.apply)(value, &mut Target::default()).map_err(|error| self.named(error))
    }

    fn check_number(&self, number: i64) -> Result<(), Error> {
        if self.unlimited && number == UNLIMITED {
            return Ok(());
        }
        if let Some(set) = self.choices {
            return match set.by_number(number) {
                Some(_) => Ok(()),
                None => Err(self.refusal(&format!(
                    "is {number}, which is no bitsup_{}: it can be {}",
                    set.name,
                    set.words()
                ))),
            };
        }
        if number < self.minimum {
            return Err(self.refusal(&format!("is {number}: give at least {}", self.minimum)));
        }
        if number > self.maximum {
            return Err(self.refusal(&format!("is {number}: give at most {}", self.maximum)));
        }
        Ok(())
    }

    /// The text of [`OptionRow::doc`] with the names of options for its reader.
    #[must_use]
    pub fn doc_for(&self, reader: Reader) -> String {
        options_named(self.doc, reader)
    }

    /// How the reader writes this option: `--ca-file`, `BITSUP_OPTION_CA_FILE`, `ca_file=`.
    #[must_use]
    pub fn name_for(&self, reader: Reader) -> String {
        explain::option_name(self.name, self.naming(), None, reader)
    }

    pub(super) fn naming(&self) -> Naming {
        match self.choices {
            Some(set) => Naming::Choice(set.prefix),
            None if self.list => Naming::List,
            None if self.kind == OptionKind::Flag => Naming::Flag,
            None => Naming::Value,
        }
    }

    /// An error about a value of this option, which it does not show.
    #[must_use]
    pub fn refusal(&self, what: &str) -> Error {
        Error::invalid(format!("{} {what}", self.name))
    }

    /// An error that names the option.
    fn named(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::InvalidArgument || error.message().starts_with(self.name) {
            return error;
        }
        let named = Error::invalid(format!("{}: {}", self.name, error.message()));
        match error.advice_by_id() {
            "" => named,
            advice => named.with_advice(advice.to_owned()),
        }
    }

    /// How many milliseconds, bytes and so on the default is; `None` where it has none, or is text.
    #[must_use]
    pub fn default_number(&self) -> Option<i64> {
        match self.parse(self.default?) {
            Ok(OptionValue::Number(number)) => Some(number),
            _ => None,
        }
    }
}

/// A text in which options stand as `{ca_file}`, with their names for its reader.
#[must_use]
pub fn options_named(text: &str, reader: Reader) -> String {
    let name = |id: &str, value: Option<&str>| {
        let option = super::table::by_name(id)?;
        Some(explain::option_name(id, option.naming(), value, reader))
    };
    explain::render_with(text, name).into_owned()
}

/// What a row's `apply` asks of a value whose kind was checked.
impl OptionValue {
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Path(path) => Some(path.clone()),
            _ => None,
        }
    }

    pub(super) fn secret(&self) -> Option<Secret> {
        match self {
            Self::Secret(secret) => Some(secret.clone()),
            _ => None,
        }
    }

    fn number(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            _ => 0,
        }
    }

    pub(super) fn size(&self) -> u64 {
        u64::try_from(self.number()).unwrap_or_default()
    }

    /// `None` is unlimited.
    pub(super) fn limit(&self) -> Option<u64> {
        Some(self.size()).filter(|_| self.number() != UNLIMITED)
    }

    pub(super) fn time(&self) -> Duration {
        Duration::from_millis(self.size())
    }

    pub(super) fn flag(&self) -> bool {
        self.number() != 0
    }

    pub(super) fn is(&self, set: &ChoiceSet, word: &str) -> bool {
        set.by_number(self.number()).is_some_and(|choice| choice.word == word)
    }

    /// What stands for the chosen word; `meanings` are in the order of the choices.
    pub(super) fn chosen<T: Copy + Default>(&self, set: &ChoiceSet, meanings: &[T]) -> T {
        let found = set.choices.iter().position(|choice| choice.number == self.number());
        found.and_then(|at| meanings.get(at)).copied().unwrap_or_default()
    }
}
