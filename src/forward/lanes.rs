//! The lanes at work: one task per subscriber sends what is owed and settles it.
//!
//! A lane is live (memory holds all that is pending, the writer hands over what comes) or
//! spilled (the table holds it, the lane reads what is due). It never waits for another
//! lane, and a gate (pause, open breaker) stops it without touching a row.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::breaker::{Breaker, Gate, Transition};
use super::envelope::{Envelope, SigningSecret};
use super::lane::{Fate, Lane};
use super::schedule::{Attempted, Next, Schedule};
use super::sender::{Request, Sender};
use crate::clock::Clock;
use crate::metrics::{Metrics, SubscriberLabel, subscriber_labels};
use crate::model::{GaveUp, Outcome, Subscriber, SubscriberState};
use crate::store::{Attempt, Error, Feed, Owed, Refill, Settlement, StateChange, Store, Verdict};

/// What every lane shares.
#[derive(Clone)]
pub struct Forwarding {
    /// Where forwards come from and go back to.
    pub store: Store,
    /// The only way out.
    pub sender: Arc<Sender>,
    /// When to try again.
    pub schedule: Arc<Schedule>,
    /// How long a subscriber may fail without pause before it is disabled.
    pub disable_after: Duration,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// A lane asks the table again after this long, even when nobody told it to.
const POLL: Duration = Duration::from_secs(1);
/// A spilled lane reads on when it holds fewer than this.
const LOW_WATER: usize = 512;

impl Forwarding {
    /// Runs a lane for every subscriber, present and future, until `stop` turns true; then
    /// waits for what is in flight.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut subscribers = self.store.subscribers();
        let mut lanes: HashMap<i64, (watch::Sender<Arc<Subscriber>>, JoinHandle<()>)> =
            HashMap::new();
        loop {
            let current = Arc::clone(&subscribers.borrow_and_update());
            // A subscriber that is gone drops its sender, which ends its lane.
            lanes.retain(|id, _| current.iter().any(|subscriber| subscriber.id == *id));
            for subscriber in current.iter() {
                if let Some((settings, _)) = lanes.get(&subscriber.id) {
                    settings.send_replace(Arc::clone(subscriber));
                    continue;
                }
                let (settings, seen) = watch::channel(Arc::clone(subscriber));
                let lane = LaneTask::new(self.clone(), seen);
                let handle = tokio::spawn(lane.run(stop.clone()));
                lanes.insert(subscriber.id, (settings, handle));
            }
            tokio::select! {
                changed = subscribers.changed() => if changed.is_err() { break },
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        for (_, (_, handle)) in lanes {
            // A lane that panicked has nothing in flight any more.
            let _ = handle.await;
        }
    }
}

/// One attempt that ended.
struct Ended {
    owed: Owed,
    probe: bool,
    started_at_ms: i64,
    outcome: Outcome,
}

type Sending = FuturesUnordered<Pin<Box<dyn Future<Output = Ended> + Send>>>;
type Refilling = Pin<Box<dyn Future<Output = Result<Refill, Error>> + Send>>;

/// The task of one subscriber's lane.
struct LaneTask {
    shared: Forwarding,
    settings: watch::Receiver<Arc<Subscriber>>,
    subscriber: Arc<Subscriber>,
    secrets: Vec<crate::store::SubscriberSecret>,
    lane: Lane,
    breaker: Breaker,
    failing_since_ms: Option<i64>,
    /// When the table is to be read next, ms since 1970 UTC.
    refill_at_ms: i64,
    /// Whether the table may know better than memory: an operator changed something.
    resync: bool,
}

impl LaneTask {
    fn new(shared: Forwarding, settings: watch::Receiver<Arc<Subscriber>>) -> Self {
        let subscriber = Arc::clone(&settings.borrow());
        Self {
            breaker: Breaker::new(subscriber.id, shared.timeout),
            failing_since_ms: subscriber.failing_since_ms,
            shared,
            settings,
            subscriber,
            secrets: Vec::new(),
            lane: Lane::default(),
            refill_at_ms: 0,
            resync: true,
        }
    }

    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let Ok(mut feed) = self.shared.store.open_lane(self.subscriber.id).await else {
            return;
        };
        self.take_settings();
        let mut sending = Sending::new();
        let mut refilling: Option<Refilling> = None;
        loop {
            while let Ok(owed) = feed.owed.try_recv() {
                self.lane.push(owed);
            }
            if refilling.is_none() && self.wants_refill(&feed) {
                if std::mem::take(&mut self.resync) {
                    self.lane.forget_idle();
                }
                let (store, id) = (self.shared.store.clone(), self.subscriber.id);
                let held = self.lane.held();
                refilling = Some(Box::pin(async move { store.refill(id, held).await }));
            }
            let wake_ms = self.send_what_is_due(&mut sending);
            let clock = self.shared.clock.clone();
            tokio::select! {
                Some(ended) = sending.next(), if !sending.is_empty() => {
                    let keep = feed.gauge.live.load(Ordering::Acquire) || refilling.is_some();
                    self.conclude(ended, keep, &feed);
                }
                refill = async { refilling.as_mut().map(Pin::as_mut)?.await.into() }, if refilling.is_some() => {
                    refilling = None;
                    self.take_refill(refill, &feed);
                }
                Some(owed) = feed.owed.recv() => self.lane.push(owed),
                () = feed.gauge.spilled.notified() => self.refill_at_ms = 0,
                changed = self.settings.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.take_settings();
                }
                () = clock.sleep_until(wake_ms) => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        while let Some(ended) = sending.next().await {
            self.conclude(ended, true, &feed);
        }
    }

    /// Takes over what an operator changed, and whatever a replay made due.
    fn take_settings(&mut self) {
        self.subscriber = Arc::clone(&self.settings.borrow_and_update());
        self.refill_at_ms = 0;
        self.resync = true;
        if self.subscriber.failing_since_ms.is_none() {
            self.failing_since_ms = None;
        }
        match self.shared.store.signing_secrets(self.subscriber.id) {
            Ok(secrets) => self.secrets = secrets,
            Err(error) => {
                tracing::error!(subscriber = %self.subscriber.name, %error, "forward.no_secrets");
            }
        }
    }

    fn is_open_for_business(&self) -> bool {
        self.subscriber.state == SubscriberState::Active && !self.secrets.is_empty()
    }

    fn wants_refill(&self, feed: &Feed) -> bool {
        let behind = !feed.gauge.live.load(Ordering::Acquire)
            && self.lane.len() < LOW_WATER
            && self.refill_at_ms <= self.shared.clock.now_ms();
        self.is_open_for_business() && (self.resync || behind)
    }

    /// Starts what may be sent; returns when to look again, ms since 1970 UTC.
    fn send_what_is_due(&mut self, sending: &mut Sending) -> i64 {
        let now_ms = self.shared.clock.now_ms();
        let poll_ms = now_ms + i64::try_from(POLL.as_millis()).unwrap_or(i64::MAX);
        if !self.is_open_for_business() {
            return poll_ms;
        }
        while sending.len() < usize::from(self.subscriber.concurrency)
            && let Some(next) = self.lane.next(now_ms)
        {
            // Before the gate: a probe is given out once, and must not end here.
            if self.shared.schedule.is_expired(next.owed_since_ms, now_ms) {
                let forward_id = next.forward_id;
                self.give_up_by_age(forward_id);
                continue;
            }
            let probe = match self.breaker.gate(now_ms) {
                Gate::Open { until_ms } => return until_ms,
                Gate::Probe => true,
                Gate::Closed => false,
            };
            let Some(owed) = self.lane.take(now_ms) else {
                break;
            };
            sending.push(self.attempt(owed, probe, now_ms));
            if probe {
                break;
            }
        }
        let next_ms = self.lane.next_due_ms().filter(|due_ms| *due_ms > now_ms);
        next_ms.unwrap_or(i64::MAX).min(poll_ms).max(now_ms + 1)
    }

    fn attempt(
        &self,
        owed: Owed,
        probe: bool,
        now_ms: i64,
    ) -> Pin<Box<dyn Future<Output = Ended> + Send>> {
        let secrets: Vec<SigningSecret> = self
            .secrets
            .iter()
            .filter(|secret| {
                secret
                    .expires_at_ms
                    .is_none_or(|expires_ms| now_ms < expires_ms)
            })
            .map(|secret| secret.secret.clone())
            .collect();
        let envelope = Envelope::seal(&secrets, &owed.uid.to_string(), now_ms, &owed.payload);
        let subscriber = Arc::clone(&self.subscriber);
        let sender = Arc::clone(&self.shared.sender);
        Box::pin(async move {
            let headers = envelope.headers();
            let request = Request {
                url: &subscriber.url,
                headers: &headers,
                body: &owed.payload,
                now_ms,
            };
            let outcome = sender.send(&request).await;
            Ended {
                owed,
                probe,
                started_at_ms: now_ms,
                outcome,
            }
        })
    }

    fn give_up_by_age(&mut self, forward_id: i64) {
        self.lane.finish(forward_id, Fate::Leaves);
        self.count("gave-up");
        self.shared.store.settle(Settlement {
            forward_id,
            attempt: None,
            verdict: Verdict::GaveUp(GaveUp::Expired),
        });
    }

    /// Settles an attempt; a forward that waits stays in memory when `keep`, else in the
    /// table alone.
    fn conclude(&mut self, ended: Ended, keep: bool, feed: &Feed) {
        let now_ms = self.shared.clock.now_ms();
        let Ended {
            owed,
            probe,
            started_at_ms,
            outcome,
        } = ended;
        self.note(&outcome, now_ms);
        let attempts = owed.attempts + 1;
        let next = self.shared.schedule.next(Attempted {
            forward: owed.uid,
            attempt: attempts,
            outcome: &outcome,
            owed_since_ms: owed.owed_since_ms,
            now_ms,
        });
        let spared = probe && outcome.counts_against_subscriber();
        let (verdict, fate) = match next {
            Next::Done => (Verdict::Delivered, Fate::Leaves),
            Next::GaveUp(reason) if !spared => (Verdict::GaveUp(reason), Fate::Leaves),
            Next::RetryAt(due_at_ms) if !spared => {
                let waits = Fate::Waits {
                    due_at_ms,
                    last_attempt_ms: started_at_ms,
                    attempts,
                };
                (
                    Verdict::RetryAt(due_at_ms),
                    if keep { waits } else { Fate::Leaves },
                )
            }
            Next::Disable => {
                self.disable("answered 410 Gone");
                (
                    Verdict::Untouched,
                    Fate::Requeues {
                        due_at_ms: owed.due_at_ms,
                    },
                )
            }
            _ => (Verdict::Untouched, Fate::Requeues { due_at_ms: now_ms }),
        };
        if let (Fate::Leaves, Verdict::RetryAt(due_at_ms)) = (fate, verdict) {
            self.refill_at_ms = self.refill_at_ms.min(due_at_ms);
        }
        self.lane.finish(owed.forward_id, fate);
        feed.gauge
            .held
            .store(self.lane.len() + feed.owed.len(), Ordering::Release);
        self.log(&owed, &outcome, probe, verdict);
        if attempts == 1 && outcome.is_delivered() {
            let waited_ms = u32::try_from((now_ms - owed.owed_since_ms).max(0)).unwrap_or(u32::MAX);
            self.shared
                .metrics
                .receive_to_forward_seconds
                .observe(f64::from(waited_ms) / 1000.0);
        }
        self.shared.store.settle(Settlement {
            forward_id: owed.forward_id,
            attempt: Some(Attempt {
                number: (!(spared || verdict == Verdict::Untouched)).then_some(attempts),
                started_at_ms,
                outcome,
            }),
            verdict,
        });
    }

    /// Breaker, and since when the subscriber has been failing.
    fn note(&mut self, outcome: &Outcome, now_ms: i64) {
        let transition = self.breaker.on_outcome(outcome, now_ms);
        if let Some(transition) = transition {
            let open = transition == Transition::Opened;
            tracing::warn!(subscriber = %self.subscriber.name, open, "forward.breaker");
            let label = SubscriberLabel {
                subscriber: self.subscriber.name.clone(),
            };
            self.shared
                .metrics
                .breaker_open
                .get_or_create(&label)
                .set(i64::from(open));
        }
        if outcome.is_delivered() {
            if self.failing_since_ms.take().is_some() {
                self.note_failing(None);
            }
            return;
        }
        let since_ms = *self.failing_since_ms.get_or_insert(now_ms);
        if since_ms == now_ms {
            self.note_failing(Some(since_ms));
        }
        let limit_ms = i64::try_from(self.shared.disable_after.as_millis()).unwrap_or(i64::MAX);
        if now_ms.saturating_sub(since_ms) >= limit_ms {
            let days = self.shared.disable_after.as_secs() / 86_400;
            self.disable(&format!("every attempt failed for {days} days"));
        }
    }

    fn note_failing(&self, since_ms: Option<i64>) {
        let (store, id) = (self.shared.store.clone(), self.subscriber.id);
        tokio::spawn(async move {
            if let Err(error) = store.note_failing(id, since_ms).await {
                tracing::warn!(%error, "forward.note_failing");
            }
        });
    }

    fn disable(&mut self, reason: &str) {
        if self.subscriber.state != SubscriberState::Active {
            return;
        }
        tracing::error!(subscriber = %self.subscriber.name, reason, "forward.subscriber_disabled");
        // Nothing more is sent from here on, whenever the store gets to it.
        let mut subscriber = (*self.subscriber).clone();
        subscriber.state = SubscriberState::Disabled;
        self.subscriber = Arc::new(subscriber);
        let (store, id) = (self.shared.store.clone(), self.subscriber.id);
        let change = StateChange {
            state: SubscriberState::Disabled,
            reason: Some(reason.to_owned()),
        };
        tokio::spawn(async move {
            if let Err(error) = store.change_state(id, change).await {
                tracing::error!(%error, "forward.disable_failed");
            }
        });
    }

    fn take_refill(&mut self, refill: Option<Result<Refill, Error>>, feed: &Feed) {
        let now_ms = self.shared.clock.now_ms();
        match refill {
            Some(Ok(refill)) => {
                self.refill_at_ms = match refill.next_due_ms {
                    _ if !refill.owed.is_empty() => now_ms,
                    Some(due_ms) => due_ms,
                    None => i64::MAX,
                };
                for owed in refill.owed {
                    self.lane.push(owed);
                }
                feed.gauge
                    .held
                    .store(self.lane.len() + feed.owed.len(), Ordering::Release);
            }
            Some(Err(error)) => {
                tracing::error!(subscriber = %self.subscriber.name, %error, "forward.refill_failed");
                self.refill_at_ms = now_ms + 1_000;
            }
            None => {}
        }
    }

    fn count(&self, outcome: &str) {
        let labels = subscriber_labels(&self.subscriber.name, outcome);
        self.shared.metrics.forwards.get_or_create(&labels).inc();
    }

    /// One wide event for each attempt; no body, no number.
    fn log(&self, owed: &Owed, outcome: &Outcome, probe: bool, verdict: Verdict) {
        let code = outcome.error.map_or("delivered", |code| code.as_str());
        let labels = subscriber_labels(&self.subscriber.name, code);
        self.shared.metrics.attempts.get_or_create(&labels).inc();
        match verdict {
            Verdict::Delivered => self.count("delivered"),
            Verdict::GaveUp(_) => self.count("gave-up"),
            Verdict::RetryAt(_) | Verdict::Untouched => {}
        }
        if outcome.is_delivered() {
            tracing::debug!(
                subscriber = %self.subscriber.name,
                forward = %owed.uid,
                outcome = code,
                duration_ms = outcome.duration_ms,
                "forward.attempted"
            );
            return;
        }
        tracing::warn!(
            subscriber = %self.subscriber.name,
            forward = %owed.uid,
            attempt = owed.attempts + 1,
            probe,
            outcome = code,
            http_status = outcome.http_status,
            detail = outcome.detail,
            duration_ms = outcome.duration_ms,
            next = ?verdict,
            "forward.attempted"
        );
    }
}
