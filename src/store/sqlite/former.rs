//! The lock of versions before this one, which stood in a file of its own beside the store
//! (`tickrelay.lock.db`): while one of them runs, the store is theirs.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use super::lock_wait::lock_within;
use super::{backend, beside};
use crate::store::Error;

/// The lock, held for as long as the store is ours: a former version is refused by it.
#[derive(Debug)]
pub(super) struct FormerLock(File);

impl FormerLock {
    /// Takes it where there is such a file; a store that was made since has none, and its schema
    /// keeps former versions out.
    ///
    /// # Errors
    /// [`Error::Locked`] when a former version has it all that time, [`Error::Backend`] when the
    /// file cannot be opened or locked: then it is unknown whether one runs.
    pub(super) fn take(store: &Path, patience: Duration) -> Result<Option<Self>, Error> {
        let path = beside(store, "lock");
        let failed = |error| backend(format!("cannot lock {}", path.display()), error);
        // Reading is enough to lock, and may be all that is allowed.
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            found => found.map_err(failed)?,
        };
        if lock_within(patience, &file, store).map_err(failed)? {
            Ok(Some(Self(file)))
        } else {
            Err(Error::Locked(store.display().to_string()))
        }
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
