//! `/jobs`: long work, how far it is and what came of it.
//!
//! Jobs are kept in the store, as `admin::jobs` says, and the latest of this process in memory too: how far
//! these are is known at any moment, and of a dry run nothing is kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::oneshot;
use utoipa::IntoParams;
use uuid::Uuid;

use super::input::{Segment, UrlQuery};
use super::job_view::JobView;
use super::list::ListFilter;
use super::once::KeptJob;
use super::page::Page;
use super::time::Time;
use super::{BASE, HandlerContext, KeyedRequest, Reply, done, failed, respond, shaped};
use crate::access::{Caller, Way};
use crate::admin::jobs::LongWork;
use crate::admin::{Failure, Progress};
use crate::clock::Clock;
use crate::model::{Whole, quoted};
use crate::store::Store;
use crate::store::idempotency::{IdempotencyRecord, KeptAnswer};
use crate::store::job::{JobProblem, JobRecord, JobState};
use crate::store::query::{JobDetailQuery, JobQuery};
use crate::web::problem::Problem;

/// Jobs that are remembered; those that ended go first.
const REMEMBERED: usize = 64;

/// A failure of a job as the operator reads it.
pub(crate) fn problem_of(failure: Failure) -> JobProblem {
    shown(&Caller::cli(), failure)
}

/// A failure of a job as its caller reads it.
fn shown(caller: &Caller, failure: Failure) -> JobProblem {
    let problem = failed(caller, failure);
    JobProblem {
        status: problem.status(),
        detail: problem.to_string(),
    }
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

    fn state(&self, id: Uuid) -> Option<JobState> {
        let jobs = self.locked();
        let job = jobs.iter().find(|job| job.view.id == id)?;
        Some(job.view.state)
    }

    /// The job to which this answer leads.
    ///
    /// # Errors
    /// As reads of the store.
    pub(super) async fn behind(
        &self,
        store: &Store,
        answer: &KeptAnswer,
    ) -> Result<KeptJob, Problem> {
        let jobs = format!("{BASE}/jobs/");
        let id = answer.location.as_deref();
        let id = id.and_then(|location| location.strip_prefix(&*jobs)?.parse::<Uuid>().ok());
        let Some(uid) = id else {
            return Ok(KeptJob::NoJob);
        };
        let state = match self.state(uid) {
            None => store
                .read(JobDetailQuery { uid })
                .await?
                .map(|job| job.state),
            known => known,
        };
        Ok(match state {
            Some(JobState::Failed) => KeptJob::Repeatable,
            Some(_) => KeptJob::Known,
            None if is_dry_run(answer) => KeptJob::Repeatable,
            None => KeptJob::Forgotten,
        })
    }

    /// A job of the store as it is now.
    fn now(&self, record: JobRecord) -> JobView {
        let jobs = self.locked();
        let own = jobs.iter().find(|job| job.view.id == record.uid);
        own.map_or_else(|| JobView::from(record), |job| job.view.clone())
    }

    fn find(&self, id: Uuid, caller: &Caller) -> Option<JobView> {
        let jobs = self.locked();
        let job = jobs.iter().find(|job| job.view.id == id)?;
        let is_seen = caller.way == Way::Cli || job.caller == caller.called();
        is_seen.then(|| job.view.clone())
    }
}

/// Whether the job was a dry run that was begun with this answer.
fn is_dry_run(answer: &KeptAnswer) -> bool {
    serde_json::from_str::<JobView>(&answer.body).is_ok_and(|job| job.dry_run)
}

/// A job while its work goes on, as this process remembers it.
struct LiveJob {
    jobs: Arc<Jobs>,
    clock: Clock,
    id: Uuid,
}

impl LiveJob {
    fn note(&self, Progress { done, total }: Progress) {
        self.jobs.change(self.id, |job| {
            job.done = done;
            job.total = total;
        });
    }

    fn end(&self, outcome: Result<Value, JobProblem>) {
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
                    job.problem = Some(problem.into());
                }
            }
        });
    }
}

impl HandlerContext {
    /// Begins long work and answers where it can be watched. What came of it is a function of what was
    /// done, as with every change.
    ///
    /// The answer is kept before the work, so a repeat finds it at any time.
    pub(super) async fn begin<O: LongWork>(&self, operation: O) -> Reply {
        let api = &self.shared.api;
        let what = (O::KIND, operation.is_dry_run());
        let view = JobView::new(what, self.shared.clock.now_ms());
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
        let Time(created_at_ms) = view.created_at;
        let work = async move {
            let keyed = keyed.map(|KeyedRequest { ticket, turn }| (ticket, turn));
            let (ticket, turn) = keyed.unzip();
            let kept = ticket.clone().map(|ticket| IdempotencyRecord {
                ticket,
                answer: Some(answer),
            });
            let at = (job.id, created_at_ms);
            let begun = match operations.begin_job(at, (&caller, &operation), kept).await {
                Ok(begun) => begun,
                Err(failure) => {
                    job.jobs.forget(job.id);
                    // The client may be gone.
                    let _ = reply.send(Err(failure));
                    return;
                }
            };
            // Until now a repeat had to wait.
            drop(turn);
            // As above: it is done all the same.
            let _ = reply.send(Ok(()));
            let outcome = operations.carry_out(
                begun,
                (caller.clone(), operation),
                |progress| job.note(progress),
                |failure| shown(&caller, failure),
            );
            let outcome = outcome.await;
            if outcome.is_err()
                && let Some(ticket) = ticket
            {
                operations.forget(ticket, None).await;
            }
            job.end(outcome);
        };
        // It is done whatever becomes of the one who asks.
        api.operations.apart(Box::pin(work));
        let begun = begun.await.map_err(|error| Problem::internal(&error))?;
        begun.map_err(|failure| failed(&self.caller, failure))?;
        Ok(respond(accepted))
    }
}

/// The answer to a request that began a job.
fn accepted(job: &JobView) -> Result<KeptAnswer, Problem> {
    Ok(KeptAnswer {
        location: Some(format!("{BASE}/jobs/{}", job.id)),
        ..shaped(StatusCode::ACCEPTED, job)?
    })
}

/// Which page of the jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct JobListQuery {
    /// At most this many; 50 when left out.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The caller's jobs of the last week, the newest first, without what came of them. The operator sees
/// everybody's, on the socket. Dry runs are not listed.
#[utoipa::path(get, path = "/jobs", tag = "jobs", params(JobListQuery),
    responses((status = 200, description = "One page.", body = Page<JobView>)))]
pub(super) async fn list(
    context: HandlerContext,
    UrlQuery(query, faults): UrlQuery<JobListQuery>,
) -> Reply {
    let page = ("jobs", query.limit, query.cursor.as_deref());
    let (paging, _) = context.list(page, ListFilter::default(), faults).await?;
    let caller = &context.caller;
    let jobs = JobQuery {
        caller: (caller.way != Way::Cli).then(|| caller.called()),
        window: paging.window(),
    };
    let rows = context.read(jobs).await?;
    let show = |record| JobView {
        result: None,
        ..context.shared.api.jobs.now(record)
    };
    done(&paging.page(rows, show))
}

/// One job and how far it is, until a week after its end.
///
/// An erasure goes on after a restart. Any other job that a restart cuts off is `interrupted`, and
/// `problem` says what to do.
#[utoipa::path(get, path = "/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "Its id.")),
    responses((status = 200, description = "It.", body = JobView)))]
pub(super) async fn read(context: HandlerContext, Segment(text): Segment) -> Reply {
    let missing = || {
        Problem::missing(format_args!(
            "job {id}: it was begun by another caller, ended over a week ago, or was a dry run before \
             the service was started",
            id = quoted(&text)
        ))
    };
    let uid: Uuid = text.parse().map_err(|_| missing())?;
    let caller = &context.caller;
    if let Some(job) = context.shared.api.jobs.find(uid, caller) {
        return done(&job);
    }
    let found = context.read(JobDetailQuery { uid }).await?;
    let is_seen = |job: &JobRecord| caller.way == Way::Cli || job.caller == caller.called();
    let found = found.filter(is_seen);
    done(&JobView::from(found.ok_or_else(missing)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::job::JobKind;

    #[test]
    fn a_job_that_runs_is_never_forgotten_for_another() {
        let jobs = Jobs::default();
        let caller = Caller::cli();
        let mut ids = Vec::new();
        for _ in 0..REMEMBERED {
            let view = JobView::new((JobKind::Erase, false), 0);
            ids.push(view.id);
            jobs.begin(&caller, view).unwrap();
        }
        let refused = jobs.begin(&caller, JobView::new((JobKind::Erase, false), 0));
        assert_eq!(refused.unwrap_err().status(), 503);
        jobs.change(ids[7], |job| job.state = JobState::Done);
        jobs.begin(&caller, JobView::new((JobKind::Erase, false), 0))
            .unwrap();
        let forgotten = ids.iter().filter(|&&id| jobs.find(id, &caller).is_none());
        assert_eq!(forgotten.collect::<Vec<_>>(), [&ids[7]]);
    }

    #[test]
    fn the_answer_that_began_a_dry_run_says_so() {
        for dry_run in [true, false] {
            let view = JobView::new((JobKind::Erase, dry_run), 0);
            assert_eq!(is_dry_run(&accepted(&view).unwrap()), dry_run);
        }
        let other = KeptAnswer {
            status: 201,
            body: "{}".to_owned(),
            location: None,
        };
        assert!(!is_dry_run(&other));
    }
}
