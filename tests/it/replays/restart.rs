//! A replay over kills and restarts, and from the command line.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tickrelay::providers::Provider;

use crate::retrying::T0;
use crate::support::receiver::Receiver;
use crate::support::service::{Home, Service};
use crate::support::{Tables, authenticated, client, cloud, only, until};

/// The only replay, as it stands.
fn replay(service: &Service) -> Value {
    only(service.all("/replays"))
}

async fn fill(service: &Service, messages: usize) {
    let (http, url) = (
        client(),
        format!("http://{}/webhooks/cloud", service.address),
    );
    for from in (0..messages).step_by(100) {
        let numbers = from..messages.min(from + 100);
        let batch: Vec<Value> = numbers
            .map(|number| cloud::status(&format!("m.{number}"), "sent", T0))
            .collect();
        let body = cloud::webhook(&batch);
        let request = authenticated(http.post(&url), Provider::MetaCloud, body.as_bytes());
        assert_eq!(request.body(body).send().await.unwrap().status(), 200);
    }
}

#[actix_web::test]
async fn a_kill_at_any_moment_neither_skips_nor_repeats_a_row() {
    const MESSAGES: usize = 3_000;
    let home = Home::new();
    let receiver = Receiver::start();
    let service = home.start();
    service.subscribe("crm", &receiver.url);
    fill(&service, MESSAGES).await;
    let all_are_taken = |service: &Service| {
        let health = service.health("crm");
        health["pending"] == 0 && health["delivered_24h"] == MESSAGES
    };
    until("all are taken", || all_are_taken(&service)).await;
    // Without answers it soon has no room to go on, so the first kill finds it under way.
    receiver.hold(true);
    let order = json!({ "subscriber": "crm", "since": "1970-01-01" });
    service.ask("POST", "/replays", &order);
    let mut running = service;
    let (mut queued, mut kills) = (json!(0), 0);
    // Each time it has come further, until it is done.
    let service = loop {
        until("it goes on or is done", || {
            let replay = replay(&running);
            let goes_on = replay["queued"] != queued;
            queued.clone_from(&replay["queued"]);
            goes_on || replay["state"] == "done"
        })
        .await;
        // Killed, not stopped. What the next start queues before the first look counts too.
        drop(running);
        kills += 1;
        running = home.start();
        let is_done = replay(&running)["state"] == "done";
        receiver.hold(false);
        if is_done {
            break running;
        }
    };
    assert!(kills > 1, "it was done before it was killed");
    until("all are taken again", || all_are_taken(&service)).await;
    let replay = replay(&service);
    assert_eq!(replay["queued"], MESSAGES, "{replay}");
    assert_eq!(replay["examined"], replay["total"], "{replay}");
    assert_eq!(Tables::at(&home.store()).never_replayed(), 0);
    let received: BTreeSet<String> = receiver.received()[MESSAGES..]
        .iter()
        .map(crate::support::receiver::Received::message)
        .collect();
    assert_eq!(received.len(), MESSAGES, "some were not sent again");
    service.stop();
}

#[actix_web::test]
async fn the_command_line_begins_watches_and_stops_one_with_and_without_a_service() {
    let folder = crate::support::cli::Folder::new();
    let receiver = Receiver::start();
    let service = folder.serve();
    let url = &receiver.url;
    folder
        .done(&["subscriber", "add", "--name", "crm", "--url", url])
        .await;
    for id in ["wamid.1", "wamid.2"] {
        service
            .post(cloud::webhook(&[cloud::status(id, "sent", T0)]))
            .await;
    }
    until("both arrive", || receiver.count() == 2).await;
    let retry = ["forward", "retry", "--subscriber", "crm"];
    let again = folder.run(&[&retry[..], &["--since", "1h"]].concat()).await;
    let pending = "2 forwards are queued again: the status goes to your system again, ";
    assert!(
        again.exit == 0 && again.talk.starts_with(pending),
        "{again:?}"
    );
    until("both come again", || receiver.count() == 4).await;
    let nothing = folder.run(&[&retry[..], &["--missed"]].concat()).await;
    assert_eq!(nothing.exit, 1, "{nothing:?}");
    let wrong = folder
        .run(&[&retry[..], &["--state", "pending"]].concat())
        .await;
    assert!(
        wrong.exit == 1 && wrong.talk.contains("sent by itself"),
        "{wrong:?}"
    );
    for (flags, named) in [
        (&["forward", "retry", "--since", "1h"][..], "--subscriber"),
        (&["forward", "retry", "1", "--missed"], "--missed"),
        (
            &["forward", "retry", "--subscriber", "crm", "--error", "x"],
            "http_5xx",
        ),
    ] {
        let wrong = folder.run(flags).await;
        assert!(wrong.exit == 2 && wrong.talk.contains(named), "{wrong:?}");
    }
    let listed = folder.run(&["replay", "list", "--json"]).await.json();
    let ids: Vec<&str> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 2);
    let shown = folder.done(&["replay", "show", ids[1]]).await;
    assert!(
        shown.contains("2 of 2") && shown.contains("done"),
        "{shown}"
    );
    let cancelled = folder.run(&["replay", "cancel", ids[1]]).await;
    assert!(
        cancelled.exit == 0 && cancelled.talk.contains("is done"),
        "{cancelled:?}"
    );

    drop(service);
    let offline = folder
        .run(&[&retry[..], &["--since", "1h", "--new-id"]].concat())
        .await;
    assert!(
        offline.exit == 0 && offline.talk.starts_with(pending),
        "{offline:?}"
    );
    assert_eq!(receiver.count(), 4);
    let _service = folder.serve();
    until("both come once more", || receiver.count() == 6).await;
    let table = folder.done(&["replay", "list"]).await;
    assert_eq!(table.lines().count(), 1 + 3, "{table}");
}

#[actix_web::test]
async fn without_a_service_no_other_command_takes_a_replay_further() {
    let folder = crate::support::cli::Folder::new();
    let receiver = Receiver::start();
    let service = folder.serve();
    let url = &receiver.url;
    folder
        .done(&["subscriber", "add", "--name", "crm", "--url", url])
        .await;
    let body = cloud::webhook(&[cloud::status("wamid.1", "sent", T0)]);
    service.post(body).await;
    let delivered = ["forward", "list", "--state", "delivered"];
    folder.answers(&delivered, "crm").await;
    folder
        .done(&["forward", "retry", "--subscriber", "crm", "--since", "1h"])
        .await;
    until("it comes again", || receiver.count() == 2).await;
    folder.answers(&delivered, "crm").await;
    drop(service);
    Tables::at(&folder.path("tickrelay.db")).begin_replays_again();
    let listed = folder.run(&["replay", "list", "--json"]).await.json();
    let id = listed["data"][0]["id"].as_str().unwrap();
    folder.done(&["subscriber", "pause", "crm"]).await;
    let cancelled = folder.run(&["replay", "cancel", id]).await;
    assert!(
        cancelled.exit == 0 && cancelled.talk.contains("0 forwards are queued"),
        "{cancelled:?}"
    );
}
