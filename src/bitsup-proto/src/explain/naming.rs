//! How advice names options: by id, in the language of who reads it.
//!
//! A text holds `{id}` or `{id=value}`; [`render`] puts the name in. Only texts of our own are
//! rendered: a message can hold a name from a peer or a caller, braces included.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

/// Who reads a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reader {
    /// Methods of `bitsup::OptionSet`.
    Rust,
    /// Options of the tool.
    Tool,
    /// Functions of the C library.
    C,
    /// Keywords of the Python module.
    Python,
}

/// What an id stands for, which decides how a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Naming {
    /// An option with a text, a path or a number.
    Value,
    /// An option with one of several words, and what their C constants begin with.
    Choice(&'static str),
    /// An option with several values.
    List,
    /// An option that is on or off.
    Flag,
    /// Something to call instead of an option.
    Call,
}

/// An option, or something to call, that advice can name.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Named {
    /// The id: the name of an option in all languages.
    pub id: &'static str,
    /// What it is.
    pub naming: Naming,
    /// What is called in Rust, in the tool, in C and in Python; "" for an option.
    call: [&'static str; 4],
}

const fn row(id: &'static str, naming: Naming) -> Named {
    Named { id, naming, call: [""; 4] }
}

const fn call(id: &'static str, call: [&'static str; 4]) -> Named {
    Named { id, naming: Naming::Call, call }
}

/// What advice can name: options of the table of `bitsup`, where a test compares the two, and calls.
#[rustfmt::skip]
pub const NAMES: &[Named] = {
    use Naming::{Choice, Flag, List, Value};
    &[
        row("allow_cleartext_credentials", Flag),
        row("auth", Choice("BITSUP_AUTH_")),
        row("on_lost_ack", Choice("BITSUP_ON_LOST_ACK_")),
        row("verify", Choice("BITSUP_VERIFY_")),
        row("ca_file", Value),
        row("cert", Value),
        row("fragment_size", Value),
        row("fresh", Flag),
        row("host_id", Choice("BITSUP_HOST_ID_")),
        row("if_exists", Choice("BITSUP_IF_EXISTS_")),
        row("key", Value),
        row("key_password_file", Value),
        row("lenient", Flag),
        row("max_fragment", Value),
        row("no_proxy", Value),
        row("pinned_public_key", Value),
        row("post_override", Flag),
        row("proxy_auth", Choice("BITSUP_AUTH_")),
        row("proxy_user", Value),
        row("token_file", Value),
        row("trusted_hosts", List),
        row("user", Value),
        row("state_dir", Value),
        call("doctor", ["Client::doctor", "`bitsup doctor URL`", "bitsup_doctor", "bitsup.doctor(url)"]),
        call("features", ["bitsup::features", "`bitsup --version`", "bitsup_features", "bitsup.features()"]),
        call("log", ["tracing at its level DEBUG", "--trace FILE", "bitsup_options_set_on_log", "logging.getLogger('bitsup') at its level DEBUG"]),
    ]
};

/// The one name between braces that is no option.
const SAME_UPLOAD: &str = "same_upload";

/// What starting again needs to go on: the tool has it by itself.
fn same_upload(reader: Reader) -> &'static str {
    match reader {
        Reader::Tool => "the same upload",
        Reader::Rust | Reader::C => "the same upload, with a state directory,",
        Reader::Python => "the same upload, in a bitsup.Client with state_dir,",
    }
}

impl Named {
    /// The name for a reader, with its value if there is one.
    #[must_use]
    pub fn name_for(&self, value: Option<&str>, reader: Reader) -> String {
        let [rust, tool, c, python] = self.call;
        match (reader, self.naming, value) {
            (Reader::Rust, Naming::Call, _) => rust.into(),
            (Reader::Tool, Naming::Call, _) => tool.into(),
            (Reader::C, Naming::Call, _) => c.into(),
            (Reader::Python, Naming::Call, _) => python.into(),
            (Reader::Rust, _, value) => match value.filter(|value| !is_example(value)) {
                Some(value) => format!("OptionSet::{} with \"{value}\"", self.id),
                None => format!("OptionSet::{}", self.id),
            },
            (_, naming, value) => option_name(self.id, naming, value, reader),
        }
    }
}

/// A word in capitals only says what belongs there.
fn is_example(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_uppercase())
}

/// The name of an option, with its value if there is one, for a reader. Names are the same in all
/// languages; the tool takes one value of a list at a time, and leaves the s of its name out.
#[must_use]
pub fn option_name(id: &str, naming: Naming, value: Option<&str>, reader: Reader) -> String {
    let constant = |word: &str| word.replace('-', "_").to_ascii_uppercase();
    let example = value.filter(|value| is_example(value));
    let real = value.filter(|_| example.is_none());
    match (reader, naming, real) {
        (Reader::Tool, ..) => {
            let single = id.strip_suffix('s').filter(|_| naming == Naming::List).unwrap_or(id);
            let name = format!("--{}", single.replace('_', "-"));
            value.map_or(name.clone(), |value| format!("{name} {value}"))
        }
        (Reader::Python, Naming::Flag, _) => format!("{id}=True"),
        (Reader::Python, Naming::List, Some(value)) => format!("{id}=['{value}']"),
        (Reader::Python, _, Some(value)) => format!("{id}='{value}'"),
        (Reader::Python, ..) => format!("{id}={}", example.unwrap_or_default()),
        (Reader::C, Naming::Choice(prefix), Some(value)) => {
            format!("BITSUP_OPTION_{} with {prefix}{}", constant(id), constant(value))
        }
        (Reader::C | Reader::Rust, _, real) => {
            let name = match reader {
                Reader::C => format!("BITSUP_OPTION_{}", constant(id)),
                _ => format!("`{id}`"),
            };
            real.map_or(name.clone(), |value| format!("{name} with \"{value}\""))
        }
    }
}

/// A text with the names of options for its reader; `named` knows them.
#[must_use]
pub fn render_with(
    text: &str,
    mut named: impl FnMut(&str, Option<&str>) -> Option<String>,
) -> Cow<'_, str> {
    let mut rendered = String::new();
    let mut rest = text;
    while let Some((before, name, after)) = next(rest) {
        rendered.push_str(before);
        let (id, value) = split(name);
        match named(id, value) {
            Some(name) => rendered.push_str(&name),
            None => {
                rendered.push('{');
                rendered.push_str(name);
                rendered.push('}');
            }
        }
        rest = after;
    }
    if rendered.is_empty() {
        return Cow::Borrowed(text);
    }
    rendered.push_str(rest);
    Cow::Owned(rendered)
}

/// A text with the names of options for its reader.
#[must_use]
pub fn render(text: &str, reader: Reader) -> Cow<'_, str> {
    render_with(text, |id, value| match id {
        SAME_UPLOAD => Some(same_upload(reader).into()),
        _ => Some(find(id)?.name_for(value, reader)),
    })
}

/// The first thing between braces that names no option: a slip of who wrote the text.
#[must_use]
pub fn unknown_name(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some((_, name, after)) = next(rest) {
        if find(split(name).0).is_none() && name != SAME_UPLOAD {
            return Some(name);
        }
        rest = after;
    }
    None
}

/// What is before, between and behind the next braces.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

/// An id, and the value behind it.
fn split(name: &str) -> (&str, Option<&str>) {
    match name.split_once('=') {
        Some((id, value)) => (id, Some(value)),
        None => (name, None),
    }
}

fn find(id: &str) -> Option<&'static Named> {
    NAMES.iter().find(|named| named.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reader_is_told_in_its_own_language() {
        let _rule = bitsup_server::rule!("OUT-05");
        let text = "Trust it: {ca_file=FILE}, {fresh}, {if_exists=try}, {trusted_hosts=n7.example}; {user}.";
        for (reader, expected) in [
            (
                Reader::Tool,
                "Trust it: --ca-file FILE, --fresh, --if-exists try, --trusted-host n7.example; --user.",
            ),
            (
                Reader::C,
                "Trust it: BITSUP_OPTION_CA_FILE, BITSUP_OPTION_FRESH, BITSUP_OPTION_IF_EXISTS with BITSUP_IF_EXISTS_TRY, BITSUP_OPTION_TRUSTED_HOSTS with \"n7.example\"; BITSUP_OPTION_USER.",
            ),
            (
                Reader::Python,
                "Trust it: ca_file=FILE, fresh=True, if_exists='try', trusted_hosts=['n7.example']; user=.",
            ),
            (
                Reader::Rust,
                "Trust it: OptionSet::ca_file, OptionSet::fresh, OptionSet::if_exists with \"try\", OptionSet::trusted_hosts with \"n7.example\"; OptionSet::user.",
            ),
        ] {
            assert_eq!(render(text, reader), expected);
        }
    }

    #[test]
    fn going_on_needs_a_state_directory_but_in_the_tool() {
        let text = "Wait; {same_upload} continues.";
        assert_eq!(unknown_name(text), None);
        assert_eq!(render(text, Reader::Tool), "Wait; the same upload continues.");
        for reader in [Reader::Rust, Reader::C] {
            assert!(render(text, reader).contains("with a state directory, continues"));
        }
        assert!(render(text, Reader::Python).contains("a bitsup.Client with state_dir, continues"));
    }

    #[test]
    fn braces_that_name_no_option_stay_and_are_found() {
        for text in ["a {b} c", "a { b", "a } b {", "{}", "{b=c} {fresh", "plain"] {
            assert_eq!(render(text, Reader::Tool), text);
        }
        assert_eq!(render("{b} {fresh}", Reader::Tool), "{b} --fresh");
        assert_eq!(unknown_name("{fresh} {b} {c}"), Some("b"));
        assert_eq!(unknown_name("{fresh} {if_exists=try} {"), None);
    }

    #[test]
    fn only_the_tool_has_dashes_and_each_id_is_one_option() {
        for (at, named) in NAMES.iter().enumerate() {
            for other in [Reader::Rust, Reader::C, Reader::Python] {
                assert!(!named.name_for(None, other).contains("--"), "{}", named.id);
            }
            let tool = named.name_for(None, Reader::Tool);
            assert!(named.naming == Naming::Call || tool.starts_with("--"), "{}", named.id);
            assert!(!NAMES[..at].iter().any(|earlier| earlier.id == named.id), "{}", named.id);
        }
    }
}
