//! `/subscribers/{name}/health`: how a subscriber fares.

use serde::Serialize;
use utoipa::ToSchema;

use super::input::Segment;
use super::time::Time;
use super::{Asked, Reply, done};
use crate::metrics::SubscriberLabel;
use crate::model::{ErrorCode, Subscriber, SubscriberState};
use crate::store::overview::SubscriberHealth;

/// How a subscriber fares.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthView {
    /// Whether it is sent to.
    state: SubscriberState,
    /// Why it is not, where the relay decided so.
    state_reason: Option<String>,
    /// Open: it failed several times in a row and is only probed.
    breaker: Breaker,
    /// Since when every attempt has failed; null while it answers.
    failing_since: Option<Time>,
    /// Forwards it is owed.
    pending: u64,
    /// Since when the oldest of those has been owed.
    oldest_pending_since: Option<Time>,
    /// When the next of those is, or was, to be tried.
    next_due_at: Option<Time>,
    /// When it last took one, within 24 h.
    last_success_at: Option<Time>,
    /// When an attempt last failed, of those pending or made within 24 h.
    last_failure_at: Option<Time>,
    /// Why.
    last_failure: Option<ErrorCode>,
    /// Of the forwards made within 24 h, those it took.
    delivered_24h: u64,
    /// Of the forwards made within 24 h, those given up.
    gave_up_24h: u64,
    /// Taken of those that ended, 0 to 1; null when none did.
    success_rate_24h: Option<f64>,
}

/// Whether a subscriber is sent to or only probed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Breaker {
    /// It is sent to.
    Closed,
    /// It is probed.
    Open,
}

/// How it fares: state, breaker, what it is owed, and how the last day went.
#[utoipa::path(get, path = "/subscribers/{name}/health", tag = "subscribers",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "How it fares.", body = HealthView)))]
pub(super) async fn health(asked: Asked, Segment(name): Segment) -> Reply {
    let subscriber = asked.subscriber(&name)?;
    let (id, now_ms) = (subscriber.id, asked.shared.clock.now_ms());
    let health = asked
        .read(move |reader| reader.subscriber_health(id, now_ms))
        .await?;
    let label = SubscriberLabel { subscriber: name };
    let gauge = asked.shared.metrics.breaker_open.get(&label);
    let is_open = gauge.is_some_and(|gauge| gauge.get() == 1);
    done(&HealthView::new(&subscriber, &health, is_open))
}

impl HealthView {
    fn new(subscriber: &Subscriber, health: &SubscriberHealth, is_open: bool) -> Self {
        let ended = health.delivered_24h + health.gave_up_24h;
        #[expect(clippy::cast_precision_loss, reason = "a rate has no use for 52 bits")]
        let rate = (ended > 0).then(|| health.delivered_24h as f64 / ended as f64);
        Self {
            state: subscriber.state,
            state_reason: subscriber.state_reason.clone(),
            breaker: if is_open {
                Breaker::Open
            } else {
                Breaker::Closed
            },
            failing_since: subscriber.failing_since_ms.map(Time),
            pending: health.pending,
            oldest_pending_since: health.oldest_pending_ms.map(Time),
            next_due_at: health.next_due_ms.map(Time),
            last_success_at: health.last_success_ms.map(Time),
            last_failure_at: health.last_failure_ms.map(Time),
            last_failure: health.last_failure,
            delivered_24h: health.delivered_24h,
            gave_up_24h: health.gave_up_24h,
            success_rate_24h: rate,
        }
    }
}
