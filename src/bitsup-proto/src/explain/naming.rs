//! How advice names options: by id, in the language of who reads it.
//!
//! A text holds `{id}` or `{id=value}`; [`render`] puts the name in. Only texts of our own are
//! rendered: a message can hold a name that somebody else chose, braces included.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

/// Who reads a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reader {
    /// Fields of `bitsup::UploadOptions`.
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

/// One id and its names.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Named {
    /// The id, as in Python and in the journal.
    pub id: &'static str,
    /// What it is.
    pub naming: Naming,
    /// A field of `bitsup::UploadOptions`, or a function.
    pub rust: &'static str,
    /// An option of the tool.
    pub tool: &'static str,
    /// A function of the C library.
    pub c: &'static str,
    /// A keyword of the Python module.
    pub python: &'static str,
}

const fn row(
    id: &'static str,
    naming: Naming,
    rust: &'static str,
    tool: &'static str,
    c: &'static str,
) -> Named {
    Named { id, naming, rust, tool, c, python: id }
}

/// What advice can name.
pub const NAMES: &[Named] = {
    use Naming::{Call, Choice, Flag, List, Value};
    &[
        row(
            "allow_cleartext_credentials",
            Flag,
            "UploadOptions::allow_cleartext_credentials",
            "--allow-cleartext-credentials",
            "bitsup_upload_options_set_allow_cleartext_credentials",
        ),
        row(
            "auth",
            Choice("BITSUP_AUTH_"),
            "UploadOptions::auth",
            "--auth",
            "bitsup_upload_options_set_auth",
        ),
        row(
            "on_lost_ack",
            Choice("BITSUP_ON_LOST_ACK_"),
            "UploadOptions::on_lost_ack",
            "--on-lost-ack",
            "bitsup_upload_options_set_on_lost_ack",
        ),
        row(
            "verify",
            Choice("BITSUP_VERIFY_"),
            "UploadOptions::verify",
            "--verify",
            "bitsup_upload_options_set_verify",
        ),
        row(
            "ca_file",
            Value,
            "UploadOptions::tls.ca_file",
            "--cacert",
            "bitsup_upload_options_set_ca_file",
        ),
        row(
            "cert",
            Value,
            "UploadOptions::tls.cert",
            "--cert",
            "bitsup_upload_options_set_client_cert",
        ),
        row(
            "fragment_size",
            Value,
            "UploadOptions::fragment_size",
            "--fragment-size",
            "bitsup_upload_options_set_fragment_size",
        ),
        row("fresh", Flag, "UploadOptions::fresh", "--fresh", "bitsup_upload_options_set_fresh"),
        row(
            "host_id",
            Choice("BITSUP_HOST_POLICY_"),
            "UploadOptions::host_id",
            "--host-id",
            "bitsup_upload_options_set_host_id",
        ),
        row(
            "if_exists",
            Choice("BITSUP_IF_EXISTS_"),
            "UploadOptions::if_exists",
            "--if-exists",
            "bitsup_upload_options_set_if_exists",
        ),
        row(
            "key",
            Value,
            "UploadOptions::tls.key",
            "--key",
            "bitsup_upload_options_set_client_key",
        ),
        row(
            "key_password_file",
            Value,
            "UploadOptions::tls.key_password",
            "--key-password-file",
            "bitsup_upload_options_set_client_key_password_file",
        ),
        row(
            "lenient",
            Flag,
            "UploadOptions::lenient",
            "--lenient",
            "bitsup_upload_options_set_lenient",
        ),
        row(
            "max_fragment",
            Value,
            "UploadOptions::max_fragment",
            "--max-fragment",
            "bitsup_upload_options_set_max_fragment",
        ),
        row(
            "no_proxy",
            Value,
            "UploadOptions::no_proxy",
            "--noproxy",
            "bitsup_upload_options_set_noproxy",
        ),
        row(
            "pinned_public_key",
            Value,
            "UploadOptions::tls.pinned_public_key",
            "--pinnedpubkey",
            "bitsup_upload_options_set_pinned_key",
        ),
        row(
            "post_override",
            Flag,
            "UploadOptions::post_override",
            "--post-override",
            "bitsup_upload_options_set_post_override",
        ),
        row(
            "proxy_auth",
            Choice("BITSUP_AUTH_"),
            "UploadOptions::proxy_auth",
            "--proxy-auth",
            "bitsup_upload_options_set_proxy_auth",
        ),
        row(
            "proxy_user",
            Value,
            "UploadOptions::proxy_credentials",
            "--proxy-user",
            "bitsup_upload_options_set_proxy_user",
        ),
        Named {
            id: "state_dir",
            naming: Value,
            rust: "ClientBuilder::state_directory",
            tool: "--state-dir",
            c: "bitsup_config_set_state_dir",
            python: "state_dir",
        },
        row(
            "token_file",
            Value,
            "UploadOptions::bearer_token",
            "--token-file",
            "bitsup_upload_options_set_token_file",
        ),
        row(
            "trusted_hosts",
            List,
            "UploadOptions::trusted_hosts",
            "--trusted-host",
            "bitsup_upload_options_set_trusted_host",
        ),
        row(
            "user",
            Value,
            "UploadOptions::credentials",
            "--user",
            "bitsup_upload_options_set_user",
        ),
        Named {
            id: "doctor",
            naming: Call,
            rust: "Client::doctor",
            tool: "`bitsup doctor URL`",
            c: "bitsup_doctor",
            python: "bitsup.doctor(url)",
        },
        Named {
            id: "features",
            naming: Call,
            rust: "bitsup::features",
            tool: "`bitsup --version`",
            c: "bitsup_features",
            python: "bitsup.features()",
        },
        Named {
            id: "log",
            naming: Call,
            rust: "tracing at its level DEBUG",
            tool: "--trace FILE",
            c: "bitsup_config_set_on_log",
            python: "logging.getLogger('bitsup') at its level DEBUG",
        },
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
    /// The name, with its value, for a reader.
    fn write(&self, value: Option<&str>, reader: Reader, to: &mut String) {
        // A word in capitals only says what belongs there.
        let example = value.filter(|value| value.bytes().all(|b| b.is_ascii_uppercase()));
        let real = value.filter(|_| example.is_none());
        let text = match (reader, self.naming, real) {
            (Reader::Tool, ..) => match value {
                Some(value) => format!("{} {value}", self.tool),
                None => self.tool.into(),
            },
            (Reader::Python, Naming::Call, _) => self.python.into(),
            (Reader::Python, Naming::Flag, _) => format!("{}=True", self.python),
            (Reader::Python, Naming::List, Some(value)) => format!("{}=['{value}']", self.python),
            (Reader::Python, _, Some(value)) => format!("{}='{value}'", self.python),
            (Reader::Python, ..) => format!("{}={}", self.python, example.unwrap_or_default()),
            (Reader::C, Naming::Choice(prefix), Some(value)) => {
                let word = value.replace('-', "_").to_ascii_uppercase();
                format!("{} with {prefix}{word}", self.c)
            }
            (Reader::C, _, Some(value)) => format!("{} with \"{value}\"", self.c),
            (Reader::C, ..) => self.c.into(),
            (Reader::Rust, _, Some(value)) => format!("{} with \"{value}\"", self.rust),
            (Reader::Rust, ..) => self.rust.into(),
        };
        to.push_str(&text);
    }
}

/// The name of an option, with its value if there is one, for a reader. Names are the same in all
/// languages; the tool takes one value of a list at a time, and leaves the s of its name out.
#[must_use]
pub fn option_name(id: &str, naming: Naming, value: Option<&str>, reader: Reader) -> String {
    let constant = |word: &str| word.replace('-', "_").to_ascii_uppercase();
    // A word in capitals only says what belongs there.
    let example = value.filter(|value| value.bytes().all(|b| b.is_ascii_uppercase()));
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
    render_with(text, |id, value| {
        if id == SAME_UPLOAD {
            return Some(same_upload(reader).into());
        }
        let mut name = String::new();
        find(id)?.write(value, reader, &mut name);
        Some(name)
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
                "Trust it: --cacert FILE, --fresh, --if-exists try, --trusted-host n7.example; --user.",
            ),
            (
                Reader::C,
                "Trust it: bitsup_upload_options_set_ca_file, bitsup_upload_options_set_fresh, bitsup_upload_options_set_if_exists with BITSUP_IF_EXISTS_TRY, bitsup_upload_options_set_trusted_host with \"n7.example\"; bitsup_upload_options_set_user.",
            ),
            (
                Reader::Python,
                "Trust it: ca_file=FILE, fresh=True, if_exists='try', trusted_hosts=['n7.example']; user=.",
            ),
            (
                Reader::Rust,
                "Trust it: UploadOptions::tls.ca_file, UploadOptions::fresh, UploadOptions::if_exists with \"try\", UploadOptions::trusted_hosts with \"n7.example\"; UploadOptions::credentials.",
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
            for other in [named.rust, named.c, named.python] {
                assert!(!other.contains("--"), "{}", named.id);
            }
            assert!(named.naming == Naming::Call || named.tool.starts_with("--"), "{}", named.id);
            assert!(!NAMES[..at].iter().any(|earlier| earlier.id == named.id), "{}", named.id);
        }
    }
}
