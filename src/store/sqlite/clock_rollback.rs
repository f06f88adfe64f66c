//! A clock that is set back: what waits, waits no longer for it.
//!
//! What is due was written down as a time of day. When the clock is found to be behind what it
//! showed before, everything pending that is due later is moved by as much, a part on each
//! of the writer's turns, and the lanes read it again. What the clock showed and how far a move
//! has come stands in the store, so that a restart goes on where it was and begins nothing twice.
//!
//! The writer looks at the clock on every turn, and at the start compares it with what was written down last:
//! once a minute, and at a stop. Polled broadcasts move at once, forwards a thousand a turn. So no wait gets
//! longer, and the rest of a wait keeps its length. A bound on how far ahead a due time may lie would not do:
//! the schedule's own waits are as long as such a jump.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::backend;
use super::clock_hold::{ClockHold, ClockJump};
use super::writer::{Core, TICK};
use crate::clock::Clock;
use crate::model::SubscriberKey;
use crate::store::{Error, Settled, Settlement, StoreChange};

/// A clock that is merely corrected is not set back by more than this.
const LEAST_MS: i64 = 1_000;
/// Forwards that are moved on one turn.
const PART: i64 = 1_000;
/// How often what the clock shows is written down beside other work: after a crash a wait is
/// longer by this at most.
const NOTE_EVERY: Duration = Duration::from_mins(1);
/// How often it is written down when nothing else is.
const NOTE_IDLE_EVERY: Duration = Duration::from_mins(10);
/// How often the log says again that a move fails.
const LOG_EVERY: Duration = Duration::from_mins(10);

/// What the clock showed, and what is still to be moved for it.
#[derive(Debug)]
pub(super) struct ClockRollback {
    seen_ms: i64,
    pub(super) hold: Arc<ClockHold>,
    noted: Option<Instant>,
    opened: Instant,
    /// One for each time that it was set back, in that order.
    moves: VecDeque<Moving>,
    /// When a move failed last.
    failed: Option<Instant>,
    /// When that was sent last.
    logged: Option<Instant>,
}

#[derive(Debug, Clone)]
struct Moving {
    /// Its key, once it is written down.
    id: Option<i64>,
    by_ms: i64,
    /// What the clock showed after it was set back: what was tried since is due rightly.
    since_ms: i64,
    /// What it showed before it was set back once more.
    until_ms: Option<i64>,
    /// The forwards of this subscriber are moved, or of the next below it.
    subscriber_id: i64,
    /// Of that one those are moved that were due up to here, by time and key.
    after: (i64, i64),
}

impl ClockRollback {
    /// The clock may have been set back while the service was down: the time noted last shows it.
    /// An unreadable table shows nothing; the next statement that needs it reports the error.
    pub(super) fn new(connection: &Connection, clock: &Clock) -> Self {
        let now_ms = clock.now_ms();
        let read = || -> rusqlite::Result<(Option<ClockShown>, VecDeque<Moving>)> {
            let shown = ClockShown::read(connection)?;
            let moves = connection
                .prepare("SELECT * FROM clock_rollback ORDER BY clock_rollback_id")?
                .query_map([], Moving::read)?
                .collect::<rusqlite::Result<_>>()?;
            Ok((shown, moves))
        };
        let (shown, moves) = read().unwrap_or_else(|error| {
            tracing::error!(%error, "store.clock_unknown");
            (None, VecDeque::new())
        });
        let shown_ms = shown.map(|shown| shown.ms);
        let jump = shown.and_then(|shown| shown.jump);
        Self {
            seen_ms: shown_ms.unwrap_or(now_ms).max(now_ms),
            hold: Arc::new(ClockHold::new(clock.clone(), shown_ms, jump)),
            noted: None,
            opened: Instant::now(),
            moves,
            failed: None,
            logged: None,
        }
    }

    /// Whether the next turn has something to do.
    pub(super) fn is_moving(&self) -> bool {
        !self.moves.is_empty() && self.failed.is_none()
    }

    /// Whether a move is not written down yet.
    fn has_new(&self) -> bool {
        self.moves.iter().any(|moving| moving.id.is_none())
    }

    /// Writes down what the clock showed, when it was not for a while; in the transaction of
    /// whatever is written.
    pub(super) fn note_now_and_then(&self, connection: &Connection) -> rusqlite::Result<bool> {
        // After a crash, a move that is not written down yet could not be found.
        let is_due = !self.has_new() && self.noted.is_none_or(|at| at.elapsed() >= NOTE_EVERY);
        if is_due {
            note(connection, self.shown())?;
        }
        Ok(is_due)
    }

    pub(super) fn noted(&mut self) {
        self.noted = Some(Instant::now());
    }

    /// Whether nothing was written that would have written the time down: after a crash a clock that
    /// is right would look as if it had jumped.
    fn is_long_unnoted(&self) -> bool {
        self.noted.unwrap_or(self.opened).elapsed() >= NOTE_IDLE_EVERY
    }

    /// What is to be written down. The jump is looked at after the time was, so that no time
    /// after a jump is written down without it.
    fn shown(&self) -> ClockShown {
        ClockShown {
            ms: self.seen_ms,
            jump: self.hold.jump(),
        }
    }
}

/// What the clock showed, as it is written down.
#[derive(Debug, Clone, Copy)]
struct ClockShown {
    ms: i64,
    jump: Option<ClockJump>,
}

impl ClockShown {
    /// What was written last; the time of the newest webhook where nothing was.
    fn read(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let known = |row: &Row<'_>| {
            let (before_ms, held_ms): (Option<i64>, i64) = (row.get(1)?, row.get(2)?);
            let jump = before_ms.map(|before_ms| ClockJump { before_ms, held_ms });
            Ok(Self {
                ms: row.get(0)?,
                jump,
            })
        };
        let shown = connection
            .query_row("SELECT shown_ms, before_ms, held_ms FROM clock", [], known)
            .optional()?;
        if shown.is_some() {
            return Ok(shown);
        }
        connection
            .query_row(
                "SELECT received_at_ms, NULL, 0 FROM webhook ORDER BY webhook_id DESC LIMIT 1",
                [],
                known,
            )
            .optional()
    }
}

impl Moving {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("clock_rollback_id")?,
            by_ms: row.get("by_ms")?,
            since_ms: row.get("since_ms")?,
            until_ms: row.get("until_ms")?,
            subscriber_id: row.get("subscriber_id")?,
            after: (row.get("after_ms")?, row.get("after_id")?),
        })
    }

    /// Goes on with the next subscriber.
    const fn next_below(&mut self, subscriber_id: i64) {
        self.subscriber_id = subscriber_id - 1;
        self.after = (self.since_ms, i64::MAX);
    }
}

impl Core {
    /// Looks whether the clock was set back, and moves a part of what waits. What fails is
    /// tried again a while later.
    pub(super) fn follow_clock(&mut self) {
        self.look_at_clock();
        if self.clock_rollback.is_long_unnoted() {
            self.note_clock();
        }
        if self.clock_rollback.moves.is_empty()
            || self
                .clock_rollback
                .failed
                .is_some_and(|at| at.elapsed() < TICK)
        {
            return;
        }
        match self.go_on_moving() {
            Ok(()) => (self.clock_rollback.failed, self.clock_rollback.logged) = (None, None),
            Err(error) => {
                let now = Instant::now();
                self.clock_rollback.failed = Some(now);
                if self
                    .clock_rollback
                    .logged
                    .is_none_or(|at| at.elapsed() >= LOG_EVERY)
                {
                    self.clock_rollback.logged = Some(now);
                    tracing::warn!(%error, "store.follow_clock_failed");
                }
            }
        }
    }

    fn look_at_clock(&mut self) {
        let now_ms = self.clock.now_ms();
        let seen_ms = std::mem::replace(&mut self.clock_rollback.seen_ms, now_ms);
        let back_ms = seen_ms - now_ms;
        if back_ms < LEAST_MS {
            return;
        }
        tracing::warn!(back_ms, "store.clock_set_back");
        for settlement in &mut self.unsettled {
            set_back(settlement, back_ms, now_ms);
        }
        for moving in &mut self.clock_rollback.moves {
            moving.until_ms.get_or_insert(seen_ms);
        }
        self.clock_rollback.moves.push_back(Moving {
            id: None,
            by_ms: back_ms,
            since_ms: now_ms,
            until_ms: None,
            subscriber_id: self
                .subscribers
                .iter()
                .map(|known| known.id.number())
                .max()
                .unwrap_or(0),
            after: (now_ms, i64::MAX),
        });
    }

    /// Writes down a move that is new, or takes the first one a part further.
    fn go_on_moving(&mut self) -> Result<(), Error> {
        if self.clock_rollback.has_new() {
            return self.begin_moves();
        }
        let Some(mut moving) = self.clock_rollback.moves.front().cloned() else {
            return Ok(());
        };
        let left = self.subscribers.iter().map(|known| known.id.number());
        let subscriber_id = left.filter(|id| *id <= moving.subscriber_id).max();
        let shown = self.clock_rollback.shown();
        let is_through = self.change("move what waits", |connection, now_ms| {
            let mut part = || -> rusqlite::Result<bool> {
                let Some(subscriber_id) = subscriber_id else {
                    connection.execute(
                        "DELETE FROM clock_rollback WHERE clock_rollback_id = ?1",
                        [moving.id],
                    )?;
                    return Ok(true);
                };
                moving.subscriber_id = subscriber_id;
                let is_through = !move_part(connection, &mut moving, now_ms)?;
                if is_through {
                    moving.next_below(subscriber_id);
                }
                update(connection, &moving)?;
                note(connection, shown)?;
                Ok(is_through)
            };
            part().map_err(|error| backend("cannot move what waits".to_owned(), error))
        })?;
        let Some(subscriber_id) = subscriber_id else {
            self.clock_rollback.moves.pop_front();
            return Ok(());
        };
        if let Some(first) = self.clock_rollback.moves.front_mut() {
            *first = moving;
        }
        if is_through {
            let touched = [SubscriberKey::of(subscriber_id)];
            self.lane_registry.spill(&touched);
            self.publish(&touched)?;
        }
        Ok(())
    }

    /// Writes down the new moves. The polled broadcasts, which are few, are moved at the same time.
    fn begin_moves(&mut self) -> Result<(), Error> {
        let mut moves = self.clock_rollback.moves.clone();
        let shown = self.clock_rollback.shown();
        self.change("begin to move what waits", |connection, _| {
            let mut begin = || -> rusqlite::Result<()> {
                for moving in &mut moves {
                    if moving.id.is_some() {
                        update(connection, moving)?;
                        continue;
                    }
                    moving.id = Some(insert(connection, moving)?);
                    connection.execute(
                        "UPDATE poll SET due_at_ms = due_at_ms - ?1 \
                         WHERE state = 'open' AND due_at_ms > ?2",
                        [moving.by_ms, moving.since_ms],
                    )?;
                }
                note(connection, shown)
            };
            begin().map_err(|error| backend("cannot begin to move what waits".to_owned(), error))
        })?;
        self.clock_rollback.moves = moves;
        self.wakes.of(StoreChange::Polls).notify_one();
        Ok(())
    }

    /// Writes down what the clock shows: before the writer ends, and when little else is written.
    pub(super) fn note_clock(&mut self) {
        self.look_at_clock();
        let shown = self.clock_rollback.shown();
        let noted = if self.clock_rollback.has_new() {
            self.begin_moves()
        } else {
            self.change("write down the clock", |connection, _| {
                note(connection, shown)
                    .map_err(|error| backend("cannot write down the clock".to_owned(), error))
            })
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "store.clock_not_noted");
        }
        self.clock_rollback.noted();
    }
}

/// Moves the due time of an attempt whose outcome is still in memory. The attempt counts as made
/// now, so that its forward is not moved once more with the others.
fn set_back(settlement: &mut Settlement, back_ms: i64, now_ms: i64) {
    if let Settled::RetryAt(due_ms) | Settled::PutOff(due_ms) = &mut settlement.settled {
        *due_ms -= back_ms;
        if let Some(attempt) = &mut settlement.attempt {
            attempt.started_at_ms = now_ms;
        }
    }
}

fn note(connection: &Connection, shown: ClockShown) -> rusqlite::Result<()> {
    let jump = shown.jump;
    connection
        .prepare_cached(
            "INSERT INTO clock (clock_id, shown_ms, before_ms, held_ms) VALUES (1, ?1, ?2, ?3) \
             ON CONFLICT (clock_id) DO UPDATE SET shown_ms = excluded.shown_ms, \
             before_ms = excluded.before_ms, held_ms = excluded.held_ms",
        )?
        .execute(params![
            shown.ms,
            jump.map(|jump| jump.before_ms),
            jump.map_or(0, |jump| jump.held_ms),
        ])?;
    Ok(())
}

fn insert(connection: &Connection, moving: &Moving) -> rusqlite::Result<i64> {
    connection
        .prepare(
            "INSERT INTO clock_rollback (by_ms, since_ms, until_ms, subscriber_id, after_ms, after_id) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .insert(params![
            moving.by_ms,
            moving.since_ms,
            moving.until_ms,
            moving.subscriber_id,
            moving.after.0,
            moving.after.1,
        ])
}

fn update(connection: &Connection, moving: &Moving) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE clock_rollback SET until_ms = ?2, subscriber_id = ?3, after_ms = ?4, after_id = ?5 \
             WHERE clock_rollback_id = ?1",
        )?
        .execute(params![
            moving.id,
            moving.until_ms,
            moving.subscriber_id,
            moving.after.0,
            moving.after.1,
        ])?;
    Ok(())
}

/// Moves the next part of a subscriber's forwards; returns whether there were any. What is moved
/// comes to lie before them, so it is not met again. However many are due at one time, a
/// part is no more than that: every webhook waits with it.
fn move_part(connection: &Connection, moving: &mut Moving, now_ms: i64) -> rusqlite::Result<bool> {
    // The index has those that were never tried and the others apart: of each the first few, and
    // of these the first.
    let of = |are_retries: u8| {
        format!(
            "SELECT * FROM (SELECT due_at_ms, forward_id, \
             coalesce(last_attempt_ms, pending_since_ms) BETWEEN ?5 AND ?6 \
             FROM forward INDEXED BY forward_due WHERE state = 'pending' AND subscriber_id = ?1 \
             AND (attempts > 0) = {are_retries} AND (due_at_ms, forward_id) > (?2, ?3) \
             ORDER BY due_at_ms, forward_id LIMIT ?4)"
        )
    };
    let part: Vec<(i64, i64, bool)> = connection
        .prepare_cached(&format!(
            "{} UNION ALL {} ORDER BY due_at_ms, forward_id LIMIT ?4",
            of(0),
            of(1)
        ))?
        .query_map(
            params![
                moving.subscriber_id,
                moving.after.0,
                moving.after.1,
                PART,
                moving.since_ms,
                moving.until_ms.unwrap_or(now_ms),
            ],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?
        .collect::<rusqlite::Result<_>>()?;
    // Since when it is pending stays: were it set to what the clock shows, a clock that was behind for a
    // moment would have everything given up as too old once it is right again.
    let mut update =
        connection.prepare_cached("UPDATE forward SET due_at_ms = ?2 WHERE forward_id = ?1")?;
    for (due_ms, forward_id, is_due_rightly) in &part {
        if !is_due_rightly {
            update.execute([*forward_id, due_ms - moving.by_ms])?;
        }
        moving.after = (*due_ms, *forward_id);
    }
    Ok(!part.is_empty())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::import::Import;
    use super::*;
    use crate::store::sqlite::schema;

    const DUE_MS: i64 = 90_000_000;
    const BY_MS: i64 = 86_400_000;

    /// A store in which so many forwards are due at the same time.
    fn store(forwards: i64) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        let import = Import::nothing();
        schema::migrate(&mut connection, Path::new("memory"), (0, 0), &import).unwrap();
        let mut insert = connection
            .prepare(
                "INSERT INTO forward (uid, subscriber_id, message_id, report_id, payload_id, \
                 place_ms, place_rank, state, attempts, pending_since_ms, due_at_ms) \
                 VALUES (?1, 1, 1, 1, 1, 0, 0, 'pending', 0, ?2, ?2)",
            )
            .unwrap();
        for number in 0..forwards {
            insert
                .execute(params![number.to_be_bytes(), DUE_MS])
                .unwrap();
        }
        drop(insert);
        connection
    }

    fn moving(since_ms: i64) -> Moving {
        Moving {
            id: None,
            by_ms: BY_MS,
            since_ms,
            until_ms: None,
            subscriber_id: 1,
            after: (since_ms, i64::MAX),
        }
    }

    #[test]
    fn a_part_is_bounded_however_many_are_due_at_one_time() {
        let connection = store(2 * PART + 500);
        let mut moving = moving(DUE_MS - BY_MS);
        let mut parts = Vec::new();
        loop {
            let before = connection.total_changes();
            if !move_part(&connection, &mut moving, DUE_MS - BY_MS).unwrap() {
                break;
            }
            parts.push(connection.total_changes() - before);
        }
        assert_eq!(parts, [1_000, 1_000, 500]);
        let due = "SELECT count(*) FROM forward WHERE due_at_ms = ?1";
        let moved: i64 = connection
            .query_row(due, [DUE_MS - BY_MS], |row| row.get(0))
            .unwrap();
        assert_eq!(moved, 2 * PART + 500);
    }

    #[test]
    fn a_start_goes_on_with_a_move_and_begins_none() {
        let connection = store(PART + 1);
        let now_ms = DUE_MS - BY_MS;
        let mut begun = moving(now_ms);
        begun.id = Some(insert(&connection, &begun).unwrap());
        assert!(move_part(&connection, &mut begun, now_ms).unwrap());
        update(&connection, &begun).unwrap();
        let shown = ClockShown {
            ms: now_ms,
            jump: None,
        };
        note(&connection, shown).unwrap();

        let at = |ms| ClockRollback::new(&connection, &Clock::manual(ms).0);
        let found = at(now_ms + 5);
        assert_eq!(found.seen_ms, now_ms + 5);
        assert_eq!(found.moves.len(), 1);
        let found = &found.moves[0];
        assert_eq!((found.id, found.after), (begun.id, (DUE_MS, PART)));
        assert!(found.by_ms == BY_MS && found.since_ms == now_ms);
        // A clock that was set back while the service was down is noticed.
        assert_eq!(at(now_ms - 5_000).seen_ms, now_ms);
    }
}
