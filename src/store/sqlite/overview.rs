//! Reading how subscribers fare.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, params};

use super::forward_reads::FORWARDS;
use super::ranges::{self, Timed};
use super::reader::{Reader, SqliteQuery};
use super::subscribers::load;
use crate::model::{Subscriber, SubscriberKey};
use crate::store::overview::{SubscriberHealth, SubscriberOverview};
use crate::store::query::{
    BacklogQuery, Listing, Reached, ReadableQuery, SubscriberHealthQuery, SubscriberQuery,
};
use crate::store::{Backlog, Error};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// How far back a forward may have been made that ended today: the longest wait and some.
const LOOK_BACK_MS: i64 = 30 * DAY_MS;

/// Forwards that were delivered and given up, by the key of their subscriber.
type SettledCounts = HashMap<SubscriberKey, (u64, u64)>;

/// What is pending is counted for so long at least.
const LEAST: Duration = Duration::from_millis(100);

impl SqliteQuery for ReadableQuery {
    fn answer(self, reader: &Reader) -> Result<(), Error> {
        reader.read("read the store", |connection| {
            connection.query_row("SELECT count(*) FROM clock", [], |_| Ok(()))
        })
    }
}

impl SqliteQuery for BacklogQuery {
    fn answer(self, reader: &Reader) -> Result<Vec<Backlog>, Error> {
        reader.backlog()
    }

    fn in_memory(&self, reader: &Reader) -> Option<Vec<Backlog>> {
        reader.pending.as_ref().map(|pending| pending.backlog())
    }
}

impl Reader {
    /// The pending forwards of each subscriber that has any, removed ones aside. Beside the writer of
    /// this process it costs the same however much that is; elsewhere it reads all that is pending.
    fn backlog(&self) -> Result<Vec<Backlog>, Error> {
        if let Some(pending) = &self.pending {
            return Ok(pending.backlog());
        }
        self.read("read the backlog", read_backlog)
    }

    /// As [`Self::backlog`], in the time that a list may take; `None` when that was over first.
    fn backlog_in_time(&self) -> Result<Option<Vec<Backlog>>, Error> {
        if self.pending.is_some() {
            return self.backlog().map(Some);
        }
        self.read("read what is pending", |connection| {
            self.cut_at(connection, Instant::now() + self.budget.max(LEAST))?;
            let found = read_backlog(connection);
            self.cut_at_last(connection)?;
            match found {
                Err(error) if self.is_over(&error) => Ok(None),
                found => found.map(Some),
            }
        })
    }

    /// How many forwards of each subscriber were delivered and given up within the day before
    /// `now_ms`.
    fn ended(
        &self,
        connection: &Connection,
        now_ms: i64,
    ) -> rusqlite::Result<(SettledCounts, Option<Reached>)> {
        let since_ms = Some(now_ms - LOOK_BACK_MS);
        let keys = ranges::within(connection, Timed::Forward, since_ms, Some(now_ms + 1))?;
        let mut part = connection.prepare(
            "SELECT subscriber_id, sum(state = 'delivered'), sum(state = 'gave-up') FROM forward \
             WHERE forward_id BETWEEN ?1 AND ?2 AND settled_at_ms BETWEEN ?3 AND ?4 \
             GROUP BY subscriber_id",
        )?;
        let mut ended = SettledCounts::new();
        let since_ms = now_ms - DAY_MS;
        let reached = self.walk(connection, FORWARDS, (&keys, None), |keys| {
            let values = params![keys.first, keys.last, since_ms, now_ms];
            let found =
                part.query_map(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            // Counted as a whole or not at all.
            let found: Vec<(SubscriberKey, u64, u64)> = found.collect::<rusqlite::Result<_>>()?;
            for (id, delivered, gave_up) in found {
                let counts = ended.entry(id).or_default();
                *counts = (counts.0 + delivered, counts.1 + gave_up);
            }
            Ok(false)
        })?;
        Ok((ended, reached))
    }
}

impl SqliteQuery for SubscriberQuery {
    fn answer(self, reader: &Reader) -> Result<Listing<SubscriberOverview>, Error> {
        let backlog = reader.backlog_in_time()?;
        reader.read("read the subscribers", |connection| {
            let (ended, reached) = reader.ended(connection, self.now_ms)?;
            let overview = |subscriber: Arc<Subscriber>| {
                let id = subscriber.id;
                let queue = backlog
                    .as_ref()
                    .map(|all| all.iter().find(|queue| queue.subscriber_id == id));
                let (delivered_24h, gave_up_24h) = ended.get(&id).copied().unwrap_or_default();
                SubscriberOverview {
                    subscriber: Arc::unwrap_or_clone(subscriber),
                    pending: queue.map(|queue| queue.map_or(0, |queue| queue.pending)),
                    oldest_pending_ms: queue.flatten().map(|queue| queue.oldest_pending_since_ms),
                    delivered_24h,
                    gave_up_24h,
                }
            };
            let rows = load(connection)?.into_iter().map(overview).collect();
            Ok(Listing {
                rows,
                next: None,
                reached,
            })
        })
    }
}

impl SqliteQuery for SubscriberHealthQuery {
    fn answer(self, reader: &Reader) -> Result<SubscriberHealth, Error> {
        let Self {
            subscriber_id: id,
            now_ms,
        } = self;
        let backlog = reader.backlog()?;
        let queue = backlog.iter().find(|queue| queue.subscriber_id == id);
        reader.read("read how the subscriber fares", |connection| {
            let since_ms = now_ms - DAY_MS;
            let keys =
                ranges::within(connection, Timed::Forward, Some(since_ms), Some(now_ms + 1))?;
            let mut health = SubscriberHealth {
                pending: queue.map_or(0, |queue| queue.pending),
                oldest_pending_ms: queue.map(|queue| queue.oldest_pending_since_ms),
                next_due_ms: next_due_ms(connection, id)?,
                ..SubscriberHealth::default()
            };
            (health.delivered_24h, health.gave_up_24h) = connection.query_row(
                "SELECT coalesce(sum(state = 'delivered'), 0), coalesce(sum(state = 'gave-up'), 0) \
                 FROM json_each(?2) AS keys CROSS JOIN forward \
                 ON forward_id BETWEEN keys.value ->> 0 AND keys.value ->> 1 \
                 WHERE subscriber_id = ?1 AND pending_since_ms BETWEEN ?3 AND ?4",
                params![id, ranges::as_json(&keys), since_ms, now_ms],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            count_attempts(connection, id, now_ms, &mut health)?;
            Ok(health)
        })
    }
}

fn read_backlog(connection: &Connection) -> rusqlite::Result<Vec<Backlog>> {
    connection
        .prepare(
            "SELECT subscriber_id, count(*), min(pending_since_ms) FROM forward \
             WHERE state = 'pending' AND subscriber_id IN \
             (SELECT subscriber_id FROM subscriber WHERE removed_at_ms IS NULL) \
             GROUP BY subscriber_id",
        )?
        .query_map([], |row| {
            Ok(Backlog {
                subscriber_id: row.get(0)?,
                pending: row.get(1)?,
                oldest_pending_since_ms: row.get(2)?,
            })
        })?
        .collect()
}

/// When the next pending forward is, or was, to be tried, ms since 1970 UTC. The index has those
/// that were never tried and the others apart.
fn next_due_ms(connection: &Connection, id: SubscriberKey) -> rusqlite::Result<Option<i64>> {
    let mut first = connection.prepare(
        "SELECT due_at_ms FROM forward INDEXED BY forward_due WHERE state = 'pending' \
         AND subscriber_id = ?1 AND (attempts > 0) = ?2 ORDER BY due_at_ms LIMIT 1",
    )?;
    let mut next_ms: Option<i64> = None;
    for are_retries in [0, 1] {
        let found = first.query_row(params![id, are_retries], |row| row.get(0));
        next_ms = next_ms.into_iter().chain(found.optional()?).min();
    }
    Ok(next_ms)
}

/// Counts the attempts of the last 24 h.
fn count_attempts(
    connection: &Connection,
    id: SubscriberKey,
    now_ms: i64,
    health: &mut SubscriberHealth,
) -> rusqlite::Result<()> {
    const OF_A_DAY: &str = "FROM json_each(?2) AS keys CROSS JOIN attempt \
         ON attempt_id BETWEEN keys.value ->> 0 AND keys.value ->> 1 \
         CROSS JOIN forward USING (forward_id) \
         WHERE subscriber_id = ?1 AND started_at_ms BETWEEN ?3 AND ?4";
    let since_ms = now_ms - DAY_MS;
    let keys = ranges::within(connection, Timed::Attempt, Some(since_ms), Some(now_ms + 1))?;
    let keys = ranges::as_json(&keys);
    connection.query_row(
        &format!(
            "SELECT coalesce(sum(error_code IS NULL), 0), coalesce(sum(error_code IS NOT NULL), 0), \
             max(CASE WHEN error_code IS NULL THEN started_at_ms + duration_ms END), \
             max(CASE WHEN error_code IS NOT NULL THEN started_at_ms END) {OF_A_DAY}"
        ),
        params![id, keys, since_ms, now_ms],
        |row| {
            health.delivered_attempts_24h = row.get(0)?;
            health.failed_attempts_24h = row.get(1)?;
            health.last_success_ms = row.get(2)?;
            health.last_failure_ms = row.get(3)?;
            Ok(())
        },
    )?;
    if let Some(last_ms) = health.last_failure_ms {
        health.last_failure = connection.query_row(
            &format!(
                "SELECT error_code {OF_A_DAY} AND started_at_ms = ?5 AND error_code IS NOT NULL \
                 ORDER BY attempt_id DESC LIMIT 1"
            ),
            params![id, keys, since_ms, now_ms, last_ms],
            |row| row.get("error_code"),
        )?;
    }
    Ok(())
}
