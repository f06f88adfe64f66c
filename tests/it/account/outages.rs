//! How often an outage of the channel is sent, and what is one event.

use std::time::Duration;

use serde_json::{Value, json};
use tickrelay::clock::Clock;

use super::{T0, chat, envelope, events, failure, started};
use crate::support::{TestApp, fields, until};

/// An error of the channel of one number.
fn outage(code: i64, at_s: i64) -> String {
    let value = json!({"metadata": {"display_phone_number": "34910000000", "phone_number_id": "4400"},
        "errors": [{"code": code, "title": "invented"}]});
    envelope("messages", &value, at_s)
}

fn text(body: &Value) -> String {
    body["text"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn an_outage_is_reported_once_in_a_window_and_the_next_notice_has_the_count() {
    let (clock, hand) = Clock::manual((T0 + 60) * 1000);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let (agents, ops) = (chat(&app, "agents", true).await, events(&app).await);
    for second in 0..20 {
        assert_eq!(app.post("cloud", outage(131_000, T0 + second)).await, 200);
    }
    app.settled().await;
    // Each second of it is stored, and the first is sent.
    assert_eq!(app.account_events().await.len(), 20);
    assert_eq!((agents.count(), ops.count()), (1, 1));
    let reported = "Meta reported error 131000 (Something went wrong) for number 34910000000.";
    let first = text(&agents.received()[0].json());
    assert!(first.starts_with(reported), "{first}");
    assert!(!first.contains("since the last notice"), "{first}");
    // The control: another code is another outage.
    app.post("cloud", outage(130_429, T0)).await;
    app.settled().await;
    assert_eq!((agents.count(), ops.count()), (2, 2));
    hand.advance(Duration::from_hours(1));
    until("what was gathered is sent", || {
        agents.count() == 3 && ops.count() == 3
    })
    .await;
    let gathered = agents.received()[2].json();
    let count = "It came 19 times since the last notice.";
    assert!(text(&gathered).contains(count), "{gathered}");
    let event = ops.received()[2].json();
    assert_eq!(event["data"]["count"], 19);
    assert_eq!(event["data"]["event"], "131000");
    assert!(text(&event).contains(count), "{event}");
    // A window in which nothing came ends the outage: the next error is sent at once.
    hand.advance(Duration::from_hours(1));
    until("no window is open", || app.tables().open_notices() == 0).await;
    assert_eq!((agents.count(), ops.count()), (3, 3));
    app.post("cloud", outage(131_000, T0 + 7300)).await;
    app.settled().await;
    assert_eq!((agents.count(), ops.count()), (4, 4));
    app.stop().await;
}

#[actix_web::test]
async fn an_error_of_the_channel_reads_well_beside_the_failure() {
    let app = TestApp::boot_with(started(), |_| {}).await;
    app.report(&[failure("wamid.m", 131_000, T0, &json!({}))])
        .await;
    app.post("cloud", outage(131_000, T0 - 600)).await;
    assert_eq!(
        super::explaining::explained(&app, "wamid.m").await,
        ["Meta reported error 131000 (Something went wrong) 10 minutes before"]
    );
    app.stop().await;
}

#[actix_web::test]
async fn the_same_of_two_accounts_is_two_events() {
    let app = TestApp::boot_with(started(), |_| {}).await;
    let ops = events(&app).await;
    let value = json!({"event": "PAUSED", "message_template_name": "order_update"});
    let body = envelope("message_template_status_update", &value, T0);
    let other = body.replace(r#""id":"1""#, r#""id":"2""#);
    for body in [&body, &other, &body, &other] {
        assert_eq!(app.post("cloud", body.clone()).await, 200);
    }
    app.settled().await;
    let mut events = fields(&app.account_events().await, ["account_id", "repeats"]);
    events.sort();
    assert_eq!(events, [["1", "1"], ["2", "1"]]);
    assert_eq!(ops.count(), 2);
    app.stop().await;
}

#[actix_web::test]
async fn a_restriction_of_adding_numbers_explains_no_failure() {
    let app = TestApp::boot_with(started(), |_| {}).await;
    app.report(&[failure("wamid.m", 131_031, T0, &json!({}))])
        .await;
    let restricted = |kind: &str, at_s| {
        let value = json!({"event": "ACCOUNT_RESTRICTION",
            "restriction_info": [{"restriction_type": kind}]});
        envelope("account_update", &value, at_s)
    };
    app.post(
        "cloud",
        restricted("RESTRICTED_ADD_PHONE_NUMBER_ACTION", T0 - 600),
    )
    .await;
    let names = fields(&app.account_events().await, ["name"]);
    assert_eq!(names, [["account.feature_restricted"]]);
    let explained = async || super::explaining::explained(&app, "wamid.m").await;
    assert_eq!(explained().await, [""; 0]);
    // The control: one that stops sends does.
    app.post(
        "cloud",
        restricted("RESTRICTED_BIZ_INITIATED_MESSAGING", T0 - 300),
    )
    .await;
    assert_eq!(
        explained().await,
        ["account 1 was restricted by Meta 5 minutes before"]
    );
    app.stop().await;
}

#[actix_web::test]
async fn a_raise_of_the_limits_is_distinguished_from_a_cut() {
    let app = TestApp::boot_with(started(), |_| {}).await;
    app.report(&[failure("wamid.m", 130_429, T0, &json!({}))])
        .await;
    let limits = |limit: i64, at_s| {
        let value = json!({"max_daily_conversation_per_phone": limit});
        envelope("business_capability_update", &value, at_s)
    };
    let explained = async || super::explaining::explained(&app, "wamid.m").await;
    app.post("cloud", limits(1000, T0 - 900)).await;
    app.post("cloud", limits(250, T0 - 600)).await;
    assert_eq!(
        explained().await[0],
        "account 1 was given lower limits by Meta 10 minutes before"
    );
    app.post("cloud", limits(10_000, T0 - 300)).await;
    assert_eq!(explained().await, [""; 0]);
    let names = fields(&app.account_events().await, ["name"]);
    let expected = ["raised", "lowered", "changed"].map(|it| [format!("account.limits_{it}")]);
    assert_eq!(names, expected);
    app.stop().await;
}
