//! Statuses where no provider puts them: a relay in between wrapped the body, sent an inner part
//! of it, or encoded it twice.
//!
//! Only looks, so that support is told of what was lost: one pass, no copy, and no memory but for
//! what is open. What people wrote and what belongs to calls and payments is never looked into.
//! What is read, and where, is the providers' business.

mod facts;
mod finder;
mod text;

use super::json::{Member, Node};
use super::{Item, ParseError, Parsed};
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

    /// As [`Self::reason`], where it is a field that nobody here knows.
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

/// The statuses in those members whose names are not known.
pub(super) fn find_beside(members: &[Member], known: &[&str]) -> Option<Stray> {
    let unknown = |(name, _): &&Member| !known.contains(&name.as_ref());
    let mut unknown = members.iter().filter(unknown).peekable();
    unknown.peek()?;
    let mut finder = Finder::new();
    finder.open(true);
    for (name, node) in unknown {
        finder.name(name.bytes());
        finder.node(node);
    }
    // Not closed as an object: what it is, the caller knows.
    Stray::or(finder.finish())
}

/// A body that is no JSON but a form with statuses in a field is told as such.
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
