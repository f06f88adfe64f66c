//! What was not taken: when it is tried again, by whom it is stopped, and what is kept of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tickrelay::admin::{
    PauseSubscriber, ReplayOrder, ResumeSubscriber, RetryForwards, StartReplay,
};
use tickrelay::clock::{Clock, Hand};
use tickrelay::config::Config;
use tickrelay::model::{ErrorCode, Span, Subscriber, SubscriberState, Whole};
use tickrelay::store::RetrySelection;

use crate::support::receiver::{Received, Receiver, Reply};
use crate::support::{
    PATIENCE, TestApp, cloud, counted, fields, key, nobody_listens, only, until, until_async,
};

/// Where the hands of these tests start, ms since 1970 UTC.
pub(crate) const START_MS: i64 = 1_760_000_000_000;
pub(crate) const T0: i64 = START_MS / 1000;

/// An attempt's time is the machine's, not that of the hand: one that a busy machine cut off would
/// never be made again.
pub(crate) async fn stopped_clock() -> (TestApp, Hand) {
    let (clock, hand) = Clock::manual(START_MS);
    let patient = |config: &mut Config| config.forward.timeout = PATIENCE;
    (TestApp::boot_with(clock, patient).await, hand)
}

/// A receiver whose answer is the status that is set.
pub(crate) fn switched(status: u16) -> (Receiver, Arc<AtomicU16>) {
    let switch = Arc::new(AtomicU16::new(status));
    let set = Arc::clone(&switch);
    let receiver = Receiver::scripted(move |_, _| Reply::status(set.load(Ordering::SeqCst)));
    (receiver, switch)
}

/// Waits until so many attempts are written down.
pub(crate) async fn attempts(app: &TestApp, count: usize) {
    let made = async || app.attempts().await.len() == count;
    until_async(&format!("{count} attempts"), made).await;
}

/// The subscriber `crm` as the last commit left it.
pub(crate) fn crm(app: &TestApp) -> Arc<Subscriber> {
    app.store.subscriber("crm").unwrap()
}

/// Waits until it is disabled.
pub(crate) async fn disabled(app: &TestApp) {
    let is_disabled = || crm(app).state == SubscriberState::Disabled;
    until("crm is disabled", is_disabled).await;
}

pub(crate) async fn resume(app: &TestApp) {
    let name = "crm".to_owned();
    app.order(ResumeSubscriber { name }).await;
}

pub(crate) async fn pause(app: &TestApp) {
    let name = "crm".to_owned();
    app.order(PauseSubscriber { name }).await;
}

#[actix_web::test]
async fn ten_attempts_are_made_on_schedule_with_one_id_and_then_it_is_given_up() {
    let waits_s = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
    let (app, hand) = stopped_clock().await;
    // A refusal of this one forward: it opens no breaker.
    let (receiver, _) = switched(400);
    app.subscribe("crm", &receiver.url).await;
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    let mut now_ms = START_MS;
    for (made, wait_s) in (1..).zip(waits_s) {
        attempts(&app, made).await;
        let due_ms = only(app.forwards().await).due_at_ms;
        let (wait_ms, around_ms) = (due_ms - now_ms, wait_s * 1000);
        assert!(
            (wait_ms - around_ms).abs() * 5 <= around_ms,
            "{wait_ms} ms after attempt {made}"
        );
        // Not a moment too early.
        hand.set_ms(due_ms - 1);
        hand.set_ms(due_ms);
        now_ms = due_ms;
    }
    attempts(&app, 10).await;
    let forwards = app.forwards().await;
    let columns = ["state", "gave_up", "attempts", "last_error"];
    let expected = ["gave-up", "attempts-exhausted", "10", "http_4xx"];
    assert_eq!(fields(&forwards, columns), [expected]);
    let made = app.forward(forwards[0].forward_id).await.forward.history;
    let ends_ms = made
        .iter()
        .map(|it| it.started_at_ms + i64::from(it.duration_ms));
    assert_eq!(forwards[0].settled_at_ms, ends_ms.max());
    let numbers: Vec<_> = made.iter().map(|it| it.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(Some));
    let ids: Vec<Received> = receiver.received();
    assert_eq!(ids.len(), 10);
    for request in &ids {
        assert_eq!(request.header("webhook-id"), ids[0].header("webhook-id"));
        assert_eq!(request.body, ids[0].body);
    }
    // Signed again for each attempt.
    assert_ne!(
        ids[0].header("webhook-timestamp"),
        ids[9].header("webhook-timestamp")
    );
    app.stop().await;
}

#[actix_web::test]
async fn retry_after_is_honoured_on_429_and_503_and_on_nothing_else() {
    for (status, asked) in [(429, true), (503, true), (500, false), (400, false)] {
        let (app, _hand) = stopped_clock().await;
        let receiver =
            Receiver::scripted(move |_, _| Reply::status(status).header("Retry-After", "3600"));
        app.subscribe("crm", &receiver.url).await;
        app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
        attempts(&app, 1).await;
        let due_ms = only(app.forwards().await).due_at_ms;
        assert_eq!(due_ms >= START_MS + 3_600_000, asked, "{status}");
        app.stop().await;
    }
}

#[actix_web::test]
async fn gone_disables_the_subscriber_until_it_is_resumed() {
    let app = TestApp::boot().await;
    let (receiver, switch) = switched(410);
    app.subscribe_with("crm", &receiver.url, |new| {
        new.concurrency = Whole::nearest(1);
    })
    .await;
    for index in 0..3 {
        app.report(&[cloud::status(&format!("wamid.{index}"), "sent", T0)])
            .await;
    }
    disabled(&app).await;
    app.report(&[cloud::status("wamid.3", "sent", T0)]).await;
    attempts(&app, 1).await;
    assert_eq!(receiver.count(), 1);
    let reason = crm(&app).state_reason.clone();
    assert_eq!(reason.as_deref(), Some("answered 410 Gone"));
    let forwards = counted(&app.forwards().await, ["state", "attempts"]);
    assert_eq!(forwards, [["pending", "0", "4"]]);
    // A restart does not wake it.
    let app = app.restart().await;
    assert_eq!(receiver.count(), 1);
    switch.store(200, Ordering::SeqCst);
    resume(&app).await;
    app.settled().await;
    assert_eq!(receiver.count(), 1 + 4);
    app.stop().await;
}

#[actix_web::test]
async fn five_days_of_failures_disable_the_subscriber_restarts_included() {
    let (app, hand) = stopped_clock().await;
    let (receiver, _) = switched(400);
    app.subscribe("crm", &receiver.url).await;
    app.report(&[cloud::status("wamid.0", "sent", T0)]).await;
    attempts(&app, 1).await;
    hand.advance(Duration::from_mins(2));
    attempts(&app, 2).await;
    until("the store knows since when", || {
        crm(&app).failing_since_ms == Some(START_MS)
    })
    .await;
    let app = app.restart().await;
    hand.set_ms(START_MS + 4 * 86_400_000);
    attempts(&app, 3).await;
    assert_eq!(crm(&app).state, SubscriberState::Active);
    hand.set_ms(START_MS + 5 * 86_400_000);
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    disabled(&app).await;
    let reason = crm(&app).state_reason.clone();
    assert_eq!(reason.as_deref(), Some("every attempt failed for 5 days"));
    // Resumed, it has five days again.
    resume(&app).await;
    let made = receiver.count();
    app.report(&[cloud::status("wamid.2", "sent", T0)]).await;
    until("it is tried", || receiver.count() > made).await;
    assert_eq!(crm(&app).state, SubscriberState::Active);
    app.stop().await;
}

#[actix_web::test]
async fn one_success_in_between_begins_the_five_days_again() {
    let (app, hand) = stopped_clock().await;
    let (receiver, switch) = switched(400);
    app.subscribe("crm", &receiver.url).await;
    for day in 0..8 {
        hand.set_ms(START_MS + day * 86_400_000);
        switch.store(if day == 4 { 200 } else { 400 }, Ordering::SeqCst);
        let made = receiver.count();
        app.report(&[cloud::status(&format!("wamid.{day}"), "sent", T0)])
            .await;
        until("it is tried", || receiver.count() > made).await;
    }
    assert_eq!(crm(&app).state, SubscriberState::Active);
    app.stop().await;
}

#[actix_web::test]
async fn a_failed_attempt_keeps_the_answer_and_a_stable_code() {
    let app = TestApp::boot_with(Clock::system(), |config| {
        config.forward.timeout = PATIENCE;
    })
    .await;
    let (_refuses, refusing) = nobody_listens();
    let answering = |status| Receiver::scripted(move |_, _| Reply::status(status));
    let (refuses, breaks) = (answering(404), answering(500));
    let hangs = Receiver::scripted(|_, _| Reply::status(200).after(2 * PATIENCE));
    let https = refuses.url.replace("http://", "https://");
    let cases = [
        ("connect", refusing.as_str(), ErrorCode::Connect, None),
        ("dns", "http://no-such-host.invalid/", ErrorCode::Dns, None),
        ("tls", https.as_str(), ErrorCode::Tls, None),
        ("timeout", hangs.url.as_str(), ErrorCode::Timeout, None),
        (
            "http-404",
            refuses.url.as_str(),
            ErrorCode::Http4xx,
            Some(404),
        ),
        (
            "http-500",
            breaks.url.as_str(),
            ErrorCode::Http5xx,
            Some(500),
        ),
    ];
    for (name, url, ..) in cases {
        app.subscribe_with(name, url, |new| {
            // The others have as long as they need.
            new.timeout = (name == "timeout").then_some(Span(1_000));
        })
        .await;
    }
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    attempts(&app, 6).await;
    for (name, _, code, status) in cases {
        let mut own = app.attempts().await;
        own.retain(|it| it.subscriber == name);
        let attempt = only(own).attempt;
        let answer = (attempt.http_status, attempt.excerpt.as_deref());
        assert_eq!(attempt.error_code, Some(code), "{name}");
        assert_eq!(answer, (status, status.map(|_| "scripted")), "{name}");
        assert!(attempt.detail.is_some_and(|it| !it.is_empty()), "{name}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn after_a_restart_what_is_due_is_sent_and_what_was_settled_is_not() {
    let app = TestApp::boot().await;
    // Every third message is refused; the rest is taken.
    let refuses = |request: &Received| request.message().ends_with(['0', '3', '6', '9']);
    let receiver = Receiver::scripted(move |_, request| {
        Reply::status(if refuses(request) { 500 } else { 200 })
    });
    app.subscribe("crm", &receiver.url).await;
    pause(&app).await;
    for index in 0..20 {
        app.report(&[cloud::status(&format!("wamid.{index}"), "sent", T0)])
            .await;
    }
    resume(&app).await;
    until("some are settled", || receiver.count() >= 12).await;
    let app = app.restart().await;
    // Read before the lanes, which share this thread, have their turn.
    let settled = app.tables().delivered();
    assert!(!settled.is_empty());
    let before = receiver.count();
    receiver.answer(|_, _| Reply::status(200));
    app.settled().await;
    let again: Vec<String> = receiver.received()[before..]
        .iter()
        .map(Received::message)
        .collect();
    assert!(again.iter().all(|message| !settled.contains(message)));
    let mut taken: Vec<String> = settled.into_iter().chain(again).collect();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 20);
    app.stop().await;
}

#[actix_web::test]
async fn a_retry_by_hand_keeps_the_id_unless_a_new_one_is_asked_for() {
    let app = TestApp::boot_with(Clock::system(), |config| {
        config.forward.schedule = Vec::new();
    })
    .await;
    let (receiver, switch) = switched(400);
    app.subscribe("crm", &receiver.url).await;
    for id in ["wamid.1", "wamid.2"] {
        app.report(&[cloud::status(id, "sent", T0)]).await;
    }
    app.settled().await;
    let states = counted(&app.forwards().await, ["state"]);
    assert_eq!(states, [["gave-up", "2"]]);
    switch.store(200, Ordering::SeqCst);
    let select = |new_id| RetrySelection {
        forward_ids: vec![key(1)],
        new_id,
    };
    for (new_id, same) in [(false, true), (true, false)] {
        let before = receiver.count();
        let answer = app.order(RetryForwards(select(new_id))).await;
        assert_eq!(answer.forwards, 1);
        until("it is sent", || receiver.count() == before + 1).await;
        app.settled().await;
        let all = receiver.received();
        let first = all.iter().find(|it| it.message() == "wamid.1").unwrap();
        let last = all.last().unwrap();
        assert_eq!(last.message(), "wamid.1");
        assert_eq!(last.body, first.body);
        assert_eq!(
            last.header("webhook-id") == first.header("webhook-id"),
            same,
            "new id: {new_id}"
        );
    }
    // Those given up, whichever they are; what is delivered stays as it is.
    app.order(StartReplay(ReplayOrder {
        subscriber: "crm".to_owned(),
        missed: true,
        ..ReplayOrder::default()
    }))
    .await;
    until("it is sent", || receiver.count() == 2 + 2 + 1).await;
    assert_eq!(receiver.received().last().unwrap().message(), "wamid.2");
    app.stop().await;
}

#[actix_web::test]
async fn a_retry_by_hand_moves_what_waits_in_memory() {
    let (app, _hand) = stopped_clock().await;
    let (receiver, switch) = switched(400);
    app.subscribe("crm", &receiver.url).await;
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    attempts(&app, 1).await;
    switch.store(200, Ordering::SeqCst);
    let one = RetrySelection {
        forward_ids: vec![key(1)],
        ..RetrySelection::default()
    };
    app.order(RetryForwards(one)).await;
    app.settled().await;
    assert_eq!(receiver.count(), 2);
    app.stop().await;
}
