//! What the writer looks after between two groups: the size of the WAL, room on the disk, and
//! whether a store that failed works again.
//!
//! Above the limit the writer truncates the WAL, once the checkpointer has left little: after a reader that
//! pinned it, a gigabyte may be left to move. The log names the process or the read that pins the WAL, again
//! every ten minutes, and says when it is over. Until a reader lets go, webhooks wait up to 50 ms for company:
//! the WAL grows by the pages of each commit, a dozen for one report and few more for fifty.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::files::suffixed;
use super::writer::{Core, TICK};
use super::{BUSY_PATIENCE, disk, schema};
use crate::store::Error;

/// How often a WAL above its limit is tried to be emptied while a reader is active.
pub(super) const TRUNCATE_EVERY: Duration = Duration::from_secs(10);
/// How long readers are waited for then.
const READERS_PATIENCE: Duration = Duration::from_millis(50);

/// How often the log names again the process that keeps it.
const LOG_EVERY: Duration = Duration::from_mins(10);
/// A read of ours that takes longer than this is named with it.
const LONG_READ: Duration = Duration::from_millis(100);

/// A WAL that a reader keeps above its limit.
pub(super) struct Pinned {
    since: Instant,
    logged: Option<Instant>,
}

/// The WAL is moved into the file each time it has grown by this many pages (8 MiB).
pub(super) const CHECKPOINT_PAGES: u32 = 2048;

thread_local! {
    /// Pages in the WAL after the writer's last commit; SQLite's hook takes no context, and
    /// the writer is one thread.
    pub(super) static WAL_PAGES: Cell<u32> = const { Cell::new(0) };
    /// Whether the writer committed since it looked into the log last.
    pub(super) static UNSEEN: Cell<bool> = const { Cell::new(false) };
}

/// Has the pages of its WAL counted from here on.
pub(super) fn count_wal_pages(connection: &Connection) {
    WAL_PAGES.set(0);
    connection.wal_hook(Some(|_, pages| {
        WAL_PAGES.set(u32::try_from(pages).unwrap_or_default());
        UNSEEN.set(true);
        Ok(())
    }));
}

/// A log above this is not waited for at the start: it is emptied beside the work.
pub(super) const CLEARED_AT_ONCE: u64 = 64 * 1024 * 1024;

/// Empties the log that was found at the start. A start that was killed while it sealed left what
/// was plain in it, and no later one knows of that.
///
/// Readers are waited for shortly; what is left then, the writer empties: [`Core::empty_wal`].
pub(super) fn clear_log(connection: &Connection, store: &Path) -> rusqlite::Result<()> {
    let wal = suffixed(store, "-wal");
    let bytes = || std::fs::metadata(&wal).map_or(0, |found| found.len());
    if (1..=CLEARED_AT_ONCE).contains(&bytes()) {
        connection.busy_timeout(READERS_PATIENCE)?;
        let emptied = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        connection.busy_timeout(BUSY_PATIENCE)?;
        emptied?;
    }
    if bytes() > 0 {
        let readers = listed(&disk::foreign_readers(&wal));
        tracing::warn!(
            readers,
            "store.wal_not_emptied: what was plain before an upgrade may stand in it until it can \
             be emptied, which is tried every second"
        );
    }
    Ok(())
}

/// Who they are, in one line.
fn listed(names: &[String]) -> String {
    names.join(", ")
}

impl Core {
    /// Looks after the WAL on every turn, after the disk and the files once a second.
    pub(super) fn tend(&mut self) {
        let is_due = self.displaced.is_some() || self.tended.elapsed() >= TICK;
        if is_due && self.ensure_in_place().is_err() {
            return;
        }
        self.move_wal();
        self.follow_clock();
        if self.emptying {
            // At once when the checkpointer is done, while little is left.
            self.empty_wal();
        }
        if self.tended.elapsed() < TICK {
            return;
        }
        self.tended = Instant::now();
        if !self.unsettled.is_empty() {
            self.commit(Vec::new());
        } else if self.surroundings_failed {
            self.probe();
        }
        self.empty_wal();
        self.files.share_access();
        let wal_bytes = self.wal_bytes();
        self.look_at_wal(wal_bytes);
        self.shared.wal_bytes.store(wal_bytes, Ordering::Relaxed);
        self.metrics
            .wal_bytes
            .set(i64::try_from(wal_bytes).unwrap_or(i64::MAX));
        let queued = self.shared.queued.load(Ordering::Relaxed);
        self.metrics
            .accept_queue
            .set(i64::try_from(queued).unwrap_or(i64::MAX));
        self.look_at_disk();
    }

    pub(super) fn wal_bytes(&self) -> u64 {
        std::fs::metadata(&self.files.wal).map_or(0, |metadata| metadata.len())
    }

    /// Empties a WAL above its limit. After a reader has kept it, a gigabyte may be left to move:
    /// that is the checkpointer's, beside the writer; the writer truncates when little is left,
    /// and while much is left a reader would prevent it anyway.
    fn empty_wal(&mut self) {
        let is_failing = self.truncate_after > TRUNCATE_EVERY;
        let (limit, pause) = match self.uncleared.is_some() {
            true if !is_failing => (0, TICK),
            true => (0, self.truncate_after),
            false => (self.wal_limit_bytes, self.truncate_after),
        };
        if self.wal_bytes() <= limit
            || self.truncated.elapsed() < pause
            || self.checkpointer.is_under_way()
        {
            return;
        }
        if !std::mem::replace(&mut self.emptying, true) {
            if let Err(error) = self.begin_checkpoint() {
                // It is unknown how much is left: it may be a gigabyte, which webhooks would
                // wait for.
                self.emptying = false;
                self.truncated = Instant::now();
                self.note_checkpoint_failed(&error);
            }
            return;
        }
        self.emptying = false;
        self.truncated = Instant::now();
        if self.checkpointer.left() > i64::from(CHECKPOINT_PAGES) {
            return;
        }
        // What is tried each second makes no webhook wait for a reader.
        let patience = if self.uncleared.is_some() {
            Duration::ZERO
        } else {
            READERS_PATIENCE
        };
        match self.truncate_within(patience) {
            Err(error) => self.note_checkpoint_failed(&error),
            Ok(true) => {}
            Ok(false) => {
                if let Some(since) = self.uncleared.take() {
                    let lasted_s = since.elapsed().as_secs();
                    tracing::info!(lasted_s, "store.wal_emptied");
                }
            }
        }
    }

    /// A checkpoint failed by something else than a sync: what is committed is safe in the WAL, so
    /// it is tried again, each time after a longer pause.
    fn note_checkpoint_failed(&mut self, error: &dyn std::error::Error) {
        self.metrics.checkpoint_failures.inc();
        self.truncate_after = (self.truncate_after * 2).min(TRUNCATE_EVERY * 32);
        let again_s = self.truncate_after.as_secs();
        tracing::warn!(%error, again_s, "store.checkpoint_failed");
    }

    /// Logs which process keeps a WAL above its limit: when that begins, now and then, and when it ends.
    fn look_at_wal(&mut self, wal_bytes: u64) {
        let limit = self.wal_limit_bytes;
        if wal_bytes <= limit {
            if self.uncleared.is_none() {
                self.truncate_after = TRUNCATE_EVERY;
            }
            if let Some(pinned) = self.pinned.take() {
                let lasted_s = pinned.since.elapsed().as_secs();
                tracing::info!(wal_bytes, limit, lasted_s, "store.wal_free_again");
            }
            return;
        }
        let now = Instant::now();
        let pinned = self.pinned.get_or_insert(Pinned {
            since: now,
            logged: None,
        });
        if pinned
            .logged
            .is_some_and(|logged| logged.elapsed() < LOG_EVERY)
        {
            return;
        }
        pinned.logged = Some(now);
        let lasted_s = pinned.since.elapsed().as_secs();
        let readers = listed(&disk::foreign_readers(&self.files.wal));
        let own = listed(&self.readings.longer_than(LONG_READ));
        tracing::warn!(wal_bytes, limit, lasted_s, readers, own, "store.wal_pinned");
    }

    /// Has the WAL moved into the file when it has grown, and moves the rest.
    fn move_wal(&mut self) {
        let pages = WAL_PAGES.get();
        if self.checkpointer.is_under_way() {
            return;
        }
        if self.moving {
            self.moving = false;
            // Much is left while a reader keeps it; were that to let go just now, all of it
            // would be moved here.
            if self.checkpointer.left() <= i64::from(CHECKPOINT_PAGES) {
                self.checkpoint("PASSIVE");
            }
            self.checkpoint_at = pages + CHECKPOINT_PAGES;
        } else if pages >= self.checkpoint_at {
            // On the next turn all of it is the rest when there is no checkpointer.
            self.moving = true;
            if let Err(error) = self.begin_checkpoint() {
                self.note_checkpoint_failed(&error);
            }
        } else {
            // It started over since, so the next checkpoint is a full stretch away.
            self.checkpoint_at = self.checkpoint_at.min(pages + CHECKPOINT_PAGES);
        }
    }

    /// Sends for the checkpointer, which opens the store by its path.
    fn begin_checkpoint(&mut self) -> Result<(), Error> {
        self.look().map_err(|_| Error::Displaced)?;
        self.checkpointer.begin()
    }

    /// Makes the WAL start over at once; returns whether a reader prevented it. Readers are
    /// waited for, but not for long: every webhook waits with the writer.
    pub(super) fn truncate(&mut self) -> rusqlite::Result<bool> {
        self.truncate_within(READERS_PATIENCE)
    }

    pub(super) fn truncate_within(&mut self, patience: Duration) -> rusqlite::Result<bool> {
        self.connection.busy_timeout(patience)?;
        let prevented = self.try_checkpoint("TRUNCATE");
        self.connection.busy_timeout(BUSY_PATIENCE)?;
        prevented
    }

    /// Whether a commit succeeds again. A client that checks `/readyz` before it sends would
    /// otherwise never send the request that would find out.
    fn probe(&mut self) {
        // It writes a page, though nothing changes.
        match schema::mark(&self.connection) {
            Ok(()) => {
                self.surroundings_failed = false;
                self.shared.commit_failed.store(false, Ordering::Relaxed);
                tracing::info!("store.commit_works_again");
            }
            Err(error) => {
                disk::report_unsynced(&self.shared.loss, &error);
            }
        }
    }

    pub(super) fn checkpoint(&mut self, mode: &str) {
        if let Err(error) = self.try_checkpoint(mode) {
            self.note_checkpoint_failed(&error);
        }
    }

    /// Returns whether a reader prevented that all of it was done.
    fn try_checkpoint(&mut self, mode: &str) -> rusqlite::Result<bool> {
        self.refuse_cut()?;
        let started = Instant::now();
        let pragma = format!("PRAGMA wal_checkpoint({mode})");
        let result = self.connection.query_row(&pragma, [], |row| row.get(0));
        if let Err(error) = &result {
            disk::report_unsynced(&self.shared.loss, error);
        }
        self.metrics
            .checkpoint_seconds
            .observe(started.elapsed().as_secs_f64());
        result
    }

    pub(super) fn look_at_disk(&self) {
        // When the question fails, the commit itself will show.
        let low = disk::free_bytes(&self.path).is_some_and(|free| free < self.disk_reserve_bytes);
        if low && !self.shared.disk_low.swap(true, Ordering::Relaxed) {
            let reserve = self.disk_reserve_bytes;
            tracing::error!(reserve, "store.disk_refuses");
        }
        self.shared.disk_low.store(low, Ordering::Relaxed);
    }
}
