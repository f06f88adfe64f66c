//! The scenarios that are more than one window: a hanging subscriber, an outage, a full
//! store, an analyst.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use tickrelay::operations::Request;

use super::Durability;
use super::player::Part;
use super::process::{self, Actor};
use super::scenario::{saturated, steady, subscribe, weighed, window};
use super::stage::{Bench, Stage};
use super::table::{Row, ms};

/// Subscribers that are well in every window of [`hanging`].
const WELL: u64 = 9;
/// Reports in the webhooks that fill a store.
const FILLING: usize = 1000;
/// The longest that a store may take to fill.
const FILLED_WITHIN: Duration = Duration::from_hours(2);

/// Pairs of windows, the tenth subscriber well in one and hanging in the other.
pub(super) fn hanging(bench: &Bench, durability: Durability) -> anyhow::Result<Vec<Row>> {
    let pairs = if bench.quick { 2 } else { 10 };
    let mut stage = Stage::open(bench, durability)?;
    let others: Vec<u64> = (0..WELL).collect();
    for number in &others {
        stage.subscribe(&format!("subscriber-{number}"), &number.to_string())?;
    }
    let mut p99 = [Vec::new(), Vec::new()];
    let mut lost = 0;
    for pair in 0..pairs {
        // The order changes from pair to pair, so that what grows with time falls on both.
        for hangs in [pair % 2 == 0, pair % 2 != 0] {
            let name = format!("tenth-{pair}-{hangs}");
            stage.subscribe(&name, if hangs { "hang" } else { "9" })?;
            let part = Part {
                rate: Some(200.0),
                ..stage.part()?
            };
            let played = stage.play(&part)?;
            stage.drain(played.reports * (WELL + u64::from(!hangs)))?;
            stage.ask(&Request::RemoveSubscriber { name })?;
            let outcome = stage.outcome(&part, &others)?;
            p99[usize::from(hangs)].push(outcome.transit_p99);
            lost += outcome.lost;
        }
    }
    let [well, hung] = p99.map(|mut p99| {
        p99.sort_unstable();
        p99[p99.len() / 2]
    });
    let mut row = Row::new("hanging");
    row.transit_p99_ms = Some(ms(hung));
    row.lost = Some(lost);
    row.note = format!(
        "others' median p99 over {pairs} pairs: {:.2} ms well, {:.2} ms hanging, ratio {:.2}",
        ms(well),
        ms(hung),
        ms(hung) / ms(well).max(0.001)
    );
    Ok(vec![row])
}

/// A backlog grows while the subscriber is paused; then it drains beside 200 webhooks a second.
pub(super) fn outage(bench: &Bench, durability: Durability) -> anyhow::Result<Vec<Row>> {
    let backlog = if bench.quick {
        bench.backlog.min(50_000)
    } else {
        bench.backlog
    };
    let mut stage = Stage::open(bench, durability)?;
    let name = "subscriber-0".to_owned();
    stage.subscribe(&name, "0")?;
    stage.ask(&Request::PauseSubscriber { name: name.clone() })?;
    let filled = fill(&mut stage, backlog, true)?;
    let before = stage.service()?.usage();
    stage.ask(&Request::ResumeSubscriber { name })?;
    let resumed = Instant::now();
    let mut ack_p99 = Vec::new();
    let mut expected = filled.reports;
    let mut drained = None;
    while drained.is_none() {
        let part = Part {
            rate: Some(200.0),
            seconds: 2.0,
            log: None,
            ..stage.part()?
        };
        let played = stage.play(&part)?;
        expected += played.reports;
        ack_p99.push(played.ack_p99);
        // New reports are not to wait for the old ones, so some of the count are theirs.
        let count = stage.count()?;
        if count >= expected || resumed.elapsed() > FILLED_WITHIN {
            drained = Some((count, resumed.elapsed()));
        }
    }
    let (count, took) = drained.context("it ended")?;
    let after = stage.service()?.usage();
    let outcome = stage.outcome(&filled.part, &[0])?;
    ack_p99.sort_unstable();
    let mut row = Row::new("outage");
    row.forwards(&outcome, true);
    row.reports_per_s = None;
    row.forwards_per_s = Some(per_second(count, took));
    row.usage(stage.idle, before, after);
    row.note = format!(
        "{} forwards waited, drained in {:.1} s; ack p99 of 2 s windows: median {:.2} ms, worst {:.2} ms; \
         memory before {} MiB, peak {} MiB",
        filled.reports,
        took.as_secs_f64(),
        ms(ack_p99[ack_p99.len() / 2]),
        ms(ack_p99.last().copied().unwrap_or_default()),
        before.resident >> 20,
        after.peak >> 20,
    );
    Ok(vec![row])
}

/// Saturated and steady windows on a store that holds a lot.
pub(super) fn stored(bench: &Bench, durability: Durability) -> anyhow::Result<Vec<Row>> {
    let reports = if bench.quick {
        bench.stored.min(200_000)
    } else {
        bench.stored
    };
    let mut stage = Stage::open(bench, durability)?;
    let filled = fill(&mut stage, reports, false)?;
    stage.restart()?;
    let bytes = stage.store_bytes();
    let ready_after = stage.service()?.ready_after;
    subscribe(&stage, saturated())?;
    let mut first = window(&mut stage, "stored-256", saturated())?;
    first.note = format!(
        "{} reports stored at {:.0}/s, {} MiB; ready {} ms after a clean stop",
        filled.reports,
        per_second(filled.reports, filled.took),
        bytes >> 20,
        ready_after.as_millis()
    );
    let mut second = window(&mut stage, "stored-3000", steady(3000.0))?;
    let both = first.reports + second.reports;
    stage.stop()?;
    let grown = stage.store_bytes().saturating_sub(bytes);
    for row in [&mut first, &mut second] {
        // By the bytes that both rows have in common.
        row.disk(grown * row.reports / both.max(1));
    }
    Ok(vec![first, second])
}

struct Filled {
    part: Part,
    reports: u64,
    took: Duration,
}

/// Fills the store through the service, in large webhooks.
fn fill(stage: &mut Stage<'_>, reports: u64, logged: bool) -> anyhow::Result<Filled> {
    let part = stage.part()?;
    let part = Part {
        connections: 4,
        batch: FILLING,
        seconds: FILLED_WITHIN.as_secs_f64(),
        reports: Some(reports),
        log: part.log.clone().filter(|_| logged),
        ..part
    };
    let started = Instant::now();
    let played = stage.play(&part)?;
    Ok(Filled {
        part,
        reports: played.reports,
        took: started.elapsed(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "there are not 2^52 of anything")]
fn per_second(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(0.001)
}

/// What an analyst is told to read.
#[derive(Debug, Serialize, Deserialize)]
struct Study {
    store: PathBuf,
}

/// What an analyst did.
#[derive(Debug, Serialize, Deserialize)]
struct Studied {
    queries: u64,
    slowest_ms: u64,
}

/// What an analyst asks, again and again: each reads a table from end to end.
const QUERIES: [&str; 4] = [
    "SELECT status, count(*) FROM message GROUP BY status",
    "SELECT error_key, count(*) FROM report WHERE error_key IS NOT NULL GROUP BY error_key",
    "SELECT received_at_ms / 60000, count(*) FROM report GROUP BY 1",
    "SELECT subscriber_id, state, count(*) FROM forward GROUP BY 1, 2",
];

/// A steady window beside an analyst who never stops asking.
pub(super) fn analyst(bench: &Bench, durability: Durability) -> anyhow::Result<Vec<Row>> {
    let mut stage = Stage::open(bench, durability)?;
    fill(
        &mut stage,
        if bench.quick { 20_000 } else { 200_000 },
        false,
    )?;
    subscribe(&stage, saturated())?;
    let mut analyst = Actor::start("role-analyst")?;
    analyst.tell(&Study {
        store: stage.service()?.store.clone(),
    })?;
    let mut row = window(&mut stage, "analyst", steady(1000.0))?;
    analyst.end_orders();
    let studied: Studied = analyst.hear()?;
    row.note = format!(
        "{} queries beside it, the slowest {} ms",
        studied.queries, studied.slowest_ms
    );
    Ok(vec![weighed(&mut stage, row, 0).map(|mut row| {
        // The filling is in the file too.
        row.disk_per_report = None;
        row
    })?])
}

/// The analyst's role: asks until the orders end.
pub(super) fn analyse() -> anyhow::Result<()> {
    let Some(study) = process::order::<Study>()? else {
        return Ok(());
    };
    let connection = Connection::open_with_flags(&study.store, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let (ended, end) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        // Whatever comes next, an order or their end, is the end.
        let _ = process::order::<Study>();
        drop(ended);
    });
    let (mut queries, mut slowest) = (0, Duration::ZERO);
    while end.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
        for query in QUERIES {
            let started = Instant::now();
            let mut statement = connection.prepare(query)?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            queries += 1;
            slowest = slowest.max(started.elapsed());
        }
    }
    process::answer(&Studied {
        queries,
        slowest_ms: u64::try_from(slowest.as_millis())?,
    })
}
