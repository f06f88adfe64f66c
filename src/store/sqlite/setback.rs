//! A clock that is set back: what waits, waits no longer for it.
//!
//! What is due was written down as a time of day. When the clock is found to be behind what it
//! showed before, everything pending that is due later is moved by as much, a part on each
//! of the writer's turns, and the lanes read it anew.

use rusqlite::{Connection, OptionalExtension, params};

use super::writer::Core;
use crate::store::Error;

/// A clock that is merely corrected is not set back by more than this.
const LEAST_MS: i64 = 1_000;
/// Forwards that are moved on one turn.
const PART: i64 = 1_000;

/// What the clock showed, and what is still to be moved for it.
#[derive(Debug)]
pub(super) struct Setback {
    seen_ms: i64,
    moving: Option<Moving>,
}

#[derive(Debug, Clone)]
struct Moving {
    by_ms: i64,
    /// What the clock showed after it was set back: what was tried since is due rightly.
    since_ms: i64,
    /// Subscribers whose forwards are still to be moved.
    subscribers: Vec<i64>,
    /// Those of the last one are moved that were due up to here.
    after_ms: i64,
}

impl Setback {
    /// The clock may have been set back while nobody ran: what was written last tells.
    /// A table that cannot be read does not tell, and is met by whoever needs it.
    pub(super) fn new(connection: &Connection, now_ms: i64) -> Self {
        let written_ms: rusqlite::Result<Option<i64>> = connection.query_row(
            "SELECT max(latest_ms) FROM (\
             SELECT (SELECT received_at_ms FROM webhook ORDER BY webhook_id DESC LIMIT 1) AS latest_ms \
             UNION ALL SELECT (SELECT started_at_ms FROM attempt ORDER BY attempt_id DESC LIMIT 1))",
            [],
            |row| row.get(0),
        );
        let written_ms = written_ms.unwrap_or_else(|error| {
            tracing::error!(%error, "store.last_write_unknown");
            None
        });
        Self {
            seen_ms: written_ms.unwrap_or(now_ms).max(now_ms),
            moving: None,
        }
    }

    /// Whether the next turn has something to do.
    pub(super) const fn is_moving(&self) -> bool {
        self.moving.is_some()
    }
}

impl Core {
    /// Looks whether the clock was set back, and moves a part of what waits.
    pub(super) fn follow_clock(&mut self) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        let back_ms = std::mem::replace(&mut self.setback.seen_ms, now_ms) - now_ms;
        if back_ms >= LEAST_MS {
            tracing::warn!(back_ms, "store.clock_set_back");
            self.setback.moving = Some(Moving {
                by_ms: back_ms,
                since_ms: now_ms,
                subscribers: self.subscribers.iter().map(|known| known.id).collect(),
                after_ms: now_ms,
            });
        }
        let Some(mut moving) = self.setback.moving.clone() else {
            return Ok(());
        };
        let Some(id) = moving.subscribers.last().copied() else {
            self.setback.moving = None;
            return Ok(());
        };
        let to_ms = self.change("move what waits", |connection, now_ms| {
            move_part(connection, id, &moving, now_ms)
                .map_err(|error| super::backend("cannot move what waits".to_owned(), error))
        })?;
        if let Some(to_ms) = to_ms {
            moving.after_ms = to_ms;
        } else {
            moving.subscribers.pop();
            moving.after_ms = moving.since_ms;
            self.doors.spill(&[id]);
            self.publish(&[id])?;
        }
        self.setback.moving = Some(moving);
        Ok(())
    }
}

/// Moves the next part of a subscriber's forwards; returns up to when those were due, `None`
/// when nothing was left. What is moved comes to lie before that, so it is not met again.
fn move_part(
    connection: &Connection,
    subscriber_id: i64,
    moving: &Moving,
    now_ms: i64,
) -> rusqlite::Result<Option<i64>> {
    let to_ms: Option<i64> = connection
        .prepare_cached(
            "SELECT max(due_at_ms) FROM (SELECT due_at_ms FROM forward INDEXED BY forward_due \
             WHERE state = 'pending' AND subscriber_id = ?1 AND due_at_ms > ?2 \
             ORDER BY due_at_ms LIMIT ?3)",
        )?
        .query_row(params![subscriber_id, moving.after_ms, PART], |row| {
            row.get(0)
        })
        .optional()?
        .flatten();
    let Some(to_ms) = to_ms else {
        return Ok(None);
    };
    connection
        .prepare_cached(
            "UPDATE forward INDEXED BY forward_due SET due_at_ms = due_at_ms - ?4 \
             WHERE state = 'pending' AND subscriber_id = ?1 AND due_at_ms > ?2 AND due_at_ms <= ?3 \
             AND coalesce(last_attempt_ms, owed_since_ms) NOT BETWEEN ?5 AND ?6",
        )?
        .execute(params![
            subscriber_id,
            moving.after_ms,
            to_ms,
            moving.by_ms,
            moving.since_ms,
            now_ms
        ])?;
    Ok(Some(to_ms))
}
