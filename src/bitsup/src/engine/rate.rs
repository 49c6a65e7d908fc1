//! The rate limit that all uploads of a client share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bitsup_core::Bucket;

use super::command::TaskId;
use crate::timetable::{RateTimetable, local_second};

/// While a timetable is followed the clock is looked at so often, since it can be set.
const LOOK: Duration = Duration::from_secs(1);

/// Seconds of the local day, and the nanoseconds until the next one.
type Clock = fn() -> (u32, u32);

/// The bucket that all threads share, and the timetable of its limit.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    bucket: Mutex<Bucket>,
    begun: Instant,
    timetable: Mutex<Option<RateTimetable>>,
    clock: Clock,
}

impl RateLimiter {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self::with_clock(limit, local_second)
    }

    fn with_clock(limit: Option<u64>, clock: Clock) -> Self {
        let bucket = Mutex::new(Bucket::new(limit, Duration::ZERO));
        Self { bucket, begun: Instant::now(), timetable: Mutex::default(), clock }
    }

    /// Changes the limit while uploads run; no timetable holds any more.
    pub(crate) fn set(&self, limit: Option<u64>) {
        *self.timetable.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.limit_to(limit);
    }

    /// From now on the limit is that of the hour.
    pub(crate) fn follow(&self, timetable: RateTimetable) {
        *self.timetable.lock().unwrap_or_else(PoisonError::into_inner) = Some(timetable);
        self.look();
    }

    /// Sets the limit of the hour. When to look at the clock again; `None` without a timetable.
    pub(crate) fn look(&self) -> Option<Duration> {
        let timetable = self.timetable.lock().unwrap_or_else(PoisonError::into_inner);
        let timetable = timetable.as_ref()?;
        let (second, left) = (self.clock)();
        let limit = timetable.rate_at(second);
        if self.bucket().limit() != limit {
            self.limit_to(limit);
        }
        // At a change the next second is looked at as soon as it begins.
        let soon = timetable.until_change(second) == 1;
        Some(if soon { Duration::from_nanos(left.into()) } else { LOOK })
    }

    fn limit_to(&self, limit: Option<u64>) {
        let mut bucket = self.bucket();
        bucket.set_limit(limit, self.now());
    }

    /// How many of `wanted` bytes the upload may send now; 0: it waits until it is called.
    pub(crate) fn take(&self, task: TaskId, wanted: usize) -> usize {
        let mut bucket = self.bucket();
        bucket.take(task, wanted, self.now())
    }

    /// The uploads whose turn it is now; what they may send is put aside for them.
    pub(crate) fn call(&self) -> Vec<TaskId> {
        let mut bucket = self.bucket();
        bucket.call(self.now())
    }

    /// The upload's part is over: it waits no more.
    pub(crate) fn forget(&self, task: TaskId) {
        self.bucket().forget(task);
    }

    /// Of what was granted, so many bytes were not used.
    pub(crate) fn give_back(&self, bytes: usize) {
        if bytes > 0 {
            self.bucket().give_back(bytes);
        }
    }

    /// When the first of those who wait is to be called; `None` if nobody waits.
    pub(crate) fn next_turn(&self) -> Option<Instant> {
        let mut bucket = self.bucket();
        let now = self.now();
        bucket.next_turn(now).map(|wait| self.begun + now + wait)
    }

    /// Looked at with the bucket in hand, so that it never goes back for it.
    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn without_a_limit_all_is_granted() {
        let limiter = RateLimiter::new(None);
        assert_eq!(limiter.take(TaskId(1), usize::MAX), usize::MAX);
        assert_eq!(limiter.next_turn(), None);
    }

    #[test]
    fn the_limit_follows_the_hours() {
        static CLOCK: AtomicU32 = AtomicU32::new(0);
        let clock = || (CLOCK.load(Ordering::Relaxed), 250_000_000);
        let limiter = RateLimiter::with_clock(None, clock);
        assert_eq!(limiter.look(), None, "without a timetable nobody looks at the clock");
        limiter.follow("08:00-18:00=1M 20:00-21:00=5".parse().expect("legal"));
        let at = |second: u32| {
            CLOCK.store(second, Ordering::Relaxed);
            let next = limiter.look().expect("it follows");
            (limiter.bucket().limit(), next)
        };
        let hour = 3600;
        assert_eq!(at(8 * hour - 2), (None, LOOK));
        assert_eq!(at(8 * hour - 1), (None, Duration::from_millis(250)), "and then at eight");
        assert_eq!(at(8 * hour), (Some(1 << 20), LOOK));
        assert_eq!(at(20 * hour + 1), (Some(5), LOOK), "the clock was set");
        assert_eq!(at(0), (None, LOOK));
        limiter.set(Some(9));
        assert_eq!(limiter.look(), None);
        assert_eq!(limiter.bucket().limit(), Some(9));
    }
}
