//! What a test sends is what a true report would have caused, and all of it is shown.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::model::{PayloadFormat, SubscriberKind};

use crate::support::receiver::{Receiver, Reply};
use crate::support::{TestApp, cloud, mac, verify};

const T0: i64 = 1_760_000_000;

/// The keys of a payload whose values are those of one message and moment.
const OF_THE_MOMENT: [&str; 5] = ["msId", "message", "timestamp", "eventId", "providerTime"];

/// A payload without them.
fn timeless(body: &[u8]) -> Value {
    let mut body: Value = serde_json::from_slice(body).unwrap();
    for key in OF_THE_MOMENT {
        let found = body.as_object_mut().unwrap().remove(key);
        assert!(found.is_some_and(|value| value.is_string()), "{key}");
    }
    body
}

#[actix_web::test]
async fn samples_of_each_status_are_sent_and_nothing_is_stored() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let receiver = Receiver::scripted(|_, request| match request.status().as_str() {
        "read" => Reply::status(422),
        _ => Reply::status(200),
    });
    let secret = app
        .subscribe_with("crm", &receiver.url, |new| {
            new.filter.rules = vec!["Template-Message=failed".parse().unwrap()];
        })
        .await;
    let tested = admin.post("/subscribers/crm/test", &json!({})).await;
    let tested = tested.with(200);
    assert_eq!(tested["accepted"], false);
    let samples = tested["samples"].as_array().unwrap();
    let seen: Vec<&str> = samples
        .iter()
        .map(|sample| sample["status"].as_str().unwrap())
        .collect();
    assert_eq!(
        seen,
        ["queued", "sent", "delivered", "read", "failed", "deleted"]
    );
    assert_eq!(receiver.statuses(), seen);
    for (sample, request) in samples.iter().zip(receiver.received()) {
        assert!(verify(&secret, &request));
        let status = request.status();
        assert_eq!(
            sample["request"]["body"].as_str().unwrap().as_bytes(),
            request.body
        );
        let (answer, error) = match status.as_str() {
            "read" => (422, json!("http_4xx")),
            _ => (200, json!(null)),
        };
        assert_eq!(
            (&sample["response"]["status"], &sample["error"]),
            (&json!(answer), &error)
        );
        let reason = if status == "failed" {
            json!(null)
        } else {
            json!("status")
        };
        assert_eq!(sample["skip_reason"], reason, "{status}");
    }
    assert!(app.forwards().await.is_empty());
    assert!(app.reports().await.is_empty());
    assert!(app.webhooks().await.is_empty());
    app.stop().await;
}

#[actix_web::test]
async fn all_that_went_over_the_wire_is_shown_as_it_was() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let long = "x".repeat(3000);
    let receiver = Receiver::scripted(|_, _| Reply::status(200).header("server", "a-server"));
    let new = json!({"name": "crm", "url": receiver.url, "headers": {"X-Key": &long[..40]}});
    let added = admin.post("/subscribers", &new).await.with(201);
    let asked = json!({"status": "failed", "error": "131026"});
    let tested = admin.post("/subscribers/crm/test", &asked).await.with(200);
    let (sample, received) = (&tested["samples"][0], &receiver.received()[0]);
    let mut sent: BTreeMap<_, _> = received.headers.clone().into_iter().collect();
    assert_eq!(
        sent.insert("x-key".to_owned(), "[redacted]".to_owned())
            .unwrap(),
        long[..40]
    );
    assert_eq!(sample["request"]["headers"], json!(sent));
    assert_eq!(
        (&sample["request"]["method"], &sample["request"]["url"]),
        (&json!("POST"), &added["url"])
    );
    let signed = sample["signed"].as_str().unwrap();
    let of = |name: &str| received.header(name).to_owned();
    let body = String::from_utf8(received.body.clone()).unwrap();
    assert_eq!(
        signed,
        format!("{}.{}.{body}", of("webhook-id"), of("webhook-timestamp"))
    );
    let mac = mac(added["secret"].as_str().unwrap(), signed);
    assert_eq!(of("webhook-signature"), format!("v1,{mac}"));
    let answer = &sample["response"];
    assert_eq!(
        (&answer["status"], &answer["body"]),
        (&json!(200), &json!("scripted"))
    );
    assert_eq!(answer["headers"]["server"], "a-server");
    assert!(sample["duration_ms"].is_u64());
    app.stop().await;
}

#[actix_web::test]
async fn a_sample_is_what_the_true_report_becomes() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let receiver = Receiver::start();
    app.subscribe_with("crm", &receiver.url, |new| {
        new.options.format = PayloadFormat::Extended;
    })
    .await;
    let infobip = |status: Value, error: Value| {
        json!({"results": [{"messageId": "m", "to": "34600000001", "from": "385910009999",
            "sentAt": "2026-02-11T08:15:32.904+0000", "doneAt": "2026-02-11T08:15:33.904+0000",
            "status": status, "error": error}]})
        .to_string()
    };
    let details = "A sample of a failure, sent by `tickrelay subscriber test`";
    let href = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/";
    let failed = json!({"errors": [{"code": 131_047, "title": "Re-engagement message",
        "message": "Re-engagement message", "error_data": {"details": details}, "href": href}]});
    let cases = [
        (
            json!({"error": "meta:131047", "source": "cloud", "recipient": "+34 600 000 001"}),
            "cloud",
            cloud::webhook(&[cloud::with(cloud::status("m", "failed", T0), &failed)]),
        ),
        (
            json!({"status": "read", "source": "cloud", "recipient": "34600000001"}),
            "cloud",
            cloud::webhook(&[cloud::status("m2", "read", T0)]),
        ),
        (
            json!({"status": "delivered", "type": "Regular-Message", "source": "cloud",
                "recipient": "34600000001"}),
            "cloud",
            cloud::webhook(&[cloud::regular("m3", "delivered", T0)]),
        ),
        (
            json!({"error": "ec_invalid_template_args", "recipient": "34600000001"}),
            "infobip",
            infobip(
                json!({"groupId": 2, "groupName": "UNDELIVERABLE", "id": 9,
                    "name": "UNDELIVERABLE_NOT_DELIVERED", "description": "-"}),
                json!({"groupId": 1, "groupName": "HANDSET_ERRORS", "id": 7008,
                    "name": "EC_INVALID_TEMPLATE_ARGS", "description": "EC_INVALID_TEMPLATE_ARGS",
                    "permanent": true}),
            ),
        ),
        (
            json!({"status": "queued", "source": "infobip", "recipient": "34600000001"}),
            "infobip",
            infobip(
                json!({"groupId": 1, "groupName": "PENDING", "id": 26, "name": "PENDING_ACCEPTED"}),
                json!({"id": 0}),
            )
            .replace("\"m\"", "\"m5\""),
        ),
    ];
    for (asked, source, webhook) in cases {
        admin.post("/subscribers/crm/test", &asked).await.with(200);
        let sample = receiver.received().pop().unwrap();
        assert_eq!(app.post(source, webhook).await, 200);
        app.settled().await;
        let report = receiver.received().pop().unwrap();
        assert_ne!(report.message(), sample.message());
        let known = |body: &[u8]| {
            let mut body = timeless(body);
            // The sender's number is known of each source by its own means.
            body.as_object_mut().unwrap().remove("connectedWhatsAppNo");
            body
        };
        assert_eq!(known(&sample.body), known(&report.body), "{asked}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn what_no_report_can_be_is_refused_by_its_field_and_nothing_is_sent() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let kind = |kind| move |new: &mut tickrelay::model::NewSubscriber| new.kind = kind;
    app.subscribe_with("chat", &receiver.url, kind(SubscriberKind::Chat))
        .await;
    app.subscribe_with("ops", &receiver.url, kind(SubscriberKind::Events))
        .await;
    let cases = [
        (
            "crm",
            json!({"status": "read", "error": "131026"}),
            "/error",
            "failed",
        ),
        ("crm", json!({"error": "999999"}), "/error", "explain"),
        ("crm", json!({"error": ""}), "/error", "explain"),
        (
            "crm",
            json!({"error": "template"}),
            "/error",
            "write one of them",
        ),
        (
            "crm",
            json!({"error": "infobip:7008", "source": "cloud"}),
            "/error",
            "infobip:7008 is no error of meta-cloud",
        ),
        (
            "crm",
            json!({"error": "131026", "provider": "infobip"}),
            "/error",
            "no error of infobip",
        ),
        (
            "crm",
            json!({"error": "infobip-status:5"}),
            "/error",
            "no message fails with",
        ),
        ("crm", json!({"source": "nope"}), "/source", "cloud, onprem"),
        (
            "crm",
            json!({"source": "cloud", "provider": "infobip"}),
            "/provider",
            "meta-cloud",
        ),
        (
            "crm",
            json!({"provider": "twilio"}),
            "/provider",
            "360dialog",
        ),
        (
            "crm",
            json!({"recipient": "Ana"}),
            "/recipient",
            "country code",
        ),
        (
            "crm",
            json!({"error": "infobip:7008", "type": "Regular-Message"}),
            "/type",
            "only a Template-Message",
        ),
        ("crm", json!({"state": "failed"}), "/state", "status"),
        ("crm", json!({"status": "lost"}), "/status", "queued"),
        (
            "chat",
            json!({"status": "read"}),
            "/status",
            "failures alone",
        ),
        (
            "ops",
            json!({"status": "failed"}),
            "/status",
            "events of the service",
        ),
    ];
    for (name, asked, field, part) in cases {
        let refused = admin
            .post(&format!("/subscribers/{name}/test"), &asked)
            .await;
        assert_eq!(refused.problem(422), [field], "{asked}");
        assert!(refused.text.contains(part), "{asked}: {}", refused.text);
    }
    let integrator = app.caller_with(Role::Integrator, |new| {
        new.sources = vec!["cloud".to_owned()];
    });
    let integrator = integrator.await;
    let new = json!({"name": "own", "url": receiver.url, "filter": {"sources": ["cloud"]}});
    integrator.post("/subscribers", &new).await.with(201);
    let asked = json!({"source": "infobip"});
    let refused = integrator.post("/subscribers/own/test", &asked).await;
    assert_eq!(refused.problem(422), ["/source"]);
    let asked = json!({"source": "none"});
    let none = integrator.post("/subscribers/own/test", &asked).await;
    assert_eq!(refused.text.replace("infobip", "none"), none.text);
    assert_eq!(receiver.count(), 0);
    app.stop().await;
}

#[actix_web::test]
async fn every_error_can_be_tried_as_every_provider_reports_it() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    for (error, provider) in [
        ("131026", "meta-cloud"),
        ("structure_unavailable", "meta-on-premises"),
        ("470", "360dialog"),
        ("7016", "infobip"),
        ("infobip-status:8", "infobip"),
        ("sms_fallback", "infobip"),
        ("channel_fallback", "infobip"),
    ] {
        let asked = json!({"error": error, "provider": provider});
        let tested = admin.post("/subscribers/crm/test", &asked).await.with(200);
        let sample = &tested["samples"][0];
        assert_eq!(
            (&sample["provider"], &sample["source"]),
            (&json!(provider), &json!("sample"))
        );
        let key = sample["error_key"].as_str().unwrap();
        assert!(key.ends_with(error), "{key}");
        let details = &receiver.received().pop().unwrap().json()["ErrorDetails"];
        assert!(details[0]["title"].is_string(), "{details}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_chat_is_shown_the_alert_of_that_error() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let receiver = Receiver::start();
    app.subscribe_with("chat", &receiver.url, |new| new.kind = SubscriberKind::Chat)
        .await;
    let asked = json!({"error": "infobip:7008"});
    let tested = admin.post("/subscribers/chat/test", &asked).await.with(200);
    assert_eq!(tested["samples"][0]["skip_reason"], json!(null));
    let text = receiver.received()[0].text();
    assert!(text.contains("error 7008, source infobip"), "{text}");
    app.stop().await;
}

#[actix_web::test]
async fn nothing_is_sent_to_a_subscriber_without_a_secret() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let (receiver, chat) = (Receiver::start(), Receiver::start());
    app.subscribe("crm", &receiver.url).await;
    app.subscribe_with("agents", &chat.url, |new| new.kind = SubscriberKind::Chat)
        .await;
    app.tables().forget_secrets();
    for name in ["crm", "agents"] {
        let path = format!("/subscribers/{name}/test");
        for sample in [json!({}), json!({"status": "failed", "error": "131026"})] {
            let answer = admin.post(&path, &sample).await.with(409);
            let detail = format!("{name} has no secret to sign with: rotate-secret gives it one");
            assert_eq!(answer["detail"], detail, "{answer}");
        }
    }
    assert_eq!((receiver.count(), chat.count()), (0, 0));
    // The control: the remedy that it names is one, and the rest was right.
    let rotated = admin
        .post("/subscribers/crm/rotate-secret", &json!({}))
        .await;
    let secret = rotated.with(200)["secret"].as_str().unwrap().to_owned();
    let sample = json!({"status": "failed", "error": "131026"});
    admin.post("/subscribers/crm/test", &sample).await.with(200);
    let request = receiver.received().remove(0);
    assert!(verify(&secret, &request));
    app.stop().await;
}
