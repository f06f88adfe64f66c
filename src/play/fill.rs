//! Fills a new store with history: all of it is taken in as it would have been at the time.
//!
//! The store, what an operator can change and the duties go by a clock of their own, whose hand moves from
//! step to step. Webhooks are read as [`crate::ingest`] reads them and committed as they are; registrations
//! too. The subscribers are invented, so no request goes out: their answers are invented, and their attempts
//! settled ([`lane`]). Only the way over HTTP is left out, with the proof of where a webhook comes from.

mod lane;
mod reader;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;
use tokio::sync::mpsc::{self, unbounded_channel};
use tokio::task::spawn_blocking;

use self::lane::PastLane;
use self::reader::{HistoryReader, PastWork};
use super::history::{History, HistoryScenario, INVENTED, TEMPLATES};
use crate::access::Caller;
use crate::admin::{AddSubscriber, Operation, Operations, PauseSubscriber, PutTemplate};
use crate::clock::{Clock, Hand};
use crate::config::Config;
use crate::duties::Duty as _;
use crate::duties::alerts::GatheredAlerts;
use crate::duties::watch::{Watch, WatchStart, Watching};
use crate::forward::schedule::Schedule;
use crate::forward::sender::Sender;
use crate::ingest::Ingest;
use crate::metrics::Metrics;
use crate::model::{Filter, NewSubscriber, Rule};
use crate::server::{sender_config, store_options};
use crate::store::{Durability, Lease, Store};

/// Webhooks and registrations that wait for the store at once, and the memory that they take.
const AT_ONCE: (usize, usize) = (2_048, 24 << 20);
/// Steps that are read before they are taken in.
const READ_AHEAD: usize = 4;

/// A new store that is to be filled.
pub(crate) struct Fill<'a> {
    /// Its configuration.
    pub(crate) config: &'a Config,
    /// With what.
    pub(crate) scenario: HistoryScenario,
    /// Where the invented subscriber of a name listens.
    pub(crate) url: &'a dyn Fn(&str) -> String,
    /// Whether they are there afterwards; paused otherwise.
    pub(crate) stay: bool,
}

/// What a store was filled with.
#[derive(Debug, Default)]
pub(crate) struct Filled {
    /// Messages that were sent.
    pub(crate) messages: u64,
    /// Those of them that were registered.
    pub(crate) registered: u64,
    /// Webhooks that were taken in.
    pub(crate) webhooks: u64,
    /// Reports in them, repeats included.
    pub(crate) reports: u64,
    /// Attempts at invented subscribers.
    pub(crate) attempts: u64,
    /// How long it took.
    pub(crate) took: Duration,
    /// The invented subscribers, each with its secret.
    pub(crate) subscribers: Vec<(&'static str, String)>,
}

impl Fill<'_> {
    /// Fills it; `on_progress` receives the steps that are done, and their total.
    ///
    /// # Errors
    /// When there is a store already, or it cannot be written.
    pub(crate) async fn run(self, on_progress: impl FnMut(usize, usize)) -> anyhow::Result<Filled> {
        let started = Instant::now();
        let path = &self.config.store.path;
        ensure!(
            !path.exists(),
            "there is a store already at {}: history is for a new one, as with \
             --set store.url=sqlite://history.db",
            path.display()
        );
        let sources = &self.scenario.sources;
        ensure!(
            sources.iter().any(HistoryScenario::has_history),
            "no source is of a provider for which history can be invented"
        );
        let (clock, hand) = Clock::manual(self.scenario.span().start);
        let metrics = Arc::new(Metrics::new());
        // Nothing is acknowledged meanwhile: what is cut short is begun again.
        let mut config = self.config.clone();
        config.store.durability = Durability::Os;
        let options = store_options(&config);
        let store = Store::open(&options, clock.clone(), Arc::clone(&metrics))?;
        let filling = Filling::new(&self, &store, (clock, hand), metrics);
        let filled = match filling {
            Ok(filling) => filling.run(on_progress).await,
            Err(error) => Err(error),
        };
        store.close().await.context("history may be lost")?;
        Ok(Filled {
            took: started.elapsed(),
            ..filled?
        })
    }
}

/// A store that is being filled.
struct Filling<'a> {
    fill: &'a Fill<'a>,
    store: Store,
    hand: Hand,
    metrics: Arc<Metrics>,
    operations: Operations,
    ingest: Ingest,
    schedule: Arc<Schedule>,
    alerts: GatheredAlerts,
    watching: Watching,
    lanes: Vec<PastLane>,
    filled: Filled,
}

impl<'a> Filling<'a> {
    fn new(
        fill: &'a Fill<'a>,
        store: &Store,
        (clock, hand): (Clock, Hand),
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let config = fill.config;
        let sender = Arc::new(Sender::new(&sender_config(config))?);
        let sources = fill.scenario.sources.clone();
        let names = sources.iter().map(|source| source.name.clone());
        let watch = Watch {
            store: store.clone(),
            clock: clock.clone(),
            metrics: Arc::clone(&metrics),
            events: config.events.clone(),
            sources: names.collect(),
            pulled: Vec::new(),
            start: WatchStart::default(),
        };
        Ok(Self {
            fill,
            store: store.clone(),
            hand,
            operations: Operations::new(config, store.clone(), sender, clock.clone()),
            ingest: Ingest::new((sources, None), store.clone(), clock, Arc::clone(&metrics)),
            metrics,
            schedule: Arc::new(Schedule {
                delays: config.forward.schedule.clone(),
                max_age: config.forward.max_age,
            }),
            alerts: GatheredAlerts::new(store.clone()),
            watching: Watching::new(watch),
            lanes: Vec::new(),
            filled: Filled::default(),
        })
    }

    async fn run(mut self, mut on_progress: impl FnMut(usize, usize)) -> anyhow::Result<Filled> {
        for template in &TEMPLATES {
            self.order(PutTemplate {
                name: template.name.to_owned(),
                language: template.language.to_owned(),
                body: template.body.to_owned(),
            })
            .await?;
        }
        let lease = Lease::for_good();
        // It counts from its first look on.
        self.watching.step(&lease).await?;
        let history = History::new(&self.fill.scenario);
        let total = history.slots();
        let (slots, mut read) = mpsc::channel(READ_AHEAD);
        let reader = self.reader()?;
        let reading = spawn_blocking(move || {
            for slot in history {
                // The receiver is gone when the store could not take something in.
                if slots.blocking_send(reader.read(slot)).is_err() {
                    break;
                }
            }
        });
        let mut begin_ms = self.fill.scenario.span().start;
        let mut done = 0;
        while let Some(slot) = read.recv().await {
            self.admit(begin_ms).await?;
            let until_ms = slot.until_ms;
            // Its last moment, so that what is counted by steps counts for this one.
            self.hand.set_ms(until_ms - 1);
            // It looks at the clock only now and then, and would take the steps between for one jump.
            let _ = self.store.age_hold();
            self.take_in(slot.works).await?;
            self.alerts.step(&lease).await?;
            for lane in &mut self.lanes {
                lane.work(&self.store, &self.metrics, until_ms).await?;
            }
            self.watching.step(&lease).await?;
            begin_ms = until_ms;
            done += 1;
            on_progress(done, total);
        }
        reading.await.context("history could not be read")?;
        self.filled.messages = self.fill.scenario.messages;
        self.filled.attempts = self.lanes.iter().map(|lane| lane.attempts).sum();
        if !self.fill.stay {
            for invented in &INVENTED {
                let name = invented.name.to_owned();
                self.order(PauseSubscriber { name }).await?;
            }
        }
        self.operations.finished().await;
        Ok(self.filled)
    }

    /// Adds the subscribers that are there from that time on (ms since 1970 UTC).
    async fn admit(&mut self, at_ms: i64) -> anyhow::Result<()> {
        let history = self.fill.scenario.span();
        for invented in &INVENTED {
            let mut known = self.filled.subscribers.iter();
            let is_here = known.any(|(name, _)| *name == invented.name);
            if is_here || invented.begins_ms(&history) > at_ms {
                continue;
            }
            let rules = invented.rules.iter().map(|rule| rule.parse::<Rule>());
            let added = NewSubscriber {
                kind: invented.kind,
                filter: Filter {
                    rules: rules.collect::<Result<_, _>>()?,
                    ..Filter::default()
                },
                ..NewSubscriber::new(invented.name, &(self.fill.url)(invented.name))
            };
            let added = self.order(AddSubscriber(added)).await?;
            let id = added.subscriber.id;
            let lane = PastLane::open(&self.store, id, (invented, &history), &self.schedule);
            self.lanes.push(lane.await?);
            self.filled.subscribers.push((invented.name, added.secret));
        }
        Ok(())
    }

    /// Commits what happened in a step, in its order.
    async fn take_in(&mut self, works: Vec<PastWork>) -> anyhow::Result<()> {
        let (most, most_bytes) = AT_ONCE;
        let mut works = works.into_iter().peekable();
        while works.peek().is_some() {
            let mut bytes = 0;
            let mut waiting = Vec::new();
            while waiting.len() < most && bytes < most_bytes {
                let Some(work) = works.next() else { break };
                if let PastWork::Webhook(arrival) = &work {
                    bytes += arrival.weight();
                    self.filled.webhooks += 1;
                }
                waiting.push(commit(&self.store, work));
            }
            for taken in try_join_all(waiting).await? {
                self.filled.reports += taken.reports;
                self.filled.registered += taken.registered;
            }
        }
        Ok(())
    }

    fn reader(&self) -> anyhow::Result<HistoryReader> {
        let sources = &self.fill.scenario.sources;
        let endpoints = sources.iter().map(|source| {
            let endpoint = self.ingest.endpoint(&source.name);
            endpoint.context("a source is gone")
        });
        Ok(HistoryReader {
            sources: sources.clone(),
            endpoints: endpoints.collect::<anyhow::Result<_>>()?,
        })
    }

    /// Has it done as an operator would.
    async fn order<O: Operation>(&self, operation: O) -> anyhow::Result<O::Answer> {
        let (progress, _) = unbounded_channel();
        let caller = Caller::cli();
        let done = self.operations.perform(caller, operation, progress, None);
        Ok(done.await?)
    }
}

/// What one commit took in.
#[derive(Default)]
struct TakenIn {
    reports: u64,
    registered: u64,
}

async fn commit(store: &Store, work: PastWork) -> anyhow::Result<TakenIn> {
    let mut taken = TakenIn::default();
    match work {
        PastWork::Webhook(arrival) => {
            taken.reports = store.commit(arrival).await?.reports as u64;
        }
        PastWork::Registrations(registrations) => {
            taken.registered = store.commit(registrations).await?.len() as u64;
        }
    }
    Ok(taken)
}
