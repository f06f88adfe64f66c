//! Chance that repeats itself: the same seed gives the same traffic on every machine.

/// A small generator of numbers that look random (`SplitMix64`); not for secrets.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        // The slight preference for small numbers does not matter to traffic.
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap_or_default()
    }

    /// Yes in `share` of all cases, 0 to 1.
    pub(super) fn chance(&mut self, share: f64) -> bool {
        let drawn = u32::try_from(self.next() >> 32).unwrap_or_default();
        f64::from(drawn) < share * (f64::from(u32::MAX) + 1.0)
    }
}

/// Scatters a number over all 64-bit numbers, each to one of its own.
pub(super) const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The number that was scattered to this one.
pub(super) const fn unmix(number: u64) -> u64 {
    let number = number ^ (number >> 31) ^ (number >> 62);
    let number = number.wrapping_mul(0x3196_42b2_d24d_8ec3);
    let number = number ^ (number >> 27) ^ (number >> 54);
    let number = number.wrapping_mul(0x96de_1b17_3f11_9089);
    number ^ (number >> 30) ^ (number >> 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scattered_number_is_found_again() {
        for number in [0, 1, 2, 1 << 40, u64::MAX, 0x0123_4567_89ab_cdef] {
            assert_eq!(unmix(mix(number)), number);
        }
    }

    #[test]
    fn a_chance_comes_as_often_as_it_says() {
        let mut random = Random::new(7);
        let hits = (0..100_000).filter(|_| random.chance(0.05)).count();
        assert!((4_500..5_500).contains(&hits), "{hits}");
        assert!(!random.chance(0.0) && random.chance(1.0));
    }
}
