//! Infobip's formats: which elements a body holds, each read for itself.
//!
//! One URL receives everything Infobip has to say, mixed in any way: delivery, seen, deleted
//! and click reports of several APIs, inbound messages, account notices. `shape` distinguishes
//! them, `report` reads those that speak of a message, with `status` for what they mean,
//! `channel` for where and `time` for when. How a request proves where it comes from is
//! [`super::authentication`]'s business.

mod account;
mod causes;
mod channel;
mod definition;
mod open_sends;
mod party;
mod report;
mod sample;
mod send_channel;
mod send_receipt;
mod shape;
mod status;
mod template_change;
mod time;

use std::borrow::Cow;

use serde_json::Value;

use super::json::Node;
use super::{Hints, Item, ParseError, Parsed, stray};
use crate::model::{Kind, json_reason_of_part};
pub(super) use definition::DEFINITION;
use shape::Shape;

/// The members that stand beside each other around reports and inbound messages.
const OF_ENVELOPE: [&str; 3] = ["results", "messageCount", "pendingMessageCount"];

/// Reads a body: `{"results": […]}` as documented, one bare object (clicks and notices come
/// so), or a bare array of either, which no page documents but which says the same.
///
/// # Errors
/// When the body is no JSON; XML, which a notification profile can ask for, is named.
fn parse(text: &str, hints: &Hints) -> Result<Parsed, ParseError> {
    let body = Node::body(text)?;
    let mut items = Vec::new();
    match body.elements() {
        Some(elements) => {
            for element in elements.iter() {
                part(element, hints, &mut items);
            }
        }
        None if body.is_object() => part(&body, hints, &mut items),
        None => items.push(unknown(&body)),
    }
    Ok(Parsed { items })
}

/// Reads an envelope, or a report without one.
fn part(node: &Node<'_>, hints: &Hints, items: &mut Vec<Item>) {
    let Some(results) = node.get("results").filter(|results| !results.is_absent()) else {
        return item(node, true, hints, items);
    };
    match results.elements() {
        Some(elements) => {
            for element in elements.iter() {
                item(element, false, hints, items);
            }
            let members = node.members().unwrap_or_default();
            let stray = stray::find_beside(&members, &OF_ENVELOPE);
            items.extend(stray.map(|stray| Item::Unreadable(stray.reason())));
        }
        None => items.push(unknown(node)),
    }
}

/// What is of no known shape; a status in it is not to be lost in silence.
fn unknown(node: &Node<'_>) -> Item {
    other(node, shape::UNKNOWN.into())
}

/// The name of an element that is no report: a relay's wrapper may have its members.
fn other(node: &Node<'_>, name: Cow<'static, str>) -> Item {
    match stray::find(node) {
        Some(stray) => Item::Unreadable(stray.reason()),
        None => Item::Ignored(name),
    }
}

/// Reads one element, and notes what looks like a status inside of it; `bare` when it did not
/// stand in `results`.
fn item(node: &Node<'_>, bare: bool, hints: &Hints, items: &mut Vec<Item>) {
    if !node.is_object() {
        let problem = format!("{} where a report belongs", json_type(node.text()));
        return items.push(Item::Unreadable(problem));
    }
    let element = match node.value() {
        Ok(element) => element,
        Err(error) => {
            let reason = json_reason_of_part(&error);
            let why = format!("a report cannot be read: {reason}");
            return items.push(Item::Unreadable(why));
        }
    };
    let raw = node.text().as_bytes();
    let mut report = match Shape::of(&element) {
        Shape::Delivery => report::delivery(&element, raw, hints),
        Shape::Seen => report::seen(&element, raw, hints),
        Shape::Deleted => report::deleted(&element, raw, hints),
        Shape::Click => report::click(&element, raw),
        Shape::Account => {
            let event = account::read(&element).map(Box::new);
            return match event {
                Some(event) => {
                    items.push(Item::Account(event));
                    within(&element, "a notice", items);
                }
                None => items.push(unknown(node)),
            };
        }
        Shape::Other(name) => return items.push(other(node, name)),
    };
    // A bare click is as documented; any other bare report is worth knowing of.
    if bare && report.kind != Kind::Click {
        report.oddities.push("no-results-envelope");
    }
    items.push(Item::Report(Box::new(report)));
    within(&element, "a report", items);
}

/// Notes the statuses inside of what was read as something else.
fn within(element: &Value, read: &str, items: &mut Vec<Item>) {
    let stray = stray::find_within(element);
    items.extend(stray.map(|stray| Item::Unreadable(stray.reason_within(read))));
}

/// What a piece of JSON that is no object is, by its first character.
fn json_type(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// The member's text, trimmed and without a copy; `None` for anything but a string that is not
/// blank.
fn word<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    let word = value.get(name)?.as_str()?.trim();
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use serde_json::json;

    use super::*;
    use crate::providers::Provider;

    fn items(body: &str) -> Vec<Item> {
        parse(body, &Hints::default()).unwrap().items
    }

    #[test]
    fn the_envelope_may_be_a_batch_an_array_or_one_object() {
        let one =
            r#"{"messageId":"m","status":{"groupId":3,"id":5},"doneAt":"2026-02-11T08:00:00Z"}"#;
        let unknown = [Item::Ignored(shape::UNKNOWN.into())];
        assert_eq!(items(r#"{"results":[]}"#), []);
        assert_eq!(items("[]"), []);
        for body in [
            "{}",
            r#"{"results":null}"#,
            r#"{"results":""}"#,
            r#"{"results":{}}"#,
            r#"{"results":7}"#,
            "7",
            "null",
        ] {
            assert_eq!(items(body), unknown, "{body}");
        }
        let cases = [
            (format!(r#"{{"results":[{one}]}}"#), vec![]),
            (format!("[{one}]"), vec!["no-results-envelope"]),
            (format!(r#"[{{"results":[{one}]}}]"#), vec![]),
            (one.to_owned(), vec!["no-results-envelope"]),
        ];
        for (body, oddities) in cases {
            match &items(&body)[..] {
                [Item::Report(report)] => assert_eq!(report.oddities, oddities, "{body}"),
                other => panic!("{body}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_odd_element_never_hurts_its_neighbours() {
        let good = r#"{"messageId":"m","doneAt":"x","callbackData":"\ud800"}"#;
        let body =
            format!(r#"{{"results":[{good},null,7,"x",[{good}],true,{{"n":1e999}},{good}]}}"#);
        let items = items(&body);
        let kinds: Vec<_> = items
            .iter()
            .map(|item| match item {
                Item::Report(_) => "report",
                Item::Ignored(name) => name,
                Item::SamePerson(_) => "same person",
                Item::Account(event) => &event.name,
                Item::Unreadable(problem) => problem.split(" where").next().unwrap(),
            })
            .collect();
        assert_eq!(
            kinds[..6],
            [
                "report",
                "null",
                "a number",
                "a string",
                "an array",
                "a boolean"
            ]
        );
        assert!(matches!(items[6], Item::Unreadable(_)));
        assert!(matches!(items[7], Item::Report(_)));
    }

    fn is_noted(item: &Item) -> bool {
        matches!(item, Item::Unreadable(why) if why.starts_with("a status stands in"))
    }

    /// A relay's own members are those of an inbound message, a click or a notice.
    #[test]
    fn a_report_in_a_wrapper_of_any_shape_is_noted() {
        let read = |body: &Value| items(&body.to_string());
        let report = json!({"messageId": "m", "to": "385990001122", "status": {"groupId": 3},
            "doneAt": "x"});
        for own in [
            json!({"notificationType": "DELIVERY"}),
            json!({"notificationType": "CLICKED"}),
            json!({"notificationType": "CLICKED", "eventId": "e"}),
            json!({"receivedAt": "x", "from": "385990001122"}),
            json!({"integrationType": "WHATSAPP"}),
            json!({"event": "MO", "messageId": "e"}),
            json!({"event": "TYPING_STARTED"}),
            json!({"content": {"type": "payment"}}),
            json!({"content": {"type": "user_identity_changed"}}),
            json!({"content": {"notificationMessagesStatus": "stop", "from": "385990001122"}}),
            json!({"messageTemplateId": 1, "change": {"newStatus": "PAUSED"}}),
            json!({"capabilityCheckResult": "x"}),
            json!({"message": {"text": "x"}}),
        ] {
            let results = json!({"results": [report]});
            for inner in [&results, &report, &json!(report.to_string())] {
                let mut wrapped = own.clone();
                wrapped["body"] = inner.clone();
                let alone = read(&wrapped);
                assert!(alone.iter().any(is_noted), "{wrapped}: {alone:?}");
                // Beside a report that is read, it is noted too.
                let both = read(&json!({"results": [report, wrapped]}));
                assert!(matches!(both[0], Item::Report(_)), "{both:?}");
                assert!(both.iter().any(is_noted), "{both:?}");
            }
        }
        for holder in ["message", "payload", "notification"] {
            let wrapped = json!({"receivedAt": "x", holder: {"results": [report]}});
            assert!(read(&wrapped).iter().any(is_noted), "{wrapped}");
        }
        let mut stamped = report.clone();
        stamped["receivedAt"] = json!("x");
        let stamped = read(&json!({"results": [stamped]}));
        assert!(matches!(&stamped[..], [Item::Unreadable(_)]), "{stamped:?}");
        let mut around = report.clone();
        around["raw"] = report;
        let around = read(&around);
        assert!(
            matches!(&around[..], [Item::Report(_), it] if is_noted(it)),
            "{around:?}"
        );
    }

    /// The folders of `fixtures/infobip`, in order.
    fn fixtures() -> Vec<PathBuf> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/infobip");
        let entries = std::fs::read_dir(root).unwrap();
        let mut folders: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        folders
    }

    /// The bodies of one case with their encoding.
    fn bodies(folder: &Path) -> (Vec<Vec<u8>>, Option<String>) {
        let case = std::fs::read_to_string(folder.join("case.toml")).unwrap();
        let case: toml::Table = case.parse().unwrap();
        let request = case.get("request").and_then(toml::Value::as_table);
        let encoding = request.and_then(|request| request.get("content_encoding")?.as_str());
        let files = std::fs::read_dir(folder).unwrap();
        let bodies = files.map(|file| file.unwrap().path()).filter(|path| {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            stem.bytes().all(|byte| byte.is_ascii_digit())
        });
        let bodies = bodies.map(|path| std::fs::read(path).unwrap()).collect();
        (bodies, encoding.map(str::to_owned))
    }

    #[test]
    fn every_fixture_is_read() {
        const WITH_UNREADABLE: [&str; 3] = [
            "elements-that-are-no-objects",
            "statuses-in-wrappers",
            "statuses-where-none-belong",
        ];
        const UNPARSED: [&str; 2] = ["truncated-json", "xml-labelled-as-json"];
        for folder in fixtures() {
            let case = folder.file_name().unwrap().to_str().unwrap();
            let mut unreadable = false;
            let (bodies, encoding) = bodies(&folder);
            assert!(!bodies.is_empty(), "{case} has no body");
            for body in bodies {
                let parsed = Provider::Infobip.parse(&body, encoding.as_deref(), &Hints::default());
                assert_eq!(parsed.is_err(), UNPARSED.contains(&case), "{case}");
                let items = parsed.map(|parsed| parsed.items).unwrap_or_default();
                let is_unreadable = |item| matches!(item, &Item::Unreadable(_));
                unreadable |= items.iter().any(is_unreadable);
            }
            assert_eq!(unreadable, WITH_UNREADABLE.contains(&case), "{case}");
        }
    }
}
