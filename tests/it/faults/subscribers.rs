//! Subscribers that mean harm, and one whose name does not resolve, beside one that does not:
//! it gets all while nothing of them is delivered, with a control in which it gets nothing.

use std::time::Duration;

use super::{MEMORY, is_long};
use crate::support::hostile::{Hostile, Vice};
use crate::support::receiver::{Receiver, Reply};
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

/// How long an attempt may take: who waited for one that hangs would wait for that long, again
/// and again.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Short waits, so that every failure is seen soon, and so many that none is given up meanwhile:
/// a redirect is no outage, and uses up its attempts.
fn impatient(home: Home) -> Home {
    let waits = ["1s", "2s", "4s"].into_iter().chain(["8s"; 20]);
    let waits: Vec<&str> = waits.collect();
    home.set(&format!("forward.timeout={}s", TIMEOUT.as_secs()))
        .set(&format!("forward.schedule={}", waits.join(",")))
}

fn start() -> (Home, Service) {
    let home = impatient(Home::new());
    let service = home.start();
    (home, service)
}

/// Posts webhooks one after the other.
async fn post(service: &Service, webhooks: usize) {
    for number in 0..webhooks {
        post_each(service.address, [number]).await;
    }
}

/// Fails unless the healthy one gets all, each at the first attempt.
async fn check_all(service: &Service, healthy: (&str, &Receiver)) {
    let (name, receiver) = healthy;
    until("the healthy one has all", || receiver.count() >= reports()).await;
    let path = format!("/forwards?subscriber={name}&state=delivered");
    until("each at once", || {
        let delivered = service.all(&path);
        let at_once = delivered.iter().filter(|it| it["attempts"] == 1);
        at_once.count() == reports()
    })
    .await;
    assert_eq!(receiver.count(), reports());
}

/// Whether this subscriber failed at least five times, each time so.
fn has_failed(service: &Service, name: &str, code: &str) -> bool {
    let path = format!("/attempts?subscriber={name}&error={code}&limit=5");
    service.get(&path)["data"].as_array().unwrap().len() == 5
}

#[actix_web::test]
async fn hostile_subscribers_hold_nobody_up_and_are_served_once_they_behave() {
    let (_home, service) = start();
    let healthy = Receiver::start();
    service.subscribe("healthy", &healthy.url);
    let mut hostile = Vec::new();
    for vice in Vice::ALL {
        let subscriber = Hostile::start(vice).await;
        service.subscribe(vice.name(), &subscriber.url);
        hostile.push((vice, subscriber));
    }
    post(&service, webhooks()).await;
    check_all(&service, ("healthy", &healthy)).await;

    for (vice, subscriber) in &hostile {
        until("five attempts failed", || {
            has_failed(&service, vice.name(), vice.code())
        })
        .await;
        assert_eq!(service.health(vice.name())["delivered_24h"], 0, "{vice:?}");
        assert!(subscriber.offended() >= 5, "{vice:?}");
    }
    let peak = service.peak_memory();
    assert!(peak < MEMORY, "{peak}");

    for (_, subscriber) in &hostile {
        subscriber.behave();
    }
    for (vice, _) in &hostile {
        until("nothing is pending any more", || {
            service.health(vice.name())["pending"] == 0
        })
        .await;
        let delivered = service.health(vice.name())["delivered_24h"].clone();
        assert_eq!(delivered, reports(), "{vice:?}");
    }
    service.stop();
}

#[actix_web::test]
async fn a_name_that_does_not_resolve_holds_nobody_up() {
    let (_home, service) = start();
    let healthy = Receiver::start();
    service.subscribe("healthy", &healthy.url);
    service.subscribe("nowhere", "http://nonexistent.invalid/status");
    post(&service, webhooks()).await;
    check_all(&service, ("healthy", &healthy)).await;
    until("attempts failed", || has_failed(&service, "nowhere", "dns")).await;
    assert_eq!(service.health("nowhere")["delivered_24h"], 0);
    service.ask("DELETE", "/subscribers/nowhere", &());
    service.stop();
}

#[actix_web::test]
async fn a_name_that_resolves_again_is_served_without_hands() {
    let (home, switch) = shim::with_switch();
    let home = impatient(home);
    let service = home.start();
    let (near, far) = (Receiver::start(), Receiver::start());
    service.subscribe("near", &near.url);
    service.subscribe("far", &far.url.replace("127.0.0.1", "far.test"));
    switch.resolve_names(false);
    post(&service, webhooks()).await;
    check_all(&service, ("near", &near)).await;
    until("attempts failed", || has_failed(&service, "far", "dns")).await;
    assert_eq!(far.count(), 0);
    switch.resolve_names(true);
    until("nothing is pending any more", || {
        service.health("far")["pending"] == 0
    })
    .await;
    // None came there before.
    assert_eq!(far.count(), reports());
    service.stop();
}

#[actix_web::test]
async fn one_that_shares_a_slot_with_one_that_hangs_is_caught_with_nothing() {
    let home = impatient(Home::new()).set("forward.timeout=30m");
    let service = home.start();
    let gateway = Receiver::one_at_a_time(|_, request| {
        let hangs = request.path == "/hangs";
        Reply::status(200).after(if hangs {
            Duration::from_mins(30)
        } else {
            Duration::ZERO
        })
    });
    service.subscribe("hangs", &gateway.url.replace("/status", "/hangs"));
    post(&service, 1).await;
    until("the slot is taken", || gateway.count() == 1).await;
    service.subscribe("healthy", &gateway.url);
    post(&service, webhooks()).await;
    assert_eq!(gateway.count(), 1);
    assert_eq!(service.health("healthy")["delivered_24h"], 0);
    drop(service);
}
