//! A fresh store with everybody around it: service, player, subscriber.

use std::cell::OnceCell;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tickrelay::config;
use tickrelay::model::{NewSubscriber, Whole};
use tickrelay::web::socket_path;

use super::measure::Outcome;
use super::plan::Scale;
use super::player::{Entry, Part, Played, read_log};
use super::process::{Actor, Service, Settings, Usage};
use super::readers;
use super::stored::Kept;
use super::subscriber::{Listening, Order};
use super::{Durability, talk};

/// What is still queued is given up as lost when nothing has come for this long: longer than
/// the first retry takes.
pub(super) const SILENCE: Duration = Duration::from_secs(15);

/// The same for what comes so slowly that a run would not end.
const DRAINED_WITHIN: Duration = Duration::from_hours(1);
/// A forward that comes again, or late, does so within this time after the last one: the logs
/// are joined when it was quiet for so long, or when it never is.
const QUIET: Duration = Duration::from_secs(1);
const QUIET_WITHIN: Duration = Duration::from_secs(30);
/// How often it is asked what has come.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The longest that a part may take which is not ended by the clock.
pub(super) const WITHIN: Duration = Duration::from_hours(2);
/// `wal_limit` as the service has it by default, MiB.
pub(super) const WAL_LIMIT_MIB: u64 = 256;

/// What holds for all scenarios of a run.
pub(super) struct Bench {
    pub(super) service: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) scale: Scale,
    pub(super) concurrency: u16,
    /// Whether stores are left where they are.
    pub(super) keep: bool,
    /// Whether scenarios are run more than once, in rounds or durabilities.
    pub(super) is_repeated: bool,
    /// The large store, once it was filled.
    pub(super) filled: OnceCell<Kept>,
}

impl Bench {
    /// The length of a window that is this long in the full form.
    pub(super) fn seconds(&self, full: u64) -> f64 {
        Duration::from_secs(self.scale.window_s(full)).as_secs_f64()
    }
}

/// The stage of one scenario.
pub(super) struct Stage<'a> {
    pub(super) bench: &'a Bench,
    settings: Settings,
    service: Option<Service>,
    player: Actor,
    subscriber: Actor,
    subscriber_port: u16,
    next_run: u32,
    /// Right after the start, before anything was sent.
    pub(super) idle: Usage,
    folder: TempDir,
}

impl<'a> Stage<'a> {
    pub(super) fn open(bench: &'a Bench, durability: Durability) -> anyhow::Result<Self> {
        Self::open_with(bench, durability, WAL_LIMIT_MIB)
    }

    /// Like [`Stage::open`], with a limit of the write-ahead log.
    pub(super) fn open_with(
        bench: &'a Bench,
        durability: Durability,
        wal_limit_mib: u64,
    ) -> anyhow::Result<Self> {
        let settings = Settings {
            durability,
            wal_limit_mib,
        };
        let mut folder = folder(&bench.folder)?;
        if bench.keep {
            folder.disable_cleanup(true);
            talk(&format!("  the store is in {}", folder.path().display()))?;
        }
        let service = Service::start(&bench.service, folder.path(), settings)?;
        let mut subscriber = Actor::start("role-subscriber")?;
        let Listening { port } = subscriber.receive()?;
        Ok(Self {
            bench,
            settings,
            idle: service.usage(),
            service: Some(service),
            player: Actor::start("role-player")?,
            subscriber,
            subscriber_port: port,
            next_run: 0,
            folder,
        })
    }

    pub(super) fn service(&self) -> anyhow::Result<&Service> {
        self.service.as_ref().context("the service is stopped")
    }

    /// A subscriber that is called at that path of the subscriber's process.
    pub(super) fn subscriber(&self, name: &str, path: &str) -> NewSubscriber {
        let url = format!("http://127.0.0.1:{}/{path}", self.subscriber_port);
        NewSubscriber {
            concurrency: Whole::from(self.bench.concurrency),
            ..NewSubscriber::new(name, &url)
        }
    }

    /// Adds such a subscriber.
    pub(super) fn subscribe(&self, name: &str, path: &str) -> anyhow::Result<()> {
        let new = self.subscriber(name, path);
        self.ask("POST", "/subscribers", &serde_json::to_string(&new)?)
    }

    /// The number of the last report in the store.
    pub(super) fn last_report(&self) -> anyhow::Result<i64> {
        readers::last_report(&self.service()?.store)
    }

    /// How many reports the store has got since that one was its last.
    pub(super) fn reports_after(&self, last: i64) -> anyhow::Result<u64> {
        readers::reports_after(&self.service()?.store, last)
    }

    /// Asks the service over its socket, as the command line does.
    pub(super) fn ask(&self, method: &str, path: &str, body: &str) -> anyhow::Result<()> {
        let store = config::Store {
            path: self.service()?.store.clone(),
            ..config::Store::default()
        };
        let socket = socket_path(&store.engine())?;
        let mut stream = UnixStream::connect(socket)?;
        write!(
            stream,
            "{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(
            answer.starts_with("HTTP/1.1 2"),
            "{method} {path}: {answer}"
        );
        Ok(())
    }

    /// A part of this stage's service: its webhooks are those of a new run.
    pub(super) fn part(&mut self) -> anyhow::Result<Part> {
        let run = self.next_run;
        self.next_run += 1;
        Ok(Part {
            run,
            log: Some(self.folder.path().join(format!("sent-{run}"))),
            ..Part::saturated(self.service()?.port, self.bench.seconds(10))
        })
    }

    /// Leaves out a run: its webhooks are in the store already.
    pub(super) const fn skip_run(&mut self) {
        self.next_run += 1;
    }

    pub(super) fn play(&mut self, part: &Part) -> anyhow::Result<Played> {
        self.player.ask(part)
    }

    /// Plays a part until [`Stage::finish`].
    pub(super) fn begin(&mut self, part: &Part) -> anyhow::Result<()> {
        self.player.send(&Part {
            until_allowed: true,
            seconds: WITHIN.as_secs_f64(),
            ..part.clone()
        })
    }

    /// Ends the part that was begun.
    pub(super) fn finish(&mut self) -> anyhow::Result<Played> {
        self.player.ask(&())
    }

    /// Waits until this many forwards of a part have come, each counted once, or none any more.
    pub(super) fn drain(&mut self, part: &Part, expected: u64) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut last = (0, begun);
        loop {
            let count: u64 = self.subscriber.ask(&Order::Count(part.run))?;
            let is_over = last.1.elapsed() > SILENCE || begun.elapsed() > DRAINED_WITHIN;
            if count >= expected || is_over {
                return Ok(());
            }
            if count > last.0 {
                last = (count, Instant::now());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// The subscribers go away: their connections are cut, new ones refused.
    pub(super) fn leave(&mut self) -> anyhow::Result<()> {
        let _: u64 = self.subscriber.ask(&Order::Leave)?;
        Ok(())
    }

    /// They are back; says when (µs of the machine's clock).
    pub(super) fn come_back(&mut self) -> anyhow::Result<u64> {
        self.subscriber.ask(&Order::Return)
    }

    /// Waits for the first forward of a part.
    pub(super) fn await_first(&mut self, part: &Part, within: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.subscriber.ask::<u64>(&Order::Count(part.run))? == 0 {
            ensure!(
                begun.elapsed() < within,
                "nothing was forwarded for {within:?} to a subscriber that is back"
            );
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// What all subscribers took, once nothing comes any more; forgets it.
    pub(super) fn taken(&mut self) -> anyhow::Result<Vec<Entry>> {
        let begun = Instant::now();
        let mut last = (0, begun);
        while last.1.elapsed() < QUIET && begun.elapsed() < QUIET_WITHIN {
            let arrivals: u64 = self.subscriber.ask(&Order::Arrivals)?;
            if arrivals != last.0 {
                last = (arrivals, Instant::now());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let taken = self.folder.path().join("taken");
        let _: u64 = self.subscriber.ask(&Order::Log(taken.clone()))?;
        read_log(&taken)
    }

    /// What became of each part, for these subscribers.
    pub(super) fn outcomes(
        &mut self,
        parts: &[&Part],
        subscribers: &[u64],
    ) -> anyhow::Result<Vec<Outcome>> {
        let taken = self.taken()?;
        let outcome = |part: &&Part| part.outcome(&taken, subscribers);
        parts.iter().map(outcome).collect()
    }

    /// Stops the service and starts it again on the same store; says how long it took to be
    /// ready.
    pub(super) fn restart(&mut self) -> anyhow::Result<Duration> {
        self.stop()?;
        self.start()
    }

    /// Kills the service as a crash does.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        match self.service.take() {
            Some(service) => service.kill(),
            None => Ok(()),
        }
    }

    /// Starts the service on the store that is there; says how long it took to be ready.
    pub(super) fn start(&mut self) -> anyhow::Result<Duration> {
        let service = Service::start(&self.bench.service, self.folder.path(), self.settings)?;
        self.idle = service.usage();
        let ready_after = service.ready_after;
        self.service = Some(service);
        Ok(ready_after)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
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

/// A folder of its own for one store, gone when it is dropped. What was written and deleted before
/// is on the disk then: a file system that discards the blocks of a store that is gone makes whoever
/// syncs wait for it.
pub(super) fn folder(within: &Path) -> anyhow::Result<TempDir> {
    let quiet = File::open(within).and_then(|folder| Ok(rustix::fs::syncfs(folder)?));
    quiet.with_context(|| format!("cannot sync {}", within.display()))?;
    tempfile::Builder::new()
        .prefix("tickrelay-bench-")
        .tempdir_in(within)
        .with_context(|| format!("cannot make a folder in {}", within.display()))
}
