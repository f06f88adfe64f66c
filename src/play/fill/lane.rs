//! The lane of an invented subscriber: what is pending for it is attempted at times that are past.
//!
//! It goes by the breaker, the schedule and the decision that a true lane goes by, and the attempts are
//! settled as its are. Only the answers are invented. One attempt goes out after the other.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::forward::breaker::{Breaker, BreakerPermit, Transition};
use crate::forward::lane::LaneAction;
use crate::forward::schedule::Schedule;
use crate::forward::settled::{EndedAttempt, decide, is_charged};
use crate::metrics::{Metrics, SubscriberLabel};
use crate::model::{LanePlace, SubscriberKey};
use crate::play::history::InventedSubscriber;
use crate::store::step::NoteFailing;
use crate::store::{Attempt, Error, LaneContents, OpenLane, PendingForward, Settlement, Store};

/// From one attempt to the next, ms.
const BETWEEN_MS: i64 = 4;
/// How long a subscriber fails before the store knows, ms.
const NOTED_AFTER_MS: i64 = 60_000;
/// How long a true lane waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The forwards of one invented subscriber.
pub(super) struct PastLane {
    invented: &'static InventedSubscriber,
    history: Range<i64>,
    lane: OpenLane,
    label: SubscriberLabel,
    /// What waits, by when it is due and by its place.
    waiting: BTreeMap<(i64, LanePlace), PendingForward>,
    breaker: Breaker,
    schedule: Arc<Schedule>,
    /// When the next attempt may begin, ms since 1970 UTC.
    free_ms: i64,
    /// Since when it fails, and what of that the store knows, ms since 1970 UTC.
    failing_since_ms: Option<i64>,
    noted_since_ms: Option<i64>,
    /// Attempts so far.
    pub(super) attempts: u64,
}

impl PastLane {
    /// Opens the lane of a subscriber that was added.
    pub(super) async fn open(
        store: &Store,
        subscriber_id: SubscriberKey,
        (invented, history): (&'static InventedSubscriber, &Range<i64>),
        schedule: &Arc<Schedule>,
    ) -> Result<Self, Error> {
        Ok(Self {
            invented,
            history: history.clone(),
            lane: store.open_lane(subscriber_id).await?,
            label: SubscriberLabel {
                subscriber: invented.name.to_owned(),
            },
            waiting: BTreeMap::new(),
            breaker: Breaker::new(subscriber_id, TIMEOUT),
            schedule: Arc::clone(schedule),
            free_ms: i64::MIN,
            failing_since_ms: None,
            noted_since_ms: None,
            attempts: 0,
        })
    }

    /// Attempts what is due before `until_ms` (ms since 1970 UTC).
    pub(super) async fn work(
        &mut self,
        store: &Store,
        metrics: &Metrics,
        until_ms: i64,
    ) -> Result<(), Error> {
        loop {
            let drained = self.lane.inbox.take();
            self.hold(drained.pending);
            self.attempt_due(store, metrics, until_ms);
            self.lane.inbox.set_held(self.waiting.len());
            if drained.live {
                break;
            }
            let untried = |it: &&PendingForward| it.last_attempt_ms.is_none();
            let held = LaneContents {
                forward_ids: self.waiting.values().map(|it| it.forward_id).collect(),
                untried: self.waiting.values().filter(untried).count(),
                newest: false,
            };
            let refill = store.refill(self.lane.key, held).await?;
            let is_all = refill.pending.is_empty() && !refill.live;
            self.hold(refill.pending);
            if is_all {
                break;
            }
        }
        self.note(store, until_ms).await
    }

    fn hold(&mut self, pending: Vec<PendingForward>) {
        for pending in pending {
            let place = (pending.due_at_ms, pending.lane_place());
            self.waiting.insert(place, pending);
        }
    }

    fn attempt_due(&mut self, store: &Store, metrics: &Metrics, until_ms: i64) {
        while let Some((due_ms, _)) = self.waiting.keys().next().copied() {
            let now_ms = due_ms.max(self.free_ms);
            let now_ms = self.breaker.waits_until_ms(now_ms).unwrap_or(now_ms);
            if now_ms >= until_ms {
                break;
            }
            let probe = match self.breaker.permit(now_ms) {
                BreakerPermit::Open { .. } => break,
                BreakerPermit::Probe => true,
                BreakerPermit::Closed => false,
            };
            if let Some((_, pending)) = self.waiting.pop_first() {
                self.attempt(store, metrics, (pending, probe), now_ms);
            }
        }
    }

    fn attempt(
        &mut self,
        store: &Store,
        metrics: &Metrics,
        (pending, probe): (PendingForward, bool),
        now_ms: i64,
    ) {
        let which = (pending.forward_id.number(), pending.attempts);
        let outcome = self.invented.answer(&self.history, now_ms, which);
        let ended_ms = now_ms + i64::from(outcome.duration_ms);
        let ended = EndedAttempt {
            pending,
            probe,
            started_at_ms: now_ms,
            outcome,
        };
        let (settled, action) = decide(&ended, &self.breaker, &self.schedule, ended_ms);
        let transition = self.breaker.on_outcome(&ended.outcome, ended_ms);
        if let Some(transition) = transition {
            let is_open = i64::from(transition == Transition::Opened);
            metrics.breaker_open.get_or_create(&self.label).set(is_open);
        }
        self.failing_since_ms = if ended.outcome.counts_against_subscriber() {
            self.failing_since_ms.or(Some(now_ms))
        } else {
            None
        };
        // Nothing else goes out while a probe is under way.
        self.free_ms = if probe { ended_ms } else { now_ms + BETWEEN_MS };
        self.attempts += 1;
        let mut pending = ended.pending;
        store.settle(Settlement {
            lane: self.lane.key,
            forward_id: pending.forward_id,
            attempt: Some(Attempt {
                number: is_charged(settled).then_some(pending.attempts + 1),
                started_at_ms: now_ms,
                outcome: ended.outcome,
            }),
            settled,
        });
        let due_ms = match action {
            LaneAction::Leaves => return,
            LaneAction::Waits {
                due_at_ms,
                last_attempt_ms,
                attempts,
            } => {
                pending.due_at_ms = due_at_ms;
                pending.last_attempt_ms = Some(last_attempt_ms);
                pending.attempts = attempts;
                due_at_ms
            }
            LaneAction::WentAhead { last_attempt_ms } => {
                pending.last_attempt_ms = Some(last_attempt_ms);
                pending.due_at_ms
            }
            LaneAction::Requeues { due_at_ms } => due_at_ms,
        };
        self.waiting.insert((due_ms, pending.lane_place()), pending);
    }

    /// Has the store know of an outage that lasts, and of its end.
    async fn note(&mut self, store: &Store, now_ms: i64) -> Result<(), Error> {
        let lasts = |since_ms: &i64| now_ms - since_ms >= NOTED_AFTER_MS;
        let since_ms = self.failing_since_ms.filter(lasts);
        if since_ms == self.noted_since_ms {
            return Ok(());
        }
        self.noted_since_ms = since_ms;
        let failing = NoteFailing {
            subscriber_id: self.lane.key.subscriber_id,
            since_ms,
        };
        store.step_under(&self.lane.lease, failing).await
    }
}
