//! A source that sends nothing is polled for its broadcasts until nothing in them is pending, and
//! changes are forwarded like the reports of any other source.

mod large;
mod reading;
mod registered;
mod trouble;

use std::time::Duration;

use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::clock::{Clock, Hand};
use tickrelay::config::PullSettings;

use crate::support::botsquad::{Answer, Api, KEY, statuses};
use crate::support::receiver::Receiver;
use crate::support::{TestApp, fields, until, until_async};

const T0_MS: i64 = 1_760_000_000_000;

/// A service on a clock of its own that asks that API as source `bq`.
async fn boot(api: &Api) -> (TestApp, Hand) {
    boot_with(api, |_| {}).await
}

/// As `boot`, with how it asks changed.
async fn boot_with(api: &Api, change: impl FnOnce(&mut PullSettings)) -> (TestApp, Hand) {
    let (clock, hand) = Clock::manual(T0_MS);
    let source = api.source_with("bq", change);
    let app = TestApp::boot_with(clock, |config| config.sources.push(source)).await;
    (app, hand)
}

/// Has a broadcast polled.
async fn poll(app: &TestApp, broadcast: &str) {
    let caller = app.admin().await;
    let body = json!({ "id": broadcast });
    caller.post("/sources/bq/broadcasts", &body).await.with(200);
}

/// Waits until a broadcast was polled so often and how it went is written down.
async fn asked(app: &TestApp, broadcast: &str, times: usize) {
    let times = times.to_string();
    let is_asked = async || app.poll(broadcast, "polls").await == times;
    until_async("it was asked", is_asked).await;
}

/// Moves the time to when the broadcast is polled next, and waits until it was.
async fn ask_again(app: &TestApp, hand: &Hand, broadcast: &str) {
    let times: usize = app.poll(broadcast, "polls").await.parse().unwrap();
    hand.set_ms(app.poll(broadcast, "due_at_ms").await.parse().unwrap());
    asked(app, broadcast, times + 1).await;
}

/// Messages as they stand: id, status, error, recipient.
async fn messages(app: &TestApp) -> Vec<[String; 4]> {
    let names = [
        "provider_message_id",
        "status",
        "error/error_key",
        "recipient",
    ];
    let mut messages = fields(&app.messages().await, names);
    messages.sort();
    messages
}

#[actix_web::test]
async fn from_pending_to_done_each_change_is_reported_once() {
    let api = Api::start();
    let (app, hand) = boot(&api).await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    api.answer(
        "bc-1",
        statuses(&[("+31600000001", "pending"), ("+31600000002", "pending")]),
    );
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", 1).await;
    // An answer that says the same is not stored, and changes nothing.
    ask_again(&app, &hand, "bc-1").await;
    assert_eq!(app.webhooks().await.len(), 1);
    assert_eq!(fields(&app.reports().await, ["repeats"]), [["0"], ["0"]]);
    let half = statuses(&[("+31600000001", "success"), ("+31600000002", "pending")]);
    api.answer("bc-1", half.clone());
    ask_again(&app, &hand, "bc-1").await;
    api.answer(
        "bc-1",
        statuses(&[("+31600000001", "success"), ("+31600000002", "failure")]),
    );
    ask_again(&app, &hand, "bc-1").await;
    assert_eq!(app.poll("bc-1", "state").await, "done");
    assert_eq!(app.poll("bc-1", "counts/pending").await, "0");
    app.settled().await;
    let reported = |id: &str| receiver.by_message()[id].join(" ");
    assert_eq!(receiver.count(), 4);
    assert_eq!(reported("bc-1:31600000001"), "queued sent");
    assert_eq!(reported("bc-1:31600000002"), "queued failed");
    let failed = receiver.received().into_iter().map(|it| it.json());
    let failed = failed
        .into_iter()
        .find(|it| it["MessageStatus"] == "failed")
        .unwrap();
    assert_eq!(failed["mobileNo"], "+31600000002");
    assert_eq!(failed["type"], "Template-Message");
    assert!(
        failed["ErrorDetails"]
            .to_string()
            .contains("not_on_whatsapp"),
        "{failed}"
    );
    // The answers are kept byte for byte, by the broadcast they are of.
    assert_eq!(app.tables().polled_answers("bc-1").len(), 3);
    let webhooks = app.webhooks().await;
    let stored = fields(&webhooks, ["outcome", "reports", "new_reports"]);
    assert_eq!(
        (stored.len(), &stored[1][..]),
        (3, &["processed", "2", "1"].map(str::to_owned)[..])
    );
    let kept = app.webhook(webhooks[1].webhook_id).await.body;
    assert_eq!(kept, Some(half.to_string().into_bytes()));
    // It is over: no time that passes brings another question.
    hand.advance(Duration::from_hours(48));
    poll(&app, "bc-2").await;
    asked(&app, "bc-2", 1).await;
    assert_eq!(api.asked("bc-1"), 4);
    assert!(
        api.credentials()
            .iter()
            .all(|credentials| credentials == KEY)
    );
    app.stop().await;
}

#[actix_web::test]
async fn its_own_view_counts_what_was_sent_as_the_server_does() {
    let api = Api::start();
    let (app, _hand) = boot(&api).await;
    let entries = [
        ("31600000001", "success"),
        ("31600000002", "failure"),
        ("31600000003", "pending"),
    ];
    let answer = statuses(&entries);
    api.answer("bc-1", answer.clone());
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", 1).await;
    let reported = app.admin().await.get("/broadcasts/bc-1").await.with(200);
    assert_eq!(reported["statistics"], answer["statistics"]);
    let words = |list: &Value| -> Vec<Value> {
        let list = list.as_array().unwrap().iter();
        list.map(|entry| entry["status"].clone()).collect()
    };
    let mut ours = words(&reported["statuses"]);
    ours.sort_by_key(Value::to_string);
    assert_eq!(ours, ["failure", "pending", "success"]);
    assert_eq!(reported["failures"].as_array().unwrap().len(), 1);
    app.stop().await;
}

#[actix_web::test]
async fn its_own_view_shows_what_is_registered_alone_and_counts_what_is_not_listed() {
    let api = Api::start();
    let (app, hand) = boot(&api).await;
    let caller = app.admin().await;
    let stands = async || {
        let reported = caller.get("/broadcasts/bc-1").await.with(200);
        let numbers = &reported["statistics"];
        let numbers = ["total", "success", "failure", "pending"].map(|key| numbers[key].as_u64());
        (
            numbers.map(Option::unwrap),
            reported["statuses"].as_array().unwrap().len(),
        )
    };
    caller.get("/broadcasts/bc-1").await.problem(404);
    poll(&app, "bc-1").await;
    assert_eq!(stands().await, ([0, 0, 0, 0], 0));
    asked(&app, "bc-1", 1).await;
    let mut answer = statuses(&[("31600000001", "success")]);
    answer["statistics"] = json!({"total": 5, "success": 1, "failure": 0, "pending": 4});
    api.answer("bc-1", answer);
    ask_again(&app, &hand, "bc-1").await;
    assert_eq!(stands().await, ([5, 1, 0, 4], 1));
    // Who sees some messages of it is notified of those alone.
    let other = app
        .caller_with(Role::Integrator, |new| {
            new.owner = Some("acme".to_owned());
        })
        .await;
    other.get("/broadcasts/bc-1").await.problem(404);
    app.stop().await;
}

#[actix_web::test]
async fn a_restart_in_the_middle_goes_on_where_it_was() {
    let api = Api::start();
    let (app, hand) = boot(&api).await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    api.answer(
        "bc-1",
        statuses(&[("31600000001", "success"), ("31600000002", "pending")]),
    );
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", 1).await;
    app.settled().await;
    let due: i64 = app.poll("bc-1", "due_at_ms").await.parse().unwrap();
    let app = app.restart().await;
    assert_eq!(app.poll("bc-1", "due_at_ms").await, due.to_string());
    api.answer(
        "bc-1",
        statuses(&[("31600000001", "success"), ("31600000002", "success")]),
    );
    ask_again(&app, &hand, "bc-1").await;
    app.settled().await;
    assert_eq!(app.poll("bc-1", "state").await, "done");
    let reported = receiver.by_message();
    assert_eq!(reported["bc-1:31600000001"], ["sent"]);
    assert_eq!(reported["bc-1:31600000002"], ["queued", "sent"]);
    assert_eq!(api.asked("bc-1"), 2);
    app.stop().await;
}

#[actix_web::test]
async fn a_question_that_a_stop_cuts_off_is_asked_after_the_start() {
    let api = Api::start();
    let (app, _hand) = boot(&api).await;
    api.answer("bc-1", Answer::held());
    poll(&app, "bc-1").await;
    until("it is being asked", || api.asked("bc-1") == 1).await;
    let app = app.restart().await;
    until("it is polled again", || api.asked("bc-1") == 2).await;
    assert_eq!(app.poll("bc-1", "polls").await, "0");
    app.stop().await;
}

#[actix_web::test]
async fn what_failed_after_it_was_sent_is_reported() {
    let api = Api::start();
    let (app, hand) = boot(&api).await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let other = ("31600000002", "pending");
    for status in ["success", "failure", "success"] {
        api.answer("bc-1", statuses(&[("31600000001", status), other]));
        if app.poll("bc-1", "polls").await == "-" {
            poll(&app, "bc-1").await;
            asked(&app, "bc-1", 1).await;
        } else {
            ask_again(&app, &hand, "bc-1").await;
        }
    }
    app.settled().await;
    // What was reported of it before is no news, whatever came between.
    assert_eq!(
        receiver.by_message()["bc-1:31600000001"],
        ["sent", "failed"]
    );
    app.stop().await;
}

#[actix_web::test]
async fn the_same_number_twice_is_two_messages_in_whatever_order() {
    let api = Api::start();
    let (app, hand) = boot(&api).await;
    let (one, two) = ("31600000001", "31600000002");
    api.answer(
        "bc-1",
        statuses(&[(one, "success"), (two, "pending"), (one, "success")]),
    );
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", 1).await;
    let expected = |last: &'static str| {
        [
            ["bc-1:31600000001", "sent", "-", one],
            ["bc-1:31600000001.2", "sent", "-", one],
            ["bc-1:31600000002", last, "-", two],
        ]
    };
    assert_eq!(messages(&app).await, expected("queued"));
    api.answer(
        "bc-1",
        statuses(&[(two, "success"), (one, "success"), (one, "success")]),
    );
    ask_again(&app, &hand, "bc-1").await;
    assert_eq!(messages(&app).await, expected("sent"));
    app.stop().await;
}

#[actix_web::test]
async fn entries_of_one_number_that_change_places_fail_nobody() {
    let api = Api::start();
    let (app, hand) = boot(&api).await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let one = "31600000001";
    let other = ("31600000002", "pending");
    let (sent, failed) = ((one, "success"), (one, "failure"));
    api.answer("bc-1", statuses(&[sent, failed, other]));
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", 1).await;
    api.answer("bc-1", statuses(&[failed, sent, other]));
    ask_again(&app, &hand, "bc-1").await;
    let done = ("31600000002", "success");
    api.answer("bc-1", statuses(&[done, failed, sent]));
    ask_again(&app, &hand, "bc-1").await;
    app.settled().await;
    let reported = receiver.by_message();
    assert_eq!(reported["bc-1:31600000001"], ["sent"]);
    assert_eq!(reported["bc-1:31600000001.2"], ["failed"]);
    app.stop().await;
}

#[actix_web::test]
async fn an_old_server_lists_its_failures_and_the_rest_is_reckoned() {
    let api = Api::start();
    let (app, hand) = boot(&api).await;
    let answer = |success: u64, failures: &[&str]| {
        let failures: Vec<Value> = failures
            .iter()
            .map(|to| json!({"to": to, "reason": "optout"}))
            .collect();
        json!({"id": "bc-1", "failures": failures,
            "statistics": {"total": 3, "success": success, "failure": failures.len(), "cancelled": 0}})
    };
    api.answer("bc-1", answer(1, &["31600000001"]));
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", 1).await;
    assert_eq!(
        (
            app.poll("bc-1", "state").await,
            app.poll("bc-1", "counts/pending").await
        ),
        ("open".into(), "1".into())
    );
    api.answer("bc-1", answer(2, &["31600000001"]));
    ask_again(&app, &hand, "bc-1").await;
    assert_eq!(app.poll("bc-1", "state").await, "done");
    assert_eq!(
        messages(&app).await,
        [[
            "bc-1:31600000001",
            "failed",
            "botsquad:optout",
            "31600000001"
        ]]
    );
    app.stop().await;
}

#[actix_web::test]
async fn nothing_is_done_while_nobody_is_listed_or_counted() {
    let api = Api::start();
    let (app, hand) = boot(&api).await;
    api.answer("bc-1", statuses(&[]));
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", 1).await;
    assert_eq!(
        (
            app.poll("bc-1", "state").await,
            app.poll("bc-1", "counts/pending").await
        ),
        ("open".into(), "-".into())
    );
    api.answer("bc-1", statuses(&[("31600000001", "success")]));
    ask_again(&app, &hand, "bc-1").await;
    assert_eq!(app.poll("bc-1", "state").await, "done");
    app.stop().await;
}

#[actix_web::test]
async fn odd_numbers_are_kept_and_end_nothing() {
    let api = Api::start();
    let (app, hand) = boot(&api).await;
    let mut answer = statuses(&[("31600000001", "success"), ("31600000002", "pending")]);
    answer["statistics"] =
        json!({"total": 9, "success": 1, "failure": 0, "pending": 0, "cancelled": 4});
    api.answer("bc-1", answer.clone());
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", 1).await;
    let names = [
        "state",
        "counts/total",
        "counts/success",
        "counts/failure",
        "counts/pending",
    ];
    let counts = fields(&app.polls().await, names);
    assert_eq!(counts, [["open", "9", "1", "0", "1"]]);
    answer["statuses"][1]["status"] = json!("success");
    api.answer("bc-1", answer);
    ask_again(&app, &hand, "bc-1").await;
    assert_eq!(app.poll("bc-1", "state").await, "done");
    app.stop().await;
}
