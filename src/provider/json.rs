//! Reading foreign JSON leniently: one odd value costs that value, never its neighbours.
//!
//! A body is walked as [`Node`]s, slices of the received text, so that an element that
//! cannot be read leaves the others readable and its exact bytes are at hand. An element
//! itself becomes a [`Value`], read through the functions below: `""` and `null` are
//! absent, numbers may stand where text belongs and the other way round.

use std::fmt;

use serde::Deserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::ParseError;

/// A JSON value as it stands in the received text, not yet looked into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'a>(&'a str);

impl<'a> Node<'a> {
    /// The whole body.
    ///
    /// # Errors
    /// When it is no JSON, or XML.
    pub(super) fn body(text: &'a str) -> Result<Self, ParseError> {
        if text.trim_start().starts_with('<') {
            return Err(ParseError::Xml);
        }
        match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) => Ok(Self(raw.get())),
            // The error of serde_json names line and column, and no content.
            Err(error) => Err(ParseError::NotJson(error.to_string())),
        }
    }

    /// The exact text of this value.
    pub(super) const fn text(self) -> &'a str {
        self.0
    }

    /// Whether this is an object.
    pub(super) fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    /// Whether this is `null`.
    pub(super) fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// The member of that name; of several, the last. `None` when this is no object.
    pub(super) fn get(self, name: &str) -> Option<Self> {
        self.members()?
            .into_iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, node)| node)
    }

    /// The members in the order of the text, repeated ones included; `None` when this is
    /// no object.
    pub(super) fn members(self) -> Option<Vec<(String, Self)>> {
        if !self.is_object() {
            return None;
        }
        serde_json::Deserializer::from_str(self.0)
            .deserialize_map(Members)
            .ok()
    }

    /// The elements; `None` when this is no array.
    pub(super) fn elements(self) -> Option<Vec<Self>> {
        if !self.0.starts_with('[') {
            return None;
        }
        serde_json::Deserializer::from_str(self.0)
            .deserialize_seq(Elements)
            .ok()
    }

    /// The string this is; `None` when it is anything else.
    pub(super) fn string(self) -> Option<String> {
        match self.value().ok()? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value, fully read. A lone surrogate (`\ud800`), which no Rust string can hold,
    /// becomes U+FFFD.
    ///
    /// # Errors
    /// When it is nested too deep, or a number in it is out of all range.
    pub(super) fn value(self) -> Result<Value, serde_json::Error> {
        serde_json::from_str(self.0).or_else(|error| {
            let mended = mend_lone_surrogates(self.0);
            if mended == self.0 {
                return Err(error);
            }
            serde_json::from_str(&mended)
        })
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, Node<'de>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(8);
        // Keys are read raw too: a lone surrogate in one must not lose the others.
        while let Some(key) = map.next_key::<&RawValue>()? {
            let value: &RawValue = map.next_value()?;
            let name = Node(key.get()).string().unwrap_or_default();
            members.push((name, Node(value.get())));
        }
        Ok(members)
    }
}

struct Elements;

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<Node<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(value) = seq.next_element::<&RawValue>()? {
            elements.push(Node(value.get()));
        }
        Ok(elements)
    }
}

/// Replaces each `\uD8xx`–`\uDFxx` escape that has no partner by `\uFFFD`.
fn mend_lone_surrogates(text: &str) -> String {
    let unit = |at: usize| -> Option<u16> {
        let escape = text.get(at..at + 6)?;
        u16::from_str_radix(escape.strip_prefix("\\u")?, 16).ok()
    };
    let mut mended = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(offset) = text[at..].find('\\') {
        mended.push_str(&text[at..at + offset]);
        at += offset;
        let (replacement, length) = match unit(at) {
            Some(0xD800..=0xDBFF) => match unit(at + 6) {
                Some(0xDC00..=0xDFFF) => (&text[at..at + 12], 12),
                _ => ("\\uFFFD", 6),
            },
            Some(0xDC00..=0xDFFF) => ("\\uFFFD", 6),
            Some(_) => (&text[at..at + 6], 6),
            // Any other escape is two bytes, or a backslash before a longer character.
            None => {
                let length = 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8);
                (&text[at..at + length], length)
            }
        };
        mended.push_str(replacement);
        at += length;
    }
    mended.push_str(&text[at..]);
    mended
}

/// The member's text: a non-blank string, or a number or bool written out.
pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    match value.get(name)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// The member's whole number: a number, or a string that holds one.
pub(super) fn integer(value: &Value, name: &str) -> Option<i64> {
    match value.get(name)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The member's number: a number, or a string that holds a finite one.
pub(super) fn number(value: &Value, name: &str) -> Option<f64> {
    let number = match value.get(name)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

/// The member's truth: a bool, or a string that spells one in any case.
pub(super) fn boolean(value: &Value, name: &str) -> Option<bool> {
    match value.get(name)? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// The member, when it is an object.
pub(super) fn object<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).filter(|member| member.is_object())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lone_surrogates_cost_one_letter() {
        let cases = [
            (r#""\ud800""#, "\u{FFFD}"),
            (r#""a\udc00b""#, "a\u{FFFD}b"),
            (r#""\ud83d\ude00""#, "😀"),
            (r#""\ud83d\ude00\ud83d""#, "😀\u{FFFD}"),
            (r#""\\ud800""#, "\\ud800"),
            (r#""\ud800é\n""#, "\u{FFFD}é\n"),
        ];
        for (text, expected) in cases {
            let node = Node::body(text).unwrap();
            assert_eq!(node.value().unwrap(), json!(expected), "{text}");
        }
    }

    #[test]
    fn an_odd_element_leaves_its_neighbours_readable() {
        let body = Node::body(r#"{"a":1,"results":[{"x":"\ud800"},7,{"x":"y"}],"a":2}"#).unwrap();
        assert_eq!(body.get("a").unwrap().text(), "2");
        let elements = body.get("results").unwrap().elements().unwrap();
        assert_eq!(elements.len(), 3);
        assert_eq!(elements[2].value().unwrap(), json!({"x": "y"}));
    }

    #[test]
    fn what_is_no_json_says_so() {
        assert_eq!(Node::body("<a/>").unwrap_err(), ParseError::Xml);
        for text in ["", "{", "{\"a\":}", "[1,]"] {
            assert!(
                matches!(Node::body(text), Err(ParseError::NotJson(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn scalars_are_read_as_people_send_them() {
        let value =
            json!({"t": "x", "n": 7, "e": " ", "s": "7", "b": "TRUE", "f": "1e-7", "o": {}});
        assert_eq!(text(&value, "n").as_deref(), Some("7"));
        assert_eq!(text(&value, "e"), None);
        assert_eq!(integer(&value, "s"), Some(7));
        assert_eq!(boolean(&value, "b"), Some(true));
        assert_eq!(number(&value, "f"), Some(1e-7));
        assert!(object(&value, "o").is_some() && object(&value, "t").is_none());
    }
}
