//! A bad subscriber costs a good one nothing: all that is for the good one arrives while every
//! attempt at the bad ones is still open, and none of those ends before the test does.
//!
//! Nothing here is a matter of speed, which the benchmark measures: had the good one to wait for
//! any of these attempts, it would wait for good. The control sends the same through a gateway
//! that serves one request at a time: what they share then is what the lanes keep apart, and
//! nothing arrives.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tickrelay::clock::Clock;
use tickrelay::model::Whole;

use crate::support::receiver::{Receiver, Reply};
use crate::support::{PATIENCE, TestApp, cloud, nobody_listens, until, until_async};

/// More than all attempts at the bad ones that may be open together.
const REPORTS: usize = 200;
/// Attempts at each of the bad ones at once, as many as may be.
const OPEN: u32 = 32;
/// An attempt ends after this, which is longer than any condition is waited for.
const OPEN_FOR: Duration = Duration::from_mins(30);

/// A server that answers 200 and then one byte of a header every 20 ms; counts its requests.
fn dripping() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let counted = Arc::clone(&counted);
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                counted.fetch_add(1, Ordering::SeqCst);
                let mut rest = &b"HTTP/1.1 200 OK\r\nX-Slow: "[..];
                while stream.write_all(rest).is_ok() {
                    std::thread::sleep(Duration::from_millis(20));
                    rest = b".";
                }
            });
        }
    });
    (url, asked)
}

/// Never answers while the test runs.
fn hanging() -> Receiver {
    Receiver::scripted(|_, _| Reply::status(200).after(OPEN_FOR))
}

async fn boot() -> TestApp {
    assert!(OPEN_FOR > 4 * PATIENCE);
    TestApp::boot_with(Clock::system(), |config| {
        config.forward.timeout = OPEN_FOR;
        config.server.shutdown_grace = Duration::from_millis(100);
    })
    .await
}

async fn subscribe(app: &TestApp, name: &str, url: &str) {
    app.subscribe_with(name, url, |new| new.concurrency = Whole::nearest(OPEN))
        .await;
}

async fn report(app: &TestApp, name: &str) {
    for index in 0..REPORTS {
        let id = format!("{name}.{index}");
        app.report(&[cloud::status(&id, "sent", 1_760_000_000)])
            .await;
    }
}

/// Attempts at that subscriber that have ended.
async fn ended(app: &TestApp, name: &str) -> usize {
    app.attempts_at(name).await.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_a_hanging_and_a_dripping_neighbour_keep_nothing_from_a_healthy_one() {
    let app = boot().await;
    let (_dead, dead) = nobody_listens();
    let (hanging, (dripping, dripped)) = (hanging(), dripping());
    subscribe(&app, "dead", &dead).await;
    subscribe(&app, "hanging", &hanging.url).await;
    subscribe(&app, "dripping", &dripping).await;
    report(&app, "before").await;
    let open = usize::try_from(OPEN).unwrap();
    until_async("all that may be open is", async || {
        hanging.count() == open
            && dripped.load(Ordering::SeqCst) == open
            && ended(&app, "dead").await > 0
    })
    .await;

    let healthy = Receiver::start();
    subscribe(&app, "healthy", &healthy.url).await;
    report(&app, "after").await;
    until("the healthy one has all", || healthy.count() == REPORTS).await;
    until_async("and it is written down", async || {
        ended(&app, "healthy").await == REPORTS
    })
    .await;
    // Not one of those that are open has ended, and none was added to them.
    for name in ["hanging", "dripping"] {
        assert_eq!(ended(&app, name).await, 0, "{name}");
    }
    assert_eq!(
        (hanging.count(), dripped.load(Ordering::SeqCst)),
        (open, open)
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_shares_a_slot_with_one_that_hangs_is_caught_with_nothing() {
    let app = boot().await;
    let gateway = Receiver::one_at_a_time(|_, request| match request.path.as_str() {
        "/hanging" => Reply::status(200).after(OPEN_FOR),
        _ => Reply::status(200),
    });
    let url = gateway.url.replace("/status", "/hanging");
    subscribe(&app, "hanging", &url).await;
    report(&app, "before").await;
    until("the slot is taken", || gateway.count() == 1).await;
    subscribe(&app, "healthy", &gateway.url).await;
    // Each is on the disk, and its attempt may begin.
    report(&app, "after").await;
    assert_eq!(ended(&app, "healthy").await, 0);
    assert_eq!(gateway.count(), 1);
    app.stop().await;
}
