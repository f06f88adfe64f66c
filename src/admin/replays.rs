//! Replays: what may be replayed to which subscriber, and stopping one.

use std::convert::identity;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::audit::Note;
use super::operation::By;
use super::{Failure, Fault, Operation, Operations};
use crate::access::{Caller, Permission};
use crate::model::{ErrorCode, ForwardState, Status, SubscriberKey};
use crate::store::change::{EndReplay, InsertReplay};
use crate::store::query::{ReplayDetailQuery, Scope};
use crate::store::replay::{ReplayRecord, ReplaySelection};

/// The forwards to be sent to a subscriber again.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ReplayOrder {
    /// The subscriber's name.
    pub subscriber: String,
    /// All forwards that were given up, for whatever reason.
    pub missed: bool,
    /// What is in these states; `gave-up` and `delivered` when left out.
    pub states: Option<Vec<ForwardState>>,
    /// What was queued at or after, ms since 1970 UTC.
    pub since_ms: Option<i64>,
    /// What was queued before, ms since 1970 UTC.
    pub until_ms: Option<i64>,
    /// Those whose latest attempt failed with this error.
    pub error: Option<ErrorCode>,
    /// What is about messages of this source.
    pub source: Option<String>,
    /// What has this status.
    pub status: Option<Status>,
    /// With a new `webhook-id` each.
    pub new_id: bool,
}

impl ReplayOrder {
    /// Whether it names more than the subscriber: everything that a subscriber ever got needs explicit states.
    const fn is_narrowed(&self) -> bool {
        self.missed
            || self.states.is_some()
            || self.since_ms.is_some()
            || self.until_ms.is_some()
            || self.error.is_some()
            || self.source.is_some()
            || self.status.is_some()
    }

    fn check_states(&self, faults: &mut Vec<Fault>) {
        let Some(states) = &self.states else { return };
        if self.missed {
            faults.push(Fault::new(
                "/states",
                "missed stands for the state gave-up: leave one of the two out",
            ));
        }
        if states.is_empty() {
            faults.push(Fault::new(
                "/states",
                "name gave-up, delivered or both, or leave states out, which means both",
            ));
        }
        for (index, state) in states.iter().enumerate() {
            if *state == ForwardState::Pending {
                faults.push(Fault::new(
                    format!("/states/{index}"),
                    "what is pending is sent by itself: a replay is of gave-up and delivered",
                ));
            }
        }
    }
}

/// Queue many forwards of a subscriber again, in the background.
#[derive(Debug, Clone)]
pub struct StartReplay(pub ReplayOrder);

/// Stop a replay.
#[derive(Debug, Clone, Copy)]
pub struct CancelReplay {
    /// Its id outside.
    pub id: Uuid,
}

/// A replay that was to be stopped.
#[derive(Debug)]
pub struct CancelledReplay {
    /// It, as it is now.
    pub replay: ReplayRecord,
    /// Whether it was stopped; one that had ended before stays as it is.
    pub is_stopped: bool,
}

impl Operation for StartReplay {
    type Answer = ReplayRecord;
    const NEEDS: Permission = Permission::RetryForwards;

    fn note(&self) -> Option<Note> {
        Some(Note::new("replay", "started").with(json!(self.0)))
    }

    fn noted(note: Note, replay: &ReplayRecord) -> Option<Note> {
        Some(note.with_id(&replay.uid))
    }

    fn faults(&self, operations: &Operations, caller: &Caller) -> Vec<Fault> {
        operations.check_order(caller, &self.0)
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<ReplayRecord, Failure> {
        let caller = &by.caller;
        let faults = self.faults(operations, caller);
        if !faults.is_empty() {
            return Err(Failure::Invalid(faults));
        }
        let Self(order) = self;
        let subscriber = operations.subscriber_of(caller, &order.subscriber)?;
        let both = vec![ForwardState::GaveUp, ForwardState::Delivered];
        let states = if order.missed {
            vec![ForwardState::GaveUp]
        } else {
            order.states.unwrap_or(both)
        };
        let selection = ReplaySelection {
            states,
            since_ms: order.since_ms,
            until_ms: order.until_ms,
            error: order.error,
            source: order.source,
            sources: caller.sources.clone(),
            status: order.status,
            new_id: order.new_id,
        };
        let begin = InsertReplay {
            subscriber_id: subscriber.id,
            selection,
        };
        let replay = operations.change(by, begin, identity).await?;
        tracing::info!(replay = %replay.uid, subscriber = %replay.subscriber, "replay.begun");
        Ok(replay)
    }
}

impl Operation for CancelReplay {
    type Answer = CancelledReplay;
    const NEEDS: Permission = Permission::RetryForwards;

    fn note(&self) -> Option<Note> {
        Some(Note::new("replay", "cancelled").with_id(&self.id))
    }

    fn noted(note: Note, cancelled: &CancelledReplay) -> Option<Note> {
        cancelled.is_stopped.then_some(note)
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<CancelledReplay, Failure> {
        let found = operations.replay_of(&by.caller, self.id).await?;
        let end = EndReplay {
            replay_id: found.replay_id,
        };
        let ended = |(replay, is_stopped)| CancelledReplay { replay, is_stopped };
        let cancelled = operations.change(by, end, ended).await?;
        if cancelled.is_stopped {
            let CancelledReplay { replay, .. } = &cancelled;
            tracing::info!(replay = %replay.uid, queued = replay.queued, "replay.cancelled");
        }
        Ok(cancelled)
    }
}

impl Operations {
    /// The fields of the order that are wrong.
    pub(super) fn check_order(&self, caller: &Caller, order: &ReplayOrder) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Err(failure) = self.subscriber_of(caller, &order.subscriber) {
            faults.push(Fault::new("/subscriber", failure.to_string()));
        }
        order.check_states(&mut faults);
        if !order.is_narrowed() {
            faults.push(Fault::new(
                "/missed",
                "say what to replay: missed, states, since, until, error, source or status",
            ));
        }
        if let (Some(since_ms), Some(until_ms)) = (order.since_ms, order.until_ms)
            && until_ms <= since_ms
        {
            faults.push(Fault::new("/until", "until is to be later than since"));
        }
        if let Some(source) = &order.source {
            let known = self.known_source(caller, source);
            faults.extend(known.err().map(|detail| Fault::new("/source", detail)));
        }
        faults
    }

    /// The keys of the subscribers that a caller sees; `None` when it sees everything.
    pub(crate) fn seen_subscribers(&self, caller: &Caller) -> Option<Vec<SubscriberKey>> {
        if Scope::from(caller) == Scope::default() {
            return None;
        }
        let subscribers = Arc::clone(&self.store.subscribers().borrow());
        let seen = subscribers.iter().filter(|it| caller.sees(it));
        Some(seen.map(|subscriber| subscriber.id).collect())
    }

    /// The replay with that id, if the caller sees its subscriber.
    async fn replay_of(&self, caller: &Caller, id: Uuid) -> Result<ReplayRecord, Failure> {
        let found = self.store.read(ReplayDetailQuery { uid: id }).await?;
        let seen = self.seen_subscribers(caller);
        found
            .filter(|replay| seen.is_none_or(|ids| ids.contains(&replay.subscriber_id)))
            .ok_or_else(|| Failure::Missing(format!("no replay has the id {id}")))
    }
}
