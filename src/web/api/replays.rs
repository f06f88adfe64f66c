//! `/replays`: many forwards of a subscriber sent again, as a job that can be watched and stopped.

use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::input::{Checked, Segment, UrlQuery};
use super::list::ListFilter;
use super::page::Page;
use super::time::{Time, TimeOrAge};
use super::{BASE, HandlerContext, Reply, done, shaped};
use crate::admin::{CancelReplay, CancelledReplay, ReplayOrder, StartReplay};
use crate::model::{ErrorCode, ForwardState, Status, Whole, quoted};
use crate::store::idempotency::KeptAnswer;
use crate::store::query::{ReplayDetailQuery, ReplayQuery};
use crate::store::replay::{ReplayRecord, ReplayState};
use crate::web::problem::Problem;

/// A replay: forwards of a subscriber that are queued again.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Replay)]
pub(crate) struct ReplayView {
    /// Its id.
    #[schema(value_type = String, example = "0199c9a4-64ba-7a06-a3ef-9a5c3f0d0c11")]
    pub(crate) id: Uuid,
    /// The subscriber's name.
    pub(crate) subscriber: String,
    /// Where it stands.
    pub(crate) state: ReplayState,
    /// Forwards looked at so far, those of other subscribers among them.
    pub(crate) examined: u64,
    /// Forwards to be looked at: all that existed when it was requested.
    pub(crate) total: u64,
    /// Forwards that it queued again so far; they are sent like any other.
    pub(crate) queued: u64,
    /// The states that it replays.
    pub(crate) states: Vec<ForwardState>,
    /// Only what was queued at or after.
    pub(crate) since: Option<Time>,
    /// Only what was queued before.
    pub(crate) until: Option<Time>,
    /// Only those whose latest attempt failed with this error.
    pub(crate) error: Option<ErrorCode>,
    /// Only what is about messages of this source.
    pub(crate) source: Option<String>,
    /// Only what has this status.
    pub(crate) status: Option<Status>,
    /// Whether each is sent with a new `webhook-id`.
    pub(crate) new_id: bool,
    /// When it was requested.
    pub(crate) created_at: Time,
    /// When it was done or cancelled.
    pub(crate) finished_at: Option<Time>,
}

impl From<ReplayRecord> for ReplayView {
    fn from(record: ReplayRecord) -> Self {
        let selection = record.selection;
        Self {
            id: record.uid,
            subscriber: record.subscriber,
            state: record.state,
            examined: record.examined,
            total: record.total,
            queued: record.queued,
            states: selection.states,
            since: selection.since_ms.map(Time),
            until: selection.until_ms.map(Time),
            error: selection.error,
            source: selection.source,
            status: selection.status,
            new_id: selection.new_id,
            created_at: Time(record.created_at_ms),
            finished_at: record.finished_at_ms.map(Time),
        }
    }
}

/// What to send again, and to whom; beside the subscriber at least one of the others is wanted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewReplay)]
pub(crate) struct NewReplayView {
    /// The subscriber's name.
    #[schema(example = "crm")]
    pub(crate) subscriber: String,
    /// All forwards that were given up because every attempt failed, or because it
    /// waited too long while the subscriber was paused or disabled. What is pending comes by itself.
    #[serde(default)]
    pub(crate) missed: bool,
    /// What is in these states; both when left out.
    #[schema(inline, min_items = 1)]
    pub(crate) states: Option<Vec<ForwardState>>,
    /// Only what was queued at or after.
    pub(crate) since: Option<TimeOrAge>,
    /// Only what was queued before.
    pub(crate) until: Option<TimeOrAge>,
    /// Only those whose latest attempt failed with this error.
    pub(crate) error: Option<ErrorCode>,
    /// Only what is about messages of this source.
    pub(crate) source: Option<String>,
    /// Only what has this status.
    pub(crate) status: Option<Status>,
    /// With a new `webhook-id` each, so that subscribers that deduplicate accept them.
    #[serde(default)]
    pub(crate) new_id: bool,
}

impl NewReplayView {
    /// The order, at `now_ms`.
    fn at(self, now_ms: i64) -> ReplayOrder {
        ReplayOrder {
            subscriber: self.subscriber,
            missed: self.missed,
            states: self.states,
            since_ms: self.since.map(|since| since.ms(now_ms)),
            until_ms: self.until.map(|until| until.ms(now_ms)),
            error: self.error,
            source: self.source,
            status: self.status,
            new_id: self.new_id,
        }
    }
}

/// Send again what a subscriber missed, or all that a filter wants, in the background. The subscriber
/// receives the statuses again; no WhatsApp message is sent again. It goes on after a restart. At most some hundred forwards of it are queued at a time, so what is new hardly waits.
#[utoipa::path(post, path = "/replays", tag = "replays", request_body = NewReplayView,
    responses((status = 202, description = "It begins; its URL shows how far it is.", body = ReplayView,
        headers(("Location" = String, description = "Its URL.")))))]
pub(super) async fn create(
    context: HandlerContext,
    Checked(order, faults): Checked<NewReplayView>,
) -> Reply {
    let now_ms = context.shared.clock.now_ms();
    let request = StartReplay(order.at(now_ms));
    context.refuse(faults, &request)?;
    let begun = |replay: &ReplayRecord| {
        Ok(KeptAnswer {
            location: Some(format!("{BASE}/replays/{}", replay.uid)),
            ..shaped(StatusCode::ACCEPTED, &ReplayView::from(replay.clone()))?
        })
    };
    context.perform(request, begun).await
}

/// Which page of the replays.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReplayListQuery {
    /// Only those for this subscriber, by its name.
    subscriber: Option<String>,
    /// At most this many; 50 when left out.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Replays, the newest first.
#[utoipa::path(get, path = "/replays", tag = "replays", params(ReplayListQuery),
    responses((status = 200, description = "One page.", body = Page<ReplayView>)))]
pub(super) async fn list(
    context: HandlerContext,
    UrlQuery(query, faults): UrlQuery<ReplayListQuery>,
) -> Reply {
    let filter = ListFilter {
        subscriber: query.subscriber.as_deref(),
        ..ListFilter::default()
    };
    let page = ("replays", query.limit, query.cursor.as_deref());
    let (paging, list) = context.list(page, filter, faults).await?;
    let subscribers = match list.subscriber_id {
        Some(id) => Some(vec![id]),
        None => context
            .shared
            .api
            .operations
            .seen_subscribers(&context.caller),
    };
    let replays = ReplayQuery {
        subscribers,
        window: paging.window(),
    };
    let rows = context.read(replays).await?;
    done(&paging.page(rows, ReplayView::from))
}

/// One replay and how far it is.
#[utoipa::path(get, path = "/replays/{id}", tag = "replays",
    params(("id" = String, Path, description = "Its id.")),
    responses((status = 200, description = "It.", body = ReplayView)))]
pub(super) async fn read(context: HandlerContext, id: Segment) -> Reply {
    let uid = uid(&id)?;
    let found = context.read(ReplayDetailQuery { uid }).await?;
    let seen = context
        .shared
        .api
        .operations
        .seen_subscribers(&context.caller);
    let seen = found.filter(|replay| seen.is_none_or(|ids| ids.contains(&replay.subscriber_id)));
    let missing = || Problem::missing(format_args!("replay {uid}"));
    done(&ReplayView::from(seen.ok_or_else(missing)?))
}

/// Stop one. What it queued until now stays queued; one that has ended stays as it is.
#[utoipa::path(post, path = "/replays/{id}/cancel", tag = "replays",
    params(("id" = String, Path, description = "Its id.")),
    responses((status = 200, description = "As it is now.", body = ReplayView)))]
pub(super) async fn cancel(context: HandlerContext, id: Segment) -> Reply {
    let id = uid(&id)?;
    let request = CancelReplay { id };
    let ended = |cancelled: &CancelledReplay| {
        let replay = cancelled.replay.clone();
        shaped(StatusCode::OK, &ReplayView::from(replay))
    };
    context.perform(request, ended).await
}

fn uid(Segment(text): &Segment) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| {
        Problem::missing(format_args!(
            "replay {text}: its id is a UUID",
            text = quoted(text)
        ))
    })
}
