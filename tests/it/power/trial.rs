//! One service under load with a recorder beneath it, and its record cut at many points.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use super::checker::{self, Faults, Promised};
use super::disk::{Disk, Syncs};
use super::record::{self, Event};
use crate::support::receiver::Receiver;
use crate::support::service::Home;
use crate::support::traffic::{post_each, statuses};
use crate::support::until;

/// What a trial is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Webhooks that are posted.
    pub(super) webhooks: usize,
    /// The setting `store.durability`.
    pub(super) durability: &'static str,
    /// What the disk makes of a sync.
    pub(super) syncs: Syncs,
    /// Times the power goes.
    pub(super) cuts: usize,
}

/// Webhooks that are on their way at once.
const CONNECTIONS: usize = 4;
/// One in so many of the files found after a cut is given to the true service.
const SERVED: usize = 25;

/// Everything recorded of one service from its first start to its orderly end.
pub(super) struct Trial {
    plan: Plan,
    receiver: Receiver,
    events: Vec<Event>,
    /// The numbers of the webhooks that each client posted, in order, by its port.
    posted: HashMap<u16, Vec<usize>>,
    /// Events before the one by which the subscriber was known to be added.
    subscribed_at: usize,
}

impl Trial {
    /// Runs the service under load; `library` records.
    pub(super) async fn run(plan: Plan, library: &Path) -> Self {
        let home = Home::new().set(&format!("store.durability={}", plan.durability));
        let folder = home.folder().to_path_buf();
        let record = folder.join("record");
        let home = home
            .environment("LD_PRELOAD", library)
            .environment("SHIM_FOLDER", &folder)
            .environment("SHIM_RECORD", &record);
        let home = match plan.syncs {
            Syncs::AreOmitted => home.environment("SHIM_OMITS_SYNCS", "1"),
            Syncs::Count | Syncs::AreIgnored => home,
        };
        let receiver = Receiver::start();
        let service = home.start();
        service.subscribe("watcher", &receiver.url);
        let mark = std::fs::metadata(&record).unwrap().len();
        let mut clients = JoinSet::new();
        for first in 0..CONNECTIONS {
            let numbers: Vec<usize> = (first..plan.webhooks).step_by(CONNECTIONS).collect();
            clients.spawn(async move {
                let port = post_each(service.address, numbers.iter().copied()).await;
                (port, numbers)
            });
        }
        let posted = clients.join_all().await.into_iter().collect();
        let reports: usize = (0..plan.webhooks)
            .map(|number| statuses(number).len())
            .sum();
        until("everything is forwarded", || receiver.count() >= reports).await;
        service.stop();
        let (events, subscribed_at) = record::read(&record, mark);
        let trial = Self {
            plan,
            receiver,
            events,
            posted,
            subscribed_at,
        };
        trial.check_recorder(&folder);
        trial
    }

    /// Replayed in full, the record makes the very files that are there.
    fn check_recorder(&self, folder: &Path) {
        let mut disk = Disk::new(Syncs::Count);
        for (number, event) in self.events.iter().enumerate() {
            disk.apply(number, event);
        }
        for (name, contents) in disk.cached() {
            let found = std::fs::read(folder.join(&name)).unwrap();
            assert!(found == contents, "{name} is not what was recorded");
        }
        let answers = self.answers().filter(|(_, answer)| answer.is_some());
        assert_eq!(answers.count(), self.plan.webhooks, "an answer was missed");
        // The last one belongs to the orderly end.
        let store = self.file("tickrelay.db");
        let checkpoint =
            |event: &&Event| matches!(event, Event::Sync { file, .. } if *file == store);
        let load = &self.events[self.subscribed_at..];
        let checkpoints = load.iter().filter(checkpoint).count();
        if self.plan.syncs == Syncs::AreOmitted {
            assert_eq!(checkpoints, 0, "it does sync");
        } else {
            assert!(checkpoints >= 2, "{checkpoints} checkpoints: too few");
        }
    }

    fn file(&self, wanted: &str) -> u64 {
        let id = self.events.iter().find_map(|event| match event {
            Event::Create { file, name } if name == wanted => Some(*file),
            _ => None,
        });
        id.unwrap()
    }

    /// Every event's number, and the webhook that it answers with 200.
    fn answers(&self) -> impl Iterator<Item = (usize, Option<usize>)> {
        let mut answered: HashMap<u16, usize> = HashMap::new();
        self.events.iter().enumerate().map(move |(number, event)| {
            let Event::Answer { port, status: 200 } = event else {
                return (number, None);
            };
            let count = answered.entry(*port).or_default();
            *count += 1;
            let webhook = self.posted.get(port).map(|posted| posted[*count - 1]);
            (number, webhook)
        })
    }

    /// The power goes at many points; returns what was wrong with what was found.
    pub(super) async fn cut(&self) -> Faults {
        let mut faults = Faults::default();
        let mut points = self.points().into_iter().peekable();
        let mut disk = Disk::new(self.plan.syncs);
        let mut acknowledged = HashSet::new();
        let mut random = StdRng::seed_from_u64(0);
        let mut cuts = 0;
        for (number, webhook) in self.answers() {
            disk.apply(number, &self.events[number]);
            acknowledged.extend(webhook);
            if self.plan.syncs != Syncs::Count && number == self.subscribed_at {
                // What is on trial is the load, not the making of an empty store.
                disk.settle();
            }
            while points.next_if_eq(&number).is_some() {
                let promised = Promised {
                    webhooks: &acknowledged,
                    subscriber: (number >= self.subscribed_at).then_some("watcher"),
                };
                let home = found(disk.cut(&mut random));
                faults.add(number, checker::check(&home.store(), &promised).await);
                cuts += 1;
                if cuts % SERVED == 0 && faults.is_empty() {
                    self.serve(&home, &acknowledged).await;
                }
            }
        }
        assert_eq!(cuts, self.plan.cuts);
        faults
    }

    /// Numbers of events after which the power goes: one in five while the store is made,
    /// two right after an answer, two anywhere.
    fn points(&self) -> Vec<usize> {
        let mut random = StdRng::seed_from_u64(1);
        let answers: Vec<usize> = self
            .answers()
            .filter_map(|(number, answer)| answer.map(|_| number))
            .collect();
        let mut points: Vec<usize> = (0..self.plan.cuts)
            .map(|cut| match cut % 5 {
                0 if self.plan.syncs == Syncs::Count => random.random_range(0..self.subscribed_at),
                1 | 2 => answers[random.random_range(0..answers.len())],
                _ => random.random_range(self.subscribed_at + 1..self.events.len()),
            })
            .collect();
        points.sort_unstable();
        points
    }

    /// The true service takes over what was found: it knows what it acknowledged, takes what
    /// is new and forwards all that is queued.
    async fn serve(&self, home: &Home, acknowledged: &HashSet<usize>) {
        let service = home.start();
        let received = self.receiver.count();
        let new = self.plan.webhooks + 1;
        let numbers = acknowledged.iter().copied().min().into_iter().chain([new]);
        post_each(service.address, numbers).await;
        // What is counted stands in memory; what is listed was read from the store.
        let is_settled =
            || service.pending() == 0 && service.all("/forwards?state=pending").is_empty();
        until("what is pending is forwarded", is_settled).await;
        // Before the first answer there may be no subscriber yet.
        assert!(acknowledged.is_empty() || self.receiver.count() > received);
        service.stop();
    }
}

/// A folder with these files.
fn found(files: BTreeMap<String, Vec<u8>>) -> Home {
    let home = Home::new();
    for (name, contents) in files {
        std::fs::write(home.file(&name), contents).unwrap();
    }
    home
}
