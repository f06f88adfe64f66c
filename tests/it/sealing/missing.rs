//! A key that goes missing while the service runs, and values that are damaged.

use std::ffi::CString;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tickrelay::store::KeysRecord;

use super::{HOOK, T0, readiness};
use crate::support::cli::Folder;
use crate::support::cloud;
use crate::support::receiver::Receiver;
use crate::support::service::Home;
use crate::support::{PATIENCE, Tables, TestApp, client};

/// One series of the service's `/metrics`.
async fn metric(http: &reqwest::Client, service: &str, series: &str) -> Option<f64> {
    let page = http.get(format!("{service}/metrics")).send().await.unwrap();
    let page = page.text().await.unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix(series));
    line.and_then(|value| value.trim().parse().ok())
}

/// Waits until so many keys are said to be missing, asking for nothing that needs one.
async fn missing(http: &reqwest::Client, service: &str, count: f64) {
    let deadline = Instant::now() + PATIENCE;
    while metric(http, service, "tickrelay_missing_keys").await != Some(count) {
        assert!(Instant::now() < deadline, "{count} are not missing");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[actix_web::test]
async fn a_key_that_goes_missing_while_the_service_runs_is_said_once_though_nothing_needs_it() {
    let home = Home::new().set("log.filter=info");
    let mut service = home.start();
    let (http, base) = (client(), format!("http://{}", service.address));
    // A kept answer alone is sealed.
    let put = http
        .post(format!("{base}/api/v1/messages"))
        .header("Authorization", format!("Bearer {}", service.token()))
        .header("Idempotency-Key", "once")
        .header("Content-Type", "application/json")
        .body(r#"{"msId": "wa-1", "source": "cloud", "mobileNo": "+34600000001"}"#)
        .send();
    assert!(put.await.unwrap().status().is_success());
    let (key, aside) = (home.file("tickrelay.key"), home.file("aside.key"));
    missing(&http, &base, 0.0).await;
    for _ in 0..2 {
        std::fs::rename(&key, &aside).unwrap();
        missing(&http, &base, 1.0).await;
        std::fs::rename(&aside, &key).unwrap();
        missing(&http, &base, 0.0).await;
    }
    rustix::process::kill_process(service.process(), rustix::process::Signal::TERM).unwrap();
    let (_, log) = service.end();
    let said = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert_eq!(said("store.key_missing"), 2, "{log}");
    assert_eq!(said("store.key_not_missing"), 2, "{log}");
    let id = &id_of(&key);
    assert!(
        log.lines()
            .any(|line| line.contains("store.key_missing") && line.contains(id))
    );
}

/// The id of the first key in this file.
fn id_of(key: &Path) -> String {
    let text = std::fs::read_to_string(key).unwrap();
    let ring = tickrelay::store::seal::KeyRing::parse([text.as_str()]).unwrap();
    ring.ids().next().unwrap().to_string()
}

#[actix_web::test]
async fn health_and_show_name_the_key_that_a_subscriber_waits_for() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let admin = app.admin().await;
    let waits =
        || async { admin.get("/subscribers/crm/health").await.with(200)["missing_key"].clone() };
    assert_eq!(waits().await, Value::Null);
    let key = app.path().with_extension("key");
    let (id, text) = (id_of(&key), std::fs::read(&key).unwrap());
    std::fs::remove_file(&key).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while waits().await != json!(id) {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(readiness(&app).await["missing_keys"], json!([id]));
    // What stands there instead blocks nothing: a pipe has no writer, and the device no end.
    let pipe = CString::new(key.as_os_str().as_encoded_bytes()).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    std::fs::remove_file(&key).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &key).unwrap();
    app.report(&[cloud::status("wamid.2", "sent", T0)]).await;
    assert_eq!(waits().await, json!(id));
    std::fs::remove_file(&key).unwrap();
    std::fs::write(&key, text).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while waits().await != Value::Null {
        assert!(Instant::now() < deadline);
    }
    app.stop().await;

    let folder = Folder::new();
    folder.make_store().await;
    let add = [
        "subscriber",
        "add",
        "--name",
        "crm",
        "--url",
        "http://127.0.0.1:9/",
    ];
    folder.done(&add).await;
    let shown = folder.done(&["subscriber", "show", "crm"]).await;
    assert!(!shown.contains("Waits for"), "{shown}");
    let id = id_of(&folder.path("tickrelay.key"));
    std::fs::remove_file(folder.path("tickrelay.key")).unwrap();
    let shown = folder.done(&["subscriber", "show", "crm"]).await;
    assert!(
        shown.contains("Waits for") && shown.contains(&id),
        "{shown}"
    );
    let shown = folder.run(&["subscriber", "show", "crm", "--json"]).await;
    assert_eq!(shown.json()["health"]["missing_key"], json!(id));
}

#[actix_web::test]
async fn a_damaged_value_is_named_when_all_others_are_sealed_again_and_its_key_is_kept() {
    let cases = [
        (
            "subscriber_secret",
            "sealed",
            "row secret_id 1, column sealed (subscriber crm)",
        ),
        (
            "subscriber_header",
            "sealed",
            "row subscriber_id 1, name x-key, column sealed (subscriber crm)",
        ),
        (
            "subscriber",
            "url_sealed",
            "row subscriber_id 2, column url_sealed (subscriber agents)",
        ),
    ];
    for (table, column, place) in cases {
        let folder = Folder::new();
        folder.make_store().await;
        let chat = format!("http://127.0.0.1:9/{HOOK}");
        for add in [
            [
                "--name",
                "crm",
                "--url",
                "http://127.0.0.1:9/",
                "--header",
                "x-key: 7",
            ],
            ["--name", "agents", "--url", &chat, "--kind", "chat"],
        ] {
            folder
                .done(&[&["subscriber", "add"][..], &add].concat())
                .await;
        }
        let key = folder.path("tickrelay.key");
        let old = id_of(&key);
        Tables::at(&folder.path("tickrelay.db"))
            .damage((table, column), |sealed| sealed.last_mut().unwrap());
        let rotated = folder.run(&["key", "rotate"]).await;
        assert_eq!(rotated.exit, 1, "{rotated:?}");
        let named = format!("damaged: table {table}, {place}\n");
        assert!(rotated.talk.contains(&named), "{}", rotated.talk);
        assert!(rotated.talk.contains(": 3 values."), "{}", rotated.talk);
        let new = id_of(&key);
        assert_ne!(new, old);
        let keys = folder.run(&["key", "list", "--json"]).await;
        let keys: KeysRecord = serde_json::from_value(keys.json()).unwrap();
        assert_eq!(keys.at_hand, [new.clone(), old.clone()], "{table}");
        assert!(keys.missing.is_empty());
        assert!(
            keys.used.contains(&old) && keys.used.contains(&new),
            "{table}"
        );
        // Once it is replaced nothing needs the old key.
        match table {
            "subscriber_secret" => {
                folder
                    .done(&["subscriber", "rotate-secret", "crm", "--now"])
                    .await
            }
            "subscriber_header" => {
                folder
                    .done(&["subscriber", "update", "crm", "--header", "x-key: 8"])
                    .await
            }
            _ => {
                folder
                    .done(&[
                        "subscriber",
                        "update",
                        "agents",
                        "--url",
                        &format!("{chat}/b"),
                    ])
                    .await
            }
        };
        folder.done(&["key", "rotate"]).await;
        let keys = folder.run(&["key", "list", "--json"]).await;
        let keys: KeysRecord = serde_json::from_value(keys.json()).unwrap();
        assert_eq!(keys.at_hand.len(), 1, "{table}");
        assert_eq!(keys.used, keys.at_hand);
    }
}

/// Where the id of the key is damaged it looks like another key's: nothing is rotated, and the place is named.
#[actix_web::test]
async fn a_value_of_a_key_that_is_missing_is_named_and_nothing_is_sealed_again() {
    let folder = Folder::new();
    folder.make_store().await;
    let add = [
        "subscriber",
        "add",
        "--name",
        "crm",
        "--url",
        "http://127.0.0.1:9/",
    ];
    folder.done(&add).await;
    let secret = ("subscriber_secret", "sealed");
    Tables::at(&folder.path("tickrelay.db")).damage(secret, |sealed| &mut sealed[1]);
    let before = std::fs::read(folder.path("tickrelay.key")).unwrap();
    let refused = folder.run(&["key", "rotate"]).await;
    assert_ne!(refused.exit, 0, "{refused:?}");
    let place = "table subscriber_secret, row secret_id 1, column sealed (subscriber crm)";
    assert!(refused.talk.contains(place), "{}", refused.talk);
    assert_eq!(std::fs::read(folder.path("tickrelay.key")).unwrap(), before);
}
