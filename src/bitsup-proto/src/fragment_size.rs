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

/// Until losses tell more, a connection is taken to be lost once in such a time.
const SUPPOSED: Duration = Duration::from_secs(20);
/// A Fragment takes at most so long, unless the server answers slowly: before a connection was
/// lost, and then.
const AT_MOST: Duration = Duration::from_secs(10);
const AT_MOST_AFTER_LOSS: Duration = Duration::from_secs(2);
/// A server that answers slowly gets Fragments of at most its answer's delay times this.
const WORTHWHILE: u32 = 20;
/// A Fragment that takes less than this part of the best time is not doubled but taken four times.
const FAR: u32 = 8;
/// Below this, the cost of a lost connection is not noticed.
const UNNOTICED: Duration = Duration::from_millis(100);
/// A size at which connections were lost repeatedly is tried again after at most this many smaller ones.
const MOST_PATIENCE: u32 = 256;
/// Losses count for so long: a line can become better.
const REMEMBERED: u32 = 16;

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
///
/// A Fragment that takes the time `T` wastes its overhead `o` once, and half of itself where the
/// connection is lost; with `M` between two losses the waste is least at `T = √(2·o·M)`.
#[derive(Clone, Debug)]
pub struct Controller {
    limits: Limits,
    size: u64,
    /// No Fragment above it passes this endpoint.
    ceiling: u64,
    /// What a polite upload may send at once.
    held: u64,
    largest_accepted: u64,
    /// The shortest time in which the server answered a packet without a body.
    answer: Option<Duration>,
    /// Time in which Fragments were sent and acknowledged, and connections lost meanwhile.
    sending: Duration,
    losses: u32,
    /// The server was seen to keep parts of Fragments that were cut: nothing is lost by size.
    keeps: bool,
    /// The size under way when the connection was lost, and how much patience is left, and was
    /// spent, before it is tried again.
    suspect: Option<Suspect>,
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    size: u64,
    patience: u32,
    left: u32,
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
        Self {
            limits: Limits { floor, ..limits },
            size,
            ceiling,
            held: u64::MAX,
            largest_accepted: 0,
            answer: None,
            sending: Duration::ZERO,
            losses: 0,
            keeps: false,
            suspect: None,
        }
    }

    /// Bytes for the next Fragment.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size.min(self.held)
    }

    /// From now on sizes that are chosen by itself are at most `bytes`, whatever else is known.
    pub fn hold(&mut self, bytes: u64) {
        if self.limits.fixed.is_none() {
            self.held = bytes.max(1);
        }
    }

    /// No Fragment above `size` passes the endpoint that is spoken to from now on.
    pub fn limit(&mut self, size: u64) {
        self.ceiling = self.ceiling.min(size.max(self.limits.floor));
        self.size = self.size.min(self.ceiling);
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

    /// A packet without a body was answered after `waiting`.
    pub fn answered(&mut self, waiting: Duration) {
        self.answer = Some(self.answer.map_or(waiting, |least| least.min(waiting)));
    }

    /// A Fragment was taken: `sending` from its first byte to its last, then `overhead`
    /// until its Ack.
    pub fn accepted(&mut self, length: u64, sending: Duration, overhead: Duration) {
        self.largest_accepted = self.largest_accepted.max(length);
        let taken = sending.saturating_add(overhead);
        self.sending = self.sending.saturating_add(taken);
        if self.limits.fixed.is_some() || length < self.size {
            return;
        }
        let best = self.best(overhead);
        let far = self.suspect.is_none() && taken.saturating_mul(FAR) < best;
        let next = self.size.saturating_mul(if far { 4 } else { 2 }).min(self.ceiling);
        if let Some(suspect) = &mut self.suspect {
            if length >= suspect.size {
                self.suspect = None;
            } else if next >= suspect.size && suspect.left > 0 {
                suspect.left -= 1;
                return;
            }
        }
        if taken < UNNOTICED || self.keeps || taken < best {
            self.size = next;
        }
    }

    /// The server took only the first `kept` bytes of a Fragment.
    pub fn kept_part(&mut self, length: u64, kept: u64) {
        if self.limits.fixed.is_none() {
            let part = (length / 2).max(kept).max(self.limits.floor.min(self.ceiling));
            self.size = self.size.min(part);
        }
    }

    /// The connection was lost while a Fragment was under way.
    pub fn lost(&mut self) {
        self.losses += 1;
        if self.losses > REMEMBERED {
            self.losses /= 2;
            self.sending /= 2;
        }
        if self.limits.fixed.is_some() {
            return;
        }
        let patience = match self.suspect {
            Some(old) if old.size <= self.size => (old.patience * 2).min(MOST_PATIENCE),
            _ => 1,
        };
        self.suspect = Some(Suspect { size: self.size, patience, left: patience });
        self.size = (self.size / 2).max(self.limits.floor.min(self.ceiling));
    }

    /// The server's offset after a loss is known: `kept` if it has a part of the Fragment that
    /// was under way.
    pub fn resumed(&mut self, kept: bool) {
        self.keeps = kept;
        if kept {
            self.suspect = None;
        }
    }

    /// The time that a Fragment should take; less than half of it is not worth to be changed.
    fn best(&self, overhead: Duration) -> Duration {
        let up = self.sending.saturating_add(SUPPOSED).as_micros();
        let between = up / u128::from(self.losses + 1);
        let best = overhead.as_micros().saturating_mul(2).saturating_mul(between).isqrt();
        let best = Duration::from_micros(u64::try_from(best).unwrap_or(u64::MAX));
        let slow = self.answer.unwrap_or_default().saturating_mul(WORTHWHILE);
        let most = if self.losses == 0 { AT_MOST } else { AT_MOST_AFTER_LOSS };
        best.min(most.max(slow))
    }

    /// A Fragment of that length was refused as too large. `false`: no smaller one is allowed.
    pub fn refused(&mut self, length: u64) -> bool {
        if length <= self.limits.floor {
            return false;
        }
        let half = (length / 2).max(self.limits.floor);
        // A size that has passed before may pass again, if it is smaller than one that did not.
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
    fn what_is_held_is_small_at_once_unless_the_caller_chose() {
        let mut sizes = Controller::new(Limits::default(), None);
        sizes.hold(1000);
        assert_eq!(sizes.size(), 1000);
        sizes.hold(u64::MAX);
        assert_eq!(sizes.size(), INITIAL, "nothing was forgotten");
        sizes.hold(0);
        assert_eq!(sizes.size(), 1, "no Fragment is empty");
        let mut fixed = Controller::new(Limits { fixed: Some(7), ..Limits::default() }, None);
        fixed.hold(1);
        assert_eq!(fixed.size(), 7);
    }

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
    fn times_without_end_are_times_too() {
        let mut sizes = Controller::new(Limits::default(), None);
        for _ in 0..3 {
            sizes.accepted(INITIAL, Duration::MAX, Duration::MAX);
            sizes.answered(Duration::MAX);
            sizes.lost();
        }
        assert!(sizes.size() >= FLOOR);
    }

    #[test]
    fn it_stays_where_a_fragment_takes_long_enough() {
        let mut sizes = Controller::new(Limits::default(), None);
        // √(2 · 40 ms · 20 s) is 1.3 s.
        sizes.accepted(INITIAL, Duration::from_millis(1400), Duration::from_millis(40));
        assert_eq!(sizes.size(), INITIAL);
        sizes.accepted(INITIAL, Duration::from_secs(1), Duration::from_millis(40));
        assert_eq!(sizes.size(), 2 * INITIAL);
        sizes.accepted(PROBE, FAST, FAST);
        assert_eq!(sizes.size(), 2 * INITIAL, "a short last or probing Fragment proves nothing");
    }

    #[test]
    fn a_slow_server_gets_larger_ones_and_a_bad_line_smaller_ones() {
        let second = Duration::from_secs(1);
        let grows = |sizes: &mut Controller, sending: Duration| {
            let size = sizes.size();
            sizes.accepted(size, sending, second);
            sizes.size() > size
        };
        let mut calm = Controller::new(Limits::default(), None);
        assert!(grows(&mut calm, 3 * second));
        let mut cut = Controller::new(Limits::default(), None);
        cut.lost();
        cut.accepted(PROBE, FAST, FAST);
        assert!(!grows(&mut cut, 3 * second), "two seconds are the most after a loss");
        cut.answered(second);
        for _ in 0..3 {
            cut.resumed(true);
        }
        assert!(grows(&mut cut, 3 * second), "what is kept is not lost");
    }

    #[test]
    fn a_size_that_is_cut_again_and_again_is_tried_ever_less_often() {
        let mut sizes = Controller::new(Limits::default(), None);
        let (mut passed, mut cut) = (0, 0);
        for _ in 0..400 {
            let size = sizes.size();
            if size > 3 * INITIAL {
                sizes.lost();
                cut += 1;
            } else {
                sizes.accepted(size, FAST, FAST);
                passed += 1;
            }
        }
        assert!(cut > 3 && cut < 12, "{cut} of {passed}");
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
