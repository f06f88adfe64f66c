//! One store, killed again and again under load, and checked after every kill.

use std::collections::{BTreeSet, HashSet};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::checker::{Findings, Holdings, Settled, look};

use super::subscriber::Subscriber;
use super::window::{Backfill, Moment, Tally, Window};
use crate::support::hasty::Front;
use crate::support::service::{Home, Service};
use crate::support::traffic::TrafficGenerator;
use crate::support::{PATIENCE, until};

/// Connections that each have one request in flight for most of the time: more than one
/// group and [`IN_FLIGHT`] together.
pub(super) const CONNECTIONS: usize = 400;
/// Requests that must be in flight when the service is killed.
pub(super) const IN_FLIGHT: usize = 100;

/// Who answers the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// The service.
    Service,
    /// A front that answers first and passes on later: what must not be.
    HastyFront,
}

/// A trial and all that outlives the kills.
pub(super) struct Trial {
    pub(super) home: Home,
    pub(super) traffic: TrafficGenerator,
    pub(super) subscriber: Subscriber,
    pub(super) findings: Findings,
    pub(super) tally: Tally,
    answers: Answers,
    settled: Settled,
    /// Unanswered webhooks that were in the store when last looked at.
    stored_before: BTreeSet<usize>,
}

impl Trial {
    /// A fresh store with one subscriber that wants everything.
    pub(super) fn new(answers: Answers) -> Self {
        let trial = Self {
            home: Home::new(),
            traffic: TrafficGenerator::default(),
            subscriber: Subscriber::start(),
            findings: Findings::default(),
            tally: Tally::default(),
            answers,
            settled: Settled::default(),
            stored_before: BTreeSet::new(),
        };
        let service = trial.home.start();
        service.subscribe("crm", &trial.subscriber.url);
        service.stop();
        trial
    }

    /// Runs the service under load, kills it at that moment and looks at what it left.
    pub(super) async fn kill_at(&mut self, moment: Moment) {
        let (status, _) = self.end_at(Signal::KILL, moment).await;
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{status}");
    }

    /// Runs the service under load, signals it at that moment and looks at what it left;
    /// returns how it ended, and how many webhooks it stored and did not answer at all.
    pub(super) async fn end_at(&mut self, signal: Signal, moment: Moment) -> (ExitStatus, usize) {
        let unanswered = self.traffic.unanswered();
        let from = unanswered.first().copied();
        let from = from.unwrap_or_else(|| self.traffic.begun());
        let mut service = self.home.start();
        let index = self.home.file("tickrelay.db-shm");
        let start = Backfill::read(&index);
        if let Moment::Received(_) = moment {
            settle(&service).await;
        }
        let received_before = self.subscriber.count();
        let front = match self.answers {
            Answers::Service => None,
            Answers::HastyFront => Some(Front::start(service.address)),
        };
        let address = front.as_ref().map_or(service.address, Front::address);
        let mut clients = self.traffic.flow(address, CONNECTIONS);

        let (traffic, subscriber) = (self.traffic.clone(), self.subscriber.clone());
        let enough = match self.answers {
            Answers::Service => IN_FLIGHT,
            Answers::HastyFront => 0,
        };
        let process = service.process();
        let in_flight = tokio::task::spawn_blocking(move || {
            signal_when(process, signal, &traffic, || {
                let due = match moment {
                    Moment::Sent(count) => traffic.sent() >= count,
                    Moment::Answered(count) => traffic.answered_count() >= count,
                    Moment::Received(count) => subscriber.count() >= received_before + count,
                    Moment::Checkpoint => {
                        Backfill::read(&index).is_some_and(|now| now.is_under_way(start))
                    }
                };
                due && traffic.in_flight_count() >= enough
            })
        });
        let in_flight = in_flight.await.unwrap();
        drop(front);
        let ended = tokio::task::spawn_blocking(move || service.end());
        while clients.join_next().await.is_some() {}
        let (status, _) = ended.await.unwrap();

        let backfill = Backfill::read(&self.home.file("tickrelay.db-shm"));
        let checkpoint = backfill.is_some_and(|now| now.is_under_way(start));
        let stored_unanswered = self.take_stock(from, &in_flight, received_before, checkpoint);
        (status, stored_unanswered)
    }

    /// Checks what the process left and counts where its end fell; returns how many webhooks
    /// were stored and not answered at all. `from` is the first webhook this run may have stored.
    fn take_stock(
        &mut self,
        from: usize,
        in_flight: &HashSet<usize>,
        received_before: usize,
        checkpoint: bool,
    ) -> usize {
        let connection = look(&self.home.store());
        let unanswered = self.traffic.unanswered();
        let holdings = Holdings::read(&connection, from);
        let answered = (from..self.traffic.begun()).filter(|number| !unanswered.contains(number));
        holdings.check(answered, &mut self.findings);

        let received = self.subscriber.since(received_before);
        let pending = self
            .settled
            .note(&connection, received_before + received.len());
        let unsettled: BTreeSet<_> = received
            .iter()
            .map(|ingest| ingest.forward)
            .filter(|forward| pending.contains(forward))
            .collect();
        let in_flight: Vec<usize> = in_flight
            .iter()
            .copied()
            .filter(|number| unanswered.contains(number))
            .collect();
        let of_this_run = |number: &&usize| !self.stored_before.contains(number);
        let (committed, uncommitted): (Vec<usize>, Vec<usize>) = in_flight
            .iter()
            .filter(of_this_run)
            .partition(|number| holdings.holds(**number));
        let refused = self.traffic.refused();
        let without_answer = committed.iter().filter(|number| !refused.contains(number));
        let stored_unanswered = without_answer.count();
        self.tally.count(
            in_flight.len() >= IN_FLIGHT,
            [
                (Window::BeforeCommit, uncommitted.len()),
                (Window::CommitToAnswer, committed.len()),
                (Window::SendToSettle, unsettled.len()),
                (Window::Checkpoint, usize::from(checkpoint)),
            ],
        );
        self.stored_before = unanswered;
        self.stored_before.retain(|number| holdings.holds(*number));
        stored_unanswered
    }

    /// Lets the service deliver what is left, stops it, and looks at everything once more.
    pub(super) async fn finish(&mut self) {
        let service = self.home.start();
        self.traffic.end();
        let mut clients = self.traffic.flow(service.address, CONNECTIONS);
        while clients.join_next().await.is_some() {}
        settle(&service).await;
        service.stop();

        let connection = look(&self.home.store());
        let settled: String = connection
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(settled, "ok");
        let unanswered = self.traffic.unanswered();
        assert!(unanswered.is_empty(), "not answered: {unanswered:?}");
        let holdings = Holdings::read(&connection, 0);
        let receptions = self.subscriber.since(0);
        holdings.check(0..self.traffic.begun(), &mut self.findings);
        holdings.check_delivered(&receptions, &mut self.findings);
        self.settled.check(&receptions, &mut self.findings);
    }
}

/// Waits until nothing is pending, for as long as it gets less.
async fn settle(service: &Service) {
    loop {
        let before = service.pending();
        if before == 0 {
            // What is counted stands in memory; what is listed was read from the store.
            let is_settled = || service.all("/forwards?state=pending").is_empty();
            return until("none is listed as pending", is_settled).await;
        }
        until("fewer forwards are pending", || service.pending() < before).await;
    }
}

/// Signals the process as soon as it is `due`; returns what was in flight just before.
fn signal_when(
    process: Pid,
    signal: Signal,
    traffic: &TrafficGenerator,
    due: impl Fn() -> bool,
) -> HashSet<usize> {
    // A checkpoint comes after 8 MiB of WAL, which a busy machine may take its time for.
    let deadline = Instant::now() + PATIENCE;
    while !due() {
        assert!(Instant::now() < deadline, "the moment did not come");
        std::thread::sleep(Duration::from_micros(50));
    }
    let in_flight = traffic.in_flight();
    kill_process(process, signal).unwrap();
    in_flight
}
