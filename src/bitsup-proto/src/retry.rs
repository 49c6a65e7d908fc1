//! When to try again, and when to give up.

use core::time::Duration;

/// The longest `Retry-After` that is waited for: who asks for more means "not today".
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The longest fallback timer that is waited out: a session left for longer is deleted by
/// servers with the usual settings, and a peer must not hold us for ever.
pub const MAX_FALLBACK: Duration = Duration::from_hours(14 * 24);

/// The budgets of an upload. Progress, a new highest acknowledged offset, fills them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The bound of the second retry's delay; it doubles with each further one.
    pub first_delay: Duration,
    /// The bound that doubling ends at.
    pub max_delay: Duration,
    /// How long no progress is borne once a server has answered.
    pub give_up_after: Duration,
    /// How long no answer at all is borne before a server has ever answered.
    pub wait_for_server: Duration,
    /// How many attempts are made before a server has ever answered; without a limit if
    /// `wait_for_server` is longer than its default.
    pub attempts_unanswered: u32,
    /// How many attempts are made without progress; `None` leaves it to `give_up_after`.
    pub max_attempts: Option<u32>,
    /// How often an answer that BITS does not know is tried again.
    pub max_invalid: u32,
}

/// A mistyped host must not hang for long.
pub const WAIT_FOR_SERVER: Duration = Duration::from_secs(15);

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_secs(1),
            max_delay: Duration::from_mins(1),
            give_up_after: Duration::from_mins(15),
            wait_for_server: WAIT_FOR_SERVER,
            attempts_unanswered: 3,
            max_attempts: None,
            max_invalid: 3,
        }
    }
}

impl RetryPolicy {
    /// The delay before the `retry`-th try in a row (1 is the first after progress, which
    /// goes at once): full jitter between nothing and a bound that doubles.
    #[must_use]
    pub fn delay(&self, retry: u32, random: u64) -> Duration {
        let Some(doublings) = retry.checked_sub(2) else {
            return Duration::ZERO;
        };
        let bound = self.first_delay.saturating_mul(1 << doublings.min(31)).min(self.max_delay);
        // 32 random bits are finer than a millisecond for any bound up to a month; a bound in
        // nanoseconds has less than 94 bits, so that the product fits.
        let share = u128::from(random >> 32);
        Duration::from_nanos_u128(bound.as_nanos() * share / u128::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_lie_between_nothing_and_a_bound_that_doubles() {
        let _rule = bitsup_server::rule!("TMR-06");
        let policy = RetryPolicy::default();
        assert_eq!(policy.delay(0, u64::MAX), Duration::ZERO);
        assert_eq!(policy.delay(1, u64::MAX), Duration::ZERO);
        let bounds = [1, 2, 4, 8, 16, 32, 60, 60];
        for (retry, bound) in (2..).zip(bounds) {
            assert_eq!(policy.delay(retry, 0), Duration::ZERO);
            assert_eq!(policy.delay(retry, u64::MAX), Duration::from_secs(bound));
            let middle = policy.delay(retry, u64::MAX / 2);
            assert!(middle > Duration::ZERO && middle < Duration::from_secs(bound));
        }
        assert_eq!(policy.delay(u32::MAX, u64::MAX), policy.max_delay);
        let own = RetryPolicy {
            first_delay: Duration::from_millis(10),
            max_delay: Duration::from_millis(15),
            ..policy
        };
        assert_eq!(own.delay(2, u64::MAX), Duration::from_millis(10));
        assert_eq!(own.delay(3, u64::MAX), Duration::from_millis(15));
    }
}
