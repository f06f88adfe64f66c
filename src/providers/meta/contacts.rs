//! The people that a value names in `contacts`: who is behind a user id, and which number.
//!
//! Entries belong to statuses by `user_id`, then by `wa_id`, and never by their position: Meta
//! sends several of both in one value, in no common order.

use std::collections::HashMap;

use serde_json::Value;

use super::super::json::{Node, text};
use crate::model::{digits, person_names};

/// The contacts of one value.
#[derive(Debug, Default)]
pub(super) struct Contacts {
    all: Vec<Contact>,
    by_user_id: HashMap<String, usize>,
    by_number: HashMap<String, usize>,
    /// Whether a single contact is the recipient of a status that names none.
    may_be_alone: bool,
}

/// One of them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Contact {
    /// `wa_id`, the phone number.
    pub(super) phone: Option<String>,
    /// `user_id`, the business-scoped user id.
    pub(super) user_id: Option<String>,
    /// `parent_user_id`.
    pub(super) parent_user_id: Option<String>,
}

impl Contact {
    fn read(contact: &Value) -> Self {
        let id = |name| text(contact, name).map(|id| id.trim().to_owned());
        Self {
            phone: id("wa_id"),
            user_id: id("user_id"),
            parent_user_id: id("parent_user_id"),
        }
    }
}

impl Contacts {
    /// Reads the entries of `contacts`; one that cannot be read costs itself alone.
    pub(super) fn read(contacts: &Node) -> Self {
        let mut read = Self {
            may_be_alone: true,
            ..Self::default()
        };
        for contact in contacts.elements().iter().flat_map(|all| all.iter()) {
            let contact = contact.value().unwrap_or_default();
            let contact = Contact::read(&contact);
            let place = read.all.len();
            // Of several of one person, the first that has both names.
            if let Some(id) = &contact.user_id {
                let known = read.by_user_id.entry(id.clone()).or_insert(place);
                if let Some(before) = read.all.get(*known)
                    && before.phone.is_none()
                    && contact.phone.is_some()
                {
                    *known = place;
                }
            }
            if let Some(phone) = &contact.phone {
                let known = read.by_number.entry(digits(phone)).or_insert(place);
                if let Some(before) = read.all.get(*known)
                    && before.user_id.is_none()
                    && contact.user_id.is_some()
                {
                    *known = place;
                }
            }
            read.all.push(contact);
        }
        read
    }

    /// From here on a single contact belongs to no status.
    pub(super) const fn forget_the_only(&mut self) {
        self.may_be_alone = false;
    }

    /// Who that is, by user id, else by number.
    pub(super) fn of(&self, user_id: Option<&str>, number: Option<&str>) -> Option<&Contact> {
        let by_user_id = user_id.and_then(|id| self.by_user_id.get(id));
        let by_number = || {
            let contact = &self.all[*self.by_number.get(&digits(number?))?];
            // The same number under another user id is another person's by now.
            let is_other = contact.user_id.is_some() && user_id.is_some();
            (!is_other).then_some(contact)
        };
        by_user_id.map(|place| &self.all[*place]).or_else(by_number)
    }

    /// The names of each person who is known here by several.
    pub(super) fn people(&self) -> impl Iterator<Item = Vec<String>> {
        let names = self.all.iter().map(|contact| {
            person_names([
                contact.phone.as_deref(),
                contact.user_id.as_deref(),
                contact.parent_user_id.as_deref(),
            ])
        });
        names.filter(|names| names.len() > 1)
    }

    /// The only contact of a value, for its only status when that names no recipient.
    pub(super) fn only(&self) -> Option<&Contact> {
        match self.all.as_slice() {
            [only] if self.may_be_alone => Some(only),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_several_of_one_person_the_one_with_both_names_counts() {
        let (alone, number, both, later) = (
            json!({"user_id": "ES.75"}),
            json!({"wa_id": "34600000755"}),
            json!({"user_id": "ES.75", "wa_id": "34600000755"}),
            json!({"user_id": "ES.75", "wa_id": "34600000999"}),
        );
        for all in [
            json!([alone, both]),
            json!([both, alone]),
            json!([alone, number, both, later]),
        ] {
            let text = all.to_string();
            let contacts = Contacts::read(&Node::body(&text).unwrap());
            let by_user_id = contacts.of(Some("ES.75"), None).unwrap();
            assert_eq!(by_user_id.phone.as_deref(), Some("34600000755"), "{all}");
            let by_number = contacts.of(None, Some("34600000755")).unwrap();
            assert_eq!(by_number.user_id.as_deref(), Some("ES.75"), "{all}");
        }
    }
}
