//! What a simulated server is like: conforming, or with what peers get away with.

use bitsup_server::model::{
    Accepts, Asks, ErrorHeaders, Habits, HeadHabit, Hex, HostId, Incomplete, Login, Offsets,
    OtherConnection, Oversize, ReplyUrl, Scheme, SessionIds,
};

use super::random::Random;

/// A server's habits, and what befalls it. Shares are in a thousand requests.
#[derive(Clone, Debug)]
pub(crate) struct Traits {
    /// The size of the file that is uploaded to it.
    pub(crate) size: u64,
    pub(crate) habits: Habits,
    /// Seconds that its clock is ahead of the client's.
    pub(crate) clock_skew: i64,
    /// Length of a file that was there before, and when it was written by the server's clock.
    pub(crate) file_before: Option<(u64, u64)>,
    pub(crate) busy: u64,
    pub(crate) restarts: u64,
    pub(crate) sessions_survive: bool,
    pub(crate) loses_tail: bool,
    pub(crate) forgets: u64,
    /// Share of idle times before Close-Session in which the server crashes, and of the twentieth part of those before other
    /// packets: connections end unannounced, and the last bytes may be lost.
    pub(crate) crashes: u64,
    /// Share of Close-Sessions that are answered by the last Fragment's Ack once more.
    pub(crate) twins: u64,
    /// Share of Fragments after which stored bytes are lost, and the answer says so.
    pub(crate) rewinds: u64,
    /// Share of Fragments after which bytes that never came are counted as stored.
    pub(crate) holes: u64,
    /// Length of the reply, in upload-reply mode.
    pub(crate) reply: Option<u64>,
    /// Whether the reply has a `Last-Modified`.
    pub(crate) reply_dated: bool,
    /// Share of GETs before which the reply changes.
    pub(crate) reply_changes: u64,
}

impl Traits {
    /// A server without any fault.
    pub(crate) fn conforming(size: u64) -> Self {
        Self {
            size,
            habits: Habits { incomplete: Incomplete::Refuse, ..Habits::conforming() },
            clock_skew: 0,
            file_before: None,
            busy: 0,
            restarts: 0,
            sessions_survive: true,
            loses_tail: false,
            forgets: 0,
            crashes: 0,
            twins: 0,
            rewinds: 0,
            holes: 0,
            reply: None,
            reply_dated: true,
            reply_changes: 0,
        }
    }

    /// A server with the habits of some real one, and in each other way as likely usual as odd.
    pub(crate) fn draw(size: u64, begun: u64, random: &mut Random) -> Self {
        let mut traits = Self::conforming(size);
        let habits = &mut traits.habits;
        let odd = [Offsets::Trim, Offsets::SeekEcho, Offsets::AppendEcho, Offsets::AppendCount];
        if random.chance(500) {
            habits.offsets = random.pick(&odd).unwrap_or(Offsets::Strict);
        }
        habits.keeps_cut_bodies = random.chance(500);
        if random.chance(100) {
            habits.other_connection = OtherConnection::Unknown;
        }
        habits.ids_in_acks = random.chance(700);
        if random.chance(200) {
            habits.ids = SessionIds::Long;
        }
        (habits.error_headers, habits.hex) = match random.below(4) {
            0 => (ErrorHeaders::Code, Hex::Short),
            1 => (ErrorHeaders::Error, Hex::After("x")),
            2 => (ErrorHeaders::Code, Hex::Lower),
            _ => (ErrorHeaders::Code, Hex::Constant),
        };
        if random.chance(200) {
            habits.created = 201;
        }
        habits.lower_case = random.chance(200);
        habits.repeats_headers = random.chance(100);
        habits.dated = random.chance(700);
        if habits.dated && random.chance(300) {
            // Without a Date its clock could not be told from the client's.
            traits.clock_skew = random.below(200_000).cast_signed() - 100_000;
        }
        let heads = [HeadHabit::NoLength, HeadHabit::Encoded, HeadHabit::Status(405)];
        if random.chance(500) {
            habits.head = random.pick(&heads).unwrap_or(HeadHabit::True);
        }
        // Without a Date nothing but the client's own clock tells how old it is.
        if habits.dated && random.chance(300) {
            let length = if random.chance(500) { size } else { random.magnitude(size * 2) };
            let written = begun.saturating_add_signed(traits.clock_skew);
            traits.file_before = Some((length, written.saturating_sub(1 + random.below(100_000))));
        }
        if random.chance(200) {
            let most = 3_000 + random.magnitude(4 << 20);
            let how = if random.chance(500) { Oversize::TooLarge } else { Oversize::NotFound };
            habits.ceiling = Some((most, how));
        }
        traits.draw_troubles(random);
        if random.chance(150) {
            let names =
                ["node7.example.com", "NODE7", "node7.example.com:8080", "evil.example.net"];
            let fallback = random.chance(700).then(|| 10 + random.magnitude(20_000));
            let name = random.pick(&names).unwrap_or_default();
            let shares = random.chance(500);
            traits.habits.host_id = HostId::Node { name, fallback, shares };
        }
        if random.chance(150) {
            traits.want_credentials(1);
        }
        if random.chance(100) {
            traits.habits.reply = Some(ReplyUrl::Own);
            traits.reply = Some(random.magnitude(5_000_000));
            traits.reply_dated = random.chance(700);
            traits.reply_changes = if random.chance(300) { random.below(300) } else { 0 };
        }
        traits
    }

    fn draw_troubles(&mut self, random: &mut Random) {
        let mut share = |often: u64, most: u64| {
            if random.chance(often) { random.below(most) } else { 0 }
        };
        self.busy = share(200, 400);
        self.restarts = share(150, 100);
        self.forgets = share(150, 100);
        self.crashes = share(200, 900);
        self.twins = share(150, 900);
        // A server that appends blindly and loses bytes silently cannot be detected.
        let rewinds = share(100, 200);
        self.rewinds = if self.checks_offsets() { rewinds } else { 0 };
        let holes = share(200, 300);
        // One that has shown that it checks offsets is believed in what it counts.
        self.holes = if self.habits.offsets == Offsets::AppendCount { holes } else { 0 };
        self.habits.stuck = random.chance(20);
        self.sessions_survive = random.chance(600);
        self.loses_tail = random.chance(300) && self.checks_offsets();
        // A server that loses bytes while a connection lasts, and accepts an incomplete file, cannot be detected.
        let tells = self.restarts == 0 && self.rewinds == 0;
        if !self.checks_offsets() || (tells && random.chance(300)) {
            self.habits.incomplete = Incomplete::Publish;
        }
    }

    /// It wants these credentials, by their number.
    pub(crate) fn want_credentials(&mut self, number: u32) {
        let accepts = Accepts::User(number);
        self.habits.login = Some(Login { scheme: Scheme::Basic, asks: Asks::All, accepts });
    }

    /// Whether each byte is stored where it belongs, or not at all.
    pub(crate) fn checks_offsets(&self) -> bool {
        matches!(self.habits.offsets, Offsets::Strict | Offsets::Trim)
    }

    /// Whether the URL's host can speak for each session.
    pub(crate) fn knows_all_sessions(&self) -> bool {
        !matches!(self.habits.host_id, HostId::Node { shares: false, .. })
    }

    /// Whether Close-Session takes a file that is not complete.
    pub(crate) fn closes_incomplete(&self) -> bool {
        self.habits.incomplete == Incomplete::Publish
    }

    /// Whether it never loses a byte of a session that it knows, and tells how many it has.
    pub(crate) fn keeps_all(&self) -> bool {
        let keeps = !self.loses_tail && self.rewinds == 0 && self.holes == 0 && self.crashes == 0;
        self.habits.offsets == Offsets::Strict && keeps && !self.habits.stuck
    }

    /// Whether a complete upload to it is byte-exact, with any losses on the way.
    pub(crate) fn is_honest(&self) -> bool {
        self.checks_offsets() && self.holes == 0
    }
}
