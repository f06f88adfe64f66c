//! What stands around a status, in its value and around that.

use super::super::json::{self, Node};
use super::contacts::Contacts;
use super::members::Members;
use crate::model::Field;

/// What stands around a status and holds for all its neighbours.
#[derive(Default)]
pub(super) struct Surroundings {
    /// `entry[].id`.
    pub(super) account_id: Option<String>,
    /// `metadata.display_phone_number`.
    pub(super) sender: Option<String>,
    /// `metadata.phone_number_id`.
    pub(super) sender_id: Option<String>,
    /// Who is named in `contacts`.
    pub(super) contacts: Contacts,
    /// The webhook field, where the body names one.
    pub(super) field: Option<Field>,
}

/// What stands around a `value`.
#[derive(Clone, Copy, Default)]
pub(super) struct Around<'a> {
    pub(super) account_id: Option<&'a str>,
    pub(super) time: Option<&'a str>,
    pub(super) field: Option<Field>,
}

impl Surroundings {
    /// Of what stands in `level`; what this lacks stands around it, in `outer`.
    pub(super) fn of(level: &Members, outer: &Members, around: Around) -> Self {
        let found = |name| nearest(level, outer, name);
        let metadata = found("metadata").and_then(|node| node.value().ok());
        let metadata = |name| {
            metadata
                .as_ref()
                .and_then(|metadata| json::text(metadata, name))
        };
        let contacts = found("contacts").map(Contacts::read);
        let mut contacts = contacts.unwrap_or_default();
        // Beside inbound messages, a single contact may be the sender, and beside several statuses
        // it may belong to any of them.
        let count = |name| {
            let list = found(name)?;
            Some(list.elements().map_or(1, |elements| elements.len()))
        };
        if contacts.only().is_some() && (count("messages") > Some(0) || count("statuses") > Some(1))
        {
            contacts.forget_the_only();
        }
        Self {
            account_id: around.account_id.map(str::to_owned),
            field: around.field,
            sender: metadata("display_phone_number"),
            sender_id: metadata("phone_number_id"),
            contacts,
        }
    }
}

/// The member of that name on this level, else around it.
fn nearest<'m>(level: &'m Members, outer: &'m Members, name: &str) -> Option<&'m Node<'m>> {
    level.get(name).or_else(|| outer.get(name))
}
