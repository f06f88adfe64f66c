//! What one instance alone may do, and what a store refuses to one without the lease.

use super::{START_MS, Subject, each_engine, report};
use crate::model::{ForwardState, Status};
use crate::store::step::ExpireForwards;
use crate::store::{Error, Lease};

each_engine!(a_step_is_taken_under_the_lease_of_its_role_and_not_under_one_that_is_lost);

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
