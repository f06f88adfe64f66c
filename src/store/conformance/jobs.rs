//! Long work: kept as it began, as it went on and as it ended.

use serde_json::json;
use uuid::Uuid;

use super::{DAY_MS, SECOND_MS, START_MS, Subject, each_engine};
use crate::access::Role;
use crate::store::ChangeRecord;
use crate::store::change::InsertJob;
use crate::store::job::{
    JobEnd, JobKind, JobOrder, JobOutcome, JobProblem, JobRecord, JobState, NewJob, RunningJob,
};
use crate::store::query::{JobDetailQuery, JobQuery, RunningJobQuery, Window};
use crate::store::step::{NoteJobProgress, StartJobAgain};

each_engine!(
    a_job_is_kept_as_it_began_went_on_and_ended,
    what_a_job_is_to_do_opens_until_it_has_ended,
    a_job_goes_a_week_after_its_end_and_never_before_it,
    what_came_of_reading_again_is_kept_unless_a_person_was_erased_meanwhile,
);

impl Subject {
    async fn begin(&self, caller: &str, order: Option<&str>) -> Uuid {
        self.begin_kind(JobKind::Erase, caller, order).await
    }

    async fn begin_kind(&self, kind: JobKind, caller: &str, order: Option<&str>) -> Uuid {
        let uid = Uuid::now_v7();
        let new = NewJob {
            uid,
            kind,
            caller: caller.to_owned(),
            role: Role::Admin,
            order: order.map(|order| order.to_owned().into()),
            created_at_ms: self.now_ms(),
        };
        let finish = |()| ((), ChangeRecord::default());
        let insert = InsertJob { new };
        self.store.change(insert, finish).await.unwrap();
        uid
    }

    async fn end_job(&self, uid: Uuid, outcome: JobOutcome) {
        let record = ChangeRecord {
            job: Some(JobEnd { uid, outcome }),
            ..ChangeRecord::default()
        };
        self.store.note(record).await.unwrap();
    }

    async fn job(&self, uid: Uuid) -> Option<JobRecord> {
        self.store.read(JobDetailQuery { uid }).await.unwrap()
    }

    async fn running(&self) -> Vec<RunningJob> {
        self.store.read(RunningJobQuery).await.unwrap()
    }

    async fn listed(&self, caller: Option<&str>) -> Vec<Uuid> {
        let query = JobQuery {
            caller: caller.map(str::to_owned),
            window: Window::newest(10),
        };
        let rows = self.store.read(query).await.unwrap().rows;
        rows.into_iter().map(|job| job.uid).collect()
    }
}

async fn a_job_is_kept_as_it_began_went_on_and_ended(subject: Subject) {
    let (first, second) = (
        subject.begin("cli", None).await,
        subject.begin("token 1 (ops)", None).await,
    );
    assert_eq!(subject.listed(None).await, [second, first]);
    assert_eq!(subject.listed(Some("cli")).await, [first]);
    let note = NoteJobProgress {
        uid: first,
        done: 3,
        total: 9,
    };
    subject.store.step(note).await.unwrap();
    let subject = subject.opened_again().await;
    let job = subject.job(first).await.unwrap();
    assert_eq!((job.state, job.done, job.total), (JobState::Running, 3, 9));
    assert_eq!((job.starts, job.finished_at_ms), (1, None));
    subject.advance(SECOND_MS);
    subject
        .end_job(first, JobOutcome::Done(json!({"a": 1})))
        .await;
    let problem = JobProblem {
        status: 503,
        detail: "busy".to_owned(),
    };
    subject
        .end_job(second, JobOutcome::Failed(problem.clone()))
        .await;
    // The first end holds.
    subject.end_job(first, JobOutcome::Interrupted).await;
    let job = subject.job(first).await.unwrap();
    assert_eq!(
        (job.state, job.result),
        (JobState::Done, Some(json!({"a": 1})))
    );
    assert_eq!(job.finished_at_ms, Some(START_MS + SECOND_MS));
    let job = subject.job(second).await.unwrap();
    assert_eq!((job.state, job.problem), (JobState::Failed, Some(problem)));
    assert!(subject.running().await.is_empty());
    assert_eq!(subject.job(Uuid::now_v7()).await, None);
}

async fn what_a_job_is_to_do_opens_until_it_has_ended(subject: Subject) {
    let uid = subject.begin("cli", Some("whom")).await;
    let plain = subject.begin("cli", None).await;
    subject.store.step(StartJobAgain { uid }).await.unwrap();
    let finish = |_: &_| ChangeRecord::default();
    subject.store.rotate_key(finish).await.unwrap();
    let subject = subject.opened_again().await;
    let running = subject.running().await;
    assert_eq!(running.len(), 2);
    assert_eq!((running[0].job.uid, running[0].job.starts), (uid, 2));
    assert!(matches!(&running[0].order, JobOrder::Kept(order) if order.expose() == "whom"));
    assert!(matches!(running[1].order, JobOrder::Nothing));
    subject.end_job(uid, JobOutcome::Interrupted).await;
    let running = subject.running().await;
    assert_eq!(running.len(), 1);
    assert_eq!(running[0].job.uid, plain);
}

async fn a_job_goes_a_week_after_its_end_and_never_before_it(subject: Subject) {
    let (ended, running) = (
        subject.begin("cli", None).await,
        subject.begin("cli", None).await,
    );
    subject.end_job(ended, JobOutcome::Done(json!(null))).await;
    // By the hour: after a jump of a day nothing goes by age.
    for _ in 0..7 * 24 - 1 {
        subject.advance(DAY_MS / 24);
        assert!(subject.store.age_hold().is_none());
    }
    let before = subject.begin("cli", None).await;
    assert_eq!(subject.listed(None).await, [before, running, ended]);
    subject.advance(DAY_MS / 24);
    let after = subject.begin("cli", None).await;
    assert_eq!(subject.listed(None).await, [after, before, running]);
}

/// What came of it names messages, and those of the person may be among them.
async fn what_came_of_reading_again_is_kept_unless_a_person_was_erased_meanwhile(subject: Subject) {
    let done = || JobOutcome::Done(json!(["wamid.1"]));
    let result = async |uid| subject.job(uid).await.unwrap().result;
    let before = subject.begin_kind(JobKind::Reprocess, "cli", None).await;
    subject.end_job(before, done()).await;
    assert_eq!(result(before).await, Some(json!(["wamid.1"])));
    let during = subject.begin_kind(JobKind::Reprocess, "cli", None).await;
    let erasure = subject.begin("cli", None).await;
    let late = subject.begin_kind(JobKind::Reprocess, "cli", None).await;
    subject.end_job(late, done()).await;
    assert_eq!(result(late).await, None, "the erasure goes on");
    subject.advance(SECOND_MS);
    subject.end_job(erasure, JobOutcome::Done(json!({}))).await;
    subject.end_job(during, done()).await;
    assert_eq!(result(during).await, None, "it was erased meanwhile");
    subject.advance(SECOND_MS);
    let after = subject.begin_kind(JobKind::Reprocess, "cli", None).await;
    subject.end_job(after, done()).await;
    assert_eq!(result(after).await, Some(json!(["wamid.1"])));
}
