//! An operator's change: one transaction with its secrets, its line of the audit and, for a
//! request with an `Idempotency-Key`, the answer under that key.
//!
//! What a change does to each table stands beside the reads of that table; here is what holds
//! for all of them. What memory has to learn of it is done after the commit, on the same thread.
//!
//! An answer's shape is a pure function of what was done. The change runs in a task of its own, which outlives the
//! connection and which a stop waits for. What takes several transactions (samples, parsing again, registering many,
//! erasing) begins with one, with its line of the audit, and a store that cannot be written refuses before that. A
//! repeat of what a crash cut off is done again where that does no harm, else it is answered 409.

use std::sync::Arc;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::Notify;

use super::keys::RowKeys;
use super::ranges::RangeTimes;
use super::secrets::{Sealed, with_keys};
use super::writer::Core;
use super::{SqliteStore, audit, backend, disk, idempotency, job_rows, subscribers};
use crate::model::{Subscriber, SubscriberKey};
use crate::store::change::NoChange;
use crate::store::{Change, ChangeRecord, Error, Loss, StoreChange};

/// A change under way.
pub struct Changing<'a> {
    pub(super) connection: &'a Connection,
    pub(super) keys: &'a RowKeys,
    pub(super) now_ms: i64,
    /// What expires has expired by this time: nothing has by a clock that is held.
    pub(super) expiry_ms: i64,
    pub(super) after: After,
}

/// How this engine makes a change.
pub trait SqliteChange: Sized {
    /// Makes it, within the transaction.
    ///
    /// # Errors
    /// As [`Store::change`](crate::store::Store::change).
    fn make(self, changing: &mut Changing<'_>) -> Result<<Self as Change>::Answer, Error>
    where
        Self: Change;
}

impl Changing<'_> {
    /// What stands in the audit, under the request's key and in the job's row, in the same transaction.
    fn write_down(&self, record: &ChangeRecord) -> Result<(), Error> {
        if let Some(audit) = &record.audit {
            audit::write(self.connection, audit, self.now_ms)?;
        }
        if let Some(kept) = &record.kept {
            idempotency::keep(self, kept)?;
        }
        if let Some(job) = &record.job {
            job_rows::end(self.connection, job, self.now_ms)?;
        }
        Ok(())
    }

    /// Works on sealed rows, with the keys as they can be read now.
    pub(super) fn sealing<T>(
        &self,
        act: impl Fn(&Sealed<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let connection = self.connection;
        self.keys.sealing()?;
        with_keys(self.keys, |ring| act(&Sealed { connection, ring }))
    }
}

/// What wakes the duties that wait for a change; each remembers one that no duty waited for.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    polls: Notify,
    replays: Notify,
    removals: Notify,
}

impl Wakes {
    /// What wakes those that wait for this.
    pub(super) const fn of(&self, change: StoreChange) -> &Notify {
        match change {
            StoreChange::Polls => &self.polls,
            StoreChange::Replays => &self.replays,
            StoreChange::Removals => &self.removals,
        }
    }
}

/// What memory has to learn of a change once it is committed.
#[derive(Default)]
pub(super) struct After {
    /// The subscribers are read again, and these lanes are notified even if no row differs.
    subscribers: Option<Vec<SubscriberKey>>,
    /// Lanes whose forwards the table knows better than memory.
    spilled: Vec<SubscriberKey>,
    tokens: bool,
    /// What duties are woken for.
    changes: Vec<StoreChange>,
}

impl After {
    /// Something about this subscriber changed.
    pub(super) fn publish(&mut self, id: SubscriberKey) {
        self.subscribers.get_or_insert_default().push(id);
    }

    /// The subscribers changed in what their rows show.
    pub(super) fn republish(&mut self) {
        self.subscribers.get_or_insert_default();
    }

    /// Forwards of these subscribers are queued again.
    pub(super) fn spill(&mut self, ids: Vec<SubscriberKey>) {
        self.subscribers.get_or_insert_default().extend(&ids);
        self.spilled = ids;
    }

    /// The tokens changed.
    pub(super) fn tokens(&mut self) {
        self.tokens = true;
    }

    /// Duties are woken for this.
    pub(super) fn wake(&mut self, change: StoreChange) {
        self.changes.push(change);
    }
}

impl SqliteStore {
    pub(in crate::store) async fn change<C: Change, T: Send + 'static>(
        &self,
        change: C,
        finish: impl FnOnce(C::Answer) -> (T, ChangeRecord) + Send + 'static,
    ) -> Result<T, Error> {
        self.writer.refuse_early()?;
        self.run(move |core| core.conduct(|changing| change.make(changing), finish))
            .await
    }

    pub(in crate::store) async fn note(&self, entry: ChangeRecord) -> Result<(), Error> {
        if entry.is_empty() {
            return self.writer.refuse_early();
        }
        self.change(NoChange, |()| ((), entry)).await
    }
}

impl Core {
    pub(super) fn conduct<A, T>(
        &mut self,
        act: impl FnOnce(&mut Changing<'_>) -> Result<A, Error>,
        finish: impl FnOnce(A) -> (T, ChangeRecord),
    ) -> Result<T, Error> {
        const ATTEMPTED: &str = "commit the change";
        let transaction = self.begin(ATTEMPTED)?;
        let mut changing = self.changing(&transaction);
        let (answer, record) = finish(act(&mut changing)?);
        changing.write_down(&record)?;
        let after = changing.after;
        self.end(transaction, ATTEMPTED)?;
        self.follow(after);
        Ok(answer)
    }

    fn begin(&self, attempted: &str) -> Result<Transaction<'_>, Error> {
        // It may change the rows of any range.
        self.range_times.set(RangeTimes::default());
        self.pending.begin();
        Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)
            .map_err(|error| self.failed(attempted, error))
    }

    fn end(&self, transaction: Transaction<'_>, attempted: &str) -> Result<(), Error> {
        transaction
            .commit()
            .map_err(|error| self.failed(attempted, error))?;
        self.pending.commit();
        Ok(())
    }

    fn failed(&self, attempted: &str, error: rusqlite::Error) -> Error {
        if disk::report_unsynced(&self.shared.loss, &error) {
            return Error::Unconfirmed;
        }
        backend(format!("cannot {attempted}"), error)
    }

    fn changing<'a>(&'a self, connection: &'a Connection) -> Changing<'a> {
        let now_ms = self.clock.now_ms();
        let is_held = self.clock_rollback.hold.held().is_some();
        Changing {
            connection,
            keys: &self.keys,
            now_ms,
            expiry_ms: if is_held { i64::MIN } else { now_ms },
            after: After::default(),
        }
    }

    /// Updates memory after the commit: the change is done, so nothing here can refuse it any more.
    fn follow(&mut self, after: After) {
        self.lane_registry.spill(&after.spilled);
        if let Some(touched) = after.subscribers
            && let Err(error) = self.publish(&touched)
        {
            tracing::error!(%error, "store.publish_failed");
            self.unpublished.extend(touched);
        }
        if after.tokens
            && let Err(error) = self.tokens.reload(&self.connection)
        {
            // Were an older state kept, a token that was revoked would still be let in.
            self.tokens.forget();
            self.shared.loss.report(Loss::Tokens);
            tracing::error!(%error, "store.tokens_unread");
        }
        for change in after.changes {
            self.wakes.of(change).notify_one();
        }
    }

    /// Publishes what could not be read after its commit.
    pub(super) fn publish_left(&mut self) {
        if self.unpublished.is_empty() {
            return;
        }
        let touched = self.unpublished.clone();
        match self.publish(&touched) {
            Ok(()) => self.unpublished.clear(),
            Err(error) => tracing::error!(%error, "store.publish_failed"),
        }
    }

    /// Runs `act` in a transaction of its own, then publishes the subscribers.
    pub(super) fn change<T>(
        &mut self,
        attempted: &str,
        act: impl FnOnce(&Connection, i64) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let transaction = self.begin(attempted)?;
        let answer = act(&transaction, self.clock.now_ms())?;
        self.end(transaction, attempted)?;
        self.check_in_place()?;
        Ok(answer)
    }

    /// Reads the subscribers again and notifies the lanes.
    ///
    /// One that is as it was stays the same `Arc`, so that its lane is left alone, unless it
    /// is `touched`: something that concerns it changed elsewhere.
    pub(super) fn publish(&mut self, touched: &[SubscriberKey]) -> Result<(), Error> {
        let found = subscribers::load(&self.connection)
            .map_err(|error| backend("cannot read the subscribers".to_owned(), error))?;
        let known = |subscriber: Arc<Subscriber>| {
            let as_before = self
                .subscribers
                .iter()
                .find(|before| **before == subscriber && !touched.contains(&before.id));
            as_before.map_or(subscriber, Arc::clone)
        };
        self.subscribers = found.into_iter().map(known).collect();
        self.lane_registry.keep(&self.subscribers);
        self.pending.keep(&self.subscribers);
        self.published.send_replace(Arc::clone(&self.subscribers));
        Ok(())
    }
}
