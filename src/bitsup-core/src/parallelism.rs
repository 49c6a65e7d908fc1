//! How many uploads hold a session at one host at a time: a fixed number, or one that rises by itself where
//! uploads wait for answers and not for the link.

use std::time::Duration;

/// Where the number begins that rises by itself.
const START: usize = 2;
/// And ends: IIS keeps 50 sessions a user, and he may have other clients.
const MOST: usize = 8;
/// A host that answers within this time is near: more at a time would compete for the processor.
const NEAR: Duration = Duration::from_millis(5);
/// An upload waits for answers if that takes this many times as long as sending does.
const WAITS: u32 = 4;

/// Where the time of an upload went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    sending: Duration,
    waiting: Duration,
    answers: u32,
}

impl Pace {
    /// Adds a request that was answered: how long it took to send it, and until the answer came.
    pub fn add(&mut self, sending: Duration, waiting: Duration) {
        self.sending = self.sending.saturating_add(sending);
        self.waiting = self.waiting.saturating_add(waiting);
        self.answers = self.answers.saturating_add(1);
    }

    fn is_waiting(&self) -> bool {
        self.waiting >= NEAR.saturating_mul(self.answers)
            && self.waiting >= self.sending.saturating_mul(WAITS)
    }
}

/// The limit of one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parallelism {
    limit: usize,
    start: usize,
    most: usize,
    /// Uploads of this round that waited; a round has as many as the limit is.
    waited: usize,
}

impl Parallelism {
    /// Always that many, until the host is seen to forget sessions.
    #[must_use]
    pub fn fixed(limit: usize) -> Self {
        Self { limit, start: limit, most: limit, waited: 0 }
    }

    /// Two; doubled, up to eight, after each round of uploads that waited for answers.
    #[must_use]
    pub fn automatic() -> Self {
        Self { most: MOST, ..Self::fixed(START) }
    }

    /// How many at a time.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// An upload went well. One that had much to send has the next ones begin anew.
    pub fn succeeded(&mut self, pace: &Pace) {
        if !pace.is_waiting() {
            (self.limit, self.waited) = (self.start, 0);
            return;
        }
        self.waited += 1;
        if self.waited >= self.limit {
            (self.limit, self.waited) = ((self.limit * 2).min(self.most), 0);
        }
    }

    /// The host forgot a session while it held `active` of them. The new limit, if it changed.
    pub fn session_lost(&mut self, active: usize) -> Option<usize> {
        let limit = active / 2;
        if limit == 0 || self.limit <= limit {
            return None;
        }
        *self = Self::fixed(limit);
        Some(limit)
    }

    /// The host has too much to do: what rose by itself falls. The new limit, if it changed.
    pub fn overloaded(&mut self, active: usize) -> Option<usize> {
        if self.limit == self.start {
            return None;
        }
        let limit = (active / 2).max(self.start);
        if self.limit <= limit {
            return None;
        }
        (self.limit, self.most, self.waited) = (limit, limit, 0);
        Some(limit)
    }

    /// What would rise by itself does not.
    pub fn keep_few(&mut self) {
        self.most = self.start;
        self.limit = self.limit.min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use super::*;
    use crate::{Hosts, TaskId};

    const MS: Duration = Duration::from_millis(1);

    /// Uploads files one after the other through the slots of a host, in virtual time: each takes three
    /// requests that are sent and answered in these times. When the last has ended, and how many there were
    /// at most.
    fn run(
        parallelism: Parallelism,
        files: u64,
        sending: Duration,
        waiting: Duration,
    ) -> (Duration, usize) {
        let mut hosts = Hosts::new(parallelism, usize::MAX);
        let mut pace = Pace::default();
        (0..3).for_each(|_| pace.add(sending, waiting));
        let takes = (sending + waiting) * 3;
        let mut now = Duration::ZERO;
        let mut running = BinaryHeap::new();
        let mut most = 0;
        for id in 0..files {
            if hosts.acquire("h", TaskId(id)) {
                running.push(Reverse((takes, id)));
            }
        }
        while let Some(Reverse((at, _))) = running.pop() {
            now = at;
            hosts.succeeded("h", &pace);
            hosts.release("h");
            while let Some(TaskId(id)) = hosts.next_admitted() {
                running.push(Reverse((now + takes, id)));
            }
            most = most.max(running.len());
        }
        (now, most)
    }

    #[test]
    fn small_files_over_a_link_with_delay_are_sent_eight_at_a_time() {
        let fixed = run(Parallelism::fixed(8), 400, Duration::ZERO, 50 * MS);
        assert_eq!(fixed, (7500 * MS, 8));
        // One round by two and one by four more.
        let rising = run(Parallelism::automatic(), 400, Duration::ZERO, 50 * MS);
        assert_eq!(rising, (7800 * MS, 8));
        assert_eq!(run(Parallelism::fixed(2), 400, Duration::ZERO, 50 * MS), (30_000 * MS, 2));
    }

    #[test]
    fn two_are_enough_where_answers_come_at_once_or_sending_takes_the_time() {
        assert_eq!(run(Parallelism::automatic(), 40, Duration::ZERO, 4 * MS).1, 2);
        assert_eq!(run(Parallelism::automatic(), 40, 20 * MS, 50 * MS).1, 2);
        // As given, it holds.
        assert_eq!(run(Parallelism::fixed(5), 40, Duration::ZERO, 50 * MS).1, 5);
        assert_eq!(run(Parallelism::fixed(5), 40, 20 * MS, 50 * MS).1, 5);
    }

    #[test]
    fn a_host_that_has_too_much_to_do_gets_half_as_many_and_no_more_again() {
        let mut waits = Pace::default();
        waits.add(Duration::ZERO, 50 * MS);
        let mut own = Parallelism::automatic();
        let limits: Vec<_> = (0..8)
            .map(|_| {
                own.succeeded(&waits);
                own.limit()
            })
            .collect();
        assert_eq!(limits, [2, 4, 4, 4, 4, 8, 8, 8]);
        // One overload, of which eight uploads tell.
        assert_eq!((own.overloaded(8), own.overloaded(8)), (Some(4), None));
        (0..20).for_each(|_| own.succeeded(&waits));
        assert_eq!(own.limit(), 4);
        assert_eq!((own.overloaded(4), own.overloaded(2)), (Some(2), None));
        assert_eq!(Parallelism::fixed(8).overloaded(8), None);
    }

    #[test]
    fn a_host_that_forgets_sessions_gets_half_of_what_it_holds_for_good() {
        let mut own = Parallelism::automatic();
        assert_eq!((own.session_lost(1), own.session_lost(4)), (None, None));
        assert_eq!((own.session_lost(2), own.limit()), (Some(1), 1));
        let mut waits = Pace::default();
        waits.add(Duration::ZERO, 50 * MS);
        (0..20).for_each(|_| own.succeeded(&waits));
        assert_eq!(own.limit(), 1);
    }

    #[test]
    fn a_host_that_is_known_to_hold_few_keeps_two() {
        let mut hosts = Hosts::new(Parallelism::automatic(), usize::MAX);
        hosts.keep_few("h");
        let mut waits = Pace::default();
        waits.add(Duration::ZERO, 50 * MS);
        (0..20).for_each(|_| hosts.succeeded("h", &waits));
        let entered: Vec<_> = (0..3).map(|id| hosts.acquire("h", TaskId(id))).collect();
        assert_eq!(entered, [true, true, false]);
        let mut given = Parallelism::fixed(16);
        given.keep_few();
        assert_eq!(given.limit(), 16);
    }
}
