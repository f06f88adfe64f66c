//! The SQLite engine: one file, one writer thread, readers beside it.
//!
//! Here is how the file is opened, owned and migrated; each part of the contract has a file
//! of its own below. SQL stands beside the function that runs it.

mod accept;
mod account_events;
mod activity;
mod apply;
mod audit;
mod broadcasts;
mod cell;
mod changed;
pub(super) mod changes;
mod checkpointer;
mod clause;
mod clock_hold;
mod clock_rollback;
mod deletion;
mod disk;
mod displaced;
mod due;
mod enqueue;
mod erase;
mod errors;
mod explanations;
pub(super) mod files;
mod former;
mod forward_reads;
mod forwards;
pub(super) mod found;
mod group;
#[cfg(test)]
mod grouped;
mod handle;
mod health_notes;
mod idempotency;
mod import;
mod job_rows;
mod jobs;
mod key_columns;
mod keys;
mod lane_registry;
mod listing;
mod load;
mod lock_wait;
mod log_copy;
mod log_cut;
mod log_lock;
mod loss;
#[cfg(test)]
mod losses;
mod mentions;
mod messages;
mod missing;
#[cfg(test)]
mod noted_ranges;
mod opened;
pub(super) mod options;
mod overview;
mod pending;
#[cfg(test)]
mod pieces;
#[cfg(test)]
mod plans;
mod poll_state;
mod polls;
mod ranges;
mod read_only;
pub(super) mod reader;
mod refills;
mod replaying;
mod replays;
mod report_facts;
mod reprocess;
mod requeue;
mod rescue;
mod reseal;
mod retention;
mod rows;
mod same_person;
mod schema;
mod search;
mod secrets;
mod sources;
mod sparse_statement;
mod spelled;
mod subscriber_columns;
pub(super) mod subscribers;
mod templates;
mod texts;
mod tokens;
mod wal_maintenance;
pub(super) mod warnings;
mod watching;
mod webhooks;
mod words;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use super::loss::LossSignal;
use super::{
    AgeHold, CommitWork, Durability, Error, Health, LaneContents, LaneKey, Loss, OpenLane, Options,
    Query, Refill, Settlement, Step, StoreChange, Subscribers,
};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::model::SubscriberKey;
use crate::plan::WorkAnswer;
use changes::Wakes;
use files::{Files, OwnedFile};
use former::FormerLock;
use handle::Writer;
use health_notes::HealthLimits;
use keys::RowKeys;
use options::{SqliteOptions, resolve};
use reader::Reader;
use writer::{Core, WriterJob};

/// How long a commit waits for a foreign writer; none is foreseen, but it must not fail at once.
const BUSY_PATIENCE: Duration = Duration::from_secs(2);

/// The open file, and the handle to its writer. The writer ends when the last clone is dropped.
#[derive(Clone)]
pub struct SqliteStore {
    writer: Arc<Writer>,
    reader: Reader,
    tokens: Arc<tokens::Tokens>,
    wakes: Arc<Wakes>,
    durability: Durability,
    limits: HealthLimits,
    clock: Clock,
    /// Locked until the store is closed, or its last clone dropped; `None` of one that is only read.
    file: Option<Arc<OwnedFile>>,
    /// Keeps a version out that locks another file.
    former: Arc<Option<FormerLock>>,
}

/// How this engine takes a step.
pub trait SqliteStep: Sized {
    /// Takes it.
    ///
    /// # Errors
    /// As [`Store::step`](super::Store::step).
    fn take(
        self,
        store: &SqliteStore,
    ) -> impl Future<Output = Result<<Self as Step>::Answer, Error>> + Send
    where
        Self: Step;
}

/// Refuses a folder, a pipe or a device before a key is made for it, or a pipe holds the start up.
fn refuse_what_is_no_file(path: &Path) -> Result<(), Error> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(Error::Conflict(format!(
            "{} is no file but a folder, a pipe, a socket or a device: choose another path in \
             store.url",
            path.display()
        ))),
        _ => Ok(()),
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.reader.path)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    pub(super) fn open(
        (options, own): (&Options, &SqliteOptions),
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Error> {
        // What stands beside the store must be the same by whatever link it is opened.
        let own = &SqliteOptions {
            path: resolve(&own.path),
            ..own.clone()
        };
        refuse_what_is_no_file(&own.path)?;
        if let Some(why) = opened::orphaned(&own.path) {
            return Err(Error::Conflict(why));
        }
        let file = Arc::new(OwnedFile::take(&own.path, options.owner_patience)?);
        if let Some(why) = opened::missed(&own.path) {
            return Err(Error::Conflict(why));
        }
        let is_log_doubtful = opened::is_log_doubtful(&own.path);
        let former = Arc::new(FormerLock::take(&own.path, options.owner_patience)?);
        log_lock::prepare_log(&own.path)?;
        let mut connection = connect(&own.path)?;
        if is_log_doubtful {
            opened::refuse_foreign_log(&connection, &own.path)?;
        }
        let found = schema::recognise(&connection, &own.path)?;
        configure(&connection, &own.path, own.durability)?;
        let files = files_of(&connection, &own.path, &file)?;
        let keys = Arc::new(RowKeys::open(&own.path, &options.keys));
        import::into(&mut connection, own, (found, clock.now_ms()), &keys)?;
        errors::fill(&mut connection)?;
        sources::fill(&connection)?;
        if let Err(error) = wal_maintenance::clear_log(&connection, &own.path) {
            let loss = LossSignal::default();
            if disk::report_unsynced(&loss, &error) {
                return Err(backend("cannot empty the log".to_owned(), loss::UNSYNCED));
            }
            tracing::warn!(%error, "store.checkpoint_failed");
        }
        let tokens = Arc::new(tokens::Tokens::load(&connection)?);
        let known = (Arc::clone(&keys), Arc::clone(&tokens));
        let opened = (connection, files, Arc::clone(&file));
        let core = Core::new(opened, own, (clock.clone(), metrics), known)?;
        Ok(Self {
            reader: Reader {
                path: Arc::from(own.path.as_path()),
                budget: options.list_budget,
                readings: Arc::clone(&core.readings),
                pending: Some(Arc::clone(&core.pending)),
                keys,
                clock_hold: Arc::clone(&core.clock_rollback.hold),
            },
            wakes: Arc::clone(&core.wakes),
            writer: Arc::new(Writer::start(core)?),
            tokens,
            durability: own.durability,
            limits: HealthLimits::of(own),
            clock,
            file: Some(file),
            former,
        })
    }

    pub(super) fn location(&self) -> String {
        self.reader.path.display().to_string()
    }

    pub(super) async fn commit(&self, work: CommitWork) -> Result<Vec<WorkAnswer>, Error> {
        let (reply, answer) = oneshot::channel();
        self.writer.commit(work, reply)?;
        match answer.await {
            Ok(answered) => answered.map(|(answers, _work)| answers),
            Err(_) => Err(self.writer.unanswered().await),
        }
    }

    pub(super) fn settle(&self, settlement: Settlement) {
        self.writer.send(WriterJob::Settle(settlement));
    }

    pub(super) async fn open_lane(&self, subscriber_id: SubscriberKey) -> Result<OpenLane, Error> {
        self.run(move |core| Ok(core.lane_registry.open(subscriber_id)))
            .await
    }

    pub(super) async fn refill(&self, lane: LaneKey, held: LaneContents) -> Result<Refill, Error> {
        self.run(move |core| core.refill(lane.subscriber_id, held))
            .await
    }

    /// Remembers one change that happened while no caller waited.
    pub(super) async fn changed(&self, what: StoreChange) {
        self.wakes.of(what).notified().await;
    }

    pub(super) fn subscribers(&self) -> Subscribers {
        self.writer.subscribers()
    }

    pub(super) fn health(&self) -> Health {
        let health = Health {
            durability: self.durability,
            free_bytes: disk::free_bytes(&self.reader.path),
            ..self.writer.health(self.clock.now_ms())
        };
        Health {
            notes: health_notes::of(&health, &self.limits, self.age_hold()),
            ..health
        }
    }

    pub(super) fn age_hold(&self) -> Option<AgeHold> {
        self.reader.clock_hold.held()
    }

    pub(super) async fn read<Q: Query>(&self, query: Q) -> Result<Q::Answer, Error> {
        if let Some(answer) = query.in_memory(&self.reader) {
            return Ok(answer);
        }
        let reader = self.reader.clone();
        on_a_thread(move || query.answer(&reader)).await
    }

    /// Commits what waits, moves the WAL into the file, ends the writer and gives the file up.
    pub(super) async fn close(&self) -> Result<(), Loss> {
        let closed = self.writer.close().await;
        if let Some(file) = &self.file {
            file.release();
        }
        if let Some(former) = self.former.as_ref() {
            former.release();
        }
        closed
    }

    pub(super) async fn lost(&self) -> Loss {
        self.writer.lost().await
    }

    /// Reads beside the writer, off the caller's thread; see [`Reader::read`].
    async fn look<T: Send + 'static>(
        &self,
        attempted: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let reader = self.reader.clone();
        on_a_thread(move || reader.read(attempted, read)).await
    }

    /// Runs `act` on the writer's thread, alone in its turn: everything sent before it is
    /// committed when it begins. Nothing is begun, nor said to be done, in files that are not
    /// in place.
    async fn run<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Core) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.writer.send(WriterJob::Run(Box::new(move |core| {
            let done = core.ensure_in_place().and_then(|()| act(core));
            let done = done.and_then(|answer| {
                core.check_in_place()?;
                Ok(answer)
            });
            // The caller may be gone; what was done stays done.
            let _ = reply.send(done);
        })));
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(self.writer.unanswered().await),
        }
    }
}

/// Reads on a thread that may wait. What it reads is behind a box, so that the compiler makes the
/// runtime's part of it once and not for each question.
async fn on_a_thread<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (reply, answer) = oneshot::channel();
    let work: Box<dyn FnOnce() + Send> = Box::new(move || {
        // The caller may be gone.
        let _ = reply.send(read());
    });
    match tokio::task::spawn_blocking(work).await {
        Err(error) if error.is_panic() => Err(backend("cannot read the store".to_owned(), error)),
        _ => answer.await.map_err(|_| Error::Closed)?,
    }
}

/// `tickrelay.db` → `tickrelay.lock.db`: what stands beside the store is named after it.
fn beside(path: &Path, what: &str) -> PathBuf {
    let extension = path.extension().map_or_else(
        || what.to_owned(),
        |extension| format!("{what}.{}", extension.to_string_lossy()),
    );
    path.with_extension(extension)
}

/// Opens the file, which is there, and leaves it as it is: it may be another program's.
fn connect(path: &Path) -> Result<Connection, Error> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        // A foreign writer is not foreseen, but must not fail a commit at once either.
        connection.busy_timeout(BUSY_PATIENCE)?;
        Ok(connection)
    };
    let failed = |error| backend(format!("cannot open {}", path.display()), error);
    let connection = open().map_err(failed)?;
    // SQLite falls back to reading what it may not write.
    if connection.is_readonly(rusqlite::MAIN_DB).map_err(failed)? {
        return Err(backend(
            format!("cannot write to {}", path.display()),
            std::io::Error::from(std::io::ErrorKind::PermissionDenied),
        ));
    }
    Ok(connection)
}

/// The files of a store that was opened just now; the first read makes its log.
fn files_of(connection: &Connection, path: &Path, file: &OwnedFile) -> Result<Files, Error> {
    connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        .map_err(|error| backend(format!("cannot read {}", path.display()), error))?;
    Files::opened(path, file)
}

/// Whether closing the connection, the last one, leaves log and index as they are. Else SQLite
/// moves the log into the file that it has open, and removes whatever stands at the log's path.
fn keep_log(connection: &Connection, keep: bool) -> rusqlite::Result<()> {
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep)
        .map(|_| ())
}

/// Sets up the writer's connection; the journal's mode is written into the file.
fn configure(connection: &Connection, path: &Path, durability: Durability) -> Result<(), Error> {
    let configure = || -> rusqlite::Result<()> {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // The writer checkpoints when it chooses to.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "cache_size", -16_384)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        // What is deleted is overwritten at once. Were it only switched on to erase, what
        // rows left behind when their pages were rearranged before would stay.
        connection.pragma_update(None, "secure_delete", "ON")?;
        set_durability(connection, durability)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(())
    };
    configure().map_err(|error| backend(format!("cannot write to {}", path.display()), error))
}

/// `FULL` syncs the WAL on each commit; `NORMAL` leaves that to the checkpoint.
fn set_durability(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    let level = match durability {
        Durability::Full => "FULL",
        Durability::Os => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", level)
}

/// Wraps the engine's error with what was attempted on what. A cause that fails every attempt gets
/// its own error.
fn backend(
    attempted: String,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    let source = source.into();
    if let Some(error) = source.downcast_ref::<rusqlite::Error>()
        && disk::is_of_the_surroundings(error)
    {
        return Error::Unwritable { attempted, source };
    }
    Error::Backend { attempted, source }
}
