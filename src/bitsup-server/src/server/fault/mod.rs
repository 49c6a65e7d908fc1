//! Scripted faults: what the server does wrong, and when. The language is described in
//! `docs/fault-scripts.md`.

mod display;
mod parse;
mod tokens;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::server::packet::PacketKind;

/// A list of rules, one a line. The first rule that fits a request is acted out; a request that
/// none fits is served as usual.
///
/// ```
/// let script: bitsup_server::FaultScript = "fragment 3: drop after 70000".parse()?;
/// assert_eq!(script.to_string(), "fragment 3: drop after 70000\n");
/// let error = "fragment 3:\n  drop".parse::<bitsup_server::FaultScript>().unwrap_err();
/// assert_eq!(error.line, 1);
/// # Ok::<(), bitsup_server::FaultScriptError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultScript {
    rules: Vec<Rule>,
}

/// Why a text is not a fault script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct FaultScriptError {
    /// Line of the script, from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    kind: Kind,
    when: When,
    fault: Fault,
}

/// Requests that a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Request,
    Create,
    Ping,
    Fragment,
    Close,
    Cancel,
    Get,
    Head,
}

/// Which of them it fits; they are counted from 1 since the start of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    Only(u64),
    Between(u64, u64),
    From(u64),
    Every(u64),
}

/// What is done to one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) action: Option<Action>,
    /// Time without reading, after that many bytes of the body.
    pub(crate) stall: Option<(Duration, u64)>,
    pub(crate) delay: Option<Duration>,
    pub(crate) status: Option<u16>,
    /// Headers taken out of the answer.
    pub(crate) without: Vec<String>,
    /// Headers set in the answer.
    pub(crate) with: Vec<(String, String)>,
    /// Headers added to the answer, whether it has them or not.
    pub(crate) adding: Vec<(String, String)>,
    pub(crate) version_10: bool,
    /// Bytes after the answer.
    pub(crate) stray: Option<Vec<u8>>,
    /// Bytes of the answer sent at a time, and the pause between.
    pub(crate) trickle: Option<(usize, Duration)>,
}

/// The one thing that happens instead of the usual work or answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Drop { after: u64, keep: Option<bool> },
    Swallow,
    Hang,
    Garbage(usize),
    Forget,
    Answer(Answer),
    Rewind { bytes: u64, status: u16 },
    Offset { offset: u64, status: u16 },
}

/// An answer made by the script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) after_work: bool,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) error: Option<u32>,
    pub(crate) context: Option<u32>,
    pub(crate) body: String,
}

/// A script with its counters.
#[derive(Debug)]
pub(crate) struct Stage {
    script: FaultScript,
    counters: Mutex<[u64; 8]>,
}

const KINDS: [(&str, Kind); 8] = [
    ("request", Kind::Request),
    ("create", Kind::Create),
    ("ping", Kind::Ping),
    ("fragment", Kind::Fragment),
    ("close", Kind::Close),
    ("cancel", Kind::Cancel),
    ("get", Kind::Get),
    ("head", Kind::Head),
];

impl Stage {
    pub(crate) fn new(script: Option<FaultScript>) -> Self {
        Self { script: script.unwrap_or_default(), counters: Mutex::default() }
    }

    /// Counts a request and says what goes wrong with it.
    pub(crate) fn next(&self, method: &str, packet: Option<PacketKind>) -> Fault {
        let kind = match (method, packet) {
            ("GET", _) => Some(Kind::Get),
            ("HEAD", _) => Some(Kind::Head),
            ("BITS_POST", Some(PacketKind::Create)) => Some(Kind::Create),
            ("BITS_POST", Some(PacketKind::Ping)) => Some(Kind::Ping),
            ("BITS_POST", Some(PacketKind::Fragment)) => Some(Kind::Fragment),
            ("BITS_POST", Some(PacketKind::Close)) => Some(Kind::Close),
            ("BITS_POST", Some(PacketKind::Cancel)) => Some(Kind::Cancel),
            _ => None,
        };
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = |kind: Kind| {
            counters[kind as usize] += 1;
            counters[kind as usize]
        };
        let of_all = count(Kind::Request);
        let of_kind = kind.map(&mut count);
        let fits = |rule: &&Rule| match (rule.kind, kind, of_kind) {
            (Kind::Request, _, _) => rule.when.fits(of_all),
            (wanted, Some(kind), Some(number)) => wanted == kind && rule.when.fits(number),
            _ => false,
        };
        self.script.rules.iter().find(fits).map(|rule| rule.fault.clone()).unwrap_or_default()
    }
}

impl When {
    fn fits(self, number: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Only(only) => number == only,
            Self::Between(first, last) => (first..=last).contains(&number),
            Self::From(first) => number >= first,
            Self::Every(step) => number.is_multiple_of(step),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_count_their_own_kind() {
        let script =
            "fragment 2: swallow\nevery 5: hang\nclose from 2: forget\nfragment 4..5: garbage";
        let stage = Stage::new(Some(script.parse().expect("script")));
        let fragment = || stage.next("BITS_POST", Some(PacketKind::Fragment)).action;
        assert_eq!(fragment(), None);
        assert_eq!(fragment(), Some(Action::Swallow));
        assert_eq!(fragment(), None);
        assert_eq!(fragment(), Some(Action::Garbage(512)));
        assert_eq!(fragment(), Some(Action::Hang), "the first rule that fits wins");
        let close = || stage.next("BITS_POST", Some(PacketKind::Close)).action;
        assert_eq!((close(), close()), (None, Some(Action::Forget)));
        assert_eq!(stage.next("GET", None), Fault::default());
    }
}
