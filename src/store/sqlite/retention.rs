//! Pruning by age, in steps small enough that webhooks need not wait.
//!
//! A step of the large tables looks at the keys that may be old by what is noted of their ranges
//! (`ranges`), so no index on times is needed. What a step may not remove yet is stepped over: what is
//! pending, what a pending forward needs, and what hangs on a forward that ended lately. `store/conformance/upkeep.rs`
//! holds this for every engine.

use rusqlite::{Connection, params_from_iter};

use super::clock_hold::latest_credible_ms;
use super::ranges::{self, KeySpan, Timed};
use super::{
    SqliteStep, SqliteStore, account_events, backend, deletion, polls, replays, same_person,
    watching,
};
use crate::model::Word as _;
use crate::store::query::ListPlace;
use crate::store::{Error, Prunable, PruneStep, Pruned};

/// Rows that one step looks at.
const STEP: i64 = 500;
/// Messages that one step looks at; several rows hang on each.
const MESSAGES_STEP: i64 = 100;
/// Links between a person's names that one step removes.
const PEOPLE_STEP: usize = 500;
/// Before every row: keys begin at 1.
const BEGINNING: ListPlace = ListPlace::of(0);

impl SqliteStep for PruneStep {
    async fn take(self, store: &SqliteStore) -> Result<Pruned, Error> {
        let step = self;
        let before_ms = step.before_ms;
        let removed = match step.what {
            Prunable::Webhooks => return store.step_through(step, WEBHOOKS).await,
            Prunable::Attempts => return store.step_through(step, ATTEMPTS).await,
            Prunable::Payloads => return store.step_through(step, PAYLOADS).await,
            Prunable::Messages => return store.step_through(step, MESSAGES).await,
            Prunable::Events => store.remove_old(step, watching::prune).await?,
            Prunable::Replays => store.remove_old(step, replays::prune).await?,
            Prunable::Polls => store.remove_old(step, polls::prune).await?,
            Prunable::AccountEvents => store.remove_old(step, account_events::prune).await?,
            // Nothing is queued for a removed subscriber again, so what the reader finds stays true,
            // and the writer is spared a look through every forward.
            Prunable::Subscribers => {
                let look = move |connection: &Connection| unused_subscribers(connection, before_ms);
                let keys = store.look("look for removed subscribers", look).await?;
                let delete = |connection: &Connection, key| {
                    delete(connection, "subscriber", key).map(|()| 1)
                };
                store.remove_keys(step, keys, delete).await?
            }
            // The reader looks through the table, so that the writer need not.
            Prunable::People => {
                let look = move |connection: &Connection| {
                    same_person::old(connection, before_ms, PEOPLE_STEP)
                };
                let keys = store.look("look for people of old", look).await?;
                let forget = move |connection: &Connection, key| {
                    same_person::forget_old(connection, key, before_ms)
                };
                store.remove_keys(step, keys, forget).await?
            }
        };
        Ok(Pruned {
            removed,
            next: (removed > 0).then_some(step.behind.unwrap_or(BEGINNING)),
        })
    }
}

impl SqliteStore {
    async fn step_through(&self, step: PruneStep, table: SteppedTable) -> Result<Pruned, Error> {
        let after_key = step.behind.unwrap_or(BEGINNING).key();
        let look = move |connection: &Connection| {
            ranges::before(connection, table.timed, after_key, step.before_ms)
        };
        let keys = self.look("look for what is old", look).await?;
        self.remove_old(step, move |connection, bounds| {
            step_through(connection, table, bounds, keys)
        })
        .await
    }

    /// Removes what `remove` finds by the bound and the latest time that is credible.
    async fn remove_old<T: Send + 'static>(
        &self,
        step: PruneStep,
        remove: impl FnOnce(&Connection, (i64, i64)) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.run(move |core| {
            core.change("prune", |connection, now_ms| {
                remove(connection, (step.before_ms, latest_credible_ms(now_ms)))
                    .map_err(|error| backend(format!("cannot prune {}", step.what.as_str()), error))
            })
        })
        .await
    }

    /// Removes the rows with these keys.
    async fn remove_keys(
        &self,
        step: PruneStep,
        keys: Vec<i64>,
        remove: impl Fn(&Connection, i64) -> rusqlite::Result<usize> + Send + 'static,
    ) -> Result<usize, Error> {
        if keys.is_empty() {
            return Ok(0);
        }
        self.remove_old(step, move |connection, _| {
            keys.iter()
                .try_fold(0, |removed, key| Ok(removed + remove(connection, *key)?))
        })
        .await
    }
}

/// Subscribers that were removed before that time and that no forward names any more.
fn unused_subscribers(connection: &Connection, before_ms: i64) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare(
            "SELECT subscriber_id FROM subscriber WHERE removed_at_ms < ?1 \
             AND NOT EXISTS (SELECT 1 FROM forward \
             WHERE forward.subscriber_id = subscriber.subscriber_id)",
        )?
        .query_map([before_ms], |row| row.get(0))?
        .collect()
}

/// A large table, which is stepped through by its keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct SteppedTable {
    pub(super) timed: Timed,
    /// Columns: the key, whether it is old and may go. Bound are the time, the keys from and to, the
    /// limit, and where it asks for it the latest time that is credible.
    candidates: &'static str,
    /// Rows that one step looks at.
    limit: i64,
}

pub(super) const WEBHOOKS: SteppedTable = SteppedTable {
    timed: Timed::Webhook,
    candidates: "SELECT webhook_id, received_at_ms < ?1 FROM webhook \
         WHERE webhook_id BETWEEN ?2 AND ?3 ORDER BY webhook_id LIMIT ?4",
    limit: STEP,
};

pub(super) const ATTEMPTS: SteppedTable = SteppedTable {
    timed: Timed::Attempt,
    candidates: "SELECT attempt_id, CASE WHEN started_at_ms < ?1 \
         THEN forward.state IS NOT 'pending' ELSE FALSE END \
         FROM attempt LEFT JOIN forward USING (forward_id) \
         WHERE attempt_id BETWEEN ?2 AND ?3 ORDER BY attempt_id LIMIT ?4",
    limit: STEP,
};

/// A retry by hand settles a forward again: its payload stays for as long again. What a clock
/// settled that was ahead counts by its report alone, or it would stay until that time.
pub(super) const PAYLOADS: SteppedTable = SteppedTable {
    timed: Timed::Payload,
    candidates: "SELECT payload_id, CASE WHEN payload.report_id > 0 \
         AND (report.received_at_ms IS NULL OR report.received_at_ms < ?1) \
         THEN NOT EXISTS (SELECT 1 FROM forward WHERE forward.message_id = report.message_id \
         AND forward.payload_id = payload.payload_id \
         AND (forward.state = 'pending' OR forward.settled_at_ms BETWEEN ?1 AND ?5)) ELSE FALSE END \
         FROM payload LEFT JOIN report USING (report_id) \
         WHERE payload_id BETWEEN ?2 AND ?3 ORDER BY payload_id LIMIT ?4",
    limit: STEP,
};

pub(super) const MESSAGES: SteppedTable = SteppedTable {
    timed: Timed::Message,
    candidates: "SELECT message_id, CASE WHEN last_report_at_ms < ?1 \
         THEN NOT EXISTS (SELECT 1 FROM forward WHERE forward.message_id = message.message_id \
         AND (forward.state = 'pending' OR forward.settled_at_ms BETWEEN ?1 AND ?5)) ELSE FALSE END \
         FROM message WHERE message_id BETWEEN ?2 AND ?3 ORDER BY message_id LIMIT ?4",
    limit: MESSAGES_STEP,
};

/// One step through the keys of a large table.
pub(super) fn step_through(
    connection: &Connection,
    table: SteppedTable,
    (before_ms, latest_ms): (i64, i64),
    (first_key, last_key): KeySpan,
) -> rusqlite::Result<Pruned> {
    let (mut seen, mut seen_key) = (0, first_key);
    let mut going = Vec::new();
    let mut select = connection.prepare_cached(table.candidates)?;
    let mut bound = vec![before_ms, first_key, last_key, table.limit, latest_ms];
    bound.truncate(select.parameter_count());
    let mut rows = select.query(params_from_iter(bound))?;
    while let Some(row) = rows.next()? {
        seen_key = row.get(0)?;
        seen += 1;
        if row.get(1)? {
            going.push(seen_key);
        }
    }
    drop(rows);
    // With fewer rows than that all these keys are done.
    let done_key = if seen == table.limit {
        seen_key
    } else {
        last_key
    };
    for id in &going {
        match table.timed {
            Timed::Message => deletion::delete_message(connection, *id)?,
            timed => delete(connection, timed.as_str(), *id)?,
        }
    }
    if !going.is_empty() {
        ranges::thinned(connection, table.timed, (first_key, done_key))?;
    }
    Ok(Pruned {
        removed: going.len(),
        next: (done_key < i64::MAX).then_some(ListPlace::of(done_key)),
    })
}

/// Removes the row of that key; the key's column is named after its table.
fn delete(connection: &Connection, table: &str, id: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&format!("DELETE FROM {table} WHERE {table}_id = ?1"))?
        .execute([id])?;
    Ok(())
}
