//! What another responder of the account sent: its reports, copies of it, and its price.

use serde_json::{Value, json};
use tickrelay::model::PayloadFormat;
use tickrelay::store::timeline::Timeline;

use crate::support::receiver::Receiver;
use crate::support::{TestApp, cloud, fields};

const T0: i64 = 1_760_000_000;

/// A webhook of that field with this `value`.
fn webhook(field: &str, value: &Value) -> String {
    let mut body: Value = serde_json::from_str(&cloud::webhook(&[])).unwrap();
    let change = &mut body["entry"][0]["changes"][0];
    change["field"] = json!(field);
    let all = change["value"].as_object_mut().unwrap();
    all.remove("statuses");
    all.extend(value.as_object().unwrap().clone());
    body.to_string()
}

fn standby(inner: &Value) -> String {
    webhook("standby", &json!({ "standby": inner }))
}

fn copy(id: &str, text: &str) -> String {
    let message = json!({"to": "34600000001", "type": "text", "text": {"body": text}});
    let echo = json!({"id": id, "timestamp": T0.to_string(), "message": message});
    standby(&json!({"message_echoes": [echo]}))
}

async fn post(app: &TestApp, body: String) {
    assert_eq!(app.post("cloud", body).await, 200);
}

#[actix_web::test]
async fn a_status_by_both_fields_is_one_report_and_ends_alike_whichever_came_first() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    for (id, fields) in [
        ("wamid.1", ["messages", "standby"]),
        ("wamid.2", ["standby", "messages"]),
    ] {
        let status = cloud::status(id, "sent", T0);
        for field in fields {
            let body = match field {
                "messages" => cloud::webhook(std::slice::from_ref(&status)),
                _ => standby(&json!({"statuses": [status]})),
            };
            post(&app, body).await;
        }
    }
    app.settled().await;
    assert_eq!(receiver.count(), 2);
    assert_eq!(app.messages().await.len(), 2);
    // The first way stands in the report; the message is what both make of it.
    for (id, field) in [("wamid.1", "messages"), ("wamid.2", "standby")] {
        let Timeline { message, reports } = app.timeline(id).await.unwrap();
        assert_eq!(fields(&reports, ["field", "repeats"]), [[field, "1"]]);
        let rule = fields(&[message], ["type", "type_rule"]);
        assert_eq!(rule, [["Regular-Message", "standby"]], "{id}");
    }
    let outcomes = fields(&app.webhooks().await, ["outcome"]).concat();
    let expected = ["duplicate", "processed", "duplicate", "processed"];
    assert_eq!(outcomes, expected);
    let timeline = app
        .admin()
        .await
        .get("/messages/wamid.2/timeline")
        .await
        .with(200);
    assert_eq!(timeline["reports"][0]["field"], "standby");
    app.stop().await;
}

#[actix_web::test]
async fn a_registration_outranks_a_copy_in_either_order() {
    let app = TestApp::boot().await;
    let caller = app.admin().await;
    let registered = |id: &str| {
        json!({"source": "cloud", "msId": id, "message": "Mine", "type": "Template-Message",
            "mobileNo": "+34600000002"})
    };
    caller
        .post("/messages", &registered("wamid.1"))
        .await
        .with(201);
    post(&app, copy("wamid.1", "Zzz, the copy")).await;
    post(&app, copy("wamid.2", "Zzz, the copy")).await;
    let before = caller.get("/messages/wamid.2").await.with(200);
    assert_eq!(before["text"], "Zzz, the copy");
    assert_eq!(
        (&before["type"], &before["type_rule"]),
        (&json!("Regular-Message"), &json!("echo"))
    );
    assert_eq!(before["status"], Value::Null);
    caller
        .post("/messages", &registered("wamid.2"))
        .await
        .with(200);
    for id in ["wamid.1", "wamid.2"] {
        let message = caller.get(&format!("/messages/{id}")).await.with(200);
        for (field, expected) in [
            ("text", "Mine"),
            ("type", "Template-Message"),
            ("type_rule", "registered"),
            ("recipient", "+34600000002"),
            ("status", "queued"),
        ] {
            assert_eq!(message[field], expected, "{id} {field}");
        }
    }
    // A copy is no report: it is recognised, and it brings no status.
    let names = ["outcome", "outcome_detail", "reports", "new_reports"];
    assert_eq!(
        fields(&app.webhooks().await, names),
        [["ignored", "echo", "0", "0"], ["ignored", "echo", "0", "0"]]
    );
    app.stop().await;
}

#[actix_web::test]
async fn a_copy_after_the_status_fills_the_message_and_sends_nothing() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    post(
        &app,
        standby(&json!({"statuses": [cloud::status("wamid.1", "sent", T0)]})),
    )
    .await;
    post(&app, copy("wamid.1", "Your order left")).await;
    post(&app, copy("wamid.1", "Your order left")).await;
    post(
        &app,
        standby(&json!({"statuses": [cloud::status("wamid.1", "read", T0 + 9)]})),
    )
    .await;
    app.settled().await;
    let notified: Vec<[String; 2]> = receiver
        .received()
        .iter()
        .map(|it| {
            [
                it.status(),
                it.json()["message"].as_str().unwrap().to_owned(),
            ]
        })
        .collect();
    assert_eq!(notified, [["sent", ""], ["read", "Your order left"]]);
    let reports = fields(&app.reports().await, ["kind", "repeats"]);
    let expected = [["status", "0"], ["echo", "1"], ["status", "0"]];
    assert_eq!(reports, expected);
    app.stop().await;
}

#[actix_web::test]
async fn the_command_line_says_who_sent_the_message_and_what_it_cost() {
    let folder = crate::support::cli::Folder::new();
    let service = folder.serve();
    let pricing = json!({"billable": false, "type": "free_new", "category": "service", "more": 7});
    let status = cloud::with(
        cloud::status("wamid.1", "sent", T0),
        &json!({"pricing": pricing, "template_id": "77"}),
    );
    service.post(standby(&json!({"statuses": [status]}))).await;
    service.post(copy("wamid.1", "Your order left")).await;
    let shown = folder.done(&["message", "show", "wamid.1"]).await;
    for part in [
        "Your order left",
        "sent by standby: another responder sent the message",
        "price: service, free_new, not billable, {\"more\":7}",
        "WhatsApp made the template 77 of it",
        "echo: another responder sent it",
        "it describes the message, and no subscriber is notified",
    ] {
        assert!(shown.contains(part), "{part:?} is not in {shown}");
    }
}

#[actix_web::test]
async fn what_is_new_in_a_price_is_shown() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe_with("all", &receiver.url, |new| {
        new.options.format = PayloadFormat::Extended;
    })
    .await;
    let pricing = json!({"billable": true, "pricing_model": "PMP", "type": "brand_new",
        "category": "meta_business_agent", "charged": {"amount": "0.02", "currency": "EUR"}});
    let status = cloud::with(
        cloud::status("wamid.1", "sent", T0),
        &json!({ "pricing": pricing }),
    );
    let status = cloud::with(status, &json!({"template_id": 9_007_199_254_740_993_i64}));
    app.report(&[status]).await;
    let timeline = app
        .admin()
        .await
        .get("/messages/wamid.1/timeline")
        .await
        .with(200);
    let report = &timeline["reports"][0];
    let expected = json!({"category": "meta-business-agent", "model": "PMP", "type": "brand_new",
        "billable": true, "price": null, "currency": null,
        "other": {"charged": {"amount": "0.02", "currency": "EUR"}}});
    assert_eq!(report["pricing"], expected);
    assert_eq!(report["template_id"], "9007199254740993");
    assert_eq!(timeline["message"]["type"], "Template-Message");
    app.stop().await;
}
