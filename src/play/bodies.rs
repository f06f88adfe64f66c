//! The bodies of webhooks, in the shape and about the size of the providers' own.
//!
//! Invented throughout; what a provider sends for which status follows its public
//! documentation, as the parsers in [`crate::providers`] do.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::lifecycle::Event;
use crate::catalogue::{self, Entry};
use crate::model::{MessageType, Status};
use crate::providers::Provider;

/// Why messages fail at Meta, the frequent reasons.
const META_CODES: [i64; 5] = [131_026, 131_049, 131_047, 130_472, 131_053];
/// Why messages fail at Infobip.
const INFOBIP_CODES: [i64; 5] = [7_003, 7_008, 7_009, 7_016, 7_032];
/// The business's own number where the source does not name one.
const SENDER: &str = "34910000000";
/// The account that sends.
const ACCOUNT: &str = "330000000000001";
/// What Infobip calls a failure that has an error beside it.
const NOT_DELIVERED: (i64, &str) = (9, "UNDELIVERABLE_NOT_DELIVERED");
/// Failures of Infobip whose names do not begin with their group.
const GROUPLESS: [(&str, (i64, &str)); 3] = [
    ("SIGNALS_BLOCKED", EXPIRED),
    ("MISSING_TO", REJECTED),
    ("UNDELIVERABLE_REJECTED_PLATFORM", REJECTED),
];
const UNDELIVERABLE: (i64, &str) = (2, "UNDELIVERABLE");
const EXPIRED: (i64, &str) = (4, "EXPIRED");
const REJECTED: (i64, &str) = (5, "REJECTED");

/// What one element of a body tells.
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
    /// What a simulated event is told as.
    pub(super) fn new(provider: Provider, event: &Event) -> Self {
        let message = event.message;
        Self {
            id: message.id(provider),
            recipient: message.recipient(),
            status: event.status,
            at_ms: event.at_ms,
            category: message.category(),
            conversation: u128::from(message.key()) << 32,
            bulk_id: (provider == Provider::Infobip)
                .then(|| format!("campaign-{}", message.number / 10_000)),
            error: (event.status == Status::Failed)
                .then(|| failure(provider, event))
                .flatten(),
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

/// Whether what is written for this provider can tell of this status: Meta reports nothing of a
/// message before it is sent.
pub(crate) fn reports(provider: Provider, status: Status) -> bool {
    status != Status::Queued || provider == Provider::Infobip
}

/// Writes the body of a webhook with these elements, all of one source.
pub(crate) fn write(provider: Provider, sender: Option<&str>, elements: &[Element]) -> String {
    let mut body = String::with_capacity(256 + 512 * elements.len());
    let sender = sender.unwrap_or(SENDER);
    let report = match provider {
        Provider::MetaCloud | Provider::Dialog360 => {
            // Writing into a string cannot fail, here and below.
            let _ = write!(
                body,
                r#"{{"object":"whatsapp_business_account","entry":[{{"id":"{ACCOUNT}","changes":[{{"value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"{sender}","phone_number_id":"440000000000001"}},"statuses":["#
            );
            meta_status
        }
        // Whoever sends nothing is not played; see `Simulate`.
        Provider::MetaOnPremises | Provider::Botsquad => {
            body.push_str(r#"{"statuses":["#);
            meta_status
        }
        Provider::Infobip => {
            body.push_str(r#"{"results":["#);
            infobip_result
        }
    };
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        report(&mut body, provider, sender, element);
    }
    body.push_str(match provider {
        Provider::MetaCloud | Provider::Dialog360 => r#"]},"field":"messages"}]}]}"#,
        Provider::MetaOnPremises | Provider::Infobip | Provider::Botsquad => "]}",
    });
    body
}

fn meta_status(body: &mut String, provider: Provider, _sender: &str, element: &Element) {
    let (id, recipient) = (&element.id, &element.recipient);
    let _ = write!(
        body,
        r#"{{"id":"{id}","status":"{}","timestamp":"{}","recipient_id":"{recipient}""#,
        element.status,
        element.at_ms / 1000,
    );
    let on_premises = provider == Provider::MetaOnPremises;
    if on_premises {
        body.push_str(r#","type":"message""#);
    }
    match element.status {
        Status::Failed => meta_errors(body, element),
        Status::Sent | Status::Delivered => {
            let category = element.category;
            let (billable, model) = (category != "service", model(on_premises));
            let _ = write!(
                body,
                r#","conversation":{{"id":"{:032x}","origin":{{"type":"{category}"}}}},"pricing":{{"billable":{billable},"pricing_model":"{model}","category":"{category}"}}"#,
                element.conversation,
            );
        }
        _ => {}
    }
    body.push('}');
}

fn meta_errors(body: &mut String, element: &Element) {
    let Some(error) = element.error else {
        return;
    };
    // What is known by a word alone comes as the generic code, and its text tells.
    let (code, name) = (error.code.unwrap_or(500), json(&error.name));
    let details = json(element.details);
    let _ = write!(
        body,
        r#","errors":[{{"code":{code},"title":{name},"message":{name},"error_data":{{"details":{details}}},"href":"https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"}}]"#
    );
}

/// Per message since 2025; the On-Premises API ended before that.
const fn model(on_premises: bool) -> &'static str {
    if on_premises { "CBP" } else { "PMP" }
}

fn infobip_result(body: &mut String, _provider: Provider, sender: &str, element: &Element) {
    let (id, recipient) = (&element.id, &element.recipient);
    let at = DateTime::<Utc>::from_timestamp_millis(element.at_ms).unwrap_or_default();
    let at = at.format("%Y-%m-%dT%H:%M:%S%.3f+0000");
    let user_did = match element.status {
        Status::Read => Some("seenAt"),
        Status::Deleted => Some("deletedAt"),
        _ => None,
    };
    if let Some(user_did) = user_did {
        let _ = write!(
            body,
            r#"{{"messageId":"{id}","from":"{recipient}","to":"{sender}","sentAt":"{at}","{user_did}":"{at}"}}"#
        );
        return;
    }
    let state = State::of(element);
    let ((group, group_name), (status, name)) = (state.group, state.status);
    let (code, error) = state.error;
    let (error_group, error_group_name) = if code == 0 {
        (0, "OK")
    } else {
        (1, "HANDSET_ERRORS")
    };
    body.push('{');
    if let Some(bulk_id) = &element.bulk_id {
        let _ = write!(body, r#""bulkId":"{bulk_id}","#);
    }
    if let Some(channel) = state.by {
        let _ = write!(body, r#""channel":"{channel}","#);
    }
    let _ = write!(
        body,
        r#""messageId":"{id}","to":"{recipient}","sentAt":"{at}","doneAt":"{at}","messageCount":1,"price":{{"pricePerMessage":0.041,"currency":"EUR"}},"status":{{"groupId":{group},"groupName":"{group_name}","id":{status},"name":"{name}","description":{}}},"error":{{"groupId":{error_group},"groupName":"{error_group_name}","id":{code},"name":"{error}","description":"{error}","permanent":false}}}}"#,
        json(element.details),
    );
}

/// What Infobip says of a message that is not read yet.
struct State {
    group: (i64, &'static str),
    status: (i64, &'static str),
    error: (i64, &'static str),
    /// The channel that stands in for WhatsApp.
    by: Option<&'static str>,
}

impl State {
    fn of(element: &Element) -> Self {
        let (group, status) = match element.status {
            Status::Queued => ((1, "PENDING"), (26, "PENDING_ACCEPTED")),
            Status::Delivered => ((3, "DELIVERED"), (5, "DELIVERED_TO_HANDSET")),
            Status::Failed => (UNDELIVERABLE, NOT_DELIVERED),
            _ => ((1, "PENDING"), (7, "PENDING_ENROUTE")),
        };
        let mut state = Self {
            group,
            status,
            error: (0, "NO_ERROR"),
            by: None,
        };
        let Some(entry) = element.error else {
            return state;
        };
        match entry.code {
            // It arrived, though not in WhatsApp.
            None => {
                let is_sms = entry.key == "infobip:sms_fallback";
                state.by = Some(if is_sms { "SMS" } else { "VIBER_BM" });
                (state.group, state.status) = ((3, "DELIVERED"), (5, "DELIVERED_TO_HANDSET"));
            }
            Some(code) if entry.key.starts_with("infobip-status:") => {
                // One number has two names; the later is that of the failure.
                let name = entry.name.rsplit(" or ").next().unwrap_or(&entry.name);
                (state.group, state.status) = (group_of(name), (code, name));
            }
            Some(code) => state.error = (code, &entry.name),
        }
        state
    }
}

/// The group of a status, by its name.
fn group_of(name: &str) -> (i64, &'static str) {
    let exception = GROUPLESS.iter().find(|(known, _)| *known == name);
    if let Some((_, group)) = exception {
        return *group;
    }
    let groups = [
        (1, "PENDING"),
        (0, "ACCEPTED"),
        (3, "DELIVERED"),
        EXPIRED,
        REJECTED,
    ];
    let mut groups = groups.into_iter();
    let named = groups.find(|(_, group)| name.contains(group) && !name.starts_with("UNDELIVER"));
    // Calls that nobody answered are of this group too.
    named.unwrap_or(UNDELIVERABLE)
}

/// A text as JSON.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// One of the frequent codes.
fn failure(provider: Provider, event: &Event) -> Option<&'static Entry> {
    let (scheme, codes) = match provider {
        Provider::Infobip => ("infobip", INFOBIP_CODES),
        _ => ("meta", META_CODES),
    };
    let drawn = usize::try_from((event.message.key() >> 16) % 5).unwrap_or_default();
    catalogue::find(&format!("{scheme}:{}", codes[drawn]))
}

#[cfg(test)]
mod tests {
    use super::super::message::Message;
    use super::*;
    use crate::providers::{Hints, Item};

    #[test]
    fn every_parser_reads_what_is_written_for_it() {
        let statuses = [
            Status::Sent,
            Status::Delivered,
            Status::Read,
            Status::Failed,
        ];
        let events: Vec<Event> = (0..40)
            .map(|number| Event {
                message: Message { run: 3, number },
                status: statuses[usize::try_from(number).unwrap() % 4],
                at_ms: 1_784_800_000_000,
            })
            .collect();
        for provider in Provider::SENDING {
            let elements: Vec<_> = events
                .iter()
                .map(|event| Element::new(provider, event))
                .collect();
            let body = write(provider, None, &elements);
            let hints = Hints {
                senders: vec![SENDER.to_owned()],
                ..Hints::default()
            };
            let parsed = provider.parse(body.as_bytes(), None, &hints).unwrap();
            assert_eq!(parsed.items.len(), events.len(), "{provider}");
            for (item, event) in parsed.items.iter().zip(&events) {
                let Item::Report(report) = item else {
                    panic!("{provider}: {item:?}");
                };
                assert_eq!(report.status, Some(event.status), "{provider}");
                assert_eq!(report.time.ms, Some(event.at_ms), "{provider}");
                let recipient = report.recipient.as_deref();
                assert_eq!(recipient, Some(&*event.message.recipient()), "{provider}");
                let failed = event.status == Status::Failed;
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
                let event = Event {
                    message: Message { run: 3, number: 1 },
                    status: Status::Failed,
                    at_ms: 1_784_800_000_000,
                };
                let element = Element {
                    error: Some(entry),
                    ..Element::new(provider, &event)
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
