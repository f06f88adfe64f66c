//! What a source's webhooks and the reports in them add to the metrics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::SourceEndpoint;
use crate::config::Source;
use crate::metrics::{
    AccountEventLabels, Bounded, Metrics, ProviderLabel, SourceLabels, source_labels,
};
use crate::model::{Status, Word as _};
use crate::providers::Item;
use crate::store::{Accepted, Arrival, WebhookOutcome};

/// What counts a source's webhooks and reports, found once; each begins at zero.
pub(super) struct Counters {
    webhooks: Vec<(&'static str, Counter)>,
    reports: Vec<(&'static str, Counter)>,
    unknown_codes: Counter,
}

impl Counters {
    pub(super) fn new(source: &Source, metrics: &Metrics) -> Self {
        let of = |family: &Family<SourceLabels, Counter>, word| {
            let labels = source_labels(&source.name, word);
            (word, family.get_or_create_owned(&labels))
        };
        let provider = source.provider.as_str().to_owned();
        Self {
            webhooks: WebhookOutcome::words()
                .map(|outcome| of(&metrics.webhooks, outcome))
                .collect(),
            reports: (Status::words().chain([NO_STATUS]))
                .map(|status| of(&metrics.reports, status))
                .collect(),
            unknown_codes: (metrics.unknown_error_codes)
                .get_or_create_owned(&ProviderLabel { provider }),
        }
    }
}

impl Counters {
    pub(super) fn count_webhook(&self, accepted: &Accepted) {
        add(&self.webhooks, accepted.outcome.as_str(), 1);
    }
}

fn add(counters: &[(&'static str, Counter)], word: &str, count: usize) {
    if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == word) {
        counter.inc_by(count as u64);
    }
}

/// The word for a report whose status is none of ours.
const NO_STATUS: &str = "other";

/// What a webhook adds to the metrics once it is stored.
pub(super) struct WebhookCounts {
    statuses: Vec<(&'static str, usize)>,
    ignored: Vec<String>,
    unknown_codes: usize,
}

impl WebhookCounts {
    pub(super) fn of(arrival: &Arrival) -> Self {
        let mut counts = Self {
            statuses: Vec::new(),
            ignored: Vec::new(),
            unknown_codes: 0,
        };
        for item in arrival.parsed.iter().flat_map(|parsed| &parsed.items) {
            match item {
                Item::Report(report) if report.is_echo() => counts.ignored.push("echo".to_owned()),
                Item::Report(report) => {
                    let status = report.status.map_or(NO_STATUS, Status::as_str);
                    match counts
                        .statuses
                        .iter_mut()
                        .find(|(known, _)| *known == status)
                    {
                        Some((_, count)) => *count += 1,
                        None => counts.statuses.push((status, 1)),
                    }
                    let known = |key: &str| crate::catalogue::find(key).is_some();
                    if report.error().is_some_and(|error| !known(&error.key)) {
                        counts.unknown_codes += 1;
                    }
                }
                Item::Ignored(what) => counts.ignored.push(what.to_string()),
                Item::Account(_) | Item::SamePerson(_) | Item::Unreadable(_) => {}
            }
        }
        counts
    }

    /// A batch in which some reports were known already counts all of them as they are reported.
    pub(super) fn add(self, metrics: &Metrics, endpoint: &SourceEndpoint, accepted: &Accepted) {
        endpoint.counters.count_webhook(accepted);
        self.add_reports(metrics, endpoint, accepted);
    }

    pub(super) fn add_reports(
        self,
        metrics: &Metrics,
        endpoint: &SourceEndpoint,
        accepted: &Accepted,
    ) {
        let counters = &endpoint.counters;
        if accepted.new_reports > 0 {
            for (status, count) in self.statuses {
                add(&counters.reports, status, count);
            }
            counters.unknown_codes.inc_by(self.unknown_codes as u64);
        }
        for (event, count) in &accepted.new_account_events {
            let event = metrics.bounded_name(Bounded::AccountEvents, &endpoint.name, event.clone());
            let source = endpoint.name.to_string();
            metrics
                .account_events
                .get_or_create(&AccountEventLabels { source, event })
                .inc_by(*count as u64);
        }
        for what in self.ignored {
            let what = metrics.bounded_name(Bounded::Ignored, &endpoint.name, what);
            metrics
                .ignored
                .get_or_create(&source_labels(&endpoint.name, &what))
                .inc();
        }
    }
}
