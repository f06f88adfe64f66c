//! Questions about messages.

use super::{Scope, Window};
use crate::model::Status;

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
