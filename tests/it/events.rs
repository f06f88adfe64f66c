//! What an operator is notified of the service itself, over the same way as everybody else.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::admin::{Sample, TestSubscriber};
use tickrelay::clock::{Clock, Hand};
use tickrelay::model::SubscriberKind;
use tickrelay::store::query::NotifiedQuery;
use tickrelay::store::watching::NotifiedCondition;

use crate::retrying::{T0, attempts, crm, disabled, resume, stopped_clock, switched};
use crate::support::answer::Answer;
use crate::support::receiver::Receiver;
use crate::support::{PATIENCE, TestApp, cloud, only, until_async};

const LOOK: Duration = Duration::from_secs(10);
const HOUR_MS: i64 = 3_600_000;

pub(crate) async fn operator(app: &TestApp) -> Receiver {
    let receiver = Receiver::start();
    app.subscribe_with("ops", &receiver.url, |new| {
        new.kind = SubscriberKind::Events;
    })
    .await;
    receiver
}

fn events(receiver: &Receiver) -> Vec<(String, Value)> {
    let requests = receiver.received();
    let events = requests.iter().map(|request| {
        let event = request.json();
        let name = event["type"].as_str().unwrap().to_owned();
        (name, event["data"].clone())
    });
    events.collect()
}

/// What was sent last of each condition of this kind.
async fn conditions(app: &TestApp, what: &str) -> Vec<NotifiedCondition> {
    let mut conditions = app.store.read(NotifiedQuery).await.unwrap();
    conditions.retain(|it| it.what == what);
    conditions
}

/// Moves the time on, look by look, until so many events have come; returns the last.
pub(crate) async fn next_event(hand: &Hand, receiver: &Receiver, count: usize) -> (String, Value) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while receiver.count() < count {
        assert!(
            std::time::Instant::now() < deadline,
            "only {:?}",
            events(receiver)
        );
        hand.advance(LOOK);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let events = events(receiver);
    assert_eq!(events.len(), count, "{events:?}");
    events.last().unwrap().clone()
}

#[actix_web::test]
async fn a_breaker_that_opens_and_a_subscriber_that_recovers_are_reported_in_order() {
    let (app, hand) = stopped_clock().await;
    let ops = operator(&app).await;
    let (crm, answer) = switched(500);
    app.subscribe("crm", &crm.url).await;
    for id in 0..5 {
        app.report(&[cloud::status(&format!("wamid.{id}"), "sent", T0)])
            .await;
    }
    attempts(&app, 5).await;
    let (event, data) = next_event(&hand, &ops, 1).await;
    assert_eq!(event, "subscriber.breaker_opened");
    assert_eq!(data["subject"], "crm");
    answer.store(200, Ordering::SeqCst);
    let (event, data) = next_event(&hand, &ops, 2).await;
    assert_eq!(event, "subscriber.recovered");
    assert_eq!(data, json!({"subject": "crm"}));
    // It receives no report, and nothing says that one was not sent.
    assert_eq!(app.skipped().await.len(), 0);
    app.settled().await;
    let last = only(conditions(&app, "subscriber-failing").await);
    assert_eq!((last.subject.as_str(), last.holds), ("crm", false));
    assert!(last.notified_at_ms > last.began_at_ms, "{last:?}");
    assert_eq!(ops.received()[1].text(), "Subscriber crm answers again.");
    app.stop().await;
}

#[actix_web::test]
async fn a_subscriber_that_is_disabled_and_resumed_is_notified_of_with_the_reason() {
    let (app, hand) = stopped_clock().await;
    let ops = operator(&app).await;
    let (crm, answer) = switched(410);
    app.subscribe("crm", &crm.url).await;
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    disabled(&app).await;
    let (event, data) = next_event(&hand, &ops, 1).await;
    assert_eq!(event, "subscriber.disabled");
    assert_eq!(
        data,
        json!({"subject": "crm", "reason": "answered 410 Gone"})
    );
    answer.store(200, Ordering::SeqCst);
    resume(&app).await;
    let (event, _) = next_event(&hand, &ops, 2).await;
    assert_eq!(event, "subscriber.resumed");
    app.stop().await;
}

#[actix_web::test]
async fn what_was_reported_is_not_reported_again_after_a_restart() {
    let (app, hand) = stopped_clock().await;
    let ops = operator(&app).await;
    let (crm, _) = switched(410);
    app.subscribe("crm", &crm.url).await;
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    next_event(&hand, &ops, 1).await;
    let app = app.restart().await;
    assert_eq!(app.post("cloud", "{broken").await, 200);
    let (event, data) = next_event(&hand, &ops, 2).await;
    assert_eq!(event, "webhooks.unparsed");
    assert_eq!(data, json!({"subject": "cloud", "webhooks": 1}));
    app.stop().await;
}

/// A webhook of which a part was read ends as processed; that a part was not is reported like a body
/// that could not be read at all, and the list of those has it.
#[actix_web::test]
async fn a_webhook_that_is_read_in_part_is_reported_and_listed() {
    let (app, hand) = stopped_clock().await;
    let ops = operator(&app).await;
    let support = app.caller(Role::Support).await;
    let unread = "/webhooks?outcome=unparsed";
    let read = cloud::status("wamid.1", "sent", T0);
    let whole = cloud::webhook(&[read.clone(), cloud::status("wamid.2", "sent", T0)]);
    assert_eq!(app.post("cloud", whole).await, 200);
    assert_eq!(support.all(unread, 2).await, Vec::<Value>::new());
    let wrapped = json!({"type": "call", "from": "34600000001", "body": {"statuses": [read]}});
    let in_part = cloud::webhook(&[cloud::status("wamid.3", "sent", T0), wrapped]);
    assert_eq!(app.post("cloud", in_part).await, 200);
    let listed = support.all(unread, 2).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    let webhook = &listed[0];
    assert_eq!(webhook["outcome"], "processed");
    assert_eq!(
        (&webhook["reports"], &webhook["unreadable"]),
        (&json!(1), &json!(1))
    );
    let detail = webhook["outcome_detail"].as_str().unwrap();
    assert!(
        detail.starts_with("a status stands in body.statuses of a status"),
        "{detail}"
    );
    let (event, data) = next_event(&hand, &ops, 1).await;
    assert_eq!(event, "webhooks.unparsed");
    assert_eq!(data, json!({"subject": "cloud", "webhooks": 1}));
    app.stop().await;
}

#[actix_web::test]
async fn an_open_breaker_outlives_a_restart_in_its_first_minute() {
    let (app, hand) = stopped_clock().await;
    let ops = operator(&app).await;
    let (receiver, answer) = switched(500);
    app.subscribe("crm", &receiver.url).await;
    for id in 0..8 {
        app.report(&[cloud::status(&format!("wamid.{id}"), "sent", T0)])
            .await;
    }
    until_async("its breaker opens", async || {
        app.attempts().await.len() >= 5
    })
    .await;
    let (event, _) = next_event(&hand, &ops, 1).await;
    assert_eq!(event, "subscriber.breaker_opened");
    let app = app.restart().await;
    let since_ms = crm(&app).failing_since_ms;
    assert!(since_ms.is_some(), "the stop notes that it fails");
    let before = receiver.count();
    let deadline = std::time::Instant::now() + PATIENCE;
    while receiver.count() < before + 3 {
        assert!(std::time::Instant::now() < deadline, "it is not probed");
        hand.advance(LOOK);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(only(conditions(&app, "subscriber-failing").await).holds);
    assert_eq!(events(&ops).len(), 1, "{:?}", events(&ops));
    // It still fails, so the outage has cost each forward one attempt at most.
    let mut forwards = app.forwards().await;
    forwards.retain(|it| it.subscriber == "crm");
    assert_eq!(forwards.iter().map(|it| it.attempts).max(), Some(1));
    answer.store(200, Ordering::SeqCst);
    let (event, _) = next_event(&hand, &ops, 2).await;
    assert_eq!(event, "subscriber.recovered");
    app.stop().await;
}

/// Puts counts of so many hours ago into the store, as an earlier run would have.
fn counted(app: &TestApp, rows: &[(&str, &str, i64, i64)]) {
    let now_ms = T0 * 1000;
    let tables = app.tables();
    for (what, subject, hours_ago, count) in rows {
        let begins_at_ms = now_ms - now_ms % 600_000 - hours_ago * HOUR_MS;
        tables.add_traffic(begins_at_ms, what, subject, *count);
    }
}

#[actix_web::test]
async fn a_source_that_is_silent_for_longer_than_usual_is_notified_of_once() {
    let (app, hand) = stopped_clock().await;
    let ops = operator(&app).await;
    counted(
        &app,
        &[
            ("webhooks", "cloud", 50, 9),
            ("webhooks", "cloud", 39, 9),
            ("webhooks", "cloud", 30, 9),
            ("webhooks", "cloud", 19, 9),
            // Its longest silence is eleven hours, and this one is nineteen.
            ("webhooks", "infobip", 40, 9),
            ("webhooks", "infobip", 2, 9),
        ],
    );
    let app = app.restart().await;
    hand.advance(Duration::from_hours(4));
    let (event, data) = next_event(&hand, &ops, 1).await;
    assert_eq!(event, "source.silent");
    assert_eq!(data["subject"], "cloud");
    let minutes = data["silent_minutes"].as_i64().unwrap();
    assert!((22 * 60..24 * 60).contains(&minutes), "{minutes}");
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    let (event, _) = next_event(&hand, &ops, 2).await;
    assert_eq!(event, "source.recovered");
    app.stop().await;
}

/// Registers messages of the source `cloud` that fall silent after so many minutes.
async fn register(app: &TestApp, name: &str, messages: usize, minutes: u32) {
    let admin = app.caller(Role::Admin).await;
    let next_event = |number: usize| {
        json!({
            "source": "cloud", "msId": format!("{name}.{number}"), "mobileNo": "34600000001",
            "message": "Hello", "ttl": format!("PT{minutes}M"),
        })
    };
    let messages: Vec<Value> = (0..messages).map(next_event).collect();
    admin.post("/messages", &json!(messages)).await.with(200);
}

async fn noted(app: &TestApp, hand: &Hand, at_ms: i64) {
    let deadline = std::time::Instant::now() + PATIENCE;
    let is_noted = |it: &NotifiedCondition| it.notified_at_ms >= at_ms;
    while !conditions(app, "messages-silent")
        .await
        .iter()
        .any(is_noted)
    {
        assert!(std::time::Instant::now() < deadline, "not looked at");
        hand.advance(LOOK);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[actix_web::test]
async fn messages_that_fall_silent_are_notified_of_together_once_and_only_where_asked_for() {
    let (clock, hand) = Clock::manual(T0 * 1000);
    let app = TestApp::boot_with(clock, |config| config.events.silent_messages = 3).await;
    let ops = operator(&app).await;
    noted(&app, &hand, T0 * 1000).await;
    register(&app, "early", 4, 15).await;
    register(&app, "few", 2, 120).await;
    register(&app, "late", 5, 200).await;
    app.report(&[cloud::status("early.0", "sent", T0)]).await;
    // A final report is what none of the others has.
    app.report(&[cloud::status("early.1", "delivered", T0)])
        .await;
    let (event, data) = next_event(&hand, &ops, 1).await;
    assert_eq!(event, "messages.silent");
    assert_eq!(data, json!({"messages": 3, "sources": {"cloud": 3}}));
    // Two are fewer than three; nothing is sent again, not after a restart either.
    noted(&app, &hand, T0 * 1000 + 140 * 60_000).await;
    let app = app.restart().await;
    noted(&app, &hand, T0 * 1000 + 150 * 60_000).await;
    assert_eq!(ops.count(), 1);
    // What falls silent while it is away is reported after it; then the setting is off.
    let app = app
        .restart_with(|_| hand.advance(Duration::from_hours(5)))
        .await;
    let (_, data) = next_event(&hand, &ops, 2).await;
    assert_eq!(data, json!({"messages": 5, "sources": {"cloud": 5}}));
    let app = app
        .restart_with(|config| config.events.silent_messages = 0)
        .await;
    until_async("what was noted is forgotten", async || {
        hand.advance(LOOK);
        conditions(&app, "messages-silent").await.is_empty()
    })
    .await;
    assert_eq!(ops.count(), 2);
    app.stop().await;
}

#[actix_web::test]
async fn an_error_whose_share_jumps_is_notified_of_and_when_it_settles_too() {
    let (app, hand) = stopped_clock().await;
    let ops = operator(&app).await;
    counted(
        &app,
        &[("reports", "", 3, 1000), ("failures", "meta:131026", 3, 10)],
    );
    let app = app.restart().await;
    let failed: Vec<Value> = (0..20)
        .map(|id| cloud::failed(&format!("wamid.{id}"), T0))
        .collect();
    app.report(&failed[..19]).await;
    hand.advance(Duration::from_mins(2));
    app.report(&failed[19..]).await;
    let (event, data) = next_event(&hand, &ops, 1).await;
    assert_eq!(event, "errors.jumped");
    assert_eq!(
        data,
        json!({
            "subject": "meta:131026", "failures": 20, "reports": 20,
            "failures_before": 10, "reports_before": 1000,
        })
    );
    let (event, _) = next_event(&hand, &ops, 2).await;
    assert_eq!(event, "errors.settled");
    app.stop().await;
}

#[actix_web::test]
async fn a_disk_and_a_log_near_their_limits_are_reported_of() {
    let (clock, hand) = Clock::manual(T0 * 1000);
    let app = TestApp::boot_with(clock, |config| config.store.wal_limit_bytes = 1).await;
    let ops = operator(&app).await;
    let (event, data) = next_event(&hand, &ops, 1).await;
    assert_eq!(event, "wal.large");
    assert_eq!(data["limit_bytes"], 1);
    let app = app
        .restart_with(|config| {
            config.store.wal_limit_bytes = 1 << 40;
            config.store.disk_reserve_bytes = 1 << 62;
        })
        .await;
    next_event(&hand, &ops, 3).await;
    let names: Vec<String> = events(&ops).into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"disk.low".to_owned()), "{names:?}");
    assert!(names.contains(&"wal.recovered".to_owned()), "{names:?}");
    let mut sent = events(&ops).into_iter();
    let low = sent.find(|(name, _)| name == "disk.low");
    assert_eq!(low.unwrap().1["reserve_bytes"], 1_u64 << 62);
    // One rule decides both.
    let page = Answer::to(app.http.get(format!("{}/readyz", app.url))).await;
    let page: Value = serde_json::from_str(&page.body).unwrap();
    assert_eq!(page["notes"][0]["code"], "disk-low");
    assert_eq!(page["notes"][0]["level"], "now");
    app.stop().await;
}

#[actix_web::test]
async fn events_are_for_who_sees_all_of_the_service() {
    let (app, _hand) = stopped_clock().await;
    let ops = operator(&app).await;
    let acme = app.caller(Role::Integrator).await;
    let body = json!({"name": "acme", "url": ops.url, "kind": "events"});
    let refused = acme.post("/subscribers", &body).await;
    assert_eq!(refused.problem(422), ["/kind"]);
    // A sample says that it is one.
    let name = "ops".to_owned();
    app.order(TestSubscriber {
        name,
        sample: Sample::default(),
    })
    .await;
    assert_eq!(events(&ops), [("sample".to_owned(), json!({}))]);
    app.stop().await;
}
