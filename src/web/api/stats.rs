//! `/stats`: counts, and how queue and store fare.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::input::UrlQuery;
use super::time::{Time, TimeOrAge};
use super::{HandlerContext, Reply, done};
use crate::model::{Status, SubscriberState, Word as _};
use crate::store::overview::MessageCount;
use crate::store::query::{BacklogQuery, MessageCountQuery, Scope};

/// Since when to count.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StatsQuery {
    /// Count messages first reported at or after; the last 24 h when left out.
    #[param(value_type = Option<String>, example = "2h")]
    since: Option<TimeOrAge>,
}

/// Counts, and how queue and store fare.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stats)]
pub(super) struct StatsView {
    /// Since when messages are counted.
    since: Time,
    /// Messages by source and status.
    messages: Vec<CountView>,
    /// Subscribers by state.
    subscribers: Vec<StateView>,
    /// Forwards that are pending.
    pending_forwards: u64,
    /// Since when the oldest of them is pending.
    oldest_pending_since: Option<Time>,
    /// Webhooks that wait to be stored.
    accept_queue: usize,
    /// For how long the writer has been busy with one group, ms.
    writer_busy_ms: i64,
    /// Bytes of the write-ahead log.
    wal_bytes: u64,
    /// Whether the disk's reserve is free.
    disk_reserve_free: bool,
    /// Whether the last commit succeeded.
    commit_ok: bool,
}

/// Messages of one source in one status.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageCount)]
pub(super) struct CountView {
    /// The source.
    source: String,
    /// The status; null where nothing that was reported is one.
    status: Option<Status>,
    /// How many.
    messages: u64,
}

impl From<MessageCount> for CountView {
    fn from(count: MessageCount) -> Self {
        Self {
            source: count.source,
            status: count.status,
            messages: count.messages,
        }
    }
}

/// Subscribers in one state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SubscriberCount)]
pub(super) struct StateView {
    /// The state.
    state: SubscriberState,
    /// How many.
    subscribers: usize,
}

/// Counts, and how queue and store fare.
#[utoipa::path(get, path = "/stats", tag = "stats", params(StatsQuery),
    responses((status = 200, description = "They.", body = StatsView)))]
pub(super) async fn read(
    context: HandlerContext,
    UrlQuery(query, faults): UrlQuery<StatsQuery>,
) -> Reply {
    faults.end()?;
    let now_ms = context.shared.clock.now_ms();
    let since = query
        .since
        .map_or(now_ms - 24 * 3600 * 1000, |since| since.ms(now_ms));
    let since = Time(since);
    let (Time(since_ms), scope) = (since, Scope::from(&context.caller));
    // Of the last 24 h is nothing that a clock which was ahead has stamped.
    let until_ms = query.since.map_or(now_ms + 1, |_| i64::MAX);
    let messages = MessageCountQuery {
        since_ms,
        until_ms,
        scope,
    };
    let messages = context.read(messages).await?;
    let backlog = context.read(BacklogQuery).await?;
    let health = context.shared.store.health();
    let subscribers = Arc::clone(&context.shared.store.subscribers().borrow());
    let seen: Vec<_> = subscribers
        .iter()
        .filter(|subscriber| context.caller.sees(subscriber))
        .collect();
    let queue: Vec<_> = backlog
        .iter()
        .filter(|queue| {
            seen.iter()
                .any(|subscriber| subscriber.id == queue.subscriber_id)
        })
        .collect();
    let states = SubscriberState::ALL.iter().map(|state| StateView {
        state: *state,
        subscribers: seen.iter().filter(|one| one.state == *state).count(),
    });
    done(&StatsView {
        since,
        messages: messages.into_iter().map(CountView::from).collect(),
        subscribers: states.collect(),
        pending_forwards: queue.iter().map(|queue| queue.pending).sum(),
        oldest_pending_since: queue
            .iter()
            .map(|queue| queue.oldest_pending_since_ms)
            .min()
            .map(Time),
        accept_queue: health.queued,
        writer_busy_ms: health.busy_ms,
        wal_bytes: health.log_bytes,
        disk_reserve_free: health.disk_ok,
        commit_ok: health.commit_ok && health.in_place,
    })
}
