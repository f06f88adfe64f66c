//! What the process leaves at the log's path when it ends while another log, or none, is there.
//!
//! A log without a name is gone with the process. Memory or the open file still has what was
//! committed, so it is put where the next start looks for it.

use std::fs::{File, Permissions};
use std::io::{self, Seek as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use rustix::fs::{AtFlags, CWD, linkat};

use super::displaced::{DisplacementStage, READS_PATIENCE};
use super::files::{ACCESS, Displaced, FileId, create_private, suffixed};
use super::log_lock::lock_log;
use super::writer::Core;
use super::{backend, log_copy::LogCopy};
use crate::store::Error;

/// Where the content of the log is taken from.
#[derive(Debug, Clone, Copy)]
enum LogSource {
    Memory,
    OpenLog,
}

impl Core {
    /// Before a stop: leaves what was acknowledged for the next start, or says that it is lost.
    /// Returns whether it is left.
    pub(super) fn leave_whole(&mut self) -> bool {
        let store = self.path.display().to_string();
        let is_away = self.files.look() == Err(Displaced::Store);
        let Err(error) = self.rescue() else {
            if is_away {
                tracing::error!(
                    %store,
                    "store.left_as_is: its file is not in place, so none was touched"
                );
            } else {
                tracing::warn!(
                    %store,
                    "store.wal_put_back: the -wal file was not in place; one with all that was \
                     acknowledged is there again, for the next start"
                );
            }
            return true;
        };
        let pages = self.log_copy.pages();
        tracing::error!(
            %store,
            pages,
            %error,
            "store.lost: rows that were acknowledged are in memory alone or in a file without a \
             name, since the store or its -wal file was cut, removed or replaced and cannot be \
             written; they are gone with this process"
        );
        false
    }

    /// Moves what was written back into the store's file, where a second cut takes nothing, or
    /// leaves it in a log at the path. For a process that ends then.
    ///
    /// # Errors
    /// As [`Core::rescue`].
    pub(super) fn save_mended(&mut self) -> Result<(), Error> {
        // A log with another name is given its own back, or the next start would miss it.
        let is_renamed = self.files.look() == Err(Displaced::Log) && self.has_name();
        if self.files.look() != Err(Displaced::Store) && !is_renamed {
            let readings = Arc::clone(&self.readings);
            let paused = readings.pause(READS_PATIENCE);
            if paused.is_some() && self.close_unmoved().is_ok() {
                // When it fails, the log at the path has all of it, or is rewritten.
                let moved = self.move_mended();
                tracing::info!(moved = ?moved.err(), "store.wal_moved");
            }
        }
        self.rescue()
    }

    /// Closes the store, whose log memory has as a whole.
    ///
    /// # Errors
    /// [`Error::Displaced`].
    pub(super) fn close_unmoved(&mut self) -> Result<(), Error> {
        let nothing = Connection::open_in_memory().map_err(|_| Error::Displaced)?;
        drop(std::mem::replace(&mut self.connection, nothing));
        self.set_stage(DisplacementStage::Closed);
        Ok(())
    }

    /// Leaves files from which the next start has all that was acknowledged.
    ///
    /// # Errors
    /// [`Error::Displaced`] when nothing has all of it, or the store's own file is elsewhere,
    /// [`Error::Conflict`] when another service has the log at the path, [`Error::Backend`] when
    /// it cannot be written.
    pub(super) fn rescue(&mut self) -> Result<(), Error> {
        if self.files.look() == Err(Displaced::Store) {
            // The log stays with its store, unless one of them has no name any more. A file that
            // took the store's place may be a copy that has all of it.
            let is_gone = !self.file.has_name() && self.path.symlink_metadata().is_err();
            let has_log = self.has_name() || self.log_copy.pages() == 0;
            return if has_log && !is_gone {
                Ok(())
            } else {
                Err(Error::Displaced)
            };
        }
        match self.stage() {
            DisplacementStage::Saved => {
                let failed = |error| backend("cannot remove the old log".to_owned(), error);
                self.files.remove_log().map_err(failed)
            }
            DisplacementStage::Open => {
                let found = self.look_into_log();
                if found.is_ok() && self.files.look().is_ok() {
                    Ok(())
                } else if self.log_copy.is_complete() {
                    self.put_log(LogSource::Memory)
                } else if found.is_ok() {
                    self.put_log(LogSource::OpenLog)
                } else {
                    Err(Error::Displaced)
                }
            }
            DisplacementStage::Closed => self.put_log(LogSource::Memory),
        }
    }

    /// Puts what the open log still holds at its path.
    ///
    /// # Errors
    /// As [`Core::rescue`].
    pub(super) fn put_open_log(&self) -> Result<(), Error> {
        self.put_log(LogSource::OpenLog)
    }

    /// Whether the open log still has a name, be it another.
    fn has_name(&self) -> bool {
        let log = self.files.log().and_then(|log| log.metadata().ok());
        log.is_some_and(|log| log.nlink() > 0)
    }

    fn put_log(&self, source: LogSource) -> Result<(), Error> {
        let log = self.files.log().ok_or(Error::Displaced)?;
        let wal = &self.files.wal;
        let there = FileId::at(wal);
        let failed = |error| backend(format!("cannot write {}", wal.display()), error);
        let own = self.files.ids().map(|[_, log]| log);
        if there.is_some() && there == own {
            if matches!(source, LogSource::Memory) {
                self.log_copy.write_back(log).map_err(failed)?;
            }
            log.sync_all().map_err(failed)?;
        } else {
            if self.files.look() == Err(Displaced::Store) {
                return Err(Error::Displaced);
            }
            // A link may lead to the log that is locked here.
            if !wal.is_symlink() {
                let _free = lock_log(&self.path)?;
            }
            let new = suffixed(&self.path, "-wal.new");
            let _ = std::fs::remove_file(&new);
            let linked = if self.has_name() {
                self.link(log, &new, source)
            } else {
                Err(io::ErrorKind::NotFound.into())
            };
            let made =
                linked.or_else(|_| write_new(&new, &self.path, source, (log, &self.log_copy)));
            let put = made.and_then(|()| std::fs::rename(&new, wal));
            if let Err(error) = put {
                let _ = std::fs::remove_file(&new);
                return Err(failed(error));
            }
        }
        self.files.remove_index().map_err(failed)?;
        let folder = wal.parent().unwrap_or(Path::new("."));
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed)
    }

    /// Gives the open log another name.
    fn link(&self, log: &File, new: &Path, source: LogSource) -> io::Result<()> {
        if matches!(source, LogSource::Memory) {
            self.log_copy.write_back(log)?;
        }
        log.sync_all()?;
        let open = format!("/proc/self/fd/{}", log.as_raw_fd());
        linkat(CWD, open, CWD, new, AtFlags::SYMLINK_FOLLOW)?;
        Ok(())
    }
}

/// Writes the log into a new file that those may read who may read the store.
fn write_new(
    new: &Path,
    store: &Path,
    source: LogSource,
    (log, copy): (&File, &LogCopy),
) -> io::Result<()> {
    let file = create_private(new)?;
    match source {
        LogSource::Memory => copy.write_back(&file)?,
        LogSource::OpenLog => {
            let mut from = log;
            from.rewind()?;
            io::copy(&mut from, &mut &file)?;
        }
    }
    let wanted = std::fs::metadata(store)?;
    // Another group is not worth losing the rows for: the next start gives it again.
    let _ = std::os::unix::fs::fchown(&file, None, Some(wanted.gid()));
    file.set_permissions(Permissions::from_mode(wanted.mode() & ACCESS))?;
    file.sync_all()
}
