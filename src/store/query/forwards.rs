//! Questions about forwards and their attempts.

use serde::{Deserialize, Serialize};

use super::{Listing, Scope, Window};
use crate::model::{Choice, ErrorCode, ForwardState, Status, SubscriberKey, UnknownWord};
use crate::store::Query;
use crate::store::timeline::{AttemptAt, ForwardDetail, ForwardRecord};

/// Which forwards to list, the newest first.
#[derive(Debug, Clone, Default)]
pub struct ForwardQuery {
    /// In this state only.
    pub state: Option<ForwardState>,
    /// Queued to the subscriber with this key only.
    pub subscriber_id: Option<SubscriberKey>,
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

impl Query for ForwardQuery {
    type Answer = Listing<ForwardRecord>;
}

/// The forward with this id, with its payload and its attempts.
#[derive(Debug, Clone)]
pub struct ForwardDetailQuery {
    /// Its `webhook-id`, now or formerly, or its key.
    pub id: String,
    /// What may be seen.
    pub scope: Scope,
}

impl Query for ForwardDetailQuery {
    /// `None` when there is none to be seen.
    type Answer = Option<ForwardDetail>;
}

/// The forwards with these ids.
#[derive(Debug, Clone)]
pub struct ForwardsByIdQuery {
    /// As [`ForwardDetailQuery::id`].
    pub ids: Vec<String>,
    /// What may be seen.
    pub scope: Scope,
}

impl Query for ForwardsByIdQuery {
    /// One for each id, in their order; `None` where there is none to be seen.
    type Answer = Vec<Option<ForwardRecord>>;
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
    pub subscriber_id: Option<SubscriberKey>,
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

impl Query for AttemptQuery {
    type Answer = Listing<AttemptAt>;
}
