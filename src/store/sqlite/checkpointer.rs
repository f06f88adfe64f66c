//! The checkpointer: moves the WAL into the file beside the writer, on a thread of its own.
//!
//! A checkpoint writes pages all over the file and waits for the disk; with millions of
//! reports in it that takes a tenth of a second, and every webhook would wait with the
//! writer. What is committed meanwhile is little, and the writer moves that itself: only when
//! all of it is in the file can the WAL start over.
//!
//! SQLite's automatic checkpoints are off. This thread works every 2048 pages, in passes that get shorter. A
//! checkpoint that fails by anything but a sync loses nothing: it is counted
//! (`tickrelay_checkpoint_failures_total`) and tried again after a growing pause.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::disk::report_unsynced;
use super::options::SqliteOptions;
use super::{backend, connect, keep_log, set_durability};
use crate::metrics::Metrics;
use crate::store::loss::LossSignal;
use crate::store::{Durability, Error, Loss};

/// Passes over the WAL in one go: each is shorter than the one before, in the same measure as
/// less was committed during that.
const PASSES: usize = 4;
/// A pass that moved fewer pages than this leaves too little for another.
const FEW_PAGES: i64 = 256;

/// The checkpointer, whose thread and connection begin with its first work: an idle service
/// does without them.
pub(super) struct Checkpointer {
    path: PathBuf,
    durability: Durability,
    metrics: Arc<Metrics>,
    loss: LossSignal,
    state: Arc<CheckpointState>,
    running: Option<(SyncSender<()>, JoinHandle<()>)>,
}

#[derive(Default)]
struct CheckpointState {
    under_way: AtomicBool,
    /// Pages that it left in the WAL the last time.
    left: AtomicI64,
}

impl Checkpointer {
    /// That of a store.
    pub(super) fn new(options: &SqliteOptions, metrics: Arc<Metrics>, loss: LossSignal) -> Self {
        Self {
            loss,
            path: options.path.clone(),
            durability: options.durability,
            metrics,
            state: Arc::default(),
            running: None,
        }
    }

    /// Begins to move what the WAL holds.
    ///
    /// # Errors
    /// [`Error::Backend`] when thread or connection cannot be had; nothing is under way then.
    pub(super) fn begin(&mut self) -> Result<(), Error> {
        let (wake, _) = match &mut self.running {
            Some(running) => running,
            none => {
                let (state, metrics) = (Arc::clone(&self.state), Arc::clone(&self.metrics));
                let shared = (metrics, self.loss.clone());
                none.insert(start(&self.path, self.durability, state, shared)?)
            }
        };
        if !self.state.under_way.swap(true, Ordering::AcqRel) {
            // It is idle, so there is room; when its thread is gone, so is the store.
            let _ = wake.try_send(());
        }
        Ok(())
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.state.under_way.load(Ordering::Acquire)
    }

    /// Pages that were left in the WAL after its last work: a reader kept them.
    pub(super) fn left(&self) -> i64 {
        self.state.left.load(Ordering::Acquire)
    }

    /// Ends it, and waits for what is under way.
    pub(super) fn stop(&mut self) {
        if let Some((wake, thread)) = self.running.take() {
            drop(wake);
            // One that panicked has reported it.
            let _ = thread.join();
        }
    }
}

/// Starts the thread, with a connection of its own.
fn start(
    path: &Path,
    durability: Durability,
    state: Arc<CheckpointState>,
    (metrics, loss): (Arc<Metrics>, LossSignal),
) -> Result<(SyncSender<()>, JoinHandle<()>), Error> {
    let connection = connect(path)?;
    let configure = || -> rusqlite::Result<()> {
        keep_log(&connection, true)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        set_durability(&connection, durability)
    };
    configure().map_err(|error| backend("cannot set up checkpoints".to_owned(), error))?;
    let (wake, woken) = sync_channel(1);
    let panicked = loss.clone();
    let work = move || {
        while woken.recv().is_ok() {
            // The remaining part may be small: the writer finds out.
            let left = move_pages(&connection).unwrap_or_else(|error| {
                report_unsynced(&loss, &error);
                metrics.checkpoint_failures.inc();
                tracing::warn!(%error, "store.checkpoint_failed");
                0
            });
            state.left.store(left, Ordering::Release);
            state.under_way.store(false, Ordering::Release);
        }
    };
    let thread = std::thread::Builder::new()
        .name("store-checkpoint".to_owned())
        .spawn(move || {
            // Without it the WAL would grow for ever; see the writer's own.
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                tracing::error!("store.checkpointer_panicked");
                panicked.report(Loss::Panicked);
            }
        })
        .map_err(|error| backend("cannot start the checkpointer".to_owned(), error))?;
    Ok((wake, thread))
}

/// Moves pages until few are left or a reader keeps them; returns how many are left.
fn move_pages(connection: &Connection) -> rusqlite::Result<i64> {
    let (mut left, mut moved_before) = (0, 0);
    for _ in 0..PASSES {
        let (pages, moved): (i64, i64) =
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                Ok((row.get(1)?, row.get(2)?))
            })?;
        left = pages - moved;
        if moved - moved_before < FEW_PAGES {
            break;
        }
        moved_before = moved;
    }
    Ok(left)
}
