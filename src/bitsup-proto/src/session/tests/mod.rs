//! The state machine without network or clock: a driver that plays scripts.
//!
//! A script is a list of the exchanges that are expected next, each with what becomes of it:
//!
//! ```text
//! upload.play([("Create-Session", created()), ("Fragment 0-999", received(1000))]);
//! ```
//!
//! Behind `@` stands the host, if it is not the URL's.

use super::*;
use crate::ack::{Ack, Offset, RetryAfter};
use crate::error::ErrorKind;
use crate::fragment_size;
use crate::host::HostPolicy;
use crate::hresult::Hresult;
use crate::packet::{ContentRange, PacketType};
use crate::reply::{Got, ReplyMode};
use crate::retry::RetryPolicy;
use crate::verify::{Head, LostAckPolicy, Predecessor, VerifyPolicy};
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

mod authentication;
mod cancelling;
mod closing;
mod diagram;
mod hosts;
mod offsets;
mod pauses;
mod random;
mod replies;
mod restarts;
mod restoring;
mod retries;
mod servers;
mod sizes;
mod states;
mod table;

/// What becomes of an exchange.
#[derive(Clone, Debug)]
enum Answer {
    Ack(Ack<'static>),
    Failure(FailureClass, Sent),
    Head(Head),
    Got(Got),
}

use Answer::Failure as Fails;

/// The request went out, and the connection was lost.
const LOST: Answer = Fails(FailureClass::Transport, Sent::Body(u64::MAX));
/// The connection could not be made.
const UNREACHABLE: Answer = Fails(FailureClass::Transport, Sent::Nothing);

const ACK: Ack<'static> = Ack {
    status: 200,
    is_ack: true,
    session_id: None,
    protocol: None,
    host_id: None,
    fallback_timeout: None,
    offset: Offset::Absent,
    reply_url: None,
    code: None,
    context: None,
    unread_code: None,
    refuses_identity: false,
    retry_after: None,
    date: None,
    contradiction: None,
    remark: None,
};

fn ok() -> Answer {
    Answer::Ack(ACK)
}

fn created() -> Answer {
    Answer::Ack(Ack { session_id: Some("{one}"), ..ACK })
}

fn created_as(id: &'static str) -> Answer {
    Answer::Ack(Ack { session_id: Some(id), ..ACK })
}

/// 200 that wants the bytes from `offset` next.
fn received(offset: u64) -> Answer {
    Answer::Ack(Ack { offset: Offset::At(offset), ..ACK })
}

/// 416 that wants the bytes from `offset` next.
fn wants(offset: u64) -> Answer {
    Answer::Ack(Ack { status: 416, offset: Offset::At(offset), ..ACK })
}

fn status(status: u16) -> Answer {
    Answer::Ack(Ack { status, ..ACK })
}

fn forgotten() -> Answer {
    Answer::Ack(Ack { status: 500, code: Some(Hresult::SESSION_NOT_FOUND), ..ACK })
}

/// Younger than every session here.
const LATER: u64 = u64::MAX;

/// A HEAD that shows a file of that size, made by this upload.
fn holds(size: u64) -> Answer {
    let last_modified = Some(LATER);
    Answer::Head(Head { status: 200, content_length: Some(size), last_modified, ..Head::default() })
}

/// 2500 bytes in Fragments of 1000.
fn config() -> Config {
    Config {
        size: 2500,
        origin: "a.example.com".into(),
        fragment: fragment_size::Limits { fixed: Some(1000), ..Default::default() },
        ..Config::default()
    }
}

/// 2500 bytes in one Fragment.
fn in_one() -> Config {
    let fragment = fragment_size::Limits { fixed: Some(5000), ..Default::default() };
    Config { fragment, ..config() }
}

/// A driver with a clock of its own.
#[derive(Clone)]
struct Upload {
    session: Session,
    now: Moment,
    requests: Vec<Request>,
    notices: Vec<Notice>,
}

impl Upload {
    fn new(config: Config) -> Self {
        Self::with(Session::new(config))
    }

    fn with(session: Session) -> Self {
        let now = Moment { monotonic: Duration::from_secs(100), unix: 1_000_000, random: u64::MAX };
        Self { session, now, requests: Vec::new(), notices: Vec::new() }
    }

    /// An upload with a session.
    fn opened(config: Config) -> Self {
        let mut upload = Self::new(config);
        upload.play([("Create-Session", created())]);
        upload
    }

    /// An upload of 2500 bytes that has got so far that the named exchange is next.
    fn before(exchange: &str) -> Self {
        let mut upload = Self::new(config());
        let path = [
            ("Create-Session", created()),
            ("Fragment 0-999", received(1000)),
            ("Fragment 1000-1999", received(2000)),
            ("Fragment 2000-2499", received(2500)),
            ("Close-Session", ok()),
        ];
        let steps = path.iter().position(|(name, _)| *name == exchange).expect("a known exchange");
        upload.play(path.into_iter().take(steps));
        upload
    }

    /// Lets time pass.
    fn pass(&mut self, seconds: u64) {
        let time = Duration::from_secs(seconds);
        self.now.monotonic = self.now.monotonic.saturating_add(time);
        self.now.unix = self.now.unix.saturating_add(seconds);
    }

    fn poll(&mut self) -> Action {
        let action = self.session.poll_action(self.now);
        if let Action::Send(request) = &action {
            self.requests.push(*request);
        }
        while let Some(notice) = self.session.poll_notice() {
            self.notices.push(notice);
        }
        action
    }

    /// The next exchange, after the time that it has to wait for.
    fn exchange(&mut self) -> String {
        loop {
            let text = match self.poll() {
                Action::Wait(until) => {
                    let wait = until.saturating_sub(self.now.monotonic);
                    assert!(wait > Duration::ZERO, "a wait for nothing");
                    self.now.unix = self.now.unix.saturating_add(wait.as_secs());
                    self.now.monotonic = until;
                    continue;
                }
                Action::Send(Request { packet, range: None, .. }) => packet.to_string(),
                Action::Send(Request { packet, range: Some(range), .. }) => {
                    format!("{packet} {}-{}", range.first(), range.end() - 1)
                }
                Action::Head => "HEAD".into(),
                Action::GetReply(get) => {
                    let other = if get.other_host { " at the other host" } else { "" };
                    format!("GET {}-{other}", get.from)
                }
                action @ (Action::Abort | Action::Idle | Action::Finished) => {
                    return format!("{action:?}");
                }
            };
            return match self.session.host() {
                Some(host) => format!("{text} @{host}"),
                None => text,
            };
        }
    }

    fn answer(&mut self, answer: &Answer) -> Result<(), InvalidState> {
        let now = self.now;
        match answer {
            Answer::Ack(ack) => {
                let exchange = Exchange { sent: Sent::Body(u64::MAX), ..Exchange::default() };
                self.session.handle_ack(now, ack, Some(now.unix), None, exchange)
            }
            Answer::Failure(class, sent) => {
                let failure = Failure::new(*class, *sent, "it failed");
                self.session.handle_failure(now, &failure)
            }
            Answer::Head(head) => self.session.handle_head(head),
            Answer::Got(got) => self.session.handle_reply(now, got),
        }
    }

    /// Each exchange is the next one, and ends as the script says.
    fn play(&mut self, script: impl IntoIterator<Item = (&'static str, Answer)>) {
        for (step, (expected, answer)) in script.into_iter().enumerate() {
            assert_eq!(self.exchange(), expected, "step {step}");
            self.answer(&answer).expect("the exchange is under way");
        }
    }

    fn outcome(&mut self) -> Outcome {
        assert_eq!(self.exchange(), "Finished");
        self.session.outcome().expect("the end has an outcome")
    }

    fn error(&mut self) -> Error {
        match self.outcome() {
            Outcome::Failed(error) => error,
            other => panic!("not failed: {other:?}"),
        }
    }

    fn summary(&mut self) -> Summary {
        match self.outcome() {
            Outcome::Done(summary) => summary,
            other => panic!("not done: {other:?}"),
        }
    }

    /// The same upload in another process, `seconds` later.
    fn restored(&self, config: Config, seconds: u64) -> Self {
        let checkpoint = self.session.checkpoint().expect("a session is held");
        let text = serde_json::to_string(&checkpoint).expect("a checkpoint is plain data");
        let checkpoint = serde_json::from_str(&text).expect("what was written is read");
        let mut upload = Self::new(config.clone());
        upload.now.unix = self.now.unix + seconds;
        upload.session = Session::restore(config, &checkpoint, upload.now);
        upload
    }
}

const CERTAIN: Summary = Summary { close_confirmed: true, verified: true };
const DOUBTFUL: Summary = Summary { close_confirmed: true, verified: false };

#[test]
fn a_small_file_takes_create_fragment_close() {
    let _rule = bitsup_server::rule!("FSM-05");
    let mut upload = Upload::new(Config { size: 10, ..config() });
    upload.play([
        ("Create-Session", created()),
        ("Fragment 0-9", received(10)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
    assert_eq!(upload.session.checkpoint(), None, "nothing is left to continue");
}
