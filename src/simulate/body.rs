//! The bodies of webhooks, in the shape and about the size of the providers' own.
//!
//! Invented throughout; what a provider sends for which status follows its public
//! documentation, as the parsers in [`crate::provider`] do.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::lifecycle::Event;
use crate::catalogue;
use crate::model::Status;
use crate::provider::Provider;

/// Why messages fail at Meta, the frequent reasons.
const META_CODES: [i64; 5] = [131_026, 131_049, 131_047, 130_472, 131_053];
/// Why messages fail at Infobip.
const INFOBIP_CODES: [i64; 5] = [7_003, 7_008, 7_009, 7_016, 7_032];
/// The business's own number where the source does not name one.
const SENDER: &str = "34910000000";
/// The account that sends.
const ACCOUNT: &str = "330000000000001";

/// Writes the body of a webhook with these events, all of one source.
pub(super) fn write(provider: Provider, sender: Option<&str>, events: &[Event]) -> String {
    let mut body = String::with_capacity(256 + 512 * events.len());
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
        Provider::MetaOnPremises => {
            body.push_str(r#"{"statuses":["#);
            meta_status
        }
        Provider::Infobip => {
            body.push_str(r#"{"results":["#);
            infobip_result
        }
    };
    for (index, event) in events.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        report(&mut body, provider, sender, event);
    }
    body.push_str(match provider {
        Provider::MetaCloud | Provider::Dialog360 => r#"]},"field":"messages"}]}]}"#,
        Provider::MetaOnPremises | Provider::Infobip => "]}",
    });
    body
}

fn meta_status(body: &mut String, provider: Provider, _sender: &str, event: &Event) {
    let (id, recipient) = (event.message.id(provider), event.message.recipient());
    let _ = write!(
        body,
        r#"{{"id":"{id}","status":"{}","timestamp":"{}","recipient_id":"{recipient}""#,
        event.status,
        event.at_ms / 1000,
    );
    let on_premises = provider == Provider::MetaOnPremises;
    if on_premises {
        body.push_str(r#","type":"message""#);
    }
    match event.status {
        Status::Failed => {
            let (code, name) = failure("meta", META_CODES, event);
            let _ = write!(
                body,
                r#","errors":[{{"code":{code},"title":"{name}","message":"{name}","error_data":{{"details":"Made up by a simulation."}},"href":"https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"}}]"#
            );
        }
        Status::Sent | Status::Delivered => {
            let category = event.message.category();
            let (billable, model) = (event.message.is_template(), model(on_premises));
            let _ = write!(
                body,
                r#","conversation":{{"id":"{:032x}","origin":{{"type":"{category}"}}}},"pricing":{{"billable":{billable},"pricing_model":"{model}","category":"{category}"}}"#,
                u128::from(event.message.key()) << 32,
            );
        }
        _ => {}
    }
    body.push('}');
}

/// Per message since 2025; the On-Premises API ended before that.
const fn model(on_premises: bool) -> &'static str {
    if on_premises { "CBP" } else { "PMP" }
}

fn infobip_result(body: &mut String, provider: Provider, sender: &str, event: &Event) {
    let (id, recipient) = (event.message.id(provider), event.message.recipient());
    let at = DateTime::<Utc>::from_timestamp_millis(event.at_ms).unwrap_or_default();
    let at = at.format("%Y-%m-%dT%H:%M:%S%.3f+0000");
    if event.status == Status::Read {
        let _ = write!(
            body,
            r#"{{"messageId":"{id}","from":"{recipient}","to":"{sender}","sentAt":"{at}","seenAt":"{at}"}}"#
        );
        return;
    }
    let no_error = || (0, "NO_ERROR".to_owned());
    let (group, group_name, status, name, (code, error)) = match event.status {
        Status::Delivered => (3, "DELIVERED", 5, "DELIVERED_TO_HANDSET", no_error()),
        Status::Failed => {
            let error = failure("infobip", INFOBIP_CODES, event);
            (2, "UNDELIVERABLE", 9, "UNDELIVERABLE_NOT_DELIVERED", error)
        }
        _ => (1, "PENDING", 7, "PENDING_ENROUTE", no_error()),
    };
    let (error_group, error_group_name) = if code == 0 {
        (0, "OK")
    } else {
        (1, "HANDSET_ERRORS")
    };
    let _ = write!(
        body,
        r#"{{"bulkId":"campaign-{}","messageId":"{id}","to":"{recipient}","sentAt":"{at}","doneAt":"{at}","messageCount":1,"price":{{"pricePerMessage":0.041,"currency":"EUR"}},"status":{{"groupId":{group},"groupName":"{group_name}","id":{status},"name":"{name}","description":"Made up by a simulation"}},"error":{{"groupId":{error_group},"groupName":"{error_group_name}","id":{code},"name":"{error}","description":"{error}","permanent":false}}}}"#,
        event.message.number / 10_000,
    );
}

/// One of the codes and the provider's name for it.
fn failure(provider: &str, codes: [i64; 5], event: &Event) -> (i64, String) {
    let drawn = usize::try_from((event.message.key() >> 16) % 5).unwrap_or_default();
    let code = codes[drawn];
    let entry = catalogue::find(&format!("{provider}:{code}"));
    let name = entry.map_or_else(|| code.to_string(), |entry| entry.name.clone());
    (code, name)
}

#[cfg(test)]
mod tests {
    use super::super::message::Message;
    use super::*;
    use crate::provider::{Hints, Item};

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
        for provider in Provider::ALL {
            let body = write(provider, None, &events);
            let hints = Hints {
                senders: vec![SENDER.to_owned()],
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
}
