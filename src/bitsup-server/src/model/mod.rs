//! A model of BITS servers as there are in the field, without socket, file and clock.
//!
//! A [`Model`] is one server: it has [`Habits`], which it keeps, and [`Faults`], which come now and then,
//! and it knows the truth: what a server of that kind would have stored. It follows
//! `protocol.md` by itself and shares nothing with the client. Its driver does three things for
//! each request:
//!
//! 1. parse the head ([`Request::parse`]) and give it to [`Model::begin`], which says how much of the
//!    body to read;
//! 2. read that much, or as much as comes, and give it to [`Model::finish`];
//! 3. send the bytes of the [`Reaction`] and do with the connection what it says.
//!
//! [`front`] does so over sockets. Where there are no bytes on a wire, in a simulation, [`Model::answer`] is the whole of it,
//! and the files may be [`Spans`] instead of bytes. Time passes by requests, so that a seed repeats a run as far as the
//! client's requests are the same.
//!
//! **What it does not do.** It models habits and accidents, not lies. Behaviour that no client could tell from a
//! good server's is left out:
//! - Acks for bytes that were never stored, and a 200 to Close-Session or Cancel-Session of a session that
//!   lives on, or a 4xx to a Create-Session that made a session;
//! - bytes that are lost while the connection stays; and, since a client asks after unclear ends and before
//!   Close-Session only, bytes lost between two answered packets at servers that do not refuse gaps or
//!   announce that they close, or of a file of one byte, and bytes of which a reply was already offered;
//! - an older file that is dated into the future;
//! - bytes of another client, if no more than this client has sent;
//! - a late twin of an Ack at servers that append, but for the last one, and where Close-Session's own Ack
//!   may look like it.

mod act;
mod answer;
mod content;
mod dice;
mod faults;
#[cfg(feature = "server")]
pub mod front;
mod habits;
mod log;
mod request;
mod serve;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use answer::{Answer, End, Framing, Pace, Reaction, Reading};
pub use content::{Content, Span, Spans};
pub use dice::Dice;
pub use faults::{FAULTS, Fault, Faults, Invalid, NamedFault, Unusual};
pub use habits::{
    Accepts, Asks, Before, ErrorHeaders, Habits, HeadHabit, Hex, HostId, Idle, Incomplete, Login,
    Offsets, OtherConnection, Oversize, PingHabit, Publish, QUIRKS, Quirk, Received, ReplyUrl,
    Scheme, SessionIds, Unknown,
};
pub use log::Entry;
pub use request::{Packet, Range, Request};

use store::{Published, Session};

/// The model's time at the start, in seconds since 1970.
const START: u64 = 1_700_000_000;

/// What GET of the offered reply brings.
const REPLY: &[u8] = b"a reply";

/// How many seconds pass between two requests at a server whose clock runs: a file that is published after
/// Create-Session is at least a second younger (TRU-06).
const SECONDS_A_REQUEST: u64 = 2;

/// One server, and what it holds.
#[derive(Debug)]
pub struct Model<C: Content = Vec<u8>> {
    habits: Habits,
    faults: Faults,
    dice: Dice,
    /// The file to come, if Fragments are compared with it.
    source: Arc<[u8]>,
    /// A host that is not this one, for Host-Id, reply URLs and redirects.
    elsewhere: String,
    now: u64,
    sessions: BTreeMap<String, Session<C>>,
    /// All ids that were ever given out.
    ids: Vec<String>,
    closed: Vec<String>,
    published: Option<Published<C>>,
    /// Answers that come again before the next one of their connection.
    late: BTreeMap<u64, Vec<u8>>,
    /// Schemes that were asked for.
    asked: BTreeSet<&'static str>,
    lost: bool,
    log: Vec<Entry>,
    violations: Vec<String>,
}

/// A request that was begun.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// How much of the body to read.
    pub reading: Reading,
    fault: Option<NamedFault>,
}

impl Model {
    /// A server with these habits and faults. `source` is the file to come: an older one may have its size,
    /// and Fragments are compared with it. `elsewhere` is the name and port of another host.
    #[must_use]
    pub fn new(
        habits: Habits,
        faults: Faults,
        dice: Dice,
        source: Arc<[u8]>,
        elsewhere: &str,
    ) -> Self {
        let mut model = Self::with_habits(habits, dice);
        let size = source.len() as u64;
        let before = match model.habits.before {
            Before::Nothing => None,
            Before::OtherSize => Some((size + size / 2 + 1, START - 1_000_000)),
            Before::SameSize => Some((size, START - 1_000_000)),
            Before::SameSizeJustNow => Some((size, START)),
        };
        if let Some((length, modified)) = before {
            let salt = model.dice.below(255) as u8;
            model.publish(Content::foreign(length, salt), modified);
        }
        (model.faults, model.source) = (faults, source);
        elsewhere.clone_into(&mut model.elsewhere);
        model
    }

    /// What GET of the offered reply brings.
    #[must_use]
    pub fn reply() -> &'static [u8] {
        REPLY
    }
}

impl<C: Content> Model<C> {
    /// A server with these habits, without faults and with nothing at the destination.
    #[must_use]
    pub fn with_habits(habits: Habits, dice: Dice) -> Self {
        Self {
            habits,
            faults: Faults::default(),
            dice,
            source: Arc::default(),
            elsewhere: String::new(),
            now: START,
            sessions: BTreeMap::new(),
            ids: Vec::new(),
            closed: Vec::new(),
            published: None,
            late: BTreeMap::new(),
            asked: BTreeSet::new(),
            lost: false,
            log: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// Puts a file at the destination that was written then, in seconds since 1970.
    pub fn publish(&mut self, data: C, modified: u64) {
        self.published = Some(Published { data, modified });
    }

    /// Sets its clock, in seconds since 1970.
    pub fn set_time(&mut self, now: u64) {
        self.now = now;
    }

    /// Has other habits from now on.
    pub fn habits_mut(&mut self) -> &mut Habits {
        &mut self.habits
    }

    /// Its habits.
    #[must_use]
    pub fn habits(&self) -> &Habits {
        &self.habits
    }

    /// Its faults.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Has other faults from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// What is at the destination.
    #[must_use]
    pub fn published(&self) -> Option<&C> {
        self.published.as_ref().map(|published| &published.data)
    }

    /// How many sessions are open.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        self.sessions.len()
    }

    /// All session ids that were given out.
    #[must_use]
    pub fn session_ids(&self) -> &[String] {
        &self.ids
    }

    /// Whether acknowledged bytes were lost without a word.
    #[must_use]
    pub fn has_lost_bytes(&self) -> bool {
        self.lost
    }

    /// All exchanges in the order of their ends.
    #[must_use]
    pub fn log(&self) -> &[Entry] {
        &self.log
    }

    /// What the client did that it must never do.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }
}
