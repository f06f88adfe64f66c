//! Questions about what operators made and changed: the audit, templates, replays, requests.

use uuid::Uuid;

use super::{Listing, Window};
use crate::model::SubscriberKey;
use crate::store::audit::AuditRecord;
use crate::store::idempotency::{Remembered, Ticket};
use crate::store::replay::{ReplayRecord, RunningReplay};
use crate::store::{Query, TemplateRecord};

/// What was changed, the newest first.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditQuery {
    /// Which page.
    pub window: Window,
}

impl Query for AuditQuery {
    type Answer = Listing<AuditRecord>;
}

/// Templates, the newest first.
#[derive(Debug, Clone, Copy, Default)]
pub struct TemplateQuery {
    /// Which page.
    pub window: Window,
}

impl Query for TemplateQuery {
    type Answer = Listing<TemplateRecord>;
}

/// The template of that name in that language.
#[derive(Debug, Clone)]
pub struct TemplateDetailQuery {
    /// The name.
    pub name: String,
    /// The code of the language.
    pub language: String,
}

impl Query for TemplateDetailQuery {
    type Answer = Option<TemplateRecord>;
}

/// Which replays to list, the newest first.
#[derive(Debug, Clone, Default)]
pub struct ReplayQuery {
    /// For the subscribers with these keys; for all when `None`.
    pub subscribers: Option<Vec<SubscriberKey>>,
    /// Which page.
    pub window: Window,
}

impl Query for ReplayQuery {
    type Answer = Listing<ReplayRecord>;
}

/// The replay with this id.
#[derive(Debug, Clone, Copy)]
pub struct ReplayDetailQuery {
    /// The id.
    pub uid: Uuid,
}

impl Query for ReplayDetailQuery {
    type Answer = Option<ReplayRecord>;
}

/// The replays that are under way, the first one first.
#[derive(Debug, Clone, Copy)]
pub struct RunningReplayQuery;

impl Query for RunningReplayQuery {
    type Answer = Vec<RunningReplay>;
}

/// The request of the last 24 h with the same caller and key.
#[derive(Debug, Clone)]
pub struct RememberedQuery {
    /// The request that is made.
    pub ticket: Ticket,
}

impl Query for RememberedQuery {
    /// The error is [`Error::KeyMissing`](crate::store::Error::KeyMissing) when it cannot be opened.
    type Answer = Option<Remembered>;
}
