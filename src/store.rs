//! The store's contract: whole transactions in the words of the product.
//!
//! One process owns a store ([`Error::Locked`] for a second one). What waits is grouped into one
//! transaction and one fsync. [`Store`] leads each call to its engine, so far SQLite. Of the engine's types
//! only `SqliteQuery`, `SqliteChange` and `SqliteStep` stand in a signature: how it answers, changes and takes
//! each. What it alone has to know to open a store is [`SqliteOptions`], behind `store.url`.
//!
//! Tables are read by [`Store::read`], or within a change: a question of [`query`] is a struct in the
//! product's words, with the type of its answer. It never holds the writer up.
//!
//! What is atomic: [`Store::commit`] commits the raw webhook, its new reports, the new state
//! of their messages, the payloads and every forward queued, or nothing. Only after the fsync
//! does the caller get its answer and do the lanes get their forwards.
//!
//! Beside [`Store::commit`], [`Store::read`], [`Store::change`] and [`Store::step`] stands what none of
//! them is. [`Store::erase`] is many transactions with a progress. [`Store::rotate_key`] is a change with
//! a key file before and after it. Subscribers and tokens are read in memory, for each webhook and request.

pub mod account_event;
pub mod audit;
pub mod broadcast;
pub mod change;
mod commit;
#[cfg(test)]
mod conformance;
mod durability;
mod error;
mod forwards;
pub mod idempotency;
pub mod job;
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
mod unopened;
mod upkeep;
pub mod watching;

use std::sync::Arc;

use crate::access::token::TokenRecord;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::model::{SubscriberKey, TokenKey};
use sqlite::SqliteStore;

pub use crate::model::Settled;
pub use crate::plan::{
    Accepted, Arrival, FoundReport, RegisterOutcome, Registered, Registering, Reread,
    WebhookOutcome,
};
pub use change::ChangeRecord;
pub use commit::{Commit, CommitWork, Registrations, ReparsedWebhooks, WebhookPart};
pub use durability::Durability;
pub use error::Error;
pub use forwards::{
    Attempt, Backlog, LaneContents, LaneKey, PendingForward, Refill, RetrySelection, Settlement,
    StateChange,
};
pub use keys::{KeysRecord, Resealed, SealedPlace};
pub use lane_inbox::{Drained, LaneInbox, OpenLane, Unwritten};
pub use lease::{Lease, LeaseEnd};
pub use loss::Loss;
pub use opening::{EngineOptions, KeySource, Options, StoreFound};
pub use person::Person;
pub use registration::TemplateRecord;
pub use sqlite::options::SqliteOptions;
pub use step::StoreChange;
pub use subscribers::{Outbound, SubscriberSecret, Subscribers};
pub use upkeep::{
    AgeHold, Erased, Health, HealthNote, NoteLevel, Prunable, PruneStep, Pruned,
    ReprocessSelection, StoredWebhook,
};

/// A change that [`Store::change`] makes for an operator. The structs of [`change`] are all there are:
/// the engine implements how it makes each.
pub trait Change: sqlite::changes::SqliteChange + Send + 'static {
    /// What came of it.
    type Answer: Send + 'static;
}

/// A step that [`Store::step`] takes for a duty, a lane or long work. [`PruneStep`] and the structs of [`step`]
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

/// The open store. Cheap to clone; it is given up when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Store {
    engine: Engine,
}

/// What keeps the store. A second engine is a second row here and in the `match` of each method.
#[derive(Debug, Clone)]
enum Engine {
    Sqlite(SqliteStore),
}

impl Store {
    /// Opens the store, making it or migrating it (after a backup) where needed.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process owns it, [`Error::TooNew`] when a newer
    /// tickrelay wrote it, [`Error::Backend`] when it cannot be opened or written.
    pub fn open(options: &Options, clock: Clock, metrics: Arc<Metrics>) -> Result<Self, Error> {
        let EngineOptions::Sqlite(own) = &options.engine;
        let engine = Engine::Sqlite(SqliteStore::open((options, own), clock, metrics)?);
        Ok(Self { engine })
    }

    /// Opens the store of these options for reading, without owning it. What another process writes
    /// meanwhile is read, but for subscribers and tokens, which are read here once. What changes
    /// something is answered [`Error::Closed`].
    ///
    /// # Errors
    /// As every read: none is there, or it is of another version.
    pub fn read_only(options: &Options, clock: Clock) -> Result<Self, Error> {
        let EngineOptions::Sqlite(own) = &options.engine;
        let engine = Engine::Sqlite(SqliteStore::read_only(options, own, clock)?);
        Ok(Self { engine })
    }

    /// The engine, for the tests of its own parts.
    #[cfg(test)]
    const fn sqlite(&self) -> &SqliteStore {
        match &self.engine {
            Engine::Sqlite(store) => store,
        }
    }

    /// Takes it in, with all that follows from it, in one commit that others may share; returns
    /// after the fsync.
    ///
    /// # Errors
    /// [`Error::QueueFull`], [`Error::DiskFull`] or [`Error::Displaced`] at once,
    /// [`Error::NotFound`] when it is about a webhook that is gone, any other when the commit failed.
    /// Nothing of it is stored then; after [`Error::Unconfirmed`] it may be: repeat it.
    pub fn commit<C: Commit>(&self, commit: C) -> impl Future<Output = Result<C::Answer, Error>> {
        // A future that held the webhook unboxed would be moved with it, and so each around it.
        let work: CommitWork = commit.into();
        async move {
            let answers = match &self.engine {
                Engine::Sqlite(store) => store.commit(work).await?,
            };
            C::answer(answers)
                .ok_or_else(|| Error::NotFound("webhook with this key any more".to_owned()))
        }
    }

    /// Writes down the end of an attempt with the next group, 20 ms from now at most. Queues no fsync
    /// of its own: when the process dies first, the forward is sent again. Nobody waits for it; what is
    /// fenced, or gone, comes back by the lane's inbox ([`Unwritten`]).
    pub fn settle(&self, settlement: Settlement) {
        match &self.engine {
            Engine::Sqlite(store) => store.settle(settlement),
        }
    }

    /// Waits until this instance holds a lane of the subscriber that it did not hold before, and opens
    /// it; it begins spilled, so its first act is a refill. On SQLite at once and for good, in the place
    /// of the one that was opened before: a subscriber has one lane there.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Displaced`].
    pub async fn open_lane(&self, subscriber_id: SubscriberKey) -> Result<OpenLane, Error> {
        match &self.engine {
            Engine::Sqlite(store) => store.open_lane(subscriber_id).await,
        }
    }

    /// Reads what is due of a lane's forwards and is not `held` in memory already, and switches the
    /// lane to live when that is all there is. What was settled before is taken into account.
    ///
    /// # Errors
    /// [`Error::Backend`], [`Error::Closed`].
    pub async fn refill(&self, lane: LaneKey, held: LaneContents) -> Result<Refill, Error> {
        match &self.engine {
            Engine::Sqlite(store) => store.refill(lane, held).await,
        }
    }

    /// Waits until this instance holds the role of that name, which one instance holds at a time. On
    /// SQLite at once and for good: no other process can open the file.
    pub fn role(&self, _name: &'static str) -> impl Future<Output = Lease> + Send + use<> {
        match &self.engine {
            Engine::Sqlite(_) => std::future::ready(Lease::for_good()),
        }
    }

    /// Waits until this happened since the last call.
    pub async fn changed(&self, what: StoreChange) {
        match &self.engine {
            Engine::Sqlite(store) => store.changed(what).await,
        }
    }

    /// Makes a change in one transaction, with what `finish` says of it: the line of the audit and the
    /// answer that is kept. When this fails, nothing was changed.
    ///
    /// # Errors
    /// Those of the change; [`Error::DiskFull`], [`Error::Unwritable`], [`Error::KeyMissing`],
    /// [`Error::Backend`], [`Error::Closed`].
    pub async fn change<C: Change, T: Send + 'static>(
        &self,
        change: C,
        finish: impl FnOnce(C::Answer) -> (T, ChangeRecord) + Send + 'static,
    ) -> Result<T, Error> {
        match &self.engine {
            Engine::Sqlite(store) => store.change(change, finish).await,
        }
    }

    /// Writes down that something is begun which is more than one transaction, or how it ended.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub async fn note(&self, entry: ChangeRecord) -> Result<(), Error> {
        match &self.engine {
            Engine::Sqlite(store) => store.note(entry).await,
        }
    }

    /// Takes a step for a duty or a lane, in one transaction at most, while the lease is held.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], and those of [`Self::step`].
    pub async fn step_under<S: Step>(&self, lease: &Lease, step: S) -> Result<S::Answer, Error> {
        if !lease.is_held() {
            return Err(Error::LeaseLost);
        }
        match &self.engine {
            // The number needs no look: nobody else can have been granted the lease meanwhile.
            Engine::Sqlite(store) => step.take(store).await,
        }
    }

    /// Takes a step that needs no lease, such as one of long work or a key that is forgotten; as
    /// [`Self::step_under`].
    ///
    /// # Errors
    /// [`Error::NotFound`] when what it is about is gone, [`Error::Displaced`],
    /// [`Error::Unconfirmed`], [`Error::Unwritable`], [`Error::Timeout`], [`Error::Backend`],
    /// [`Error::Closed`].
    pub async fn step<S: Step>(&self, step: S) -> Result<S::Answer, Error> {
        match &self.engine {
            Engine::Sqlite(store) => step.take(store).await,
        }
    }

    /// Answers a question, on a thread that may wait, while the writer goes on. A list ends after
    /// its time budget with how far it was searched.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no store yet, [`Error::TooNew`] or [`Error::Conflict`] when
    /// another version wrote it or a service has it open by another name, [`Error::Displaced`] while
    /// the open store is not in place, [`Error::Timeout`] when it took too long,
    /// [`Error::Backend`], [`Error::Closed`].
    pub async fn read<Q: Query>(&self, query: Q) -> Result<Q::Answer, Error> {
        match &self.engine {
            Engine::Sqlite(store) => store.read(query).await,
        }
    }

    /// Removes a person from every table, raw bodies included; a `dry_run` only counts.
    ///
    /// `on_progress` receives the keys looked at, and their total. What arrives meanwhile may
    /// stay; what is in flight to a subscriber may still arrive there.
    ///
    /// # Errors
    /// [`Error::Backend`], [`Error::Closed`], [`Error::Timeout`]; what was removed until
    /// then stays removed, and erasing again goes on.
    pub async fn erase(
        &self,
        person: &Person,
        dry_run: bool,
        on_progress: impl FnMut(u64, u64) + Send,
    ) -> Result<Erased, Error> {
        match &self.engine {
            Engine::Sqlite(store) => store.erase(person, dry_run, on_progress).await,
        }
    }

    /// Seals everything again: with a new key where we keep the file, else with the first key of
    /// the configuration.
    ///
    /// # Errors
    /// [`Error::KeyMissing`] when a key is missing, [`Error::DiskFull`], [`Error::Unwritable`],
    /// [`Error::Backend`], [`Error::Closed`]; all opens as before then. A damaged value is no error:
    /// it is named in the answer.
    pub async fn rotate_key(
        &self,
        entry: impl FnOnce(&Resealed) -> ChangeRecord + Send + 'static,
    ) -> Result<Resealed, Error> {
        match &self.engine {
            Engine::Sqlite(store) => store.rotate_key(entry).await,
        }
    }

    /// The subscribers, removed ones aside, as of the last commit, and every later change.
    #[must_use]
    pub fn subscribers(&self) -> Subscribers {
        match &self.engine {
            Engine::Sqlite(store) => store.subscribers(),
        }
    }

    /// Every token, the revoked and the expired ones too.
    #[must_use]
    pub fn tokens(&self) -> Vec<TokenRecord> {
        match &self.engine {
            Engine::Sqlite(store) => store.tokens(),
        }
    }

    /// The token with this text, whether it still holds or not; every one is compared, each in
    /// constant time.
    #[must_use]
    pub fn find_token(&self, text: &str) -> Option<TokenRecord> {
        match &self.engine {
            Engine::Sqlite(store) => store.find_token(text),
        }
    }

    /// Notes that a token was used, at most once a minute.
    pub fn note_token_used(&self, token_id: TokenKey) {
        match &self.engine {
            Engine::Sqlite(store) => store.note_token_used(token_id),
        }
    }

    /// Where it is, for the log and its reader.
    #[must_use]
    pub fn location(&self) -> String {
        match &self.engine {
            Engine::Sqlite(store) => store.location(),
        }
    }

    /// How the store feels, for a health check.
    #[must_use]
    pub fn health(&self) -> Health {
        match &self.engine {
            Engine::Sqlite(store) => store.health(),
        }
    }

    /// Why nothing may go by its age now, while that is so: what is pruned or expired does not come back
    /// with the right time.
    #[must_use]
    pub fn age_hold(&self) -> Option<AgeHold> {
        match &self.engine {
            Engine::Sqlite(store) => store.age_hold(),
        }
    }

    /// Commits what waits and gives the store up: clones that a thread of the HTTP server still holds
    /// must not keep the next owner out.
    ///
    /// # Errors
    /// When not all that was acknowledged is left in the store, or the store failed before.
    pub async fn close(&self) -> Result<(), Loss> {
        match &self.engine {
            Engine::Sqlite(store) => store.close().await,
        }
    }

    /// Waits until the store can serve no longer. From then on it acknowledges nothing: its owner
    /// closes it and opens it again, best in another process.
    pub async fn lost(&self) -> Loss {
        match &self.engine {
            Engine::Sqlite(store) => store.lost().await,
        }
    }
}
