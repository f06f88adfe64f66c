//! Watches the service for its operator: trouble is logged and sent to the subscribers of the kind
//! `events`.
//!
//! Every few seconds it looks at what memory knows; once a minute it counts what came in, by the
//! keys of the rows. `condition` and `traffic`, which are pure, decide which events are sent; an
//! event becomes forwards in the store, like a report.

mod condition;
mod silence;
mod start;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Duty, Next, after};
use crate::catalogue;
use crate::clock::Clock;
use crate::config::Events;
use crate::metrics::{Metrics, SubscriberLabel};
use crate::model::{ConditionKey, SubscriberState, Word as _};
use crate::store::query::{ArrivedQuery, NotifiedQuery, TrafficQuery};
use crate::store::step::{KeepCounts, NotifyConditions};
use crate::store::watching::{Count, Counted, NotifiedCondition, Position};
use crate::store::{Error, HealthNote, Lease, Store};
use condition::{Condition, ConditionState, Seen, changes};
use traffic::{Jump, STEP_MS, Traffic};

pub use start::WatchStart;

/// How often it looks around.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often what came in is counted, ms.
const COUNT_EVERY_MS: i64 = 60_000;
/// For how long after the start no silence is reported, ms: providers come again in their own time
/// after we were away.
const SETTLING_MS: i64 = STEP_MS;

/// The store's notes that are conditions, by their codes, and what is said at the end of each.
const NOTED: [(&str, Condition, &str); 2] = [
    ("disk-low", Condition::DiskLow, "The disk has room again."),
    (
        "log-large",
        Condition::WalLarge,
        "The write-ahead log is small again.",
    ),
];

/// What is watched.
#[derive(Clone)]
pub struct Watch {
    /// The store.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Who knows of breakers.
    pub metrics: Arc<Metrics>,
    /// What counts as wrong.
    pub events: Events,
    /// The names of the sources.
    pub sources: Vec<String>,
    /// Those of them that are polled, and so are silent when no poll is due.
    pub pulled: Vec<String>,
    /// Where it begins to count.
    pub start: WatchStart,
}

/// Watches, by what is known from one look to the next.
#[derive(Clone)]
pub struct Watching {
    watch: Watch,
    traffic: Traffic,
    position: Option<Position>,
    started_ms: Option<i64>,
    counted_ms: i64,
}

impl Duty for Watching {
    const NAME: &'static str = "watch";

    async fn step(&mut self, lease: &Lease) -> Result<Next, Error> {
        let next_ms = after(self.watch.clock.now_ms(), LOOK_EVERY);
        self.look(lease).await?;
        Ok(Next::At(next_ms))
    }
}

impl Watching {
    /// Begins by what an earlier run counted.
    #[must_use]
    pub fn new(watch: Watch) -> Self {
        Self {
            started_ms: None,
            counted_ms: i64::MIN,
            watch,
            traffic: Traffic::default(),
            position: None,
        }
    }

    async fn look(&mut self, lease: &Lease) -> Result<(), Error> {
        let now_ms = self.watch.clock.now_ms();
        // Later than now it lies only when the clock was set back.
        let started_ms = self.started_ms.map_or(now_ms, |at_ms| at_ms.min(now_ms));
        self.started_ms = Some(started_ms);
        if self.position.is_none() {
            self.begin(now_ms).await?;
        }
        // Also when the clock was set back.
        if !(self.counted_ms..self.counted_ms.saturating_add(COUNT_EVERY_MS)).contains(&now_ms) {
            if self.counted_ms != i64::MIN {
                self.traffic.follow_clock(self.counted_ms, now_ms);
            }
            self.count(now_ms, lease).await?;
            self.counted_ms = now_ms;
        }
        let store = &self.watch.store;
        let notified = store.read(NotifiedQuery).await?;
        let mut seen = self.subscribers();
        seen.extend(self.sources(started_ms, now_ms));
        seen.extend(self.noted());
        seen.extend(self.errors(&notified, now_ms));
        let (mut changes, mut gone) =
            changes(seen, &notified, now_ms, self.watch.events.repeat_after);
        changes.extend(self.unconfirmed(&notified, now_ms).await?);
        if self.watch.events.silent_messages > 0 {
            // It is no condition that is looked at, and stays.
            let kept = notified
                .iter()
                .filter(|notified| notified.what == silence::WHAT);
            let kept: Vec<ConditionKey> = kept.map(|notified| notified.condition_id).collect();
            gone.retain(|id| !kept.contains(id));
        }
        if changes.is_empty() && gone.is_empty() || !lease.is_held() {
            return Ok(());
        }
        let events: Vec<_> = changes
            .iter()
            .filter_map(|change| Some((change.event?, change.subject.clone(), change.text.clone())))
            .collect();
        let notify = NotifyConditions { changes, gone };
        store.step_under(lease, notify).await?;
        for (event, subject, text) in events {
            if Condition::is_logged_elsewhere(event) {
                tracing::info!(event, subject, "{text}");
            } else {
                tracing::warn!(event, subject, "{text}");
            }
        }
        Ok(())
    }

    /// Takes over what an earlier run counted.
    async fn begin(&mut self, now_ms: i64) -> Result<(), Error> {
        let store = &self.watch.store;
        let counts = store.read(TrafficQuery).await?;
        let position = match self.watch.start.take() {
            Some(marked) => marked,
            None => store.read(ArrivedQuery { after: None }).await?.position,
        };
        self.traffic.restore(counts, now_ms);
        self.position = Some(position);
        Ok(())
    }

    async fn count(&mut self, now_ms: i64, lease: &Lease) -> Result<(), Error> {
        let mut counts: Vec<Count> = Vec::new();
        loop {
            let arrived = ArrivedQuery {
                after: self.position,
            };
            let arrived = self.watch.store.read(arrived).await?;
            self.position = Some(arrived.position);
            for (what, subject, more) in arrived.counts {
                counts.push(self.traffic.add(what, &subject, more, now_ms));
            }
            if !arrived.more {
                break;
            }
        }
        // What counts as old by a clock that is wrong would be missed with the right time.
        let kept = match self.watch.store.age_hold() {
            Some(_) => i64::MIN..i64::MAX,
            None => self.traffic.forget(now_ms),
        };
        if counts.is_empty() {
            return Ok(());
        }
        let keep = KeepCounts { counts, kept };
        self.watch.store.step_under(lease, keep).await
    }

    fn subscribers(&self) -> Vec<Seen> {
        let subscribers = Arc::clone(&self.watch.store.subscribers().borrow());
        let mut seen = Vec::new();
        for subscriber in subscribers.iter() {
            let name = &subscriber.name;
            let label = SubscriberLabel {
                subscriber: name.clone(),
            };
            let gauge = self.watch.metrics.breaker_open.get(&label);
            let open = gauge.is_some_and(|gauge| gauge.get() == 1);
            let failing = match subscriber.state {
                SubscriberState::Active if open => holds(
                    format!("Subscriber {name} fails: it is only probed until it answers."),
                    json!({ "pending_kept": true }),
                ),
                // A breaker that a restart closed has proved nothing.
                SubscriberState::Active if subscriber.failing_since_ms.is_none() => {
                    ConditionState::Ended(format!("Subscriber {name} answers again."))
                }
                _ => ConditionState::Unclear,
            };
            seen.push(saw(Condition::SubscriberFailing, name, failing));
            let reason = subscriber.state_reason.as_deref().unwrap_or("unknown");
            let disabled = match subscriber.state {
                SubscriberState::Disabled => holds(
                    format!(
                        "Subscriber {name} is disabled, its pending forwards are kept: {reason}."
                    ),
                    json!({ "reason": reason }),
                ),
                SubscriberState::Active | SubscriberState::Paused => {
                    ConditionState::Ended(format!("Subscriber {name} is no longer disabled."))
                }
            };
            seen.push(saw(Condition::SubscriberDisabled, name, disabled));
        }
        seen
    }

    fn sources(&self, started_ms: i64, now_ms: i64) -> Vec<Seen> {
        let events = &self.watch.events;
        let mut seen = Vec::new();
        for source in &self.watch.sources {
            let silent_ms =
                self.traffic
                    .silent_ms(source, now_ms, events.silence, events.silence_factor);
            let silent = match silent_ms {
                _ if now_ms.saturating_sub(started_ms) < SETTLING_MS => ConditionState::Unclear,
                _ if self.watch.pulled.contains(source) => ConditionState::Unclear,
                Some(silent_ms) => {
                    let minutes = silent_ms / 60_000;
                    holds(
                        format!(
                            "Source {source} has sent nothing for {minutes} minutes, longer than usual."
                        ),
                        json!({ "silent_minutes": minutes }),
                    )
                }
                None => ConditionState::Ended(format!("Source {source} sends again.")),
            };
            seen.push(saw(Condition::SourceSilent, source, silent));
            let webhooks = self.traffic.unreadable(source, now_ms);
            let unparsed = if webhooks > 0 {
                holds(
                    format!(
                        "Webhooks of source {source} could not be read, or not in full: {webhooks} \
                         lately. They are kept: see `tickrelay webhook list --outcome unparsed`."
                    ),
                    json!({ "webhooks": webhooks }),
                )
            } else {
                ConditionState::Ended(String::new())
            };
            seen.push(saw(Condition::WebhooksUnparsed, source, unparsed));
        }
        seen
    }

    fn errors(&self, notified: &[NotifiedCondition], now_ms: i64) -> Vec<Seen> {
        let jumped =
            |notified: &&NotifiedCondition| notified.what == Condition::ErrorJumped.as_str();
        let events = &self.watch.events;
        let jump = Jump {
            least: events.failures,
            factor: events.failure_factor,
        };
        let mut keys: Vec<&str> = self.traffic.subjects(Counted::Failures).collect();
        keys.extend(
            notified
                .iter()
                .filter(jumped)
                .map(|notified| notified.subject.as_str()),
        );
        keys.sort_unstable();
        keys.dedup();
        let look = |key: &str| {
            let mut notified = notified.iter().filter(jumped);
            let held = notified.any(|notified| notified.subject == key && notified.holds);
            let rate = self.traffic.rate(key, now_ms);
            let state = if rate.has_jumped(if held { jump.half() } else { jump }) {
                let name = catalogue::find(key).map(|entry| format!(" ({})", entry.name));
                holds(
                    format!(
                        "Error {key}{} jumped: {} of the last {} reports, {} of {} in the 24 hours before.",
                        name.unwrap_or_default(),
                        rate.failures,
                        rate.reports,
                        rate.failures_before,
                        rate.reports_before,
                    ),
                    json!({
                        "failures": rate.failures,
                        "reports": rate.reports,
                        "failures_before": rate.failures_before,
                        "reports_before": rate.reports_before,
                    }),
                )
            } else {
                ConditionState::Ended(format!("Error {key} is as rare as before."))
            };
            saw(Condition::ErrorJumped, key, state)
        };
        keys.into_iter().map(look).collect()
    }

    /// What the store notes of itself, early or not.
    fn noted(&self) -> Vec<Seen> {
        let health = self.watch.store.health();
        let look = |(code, condition, ended): &(&str, Condition, &str)| {
            let state = match health.notes.iter().find(|note| note.code == *code) {
                Some(note) => ConditionState::Holds(note.text.clone(), figures(note)),
                // Of a disk of which nothing is known nothing is said.
                None if *condition == Condition::DiskLow && health.free_bytes.is_none() => {
                    ConditionState::Unclear
                }
                None => ConditionState::Ended((*ended).to_owned()),
            };
            saw(*condition, "", state)
        };
        NOTED.iter().map(look).collect()
    }
}

fn figures(note: &HealthNote) -> Map<String, Value> {
    let figures = note.figures.iter();
    figures
        .map(|(name, figure)| ((*name).to_owned(), Value::from(*figure)))
        .collect()
}

fn saw(condition: Condition, subject: &str, state: ConditionState) -> Seen {
    Seen {
        condition,
        subject: subject.to_owned(),
        state,
    }
}

fn holds(text: String, data: Value) -> ConditionState {
    let data = match data {
        Value::Object(data) => data,
        _ => Map::new(),
    };
    ConditionState::Holds(text, data)
}
