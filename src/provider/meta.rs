//! Meta's two envelopes, and every status in them.
//!
//! The Cloud API nests statuses in `entry[].changes[].value`; the On-Premises API puts them
//! at the root, in an object of nearly the same shape, so both end in [`Walk::value`]. Which
//! one a body is, the body says: relays mix them on one URL, put them into arrays, and pass on a
//! single entry, change or value. What a single status means is in `status`, its errors in
//! `error`, its price in `pricing`, and whose it is in `contacts`.

mod contacts;
mod error;
mod field;
mod pricing;
pub(super) mod sent;
mod status;

use std::borrow::Cow;

use super::json::{self, Member, Node};
use super::stray::{self, Stray};
use super::{Item, ParseError, Parsed};
use crate::model::{Report, ReportError, Status};
use contacts::Contacts;
pub(super) use field::is_without_statuses as is_field_without_statuses;

/// The `object` of every WhatsApp webhook of the Cloud API.
const WHATSAPP_OBJECT: &str = "whatsapp_business_account";

/// The only `field` whose statuses are those of messages; `calls` has statuses of calls.
const MESSAGES_FIELD: &str = "messages";

/// The names on the way to `statuses`, to be opened in one go.
const AROUND: [&str; 3] = ["entry", "changes", "value"];

/// How deep arrays may be inside arrays at the root.
const DEEPEST_ARRAY: usize = 6;

/// The lists by which a value is known as one.
const LISTS: [&str; 3] = ["statuses", "messages", "errors"];

/// The members that each part of a body is known to have.
const OF_ENVELOPE: [&str; 2] = ["object", "entry"];
const OF_ENTRY: [&str; 3] = ["id", "time", "changes"];
const OF_CHANGE: [&str; 2] = ["field", "value"];
const OF_VALUE: [&str; 7] = [
    "messaging_product",
    "metadata",
    "contacts",
    "statuses",
    "messages",
    "errors",
    "field",
];

/// The name under which a shape is counted that is none of Meta's.
const UNKNOWN: &str = "unknown-shape";

/// The longest name of something ignored; names come from the body and end up in metrics.
const NAME_LIMIT: usize = 64;

/// Reads a body in either envelope.
///
/// # Errors
/// When it is no JSON.
pub(super) fn parse(text: &str) -> Result<Parsed, ParseError> {
    let mut walk = Walk::default();
    walk.root(&Node::opened(text, &AROUND)?, 0);
    Ok(Parsed { items: walk.items })
}

/// An object's members, scanned once because each is asked for by name several times.
struct Members<'n, 'a>(Cow<'n, [Member<'a>]>);

impl<'n, 'a> Members<'n, 'a> {
    fn of(node: &'n Node<'a>) -> Option<Self> {
        node.members().map(Self)
    }

    /// The member of that name, of several the last; an empty one is absent.
    fn get(&self, name: &str) -> Option<&Node<'a>> {
        let (_, node) = self.0.iter().rev().find(|(key, _)| key == name)?;
        (!node.is_absent()).then_some(node)
    }

    /// The trimmed text of a string or number, of any other member its JSON; an empty one is
    /// absent.
    fn word(&self, name: &str) -> Option<String> {
        let node = self.get(name)?;
        let start = || node.text().chars().take(NAME_LIMIT).collect::<String>();
        let word = match node.text().as_bytes().first() {
            Some(b'{' | b'[') => start(),
            _ => json::scalar(&node.value().ok()?)?.trim().to_owned(),
        };
        (!matches!(word.as_str(), "" | "[]")).then_some(word)
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }
}

/// What stands around a status and holds for all its neighbours.
#[derive(Default)]
struct Surroundings {
    /// `entry[].id`.
    account_id: Option<String>,
    /// `metadata.display_phone_number`.
    sender: Option<String>,
    /// `metadata.phone_number_id`.
    sender_id: Option<String>,
    /// Who is named in `contacts`.
    contacts: Contacts,
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
        let is_value = LISTS.into_iter().any(has);
        if has("object") || has("entry") {
            self.envelope(&members, root);
        } else if has("changes") && !is_value {
            self.entry(&members);
        } else if members.get("value").is_some_and(Node::is_object) && !is_value {
            self.change(&members, root, None);
        } else if let Some(field) = members.word("field").filter(|it| it != MESSAGES_FIELD) {
            self.other_field(&field, root);
        } else {
            self.value(&members, root, None);
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
        self.list(
            members.get("entry"),
            "entry",
            stray,
            |walk, entry| match Members::of(entry) {
                Some(members) => walk.entry(&members),
                None => walk.unreadable("an entry is no object"),
            },
        );
    }

    fn entry(&mut self, members: &Members) {
        let account_id = members.word("id");
        let stray = stray::find_beside(&members.0, &OF_ENTRY);
        self.list(
            members.get("changes"),
            "changes",
            stray,
            |walk, change| match Members::of(change) {
                Some(members) => walk.change(&members, change, account_id.as_deref()),
                None => walk.unreadable("a change is no object"),
            },
        );
    }

    fn change(&mut self, members: &Members, change: &Node, account_id: Option<&str>) {
        // A relay that drops `field` still means messages when there are statuses.
        if let Some(field) = members.word("field").filter(|it| it != MESSAGES_FIELD) {
            return self.other_field(&field, change);
        }
        let Some(value) = members.get("value") else {
            return self.unknown(change);
        };
        if let Some(stray) = stray::find_beside(&members.0, &OF_CHANGE) {
            self.unreadable(stray.reason());
        }
        match Members::of(value) {
            Some(members) => self.value(&members, value, account_id),
            None => self.unknown(value),
        }
    }

    /// What is of another field than the one whose statuses are those of messages: ignored when
    /// it is known, and when it holds none.
    fn other_field(&mut self, field: &str, node: &Node) {
        let name = named("field", field);
        let is_known = field::is_without_statuses(field);
        match (!is_known).then(|| stray::find(node)).flatten() {
            Some(stray) => self.unreadable(stray.reason_in_field(&name)),
            None => self.ignore(name),
        }
    }

    /// The object with `statuses`, `messages`, `contacts`, `errors`: a change's `value`, or
    /// the root of an On-Premises body.
    fn value(&mut self, value: &Members, node: &Node, account_id: Option<&str>) {
        if !LISTS.into_iter().any(|name| value.has(name)) {
            return match value.word("event") {
                // 360dialog's notices of a partner's clients come to the same URL.
                Some(event) if stray::find(node).is_none() => self.ignore(named("event", &event)),
                _ => self.unknown(node),
            };
        }
        let first = self.items.len();
        if let Some(statuses) = value.get("statuses") {
            let surroundings = surroundings(value, account_id);
            self.each(statuses, "statuses", |walk, element| {
                walk.items.push(status::read(element, &surroundings));
            });
        }
        self.errors(value.get("errors"), first);
        if let Some(messages) = value.get("messages") {
            let count = messages.elements().map_or(1, |messages| messages.len());
            self.items
                .extend((0..count).map(|_| Item::Ignored(Cow::Borrowed("inbound"))));
        }
        if let Some(stray) = stray::find_beside(&value.0, &OF_VALUE) {
            self.unreadable(stray.reason());
        }
    }

    /// Errors beside the statuses (which start at item `first`): some On-Premises builds
    /// put the error of a failed status there. They are its own only when exactly one
    /// failed status has none itself; otherwise they are about the channel.
    fn errors(&mut self, errors: Option<&Node>, first: usize) {
        let errors = errors
            .and_then(|node| node.value().ok())
            .map(|value| error::all(Some(&value)))
            .unwrap_or_default();
        if errors.is_empty() {
            return;
        }
        let mut bare = self.items[first..].iter_mut().filter_map(bare_failure);
        if let (Some(report), None) = (bare.next(), bare.next()) {
            report.errors = errors;
        } else {
            let names = errors.iter().map(channel_error);
            self.items.extend(names.map(Item::Ignored));
        }
    }

    /// The list that a part of the body is there for, and what stands beside it.
    fn list(
        &mut self,
        list: Option<&Node>,
        name: &str,
        stray: Option<Stray>,
        read: impl FnMut(&mut Self, &Node),
    ) {
        match (list, &stray) {
            (Some(list), _) => self.each(list, name, read),
            (None, None) => self.ignore(Cow::Borrowed(UNKNOWN)),
            (None, Some(_)) => {}
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

fn surroundings(value: &Members, account_id: Option<&str>) -> Surroundings {
    let metadata = value.get("metadata").and_then(|node| node.value().ok());
    let metadata = |name| {
        metadata
            .as_ref()
            .and_then(|metadata| json::text(metadata, name))
    };
    let contacts = value.get("contacts").map(Contacts::read);
    let mut contacts = contacts.unwrap_or_default();
    // Beside inbound messages, a contact that is alone may be who wrote to us, and beside several
    // statuses nothing tells whose it is.
    let count = |name| {
        let list = value.get(name)?;
        Some(list.elements().map_or(1, |elements| elements.len()))
    };
    if contacts.only().is_some() && (count("messages") > Some(0) || count("statuses") > Some(1)) {
        contacts.forget_the_only();
    }
    Surroundings {
        account_id: account_id.map(str::to_owned),
        sender: metadata("display_phone_number"),
        sender_id: metadata("phone_number_id"),
        contacts,
    }
}

/// Whether this is a word by which a message's status is told.
pub(super) fn is_status_word(word: &str) -> bool {
    status::meaning(word).is_some()
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

fn channel_error(error: &ReportError) -> Cow<'static, str> {
    let code = error.code.map(|code| code.to_string());
    named("channel-error", code.as_deref().unwrap_or("unknown"))
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
