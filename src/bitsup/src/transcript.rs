//! Exchanges written down without secrets, so that a development server can play them back.
//!
//! `docs/transcripts.md` describes the format. The content is chosen, not filtered: known
//! header names, with values of plain characters. Session ids, hosts and the reply's URL are
//! replaced by names that mean the same all through a transcript.

use std::fmt::Write as _;

use crate::transport::{ExchangeFailure, FailureKind, Headers, Sent};

/// The first line of a transcript.
pub const TRANSCRIPT_HEAD: &str = "bitsup-transcript 1";

/// The most session ids, and hosts, that get names of their own.
const MAX_NAMES: usize = 1000;
/// Longer values say nothing that a protocol needs.
const MAX_VALUE: usize = 200;

/// Header lines that decide what a client does.
const KNOWN: [&str; 19] = [
    "accept-encoding",
    "bits-error",
    "bits-error-code",
    "bits-error-context",
    "bits-host-id",
    "bits-host-id-fallback-timeout",
    "bits-packet-type",
    "bits-protocol",
    "bits-received-content-range",
    "bits-reply-url",
    "bits-session-id",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "date",
    "last-modified",
    "retry-after",
    "server",
];

/// Writes the exchanges of one upload down.
#[derive(Default)]
pub(crate) struct Recorder {
    sessions: Vec<Vec<u8>>,
    hosts: Vec<Vec<u8>>,
}

impl Recorder {
    /// An answer to `asked`.
    pub(crate) fn answer(&mut self, asked: &str, status: u16, headers: &Headers) -> String {
        let mut entry = format!("> {asked}\n< {status}\n");
        let is_packet = !asked.starts_with("HEAD") && !asked.starts_with("GET");
        for (name, value) in headers.iter() {
            // Of a packet's answer only the head matters.
            if is_packet && name.eq_ignore_ascii_case(b"content-length") {
                continue;
            }
            if let Some(line) = self.header(name, value) {
                entry.push_str(&line);
            }
        }
        entry
    }

    fn header(&mut self, name: &[u8], value: &[u8]) -> Option<String> {
        let name = std::str::from_utf8(name).ok()?;
        let lower = name.to_ascii_lowercase();
        let value = match lower.as_str() {
            "bits-session-id" => named("session", &mut self.sessions, value),
            "bits-host-id" => named("host", &mut self.hosts, value),
            "bits-reply-url" => "{reply}".into(),
            // The text after the scheme may tell more than a stranger needs.
            "www-authenticate" | "proxy-authenticate" => {
                let scheme = value.split(|b| *b == b' ').next().unwrap_or_default();
                plain(scheme)?
            }
            known if KNOWN.contains(&known) => plain(value)?,
            _ => return None,
        };
        Some(format!("{name}: {value}\n"))
    }
}

/// An exchange without an answer.
pub(crate) fn failure(asked: &str, failure: &ExchangeFailure) -> String {
    let fate = match (&failure.kind, failure.sent) {
        (FailureKind::BadAnswer, _) => "garbage",
        (FailureKind::StallTimeout | FailureKind::AnswerTimeout, _) => "silence",
        (_, Sent::Nothing) => "unsent",
        (_, Sent::Part(_)) => "lost part",
        (_, Sent::All) => "lost",
    };
    format!("> {asked}\n! {fate}\n")
}

/// An exchange that the client gave up itself.
pub(crate) fn aborted(asked: &str) -> String {
    format!("> {asked}\n! silence\n")
}

/// What was asked, in the words of a transcript.
pub(crate) fn asked(what: &str, range: Option<bitsup_proto::ContentRange>, login: bool) -> String {
    let mut asked = what.to_owned();
    if let Some(range) = range {
        let last = range.first().saturating_add(range.length()).saturating_sub(1);
        // Writing to a String cannot fail.
        let _ = write!(asked, " {}-{last}", range.first());
    }
    if login {
        asked.push_str(" login");
    }
    asked
}

fn named(kind: &str, known: &mut Vec<Vec<u8>>, value: &[u8]) -> String {
    let position = known.iter().position(|name| name == value).unwrap_or_else(|| {
        if known.len() < MAX_NAMES {
            known.push(value.to_owned());
        }
        known.len() - 1
    });
    format!("{{{kind}-{}}}", position + 1)
}

/// The value if it is short and of characters that hide nothing.
fn plain(value: &[u8]) -> Option<String> {
    let harmless = |b: &u8| b.is_ascii_graphic() || *b == b' ';
    let text = std::str::from_utf8(value).ok()?;
    (text.len() <= MAX_VALUE && value.iter().all(harmless)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_or_unknown_is_not_written() {
        let mut recorder = Recorder::default();
        let mut header = |name: &str, value: &str| {
            recorder.header(name.as_bytes(), value.as_bytes()).unwrap_or_default()
        };
        let known = "BITS-Received-Content-Range";
        assert_eq!(header(known, "17"), "BITS-Received-Content-Range: 17\n");
        assert_eq!(header("BITS-Session-Id", "{s3cr3t}"), "BITS-Session-Id: {session-1}\n");
        assert_eq!(header("bits-session-id", "{other}"), "bits-session-id: {session-2}\n");
        assert_eq!(header("BITS-Session-Id", "{s3cr3t}"), "BITS-Session-Id: {session-1}\n");
        assert_eq!(header("BITS-Host-Id", "n7.corp.example"), "BITS-Host-Id: {host-1}\n");
        assert_eq!(header("BITS-Reply-URL", "/r?key=s3cr3t"), "BITS-Reply-URL: {reply}\n");
        assert_eq!(
            header("WWW-Authenticate", "Basic realm=\"s3cr3t\""),
            "WWW-Authenticate: Basic\n"
        );
        for (name, value) in [
            ("Set-Cookie", "id=s3cr3t"),
            ("Location", "http://h/?s3cr3t"),
            ("X-Debug", "s3cr3t"),
            ("Authorization", "Basic s3cr3t"),
            ("Server", "a\u{7}b"),
        ] {
            assert_eq!(header(name, value), "", "{name}");
        }
        assert_eq!(header("Server", &"x".repeat(201)), "");
    }
}
