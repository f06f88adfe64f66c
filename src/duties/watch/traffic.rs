//! What came in lately, in steps of ten minutes, and what may be said of it: that a source is
//! silent for longer than usual, that an error jumped.
//!
//! Pure: counts in, judgements out. The counts are kept for eight days, so that the weekend
//! before is among what is usual.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::store::watching::{Count, Counted};

/// The length of a step, ms.
pub(super) const STEP_MS: i64 = 10 * 60_000;
/// How long counts are kept, ms.
const KEPT_MS: i64 = 8 * DAY_MS;
const DAY_MS: i64 = 24 * 3_600_000;
/// An error below this share of the reports, in a hundred, has not jumped.
const LEAST_PERCENT: u64 = 1;

/// Counts by what was counted, then by the beginning of the step.
///
/// Only steps of the last eight days by the clock are judged. After a jump of the clock all
/// others are kept for a day, since the clock may come back.
#[derive(Debug, Clone, Default)]
pub(super) struct Traffic {
    counts: BTreeMap<(Counted, String), BTreeMap<i64, u64>>,
    /// What the clock showed when it had jumped.
    jumped_ms: Option<i64>,
}

/// When an error counts as jumped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jump {
    /// This many failures at least.
    pub(super) least: u64,
    /// This many times the share it had the day before.
    pub(super) factor: u64,
}

/// How an error fares: failures and reports of the last ten to twenty minutes, and of the 24
/// hours before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct UsualRate {
    pub(super) failures: u64,
    pub(super) reports: u64,
    pub(super) failures_before: u64,
    pub(super) reports_before: u64,
}

impl UsualRate {
    /// Whether it jumped: there are enough failures, they are a share worth a word, and that
    /// share is so many times what it was. A store without a day before it judges nothing.
    pub(super) const fn has_jumped(self, jump: Jump) -> bool {
        let share_now = self.failures.saturating_mul(self.reports_before);
        let share_before = self.failures_before.saturating_mul(self.reports);
        self.failures >= jump.least
            && self.reports_before > 0
            && self.failures.saturating_mul(100) >= self.reports.saturating_mul(LEAST_PERCENT)
            && share_now >= share_before.saturating_mul(jump.factor)
    }
}

impl Jump {
    /// What ends it: half of what began it, so that it does not come and go.
    pub(super) const fn half(self) -> Self {
        Self {
            least: self.least.div_ceil(2),
            factor: self.factor.div_ceil(2),
        }
    }
}

impl Traffic {
    /// Adds what was stored. The newest of it shows whether the clock has jumped since.
    pub(super) fn restore(&mut self, counts: Vec<Count>, now_ms: i64) {
        if let Some(newest_ms) = counts.iter().map(|count| count.begins_at_ms).max() {
            self.follow_clock(newest_ms, now_ms);
        }
        for Count {
            begins_at_ms,
            what,
            subject,
            count,
        } in counts
        {
            let steps = self.counts.entry((what, subject)).or_default();
            steps.insert(begins_at_ms, count);
        }
    }

    /// Notes a jump of the clock, which showed `before_ms` a few steps ago at most.
    pub(super) fn follow_clock(&mut self, before_ms: i64, now_ms: i64) {
        if now_ms < before_ms - STEP_MS || now_ms > before_ms.saturating_add(DAY_MS) {
            self.jumped_ms = Some(now_ms);
        }
    }

    /// Whether the clock jumped within a day.
    fn has_jumped_lately(&self, now_ms: i64) -> bool {
        let jumped = |jumped_ms: i64| (jumped_ms..jumped_ms + DAY_MS).contains(&now_ms);
        self.jumped_ms.is_some_and(jumped)
    }

    /// Adds what came in; returns the count of that step, to be stored.
    pub(super) fn add(&mut self, what: Counted, subject: &str, more: u64, now_ms: i64) -> Count {
        let begins_at_ms = step(now_ms);
        let steps = self.counts.entry((what, subject.to_owned())).or_default();
        let count = steps.entry(begins_at_ms).or_default();
        *count += more;
        Count {
            begins_at_ms,
            what,
            subject: subject.to_owned(),
            count: *count,
        }
    }

    /// Forgets what is too old to say what is usual, and what a clock that was ahead has
    /// counted; returns the steps that are kept, by their beginnings.
    pub(super) fn forget(&mut self, now_ms: i64) -> Range<i64> {
        if self.has_jumped_lately(now_ms) {
            return i64::MIN..i64::MAX;
        }
        let kept = judged(now_ms);
        self.counts.retain(|_, steps| {
            steps.retain(|begins_at_ms, _| kept.contains(begins_at_ms));
            !steps.is_empty()
        });
        kept
    }

    /// Of what something was counted.
    pub(super) fn subjects(&self, what: Counted) -> impl Iterator<Item = &str> {
        let of_what = self
            .counts
            .keys()
            .filter(move |(counted, _)| *counted == what);
        of_what.map(|(_, subject)| subject.as_str())
    }

    /// For how long the source has been silent, ms, when that is longer than usual: longer than
    /// `least`, and than `factor` times its longest silence of the last eight days. `None` too
    /// while it has been known for less than a day, when nothing is usual yet.
    pub(super) fn silent_ms(
        &self,
        source: &str,
        now_ms: i64,
        least: Duration,
        factor: u32,
    ) -> Option<i64> {
        let steps = self.counts.get(&(Counted::Webhooks, source.to_owned()))?;
        let steps: Vec<i64> = steps
            .range(judged(now_ms))
            .map(|(at_ms, _)| *at_ms)
            .collect();
        let (first_ms, latest_ms) = (*steps.first()?, *steps.last()?);
        if latest_ms - first_ms < DAY_MS {
            return None;
        }
        let gaps = steps.iter().zip(steps.iter().skip(1));
        let longest_ms = gaps.map(|(one, next)| next - one - STEP_MS).max()?;
        let floor_ms = i64::try_from(least.as_millis()).unwrap_or(i64::MAX);
        let usual_ms = longest_ms.saturating_mul(i64::from(factor)).max(floor_ms);
        // While the clock jumped, no source was silent.
        let awake_ms = self.jumped_ms.filter(|jumped_ms| *jumped_ms <= now_ms);
        let active_ms = (latest_ms + STEP_MS).max(awake_ms.unwrap_or(i64::MIN));
        let silent_ms = now_ms - active_ms;
        (silent_ms > usual_ms).then_some(silent_ms)
    }

    /// How an error fares.
    pub(super) fn rate(&self, error_key: &str, now_ms: i64) -> UsualRate {
        let now = lately(now_ms);
        let before = now.start - DAY_MS..now.start;
        UsualRate {
            failures: self.sum(Counted::Failures, error_key, now.clone()),
            reports: self.sum(Counted::Reports, "", now),
            failures_before: self.sum(Counted::Failures, error_key, before.clone()),
            reports_before: self.sum(Counted::Reports, "", before),
        }
    }

    /// What could not be read of the source's webhooks, in the last ten to twenty minutes.
    pub(super) fn unreadable(&self, source: &str, now_ms: i64) -> u64 {
        self.sum(Counted::Unreadable, source, lately(now_ms))
    }

    fn sum(&self, what: Counted, subject: &str, when: Range<i64>) -> u64 {
        let steps = self.counts.get(&(what, subject.to_owned()));
        steps.map_or(0, |steps| steps.range(when).map(|(_, count)| count).sum())
    }
}

const fn step(now_ms: i64) -> i64 {
    now_ms - now_ms.rem_euclid(STEP_MS)
}

/// The steps of the last ten to twenty minutes.
const fn lately(now_ms: i64) -> Range<i64> {
    step(now_ms) - STEP_MS..step(now_ms) + STEP_MS
}

/// The steps that say what is usual.
const fn judged(now_ms: i64) -> Range<i64> {
    step(now_ms - KEPT_MS)..step(now_ms) + STEP_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    const NOW_MS: i64 = 20 * DAY_MS;
    const JUMP: Jump = Jump {
        least: 20,
        factor: 5,
    };

    fn silent(sent_hours_ago: &[i64], expected_hours: Option<i64>) {
        let mut traffic = Traffic::default();
        for hours in sent_hours_ago {
            traffic.add(Counted::Webhooks, "acme", 1, NOW_MS - hours * HOUR_MS);
        }
        let hour = Duration::from_hours(1);
        let silent_ms = traffic.silent_ms("acme", NOW_MS, hour, 2);
        let hours = silent_ms.map(|ms| (ms + STEP_MS) / HOUR_MS);
        assert_eq!(hours, expected_hours, "{sent_hours_ago:?}");
    }

    #[test]
    fn a_source_is_silent_after_twice_its_longest_silence_of_the_last_days() {
        silent(&[], None);
        // Known for less than a day.
        silent(&[20, 4], None);
        // Its night of ten hours is usual, two of them are not.
        silent(&[49, 39, 29, 19], None);
        silent(&[61, 51, 41, 31, 21], Some(21));
        silent(&[9, 20, 33], None);
        // One that sends all the time may be silent for an hour.
        let steady: Vec<i64> = (2..40).collect();
        silent(&steady, Some(2));
        let steady: Vec<i64> = (1..40).collect();
        silent(&steady, None);
    }

    #[test]
    fn what_was_usual_is_forgotten_after_eight_days() {
        let mut traffic = Traffic::default();
        for hours in [9 * 24, 40, 30, 5] {
            traffic.add(Counted::Webhooks, "acme", 1, NOW_MS - hours * HOUR_MS);
        }
        traffic.forget(NOW_MS);
        let steps = &traffic.counts[&(Counted::Webhooks, "acme".to_owned())];
        assert_eq!(steps.len(), 3);
        traffic.forget(NOW_MS + KEPT_MS + DAY_MS);
        assert_eq!(traffic.subjects(Counted::Webhooks).count(), 0);
    }

    #[test]
    fn an_error_jumps_when_it_is_many_times_the_share_it_was() {
        let rate = |failures, reports, failures_before, reports_before| UsualRate {
            failures,
            reports,
            failures_before,
            reports_before,
        };
        let cases = [
            (rate(20, 100, 0, 1000), true),
            // Too few, though all of them.
            (rate(19, 19, 0, 1000), false),
            // Five times the share, and not quite.
            (rate(50, 100, 100, 1000), true),
            (rate(49, 100, 100, 1000), false),
            // As bad as ever.
            (rate(500, 1000, 5000, 10_000), false),
            // Too small a share to speak of.
            (rate(20, 2001, 0, 100_000), false),
            // Nothing to compare it with.
            (rate(100, 100, 0, 0), false),
        ];
        for (rate, jumped) in cases {
            assert_eq!(rate.has_jumped(JUMP), jumped, "{rate:?}");
        }
        assert!(rate(30, 100, 100, 1000).has_jumped(JUMP.half()));
    }

    #[test]
    fn a_rate_is_of_the_last_steps_and_of_the_day_before_them() {
        let mut traffic = Traffic::default();
        let mut add = |what, subject: &str, count, ago_ms| {
            traffic.add(what, subject, count, NOW_MS - ago_ms);
        };
        add(Counted::Reports, "", 1, 0);
        add(Counted::Reports, "", 2, STEP_MS);
        add(Counted::Reports, "", 4, 2 * STEP_MS);
        add(Counted::Reports, "", 8, STEP_MS + DAY_MS);
        add(Counted::Reports, "", 16, 2 * STEP_MS + DAY_MS);
        add(Counted::Failures, "meta:1", 1, STEP_MS);
        add(Counted::Failures, "meta:2", 2, 0);
        add(Counted::Unreadable, "acme", 3, 0);
        let rate = traffic.rate("meta:1", NOW_MS);
        let expected = UsualRate {
            failures: 1,
            reports: 3,
            failures_before: 0,
            reports_before: 12,
        };
        assert_eq!(rate, expected);
        assert_eq!(traffic.unreadable("acme", NOW_MS), 3);
        assert_eq!(traffic.unreadable("acme", NOW_MS + 2 * STEP_MS), 0);
    }

    /// A source that sends every six hours for three days, then a jump by so many days, a webhook
    /// after it, an hour, and the way back; whether its traffic is as known as before.
    fn jump_and_back(days: i64) {
        let mut traffic = Traffic::default();
        let add = |traffic: &mut Traffic, at_ms: i64| {
            traffic.add(Counted::Webhooks, "acme", 1, at_ms);
            traffic.add(Counted::Reports, "", 10, at_ms);
        };
        for number in 0..12 {
            add(&mut traffic, NOW_MS - (12 - number) * 6 * HOUR_MS);
        }
        let before = traffic.rate("meta:1", NOW_MS);
        let hour = Duration::from_hours(1);
        let silent = |traffic: &Traffic, now_ms| traffic.silent_ms("acme", now_ms, hour, 2);
        let elsewhere_ms = NOW_MS + days * DAY_MS;
        traffic.follow_clock(NOW_MS, elsewhere_ms);
        for at_ms in [elsewhere_ms, elsewhere_ms + HOUR_MS] {
            add(&mut traffic, at_ms);
            traffic.forget(at_ms);
            assert_eq!(silent(&traffic, at_ms), None, "{days} days");
        }
        let back_ms = NOW_MS + HOUR_MS;
        traffic.follow_clock(elsewhere_ms + HOUR_MS, back_ms);
        traffic.forget(back_ms);
        assert_eq!(silent(&traffic, back_ms), None, "{days} days");
        let after = traffic.rate("meta:1", NOW_MS);
        if days > 0 {
            assert_eq!(after, before, "{days} days");
        } else {
            // What came while the clock was behind is counted where it said so.
            assert!(after.reports_before >= before.reports_before);
        }
        // It is missed in its time all the same: twice its six hours, by two hours more.
        let missed_ms = silent(&traffic, back_ms + 14 * HOUR_MS);
        assert_eq!(missed_ms, Some(14 * HOUR_MS), "{days} days");
        // A day later what another clock counted is forgotten.
        let kept = traffic.forget(back_ms + DAY_MS);
        assert!(!kept.contains(&(NOW_MS + 400 * DAY_MS)));
        let steps = &traffic.counts[&(Counted::Webhooks, "acme".to_owned())];
        assert!(steps.keys().all(|at_ms| kept.contains(at_ms)));
    }

    #[test]
    fn a_clock_that_jumps_and_comes_back_leaves_what_is_usual_as_it_was() {
        for days in [400, 2, -2, -400] {
            jump_and_back(days);
        }
    }
}
