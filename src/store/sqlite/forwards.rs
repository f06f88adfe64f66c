//! What is owed: settling, refilling a lane, giving up by age.

use std::cmp::min;
use std::collections::HashSet;

use rusqlite::{Connection, Row, params};
use std::sync::Arc;
use uuid::{NoContext, Timestamp, Uuid};

use super::backend;
use super::doors::LANE_WINDOW;
use super::writer::Core;
use crate::model::{ErrorCode, Ordering};
use crate::store::{Attempt, Error, Owed, Refill, Settlement, Verdict};

/// A forward to be owed.
pub(super) struct NewForward<'a> {
    pub(super) subscriber_id: i64,
    pub(super) message_id: i64,
    pub(super) report_id: i64,
    pub(super) payload_id: i64,
    pub(super) payload: &'a Arc<[u8]>,
    pub(super) place: (i64, u8),
    pub(super) now_ms: i64,
}

/// Writes a payload; returns its key.
pub(super) fn insert_payload(
    connection: &Connection,
    report_id: i64,
    body: &[u8],
) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("INSERT INTO payload (report_id, body) VALUES (?1, ?2)")?
        .insert(params![report_id, body])
}

/// Writes a forward that is due now; returns it with the subscriber it is owed to.
pub(super) fn insert(
    connection: &Connection,
    new: &NewForward<'_>,
) -> rusqlite::Result<(i64, Owed)> {
    let uid = new_uid(new.now_ms);
    let (place_ms, place_rank) = new.place;
    let forward_id = connection
        .prepare_cached(
            "INSERT INTO forward (uid, subscriber_id, message_id, report_id, payload_id, \
             place_ms, place_rank, state, attempts, owed_since_ms, due_at_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'pending', 0, ?8, ?8)",
        )?
        .insert(params![
            uid.as_bytes(),
            new.subscriber_id,
            new.message_id,
            new.report_id,
            new.payload_id,
            place_ms,
            place_rank,
            new.now_ms,
        ])?;
    let owed = Owed {
        forward_id,
        uid,
        message_id: new.message_id,
        payload: Arc::clone(new.payload),
        place: (place_ms, place_rank, forward_id),
        attempts: 0,
        owed_since_ms: new.now_ms,
        due_at_ms: new.now_ms,
        last_attempt_ms: None,
    };
    Ok((new.subscriber_id, owed))
}

/// A new public id; ordered by time, so that its index grows at the end.
pub(super) fn new_uid(now_ms: i64) -> Uuid {
    let now_ms = u64::try_from(now_ms).unwrap_or_default();
    let nanos = u32::try_from(now_ms % 1000).unwrap_or_default() * 1_000_000;
    Uuid::new_v7(Timestamp::from_unix(NoContext, now_ms / 1000, nanos))
}

/// Writes down the end of an attempt; a forward that is no longer pending stays as it is.
/// Returns whether there still is such a forward: it may have been erased while in flight.
pub(super) fn settle(
    connection: &Connection,
    settlement: &Settlement,
    now_ms: i64,
) -> rusqlite::Result<bool> {
    let forward_id = settlement.forward_id;
    let attempt = settlement.attempt.as_ref();
    let started = attempt.map(|attempt| attempt.started_at_ms);
    let ended =
        attempt.map(|attempt| attempt.started_at_ms + i64::from(attempt.outcome.duration_ms));
    let error = attempt
        .and_then(|attempt| attempt.outcome.error)
        .map(ErrorCode::as_str);
    let tried = i64::from(attempt.is_some());
    let ahead_ms = started.map_or(0, |started_ms| (started_ms - now_ms).max(0));
    let settled = match settlement.verdict {
        Verdict::Delivered => connection
            .prepare_cached(
                "UPDATE forward SET state = 'delivered', attempts = attempts + ?2, \
                 last_attempt_ms = ?3, settled_at_ms = ?4, last_error = NULL \
                 WHERE forward_id = ?1 AND state = 'pending'",
            )?
            .execute(params![forward_id, tried, started, ended])?,
        // Told by a clock that was set back since: as long a wait, and tried since then, so that
        // it is not moved once more with what waits.
        Verdict::RetryAt(due_ms) => connection
            .prepare_cached(
                "UPDATE forward SET attempts = attempts + ?2, last_attempt_ms = ?3, due_at_ms = ?4, \
                 last_error = ?5 WHERE forward_id = ?1 AND state = 'pending'",
            )?
            .execute(params![
                forward_id,
                tried,
                started.map(|started_ms| started_ms.min(now_ms)),
                due_ms - ahead_ms,
                error,
            ])?,
        Verdict::GaveUp(reason) => connection
            .prepare_cached(
                "UPDATE forward SET state = 'gave-up', gave_up = ?2, attempts = attempts + ?3, \
                 last_attempt_ms = coalesce(?4, last_attempt_ms), settled_at_ms = ?5, \
                 last_error = coalesce(?6, last_error) WHERE forward_id = ?1 AND state = 'pending'",
            )?
            .execute(params![forward_id, reason.as_str(), tried, started, ended.unwrap_or(now_ms), error])?,
        Verdict::Untouched => 0,
    };
    let exists = settled > 0
        || connection
            .prepare_cached("SELECT 1 FROM forward WHERE forward_id = ?1")?
            .exists([forward_id])?;
    if let Some(attempt) = attempt.filter(|_| exists) {
        insert_attempt(connection, forward_id, attempt)?;
    }
    Ok(exists)
}

fn insert_attempt(
    connection: &Connection,
    forward_id: i64,
    attempt: &Attempt,
) -> rusqlite::Result<()> {
    let outcome = &attempt.outcome;
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    connection
        .prepare_cached(
            "INSERT INTO attempt (forward_id, number, started_at_ms, duration_ms, http_status, \
             error_code, detail, excerpt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            forward_id,
            attempt.number,
            attempt.started_at_ms,
            outcome.duration_ms,
            outcome.http_status,
            outcome.error.map(ErrorCode::as_str),
            text(&outcome.detail),
            text(&outcome.excerpt),
        ])?;
    Ok(())
}

/// When a forward was last taken, as far as its attempts are still there.
const TAKEN: &str = "SELECT max(started_at_ms + duration_ms) FROM attempt \
     WHERE attempt.forward_id = forward.forward_id AND error_code IS NULL";

/// Gives up what a removed subscriber is owed; returns how many. What it took once stays
/// delivered, though a retry or a replay owes it again.
pub(super) fn give_up(
    connection: &Connection,
    subscriber_id: i64,
    now_ms: i64,
) -> rusqlite::Result<usize> {
    connection.execute(
        &format!(
            "UPDATE forward SET state = 'delivered', last_error = NULL, settled_at_ms = ({TAKEN}) \
             WHERE subscriber_id = ?1 AND state = 'pending' AND last_attempt_ms IS NOT NULL \
             AND ({TAKEN}) IS NOT NULL"
        ),
        [subscriber_id],
    )?;
    connection.execute(
        "UPDATE forward SET state = 'gave-up', gave_up = 'subscriber-removed', \
         settled_at_ms = ?2 WHERE subscriber_id = ?1 AND state = 'pending'",
        params![subscriber_id, now_ms],
    )
}

const OWED_COLUMNS: &str = "forward.forward_id, forward.uid, forward.message_id, payload.body, \
     forward.place_ms, forward.place_rank, forward.attempts, forward.owed_since_ms, \
     forward.due_at_ms, forward.last_attempt_ms";

fn read_owed(row: &Row<'_>) -> rusqlite::Result<Owed> {
    let forward_id = row.get(0)?;
    let uid: [u8; 16] = row.get(1)?;
    let payload: Vec<u8> = row.get(3)?;
    Ok(Owed {
        forward_id,
        uid: Uuid::from_bytes(uid),
        message_id: row.get(2)?,
        payload: payload.into(),
        place: (row.get(4)?, row.get(5)?, forward_id),
        attempts: row.get(6)?,
        owed_since_ms: row.get(7)?,
        due_at_ms: row.get(8)?,
        last_attempt_ms: row.get(9)?,
    })
}

/// In strict order a forward that waits for an earlier one is looked at again after this long
/// at the latest, whatever became of that one.
const PUT_OFF_MS: i64 = 600_000;

/// What a look into the table found to be due.
#[derive(Default)]
struct Due {
    owed: Vec<Owed>,
    /// Messages whose later forwards wait for the first, and until when.
    put_off: Vec<(i64, i64)>,
}

impl Core {
    /// Everything that is pending when it fits the window (the lane is live then); else what
    /// is due, oldest first, with the earlier forwards of the same messages.
    pub(super) fn refill(&mut self, subscriber_id: i64, held: &[i64]) -> Result<Refill, Error> {
        if !self.is_settled() {
            return Err(backend(
                "cannot read what is owed".to_owned(),
                "attempts that ended are not written down yet",
            ));
        }
        let now_ms = self.clock.now_ms();
        let mut subscribers = self.subscribers.iter();
        let subscriber = subscribers.find(|subscriber| subscriber.id == subscriber_id);
        let ordering = subscriber.map_or_else(Ordering::default, |known| known.ordering);
        let refill = || -> rusqlite::Result<(Refill, Vec<(i64, i64)>)> {
            let pending: usize = self
                .connection
                .prepare_cached(
                    "SELECT count(*) FROM (SELECT 1 FROM forward WHERE state = 'pending' \
                     AND subscriber_id = ?1 LIMIT ?2)",
                )?
                .query_row(params![subscriber_id, LANE_WINDOW + 1], |row| row.get(0))?;
            let live = pending <= LANE_WINDOW;
            let due = if live {
                self.read_due(subscriber_id, (i64::MAX, Ordering::Relaxed), held)?
            } else {
                self.read_due(subscriber_id, (now_ms, ordering), held)?
            };
            let next_due_ms = self
                .connection
                .prepare_cached(
                    "SELECT min(due_at_ms) FROM forward WHERE state = 'pending' \
                     AND subscriber_id = ?1 AND due_at_ms > ?2",
                )?
                .query_row(params![subscriber_id, now_ms], |row| row.get(0))?;
            let refill = Refill {
                owed: due.owed,
                live,
                // Behind what was put off there may be more that is due.
                next_due_ms: if due.put_off.is_empty() {
                    next_due_ms
                } else {
                    Some(now_ms)
                },
            };
            Ok((refill, due.put_off))
        };
        let (refill, put_off) =
            refill().map_err(|error| backend("cannot read what is owed".to_owned(), error))?;
        if !put_off.is_empty() {
            self.put_off(subscriber_id, &put_off)?;
        }
        let held = held.len() + refill.owed.len();
        self.doors.refilled(subscriber_id, held, refill.live);
        Ok(refill)
    }

    /// What is due by then and not held, oldest first and message by message: earlier
    /// forwards of a message go first, even those that wait for a retry.
    ///
    /// In strict order a message whose earliest forward waits is left out as a whole.
    fn read_due(
        &self,
        subscriber_id: i64,
        (due_before_ms, ordering): (i64, Ordering),
        held: &[i64],
    ) -> rusqlite::Result<Due> {
        let mut due = self.connection.prepare_cached(
            "SELECT forward_id, message_id FROM forward INDEXED BY forward_due \
             WHERE state = 'pending' AND subscriber_id = ?1 AND due_at_ms <= ?2 \
             ORDER BY due_at_ms, forward_id LIMIT ?3",
        )?;
        // Left to choose, SQLite takes the smaller index of what is pending, and reads all that
        // is pending for each message.
        let mut of_message = self.connection.prepare_cached(&format!(
            "SELECT {OWED_COLUMNS} FROM forward INDEXED BY forward_message \
             JOIN payload USING (payload_id) WHERE forward.message_id = ?1 \
             AND forward.subscriber_id = ?2 AND forward.state = 'pending'"
        ))?;
        let mut known: HashSet<i64> = held.iter().copied().collect();
        let limit = LANE_WINDOW + known.len();
        let mut found = due.query(params![subscriber_id, due_before_ms, limit])?;
        let mut due = Due::default();
        while due.owed.len() + due.put_off.len() < LANE_WINDOW
            && let Some(row) = found.next()?
        {
            if known.contains(&row.get(0)?) {
                continue;
            }
            let message_id: i64 = row.get(1)?;
            let mut siblings = of_message
                .query_map(params![message_id, subscriber_id], read_owed)?
                .collect::<rusqlite::Result<Vec<Owed>>>()?;
            let first = siblings.iter().min_by_key(|sibling| sibling.place);
            let waits_until_ms = first
                .filter(|first| ordering == Ordering::Strict && !known.contains(&first.forward_id))
                .map(|first| first.due_at_ms)
                .filter(|due_ms| *due_ms > due_before_ms);
            siblings.retain(|sibling| known.insert(sibling.forward_id));
            match waits_until_ms {
                Some(until_ms) => due.put_off.push((message_id, until_ms)),
                None => due.owed.append(&mut siblings),
            }
        }
        Ok(due)
    }

    /// Puts off what waits for an earlier forward of its message, so that the next look does
    /// not find it again: of a subscriber that refuses the first status of each message, all
    /// the others would stand before what can be sent.
    fn put_off(&mut self, subscriber_id: i64, messages: &[(i64, i64)]) -> Result<(), Error> {
        self.change(
            "put off what waits for an earlier forward",
            |connection, now_ms| {
                let put_off = || -> rusqlite::Result<()> {
                    let mut update = connection.prepare_cached(
                        "UPDATE forward INDEXED BY forward_message SET due_at_ms = ?3 \
                     WHERE message_id = ?1 AND subscriber_id = ?2 AND state = 'pending' \
                     AND due_at_ms < ?3",
                    )?;
                    for (message_id, until_ms) in messages {
                        let until_ms = min(*until_ms, now_ms.saturating_add(PUT_OFF_MS));
                        update.execute(params![message_id, subscriber_id, until_ms])?;
                    }
                    Ok(())
                };
                put_off().map_err(|error| {
                    backend(
                        "cannot put off what waits for an earlier forward".to_owned(),
                        error,
                    )
                })
            },
        )
    }

    /// Gives up some of what was owed before that time; returns how many.
    ///
    /// Found by when it came due, through the index: to look at when each was owed would read
    /// a whole backlog while every webhook waits. What waits for a retry beyond its age is
    /// given up when that comes due, by its lane or here.
    pub(super) fn expire(&mut self, owed_before_ms: i64) -> Result<usize, Error> {
        self.change("give up what is too old", |connection, now_ms| {
            connection
                .prepare_cached(
                    "UPDATE forward SET state = 'gave-up', gave_up = 'expired', settled_at_ms = ?2 \
                     WHERE forward_id IN (SELECT forward_id FROM forward WHERE state = 'pending' \
                     AND subscriber_id IN (SELECT subscriber_id FROM subscriber) \
                     AND due_at_ms < ?1 AND owed_since_ms < ?1 LIMIT 1000)",
                )
                .and_then(|mut statement| statement.execute(params![owed_before_ms, now_ms]))
                .map_err(|error| backend("cannot give up what is too old".to_owned(), error))
        })
    }
}
