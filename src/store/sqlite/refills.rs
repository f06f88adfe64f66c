//! How a lane reads what is pending: all of it while that fits its memory, else what is due.
//!
//! Forwards that were never tried and retries are read apart, each through its part of one index,
//! so that of a hundred thousand of the one kind none is passed over to find the other.

use std::cmp::min;
use std::collections::HashSet;

use rusqlite::{OptionalExtension, Row, params};
use uuid::Uuid;

use super::backend;
use super::lane_registry::LANE_WINDOW;
use super::writer::Core;
use crate::model::{ForwardKey, LanePlace, Ordering, SubscriberKey};
use crate::store::{Error, LaneContents, PendingForward, Refill};

/// Retries that a lane holds in memory; the rest of its window is for what was never tried.
const RETRIES: usize = LANE_WINDOW / 2;

const PENDING_COLUMNS: &str = "forward.forward_id, forward.uid, forward.message_id, payload.body, \
     forward.place_ms, forward.place_rank, forward.attempts, forward.pending_since_ms, \
     forward.due_at_ms, forward.last_attempt_ms";

fn read_pending(row: &Row<'_>) -> rusqlite::Result<PendingForward> {
    let forward_id: ForwardKey = row.get(0)?;
    let uid: [u8; 16] = row.get(1)?;
    let payload: Vec<u8> = row.get(3)?;
    Ok(PendingForward {
        forward_id,
        uid: Uuid::from_bytes(uid),
        message_id: row.get(2)?,
        payload: payload.into(),
        place: (row.get(4)?, row.get(5)?, LanePlace::of(forward_id.number())),
        attempts: row.get(6)?,
        pending_since_ms: row.get(7)?,
        due_at_ms: row.get(8)?,
        last_attempt_ms: row.get(9)?,
    })
}

/// In strict order a forward that waits for an earlier one is looked at again after this long
/// at the latest, whatever became of that one.
const PUT_OFF_MS: i64 = 600_000;

/// What a look into the table found to be due.
struct Due {
    pending: Vec<PendingForward>,
    /// Those found or held already.
    known: HashSet<ForwardKey>,
    /// Messages whose later forwards wait for the first, and until when.
    put_off: Vec<(i64, i64)>,
}

/// What is to be read of one kind.
#[derive(Clone, Copy)]
struct Wanted {
    subscriber_id: SubscriberKey,
    /// Retries, or what was never tried.
    retries: bool,
    due_before_ms: i64,
    ordering: Ordering,
    /// The newest first, not the oldest.
    newest: bool,
    /// So many rows at most in one refill, but for the last message's others.
    room: usize,
}

impl Core {
    /// Everything that is pending when it fits the window (the lane is live then); else what
    /// is due, oldest first, with the earlier forwards of the same messages.
    pub(super) fn refill(
        &mut self,
        subscriber_id: SubscriberKey,
        held: LaneContents,
    ) -> Result<Refill, Error> {
        if !self.is_settled() {
            return Err(backend(
                "cannot read what is pending".to_owned(),
                "attempts that ended are not written down yet",
            ));
        }
        let mut known = self.subscribers.iter();
        if !known.any(|subscriber| subscriber.id == subscriber_id) {
            // It was removed: what it left is given up, some at a time, and none of it is sent.
            return Ok(Refill {
                pending: Vec::new(),
                live: true,
                untried_at_ms: i64::MAX,
                retries_at_ms: i64::MAX,
            });
        }
        let found = self.read_refill(subscriber_id, held);
        let (refill, put_off) =
            found.map_err(|error| backend("cannot read what is pending".to_owned(), error))?;
        if !put_off.is_empty() {
            self.put_off(subscriber_id, &put_off)?;
        }
        Ok(refill)
    }

    fn read_refill(
        &self,
        subscriber_id: SubscriberKey,
        held: LaneContents,
    ) -> rusqlite::Result<(Refill, Vec<(i64, i64)>)> {
        let now_ms = self.clock.now_ms();
        let mut subscribers = self.subscribers.iter();
        let subscriber = subscribers.find(|subscriber| subscriber.id == subscriber_id);
        let ordering = subscriber.map_or_else(Ordering::default, |known| known.ordering);
        let pending: usize = self
            .connection
            .prepare_cached(
                "SELECT count(*) FROM (SELECT 1 FROM forward INDEXED BY forward_due \
                 WHERE state = 'pending' AND subscriber_id = ?1 LIMIT ?2)",
            )?
            .query_row(params![subscriber_id, LANE_WINDOW + 1], |row| row.get(0))?;
        let live = pending <= LANE_WINDOW;
        let (all, untried, retries) = (held.forward_ids.len(), held.untried, held.retries());
        let newest = held.newest;
        let mut due = Due {
            pending: Vec::new(),
            known: held.forward_ids.into_iter().collect(),
            put_off: Vec::new(),
        };
        let mut wanted = Wanted {
            subscriber_id,
            retries: true,
            due_before_ms: if live { i64::MAX } else { now_ms },
            ordering: if live { Ordering::Relaxed } else { ordering },
            newest: false,
            room: if live {
                LANE_WINDOW
            } else {
                RETRIES.saturating_sub(retries)
            },
        };
        let retries_at_ms = self.read_due(wanted, &mut due, now_ms)?;
        wanted.retries = false;
        wanted.room = LANE_WINDOW.saturating_sub(if live { 0 } else { untried });
        let untried_at_ms = self.read_due(wanted, &mut due, now_ms)?;
        if newest && !live {
            wanted.newest = true;
            wanted.room = 1;
            self.read_due(wanted, &mut due, now_ms)?;
        }
        self.lane_registry
            .refilled(subscriber_id, all + due.pending.len(), live);
        let refill = Refill {
            pending: due.pending,
            live,
            untried_at_ms,
            retries_at_ms,
        };
        Ok((refill, due.put_off))
    }

    /// Adds what is due by then and not known, oldest first and message by message: earlier
    /// forwards of a message go first, even those that wait for a retry. Returns when to look
    /// again.
    ///
    /// In strict order a message whose earliest forward waits is left out as a whole.
    fn read_due(&self, wanted: Wanted, due: &mut Due, now_ms: i64) -> rusqlite::Result<i64> {
        let subscriber_id = wanted.subscriber_id;
        let order = if wanted.newest {
            "due_at_ms DESC, forward_id DESC"
        } else {
            "due_at_ms, forward_id"
        };
        let mut found = self.connection.prepare_cached(&format!(
            "SELECT forward_id, message_id FROM forward INDEXED BY forward_due \
             WHERE state = 'pending' AND subscriber_id = ?1 AND (attempts > 0) = ?2 \
             AND due_at_ms <= ?3 ORDER BY {order} LIMIT ?4"
        ))?;
        // Left to choose, SQLite takes the smaller index of what is pending, and reads all that
        // is pending for each message.
        let mut of_message = self.connection.prepare_cached(&format!(
            "SELECT {PENDING_COLUMNS} FROM forward INDEXED BY forward_message \
             JOIN payload USING (payload_id) WHERE forward.message_id = ?1 \
             AND forward.subscriber_id = ?2 AND forward.state = 'pending'"
        ))?;
        let limit = if wanted.newest {
            1
        } else {
            wanted.room + due.known.len()
        };
        let mut found = found.query(params![
            subscriber_id,
            wanted.retries,
            wanted.due_before_ms,
            limit
        ])?;
        let mut left = wanted.room;
        let mut is_news = false;
        while left > 0
            && let Some(row) = found.next()?
        {
            if due.known.contains(&row.get(0)?) {
                continue;
            }
            is_news = true;
            let message_id: i64 = row.get(1)?;
            let mut siblings = of_message
                .query_map(params![message_id, subscriber_id], read_pending)?
                .collect::<rusqlite::Result<Vec<PendingForward>>>()?;
            let first = siblings.iter().min_by_key(|sibling| sibling.place);
            let waits_until_ms = first
                .filter(|first| {
                    wanted.ordering == Ordering::Strict && !due.known.contains(&first.forward_id)
                })
                .map(|first| first.due_at_ms)
                .filter(|due_ms| *due_ms > wanted.due_before_ms);
            siblings.retain(|sibling| due.known.insert(sibling.forward_id));
            if let Some(until_ms) = waits_until_ms {
                left -= 1;
                due.put_off.push((message_id, until_ms));
            } else {
                // The others take room as well: of many messages with several reports each, the lane
                // would hold several times its window.
                left = left.saturating_sub(siblings.len().max(1));
                due.pending.append(&mut siblings);
            }
        }
        // Behind what was read, or put off, there may be more that is due.
        if is_news || left == 0 {
            return Ok(now_ms);
        }
        self.next_due_ms(wanted, now_ms)
    }

    /// When the next of that kind comes due after `now_ms`.
    fn next_due_ms(&self, wanted: Wanted, now_ms: i64) -> rusqlite::Result<i64> {
        let next_ms: Option<i64> = self
            .connection
            .prepare_cached(
                "SELECT due_at_ms FROM forward INDEXED BY forward_due WHERE state = 'pending' \
                 AND subscriber_id = ?1 AND (attempts > 0) = ?2 AND due_at_ms > ?3 \
                 ORDER BY due_at_ms LIMIT 1",
            )?
            .query_row(
                params![wanted.subscriber_id, wanted.retries, now_ms],
                |row| row.get(0),
            )
            .optional()?;
        Ok(next_ms.unwrap_or(i64::MAX))
    }

    /// Puts off what waits for an earlier forward of its message, so that the next look does
    /// not find it again: of a subscriber that refuses the first status of each message, all
    /// the others would stand before what can be sent.
    fn put_off(
        &mut self,
        subscriber_id: SubscriberKey,
        messages: &[(i64, i64)],
    ) -> Result<(), Error> {
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
}
