//! When messages begin: the rhythm of days and weeks in each country, and the broadcasts.

use super::dice::Dice;
use super::world::{COUNTRIES, COUNTRY_COUNT, PAUSED, TEMPLATES, WRONG};

/// A step of history.
pub(super) const SLOT_MS: i64 = 10 * 60_000;
const HOUR_MS: i64 = 60 * 60_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Broadcasts in all.
pub(super) const BROADCASTS: u32 = 40;
/// The broadcast during which its template is paused.
pub(super) const PAUSED_BROADCAST: usize = 15;
/// The broadcast that is sent with a wrong version of its template.
pub(super) const WRONG_BROADCAST: usize = 27;
/// How much of all is sent in broadcasts, in hundredths.
const IN_BROADCASTS: u64 = 45;

/// How much is sent in each hour of a day.
const HOURS: [u64; 24] = [
    3, 2, 1, 1, 1, 2, 6, 14, 28, 42, 48, 46, 40, 36, 38, 42, 44, 45, 42, 36, 28, 20, 12, 6,
];
/// How much is sent on each day of a week, from Monday on.
const DAYS: [u64; 7] = [10, 10, 10, 10, 11, 6, 4];

/// A broadcast: one template sent to many.
#[derive(Debug, Clone)]
pub(super) struct PlannedBroadcast {
    /// Its id.
    pub(super) id: String,
    /// The place of its template.
    pub(super) template: usize,
    /// The place of its source.
    pub(super) source: usize,
    /// When its first message is sent, ms since 1970 UTC.
    pub(super) begins_ms: i64,
    /// How long it takes to send, ms.
    lasts_ms: i64,
    /// Messages in it.
    pub(super) messages: u64,
}

impl PlannedBroadcast {
    /// When its message of that number is sent, ms since 1970 UTC.
    pub(super) fn at_ms(&self, number: u64) -> i64 {
        let lasts = u64::try_from(self.lasts_ms).unwrap_or_default();
        let after = u128::from(lasts) * u128::from(number) / u128::from(self.messages.max(1));
        self.begins_ms + i64::try_from(after).unwrap_or_default()
    }
}

/// When what begins.
#[derive(Debug)]
pub(super) struct Calendar {
    pub(super) start_ms: i64,
    /// Single messages by slot and country.
    slots: Vec<[u32; COUNTRY_COUNT]>,
    pub(super) broadcasts: Vec<PlannedBroadcast>,
}

impl Calendar {
    /// The calendar of so many messages over that many days before `until_ms`, of that many sources.
    pub(super) fn new(
        seed: u64,
        (messages, days): (u64, u32),
        until_ms: i64,
        sources: &[u64],
    ) -> Self {
        let start_ms = until_ms - i64::from(days) * DAY_MS;
        let in_broadcasts = messages * IN_BROADCASTS / 100;
        Self {
            start_ms,
            slots: single(start_ms, until_ms, messages - in_broadcasts),
            broadcasts: broadcasts(seed, (start_ms, until_ms), in_broadcasts, sources),
        }
    }

    /// How many slots there are.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The slot of a time; `None` of one before or after all of them.
    pub(super) fn slot_of(&self, at_ms: i64) -> Option<usize> {
        let slot = usize::try_from((at_ms - self.start_ms).div_euclid(SLOT_MS)).ok();
        slot.filter(|slot| *slot < self.slots.len())
    }

    /// When a slot begins, ms since 1970 UTC.
    pub(super) fn begin_ms(&self, slot: usize) -> i64 {
        let slots = i64::try_from(slot).unwrap_or_default();
        self.start_ms + slots * SLOT_MS
    }

    /// Single messages that begin in a slot, by country.
    pub(super) fn single(&self, slot: usize) -> [u32; COUNTRY_COUNT] {
        self.slots.get(slot).copied().unwrap_or_default()
    }
}

/// The hour, and the day of the week from Monday on, of a time that is local already.
pub(super) fn hour_and_day(local_ms: i64) -> (usize, usize) {
    let hour = local_ms.rem_euclid(DAY_MS) / HOUR_MS;
    // 1970 began on a Thursday.
    let day = (local_ms.div_euclid(DAY_MS) + 3).rem_euclid(7);
    let place = |number| usize::try_from(number).unwrap_or_default();
    (place(hour), place(day))
}

/// How many single messages begin in each slot: the parts of a sum that is whole at its end.
fn single(start_ms: i64, until_ms: i64, messages: u64) -> Vec<[u32; COUNTRY_COUNT]> {
    let slots = (until_ms - start_ms) / SLOT_MS;
    let weight = |slot: i64, country: usize| {
        let local_ms = start_ms + slot * SLOT_MS + COUNTRIES[country].ahead_min * 60_000;
        let (hour, day) = hour_and_day(local_ms);
        COUNTRIES[country].weight * HOURS[hour] * DAYS[day]
    };
    let weights = |slot| (0..COUNTRY_COUNT).map(move |country| weight(slot, country));
    let total: u64 = (0..slots).flat_map(weights).sum();
    let part = |sum: u64| u128::from(sum) * u128::from(messages) / u128::from(total.max(1));
    let mut sum = 0;
    let counts = (0..slots).map(|slot| {
        let mut counts = [0; COUNTRY_COUNT];
        for (count, weight) in counts.iter_mut().zip(weights(slot)) {
            let before = part(sum);
            sum += weight;
            *count = u32::try_from(part(sum) - before).unwrap_or(u32::MAX);
        }
        counts
    });
    counts.collect()
}

/// One broadcast every so often, in the daytime, of the templates that are for many.
fn broadcasts(
    seed: u64,
    (start_ms, until_ms): (i64, i64),
    messages: u64,
    sources: &[u64],
) -> Vec<PlannedBroadcast> {
    let bulk: Vec<usize> = (0..TEMPLATES.len())
        .filter(|place| TEMPLATES[*place].is_bulk)
        .collect();
    let mut dice = Dice::of(seed, 1, 0);
    let sizes: Vec<u64> = (0..BROADCASTS).map(|_| 2 + dice.below(9)).collect();
    let total: u64 = sizes.iter().sum();
    let mut sum = 0;
    let mut planned = Vec::new();
    let heaviest = (0..sources.len()).max_by_key(|place| (sources[*place], sources.len() - place));
    for (place, (number, size)) in (0_i64..).zip(&sizes).enumerate() {
        let drawn = (
            bulk[dice.place(bulk.len())],
            dice.weighted(sources.iter().copied()),
        );
        let (template, source) = match place {
            PAUSED_BROADCAST => (PAUSED, heaviest.unwrap_or_default()),
            WRONG_BROADCAST => (WRONG, drawn.1),
            _ => drawn,
        };
        let lasts_ms = 20 * 60_000 + dice.ms(40 * 60_000);
        let day_ms = start_ms + (until_ms - start_ms) * number / i64::from(BROADCASTS);
        let in_the_day_ms = 8 * HOUR_MS + dice.ms(10 * HOUR_MS);
        let begins_ms = day_ms - day_ms.rem_euclid(DAY_MS) + in_the_day_ms;
        // Whole within history, with time for the reports of most messages.
        let latest_ms = until_ms - lasts_ms - HOUR_MS;
        let begins_ms = begins_ms.clamp(start_ms, latest_ms.max(start_ms));
        let before = messages * sum / total;
        sum += size;
        planned.push(PlannedBroadcast {
            id: format!("{}-{:02}", TEMPLATES[template].name, number + 1),
            template,
            source,
            begins_ms,
            lasts_ms,
            messages: messages * sum / total - before,
        });
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Monday.
    const UNTIL_MS: i64 = 1_784_505_600_000;

    #[test]
    fn every_message_begins_once_and_the_day_and_the_week_have_a_rhythm() {
        assert_eq!(hour_and_day(UNTIL_MS), (0, 0));
        let calendar = Calendar::new(7, (100_000, 28), UNTIL_MS, &[2, 1]);
        let in_broadcasts: u64 = calendar.broadcasts.iter().map(|it| it.messages).sum();
        let mut by_hour = [0_u64; 24];
        let mut by_day = [0_u64; 7];
        for slot in 0..calendar.slots() {
            let (hour, day) = hour_and_day(calendar.begin_ms(slot) + 60 * 60_000);
            let spain = u64::from(calendar.single(slot)[0]);
            by_hour[hour] += spain;
            by_day[day] += spain;
        }
        let single = (0..calendar.slots()).flat_map(|slot| calendar.single(slot));
        let single: u64 = single.map(u64::from).sum();
        assert_eq!(single + in_broadcasts, 100_000);
        assert_eq!(in_broadcasts, 45_000);
        assert!(by_hour[10] > 20 * by_hour[3].max(1), "{by_hour:?}");
        assert!(by_day[3] > 2 * by_day[6], "{by_day:?}");
        assert_eq!(
            calendar.broadcasts.len(),
            usize::try_from(BROADCASTS).unwrap()
        );
        for broadcast in &calendar.broadcasts {
            assert!(broadcast.begins_ms >= calendar.start_ms);
            assert!(broadcast.at_ms(broadcast.messages) < UNTIL_MS);
        }
    }
}
