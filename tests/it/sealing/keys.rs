//! Another key: everything is sealed again with it, with the service running and without, and
//! whatever moment a kill comes at.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use serde_json::json;
use tickrelay::access::Role;
use tickrelay::admin::{RotateKey, RotateSecret};
use tickrelay::model::NewSubscriber;
use tickrelay::model::SubscriberKind;
use tickrelay::store::seal::{KeyRing, generate};

use super::{HOOK, T0};
use crate::support::receiver::Receiver;
use crate::support::service::Home;
use crate::support::traffic::post_each;
use crate::support::{Tables, TestApp, cloud, until, verify};

/// The ids of the keys in this file, the first seals.
fn ids(key: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(key).unwrap();
    let ring = KeyRing::parse([text.as_str()]).unwrap();
    ring.ids().map(|id| id.to_string()).collect()
}

#[actix_web::test]
async fn all_is_sealed_again_while_the_service_runs_and_sends_on() {
    let app = TestApp::boot().await;
    let (crm, agents) = (Receiver::start(), Receiver::start());
    let admin = app.caller(Role::Admin).await;
    let keyed = admin.clone().header("Idempotency-Key", "a");
    let new = json!({"name": "crm", "url": crm.url, "headers": {"x-key": "7"}});
    let added = keyed.post("/subscribers", &new).await.with(201);
    let chat = json!({"name": "agents", "kind": "chat", "url": format!("{}{HOOK}", agents.url)});
    admin.post("/subscribers", &chat).await.with(201);
    let key = app.path().with_extension("key");
    let before = ids(&key);
    assert_eq!(app.tables().keys(), before);
    let resealed = app.order(RotateKey).await;
    assert_eq!(
        resealed.values, 5,
        "two secrets, a header, a URL, an answer"
    );
    assert_eq!(ids(&key), [resealed.key.as_str()]);
    assert_ne!(ids(&key), before);
    assert_eq!(app.tables().keys(), [resealed.key.as_str()]);
    assert_eq!(keyed.post("/subscribers", &new).await.with(201), added);
    // All of it opens after a restart too, with nothing but the new key.
    let app = app.restart().await;
    app.report(&[cloud::failed("wamid.1", T0)]).await;
    app.settled().await;
    let request = crm.received().remove(0);
    assert!(verify(added["secret"].as_str().unwrap(), &request));
    assert_eq!(request.header("x-key"), "7");
    assert!(agents.received()[0].path.contains(HOOK));
    app.stop().await;
}

#[actix_web::test]
async fn a_key_that_is_missing_is_rotated_away_from_by_hand_alone() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let key = app.path().with_extension("key");
    let lost = std::fs::read_to_string(&key).unwrap();
    std::fs::write(&key, generate()).unwrap();
    let app = app.restart().await;
    let refused = app.perform(RotateKey).await.unwrap_err();
    assert!(refused.to_string().contains("missing"), "{refused}");
    assert_eq!(ids(&key).len(), 1, "a key is made all the same");
    let rotate = |now| RotateSecret {
        name: "crm".to_owned(),
        now,
    };
    // The old secret cannot sign on, so it is not taken for granted that it may end.
    app.perform(rotate(false)).await.unwrap_err();
    let secret = app.order(rotate(true)).await.secret;
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    app.settled().await;
    assert!(verify(&secret, &receiver.received()[0]));
    assert!(!lost.is_empty());
    app.stop().await;
}

#[actix_web::test]
async fn a_kill_while_all_is_sealed_again_leaves_keys_that_open_all() {
    let receiver = Receiver::start();
    let home = Home::new();
    let service = home.start();
    for index in 0..40 {
        service.subscribe(&format!("s{index}"), &receiver.url);
    }
    let chat = NewSubscriber {
        kind: SubscriberKind::Chat,
        ..NewSubscriber::new("agents", &format!("{}{HOOK}", receiver.url))
    };
    service.ask("POST", "/subscribers", &chat);
    drop(service);
    for step in 0..10 {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tickrelay"))
            .args(["key", "rotate", "--config"])
            .arg(home.file("tickrelay.toml"))
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(10 * step));
        child.kill().unwrap();
        child.wait().unwrap();
        let keys = ids(&home.file("tickrelay.key"));
        let missing: Vec<String> = Tables::at(&home.store())
            .keys()
            .into_iter()
            .filter(|id| !keys.contains(id))
            .collect();
        assert_eq!(missing, Vec::<String>::new(), "after a kill at step {step}");
    }
    let service = home.start();
    service.ask("POST", "/keys/rotate", &());
    assert_eq!(ids(&home.file("tickrelay.key")).len(), 1);
    post_each(service.address, 0..1).await;
    until("all are sent to", || receiver.count() == 40).await;
    service.stop();
}

/// `root` rotates what a service of another user reads, through a link, under the narrowest umask.
#[actix_web::test]
async fn a_new_key_stands_where_the_old_one_stood_and_is_of_the_same_user_and_mode() {
    let home = Home::new();
    let service = home.start();
    service.subscribe("crm", "http://127.0.0.1:9/");
    service.stop();
    let (link, key) = (home.file("tickrelay.key"), home.file("vault.key"));
    std::fs::rename(&link, &key).unwrap();
    symlink(&key, &link).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o440)).unwrap();
    // Only root may give a file away.
    if rustix::process::geteuid().is_root() {
        chown(&key, Some(64_003), Some(64_001)).unwrap();
    }
    let before = std::fs::metadata(&key).unwrap();
    let old = ids(&key);
    let rotate = format!(
        "umask 0777 && exec {} key rotate --config {}",
        env!("CARGO_BIN_EXE_tickrelay"),
        home.file("tickrelay.toml").display()
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &rotate])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(&key.display().to_string()), "{said}");
    let after = std::fs::metadata(&key).unwrap();
    let access = |found: &std::fs::Metadata| (found.uid(), found.gid(), found.mode());
    assert_eq!(access(&after), access(&before));
    assert_ne!(ids(&key), old);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(Tables::at(&home.store()).keys(), ids(&key));
}

/// Where a store is made a key is made, and nobody warns that there was none; a link that leads
/// nowhere says that the keys are somewhere else.
#[actix_web::test]
async fn a_first_key_is_made_in_silence_and_never_at_the_end_of_a_link() {
    let home = Home::new();
    let mut service = home.start();
    rustix::process::kill_process(service.process(), rustix::process::Signal::TERM).unwrap();
    let (_, log) = service.end();
    assert!(!log.contains("cannot read the key"), "{log}");
    assert_eq!(ids(&home.file("tickrelay.key")).len(), 1);
    let home = Home::new();
    let target = home.file("vault.key");
    symlink(&target, home.file("tickrelay.key")).unwrap();
    let mut service = home.start();
    rustix::process::kill_process(service.process(), rustix::process::Signal::TERM).unwrap();
    let (_, log) = service.end();
    assert!(log.contains("cannot read the key"), "{log}");
    assert!(!target.exists());
}
