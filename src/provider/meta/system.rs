//! Inbound `system` messages: a person who has another number or user id now.
//!
//! Meta sends the pair once and never again. Without it, what was sent to the old name and what is
//! sent to the new one are two people's.

use serde_json::Value;

use super::super::Item;
use super::super::json::{Node, object, text};
use super::status::id;
use crate::model::{digits, is_phone_number};

/// The types that say that a person has changed names; the last is the older spelling.
const CHANGES: [&str; 3] = [
    "user_changed_number",
    "user_changed_user_id",
    "customer_changed_number",
];

/// The members of `system` that name the person, then and now.
const NAMES: [&str; 8] = [
    "previous_user_id",
    "previous_parent_user_id",
    "previous_wa_id",
    "customer",
    "user_id",
    "parent_user_id",
    "wa_id",
    "new_wa_id",
];

/// The longest id of a person, in bytes; Meta's have about 30.
const LONGEST_NAME: usize = 256;

/// The people among the senders of these messages who have changed their number or id.
pub(super) fn same_person(messages: &Node) -> Vec<Item> {
    let Some(messages) = messages.elements() else {
        return Vec::new();
    };
    // Few messages are of the kind, and none is worth reading that does not name it.
    let may_tell = |message: &&Node| message.text().contains("system");
    let values = messages.iter().filter(may_tell);
    let values = values.filter_map(|message| message.value().ok());
    let names = values.filter_map(|message| names(&message));
    names.map(Item::SamePerson).collect()
}

/// Whether this tells one person from others: a number with its country code, or an id. Whoever
/// erases a person erases what mentions its names, so a fragment must not become one.
fn is_of_one_person(name: &str) -> bool {
    let is_id = name.chars().any(char::is_alphabetic) && !name.contains(char::is_whitespace);
    if is_id {
        (6..=LONGEST_NAME).contains(&name.len())
    } else {
        name.len() >= 7 && is_phone_number(name)
    }
}

fn names(message: &Value) -> Option<Vec<String>> {
    let system = object(message, "system")?;
    let kind = text(system, "type");
    let changes = |kind: String| CHANGES.contains(&kind.trim().to_ascii_lowercase().as_str());
    if !kind.is_some_and(changes) {
        return None;
    }
    let of_system = NAMES.iter().map(|name| id(system, &[name]));
    let of_sender = ["from", "from_user_id", "from_parent_user_id"];
    let of_sender = of_sender.iter().map(|name| id(message, &[name]));
    // In a group, who the notice is from is not who it is about.
    let of_sender = of_sender.filter(|_| text(message, "group_id").is_none());
    let mut names: Vec<String> = Vec::new();
    for name in of_system.chain(of_sender).flatten() {
        let name = digits(&name);
        if is_of_one_person(&name) && !names.contains(&name) {
            names.push(name);
        }
    }
    (names.len() > 1).then_some(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(from: &Value, kind: &str, system: &Value, expected: &[&str]) {
        let mut message = json!({"from": from, "type": "system", "system": system});
        message["system"]["type"] = json!(kind);
        let found = names(&message).unwrap_or_default();
        assert_eq!(found, expected, "{message}");
        message["group_id"] = json!("g");
        let in_group = names(&message).unwrap_or_default();
        assert!(in_group.len() <= found.len(), "{message}");
    }

    #[test]
    fn who_has_another_name_now_is_told_by_both() {
        let (user, number) = ("user_changed_user_id", " User_Changed_Number");
        let (old, new) = ("ES.1349000001", "ES.1349000002");
        let from = json!("+34 600000001");
        let changed = json!({"previous_user_id": old, "user_id": new});
        check(&Value::Null, user, &changed, &[old, new]);
        let with_parent = json!({"previous_user_id": old, "user_id": new,
            "previous_parent_user_id": "ES.ENT.1349000001"});
        let all = [old, "ES.ENT.1349000001", new, "34600000001"];
        check(&from, user, &with_parent, &all);
        let pair = ["34600000002", "34600000001"];
        check(&from, number, &json!({"wa_id": "34600000002"}), &pair);
        let older = json!({"new_wa_id": "34600000002", "customer": "34600000001"});
        let pair = ["34600000001", "34600000002"];
        check(&from, "customer_changed_number", &older, &pair);
        // No other kind of notice, nobody twice, and nothing that is no name of a person.
        for (kind, system) in [
            ("customer_identity_changed", json!({"wa_id": "34600000002"})),
            (number, json!({"wa_id": "34600000001"})),
            (
                number,
                json!({"wa_id": "1", "customer": "ES", "user_id": " "}),
            ),
            (number, json!({"user_id": null, "wa_id": {"x": 1}})),
            (number, json!({"user_id": "x".repeat(1000)})),
        ] {
            check(&from, kind, &system, &[]);
        }
    }

    #[test]
    fn in_a_group_who_it_is_from_is_nobody() {
        let message = json!({"from": "34600000001", "group_id": "g", "system":
            {"type": "user_changed_number", "wa_id": "34600000002"}});
        assert_eq!(names(&message), None);
    }
}
