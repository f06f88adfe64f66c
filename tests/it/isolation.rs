//! A bad subscriber costs a good one nothing: measured with and without the bad ones.
//!
//! Ten pairs of short windows, interleaved so that a busy machine hurts both alike; the median
//! of the windows' p99 is compared, because one p99 of a hundred reports is one report. Where
//! other work on the machine drowns it, ten more pairs are added, twice at most. The store does
//! not wait for the disk, which is shared and no subscriber's fault. The
//! control sends the same four subscribers through a gateway that serves one request at a time:
//! what they share then is what the lanes keep apart, and the same measurement must see it.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use tickrelay::clock::Clock;
use tickrelay::operations::Request;
use tickrelay::store::Durability;

use crate::support::receiver::{Received, Receiver, Reply};
use crate::support::{TestApp, cloud, until};

const PAIRS: usize = 10;
const REPORTS: usize = 100;
const BETWEEN: Duration = Duration::from_millis(6);
/// How much slower the healthy one may be with bad neighbours.
const FACTOR: f64 = 1.2;
/// A difference that is nobody's fault: a p99 is a few ms here, and each neighbour, bad or
/// good, is one more forward to be stored and sent.
const NOISE: Duration = Duration::from_millis(4);
/// How often ten pairs are added before the measurement counts as clear.
const ROUNDS: usize = 3;

const BAD: [&str; 3] = ["dead", "hanging", "dripping"];

/// Where the bad ones are reached.
struct Neighbours {
    urls: [String; 3],
}

impl Neighbours {
    /// Nobody listens; no answer comes; an answer comes byte by byte and never ends.
    fn apart() -> Self {
        let dead = TcpListener::bind("127.0.0.1:0").unwrap();
        let dead = format!("http://{}/", dead.local_addr().unwrap());
        let hanging = Receiver::scripted(|_, _| Reply::status(200).after(Duration::from_mins(1)));
        Self {
            urls: [dead, hanging.url, dripping()],
        }
    }

    /// All behind the gateway, which is as bad on these paths.
    fn behind(gateway: &Receiver) -> Self {
        Self {
            urls: BAD.map(|name| gateway.url.replace("/status", &format!("/{name}"))),
        }
    }
}

/// A server that answers 200 and then one byte of the body every 20 ms.
fn dripping() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let mut rest = &b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"[..];
                while stream.write_all(rest).is_ok() {
                    std::thread::sleep(Duration::from_millis(20));
                    rest = b".";
                }
            });
        }
    });
    url
}

/// One window: the p99 of the time from sending a webhook to the healthy one's having it.
async fn window(app: &TestApp, healthy: &Receiver, name: &str) -> Duration {
    let mut sent: HashMap<String, Instant> = HashMap::new();
    let mut posts = tokio::task::JoinSet::new();
    let mut tick = tokio::time::interval(BETWEEN);
    for index in 0..REPORTS {
        tick.tick().await;
        let id = format!("{name}.{index}");
        let post = app.post_later(cloud::webhook(&[cloud::status(&id, "sent", 1_760_000_000)]));
        sent.insert(id, Instant::now());
        posts.spawn(post);
    }
    for status in posts.join_all().await {
        assert_eq!(status, 200);
    }
    let mine =
        |request: &Received| request.path == "/status" && sent.contains_key(&request.message());
    until("all arrive", || {
        healthy
            .received()
            .iter()
            .filter(|request| mine(request))
            .count()
            >= REPORTS
    })
    .await;
    let mut times: Vec<Duration> = healthy
        .received()
        .iter()
        .filter(|request| mine(request))
        .map(|request| request.at - sent[&request.message()])
        .collect();
    times.sort_unstable();
    times[times.len() * 99 / 100 - 1]
}

/// The p99 of each window so far.
#[derive(Default)]
struct Windows {
    with: Vec<Duration>,
    without: Vec<Duration>,
}

impl Windows {
    async fn add_pairs(
        &mut self,
        app: &TestApp,
        healthy: &Receiver,
        bad: &Neighbours,
        pairs: usize,
    ) {
        let so_far = self.with.len();
        for pair in so_far..so_far + pairs {
            for step in 0..2 {
                // Each is the first of a pair by turns.
                if (pair + step) % 2 == 0 {
                    for (name, url) in BAD.iter().zip(&bad.urls) {
                        app.subscribe(name, url).await;
                    }
                    let p99 = window(app, healthy, &format!("with-{pair}")).await;
                    self.with.push(p99);
                    for name in BAD {
                        let name = name.to_owned();
                        app.order(Request::RemoveSubscriber { name }).await;
                    }
                } else {
                    let p99 = window(app, healthy, &format!("without-{pair}")).await;
                    self.without.push(p99);
                }
            }
        }
    }

    /// The medians, with and without bad neighbours.
    fn medians(&self) -> (Duration, Duration) {
        let median = |times: &[Duration]| {
            let mut times = times.to_vec();
            times.sort_unstable();
            times[times.len() / 2]
        };
        (median(&self.with), median(&self.without))
    }

    fn are_alike(&self) -> bool {
        let (with, without) = self.medians();
        with <= without.mul_f64(FACTOR) + NOISE
    }
}

async fn boot() -> TestApp {
    TestApp::boot_with(Clock::system(), |config| {
        config.forward.timeout = Duration::from_millis(400);
        config.store.durability = Durability::Os;
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_a_hanging_and_a_dripping_neighbour_do_not_slow_a_healthy_one() {
    let app = boot().await;
    let healthy = Receiver::start();
    let neighbours = Neighbours::apart();
    app.subscribe("healthy", &healthy.url).await;
    window(&app, &healthy, "warm-up").await;
    let mut windows = Windows::default();
    for _ in 0..ROUNDS {
        windows.add_pairs(&app, &healthy, &neighbours, PAIRS).await;
        if windows.are_alike() {
            break;
        }
    }
    assert!(windows.are_alike(), "{:?}", windows.medians());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_measurement_sees_neighbours_that_share_a_slot() {
    let app = boot().await;
    let gateway = Receiver::one_at_a_time(|_, request| {
        let after = match request.path.as_str() {
            "/hanging" | "/dripping" => Duration::from_millis(5),
            _ => Duration::ZERO,
        };
        Reply::status(200).after(after)
    });
    let neighbours = Neighbours::behind(&gateway);
    app.subscribe("healthy", &gateway.url).await;
    window(&app, &gateway, "warm-up").await;
    let mut windows = Windows::default();
    windows.add_pairs(&app, &gateway, &neighbours, 3).await;
    assert!(!windows.are_alike(), "{:?}", windows.medians());
    app.stop().await;
}
