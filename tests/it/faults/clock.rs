//! The clock jumps a day, forwards and back: what comes is stored and forwarded at once, what
//! waits is neither lost nor given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::DateTime;
use tickrelay::clock::Clock;
use tickrelay::model::ForwardState;

use super::is_long;
use crate::retrying::attempts;
use crate::support::receiver::{Receiver, Reply};
use crate::support::traffic::post_each;
use crate::support::{TestApp, cloud_status, counted, only, shim, until, until_async};

const START_MS: i64 = 1_760_000_000_000;
const DAY_MS: i64 = 86_400_000;

/// Posts a webhook about a message of its own and waits until each receiver has got it.
async fn post(app: &TestApp, id: &str, receivers: &[&Receiver]) {
    let before: Vec<usize> = receivers.iter().map(|receiver| receiver.count()).collect();
    let body = cloud_status(id, "sent", START_MS / 1000);
    assert_eq!(app.post("cloud", body).await, 200);
    for (receiver, before) in receivers.iter().zip(before) {
        until("it is forwarded at once", || receiver.count() > before).await;
    }
}

/// A receiver that refuses while that is true.
fn refusing() -> (Receiver, Arc<AtomicBool>) {
    let down = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&down);
    let receiver = Receiver::scripted(move |_, _| {
        Reply::status(if state.load(Ordering::SeqCst) {
            500
        } else {
            200
        })
    });
    (receiver, down)
}

#[actix_web::test]
async fn after_a_jump_of_a_day_reports_are_stored_and_forwarded_at_once() {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let healthy = Receiver::start();
    let failing = Receiver::scripted(|_, _| Reply::status(500));
    app.subscribe("healthy", &healthy.url).await;
    app.subscribe("failing", &failing.url).await;
    let failed = async || app.attempts_at("failing").await.len();
    post(&app, "wamid.before", &[&healthy, &failing]).await;
    // When it is due again is reckoned from its end, which must not come after the jump.
    until_async("the first failure is written down", async || {
        failed().await == 1
    })
    .await;

    hand.set_ms(START_MS - DAY_MS);
    post(&app, "wamid.back", &[&healthy, &failing]).await;
    until_async("the second failure is written down", async || {
        failed().await == 2
    })
    .await;
    // In one step: who looks in between tries once more.
    hand.set_ms(START_MS + 1_000 + DAY_MS);
    post(&app, "wamid.forth", &[&healthy, &failing]).await;

    assert_eq!(healthy.count(), 3);
    let of_failing = async || {
        let mut forwards = app.forwards().await;
        forwards.retain(|it| it.subscriber == "failing");
        counted(&forwards, ["state"])
    };
    until_async("healthy has all", async || {
        app.forwards_in(ForwardState::Delivered).await == 3
    })
    .await;
    assert_eq!(of_failing().await, [["pending", "3"]]);

    // Two of the first and the second, whose retries came due, one of the third.
    let is_tried = async || failed().await >= 5;
    until_async("what came due was tried again", is_tried).await;
    failing.answer(|_, _| Reply::status(200));
    // The schedule's third delay and its spread.
    hand.advance(Duration::from_hours(1));
    until_async("what waited is forwarded", async || {
        of_failing().await == [["delivered", "3"]]
    })
    .await;
    app.stop().await;
}

#[actix_web::test]
async fn a_breaker_that_opened_before_the_clock_was_set_back_closes_all_the_same() {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let (receiver, down) = refusing();
    app.subscribe("crm", &receiver.url).await;
    for number in 0..5 {
        post(&app, &format!("wamid.{number}"), &[&receiver]).await;
    }
    attempts(&app, 5).await;
    // Open: nothing is sent any more.
    let body = cloud_status("wamid.waits", "sent", START_MS / 1000);
    assert_eq!(app.post("cloud", body).await, 200);

    hand.set_ms(START_MS - DAY_MS);
    down.store(false, Ordering::SeqCst);
    post(&app, "wamid.after", &[&receiver]).await;
    until_async("it is delivered", async || {
        app.forwards_in(ForwardState::Delivered).await >= 1
    })
    .await;
    hand.set_ms(START_MS + 600_000);
    app.settled().await;
    app.stop().await;
}

#[actix_web::test]
async fn after_the_clock_was_set_back_a_day_what_was_due_does_not_wait_a_day() {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let (receiver, down) = refusing();
    app.subscribe("failing", &receiver.url).await;
    post(&app, "wamid.one", &[&receiver]).await;
    attempts(&app, 1).await;
    let due = async || {
        let forward = only(app.forwards().await);
        assert_eq!(forward.attempts, 1);
        forward.due_at_ms
    };
    assert!(due().await > START_MS);
    down.store(false, Ordering::SeqCst);

    hand.set_ms(START_MS - DAY_MS);
    // What it waits for is as far ahead as it was, and no report comes to help it.
    until_async("it is moved", async || {
        due().await < START_MS - DAY_MS + 10_000
    })
    .await;
    assert!(due().await > START_MS - DAY_MS);
    hand.advance(Duration::from_secs(10));
    app.settled().await;
    assert_eq!(receiver.count(), 2);
    app.stop().await;
}

#[actix_web::test]
async fn what_was_moved_once_is_not_moved_again_by_a_restart() {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let (receiver, _down) = refusing();
    app.subscribe("failing", &receiver.url).await;
    post(&app, "wamid.one", &[&receiver]).await;
    let is_tried = async || app.most_attempts().await == Some(1);
    until_async("it waits", is_tried).await;
    let due = async |app: &TestApp| app.forward(1).await.forward.forward.due_at_ms;
    let waits_ms = due(&app).await - START_MS;

    hand.set_ms(START_MS - DAY_MS);
    let rightly_ms = START_MS - DAY_MS + waits_ms;
    let is_moved = async || due(&app).await == rightly_ms;
    until_async("it is moved", is_moved).await;
    // The webhook and the attempt are still of a time to come.
    let app = app.restart().await;
    for number in 0..3 {
        // Each is a turn of the writer, on which it looks at the clock.
        post(&app, &format!("wamid.{number}"), &[&receiver]).await;
    }
    assert_eq!(due(&app).await, rightly_ms);
    hand.set_ms(START_MS - 2 * DAY_MS);
    let is_moved = async || due(&app).await == rightly_ms - DAY_MS;
    until_async("it is moved", is_moved).await;
    until("all of it is moved", || {
        app.tables().count("clock_rollback") == 0
    })
    .await;
    app.stop().await;
}

#[actix_web::test]
async fn the_true_service_sends_what_waits_after_its_clock_was_set_back_running_or_not() {
    for running in [true, false] {
        let (home, switch) = shim::with_switch();
        let home = home.set("forward.schedule=3s,3s,3s,3s");
        let (receiver, down) = refusing();
        let service = home.start();
        service.subscribe("failing", &receiver.url);
        // One report: its number is threefold.
        post_each(service.address, [3]).await;
        until("it waits", || {
            only(service.all("/forwards"))["attempts"] == 1
        })
        .await;
        down.store(false, Ordering::SeqCst);
        let service = if running {
            switch.move_clock(-1);
            service
        } else {
            service.stop();
            switch.move_clock(-1);
            home.start()
        };
        until("it is sent again", || {
            only(service.all("/forwards"))["state"] == "delivered"
        })
        .await;
        service.stop();
    }
}

#[actix_web::test]
async fn the_true_service_takes_and_forwards_while_its_clock_jumps() {
    let (home, switch) = shim::with_switch();
    let home = home
        .set("forward.schedule=1h,1h,1h,1h,1h,1h")
        .set("forward.max_age=10d");
    let (failing, down) = refusing();
    let healthy = Receiver::start();
    let service = home.start();
    service.subscribe("healthy", &healthy.url);
    service.subscribe("failing", &failing.url);
    let mut posted = 0;
    let rounds = if is_long() { 50 } else { 2 };
    for days in [0, 1, 0, -1].repeat(rounds) {
        switch.move_clock(days);
        // One report each: their numbers are threefold.
        post_each(service.address, (3 * posted..3 * posted + 12).step_by(3)).await;
        posted += 4;
        until("it is forwarded at once", || healthy.count() == posted).await;
    }
    down.store(false, Ordering::SeqCst);
    // Every retry and the breaker's next probe are due by then.
    switch.move_clock(2);
    // Who sleeps finds out about a jump within half a minute; what comes wakes it at once.
    post_each(service.address, [3 * posted]).await;
    posted += 1;
    until("what waited is forwarded", || {
        service.all("/forwards?state=delivered").len() == 2 * posted
    })
    .await;
    // The control: the service saw the jumps.
    let webhooks = service.all("/webhooks").into_iter();
    let received = webhooks.map(|it| it["received_at"].as_str().unwrap().to_owned());
    let mut received: Vec<_> = received
        .map(|at| DateTime::parse_from_rfc3339(&at).unwrap())
        .collect();
    received.sort();
    let seen = received[received.len() - 1] - received[0];
    assert!(seen.num_days() >= 2, "{seen}");
    service.stop();
}
