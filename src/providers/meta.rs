//! Meta's two envelopes, and every status in them.
//!
//! The Cloud API nests statuses in `entry[].changes[].value`; the On-Premises API puts them
//! at the root, in an object of nearly the same shape, so both end in [`Walk::value`]. Which
//! one a body is, the body says: relays mix them on one URL, put them into arrays, and pass on a
//! single entry, change or value. What a single status means is in `status`, its errors in
//! `error`, its price in `pricing`, and whose it is in `contacts`.

mod account;
pub(super) mod causes;
mod channel;
pub(super) mod cloud;
mod contacts;
mod echo;
mod error;
pub(super) mod events;
pub(super) mod field;
mod members;
mod notice;
pub(super) mod on_premises;
mod other_field;
mod pricing;
mod sample;
pub(super) mod send_receipt;
mod status;
mod surroundings;
mod system;
mod time;
pub(super) mod words;

use std::borrow::Cow;

use super::definition::ErrorCatalogue;
use super::json::Node;
use super::stray::{self, Stray};
use super::{Hints, Item, ParseError, Parsed};
use crate::model::{Field, Report, Status};
use members::Members;
use surroundings::{Around, Surroundings};

/// The error codes of Meta, whichever API or relay passes them on.
pub(super) const ERRORS: ErrorCatalogue = ErrorCatalogue {
    name: "meta",
    title: "Meta",
    toml: include_str!("meta/errors.toml"),
    refusals: None,
    causes: causes::CAUSES,
    vague: causes::VAGUE,
};

/// The `object` of every WhatsApp webhook of the Cloud API.
const WHATSAPP_OBJECT: &str = "whatsapp_business_account";

/// What a copy for an app that only watches has in its `value`, and everything else in that.
const STANDBY: &str = "standby";

/// The names on the way to `statuses`, to be opened in one go.
const AROUND: [&str; 4] = ["entry", "changes", "value", STANDBY];

/// How deep arrays may be inside arrays at the root.
const DEEPEST_ARRAY: usize = 6;

/// The lists by which a value is known as one.
const LISTS: [&str; 4] = ["statuses", "messages", "errors", "user_actions"];

/// The members that each part of a body is known to have.
const OF_ENVELOPE: [&str; 2] = ["object", "entry"];
const OF_ENTRY: [&str; 3] = ["id", "time", "changes"];
const OF_CHANGE: [&str; 2] = ["field", "value"];
const OF_VALUE: [&str; 4] = ["messaging_product", "statuses", "messages", "field"];

/// The longest name of something ignored; names come from the body and end up in metrics.
const NAME_LIMIT: usize = 64;

/// The name under which a shape is counted that is none of Meta's.
const UNKNOWN: &str = "unknown-shape";

/// Reads a body in either envelope, by its members: relays mix them on one URL.
///
/// # Errors
/// When it is no JSON.
pub(super) fn read(text: &str, _: &Hints) -> Result<Parsed, ParseError> {
    let mut walk = Walk::default();
    walk.root(&Node::opened(text, &AROUND)?, 0);
    Ok(Parsed { items: walk.items })
}

/// One pass over a body, collecting what it holds.
#[derive(Default)]
struct Walk {
    items: Vec<Item>,
}

impl Walk {
    /// The root, or an element of an array there: an envelope, or a part of one.
    fn root(&mut self, root: &Node, arrays: usize) {
        if arrays <= DEEPEST_ARRAY
            && let Some(elements) = root.elements()
        {
            for element in elements.iter() {
                self.root(element, arrays + 1);
            }
            return;
        }
        let Some(members) = Members::of(root) else {
            return self.unknown(root);
        };
        let has = |name: &str| members.get(name).is_some();
        let is_value = has(STANDBY) || LISTS.into_iter().any(has);
        if has("object") || has("entry") {
            self.envelope(&members, root);
        } else if has("changes") && !is_value {
            self.entry(&members);
        } else if members.get("value").is_some_and(Node::is_object) && !is_value {
            self.change(&members, root, Around::default());
        } else {
            let around = Around::default();
            match field::of(&members) {
                Ok(field) => self.value(&members, root, Around { field, ..around }),
                Err(other) => self.other_field(&other, root, around),
            }
        }
    }

    fn envelope(&mut self, members: &Members, node: &Node) {
        if let Some(object) = members.word("object")
            && object != WHATSAPP_OBJECT
        {
            let name = named("object", &object);
            return match stray::find(node) {
                Some(stray) => self.unreadable(stray.reason()),
                None => self.ignore(name),
            };
        }
        let stray = stray::find_beside(&members.0, &OF_ENVELOPE);
        let first = self.items.len();
        self.list(members, "entry", stray, |walk, entry| {
            match Members::of(entry) {
                Some(members) => walk.entry(&members),
                None => walk.unreadable("an entry is no object"),
            }
        });
        self.errors_around(members, first, Around::default());
    }

    fn entry(&mut self, members: &Members) {
        let (account_id, time) = (members.word("id"), members.word("time"));
        let around = Around {
            account_id: account_id.as_deref(),
            time: time.as_deref(),
            field: None,
        };
        let stray = stray::find_beside(&members.0, &OF_ENTRY);
        let first = self.items.len();
        self.list(
            members,
            "changes",
            stray,
            |walk, change| match Members::of(change) {
                Some(members) => walk.change(&members, change, around),
                None => walk.unreadable("a change is no object"),
            },
        );
        self.errors_around(members, first, around);
    }

    fn change(&mut self, members: &Members, change: &Node, around: Around) {
        // A relay that drops `field` still means messages when there are statuses.
        let field = match field::of(members) {
            Ok(field) => field,
            Err(other) => return self.other_field(&other, change, around),
        };
        let first = self.items.len();
        let Some(value) = members.get("value") else {
            self.errors_around(members, first, Around { field, ..around });
            if self.items.len() == first {
                self.unknown(change);
            }
            return;
        };
        self.beside(members, &OF_CHANGE);
        match Members::of(value) {
            Some(members) => self.value(&members, value, Around { field, ..around }),
            None => self.text(value, Around { field, ..around }),
        }
        self.errors_around(members, first, Around { field, ..around });
    }

    /// The object with `statuses`, `messages`, `contacts`, `errors`: a change's `value`, or
    /// the root of an On-Premises body. In a copy for a watcher it stands one level deeper.
    fn value(&mut self, value: &Members, node: &Node, around: Around) {
        let inner = value.get(STANDBY);
        if around.field == Some(Field::Standby) || inner.is_some() {
            return self.standby(value, inner, around);
        }
        if LISTS.into_iter().any(|name| value.has(name)) {
            self.level(value, value, around);
            return self.beside(value, &OF_VALUE);
        }
        let is_read = self.account(account::read_without_field(node, around));
        match (stray::find(node), value.word("event")) {
            (Some(stray), _) => self.unreadable(stray.reason()),
            (None, _) if is_read => {}
            // 360dialog's notices of a partner's clients come to the same URL.
            (None, Some(event)) => self.ignore(named("event", &event)),
            (None, None) => self.ignore(Cow::Borrowed(UNKNOWN)),
        }
    }

    /// A value with one inside, or several; some relays leave the statuses in the outer one.
    fn standby(&mut self, value: &Members, inner: Option<&Node>, around: Around) {
        let around = Around {
            field: Some(Field::Standby),
            ..around
        };
        let before = self.items.len();
        self.level(value, value, around);
        let single = || inner.map(|inner| Cow::Owned(vec![inner.clone()]));
        let all = inner.and_then(Node::elements).or_else(single);
        for inner in all.iter().flat_map(|all| all.iter()) {
            match (Members::of(inner), stray::find(inner)) {
                (Some(members), _) => {
                    self.level(&members, value, around);
                    self.beside(&members, &OF_VALUE);
                }
                (None, Some(stray)) => self.unreadable(stray.reason()),
                (None, None) => {}
            }
        }
        self.beside(value, &[&OF_VALUE[..], &[STANDBY]].concat());
        if self.items.len() == before {
            self.ignore(named("field", STANDBY));
        }
    }

    /// One level with `statuses` and the like; what it lacks of its surroundings stands in `outer`.
    fn level(&mut self, level: &Members, outer: &Members, around: Around) {
        let first = self.items.len();
        let surroundings = || Surroundings::of(level, outer, around);
        if let Some(statuses) = level.get("statuses") {
            let surroundings = surroundings();
            self.each(statuses, "statuses", |walk, element| {
                status::read(element, &surroundings, &mut walk.items);
            });
        }
        if let Some(errors) = level.get("errors") {
            self.errors(errors, first, &surroundings(), around);
        }
        if let Some(messages) = level.get("messages") {
            self.count(messages, "inbound");
        }
        let people = system::people(level, &self.items[first..]);
        self.items.extend(people);
        if let Some(actions) = level.get("user_actions") {
            self.count(actions, "user-action");
        }
        if around.field == Some(Field::Standby)
            && let Some(echoes) = level.get("message_echoes").and_then(Node::elements)
        {
            let surroundings = surroundings();
            let echoes = echoes.iter().map(|echo| echo::read(echo, &surroundings));
            self.items.extend(echoes);
        }
    }

    /// Looks for statuses beside those members of a level that are known.
    fn beside(&mut self, level: &Members, known: &[&str]) {
        if let Some(stray) = stray::find_beside(&level.0, known) {
            self.unreadable(stray.reason());
        }
    }

    /// Counts the elements, or the one thing in their place, as ignored.
    fn count(&mut self, array: &Node, name: &'static str) {
        let count = array.elements().map_or(1, |elements| elements.len());
        self.items
            .extend((0..count).map(|_| Item::Ignored(Cow::Borrowed(name))));
    }

    /// Errors beside the statuses (which start at item `first`): some On-Premises builds
    /// put the error of a failed status there. They are its own only when exactly one
    /// failed status has none itself; otherwise they are about the channel.
    fn errors(&mut self, errors: &Node, first: usize, beside: &Surroundings, around: Around) {
        let errors = errors.value().map(|value| error::all(Some(&value)));
        let mut errors = errors.unwrap_or_default();
        errors.retain(|error| !error::says_nothing(error));
        if errors.is_empty() {
            return;
        }
        let mut bare = self.items[first..].iter_mut().filter_map(bare_failure);
        if let (Some(report), None) = (bare.next(), bare.next()) {
            report.errors = errors;
        } else {
            let events = errors.iter();
            let events = events.map(|error| channel::event_of(error, beside, around));
            self.account(events.collect());
        }
    }

    /// Errors beside the parts of an envelope, an entry or a change, which start at item `first`.
    fn errors_around(&mut self, part: &Members, first: usize, around: Around) {
        if let Some(errors) = part.get("errors") {
            let surroundings = Surroundings::of(part, part, around);
            self.errors(errors, first, &surroundings, around);
        }
    }

    /// The list that a part of the body is there for, and what stands beside it.
    fn list(
        &mut self,
        part: &Members,
        name: &str,
        stray: Option<Stray>,
        read: impl FnMut(&mut Self, &Node),
    ) {
        match (part.get(name), &stray) {
            (Some(list), _) => self.each(list, name, read),
            (None, None) if part.get("errors").is_none() => self.ignore(Cow::Borrowed(UNKNOWN)),
            (None, _) => {}
        }
        if let Some(stray) = stray {
            self.unreadable(stray.reason());
        }
    }

    /// Hands each element of an array to `read`; an array that is none is unreadable, since
    /// there may be reports in it.
    fn each(&mut self, array: &Node, name: &str, mut read: impl FnMut(&mut Self, &Node)) {
        match array.elements() {
            Some(elements) => {
                for element in elements.iter() {
                    read(self, element);
                }
            }
            None => self.unreadable(format!("{name} is no array")),
        }
    }

    fn ignore(&mut self, name: Cow<'static, str>) {
        self.items.push(Item::Ignored(name));
    }

    /// What is of no known shape; a status in it is not to be lost in silence.
    fn unknown(&mut self, node: &Node) {
        match stray::find(node) {
            Some(stray) => self.unreadable(stray.reason()),
            None => self.ignore(Cow::Borrowed(UNKNOWN)),
        }
    }

    fn unreadable(&mut self, why: impl Into<String>) {
        self.items.push(Item::Unreadable(why.into()));
    }
}

fn bare_failure(item: &mut Item) -> Option<&mut Report> {
    match item {
        Item::Report(report)
            if report.status == Some(Status::Failed)
                && report.errors.iter().all(error::says_nothing) =>
        {
            Some(report)
        }
        _ => None,
    }
}

/// `prefix:word` in printable ASCII, cut to [`NAME_LIMIT`].
fn named(prefix: &str, word: &str) -> Cow<'static, str> {
    let printable = |letter: char| {
        if letter.is_ascii_graphic() {
            letter
        } else {
            '?'
        }
    };
    let name = [prefix, ":", word].concat();
    Cow::Owned(name.chars().map(printable).take(NAME_LIMIT).collect())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_parts;
