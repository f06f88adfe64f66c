//! Attempts, forwards by their ids, and the replays of subscribers.

use super::filters::{FilterCase, of_owner, of_source};
use super::{SECOND_MS, START_MS, Subject, each_engine, report, sorted};
use crate::model::{ErrorCode, GaveUp, Status};
use crate::store::change::{InsertReplay, RequeueForwards};
use crate::store::query::{
    AttemptOutcome, AttemptQuery, ForwardsByIdQuery, ReplayQuery, RunningReplayQuery, Scope, Window,
};
use crate::store::replay::ReplaySelection;
use crate::store::timeline::ForwardRecord;
use crate::store::{RetrySelection, Settled};

each_engine!(
    a_list_of_attempts_has_those_that_its_filter_names,
    forwards_are_found_by_any_id_in_the_order_in_which_they_are_named,
    a_list_of_replays_has_those_of_the_subscribers_that_it_names,
);

impl Subject {
    /// Four attempts, one a second. `crm` refuses `a` and then takes it. It does not answer to `b`
    /// of the other source, which the partner takes.
    async fn four_attempts(&self) {
        self.commit(vec![report("a", Status::Sent, 0)]).await;
        self.commit_by("second", vec![report("b", Status::Sent, 0)])
            .await;
        let again = Settled::RetryAt(START_MS);
        let gave_up = Settled::GaveUp(GaveUp::AttemptsExhausted);
        for (subscriber, message, error, settled) in [
            ("crm", "a", Some(ErrorCode::Http5xx), again),
            ("crm", "a", None, Settled::Delivered),
            ("crm", "b", Some(ErrorCode::Timeout), gave_up),
            ("partner", "b", None, Settled::Delivered),
        ] {
            let forward = self.forward_to(subscriber, message).await;
            let now_ms = self.now_ms();
            self.end_attempt(&forward, now_ms, error, settled).await;
            self.advance(SECOND_MS);
        }
    }

    /// Of each attempt the subscriber, the number and the second after the start.
    async fn attempts_by(&self, narrow: impl FnOnce(&mut AttemptQuery)) -> String {
        let mut query = AttemptQuery {
            window: Window::newest(10),
            ..AttemptQuery::default()
        };
        narrow(&mut query);
        let rows = self.read(query).await.rows.into_iter();
        let found = rows.map(|row| {
            let second = (row.attempt.started_at_ms - START_MS) / SECOND_MS;
            let number = row.attempt.number.unwrap_or_default();
            format!("{}/{number}/{second}", row.subscriber)
        });
        found.collect::<Vec<_>>().join(" ")
    }
}

async fn a_list_of_attempts_has_those_that_its_filter_names(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    subject.partner().await;
    subject.four_attempts().await;
    let all = "partner/1/3 crm/1/2 crm/2/1 crm/1/0";
    let cases: [FilterCase<AttemptQuery>; 8] = [
        (|_| {}, all),
        (
            |query| query.outcome = Some(AttemptOutcome::Delivered),
            "partner/1/3 crm/2/1",
        ),
        (
            |query| query.outcome = Some(AttemptOutcome::Failed),
            "crm/1/2 crm/1/0",
        ),
        (|query| query.error = Some(ErrorCode::Timeout), "crm/1/2"),
        (
            |query| query.since_ms = Some(START_MS + 2 * SECOND_MS),
            "partner/1/3 crm/1/2",
        ),
        (
            |query| query.until_ms = Some(START_MS + 2 * SECOND_MS),
            "crm/2/1 crm/1/0",
        ),
        (|query| query.scope = of_source("cloud"), "crm/2/1 crm/1/0"),
        (|query| query.scope = of_owner("acme"), "partner/1/3"),
    ];
    for (number, (narrow, expected)) in cases.into_iter().enumerate() {
        let found = subject.attempts_by(narrow).await;
        assert_eq!(found, expected, "case {number}");
    }
    let of_crm = subject.attempts_by(|query| query.subscriber_id = Some(crm.id));
    assert_eq!(of_crm.await, "crm/1/2 crm/2/1 crm/1/0");
}

impl Subject {
    async fn forwards_of(&self, ids: &[String], scope: Scope) -> Vec<Option<ForwardRecord>> {
        let ids = ids.to_vec();
        self.read(ForwardsByIdQuery { ids, scope }).await
    }
}

async fn forwards_are_found_by_any_id_in_the_order_in_which_they_are_named(subject: Subject) {
    subject.subscriber("crm").await;
    subject.partner().await;
    subject.commit(vec![report("a", Status::Sent, 0)]).await;
    subject
        .commit_by("second", vec![report("b", Status::Sent, 0)])
        .await;
    let former = subject.forward_to("crm", "a").await;
    let requeue = RequeueForwards {
        selection: RetrySelection {
            forward_ids: vec![former.forward_id],
            new_id: true,
        },
        scope: Scope::default(),
    };
    assert_eq!(subject.make(requeue).await.0, 1);
    let renewed = subject.forward_to("crm", "a").await;
    assert_ne!(renewed.uid, former.uid);
    let partner = subject.forward_to("partner", "b").await;
    let ids = [
        partner.uid.to_string(),
        "no id".to_owned(),
        former.uid.to_string(),
        renewed.uid.to_string(),
        renewed.forward_id.to_string(),
        partner.uid.to_string(),
    ];
    let [a, b] = [Some(renewed.uid), Some(partner.uid)];
    for (scope, expected) in [
        (Scope::default(), [b, None, a, a, a, b]),
        (of_source("cloud"), [None, None, a, a, a, None]),
        (of_owner("acme"), [b, None, None, None, None, b]),
    ] {
        let found = subject.forwards_of(&ids, scope).await.into_iter();
        let found = found.map(|forward| forward.map(|forward| forward.uid));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
    assert!(subject.forwards_of(&[], Scope::default()).await.is_empty());
}

async fn a_list_of_replays_has_those_of_the_subscribers_that_it_names(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    let other = subject.subscriber("other").await;
    subject.commit(vec![report("a", Status::Sent, 0)]).await;
    let mut begun = Vec::new();
    for subscriber in [&crm, &other, &crm] {
        let replay = InsertReplay {
            subscriber_id: subscriber.id,
            selection: ReplaySelection::default(),
        };
        begun.push(subject.make(replay).await.replay_id);
    }
    let running = subject.read(RunningReplayQuery).await;
    let running = running.iter().map(|replay| replay.replay_id);
    assert_eq!(running.collect::<Vec<_>>(), begun, "the first one first");
    let names = async |subscribers| {
        let query = ReplayQuery {
            subscribers,
            window: Window::newest(10),
        };
        let rows = subject.read(query).await.rows.into_iter();
        rows.map(|row| row.subscriber).collect::<Vec<_>>()
    };
    assert_eq!(names(None).await, ["crm", "other", "crm"]);
    assert_eq!(names(Some(vec![crm.id])).await, ["crm", "crm"]);
    assert_eq!(names(Some(vec![other.id])).await, ["other"]);
    let both = names(Some(vec![other.id, crm.id])).await;
    assert_eq!(sorted(both), ["crm", "crm", "other"]);
    assert!(names(Some(Vec::new())).await.is_empty());
}
