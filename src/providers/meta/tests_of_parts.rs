//! Arrays and parts of an envelope at the root, and statuses where Meta puts none.

use serde_json::{Value, json};

use super::tests::{check, cloud, status, summary};
use super::*;

fn value(id: &str) -> Value {
    json!({"statuses": [status(id, "read")]})
}

fn with_field(id: &str, field: &str) -> Value {
    let mut value = value(id);
    value["field"] = json!(field);
    value
}

fn change(id: &str, field: &str) -> Value {
    json!({"field": field, "value": value(id)})
}

fn entry(id: &str) -> Value {
    json!({"id": "w1", "changes": [change(id, "messages")]})
}

#[test]
fn an_array_at_the_root_is_read_as_its_elements() {
    let nested = |depth: usize| {
        let body = format!("{}{}{}", "[".repeat(depth), value("a"), "]".repeat(depth));
        serde_json::from_str::<Value>(&body).unwrap()
    };
    check(&[
        (json!([with_field("a", "messages")]), &["read a"]),
        (json!([with_field("a", "calls")]), &["(field:calls)"]),
        (json!([value("a"), value("b")]), &["read a", "read b"]),
        (json!([cloud(&value("a"))]), &["read a"]),
        (
            json!([change("a", "messages"), entry("b")]),
            &["read a", "read b"],
        ),
        (
            json!([[value("a")], [[entry("b")]], []]),
            &["read a", "read b"],
        ),
        (json!([[[]]]), &[]),
        (nested(7), &["read a"]),
        (
            nested(8),
            &[
                "!a status stands in statuses, where the provider puts none: have the relay \
                       post the body as it came",
            ],
        ),
        (
            json!([7, null, value("a"), {}, "x"]),
            &[
                "(unknown-shape)",
                "(unknown-shape)",
                "read a",
                "(unknown-shape)",
                "(unknown-shape)",
            ],
        ),
    ]);
}

#[test]
fn a_part_of_an_envelope_is_read_alone() {
    check(&[
        (with_field("a", "messages"), &["read a"]),
        (with_field("a", "calls"), &["(field:calls)"]),
        (with_field("a", ""), &["read a"]),
        (change("a", "messages"), &["read a"]),
        (
            json!({"field": "account_update", "value": {}}),
            &["(field:account_update)"],
        ),
        (json!({"value": value("a")}), &["read a"]),
        (
            json!({"value": {}, "changes": [{}], "statuses": [status("a", "read")]}),
            &["read a"],
        ),
        (entry("a"), &["read a"]),
    ]);
    let account = |body: Value| match read(&body.to_string(), &Hints::default())
        .unwrap()
        .items
        .remove(0)
    {
        Item::Report(report) => report.account_id,
        other => panic!("{other:?}"),
    };
    assert_eq!(account(json!([entry("a")])).as_deref(), Some("w1"));
}

#[test]
fn what_another_responder_sent_is_read_in_arrays_and_parts_too() {
    let inner = |id: &str| json!({"standby": value(id)});
    let change = |id: &str| json!({"field": "standby", "value": inner(id)});
    let mut with_field = inner("a");
    with_field["field"] = json!("Standby");
    check(&[
        (json!([inner("a"), with_field]), &["read a", "read a"]),
        (
            json!([change("a"), {"id": "w1", "changes": [change("b")]}]),
            &["read a", "read b"],
        ),
        (
            json!([{"field": "standby", "statuses": [status("a", "read")]}]),
            &["read a"],
        ),
        (json!([{"field": "standby"}]), &["(field:standby)"]),
        (
            json!([{"user_actions": [{}]}, {"field": "standby", "standby": {"user_actions": [{}]}}]),
            &["(user-action)", "(user-action)"],
        ),
    ]);
    check_stray(&[
        (
            json!({"body": [change("a")]}),
            "a status stands in body.value.standby.statuses,",
        ),
        (
            json!({"field": "standby", "value": {"standby": inner("a").to_string()}}),
            "a status stands in standby.statuses of a text",
        ),
        (
            json!({"field": "standby", "value": {"standby": {"more": value("a")}}}),
            "a status stands in more.statuses,",
        ),
        (
            json!({"field": "standby", "value": {"more": value("a")}}),
            "a status stands in more.statuses,",
        ),
        (
            json!({"field": "standby", "value": {"standby": [[value("a")]]}}),
            "a status stands in statuses,",
        ),
    ]);
}

/// Each is unreadable as a whole, with a sentence that begins so.
fn check_stray(cases: &[(Value, &str)]) {
    for (body, beginning) in cases {
        let lines = summary(&body.to_string());
        let is_noted = lines.len() == 1 && lines[0].starts_with(&format!("!{beginning}"));
        assert!(is_noted, "{body}: {lines:?}");
    }
}

#[test]
fn a_wrapped_body_is_unreadable() {
    let wrapped = cloud(&json!({"statuses": [status("a", "failed")]}));
    check_stray(&[
        (json!({"body": wrapped}), "a status stands in body.entry."),
        (
            json!([{"headers": {}, "body": wrapped}]),
            "a status stands in body.entry.",
        ),
        (
            json!(wrapped.to_string()),
            "a status stands in entry.changes.value.statuses of a text",
        ),
        (
            json!([wrapped.to_string()]),
            "a status stands in entry.changes.value.statuses of a text",
        ),
        (
            json!({"body": wrapped.to_string()}),
            "a status stands in body.entry.changes.value.statuses of a text",
        ),
        (json!([status("a", "read")]), "a status stands without"),
        (status("a", "read"), "a status stands without"),
        (
            json!({"payload": status("a", "read")}),
            "a status stands in payload,",
        ),
        (
            json!({"results": [{"messageId": "m", "status": {"groupId": 3}}]}),
            "a status stands in results,",
        ),
    ]);
}

#[test]
fn a_status_in_the_wrong_part_of_a_body_is_unreadable() {
    let value = json!({"statuses": [status("a", "failed")]});
    let change = |field: &str, value: &Value| json!({"field": field, "value": value});
    let envelope =
        |change: Value| json!({"object": WHATSAPP_OBJECT, "entry": [{"changes": [change]}]});
    check_stray(&[
        (
            json!({"object": WHATSAPP_OBJECT, "statuses": [status("a", "read")]}),
            "a status stands in statuses,",
        ),
        (
            json!({"object": "whatsapp", "entry": [{"changes": [change("messages", &value)]}]}),
            "a status stands in entry.changes.value.statuses,",
        ),
        (
            json!({"object": WHATSAPP_OBJECT, "entry": [{"messaging": [status("a", "read")]}]}),
            "a status stands in messaging,",
        ),
        (
            envelope(change("messages", &status("a", "read"))),
            "a status stands without",
        ),
        (
            envelope(change("messages", &json!([value]))),
            "a status stands in statuses,",
        ),
        (
            envelope(change("message_receipts", &value)),
            "field:message_receipts is not known, and a status stands in value.statuses:",
        ),
        (
            envelope(json!({"field": "messages", "statuses": [status("a", "read")]})),
            "a status stands in statuses,",
        ),
    ]);
}

#[test]
fn a_status_in_an_odd_place_leaves_its_neighbours_readable() {
    let body = json!({"object": WHATSAPP_OBJECT, "data": [status("x", "sent")], "entry": [
        {"changes": [
            {"field": "messages", "value": {"statuses": [status("a", "read")],
                                             "more": {"statuses": [status("y", "sent")]}}},
            {"field": "x_future", "value": {"statuses": [status("z", "sent")]}},
            {"field": "x_other", "value": {"event": "NEW"}},
            {"field": "messages", "value": {"statuses": [status("b", "read")]}}]}]});
    let lines = summary(&body.to_string());
    let expected = [
        "read a",
        "!a status stands in more.statuses",
        "!field:x_future is not known",
        "(field:x_other)",
        "read b",
        "!a status stands in data",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line} {expected}");
    }
}

/// What a relay wraps has members of its own; those that name a field or a list do not hide it.
#[test]
fn a_relays_own_members_hide_nothing() {
    let wrapped = || cloud(&value("a"));
    for own in [
        json!({"source": "x", "from": "34600000001", "type": "call", "message": {"text": "x"}}),
        json!({"notificationType": "DELIVERY", "receivedAt": "x", "integrationType": "x"}),
        json!({"field": "calls"}),
        json!({"field": "History", "messages": []}),
        json!({"messages": [{"from": "34600000001"}], "errors": [], "user_actions": []}),
        json!({"metadata": {}, "contacts": [], "messaging_product": "whatsapp"}),
        json!({"event": "MO", "timestamp": "1", "id": "wacid.1"}),
        json!({"value": {}, "changes": []}),
        json!({"value": {"event": "x"}, "field": "account_settings"}),
    ] {
        for holder in ["body", "payload", "data"] {
            let mut body = own.clone();
            body[holder] = wrapped();
            let lines = summary(&body.to_string());
            let is_noted = lines.iter().any(|line| line.contains("a status stands in"));
            assert!(is_noted, "{body}: {lines:?}");
        }
    }
}

#[test]
fn a_status_in_a_known_field_of_the_account_is_noted_beside_its_event() {
    let with = |mut value: Value| {
        value["statuses"] = json!([status("a", "failed")]);
        value
    };
    let change = |field: &str, value: &Value| {
        json!({"object": WHATSAPP_OBJECT,
               "entry": [{"changes": [{"field": field, "value": value}]}]})
    };
    let template = json!({"event": "PAUSED", "message_template_id": 1});
    for (field, value, event) in [
        (
            "message_template_status_update",
            template.clone(),
            Some("@template.paused PAUSED"),
        ),
        (
            "account_update",
            json!({"event": "DISABLED_UPDATE"}),
            Some("@account."),
        ),
        ("account_update", json!({}), None),
        ("flows", json!({"event": "FLOW_STATUS_CHANGE"}), None),
        ("Security", json!({"event": "PIN_CHANGED"}), None),
    ] {
        for value in [
            with(value.clone()),
            json!({"event": value["event"], "raw": with(value)}),
        ] {
            let lines = summary(&change(field, &value).to_string());
            let (last, before) = lines.split_last().unwrap();
            assert!(last.starts_with("!a status stands in value."), "{lines:?}");
            assert!(last.contains(&format!("of field:{field}")), "{lines:?}");
            assert!(before.len() <= 1, "{lines:?}");
            if let (Some(event), true) = (event, value.get("raw").is_none()) {
                assert!(before[0].starts_with(event), "{lines:?}");
            }
        }
    }
    // So it is where a relay dropped the field.
    let lines = summary(&with(json!({"more": with(template)})).to_string());
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn a_body_that_is_read_in_part_says_so() {
    let one = status("a", "read");
    let stray = status("b", "failed");
    let within = |mut holder: Value, name: &str| {
        holder[name] = json!({"statuses": [stray]});
        holder
    };
    let twice = format!(r#"{{"statuses": [{stray}], "statuses": [{one}], "metadata": {{}}}}"#);
    let echo = json!({"id": "b", "status": "sent", "type": "x"});
    for body in [
        json!({"statuses": [one, {"data": stray}]}),
        json!({"statuses": [one, [stray]]}),
        json!({"statuses": [one, stray.to_string()]}),
        json!({"statuses": [one, {"type": "call", "body": stray}]}),
        json!({"statuses": [one, {"type": "payment", "status": "x", "body": [stray]}]}),
        json!({"statuses": [one, echo]}),
        json!({"statuses": [within(one.clone(), "raw")]}),
        json!({"statuses": [one], "metadata": within(json!({}), "raw")}),
        json!({"statuses": [one], "contacts": [within(json!({}), "raw")]}),
        json!({"statuses": [one], "errors": [within(json!({"code": 1}), "raw")]}),
        json!([{"statuses": [one]}, {"type": "x", "from": "34600000001", "body": stray}]),
    ]
    .iter()
    .map(Value::to_string)
    .chain([twice])
    {
        let lines = summary(&body);
        assert_eq!(lines[0], "read a", "{body}: {lines:?}");
        assert!(
            lines.iter().any(|line| line.starts_with('!')),
            "{body}: {lines:?}"
        );
    }
}

#[test]
fn what_is_recognised_is_not_looked_into() {
    let inside = json!({"statuses": [status("a", "failed")]});
    let change = |field: &str, value: Value| {
        json!({"object": WHATSAPP_OBJECT,
        "entry": [{"changes": [{"field": field, "value": value}]}]})
    };
    check(&[
        (change("calls", inside.clone()), &["(field:calls)"]),
        (
            change("history", json!({"history": [inside]})),
            &["(field:history)"],
        ),
        (
            change("smb_message_echoes", json!({"message_echoes": [inside]})),
            &["(field:smb_message_echoes)"],
        ),
        (
            change(
                "messages",
                json!({"messages": [{"id": "wamid.1", "from": "34600000001",
                "type": "interactive", "interactive": {"nfm_reply": inside}}]}),
            ),
            &["(inbound)"],
        ),
        (
            json!({"messages": [{"text": {"body": inside.to_string()}}], "statuses":
                [{"id": "b", "status": "read", "biz_opaque_callback_data": inside}]}),
            &["read b", "(inbound)"],
        ),
        (
            json!({"object": "page", "entry": [{"id": "1"}]}),
            &["(object:page)"],
        ),
        (
            json!({"event": "channel_created", "data": {"id": "c"}}),
            &["(event:channel_created)"],
        ),
    ]);
}
