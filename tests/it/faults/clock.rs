//! The clock jumps a day, forwards and back: what comes is stored and forwarded at once, what
//! waits is neither lost nor given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tickrelay::clock::Clock;

use super::is_long;
use crate::support::receiver::{Receiver, Reply};
use crate::support::traffic::post_each;
use crate::support::{TestApp, cloud_status, shim, until};

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
    let failed = || {
        app.value::<i64>(
            "SELECT count(*) FROM attempt JOIN forward USING (forward_id) WHERE subscriber_id = 2",
        )
    };
    post(&app, "wamid.before", &[&healthy, &failing]).await;
    // When it is due again is reckoned from its end, which must not come after the jump.
    until("the first failure is written down", || failed() == 1).await;

    hand.set_ms(START_MS - DAY_MS);
    post(&app, "wamid.back", &[&healthy, &failing]).await;
    until("the second failure is written down", || failed() == 2).await;
    // In one step: who looks in between tries once more.
    hand.set_ms(START_MS + 1_000 + DAY_MS);
    post(&app, "wamid.forth", &[&healthy, &failing]).await;

    assert_eq!(healthy.count(), 3);
    let of_failing = |state: &str| -> i64 {
        app.value(&format!(
            "SELECT count(*) FROM forward WHERE state = '{state}' AND subscriber_id = 2"
        ))
    };
    until("healthy has all", || {
        app.value::<i64>("SELECT count(*) FROM forward WHERE state = 'delivered'") == 3
    })
    .await;
    assert_eq!((of_failing("pending"), of_failing("gave-up")), (3, 0));

    // Two of the first and the second, whose retries came due, one of the third.
    until("what came due was tried again", || failed() >= 5).await;
    failing.answer(|_, _| Reply::status(200));
    // The schedule's third delay and its spread.
    hand.advance(Duration::from_hours(1));
    until("what waited is forwarded", || of_failing("delivered") == 3).await;
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
    let attempts = || app.value::<i64>("SELECT count(*) FROM attempt");
    until("five attempts failed", || attempts() == 5).await;
    // Open: nothing is sent any more.
    let body = cloud_status("wamid.waits", "sent", START_MS / 1000);
    assert_eq!(app.post("cloud", body).await, 200);

    hand.set_ms(START_MS - DAY_MS);
    down.store(false, Ordering::SeqCst);
    post(&app, "wamid.after", &[&receiver]).await;
    until("it is delivered", || {
        app.value::<i64>("SELECT count(*) FROM forward WHERE state = 'delivered'") >= 1
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
    let number = |sql: &str| app.value::<i64>(sql);
    let due = "SELECT max(due_at_ms) FROM forward WHERE attempts = 1";
    until("it waits", || {
        number("SELECT max(attempts) FROM forward") == 1
    })
    .await;
    assert!(number(due) > START_MS);
    down.store(false, Ordering::SeqCst);

    hand.set_ms(START_MS - DAY_MS);
    // What it waits for is as far ahead as it was, and no report comes to help it.
    until("it is moved", || number(due) < START_MS - DAY_MS + 10_000).await;
    assert!(number(due) > START_MS - DAY_MS);
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
    let tried = "SELECT min(attempts) FROM forward";
    until("it waits", || app.value::<i64>(tried) == 1).await;
    let due =
        |app: &TestApp| app.value::<i64>("SELECT due_at_ms FROM forward WHERE forward_id = 1");
    let waits_ms = due(&app) - START_MS;

    hand.set_ms(START_MS - DAY_MS);
    let rightly_ms = START_MS - DAY_MS + waits_ms;
    until("it is moved", || due(&app) == rightly_ms).await;
    // The webhook and the attempt are still of a time to come.
    let app = app.restart().await;
    for number in 0..3 {
        // Each is a turn of the writer, on which it looks at the clock.
        post(&app, &format!("wamid.{number}"), &[&receiver]).await;
    }
    assert_eq!(due(&app), rightly_ms);
    hand.set_ms(START_MS - 2 * DAY_MS);
    until("it is moved", || due(&app) == rightly_ms - DAY_MS).await;
    until("all of it is moved", || {
        app.value::<i64>("SELECT count(*) FROM clock_rollback") == 0
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
        let store = rusqlite::Connection::open(home.store()).unwrap();
        let waits = "SELECT count(*) FROM forward WHERE attempts = 1";
        until("it waits", || {
            store.query_row(waits, [], |row| row.get(0)) == Ok(1)
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
        let delivered = "SELECT count(*) FROM forward WHERE state = 'delivered'";
        until("it is sent again", || {
            store.query_row(delivered, [], |row| row.get(0)) == Ok(1)
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
    let store = rusqlite::Connection::open(home.store()).unwrap();
    store.busy_timeout(Duration::from_secs(5)).unwrap();
    let number = |sql: &str| -> usize { store.query_row(sql, [], |row| row.get(0)).unwrap() };
    until("what waited is forwarded", || {
        number("SELECT count(*) FROM forward WHERE state = 'delivered'") == 2 * posted
    })
    .await;
    // The control: the service saw the jumps.
    let seen = "SELECT (max(received_at_ms) - min(received_at_ms)) / 86400000 FROM webhook";
    assert!(number(seen) >= 2, "{} days", number(seen));
    service.stop();
}
