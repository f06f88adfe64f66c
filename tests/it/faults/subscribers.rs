//! Subscribers that mean harm, and one whose name does not resolve, beside one that does not.

use rusqlite::Connection;
use tickrelay::operations::Request;

use super::{MEMORY, is_long};
use crate::support::hostile::{Hostile, Vice};
use crate::support::receiver::Receiver;
use crate::support::service::{Home, Service};
use crate::support::shim;
use crate::support::traffic::post_each;
use crate::support::until;

/// Webhooks that are posted, of two reports each in the mean; in the long form they are more
/// than a lane's memory holds.
fn webhooks() -> usize {
    if is_long() { 1_200 } else { 150 }
}

fn reports() -> usize {
    2 * webhooks()
}

/// A service with short times, so that every failure is seen soon.
fn start() -> (Home, Service) {
    let home = Home::new()
        .set("forward.timeout=1s")
        .set("forward.schedule=1s,1s,1s,1s,1s,1s,1s,1s");
    let service = home.start();
    (home, service)
}

fn store(home: &Home) -> Connection {
    let store = Connection::open(home.store()).unwrap();
    store
        .busy_timeout(std::time::Duration::from_secs(5))
        .unwrap();
    store
}

fn count(store: &Connection, what: &str, subscriber: &str) -> usize {
    let sql = format!(
        "SELECT count(*) FROM {what} AND subscriber_id = \
         (SELECT subscriber_id FROM subscriber WHERE name = ?1)"
    );
    store
        .query_row(&sql, [subscriber], |row| row.get(0))
        .unwrap()
}

fn failed(code: &str) -> String {
    format!("attempt JOIN forward USING (forward_id) WHERE error_code = '{code}'")
}

#[actix_web::test]
async fn hostile_subscribers_hold_nobody_up_and_are_served_once_they_behave() {
    let (home, service) = start();
    let healthy = Receiver::start();
    service.subscribe("healthy", &healthy.url);
    let mut hostile = Vec::new();
    for vice in Vice::ALL {
        let subscriber = Hostile::start(vice).await;
        service.subscribe(vice.name(), &subscriber.url);
        hostile.push((vice, subscriber));
    }
    post_each(service.address, 0..webhooks()).await;

    let store = store(&home);
    until("the healthy one has all", || {
        count(&store, "forward WHERE state = 'delivered'", "healthy") == reports()
    })
    .await;
    for (vice, subscriber) in &hostile {
        let failures = failed(vice.code());
        until("five attempts failed", || {
            count(&store, &failures, vice.name()) >= 5
        })
        .await;
        let delivered = count(&store, "forward WHERE state = 'delivered'", vice.name());
        assert_eq!(
            (delivered, subscriber.offended() >= 5),
            (0, true),
            "{vice:?}"
        );
    }
    let peak = service.peak_memory();
    assert!(peak < MEMORY, "{peak}");

    for (_, subscriber) in &hostile {
        subscriber.behave();
    }
    for (vice, _) in &hostile {
        let pending = || count(&store, "forward WHERE state = 'pending'", vice.name());
        until("nothing is owed any more", || pending() == 0).await;
        let delivered = count(&store, "forward WHERE state = 'delivered'", vice.name());
        // A schedule of seconds gives some up; the breaker spared the others.
        assert!(delivered > reports() / 2, "{vice:?}: {delivered}");
    }
    service.stop();
}

#[actix_web::test]
async fn a_name_that_does_not_resolve_holds_nobody_up() {
    let (home, service) = start();
    let healthy = Receiver::start();
    service.subscribe("healthy", &healthy.url);
    service.subscribe("nowhere", "http://nonexistent.invalid/status");
    post_each(service.address, 0..webhooks()).await;
    let store = store(&home);
    until("the healthy one has all", || {
        count(&store, "forward WHERE state = 'delivered'", "healthy") == reports()
    })
    .await;
    until("attempts failed", || {
        count(&store, &failed("dns"), "nowhere") >= 5
    })
    .await;
    let delivered = count(&store, "forward WHERE state = 'delivered'", "nowhere");
    assert_eq!(delivered, 0);
    let removed = service.ask(&Request::RemoveSubscriber {
        name: "nowhere".to_owned(),
    });
    assert!(format!("{removed:?}").contains("given_up"), "{removed:?}");
    service.stop();
}

#[actix_web::test]
async fn a_name_that_resolves_again_is_served_without_hands() {
    let (home, switch) = shim::with_switch();
    let home = home.set("forward.timeout=1s").set("forward.schedule=1s,1s");
    let service = home.start();
    let (near, far) = (Receiver::start(), Receiver::start());
    service.subscribe("near", &near.url);
    service.subscribe("far", &far.url.replace("127.0.0.1", "far.test"));
    switch.resolve_names(false);
    post_each(service.address, 0..webhooks()).await;
    let store = store(&home);
    until("the one with an address has all", || {
        near.count() == reports()
    })
    .await;
    until("attempts failed", || {
        count(&store, &failed("dns"), "far") >= 5
    })
    .await;
    assert_eq!(far.count(), 0);
    switch.resolve_names(true);
    until("nothing is owed any more", || {
        count(&store, "forward WHERE state = 'pending'", "far") == 0
    })
    .await;
    // The breaker spared the attempts of all but the first few.
    assert!(far.count() > reports() - 10, "{}", far.count());
    service.stop();
}
