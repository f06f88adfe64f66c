//! The two ends of a message, and what a number, a name, an address or an id of one looks like.

use serde_json::Value;

use super::super::Hints;
use super::super::json::text;
use crate::model::digits;

/// Digits of a number that WhatsApp can send from: E.164 allows no more, and fewer are a short
/// code of text messages.
const NUMBER: std::ops::RangeInclusive<usize> = 7..=15;

/// Digits of the numbers that Messenger and Instagram give to people and pages.
const PROFILE: std::ops::RangeInclusive<usize> = 16..=20;

/// The two ends of a message, whatever a format calls them.
#[derive(Default)]
pub(super) struct Parties {
    pub(super) business: Option<String>,
    pub(super) user: Option<String>,
}

impl Parties {
    /// As delivery reports and the Messages API name them: from the business to the user.
    pub(super) fn forth(element: &Value) -> Self {
        Self {
            business: text(element, "sender").or_else(|| text(element, "from")),
            user: text(element, "to").or_else(|| text(element, "destination")),
        }
    }

    /// As seen and deleted reports name them: `from` is who saw it, `to` the business,
    /// unless only `from` is one of the business's own numbers, or a name. The Messages API keeps to
    /// the direction of the message.
    pub(super) fn back(element: &Value, hints: &Hints) -> Self {
        let names = |name| text(element, name).is_some();
        if names("sender") || names("destination") {
            return Self::forth(element);
        }
        let from = text(element, "from");
        let to = text(element, "to");
        let ours = |number: &Option<String>| {
            number
                .as_deref()
                .is_some_and(|number| hints.senders.contains(&digits(number)))
        };
        // A name is a sender, as on Viber and RCS, and never a recipient.
        let is_name = |party: &Option<String>| party.as_deref().is_some_and(is_name);
        let from_us = ours(&from) || (is_name(&from) && !is_name(&to) && to.is_some());
        let (business, user) = if from_us && !ours(&to) {
            (from, to)
        } else {
            (to, from)
        };
        Self { business, user }
    }

    /// As click reports name the only one they know: whose device it was.
    pub(super) fn recipient(element: &Value) -> Self {
        Self {
            business: None,
            user: text(element, "recipient"),
        }
    }
}

/// Whether this is a number of Messenger's or Instagram's.
pub(super) fn is_profile(recipient: &str) -> bool {
    PROFILE.contains(&recipient.len()) && recipient.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether this is a number that WhatsApp can send from.
pub(super) fn is_number(sender: &str) -> bool {
    let number = digits(sender);
    NUMBER.contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether this is a name that a business sends under, and neither a number nor the id or address
/// of a person.
pub(super) fn is_name(party: &str) -> bool {
    let has_letters = party.chars().any(char::is_alphabetic);
    has_letters && !is_user_id(party) && !is_address(party)
}

/// Whether this is an address of e-mail, with or without a name before it.
pub(super) fn is_address(text: &str) -> bool {
    text.split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
}

/// Whether this is a business-scoped user id: a country's two letters, a dot, an id.
pub(super) fn is_user_id(text: &str) -> bool {
    text.split_once('.').is_some_and(|(country, rest)| {
        country.len() == 2
            && country.bytes().all(|byte| byte.is_ascii_uppercase())
            && !rest.is_empty()
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}
