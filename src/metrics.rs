//! What the service counts, in Prometheus' words.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Labels of what a source sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SourceLabels {
    /// The source's name.
    pub source: String,
    /// How the webhook ended, or the report's status, or the name of what was ignored.
    pub outcome: String,
}

/// Labels of what a provider said of the account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AccountEventLabels {
    /// The source's name.
    pub source: String,
    /// Our name of the event, as in `template.paused`.
    pub event: String,
}

/// Labels of what was sent to a subscriber.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SubscriberLabels {
    /// The subscriber's name.
    pub subscriber: String,
    /// `delivered`, `gave-up`, or an attempt's error code.
    pub outcome: String,
}

/// One subscriber.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SubscriberLabel {
    /// The subscriber's name.
    pub subscriber: String,
}

/// One provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ProviderLabel {
    /// The provider's name.
    pub provider: String,
}

/// Every metric of the service; cloning shares them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Names from outside, by metric and source: they are bounded.
    names: Mutex<HashMap<(&'static str, String), HashSet<String>>>,
    /// Webhooks by source and outcome; `unauthorized` and `too-large` ones are not stored.
    pub webhooks: Family<SourceLabels, Counter>,
    /// What was acknowledged without being a report, by source and name.
    pub ignored: Family<SourceLabels, Counter>,
    /// New account events by source and our name of them.
    pub account_events: Family<AccountEventLabels, Counter>,
    /// New reports by source and status.
    pub reports: Family<SourceLabels, Counter>,
    /// Reports whose error code the catalogue does not know.
    pub unknown_error_codes: Family<ProviderLabel, Counter>,
    /// Questions to sources that are asked, by source and how they went.
    pub polls: Family<SourceLabels, Counter>,
    /// Forwards that ended, by subscriber and outcome.
    pub forwards: Family<SubscriberLabels, Counter>,
    /// Attempts by subscriber and outcome.
    pub attempts: Family<SubscriberLabels, Counter>,
    /// Forwards that are queued, in memory or not; the store's writer counts them.
    pub pending_forwards: Family<SubscriberLabel, Gauge>,
    /// How long the oldest pending forward has been pending, in seconds.
    pub oldest_pending_forward: Gauge,
    /// Forwards in a lane's memory.
    pub lane_held: Family<SubscriberLabel, Gauge>,
    /// 1 while a subscriber's breaker is open.
    pub breaker_open: Family<SubscriberLabel, Gauge>,
    /// When an open breaker lets the next probe through, seconds since 1970 UTC; absent while it is
    /// closed.
    pub breaker_next_probe: Family<SubscriberLabel, Gauge<f64, AtomicU64>>,
    /// Since when every attempt at a subscriber has failed; none while it answers.
    pub failing_since: Family<SubscriberLabel, Gauge<f64, AtomicU64>>,
    /// From the first byte of a webhook to its answer.
    pub ack_seconds: Histogram,
    /// From the arrival of a webhook to the subscriber's answer, first attempts only.
    pub receive_to_forward_seconds: Histogram,
    /// Webhooks that wait to be stored.
    pub accept_queue: Gauge,
    /// Webhooks and settlements in one commit.
    pub group_size: Histogram,
    /// How long a commit took, fsync included.
    pub commit_seconds: Histogram,
    /// How long a checkpoint held the writer.
    pub checkpoint_seconds: Histogram,
    /// Checkpoints that failed; a sync that fails ends the process instead.
    pub checkpoint_failures: Counter,
    /// Size of the WAL file.
    pub wal_bytes: Gauge<i64, AtomicI64>,
    /// Keys that something in the store is sealed with and that cannot be read.
    pub missing_keys: Gauge,
}

/// Names from outside that one source may have as labels of a metric.
const NAMES: usize = 100;

const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0, 30.0,
];

impl Metrics {
    /// A fresh set, all zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("tickrelay"),
            names: Mutex::default(),
            webhooks: Family::default(),
            ignored: Family::default(),
            account_events: Family::default(),
            reports: Family::default(),
            unknown_error_codes: Family::default(),
            polls: Family::default(),
            forwards: Family::default(),
            attempts: Family::default(),
            pending_forwards: Family::default(),
            oldest_pending_forward: Gauge::default(),
            lane_held: Family::default(),
            breaker_open: Family::default(),
            breaker_next_probe: Family::default(),
            failing_since: Family::default(),
            ack_seconds: Histogram::new(SECONDS),
            receive_to_forward_seconds: Histogram::new(SECONDS),
            accept_queue: Gauge::default(),
            group_size: Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]),
            commit_seconds: Histogram::new(SECONDS),
            checkpoint_seconds: Histogram::new(SECONDS),
            checkpoint_failures: Counter::default(),
            wal_bytes: Gauge::default(),
            missing_keys: Gauge::default(),
        };
        metrics.register_traffic();
        metrics.register_forwarding();
        metrics.register_store();
        metrics
    }

    fn register_traffic(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "webhooks",
            "Webhooks by source and outcome",
            self.webhooks.clone(),
        );
        registry.register(
            "ignored",
            "Acknowledged without being a report, by source and name",
            self.ignored.clone(),
        );
        registry.register(
            "account_events",
            "New account events by source and event",
            self.account_events.clone(),
        );
        registry.register(
            "reports",
            "New reports by source and status",
            self.reports.clone(),
        );
        registry.register(
            "unknown_error_codes",
            "Reports whose error code the catalogue does not know",
            self.unknown_error_codes.clone(),
        );
        registry.register(
            "polls",
            "Questions to sources that are asked, by source and how they went",
            self.polls.clone(),
        );
    }

    fn register_forwarding(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "forwards",
            "Forwards that ended, by subscriber and outcome",
            self.forwards.clone(),
        );
        registry.register(
            "attempts",
            "Attempts by subscriber and outcome",
            self.attempts.clone(),
        );
        registry.register(
            "pending_forwards",
            "Forwards that are queued, by subscriber",
            self.pending_forwards.clone(),
        );
        registry.register_with_unit(
            "oldest_pending_forward_age",
            "How long the oldest pending forward has been pending",
            Unit::Seconds,
            self.oldest_pending_forward.clone(),
        );
        registry.register(
            "lane_held",
            "Forwards in the memory of a subscriber's lane",
            self.lane_held.clone(),
        );
        registry.register(
            "breaker_open",
            "1 while a subscriber's breaker is open",
            self.breaker_open.clone(),
        );
        registry.register_with_unit(
            "breaker_next_probe_timestamp",
            "When an open breaker lets the next probe through, since 1970 UTC",
            Unit::Seconds,
            self.breaker_next_probe.clone(),
        );
        registry.register_with_unit(
            "failing_since_timestamp",
            "Since when every attempt at a subscriber has failed, since 1970 UTC",
            Unit::Seconds,
            self.failing_since.clone(),
        );
        registry.register_with_unit(
            "ack",
            "From the arrival of a webhook to its answer",
            Unit::Seconds,
            self.ack_seconds.clone(),
        );
        registry.register_with_unit(
            "receive_to_forward",
            "From the arrival of a webhook to the subscriber's answer, first attempts only",
            Unit::Seconds,
            self.receive_to_forward_seconds.clone(),
        );
    }

    fn register_store(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "accept_queue",
            "Webhooks that wait to be stored",
            self.accept_queue.clone(),
        );
        registry.register(
            "checkpoint_failures",
            "Checkpoints that failed and are tried again",
            self.checkpoint_failures.clone(),
        );
        registry.register(
            "commit_group_size",
            "Webhooks and settlements in one commit",
            self.group_size.clone(),
        );
        registry.register_with_unit(
            "commit",
            "How long a commit took, fsync included",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        registry.register_with_unit(
            "checkpoint",
            "How long a checkpoint held the writer",
            Unit::Seconds,
            self.checkpoint_seconds.clone(),
        );
        registry.register_with_unit(
            "wal",
            "Size of the WAL file",
            Unit::Bytes,
            self.wal_bytes.clone(),
        );
        registry.register(
            "missing_keys",
            "Keys that something in the store is sealed with and that cannot be read",
            self.missing_keys.clone(),
        );
    }

    /// All of it in the text format of `OpenMetrics`, which Prometheus reads.
    #[must_use]
    pub fn render(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }

    /// Forgets what is shown of a subscriber's lane that has ended.
    pub fn forget_lane(&self, label: &SubscriberLabel) {
        self.lane_held.remove(label);
        self.breaker_open.remove(label);
        self.breaker_next_probe.remove(label);
        self.failing_since.remove(label);
    }

    /// The name under which a metric counts a thing that a source names: its own, or `other` when
    /// that source has named too many.
    #[must_use]
    pub fn bounded_name(&self, metric: &'static str, source: &str, name: String) -> String {
        // Whatever panicked with it in hand left a set of names.
        let mut sources = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let names = sources.entry((metric, source.to_owned())).or_default();
        if names.len() < NAMES || names.contains(&name) {
            names.insert(name.clone());
            return name;
        }
        "other".to_owned()
    }

    /// Counts one webhook.
    pub fn webhook(&self, source: &str, outcome: &str) {
        self.webhooks
            .get_or_create(&source_labels(source, outcome))
            .inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The labels of a source's count.
#[must_use]
pub fn source_labels(source: &str, outcome: &str) -> SourceLabels {
    SourceLabels {
        source: source.to_owned(),
        outcome: outcome.to_owned(),
    }
}

/// The labels of a subscriber's count.
#[must_use]
pub fn subscriber_labels(subscriber: &str, outcome: &str) -> SubscriberLabels {
    SubscriberLabels {
        subscriber: subscriber.to_owned(),
        outcome: outcome.to_owned(),
    }
}
