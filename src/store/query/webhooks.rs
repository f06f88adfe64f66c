//! Questions about webhooks.

use super::{Scope, Window};
use crate::store::WebhookOutcome;

/// Which webhooks to list, the newest first.
#[derive(Debug, Clone, Default)]
pub struct WebhookQuery {
    /// Those that ended so; `Unparsed` includes each with an element that could not be read.
    pub outcome: Option<WebhookOutcome>,
    /// Those of this source.
    pub source: Option<String>,
    /// Received at or after, ms since 1970 UTC.
    pub since_ms: Option<i64>,
    /// Received before, ms since 1970 UTC.
    pub until_ms: Option<i64>,
    /// What may be seen; the owner does not matter.
    pub scope: Scope,
    /// Which page.
    pub window: Window,
}
