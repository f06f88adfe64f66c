//! Strict order: a later status of a message waits until the earlier is delivered or given up,
//! whatever becomes of memory, the process or the subscriber meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use tickrelay::admin::{RetryForwards, UpdateSubscriber};
use tickrelay::clock::Clock;
use tickrelay::model::{NewSubscriber, Ordering, SubscriberChange};

use crate::support::receiver::{Receiver, Reply};
use crate::support::service::Home;
use crate::support::{TestApp, authenticated, client, cloud, fields, until, until_async};

const START_MS: i64 = 1_760_000_000_000;
const T0: i64 = START_MS / 1000;
const WORDS: [&str; 3] = ["sent", "delivered", "read"];

/// A subscriber that refuses the `sent` of each message that begins with `bad` until it is told
/// to take it. A refusal of one forward: it opens no breaker.
fn choosy() -> (Receiver, Arc<AtomicBool>) {
    let takes = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&takes);
    let receiver = Receiver::scripted(move |_, request| {
        let is_bad = request.status() == "sent" && request.message().starts_with("bad");
        Reply::status(if is_bad && !switch.load(SeqCst) {
            400
        } else {
            200
        })
    });
    (receiver, takes)
}

async fn subscribe(app: &TestApp, name: &str, receiver: &Receiver, ordering: Ordering) {
    app.subscribe_with(name, &receiver.url, |new| new.ordering = ordering)
        .await;
}

/// Reports the three statuses of a message, each in a webhook of its own.
async fn report_all(app: &TestApp, message: &str) {
    for (at, word) in (0..).zip(WORDS) {
        app.report(&[cloud::status(message, word, T0 + at)]).await;
    }
}

/// What it got of one message.
fn got(receiver: &Receiver, message: &str) -> Vec<String> {
    receiver.by_message().remove(message).unwrap_or_default()
}

#[actix_web::test]
async fn a_later_status_waits_for_the_success_of_the_earlier_where_that_is_asked_for() {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let (strict, takes) = choosy();
    let (relaxed, _) = choosy();
    subscribe(&app, "strict", &strict, Ordering::Strict).await;
    subscribe(&app, "relaxed", &relaxed, Ordering::Relaxed).await;
    report_all(&app, "bad").await;
    report_all(&app, "good").await;
    // The control: without strict order the others do not wait.
    until("the relaxed one has the last", || {
        got(&relaxed, "bad")
            .last()
            .is_some_and(|word| word == "read")
    })
    .await;
    until("others do not wait", || got(&strict, "good") == WORDS).await;
    assert_eq!(got(&strict, "bad"), ["sent"]);
    hand.advance(Duration::from_secs(7));
    until("it is tried again", || got(&strict, "bad").len() == 2).await;
    takes.store(true, SeqCst);
    until_async("the failure is written down", async || {
        app.pending(10).await.iter().any(|it| it.attempts == 2)
    })
    .await;
    hand.advance(Duration::from_secs(400));
    until("all is taken", || got(&strict, "bad").len() == 5).await;
    assert_eq!(
        got(&strict, "bad"),
        ["sent", "sent", "sent", "delivered", "read"]
    );
    app.stop().await;
}

#[actix_web::test]
async fn a_later_status_goes_when_the_earlier_is_given_up() {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |config| {
        config.forward.schedule = vec![Duration::from_secs(5)];
    })
    .await;
    let (receiver, _) = choosy();
    subscribe(&app, "crm", &receiver, Ordering::Strict).await;
    report_all(&app, "bad").await;
    let is_tried = async || app.most_attempts().await == Some(1);
    until_async("the first failure is written down", is_tried).await;
    assert_eq!(got(&receiver, "bad"), ["sent"]);
    hand.advance(Duration::from_secs(7));
    app.settled().await;
    assert_eq!(got(&receiver, "bad"), ["sent", "sent", "delivered", "read"]);
    let mut states = fields(&app.forwards().await, ["state"]).concat();
    states.reverse();
    assert_eq!(states, ["gave-up", "delivered", "delivered"]);
    app.stop().await;
}

#[actix_web::test]
async fn a_restart_and_a_change_of_the_ordering_keep_what_waits() {
    let (clock, hand) = Clock::manual(START_MS);
    let mut app = TestApp::boot_with(clock, |_| {}).await;
    let (receiver, takes) = choosy();
    subscribe(&app, "crm", &receiver, Ordering::Strict).await;
    report_all(&app, "bad").await;
    let is_tried = async || app.most_attempts().await == Some(1);
    until_async("the failure is written down", is_tried).await;
    app = app.restart().await;
    // Once another message arrives the lane has read the table.
    report_all(&app, "good").await;
    until("the other arrives", || got(&receiver, "good") == WORDS).await;
    assert_eq!(got(&receiver, "bad"), ["sent"]);
    let update = |ordering| UpdateSubscriber {
        name: "crm".to_owned(),
        change: SubscriberChange {
            ordering: Some(ordering),
            ..SubscriberChange::default()
        },
    };
    app.order(update(Ordering::Relaxed)).await;
    until("it does not wait any more", || {
        got(&receiver, "bad")
            .last()
            .is_some_and(|word| word == "read")
    })
    .await;
    app.order(update(Ordering::Strict)).await;
    report_all(&app, "bad-too").await;
    until("it is tried", || got(&receiver, "bad-too") == ["sent"]).await;
    takes.store(true, SeqCst);
    hand.advance(Duration::from_secs(400));
    app.settled().await;
    assert_eq!(app.taken().await["bad-too"], WORDS);
    app.stop().await;
}

#[actix_web::test]
async fn what_waits_in_the_table_keeps_its_order_and_does_not_hold_up_what_is_new() {
    const BAD: usize = 500;
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let (receiver, takes) = choosy();
    subscribe(&app, "crm", &receiver, Ordering::Strict).await;
    // More than memory holds, and of each message only the first can be sent.
    for (at, word) in (0..).zip(WORDS) {
        for from in (0..BAD).step_by(50) {
            let batch: Vec<_> = (from..from + 50)
                .map(|message| cloud::status(&format!("bad.{message}"), word, T0 + at))
                .collect();
            app.report(&batch).await;
        }
    }
    until_async("the first of each is refused", async || {
        let attempts = app.attempts().await;
        let first = attempts.iter().filter(|it| it.attempt.number == Some(1));
        first.count() == BAD
    })
    .await;
    for round in 0..10 {
        let name = format!("new.{round}");
        report_all(&app, &name).await;
        until("what is new arrives", || got(&receiver, &name) == WORDS).await;
    }
    assert_eq!(
        receiver.count(),
        BAD + 30,
        "one attempt each, and what is new"
    );
    takes.store(true, SeqCst);
    hand.advance(Duration::from_secs(7));
    app.settled().await;
    for (message, words) in app.taken().await {
        assert_eq!(words, WORDS, "{message}");
    }
    assert_eq!(receiver.count(), BAD + 30 + 3 * BAD);
    app.stop().await;
}

#[actix_web::test]
async fn one_that_is_queued_again_alone_waits_for_the_earlier_too() {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let (receiver, takes) = choosy();
    subscribe(&app, "crm", &receiver, Ordering::Strict).await;
    report_all(&app, "bad").await;
    let is_tried = async || app.most_attempts().await == Some(1);
    until_async("the failure is written down", is_tried).await;
    let last = app.forwards().await[0].forward_id;
    app.order(RetryForwards(tickrelay::store::RetrySelection {
        forward_ids: vec![last],
        ..Default::default()
    }))
    .await;
    report_all(&app, "good").await;
    until("the other arrives", || got(&receiver, "good") == WORDS).await;
    assert_eq!(got(&receiver, "bad"), ["sent"]);
    takes.store(true, SeqCst);
    hand.advance(Duration::from_secs(7));
    app.settled().await;
    assert_eq!(app.taken().await["bad"], WORDS);
    app.stop().await;
}

#[actix_web::test]
async fn a_kill_between_two_attempts_lets_nothing_overtake() {
    const MESSAGES: usize = 20;
    let home =
        Home::new().set("forward.schedule=200ms,200ms,200ms,200ms,200ms,200ms,200ms,200ms,60s");
    let (receiver, takes) = choosy();
    let http = client();
    let mut service = home.start();
    let strict = NewSubscriber {
        ordering: Ordering::Strict,
        ..NewSubscriber::new("crm", &receiver.url)
    };
    service.ask("POST", "/subscribers", &strict);
    for (at, word) in (0..).zip(WORDS) {
        let statuses: Vec<_> = (0..MESSAGES)
            .map(|message| cloud::status(&format!("bad.{message}"), word, T0 + at))
            .collect();
        let body = cloud::webhook(&statuses);
        let request = http.post(format!("http://{}/webhooks/cloud", service.address));
        let provider = tickrelay::providers::Provider::MetaCloud;
        let request = authenticated(request, provider, body.as_bytes()).body(body);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    for round in 1..=3 {
        until("some were refused again", || {
            receiver.count() >= round * MESSAGES
        })
        .await;
        kill_process(service.process(), Signal::KILL).unwrap();
        service.end();
        service = home.start();
    }
    takes.store(true, SeqCst);
    until("all arrived", || {
        let messages = receiver.by_message();
        messages
            .values()
            .all(|words| words.last().is_some_and(|word| word == "read"))
    })
    .await;
    for (message, mut words) in receiver.by_message() {
        // What was not written down when it was killed is sent again.
        words.dedup();
        assert_eq!(words, WORDS, "{message}");
    }
    service.stop();
}
