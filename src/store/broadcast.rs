//! What a query finds of broadcasts: many messages that were sent as one.

use super::poll::{PollRecord, PollState};
use super::timeline::ErrorRecord;
use crate::model::{MessageKey, Status};
use crate::plan::{BroadcastCounts, ServerCounts};

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

impl BroadcastRecord {
    /// One of which no message is known yet.
    pub(super) fn of_poll(poll: PollRecord) -> Self {
        let mut counts = BroadcastCounts::default();
        counts.cover(of_server(&poll));
        Self {
            counts,
            id: poll.broadcast,
            source: poll.source,
            ends_at_sent: true,
            first_report_at_ms: poll.registered_at_ms,
            last_report_at_ms: poll.answered_at_ms.unwrap_or(poll.registered_at_ms),
        }
    }

    /// Counts those whom only the server knows.
    pub(super) fn cover(&mut self, poll: &PollRecord) {
        self.counts.cover(of_server(poll));
    }
}

fn of_server(poll: &PollRecord) -> ServerCounts {
    ServerCounts {
        total: poll.counts.total,
        success: poll.counts.success,
        is_done: poll.state == PollState::Done,
    }
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
