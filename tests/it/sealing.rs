//! Secrets in the store: sealed with a key that is not in it, missing it, and where they stood
//! before.

mod import;
mod keys;
mod missing;

use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::admin::{EraseOptions, ErasePerson, RemoveSubscriber};
use tickrelay::model::{NewSubscriber, SubscriberKind, SubscriberState};
use tickrelay::store::Erased;

use crate::erase::files_with;
use crate::retrying::crm;
use crate::support::receiver::Receiver;
use crate::support::service::Home;
use crate::support::traffic::post_each;
use crate::support::{Tables, TestApp, cloud, until, verify};

const T0: i64 = 1_760_000_000;
/// What a chat's URL is a secret by.
const HOOK: &str = "hooks-8ab1-5ecret";

async fn readiness(app: &TestApp) -> Value {
    let answer = app.http.get(format!("{}/readyz", app.url)).send().await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 200);
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

#[actix_web::test]
async fn a_chat_is_sent_to_whole_and_shown_by_its_beginning() {
    let app = TestApp::boot().await;
    let (receiver, other) = (Receiver::start(), Receiver::start());
    let admin = app.caller(Role::Admin).await;
    let url = format!("{}{HOOK}?k=v", receiver.url);
    let origin = receiver.url.trim_end_matches("/status");
    let new = json!({"name": "agents", "kind": "chat", "url": url});
    let added = admin.post("/subscribers", &new).await.with(201);
    let shown = format!("{origin}/…");
    assert_eq!(added["url"], shown.as_str());
    app.report(&[cloud::failed("wamid.1", T0)]).await;
    until("the chat is notified", || receiver.count() == 1).await;
    assert!(receiver.received()[0].path.contains(HOOK));
    // What is read may be sent back, and changes nothing; as a URL of its own it is refused.
    let change = json!({"url": shown, "concurrency": 3});
    let changed = admin.patch("/subscribers/agents", &change).await.with(200);
    assert_eq!(
        (&changed["url"], &changed["concurrency"]),
        (&json!(shown), &json!(3))
    );
    let again = json!({"name": "again", "kind": "chat", "url": shown});
    assert_eq!(
        admin.post("/subscribers", &again).await.problem(422),
        ["/url"]
    );
    let tested = admin.post("/subscribers/agents/test", &json!({})).await;
    assert_eq!(tested.with(200)["accepted"], true);
    assert!(receiver.received()[1].path.contains(HOOK));
    let name = "agents".to_owned();
    let forwards = admin.get("/forwards").await.with(200);
    let id = forwards["data"][0]["id"].as_str().unwrap().to_owned();
    let mut seen = vec![tested.text, added.to_string(), changed.to_string()];
    for path in [
        "/subscribers",
        "/subscribers/agents",
        "/audit",
        "/attempts",
        &format!("/forwards/{id}"),
    ] {
        seen.push(admin.get(path).await.text);
    }
    seen.push(format!("{:?}", app.tables().contents()));
    for text in seen {
        assert!(!text.contains(HOOK), "{text}");
    }
    let folder = app.path().parent().unwrap().to_path_buf();
    assert_eq!(files_with(&folder, HOOK), Vec::<String>::new());
    // It moves with what belongs to it.
    let change = json!({"url": format!("{}moved", other.url)});
    admin.patch("/subscribers/agents", &change).await.with(200);
    admin.post("/subscribers/agents/test", &json!({})).await;
    assert!(other.received()[0].path.contains("moved"));
    app.order(RemoveSubscriber { name }).await;
    assert_eq!(app.tables().sealed_urls(), 0);
    app.stop().await;
}

/// The key is gone when the service starts: webhooks are stored, nothing is sent, nothing is
/// written of the subscriber, and with the key back all goes on without a restart.
#[actix_web::test]
async fn without_its_key_a_lane_waits_and_goes_on_when_the_key_is_back() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    let secret = app.subscribe("crm", &receiver.url).await;
    let admin = app.caller(Role::Admin).await;
    let token = app.token(Role::Admin, |_| {}).await;
    let key = app.path().with_extension("key");
    let aside = app.path().with_extension("aside");
    let moved = (key.clone(), aside.clone());
    let app = app
        .restart_with(move |_| std::fs::rename(moved.0, moved.1).unwrap())
        .await;
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    let missing = readiness(&app).await["missing_keys"].clone();
    assert_eq!(missing.as_array().unwrap().len(), 1, "{missing}");
    assert!(!key.exists(), "a key is made where something is sealed");
    let admin = {
        let _ = admin;
        app.anyone()
            .header("Authorization", &format!("Bearer {token}"))
    };
    for (path, body) in [
        ("/subscribers", json!({"name": "new", "url": receiver.url})),
        ("/subscribers/crm/rotate-secret", json!({})),
        ("/subscribers/crm/test", json!({})),
    ] {
        let refused = admin.post(path, &body).await;
        assert_eq!(refused.problem(503), Vec::<String>::new());
        assert!(refused.text.contains("key"), "{}", refused.text);
        assert_ne!(refused.header("retry-after"), "");
    }
    // What needs no key is done.
    admin
        .post("/subscribers/crm/pause", &json!({}))
        .await
        .with(200);
    admin
        .post("/subscribers/crm/resume", &json!({}))
        .await
        .with(200);
    // Another key opens nothing.
    std::fs::write(&key, tickrelay::store::seal::generate()).unwrap();
    let since = readiness(&app).await["missing_keys"].clone();
    assert_eq!(since, missing);
    let crm = crm(&app);
    assert_eq!(crm.state, SubscriberState::Active);
    assert_eq!((&crm.state_reason, crm.failing_since_ms), (&None, None));
    assert!(app.attempts().await.is_empty());
    assert_eq!(receiver.count(), 0);
    std::fs::rename(&aside, &key).unwrap();
    app.settled().await;
    assert_eq!(receiver.count(), 1);
    assert!(verify(&secret, &receiver.received()[0]));
    assert_eq!(readiness(&app).await["missing_keys"], json!([]));
    app.stop().await;
}

/// While a key stands nowhere, nothing is sealed with what memory has of it.
#[actix_web::test]
async fn nothing_is_sealed_with_a_key_that_was_taken_away() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let key = app.path().with_extension("key");
    let text = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let new = json!({"name": "crm", "url": "http://127.0.0.1:9/"});
    admin.post("/subscribers", &new).await.problem(503);
    assert!(app.store.subscribers().borrow().is_empty());
    assert!(app.audited("subscriber").await.is_empty());
    std::fs::write(&key, text).unwrap();
    admin.post("/subscribers", &new).await.with(201);
    app.stop().await;
}

#[actix_web::test]
async fn of_old_secrets_two_are_kept_and_none_when_they_end_at_once() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    let first = app.subscribe("crm", &receiver.url).await;
    let admin = app.caller(Role::Admin).await;
    let mut secrets = vec![first];
    for _ in 0..5 {
        let path = "/subscribers/crm/rotate-secret";
        let rotated = admin.post(path, &json!({})).await.with(200);
        secrets.push(rotated["secret"].as_str().unwrap().to_owned());
    }
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    until("it arrives", || receiver.count() == 1).await;
    let request = receiver.received().remove(0);
    let signing: Vec<bool> = secrets
        .iter()
        .map(|secret| verify(secret, &request))
        .collect();
    assert_eq!(signing, [false, false, false, true, true, true]);
    assert_eq!(request.header("webhook-signature").split(' ').count(), 3);
    let now = json!({"now": true});
    let rotated = admin
        .post("/subscribers/crm/rotate-secret", &now)
        .await
        .with(200);
    assert_eq!(rotated["old_secret_until"], Value::Null);
    app.report(&[cloud::status("wamid.1", "read", T0)]).await;
    until("it arrives", || receiver.count() == 2).await;
    let request = receiver.received().remove(1);
    assert!(verify(rotated["secret"].as_str().unwrap(), &request));
    assert_eq!(request.header("webhook-signature").split(' ').count(), 1);
    assert_eq!(app.tables().count("subscriber_secret"), 1);
    app.stop().await;
}

#[actix_web::test]
async fn keys_come_from_the_configuration_and_the_first_one_seals() {
    let receiver = Receiver::start();
    let home = Home::new();
    let config = home.file("tickrelay.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let with_keys = |keys: &str| {
        std::fs::write(
            &config,
            text.replace("[store]\n", &format!("[store]\nkey = {keys}\n")),
        )
        .unwrap();
    };
    let (old, new) = (home.file("old.key"), home.file("new.key"));
    for path in [&old, &new] {
        std::fs::write(path, tickrelay::store::seal::generate()).unwrap();
    }
    with_keys(r#"{ file = "old.key" }"#);
    let service = home.start();
    let chat = NewSubscriber {
        kind: SubscriberKind::Chat,
        ..NewSubscriber::new("agents", &format!("{}{HOOK}", receiver.url))
    };
    service.ask("POST", "/subscribers", &chat);
    service.stop();
    assert!(!home.file("tickrelay.key").exists());
    with_keys(r#"[{ file = "new.key" }, { file = "old.key" }]"#);
    let service = home.start();
    service.subscribe("crm", &receiver.url);
    post_each(service.address, 0..1).await;
    until("it is sent", || receiver.count() == 1).await;
    service.stop();
    assert_eq!(Tables::at(&home.store()).keys_of_secrets().len(), 2);
    with_keys(r#""no key""#);
    let (code, said) = home.refused();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("openssl rand -base64 32"), "{said}");
}

/// An erasure drops the kept answers that mention the person, and those that it cannot open.
#[actix_web::test]
async fn an_erasure_drops_kept_answers_that_mention_the_person_or_that_no_key_opens() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    for (key, id) in [("a", "about-34600000001"), ("b", "about-34600000002")] {
        let keyed = admin.clone().header("Idempotency-Key", key);
        let sent = json!({"source": "cloud", "msId": id});
        keyed.post("/messages", &sent).await.with(201);
    }
    let erase = |dry_run| ErasePerson {
        person: "+34 600 000 001".to_owned(),
        options: EraseOptions {
            dry_run,
            vacuum: false,
        },
    };
    let erased = |erased: Erased| (erased.kept, erased.kept_unopened);
    assert_eq!(erased(app.order(erase(true)).await), (1, 0));
    assert_eq!(app.tables().kept_answers(), ["a", "b"]);
    assert_eq!(erased(app.order(erase(false)).await), (1, 0));
    assert_eq!(app.tables().kept_answers(), ["b"]);
    let key = app.path().with_extension("key");
    let app = app
        .restart_with(move |_| std::fs::write(&key, tickrelay::store::seal::generate()).unwrap())
        .await;
    assert_eq!(erased(app.order(erase(false)).await), (0, 1));
    assert_eq!(app.tables().kept_answers(), [""; 0]);
    app.stop().await;
}
