//! A rate limit that uploads share: a token bucket, and the order in which they get at it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::TaskId;

/// A grant is the number of bytes that the limit allows in this time: short enough that many
/// uploads take turns and that a changed limit is felt at once.
const TURN: Duration = Duration::from_millis(20);
/// A turn is at least a packet's worth.
const SMALLEST_TURN: u64 = 1460;
/// Bytes not used in this time are lost, so that a pause is not followed by a burst.
const BURST: Duration = Duration::from_millis(100);

/// A token bucket, and the uploads that wait for their turn at it, in order. Times are those
/// since some moment, never going back.
#[derive(Debug)]
pub struct Bucket {
    /// Bytes a second; `None` is unlimited.
    limit: Option<u64>,
    turn: Duration,
    tokens: f64,
    filled: Duration,
    waiting: VecDeque<TaskId>,
    /// Turns of uploads that were called and have not come yet.
    called: BTreeMap<TaskId, u64>,
}

impl Bucket {
    /// An empty bucket that fills by `limit` bytes a second; `None` is unlimited.
    #[must_use]
    pub fn new(limit: Option<u64>, now: Duration) -> Self {
        Self {
            limit,
            turn: TURN,
            tokens: 0.0,
            filled: now,
            waiting: VecDeque::new(),
            called: BTreeMap::new(),
        }
    }

    /// The same with turns of what the limit allows in that time; else it is 20 ms.
    #[must_use]
    pub fn with_turn(self, turn: Duration) -> Self {
        Self { turn, ..self }
    }

    /// Bytes a second; `None` is unlimited.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Changes the limit while uploads run.
    pub fn set_limit(&mut self, limit: Option<u64>, now: Duration) {
        self.fill(now);
        self.limit = limit;
        self.tokens = self.tokens.min(self.capacity());
        self.filled = now;
    }

    /// How many of `wanted` bytes the upload may send now; 0: it waits until it is called.
    pub fn take(&mut self, task: TaskId, wanted: usize, now: Duration) -> usize {
        let called = self.called.remove(&task);
        let Some(limit) = self.limit else { return wanted };
        self.fill(now);
        let turn = self.turn(limit).min(wanted as u64);
        self.tokens += called.unwrap_or(0) as f64;
        let others_first = called.is_none() && !self.waiting.is_empty();
        if others_first || self.tokens < turn as f64 {
            if !self.waiting.contains(&task) {
                self.waiting.push_back(task);
            }
            return 0;
        }
        self.tokens -= turn as f64;
        usize::try_from(turn).unwrap_or(wanted)
    }

    /// The uploads whose turn it is now; their bytes are reserved for them.
    pub fn call(&mut self, now: Duration) -> Vec<TaskId> {
        let Some(limit) = self.limit else { return self.waiting.drain(..).collect() };
        self.fill(now);
        let (turn, mut tasks) = (self.turn(limit), Vec::new());
        while self.tokens >= turn as f64 {
            let Some(task) = self.waiting.pop_front() else { break };
            self.tokens -= turn as f64;
            self.called.insert(task, turn);
            tasks.push(task);
        }
        tasks
    }

    /// The upload's part is over: it waits no more.
    pub fn forget(&mut self, task: TaskId) {
        self.waiting.retain(|waiting| *waiting != task);
        if let Some(turn) = self.called.remove(&task) {
            self.tokens = (self.tokens + turn as f64).min(self.capacity());
        }
    }

    /// Takes back granted bytes that were not used.
    pub fn give_back(&mut self, bytes: usize) {
        self.tokens = (self.tokens + bytes as f64).min(self.capacity());
    }

    /// Returns the time until the first waiting task is to be called; `None` if none waits.
    pub fn next_turn(&mut self, now: Duration) -> Option<Duration> {
        if self.waiting.is_empty() {
            return None;
        }
        let Some(limit) = self.limit else { return Some(Duration::ZERO) };
        self.fill(now);
        let missing = (self.turn(limit) as f64 - self.tokens).max(0.0);
        let wait = Duration::from_secs_f64((missing / limit.max(1) as f64).min(3600.0));
        // Rounded up, else a task that comes at that time finds a fraction of a byte missing.
        Some(wait + Duration::from_nanos(1))
    }

    fn fill(&mut self, now: Duration) {
        let Some(limit) = self.limit else { return };
        let elapsed = now.saturating_sub(self.filled);
        self.filled = now;
        self.tokens = (self.tokens + elapsed.as_secs_f64() * limit as f64).min(self.capacity());
    }

    fn capacity(&self) -> f64 {
        let limit = self.limit.unwrap_or_default();
        (BURST.as_secs_f64() * limit as f64).max(self.turn(limit) as f64)
    }

    fn turn(&self, limit: u64) -> u64 {
        ((self.turn.as_secs_f64() * limit as f64) as u64).max(SMALLEST_TURN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: TaskId = TaskId(1);

    #[test]
    fn a_limit_holds_over_time_and_can_be_lifted() {
        let mut bucket = Bucket::new(Some(1_000_000), Duration::ZERO);
        let (mut granted, mut now) = (0, Duration::ZERO);
        while now < Duration::from_millis(300) {
            granted += bucket.take(ONE, 1 << 20, now);
            bucket.call(now);
            now += Duration::from_millis(1);
        }
        assert!((280_000..=300_000).contains(&granted), "{granted}");
        bucket.set_limit(None, now);
        assert_eq!(bucket.take(ONE, 1 << 20, now), 1 << 20);
    }

    #[test]
    fn whoever_asks_first_is_called_first() {
        let mut bucket = Bucket::new(Some(1460), Duration::ZERO);
        let tasks = [TaskId(7), TaskId(3), TaskId(5)];
        for task in tasks.iter().chain(&tasks) {
            assert_eq!(bucket.take(*task, 1 << 20, Duration::ZERO), 0);
        }
        assert_eq!(bucket.call(Duration::ZERO), [], "there is nothing to give");
        bucket.forget(TaskId(3));
        for (second, task) in (1..).zip([TaskId(7), TaskId(5)]) {
            let now = Duration::from_secs(second);
            assert_eq!(bucket.call(now), [task]);
            assert_eq!(bucket.take(ONE, 1 << 20, now), 0, "its turn is put aside for the other");
            assert_eq!(bucket.take(task, 1 << 20, now) as u64, SMALLEST_TURN);
        }
        let now = Duration::from_secs(3);
        assert_eq!(bucket.call(now), [ONE]);
        bucket.forget(ONE);
        assert!(bucket.tokens >= SMALLEST_TURN as f64, "an unused turn is given back");
        assert_eq!(bucket.next_turn(now), None);
    }

    #[test]
    fn at_the_time_of_a_turn_there_is_one() {
        for limit in [1, 3, 20_001, 999_999_937] {
            let mut now = Duration::from_nanos(7);
            let mut bucket = Bucket::new(Some(limit), now);
            for _ in 0..1000 {
                assert_eq!(bucket.take(ONE, usize::MAX, now), 0);
                now += bucket.next_turn(now).expect("it waits");
                assert_eq!(bucket.call(now), [ONE], "{limit}");
                assert!(bucket.take(ONE, usize::MAX, now) > 0);
            }
        }
    }
}
