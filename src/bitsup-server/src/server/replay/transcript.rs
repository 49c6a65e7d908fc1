//! The text of a transcript. `docs/transcripts.md` describes it.

use std::fmt;
use std::str::FromStr;

/// The first line.
const HEAD: &str = "bitsup-transcript 1";
/// More exchanges than any upload makes in a transcript that a person would send.
const MAX_ENTRIES: usize = 1_000_000;

/// A recorded upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    pub(super) entries: Vec<Entry>,
}

/// One exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) asked: Asked,
    pub(super) fate: Fate,
}

/// What a request was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The packet's type, or `HEAD` or `GET`.
    pub(super) what: String,
    /// First and last byte of a Fragment.
    pub(super) range: Option<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
    },
    /// The request was read, half of its body if `part`, and the connection closed.
    Lost {
        part: bool,
    },
    /// Something came that was no answer.
    Garbage,
    /// No answer came until the client gave up.
    Silence,
}

/// A transcript that cannot be read, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptError(String);

impl fmt::Display for TranscriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TranscriptError {}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.range {
            Some((first, last)) => write!(f, "{} {first}-{last}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl FromStr for Transcript {
    type Err = TranscriptError;

    fn from_str(text: &str) -> Result<Self, TranscriptError> {
        let mut lines = text.lines().enumerate();
        if lines.next().is_none_or(|(_, line)| line.trim_end() != HEAD) {
            return Err(TranscriptError(format!(
                "this is no transcript that can be played: its first line is not {HEAD:?}"
            )));
        }
        let mut entries: Vec<Entry> = Vec::new();
        let mut asked = None;
        for (number, line) in lines {
            let bad = |what: &str| TranscriptError(format!("line {}: {what}", number + 1));
            let line = line.trim_end();
            match line.split_at_checked(2) {
                _ if line.is_empty() || line.starts_with('#') => {}
                Some(("> ", request)) if asked.is_none() => {
                    asked = Some(read_asked(request).ok_or_else(|| bad("no request"))?);
                }
                Some(("< ", status)) => {
                    let asked = asked.take().ok_or_else(|| bad("an answer without a request"))?;
                    let status = status.parse().ok().filter(|status| (200..=999).contains(status));
                    let status = status.ok_or_else(|| bad("no status from 200 to 999"))?;
                    entries
                        .push(Entry { asked, fate: Fate::Answer { status, headers: Vec::new() } });
                }
                Some(("! ", fate)) => {
                    let asked = asked.take().ok_or_else(|| bad("an end without a request"))?;
                    let fate = match fate {
                        "lost" => Fate::Lost { part: false },
                        "lost part" => Fate::Lost { part: true },
                        "garbage" => Fate::Garbage,
                        "silence" => Fate::Silence,
                        // The server never saw it.
                        "unsent" => continue,
                        _ => return Err(bad("an end that is not known")),
                    };
                    entries.push(Entry { asked, fate });
                }
                _ => {
                    let answer = entries.last_mut().filter(|_| asked.is_none());
                    let Some(Fate::Answer { headers, .. }) = answer.map(|entry| &mut entry.fate)
                    else {
                        return Err(bad("a line that belongs to no answer"));
                    };
                    let (name, value) =
                        line.split_once(": ").ok_or_else(|| bad("no header line"))?;
                    headers.push((name.to_owned(), value.to_owned()));
                }
            }
            if entries.len() > MAX_ENTRIES {
                return Err(bad("more exchanges than can be played"));
            }
        }
        Ok(Self { entries })
    }
}

fn read_asked(text: &str) -> Option<Asked> {
    let mut words = text.split(' ').filter(|word| *word != "login");
    let what = words.next().filter(|what| !what.is_empty())?.to_owned();
    let range = match words.next() {
        None => None,
        Some(range) => {
            let (first, last) = range.split_once('-')?;
            Some((first.parse().ok()?, last.parse().ok()?))
        }
    };
    words.next().is_none().then_some(Asked { what, range })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_is_read() {
        let text = "bitsup-transcript 1\n# a note\n> Ping login\n< 200\n\n> Create-Session\n! unsent\n> Create-Session\n< 201\nBITS-Session-Id: {session-1}\n> Fragment 0-9\n! lost part\n";
        let read: Transcript = text.parse().expect("legal");
        let asked: Vec<String> = read.entries.iter().map(|e| e.asked.to_string()).collect();
        assert_eq!(asked, ["Ping", "Create-Session", "Fragment 0-9"]);
        assert_eq!(read.entries[2].fate, Fate::Lost { part: true });
        let headers = vec![("BITS-Session-Id".to_owned(), "{session-1}".to_owned())];
        assert_eq!(read.entries[1].fate, Fate::Answer { status: 201, headers });
    }

    #[test]
    fn what_is_no_transcript_is_refused_with_its_line() {
        for (text, line) in [
            ("", "first line"),
            ("bitsup-transcript 2\n", "first line"),
            ("bitsup-transcript 1\n< 200\n", "line 2"),
            ("bitsup-transcript 1\n> Ping\n> Ping\n", "line 3"),
            ("bitsup-transcript 1\n> Ping\n< 100\n", "line 3"),
            ("bitsup-transcript 1\n> Ping\n! gone\n", "line 3"),
            ("bitsup-transcript 1\n> Ping\n! lost\nA: b\n", "line 4"),
            ("bitsup-transcript 1\n> Fragment 1\n", "line 2"),
            ("bitsup-transcript 1\n> Ping\n< 200\nA\n", "line 4"),
        ] {
            let error = text.parse::<Transcript>().expect_err(text).to_string();
            assert!(error.contains(line), "{text:?}: {error}");
        }
    }
}
