//! By which name the store was opened, written into its own file: so that a start by another name
//! does not miss the log that a killed service left beside the first.
//!
//! SQLite finds the log by the store's path. After a rename, by a hard link or through a mount
//! it finds none there, and what was acknowledged last would be missing without a word. A copy is
//! another file, and a move takes the log along: neither is refused.
//!
//! The other way round, a backup that is put over the store after a kill finds the log of the store
//! that was there, and SQLite would write its pages into the backup. So a log that the store may not
//! have been open with is tried before anything is written.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::disk;
use super::files::{FileId, suffixed};
use super::reader::immutable;
use super::wal_maintenance::CLEARED_AT_ONCE;
use super::writer::Core;
use super::{backend, keep_log};
use crate::store::Error;

/// How much later than its log a store may be written by its own service: commits go on beside a
/// checkpoint. To check a large store takes minutes, in which the service answers nothing after a kill.
const CHECKPOINT_LAG: Duration = Duration::from_secs(2);

/// The name and the files of a store while it is open, and after a kill.
#[derive(Debug)]
struct OpenedStore {
    path: PathBuf,
    store: FileId,
    log: FileId,
}

/// Why a start by this name would miss the store's newest rows; `None` when it would not. For a
/// process that has the store not yet open: what is read is the file alone.
pub(super) fn missed(store: &Path) -> Option<String> {
    let found = std::fs::metadata(store).ok()?;
    // An empty one is none yet.
    if !found.is_file() || found.len() == 0 {
        return None;
    }
    let opened = read(store)?;
    let own_log = suffixed(store, "-wal");
    let own = FileId::at(&own_log);
    if FileId::new(&found) != opened.store || own == Some(opened.log) {
        return None;
    }
    let log = find(&opened, store)?;
    let remedy = if own.is_some() && !is_empty(&own_log) {
        format!("move {} away, and rename that one to it", own_log.display())
    } else {
        format!("rename that one to {}", own_log.display())
    };
    Some(format!(
        "{} was open as {} when its service was killed, and its newest rows are in {}: {remedy}, \
         or start it by its former name",
        store.display(),
        opened.path.display(),
        log.display()
    ))
}

/// Whether the log beside the store may be that of another: the store's own file does not say that it
/// was open with it, or was written long after it, as a backup that is copied over it is. The numbers of
/// the files are compared without their device, which may change as the machine starts. For a process
/// that has the store not yet open.
pub(super) fn is_log_doubtful(store: &Path) -> bool {
    let log = suffixed(store, "-wal");
    let (Ok(found), Ok(beside)) = (std::fs::metadata(store), std::fs::metadata(&log)) else {
        return false;
    };
    if !found.is_file() || !beside.is_file() || beside.len() == 0 {
        return false;
    }
    let is_own = read(store).is_some_and(|opened| {
        opened.store.inode == found.ino() && opened.log.inode == beside.ino()
    });
    let lag = match (found.modified(), beside.modified()) {
        (Ok(store), Ok(log)) => store.duration_since(log).unwrap_or_default(),
        _ => Duration::ZERO,
    };
    !is_own || lag > CHECKPOINT_LAG
}

/// Refuses a store that is damaged as soon as its log is read. Nothing is written, now or when the
/// connection is closed.
///
/// # Errors
/// [`Error::Conflict`] when store and log do not go together, [`Error::Backend`] when they cannot
/// be read.
pub(super) fn refuse_foreign_log(connection: &Connection, store: &Path) -> Result<(), Error> {
    let log = suffixed(store, "-wal");
    let failed = |error| {
        backend(
            format!("cannot read {} with its log", store.display()),
            error,
        )
    };
    keep_log(connection, true).map_err(failed)?;
    tracing::warn!(
        store = %store.display(),
        "store.wal_doubted: the -wal file may be that of another store, so both are checked first, \
         which takes a while where they are large"
    );
    let sql = "PRAGMA integrity_check(1)";
    match connection.query_row(sql, [], |row| row.get::<_, String>(0)) {
        Ok(answer) if answer == "ok" => return Ok(()),
        Ok(_) => {}
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {}
            _ => return Err(failed(error)),
        },
    }
    Err(Error::Conflict(format!(
        "{log} is not the log of {store}, and would damage it: a backup or another store took the \
         place of the one that was open. Move {log} away to start with {store} as it is, or bring \
         back the file that was there to have its newest rows",
        log = log.display(),
        store = store.display()
    )))
}

/// Why a store must not be made here: the log of one that is gone lies beside it, and SQLite takes
/// an empty store's log away.
pub(super) fn orphaned(store: &Path) -> Option<String> {
    let is_missing = std::fs::metadata(store).map_or(true, |found| found.len() == 0);
    let log = suffixed(store, "-wal");
    let holds_rows = std::fs::metadata(&log).is_ok_and(|found| found.len() > 0);
    (is_missing && holds_rows).then(|| {
        format!(
            "{} holds rows of a store that is gone: bring it back as {}, or remove the log if the \
             rows are not wanted",
            log.display(),
            store.display()
        )
    })
}

/// The log that the store was open with, where it holds something: beside the former name, or
/// beside the new one.
fn find(opened: &OpenedStore, store: &Path) -> Option<PathBuf> {
    let is_it = |path: &PathBuf| FileId::at(path) == Some(opened.log) && !is_empty(path);
    let former = suffixed(&opened.path, "-wal");
    let beside = || {
        let folder = std::fs::read_dir(store.parent()?).ok()?;
        let mut logs = folder.flatten().map(|entry| entry.path());
        logs.find(|path| path.as_os_str().as_bytes().ends_with(b"-wal") && is_it(path))
    };
    Some(former).filter(is_it).or_else(beside)
}

fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.len() == 0)
}

/// What the store's own file says. One that cannot be read, or is of an earlier version, says
/// nothing.
fn read(store: &Path) -> Option<OpenedStore> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let file = Connection::open_with_flags(immutable(store), flags).ok()?;
    let sql = "SELECT path, device, inode, log_device, log_inode FROM opened";
    file.query_row(sql, [], |row| {
        let id = |device: i64, inode: i64| FileId {
            device: device.cast_unsigned(),
            inode: inode.cast_unsigned(),
        };
        let path: Vec<u8> = row.get(0)?;
        Ok(OpenedStore {
            path: PathBuf::from(OsStr::from_bytes(&path)),
            store: id(row.get(1)?, row.get(2)?),
            log: id(row.get(3)?, row.get(4)?),
        })
    })
    .ok()
}

impl Core {
    /// Writes down by which name the store is open, into its own file. Without it a start by
    /// another name after a kill is not refused; that is no reason not to start.
    pub(super) fn note_opened(&mut self) {
        let Some([store, log]) = self.files.ids() else {
            return;
        };
        let path = self.path.as_os_str().as_bytes();
        let written = self.connection.execute(
            "INSERT OR REPLACE INTO opened VALUES (1, ?1, ?2, ?3, ?4, ?5)",
            params![
                path,
                store.device.cast_signed(),
                store.inode.cast_signed(),
                log.device.cast_signed(),
                log.inode.cast_signed()
            ],
        );
        self.warn_of(written);
        // A large log is moved beside the work, and this with it.
        if self.wal_bytes() <= CLEARED_AT_ONCE {
            let moved = self.truncate_within(Duration::ZERO);
            if matches!(moved, Ok(true)) {
                // A reader is active: it is tried again until all of the log is moved.
                self.uncleared.get_or_insert_with(Instant::now);
            }
            self.warn_of(moved);
        }
    }

    /// Takes that back: what is stopped may be renamed.
    pub(super) fn note_closed(&mut self) {
        let written = self.connection.execute("DELETE FROM opened", []);
        self.warn_of(written);
    }

    fn warn_of<T>(&self, written: rusqlite::Result<T>) {
        if let Err(error) = written {
            disk::report_unsynced(&self.shared.loss, &error);
            tracing::warn!(store = %self.path.display(), %error, "store.name_not_noted");
        }
    }
}
