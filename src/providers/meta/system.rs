//! People who are named in several ways: in `contacts`, as the sender of a message, and by inbound
//! `system` messages, which say that one has another number or user id now.
//!
//! Meta sends the pair once and never again. Without it, what was sent to the old name and what is
//! sent to the new one are two people's.

use std::collections::HashSet;

use serde_json::Value;

use super::super::Item;
use super::super::json::{Node, object, text};
use super::contacts::Contacts;
use super::members::Members;
use super::status::id;
use crate::model::person_names;

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

/// The members of a message that name its sender.
const SENDER: [&str; 3] = ["from", "from_user_id", "from_parent_user_id"];

/// The people of a level who are named in two ways: in its contacts, where none of its reports
/// says the same, and among the senders of its messages.
pub(super) fn people(level: &Members, reports: &[Item]) -> Vec<Item> {
    let contacts = level.get("contacts").map(Contacts::read);
    let mut paired: Vec<Vec<String>> = contacts.iter().flat_map(Contacts::people).collect();
    // Most levels name no person in two ways, and need not be compared.
    if !paired.is_empty() {
        let names = |item: &Item| match item {
            Item::Report(report) => Some(report.person_names()),
            _ => None,
        };
        let reported: HashSet<Vec<String>> = reports.iter().filter_map(names).collect();
        paired.retain(|names| !reported.contains(names));
    }
    let mut people: Vec<Item> = paired.into_iter().map(Item::SamePerson).collect();
    if let Some(messages) = level.get("messages") {
        people.extend(of_senders(messages));
    }
    people
}

/// The senders who are named in two ways, or have changed their number or id.
fn of_senders(messages: &Node) -> Vec<Item> {
    let Some(messages) = messages.elements() else {
        return Vec::new();
    };
    // Few messages are of the kind, and none is worth reading that does not name it.
    let may_change = |message: &&Node| {
        let text = message.text();
        text.contains("system") || text.contains("_user_id")
    };
    let values = messages.iter().filter(may_change);
    let values = values.filter_map(|message| message.value().ok());
    let names = values.flat_map(|message| [changed(&message), sender(&message)]);
    names.flatten().map(Item::SamePerson).collect()
}

/// The names of a message's sender, where there are several.
fn sender(message: &Value) -> Option<Vec<String>> {
    let names = SENDER.map(|name| id(message, &[name]));
    several(person_names(names.iter().map(Option::as_deref)))
}

fn several(names: Vec<String>) -> Option<Vec<String>> {
    (names.len() > 1).then_some(names)
}

/// The names, before and after, of the person who has changed one.
fn changed(message: &Value) -> Option<Vec<String>> {
    let system = object(message, "system")?;
    let kind = text(system, "type");
    let changes = |kind: String| CHANGES.contains(&kind.trim().to_ascii_lowercase().as_str());
    if !kind.is_some_and(changes) {
        return None;
    }
    let of_system = NAMES.iter().map(|name| id(system, &[name]));
    let of_sender = SENDER.iter().map(|name| id(message, &[name]));
    // In a group, who the notice is from is not who it is about.
    let of_sender = of_sender.filter(|_| text(message, "group_id").is_none());
    let names: Vec<Option<String>> = of_system.chain(of_sender).collect();
    several(person_names(names.iter().map(Option::as_deref)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Kind, Report};

    fn check(from: &Value, kind: &str, system: &Value, expected: &[&str]) {
        let mut message = json!({"from": from, "type": "system", "system": system});
        message["system"]["type"] = json!(kind);
        let found = changed(&message).unwrap_or_default();
        assert_eq!(found, expected, "{message}");
        message["group_id"] = json!("g");
        let in_group = changed(&message).unwrap_or_default();
        assert!(in_group.len() <= found.len(), "{message}");
    }

    #[test]
    fn who_has_another_name_now_is_identified_by_both() {
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
        // No other kind of notice, no person twice, and nothing that is no name of a person.
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
    fn a_contact_is_a_person_of_its_own_unless_a_report_says_the_same() {
        let [number, id] = ["34600000001", "ES.1349000001"].map(str::to_owned);
        let both = json!({"wa_id": number, "user_id": id});
        let level = json!({"contacts": [both, {"wa_id": "34600000002"}]}).to_string();
        let node = Node::body(&level).unwrap();
        let level = Members::of(&node).unwrap();
        let pair = Item::SamePerson(vec![number.clone(), id.clone()]);
        let mut report = Report::new(Kind::Status, "sent", None, b"{}");
        report.recipient = Some(number);
        let reports = [Item::Report(Box::new(report.clone()))];
        assert_eq!(people(&level, &reports), [pair]);
        report.recipient_user_id = Some(id);
        let reports = [Item::Report(Box::new(report))];
        assert!(people(&level, &reports).is_empty());
    }

    #[test]
    fn in_a_group_the_sender_is_no_person() {
        let message = json!({"from": "34600000001", "group_id": "g", "system":
            {"type": "user_changed_number", "wa_id": "34600000002"}});
        assert_eq!(changed(&message), None);
    }
}
