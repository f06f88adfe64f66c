//! The webhooks of a scenario: which message takes which step when, in signed requests.

use std::collections::VecDeque;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use url::Url;

use super::bodies;
use super::http::SourceAddress;
use super::message::{InventedMessage, Tick};
use crate::config::Source;
use crate::model::Status;

/// From how many reports a shuffle draws the next one.
const SHUFFLED: usize = 512;
/// From how many of the last reports a duplicate is drawn.
const REMEMBERED: usize = 256;
/// The most steps that a lifecycle has.
const STEPS: usize = 3;

/// What is to be sent.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The sources that take turns; at least one.
    pub sources: Vec<Source>,
    /// Where the relay is, e.g. `http://127.0.0.1:8080`; a path is put before `/webhooks`.
    pub target: Url,
    /// The relay's `server.public_url`, for providers that sign the URL they call.
    pub public_url: Option<String>,
    /// Reports in one webhook, or as many as the provider puts into one.
    pub batch: usize,
    /// Messages of a source that begin between two steps of one.
    pub spread: usize,
    /// What goes otherwise than it should.
    pub mishaps: Mishaps,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Distinguishes these messages from those of another run on the same store; 16 bits count.
    pub run: u32,
}

/// How often things go otherwise than they should, each a share from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Mishaps {
    /// Reports that are sent twice.
    pub duplicates: f64,
    /// Messages that fail.
    pub failures: f64,
    /// Whether reports come in any order.
    pub shuffle: bool,
}

/// The webhooks of a scenario, one after the other, without an end.
#[derive(Debug)]
pub struct TrafficGenerator {
    /// A message stays with its source.
    sources: Vec<(SourceAddress, Flow)>,
    batch: usize,
    next_source: usize,
}

/// A webhook that is ready to be sent.
#[derive(Debug)]
pub struct Webhook {
    /// The whole HTTP request.
    pub request: Vec<u8>,
    /// The reports in it.
    pub ticks: Vec<Tick>,
}

impl TrafficGenerator {
    /// The webhooks of that scenario.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let flow = |(index, source): (u32, &Source)| {
            // The upper bits of a message's run are its source.
            let run = (scenario.run & 0xffff) | ((index & 0xff) << 16);
            let seed = scenario.seed.wrapping_add(index.into());
            let flow = Flow::new(seed, run, scenario.spread, scenario.mishaps);
            let public_url = scenario.public_url.as_deref();
            (
                SourceAddress::new(source, &scenario.target, public_url),
                flow,
            )
        };
        Self {
            sources: (0..).zip(&scenario.sources).map(flow).collect(),
            batch: scenario.batch.max(1),
            next_source: 0,
        }
    }

    /// The next webhook; what is in it happens now (`now_ms`, ms since 1970 UTC).
    pub fn next(&mut self, now_ms: i64) -> Webhook {
        let index = self.next_source;
        self.next_source = (index + 1) % self.sources.len().max(1);
        let (endpoint, flow) = &mut self.sources[index];
        let source = &endpoint.source;
        let samples = &source.provider.definition().samples;
        let batch = self.batch.min(samples.batch);
        let ticks: Vec<Tick> = (0..batch).map(|_| flow.next(now_ms)).collect();
        let elements = ticks
            .iter()
            .map(|tick| bodies::element(source.provider, tick));
        let elements: Vec<_> = elements.collect();
        let headers = format!("Content-Type: {}\r\n", samples.content_type);
        let body = bodies::write(source.provider, source.sender.as_deref(), &elements);
        Webhook {
            request: endpoint.request("", &headers, body.as_bytes(), now_ms / 1000),
            ticks,
        }
    }
}

/// The messages of one source on their way; makes one report after the other.
#[derive(Debug)]
struct Flow {
    random: StdRng,
    mishaps: Mishaps,
    spread: u64,
    run: u32,
    next_number: u64,
    /// The steps that are taken when a message begins: its own first, the second and third of those
    /// that began one and two spreads before.
    due: Vec<(InventedMessage, Status)>,
    shuffled: Vec<Tick>,
    sent: VecDeque<Tick>,
}

impl Flow {
    fn new(seed: u64, run: u32, spread: usize, mishaps: Mishaps) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            mishaps,
            spread: spread.max(1) as u64,
            run,
            next_number: 0,
            due: Vec::with_capacity(STEPS),
            shuffled: Vec::new(),
            sent: VecDeque::new(),
        }
    }

    fn next(&mut self, now_ms: i64) -> Tick {
        if !self.sent.is_empty() && self.random.random_bool(self.mishaps.duplicates) {
            let sent = self.sent[self.random.random_range(0..self.sent.len())];
            return Tick {
                is_repeat: true,
                ..sent
            };
        }
        let tick = self.next_new(now_ms);
        if self.mishaps.duplicates > 0.0 {
            if self.sent.len() == REMEMBERED {
                self.sent.pop_front();
            }
            self.sent.push_back(tick);
        }
        tick
    }

    fn next_new(&mut self, now_ms: i64) -> Tick {
        if !self.mishaps.shuffle {
            return self.step(now_ms);
        }
        while self.shuffled.len() < SHUFFLED {
            let tick = self.step(now_ms);
            self.shuffled.push(tick);
        }
        let drawn = self.random.random_range(0..SHUFFLED);
        self.shuffled.swap_remove(drawn)
    }

    /// Lets a message take its next step.
    fn step(&mut self, at_ms: i64) -> Tick {
        loop {
            if let Some((message, status)) = self.due.pop() {
                return Tick {
                    message,
                    status,
                    at_ms,
                    is_repeat: false,
                };
            }
            let begins = self.next_number;
            self.next_number += 1;
            let steps = (0..).zip(0..STEPS).filter_map(|(spreads, step)| {
                let message = InventedMessage {
                    run: self.run,
                    number: begins.checked_sub(spreads * self.spread)?,
                };
                let status = message.lifecycle(self.mishaps.failures).get(step)?;
                Some((message, *status))
            });
            self.due.extend(steps);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    fn ticks(mishaps: Mishaps, seed: u64) -> Vec<Tick> {
        let mut flow = Flow::new(seed, 1, 1_000, mishaps);
        (0..20_000).map(|at_ms| flow.next(at_ms)).collect()
    }

    #[test]
    fn the_same_seed_sends_the_same_reports() {
        let mishaps = Mishaps {
            duplicates: 0.05,
            failures: 0.03,
            shuffle: true,
        };
        assert_eq!(ticks(mishaps, 7), ticks(mishaps, 7));
        assert_ne!(ticks(mishaps, 7), ticks(mishaps, 8));
    }

    #[test]
    fn without_mishaps_every_message_takes_its_steps_in_order() {
        let mut taken: HashMap<u64, Vec<Status>> = HashMap::new();
        for tick in ticks(Mishaps::default(), 7) {
            assert!(!tick.is_repeat);
            taken
                .entry(tick.message.number)
                .or_default()
                .push(tick.status);
        }
        let whole = |(number, taken): (&u64, &Vec<Status>)| {
            let (run, number) = (1, *number);
            let lifecycle = InventedMessage { run, number }.lifecycle(0.0);
            assert!(lifecycle.starts_with(taken), "{number}: {taken:?}");
            lifecycle.len() == taken.len()
        };
        let whole = taken.iter().filter(|message| whole(*message)).count();
        // Those of the last two spreads are still on their way.
        assert!(
            (taken.len() - 2_000..taken.len()).contains(&whole),
            "{whole}"
        );
    }

    #[test]
    fn duplicates_and_failures_come_as_often_as_asked() {
        let mishaps = Mishaps {
            duplicates: 0.05,
            failures: 0.10,
            shuffle: false,
        };
        let ticks = ticks(mishaps, 7);
        let repeats = ticks.iter().filter(|tick| tick.is_repeat).count();
        assert!((900..1_100).contains(&repeats), "{repeats}");
        let failed = |tick: &&Tick| tick.status == Status::Failed;
        let failed: HashSet<u64> = ticks
            .iter()
            .filter(failed)
            .map(|it| it.message.number)
            .collect();
        let messages: HashSet<u64> = ticks.iter().map(|tick| tick.message.number).collect();
        let share = failed.len() * 1000 / messages.len();
        assert!((60..120).contains(&share), "{share}");
    }
}
