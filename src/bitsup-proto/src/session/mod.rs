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
//!                Host-Id ▼    │ session    │ any failure          (Verify: only where the
//!                       Ping  └─ lost or ──┤                       Acks alone do not prove
//!                             replaced     │                       the file)
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
use crate::packet::{Packet, PacketType, SessionId};
use crate::verify::{Head, Predecessor};

mod open;
mod transitions;
mod types;

use open::{Doubt, Open, Pings, Probing, Proof};
pub use types::{
    Action, CancelMode, Config, Connection, Counters, Exchange, Failure, FailureClass, Learned,
    Moment, NotNow, Notice, OffsetHandling, Outcome, Request, Sent, State, Summary,
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
/// So many requests may follow one another without progress and without the pause of a retry
/// (GIV-03): a full run of 413 halves 28 MiB thirteen times, each after a login at most.
pub const MAX_REQUESTS_WITHOUT_PAUSE: u32 = 32;
/// So many times the size, and so much more, may be sent again because the server lost what it had
/// acknowledged (GIV-06).
pub const MAX_REPEATED_SIZES: u64 = 3;
/// See [`MAX_REPEATED_SIZES`].
pub const MAX_REPEATED_BYTES: u64 = 64 * 1024 * 1024;
/// A refusal with one code so often in a row, and for so long, is the session's end (GIV-01).
pub const MAX_SAME_REFUSALS: u32 = 3;
/// See [`MAX_SAME_REFUSALS`].
pub const SAME_REFUSALS_FOR: Duration = Duration::from_secs(30);
/// So long is a session that is to be replaced cancelled; that is only courtesy.
pub const REPLACE_LIMIT: Duration = Duration::from_secs(5);
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
    reuse: Reuse,

    /// What a lost session takes with it.
    open: Option<Open>,
    /// Its offset, or that of the last one once there is none.
    acknowledged: u64,
    highest_ever: u64,
    /// The end of the bytes that have gone out, in whatever session.
    sent_ever: u64,
    reply_url: Option<String>,
    sizes: Controller,
    offsets: OffsetHandling,
    predecessor: Predecessor,
    /// The first Fragment of a session that replaces another is at most so long.
    first_fragment: Option<u64>,
    /// Acknowledged bytes that the server lost.
    repeated: u64,
    /// The server may hold a session that no packet can name or close any more.
    orphaned: bool,
    /// What stood at the destination before.
    before: Option<Head>,
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

    answered: bool,
    started: Option<Duration>,
    progress_at: Duration,
    attempts: u32,
    retries_in_row: u32,
    requests_in_row: u32,
    invalid_in_row: u32,
    restarts_in_row: u32,
    heads: u32,
    sent_bytes: u64,
    cancel_deadline: Option<Duration>,
    counters: Counters,
    notices: VecDeque<Notice>,
    checkpoint_due: bool,
}

/// Whether the session's connection serves more than one exchange (GIV-07).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reuse {
    /// It does, as far as is known.
    Yes,
    /// One that had served another died before an answer: each packet takes a new one.
    No,
    /// A new one died too, so that reuse was not to blame.
    Cleared,
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
    /// A new session; after the pause of a retry if there is a cause for one.
    Restart {
        pause: Option<Error>,
    },
    Fail(Error),
}

impl Session {
    /// A new upload.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let sizes = Controller::new(config.fragment, config.learned_size);
        let offsets = config.offsets;
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
            reuse: Reuse::Yes,
            open: None,
            acknowledged: 0,
            highest_ever: 0,
            sent_ever: 0,
            reply_url: None,
            sizes,
            offsets,
            predecessor: Predecessor::None,
            first_fragment: None,
            repeated: 0,
            orphaned: false,
            before: None,
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
            answered: false,
            started: None,
            progress_at: Duration::ZERO,
            attempts: 0,
            retries_in_row: 0,
            requests_in_row: 0,
            invalid_in_row: 0,
            restarts_in_row: 0,
            heads: 0,
            sent_bytes: 0,
            cancel_deadline: None,
            counters: Counters::default(),
            notices: VecDeque::new(),
            checkpoint_due: false,
        }
    }

    /// Goes on with a session that was left; `now.unix` decides how long ago that was.
    /// The first packet will be a Ping (MC-BUP §3.1.4.3), then a probe for the server's offset.
    #[must_use]
    pub fn restore(config: Config, checkpoint: &Checkpoint, now: Moment) -> Self {
        let mut session = Self::new(config);
        let size = session.config.size;
        let offset = checkpoint.offset.min(size);
        if checkpoint.checks_offsets {
            session.offsets = OffsetHandling::Checks;
        }
        session.acknowledged = offset;
        session.highest_ever = offset;
        session.reply_url.clone_from(&checkpoint.reply_url);
        session.host_id.clone_from(&checkpoint.host_id);
        session.fallback = checkpoint.fallback_seconds.map(Duration::from_secs);
        session.fallen_back = checkpoint.fallen_back;
        if let (Some(since), Some(limit)) = (checkpoint.fallback_started, session.fallback) {
            // A wall clock that was set back must not make the timer run longer than asked for.
            let elapsed = Duration::from_secs(now.unix.saturating_sub(since));
            session.fallback_since = Some(since);
            session.fallback_at = Some(now.monotonic.saturating_add(limit.saturating_sub(elapsed)));
        }
        session.counters.restarts = checkpoint.restarts;
        session.counters.unconfirmed_resends = checkpoint.unconfirmed_resends;
        session.predecessor = checkpoint.predecessor;
        session.before.clone_from(&checkpoint.before);
        session.answered = true;
        // Whoever left the session may have had a request under way.
        let doubt = if checkpoint.closing {
            Doubt::Close
        } else if offset == size && checkpoint.reply_url.is_some() {
            Doubt::None
        } else {
            Doubt::Bytes(Probing::default())
        };
        // Whatever ended that process may have ended the server: see `Open::limit_proof`.
        let proof = if checkpoint.offset_jumped || checkpoint.unconfirmed_resends > 0 {
            Proof::Nothing
        } else if checkpoint.closing || doubt == Doubt::None {
            Proof::End
        } else {
            Proof::Bytes
        };
        session.open = Some(Open {
            continued: true,
            offset,
            highest: offset,
            sent: offset,
            doubt,
            proof,
            resends: checkpoint.unconfirmed_resends,
            pings: Pings { acknowledged: !checkpoint.fallen_back, refused: 0 },
            ..Open::new(
                checkpoint.session_id.clone(),
                checkpoint.created,
                checkpoint.created_by_server,
            )
        });
        session
    }

    /// What has to be kept to go on after a restart; `None` while no session is held.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let open = self.open.as_ref()?;
        let closes = matches!(
            self.running,
            Some(Running::Packet(Request { packet: PacketType::CloseSession, .. }))
        );
        Some(Checkpoint {
            session_id: open.id.clone(),
            created: open.created,
            created_by_server: open.created_by_server,
            size: self.config.size,
            offset: open.offset,
            host_id: self.host_id.clone(),
            fallback_seconds: self.fallback.map(|limit| limit.as_secs()),
            fallback_started: self.fallback_since,
            fallen_back: self.fallen_back,
            reply_url: self.reply_url.clone(),
            restarts: self.counters.restarts,
            unconfirmed_resends: open.resends,
            offset_jumped: open.proof == Proof::Nothing,
            checks_offsets: self.offsets == OffsetHandling::Checks,
            closing: closes || matches!(open.doubt, Doubt::Close | Doubt::File { .. }),
            predecessor: self.predecessor,
            before: self.before.clone(),
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
        self.acknowledged
    }

    /// The session's id, while one is held.
    #[must_use]
    pub fn session_id(&self) -> Option<&SessionId> {
        self.open.as_ref().map(|open| &open.id)
    }

    /// Whether the server may keep a part of the file when this upload has ended: a session that
    /// is held, or one that was neither closed nor acknowledged as cancelled (OUT-01).
    #[must_use]
    pub fn may_be_left(&self) -> bool {
        self.orphaned || self.open.is_some()
    }

    /// Takes the answer to a HEAD of the destination that was sent before Create-Session. What
    /// stands there afterwards is compared with it.
    pub fn set_before(&mut self, head: Head) {
        if self.open.is_none() {
            self.before = Some(head);
        }
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
        Learned { size: self.sizes.learned(), offsets: self.offsets }
    }

    /// Replaces what is known of the endpoint: packets go to another host from now on.
    pub fn set_learned(&mut self, learned: Learned) {
        self.offsets = learned.offsets;
        if let Some(size) = learned.size {
            self.sizes.limit(size);
        }
    }

    /// Whether a Fragment met no Ack and the server has not told since what it holds.
    #[must_use]
    pub fn is_ack_lost(&self) -> bool {
        self.open.as_ref().is_some_and(|open| matches!(open.doubt, Doubt::Bytes(_)))
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
