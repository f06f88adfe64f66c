//! Notices that say nothing, or that name nothing, and notices in a text.

use serde_json::{Value, json};

use super::super::WHATSAPP_OBJECT;
use super::super::tests::{check, cloud, status, summary};

#[test]
fn a_notice_that_says_nothing_is_no_event() {
    let nothing = [json!({}), json!({"type": "", "x": null, "y": [], "z": " "})];
    for field in [
        "account_alerts",
        "account_settings_update",
        "account_update",
        "business_capability_update",
        "message_template_status_update",
        "messaging_handovers",
        "phone_number_quality_update",
        "user_preferences",
    ] {
        for value in &nothing {
            let lines = summary(&json!({"field": field, "value": value}).to_string());
            assert_eq!(lines, [format!("(field:{field})")], "{value}");
        }
    }
    for errors in [
        json!([{}]),
        json!([{"code": "", "title": null}, {}]),
        json!({"code": ""}),
    ] {
        let body = json!({"statuses": [status("a", "read")], "errors": errors});
        assert_eq!(summary(&body.to_string()), ["read a"], "{errors}");
    }
}

#[test]
fn what_names_nothing_is_no_name() {
    let of = |field: &str, value: serde_json::Value| {
        summary(&json!({"field": field, "value": value}).to_string())
    };
    let field = "phone_number_quality_update";
    for nothing in ["-", "n/a", "+", "unknown", "—"] {
        let quality = json!({"display_phone_number": nothing, "event": "FLAGGED"});
        assert_eq!(
            of(field, quality),
            [format!("(field:{field})")],
            "{nothing}"
        );
    }
    for nothing in ["-", "…"] {
        for (field, value) in [
            (
                "message_template_status_update",
                json!({"event": "PAUSED", "message_template_name": nothing}),
            ),
            (
                "user_preferences",
                json!({"user_preferences": [{"wa_id": nothing, "user_id": nothing, "value": "stop"}]}),
            ),
        ] {
            assert_eq!(of(field, value), [format!("(field:{field})")], "{nothing}");
        }
    }
    // What stands beside it is taken instead.
    let quality = json!({"display_phone_number": "-", "phone_number_id": "44", "event": "FLAGGED"});
    assert_eq!(of(field, quality), ["@number.quality_dropped FLAGGED"]);
    let paused = json!({"event": "PAUSED", "message_template_name": "-", "message_template_id": 7});
    assert_eq!(
        of("message_template_status_update", paused),
        ["@template.paused PAUSED"]
    );
}

#[test]
fn a_limit_without_an_event_is_identified_by_its_tiers() {
    let value = json!({"display_phone_number": "34910000000", "current_limit": "TIER_250",
        "old_limit": "TIER_1K"});
    let body = json!({"field": "phone_number_quality_update", "value": value});
    for body in [&body, &value] {
        let lines = summary(&body.to_string());
        assert_eq!(lines, ["@number.quality_dropped TIER_250"], "{body}");
    }
}

#[test]
fn what_says_no_state_is_no_new_state() {
    for nothing in [
        json!(false),
        json!(true),
        json!("NONE"),
        json!("none "),
        json!("null"),
        json!(" "),
        json!("-"),
        json!(0),
        json!([]),
    ] {
        for (field, value) in [
            (
                "message_template_status_update",
                json!({"event": nothing, "message_template_name": "order"}),
            ),
            (
                "message_template_quality_update",
                json!({"new_quality_score": nothing, "message_template_name": "order"}),
            ),
            (
                "phone_number_quality_update",
                json!({"event": nothing, "display_phone_number": "34910000000"}),
            ),
            ("account_update", json!({"event": nothing, "country": "ES"})),
            (
                "account_alerts",
                json!({"alert_type": nothing, "entity_id": 7}),
            ),
            (
                "user_preferences",
                json!({"user_preferences": [{"wa_id": "34600000901", "value": nothing}]}),
            ),
            (
                "messaging_handovers",
                json!({"type": nothing, "sender": {"phone_number": "34600000901"}}),
            ),
        ] {
            let body = json!({"field": field, "value": value}).to_string();
            assert_eq!(summary(&body), [format!("(field:{field})")], "{nothing}");
        }
    }
    // An event that says nothing hides no quality.
    let body = json!({"field": "message_template_status_update", "value": {"event": "NONE",
        "new_quality_score": "RED", "message_template_name": "order"}});
    assert_eq!(
        summary(&body.to_string()),
        ["@template.quality_dropped RED"]
    );
}

#[test]
fn a_notice_in_a_text_is_read_and_one_that_was_cut_is_unreadable() {
    let paused =
        json!({"event": "PAUSED", "message_template_name": "order", "message_template_id": 7});
    let failing = json!({"errors": [{"code": 131_000}]});
    let change = |field: &str, text: String| {
        let change = json!({"field": field, "value": text});
        let body = json!({"object": "whatsapp_business_account",
            "entry": [{"id": "1", "changes": [change]}]});
        summary(&body.to_string())
    };
    let field = "message_template_status_update";
    assert_eq!(
        change(field, format!(" {paused}")),
        ["@template.paused PAUSED"]
    );
    assert_eq!(
        change("messages", failing.to_string()),
        ["@channel.error 131000"]
    );
    let cut =
        "!value is a text that is not one JSON object: have the relay post the body as it came";
    for (field, whole) in [
        (field, paused.to_string()),
        ("messages", failing.to_string()),
    ] {
        let half = whole[..whole.len() - 3].to_owned();
        assert_eq!(change(field, half), [cut], "{field}");
    }
    assert_eq!(
        change(field, "paused".to_owned()),
        [format!("(field:{field})")]
    );
    let twice = serde_json::to_string(&paused.to_string()).unwrap();
    for text in [twice, format!("[{paused}]")] {
        assert_eq!(change(field, text), [cut]);
    }
    let list = json!({"field": field, "value": [paused, paused]}).to_string();
    assert_eq!(summary(&list), ["@template.paused PAUSED"; 2]);
    // The control: a status in a text is not read as a report, and not ignored.
    let status = json!({"statuses": [status("a", "read")]}).to_string();
    let lines = change("messages", status);
    assert!(lines[0].starts_with("!a status stands in"), "{lines:?}");
}

#[test]
fn a_restriction_that_stops_no_sends_has_a_name_of_its_own() {
    let restricted = |kinds: &[&str]| {
        let all = kinds.iter().map(|kind| json!({"restriction_type": kind}));
        let all: Vec<serde_json::Value> = all.collect();
        let value = json!({"event": "ACCOUNT_RESTRICTION", "restriction_info": all});
        summary(&json!({"field": "account_update", "value": value}).to_string())
    };
    let adding = "RESTRICTED_ADD_PHONE_NUMBER_ACTION";
    let sending = "RESTRICTED_BIZ_INITIATED_MESSAGING";
    assert_eq!(
        restricted(&[adding]),
        ["@account.feature_restricted ACCOUNT_RESTRICTION"]
    );
    for kinds in [&[][..], &[sending], &[adding, sending], &["SOMETHING_NEW"]] {
        assert_eq!(
            restricted(kinds),
            ["@account.restricted ACCOUNT_RESTRICTION"],
            "{kinds:?}"
        );
    }
}

#[test]
fn errors_around_the_entries_are_of_the_channel() {
    let errors = json!([{"code": 131_000, "title": "Something went wrong"}]);
    let around =
        |entry: Value| json!({"object": WHATSAPP_OBJECT, "errors": errors, "entry": entry});
    let mut with_status = cloud(&json!({"statuses": [status("a", "sent")]}));
    with_status["errors"] = errors.clone();
    let mut with_failure = cloud(&json!({"statuses": [status("a", "failed")]}));
    with_failure["entry"][0]["errors"] = errors.clone();
    let channel = &["@channel.error 131000"][..];
    check(&[
        (around(json!([])), channel),
        (around(Value::Null), channel),
        (
            json!({"object": WHATSAPP_OBJECT, "errors": errors}),
            channel,
        ),
        (around(json!([{"id": "1", "changes": []}])), channel),
        (
            json!({"entry": [{"id": "1", "changes": [], "errors": errors}]}),
            channel,
        ),
        (json!({"entry": [{"id": "1", "errors": errors}]}), channel),
        (
            json!({"entry": [{"changes": [{"field": "messages", "errors": errors}]}]}),
            channel,
        ),
        (with_status, &["sent a", "@channel.error 131000"]),
        (with_failure, &["failed a meta:131000"]),
        (
            json!({"object": WHATSAPP_OBJECT, "errors": [{}], "entry": []}),
            &[],
        ),
    ]);
}
