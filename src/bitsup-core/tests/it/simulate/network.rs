//! What becomes of one exchange on its way: when what arrives, and what the client hears of it.

use std::time::Duration;

use bitsup_proto::session::{Failure, FailureClass, Sent};
use bitsup_server::model::Answer;

use super::random::Random;
use super::scenario::Network;

/// The limit of a connection attempt that gets no answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);
/// How long no byte may move.
const STALL_LIMIT: Duration = Duration::from_secs(60);

/// An exchange as it will go, if it is not ended before.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    /// When the request is at the server, from its start; and how much of it.
    pub(crate) arrival: Option<(Duration, Arrives)>,
    /// When the client hears of it.
    pub(crate) ends: Duration,
    /// What it hears.
    pub(crate) end: End,
    /// Time from the first to the last body byte.
    pub(crate) sending: Duration,
    /// Whether the connection is of use afterwards.
    pub(crate) keeps_connection: bool,
}

/// How much of a request arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrives {
    All,
    /// This number of bytes of the body.
    Part(u64),
}

/// What the client hears.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// The server's answer.
    Answer,
    /// Another one in its place.
    Other(Answer),
    Failure(Failure),
}

/// What a course depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// The time of the world.
    pub(crate) now: Duration,
    /// Length of the body.
    pub(crate) length: u64,
    /// How long the client waits for the answer.
    pub(crate) answer_limit: Duration,
    pub(crate) new_connection: bool,
    /// Whether it goes to the host that a Host-Id named.
    pub(crate) at_node: bool,
}

impl Network {
    /// Draws what becomes of an exchange.
    pub(crate) fn course(&self, about: Circumstances, random: &mut Random) -> Course {
        let connect = if about.new_connection { self.round_trip } else { Duration::ZERO };
        let sending = Duration::from_nanos_u128(
            u128::from(about.length) * 1_000_000_000 / u128::from(self.rate.max(1)),
        );
        let arrives = connect + sending + self.round_trip / 2;
        let lost = |arrival, ends, class, sent, message: &str| Course {
            arrival,
            ends,
            end: End::Failure(Failure::new(class, sent, message.to_owned())),
            sending,
            keeps_connection: false,
        };
        let within = |(from, to): &(Duration, Duration)| (*from..*to).contains(&about.now);
        if self.offline.iter().any(within) {
            let ends = Duration::from_millis(1);
            return lost(None, ends, FailureClass::Offline, Sent::Nothing, "no route to the host");
        }
        if about.at_node && self.node_down.as_ref().is_some_and(within) {
            let message = "the host does not answer";
            return lost(None, CONNECT_LIMIT, FailureClass::Timeout, Sent::Nothing, message);
        }
        let heard = arrives + self.round_trip / 2 + random.time(self.round_trip);
        let good = Course {
            arrival: Some((arrives, Arrives::All)),
            ends: heard,
            end: End::Answer,
            sending,
            keeps_connection: self.trouble == 0 || !random.chance(30),
        };
        if random.chance(self.gateway) {
            let executed = random.chance(500);
            let status = random.pick(&[502, 503, 504, 200, 500, 408, 204, 302]).unwrap_or(502);
            return Course {
                arrival: good.arrival.filter(|_| executed),
                end: End::Other(html(status)),
                ..good
            };
        }
        if !random.chance(self.trouble) {
            return good;
        }
        let part = random.below(about.length + 1);
        let share = connect + sending.mul_f64(part as f64 / about.length.max(1) as f64);
        let sent_part = if part == 0 { Sent::Head } else { Sent::Body(part) };
        let all = Some((arrives, Arrives::All));
        match random.below(8) {
            0 => {
                let message = "connection refused";
                lost(None, connect, FailureClass::Transport, Sent::Nothing, message)
            }
            1 | 2 => {
                let arrival = Some((share + self.round_trip / 2, Arrives::Part(part)));
                let message = "the connection was lost while sending";
                lost(arrival, share + self.round_trip, FailureClass::Transport, sent_part, message)
            }
            3 | 4 => {
                let message = "the connection was lost before the answer";
                lost(all, heard, FailureClass::Transport, Sent::Body(u64::MAX), message)
            }
            5 => {
                let arrival = Some((share + self.round_trip / 2, Arrives::Part(part)));
                let ends = share + STALL_LIMIT;
                lost(arrival, ends, FailureClass::Timeout, sent_part, "no byte moved")
            }
            6 => {
                // The server may get to it long after the client has stopped waiting.
                let late = random.time(about.answer_limit * 2);
                let arrival = random.chance(800).then_some((arrives + late, Arrives::All));
                let ends = connect + sending + about.answer_limit;
                lost(
                    arrival,
                    ends,
                    FailureClass::Timeout,
                    Sent::Body(u64::MAX),
                    "no answer in time",
                )
            }
            _ => {
                let arrival = all.filter(|_| random.chance(500));
                lost(
                    arrival,
                    heard,
                    FailureClass::BadAnswer,
                    Sent::Body(u64::MAX),
                    "this is no HTTP",
                )
            }
        }
    }
}

/// The page of a middlebox.
fn html(status: u16) -> Answer {
    Answer::status(status).with("Content-Type", "text/html").with("Server", "gateway")
}
