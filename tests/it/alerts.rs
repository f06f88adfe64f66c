//! What a chat is notified of failures: when, in which words, and that none is lost.

use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use hmac::Mac as _;
use rustix::process::{Signal, kill_process};
use serde_json::json;
use tickrelay::admin::{AddSubscriber, EraseOptions, ErasePerson, Failure, UpdateSubscriber};
use tickrelay::clock::Hand;
use tickrelay::model::{AlertOptions, SubscriberKind};
use tickrelay::model::{NewSubscriber, SubscriberChange};
use tickrelay::providers::Provider;
use tickrelay::store::Prunable;

use crate::retrying::{T0, attempts, stopped_clock, switched};
use crate::support::receiver::{Received, Receiver};
use crate::support::service::{Home, Service};
use crate::support::{Tables, TestApp, authenticated, client, cloud, only, until};
use crate::upkeep::prune;

const MINUTE: Duration = Duration::from_mins(1);

async fn chat(app: &TestApp, receiver: &Receiver) -> String {
    app.subscribe_with("agents", &receiver.url, |new| {
        new.kind = SubscriberKind::Chat;
    })
    .await
}

fn texts(receiver: &Receiver) -> Vec<String> {
    let requests = receiver.received();
    requests.iter().map(Received::text).collect()
}

/// The beginning of each alert up to the reason.
fn counts(receiver: &Receiver) -> Vec<String> {
    let count = |text: &String| text.split(". ").next().unwrap().to_owned();
    texts(receiver).iter().map(count).collect()
}

async fn alerted(receiver: &Receiver, counts_expected: &[&str]) {
    until(&format!("the chat is alerted {counts_expected:?}"), || {
        counts(receiver) == counts_expected
    })
    .await;
}

/// Moves the time on and waits until nothing is gathered that is due.
async fn minute_passes(app: &TestApp, hand: &Hand) {
    hand.advance(MINUTE);
    let gathered = || app.tables().gathered();
    let last_ms = gathered().last().unwrap().due_at_ms;
    until("what was gathered is alerted", || {
        gathered().iter().all(|it| it.due_at_ms > last_ms)
    })
    .await;
}

#[actix_web::test]
async fn the_first_failure_is_sent_at_once_and_the_rest_of_its_minute_as_one() {
    let (app, hand) = stopped_clock().await;
    let receiver = Receiver::start();
    let secret = chat(&app, &receiver).await;
    app.report(&[cloud::failed("wamid.1", T0), cloud::failed("wamid.2", T0)])
        .await;
    alerted(&receiver, &["Not delivered: 2 messages"]).await;
    for id in ["wamid.3", "wamid.4", "wamid.5"] {
        app.report(&[cloud::failed(id, T0)]).await;
    }
    assert_eq!(only(app.tables().gathered()).failures, 3);
    hand.advance(MINUTE / 2);
    app.report(&[cloud::failed("wamid.5", T0)]).await;
    hand.advance(MINUTE / 2);
    let all = ["Not delivered: 2 messages", "Not delivered: 3 messages"];
    alerted(&receiver, &all).await;
    let text = &texts(&receiver)[1];
    assert!(text.contains("Can be fixed by the recipient."), "{text}");
    assert!(text.contains("latest message wamid.5"), "{text}");
    assert!(!text.contains("600000001"), "{text}");
    for request in receiver.received() {
        assert!(verify_at(&secret, &request), "{request:?}");
    }
    // A quiet minute forgets, and the next failure is sent at once again.
    minute_passes(&app, &hand).await;
    assert_eq!(app.tables().gathered(), []);
    app.report(&[cloud::failed("wamid.6", T0)]).await;
    alerted(&receiver, &[all[0], all[1], "Not delivered: 1 message"]).await;
    app.settled().await;
    app.stop().await;
}

/// The time of these tests is not the verifier's.
fn verify_at(secret: &str, request: &Received) -> bool {
    let signed = format!(
        "{}.{}.{}",
        request.header("webhook-id"),
        request.header("webhook-timestamp"),
        String::from_utf8(request.body.clone()).unwrap()
    );
    let base64 = base64::engine::general_purpose::STANDARD;
    let key = base64
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    mac.update(signed.as_bytes());
    let signature = format!("v1,{}", base64.encode(mac.finalize().into_bytes()));
    request.header("webhook-signature") == signature
}

#[actix_web::test]
async fn each_error_has_an_alert_of_its_own_and_a_filter_applies() {
    let (app, _hand) = stopped_clock().await;
    let (agents, templates, crm) = (Receiver::start(), Receiver::start(), Receiver::start());
    chat(&app, &agents).await;
    app.subscribe_with("templates", &templates.url, |new| {
        new.kind = SubscriberKind::Chat;
        new.filter.rules = vec!["Regular-Message=failed".parse().unwrap()];
    })
    .await;
    app.subscribe("crm", &crm.url).await;
    let other = cloud::with(
        cloud::status("wamid.2", "failed", T0),
        &json!({"errors": [{"code": 999_999, "title": "Brand <!new> @all"}]}),
    );
    app.report(&[
        cloud::failed("wamid.1", T0),
        other,
        cloud::status("wamid.3", "delivered", T0),
    ])
    .await;
    app.settled().await;
    let alerts = texts(&agents);
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    assert!(
        alerts
            .iter()
            .any(|text| text.contains("Brand ‹!new› ＠all. Ask the provider.")),
        "{alerts:?}"
    );
    assert_eq!(templates.count(), 0);
    assert_eq!(crm.count(), 3);
    let mut skipped = app.skipped().await;
    skipped.sort();
    let expected = [
        ["wamid.1", "failed", "agents", "gathered"],
        ["wamid.1", "failed", "templates", "type"],
        ["wamid.2", "failed", "agents", "gathered"],
        ["wamid.2", "failed", "templates", "type"],
        ["wamid.3", "delivered", "agents", "no-failure"],
        ["wamid.3", "delivered", "templates", "type"],
    ];
    assert_eq!(skipped, expected);
    app.stop().await;
}

#[actix_web::test]
async fn an_alert_that_was_not_taken_is_tried_again_in_the_same_bytes() {
    let (app, hand) = stopped_clock().await;
    let (receiver, answer) = switched(500);
    chat(&app, &receiver).await;
    app.report(&[cloud::failed("wamid.1", T0)]).await;
    attempts(&app, 1).await;
    answer.store(200, Ordering::SeqCst);
    hand.set_ms(only(app.forwards().await).due_at_ms);
    app.settled().await;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].body, received[1].body);
    assert_eq!(
        received[0].header("webhook-id"),
        received[1].header("webhook-id")
    );
    app.stop().await;
}

#[actix_web::test]
async fn who_was_erased_is_left_out_and_the_others_are_reported_of() {
    let (app, hand) = stopped_clock().await;
    let receiver = Receiver::start();
    chat(&app, &receiver).await;
    let to =
        |id, number: &str| cloud::with(cloud::failed(id, T0), &json!({"recipient_id": number}));
    app.report(&[to("wamid.1", "34600000001")]).await;
    app.report(&[to("wamid.2", "34600000002")]).await;
    app.report(&[to("wamid.3", "34600000003")]).await;
    app.order(ErasePerson {
        person: "34600000003".to_owned(),
        options: EraseOptions::default(),
    })
    .await;
    hand.advance(MINUTE);
    alerted(
        &receiver,
        &["Not delivered: 1 message", "Not delivered: 2 messages"],
    )
    .await;
    let text = &texts(&receiver)[1];
    assert!(text.contains("latest message erased"), "{text}");
    app.settled().await;
    // Of no message, so it goes when it is old.
    assert_eq!(prune(&app, Prunable::Events, i64::MAX).await, 1);
    assert_eq!(app.forwards().await.len(), 1);
    assert_eq!(app.tables().count("payload"), 1);
    assert_eq!(app.attempts().await.len(), 1);
    app.stop().await;
}

#[actix_web::test]
async fn the_operator_words_an_alert_and_is_reported_what_cannot_be_filled_in() {
    let (app, _hand) = stopped_clock().await;
    let receiver = Receiver::start();
    let mut new = NewSubscriber::new("agents", &receiver.url);
    new.kind = SubscriberKind::Chat;
    new.alert.wording = Some("{number} failed".to_owned());
    let Err(Failure::Invalid(faults)) = app.perform(AddSubscriber(new.clone())).await else {
        panic!("it is taken");
    };
    assert_eq!(faults[0].field, "/alert/wording");
    assert!(
        faults[0]
            .detail
            .starts_with("wording: unknown placeholder {number}: known are {count}"),
        "{faults:?}"
    );
    new.alert.wording = Some("{count} failed ({recipient}) {link}".to_owned());
    app.order(AddSubscriber(new)).await;
    let alert = AlertOptions {
        wording: Some("{count}x {code}, {recipient}: {link}".to_owned()),
        link: Some("https://relay.example/{source}/{message}".to_owned()),
        account_events: false,
    };
    let changed = app
        .order(UpdateSubscriber {
            name: "agents".to_owned(),
            change: SubscriberChange {
                alert: Some(alert.clone()),
                ..SubscriberChange::default()
            },
        })
        .await;
    assert_eq!(changed.alert, alert);
    app.report(&[cloud::failed("wamid.a=", T0)]).await;
    app.settled().await;
    assert_eq!(
        texts(&receiver),
        ["1x 131026, …001: https://relay.example/cloud/wamid.a%3D"]
    );
    app.stop().await;
}

#[actix_web::test]
async fn a_kill_loses_neither_what_is_queued_to_a_chat_nor_what_is_gathered_for_it() {
    let home = Home::new();
    let (receiver, answer) = switched(503);
    let service = home.start();
    let mut new = NewSubscriber::new("agents", &receiver.url);
    new.kind = SubscriberKind::Chat;
    service.ask("POST", "/subscribers", &new);
    let post = |service: &Service, id: &str| {
        let body = cloud::webhook(&[cloud::failed(id, T0)]);
        let request = client().post(format!("http://{}/webhooks/cloud", service.address));
        let request = authenticated(request, Provider::MetaCloud, body.as_bytes()).body(body);
        async move { assert_eq!(request.send().await.unwrap().status(), 200) }
    };
    post(&service, "wamid.1").await;
    post(&service, "wamid.2").await;
    kill_process(service.process(), Signal::KILL).unwrap();
    drop(service);
    // Its minute passes while the service is down; what waits for a retry comes due.
    let tables = Tables::at(&home.store());
    tables.let_a_minute_pass();
    assert_eq!(only(tables.gathered()).failures, 1);
    drop(tables);
    answer.store(200, Ordering::SeqCst);
    let service = home.start();
    until("both alerts have come", || {
        let texts = texts(&receiver);
        ["wamid.1", "wamid.2"]
            .iter()
            .all(|id| texts.iter().any(|text| text.contains(*id)))
    })
    .await;
    service.stop();
}
