//! Who comes, changes and goes while the service runs, and who is not disturbed by it.

use std::sync::Arc;
use std::time::Duration;

use tickrelay::admin::{PauseSubscriber, RemoveSubscriber, ResumeSubscriber, RotateSecret};
use tickrelay::clock::Clock;
use tickrelay::model::Whole;

use crate::support::receiver::{Receiver, Reply};
use crate::support::{TestApp, cloud, counted, until, until_async, verify};

const T0: i64 = 1_760_000_000;

#[actix_web::test]
async fn one_that_is_added_is_sent_what_comes_after_it() {
    let app = TestApp::boot().await;
    app.report(&[cloud::status("before", "sent", T0)]).await;
    let receiver = Receiver::start();
    let secret = app.subscribe("crm", &receiver.url).await;
    app.report(&[cloud::status("after", "sent", T0)]).await;
    until("it arrives", || receiver.count() == 1).await;
    assert_eq!(receiver.received()[0].message(), "after");
    assert!(verify(&secret, &receiver.received()[0]));
    app.settled().await;
    app.stop().await;
}

#[actix_web::test]
async fn what_a_removed_one_is_pending_is_given_up_whatever_is_on_its_way() {
    let app = TestApp::boot().await;
    let receiver = Receiver::scripted(|_, _| Reply::status(500));
    receiver.hold(true);
    app.subscribe_with("crm", &receiver.url, |new| {
        new.concurrency = Whole::nearest(2);
    })
    .await;
    let other = Receiver::start();
    app.subscribe("other", &other.url).await;
    for index in 0..10 {
        app.report(&[cloud::status(&format!("wamid.{index}"), "sent", T0)])
            .await;
    }
    until("two are on their way", || receiver.count() == 2).await;
    let name = "crm".to_owned();
    let removed = app.order(RemoveSubscriber { name }).await;
    assert_eq!(removed.pending, 10);
    receiver.hold(false);
    app.settled().await;
    until_async("what was on its way is written down", async || {
        let attempts = app.attempts().await;
        let refused = attempts
            .iter()
            .filter(|it| it.attempt.http_status == Some(500));
        refused.count() == 2
    })
    .await;
    assert_eq!(
        counted(&app.forwards().await, ["state", "gave_up"]),
        [
            ["delivered", "-", "10"],
            ["gave-up", "subscriber-removed", "10"]
        ]
    );
    // Its name is free, and who has it now gets nothing of the old.
    let successor = Receiver::start();
    app.subscribe("crm", &successor.url).await;
    app.report(&[cloud::status("wamid.new", "sent", T0)]).await;
    app.settled().await;
    assert_eq!(successor.count(), 1);
    assert_eq!(receiver.count(), 2);
    assert_eq!(other.count(), 11);
    app.stop().await;
}

#[actix_web::test]
async fn a_long_backlog_of_a_removed_one_is_given_up_while_the_service_runs() {
    const MESSAGES: usize = 2_500;
    // Time stands still: it is the removal that wakes the duty.
    let (clock, _hand) = Clock::manual(T0 * 1000);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let name = || "crm".to_owned();
    app.order(PauseSubscriber { name: name() }).await;
    let status = |index| cloud::status(&format!("wamid.{index}"), "sent", T0);
    let statuses: Vec<_> = (0..MESSAGES).map(status).collect();
    for some in statuses.chunks(500) {
        app.report(some).await;
    }
    let removed = app.order(RemoveSubscriber { name: name() }).await;
    assert_eq!(removed.pending, MESSAGES);
    app.settled().await;
    assert_eq!(
        counted(&app.forwards().await, ["state", "gave_up"]),
        [["gave-up", "subscriber-removed", "2500"]]
    );
    assert_eq!(receiver.count(), 0);
    app.stop().await;
}

#[actix_web::test]
async fn a_change_of_one_leaves_the_others_alone() {
    let app = TestApp::boot().await;
    let (crm, other) = (Receiver::start(), Receiver::start());
    app.subscribe("crm", &crm.url).await;
    app.subscribe("other", &other.url).await;
    let before = [
        app.store.subscriber("crm").unwrap(),
        app.store.subscriber("other").unwrap(),
    ];
    let name = "crm".to_owned();
    app.order(RotateSecret { name, now: false }).await;
    // The store says by identity whom a change concerns; a lane reads the table only then.
    let crm = app.store.subscriber("crm").unwrap();
    let other = app.store.subscriber("other").unwrap();
    assert!(!Arc::ptr_eq(&before[0], &crm));
    assert!(Arc::ptr_eq(&before[1], &other));
    app.stop().await;
}

#[actix_web::test]
async fn one_that_fails_now_and_then_costs_no_commits_of_its_own() {
    let app = TestApp::boot().await;
    let receiver =
        Receiver::scripted(|index, _| Reply::status(if index % 2 == 0 { 400 } else { 200 }));
    app.subscribe_with("crm", &receiver.url, |new| {
        new.concurrency = Whole::nearest(1);
    })
    .await;
    let mut published = app.store.subscribers();
    published.borrow_and_update();
    for index in 0..60 {
        app.report(&[cloud::status(&format!("wamid.{index}"), "sent", T0)])
            .await;
    }
    until("all had an attempt", || receiver.count() >= 60).await;
    assert!(!published.has_changed().unwrap(), "the lanes were notified");
    app.stop().await;
}

#[actix_web::test]
async fn changes_under_load_lose_nothing_repeat_nothing_and_keep_the_order() {
    const MESSAGES: usize = 120;
    const WORDS: [&str; 3] = ["sent", "delivered", "read"];
    let app = TestApp::boot().await;
    // Slower than what comes, so that earlier statuses wait while later ones are handed over.
    let receiver = Receiver::scripted(|_, _| Reply::status(200).after(Duration::from_millis(2)));
    app.subscribe_with("crm", &receiver.url, |new| {
        new.concurrency = Whole::nearest(2);
    })
    .await;
    let load = async {
        for message in 0..MESSAGES {
            for (at, word) in (0..).zip(WORDS) {
                app.report(&[cloud::status(&format!("wamid.{message}"), word, T0 + at)])
                    .await;
            }
        }
    };
    let changes = async {
        for round in 0..120 {
            let name = "crm".to_owned();
            match round % 12 {
                0 => drop(app.order(PauseSubscriber { name }).await),
                1 => drop(app.order(ResumeSubscriber { name }).await),
                _ => drop(app.order(RotateSecret { name, now: false }).await),
            }
        }
    };
    futures_util::future::join(load, changes).await;
    app.settled().await;
    assert_eq!(receiver.count(), 3 * MESSAGES, "lost or repeated");
    for (message, words) in receiver.by_message() {
        assert_eq!(words, WORDS, "{message}");
    }
    app.stop().await;
}
