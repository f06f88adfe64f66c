//! A subscriber is away, its breaker opens, a backlog grows; then it is back, and the backlog
//! drains while new webhooks come.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tickrelay::clock::monotonic_us;

use super::Durability;
use super::answer::{Row, count, mib, ms, per_second};
use super::figure;
use super::measure::Outcome;
use super::plan::{Needs, Scale};
use super::player::{Part, Played};
use super::process::Usage;
use super::scenario::{steady, subscribe, window};
use super::stage::{Bench, Stage};
use super::stored::{Filling, fill};

/// Webhooks a second, all the time but while the backlog is made.
const RATE: f64 = 200.0;
/// Seconds of the same without a backlog: about as long as a million takes to drain.
const CALM_S: u64 = 30;
/// Seconds before the outage, in which all is well.
const WELL_S: u64 = 2;
/// Seconds that the subscriber stays away once the backlog is there and the service was started
/// again: some of the breaker's probes fail, each twice as long after the one before.
const HOLD_S: u64 = 10;
/// How long the breaker may take to open: a few attempts, each refused at once.
const OPENS_WITHIN: Duration = Duration::from_secs(30);
/// How long the breaker may take to see that the subscriber is back: more than its longest
/// wait, of a minute and a tenth.
const NOTICES_WITHIN: Duration = Duration::from_secs(90);

pub(super) const fn needs(scale: &Scale) -> Needs {
    Needs::of_window(scale, CALM_S, 200)
        .and(Needs::of_window(scale, WELL_S, 200))
        .and(Needs::of_filling(scale.backlog))
        // Until the breaker has opened, failed a few times, and looked again.
        .and(Needs::wait(3 * scale.window_s(HOLD_S)))
        .and(Needs::of_draining(scale.backlog))
}

/// A backlog of forwards, then everything at once.
pub(super) fn run(bench: &Bench, durability: Durability) -> anyhow::Result<Vec<Row>> {
    let calm = calm(bench, durability)?;
    let mut stage = Stage::open(bench, durability)?;
    stage.subscribe("subscriber-0", "0")?;
    let outage = suffer(&mut stage)?;
    let recovery = recover(&mut stage, &outage)?;
    // Nothing was in the store when it began.
    let stored = stage.reports_after(0)?;
    let parts = [
        &outage.filled,
        &outage.meanwhile,
        &recovery.fresh,
        &outage.well,
    ];
    let outcomes = stage.outcomes(&parts, &[0])?;
    let mut row = Row::new("outage");
    row.acks(&recovery.played);
    row.forwards(&outcomes[2]);
    row.faults(&outcomes);
    row.set(figure::REFUSED, count(outage.refused + recovery.refused));
    let sent = outage.sent + recovery.sent;
    row.set(figure::UNSTORED, count(sent.saturating_sub(stored)));
    drained(&mut row, &outage, &recovery, &outcomes[..2]);
    let all = recovery.backlog + recovery.played.reports;
    row.usage(stage.idle, outage.before, recovery.after, all);
    row.set(figure::CALM_PEAK_MIB, mib(calm.peak));
    row.set(
        figure::BACKLOG_MIB,
        mib(recovery.after.peak) - mib(calm.peak),
    );
    row.note = format!(
        "the subscriber's process cuts its connections and closes its port; the breaker is open before it comes back. \
         The service is restarted once the backlog is there, so that its memory is that of a process which only \
         held and drained it: the breaker, which lives in memory, closes with that, finds the outage again and opens \
         again, and forwards stay as due as they were. A longer outage only has the breaker look less often, once a \
         minute at most, which lengthens `noticed`. forwards/s are those of the backlog, from the first arrival after \
         the return; acks, transit and reports/s those of the 200/s that came from then on until it was drained; \
         the worst two seconds had an ack p99 of {:.2} ms",
        row.get(figure::ACK_WORST_MS).unwrap_or_default()
    );
    Ok(vec![row])
}

/// What the same service uses under the same webhooks when there is no backlog.
fn calm(bench: &Bench, durability: Durability) -> anyhow::Result<Usage> {
    let mut stage = Stage::open(bench, durability)?;
    let shape = steady(RATE, CALM_S);
    subscribe(&stage, shape)?;
    window(&mut stage, "calm", shape)?;
    Ok(stage.service()?.usage())
}

/// An outage that is about to end.
struct Outage {
    /// What came before it.
    well: Part,
    /// What made the backlog, and what came while the new process held it.
    filled: Part,
    filled_reports: u64,
    meanwhile: Part,
    /// Reports of all that came before this process, and webhooks of it that were refused.
    sent: u64,
    refused: u64,
    begun_us: u64,
    /// Of the process that is to drain it, at its start.
    before: Usage,
}

/// From the time when all is well to a backlog behind an open breaker, beside [`RATE`].
fn suffer(stage: &mut Stage<'_>) -> anyhow::Result<Outage> {
    let well = Part {
        rate: Some(RATE),
        seconds: stage.bench.seconds(WELL_S),
        ..stage.part()?
    };
    let played = stage.play(&well)?;
    stage.drain(&well, played.reports)?;
    stage.leave()?;
    let begun_us = monotonic_us();
    let filled = fill(
        stage,
        Filling {
            reports: stage.bench.scale.backlog,
            ..Filling::default()
        },
    )?;
    await_breaker(stage)?;
    stage.restart()?;
    let before = stage.service()?.usage();
    let meanwhile = Part {
        rate: Some(RATE),
        ..stage.part()?
    };
    stage.begin(&meanwhile)?;
    let restarted = Instant::now();
    await_breaker(stage)?;
    let hold = Duration::from_secs_f64(stage.bench.seconds(HOLD_S));
    std::thread::sleep(hold.saturating_sub(restarted.elapsed()));
    Ok(Outage {
        well,
        sent: played.distinct + filled.played.distinct,
        refused: played.unaccepted(),
        filled: filled.part,
        filled_reports: filled.played.reports,
        meanwhile,
        begun_us,
        before,
    })
}

/// Waits until the subscriber's breaker is open.
fn await_breaker(stage: &Stage<'_>) -> anyhow::Result<()> {
    let series = "tickrelay_breaker_open{subscriber=\"subscriber-0\"}";
    let begun = Instant::now();
    while stage.service()?.metric(series)? < 1.0 {
        ensure!(
            begun.elapsed() < OPENS_WITHIN,
            "the breaker did not open within {OPENS_WITHIN:?}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// What came after the return.
struct Recovery {
    returned_us: u64,
    /// What came from the first arrival on, until the backlog was drained.
    fresh: Part,
    played: Played,
    /// Of all webhooks since the service was restarted.
    refused: u64,
    /// Reports in them.
    sent: u64,
    /// Forwards that waited.
    backlog: u64,
    after: Usage,
}

/// The subscriber is back: until the backlog and all that came meanwhile has arrived.
fn recover(stage: &mut Stage<'_>, outage: &Outage) -> anyhow::Result<Recovery> {
    let fresh = Part {
        rate: Some(RATE),
        ..stage.part()?
    };
    let returned_us = stage.come_back()?;
    let first = stage.await_first(&outage.filled, NOTICES_WITHIN);
    // From here on, so that quiet seconds before it do not flatter the acks.
    let meanwhile = stage.finish()?;
    first?;
    stage.begin(&fresh)?;
    let drained = stage
        .drain(&outage.filled, outage.filled_reports)
        .and_then(|()| stage.drain(&outage.meanwhile, meanwhile.reports));
    let played = stage.finish()?;
    drained?;
    stage.drain(&fresh, played.reports)?;
    Ok(Recovery {
        returned_us,
        refused: meanwhile.unaccepted() + played.unaccepted(),
        sent: meanwhile.distinct + played.distinct,
        backlog: outage.filled_reports + meanwhile.reports,
        fresh,
        played,
        after: stage.service()?.usage(),
    })
}

/// How the backlog arrived, by the subscriber's own log.
fn drained(row: &mut Row, outage: &Outage, recovery: &Recovery, backlog: &[Outcome]) {
    let returned_us = recovery.returned_us;
    let first_us = backlog.iter().map(|outcome| outcome.first_us).min();
    let first_us = first_us.unwrap_or(returned_us);
    let last_us = backlog.iter().map(|outcome| outcome.last_us).max();
    let seconds = |from: u64, to: u64| ms(to.saturating_sub(from)) / 1000.0;
    let took = seconds(first_us, last_us.unwrap_or(first_us));
    row.set(figure::BACKLOG, count(recovery.backlog));
    row.set(figure::OUTAGE_S, seconds(outage.begun_us, returned_us));
    row.set(figure::NOTICED_S, seconds(returned_us, first_us));
    row.set(figure::DRAINED_S, took);
    let arrived = backlog.iter().map(|outcome| outcome.forwards).sum();
    row.set(figure::FORWARDS_PER_S, per_second(arrived, took));
}
