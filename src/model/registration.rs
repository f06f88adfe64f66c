//! What a sender registers of a message, and the text that a template becomes.
//!
//! It comes by a call, or in an echo that the provider returns with a report; both use the
//! payload's own keys. Who may register what is [`crate::admin`]' business.
//!
//! # Why a registration is a report
//!
//! It uses the same writer, group, fsync and plan as a webhook, as a report `queued` of kind
//! `registration`, which is the same report however often it is sent. So registration and reports join by
//! source and provider's id, in either order, and subscribers are notified of `queued` once, while nothing
//! later is known. What a call gave stays, whatever is reported; of two calls the later one counts. An
//! echo is believed like a field of a report, and a copy of what another responder sent (Meta's `standby`)
//! less than a call. Texts are rendered at registration. Silence is a question of a query and no state:
//! nothing is written when a time to live passes. A send that the provider refused is a report `failed`;
//! without an id, the hash of the exchange is its identity, so the same exchange makes no second message.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{MessageType, json_without_nul, read_time, read_ttl, replace_nul, whole_number};

/// The longest text that a template becomes, in bytes; what would make it longer stays a
/// placeholder.
const LONGEST_TEXT: usize = 64 * 1024;

/// What a sender registers of a message; `None` is not given.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Registration {
    /// The text of the message.
    pub text: Option<String>,
    /// Template or regular.
    pub message_type: Option<MessageType>,
    /// Whether the send has the provider make a template of a message without one.
    pub is_direct_send: bool,
    /// The recipient's number, else the user id it was sent to.
    pub recipient: Option<String>,
    /// The recipient's business-scoped user id.
    pub user_id: Option<String>,
    /// The business's number.
    pub sender: Option<String>,
    /// The template it was made from.
    pub template: Option<FilledTemplate>,
    /// The broadcast it belongs to.
    pub broadcast: Option<String>,
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

    fn replace_nul(&mut self) -> bool {
        match self {
            Self::Positional(values) => {
                let found = values.iter_mut().map(replace_nul);
                found.fold(false, |any, one| any | one)
            }
            Self::Named(values) => {
                let mut found = false;
                let named = std::mem::take(values).into_iter();
                values.extend(named.map(|(mut name, mut value)| {
                    found |= replace_nul(&mut name) | replace_nul(&mut value);
                    (name, value)
                }));
                found
            }
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
        let echo: Value = serde_json::from_str(&json_without_nul(text)).ok()?;
        let number = |key: &str| match echo.get(key)? {
            Value::Number(number) => Some(whole_number(number).filter(|it| *it >= 0)?.to_string()),
            _ => string(&echo, key),
        };
        let word = string(&echo, "type").or_else(|| string(&echo, "t"));
        let metadata = echo.get("metadata").filter(|value| value.is_object());
        let registration = Self {
            text: string(&echo, "message"),
            message_type: word.and_then(|word| word.parse().ok()),
            is_direct_send: false,
            recipient: number("mobileNo"),
            user_id: None,
            sender: number("connectedWhatsAppNo"),
            template: echo.get("template").and_then(FilledTemplate::from_echo),
            broadcast: string(&echo, "broadcastId").or_else(|| string(&echo, "bulkId")),
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

    /// Replaces each NUL character in it by U+FFFD; says whether there was one.
    pub fn replace_nul(&mut self) -> bool {
        let texts = [
            &mut self.text,
            &mut self.recipient,
            &mut self.user_id,
            &mut self.sender,
            &mut self.broadcast,
        ];
        let mut found = false;
        for text in texts.into_iter().flatten() {
            found |= replace_nul(text);
        }
        if let Some(metadata) = &mut self.metadata
            && let Cow::Owned(clean) = json_without_nul(metadata)
        {
            found |= clean != *metadata;
            *metadata = clean;
        }
        if let Some(template) = &mut self.template {
            found |= replace_nul(&mut template.name);
            found |= template.language.as_mut().is_some_and(replace_nul);
            found |= template.parameters.replace_nul();
        }
        found
    }

    /// Whether it holds more than what stands with the message itself.
    #[must_use]
    pub const fn has_details(&self) -> bool {
        self.template.is_some() || self.ttl_s.is_some() || self.metadata.is_some()
    }

    /// Fills what is missing here from another registration.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            text: self.text.or(other.text),
            message_type: self.message_type.or(other.message_type),
            is_direct_send: self.is_direct_send || other.is_direct_send,
            recipient: self.recipient.or(other.recipient),
            user_id: self.user_id.or(other.user_id),
            sender: self.sender.or(other.sender),
            template: self.template.or(other.template),
            broadcast: self.broadcast.or(other.broadcast),
            sent_ms: self.sent_ms.or(other.sent_ms),
            ttl_s: self.ttl_s.or(other.ttl_s),
            metadata: self.metadata.or(other.metadata),
        }
    }
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
            (read.ttl_s, read.broadcast.as_deref()),
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
}
