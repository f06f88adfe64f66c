//! A subscriber that is down as a whole, or made to wait, or a store that cannot be written:
//! nothing is used up by it, and afterwards all arrives in order.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tickrelay::clock::Clock;
use tickrelay::model::Whole;

use crate::retrying::{T0, attempts, crm, pause, resume, stopped_clock, switched};
use crate::support::receiver::{Receiver, Reply};
use crate::support::{PATIENCE, TestApp, cloud, counted, fields, until, until_async};

const DAY: Duration = Duration::from_hours(24);

#[actix_web::test]
async fn a_breaker_spares_the_attempts_of_an_outage_and_then_all_arrives_in_order() {
    let (app, hand) = stopped_clock().await;
    let (receiver, switch) = switched(503);
    app.subscribe_with("crm", &receiver.url, |new| {
        new.concurrency = Whole::nearest(1);
    })
    .await;
    for index in 0..5 {
        app.report(&[cloud::status(&format!("first.{index}"), "sent", T0)])
            .await;
    }
    attempts(&app, 5).await;
    for index in 0..40 {
        let id = format!("wamid.{index}");
        app.report(&[cloud::status(&id, "sent", T0)]).await;
        app.report(&[
            cloud::status(&id, "read", T0 + 2),
            cloud::status(&id, "delivered", T0 + 1),
        ])
        .await;
    }
    // An outage of hours: one probe each minute, and none in between.
    for probe in 1..=12 {
        hand.advance(Duration::from_secs(66));
        attempts(&app, 5 + probe).await;
    }
    let forwards = counted(&app.forwards().await, ["attempts"]);
    assert_eq!(forwards, [["0", "120"], ["1", "5"]]);
    let made = app.attempts().await;
    let extra = made.iter().filter(|it| it.attempt.number.is_none()).count();
    assert_eq!((made.len() - extra, extra), (5, 12));
    assert!(
        app.metric("tickrelay_breaker_open{subscriber=\"crm\"}")
            .await
            > 0.0
    );
    switch.store(200, Ordering::SeqCst);
    receiver.answer(|_, _| Reply::status(200));
    let before = receiver.count();
    hand.advance(Duration::from_secs(66));
    app.settled().await;
    assert_eq!(receiver.count() - before, 125);
    let mut after: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in &receiver.received()[before..] {
        let words = after.entry(request.message()).or_default();
        words.push(request.status());
    }
    for (message, words) in after {
        let expected: &[&str] = if message.starts_with("first") {
            &["sent"]
        } else {
            &["sent", "delivered", "read"]
        };
        assert_eq!(words, expected, "{message}");
    }
    assert!(
        app.metric("tickrelay_breaker_open{subscriber=\"crm\"}")
            .await
            < 1.0
    );
    app.stop().await;
}

#[actix_web::test]
async fn a_batch_that_met_an_outage_arrives_in_order_after_it() {
    let (app, hand) = stopped_clock().await;
    let (receiver, _) = switched(503);
    app.subscribe_with("crm", &receiver.url, |new| {
        new.concurrency = Whole::nearest(1);
    })
    .await;
    let words = ["sent", "delivered", "read"];
    for index in 0..3 {
        let batch: Vec<_> = (0..3)
            .map(|at| {
                cloud::status(
                    &format!("wamid.{index}"),
                    words[at],
                    T0 + i64::try_from(at).unwrap(),
                )
            })
            .collect();
        app.report(&batch).await;
    }
    attempts(&app, 5).await;
    receiver.answer(|_, _| Reply::status(200));
    // The probe is of the second message, whose first two had failed; the first message, of
    // which all had their attempt, waits for its retry.
    hand.advance(Duration::from_secs(2));
    until("what is due arrives", || receiver.count() == 5 + 6).await;
    hand.advance(Duration::from_secs(5));
    app.settled().await;
    let mut after: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in &receiver.received()[5..] {
        let words = after.entry(request.message()).or_default();
        words.push(request.status());
    }
    for (message, arrived) in after {
        assert_eq!(arrived, words, "{message}");
    }
    app.stop().await;
}

/// A 4xx opens no breaker, so each forward keeps a schedule of its own.
#[actix_web::test]
async fn while_each_is_refused_the_earlier_goes_first_each_time_and_uses_up_nothing() {
    let app = TestApp::boot_with(Clock::system(), |config| {
        config.forward.schedule = (3..12)
            .map(|step| Duration::from_millis(100 * step))
            .collect();
    })
    .await;
    let answers = Arc::new(Mutex::new(BTreeMap::<String, Vec<(String, bool)>>::new()));
    let open = Arc::new(AtomicBool::new(false));
    let (log, gate) = (Arc::clone(&answers), Arc::clone(&open));
    let receiver = Receiver::scripted(move |_, request| {
        let taken = gate.load(Ordering::SeqCst);
        let mut log = log.lock().unwrap();
        let of_message = log.entry(request.message()).or_default();
        of_message.push((request.status(), taken));
        Reply::status(if taken { 200 } else { 404 })
    });
    app.subscribe("crm", &receiver.url).await;
    for (step, word) in WORDS.into_iter().enumerate() {
        for index in 0..20 {
            let at = T0 + i64::try_from(step).unwrap();
            app.report(&[cloud::status(&format!("wamid.{index}"), word, at)])
                .await;
        }
        let expected = 20 * (step + 1);
        until_async("each status was refused once", async || {
            let attempts = app.attempts().await;
            let first = attempts.iter().filter(|it| it.attempt.number == Some(1));
            first.count() == expected
        })
        .await;
    }
    until_async("retries overlap", async || {
        let forwards = app.forwards().await;
        forwards.iter().filter(|it| it.attempts >= 3).count() >= 30
    })
    .await;
    open.store(true, Ordering::SeqCst);
    app.settled().await;
    let made = app.attempts().await;
    let numbers: Vec<_> = made
        .iter()
        .filter_map(|it| Some((it.forward_id, it.attempt.number?)))
        .collect();
    assert!(numbers.len() < made.len(), "none was extra");
    let different: HashSet<_> = numbers.iter().collect();
    assert_eq!(different.len(), numbers.len(), "one was made twice");
    let answers = answers.lock().unwrap();
    assert_eq!(answers.len(), 20);
    for (message, requests) in answers.iter() {
        assert_earlier_went_first(message, requests);
    }
}

const WORDS: [&str; 3] = ["sent", "delivered", "read"];

/// Between two attempts of a status each earlier one that was still queued had its turn.
fn assert_earlier_went_first(message: &str, requests: &[(String, bool)]) {
    for (at, (word, _)) in requests.iter().enumerate() {
        let rank = |word: &str| WORDS.iter().position(|known| *known == word).unwrap();
        let before = &requests[..at];
        let since = before
            .iter()
            .rposition(|(earlier, _)| earlier == word)
            .map_or(0, |last| last + 1);
        for earlier in &WORDS[..rank(word)] {
            let is = |(other, _): &&(String, bool)| other == earlier;
            let taken = before.iter().filter(is).any(|(_, taken)| *taken);
            let had_its_turn = before[since..].iter().any(|request| is(&request));
            assert!(
                taken || had_its_turn,
                "{message} {word} before {earlier}: {requests:?}"
            );
        }
    }
}

#[actix_web::test]
async fn a_restart_in_the_middle_uses_up_nothing() {
    let (app, hand) = stopped_clock().await;
    let (receiver, switch) = switched(503);
    app.subscribe_with("crm", &receiver.url, |new| {
        new.concurrency = Whole::nearest(1);
    })
    .await;
    for index in 0..30 {
        app.report(&[cloud::status(&format!("wamid.{index}"), "sent", T0)])
            .await;
    }
    attempts(&app, 5).await;
    hand.advance(Duration::from_secs(66));
    attempts(&app, 6).await;
    until("the store knows that it fails", || {
        crm(&app).failing_since_ms.is_some()
    })
    .await;
    let app = app.restart().await;
    for probe in 1..=2 {
        attempts(&app, 6 + probe).await;
        hand.advance(Duration::from_secs(66));
    }
    attempts(&app, 9).await;
    // Before the next probe is due: it may be made while this is read.
    let forwards = counted(&app.forwards().await, ["attempts"]);
    assert_eq!(forwards, [["0", "25"], ["1", "5"]]);
    switch.store(200, Ordering::SeqCst);
    hand.advance(Duration::from_secs(66));
    app.settled().await;
    let states = counted(&app.forwards().await, ["state"]);
    assert_eq!(states, [["delivered", "30"]]);
    app.stop().await;
}

#[actix_web::test]
async fn resuming_does_not_wait_for_the_breaker() {
    let (app, _hand) = stopped_clock().await;
    let (receiver, switch) = switched(503);
    app.subscribe_with("crm", &receiver.url, |new| {
        new.concurrency = Whole::nearest(1);
    })
    .await;
    for index in 0..8 {
        app.report(&[cloud::status(&format!("wamid.{index}"), "sent", T0)])
            .await;
    }
    attempts(&app, 5).await;
    switch.store(200, Ordering::SeqCst);
    pause(&app).await;
    resume(&app).await;
    // Three had no attempt yet; the others wait for their retry on a clock that stands.
    until("what is due arrives", || receiver.count() == 5 + 3).await;
    app.stop().await;
}

#[actix_web::test]
async fn what_waited_for_more_than_eight_days_expires_and_costs_no_probe() {
    let (app, hand) = stopped_clock().await;
    let (receiver, switch) = switched(503);
    app.subscribe("crm", &receiver.url).await;
    for index in 0..30 {
        app.report(&[cloud::status(&format!("old.{index}"), "sent", T0)])
            .await;
    }
    until("the breaker is open", || receiver.count() >= 5).await;
    // A clock that jumps expires nothing for a day.
    hand.advance(DAY * 9);
    assert!(app.store.age_hold().is_some());
    hand.advance(DAY);
    switch.store(200, Ordering::SeqCst);
    app.report(&[cloud::status("new", "sent", T0)]).await;
    app.settled().await;
    assert_eq!(
        counted(&app.forwards().await, ["state", "gave_up"]),
        [["delivered", "-", "1"], ["gave-up", "expired", "30"]]
    );
    assert_eq!(receiver.received().last().unwrap().message(), "new");
    app.stop().await;
}

#[actix_web::test]
async fn a_pause_keeps_everything_and_uses_up_nothing() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    pause(&app).await;
    for index in 0..20 {
        app.report(&[
            cloud::status(&format!("wamid.{index}"), "sent", T0),
            cloud::status(&format!("wamid.{index}"), "read", T0 + 1),
        ])
        .await;
    }
    let forwards = counted(&app.forwards().await, ["state", "attempts"]);
    assert_eq!(forwards, [["pending", "0", "40"]]);
    assert_eq!(receiver.count(), 0);
    let app = app.restart().await;
    resume(&app).await;
    app.settled().await;
    assert_eq!(receiver.count(), 40);
    for (message, words) in receiver.by_message() {
        assert_eq!(words, ["sent", "read"], "{message}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn an_attempt_that_cannot_be_written_down_is_not_repeated_meanwhile() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    receiver.hold(true);
    app.subscribe("crm", &receiver.url).await;
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    until("it is on its way", || receiver.count() == 1).await;
    // A foreign process takes the write lock while the answer is awaited.
    let foreign = app.tables();
    let lock = foreign.lock();
    receiver.hold(false);
    let page = || async {
        let answer = app.http.get(format!("{}/readyz", app.url)).send().await;
        answer.unwrap().status().as_u16()
    };
    let deadline = std::time::Instant::now() + PATIENCE;
    while page().await == 200 {
        assert!(std::time::Instant::now() < deadline, "no commit failed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(lock);
    app.settled().await;
    assert_eq!(receiver.count(), 1);
    let forwards = fields(&app.forwards().await, ["state", "attempts"]);
    assert_eq!(forwards, [["delivered", "1"]]);
    app.stop().await;
}
