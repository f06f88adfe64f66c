//! `/jobs/{id}`: long work, how far it is and what came of it.
//!
//! Jobs are kept in memory: after a restart of the service none is known any more, and what its work
//! had done until then stays done.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::oneshot;
use utoipa::ToSchema;
use uuid::Uuid;

use super::input::Segment;
use super::job_results::JobResultView;
use super::once::KeptJob;
use super::time::Time;
use super::{BASE, HandlerContext, KeyedRequest, Reply, done, failed, respond, shaped};
use crate::access::{Caller, Way};
use crate::admin::{Failure, Operation, Operations, Progress};
use crate::clock::Clock;
use crate::model::quoted;
use crate::store::idempotency::{KeptAnswer, Ticket};
use crate::store::job::{JobKind, JobState};
use crate::web::problem::Problem;

/// Jobs that are remembered; those that ended go first.
const REMEMBERED: usize = 64;

/// Long work.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Job)]
pub(crate) struct JobView {
    /// Its id.
    #[schema(value_type = String, example = "0199c9a4-64ba-7a06-a3ef-9a5c3f0d0c11")]
    pub(crate) id: Uuid,
    /// What is done.
    pub(crate) kind: JobKind,
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
    /// What came of it; null unless it is done.
    #[schema(value_type = Option<JobResultView>)]
    pub(crate) result: Option<Value>,
    /// Why it failed; null unless it did.
    pub(crate) problem: Option<JobProblemView>,
}

impl JobView {
    /// A job that begins.
    fn new(kind: JobKind, now_ms: i64) -> Self {
        Self {
            id: Uuid::now_v7(),
            kind,
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

/// A job and the token that began it.
struct Job {
    caller: String,
    view: JobView,
}

/// The jobs of this process.
#[derive(Default)]
pub(super) struct Jobs(Mutex<VecDeque<Job>>);

impl Jobs {
    fn locked(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a job that begins; 503 where as many run as are remembered.
    fn begin(&self, caller: &Caller, view: JobView) -> Result<(), Problem> {
        let mut jobs = self.locked();
        if jobs.len() >= REMEMBERED {
            let ended = jobs
                .iter()
                .position(|job| job.view.state != JobState::Running);
            let Some(ended) = ended else {
                return Err(Problem::busy(format!(
                    "{REMEMBERED} jobs are running: send it again when one of them has ended"
                )));
            };
            jobs.remove(ended);
        }
        jobs.push_back(Job {
            caller: caller.called(),
            view,
        });
        Ok(())
    }

    fn forget(&self, id: Uuid) {
        self.locked().retain(|job| job.view.id != id);
    }

    fn change(&self, id: Uuid, change: impl FnOnce(&mut JobView)) {
        let mut jobs = self.locked();
        if let Some(job) = jobs.iter_mut().find(|job| job.view.id == id) {
            change(&mut job.view);
        }
    }

    /// The job to which this answer leads.
    pub(super) fn behind(&self, answer: &KeptAnswer) -> KeptJob {
        let jobs = format!("{BASE}/jobs/");
        let id = answer.location.as_deref();
        let id = id.and_then(|location| location.strip_prefix(&*jobs)?.parse::<Uuid>().ok());
        let Some(id) = id else {
            return KeptJob::NoJob;
        };
        let known = self.locked();
        let job = known.iter().find(|job| job.view.id == id);
        match job.map(|job| job.view.state) {
            None => KeptJob::Forgotten,
            Some(JobState::Failed) => KeptJob::Failed,
            Some(_) => KeptJob::Known,
        }
    }

    fn find(&self, id: Uuid, caller: &Caller) -> Option<JobView> {
        let jobs = self.locked();
        let job = jobs.iter().find(|job| job.view.id == id)?;
        let is_seen = caller.way == Way::Cli || job.caller == caller.called();
        is_seen.then(|| job.view.clone())
    }
}

/// A job while its work goes on; work that breaks off has failed.
struct LiveJob {
    jobs: Arc<Jobs>,
    clock: Clock,
    id: Uuid,
}

impl LiveJob {
    /// Carries its work out, and notes how far that is.
    async fn watch<O: Operation>(
        &self,
        operations: &Operations,
        caller: Caller,
        operation: O,
    ) -> Result<O::Answer, Failure> {
        let (progress, mut reports) = unbounded_channel();
        let work = operations.perform(caller, operation, progress, None);
        let mut work = std::pin::pin!(work);
        let outcome = loop {
            tokio::select! {
                outcome = &mut work => break outcome,
                Some(report) = reports.recv() => self.note(report),
            }
        };
        while let Ok(report) = reports.try_recv() {
            self.note(report);
        }
        outcome
    }

    fn note(&self, Progress { done, total }: Progress) {
        self.jobs.change(self.id, |job| {
            job.done = done;
            job.total = total;
        });
    }

    fn end(&self, outcome: Result<Value, JobProblemView>) {
        let finished_at = Some(Time(self.clock.now_ms()));
        self.jobs.change(self.id, |job| {
            job.finished_at = finished_at;
            match outcome {
                Ok(result) => {
                    job.state = JobState::Done;
                    job.done = job.total;
                    job.result = Some(result);
                }
                Err(problem) => {
                    job.state = JobState::Failed;
                    job.problem = Some(problem);
                }
            }
        });
    }
}

impl Drop for LiveJob {
    fn drop(&mut self) {
        let is_running = self
            .jobs
            .locked()
            .iter()
            .any(|job| job.view.id == self.id && job.view.state == JobState::Running);
        if is_running {
            self.end(Err(JobProblemView {
                status: StatusCode::INTERNAL_SERVER_ERROR.as_u16(),
                detail: "the work broke off; what was done until then stays so".to_owned(),
            }));
        }
    }
}

impl From<Problem> for JobProblemView {
    fn from(problem: Problem) -> Self {
        Self {
            status: problem.status(),
            detail: problem.to_string(),
        }
    }
}

impl HandlerContext {
    /// Begins long work and answers where it can be watched. What came of it is a function of what was
    /// done, as with every change.
    ///
    /// The answer is kept before the work, so a repeat finds it at any time.
    pub(super) async fn begin<O: Operation>(
        &self,
        kind: JobKind,
        operation: O,
        result: impl Fn(&O::Answer) -> Result<Value, Problem> + Send + Sync + 'static,
    ) -> Reply {
        let api = &self.shared.api;
        let view = JobView::new(kind, self.shared.clock.now_ms());
        let accepted = accepted(&view)?;
        api.jobs.begin(&self.caller, view.clone())?;
        let job = LiveJob {
            jobs: Arc::clone(&api.jobs),
            clock: self.shared.clock.clone(),
            id: view.id,
        };
        let (operations, caller) = (api.operations.clone(), self.caller.clone());
        let (keyed, answer) = (self.keyed.take(), accepted.clone());
        let (reply, begun) = oneshot::channel();
        let work = async move {
            let ticket = match keep(&operations, keyed, answer).await {
                Ok(ticket) => ticket,
                Err(failure) => {
                    job.jobs.forget(job.id);
                    // The client may be gone.
                    let _ = reply.send(Err(failure));
                    return;
                }
            };
            // As above: it is done all the same.
            let _ = reply.send(Ok(()));
            let outcome = job.watch(&operations, caller.clone(), operation).await;
            if outcome.is_err()
                && let Some(ticket) = ticket
            {
                operations.forget(ticket, None).await;
            }
            let outcome = outcome.map_err(|failure| failed(&caller, failure));
            let outcome = outcome.and_then(|answer| result(&answer));
            job.end(outcome.map_err(JobProblemView::from));
        };
        // It is done whatever becomes of the one who asks.
        api.operations.apart(Box::pin(work));
        let begun = begun.await.map_err(|error| Problem::internal(&error))?;
        begun.map_err(|failure| failed(&self.caller, failure))?;
        Ok(respond(accepted))
    }
}

/// Keeps the answer under the key of the request, where it has one. Until then a repeat has to wait.
async fn keep(
    operations: &Operations,
    keyed: Option<KeyedRequest>,
    answer: KeptAnswer,
) -> Result<Option<Ticket>, Failure> {
    let Some(keyed) = keyed else {
        return Ok(None);
    };
    let KeyedRequest { ticket, turn } = keyed;
    operations.keep(ticket.clone(), answer).await?;
    drop(turn);
    Ok(Some(ticket))
}

/// The answer to a request that began a job.
fn accepted(job: &JobView) -> Result<KeptAnswer, Problem> {
    Ok(KeptAnswer {
        location: Some(format!("{BASE}/jobs/{}", job.id)),
        ..shaped(StatusCode::ACCEPTED, job)?
    })
}

/// One job and how far it is. It is forgotten when the service ends, and when it has ended and 64 came
/// after it.
#[utoipa::path(get, path = "/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "Its id.")),
    responses((status = 200, description = "It.", body = JobView)))]
pub(super) async fn read(context: HandlerContext, Segment(text): Segment) -> Reply {
    let id = text.parse().ok();
    let found = id.and_then(|id| context.shared.api.jobs.find(id, &context.caller));
    let missing = || {
        Problem::missing(format_args!(
            "job {id}: it was begun by another caller, or before the service was started",
            id = quoted(&text)
        ))
    };
    done(&found.ok_or_else(missing)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_runs_is_never_forgotten_for_another() {
        let jobs = Jobs::default();
        let caller = Caller::cli();
        let mut ids = Vec::new();
        for _ in 0..REMEMBERED {
            let view = JobView::new(JobKind::Erase, 0);
            ids.push(view.id);
            jobs.begin(&caller, view).unwrap();
        }
        let refused = jobs.begin(&caller, JobView::new(JobKind::Erase, 0));
        assert_eq!(refused.unwrap_err().status(), 503);
        jobs.change(ids[7], |job| job.state = JobState::Done);
        jobs.begin(&caller, JobView::new(JobKind::Erase, 0))
            .unwrap();
        let forgotten = ids.iter().filter(|&&id| jobs.find(id, &caller).is_none());
        assert_eq!(forgotten.collect::<Vec<_>>(), [&ids[7]]);
    }

    #[test]
    fn an_answer_leads_to_its_job_until_the_job_is_forgotten() {
        let (jobs, caller) = (Jobs::default(), Caller::cli());
        let view = JobView::new(JobKind::Erase, 0);
        let (id, answer) = (view.id, accepted(&view).unwrap());
        assert!(matches!(jobs.behind(&answer), KeptJob::Forgotten));
        jobs.begin(&caller, view).unwrap();
        jobs.change(id, |job| job.state = JobState::Failed);
        let behind = jobs.behind(&answer);
        assert!(matches!(behind, KeptJob::Failed));
        let other = KeptAnswer {
            location: Some(format!("{BASE}/subscribers/crm")),
            ..answer
        };
        assert!(matches!(jobs.behind(&other), KeptJob::NoJob));
    }
}
