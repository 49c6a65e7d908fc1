//! Cancel-Session.

use alloc::format;

use core::time::Duration;

use super::super::{AfterCancel, Connection, Moment, Outcome, Request, Running, Session, State};
use crate::ack::Ack;
use crate::classify::Meaning;
use crate::error::Error;
use crate::explain;

impl Session {
    pub(super) fn begin_cancel(&mut self, now: Moment, after: AfterCancel) {
        self.after_cancel = after;
        self.connection = Connection::Fresh;
        self.retry = None;
        self.attempts = 0;
        self.retries_in_row = 0;
        self.invalid_in_row = 0;
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
        self.is_cancelling() && !matches!(self.after_cancel, AfterCancel::Restart)
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
            Meaning::Success | Meaning::SessionLost => self.cancel_done(true),
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
            _ if (400..500).contains(&ack.status) => self.cancel_done(ack.status == 404),
            _ => self.cancel_failed(explain::refusal(request.packet, ack)),
        }
    }

    pub(super) fn cancel_done(&mut self, confirmed: bool) {
        self.session_id = None;
        self.checkpoint_due = true;
        self.cancel_deadline = None;
        match core::mem::replace(&mut self.after_cancel, AfterCancel::Finish) {
            AfterCancel::Finish => self.end_cancelled(confirmed, false),
            AfterCancel::Restart => self.restart(),
            AfterCancel::Fail(error) => self.fail_for_good(error),
        }
    }

    /// The server could not be told. What was to follow does so all the same.
    pub(super) fn cancel_failed(&mut self, error: Error) {
        match self.after_cancel {
            AfterCancel::Finish => {
                let message = format!(
                    "the session could not be cancelled on the server: {}",
                    error.message()
                );
                self.fail(error.with_message(message));
            }
            AfterCancel::Restart | AfterCancel::Fail(_) => self.cancel_done(false),
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
                self.note_unclear(request);
            }
        }
    }
}
