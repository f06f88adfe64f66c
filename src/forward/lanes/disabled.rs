//! Writes down that a subscriber is disabled, until the store has taken it.

use super::POLL;
use crate::model::{SubscriberKey, SubscriberState};
use crate::store::step::ApplyStateChange;
use crate::store::{Error, StateChange, Store};

/// Tries until it is written, the subscriber is gone, or the store is closed.
pub(super) async fn write(store: Store, subscriber_id: SubscriberKey, reason: String) {
    let disable = ApplyStateChange {
        subscriber_id,
        change: StateChange {
            state: SubscriberState::Disabled,
            reason: Some(reason),
        },
    };
    while let Err(error) = store.step(disable.clone()).await {
        if matches!(error, Error::NotFound(_) | Error::Closed) {
            return;
        }
        tracing::error!(%error, "forward.disable_failed");
        tokio::time::sleep(POLL).await;
    }
}
