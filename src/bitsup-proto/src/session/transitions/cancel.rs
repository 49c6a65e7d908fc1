//! Cancel-Session, and the replacement of a session that cannot be trusted or continued.

use alloc::format;

use super::super::phase::{AfterCancel, Cancelling};
use super::super::{Connection, Moment, Notice, Open, Outcome, Phase, REPLACE_LIMIT, Session};
use super::Answer;
use crate::classify::Meaning;
use crate::error::{Error, ErrorKind};
use crate::explain;
use crate::fragment_size;
use crate::hresult::Hresult;
use crate::verify::Predecessor;

/// Why a session is replaced by a new one that begins at byte 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replace {
    /// No answer proves its offset (OFF-13).
    Unproven,
    /// It acknowledges bytes that were never sent (TRU-04).
    Foreign,
    /// It does not say where to continue (OFF-05).
    NoOffset,
    /// It refuses every Fragment (GIV-01).
    Refusing,
}

impl Replace {
    fn reason(self) -> &'static str {
        match self {
            Self::Unproven => "the server does not prove which bytes it has after a lost answer",
            Self::Foreign => "the server acknowledges bytes that were never sent",
            Self::NoOffset => "the server does not say where to continue",
            Self::Refusing => "the server refuses every part of the file in this session",
        }
    }

    /// The error of an upload that starting over did not help.
    fn error(self) -> Error {
        let message = format!("{}, and starting over did not help", self.reason());
        let error = Error::new(ErrorKind::Protocol, message).with_code(Hresult::NO_PROGRESS);
        match self {
            Self::Unproven => error.with_advice(
                "If the server is known to store each part where its range says, continue without proof ({on_lost_ack=resend}).",
            ),
            Self::NoOffset => error.with_advice(
                "The server leaves out where to continue; if it stores what it acknowledges, that can be assumed ({lenient}).",
            ),
            Self::Foreign | Self::Refusing => error,
        }
    }
}

impl Session {
    /// Cancels the session, best effort, and starts over in a new one, if the limit allows that.
    pub(super) fn replace(&mut self, now: Moment, open: Open, why: Replace) -> Phase {
        let unproven = why == Replace::Unproven;
        // Where nothing was acknowledged nothing is lost: it is like any other retry.
        let is_retry = unproven && open.offset < 2;
        if !is_retry && !self.may_restart() {
            return if unproven {
                self.fail(Phase::Uploading(open), why.error())
            } else {
                // No later run may continue in a session that is not what it seems.
                self.begin_cancel(now, open, AfterCancel::Fail(why.error()))
            };
        }
        self.notice(Notice::SessionReplaced { reason: why.reason() });
        if unproven {
            self.traces.predecessor = Predecessor::Lingering;
        }
        if is_retry {
            self.endpoint.first_fragment = Some(fragment_size::PROBE);
        }
        let pause = is_retry.then(|| why.error());
        self.begin_cancel(now, open, AfterCancel::Restart { pause })
    }

    pub(super) fn begin_cancel(&mut self, now: Moment, open: Open, after: AfterCancel) -> Phase {
        if !matches!(after, AfterCancel::Restart { pause: Some(_) }) {
            self.budget.reset_tries();
        }
        self.link.next = Connection::Fresh;
        self.budget.requests_in_row = 0;
        let mut limit = self.config.cancel_limit;
        if let AfterCancel::Restart { .. } = after {
            limit = limit.min(REPLACE_LIMIT);
        }
        let deadline = now.monotonic.saturating_add(limit);
        Phase::Cancelling(Cancelling { open, deadline, after })
    }

    /// Cancel-Session is the upload's last packet, not the prelude to a new session.
    pub(super) fn is_ending(&self) -> bool {
        let Phase::Cancelling(Cancelling { after, .. }) = &self.phase else { return false };
        self.pause.is_none() && !matches!(after, AfterCancel::Restart { .. })
    }

    pub(super) fn cancel_answered(
        &mut self,
        cancelling: Cancelling,
        answer: Answer<'_>,
        meaning: Meaning,
    ) -> Phase {
        let Answer { now, request, ack, wait, .. } = answer;
        match meaning {
            Meaning::Success | Meaning::SessionLost => self.cancel_done(now, cancelling, true),
            Meaning::Challenge { proxy }
                if self.logins.of(proxy).challenge(request.carries_login(proxy)) =>
            {
                Phase::Cancelling(cancelling)
            }
            Meaning::Later(error) if ack.status >= 500 => {
                self.later(now, Phase::Cancelling(cancelling), error, wait, true)
            }
            Meaning::Invalid(error) => self.invalid(now, Phase::Cancelling(cancelling), error),
            // A 4xx says that there is nothing to cancel, or that we may not: no retry helps.
            _ if (400..500).contains(&ack.status) => {
                self.cancel_done(now, cancelling, ack.status == 404)
            }
            _ => self.cancel_failed(now, cancelling, explain::refusal(request.packet, ack)),
        }
    }

    fn cancel_done(&mut self, now: Moment, cancelling: Cancelling, confirmed: bool) -> Phase {
        let Cancelling { open, after, .. } = cancelling;
        self.traces.orphaned |= !confirmed;
        match after {
            AfterCancel::Finish => {
                let outcome = Outcome::Cancelled { confirmed, kept: false };
                self.over(Phase::Uploading(open), outcome)
            }
            AfterCancel::Fail(error) => self.over(Phase::Uploading(open), Outcome::Failed(error)),
            AfterCancel::Restart { pause } => {
                if confirmed {
                    let most = Predecessor::Cancelled;
                    self.traces.predecessor = self.traces.predecessor.min(most);
                }
                let Some(cause) = pause else { return self.restart() };
                self.outbox.checkpoint_due = true;
                self.count_restart();
                self.later(now, Phase::Creating, cause, None, true)
            }
        }
    }

    /// The server could not be told. The next step follows all the same.
    pub(super) fn cancel_failed(
        &mut self,
        now: Moment,
        cancelling: Cancelling,
        error: Error,
    ) -> Phase {
        if !matches!(cancelling.after, AfterCancel::Finish) {
            return self.cancel_done(now, cancelling, false);
        }
        let message =
            format!("the session could not be cancelled on the server: {}", error.message());
        self.fail(Phase::Uploading(cancelling.open), error.with_message(message))
    }
}
