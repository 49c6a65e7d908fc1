//! The rate limit that all uploads of a client share.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is granted at once is what the limit allows in this time: short enough that many
/// uploads take turns and that a changed limit is felt at once.
const TURN: Duration = Duration::from_millis(20);
/// A turn is at least a packet's worth.
const SMALLEST_TURN: u64 = 1460;
/// Bytes not used in this time are lost, so that a pause is not followed by a burst.
const BURST: Duration = Duration::from_millis(100);

/// A token bucket.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Bytes a second; `None` is unlimited.
    limit: Option<u64>,
    tokens: f64,
    filled: Instant,
}

impl RateLimiter {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self { bucket: Mutex::new(Bucket { limit, tokens: 0.0, filled: Instant::now() }) }
    }

    /// Changes the limit while uploads run.
    pub(crate) fn set(&self, limit: Option<u64>) {
        let mut bucket = self.bucket();
        bucket.fill(Instant::now());
        bucket.limit = limit;
        bucket.tokens = bucket.tokens.min(bucket.capacity());
    }

    /// How many of `wanted` bytes may go now; 0: none before [`RateLimiter::next_turn`].
    pub(crate) fn take(&self, wanted: usize) -> usize {
        let mut bucket = self.bucket();
        let Some(limit) = bucket.limit else { return wanted };
        bucket.fill(Instant::now());
        let turn = turn(limit).min(wanted as u64);
        if bucket.tokens < turn as f64 {
            return 0;
        }
        bucket.tokens -= turn as f64;
        usize::try_from(turn).unwrap_or(wanted)
    }

    /// Of what was granted, so many bytes were not used.
    pub(crate) fn give_back(&self, bytes: usize) {
        if bytes > 0 {
            let mut bucket = self.bucket();
            bucket.tokens = (bucket.tokens + bytes as f64).min(bucket.capacity());
        }
    }

    /// When a full turn will be there; `None` if nothing is limited.
    pub(crate) fn next_turn(&self) -> Option<Instant> {
        let mut bucket = self.bucket();
        let limit = bucket.limit?;
        let now = Instant::now();
        bucket.fill(now);
        let missing = (turn(limit) as f64 - bucket.tokens).max(0.0);
        Some(now + Duration::from_secs_f64((missing / limit.max(1) as f64).min(3600.0)))
    }

    fn bucket(&self) -> std::sync::MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    fn fill(&mut self, now: Instant) {
        let Some(limit) = self.limit else { return };
        let elapsed = now.saturating_duration_since(self.filled);
        self.filled = now;
        self.tokens = (self.tokens + elapsed.as_secs_f64() * limit as f64).min(self.capacity());
    }

    fn capacity(&self) -> f64 {
        let limit = self.limit.unwrap_or_default();
        (BURST.as_secs_f64() * limit as f64).max(turn(limit) as f64)
    }
}

fn turn(limit: u64) -> u64 {
    ((TURN.as_secs_f64() * limit as f64) as u64).max(SMALLEST_TURN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_limit_all_is_granted() {
        let limiter = RateLimiter::new(None);
        assert_eq!(limiter.take(usize::MAX), usize::MAX);
        assert_eq!(limiter.next_turn(), None);
    }

    #[test]
    fn a_limit_holds_over_time_and_can_be_lifted() {
        let limiter = RateLimiter::new(Some(1_000_000));
        let start = Instant::now();
        let mut granted = 0;
        while start.elapsed() < Duration::from_millis(300) {
            granted += limiter.take(1 << 20);
            std::thread::sleep(Duration::from_millis(1));
        }
        let allowed = start.elapsed().as_secs_f64() * 1_000_000.0;
        assert!(granted > 0 && granted as f64 <= allowed + 20_000.0, "{granted} of {allowed}");
        limiter.set(None);
        assert_eq!(limiter.take(1 << 20), 1 << 20);
    }
}
