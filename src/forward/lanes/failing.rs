//! Since when a subscriber has been failing: in the lane's memory at once, in the store after a while.

use crate::store::Store;

/// Since when the subscriber has been failing.
pub(super) struct Failing {
    pub(super) since_ms: Option<i64>,
    /// Whether the store knows.
    pub(super) noted: bool,
}

/// Tells the store, beside what the lane does.
pub(super) fn note(store: &Store, subscriber_id: i64, since_ms: Option<i64>) {
    let store = store.clone();
    tokio::spawn(async move {
        if let Err(error) = store.note_failing(subscriber_id, since_ms).await {
            tracing::warn!(%error, "forward.note_failing");
        }
    });
}
