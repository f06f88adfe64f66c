//! Sends that the provider refused: each is a failed message with its reason, once.

use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::model::{PayloadFormat, SubscriberKind};

use super::sends::{send, text};
use crate::support::api::Caller;
use crate::support::cli::Folder;
use crate::support::receiver::{Received, Receiver};
use crate::support::{TestApp, until};

fn cloud_error(code: i64) -> Value {
    json!({"error": {"message": format!("(#{code}) Not allowed"), "type": "OAuthException",
        "code": code, "error_data": {"details": "Because"}, "fbtrace_id": "AbC"}})
}

pub(super) async fn refused(caller: &Caller) -> Vec<Value> {
    let page = caller.get("/messages?refused=true").await.with(200);
    page["data"].as_array().unwrap().clone()
}

#[actix_web::test]
async fn a_refused_send_is_a_failed_message_and_one_only() {
    let app = TestApp::boot().await;
    let (receiver, chat) = (Receiver::start(), Receiver::start());
    app.subscribe("crm", &receiver.url).await;
    app.subscribe_with("agents", &chat.url, |new| new.kind = SubscriberKind::Chat)
        .await;
    let caller = app.admin().await;
    let exchange = json!({"request": text("34600000001"), "response": cloud_error(131_030),
        "http_status": 400});
    let answer = send(&caller, "cloud", &exchange, 201).await;
    let receipt = &answer["results"][0];
    assert_eq!(
        (&receipt["msId"], &receipt["status"], &receipt["result"]),
        (&Value::Null, &json!("failed"), &json!("created"))
    );
    // The same exchange again, its members in another order and without the status, is no second.
    let again = r#"{"response": RESPONSE, "request": {"text": {"body": "Hello"}, "type": "text",
        "to": "34600000001", "messaging_product": "whatsapp"}}"#;
    let again = again.replace("RESPONSE", &cloud_error(131_030).to_string());
    let again: Value = serde_json::from_str(&again).unwrap();
    let answer = send(&caller, "cloud", &again, 200).await;
    assert_eq!(answer["results"][0]["result"], "unchanged");
    // Another answer to the same request is another send.
    let mut other = exchange.clone();
    other["response"]["error"]["fbtrace_id"] = json!("other");
    send(&caller, "cloud", &other, 201).await;
    app.settled().await;
    let payloads: Vec<Value> = receiver.received().iter().map(Received::json).collect();
    assert_eq!(payloads.len(), 2);
    let payload = &payloads[0];
    assert_eq!(payload.get("msId"), None);
    assert_eq!(payload["MessageStatus"], "failed");
    assert_eq!(payload["mobileNo"], "+34600000001");
    assert_eq!(
        (&payload["message"], &payload["type"]),
        (&json!("Hello"), &json!("Regular-Message"))
    );
    let error = json!([{"code": 131_030, "title": "Not allowed", "details": "Because"}]);
    assert_eq!(payload["ErrorDetails"], error);
    until("the chat is notified", || chat.count() >= 1).await;
    assert!(
        chat.received()[0].text().contains("131030"),
        "{}",
        chat.received()[0].text()
    );
    let found = refused(&caller).await;
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["registration"]["send_status"], "refused");
    assert_eq!(found[0]["error"]["key"], "meta:131030");
    let key = &found[0]["id"];
    let timeline = caller
        .get(&format!("/messages/{key}/timeline"))
        .await
        .with(200);
    assert_eq!(timeline["reports"][0]["provider_status"], "refused");
    app.stop().await;
}

#[actix_web::test]
async fn what_counts_as_refused_is_identified_by_status_or_error_and_the_rest_is_not_registered() {
    let app = TestApp::boot().await;
    let caller = app.admin().await;
    let request = text("34600000001");
    for (number, (more, key)) in [
        (
            json!({"response": "<html>Bad gateway</html>", "http_status": 502}),
            "meta:send_refused",
        ),
        (
            json!({"response": null, "http_status": 503}),
            "meta:send_refused",
        ),
        (json!({"http_status": 504}), "meta:send_refused"),
        (
            json!({"response": {"errors": [{"code": 1013, "title": "User is not valid"}]}}),
            "meta:1013",
        ),
        (
            json!({"response": "{\"error\":{\"code\":131030,\"message\":\"m\"}}"}),
            "meta:131030",
        ),
        (
            json!({"response": {"error": "Unauthorized"}}),
            "meta:send_refused",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut exchange = more;
        exchange["request"] = request.clone();
        send(&caller, "cloud", &exchange, 201).await;
        let found = refused(&caller).await;
        assert_eq!(found.len(), number + 1, "{exchange}");
        assert_eq!(found[0]["error"]["key"], key, "{exchange}");
        assert!(found[0]["error"]["explanation"].is_string(), "{exchange}");
    }
    for (more, field) in [
        (json!({"response": {}}), "/response/messages/0/id"),
        (
            json!({"response": {"error": null}, "http_status": 200}),
            "/response/messages/0/id",
        ),
        (json!({"response": {}, "http_status": 99}), "/http_status"),
        (json!({"response": {}, "http_status": 600}), "/http_status"),
        (
            json!({"response": {}, "http_status": "400"}),
            "/http_status",
        ),
        (
            json!({"response": {}, "http_status": 70_000}),
            "/http_status",
        ),
        (json!({}), "/response/messages/0/id"),
    ] {
        let mut exchange = more;
        exchange["request"] = request.clone();
        let answer = caller.post("/sources/cloud/sent", &exchange).await;
        assert_eq!(answer.problem(422), [field], "{exchange}");
    }
    assert_eq!(refused(&caller).await.len(), 6);
    app.stop().await;
}

#[actix_web::test]
async fn a_refused_bulk_fails_each_recipient_under_the_senders_own_id() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe_with("all", &receiver.url, |new| {
        new.options.format = PayloadFormat::Extended;
    })
    .await;
    let caller = app.admin().await;
    let message = |to: &str, id: Option<&str>| json!({"from": "385910009999", "to": to, "messageId": id, "content": {"text": "Hi"}});
    let request = json!({"messages": [message("385990000001", Some("mine-1")),
        message("385990000002", None)]});
    let response = json!({"requestError": {"serviceException": {"messageId": "UNAUTHORIZED",
        "text": "Invalid login details"}}});
    let exchange = json!({"request": request, "response": response});
    let answer = send(&caller, "infobip", &exchange, 201).await;
    assert_eq!(answer["accepted"], 2);
    let answer = send(&caller, "infobip", &exchange, 200).await;
    assert_eq!(answer["results"][1]["result"], "unchanged");
    app.settled().await;
    let mut notified: Vec<String> = receiver
        .received()
        .iter()
        .map(Received::json)
        .map(|it| {
            format!(
                "{} {} {}",
                it["msId"], it["mobileNo"], it["explanation"]["errorKey"]
            )
        })
        .collect();
    notified.sort();
    assert_eq!(
        notified,
        [
            r#""mine-1" "+385990000001" "infobip:send_refused""#,
            r#"null "+385990000002" "infobip:send_refused""#,
        ]
    );
    app.stop().await;
}

#[actix_web::test]
async fn a_rejected_message_inside_an_answer_fails_and_its_neighbours_are_queued() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let caller = app.admin().await;
    let request = json!({"messages": [
        {"to": "385990000001", "content": {"text": "Hi"}},
        {"to": "385990000002", "content": {"text": "Hi"}}]});
    let state = |group: i64, id: i64, name: &str| json!({"groupId": group, "id": id, "name": name});
    let response = json!({"messages": [
        {"messageId": "ib-1", "to": "385990000001", "status": state(1, 26, "PENDING_ACCEPTED")},
        {"messageId": "ib-2", "to": "385990000002",
            "status": state(5, 8, "REJECTED_PREFIX_MISSING")}]});
    let exchange = json!({"request": request, "response": response, "http_status": 200});
    let answer = send(&caller, "infobip", &exchange, 201).await;
    let statuses: Vec<&Value> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["status"])
        .collect();
    assert_eq!(statuses, ["queued", "failed"]);
    app.settled().await;
    let by_message = receiver.by_message();
    assert_eq!(
        (&by_message["ib-1"], &by_message["ib-2"]),
        (&vec!["queued".to_owned()], &vec!["failed".to_owned()])
    );
    let found = refused(&caller).await;
    assert_eq!(found[0]["error"]["key"], "infobip-status:8");
    // A second send with an id that is taken says nothing of the first.
    let second = json!({"request": {"to": "385990000001", "messageId": "ib-1",
        "content": {"text": "Hi"}}, "response": {"messageId": "ib-1", "to": "385990000001",
        "status": state(5, 23, "REJECTED_DUPLICATE_MESSAGE_ID")}});
    let answer = send(&caller, "infobip", &second, 200).await;
    assert_eq!(answer["results"][0]["result"], "unchanged");
    let message = caller.get("/messages/ib-1").await.with(200);
    assert_eq!(message["status"], "queued");
    app.stop().await;
}

#[actix_web::test]
async fn an_id_that_was_refused_may_be_sent_again_and_is_taken_then() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let caller = app.admin().await;
    let request =
        |id: &str| json!({"to": "385990000001", "messageId": id, "content": {"text": "Hi"}});
    let refusal = |id: &str, code: &str| json!({"request": request(id), "response": {"errorCode": code}, "http_status": 429});
    let taken = |id: &str| {
        json!({"request": request(id),
            "response": {"messageId": id, "to": "385990000001", "status": {"groupId": 1, "id": 26}}})
    };
    send(&caller, "infobip", &refusal("mine-1", "E429"), 201).await;
    send(&caller, "infobip", &refusal("mine-1", "E500"), 200).await;
    let answer = send(&caller, "infobip", &taken("mine-1"), 200).await;
    assert_eq!(answer["results"][0]["status"], "queued");
    let message = caller.get("/messages/mine-1").await.with(200);
    assert_eq!(
        (&message["status"], &message["error"]),
        (&json!("queued"), &Value::Null)
    );
    assert_eq!(message["registration"]["send_status"], "accepted");
    assert_eq!(refused(&caller).await.len(), 0);
    // The same of a message that was registered before it was sent.
    let before = json!({"source": "infobip", "msId": "mine-2", "message": "Hi"});
    caller.post("/messages", &before).await.with(201);
    let answer = send(&caller, "infobip", &refusal("mine-2", "E429"), 200).await;
    assert_eq!(
        (
            &answer["results"][0]["result"],
            &answer["results"][0]["status"]
        ),
        (&json!("joined"), &json!("failed"))
    );
    assert_eq!(
        caller.get("/messages/mine-2").await.with(200)["status"],
        "failed"
    );
    send(&caller, "infobip", &taken("mine-2"), 200).await;
    assert_eq!(
        caller.get("/messages/mine-2").await.with(200)["status"],
        "queued"
    );
    app.settled().await;
    let notified = receiver.by_message();
    assert_eq!(notified["mine-1"], ["failed", "queued"]);
    assert_eq!(notified["mine-2"], ["queued", "failed"]);
    app.stop().await;
}

#[actix_web::test]
async fn a_refusal_belongs_to_the_owner_who_reported_of_it() {
    let app = TestApp::boot_with(tickrelay::clock::Clock::system(), |config| {
        for source in &mut config.sources {
            source.owners = vec!["acme".to_owned(), "beta".to_owned()];
        }
    })
    .await;
    let acme = app.caller(Role::Integrator).await;
    let beta = app
        .caller_with(Role::Integrator, |token| {
            token.owner = Some("beta".to_owned());
        })
        .await;
    let request = json!({"to": "385990000001", "messageId": "mine", "content": {"text": "Hi"}});
    let exchange = json!({"request": request, "response": {"errorCode": "E401"}});
    send(&acme, "infobip", &exchange, 201).await;
    assert_eq!(
        (refused(&acme).await.len(), refused(&beta).await.len()),
        (1, 0)
    );
    // Neither the same nor another refusal matters to another person.
    for code in ["E401", "E500"] {
        let mut exchange = exchange.clone();
        exchange["response"]["errorCode"] = json!(code);
        let answer = send(&beta, "infobip", &exchange, 200).await;
        assert_eq!(answer["results"][0]["errors"][0]["field"], "/msId");
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_refusal_with_each_code_of_2026_is_explained() {
    let app = TestApp::boot().await;
    let caller = app.admin().await;
    let codes = [
        613, 131_044, 132_008, 136_024, 137_000, 138_000, 138_001, 138_002, 138_003, 138_004,
        138_005, 138_006, 138_007, 138_009, 138_012, 138_013, 138_018, 139_000, 139_001, 139_002,
        139_003, 139_004, 139_100, 139_101, 139_102, 139_103, 139_200, 147_001, 147_002, 147_003,
        147_004, 147_005, 2_388_318, 2_388_330, 2_494_164, 2_494_165, 2_494_166, 2_494_167,
        2_494_168, 2_494_176, 2_494_177, 2_494_179, 2_593_109,
    ];
    for code in codes {
        let exchange = json!({"request": text("34600000001"), "response": cloud_error(code)});
        send(&caller, "cloud", &exchange, 201).await;
        let found = refused(&caller).await;
        assert_eq!(found[0]["error"]["code"], code);
        assert!(found[0]["error"]["explanation"].is_string(), "{code}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_refused_send_is_notified_of_and_found_on_the_command_line() {
    let folder = Folder::new();
    let exchange = json!({"request": text("34600000001"), "response": cloud_error(131_030),
        "http_status": 400});
    std::fs::write(folder.path("sent.json"), exchange.to_string()).unwrap();
    let service = folder.serve();
    let register = [
        "message",
        "register",
        "--sent-by",
        "cloud",
        "sent.json",
        "--json",
    ];
    let notified: Value = serde_json::from_str(&folder.done(&register).await).unwrap();
    assert_eq!(
        (
            &notified["results"][0]["status"],
            &notified["results"][0]["result"]
        ),
        (&json!("failed"), &json!("created"))
    );
    let list = folder.done(&["message", "list", "--refused"]).await;
    assert!(list.contains("failed") && list.contains("131030"), "{list}");
    let shown = folder.done(&["message", "show", "+34600000001"]).await;
    assert!(
        shown.starts_with("Failed, because the send itself was refused"),
        "{shown}"
    );
    drop(service);
    let none = folder
        .run(&["message", "list", "--refused", "--status", "sent"])
        .await;
    assert_eq!(none.exit, 1, "{none:?}");
}
