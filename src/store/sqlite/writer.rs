//! The writer: one thread, one connection, groups of work with one fsync each.
//!
//! Webhooks and settlements that wait together are committed together. A settlement alone
//! waits a little for company and is committed without an fsync, since losing
//! it only repeats a send. The writer decides on the checkpoints too.
//!
//! A group holds up to 256 webhooks, 4 MiB or 8192 reports, and the settlements that wait. When one item makes
//! the group fail, the group is rolled back and its items are applied singly. A failed fsync ends the
//! writer: the kernel may have dropped the pages, so a second try could succeed without them.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::watch;

use super::accept::{is_bug, take_in};
use super::apply::Applied;
use super::changes::Wakes;
use super::checkpointer::Checkpointer;
use super::clock_rollback::ClockRollback;
use super::displaced::Displacement;
use super::files::{Displaced, Files, OwnedFile};
use super::group::gather;
use super::handle::{CommitReply, WriterStatus};
use super::keys::RowKeys;
use super::lane_registry::{LaneRegistry, UnwrittenSettlement};
use super::log_copy::LogCopy;
use super::loss::UNKEPT;
use super::options::SqliteOptions;
use super::pending::Pending;
use super::ranges::RangeTimes;
use super::reader::Readings;
use super::sources::Sources;
use super::tokens::Tokens;
use super::wal_maintenance::{CHECKPOINT_PAGES, Pinned, TRUNCATE_EVERY, count_wal_pages};
use super::{backend, disk, forwards, keep_log, set_durability, subscribers};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::model::{Subscriber, SubscriberKey};
use crate::plan::group::{PublicIds, Work};
use crate::providers::ParseError;
use crate::store::commit::CommitWork;
use crate::store::{Durability, Error, Loss, Settlement, StoreChange};

/// How long webhooks wait for company while a reader pins a WAL that is above its limit: it
/// grows by the pages of each commit, which are nearly the same few for one report or fifty.
const PINNED_DELAY: Duration = Duration::from_millis(50);
/// How often the writer looks after WAL and disk when nothing comes.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// One piece of work for the writer.
pub(super) enum WriterJob {
    Commit(CommitWork, CommitReply),
    Settle(Settlement),
    /// Alone in its turn, in a transaction of its own.
    Run(Box<dyn FnOnce(&mut Core) + Send>),
    Stop,
}

impl WriterJob {
    /// Whether a caller waits for it to be on the disk.
    pub(super) const fn is_awaited(&self) -> bool {
        matches!(self, Self::Commit(..))
    }
}

/// What the writer's thread owns.
pub(super) struct Core {
    pub(super) connection: Connection,
    pub(super) clock: Clock,
    pub(super) subscribers: Arc<[Arc<Subscriber>]>,
    pub(super) metrics: Arc<Metrics>,
    sources: HashMap<Arc<str>, i64>,
    /// The times of the ranges that its groups fill. Only a group that is committed leaves them here.
    pub(super) range_times: Cell<RangeTimes>,
    pub(super) lane_registry: LaneRegistry,
    /// Settlements that could not be written down, to be tried again with the next group.
    pub(super) unsettled: Vec<Settlement>,
    pub(super) published: watch::Sender<Arc<[Arc<Subscriber>]>>,
    pub(super) shared: Arc<WriterStatus>,
    pub(super) durability: Durability,
    pub(super) path: PathBuf,
    pub(super) files: Files,
    pub(super) log_copy: LogCopy,
    /// While a file is not the one that was opened.
    pub(super) displaced: Option<Displacement>,
    pub(super) wal_limit_bytes: u64,
    pub(super) disk_reserve_bytes: u64,
    pub(super) pinned: Option<Pinned>,
    pub(super) readings: Arc<Readings>,
    /// The last commit failed by what any other would fail by.
    pub(super) surroundings_failed: bool,
    pub(super) checkpoint_at: u32,
    pub(super) checkpointer: Checkpointer,
    /// The checkpointer was sent for, and the rest is the writer's.
    pub(super) moving: bool,
    pub(super) tended: Instant,
    pub(super) truncated: Instant,
    /// How long after that it is tried again.
    pub(super) truncate_after: Duration,
    /// The checkpointer was sent for before the WAL is truncated.
    pub(super) emptying: bool,
    /// Since when the log holds what it held at the start, which may be plain: it is emptied
    /// whatever its size.
    pub(super) uncleared: Option<Instant>,
    pub(super) clock_rollback: ClockRollback,
    pub(super) pending: Arc<Pending>,
    pub(super) wakes: Arc<Wakes>,
    pub(super) keys: Arc<RowKeys>,
    pub(super) tokens: Arc<Tokens>,
    /// Subscribers whose change could not be published.
    pub(super) unpublished: Vec<SubscriberKey>,
    /// Dropped last: closing it takes SQLite's locks away.
    pub(super) file: Arc<OwnedFile>,
}

impl Core {
    pub(super) fn new(
        (connection, files, file): (Connection, Files, Arc<OwnedFile>),
        options: &SqliteOptions,
        (clock, metrics): (Clock, Arc<Metrics>),
        (keys, tokens): (Arc<RowKeys>, Arc<Tokens>),
    ) -> Result<Self, Error> {
        let subscribers: Arc<[Arc<Subscriber>]> = subscribers::load(&connection)
            .map_err(|error| backend("cannot read the subscribers".to_owned(), error))?
            .into();
        let clock_rollback = ClockRollback::new(&connection, &clock);
        let pending = Arc::<Pending>::default();
        Pending::watch(&pending, &connection)
            .map_err(|error| backend("cannot count what is pending".to_owned(), error))?;
        pending.keep(&subscribers);
        count_wal_pages(&connection);
        keep_log(&connection, true)
            .map_err(|error| backend("cannot set up the store".to_owned(), error))?;
        let shared = Arc::<WriterStatus>::default();
        let checkpointer = Checkpointer::new(options, Arc::clone(&metrics), shared.loss.clone());
        let mut core = Self {
            connection,
            clock,
            published: watch::Sender::new(Arc::clone(&subscribers)),
            subscribers,
            sources: HashMap::new(),
            range_times: Cell::default(),
            lane_registry: LaneRegistry::default(),
            unsettled: Vec::new(),
            shared,
            durability: options.durability,
            path: options.path.clone(),
            files,
            log_copy: LogCopy::default(),
            displaced: None,
            wal_limit_bytes: options.wal_limit_bytes,
            disk_reserve_bytes: options.disk_reserve_bytes,
            pinned: None,
            readings: Arc::new(Readings::of(Arc::clone(&file))),
            surroundings_failed: false,
            checkpoint_at: CHECKPOINT_PAGES,
            checkpointer,
            moving: false,
            metrics,
            tended: Instant::now(),
            truncated: Instant::now(),
            truncate_after: TRUNCATE_EVERY,
            emptying: false,
            uncleared: None,
            clock_rollback,
            pending,
            wakes: Arc::default(),
            keys,
            tokens,
            unpublished: Vec::new(),
            file,
        };
        core.uncleared = (core.wal_bytes() > 0).then(Instant::now);
        core.begin_copy()?;
        core.note_opened();
        core.files.share_access();
        core.look_at_disk();
        match core.shared.loss.get() {
            None => Ok(core),
            Some(loss) => Err(backend("cannot set up the store".to_owned(), loss)),
        }
    }

    pub(super) fn work(mut self, inbox: &Receiver<WriterJob>) {
        let mut waiting = None;
        while !self.is_lost() {
            let first = match waiting.take() {
                Some(job) => job,
                None => match inbox.recv_timeout(self.idle()) {
                    Ok(job) => job,
                    Err(RecvTimeoutError::Timeout) => {
                        self.tend();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                },
            };
            self.shared
                .busy_since_ms
                .store(self.clock.now_ms(), Ordering::Relaxed);
            match first {
                WriterJob::Stop => break,
                WriterJob::Run(act) => act(&mut self),
                first => {
                    let patience = if self.pinned.is_some() {
                        PINNED_DELAY
                    } else {
                        Duration::ZERO
                    };
                    let (group, next) = gather(first, inbox, patience);
                    waiting = next;
                    self.commit(group);
                }
            }
            self.publish_left();
            self.tend();
            self.shared.busy_since_ms.store(0, Ordering::Relaxed);
        }
        if !self.unsettled.is_empty() {
            self.commit(Vec::new());
        }
        if !self.is_lost() && !self.finish() {
            self.shared.loss.report(UNKEPT);
        }
    }

    /// How long it waits for work before it looks around.
    fn idle(&self) -> Duration {
        if self.clock_rollback.is_moving() && self.displaced.is_none() {
            Duration::ZERO
        } else {
            TICK
        }
    }

    /// Commits a group and answers every caller; one poisoned item costs only itself.
    pub(super) fn commit(&mut self, mut group: Vec<WriterJob>) {
        let started = Instant::now();
        group.splice(0..0, self.unsettled.drain(..).map(WriterJob::Settle));
        if self.ensure_in_place().is_err() {
            return self.withhold(group, false);
        }
        self.metrics.group_size.observe(small(group.len()));
        let synced = group.iter().any(WriterJob::is_awaited);
        if !synced && self.durability == Durability::Full {
            self.set_synchronous(Durability::Os);
            if self.is_lost() {
                return self.withhold(group, false);
            }
        }
        let done = match &mut group[..] {
            [job] => self.transact_alone(job),
            group => self.transact(group),
        };
        match done {
            Ok(effects) => self.conclude(group, effects),
            // Item by item it would fail as well, after waiting as long for each.
            Err(error) if group.len() == 1 || disk::is_of_the_surroundings(&error) => {
                self.fail(group, &error);
            }
            Err(error) => {
                tracing::warn!(%error, jobs = group.len(), "store.group_failed");
                let (awaited, others): (Vec<_>, Vec<_>) =
                    group.into_iter().partition(WriterJob::is_awaited);
                if awaited.is_empty() || others.is_empty() {
                    self.commit_singly(awaited.into_iter().chain(others));
                } else {
                    // A table that only settlements need leaves webhooks their one sync.
                    self.commit(awaited);
                    self.commit(others);
                }
            }
        }
        if !synced && self.durability == Durability::Full {
            self.set_synchronous(Durability::Full);
        }
        self.metrics
            .commit_seconds
            .observe(started.elapsed().as_secs_f64());
    }

    /// Commits each for itself, and says once how many failed.
    fn commit_singly(&mut self, jobs: impl Iterator<Item = WriterJob>) {
        let mut failures = (0, None);
        for job in jobs {
            let mut single = [job];
            if self.displaced.is_some() || self.is_lost() {
                self.withhold(single.into(), false);
                continue;
            }
            let [job] = &mut single;
            match self.transact_alone(job) {
                Ok(effects) => self.conclude(single.into(), effects),
                Err(error) => {
                    self.refuse(single.into(), &error);
                    failures = (failures.0 + 1, Some(error));
                }
            }
        }
        if let (jobs, Some(error)) = failures {
            tracing::error!(%error, jobs, "store.commit_failed");
        }
    }

    fn set_synchronous(&self, durability: Durability) {
        if let Err(error) = set_durability(&self.connection, durability) {
            // The store is opened again, with the durability that is configured.
            if self.files.look() == Err(Displaced::Log) {
                return;
            }
            // Without it acknowledgements might outrun the disk.
            tracing::error!(%error, "store.synchronous_failed");
            self.shared.loss.report(Loss::Durability);
        }
    }

    /// As [`Self::transact`]. A webhook that the plan stumbles over is kept unparsed, as one that a
    /// parser stumbles over, to be reprocessed by a version that does not.
    fn transact_alone(&mut self, job: &mut WriterJob) -> rusqlite::Result<Effects> {
        let error = match self.transact(std::slice::from_ref(job)) {
            Err(error) if is_bug(&error) => error,
            done => return done,
        };
        let WriterJob::Commit(CommitWork::Webhook(arrival), _) = job else {
            return Err(error);
        };
        // The answer of a poll is asked for again; kept like this it would count as taken in.
        if arrival.parsed.is_err() || arrival.broadcast.is_some() {
            return Err(error);
        }
        tracing::error!(%error, source = %arrival.source, "webhook.plan_panicked");
        let weight = arrival.weight();
        arrival.parsed = Err(ParseError::Panicked);
        // It leaves the queue with what it weighs now.
        let lighter = weight.saturating_sub(arrival.weight());
        self.shared
            .queued_bytes
            .fetch_sub(lighter, Ordering::Relaxed);
        self.transact(std::slice::from_ref(job))
    }

    fn transact(&mut self, group: &[WriterJob]) -> rusqlite::Result<Effects> {
        self.pending.begin();
        let transaction =
            rusqlite::Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let connection: &Connection = &transaction;
        let now_ms = self.clock.now_ms();
        let mut times = self.range_times.take();
        let mut sources = Sources::new(connection, &self.sources);
        let mut works: Vec<Work<'_>> = Vec::with_capacity(group.len());
        for job in group {
            if let WriterJob::Commit(work, _) = job {
                work.extend(&mut works);
            }
        }
        let applied = take_in(
            (connection, &mut times),
            &mut sources,
            &works,
            &self.subscribers,
            (now_ms, &mut PublicIds::new(rand::random())),
        )?;
        self.pending.queued(&applied.pending);
        let settlements = group.iter().filter_map(|job| match job {
            WriterJob::Settle(settlement) => Some(settlement),
            _ => None,
        });
        let unwritten = forwards::settle(connection, &mut times, settlements, now_ms)?;
        let new_sources = sources.found();
        let noted = self.clock_rollback.note_now_and_then(connection)?;
        transaction.commit()?;
        self.pending.commit();
        self.range_times.set(times);
        if noted {
            self.clock_rollback.noted();
        }
        self.sources.extend(new_sources);
        Ok(Effects { applied, unwritten })
    }

    /// After the commit: answers to the waiters, forwards to the lanes.
    fn conclude(&mut self, group: Vec<WriterJob>, effects: Effects) {
        let registers =
            |job: &WriterJob| matches!(job, WriterJob::Commit(CommitWork::Registrations(_), _));
        if group.iter().any(registers) {
            // A new broadcast may be due for polling, whether its client gets an answer or not.
            self.wakes.of(StoreChange::Polls).notify_one();
        }
        if self.check_in_place().is_err() {
            return self.withhold(group, true);
        }
        self.shared.commit_failed.store(false, Ordering::Relaxed);
        self.surroundings_failed = false;
        let mut answers = effects.applied.answers.into_iter();
        for job in group {
            let WriterJob::Commit(work, reply) = job else {
                continue;
            };
            self.leave_queue(&work);
            let answers = answers.by_ref().take(work.answers()).collect();
            // The waiter may have gone; what is committed stays committed.
            let _ = reply.send(Ok((answers, work)));
        }
        self.lane_registry.hand_over(effects.applied.pending);
        let is_missing = effects.unwritten.iter().any(|it| !it.is_fenced);
        self.lane_registry.note_unwritten(effects.unwritten);
        if is_missing && let Err(error) = self.resync() {
            tracing::warn!(%error, "store.resync_failed");
        }
    }

    fn fail(&mut self, group: Vec<WriterJob>, error: &rusqlite::Error) {
        tracing::error!(%error, jobs = group.len(), "store.commit_failed");
        self.refuse(group, error);
    }

    /// Answers the callers that it is not stored, and keeps what must be written down later.
    fn refuse(&mut self, group: Vec<WriterJob>, error: &rusqlite::Error) {
        if disk::report_unsynced(&self.shared.loss, error) {
            return self.withhold(group, true);
        }
        self.surroundings_failed = disk::is_of_the_surroundings(error);
        // A part of an answer or an old webhook that cannot be taken in says nothing of the next
        // webhook. Were the service unready for it, no webhook would come to show that all is well.
        let is_new =
            |job: &WriterJob| !matches!(job, WriterJob::Commit(work, _) if work.is_of_stored());
        // Nor does a bug of ours.
        if self.surroundings_failed || (!is_bug(error) && group.iter().any(is_new)) {
            self.shared.commit_failed.store(true, Ordering::Relaxed);
        }
        for job in group {
            match job {
                WriterJob::Commit(work, reply) => {
                    self.leave_queue(&work);
                    let _ = reply.send(Err(not_stored(work.attempted(), error)));
                }
                // No reader may see its forward as pending until this is written down, or it
                // would be sent over and over while the disk is full.
                WriterJob::Settle(settlement) if disk::is_of_the_surroundings(error) => {
                    self.unsettled.push(settlement);
                }
                // Left pending in the table, out of memory: sent again after the next start.
                WriterJob::Settle(_) | WriterJob::Run(_) | WriterJob::Stop => {}
            }
        }
    }

    /// It waits no longer.
    pub(super) fn leave_queue(&self, work: &CommitWork) {
        let CommitWork::Webhook(arrival) = work else {
            return;
        };
        self.shared.queued.fetch_sub(1, Ordering::Relaxed);
        self.shared
            .queued_bytes
            .fetch_sub(arrival.weight(), Ordering::Relaxed);
    }

    /// Whether the table says of every attempt that ended how it ended.
    pub(super) const fn is_settled(&self) -> bool {
        self.unsettled.is_empty()
    }

    /// Has every lane forget what it holds and read the table instead.
    pub(super) fn resync(&mut self) -> Result<(), Error> {
        let lanes: Vec<SubscriberKey> = self.subscribers.iter().map(|known| known.id).collect();
        self.lane_registry.spill(&lanes);
        self.publish(&lanes)
    }
}

/// What a group did, to be answered after the commit.
struct Effects {
    applied: Applied,
    unwritten: Vec<UnwrittenSettlement>,
}

fn not_stored(attempted: &str, error: &rusqlite::Error) -> Error {
    if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
        Error::DiskFull
    } else if disk::is_of_the_surroundings(error) {
        Error::Unwritable {
            attempted: attempted.to_owned(),
            source: error.to_string().into(),
        }
    } else {
        backend(attempted.to_owned(), error.to_string())
    }
}

/// A count as a histogram takes it.
fn small(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
