//! What is pending: settling, giving up by age or with the subscriber. How a lane reads it is in
//! `refills`.

use rusqlite::{CachedStatement, Connection, params};

use super::ranges::{RangeTimes, RowTime, Timed};
use super::writer::Core;
use super::{SqliteStep, SqliteStore, backend};
use crate::model::{ForwardKey, SubscriberKey};
use crate::store::step::{ExpireForwards, GiveUpRemoved};
use crate::store::{Attempt, Error, Settled, Settlement};

/// Writes down the ends of attempts. Returns whether a forward of one of them is gone: it may have been
/// erased while in flight.
pub(super) fn settle<'s>(
    connection: &Connection,
    times: &mut RangeTimes,
    settlements: impl Iterator<Item = &'s Settlement>,
    now_ms: i64,
) -> rusqlite::Result<bool> {
    let mut settlements = settlements.peekable();
    if settlements.peek().is_none() {
        return Ok(false);
    }
    let mut settling = Settling::new(connection, times)?;
    let mut is_missing = false;
    for settlement in settlements {
        is_missing |= !settling.settle(settlement, now_ms)?;
    }
    Ok(is_missing)
}

/// What nearly each settlement needs is prepared once.
struct Settling<'c> {
    connection: &'c Connection,
    times: &'c mut RangeTimes,
    deliver: CachedStatement<'c>,
    attempt: CachedStatement<'c>,
}

impl<'c> Settling<'c> {
    /// `OR FAIL`, because of the triggers that count what is pending: with `ABORT` SQLite keeps a copy of
    /// each page until such a statement has ended. Here a failure ends the whole transaction.
    fn new(connection: &'c Connection, times: &'c mut RangeTimes) -> rusqlite::Result<Self> {
        let deliver = connection.prepare_cached(
            "UPDATE OR FAIL forward SET state = 'delivered', attempts = attempts + ?2, \
             last_attempt_ms = ?3, settled_at_ms = ?4, last_error = NULL \
             WHERE forward_id = ?1 AND state = 'pending'",
        )?;
        let attempt = connection.prepare_cached(
            "INSERT INTO attempt (forward_id, number, started_at_ms, duration_ms, http_status, \
             error_code, detail, excerpt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        Ok(Self {
            connection,
            times,
            deliver,
            attempt,
        })
    }

    /// Writes down the end of an attempt; a forward that is no longer pending stays as it is.
    /// Returns whether there still is such a forward.
    fn settle(&mut self, settlement: &Settlement, now_ms: i64) -> rusqlite::Result<bool> {
        let forward_id = settlement.forward_id;
        let attempt = settlement.attempt.as_ref();
        let started = attempt.map(|attempt| attempt.started_at_ms);
        let ended =
            attempt.map(|attempt| attempt.started_at_ms + i64::from(attempt.outcome.duration_ms));
        let error = attempt.and_then(|attempt| attempt.outcome.error);
        let is_charged = !matches!(settlement.settled, Settled::PutOff(_));
        let tried = i64::from(attempt.is_some() && is_charged);
        let ahead_ms = started.map_or(0, |started_ms| (started_ms - now_ms).max(0));
        let settled = match settlement.settled {
            Settled::Delivered => self
                .deliver
                .execute(params![forward_id, tried, started, ended])?,
            // Its due time goes by a clock that was set back since. It waits as long, and counts as tried
            // since then, so that it is not moved once more with what waits.
            Settled::RetryAt(due_ms) | Settled::PutOff(due_ms) => self
                .connection
                .prepare_cached(
                    "UPDATE forward SET attempts = attempts + ?2, last_attempt_ms = ?3, \
                     due_at_ms = ?4, last_error = ?5 WHERE forward_id = ?1 AND state = 'pending'",
                )?
                .execute(params![
                    forward_id,
                    tried,
                    started.map(|started_ms| started_ms.min(now_ms)),
                    due_ms - ahead_ms,
                    error,
                ])?,
            Settled::GaveUp(reason) => self
                .connection
                .prepare_cached(
                    "UPDATE OR FAIL forward SET state = 'gave-up', gave_up = ?2, \
                     attempts = attempts + ?3, last_attempt_ms = coalesce(?4, last_attempt_ms), \
                     settled_at_ms = ?5, last_error = coalesce(?6, last_error) \
                     WHERE forward_id = ?1 AND state = 'pending'",
                )?
                .execute(params![
                    forward_id,
                    reason,
                    tried,
                    started,
                    ended.unwrap_or(now_ms),
                    error,
                ])?,
            Settled::Untouched => 0,
        };
        let exists = settled > 0
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

/// Gives up some of what is pending for removed subscribers; returns how many forwards ended. What a
/// subscriber took once stays delivered, though a retry or a replay queued it again.
pub(super) fn give_up_removed(connection: &Connection) -> rusqlite::Result<usize> {
    let ended: Vec<(i64, i64, Option<i64>)> = connection
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
    let mut delivered = connection.prepare_cached(
        "UPDATE OR FAIL forward SET state = 'delivered', last_error = NULL, settled_at_ms = ?2 \
         WHERE forward_id = ?1",
    )?;
    let mut gave_up = connection.prepare_cached(
        "UPDATE OR FAIL forward SET state = 'gave-up', gave_up = 'subscriber-removed', \
         settled_at_ms = ?2 WHERE forward_id = ?1",
    )?;
    let count = ended.len();
    for (forward_id, removed_at_ms, taken_at_ms) in ended {
        match taken_at_ms {
            Some(taken_at_ms) => delivered.execute([forward_id, taken_at_ms])?,
            None => gave_up.execute([forward_id, removed_at_ms])?,
        };
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
    /// given up when that comes due, by its lane or here.
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
