//! A hundred thousand recipients: memory stays bounded, and webhooks have their turn.

use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;

use crate::support::botsquad::{Answer, Api, statuses};
use crate::support::service::{Home, Service};
use crate::support::{APP_SECRET, client, cloud, hub_signature};

const RECIPIENTS: usize = 100_000;
/// What the service may hold, in bytes: the answer has 12 MB, and all reports of it at once would
/// have more than this.
const MEMORY: usize = 160 << 20;

fn answer(status: &str) -> Answer {
    let numbers: Vec<String> = (0..RECIPIENTS)
        .map(|index| format!("+3160{index:07}"))
        .collect();
    let entries: Vec<(&str, &str)> = numbers
        .iter()
        .map(|number| (number.as_str(), status))
        .collect();
    statuses(&entries).into()
}

fn count(store: &Connection, sql: &str) -> i64 {
    store.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Posts webhooks one after the other until the poll is so; returns how many. One that had to wait
/// for three seconds would be answered 503.
async fn meanwhile(service: &Service, store: &Connection, until: &str) -> usize {
    let http = client();
    let url = format!("http://{}/webhooks/cloud", service.address);
    let deadline = Instant::now() + Duration::from_mins(5);
    let mut posted = 0;
    while count(store, &format!("SELECT count(*) FROM poll WHERE {until}")) == 0 {
        assert!(Instant::now() < deadline, "not in time");
        let id = format!("wamid.{until}.{posted}");
        let body = cloud::webhook(&[cloud::status(&id, "sent", 1_760_000_000)]);
        let request = http.post(&url).header(
            "X-Hub-Signature-256",
            hub_signature(APP_SECRET, body.as_bytes()),
        );
        let status = request.body(body).send().await.unwrap().status();
        assert_eq!(status, 200, "after {posted}");
        posted += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let trouble: Option<String> = store
        .query_row(
            "SELECT error_code || ': ' || error_detail FROM poll",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(trouble, None);
    posted
}

#[actix_web::test]
async fn a_hundred_thousand_recipients_need_little_memory_and_hold_up_no_webhook() {
    let api = Api::start();
    let home = Home::new().set("forward.timeout=60s");
    let mut config = std::fs::read_to_string(home.file("tickrelay.toml")).unwrap();
    let source = format!(
        "[[source]]\nname = \"bq\"\nprovider = \"botsquad\"\nunauthenticated = true\nurl = \"{}\"\npoll_every = \"1s\"\n",
        api.url
    );
    config.push_str(&source);
    std::fs::write(home.file("tickrelay.toml"), config).unwrap();
    let service = home.start();
    let store = Connection::open(home.store()).unwrap();
    store.busy_timeout(Duration::from_secs(5)).unwrap();
    let poll = || {
        let poll = json!({ "id": "bc-1" });
        service.ask("POST", "/sources/bq/broadcasts", &poll)
    };
    api.answer("bc-1", answer("pending"));
    poll();
    let first = meanwhile(&service, &store, "polls > 0").await;
    api.answer("bc-1", answer("success"));
    let second = meanwhile(&service, &store, "state = 'done'").await;
    assert_eq!(
        count(
            &store,
            "SELECT count(*) FROM message WHERE broadcast = 'bc-1'"
        ),
        100_000
    );
    assert_eq!(
        count(
            &store,
            "SELECT count(*) FROM report WHERE provider_status = 'success'"
        ),
        100_000
    );
    assert_eq!(
        count(&store, "SELECT count(*) FROM poll WHERE state = 'done'"),
        1
    );
    // Two answers are two webhooks, in however many parts they came.
    assert_eq!(
        count(
            &store,
            "SELECT count(*) FROM webhook WHERE broadcast = 'bc-1'"
        ),
        2
    );
    assert_eq!(
        count(
            &store,
            "SELECT min(reports) FROM webhook WHERE broadcast = 'bc-1'"
        ),
        100_000
    );
    let peak = service.peak_memory();
    assert!(first > 0 && second > 0, "{first} {second}");
    assert!(peak < MEMORY, "{peak} bytes");
    service.stop();
}
