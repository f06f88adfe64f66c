//! Sends with an id that was registered before: what the message is then, and what another send is.

use serde_json::{Value, json};

use super::refused::refused;
use super::sends::{send, text};
use crate::support::cli::Folder;
use crate::support::receiver::{Received, Receiver};
use crate::support::{TestApp, cloud};

#[actix_web::test]
async fn a_send_that_is_refused_after_its_id_was_taken_is_a_failed_message_of_its_own() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let caller = app.admin().await;
    let request = |to: &str| json!({"to": to, "messageId": "mine", "content": {"text": "Hi"}});
    let taken = json!({"request": request("385990000001"), "response": {"messageId": "mine",
        "to": "385990000001", "status": {"groupId": 1, "id": 26}}});
    let refusal = |to: &str, code: &str| {
        json!({"request": request(to),
        "response": {"errorCode": code}, "http_status": 429})
    };
    send(&caller, "infobip", &taken, 200).await;
    let again = refusal("385990000001", "E429");
    let answer = send(&caller, "infobip", &again, 201).await;
    let receipt = &answer["results"][0];
    assert_eq!(
        (&receipt["msId"], &receipt["status"], &receipt["result"]),
        (&Value::Null, &json!("failed"), &json!("created"))
    );
    let note = receipt["note"].as_str().unwrap();
    assert!(note.starts_with("\"mine\" names a message"), "{note}");
    // The same exchange again makes no second; another one, or one to another person, does.
    let answer = send(&caller, "infobip", &again, 200).await;
    let receipt = &answer["results"][0];
    assert_eq!(
        (&receipt["status"], &receipt["result"]),
        (&json!("failed"), &json!("unchanged"))
    );
    send(&caller, "infobip", &refusal("385990000002", "E429"), 201).await;
    let found = refused(&caller).await;
    let rows: Vec<[&Value; 3]> = found
        .iter()
        .map(|it| {
            [
                &it["provider_message_id"],
                &it["recipient"],
                &it["error"]["title"],
            ]
        })
        .collect();
    let (other, first) = (json!("385990000002"), json!("385990000001"));
    let (none, title) = (Value::Null, json!("E429"));
    assert_eq!(rows, [[&none, &other, &title], [&none, &first, &title]]);
    assert_eq!(found[1]["registration"]["send_status"], "refused");
    // The message that was taken stays as it is, whatever is reported of it.
    let report = json!({"results": [{"messageId": "mine", "to": "385990000001",
        "status": {"groupId": 3, "groupName": "DELIVERED"},
        "doneAt": "2026-02-11T08:15:32.904+0000"}]});
    assert_eq!(app.post("infobip", report.to_string()).await, 200);
    send(&caller, "infobip", &refusal("385990000001", "E503"), 201).await;
    let message = caller.get("/messages/mine").await.with(200);
    assert_eq!(
        (&message["status"], &message["conflict"], &message["error"]),
        (&json!("delivered"), &json!(false), &Value::Null)
    );
    app.settled().await;
    let notified: Vec<Value> = receiver.received().iter().map(Received::json).collect();
    let with_id = notified.iter().filter(|it| it["msId"] == "mine");
    let with_id: Vec<&Value> = with_id.map(|it| &it["MessageStatus"]).collect();
    assert_eq!(with_id, ["queued", "delivered"]);
    let without = notified.iter().filter(|it| it.get("msId").is_none());
    let without: Vec<&Value> = without.map(|it| &it["MessageStatus"]).collect();
    assert_eq!(without, ["failed", "failed", "failed"]);
    app.stop().await;
}

#[actix_web::test]
async fn a_receipt_says_what_the_message_is_whatever_was_reported_before() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let caller = app.admin().await;
    let answered = |id: &str, word: &str| {
        json!({"request": text("34600000001"),
        "response": {"messages": [{"id": id, "message_status": word}]}})
    };
    let [paused, accepted] = ["paused", "accepted"];
    for (id, words, statuses, word) in [
        (
            "wamid.1",
            [paused, accepted],
            [None, Some("queued")],
            accepted,
        ),
        (
            "wamid.2",
            [accepted, paused],
            [Some("queued"), Some("queued")],
            accepted,
        ),
        ("wamid.3", [paused, paused], [None, None], paused),
        (
            "wamid.4",
            [paused, "held_for_quality_assessment"],
            [None, Some("queued")],
            "held_for_quality_assessment",
        ),
    ] {
        for (notified, status) in words.into_iter().zip(statuses) {
            let answer = send(&caller, "cloud", &answered(id, notified), 200).await;
            let message = caller.get(&format!("/messages/{id}")).await.with(200);
            assert_eq!(
                answer["results"][0]["status"],
                json!(status),
                "{id} {notified}"
            );
            assert_eq!(message["status"], json!(status), "{id} {notified}");
        }
        let message = caller.get(&format!("/messages/{id}")).await.with(200);
        assert_eq!(message["registration"]["send_status"], word, "{id}");
    }
    // How the provider answered is not notified here.
    let plain = json!({"source": "cloud", "msId": "wamid.3", "message": "Hi"});
    let answer = caller.post("/messages", &plain).await.with(200);
    assert_eq!(answer["results"][0]["status"], Value::Null);
    // Registered late, it is what was reported.
    app.report(&[cloud::status("wamid.5", "delivered", 1_760_000_000)])
        .await;
    let answer = send(&caller, "cloud", &answered("wamid.5", accepted), 200).await;
    assert_eq!(answer["results"][0]["status"], "delivered");
    app.settled().await;
    let notified = receiver.by_message();
    for id in ["wamid.1", "wamid.2", "wamid.4"] {
        assert_eq!(notified[id], ["queued"], "{id}");
    }
    assert!(!notified.contains_key("wamid.3"), "{notified:?}");
    app.stop().await;
}

/// An answer of 200 that refuses one message by its id, as the provider words it.
fn rejected(id: &str) -> Value {
    json!({"request": {"to": "385990000001", "messageId": id, "content": {"text": "Hi"}},
        "response": {"messageId": id, "to": "385990000001",
            "status": {"groupId": 5, "id": 12, "name": "REJECTED_NOT_ENOUGH_CREDITS"}}})
}

#[actix_web::test]
async fn a_rejected_message_is_another_send_once_its_id_was_taken_or_is_on_its_way() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let caller = app.admin().await;
    let taken = json!({"request": {"to": "385990000001", "messageId": "taken",
        "content": {"text": "Hi"}}, "response": {"messageId": "taken", "to": "385990000001",
        "status": {"groupId": 1, "id": 26}}});
    send(&caller, "infobip", &taken, 200).await;
    let report = |id: &str, group: i64| {
        json!({"results": [{"messageId": id, "to": "385990000001", "status": {"groupId": group},
            "doneAt": "2026-02-11T08:15:32.904+0000"}]})
        .to_string()
    };
    assert_eq!(app.post("infobip", report("reported", 3)).await, 200);
    for (id, status) in [("taken", "queued"), ("reported", "delivered")] {
        let answer = send(&caller, "infobip", &rejected(id), 201).await;
        let receipt = &answer["results"][0];
        assert_eq!(
            (&receipt["msId"], &receipt["status"]),
            (&Value::Null, &json!("failed")),
            "{id}"
        );
        send(&caller, "infobip", &rejected(id), 200).await;
        let message = caller.get(&format!("/messages/{id}")).await.with(200);
        assert_eq!(
            (&message["status"], &message["conflict"], &message["error"]),
            (&json!(status), &json!(false), &Value::Null),
            "{id}"
        );
    }
    // Controls: registered before it was sent, or reported as rejected, it is the message's own send.
    let before = json!({"source": "infobip", "msId": "before", "message": "Hi"});
    caller.post("/messages", &before).await.with(201);
    assert_eq!(app.post("infobip", report("rejected", 5)).await, 200);
    for id in ["before", "rejected"] {
        let answer = send(&caller, "infobip", &rejected(id), 200).await;
        assert_eq!(answer["results"][0]["msId"], id);
        let message = caller.get(&format!("/messages/{id}")).await.with(200);
        assert_eq!(message["status"], "failed", "{id}");
    }
    app.settled().await;
    let notified: Vec<Value> = receiver.received().iter().map(Received::json).collect();
    let of = |id: &str| -> Vec<&str> {
        let of_id = notified.iter().filter(|it| it["msId"] == id);
        of_id
            .filter_map(|it| it["MessageStatus"].as_str())
            .collect()
    };
    assert_eq!(of("taken"), ["queued"]);
    assert_eq!(of("reported"), ["delivered"]);
    assert_eq!(of("before"), ["queued", "failed"]);
    assert_eq!(of("rejected"), ["failed"]);
    app.stop().await;
}

#[actix_web::test]
async fn a_second_refusal_in_other_words_is_not_lost_behind_the_first() {
    let app = TestApp::boot().await;
    let caller = app.admin().await;
    let request = json!({"to": "385990000001", "messageId": "mine", "content": {"text": "Hi"}});
    let refusal = |code: &str| {
        json!({"request": request, "response": {"errorCode": code},
        "http_status": 429})
    };
    send(&caller, "infobip", &refusal("E429"), 201).await;
    let taken = json!({"request": request, "response": {"messageId": "mine",
        "to": "385990000001", "status": {"groupId": 1, "id": 26}}});
    send(&caller, "infobip", &taken, 200).await;
    // What was refused before it was taken is known, in these words alone.
    let answer = send(&caller, "infobip", &refusal("E429"), 200).await;
    assert_eq!(answer["results"][0]["result"], "unchanged");
    let answer = send(&caller, "infobip", &refusal("E503"), 201).await;
    assert_eq!(answer["results"][0]["msId"], Value::Null);
    let found = refused(&caller).await;
    let titles: Vec<&Value> = found.iter().map(|it| &it["error"]["title"]).collect();
    assert_eq!(titles, ["E503"]);
    app.stop().await;
}

#[actix_web::test]
async fn a_refusal_before_the_message_was_taken_failed_for_nobody() {
    let folder = Folder::new();
    let service = folder.serve();
    let ids = json!({"messages": [{"id": "wamid.r"}]});
    for (name, http_status) in [("refused.json", 503), ("taken.json", 200)] {
        let exchange = json!({"request": text("34600000001"), "response": ids,
            "http_status": http_status});
        std::fs::write(folder.path(name), exchange.to_string()).unwrap();
        folder
            .done(&["message", "register", "--sent-by", "cloud", name])
            .await;
    }
    service
        .post(cloud::webhook(&[cloud::status(
            "wamid.r",
            "delivered",
            1_760_000_000,
        )]))
        .await;
    let shown = folder.done(&["message", "show", "wamid.r"]).await;
    let sentence = shown.split("\n\n").next().unwrap();
    assert!(sentence.starts_with("Delivered to "), "{shown}");
    assert!(!sentence.contains("group"), "{shown}");
    // It stands on the timeline all the same.
    assert!(shown.contains("failed (refused)"), "{shown}");
}
