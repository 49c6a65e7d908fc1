//! The simulated server: it reads the headers that the client really writes, stores stretches of the
//! source by its habits, and answers with header lists.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::random::Random;
use super::stored::Stored;
use super::traits::{HeadHabit, Offsets, Traits};

/// What Create-Session says on the wire besides a session's id.
const PROTOCOL: &str = "{7df0354d-249b-430f-820d-3d2a9bef4931}";
/// Windows codes as servers write them.
const SESSION_NOT_FOUND: u32 = 0x8020_001F;
const INVALID_ARGUMENT: u32 = 0x8007_0057;

/// A packet as it arrives.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedPacket {
    /// The headers as the client wrote them.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The credentials that go with it, by their number.
    pub(crate) credentials: Option<u32>,
    /// The TCP connection, by its number.
    pub(crate) connection: u64,
    /// Whether it comes to the host that a Host-Id named.
    pub(crate) at_node: bool,
    /// The version of the source that the body is from.
    pub(crate) version: usize,
}

/// An answer as it goes out.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// A server with its disk.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) traits: Traits,
    sessions: BTreeMap<String, Upload>,
    sessions_ever: u64,
    /// The file under the URL, and when it was published by this server's clock.
    pub(crate) destination: Option<(Stored, u64)>,
}

#[derive(Debug, Default)]
struct Upload {
    stored: Stored,
    connection: u64,
    at_node: bool,
}

impl Server {
    /// A server without sessions; a file from before may be there.
    pub(crate) fn new(traits: Traits) -> Self {
        let before = traits.file_before.map(|(length, modified)| {
            let mut stored = Stored::default();
            stored.append_hole(length);
            (stored, modified)
        });
        Self { traits, sessions: BTreeMap::new(), sessions_ever: 0, destination: before }
    }

    /// Whether it holds this session.
    pub(crate) fn has_session(&self, id: &str) -> bool {
        self.sessions.contains_key(id)
    }

    /// How much it holds of a session, if it holds the session.
    pub(crate) fn stored(&self, id: &str) -> Option<u64> {
        self.sessions.get(id).map(|upload| upload.stored.length())
    }

    /// Takes a complete request at `unix`, by the client's clock.
    pub(crate) fn handle(
        &mut self,
        wire: &ReceivedPacket,
        unix: u64,
        random: &mut Random,
    ) -> Answer {
        if random.chance(self.traits.restarts) {
            self.restart(random);
        }
        if random.chance(self.traits.forgets) {
            self.sessions.clear();
        }
        let mut answer = self.answer(wire, unix, random);
        if self.traits.sends_date {
            answer.headers.push(("Date", http_date(self.clock(unix))));
        }
        if self.traits.repeats_headers {
            answer.headers.extend(answer.headers.clone());
        }
        answer
    }

    /// Takes the first `length` bytes of a Fragment whose rest never came.
    pub(crate) fn handle_part(&mut self, wire: &ReceivedPacket, length: u64) {
        let Some(upload) = find(&mut self.sessions, wire) else { return };
        if self.traits.keeps_partial
            && let Some((first, ..)) = range(wire)
            && !self.traits.refuses(length)
        {
            store(self.traits.offsets, &mut upload.stored, first, wire.version, length);
        }
    }

    /// The answer to HEAD.
    pub(crate) fn head(&self) -> bitsup_proto::verify::Head {
        let mut head = bitsup_proto::verify::Head::default();
        match (&self.destination, self.traits.head) {
            (_, HeadHabit::Refused) => head.status = 405,
            (None, _) => head.status = 404,
            (Some((stored, modified)), habit) => {
                head.status = 200;
                head.content_length = (habit != HeadHabit::NoLength).then_some(stored.length());
                head.encoded = habit == HeadHabit::Encoded;
                head.last_modified = Some(*modified);
            }
        }
        head
    }

    fn clock(&self, unix: u64) -> u64 {
        unix.saturating_add_signed(self.traits.clock_skew)
    }

    /// Ends while nothing is under way, and comes back: the last bytes may be gone.
    pub(crate) fn crash(&mut self, random: &mut Random) {
        for upload in self.sessions.values_mut() {
            let length = upload.stored.length();
            upload.stored.truncate(length - random.magnitude(length));
        }
    }

    /// Sessions stand on disk, the newest bytes perhaps not yet; or nothing does.
    fn restart(&mut self, random: &mut Random) {
        if !self.traits.sessions_survive {
            self.sessions.clear();
        }
        for upload in self.sessions.values_mut() {
            let length = upload.stored.length();
            if self.traits.loses_tail && length > 0 {
                upload.stored.truncate(length - random.magnitude(length));
            }
        }
    }

    fn answer(&mut self, wire: &ReceivedPacket, unix: u64, random: &mut Random) -> Answer {
        if let Some(wanted) = self.traits.credentials
            && wire.credentials != Some(wanted)
        {
            return plain(401, "WWW-Authenticate", "Basic realm=\"uploads\"");
        }
        if random.chance(self.traits.busy) {
            return self.busy(unix, random);
        }
        match value(wire, "BITS-Packet-Type") {
            "Ping" => self.ack(200, wire),
            "Create-Session" => self.create(wire),
            packet => self.in_session(packet, wire, unix, random),
        }
    }

    fn busy(&self, unix: u64, random: &mut Random) -> Answer {
        let seconds = random.magnitude(2000);
        match random.below(3) {
            0 => plain(503, "Retry-After", &seconds.to_string()),
            1 => plain(503, "Retry-After", &http_date(self.clock(unix).saturating_add(seconds))),
            _ => plain(503, "Content-Type", "text/html"),
        }
    }

    fn create(&mut self, wire: &ReceivedPacket) -> Answer {
        self.sessions_ever += 1;
        let id = self.traits.session_id(self.sessions_ever);
        // A node of a farm holds the session that the farm's front opened for it.
        let at_node = self.traits.host.is_some();
        let upload = Upload { connection: wire.connection, at_node, ..Upload::default() };
        self.sessions.insert(id.clone(), upload);
        let mut answer = self.ack(if self.traits.created_201 { 201 } else { 200 }, wire);
        answer.headers.push(("BITS-Session-Id", id));
        answer.headers.push(("BITS-Protocol", PROTOCOL.into()));
        if let Some((name, fallback)) = self.traits.host {
            answer.headers.push(("BITS-Host-Id", name.into()));
            if let Some(fallback) = fallback {
                answer.headers.push(("BITS-Host-Id-Fallback-Timeout", fallback.to_string()));
            }
        }
        answer
    }

    fn in_session(
        &mut self,
        packet: &str,
        wire: &ReceivedPacket,
        unix: u64,
        random: &mut Random,
    ) -> Answer {
        let id = value(wire, "BITS-Session-Id");
        if let Some(upload) = self.sessions.get(id) {
            let bound = self.traits.bound_to_connection && upload.at_node == wire.at_node;
            if bound && upload.connection != wire.connection {
                self.sessions.remove(id);
            }
        }
        let known = self.sessions.get(id);
        if known.is_none_or(|upload| upload.at_node && !wire.at_node && !self.traits.shares) {
            return self.error(500, SESSION_NOT_FOUND, wire);
        }
        match packet {
            "Cancel-Session" => {
                self.sessions.remove(id);
                self.ack(200, wire)
            }
            "Close-Session" => self.close(id, wire, unix),
            "Fragment" => self.fragment(id, wire, random),
            _ => self.error(400, INVALID_ARGUMENT, wire),
        }
    }

    fn close(&mut self, id: &str, wire: &ReceivedPacket, unix: u64) -> Answer {
        let size = self.traits.size;
        let complete = self.sessions.get(id).is_some_and(|upload| upload.stored.length() == size);
        if !complete && !self.traits.closes_incomplete {
            return self.error(400, INVALID_ARGUMENT, wire);
        }
        if let Some(upload) = self.sessions.remove(id) {
            self.destination = Some((upload.stored, self.clock(unix)));
        }
        self.ack(200, wire)
    }

    fn fragment(&mut self, id: &str, wire: &ReceivedPacket, random: &mut Random) -> Answer {
        let Some((first, length, total)) = range(wire) else {
            return self.error(400, INVALID_ARGUMENT, wire);
        };
        let Some(upload) = self.sessions.get_mut(id).filter(|_| total == self.traits.size) else {
            return self.error(400, INVALID_ARGUMENT, wire);
        };
        if self.traits.refuses(length) {
            return plain(self.traits.oversize_status, "Content-Type", "text/html");
        }
        if self.traits.always_416 {
            return self.received(416, first, wire);
        }
        let stored = &mut upload.stored;
        let corrected = store(self.traits.offsets, stored, first, wire.version, length);
        if random.chance(self.traits.rewinds) {
            let length = stored.length();
            stored.truncate(length - random.magnitude(length));
        } else if random.chance(self.traits.holes) {
            // Always beyond the bytes that came, or it could not be detected.
            stored.append_hole(random.magnitude(total.saturating_sub(stored.length())));
        }
        let offset = match self.traits.offsets {
            Offsets::Seeks | Offsets::AppendsAndEchoes => first + length,
            _ => stored.length(),
        };
        let mut answer = self.received(if corrected { 416 } else { 200 }, offset, wire);
        if let (true, Some(_)) = (offset == total, self.traits.reply) {
            answer.headers.push(("BITS-Reply-URL", "replies/one.bin".into()));
        }
        answer
    }

    fn received(&self, status: u16, offset: u64, wire: &ReceivedPacket) -> Answer {
        let mut answer = self.ack(status, wire);
        answer.headers.push(("BITS-Received-Content-Range", offset.to_string()));
        answer
    }

    fn ack(&self, status: u16, wire: &ReceivedPacket) -> Answer {
        let name = if self.traits.lower_case { "bits-packet-type" } else { "BITS-Packet-Type" };
        let mut headers = vec![(name, "Ack".to_owned()), ("Content-Length", "0".to_owned())];
        let id = value(wire, "BITS-Session-Id");
        if self.traits.ids_in_acks && !id.is_empty() {
            headers.push(("BITS-Session-Id", id.to_owned()));
        }
        Answer { status, headers }
    }

    fn error(&self, status: u16, code: u32, wire: &ReceivedPacket) -> Answer {
        let mut answer = self.ack(status, wire);
        answer.headers.push(match self.traits.code_form {
            0 => ("BITS-Error-Code", format!("{code:#x}")),
            1 => ("BITS-Error", format!("x{code:X}")),
            2 => ("bits-error-code", format!("{code:08x}")),
            _ => ("BITS-Error-Code", format!("0X{code:08X}L")),
        });
        answer.headers.push(("BITS-Error-Context", "0x5".into()));
        answer
    }
}

/// Stores a body by the server's habit; `true` if its start was refused.
fn store(habit: Offsets, stored: &mut Stored, first: u64, version: usize, length: u64) -> bool {
    let next = stored.length();
    match habit {
        Offsets::Strict if first != next => true,
        Offsets::Trims if first > next => true,
        Offsets::Trims => {
            stored.append(next, version, (first + length).saturating_sub(next));
            false
        }
        Offsets::Seeks => {
            stored.write_at(first, version, length);
            false
        }
        Offsets::Strict | Offsets::AppendsAndEchoes | Offsets::AppendsAndCounts => {
            stored.append(first, version, length);
            false
        }
    }
}

fn find<'a>(
    sessions: &'a mut BTreeMap<String, Upload>,
    wire: &ReceivedPacket,
) -> Option<&'a mut Upload> {
    sessions.get_mut(value(wire, "BITS-Session-Id"))
}

fn plain(status: u16, name: &'static str, value: &str) -> Answer {
    Answer { status, headers: vec![(name, value.to_owned())] }
}

/// The value of a request's header; empty if there is none.
pub(crate) fn value<'a>(wire: &'a ReceivedPacket, name: &str) -> &'a str {
    let found = wire.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map_or("", |(_, value)| value.as_str())
}

/// First byte, length and total of `bytes 0-4891/4892`, if they fit together.
fn range(wire: &ReceivedPacket) -> Option<(u64, u64, u64)> {
    let (range, total) = value(wire, "Content-Range").strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let total = total.parse().ok()?;
    (first <= last && last < total).then(|| (first, last - first + 1, total))
}

fn http_date(unix: u64) -> String {
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(unix))
}
