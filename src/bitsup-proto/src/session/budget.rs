//! How long, and how often, an upload tries.

use alloc::borrow::Cow;
use alloc::format;
use core::time::Duration;

use super::Moment;
use crate::error::{Error, ErrorKind};
use crate::hresult::Hresult;
use crate::retry::{MAX_RETRY_AFTER, RetryPolicy, WAIT_FOR_SERVER};

/// What was used up since the last progress. Times are those of [`Moment::monotonic`].
#[derive(Clone, Debug, Default)]
pub(super) struct Budget {
    /// When the upload began, pauses left out.
    pub(super) started: Option<Duration>,
    pub(super) progress_at: Duration,
    /// Whether a server has ever answered.
    pub(super) answered: bool,
    pub(super) attempts: u32,
    pub(super) retries_in_row: u32,
    pub(super) requests_in_row: u32,
    pub(super) invalid_in_row: u32,
    pub(super) restarts_in_row: u32,
}

impl Budget {
    pub(super) fn start(&mut self, now: Moment) {
        if self.started.is_none() {
            self.started = Some(now.monotonic);
            self.progress_at = now.monotonic;
        }
    }

    /// Progress fills every budget.
    pub(super) fn reset(&mut self, now: Moment) {
        self.progress_at = now.monotonic;
        self.reset_tries();
        self.requests_in_row = 0;
    }

    pub(super) fn reset_tries(&mut self) {
        self.attempts = 0;
        self.retries_in_row = 0;
        self.invalid_in_row = 0;
    }

    /// A pause since then is no lack of progress, and not a part of the upload's time.
    pub(super) fn leave_out(&mut self, since: Duration, now: Moment) {
        self.exclude(since, now);
        self.started = self.started.map(|started| without(since, started, now));
    }

    /// The time since then is no lack of progress.
    pub(super) fn exclude(&mut self, since: Duration, now: Moment) {
        self.progress_at = without(since, self.progress_at, now);
    }

    /// Whether another try after `delay` is forbidden, and why. `asked`: the server's `Retry-After`;
    /// `patience`: how long no progress is borne.
    pub(super) fn exhausted(
        &self,
        policy: &RetryPolicy,
        patience: Duration,
        now: Moment,
        delay: Duration,
        asked: Option<Duration>,
    ) -> Option<Cow<'static, str>> {
        let without_progress = |at: Duration| at.saturating_sub(self.progress_at);
        let next = now.monotonic.saturating_add(delay);
        let tries = self.attempts;
        let asks = |end: &str| {
            let seconds = asked.unwrap_or_default().as_secs();
            Some(format!("the server asks to wait {seconds} s, which {end}").into())
        };
        if asked.is_some_and(|asked| asked > MAX_RETRY_AFTER) {
            return asks("is too long");
        }
        if let Some(max) = policy.max_attempts.filter(|max| tries >= *max) {
            return Some(format!("given up after {max} tries without progress").into());
        }
        if !self.answered {
            let patient = policy.wait_for_server > WAIT_FOR_SERVER;
            let tried = tries >= policy.attempts_unanswered && !patient;
            return (tried || without_progress(next) > policy.wait_for_server)
                .then(|| format!("given up after {tries} tries, no server has answered").into());
        }
        let limit = patience.as_secs();
        if asked
            .is_some_and(|asked| without_progress(now.monotonic.saturating_add(asked)) > patience)
        {
            return asks(&format!("ends after the {limit} s allowed without progress"));
        }
        (without_progress(next) > patience).then(|| {
            let waited = without_progress(now.monotonic).as_secs();
            format!(
                "given up after {waited} s without progress ({tries} tries; the limit is {limit} s)"
            )
            .into()
        })
    }
}

/// A time of the past, as if nothing had passed since `since`; never one to come, though it may be
/// later than `since`: nothing would be given up for as long.
fn without(since: Duration, time: Duration, now: Moment) -> Duration {
    let passed = now.monotonic.saturating_sub(since);
    time.saturating_add(passed).min(now.monotonic)
}

#[cfg(test)]
#[test]
fn a_server_that_keeps_answering_later_is_a_time_out_and_what_is_no_answer_of_bits_is_not() {
    let refused = Error::new(ErrorKind::Refused, "the reply was cut off").with_status(200);
    assert_eq!(given_up(&refused, "3 tries").kind(), ErrorKind::Timeout);
    let page = refused.with_code(Hresult::INVALID_SERVER_RESPONSE);
    assert_eq!(given_up(&page, "3 tries").kind(), ErrorKind::Refused);
}

/// The error of an upload that goes wrong in a way that could be tried again, and is not.
pub(super) fn given_up(cause: &Error, reason: &str) -> Error {
    let kind = match cause.kind() {
        // The server kept answering "later", and not what is no answer of BITS.
        ErrorKind::Refused if cause.hresult() != Some(Hresult::INVALID_SERVER_RESPONSE) => {
            ErrorKind::Timeout
        }
        kind => kind,
    };
    cause.clone().with_kind(kind).with_message(format!("{}; {reason}", cause.message()))
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    /// Why another try is forbidden 120 s after the last progress.
    fn reason(budget: &Budget, patience: u64, delay: u64, asked: Option<u64>) -> Option<String> {
        let wait_for_server = Duration::from_secs(130);
        let policy = RetryPolicy { wait_for_server, ..RetryPolicy::default() };
        let now = Moment { monotonic: Duration::from_secs(120), unix: 0, random: 0 };
        let [patience, delay] = [patience, delay].map(Duration::from_secs);
        let asked = asked.map(Duration::from_secs);
        budget.exhausted(&policy, patience, now, delay, asked).map(Cow::into_owned)
    }

    #[test]
    fn a_limit_is_used_up_to_its_last_second() {
        let silent = Budget::default();
        let answered = Budget { answered: true, ..Budget::default() };
        for (budget, patience, [delay, more], text) in [
            (&silent, 900, [10, 11], "no server has answered"),
            (&answered, 900, [780, 781], "without progress (0 tries"),
        ] {
            assert_eq!(reason(budget, patience, delay, None), None, "{text}");
            let given_up = reason(budget, patience, more, None).expect(text);
            assert!(given_up.contains(text), "{given_up}");
        }
        for (patience, [asked, more], text) in [
            (7200, [3600, 3601], "is too long"),
            (900, [780, 781], "ends after the 900 s allowed without progress"),
        ] {
            assert_eq!(reason(&answered, patience, 0, Some(asked)), None, "{text}");
            let too_long = reason(&answered, patience, 0, Some(more)).expect(text);
            assert!(too_long.ends_with(text), "{too_long}");
        }
    }
}
