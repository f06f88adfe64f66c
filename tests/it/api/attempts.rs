//! Attempts across forwards, and where sources are sent to.

use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::clock::Clock;
use tickrelay::providers::authentication::Method;

use crate::retrying::{START_MS, T0};
use crate::support::cli::Folder;
use crate::support::receiver::{Receiver, Reply};
use crate::support::{TestApp, cloud, until};

#[actix_web::test]
async fn attempts_are_listed_by_whatever_one_asks_for() {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |config| config.forward.schedule = Vec::new()).await;
    let (good, bad) = (
        Receiver::start(),
        Receiver::scripted(|_, _| Reply::status(404)),
    );
    app.subscribe_with("hers", &good.url, |new| {
        new.owner = Some("acme".to_owned());
    })
    .await;
    app.subscribe("ours", &bad.url).await;
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    app.settled().await;
    hand.set_ms(START_MS + 3_600_000);
    app.report(&[cloud::status("wamid.2", "sent", T0)]).await;
    app.settled().await;
    let admin = app.caller(Role::Admin).await;
    let cases = [
        ("", 4),
        ("?subscriber=hers", 2),
        ("?outcome=delivered", 2),
        ("?outcome=failed", 2),
        ("?outcome=failed&subscriber=hers", 0),
        ("?error=http_4xx", 2),
        ("?error=timeout", 0),
        ("?since=2025-10-09T09:00:00Z", 2),
        ("?until=2025-10-09T09:00:00Z", 2),
        ("?until=2025-10-09T09:00:00Z&outcome=failed", 1),
    ];
    for (query, expected) in cases {
        let rows = admin.all(&format!("/attempts{query}"), 1).await;
        assert_eq!(rows.len(), expected, "{query}");
        let times: Vec<&str> = rows
            .iter()
            .map(|it| it["started_at"].as_str().unwrap())
            .collect();
        assert!(
            times.is_sorted_by(|later, earlier| later >= earlier),
            "{times:?}"
        );
    }
    let refused = admin.all("/attempts?error=http_4xx", 5).await.remove(0);
    assert_eq!(
        (
            &refused["subscriber"],
            &refused["http_status"],
            &refused["number"]
        ),
        (&json!("ours"), &json!(404), &json!(1))
    );
    let forward = format!("/forwards/{}", refused["forward_id"].as_str().unwrap());
    assert_eq!(
        admin.get(&forward).await.with(200)["last_error"],
        "http_4xx"
    );
    // Forwards can be listed by the same at once.
    let all_at_once = "/forwards?state=gave-up&subscriber=ours&error=http_4xx\
                       &since=2025-10-09T09:00:00Z&until=2025-10-09T10:00:00Z";
    assert_eq!(admin.all(all_at_once, 5).await.len(), 1);

    let acme = app.caller(Role::Integrator).await;
    assert_eq!(acme.all("/attempts", 1).await.len(), 2);
    acme.get("/attempts?subscriber=ours").await.problem(404);
    let narrow = app
        .caller_with(Role::Analyst, |token| {
            token.sources = vec!["infobip".to_owned()];
        })
        .await;
    assert_eq!(narrow.all("/attempts", 5).await.len(), 0);
    for (query, field) in [
        ("outcome=lost", "outcome"),
        ("error=131026", "error"),
        ("since=soon", "since"),
        ("state=pending", "state"),
        ("cursor=x", "cursor"),
    ] {
        let wrong = admin.get(&format!("/attempts?{query}")).await;
        assert_eq!(wrong.problem(422), [field], "{}", wrong.text);
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_source_shows_its_whole_callback_url_and_no_secret_of_it() {
    let with_url = |url: Option<&'static str>| async move {
        TestApp::boot_with(Clock::system(), |config| {
            config.server.public_url = url.map(str::to_owned);
            let method = Method::UrlToken("a-secret-segment".to_owned().into());
            config.sources[3].authentication.methods = vec![method];
        })
        .await
    };
    let app = with_url(Some("https://relay.example.com/wa")).await;
    let admin = app.caller(Role::Admin).await;
    let listed = admin.get("/sources").await;
    assert!(!listed.text.contains("a-secret-segment"));
    let urls: Vec<Value> = listed.with(200)["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|source| source["callback_url"].clone())
        .collect();
    assert_eq!(urls[0], "https://relay.example.com/wa/webhooks/cloud");
    assert_eq!(
        urls[3],
        "https://relay.example.com/wa/webhooks/infobip/{url_token}"
    );
    let one = admin.get("/sources/infobip").await.with(200);
    assert_eq!(
        (&one["callback_url"], &one["callback_path"]),
        (&urls[3], &json!("/webhooks/infobip"))
    );
    app.stop().await;
    let app = with_url(None).await;
    let one = app.admin().await.get("/sources/infobip").await.with(200);
    assert_eq!(one["callback_url"], Value::Null);
    app.stop().await;
}

#[actix_web::test]
async fn the_command_line_lists_attempts_and_sources() {
    let folder = Folder::new();
    assert_eq!(folder.run(&["source", "list"]).await.exit, 1);
    folder.make_store().await;
    let first = folder.done(&["source", "list"]).await;
    assert!(first.contains("never"), "{first}");
    let receiver = Receiver::scripted(|_, _| Reply::status(404));
    let service = folder.serve();
    let url = &receiver.url;
    folder
        .done(&["subscriber", "add", "--name", "crm", "--url", url])
        .await;
    service
        .post(cloud::webhook(&[cloud::status("wamid.1", "sent", T0)]))
        .await;
    until("both attempts are made", || receiver.count() == 2).await;
    let failed = [
        "attempt",
        "list",
        "--subscriber",
        "crm",
        "--error",
        "http_4xx",
    ];
    folder.answers(&failed, "attempt 2 at ").await;
    let rows = folder
        .run(&[&failed[..], &["--since", "1h", "--json"]].concat())
        .await
        .json();
    assert_eq!(
        (
            rows["data"].as_array().unwrap().len(),
            &rows["data"][0]["http_status"]
        ),
        (2, &json!(404))
    );
    let none = folder
        .run(&["attempt", "list", "--outcome", "delivered"])
        .await;
    assert_eq!(
        (none.exit, none.talk.as_str()),
        (1, "no attempt is like that\n")
    );
    let listed = [
        "forward",
        "list",
        "--error",
        "http_4xx",
        "--until",
        "2020-01-01",
    ];
    assert_eq!(folder.run(&listed).await.exit, 1);

    // What the configuration says is answered where no service runs.
    drop(service);
    let listed = folder.run(&["source", "list"]).await;
    assert!(listed.data.contains(" /webhooks/cloud "), "{listed:?}");
    assert!(listed.talk.contains("server.public_url"), "{listed:?}");
    let public = "server.public_url=https://relay.example.com/";
    let sources = folder
        .run(&["source", "list", "--json", "--set", public])
        .await
        .json();
    assert_eq!(
        sources["data"][0]["callback_url"],
        "https://relay.example.com/webhooks/cloud"
    );
    assert_eq!(sources["data"][0]["webhooks_24h"], 1);
    let wrong = folder
        .run(&["source", "list", "--set", "server.public_url=relay"])
        .await;
    assert!(
        wrong.exit == 2 && wrong.talk.contains("https://relay.example.com"),
        "{wrong:?}"
    );
}

#[actix_web::test]
async fn a_source_that_is_asked_is_listed_without_a_callback_url() {
    let folder = Folder::new();
    let path = folder.path("tickrelay.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let asked = "[[source]]\nname = \"bq\"\nprovider = \"botsquad\"\n\
         url = \"https://api.example.com/broadcast/{id}\"\nunauthenticated = true\n";
    std::fs::write(&path, config + asked).unwrap();
    folder.make_store().await;
    let listed = folder.done(&["source", "list"]).await;
    assert!(listed.contains("(it is polled)"), "{listed}");
    assert!(!listed.contains("/webhooks/bq"), "{listed}");
    let sources = folder.run(&["source", "list", "--json"]).await.json();
    assert_eq!(sources["data"][0]["callback_path"], "/webhooks/cloud");
    assert_eq!(sources["data"][1]["callback_path"], Value::Null);
}
