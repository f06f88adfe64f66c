//! What is registered late, or not as it must be: it moves no report's time and no provider's broadcast.

use serde_json::{Value, json};

use crate::support::api::Caller;
use crate::support::cli::Folder;
use crate::support::receiver::Receiver;
use crate::support::{TestApp, cloud, cloud_status, fields, key, only};

/// A delivery report of Infobip, with the provider's own broadcast.
fn delivered(broadcast: &str, group: u32) -> String {
    json!({"results": [{
        "bulkId": broadcast, "messageId": "ib-1", "to": "385990001122", "sender": "385910009999",
        "sentAt": "2026-02-11T08:15:30.000+0000", "doneAt": "2026-02-11T08:15:32.000+0000",
        "status": {"groupId": group, "groupName": "x", "id": 5, "name": "DELIVERED_TO_HANDSET"},
        "error": {"groupId": 0, "id": 0, "name": "NO_ERROR"},
    }]})
    .to_string()
}

fn registration_of(broadcast: &str) -> Value {
    json!({"source": "infobip", "msId": "ib-1", "message": "Hi", "broadcastId": broadcast})
}

/// Registers one message; what came of it.
async fn register(caller: &Caller, message: &Value, status: u16) -> Value {
    let answer = caller.post("/messages", message).await.with(status);
    answer["results"][0].clone()
}

/// Its broadcast and text, and which of its fields its sender registered.
async fn state(app: &TestApp) -> [String; 3] {
    let [broadcast, text] = only(fields(&app.messages().await, ["broadcast", "text"]));
    [broadcast, text, only(app.tables().registered())]
}

#[actix_web::test]
async fn what_is_reported_late_moves_no_time_of_a_report() {
    let app = TestApp::boot().await;
    app.report(&[cloud::status("wamid.1", "delivered", 1_760_000_000)])
        .await;
    let before_ms = app.now_ms() - 3_600_000;
    app.tables().set_reported_ms(before_ms - 1, before_ms);
    let caller = app.admin().await;
    let times = async || {
        let message = only(app.messages().await);
        (message.first_report_at_ms, message.last_report_at_ms)
    };
    for message in ["Hi", "Hello"] {
        let registration_of = json!({"source": "cloud", "msId": "wamid.1", "message": message});
        caller.post("/messages", &registration_of).await.with(200);
        assert_eq!(times().await, (before_ms - 1, before_ms), "{message}");
    }
    // A report still does.
    app.report(&[cloud::status("wamid.1", "read", 1_760_000_001)])
        .await;
    let (first_ms, last_ms) = times().await;
    assert_eq!(first_ms, before_ms - 1);
    assert!(last_ms > before_ms);
    app.stop().await;
}

#[actix_web::test]
async fn the_providers_own_broadcast_stays_whichever_comes_first_and_the_receipt_says_so() {
    let mut states = Vec::new();
    for registered_first in [false, true] {
        let app = TestApp::boot().await;
        let caller = app.admin().await;
        let report = || app.post("infobip", delivered("own", 3));
        if registered_first {
            let receipt = register(&caller, &registration_of("mine"), 201).await;
            assert_eq!(
                (receipt.get("note"), &receipt["result"]),
                (None, &json!("created"))
            );
            assert_eq!(
                caller.get("/messages/ib-1").await.with(200)["broadcast"],
                "mine"
            );
            assert_eq!(report().await, 200);
        } else {
            assert_eq!(report().await, 200);
            let receipt = register(&caller, &registration_of("mine"), 200).await;
            let note = receipt["note"].as_str().unwrap();
            assert!(
                note.starts_with("the provider's own broadcast \"own\" stays: "),
                "{note}"
            );
        }
        states.push(state(&app).await);
        let again = register(&caller, &registration_of("other"), 200).await;
        assert_eq!(again["result"], "unchanged", "{again}");
        assert!(again["note"].is_string(), "{again}");
        let same = register(&caller, &registration_of("own"), 200).await;
        assert!(same.get("note").is_none(), "{same}");
        states.push(state(&app).await);
        app.stop().await;
    }
    let expected = ["own", "Hi", "text"];
    assert!(states.iter().all(|state| *state == expected), "{states:?}");
}

#[actix_web::test]
async fn what_is_only_registered_is_said_to_be_that() {
    let folder = Folder::new();
    let service = folder.serve();
    let file = folder.path("sent.json");
    let text = json!({"source": "cloud", "msId": "wamid.1", "mobileNo": "+34600000001",
        "message": "a\0b"});
    std::fs::write(&file, text.to_string()).unwrap();
    folder
        .done(&["message", "register", file.to_str().unwrap()])
        .await;
    let shown = folder.done(&["message", "show", "wamid.1"]).await;
    let said = "Registered, no report yet: the message to +34600000001 was registered on ";
    assert!(shown.starts_with(said), "{shown}");
    assert!(
        shown.contains("a\u{FFFD}b") && shown.contains("odd: nul-character"),
        "{shown}"
    );
    service
        .post(cloud_status("wamid.1", "sent", 1_760_000_000))
        .await;
    let shown = folder.done(&["message", "show", "wamid.1"]).await;
    assert!(
        shown.starts_with("Waiting: sent to +34600000001"),
        "{shown}"
    );
}

#[actix_web::test]
async fn the_reason_of_a_second_failure_comes_with_its_own_time() {
    let app = TestApp::boot().await;
    app.report(&[cloud::failed("wamid.1", 1_760_000_000)]).await;
    let mut later = cloud::failed("wamid.1", 1_760_000_009);
    later["errors"][0]["code"] = 131_047.into();
    app.report(&[later]).await;
    let message = app.admin().await.get("/messages/wamid.1").await.with(200);
    assert_eq!(
        (
            &message["failed_at"],
            &message["error_at"],
            &message["error"]["code"]
        ),
        (
            &json!("2025-10-09T08:53:20.000Z"),
            &json!("2025-10-09T08:53:29.000Z"),
            &json!(131_047)
        )
    );
    app.stop().await;
}

#[actix_web::test]
async fn a_template_that_cannot_be_filled_and_a_language_that_is_none_are_refused() {
    let app = TestApp::boot().await;
    let caller = app.admin().await;
    let put = async |language: &str, body: &str| {
        let path = format!("/templates/order/{language}");
        caller.put(&path, &json!({"body": body})).await
    };
    for (language, body) in [
        ("en", "Hi {{1}}, {{ name }}"),
        ("pt_BR", "a {single} brace { is } text"),
        ("zh-Hans-CN", "}}"),
        ("es_419", "plain"),
    ] {
        put(language, body).await.with(200);
    }
    for (language, body, field) in [
        ("en", "Hi {{1}, {{2}}", "/body"),
        ("en", "Hi {{", "/body"),
        ("en", "Hi {{ }}", "/body"),
        ("english", "Hi", "language"),
        ("en_", "Hi", "language"),
        ("e", "Hi", "language"),
        ("en%20US", "Hi", "language"),
    ] {
        let answer = put(language, body).await;
        assert_eq!(answer.problem(422), [field], "{language} {body}");
    }
    let registration_of = |language: &str| {
        json!({"source": "cloud", "msId": "wamid.1",
            "template": {"name": "order", "language": language, "parameters": ["Ana"]}})
    };
    let wrong = caller.post("/messages", &registration_of("English")).await;
    assert_eq!(wrong.problem(422), ["/template/language"]);
    register(&caller, &registration_of("en"), 201).await;
    app.stop().await;
}

#[actix_web::test]
async fn no_text_that_is_stored_has_a_nul_character() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let caller = app.admin().await;
    let status = json!({"id": "wamid.\0x", "status": "failed", "timestamp": "1760000000",
        "recipient_id": "34600\u{0}000001", "biz_opaque_callback_data":
            json!({"message": "Hi\0", "broadcastId": "b\0", "metadata": {"k\0": "v\0"}}).to_string(),
        "errors": [{"code": 131_026, "title": "Message\0undeliverable"}]});
    app.report(&[status]).await;
    let registration_of = json!({"source": "cloud", "msId": "wamid.\0y", "mobileNo": "34\0", "message": "\0",
        "broadcastId": "b\0c", "connectedWhatsAppNo": "34\0", "metadata": {"k\0": "\0"},
        "template": {"name": "t\0", "language": "en", "parameters": {"n\0": "v\0"}}});
    caller.post("/messages", &registration_of).await.with(201);
    let sent = json!({"request": {"to": "34600000001", "text": {"body": "He\0llo"}},
        "response": {"messages": [{"id": "wamid.\0z"}]}});
    caller.post("/sources/cloud/sent", &sent).await.with(200);
    caller
        .put("/templates/order/en", &json!({"body": "Hi \0"}))
        .await
        .with(200);
    app.settled().await;
    assert_eq!(app.tables().nul_columns(), [""; 0]);
    assert_eq!(app.report_count().await, 3);
    for id in ["wamid.\u{FFFD}x", "wamid.\u{FFFD}y", "wamid.\u{FFFD}z"] {
        let reports = app.timeline(id).await.unwrap().reports;
        assert_eq!(only(reports).oddities, ["nul-character"], "{id}");
    }
    // The bytes of the provider stay what they were, and subscribers get what is stored.
    let raw = app.webhook(key(1)).await.body.unwrap();
    assert!(String::from_utf8(raw).unwrap().contains("wamid.\\u0000x"));
    let payload = receiver.received()[0].json();
    assert_eq!(
        (&payload["msId"], &payload["message"]),
        (&json!("wamid.\u{FFFD}x"), &json!("Hi\u{FFFD}"))
    );
    let found = caller.get("/messages/wamid.%EF%BF%BDy").await.with(200);
    assert_eq!(
        found["registration"]["metadata"],
        json!({"k\u{FFFD}": "\u{FFFD}"})
    );
    app.stop().await;
}
