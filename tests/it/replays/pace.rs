//! How fast a replay is, what stops it, and what does not wait for it.

use std::collections::HashMap;

use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::admin::RemoveSubscriber;
use tickrelay::model::Reports;

use super::{begin, ended, pour};
use crate::retrying::{T0, pause, resume};
use crate::support::api::Caller;
use crate::support::receiver::{Receiver, Reply};
use crate::support::{TestApp, cloud, counted, until_async};

/// Forwards that a subscriber is queued while a replay waits for it, and what one step may add.
const ROOM: u64 = 512 + 256;

/// Waits until the replay pauses on a full queue.
async fn stalled(app: &TestApp) -> u64 {
    until_async("it waits for its subscriber", async || {
        app.pending(512).await.len() == 512
    })
    .await;
    let queued: u64 = app.replays().await.iter().map(|it| it.queued).sum();
    assert!((512..=ROOM).contains(&queued), "{queued}");
    queued
}

/// A subscriber that took so many forwards and is paused; a replay has room for some of them.
async fn taken_and_paused(messages: usize) -> (TestApp, Caller, Receiver) {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    pour(&app, "m", messages).await;
    app.settled().await;
    pause(&app).await;
    (app, admin, receiver)
}

#[actix_web::test]
async fn one_that_is_cancelled_queues_no_more() {
    const MESSAGES: usize = 1_500;
    let (app, admin, receiver) = taken_and_paused(MESSAGES).await;
    let path = begin(
        &admin,
        &json!({"subscriber": "crm", "states": ["delivered"]}),
    )
    .await;
    let queued = stalled(&app).await;
    let shown = admin.get(&path).await.with(200);
    assert_eq!(
        (&shown["state"], &shown["queued"], &shown["total"]),
        (&json!("running"), &json!(queued), &json!(MESSAGES))
    );
    assert_eq!(shown["examined"], shown["queued"]);
    let first = admin
        .post(&format!("{path}/cancel"), &json!({}))
        .await
        .with(200);
    assert_eq!(
        (&first["state"], &first["queued"]),
        (&json!("cancelled"), &json!(queued))
    );
    let again = admin
        .post(&format!("{path}/cancel"), &json!({}))
        .await
        .with(200);
    assert_eq!(again, first);
    // That one changed nothing, and nothing is notified of it.
    let audit = app.audited("replay").await.into_iter();
    assert_eq!(audit.filter(|it| it[0] == "replay.cancelled").count(), 1);
    resume(&app).await;
    app.settled().await;
    // A second one is done when the first one would be too.
    let next = begin(&admin, &json!({"subscriber": "crm", "missed": true})).await;
    ended(&app, &admin, &next).await;
    assert_eq!(admin.get(&path).await.with(200), first);
    let sent = u64::try_from(receiver.count() - MESSAGES).unwrap();
    assert_eq!(sent, queued);
    app.stop().await;
}

#[actix_web::test]
async fn of_two_for_one_subscriber_each_looks_at_everything() {
    const MESSAGES: usize = 1_200;
    let (app, admin, receiver) = taken_and_paused(MESSAGES).await;
    let order = json!({"subscriber": "crm", "states": ["delivered"]});
    let (one, two) = (begin(&admin, &order).await, begin(&admin, &order).await);
    stalled(&app).await;
    resume(&app).await;
    let one = ended(&app, &admin, &one).await;
    let two = admin.get(&two).await.with(200);
    app.settled().await;
    let count = |replay: &Value| replay["queued"].as_u64().unwrap();
    for replay in [&one, &two] {
        assert_eq!(
            (&replay["state"], &replay["examined"]),
            (&json!("done"), &json!(MESSAGES))
        );
    }
    // What the other had just queued is not queued twice at once, and nothing is left out.
    let sent = receiver.count() - MESSAGES;
    assert_eq!(u64::try_from(sent).unwrap(), count(&one) + count(&two));
    assert!((MESSAGES..=2 * MESSAGES).contains(&sent), "{sent}");
    assert_eq!(app.tables().never_replayed(), 0);
    app.stop().await;
}

/// A `sent` that came late stands far behind the `delivered` of its message.
#[actix_web::test]
async fn statuses_of_a_message_keep_their_order() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let receiver = Receiver::one_at_a_time(|_, _| Reply::status(200));
    app.subscribe_with("crm", &receiver.url, |new| new.reports = Reports::All)
        .await;
    app.report(&[cloud::status("late", "delivered", T0 + 5)])
        .await;
    pour(&app, "m", 700).await;
    app.report(&[cloud::status("late", "sent", T0)]).await;
    app.settled().await;
    assert_eq!(receiver.by_message()["late"], ["delivered", "sent"]);
    let path = begin(
        &admin,
        &json!({"subscriber": "crm", "states": ["delivered"]}),
    )
    .await;
    let replay = ended(&app, &admin, &path).await;
    assert_eq!(replay["queued"], 702);
    app.settled().await;
    assert_eq!(
        receiver.by_message()["late"],
        ["delivered", "sent", "sent", "delivered"]
    );
    app.stop().await;
}

#[actix_web::test]
async fn what_is_new_does_not_wait_behind_a_large_replay() {
    const MESSAGES: usize = 2_500;
    let (app, admin, receiver) = taken_and_paused(MESSAGES).await;
    let path = begin(
        &admin,
        &json!({"subscriber": "crm", "states": ["delivered"]}),
    )
    .await;
    let before = receiver.count();
    let queued = stalled(&app).await;
    pour(&app, "new", 1).await;
    resume(&app).await;
    ended(&app, &admin, &path).await;
    app.settled().await;
    let all = receiver.received();
    let place = all.iter().position(|it| it.message() == "new.0").unwrap() - before;
    // Behind what was queued when it came, and what was on its way beside it.
    assert!(
        place <= usize::try_from(queued).unwrap() + 64,
        "{place} of {MESSAGES}"
    );
    assert_eq!(all.len(), 2 * MESSAGES + 1);
    app.stop().await;
}

#[actix_web::test]
async fn one_for_a_subscriber_that_is_removed_ends() {
    let (app, admin, _receiver) = taken_and_paused(1_000).await;
    let path = begin(
        &admin,
        &json!({"subscriber": "crm", "states": ["delivered"]}),
    )
    .await;
    stalled(&app).await;
    pour(&app, "new", 1).await;
    let name = "crm".to_owned();
    let removed = app.order(RemoveSubscriber { name }).await;
    assert!(removed.pending > 512, "the replay's are pending too");
    assert_eq!(ended(&app, &admin, &path).await["state"], "cancelled");
    // What it had taken was taken, whether the replay came to it or not.
    assert_eq!(
        counted(&app.forwards().await, ["state", "gave_up"]),
        [
            ["delivered", "-", "1000"],
            ["gave-up", "subscriber-removed", "1"]
        ]
    );
    let forwards = app.forwards().await.into_iter();
    let settled: HashMap<_, _> = forwards
        .map(|it| (it.forward_id, it.settled_at_ms))
        .collect();
    for it in app.attempts().await {
        let ended_ms = it.attempt.started_at_ms + i64::from(it.attempt.duration_ms);
        assert_eq!(settled[&it.forward_id], Some(ended_ms));
    }
    app.stop().await;
}
