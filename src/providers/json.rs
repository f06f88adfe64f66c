//! Reading foreign JSON leniently: one odd value costs that value, never its neighbours.
//!
//! A body is walked as [`Node`]s, slices of the received text, so that an element that
//! cannot be read leaves the others readable and its exact bytes are at hand; what is around
//! the elements may be opened in one go when it is as it should be. An element
//! itself becomes a [`Value`], read through the functions below: what is empty (`""`, `null`,
//! `{}`, `[]`) is absent, numbers may stand where text belongs and the other way round.

mod complexity;
mod member;
mod opening;

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::ParseError;
use crate::model::{json_reason, json_without_nul};
pub(crate) use complexity::Complexity;
use complexity::MOST;
pub(super) use complexity::entries;
pub(super) use member::{
    boolean, integer, integer_in, integer_of, is_absent, number, object, present, scalar, text,
    word, word_of,
};

/// Up to this length, in bytes, a text is read as a value whatever is in it: a value takes up to
/// eighty times its text.
const SHORT: usize = 256 * 1024;

/// A JSON value of the received text.
#[derive(Debug, Clone)]
pub(super) enum Node<'a> {
    /// As it stands in the text, not yet looked into.
    Slice(&'a str),
    /// An object that was opened with what is around it.
    Object(Vec<Member<'a>>),
    /// An array that was opened with what is around it.
    Array(Vec<Node<'a>>),
}

/// Name and value.
pub(super) type Member<'a> = (Cow<'a, str>, Node<'a>);

impl<'a> Node<'a> {
    /// The whole body.
    ///
    /// # Errors
    /// When it is no JSON, or XML.
    pub(super) fn body(text: &'a str) -> Result<Self, ParseError> {
        if text.trim_start().starts_with('<') {
            return Err(ParseError::Xml);
        }
        if text.trim().is_empty() {
            return Err(ParseError::NotJson("the body is empty".to_owned()));
        }
        match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) => Ok(Self::Slice(raw.get())),
            Err(error) => Err(ParseError::NotJson(json_reason(&error))),
        }
    }

    /// The whole body, in it the members of these names, and in those, opened on the way: a
    /// slice is read once more for each level that is opened in it.
    ///
    /// Only what is as it should be is opened so; any other body is a slice.
    ///
    /// # Errors
    /// As [`Node::body`].
    pub(super) fn opened(text: &'a str, names: &[&str]) -> Result<Self, ParseError> {
        let mut json = serde_json::Deserializer::from_str(text);
        let opened = opening::open(&mut json, names);
        match (opened, json.end()) {
            (Ok(node), Ok(())) => Ok(node),
            _ => Self::body(text),
        }
    }

    /// The exact text of a slice; none of what is open.
    pub(super) const fn text(&self) -> &'a str {
        match self {
            Self::Slice(text) => text,
            Self::Object(_) | Self::Array(_) => "",
        }
    }

    /// Whether this is an object.
    pub(super) fn is_object(&self) -> bool {
        matches!(self, Self::Object(_)) || self.text().starts_with('{')
    }

    /// Whether this says nothing: `null`, a blank text, an empty object. An empty array is a
    /// list of nothing: what reads its elements finds none.
    pub(super) fn is_absent(&self) -> bool {
        /// The longest text of which blanks in escapes are looked for.
        const LONGEST_BLANK: usize = 64;
        match self {
            Self::Object(members) => members.is_empty(),
            Self::Array(_) => false,
            Self::Slice("null") => true,
            Self::Slice(text) => match text.as_bytes() {
                [b'{', inner @ .., b'}'] => inner.trim_ascii().is_empty(),
                [b'"', inner @ .., b'"'] => {
                    let is_blank = |text: String| text.trim().is_empty();
                    inner.trim_ascii().is_empty()
                        || inner.len() <= LONGEST_BLANK && self.string().is_some_and(is_blank)
                }
                _ => false,
            },
        }
    }

    /// The member of that name; of several, the last. `None` when this is no object.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let members = self.members()?;
        let (_, node) = members.iter().rev().find(|(key, _)| key == name)?;
        Some(node.clone())
    }

    /// The members in the order of the text, repeated ones included; `None` when this is
    /// no object.
    pub(super) fn members(&self) -> Option<Cow<'_, [Member<'a>]>> {
        match self {
            Self::Object(members) => Some(Cow::Borrowed(members)),
            Self::Slice(text) if text.starts_with('{') => serde_json::Deserializer::from_str(text)
                .deserialize_map(MembersVisitor)
                .ok()
                .map(Cow::Owned),
            Self::Slice(_) | Self::Array(_) => None,
        }
    }

    /// The elements; `None` when this is no array.
    pub(super) fn elements(&self) -> Option<Cow<'_, [Self]>> {
        match self {
            Self::Array(elements) => Some(Cow::Borrowed(elements)),
            Self::Slice(text) if text.starts_with('[') => serde_json::Deserializer::from_str(text)
                .deserialize_seq(Elements)
                .ok()
                .map(Cow::Owned),
            Self::Slice(_) | Self::Object(_) => None,
        }
    }

    /// The string this is; `None` when it is anything else.
    pub(super) fn string(&self) -> Option<String> {
        match self.value().ok()? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a slice, fully read. A lone surrogate (`\ud800`), which no Rust string
    /// can hold, becomes U+FFFD, and so does a NUL character.
    ///
    /// # Errors
    /// When there is too much in it, it is nested too deep, or a number in it is out of all range.
    pub(super) fn value(&self) -> Result<Value, serde_json::Error> {
        let text = self.text();
        if text.len() > SHORT && Complexity::of(text).values() > MOST {
            let detail = format_args!("more than {MOST} values in one");
            return Err(serde_json::Error::custom(detail));
        }
        let text = json_without_nul(text);
        serde_json::from_str(&text).or_else(|error| {
            let mended = mend_lone_surrogates(&text);
            if mended == text {
                return Err(error);
            }
            serde_json::from_str(&mended)
        })
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Vec<Member<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(8);
        // Keys are read raw too: a lone surrogate in one must not lose the others.
        while let Some(key) = map.next_key::<&RawValue>()? {
            let value: &RawValue = map.next_value()?;
            let name = Node::Slice(key.get()).string().unwrap_or_default();
            members.push((Cow::Owned(name), Node::Slice(value.get())));
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
            elements.push(Node::Slice(value.get()));
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
        let results = body.get("results").unwrap();
        let elements = results.elements().unwrap();
        assert_eq!(elements.len(), 3);
        assert_eq!(elements[2].value().unwrap(), json!({"x": "y"}));
    }

    /// Everything in it, opened to the last.
    fn all(node: &Node) -> String {
        if let Some(members) = node.members() {
            let member = |(name, node): &Member| format!("{name:?}:{}", all(node));
            return format!("{{{}}}", members.iter().map(member).collect::<String>());
        }
        match node.elements() {
            Some(elements) => format!("[{}]", elements.iter().map(all).collect::<String>()),
            None => node.text().to_owned(),
        }
    }

    #[test]
    fn opening_in_one_go_finds_what_opening_step_by_step_finds() {
        let deep = format!("{}{}", r#"{"a":"#.repeat(200), "}".repeat(200));
        let deep = deep.replace(r#"{"a":}"#, "{}");
        let cases = [
            (r#"{"a":[{"a":{"b":[1,{"a":2}]}}],"c":"d"}"#, true),
            (r#"[{"a":[]},{"b":null}]"#, true),
            (r#" {"\u0061":{"x":1},"a":{"x":2},"b":"\ud800"} "#, true),
            (r#"{"a":7,"b":8}"#, false),
            (r#"{"a":"\ud800"}"#, false),
            (r#"{"a":[{"b":1},null]}"#, false),
            (r#"{"\ud800":1,"a":{"b":2}}"#, false),
            ("7", false),
            (&deep, false),
        ];
        for (text, opens) in cases {
            let opened = Node::opened(text, &["a"]).unwrap();
            assert_eq!(!matches!(opened, Node::Slice(_)), opens, "{text}");
            assert_eq!(all(&opened), all(&Node::body(text).unwrap()), "{text}");
        }
        for text in ["", "{", "{\"a\":}", "[1,]", "{\"a\":{}}}", "<a/>"] {
            let opened = Node::opened(text, &["a"]).unwrap_err();
            assert_eq!(opened, Node::body(text).unwrap_err(), "{text}");
        }
    }

    #[test]
    fn what_is_opened_in_one_go_is_bounded_and_the_rest_is_found_step_by_step() {
        let body = |count| format!(r#"{{"a":[{}{{}}]}}"#, r#"{"a":{}},"#.repeat(count));
        for (count, opens) in [(100, true), (1_000, false)] {
            let text = body(count);
            let opened = Node::opened(&text, &["a"]).unwrap();
            assert_eq!(!matches!(opened, Node::Slice(_)), opens, "{count}");
            assert_eq!(all(&opened), all(&Node::body(&text).unwrap()), "{count}");
        }
    }

    #[test]
    fn a_value_with_too_much_in_it_says_so() {
        let list = format!("[{}0]", "0,".repeat(SHORT / 2));
        let error = Node::body(&list).unwrap().value().unwrap_err();
        assert_eq!(error.to_string(), "more than 32768 values in one");
        let shorter = format!("[{}0]", "0,".repeat(SHORT / 2 - 2));
        let text = format!("[{:?}]", ",[".repeat(SHORT));
        for list in [shorter, text] {
            assert!(Node::body(&list).unwrap().value().is_ok());
        }
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
    fn a_node_that_says_nothing_is_absent_and_an_empty_list_is_a_list() {
        let empty = ["null", r#""""#, r#"" \t""#, "{ }"];
        let full = ["[]", "0", "false", r#""0""#, "[0]", r#"{"a":null}"#];
        for text in [&empty[..], &full].concat() {
            let node = Node::body(text).unwrap();
            assert_eq!(node.is_absent(), empty.contains(&text), "{text}");
        }
    }
}
