//! Questions about webhooks.

use std::sync::Arc;

use super::{Scope, Window};
use crate::model::Subscriber;
use crate::store::{Query, ReparsedWebhooks, Reread, WebhookOutcome};

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

/// What [`Store::commit`](crate::store::Store::commit) would answer to webhooks that were parsed
/// again; nothing is changed.
#[derive(Debug)]
pub struct ReparsePreviewQuery {
    /// Them.
    pub reparsed: ReparsedWebhooks,
    /// Those who would be forwarded to.
    pub subscribers: Arc<[Arc<Subscriber>]>,
    /// Now, ms since 1970 UTC.
    pub now_ms: i64,
}

impl Query for ReparsePreviewQuery {
    /// Those that are still stored.
    type Answer = Vec<Reread>;
}
