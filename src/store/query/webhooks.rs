//! Questions about webhooks and the sources that they came by.

use std::sync::Arc;

use super::{Listing, Scope, Window};
use crate::model::{Subscriber, WebhookKey};
use crate::store::overview::{SourceActivity, WebhookDetail, WebhookRecord};
use crate::store::{
    Query, ReparsedWebhooks, ReprocessSelection, Reread, StoredWebhook, WebhookOutcome,
};

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

impl Query for WebhookQuery {
    type Answer = Listing<WebhookRecord>;
}

/// The webhook with this key, with its body where that is kept.
#[derive(Debug, Clone)]
pub struct WebhookDetailQuery {
    /// Its key.
    pub webhook_id: WebhookKey,
    /// What may be seen; the owner does not matter.
    pub scope: Scope,
}

impl Query for WebhookDetailQuery {
    /// `None` when there is none to be seen.
    type Answer = Option<WebhookDetail>;
}

/// The first of these webhooks that is not there, or not to be seen.
#[derive(Debug, Clone)]
pub struct UnseenWebhookQuery {
    /// Their keys.
    pub webhook_ids: Vec<WebhookKey>,
    /// What may be seen; the owner does not matter.
    pub scope: Scope,
}

impl Query for UnseenWebhookQuery {
    /// Its key; `None` when all are seen.
    type Answer = Option<WebhookKey>;
}

/// The webhooks that a selection is about and that still have a body.
#[derive(Debug, Clone)]
pub struct ReprocessableQuery {
    /// Which.
    pub selection: ReprocessSelection,
    /// Received at or after, whatever the selection says, ms since 1970 UTC.
    pub not_before_ms: i64,
}

impl Query for ReprocessableQuery {
    /// Their keys, in the order of arrival.
    type Answer = Vec<WebhookKey>;
}

/// Webhooks with their bodies, to be read again.
#[derive(Debug, Clone)]
pub struct StoredWebhookQuery {
    /// Their keys.
    pub webhook_ids: Vec<WebhookKey>,
    /// As many as have bodies of so many bytes together, and always one.
    pub room: usize,
}

impl Query for StoredWebhookQuery {
    /// In the order of arrival; those that were pruned meanwhile are missing.
    type Answer = Vec<StoredWebhook>;
}

/// What came in by each source, and when the last webhook did.
#[derive(Debug, Clone)]
pub struct SourceActivityQuery {
    /// Counted from this time on, ms since 1970 UTC.
    pub since_ms: i64,
    /// And until this time.
    pub now_ms: i64,
}

impl Query for SourceActivityQuery {
    /// Where the time of a list was over first, counts and times go as far back as it says.
    type Answer = Listing<SourceActivity>;
}

/// Whether anything ever came by a source of this name, configured or not.
#[derive(Debug, Clone)]
pub struct SourceExistsQuery {
    /// The name.
    pub name: String,
}

impl Query for SourceExistsQuery {
    type Answer = bool;
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
