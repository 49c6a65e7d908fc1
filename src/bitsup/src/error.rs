//! What went wrong, whose fault it is, and what to do next.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;

pub(crate) use bitsup_proto::ErrorKind;
use bitsup_proto::explain::{self, Reader};
use bitsup_proto::{Hresult, PacketType};

/// The error of every fallible function of this crate.
///
/// `Display` is one line: what happened, and what the server said. [`Error::advice`] is
/// the next step. No error holds a secret; query strings of URLs are left out.
#[derive(Clone)]
pub struct Error {
    what: Box<What>,
}

#[derive(Clone)]
struct What {
    protocol: bitsup_proto::Error,
    token: Option<String>,
    resumable: bool,
    left: Left,
}

/// What a failed upload leaves on the server.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Left {
    /// What was there: this call has sent nothing.
    #[default]
    AsBefore,
    /// Nothing: each session was closed or its cancellation acknowledged.
    Nothing,
    /// Perhaps a partial upload, see [`Error::may_be_left`].
    Part,
    /// The file itself: what failed came after it.
    Whole,
}

/// What the system said of a local operation that failed.
#[derive(Debug)]
struct LocalCause {
    os: Option<i32>,
    kind: io::ErrorKind,
    /// The system lacked descriptors, threads or memory.
    is_lack: bool,
}

impl LocalCause {
    fn of(error: &io::Error, is_lack: bool) -> Arc<Self> {
        Arc::new(Self { os: error.raw_os_error(), kind: error.kind(), is_lack })
    }
}

impl fmt::Display for LocalCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.kind, f)
    }
}

impl std::error::Error for LocalCause {}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        bitsup_proto::Error::new(kind, message).into()
    }

    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// A failed operation on a local file: `what` names operation and path.
    pub(crate) fn local(what: impl fmt::Display, error: &io::Error) -> Self {
        let lack = lack(error);
        // The number stays where it is what to search for, and no file is to be blamed.
        let words = if lack.is_some() { error.to_string() } else { plain(error) };
        let made = bitsup_proto::Error::new(ErrorKind::LocalFile, format!("{what}: {words}"))
            .with_cause(LocalCause::of(error, lack.is_some()));
        match lack {
            Some(advice) => made.with_advice(advice).into(),
            None => made.into(),
        }
    }

    /// The system gives no thread.
    pub(crate) fn of_thread(error: &io::Error) -> Self {
        let text = format!("cannot start a thread: {error}");
        bitsup_proto::Error::new(ErrorKind::LocalFile, text)
            .with_cause(LocalCause::of(error, true))
            .with_advice(NO_THREAD)
            .into()
    }

    /// The error of ours that travels inside one of the system.
    pub(crate) fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Whether the system lacked descriptors, threads or memory: nothing that was touched is at fault.
    pub(crate) fn is_lack(&self) -> bool {
        self.local_cause().is_some_and(|cause| cause.is_lack)
    }

    fn local_cause(&self) -> Option<&LocalCause> {
        std::error::Error::source(&self.what.protocol)?.downcast_ref()
    }

    /// The same error with what else is true of it, behind its message.
    pub(crate) fn and(mut self, what: &str) -> Self {
        let message = format!("{}; {what}", self.message());
        self.what.protocol = self.what.protocol.with_message(message);
        self
    }

    pub(crate) fn with_advice(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.what.protocol = self.what.protocol.with_advice(advice);
        self
    }

    pub(crate) fn with_token(mut self, token: Option<String>) -> Self {
        self.what.token = token;
        self
    }

    pub(crate) fn with_resumable(mut self, resumable: bool) -> Self {
        self.what.resumable = resumable;
        self
    }

    pub(crate) fn with_left(mut self, left: Left) -> Self {
        self.what.left = left;
        self
    }

    /// The error as it goes through the state machine, with its cause.
    pub(crate) fn into_protocol(self) -> bitsup_proto::Error {
        self.what.protocol
    }

    /// Whose fault it is, in one word.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.what.protocol.kind()
    }

    /// What happened, without status and code.
    #[must_use]
    pub fn message(&self) -> &str {
        self.what.protocol.message()
    }

    /// The likely next step, in one or two sentences. It names options as the methods of
    /// [`OptionSet`](crate::OptionSet).
    #[must_use]
    pub fn advice(&self) -> Cow<'_, str> {
        self.advice_for(Reader::Rust)
    }

    /// The same for who reads another language: the front ends' own users.
    #[must_use]
    pub fn advice_for(&self, reader: Reader) -> Cow<'_, str> {
        explain::advice(&self.what.protocol, reader)
    }

    /// The same with options by id, for a report.
    pub(crate) fn advice_by_id(&self) -> &str {
        explain::advice_by_id(&self.what.protocol)
    }

    /// The HTTP status of the server's answer, if there was one.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        self.what.protocol.http_status()
    }

    /// The BITS error of the answer, else the code that stands for the HTTP status.
    #[must_use]
    pub fn hresult(&self) -> Option<Hresult> {
        self.what.protocol.hresult()
    }

    /// `BITS-Error-Context`: 5 the BITS server, 7 the application behind it.
    #[must_use]
    pub fn context(&self) -> Option<u32> {
        self.what.protocol.context()
    }

    /// The packet that was under way, if one was.
    #[must_use]
    pub fn packet(&self) -> Option<PacketType> {
        self.what.protocol.packet()
    }

    /// The system's error number, if a local operation failed.
    #[must_use]
    pub fn os_error(&self) -> Option<i32> {
        self.local_cause()?.os
    }

    /// The class of a failed local operation.
    #[must_use]
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        self.local_cause().map(|cause| cause.kind)
    }

    /// Whether the server still holds what was sent, so that starting the same upload again continues it.
    #[must_use]
    pub fn is_resumable(&self) -> bool {
        self.what.resumable
    }

    /// Whether a partial upload may remain on the server: a session was neither closed nor its
    /// cancellation acknowledged, or the answer to Create-Session is not known. IIS deletes one
    /// after 14 days by default.
    #[must_use]
    pub fn may_be_left(&self) -> bool {
        self.left() == Left::Part
    }

    /// What it leaves on the server.
    #[must_use]
    pub fn left(&self) -> Left {
        match self.what.left {
            // If the process lacked a resource, it may not even have looked for an earlier one's session.
            Left::AsBefore | Left::Nothing if self.is_lack() => Left::Part,
            left => left,
        }
    }

    /// The session as a token for [`crate::Client::import`], if the server still holds it.
    /// The token grants write access to the upload. That of a source that is read through
    /// [`crate::ReadAt`] and may block has no hash of the bytes sent (they would have to be read
    /// again), and is refused there.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.what.token.as_deref()
    }
}

const NO_THREAD: &str = "The limit of threads is reached, for this process, its user or its container: raise it (ulimit -u, TasksMax, pids.max) or run less at a time, and start the same upload again.";

/// What to do where the system lacks descriptors or memory.
fn lack(error: &io::Error) -> Option<&'static str> {
    match error.raw_os_error()? {
        libc::EMFILE => Some(
            "This process may have no more files open: raise its limit (ulimit -n) or run fewer uploads at a time, and start the same upload again.",
        ),
        libc::ENFILE => Some(
            "The system may have no more files open: raise fs.file-max or end other programs, and start the same upload again.",
        ),
        libc::ENOMEM => Some(
            "The system has no memory left for this: free some, and start the same upload again.",
        ),
        _ => None,
    }
}

/// The system's words without the number that `io::Error` appends.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

impl From<bitsup_proto::Error> for Error {
    fn from(protocol: bitsup_proto::Error) -> Self {
        let what = What { protocol, token: None, resumable: false, left: Left::default() };
        Self { what: Box::new(what) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.what.protocol, f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind())
            .field("message", &self.to_string())
            .field("resumable", &self.is_resumable())
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// String literals of a file, without its comments and tests, each with the code before it.
    fn literals(text: &str) -> Vec<(String, String)> {
        let code: Vec<&str> = text
            .split("#[cfg(test)]")
            .next()
            .unwrap_or_default()
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        let code = code.join("\n").replace("\\\"", "'").replace("'\"'", "''");
        let parts: Vec<&str> = code.split('"').collect();
        parts.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
    }

    /// Where an option is named by id: in a format, the braces are doubled.
    fn names_option(before: &str, literal: &str) -> bool {
        let brace = if before.trim_end().ends_with("!(") { "{{" } else { "{" };
        let mut after = literal.split(brace).skip(1);
        after.any(|text| {
            let id = text.split(['}', '=']).next().unwrap_or_default();
            bitsup_proto::explain::unknown_name(&format!("{{{id}}}")).is_none()
        })
    }

    fn walk(folder: &Path, look: &mut impl FnMut(&Path, &str)) {
        for entry in std::fs::read_dir(folder).expect("a folder of sources").flatten() {
            let path = entry.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && name != "tests" {
                walk(&path, look);
            } else if path.extension().is_some_and(|end| end == "rs") && name != "tests.rs" {
                look(&path, &std::fs::read_to_string(&path).expect("a source"));
            }
        }
    }

    /// Below the front ends the reader is unknown: options stand there by id.
    #[test]
    fn no_text_of_the_library_speaks_the_tools_language() {
        let _rule = bitsup_server::rule!("OUT-05");
        let mut seen = 0;
        for crate_name in ["bitsup", "bitsup-core", "bitsup-proto"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(crate_name);
            walk(&folder.join("src"), &mut |path, text| {
                // The table of options has a test of its own, and its readers render it.
                if path.ends_with("explain/naming.rs") || path.ends_with("options/table.rs") {
                    return;
                }
                for (before, literal) in literals(text) {
                    seen += 1;
                    // Messages hold names of others: only advice, and what the doctor says to do, is rendered.
                    let file = path.to_string_lossy();
                    let rendered = ["src/doctor/", "explain/table.rs", "engine/mechanism.rs"];
                    let is_advice = before.contains("advice")
                        || rendered.iter().any(|place| file.contains(place));
                    let named = names_option(&before, &literal);
                    assert!(is_advice || !named, "no advice: {}: {literal}", path.display());
                    let mut dashes = literal.match_indices("--");
                    let option = dashes.any(|(at, _)| {
                        let next = literal[at + 2..].chars().next();
                        let before = literal[..at].chars().next_back();
                        next.is_some_and(|c| c.is_ascii_lowercase())
                            && before.is_none_or(|c| !c.is_alphanumeric() && c != '-')
                    });
                    let place = path.display();
                    assert!(!option, "{place}: {literal}");
                    for words in ["`bitsup ", "bitsup doctor", "bitsup ping", "same command"] {
                        assert!(!literal.contains(words), "{place}: {literal}");
                    }
                }
            });
        }
        assert!(seen > 500, "{seen}");
    }

    #[test]
    fn the_walk_sees_what_it_is_for() {
        let source =
            "// \"--comment\"\nlet a = \"x --fresh\";\nlet b = 'c';\n#[cfg(test)] \"--test\"";
        let found = literals(source);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1, "x --fresh");
        for (before, literal, named) in [
            ("Error::new(kind, ", "a {fresh} b", true),
            ("Error::new(kind, ", "a {if_exists=try}", true),
            ("Error::new(kind, ", "a {nothing}", false),
            ("format!(", "a {user}", false),
            ("format!(", "a {{user}} {x}", true),
        ] {
            assert_eq!(names_option(before, literal), named, "{literal}");
        }
    }
}
