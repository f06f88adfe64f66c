//! How a lane reads what is pending: all of it while that fits its memory, else what is due.
//!
//! Forwards that were never tried and retries are read apart, each through its part of one index,
//! so that of a hundred thousand of the one kind none is passed over to find the other. Which of them the
//! lane is given is for [`crate::plan::refill`] to say.

use rusqlite::{OptionalExtension, Row, params};
use uuid::Uuid;

use super::backend;
use super::lane_registry::LANE_WINDOW;
use super::writer::Core;
use crate::model::{ForwardKey, LanePlace, MessageKey, Ordering, SubscriberKey};
use crate::plan::refill::{LaneFacts, LaneFill, Portion, QueuedForward, put_off_until_ms};
use crate::store::{Error, LaneContents, PendingForward, Refill};

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

/// What the order of its message is decided by.
const fn queued(pending: &PendingForward) -> QueuedForward {
    QueuedForward {
        forward_id: pending.forward_id,
        place: pending.place,
        due_at_ms: pending.due_at_ms,
    }
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
    ) -> rusqlite::Result<(Refill, Vec<(MessageKey, i64)>)> {
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
        let facts = LaneFacts {
            window: LANE_WINDOW,
            pending,
            ordering,
            untried: held.untried,
            retries: held.retries(),
            newest: held.newest,
        };
        let (live, portions) = (facts.is_live(), facts.portions(now_ms));
        let all = held.forward_ids.len();
        let mut fill = LaneFill::new(held.forward_ids, queued);
        let retries_at_ms = self.read_due(subscriber_id, portions.retries, &mut fill, now_ms)?;
        let untried_at_ms = self.read_due(subscriber_id, portions.untried, &mut fill, now_ms)?;
        if let Some(newest) = portions.newest {
            self.read_due(subscriber_id, newest, &mut fill, now_ms)?;
        }
        let (pending, put_off) = fill.into_parts();
        self.lane_registry
            .refilled(subscriber_id, all + pending.len(), live);
        let refill = Refill {
            pending,
            live,
            untried_at_ms,
            retries_at_ms,
        };
        Ok((refill, put_off))
    }

    /// Adds what is due of a portion and not known, oldest first and message by message. Returns when to look
    /// again.
    fn read_due(
        &self,
        subscriber_id: SubscriberKey,
        mut portion: Portion,
        fill: &mut LaneFill<PendingForward>,
        now_ms: i64,
    ) -> rusqlite::Result<i64> {
        let order = if portion.newest {
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
        let mut found = found.query(params![
            subscriber_id,
            portion.retries,
            portion.due_before_ms,
            portion.most_rows(fill.known())
        ])?;
        while portion.has_room()
            && let Some(row) = found.next()?
        {
            if fill.knows(row.get(0)?) {
                continue;
            }
            let message_id: MessageKey = row.get(1)?;
            let siblings = of_message
                .query_map(params![message_id, subscriber_id], read_pending)?
                .collect::<rusqlite::Result<Vec<PendingForward>>>()?;
            fill.message(&mut portion, message_id, siblings);
        }
        if portion.may_have_more() {
            return Ok(now_ms);
        }
        self.next_due_ms(subscriber_id, portion.retries, now_ms)
    }

    /// When the next of that kind comes due after `now_ms`.
    fn next_due_ms(
        &self,
        subscriber_id: SubscriberKey,
        retries: bool,
        now_ms: i64,
    ) -> rusqlite::Result<i64> {
        let next_ms: Option<i64> = self
            .connection
            .prepare_cached(
                "SELECT due_at_ms FROM forward INDEXED BY forward_due WHERE state = 'pending' \
                 AND subscriber_id = ?1 AND (attempts > 0) = ?2 AND due_at_ms > ?3 \
                 ORDER BY due_at_ms LIMIT 1",
            )?
            .query_row(params![subscriber_id, retries, now_ms], |row| row.get(0))
            .optional()?;
        Ok(next_ms.unwrap_or(i64::MAX))
    }

    /// Puts off what waits for an earlier forward of its message.
    fn put_off(
        &mut self,
        subscriber_id: SubscriberKey,
        messages: &[(MessageKey, i64)],
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
                        let until_ms = put_off_until_ms(*until_ms, now_ms);
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
