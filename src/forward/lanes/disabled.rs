//! Writes down that a subscriber is disabled, until the store has taken it.

use super::POLL;
use crate::model::SubscriberState;
use crate::store::step::ApplyStateChange;
use crate::store::{Error, OpenLane, StateChange, Store};

/// Tries until it is written, the subscriber is gone, the lane is another instance's, or the store is
/// closed.
pub(super) async fn write(store: Store, lane: OpenLane, reason: String) {
    let disable = ApplyStateChange {
        subscriber_id: lane.key.subscriber_id,
        change: StateChange {
            state: SubscriberState::Disabled,
            reason: Some(reason),
        },
    };
    while let Err(error) = store.step_under(&lane.lease, disable.clone()).await {
        if matches!(error, Error::NotFound(_) | Error::LeaseLost | Error::Closed) {
            return;
        }
        tracing::error!(%error, "forward.disable_failed");
        tokio::time::sleep(POLL).await;
    }
}
