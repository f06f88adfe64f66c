//! The questions that [`Store::read`](super::Store::read) answers: one struct for each, with its
//! answer.
//!
//! Here is what lists have in common: within whose scope, and which page. The questions stand below,
//! by noun; those about audit, templates, replays and kept requests stand in `changes`.

mod account_events;
mod broadcasts;
mod changes;
mod forwards;
mod keys;
mod messages;
mod subscribers;
mod watching;
mod webhooks;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::access::Caller;

pub use account_events::AccountEventQuery;
pub use broadcasts::{
    BroadcastDetail, BroadcastDetailQuery, BroadcastQuery, KnownReportQuery, OpenPollQuery,
    PollOverviewQuery, PollQuery, ReportName, UnreportedQuery,
};
pub use changes::{
    AuditQuery, RememberedQuery, ReplayDetailQuery, ReplayQuery, RunningReplayQuery,
    TemplateDetailQuery, TemplateQuery,
};
pub use forwards::{
    AttemptOutcome, AttemptQuery, ForwardDetailQuery, ForwardQuery, ForwardsByIdQuery,
};
pub use keys::{KeyQuery, MissingKeyQuery, SubscriberKeyQuery};
pub use messages::{
    ErrorExistsQuery, MessageCountQuery, MessageQuery, TimelineQuery, UnknownErrorQuery,
    WebhookReportQuery,
};
pub use subscribers::{
    BacklogQuery, OutboundQuery, ReadableQuery, SubscriberHealthQuery, SubscriberQuery,
};
pub use watching::{ArrivedQuery, NotifiedQuery, TrafficQuery, UnconfirmedQuery};
pub use webhooks::{
    ReparsePreviewQuery, ReprocessableQuery, SourceActivityQuery, SourceExistsQuery,
    StoredWebhookQuery, UnseenWebhookQuery, WebhookDetailQuery, WebhookQuery,
};

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
