//! A fresh store with everybody around it: service, player, subscriber.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tickrelay::control;
use tickrelay::model::{Filter, PayloadOptions};
use tickrelay::operations::{Answer, Request};
use tickrelay::store::NewSubscriber;

use super::measure::{self, Outcome};
use super::player::{Part, Played, read_log};
use super::process::{Actor, Service, Usage};
use super::subscriber::{Listening, Order};
use super::{Durability, talk};

/// What is still owed is given up as lost when nothing has come for this long: longer than
/// the first retry takes.
const SILENCE: Duration = Duration::from_secs(15);

/// What holds for all scenarios of a run.
pub(super) struct Bench {
    pub(super) service: PathBuf,
    pub(super) folder: PathBuf,
    /// How long a scenario sends.
    pub(super) window: Duration,
    pub(super) quick: bool,
    pub(super) concurrency: u16,
    pub(super) stored: u64,
    pub(super) backlog: u64,
    /// Whether stores are left where they are.
    pub(super) keep: bool,
}

/// The stage of one scenario.
pub(super) struct Stage<'a> {
    bench: &'a Bench,
    durability: Durability,
    service: Option<Service>,
    player: Actor,
    subscriber: Actor,
    subscriber_port: u16,
    /// How many forwards had come when the logs were last read.
    counted: u64,
    next_run: u32,
    /// Right after the start, before anything was sent.
    pub(super) idle: Usage,
    folder: TempDir,
}

impl<'a> Stage<'a> {
    pub(super) fn open(bench: &'a Bench, durability: Durability) -> anyhow::Result<Self> {
        let mut folder = folder(&bench.folder)?;
        if bench.keep {
            folder.disable_cleanup(true);
            talk(&format!("  the store is in {}", folder.path().display()))?;
        }
        let service = Service::start(&bench.service, folder.path(), durability)?;
        let mut subscriber = Actor::start("role-subscriber")?;
        let Listening { port } = subscriber.hear()?;
        Ok(Self {
            bench,
            durability,
            idle: service.usage(),
            service: Some(service),
            player: Actor::start("role-player")?,
            subscriber,
            subscriber_port: port,
            counted: 0,
            next_run: 0,
            folder,
        })
    }

    pub(super) fn service(&self) -> anyhow::Result<&Service> {
        self.service.as_ref().context("the service is stopped")
    }

    /// Adds a subscriber that is called at that path of the subscriber's process.
    pub(super) fn subscribe(&self, name: &str, path: &str) -> anyhow::Result<()> {
        self.ask(&Request::AddSubscriber(NewSubscriber {
            name: name.to_owned(),
            url: format!("http://127.0.0.1:{}/{path}", self.subscriber_port),
            filter: Filter::default(),
            options: PayloadOptions::default(),
            concurrency: self.bench.concurrency,
        }))
        .map(drop)
    }

    /// Asks the service as the CLI does.
    pub(super) fn ask(&self, request: &Request) -> anyhow::Result<Answer> {
        let store = &self.service()?.store;
        match control::ask(store, request, |_| {})? {
            Some(answer) => Ok(answer?),
            None => bail!("the service does not listen to its control socket"),
        }
    }

    /// A part of this stage's service: its webhooks are those of a new run.
    pub(super) fn part(&mut self) -> anyhow::Result<Part> {
        let run = self.next_run;
        self.next_run += 1;
        Ok(Part {
            port: self.service()?.port,
            connections: 256,
            rate: None,
            seconds: self.bench.window.as_secs_f64(),
            reports: None,
            batch: 1,
            infobip: false,
            run,
            log: Some(self.log_of(run)),
        })
    }

    fn log_of(&self, run: u32) -> PathBuf {
        self.folder.path().join(format!("told-{run}"))
    }

    pub(super) fn play(&mut self, part: &Part) -> anyhow::Result<Played> {
        self.player.ask(part)
    }

    /// Forwards that have come since the logs were last read.
    pub(super) fn count(&mut self) -> anyhow::Result<u64> {
        let count: u64 = self.subscriber.ask(&Order::Count)?;
        Ok(count - self.counted)
    }

    /// Waits until this many forwards have come, or none any more.
    pub(super) fn drain(&mut self, expected: u64) -> anyhow::Result<()> {
        let mut last = (0, Instant::now());
        loop {
            let count = self.count()?;
            if count >= expected || last.1.elapsed() > SILENCE {
                return Ok(());
            }
            if count > last.0 {
                last = (count, Instant::now());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What became of a part, for these subscribers; forgets what they took.
    pub(super) fn outcome(&mut self, part: &Part, subscribers: &[u64]) -> anyhow::Result<Outcome> {
        let taken = self.folder.path().join("taken");
        self.counted = self.subscriber.ask(&Order::Log(taken.clone()))?;
        let told = part.log.as_deref().map(read_log).transpose()?;
        Ok(measure::join(
            &told.unwrap_or_default(),
            &read_log(&taken)?,
            subscribers,
        ))
    }

    /// Stops the service and starts it again on the same store.
    pub(super) fn restart(&mut self) -> anyhow::Result<()> {
        if let Some(service) = self.service.take() {
            service.stop()?;
        }
        let service = Service::start(&self.bench.service, self.folder.path(), self.durability)?;
        self.idle = service.usage();
        self.service = Some(service);
        Ok(())
    }

    /// Bytes of the store's file, what is still in its WAL aside.
    pub(super) fn store_bytes(&self) -> u64 {
        let file = self.folder.path().join("tickrelay.db");
        file.metadata().map_or(0, |about| about.len())
    }

    /// Stops the service; the store's file holds everything then.
    pub(super) fn stop(&mut self) -> anyhow::Result<()> {
        match self.service.take() {
            Some(service) => service.stop(),
            None => Ok(()),
        }
    }
}

/// A folder of its own for one store, gone when it is dropped.
pub(super) fn folder(within: &Path) -> anyhow::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("tickrelay-bench-")
        .tempdir_in(within)
        .with_context(|| format!("cannot make a folder in {}", within.display()))
}
