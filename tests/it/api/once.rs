//! A POST with a key is done once, whatever happens in between.

use serde_json::json;
use std::time::Duration;
use tickrelay::access::Role;
use tickrelay::clock::Clock;

use crate::support::receiver::{Receiver, Reply};
use crate::support::service::{Home, Service};
use crate::support::{TestApp, client, until};

#[actix_web::test]
async fn the_same_request_again_gets_the_same_answer_also_after_a_restart() {
    let (clock, hand) = Clock::manual(1_760_000_000_000);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let token = app.token(Role::Admin, |_| {}).await;
    let bearer = format!("Bearer {token}");
    let with_key = |app: &TestApp, key: &str| {
        let caller = app.anyone().header("Authorization", &bearer);
        caller.header("Idempotency-Key", key)
    };
    let new = json!({"name": "crm", "url": "http://127.0.0.1:9/"});
    let first = with_key(&app, "a").post("/subscribers", &new).await;
    first.with(201);
    assert_eq!(first.header("idempotent-replayed"), "");
    let again = with_key(&app, "a").post("/subscribers", &new).await;
    assert_eq!((again.status, &again.text), (201, &first.text));
    assert_eq!(again.header("idempotent-replayed"), "true");

    let other = json!({"name": "other", "url": "http://127.0.0.1:9/"});
    let answer = with_key(&app, "a").post("/subscribers", &other).await;
    assert_eq!(answer.problem(422), ["Idempotency-Key"]);
    let answer = with_key(&app, "a")
        .post("/subscribers/crm/pause", &new)
        .await;
    assert_eq!(answer.problem(422), ["Idempotency-Key"]);
    for key in [&"x".repeat(256), "a b", ""] {
        let answer = with_key(&app, key).post("/subscribers", &other).await;
        assert_eq!(answer.problem(422), ["Idempotency-Key"], "{key:?}");
    }
    // Another caller's keys are its own.
    let second = app.caller(Role::Admin).await.header("Idempotency-Key", "a");
    second.post("/subscribers", &other).await.with(201);

    let app = app.restart().await;
    let again = with_key(&app, "a").post("/subscribers", &new).await;
    assert_eq!((again.status, &again.text), (201, &first.text));
    hand.advance(Duration::from_hours(24));
    with_key(&app, "a")
        .post("/subscribers", &new)
        .await
        .problem(409);
    app.stop().await;
}

#[actix_web::test]
async fn what_was_refused_may_be_mended_under_its_key() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await.header("Idempotency-Key", "a");
    let wrong = json!({"name": "CRM", "url": "http://127.0.0.1:9/"});
    admin.post("/subscribers", &wrong).await.problem(422);
    let right = json!({"name": "crm", "url": "http://127.0.0.1:9/"});
    admin.post("/subscribers", &right).await.with(201);
    app.stop().await;
}

#[actix_web::test]
async fn a_kill_in_the_midst_of_a_request_leaves_its_key_begun() {
    // It holds its answer back for as long as the test lasts.
    let receiver = Receiver::scripted(|_, _| Reply::status(200).after(Duration::from_secs(20)));
    let home = Home::new().set("forward.timeout=30s");
    let service = home.start();
    service.subscribe("crm", &receiver.url);
    let token = service.token();
    let ask = |service: &Service| {
        let url = format!("http://{}/api/v1/subscribers/crm/test", service.address);
        let request = client().post(url).bearer_auth(&token);
        request.header("Idempotency-Key", "a").send()
    };
    let asked = actix_web::rt::spawn(ask(&service));
    until("it is under way", || receiver.count() > 0).await;
    drop(service);
    assert!(asked.await.unwrap().is_err(), "it was killed unanswered");
    let count = receiver.count();
    let service = home.start();
    let repeat = ask(&service).await.unwrap();
    assert_eq!(repeat.status(), 409);
    let problem = repeat.text().await.unwrap();
    assert!(problem.contains("the service ended before"), "{problem}");
    assert_eq!(receiver.count(), count, "it was not done again");
}

#[actix_web::test]
async fn of_twins_one_is_done_and_the_other_reported_to_wait() {
    let app = TestApp::boot().await;
    let receiver = Receiver::scripted(|_, _| Reply::status(200).after(Duration::from_millis(300)));
    let admin = app.caller(Role::Admin).await.header("Idempotency-Key", "a");
    app.subscribe("crm", &receiver.url).await;
    let nothing = json!({});
    let twins = futures_util::future::join(
        admin.post("/subscribers/crm/test", &nothing),
        admin.post("/subscribers/crm/test", &nothing),
    );
    let (one, other) = twins.await;
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert_eq!(receiver.count(), 6, "one of them was done");
    let later = admin.post("/subscribers/crm/test", &nothing).await;
    assert_eq!(
        (later.status, later.header("idempotent-replayed")),
        (200, "true")
    );
    assert_eq!(receiver.count(), 6);
    app.stop().await;
}
