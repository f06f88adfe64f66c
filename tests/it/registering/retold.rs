//! Sends with an id that was told of before: what the message is then, and what another send is.

use serde_json::{Value, json};

use super::refused::refused;
use super::sends::{send, text};
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
    // The same exchange again makes no second; another one, or one to somebody else, does.
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
    let told: Vec<Value> = receiver.received().iter().map(Received::json).collect();
    let with_id = told.iter().filter(|it| it["msId"] == "mine");
    let with_id: Vec<&Value> = with_id.map(|it| &it["MessageStatus"]).collect();
    assert_eq!(with_id, ["queued", "delivered"]);
    let without = told.iter().filter(|it| it.get("msId").is_none());
    let without: Vec<&Value> = without.map(|it| &it["MessageStatus"]).collect();
    assert_eq!(without, ["failed", "failed", "failed"]);
    app.stop().await;
}

#[actix_web::test]
async fn a_receipt_says_what_the_message_is_whatever_was_told_before() {
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
        for (told, status) in words.into_iter().zip(statuses) {
            let answer = send(&caller, "cloud", &answered(id, told), 200).await;
            let message = caller.get(&format!("/messages/{id}")).await.with(200);
            assert_eq!(answer["results"][0]["status"], json!(status), "{id} {told}");
            assert_eq!(message["status"], json!(status), "{id} {told}");
        }
        let message = caller.get(&format!("/messages/{id}")).await.with(200);
        assert_eq!(message["registration"]["send_status"], word, "{id}");
    }
    // How the provider answered is not told here.
    let plain = json!({"source": "cloud", "msId": "wamid.3", "message": "Hi"});
    let answer = caller.post("/messages", &plain).await.with(200);
    assert_eq!(answer["results"][0]["status"], Value::Null);
    // Told late, it is what was reported.
    app.report(&[cloud::status("wamid.5", "delivered", 1_760_000_000)])
        .await;
    let answer = send(&caller, "cloud", &answered("wamid.5", accepted), 200).await;
    assert_eq!(answer["results"][0]["status"], "delivered");
    app.settled().await;
    let told = receiver.by_message();
    for id in ["wamid.1", "wamid.2", "wamid.4"] {
        assert_eq!(told[id], ["queued"], "{id}");
    }
    assert!(!told.contains_key("wamid.3"), "{told:?}");
    app.stop().await;
}
