//! How many bytes the next Fragment carries.
//!
//! The protocol is stop-and-wait: each Fragment costs a round trip and the server's Ack
//! delay, so large ones are fast; but what is under way when a connection is lost may
//! have to be sent again, so they must not be larger than it pays.

use core::time::Duration;

/// No Fragment but the last is smaller, as with Windows clients (MC-BUP note 10).
pub const FLOOR: u64 = 5 * 1024;
/// The first Fragment of an automatic upload.
pub const INITIAL: u64 = 1024 * 1024;
/// IIS refuses requests above 30,000,000 bytes.
pub const CEILING: u64 = 28 * 1024 * 1024;
/// After an unclear end a Fragment finds out the server's offset; it need not be large.
pub const PROBE: u64 = 8 * 1024;

/// A Fragment that takes so many times its overhead has 95 % of the link's speed.
const WORTHWHILE: u32 = 20;
/// What a lost connection may cost at most, in time.
const AT_MOST: Duration = Duration::from_secs(2);
/// Below this, what a lost connection costs is not noticed.
const UNNOTICED: Duration = Duration::from_millis(100);

/// Bounds and wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The caller's own size; `None` is automatic.
    pub fixed: Option<u64>,
    /// The smallest size that 413 leads to.
    pub floor: u64,
    /// The largest size, in automatic mode.
    pub ceiling: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fixed: None, floor: FLOOR, ceiling: CEILING }
    }
}

/// Chooses sizes from what became of the Fragments before.
#[derive(Clone, Debug)]
pub struct Controller {
    limits: Limits,
    size: u64,
    /// No Fragment above it passes this endpoint.
    ceiling: u64,
    largest_accepted: u64,
}

impl Controller {
    /// A controller for one upload; `learned` is the largest size that is known to pass
    /// this endpoint, if a larger one was refused there.
    #[must_use]
    pub fn new(limits: Limits, learned: Option<u64>) -> Self {
        let floor = limits.floor.max(1);
        let wish = limits.fixed.unwrap_or(limits.ceiling).max(1);
        let ceiling = learned.map_or(wish, |learned| wish.min(learned.max(floor)));
        let size = limits.fixed.unwrap_or(INITIAL).clamp(1, ceiling);
        Self { limits: Limits { floor, ..limits }, size, ceiling, largest_accepted: 0 }
    }

    /// Bytes for the next Fragment.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The largest size that may pass, if the endpoint refused a larger one.
    #[must_use]
    pub fn learned(&self) -> Option<u64> {
        let wish = self.limits.fixed.unwrap_or(self.limits.ceiling).max(1);
        (self.ceiling < wish).then_some(self.ceiling)
    }

    /// The largest size that has passed.
    #[must_use]
    pub fn largest_accepted(&self) -> u64 {
        self.largest_accepted
    }

    /// A Fragment was taken: `sending` from its first byte to its last, then `overhead`
    /// until its Ack.
    pub fn accepted(&mut self, length: u64, sending: Duration, overhead: Duration) {
        self.largest_accepted = self.largest_accepted.max(length);
        if self.limits.fixed.is_some() || length < self.size {
            return;
        }
        let taken = sending.saturating_add(overhead);
        let pays = taken < AT_MOST && taken < overhead.saturating_mul(WORTHWHILE);
        if pays || taken < UNNOTICED {
            self.size = self.size.saturating_mul(2).min(self.ceiling);
        }
    }

    /// The connection was lost while a Fragment was under way.
    pub fn lost(&mut self) {
        if self.limits.fixed.is_none() {
            self.size = (self.size / 2).max(self.limits.floor.min(self.ceiling));
        }
    }

    /// A Fragment of that length was refused as too large. `false`: no smaller one is allowed.
    pub fn refused(&mut self, length: u64) -> bool {
        if length <= self.limits.floor {
            return false;
        }
        let half = (length / 2).max(self.limits.floor);
        // What has passed before may pass again, if it is smaller than what did not.
        let passed = if self.largest_accepted < length { self.largest_accepted } else { 0 };
        self.ceiling = self.ceiling.min(half.max(passed));
        self.size = self.size.min(half);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FAST: Duration = Duration::from_millis(1);

    #[test]
    fn it_doubles_while_that_pays_and_halves_after_a_loss() {
        let _rule = bitsup_server::rule!("SIZ-06");
        let mut sizes = Controller::new(Limits::default(), None);
        assert_eq!(sizes.size(), INITIAL);
        for _ in 0..10 {
            let size = sizes.size();
            sizes.accepted(size, FAST, FAST);
        }
        assert_eq!(sizes.size(), CEILING);
        sizes.lost();
        assert_eq!(sizes.size(), CEILING / 2);
        for _ in 0..30 {
            sizes.lost();
        }
        assert_eq!(sizes.size(), FLOOR);
    }

    #[test]
    fn it_stays_where_a_fragment_outweighs_its_overhead() {
        let mut sizes = Controller::new(Limits::default(), None);
        sizes.accepted(INITIAL, Duration::from_secs(1), Duration::from_millis(40));
        assert_eq!(sizes.size(), INITIAL);
        sizes.accepted(INITIAL, Duration::from_secs(1), Duration::from_millis(200));
        assert_eq!(sizes.size(), 2 * INITIAL);
        sizes.accepted(2 * INITIAL, Duration::from_secs(2), Duration::from_secs(1));
        assert_eq!(sizes.size(), 2 * INITIAL);
        sizes.accepted(PROBE, FAST, FAST);
        assert_eq!(sizes.size(), 2 * INITIAL, "a short last or probing Fragment proves nothing");
    }

    #[test]
    fn a_refused_size_is_not_reached_again() {
        let _rule = bitsup_server::rule!("SIZ-03");
        let mut sizes = Controller::new(Limits::default(), None);
        assert!(sizes.refused(INITIAL));
        assert_eq!(sizes.size(), INITIAL / 2);
        for _ in 0..10 {
            let size = sizes.size();
            sizes.accepted(size, FAST, FAST);
            assert!(sizes.size() < INITIAL);
        }
        let next = Controller::new(Limits::default(), sizes.learned());
        assert_eq!((next.size(), next.learned()), (INITIAL / 2, Some(INITIAL / 2)));
    }

    #[test]
    fn halving_ends_at_the_floor() {
        let _rule = bitsup_server::rule!("SIZ-02");
        let mut sizes = Controller::new(Limits::default(), None);
        let mut tries = 0;
        while sizes.refused(sizes.size()) {
            tries += 1;
            assert!(tries < 64 && sizes.size() >= FLOOR);
        }
        assert_eq!(sizes.size(), FLOOR);
    }

    #[test]
    fn the_callers_size_is_kept() {
        let mut sizes = Controller::new(Limits { fixed: Some(5120), ..Limits::default() }, None);
        sizes.accepted(5120, FAST, FAST);
        sizes.lost();
        assert_eq!(sizes.size(), 5120);
    }

    proptest! {
        #[test]
        fn every_size_lies_between_one_and_the_ceiling(
            fixed in proptest::option::of(1..u64::MAX),
            ceiling in 1..u64::MAX,
            learned in proptest::option::of(any::<u64>()),
            events in proptest::collection::vec(0..3_u8, 0..200),
        ) {
            let limits = Limits { fixed, ceiling, floor: FLOOR };
            let mut sizes = Controller::new(limits, learned);
            for event in events {
                let size = sizes.size();
                match event {
                    0 => sizes.accepted(size, FAST, FAST),
                    1 => sizes.lost(),
                    _ => { sizes.refused(size); }
                }
                prop_assert!(sizes.size() >= 1);
                prop_assert!(sizes.size() <= fixed.unwrap_or(ceiling));
            }
        }
    }
}
