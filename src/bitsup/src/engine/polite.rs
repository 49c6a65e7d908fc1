//! The pace of one polite upload: what it may send by its own, and what it sees of the way.

use std::time::Duration;

use bitsup_core::Bucket;
use bitsup_proto::polite::Pace;

use super::command::TaskId;
use crate::transport::Stats;

/// What is sent at once waits in the queues of the way too: little beside what is allowed to wait there.
const TURN: Duration = Duration::from_millis(3);

/// A polite upload's own bucket. The limit that all share holds beside it.
#[derive(Debug)]
pub(super) struct Polite {
    pace: Pace,
    bucket: Bucket,
    /// When libcurl was given bytes, and how many. It asks for more as soon as the socket has taken them.
    given: Option<(Duration, usize)>,
}

impl Polite {
    pub(super) fn new(now: Duration) -> Self {
        let pace = Pace::default();
        let bucket = Bucket::new(Some(pace.rate()), now).with_turn(TURN);
        Self { pace, bucket, given: None }
    }

    /// The most bytes for the next Fragment.
    pub(super) fn fragment(&self) -> u64 {
        self.pace.fragment()
    }

    /// The Ack of a Fragment came.
    pub(super) fn acknowledged(&mut self, length: u64, stats: &Stats, now: Duration) {
        self.pace.acknowledged(now, length, stats.sending_time, stats.answer_delay);
        self.follow(now);
    }

    /// How many of `wanted` bytes may be sent now; 0: it waits until it is called.
    pub(super) fn take(&mut self, task: TaskId, wanted: usize, now: Duration) -> usize {
        if let Some((given, bytes)) = self.given.take() {
            self.pace.accepted(now, bytes as u64, now.saturating_sub(given));
            self.follow(now);
        }
        self.bucket.take(task, wanted, now)
    }

    /// Of a turn that was taken so much is granted by the limit that all share.
    pub(super) fn granted(&mut self, turn: usize, granted: usize, now: Duration) -> usize {
        self.given = Some((now, turn));
        self.give_back(turn - granted);
        granted
    }

    /// Takes back bytes that were not used.
    pub(super) fn give_back(&mut self, unused: usize) {
        self.bucket.give_back(unused);
        let used = self.given.map(|(at, bytes)| (at, bytes.saturating_sub(unused)));
        self.given = used.filter(|(_, bytes)| *bytes > 0);
    }

    /// The upload, if it waits and can go on now.
    pub(super) fn call(&mut self, now: Duration) -> Vec<TaskId> {
        self.bucket.call(now)
    }

    /// A Fragment is over.
    pub(super) fn forget(&mut self, task: TaskId) {
        self.bucket.forget(task);
        self.given = None;
    }

    /// How long until it is to be called, if it waits.
    pub(super) fn next_turn(&mut self, now: Duration) -> Option<Duration> {
        self.bucket.next_turn(now)
    }

    fn follow(&mut self, now: Duration) {
        if self.bucket.limit() != Some(self.pace.rate()) {
            self.bucket.set_limit(Some(self.pace.rate()), now);
        }
    }
}
