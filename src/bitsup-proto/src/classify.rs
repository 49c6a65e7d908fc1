//! What an answer means: the one place that reads status, BITS error and context together.

use crate::ack::{Ack, Offset};
use crate::error::{Error, ErrorKind};
use crate::explain;
use crate::hresult::{CONTEXT_REMOTE_APPLICATION, Hresult};
use crate::packet::{ContentRange, PROTOCOL, PacketType};

/// The meaning of an answer to a packet, before the state machine acts on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The packet was carried out.
    Success,
    /// A Fragment was answered 200 or 416: go on at this offset.
    ContinueAt {
        /// `BITS-Received-Content-Range`; `None` for a 200 without it, which only a lenient client takes.
        offset: Option<u64>,
        /// Whether the server found the start of the Fragment wrong (416).
        corrected: bool,
    },
    /// `BG_E_SESSION_NOT_FOUND`: the server does not know the session.
    SessionLost,
    /// 401, or 407 from a proxy.
    Challenge {
        /// Whether the proxy asks.
        proxy: bool,
    },
    /// 413 to a Fragment: a smaller one may pass.
    TooLarge,
    /// 404 to a Fragment, which is how IIS answers a request above its size limit.
    NotFoundMaybeTooLarge,
    /// The answer is none that the protocol allows; middleboxes produce such, so another try may help.
    Invalid(Error),
    /// The server asks for patience: the same packet may pass later.
    Later(Error),
    /// Trying again cannot help.
    Fatal(Error),
}

/// Says what an answer to a packet means.
///
/// The order is that of MC-BUP §3.1.5.1.7: a lost session counts before the HTTP status,
/// then challenges, then size, then the rest.
#[must_use]
pub fn classify(packet: PacketType, ack: &Ack<'_>) -> Meaning {
    let invalid = |what| Meaning::Invalid(invalid_answer(packet, ack, what));
    if let Some(name) = ack.contradiction {
        return invalid(contradiction(name));
    }
    if ack.code == Some(Hresult::SESSION_NOT_FOUND) {
        return Meaning::SessionLost;
    }
    match (ack.status, packet) {
        (401, _) => return Meaning::Challenge { proxy: false },
        (407, _) => return Meaning::Challenge { proxy: true },
        (413, PacketType::Fragment) => return Meaning::TooLarge,
        (404, PacketType::Fragment) if ack.context != Some(CONTEXT_REMOTE_APPLICATION) => {
            return Meaning::NotFoundMaybeTooLarge;
        }
        (416, PacketType::Fragment) => {
            return match ack.offset {
                Offset::At(offset) => Meaning::ContinueAt { offset: Some(offset), corrected: true },
                Offset::Absent => invalid("the answer 416 does not say where to continue"),
                Offset::Unreadable => invalid("the offset to continue at cannot be read"),
            };
        }
        (200, _) | (201, PacketType::CreateSession) => return read_success(packet, ack),
        _ => {}
    }
    if (200..300).contains(&ack.status) {
        return invalid("the server answered with a success that BITS does not know");
    }
    let error = explain::refusal(packet, ack);
    if is_transient(ack) { Meaning::Later(error) } else { Meaning::Fatal(error) }
}

fn read_success(packet: PacketType, ack: &Ack<'_>) -> Meaning {
    let invalid = |what| Meaning::Invalid(invalid_answer(packet, ack, what));
    if !ack.is_ack {
        return invalid("the answer is not from a BITS server: BITS-Packet-Type: Ack is missing");
    }
    match packet {
        PacketType::Fragment => match ack.offset {
            Offset::At(offset) => Meaning::ContinueAt { offset: Some(offset), corrected: false },
            Offset::Absent => Meaning::ContinueAt { offset: None, corrected: false },
            Offset::Unreadable => invalid("the offset to continue at cannot be read"),
        },
        PacketType::CreateSession => {
            let offered = |text: &str| uuid::Uuid::try_parse(text).is_ok_and(|id| id == PROTOCOL);
            if ack.session_id.is_none() {
                invalid("the answer to Create-Session has no session id")
            } else if ack.protocol.is_some_and(|text| !offered(text)) {
                Meaning::Fatal(
                    answered(
                        packet,
                        ack,
                        ErrorKind::Protocol,
                        "the server speaks another BITS upload protocol",
                    )
                    .with_code(Hresult::PROTOCOL_MISMATCH),
                )
            } else if ack.refuses_identity {
                Meaning::Fatal(answered(
                    packet,
                    ack,
                    ErrorKind::Unsupported,
                    "the server takes compressed uploads only (Accept-Encoding excludes identity)",
                ))
            } else {
                Meaning::Success
            }
        }
        _ => Meaning::Success,
    }
}

/// Why a 200 or 416 to a Fragment does not tell where to continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoOffset {
    /// The answer is none that the protocol allows.
    Invalid(&'static str),
    /// The server has more than can have reached it, up to here: the bytes of another session (TRU-04).
    Foreign(u64),
}

/// Where to continue after a 200 or 416 to a Fragment of which `sent` bytes had gone out. `limit` is the highest offset
/// that the server can truthfully acknowledge; `lenient` takes a 200 without one for the Fragment's end.
pub fn next_offset(
    ack: &Ack<'_>,
    range: ContentRange,
    sent: u64,
    limit: u64,
    lenient: bool,
) -> Result<u64, NoOffset> {
    let corrected = ack.status == 416;
    match ack.offset {
        // No server can have read what had not gone out (TRU-01).
        _ if !corrected && sent < range.length() => {
            Err(NoOffset::Invalid("the answer came before the whole part was sent"))
        }
        Offset::At(offset) if offset > range.total() => {
            Err(NoOffset::Invalid("the server wants to continue beyond the file's end"))
        }
        // Only a server that an earlier process spoke to can have more than was sent.
        Offset::At(offset) if offset > limit => Err(NoOffset::Foreign(offset)),
        Offset::At(offset) => Ok(offset),
        _ if lenient && !corrected => Ok(range.end()),
        _ => Err(NoOffset::Invalid("the answer does not say where to continue")),
    }
}

/// Whether a success of Close-Session may be the second copy of the last Fragment's Ack, since an offset belongs to a
/// Fragment (TRU-02). `tells_offsets`: an Ack to another packet of the session had one too.
#[must_use]
pub fn is_of_fragment(ack: &Ack<'_>, tells_offsets: bool) -> bool {
    ack.offset != Offset::Absent && !tells_offsets
}

/// What is said of such an answer.
pub const OF_FRAGMENT: &str =
    "the answer to Close-Session carries an offset, like one to a Fragment";

/// An answer that no BITS server gives: `BG_E_INVALID_SERVER_RESPONSE`.
#[must_use]
pub fn invalid_answer(packet: PacketType, ack: &Ack<'_>, what: &'static str) -> Error {
    answered(packet, ack, ErrorKind::Protocol, what).with_code(Hresult::INVALID_SERVER_RESPONSE)
}

fn answered(packet: PacketType, ack: &Ack<'_>, kind: ErrorKind, what: &'static str) -> Error {
    let error = Error::new(kind, what).during(packet).with_status(ack.status);
    error.with_context(ack.context).with_remark(ack.remark)
}

fn contradiction(name: &str) -> &'static str {
    match name {
        "BITS-Received-Content-Range" => "the answer names two different offsets",
        "BITS-Session-Id" => "the answer names two different sessions",
        _ => "the answer has the same header twice with different values",
    }
}

/// Learn, "Handling server application errors", for context 7; without it 408, 429 and
/// 5xx but 501 and 505. Some BITS errors say by themselves that trying again is useless.
fn is_transient(ack: &Ack<'_>) -> bool {
    if ack.context == Some(CONTEXT_REMOTE_APPLICATION) {
        return match ack.status {
            300..=305 | 307 | 501 | 505 => false,
            400..=499 => matches!(ack.status, 408 | 409),
            _ => true,
        };
    }
    let hopeless = [Hresult::ACCESS_DENIED, Hresult::INVALID_ARGUMENT, Hresult::TOO_LARGE];
    match ack.status {
        501 | 505 => false,
        500..=599 => !ack.code.is_some_and(|code| hopeless.contains(&code)),
        status => matches!(status, 408 | 429),
    }
}

#[cfg(test)]
mod tests;
