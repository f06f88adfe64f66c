//! Whole bodies: which envelope, what is in it, and the shipped fixtures.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::*;

/// One short text for each item: `failed m2 meta:470`, `(inbound)`, `!why`.
pub(super) fn summary(text: &str) -> Vec<String> {
    let line = |item: &Item| match item {
        Item::Report(report) => {
            let message = report.message.as_deref().unwrap_or("?");
            let mut line = format!("{} {message}", report.provider_status);
            for error in &report.errors {
                line = format!("{line} {}", error.key);
            }
            line
        }
        Item::Ignored(name) => format!("({name})"),
        Item::SamePerson(names) => format!("={}", names.join(" ")),
        Item::Account(event) => format!("@{} {}", event.name, event.event),
        Item::Unreadable(why) => format!("!{why}"),
    };
    read(text, &Hints::default())
        .unwrap()
        .items
        .iter()
        .map(line)
        .collect()
}

pub(super) fn check(cases: &[(Value, &[&str])]) {
    for (body, expected) in cases {
        assert_eq!(summary(&body.to_string()), *expected, "{body}");
    }
}

pub(super) fn cloud(value: &Value) -> Value {
    json!({"object": WHATSAPP_OBJECT,
           "entry": [{"id": "w1", "changes": [{"value": value, "field": "messages"}]}]})
}

pub(super) fn status(id: &str, word: &str) -> Value {
    json!({"id": id, "status": word, "timestamp": "1760000000"})
}

#[test]
fn every_status_of_a_batch_is_read_with_its_surroundings() {
    let change = |number: &str, ids: [&str; 2]| {
        json!({"field": "messages", "value": {
            "metadata": {"display_phone_number": "34910000000", "phone_number_id": number},
            "statuses": ids.map(|id| status(id, "sent"))}})
    };
    let body = json!({"object": WHATSAPP_OBJECT, "entry": [
        {"id": "w1", "changes": [change("n1", ["a", "b"]), change("n2", ["c", "d"])]},
        {"id": "w2", "changes": [change("n3", ["e", "f"]), change("n4", ["g", "h"])]}]});
    let items = read(&body.to_string(), &Hints::default()).unwrap().items;
    let lines: Vec<String> = items
        .iter()
        .map(|item| match item {
            Item::Report(report) => [&report.message, &report.account_id, &report.sender_id]
                .map(|text| text.clone().unwrap_or_default())
                .concat(),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        "aw1n1", "bw1n1", "cw1n2", "dw1n2", "ew2n3", "fw2n3", "gw2n4", "hw2n4",
    ];
    assert_eq!(lines, expected);
}

/// A change of `standby` with this in it.
fn standby(inner: &Value) -> Value {
    json!({"entry": [{"changes": [{"field": "standby", "value": {"standby": inner}}]}]})
}

#[test]
fn standby_is_read_one_level_deeper_and_unknown_siblings_cost_nothing() {
    let statuses = json!({"statuses": [status("a", "read")]});
    let sent = json!({"to": "34600000001", "text": {"body": "Hi"}});
    check(&[
        (standby(&statuses), &["read a"]),
        (
            standby(&json!([statuses, {"statuses": [status("b", "sent")]}])),
            &["read a", "sent b"],
        ),
        (
            standby(&json!({"statuses": [status("a", "read")], "messages": [{}, {}], "new": 7})),
            &["read a", "(inbound)", "(inbound)"],
        ),
        (
            json!({"entry": [{"changes": [{"field": " Standby", "value": {
                "statuses": [status("a", "sent")], "standby": {"statuses": [status("b", "read")]}}}]}]}),
            &["sent a", "read b"],
        ),
        // A relay that drops the field, and one that drops the envelope.
        (
            json!({"entry": [{"changes": [{"value": {"standby": statuses}}]}]}),
            &["read a"],
        ),
        (json!({"standby": statuses}), &["read a"]),
        (
            standby(
                &json!({"statuses": [7, status("a", "read"), {"status": "sent", "type": "payment"}]}),
            ),
            &["!a status is no object", "read a", "(payment)"],
        ),
        (
            standby(&json!({"errors": [{"code": 131_000}]})),
            &["@channel.error 131000"],
        ),
        (
            standby(
                &json!({"message_echoes": [{"id": "e", "message": sent}, {"id": "f"}, {"message": sent}, 7, null]}),
            ),
            &["echo e", "(echo)", "(echo)", "(echo)", "(echo)"],
        ),
        (standby(&json!({})), &["(field:standby)"]),
        (standby(&json!("odd")), &["(field:standby)"]),
        (standby(&json!([7, "x"])), &["(field:standby)"]),
        (standby(&Value::Null), &["(field:standby)"]),
    ]);
}

#[test]
fn clicks_on_marketing_messages_and_events_of_the_hub_are_named() {
    let click = json!({"action_type": "marketing_messages_link_click"});
    check(&[
        (
            cloud(&json!({"user_actions": [click, click]})),
            &["(user-action)", "(user-action)"],
        ),
        (
            cloud(&json!({"user_actions": [click], "statuses": [status("a", "read")]})),
            &["read a", "(user-action)"],
        ),
        (
            json!({"event": "client_created", "data": {}}),
            &["(event:client_created)"],
        ),
        (json!({"event": {"x": 1}}), &["(event:{\"x\":1})"]),
        (
            json!({"event": "read", "statuses": [status("a", "read")]}),
            &["read a"],
        ),
    ]);
}

#[test]
fn the_body_says_which_envelope_it_is() {
    check(&[
        (
            cloud(&json!({"statuses": [status("a", "read")]})),
            &["read a"],
        ),
        (
            json!({"entry": [{"changes": [{"value": {"statuses": [status("a", "read")]}}]}]}),
            &["read a"],
        ),
        (json!({"statuses": [status("a", "read")]}), &["read a"]),
        (
            json!({"messages": [{}, {}], "statuses": [status("a", "read")]}),
            &["read a", "(inbound)", "(inbound)"],
        ),
        (json!({"object": "page", "entry": []}), &["(object:page)"]),
        (json!({"object": WHATSAPP_OBJECT, "entry": []}), &[]),
        (json!({"object": WHATSAPP_OBJECT}), &["(unknown-shape)"]),
        (json!({}), &["(unknown-shape)"]),
        (json!([]), &[]),
        (json!(null), &["(unknown-shape)"]),
        (json!("x"), &["(unknown-shape)"]),
        (json!({"results": []}), &["(unknown-shape)"]),
    ]);
    let nested = "[".repeat(200) + &"]".repeat(200);
    assert_eq!(summary(&nested), ["(unknown-shape)"]);
    assert!(read("", &Hints::default()).is_err());
    assert!(read("{\"statuses\":[", &Hints::default()).is_err());
}

#[test]
fn an_odd_element_costs_only_itself() {
    check(&[
        (
            json!({"statuses": [status("a", "sent"), 7, {"id": "b"}, {"status": "read"}, status("c", "sent")]}),
            &[
                "sent a",
                "!a status is no object",
                "!a status has no status word",
                "read ?",
                "sent c",
            ],
        ),
        (
            json!({"statuses": [status("a", ""), status("b", "sent")]}),
            &["!a status has no status word", "sent b"],
        ),
        (json!({"statuses": []}), &[]),
        (json!({"statuses": null}), &[]),
        (json!({"statuses": {}}), &[]),
        (json!({"statuses": "", "errors": {}, "messages": " "}), &[]),
        (json!({"statuses": {"id": "a"}}), &["!statuses is no array"]),
        (
            json!({"object": "", "entry": {}, "statuses": [status("a", "read")]}),
            &["read a"],
        ),
        (
            json!({"object": WHATSAPP_OBJECT, "entry": [7, {"changes": 7}, {}]}),
            &[
                "!an entry is no object",
                "!changes is no array",
                "(unknown-shape)",
            ],
        ),
    ]);
    let surrogate = r#"{"statuses":[{"id":"a","status":"failed","errors":[{"code":1,"title":"\ud800"}]},{"id":"b","status":"read"}]}"#;
    assert_eq!(summary(surrogate), ["failed a meta:1", "read b"]);
}

#[test]
fn what_is_no_status_is_named() {
    let change =
        |change: Value| json!({"object": WHATSAPP_OBJECT, "entry": [{"changes": [change]}]});
    let long = "x".repeat(100);
    let cut = format!("(field:{})", "x".repeat(NAME_LIMIT - "field:".len()));
    check(&[
        (
            change(
                json!({"field": "calls", "value": {"statuses": [status("wacid.1", "RINGING")]}}),
            ),
            &["(field:calls)"],
        ),
        (
            change(json!({"field": "account_update", "value": null})),
            &["(field:account_update)"],
        ),
        (
            change(json!({"field": "päge 1", "value": {}})),
            &["(field:p?ge?1)"],
        ),
        (change(json!({"field": long, "value": {}})), &[cut.as_str()]),
        (
            change(json!({"field": "messages", "value": "x"})),
            &["(unknown-shape)"],
        ),
        (
            change(json!({"field": "", "value": {"statuses": [status("a", "read")]}})),
            &["read a"],
        ),
        (change(json!({"field": "messages"})), &["(unknown-shape)"]),
        (change(json!({})), &["(unknown-shape)"]),
        (
            json!({"statuses": [{"id": "p", "type": "payment", "status": "failed"},
                             {"id": "c", "type": "call", "status": "RINGING"},
                             {"id": "m", "type": "message", "status": "sent"},
                             {"id": "x", "type": "Other", "status": "waiting"},
                             {"id": "x", "type": "Other", "status": "sent"}]}),
            &[
                "(payment)",
                "(call)",
                "sent m",
                "(type:other)",
                "!type:other is not known, and a status is of it: upgrade, then reprocess the webhook",
            ],
        ),
    ]);
}

#[test]
fn an_error_beside_the_statuses_belongs_to_the_only_failure_without_one() {
    let errors = json!([{"code": 470, "title": "T"}]);
    let with_errors = json!({"id": "b", "status": "failed", "errors": [{"code": 480}]});
    check(&[
        (
            json!({"errors": errors, "statuses": [status("a", "failed")]}),
            &["failed a meta:470"],
        ),
        (
            json!({"errors": errors, "statuses": [status("a", "failed"), with_errors, status("c", "sent")]}),
            &["failed a meta:470", "failed b meta:480", "sent c"],
        ),
        (
            json!({"errors": errors, "statuses": [status("a", "failed"), status("b", "failed")]}),
            &["failed a", "failed b", "@channel.error 470"],
        ),
        (
            json!({"errors": errors, "statuses": [status("a", "sent")]}),
            &["sent a", "@channel.error 470"],
        ),
        (json!({"errors": errors}), &["@channel.error 470"]),
        (json!({"errors": [{"title": "T"}]}), &["@channel.error T"]),
        (
            cloud(&json!({"errors": errors, "statuses": [status("a", "failed")]})),
            &["failed a meta:470"],
        ),
        (
            json!({"errors": errors, "statuses": [
                {"id": "a", "status": "failed", "errors": [{"code": "", "title": null}]}]}),
            &["failed a meta:470"],
        ),
        (
            json!({"errors": {}, "statuses": [
                {"id": "a", "status": "failed", "errors": [{"title": ""}]}]}),
            &["failed a meta:unknown"],
        ),
        (
            cloud(&json!({"errors": [{"code": 130_429}, {"code": 0}]})),
            &["@channel.error 130429", "@channel.error 0"],
        ),
    ]);
}

#[test]
fn a_contact_beside_inbound_messages_is_not_the_recipient() {
    let recipient = |body: Value| match read(&body.to_string(), &Hints::default())
        .unwrap()
        .items
        .remove(0)
    {
        Item::Report(report) => report.recipient,
        other => panic!("{other:?}"),
    };
    let mut body = json!({"contacts": [{"wa_id": "346"}], "statuses": [status("a", "read")]});
    assert_eq!(recipient(body.clone()).as_deref(), Some("346"));
    body["messages"] = json!([]);
    assert_eq!(recipient(body.clone()).as_deref(), Some("346"));
    body["messages"] = json!([{"from": "346"}]);
    assert_eq!(recipient(body.clone()), None);
    // Who is named is found all the same.
    body["contacts"] = json!([{"wa_id": "347", "user_id": "ES.1"}]);
    body["statuses"][0]["recipient_user_id"] = json!("ES.1");
    assert_eq!(recipient(body).as_deref(), Some("347"));
    // Of two statuses that name no recipient, the contact may belong to either.
    let two = json!({"contacts": [{"wa_id": "346"}],
                     "statuses": [status("a", "failed"), status("b", "failed")]});
    assert_eq!(recipient(two), None);
}

#[test]
fn enormous_texts_are_kept_whole() {
    let id = "é".repeat(100_000);
    let body =
        json!({"statuses": [{"id": id, "status": "sent", "timestamp": id, "recipient_id": id}]});
    assert_eq!(summary(&body.to_string()), [format!("sent {id}")]);
}

#[test]
fn of_repeated_members_the_last_counts() {
    let body = r#"{"statuses":7,"statuses":[{"id":"a","id":"b","status":"sent","status":"read"}]}"#;
    assert_eq!(summary(body), ["read b"]);
}

/// Cases whose very point is an element that cannot be read.
const UNREADABLE_CASES: [&str; 4] = [
    "statuses-in-wrappers",
    "statuses-of-another-shape",
    "statuses-where-none-belong",
    "unknown-status-words",
];
/// Cases whose very point is a body that cannot be read.
const UNPARSED_CASES: [&str; 2] = ["empty-body", "truncated-json"];

#[test]
fn every_fixture_is_read_without_loss() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut bodies = 0;
    for provider in ["meta-cloud", "meta-on-premises", "360dialog"] {
        for case in fs::read_dir(root.join(provider)).unwrap() {
            let case = case.unwrap().path();
            let name = case.file_name().unwrap().to_str().unwrap().to_owned();
            let (mut unreadable, mut unparsed) = (false, false);
            for file in fs::read_dir(&case).unwrap() {
                let file = file.unwrap().path();
                if file.ends_with("case.toml") || file.ends_with("expected.json") {
                    continue;
                }
                bodies += 1;
                let body = fs::read(&file).unwrap();
                let hints = super::super::Hints::default();
                match super::super::Provider::MetaCloud.parse(&body, None, &hints) {
                    Ok(parsed) => {
                        let odd = |item: &Item| matches!(item, Item::Unreadable(_));
                        unreadable |= parsed.items.iter().any(odd);
                    }
                    Err(_) => unparsed = true,
                }
            }
            assert_eq!(
                unreadable,
                UNREADABLE_CASES.contains(&name.as_str()),
                "{name}"
            );
            assert_eq!(unparsed, UNPARSED_CASES.contains(&name.as_str()), "{name}");
        }
    }
    assert!(bodies > 100, "only {bodies} bodies found");
}
