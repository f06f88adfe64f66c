//! What was measured, as data: what `--json` writes, and `report` reads again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::figure::{self, Figure};
use super::floor::Floors;
use super::machine::Machine;
use super::measure::Outcome;
use super::player::Played;
use super::process::Usage;
use super::readers::is_for_a_copy;

/// Counts the changes of what figures mean: answers of an older form are not comparable, and
/// `report` refuses them.
pub(super) const INSTRUMENTS: u32 = 3;

/// Everything that one run measured.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) version: String,
    /// The [`INSTRUMENTS`] it was measured with; the first had no number.
    #[serde(default)]
    pub(super) instruments: u32,
    /// The day it began (UTC).
    pub(super) day: String,
    /// How the benchmark was called.
    pub(super) command: String,
    /// Whether windows were cut short: a look, not a measurement.
    pub(super) quick: bool,
    pub(super) machine: Machine,
    pub(super) floors: Vec<Floors>,
    pub(super) rows: Vec<Row>,
    /// Scenarios that could not be measured, and why.
    pub(super) failed: Vec<String>,
}

/// One run of a scenario, or of a part of it; figures that do not apply are not there.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) scenario: String,
    pub(super) durability: String,
    /// By their keys in [`figure`].
    pub(super) figures: BTreeMap<String, f64>,
    /// The slowest answer of each ready query, ms.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) queries_ms: BTreeMap<String, f64>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) note: String,
}

/// Microseconds as milliseconds.
#[expect(clippy::cast_precision_loss, reason = "there are not 2^52 µs")]
pub(super) fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "there are not 2^52 of anything")]
pub(super) fn count(count: u64) -> f64 {
    count as f64
}

/// Bytes as MiB.
pub(super) fn mib(bytes: u64) -> f64 {
    count(bytes) / f64::from(1 << 20)
}

pub(super) fn per_second(what: u64, seconds: f64) -> f64 {
    count(what) / seconds.max(0.001)
}

impl Row {
    pub(super) fn new(scenario: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn set(&mut self, figure: Figure, value: f64) {
        // What is smaller is noise, and makes files that nobody can read.
        let value = (value * 1000.0).round() / 1000.0;
        self.figures.insert(figure.key.to_owned(), value);
    }

    /// Adds to what is there.
    pub(super) fn add(&mut self, figure: Figure, value: f64) {
        self.set(figure, self.get(figure).unwrap_or_default() + value);
    }

    pub(super) fn get(&self, figure: Figure) -> Option<f64> {
        self.figures.get(figure.key).copied()
    }

    /// The slowest of the ready queries that a running store is asked.
    pub(super) fn slowest_ready(&mut self) {
        let asked = self
            .queries_ms
            .iter()
            .filter(|(name, _)| !is_for_a_copy(name));
        if let Some(slowest) = asked.map(|(_, ms)| *ms).max_by(f64::total_cmp) {
            self.set(figure::SLOWEST_READY_MS, slowest);
        }
    }

    pub(super) fn acks(&mut self, played: &Played) {
        self.set(figure::WINDOW_S, played.sent_s.round());
        self.set(figure::WEBHOOKS, count(played.accepted));
        self.set(figure::REPORTS, count(played.reports));
        let seconds = played.elapsed_s;
        self.set(figure::WEBHOOKS_PER_S, per_second(played.accepted, seconds));
        self.set(figure::REPORTS_PER_S, per_second(played.reports, seconds));
        self.set(figure::ACK_P50_MS, ms(played.ack_p50));
        self.set(figure::ACK_P99_MS, ms(played.ack_p99));
        self.set(figure::ACK_P999_MS, ms(played.ack_p999));
        self.set(figure::ACK_WORST_MS, ms(played.ack_worst));
        self.set(figure::REFUSED, count(played.unaccepted()));
    }

    /// What is in the store, of these that were acknowledged.
    pub(super) fn stored(&mut self, played: &Played, stored: u64) {
        let unstored = played.distinct.saturating_sub(stored);
        self.set(figure::UNSTORED, count(unstored));
    }

    /// What became of the reports, when there is no subscriber.
    pub(super) fn ingest(&mut self, played: &Played, stored: u64) {
        // The store may have some that were not acknowledged; they are not to be counted.
        let kept = stored.min(played.distinct);
        self.set(figure::REPORTS_PER_S, per_second(kept, played.elapsed_s));
        self.set(figure::LOST, count(played.distinct - kept));
    }

    /// What became of the reports, when there is a subscriber.
    pub(super) fn forwards(&mut self, outcome: &Outcome) {
        let forwards_per_s = per_second(outcome.forwards, ms(outcome.span_us) / 1000.0);
        let reports_per_s = forwards_per_s / count(outcome.subscribers.max(1));
        self.set(figure::FORWARDS_PER_S, forwards_per_s);
        self.set(figure::REPORTS_PER_S, reports_per_s);
        self.set(figure::TRANSIT_P50_MS, ms(outcome.transit_p50));
        self.set(figure::TRANSIT_P99_MS, ms(outcome.transit_p99));
        self.faults(std::slice::from_ref(outcome));
    }

    /// What went wrong with the forwards, in all parts together.
    pub(super) fn faults(&mut self, outcomes: &[Outcome]) {
        let sum = |of: fn(&Outcome) -> u64| count(outcomes.iter().map(of).sum());
        self.set(figure::LOST, sum(|outcome| outcome.lost));
        self.set(figure::REPEATED, sum(|outcome| outcome.repeated));
        self.set(figure::REORDERED, sum(|outcome| outcome.reordered));
    }

    pub(super) fn usage(&mut self, idle: Usage, before: Usage, after: Usage, reports: u64) {
        self.set(figure::IDLE_MIB, mib(idle.resident));
        self.set(figure::PEAK_MIB, mib(after.peak));
        if reports > 0 {
            let spent = after.cpu.saturating_sub(before.cpu).as_secs_f64();
            self.set(figure::CPU_S_PER_1000, 1000.0 * spent / count(reports));
        }
    }

    pub(super) fn disk(&mut self, bytes: u64) {
        if let Some(reports) = self.get(figure::REPORTS).filter(|reports| *reports > 0.0) {
            self.set(figure::DISK_PER_REPORT, count(bytes) / reports);
        }
    }

    /// What it is of what this machine could do at best; no more than what is in the store.
    pub(super) fn compare(&mut self, floors: &Floors) {
        let (webhooks, reports) = (self.get(figure::WEBHOOKS), self.get(figure::REPORTS));
        // The floor commits one small body for each webhook, so it says nothing about batches.
        if let (Some(reports), Some(per_s)) = (reports, self.get(figure::WEBHOOKS_PER_S))
            && webhooks == Some(reports)
        {
            let unstored = self.get(figure::UNSTORED).unwrap_or_default();
            let kept = 1.0 - (unstored / reports.max(1.0)).min(1.0);
            let percent = 100.0 * kept * per_s / floors.stored_per_s;
            self.set(figure::FLOOR_PERCENT, percent);
        }
        if let Some(forwards) = self.get(figure::FORWARDS_PER_S) {
            let percent = 100.0 * forwards / floors.posts_per_s;
            self.set(figure::CEILING_PERCENT, percent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_for_single_reports_that_are_in_the_store() {
        let floors = Floors {
            durability: "full".to_owned(),
            bare_per_s: 100_000.0,
            stored_per_s: 50_000.0,
            posts_per_s: 40_000.0,
        };
        let percent = |reports: f64, unstored: f64| {
            let mut row = Row::new("ingest");
            row.set(figure::WEBHOOKS, 1_000.0);
            row.set(figure::WEBHOOKS_PER_S, 20_000.0);
            row.set(figure::REPORTS, reports);
            row.set(figure::UNSTORED, unstored);
            row.compare(&floors);
            row.get(figure::FLOOR_PERCENT)
        };
        assert_eq!(percent(1_000.0, 0.0), Some(40.0));
        assert_eq!(percent(1_000.0, 750.0), Some(10.0));
        assert_eq!(percent(1_000.0, 1_000.0), Some(0.0));
        assert_eq!(percent(100_000.0, 0.0), None);
    }
}
