//! `/attempts`: every HTTP try, whatever forward it was about.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::forwards::AttemptView;
use super::input::UrlQuery;
use super::list::ListFilter;
use super::page::Page;
use super::time::TimeOrAge;
use super::{HandlerContext, Reply, done};
use crate::model::{ErrorCode, ForwardKey, Whole};
use crate::store::query::{AttemptOutcome, AttemptQuery};
use crate::store::timeline::AttemptAt;

/// One HTTP try with the forward it was about.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = AttemptAt)]
pub(crate) struct AttemptAtView {
    /// The forward, by the `webhook-id` that the subscriber sees.
    #[schema(example = "0199c9a4-64ba-7a06-a3ef-9a5c3f0d0c11")]
    pub(crate) forward_id: String,
    /// The forward by its key.
    #[schema(value_type = i64)]
    pub(crate) forward_key: ForwardKey,
    /// The subscriber's name.
    pub(crate) subscriber: String,
    /// The try.
    #[serde(flatten)]
    pub(crate) attempt: AttemptView,
}

impl From<AttemptAt> for AttemptAtView {
    fn from(record: AttemptAt) -> Self {
        Self {
            forward_id: record.uid.to_string(),
            forward_key: record.forward_id,
            subscriber: record.subscriber,
            attempt: record.attempt.into(),
        }
    }
}

/// Which attempts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AttemptListQuery {
    /// Only those at this subscriber, by its name.
    subscriber: Option<String>,
    /// Only those that ended so.
    #[param(inline)]
    outcome: Option<AttemptOutcome>,
    /// Only those that failed with this error.
    #[param(inline)]
    error: Option<ErrorCode>,
    /// Only those begun at or after.
    #[param(value_type = Option<String>, example = "2h")]
    since: Option<TimeOrAge>,
    /// Only those begun before.
    #[param(value_type = Option<String>, example = "2h")]
    until: Option<TimeOrAge>,
    /// At most this many; 50 when left out.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Attempts, the latest to end first; old ones are pruned.
#[utoipa::path(get, path = "/attempts", tag = "attempts", params(AttemptListQuery),
    responses((status = 200, description = "One page.", body = Page<AttemptAtView>)))]
pub(super) async fn list(
    context: HandlerContext,
    UrlQuery(query, faults): UrlQuery<AttemptListQuery>,
) -> Reply {
    let filter = ListFilter {
        since: query.since,
        until: query.until,
        subscriber: query.subscriber.as_deref(),
        ..ListFilter::default()
    };
    let page = ("attempts", query.limit, query.cursor.as_deref());
    let (paging, list) = context.list(page, filter, faults).await?;
    let query = AttemptQuery {
        subscriber_id: list.subscriber_id,
        outcome: query.outcome,
        error: query.error,
        since_ms: list.since_ms,
        until_ms: list.until_ms,
        scope: list.scope,
        window: paging.window(),
    };
    let rows = context.read(query).await?;
    done(&paging.page(rows, AttemptAtView::from))
}
