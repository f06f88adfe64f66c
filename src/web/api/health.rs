//! `/subscribers/{name}/health`: how a subscriber fares.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input::Segment;
use super::time::Time;
use super::{HandlerContext, Reply, done};
use crate::metrics::SubscriberLabel;
use crate::model::{ErrorCode, Subscriber, SubscriberState};
use crate::store::overview::SubscriberHealth;
use crate::store::query::{SubscriberHealthQuery, SubscriberKeyQuery};

/// How a subscriber fares.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct HealthView {
    /// Whether it is sent to.
    pub(crate) state: SubscriberState,
    /// Why it is not, where the relay decided so.
    pub(crate) state_reason: Option<String>,
    /// Open: it failed several times in a row and is only probed.
    pub(crate) breaker: BreakerView,
    /// Since when every attempt has failed; null while it answers.
    pub(crate) failing_since: Option<Time>,
    /// The id of a key that is missing and that its secrets are sealed with: it is sent nothing once
    /// they must be read again. Null when none is.
    pub(crate) missing_key: Option<String>,
    /// Forwards pending for it.
    pub(crate) pending: u64,
    /// Since when the oldest of those has been pending.
    pub(crate) oldest_pending_since: Option<Time>,
    /// When the next of those is, or was, to be tried; the next probe while the breaker is open.
    pub(crate) next_due_at: Option<Time>,
    /// When an attempt last succeeded, within 24 h.
    pub(crate) last_success_at: Option<Time>,
    /// When an attempt last failed, within 24 h.
    pub(crate) last_failure_at: Option<Time>,
    /// Why.
    pub(crate) last_failure: Option<ErrorCode>,
    /// Of the forwards made within 24 h, those it took.
    pub(crate) delivered_24h: u64,
    /// Of the forwards made within 24 h, those given up.
    pub(crate) gave_up_24h: u64,
    /// Forwards delivered of those that ended, 0 to 1; null when none did. A forward that was
    /// delivered at its third attempt counts as delivered.
    pub(crate) success_rate_24h: Option<f64>,
    /// Attempts within 24 h that succeeded.
    pub(crate) delivered_attempts_24h: u64,
    /// Attempts within 24 h that failed, an open breaker's probes included.
    pub(crate) failed_attempts_24h: u64,
    /// Attempts that succeeded of all within 24 h, 0 to 1; null when there was none.
    pub(crate) attempt_success_rate_24h: Option<f64>,
}

/// Whether a subscriber is sent to or only probed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BreakerView {
    /// It is sent to.
    Closed,
    /// It is probed.
    Open,
}

/// How it fares: state, breaker, what is pending for it, and how the last day went.
#[utoipa::path(get, path = "/subscribers/{name}/health", tag = "subscribers",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "How it fares.", body = HealthView)))]
pub(super) async fn health(context: HandlerContext, Segment(name): Segment) -> Reply {
    let subscriber = context.subscriber(&name)?;
    let (id, now_ms) = (subscriber.id, context.shared.clock.now_ms());
    let health = SubscriberHealthQuery {
        subscriber_id: id,
        now_ms,
    };
    let health = context.read(health).await?;
    let label = SubscriberLabel { subscriber: name };
    let metrics = &context.shared.metrics;
    let gauge = metrics.breaker_open.get(&label);
    let is_open = gauge.is_some_and(|gauge| gauge.get() == 1);
    let probe_ms = metrics
        .breaker_next_probe
        .get(&label)
        .map(|gauge| ms(gauge.get()));
    let failing_ms = metrics
        .failing_since
        .get(&label)
        .map(|gauge| ms(gauge.get()));
    let missing_key = context
        .read(SubscriberKeyQuery { subscriber_id: id })
        .await?;
    let mut view = HealthView::new(&subscriber, &health, (is_open, probe_ms));
    view.missing_key = missing_key.map(|id| id.to_string());
    // The store learns of it after a minute.
    view.failing_since = view.failing_since.or(failing_ms.map(Time));
    done(&view)
}

impl HealthView {
    /// With whether the breaker is open, and when it lets the next probe through.
    fn new(
        subscriber: &Subscriber,
        health: &SubscriberHealth,
        (is_open, probe_ms): (bool, Option<i64>),
    ) -> Self {
        // A probe that is under way is due now; of nothing pending there is none.
        let probe_ms = probe_ms.filter(|_| is_open && health.pending > 0);
        Self {
            state: subscriber.state,
            state_reason: subscriber.state_reason.clone(),
            breaker: if is_open {
                BreakerView::Open
            } else {
                BreakerView::Closed
            },
            failing_since: subscriber.failing_since_ms.map(Time),
            missing_key: None,
            pending: health.pending,
            oldest_pending_since: health.oldest_pending_ms.map(Time),
            next_due_at: probe_ms.or(health.next_due_ms).map(Time),
            last_success_at: health.last_success_ms.map(Time),
            last_failure_at: health.last_failure_ms.map(Time),
            last_failure: health.last_failure,
            delivered_24h: health.delivered_24h,
            gave_up_24h: health.gave_up_24h,
            success_rate_24h: rate(health.delivered_24h, health.gave_up_24h),
            delivered_attempts_24h: health.delivered_attempts_24h,
            failed_attempts_24h: health.failed_attempts_24h,
            attempt_success_rate_24h: rate(
                health.delivered_attempts_24h,
                health.failed_attempts_24h,
            ),
        }
    }
}

/// A time of day in ms, as a gauge has it in seconds.
#[expect(clippy::cast_possible_truncation, reason = "a time of day in ms fits")]
fn ms(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// The part of `good` in all, 0 to 1; `None` when there are none.
fn rate(good: u64, bad: u64) -> Option<f64> {
    let all = good + bad;
    #[expect(clippy::cast_precision_loss, reason = "a rate has no use for 52 bits")]
    (all > 0).then(|| good as f64 / all as f64)
}
