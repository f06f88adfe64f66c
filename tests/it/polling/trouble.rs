//! What an API can do wrong, and that it costs other sources nothing.

use std::time::Duration;

use serde_json::json;
use tickrelay::store::WebhookOutcome;

use super::{T0_MS, ask_again, asked, boot, boot_with, poll};
use crate::support::botsquad::{Answer, Api, statuses};
use crate::support::{TestApp, cloud, only, until, until_async};

const MINUTE_MS: i64 = 60_000;

fn done() -> serde_json::Value {
    statuses(&[("31600000001", "success")])
}

#[actix_web::test]
async fn every_trouble_has_a_word_is_shown_and_is_got_over() {
    let api = Api::start();
    let (app, hand) = boot_with(&api, |pulled| pulled.answer_limit_bytes = 64 << 10).await;
    let cases = [
        ("http_5xx", Answer::status(500)),
        ("http_4xx", Answer::status(429)),
        (
            "redirect",
            Answer::status(302).header("Location", "/elsewhere"),
        ),
        ("refused", Answer::status(401)),
        ("refused", Answer::status(403)),
        ("gone", Answer::status(404)),
        ("gone", Answer::status(410)),
        ("too-large", Answer::bytes(vec![b' '; (64 << 10) + 1])),
        ("unreadable", Answer::bytes("<!doctype html><p>Log in")),
        ("unreadable", Answer::bytes("{\"hello\":1}")),
        ("unreadable", Answer::bytes("")),
    ];
    for (index, (code, answer)) in cases.into_iter().enumerate() {
        let broadcast = format!("bc-{index}");
        api.answer(&broadcast, answer);
        poll(&app, &broadcast).await;
        asked(&app, &broadcast, 1).await;
        assert_eq!(
            app.poll(&broadcast, "error_code").await,
            code,
            "{broadcast}"
        );
        assert_eq!(app.poll(&broadcast, "state").await, "open", "{broadcast}");
        let source = app.admin().await.get("/sources/bq").await.with(200);
        assert_eq!(source["polls"]["failing"], 1, "{source}");
        assert_eq!(source["polls"]["error_code"], code, "{source}");
        assert_ne!(source["polls"]["error_detail"], "", "{source}");
        let series = format!("tickrelay_polls_total{{source=\"bq\",outcome=\"{code}\"}}");
        assert!(app.metric(&series).await > 0.0, "{series}");
        api.answer(&broadcast, done());
        ask_again(&app, &hand, &broadcast).await;
        assert_eq!(app.poll(&broadcast, "state").await, "done", "{broadcast}");
        assert_eq!(app.poll(&broadcast, "error_code").await, "-", "{broadcast}");
    }
    // What could not be read is kept as it is.
    let webhooks = app.webhooks().await.into_iter();
    let unparsed = webhooks.filter(|it| it.outcome == WebhookOutcome::Unparsed);
    assert_eq!(unparsed.count(), 3);
    app.stop().await;
}

#[actix_web::test]
async fn an_answer_that_cannot_be_read_is_stored_once_and_stays_a_trouble() {
    let api = Api::start();
    let (app, hand) = boot(&api).await;
    let login = || Answer::bytes("<p>Log in");
    api.answer("bc-1", login());
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", 1).await;
    ask_again(&app, &hand, "bc-1").await;
    api.answer("bc-1", Answer::status(500));
    ask_again(&app, &hand, "bc-1").await;
    api.answer("bc-1", login());
    ask_again(&app, &hand, "bc-1").await;
    assert_eq!(app.poll("bc-1", "error_code").await, "unreadable");
    assert_eq!(app.poll("bc-1", "failures").await, "4");
    assert_eq!(app.webhooks().await.len(), 1);
    app.stop().await;
}

#[actix_web::test]
async fn retry_after_is_honoured_and_a_refusal_is_asked_slowly() {
    let api = Api::start();
    let (app, _hand) = boot(&api).await;
    let due_in = async |broadcast: &str| {
        let due: i64 = app.poll(broadcast, "due_at_ms").await.parse().unwrap();
        due - T0_MS
    };
    api.answer("bc-1", Answer::status(503).header("Retry-After", "3600"));
    api.answer("bc-2", Answer::status(401));
    for broadcast in ["bc-1", "bc-2"] {
        poll(&app, broadcast).await;
        asked(&app, broadcast, 1).await;
    }
    // From when it was polled, and a moment has passed since.
    let asked_for = due_in("bc-1").await;
    assert!(
        (60 * MINUTE_MS..61 * MINUTE_MS).contains(&asked_for),
        "{asked_for}"
    );
    let refused = due_in("bc-2").await;
    assert!(
        (13 * MINUTE_MS..17 * MINUTE_MS).contains(&refused),
        "{refused}"
    );
    app.stop().await;
}

#[actix_web::test]
async fn a_broadcast_that_is_gone_for_an_hour_is_given_up_and_can_be_asked_for_again() {
    let api = Api::start();
    let (app, hand) = boot(&api).await;
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", 1).await;
    while app.poll("bc-1", "state").await == "open" {
        ask_again(&app, &hand, "bc-1").await;
    }
    assert_eq!(app.poll("bc-1", "gave_up").await, "gone");
    let after_ms = app.tables().poll_settled_ms("bc-1").unwrap() - T0_MS;
    assert!(
        (60 * MINUTE_MS..90 * MINUTE_MS).contains(&after_ms),
        "{after_ms}"
    );
    api.answer("bc-1", done());
    let times: usize = app.poll("bc-1", "polls").await.parse().unwrap();
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", times + 1).await;
    assert_eq!(
        (
            app.poll("bc-1", "state").await,
            app.poll("bc-1", "gave_up").await
        ),
        ("done".into(), "-".into())
    );
    app.stop().await;
}

#[actix_web::test]
async fn what_stays_pending_is_asked_ever_less_and_given_up_in_the_end() {
    let api = Api::start();
    let (app, hand) = boot_with(&api, |pulled| {
        pulled.give_up_after = Duration::from_hours(6);
    })
    .await;
    api.answer("bc-1", statuses(&[("31600000001", "pending")]));
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", 1).await;
    while app.poll("bc-1", "state").await == "open" {
        ask_again(&app, &hand, "bc-1").await;
    }
    assert_eq!(app.poll("bc-1", "gave_up").await, "expired");
    let settled_ms = app.tables().poll_settled_ms("bc-1");
    assert_eq!(settled_ms, Some(T0_MS + 360 * MINUTE_MS));
    // 30 s would be 720 questions; what grows to a quarter of an hour is about thirty.
    assert!(
        (25..40).contains(&api.asked("bc-1")),
        "{}",
        api.asked("bc-1")
    );
    app.stop().await;
}

#[actix_web::test]
async fn questions_without_an_answer_hold_up_neither_another_source_nor_webhooks() {
    let (stuck, well) = (Api::start(), Api::start());
    let app = TestApp::boot_with(tickrelay::clock::Clock::system(), |config| {
        config.forward.timeout = Duration::from_mins(10);
        config.sources.push(stuck.source("bq"));
        config.sources.push(well.source("other"));
    })
    .await;
    for index in 0..6 {
        let broadcast = format!("stuck-{index}");
        stuck.answer(&broadcast, Answer::held());
        poll(&app, &broadcast).await;
    }
    let held = || {
        (0..6)
            .map(|index| stuck.asked(&format!("stuck-{index}")))
            .sum::<usize>()
    };
    until("as many are asked at once as may be", || held() == 4).await;
    well.answer("bc-1", done());
    let caller = app.admin().await;
    caller
        .post("/sources/other/broadcasts", &json!({"id": "bc-1"}))
        .await
        .with(200);
    asked(&app, "bc-1", 1).await;
    assert_eq!(app.poll("bc-1", "state").await, "done");
    app.report(&[cloud::status("wamid.1", "sent", 1_760_000_000)])
        .await;
    assert_eq!(held(), 4);
    app.stop().await;
}

#[actix_web::test]
async fn a_hanging_or_private_target_is_a_trouble_like_any_other() {
    let api = Api::start();
    let app = TestApp::boot_with(tickrelay::clock::Clock::system(), |config| {
        config.forward.timeout = Duration::from_millis(200);
        config.sources.push(api.source("bq"));
    })
    .await;
    api.answer("bc-1", Answer::held());
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", 1).await;
    assert_eq!(app.poll("bc-1", "error_code").await, "timeout");
    let app = app
        .restart_with(|config| config.forward.allow_networks.clear())
        .await;
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", 2).await;
    assert_eq!(app.poll("bc-1", "error_code").await, "blocked");
    assert_eq!(api.asked("bc-1"), 1);
    app.stop().await;
}

#[actix_web::test]
async fn after_the_clock_was_set_back_a_day_a_broadcast_does_not_wait_a_day() {
    let api = Api::start();
    let (app, hand) = boot(&api).await;
    api.answer("bc-1", statuses(&[("31600000001", "pending")]));
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", 1).await;
    let due = async || only(app.polls().await).due_at_ms;
    let waits_ms = due().await - T0_MS;

    let back_ms = 24 * 60 * MINUTE_MS;
    hand.set_ms(T0_MS - back_ms);
    let moved_ms = T0_MS - back_ms + waits_ms;
    until_async("it is moved", async || due().await == moved_ms).await;
    api.answer("bc-1", done());
    ask_again(&app, &hand, "bc-1").await;
    assert_eq!(app.poll("bc-1", "state").await, "done");
    app.stop().await;
}

#[actix_web::test]
async fn an_answer_in_which_nothing_is_understood_is_a_trouble_and_ends_nothing() {
    let api = Api::start();
    let (app, hand) = boot(&api).await;
    let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
    let deep = format!(r#"{{"statuses":[{{"to":"31600000001","status":{deep}}}]}}"#);
    let counted = json!({"total": 1, "success": 1, "failure": 0, "pending": 0});
    let cases: [Answer; 6] = [
        json!({"statuses": [{"msisdn": "31600000001", "status": "pending"}]}).into(),
        json!({"statuses": [{"to": "31600000001", "status": null}], "statistics": counted}).into(),
        json!({"recipients": [{"to": "31600000001"}], "statistics": counted}).into(),
        json!({"statuses": {"31600000001": "pending"}, "statistics": counted}).into(),
        json!({"statuses": {"31600000001": "pending"}, "failures": []}).into(),
        Answer::bytes(deep),
    ];
    for (index, answer) in cases.into_iter().enumerate() {
        let broadcast = format!("bc-{index}");
        api.answer(&broadcast, answer);
        poll(&app, &broadcast).await;
        asked(&app, &broadcast, 1).await;
        ask_again(&app, &hand, &broadcast).await;
        assert_eq!(app.poll(&broadcast, "state").await, "open", "{broadcast}");
        assert_eq!(app.poll(&broadcast, "error_code").await, "unreadable");
        let detail = app.poll(&broadcast, "error_detail").await;
        assert!(detail.contains("fields"), "{broadcast}: {detail}");
        let list = app
            .admin()
            .await
            .get("/sources/bq/broadcasts")
            .await
            .with(200);
        assert!(list["data"][0].to_string().contains("fields"), "{list}");
        let answers = app.tables().polled_answers(&broadcast).len();
        assert_eq!(answers, 1, "{broadcast}");
        api.answer(&broadcast, done());
        ask_again(&app, &hand, &broadcast).await;
        assert_eq!(app.poll(&broadcast, "state").await, "done", "{broadcast}");
    }
    // One that cannot be read among others is yet to come, and so is one that is counted alone.
    let mut entries = done();
    entries["statuses"]
        .as_array_mut()
        .unwrap()
        .push(json!({"to": "31600000002"}));
    api.answer("bc-odd", entries);
    let mut counted = done();
    counted["statistics"]["total"] = json!(3);
    counted["statistics"]["success"] = json!(3);
    api.answer("bc-more", counted);
    for (broadcast, pending) in [("bc-odd", "1"), ("bc-more", "2")] {
        poll(&app, broadcast).await;
        asked(&app, broadcast, 1).await;
        assert_eq!(app.poll(broadcast, "state").await, "open", "{broadcast}");
        let left = app.poll(broadcast, "counts/pending").await;
        assert_eq!(left, pending, "{broadcast}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn what_says_the_same_in_other_bytes_is_no_news() {
    let api = Api::start();
    let (app, hand) = boot(&api).await;
    let (one, two) = (("31600000001", "success"), ("31600000002", "pending"));
    let zipped = |seconds: u32, answer: &serde_json::Value| {
        let mut zip = flate2::GzBuilder::new()
            .mtime(seconds)
            .write(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut zip, answer.to_string().as_bytes()).unwrap();
        Answer::bytes(zip.finish().unwrap()).header("Content-Encoding", "gzip")
    };
    api.answer("bc-1", zipped(1, &statuses(&[one, two])));
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", 1).await;
    api.answer("bc-1", zipped(2, &statuses(&[one, two])));
    ask_again(&app, &hand, "bc-1").await;
    api.answer("bc-1", statuses(&[two, one]));
    ask_again(&app, &hand, "bc-1").await;
    assert_eq!(app.poll("bc-1", "unchanged").await, "2");
    assert_eq!(app.webhooks().await.len(), 1);
    app.stop().await;
}
