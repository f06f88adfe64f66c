//! What can be set for a subscriber: over the API, on the command line and in the table alike.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::admin::{RetryForwards, UpdateSubscriber};
use tickrelay::clock::Clock;
use tickrelay::model::settings::{RateLimit, RetryWaits};
use tickrelay::model::{Setting, Span, SubscriberChange};
use tickrelay::store::RetrySelection;
use tickrelay::store::timeline::ForwardRecord;

use crate::retrying::attempts;
use crate::support::cli::Folder;
use crate::support::receiver::{Receiver, Reply};
use crate::support::{TestApp, cloud, fields, key, until};

/// The provider's time of the first report of a test, in s since 1970 UTC.
const T0: i64 = 1_760_000_000;

#[actix_web::test]
async fn an_update_changes_what_is_given_and_leaves_the_rest() {
    let folder = Folder::new();
    folder.make_store().await;
    let url = "http://127.0.0.1:9/a";
    folder
        .done(&[
            "subscriber",
            "add",
            "--name",
            "crm",
            "--url",
            url,
            "--status",
            "failed",
            "--source",
            "cloud",
            "--phone-format",
            "digits",
        ])
        .await;
    let update = async |flags: &[&str]| {
        let verb = ["subscriber", "update", "crm", "--json"];
        folder.run(&[&verb, flags].concat()).await
    };
    let before = folder
        .run(&["subscriber", "show", "crm", "--json"])
        .await
        .json();
    let after = update(&["--timestamp-format", "epoch_millis"]).await.json();
    assert_eq!(after["options"]["timestamp_format"], "epoch_millis");
    assert_eq!(after["options"]["phone_format"], "digits");
    for same in ["url", "filter", "concurrency", "id", "created_at"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    let after = update(&["--status", "read", "--url", "http://127.0.0.1:9/b"]).await;
    let after = after.json();
    assert_eq!(after["filter"], json!({"rules": [{"statuses": ["read"]}]}));
    assert_eq!(after["url"], "http://127.0.0.1:9/b");
    assert_eq!(after["options"]["timestamp_format"], "epoch_millis");
    let after = update(&["--everything"]).await.json();
    assert_eq!(after["filter"], json!({}));
    let refused = update(&["--url", "ftp://elsewhere"]).await;
    assert_eq!(refused.exit, 1, "{refused:?}");
    for which in [["--status", "read"], ["--channel", "sms"]] {
        let both = [&["--everything"][..], &which].concat();
        assert_eq!(update(&both).await.exit, 2, "{which:?}");
    }
    let after = update(&["--channel", "Viber,any"]).await.json();
    assert_eq!(after["filter"], json!({"channels": ["viber", "any"]}));
}

#[actix_web::test]
async fn an_extended_payload_has_the_eight_keys_and_what_else_is_known() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let receivers = [(); 3].map(|()| Receiver::start());
    for (name, receiver) in ["usual", "one", "two"].iter().zip(&receivers) {
        let format = if *name == "usual" {
            "rocketchat"
        } else {
            "extended"
        };
        let new = json!({"name": name, "url": receiver.url, "options": {"format": format}});
        let added = admin.post("/subscribers", &new).await.with(201);
        assert_eq!(added["options"]["format"], format);
    }
    app.report(&[cloud::failed("wamid.f", T0)]).await;
    app.settled().await;
    let [usual, one, two] = receivers.each_ref().map(|it| it.received()[0].clone());
    // The same for every subscriber, unlike the forward's id.
    assert_eq!(one.body, two.body);
    assert_ne!(one.header("webhook-id"), two.header("webhook-id"));
    assert_eq!(app.tables().count("payload"), 2);
    let (mut extended, usual) = (one.json(), usual.json());
    let more = |extended: &mut Value| -> Value {
        let all = extended.as_object_mut().unwrap();
        let more = usual.as_object().unwrap().keys();
        more.for_each(|key| assert!(all.remove(key).as_ref() == usual.get(key), "{key}"));
        json!(all)
    };
    let mut more = more(&mut extended);
    let event = more.as_object_mut().unwrap().remove("eventId").unwrap();
    let explanation = more.as_object_mut().unwrap().remove("explanation").unwrap();
    assert_eq!(
        more,
        json!({
            "change": "new", "source": "cloud", "channel": "whatsapp", "providerStatus": "failed",
            "providerTime": T0.to_string(),
        })
    );
    assert_eq!(explanation["errorKey"], "meta:131026");
    assert_eq!(explanation["fixedBy"], "recipient");
    // A replay under a new webhook-id is the same event, and another report another one.
    app.order(RetryForwards(RetrySelection {
        forward_ids: vec![key(1), key(2), key(3)],
        new_id: true,
    }))
    .await;
    app.settled().await;
    let again = receivers[1].received().pop().unwrap();
    assert_eq!(again.json()["eventId"], event);
    assert_ne!(again.header("webhook-id"), one.header("webhook-id"));
    app.report(&[cloud::status("wamid.g", "sent", T0)]).await;
    app.settled().await;
    assert_ne!(
        receivers[1].received().pop().unwrap().json()["eventId"],
        event
    );
    // Back to the eight keys, the other options as they were.
    let patch = json!({"options": {"format": "rocketchat"}});
    let changed = admin.patch("/subscribers/one", &patch).await.with(200);
    assert_eq!(changed["options"]["error_format"], "whatsapp_array");
    app.report(&[cloud::status("wamid.h", "sent", T0)]).await;
    app.settled().await;
    assert!(receivers[1].received().pop().unwrap().json()["eventId"].is_null());
    app.stop().await;
}

#[test]
fn both_schemas_of_the_payload_say_the_same_of_the_eight_keys() {
    let read = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let usual = read(include_str!("../../schema/payload.schema.json"));
    let extended = read(include_str!("../../schema/payload-extended.schema.json"));
    let keys = usual["properties"].as_object().unwrap();
    assert_eq!(keys.len(), 8);
    for (key, schema) in keys {
        assert_eq!(extended["properties"][key], *schema, "{key}");
    }
    assert_eq!(extended["$defs"], usual["$defs"]);
}

/// Reports so many messages that were sent.
async fn report_messages(app: &TestApp, count: usize) {
    let statuses: Vec<_> = (0..count)
        .map(|message| cloud::status(&format!("wamid.{message}"), "sent", T0))
        .collect();
    app.report(&statuses).await;
}

#[actix_web::test]
async fn no_second_sees_more_attempts_than_a_subscriber_wants() {
    let (clock, hand) = Clock::manual(T0 * 1000);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let [slow, usual] = [(); 2].map(|()| Receiver::start());
    app.subscribe("usual", &usual.url).await;
    app.subscribe_with("slow", &slow.url, |new| {
        new.rate_limit = Some(RateLimit::nearest(10));
    })
    .await;
    report_messages(&app, 35).await;
    // The control: without a limit all go at once.
    until("the other has all", || usual.count() == 35).await;
    for second in 1..=3 {
        until("it gets its share", || slow.count() == 10 * second).await;
        hand.advance(Duration::from_millis(999));
        // A change of the subscriber has its lane look around.
        let update = |rate| UpdateSubscriber {
            name: "slow".to_owned(),
            change: SubscriberChange {
                rate_limit: Some(Setting::Own(RateLimit::nearest(rate))),
                ..SubscriberChange::default()
            },
        };
        app.order(update(9)).await;
        app.order(update(10)).await;
        assert_eq!(slow.count(), 10 * second);
        hand.advance(Duration::from_millis(1));
    }
    app.settled().await;
    assert_eq!(slow.count(), 35);
    let mut at_once = BTreeMap::<i64, usize>::new();
    for it in app.attempts().await {
        if it.subscriber == "slow" {
            *at_once.entry(it.attempt.started_at_ms).or_default() += 1;
        }
    }
    assert_eq!(at_once.values().max(), Some(&10));
    app.stop().await;
}

#[actix_web::test]
async fn an_attempt_takes_no_longer_than_its_subscriber_wants() {
    let app = TestApp::boot().await;
    let slow = Receiver::scripted(|_, _| Reply::status(200).after(Duration::from_millis(1_500)));
    app.subscribe_with("hasty", &slow.url, |new| new.timeout = Some(Span(200)))
        .await;
    app.subscribe("patient", &slow.url).await;
    report_messages(&app, 1).await;
    attempts(&app, 2).await;
    let mut attempts = app.attempts().await;
    attempts.sort_by(|one, other| one.subscriber.cmp(&other.subscriber));
    assert_eq!(
        fields(&attempts, ["subscriber", "http_status", "error_code"]),
        [["hasty", "-", "timeout"], ["patient", "200", "-"]]
    );
    let durations_ms: Vec<u32> = attempts.iter().map(|it| it.attempt.duration_ms).collect();
    assert!(durations_ms[0] < 1_500 && durations_ms[1] >= 1_500);
    app.stop().await;
}

#[actix_web::test]
async fn a_subscriber_is_tried_again_on_a_schedule_of_its_own() {
    let (clock, hand) = Clock::manual(T0 * 1000);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let refuses = Receiver::scripted(|_, _| Reply::status(400));
    let waits = |schedule: &[u64]| Some(RetryWaits::from(schedule.to_vec()));
    for (name, schedule) in [
        ("own", waits(&[60_000])),
        ("once", waits(&[])),
        ("usual", None),
    ] {
        app.subscribe_with(name, &refuses.url, |new| new.schedule = schedule)
            .await;
    }
    report_messages(&app, 1).await;
    let history = async || {
        let mut forwards = app.forwards().await;
        forwards.sort_by(|one, other| one.subscriber.cmp(&other.subscriber));
        let waits_ms = |it: &ForwardRecord| it.due_at_ms - it.last_attempt_ms.unwrap();
        let is_long: Vec<bool> = forwards.iter().map(|it| waits_ms(it) > 40_000).collect();
        (
            fields(&forwards, ["subscriber", "state", "attempts"]),
            is_long,
        )
    };
    attempts(&app, 3).await;
    let (forwards, is_long) = history().await;
    assert_eq!(
        forwards,
        [
            ["once", "gave-up", "1"],
            ["own", "pending", "1"],
            ["usual", "pending", "1"],
        ]
    );
    assert_eq!(is_long, [false, true, false]);
    hand.advance(Duration::from_secs(7));
    attempts(&app, 4).await;
    hand.advance(Duration::from_secs(70));
    attempts(&app, 5).await;
    assert_eq!(history().await.0[1], ["own", "gave-up", "2"]);
    app.stop().await;
}

#[actix_web::test]
async fn what_a_subscriber_has_of_its_own_is_set_and_taken_back() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let fields = ["timeout", "rate_limit", "schedule"];
    let url = "http://127.0.0.1:9/";
    let new = json!({"name": "crm", "url": url});
    let added = admin.post("/subscribers", &new).await.with(201);
    assert!(fields.iter().all(|field| added[field].is_null()), "{added}");
    let own = json!({"timeout": "2500ms", "rate_limit": 20, "schedule": ["5s", "5m", "120m"]});
    let changed = admin.patch("/subscribers/crm", &own).await.with(200);
    assert_eq!(changed["schedule"], json!(["5s", "5m", "2h"]));
    assert_eq!(
        (&changed["timeout"], &changed["rate_limit"]),
        (&json!("2500ms"), &json!(20))
    );
    let untouched = admin
        .patch("/subscribers/crm", &json!({"concurrency": 2}))
        .await;
    assert_eq!(untouched.with(200)["schedule"], changed["schedule"]);
    let back = json!({"timeout": null, "rate_limit": null, "schedule": null});
    let back = admin.patch("/subscribers/crm", &back).await.with(200);
    assert!(fields.iter().all(|field| back[field].is_null()), "{back}");
    for (change, field) in [
        (json!({"timeout": "99ms"}), "/timeout"),
        (json!({"timeout": "2m"}), "/timeout"),
        (json!({"timeout": "9999999d"}), "/timeout"),
        (json!({"timeout": 5}), "/timeout"),
        (json!({"timeout": "soon"}), "/timeout"),
        (json!({"rate_limit": 0}), "/rate_limit"),
        (json!({"rate_limit": 10_001}), "/rate_limit"),
        (json!({"schedule": ["5s", "0s"]}), "/schedule/1"),
        (json!({"schedule": ["8d"]}), "/schedule/0"),
        (json!({"schedule": vec!["1s"; 101]}), "/schedule"),
        (json!({"schedule": "5s"}), "/schedule"),
    ] {
        let answer = admin.patch("/subscribers/crm", &change).await;
        assert_eq!(answer.problem(422), [field], "{change}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn the_command_line_sets_and_takes_back_the_same() {
    let folder = Folder::new();
    folder.make_store().await;
    let url = "http://127.0.0.1:9/";
    let add = [
        "subscriber",
        "add",
        "--name",
        "crm",
        "--url",
        url,
        "--timeout",
        "2s",
    ];
    folder.done(&add).await;
    let update = async |flags: &[&str]| {
        let verb = ["subscriber", "update", "crm", "--json"];
        folder.run(&[&verb, flags].concat()).await
    };
    let own = update(&["--schedule", "5s, 2h", "--rate-limit", "7"])
        .await
        .json();
    assert_eq!(
        (&own["timeout"], &own["rate_limit"], &own["schedule"]),
        (&json!("2s"), &json!(7), &json!(["5s", "2h"]))
    );
    let shown = folder.done(&["subscriber", "show", "crm"]).await;
    for text in ["Timeout      2s", "7 a second", "after 5s, 2h"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let once = update(&["--schedule", "none"]).await.json();
    assert_eq!(once["schedule"], json!([]));
    let flags = [
        "--schedule",
        "default",
        "--rate-limit",
        "default",
        "--timeout",
        "default",
    ];
    let back = update(&flags).await.json();
    for field in ["timeout", "rate_limit", "schedule"] {
        assert!(back[field].is_null(), "{back}");
    }
    let refused = update(&["--timeout", "5m"]).await;
    assert_eq!((refused.exit, refused.data.as_str()), (1, ""));
    assert!(refused.talk.contains("at most 60s"), "{refused:?}");
}
