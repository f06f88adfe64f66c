//! Sending the traffic: at a steady pace, or as fast as the answers come.
//!
//! At a steady pace ("open loop") each webhook has a time at which it should leave, and its
//! latency counts from there: a relay that stalls is charged for all that would have been
//! sent meanwhile. As fast as the answers come ("closed loop") measures throughput.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hdrhistogram::Histogram;
use tokio::sync::Semaphore;

use super::http::ProviderClient;
use super::message::Tick;
use super::traffic::{TrafficGenerator, Webhook};
use crate::clock::{Clock, monotonic_us};

/// Latencies are kept up to this many microseconds, and to three digits.
const LONGEST_US: u64 = 120_000_000;
/// A connection that broke rests for this long: a relay that is away is not to be hammered.
const AFTER_FAILURE: Duration = Duration::from_millis(10);

/// How much is sent, and how fast.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where the relay listens.
    pub address: SocketAddr,
    /// Connections that are kept open.
    pub connections: usize,
    /// When webhooks leave.
    pub send_rate: SendRate,
    /// For how long.
    pub duration: Duration,
    /// Reports after which it ends earlier.
    pub reports: Option<u64>,
}

/// When webhooks leave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SendRate {
    /// This many webhooks a second, whatever the answers do.
    Rate(f64),
    /// Each connection sends when its last answer is there.
    AnswerByAnswer,
}

/// One webhook and what became of it.
#[derive(Debug)]
pub struct SentWebhook<'a> {
    /// The reports in it.
    pub ticks: &'a [Tick],
    /// When it should have left, µs of [`monotonic_us`].
    pub due_us: u64,
    /// From when it should have left to the answer.
    pub latency: Duration,
    /// The answer's status, or why there was none.
    pub answer: &'a io::Result<u16>,
}

/// What came of it all.
#[derive(Debug, Clone)]
pub struct LoadSummary {
    /// Webhooks answered 2xx.
    pub accepted: u64,
    /// The reports in them, repeats included.
    pub reports: u64,
    /// Other answers, by status.
    pub refused: BTreeMap<u16, u64>,
    /// Webhooks without an answer, by the kind of failure.
    pub broken: BTreeMap<String, u64>,
    /// From the first webhook to the last answer.
    pub elapsed: Duration,
    /// How long answers 2xx took, µs.
    pub latency_us: Histogram<u64>,
}

impl LoadSummary {
    fn new() -> Self {
        Self {
            accepted: 0,
            reports: 0,
            refused: BTreeMap::new(),
            broken: BTreeMap::new(),
            elapsed: Duration::ZERO,
            latency_us: latencies(),
        }
    }

    fn count(&mut self, webhook: &Webhook, answer: &io::Result<u16>, latency: Duration) {
        match answer {
            Ok(200..=299) => {
                self.accepted += 1;
                self.reports += webhook.ticks.len() as u64;
                self.latency_us.saturating_record(us(latency));
            }
            Ok(status) => *self.refused.entry(*status).or_default() += 1,
            Err(error) => {
                let kind = error.kind().to_string();
                *self.broken.entry(kind).or_default() += 1;
            }
        }
    }

    /// Webhooks that were sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.accepted + self.refused.values().sum::<u64>() + self.broken.values().sum::<u64>()
    }
}

/// An empty histogram of latencies in µs.
#[must_use]
pub fn latencies() -> Histogram<u64> {
    // The only refusals are of bounds that overlap and of more than five digits.
    Histogram::new_with_bounds(1, LONGEST_US, 3).unwrap_or_else(|_| unreachable!())
}

/// A time in µs, as histograms and logs have it.
#[must_use]
pub fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Sends the traffic until the load is done or `stop` turns true; calls `observe` for each.
///
/// # Errors
/// When the thread that keeps the pace cannot be started.
pub async fn run(
    load: &Load,
    traffic: TrafficGenerator,
    stop: &Arc<AtomicBool>,
    observe: impl FnMut(&SentWebhook<'_>),
) -> io::Result<LoadSummary> {
    let begun = Instant::now();
    let work = LoadLoop {
        load,
        stop,
        begun,
        turns: Arc::new(Semaphore::new(0)),
        shared: RefCell::new(Shared {
            traffic,
            summary: LoadSummary::new(),
            observe,
            next_turn: 0,
            reports: 0,
        }),
    };
    if let SendRate::Rate(rate) = load.send_rate {
        release_turns(rate, load, begun, Arc::clone(&work.turns), Arc::clone(stop))?;
    }
    join_all((0..load.connections).map(|_| work.use_connection())).await;
    Ok(work.shared.into_inner().summary)
}

/// Gives a turn to a connection whenever one is due. A thread of its own, since the
/// runtime's timers are a millisecond apart.
fn release_turns(
    rate: f64,
    load: &Load,
    begun: Instant,
    turns: Arc<Semaphore>,
    stop: Arc<AtomicBool>,
) -> io::Result<()> {
    let (duration, connections) = (load.duration, load.connections);
    let keep = move || {
        let mut turn = 0;
        while !stop.load(Ordering::Relaxed) {
            let due = due(turn, rate);
            if due >= duration {
                break;
            }
            std::thread::sleep((begun + due).saturating_duration_since(Instant::now()));
            turns.add_permits(1);
            turn += 1;
        }
        // Every connection gets a last turn, to see that it is over.
        turns.add_permits(connections);
    };
    std::thread::Builder::new()
        .name("pace".to_owned())
        .spawn(keep)
        .map(drop)
}

/// When that turn is due, counted from the beginning.
#[expect(clippy::cast_precision_loss, reason = "there are not 2^52 turns")]
fn due(turn: u64, rate: f64) -> Duration {
    Duration::from_secs_f64(turn as f64 / rate)
}

/// What the connections share; they are one task, so nothing is locked.
struct LoadLoop<'a, O> {
    load: &'a Load,
    stop: &'a AtomicBool,
    begun: Instant,
    turns: Arc<Semaphore>,
    shared: RefCell<Shared<O>>,
}

struct Shared<O> {
    traffic: TrafficGenerator,
    summary: LoadSummary,
    observe: O,
    next_turn: u64,
    reports: u64,
}

impl<O: FnMut(&SentWebhook<'_>)> LoadLoop<'_, O> {
    async fn use_connection(&self) {
        let mut client = ProviderClient::new(self.load.address);
        while let Some((webhook, intended)) = self.next().await {
            let due_us = monotonic_us().saturating_sub(us(intended.elapsed()));
            let answer = client.exchange(&webhook.request).await;
            let latency = intended.elapsed();
            self.conclude(&webhook, due_us, &answer, latency);
            if answer.is_err() {
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }

    fn conclude(
        &self,
        webhook: &Webhook,
        due_us: u64,
        answer: &io::Result<u16>,
        latency: Duration,
    ) {
        let shared = &mut *self.shared.borrow_mut();
        shared.summary.count(webhook, answer, latency);
        // A task that waits for a turn sees only later that it is over.
        shared.summary.elapsed = self.begun.elapsed();
        (shared.observe)(&SentWebhook {
            ticks: &webhook.ticks,
            due_us,
            latency,
            answer,
        });
    }

    /// The next webhook and when it should leave; `None` when it is over.
    async fn next(&self) -> Option<(Webhook, Instant)> {
        if let SendRate::Rate(_) = self.load.send_rate {
            // The semaphore is never closed.
            self.turns.acquire().await.ok()?.forget();
        }
        let shared = &mut *self.shared.borrow_mut();
        let enough = self.load.reports.is_some_and(|most| shared.reports >= most);
        let intended = match self.load.send_rate {
            SendRate::Rate(rate) => self.begun + due(shared.next_turn, rate),
            SendRate::AnswerByAnswer => Instant::now(),
        };
        let late = intended.duration_since(self.begun) >= self.load.duration;
        if enough || late || self.stop.load(Ordering::Relaxed) {
            return None;
        }
        shared.next_turn += 1;
        let webhook = shared.traffic.next(Clock::system().now_ms());
        shared.reports += webhook.ticks.len() as u64;
        Some((webhook, intended))
    }
}
