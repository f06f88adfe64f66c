//! Bodies of the Cloud API, built from what a test is about.

use serde_json::{Value, json};

/// One status of a message; `cloud_status` when nothing else is in the webhook.
pub(crate) fn status(id: &str, status: &str, timestamp: i64) -> Value {
    json!({
        "id": id,
        "status": status,
        "timestamp": timestamp.to_string(),
        "recipient_id": "34600000001",
    })
}

/// The status with these fields added or replaced.
pub(crate) fn with(mut status: Value, fields: &Value) -> Value {
    for (key, value) in fields.as_object().unwrap() {
        status[key] = value.clone();
    }
    status
}

/// A status of a message that answers a customer, by its pricing.
pub(crate) fn regular(id: &str, word: &str, timestamp: i64) -> Value {
    with(
        status(id, word, timestamp),
        &json!({"pricing": {"billable": false, "pricing_model": "PMP", "category": "service", "type": "regular"}}),
    )
}

/// A failure that the catalogue knows.
pub(crate) fn failed(id: &str, timestamp: i64) -> Value {
    with(
        status(id, "failed", timestamp),
        &json!({"errors": [{
            "code": 131_026,
            "title": "Message undeliverable",
            "message": "Message undeliverable",
            "error_data": {"details": "The phone is switched off."},
        }]}),
    )
}

/// A status of a group's message as one of its members reports it.
pub(crate) fn in_group(id: &str, word: &str, timestamp: i64, member: &str) -> Value {
    with(
        status(id, word, timestamp),
        &json!({
            "recipient_id": "group-77",
            "recipient_type": "group",
            "recipient_participant_id": member,
        }),
    )
}

/// A webhook with these statuses in this order.
pub(crate) fn webhook(statuses: &[Value]) -> String {
    json!({
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "34910000000", "phone_number_id": "4400"},
            "statuses": statuses,
        }}]}],
    })
    .to_string()
}
