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
//! ```text
//! Init ──► (Ping) ──► CreateSession ──► Fragment ⟲ ──► GetReply ──► Complete ──► Verify ──► Done
//!                        │    ▲            │
//!                Host-Id ▼    │ session    │ any failure          (Verify: only where an
//!                       Ping  └─ lost ─────┤                       answer was lost)
//!                        ▲                 ▼
//!                        └──── wait ──── Error ──► Failed     Cancel ──► Cancelled
//!                                                             Suspend: paused, from any state
//! ```
//!
//! All transitions stand in `transitions/`, and nowhere else.

use alloc::collections::VecDeque;
use alloc::string::String;
use core::time::Duration;

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::fragment_size::Controller;
use crate::host::HostId;
use crate::packet::{Packet, SessionId};
use crate::reply;

mod transitions;
mod types;

pub use types::{
    Action, CancelMode, Config, Connection, Counters, Exchange, Failure, FailureClass, Learned,
    Moment, NotNow, Notice, Outcome, Request, Sent, State, Summary,
};

/// A session may be lost so often without a new highest offset before that is an error.
pub const MAX_RESTARTS: u32 = 3;
/// A server that forgets the session a little later each time must not keep us for ever.
pub const MAX_RESTARTS_IN_ALL: u32 = 64;
/// So many Acks in a row may leave the offset where it was.
pub const MAX_STUCK: u32 = 3;
/// So often may the offset go back without a new highest one in between.
pub const MAX_REWINDS: u32 = 3;
/// A HEAD that meets no answer is tried so often; it is only evidence.
pub const MAX_HEADS: u32 = 3;
/// A notice that nobody takes gives way to newer ones.
const MAX_NOTICES: usize = 64;

/// One upload. See the head of this module for how to drive it.
#[derive(Debug)]
pub struct Session {
    config: Config,
    state: State,
    running: Option<Running>,
    abort: bool,
    suspended: bool,
    suspended_at: Option<Duration>,
    retry: Option<Retry>,
    after_cancel: AfterCancel,
    outcome: Option<Outcome>,
    connection: Connection,

    session_id: Option<SessionId>,
    created: u64,
    offset: u64,
    highest: u64,
    highest_ever: u64,
    sizes: Controller,
    unclear: bool,
    close_unclear: bool,
    checks_offsets: bool,
    appends: bool,
    skipped: bool,
    /// Parts sent again in this session where the server may have stored them before.
    doubts: u32,
    closed: bool,
    ended: bool,

    host_id: Option<HostId>,
    fallback: Option<Duration>,
    fallback_since: Option<u64>,
    fallback_at: Option<Duration>,
    fallen_back: bool,

    authorize: bool,
    authorize_proxy: bool,
    refused: bool,
    refused_proxy: bool,

    reply: Option<reply::Fetch>,
    reply_url: Option<String>,

    answered: bool,
    started: Option<Duration>,
    progress_at: Duration,
    attempts: u32,
    retries_in_row: u32,
    invalid_in_row: u32,
    restarts_in_row: u32,
    stuck: u32,
    rewinds: u32,
    heads: u32,
    sent_bytes: u64,
    cancel_deadline: Option<Duration>,
    counters: Counters,
    notices: VecDeque<Notice>,
    checkpoint_due: bool,
}

/// The exchange under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Running {
    Packet(Request),
    Head,
    Reply,
}

/// The next try.
#[derive(Clone, Debug)]
struct Retry {
    at: Duration,
    state: State,
    cause: Error,
}

/// What follows a Cancel-Session.
#[derive(Clone, Debug)]
enum AfterCancel {
    Finish,
    Restart,
    Fail(Error),
}

impl Session {
    /// A new upload.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let sizes = Controller::new(config.fragment, config.learned_size);
        let checks_offsets = config.checks_offsets;
        Self {
            config,
            state: State::Init,
            running: None,
            abort: false,
            suspended: false,
            suspended_at: None,
            retry: None,
            after_cancel: AfterCancel::Finish,
            outcome: None,
            connection: Connection::Keep,
            session_id: None,
            created: 0,
            offset: 0,
            highest: 0,
            highest_ever: 0,
            sizes,
            unclear: false,
            close_unclear: false,
            checks_offsets,
            appends: false,
            skipped: false,
            doubts: 0,
            closed: false,
            ended: false,
            host_id: None,
            fallback: None,
            fallback_since: None,
            fallback_at: None,
            fallen_back: false,
            authorize: false,
            authorize_proxy: false,
            refused: false,
            refused_proxy: false,
            reply: None,
            reply_url: None,
            answered: false,
            started: None,
            progress_at: Duration::ZERO,
            attempts: 0,
            retries_in_row: 0,
            invalid_in_row: 0,
            restarts_in_row: 0,
            stuck: 0,
            rewinds: 0,
            heads: 0,
            sent_bytes: 0,
            cancel_deadline: None,
            counters: Counters::default(),
            notices: VecDeque::new(),
            checkpoint_due: false,
        }
    }

    /// Goes on with a session that was left; `now.unix` decides how long ago that was.
    /// The first packet will be a Ping (MC-BUP §3.1.4.3), the first Fragment a small one.
    #[must_use]
    pub fn restore(config: Config, checkpoint: &Checkpoint, now: Moment) -> Self {
        let mut session = Self::new(config);
        session.session_id = Some(checkpoint.session_id.clone());
        session.created = checkpoint.created;
        session.offset = checkpoint.offset.min(session.config.size);
        session.highest = session.offset;
        session.highest_ever = session.offset;
        session.host_id.clone_from(&checkpoint.host_id);
        session.fallback = checkpoint.fallback_seconds.map(Duration::from_secs);
        session.fallen_back = checkpoint.fallen_back;
        if let (Some(since), Some(limit)) = (checkpoint.fallback_started, session.fallback) {
            // A wall clock that was set back must not make the timer run longer than asked for.
            let elapsed = Duration::from_secs(now.unix.saturating_sub(since));
            session.fallback_since = Some(since);
            session.fallback_at = Some(now.monotonic.saturating_add(limit.saturating_sub(elapsed)));
        }
        session.reply_url.clone_from(&checkpoint.reply_url);
        session.counters.restarts = checkpoint.restarts;
        session.counters.unconfirmed_resends = checkpoint.unconfirmed_resends;
        session.doubts = checkpoint.unconfirmed_resends;
        session.skipped = checkpoint.skipped;
        session.checks_offsets |= checkpoint.checks_offsets;
        // Whoever left the session may have had a request under way.
        session.unclear = session.offset < session.config.size;
        session.close_unclear = session.offset == session.config.size;
        session.answered = true;
        session.ask_again_for_reply();
        session
    }

    /// What has to be kept to go on after a restart; `None` while no session is held.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        Some(Checkpoint {
            session_id: self.session_id.clone()?,
            created: self.created,
            size: self.config.size,
            offset: self.offset,
            host_id: self.host_id.clone(),
            fallback_seconds: self.fallback.map(|limit| limit.as_secs()),
            fallback_started: self.fallback_since,
            fallen_back: self.fallen_back,
            reply_url: self.reply_url.clone(),
            restarts: self.counters.restarts,
            unconfirmed_resends: self.doubts,
            skipped: self.skipped,
            checks_offsets: self.checks_offsets,
        })
    }

    /// Whether the checkpoint has changed since the last call.
    pub fn take_checkpoint_due(&mut self) -> bool {
        core::mem::take(&mut self.checkpoint_due)
    }

    /// The oldest notice that was not taken yet.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Where the upload stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// How it ended, once it did.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// The last offset that the server acknowledged: what is safe, not what was sent.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The session's id, while one is held.
    #[must_use]
    pub fn session_id(&self) -> Option<&SessionId> {
        self.session_id.as_ref()
    }

    /// The host that packets go to now, if it is not the URL's.
    #[must_use]
    pub fn host(&self) -> Option<&HostId> {
        self.host_id.as_ref().filter(|_| !self.fallen_back)
    }

    /// The reply's URL as the server wrote it.
    #[must_use]
    pub fn reply_url(&self) -> Option<&str> {
        self.reply_url.as_deref()
    }

    /// Counts for the receipt.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Tries since the last progress.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempts
    }

    /// Why the upload waits, and until when, while it does.
    #[must_use]
    pub fn waiting_for(&self) -> Option<(&Error, Duration)> {
        let retry = self.retry.as_ref().filter(|_| self.state == State::Error)?;
        Some((&retry.cause, retry.at))
    }

    /// What this upload learned about its endpoint.
    #[must_use]
    pub fn learned(&self) -> Learned {
        Learned {
            size: self.sizes.learned(),
            checks_offsets: self.checks_offsets,
            appends: self.appends,
        }
    }

    /// Whether a Fragment met no Ack and the server has not told since what it holds.
    #[must_use]
    pub fn is_unclear(&self) -> bool {
        self.unclear
    }

    /// Gives the headers of a packet of this session, in order.
    pub fn headers(
        &self,
        request: &Request,
        emit: impl FnMut(&'static str, core::fmt::Arguments<'_>),
    ) {
        let packet = Packet {
            packet_type: request.packet,
            session_id: self.session_id.as_ref(),
            content_name: self.config.content_name.as_deref(),
            range: request.range,
        };
        packet.for_each_header(emit);
    }

    /// From the next Fragment on, sizes that are chosen by itself are at most `bytes`: see [`crate::polite`].
    pub fn hold_fragments(&mut self, bytes: u64) {
        self.sizes.hold(bytes);
    }

    /// The caller's wishes.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn notice(&mut self, notice: Notice) {
        if self.notices.len() == MAX_NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back(notice);
    }
}

#[cfg(test)]
mod tests;
