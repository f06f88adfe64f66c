//! The lock of versions before this one, which stood in a file of its own beside the store
//! (`tickrelay.lock.db`): while one of them runs, the store is theirs.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use super::{backend, beside};
use crate::store::Error;

/// How often a lock that another process holds is tried again: a command holds it for a moment.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// The lock, held for as long as the store is ours: a former version is refused by it.
#[derive(Debug)]
pub(super) struct FormerLock(File);

impl FormerLock {
    /// Takes it where there is such a file; a store that was made since has none, and its schema
    /// keeps former versions out.
    ///
    /// # Errors
    /// [`Error::Locked`] while a former version has it, [`Error::Backend`] when the file cannot be
    /// opened or locked: then it is unknown whether one runs.
    pub(super) fn take(store: &Path) -> Result<Option<Self>, Error> {
        let path = beside(store, "lock");
        let failed = |error| backend(format!("cannot lock {}", path.display()), error);
        // Reading is enough to lock, and may be all that is allowed.
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            found => found.map_err(failed)?,
        };
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self(file))),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        Err(Error::Locked(store.to_path_buf()))
    }

    /// Gives it up; a second time changes nothing.
    pub(super) fn release(&self) {
        // Closing is not enough while a child that is being spawned holds a copy of the file.
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "store.unlock_failed");
        }
    }
}

impl Drop for FormerLock {
    fn drop(&mut self) {
        self.release();
    }
}
