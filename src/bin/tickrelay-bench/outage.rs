//! A subscriber is away, a backlog grows; then it drains while new webhooks come.

use std::time::Instant;

use tickrelay::operations::Request;

use super::Durability;
use super::answer::{Row, count, mib, per_second};
use super::figure;
use super::player::Part;
use super::stage::{Bench, Stage};
use super::stored::{Filling, fill};

/// A backlog of forwards, then everything at once.
///
/// The service is started anew in between, so that the memory that counts is that of a process
/// which did nothing but drain.
pub(super) fn run(bench: &Bench, durability: Durability) -> anyhow::Result<Vec<Row>> {
    let mut stage = Stage::open(bench, durability)?;
    let name = "subscriber-0".to_owned();
    stage.subscribe(&name, "0")?;
    stage.ask(&Request::PauseSubscriber { name: name.clone() })?;
    let filled = fill(
        &mut stage,
        Filling {
            reports: bench.backlog,
            ..Filling::default()
        },
    )?;
    stage.restart()?;

    let before = stage.service()?.usage();
    let fresh = Part {
        rate: Some(200.0),
        ..stage.part()?
    };
    stage.ask(&Request::ResumeSubscriber { name })?;
    let resumed = Instant::now();
    stage.begin(&fresh)?;
    let drained = stage.drain(&filled.part, filled.played.reports);
    let took = resumed.elapsed().as_secs_f64();
    let played = stage.finish()?;
    drained?;
    stage.drain(&fresh, played.reports)?;
    let after = stage.service()?.usage();

    let outcomes = stage.outcomes(&[&filled.part, &fresh], &[0])?;
    let mut row = Row::new("outage");
    row.acks(&played);
    if let Some(fresh) = outcomes.last() {
        row.forwards(played.reports, fresh);
    }
    let backlog = filled.played.reports;
    row.faults(&outcomes);
    row.set(figure::BACKLOG, count(backlog));
    row.set(figure::FORWARDS_PER_S, per_second(backlog, took));
    row.set(figure::DRAINED_S, took);
    row.usage(stage.idle, before, after, backlog + played.reports);
    row.set(
        figure::BACKLOG_MIB,
        mib(after.peak.saturating_sub(before.resident)),
    );
    row.note = format!(
        "forwards/s are those of the backlog; acks, transit and reports/s those of the 200/s that \
         came while it drained; the worst two seconds had an ack p99 of {:.2} ms",
        row.get(figure::ACK_WORST_MS).unwrap_or_default()
    );
    Ok(vec![row])
}
