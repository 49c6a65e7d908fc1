//! What goes wrong: challenges, retries, giving up.

use core::time::Duration;

use super::super::budget::given_up;
use super::super::logins::unauthorized;
use super::super::{
    Connection, Doubt, Failure, FailureClass, InvalidState, Io, Login, Moment, Notice, Open,
    Outcome, Outstanding, Phase, Request, Reuse, Session,
};
use super::Answer;
use crate::ack::{Ack, RetryAfter};
use crate::error::Error;
use crate::hresult::Hresult;
use crate::packet::{ContentRange, PacketType};

impl Session {
    /// The packet goes out again with credentials, or the upload fails.
    pub(super) fn challenged(&mut self, phase: Phase, answer: Answer<'_>, proxy: bool) -> Phase {
        let Answer { request, ack, .. } = answer;
        let login = self.logins.of(proxy);
        if login.challenge(request.carries_login(proxy)) {
            return phase;
        }
        let error = unauthorized(proxy, *login == Login::Refused)
            .during(request.packet)
            .with_status(ack.status)
            .with_context(ack.context)
            .with_code(ack.code.unwrap_or(Hresult::OK))
            .with_remark(ack.remark);
        self.fail(phase, error)
    }

    /// Notes how many bytes of the request's body went out: the server may have them.
    pub(super) fn note_sent(&mut self, open: Option<&mut Open>, request: Request, body: u64) {
        if let (Some(range), Some(open)) = (request.range, open) {
            open.sent = open.sent.max(range.first() + body.min(range.length()));
            self.totals.sent = self.totals.sent.max(open.sent);
        }
    }

    /// The server may have acted on this request although no valid Ack says so (TRU-03). `body`:
    /// how many bytes of it went out; `None` if not even the head did.
    pub(super) fn note_perhaps_taken(
        &mut self,
        mut open: Option<&mut Open>,
        request: Request,
        body: Option<u64>,
    ) {
        let Some(body) = body else { return };
        self.note_sent(open.as_deref_mut(), request, body);
        match (request.packet, open) {
            (PacketType::Fragment, Some(open)) if body > 0 => open.doubt_bytes(),
            (PacketType::CloseSession, Some(open)) => open.doubt = Doubt::Close,
            // It may have made a session whose id is unknown.
            (PacketType::CreateSession, _) => self.traces.orphaned = true,
            _ => {}
        }
    }

    /// What a packet without an answer tells of the server, the connection and the sizes.
    pub(super) fn packet_failed(
        &mut self,
        now: Moment,
        mut open: Option<&mut Open>,
        request: Request,
        failure: &Failure,
    ) {
        let body = failure.sent.body();
        // Bytes that have moved are progress for the clock, where they had not moved before (GIV-04):
        // else a server that loses every connection could keep us for ever.
        if let (Some(range), Some(body)) = (request.range, body)
            && range.first() + body.min(range.length()) > self.totals.sent
        {
            let moved = now.monotonic.saturating_sub(failure.idle);
            self.budget.progress_at = self.budget.progress_at.max(moved);
        }
        self.note_perhaps_taken(open.as_deref_mut(), request, body);
        let is_stale = failure.class == FailureClass::Stale;
        if let Some(open) = open.filter(|_| request.packet != PacketType::CancelSession) {
            let (size, offsets) = (self.config.size, self.endpoint.offsets);
            // A stale one of which nothing went out is as if it had been seen before.
            if body.is_some() || is_stale {
                let closes = request.packet == PacketType::CloseSession && body.is_some();
                open.doubt_end(size, closes);
            }
            if is_stale && body.unwrap_or(0) == 0 {
                open.doubt_middle(size, offsets);
            }
        }
        let cut = request.range.is_some() && body.is_some() && !request.probe;
        match (failure.class, self.link.reuse) {
            // The server may close what is idle; that says nothing about sizes (GIV-07).
            (FailureClass::Stale, Reuse::Yes | Reuse::Doubtful) => self.link.reuse = Reuse::No,
            (FailureClass::Stale, Reuse::Cleared) if !cut => self.link.reuse = Reuse::No,
            (FailureClass::Offline, _) => {}
            (_, reuse) if cut => {
                if reuse == Reuse::No {
                    self.link.reuse = Reuse::Cleared;
                }
                self.endpoint.sizes.lost();
            }
            _ => {}
        }
        self.start_fallback(now);
    }

    /// An answer that BITS does not know: a few more tries on new connections, then an error.
    pub(super) fn invalid(&mut self, now: Moment, phase: Phase, error: Error) -> Phase {
        self.budget.invalid_in_row = self.budget.invalid_in_row.saturating_add(1);
        self.link.next = Connection::Fresh;
        if self.budget.invalid_in_row > self.config.retry.max_invalid {
            self.give_up(now, phase, error)
        } else {
            self.later(now, phase, error, None, true)
        }
    }

    /// Tries again later, or gives up if a budget is used up.
    pub(super) fn later(
        &mut self,
        now: Moment,
        phase: Phase,
        cause: Error,
        wait: Option<Duration>,
        counts: bool,
    ) -> Phase {
        if counts {
            self.budget.attempts = self.budget.attempts.saturating_add(1);
        }
        self.budget.retries_in_row = self.budget.retries_in_row.saturating_add(1);
        let policy = &self.config.retry;
        let own = policy.delay(self.budget.retries_in_row, now.random);
        let delay = own.max(wait.unwrap_or_default());
        let exhausted = match &phase {
            Phase::Cancelling(cancelling) => {
                let ends = now.monotonic.saturating_add(delay) > cancelling.deadline;
                ends.then(|| "given up".into())
            }
            _ => self.budget.exhausted(policy, self.patience(), now, delay, wait),
        };
        if let Some(reason) = exhausted {
            return self.give_up(now, phase, given_up(&cause, &reason));
        }
        self.back_off(now, cause, delay);
        match phase {
            Phase::Cancelling(_) => phase,
            phase => self.first_step(phase.into_open()),
        }
    }

    /// The caller wants the next try after `delay`, and not when the session would make it.
    /// `InvalidState` unless the session waits for one, and while a session is being cancelled. No
    /// budget grows by it.
    pub fn defer_retry(&mut self, now: Moment, delay: Duration) -> Result<(), InvalidState> {
        let (at, _) = self.waiting_retry().ok_or(InvalidState)?;
        *at = now.monotonic.saturating_add(delay);
        Ok(())
    }

    /// The caller wants no other try: the upload fails with what went wrong. The session on
    /// the server can be continued. `InvalidState` as with [`Session::defer_retry`].
    pub fn refuse_retry(&mut self) -> Result<(), InvalidState> {
        let (_, cause) = self.waiting_retry().ok_or(InvalidState)?;
        let error = given_up(cause, "not retried: the retry callback decided so");
        self.io = Io::Idle;
        self.change(|session, phase| session.fail(phase, error));
        Ok(())
    }

    fn waiting_retry(&mut self) -> Option<(&mut Duration, &Error)> {
        match (&mut self.io, &self.phase) {
            (_, Phase::Cancelling(_)) => None,
            (Io::Backoff { at, cause }, _) if self.pause.is_none() => Some((at, cause)),
            _ => None,
        }
    }

    pub(super) fn back_off(&mut self, now: Moment, cause: Error, delay: Duration) {
        let mut at = now.monotonic.saturating_add(delay);
        if let Some(fallback) = self.target.expires_at() {
            at = at.min(fallback.max(now.monotonic));
        }
        self.notice(Notice::Retrying {
            cause: cause.clone(),
            delay: at.saturating_sub(now.monotonic),
            attempt: self.budget.attempts,
        });
        if at > now.monotonic {
            self.budget.requests_in_row = 0;
        }
        self.io = Io::Backoff { at, cause };
    }

    /// How long no progress is borne.
    pub(super) fn patience(&self) -> Duration {
        let limit = self.config.retry.give_up_after;
        if self.config.wait_out_fallback { limit.max(self.target.patience()) } else { limit }
    }

    /// Ends what is under way, where no other try can help.
    pub(super) fn give_up(&mut self, now: Moment, phase: Phase, error: Error) -> Phase {
        match phase {
            Phase::Cancelling(cancelling) => self.cancel_failed(now, cancelling, error),
            phase => self.fail(phase, error),
        }
    }

    /// Gives up. The session stays where it is, so that the upload can be continued.
    pub(super) fn fail(&mut self, phase: Phase, error: Error) -> Phase {
        self.outbox.checkpoint_due = true;
        let open = phase.into_open();
        if self.pause.is_some() {
            // MC-BUP §3.1.5.1.7: a pause counts before any error; Resume meets it again.
            return self.first_step(open);
        }
        Phase::Failed { error, open }
    }

    /// Ends an upload that cannot be continued, nor sent again without being asked. A pause does
    /// not outlive it.
    pub(super) fn over(&mut self, phase: Phase, outcome: Outcome) -> Phase {
        self.pause = None;
        self.outbox.checkpoint_due = true;
        phase.end(outcome)
    }

    /// Ends the exchange under way, of which nothing counts that may still be reported, and the wait
    /// for one.
    pub(super) fn abort_running(&mut self) {
        self.io = match self.io {
            Io::InFlight(outstanding) => {
                self.link.next = Connection::Fresh;
                if let Outstanding::Packet(request) = outstanding {
                    let body = request.range.map_or(0, ContentRange::length);
                    self.change(|session, mut phase| {
                        session.note_perhaps_taken(phase.open_mut(), request, Some(body));
                        phase
                    });
                }
                Io::Aborting
            }
            Io::Aborting => Io::Aborting,
            Io::Idle | Io::Backoff { .. } => Io::Idle,
        };
    }
}

/// `Retry-After` in seconds, or as a date by the server's clock.
pub(super) fn retry_after_of(
    ack: &Ack<'_>,
    date: Option<u64>,
    retry_after_date: Option<u64>,
    now: Moment,
) -> Option<Duration> {
    match ack.retry_after? {
        RetryAfter::Seconds(seconds) => Some(Duration::from_secs(seconds)),
        RetryAfter::Date(_) => {
            let then = retry_after_date?;
            Some(Duration::from_secs(then.saturating_sub(date.unwrap_or(now.unix))))
        }
    }
}
