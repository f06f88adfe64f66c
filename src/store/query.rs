//! What a reader is asked: which rows, seen by whom, and which page of them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::WebhookOutcome;
use crate::access::Caller;
use crate::model::{ErrorCode, ForwardState, Status, UnknownWord};

/// What somebody may see; the default sees everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only what concerns subscribers of this owner.
    pub owner: Option<String>,
    /// Only what came from these sources; from any when empty.
    pub sources: Vec<String>,
    /// The sources whose `owners` name that owner: what it registered at these it sees too.
    pub owned: Vec<String>,
}

impl Scope {
    /// The owned sources as a JSON list, as a query takes them in.
    pub(crate) fn owned(&self) -> String {
        serde_json::to_string(&self.owned).unwrap_or_default()
    }
}

impl From<&Caller> for Scope {
    fn from(caller: &Caller) -> Self {
        Self {
            owner: caller.owner.clone(),
            sources: caller.sources.clone(),
            owned: caller.owned.clone(),
        }
    }
}

/// A page of a list that has the newest first: by key, so that what comes meanwhile moves
/// nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// Only keys below this one; from the newest when `None`.
    pub before: Option<i64>,
    /// At most this many.
    pub limit: usize,
}

impl Window {
    /// The newest `limit`.
    #[must_use]
    pub const fn newest(limit: usize) -> Self {
        Self {
            before: None,
            limit,
        }
    }
}

/// Which forwards to list, the newest first.
#[derive(Debug, Clone, Default)]
pub struct ForwardQuery {
    /// In this state only.
    pub state: Option<ForwardState>,
    /// Owed to the subscriber with this key only.
    pub subscriber_id: Option<i64>,
    /// Whose latest attempt failed with this code.
    pub error: Option<ErrorCode>,
    /// Owed at or after, ms since 1970 UTC.
    pub since_ms: Option<i64>,
    /// Owed before, ms since 1970 UTC.
    pub until_ms: Option<i64>,
    /// What may be seen.
    pub scope: Scope,
    /// Which page.
    pub window: Window,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptOutcome {
    /// The subscriber answered 2xx.
    Delivered,
    /// It did not.
    Failed,
}

impl FromStr for AttemptOutcome {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "delivered" => Ok(Self::Delivered),
            "failed" => Ok(Self::Failed),
            _ => Err(UnknownWord {
                what: "outcome of an attempt",
                word: word.to_owned(),
                expected: "delivered, failed",
            }),
        }
    }
}

/// Which attempts to list, the newest first.
#[derive(Debug, Clone, Default)]
pub struct AttemptQuery {
    /// At the subscriber with this key only.
    pub subscriber_id: Option<i64>,
    /// That ended so.
    pub outcome: Option<AttemptOutcome>,
    /// That failed with this code.
    pub error: Option<ErrorCode>,
    /// Begun at or after, ms since 1970 UTC.
    pub since_ms: Option<i64>,
    /// Begun before, ms since 1970 UTC.
    pub until_ms: Option<i64>,
    /// What may be seen.
    pub scope: Scope,
    /// Which page.
    pub window: Window,
}

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
    pub bulk_id: Option<String>,
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
