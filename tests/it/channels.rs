//! Reports of other channels than WhatsApp: sent to those that ask for them alone, and what they
//! mean for a message of WhatsApp is sent once.

mod kinds;
mod orders;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::model::{PayloadFormat, Reports, Word as _};

use crate::support::receiver::Receiver;
use crate::support::{TestApp, counted, fields};

const USER: &str = "385990001122";
const OURS: &str = "385910009999";

/// Infobip's report that a message was delivered, with other members beside or instead.
fn delivered(id: &str, others: &Value) -> Value {
    let mut element = json!({
        "messageId": id, "to": USER, "messageCount": 1,
        "sentAt": "2025-10-09T08:53:20.000+0000", "doneAt": "2025-10-09T08:53:21.000+0000",
        "status": {"groupId": 3, "groupName": "DELIVERED", "id": 5, "name": "DELIVERED_TO_HANDSET"},
        "error": {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR"},
    });
    let members = element.as_object_mut().unwrap();
    members.extend(others.as_object().unwrap().clone());
    element
}

/// That WhatsApp could not reach the recipient and the next channel is tried.
fn unreachable(id: &str) -> Value {
    let (state, error) = (
        json!({"groupId": 1, "groupName": "PENDING", "id": 7, "name": "PENDING_ENROUTE"}),
        json!({"groupId": 1, "id": 7002, "name": "EC_UNKNOWN_USER", "permanent": true}),
    );
    delivered(
        id,
        &json!({"sender": OURS, "status": state, "error": error}),
    )
}

/// That a message did not arrive, with other members beside.
fn undelivered(id: &str, others: &Value) -> Value {
    let state =
        json!({"groupId": 2, "groupName": "UNDELIVERABLE", "id": 9, "name": "UNDELIVERABLE"});
    let error = json!({"groupId": 1, "id": 27, "name": "EC_ABSENT_SUBSCRIBER", "permanent": true});
    let mut element = delivered(id, &json!({"status": state, "error": error}));
    let members = element.as_object_mut().unwrap();
    members.extend(others.as_object().unwrap().clone());
    element
}

async fn post(app: &TestApp, elements: &[Value]) {
    let body = json!({ "results": elements }).to_string();
    assert_eq!(app.post("infobip", body).await, 200);
}

/// Adds a subscriber that wants these channels, with extended payloads.
async fn subscribe(app: &TestApp, name: &str, channels: &[&str]) -> Receiver {
    let receiver = Receiver::start();
    app.subscribe_with(name, &receiver.url, |new| {
        new.filter.channels = channels.iter().map(|word| (*word).to_owned()).collect();
        new.options.format = PayloadFormat::Extended;
    })
    .await;
    receiver
}

/// What was sent of one message: its status, by its channel.
fn notified_of(receiver: &Receiver, id: &str) -> Vec<String> {
    let payloads = receiver.received().into_iter().map(|it| it.json());
    payloads
        .filter(|payload| payload["msId"] == id)
        .map(|payload| {
            let word = |key: &str| payload[key].as_str().unwrap().to_owned();
            format!("{} {}", word("channel"), word("MessageStatus"))
        })
        .collect()
}

#[actix_web::test]
async fn another_channel_is_reported_to_those_who_ask_for_it_in_its_own_words() {
    let app = TestApp::boot().await;
    let usual = subscribe(&app, "usual", &[]).await;
    let viber = subscribe(&app, "viber", &["viber"]).await;
    let any = subscribe(&app, "any", &["any"]).await;
    let by_viber = json!({"channel": "VIBER_BM", "sender": "ShopHR"});
    post(&app, &[delivered("v", &by_viber)]).await;
    post(
        &app,
        &[
            json!({"messageId": "v", "from": USER, "to": "ShopHR", "channel": "VIBER_BM",
            "seenAt": "2025-10-09T08:55:00.000+0000"}),
        ],
    )
    .await;
    post(
        &app,
        &[undelivered(
            "s",
            &json!({"channel": "SMS", "sender": "ShopHR"}),
        )],
    )
    .await;
    post(&app, &[delivered("w", &json!({"sender": OURS}))]).await;
    app.settled().await;
    assert_eq!(notified_of(&usual, "w"), ["whatsapp delivered"]);
    assert_eq!(usual.count(), 1);
    assert_eq!(
        notified_of(&viber, "v"),
        ["viber_bm delivered", "viber_bm read"]
    );
    assert_eq!(viber.count(), 2);
    assert_eq!(notified_of(&any, "s"), ["sms failed"]);
    assert_eq!(any.count(), 4);
    // The number of WhatsApp is not that of Viber.
    let payload = viber.received().remove(0).json();
    assert_eq!(payload["connectedWhatsAppNo"], "ShopHR");
    assert_eq!(payload["mobileNo"], "+385990001122");
    let mut why = BTreeSet::new();
    for report in app.reports().await {
        for it in report.skipped {
            let (channel, reason) = (&report.channel, it.reason.as_str());
            why.insert(format!("{} {channel} {reason}", it.subscriber));
        }
    }
    let expected = [
        "usual sms channel",
        "usual viber_bm channel",
        "viber sms channel",
        "viber whatsapp channel",
    ];
    assert_eq!(Vec::from_iter(why), expected);
    let names = ["provider_message_id", "channel", "status", "sender"];
    let mut shown = fields(&app.messages().await, names);
    shown.sort();
    assert_eq!(
        shown,
        [
            ["s", "sms", "failed", "ShopHR"],
            ["v", "viber_bm", "read", "ShopHR"],
            ["w", "whatsapp", "delivered", OURS],
        ]
    );
    app.stop().await;
}

#[actix_web::test]
async fn a_fallback_is_reported_once_as_failed_when_whatsapp_is_known_and_not_before() {
    let app = TestApp::boot().await;
    let usual = subscribe(&app, "usual", &[]).await;
    let viber = subscribe(&app, "viber", &["viber"]).await;
    let caller = app.caller(Role::Admin).await;
    let by_viber = json!({"channel": "VIBER_BM", "sender": "ShopHR", "doneAt": "2025-10-09T08:54:00.000+0000"});
    let seen = |id: &str| {
        json!({"messageId": id, "from": USER, "to": "ShopHR", "channel": "VIBER_BM",
            "seenAt": "2025-10-09T08:55:00.000+0000"})
    };
    post(&app, &[unreachable("first")]).await;
    for element in [delivered("first", &by_viber), seen("first")] {
        post(&app, &[element]).await;
    }
    for id in ["reported", "registered", "neither"] {
        post(&app, &[delivered(id, &by_viber)]).await;
    }
    app.settled().await;
    assert_eq!(usual.count(), 2);
    post(&app, &[unreachable("reported")]).await;
    let message = json!({"source": "infobip", "msId": "registered", "message": "Hi Ana",
        "mobileNo": "+385990001122", "connectedWhatsAppNo": "+385910009999"});
    caller.post("/messages", &message).await.with(200);
    // Whatever comes again or later releases nothing again.
    caller.post("/messages", &message).await.with(200);
    post(
        &app,
        &[
            unreachable("reported"),
            seen("reported"),
            seen("registered"),
        ],
    )
    .await;
    post(&app, &[delivered("reported", &json!({"channel": "SMS"}))]).await;
    app.settled().await;
    assert_eq!(
        notified_of(&usual, "first"),
        ["whatsapp sent", "whatsapp failed"]
    );
    assert_eq!(notified_of(&usual, "reported"), ["whatsapp failed"]);
    assert_eq!(notified_of(&usual, "registered"), ["whatsapp failed"]);
    assert_eq!(usual.count(), 4);
    // Of a message that is known as one of WhatsApp's the channel itself is not notified.
    for (id, expected) in [
        ("first", 0),
        ("reported", 1),
        ("registered", 1),
        ("neither", 1),
    ] {
        assert_eq!(notified_of(&viber, id).len(), expected, "{id}");
    }
    let payload = usual.received().into_iter().map(|it| it.json());
    let payload = payload.filter(|it| it["MessageStatus"] == "failed");
    let payloads: Vec<Value> = payload.collect();
    for payload in &payloads {
        let titles: Vec<&str> = payload["ErrorDetails"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["title"].as_str().unwrap())
            .collect();
        let known: &[&str] = match payload["msId"].as_str().unwrap() {
            "registered" => &["Delivered by Viber fallback"],
            _ => &["Delivered by Viber fallback", "EC_UNKNOWN_USER"],
        };
        assert_eq!(titles, known);
        assert_eq!(payload["timestamp"], "2025-10-09T08:54:00.000Z");
        assert_eq!(payload["mobileNo"], "+385990001122");
        assert_eq!(
            payload["explanation"]["errorKey"],
            "infobip:channel_fallback"
        );
    }
    let ids: BTreeSet<String> = payloads
        .iter()
        .map(|it| it["eventId"].to_string())
        .collect();
    assert_eq!(ids.len(), 3);
    app.stop().await;
}

#[actix_web::test]
async fn a_fallback_after_whatsapps_own_delivery_contradicts_and_goes_to_all_reports_alone() {
    let app = TestApp::boot().await;
    let usual = subscribe(&app, "usual", &[]).await;
    let all = Receiver::start();
    app.subscribe_with("all", &all.url, |new| {
        new.reports = Reports::All;
        new.options.format = PayloadFormat::Extended;
    })
    .await;
    post(&app, &[delivered("m", &json!({"sender": OURS}))]).await;
    let by_sms = json!({"channel": "SMS", "doneAt": "2025-10-09T08:54:00.000+0000"});
    post(&app, &[delivered("m", &by_sms)]).await;
    // In the other order too: what was held never was the state.
    post(&app, &[delivered("n", &by_sms)]).await;
    post(&app, &[delivered("n", &json!({"sender": OURS}))]).await;
    app.settled().await;
    for id in ["m", "n"] {
        assert_eq!(notified_of(&usual, id), ["whatsapp delivered"], "{id}");
        let mut all = notified_of(&all, id);
        all.sort();
        assert_eq!(all, ["whatsapp delivered", "whatsapp failed"], "{id}");
    }
    let names = ["channel", "status", "conflict", "error/error_key"];
    let expected = ["whatsapp", "delivered", "true", "infobip:sms_fallback"];
    assert_eq!(fields(&app.messages().await, names), [expected, expected]);
    app.stop().await;
}

#[actix_web::test]
async fn what_else_befalls_another_channel_changes_neither_status_nor_error() {
    let app = TestApp::boot().await;
    let usual = subscribe(&app, "usual", &["any"]).await;
    post(&app, &[unreachable("m")]).await;
    app.settled().await;
    let names = [
        "channel",
        "status",
        "conflict",
        "recipient",
        "sender",
        "error/error_key",
        "sent_at_ms",
        "failed_at_ms",
    ];
    let state = async || fields(&app.messages().await, names);
    let before = state().await;
    let pending = json!({"groupId": 1, "id": 3, "name": "PENDING_WAITING_DELIVERY"});
    let rejected = json!({"groupId": 5, "id": 6, "name": "REJECTED_NETWORK"});
    for others in [
        json!({"channel": "SMS", "status": pending}),
        json!({"channel": "SMS", "status": rejected, "to": "385995550000", "sender": "ShopHR"}),
        json!({"channel": "EMAIL", "status": rejected, "to": "ana@shop.example"}),
        json!({"channel": "VIBER_BM", "status": {"groupId": 9}}),
    ] {
        post(&app, &[delivered("m", &others)]).await;
    }
    post(&app, &[undelivered("m", &json!({"channel": "RCS"}))]).await;
    post(
        &app,
        &[
            json!({"messageId": "m", "from": USER, "to": "ShopHR", "channel": "VIBER_BM",
            "deletedAt": "2025-10-09T08:55:00.000+0000"}),
        ],
    )
    .await;
    app.settled().await;
    assert_eq!(state().await, before);
    assert_eq!(notified_of(&usual, "m"), ["whatsapp sent"]);
    assert_eq!(
        counted(&app.reports().await, ["change"]),
        [["new", "1"], ["not-a-status", "1"], ["other-channel", "5"]]
    );
    app.stop().await;
}

#[actix_web::test]
async fn an_sms_proves_a_template_for_a_message_of_whatsapp_alone() {
    let app = TestApp::boot_with(tickrelay::clock::Clock::system(), |config| {
        for source in &mut config.sources {
            source.default_type = tickrelay::model::MessageType::Regular;
        }
    })
    .await;
    let by_sms = json!({"channel": "SMS", "mccMnc": "21910"});
    post(
        &app,
        &[delivered("own", &by_sms), delivered("leg", &by_sms)],
    )
    .await;
    let types = async || {
        let names = ["provider_message_id", "type", "type_rule"];
        let mut types = fields(&app.messages().await, names);
        types.sort();
        types
    };
    let guess = |id| [id, "Regular-Message", "default"];
    assert_eq!(types().await, [guess("leg"), guess("own")]);
    post(&app, &[unreachable("leg")]).await;
    let leg = ["leg", "Template-Message", "evidence"];
    assert_eq!(types().await, [leg, guess("own")]);
    app.stop().await;
}

#[actix_web::test]
async fn a_click_shows_no_channel_and_a_channel_that_is_none_is_refused() {
    let app = TestApp::boot().await;
    let usual = subscribe(&app, "usual", &[]).await;
    let admin = app.admin().await;
    let click = json!({"notificationType": "CLICKED", "recipient": USER, "messageId": "c",
        "url": "https://shop.example/", "sendDateTime": 1_760_000_000_000_i64});
    assert_eq!(app.post("infobip", click.to_string()).await, 200);
    let channel = async || app.messages().await[0].channel.clone();
    assert_eq!(channel().await, "unknown");
    post(&app, &[delivered("c", &json!({"channel": "SMS"}))]).await;
    assert_eq!(channel().await, "sms");
    for (wanted, count) in [("SMS", 1), ("whatsapp", 0), ("unknown", 0)] {
        let found = admin.get(&format!("/messages?channel={wanted}")).await;
        let found = found.with(200)["data"].clone();
        assert_eq!(found.as_array().unwrap().len(), count, "{wanted}");
        assert!(count == 0 || found[0]["channel"] == "sms");
    }
    // The beginning of a word is none.
    let found = admin.get("/messages?channel=sm").await;
    assert_eq!(found.problem(422), ["channel"]);
    app.settled().await;
    assert_eq!(usual.count(), 0);
    for (channel, status) in [("WhatsApp", 201), ("viber", 422)] {
        let message = json!({"source": "infobip", "msId": channel, "message": "Hi",
            "channel": channel});
        let answer = admin.post("/messages", &message).await;
        if status == 422 {
            assert_eq!(answer.problem(422), ["/channel"]);
        } else {
            answer.with(status);
        }
    }
    let filter =
        |channels: Value| json!({"name": "x", "url": usual.url, "filter": {"channels": channels}});
    let refused = admin
        .post("/subscribers", &filter(json!(["sms", "viber bm", ""])))
        .await;
    assert_eq!(
        refused.problem(422),
        ["/filter/channels/1", "/filter/channels/2"]
    );
    let added = admin.post("/subscribers", &filter(json!(["viber"]))).await;
    let added = added.with(201);
    assert_eq!(added["filter"]["channels"], json!(["viber"]));
    app.stop().await;
}
