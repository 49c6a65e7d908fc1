//! The rate limit that all uploads of a client share, and the pace of those that are polite.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bitsup_core::Bucket;

use super::command::TaskId;
use super::polite::Polite;
use crate::timetable::{RateTimetable, local_second};
use crate::transport::Stats;

/// While a timetable is followed the clock is looked at so often, since it can be set.
const LOOK: Duration = Duration::from_secs(1);

/// Seconds of the local day, and the nanoseconds until the next one.
type Clock = fn() -> (u32, u32);

/// The bucket that all threads share, and the timetable of its limit.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    bucket: Mutex<Bucket>,
    polite: Mutex<BTreeMap<TaskId, Polite>>,
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
        Self {
            bucket,
            polite: Mutex::default(),
            begun: Instant::now(),
            timetable: Mutex::default(),
            clock,
        }
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
        let mut polite = self.polite();
        let mut bucket = self.bucket();
        let now = self.now();
        let Some(own) = polite.get_mut(&task) else { return bucket.take(task, wanted, now) };
        match own.take(task, wanted, now) {
            0 => 0,
            turn => own.granted(turn, bucket.take(task, turn, now), now),
        }
    }

    /// From now on the upload is polite. The most bytes for its next Fragment.
    pub(crate) fn be_polite(&self, task: TaskId) -> u64 {
        let mut polite = self.polite();
        polite.entry(task).or_insert_with(|| Polite::new(self.now())).fragment()
    }

    /// The upload is over.
    pub(crate) fn leave(&self, task: TaskId) {
        self.polite().remove(&task);
    }

    /// An Ack of a Fragment of `length` bytes came. The most bytes for the next one, if the upload is polite.
    pub(crate) fn acknowledged(&self, task: TaskId, length: u64, stats: &Stats) -> Option<u64> {
        let mut polite = self.polite();
        let own = polite.get_mut(&task)?;
        own.acknowledged(length, stats, self.now());
        Some(own.fragment())
    }

    /// The uploads whose turn it is now; their bytes are reserved for them.
    pub(crate) fn call(&self) -> Vec<TaskId> {
        let mut polite = self.polite();
        let mut bucket = self.bucket();
        let now = self.now();
        let mut tasks = bucket.call(now);
        tasks.extend(polite.values_mut().flat_map(|own| own.call(now)));
        tasks
    }

    /// The upload's part is over: it waits no more.
    pub(crate) fn forget(&self, task: TaskId) {
        if let Some(own) = self.polite().get_mut(&task) {
            own.forget(task);
        }
        self.bucket().forget(task);
    }

    /// Takes back granted bytes that were not used.
    pub(crate) fn give_back(&self, task: TaskId, bytes: usize) {
        if bytes > 0 {
            if let Some(own) = self.polite().get_mut(&task) {
                own.give_back(bytes);
            }
            self.bucket().give_back(bytes);
        }
    }

    /// Returns when the first waiting task is to be called; `None` if none waits.
    pub(crate) fn next_turn(&self) -> Option<Instant> {
        let mut polite = self.polite();
        let mut bucket = self.bucket();
        let now = self.now();
        let own = polite.values_mut().filter_map(|own| own.next_turn(now));
        own.chain(bucket.next_turn(now)).min().map(|wait| self.begun + now + wait)
    }

    /// Looked at with the bucket in hand, so that it never goes back for it.
    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Locked before the bucket where both are.
    fn polite(&self) -> MutexGuard<'_, BTreeMap<TaskId, Polite>> {
        self.polite.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

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
        assert_eq!(limiter.look(), None, "without a timetable the clock is not read");
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

    #[test]
    fn a_change_acts_within_a_second_also_when_the_clock_is_set() {
        /// Nanoseconds of the local day.
        static CLOCK: AtomicU64 = AtomicU64::new(0);
        const SECOND: u64 = 1_000_000_000;
        const HOUR: u64 = 3600 * SECOND;
        let clock = || {
            let now = CLOCK.load(Ordering::Relaxed) % (24 * HOUR);
            let (second, over) = (now / SECOND, now % SECOND);
            (u32::try_from(second).expect("a day"), u32::try_from(SECOND - over).expect("a second"))
        };
        let timetable: RateTimetable = "02:00-03:00=2 03:00-08:00=3".parse().expect("legal");
        // Nothing, the begin and the end of summer time, and a clock that is set to another day's hour and back.
        for jump in [0, HOUR, 24 * HOUR - HOUR, 5 * HOUR, 24 * HOUR - 5 * HOUR] {
            let (begin, jumps_at) = (HOUR + HOUR / 2 + 123_456_789, 2 * HOUR + 7 * SECOND / 2);
            let local = |at: u64| if at < jumps_at { at } else { at + jump };
            let limiter = RateLimiter::with_clock(None, clock);
            CLOCK.store(local(begin), Ordering::Relaxed);
            limiter.follow(timetable.clone());
            let (mut at, mut right_at) = (begin, begin);
            while at < begin + 4 * HOUR {
                CLOCK.store(local(at), Ordering::Relaxed);
                let wait = limiter.look().expect("it follows").as_nanos();
                let wait = u64::try_from(wait).expect("short");
                assert!((1..=SECOND).contains(&wait), "{wait}");
                let limit = limiter.bucket().limit();
                // Until the next look this limit holds, whatever the clock says meanwhile.
                for moment in [at, at + wait / 2, at + wait - 1] {
                    let second = u32::try_from(local(moment) / SECOND % 86_400).expect("a day");
                    if timetable.rate_at(second) == limit {
                        right_at = moment;
                    }
                    // Without a jump at no moment another one than that of the hour.
                    let late = if jump == 0 { 0 } else { SECOND };
                    assert!(moment - right_at <= late, "{jump} {moment} {limit:?}");
                }
                at += wait;
            }
        }
    }

    #[test]
    fn a_polite_upload_keeps_to_its_own_pace_and_others_do_not_wait_for_it() {
        let limiter = RateLimiter::new(None);
        let polite = TaskId(2);
        let fragment = limiter.be_polite(polite);
        assert_eq!(limiter.take(polite, 1 << 20), 0, "its bucket is empty");
        assert_eq!(limiter.take(TaskId(1), 1 << 20), 1 << 20, "another is not polite");
        let due = limiter.next_turn().expect("it waits");
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        assert_eq!(limiter.call(), [polite]);
        assert_eq!(limiter.next_turn(), None);
        let granted = limiter.take(polite, 1 << 20);
        assert!((1..1 << 16).contains(&granted), "a turn: {granted}");
        limiter.give_back(polite, granted);
        assert!(limiter.take(polite, 1 << 20) > 0, "what was not used can be taken again");
        let acknowledged = |milliseconds| {
            let sending_time = Duration::from_millis(100);
            let answer_delay = Duration::from_millis(milliseconds);
            let stats = Stats { sending_time, answer_delay, ..Stats::default() };
            limiter.acknowledged(polite, fragment, &stats)
        };
        assert!(acknowledged(10).is_some_and(|next| next > fragment));
        assert!(acknowledged(500).is_some_and(|next| next >= 16 << 10));
        assert_eq!(limiter.acknowledged(TaskId(1), 1, &Stats::default()), None);
        limiter.forget(polite);
        limiter.leave(polite);
        assert_eq!(limiter.take(polite, 1 << 20), 1 << 20);
    }
}
