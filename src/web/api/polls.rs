//! `/sources/{name}/broadcasts`: the broadcasts that are polled at a source that sends nothing.

use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::input::{JsonBody, Segment, UrlQuery};
use super::list::ListFilter;
use super::page::Page;
use super::time::Time;
use super::{HandlerContext, Reply, done, shaped};
use crate::admin::PollBroadcast;
use crate::model::Whole;
use crate::store::poll::{PollGaveUp, PollRecord, PollState};
use crate::store::query::PollQuery;
use crate::web::problem::Problem;

/// A broadcast that is or was polled.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Poll)]
pub(crate) struct PollView {
    /// The broadcast's id.
    pub(crate) id: String,
    /// Its source.
    pub(crate) source: String,
    /// Whether it is still polled.
    pub(crate) state: PollState,
    /// Why not, when it was given up.
    pub(crate) gave_up: Option<PollGaveUp>,
    /// Since when it is polled.
    pub(crate) registered_at: Time,
    /// When it is polled next; null when it is polled no more.
    pub(crate) next_at: Option<Time>,
    /// How often it was polled.
    pub(crate) polls: u64,
    /// When it was last answered.
    pub(crate) answered_at: Option<Time>,
    /// When an answer last differed from the one before.
    pub(crate) changed_at: Option<Time>,
    /// What went wrong last, as a stable word (`refused`, `gone`, `timeout`, `unreadable` and so
    /// on); null when it was answered.
    pub(crate) error_code: Option<String>,
    /// The same in words.
    pub(crate) error_detail: Option<String>,
    /// Its counters as its server has them, as of the last answer.
    pub(crate) statistics: Counts,
}

/// Counters of a server; null where it does not count.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = PollCounts)]
pub(crate) struct Counts {
    /// Targeted users.
    pub(crate) total: Option<u64>,
    /// Those whose sending succeeded.
    pub(crate) success: Option<u64>,
    /// Those whose sending failed.
    pub(crate) failure: Option<u64>,
    /// Those still to come, by its counter or by its list, whichever are more.
    pub(crate) pending: Option<u64>,
}

impl From<PollRecord> for PollView {
    fn from(poll: PollRecord) -> Self {
        Self {
            id: poll.broadcast,
            source: poll.source,
            state: poll.state,
            gave_up: poll.gave_up,
            registered_at: Time(poll.registered_at_ms),
            next_at: (poll.state == PollState::Open).then_some(Time(poll.due_at_ms)),
            polls: poll.polls,
            answered_at: poll.answered_at_ms.map(Time),
            changed_at: poll.changed_at_ms.map(Time),
            error_code: poll.error_code,
            error_detail: poll.error_detail,
            statistics: Counts {
                total: poll.counts.total,
                success: poll.counts.success,
                failure: poll.counts.failure,
                pending: poll.counts.pending,
            },
        }
    }
}

/// Which broadcast.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewPoll)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPoll {
    /// Its id, as the response to its sending has it.
    #[schema(example = "bc-1", min_length = 1, max_length = 256)]
    id: String,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PollListQuery {
    /// At most this many; 50 when left out.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Poll a broadcast from now on, until nothing in it is pending; for one whose recipients are not
/// registered. One that is polled already is polled at once; one that was done or given up is
/// polled again.
#[utoipa::path(post, path = "/sources/{name}/broadcasts", tag = "sources",
    params(("name" = String, Path, description = "The source that is polled.")),
    request_body = NewPoll,
    responses((status = 200, description = "It is polled.", body = PollView)))]
pub(super) async fn open(
    context: HandlerContext,
    Segment(source): Segment,
    JsonBody(NewPoll { id }): JsonBody<NewPoll>,
) -> Reply {
    let request = PollBroadcast {
        source,
        broadcast: id,
    };
    let opened = |poll: &PollRecord| shaped(StatusCode::OK, &PollView::from(poll.clone()));
    context.perform(request, opened).await
}

/// The broadcasts that are or were polled at a source, the newest first.
#[utoipa::path(get, path = "/sources/{name}/broadcasts", tag = "sources",
    params(("name" = String, Path, description = "The source."), PollListQuery),
    responses((status = 200, description = "One page.", body = Page<PollView>)))]
pub(super) async fn list(
    context: HandlerContext,
    Segment(source): Segment,
    UrlQuery(query, faults): UrlQuery<PollListQuery>,
) -> Reply {
    context.source(&source)?;
    context
        .caller
        .allow_at(&source)
        .map_err(Problem::forbidden)?;
    let page = ("polls", query.limit, query.cursor.as_deref());
    let (paging, _) = context.list(page, ListFilter::default(), faults).await?;
    let polls = PollQuery {
        source: Some(source),
        window: paging.window(),
    };
    let rows = context.read(polls).await?;
    done(&paging.page(rows, PollView::from))
}
