//! What is played for every kind of source is believed, understood and counted; the command
//! does it as an integrator asks, and says why when it cannot.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tickrelay::play::load::{self, Load, LoadSummary, SendRate};
use tickrelay::play::{Mishaps, Scenario, TrafficGenerator};

use crate::support::cli::Folder;
use crate::support::{self, TestApp, nobody_listens};

/// Adds a source to the configuration.
fn add_source(folder: &Folder, name: &str, settings: &str) {
    let file = folder.path("tickrelay.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let source = format!("[[source]]\nname = \"{name}\"\n{settings}\n");
    std::fs::write(file, config + &source).unwrap();
}

/// Plays all four providers, `reports` in all, three in a webhook.
async fn play(app: &TestApp, send_rate: SendRate, reports: u64, mishaps: Mishaps) -> LoadSummary {
    let folder = app.path();
    let scenario = Scenario {
        sources: support::config(&folder).sources,
        target: app.url.parse().unwrap(),
        public_url: None,
        batch: 3,
        spread: 5,
        mishaps,
        seed: 7,
        run: 1,
    };
    let load = Load {
        address: app.url["http://".len()..].parse().unwrap(),
        connections: 4,
        send_rate,
        duration: Duration::from_secs(20),
        reports: Some(reports),
    };
    load::run(
        &load,
        TrafficGenerator::new(&scenario),
        &Arc::default(),
        |_| {},
    )
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_simulated_report_is_believed_and_understood() {
    let app = TestApp::boot().await;
    let mishaps = Mishaps {
        failures: 0.2,
        ..Mishaps::default()
    };
    let summary = play(&app, SendRate::AnswerByAnswer, 240, mishaps).await;
    assert_eq!(summary.accepted, summary.sent());
    let reports = app.reports().await;
    assert_eq!(u64::try_from(reports.len()).unwrap(), summary.reports);
    for webhook in app.webhooks().await {
        assert_eq!(
            (webhook.unreadable, webhook.new_reports),
            (0, webhook.reports)
        );
    }
    let statuses: BTreeSet<_> = reports.iter().filter_map(|it| it.status).collect();
    assert_eq!(statuses.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_steady_pace_duplicates_are_reported_and_stored_once() {
    let app = TestApp::boot().await;
    let mishaps = Mishaps {
        duplicates: 0.3,
        shuffle: true,
        ..Mishaps::default()
    };
    let summary = play(&app, SendRate::Rate(400.0), 240, mishaps).await;
    assert_eq!(summary.accepted, summary.sent());
    assert_eq!(summary.latency_us.len(), summary.accepted);
    let stored = u64::try_from(app.reports().await.len()).unwrap();
    assert!(stored < summary.reports, "{stored} of {}", summary.reports);
}

#[actix_web::test]
async fn an_integrator_plays_a_provider_and_finds_what_was_played() {
    let folder = Folder::new();
    let service = folder.serve();
    let answer = folder
        .run(&[
            "simulate",
            "--url",
            service.base(),
            "--source",
            "cloud",
            "--providers",
            "meta-cloud,infobip",
            "--rate",
            "400",
            "--for",
            "20s",
            "--count",
            "80",
            "--shuffle",
            "--duplicates",
            "50%",
            "--failures",
            "100%",
            "--seed",
            "7",
            "--json",
        ])
        .await;
    assert_eq!(answer.exit, 0, "{answer:?}");
    assert!(
        answer.talk.contains("playing the provider") && answer.talk.contains("seed 7"),
        "{answer:?}"
    );
    let summary_line = answer.json();
    assert_eq!(summary_line["seed"], 7);
    assert_eq!(summary_line["sent"], summary_line["accepted"]);
    let reports = summary_line["reports"].as_u64().unwrap();
    assert!((80..90).contains(&reports), "{summary_line}");
    let reports_per_s = summary_line["reports_per_s"].as_f64().unwrap();
    assert!(reports_per_s <= 401.0, "{summary_line}");
    assert!(summary_line["ack_us"]["p50"].as_u64().unwrap() > 0);
    for search in [
        ["message", "list", "--status", "failed"],
        ["webhook", "list", "--outcome", "duplicate"],
    ] {
        folder.done(&search).await;
    }
}

#[actix_web::test]
async fn a_message_is_read_within_seconds_however_many_sources_take_turns() {
    let folder = Folder::new();
    for name in ["second", "third", "fourth"] {
        let infobip = "provider = \"infobip\"\nunauthenticated = true";
        add_source(&folder, name, infobip);
    }
    let service = folder.serve();
    let url = service.base();
    let summary_line = folder
        .done(&["simulate", "--url", url, "--rate", "200", "--for", "6s"])
        .await;
    assert!(summary_line.contains(" 1200 reports ("), "{summary_line}");
    let search = [
        "message", "list", "--status", "read", "--limit", "1200", "--json",
    ];
    let read = folder.run(&search).await.json();
    // A second between two steps of a message: reading begins after about four.
    let read = read["data"].as_array().unwrap().len();
    assert!((60..300).contains(&read), "{read}");
}

#[actix_web::test]
async fn few_webhooks_are_counted_over_the_time_that_was_asked_for() {
    let folder = Folder::new();
    let service = folder.serve();
    let url = service.base();
    for (arguments, said) in [
        // One webhook of a hundred, of which the next would leave after 33 s.
        (
            ["--rate", "3", "--batch", "100", "--for", "2s"],
            "(50 reports/s)",
        ),
        (
            ["--rate", "0.5", "--batch", "1", "--for", "1s"],
            "(1.0 reports/s)",
        ),
        // Connections that wait for a turn do not count.
        (
            ["--rate", "2", "--batch", "1", "--count", "2"],
            "(2.0 reports/s)",
        ),
    ] {
        let summary_line = folder
            .done(&[&["simulate", "--url", url], &arguments[..]].concat())
            .await;
        assert!(summary_line.contains(said), "{summary_line}");
    }
}

#[actix_web::test]
async fn as_fast_as_the_answers_come_it_says_so_in_words() {
    let folder = Folder::new();
    let service = folder.serve();
    let url = service.base();
    let said = folder
        .done(&[
            "simulate", "--url", url, "--rate", "max", "--batch", "10", "--count", "40",
        ])
        .await;
    for part in [
        "webhooks in ",
        "accepted  ",
        " reports/s)",
        "answered  p50 ",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    assert!(!said.contains("refused"), "{said}");
}

#[actix_web::test]
async fn what_the_service_refuses_is_counted_with_a_reason() {
    let folder = Folder::new();
    let service = folder.serve();
    let config = std::fs::read_to_string(folder.path("tickrelay.toml")).unwrap();
    let other = config.replace("an-app-secret", "another-app-secret");
    std::fs::write(folder.path("other.toml"), other).unwrap();
    let arguments = ["--config", "other.toml", "simulate", "--count", "3"];
    let elsewhere = format!("{}/elsewhere", service.base());
    for (url, reason) in [
        (service.base(), " with 401: the service has another secret"),
        (&elsewhere, " with 404: the service has no source"),
    ] {
        let answer = folder
            .run(&[&arguments[..], &["--url", url]].concat())
            .await;
        assert_eq!(answer.exit, 1, "{answer:?}");
        assert!(answer.data.contains(reason), "{answer:?}");
        assert!(!answer.data.contains("answered"), "{answer:?}");
    }
}

#[actix_web::test]
async fn what_cannot_be_played_is_refused_before_anything_is_sent() {
    let folder = Folder::new();
    add_source(
        &folder,
        "bots",
        "provider = \"botsquad\"\nunauthenticated = true\nurl = \"https://api.example.com/broadcast/{id}\"",
    );
    let (_away, away) = nobody_listens();
    let away = away.trim_end_matches('/').to_owned();
    let cases: &[(&[&str], &str)] = &[
        (&["--url", &away], "where tickrelay serve should listen"),
        (&["--source", "crm"], "which has cloud, bots"),
        (
            &["--source", "cloud,bots"],
            "bots: tickrelay polls such a source, nothing can be sent to it",
        ),
        (&["--providers", "botsquad"], "bots: tickrelay polls such"),
        (&["--count", "0"], "write how many reports, 1 or more"),
        (
            &["--providers", "infobip"],
            "no source is of such a provider",
        ),
        (&["--providers", "meta"], "meta-on-premises, 360dialog"),
        (&["--url", "https://127.0.0.1"], "only http:// is spoken"),
        (&["--url", "127.0.0.1:8080"], "write it as http://"),
        (&["--url", "http://192.0.2.7"], "--allow-remote sends it"),
        (&["--rate", "0"], "write reports a second"),
        (&["--for", "25h"], "from 1ms to 24h"),
        (&["--duplicates", "150%"], "write a share"),
    ];
    for (arguments, reason) in cases {
        let answer = folder.run(&[&["simulate"], *arguments].concat()).await;
        assert_eq!(answer.exit, 2, "{arguments:?}: {answer:?}");
        assert!(answer.talk.contains(reason), "{arguments:?}: {answer:?}");
        assert_eq!(answer.data, "", "{arguments:?}");
    }
}

/// The rows that a query counts in the folder's store.
fn counted(folder: &Folder, query: &str) -> i64 {
    let store = rusqlite::Connection::open(folder.path("tickrelay.db")).unwrap();
    let count = store.query_row(&format!("SELECT count(*) FROM {query}"), [], |row| {
        row.get(0)
    });
    count.unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// As it would have been taken in at the time: nothing in it is of today, and nothing is left to be read.
#[actix_web::test]
async fn a_week_of_history_fills_a_new_store_by_the_line_that_a_true_one_takes() {
    let folder = Folder::new();
    add_source(
        &folder,
        "infobip",
        "provider = \"infobip\"\nunauthenticated = true",
    );
    let fill = ["simulate", "--history", "7d", "--messages", "3000"];
    let answer = folder.run(&[&fill[..], &["--json"]].concat()).await;
    assert_eq!(answer.exit, 0, "{answer:?}");
    let filled = answer.json();
    assert_eq!(filled["messages"], 3000);
    let is_there = |query: &str, least: i64| {
        let count = counted(&folder, query);
        assert!(count >= least, "{count} {query}");
    };
    for (query, least) in [
        ("message", 2_900),
        ("registration", 1_300),
        ("webhook WHERE outcome = 'duplicate'", 1),
        ("account_event WHERE name = 'template.paused'", 1),
        ("report WHERE lower(other_channel) LIKE 'sms%'", 1),
        ("forward WHERE state = 'delivered'", 50),
        ("attempt WHERE http_status = 503", 3),
        ("payload WHERE CAST(body AS TEXT) LIKE '%source.silent%'", 1),
        ("traffic", 500),
    ] {
        is_there(query, least);
    }
    assert_eq!(counted(&folder, "webhook WHERE outcome = 'unparsed'"), 0);
    let times = "(SELECT max(received_at_ms) - min(received_at_ms) AS span FROM webhook) \
                 WHERE span > 6 * 86400000";
    assert_eq!(counted(&folder, times), 1);

    // A second history has no place in it.
    let again = folder.run(&fill).await;
    assert_eq!(again.exit, 2, "{again:?}");
    assert!(again.talk.contains("there is a store already"), "{again:?}");
    // The service goes on with it, and has no complaint of the clock.
    let service = folder.serve();
    let subscribers = folder.done(&["subscriber", "list"]).await;
    assert_eq!(subscribers.matches("paused").count(), 5, "{subscribers}");
    let ready = support::client().get(format!("{}/readyz", service.base()));
    let ready = ready.send().await.unwrap().bytes().await.unwrap();
    let ready: serde_json::Value = serde_json::from_slice(&ready).unwrap();
    assert!(ready["clock_held"].is_null(), "{ready}");
}

#[actix_web::test]
async fn a_history_that_cannot_be_is_refused_before_there_is_a_store() {
    let folder = Folder::new();
    for (arguments, why) in [
        ("--history 3d", "from 7d to 90d"),
        ("--history 30", "is not a duration"),
        ("--history 30d --messages 5", "1000"),
        ("--messages 5000", "--history"),
        ("--history 30d --rate 5", "--rate"),
        ("--history 30d --source none", "no source is named \"none\""),
    ] {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let answer = folder.run(&[&["simulate"], &arguments[..]].concat()).await;
        assert_eq!(answer.exit, 2, "{answer:?}");
        assert!(answer.talk.contains(why), "{why:?}: {answer:?}");
    }
    assert!(!folder.path("tickrelay.db").exists());
}
