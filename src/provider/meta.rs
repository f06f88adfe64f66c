//! Meta's two envelopes, and every status in them.
//!
//! The Cloud API nests statuses in `entry[].changes[].value`; the On-Premises API puts them
//! at the root, in an object of nearly the same shape, so both end in [`Walk::value`]. Which
//! one a body is, the body says: relays mix them on one URL. What a single status means is
//! in `status`, its errors in `error`, its price in `pricing`.

mod error;
mod pricing;
pub(super) mod sent;
mod status;

use std::borrow::Cow;

use super::json::{self, Member, Node};
use super::{Item, ParseError, Parsed};
use crate::model::{Report, ReportError, Status};

/// The `object` of every WhatsApp webhook of the Cloud API.
const WHATSAPP_OBJECT: &str = "whatsapp_business_account";

/// The only `field` whose statuses are those of messages; `calls` has statuses of calls.
const MESSAGES_FIELD: &str = "messages";

/// The names on the way to `statuses`, to be opened in one go.
const AROUND: [&str; 3] = ["entry", "changes", "value"];

/// The longest name of something ignored; names come from the body and end up in metrics.
const NAME_LIMIT: usize = 64;

/// Reads a body in either envelope.
///
/// # Errors
/// When it is no JSON.
pub(super) fn parse(text: &str) -> Result<Parsed, ParseError> {
    let mut walk = Walk::default();
    walk.root(&Node::opened(text, &AROUND)?);
    Ok(Parsed { items: walk.items })
}

/// An object's members, scanned once because each is asked for by name several times.
struct Members<'n, 'a>(Cow<'n, [Member<'a>]>);

impl<'n, 'a> Members<'n, 'a> {
    fn of(node: &'n Node<'a>) -> Option<Self> {
        node.members().map(Self)
    }

    /// The member of that name, of several the last; `null` is absent.
    fn get(&self, name: &str) -> Option<&Node<'a>> {
        let (_, node) = self.0.iter().rev().find(|(key, _)| key == name)?;
        (!node.is_absent()).then_some(node)
    }

    /// The trimmed text of a string member, of any other its JSON; an empty one is absent.
    fn word(&self, name: &str) -> Option<String> {
        let node = self.get(name)?;
        let word = match node.string() {
            Some(text) => text.trim().to_owned(),
            None => node.text().chars().take(NAME_LIMIT).collect(),
        };
        (!word.is_empty()).then_some(word)
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
    /// The recipient according to `contacts`, when that can be told.
    contact: Option<status::Contact>,
}

/// One pass over a body, collecting what it holds.
#[derive(Default)]
struct Walk {
    items: Vec<Item>,
}

impl Walk {
    fn root(&mut self, root: &Node) {
        let Some(members) = Members::of(root) else {
            return self.unknown_shape();
        };
        if !members.has("object") && !members.has("entry") {
            return self.value(&members, None);
        }
        if let Some(object) = members.word("object")
            && object != WHATSAPP_OBJECT
        {
            return self.ignore(named("object", &object));
        }
        self.each(members.get("entry"), "entry", Self::entry);
    }

    fn entry(&mut self, entry: &Node) {
        let Some(members) = Members::of(entry) else {
            return self.unreadable("an entry is no object");
        };
        let account_id = members.word("id");
        self.each(members.get("changes"), "changes", |walk, change| {
            walk.change(change, account_id.as_deref());
        });
    }

    fn change(&mut self, change: &Node, account_id: Option<&str>) {
        let Some(members) = Members::of(change) else {
            return self.unreadable("a change is no object");
        };
        // A relay that drops `field` still means messages when there are statuses.
        if let Some(field) = members.word("field")
            && field != MESSAGES_FIELD
        {
            return self.ignore(named("field", &field));
        }
        match members.get("value").and_then(Members::of) {
            Some(value) => self.value(&value, account_id),
            None => self.unknown_shape(),
        }
    }

    /// The object with `statuses`, `messages`, `contacts`, `errors`: a change's `value`, or
    /// the root of an On-Premises body.
    fn value(&mut self, value: &Members, account_id: Option<&str>) {
        if !["statuses", "messages", "errors"]
            .iter()
            .any(|name| value.has(name))
        {
            return self.unknown_shape();
        }
        let first = self.items.len();
        if let Some(statuses) = value.get("statuses") {
            let surroundings = surroundings(value, account_id);
            self.each(Some(statuses), "statuses", |walk, element| {
                walk.items.push(status::read(element, &surroundings));
            });
        }
        self.errors(value.get("errors"), first);
        if let Some(messages) = value.get("messages") {
            let count = messages.elements().map_or(1, |messages| messages.len());
            self.items
                .extend((0..count).map(|_| Item::Ignored(Cow::Borrowed("inbound"))));
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

    /// Hands each element of an array to `read`; an array that is none is unreadable, since
    /// there may be reports in it.
    fn each(&mut self, array: Option<&Node>, name: &str, mut read: impl FnMut(&mut Self, &Node)) {
        let Some(array) = array else {
            return self.unknown_shape();
        };
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

    fn unknown_shape(&mut self) {
        self.ignore(Cow::Borrowed("unknown-shape"));
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
    // Beside inbound messages, the contact is who wrote to us and not who we wrote to.
    let contact = value
        .get("contacts")
        .filter(|_| value.get("messages").is_none())
        .and_then(status::Contact::only);
    Surroundings {
        account_id: account_id.map(str::to_owned),
        sender: metadata("display_phone_number"),
        sender_id: metadata("phone_number_id"),
        contact,
    }
}

fn bare_failure(item: &mut Item) -> Option<&mut Report> {
    match item {
        Item::Report(report)
            if report.status == Some(Status::Failed) && report.errors.is_empty() =>
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
