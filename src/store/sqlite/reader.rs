//! Reading the store: connections of their own, read-only, each query under a time limit.
//!
//! Works beside a running service and without one; a reader never holds the writer up.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::clock_hold::ClockHold;
use super::files::{FileId, OwnedFile};
use super::keys::RowKeys;
use super::log_lock::misread;
use super::opened::missed;
use super::options::resolve;
use super::pending::Pending;
use super::schema::SCHEMA_VERSION;
use super::{backend, keep_log};
use crate::clock::Clock;
use crate::store::{Error, KeySource, Query};

/// How long a query of ours may run: a long read keeps the WAL from starting over.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// How this engine answers a question.
pub trait SqliteQuery: Sized {
    /// What is found.
    ///
    /// # Errors
    /// As [`Store::read`](super::Store::read).
    fn answer(self, reader: &Reader) -> Result<<Self as Query>::Answer, Error>
    where
        Self: Query;

    /// The same where memory has it, so that nothing is read and no thread is needed.
    fn in_memory(&self, _: &Reader) -> Option<<Self as Query>::Answer>
    where
        Self: Query,
    {
        None
    }
}

/// Reads a store's file.
#[derive(Clone)]
pub struct Reader {
    pub(super) path: Arc<Path>,
    /// How long a list is searched.
    pub(super) budget: Duration,
    /// Where reads under way are noted.
    pub(super) readings: Arc<Readings>,
    /// What the writer of this process counts; none where another process or none writes.
    pub(super) pending: Option<Arc<Pending>>,
    /// Opens what is sealed.
    pub(super) keys: Arc<RowKeys>,
    pub(super) clock_hold: Arc<ClockHold>,
}

/// What our own readers read now: each of them keeps the WAL from starting over.
#[derive(Debug, Default)]
pub(super) struct Readings {
    under_way: Mutex<Vec<(String, Instant)>>,
    /// Notified when one is over.
    ended: Condvar,
    /// None begins, and those under way are cut.
    paused: AtomicBool,
    /// The open store's file, which must stay open while it is read; none where the process
    /// has no store open.
    file: Option<Arc<OwnedFile>>,
}

/// While it lives nothing of ours reads the store.
pub(super) struct Paused<'a>(&'a Readings);

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.0.paused.store(false, Ordering::Release);
    }
}

/// A read under way; it is over when dropped.
struct ReadInProgress<'a> {
    readings: &'a Readings,
    begun: Instant,
}

impl Readings {
    /// Those of an open store.
    pub(super) fn of(file: Arc<OwnedFile>) -> Self {
        Self {
            file: Some(file),
            ..Self::default()
        }
    }

    /// Notes a read; none where the store is being opened again.
    fn begin(&self, attempted: &str) -> Option<ReadInProgress<'_>> {
        let begun = Instant::now();
        let mut locked = self.locked();
        if self.is_paused() {
            return None;
        }
        locked.push((attempted.to_owned(), begun));
        Some(ReadInProgress {
            readings: self,
            begun,
        })
    }

    /// Cuts what is being read and waits until it is closed; `None` when that takes too long.
    pub(super) fn pause(&self, patience: Duration) -> Option<Paused<'_>> {
        let mut locked = self.locked();
        self.paused.store(true, Ordering::Release);
        let paused = Paused(self);
        let deadline = Instant::now() + patience;
        while !locked.is_empty() {
            let left = deadline.checked_duration_since(Instant::now())?;
            let waited = self.ended.wait_timeout(locked, left);
            locked = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(paused)
    }

    fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    /// What has been read for that long, and how long, the longest first.
    pub(super) fn longer_than(&self, least: Duration) -> Vec<String> {
        let locked = self.locked();
        let mut long: Vec<_> = locked
            .iter()
            .map(|(attempted, begun)| (begun.elapsed(), attempted))
            .filter(|(elapsed, _)| *elapsed >= least)
            .collect();
        long.sort_unstable_by(|one, other| other.cmp(one));
        let shown = |(elapsed, attempted): (Duration, &String)| {
            format!("{attempted}, for {} ms", elapsed.as_millis())
        };
        long.into_iter().map(shown).collect()
    }

    fn locked(&self) -> MutexGuard<'_, Vec<(String, Instant)>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ReadInProgress<'_> {
    fn drop(&mut self) {
        let mut locked = self.readings.locked();
        if let Some(at) = locked.iter().position(|(_, begun)| *begun == self.begun) {
            locked.swap_remove(at);
        }
        self.readings.ended.notify_all();
    }
}

impl Reader {
    /// A reader of a file that this process does not write to; nothing is opened yet.
    pub(super) fn new(path: &Path, budget: Duration, keys: &[KeySource], clock: Clock) -> Self {
        // The log lies beside what a link leads to.
        let path = resolve(path);
        Self {
            budget,
            readings: Arc::default(),
            pending: None,
            keys: Arc::new(RowKeys::open(&path, keys)),
            clock_hold: Arc::new(ClockHold::new(clock, None, None)),
            path: path.into(),
        }
    }

    /// Runs a read on a connection of its own; all its queries see the same commit.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no file yet, [`Error::TooNew`] or
    /// [`Error::Conflict`] when another version wrote it or a service has it open by another
    /// name, [`Error::Displaced`] while the open store is not in place, [`Error::Timeout`]
    /// when it took too long, [`Error::Backend`] otherwise.
    pub(super) fn read<T>(
        &self,
        attempted: &str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        self.read_as(attempted, |connection| {
            read(connection).map_err(|error| self.failed(attempted, error))
        })
    }

    /// As [`Self::read`], with errors of the caller's own.
    pub(super) fn read_as<T>(
        &self,
        attempted: &str,
        read: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        // The connection is closed before the read is over.
        let (_reading, connection) = self.begin(attempted)?;
        read(&connection)
    }

    /// The note that something is read, and a connection with a transaction for it.
    fn begin(&self, attempted: &str) -> Result<(ReadInProgress<'_>, Connection), Error> {
        if !self.path.exists() {
            if self.readings.file.is_some() {
                return Err(Error::Displaced);
            }
            return Err(Error::NotFound(format!(
                "store at {}: it is made by the first `tickrelay serve`",
                self.path.display()
            )));
        }
        let wrap = |error| self.failed(attempted, error);
        let reading = self.readings.begin(attempted).ok_or(Error::Displaced)?;
        self.check_name()?;
        let connection = self
            .open()
            .map_err(|error| backend(format!("cannot read {}", self.path.display()), error))?;
        connection
            .busy_timeout(Duration::from_secs(2))
            .map_err(wrap)?;
        self.cut_at_last(&connection).map_err(wrap)?;
        self.check_version(&connection)?;
        connection.execute_batch("BEGIN").map_err(wrap)?;
        Ok((reading, connection))
    }

    fn failed(&self, attempted: &str, error: rusqlite::Error) -> Error {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) if self.is_paused() => Error::Displaced,
            Some(ErrorCode::OperationInterrupted) => Error::Timeout(TIME_LIMIT),
            _ => backend(format!("cannot {attempted}"), error),
        }
    }

    /// Has what is read on this connection cut from that moment on, or when the store is being
    /// opened again.
    pub(super) fn cut_at(
        &self,
        connection: &Connection,
        deadline: Instant,
    ) -> rusqlite::Result<()> {
        let readings = Arc::clone(&self.readings);
        let is_over = move || readings.is_paused() || Instant::now() > deadline;
        connection.progress_handler(10_000, Some(is_over))
    }

    /// Gives what is read on this connection all the time that a read may take.
    pub(super) fn cut_at_last(&self, connection: &Connection) -> rusqlite::Result<()> {
        self.cut_at(connection, Instant::now() + TIME_LIMIT)
    }

    /// Whether reads are cut because the store is being opened again.
    pub(super) fn is_paused(&self) -> bool {
        self.readings.is_paused()
    }

    /// Refuses a path that leads to another file than the one whose log would be read with it.
    fn check_name(&self) -> Result<(), Error> {
        match &self.readings.file {
            Some(file) if FileId::at(&self.path) != Some(file.id()) => Err(Error::Displaced),
            Some(_) => Ok(()),
            None => misread(&self.path)
                .or_else(|| missed(&self.path))
                .map_or(Ok(()), |why| Err(Error::Conflict(why))),
        }
    }

    /// A connection that was read from once.
    ///
    /// A store in WAL mode needs files beside it, which a reader makes where they are not.
    /// Where it may not make them and the log holds nothing, no process writes either, and the
    /// store's own file can be read as it is: <https://sqlite.org/wal.html#readonly>.
    fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let plain = Connection::open_with_flags(&self.path, flags).and_then(|connection| {
            keep_log(&connection, true)?;
            connection.pragma_query_value(None, "schema_version", |_| Ok(()))?;
            Ok(connection)
        });
        let refused = plain
            .as_ref()
            .err()
            .and_then(rusqlite::Error::sqlite_error_code);
        match refused {
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) if self.is_at_rest() => {
                let flags = flags | OpenFlags::SQLITE_OPEN_URI;
                Connection::open_with_flags(immutable(&self.path), flags)
            }
            _ => plain,
        }
    }

    /// Whether no write-ahead log holds a commit that the store's own file lacks.
    fn is_at_rest(&self) -> bool {
        let mut wal = self.path.as_os_str().to_owned();
        wal.push("-wal");
        std::fs::metadata(wal).map_or_else(
            |error| error.kind() == std::io::ErrorKind::NotFound,
            |wal| wal.len() == 0,
        )
    }

    /// Another version's tables would be misread, or fail with a message that explains nothing.
    fn check_version(&self, connection: &Connection) -> Result<(), Error> {
        let found: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|error| backend(format!("cannot read {}", self.path.display()), error))?;
        if found > SCHEMA_VERSION {
            return Err(Error::TooNew {
                location: self.path.display().to_string(),
                found,
                known: SCHEMA_VERSION,
            });
        }
        if found < SCHEMA_VERSION {
            return Err(Error::Conflict(format!(
                "{} has schema version {found}, this tickrelay reads {SCHEMA_VERSION}: \
                 start `tickrelay serve` once, it brings the store up to date",
                self.path.display()
            )));
        }
        Ok(())
    }
}

/// Whether a read was cut: by its time, or because the store is being opened again.
pub(super) fn is_interrupted(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

/// The file as a URI that says that no process writes to it.
pub(super) fn immutable(path: &Path) -> OsString {
    let mut uri = b"file:".to_vec();
    // An authority would stand behind two slashes.
    let path = path.as_os_str().as_bytes();
    if path.starts_with(b"/") {
        uri.extend_from_slice(b"//");
    }
    for byte in path {
        match byte {
            b'%' => uri.extend_from_slice(b"%25"),
            b'?' => uri.extend_from_slice(b"%3f"),
            b'#' => uri.extend_from_slice(b"%23"),
            other => uri.push(*other),
        }
    }
    uri.extend_from_slice(b"?immutable=1");
    OsString::from_vec(uri)
}

#[cfg(test)]
mod tests;
