//! The duty of jobs that an earlier process left behind: each is carried on, or said to be interrupted.
//!
//! An erasure is promised to a person, so it is carried on: erasing again finds what is left. Reading again
//! and another key are the operator's to begin again, with a new version perhaps; half of either harms
//! nothing. A job is carried on a few times only, since it may be what ends the service. For a key that is
//! missing it waits a day, as long as an answer under a key is kept.

use std::time::Duration;

use serde_json::json;

use super::audit::Note;
use super::erase::CarriedErasure;
use super::{Failure, Operations};
use crate::access::Caller;
use crate::duties::{Duty, Next};
use crate::store::job::{JobEnd, JobKind, JobOrder, JobOutcome, JobProblem, JobRecord, RunningJob};
use crate::store::query::RunningJobQuery;
use crate::store::step::StartJobAgain;
use crate::store::{ChangeRecord, Error, Lease};

/// How often a job is begun at most.
const STARTS: u32 = 5;
/// How soon a job is looked at again whose key was missing.
const KEY_PAUSE: Duration = Duration::from_mins(1);
/// For how long a key is waited for that is missing, ms from the begin of the job.
const KEY_PATIENCE_MS: i64 = 24 * 3600 * 1000;

/// Settles the jobs that an earlier process left behind.
#[derive(Clone)]
pub struct LeftJobs {
    operations: Operations,
    problem: fn(Failure) -> JobProblem,
}

impl Duty for LeftJobs {
    const NAME: &'static str = "jobs";

    async fn step(&mut self, lease: &Lease) -> Result<Next, Error> {
        let mut next = Next::Woken;
        for RunningJob { job, order } in self.operations.store.read(RunningJobQuery).await? {
            if !lease.is_held() {
                break;
            }
            // It was begun after the start of this process.
            if self.operations.own_jobs.has(job.uid) {
                continue;
            }
            let order = match order {
                JobOrder::KeyMissing if self.may_get_key(&job) => {
                    next = Next::After(KEY_PAUSE);
                    continue;
                }
                JobOrder::KeyMissing | JobOrder::Nothing => None,
                JobOrder::Kept(order) => CarriedErasure::of(&order),
            };
            match order.filter(|_| job.kind == JobKind::Erase && job.starts < STARTS) {
                Some(erasure) => self.carry_on(&job, erasure).await?,
                None => self.interrupt(job).await?,
            }
        }
        Ok(next)
    }
}

impl LeftJobs {
    /// Those of the store of these operations. How a failure is shown is a matter of the API.
    #[must_use]
    pub const fn new(operations: Operations, problem: fn(Failure) -> JobProblem) -> Self {
        Self {
            operations,
            problem,
        }
    }

    /// Whether a missing key may still come: a row that stays sealed with it keeps others from being
    /// sealed again.
    fn may_get_key(&self, job: &JobRecord) -> bool {
        self.operations.clock.now_ms() - job.created_at_ms < KEY_PATIENCE_MS
    }

    async fn carry_on(&self, job: &JobRecord, erasure: CarriedErasure) -> Result<(), Error> {
        let uid = job.uid;
        self.operations.store.step(StartJobAgain { uid }).await?;
        tracing::info!(job = %uid, starts = job.starts + 1, "job.carried_on");
        let begun = self.operations.own_job(uid);
        let work = (Caller::cli(), erasure);
        let ended = self.operations.carry_out(begun, work, |_| {}, self.problem);
        // How it failed is said by the job, and that it did by the audit.
        if ended.await.is_err() {
            tracing::error!(job = %uid, "job.failed");
        }
        Ok(())
    }

    async fn interrupt(&self, job: JobRecord) -> Result<(), Error> {
        let note = match job.kind {
            JobKind::Erase => Some(Note::new("person", "erased").of_work("erasure")),
            JobKind::Reprocess => Some(Note::new("webhook", "reprocessed").of_work("reprocess")),
            // It is one transaction, of which nothing was done.
            JobKind::RotateKey => None,
        };
        let uid = job.uid;
        let note = note.map(|note| note.with(json!({"done": job.done, "total": job.total})));
        let record = ChangeRecord {
            audit: note.map(|note| note.interrupted(job.caller, job.role)),
            job: Some(JobEnd {
                uid,
                outcome: JobOutcome::Interrupted,
            }),
            ..ChangeRecord::default()
        };
        self.operations.store.note(record).await?;
        tracing::warn!(job = %uid, "job.interrupted");
        Ok(())
    }
}
