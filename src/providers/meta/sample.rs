//! What Meta sends: the Cloud API's envelope, and the On-Premises API's bare list.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::sample::{
    Element, HistorySamples, PauseSamples, TemplateNotice, json, list, mix,
};
use crate::model::Status;

/// Why messages fail, the frequent reasons.
pub(super) const FREQUENT: [&str; 5] = [
    "meta:131026",
    "meta:131049",
    "meta:131047",
    "meta:130472",
    "meta:131053",
];
/// What history has of the Cloud API.
pub(super) const HISTORY: HistorySamples = HistorySamples {
    unreachable: "meta:131026",
    wrong_template: "meta:132012",
    pause: Some(PauseSamples {
        error: "meta:132015",
        write: write_template_notice,
    }),
    fallback: None,
    has_groups: true,
};
/// The account that sends.
const ACCOUNT: &str = "330000000000001";

pub(super) fn write_cloud(body: &mut String, sender: &str, elements: &[Element]) {
    // Writing to a string cannot fail, here and below.
    let _ = write!(
        body,
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"{ACCOUNT}","changes":[{{"value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"{sender}","phone_number_id":"440000000000001"}},"statuses":["#
    );
    // Billed per message since 2025.
    list(body, elements, |body, element| {
        status(body, "", "PMP", element);
    });
    body.push_str(r#"]},"field":"messages"}]}]}"#);
}

pub(super) fn write_on_premises(body: &mut String, _: &str, elements: &[Element]) {
    body.push_str(r#"{"statuses":["#);
    // It ended while conversations were billed.
    let kind = r#","type":"message""#;
    list(body, elements, |body, element| {
        status(body, kind, "CBP", element);
    });
    body.push_str("]}");
}

fn status(body: &mut String, kind: &str, pricing_model: &str, element: &Element) {
    let (id, recipient, status) = (&element.id, &element.recipient, element.status);
    let at_s = element.at_ms / 1000;
    let _ = write!(
        body,
        r#"{{"id":"{id}","status":"{status}","timestamp":"{at_s}","#
    );
    let _ = match &element.group {
        None => write!(body, r#""recipient_id":"{recipient}"{kind}"#),
        Some(group) => write!(
            body,
            r#""recipient_id":"{group}","recipient_type":"group","recipient_participant_id":"{recipient}"{kind}"#
        ),
    };
    if let Status::Sent | Status::Delivered = status {
        let (category, conversation) = (element.category, element.conversation);
        let billable = category != "service";
        let _ = write!(
            body,
            r#","conversation":{{"id":"{conversation:032x}","origin":{{"type":"{category}"}}}},"pricing":{{"billable":{billable},"pricing_model":"{pricing_model}","category":"{category}"}}"#
        );
    }
    if let Some(error) = element.error {
        // What is known by a word alone comes as the generic code, and its text explains it.
        let (code, name) = (error.code.unwrap_or(500), json(error.name));
        let details = json(element.details);
        let _ = write!(
            body,
            r#","errors":[{{"code":{code},"title":{name},"message":{name},"error_data":{{"details":{details}}},"href":"https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"}}]"#
        );
    }
    body.push('}');
}

/// The notice that a template was paused, or that it no longer is.
fn write_template_notice(body: &mut String, notice: TemplateNotice<'_>) {
    let (name, language) = (json(notice.name), json(notice.language));
    let at_s = notice.at_ms / 1000;
    let (event, about) = if notice.is_paused {
        (
            "PAUSED",
            r#","other_info":{"title":"FIRST_PAUSE","description":"Made up by a simulation."}"#,
        )
    } else {
        ("UNPAUSED", "")
    };
    let _ = write!(
        body,
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"{ACCOUNT}","time":{at_s},"changes":[{{"value":{{"event":"{event}","message_template_id":770000000000001,"message_template_name":{name},"message_template_language":{language},"reason":"NONE"{about}}},"field":"message_template_status_update"}}]}}]}}"#
    );
}

/// An id of the Cloud API, which holds the recipient.
pub(super) fn cloud_id(key: u64, recipient: &str) -> String {
    let mut bytes = b"\x1c\x18\x0b".to_vec();
    bytes.extend_from_slice(recipient.as_bytes());
    bytes.extend_from_slice(b"\x15\x02\x00\x11\x18\x12");
    bytes.extend_from_slice(format!("{key:016X}{:02X}", key % 251).as_bytes());
    bytes.push(0);
    format!("wamid.{}", STANDARD.encode(bytes))
}

pub(super) fn cloud_key(id: &str) -> Option<u64> {
    let bytes = STANDARD.decode(id.strip_prefix("wamid.")?).ok()?;
    let digits = std::str::from_utf8(bytes.get(20..36)?).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

/// An id of the On-Premises API.
pub(super) fn on_premises_id(key: u64, _: &str) -> String {
    let mut bytes = b"\x80\x11\x86\x34\x60".to_vec();
    bytes.extend_from_slice(&key.to_be_bytes());
    bytes.extend_from_slice(&mix(key).to_be_bytes());
    STANDARD.encode(bytes)
}

pub(super) fn on_premises_key(id: &str) -> Option<u64> {
    let bytes = STANDARD.decode(id).ok()?;
    Some(u64::from_be_bytes(bytes.get(5..13)?.try_into().ok()?))
}
