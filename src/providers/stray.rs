//! Statuses where no provider puts them: a relay in between wrapped the body, sent an inner part
//! of it, or encoded it twice.
//!
//! Only looks, so that support is notified of losses: one pass, no copy, and no memory but for
//! what is open. Messages, echoes, calls and payments are never looked into. They are recognised by
//! their place or by all the members that their provider sends, never by one member of that name,
//! since relays have such too. What is read, and where, is the providers' business.

mod facts;
mod finder;
mod text;

use serde_json::Value;

use super::json::{Member, Node};
use super::{Item, ParseError, Parsed};
use facts::Facts;
use finder::{Finder, Found};

/// What was found, and where first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stray {
    /// How many statuses.
    count: usize,
    /// The names on the way to the first.
    path: Vec<String>,
    /// Whether the first is in a text that is itself JSON, or in a form.
    in_text: bool,
}

impl Stray {
    /// What is where, and what to do, as a sentence.
    pub(super) fn reason(&self) -> String {
        let what = self.what();
        let path = self.path.join(".");
        match (self.in_text, path.as_str()) {
            (false, "") => format!(
                "{what} without the provider's envelope: have the relay post the body as it came"
            ),
            (false, path) => format!(
                "{what} in {path}, where the provider puts none: have the relay post the body as \
                 it came"
            ),
            (true, "") => {
                format!("{what} in a text: have the relay post the provider's JSON as it came")
            }
            (true, path) => format!(
                "{what} in {path} of a text: have the relay post the provider's JSON as it came"
            ),
        }
    }

    /// As [`Self::reason`], where it stands inside of what was read as something else.
    pub(super) fn reason_within(&self, read: &str) -> String {
        let what = self.what();
        let place = match (self.path.join("."), self.in_text) {
            (path, _) if path.is_empty() => read.to_owned(),
            (path, false) => format!("{path} of {read}"),
            (path, true) => format!("a text in {path} of {read}"),
        };
        format!(
            "{what} in {place}, where the provider puts none, and was not read: have the relay post \
             the body as it came"
        )
    }

    /// As [`Self::reason`], where it is an unknown field.
    pub(super) fn reason_in_field(&self, field: &str) -> String {
        let path = match self.path.join(".") {
            path if path.is_empty() => "it".to_owned(),
            path => path,
        };
        let what = self.what();
        format!("{field} is not known, and {what} in {path}: upgrade, then reprocess the webhook")
    }

    fn what(&self) -> String {
        match self.count {
            1 => "a status stands".to_owned(),
            many => format!("{many} statuses stand"),
        }
    }

    fn or(found: Found) -> Option<Self> {
        (found.count > 0).then(|| Self {
            count: found.count,
            path: found.path.into_iter().rev().collect(),
            in_text: found.in_text,
        })
    }
}

/// The statuses in it, itself one of them; `None` when there are none.
pub(super) fn find(node: &Node) -> Option<Stray> {
    let mut finder = Finder::new();
    finder.node(node);
    Stray::or(finder.finish())
}

/// The statuses in those members that are not read: their names are not known, or come again later,
/// and of several the last is read.
pub(super) fn find_beside(members: &[Member], known: &[&str]) -> Option<Stray> {
    let mut seen = 0_u32;
    // It notes each name: every member is given to it once, from the last to the first.
    let mut is_read = |name: &str| {
        let place = known.iter().position(|known| *known == name);
        let bit = place.map_or(0, |place| 1 << place.min(31));
        let is_last = seen & bit != bit;
        seen |= bit;
        is_last
    };
    let others = members.iter().rev().filter(|(name, _)| !is_read(name));
    let others: Vec<&Member> = others.filter(|(_, node)| may_hold(node)).collect();
    if others.is_empty() {
        return None;
    }
    let mut finder = Finder::new();
    finder.open(true);
    for (name, node) in others.into_iter().rev() {
        finder.name(name.bytes());
        finder.node(node);
    }
    // Not closed as an object: what it is, the caller knows. So a member that is passed over, since
    // it holds no status, changes nothing for the others.
    Stray::or(finder.finish())
}

/// Whether it may hold a status. Most members beside statuses cannot, and are not searched byte by
/// byte.
fn may_hold(node: &Node) -> bool {
    match node {
        Node::Slice(text) => Facts::may_have_sign(text),
        Node::Object(_) | Node::Array(_) => true,
    }
}

/// The statuses inside of what was read as a report, or recognised as none.
pub(super) fn find_within(read: &Value) -> Option<Stray> {
    let members = read.as_object()?;
    let mut members = members
        .iter()
        .filter(|(_, value)| may_hold_within(value))
        .peekable();
    members.peek()?;
    let mut finder = Finder::new();
    finder.open(true);
    for (name, value) in members {
        finder.name(name.bytes());
        finder.value(value);
    }
    Stray::or(finder.finish())
}

/// As [`may_hold`], of a value that was read already.
fn may_hold_within(value: &Value) -> bool {
    match value {
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| Facts::is_sign(name) || may_hold_within(value)),
        Value::Array(elements) => elements.iter().any(may_hold_within),
        // JSON, or a form.
        Value::String(text) => text.contains(['{', '=']) && Facts::may_have_sign(text),
        _ => false,
    }
}

/// Says so of a body that is no JSON but a form with statuses in a field.
pub(super) fn in_form(text: &str, error: ParseError) -> Result<Parsed, ParseError> {
    let is_form = !text.trim_start().starts_with(['{', '[', '"']);
    if !is_form || !matches!(error, ParseError::NotJson(_)) {
        return Err(error);
    }
    let mut finder = Finder::new();
    finder.text(&mut text.bytes());
    let found = Stray::or(finder.finish()).ok_or(error)?;
    Ok(Parsed {
        items: vec![Item::Unreadable(found.reason())],
    })
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_wrappers;
