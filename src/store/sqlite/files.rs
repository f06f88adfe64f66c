//! The store's files as the operating system has them: private from the first byte, owned by
//! one process, and looked at before anything is acknowledged.
//!
//! A path is only a name: a hard link, a bind mount or a rename gives one file two. So the
//! lock is on the file itself, and a file is known again by device and inode.
//!
//! # Why the store is its file
//!
//! POSIX drops all locks of a process on a file when the process closes any descriptor of it, SQLite's among
//! them. So the lock's descriptor is opened before SQLite's and closed after it, and nothing else in the process
//! may open the file. What SQLite writes into a file that was moved or removed is lost with the process, and
//! SQLite reports nothing. So after each commit, before any answer and before a lane gets a forward, the paths of
//! store, log and index must lead to the files that were opened, by device and inode: three `lstat`.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::mem::ManuallyDrop;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::backend;
use super::lock_wait::lock_within;
use super::log_copy::SALTS;
use super::log_lock::lock_log;
use crate::store::Error;

/// Mode of a new file of ours: others may not read phone numbers.
const PRIVATE: u32 = 0o600;
/// The bits of a mode that let others read and write.
pub(super) const ACCESS: u32 = 0o777;

/// Which file it is, whatever its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl FileId {
    pub(super) fn new(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    /// The file that has this name now. A link is no name of what it leads to, and a file that
    /// was removed may still be mounted here, without a name of its own.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let found = std::fs::symlink_metadata(path).ok()?;
        (found.nlink() > 0).then(|| Self::new(&found))
    }
}

/// The store's own file, open and locked for as long as SQLite has it open.
///
/// POSIX drops all locks that a process has on a file when it closes any descriptor of it, and
/// SQLite's are such. So this one is opened before SQLite's and must be dropped after the last
/// of them, and nothing else in the process may open and close the file.
#[derive(Debug)]
pub(super) struct OwnedFile {
    file: File,
    id: FileId,
}

impl OwnedFile {
    /// Opens the file, makes it where there is none, and locks it.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process has it all that time, [`Error::Conflict`] where it
    /// cannot be locked, [`Error::Backend`] when it cannot be opened or written.
    pub(super) fn take(path: &Path, patience: Duration) -> Result<Self, Error> {
        loop {
            let file = open_or_create(path).map_err(|error| refused(path, error))?;
            refuse_network(path, &file)?;
            let file = lock(path, file, patience)?;
            let found = file.metadata().map_err(|error| refused(path, error))?;
            let id = FileId::new(&found);
            let there = std::fs::metadata(path).map_err(|error| refused(path, error))?;
            // Another file may have been put there before the lock was had.
            if FileId::new(&there) != id {
                continue;
            }
            if there.nlink() == 0 {
                return Err(Error::Conflict(format!(
                    "{} leads to a file that was removed and is lost at the next restart: \
                     name another path in store.url, or mount its folder",
                    path.display()
                )));
            }
            return Ok(Self { file, id });
        }
    }

    /// Which file it is.
    pub(super) const fn id(&self) -> FileId {
        self.id
    }

    /// Whether it still has a name, be it another.
    pub(super) fn has_name(&self) -> bool {
        self.file.metadata().is_ok_and(|found| found.nlink() > 0)
    }

    /// Gives the lock up; a second time changes nothing.
    pub(super) fn release(&self) {
        // Closing is not enough while a child that is being spawned holds a copy of the file.
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "store.unlock_failed");
        }
    }
}

impl Drop for OwnedFile {
    fn drop(&mut self) {
        self.release();
    }
}

fn open_or_create(path: &Path) -> io::Result<File> {
    let open = || File::options().read(true).write(true).open(path);
    match open() {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        found => return found,
    }
    match create_private(path) {
        // Another process was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => open(),
        made => made,
    }
}

/// Makes an empty file that only its owner may read, whatever the umask.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options
        .read(true)
        .write(true)
        .create_new(true)
        .mode(PRIVATE);
    let file = options.open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(PRIVATE))?;
    Ok(file)
}

/// A network file system has neither locks nor shared memory that SQLite's log can rely on.
fn refuse_network(path: &Path, file: &File) -> Result<(), Error> {
    // Where the question fails, the lock itself is what counts.
    let kind = rustix::fs::fstatfs(file).ok();
    match kind.and_then(|found| network(found.f_type.cast_unsigned())) {
        None => Ok(()),
        Some(name) => Err(Error::Conflict(format!(
            "{} is on a network file system ({name}), which cannot keep a second service out: \
             name a path on a local disk in store.url",
            path.display()
        ))),
    }
}

/// The name of a network file system by the number that `statfs` gives.
const fn network(kind: u64) -> Option<&'static str> {
    match kind {
        0x6969 => Some("NFS"),
        0xFF53_4D42 | 0xFE53_4D42 | 0x517B => Some("SMB"),
        _ => None,
    }
}

fn lock(path: &Path, file: File, patience: Duration) -> Result<File, Error> {
    let is_locked = lock_within(patience, &file, path).map_err(|error| {
        Error::Conflict(format!(
            "{} cannot be locked ({error}), so nothing would keep a second service out: name a \
             path on a local disk in store.url",
            path.display()
        ))
    })?;
    if is_locked {
        return Ok(file);
    }
    // Left open: were the owner in this process, closing it would drop SQLite's locks.
    std::mem::forget(file);
    Err(Error::Locked(path.display().to_string()))
}

fn refused(path: &Path, error: io::Error) -> Error {
    let attempted = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "write to",
        _ => "open",
    };
    match std::fs::read_link(path) {
        Ok(target) if error.kind() == ErrorKind::NotFound => Error::Conflict(format!(
            "{} is a link to {}, which is not there: make that folder or file, or name another \
             path in store.url",
            path.display(),
            target.display()
        )),
        _ => backend(format!("cannot {attempted} {}", path.display()), error),
    }
}

/// What is not any more the file that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Displaced {
    /// The store's own file: it may come back.
    Store,
    /// The write-ahead log or its index: what they hold can be moved into the store's file.
    Log,
    /// The content of the log: another program cut it short or wrote over it.
    Cut,
}

/// The three files of an open store, and which they were when they were opened.
#[derive(Debug)]
pub(super) struct Files {
    store: PathBuf,
    store_id: FileId,
    pub(super) wal: PathBuf,
    wal_id: Option<FileId>,
    index: PathBuf,
    index_id: Option<FileId>,
    /// The lock on the log.
    log: Option<File>,
    /// Never closed: that would drop the locks that SQLite has on it.
    open_index: ManuallyDrop<Option<File>>,
    /// Whether it was logged that the WAL cannot be given the store's mode.
    access_failed: bool,
}

impl Files {
    /// Those of a store that SQLite has opened and read from.
    ///
    /// # Errors
    /// As [`Files::remember_log`].
    pub(super) fn opened(store: &Path, file: &OwnedFile) -> Result<Self, Error> {
        let [wal, index] = ["-wal", "-shm"].map(|end| suffixed(store, end));
        let mut files = Self {
            store: store.to_path_buf(),
            store_id: file.id(),
            wal,
            wal_id: None,
            index,
            index_id: None,
            log: None,
            open_index: ManuallyDrop::new(None),
            access_failed: false,
        };
        files.remember_log()?;
        Ok(files)
    }

    /// Takes the log and its index for those that SQLite has open, and locks the log.
    ///
    /// # Errors
    /// Those of [`lock_log`].
    pub(super) fn remember_log(&mut self) -> Result<(), Error> {
        self.log = lock_log(&self.store)?;
        self.wal_id = FileId::at(&self.wal);
        self.index_id = FileId::at(&self.index);
        self.open_index = ManuallyDrop::new(File::open(&self.index).ok());
        Ok(())
    }

    /// Which files store and log are; `None` while there is no log.
    pub(super) fn ids(&self) -> Option<[FileId; 2]> {
        self.wal_id.map(|log| [self.store_id, log])
    }

    /// The log, open.
    pub(super) const fn log(&self) -> Option<&File> {
        self.log.as_ref()
    }

    /// The salts of the log that the index is of; `None` where it cannot be read.
    /// <https://sqlite.org/walformat.html#the_wal_index_file_format>.
    pub(super) fn index_salts(&self) -> Option<[u8; SALTS]> {
        let mut salts = [0; SALTS];
        let index = self.open_index.as_ref()?;
        index.read_exact_at(&mut salts, 32).ok().map(|()| salts)
    }

    /// Whether each path still leads to the file that was opened. What SQLite writes into
    /// another, or into one without a name, is lost with the process.
    pub(super) fn look(&self) -> Result<(), Displaced> {
        let is_there = |path: &Path, id: Option<FileId>| id.is_some() && FileId::at(path) == id;
        if !is_there(&self.store, Some(self.store_id)) {
            Err(Displaced::Store)
        } else if is_there(&self.wal, self.wal_id) && is_there(&self.index, self.index_id) {
            Ok(())
        } else {
            Err(Displaced::Log)
        }
    }

    /// Removes what stands where the log and its index belong. Only right when SQLite has the
    /// store closed and the log held nothing that the store's file lacks.
    pub(super) fn remove_log(&self) -> io::Result<()> {
        remove(&self.wal)?;
        self.remove_index()
    }

    /// Removes the index, so that the next to open the store reads the log instead. Only right
    /// when SQLite has the store closed, or the process ends.
    pub(super) fn remove_index(&self) -> io::Result<()> {
        remove(&self.index)
    }

    /// Puts another file where the log belongs; the one that is open keeps what it holds.
    pub(super) fn replace_log(&self) -> io::Result<File> {
        remove(&self.wal)?;
        create_private(&self.wal)
    }

    /// Gives the log and its index the store's mode and group, so that who may read the store
    /// may read all of it. SQLite copies the mode when it makes them, and the group as root.
    /// A failure is logged once.
    pub(super) fn share_access(&mut self) {
        match self.try_share_access() {
            Ok(()) => self.access_failed = false,
            Err(error) if !std::mem::replace(&mut self.access_failed, true) => tracing::warn!(
                %error,
                "store.access_not_shared: the -wal and -shm files cannot be given the store's \
                 mode and group, so its group cannot read the newest rows; put the service's \
                 user into that group"
            ),
            Err(_) => {}
        }
    }

    fn try_share_access(&self) -> io::Result<()> {
        let wanted = std::fs::metadata(&self.store)?;
        for path in [&self.wal, &self.index] {
            let found = std::fs::metadata(path)?;
            if found.gid() != wanted.gid() {
                std::os::unix::fs::chown(path, None, Some(wanted.gid()))?;
            }
            if (found.mode() ^ wanted.mode()) & ACCESS != 0 {
                let mode = std::fs::Permissions::from_mode(wanted.mode() & ACCESS);
                std::fs::set_permissions(path, mode)?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(super) fn suffixed(store: &Path, end: &str) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(end);
    PathBuf::from(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_distinguished_from_local_ones() {
        assert_eq!(network(0x6969), Some("NFS"));
        assert_eq!(network(0xFF53_4D42), Some("SMB"));
        // ext4, tmpfs, overlayfs.
        for local in [0xEF53, 0x0102_1994, 0x794C_7630] {
            assert_eq!(network(local), None);
        }
    }

    #[test]
    fn a_store_is_taken_once_by_whatever_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let link = folder.path().join("link.db");
        let first = OwnedFile::take(&path, Duration::ZERO).unwrap();
        std::fs::hard_link(&path, &link).unwrap();
        for name in [&path, &link] {
            let second = OwnedFile::take(name, Duration::ZERO).unwrap_err();
            assert!(matches!(second, Error::Locked(_)), "{second}");
        }
        drop(first);
        OwnedFile::take(&link, Duration::ZERO).unwrap();
    }

    #[test]
    fn what_stands_at_a_path_is_identified_by_the_file_and_not_by_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let owned = OwnedFile::take(&path, Duration::ZERO).unwrap();
        let [wal, index] = ["-wal", "-shm"].map(|end| suffixed(&path, end));
        for file in [&wal, &index] {
            std::fs::write(file, "log").unwrap();
        }
        let mut files = Files::opened(&path, &owned).unwrap();
        assert_eq!(files.look(), Ok(()));
        for (file, displaced) in [
            (&path, Displaced::Store),
            (&wal, Displaced::Log),
            (&index, Displaced::Log),
        ] {
            let away = folder.path().join("away");
            std::fs::rename(file, &away).unwrap();
            assert_eq!(files.look(), Err(displaced), "{}", file.display());
            std::fs::copy(&away, file).unwrap();
            assert_eq!(files.look(), Err(displaced), "a copy of {}", file.display());
            std::fs::rename(&away, file).unwrap();
            assert_eq!(files.look(), Ok(()));
        }
        std::fs::remove_file(&wal).unwrap();
        files.remember_log().unwrap();
        assert_eq!(
            files.look(),
            Err(Displaced::Log),
            "there is none to be remembered"
        );
    }
}
