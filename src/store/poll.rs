//! What is known of polling: the broadcasts of sources that send nothing by themselves.

use serde::{Deserialize, Serialize};

use crate::model::PollKey;

/// Whether a broadcast is still polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray)]
#[schema(as = PollState)]
#[strum(serialize_all = "kebab-case")]
pub enum PollState {
    /// It is.
    Open,
    /// Nothing in it is pending any more.
    Done,
    /// It was polled for too long, or there is none of that id.
    GaveUp,
}

/// Why a broadcast is polled no more although something in it is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray)]
#[schema(as = PollGaveUp)]
#[strum(serialize_all = "kebab-case")]
pub enum PollGaveUp {
    /// It was polled for as long as the source's `poll_for` says.
    Expired,
    /// The API said for an hour that there is none of that id.
    Gone,
}

/// The counters of a broadcast as its server has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollCounts {
    /// Targeted users.
    pub total: Option<u64>,
    /// Those whose sending succeeded.
    pub success: Option<u64>,
    /// Those whose sending failed.
    pub failure: Option<u64>,
    /// Those still to come, by counter or by entries, whichever are more, or by registrations.
    pub pending: Option<u64>,
}

/// A broadcast that is or was polled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollRecord {
    /// Its key.
    pub poll_id: PollKey,
    /// The source's name.
    pub source: String,
    /// The broadcast's id.
    pub broadcast: String,
    /// Whether it is still polled.
    pub state: PollState,
    /// Why not, when it was given up.
    pub gave_up: Option<PollGaveUp>,
    /// Since when it is polled, ms since 1970 UTC.
    pub registered_at_ms: i64,
    /// When it is polled next, ms since 1970 UTC.
    pub due_at_ms: i64,
    /// How often it was polled.
    pub polls: u64,
    /// Answers in a row that were the same as the one before.
    pub unchanged: u32,
    /// Failures in a row.
    pub failures: u32,
    /// Since when every answer says that there is none, ms since 1970 UTC.
    pub gone_since_ms: Option<i64>,
    /// When it was last answered, ms since 1970 UTC.
    pub answered_at_ms: Option<i64>,
    /// When an answer last differed from the one before, ms since 1970 UTC.
    pub changed_at_ms: Option<i64>,
    /// What went wrong last, as a stable word; `None` when it was answered.
    pub error_code: Option<String>,
    /// The same in words.
    pub error_detail: Option<String>,
    /// SHA-256 of what the last answer that was stored says.
    #[serde(skip)]
    pub answer_hash: Option<Vec<u8>>,
    /// Its counters, as of that answer.
    pub counts: PollCounts,
}

/// How the broadcasts of a source stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PollOverview {
    /// The source's name.
    pub source: String,
    /// Broadcasts that are polled.
    pub open: u64,
    /// Those of them whose last poll failed.
    pub failing: u64,
    /// Broadcasts in which nothing is pending any more.
    pub done: u64,
    /// Broadcasts that were given up.
    pub gave_up: u64,
    /// When any was last answered, ms since 1970 UTC.
    pub answered_at_ms: Option<i64>,
    /// What went wrong with one of the failing, and in words.
    pub trouble: Option<(String, String)>,
}
