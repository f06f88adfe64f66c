//! Queries of the readers: which rows, within whose scope, and which page of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::WebhookOutcome;
use crate::access::Caller;
use crate::model::{Choice, ErrorCode, ForwardState, Status, UnknownWord};

/// The rows that a reader may see; the default is all of them.
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

/// What was found of a list, in its order.
#[derive(Debug, Clone)]
pub struct Listing<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How far the list was searched when its time budget was used up; `None` when the page is full
    /// or the list was searched to its end.
    pub reached: Option<Reached>,
}

/// How far a list was searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The last key that was searched: the next page begins behind it.
    pub key: i64,
    /// The time of the row there, ms since 1970 UTC.
    pub at_ms: Option<i64>,
}

impl<T> From<Vec<T>> for Listing<T> {
    fn from(rows: Vec<T>) -> Self {
        Self {
            rows,
            reached: None,
        }
    }
}

impl<T> Listing<T> {
    /// The same with each row turned into another.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Listing<U> {
        Listing {
            rows: self.rows.into_iter().map(turn).collect(),
            reached: self.reached,
        }
    }
}

/// The place in a list from which the next page goes on, as a word to be handed back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The name of the list: a cursor of another one is refused.
    pub list: &'static str,
    /// The last key of the page before.
    pub key: i64,
}

impl Cursor {
    /// Reads a cursor of that list; `None` for any other text.
    #[must_use]
    pub fn read(list: &'static str, text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let key = text.strip_prefix(list)?.strip_prefix(':')?.parse().ok()?;
        Some(Self { list, key })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { list, key } = self;
        f.write_str(&URL_SAFE_NO_PAD.encode(format!("{list}:{key}")))
    }
}

/// Which forwards to list, the newest first.
#[derive(Debug, Clone, Default)]
pub struct ForwardQuery {
    /// In this state only.
    pub state: Option<ForwardState>,
    /// Queued to the subscriber with this key only.
    pub subscriber_id: Option<i64>,
    /// Whose latest attempt failed with this code.
    pub error: Option<ErrorCode>,
    /// About the message with this id of the provider's, or with this key, written `17` or `key:17`.
    pub message: Option<String>,
    /// About messages that name this recipient, or of which a report does, in any spelling.
    pub recipient: Option<String>,
    /// About messages of this source.
    pub source: Option<String>,
    /// Of reports with this status.
    pub status: Option<Status>,
    /// Queued at or after, ms since 1970 UTC.
    pub since_ms: Option<i64>,
    /// Queued before, ms since 1970 UTC.
    pub until_ms: Option<i64>,
    /// What may be seen.
    pub scope: Scope,
    /// Which page.
    pub window: Window,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray, strum::EnumString)]
#[strum(serialize_all = "kebab-case")]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = UnknownWord::of::<Self>)]
pub enum AttemptOutcome {
    /// The subscriber answered 2xx.
    Delivered,
    /// It did not.
    Failed,
}

impl Choice for AttemptOutcome {
    const WHAT: &'static str = "outcome of an attempt";
}

/// Which attempts to list, the newest first.
#[derive(Debug, Clone, Default)]
pub struct AttemptQuery {
    /// At the subscriber with this key only.
    pub subscriber_id: Option<i64>,
    /// Ended with this outcome.
    pub outcome: Option<AttemptOutcome>,
    /// Failed with this code.
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
