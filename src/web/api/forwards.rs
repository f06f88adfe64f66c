//! `/forwards`: forwards to subscribers, how the sending went, and queueing it again.

use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::input::{MaybeBody, Segment, UrlQuery};
use super::list::ListFilter;
use super::page::Page;
use super::time::{Time, TimeOrAge};
use super::{HandlerContext, Reply, done, shaped};
use crate::admin::{RetriedForwards, RetryForwards};
use crate::model::{
    ErrorCode, ForwardKey, ForwardState, GaveUp, MessageKey, ReportKey, Status, SubscriberState,
    Whole, quoted,
};
use crate::store::RetrySelection;
use crate::store::query::{ForwardDetailQuery, ForwardQuery, Scope};
use crate::store::timeline::{AttemptRecord, ForwardDetail, ForwardHistory, ForwardRecord};
use crate::web::problem::Problem;

/// One report queued for one subscriber.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Forward)]
pub(crate) struct ForwardView {
    /// The `webhook-id` that the subscriber sees.
    #[schema(example = "0199c9a4-64ba-7a06-a3ef-9a5c3f0d0c11")]
    pub(crate) id: String,
    /// Its key, by which it is found too; a forward that is sent with a new id keeps it.
    #[schema(value_type = i64)]
    pub(crate) key: ForwardKey,
    /// The subscriber's name.
    pub(crate) subscriber: String,
    /// Whether the subscriber is sent to now.
    pub(crate) subscriber_state: SubscriberState,
    /// Whether the subscriber was removed: nothing is sent to it any more.
    pub(crate) subscriber_removed: bool,
    /// Since when every attempt at the subscriber has failed; null while it answers.
    pub(crate) subscriber_failing_since: Option<Time>,
    /// The message it is about; null for an event of the service.
    #[schema(value_type = Option<i64>)]
    pub(crate) message_id: Option<MessageKey>,
    /// The message by the provider's id.
    pub(crate) provider_message_id: Option<String>,
    /// The message's recipient, as received.
    pub(crate) recipient: Option<String>,
    /// The report it passes on, or the latest in an alert; null for an event.
    #[schema(value_type = Option<i64>)]
    pub(crate) report_id: Option<ReportKey>,
    /// The status it reports; null when the report was pruned, and for an event.
    pub(crate) status: Option<Status>,
    /// Where it stands.
    pub(crate) state: ForwardState,
    /// Why it was given up.
    pub(crate) gave_up: Option<GaveUp>,
    /// Attempts used up; a breaker's probe and the like use up none.
    pub(crate) attempts: u32,
    /// Since when it is pending.
    pub(crate) pending_since: Time,
    /// When it is to be tried; null unless it is pending.
    pub(crate) due_at: Option<Time>,
    /// When it was last tried.
    pub(crate) last_attempt_at: Option<Time>,
    /// When it ended.
    pub(crate) settled_at: Option<Time>,
    /// Why the last attempt failed.
    pub(crate) last_error: Option<ErrorCode>,
    /// Of an alert, how many failures it reports.
    pub(crate) alert_failures: Option<u64>,
}

impl From<ForwardRecord> for ForwardView {
    fn from(record: ForwardRecord) -> Self {
        let is_pending = record.state == ForwardState::Pending;
        Self {
            id: record.uid.to_string(),
            key: record.forward_id,
            subscriber: record.subscriber,
            subscriber_state: record.subscriber_state,
            subscriber_removed: record.subscriber_removed,
            subscriber_failing_since: record.subscriber_failing_since_ms.map(Time),
            message_id: record.message_id,
            provider_message_id: record.provider_message_id,
            recipient: record.recipient,
            report_id: record.report_id,
            status: record.status,
            state: record.state,
            gave_up: record.gave_up,
            attempts: record.attempts,
            pending_since: Time(record.pending_since_ms),
            due_at: is_pending.then_some(Time(record.due_at_ms)),
            last_attempt_at: record.last_attempt_ms.map(Time),
            settled_at: record.settled_at_ms.map(Time),
            last_error: record.last_error,
            alert_failures: record.alert_failures,
        }
    }
}

/// One HTTP try.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Attempt)]
pub(crate) struct AttemptView {
    /// 1 for the first; null for an extra one that used up none.
    pub(crate) number: Option<u32>,
    /// When it began.
    pub(crate) started_at: Time,
    /// How long the exchange took, ms.
    pub(crate) duration_ms: u32,
    /// The HTTP status; null when there was no answer.
    pub(crate) http_status: Option<u16>,
    /// Why it failed; null when the subscriber took it.
    pub(crate) error: Option<ErrorCode>,
    /// What went wrong, in words.
    pub(crate) detail: Option<String>,
    /// The beginning of the answer's body, when it failed.
    pub(crate) excerpt: Option<String>,
}

impl From<AttemptRecord> for AttemptView {
    fn from(record: AttemptRecord) -> Self {
        Self {
            number: record.number,
            started_at: Time(record.started_at_ms),
            duration_ms: record.duration_ms,
            http_status: record.http_status,
            error: record.error_code,
            detail: record.detail,
            excerpt: record.excerpt,
        }
    }
}

/// A forward with its attempts.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ForwardHistory)]
pub(crate) struct HistoryView {
    /// The forward.
    #[serde(flatten)]
    pub(crate) forward: ForwardView,
    /// Its attempts, the first one first; old ones are pruned.
    pub(crate) history: Vec<AttemptView>,
}

impl From<ForwardHistory> for HistoryView {
    fn from(history: ForwardHistory) -> Self {
        Self {
            forward: ForwardView::from(history.forward),
            history: history.history.into_iter().map(AttemptView::from).collect(),
        }
    }
}

/// A forward with all there is to it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ForwardDetail)]
pub(crate) struct DetailView {
    /// The forward and its attempts.
    #[serde(flatten)]
    pub(crate) forward: HistoryView,
    /// The ids that it had before it was sent again with a new one, the first one first; it is
    /// found by each of them.
    pub(crate) former_ids: Vec<String>,
    /// Where the subscriber is today, of a chat only the beginning; null for who does not see the
    /// subscriber.
    pub(crate) url: Option<String>,
    /// The JSON text that is sent on each attempt; empty when it was pruned.
    pub(crate) payload: String,
}

impl DetailView {
    /// `is_seen` is whether the caller sees its subscriber.
    fn shown(is_seen: bool, detail: ForwardDetail) -> Self {
        Self {
            url: is_seen.then_some(detail.url),
            former_ids: detail.former_uids.iter().map(Uuid::to_string).collect(),
            forward: HistoryView::from(detail.forward),
            payload: detail.payload,
        }
    }
}

/// Which forwards.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ForwardListQuery {
    /// Only those in this state.
    #[param(inline)]
    state: Option<ForwardState>,
    /// Only those queued for this subscriber, by its name.
    subscriber: Option<String>,
    /// Only those whose latest attempt failed with this error.
    #[param(inline)]
    error: Option<ErrorCode>,
    /// Only those about this message: the provider's id, or the message's key.
    message: Option<String>,
    /// Only those about messages to this recipient: a number in any spelling, or a user id.
    recipient: Option<String>,
    /// Only those about messages of this source.
    source: Option<String>,
    /// Only those with this status.
    #[param(inline)]
    status: Option<Status>,
    /// Only those queued at or after.
    #[param(value_type = Option<String>, example = "2h")]
    since: Option<TimeOrAge>,
    /// Only those queued before.
    #[param(value_type = Option<String>, example = "2h")]
    until: Option<TimeOrAge>,
    /// At most this many; 50 when left out.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Forwards, the newest first.
#[utoipa::path(get, path = "/forwards", tag = "forwards", params(ForwardListQuery),
    responses((status = 200, description = "One page.", body = Page<ForwardView>)))]
pub(super) async fn list(
    context: HandlerContext,
    UrlQuery(query, faults): UrlQuery<ForwardListQuery>,
) -> Reply {
    let filter = ListFilter {
        source: query.source.as_deref(),
        recipient: query.recipient.as_deref(),
        since: query.since,
        until: query.until,
        subscriber: query.subscriber.as_deref(),
        ..ListFilter::default()
    };
    let page = ("forwards", query.limit, query.cursor.as_deref());
    let (paging, list) = context.list(page, filter, faults).await?;
    let query = ForwardQuery {
        state: query.state,
        subscriber_id: list.subscriber_id,
        error: query.error,
        message: query.message,
        recipient: query.recipient,
        source: query.source,
        status: query.status,
        since_ms: list.since_ms,
        until_ms: list.until_ms,
        scope: list.scope,
        window: paging.window(),
    };
    let rows = context.read(query).await?;
    done(&paging.page(rows, ForwardView::from))
}

/// Who sees all sources sees the subscriber of each forward that it sees.
fn sees_subscriber(context: &HandlerContext, detail: &ForwardDetail) -> bool {
    let name = &detail.forward.forward.subscriber;
    context.caller.sources.is_empty() || context.subscriber(name).is_ok()
}

async fn find(context: &HandlerContext, id: String) -> Result<ForwardDetail, Problem> {
    let scope = Scope::from(&context.caller);
    let missing = Problem::missing(format_args!("forward {id}", id = quoted(&id)));
    let found = context.read(ForwardDetailQuery { id, scope }).await?;
    found.ok_or(missing)
}

/// One forward with its payload and its attempts.
#[utoipa::path(get, path = "/forwards/{id}", tag = "forwards",
    params(("id" = String, Path, description = "A `webhook-id` that the subscriber saw, former ones too.")),
    responses((status = 200, description = "It.", body = DetailView)))]
pub(super) async fn read(context: HandlerContext, Segment(id): Segment) -> Reply {
    let detail = find(&context, id).await?;
    done(&DetailView::shown(
        sees_subscriber(&context, &detail),
        detail,
    ))
}

/// The attempts of a forward.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AttemptsView {
    /// The first one first; old ones are pruned.
    pub(crate) data: Vec<AttemptView>,
}

/// The attempts of one forward.
#[utoipa::path(get, path = "/forwards/{id}/attempts", tag = "forwards",
    params(("id" = String, Path, description = "A `webhook-id` that the subscriber saw, former ones too.")),
    responses((status = 200, description = "They.", body = AttemptsView)))]
pub(super) async fn attempts(context: HandlerContext, Segment(id): Segment) -> Reply {
    let history = find(&context, id).await?.forward.history;
    done(&AttemptsView {
        data: history.into_iter().map(AttemptView::from).collect(),
    })
}

/// How to send again.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RetryQuery {
    /// With a new `webhook-id`, so that a subscriber that deduplicates accepts it.
    new_id: Option<bool>,
}

/// How to send again; the body may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RetryOptions {
    /// With a new `webhook-id`, so that a subscriber that deduplicates accepts it; the query may
    /// ask for it too.
    #[serde(default)]
    new_id: bool,
}

/// Send one again, with the whole schedule before it. The subscriber receives the status again; the
/// WhatsApp message itself is never sent again.
#[utoipa::path(post, path = "/forwards/{id}/retry", tag = "forwards",
    request_body = Option<RetryOptions>, params(
    ("id" = String, Path, description = "A `webhook-id` that the subscriber saw, former ones too."), RetryQuery),
    responses((status = 200, description = "As it is now.", body = DetailView)))]
pub(super) async fn retry(
    context: HandlerContext,
    Segment(id): Segment,
    UrlQuery(query, faults): UrlQuery<RetryQuery>,
    MaybeBody(retry): MaybeBody<RetryOptions>,
) -> Reply {
    faults.end()?;
    let detail = find(&context, id).await?;
    let is_seen = sees_subscriber(&context, &detail);
    let forward_id = detail.forward.forward.forward_id;
    let selection = RetrySelection {
        forward_ids: vec![forward_id],
        new_id: retry.new_id || query.new_id.unwrap_or_default(),
    };
    let retried = move |retried: &RetriedForwards| {
        let detail = retried.detail.as_ref().filter(|_| retried.forwards > 0);
        let gone = "it cannot be sent again: its subscriber was removed or its payload pruned";
        let detail = detail.ok_or_else(|| Problem::conflict(gone))?;
        shaped(
            StatusCode::OK,
            &DetailView::shown(is_seen, (**detail).clone()),
        )
    };
    context.perform(RetryForwards(selection), retried).await
}
