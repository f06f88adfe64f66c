//! What a lane is given of a backlog that does not fit its memory, as [`crate::plan::refill`] states it.

use super::forwarding::attempt;
use super::{SECOND_MS, START_MS, Subject, each_engine, report};
use crate::model::{ErrorCode, MessageKey, NewSubscriber, Ordering, Status};
use crate::store::query::{ForwardQuery, Window};
use crate::store::{LaneContents, OpenLane, PendingForward, Refill, Settled};

each_engine!(
    a_lane_that_lags_is_given_what_is_due_and_the_oldest_of_it,
    strict_order_alone_holds_back_what_waits_for_an_earlier_forward,
);

const HOUR_MS: i64 = 3_600 * SECOND_MS;

impl Subject {
    /// Fails the first forward of the message that is pending alone, so that it is due in an hour. Returns the
    /// message's key.
    async fn fail_first(&self, lane: &OpenLane) -> MessageKey {
        let refill = self.refill(lane, LaneContents::default()).await;
        let first = refill.pending.iter().min_by_key(|forward| forward.place);
        let first = first.unwrap();
        let failed = attempt(1, Some(ErrorCode::Http5xx));
        let later = Settled::RetryAt(START_MS + HOUR_MS);
        self.settle(lane, first, (failed, later)).await;
        first.message_id
    }

    /// Queues more than a lane holds.
    async fn backlog(&self) {
        let report = |number| report(&format!("m{number}"), Status::Sent, 9);
        self.commit((0..1_100).map(report).collect()).await;
    }
}

/// The statuses that a lane is given of a message, by place.
fn given(refill: &Refill, message_id: MessageKey) -> Vec<String> {
    let forwards = refill.pending.iter();
    let mut given: Vec<_> = forwards.filter(|it| it.message_id == message_id).collect();
    given.sort_by_key(|forward| forward.place);
    let status = |payload: &[u8]| {
        let payload: serde_json::Value = serde_json::from_slice(payload).unwrap();
        payload["MessageStatus"].as_str().unwrap().to_owned()
    };
    given.iter().map(|it| status(&it.payload)).collect()
}

async fn a_lane_that_lags_is_given_what_is_due_and_the_oldest_of_it(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    let lane = subject.lane(&crm).await;
    subject.commit(vec![report("late", Status::Sent, 1)]).await;
    let failed = subject.fail_first(&lane).await;
    subject.backlog().await;
    let refill = subject.refill(&lane, LaneContents::default()).await;
    assert!(!refill.live);
    assert_eq!(given(&refill, failed), [""; 0], "a retry is not due");
    assert_eq!(refill.retries_at_ms, START_MS + HOUR_MS);
    assert_eq!(refill.untried_at_ms, START_MS, "there is more");
    let places: Vec<_> = refill
        .pending
        .iter()
        .map(PendingForward::lane_place)
        .collect();
    assert!(places.is_sorted(), "the oldest come first");
    let held = LaneContents {
        untried: places.len(),
        forward_ids: refill.pending.iter().map(|it| it.forward_id).collect(),
        newest: true,
    };
    // It holds all that it may, and the newest is for a probe.
    let newest = subject.refill(&lane, held).await.pending;
    assert_eq!(newest.len(), 1);
    assert!(Some(&newest[0].lane_place()) > places.last());
    subject.advance(HOUR_MS);
    let refill = subject.refill(&lane, LaneContents::default()).await;
    assert_eq!(given(&refill, failed), ["sent"]);
}

async fn strict_order_alone_holds_back_what_waits_for_an_earlier_forward(subject: Subject) {
    let strict = NewSubscriber {
        ordering: Ordering::Strict,
        ..NewSubscriber::new("strict", "https://strict.example/ticks")
    };
    let strict = subject.add(strict).await;
    let relaxed = subject.subscriber("relaxed").await;
    let lanes = [subject.lane(&strict).await, subject.lane(&relaxed).await];
    let statuses = [(Status::Sent, 1), (Status::Delivered, 2)];
    let reports = statuses.map(|(status, second)| report("late", status, second));
    subject.commit(reports.into()).await;
    let late = subject.fail_first(&lanes[0]).await;
    subject.fail_first(&lanes[1]).await;
    subject.backlog().await;
    let both = ["sent", "delivered"];
    let refill = subject.refill(&lanes[1], LaneContents::default()).await;
    assert_eq!(given(&refill, late), both);
    let refill = subject.refill(&lanes[0], LaneContents::default()).await;
    assert!(!refill.live && !refill.pending.is_empty());
    assert_eq!(given(&refill, late), [""; 0]);
    // What is held back is looked at again in ten minutes, whatever becomes of the first.
    let query = ForwardQuery {
        subscriber_id: Some(strict.id),
        status: Some(Status::Delivered),
        window: Window::newest(10),
        ..ForwardQuery::default()
    };
    let held_back = subject.store.read(query).await.unwrap().rows;
    assert_eq!(held_back[0].due_at_ms, START_MS + 600 * SECOND_MS);
    subject.advance(600 * SECOND_MS);
    let refill = subject.refill(&lanes[0], LaneContents::default()).await;
    assert_eq!(given(&refill, late), [""; 0]);
    subject.advance(HOUR_MS - 600 * SECOND_MS);
    let refill = subject.refill(&lanes[0], LaneContents::default()).await;
    assert_eq!(given(&refill, late), both);
}
