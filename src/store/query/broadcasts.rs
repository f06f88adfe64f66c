//! Questions about broadcasts, and about those that are polled.

use super::{Listing, Scope, Window};
use crate::store::Query;
use crate::store::broadcast::{BroadcastMessage, BroadcastRecord};
use crate::store::poll::{PollOverview, PollRecord};

/// Which broadcasts to list, the newest first, by the keys of their first messages.
#[derive(Debug, Clone, Default)]
pub struct BroadcastQuery {
    /// Of this source only.
    pub source: Option<String>,
    /// What may be seen.
    pub scope: Scope,
    /// Which page.
    pub window: Window,
}

impl Query for BroadcastQuery {
    type Answer = Listing<BroadcastRecord>;
}

/// The broadcasts with this id, one for each source that has it; where there is one, with some of
/// its messages.
#[derive(Debug, Clone)]
pub struct BroadcastDetailQuery {
    /// The id.
    pub id: String,
    /// Of this source only.
    pub source: Option<String>,
    /// What may be seen.
    pub scope: Scope,
    /// Which page of its messages, the first to arrive first.
    pub window: Window,
}

impl Query for BroadcastDetailQuery {
    type Answer = BroadcastDetail;
}

/// What is found of one id.
#[derive(Debug, Clone)]
pub struct BroadcastDetail {
    /// One for each source that has it.
    pub broadcasts: Vec<BroadcastRecord>,
    /// Some messages in the order of arrival; none unless there is one broadcast.
    pub messages: Listing<BroadcastMessage>,
}

/// Which broadcasts that are or were polled to list, the newest first.
#[derive(Debug, Clone, Default)]
pub struct PollQuery {
    /// Of this source only.
    pub source: Option<String>,
    /// Which page.
    pub window: Window,
}

impl Query for PollQuery {
    type Answer = Listing<PollRecord>;
}

/// The broadcasts of a source that are polled, by due time.
#[derive(Debug, Clone)]
pub struct OpenPollQuery {
    /// The source.
    pub source: String,
    /// At most this many.
    pub limit: usize,
}

impl Query for OpenPollQuery {
    type Answer = Vec<PollRecord>;
}

/// How the polled broadcasts of each source stand.
#[derive(Debug, Clone, Copy)]
pub struct PollOverviewQuery;

impl Query for PollOverviewQuery {
    type Answer = Vec<PollOverview>;
}

/// How many messages of a broadcast have no report yet, or none later than `queued`.
#[derive(Debug, Clone)]
pub struct UnreportedQuery {
    /// The source of the broadcast.
    pub source: String,
    /// The broadcast.
    pub broadcast: String,
}

impl Query for UnreportedQuery {
    type Answer = u64;
}

/// Which reports of a polled answer are stored already.
#[derive(Debug, Clone)]
pub struct KnownReportQuery {
    /// The source that was polled.
    pub source: String,
    /// The reports.
    pub reports: Vec<ReportName>,
}

impl Query for KnownReportQuery {
    /// For each, in their order, whether it is stored and would not be read again.
    type Answer = Vec<bool>;
}

/// By what a report is found again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportName {
    /// The provider's id of its message.
    pub message: String,
    /// Its identity among the reports of that message.
    pub identity: i64,
    /// Whether it has one of our statuses: one that has is read again where it had none.
    pub has_status: bool,
}
