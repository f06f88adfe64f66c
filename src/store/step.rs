//! The steps that duties, lanes and long work take in the store, each one transaction at most: one
//! struct for each, and its answer. None is written into the audit.

use std::ops::Range;

use uuid::Uuid;

use super::idempotency::Ticket;
use super::poll::{PollCounts, PollRecord};
use super::replay::{ReplayStep, RunningReplay};
use super::watching::{Count, EventTransition};
use super::{PruneStep, Pruned, StateChange, Step};
use crate::model::{ConditionKey, PollKey, SubscriberKey};

/// What the store notifies a duty of, when [`Store::changed`](super::Store::changed) is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreChange {
    /// There may be a broadcast that was not polled before.
    Polls,
    /// A replay was begun.
    Replays,
    /// A subscriber was removed.
    Removals,
}

/// Gives up what has been pending for longer than a forward may wait.
#[derive(Debug, Clone, Copy)]
pub struct ExpireForwards {
    /// Since before this time, ms since 1970 UTC.
    pub pending_before_ms: i64,
}

impl Step for ExpireForwards {
    /// How many; a step gives up a thousand at most.
    type Answer = usize;
}

/// Gives up what is pending for subscribers that were removed.
#[derive(Debug, Clone, Copy)]
pub struct GiveUpRemoved;

impl Step for GiveUpRemoved {
    /// How many forwards ended; a step takes a thousand at most.
    type Answer = usize;
}

/// Changes a subscriber's state because of what it answered.
#[derive(Debug, Clone)]
pub struct ApplyStateChange {
    /// The subscriber's key.
    pub subscriber_id: SubscriberKey,
    /// The change.
    pub change: StateChange,
}

impl Step for ApplyStateChange {
    type Answer = ();
}

/// Notes since when a subscriber has been failing.
#[derive(Debug, Clone, Copy)]
pub struct NoteFailing {
    /// The subscriber's key.
    pub subscriber_id: SubscriberKey,
    /// Since when, ms since 1970 UTC; `None` when it answered.
    pub since_ms: Option<i64>,
}

impl Step for NoteFailing {
    type Answer = ();
}

/// Queues the alerts that are due.
#[derive(Debug, Clone, Copy)]
pub struct SendAlerts;

impl Step for SendAlerts {
    type Answer = ();
}

/// Queues the notices of a channel's errors that are due.
#[derive(Debug, Clone, Copy)]
pub struct SendOutages;

impl Step for SendOutages {
    type Answer = ();
}

/// Writes down how a poll went. A broadcast that was opened again meanwhile stays open and due.
#[derive(Debug)]
pub struct SettlePoll {
    /// It, as it is since.
    pub poll: PollRecord,
    /// When it was due, ms since 1970 UTC.
    pub was_due_ms: i64,
}

impl Step for SettlePoll {
    type Answer = ();
}

/// Writes down how a broadcast stands before what an answer says of it is taken in, which may last.
#[derive(Debug)]
pub struct CountPoll {
    /// The key of the broadcast's poll.
    pub poll_id: PollKey,
    /// How it stands.
    pub counts: PollCounts,
}

impl Step for CountPoll {
    type Answer = ();
}

/// Takes a replay one step further, where its subscriber has room.
#[derive(Debug, Clone, Copy)]
pub struct AdvanceReplay {
    /// It.
    pub replay: RunningReplay,
}

impl Step for AdvanceReplay {
    type Answer = ReplayStep;
}

/// Removes a little of what is old. Never what is pending, nor what a pending forward needs.
impl Step for PruneStep {
    /// How much, and where to go on.
    type Answer = Pruned;
}

/// Keeps counts of what came in, each in the place of what was kept of its step.
#[derive(Debug)]
pub struct KeepCounts {
    /// Them.
    pub counts: Vec<Count>,
    /// Steps that begin at no time in it, ms since 1970 UTC, are forgotten.
    pub kept: Range<i64>,
}

impl Step for KeepCounts {
    type Answer = ();
}

/// Notes changes of conditions and queues their events for every subscriber of the kind `events`.
#[derive(Debug)]
pub struct NotifyConditions {
    /// The changes.
    pub changes: Vec<EventTransition>,
    /// The keys of conditions that are forgotten.
    pub gone: Vec<ConditionKey>,
}

impl Step for NotifyConditions {
    type Answer = ();
}

/// Takes back what was begun under a key and not done, so that it may be mended under that key.
#[derive(Debug, Clone)]
pub struct ForgetTicket {
    /// The key.
    pub ticket: Ticket,
}

impl Step for ForgetTicket {
    type Answer = ();
}

/// Notes how far a job is. One that is gone is none to note.
#[derive(Debug, Clone, Copy)]
pub struct NoteJobProgress {
    /// Its id.
    pub uid: Uuid,
    /// Steps that are done.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

impl Step for NoteJobProgress {
    type Answer = ();
}

/// Notes that a job is begun once more, after a restart cut it off.
#[derive(Debug, Clone, Copy)]
pub struct StartJobAgain {
    /// Its id.
    pub uid: Uuid,
}

impl Step for StartJobAgain {
    type Answer = ();
}

/// Rewrites what the store keeps, without what deleted rows may have left in it. Webhooks wait
/// meanwhile, or are refused.
#[derive(Debug, Clone, Copy)]
pub struct RewriteStore;

impl Step for RewriteStore {
    type Answer = ();
}
