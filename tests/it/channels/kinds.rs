//! Each kind of other channel, in ten bodies: with its name and without, delivered and not, seen,
//! by each of the formats that may bring it.

use serde_json::{Value, json};

use super::{USER, delivered, notified_of, post, subscribe, undelivered};
use crate::support::TestApp;

/// A seen report of the older formats.
fn seen(business: &str, others: &Value) -> Value {
    let mut element = json!({
        "from": USER, "to": business, "sentAt": "2025-10-09T08:53:20.000+0000",
        "seenAt": "2025-10-09T08:55:00.000+0000",
    });
    let members = element.as_object_mut().unwrap();
    members.extend(others.as_object().unwrap().clone());
    element
}

fn viber() -> Vec<(Value, &'static str)> {
    let named = |word: &str| json!({"channel": word, "sender": "ShopHR"});
    vec![
        (delivered("", &named("VIBER_BM")), "viber_bm delivered"),
        (delivered("", &named("Viber")), "viber delivered"),
        (delivered("", &named("VIBER_BOT")), "viber_bot delivered"),
        (undelivered("", &named("VIBER_BM")), "viber_bm failed"),
        (
            seen("ShopHR", &json!({"channel": "VIBER_BM"})),
            "viber_bm read",
        ),
        (
            seen("385910009999", &json!({"channel": "VIBER_BOT"})),
            "viber_bot read",
        ),
        (
            seen("ShopHR", &json!({"campaignReferenceId": "spring"})),
            "unknown read",
        ),
        // The third version's form is that of SMS and RCS too.
        (
            delivered(
                "",
                &json!({"sender": "ShopHR", "mccMnc": "21910", "campaignReferenceId": "spring",
                "platform": {"entityId": "shop"}}),
            ),
            "unknown delivered",
        ),
        (
            delivered(
                "",
                &json!({"event": "DELIVERY", "channel": "VIBER_BM", "sender": "ShopHR",
                "to": null, "destination": USER, "platform": {"entityId": "shop"}}),
            ),
            "viber_bm delivered",
        ),
        (
            json!({"event": "SEEN", "channel": "VIBER_BM", "sender": "ShopHR", "destination": USER,
                "seenAt": "2025-10-09T08:55:00.000+0000"}),
            "viber_bm read",
        ),
    ]
}

fn email() -> Vec<(Value, &'static str)> {
    let to = |address: &str| json!({"to": address, "smsCount": 1, "messageCount": null});
    vec![
        (
            delivered("", &json!({"channel": "EMAIL", "to": "ana@shop.example"})),
            "email delivered",
        ),
        (
            delivered("", &json!({"channel": "email"})),
            "email delivered",
        ),
        (delivered("", &to("ana@shop.example")), "email delivered"),
        (
            delivered("", &to("Ana <ana@shop.example>")),
            "email delivered",
        ),
        (
            delivered("", &json!({"sender": "Shop <no-reply@shop.example>"})),
            "email delivered",
        ),
        (
            delivered("", &json!({"from": "no-reply@shop.example"})),
            "email delivered",
        ),
        (
            undelivered("", &to("ana+x@mail.shop.example")),
            "email failed",
        ),
        (
            undelivered("", &json!({"channel": "EMAIL", "to": "a@b.example"})),
            "email failed",
        ),
        (
            delivered("", &json!({"to": null, "destination": "ana@shop.example"})),
            "email delivered",
        ),
        (
            seen("shop@shop.example", &json!({"from": "ana@shop.example"})),
            "email read",
        ),
    ]
}

fn sms() -> Vec<(Value, &'static str)> {
    let by = |others: Value| delivered("", &others);
    vec![
        (
            by(json!({"channel": "SMS", "sender": "ShopHR"})),
            "sms delivered",
        ),
        (
            by(json!({"channel": "sms", "sender": "385910009999"})),
            "sms delivered",
        ),
        (
            by(json!({"sender": "ShopHR", "mccMnc": "21910", "platform": {"entityId": "s"}})),
            "unknown delivered",
        ),
        (
            by(json!({"sender": "385910009999", "mccMnc": 21910})),
            "sms delivered",
        ),
        (
            by(json!({"from": "ShopHR", "smsCount": 2, "messageCount": null})),
            "sms delivered",
        ),
        (
            by(json!({"from": "385910009999", "smsCount": "1"})),
            "sms delivered",
        ),
        (by(json!({"sender": "600600"})), "unknown delivered"),
        (
            undelivered("", &json!({"sender": "600600", "mccMnc": "21910"})),
            "sms failed",
        ),
        (
            undelivered("", &json!({"channel": "MMS", "mccMnc": "21910"})),
            "mms failed",
        ),
        (
            by(
                json!({"event": "DELIVERY", "channel": "SMS", "sender": "ShopHR", "to": null,
                "destination": USER, "mccMnc": 21910, "networkId": 12}),
            ),
            "sms delivered",
        ),
    ]
}

fn rcs() -> Vec<(Value, &'static str)> {
    let by = |others: Value| delivered("", &others);
    vec![
        (
            by(json!({"channel": "RCS", "sender": "ShopHR"})),
            "rcs delivered",
        ),
        (by(json!({"channel": "Rcs"})), "rcs delivered"),
        (
            by(json!({"sender": "ShopHR", "interactionType": "BASIC"})),
            "rcs delivered",
        ),
        (
            by(json!({"interactionType": "SINGLE", "mccMnc": "21910"})),
            "rcs delivered",
        ),
        (by(json!({"conversation": {"id": "c"}})), "rcs delivered"),
        (
            by(json!({"price": {"pricePerMessage": 0.1, "trafficType": "RICH"}})),
            "rcs delivered",
        ),
        (by(json!({"sender": "shop_agent"})), "unknown delivered"),
        (
            undelivered("", &json!({"channel": "RCS", "sender": "ShopHR"})),
            "rcs failed",
        ),
        (seen("ShopHR", &json!({"channel": "RCS"})), "rcs read"),
        (seen(USER, &json!({"from": "shop_agent"})), "unknown read"),
    ]
}

fn messenger() -> Vec<(Value, &'static str)> {
    let (page, person) = ("102233445566778", "7788990011223344");
    let by = |others: Value| {
        let mut element = delivered(
            "",
            &json!({"event": "DELIVERY", "to": null,
            "sender": page, "destination": person}),
        );
        let members = element.as_object_mut().unwrap();
        members.extend(others.as_object().unwrap().clone());
        element
    };
    let seen = |others: Value| {
        let mut element = json!({"event": "SEEN", "sender": page, "destination": person,
            "seenAt": "2025-10-09T08:55:00.000+0000"});
        let members = element.as_object_mut().unwrap();
        members.extend(others.as_object().unwrap().clone());
        element
    };
    vec![
        (by(json!({"channel": "MESSENGER"})), "messenger delivered"),
        (
            by(json!({"channel": "INSTAGRAM_DM"})),
            "instagram_dm delivered",
        ),
        (by(json!({"channel": "APPLE_MB"})), "apple_mb delivered"),
        (by(json!({"channel": "LINE_ON"})), "line_on delivered"),
        (
            by(json!({"channel": "KAKAO_ALIM", "destination": USER})),
            "kakao_alim delivered",
        ),
        (
            by(json!({"channel": "TELEGRAM", "sender": "385910009999", "destination": USER})),
            "telegram delivered",
        ),
        (by(json!({})), "unknown delivered"),
        (
            by(json!({"sender": "17841400000000001", "destination": USER})),
            "unknown delivered",
        ),
        (seen(json!({"channel": "MESSENGER"})), "messenger read"),
        (seen(json!({})), "unknown read"),
    ]
}

/// The control: bodies of WhatsApp that look a little like one of these.
fn whatsapp() -> Vec<(Value, &'static str)> {
    let by = |others: Value| delivered("", &others);
    vec![
        (by(json!({})), "whatsapp delivered"),
        (
            by(json!({"channel": "WHATSAPP", "sender": "ShopHR", "mccMnc": 21910})),
            "whatsapp delivered",
        ),
        (
            by(json!({"channel": "whatsapp", "event": "DELIVERY"})),
            "whatsapp delivered",
        ),
        (
            by(json!({"sender": "+385 91 000 9999"})),
            "whatsapp delivered",
        ),
        (
            by(json!({"to": "HR.1349", "contact": {"userId": "HR.1349"}})),
            "whatsapp delivered",
        ),
        (
            by(json!({"mccMnc": "", "smsCount": null, "conversation": {}, "channel": " "})),
            "whatsapp delivered",
        ),
        (
            by(json!({"contact": {"name": "ana@shop.example"}})),
            "whatsapp delivered",
        ),
        (
            undelivered("", &json!({"sender": "385910009999"})),
            "whatsapp failed",
        ),
        (seen("385910009999", &json!({})), "whatsapp read"),
        (
            seen(
                "385910009999",
                &json!({"from": "HR.1349", "callbackData": "a@b.example"}),
            ),
            "whatsapp read",
        ),
    ]
}

#[actix_web::test]
async fn ten_bodies_of_each_kind_reach_nobody_who_wants_whatsapp() {
    let app = TestApp::boot().await;
    let usual = subscribe(&app, "usual", &[]).await;
    let any = subscribe(&app, "any", &["any"]).await;
    let kinds = [
        ("viber", viber()),
        ("email", email()),
        ("sms", sms()),
        ("rcs", rcs()),
        ("messenger", messenger()),
        ("whatsapp", whatsapp()),
    ];
    let mut expected = Vec::new();
    for (kind, bodies) in kinds {
        assert_eq!(bodies.len(), 10, "{kind}");
        for (number, (mut element, expected_now)) in bodies.into_iter().enumerate() {
            let id = format!("{kind}-{number}");
            element["messageId"] = json!(id);
            post(&app, &[element]).await;
            expected.push((id, expected_now));
        }
    }
    app.settled().await;
    for (id, expected) in expected {
        assert_eq!(notified_of(&any, &id), [expected], "{id}");
        let wanted = usize::from(expected.starts_with("whatsapp"));
        assert_eq!(notified_of(&usual, &id).len(), wanted, "{id}");
    }
    app.stop().await;
}
