//! What is to be reached, P1 to P12, as data, and whether it was.
//!
//! Everything holds with `durability = "full"`, on two cores that generator and subscribers
//! share.

use super::answer::Row;
use super::figure::{self, Figure};

/// One condition of a target: figures of a scenario, and what is wanted of them.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) id: &'static str,
    pub(super) measure: &'static str,
    pub(super) scenario: &'static str,
    figures: &'static [Figure],
    pub(super) bound: Bound,
}

/// How figures are compared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    /// The median over the runs is at least this.
    AtLeast(f64),
    /// The median over the runs is at most this.
    AtMost(f64),
    /// Every run has at least this.
    Always(f64),
    /// It is 0 in every run.
    Never,
}

use Bound::{Always, AtLeast, AtMost, Never};

/// Whether a target was reached.
#[derive(Debug, PartialEq)]
pub(super) enum Settled {
    Reached(Sample),
    Missed(Sample),
    /// No run has this figure, or some run that should have it.
    NotMeasured(&'static str),
}

/// What is not to happen where nothing fails.
const FAULTS: &[Figure] = &[
    figure::REFUSED,
    figure::LOST,
    figure::UNSTORED,
    figure::REPEATED,
    figure::REORDERED,
];
/// What is left of it without a subscriber.
const INGEST_FAULTS: &[Figure] = &[figure::REFUSED, figure::LOST, figure::UNSTORED];
/// And where connections are cut: what was on its way may come again.
const OUTAGE_FAULTS: &[Figure] = &[
    figure::REFUSED,
    figure::LOST,
    figure::UNSTORED,
    figure::REORDERED,
];
/// And where the service is killed, so that webhooks break.
const KILL_FAULTS: &[Figure] = &[figure::LOST, figure::UNSTORED];

/// The slowest ready query that is asked of the running store.
const QUERY: &[Figure] = &[figure::SLOWEST_READY_MS];

/// The conditions, in the order of the page.
#[rustfmt::skip]
pub(super) const TARGETS: &[Target] = &[
    Target { id: "P1", measure: "received, stored and forwarded, saturated, one subscriber: reports/s", scenario: "closed-256", figures: &[figure::REPORTS_PER_S], bound: AtLeast(12_000.0) },
    Target { id: "P1", measure: "refused, lost, unstored, repeated, reordered", scenario: "closed-256", figures: FAULTS, bound: Never },
    Target { id: "P2", measure: "ingest alone, 256 connections: % of the raw group-commit floor", scenario: "ingest-256", figures: &[figure::FLOOR_PERCENT], bound: AtLeast(35.0) },
    Target { id: "P2", measure: "refused, lost, unstored", scenario: "ingest-256", figures: INGEST_FAULTS, bound: Never },
    Target { id: "P3", measure: "batches of 1000: reports/s stored", scenario: "batch-1000", figures: &[figure::REPORTS_PER_S], bound: AtLeast(40_000.0) },
    Target { id: "P3", measure: "refused, lost, unstored", scenario: "batch-1000", figures: INGEST_FAULTS, bound: Never },
    Target { id: "P4", measure: "3000/s, empty store: ack p50, ms", scenario: "open-3000", figures: &[figure::ACK_P50_MS], bound: AtMost(3.0) },
    Target { id: "P4", measure: "3000/s, empty store: ack p99, ms", scenario: "open-3000", figures: &[figure::ACK_P99_MS], bound: AtMost(20.0) },
    Target { id: "P4", measure: "3000/s, empty store: how long, s", scenario: "open-3000", figures: &[figure::WINDOW_S], bound: Always(60.0) },
    Target { id: "P4", measure: "3000/s, empty store: refused, lost, unstored, repeated, reordered", scenario: "open-3000", figures: FAULTS, bound: Never },
    Target { id: "P4", measure: "3000/s, filled store: ack p50, ms", scenario: "stored-3000", figures: &[figure::ACK_P50_MS], bound: AtMost(3.0) },
    Target { id: "P4", measure: "3000/s, filled store: ack p99, ms", scenario: "stored-3000", figures: &[figure::ACK_P99_MS], bound: AtMost(50.0) },
    Target { id: "P4", measure: "3000/s, filled store: how long, s", scenario: "stored-3000", figures: &[figure::WINDOW_S], bound: Always(60.0) },
    Target { id: "P4", measure: "3000/s, filled store: refused, lost, unstored, repeated, reordered", scenario: "stored-3000", figures: FAULTS, bound: Never },
    Target { id: "P4", measure: "filled store: reports in it", scenario: "stored-3000", figures: &[figure::STORED], bound: Always(5_000_000.0) },
    Target { id: "P5", measure: "200/s: receive to subscriber p50, ms", scenario: "open-200", figures: &[figure::TRANSIT_P50_MS], bound: AtMost(1.5) },
    Target { id: "P5", measure: "200/s: receive to subscriber p99, ms", scenario: "open-200", figures: &[figure::TRANSIT_P99_MS], bound: AtMost(5.0) },
    Target { id: "P5", measure: "refused, lost, unstored, repeated, reordered", scenario: "open-200", figures: FAULTS, bound: Never },
    Target { id: "P6", measure: "as P1 on the filled store: reports/s", scenario: "stored-256", figures: &[figure::REPORTS_PER_S], bound: AtLeast(8_000.0) },
    Target { id: "P6", measure: "filled store: reports in it", scenario: "stored-256", figures: &[figure::STORED], bound: Always(5_000_000.0) },
    Target { id: "P6", measure: "refused, lost, unstored, repeated, reordered", scenario: "stored-256", figures: FAULTS, bound: Never },
    Target { id: "P7", measure: "resident memory, idle: MiB", scenario: "closed-256", figures: &[figure::IDLE_MIB], bound: AtMost(16.0) },
    Target { id: "P7", measure: "resident memory at P1: MiB", scenario: "closed-256", figures: &[figure::PEAK_MIB], bound: AtMost(90.0) },
    Target { id: "P7", measure: "resident memory that a backlog adds: MiB", scenario: "outage", figures: &[figure::BACKLOG_MIB], bound: AtMost(30.0) },
    Target { id: "P8", measure: "one of ten hanging: the others' median p99, ratio", scenario: "hanging", figures: &[figure::OTHERS_RATIO], bound: AtMost(1.2) },
    Target { id: "P8", measure: "pairs of windows", scenario: "hanging", figures: &[figure::PAIRS], bound: Always(10.0) },
    Target { id: "P8", measure: "attempts that had timed out in each window", scenario: "hanging", figures: &[figure::TIMEOUTS], bound: Always(1.0) },
    Target { id: "P8", measure: "refused, lost, unstored, repeated, reordered", scenario: "hanging", figures: FAULTS, bound: Never },
    Target { id: "P9", measure: "backlog after an outage: forwards in it", scenario: "outage", figures: &[figure::BACKLOG], bound: Always(1_000_000.0) },
    Target { id: "P9", measure: "backlog after an outage: drained per second", scenario: "outage", figures: &[figure::FORWARDS_PER_S], bound: AtLeast(5_000.0) },
    Target { id: "P9", measure: "ack p99 of the 200/s that come meanwhile, ms", scenario: "outage", figures: &[figure::ACK_P99_MS], bound: AtMost(20.0) },
    Target { id: "P9", measure: "refused, lost, unstored, reordered", scenario: "outage", figures: OUTAGE_FAULTS, bound: Never },
    Target { id: "P10", measure: "ready after a clean stop, ms", scenario: "ready", figures: &[figure::READY_CLEAN_MS], bound: AtMost(1_000.0) },
    Target { id: "P10", measure: "ready after `kill -9` under load, ms", scenario: "ready", figures: &[figure::READY_KILLED_MS], bound: AtMost(1_000.0) },
    Target { id: "P10", measure: "the store's file, MB", scenario: "ready", figures: &[figure::STORE_MB], bound: Always(5_000.0) },
    Target { id: "P10", measure: "lost by the kills, unstored", scenario: "ready", figures: KILL_FAULTS, bound: Never },
    Target { id: "P11", measure: "a reading transaction left open: WAL within its limit, or the reader named", scenario: "pinned", figures: &[figure::WAL_HELD], bound: Always(1.0) },
    Target { id: "P11", measure: "ack p99 meanwhile, ms", scenario: "pinned", figures: &[figure::ACK_P99_MS], bound: AtMost(100.0) },
    Target { id: "P11", measure: "how long it was left open, s", scenario: "pinned", figures: &[figure::WINDOW_S], bound: Always(600.0) },
    Target { id: "P11", measure: "refused, lost, unstored, repeated, reordered", scenario: "pinned", figures: FAULTS, bound: Never },
    Target { id: "P12", measure: "filled store: reports in it", scenario: "queries", figures: &[figure::STORED], bound: Always(5_000_000.0) },
    Target { id: "P12", measure: "refused, lost, unstored, repeated, reordered", scenario: "queries", figures: FAULTS, bound: Never },
    Target { id: "P12", measure: "the slowest ready query that is not for a copy, beside 3000/s on the filled store, ms", scenario: "queries", figures: QUERY, bound: AtMost(1_000.0) },
];

/// The runs of one figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Sample {
    /// Of the runs that have it; `None` when none has.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_unstable_by(f64::total_cmp);
        let (low, high) = (*values.first()?, *values.last()?);
        let (upper, lower) = (values[values.len() / 2], values[(values.len() - 1) / 2]);
        Some(Self {
            median: f64::midpoint(lower, upper),
            low,
            high,
        })
    }
}

impl Target {
    /// Digits behind the point that its figures are shown with.
    pub(super) fn digits(&self) -> usize {
        self.figures.first().map_or(0, |figure| figure.digits)
    }

    /// Of all runs with `durability = "full"`.
    pub(super) fn judge(&self, rows: &[&Row]) -> Settled {
        let mut worst: Option<Sample> = None;
        for figure in self.figures {
            let runs = rows.iter().filter(|row| row.scenario == self.scenario);
            let values: Option<Vec<f64>> = runs.map(|row| row.get(*figure)).collect();
            let Some(sample) = values.and_then(|values| Sample::of(values.into_iter())) else {
                return Settled::NotMeasured(figure.title);
            };
            if !self.bound.is_met(sample) {
                return Settled::Missed(sample);
            }
            worst = worst
                .filter(|worst| worst.high >= sample.high)
                .or(Some(sample));
        }
        worst.map_or(Settled::NotMeasured(self.measure), Settled::Reached)
    }
}

impl Bound {
    fn is_met(self, sample: Sample) -> bool {
        match self {
            AtLeast(bound) => sample.median >= bound,
            AtMost(bound) => sample.median <= bound,
            Always(bound) => sample.low >= bound,
            Never => sample.high <= 0.0,
        }
    }

    pub(super) fn describe(self) -> String {
        match self {
            AtLeast(bound) => format!(">= {bound}"),
            AtMost(bound) => format!("<= {bound}"),
            Always(bound) => format!(">= {bound} in every run"),
            Never => "0 in every run".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(bound: Bound, runs: &[&[(Figure, f64)]]) -> Settled {
        let runs: Vec<Row> = runs
            .iter()
            .map(|figures| {
                let mut row = Row::new("a");
                for (figure, value) in *figures {
                    row.set(*figure, *value);
                }
                row
            })
            .collect();
        let figures = match bound {
            Never => KILL_FAULTS,
            _ => &[figure::LOST],
        };
        let target = Target {
            id: "P1",
            measure: "a",
            scenario: "a",
            figures,
            bound,
        };
        target.judge(&runs.iter().collect::<Vec<_>>())
    }

    #[test]
    fn the_median_decides_but_what_is_asked_of_every_run_is() {
        let check = |bound, values: &[f64]| {
            let runs: Vec<_> = values
                .iter()
                .map(|value| vec![(figure::LOST, *value)])
                .collect();
            let runs: Vec<&[_]> = runs.iter().map(Vec::as_slice).collect();
            matches!(settled(bound, &runs), Settled::Reached(_))
        };
        assert!(check(AtLeast(10.0), &[4.0, 30.0, 10.0]));
        assert!(!check(AtLeast(10.0), &[4.0, 15.0]));
        assert!(check(AtMost(10.0), &[4.0, 30.0, 10.0]));
        assert!(!check(AtMost(10.0), &[11.0]));
        assert!(check(Always(10.0), &[10.0, 11.0]));
        assert!(!check(Always(10.0), &[11.0, 9.0, 12.0]));
    }

    #[test]
    fn a_fault_counts_in_any_run_and_none_is_taken_for_granted() {
        let lost = |lost| [(figure::LOST, lost), (figure::UNSTORED, 0.0)];
        let well = settled(Never, &[&lost(0.0), &lost(0.0)]);
        assert!(matches!(well, Settled::Reached(_)), "{well:?}");
        let Settled::Missed(sample) = settled(Never, &[&lost(0.0), &lost(3.0), &lost(2.0)]) else {
            panic!("three were lost");
        };
        assert!((sample.high - 3.0).abs() < f64::EPSILON);
        let unknown = settled(Never, &[&lost(0.0), &[(figure::LOST, 0.0)]]);
        assert_eq!(unknown, Settled::NotMeasured("unstored"));
        assert_eq!(settled(Never, &[]), Settled::NotMeasured("lost"));
    }

    #[test]
    fn every_number_has_a_target() {
        for number in 1..=12 {
            let id = format!("P{number}");
            assert!(TARGETS.iter().any(|target| target.id == id), "{id}");
        }
    }
}
