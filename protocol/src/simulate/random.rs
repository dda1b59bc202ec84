//! A small generator of repeatable numbers: xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift
//! generators, scrambled", ACM TOMS 42(4), 2016). For simulation only; nobody's secrets depend on it.

/// The generator; the same seed gives the same numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Any seed will do, zero too.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed ^ 0x9E37_79B9_7F4A_7C15 | 1)
    }

    /// A number below `bound`; zero when the bound is zero.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D);
        if bound == 0 { 0 } else { number % bound }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (mut a, mut b) = (Random::new(7), Random::new(7));
        let drawn: Vec<u64> = (0..100).map(|_| a.below(1_000)).collect();
        assert!(drawn.iter().all(|&number| number == b.below(1_000)));
        assert!(drawn.iter().any(|number| *number != drawn[0]));
        assert_eq!(a.below(0), 0);
    }
}
