//! What was stored reaches the subscriber: filtered, signed, in order, once settled never again.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tickrelay::admin::{AddSubscriber, RotateSecret};
use tickrelay::model::Whole;

use crate::retrying::attempts;
use crate::support::receiver::{Receiver, Reply};
use crate::support::{TestApp, cloud, cloud_status, fields, until, verify};

/// The provider's time of the first report of a test, in s since 1970 UTC.
const T0: i64 = 1_760_000_000;

#[actix_web::test]
async fn a_status_is_stored_then_forwarded_signed() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    let secret = app.subscribe("crm", &receiver.url).await;
    assert_eq!(
        app.post("cloud", cloud_status("wamid.1", "sent", T0)).await,
        200
    );
    until("the payload arrives", || receiver.count() == 1).await;
    let request = &receiver.received()[0];
    assert_eq!(
        request.json(),
        json!({
            "msId": "wamid.1",
            "message": "",
            "mobileNo": "+34600000001",
            "connectedWhatsAppNo": "+34910000000",
            "MessageStatus": "sent",
            "type": "Template-Message",
            "timestamp": "2025-10-09T08:53:20.000Z",
        })
    );
    assert!(verify(&secret, request));
    app.settled().await;
    let app = app.restart().await;
    assert_eq!(
        app.post("cloud", cloud_status("wamid.1", "sent", T0)).await,
        200
    );
    assert_eq!(
        app.post("cloud", cloud_status("wamid.1", "read", T0 + 9))
            .await,
        200
    );
    until("the next payload arrives", || receiver.count() == 2).await;
    assert_eq!(receiver.statuses(), ["sent", "read"]);
    let reports = app.reports().await;
    assert_eq!(reports.iter().map(|it| it.repeats).sum::<u32>(), 1);
    app.stop().await;
}

#[actix_web::test]
async fn while_a_secret_rotates_both_verify_and_no_other_does() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    let old = app.subscribe("crm", &receiver.url).await;
    let stranger = app.subscribe("other", &Receiver::start().url).await;
    let name = "crm".to_owned();
    let new = app.order(RotateSecret { name, now: false }).await.secret;
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    until("it arrives", || receiver.count() == 1).await;
    let request = &receiver.received()[0];
    assert!(verify(&old, request));
    assert!(verify(&new, request));
    assert!(!verify(&stranger, request));
    let mut forged = request.clone();
    forged.body = forged.body.to_ascii_uppercase();
    assert!(!verify(&new, &forged));
    app.settled().await;
    // A second rotation leaves the first secret its 24 hours.
    let name = "crm".to_owned();
    app.order(RotateSecret { name, now: false }).await;
    app.report(&[cloud::status("wamid.1", "read", T0)]).await;
    until("it arrives", || receiver.count() == 2).await;
    let request = &receiver.received()[1];
    assert!(verify(&old, request) && verify(&new, request));
    app.settled().await;
    app.stop().await;
}

#[actix_web::test]
async fn once_a_rotation_is_answered_nothing_is_signed_by_the_old_secret() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    let mut old = app.subscribe("crm", &receiver.url).await;
    for round in 0..50 {
        let name = "crm".to_owned();
        let new = app.order(RotateSecret { name, now: true }).await.secret;
        app.report(&[cloud::status(&format!("wamid.{round}"), "sent", T0)])
            .await;
        until("it arrives", || receiver.count() == round + 1).await;
        let request = &receiver.received()[round];
        assert!(verify(&new, request), "round {round}");
        assert!(!verify(&old, request), "round {round}");
        old = new;
    }
    app.stop().await;
}

#[actix_web::test]
async fn connections_are_kept_for_the_next_forward() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe_with("crm", &receiver.url, |new| {
        new.concurrency = Whole::nearest(2);
    })
    .await;
    for index in 0..30 {
        app.report(&[cloud::status(&format!("wamid.{index}"), "sent", T0)])
            .await;
    }
    app.settled().await;
    let ports: BTreeSet<u16> = receiver.received().iter().map(|it| it.from_port).collect();
    assert!(ports.len() <= 2, "{} connections", ports.len());
    app.stop().await;
}

#[actix_web::test]
async fn a_batch_with_read_before_delivered_reports_both_in_order() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    app.report(&[
        cloud::status("wamid.1", "read", T0 + 2),
        cloud::status("wamid.1", "delivered", T0 + 2),
        cloud::status("wamid.1", "sent", T0),
    ])
    .await;
    app.settled().await;
    assert_eq!(receiver.statuses(), ["sent", "delivered", "read"]);
    app.stop().await;
}

/// A delay in ms that looks random and is the same in every run.
fn whim(index: usize) -> u64 {
    let mixed = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 40) % 25
}

#[actix_web::test]
async fn a_message_keeps_its_order_while_others_overtake_it() {
    const MESSAGES: usize = 250;
    const WORDS: [&str; 3] = ["sent", "delivered", "read"];
    let app = TestApp::boot().await;
    // When the answer to the last request about a message was given.
    let answered: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let overlaps: Arc<Mutex<Vec<String>>> = Arc::default();
    let abreast: Arc<Mutex<usize>> = Arc::default();
    let (answering, overlapping) = (Arc::clone(&answered), Arc::clone(&overlaps));
    let running = Arc::clone(&abreast);
    let receiver = Receiver::scripted(move |index, request| {
        let after = Duration::from_millis(whim(index));
        let mut answered = answering.lock().unwrap();
        let before = answered.insert(request.message(), request.at + after);
        if before.is_some_and(|before| before > request.at) {
            overlapping.lock().unwrap().push(request.message());
        }
        let unanswered = answered.values().filter(|it| **it > request.at).count();
        let mut most = running.lock().unwrap();
        *most = unanswered.max(*most);
        Reply::status(200).after(after)
    });
    app.subscribe("crm", &receiver.url).await;
    for (index, word) in WORDS.iter().enumerate() {
        let posts = (0..MESSAGES).map(|message| {
            let timestamp = T0 + i64::try_from(index).unwrap();
            app.post(
                "cloud",
                cloud_status(&format!("wamid.{message}"), word, timestamp),
            )
        });
        for answer in futures_util::future::join_all(posts).await {
            assert_eq!(answer, 200);
        }
    }
    app.settled().await;
    let messages = receiver.by_message();
    assert_eq!(messages.len(), MESSAGES);
    for (message, words) in messages {
        assert_eq!(words, WORDS, "{message}");
    }
    assert_eq!(*overlaps.lock().unwrap(), Vec::<String>::new());
    // The lanes did run abreast, or the order would say nothing.
    assert!(*abreast.lock().unwrap() >= 4);
    app.stop().await;
}

#[actix_web::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let app = TestApp::boot().await;
    let elsewhere = Receiver::start();
    let location = elsewhere.url.clone();
    let receiver = Receiver::scripted(move |index, _| match index {
        0 => Reply::status(307).header("Location", &location),
        _ => Reply::status(200),
    });
    app.subscribe("crm", &receiver.url).await;
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    attempts(&app, 1).await;
    let made = fields(&app.attempts().await, ["http_status", "error_code"]);
    assert_eq!(made, [["307", "redirect"]]);
    let forwards = fields(&app.forwards().await, ["state"]);
    assert_eq!(forwards, [["pending"]]);
    assert_eq!(elsewhere.count(), 0);
    app.stop().await;
}

#[actix_web::test]
async fn a_private_target_is_refused_unless_its_network_is_allowed() {
    let app = TestApp::boot_with(tickrelay::clock::Clock::system(), |config| {
        config.forward.allow_networks = Vec::new();
    })
    .await;
    let receiver = Receiver::start();
    let refused = app
        .perform(AddSubscriber(tickrelay::model::NewSubscriber {
            concurrency: Whole::nearest(1),
            ..tickrelay::model::NewSubscriber::new("literal", &receiver.url)
        }))
        .await;
    assert!(
        refused.unwrap_err().to_string().contains("allow_networks"),
        "says what to do"
    );
    // A name is judged by what it resolves to, at each attempt.
    let by_name = receiver.url.replace("127.0.0.1", "localhost");
    app.subscribe("name", &by_name).await;
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    attempts(&app, 1).await;
    let made = fields(&app.attempts().await, ["http_status", "error_code"]);
    assert_eq!(made, [["-", "blocked"]]);
    assert_eq!(receiver.count(), 0);
    app.stop().await;
}
