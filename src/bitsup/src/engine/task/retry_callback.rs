//! The caller's say about a next try.

use std::time::{Duration, Instant};

use super::super::Core;
use super::Task;
use crate::options::RetryDecision;

/// So long an answer is awaited before the engine goes on as it would without the question.
const PATIENCE: Duration = Duration::from_secs(10);
/// No try is put off longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The questions about next tries.
#[derive(Default)]
pub(super) struct Deciding {
    /// Whether the caller is asked at all.
    enabled: bool,
    asked: u64,
    answered: u64,
    /// When the next try would be without the caller.
    own: Option<Instant>,
}

impl Deciding {
    pub(super) fn new(enabled: bool) -> Self {
        Self { enabled, ..Self::default() }
    }
}

impl Task {
    /// The caller accepts of a next try and may want something else: it is put off until then.
    pub(super) fn await_decision(&mut self, delay: Duration, core: &mut Core) {
        if !self.deciding.enabled || !self.shared.subscriber.listens() {
            return;
        }
        self.deciding.asked += 1;
        self.deciding.own = Instant::now().checked_add(delay);
        let now = core.now();
        // Refused where there is nothing to decide; then the answer is as well.
        self.driver.defer_retry(delay.max(PATIENCE), now);
    }

    /// What the caller wants. An answer to an earlier question counts for nothing.
    pub(crate) fn decided(&mut self, decision: RetryDecision, core: &mut Core) {
        self.deciding.answered += 1;
        let Some(own) =
            self.deciding.own.take_if(|_| self.deciding.answered == self.deciding.asked)
        else {
            return;
        };
        let now = core.now();
        match decision {
            RetryDecision::Retry => {
                self.driver.defer_retry(own.saturating_duration_since(Instant::now()), now);
            }
            RetryDecision::After(delay) => self.driver.defer_retry(delay.min(LONGEST), now),
            RetryDecision::Fail => self.driver.refuse_retry(),
        }
    }
}
