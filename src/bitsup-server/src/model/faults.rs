//! What goes wrong in single exchanges, besides a server's habits.

use super::Model;
use super::answer::End;
use super::dice::Dice;
use super::habits::{Idle, Offsets, Received};
use super::request::{Packet, Request};

/// Something that goes wrong in one exchange.
///
/// No fault makes a server claim what no client could doubt: an Ack that says "stored" is one of bytes
/// that are stored, a 200 to Close-Session or Cancel-Session means that the session is closed, and a 4xx
/// to Create-Session that there is none. A server that loses bytes later loses the connection too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends when the head has come.
    Unread(End),
    /// The connection ends in the body.
    Cut(End),
    /// Nothing is done, and the connection ends so.
    Ignore(End),
    /// The packet is acted on, and the connection ends so without an answer.
    Swallow(End),
    /// The packet is acted on, and half of the answer comes.
    HalfAnswer,
    /// An error is answered.
    Refuse {
        /// Whether the packet was acted on all the same.
        acted: bool,
    },
    /// An error is answered before the body is read.
    RefuseEarly,
    /// The answer comes twice.
    Twin,
    /// The answer comes again before that to the next packet.
    LateTwin,
    /// Bytes follow the answer.
    Stray,
    /// The packet is acted on, and something else than HTTP is answered.
    Garbage,
    /// Another host answers 200 with a page.
    Portal,
    /// The packet is acted on, and the Ack has something that no Ack may have.
    Invalid(Invalid),
    /// Nothing is done, and the Ack has something that no Ack may have.
    InvalidUnacted(Invalid),
    /// An interim answer comes first.
    Interim,
    /// The answer is framed in an unusual way.
    Framing(Unusual),
    /// The answer comes slowly, or in two pieces.
    Slow {
        /// Whether each byte comes alone.
        trickle: bool,
    },
    /// The connection ends after the answer.
    End(Idle),
    /// The packet is redirected to another host.
    Redirect,
    /// A login is wanted, this time only.
    Challenge {
        /// Whether for a proxy.
        proxy: bool,
    },
    /// Only the first bytes of a Fragment are taken, and the offset says so.
    Part,
    /// Stored bytes are lost, and the offset says so.
    Rewind,
    /// The session holds bytes of another client, and the offset says so.
    Foreign,
    /// The sessions are forgotten.
    Forget,
    /// All connections end, and stored bytes or sessions are lost.
    Crash {
        /// Whether the packet was acted on before.
        acted: bool,
        /// Whether it was answered before.
        answered: bool,
        /// Whether sessions are lost, not only bytes.
        forgets: bool,
    },
    /// The Ack has the headers of an error, which mean nothing there.
    ErrorHeaders,
}

/// What makes an Ack invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// A status of the 200s that means nothing here.
    Status,
    /// Another packet type, or none.
    PacketType,
    /// The id of another session.
    Id,
    /// An offset that is none.
    Offset,
    /// No offset.
    NoOffset,
    /// Two different offsets.
    TwoOffsets,
}

/// How an answer is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusual {
    /// As HTTP/1.0, and the connection ends.
    Http10,
    /// Without `Content-Length`.
    NoLength,
    /// In chunks.
    Chunks,
    /// With a body.
    Page,
    /// With very many headers.
    ManyHeaders,
}

/// A fault with its name.
#[derive(Clone, Copy, Debug)]
pub struct NamedFault {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub fault: Fault,
}

const fn fault(name: &'static str, fault: Fault) -> NamedFault {
    NamedFault { name, fault }
}

const fn crash(name: &'static str, acted: bool, answered: bool, forgets: bool) -> NamedFault {
    fault(name, Fault::Crash { acted, answered, forgets })
}

/// All faults.
pub const FAULTS: &[NamedFault] = &[
    fault("closed unread", Fault::Unread(End::Close)),
    fault("reset unread", Fault::Unread(End::Reset)),
    fault("cut", Fault::Cut(End::Close)),
    fault("cut by reset", Fault::Cut(End::Reset)),
    fault("ignored, closed", Fault::Ignore(End::Close)),
    fault("ignored, hangs", Fault::Ignore(End::Hang)),
    fault("answer lost, closed", Fault::Swallow(End::Close)),
    fault("answer lost, reset", Fault::Swallow(End::Reset)),
    fault("answer lost, hangs", Fault::Swallow(End::Hang)),
    fault("half an answer", Fault::HalfAnswer),
    fault("refused", Fault::Refuse { acted: false }),
    fault("stored, then refused", Fault::Refuse { acted: true }),
    fault("refused early", Fault::RefuseEarly),
    fault("twin", Fault::Twin),
    fault("late twin", Fault::LateTwin),
    fault("stray bytes", Fault::Stray),
    fault("garbage", Fault::Garbage),
    fault("portal", Fault::Portal),
    fault("odd status", Fault::Invalid(Invalid::Status)),
    fault("odd status, not acted", Fault::InvalidUnacted(Invalid::Status)),
    fault("odd packet type", Fault::Invalid(Invalid::PacketType)),
    fault("odd packet type, not acted", Fault::InvalidUnacted(Invalid::PacketType)),
    fault("wrong id", Fault::Invalid(Invalid::Id)),
    fault("bad offset", Fault::Invalid(Invalid::Offset)),
    fault("bad offset, not acted", Fault::InvalidUnacted(Invalid::Offset)),
    fault("no offset", Fault::Invalid(Invalid::NoOffset)),
    fault("two offsets", Fault::Invalid(Invalid::TwoOffsets)),
    fault("interim", Fault::Interim),
    fault("HTTP/1.0 once", Fault::Framing(Unusual::Http10)),
    fault("no length once", Fault::Framing(Unusual::NoLength)),
    fault("chunks", Fault::Framing(Unusual::Chunks)),
    fault("page", Fault::Framing(Unusual::Page)),
    fault("many headers", Fault::Framing(Unusual::ManyHeaders)),
    fault("in halves", Fault::Slow { trickle: false }),
    fault("trickled", Fault::Slow { trickle: true }),
    fault("stale close", Fault::End(Idle::Closed)),
    fault("stale close soon", Fault::End(Idle::ClosedSoon)),
    fault("announced close", Fault::End(Idle::Announced)),
    fault("redirect", Fault::Redirect),
    fault("401 once", Fault::Challenge { proxy: false }),
    fault("407 once", Fault::Challenge { proxy: true }),
    fault("takes a part", Fault::Part),
    fault("rewind", Fault::Rewind),
    fault("foreign session id", Fault::Foreign),
    fault("forgets", Fault::Forget),
    crash("crash before", false, false, false),
    crash("crash after", true, false, false),
    crash("crash answered", true, true, false),
    crash("restart before", false, false, true),
    crash("restart after", true, false, true),
    crash("restart answered", true, true, true),
    fault("error headers on 200", Fault::ErrorHeaders),
];

/// Status, code and context of the errors that are answered.
pub(super) const REFUSALS: &[(u16, Option<(u32, u8)>)] = &[
    (400, None),
    (400, Some((0x8007_0057, 5))),
    (403, None),
    (403, Some((0x8007_0005, 5))),
    (404, None),
    (405, None),
    (408, None),
    (408, Some((0x8007_0112, 7))),
    (409, None),
    (409, Some((0x8007_0002, 7))),
    (411, None),
    (413, None),
    (429, None),
    (500, None),
    (500, Some((1, 5))),
    (500, Some((0x8007_0070, 5))),
    (500, Some((0x8007_0070, 7))),
    (500, Some((0x8000_4005, 5))),
    (500, Some((0x8007_0057, 5))),
    (500, Some((0x8020_0020, 5))),
    (501, None),
    (502, None),
    (503, None),
    (503, None),
    (503, Some((0x8007_0002, 7))),
    (504, None),
    (505, None),
    (507, None),
];

/// Which faults a server has, and how often.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Those that it has.
    pub menu: Vec<NamedFault>,
    /// In how many of a thousand exchanges there is one.
    pub share: u64,
    /// How many there are at most.
    pub most: u32,
}

impl Faults {
    /// Chooses faults: often none or a single one, seldom many.
    #[must_use]
    pub fn draw(dice: &mut Dice) -> Self {
        let kinds = dice.pick(&[0, 1, 1, 2, 3, 5, 64]);
        let menu = (0..kinds).map(|_| dice.pick(FAULTS)).collect();
        Self {
            menu,
            share: dice.pick(&[30, 100, 200, 300, 500]),
            most: dice.pick(&[1, 1, 2, 3, 6, 1000]),
        }
    }
}

impl Model {
    /// Whether this can happen to that packet, and a client could know.
    pub(super) fn can_happen(&self, fault: Fault, request: &Request) -> bool {
        let packet = request.packet;
        let habits = &self.habits;
        let is_bits = !matches!(packet, Packet::Head | Packet::Get | Packet::Unknown);
        let is_fragment = packet == Packet::Fragment && request.range.is_some();
        match fault {
            Fault::Cut(_) | Fault::Part => is_fragment && request.length > 1,
            Fault::Rewind => is_fragment,
            Fault::Invalid(Invalid::Offset | Invalid::NoOffset | Invalid::TwoOffsets)
            | Fault::InvalidUnacted(_) => {
                // Elsewhere the offset is not read.
                is_fragment
            }
            // The id of a Create Ack is whatever the server says.
            Fault::Invalid(Invalid::Id) => is_bits && packet != Packet::Create,
            Fault::Invalid(_) => is_bits,
            Fault::Refuse { acted: true } => {
                matches!(packet, Packet::Fragment | Packet::Close | Packet::Create)
            }
            Fault::RefuseEarly => is_fragment,
            // The twin of a Fragment's Ack tells of an offset that is no longer true. Where that is
            // dangerous, it can be known as such after the last Fragment only (TRU-02).
            Fault::LateTwin => {
                let last = request.range.is_some_and(|range| range.last + 1 == range.total);
                let usable = matches!(habits.received, Received::Correct);
                is_fragment && usable && (last || !habits.offsets.appends())
            }
            Fault::Foreign => {
                let knows = matches!(
                    habits.offsets,
                    Offsets::Strict | Offsets::Trim | Offsets::SeekCount | Offsets::AppendCount
                );
                // Where connections end without being read, nothing tells how much of a Fragment had gone out.
                let read = habits.idle == Idle::Stays;
                is_fragment && knows && read && self.foreign_offsets(request).is_some()
            }
            Fault::Forget => is_bits && !matches!(packet, Packet::Create | Packet::Ping),
            // A reply may look like anything.
            Fault::Portal => packet != Packet::Get,
            Fault::Redirect | Fault::Challenge { .. } | Fault::ErrorHeaders => is_bits,
            _ => true,
        }
    }
}
