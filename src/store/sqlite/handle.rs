//! The handle to the writer: what it is sent, what others see of it, and how its thread ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};

use super::backend;
use super::writer::{Core, WriterJob};
use crate::model::Subscriber;
use crate::plan::group::WorkAnswer;
use crate::store::commit::CommitWork;
use crate::store::loss::LossSignal;
use crate::store::{Error, Health, Loss, Subscribers};

/// Webhooks that may wait to be stored; above it the answer is 503.
const QUEUE_LIMIT: usize = 8192;
/// Bytes of bodies that may wait to be stored; above it the answer is 503.
const QUEUE_BYTES_LIMIT: usize = 48 * 1024 * 1024;

/// Where the answers to each piece of work go. The work goes back with them: its many small pieces of
/// memory are freed where they were made, and not by the writer.
pub(super) type CommitReply = oneshot::Sender<Result<(Vec<WorkAnswer>, CommitWork), Error>>;

/// What others see of the writer.
#[derive(Debug, Default)]
pub(super) struct WriterStatus {
    pub(super) queued: AtomicUsize,
    pub(super) queued_bytes: AtomicUsize,
    pub(super) busy_since_ms: AtomicI64,
    pub(super) disk_low: AtomicBool,
    pub(super) displaced: AtomicBool,
    pub(super) commit_failed: AtomicBool,
    pub(super) wal_bytes: AtomicU64,
    pub(super) loss: LossSignal,
}

/// The handle to the writer's thread.
pub(super) struct Writer {
    jobs: Sender<WriterJob>,
    pub(super) shared: Arc<WriterStatus>,
    subscribers: watch::Sender<Arc<[Arc<Subscriber>]>>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
    /// Closed when the thread has ended.
    ended: watch::Receiver<()>,
}

impl Writer {
    pub(super) fn start(core: Core) -> Result<Self, Error> {
        let (jobs, inbox) = channel();
        let shared = Arc::clone(&core.shared);
        let subscribers = core.published.clone();
        let loss = shared.loss.clone();
        let (alive, ended) = watch::channel(());
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                // A service whose writer is gone could only answer 503 for ever; its
                // supervisor starts it again, and nothing acknowledged is lost.
                if catch_unwind(AssertUnwindSafe(|| core.work(&inbox))).is_err() {
                    tracing::error!("store.writer_panicked");
                    loss.report(Loss::Panicked);
                }
                drop(alive);
            })
            .map_err(|error| backend("cannot start the writer".to_owned(), error))?;
        Ok(Self {
            jobs,
            shared,
            subscribers,
            thread: std::sync::Mutex::new(Some(thread)),
            ended,
        })
    }

    /// No writer: every job is dropped unanswered.
    pub(super) fn none(subscribers: Arc<[Arc<Subscriber>]>) -> Self {
        let (_, ended) = watch::channel(());
        Self {
            jobs: channel().0,
            shared: Arc::default(),
            subscribers: watch::Sender::new(subscribers),
            thread: std::sync::Mutex::default(),
            ended,
        }
    }

    /// Has the writer take it in with its next group. Webhooks are bounded in number and bytes;
    /// of all else a client waits for the answer before it sends more.
    pub(super) fn commit(&self, work: CommitWork, reply: CommitReply) -> Result<(), Error> {
        self.refuse_early()?;
        let CommitWork::Webhook(arrival) = &work else {
            self.send(WriterJob::Commit(work, reply));
            return Ok(());
        };
        let bytes = arrival.weight();
        let queued = self.shared.queued.fetch_add(1, Ordering::Relaxed);
        let queued_bytes = self.shared.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        let full = queued >= QUEUE_LIMIT
            || (queued_bytes > 0 && queued_bytes.saturating_add(bytes) > QUEUE_BYTES_LIMIT);
        if full || self.jobs.send(WriterJob::Commit(work, reply)).is_err() {
            self.shared.queued.fetch_sub(1, Ordering::Relaxed);
            self.shared.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(if full {
                Error::QueueFull
            } else {
                Error::Closed
            });
        }
        Ok(())
    }

    /// What the writer would refuse need not wait for it.
    pub(super) fn refuse_early(&self) -> Result<(), Error> {
        if self.shared.loss.get().is_some() {
            Err(Error::Closed)
        } else if self.shared.displaced.load(Ordering::Relaxed) {
            Err(Error::Displaced)
        } else if self.shared.disk_low.load(Ordering::Relaxed) {
            Err(Error::DiskFull)
        } else {
            Ok(())
        }
    }

    pub(super) fn send(&self, job: WriterJob) {
        // A writer that is gone has dropped the reply, which the caller notices; a settlement
        // that is lost is a send repeated after the restart.
        let _ = self.jobs.send(job);
    }

    pub(super) fn subscribers(&self) -> Subscribers {
        self.subscribers.subscribe()
    }

    pub(super) fn health(&self, now_ms: i64) -> Health {
        let since = self.shared.busy_since_ms.load(Ordering::Relaxed);
        Health {
            busy_ms: if since == 0 {
                0
            } else {
                (now_ms - since).max(0)
            },
            queued: self.shared.queued.load(Ordering::Relaxed),
            disk_ok: !self.shared.disk_low.load(Ordering::Relaxed),
            in_place: !self.shared.displaced.load(Ordering::Relaxed),
            commit_ok: !self.shared.commit_failed.load(Ordering::Relaxed)
                && self.shared.loss.get().is_none(),
            log_bytes: self.shared.wal_bytes.load(Ordering::Relaxed),
            ..Health::default()
        }
    }

    /// Waits until a loss is reported.
    pub(super) async fn lost(&self) -> Loss {
        self.shared.loss.reported().await
    }

    /// Why a job was dropped without an answer: after a loss it is unknown how far it came.
    pub(super) async fn unanswered(&self) -> Error {
        // It drops what it has before it can say why.
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
        match self.shared.loss.get() {
            Some(_) => Error::Unconfirmed,
            None => Error::Closed,
        }
    }

    /// Ends the thread and waits for that; fails when not all that was acknowledged is left in the
    /// store's files, or the store failed before.
    pub(super) async fn close(&self) -> Result<(), Loss> {
        self.send(WriterJob::Stop);
        let thread = match self.thread.lock() {
            Ok(mut thread) => thread.take(),
            Err(poisoned) => poisoned.into_inner().take(),
        };
        if let Some(thread) = thread {
            // A writer that panicked has nothing left to commit.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        self.shared.loss.get().map_or(Ok(()), Err)
    }
}
