//! `/webhooks`: the providers' requests as they came.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::input::{MaybeBody, Segment, UrlQuery};
use super::job_view::JobView;
use super::list::ListFilter;
use super::page::Page;
use super::time::{Time, TimeOrAge};
use super::{HandlerContext, Reply, done, shaped};
use crate::admin::{ReprocessWebhooks, RereadWebhooks};
use crate::model::{MessageType, WebhookKey, Whole};
use crate::store::overview::{WebhookDetail, WebhookRecord};
use crate::store::query::{Scope, WebhookDetailQuery, WebhookQuery};
use crate::store::{ReprocessSelection, Reread, WebhookOutcome};
use crate::web::problem::Problem;

/// One request of a provider, its body aside.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Webhook)]
pub(crate) struct WebhookView {
    /// Its key.
    #[schema(value_type = i64)]
    pub(crate) id: WebhookKey,
    /// The source it came to.
    pub(crate) source: String,
    /// The provider of that source.
    pub(crate) provider: String,
    /// When it arrived.
    pub(crate) received_at: Time,
    /// How it ended.
    pub(crate) outcome: WebhookOutcome,
    /// Why it could not be read, or what it was instead of reports.
    pub(crate) outcome_detail: Option<String>,
    /// Reports found in it.
    pub(crate) reports: u64,
    /// Those that were new.
    pub(crate) new_reports: u64,
    /// Elements that could not be read; a body that could not be read counts as one.
    pub(crate) unreadable: u64,
    /// The type its messages had by default.
    pub(crate) default_type: Option<MessageType>,
    /// The sender its messages had by default.
    pub(crate) default_sender: Option<String>,
    /// `Content-Type`, as received.
    pub(crate) content_type: Option<String>,
    /// `Content-Encoding`, as received.
    pub(crate) content_encoding: Option<String>,
    /// `User-Agent`, as received.
    pub(crate) user_agent: Option<String>,
    /// The body's length; null when it is not kept.
    pub(crate) body_bytes: Option<u64>,
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
    UrlQuery(query, faults): UrlQuery<WebhookListQuery>,
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
    let rows = context.read(query).await?;
    done(&paging.page(rows, WebhookView::from))
}

async fn find(context: &HandlerContext, id: &Segment) -> Result<WebhookDetail, Problem> {
    let webhook_id = id.key("webhook")?;
    let scope = Scope::from(&context.caller);
    let found = context
        .read(WebhookDetailQuery { webhook_id, scope })
        .await?;
    found.ok_or_else(|| Problem::missing(format_args!("webhook {webhook_id}")))
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

/// Which webhooks to parse again; by default those that could not be parsed in full.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReprocessOrder)]
pub(crate) struct ReprocessOrderView {
    /// These, whatever became of them.
    #[serde(default)]
    #[schema(value_type = Vec<i64>)]
    pub(crate) ids: Vec<WebhookKey>,
    /// Only those received at or after.
    pub(crate) since: Option<TimeOrAge>,
    /// Only those of this source.
    pub(crate) source: Option<String>,
    /// Include webhooks that were parsed before: an upgrade may know more words.
    #[serde(default)]
    pub(crate) all: bool,
    /// Only show what would be found; each webhook for itself.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// What a second reading found.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Reprocessed)]
pub(crate) struct ReprocessedView {
    /// Whether it ended differently from before.
    pub(crate) changed: bool,
    /// New reports found.
    pub(crate) found: usize,
    /// Elements that still cannot be read.
    pub(crate) unreadable: u64,
}

/// Parse one again, after an upgrade that understands more, and take in what is new in it.
#[utoipa::path(post, path = "/webhooks/{id}/reprocess", tag = "webhooks",
    params(("id" = i64, Path, description = "Its id."), ReprocessQuery),
    responses((status = 200, description = "What was found.", body = ReprocessedView)))]
pub(super) async fn reprocess(
    context: HandlerContext,
    id: Segment,
    UrlQuery(query, faults): UrlQuery<ReprocessQuery>,
) -> Reply {
    faults.end()?;
    let detail = find(&context, &id).await?;
    if detail.body.is_none() {
        return Err(Problem::conflict("its body is not kept any more"));
    }
    let request = ReprocessWebhooks {
        selection: ReprocessSelection {
            webhook_ids: vec![detail.webhook.webhook_id],
            ..ReprocessSelection::default()
        },
        dry_run: query.dry_run.unwrap_or_default(),
    };
    let reread = |read: &RereadWebhooks| {
        let reread = read.webhooks.first();
        let view = ReprocessedView {
            changed: reread.is_some_and(Reread::is_changed),
            found: reread.map_or(0, |reread| reread.found.len()),
            unreadable: reread.map_or(0, |reread| reread.unreadable),
        };
        shaped(StatusCode::OK, &view)
    };
    context.perform(request, reread).await
}

/// Parse many again, in the background, and take in what is new in them.
///
/// The job's result is a `ManyReprocessed`.
#[utoipa::path(post, path = "/webhooks/reprocess", tag = "webhooks",
    request_body = Option<ReprocessOrderView>,
    responses((status = 202, description = "It begins; its URL shows its progress.", body = JobView,
        headers(("Location" = String, description = "The job's URL.")))))]
pub(super) async fn reprocess_many(
    context: HandlerContext,
    MaybeBody(order): MaybeBody<ReprocessOrderView>,
) -> Reply {
    if let Some(source) = &order.source {
        context.source(source)?;
    }
    let (dry_run, now_ms) = (order.dry_run, context.shared.clock.now_ms());
    let request = ReprocessWebhooks {
        selection: ReprocessSelection {
            webhook_ids: order.ids,
            since_ms: order.since.map(|since| since.ms(now_ms)),
            source: order.source,
            all: order.all,
        },
        dry_run,
    };
    context.begin(request).await
}
