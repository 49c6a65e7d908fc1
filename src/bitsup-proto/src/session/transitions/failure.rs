//! What goes wrong: challenges, retries and their budgets, giving up.

use alloc::borrow::Cow;
use alloc::format;
use core::time::Duration;

use super::super::{
    Action, Connection, Doubt, Moment, NotNow, Notice, Outcome, Request, Retry, Session, State,
};
use crate::ack::{Ack, RetryAfter};
use crate::error::{Error, ErrorKind};
use crate::packet::PacketType;
use crate::retry::{MAX_FALLBACK, MAX_RETRY_AFTER, WAIT_FOR_SERVER};

impl Session {
    /// MC-BUP §3.1.5.1.7: credentials that were not sent yet go with the same packet;
    /// those that were are refused, and are not sent again.
    pub(super) fn challenged(&mut self, ack: &Ack<'_>, request: Request, proxy: bool) {
        let carried = if proxy { request.authorize_proxy } else { request.authorize };
        let usable = self.has_credentials(proxy);
        if usable && !carried {
            if proxy {
                self.authorize_proxy = true;
            } else {
                self.authorize = true;
            }
            return;
        }
        self.note_refused(request, proxy);
        let refused = if proxy { self.refused_proxy } else { self.refused };
        let mut error = unauthorized(proxy, refused)
            .during(request.packet)
            .with_status(ack.status)
            .with_context(ack.context);
        if let Some(code) = ack.code {
            error = error.with_code(code);
        }
        self.fail(error);
    }

    /// What the request carried is refused. A pause or a session to be replaced keeps the upload
    /// from failing here, and what follows must not carry it either.
    pub(super) fn note_refused(&mut self, request: Request, proxy: bool) {
        if proxy && request.authorize_proxy {
            self.refused_proxy = true;
            self.authorize_proxy = false;
        } else if !proxy && request.authorize {
            self.refused = true;
            self.authorize = false;
        }
    }

    /// Whether there are credentials that were not refused yet: those that were are never
    /// sent again, or retries would lock the account.
    pub(super) fn has_credentials(&self, proxy: bool) -> bool {
        if proxy {
            self.config.proxy_credentials && !self.refused_proxy
        } else {
            self.config.credentials && !self.refused
        }
    }

    /// So many bytes of the request's body went out: the server may have them.
    pub(super) fn note_sent(&mut self, request: Request, body: u64) {
        if let (Some(range), Some(open)) = (request.range, &mut self.open) {
            open.sent = open.sent.max(range.first() + body.min(range.length()));
            self.sent_ever = self.sent_ever.max(open.sent);
        }
    }

    /// The server may have acted on this request although no valid Ack says so (TRU-03). `body`:
    /// how many bytes of it went out; `None` if not even the head did.
    pub(super) fn note_perhaps_taken(&mut self, request: Request, body: Option<u64>) {
        let Some(body) = body else { return };
        self.note_sent(request, body);
        match (request.packet, &mut self.open) {
            (PacketType::Fragment, Some(open)) if body > 0 => open.doubt_bytes(),
            (PacketType::CloseSession, Some(open)) => open.doubt = Doubt::Close,
            // It may have made a session whose id nobody knows.
            (PacketType::CreateSession, _) => self.orphaned = true,
            _ => {}
        }
    }

    /// An answer that BITS does not know: a few more tries on new connections, then an error.
    pub(super) fn invalid(&mut self, now: Moment, error: Error) {
        self.invalid_in_row = self.invalid_in_row.saturating_add(1);
        self.connection = Connection::Fresh;
        if self.invalid_in_row > self.config.retry.max_invalid {
            if self.state == State::Cancel {
                self.cancel_failed(now, error);
            } else {
                self.fail(error);
            }
        } else {
            self.later(now, error, None, true);
        }
    }

    /// Tries again later, or gives up if a budget is used up.
    pub(super) fn later(
        &mut self,
        now: Moment,
        cause: Error,
        wait: Option<Duration>,
        counts: bool,
    ) {
        if counts {
            self.attempts = self.attempts.saturating_add(1);
        }
        self.retries_in_row = self.retries_in_row.saturating_add(1);
        let own = self.config.retry.delay(self.retries_in_row, now.random);
        let delay = own.max(wait.unwrap_or_default());
        if let Some(error) = self.exhausted(now, &cause, delay, wait) {
            if self.state == State::Cancel {
                self.cancel_failed(now, error);
            } else {
                self.fail(error);
            }
            return;
        }
        let state = if self.state == State::Cancel { State::Cancel } else { self.first_step() };
        self.wait(now, cause, delay, state);
    }

    /// The caller wants the next try after `delay`, and not when the session would make it.
    /// `NotNow` unless the session waits for one, and while a session is being cancelled. No
    /// budget grows by it.
    pub fn defer_retry(&mut self, now: Moment, delay: Duration) -> Result<(), NotNow> {
        let retry = self.waiting_retry().ok_or(NotNow)?;
        retry.at = now.monotonic.saturating_add(delay);
        Ok(())
    }

    /// The caller wants no other try: the upload fails with what went wrong. The session on
    /// the server can be continued. `NotNow` as with [`Session::defer_retry`].
    pub fn refuse_retry(&mut self) -> Result<(), NotNow> {
        let cause = &self.waiting_retry().ok_or(NotNow)?.cause;
        let error = given_up(cause, "not tried again, as was decided");
        self.fail(error);
        Ok(())
    }

    fn waiting_retry(&mut self) -> Option<&mut Retry> {
        let waits = self.state == State::Error;
        self.retry.as_mut().filter(|retry| waits && retry.state != State::Cancel)
    }

    pub(super) fn wait(&mut self, now: Moment, cause: Error, delay: Duration, state: State) {
        let mut at = now.monotonic.saturating_add(delay);
        if let Some(fallback) = self.fallback_at.filter(|_| self.host().is_some()) {
            at = at.min(fallback.max(now.monotonic));
        }
        self.notice(Notice::Retrying {
            cause: cause.clone(),
            delay: at.saturating_sub(now.monotonic),
            attempt: self.attempts,
        });
        if at > now.monotonic {
            self.requests_in_row = 0;
        }
        self.retry = Some(Retry { at, state, cause });
        self.state = State::Error;
    }

    pub(super) fn poll_retry(&mut self, now: Moment) -> Action {
        match &self.retry {
            Some(retry) if now.monotonic < retry.at => Action::Wait(retry.at),
            Some(retry) => {
                self.state = retry.state;
                self.retry = None;
                self.counters.retries += 1;
                self.poll_action(now)
            }
            None => {
                self.state = self.first_step();
                self.poll_action(now)
            }
        }
    }

    /// How long no progress is borne.
    pub(super) fn patience(&self) -> Duration {
        let limit = self.config.retry.give_up_after;
        // The hour is for the URL's host, once the other one has been given up.
        match self.fallback.filter(|_| self.config.wait_out_fallback) {
            Some(fallback) => limit.max(fallback.min(MAX_FALLBACK) + Duration::from_hours(1)),
            None => limit,
        }
    }

    /// Whether a budget forbids another try after `delay`; then the error to end with.
    pub(super) fn exhausted(
        &self,
        now: Moment,
        cause: &Error,
        delay: Duration,
        asked: Option<Duration>,
    ) -> Option<Error> {
        let policy = &self.config.retry;
        let next = now.monotonic.saturating_add(delay);
        let end = |reason: Cow<'static, str>| Some(given_up(cause, &reason));
        if let Some(deadline) = self.cancel_deadline {
            return if next > deadline { end("given up".into()) } else { None };
        }
        if let Some(asked) = asked.filter(|asked| *asked > MAX_RETRY_AFTER) {
            return end(format!(
                "the server asks to wait {} s, which is too long",
                asked.as_secs()
            )
            .into());
        }
        if let Some(max) = policy.max_attempts.filter(|max| self.attempts >= *max) {
            return end(format!("given up after {max} tries without progress").into());
        }
        if !self.answered {
            let waited = next.saturating_sub(self.progress_at);
            let patient = policy.wait_for_server > WAIT_FOR_SERVER;
            let tried = self.attempts >= policy.attempts_unanswered && !patient;
            return if tried || waited > policy.wait_for_server {
                end(format!("given up after {} tries, no server has answered", self.attempts)
                    .into())
            } else {
                None
            };
        }
        let limit = self.patience();
        let asked_too_much = |asked: &Duration| {
            now.monotonic.saturating_add(*asked).saturating_sub(self.progress_at) > limit
        };
        if let Some(asked) = asked.filter(asked_too_much) {
            return end(format!(
                "the server asks to wait {} s, which ends after the {} s allowed without progress",
                asked.as_secs(),
                limit.as_secs()
            )
            .into());
        }
        if next.saturating_sub(self.progress_at) > limit {
            let waited = now.monotonic.saturating_sub(self.progress_at).as_secs();
            let seconds = limit.as_secs();
            return end(format!(
                "given up after {waited} s without progress ({} tries; the limit is {seconds} s)",
                self.attempts
            )
            .into());
        }
        None
    }

    /// Gives up. The session stays where it is, so that the upload can be continued.
    pub(super) fn fail(&mut self, error: Error) {
        self.abort_running();
        self.retry = None;
        self.checkpoint_due = true;
        if self.suspended {
            // MC-BUP §3.1.5.1.7: a pause counts before any error; Resume meets it again.
            self.state = State::Suspend;
            return;
        }
        self.state = State::Failed;
        self.outcome = Some(Outcome::Failed(error));
    }

    /// Gives up an upload that cannot be continued, nor sent again without being asked.
    pub(super) fn fail_for_good(&mut self, error: Error) {
        self.end_pause();
        self.open = None;
        self.ended = true;
        self.fail(error);
    }

    /// A pause does not outlive the upload.
    pub(super) fn end_pause(&mut self) {
        self.suspended = false;
        self.suspended_at = None;
    }

    /// Progress fills every budget.
    pub(super) fn reset_retry_budget(&mut self, now: Moment) {
        self.progress_at = now.monotonic;
        self.attempts = 0;
        self.retries_in_row = 0;
        self.requests_in_row = 0;
        self.invalid_in_row = 0;
    }

    pub(super) fn is_over_time(&self, now: Moment) -> bool {
        self.deadline().is_some_and(|deadline| now.monotonic >= deadline)
    }

    pub(super) fn name_likely_cause(&self, packet: PacketType, error: Error) -> Error {
        let empty = self.config.size == 0 && packet == PacketType::CloseSession;
        if empty && matches!(error.http_status(), Some(400 | 416)) {
            return error.with_message("the server does not support empty files");
        }
        error
    }
}

pub(super) fn unauthorized(proxy: bool, refused: bool) -> Error {
    match (proxy, refused) {
        (false, false) => Error::new(ErrorKind::Auth, "the server wants credentials"),
        (false, true) => Error::new(ErrorKind::Auth, "the server refused the credentials"),
        (true, false) => Error::new(ErrorKind::ProxyAuth, "the proxy wants credentials"),
        (true, true) => Error::new(ErrorKind::ProxyAuth, "the proxy refused the credentials"),
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

/// The error of an upload that goes wrong in a way that could be tried again, and is not.
fn given_up(cause: &Error, reason: &str) -> Error {
    let kind = match cause.kind() {
        // The server kept answering "later".
        ErrorKind::Refused => ErrorKind::Timeout,
        kind => kind,
    };
    cause.clone().with_kind(kind).with_message(format!("{}; {reason}", cause.message()))
}
