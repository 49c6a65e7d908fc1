//! What a simulated server is like: conforming, or with what peers get away with.

use super::random::Random;

/// What it does with a Fragment that does not start at the byte it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offsets {
    /// 416 with the wanted offset (MC-BUP §3.2.5.2.6).
    Strict,
    /// Keeps the bytes it has not got yet and answers 200; 416 only where there is a gap.
    Trims,
    /// Writes each body where its range says, and answers with the range's end.
    Seeks,
    /// Appends all that comes and believes the range of the request.
    AppendsAndEchoes,
    /// Appends all that comes and answers with its own count.
    AppendsAndCounts,
}

impl Offsets {
    /// Whether each byte is stored where it belongs, or not at all.
    pub(crate) fn is_honest(self) -> bool {
        matches!(self, Self::Strict | Self::Trims)
    }
}

/// What HEAD of the destination brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadHabit {
    Plain,
    NoLength,
    Encoded,
    Refused,
}

/// A server's traits. Shares are in a thousand requests.
#[derive(Clone, Debug)]
pub(crate) struct Traits {
    /// The size of the file that is uploaded to it.
    pub(crate) size: u64,
    pub(crate) offsets: Offsets,
    /// Whether the beginning of a body that was cut off is stored.
    pub(crate) keeps_partial: bool,
    /// Whether a session dies with its TCP connection.
    pub(crate) bound_to_connection: bool,
    pub(crate) ids_in_acks: bool,
    pub(crate) long_ids: bool,
    pub(crate) code_form: u64,
    pub(crate) created_201: bool,
    pub(crate) lower_case: bool,
    pub(crate) repeats_headers: bool,
    pub(crate) sends_date: bool,
    /// Seconds that its clock is ahead of the client's.
    pub(crate) clock_skew: i64,
    pub(crate) head: HeadHabit,
    /// Length of a file that was there before, and when it was written by the server's clock.
    pub(crate) file_before: Option<(u64, u64)>,
    /// Larger bodies are answered with `oversize_status`.
    pub(crate) ceiling: Option<u64>,
    pub(crate) oversize_status: u16,
    pub(crate) busy: u64,
    pub(crate) restarts: u64,
    pub(crate) sessions_survive: bool,
    pub(crate) loses_tail: bool,
    pub(crate) forgets: u64,
    /// Share of idle times before Close-Session in which the server crashes: connections end
    /// unannounced, and the last bytes may be lost.
    pub(crate) crashes: u64,
    /// Whether Close-Session takes a file that is not complete, or refuses it.
    pub(crate) closes_incomplete: bool,
    /// Share of Close-Sessions that are answered by the last Fragment's Ack once more.
    pub(crate) twins: u64,
    /// Share of Fragments after which stored bytes are lost, and the answer says so.
    pub(crate) rewinds: u64,
    /// Share of Fragments after which bytes that never came are counted as stored.
    pub(crate) holes: u64,
    pub(crate) always_416: bool,
    /// The host that the session lives on and the fallback time in seconds.
    pub(crate) host: Option<(&'static str, Option<u64>)>,
    /// Whether the URL's host knows the node's sessions too.
    pub(crate) shares: bool,
    /// The number of the credentials it wants.
    pub(crate) credentials: Option<u32>,
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
            offsets: Offsets::Strict,
            keeps_partial: false,
            bound_to_connection: false,
            ids_in_acks: true,
            long_ids: false,
            code_form: 0,
            created_201: false,
            lower_case: false,
            repeats_headers: false,
            sends_date: true,
            clock_skew: 0,
            head: HeadHabit::Plain,
            file_before: None,
            ceiling: None,
            oversize_status: 413,
            busy: 0,
            restarts: 0,
            sessions_survive: true,
            loses_tail: false,
            forgets: 0,
            crashes: 0,
            closes_incomplete: false,
            twins: 0,
            rewinds: 0,
            holes: 0,
            always_416: false,
            host: None,
            shares: true,
            credentials: None,
            reply: None,
            reply_dated: true,
            reply_changes: 0,
        }
    }

    /// A server with the habits of some real one, and in each other way as likely usual as odd.
    pub(crate) fn draw(size: u64, begun: u64, random: &mut Random) -> Self {
        let mut traits = Self::conforming(size);
        let odd =
            [Offsets::Trims, Offsets::Seeks, Offsets::AppendsAndEchoes, Offsets::AppendsAndCounts];
        if random.chance(500) {
            traits.offsets = random.pick(&odd).unwrap_or(Offsets::Strict);
        }
        traits.keeps_partial = random.chance(500);
        traits.bound_to_connection = random.chance(100);
        traits.ids_in_acks = random.chance(700);
        traits.long_ids = random.chance(200);
        traits.code_form = random.below(4);
        traits.created_201 = random.chance(200);
        traits.lower_case = random.chance(200);
        traits.repeats_headers = random.chance(100);
        traits.sends_date = random.chance(700);
        if traits.sends_date && random.chance(300) {
            // Without a Date its clock could not be told from the client's.
            traits.clock_skew = random.below(200_000).cast_signed() - 100_000;
        }
        let heads = [HeadHabit::NoLength, HeadHabit::Encoded, HeadHabit::Refused];
        if random.chance(500) {
            traits.head = random.pick(&heads).unwrap_or(HeadHabit::Plain);
        }
        // Without a Date nothing but the client's own clock tells how old it is.
        if traits.sends_date && random.chance(300) {
            let length = if random.chance(500) { size } else { random.magnitude(size * 2) };
            let written = begun.saturating_add_signed(traits.clock_skew);
            traits.file_before = Some((length, written.saturating_sub(1 + random.below(100_000))));
        }
        if random.chance(200) {
            traits.ceiling = Some(3_000 + random.magnitude(4 << 20));
            traits.oversize_status = if random.chance(500) { 413 } else { 404 };
        }
        traits.draw_troubles(random);
        if random.chance(150) {
            let names =
                ["node7.example.com", "NODE7", "node7.example.com:8080", "evil.example.net"];
            let fallback = random.chance(700).then(|| 10 + random.magnitude(20_000));
            traits.host = random.pick(&names).map(|name| (name, fallback));
            traits.shares = random.chance(500);
        }
        if random.chance(150) {
            traits.credentials = Some(1);
        }
        if random.chance(100) {
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
        self.rewinds = if self.offsets.is_honest() { rewinds } else { 0 };
        let holes = share(200, 300);
        // One that has shown that it checks offsets is believed in what it counts.
        self.holes = if self.offsets == Offsets::AppendsAndCounts { holes } else { 0 };
        self.always_416 = random.chance(20);
        self.sessions_survive = random.chance(600);
        self.loses_tail = random.chance(300) && self.offsets.is_honest();
        // A server that loses bytes while a connection lasts, and accepts an incomplete file, cannot be detected.
        let tells = self.restarts == 0 && self.rewinds == 0;
        self.closes_incomplete = !self.offsets.is_honest() || (tells && random.chance(300));
    }

    /// Whether a body of this length is too large.
    pub(crate) fn refuses(&self, length: u64) -> bool {
        self.ceiling.is_some_and(|ceiling| length > ceiling)
    }

    /// The name of the server's `number`-th session.
    pub(crate) fn session_id(&self, number: u64) -> String {
        if self.long_ids {
            format!("{number:0>100}")
        } else {
            format!("{{00000000-0000-4000-8000-{number:012X}}}")
        }
    }

    /// Whether it never loses a byte of a session that it knows, and tells how many it has.
    pub(crate) fn keeps_all(&self) -> bool {
        let keeps = !self.loses_tail && self.rewinds == 0 && self.holes == 0 && self.crashes == 0;
        self.offsets == Offsets::Strict && keeps && !self.always_416
    }

    /// Whether a complete upload to it is byte-exact, with any losses on the way.
    pub(crate) fn is_honest(&self) -> bool {
        self.offsets.is_honest() && self.holes == 0
    }
}
