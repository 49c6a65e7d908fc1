//! What a world is drawn from: random numbers that a seed repeats.

use std::time::Duration;

/// A sequence of numbers that its seed decides.
#[derive(Clone, Debug)]
pub(crate) struct Random(bitsup_core::Random);

impl Random {
    /// The sequence of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(bitsup_core::Random::new(seed))
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.bits()
    }

    /// A number below `bound`; 0 if the bound is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// True `share` times in a thousand.
    pub(crate) fn chance(&mut self, share: u64) -> bool {
        self.below(1000) < share
    }

    /// A number from 0 to `bound` of which every order of magnitude is as likely.
    pub(crate) fn magnitude(&mut self, bound: u64) -> u64 {
        let bits = u64::from(u64::BITS - bound.leading_zeros());
        let shift = self.below(bits + 1);
        self.below(1_u64.checked_shl(shift as u32).unwrap_or(u64::MAX).min(bound).saturating_add(1))
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let at = usize::try_from(self.below(from.len() as u64)).ok()?;
        from.get(at).copied()
    }

    /// A time up to `longest`.
    pub(crate) fn time(&mut self, longest: Duration) -> Duration {
        Duration::from_micros(self.below(longest.as_micros() as u64 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_numbers_and_bounds_hold() {
        let (mut first, mut second) = (Random::new(7), Random::new(7));
        for _ in 0..1000 {
            assert_eq!(first.bits(), second.bits());
            assert!(first.below(3) < 3 && second.below(3) < 3);
            assert!(first.magnitude(100) <= 100 && second.magnitude(100) <= 100);
        }
        assert_eq!((first.below(0), first.pick::<u8>(&[])), (0, None));
        assert!(first.chance(1000) && !first.chance(0));
    }
}
