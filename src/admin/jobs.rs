//! Long work as a job that is kept: begun with its row in the store, noted about once a second while it
//! goes on, and ended with what came of it.
//!
//! What is one transaction takes the end of its job with it, and so does the last line of the audit of what
//! is more. So a kill leaves no job that is done and says otherwise. What a process leaves behind is settled
//! by the next one ([`super::left_jobs`]). A dry run changes nothing, and nothing of it is kept.

use std::any::Any;
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use serde_json::Value;
use tokio::sync::mpsc::unbounded_channel;
use uuid::Uuid;

use super::operation::{By, JobSlip, ResultShape, WorkEnd};
use super::{Failure, Operation, Operations, Progress};
use crate::access::Caller;
use crate::model::SecretText;
use crate::store::ChangeRecord;
use crate::store::change::InsertJob;
use crate::store::idempotency::IdempotencyRecord;
use crate::store::job::{JobEnd, JobKind, JobOutcome, JobProblem, NewJob};
use crate::store::step::NoteJobProgress;

/// How often it is noted how far a job is, at most: each note is synced.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// An operation that takes long, and is answered with its job.
pub(crate) trait LongWork: Operation {
    /// What it does.
    const KIND: JobKind;

    /// Whether it changes nothing; of such a job nothing is kept.
    fn is_dry_run(&self) -> bool {
        false
    }

    /// What is to be carried on where its process ends before it does.
    fn order(&self) -> Option<SecretText> {
        None
    }

    /// Whether it goes on where it fails: its job does not end then.
    fn is_tried_again(&self) -> bool {
        false
    }

    /// What its job shows of the answer.
    fn result(&self) -> ResultShape<Self::Answer>;
}

/// The jobs that this process carries out, of those that are kept.
#[derive(Default)]
pub(super) struct OwnJobs(Mutex<HashSet<Uuid>>);

impl OwnJobs {
    fn locked(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them.
    pub(super) fn all(&self) -> HashSet<Uuid> {
        self.locked().clone()
    }

    /// Whether it is one of them.
    pub(super) fn has(&self, uid: Uuid) -> bool {
        self.locked().contains(&uid)
    }
}

/// A job that this process carries out; it is its own for as long as this is held.
struct OwnJob {
    jobs: Arc<OwnJobs>,
    uid: Uuid,
}

impl Drop for OwnJob {
    fn drop(&mut self) {
        self.jobs.locked().remove(&self.uid);
    }
}

/// A job that was begun.
pub(crate) struct BegunJob {
    uid: Uuid,
    /// None of one that is not kept.
    own: Option<Arc<OwnJob>>,
}

impl Operations {
    /// Begins a job: keeps it, with the answer to the request for it.
    ///
    /// # Errors
    /// As those of a change; then nothing is to be begun.
    pub(crate) async fn begin_job<O: LongWork>(
        &self,
        (uid, created_at_ms): (Uuid, i64),
        (caller, operation): (&Caller, &O),
        kept: Option<IdempotencyRecord>,
    ) -> Result<BegunJob, Failure> {
        let record = ChangeRecord {
            kept,
            ..ChangeRecord::default()
        };
        if operation.is_dry_run() {
            if !record.is_empty() {
                self.store.note(record).await?;
            }
            return Ok(BegunJob { uid, own: None });
        }
        // Before there is a row that could be taken for one left behind.
        let job = self.own_job(uid);
        let new = NewJob {
            uid,
            kind: O::KIND,
            caller: caller.called(),
            role: caller.role,
            order: operation.order(),
            created_at_ms,
        };
        let insert = InsertJob { new };
        self.store.change(insert, |()| ((), record)).await?;
        Ok(job)
    }

    /// A kept job, from now on this process's own.
    pub(super) fn own_job(&self, uid: Uuid) -> BegunJob {
        let jobs = Arc::clone(&self.own_jobs);
        jobs.locked().insert(uid);
        BegunJob {
            uid,
            own: Some(Arc::new(OwnJob { jobs, uid })),
        }
    }

    /// Carries a job's work out, and writes down how far it is and how it ended. Work that panics has
    /// failed.
    pub(crate) async fn carry_out<O: LongWork>(
        &self,
        job: BegunJob,
        (caller, operation): (Caller, O),
        mut on_progress: impl FnMut(Progress) + Send,
        problem: impl FnOnce(Failure) -> JobProblem + Send,
    ) -> Result<Value, JobProblem> {
        let BegunJob { uid, own } = job;
        let (result, is_tried_again) = (operation.result(), operation.is_tried_again());
        let (progress, mut reports) = unbounded_channel();
        let by = By {
            caller,
            progress,
            note: operation.note(),
            once: None,
            job: own.is_some().then(|| JobSlip {
                uid,
                result: Arc::clone(&result),
            }),
        };
        let mut noted = NotedProgress::of(self, own.is_some().then_some(uid));
        let work = AssertUnwindSafe(self.perform_by(&by, operation)).catch_unwind();
        let mut work = std::pin::pin!(work);
        let outcome = loop {
            tokio::select! {
                outcome = &mut work => break outcome,
                Some(report) = reports.recv() => {
                    on_progress(report);
                    noted.now_and_then(report).await;
                }
            }
        };
        while let Ok(report) = reports.try_recv() {
            on_progress(report);
            noted.latest = Some(report);
        }
        noted.write().await;
        let outcome = outcome.unwrap_or_else(|_| {
            let detail = "the work broke off; what was done until then stays so";
            Err(Failure::Broken(detail.to_owned()))
        });
        let outcome = match outcome {
            Ok(answer) => Ok(result(&answer)),
            Err(failure) => Err(problem(failure)),
        };
        if let Some(own) = own.filter(|_| outcome.is_ok() || !is_tried_again) {
            self.end_job(uid, outcome.clone(), own).await;
        }
        outcome
    }

    /// Writes how a job ended, unless that was written with its work. It stays this process's own until it
    /// is written.
    async fn end_job(&self, uid: Uuid, outcome: Result<Value, JobProblem>, own: Arc<OwnJob>) {
        let outcome = outcome.map_or_else(JobOutcome::Failed, JobOutcome::Done);
        let end = WorkEnd {
            job: Some(JobEnd { uid, outcome }),
            ..WorkEnd::default()
        };
        let own: Arc<dyn Any + Send + Sync> = own;
        self.write_down(end, Some(own)).await;
    }
}

/// How far a job is, and when that was noted.
struct NotedProgress<'a> {
    operations: &'a Operations,
    /// The job, where it is kept.
    uid: Option<Uuid>,
    /// What is not noted yet.
    latest: Option<Progress>,
    at: Option<Instant>,
}

impl<'a> NotedProgress<'a> {
    const fn of(operations: &'a Operations, uid: Option<Uuid>) -> Self {
        Self {
            operations,
            uid,
            latest: None,
            at: None,
        }
    }

    async fn now_and_then(&mut self, report: Progress) {
        self.latest = Some(report);
        if self.at.is_none_or(|at| at.elapsed() >= NOTE_EVERY) {
            self.write().await;
        }
    }

    async fn write(&mut self) {
        let Some((uid, Progress { done, total })) = self.uid.zip(self.latest.take()) else {
            return;
        };
        self.at = Some(Instant::now());
        let note = NoteJobProgress { uid, done, total };
        if let Err(error) = self.operations.store.step(note).await {
            // The work says itself what it cannot do.
            tracing::warn!(job = %uid, %error, "job.progress_not_written");
        }
    }
}
