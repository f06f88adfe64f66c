//! Queueing forwards again, at an operator's request.

use rusqlite::{CachedStatement, Connection, params};
use uuid::Uuid;

use super::changes::Changing;
use super::enqueue::new_uid;
use super::{backend, forward_reads, ranges};
use crate::model::{ForwardKey, ReplayKey, SubscriberKey};
use crate::store::query::Scope;
use crate::store::timeline::ForwardDetail;
use crate::store::{Error, RetrySelection};

impl Changing<'_> {
    /// Queues forwards again: those given up or delivered become pending and due now. Says how many.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub(super) fn retry(&mut self, selection: &RetrySelection) -> Result<usize, Error> {
        let changed = retry(self.connection, selection, self.now_ms)
            .map_err(|error| backend("cannot queue the forwards again".to_owned(), error))?;
        let mut subscribers: Vec<SubscriberKey> =
            changed.iter().map(|(_, subscriber)| *subscriber).collect();
        subscribers.sort_unstable_by_key(|subscriber| subscriber.number());
        subscribers.dedup();
        self.after.spill(subscribers);
        Ok(changed.len())
    }

    /// A forward as it is now, if it is in this scope.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub(super) fn forward(
        &self,
        forward_id: ForwardKey,
        scope: &Scope,
    ) -> Result<Option<ForwardDetail>, Error> {
        forward_reads::detail(self.connection, forward_id, scope)
            .map_err(|error| backend("cannot read the forward".to_owned(), error))
    }
}

/// Marks the selected forwards pending and due; returns their keys with their subscribers'. Which may be is a
/// condition, and a claim of `store/conformance`: the payload is still there, and so is the subscriber.
fn retry(
    connection: &Connection,
    selection: &RetrySelection,
    now_ms: i64,
) -> rusqlite::Result<Vec<(ForwardKey, SubscriberKey)>> {
    let mut select = connection.prepare_cached(
        "SELECT forward_id, subscriber_id FROM forward \
         WHERE forward_id IN (SELECT value FROM json_each(?1)) \
         AND payload_id IN (SELECT payload_id FROM payload) \
         AND subscriber_id IN (SELECT subscriber_id FROM subscriber WHERE removed_at_ms IS NULL)",
    )?;
    let ids = serde_json::to_string(&selection.forward_ids).unwrap_or_else(|_| "[]".to_owned());
    let found: Vec<(ForwardKey, SubscriberKey)> = select
        .query_map([ids], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut requeue = Requeue::again(connection, selection.new_id, now_ms)?;
    for (forward_id, _) in &found {
        requeue.forward(*forward_id, None)?;
    }
    Ok(found)
}

/// Makes forwards pending and due, with the whole schedule before them.
pub(super) struct Requeue<'a> {
    connection: &'a Connection,
    update: CachedStatement<'a>,
    /// Keeps the id that is replaced, where each gets a new one.
    keep: Option<CachedStatement<'a>>,
    now_ms: i64,
}

impl<'a> Requeue<'a> {
    pub(super) fn again(
        connection: &'a Connection,
        new_id: bool,
        now_ms: i64,
    ) -> rusqlite::Result<Self> {
        let update = connection.prepare_cached(
            "UPDATE forward SET state = 'pending', gave_up = NULL, attempts = 0, due_at_ms = ?2, \
             pending_since_ms = ?2, settled_at_ms = NULL, uid = coalesce(?3, uid), \
             replay_id = coalesce(?4, replay_id) WHERE forward_id = ?1",
        )?;
        let keep = "INSERT INTO former_uid (uid, forward_id, replaced_at_ms) \
             SELECT uid, forward_id, ?2 FROM forward WHERE forward_id = ?1";
        let keep = new_id
            .then(|| connection.prepare_cached(keep))
            .transpose()?;
        Ok(Self {
            connection,
            update,
            keep,
            now_ms,
        })
    }

    /// Queues this one, for a replay when one is named.
    pub(super) fn forward(
        &mut self,
        forward_id: ForwardKey,
        replay_id: Option<ReplayKey>,
    ) -> rusqlite::Result<()> {
        let uid = self.keep.as_ref().map(|_| new_uid(self.now_ms));
        if let Some(keep) = &mut self.keep {
            keep.execute(params![forward_id, self.now_ms])?;
        }
        let uid = uid.as_ref().map(Uuid::as_bytes);
        self.update
            .execute(params![forward_id, self.now_ms, uid, replay_id])?;
        ranges::requeued(self.connection, forward_id.number(), self.now_ms)
    }
}
