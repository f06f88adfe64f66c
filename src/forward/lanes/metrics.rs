//! What a lane shows of itself in the metrics and the log.
//!
//! What changes with every turn or delivery is found once and kept; the rest is looked up.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use crate::forward::breaker::Breaker;
use crate::metrics::{Metrics, SubscriberLabel, subscriber_labels};
use crate::model::{Outcome, Word as _};
use crate::store::{PendingForward, Settled};

/// The metrics of one subscriber's lane.
pub(super) struct LaneMetrics {
    metrics: Arc<Metrics>,
    label: SubscriberLabel,
    held: Gauge,
    delivered_attempts: Counter,
    delivered: Counter,
    /// What is shown of the breaker.
    breaker: (bool, Option<i64>),
    /// What is shown as since when every attempt failed, ms since 1970 UTC.
    failing_ms: Option<i64>,
}

impl LaneMetrics {
    pub(super) fn new(metrics: Arc<Metrics>, subscriber: &str) -> Self {
        let label = SubscriberLabel {
            subscriber: subscriber.to_owned(),
        };
        let delivered = subscriber_labels(subscriber, "delivered");
        Self {
            held: metrics.lane_held.get_or_create_owned(&label),
            delivered_attempts: metrics.attempts.get_or_create_owned(&delivered),
            delivered: metrics.forwards.get_or_create_owned(&delivered),
            metrics,
            label,
            breaker: (false, None),
            failing_ms: None,
        }
    }

    /// So many forwards are in memory or on their way to it.
    pub(super) fn held(&self, held: usize) {
        self.held.set(i64::try_from(held).unwrap_or(i64::MAX));
    }

    /// Whether the breaker is open, and when the next probe may go.
    pub(super) fn breaker(&mut self, breaker: &Breaker) {
        let now = (breaker.is_open(), breaker.next_probe_ms());
        if std::mem::replace(&mut self.breaker, now) == now {
            return;
        }
        let (is_open, next_probe_ms) = now;
        let metrics = &self.metrics;
        metrics
            .breaker_open
            .get_or_create(&self.label)
            .set(i64::from(is_open));
        match next_probe_ms {
            Some(at_ms) => {
                let gauge = metrics.breaker_next_probe.get_or_create(&self.label);
                #[expect(clippy::cast_precision_loss, reason = "a time of day fits 52 bits")]
                gauge.set(at_ms as f64 / 1000.0);
            }
            None => {
                metrics.breaker_next_probe.remove(&self.label);
            }
        }
    }

    /// Since when every attempt has failed: at once, where the store learns of it after a minute.
    pub(super) fn failing(&mut self, since_ms: Option<i64>) {
        if std::mem::replace(&mut self.failing_ms, since_ms) == since_ms {
            return;
        }
        let family = &self.metrics.failing_since;
        match since_ms {
            #[expect(clippy::cast_precision_loss, reason = "a time of day fits 52 bits")]
            Some(at_ms) => {
                family.get_or_create(&self.label).set(at_ms as f64 / 1000.0);
            }
            None => {
                family.remove(&self.label);
            }
        }
    }

    /// A first attempt was delivered so long after its webhook had come, ms.
    pub(super) fn waited(&self, waited_ms: i64) {
        let waited_ms = u32::try_from(waited_ms.max(0)).unwrap_or(u32::MAX);
        self.metrics
            .receive_to_forward_seconds
            .observe(f64::from(waited_ms) / 1000.0);
    }

    /// An attempt ended, and with it its forward when that was delivered.
    pub(super) fn attempted(&self, outcome: &Outcome) {
        if let Some(code) = outcome.error {
            let labels = subscriber_labels(&self.label.subscriber, code.as_str());
            self.metrics.attempts.get_or_create(&labels).inc();
        } else {
            self.delivered_attempts.inc();
            self.delivered.inc();
        }
    }

    pub(super) fn gave_up(&self) {
        let labels = subscriber_labels(&self.label.subscriber, "gave-up");
        self.metrics.forwards.get_or_create(&labels).inc();
    }

    /// The lane has ended: what is shown of its state goes.
    pub(super) fn forget(&self) {
        self.metrics.forget_lane(&self.label);
    }
}

/// One wide event for each attempt; no body, no number. A failure is a warning where it begins an
/// outage: the attempts that follow say the same.
pub(super) fn log(
    subscriber: &str,
    pending: &PendingForward,
    outcome: &Outcome,
    (probe, begins): (bool, bool),
    settled: Settled,
) {
    let code = outcome.error.map_or("delivered", |code| code.as_str());
    if outcome.is_delivered() {
        tracing::debug!(
            subscriber,
            forward = %pending.uid,
            outcome = code,
            duration_ms = outcome.duration_ms,
            "forward.attempted"
        );
        return;
    }
    let attempt = pending.attempts + 1;
    // The level is a constant of the place.
    macro_rules! attempted {
        ($level:expr) => {
            tracing::event!(
                $level,
                subscriber,
                forward = %pending.uid,
                attempt,
                probe,
                outcome = code,
                http_status = outcome.http_status,
                detail = outcome.detail,
                duration_ms = outcome.duration_ms,
                next = %settled,
                "forward.attempted"
            )
        };
    }
    if begins {
        attempted!(tracing::Level::WARN);
    } else {
        attempted!(tracing::Level::DEBUG);
    }
}
