//! The bodies of webhooks, in the shape and about the size of the providers' own.
//!
//! Invented throughout; what a provider sends for which status follows its public
//! documentation, as the parsers in [`crate::providers`] do. One file per shape of body.

mod infobip;
mod meta;

use super::traffic::Tick;
use crate::catalogue::{self, Entry};
use crate::model::{MessageType, Status};
use crate::providers::Provider;

/// The business's own number where the source does not name one.
const SENDER: &str = "34910000000";

/// What one element of a body reports.
pub(crate) struct Element {
    /// The provider's id of the message.
    pub(crate) id: String,
    /// The recipient's number, digits only.
    pub(crate) recipient: String,
    /// What happened.
    pub(crate) status: Status,
    /// When, ms since 1970 UTC.
    pub(crate) at_ms: i64,
    /// What Meta bills it as.
    pub(crate) category: &'static str,
    /// Meta's conversation.
    pub(crate) conversation: u128,
    /// Infobip's broadcast.
    pub(crate) bulk_id: Option<String>,
    /// Why it failed.
    pub(crate) error: Option<&'static Entry>,
    /// What the provider adds to a failure in words.
    pub(crate) details: &'static str,
}

impl Element {
    /// How the provider reports a tick.
    pub(super) fn of(provider: Provider, tick: &Tick) -> Self {
        let message = tick.message;
        // Why messages fail, the frequent reasons.
        let (scheme, codes) = match provider {
            Provider::Infobip => ("infobip", infobip::FREQUENT),
            _ => ("meta", meta::FREQUENT),
        };
        let drawn = usize::try_from((message.key() >> 16) % 5).unwrap_or_default();
        let error = (tick.status == Status::Failed).then(|| format!("{scheme}:{}", codes[drawn]));
        Self {
            id: message.id(provider),
            recipient: message.recipient(),
            status: tick.status,
            at_ms: tick.at_ms,
            category: message.category(),
            conversation: u128::from(message.key()) << 32,
            bulk_id: (provider == Provider::Infobip)
                .then(|| format!("campaign-{}", message.number / 10_000)),
            error: error.and_then(|key| catalogue::find(&key)),
            details: "Made up by a simulation.",
        }
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
pub(crate) fn reports(provider: Provider, status: Status) -> bool {
    status != Status::Queued || provider == Provider::Infobip
}

/// Writes the body of a webhook with these elements, all of one source.
pub(crate) fn write(provider: Provider, sender: Option<&str>, elements: &[Element]) -> String {
    let sender = sender.unwrap_or(SENDER);
    let mut body = String::with_capacity(256 + 512 * elements.len());
    match provider {
        Provider::MetaCloud | Provider::Dialog360 => meta::write_cloud(&mut body, sender, elements),
        // A pull source is never played.
        Provider::MetaOnPremises | Provider::Botsquad => {
            meta::write_on_premises(&mut body, elements);
        }
        Provider::Infobip => infobip::write(&mut body, sender, elements),
    }
    body
}

/// The id that the provider would give to the message with that key.
pub(super) fn id(provider: Provider, key: u64, recipient: &str) -> String {
    match provider {
        Provider::MetaCloud | Provider::Dialog360 => meta::cloud_id(key, recipient),
        Provider::MetaOnPremises | Provider::Botsquad => meta::on_premises_id(key),
        Provider::Infobip => infobip::id(key),
    }
}

/// The key of the message with that id; `None` when no provider was played with it.
pub(super) fn key_of(id: &str) -> Option<u64> {
    meta::cloud_key(id)
        .or_else(|| infobip::key(id))
        .or_else(|| meta::on_premises_key(id))
}

/// Writes elements as the members of a list.
fn list(body: &mut String, elements: &[Element], mut write: impl FnMut(&mut String, &Element)) {
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        write(body, element);
    }
}

/// A text as JSON.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::message::Message;
    use super::*;
    use crate::providers::{Hints, Item};

    fn tick(number: u64, status: Status) -> Tick {
        Tick {
            message: Message { run: 3, number },
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
        for provider in Provider::SENDING {
            let elements: Vec<_> = ticks
                .iter()
                .map(|tick| Element::of(provider, tick))
                .collect();
            let body = write(provider, None, &elements);
            let hints = Hints {
                senders: vec![SENDER.to_owned()],
                ..Hints::default()
            };
            let parsed = provider.parse(body.as_bytes(), None, &hints).unwrap();
            assert_eq!(parsed.items.len(), ticks.len(), "{provider}");
            for (item, tick) in parsed.items.iter().zip(&ticks) {
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
    }

    #[test]
    fn every_failure_of_the_catalogue_is_read_as_itself() {
        // What Infobip says of a message that did not fail.
        const NO_FAILURE: [&str; 8] = [
            "infobip:0",
            "infobip-status:0",
            "infobip-status:1",
            "infobip-status:2",
            "infobip-status:3",
            "infobip-status:5",
            "infobip-status:7",
            "infobip-status:26",
        ];
        for entry in catalogue::all().iter().filter(|it| !it.is_of_send()) {
            let failed = !NO_FAILURE.contains(&entry.key.as_str());
            for provider in Provider::SENDING {
                if provider.errors() != entry.provider {
                    continue;
                }
                let tick = tick(1, Status::Failed);
                let element = Element {
                    error: Some(entry),
                    ..Element::of(provider, &tick)
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
