//! `SplitMix64` (Steele, Lea, Flood 2014): small, fast, and repeated by its seed. For jitter and
//! tests; nothing in it is secret.

/// A sequence of numbers that its seed decides.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`; 0 if the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits().checked_rem(bound).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_numbers() {
        // The first number of seed 0, from the reference implementation.
        assert_eq!(Random::new(0).bits(), 0xE220_A839_7B1D_CDAF);
        let (mut first, mut second) = (Random::new(7), Random::new(7));
        assert!((0..1000).all(|_| first.below(3) < 3 && second.below(3) < 3));
        assert_eq!((first.bits(), first.below(0)), (second.bits(), 0));
    }
}
