//! The way through a text, byte by byte, and back with what was found.

use std::iter;

use serde_json::Value;

use super::super::json::Node;
use super::facts::Facts;
use super::text::{FormField, Unescaped};

/// How many objects a status may be inside, at most.
pub(super) const DEEPEST: usize = 6;
/// What is open at once, arrays included, at most.
const MOST_OPEN: usize = 32;
/// The longest name or word that is compared, in bytes.
const LONGEST_WORD: usize = 64;

/// The members that are never looked into; the last are what a person wrote, picked or filled in.
pub(super) const CLOSED: [&str; 19] = [
    "messages",
    "message_echoes",
    "smb_message_echoes",
    "echoes",
    "history",
    "calls",
    "call",
    "payments",
    "payment",
    "text",
    "caption",
    "callbackData",
    "biz_opaque_callback_data",
    "cleanText",
    "conversation_context",
    "button_reply",
    "list_reply",
    "nfm_reply",
    "response_json",
];

/// Names that people gave themselves: the member, and what it stands in.
pub(super) const NAMES: [[&str; 2]; 2] = [["contacts", "profile"], ["contact", "name"]];

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) count: usize,
    /// From the inside to the outside.
    pub(super) path: Vec<String>,
    pub(super) in_text: bool,
}

impl Found {
    fn add(&mut self, other: Self) {
        if self.count == 0 {
            (self.path, self.in_text) = (other.path, other.in_text);
        }
        self.count += other.count;
    }
}

/// An object, an array, or a text that is itself JSON.
#[derive(Debug, Default)]
struct Open {
    is_object: bool,
    /// Whether a name is to come.
    before_name: bool,
    name: Vec<u8>,
    facts: Facts,
    found: Found,
    /// What was found in `value` and `statuses`, which is nothing when its `field` says so.
    of_field: Found,
}

/// One pass over a JSON text, which need not be checked: what is no JSON holds nothing.
pub(super) struct Finder {
    /// From the outside to the inside; the first is around all.
    open: Vec<Open>,
    /// How many are open in which nothing is looked for.
    closed: usize,
    in_text: bool,
}

impl Finder {
    pub(super) fn new() -> Self {
        Self {
            open: vec![Open::default()],
            closed: 0,
            in_text: false,
        }
    }

    pub(super) fn finish(mut self) -> Found {
        let mut found = Found::default();
        while let Some(open) = self.open.pop() {
            let mut inner = found;
            if inner.count > 0 {
                inner.path.extend(spelled(&open.name));
            }
            found = open.found;
            found.add(open.of_field);
            found.add(inner);
        }
        found
    }

    /// Takes in a value that was read already.
    pub(super) fn value(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                self.open(true);
                for (name, value) in members {
                    self.name(name.bytes());
                    self.value(value);
                }
                self.close();
            }
            Value::Array(elements) => {
                self.open(false);
                for element in elements {
                    self.value(element);
                }
                self.close();
            }
            Value::String(text) if self.closed == 0 => self.text(&mut text.bytes()),
            Value::Number(_) => self.number(),
            Value::String(_) | Value::Bool(_) | Value::Null => {}
        }
    }

    pub(super) fn node(&mut self, node: &Node) {
        match node {
            Node::Slice(text) => {
                self.run(&mut text.bytes());
            }
            Node::Object(members) => {
                self.open(true);
                for (name, node) in members {
                    self.name(name.bytes());
                    self.node(node);
                }
                self.close();
            }
            Node::Array(elements) => {
                self.open(false);
                for element in elements {
                    self.node(element);
                }
                self.close();
            }
        }
    }

    /// Takes in a whole value; returns whether it ended with the text.
    fn run(&mut self, bytes: &mut dyn Iterator<Item = u8>) -> bool {
        let around = self.open.len();
        let mut is_over = false;
        while let Some(byte) = bytes.next() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => continue,
                _ if is_over => return false,
                b'"' => {
                    let mut text = Unescaped::new(&mut *bytes);
                    self.string(&mut text);
                    if !text.is_closed() {
                        return false;
                    }
                }
                b'{' | b'[' => self.open(byte == b'{'),
                b'}' | b']' => {
                    let fits = |open: &Open| open.is_object == (byte == b'}');
                    let fits = self.open.last().is_some_and(fits);
                    if self.closed == 0 && (self.open.len() <= around || !fits) {
                        return false;
                    }
                    self.close();
                }
                b',' | b':' if self.closed == 0 => {
                    if let Some(open) = self.open.last_mut() {
                        open.before_name = byte == b',' && open.is_object;
                    }
                }
                b'0'..=b'9' | b'-' => self.number(),
                _ => {}
            }
            is_over =
                self.closed == 0 && self.open.len() == around && matches!(byte, b'"' | b'}' | b']');
        }
        is_over
    }

    fn string(&mut self, text: &mut Unescaped) {
        let before_name = self.open.last().is_some_and(|open| open.before_name);
        if self.closed == 0 && before_name {
            self.name(text.by_ref());
        } else if self.closed == 0 {
            self.text(text);
        }
        text.for_each(drop);
    }

    /// The name of the value to come.
    pub(super) fn name(&mut self, bytes: impl Iterator<Item = u8>) {
        if self.closed == 0
            && let Some(open) = self.open.last_mut()
        {
            open.before_name = false;
            open.name.clear();
            open.name.extend(bytes.take(LONGEST_WORD));
        }
    }

    pub(super) fn open(&mut self, is_object: bool) {
        self.hold();
        let objects = self.open.iter().filter(|open| open.is_object).count();
        let is_deep = is_object && objects > DEEPEST || self.open.len() >= MOST_OPEN;
        if self.closed > 0 || is_deep || self.is_closed() {
            self.closed += 1;
            return;
        }
        self.open.push(Open {
            is_object,
            before_name: is_object,
            ..Open::default()
        });
    }

    fn close(&mut self) {
        if self.closed > 0 {
            self.closed -= 1;
            return;
        }
        let Some(mut open) = self.open.pop() else {
            return;
        };
        let facts = open.facts;
        if facts.is_status() {
            open.found = Found {
                count: 1,
                path: Vec::new(),
                in_text: self.in_text,
            };
        } else if facts.is_closed() {
            open.found = Found::default();
        } else if !facts.is_of_closed_field() {
            open.found.add(open.of_field);
        }
        let Some(around) = self.open.last_mut() else {
            return;
        };
        around.facts.add(&around.name, facts);
        if open.found.count > 0 {
            open.found.path.extend(spelled(&around.name));
            let is_of_field = matches!(around.name.as_slice(), b"value" | b"statuses");
            let kept = if is_of_field {
                &mut around.of_field
            } else {
                &mut around.found
            };
            kept.add(open.found);
        }
    }

    /// Whether the value of the latest name is never looked into.
    fn is_closed(&self) -> bool {
        let name = self.open.last().map(|open| open.name.as_slice());
        let name = name.unwrap_or_default();
        let is_in = |holder: &str| self.open.iter().any(|open| open.name == holder.as_bytes());
        CLOSED.iter().any(|closed| closed.as_bytes() == name)
            || (NAMES.iter()).any(|[holder, own]| own.as_bytes() == name && is_in(holder))
    }

    /// Says that the value of the latest name is an object or a list, or a text that is one.
    fn hold(&mut self) {
        if self.closed == 0
            && let Some(open) = self.open.last_mut()
        {
            open.facts.hold(&open.name);
        }
    }

    fn say(&mut self, text: &[u8]) {
        if self.closed == 0
            && let Some(open) = self.open.last_mut()
        {
            open.facts.say(&open.name, text);
        }
    }

    fn number(&mut self) {
        if self.closed == 0
            && let Some(open) = self.open.last_mut()
        {
            open.facts.say_number(&open.name);
        }
    }

    /// Takes in a string's text: a word, JSON in JSON, or a form.
    pub(super) fn text(&mut self, bytes: &mut impl Iterator<Item = u8>) {
        let looks_inside = !self.in_text && !self.is_closed();
        let Some(first) = bytes.find(|byte| !byte.is_ascii_whitespace()) else {
            return;
        };
        if looks_inside && matches!(first, b'{' | b'[') {
            self.hold();
            return self.inside(first, bytes);
        }
        let mut word = vec![first];
        for byte in bytes.by_ref() {
            if byte == b'=' && looks_inside {
                return self.form(&word, bytes);
            }
            word.push(byte);
            if word.len() == LONGEST_WORD {
                break;
            }
        }
        self.say(&word);
    }

    /// Takes in a text that begins as JSON does; what ends otherwise holds nothing.
    fn inside(&mut self, first: u8, bytes: &mut impl Iterator<Item = u8>) {
        let around = self.open.len();
        self.open.push(Open::default());
        self.in_text = true;
        let is_whole = self.run(&mut iter::once(first).chain(bytes));
        self.in_text = false;
        self.closed = 0;
        self.open.truncate(around + 1);
        let inner = self.open.pop().filter(|_| is_whole);
        if let (Some(mut inner), Some(open)) = (inner, self.open.last_mut())
            && inner.found.count > 0
        {
            inner.found.path.extend(spelled(&open.name));
            open.found.add(inner.found);
        }
    }

    /// Takes in a form from behind the `=` of its first field.
    fn form(&mut self, name: &[u8], bytes: &mut impl Iterator<Item = u8>) {
        let mut name = name.to_vec();
        loop {
            let mut field = FormField::new(&mut *bytes);
            let is_closed = CLOSED.iter().any(|closed| closed.as_bytes() == name);
            let first = field.find(|byte| !byte.is_ascii_whitespace());
            if let Some(first @ (b'{' | b'[')) = first.filter(|_| !is_closed) {
                self.inside(first, &mut field);
            }
            field.by_ref().for_each(drop);
            if !field.has_next() {
                return;
            }
            name.clear();
            name.extend(
                bytes
                    .by_ref()
                    .take_while(|byte| *byte != b'=')
                    .take(LONGEST_WORD),
            );
        }
    }
}

/// A name for the sentence; a possible phone number or a text that is no name is left out.
fn spelled(name: &[u8]) -> Option<String> {
    if name.is_empty() {
        return None;
    }
    let is_plain = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-');
    let name = name
        .iter()
        .all(is_plain)
        .then(|| String::from_utf8_lossy(name));
    Some(name.map_or_else(|| "?".to_owned(), |name| name.chars().take(32).collect()))
}
