//! The lock on the write-ahead log, beside the one on the store's own file.
//!
//! SQLite finds the log by the store's path. When another file takes the store's place, both
//! would have the same log. So a service holds this lock while it has the log open, and a
//! second one, which has the lock on the new file, is refused by it.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::backend;
use super::files::suffixed;
use crate::store::Error;

/// How often a command looks again: a service that starts has one lock before the other.
const LOOKS: u32 = 10;
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Locks the log beside the store; `None` when there is none. SQLite has no lock of its own on
/// this file, so it may be closed at any time.
///
/// # Errors
/// [`Error::Conflict`] when another service has it, [`Error::Backend`] when it cannot be opened.
pub(super) fn lock_log(store: &Path) -> Result<Option<File>, Error> {
    let wal = suffixed(store, "-wal");
    let failed = |error: io::Error| backend(format!("cannot lock {}", wal.display()), error);
    // Opening anything else, a pipe for one, could wait for ever.
    if !std::fs::metadata(&wal).is_ok_and(|found| found.is_file()) {
        return Ok(None);
    }
    // Writable: what another program cuts from it is written back.
    let file = match File::options().read(true).write(true).open(&wal) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Error::Conflict(replaced(store))),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Looks before SQLite opens the store whether its log is free. An index without a log is left
/// over, and would be believed: it is removed.
///
/// # Errors
/// As [`lock_log`]; [`Error::Backend`] when the index cannot be removed.
pub(super) fn prepare_log(store: &Path) -> Result<(), Error> {
    let _free = lock_log(store)?;
    let index = suffixed(store, "-shm");
    if std::fs::symlink_metadata(suffixed(store, "-wal")).is_ok()
        || !std::fs::symlink_metadata(&index).is_ok_and(|found| found.is_file())
    {
        return Ok(());
    }
    match std::fs::remove_file(&index) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(backend(format!("cannot remove {}", index.display()), error))
        }
        _ => Ok(()),
    }
}

/// Why the newest rows of the store at this path would not be read; `None` when they would.
/// For a process that has no store open.
pub(super) fn misread(store: &Path) -> Option<String> {
    let mut found = None;
    for _ in 0..LOOKS {
        let locked = [store.to_path_buf(), suffixed(store, "-wal")].map(is_locked);
        found = match locked {
            [true, false] => Some(format!(
                "{} is in use under another name, and its newest rows lie beside that: name the \
                 path that the running service has in store.url",
                store.display()
            )),
            [false, true] => Some(replaced(store)),
            _ => return None,
        };
        std::thread::sleep(LOOK_PAUSE);
    }
    found
}

fn is_locked(path: PathBuf) -> bool {
    std::fs::metadata(&path).is_ok_and(|found| found.is_file())
        && File::open(path)
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn replaced(store: &Path) -> String {
    format!(
        "{}-wal is in use by a service whose store was moved or replaced: bring that file back, \
         or stop that service first",
        store.display()
    )
}
