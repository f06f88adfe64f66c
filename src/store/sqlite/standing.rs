//! Reading how subscribers fare.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::reader::{Reader, maybe_word};
use super::subscribers::load;
use crate::store::Error;
use crate::store::overview::{SubscriberHealth, SubscriberOverview};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// How far back a forward may have been made that ended today: the longest wait and some.
const LOOK_BACK_MS: i64 = 30 * DAY_MS;

impl Reader {
    /// Every subscriber that is not removed with how it fares at `now_ms`, in the order they
    /// were added.
    ///
    /// # Errors
    /// As every read.
    pub fn subscribers(&self, now_ms: i64) -> Result<Vec<SubscriberOverview>, Error> {
        self.read("read the subscribers", |connection| {
            let mut pending = connection.prepare(
                "SELECT count(*), min(owed_since_ms) FROM forward \
                 WHERE state = 'pending' AND subscriber_id = ?1",
            )?;
            let mut ended = connection.prepare(
                "SELECT coalesce(sum(state = 'delivered'), 0), coalesce(sum(state = 'gave-up'), 0) \
                 FROM forward WHERE subscriber_id = ?1 AND settled_at_ms >= ?2 AND forward_id >= ?3",
            )?;
            let first = first_forward_since(connection, now_ms - LOOK_BACK_MS)?;
            let mut overviews = Vec::new();
            for subscriber in load(connection)? {
                let id = subscriber.id;
                let (pending, oldest_pending_ms) =
                    pending.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
                let since_ms = now_ms - DAY_MS;
                let (delivered_24h, gave_up_24h) = ended
                    .query_row([id, since_ms, first], |row| Ok((row.get(0)?, row.get(1)?)))?;
                overviews.push(SubscriberOverview {
                    subscriber: Arc::unwrap_or_clone(subscriber),
                    pending,
                    oldest_pending_ms,
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

    /// How the subscriber with this key fares at `now_ms`. Reads what is pending and the forwards
    /// of the last 24 h.
    ///
    /// # Errors
    /// As every read.
    pub fn subscriber_health(&self, id: i64, now_ms: i64) -> Result<SubscriberHealth, Error> {
        self.read("read how the subscriber fares", |connection| {
            let first = first_forward_since(connection, now_ms - DAY_MS)?;
            let mut health = connection.query_row(
                "SELECT count(*), min(owed_since_ms), min(due_at_ms) FROM forward \
                 WHERE state = 'pending' AND subscriber_id = ?1",
                [id],
                |row| {
                    Ok(SubscriberHealth {
                        pending: row.get(0)?,
                        oldest_pending_ms: row.get(1)?,
                        next_due_ms: row.get(2)?,
                        ..SubscriberHealth::default()
                    })
                },
            )?;
            connection.query_row(
                "SELECT coalesce(sum(state = 'delivered'), 0), coalesce(sum(state = 'gave-up'), 0), \
                 max(CASE state WHEN 'delivered' THEN settled_at_ms END) \
                 FROM forward WHERE subscriber_id = ?1 AND forward_id >= ?2",
                [id, first],
                |row| {
                    health.delivered_24h = row.get(0)?;
                    health.gave_up_24h = row.get(1)?;
                    health.last_success_ms = row.get(2)?;
                    Ok(())
                },
            )?;
            let failed = connection
                .query_row(
                    "SELECT last_attempt_ms, last_error FROM ( \
                         SELECT last_attempt_ms, last_error FROM forward \
                         WHERE state = 'pending' AND subscriber_id = ?1 AND last_error IS NOT NULL \
                         UNION ALL \
                         SELECT last_attempt_ms, last_error FROM forward \
                         WHERE subscriber_id = ?1 AND forward_id >= ?2 AND last_error IS NOT NULL) \
                     ORDER BY last_attempt_ms DESC LIMIT 1",
                    [id, first],
                    |row| Ok((row.get(0)?, maybe_word(row, "last_error")?)),
                )
                .optional()?;
            (health.last_failure_ms, health.last_failure) = failed.unwrap_or_default();
            Ok(health)
        })
    }
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
