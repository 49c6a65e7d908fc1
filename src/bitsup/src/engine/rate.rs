//! The rate limit that all uploads of a client share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::command::TaskId;
use crate::timetable::{RateTimetable, local_second};

/// What is granted at once is what the limit allows in this time: short enough that many
/// uploads take turns and that a changed limit is felt at once.
const TURN: Duration = Duration::from_millis(20);
/// A turn is at least a packet's worth.
const SMALLEST_TURN: u64 = 1460;
/// Bytes not used in this time are lost, so that a pause is not followed by a burst.
const BURST: Duration = Duration::from_millis(100);

/// While a timetable is followed the clock is looked at so often, since it can be set.
const LOOK: Duration = Duration::from_secs(1);

/// Seconds of the local day, and the nanoseconds until the next one.
type Clock = fn() -> (u32, u32);

/// A token bucket, and the uploads that wait for their turn at it, in order.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    bucket: Mutex<Bucket>,
    timetable: Mutex<Option<RateTimetable>>,
    clock: Clock,
}

#[derive(Debug)]
struct Bucket {
    /// Bytes a second; `None` is unlimited.
    limit: Option<u64>,
    tokens: f64,
    filled: Instant,
    waiting: VecDeque<TaskId>,
    /// Turns of uploads that were called and have not come yet.
    called: BTreeMap<TaskId, u64>,
}

impl RateLimiter {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self::with_clock(limit, local_second)
    }

    fn with_clock(limit: Option<u64>, clock: Clock) -> Self {
        let bucket = Bucket {
            limit,
            tokens: 0.0,
            filled: Instant::now(),
            waiting: VecDeque::new(),
            called: BTreeMap::new(),
        };
        Self { bucket: Mutex::new(bucket), timetable: Mutex::default(), clock }
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
        if self.bucket().limit != limit {
            self.limit_to(limit);
        }
        // At a change the next second is looked at as soon as it begins.
        let soon = timetable.until_change(second) == 1;
        Some(if soon { Duration::from_nanos(left.into()) } else { LOOK })
    }

    fn limit_to(&self, limit: Option<u64>) {
        let mut bucket = self.bucket();
        bucket.fill(Instant::now());
        bucket.limit = limit;
        bucket.tokens = bucket.tokens.min(bucket.capacity());
        bucket.filled = Instant::now();
    }

    /// How many of `wanted` bytes the upload may send now; 0: it waits until it is called.
    pub(crate) fn take(&self, task: TaskId, wanted: usize) -> usize {
        let mut bucket = self.bucket();
        let called = bucket.called.remove(&task);
        let Some(limit) = bucket.limit else { return wanted };
        bucket.fill(Instant::now());
        let turn = turn(limit).min(wanted as u64);
        bucket.tokens += called.unwrap_or(0) as f64;
        let others_first = called.is_none() && !bucket.waiting.is_empty();
        if others_first || bucket.tokens < turn as f64 {
            if !bucket.waiting.contains(&task) {
                bucket.waiting.push_back(task);
            }
            return 0;
        }
        bucket.tokens -= turn as f64;
        usize::try_from(turn).unwrap_or(wanted)
    }

    /// The uploads whose turn it is now; what they may send is put aside for them.
    pub(crate) fn call(&self) -> Vec<TaskId> {
        let mut bucket = self.bucket();
        let Some(limit) = bucket.limit else { return bucket.waiting.drain(..).collect() };
        bucket.fill(Instant::now());
        let (turn, mut tasks) = (turn(limit), Vec::new());
        while bucket.tokens >= turn as f64 {
            let Some(task) = bucket.waiting.pop_front() else { break };
            bucket.tokens -= turn as f64;
            bucket.called.insert(task, turn);
            tasks.push(task);
        }
        tasks
    }

    /// The upload's part is over: it waits no more.
    pub(crate) fn forget(&self, task: TaskId) {
        let mut bucket = self.bucket();
        bucket.waiting.retain(|waiting| *waiting != task);
        if let Some(turn) = bucket.called.remove(&task) {
            bucket.tokens = (bucket.tokens + turn as f64).min(bucket.capacity());
        }
    }

    /// Of what was granted, so many bytes were not used.
    pub(crate) fn give_back(&self, bytes: usize) {
        if bytes > 0 {
            let mut bucket = self.bucket();
            bucket.tokens = (bucket.tokens + bytes as f64).min(bucket.capacity());
        }
    }

    /// When the first of those who wait is to be called; `None` if nobody waits.
    pub(crate) fn next_turn(&self) -> Option<Instant> {
        let mut bucket = self.bucket();
        if bucket.waiting.is_empty() {
            return None;
        }
        let now = Instant::now();
        let Some(limit) = bucket.limit else { return Some(now) };
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
    use std::sync::atomic::{AtomicU32, Ordering};

    const ONE: TaskId = TaskId(1);

    #[test]
    fn without_a_limit_all_is_granted() {
        let limiter = RateLimiter::new(None);
        assert_eq!(limiter.take(ONE, usize::MAX), usize::MAX);
        assert_eq!(limiter.next_turn(), None);
    }

    #[test]
    fn a_limit_holds_over_time_and_can_be_lifted() {
        let limiter = RateLimiter::new(Some(1_000_000));
        let start = Instant::now();
        let mut granted = 0;
        while start.elapsed() < Duration::from_millis(300) {
            granted += limiter.take(ONE, 1 << 20);
            limiter.call();
            std::thread::sleep(Duration::from_millis(1));
        }
        let allowed = start.elapsed().as_secs_f64() * 1_000_000.0;
        assert!(granted > 0 && granted as f64 <= allowed + 20_000.0, "{granted} of {allowed}");
        limiter.set(None);
        assert_eq!(limiter.take(ONE, 1 << 20), 1 << 20);
    }

    #[test]
    fn whoever_asks_first_is_called_first() {
        let limiter = RateLimiter::new(Some(1));
        let tasks = [TaskId(7), TaskId(3), TaskId(5)];
        for task in tasks.iter().chain(&tasks) {
            assert_eq!(limiter.take(*task, 1 << 20), 0);
        }
        assert_eq!(limiter.call(), [], "there is nothing to give");
        limiter.forget(TaskId(3));
        for task in [TaskId(7), TaskId(5)] {
            limiter.bucket().tokens = SMALLEST_TURN as f64;
            assert_eq!(limiter.call(), [task]);
            assert_eq!(limiter.take(ONE, 1 << 20), 0, "its turn is put aside for the other");
            assert_eq!(limiter.take(task, 1 << 20) as u64, SMALLEST_TURN);
        }
        limiter.bucket().tokens = SMALLEST_TURN as f64;
        assert_eq!(limiter.call(), [ONE]);
        limiter.forget(ONE);
        assert!(limiter.bucket().tokens >= SMALLEST_TURN as f64, "an unused turn is given back");
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
            (limiter.bucket().limit, next)
        };
        let hour = 3600;
        assert_eq!(at(8 * hour - 2), (None, LOOK));
        assert_eq!(at(8 * hour - 1), (None, Duration::from_millis(250)), "and then at eight");
        assert_eq!(at(8 * hour), (Some(1 << 20), LOOK));
        assert_eq!(at(20 * hour + 1), (Some(5), LOOK), "the clock was set");
        assert_eq!(at(0), (None, LOOK));
        limiter.set(Some(9));
        assert_eq!(limiter.look(), None);
        assert_eq!(limiter.bucket().limit, Some(9));
    }
}
