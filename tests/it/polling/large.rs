//! A hundred thousand recipients: memory stays bounded, and webhooks have their turn.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::botsquad::{Answer, Api, statuses};
use crate::support::service::{Home, Service};
use crate::support::{APP_SECRET, client, cloud, hub_signature, only};

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

/// The only broadcast that is or was polled.
fn poll(service: &Service) -> Value {
    only(service.all("/sources/bq/broadcasts"))
}

/// Posts webhooks one after the other until the poll is so; returns how many. One that had to wait
/// for three seconds would be answered 503.
async fn meanwhile(service: &Service, name: &str, is_so: impl Fn(&Value) -> bool) -> usize {
    let http = client();
    let url = format!("http://{}/webhooks/cloud", service.address);
    let deadline = Instant::now() + Duration::from_mins(5);
    let mut posted = 0;
    while !is_so(&poll(service)) {
        assert!(Instant::now() < deadline, "not in time");
        let id = format!("wamid.{name}.{posted}");
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
    let poll = poll(service);
    assert_eq!(poll["error_code"], Value::Null, "{poll}");
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
    api.answer("bc-1", answer("pending"));
    service.ask("POST", "/sources/bq/broadcasts", &json!({ "id": "bc-1" }));
    let first = meanwhile(&service, "first", |poll| poll["polls"] != 0).await;
    api.answer("bc-1", answer("success"));
    let second = meanwhile(&service, "second", |poll| poll["state"] == "done").await;
    let stats = service.get("/stats");
    let mut counts = stats["messages"].as_array().unwrap().clone();
    counts.retain(|it| it["source"] == "bq");
    let all = json!({"source": "bq", "status": "sent", "messages": RECIPIENTS});
    assert_eq!(counts, [all]);
    // Two answers are two webhooks, in however many parts they came.
    let webhooks = service.all("/webhooks?source=bq");
    let reports: Vec<&Value> = webhooks.iter().map(|it| &it["reports"]).collect();
    assert_eq!(reports, [RECIPIENTS, RECIPIENTS]);
    let peak = service.peak_memory();
    assert!(first > 0 && second > 0, "{first} {second}");
    assert!(peak < MEMORY, "{peak} bytes");
    service.stop();
}
