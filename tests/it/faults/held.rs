//! A service is started with a clock that is far ahead: nothing goes by its age for a day, since what
//! is gone does not come back with the right time.

use std::time::Duration;

use serde_json::{Value, json};
use tickrelay::admin::{PauseSubscriber, RemoveSubscriber, ResumeSubscriber};
use tickrelay::clock::{Clock, Hand};
use tickrelay::duties::expiry::Expiry;
use tickrelay::duties::pruning::Pruning;
use tickrelay::duties::{Duty, Next};
use tickrelay::model::SubscriberState;
use tickrelay::store::Lease;

use crate::retrying::{attempts, switched};
use crate::support::api::Caller;
use crate::support::receiver::Receiver;
use crate::support::{Tables, TestApp, cloud_status, fields, until, until_async};

const START_MS: i64 = 1_760_000_000_000;
const HOUR_MS: i64 = 3_600_000;
const AHEAD_MS: i64 = 400 * 24 * HOUR_MS;
const HOUR: Duration = Duration::from_hours(1);

/// A service with one forward that was delivered, one that is refused for two minutes, and one
/// that waits for a paused subscriber.
async fn with_three_forwards() -> (TestApp, Hand, Receiver) {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |config| {
        config.retention.webhooks_days = 8;
        config.retention.attempts_days = 8;
        config.retention.messages_days = 10;
    })
    .await;
    let (receiver, (down, _)) = (Receiver::start(), switched(400));
    app.subscribe("crm", &receiver.url).await;
    app.subscribe("down", &down.url).await;
    app.subscribe("slow", &receiver.url).await;
    let name = "slow".to_owned();
    app.order(PauseSubscriber { name }).await;
    let body = cloud_status("wamid.1", "sent", START_MS / 1000);
    assert_eq!(app.post("cloud", body).await, 200);
    attempts(&app, 2).await;
    hand.advance(Duration::from_mins(2));
    attempts(&app, 3).await;
    until("the store knows since when it fails", || {
        let down = app.store.subscriber("down").unwrap();
        down.failing_since_ms.is_some()
    })
    .await;
    (app, hand, down)
}

/// One whole round of expiry and pruning, beside the service's own.
async fn round(app: &TestApp) {
    let retention = tickrelay::config::Retention {
        webhooks_days: 8,
        attempts_days: 8,
        messages_days: 10,
    };
    let (store, clock) = (&app.store, app.clock());
    whole(Expiry::new(
        store.clone(),
        clock.clone(),
        Duration::from_hours(192),
    ))
    .await;
    whole(Pruning::new(store.clone(), clock, retention)).await;
}

/// Steps until the next round is all that is left to wait for.
async fn whole(mut duty: impl Duty) {
    while let Next::After(_) = duty.step(&Lease::for_good()).await.unwrap() {}
}

/// The operator, who asks under one key.
async fn keyed(app: &TestApp) -> Caller {
    app.admin().await.header("Idempotency-Key", "once")
}

async fn clock_held(app: &TestApp) -> Value {
    let page = app.http.get(format!("{}/readyz", app.url));
    let page = page.send().await.unwrap().text().await.unwrap();
    let page: Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["ready"], true);
    page["clock_held"].clone()
}

/// Webhooks, what became of the forwards, and of the subscriber that refuses them.
async fn left(app: &TestApp) -> (usize, Vec<[String; 2]>, SubscriberState) {
    let mut forwards = fields(&app.forwards().await, ["subscriber", "state"]);
    forwards.sort();
    let subscriber = app.store.subscriber("down").unwrap();
    (app.webhooks().await.len(), forwards, subscriber.state)
}

fn all() -> (usize, Vec<[String; 2]>, SubscriberState) {
    let states = [
        ["crm", "delivered"],
        ["down", "pending"],
        ["slow", "pending"],
    ];
    let states = states.map(|state| state.map(str::to_owned));
    (1, states.to_vec(), SubscriberState::Active)
}

#[actix_web::test]
async fn a_start_with_a_clock_that_is_far_ahead_prunes_expires_and_disables_nothing() {
    let (app, hand, down) = with_three_forwards().await;
    let asked = json!({"name": "bi", "url": down.url});
    keyed(&app)
        .await
        .post("/subscribers", &asked)
        .await
        .with(201);
    let app = app.restart_with(|_| hand.set_ms(START_MS + AHEAD_MS)).await;
    // The retry is due by that clock, and one more failure of 400 days.
    until("it is tried again", || down.count() >= 3).await;
    attempts(&app, 4).await;
    round(&app).await;
    assert_eq!(left(&app).await, all());
    let held = clock_held(&app).await;
    assert_eq!(held["last_seen"], "2025-10-09T08:55:20.000Z");
    assert_eq!(held["clock"], "2026-11-13T08:53:20.000Z");
    assert_eq!(held["ends_in_s"], 86_400);
    let again = keyed(&app).await.post("/subscribers", &asked).await;
    again.with(201);
    assert_eq!(again.header("idempotent-replayed"), "true");

    // A restart neither ends the hold nor begins it again.
    hand.advance(HOUR);
    let app = app.restart_with(|_| hand.advance(HOUR)).await;
    round(&app).await;
    assert_eq!(left(&app).await, all());
    let held = clock_held(&app).await;
    assert_eq!(held["last_seen"], "2025-10-09T08:55:20.000Z");
    assert_eq!(held["ends_in_s"], 23 * 3600);

    // Once the clock is right, all goes on as if nothing had been.
    hand.set_ms(START_MS + 4 * HOUR_MS);
    assert_eq!(clock_held(&app).await, Value::Null);
    round(&app).await;
    assert_eq!(left(&app).await, all());
    app.stop().await;
}

#[actix_web::test]
async fn a_service_that_was_off_for_a_year_prunes_and_expires_after_a_day() {
    let (app, hand, _down) = with_three_forwards().await;
    let app = app.restart_with(|_| hand.set_ms(START_MS + AHEAD_MS)).await;
    attempts(&app, 4).await;
    for _ in 0..23 {
        hand.advance(HOUR);
        assert!(app.store.age_hold().is_some());
    }
    round(&app).await;
    let (webhooks, forwards, _) = left(&app).await;
    assert_eq!(webhooks, 1);
    assert_eq!(forwards[2], ["slow", "pending"]);
    hand.advance(HOUR);
    assert_eq!(clock_held(&app).await, Value::Null);
    round(&app).await;
    until_async("what waited expires, and what is old goes", async || {
        let (webhooks, forwards, _) = left(&app).await;
        webhooks == 0 && forwards.last().is_some_and(|it| *it == ["slow", "gave-up"])
    })
    .await;
    app.stop().await;
}

/// The control of both.
#[actix_web::test]
async fn a_start_that_does_not_compare_its_clock_prunes_and_expires_at_once() {
    let (app, hand, _down) = with_three_forwards().await;
    let path = app.path();
    let app = app
        .restart_with(|_| {
            hand.set_ms(START_MS + AHEAD_MS);
            Tables::at(&path).set_clock_ms(START_MS + AHEAD_MS);
        })
        .await;
    until_async("all of it is lost", async || {
        let (webhooks, forwards, _) = left(&app).await;
        webhooks == 0 && forwards.iter().skip(1).all(|it| it[1] == "gave-up")
    })
    .await;
    app.stop().await;
}

#[actix_web::test]
async fn what_a_clock_settled_that_was_ahead_is_pruned_by_when_it_was_reported() {
    let (app, hand, _down) = with_three_forwards().await;
    let name = "down".to_owned();
    app.order(RemoveSubscriber { name }).await;
    hand.set_ms(START_MS + AHEAD_MS);
    let name = "slow".to_owned();
    app.order(ResumeSubscriber { name }).await;
    app.settled().await;
    let forwards = app.forwards().await.into_iter();
    let settled_ms = forwards.filter_map(|it| it.settled_at_ms).max().unwrap();
    assert!(settled_ms >= START_MS + AHEAD_MS, "{settled_ms}");
    let payloads = || app.tables().count("payload");
    for (days, message) in [(7, 1), (9, 1), (11, 0)] {
        hand.set_ms(START_MS + HOUR_MS);
        for _ in 0..days * 24 {
            hand.advance(HOUR);
            assert!(app.store.age_hold().is_none());
        }
        round(&app).await;
        assert_eq!(
            (payloads(), app.messages().await.len()),
            (usize::from(days < 8), message),
            "{days} days"
        );
    }
    assert!(app.forwards().await.is_empty());
    app.stop().await;
}
