//! Many forwards sent again as a job: which, to whom, how far it is, and that it survives anything.

mod pace;
mod restart;

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::clock::Clock;

use crate::retrying::{START_MS, T0, switched};
use crate::support::api::Caller;
use crate::support::receiver::{Receiver, Reply};
use crate::support::{TestApp, cloud};

/// Reports messages of this name, each with the one status.
async fn pour(app: &TestApp, name: &str, messages: usize) {
    for from in (0..messages).step_by(100) {
        let numbers = from..messages.min(from + 100);
        let batch: Vec<Value> = numbers
            .map(|number| cloud::status(&format!("{name}.{number}"), "sent", T0))
            .collect();
        app.report(&batch).await;
    }
}

/// Asks for a replay; returns its path.
async fn begin(caller: &Caller, order: &Value) -> String {
    let answer = caller.post("/replays", order).await;
    let replay = answer.with(202);
    let id: uuid::Uuid = replay["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
    let path = format!("/replays/{id}");
    assert_eq!(answer.header("location"), format!("/api/v1{path}"));
    path
}

/// Waits until it has ended; returns it.
async fn ended(app: &TestApp, caller: &Caller, path: &str) -> Value {
    app.replayed().await;
    caller.get(path).await.with(200)
}

#[actix_web::test]
async fn what_a_subscriber_missed_is_sent_again_and_nothing_else() {
    let app = TestApp::boot_with(Clock::system(), |config| {
        config.forward.schedule = Vec::new();
    })
    .await;
    let admin = app.caller(Role::Admin).await;
    let (receiver, switch) = switched(200);
    let other = Receiver::scripted(|_, _| Reply::status(400));
    app.subscribe("crm", &receiver.url).await;
    app.subscribe("other", &other.url).await;
    pour(&app, "taken", 3).await;
    app.settled().await;
    switch.store(400, std::sync::atomic::Ordering::SeqCst);
    pour(&app, "missed", 4).await;
    app.settled().await;
    let (before, others) = (receiver.received(), other.count());
    switch.store(200, std::sync::atomic::Ordering::SeqCst);

    let path = begin(&admin, &json!({"subscriber": "crm", "missed": true})).await;
    let replay = ended(&app, &admin, &path).await;
    assert_eq!(replay["state"], "done");
    assert_eq!(
        (&replay["examined"], &replay["total"]),
        (&json!(14), &json!(14))
    );
    assert_eq!(
        (&replay["queued"], &replay["states"]),
        (&json!(4), &json!(["gave-up"]))
    );
    assert!(replay["finished_at"].as_str() >= replay["created_at"].as_str());
    app.settled().await;
    let received = receiver.received();
    let again: BTreeSet<(String, &str)> = received[before.len()..]
        .iter()
        .map(|it| (it.message(), it.header("webhook-id")))
        .collect();
    let missed: BTreeSet<(String, &str)> = before[3..]
        .iter()
        .map(|it| (it.message(), it.header("webhook-id")))
        .collect();
    assert_eq!((received.len(), again), (3 + 4 + 4, missed));
    assert_eq!(other.count(), others);

    // There is nothing left to be missed.
    let path = begin(&admin, &json!({"subscriber": "crm", "missed": true})).await;
    let replay = ended(&app, &admin, &path).await;
    assert_eq!(
        (&replay["state"], &replay["queued"]),
        (&json!("done"), &json!(0))
    );
    let audit = app.audited("replay").await;
    assert_eq!(audit.len(), 2);
    assert_eq!(audit[1], ["replay.started", &path["/replays/".len()..]]);
    app.stop().await;
}

/// Ten forwards of `crm` that differ in everything one can choose by.
async fn of_every_kind() -> (TestApp, Receiver) {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |config| config.forward.schedule = Vec::new()).await;
    let receiver = Receiver::scripted(|_, request| {
        Reply::status(if request.message().starts_with("bad") {
            400
        } else {
            200
        })
    });
    app.subscribe("crm", &receiver.url).await;
    pour(&app, "good", 3).await;
    pour(&app, "bad", 2).await;
    app.settled().await;
    hand.set_ms(START_MS + 3_600_000);
    app.report(&[cloud::status("good.0", "delivered", T0 + 1)])
        .await;
    let infobip = r#"{"results":[{"messageId":"info.1","to":"385990000001","doneAt":"2025-10-09T08:53:22.000+0000","status":{"groupId":3},"error":{"groupId":0}}]}"#;
    assert_eq!(app.post("infobip", infobip).await, 200);
    app.settled().await;
    (app, receiver)
}

#[actix_web::test]
async fn a_replay_is_of_what_its_filter_wants() {
    let (app, receiver) = of_every_kind().await;
    let admin = app.caller(Role::Admin).await;
    let cases = [
        (json!({"missed": true}), 2),
        (json!({"states": ["gave-up"]}), 2),
        (json!({"states": ["delivered"]}), 5),
        (
            json!({"states": ["delivered", "gave-up"], "missed": false}),
            7,
        ),
        (json!({"since": "2025-10-09T08:00:00Z"}), 7),
        (json!({"since": "2025-10-09T09:53:20Z"}), 2),
        (json!({"until": "2025-10-09T09:53:20+00:00"}), 5),
        (json!({"since": "2026-01-01T00:00:00Z"}), 0),
        (json!({"error": "http_4xx"}), 2),
        (json!({"error": "timeout"}), 0),
        (json!({"source": "infobip"}), 1),
        (json!({"source": "onprem"}), 0),
        (json!({"status": "delivered"}), 2),
        (
            json!({"status": "sent", "states": ["delivered"], "new_id": true}),
            3,
        ),
    ];
    for (mut order, expected) in cases {
        // As they were before any replay: a replay of one time is not of another.
        let kept = app.forwards().await;
        let before = receiver.count();
        order["subscriber"] = json!("crm");
        let path = begin(&admin, &order).await;
        let replay = ended(&app, &admin, &path).await;
        assert_eq!(replay["queued"], expected, "{order}");
        app.settled().await;
        assert_eq!(receiver.count() - before, expected, "{order}");
        let tables = app.tables();
        for forward in kept {
            tables.set_pending_since_ms(forward.forward_id, forward.pending_since_ms);
        }
    }
    // The last one wants new ids.
    let all = receiver.received();
    let (before, last) = all.split_at(all.len() - 3);
    let known: BTreeSet<&str> = before.iter().map(|it| it.header("webhook-id")).collect();
    assert!(
        last.iter()
            .all(|it| !known.contains(it.header("webhook-id")))
    );
    // What they were is kept, as long as their forwards.
    let mut former = 0;
    for forward in app.forwards().await {
        former += app.forward(forward.forward_id).await.former_uids.len();
    }
    assert_eq!(former, 3);
    for it in before {
        let path = format!("/forwards/{}", it.header("webhook-id"));
        admin.get(&path).await.with(200);
    }
    app.stop().await;
}

#[actix_web::test]
async fn what_is_wrong_with_a_replay_is_named() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    app.subscribe("crm", "http://127.0.0.1:9/").await;
    let cases = [
        (json!({}), &["/subscriber", "/missed"][..]),
        (
            json!({"subscriber": "nobody", "missed": true}),
            &["/subscriber"],
        ),
        (json!({"subscriber": 1, "missed": true}), &["/subscriber"]),
        (json!({"subscriber": "crm"}), &["/missed"]),
        (json!({"subscriber": "crm", "missed": false}), &["/missed"]),
        (json!({"subscriber": "crm", "missed": "yes"}), &["/missed"]),
        (
            json!({"subscriber": "crm", "missed": true, "states": ["delivered"]}),
            &["/states"],
        ),
        (json!({"subscriber": "crm", "states": []}), &["/states"]),
        (
            json!({"subscriber": "crm", "states": ["delivered", "pending"]}),
            &["/states/1"],
        ),
        (
            json!({"subscriber": "crm", "states": ["lost"], "missed": true}),
            &["/states/0"],
        ),
        (
            json!({"subscriber": "crm", "since": "soon", "missed": true}),
            &["/since"],
        ),
        (
            json!({"subscriber": "crm", "until": 5, "missed": true}),
            &["/until"],
        ),
        (
            json!({"subscriber": "crm", "since": "2026-01-02T00:00:00Z", "until": "2026-01-02T00:00:00Z"}),
            &["/until"],
        ),
        (
            json!({"subscriber": "crm", "missed": true, "error": "131026"}),
            &["/error"],
        ),
        (json!({"subscriber": "crm", "source": "acme"}), &["/source"]),
        (
            json!({"subscriber": "crm", "missed": true, "status": "seen"}),
            &["/status"],
        ),
        (
            json!({"subscriber": "crm", "missed": true, "new_id": 1}),
            &["/new_id"],
        ),
        (
            json!({"subscriber": "crm", "missed": true, "newId": true}),
            &["/newId"],
        ),
        (
            json!({"subscriber": "none", "source": "none", "states": ["pending"]}),
            &["/subscriber", "/states/0", "/source"],
        ),
    ];
    for (order, fields) in cases {
        let answer = admin.post("/replays", &order).await;
        assert_eq!(answer.problem(422), fields, "{order} {}", answer.text);
    }
    for path in [
        "/replays/1",
        "/replays/0199c9a4-64ba-7a06-a3ef-9a5c3f0d0c11",
    ] {
        admin.get(path).await.problem(404);
        admin
            .post(&format!("{path}/cancel"), &json!({}))
            .await
            .problem(404);
    }
    let wrong = admin.get("/replays?state=done").await;
    assert_eq!(wrong.problem(422), ["state"]);
    assert_eq!(app.replays().await, []);
    app.stop().await;
}

#[actix_web::test]
async fn an_empty_store_has_nothing_to_replay() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    app.subscribe("crm", "http://127.0.0.1:9/").await;
    let order = json!({"subscriber": "crm", "since": "2020-01-01T00:00:00Z"});
    let replay = admin.post("/replays", &order).await.with(202);
    assert_eq!(
        (
            &replay["state"],
            &replay["examined"],
            &replay["total"],
            &replay["queued"]
        ),
        (&json!("done"), &json!(0), &json!(0), &json!(0))
    );
    app.stop().await;
}

#[actix_web::test]
async fn a_caller_replays_to_its_own_subscribers_alone() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let acme = app.caller(Role::Integrator).await;
    let support = app.caller(Role::Support).await;
    let analyst = app.caller(Role::Analyst).await;
    let receiver = Receiver::start();
    app.subscribe_with("hers", &receiver.url, |new| {
        new.owner = Some("acme".to_owned());
    })
    .await;
    app.subscribe("ours", &receiver.url).await;
    pour(&app, "m", 2).await;
    assert_eq!(app.post("infobip", r#"{"results":[{"messageId":"i","to":"385990000001","doneAt":"2025-10-09T08:53:22.000+0000","status":{"groupId":3},"error":{"groupId":0}}]}"#).await, 200);
    app.settled().await;
    let order = |name: &str| json!({"subscriber": name, "states": ["delivered"]});
    let hers = begin(&acme, &order("hers")).await;
    let ours = begin(&support, &order("ours")).await;
    assert_eq!(ended(&app, &admin, &hers).await["queued"], 3);
    let refused = acme.post("/replays", &order("ours")).await;
    assert_eq!(refused.problem(422), ["/subscriber"]);
    analyst.post("/replays", &order("ours")).await.problem(403);
    analyst
        .post(&format!("{ours}/cancel"), &json!({}))
        .await
        .problem(403);
    acme.get(&ours).await.problem(404);
    acme.post(&format!("{ours}/cancel"), &json!({}))
        .await
        .problem(404);
    acme.get("/replays?subscriber=ours").await.problem(404);
    assert_eq!(acme.all("/replays", 1).await.len(), 1);
    for caller in [&admin, &analyst] {
        assert_eq!(caller.all("/replays", 1).await.len(), 2);
        caller.get(&ours).await.with(200);
    }
    assert_eq!(admin.all("/replays?subscriber=hers", 5).await.len(), 1);

    // Of a subscriber that once got more, only what the token sees.
    let infobip = json!({"filter": {"sources": ["infobip"]}});
    admin.patch("/subscribers/ours", &infobip).await.with(200);
    let narrow = app
        .caller_with(Role::Support, |token| {
            token.sources = vec!["infobip".to_owned()];
        })
        .await;
    let path = begin(&narrow, &order("ours")).await;
    assert_eq!(ended(&app, &admin, &path).await["queued"], 1);
    let elsewhere = json!({"subscriber": "ours", "source": "cloud"});
    let refused = narrow.post("/replays", &elsewhere).await;
    assert_eq!(refused.problem(422), ["/source"]);
    let nowhere = json!({"subscriber": "ours", "source": "none"});
    let none = narrow.post("/replays", &nowhere).await;
    assert_eq!(refused.text.replace("cloud", "none"), none.text);
    app.stop().await;
}

#[actix_web::test]
async fn one_asked_for_twice_under_a_key_is_begun_once() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    pour(&app, "m", 2).await;
    app.settled().await;
    let admin = app.caller(Role::Admin).await.header("Idempotency-Key", "k");
    let order = json!({"subscriber": "crm", "states": ["delivered"]});
    let first = admin.post("/replays", &order).await;
    first.with(202);
    let again = admin.post("/replays", &order).await;
    assert_eq!((again.status, &again.text), (202, &first.text));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(app.replays().await.len(), 1);
    let nothing = admin.ask(Method::POST, "/replays", None).await;
    assert_eq!(nothing.status, 422, "the key is of another request");
    app.stop().await;
}
