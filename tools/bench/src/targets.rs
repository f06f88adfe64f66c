//! What is to be reached, P1 to P12, as data, and whether it was.
//!
//! Everything holds with `durability = "full"`, on two cores that generator and subscribers
//! share.

use super::answer::Row;
use super::figure::{self, Figure};
use super::readers::is_for_a_copy;

/// One condition of a target.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) id: &'static str,
    pub(super) measure: &'static str,
    pub(super) shown_by: ShownBy,
}

/// Where the answer comes from.
#[derive(Debug)]
pub(super) enum ShownBy {
    /// A figure of a row.
    Row(&'static str, Figure, Bound),
    /// Figures of a row that are 0 in every run; it says nothing when one of them is not there.
    Nothing(&'static str, &'static [Figure]),
    /// The slowest ready query that is asked of the running store, ms.
    Queries(Bound),
    /// Tests, which fail when it does not hold, and what they measure.
    Tests {
        names: &'static [&'static str],
        measure: &'static str,
    },
}

/// How a figure is compared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    /// The median over the runs is at least this.
    AtLeast(f64),
    /// The median over the runs is at most this.
    AtMost(f64),
    /// Every run has at least this.
    Always(f64),
}

use Bound::{Always, AtLeast, AtMost};

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

const fn row(
    id: &'static str,
    measure: &'static str,
    scenario: &'static str,
    figure: Figure,
    bound: Bound,
) -> Target {
    Target {
        id,
        measure,
        shown_by: ShownBy::Row(scenario, figure, bound),
    }
}

const fn nothing(
    id: &'static str,
    measure: &'static str,
    scenario: &'static str,
    faults: &'static [Figure],
) -> Target {
    Target {
        id,
        measure,
        shown_by: ShownBy::Nothing(scenario, faults),
    }
}

/// The tests that hold a hostile client's part of the memory: huge bodies, idle connections and
/// endless heads, what is no HTTP, thousands of connections that each hold what they may; the
/// controls stand last.
const HOSTILE_CLIENTS: &[&str] = &[
    "faults::clients::many_huge_bodies_at_once_take_a_bounded_part_of_the_memory",
    "faults::clients::idle_connections_and_endless_heads_are_cut_and_hold_nobody_up",
    "faults::clients::what_is_no_http_is_never_answered_200_and_never_stored",
    "faults::connections::unfinished_heads_of_thousands_take_a_bounded_part_of_the_memory",
    "faults::connections::heads_of_many_headers_whose_bodies_never_come_are_bounded",
    "faults::connections::unfinished_bodies_of_thousands_are_bounded",
    "faults::connections::bodies_that_arrive_whole_and_are_refused_leave_nothing_behind",
    "faults::connections::answers_that_nobody_reads_are_bounded_and_so_is_what_is_sent_all_the_same",
    "faults::clients::a_larger_share_for_bodies_is_caught_by_the_same_measurement",
    "faults::clients::a_server_that_never_cuts_is_caught_by_the_same_clients",
    "faults::unbounded::a_server_without_the_bounds_is_caught_by_each_of_the_thousands",
];

/// The conditions, in the order of the page.
#[rustfmt::skip]
pub(super) const TARGETS: &[Target] = &[
    row("P1", "received, stored and forwarded, saturated, one subscriber: reports/s", "closed-256", figure::REPORTS_PER_S, AtLeast(12_000.0)),
    nothing("P1", "refused, lost, unstored, repeated, reordered", "closed-256", FAULTS),
    row("P2", "ingest alone, 256 connections: % of the raw group-commit floor", "ingest-256", figure::FLOOR_PERCENT, AtLeast(35.0)),
    nothing("P2", "refused, lost, unstored", "ingest-256", INGEST_FAULTS),
    row("P3", "batches of 1000: reports/s stored", "batch-1000", figure::REPORTS_PER_S, AtLeast(40_000.0)),
    nothing("P3", "refused, lost, unstored", "batch-1000", INGEST_FAULTS),
    row("P4", "3000/s, empty store: ack p50, ms", "open-3000", figure::ACK_P50_MS, AtMost(3.0)),
    row("P4", "3000/s, empty store: ack p99, ms", "open-3000", figure::ACK_P99_MS, AtMost(20.0)),
    row("P4", "3000/s, empty store: how long, s", "open-3000", figure::WINDOW_S, Always(60.0)),
    nothing("P4", "3000/s, empty store: refused, lost, unstored, repeated, reordered", "open-3000", FAULTS),
    row("P4", "3000/s, filled store: ack p50, ms", "stored-3000", figure::ACK_P50_MS, AtMost(3.0)),
    row("P4", "3000/s, filled store: ack p99, ms", "stored-3000", figure::ACK_P99_MS, AtMost(50.0)),
    row("P4", "3000/s, filled store: how long, s", "stored-3000", figure::WINDOW_S, Always(60.0)),
    nothing("P4", "3000/s, filled store: refused, lost, unstored, repeated, reordered", "stored-3000", FAULTS),
    row("P4", "filled store: reports in it", "stored-3000", figure::STORED, Always(5_000_000.0)),
    row("P5", "200/s: receive to subscriber p50, ms", "open-200", figure::TRANSIT_P50_MS, AtMost(1.5)),
    row("P5", "200/s: receive to subscriber p99, ms", "open-200", figure::TRANSIT_P99_MS, AtMost(5.0)),
    nothing("P5", "refused, lost, unstored, repeated, reordered", "open-200", FAULTS),
    row("P6", "as P1 on the filled store: reports/s", "stored-256", figure::REPORTS_PER_S, AtLeast(8_000.0)),
    row("P6", "filled store: reports in it", "stored-256", figure::STORED, Always(5_000_000.0)),
    nothing("P6", "refused, lost, unstored, repeated, reordered", "stored-256", FAULTS),
    row("P7", "resident memory, idle: MiB", "closed-256", figure::IDLE_MIB, AtMost(12.0)),
    row("P7", "resident memory at P1: MiB", "closed-256", figure::PEAK_MIB, AtMost(90.0)),
    row("P7", "resident memory that a backlog adds: MiB", "outage", figure::BACKLOG_MIB, AtMost(30.0)),
    Target {
        id: "P7",
        measure: "resident memory under every hostile client: <= 256 MiB",
        shown_by: ShownBy::Tests {
            names: HOSTILE_CLIENTS,
            measure: "each starts the true binary, in the profile the tests are built with, and reads that process's peak (`VmHWM`) when the clients are through; 10 000 connections are in the long form (`FAULTS=long`)",
        },
    },
    row("P8", "one of ten hanging: the others' median p99, ratio", "hanging", figure::OTHERS_RATIO, AtMost(1.2)),
    row("P8", "pairs of windows", "hanging", figure::PAIRS, Always(10.0)),
    row("P8", "attempts that had timed out in each window", "hanging", figure::TIMEOUTS, Always(1.0)),
    nothing("P8", "refused, lost, unstored, repeated, reordered", "hanging", FAULTS),
    row("P9", "backlog after an outage: forwards in it", "outage", figure::BACKLOG, Always(1_000_000.0)),
    row("P9", "backlog after an outage: drained per second", "outage", figure::FORWARDS_PER_S, AtLeast(5_000.0)),
    row("P9", "ack p99 of the 200/s that come meanwhile, ms", "outage", figure::ACK_P99_MS, AtMost(20.0)),
    nothing("P9", "refused, lost, unstored, reordered", "outage", OUTAGE_FAULTS),
    row("P10", "ready after a clean stop, ms", "ready", figure::READY_CLEAN_MS, AtMost(1_000.0)),
    row("P10", "ready after `kill -9` under load, ms", "ready", figure::READY_KILLED_MS, AtMost(1_000.0)),
    row("P10", "the store's file, MB", "ready", figure::STORE_MB, Always(5_000.0)),
    nothing("P10", "lost by the kills, unstored", "ready", KILL_FAULTS),
    row("P11", "a reading transaction left open: WAL within its limit, or the reader named", "pinned", figure::WAL_HELD, Always(1.0)),
    row("P11", "ack p99 meanwhile, ms", "pinned", figure::ACK_P99_MS, AtMost(100.0)),
    row("P11", "how long it was left open, s", "pinned", figure::WINDOW_S, Always(600.0)),
    nothing("P11", "refused, lost, unstored, repeated, reordered", "pinned", FAULTS),
    row("P12", "filled store: reports in it", "queries", figure::STORED, Always(5_000_000.0)),
    nothing("P12", "refused, lost, unstored, repeated, reordered", "queries", FAULTS),
    Target {
        id: "P12",
        measure: "the slowest ready query that is not for a copy, beside 3000/s on the filled store, ms",
        shown_by: ShownBy::Queries(AtMost(1_000.0)),
    },
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

    /// The slowest ready query of each run, those aside that are to be run on a copy.
    pub(super) fn of_queries<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Option<Self> {
        let slowest = |row: &Row| {
            let asked = row
                .queries_ms
                .iter()
                .filter(|(name, _)| !is_for_a_copy(name));
            asked.map(|(_, ms)| *ms).max_by(f64::total_cmp)
        };
        Self::of(rows.into_iter().filter_map(slowest))
    }

    /// That figure in the runs of that scenario.
    pub(super) fn in_rows<'a>(
        rows: impl IntoIterator<Item = &'a Row>,
        scenario: &str,
        figure: Figure,
    ) -> Option<Self> {
        let runs = rows.into_iter().filter(|row| row.scenario == scenario);
        Self::of(runs.filter_map(|row| row.get(figure)))
    }
}

/// Faults in the runs of one scenario.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Faults {
    /// Which there were, and how many in the worst run.
    pub(super) found: Vec<(&'static str, f64)>,
    /// Which were not looked for in some run.
    pub(super) unknown: Vec<&'static str>,
}

impl Faults {
    /// Of these kinds; `None` when there is no run.
    pub(super) fn in_rows<'a>(
        rows: impl IntoIterator<Item = &'a Row>,
        scenario: &str,
        kinds: &'static [Figure],
    ) -> Option<Self> {
        let rows = rows.into_iter().filter(|row| row.scenario == scenario);
        let runs: Vec<&Row> = rows.collect();
        let mut faults = Self::default();
        for kind in kinds {
            let counts = || runs.iter().map(|row| row.get(*kind));
            let worst = counts().flatten().fold(0.0, f64::max);
            if worst > 0.0 {
                faults.found.push((kind.title, worst));
            }
            if counts().any(|count| count.is_none()) {
                faults.unknown.push(kind.title);
            }
        }
        (!runs.is_empty()).then_some(faults)
    }
}

impl Bound {
    pub(super) fn is_met(self, sample: Sample) -> bool {
        match self {
            AtLeast(bound) => sample.median >= bound,
            AtMost(bound) => sample.median <= bound,
            Always(bound) => sample.low >= bound,
        }
    }

    pub(super) fn describe(self) -> String {
        match self {
            AtLeast(bound) => format!(">= {bound}"),
            AtMost(bound) => format!("<= {bound}"),
            Always(bound) => format!(">= {bound} in every run"),
        }
    }

    /// The median as a share of the bound.
    pub(super) fn closeness(self, sample: Sample) -> String {
        match self {
            AtLeast(bound) => format!("{:.0} % of what is asked", 100.0 * sample.median / bound),
            AtMost(bound) => format!("{:.0} % of what is allowed", 100.0 * sample.median / bound),
            Always(bound) => format!("{:.0} % of what is asked", 100.0 * sample.low / bound),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_decides_but_what_is_asked_of_every_run_is() {
        let sample = |values: &[f64]| Sample::of(values.iter().copied()).unwrap();
        assert!(AtLeast(10.0).is_met(sample(&[4.0, 30.0, 10.0])));
        assert!(!AtLeast(10.0).is_met(sample(&[4.0, 15.0])));
        assert!(AtMost(10.0).is_met(sample(&[4.0, 30.0, 10.0])));
        assert!(!AtMost(10.0).is_met(sample(&[11.0])));
        assert!(Always(10.0).is_met(sample(&[10.0, 11.0])));
        assert!(!Always(10.0).is_met(sample(&[11.0, 9.0, 12.0])));
        assert_eq!(Sample::of(std::iter::empty()), None);
    }

    #[test]
    fn a_fault_counts_in_any_run_and_none_is_taken_for_granted() {
        let run = |figures: &[(Figure, f64)]| {
            let mut row = Row::new("a");
            for (figure, value) in figures {
                row.set(*figure, *value);
            }
            row
        };
        let lost = |lost| run(&[(figure::LOST, lost), (figure::UNSTORED, 0.0)]);
        let faults = |rows: &[Row]| Faults::in_rows(rows, "a", KILL_FAULTS);
        assert_eq!(faults(&[]), None);
        assert_eq!(faults(&[lost(0.0), lost(0.0)]), Some(Faults::default()));
        let found = faults(&[lost(0.0), lost(3.0), lost(2.0)]).unwrap();
        assert_eq!(found.found, [("lost", 3.0)]);
        let unknown = faults(&[lost(0.0), run(&[(figure::LOST, 0.0)])]).unwrap();
        assert_eq!(unknown.unknown, ["unstored"]);
    }

    #[test]
    fn every_number_has_a_target() {
        for number in 1..=12 {
            let id = format!("P{number}");
            assert!(TARGETS.iter().any(|target| target.id == id), "{id}");
        }
    }
}
