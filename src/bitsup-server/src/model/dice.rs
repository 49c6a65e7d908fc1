//! Where a model's choices come from.

use std::fmt;

/// A source of choices: a seed repeats them, and a fuzzer can make them from its input.
pub struct Dice(Box<dyn FnMut() -> u64 + Send>);

impl Dice {
    /// Choices made from the numbers of `source`.
    pub fn new(source: impl FnMut() -> u64 + Send + 'static) -> Self {
        Self(Box::new(source))
    }

    /// Choices that a seed decides (`SplitMix64`; Steele, Lea, Flood 2014).
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let mut state = seed;
        Self::new(move || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut bits = state;
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            bits ^ (bits >> 31)
        })
    }

    /// Returns a number below `bound`; 0 if the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        (self.0)().checked_rem(bound).unwrap_or(0)
    }

    /// Returns true in `share` of a thousand cases.
    pub fn in_thousand(&mut self, share: u64) -> bool {
        self.below(1000) < share
    }

    /// Returns one of `from`, which must not be empty.
    ///
    /// # Panics
    /// If `from` is empty.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = self.below(from.len() as u64) as usize;
        from[at]
    }
}

impl fmt::Debug for Dice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dice")
    }
}
