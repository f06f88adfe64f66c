//! Registering without glue: templates, the providers' own words, and what they return.

use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::admin::{EraseOptions, ErasePerson};

use crate::support::TestApp;
use crate::support::cli::Folder;
use crate::support::receiver::Receiver;

/// A report of Infobip's with what the sender has returned.
fn infobip(id: &str, group: u8, echo: &str) -> String {
    let result = json!({
        "messageId": id, "to": "385990001122", "sentAt": "2025-10-09T08:53:20.000+0000",
        "doneAt": "2025-10-09T08:53:22.000+0000", "status": {"groupId": group},
        "callbackData": echo,
    });
    json!({ "results": [result] }).to_string()
}

#[actix_web::test]
async fn a_template_is_written_read_listed_and_removed() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let integrator = app.caller(Role::Integrator).await;
    let path = "/templates/order%2Fupdate/en_US";
    admin.get(path).await.problem(404);
    let body = json!({"body": "Hi {{1}}"});
    integrator.put(path, &body).await.problem(403);
    let written = admin.put(path, &body).await.with(200);
    assert_eq!(
        (&written["name"], &written["language"], &written["body"]),
        (&json!("order/update"), &json!("en_US"), &json!("Hi {{1}}"))
    );
    admin
        .put(path, &json!({"body": "Ho {{1}}"}))
        .await
        .with(200);
    admin.put("/templates/order/hr", &body).await.with(200);
    assert_eq!(integrator.get(path).await.with(200)["body"], "Ho {{1}}");
    let all = integrator.all("/templates", 1).await;
    let languages: Vec<&Value> = all.iter().map(|row| &row["language"]).collect();
    assert_eq!(languages, ["hr", "en_US"]);
    for (body, field) in [
        (json!({"body": ""}), "/body"),
        (json!({"body": "x".repeat(20_000)}), "/body"),
        (json!({}), "/body"),
        (json!({"body": 7}), "/body"),
    ] {
        assert_eq!(admin.put(path, &body).await.problem(422), [field]);
    }
    assert_eq!(admin.delete(path).await.status, 204);
    admin.delete(path).await.problem(404);
    let actions = app.audited("template").await;
    assert_eq!(actions[0], ["template.written", "order/update/en_US"]);
    assert_eq!(actions[3], ["template.removed", "order/update/en_US"]);
    app.stop().await;
}

#[actix_web::test]
async fn a_text_is_rendered_from_the_template_or_stands_for_it() {
    let app = TestApp::boot().await;
    let caller = app.admin().await;
    let body = json!({"body": "Hi {{1}}, {{2}} {{3}}"});
    caller.put("/templates/order/en", &body).await.with(200);
    let text = async |id: &str, template: Value| {
        let message = json!({"source": "cloud", "msId": id, "template": template});
        caller.post("/messages", &message).await.with(201);
        let message = caller.get(&format!("/messages/{id}")).await.with(200);
        assert_eq!(message["type"], "Template-Message");
        message["text"].clone()
    };
    let parameters = json!(["Ana", "7"]);
    let known = json!({"name": "order", "language": "en", "parameters": parameters});
    assert_eq!(text("wamid.1", known.clone()).await, "Hi Ana, 7 {{3}}");
    let only = json!({"name": "order", "parameters": parameters});
    assert_eq!(text("wamid.2", only).await, "Hi Ana, 7 {{3}}");
    let unknown = json!({"name": "order", "language": "hr", "parameters": parameters});
    assert_eq!(text("wamid.3", unknown).await, "order (hr): Ana, 7");
    // What was rendered stays; what is registered again is rendered again.
    caller
        .put("/templates/order/en", &json!({"body": "Ho"}))
        .await
        .with(200);
    let first = caller.get("/messages/wamid.1").await.with(200);
    assert_eq!(first["text"], "Hi Ana, 7 {{3}}");
    let again = json!({"source": "cloud", "msId": "wamid.1", "template": known});
    caller.post("/messages", &again).await.with(200);
    let first = caller.get("/messages/wamid.1").await.with(200);
    assert_eq!(first["text"], "Ho");
    app.stop().await;
}

#[actix_web::test]
async fn the_providers_own_words_of_a_send_are_taken_as_they_are() {
    let app = TestApp::boot().await;
    let caller = app.admin().await;
    let body = json!({"body": "Hi {{1}}, {{2}}"});
    caller.put("/templates/order/en", &body).await.with(200);
    let infobip = |to: &str| {
        json!({"from": "385910009999", "to": to, "content": {"templateName": "order",
            "language": "en", "templateData": {"body": {"placeholders": ["Ana", "7"]}}}})
    };
    let parameters = json!([{"type": "text", "text": "Ana"}, {"type": "text", "text": "7"}]);
    let template = json!({"name": "order", "language": {"policy": "deterministic", "code": "en"},
        "components": [{"type": "body", "parameters": parameters}]});
    let hsm = json!({"namespace": "n", "element_name": "order",
        "language": {"policy": "deterministic", "code": "en"},
        "localizable_params": [{"default": "Ana"}, {"default": "7"}]});
    let meta = |id: &str| json!({"messages": [{"id": id}]});
    let cases = [
        (
            "infobip",
            json!({"messages": [infobip("385990000001"), infobip("385990000002")]}),
            json!({"bulkId": "b-1", "messages": [
                {"to": "385990000001", "messageId": "ib-1", "status": {"groupId": 1}},
                {"to": "385990000002", "messageId": "ib-2", "status": {"groupId": 1}}]}),
            vec!["ib-1", "ib-2"],
        ),
        (
            "onprem",
            json!({"to": "34600000001", "type": "template", "ttl": "P1D", "template": template}),
            meta("gBEG.1"),
            vec!["gBEG.1"],
        ),
        (
            "onprem",
            json!({"to": "34600000001", "type": "hsm", "hsm": hsm}),
            meta("gBEG.2"),
            vec!["gBEG.2"],
        ),
        (
            "cloud",
            json!({"messaging_product": "whatsapp", "to": "34600000001", "type": "template",
                "template": template, "biz_opaque_callback_data": "{\"broadcastId\":\"b-2\"}"}),
            meta("wamid.1"),
            vec!["wamid.1"],
        ),
        (
            "d360",
            json!({"to": "34600000001", "type": "template", "template": template}),
            meta("wamid.2"),
            vec!["wamid.2"],
        ),
    ];
    for (source, request, response, ids) in cases {
        let exchange = json!({"request": request, "response": response});
        let path = format!("/sources/{source}/sent");
        let answer = caller.post(&path, &exchange).await.with(200);
        assert_eq!(answer["accepted"], ids.len(), "{answer}");
        for id in ids {
            let message = caller.get(&format!("/messages/{id}")).await.with(200);
            assert_eq!(
                (&message["text"], &message["type"], &message["source"]),
                (
                    &json!("Hi Ana, 7"),
                    &json!("Template-Message"),
                    &json!(source)
                )
            );
        }
    }
    let found = caller.get("/messages/ib-2").await.with(200);
    assert_eq!(
        (&found["broadcast"], &found["sender"], &found["recipient"]),
        (
            &json!("b-1"),
            &json!("385910009999"),
            &json!("385990000002")
        )
    );
    let found = caller.get("/messages/gBEG.1").await.with(200);
    assert_eq!(found["registration"]["ttl"], 86_400);
    assert_eq!(
        caller.get("/messages/wamid.1").await.with(200)["broadcast"],
        "b-2"
    );
    let text = json!({"request": {"to": "34600000001", "text": {"body": "Hello"}},
        "response": meta("wamid.3")});
    caller.post("/sources/cloud/sent", &text).await.with(200);
    let found = caller.get("/messages/wamid.3").await.with(200);
    assert_eq!(
        (&found["text"], &found["type"]),
        (&json!("Hello"), &json!("Regular-Message"))
    );

    let failed = json!({"request": {"to": "1"}, "response": {"error": {"code": 190}}});
    caller.post("/sources/cloud/sent", &failed).await.with(201);
    let answer = caller
        .post("/sources/cloud/sent", &json!({"request": {}}))
        .await;
    assert_eq!(answer.problem(422), ["/request/to"]);
    caller.post("/sources/none/sent", &text).await.problem(404);
    app.stop().await;
}

#[actix_web::test]
async fn what_the_provider_returns_does_the_same_without_a_call() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let caller = app.admin().await;
    let body = json!({"body": "Hi {{1}}"});
    caller.put("/templates/order/en", &body).await.with(200);
    let echo = json!({
        "template": {"name": "order", "language": "en", "parameters": ["Ana"]},
        "broadcastId": "b-1", "metadata": {"order": 7}, "ttl": 60,
    });
    let report = infobip("ib-1", 1, &echo.to_string());
    assert_eq!(app.post("infobip", report).await, 200);
    app.settled().await;
    let payload = receiver.received()[0].json();
    assert_eq!(
        (
            &payload["message"],
            &payload["type"],
            &payload["MessageStatus"]
        ),
        (&json!("Hi Ana"), &json!("Template-Message"), &json!("sent"))
    );
    let message = caller.get("/messages/ib-1").await.with(200);
    let notified = &message["registration"];
    assert_eq!(
        (
            &notified["origin"],
            &notified["metadata"]["order"],
            &notified["ttl"],
            &message["broadcast"]
        ),
        (&json!("echo"), &json!(7), &json!(60), &json!("b-1"))
    );
    assert_eq!(
        (&message["type_rule"], &message["silent"]),
        (&json!("echo"), &json!(true))
    );
    // A call is believed before an echo, whichever comes first.
    let called = json!({"source": "infobip", "msId": "ib-1", "message": "Called",
        "type": "Regular-Message", "metadata": {"order": 8}});
    caller.post("/messages", &called).await.with(200);
    let report = infobip("ib-1", 3, &echo.to_string());
    assert_eq!(app.post("infobip", report).await, 200);
    let message = caller.get("/messages/ib-1").await.with(200);
    assert_eq!(
        (
            &message["text"],
            &message["type"],
            &message["registration"]["metadata"]["order"]
        ),
        (&json!("Called"), &json!("Regular-Message"), &json!(8))
    );
    app.settled().await;
    app.stop().await;
}

#[actix_web::test]
async fn the_command_line_registers_with_and_without_a_service() {
    let folder = Folder::new();
    let write = |name: &str, text: String| std::fs::write(folder.path(name), text).unwrap();
    let message = |id: &str| {
        json!({"source": "cloud", "msId": id,
            "template": {"name": "order", "language": "en", "parameters": ["Ana"]}})
    };
    write(
        "two.ndjson",
        format!("{}\n{}\n", message("wamid.1"), message("")),
    );
    write("one.json", format!("{:#}", message("wamid.2")));
    let exchange = json!({"request": {"to": "34600000001", "text": {"body": "Hello"}},
        "response": {"messages": [{"id": "wamid.3"}]}});
    write("sent.json", exchange.to_string());
    let service = folder.serve();
    folder
        .done(&["template", "put", "order", "en", "Hi {{1}}"])
        .await;
    let answer = folder.run(&["message", "register", "two.ndjson"]).await;
    assert_eq!(answer.exit, 1, "{answer:?}");
    assert!(answer.talk.contains("message 2: /msId: "), "{answer:?}");
    assert!(
        answer.talk.contains("1 registered, 1 refused"),
        "{answer:?}"
    );
    drop(service);
    let templates = folder.run(&["template", "list", "--json"]).await;
    assert_eq!(templates.json()["data"][0]["body"], "Hi {{1}}");
    let answer = folder
        .run(&["message", "register", "one.json", "--json"])
        .await;
    let registered = &answer.json()["results"][0];
    assert_eq!(
        (&registered["msId"], &registered["result"]),
        (&json!("wamid.2"), &json!("created"))
    );
    folder
        .done(&["message", "register", "sent.json", "--sent-by", "cloud"])
        .await;
    for (id, text) in [
        ("wamid.1", "Hi Ana"),
        ("wamid.2", "Hi Ana"),
        ("wamid.3", "Hello"),
    ] {
        let shown = folder.run(&["message", "show", id, "--json"]).await;
        assert_eq!(shown.json()["message"]["text"], text);
    }
    folder.done(&["template", "remove", "order", "en"]).await;
    let answer = folder.run(&["template", "list"]).await;
    assert_eq!(answer.exit, 1);
}

#[actix_web::test]
async fn a_person_who_is_erased_takes_what_was_registered_along() {
    let app = TestApp::boot().await;
    let caller = app.admin().await;
    let message = json!({"source": "cloud", "msId": "wamid.1", "mobileNo": "+34 600-000 001",
        "message": "a private word", "metadata": {"name": "private"}, "ttl": 60});
    caller.post("/messages", &message).await.with(201);
    let request = ErasePerson {
        person: "34600000001".to_owned(),
        options: EraseOptions::default(),
    };
    let erased = app.order(request).await;
    assert_eq!((erased.messages, erased.reports), (1, 1));
    assert!(app.messages().await.is_empty());
    assert_eq!(app.report_count().await, 0);
    assert_eq!(app.tables().count("registration"), 0);
    app.stop().await;
}
