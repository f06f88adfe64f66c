//! Questions about subscribers and what is pending for them.

use super::Listing;
use crate::model::SubscriberKey;
use crate::store::overview::{SubscriberHealth, SubscriberOverview};
use crate::store::{Backlog, Outbound, Query};

/// Every subscriber that is not removed, with how it fares, in the order they were added.
#[derive(Debug, Clone, Copy)]
pub struct SubscriberQuery {
    /// At this time, ms since 1970 UTC.
    pub now_ms: i64,
}

impl Query for SubscriberQuery {
    /// Where the time of a list was over first, what ended is counted as far back as it says.
    type Answer = Listing<SubscriberOverview>;
}

/// How one subscriber fares: of the last 24 h, however much is pending.
#[derive(Debug, Clone, Copy)]
pub struct SubscriberHealthQuery {
    /// Its key.
    pub subscriber_id: SubscriberKey,
    /// At this time, ms since 1970 UTC.
    pub now_ms: i64,
}

impl Query for SubscriberHealthQuery {
    type Answer = SubscriberHealth;
}

/// All that a subscriber is sent to with, as one commit left it.
#[derive(Debug, Clone, Copy)]
pub struct OutboundQuery {
    /// Its key.
    pub subscriber_id: SubscriberKey,
}

impl Query for OutboundQuery {
    /// The error is [`Error::KeyMissing`](crate::store::Error::KeyMissing) while it cannot be opened.
    type Answer = Outbound;
}

/// The pending forwards of each subscriber that has any, removed ones aside. Beside a writer it costs
/// the same however much that is.
#[derive(Debug, Clone, Copy)]
pub struct BacklogQuery;

impl Query for BacklogQuery {
    type Answer = Vec<Backlog>;
}

/// Whether the store can be read at all.
#[derive(Debug, Clone, Copy)]
pub struct ReadableQuery;

impl Query for ReadableQuery {
    /// An error says that it cannot.
    type Answer = ();
}
