//! What is found beside messages: raw webhooks, subscribers with their queues, and errors that the
//! catalogue does not explain yet. The answers of [`super::query`].

use serde::Serialize;

use super::WebhookOutcome;
use crate::model::{ErrorCode, MessageType, Status, Subscriber, WebhookKey};

/// One webhook, its body aside.
#[derive(Debug, Clone, Serialize)]
pub struct WebhookRecord {
    /// Its key in the store.
    pub webhook_id: WebhookKey,
    /// The name of the source it came to.
    pub source: String,
    /// The provider of that source.
    pub provider: String,
    /// When it arrived, ms since 1970 UTC.
    pub received_at_ms: i64,
    /// How it ended.
    pub outcome: WebhookOutcome,
    /// Why it could not be read, or what it was instead of reports.
    pub outcome_detail: Option<String>,
    /// Reports found in it.
    pub reports: u64,
    /// Those that were new.
    pub new_reports: u64,
    /// Elements that could not be read; a body that could not be read counts as one.
    pub unreadable: u64,
    /// The type its messages had by default.
    pub default_type: Option<MessageType>,
    /// The sender its messages had by default.
    pub default_sender: Option<String>,
    /// `Content-Type`, as received.
    pub content_type: Option<String>,
    /// `Content-Encoding`, as received.
    pub content_encoding: Option<String>,
    /// `User-Agent`, as received.
    pub user_agent: Option<String>,
    /// The body's length; `None` when it is not kept: it was a duplicate, or it was pruned.
    pub body_bytes: Option<u64>,
}

/// One webhook with its body.
#[derive(Debug, Clone)]
pub struct WebhookDetail {
    /// What is known of it.
    pub webhook: WebhookRecord,
    /// The body byte for byte; `None` when it is not kept.
    pub body: Option<Vec<u8>>,
}

/// A subscriber and how it fares.
#[derive(Debug, Clone, Serialize)]
pub struct SubscriberOverview {
    /// The subscriber.
    #[serde(flatten)]
    pub subscriber: Subscriber,
    /// Forwards pending for it; `None` when the time of a list was over before they were counted.
    pub pending: Option<u64>,
    /// Since when the oldest of those is pending, ms since 1970 UTC.
    pub oldest_pending_ms: Option<i64>,
    /// Forwards it took within 24 h.
    pub delivered_24h: u64,
    /// Forwards given up within 24 h.
    pub gave_up_24h: u64,
}

/// Messages of one source in one status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageCount {
    /// The source's name.
    pub source: String,
    /// The status; `None` where nothing that was reported is one.
    pub status: Option<Status>,
    /// How many.
    pub messages: u64,
}

/// What came in by one source since some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceActivity {
    /// The source's name.
    pub source: String,
    /// Webhooks.
    pub webhooks: u64,
    /// Reports found in them.
    pub reports: u64,
    /// Those that were new.
    pub new_reports: u64,
    /// Elements that could not be read.
    pub unreadable: u64,
    /// When the last webhook arrived, however long ago, ms since 1970 UTC.
    pub last_seen_ms: Option<i64>,
}

/// How a subscriber fares.
#[derive(Debug, Clone, Default)]
pub struct SubscriberHealth {
    /// Forwards pending for it.
    pub pending: u64,
    /// Since when the oldest of those is pending, ms since 1970 UTC.
    pub oldest_pending_ms: Option<i64>,
    /// When the next of those is, or was, to be tried, ms since 1970 UTC.
    pub next_due_ms: Option<i64>,
    /// When an attempt last succeeded, within 24 h, ms since 1970 UTC.
    pub last_success_ms: Option<i64>,
    /// When an attempt last failed, within 24 h, ms since 1970 UTC.
    pub last_failure_ms: Option<i64>,
    /// Why that attempt failed.
    pub last_failure: Option<ErrorCode>,
    /// Attempts within 24 h that succeeded.
    pub delivered_attempts_24h: u64,
    /// Attempts within 24 h that failed, an open breaker's probes included.
    pub failed_attempts_24h: u64,
    /// Of the forwards made within 24 h, those it took.
    pub delivered_24h: u64,
    /// Of the forwards made within 24 h, those given up.
    pub gave_up_24h: u64,
}

/// An error that the catalogue does not know.
#[derive(Debug, Clone)]
pub struct UnknownError {
    /// The key it would have, as in `meta:139999`.
    pub error_key: String,
    /// The provider's number.
    pub code: Option<i64>,
    /// The provider's short name of it, as one of the reports has it.
    pub title: Option<String>,
    /// The provider's longer text, from the same report.
    pub details: Option<String>,
    /// In how many reports it stands.
    pub reports: u64,
    /// When the first of those arrived, ms since 1970 UTC.
    pub first_seen_ms: i64,
    /// When the latest of those arrived, ms since 1970 UTC.
    pub last_seen_ms: i64,
}

impl UnknownError {
    /// Adds what other reports say of the same error.
    pub fn absorb(&mut self, other: &Self) {
        self.reports = self.reports.saturating_add(other.reports);
        self.first_seen_ms = self.first_seen_ms.min(other.first_seen_ms);
        self.last_seen_ms = self.last_seen_ms.max(other.last_seen_ms);
    }
}
