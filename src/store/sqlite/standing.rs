//! Reading how subscribers fare.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::reader::{Reader, maybe_word};
use super::subscribers::load;
use crate::store::overview::{SubscriberHealth, SubscriberOverview};
use crate::store::{Backlog, Error};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Attempts that are looked at together.
const BLOCK: i64 = 10_000;

/// How far back a forward may have been made that ended today: the longest wait and some.
const LOOK_BACK_MS: i64 = 30 * DAY_MS;

impl Reader {
    /// Whether the store can be read at all.
    ///
    /// # Errors
    /// As every read.
    pub fn check(&self) -> Result<(), Error> {
        self.read("read the store", |connection| {
            connection.query_row("SELECT count(*) FROM clock", [], |_| Ok(()))
        })
    }

    /// What is owed to each subscriber that is owed anything. Beside the writer of this process it
    /// costs the same however much that is; elsewhere it reads all that is pending.
    ///
    /// # Errors
    /// As every read.
    pub fn backlog(&self) -> Result<Vec<Backlog>, Error> {
        if let Some(pending) = &self.pending {
            return Ok(pending.backlog());
        }
        self.read("read the backlog", |connection| {
            connection
                .prepare(
                    "SELECT subscriber_id, count(*), min(owed_since_ms) FROM forward \
                     WHERE state = 'pending' GROUP BY subscriber_id",
                )?
                .query_map([], |row| {
                    Ok(Backlog {
                        subscriber_id: row.get(0)?,
                        pending: row.get(1)?,
                        oldest_owed_since_ms: row.get(2)?,
                    })
                })?
                .collect()
        })
    }

    /// Every subscriber that is not removed with how it fares at `now_ms`, in the order they
    /// were added.
    ///
    /// # Errors
    /// As every read.
    pub fn subscribers(&self, now_ms: i64) -> Result<Vec<SubscriberOverview>, Error> {
        let backlog = self.backlog()?;
        self.read("read the subscribers", |connection| {
            let mut ended = connection.prepare(
                "SELECT coalesce(sum(state = 'delivered'), 0), coalesce(sum(state = 'gave-up'), 0) \
                 FROM forward WHERE subscriber_id = ?1 AND settled_at_ms >= ?2 AND forward_id >= ?3",
            )?;
            let first = first_forward_since(connection, now_ms - LOOK_BACK_MS)?;
            let mut overviews = Vec::new();
            for subscriber in load(connection)? {
                let id = subscriber.id;
                let owed = backlog.iter().find(|owed| owed.subscriber_id == id);
                let since_ms = now_ms - DAY_MS;
                let (delivered_24h, gave_up_24h) = ended
                    .query_row([id, since_ms, first], |row| Ok((row.get(0)?, row.get(1)?)))?;
                overviews.push(SubscriberOverview {
                    subscriber: Arc::unwrap_or_clone(subscriber),
                    pending: owed.map_or(0, |owed| owed.pending),
                    oldest_pending_ms: owed.map(|owed| owed.oldest_owed_since_ms),
                    delivered_24h,
                    gave_up_24h,
                });
            }
            Ok(overviews)
        })
    }

    /// The subscriber of that name with how it fares at `now_ms`.
    ///
    /// # Errors
    /// [`Error::NotFound`], and as every read.
    pub fn subscriber(&self, name: &str, now_ms: i64) -> Result<SubscriberOverview, Error> {
        self.subscribers(now_ms)?
            .into_iter()
            .find(|overview| overview.subscriber.name == name)
            .ok_or_else(|| Error::NotFound(format!("subscriber is named {name:?}")))
    }

    /// How the subscriber with this key fares at `now_ms`. Reads the forwards and the attempts of
    /// the last 24 h, however much is pending.
    ///
    /// # Errors
    /// As every read.
    pub fn subscriber_health(&self, id: i64, now_ms: i64) -> Result<SubscriberHealth, Error> {
        let backlog = self.backlog()?;
        let owed = backlog.iter().find(|owed| owed.subscriber_id == id);
        self.read("read how the subscriber fares", |connection| {
            let first = first_forward_since(connection, now_ms - DAY_MS)?;
            let mut health = SubscriberHealth {
                pending: owed.map_or(0, |owed| owed.pending),
                oldest_pending_ms: owed.map(|owed| owed.oldest_owed_since_ms),
                next_due_ms: next_due_ms(connection, id)?,
                ..SubscriberHealth::default()
            };
            (health.delivered_24h, health.gave_up_24h) = connection.query_row(
                "SELECT coalesce(sum(state = 'delivered'), 0), coalesce(sum(state = 'gave-up'), 0) \
                 FROM forward WHERE subscriber_id = ?1 AND forward_id >= ?2",
                [id, first],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            count_attempts(connection, id, now_ms, &mut health)?;
            Ok(health)
        })
    }
}

/// When the next pending forward is, or was, to be tried, ms since 1970 UTC. The index has those
/// that were never tried and the others apart.
fn next_due_ms(connection: &Connection, id: i64) -> rusqlite::Result<Option<i64>> {
    let mut first = connection.prepare(
        "SELECT due_at_ms FROM forward INDEXED BY forward_due WHERE state = 'pending' \
         AND subscriber_id = ?1 AND (attempts > 0) = ?2 ORDER BY due_at_ms LIMIT 1",
    )?;
    let mut next_ms: Option<i64> = None;
    for are_retries in [0, 1] {
        let found = first.query_row([id, are_retries], |row| row.get(0));
        next_ms = next_ms.into_iter().chain(found.optional()?).min();
    }
    Ok(next_ms)
}

/// Counts the attempts of the last 24 h, a block at a time from the latest back, until all of a
/// block is older: keys are in the order of the attempts' ends, times follow the clock.
fn count_attempts(
    connection: &Connection,
    id: i64,
    now_ms: i64,
    health: &mut SubscriberHealth,
) -> rusqlite::Result<()> {
    let since_ms = now_ms - DAY_MS;
    let mut older = connection.prepare(
        "SELECT attempt_id FROM attempt WHERE attempt_id < ?1 ORDER BY attempt_id DESC \
         LIMIT 1 OFFSET ?2",
    )?;
    let mut count = connection.prepare(
        "SELECT coalesce(sum(error_code IS NULL), 0), coalesce(sum(error_code IS NOT NULL), 0), \
         max(CASE WHEN error_code IS NULL THEN started_at_ms + duration_ms END), \
         max(CASE WHEN error_code IS NOT NULL THEN started_at_ms END) \
         FROM (SELECT attempt.* FROM attempt CROSS JOIN forward USING (forward_id) \
         WHERE attempt_id >= ?2 AND attempt_id < ?3 AND subscriber_id = ?1 \
         AND started_at_ms >= ?4)",
    )?;
    let mut why = connection.prepare(
        "SELECT error_code FROM attempt CROSS JOIN forward USING (forward_id) \
         WHERE attempt_id >= ?2 AND attempt_id < ?3 AND subscriber_id = ?1 \
         AND started_at_ms >= ?4 AND error_code IS NOT NULL \
         ORDER BY started_at_ms DESC, attempt_id DESC LIMIT 1",
    )?;
    let mut until_id = i64::MAX;
    while until_id > 1 {
        let from_id = older
            .query_row([until_id, BLOCK - 1], |row| row.get(0))
            .optional()?
            .unwrap_or(0);
        let latest_ms: i64 = connection.query_row(
            "SELECT coalesce(max(started_at_ms), 0) FROM attempt \
             WHERE attempt_id >= ?1 AND attempt_id < ?2",
            [from_id, until_id],
            |row| row.get(0),
        )?;
        if latest_ms < since_ms {
            break;
        }
        count.query_row([id, from_id, until_id, since_ms], |row| {
            health.delivered_attempts_24h += row.get::<_, u64>(0)?;
            health.failed_attempts_24h += row.get::<_, u64>(1)?;
            health.last_success_ms = health.last_success_ms.max(row.get(2)?);
            health.last_failure_ms = health.last_failure_ms.max(row.get(3)?);
            Ok(())
        })?;
        if health.last_failure.is_none() && health.last_failure_ms.is_some() {
            health.last_failure = why.query_row([id, from_id, until_id, since_ms], |row| {
                maybe_word(row, "error_code")
            })?;
        }
        until_id = from_id;
    }
    Ok(())
}

/// The key of the first forward made at `since_ms` or later: public ids begin with the time,
/// so the index on them tells, and no other index has to.
fn first_forward_since(connection: &Connection, since_ms: i64) -> rusqlite::Result<i64> {
    let mut least = [0; 16];
    least[..6].copy_from_slice(&since_ms.max(0).to_be_bytes()[2..]);
    connection
        .query_row(
            "SELECT forward_id FROM forward WHERE uid >= ?1 ORDER BY uid LIMIT 1",
            [least],
            |row| row.get(0),
        )
        .optional()
        .map(|found| found.unwrap_or(i64::MAX))
}
