//! What relays put around a status hides none, and what people wrote is none, whatever is around it.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::finder::CLOSED;
use super::tests::{check, count_within, delivery, envelope, look, status};
use super::*;
use crate::providers::{Hints, Provider};

/// What looks like a status, and lies in a closed place.
fn inside() -> [Value; 4] {
    [
        status(),
        delivery(),
        json!({"statuses": [status()]}),
        json!(status().to_string()),
    ]
}

/// Every closed place with this in it: by name, and by all that its provider sends.
fn closed(inner: &Value) -> Vec<Value> {
    let inbound = |more: Value| {
        let mut message = json!({"from": "385990001122", "to": "385910009999", "receivedAt": "x",
            "integrationType": "WHATSAPP", "messageId": "in-1"});
        message
            .as_object_mut()
            .unwrap()
            .append(&mut more.as_object().unwrap().clone());
        message
    };
    let by_shape = [
        json!({"from": "34600000001", "id": "wamid.2", "type": "order", "order": inner}),
        json!({"interactive": {"type": "nfm_reply", "nfm_reply": {"response_json": inner}},
            "type": "interactive", "from_user_id": "ES.1349000000"}),
        json!({"from": "34600000001", "id": "wamid.2", "timestamp": "1", "type": "button",
            "button": {"payload": inner, "text": "Yes"}}),
        json!({"from": "34600000001", "id": "wamid.2", "timestamp": "1", "type": "interactive",
            "interactive": {"type": "list_reply", "list_reply": {"id": inner, "title": "x"}}}),
        json!({"messaging_product": "whatsapp", "to": "34600000001", "type": "template",
            "template": {"name": "t", "components": [inner]}}),
        inbound(json!({"message": {"type": "TEXT", "text": "Hi", "x": inner}})),
        inbound(json!({"message": {"type": "BUTTON", "payload": inner}})),
        inbound(json!({"message": {"type": "INTERACTIVE_FLOW_REPLY", "response": inner}})),
        json!({"messageId": "in-2", "from": "385990001122", "receivedAt": "x", "text": "t",
            "cleanText": inner, "keyword": "k"}),
        json!({"event": "MO", "sender": "385990001122", "messageId": "in-3", "content": [inner]}),
        json!({"sender": {"id": "1"}, "recipient": {"id": "2"}, "timestamp": 1,
            "message": {"mid": "m_1", "quick_reply": {"payload": inner}}}),
        json!({"sender": {"id": "1"}, "recipient": {"id": "2"},
            "postback": {"mid": "m_2", "title": "x", "payload": inner}}),
        json!({"id": "p", "type": "payment", "status": "failed", "payment": {"x": inner},
            "timestamp": "1", "recipient_id": "34600000001", "x": inner}),
        json!({"from": "385990001122", "createdAt": "x",
            "content": {"type": "payment", "paymentStatus": "failed", "x": inner}}),
        json!({"id": "wacid.1", "status": "FAILED", "x": inner}),
        json!({"id": "wacid.1", "event": "terminate", "from": "34910000000", "to": "34600000001",
            "x": inner}),
        json!({"type": "call", "id": "c", "status": "REJECTED", "timestamp": "1",
            "recipient_id": "34600000001", "x": inner}),
        json!({"field": "calls", "value": {"statuses": [inner]}}),
        json!({"field": "Calls", "statuses": [inner]}),
        json!({"value": {"x": inner}, "field": "smb_message_echoes"}),
        json!({"contacts": [{"wa_id": "34600000001", "profile": {"name": inner}}]}),
    ];
    let by_name = CLOSED.into_iter().map(|name| json!({name: inner}));
    by_name.chain(by_shape).collect()
}

#[test]
fn what_people_wrote_calls_and_payments_are_never_looked_into() {
    for place in inside().iter().flat_map(closed) {
        check(&place, None);
        check(&json!({"data": [place]}), None);
        // What stands beside it is found all the same.
        let found = Some((1, "b", false));
        check(&json!({"data": place, "b": status()}), found);
    }
}

#[test]
fn no_single_member_closes_what_stands_beside_it() {
    let members = json!({
        "source": "infobip", "from": "34600000001", "to": "34910000000", "type": "call",
        "message": {"text": "Hi"}, "call": {"id": "wacid.1", "status": "FAILED"}, "event": "MO",
        "payment": {"reference_id": "r"}, "receivedAt": "x", "createdAt": "x", "mid": "m",
        "integrationType": "WHATSAPP", "notificationType": "DELIVERY", "field": "calls",
        "content": {"type": "payment"}, "text": "Hi", "caption": "Hi", "messageId": "sqs-1",
        "sender": {"id": "1"}, "recipient_id": "34600000001", "timestamp": "1", "id": "wacid.1",
        "messages": [], "history": [], "messaging_product": "whatsapp", "paymentStatus": "x",
    });
    let members = members.as_object().unwrap();
    for (name, value) in members {
        for body in ["body", "payload", "data", "message", "detail"] {
            if name != body {
                let path = format!("{body}.entry.changes.value.statuses");
                check(
                    &json!({name: value, body: envelope()}),
                    Some((2, &path, false)),
                );
            }
        }
    }
    // Nor do two or three that are of different things.
    for own in [
        json!({"from": "34600000001", "type": "text", "text": "Hi", "timestamp": "1", "id": "e"}),
        json!({"from": "34600000001", "type": "order", "text": {"body": "x"}}),
        json!({"type": "call", "id": "e", "status": "failed-over", "timestamp": "1"}),
        json!({"type": "payment", "id": "e", "timestamp": "1"}),
        json!({"messageId": "e", "receivedAt": "x", "message": {"type": "note"}, "from": "385990001122"}),
        json!({"event": "MO", "messageId": "e", "from": "385990001122"}),
        json!({"field": "history", "id": "e", "type": "call"}),
    ] {
        let mut body = own;
        body["body"] = json!([delivery()]);
        check(&body, Some((1, "body", false)));
    }
}

/// A member of a relay's own: none of them, nor all together, has the shape of a message, a call
/// or a payment.
fn any_own() -> impl Strategy<Value = (&'static str, Value)> {
    const OWN: [(&str, &[&str]); 22] = [
        ("source", &[r#""aws.sqs""#, r#"{"id": "x"}"#]),
        ("from", &[r#""34600000001""#, r#""relay""#]),
        ("to", &[r#""34910000000""#]),
        (
            "type",
            &[
                r#""message""#,
                r#""text""#,
                r#""call""#,
                r#""payment""#,
                r#""order""#,
                "1",
            ],
        ),
        (
            "message",
            &[r#""ok""#, r#"{"type": "note"}"#, r#"{"text": "Hi"}"#],
        ),
        (
            "call",
            &[r#"{"id": "wacid.1", "status": "FAILED"}"#, "true"],
        ),
        ("payment", &[r#""x""#, r#"{"reference_id": "r"}"#]),
        ("event", &[r#""MO""#, r#""TYPING_STARTED""#, r#""status""#]),
        ("receivedAt", &[r#""2026-11-29T10:00:00Z""#, "1785000000"]),
        ("createdAt", &[r#""2026-11-29T10:00:00Z""#]),
        ("integrationType", &[r#""WHATSAPP""#]),
        ("notificationType", &[r#""CLICKED""#, r#""DELIVERY""#]),
        (
            "field",
            &[r#""calls""#, r#""account_update""#, r#""messages""#],
        ),
        ("timestamp", &[r#""1785000000""#, "1785000000"]),
        ("id", &[r#""e-1""#, "7"]),
        ("text", &[r#""Hi""#]),
        ("caption", &[r#""Hi""#]),
        ("messages", &["[]", r#"[{"from": "34600000001"}]"#]),
        ("errors", &["[]", "null"]),
        ("metadata", &[r#"{"display_phone_number": "34910000000"}"#]),
        ("content", &[r#"{"type": "note"}"#]),
        ("contacts", &[r#"[{"profile": {"name": "{}"}}]"#]),
    ];
    select(&OWN[..]).prop_flat_map(|(name, values)| {
        select(values).prop_map(move |value| (name, serde_json::from_str(value).unwrap()))
    })
}

/// Around a body: the member that holds it, the relay's own ones, and whether it is an element.
fn any_relay() -> impl Strategy<Value = (&'static str, Vec<(&'static str, Value)>, bool)> {
    const HOLDERS: [&str; 9] = [
        "body",
        "payload",
        "data",
        "detail",
        "record",
        "Message",
        "resource",
        "event_data",
        "x",
    ];
    let own = proptest::collection::vec(any_own(), 0..6);
    (select(&HOLDERS[..]), own, any::<bool>())
}

fn wrap(inner: Value, (holder, own, is_element): &(&str, Vec<(&str, Value)>, bool)) -> Value {
    let mut body: serde_json::Map<_, _> = own
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    body.insert((*holder).to_owned(), inner);
    if *is_element {
        json!([body])
    } else {
        json!(body)
    }
}

/// What each provider's parser makes of it: how many reports of messages, and what it did not read.
fn read_by_all(body: &Value) -> Vec<(usize, Vec<String>)> {
    let text = body.to_string();
    let all = [Provider::MetaCloud, Provider::Infobip];
    let read = |provider: Provider| {
        let items = provider
            .parse(text.as_bytes(), None, &Hints::default())
            .unwrap()
            .items;
        let is_report = |item: &&Item| matches!(item, Item::Report(it) if it.status.is_some());
        let unread = |item: &Item| match item {
            Item::Unreadable(why) => Some(why.clone()),
            _ => None,
        };
        (
            items.iter().filter(is_report).count(),
            items.iter().filter_map(unread).collect(),
        )
    };
    all.map(read).into()
}

proptest! {
    #[test]
    fn a_true_status_is_noted_in_whatever_a_relay_wraps_it(
        relays in proptest::collection::vec(any_relay(), 1..4),
        inner in select(vec![status(), delivery(), json!([status()])]),
        as_text in any::<bool>(),
    ) {
        let inner = if as_text { json!(inner.to_string()) } else { inner };
        let body = relays.iter().fold(inner, wrap);
        prop_assert_eq!(look(&body.to_string()).map_or(0, |stray| stray.count), 1, "{}", body);
        prop_assert_eq!(count_within(&json!({"a": body}).to_string()), 1);
        for (reports, unread) in read_by_all(&body) {
            let is_noted = unread.iter().any(|why| why.contains("a status stands in"));
            prop_assert!(reports == 0 && is_noted, "{}: {:?}", body, unread);
        }
    }

    #[test]
    fn what_people_wrote_is_never_noted_in_whatever_a_relay_wraps_it(
        relays in proptest::collection::vec(any_relay(), 0..3),
        place in select(inside().iter().flat_map(closed).collect::<Vec<_>>()),
    ) {
        let body = relays.iter().fold(place, wrap);
        prop_assert_eq!(look(&body.to_string()), None, "{}", body);
        prop_assert_eq!(count_within(&json!({"a": body}).to_string()), 0);
        for (reports, unread) in read_by_all(&body) {
            prop_assert!(reports == 0 && unread.is_empty(), "{}: {:?}", body, unread);
        }
    }
}
