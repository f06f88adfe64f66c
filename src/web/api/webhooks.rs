//! `/webhooks`: the providers' requests as they came.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::input::{Query, Segment};
use super::list::ListFilter;
use super::page::Page;
use super::time::{Time, TimeOrAge};
use super::{HandlerContext, Reply, done, shaped};
use crate::admin::{Answer, Request};
use crate::model::{MessageType, Whole};
use crate::store::overview::{WebhookDetail, WebhookRecord};
use crate::store::query::{Scope, WebhookQuery};
use crate::store::{ReprocessSelection, WebhookOutcome};
use crate::web::problem::Problem;

/// One request of a provider, its body aside.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct WebhookView {
    /// Its key.
    id: i64,
    /// The source it came to.
    source: String,
    /// The provider of that source.
    provider: String,
    /// When it arrived.
    received_at: Time,
    /// How it ended.
    outcome: WebhookOutcome,
    /// Why it could not be read, or what it was instead of reports.
    outcome_detail: Option<String>,
    /// Reports found in it.
    reports: u64,
    /// Those that were new.
    new_reports: u64,
    /// Elements that could not be read; a body that could not be read counts as one.
    unreadable: u64,
    /// The type its messages had by default.
    default_type: Option<MessageType>,
    /// The sender its messages had by default.
    default_sender: Option<String>,
    /// `Content-Type`, as received.
    content_type: Option<String>,
    /// `Content-Encoding`, as received.
    content_encoding: Option<String>,
    /// `User-Agent`, as received.
    user_agent: Option<String>,
    /// The body's length; null when it is not kept.
    body_bytes: Option<u64>,
}

impl From<WebhookRecord> for WebhookView {
    fn from(record: WebhookRecord) -> Self {
        Self {
            id: record.webhook_id,
            source: record.source,
            provider: record.provider,
            received_at: Time(record.received_at_ms),
            outcome: record.outcome,
            outcome_detail: record.outcome_detail,
            reports: record.reports,
            new_reports: record.new_reports,
            unreadable: record.unreadable,
            default_type: record.default_type,
            default_sender: record.default_sender,
            content_type: record.content_type,
            content_encoding: record.content_encoding,
            user_agent: record.user_agent,
            body_bytes: record.body_bytes,
        }
    }
}

/// Which webhooks.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WebhookListQuery {
    /// Only those that ended so; unparsed has each with an element that could not be read.
    #[param(inline)]
    outcome: Option<WebhookOutcome>,
    /// Only those of this source.
    source: Option<String>,
    /// Only those received at or after.
    #[param(value_type = Option<String>, example = "2h")]
    since: Option<TimeOrAge>,
    /// Only those received before.
    #[param(value_type = Option<String>, example = "2h")]
    until: Option<TimeOrAge>,
    /// At most this many; 50 when left out.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Webhooks, the newest first.
#[utoipa::path(get, path = "/webhooks", tag = "webhooks", params(WebhookListQuery),
    responses((status = 200, description = "One page.", body = Page<WebhookView>)))]
pub(super) async fn list(
    context: HandlerContext,
    Query(query, faults): Query<WebhookListQuery>,
) -> Reply {
    let filter = ListFilter {
        source: query.source.as_deref(),
        since: query.since,
        until: query.until,
        ..ListFilter::default()
    };
    let page = ("webhooks", query.limit, query.cursor.as_deref());
    let (paging, list) = context.list(page, filter, faults).await?;
    let query = WebhookQuery {
        outcome: query.outcome,
        source: query.source,
        since_ms: list.since_ms,
        until_ms: list.until_ms,
        scope: list.scope,
        window: paging.window(),
    };
    let rows = context.read(move |reader| reader.webhooks(&query)).await?;
    done(&paging.page(rows, |row| row.webhook_id, WebhookView::from))
}

async fn find(context: &HandlerContext, id: &Segment) -> Result<WebhookDetail, Problem> {
    let id = id.number("webhook")?;
    let scope = Scope::from(&context.caller);
    let found = context
        .read(move |reader| reader.webhook(id, &scope))
        .await?;
    found.ok_or_else(|| Problem::missing(format_args!("webhook {id}")))
}

/// One webhook, its body aside.
#[utoipa::path(get, path = "/webhooks/{id}", tag = "webhooks",
    params(("id" = i64, Path, description = "Its id.")),
    responses((status = 200, description = "It.", body = WebhookView)))]
pub(super) async fn read(context: HandlerContext, id: Segment) -> Reply {
    done(&WebhookView::from(find(&context, &id).await?.webhook))
}

/// The body of one webhook, byte for byte.
#[utoipa::path(get, path = "/webhooks/{id}/body", tag = "webhooks",
    params(("id" = i64, Path, description = "Its id.")),
    responses((status = 200, description = "The bytes as they came.",
        content_type = "application/octet-stream", body = Vec<u8>)))]
pub(super) async fn body(context: HandlerContext, id: Segment) -> Reply {
    let detail = find(&context, &id).await?;
    let body = detail
        .body
        .ok_or_else(|| Problem::missing("body any more: it was a duplicate, or was pruned"))?;
    // Whatever a provider sent must not run in a browser as a page of ours.
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .insert_header(("Content-Disposition", "attachment"))
        .body(body))
}

/// How to read again.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReprocessQuery {
    /// Only show what would be found.
    dry_run: Option<bool>,
}

/// What a second reading found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reprocessed)]
pub(super) struct ReprocessedView {
    /// Whether it ended differently from before.
    changed: bool,
    /// New reports found.
    found: usize,
    /// Elements that still cannot be read.
    unreadable: u64,
}

/// Parse one again, after an upgrade that understands more, and take in what is new in it.
#[utoipa::path(post, path = "/webhooks/{id}/reprocess", tag = "webhooks",
    params(("id" = i64, Path, description = "Its id."), ReprocessQuery),
    responses((status = 200, description = "What was found.", body = ReprocessedView)))]
pub(super) async fn reprocess(
    context: HandlerContext,
    id: Segment,
    Query(query, faults): Query<ReprocessQuery>,
) -> Reply {
    faults.end()?;
    let detail = find(&context, &id).await?;
    if detail.body.is_none() {
        return Err(Problem::conflict("its body is not kept any more"));
    }
    let request = Request::Reprocess {
        selection: ReprocessSelection {
            webhook_ids: vec![detail.webhook.webhook_id],
            ..ReprocessSelection::default()
        },
        dry_run: query.dry_run.unwrap_or_default(),
    };
    let reread = |answer: &Answer| match answer {
        Answer::Reprocessed { webhooks, .. } => {
            let reread = webhooks.first();
            let view = ReprocessedView {
                changed: reread.is_some_and(crate::store::Reread::is_changed),
                found: reread.map_or(0, |reread| reread.found.len()),
                unreadable: reread.map_or(0, |reread| reread.unreadable),
            };
            shaped(StatusCode::OK, &view)
        }
        other => Err(super::unexpected(other)),
    };
    context.perform(request, reread).await
}
