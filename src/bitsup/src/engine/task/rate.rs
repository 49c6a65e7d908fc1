//! How fast bytes went over the last seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::TICK;

/// The rate is that of the last seconds.
const RATE_WINDOW: Duration = Duration::from_secs(5);

/// Bytes sent over the last seconds.
#[derive(Default)]
pub(super) struct Rate {
    samples: VecDeque<(Instant, u64)>,
}

impl Rate {
    pub(super) fn measure(&mut self, sent: u64) {
        let now = Instant::now();
        if self.samples.back().is_some_and(|(_, last)| sent < *last) {
            self.samples.clear();
        }
        let fresh = |(at, _): &(Instant, u64)| now.duration_since(*at) < TICK;
        if !self.samples.back().is_some_and(fresh) {
            self.samples.push_back((now, sent));
        }
        let old = |(at, _): &(Instant, u64)| now.duration_since(*at) > RATE_WINDOW;
        while self.samples.len() > 2 && self.samples.front().is_some_and(old) {
            self.samples.pop_front();
        }
    }

    pub(super) fn per_second(&self) -> u64 {
        match (self.samples.front(), self.samples.back()) {
            (Some((from, first)), Some((to, last))) if to > from => {
                ((last - first) as f64 / (*to - *from).as_secs_f64()) as u64
            }
            _ => 0,
        }
    }
}
