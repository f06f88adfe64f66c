//! What is pending: settling, giving up by age or with the subscriber. What becomes of a forward is for
//! [`crate::plan::settling`] to say. How a lane reads it is in `refills`.

use rusqlite::{CachedStatement, Connection, params};

use super::lane_registry::UnwrittenSettlement;
use super::ranges::{RangeTimes, RowTime, Timed};
use super::writer::Core;
use super::{SqliteStep, SqliteStore, backend};
use crate::model::{ForwardKey, SubscriberKey};
use crate::plan::settling::{self, AttemptFacts, ForwardWrite, NextState};
use crate::store::step::{ExpireForwards, GiveUpRemoved};
use crate::store::{Attempt, Error, Lease, Settlement};

/// Writes down the ends of attempts; returns those that were not.
pub(super) fn settle<'s>(
    connection: &Connection,
    times: &mut RangeTimes,
    settlements: impl Iterator<Item = &'s Settlement>,
    now_ms: i64,
) -> rusqlite::Result<Vec<UnwrittenSettlement>> {
    let mut unwritten = Vec::new();
    let mut settlements = settlements.peekable();
    if settlements.peek().is_none() {
        return Ok(unwritten);
    }
    let mut settling = Settling::new(connection, times)?;
    for settlement in settlements {
        let is_fenced = settlement.lane.epoch != Lease::FIRST;
        if is_fenced || !settling.settle(settlement, now_ms)? {
            unwritten.push(UnwrittenSettlement {
                subscriber_id: settlement.lane.subscriber_id,
                forward_id: settlement.forward_id,
                is_fenced,
            });
        }
    }
    Ok(unwritten)
}

/// Writes what becomes of forwards. Its statements are prepared once.
struct ForwardStatements<'c> {
    deliver: CachedStatement<'c>,
    wait: CachedStatement<'c>,
    give_up: CachedStatement<'c>,
}

impl<'c> ForwardStatements<'c> {
    /// `OR FAIL`, because of the triggers that count what is pending: with `ABORT` SQLite keeps a copy of
    /// each page until such a statement has ended. Here a failure ends the whole transaction.
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        let deliver = connection.prepare_cached(
            "UPDATE OR FAIL forward SET state = 'delivered', attempts = attempts + ?2, \
             last_attempt_ms = coalesce(?3, last_attempt_ms), settled_at_ms = ?4, last_error = NULL \
             WHERE forward_id = ?1 AND state = 'pending'",
        )?;
        let wait = connection.prepare_cached(
            "UPDATE forward SET attempts = attempts + ?2, \
             last_attempt_ms = coalesce(?3, last_attempt_ms), due_at_ms = ?4, \
             last_error = coalesce(?5, last_error) WHERE forward_id = ?1 AND state = 'pending'",
        )?;
        let give_up = connection.prepare_cached(
            "UPDATE OR FAIL forward SET state = 'gave-up', attempts = attempts + ?2, \
             last_attempt_ms = coalesce(?3, last_attempt_ms), settled_at_ms = ?4, \
             last_error = coalesce(?5, last_error), gave_up = ?6 \
             WHERE forward_id = ?1 AND state = 'pending'",
        )?;
        Ok(Self {
            deliver,
            wait,
            give_up,
        })
    }

    /// Writes it, where the forward is pending; returns whether it was.
    fn write(&mut self, forward_id: ForwardKey, write: ForwardWrite) -> rusqlite::Result<bool> {
        let (tried, last_ms, error) = (write.tried, write.last_attempt_ms, write.last_error);
        let written = match write.state {
            NextState::Delivered { settled_at_ms } => {
                let values = params![forward_id, tried, last_ms, settled_at_ms];
                self.deliver.execute(values)?
            }
            NextState::Pending { due_at_ms } => {
                let values = params![forward_id, tried, last_ms, due_at_ms, error];
                self.wait.execute(values)?
            }
            NextState::GaveUp {
                reason,
                settled_at_ms,
            } => {
                let values = params![forward_id, tried, last_ms, settled_at_ms, error, reason];
                self.give_up.execute(values)?
            }
        };
        Ok(written > 0)
    }
}

/// What settlements need, prepared once.
struct Settling<'c> {
    connection: &'c Connection,
    times: &'c mut RangeTimes,
    forwards: ForwardStatements<'c>,
    attempt: CachedStatement<'c>,
}

impl<'c> Settling<'c> {
    fn new(connection: &'c Connection, times: &'c mut RangeTimes) -> rusqlite::Result<Self> {
        let attempt = connection.prepare_cached(
            "INSERT INTO attempt (forward_id, number, started_at_ms, duration_ms, http_status, \
             error_code, detail, excerpt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        Ok(Self {
            connection,
            times,
            forwards: ForwardStatements::new(connection)?,
            attempt,
        })
    }

    /// Writes down the end of an attempt; a forward that is no longer pending stays as it is.
    /// Returns whether there still is such a forward.
    fn settle(&mut self, settlement: &Settlement, now_ms: i64) -> rusqlite::Result<bool> {
        let forward_id = settlement.forward_id;
        let attempt = settlement.attempt.as_ref();
        let facts = attempt.map(|attempt| AttemptFacts {
            started_at_ms: attempt.started_at_ms,
            duration_ms: attempt.outcome.duration_ms,
            error: attempt.outcome.error,
        });
        let write = settling::settle(settlement.settled, facts, now_ms);
        let is_settled = match write {
            Some(write) => self.forwards.write(forward_id, write)?,
            None => false,
        };
        let exists = is_settled
            || self
                .connection
                .prepare_cached("SELECT 1 FROM forward WHERE forward_id = ?1")?
                .exists([forward_id])?;
        if let Some(attempt) = attempt.filter(|_| exists) {
            self.insert_attempt(forward_id, attempt)?;
        }
        Ok(exists)
    }

    fn insert_attempt(
        &mut self,
        forward_id: ForwardKey,
        attempt: &Attempt,
    ) -> rusqlite::Result<()> {
        let outcome = &attempt.outcome;
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let attempt_id = self.attempt.insert(params![
            forward_id,
            attempt.number,
            attempt.started_at_ms,
            outcome.duration_ms,
            outcome.http_status,
            outcome.error,
            text(&outcome.detail),
            text(&outcome.excerpt),
        ])?;
        let given_out = (attempt_id, RowTime::At(attempt.started_at_ms));
        self.times
            .given_out(self.connection, Timed::Attempt, given_out)
    }
}

/// When a forward was last taken, as far as its attempts are still there.
const TAKEN: &str = "SELECT max(started_at_ms + duration_ms) FROM attempt \
     WHERE attempt.forward_id = forward.forward_id AND error_code IS NULL";

/// Forwards that one transaction gives up at most: webhooks wait for its end.
const PART: usize = 1000;

/// How many forwards are pending for a subscriber; the index alone is read.
pub(super) fn count_pending(
    connection: &Connection,
    subscriber_id: SubscriberKey,
) -> rusqlite::Result<usize> {
    connection.query_row(
        "SELECT count(*) FROM forward INDEXED BY forward_due \
         WHERE state = 'pending' AND subscriber_id = ?1",
        [subscriber_id],
        |row| row.get(0),
    )
}

/// Ends some of what is pending for removed subscribers; returns how many forwards ended.
pub(super) fn give_up_removed(connection: &Connection) -> rusqlite::Result<usize> {
    let ended: Vec<(ForwardKey, i64, Option<i64>)> = connection
        .prepare_cached(&format!(
            "SELECT forward.forward_id, subscriber.removed_at_ms, \
             CASE WHEN forward.last_attempt_ms IS NOT NULL THEN ({TAKEN}) END \
             FROM subscriber CROSS JOIN forward INDEXED BY forward_due \
             WHERE subscriber.removed_at_ms IS NOT NULL \
             AND forward.subscriber_id = subscriber.subscriber_id \
             AND forward.state = 'pending' LIMIT {PART}"
        ))?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut forwards = ForwardStatements::new(connection)?;
    let count = ended.len();
    for (forward_id, removed_at_ms, taken_at_ms) in ended {
        forwards.write(forward_id, settling::of_removed(removed_at_ms, taken_at_ms))?;
    }
    Ok(count)
}

impl SqliteStep for GiveUpRemoved {
    async fn take(self, store: &SqliteStore) -> Result<usize, Error> {
        store.run(Core::give_up_removed).await
    }
}

impl SqliteStep for ExpireForwards {
    async fn take(self, store: &SqliteStore) -> Result<usize, Error> {
        store
            .run(move |core| core.expire(self.pending_before_ms))
            .await
    }
}

impl Core {
    /// As [`give_up_removed`], in a transaction of its own.
    fn give_up_removed(&mut self) -> Result<usize, Error> {
        self.change("give up what a removed subscriber left", |connection, _| {
            give_up_removed(connection).map_err(|error| {
                backend(
                    "cannot give up what a removed subscriber left".to_owned(),
                    error,
                )
            })
        })
    }

    /// Gives up some of what was queued before that time; returns how many.
    ///
    /// Found by when it came due, through the index: to look at when each was queued would read
    /// a whole backlog while every webhook waits. What waits for a retry beyond its age is
    /// given up when that comes due, by its lane or here. `store/conformance/forwarding.rs` holds this for every
    /// engine.
    fn expire(&mut self, pending_before_ms: i64) -> Result<usize, Error> {
        self.change("give up what is too old", |connection, now_ms| {
            connection
                .prepare_cached(
                    "UPDATE forward SET state = 'gave-up', gave_up = 'expired', settled_at_ms = ?2 \
                     WHERE forward_id IN (SELECT forward_id FROM forward WHERE state = 'pending' \
                     AND subscriber_id IN \
                     (SELECT subscriber_id FROM subscriber WHERE removed_at_ms IS NULL) \
                     AND (attempts > 0) IN (0, 1) AND due_at_ms < ?1 AND pending_since_ms < ?1 LIMIT 1000)",
                )
                .and_then(|mut statement| statement.execute(params![pending_before_ms, now_ms]))
                .map_err(|error| backend("cannot give up what is too old".to_owned(), error))
        })
    }
}
