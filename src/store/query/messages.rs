//! Questions about messages.

use super::{ListPlace, Listing, Scope, Window};
use crate::model::Status;
use crate::store::Query;
use crate::store::overview::{MessageCount, UnknownError, WebhookRecord};
use crate::store::timeline::{MessageRecord, ReportRecord, Timeline};

/// Which messages to list, the newest first.
#[derive(Debug, Clone, Default)]
pub struct MessageQuery {
    /// With exactly this id of the provider's.
    pub provider_message_id: Option<String>,
    /// Whom the message or a report of it names as its recipient, in any spelling.
    pub recipient: Option<String>,
    /// In this status.
    pub status: Option<Status>,
    /// Of this channel, by its name or its first word (`viber` for `viber_bm`), lower case.
    pub channel: Option<String>,
    /// Whose primary error has this key (`meta:131026`) or this number (`131026`).
    pub error: Option<String>,
    /// Of this source.
    pub source: Option<String>,
    /// Of this broadcast.
    pub broadcast: Option<String>,
    /// First reported at or after, ms since 1970 UTC.
    pub since_ms: Option<i64>,
    /// First reported before, ms since 1970 UTC.
    pub until_ms: Option<i64>,
    /// Silent at this time, ms since 1970 UTC: its time to live has passed without a final
    /// report.
    pub silent_at_ms: Option<i64>,
    /// Whose send itself was refused.
    pub refused: bool,
    /// What may be seen.
    pub scope: Scope,
    /// Which page.
    pub window: Window,
}

impl Query for MessageQuery {
    type Answer = Listing<MessageRecord>;
}

/// All that may be seen of one message.
#[derive(Debug, Clone)]
pub struct TimelineQuery {
    /// The provider's id, the newest message with it; else its key.
    pub id: String,
    /// What may be seen; an owner sees what is about its own subscribers.
    pub scope: Scope,
}

impl Query for TimelineQuery {
    /// `None` when there is none to be seen.
    type Answer = Option<Timeline>;
}

/// The reports that a webhook brought first, in the order they were taken in.
///
/// Reports have no index on their webhook: they are read from the newest one backwards, which is
/// quick for a webhook that just arrived.
#[derive(Debug, Clone)]
pub struct WebhookReportQuery {
    /// The webhook, as it was listed.
    pub webhook: WebhookRecord,
}

impl Query for WebhookReportQuery {
    type Answer = Vec<ReportRecord>;
}

/// How many messages are in which status, by source.
#[derive(Debug, Clone)]
pub struct MessageCountQuery {
    /// First reported at or after, ms since 1970 UTC.
    pub since_ms: i64,
    /// First reported before, ms since 1970 UTC.
    pub until_ms: i64,
    /// What may be seen.
    pub scope: Scope,
}

impl Query for MessageCountQuery {
    type Answer = Vec<MessageCount>;
}

/// Whether some message failed with this error.
#[derive(Debug, Clone)]
pub struct ErrorExistsQuery {
    /// Its key (`meta:131026`) or its number (`131026`).
    pub error: String,
}

impl Query for ErrorExistsQuery {
    /// A store that is too large to say so in time is taken to know it.
    type Answer = bool;
}

/// The errors in reports that the catalogue does not know, the most frequent first. Reports are
/// searched from the newest on, as long as a list may.
#[derive(Debug, Clone)]
pub struct UnknownErrorQuery {
    /// Only in reports behind this place, which are older; in all when `None`.
    pub behind: Option<ListPlace>,
}

impl Query for UnknownErrorQuery {
    type Answer = Listing<UnknownError>;
}
