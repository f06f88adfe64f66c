//! What is played for every kind of source is believed, understood and counted.

use std::sync::Arc;
use std::time::Duration;

use tickrelay::simulate::load::{self, Load, Pace, Summary};
use tickrelay::simulate::{Mishaps, Scenario, Traffic};

use crate::support::{self, TestApp};

/// Plays all four providers, `reports` in all, three in a webhook.
async fn play(app: &TestApp, pace: Pace, reports: u64, mishaps: Mishaps) -> Summary {
    let folder = app.path();
    let scenario = Scenario {
        sources: support::config(&folder).sources,
        target: app.url.parse().unwrap(),
        batch: 3,
        spread: 5,
        mishaps,
        seed: 7,
        run: 1,
    };
    let load = Load {
        address: app.url["http://".len()..].parse().unwrap(),
        connections: 4,
        pace,
        duration: Duration::from_secs(20),
        reports: Some(reports),
    };
    load::run(&load, Traffic::new(&scenario), &Arc::default(), |_| {})
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
    let summary = play(&app, Pace::AnswerByAnswer, 240, mishaps).await;
    assert_eq!(summary.accepted, summary.sent());
    assert_eq!(
        app.value::<u64>("SELECT count(*) FROM report"),
        summary.reports
    );
    for outcome in ["unreadable", "reports - new_reports"] {
        let sum = format!("SELECT sum({outcome}) FROM webhook");
        assert_eq!(app.value::<i64>(&sum), 0, "{outcome}");
    }
    let statuses = "SELECT count(DISTINCT status) FROM report";
    assert_eq!(app.value::<i64>(statuses), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_steady_pace_duplicates_are_told_and_stored_once() {
    let app = TestApp::boot().await;
    let mishaps = Mishaps {
        duplicates: 0.3,
        shuffle: true,
        ..Mishaps::default()
    };
    let summary = play(&app, Pace::Rate(400.0), 240, mishaps).await;
    assert_eq!(summary.accepted, summary.sent());
    assert_eq!(summary.latency_us.len(), summary.accepted);
    let stored = app.value::<u64>("SELECT count(*) FROM report");
    assert!(stored < summary.reports, "{stored} of {}", summary.reports);
}
