//! What providers say of the account: stored once, sent once, and shown where it explains a failure.

mod explaining;
mod forgotten;
mod outages;

use std::time::Duration;

use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::admin::{RegisterMessages, ReprocessWebhooks, SentMessage};
use tickrelay::clock::Clock;
use tickrelay::model::SubscriberKind;
use tickrelay::store::{ReprocessSelection, WebhookOutcome};

use crate::support::cli::Folder;
use crate::support::receiver::Receiver;
use crate::support::{TestApp, cloud, fields, until};

/// 2025-10-09T08:53:20Z, seconds.
const T0: i64 = 1_760_000_000;
const PERSON: &str = "34600000901";
const DAY: Duration = Duration::from_hours(24);

fn envelope(field: &str, value: &Value, at_s: i64) -> String {
    json!({"object": "whatsapp_business_account", "entry": [{"id": "1",
        "time": at_s, "changes": [{"field": field, "value": value}]}]})
    .to_string()
}

fn template(event: &str, name: &str, at_s: i64) -> String {
    let value = json!({"event": event, "message_template_id": 9_007_199_254_740_993_i64,
        "message_template_name": name, "message_template_language": "es", "reason": "NONE"});
    envelope("message_template_status_update", &value, at_s)
}

fn preference(value: &str, at_s: i64) -> String {
    let preference = json!({"wa_id": PERSON, "user_id": "ES.13490000000000000901",
        "category": "marketing_messages", "value": value, "timestamp": at_s});
    envelope(
        "user_preferences",
        &json!({"user_preferences": [preference]}),
        at_s,
    )
}

/// A failure of this error, with the fields of it.
fn failure(id: &str, code: i64, at_s: i64, fields: &Value) -> Value {
    let mut failed = cloud::failed(id, at_s);
    failed["errors"] = json!([{"code": code, "title": "invented"}]);
    cloud::with(failed, fields)
}

async fn chat(app: &TestApp, name: &str, account_events: bool) -> Receiver {
    let receiver = Receiver::start();
    app.subscribe_with(name, &receiver.url, |new| {
        new.kind = SubscriberKind::Chat;
        new.alert.account_events = account_events;
    })
    .await;
    receiver
}

async fn events(app: &TestApp) -> Receiver {
    let receiver = Receiver::start();
    app.subscribe_with("ops", &receiver.url, |new| {
        new.kind = SubscriberKind::Events;
    })
    .await;
    receiver
}

fn started() -> Clock {
    Clock::manual((T0 + 60) * 1000).0
}

#[actix_web::test]
async fn a_notice_is_stored_and_reported_once_however_often_it_comes() {
    let app = TestApp::boot_with(started(), |_| {}).await;
    let ops = events(&app).await;
    let (agents, quiet) = (
        chat(&app, "agents", true).await,
        chat(&app, "quiet", false).await,
    );
    let crm = Receiver::start();
    app.subscribe("crm", &crm.url).await;
    for _ in 0..3 {
        let answer = app
            .post("cloud", template("PAUSED", "order_update", T0))
            .await;
        assert_eq!(answer, 200);
    }
    app.settled().await;
    let names = ["outcome", "outcome_detail", "reports"];
    let (processed, known) = (
        ["processed", "template.paused", "0"],
        ["duplicate", "template.paused", "0"],
    );
    assert_eq!(
        fields(&app.webhooks().await, names),
        [known, known, processed]
    );
    let events = app.account_events().await;
    for (name, expected) in [
        ("source", "cloud"),
        ("provider_time_ms", "1760000000000"),
        ("field", "message_template_status_update"),
        ("about", "template"),
        ("subject", "order_update"),
        ("event", "PAUSED"),
        ("name", "template.paused"),
        ("repeats", "2"),
        ("text", "Template order_update was paused by Meta."),
    ] {
        assert_eq!(fields(&events, [name]), [[expected]]);
    }
    let notified = [ops.count(), agents.count(), quiet.count(), crm.count()];
    assert_eq!(notified, [1, 1, 0, 0]);
    let event = ops.received()[0].json();
    assert_eq!(event["type"], "template.paused");
    assert_eq!(event["timestamp"], "2025-10-09T08:53:20.000Z");
    assert_eq!(event["data"]["subject"], "order_update");
    assert_eq!(event["data"]["source"], "cloud");
    let remedy = event["data"]["remedy"].as_str().unwrap();
    for text in [&event["text"], &agents.received()[0].json()["text"]] {
        let text = text.as_str().unwrap();
        assert!(
            text.starts_with("Template order_update was paused by Meta."),
            "{text}"
        );
        assert!(text.contains(remedy), "{text}");
    }
    // The control: at another time it is another event.
    app.post("cloud", template("PAUSED", "order_update", T0 + 1))
        .await;
    app.settled().await;
    assert_eq!((ops.count(), agents.count()), (2, 2));
    app.stop().await;
}

#[actix_web::test]
async fn a_notice_without_a_time_is_reported_once_a_day() {
    let (clock, hand) = Clock::manual(T0 * 1000);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let ops = events(&app).await;
    let error = json!({"messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "34910000000", "phone_number_id": "1"},
        "errors": [{"code": 131_000, "title": "Something went wrong"}]});
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "1",
        "changes": [{"field": "messages", "value": error}]}]})
    .to_string();
    for _ in 0..2 {
        app.post("cloud", body.clone()).await;
    }
    app.settled().await;
    assert_eq!(ops.count(), 1);
    hand.advance(DAY);
    app.post("cloud", body).await;
    until("it is notified again", || ops.count() == 2).await;
    let event = ops.received()[1].json();
    assert_eq!(
        (&event["type"], &event["data"]["event"]),
        (&json!("channel.error"), &json!("131000"))
    );
    assert_eq!(event["data"]["subject"], "34910000000");
    app.settled().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_chat_reads_no_number_of_a_person_and_no_event_of_other_sources() {
    let app = TestApp::boot_with(started(), |_| {}).await;
    let agents = Receiver::start();
    app.subscribe_with("agents", &agents.url, |new| {
        new.kind = SubscriberKind::Chat;
        new.alert.account_events = true;
        new.filter.sources = vec!["cloud".to_owned()];
    })
    .await;
    let stop = json!({"from": PERSON, "createdAt": "2025-10-09T08:53:20.000+0000",
        "content": {"notificationMessagesStatus": "stop", "from": PERSON}});
    assert_eq!(app.post("infobip", stop.to_string()).await, 200);
    assert_eq!(app.post("cloud", preference("stop", T0)).await, 200);
    app.settled().await;
    assert_eq!(app.account_events().await.len(), 2);
    assert_eq!(agents.count(), 1);
    let text = agents.received()[0].json()["text"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(text.contains("wants no marketing"), "{text}");
    assert!(
        text.contains("contact.opted_out, source cloud, contact …901"),
        "{text}"
    );
    assert!(!text.contains("600000901"), "{text}");
    app.stop().await;
}

/// Registers a template message of this id.
async fn register(app: &TestApp, id: &str, name: &str) {
    let message = json!({"source": "cloud", "msId": id, "mobileNo": "34600000001",
        "template": {"name": name, "language": "es"}});
    let _: SentMessage = serde_json::from_value(message.clone()).unwrap();
    app.order(RegisterMessages {
        messages: vec![message.to_string()],
    })
    .await;
}

#[actix_web::test]
async fn a_paused_template_stands_on_the_timeline_of_the_failures_after_it() {
    let app = TestApp::boot_with(started(), |_| {}).await;
    let admin = app.caller(Role::Admin).await;
    register(&app, "wamid.after", "order_update").await;
    register(&app, "wamid.before", "order_update").await;
    register(&app, "wamid.other", "another").await;
    // The notice comes last: it is the provider's time that counts.
    app.report(&[
        failure("wamid.after", 132_015, T0, &json!({})),
        failure("wamid.before", 132_015, T0 - 13 * 60, &json!({})),
        failure("wamid.other", 132_015, T0, &json!({})),
        failure("wamid.unregistered", 132_015, T0, &json!({})),
        failure("wamid.phone", 131_026, T0, &json!({})),
    ])
    .await;
    app.post("cloud", template("PAUSED", "order_update", T0 - 12 * 60))
        .await;
    let explained = async |id: &str| -> Vec<String> {
        let timeline = admin
            .get(&format!("/messages/{id}/timeline"))
            .await
            .with(200);
        let reports = timeline["reports"].as_array().unwrap().iter();
        let explained = reports.flat_map(|report| report["explained_by"].as_array().unwrap());
        let sentence = |it: &Value| it["sentence"].as_str().unwrap().to_owned();
        explained.map(sentence).collect()
    };
    let paused = "template order_update was paused by Meta 12 minutes before";
    assert_eq!(explained("wamid.after").await, [paused]);
    assert_eq!(explained("wamid.unregistered").await, [paused]);
    // The control: what has nothing to do with it is not explained by it.
    for id in ["wamid.before", "wamid.other", "wamid.phone"] {
        assert_eq!(explained(id).await, [""; 0], "{id}");
    }
    app.post("cloud", template("APPROVED", "order_update", T0 - 60))
        .await;
    assert_eq!(explained("wamid.after").await, [""; 0]);
    app.stop().await;
}

#[actix_web::test]
async fn who_stopped_marketing_explains_the_refusal_and_is_erased_with_it() {
    let folder = Folder::new();
    let service = folder.serve();
    service.post(preference("stop", T0 - 3600)).await;
    let to_person = json!({"recipient_id": PERSON});
    service
        .post(cloud::webhook(&[failure(
            "wamid.m", 131_050, T0, &to_person,
        )]))
        .await;
    let shown = folder.done(&["message", "show", "wamid.m"]).await;
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    let stop = "a contact wants no marketing messages any more (since 60 minutes before)";
    assert_eq!(shown.matches(stop).count(), 2, "{shown}");
    let list = ["account", "list", "--subject", "+34 600 000 901", "--json"];
    let listed: Value = serde_json::from_str(&folder.done(&list).await).unwrap();
    assert_eq!(listed["data"][0]["name"], "contact.opted_out");
    assert_eq!(
        listed["data"][0]["person_user_id"],
        "ES.13490000000000000901"
    );
    let table = folder.done(&["account", "list"]).await;
    assert!(table.contains("contact.opted_out"), "{table}");
    folder.done(&["erase", PERSON, "--yes"]).await;
    let refused = folder.run(&["account", "list"]).await;
    let nothing = (1, "no account event is like that\n");
    assert_eq!((refused.exit, refused.talk.as_str()), nothing);
}

#[actix_web::test]
async fn the_list_is_filtered_and_paged_and_shows_no_source_that_is_not_seen() {
    let app = TestApp::boot_with(started(), |_| {}).await;
    for name in ["a", "b", "c"] {
        app.post("cloud", template("PAUSED", name, T0)).await;
    }
    let stop = json!({"from": "+34 910 000 000", "createdAt": "2025-10-09T08:53:50.000+0000",
        "content": {"notificationMessagesStatus": "stop"}});
    assert_eq!(app.post("infobip", stop.to_string()).await, 200);
    let support = app.caller(Role::Support).await;
    let subjects = async |path: &str| -> Vec<String> {
        let rows = support.all(path, 2).await;
        rows.iter()
            .map(|row| row["subject"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = ["34910000000", "c", "b", "a"];
    assert_eq!(subjects("/account-events").await, all);
    assert_eq!(subjects("/account-events?source=infobip").await, all[..1]);
    assert_eq!(
        subjects("/account-events?subject=%2B34-910-000-000").await,
        all[..1]
    );
    assert_eq!(
        subjects("/account-events?subject=9007199254740993").await,
        all[1..]
    );
    assert_eq!(
        subjects("/account-events?event=contact.opted_out").await,
        all[..1]
    );
    assert_eq!(
        subjects("/account-events?event=paused&subject=b").await,
        ["b"]
    );
    assert_eq!(
        subjects("/account-events?since=2025-10-09T08:53:40Z").await,
        all[..1]
    );
    assert_eq!(
        subjects("/account-events?until=2025-10-09T08:53:40Z").await,
        all[1..]
    );
    assert_eq!(
        support.get("/account-events?limit=0").await.problem(422),
        ["limit"]
    );
    let narrow = app
        .caller_with(Role::Integrator, |token| {
            token.owner = Some("team".to_owned());
            token.sources = vec!["cloud".to_owned()];
        })
        .await;
    assert_eq!(narrow.all("/account-events", 5).await.len(), 3);
    let hidden = narrow.get("/account-events?source=infobip").await;
    assert_eq!(hidden.problem(422), ["source"]);
    app.stop().await;
}

#[actix_web::test]
async fn a_webhook_that_an_earlier_version_ignored_becomes_an_event_when_it_is_read_again() {
    let app = TestApp::boot_with(started(), |_| {}).await;
    app.post("cloud", template("PAUSED", "order_update", T0))
        .await;
    app.tables().forget_account_events();
    let again = |dry_run| ReprocessWebhooks {
        selection: ReprocessSelection {
            all: true,
            ..ReprocessSelection::default()
        },
        dry_run,
    };
    let state = async || {
        let webhooks = app.webhooks().await.into_iter();
        let outcomes: Vec<_> = webhooks.map(|it| it.outcome).collect();
        (app.account_events().await.len(), outcomes)
    };
    app.order(again(true)).await;
    assert_eq!(state().await, (0, vec![WebhookOutcome::Ignored]));
    for _ in 0..2 {
        app.order(again(false)).await;
        assert_eq!(state().await, (1, vec![WebhookOutcome::Processed]));
    }
    assert_eq!(app.account_events().await[0].repeats, 0);
    app.stop().await;
}
