//! The questions that [`Store::read`](super::Store::read) answers: one struct for each, with its
//! answer.
//!
//! Here is what lists have in common: within whose scope, and which page. The questions stand below,
//! by noun; those about audit, templates, replays and kept requests stand in `changes`.

mod account_events;
mod broadcasts;
mod changes;
mod forwards;
mod jobs;
mod keys;
mod messages;
mod place;
mod subscribers;
mod watching;
mod webhooks;

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
pub use jobs::{JobDetailQuery, JobQuery, RunningJobQuery};
pub use keys::{KeyQuery, MissingKeyQuery, SubscriberKeyQuery};
pub use messages::{
    ErrorExistsQuery, MessageCountQuery, MessageQuery, TimelineQuery, UnknownErrorQuery,
    WebhookReportQuery,
};
pub use place::{ListPlace, Placed};
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

/// A page of a list: by place, so that what comes meanwhile moves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// Only what is behind this place; from the list's first row when `None`.
    pub behind: Option<ListPlace>,
    /// At most this many.
    pub limit: usize,
}

impl Window {
    /// The newest `limit` of a list that has the newest first.
    #[must_use]
    pub const fn newest(limit: usize) -> Self {
        Self {
            behind: None,
            limit,
        }
    }

    /// The page of rows that are in memory, the oldest first.
    #[must_use]
    pub fn of_oldest<T: Placed>(self, rows: impl IntoIterator<Item = T>) -> Listing<T> {
        let rows = rows.into_iter().map(|row| (row.place().key(), row));
        let behind = self.behind.map(ListPlace::key);
        let rows = rows.filter(|(key, _)| behind.is_none_or(|behind| *key > behind));
        let rows = rows.take(self.limit.saturating_add(1)).collect();
        Listing::page(rows, self.limit, None)
    }
}

/// What was found of a list, in its order.
#[derive(Debug, Clone)]
pub struct Listing<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Behind what the next page begins: the last row of a full page, or where the search was cut.
    /// `None` when nothing is left.
    pub next: Option<ListPlace>,
    /// How far the list was searched when its time budget was used up; `None` when the page is full
    /// or the list was searched to its end.
    pub reached: Option<Reached>,
}

/// How far a list was searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The last place that was searched: the next page begins behind it.
    pub place: ListPlace,
    /// The time of the row there, ms since 1970 UTC.
    pub at_ms: Option<i64>,
}

impl<T> From<Vec<T>> for Listing<T> {
    fn from(rows: Vec<T>) -> Self {
        Self {
            rows,
            next: None,
            reached: None,
        }
    }
}

impl<T> Listing<T> {
    /// The page of rows that were read with their keys. One row more than `limit` shows that the
    /// list goes on.
    pub(super) fn page(mut rows: Vec<(i64, T)>, limit: usize, reached: Option<Reached>) -> Self {
        let is_more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| is_more);
        let last = last.map(|(key, _)| ListPlace::of(*key));
        let reached = reached.filter(|_| !is_more);
        Self {
            next: last.or(reached.map(|reached| reached.place)),
            rows: rows.into_iter().map(|(_, row)| row).collect(),
            reached,
        }
    }

    /// The same with each row turned into another.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Listing<U> {
        Listing {
            rows: self.rows.into_iter().map(turn).collect(),
            next: self.next,
            reached: self.reached,
        }
    }
}
