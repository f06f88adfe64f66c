//! A polled API that repeats our credentials: they go no further.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::clock::Clock;

use crate::support::botsquad::{Answer, Api, KEY};
use crate::support::receiver::Receiver;
use crate::support::{TestApp, until_async};

/// What reveals the secret: its token, in whatever case.
const TOKEN: &str = "test-botsquad-key";

/// Answers that repeat the key, and what of each is understood all the same.
fn answers() -> Vec<(&'static str, Answer)> {
    let failed = json!({"to": "+31600000001", "status": "failure", "reason": "not_on_whatsapp"});
    let with = |field: &str, value: Value| {
        let mut entry = failed.clone();
        entry[field] = value;
        json!({"id": "bc-1", "statuses": [entry.clone()], "failures": [entry]})
    };
    let in_reason = with("reason", json!(format!("not for {KEY}")));
    let mut zipped = GzEncoder::new(Vec::new(), Compression::default());
    zipped.write_all(in_reason.to_string().as_bytes()).unwrap();
    let zipped = Answer::bytes(zipped.finish().unwrap()).header("Content-Encoding", "gzip");
    let wide = format!("\u{feff}{in_reason}");
    let wide: Vec<u8> = wide.encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        ("reason", in_reason.clone().into()),
        (
            "details",
            with("details", json!({ "asked": [KEY, TOKEN] })).into(),
        ),
        ("status", with("status", json!(KEY)).into()),
        ("key", with(KEY, json!("an echo")).into()),
        (
            "capitals",
            with("details", json!(KEY.to_uppercase())).into(),
        ),
        (
            "no-json",
            Answer::bytes(format!("<pre>authorization: {KEY}</pre>")),
        ),
        ("gzip", zipped),
        ("utf-16", Answer::bytes(wide)),
        (
            "header",
            Answer::bytes(in_reason.to_string()).header("Content-Type", KEY),
        ),
    ]
}

/// All that is kept, shown and sent after the API answered that: the store's answers and its files,
/// the management API and the subscriber's payloads.
async fn everything(
    answer: Answer,
    change: impl FnOnce(&mut tickrelay::config::PullSettings),
) -> String {
    let api = Api::start();
    api.answer("bc-1", answer);
    let source = api.source_with("bq", change);
    let app = TestApp::boot_with(Clock::system(), |config| config.sources.push(source)).await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let admin = app.caller(Role::Admin).await;
    let body = json!({"id": "bc-1"});
    admin.post("/sources/bq/broadcasts", &body).await.with(200);
    let is_asked = async || app.poll("bc-1", "polls").await == "1";
    until_async("it was asked", is_asked).await;
    app.settled().await;
    let mut all = Vec::new();
    for body in app.bodies().await {
        all.push(String::from_utf8_lossy(&body).into_owned());
    }
    all.push(serde_json::to_string(&app.webhooks().await).unwrap());
    all.push(serde_json::to_string(&app.reports().await).unwrap());
    all.push(serde_json::to_string(&app.messages().await).unwrap());
    all.push(serde_json::to_string(&app.polls().await).unwrap());
    for path in [
        "/webhooks",
        "/webhooks/1",
        "/messages",
        "/sources",
        "/polls",
        "/sources/bq/broadcasts",
    ] {
        all.push(admin.get(path).await.text);
    }
    all.extend(receiver.received().iter().map(|it| it.json().to_string()));
    for file in [app.path(), app.path().with_file_name("tickrelay.db-wal")] {
        let bytes = std::fs::read(file).unwrap();
        all.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    app.stop().await;
    all.join("\n").to_lowercase()
}

#[actix_web::test]
async fn an_api_that_repeats_its_key_does_not_have_it_kept_shown_or_sent() {
    for (name, answer) in answers() {
        let all = everything(answer, |_| {}).await;
        assert!(!all.contains(TOKEN), "{name}: {all:.4000}");
        assert!(all.contains("[redacted]"), "{name}: {all:.4000}");
        // The rest of the answer is there.
        let rest = if name == "no-json" {
            "<pre>"
        } else {
            "31600000001"
        };
        assert!(all.contains(rest), "{name}: {all:.4000}");
    }
}

#[actix_web::test]
async fn an_answer_that_is_not_looked_through_shows_the_key_to_the_subscriber() {
    for (name, answer) in answers() {
        // A source without a credential has none to take out.
        let all = everything(answer, |pulled| pulled.authorization = None).await;
        let is_kept_packed = ["gzip", "utf-16"].contains(&name);
        assert!(all.contains(TOKEN) || is_kept_packed, "{name}: {all:.4000}");
    }
}
