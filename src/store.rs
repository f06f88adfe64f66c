//! The store's contract: whole transactions in the words of the product.
//!
//! One process owns a store ([`Error::Locked`] for a second one). One writer thread groups
//! what waits into one transaction and one fsync. Until PostgreSQL is the second engine `Store` is
//! SQLite's; then it is an enum of both. Of its types only `SqliteQuery`,
//! `SqliteChange` and `SqliteStep` stand in a signature.
//!
//! Tables are read by [`Store::read`], or within a change: a question of [`query`] is a struct in the product's words, with
//! the type of its answer. It never holds the writer up.
//!
//! What is atomic: [`Store::commit`] commits the raw webhook, its new reports, the new state
//! of their messages, the payloads and every forward queued, or nothing. Only after the fsync
//! does the caller get its answer and do the lanes get their forwards.

pub mod account_event;
pub mod audit;
pub mod broadcast;
pub mod change;
mod clock_hold;
mod commit;
pub mod idempotency;
mod keys;
mod lane_inbox;
mod lease;
mod loss;
mod opening;
pub mod overview;
mod person;
pub mod poll;
pub mod query;
mod registration;
pub mod replay;
pub mod seal;
mod sqlite;
pub mod step;
mod subscribers;
pub mod timeline;
mod upkeep;
pub mod watching;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

use crate::model::{GaveUp, Outcome, Subscriber, SubscriberState};

pub use crate::plan::{
    Accepted, Arrival, FoundReport, RegisterOutcome, Registered, Registering, Reread,
    WebhookOutcome,
};
pub use clock_hold::HeldClock;
pub use commit::{Commit, CommitWork, Registrations, ReparsedWebhooks, WebhookPart};
pub use keys::{KeysRecord, Resealed, SealedPlace};
pub use lane_inbox::{Drained, LaneInbox};
pub use lease::{Lease, LeaseEnd};
pub use loss::Loss;
pub use opening::{Durability, KeySource, Options};
pub use person::Person;
pub use registration::TemplateRecord;
pub use sqlite::Store;
pub use sqlite::changes::ChangeRecord;
pub use sqlite::found::{StoreFound, absolute};
pub(crate) use sqlite::resolve;
pub use sqlite::warnings::file_warnings;
pub use subscribers::{Outbound, SubscriberSecret};
pub use upkeep::{Erased, Health, Prunable, PruneStep, Pruned, ReprocessSelection, StoredWebhook};

/// Why the store could not do what was requested.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process owns the store.
    #[error("{0} is in use by another tickrelay: stop it, or let the command go through it")]
    Locked(PathBuf),
    /// A newer tickrelay wrote it.
    #[error("{path} has schema version {found}, this tickrelay knows {known}: use a newer one")]
    TooNew {
        /// The store's file.
        path: PathBuf,
        /// The version found.
        found: i64,
        /// The newest version this build knows.
        known: i64,
    },
    /// There is no such thing.
    #[error("no {0}")]
    NotFound(String),
    /// It would contradict what is there.
    #[error("{0}")]
    Conflict(String),
    /// The ingest queue is full.
    #[error("too many webhooks wait to be stored")]
    QueueFull,
    /// The disk is full, or its reserve is used up.
    #[error("the disk is full, or its reserve of free space is used up")]
    DiskFull,
    /// A file of the open store was moved, removed or replaced, so nothing was begun.
    #[error(
        "a file of the store was moved, removed or replaced: nothing was done; try again when \
         /readyz says 200"
    )]
    Displaced,
    /// The same happened while it was done, or the store failed: it may be kept, and may be lost.
    #[error(
        "the store failed, or a file of it was moved, removed or replaced meanwhile: it may have \
         been done; check before you try again"
    )]
    Unconfirmed,
    /// The query took longer than a reader may.
    #[error("the query took longer than {} s", .0.as_secs())]
    Timeout(Duration),
    /// The writer is gone: the process is ending.
    #[error("the store is shutting down")]
    Closed,
    /// A key that seals secrets is missing; says which, and where keys are read.
    #[error("{0}")]
    KeyMissing(String),
    /// The store cannot be read or written now, by any call; nothing was changed.
    #[error("{attempted}: {source}")]
    Unwritable {
        /// What was attempted on what.
        attempted: String,
        /// The engine's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The engine's own error.
    #[error("{attempted}: {source}")]
    Backend {
        /// What was attempted on what.
        attempted: String,
        /// The engine's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A change that [`Store::change`] makes for an operator. The structs of [`change`] are all there are:
/// the engine implements how it makes each.
pub trait Change: sqlite::changes::SqliteChange + Send + 'static {
    /// What came of it.
    type Answer: Send + 'static;
}

/// A step that [`Store::step`] takes for a duty or a lane. [`PruneStep`] and the structs of [`step`]
/// are all there are: the engine implements how it takes each.
pub trait Step: sqlite::SqliteStep + Send + 'static {
    /// What came of it.
    type Answer: Send + 'static;
}

/// A question that [`Store::read`] answers. The structs of [`query`] are all there are: the engine
/// implements how each is answered.
pub trait Query: sqlite::reader::SqliteQuery + Send + 'static {
    /// What is found.
    type Answer: Send + 'static;
}

/// A forward that is queued: all a lane needs to send it.
#[derive(Debug, Clone)]
pub struct PendingForward {
    /// Its key.
    pub forward_id: i64,
    /// The `webhook-id` that the subscriber sees on every attempt.
    pub uid: Uuid,
    /// The message it is about.
    pub message_id: i64,
    /// The payload, in the bytes it was rendered in.
    pub payload: Arc<[u8]>,
    /// Its place among the forwards of the message: provider time, then rank, then key.
    pub place: (i64, u8, i64),
    /// Attempts used up.
    pub attempts: u32,
    /// Since when it is pending, ms since 1970 UTC; a retry by hand starts over.
    pub pending_since_ms: i64,
    /// When it is to be sent, ms since 1970 UTC.
    pub due_at_ms: i64,
    /// When it was last tried, ms since 1970 UTC.
    pub last_attempt_ms: Option<i64>,
}

/// What an attempt did to its forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Delivered: nothing is pending any more.
    Delivered,
    /// To be tried again at this time, ms since 1970 UTC.
    RetryAt(i64),
    /// The same, and the attempt used up none: the subscriber may be down as a whole.
    PutOff(i64),
    /// Given up.
    GaveUp(GaveUp),
    /// Left as it is: a breaker's probe, and a turn ahead of a later status, use up no attempt.
    Untouched,
}

impl fmt::Display for Settled {
    /// As the log has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |ms: i64| DateTime::<Utc>::from_timestamp_millis(ms).unwrap_or_default();
        let at = |ms| at(ms).to_rfc3339_opts(SecondsFormat::Millis, true);
        match self {
            Self::Delivered => f.write_str("delivered"),
            Self::RetryAt(ms) => write!(f, "retry at {}", at(*ms)),
            Self::PutOff(ms) => write!(f, "retry at {}, not counted", at(*ms)),
            Self::GaveUp(reason) => write!(f, "gave up: {}", reason.explain()),
            Self::Untouched => f.write_str("retry in its turn, not counted"),
        }
    }
}

/// The end of an attempt, to be written down with the next group.
#[derive(Debug)]
pub struct Settlement {
    /// The forward.
    pub forward_id: i64,
    /// The attempt, unless the forward ended without one (it expired).
    pub attempt: Option<Attempt>,
    /// What becomes of the forward.
    pub settled: Settled,
}

/// One HTTP try, as it is written down.
#[derive(Debug)]
pub struct Attempt {
    /// 1 for the first; `None` for one that used up none.
    pub number: Option<u32>,
    /// When it began, ms since 1970 UTC.
    pub started_at_ms: i64,
    /// How it ended.
    pub outcome: Outcome,
}

/// What a lane holds in memory when it reads more.
#[derive(Debug, Default)]
pub struct LaneContents {
    /// The keys of the forwards.
    pub forward_ids: Vec<i64>,
    /// Those of them that were never tried.
    pub untried: usize,
    /// Whether the newest that was never tried is wanted too, for a probe.
    pub newest: bool,
}

impl LaneContents {
    /// Those of them that wait for another attempt.
    #[must_use]
    pub fn retries(&self) -> usize {
        self.forward_ids.len().saturating_sub(self.untried)
    }
}

/// What a refill brings.
#[derive(Debug)]
pub struct Refill {
    /// Pending forwards that were not in memory.
    pub pending: Vec<PendingForward>,
    /// Whether memory now holds all that is pending.
    pub live: bool,
    /// When to look again for forwards that were never tried, ms since 1970 UTC.
    pub untried_at_ms: i64,
    /// When to look again for those that wait for another attempt, ms since 1970 UTC.
    pub retries_at_ms: i64,
}

/// The pending forwards of one subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// The subscriber's key.
    pub subscriber_id: i64,
    /// Forwards that are pending.
    pub pending: u64,
    /// Since when the oldest of them is pending, ms since 1970 UTC.
    pub oldest_pending_since_ms: i64,
}

/// The subscribers as of the last commit; changes are published.
pub type Subscribers = watch::Receiver<Arc<[Arc<Subscriber>]>>;

/// A change of a subscriber's state that the relay itself decided.
#[derive(Debug, Clone)]
pub struct StateChange {
    /// The new state.
    pub state: SubscriberState,
    /// Why.
    pub reason: Option<String>,
}

/// Which forwards to queue again.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RetrySelection {
    /// These forwards.
    pub forward_ids: Vec<i64>,
    /// Give them a new `webhook-id`, so that the subscriber does not drop them as repeats.
    pub new_id: bool,
}
