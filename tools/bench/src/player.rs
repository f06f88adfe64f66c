//! The load generator's role: plays the provider, and writes down what was acknowledged when.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tickrelay::config::Source;
use tickrelay::model::{MessageType, Status, Word as _};
use tickrelay::play::load::{self, Load, SendRate};
use tickrelay::play::{InventedMessage, Mishaps, Scenario, TrafficGenerator};
use tickrelay::providers::Provider;
use tickrelay::providers::authentication::{Authentication, Method, Signature};

use super::measure::{self, Outcome};
use super::process::{self, SECRET};

/// Messages between two of their steps: far enough apart that the reports of one message are
/// never under way at once.
const SPREAD: usize = 4_096;

/// The stretch of which the worst is reported.
const STRETCH: Duration = Duration::from_secs(2);

/// How long after its end a part waits for the last answers.
const ANSWERS_WITHIN: Duration = Duration::from_mins(2);

/// Whose webhooks are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cast {
    Meta,
    Infobip,
    /// In turns.
    Both,
}

/// What is to be played.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) port: u16,
    pub(super) connections: usize,
    /// Webhooks a second; as fast as the answers come when `None`.
    pub(super) rate: Option<f64>,
    pub(super) seconds: f64,
    /// Reports after which it ends earlier.
    pub(super) reports: Option<u64>,
    pub(super) batch: usize,
    pub(super) cast: Cast,
    /// The share of reports that are sent twice.
    pub(super) duplicates: f64,
    /// Whether it goes on until the order `()` ends it.
    pub(super) until_allowed: bool,
    /// Tells the windows on one store apart.
    pub(super) run: u32,
    /// Where the acknowledged reports are written down, if they are needed.
    pub(super) log: Option<PathBuf>,
}

/// What came of it; latencies in µs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Played {
    pub(super) accepted: u64,
    pub(super) reports: u64,
    /// Those of them that were not notified before: each is one in the store.
    pub(super) distinct: u64,
    pub(super) refused: BTreeMap<u16, u64>,
    pub(super) broken: BTreeMap<String, u64>,
    pub(super) elapsed_s: f64,
    /// From when the first webhook should have left until the last should; how late its answer
    /// came does not lengthen that.
    pub(super) sent_s: f64,
    pub(super) ack_p50: u64,
    pub(super) ack_p99: u64,
    pub(super) ack_p999: u64,
    /// The p99 of the worst two seconds.
    pub(super) ack_worst: u64,
}

impl Part {
    /// Cloud API webhooks over 256 connections, one report in each, as fast as they are
    /// answered.
    pub(super) fn saturated(port: u16, seconds: f64) -> Self {
        Self {
            port,
            connections: 256,
            rate: None,
            seconds,
            reports: None,
            batch: 1,
            cast: Cast::Meta,
            duplicates: 0.0,
            until_allowed: false,
            run: 0,
            log: None,
        }
    }

    /// What became of what was acknowledged, for these subscribers.
    pub(super) fn outcome(&self, taken: &[Entry], subscribers: &[u64]) -> anyhow::Result<Outcome> {
        let sent = self.log.as_deref().map(read_log).transpose()?;
        Ok(measure::join(&sent.unwrap_or_default(), taken, subscribers))
    }
}

impl Played {
    /// Webhooks that were answered otherwise than 2xx, or not at all.
    pub(super) fn unaccepted(&self) -> u64 {
        self.refused.values().chain(self.broken.values()).sum()
    }
}

/// One report in a log: which, and when it should have left or when it arrived (µs of the
/// machine's clock).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: u64,
    /// The number of the subscriber; 0 in the player's log.
    pub(super) subscriber: u64,
    pub(super) at_us: u64,
}

/// One number for a report: run, message and status.
pub(super) fn key(message: InventedMessage, status: Status) -> u64 {
    let rank = Status::ALL.iter().position(|known| *known == status);
    // The upper bits of a message's run are its source.
    (u64::from(message.run & 0xffff) << 48)
        | (u64::from((message.run >> 16) & 0x1f) << 43)
        | ((message.number & ((1 << 40) - 1)) << 3)
        | rank.unwrap_or_default() as u64
}

pub(super) fn write_log(path: &Path, entries: &[Entry]) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for entry in entries {
        for number in [entry.key, entry.subscriber, entry.at_us] {
            file.write_all(&number.to_le_bytes())?;
        }
    }
    Ok(file.flush()?)
}

pub(super) fn read_log(path: &Path) -> anyhow::Result<Vec<Entry>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    let number = |bytes: &[u8], at: usize| -> anyhow::Result<u64> {
        Ok(u64::from_le_bytes(bytes[8 * at..8 * at + 8].try_into()?))
    };
    bytes
        .chunks_exact(24)
        .map(|entry| {
            Ok(Entry {
                key: number(entry, 0)?,
                subscriber: number(entry, 1)?,
                at_us: number(entry, 2)?,
            })
        })
        .collect()
}

/// Plays the parts that are ordered, one after the other.
pub(super) fn act() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    while let Some(part) = process::order::<Part>()? {
        let stop = Arc::new(AtomicBool::new(false));
        let end = part.until_allowed.then(|| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                // When the orders have ended, so has the part.
                let _ = process::order::<()>();
                stop.store(true, Ordering::Relaxed);
            })
        });
        let within = Duration::from_secs_f64(part.seconds) + ANSWERS_WITHIN;
        let played = runtime.block_on(async {
            tokio::time::timeout(within, play(&part, &stop))
                .await
                .context("the service left a webhook without an answer")?
        })?;
        // An end that comes late is not to be taken for the next part.
        end.map(std::thread::JoinHandle::join);
        process::answer(&played)?;
    }
    Ok(())
}

async fn play(part: &Part, stop: &Arc<AtomicBool>) -> anyhow::Result<Played> {
    let traffic = TrafficGenerator::new(&Scenario {
        sources: sources(part.cast),
        target: format!("http://127.0.0.1:{}", part.port).parse()?,
        public_url: None,
        batch: part.batch,
        spread: SPREAD,
        mishaps: Mishaps {
            failures: 0.03,
            duplicates: part.duplicates,
            ..Mishaps::default()
        },
        seed: u64::from(part.run),
        run: part.run,
    });
    let load = Load {
        address: SocketAddr::from(([127, 0, 0, 1], part.port)),
        connections: part.connections,
        send_rate: part.rate.map_or(SendRate::AnswerByAnswer, SendRate::Rate),
        duration: Duration::from_secs_f64(part.seconds),
        reports: part.reports,
    };
    let (mut log, mut distinct) = (Vec::new(), 0);
    let mut stretches = Stretches::new();
    let (mut first_us, mut last_us) = (u64::MAX, 0);
    let summary = load::run(&load, traffic, stop, |exchange| {
        first_us = first_us.min(exchange.due_us);
        last_us = last_us.max(exchange.due_us);
        if matches!(exchange.answer, Ok(200..=299)) {
            stretches.record(exchange.latency);
            let ticks = exchange.ticks.iter();
            distinct += ticks.filter(|tick| !tick.is_repeat).count() as u64;
        }
        if part.log.is_some() && matches!(exchange.answer, Ok(200..=299)) {
            log.extend(exchange.ticks.iter().map(|tick| Entry {
                key: key(tick.message, tick.status),
                subscriber: 0,
                at_us: exchange.due_us,
            }));
        }
    })
    .await?;
    if let Some(path) = &part.log {
        write_log(path, &log)?;
    }
    let ack = |quantile| summary.latency_us.value_at_quantile(quantile);
    Ok(Played {
        accepted: summary.accepted,
        reports: summary.reports,
        distinct,
        refused: summary.refused.clone(),
        broken: summary.broken.clone(),
        elapsed_s: summary.elapsed.as_secs_f64(),
        sent_s: Duration::from_micros(last_us.saturating_sub(first_us)).as_secs_f64(),
        ack_p50: ack(0.5),
        ack_p99: ack(0.99),
        ack_p999: ack(0.999),
        ack_worst: stretches.worst(),
    })
}

/// The latencies of one stretch after the other.
struct Stretches {
    begun: Instant,
    latency_us: Histogram<u64>,
    worst: u64,
}

impl Stretches {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            latency_us: load::latencies(),
            worst: 0,
        }
    }

    fn record(&mut self, latency: Duration) {
        if self.begun.elapsed() >= STRETCH {
            self.close();
        }
        self.latency_us.saturating_record(load::us(latency));
    }

    fn close(&mut self) {
        self.worst = self.worst.max(self.latency_us.value_at_quantile(0.99));
        self.latency_us.reset();
        self.begun = Instant::now();
    }

    fn worst(mut self) -> u64 {
        // A last stretch of a few webhooks has no p99 to speak of, but it may be the only one.
        if self.worst == 0 || self.latency_us.len() >= 100 {
            self.close();
        }
        self.worst
    }
}

fn sources(cast: Cast) -> Vec<Source> {
    match cast {
        Cast::Meta => vec![source(false)],
        Cast::Infobip => vec![source(true)],
        Cast::Both => vec![source(false), source(true)],
    }
}

/// The sources of the benchmark's configuration.
fn source(infobip: bool) -> Source {
    let (name, provider, method) = if infobip {
        let method = Method::Basic {
            username: "infobip".to_owned(),
            password: SECRET.into(),
        };
        ("infobip", Provider::Infobip, method)
    } else {
        let method = Method::Signature(Signature::hub_sha256(vec![SECRET.into()]));
        ("meta", Provider::MetaCloud, method)
    };
    Source {
        name: name.to_owned(),
        provider,
        authentication: Authentication {
            methods: vec![method],
        },
        verify_tokens: Vec::new(),
        default_type: MessageType::Template,
        sender: infobip.then(|| "385910009999".to_owned()),
        senders: Vec::new(),
        owners: Vec::new(),
        pulled: None,
    }
}

#[cfg(test)]
mod tests {
    use tickrelay::play::Connection;
    use tokio::net::TcpListener;

    use super::*;

    /// How long the first answer of the relay in this test takes.
    const STALL: Duration = Duration::from_millis(300);

    #[tokio::test]
    async fn a_report_is_written_down_with_the_time_at_which_it_should_have_left() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let folder = tempfile::TempDir::new().unwrap();
        let log = folder.path().join("sent");
        let part = Part {
            connections: 1,
            rate: Some(100.0),
            log: Some(log.clone()),
            ..Part::saturated(listener.local_addr().unwrap().port(), 0.1)
        };
        // Answers each request with 200, the first one late.
        tokio::spawn(async move {
            let mut relay = Connection::new(listener.accept().await.unwrap().0).unwrap();
            let mut wait = STALL;
            while relay.next().await.unwrap().is_some() {
                tokio::time::sleep(std::mem::take(&mut wait)).await;
                relay.answer(200).await.unwrap();
            }
        });
        let played = play(&part, &Arc::default()).await.unwrap();
        assert_eq!((played.accepted, played.unaccepted()), (10, 0));
        // The stall is in the time that it took, not in that in which webhooks were due.
        assert!(played.elapsed_s >= STALL.as_secs_f64(), "{played:?}");
        assert!((0.085..0.095).contains(&played.sent_s), "{played:?}");
        let sent = read_log(&log).unwrap();
        // The last nine all left after the stall, one hundredth of a second apart in the plan.
        let last = sent.last().unwrap().at_us - sent[0].at_us;
        assert!((85_000..95_000).contains(&last), "{last} µs");
    }
}
