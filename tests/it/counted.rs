//! What is pending is counted as it changes: `/metrics`, `/readyz` and the API say what the table
//! says, whatever changed it, and none of them reads it for that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::admin::{
    EraseOptions, ErasePerson, PauseSubscriber, RemoveSubscriber, ReplayOrder, RetryForwards,
    StartReplay,
};
use tickrelay::clock::Clock;
use tickrelay::metrics::{Described, TABLE};
use tickrelay::model::Whole;
use tickrelay::store::RetrySelection;

use crate::retrying::{START_MS, T0, attempts, switched};
use crate::support::receiver::{Receiver, Reply};
use crate::support::{PATIENCE, TestApp, cloud, key, until, until_async};

/// Pending forwards of each subscriber, by the list of them.
async fn table(app: &TestApp) -> Vec<(String, u64)> {
    let subscribers = Arc::clone(&app.store.subscribers().borrow());
    let names = subscribers.iter().map(|it| (it.name.clone(), 0));
    let mut counts: BTreeMap<String, u64> = names.collect();
    let pending = app.pending(1_000).await.into_iter();
    for forward in pending.filter(|it| !it.subscriber_removed) {
        *counts.get_mut(&forward.subscriber).unwrap() += 1;
    }
    counts.into_iter().collect()
}

/// The same by `/metrics`.
async fn metrics(app: &TestApp) -> Vec<(String, u64)> {
    let page = app.http.get(format!("{}/metrics", app.url)).send();
    let page = page.await.unwrap().text().await.unwrap();
    let mut counts: Vec<(String, u64)> = page
        .lines()
        .filter_map(|line| {
            let rest = line.strip_prefix("tickrelay_pending_forwards{subscriber=\"")?;
            let (name, count) = rest.split_once("\"} ")?;
            Some((name.to_owned(), count.parse().unwrap()))
        })
        .collect();
    counts.sort();
    counts
}

async fn readiness(app: &TestApp) -> Value {
    let answer = app.http.get(format!("{}/readyz", app.url)).send();
    let text = answer.await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Everything that shows how much is pending agrees with the table.
async fn check(app: &TestApp, after: &str) {
    assert_eq!(metrics(app).await, table(app).await, "after {after}");
    let all: u64 = table(app).await.iter().map(|(_, count)| count).sum();
    assert_eq!(
        readiness(app).await["pending_forwards"],
        all,
        "after {after}"
    );
    let pending = app.pending(1_000).await.into_iter();
    let pending = pending.filter(|it| !it.subscriber_removed);
    let oldest = pending.map(|it| it.pending_since_ms).min();
    let age_ms = oldest.map_or(0, |since_ms| app.now_ms() - since_ms);
    let shown = readiness(app).await["oldest_pending_forward_age_ms"].clone();
    assert_eq!(shown, age_ms, "after {after}");
}

#[actix_web::test]
async fn the_counts_of_what_is_pending_agree_with_the_table_whatever_changed_it() {
    let (clock, hand) = Clock::manual(START_MS);
    let mut app = TestApp::boot_with(clock, |config| {
        config.forward.schedule = vec![Duration::from_mins(1)];
        config.forward.max_age = Duration::from_hours(12);
    })
    .await;
    check(&app, "nothing").await;
    let (receiver, switch) = switched(400);
    let taking = Receiver::start();
    for (name, receiver) in [("crm", &receiver), ("bi", &taking), ("gone", &receiver)] {
        app.subscribe(name, &receiver.url).await;
    }
    for index in 0..4 {
        app.report(&[cloud::status(&format!("wamid.{index}"), "sent", T0)])
            .await;
    }
    attempts(&app, 12).await;
    check(&app, "reports").await;
    assert_eq!(table(&app).await[1], ("crm".to_owned(), 4));
    app = app.restart().await;
    check(&app, "a restart").await;
    let name = "gone".to_owned();
    app.order(RemoveSubscriber { name }).await;
    check(&app, "a removal").await;
    hand.advance(Duration::from_secs(80));
    app.settled().await;
    check(&app, "giving up").await;
    app.order(PauseSubscriber {
        name: "crm".to_owned(),
    })
    .await;
    app.order(RetryForwards(RetrySelection {
        forward_ids: vec![key(1), key(4)],
        new_id: false,
    }))
    .await;
    check(&app, "a retry by hand").await;
    app.order(StartReplay(ReplayOrder {
        subscriber: "crm".to_owned(),
        missed: true,
        ..ReplayOrder::default()
    }))
    .await;
    let of_crm = async || table(&app).await[1].1;
    until_async("the replay has queued the rest", async || {
        of_crm().await == 4
    })
    .await;
    check(&app, "a replay").await;
    app.report(&[cloud::with(
        cloud::status("wamid.other", "sent", T0),
        &json!({"recipient_id": "34600000002"}),
    )])
    .await;
    app.order(ErasePerson {
        person: "34600000001".to_owned(),
        options: EraseOptions {
            dry_run: false,
            vacuum: false,
        },
    })
    .await;
    let left = [("bi".to_owned(), 0), ("crm".to_owned(), 1)];
    until_async("one is left", async || table(&app).await == left).await;
    check(&app, "an erasure").await;
    hand.advance(Duration::from_hours(14));
    until_async("it expires", async || of_crm().await == 0).await;
    check(&app, "expiring").await;
    switch.store(200, std::sync::atomic::Ordering::SeqCst);
    app.stop().await;
}

/// The control, and the proof that nothing is read: what another process does to the table is seen
/// after the next start alone.
#[actix_web::test]
async fn to_ask_how_much_is_pending_reads_no_forward() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let name = "crm".to_owned();
    app.order(PauseSubscriber { name }).await;
    for index in 0..3 {
        app.report(&[cloud::status(&format!("wamid.{index}"), "sent", T0)])
            .await;
    }
    app.tables().set_state(2, "gave-up");
    let counted = [("crm".to_owned(), 3)];
    assert_eq!(table(&app).await, [("crm".to_owned(), 2)]);
    assert_eq!(metrics(&app).await, counted);
    assert_eq!(readiness(&app).await["pending_forwards"], 3);
    let admin = app.caller(Role::Admin).await;
    for (path, field) in [
        ("/stats", "pending_forwards"),
        ("/subscribers/crm/health", "pending"),
    ] {
        assert_eq!(admin.get(path).await.with(200)[field], 3, "{path}");
    }
    let app = app.restart().await;
    assert_eq!(metrics(&app).await, table(&app).await);
    app.stop().await;
}

#[actix_web::test]
async fn health_separates_attempts_from_forwards_and_shows_the_next_probe() {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let receiver = Receiver::scripted(|index, _| {
        Reply::status(if index.is_multiple_of(4) { 400 } else { 200 })
    });
    app.subscribe_with("crm", &receiver.url, |new| {
        new.concurrency = Whole::nearest(1);
    })
    .await;
    for index in 0..8 {
        app.report(&[cloud::status(&format!("wamid.{index}"), "sent", T0)])
            .await;
    }
    attempts(&app, 8).await;
    let admin = app.caller(Role::Admin).await;
    let health = || async { admin.get("/subscribers/crm/health").await.with(200) };
    let of_forwards = health().await;
    assert_eq!(
        (
            &of_forwards["success_rate_24h"],
            &of_forwards["attempt_success_rate_24h"]
        ),
        (&json!(1.0), &json!(0.75))
    );
    assert_eq!(
        (
            &of_forwards["delivered_attempts_24h"],
            &of_forwards["failed_attempts_24h"]
        ),
        (&json!(6), &json!(2))
    );
    // Down: five failures more than ten seconds after the last success.
    receiver.answer(|_, _| Reply::status(503));
    hand.advance(Duration::from_secs(11));
    for index in 8..16 {
        app.report(&[cloud::status(&format!("wamid.{index}"), "sent", T0)])
            .await;
    }
    until("the breaker is open", || receiver.count() == 8 + 5).await;
    attempts(&app, 13).await;
    let open = health().await;
    assert_eq!(open["breaker"], "open");
    let probe = open["next_due_at"].as_str().unwrap().to_owned();
    // The probe is in about a second; the forwards have been due for longer.
    let now = "2025-10-09T08:53:31.000Z";
    assert!(probe.as_str() > now, "{probe}");
    // The store learns of it after a minute.
    assert_eq!(open["failing_since"], now);
    let noted = app.forwards().await[0].subscriber_failing_since_ms;
    assert_eq!(noted, None);
    hand.advance(Duration::from_secs(2));
    attempts(&app, 14).await;
    let later = health().await["next_due_at"].as_str().unwrap().to_owned();
    assert!(later > probe, "{later} after {probe}");
    // A day on, nothing of it counts.
    receiver.answer(|_, _| Reply::status(200));
    hand.advance(Duration::from_hours(25));
    app.settled().await;
    let health = health().await;
    assert_eq!(health["failed_attempts_24h"], 0);
    assert_eq!(health["attempt_success_rate_24h"], 1.0);
    app.stop().await;
}

/// The page of the documentation, as the table of metrics makes it.
fn page() -> String {
    let rows: Vec<String> = TABLE.iter().map(Described::markdown).collect();
    format!(
        "<!-- Written from src/metrics.rs; UPDATE_DOCS=1 cargo test --test it counted:: -->\n\n\
         # Metrics\n\n\
         `/metrics` has these, in the text format of OpenMetrics. A counter begins at zero with the \
         start of the service.\n\n\
         | name | type | labels | what it is |\n|---|---|---|---|\n{}\n",
        rows.join("\n")
    )
}

#[test]
fn the_documentation_has_every_metric_of_the_table() {
    let path = crate::support::program::root("docs/metrics.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        page(),
        "UPDATE_DOCS=1 cargo test --test it counted:: writes it"
    );
}

/// Waits until these are the metrics with a line about that subscriber.
async fn shows(app: &TestApp, subscriber: &str, expected: &BTreeSet<String>) {
    let deadline = Instant::now() + PATIENCE;
    let label = format!("subscriber=\"{subscriber}\"");
    loop {
        let page = app.http.get(format!("{}/metrics", app.url)).send();
        let page = page.await.unwrap().text().await.unwrap();
        let lines = page.lines().filter(|line| line.contains(&label));
        let names = lines.filter_map(|line| Some(line.split_once('{')?.0.to_owned()));
        let shown: BTreeSet<String> = names.collect();
        if shown == *expected {
            return;
        }
        assert!(Instant::now() < deadline, "{shown:?}, not {expected:?}");
    }
}

#[actix_web::test]
async fn no_state_of_a_removed_subscriber_is_shown_and_its_counts_stay() {
    let (clock, _hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let (receiver, _switch) = switched(503);
    app.subscribe("gone", &receiver.url).await;
    for index in 0..5 {
        app.report(&[cloud::status(&format!("wamid.{index}"), "sent", T0)])
            .await;
    }
    attempts(&app, 5).await;
    let rows: Vec<String> = TABLE.iter().map(Described::markdown).collect();
    let of_kind = |kind: &str| -> BTreeSet<String> {
        let begins = format!("| {kind} | `subscriber`: ");
        let of_subscriber = rows.iter().filter(|row| row.contains(&begins));
        let name = |row: &String| row.split('`').nth(1).unwrap().to_owned();
        of_subscriber.map(name).collect()
    };
    let (states, counts) = (of_kind("gauge"), of_kind("counter"));
    assert!(
        states.len() > 3 && counts.len() > 1,
        "{states:?} {counts:?}"
    );
    // The control: while it is down, every metric of a subscriber shows it.
    shows(&app, "gone", &states.union(&counts).cloned().collect()).await;
    let name = "gone".to_owned();
    app.order(RemoveSubscriber { name }).await;
    shows(&app, "gone", &counts).await;
    app.stop().await;
}

#[actix_web::test]
async fn every_metric_that_is_served_is_documented() {
    let app = TestApp::boot().await;
    let served = app.http.get(format!("{}/metrics", app.url)).send();
    let served = served.await.unwrap().text().await.unwrap();
    let names = served
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let mut count = 0;
    for described in names {
        let (name, kind) = described.split_once(' ').unwrap();
        let total = if kind == "counter" { "_total" } else { "" };
        let row = format!("| `{name}{total}` | {kind} |");
        assert!(page().contains(&row), "{row}");
        count += 1;
    }
    assert!(count > 10, "{served}");
    app.settled().await;
    app.stop().await;
}
