//! What a sender tells of a message beside the provider, and the text that a template becomes.
//!
//! It comes by a call, or in an echo that the provider returns with a report; both use the
//! payload's own keys. Who may tell what is [`crate::operations`]' business.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{MessageType, whole_number};

/// The longest text that a template becomes, in bytes; what would make it longer stays a
/// placeholder.
const LONGEST_TEXT: usize = 64 * 1024;

/// What a sender tells of a message beside the provider; `None` is not told.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Registration {
    /// The text of the message.
    pub text: Option<String>,
    /// Template or regular.
    pub message_type: Option<MessageType>,
    /// The recipient's number.
    pub recipient: Option<String>,
    /// The business's number.
    pub sender: Option<String>,
    /// The template it was made from.
    pub template: Option<FilledTemplate>,
    /// The broadcast it belongs to.
    pub bulk_id: Option<String>,
    /// When it was sent, ms since 1970 UTC.
    pub sent_ms: Option<i64>,
    /// For how long a final report may take, in seconds; then the message counts as silent.
    pub ttl_s: Option<i64>,
    /// Whatever else the sender wants to find with it: a JSON object.
    pub metadata: Option<String>,
}

/// A template as a message was made from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilledTemplate {
    /// Its name.
    pub name: String,
    /// The code of its language, as in `en_US`.
    pub language: Option<String>,
    /// What its placeholders stood for.
    pub parameters: Parameters,
}

/// What the placeholders of a template stand for.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(
    untagged,
    expecting = "write a list of texts, or an object of texts by their names"
)]
pub enum Parameters {
    /// `{{1}}`, `{{2}}`, … in this order.
    Positional(Vec<String>),
    /// `{{name}}`, by its name.
    Named(BTreeMap<String, String>),
}

impl Default for Parameters {
    fn default() -> Self {
        Self::Positional(Vec::new())
    }
}

impl Parameters {
    fn get(&self, name: &str) -> Option<&str> {
        match self {
            Self::Positional(values) => {
                let place: usize = name.parse().ok()?;
                values.get(place.checked_sub(1)?).map(String::as_str)
            }
            Self::Named(values) => values.get(name).map(String::as_str),
        }
    }

    /// Reads what a sender wrote: strings, with numbers as they are written.
    fn from_echo(value: &Value) -> Option<Self> {
        match value {
            Value::Array(values) => values
                .iter()
                .map(scalar)
                .collect::<Option<_>>()
                .map(Self::Positional),
            Value::Object(values) => values
                .iter()
                .map(|(name, value)| Some((name.clone(), scalar(value)?)))
                .collect::<Option<_>>()
                .map(Self::Named),
            _ => None,
        }
    }
}

impl FilledTemplate {
    /// The text that this body becomes: each `{{1}}` or `{{name}}` replaced by what it stands
    /// for, and left as it is where nothing is known.
    #[must_use]
    pub fn render(&self, body: &str) -> String {
        let mut text = String::with_capacity(body.len());
        let mut rest = body;
        while let Some((before, placeholder)) = rest.split_once("{{") {
            let Some((name, after)) = placeholder.split_once("}}") else {
                break;
            };
            text.push_str(before);
            match self.parameters.get(name.trim()) {
                Some(value) if text.len() + value.len() <= LONGEST_TEXT => text.push_str(value),
                _ => {
                    text.push_str("{{");
                    text.push_str(name);
                    text.push_str("}}");
                }
            }
            rest = after;
        }
        text.push_str(rest);
        text
    }

    /// What stands for the text where the body is not known: `order_update (en): Ana, 17`.
    #[must_use]
    pub fn described(&self) -> String {
        let language = self.language.as_ref();
        let language = language.map_or_else(String::new, |code| format!(" ({code})"));
        let values: Vec<String> = match &self.parameters {
            Parameters::Positional(values) => values.clone(),
            Parameters::Named(values) => values
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        };
        let separator = if values.is_empty() { "" } else { ": " };
        format!("{}{language}{separator}{}", self.name, values.join(", "))
    }

    fn from_echo(value: &Value) -> Option<Self> {
        let parameters = value.get("parameters");
        Some(Self {
            name: string(value, "name")?,
            language: string(value, "language"),
            parameters: parameters
                .and_then(Parameters::from_echo)
                .unwrap_or_default(),
        })
    }
}

impl Registration {
    /// Reads an echo that holds our JSON: an object with at least one of the keys that a call
    /// takes, `type` shortened to `t` where the echo is short of room. A value of another sort
    /// costs that value alone; a number may be written as one.
    #[must_use]
    pub fn from_echo(text: &str) -> Option<Self> {
        if !text.trim_start().starts_with('{') {
            return None;
        }
        let echo: Value = serde_json::from_str(text).ok()?;
        let number = |key: &str| match echo.get(key)? {
            Value::Number(number) => Some(whole_number(number).filter(|it| *it >= 0)?.to_string()),
            _ => string(&echo, key),
        };
        let word = string(&echo, "type").or_else(|| string(&echo, "t"));
        let metadata = echo.get("metadata").filter(|value| value.is_object());
        let registration = Self {
            text: string(&echo, "message"),
            message_type: word.and_then(|word| word.parse().ok()),
            recipient: number("mobileNo"),
            sender: number("connectedWhatsAppNo"),
            template: echo.get("template").and_then(FilledTemplate::from_echo),
            bulk_id: string(&echo, "broadcastId").or_else(|| string(&echo, "bulkId")),
            sent_ms: number("timestamp").and_then(|text| read_time(&text)),
            ttl_s: echo.get("ttl").and_then(read_ttl),
            metadata: metadata.map(Value::to_string).filter(|it| it != "{}"),
        };
        (registration != Self::default()).then_some(registration.with_type())
    }

    /// A message that was made from a template is of that type, unless it was said otherwise.
    #[must_use]
    pub fn with_type(mut self) -> Self {
        if self.template.is_some() {
            self.message_type.get_or_insert(MessageType::Template);
        }
        self
    }

    /// Whether it tells more than what stands with the message itself.
    #[must_use]
    pub const fn has_details(&self) -> bool {
        self.template.is_some() || self.ttl_s.is_some() || self.metadata.is_some()
    }

    /// What is missing here, taken from what was told elsewhere.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            text: self.text.or(other.text),
            message_type: self.message_type.or(other.message_type),
            recipient: self.recipient.or(other.recipient),
            sender: self.sender.or(other.sender),
            template: self.template.or(other.template),
            bulk_id: self.bulk_id.or(other.bulk_id),
            sent_ms: self.sent_ms.or(other.sent_ms),
            ttl_s: self.ttl_s.or(other.ttl_s),
            metadata: self.metadata.or(other.metadata),
        }
    }
}

/// Reads a time as payloads have it: RFC 3339, or seconds or milliseconds since 1970 UTC in
/// digits. Milliseconds since 1970 UTC.
#[must_use]
pub fn read_time(text: &str) -> Option<i64> {
    const FIRST_MILLIS: i64 = 100_000_000_000;
    if let Ok(number) = text.parse::<i64>() {
        return match number {
            0..FIRST_MILLIS => Some(number * 1000),
            FIRST_MILLIS.. => Some(number).filter(|ms| *ms < 1000 * FIRST_MILLIS),
            _ => None,
        };
    }
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    Some(time.timestamp_millis())
}

/// Reads how long something lives: seconds, as a number or in digits, or an ISO 8601 duration
/// of days, hours, minutes and seconds, as in `P4D` or `PT1H`. Seconds.
#[must_use]
pub fn read_ttl(value: &Value) -> Option<i64> {
    let seconds = match value {
        Value::Number(number) => whole_number(number)?,
        Value::String(text) => match text.trim().parse() {
            Ok(seconds) => seconds,
            Err(_) => read_duration(text.trim())?,
        },
        _ => return None,
    };
    (seconds > 0).then_some(seconds)
}

fn read_duration(text: &str) -> Option<i64> {
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (text.strip_prefix('P')?, ""),
    };
    let mut seconds: i64 = 0;
    for (part, units) in [
        (days, &[('W', 604_800), ('D', 86_400)][..]),
        (time, &[('H', 3600), ('M', 60), ('S', 1)]),
    ] {
        let mut part = part;
        while let Some(end) = part.find(|letter: char| !letter.is_ascii_digit()) {
            let count: i64 = part[..end].parse().ok()?;
            let letter = part[end..].chars().next()?;
            let (_, unit) = units.iter().find(|(name, _)| *name == letter)?;
            seconds = seconds.checked_add(count.checked_mul(*unit)?)?;
            part = &part[end + letter.len_utf8()..];
        }
        if !part.is_empty() {
            return None;
        }
    }
    Some(seconds)
}

fn string(value: &Value, key: &str) -> Option<String> {
    Some(value.get(key)?.as_str()?.to_owned()).filter(|text| !text.trim().is_empty())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check_echo(echo: &str, text: Option<&str>, sender: Option<&str>) {
        let read = Registration::from_echo(echo).unwrap_or_default();
        assert_eq!(read.text.as_deref(), text, "{echo}");
        assert_eq!(read.sender.as_deref(), sender, "{echo}");
    }

    #[test]
    fn an_echo_is_read_key_by_key() {
        check_echo(
            r#"{"message":"Hi","connectedWhatsAppNo":"+385"}"#,
            Some("Hi"),
            Some("+385"),
        );
        check_echo(
            r#"{"message":7,"connectedWhatsAppNo":"385"}"#,
            None,
            Some("385"),
        );
        check_echo(
            r#"{"message":"Hi","connectedWhatsAppNo":null,"template":[],"ttl":{}}"#,
            Some("Hi"),
            None,
        );
        for none_of_ours in ["order-77", "12345", "{\"order\":77}", "{", "[]", ""] {
            assert_eq!(Registration::from_echo(none_of_ours), None);
        }
    }

    #[test]
    fn an_echo_may_say_all_that_a_call_may() {
        let echo = r#"{"template":{"name":"order","language":"en","parameters":["Ana",7]},
            "ttl":"PT1H","broadcastId":"b-1","metadata":{"order":77},"timestamp":"1760000000"}"#;
        let read = Registration::from_echo(echo).unwrap();
        let template = read.template.unwrap();
        assert_eq!(template.described(), "order (en): Ana, 7");
        assert_eq!(read.message_type, Some(MessageType::Template));
        assert_eq!(
            (read.ttl_s, read.bulk_id.as_deref()),
            (Some(3600), Some("b-1"))
        );
        assert_eq!(read.metadata.as_deref(), Some(r#"{"order":77}"#));
        assert_eq!(read.sent_ms, Some(1_760_000_000_000));
        let short = Registration::from_echo(r#"{"t":"regular"}"#).unwrap();
        assert_eq!(short.message_type, Some(MessageType::Regular));
    }

    #[test]
    fn placeholders_are_filled_and_unknown_ones_stay() {
        let positional = json!(["Ana", "7 €", "{{1}}"]);
        let named = json!({"name": "Ana", "1": "one"});
        for (body, parameters, expected) in [
            ("Hi {{1}}, {{ 2 }}.", &positional, "Hi Ana, 7 €."),
            ("{{1}}{{1}} {{4}} {{0}}", &positional, "AnaAna {{4}} {{0}}"),
            ("{{3}}", &positional, "{{1}}"),
            ("{{name}} {{1}} {{x}} {{", &named, "Ana one {{x}} {{"),
            ("no placeholder }}", &named, "no placeholder }}"),
        ] {
            let template = FilledTemplate {
                name: "t".to_owned(),
                language: None,
                parameters: Parameters::from_echo(parameters).unwrap(),
            };
            assert_eq!(template.render(body), expected, "{body}");
        }
    }

    #[test]
    fn a_text_does_not_grow_without_end() {
        let template = FilledTemplate {
            name: "t".to_owned(),
            language: None,
            parameters: Parameters::Positional(vec!["x".repeat(30_000)]),
        };
        let text = template.render(&"{{1}}".repeat(1000));
        assert!(text.len() < LONGEST_TEXT + 5000, "{}", text.len());
    }

    #[test]
    fn a_ttl_and_a_time_are_read_as_providers_and_payloads_write_them() {
        for (given, expected) in [
            (json!(3600), Some(3600)),
            (json!("3600"), Some(3600)),
            (json!("P4D"), Some(345_600)),
            (json!("P1DT1H30M5S"), Some(91_805)),
            (json!("PT"), None),
            (json!("P"), None),
            (json!("P1Y"), None),
            (json!("P99999999999999999W"), None),
            (json!(0), None),
            (json!(-5), None),
            (json!(1.5), None),
            (json!(null), None),
        ] {
            assert_eq!(read_ttl(&given), expected, "{given}");
        }
        for (given, expected) in [
            ("2026-02-11T08:15:32.904Z", Some(1_770_797_732_904)),
            ("2026-02-11T09:15:32.904+01:00", Some(1_770_797_732_904)),
            ("1770797732", Some(1_770_797_732_000)),
            ("1770797732904", Some(1_770_797_732_904)),
            ("-1", None),
            ("99999999999999999", None),
            ("yesterday", None),
        ] {
            assert_eq!(read_time(given), expected, "{given}");
        }
    }
}
