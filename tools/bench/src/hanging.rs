//! Nine subscribers that are well, a tenth that hangs or does not: what it costs the nine.

use super::Durability;
use super::answer::{Row, count, ms};
use super::figure;
use super::measure::Outcome;
use super::plan::{Needs, Scale};
use super::player::Part;
use super::stage::{Bench, Stage};
use super::targets::Sample;
use tickrelay::model::{NewSubscriber, Span};

/// Subscribers that are well in every window.
const WELL: u64 = 9;
/// Where the tenth is called when it is well: the first number after theirs.
const TENTH: &str = "9";
/// The tenth's own timeout, whether it hangs or not: a tenth of a window, so that attempts do not
/// only hang but time out, and what follows on that (the record, the breaker, its probes) falls
/// within the window too.
const TIMEOUT_MS: u32 = 1_000;

const fn pairs(scale: &Scale) -> u64 {
    if scale.quick { 2 } else { 10 }
}

pub(super) const fn needs(scale: &Scale) -> Needs {
    Needs::of_window(scale, 10, 200 * (WELL + 1)).times(2 * pairs(scale))
}

/// Pairs of windows, the tenth subscriber well in one and hanging in the other.
pub(super) fn run(bench: &Bench, durability: Durability) -> anyhow::Result<Vec<Row>> {
    let pairs = pairs(&bench.scale);
    let mut stage = Stage::open(bench, durability)?;
    for number in 0..WELL {
        stage.subscribe(&format!("subscriber-{number}"), &number.to_string())?;
    }
    let mut windows = Windows::default();
    for pair in 0..pairs {
        // The order changes from pair to pair, so that what grows with time falls on both.
        for hangs in [pair % 2 == 0, pair % 2 != 0] {
            windows.add(&mut stage, &format!("tenth-{pair}-{hangs}"), hangs)?;
        }
    }
    let mut row = Row::new("hanging");
    row.set(figure::PAIRS, count(pairs));
    let fewest = windows.timeouts.iter().copied().min_by(f64::total_cmp);
    row.set(figure::TIMEOUTS, fewest.unwrap_or_default());
    row.set(figure::REFUSED, count(windows.refused));
    let stored = stage.reports_after(0)?;
    row.set(figure::UNSTORED, count(windows.sent.saturating_sub(stored)));
    row.faults(&windows.outcomes);
    let [well, hung] = windows.p99.map(|p99| Sample::of(p99.into_iter()));
    if let Some((well, hung)) = well.zip(hung) {
        row.set(figure::OTHERS_WELL_MS, well.median);
        row.set(figure::OTHERS_HUNG_MS, hung.median);
        row.set(
            figure::OTHERS_RATIO,
            hung.median / well.median.max(f64::EPSILON),
        );
        row.note = format!(
            "the others' p99 lay between {:.2} and {:.2} ms beside a well one, \
             {:.2} and {:.2} ms beside a hanging one, whose attempts time out after {} s: those in \
             flight together, then the breaker's probes",
            well.low,
            well.high,
            hung.low,
            hung.high,
            TIMEOUT_MS / 1000
        );
    }
    Ok(vec![row])
}

/// What came of the windows so far.
#[derive(Default)]
struct Windows {
    /// Of the nine, beside a well tenth and beside a hanging one, ms.
    p99: [Vec<f64>; 2],
    /// Of the nine, and of the tenth while it is well.
    outcomes: Vec<Outcome>,
    /// Reports that were acknowledged, webhooks that were not.
    sent: u64,
    refused: u64,
    /// Attempts that had timed out when a window with a hanging tenth ended.
    timeouts: Vec<f64>,
}

impl Windows {
    fn add(&mut self, stage: &mut Stage<'_>, name: &str, hangs: bool) -> anyhow::Result<()> {
        let new = NewSubscriber {
            timeout: Some(Span::from(TIMEOUT_MS)),
            ..stage.subscriber(name, if hangs { "hang" } else { TENTH })
        };
        stage.ask("POST", "/subscribers", &serde_json::to_string(&new)?)?;
        let part = Part {
            rate: Some(200.0),
            ..stage.part()?
        };
        let played = stage.play(&part)?;
        if hangs {
            let labels = format!("subscriber=\"{name}\",outcome=\"timeout\"");
            let series = format!("tickrelay_attempts_total{{{labels}}}");
            self.timeouts.push(stage.service()?.metric(&series)?);
        }
        stage.drain(&part, played.distinct * (WELL + u64::from(!hangs)))?;
        let taken = stage.taken()?;
        stage.ask("DELETE", &format!("/subscribers/{name}"), "")?;
        let others: Vec<u64> = (0..WELL).collect();
        let outcome = part.outcome(&taken, &others)?;
        self.p99[usize::from(hangs)].push(ms(outcome.transit_p99));
        self.outcomes.push(outcome);
        if !hangs {
            self.outcomes.push(part.outcome(&taken, &[WELL])?);
        }
        self.sent += played.distinct;
        self.refused += played.unaccepted();
        Ok(())
    }
}
