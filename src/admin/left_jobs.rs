//! The duty of jobs that an earlier process left behind: each is carried on, or said to be interrupted.
//!
//! An erasure is promised to a person, so it is carried on: erasing again finds what is left. Reading again
//! and another key are the operator's to begin again, with a new version perhaps; half of either harms
//! nothing. A job that was begun often within a short time is carried on no more, since it may be what ends
//! the service. For a key that is missing, and for what makes it fail, it waits a day.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::audit::Note;
use super::erase::CarriedErasure;
use super::{Failure, Operations};
use crate::access::Caller;
use crate::duties::{Duty, Next};
use crate::store::job::{JobEnd, JobKind, JobOrder, JobOutcome, JobProblem, JobRecord, RunningJob};
use crate::store::query::RunningJobQuery;
use crate::store::step::StartJobAgain;
use crate::store::{ChangeRecord, Error, Lease};

/// A job that was begun so often is looked at: it may be what ends the service.
const STARTS: u32 = 5;
/// One that was begun so often is not begun again, however far apart.
const MOST_STARTS: u32 = 20;
/// It is, where the starts were less than this apart on average, ms.
const LOOP_MS: i64 = 600_000;
/// How soon a job is looked at again that waits.
const PAUSE: Duration = Duration::from_mins(1);
/// How soon a job that failed is tried again, ms.
const FAILED_PAUSE_MS: i64 = 600_000;
/// For how long this process waits for a missing key, or tries again what fails, ms.
const PATIENCE_MS: i64 = 24 * 3600 * 1000;

/// Settles the jobs that an earlier process left behind.
#[derive(Clone)]
pub struct LeftJobs {
    operations: Operations,
    problem: fn(Failure) -> JobProblem,
    /// Since when this process has looked for the key of a job, ms of the clock that only goes on.
    no_key: HashMap<Uuid, i64>,
    tried: HashMap<Uuid, TriedJob>,
}

/// A job that this process began again, by the clock that only goes on.
#[derive(Clone, Copy)]
struct TriedJob {
    since_ms: i64,
    again_ms: i64,
}

impl Duty for LeftJobs {
    const NAME: &'static str = "jobs";

    async fn step(&mut self, lease: &Lease) -> Result<Next, Error> {
        let mut next = Next::Woken;
        let now_ms = self.operations.clock.monotonic_ms();
        // One that ends during the read is none that was left behind.
        let own = self.operations.own_jobs.all();
        for RunningJob { job, order } in self.operations.store.read(RunningJobQuery).await? {
            if !lease.is_held() {
                break;
            }
            // This process began it.
            if own.contains(&job.uid) || self.operations.own_jobs.has(job.uid) {
                continue;
            }
            let order = match order {
                JobOrder::KeyMissing if self.may_get_key(job.uid, now_ms) => {
                    next = Next::After(PAUSE);
                    continue;
                }
                JobOrder::KeyMissing | JobOrder::Nothing => None,
                JobOrder::Kept(order) => CarriedErasure::of(&order),
            };
            let tried = self.tried.get(&job.uid);
            if tried.is_some_and(|tried| now_ms < tried.again_ms) {
                next = Next::After(PAUSE);
                continue;
            }
            let age_ms = self.operations.clock.now_ms() - job.created_at_ms;
            let may = tried.is_some() || !is_in_a_loop(job.starts, age_ms);
            match order.filter(|_| job.kind == JobKind::Erase && may) {
                Some(erasure) => self.carry_on(&job, erasure).await?,
                None => self.interrupt(job).await?,
            }
            // It may have taken long: what the others are is read anew.
            return Ok(Next::After(Duration::ZERO));
        }
        Ok(next)
    }
}

impl LeftJobs {
    /// Those of the store of these operations. How a failure is shown is a matter of the API.
    #[must_use]
    pub fn new(operations: Operations, problem: fn(Failure) -> JobProblem) -> Self {
        Self {
            operations,
            problem,
            no_key: HashMap::new(),
            tried: HashMap::new(),
        }
    }

    /// Whether a missing key may still come: a row that stays sealed with it keeps others from being
    /// sealed again.
    fn may_get_key(&mut self, uid: Uuid, now_ms: i64) -> bool {
        now_ms - *self.no_key.entry(uid).or_insert(now_ms) < PATIENCE_MS
    }

    /// Where it fails it is tried again: to the person it is promised, whatever the disk lacks for now.
    async fn carry_on(&mut self, job: &JobRecord, erasure: CarriedErasure) -> Result<(), Error> {
        let uid = job.uid;
        let now_ms = self.operations.clock.monotonic_ms();
        let tried = self.tried.get(&uid).copied();
        if tried.is_none() {
            self.operations.store.step(StartJobAgain { uid }).await?;
            tracing::info!(job = %uid, starts = job.starts + 1, "job.carried_on");
        }
        let begun = self.operations.own_job(uid);
        let work = (Caller::cli(), erasure);
        let ended = self.operations.carry_out(begun, work, |_| {}, self.problem);
        let Err(problem) = ended.await else {
            self.tried.remove(&uid);
            return Ok(());
        };
        let JobProblem { status, detail } = &problem;
        tracing::error!(job = %uid, status, detail, "job.failed");
        let since_ms = tried.map_or(now_ms, |tried| tried.since_ms);
        let tried = TriedJob {
            since_ms,
            again_ms: self.operations.clock.monotonic_ms() + FAILED_PAUSE_MS,
        };
        self.tried.insert(uid, tried);
        if now_ms - since_ms < PATIENCE_MS {
            return Ok(());
        }
        let end = JobEnd {
            uid,
            outcome: JobOutcome::Failed(problem),
        };
        let record = ChangeRecord {
            job: Some(end),
            ..ChangeRecord::default()
        };
        self.operations.store.note(record).await
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

/// Whether a job that was begun so often since then may be what ends the service again and again.
fn is_in_a_loop(starts: u32, age_ms: i64) -> bool {
    starts >= MOST_STARTS || (starts >= STARTS && age_ms < i64::from(starts) * LOOP_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_many_restarts_cut_off_goes_on_and_one_that_ends_the_service_does_not() {
        let minute_ms = 60_000;
        assert!(is_in_a_loop(5, minute_ms) && is_in_a_loop(9, 80 * minute_ms));
        assert!(!is_in_a_loop(4, minute_ms) && !is_in_a_loop(5, 60 * minute_ms));
        let week_ms = 7 * 24 * 60 * minute_ms;
        assert!(!is_in_a_loop(19, week_ms) && is_in_a_loop(20, week_ms));
    }
}
