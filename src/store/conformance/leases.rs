//! What one instance alone may do, and what a store refuses to one without the lease.

use super::{START_MS, Subject, each_engine, report};
use crate::model::{ForwardKey, ForwardState, Status};
use crate::store::change::NoChange;
use crate::store::step::ExpireForwards;
use crate::store::{ChangeRecord, Error, LaneKey, Lease, Settled, Settlement, Unwritten};

each_engine!(
    a_step_is_taken_under_the_lease_of_its_role_and_not_under_one_that_is_lost,
    what_a_lane_settles_under_another_epoch_is_fenced_and_comes_back,
    a_settlement_of_a_forward_that_is_gone_comes_back,
);

impl Subject {
    /// Settles it as delivered, and waits until that is on record or comes back.
    async fn deliver(&self, lane: LaneKey, forward_id: ForwardKey) {
        self.store.settle(Settlement {
            lane,
            forward_id,
            attempt: None,
            settled: Settled::Delivered,
        });
        let nothing = self
            .store
            .change(NoChange, |()| ((), ChangeRecord::default()));
        nothing.await.unwrap();
    }
}

async fn a_step_is_taken_under_the_lease_of_its_role_and_not_under_one_that_is_lost(
    subject: Subject,
) {
    subject.subscriber("crm").await;
    subject.commit(vec![report("a", Status::Sent, 0)]).await;
    let expire = ExpireForwards {
        pending_before_ms: START_MS + 1,
    };
    let (lost, end) = Lease::until_ended(Lease::FIRST);
    end.end();
    let refused = subject.store.step_under(&lost, expire).await;
    assert!(matches!(refused, Err(Error::LeaseLost)), "{refused:?}");
    assert_eq!(subject.forwards().await[0].state, ForwardState::Pending);
    let held = subject.store.role("expiry").await;
    assert!(held.is_held() && held.number() >= Lease::FIRST);
    assert_eq!(subject.store.step_under(&held, expire).await.unwrap(), 1);
    // An instance that holds it may be granted it again, by no smaller number.
    let again = subject.store.role("expiry").await;
    assert!(again.number() >= held.number());
}

/// As of an instance that does not know yet that another one holds the lane.
async fn what_a_lane_settles_under_another_epoch_is_fenced_and_comes_back(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    let lane = subject.store.open_lane(crm.id).await.unwrap();
    assert!(lane.lease.is_held());
    let key = lane.key;
    assert_eq!(
        (key.subscriber_id, key.epoch),
        (crm.id, lane.lease.number())
    );
    subject.commit(vec![report("a", Status::Sent, 0)]).await;
    let forward_id = subject.forwards().await[0].forward_id;
    let never_granted = LaneKey {
        epoch: key.epoch + 1,
        ..key
    };
    subject.deliver(never_granted, forward_id).await;
    assert_eq!(subject.forwards().await[0].state, ForwardState::Pending);
    let fenced = Unwritten {
        fenced: vec![forward_id],
        ..Unwritten::default()
    };
    assert_eq!(lane.inbox.take().unwritten, fenced);
    // The control: the lane's own epoch.
    subject.deliver(key, forward_id).await;
    assert_eq!(subject.forwards().await[0].state, ForwardState::Delivered);
    assert_eq!(lane.inbox.take().unwritten, Unwritten::default());
}

async fn a_settlement_of_a_forward_that_is_gone_comes_back(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    let lane = subject.store.open_lane(crm.id).await.unwrap();
    subject.commit(vec![report("a", Status::Sent, 0)]).await;
    let never_there = ForwardKey::of(i64::MAX);
    subject.deliver(lane.key, never_there).await;
    let gone = Unwritten {
        gone: vec![never_there],
        ..Unwritten::default()
    };
    assert_eq!(lane.inbox.take().unwritten, gone);
}
