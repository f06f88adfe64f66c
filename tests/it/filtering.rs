//! Which subscribers are notified of which report, in which words, and why the others are not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tickrelay::model::{
    ErrorFormat, Filter, MessageType, NumberFormat, PayloadFormat, PayloadOptions, Reports, Status,
    TimestampFormat, Word as _,
};

use crate::support::receiver::{Received, Receiver};
use crate::support::{TestApp, cloud, fields};

/// The provider's time of the first report of a test, in s since 1970 UTC.
const T0: i64 = 1_760_000_000;

/// What Infobip reports of a message it has delivered.
fn infobip_delivered(id: &str) -> String {
    json!({"results": [{
        "messageId": id,
        "to": "34600000002",
        "sentAt": "2025-10-09T08:53:20.000+0000",
        "doneAt": "2025-10-09T08:53:21.000+0000",
        "messageCount": 1,
        "status": {"groupId": 3, "groupName": "DELIVERED", "id": 5, "name": "DELIVERED_TO_HANDSET", "description": "delivered"},
        "error": {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "description": "", "permanent": false},
    }]})
    .to_string()
}

fn filter(rules: &[&str], sources: &[&str], senders: &[&str]) -> Filter {
    let owned = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
    Filter {
        rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
        sources: owned(sources),
        senders: owned(senders),
        channels: Vec::new(),
    }
}

/// Why this subscriber was not notified, message by message.
fn reasons(skipped: &[[String; 4]], subscriber: &str) -> String {
    let own = skipped.iter().filter(|[_, _, of, _]| of == subscriber);
    let reasons: Vec<String> = own
        .map(|[message, _, _, reason]| format!("{message}:{reason}"))
        .collect();
    reasons.join(" ")
}

#[actix_web::test]
async fn a_filter_decides_by_type_status_source_and_sender_and_says_so() {
    // Template sent, regular read and a regular failure on one source, a template delivered
    // on the other; what each filter lets through of these four, and why not the rest.
    let cases = [
        ("all", filter(&[], &[], &[]), "SRFD", ""),
        (
            "template",
            filter(&["Template-Message=*"], &[], &[]),
            "SD",
            "R:type F:type",
        ),
        (
            "mixed",
            filter(
                &["Template-Message=sent", "Regular-Message=failed"],
                &[],
                &[],
            ),
            "SF",
            "R:status D:status",
        ),
        (
            "read",
            filter(&["*=read"], &[], &[]),
            "R",
            "S:status F:status D:status",
        ),
        (
            "one-source",
            filter(&[], &["infobip"], &[]),
            "D",
            "S:source R:source F:source",
        ),
        (
            "one-sender",
            filter(&[], &[], &["+34 910 000 000"]),
            "SRF",
            "D:sender",
        ),
    ];
    let app = TestApp::boot().await;
    let mut receivers = Vec::new();
    for (name, filter, ..) in &cases {
        let receiver = Receiver::start();
        app.subscribe_with(name, &receiver.url, |new| new.filter = filter.clone())
            .await;
        receivers.push(receiver);
    }
    app.report(&[cloud::status("S", "sent", T0)]).await;
    app.report(&[cloud::regular("R", "read", T0)]).await;
    // The failure carries no price: its type comes from the report before it.
    app.report(&[cloud::regular("F", "sent", T0)]).await;
    app.report(&[cloud::failed("F", T0 + 1)]).await;
    assert_eq!(app.post("infobip", infobip_delivered("D")).await, 200);
    app.settled().await;
    let mut skipped = app.skipped().await;
    skipped.retain(|[message, status, ..]| (message.as_str(), status.as_str()) != ("F", "sent"));
    for ((name, _, wanted, refused), receiver) in cases.iter().zip(&receivers) {
        let arrived: BTreeSet<String> = receiver
            .received()
            .iter()
            .filter(|request| !(request.message() == "F" && request.status() == "sent"))
            .map(Received::message)
            .collect();
        let wanted: BTreeSet<String> = wanted.chars().map(String::from).collect();
        assert_eq!(arrived, wanted, "{name}");
        assert_eq!(reasons(&skipped, name), *refused, "{name}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_filter_by_error_lets_failures_with_it_through_and_nothing_else() {
    // What each gets of a failure with 131026, one with 131047, which a template cannot have, and
    // a delivery; and why not the rest.
    let cases = [
        ("key", "*=failed(meta:131026)", "A", "B:error C:status"),
        ("code", "*=failed(131026,131047)", "AB", "C:status"),
        (
            "other",
            "*=failed(infobip:131026)",
            "",
            "A:error B:error C:status",
        ),
        (
            "typed",
            "Regular-Message=failed(131026)",
            "",
            "A:type B:error C:type",
        ),
    ];
    let app = TestApp::boot().await;
    let mut receivers = Vec::new();
    for (name, rule, ..) in cases {
        let receiver = Receiver::start();
        app.subscribe_with(name, &receiver.url, |new| {
            new.filter.rules = vec![rule.parse().unwrap()];
        })
        .await;
        receivers.push(receiver);
    }
    let other = json!({"errors": [{"code": 131_047, "title": "Re-engagement message"}]});
    app.report(&[
        cloud::failed("A", T0),
        cloud::with(cloud::failed("B", T0), &other),
        cloud::status("C", "delivered", T0),
    ])
    .await;
    app.settled().await;
    let skipped = app.skipped().await;
    for ((name, _, wanted, refused), receiver) in cases.iter().zip(&receivers) {
        let mut arrived: Vec<String> = receiver.received().iter().map(Received::message).collect();
        arrived.sort();
        assert_eq!(arrived.concat(), *wanted, "{name}");
        assert_eq!(reasons(&skipped, name), *refused, "{name}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn each_subscriber_gets_the_payload_in_its_own_formats() {
    let app = TestApp::boot().await;
    let cases = [
        (
            PayloadOptions::default(),
            json!([{"code": 131_026, "title": "Message undeliverable", "details": "The phone is switched off."}]),
            "+34600000001",
            "2025-10-09T08:53:20.000Z",
        ),
        (
            PayloadOptions {
                format: PayloadFormat::Rocketchat,
                error_format: ErrorFormat::WhatsappObject,
                phone_format: NumberFormat::Digits,
                timestamp_format: TimestampFormat::EpochSeconds,
            },
            json!({"code": 131_026, "title": "Message undeliverable", "details": "The phone is switched off."}),
            "34600000001",
            "1760000000",
        ),
        (
            PayloadOptions {
                format: PayloadFormat::Rocketchat,
                error_format: ErrorFormat::String,
                phone_format: NumberFormat::AsReceived,
                timestamp_format: TimestampFormat::EpochMillis,
            },
            json!("131026"),
            "34600000001",
            "1760000000000",
        ),
    ];
    let mut receivers = Vec::new();
    for (index, (options, ..)) in cases.iter().enumerate() {
        let receiver = Receiver::start();
        app.subscribe_with(&format!("s{index}"), &receiver.url, |new| {
            new.options = *options;
        })
        .await;
        receivers.push(receiver);
    }
    app.report(&[cloud::failed("wamid.f", T0)]).await;
    app.settled().await;
    for ((options, error, mobile, timestamp), receiver) in cases.iter().zip(&receivers) {
        let payload = receiver.received()[0].json();
        if let Some(text) = error.as_str() {
            let details = payload["ErrorDetails"].as_str().unwrap();
            assert!(details.contains(text), "{details}");
        } else {
            assert_eq!(payload["ErrorDetails"], *error, "{options:?}");
        }
        assert_eq!(payload["mobileNo"], *mobile, "{options:?}");
        assert_eq!(payload["timestamp"], *timestamp, "{options:?}");
        assert_eq!(payload["type"], MessageType::Template.as_str());
    }
    assert_eq!(app.tables().count("payload"), 3);
    app.stop().await;
}

#[actix_web::test]
async fn only_changes_are_forwarded_and_the_rest_is_stored() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    app.report(&[cloud::status("late", "read", T0 + 9)]).await;
    app.report(&[cloud::status("late", "sent", T0)]).await;
    app.report(&[cloud::status("late", "delivered", T0 + 5)])
        .await;
    app.report(&[cloud::status("contra", "delivered", T0)])
        .await;
    app.report(&[cloud::failed("contra", T0 + 1)]).await;
    app.report(&[cloud::failed("mended", T0)]).await;
    app.report(&[cloud::status("mended", "delivered", T0 + 1)])
        .await;
    app.settled().await;
    let expected = [
        ("contra", vec!["delivered"]),
        ("late", vec!["read"]),
        ("mended", vec!["failed", "delivered"]),
    ];
    let expected: BTreeMap<String, Vec<String>> = expected
        .into_iter()
        .map(|(id, words)| (id.to_owned(), words.into_iter().map(String::from).collect()))
        .collect();
    assert_eq!(receiver.by_message(), expected);
    assert_eq!(
        fields(&app.reports().await, ["status", "change"]),
        [
            ["read", "new"],
            ["sent", "superseded"],
            ["delivered", "superseded"],
            ["delivered", "new"],
            ["failed", "contradicts"],
            ["failed", "new"],
            ["delivered", "new"],
        ]
    );
    app.stop().await;
}

#[actix_web::test]
async fn each_member_of_a_group_is_reported_of() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let members = ["34600000011", "34600000012", "34600000013"];
    for word in ["delivered", "read"] {
        let statuses: Vec<_> = members
            .iter()
            .map(|member| cloud::in_group("wamid.g", word, T0, member))
            .collect();
        app.report(&statuses).await;
    }
    app.settled().await;
    let mut notified: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in receiver.received() {
        let member = request.json()["mobileNo"].as_str().unwrap().to_owned();
        notified.entry(member).or_default().push(request.status());
    }
    for member in members {
        assert_eq!(notified[&format!("+{member}")], ["delivered", "read"]);
    }
    assert_eq!(receiver.count(), 6);
    app.stop().await;
}

#[actix_web::test]
async fn who_wants_all_reports_is_notified_of_late_and_contradicting_ones_and_of_no_repeat() {
    let app = TestApp::boot().await;
    let [changes, all, some] = [(); 3].map(|()| Receiver::start());
    app.subscribe("changes", &changes.url).await;
    app.subscribe_with("all", &all.url, |new| {
        new.reports = Reports::All;
        new.options.format = PayloadFormat::Extended;
    })
    .await;
    app.subscribe_with("some", &some.url, |new| {
        new.reports = Reports::All;
        new.filter.rules = vec!["*=failed".parse().unwrap()];
    })
    .await;
    for status in [
        cloud::status("late", "read", T0 + 9),
        cloud::status("late", "sent", T0),
        // The same status with another time, and the same report again.
        cloud::status("late", "read", T0 + 10),
        cloud::status("late", "sent", T0),
        cloud::status("contra", "delivered", T0),
        cloud::failed("contra", T0 + 1),
        cloud::status("none", "warning", T0),
    ] {
        app.report(&[status]).await;
        app.settled().await;
    }
    let notified = |receiver: &Receiver| -> Vec<String> {
        let received = receiver.received();
        let words = |it: &Received| format!("{} {}", it.message(), it.status());
        received.iter().map(words).collect()
    };
    assert_eq!(notified(&changes), ["late read", "contra delivered"]);
    assert_eq!(
        notified(&all),
        [
            "late read",
            "late sent",
            "contra delivered",
            "contra failed"
        ]
    );
    assert_eq!(notified(&some), ["contra failed"]);
    let received = all.received();
    let words: Vec<_> = received
        .iter()
        .map(|it| it.json()["change"].clone())
        .collect();
    assert_eq!(words, ["new", "superseded", "new", "contradicts"]);
    // Why the filter of one that wants all refused a late report is shown as of any other.
    let mut skipped = app.skipped().await;
    skipped.retain(|[_, status, ..]| status == "sent");
    assert_eq!(skipped, [["late", "sent", "some", "status"]]);
    let stored = app.tables().skipped("sent");
    assert_eq!(stored, [r#"[{"reason":"status","subscriber_id":3}]"#]);
    app.stop().await;
}

/// A voice message that was listened to is read, whatever else was said before and after.
#[actix_web::test]
async fn played_and_read_are_forwarded_once_in_any_order() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe_with("crm", &receiver.url, |new| {
        new.options.format = PayloadFormat::Extended;
    })
    .await;
    let words = ["failed", "delivered", "played", "read"];
    let orders = crate::order::permutations(words.len());
    for order in &orders {
        for place in order {
            let second = T0 + i64::try_from(*place).unwrap();
            app.report(&[cloud::status(&format!("{order:?}"), words[*place], second)])
                .await;
        }
    }
    app.settled().await;
    for order in &orders {
        let mut received = receiver.received();
        received.retain(|it| it.message() == format!("{order:?}") && it.status() == "read");
        let notified: Vec<serde_json::Value> = received.iter().map(Received::json).collect();
        let first = order.iter().find(|place| **place > 1).unwrap();
        assert_eq!(notified.len(), 1, "{order:?}");
        assert_eq!(notified[0]["providerStatus"], words[*first]);
    }
    let messages = app.messages().await;
    let states: BTreeSet<_> = messages
        .iter()
        .map(|it| {
            (
                it.status,
                it.times.read_at_ms.map(|ms| ms % 10_000),
                it.conflict,
            )
        })
        .collect();
    let state = (Some(Status::Read), Some(2_000), true);
    assert_eq!(states, BTreeSet::from([state]));
    app.stop().await;
}
