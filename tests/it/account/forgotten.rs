//! What of the account is forgotten: with its person, and in time.

use std::time::Duration;

use tickrelay::admin::{EraseOptions, ErasePerson};
use tickrelay::clock::Clock;

use super::{DAY, PERSON, T0, events, preference, started, template};
use crate::support::{TestApp, fields, until_async};

#[actix_web::test]
async fn a_person_goes_with_the_events_about_it_under_each_name_and_others_stay() {
    let app = TestApp::boot_with(started(), |_| {}).await;
    let ops = events(&app).await;
    let body = preference("stop", T0);
    assert_eq!(app.post("cloud", body.clone()).await, 200);
    assert_eq!(
        app.post(
            "cloud",
            body.replace(PERSON, "34600000902").replace("901", "902")
        )
        .await,
        200
    );
    app.settled().await;
    assert_eq!(ops.count(), 2);
    let erase = async |dry_run| {
        let person = "ES.13490000000000000901".to_owned();
        let options = EraseOptions {
            dry_run,
            vacuum: false,
        };
        app.order(ErasePerson { person, options }).await
    };
    let found = erase(true).await;
    assert_eq!(
        (found.account_events, found.forwards, found.bodies),
        (1, 1, 1)
    );
    assert_eq!(app.account_events().await.len(), 2);
    assert_eq!(erase(false).await, found);
    let persons = fields(&app.account_events().await, ["person"]);
    assert_eq!(persons, [["34600000902"]]);
    assert_eq!(app.forwards().await.len(), 1);
    assert_eq!(app.tables().count("payload"), 1);
    assert_eq!(app.attempts().await.len(), 1);
    assert_eq!(app.bodies().await.len(), 1);
    assert!(erase(false).await.is_nothing());
    app.stop().await;
}

#[actix_web::test]
async fn account_events_are_kept_as_long_as_messages() {
    let (clock, hand) = Clock::manual(T0 * 1000);
    let app = TestApp::boot_with(clock, |config| config.retention.messages_days = 3).await;
    app.post("cloud", template("PAUSED", "old", T0)).await;
    app.post("cloud", template("PAUSED", "again", T0)).await;
    let left = async || fields(&app.account_events().await, ["subject"]);
    // The clock jumps, and nothing is pruned for a day.
    hand.advance(2 * DAY);
    app.post("cloud", template("PAUSED", "again", T0)).await;
    assert_eq!(left().await, [["again"], ["old"]]);
    let enough_ms = (T0 + 84 * 3600) * 1000;
    until_async(
        "the old one is gone and what came again is kept",
        async || {
            if app.now_ms() < enough_ms {
                hand.advance(Duration::from_hours(1));
            }
            left().await == [["again"]]
        },
    )
    .await;
    app.stop().await;
}
