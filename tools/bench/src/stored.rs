//! A store that holds a lot: how fast it still is, how fast it is ready, what the ready queries
//! take.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use super::answer::{Row, count, per_second};
use super::figure;
use super::plan::{Needs, Scale};
use super::player::{Cast, Part, Played};
use super::readers::{Reader, Task};
use super::scenario::{Window, saturated, steady, subscribe, window};
use super::stage::{Bench, SILENCE, Stage, WITHIN, folder};
use super::{Durability, talk};

/// Reports in the webhooks that fill a store.
const FILLING: usize = 1000;
/// What a store is, once its service is stopped.
const STORE_FILES: [&str; 2] = ["tickrelay.db", "tickrelay.key"];
/// Bytes of a report without a forward, in the copy of the filled store.
const COPIED_BYTES: u64 = 700;
/// Reports that the ready queries get through in a second, all of them twice.
const READ_PER_S: u64 = 100_000;
/// How often starting is measured.
const STARTS: usize = 3;
/// The store is filled to this many bytes for each report of `--stored` before starting is
/// measured: 5 million make 5 GB.
const BYTES_PER_STORED: u64 = 1000;

pub(super) const fn needs(scale: &Scale) -> Needs {
    let filling = Needs {
        // Filled, and on to about twice as much for starting.
        seconds: 2 * Needs::of_filling(scale.stored).seconds,
        // Without forwards; with the copy that further rounds begin with.
        bytes: scale.stored * (BYTES_PER_STORED + COPIED_BYTES),
    };
    filling
        .and(Needs::of_window(scale, 10, 30_000))
        .and(Needs::of_window(scale, 60, 3_000))
        .and(Needs::of_draining(scale.stored / 4))
        .and(Needs::wait(scale.stored / READ_PER_S))
        .and(Needs::wait(
            STARTS as u64 * (scale.window_s(5) + SILENCE.as_secs()),
        ))
}

/// Everything that is measured on one large store, which takes long to make.
pub(super) fn run(bench: &Bench, durability: Durability) -> anyhow::Result<Vec<Row>> {
    let mut stage = Stage::open(bench, durability)?;
    let filled = if let Some(kept) = bench.filled.get() {
        kept.take_over(&mut stage)?;
        None
    } else {
        Some(fill_mixed(&mut stage)?)
    };
    stage.start()?;
    let stored = stage.reports_after(0)?;
    let bytes = stage.store_bytes();
    subscribe(&stage, saturated())?;
    let mut rows = vec![
        window(&mut stage, "stored-256", saturated())?,
        window(&mut stage, "stored-3000", steady(3000.0, 60))?,
    ];
    rows.push(queries(&mut stage)?);
    stage.stop()?;
    let grown = count(stage.store_bytes().saturating_sub(bytes));
    let all: f64 = rows.iter().filter_map(|row| row.get(figure::REPORTS)).sum();
    for row in &mut rows {
        // The windows share what the file has grown by.
        row.set(figure::DISK_PER_REPORT, grown / all.max(1.0));
        row.set(figure::STORED, count(stored));
        row.set(figure::STORE_MB, count(bytes) / 1e6);
    }
    if let Some(filled) = filled {
        let per_second = per_second(filled.stored, filled.played.elapsed_s);
        rows[0].set(figure::STORED_PER_S, per_second);
        // All that follows stands on it.
        for row in &mut rows {
            row.add(figure::UNSTORED, count(filled.unstored()));
        }
    }
    rows.push(ready(&mut stage)?);
    Ok(rows)
}

/// Fills the store as analysts meet it and stops the service; keeps a copy when further rounds
/// will want the same.
fn fill_mixed(stage: &mut Stage<'_>) -> anyhow::Result<Filled> {
    let bench = stage.bench;
    let filled = fill(
        stage,
        Filling {
            // One of 500 is sent twice.
            reports: bench.scale.stored + bench.scale.stored / 400,
            is_mixed: true,
        },
    )?;
    stage.stop()?;
    if bench.is_repeated {
        let kept = Kept {
            folder: folder(&bench.folder)?,
        };
        copy(stage.folder(), kept.folder.path())?;
        // It was not there when this began, and nothing runs beside this.
        let _ = bench.filled.set(kept);
    }
    Ok(filled)
}

/// The store as it was once filled, for the rounds to come: the same pages in the same order,
/// whatever the durability, so filling it again would measure nothing new.
pub(super) struct Kept {
    folder: TempDir,
}

impl Kept {
    /// Puts it in the place of a fresh store, and stops the service.
    fn take_over(&self, stage: &mut Stage<'_>) -> anyhow::Result<()> {
        stage.stop()?;
        // Its webhooks were those of the first run.
        stage.skip_run();
        copy(self.folder.path(), stage.folder())
    }
}

/// Copies the files of a stopped service's store, and waits for the disk: what is written back
/// late would disturb what is measured next.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for name in STORE_FILES {
        let (from, to) = (from.join(name), to.join(name));
        std::fs::copy(&from, &to)
            .and_then(|_| File::options().write(true).open(&to)?.sync_all())
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

/// How a store is filled.
#[derive(Clone, Copy, Default)]
pub(super) struct Filling {
    pub(super) reports: u64,
    /// Two providers in turns, broadcasts, and some sent twice, as analysts meet it; else
    /// what one subscriber can be notified of, each once.
    pub(super) is_mixed: bool,
}

/// What filled a store.
pub(super) struct Filled {
    pub(super) part: Part,
    pub(super) played: Played,
    /// Reports that the store holds of it, counted in its file.
    stored: u64,
}

impl Filled {
    /// Those that were acknowledged and are not there.
    pub(super) const fn unstored(&self) -> u64 {
        self.played.distinct.saturating_sub(self.stored)
    }
}

/// Fills the store through the service, in large webhooks.
pub(super) fn fill(stage: &mut Stage<'_>, filling: Filling) -> anyhow::Result<Filled> {
    let part = stage.part()?;
    let part = Part {
        connections: 4,
        batch: FILLING,
        seconds: WITHIN.as_secs_f64(),
        reports: Some(filling.reports),
        cast: if filling.is_mixed {
            Cast::Both
        } else {
            Cast::Meta
        },
        duplicates: if filling.is_mixed { 0.002 } else { 0.0 },
        log: part.log.clone().filter(|_| !filling.is_mixed),
        ..part
    };
    let last = stage.last_report()?;
    let played = stage.play(&part)?;
    ensure!(
        played.unaccepted() == 0 && played.reports >= filling.reports,
        "the store could not be filled: {played:?}"
    );
    Ok(Filled {
        stored: stage.reports_after(last)?,
        part,
        played,
    })
}

/// The ready queries beside 3000 webhooks a second.
fn queries(stage: &mut Stage<'_>) -> anyhow::Result<Row> {
    let part = Part {
        rate: Some(3000.0),
        ..stage.part()?
    };
    let window = Window::begin(stage, part)?;
    let mut reader = Reader::start(&stage.service()?.store, Task::ReadyQueries)?;
    stage.begin(&window.part)?;
    let read = reader.receive();
    let played = stage.finish()?;
    let read = read?;
    let mut row = window.end(stage, "queries", &played, 1)?;
    row.set(figure::QUERIES, count(read.queries));
    row.set(figure::SLOWEST_MS, read.slowest_ms());
    row.queries_ms = read.by_name;
    row.slowest_ready();
    Ok(row)
}

/// How long it takes to be ready on a store of 5 GB, after a stop and after a crash under load.
fn ready(stage: &mut Stage<'_>) -> anyhow::Result<Row> {
    stage.start()?;
    stage.ask("DELETE", "/subscribers/subscriber-0", "")?;
    let wanted = stage.bench.scale.stored * BYTES_PER_STORED;
    let step = Filling {
        reports: (stage.bench.scale.stored / 20).max(1),
        is_mixed: true,
    };
    let (mut bytes, mut unstored) = (stage.store_bytes(), 0);
    while bytes < wanted {
        talk(&format!(
            "  {} of {} MB",
            bytes / 1_000_000,
            wanted / 1_000_000
        ))?;
        unstored += fill(stage, step)?.unstored();
        let grown = stage.store_bytes();
        ensure!(grown > bytes, "the store does not grow");
        bytes = grown;
    }
    subscribe(stage, saturated())?;

    let mut row = Row::new("ready");
    let mut clean = Duration::ZERO;
    for _ in 0..STARTS {
        clean = clean.max(stage.restart()?);
    }
    row.set(figure::READY_CLEAN_MS, 1000.0 * clean.as_secs_f64());
    row.set(figure::STORE_MB, count(stage.store_bytes()) / 1e6);

    let (mut killed, mut parts, mut accepted) = (Duration::ZERO, Vec::new(), 0);
    for _ in 0..STARTS {
        let part = stage.part()?;
        stage.begin(&part)?;
        let begun = Instant::now();
        let load = Duration::from_secs_f64(stage.bench.seconds(5));
        std::thread::sleep(load.saturating_sub(begun.elapsed()));
        stage.kill()?;
        // Nobody is to hammer at the door while the time is taken.
        let played = stage.finish()?;
        accepted += played.reports;
        killed = killed.max(stage.start()?);
        parts.push(part);
    }
    row.set(figure::READY_KILLED_MS, 1000.0 * killed.as_secs_f64());
    row.set(figure::REPORTS, count(accepted));
    // What was stored and not acknowledged arrives too, so only silence is the end.
    for part in &parts {
        stage.drain(part, u64::MAX)?;
    }
    row.set(figure::UNSTORED, count(unstored));
    let parts: Vec<&Part> = parts.iter().collect();
    row.faults(&stage.outcomes(&parts, &[0])?);
    "reports are those that were acknowledged before the kills; what was in flight at a kill may \
     arrive again"
        .clone_into(&mut row.note);
    Ok(row)
}
