//! Questions about the keys that seal secrets.

use crate::model::SubscriberKey;
use crate::store::seal::KeyId;
use crate::store::{KeysRecord, Query};

/// The keys at hand and the keys that are used.
#[derive(Debug, Clone, Copy)]
pub struct KeyQuery;

impl Query for KeyQuery {
    type Answer = KeysRecord;
}

/// The keys that something is sealed with and that are missing. They are looked for again; one
/// that goes missing or comes back is said in the log.
#[derive(Debug, Clone, Copy)]
pub struct MissingKeyQuery;

impl Query for MissingKeyQuery {
    type Answer = Vec<KeyId>;
}

/// The key without which a subscriber cannot be sent to.
#[derive(Debug, Clone, Copy)]
pub struct SubscriberKeyQuery {
    /// The subscriber's key in the store.
    pub subscriber_id: SubscriberKey,
}

impl Query for SubscriberKeyQuery {
    /// `None` when none is missing.
    type Answer = Option<KeyId>;
}
