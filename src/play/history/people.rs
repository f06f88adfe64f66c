//! The people who are written to: where each lives, and what becomes of what is sent to them.

use super::dice::Dice;
use super::world::COUNTRIES;

/// One person, by their place among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recipient(pub(super) u32);

/// All of them.
#[derive(Debug)]
pub(super) struct People {
    seed: u64,
    country: Vec<u8>,
    by_country: Vec<Vec<u32>>,
}

impl People {
    /// As many as are written to six times each.
    pub(super) fn new(seed: u64, messages: u64) -> Self {
        let count = u32::try_from(messages / 6).unwrap_or(u32::MAX);
        // More have no number of their own.
        let count = count.clamp(240, 9_000_000);
        let mut by_country = vec![Vec::new(); COUNTRIES.len()];
        let weights = COUNTRIES.iter().map(|country| country.weight);
        let country = (0..count).map(|person| {
            let mut dice = Dice::of(seed, 2, person.into());
            let place = dice.weighted(weights.clone());
            by_country[place].push(person);
            u8::try_from(place).unwrap_or_default()
        });
        Self {
            seed,
            country: country.collect(),
            by_country,
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.country.len()).unwrap_or(u32::MAX)
    }

    /// Anyone in that country.
    pub(super) fn any_in(&self, country: usize, dice: &mut Dice) -> Recipient {
        let there = &self.by_country[country];
        Recipient(
            there
                .get(dice.place(there.len()))
                .copied()
                .unwrap_or_default(),
        )
    }

    /// Anyone who reads that language.
    pub(super) fn any_reading(&self, language: &str, dice: &mut Dice) -> Recipient {
        let weights = COUNTRIES.iter().map(|country| {
            if country.language == language {
                country.weight
            } else {
                0
            }
        });
        let country = dice.weighted(weights);
        self.any_in(country, dice)
    }

    /// Where a person lives, as a place in [`COUNTRIES`].
    pub(super) fn country(&self, person: Recipient) -> usize {
        let place = usize::try_from(person.0).ok();
        let country = place.and_then(|place| self.country.get(place));
        country.copied().unwrap_or_default().into()
    }

    /// A person's number, digits only.
    pub(super) fn number(&self, person: Recipient) -> String {
        let prefix = COUNTRIES[self.country(person)].prefix;
        // Scattered, and no two alike: the factor has no part in common with the modulus.
        let digits = (u64::from(person.0) * 7_654_321 + 1_234_567) % 10_000_000;
        format!("{prefix}{digits:07}")
    }

    /// Whether a person shows others that they read a message: four of five do.
    pub(super) fn shows_reads(&self, person: Recipient) -> bool {
        !Dice::of(self.seed, 3, person.0.into()).permille(200)
    }

    /// Whether a person blocked the business.
    pub(super) fn is_blocking(&self, person: Recipient) -> bool {
        Dice::of(self.seed, 4, person.0.into()).permille(12)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn people_live_in_every_country_have_numbers_of_their_own_and_a_fifth_hides_reads() {
        let people = People::new(7, 60_000);
        assert_eq!(people.count(), 10_000);
        let all = || (0..people.count()).map(Recipient);
        let numbers: HashSet<String> = all().map(|it| people.number(it)).collect();
        assert_eq!(numbers.len(), 10_000);
        let countries: HashSet<usize> = all().map(|it| people.country(it)).collect();
        assert_eq!(countries.len(), COUNTRIES.len());
        let hidden = all().filter(|it| !people.shows_reads(*it)).count();
        assert!((1_850..2_150).contains(&hidden), "{hidden}");
        let blocking = all().filter(|it| people.is_blocking(*it)).count();
        assert!((80..160).contains(&blocking), "{blocking}");
    }
}
