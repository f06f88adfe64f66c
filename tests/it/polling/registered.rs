//! How a broadcast comes to be polled, and how registrations join the answers.

use serde_json::{Value, json};
use tickrelay::access::Role;

use super::{ask_again, asked, boot, poll};
use crate::support::botsquad::{Api, statuses};
use crate::support::fields;
use crate::support::receiver::Receiver;

fn send() -> Value {
    json!({
        "request": {
            "template": {"name": "spring", "language": {"code": "nl"}, "components": [
                {"type": "body", "parameters": [{"type": "text", "text": "{{name}}"}]}]},
            "params": {"name": "friend"},
            "users": [{"phone": "+31 600000001", "params": {"name": "Ana"}}, {"phone": "+31600000002"}],
        },
        "response": {"id": "bc-1"},
    })
}

#[actix_web::test]
async fn a_send_as_it_was_is_asked_for_and_its_words_join_the_answers() {
    let api = Api::start();
    let (app, hand) = boot(&api).await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    api.answer(
        "bc-1",
        statuses(&[("31600000001", "pending"), ("31600000002", "pending")]),
    );
    let caller = app.admin().await;
    let receipts = caller.post("/sources/bq/sent", &send()).await.with(200);
    assert_eq!(receipts["accepted"], 2);
    assert_eq!(receipts["results"][0]["msId"], "bc-1:31600000001");
    asked(&app, "bc-1", 1).await;
    api.answer(
        "bc-1",
        statuses(&[("31600000001", "success"), ("31600000002", "failure")]),
    );
    ask_again(&app, &hand, "bc-1").await;
    app.settled().await;
    assert_eq!(app.poll("bc-1", "state").await, "done");
    // Queued was sent when it was registered, and is no news when it is answered.
    let reported = receiver.by_message();
    assert_eq!(reported["bc-1:31600000001"], ["queued", "sent"]);
    assert_eq!(reported["bc-1:31600000002"], ["queued", "failed"]);
    let texts: Vec<String> = receiver
        .received()
        .iter()
        .map(|it| it.json()["message"].to_string())
        .collect();
    assert!(
        texts.iter().all(|text| text.contains("spring (nl): ")),
        "{texts:?}"
    );
    assert!(texts.iter().any(|text| text.contains("Ana")), "{texts:?}");
    // Registered again it changes nothing, and opens nothing.
    let again = caller.post("/sources/bq/sent", &send()).await.with(200);
    assert_eq!(again["results"][0]["result"], "unchanged");
    assert_eq!(app.poll("bc-1", "state").await, "done");
    app.stop().await;
}

#[actix_web::test]
async fn messages_of_a_broadcast_have_it_asked_for_before_or_after_the_answer() {
    let api = Api::start();
    let (app, _hand) = boot(&api).await;
    api.answer(
        "bc-1",
        statuses(&[("31600000001", "success"), ("31600000001", "success")]),
    );
    let caller = app.admin().await;
    let mut message = json!({"source": "bq", "broadcastId": "bc-1", "mobileNo": "+31 600-000-001",
        "message": "Hello"});
    let created = caller.post("/messages", &message).await.with(201);
    assert_eq!(created["results"][0]["msId"], "bc-1:31600000001");
    asked(&app, "bc-1", 1).await;
    message["msId"] = json!("bc-1:31600000001.2");
    message["message"] = json!("Hello again");
    let joined = caller.post("/messages", &message).await.with(200);
    assert_eq!(joined["results"][0]["result"], "joined");
    let names = ["provider_message_id", "status", "text"];
    let mut rows = fields(&app.messages().await, names);
    rows.sort();
    assert_eq!(
        rows,
        [
            ["bc-1:31600000001", "sent", "Hello"],
            ["bc-1:31600000001.2", "sent", "Hello again"]
        ]
    );
    assert_eq!(app.poll("bc-1", "polls").await, "1");
    app.stop().await;
}

#[actix_web::test]
async fn who_is_registered_and_not_listed_yet_keeps_a_broadcast_open() {
    let api = Api::start();
    let (app, hand) = boot(&api).await;
    let (one, two) = (("31600000001", "success"), ("31600000002", "success"));
    api.answer("bc-1", statuses(&[one]));
    let caller = app.admin().await;
    // The same id at another source is another broadcast.
    let other = json!({"source": "cloud", "msId": "wamid.1", "broadcastId": "bc-1"});
    caller.post("/messages", &other).await.with(201);
    caller.post("/sources/bq/sent", &send()).await.with(200);
    asked(&app, "bc-1", 1).await;
    for unchanged in ["0", "1"] {
        let names = ["state", "counts/pending", "unchanged"];
        let stands = fields(&app.polls().await, names);
        assert_eq!(stands, [["open", "1", unchanged]]);
        ask_again(&app, &hand, "bc-1").await;
    }
    api.answer("bc-1", statuses(&[one, two]));
    ask_again(&app, &hand, "bc-1").await;
    let stands = fields(&app.polls().await, ["state", "counts/pending"]);
    assert_eq!(stands, [["done", "0"]]);
    // One that is registered later has it polled until it is listed.
    let late = json!({"source": "bq", "broadcastId": "bc-1", "mobileNo": "31600000003"});
    caller.post("/messages", &late).await.with(201);
    asked(&app, "bc-1", 5).await;
    assert_eq!(app.poll("bc-1", "state").await, "open");
    app.stop().await;
}

#[actix_web::test]
async fn further_registrations_do_not_have_an_open_broadcast_asked_for_sooner() {
    let api = Api::start();
    let (app, _hand) = boot(&api).await;
    api.answer("bc-1", statuses(&[("31600000001", "pending")]));
    let caller = app.admin().await;
    for number in ["31600000001", "31600000002", "31600000003"] {
        let message = json!({"source": "bq", "broadcastId": "bc-1", "mobileNo": number});
        caller.post("/messages", &message).await.with(201);
        asked(&app, "bc-1", 1).await;
    }
    // Another one is polled meanwhile, so the first would have been.
    poll(&app, "bc-2").await;
    asked(&app, "bc-2", 1).await;
    assert_eq!(api.asked("bc-1"), 1);
    app.stop().await;
}

#[actix_web::test]
async fn what_cannot_be_asked_for_is_refused_with_the_field_and_the_remedy() {
    let api = Api::start();
    let (app, _hand) = boot(&api).await;
    let caller = app.admin().await;
    let refuses = async |message: Value, field: &str, says: &str| {
        let answer = caller.post("/messages", &message).await;
        assert_eq!(answer.problem(422), [field], "{message}");
        assert!(answer.text.contains(says), "{}", answer.text);
    };
    let to = "+31600000001";
    refuses(
        json!({"source": "bq", "mobileNo": to}),
        "/broadcastId",
        "gives no ids",
    )
    .await;
    refuses(
        json!({"source": "bq", "broadcastId": "b"}),
        "/mobileNo",
        "gives no ids",
    )
    .await;
    let own = json!({"source": "bq", "broadcastId": "b", "mobileNo": to, "msId": "mine"});
    refuses(own, "/msId", "b:31600000001.2").await;
    let long = json!({"source": "bq", "broadcastId": "b".repeat(257), "mobileNo": to});
    refuses(long, "/broadcastId", "1 to 256 bytes").await;
    refuses(json!({"source": "cloud"}), "/msId", "the provider's id").await;
    let sent = |response: Value| json!({"request": send()["request"], "response": response});
    let answer = caller
        .post("/sources/bq/sent", &sent(json!({"ok": true})))
        .await;
    assert_eq!(answer.problem(422), ["/response/id"]);
    for id in [".", ".."] {
        let dots = json!({"source": "bq", "broadcastId": id, "mobileNo": to});
        refuses(dots, "/broadcastId", "no . or ..").await;
    }
    for (id, field) in [("", "/id"), ("a\nb", "/id"), (".", "/id"), ("..", "/id")] {
        let answer = caller
            .post("/sources/bq/broadcasts", &json!({ "id": id }))
            .await;
        assert_eq!(answer.problem(422), [field], "{id:?}");
    }
    let answer = caller
        .post("/sources/cloud/broadcasts", &json!({"id": "b"}))
        .await;
    assert!(
        answer.text.contains("sends its reports by itself"),
        "{}",
        answer.text
    );
    caller
        .post("/sources/none/broadcasts", &json!({"id": "b"}))
        .await
        .problem(404);
    caller.get("/sources/none/broadcasts").await.problem(404);
    assert_eq!(app.polls().await, []);
    app.stop().await;
}

#[actix_web::test]
async fn a_source_that_is_asked_takes_no_webhooks_and_says_so() {
    let api = Api::start();
    let (app, _hand) = boot(&api).await;
    let url = format!("{}/webhooks/bq", app.url);
    for request in [app.http.post(&url).body("{}"), app.http.get(&url)] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 405);
        assert_eq!(answer.headers()["allow"], "");
        assert!(
            answer
                .text()
                .await
                .unwrap()
                .contains("its broadcasts are polled")
        );
    }
    let source = app.admin().await.get("/sources/bq").await.with(200);
    assert_eq!(
        (&source["callback_path"], &source["polls"]["open"]),
        (&Value::Null, &json!(0))
    );
    let source = app.admin().await.get("/sources/cloud").await.with(200);
    assert_eq!(source["polls"], Value::Null);
    app.stop().await;
}

#[actix_web::test]
async fn polls_are_listed_page_by_page_and_by_who_may_see_them() {
    let api = Api::start();
    let (app, _hand) = boot(&api).await;
    for broadcast in ["bc-1", "bc-2", "bc-3"] {
        api.answer(broadcast, statuses(&[("31600000001", "pending")]));
        poll(&app, broadcast).await;
        asked(&app, broadcast, 1).await;
    }
    let admin = app.caller(Role::Admin).await;
    let first = admin.get("/sources/bq/broadcasts?limit=2").await.with(200);
    let ids = |page: &Value| -> Vec<String> {
        let data = page["data"].as_array().unwrap().iter();
        data.map(|poll| poll["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&first), ["bc-3", "bc-2"]);
    assert_eq!(first["data"][0]["statistics"]["pending"], 1);
    let next = first["next_cursor"].as_str().unwrap();
    let next = admin
        .get(&format!("/sources/bq/broadcasts?cursor={next}"))
        .await
        .with(200);
    assert_eq!(ids(&next), ["bc-1"]);
    // One that sees another source does not see this one.
    let other = app
        .caller_with(Role::Integrator, |new| {
            new.sources = vec!["cloud".to_owned()];
        })
        .await;
    other.get("/sources/bq/broadcasts").await.problem(404);
    other
        .post("/sources/bq/broadcasts", &json!({"id": "x"}))
        .await
        .problem(404);
    let analyst = app.caller(Role::Analyst).await;
    analyst
        .post("/sources/bq/broadcasts", &json!({"id": "x"}))
        .await
        .problem(403);
    let audit = app.audited("broadcast").await;
    assert_eq!(audit.len(), 3);
    assert_eq!(audit[0], ["broadcast.polled", "bc-1"]);
    app.stop().await;
}
