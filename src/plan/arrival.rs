//! A webhook on its way into the store, and what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Choice, MessageType, Status, UnknownWord, WebhookKey};
use crate::providers::{ParseError, Parsed, Provider};

/// A webhook that was authenticated and read, on its way into the store.
#[derive(Debug)]
pub struct Arrival {
    /// The source's name.
    pub source: Arc<str>,
    /// The source's provider.
    pub provider: Provider,
    /// The type of the source's messages when no report shows it, the URL's override included.
    pub default_type: MessageType,
    /// The source's own number, the URL's override included.
    pub default_sender: Option<String>,
    /// When it arrived, ms since 1970 UTC.
    pub received_ms: i64,
    /// `Content-Type`, as received.
    pub content_type: Option<String>,
    /// `Content-Encoding`, as received.
    pub content_encoding: Option<String>,
    /// `User-Agent`, as received.
    pub user_agent: Option<String>,
    /// The broadcast that was polled, where this is an answer.
    pub broadcast: Option<String>,
    /// Reports in it beside those of `parsed` of which the store is known to have each.
    pub known: usize,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// What the provider's parser found in it.
    pub parsed: Result<Parsed, ParseError>,
}

impl Arrival {
    /// What it takes in memory, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.body.len() + self.parsed.as_ref().map_or(0, Parsed::weight)
    }

    /// How many things the parser found in it.
    pub(crate) fn items(&self) -> usize {
        self.parsed.as_ref().map_or(0, |parsed| parsed.items.len())
    }
}

/// How a webhook ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray, strum::EnumString)]
#[strum(serialize_all = "kebab-case")]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = UnknownWord::of::<Self>)]
pub enum WebhookOutcome {
    /// At least one report in it was new.
    Processed,
    /// Every report in it was known.
    Duplicate,
    /// There was no report in it.
    Ignored,
    /// It, or all that should have been a report in it, could not be read.
    Unparsed,
}

impl WebhookOutcome {
    /// The outcome of a webhook that ended so, after one more part of it: what is new counts most.
    #[must_use]
    pub(crate) fn with_part(self, part: Self) -> Self {
        let by_weight = [Self::Processed, Self::Unparsed, Self::Duplicate];
        let mut by_weight = by_weight.into_iter();
        by_weight
            .find(|outcome| [self, part].contains(outcome))
            .unwrap_or(self)
    }
}

impl Choice for WebhookOutcome {
    const WHAT: &'static str = "outcome";
}

/// What became of an accepted webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its key.
    pub webhook_id: WebhookKey,
    /// How it ended.
    pub outcome: WebhookOutcome,
    /// Reports found in it, new or known.
    pub reports: usize,
    /// Those that were new.
    pub new_reports: usize,
    /// Parts of it that could not be read, or stand where no provider puts them.
    pub unreadable: usize,
    /// Account events that were new, by our names.
    pub new_account_events: BTreeMap<String, usize>,
    /// Forwards now queued because of it.
    pub forwards: usize,
}

/// A report that only the second reading found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FoundReport {
    /// The provider's id of the message, when it gave one.
    pub provider_message_id: Option<String>,
    /// The provider's own word.
    pub provider_status: String,
    /// What it means; null when it is none of our statuses.
    pub status: Option<Status>,
}

/// What came of reading one webhook again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reread {
    /// Its key.
    #[schema(value_type = i64)]
    pub webhook_id: WebhookKey,
    /// The source's name.
    pub source: String,
    /// How it had ended.
    pub before: WebhookOutcome,
    /// How it ends now.
    pub after: WebhookOutcome,
    /// Elements that could not be read before; the body itself counts as one.
    pub unreadable_before: u64,
    /// Elements that cannot be read now.
    pub unreadable: u64,
    /// What it is instead of reports, or why it cannot be read.
    pub detail: Option<String>,
    /// Reports that are new.
    pub found: Vec<FoundReport>,
    /// Forwards that are queued because of them.
    pub forwards: u64,
}

impl Reread {
    /// Whether anything is different from before.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.before != self.after
            || self.unreadable_before != self.unreadable
            || !self.found.is_empty()
    }
}
