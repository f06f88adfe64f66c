//! What is said of replays: forwards of one subscriber that are queued again, in the background.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::query::ListPlace;
use crate::model::{ErrorCode, ForwardState, ReplayKey, Status, SubscriberKey};

/// Which forwards of a subscriber a replay queues again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplaySelection {
    /// In one of these states; what is pending is sent by itself and in no replay.
    pub states: Vec<ForwardState>,
    /// Queued at or after, ms since 1970 UTC.
    pub since_ms: Option<i64>,
    /// Queued before, ms since 1970 UTC.
    pub until_ms: Option<i64>,
    /// Whose latest attempt failed with this code.
    pub error: Option<ErrorCode>,
    /// Of messages of this source.
    pub source: Option<String>,
    /// Of messages of these sources, which are all that the client may see; of any when empty.
    pub sources: Vec<String>,
    /// Of reports with this status.
    pub status: Option<Status>,
    /// Give them a new `webhook-id`, so that the subscriber does not drop them as repeats.
    pub new_id: bool,
}

/// Where a replay stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum ReplayState {
    /// It goes on by itself, also after a restart.
    Running,
    /// It has looked at every forward that existed when it was requested.
    Done,
    /// It was stopped, or its subscriber removed; what it queued until then stays queued.
    Cancelled,
}

/// A replay as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayRecord {
    /// Its key.
    pub replay_id: ReplayKey,
    /// Its id outside.
    pub uid: Uuid,
    /// The subscriber's key.
    pub subscriber_id: SubscriberKey,
    /// The subscriber's name.
    pub subscriber: String,
    /// Where it stands.
    pub state: ReplayState,
    /// What it queues again.
    pub selection: ReplaySelection,
    /// Forwards looked at, those of other subscribers among them.
    pub examined: u64,
    /// Forwards to be looked at, in the end as many as were examined.
    pub total: u64,
    /// Forwards that it queued again.
    pub queued: u64,
    /// When it was requested, ms since 1970 UTC.
    pub created_at_ms: i64,
    /// When it ended, ms since 1970 UTC.
    pub finished_at_ms: Option<i64>,
}

/// A replay that is under way, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunningReplay {
    /// Its key.
    pub replay_id: ReplayKey,
    /// The subscriber's key.
    pub subscriber_id: SubscriberKey,
    /// Where it goes on.
    pub next: ListPlace,
}

/// What one step of a replay came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayStep {
    /// It is so much further, or over.
    Went,
    /// The subscriber has so much pending already that it waits.
    NoRoom,
}
