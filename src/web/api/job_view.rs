//! A job as the API shows it, and what it says of one that a restart cut off.

use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::job_results::JobResultView;
use super::time::Time;
use crate::store::job::{JobKind, JobProblem, JobRecord, JobState};

/// Long work.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Job)]
pub(crate) struct JobView {
    /// Its id.
    #[schema(value_type = String, example = "0199c9a4-64ba-7a06-a3ef-9a5c3f0d0c11")]
    pub(crate) id: Uuid,
    /// What is done.
    pub(crate) kind: JobKind,
    /// Whether it changes nothing. Such a job is known until the service ends.
    pub(crate) dry_run: bool,
    /// How it stands.
    pub(crate) state: JobState,
    /// Steps that are done.
    pub(crate) done: u64,
    /// Of how many; 0 while that is not known.
    pub(crate) total: u64,
    /// When it was begun.
    pub(crate) created_at: Time,
    /// When it ended.
    pub(crate) finished_at: Option<Time>,
    /// What came of it; null unless it is done, and null in a list. One of more than 1 MiB is known until
    /// the service ends.
    #[schema(value_type = Option<JobResultView>)]
    pub(crate) result: Option<Value>,
    /// Why it failed or was interrupted, and what to do; null unless it did or was.
    pub(crate) problem: Option<JobProblemView>,
}

impl JobView {
    /// A job that begins.
    pub(super) fn new((kind, dry_run): (JobKind, bool), now_ms: i64) -> Self {
        Self {
            id: Uuid::now_v7(),
            kind,
            dry_run,
            state: JobState::Running,
            done: 0,
            total: 0,
            created_at: Time(now_ms),
            finished_at: None,
            result: None,
            problem: None,
        }
    }
}

impl From<JobRecord> for JobView {
    fn from(record: JobRecord) -> Self {
        let interrupted = record.state == JobState::Interrupted;
        let interrupted = interrupted.then(|| JobProblemView {
            status: StatusCode::SERVICE_UNAVAILABLE.as_u16(),
            detail: interruption(&record),
        });
        Self {
            id: record.uid,
            kind: record.kind,
            dry_run: false,
            state: record.state,
            done: record.done,
            total: record.total,
            created_at: Time(record.created_at_ms),
            finished_at: record.finished_at_ms.map(Time),
            result: record.result,
            problem: interrupted.or(record.problem.map(JobProblemView::from)),
        }
    }
}

/// What became of a job that the end of the service cut off, and what to do.
fn interruption(job: &JobRecord) -> String {
    let JobRecord { done, total, .. } = job;
    match job.kind {
        JobKind::Erase => format!(
            "the service ended {} times before the person was erased: what was erased until then stays \
             so; erase the person again",
            job.starts
        ),
        JobKind::Reprocess if *total == 0 => {
            "the service ended before it was known that a webhook was \
             read again: start it again"
                .to_owned()
        }
        JobKind::Reprocess => format!(
            "the service ended when at least {done} of {total} webhooks were read again, which stays so: \
             start it again"
        ),
        JobKind::RotateKey => {
            "the service ended before a secret was sealed again: rotate again".to_owned()
        }
    }
}

/// Why a job failed, as a request would have been answered.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = JobProblem)]
pub(crate) struct JobProblemView {
    /// The HTTP status that a request would have had.
    #[schema(example = 422, minimum = 400, maximum = 599)]
    pub(crate) status: u16,
    /// What happened and what to do.
    pub(crate) detail: String,
}

impl From<JobProblem> for JobProblemView {
    fn from(JobProblem { status, detail }: JobProblem) -> Self {
        Self { status, detail }
    }
}
