//! What the service counts, in Prometheus' words.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

macro_rules! labels {
    ($($(#[$doc:meta])* $set:ident { $($label:ident: $help:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub struct $set {
            $(#[doc = $help] pub $label: String,)+
        }

        impl Labelled for $set {
            const LABELS: &'static [(&'static str, &'static str)] =
                &[$((stringify!($label), $help),)+];
        }
    )+};
}

labels! {
    /// Labels of what a source sent.
    SourceLabels {
        source: "the source's name",
        outcome: "how a webhook or a poll ended, a report's status, or the name of what was ignored",
    }
    /// Labels of what a provider said of the account.
    AccountEventLabels {
        source: "the source's name",
        event: "our name of the event, as in `template.paused`",
    }
    /// Labels of what was sent to a subscriber.
    SubscriberLabels {
        subscriber: "the subscriber's name",
        outcome: "`delivered`, `gave-up`, or an attempt's error code",
    }
    /// One subscriber.
    SubscriberLabel {
        subscriber: "the subscriber's name",
    }
    /// One provider.
    ProviderLabel {
        provider: "the provider's name",
    }
}

/// One row for each metric: its field, its type and how it begins, its name with its unit, its help.
macro_rules! metrics {
    (
        $(
            $field:ident: $metric:ty $(= $new:expr)?,
            $name:literal $(in $unit:ident)?,
            $help:literal;
        )+
    ) => {
        /// Every metric of the service; cloning shares them.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            /// Names from outside, by metric and source: they are bounded.
            names: Mutex<HashMap<(Bounded, String), HashSet<String>>>,
            $(#[doc = $help] pub $field: $metric,)+
        }

        impl Metrics {
            /// A fresh set, all zero.
            #[must_use]
            pub fn new() -> Self {
                let mut registry = Registry::with_prefix(PREFIX);
                $(
                    let $field: $metric = begin!($($new)?);
                    register!(registry, $name, $help, $field $(, $unit)?);
                )+
                Self { registry, names: Mutex::default(), $($field,)+ }
            }

            /// Forgets the state of a subscriber whose lane has ended, in every metric.
            ///
            /// Its counts stay until the service ends: what they grew by since they were last read
            /// would be lost with them.
            pub fn forget_lane(&self, label: &SubscriberLabel) {
                $(self.$field.forget(label);)+
            }
        }

        /// What the documentation says of every metric.
        pub const TABLE: &[Described] = &[$(Described {
            name: $name,
            kind: <$metric as Documented>::KIND,
            labels: <$metric as Documented>::LABELS,
            unit: described_unit!($($unit)?),
            help: $help,
        },)+];
    };
}

macro_rules! begin {
    () => {
        Default::default()
    };
    ($new:expr) => {
        $new
    };
}

macro_rules! register {
    ($registry:ident, $name:literal, $help:literal, $field:ident) => {
        $registry.register($name, $help, $field.clone())
    };
    ($registry:ident, $name:literal, $help:literal, $field:ident, $unit:ident) => {
        $registry.register_with_unit($name, $help, Unit::$unit, $field.clone())
    };
}

macro_rules! described_unit {
    () => {
        None
    };
    ($unit:ident) => {
        Some(Unit::$unit)
    };
}

metrics! {
    webhooks: Family<SourceLabels, Counter>, "webhooks", "Webhooks by source and outcome";
    ignored: Family<SourceLabels, Counter>, "ignored", "Acknowledged without being a report, by source and name";
    account_events: Family<AccountEventLabels, Counter>, "account_events", "New account events by source and event";
    reports: Family<SourceLabels, Counter>, "reports", "New reports by source and status";
    unknown_error_codes: Family<ProviderLabel, Counter>, "unknown_error_codes", "Reports whose error code the catalogue does not know";
    polls: Family<SourceLabels, Counter>, "polls", "Polls of sources, by source and outcome";
    forwards: Family<SubscriberLabels, Counter>, "forwards", "Forwards that ended, by subscriber and outcome";
    attempts: Family<SubscriberLabels, Counter>, "attempts", "Attempts by subscriber and outcome";
    pending_forwards: Family<SubscriberLabel, Gauge>, "pending_forwards", "Forwards that are queued, by subscriber";
    oldest_pending_forward: Gauge, "oldest_pending_forward_age" in Seconds, "How long the oldest pending forward has been pending";
    lane_held: Family<SubscriberLabel, Gauge>, "lane_held", "Forwards in the memory of a subscriber's lane";
    breaker_open: Family<SubscriberLabel, Gauge>, "breaker_open", "1 while a subscriber's breaker is open";
    breaker_next_probe: Family<SubscriberLabel, Gauge<f64, AtomicU64>>, "breaker_next_probe_timestamp" in Seconds, "When an open breaker lets the next probe through, since 1970 UTC";
    failing_since: Family<SubscriberLabel, Gauge<f64, AtomicU64>>, "failing_since_timestamp" in Seconds, "Since when every attempt at a subscriber has failed, since 1970 UTC";
    ack_seconds: Histogram = Histogram::new(SECONDS), "ack" in Seconds, "From the arrival of a webhook to its answer";
    receive_to_forward_seconds: Histogram = Histogram::new(SECONDS), "receive_to_forward" in Seconds, "From the arrival of a webhook to the subscriber's answer, first attempts only";
    accept_queue: Gauge, "accept_queue", "Webhooks that wait to be stored";
    group_size: Histogram = Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]), "commit_group_size", "Webhooks and settlements in one commit";
    commit_seconds: Histogram = Histogram::new(SECONDS), "commit" in Seconds, "How long a commit took, fsync included";
    checkpoint_seconds: Histogram = Histogram::new(SECONDS), "checkpoint" in Seconds, "How long a checkpoint held the writer";
    checkpoint_failures: Counter, "checkpoint_failures", "Checkpoints that failed and are tried again";
    wal_bytes: Gauge<i64, AtomicI64>, "wal" in Bytes, "Size of the WAL file";
    missing_keys: Gauge, "missing_keys", "Keys that something in the store is sealed with and that cannot be read";
}

/// What stands before every name.
const PREFIX: &str = "tickrelay";

/// Metrics of which a label is a name that a provider gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bounded {
    /// [`Metrics::ignored`].
    Ignored,
    /// [`Metrics::account_events`].
    AccountEvents,
}

/// Names from outside that one source may have as labels of a metric.
const NAMES: usize = 100;

const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0, 30.0,
];

/// A row of the table, for the documentation.
#[derive(Debug)]
pub struct Described {
    name: &'static str,
    kind: &'static str,
    labels: &'static [(&'static str, &'static str)],
    unit: Option<Unit>,
    help: &'static str,
}

impl Described {
    /// The row of a Markdown table: name, type, labels and help.
    #[must_use]
    pub fn markdown(&self) -> String {
        let unit = self.unit.as_ref();
        let unit = unit.map_or_else(String::new, |unit| format!("_{}", unit.as_str()));
        let total = if self.kind == "counter" { "_total" } else { "" };
        let label = |(name, help): &(&str, &str)| format!("`{name}`: {help}");
        let labels: Vec<String> = self.labels.iter().map(label).collect();
        format!(
            "| `{PREFIX}_{}{unit}{total}` | {} | {} | {} |",
            self.name,
            self.kind,
            labels.join("; "),
            self.help
        )
    }
}

/// Labels with what they mean.
trait Labelled {
    const LABELS: &'static [(&'static str, &'static str)];
}

/// What the type of a metric says of it.
trait Documented {
    const KIND: &'static str;
    const LABELS: &'static [(&'static str, &'static str)] = &[];

    /// Forgets what it shows under these labels, if its own are of their type.
    fn forget(&self, _: &SubscriberLabel) {}
}

impl Documented for Counter {
    const KIND: &'static str = "counter";
}

impl<N, A> Documented for Gauge<N, A> {
    const KIND: &'static str = "gauge";
}

impl Documented for Histogram {
    const KIND: &'static str = "histogram";
}

impl<L: Labelled + Clone + Eq + Hash + 'static, M: Documented> Documented for Family<L, M> {
    const KIND: &'static str = M::KIND;
    const LABELS: &'static [(&'static str, &'static str)] = L::LABELS;

    fn forget(&self, label: &SubscriberLabel) {
        let label: &dyn Any = label;
        if let Some(label) = label.downcast_ref::<L>() {
            self.remove(label);
        }
    }
}

impl Metrics {
    /// All of it in the text format of `OpenMetrics`, which Prometheus reads.
    #[must_use]
    pub fn render(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }

    /// The name under which a metric counts a thing that a source names: its own, or `other` when
    /// that source has named too many.
    #[must_use]
    pub fn bounded_name(&self, metric: Bounded, source: &str, name: String) -> String {
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
