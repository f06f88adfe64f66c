//! Questions of the duty that watches the service.

use crate::store::Query;
use crate::store::watching::{Arrived, Count, NotifiedCondition, Position};

/// What came in after a position. Reads no more rows than came, by their keys.
#[derive(Debug, Clone, Copy)]
pub struct ArrivedQuery {
    /// The position; from now on when there is none.
    pub after: Option<Position>,
}

impl Query for ArrivedQuery {
    type Answer = Arrived;
}

/// The counts of what came in that are kept.
#[derive(Debug, Clone, Copy)]
pub struct TrafficQuery;

impl Query for TrafficQuery {
    type Answer = Vec<Count>;
}

/// How many messages of each source fell silent within a time, and are silent still.
#[derive(Debug, Clone, Copy)]
pub struct UnconfirmedQuery {
    /// After this time, ms since 1970 UTC.
    pub from_ms: i64,
    /// Until this time, ms since 1970 UTC.
    pub until_ms: i64,
}

impl Query for UnconfirmedQuery {
    /// The sources by name.
    type Answer = Vec<(String, u64)>;
}

/// What was sent last of each condition.
#[derive(Debug, Clone, Copy)]
pub struct NotifiedQuery;

impl Query for NotifiedQuery {
    type Answer = Vec<NotifiedCondition>;
}
