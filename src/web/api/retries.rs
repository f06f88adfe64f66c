//! `/forwards/retry`: some forwards sent again together, at once.

use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input::JsonBody;
use super::{HandlerContext, Reply, shaped};
use crate::admin::{RetriedForwards, RetryForwards};
use crate::model::{ForwardKey, quoted};
use crate::store::RetrySelection;
use crate::store::query::{ForwardsByIdQuery, Scope};
use crate::web::problem::Problem;

/// Forwards to be sent again together.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RetryOrder)]
pub(crate) struct RetryOrderView {
    /// Which: `webhook-id`s that the subscriber saw, former ones too, or keys; at most 1000.
    pub(crate) ids: Vec<String>,
    /// With a new `webhook-id` each, so that subscribers that deduplicate accept them.
    #[serde(default)]
    pub(crate) new_id: bool,
}

/// How many forwards are queued again.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Retried)]
pub(crate) struct RetriedView {
    /// Those that are queued; one whose payload was pruned or whose subscriber was removed is not.
    pub(crate) queued: usize,
}

/// The most forwards that are sent again together.
const MOST_RETRIED: usize = 1000;

/// Send some again at once, each with the whole schedule before it. Either all of them are found, or
/// none is queued. The subscribers receive the statuses again; no WhatsApp message is sent again.
#[utoipa::path(post, path = "/forwards/retry", tag = "forwards", request_body = RetryOrderView,
    responses((status = 200, description = "How many are queued.", body = RetriedView)))]
pub(super) async fn retry_many(
    context: HandlerContext,
    JsonBody(order): JsonBody<RetryOrderView>,
) -> Reply {
    if order.ids.len() > MOST_RETRIED {
        let detail = format!("name at most {MOST_RETRIED} forwards, or begin a replay");
        return Err(Problem::field("/ids", detail));
    }
    let scope = Scope::from(&context.caller);
    let ids = order.ids.clone();
    let found = context.read(ForwardsByIdQuery { ids, scope }).await?;
    let found = found.into_iter().zip(order.ids);
    let found = found.map(|(forward, id)| forward.map(|it| it.forward_id).ok_or(id));
    let forward_ids: Result<Vec<ForwardKey>, String> = found.collect();
    let selection = RetrySelection {
        forward_ids: forward_ids.map_err(|id| {
            Problem::missing(format_args!(
                "forward {id}: give its id or its whole webhook-id",
                id = quoted(&id)
            ))
        })?,
        new_id: order.new_id,
    };
    let retried = |retried: &RetriedForwards| {
        let queued = retried.forwards;
        shaped(StatusCode::OK, &RetriedView { queued })
    };
    context.perform(RetryForwards(selection), retried).await
}
