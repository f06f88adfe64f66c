//! What a sender registers joins what its provider reports, whichever comes first, and
//! subscribers are notified of it.

mod late;
mod refused;
mod repeated_id;
mod sends;
mod words;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::clock::Clock;
use tickrelay::model::{Kind, ReportEffect};

use crate::support::api::Caller;
use crate::support::receiver::{Received, Receiver};
use crate::support::{TestApp, cloud, only};

const T0: i64 = 1_760_000_000;

fn sent(id: &str) -> Value {
    json!({
        "source": "cloud", "msId": id, "message": "Your parcel arrives", "type": "Regular-Message",
        "mobileNo": "+34600000001", "connectedWhatsAppNo": "+34910000000",
        "timestamp": "2025-10-09T08:53:19Z",
    })
}

/// What subscribers were notified: status, text and type.
fn notified(receiver: &Receiver) -> Vec<[String; 3]> {
    let notified = |received: &Received| {
        let payload = received.json();
        ["MessageStatus", "message", "type"].map(|key| payload[key].as_str().unwrap().to_owned())
    };
    let mut all: Vec<_> = receiver.received().iter().map(notified).collect();
    all.sort();
    all
}

fn expect(words: &[(&str, &str, &str)]) -> Vec<[String; 3]> {
    let one = |(status, text, kind): &(&str, &str, &str)| {
        [*status, *text, &format!("{kind}-Message")].map(str::to_owned)
    };
    let mut all: Vec<_> = words.iter().map(one).collect();
    all.sort();
    all
}

async fn register(caller: &Caller, message: &Value, status: u16) -> Value {
    let answer = caller.post("/messages", message).await.with(status);
    answer["results"][0]["result"].clone()
}

#[actix_web::test]
async fn a_registration_before_the_reports_is_reported_as_queued_and_fills_what_follows() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let quiet = Receiver::start();
    app.subscribe_with("quiet", &quiet.url, |new| {
        new.filter.rules = vec!["*=read".parse().unwrap()];
    })
    .await;
    let caller = app.admin().await;
    assert_eq!(register(&caller, &sent("wamid.1"), 201).await, "created");
    assert_eq!(register(&caller, &sent("wamid.1"), 200).await, "unchanged");
    app.settled().await;
    let app = app.restart().await;
    let caller = app.admin().await;
    let message = caller.get("/messages/wamid.1").await.with(200);
    assert_eq!(
        (
            &message["status"],
            &message["type_rule"],
            &message["queued_at"]
        ),
        (
            &json!("queued"),
            &json!("registered"),
            &json!("2025-10-09T08:53:19.000Z")
        )
    );
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    app.report(&[cloud::status("wamid.1", "read", T0 + 5)])
        .await;
    app.settled().await;
    let text = "Your parcel arrives";
    let expected = [
        ("queued", text, "Regular"),
        ("sent", text, "Regular"),
        ("read", text, "Regular"),
    ];
    assert_eq!(notified(&receiver), expect(&expected));
    assert_eq!(notified(&quiet), expect(&expected[2..]));
    let timeline = caller.get("/messages/wamid.1/timeline").await.with(200);
    let first = &timeline["reports"][0];
    assert_eq!(
        (
            &first["kind"],
            &first["provider_status"],
            &first["webhook_id"]
        ),
        (&json!("registration"), &json!("registered"), &Value::Null)
    );
    app.stop().await;
}

#[actix_web::test]
async fn a_registration_between_the_reports_joins_and_sends_nothing_again() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    app.settled().await;
    let caller = app.admin().await;
    assert_eq!(register(&caller, &sent("wamid.1"), 200).await, "joined");
    app.report(&[cloud::status("wamid.1", "delivered", T0 + 1)])
        .await;
    app.settled().await;
    let text = "Your parcel arrives";
    assert_eq!(
        notified(&receiver),
        expect(&[("sent", "", "Template"), ("delivered", text, "Regular")])
    );
    let mut reports = app.reports().await;
    reports.retain(|it| it.kind == Kind::Registration);
    assert_eq!(only(reports).change, ReportEffect::Superseded);
    app.stop().await;
}

#[actix_web::test]
async fn a_registration_after_the_reports_fills_the_message_and_notifies_no_subscriber() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    app.report(&[cloud::failed("wamid.1", T0)]).await;
    app.settled().await;
    let caller = app.admin().await;
    assert_eq!(register(&caller, &sent("wamid.1"), 200).await, "joined");
    app.settled().await;
    assert_eq!(receiver.count(), 1);
    let message = caller.get("/messages/wamid.1").await.with(200);
    assert_eq!(
        (&message["status"], &message["text"], &message["type"]),
        (
            &json!("failed"),
            &json!("Your parcel arrives"),
            &json!("Regular-Message")
        )
    );
    app.stop().await;
}

#[actix_web::test]
async fn what_is_reported_again_changes_only_what_is_reported_differently() {
    let app = TestApp::boot().await;
    let caller = app.admin().await;
    let mut first = sent("wamid.1");
    first["metadata"] = json!({"order": 7});
    first["template"] = json!({"name": "order", "parameters": {"who": "Ana"}});
    register(&caller, &first, 201).await;
    let again = json!({"source": "cloud", "msId": "wamid.1", "message": "Other", "bulkId": "b"});
    assert_eq!(register(&caller, &again, 200).await, "updated");
    assert_eq!(register(&caller, &again, 200).await, "unchanged");
    let message = caller.get("/messages/wamid.1").await.with(200);
    assert_eq!(
        (
            &message["text"],
            &message["broadcast"],
            &message["recipient"]
        ),
        (&json!("Other"), &json!("b"), &json!("+34600000001"))
    );
    let notified = &message["registration"];
    assert_eq!(
        (
            &notified["metadata"]["order"],
            &notified["template"]["parameters"]["who"]
        ),
        (&json!(7), &json!("Ana"))
    );
    assert_eq!(app.report_count().await, 1);
    app.stop().await;
}

#[actix_web::test]
async fn one_bad_message_never_hurts_its_neighbours() {
    let app = TestApp::boot().await;
    let caller = app.admin().await;
    let odd = [
        ("/msId", json!({"source": "cloud"})),
        ("/msId", json!({"source": "cloud", "msId": ""})),
        ("/source", json!({"source": "none", "msId": "m"})),
        (
            "/colour",
            json!({"source": "cloud", "msId": "m", "colour": 1}),
        ),
        (
            "/type",
            json!({"source": "cloud", "msId": "m", "type": "Other"}),
        ),
        (
            "/timestamp",
            json!({"source": "cloud", "msId": "m", "timestamp": "then"}),
        ),
        (
            "/ttl",
            json!({"source": "cloud", "msId": "m", "ttl": "long"}),
        ),
        (
            "/ttl",
            json!({"source": "cloud", "msId": "m", "ttl": 999_999_999}),
        ),
        (
            "/mobileNo",
            json!({"source": "cloud", "msId": "m", "mobileNo": 7}),
        ),
        (
            "/template/name",
            json!({"source": "cloud", "msId": "m", "template": {"name": ""}}),
        ),
        (
            "/template/parameters",
            json!({"source": "cloud", "msId": "m", "template": {"name": "t", "parameters": 7}}),
        ),
        (
            "/message",
            json!({"source": "cloud", "msId": "m", "message": "x".repeat(70_000)}),
        ),
        (
            "/metadata",
            json!({"source": "cloud", "msId": "m", "metadata": [1]}),
        ),
        ("", json!(7)),
    ];
    for (field, message) in &odd {
        let alone = caller.post("/messages", message).await;
        assert_eq!(alone.problem(422), [*field], "{}", alone.text);
    }
    let mut messages = vec![sent("wamid.first")];
    messages.extend(odd.iter().map(|(_, message)| message.clone()));
    messages.push(sent("wamid.last"));
    let check = |answer: &Value, expected: [&str; 2]| {
        let results = answer["results"].as_array().unwrap();
        assert_eq!(
            (&answer["accepted"], &answer["refused"]),
            (&json!(2), &json!(odd.len()))
        );
        let ends = [&results[0], &results[odd.len() + 1]].map(|view| view["result"].clone());
        assert_eq!(ends, expected.map(Value::from));
        for (index, (field, _)) in odd.iter().enumerate() {
            let view = &results[index + 1];
            assert_eq!(view["index"], index + 1);
            assert_eq!(view["errors"][0]["field"], *field, "{view}");
        }
    };
    let all = Value::Array(messages.clone());
    check(
        &caller.post("/messages", &all).await.with(200),
        ["created", "created"],
    );
    let lines: Vec<String> = messages.iter().map(Value::to_string).collect();
    let lines = ("application/x-ndjson", format!("{}\n\n", lines.join("\n")));
    let answer = caller.ask_as(Method::POST, "/messages", Some(lines)).await;
    check(&answer.with(200), ["unchanged", "unchanged"]);
    let torn = ("application/x-ndjson", format!("{}\n{{\n", sent("wamid.2")));
    let answer = caller
        .ask_as(Method::POST, "/messages", Some(torn))
        .await
        .with(200);
    assert_eq!(
        (&answer["accepted"], &answer["refused"]),
        (&json!(1), &json!(1))
    );
    let torn = caller
        .ask(Method::POST, "/messages", Some("[{}".to_owned()))
        .await;
    assert_eq!(torn.problem(422), [""]);
    let other = ("text/csv", String::new());
    let answer = caller.ask_as(Method::POST, "/messages", Some(other)).await;
    answer.problem(415);
    assert_eq!(app.messages().await.len(), 3);
    app.stop().await;
}

#[actix_web::test]
async fn thousands_are_registered_at_once() {
    let app = TestApp::boot().await;
    let caller = app.admin().await;
    let messages: Vec<Value> = (0..5000)
        .map(|number| {
            let mut message = sent(&format!("wamid.{number}"));
            message["metadata"] = json!({"note": "x".repeat(200)});
            message
        })
        .collect();
    let body = Value::Array(messages);
    assert!(
        body.to_string().len() > 1 << 20,
        "larger than other bodies may be"
    );
    let answer = caller.post("/messages", &body).await.with(200);
    assert_eq!(
        (&answer["accepted"], &answer["refused"]),
        (&json!(5000), &json!(0))
    );
    assert_eq!(app.messages().await.len(), 5000);
    let huge = Some(" ".repeat((16 << 20) + 1));
    caller
        .ask(Method::POST, "/messages", huge)
        .await
        .problem(413);
    app.stop().await;
}

#[actix_web::test]
async fn an_id_belongs_to_its_source_and_a_registration_to_its_owner() {
    let app = TestApp::boot_with(Clock::system(), |config| {
        config.sources[0].owners = vec!["acme".to_owned(), "beta".to_owned()];
    })
    .await;
    let acme = app.caller(Role::Integrator).await;
    let narrow = app
        .caller_with(Role::Integrator, |token| {
            token.owner = Some("beta".to_owned());
            token.sources = vec!["cloud".to_owned()];
        })
        .await;
    let support = app.caller(Role::Support).await;
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    let mut foreign = sent("wamid.1");
    foreign["source"] = json!("infobip");
    acme.post("/messages", &foreign).await.problem(403);
    assert_eq!(
        narrow.post("/messages", &foreign).await.problem(422),
        ["/source"]
    );
    support
        .post("/messages", &sent("wamid.1"))
        .await
        .problem(403);
    acme.get("/messages/wamid.1").await.problem(404);
    register(&acme, &sent("wamid.1"), 200).await;
    acme.get("/messages/wamid.1").await.with(200);
    narrow.get("/messages/wamid.1").await.problem(404);
    assert_eq!(
        narrow
            .post("/messages", &sent("wamid.1"))
            .await
            .problem(422),
        ["/msId"]
    );
    let admin = app.caller(Role::Admin).await;
    let mut notified = sent("wamid.1");
    notified["message"] = json!("Mended");
    assert_eq!(register(&admin, &notified, 200).await, "updated");
    acme.get("/messages/wamid.1").await.with(200);
    app.stop().await;
}

#[actix_web::test]
async fn a_message_whose_time_has_passed_without_an_end_is_silent() {
    let (clock, hand) = Clock::manual(T0 * 1000);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let caller = app.admin().await;
    for id in ["wamid.quiet", "wamid.read", "wamid.sent"] {
        let mut message = sent(id);
        message["ttl"] = json!("PT1H");
        register(&caller, &message, 201).await;
    }
    register(&caller, &sent("wamid.patient"), 201).await;
    app.report(&[cloud::status("wamid.read", "read", T0)]).await;
    app.report(&[cloud::status("wamid.sent", "sent", T0)]).await;
    let silent = async || -> Vec<String> {
        let rows = caller.all("/messages?silent=true", 1).await;
        let id = |row: &Value| row["provider_message_id"].as_str().unwrap().to_owned();
        rows.iter().map(id).collect()
    };
    assert_eq!(silent().await, [""; 0]);
    hand.advance(Duration::from_hours(1));
    assert_eq!(silent().await, ["wamid.sent", "wamid.quiet"]);
    let message = caller.get("/messages/wamid.quiet").await.with(200);
    assert_eq!(message["silent"], true);
    app.report(&[cloud::failed("wamid.quiet", T0 + 9000)]).await;
    assert_eq!(silent().await, ["wamid.sent"]);
    app.stop().await;
}
