//! The client of MC-BUP §3.1 as a state machine.
//!
//! # Driving contract
//!
//! 1. Make a [`Session`] with [`Session::new`], or [`Session::restore`] from a checkpoint.
//! 2. Call [`Session::poll_action`] and do what it says:
//!    [`Action::Send`] and [`Action::Head`]: perform exactly one exchange over HTTP;
//!    [`Action::GetReply`]: perform one GET; [`Action::Abort`]: end the running exchange and
//!    close its connection, now; [`Action::Wait`]: call again at that time;
//!    [`Action::Idle`]: call again after the next event; [`Action::Finished`]: see [`Session::outcome`].
//! 3. Report how the exchange ended by exactly one of [`Session::handle_ack`],
//!    [`Session::handle_head`], [`Session::handle_reply`] or [`Session::handle_failure`].
//!    An event that the state does not allow is refused and changes nothing.
//! 4. [`Session::suspend`], [`Session::resume`], [`Session::cancel`] and
//!    [`Session::fail_source`] may come at any time.
//! 5. After each event: take the notices ([`Session::poll_notice`]), store
//!    [`Session::checkpoint`] if [`Session::take_checkpoint_due`] says so, go to 2.
//!
//! Time comes in as an argument of every call and never goes back.
//!
//! # States
//!
//! [`State`] names where an upload is; its parts are the phase (`phase`), the exchange under
//! way, and the pause, which lies over both. Each line says where a state can lead: by an answer or
//! the lack of one, by the caller, and by a poll. A test walks through all of them and draws this.
//!
//! ```text
//! Init          caller → Suspend Failed Cancelled
//! Init          time → CreateSession Ping
//! CreateSession answer → Ping Fragment Complete Suspend Error Failed
//! CreateSession caller → Suspend Failed Cancelled
//! CreateSession time → Failed
//! Ping          answer → CreateSession Fragment GetReply Complete Verify Suspend Error Failed
//! Ping          caller → Cancel Suspend Failed Cancelled
//! Ping          time → Failed
//! Fragment      answer → CreateSession Ping GetReply Complete Cancel Suspend Error Failed
//! Fragment      caller → Cancel Suspend Failed Cancelled
//! Fragment      time → Complete Cancel Failed
//! GetReply      answer → Complete Suspend Error Failed
//! GetReply      caller → Cancel Suspend Failed Cancelled
//! Complete      answer → CreateSession Ping Fragment Verify Suspend Error Done Failed
//! Complete      caller → Cancel Suspend Failed Cancelled
//! Complete      time → Failed
//! Verify        answer → CreateSession Suspend Error Done Failed
//! Verify        caller → Cancel Suspend Failed Cancelled
//! Verify        time → Failed
//! Cancel        answer → CreateSession Suspend Error Failed Cancelled
//! Cancel        caller → Suspend Failed Cancelled
//! Suspend       caller → Init CreateSession Ping Fragment GetReply Complete Verify Cancel Failed Cancelled
//! Error         caller → Cancel Suspend Failed Cancelled
//! Error         time → CreateSession Ping Fragment GetReply Complete Verify Cancel Failed
//! Failed        caller → CreateSession Ping Fragment GetReply Complete Verify Cancel Cancelled
//! ```
//!
//! All transitions stand in `transitions/`, and nowhere else.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::fragment_size::Controller;
use crate::host::HostId;
use crate::packet::{Packet, PacketType, SessionId};
use crate::verify::{Head, Predecessor};

mod budget;
mod logins;
mod open;
mod phase;
mod target;
mod transitions;
mod types;

use budget::Budget;
use logins::{Login, Logins};
use open::{Doubt, Open, Proof};
use phase::{Io, Outstanding, Phase, Step};
use target::{Fallback, Target};
pub use types::{
    Action, CancelMode, Config, Connection, Counters, Exchange, Failure, FailureClass,
    InvalidState, Learned, Moment, Notice, OffsetHandling, Outcome, Request, Sent, State, Summary,
};

/// How often a session may be lost without a new highest offset before that is an error.
pub const MAX_RESTARTS: u32 = 3;
/// A server that forgets the session a little later each time must not keep us for ever.
pub const MAX_RESTARTS_IN_ALL: u32 = 64;
/// The number of Acks in a row that leave the offset where it was, before that is an error.
pub const MAX_STUCK: u32 = 3;
/// How often the offset may go back without a new highest one in between.
pub const MAX_REWINDS: u32 = 3;
/// The tries of a HEAD that meets no answer; it is only evidence.
pub const MAX_HEADS: u32 = 3;
/// The most requests one after another without progress and without the pause of a retry
/// (GIV-03): a full run of 413 halves 28 MiB thirteen times, each after a login at most.
pub const MAX_REQUESTS_WITHOUT_PAUSE: u32 = 32;
/// The most bytes sent again because the server lost what it had acknowledged: the size times this,
/// and [`MAX_REPEATED_BYTES`] (GIV-06).
pub const MAX_REPEATED_SIZES: u64 = 3;
/// See [`MAX_REPEATED_SIZES`].
pub const MAX_REPEATED_BYTES: u64 = 64 * 1024 * 1024;
/// The refusals with one code in a row that end the session, if they span [`SAME_REFUSALS_FOR`] (GIV-01).
pub const MAX_SAME_REFUSALS: u32 = 3;
/// See [`MAX_SAME_REFUSALS`].
pub const SAME_REFUSALS_FOR: Duration = Duration::from_secs(30);
/// How long the cancelling of a session that is to be replaced is tried; it is only courtesy.
pub const REPLACE_LIMIT: Duration = Duration::from_secs(5);
/// A notice that is not taken gives way to newer ones.
const MAX_NOTICES: usize = 64;

/// One upload. See the head of this module for how to drive it.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Session {
    config: Config,
    phase: Phase,
    io: Io,
    /// Since when the caller pauses the upload.
    pause: Option<Duration>,
    link: Link,
    target: Target,
    logins: Logins,
    budget: Budget,
    totals: Totals,
    endpoint: Endpoint,
    traces: Traces,
    outbox: Outbox,
}

/// The session's connection.
#[derive(Clone, Copy, Debug)]
struct Link {
    next: Connection,
    reuse: Reuse,
}

/// Whether the session's connection serves more than one exchange (GIV-07).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reuse {
    /// It does, as far as is known.
    Yes,
    /// One that had served another died before an answer: each packet takes a new one.
    No,
    /// It does, though a connection has ended before a packet went out.
    Doubtful,
    /// A new one died too, so that reuse was not to blame.
    Cleared,
}

/// Sums over all sessions of the upload.
#[derive(Clone, Debug, Default)]
struct Totals {
    counters: Counters,
    /// The highest offset that was acknowledged, and the end of the bytes that have gone out.
    highest: u64,
    sent: u64,
    /// Body bytes sent, repetitions included.
    sent_bytes: u64,
    /// Acknowledged bytes that the server lost, and those that it left out of Fragments.
    repeated: u64,
}

/// What is known of the endpoint.
#[derive(Clone, Debug)]
struct Endpoint {
    sizes: Controller,
    offsets: OffsetHandling,
    /// The first Fragment of a session that replaces another is at most so long.
    first_fragment: Option<u64>,
}

/// What the upload may have left on the server, and what was there before.
#[derive(Clone, Debug, Default)]
struct Traces {
    /// The server may hold a session that no packet can name or close any more.
    orphaned: bool,
    predecessor: Predecessor,
    /// What stood at the destination before.
    before: Option<Head>,
}

/// What the driver is to be told.
#[derive(Clone, Debug, Default)]
struct Outbox {
    notices: VecDeque<Notice>,
    checkpoint_due: bool,
    /// [`Checkpoint::closing`] of the last checkpoint that was due.
    closing: bool,
}

impl Session {
    /// A new upload.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let phase = if config.opening_ping { Phase::Pinging(None) } else { Phase::Creating };
        let endpoint = Endpoint {
            sizes: Controller::new(config.fragment, config.learned_size),
            offsets: config.offsets,
            first_fragment: None,
        };
        let logins = Logins {
            server: Login::new(config.credentials),
            proxy: Login::new(config.proxy_credentials),
        };
        Self {
            config,
            phase,
            io: Io::Idle,
            pause: None,
            link: Link { next: Connection::Keep, reuse: Reuse::Yes },
            target: Target::default(),
            logins,
            budget: Budget::default(),
            totals: Totals::default(),
            endpoint,
            traces: Traces::default(),
            outbox: Outbox::default(),
        }
    }

    /// Goes on with a session that was left; `now.unix` decides how long ago that was.
    /// The first packet will be a Ping (MC-BUP §3.1.4.3), then a probe for the server's offset.
    #[must_use]
    pub fn restore(config: Config, checkpoint: &Checkpoint, now: Moment) -> Self {
        let open = Open::restore(checkpoint, config.size);
        let highest = open.offset;
        let mut session = Self { phase: Phase::Pinging(Some(open)), ..Self::new(config) };
        if checkpoint.checks_offsets {
            session.endpoint.offsets = OffsetHandling::Checks;
        }
        session.totals.highest = highest;
        session.totals.counters.restarts = checkpoint.restarts;
        session.totals.counters.unconfirmed_resends = checkpoint.unconfirmed_resends;
        session.target = Target::restore(checkpoint, now);
        session.traces.orphaned = checkpoint.orphaned;
        session.traces.predecessor = checkpoint.predecessor;
        session.traces.before.clone_from(&checkpoint.before);
        session.budget.answered = true;
        session.outbox.closing = checkpoint.closing;
        session.decide_host_again();
        session
    }

    /// What has to be kept to go on after a restart; `None` while no session is held.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let open = self.phase.open()?;
        let named = self.target.0.as_ref();
        Some(Checkpoint {
            session_id: open.id.clone(),
            created: open.created,
            created_by_server: open.created_by_server,
            size: self.config.size,
            offset: open.offset,
            host_id: named.map(|named| named.host.clone()),
            fallback_seconds: named.and_then(|named| named.limit).map(|limit| limit.as_secs()),
            fallback_started: named.and_then(|named| match named.fallback {
                Fallback::Running { since, .. } => Some(since),
                Fallback::Stopped | Fallback::Expired => None,
            }),
            fallen_back: named.is_some_and(|named| named.fallback == Fallback::Expired),
            reply_url: open.reply_url.clone(),
            restarts: self.totals.counters.restarts,
            unconfirmed_resends: open.resends,
            offset_jumped: open.proof == Proof::Nothing,
            checks_offsets: self.endpoint.offsets == OffsetHandling::Checks,
            closing: self.is_closing(),
            orphaned: self.traces.orphaned,
            predecessor: self.traces.predecessor,
            before: self.traces.before.clone(),
        })
    }

    /// Whether the checkpoint has changed since the last call.
    pub fn take_checkpoint_due(&mut self) -> bool {
        // A Close-Session is kept before it goes out: a later run must know that it may have been sent (RES-06). So is
        // that it was not, before a probe goes out that a server may store.
        let closing = self.is_closing();
        let changed = core::mem::replace(&mut self.outbox.closing, closing) != closing;
        core::mem::take(&mut self.outbox.checkpoint_due) || changed
    }

    /// Whether a Close-Session of this session may have gone out.
    fn is_closing(&self) -> bool {
        let doubt = self.phase.open().map(|open| open.doubt);
        let unsettled = matches!(doubt, Some(Doubt::Close | Doubt::File { .. }));
        let Io::InFlight(Outstanding::Packet(request)) = &self.io else { return unsettled };
        unsettled || request.packet == PacketType::CloseSession
    }

    /// The oldest notice that was not taken yet.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.outbox.notices.pop_front()
    }

    /// Where the upload stands.
    #[must_use]
    pub fn state(&self) -> State {
        match (&self.phase, &self.io) {
            (Phase::Failed { .. }, _) => State::Failed,
            (Phase::Kept(_), _) => State::Cancelled,
            (Phase::Ended(ended), _) => match ended.outcome {
                Outcome::Done(_) => State::Done,
                Outcome::Failed(_) => State::Failed,
                Outcome::Cancelled { .. } => State::Cancelled,
            },
            (_, Io::Idle | Io::Backoff { .. } | Io::Aborting) if self.pause.is_some() => {
                State::Suspend
            }
            (_, Io::Backoff { .. }) => State::Error,
            (Phase::Cancelling(_), _) => State::Cancel,
            _ if self.budget.started.is_none() => State::Init,
            (Phase::Pinging(_), _) => State::Ping,
            (Phase::Creating, _) => State::CreateSession,
            (Phase::Uploading(open), _) => match self.step(open) {
                Step::Probe | Step::LastFragment(_) | Step::Fragment => State::Fragment,
                Step::Reply => State::GetReply,
                Step::Close => State::Complete,
                Step::Verify => State::Verify,
            },
        }
    }

    /// How it ended, once it did.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.phase.outcome()
    }

    /// The last offset that the server acknowledged: what is safe, not what was sent.
    #[must_use]
    pub fn offset(&self) -> u64 {
        match &self.phase {
            Phase::Ended(ended) => ended.offset,
            phase => phase.open().map_or(0, |open| open.offset),
        }
    }

    /// The session's id, while one is held.
    #[must_use]
    pub fn session_id(&self) -> Option<&SessionId> {
        self.phase.open().map(|open| &open.id)
    }

    /// Whether the server may keep a part of the file when this upload has ended: a session that
    /// is held, or one that was neither closed nor acknowledged as cancelled (OUT-01).
    #[must_use]
    pub fn may_be_left(&self) -> bool {
        self.traces.orphaned || self.phase.open().is_some()
    }

    /// Takes the answer to a HEAD of the destination that was sent before Create-Session. The
    /// file there afterwards is compared with it.
    pub fn set_before(&mut self, head: Head) {
        if self.phase.open().is_none() {
            self.traces.before = Some(head);
        }
    }

    /// The host that packets go to now, if it is not the URL's.
    #[must_use]
    pub fn host(&self) -> Option<&HostId> {
        self.target.host()
    }

    /// The reply's URL as the server wrote it.
    #[must_use]
    pub fn reply_url(&self) -> Option<&str> {
        match &self.phase {
            Phase::Ended(ended) => ended.reply_url.as_deref(),
            phase => phase.open()?.reply_url.as_deref(),
        }
    }

    /// Counts for the receipt.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.totals.counters
    }

    /// Tries since the last progress.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.budget.attempts
    }

    /// Why the upload waits, and until when, while it does.
    #[must_use]
    pub fn waiting_for(&self) -> Option<(&Error, Duration)> {
        match &self.io {
            Io::Backoff { at, cause } if self.pause.is_none() => Some((cause, *at)),
            _ => None,
        }
    }

    /// What this upload learned about its endpoint.
    #[must_use]
    pub fn learned(&self) -> Learned {
        Learned { size: self.endpoint.sizes.learned(), offsets: self.endpoint.offsets }
    }

    /// Replaces what is known of the endpoint: packets go to another host from now on.
    pub fn set_learned(&mut self, learned: Learned) {
        self.endpoint.offsets = learned.offsets;
        if let Some(size) = learned.size {
            self.endpoint.sizes.limit(size);
        }
    }

    /// Whether a Fragment met no Ack and the server has not told since what it holds.
    #[must_use]
    pub fn is_ack_lost(&self) -> bool {
        self.phase.open().is_some_and(|open| matches!(open.doubt, Doubt::Bytes(_)))
    }

    /// Gives the headers of a packet of this session, in order.
    pub fn headers(
        &self,
        request: &Request,
        emit: impl FnMut(&'static str, core::fmt::Arguments<'_>),
    ) {
        let packet = Packet {
            packet_type: request.packet,
            session_id: self.session_id(),
            content_name: self.config.content_name.as_deref(),
            range: request.range,
        };
        packet.for_each_header(emit);
    }

    /// From the next Fragment on, sizes that are chosen by itself are at most `bytes`: see [`crate::polite`].
    pub fn hold_fragments(&mut self, bytes: u64) {
        self.endpoint.sizes.hold(bytes);
    }

    /// The caller's wishes.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn notice(&mut self, notice: Notice) {
        if self.outbox.notices.len() == MAX_NOTICES {
            self.outbox.notices.pop_front();
        }
        self.outbox.notices.push_back(notice);
    }
}

#[cfg(test)]
mod tests;
