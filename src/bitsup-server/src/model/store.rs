//! What a server of a kind would have stored: the truth.

use super::Model;
use super::dice::Dice;
use super::habits::{Idle, Incomplete, Offsets, Publish};
use super::request::{Range, Request};

/// A session that is open.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) data: Vec<u8>,
    /// The size of the file, from the first Fragment on.
    total: Option<u64>,
    /// The connection of its Create-Session.
    pub(super) connection: u64,
    /// The end of the furthest Fragment that was sent, as far as is known.
    highest: u64,
    /// The length of the longest Fragment.
    longest: u64,
    /// Whether the file at the destination is this session's.
    in_place: bool,
    /// Whether a reply was offered: the server's application has all bytes.
    handed_over: bool,
}

impl Session {
    /// Whether a client learns of bytes that are lost although it got its answers: from a gap, or since it
    /// asks before Close-Session (TRU-05), which it cannot by a file of one byte.
    fn shows_loss(&self, offsets: Offsets) -> bool {
        let complete = self.total.is_some_and(|total| self.data.len() as u64 >= total);
        let asks = self.total.is_some_and(|total| total > 1);
        asks && (complete || offsets.refuses_gaps())
    }
}

/// A file at the destination.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) data: Vec<u8>,
    pub(super) modified: u64,
}

/// Status and offset of the answer to a Fragment.
pub(super) type Stored = (u16, Option<u64>);

impl Model {
    /// Opens a session.
    pub(super) fn create(&mut self, connection: u64) -> String {
        let digits =
            format!("{:016x}{:016x}", self.dice.below(u64::MAX), self.dice.below(u64::MAX));
        let id = if self.habits.long_ids {
            format!("{digits:-<100}")
        } else {
            format!(
                "{{{}-{}-{}-{}-{}}}",
                &digits[..8],
                &digits[8..12],
                &digits[12..16],
                &digits[16..20],
                &digits[20..]
            )
        };
        let in_place = self.habits.publish == Publish::InPlace && self.habits.makes_empty_files;
        if in_place {
            self.take_destination();
        }
        let session = Session {
            data: Vec::new(),
            total: None,
            connection,
            highest: 0,
            longest: 0,
            in_place,
            handed_over: false,
        };
        self.sessions.insert(id.clone(), session);
        self.ids.push(id.clone());
        id
    }

    /// Empties the destination for a session that writes there; an older one loses the file.
    fn take_destination(&mut self) {
        for session in self.sessions.values_mut() {
            session.in_place = false;
        }
        self.published = Some(Published { data: Vec::new(), modified: self.now });
    }

    /// Stores a Fragment, or as much of it as came, by the habit.
    pub(super) fn store(&mut self, id: &str, range: Range, body: &[u8]) -> Stored {
        let offsets = self.habits.offsets;
        let place = self.habits.publish == Publish::InPlace;
        if place
            && self
                .sessions
                .get(id)
                .is_some_and(|session| !session.in_place && session.total.is_none())
        {
            self.take_destination();
            if let Some(session) = self.sessions.get_mut(id) {
                session.in_place = true;
            }
        }
        let Some(session) = self.sessions.get_mut(id) else { return (500, None) };
        session.total = Some(range.total);
        let (first, length) = (range.first as usize, session.data.len());
        let end = range.first + body.len() as u64;
        let stored = match offsets {
            Offsets::Strict | Offsets::StrictSilent if first != length => {
                let tells = offsets == Offsets::Strict;
                return (416, tells.then_some(length as u64));
            }
            Offsets::Trim | Offsets::TrimEcho if first > length => {
                return (416, Some(length as u64));
            }
            Offsets::Strict | Offsets::StrictSilent | Offsets::Trim | Offsets::TrimEcho => {
                session.data.extend(body.iter().skip(length - first));
                session.data.len() as u64
            }
            Offsets::AppendEcho | Offsets::AppendCount => {
                session.data.extend(body);
                session.data.len() as u64
            }
            Offsets::SeekEcho | Offsets::SeekCount => {
                let size = length.max(first + body.len());
                session.data.resize(size, 0);
                session.data[first..first + body.len()].copy_from_slice(body);
                size as u64
            }
        };
        let last = end == range.total;
        if session.in_place || (self.habits.publish == Publish::AtLast && last) {
            let data = session.data.clone();
            self.published = Some(Published { data, modified: self.now });
        }
        (200, Some(if offsets.echoes() { end } else { stored }))
    }

    /// Loses the end of a session's bytes; returns how many are left.
    pub(super) fn truncate(&mut self, id: &str, length: u64) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.data.truncate(length as usize);
            if session.in_place
                && let Some(published) = &mut self.published
            {
                published.data.truncate(length as usize);
            }
        }
    }

    /// How many bytes a session has.
    pub(super) fn length(&self, id: &str) -> u64 {
        self.sessions.get(id).map_or(0, |session| session.data.len() as u64)
    }

    /// Loses the last bytes of all sessions, or the sessions. `asked`: a client will ask for the offset, since
    /// it got no answer. One that was told of the close does not ask.
    pub(super) fn crash(&mut self, forgets: bool, asked: bool) {
        if forgets {
            self.sessions.clear();
            return;
        }
        for (id, session) in self.sessions.clone() {
            let length = session.data.len() as u64;
            let announced = self.habits.http10 || self.habits.idle == Idle::Announced;
            let shows = !announced && session.shows_loss(self.habits.offsets);
            if session.handed_over || !(asked || shows) {
                continue;
            }
            let lost = match self.dice.below(4) {
                0 => 1,
                1 => 4096,
                2 => length,
                _ => 1 + self.dice.below(length),
            };
            self.truncate(&id, length.saturating_sub(lost));
            self.lost |= length > 0;
        }
    }

    /// Gives all bytes of a session to the application that makes the reply: they are not lost any more.
    pub(super) fn hand_over(&mut self, id: &str) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.handed_over = true;
        }
    }

    /// Keeps what a client has sent, stored or not.
    pub(super) fn note_sent(&mut self, request: &Request) {
        let session = request.session.as_ref().and_then(|id| self.sessions.get_mut(id));
        if let (Some(session), Some(range)) = (session, request.range) {
            session.highest = session.highest.max(range.last + 1);
            session.longest = session.longest.max(range.length());
        }
    }

    /// The smallest and the largest offset that can only be another client's: one more Fragment may have been
    /// sent into a connection that was just closed.
    pub(super) fn foreign_offsets(&self, request: &Request) -> Option<(u64, u64)> {
        let range = request.range?;
        let session = self.sessions.get(request.session.as_deref()?)?;
        let least = session.highest + session.longest + 1;
        (least <= range.total).then_some((least, range.total))
    }

    /// Puts another client's bytes into a session.
    pub(super) fn replace_by_foreign(&mut self, id: &str, length: u64) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.data = vec![b'?'; length as usize];
            if session.in_place {
                let data = session.data.clone();
                self.published = Some(Published { data, modified: self.now });
            }
        }
    }

    /// Closes a session; the status is 200 or 400.
    pub(super) fn close(&mut self, id: &str) -> u16 {
        let Some(session) = self.sessions.remove(id) else { return 500 };
        let missing = session.total.is_some_and(|total| (session.data.len() as u64) < total);
        if missing {
            match self.habits.incomplete {
                Incomplete::Refuse => {
                    self.sessions.insert(id.to_owned(), session);
                    return 400;
                }
                Incomplete::Discard => {
                    if session.in_place {
                        self.published = None;
                    }
                    self.closed.push(id.to_owned());
                    return 200;
                }
                Incomplete::Publish => {}
            }
        }
        self.closed.push(id.to_owned());
        let empty = session.total.is_none();
        // Where the last byte publishes, the file has been there since then.
        let placed =
            session.in_place || (self.habits.publish == Publish::AtLast && !empty && !missing);
        if !placed && (!empty || self.habits.makes_empty_files) {
            self.published = Some(Published { data: session.data, modified: self.now });
        }
        200
    }

    /// Deletes a session and what it wrote.
    pub(super) fn cancel(&mut self, id: &str) {
        if self.sessions.remove(id).is_some_and(|session| session.in_place) {
            self.published = None;
        }
    }
}

/// Bytes of an older file: none of them is like any other file's.
pub(super) fn older_file(dice: &mut Dice, size: u64) -> Vec<u8> {
    let salt = dice.below(255) as u8;
    (0..size).map(|at| (at as u8).wrapping_mul(31) ^ salt).collect()
}
