//! Views whose rows depend on more than one report: registrations, broadcasts, groups, conditions.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::events::{next_event, operator};
use crate::retrying::{T0, attempts, stopped_clock, switched};
use crate::support::{TestApp, cloud};

async fn register(app: &TestApp, messages: &Value) {
    let caller = app.admin().await;
    let answer = caller.post("/messages", messages).await;
    assert!([200, 201].contains(&answer.status), "{answer:?}");
}

#[actix_web::test]
async fn a_message_shows_what_its_sender_registered() {
    let app = TestApp::boot().await;
    let message = json!({"source": "cloud", "msId": "wamid.1", "message": "Other",
        "broadcastId": "b", "metadata": {"order": 7},
        "template": {"name": "order", "parameters": {"who": "Ana"}}});
    register(&app, &message).await;
    let view = app.rows("SELECT text, template_name, broadcast, metadata FROM v_messages");
    assert_eq!(view, [["Other", "order", "b", r#"{"order":7}"#]]);
    app.stop().await;
}

/// The view goes by the clock of its reader, which is later than that of these messages.
#[actix_web::test]
async fn a_message_without_a_final_report_in_time_is_silent() {
    let (app, _hand) = stopped_clock().await;
    for id in ["wamid.quiet", "wamid.read", "wamid.sent"] {
        let message = json!({"source": "cloud", "msId": id, "ttl": "PT1H",
            "timestamp": "2025-10-09T08:53:19Z"});
        register(&app, &message).await;
    }
    let patient = json!({"source": "cloud", "msId": "wamid.patient"});
    register(&app, &patient).await;
    app.report(&[cloud::status("wamid.read", "read", T0)]).await;
    app.report(&[cloud::status("wamid.sent", "sent", T0)]).await;
    let view = "SELECT provider_message_id, silent_since FROM v_silent ORDER BY message_id";
    let since = "2025-10-09T09:53:19.000Z";
    let expected = [["wamid.quiet", since], ["wamid.sent", since]];
    assert_eq!(app.rows(view), expected);
    app.stop().await;
}

#[actix_web::test]
async fn a_broadcast_counts_each_message_once() {
    let app = TestApp::boot().await;
    let message = |id: &str| json!({"source": "cloud", "msId": id, "broadcastId": "b-1"});
    let messages = ["wamid.0", "wamid.1", "wamid.2", "wamid.3"].map(message);
    register(&app, &json!(messages)).await;
    app.report(&[
        cloud::status("wamid.0", "sent", T0),
        cloud::status("wamid.1", "read", T0),
        cloud::failed("wamid.2", T0),
    ])
    .await;
    let view = app.rows("SELECT broadcast, total, success, failure, pending FROM v_broadcasts");
    assert_eq!(view, [["b-1", "4", "1", "1", "2"]]);
    app.stop().await;
}

#[actix_web::test]
async fn the_reason_of_a_second_failure_has_its_own_time() {
    let app = TestApp::boot().await;
    let mut later = cloud::failed("wamid.1", T0 + 9);
    later["errors"][0]["code"] = 131_047.into();
    app.report(&[cloud::failed("wamid.1", T0)]).await;
    app.report(&[later]).await;
    let view = app.rows("SELECT failed_at, error_at, error_code FROM v_failures");
    let (first, second) = ("2025-10-09T08:53:20.000Z", "2025-10-09T08:53:29.000Z");
    assert_eq!(view, [[first, second, "131047"]]);
    app.stop().await;
}

#[actix_web::test]
async fn members_of_a_group_contradict_themselves_alone() {
    let app = TestApp::boot().await;
    let errors = json!({"errors": [{"code": 131_026, "title": "Message undeliverable"}]});
    let reached = |id| cloud::in_group(id, "delivered", T0, "34600000011");
    let failed = |id, member| cloud::with(cloud::in_group(id, "failed", T0 + 3, member), &errors);
    let as_a_whole = json!({"recipient_id": "group-77", "recipient_type": "group"});
    let as_a_whole = cloud::with(cloud::failed("all", T0 + 3), &as_a_whole);
    for statuses in [
        [reached("same"), failed("same", "34600000011")],
        [reached("two"), failed("two", "34600000012")],
        [as_a_whole, reached("all")],
    ] {
        app.report(&statuses).await;
    }
    let view = "SELECT provider_message_id, conflict FROM v_failures ORDER BY 1";
    let expected = [["all", "0"], ["same", "1"], ["two", "0"]];
    assert_eq!(app.rows(view), expected);
    app.stop().await;
}

#[actix_web::test]
async fn a_condition_says_what_was_sent_last() {
    let (app, hand) = stopped_clock().await;
    let ops = operator(&app).await;
    let (crm, answer) = switched(500);
    app.subscribe("crm", &crm.url).await;
    for id in 0..5 {
        app.report(&[cloud::status(&format!("wamid.{id}"), "sent", T0)])
            .await;
    }
    attempts(&app, 5).await;
    next_event(&hand, &ops, 1).await;
    answer.store(200, Ordering::SeqCst);
    next_event(&hand, &ops, 2).await;
    app.settled().await;
    let view = "SELECT what, subject, holds, text FROM v_conditions WHERE notified_at > began_at";
    let text = "Subscriber crm answers again.";
    assert_eq!(app.rows(view), [["subscriber-failing", "crm", "0", text]]);
    app.stop().await;
}
