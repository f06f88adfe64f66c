//! Sends in the provider's words: how they were answered.

use serde_json::{Value, json};
use tickrelay::model::PayloadFormat;

use crate::support::api::Caller;
use crate::support::receiver::{Received, Receiver};
use crate::support::{TestApp, cloud};

const T0: i64 = 1_760_000_000;
const USER: &str = "ES.13491208655302741918";

pub(super) fn text(to: &str) -> Value {
    json!({"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": "Hello"}})
}

pub(super) async fn send(caller: &Caller, source: &str, exchange: &Value, status: u16) -> Value {
    let path = format!("/sources/{source}/sent");
    caller.post(&path, exchange).await.with(status)
}

#[actix_web::test]
async fn a_send_to_a_user_id_is_registered_and_found_by_it() {
    let app = TestApp::boot().await;
    let caller = app.admin().await;
    let request = json!({"recipient": USER, "type": "text", "text": {"body": "Hello"}});
    let response = json!({"contacts": [{"input": USER, "user_id": USER}],
        "messages": [{"id": "wamid.1", "message_status": "accepted"}]});
    let exchange = json!({"request": request, "response": response});
    send(&caller, "cloud", &exchange, 200).await;
    let message = caller.get("/messages/wamid.1").await.with(200);
    assert_eq!(
        (&message["recipient"], &message["status"]),
        (&json!(USER), &json!("queued"))
    );
    assert_eq!(message["registration"]["send_status"], "accepted");
    // A number that the answer knows is the recipient, and the user id finds the message too.
    let known = json!({"contacts": [{"input": USER, "user_id": USER, "wa_id": "34600000005"}],
        "messages": [{"id": "wamid.2"}]});
    let exchange =
        json!({"request": {"recipient": USER, "text": {"body": "Hi"}}, "response": known});
    send(&caller, "cloud", &exchange, 200).await;
    let found = caller
        .get(&format!("/messages?recipient={USER}"))
        .await
        .with(200);
    assert_eq!(found["data"].as_array().unwrap().len(), 2);
    assert_eq!(found["data"][0]["recipient"], "34600000005");
    app.stop().await;
}

#[actix_web::test]
async fn a_direct_send_is_a_template_registered_or_not() {
    let app = TestApp::boot_with(tickrelay::clock::Clock::system(), |config| {
        for source in &mut config.sources {
            source.default_type = tickrelay::model::MessageType::Regular;
        }
    })
    .await;
    let caller = app.admin().await;
    let mut request = text("34600000001");
    request["category"] = json!("utility");
    let exchange = json!({"request": request, "response": {"messages": [{"id": "wamid.1"}]}});
    send(&caller, "cloud", &exchange, 200).await;
    for id in ["wamid.1", "wamid.2"] {
        let status = cloud::status(id, "sent", T0);
        app.report(&[cloud::with(status, &json!({"template_id": "77"}))])
            .await;
        let message = caller.get(&format!("/messages/{id}")).await.with(200);
        assert_eq!(message["type"], "Template-Message", "{id}");
    }
    // The control: the same without a template is what the source says.
    app.report(&[cloud::status("wamid.3", "sent", T0)]).await;
    let message = caller.get("/messages/wamid.3").await.with(200);
    assert_eq!(message["type"], "Regular-Message");
    app.stop().await;
}

#[actix_web::test]
async fn a_direct_send_is_a_template_whatever_its_sender_registers() {
    let app = TestApp::boot().await;
    let caller = app.admin().await;
    let mut request = text("34600000001");
    request["category"] = json!("utility");
    let sent = |id: &str, request: &Value| json!({"request": request, "response": {"messages": [{"id": id}]}});
    let regular = |id: &str| json!({"source": "cloud", "msId": id, "message": "Hi", "type": "Regular-Message"});
    let status =
        |id: &str| cloud::with(cloud::status(id, "sent", T0), &json!({"template_id": "77"}));
    // Registered before and after the send, and before and after the status.
    caller
        .post("/messages", &regular("wamid.1"))
        .await
        .with(201);
    send(&caller, "cloud", &sent("wamid.1", &request), 200).await;
    send(&caller, "cloud", &sent("wamid.2", &request), 200).await;
    caller
        .post("/messages", &regular("wamid.2"))
        .await
        .with(200);
    caller
        .post("/messages", &regular("wamid.3"))
        .await
        .with(201);
    app.report(&[status("wamid.3"), status("wamid.4")]).await;
    caller
        .post("/messages", &regular("wamid.4"))
        .await
        .with(200);
    send(
        &caller,
        "cloud",
        &sent("wamid.5", &text("34600000001")),
        200,
    )
    .await;
    app.report(&[status("wamid.5")]).await;
    for id in ["wamid.1", "wamid.2", "wamid.3", "wamid.4", "wamid.5"] {
        let message = caller.get(&format!("/messages/{id}")).await.with(200);
        let notified = (&message["type"], &message["type_rule"]);
        assert_eq!(
            notified,
            (&json!("Template-Message"), &json!("direct-send")),
            "{id}"
        );
    }
    // The control: of what the price alone shows, the sender is believed.
    let priced = json!({"pricing": {"billable": true, "pricing_model": "PMP",
        "category": "utility", "type": "regular"}});
    app.report(&[cloud::with(cloud::status("wamid.6", "sent", T0), &priced)])
        .await;
    caller
        .post("/messages", &regular("wamid.6"))
        .await
        .with(200);
    let message = caller.get("/messages/wamid.6").await.with(200);
    assert_eq!(message["type"], "Regular-Message");
    app.stop().await;
}

#[actix_web::test]
async fn a_held_send_is_queued_and_a_paused_one_is_reported_to_nobody() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe_with("all", &receiver.url, |new| {
        new.options.format = PayloadFormat::Extended;
    })
    .await;
    let caller = app.admin().await;
    for (id, word) in [
        ("wamid.1", "held_for_quality_assessment"),
        ("wamid.2", "paused"),
    ] {
        let response = json!({"messages": [{"id": id, "message_status": word}]});
        let exchange = json!({"request": text("34600000001"), "response": response});
        send(&caller, "cloud", &exchange, 200).await;
        let message = caller.get(&format!("/messages/{id}")).await.with(200);
        assert_eq!(message["registration"]["send_status"], word);
    }
    app.settled().await;
    let notified: Vec<Value> = receiver.received().iter().map(Received::json).collect();
    assert_eq!(notified.len(), 1, "{notified:?}");
    assert_eq!(
        (
            &notified[0]["msId"],
            &notified[0]["MessageStatus"],
            &notified[0]["providerStatus"]
        ),
        (
            &json!("wamid.1"),
            &json!("queued"),
            &json!("held_for_quality_assessment")
        )
    );
    let paused = caller.get("/messages/wamid.2").await.with(200);
    assert_eq!(paused["status"], Value::Null);
    // When it is sent after all, the reports are sent as ever.
    app.report(&[cloud::status("wamid.2", "sent", T0)]).await;
    app.settled().await;
    assert_eq!(receiver.count(), 2);
    app.stop().await;
}

#[actix_web::test]
async fn each_destination_of_the_messages_api_is_a_message_and_another_channel_none() {
    let app = TestApp::boot().await;
    let caller = app.admin().await;
    let body = json!({"body": {"type": "TEXT", "text": "Your table is ready"}});
    let message = |channel: &str, numbers: &[&str]| {
        let destinations: Vec<Value> = numbers.iter().map(|to| json!({ "to": to })).collect();
        json!({"channel": channel, "sender": "385910009999", "destinations": destinations,
            "content": body})
    };
    let request = json!({"messages": [message("WHATSAPP", &["385990000001", "385990000002"]),
        message("SMS", &["385990000003"])]});
    let answer = |id: &str, to: &str| json!({"messageId": id, "destination": to});
    let response = json!({"bulkId": "b-1", "messages": [answer("m-1", "385990000001"),
        answer("m-2", "385990000002"), answer("m-3", "385990000003")]});
    let exchange = json!({"request": request, "response": response});
    let notified = send(&caller, "infobip", &exchange, 200).await;
    assert_eq!(
        (&notified["accepted"], &notified["refused"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        notified["results"][2]["errors"][0]["field"],
        "/request/messages/1/channel"
    );
    for (id, to) in [("m-1", "385990000001"), ("m-2", "385990000002")] {
        let message = caller.get(&format!("/messages/{id}")).await.with(200);
        assert_eq!(message["recipient"], to);
        assert_eq!(message["text"], "Your table is ready");
        assert_eq!(
            (&message["broadcast"], &message["type"]),
            (&json!("b-1"), &json!("Regular-Message"))
        );
    }
    caller.get("/messages/m-3").await.problem(404);
    let only = json!({"request": {"messages": [message("VIBER_BM", &["385990000003"])]},
        "response": {"messages": [answer("m-3", "385990000003")]}});
    let answer = caller.post("/sources/infobip/sent", &only).await;
    assert_eq!(answer.problem(422), ["/request/messages/0/channel"]);
    app.stop().await;
}
