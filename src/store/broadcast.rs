//! What a query finds of broadcasts: many messages that were sent as one.

use serde::Serialize;

use crate::model::{MessageKey, Status};

use super::timeline::ErrorRecord;

/// How the messages of a broadcast stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct BroadcastCounts {
    /// Messages that were registered, or of which anything was reported.
    pub total: u64,
    /// Those delivered, read or deleted, or sent where no later status is reported.
    pub success: u64,
    /// Those failed.
    pub failure: u64,
    /// The rest.
    pub pending: u64,
}

/// A broadcast of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BroadcastRecord {
    /// Its id, as reported or registered.
    pub id: String,
    /// The name of its source.
    pub source: String,
    /// Whether no status follows `sent`, which then is success: of Botsquad's sending.
    pub ends_at_sent: bool,
    /// How its messages stand.
    pub counts: BroadcastCounts,
    /// When it was first seen, ms since 1970 UTC.
    pub first_report_at_ms: i64,
    /// When it was last reported, ms since 1970 UTC.
    pub last_report_at_ms: i64,
}

/// One message of a broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BroadcastMessage {
    /// Its key.
    pub message_id: MessageKey,
    /// The recipient as received.
    pub recipient: Option<String>,
    /// The provider's id.
    pub provider_message_id: Option<String>,
    /// Where it stands.
    pub status: Option<Status>,
    /// Why it failed last.
    pub error: Option<ErrorRecord>,
    /// When it was last reported, ms since 1970 UTC.
    pub last_report_at_ms: i64,
}
