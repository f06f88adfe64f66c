//! Others at the store's file: analysts who ask, and one who leaves a transaction open.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use include_dir::{Dir, include_dir};
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

use super::Durability;
use super::answer::{Row, count, mib};
use super::figure;
use super::plan::{Needs, Scale};
use super::process::{self, Actor};
use super::scenario::{saturated, steady, subscribe, weighed, window};
use super::stage::{Bench, Stage, WAL_LIMIT_MIB};
use super::stored::{Filling, fill};

/// The queries that analysts find ready.
static READY: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../schema/queries");
/// What those say that read all messages or reports.
const FOR_A_COPY: &str = "run it on a copy";

/// Whether that ready query says that it is not for a large running store.
pub(super) fn is_for_a_copy(name: &str) -> bool {
    let query = READY.get_file(format!("{name}.sql"));
    query
        .and_then(|query| query.contents_utf8())
        .is_some_and(|text| text.contains(FOR_A_COPY))
}
/// How often each of them is asked; the slowest counts.
const TIMES: usize = 2;
/// What an analyst asks, again and again: each reads a table from end to end.
const SCANS: [(&str, &str); 4] = [
    (
        "messages",
        "SELECT status, count(*) FROM message GROUP BY status",
    ),
    (
        "errors",
        "SELECT error_key, count(*) FROM report WHERE error_key IS NOT NULL GROUP BY error_key",
    ),
    (
        "minutes",
        "SELECT received_at_ms / 60000, count(*) FROM report GROUP BY 1",
    ),
    (
        "forwards",
        "SELECT subscriber_id, state, count(*) FROM forward GROUP BY 1, 2",
    ),
];
/// How often the write-ahead log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long it may take to be within its limit again, and how long it is watched when it was
/// within it all the time.
const SHRINKS_WITHIN: Duration = Duration::from_mins(1);

fn connect(store: &Path) -> anyhow::Result<Connection> {
    let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .with_context(|| format!("cannot open {}", store.display()))?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

/// The number of the last report in a store; those that come later have higher ones.
pub(super) fn last_report(store: &Path) -> anyhow::Result<i64> {
    let last = "SELECT coalesce(max(report_id), 0) FROM report";
    Ok(connect(store)?.query_row(last, (), |row| row.get(0))?)
}

/// How many reports came after that one, by the store's file and nobody's word.
pub(super) fn reports_after(store: &Path, last: i64) -> anyhow::Result<u64> {
    let after = "SELECT count(*) FROM report WHERE report_id > ?1";
    Ok(connect(store)?.query_row(after, [last], |row| row.get(0))?)
}

/// What a reader does.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Task {
    /// Reads tables from end to end until the orders end.
    Scan,
    /// Asks each of the ready queries.
    ReadyQueries,
    /// Begins a transaction, reads, and leaves it open until the orders end.
    Pin,
}

#[derive(Debug, Serialize, Deserialize)]
struct Study {
    store: PathBuf,
    task: Task,
}

/// What a reader did.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Read {
    pub(super) queries: u64,
    /// The slowest answer of each query, ms.
    pub(super) by_name: BTreeMap<String, f64>,
}

impl Read {
    fn ask(&mut self, connection: &Connection, name: &str, query: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut statement = connection.prepare(query)?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        let took = (started.elapsed().as_secs_f64() * 1000.0).round();
        let slowest = self.by_name.entry(name.to_owned()).or_default();
        *slowest = slowest.max(took);
        self.queries += 1;
        Ok(())
    }

    pub(super) fn slowest_ms(&self) -> f64 {
        self.by_name.values().copied().fold(0.0, f64::max)
    }
}

/// A process that reads the store's file.
pub(super) struct Reader(Actor);

impl Reader {
    pub(super) fn start(store: &Path, task: Task) -> anyhow::Result<Self> {
        let mut actor = Actor::start("role-reader")?;
        actor.send(&Study {
            store: store.to_owned(),
            task,
        })?;
        Ok(Self(actor))
    }

    /// What it has done; waits for it.
    pub(super) fn receive(&mut self) -> anyhow::Result<Read> {
        self.0.receive()
    }

    /// Tells it that this was all.
    fn end(&mut self) {
        self.0.end_orders();
    }
}

/// The reader's role.
pub(super) fn act() -> anyhow::Result<()> {
    let study: Study = process::order()?.context("no order")?;
    let connection = connect(&study.store)?;
    let mut read = Read::default();
    match study.task {
        Task::Scan => {
            let end = end_of_orders();
            while end.try_recv() == Err(TryRecvError::Empty) {
                for (name, query) in SCANS {
                    read.ask(&connection, name, query)?;
                }
            }
        }
        Task::ReadyQueries => {
            for _ in 0..TIMES {
                for file in READY.files() {
                    let name = file.path().file_stem().unwrap_or_default();
                    let query = file.contents_utf8().context("a query that is no text")?;
                    read.ask(&connection, &name.to_string_lossy(), query)?;
                }
            }
        }
        Task::Pin => {
            connection.execute_batch("BEGIN")?;
            let (name, query) = SCANS[0];
            read.ask(&connection, name, query)?;
            // The transaction is open from here on.
            process::answer(&read)?;
            // It ends, the way an analyst's laptop is closed.
            let _ = end_of_orders().recv();
        }
    }
    process::answer(&read)
}

/// Says nothing, and hangs up when the orders have ended.
fn end_of_orders() -> Receiver<()> {
    let (ended, end) = channel();
    std::thread::spawn(move || {
        // Whatever comes next, an order or their end, is the end.
        let _ = process::order::<Study>();
        drop(ended);
    });
    end
}

/// Reports that an analyst finds.
const fn scanned(scale: &Scale) -> u64 {
    if scale.quick { 20_000 } else { 200_000 }
}

pub(super) const fn analyst_needs(scale: &Scale) -> Needs {
    Needs::of_filling(scanned(scale)).and(Needs::of_window(scale, 10, 1_000))
}

/// A steady window beside an analyst who never stops asking.
pub(super) fn analyst(bench: &Bench, durability: Durability) -> anyhow::Result<Vec<Row>> {
    let mut stage = Stage::open(bench, durability)?;
    let filled = fill(
        &mut stage,
        Filling {
            reports: scanned(&bench.scale),
            is_mixed: true,
        },
    )?;
    subscribe(&stage, saturated())?;
    let mut analyst = Reader::start(&stage.service()?.store, Task::Scan)?;
    let mut row = window(&mut stage, "analyst", steady(1000.0, 10))?;
    analyst.end();
    let read = analyst.receive()?;
    row.add(figure::UNSTORED, count(filled.unstored()));
    row.set(figure::QUERIES, count(read.queries));
    row.set(figure::SLOWEST_MS, read.slowest_ms());
    Ok(vec![row])
}

pub(super) const fn pinned_needs(scale: &Scale) -> Needs {
    // The WAL takes several times as much as the reports.
    Needs::of_window(scale, 600, 5_000).and(Needs::wait(SHRINKS_WITHIN.as_secs()))
}

/// A steady window beside a reading transaction that is left open.
pub(super) fn pinned(bench: &Bench, durability: Durability) -> anyhow::Result<Vec<Row>> {
    // A short window would never come to the limit that holds by default.
    let limit_mib = if bench.scale.quick { 4 } else { WAL_LIMIT_MIB };
    let mut stage = Stage::open_with(bench, durability, limit_mib)?;
    subscribe(&stage, saturated())?;
    let wal = stage.service()?.wal();
    let mut reader = Reader::start(&stage.service()?.store, Task::Pin)?;
    let _: Read = reader.receive()?;

    let over = AtomicBool::new(false);
    let (row, largest) = std::thread::scope(|scope| {
        let look = scope.spawn(|| watch(&wal, &over));
        let row = window(&mut stage, "pinned", steady(1000.0, 600));
        over.store(true, Ordering::Relaxed);
        (row, look.join().unwrap_or_default())
    });
    let mut row = row?;
    let limit = limit_mib << 20;
    let pid = reader.0.pid().to_string();
    let names = |line: &str| {
        line.contains("store.wal_pinned")
            && line
                .split(|letter: char| !letter.is_ascii_digit())
                .any(|word| word == pid)
    };
    // The alarm is raised once a second, and the window may have ended within it.
    let until = Instant::now() + Duration::from_secs(3);
    let mut is_named = false;
    while !is_named && largest > limit && Instant::now() < until {
        is_named = stage.service()?.log()?.lines().any(names);
        std::thread::sleep(LOOK_EVERY);
    }
    reader.end();
    let _: Read = reader.receive()?;
    drop(reader);
    let ended = Instant::now();
    while bytes(&wal) > limit && ended.elapsed() < SHRINKS_WITHIN {
        std::thread::sleep(LOOK_EVERY);
    }
    if largest > limit && bytes(&wal) <= limit {
        row.set(figure::WAL_SHRUNK_S, ended.elapsed().as_secs_f64());
    }
    row.set(figure::WAL_AFTER_MIB, mib(bytes(&wal)));
    row.set(figure::WAL_MIB, mib(largest));
    row.set(figure::WAL_LIMIT_MIB, count(limit_mib));
    row.set(figure::ALARM, f64::from(is_named));
    row.set(figure::WAL_HELD, f64::from(largest <= limit || is_named));
    Ok(vec![weighed(&mut stage, row, 0)?])
}

/// The largest that a file is until it is over.
fn watch(file: &Path, over: &AtomicBool) -> u64 {
    let mut largest = 0;
    while !over.load(Ordering::Relaxed) {
        largest = largest.max(bytes(file));
        std::thread::sleep(LOOK_EVERY);
    }
    largest.max(bytes(file))
}

fn bytes(file: &Path) -> u64 {
    file.metadata().map_or(0, |about| about.len())
}
