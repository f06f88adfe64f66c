//! What is queued for a subscriber, what became of it, and what a lane reads of it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::{
    ForwardKey, LanePlace, MessageKey, Outcome, Settled, SubscriberKey, SubscriberState,
};

/// Which lane: a subscriber's queue, or one part of it, as this instance holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneKey {
    /// The subscriber.
    pub subscriber_id: SubscriberKey,
    /// Which part of the subscriber's messages; 0 where one lane has all of them.
    pub shard: u16,
    /// The number of the lease. What is settled under another one is fenced.
    pub epoch: u64,
}

/// A forward that is queued: all a lane needs to send it.
#[derive(Debug, Clone)]
pub struct PendingForward {
    /// Its key.
    pub forward_id: ForwardKey,
    /// The `webhook-id` that the subscriber sees on every attempt.
    pub uid: Uuid,
    /// The message it is about.
    pub message_id: MessageKey,
    /// The payload, in the bytes it was rendered in; neither the lane nor the sender copies them.
    pub payload: Bytes,
    /// Its place among the forwards of the message: provider time, then rank, then that in the lane.
    pub place: (i64, u8, LanePlace),
    /// Attempts used up.
    pub attempts: u32,
    /// Since when it is pending, ms since 1970 UTC; a retry by hand starts over.
    pub pending_since_ms: i64,
    /// When it is to be sent, ms since 1970 UTC.
    pub due_at_ms: i64,
    /// When it was last tried, ms since 1970 UTC.
    pub last_attempt_ms: Option<i64>,
}

impl PendingForward {
    /// Its place in the lane of its subscriber.
    #[must_use]
    pub const fn lane_place(&self) -> LanePlace {
        self.place.2
    }
}

/// The end of an attempt, to be written down with the next group.
#[derive(Debug)]
pub struct Settlement {
    /// The lane that sent it, under the epoch in which it was sent.
    pub lane: LaneKey,
    /// The forward.
    pub forward_id: ForwardKey,
    /// The attempt, unless the forward ended without one (it expired).
    pub attempt: Option<Attempt>,
    /// What becomes of the forward.
    pub settled: Settled,
}

/// One HTTP try, as it is written down.
#[derive(Debug)]
pub struct Attempt {
    /// 1 for the first; `None` for one that used up none.
    pub number: Option<u32>,
    /// When it began, ms since 1970 UTC.
    pub started_at_ms: i64,
    /// How it ended.
    pub outcome: Outcome,
}

/// What a lane holds in memory when it reads more.
#[derive(Debug, Default)]
pub struct LaneContents {
    /// The keys of the forwards.
    pub forward_ids: Vec<ForwardKey>,
    /// Those of them that were never tried.
    pub untried: usize,
    /// Whether the newest that was never tried is wanted too, for a probe.
    pub newest: bool,
}

impl LaneContents {
    /// Those of them that wait for another attempt.
    #[must_use]
    pub fn retries(&self) -> usize {
        self.forward_ids.len().saturating_sub(self.untried)
    }
}

/// What a refill brings.
#[derive(Debug)]
pub struct Refill {
    /// Pending forwards that were not in memory.
    pub pending: Vec<PendingForward>,
    /// Whether memory now holds all that is pending.
    pub live: bool,
    /// When to look again for forwards that were never tried, ms since 1970 UTC.
    pub untried_at_ms: i64,
    /// When to look again for those that wait for another attempt, ms since 1970 UTC.
    pub retries_at_ms: i64,
}

/// The pending forwards of one subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// The subscriber's key.
    pub subscriber_id: SubscriberKey,
    /// Forwards that are pending.
    pub pending: u64,
    /// Since when the oldest of them is pending, ms since 1970 UTC.
    pub oldest_pending_since_ms: i64,
}

/// A change of a subscriber's state that the relay itself decided.
#[derive(Debug, Clone)]
pub struct StateChange {
    /// The new state.
    pub state: SubscriberState,
    /// Why.
    pub reason: Option<String>,
}

/// Which forwards to queue again.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RetrySelection {
    /// These forwards.
    pub forward_ids: Vec<ForwardKey>,
    /// Give them a new `webhook-id`, so that the subscriber does not drop them as repeats.
    pub new_id: bool,
}
