//! What Infobip sends: delivery reports, and reports of what a person did with a message.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::super::sample::{Element, json, list, mix};
use crate::model::Status;

/// A number and its name.
type NumberedName<'a> = (i64, &'a str);

const PENDING: NumberedName<'_> = (1, "PENDING");
const DELIVERED: NumberedName<'_> = (3, "DELIVERED");
const UNDELIVERABLE: NumberedName<'_> = (2, "UNDELIVERABLE");
const EXPIRED: NumberedName<'_> = (4, "EXPIRED");
const REJECTED: NumberedName<'_> = (5, "REJECTED");
/// What a failure is called that has an error beside it.
const NOT_DELIVERED: NumberedName<'_> = (9, "UNDELIVERABLE_NOT_DELIVERED");
const TO_HANDSET: NumberedName<'_> = (5, "DELIVERED_TO_HANDSET");
/// Failures whose names do not begin with their group.
const GROUPLESS: [(&str, NumberedName<'_>); 3] = [
    ("SIGNALS_BLOCKED", EXPIRED),
    ("MISSING_TO", REJECTED),
    ("UNDELIVERABLE_REJECTED_PLATFORM", REJECTED),
];

pub(super) fn write(body: &mut String, sender: &str, elements: &[Element]) {
    body.push_str(r#"{"results":["#);
    list(body, elements, |body, element| {
        result(body, sender, element);
    });
    body.push_str("]}");
}

fn result(body: &mut String, sender: &str, element: &Element) {
    let (id, recipient) = (&element.id, &element.recipient);
    let at = DateTime::<Utc>::from_timestamp_millis(element.at_ms).unwrap_or_default();
    let at = at.format("%Y-%m-%dT%H:%M:%S%.3f+0000");
    let user_did = match element.status {
        Status::Read => Some("seenAt"),
        Status::Deleted => Some("deletedAt"),
        _ => None,
    };
    // Writing to a string cannot fail, here and below.
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
    if let Some(broadcast) = &element.broadcast {
        let _ = write!(body, r#""bulkId":"{broadcast}","#);
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

/// What a delivery report says.
struct State {
    group: NumberedName<'static>,
    status: NumberedName<'static>,
    error: NumberedName<'static>,
    /// The channel that stands in for WhatsApp.
    by: Option<&'static str>,
}

impl State {
    fn of(element: &Element) -> Self {
        let (group, status) = match element.status {
            Status::Queued => (PENDING, (26, "PENDING_ACCEPTED")),
            Status::Delivered => (DELIVERED, TO_HANDSET),
            Status::Failed => (UNDELIVERABLE, NOT_DELIVERED),
            _ => (PENDING, (7, "PENDING_ENROUTE")),
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
                (state.group, state.status) = (DELIVERED, TO_HANDSET);
            }
            Some(code) if entry.key.starts_with("infobip-status:") => {
                // One number has two names; the later is that of the failure.
                let name = entry.name.rsplit(" or ").next().unwrap_or(entry.name);
                (state.group, state.status) = (group_of(name), (code, name));
            }
            Some(code) => state.error = (code, entry.name),
        }
        state
    }
}

/// The group of a status, by its name.
fn group_of(name: &str) -> NumberedName<'static> {
    let exception = GROUPLESS.iter().find(|(known, _)| *known == name);
    if let Some((_, group)) = exception {
        return *group;
    }
    let groups = [PENDING, (0, "ACCEPTED"), DELIVERED, EXPIRED, REJECTED];
    let mut groups = groups.into_iter();
    let named = groups.find(|(_, group)| name.contains(group) && !name.starts_with("UNDELIVER"));
    // Unanswered calls are of this group too.
    named.unwrap_or(UNDELIVERABLE)
}

/// An id as Infobip gives it, which looks like a UUID.
pub(super) fn id(key: u64, _: &str) -> String {
    let word = mix(key) >> 32;
    format!(
        "{word:08x}-{:04x}-{:04x}-{:04x}-{:04x}{word:08x}",
        key >> 48,
        (key >> 32) & 0xffff,
        (key >> 16) & 0xffff,
        key & 0xffff
    )
}

pub(super) fn key(id: &str) -> Option<u64> {
    let digits = id.get(9..28).filter(|_| id.len() == 36)?;
    u64::from_str_radix(&digits.replace('-', ""), 16).ok()
}
