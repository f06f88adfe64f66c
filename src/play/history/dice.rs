//! The chance of history: a small generator with a seed.
//!
//! It is our own, of whole numbers alone: the generators and ranges of `rand` may give other values in
//! a later version, and history is to be the same on every machine.

use crate::providers::sample::mix;

/// `SplitMix64`, drawn from one number after the other.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// The dice of one thing, which no other draw moves: the seed, what kind of thing it is, which one.
    pub(super) const fn of(seed: u64, kind: u64, which: u64) -> Self {
        Self(mix(seed ^ mix((kind << 56) | which)))
    }

    /// Any number.
    pub(super) const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `end`; 0 where that is 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        let product = u128::from(self.draw()) * u128::from(end);
        u64::try_from(product >> 64).unwrap_or_default()
    }

    /// A time below `end`, ms.
    pub(super) fn ms(&mut self, end: i64) -> i64 {
        let drawn = self.below(u64::try_from(end).unwrap_or_default());
        i64::try_from(drawn).unwrap_or_default()
    }

    /// A place in a list of that length.
    pub(super) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or_default()
    }

    /// Yes so many times of a thousand.
    pub(super) fn permille(&mut self, share: u64) -> bool {
        self.below(1000) < share
    }

    /// The place of one of these weights.
    pub(super) fn weighted(&mut self, weights: impl Iterator<Item = u64> + Clone) -> usize {
        let mut left = self.below(weights.clone().sum());
        let mut place = 0;
        for weight in weights {
            if left < weight {
                break;
            }
            left -= weight;
            place += 1;
        }
        place
    }

    /// A value between these quantiles, which part all values into as many equal shares.
    pub(super) fn along(&mut self, quantiles: &[i64]) -> i64 {
        let parts = quantiles.windows(2);
        let part = self.place(parts.len());
        match quantiles.get(part..part + 2) {
            Some([low, high]) => low + self.ms(high - low + 1),
            _ => quantiles.first().copied().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_a_seed_are_these_on_every_machine() {
        let mut dice = Dice::of(7, 1, 2);
        let drawn: Vec<u64> = (0..6).map(|_| dice.below(1000)).collect();
        let mut again = Dice::of(7, 1, 2);
        assert_eq!(drawn, (0..6).map(|_| again.below(1000)).collect::<Vec<_>>());
        let mut other = Dice::of(7, 1, 3);
        assert_ne!(drawn, (0..6).map(|_| other.below(1000)).collect::<Vec<_>>());
    }

    #[test]
    fn draws_stay_in_their_bounds_and_come_as_often_as_their_weight() {
        let mut dice = Dice::of(1, 0, 0);
        let mut found = [0_u32; 3];
        for _ in 0..10_000 {
            found[dice.weighted([1, 2, 7].into_iter())] += 1;
            assert!((5..=20).contains(&dice.along(&[5, 6, 20])));
        }
        assert!((800..1200).contains(&found[0]), "{found:?}");
        assert!((6700..7300).contains(&found[2]), "{found:?}");
        assert_eq!(dice.below(0), 0);
    }
}
