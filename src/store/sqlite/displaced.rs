//! What the writer does when a file of the open store was moved, removed or replaced.
//!
//! SQLite goes on writing into the files that it has open, without an error. So a commit is
//! acknowledged only when every path still led to its file after it. When
//! the log is another, the open handle still has all of it: that is moved into the store's
//! file, and the store is opened again. When the store's own file is another, nothing is
//! acknowledged until the one that was opened is back.
//!
//! While the log is replaced, our reads are cut and every connection of the process is closed, since they share
//! one index. What was committed and not answered stays, and the lanes read it from the table. A connection that
//! closes leaves the log as it is, for SQLite would remove it by its path; only a stop with every file in place
//! empties it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::files::Displaced;
use super::pending::Pending;
use super::ranges::RangeTimes;
use super::wal_maintenance::{CHECKPOINT_PAGES, count_wal_pages};
use super::writer::{Core, WriterJob};
use super::{backend, configure, connect, disk, keep_log};
use crate::store::Error;

/// How often it is tried to open the store again while something prevents it.
const TRY_EVERY: Duration = Duration::from_millis(200);
/// How long reads of our own may take to let go of the old files.
pub(super) const READS_PATIENCE: Duration = Duration::from_secs(2);

/// A store that is not in place.
#[derive(Debug)]
pub(super) struct Displacement {
    what: Displaced,
    since: Instant,
    /// When it was last tried to mend it.
    tried: Option<Instant>,
    /// Whether the obstacle was logged.
    logged: bool,
    stage: DisplacementStage,
}

/// How far a store whose log is displaced has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DisplacementStage {
    /// SQLite has it open.
    Open,
    /// SQLite has it closed, and the log was written back.
    Closed,
    /// SQLite has it closed, and its file has all of it.
    Saved,
}

impl Core {
    /// Whether the store can serve no longer: nothing is begun, acknowledged or touched any more.
    pub(super) fn is_lost(&self) -> bool {
        self.shared.loss.get().is_some()
    }

    /// Looks whether the files are in place, and mends what can be mended. Without that nothing
    /// is begun.
    ///
    /// # Errors
    /// [`Error::Displaced`]; [`Error::Closed`] after a loss.
    pub(super) fn ensure_in_place(&mut self) -> Result<(), Error> {
        if self.is_lost() {
            return Err(Error::Closed);
        }
        if self.displaced.is_none() {
            let Err(what) = self.look() else {
                return Ok(());
            };
            self.note_displaced(what);
        }
        self.restore()
    }

    /// After a commit: whether it went into files that are in place.
    ///
    /// # Errors
    /// [`Error::Unconfirmed`]: it may be lost, so it is not acknowledged.
    pub(super) fn check_in_place(&mut self) -> Result<(), Error> {
        if self.displaced.is_none() && !self.is_lost() {
            match self.look() {
                Ok(()) => return Ok(()),
                Err(what) => self.note_displaced(what),
            }
        }
        Err(Error::Unconfirmed)
    }

    fn note_displaced(&mut self, what: Displaced) {
        self.shared.displaced.store(true, Ordering::Relaxed);
        self.displaced = Some(Displacement {
            what,
            since: Instant::now(),
            tried: None,
            logged: false,
            stage: DisplacementStage::Open,
        });
        let store = self.path.display();
        match what {
            Displaced::Store => tracing::error!(
                %store,
                "store.displaced: its file was moved, removed or replaced; nothing is \
                 acknowledged until that file is back, or the service is started again on \
                 the one that is there"
            ),
            Displaced::Log => tracing::error!(
                %store,
                "store.displaced: its -wal or -shm file was moved, removed or replaced; the \
                 store is opened again"
            ),
            Displaced::Cut => self.note_cut(),
        }
    }

    pub(super) fn set_stage(&mut self, stage: DisplacementStage) {
        if let Some(displacement) = &mut self.displaced {
            displacement.stage = stage;
        }
    }

    pub(super) fn stage(&self) -> DisplacementStage {
        self.displaced
            .as_ref()
            .map_or(DisplacementStage::Open, |found| found.stage)
    }

    /// Goes on when the same files are back, or when the store could be opened again.
    fn restore(&mut self) -> Result<(), Error> {
        if self.is_lost() {
            return Err(Error::Closed);
        }
        let now = Instant::now();
        let Some(displacement) = &mut self.displaced else {
            return Ok(());
        };
        if displacement
            .tried
            .is_some_and(|tried| now.duration_since(tried) < TRY_EVERY)
        {
            return Err(Error::Displaced);
        }
        displacement.tried = Some(now);
        let what = displacement.what;
        let found = match displacement.stage {
            DisplacementStage::Open => self.look(),
            DisplacementStage::Closed | DisplacementStage::Saved => self.files.look(),
        };
        match (found, what) {
            (Err(Displaced::Store), _) => return Err(Error::Displaced),
            (Ok(()), Displaced::Store) => {}
            // A read or a checkpoint may have opened another log meanwhile.
            (Ok(()) | Err(Displaced::Log | Displaced::Cut), _) => self.reopen(what)?,
        }
        let lasted = self.displaced.take().map(|found| found.since.elapsed());
        let lasted_ms = lasted.unwrap_or_default().as_millis();
        tracing::warn!(lasted_ms, "store.in_place_again");
        self.shared.displaced.store(false, Ordering::Relaxed);
        // What was committed and not handed over is queued all the same.
        if let Err(error) = self.resync() {
            tracing::warn!(%error, "store.resync_failed");
        }
        Ok(())
    }

    /// Moves what the open log holds into the store's file, and opens the store again. All
    /// connections of the process share one index, so all of them are closed.
    fn reopen(&mut self, what: Displaced) -> Result<(), Error> {
        self.checkpointer.stop();
        let readings = Arc::clone(&self.readings);
        let _paused = readings.pause(READS_PATIENCE).ok_or(Error::Displaced)?;
        self.save_and_open(what).map_err(|error| {
            self.log_prevented(&error.to_string());
            Error::Displaced
        })
    }

    fn save_and_open(&mut self, what: Displaced) -> Result<(), Error> {
        if self.stage() == DisplacementStage::Open {
            let is_cut = self.look_into_log() == Err(Displaced::Cut);
            if is_cut || what == Displaced::Cut {
                self.close_mended()?;
            } else {
                self.close_saved()?;
            }
        }
        if self.stage() == DisplacementStage::Closed {
            self.move_mended()?;
        }
        self.open_again()
    }

    /// Closes the store once its file has all of it.
    fn close_saved(&mut self) -> Result<(), Error> {
        match self.save_log() {
            Ok(true) => {}
            Ok(false) => {
                self.log_prevented(&disk::foreign_readers(&self.files.wal).join(", "));
                return Err(Error::Displaced);
            }
            Err(error) => {
                self.log_prevented(&error.to_string());
                return Err(Error::Displaced);
            }
        }
        let nothing = Connection::open_in_memory().map_err(|_| Error::Displaced)?;
        drop(std::mem::replace(&mut self.connection, nothing));
        self.set_stage(DisplacementStage::Saved);
        Ok(())
    }

    /// Moves what the open log holds into the store's file; returns whether all of it is there.
    /// Another program that reads the newest rows does not prevent that, one that reads older
    /// ones does.
    fn save_log(&mut self) -> rusqlite::Result<bool> {
        if !self.truncate()? {
            return Ok(true);
        }
        // A page counts as moved once it was synced.
        self.connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                let (pages, moved): (i64, i64) = (row.get(1)?, row.get(2)?);
                Ok(pages == moved)
            })
    }

    pub(super) fn log_prevented(&mut self, by: &str) {
        if !self.is_lost()
            && let Some(displacement) = &mut self.displaced
            && !std::mem::replace(&mut displacement.logged, true)
        {
            tracing::error!(%by, "store.reopen_prevented");
        }
    }

    fn open_again(&mut self) -> Result<(), Error> {
        let failed = |error| backend("cannot open the store again".to_owned(), error);
        self.files
            .remove_log()
            .map_err(|error| backend("cannot remove the old log".to_owned(), error))?;
        let connection = connect(&self.path)?;
        keep_log(&connection, true).map_err(failed)?;
        configure(&connection, &self.path, self.durability)?;
        connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
            .map_err(failed)?;
        count_wal_pages(&connection);
        Pending::watch(&self.pending, &connection).map_err(failed)?;
        self.connection = connection;
        self.range_times.set(RangeTimes::default());
        self.files.remember_log()?;
        self.log_copy.forget();
        self.files.share_access();
        self.checkpoint_at = CHECKPOINT_PAGES;
        (self.moving, self.emptying) = (false, false);
        self.note_opened();
        Ok(())
    }

    /// Ends well where the files are in place: the store's file has all of it, and no log is
    /// left. Else the log is left as a whole for the next start, and no store is touched: SQLite
    /// would move the log into a file without a name, and remove the log of another.
    ///
    /// Returns whether nothing is lost.
    pub(super) fn finish(&mut self) -> bool {
        if let Some(displacement) = &mut self.displaced {
            displacement.tried = None;
        }
        if self.ensure_in_place().is_ok() {
            self.note_clock();
            self.note_closed();
        }
        let is_in_place = self.ensure_in_place().is_ok();
        self.checkpointer.stop();
        if is_in_place {
            self.checkpoint("TRUNCATE");
        }
        if self.is_lost() {
            return false;
        }
        if !is_in_place || self.look().is_err() {
            return self.leave_whole();
        }
        if let Err(error) = keep_log(&self.connection, false) {
            tracing::warn!(%error, "store.wal_kept");
        }
        true
    }

    /// Answers waiting requests that nothing is acknowledged. What was not `committed` of the
    /// rest is kept for later; what was is in the open files, and stays there.
    pub(super) fn withhold(&mut self, group: Vec<WriterJob>, committed: bool) {
        let is_lost = self.is_lost();
        let answer = || {
            if committed {
                Error::Unconfirmed
            } else if is_lost {
                Error::Closed
            } else {
                Error::Displaced
            }
        };
        for job in group {
            match job {
                WriterJob::Commit(work, reply) => {
                    self.leave_queue(&work);
                    let _ = reply.send(Err(answer()));
                }
                WriterJob::Settle(settlement) if !committed => self.unsettled.push(settlement),
                WriterJob::Settle(_) | WriterJob::Run(_) | WriterJob::Stop => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
