//! The reports of Infobip's formats, rule by rule.

use serde_json::{Value, json};

use super::super::parse;
use crate::model::{Kind, MessageType, Report, Status};
use crate::providers::{Hints, Item};

const OURS: &str = "385910009999";
const USER: &str = "385990001122";

fn hints() -> Hints {
    Hints {
        senders: vec![OURS.to_owned()],
        ..Hints::default()
    }
}

fn items(body: &str) -> Vec<Item> {
    parse(body, &hints()).unwrap().items
}

/// The only report in a batch of this one element.
#[track_caller]
fn report(element: &Value) -> Report {
    let mut items = items(&json!({"results": [element]}).to_string());
    match (items.pop(), items.is_empty()) {
        (Some(Item::Report(report)), true) => *report,
        other => panic!("{element}: {other:?}"),
    }
}

/// A delivery report with this status and error, and whatever else is given.
fn delivery(status: &Value, error: &Value, rest: &Value) -> Report {
    let mut element = json!({
        "messageId": "m-1", "to": USER, "status": status, "error": error,
        "sentAt": "2026-02-11T08:15:30.120+0000", "doneAt": "2026-02-11T08:15:32.904+0000",
    });
    let members = element.as_object_mut().unwrap();
    members.extend(rest.as_object().unwrap().clone());
    report(&element)
}

fn keys(report: &Report) -> Vec<&str> {
    let keys = report.errors.iter().map(|error| error.key.as_str());
    keys.collect()
}

#[test]
fn a_full_report_is_read_field_by_field() {
    let report = report(&json!({
        "event": "DELIVERY", "channel": "WHATSAPP", "sender": OURS, "destination": USER,
        "sentAt": "2026-02-11T08:15:30.120+0000", "doneAt": "2026-02-11T08:15:33.000+0000",
        "bulkId": "b-88", "messageId": "ma-1", "callbackData": "{\"t\":\"template\"}",
        "status": {"groupId": 3, "groupName": "DELIVERED", "id": 5, "name": "DELIVERED_TO_HANDSET"},
        "error": {"id": 0}, "platform": {"entityId": "shop-hr", "applicationId": "crm"},
        "price": {"pricePerMessage": 1e-7, "currency": "EUR"}, "mccMnc": 21910,
        "contact": {"userId": "HR.77", "parentUserId": "HR.7", "phoneNumber": "385990001123"},
    }));
    assert_eq!(report.message.as_deref(), Some("ma-1"));
    assert_eq!(report.kind, Kind::Delivery);
    assert_eq!(report.provider_status, "DELIVERED_TO_HANDSET");
    assert_eq!(report.status, Some(Status::Delivered));
    assert_eq!(report.time.ms, Some(1_770_797_733_000));
    assert_eq!(report.recipient.as_deref(), Some(USER));
    assert_eq!(report.recipient_user_id.as_deref(), Some("HR.77"));
    assert_eq!(report.recipient_parent_user_id.as_deref(), Some("HR.7"));
    assert_eq!(report.sender.as_deref(), Some(OURS));
    assert_eq!(report.channel, None);
    assert_eq!(report.evidence, None);
    assert_eq!(report.broadcast.as_deref(), Some("b-88"));
    assert_eq!(report.entity_id.as_deref(), Some("shop-hr"));
    assert_eq!(report.application_id.as_deref(), Some("crm"));
    assert_eq!(report.pricing.price, Some(1e-7));
    assert_eq!(report.pricing.currency.as_deref(), Some("EUR"));
    let echo = report.echo.unwrap().registration.unwrap();
    assert_eq!(echo.message_type, Some(MessageType::Template));
    assert!(report.errors.is_empty() && report.oddities.is_empty());
}

#[test]
fn status_and_error_together_show_what_happened() {
    let check = |group: i64, error: i64, status, errors: &[&str], oddities: &[&str]| {
        let state = json!({"groupId": group, "id": 9, "name": "A_NAME"});
        let error = json!({"id": error, "permanent": "true"});
        let report = delivery(&state, &error, &json!({}));
        assert_eq!(report.status, status, "{state} {error}");
        assert_eq!(keys(&report), errors, "{state} {error}");
        assert_eq!(report.oddities, oddities, "{state} {error}");
    };
    let sent = Some(Status::Sent);
    let failed = Some(Status::Failed);
    let delivered = Some(Status::Delivered);
    let error = &["infobip:7008"][..];
    check(1, 0, sent, &[], &[]);
    check(1, 7008, sent, error, &["failover-pending"]);
    check(2, 0, failed, &["infobip-status:9"], &[]);
    check(2, 7008, failed, error, &[]);
    check(3, 0, delivered, &[], &[]);
    check(3, 7008, delivered, error, &["delivered-with-error"]);
    check(4, 0, failed, &["infobip-status:9"], &[]);
    check(5, 0, failed, &["infobip-status:9"], &[]);
    check(9, 0, None, &[], &["unknown-status"]);
    check(9, 7008, failed, error, &[]);
}

#[test]
fn an_error_is_reported_as_far_as_it_is_known() {
    let rejected = json!({"groupName": "REJECTED", "description": "d"});
    let error = delivery(&rejected, &json!({}), &json!({})).errors.remove(0);
    assert_eq!(error.key, "infobip-status:REJECTED");
    assert_eq!(error.title.as_deref(), Some("REJECTED"));
    assert_eq!((error.code, error.permanent), (None, None));
    let stated = json!({"id": "7008", "name": "EC_X", "description": "d", "permanent": "true"});
    let error = delivery(&rejected, &stated, &json!({})).errors.remove(0);
    assert_eq!(error.title.as_deref(), Some("EC_X"));
    assert_eq!(error.details.as_deref(), Some("d"));
    assert_eq!((error.code, error.permanent), (Some(7008), Some(true)));
    let transient = json!({"id": 7013, "permanent": false});
    let report = delivery(&json!({"groupId": 9}), &transient, &json!({}));
    assert_eq!((report.status, keys(&report)), (None, vec!["infobip:7013"]));
}

#[test]
fn the_provider_status_is_the_name_else_the_group() {
    let cases = [
        (
            json!({"groupId": 3, "groupName": "DELIVERED", "name": "X_Y"}),
            "X_Y",
        ),
        (json!({"groupId": 3, "groupName": "DELIVERED"}), "DELIVERED"),
        (json!({"groupId": 3}), "DELIVERED"),
        (json!({}), "UNKNOWN"),
    ];
    for (status, expected) in cases {
        let report = delivery(&status, &Value::Null, &json!({}));
        assert_eq!(report.provider_status, expected, "{status}");
    }
}

#[test]
fn another_channel_has_its_own_status_and_says_what_that_means_for_whatsapp() {
    let check = |group: i64, error: i64, status, errors: &[&str], is_fallback: bool| {
        let state = json!({"groupId": group, "id": 9, "name": "A_NAME"});
        let report = delivery(&state, &json!({"id": error}), &json!({"channel": "SMS"}));
        assert_eq!(report.channel.as_deref(), Some("sms"), "{state}");
        assert_eq!(report.status, Some(status), "{state}");
        assert_eq!(keys(&report), errors, "{state}");
        let fallback = report.fallback.map(|error| error.key);
        let expected = is_fallback.then_some("infobip:sms_fallback");
        assert_eq!(fallback.as_deref(), expected, "{state}");
    };
    check(3, 0, Status::Delivered, &[], true);
    check(3, 27, Status::Delivered, &["infobip:27"], true);
    check(2, 27, Status::Failed, &["infobip:27"], false);
    check(2, 0, Status::Failed, &["infobip-status:9"], false);
    check(1, 0, Status::Sent, &[], false);
    let whatsapp = delivery(&json!({"groupId": 3}), &Value::Null, &json!({}));
    assert_eq!((whatsapp.channel, whatsapp.fallback), (None, None));
}

#[test]
fn a_message_that_was_seen_on_another_channel_was_not_delivered_by_whatsapp() {
    let element = |seen: &str| {
        json!({"messageId": "m", "from": USER, "to": "ShopHR", "channel": "VIBER_BM",
            seen: "2026-02-11T08:15:30Z"})
    };
    let seen = report(&element("seenAt"));
    assert_eq!(seen.status, Some(Status::Read));
    assert_eq!(
        seen.fallback.map(|error| error.key).as_deref(),
        Some("infobip:channel_fallback")
    );
    assert_eq!(report(&element("deletedAt")).fallback, None);
}

#[test]
fn an_sms_leg_has_the_shape_of_a_template_unless_the_messages_api_sent_it() {
    let evidence = |rest: Value| delivery(&json!({"groupId": 3}), &Value::Null, &rest).evidence;
    assert_eq!(
        evidence(json!({"channel": "SMS"})),
        Some(MessageType::Template)
    );
    assert_eq!(
        evidence(json!({"event": "DELIVERY", "channel": "SMS"})),
        None
    );
    assert_eq!(evidence(json!({"channel": "VIBER_BM"})), None);
    assert_eq!(evidence(json!({})), None);
}

#[test]
fn a_sender_is_reported_as_the_channel_has_it() {
    let status = json!({"groupId": 3, "id": 5});
    let cases = [
        (json!({"sender": OURS}), OURS, None),
        (json!({"from": OURS}), OURS, None),
        (
            json!({"sender": "ShopHR", "channel": "SMS"}),
            "ShopHR",
            Some("sms"),
        ),
    ];
    for (rest, sender, channel) in cases {
        let report = delivery(&status, &Value::Null, &rest);
        assert_eq!(report.sender.as_deref(), Some(sender), "{rest}");
        assert_eq!(report.channel.as_deref(), channel, "{rest}");
    }
}

#[test]
fn a_seen_report_names_the_pair_in_reverse_unless_our_number_says_otherwise() {
    let plus = "+385910009999";
    let cases = [
        (json!({"from": USER, "to": OURS}), OURS, USER),
        (json!({"from": plus, "to": USER}), plus, USER),
        (
            json!({"from": "111111", "to": "222222"}),
            "222222",
            "111111",
        ),
        (json!({"from": OURS, "to": plus}), plus, OURS),
        (json!({"from": "ShopHR", "to": USER}), "ShopHR", USER),
        (json!({"from": USER, "to": "ShopHR"}), "ShopHR", USER),
        (json!({"from": "HR.1349", "to": OURS}), OURS, "HR.1349"),
        (json!({"from": "ana.anic", "to": OURS}), OURS, "ana.anic"),
        (json!({"sender": OURS, "destination": USER}), OURS, USER),
        (
            json!({"sender": "111111", "destination": OURS}),
            "111111",
            OURS,
        ),
    ];
    for (pair, business, user) in cases {
        for shape in ["seenAt", "deletedAt"] {
            let mut element = pair.clone();
            element["messageId"] = json!("m");
            element[shape] = json!("2026-02-11T08:15:30Z");
            let report = report(&element);
            assert_eq!(report.sender.as_deref(), Some(business), "{element}");
            assert_eq!(report.recipient.as_deref(), Some(user), "{element}");
        }
    }
}

#[test]
fn the_recipient_is_a_phone_number_where_there_is_one() {
    let number = "385990001122";
    let cases = [
        (json!({"to": "385990001122"}), Some(number), None),
        (json!({"to": "+385990001122"}), Some("+385990001122"), None),
        (
            json!({"to": "HR.1234567890", "contact": {"phoneNumber": number}}),
            Some(number),
            Some("HR.1234567890"),
        ),
        (
            json!({"to": "HR.1234567890"}),
            Some("HR.1234567890"),
            Some("HR.1234567890"),
        ),
        (json!({"to": "385 99 000"}), Some("385 99 000"), None),
        (
            json!({"to": "1111111111111111111111111"}),
            Some("1111111111111111111111111"),
            None,
        ),
        (
            json!({"to": "", "contact": {"userId": "HR.1"}}),
            Some("HR.1"),
            Some("HR.1"),
        ),
        (
            json!({"to": "HR.1", "from": number, "contact": {"phoneNumber": number}}),
            Some("HR.1"),
            Some("HR.1"),
        ),
        (
            json!({"to": 385_990_001_122_u64, "contact": {}}),
            Some(number),
            None,
        ),
        (json!({}), None, None),
    ];
    for (mut element, recipient, user_id) in cases {
        element["doneAt"] = json!("2026-02-11T08:15:30Z");
        let report = report(&element);
        assert_eq!(report.recipient.as_deref(), recipient, "{element}");
        assert_eq!(report.recipient_user_id.as_deref(), user_id, "{element}");
    }
}

#[test]
fn the_time_is_the_one_that_fits_the_status() {
    let sent = "2026-02-11T08:15:30.120+0000";
    let done = "2026-02-11T08:15:32.904+0000";
    let cases = [
        (json!({"groupId": 1}), json!({}), Some(sent)),
        (json!({"groupId": 3, "id": 2}), json!({}), Some(sent)),
        (json!({"groupId": 3}), json!({}), Some(done)),
        (json!({"groupId": 5}), json!({"doneAt": null}), Some(sent)),
        (json!({"groupId": 9}), json!({}), Some(done)),
        (
            json!({"groupId": 1}),
            json!({"sentAt": null, "sendAt": "x"}),
            Some("x"),
        ),
        (
            json!({"groupId": 5}),
            json!({"doneAt": null, "sentAt": null}),
            None,
        ),
    ];
    for (status, rest, time) in cases {
        let report = delivery(&status, &Value::Null, &rest);
        assert_eq!(report.time.text.as_deref(), time, "{status} {rest}");
    }
}

#[test]
fn a_click_is_a_report_without_a_status() {
    let report = report(&json!({
        "notificationType": "CLICKED", "recipient": USER, "url": "https://shop.example/p/9",
        "sendDateTime": 1_770_800_000_123_i64, "messageId": 77, "bulkId": "", "entityId": "shop-hr",
    }));
    assert_eq!((report.kind, report.status), (Kind::Click, None));
    assert_eq!(report.provider_status, "CLICKED");
    assert_eq!(report.url.as_deref(), Some("https://shop.example/p/9"));
    assert_eq!(report.time.ms, Some(1_770_800_000_123));
    assert_eq!(report.recipient.as_deref(), Some(USER));
    assert_eq!(report.message.as_deref(), Some("77"));
    assert_eq!(report.broadcast, None);
    assert_eq!(report.entity_id.as_deref(), Some("shop-hr"));
    assert!(report.oddities.is_empty());
}

#[test]
fn what_was_echoed_is_kept_as_it_came() {
    let cases = [
        (json!("order-77"), Some("order-77")),
        (
            json!("tab\t nul\0 \u{1F600}"),
            Some("tab\t nul\u{FFFD} \u{1F600}"),
        ),
        (json!({"t": "regular"}), Some(r#"{"t":"regular"}"#)),
        (json!(77), Some("77")),
        (json!(""), None),
        (json!(null), None),
    ];
    for (data, expected) in cases {
        let report = delivery(&Value::Null, &Value::Null, &json!({"callbackData": data}));
        let echo = report.echo.and_then(|echo| echo.text);
        assert_eq!(echo.as_deref(), expected, "{data}");
    }
}
