//! Which failures an account event stands on, and what the answer about a message says of it.

use serde_json::{Value, json};
use tickrelay::access::Role;

use super::{PERSON, T0, chat, envelope, events, failure, register, started, template};
use crate::support::cli::Folder;
use crate::support::{TestApp, cloud, fields};

/// Of another account, and of another number, than those of [`cloud::webhook`].
fn restriction(account: &str, at_s: i64, fields: &Value) -> String {
    let value = json!({"event": "ACCOUNT_RESTRICTION"});
    let body = envelope("account_update", &cloud::with(value, fields), at_s);
    body.replace(r#""id":"1""#, &format!(r#""id":"{account}""#))
}

pub(super) async fn explained(app: &TestApp, id: &str) -> Vec<String> {
    let admin = app.caller(Role::Admin).await;
    let timeline = admin
        .get(&format!("/messages/{id}/timeline"))
        .await
        .with(200);
    let reports = timeline["reports"].as_array().unwrap().iter();
    let explained = reports.flat_map(|report| report["explained_by"].as_array().unwrap());
    let sentence = |it: &Value| it["sentence"].as_str().unwrap().to_owned();
    explained.map(sentence).collect()
}

#[actix_web::test]
async fn the_answer_explains_the_reason_that_it_gives_and_no_earlier_one() {
    let folder = Folder::new();
    let service = folder.serve();
    let message = json!({"source": "cloud", "msId": "wamid.m", "mobileNo": "34600000001",
        "template": {"name": "order_update", "language": "es"}});
    std::fs::write(folder.path("one.json"), message.to_string()).unwrap();
    folder.done(&["message", "register", "one.json"]).await;
    service.post(template("PAUSED", "order_update", T0)).await;
    let failed = |code, minutes: i64| {
        cloud::webhook(&[failure("wamid.m", code, T0 + minutes * 60, &json!({}))])
    };
    let shown = async || {
        let shown = folder.done(&["message", "show", "wamid.m"]).await;
        shown.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let answer = "What explains it: template order_update was paused by Meta";
    service.post(failed(132_015, 12)).await;
    let first = shown().await;
    assert!(
        first.contains(&format!("{answer} 12 minutes before.")),
        "{first}"
    );
    // It fails again, for a reason of the recipient's: the pause stands by the first failure alone.
    service.post(failed(131_026, 30)).await;
    let second = shown().await;
    assert!(!second.contains("What explains it"), "{second}");
    assert_eq!(
        second
            .matches("was paused by Meta 12 minutes before")
            .count(),
        1,
        "{second}"
    );
    // The control: for the same reason again, the distance is that of the latest failure.
    service.post(failed(132_015, 90)).await;
    let third = shown().await;
    assert!(
        third.contains(&format!("{answer} 90 minutes before.")),
        "{third}"
    );
}

#[actix_web::test]
async fn a_notice_of_another_account_or_number_stands_on_no_failure() {
    let app = TestApp::boot_with(started(), |_| {}).await;
    register(&app, "wamid.paused", "order_update").await;
    app.report(&[
        failure("wamid.locked", 131_031, T0, &json!({})),
        failure("wamid.vague", 131_000, T0, &json!({})),
        failure("wamid.spam", 131_048, T0, &json!({})),
        failure("wamid.paused", 132_015, T0, &json!({})),
        failure("wamid.rate", 130_429, T0, &json!({})),
        failure(
            "wamid.stopped",
            131_050,
            T0,
            &json!({"recipient_id": PERSON}),
        ),
    ])
    .await;
    let ids =
        ["locked", "vague", "spam", "paused", "rate", "stopped"].map(|id| format!("wamid.{id}"));
    let quality = |number: &str, before_s: i64| {
        let value = json!({"display_phone_number": number, "event": "FLAGGED"});
        envelope("phone_number_quality_update", &value, T0 - before_s)
    };
    let others = |number: &str, number_id: &str, before_s: i64| {
        let metadata = json!({"display_phone_number": number, "phone_number_id": number_id});
        let stop = json!({"wa_id": PERSON, "value": "stop", "timestamp": T0 - before_s});
        [
            quality(number, before_s),
            envelope(
                "messages",
                &json!({"metadata": metadata, "errors": [{"code": 130_429}]}),
                T0 - before_s,
            ),
            envelope(
                "user_preferences",
                &json!({"metadata": metadata, "user_preferences": [stop]}),
                T0 - before_s,
            ),
        ]
    };
    let of_account = |account: &str, before_s: i64| {
        let paused = template("PAUSED", "order_update", T0 - before_s);
        let paused = paused.replace(r#""id":"1""#, &format!(r#""id":"{account}""#));
        [restriction(account, T0 - before_s, &json!({})), paused]
    };
    for body in others("34910000001", "4401", 600)
        .iter()
        .chain(&of_account("2", 600))
    {
        assert_eq!(app.post("cloud", body.clone()).await, 200);
    }
    assert_eq!(app.account_events().await.len(), 5);
    for id in &ids {
        assert_eq!(explained(&app, id).await, [""; 0], "{id}");
    }
    // The control: the same of the failures' own account and number.
    for body in others("34910000000", "4400", 500)
        .iter()
        .chain(&of_account("1", 500))
    {
        assert_eq!(app.post("cloud", body.clone()).await, 200);
    }
    for (id, count) in ids.iter().zip([1, 1, 2, 1, 1, 1]) {
        let explained = explained(&app, id).await;
        assert_eq!(explained.len(), count, "{id}: {explained:?}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn alerts_and_partners_explain_no_decision_of_meta_about_a_person() {
    let app = TestApp::boot_with(started(), |_| {}).await;
    app.report(&[
        failure("wamid.capped", 131_049, T0, &json!({})),
        failure("wamid.denied", 131_005, T0, &json!({})),
    ])
    .await;
    let alert = json!({"entity_type": "BUSINESS", "entity_id": "7",
        "alert_info": {"alert_type": "OBA_REJECTED", "alert_severity": "CRITICAL"}});
    let quality = json!({"display_phone_number": "34910000000", "event": "DOWNGRADE"});
    for (field, value) in [
        ("account_alerts", alert),
        ("account_update", json!({"event": "PARTNER_REMOVED"})),
        ("phone_number_quality_update", quality),
        (
            "business_capability_update",
            json!({"max_daily_conversations_per_business": 250}),
        ),
    ] {
        assert_eq!(
            app.post("cloud", envelope(field, &value, T0 - 600)).await,
            200
        );
    }
    assert_eq!(app.account_events().await.len(), 4);
    assert_eq!(explained(&app, "wamid.capped").await, [""; 0]);
    let removed = "account 1 was disconnected from its partner 10 minutes before";
    assert_eq!(explained(&app, "wamid.denied").await, [removed]);
    app.stop().await;
}

#[actix_web::test]
async fn a_restriction_says_when_it_ends_everywhere_and_explains_nothing_after_it() {
    let app = TestApp::boot_with(started(), |_| {}).await;
    let (agents, ops) = (chat(&app, "agents", true).await, events(&app).await);
    let restricted = json!({"restriction_info":
        [{"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": T0 + 3600}]});
    app.post("cloud", restriction("1", T0, &restricted)).await;
    app.settled().await;
    let until = "RESTRICTED_BIZ_INITIATED_MESSAGING until 2025-10-09 09:53:20 UTC";
    let text = agents.received()[0].json()["text"].to_string();
    assert!(text.contains(&format!("Meta says: {until}.")), "{text}");
    let event = ops.received()[0].json();
    assert_eq!(event["data"]["detail"], until);
    assert_eq!(event["data"]["ends_at"], "2025-10-09T09:53:20.000Z");
    let stored = fields(&app.account_events().await, ["detail", "ends_at_ms"]);
    assert_eq!(stored, [[until, "1760003600000"]]);
    let admin = app.caller(Role::Admin).await;
    let listed = admin.get("/account-events").await.with(200);
    assert_eq!(listed["data"][0]["ends_at"], "2025-10-09T09:53:20.000Z");
    app.report(&[
        failure("wamid.during", 131_031, T0 + 3599, &json!({})),
        failure("wamid.after", 131_031, T0 + 3600, &json!({})),
    ])
    .await;
    assert_eq!(explained(&app, "wamid.during").await.len(), 1);
    assert_eq!(explained(&app, "wamid.after").await, [""; 0]);
    app.stop().await;
}

#[actix_web::test]
async fn a_notice_that_says_nothing_is_reported_to_nobody() {
    let app = TestApp::boot_with(started(), |_| {}).await;
    let (agents, ops) = (chat(&app, "agents", true).await, events(&app).await);
    let nameless =
        json!({"event": "PAUSED", "message_template_name": "", "message_template_id": []});
    let nobody = json!({"user_preferences": [{"wa_id": "", "value": "stop"}]});
    let bodies = [
        envelope("messages", &json!({"errors": [{}]}), T0),
        envelope("account_settings_update", &json!([]), T0),
        envelope("user_preferences", &nobody, T0),
        envelope("message_template_status_update", &nameless, T0),
    ];
    for body in &bodies {
        assert_eq!(app.post("cloud", body.clone()).await, 200);
    }
    let mut outcomes = fields(&app.webhooks().await, ["outcome", "outcome_detail"]);
    outcomes.reverse();
    let ignored = [
        "empty",
        "field:account_settings_update",
        "field:user_preferences",
        "field:message_template_status_update",
    ];
    assert_eq!(outcomes, ignored.map(|what| ["ignored", what]));
    app.settled().await;
    assert_eq!((ops.count(), agents.count()), (0, 0));
    // The control: with its name, the same is sent.
    app.post("cloud", template("PAUSED", "order_update", T0))
        .await;
    app.settled().await;
    assert_eq!((ops.count(), agents.count()), (1, 1));
    app.stop().await;
}

#[actix_web::test]
async fn new_events_are_counted_by_source_and_event() {
    let app = TestApp::boot_with(started(), |_| {}).await;
    for body in [
        template("PAUSED", "a", T0),
        template("PAUSED", "a", T0),
        template("PAUSED", "b", T0),
    ] {
        assert_eq!(app.post("cloud", body).await, 200);
    }
    let page = app
        .http
        .get(format!("{}/metrics", app.url))
        .send()
        .await
        .unwrap();
    let page = page.text().await.unwrap();
    let series = r#"tickrelay_account_events_total{source="cloud",event="template.paused"} 2"#;
    assert!(page.lines().any(|line| line == series), "{page}");
    app.stop().await;
}
