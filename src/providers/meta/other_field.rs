//! What of a body is of another field than messages: notices about the account, and what is known to
//! hold no status. A relay may have made a text of it.

use super::super::Item;
use super::super::json::Node;
use super::super::stray;
use super::members::Members;
use super::surroundings::Around;
use super::{OF_CHANGE, OF_VALUE, Walk, account, field, named, notice};
use crate::model::AccountEvent;

/// What is said of a `value` that a relay made a text of, and that is not read.
const UNREAD_TEXT: &str =
    "value is a text that is not one JSON object: have the relay post the body as it came";

impl Walk {
    /// A value of which a relay made a text: the parts of it without a status are read.
    pub(super) fn text(&mut self, value: &Node, around: Around) {
        let inner = notice::inner_text(value);
        let inner = inner.as_deref().map(Node::body);
        match (stray::find(value), inner) {
            (None, Some(Ok(node))) => match Members::of(&node) {
                Some(members) => self.value(&members, &node, around),
                None => self.unknown(value),
            },
            (None, Some(Err(_))) => self.unreadable(UNREAD_TEXT.to_owned()),
            _ => self.unknown(value),
        }
    }

    /// What is of another field than those whose statuses are those of messages: a notice about
    /// the account, or ignored when it is known, and when it holds none.
    pub(super) fn other_field(&mut self, field: &str, node: &Node, around: Around) {
        let is_read = self.account(account::read(field, node, around));
        let name = named("field", field);
        let members = node.members().unwrap_or_default();
        let stray = if field::is_closed(field) {
            stray::find_beside(&members, &[&OF_CHANGE[..], &OF_VALUE].concat())
        } else {
            stray::find(node)
        };
        match stray {
            Some(stray) if field::is_without_statuses(field) => {
                self.unreadable(stray.reason_within(&name));
            }
            Some(stray) => self.unreadable(stray.reason_in_field(&name)),
            None if is_read => {}
            None if account::is_unread_text(field, node) => {
                self.unreadable(UNREAD_TEXT.to_owned());
            }
            None => self.ignore(name),
        }
    }

    /// Takes in notices about the account; whether there was any.
    pub(super) fn account(&mut self, events: Vec<AccountEvent>) -> bool {
        let is_any = !events.is_empty();
        let events = events.into_iter().map(Box::new);
        self.items.extend(events.map(Item::Account));
        is_any
    }
}
