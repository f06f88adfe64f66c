//! The clock jumped ahead or behind and came back: what it stamped meanwhile neither stops pruning
//! nor hides what others brought.

use std::time::Duration;

use serde_json::Value;
use tickrelay::access::Role;
use tickrelay::admin::{PauseSubscriber, ReprocessWebhooks};
use tickrelay::clock::{Clock, Hand};
use tickrelay::store::ReprocessSelection;
use tickrelay::store::query::SubscriberQuery;
use tickrelay::store::step::ExpireForwards;

use crate::support::api::Caller;
use crate::support::receiver::Receiver;
use crate::support::{TestApp, cloud_status, fields, only, until, until_async};

const START_MS: i64 = 1_760_000_000_000;
/// When all of it has ended.
const NOW_MS: i64 = START_MS + 60_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A subscriber that takes ten webhooks half an hour apart, four by a clock that is wrong by so many days, ten
/// more.
async fn through_a_jump(days: i64) -> (TestApp, Hand, Receiver) {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |config| {
        config.retention.webhooks_days = 8;
        config.retention.attempts_days = 8;
        config.retention.messages_days = 10;
        config.forward.max_age = Duration::from_hours(24 * 1000);
    })
    .await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let mut sent = 0;
    for (count, off_ms) in [(10, 0), (4, days * DAY_MS), (10, 0)] {
        for _ in 0..count {
            sent += 1;
            // The last is of now.
            hand.set_ms(START_MS + (sent - 24) * HOUR_MS / 2 + off_ms);
            let body = cloud_status(&format!("wamid.{sent}"), "sent", START_MS / 1000);
            assert_eq!(app.post("cloud", body).await, 200);
            until("it is forwarded", || {
                receiver.count() == usize::try_from(sent).unwrap()
            })
            .await;
            app.settled().await;
        }
    }
    hand.set_ms(NOW_MS);
    (app, hand, receiver)
}

async fn get(caller: &Caller, path: &str) -> Value {
    caller.get(path).await.with(200)
}

fn sum(rows: &Value, field: &str) -> i64 {
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| row[field].as_i64().unwrap()).sum()
}

#[actix_web::test]
async fn what_a_clock_stamped_that_had_jumped_hides_nothing_that_came_before_or_after_it() {
    for days in [400, 30, -2] {
        let (app, _hand, _receiver) = through_a_jump(days).await;
        let admin = app.caller(Role::Admin).await;
        let day_ago = "since=2025-10-08T08:53:19Z";
        // Of the last 24 h are the twenty; from a day ago on are also those of a time to come.
        let since = if days > 0 { 24 } else { 20 };
        let stats = get(&admin, "/stats").await;
        assert_eq!(sum(&stats["messages"], "messages"), 20, "{days} days");
        let stats = get(&admin, &format!("/stats?{day_ago}")).await;
        assert_eq!(sum(&stats["messages"], "messages"), since, "{days} days");
        let sources = get(&admin, "/sources").await["data"].clone();
        assert_eq!(sum(&sources, "webhooks_24h"), 20, "{days} days");
        let cloud = sources.as_array().unwrap().iter();
        let last_seen: Vec<&str> = cloud
            .filter_map(|one| one["last_seen_at"].as_str())
            .collect();
        assert_eq!(last_seen, ["2025-10-09T08:53:20.000Z"], "{days} days");
        for list in ["messages", "webhooks", "forwards", "attempts"] {
            let found = get(&admin, &format!("/{list}?limit=100&{day_ago}")).await;
            let found = found["data"].as_array().unwrap().len();
            assert_eq!(i64::try_from(found).unwrap(), since, "{list}, {days} days");
        }
        let health = get(&admin, "/subscribers/crm/health").await;
        assert_eq!(health["delivered_24h"], 20, "{days} days");
        let overview = SubscriberQuery { now_ms: NOW_MS };
        let overview = app.store.read(overview).await.unwrap().rows;
        assert_eq!(overview[0].subscriber.name, "crm");
        assert_eq!(overview[0].delivered_24h, 20, "{days} days");
        app.stop().await;
    }
}

#[actix_web::test]
async fn what_a_clock_stamped_that_had_jumped_keeps_nothing_else_from_being_pruned() {
    for days in [400, 30, -2] {
        let (app, hand, _receiver) = through_a_jump(days).await;
        let count = async |what: &str| match what {
            "webhooks" => app.webhooks().await.len(),
            "attempts" => app.attempts().await.len(),
            "messages" => app.messages().await.len(),
            _ => app.tables().count("payload"),
        };
        // What is stamped later stays until that time is old.
        let left = if days > 0 { 4 } else { 0 };
        let hour = Duration::from_hours(1);
        for (what, days) in [
            ("webhooks", 8),
            ("attempts", 8),
            ("payloads", 8),
            ("messages", 10),
        ] {
            hand.set_ms(START_MS + days * DAY_MS);
            // Hour by hour: after a jump nothing is pruned for a day.
            until_async("it is pruned", async || {
                hand.advance(hour);
                count(what).await == left
            })
            .await;
        }
        app.stop().await;
    }
}

#[actix_web::test]
async fn a_clock_that_is_behind_for_a_moment_has_nothing_given_up_as_too_old() {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |config| {
        config.forward.max_age = Duration::from_hours(72);
    })
    .await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    app.perform(PauseSubscriber {
        name: "crm".to_owned(),
    })
    .await
    .unwrap();
    app.post("cloud", cloud_status("wamid.1", "sent", START_MS / 1000))
        .await;
    hand.set_ms(START_MS - 20 * DAY_MS);
    until_async("it is due by the clock that is behind", async || {
        only(app.forwards().await).due_at_ms < START_MS - 19 * DAY_MS
    })
    .await;
    hand.set_ms(START_MS + HOUR_MS);
    let expired_before = |days| START_MS + HOUR_MS - days * DAY_MS;
    let expire = |pending_before_ms| app.store.step(ExpireForwards { pending_before_ms });
    assert_eq!(expire(expired_before(3)).await.unwrap(), 0);
    // The control: it is given up once it has waited for so long.
    hand.set_ms(START_MS + 3 * DAY_MS + HOUR_MS);
    expire(START_MS + HOUR_MS).await.unwrap();
    let gave_up = fields(&app.forwards().await, ["gave_up"]);
    assert_eq!(gave_up, [["expired"]]);
    app.stop().await;
}

#[actix_web::test]
async fn a_message_that_a_second_reading_found_hides_no_newer_one() {
    let (clock, hand) = Clock::manual(START_MS - 3 * DAY_MS);
    let app = TestApp::boot_with(clock, |_| {}).await;
    assert_eq!(app.post("cloud", "{not json").await, 200);
    hand.set_ms(START_MS);
    for number in 0..5 {
        let body = cloud_status(&format!("wamid.{number}"), "sent", START_MS / 1000);
        assert_eq!(app.post("cloud", body).await, 200);
    }
    let readable = cloud_status("wamid.old", "read", START_MS / 1000);
    app.tables().replace_unparsed(&readable);
    app.perform(ReprocessWebhooks {
        selection: ReprocessSelection::default(),
        dry_run: false,
    })
    .await
    .unwrap();
    let newest_ms = app.messages().await[0].first_report_at_ms;
    assert_eq!(newest_ms, START_MS - 3 * DAY_MS);
    let admin = app.caller(Role::Admin).await;
    let stats = get(&admin, "/stats").await;
    assert_eq!(sum(&stats["messages"], "messages"), 5);
    app.stop().await;
}
