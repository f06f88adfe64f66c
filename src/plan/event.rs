//! The payload of an event: what happened to the service, in the shape of Standard Webhooks' events.

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use serde_json::{Map, Value};

/// What happened to it.
pub(crate) struct Event<'a> {
    /// The event's name, as in `source.silent`.
    pub(crate) name: &'a str,
    /// The subscriber, source or error it is about; empty for the service as a whole.
    pub(crate) subject: &'a str,
    /// One sentence for people.
    pub(crate) text: &'a str,
    /// The figures behind it.
    pub(crate) data: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct EventBody<'a> {
    #[serde(rename = "type")]
    name: &'a str,
    timestamp: String,
    /// The one key that chats understand.
    text: &'a str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    #[serde(flatten)]
    more: &'a Map<String, Value>,
}

impl Event<'_> {
    /// The payload's bytes; it was noticed at `now_ms` (ms since 1970 UTC).
    pub(crate) fn render(&self, now_ms: i64) -> Vec<u8> {
        let at = DateTime::from_timestamp_millis(now_ms).unwrap_or_default();
        // Strings and figures alone: serialising cannot fail.
        serde_json::to_vec(&EventBody {
            name: self.name,
            timestamp: at.to_rfc3339_opts(SecondsFormat::Millis, true),
            text: self.text,
            data: Data {
                subject: self.subject,
                more: self.data,
            },
        })
        .unwrap_or_default()
    }
}
