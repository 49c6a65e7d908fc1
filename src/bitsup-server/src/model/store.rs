//! What a server of a kind would have stored: the truth.

use super::Model;
use super::content::Content;
use super::habits::{HostId, Idle, Incomplete, Offsets, Publish, SessionIds};
use super::request::{Range, Request};

/// Tells the bytes of another client from those of an older file.
const FOREIGN: u8 = 0xFF;

/// A session that is open.
#[derive(Clone, Debug)]
pub(super) struct Session<C> {
    pub(super) data: C,
    /// The size of the file, from the first Fragment on.
    total: Option<u64>,
    /// The connection of its Create-Session.
    pub(super) connection: u64,
    /// Whether it is at the node that the Host-Id names.
    pub(super) at_node: bool,
    /// The end of the furthest Fragment that was sent, as far as is known.
    highest: u64,
    /// The length of the longest Fragment.
    longest: u64,
    /// Whether the file at the destination is this session's.
    in_place: bool,
    /// Whether a reply was offered: the server's application has all bytes.
    handed_over: bool,
}

impl<C: Content> Session<C> {
    /// Whether a client learns of bytes that are lost although it got its answers: from a gap, or since it
    /// asks before Close-Session (TRU-05), which it cannot by a file of one byte.
    fn shows_loss(&self, offsets: Offsets) -> bool {
        let complete = self.total.is_some_and(|total| self.data.length() >= total);
        let asks = self.total.is_some_and(|total| total > 1);
        asks && (complete || offsets.refuses_gaps())
    }
}

/// A file at the destination.
#[derive(Clone, Debug)]
pub(super) struct Published<C> {
    pub(super) data: C,
    pub(super) modified: u64,
}

/// Status and offset of the answer to a Fragment.
pub(super) type Stored = (u16, Option<u64>);

impl<C: Content> Model<C> {
    /// Opens a session. Its id is higher than those before.
    pub(super) fn create(&mut self, request: &Request) -> String {
        let (high, low) = (self.dice.below(1 << 32), self.dice.below(u64::MAX));
        let digits = format!("{:08x}{high:08x}{low:016x}", self.ids.len() + 1);
        let id = match self.habits.ids {
            SessionIds::Long => format!("{digits:-<100}"),
            SessionIds::Counted => format!("{{session-{}}}", self.ids.len() + 1),
            SessionIds::Guid => format!(
                "{{{}-{}-{}-{}-{}}}",
                &digits[..8],
                &digits[8..12],
                &digits[12..16],
                &digits[16..20],
                &digits[20..]
            ),
        };
        let in_place = self.habits.publish == Publish::InPlace && self.habits.makes_empty_files;
        if in_place {
            self.take_destination();
        }
        let session = Session {
            data: C::default(),
            total: None,
            connection: request.connection,
            at_node: matches!(self.habits.host_id, HostId::Node { .. }),
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
        self.published = Some(Published { data: C::default(), modified: self.now });
    }

    /// Stores a Fragment, or as much of it as came, by the habit.
    pub(super) fn store(&mut self, id: &str, range: Range, body: &C::Body) -> Stored {
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
        let (status, offset) = offsets.store(&mut session.data, range.first, body);
        if status != 200 {
            return (status, offset);
        }
        let last = range.first + C::body_length(body) == range.total;
        if session.in_place || (self.habits.publish == Publish::AtLast && last) {
            let data = session.data.clone();
            self.published = Some(Published { data, modified: self.now });
        }
        (status, offset)
    }

    /// Loses the end of a session's bytes; returns how many are left.
    pub(super) fn truncate(&mut self, id: &str, length: u64) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.data.truncate(length);
            if session.in_place
                && let Some(published) = &mut self.published
            {
                published.data.truncate(length);
            }
        }
    }

    /// How many bytes a session has.
    pub(super) fn length(&self, id: &str) -> u64 {
        self.sessions.get(id).map_or(0, |session| session.data.length())
    }

    /// Loses the last bytes of all sessions, or the sessions. `asked`: a client will ask for the offset, since
    /// it got no answer. One that was told of the close does not ask.
    pub(super) fn crash(&mut self, forgets: bool, asked: bool) {
        if forgets {
            self.sessions.clear();
            return;
        }
        for (id, session) in self.sessions.clone() {
            let length = session.data.length();
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
            session.data = C::foreign(length, FOREIGN);
            if session.in_place {
                let data = session.data.clone();
                self.published = Some(Published { data, modified: self.now });
            }
        }
    }

    /// Closes a session; the status is 200 or 400.
    pub(super) fn close(&mut self, id: &str) -> u16 {
        let Some(session) = self.sessions.remove(id) else { return 500 };
        let missing = session.total.is_some_and(|total| (session.data.length()) < total);
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

    /// Takes the first bytes of a Fragment whose rest never came, where the habits keep them.
    pub fn take_part(&mut self, request: &Request, body: &C::Body) {
        if let (true, Some(range), Some(id)) =
            (self.habits.keeps_cut_bodies, request.range, self.known_session(request))
        {
            self.store(&id, range, body);
        }
    }

    /// What is stored of each session, in the order of their ids.
    pub fn contents_mut(&mut self) -> impl Iterator<Item = &mut C> {
        self.sessions.values_mut().map(|session| &mut session.data)
    }

    /// What is stored of a session.
    #[must_use]
    pub fn content(&self, id: &str) -> Option<&C> {
        self.sessions.get(id).map(|session| &session.data)
    }

    /// Loses all sessions.
    pub fn forget(&mut self) {
        self.sessions.clear();
    }
}
