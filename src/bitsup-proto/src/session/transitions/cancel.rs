//! Cancel-Session, and the replacement of a session that cannot be trusted or continued.

use alloc::format;

use core::time::Duration;

use super::super::{
    AfterCancel, Connection, Moment, Notice, Outcome, REPLACE_LIMIT, Request, Running, Session,
    State,
};
use crate::ack::Ack;
use crate::classify::Meaning;
use crate::error::{Error, ErrorKind};
use crate::explain;
use crate::fragment_size;
use crate::hresult::Hresult;
use crate::packet::ContentRange;
use crate::verify::Predecessor;

/// Why a session is replaced by a new one that begins at byte 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replace {
    /// No answer proves its offset (OFF-13).
    Unproven,
    /// It acknowledges bytes that were never sent (TRU-04).
    Foreign,
    /// It does not say where to continue (OFF-05).
    Untold,
    /// It refuses every Fragment (GIV-01).
    Refusing,
}

impl Replace {
    fn reason(self) -> &'static str {
        match self {
            Self::Unproven => "the server does not prove which bytes it has after a lost answer",
            Self::Foreign => "the server acknowledges bytes that were never sent",
            Self::Untold => "the server does not say where to continue",
            Self::Refusing => "the server refuses every part of the file in this session",
        }
    }

    /// The error of an upload that starting over did not help.
    fn error(self) -> Error {
        let message = format!("{}, and starting over did not help", self.reason());
        let error = Error::new(ErrorKind::Protocol, message).with_code(Hresult::NO_PROGRESS);
        match self {
            Self::Unproven => error.with_advice(
                "Whoever knows that the server stores each part where its range says can continue without proof ({on_lost_ack=resend}).",
            ),
            Self::Untold => error.with_advice(
                "The server leaves out where to continue; if it stores what it acknowledges, that can be assumed ({lenient}).",
            ),
            Self::Foreign | Self::Refusing => error,
        }
    }
}

impl Session {
    /// Cancels the session, best effort, and starts over in a new one, if the limit allows that.
    pub(super) fn replace(&mut self, now: Moment, why: Replace) {
        let reason = why.reason();
        let offset = self.open.as_ref().map_or(0, |open| open.offset);
        // Where nothing was acknowledged nothing is lost: it is like any other retry.
        let is_retry = why == Replace::Unproven && offset < 2;
        if !is_retry && !self.may_restart() {
            return if why == Replace::Unproven {
                self.fail(why.error());
            } else {
                // No later run may continue in a session that is not what it seems.
                self.begin_cancel(now, AfterCancel::Fail(why.error()));
            };
        }
        self.notice(Notice::SessionReplaced { reason });
        let mut pause = None;
        if why == Replace::Unproven {
            self.predecessor = Predecessor::Lingering;
            if is_retry {
                self.first_fragment = Some(fragment_size::PROBE);
                pause = Some(why.error());
            }
        }
        self.begin_cancel(now, AfterCancel::Restart { pause });
        let limit = now.monotonic.saturating_add(REPLACE_LIMIT);
        self.cancel_deadline = self.cancel_deadline.map(|deadline| deadline.min(limit));
    }

    pub(super) fn begin_cancel(&mut self, now: Moment, after: AfterCancel) {
        if !matches!(after, AfterCancel::Restart { pause: Some(_) }) {
            self.attempts = 0;
            self.retries_in_row = 0;
            self.invalid_in_row = 0;
        }
        self.after_cancel = after;
        self.connection = Connection::Fresh;
        self.retry = None;
        self.requests_in_row = 0;
        self.cancel_deadline = Some(now.monotonic.saturating_add(self.config.cancel_limit));
        self.state = State::Cancel;
    }

    /// Cancel-Session is under way, or waits for its next try.
    pub(super) fn is_cancelling(&self) -> bool {
        self.state == State::Cancel
            || self.retry.as_ref().is_some_and(|retry| retry.state == State::Cancel)
    }

    /// Cancel-Session is the upload's last packet, not the prelude to a new session.
    pub(super) fn is_ending(&self) -> bool {
        self.is_cancelling() && !matches!(self.after_cancel, AfterCancel::Restart { .. })
    }

    pub(super) fn cancel_answered(
        &mut self,
        now: Moment,
        ack: &Ack<'_>,
        meaning: Meaning,
        request: Request,
        wait: Option<Duration>,
    ) {
        if let Meaning::Challenge { proxy } = meaning {
            self.note_refused(request, proxy);
        }
        match meaning {
            Meaning::Success | Meaning::SessionLost => self.cancel_done(now, true),
            Meaning::Challenge { proxy: false }
                if self.has_credentials(false) && !request.authorize =>
            {
                self.authorize = true;
            }
            Meaning::Challenge { proxy: true }
                if self.has_credentials(true) && !request.authorize_proxy =>
            {
                self.authorize_proxy = true;
            }
            Meaning::Later(error) if ack.status >= 500 => self.later(now, error, wait, true),
            Meaning::Invalid(error) => self.invalid(now, error),
            // A 4xx says that there is nothing to cancel, or that we may not: no retry helps.
            _ if (400..500).contains(&ack.status) => self.cancel_done(now, ack.status == 404),
            _ => self.cancel_failed(now, explain::refusal(request.packet, ack)),
        }
    }

    pub(super) fn cancel_done(&mut self, now: Moment, confirmed: bool) {
        self.open = None;
        self.orphaned |= !confirmed;
        self.checkpoint_due = true;
        self.cancel_deadline = None;
        match core::mem::replace(&mut self.after_cancel, AfterCancel::Finish) {
            AfterCancel::Finish => self.end_cancelled(confirmed, false),
            AfterCancel::Restart { pause } => {
                if confirmed {
                    self.predecessor = self.predecessor.min(Predecessor::Cancelled);
                }
                match pause {
                    None => self.restart(),
                    Some(cause) => {
                        self.forget_session();
                        self.counters.restarts = self.counters.restarts.saturating_add(1);
                        self.state = State::CreateSession;
                        self.later(now, cause, None, true);
                    }
                }
            }
            AfterCancel::Fail(error) => self.fail_for_good(error),
        }
    }

    /// The server could not be told. What was to follow does so all the same.
    pub(super) fn cancel_failed(&mut self, now: Moment, error: Error) {
        match self.after_cancel {
            AfterCancel::Finish => {
                let message = format!(
                    "the session could not be cancelled on the server: {}",
                    error.message()
                );
                self.fail(error.with_message(message));
            }
            AfterCancel::Restart { .. } | AfterCancel::Fail(_) => {
                self.retry = None;
                self.cancel_done(now, false);
            }
        }
    }

    pub(super) fn end_cancelled(&mut self, confirmed: bool, kept: bool) {
        self.end_pause();
        self.retry = None;
        self.cancel_deadline = None;
        self.checkpoint_due = true;
        self.state = State::Cancelled;
        self.outcome = Some(Outcome::Cancelled { confirmed, kept });
    }

    pub(super) fn abort_running(&mut self) {
        // Whatever may still be reported of it counts no more.
        if let Some(running) = self.running.take() {
            self.abort = true;
            self.connection = Connection::Fresh;
            if let Running::Packet(request) = running {
                let body = request.range.map_or(0, ContentRange::length);
                self.note_perhaps_taken(request, Some(body));
            }
        }
    }
}
