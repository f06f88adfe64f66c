//! What the writer does when another program cut the write-ahead log short in its place.
//!
//! SQLite would write behind the gap, and move zeros into the store's file: its index still
//! points to pages that the log has no longer. So the log is looked at before and after each
//! commit and before each checkpoint. What was cut is written back from memory, and the store is
//! opened again, so that the log is read again and all of it is moved. When memory lacks a part,
//! the store reports a loss, and the next start takes what is left: what memory has of rows that
//! are gone would be wrong as well.

use rusqlite::{Connection, ffi};

use super::displaced::DisplacementStage;
use super::files::Displaced;
use super::loss::{CUT, UNSYNCED};
use super::wal_maintenance::{UNSEEN, WAL_PAGES};
use super::writer::Core;
use super::{backend, connect, disk, keep_log, log_copy};
use crate::store::Error;

/// How often the log is looked at again while another program writes.
const LOOKS: usize = 3;

impl Core {
    /// Takes the log as it is when the store is opened for what it must hold.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it is cut just now.
    pub(super) fn begin_copy(&mut self) -> Result<(), Error> {
        self.log_copy.forget();
        if self.judge_log() != Err(Displaced::Cut) {
            return Ok(());
        }
        Err(Error::Conflict(format!(
            "another program cut {}-wal short or wrote over it just now: start again",
            self.path.display()
        )))
    }

    /// Whether the files are those that were opened, and the log holds what was committed.
    pub(super) fn look(&mut self) -> Result<(), Displaced> {
        self.files.look()?;
        self.look_into_log()
    }

    /// Whether the open log holds what was committed. Where that cannot be known it counts as
    /// displaced.
    pub(super) fn look_into_log(&mut self) -> Result<(), Displaced> {
        let Some(log) = self.files.log() else {
            return Err(Displaced::Log);
        };
        if self.log_copy.look(log, WAL_PAGES.get()) {
            UNSEEN.set(false);
            return Ok(());
        }
        self.judge_log()
    }

    /// Whether the log is another one rightly: emptied or started over, by us or by another
    /// program, which moves it into the store's file first.
    fn judge_log(&mut self) -> Result<(), Displaced> {
        let Some(log) = self.files.log() else {
            return Err(Displaced::Log);
        };
        let mut before = None;
        for _ in 0..LOOKS {
            let found = count_pages(&self.connection).map_err(|_| Displaced::Log)?;
            let (pages, _) = found;
            if pages == 0 {
                self.log_copy.forget();
            }
            let begins = || self.files.index_salts();
            if pages == 0 || begins().is_some_and(|salts| self.log_copy.follow(log, pages, salts)) {
                WAL_PAGES.set(pages);
                UNSEEN.set(false);
                return Ok(());
            }
            if before.replace(found) == Some(found) {
                return Err(Displaced::Cut);
            }
        }
        Err(Displaced::Log)
    }

    /// Refuses a checkpoint over a gap: it would move zeros.
    pub(super) fn refuse_cut(&mut self) -> rusqlite::Result<()> {
        self.look_into_log().map_err(|_| {
            let error = ffi::Error::new(ffi::SQLITE_IOERR_SHORT_READ);
            let what = "the -wal file does not hold what was committed".to_owned();
            rusqlite::Error::SqliteFailure(error, Some(what))
        })
    }

    /// Mends the log at once, for a kill would lose what it held, and says so.
    pub(super) fn note_cut(&mut self) {
        let mended = self.mend_log();
        if self.is_lost() {
            return;
        }
        tracing::error!(
            store = %self.path.display(),
            mended = ?mended.err(),
            "store.wal_cut: another program cut the -wal file short or wrote over it; what was \
             committed is written back from memory, and the store is opened again"
        );
    }

    /// Writes back what was cut from the open log; reports a loss where memory lacks a part.
    ///
    /// # Errors
    /// [`Error::Backend`] when it cannot be written now, [`Error::Closed`] after a loss.
    pub(super) fn mend_log(&mut self) -> Result<(), Error> {
        self.checkpointer.stop();
        let failed = || "cannot write the -wal file back".to_owned();
        let (pages, moved) =
            count_pages(&self.connection).map_err(|error| backend(failed(), error))?;
        let Some(log) = self.files.log() else {
            return Err(Error::Displaced);
        };
        // It was started over with the commit under way: the store's file has all before that.
        let is_new = UNSEEN.get() && pages <= self.log_copy.pages();
        if is_new {
            self.log_copy.forget();
        } else if !self.log_copy.is_complete() {
            return self.leave_short(pages, moved);
        }
        self.log_copy
            .write_back(log)
            .map_err(|error| backend(failed(), error))?;
        if let Err(error) = log.sync_all() {
            let kept = self.rescue();
            tracing::error!(%error, kept = ?kept.err(), "store.fsync_failed");
            self.shared.loss.report(UNSYNCED);
            return Err(Error::Closed);
        }
        if !self.log_copy.look(log, pages) {
            // Cut before it was read back: it was not acknowledged, but memory believes it.
            let kept = self.save_mended();
            tracing::error!(
                store = %self.path.display(),
                kept = ?kept.err(),
                "store.wal_cut: another program cut the -wal file short or wrote over it; all that \
                 was acknowledged is written back, but not the commit under way, so the service \
                 ends, to be started again"
            );
            self.shared.loss.report(CUT);
            return Err(Error::Closed);
        }
        Ok(())
    }

    /// Reports the loss when a log that is too large for memory was cut.
    fn leave_short(&self, pages: u32, moved: u32) -> Result<(), Error> {
        let left = self.files.log().map_or(0, log_copy::count_whole);
        // A log that ends before what was moved would put old pages over newer ones.
        let failed = |error| backend("cannot remove it".to_owned(), error);
        let kept = if left < moved {
            self.files.remove_log().map_err(failed)
        } else {
            self.put_open_log()
        };
        tracing::error!(
            store = %self.path.display(),
            pages,
            lost = pages.saturating_sub(left.max(moved)),
            kept = ?kept.err(),
            "store.wal_cut: another program cut the -wal file short or wrote over it, and memory \
             has only a part of it; what its lost pages held is gone, the service ends, and its \
             next start takes what is left"
        );
        self.shared.loss.report(CUT);
        Err(Error::Closed)
    }

    /// Closes a store whose log was written back.
    pub(super) fn close_mended(&mut self) -> Result<(), Error> {
        self.mend_log()?;
        self.close_unmoved()
    }

    /// Moves a log that was written back into the store's file. Its index may count zeros as
    /// moved; without one SQLite reads the log, and moves all of it.
    pub(super) fn move_mended(&mut self) -> Result<(), Error> {
        let failed = |error| backend("cannot move the mended log".to_owned(), error);
        let unwritten = |error| backend("cannot write the -wal file back".to_owned(), error);
        let other = match self.files.look() {
            Ok(()) => None,
            Err(_) => Some(self.files.replace_log().map_err(unwritten)?),
        };
        let log = other.as_ref().or_else(|| self.files.log());
        let log = log.ok_or(Error::Displaced)?;
        self.log_copy.write_back(log).map_err(unwritten)?;
        log.sync_all().map_err(unwritten)?;
        self.files.remove_index().map_err(unwritten)?;
        let connection = connect(&self.path)?;
        keep_log(&connection, true).map_err(failed)?;
        let (pages, moved): (i64, i64) = connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                Ok((row.get(1)?, row.get(2)?))
            })
            .inspect_err(|error| {
                disk::report_unsynced(&self.shared.loss, error);
            })
            .map_err(failed)?;
        if pages != moved {
            self.log_prevented(&disk::foreign_readers(&self.files.wal).join(", "));
            return Err(Error::Displaced);
        }
        self.set_stage(DisplacementStage::Saved);
        Ok(())
    }
}

/// Pages of the log as its index has them, and how many of them were moved into the file.
fn count_pages(connection: &Connection) -> rusqlite::Result<(u32, u32)> {
    connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| {
        Ok((row.get(1)?, row.get(2)?))
    })
}
