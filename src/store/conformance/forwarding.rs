//! What is queued for subscribers: how a lane gets it, and what becomes of it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::{DAY_MS, SECOND_MS, START_MS, Subject, each_engine, report};
use crate::model::{
    ErrorCode, Filter, ForwardState, GaveUp, MessageKey, NewSubscriber, Outcome, Rule, Status,
    Subscriber,
};
use crate::store::change::{DeleteSubscriber, NoChange, RequeueForwards};
use crate::store::query::{BacklogQuery, ForwardDetailQuery, ForwardQuery, Scope, Window};
use crate::store::step::{ExpireForwards, GiveUpRemoved};
use crate::store::timeline::{ForwardDetail, ForwardRecord};
use crate::store::{
    Attempt, ChangeRecord, LaneContents, OpenLane, PendingForward, Refill, RetrySelection, Settled,
    Settlement, Store,
};

each_engine!(
    a_lane_reads_what_is_pending_in_the_order_of_the_message_and_is_handed_the_rest,
    a_lane_is_given_no_more_than_a_bounded_part_of_a_long_backlog,
    what_is_delivered_is_pending_no_more_and_leaves_its_attempt,
    what_is_to_be_tried_again_waits_until_it_is_due,
    what_was_given_up_is_queued_again_by_hand_with_another_id,
    what_waits_for_too_long_expires,
    a_subscriber_s_filter_keeps_reports_from_it,
    a_removed_subscriber_s_forwards_are_given_up,
    a_long_backlog_of_a_removed_subscriber_is_given_up_some_at_a_time,
    what_is_pending_stays_so_over_another_start,
);

pub(super) fn attempt(number: u32, error: Option<ErrorCode>) -> Attempt {
    Attempt {
        number: Some(number),
        started_at_ms: START_MS,
        outcome: Outcome {
            http_status: Some(if error.is_some() { 500 } else { 200 }),
            error,
            detail: String::new(),
            excerpt: String::new(),
            retry_at_ms: None,
            duration_ms: 7,
        },
    }
}

impl Subject {
    /// Ends an attempt; what was settled before a change is on record once the change is made.
    pub(super) async fn settle(
        &self,
        lane: &OpenLane,
        forward: &PendingForward,
        (attempt, settled): (Attempt, Settled),
    ) {
        self.store.settle(Settlement {
            lane: lane.key,
            forward_id: forward.forward_id,
            attempt: Some(attempt),
            settled,
        });
        let nothing = self
            .store
            .change(NoChange, |()| ((), ChangeRecord::default()));
        nothing.await.unwrap();
    }

    pub(super) async fn lane(&self, subscriber: &Subscriber) -> OpenLane {
        self.store.open_lane(subscriber.id).await.unwrap()
    }

    pub(super) async fn refill(&self, lane: &OpenLane, held: LaneContents) -> Refill {
        self.store.refill(lane.key, held).await.unwrap()
    }

    /// The one forward that there is.
    pub(super) async fn forward(&self) -> ForwardRecord {
        let mut forwards = self.forwards().await;
        assert_eq!(forwards.len(), 1);
        forwards.remove(0)
    }

    /// The pending forward of a subscriber's open lane.
    pub(super) async fn pending(&self, lane: &OpenLane) -> PendingForward {
        let mut refill = self.refill(lane, LaneContents::default()).await;
        assert_eq!(refill.pending.len(), 1);
        refill.pending.remove(0)
    }
}

async fn detail_of(store: &Store, id: impl ToString) -> ForwardDetail {
    let query = ForwardDetailQuery {
        id: id.to_string(),
        scope: Scope::default(),
    };
    store.read(query).await.unwrap().unwrap()
}

async fn a_lane_reads_what_is_pending_in_the_order_of_the_message_and_is_handed_the_rest(
    subject: Subject,
) {
    let crm = subject.subscriber("crm").await;
    let other = subject.subscriber("other").await;
    subject
        .commit(vec![
            report("a", Status::Read, 2),
            report("a", Status::Sent, 1),
        ])
        .await;
    let lane = subject.lane(&crm).await;
    let inbox = &lane.inbox;
    assert!(!inbox.take().live, "a lane begins with a refill");
    let refill = subject.refill(&lane, LaneContents::default()).await;
    assert!(refill.live);
    assert!(refill.pending.iter().all(|forward| forward.attempts == 0));
    let queued = refill.pending.len();
    let places: BTreeSet<_> = refill.pending.iter().map(|forward| forward.place).collect();
    assert_eq!(places.len(), queued, "each has a place of its own");
    subject.commit(vec![report("b", Status::Sent, 3)]).await;
    inbox.notified().await;
    let drained = inbox.take();
    assert!(drained.live);
    assert_eq!(drained.pending.len(), 1);
    let payload: serde_json::Value = serde_json::from_slice(&drained.pending[0].payload).unwrap();
    assert_eq!(payload["msId"], "b");
    // The other subscriber has its own, with ids of their own.
    let lane_of_other = subject.lane(&other).await;
    let of_other = subject.refill(&lane_of_other, LaneContents::default());
    let of_other = of_other.await;
    assert_eq!(of_other.pending.len(), queued + 1);
    let mut uids = of_other.pending.iter().map(|forward| forward.uid);
    assert!(uids.all(|uid| uid != drained.pending[0].uid));
    // What a lane holds already it does not get again.
    let forward_ids = of_other.pending.iter().map(|forward| forward.forward_id);
    let held = LaneContents {
        forward_ids: forward_ids.collect(),
        untried: queued + 1,
        newest: false,
    };
    let again = subject.refill(&lane_of_other, held).await;
    assert!(again.pending.is_empty() && again.live);
}

/// However many reports each message has; and what it is given is whole messages.
async fn a_lane_is_given_no_more_than_a_bounded_part_of_a_long_backlog(subject: Subject) {
    const MESSAGES: usize = 900;
    let crm = subject.subscriber("crm").await;
    let lane = subject.lane(&crm).await;
    let statuses = [Status::Sent, Status::Delivered, Status::Read];
    for (status, second) in statuses.into_iter().zip(1..) {
        let report = |number| report(&format!("m{number}"), status, second);
        subject.commit((0..MESSAGES).map(report).collect()).await;
    }
    let mut refill = subject.refill(&lane, LaneContents::default()).await;
    assert!(!refill.live);
    let first = refill.pending.len();
    assert!((3..=1026).contains(&first), "{first} at once");
    let mut given = HashSet::new();
    while !refill.pending.is_empty() {
        let mut of_message: HashMap<MessageKey, usize> = HashMap::new();
        for forward in &refill.pending {
            *of_message.entry(forward.message_id).or_default() += 1;
            assert!(given.insert(forward.forward_id), "given twice");
        }
        assert!(of_message.values().all(|forwards| *forwards == 3));
        // What it was given is gone; the lane holds nothing.
        for forward in &refill.pending {
            subject.store.settle(Settlement {
                lane: lane.key,
                forward_id: forward.forward_id,
                attempt: None,
                settled: Settled::Delivered,
            });
        }
        let nothing = subject
            .store
            .change(NoChange, |()| ((), ChangeRecord::default()));
        nothing.await.unwrap();
        refill = subject.refill(&lane, LaneContents::default()).await;
    }
    assert_eq!(given.len(), 3 * MESSAGES);
}

async fn what_is_delivered_is_pending_no_more_and_leaves_its_attempt(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    let lane = subject.lane(&crm).await;
    subject.commit(vec![report("a", Status::Sent, 0)]).await;
    let forward = subject.pending(&lane).await;
    subject.advance(SECOND_MS);
    subject
        .settle(&lane, &forward, (attempt(1, None), Settled::Delivered))
        .await;
    let found = subject.forward().await;
    assert_eq!(
        (found.state, found.attempts, found.settled_at_ms),
        (ForwardState::Delivered, 1, Some(START_MS + 7)),
        "when the attempt ended"
    );
    let detail = detail_of(&subject.store, found.uid).await;
    assert_eq!(detail.payload.as_bytes(), &*forward.payload);
    let attempts = &detail.forward.history;
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].number, attempts[0].duration_ms), (Some(1), 7));
    assert!(subject.store.read(BacklogQuery).await.unwrap().is_empty());
    let refill = subject.refill(&lane, LaneContents::default()).await;
    assert!(refill.pending.is_empty() && refill.live);
}

async fn what_is_to_be_tried_again_waits_until_it_is_due(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    let lane = subject.lane(&crm).await;
    subject.commit(vec![report("a", Status::Sent, 0)]).await;
    let forward = subject.pending(&lane).await;
    let due_ms = START_MS + 60 * SECOND_MS;
    let failed = attempt(1, Some(ErrorCode::Http5xx));
    subject
        .settle(&lane, &forward, (failed, Settled::RetryAt(due_ms)))
        .await;
    let found = subject.forward().await;
    assert_eq!(
        (found.state, found.attempts, found.due_at_ms),
        (ForwardState::Pending, 1, due_ms)
    );
    assert_eq!(found.last_error, Some(ErrorCode::Http5xx));
    subject.advance(60 * SECOND_MS);
    let again = subject.pending(&lane).await;
    assert_eq!(again.uid, forward.uid, "every attempt has the same id");
    assert_eq!((again.attempts, again.due_at_ms), (1, due_ms));
    assert_eq!(again.payload, forward.payload);
}

async fn what_was_given_up_is_queued_again_by_hand_with_another_id(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    let lane = subject.lane(&crm).await;
    subject.commit(vec![report("a", Status::Sent, 0)]).await;
    let forward = subject.pending(&lane).await;
    let gave_up = Settled::GaveUp(GaveUp::AttemptsExhausted);
    let failed = attempt(10, Some(ErrorCode::Timeout));
    subject.settle(&lane, &forward, (failed, gave_up)).await;
    let found = subject.forward().await;
    assert_eq!(
        (found.state, found.gave_up),
        (ForwardState::GaveUp, Some(GaveUp::AttemptsExhausted))
    );
    subject.advance(DAY_MS);
    let requeue = |new_id| RequeueForwards {
        selection: RetrySelection {
            forward_ids: vec![forward.forward_id],
            new_id,
        },
        scope: Scope::default(),
    };
    let finish = |(queued, detail): (usize, Option<Box<ForwardDetail>>)| {
        ((queued, detail.unwrap()), ChangeRecord::default())
    };
    let change = subject.store.change(requeue(true), finish);
    let (queued, detail) = change.await.unwrap();
    assert_eq!(queued, 1);
    assert_eq!(detail.former_uids, [forward.uid]);
    assert_ne!(detail.forward.forward.uid, forward.uid);
    let again = subject.pending(&lane).await;
    assert_eq!(again.uid, detail.forward.forward.uid);
    assert_eq!(
        (again.attempts, again.pending_since_ms),
        (0, START_MS + DAY_MS),
        "a retry by hand starts over"
    );
    // It is found by either id.
    let by_former = detail_of(&subject.store, forward.uid).await;
    assert_eq!(by_former.forward.forward.forward_id, forward.forward_id);
}

async fn what_waits_for_too_long_expires(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    subject.commit(vec![report("a", Status::Sent, 0)]).await;
    let expire = |pending_before_ms| ExpireForwards { pending_before_ms };
    let none = subject.store.step(expire(START_MS)).await.unwrap();
    assert_eq!(none, 0, "it is pending since then, not before");
    let one = subject.store.step(expire(START_MS + 1)).await.unwrap();
    assert_eq!(one, 1);
    let found = subject.forward().await;
    assert_eq!(found.gave_up, Some(GaveUp::Expired));
    let lane = subject.lane(&crm).await;
    let refill = subject.refill(&lane, LaneContents::default()).await;
    assert!(refill.pending.is_empty());
}

async fn a_subscriber_s_filter_keeps_reports_from_it(subject: Subject) {
    let wants_failed = Filter {
        rules: vec![Rule {
            statuses: vec![Status::Failed],
            ..Rule::default()
        }],
        ..Filter::default()
    };
    let new = NewSubscriber {
        filter: wants_failed,
        ..NewSubscriber::new("alarms", "https://alarms.example/ticks")
    };
    let alarms = subject.add(new).await;
    let accepted = subject.commit(vec![report("a", Status::Sent, 0)]).await;
    assert_eq!(accepted.forwards, 0);
    let accepted = subject.commit(vec![report("a", Status::Failed, 1)]).await;
    assert_eq!(accepted.forwards, 1);
    assert_eq!(subject.forward().await.subscriber, alarms.name);
}

async fn a_removed_subscriber_s_forwards_are_given_up(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    subject.commit(vec![report("a", Status::Sent, 0)]).await;
    let delete = DeleteSubscriber {
        subscriber_id: crm.id,
    };
    let finish = |pending| (pending, ChangeRecord::default());
    assert_eq!(subject.store.change(delete, finish).await.unwrap(), 1);
    let found = subject.forward().await;
    assert!(found.subscriber_removed);
    assert_eq!(found.gave_up, Some(GaveUp::SubscriberRemoved));
    let accepted = subject.commit(vec![report("b", Status::Sent, 0)]).await;
    assert_eq!(accepted.forwards, 0);
}

/// None of it is sent or counted from the removal on; its end goes on after another start.
async fn a_long_backlog_of_a_removed_subscriber_is_given_up_some_at_a_time(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    let other = subject.subscriber("other").await;
    for part in 0..3 {
        let report = |number| report(&format!("m{part}.{number}"), Status::Sent, 1);
        subject.commit((0..900).map(report).collect()).await;
    }
    let delete = DeleteSubscriber {
        subscriber_id: crm.id,
    };
    let finish = |pending| (pending, ChangeRecord::default());
    assert_eq!(subject.store.change(delete, finish).await.unwrap(), 2_700);
    let subject = subject.opened_again().await;
    // The control: the other's is counted.
    let backlog = subject.store.read(BacklogQuery).await.unwrap();
    let counted = backlog.iter().map(|it| (it.subscriber_id, it.pending));
    assert_eq!(counted.collect::<Vec<_>>(), [(other.id, 2_700)]);
    let lane = subject.lane(&crm).await;
    let refill = subject.refill(&lane, LaneContents::default()).await;
    assert!(refill.pending.is_empty());
    // Those of the other alone go by age.
    let expire = ExpireForwards {
        pending_before_ms: START_MS + 1,
    };
    while subject.store.step(expire).await.unwrap() > 0 {}
    let mut steps = 0;
    while subject.store.step(GiveUpRemoved).await.unwrap() > 0 {
        steps += 1;
    }
    assert!(steps > 1, "all of it ends in {steps} transactions");
    let query = ForwardQuery {
        subscriber_id: Some(crm.id),
        window: Window::newest(5_000),
        ..ForwardQuery::default()
    };
    let forwards = subject.store.read(query).await.unwrap().rows;
    assert_eq!(forwards.len(), 2_700);
    let removed = Some(GaveUp::SubscriberRemoved);
    assert!(forwards.iter().all(|it| it.gave_up == removed));
}

async fn what_is_pending_stays_so_over_another_start(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    let lane = subject.lane(&crm).await;
    subject.commit(vec![report("a", Status::Sent, 0)]).await;
    let forward = subject.pending(&lane).await;
    let subject = subject.opened_again().await;
    let lane = subject.lane(&crm).await;
    let again = subject.pending(&lane).await;
    assert_eq!(
        (again.uid, &again.payload, again.place),
        (forward.uid, &forward.payload, forward.place)
    );
    let subscribers = Arc::clone(&subject.store.subscribers().borrow());
    assert_eq!(subscribers.as_ref(), [crm]);
}
