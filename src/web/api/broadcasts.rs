//! `/broadcasts`: many messages that were sent as one, in the shape in which Botsquad's API shows
//! them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::input::{Segment, UrlQuery};
use super::list::ListFilter;
use super::page::Page;
use super::time::Time;
use super::{HandlerContext, Reply, done};
use crate::catalogue;
use crate::model::{Status, Whole, quoted};
use crate::plan::{BroadcastCounts, MessageProgress};
use crate::store::broadcast::{BroadcastMessage, BroadcastRecord};
use crate::store::query::{BroadcastDetail, BroadcastDetailQuery, BroadcastQuery};
use crate::web::problem::Problem;

/// How the messages of a broadcast stand, all of them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = BroadcastStatistics)]
pub(crate) struct BroadcastStatisticsView {
    /// Messages that were registered, or of which anything was reported.
    pub(crate) total: u64,
    /// Those delivered, read or deleted; of a source of Botsquad's, which reports no more than the
    /// sending, also those sent.
    pub(crate) success: u64,
    /// Those failed.
    pub(crate) failure: u64,
    /// The rest: queued, sent, or nothing we have a word for.
    pub(crate) pending: u64,
    /// Deprecated: always 0.
    #[schema(minimum = 0, maximum = 0)]
    pub(crate) cancelled: u64,
}

impl From<BroadcastCounts> for BroadcastStatisticsView {
    fn from(counts: BroadcastCounts) -> Self {
        Self {
            total: counts.total,
            success: counts.success,
            failure: counts.failure,
            pending: counts.pending,
            cancelled: 0,
        }
    }
}

/// A broadcast in the list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Broadcast)]
pub(crate) struct BroadcastView {
    /// Infobip's `bulkId`, or the one that was registered.
    pub(crate) id: String,
    /// Its source.
    pub(crate) source: String,
    /// How its messages stand.
    pub(crate) statistics: BroadcastStatisticsView,
    /// When it was first seen.
    pub(crate) first_report_at: Time,
    /// When it was last reported.
    pub(crate) last_report_at: Time,
}

impl From<BroadcastRecord> for BroadcastView {
    fn from(record: BroadcastRecord) -> Self {
        Self {
            id: record.id,
            source: record.source,
            statistics: record.counts.into(),
            first_report_at: Time(record.first_report_at_ms),
            last_report_at: Time(record.last_report_at_ms),
        }
    }
}

/// How far a message of a broadcast is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Bucket {
    /// Delivered, read or deleted, or sent where no more is reported.
    Success,
    /// Failed.
    Failure,
    /// Anything else.
    Pending,
}

impl From<MessageProgress> for Bucket {
    fn from(progress: MessageProgress) -> Self {
        match progress {
            MessageProgress::Success => Self::Success,
            MessageProgress::Failure => Self::Failure,
            MessageProgress::Pending => Self::Pending,
        }
    }
}

/// One targeted user; a number that was written to twice has two.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = BroadcastStatus)]
pub(crate) struct BroadcastStatusView {
    /// The recipient as received.
    pub(crate) user: Option<String>,
    /// The provider's id of the message.
    #[serde(rename = "msId")]
    pub(crate) ms_id: Option<String>,
    /// Where it stands.
    pub(crate) status: Bucket,
    /// Its status in our words; null when nothing that was reported is one.
    pub(crate) detail_status: Option<Status>,
    /// Why it failed; null unless it did.
    pub(crate) reason: Option<String>,
    /// The provider's longer text, else what the catalogue says; null unless it failed.
    pub(crate) details: Option<String>,
    /// When it was last reported.
    pub(crate) updated_at: Time,
}

impl BroadcastStatusView {
    fn new(message: BroadcastMessage, ends_at_sent: bool) -> Self {
        let status = Bucket::from(MessageProgress::of(message.status, ends_at_sent));
        // What failed and arrived after all has an error too.
        let error = message.error.filter(|_| status == Bucket::Failure);
        let known = error.as_ref();
        let known = known.and_then(|error| catalogue::find(&error.error_key));
        let (reason, details) = error.map_or((None, None), |error| {
            let name = known.map(|entry| entry.name.clone());
            (
                error.title.or(name).or(Some(error.error_key)),
                error
                    .details
                    .or(known.map(catalogue::CatalogueEntry::sentence)),
            )
        });
        Self {
            user: message.recipient,
            ms_id: message.provider_message_id,
            status,
            detail_status: message.status,
            reason,
            details,
            updated_at: Time(message.last_report_at_ms),
        }
    }
}

/// A broadcast with a page of its messages.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = BroadcastDetail)]
pub(crate) struct Detail {
    /// The broadcast; its statistics count all messages, not those of the page.
    #[serde(flatten)]
    pub(crate) broadcast: BroadcastView,
    /// One entry for each targeted user, in order of arrival.
    pub(crate) statuses: Vec<BroadcastStatusView>,
    /// Deprecated: those of `statuses` that failed, the same again.
    pub(crate) failures: Vec<BroadcastStatusView>,
    /// The `cursor` of the next page; null on the last one.
    pub(crate) next_cursor: Option<String>,
}

/// Which broadcasts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BroadcastListQuery {
    /// Only those of this source.
    source: Option<String>,
    /// At most this many; 50 when left out.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Broadcasts, the newest first.
#[utoipa::path(get, path = "/broadcasts", tag = "broadcasts", params(BroadcastListQuery),
    responses((status = 200, description = "One page.", body = Page<BroadcastView>)))]
pub(super) async fn list(
    context: HandlerContext,
    UrlQuery(query, faults): UrlQuery<BroadcastListQuery>,
) -> Reply {
    let filter = ListFilter {
        source: query.source.as_deref(),
        ..ListFilter::default()
    };
    let page = ("broadcasts", query.limit, query.cursor.as_deref());
    let (paging, list) = context.list(page, filter, faults).await?;
    let query = BroadcastQuery {
        source: query.source,
        scope: list.scope,
        window: paging.window(),
    };
    let rows = context.read(query).await?;
    done(&paging.page(rows, BroadcastView::from))
}

/// Which page of which source's.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DetailQuery {
    /// Of this source; needed when several sources have a broadcast of this id.
    source: Option<String>,
    /// At most this many statuses; 50 when left out.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 1000)]
    limit: Option<Whole<1, 1000>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// One broadcast as Botsquad's API shows it, its statuses page by page.
#[utoipa::path(get, path = "/broadcasts/{id}", tag = "broadcasts",
    params(("id" = String, Path, description = "Its id."), DetailQuery),
    responses((status = 200, description = "It.", body = Detail)))]
pub(super) async fn read(
    context: HandlerContext,
    Segment(id): Segment,
    UrlQuery(query, faults): UrlQuery<DetailQuery>,
) -> Reply {
    let filter = ListFilter {
        source: query.source.as_deref(),
        ..ListFilter::default()
    };
    let page = ("broadcast", query.limit, query.cursor.as_deref());
    let (paging, list) = context.list(page, filter, faults).await?;
    let missing = Problem::missing(format_args!("broadcast {id}", id = quoted(&id)));
    let found = BroadcastDetailQuery {
        id,
        source: query.source,
        scope: list.scope,
        window: paging.window(),
    };
    let BroadcastDetail {
        mut broadcasts,
        messages,
    } = context.read(found).await?;
    let broadcast = broadcasts.pop().ok_or(missing)?;
    if !broadcasts.is_empty() {
        let detail = "several sources have a broadcast of this id: say which source";
        return Err(Problem::field("source", detail));
    }
    let show = |message| BroadcastStatusView::new(message, broadcast.ends_at_sent);
    let page = paging.page(messages, show);
    let (statuses, next_cursor) = page.into_parts();
    let is_failure = |entry: &&BroadcastStatusView| entry.status == Bucket::Failure;
    done(&Detail {
        broadcast: BroadcastView::from(broadcast),
        failures: statuses.iter().filter(is_failure).cloned().collect(),
        statuses,
        next_cursor,
    })
}
