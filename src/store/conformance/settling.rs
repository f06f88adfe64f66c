//! What is written of a settlement, as [`crate::plan::settling`] states it.

use super::forwarding::attempt;
use super::{RECIPIENT, SECOND_MS, START_MS, Subject, each_engine, report};
use crate::model::{ErrorCode, ForwardKey, ForwardState, GaveUp, Status};
use crate::store::change::{DeleteSubscriber, RequeueForwards};
use crate::store::query::{AttemptQuery, Scope, Window};
use crate::store::timeline::AttemptAt;
use crate::store::{
    ChangeRecord, OpenLane, PendingForward, Person, RetrySelection, Settled, Settlement,
};

each_engine!(
    a_forward_that_ended_stays_as_it_ended_and_keeps_each_attempt,
    a_settlement_of_a_forward_that_is_gone_leaves_nothing,
    what_is_put_off_uses_up_no_attempt,
    what_a_removed_subscriber_took_once_stays_delivered_and_is_not_queued_again,
);

impl Subject {
    /// A subscriber, with one forward in its open lane.
    async fn one_pending(&self) -> (OpenLane, PendingForward) {
        let crm = self.subscriber("crm").await;
        let lane = self.lane(&crm).await;
        self.commit(vec![report("a", Status::Sent, 0)]).await;
        let forward = self.pending(&lane).await;
        (lane, forward)
    }

    async fn attempts(&self) -> Vec<AttemptAt> {
        let query = AttemptQuery {
            window: Window::newest(10),
            ..AttemptQuery::default()
        };
        self.store.read(query).await.unwrap().rows
    }

    /// Queues a forward again by hand; returns whether it was.
    pub(super) async fn requeue(&self, forward_id: ForwardKey) -> bool {
        let requeue = RequeueForwards {
            selection: RetrySelection {
                forward_ids: vec![forward_id],
                new_id: false,
            },
            scope: Scope::default(),
        };
        let finish = |(queued, _): (usize, _)| (queued, ChangeRecord::default());
        self.store.change(requeue, finish).await.unwrap() == 1
    }
}

async fn a_forward_that_ended_stays_as_it_ended_and_keeps_each_attempt(subject: Subject) {
    let (lane, forward) = subject.one_pending().await;
    subject
        .settle(&lane, &forward, (attempt(1, None), Settled::Delivered))
        .await;
    let delivered = format!("{:?}", subject.forward().await);
    let gave_up = Settled::GaveUp(GaveUp::AttemptsExhausted);
    for settled in [gave_up, Settled::RetryAt(START_MS), Settled::Delivered] {
        let failed = attempt(2, Some(ErrorCode::Timeout));
        subject.settle(&lane, &forward, (failed, settled)).await;
        let found = format!("{:?}", subject.forward().await);
        assert_eq!(found, delivered, "{settled:?}");
    }
    assert_eq!(subject.attempts().await.len(), 4);
}

async fn a_settlement_of_a_forward_that_is_gone_leaves_nothing(subject: Subject) {
    let (lane, forward) = subject.one_pending().await;
    let person = Person::new(RECIPIENT).unwrap();
    subject
        .store
        .erase(&person, false, |_, _| {})
        .await
        .unwrap();
    subject
        .settle(&lane, &forward, (attempt(1, None), Settled::Delivered))
        .await;
    assert!(subject.forwards().await.is_empty());
    assert!(subject.attempts().await.is_empty());
}

async fn what_is_put_off_uses_up_no_attempt(subject: Subject) {
    let (lane, forward) = subject.one_pending().await;
    let due_ms = START_MS + 60 * SECOND_MS;
    let failed = attempt(1, Some(ErrorCode::Connect));
    subject
        .settle(&lane, &forward, (failed, Settled::PutOff(due_ms)))
        .await;
    let found = subject.forward().await;
    assert_eq!((found.state, found.attempts), (ForwardState::Pending, 0));
    assert_eq!(
        (found.due_at_ms, found.last_attempt_ms),
        (due_ms, Some(START_MS))
    );
    assert_eq!(found.last_error, Some(ErrorCode::Connect));
    // An expiry has no attempt: what is known of the last one stays.
    let expired = Settled::GaveUp(GaveUp::Expired);
    subject.store.settle(Settlement {
        lane: lane.key,
        forward_id: forward.forward_id,
        attempt: None,
        settled: expired,
    });
    assert!(subject.requeue(forward.forward_id).await);
    let found = subject.forward().await;
    assert_eq!(found.last_attempt_ms, Some(START_MS));
    assert_eq!(found.last_error, Some(ErrorCode::Connect));
}

async fn what_a_removed_subscriber_took_once_stays_delivered_and_is_not_queued_again(
    subject: Subject,
) {
    let (lane, forward) = subject.one_pending().await;
    subject
        .settle(&lane, &forward, (attempt(1, None), Settled::Delivered))
        .await;
    subject.advance(SECOND_MS);
    assert!(subject.requeue(forward.forward_id).await);
    assert_eq!(subject.forward().await.state, ForwardState::Pending);
    let finish = |pending| (pending, ChangeRecord::default());
    let delete = DeleteSubscriber {
        subscriber_id: lane.key.subscriber_id,
    };
    assert_eq!(subject.store.change(delete, finish).await.unwrap(), 1);
    let found = subject.forward().await;
    assert_eq!(
        (found.state, found.settled_at_ms),
        (ForwardState::Delivered, Some(START_MS + 7)),
        "when it took it"
    );
    assert!(!subject.requeue(forward.forward_id).await);
    assert_eq!(subject.forward().await.state, ForwardState::Delivered);
}
