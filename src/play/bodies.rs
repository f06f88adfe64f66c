//! The bodies of webhooks, in the shape and about the size of the providers' own.
//!
//! Invented throughout; what a provider sends for which status follows its public documentation, as the
//! parsers in [`crate::providers`] do. Each provider's folder writes its own shape.

use super::message::Tick;
use crate::catalogue::{self, CatalogueEntry};
use crate::model::{MessageType, Status};
use crate::providers::Provider;
use crate::providers::sample::{Element, SampleError};

/// The business's own number where the source does not name one.
pub(super) const SENDER: &str = "34910000000";

/// How the provider reports a tick.
pub(super) fn element(provider: Provider, tick: &Tick) -> Element {
    let message = tick.message;
    let frequent = provider.definition().samples.frequent;
    let drawn = usize::try_from(message.key() >> 16).unwrap_or_default() % frequent.len().max(1);
    let key = frequent
        .get(drawn)
        .filter(|_| tick.status == Status::Failed);
    Element {
        id: message.id(provider),
        recipient: message.recipient(),
        group: None,
        status: tick.status,
        at_ms: tick.at_ms,
        category: message.category(),
        conversation: u128::from(message.key()) << 32,
        broadcast: Some(format!("campaign-{}", message.number / 10_000)),
        error: key.and_then(|key| catalogue::find(key)).map(failure),
        details: "Made up by a simulation.",
    }
}

/// An error of the catalogue, to be written as a provider would.
pub(crate) fn failure(entry: &'static CatalogueEntry) -> SampleError {
    SampleError {
        key: &entry.key,
        code: entry.code,
        name: &entry.name,
    }
}

/// What Meta bills a message of that type as, mostly.
pub(crate) const fn category(message_type: MessageType) -> &'static str {
    match message_type {
        MessageType::Template => "utility",
        MessageType::Regular => "service",
    }
}

/// Whether what is written for this provider can report this status: Meta reports nothing of a
/// message before it is sent.
pub(crate) const fn reports(provider: Provider, status: Status) -> bool {
    !matches!(status, Status::Queued) || provider.definition().samples.reports_queued
}

/// Writes the body of a webhook with these elements, all of one source.
pub(crate) fn write(provider: Provider, sender: Option<&str>, elements: &[Element]) -> String {
    let mut body = String::with_capacity(256 + 512 * elements.len());
    (provider.definition().samples.write)(&mut body, sender.unwrap_or(SENDER), elements);
    body
}

#[cfg(test)]
mod tests {
    use super::super::message::InventedMessage;
    use super::*;
    use crate::providers::{Hints, Item};

    fn tick(number: u64, status: Status) -> Tick {
        Tick {
            message: InventedMessage { run: 3, number },
            status,
            at_ms: 1_784_800_000_000,
            is_repeat: false,
        }
    }

    #[test]
    fn every_parser_reads_what_is_written_for_it() {
        let statuses = [
            Status::Sent,
            Status::Delivered,
            Status::Read,
            Status::Failed,
        ];
        let status = |number: u64| statuses[usize::try_from(number).unwrap() % 4];
        let ticks: Vec<Tick> = (0..40).map(|number| tick(number, status(number))).collect();
        for provider in Provider::push() {
            for batch in ticks.chunks(provider.definition().samples.batch) {
                check_batch(provider, batch);
            }
        }
    }

    /// Reads one body with these ticks.
    fn check_batch(provider: Provider, ticks: &[Tick]) {
        let elements: Vec<_> = ticks.iter().map(|tick| element(provider, tick)).collect();
        let body = write(provider, None, &elements);
        let hints = Hints {
            senders: vec![SENDER.to_owned()],
            ..Hints::default()
        };
        let parsed = provider.parse(body.as_bytes(), None, &hints).unwrap();
        assert_eq!(parsed.items.len(), ticks.len(), "{provider}");
        for (item, tick) in parsed.items.iter().zip(ticks) {
            let Item::Report(report) = item else {
                panic!("{provider}: {item:?}");
            };
            assert_eq!(report.status, Some(tick.status), "{provider}");
            assert_eq!(report.time.ms, Some(tick.at_ms), "{provider}");
            let recipient = report.recipient.as_deref();
            assert_eq!(recipient, Some(&*tick.message.recipient()), "{provider}");
            let failed = tick.status == Status::Failed;
            let error = report.error().map(|error| error.key.as_str());
            assert_eq!(error.is_some(), failed, "{provider}");
            assert!(error.is_none_or(|key| catalogue::find(key).is_some()));
        }
    }

    #[test]
    fn every_failure_of_the_catalogue_is_read_as_itself() {
        for entry in catalogue::all().iter().filter(|it| !it.is_of_send()) {
            for provider in Provider::push() {
                if provider.errors() != entry.provider {
                    continue;
                }
                let not_failures = provider.definition().samples.not_failures;
                let failed = !not_failures.contains(&entry.key.as_str());
                let tick = tick(1, Status::Failed);
                let element = Element {
                    error: Some(failure(entry)),
                    ..element(provider, &tick)
                };
                let body = write(provider, None, &[element]);
                let parsed = provider.parse(body.as_bytes(), None, &Hints::default());
                let parsed = parsed.unwrap_or_else(|error| panic!("{error}: {body}"));
                let [Item::Report(report)] = &parsed.items[..] else {
                    panic!("{body}");
                };
                let (status, error) = match &report.fallback {
                    Some(fallback) => (Some(Status::Failed), Some(fallback)),
                    None => (report.status, report.error()),
                };
                let key = error.map(|error| error.key.as_str());
                let is_read = status == Some(Status::Failed) && key == Some(&entry.key);
                assert_eq!(is_read, failed, "{}: {body}", entry.key);
                // What the parser remarks on is no body of the provider's.
                assert!(report.oddities.is_empty(), "{:?}: {body}", report.oddities);
            }
        }
    }
}
