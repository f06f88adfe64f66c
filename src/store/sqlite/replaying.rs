//! How a replay goes on, a chunk at a time.
//!
//! A reader looks for a chunk beside the writer, which then queues it in one small commit together
//! with the place where the next one begins. So a crash at any moment neither skips nor repeats a
//! forward. What a replay queued bears its key: earlier statuses of a message are queued in the same
//! commit as later ones, and the replay passes over them when it comes to their place.

use rusqlite::{Connection, params};

use super::replays::end;
use super::requeue::Requeue;
use super::writer::Core;
use super::{SqliteStep, SqliteStore, backend};
use crate::model::{ForwardKey, ReplayKey, SubscriberKey};
use crate::store::Error;
use crate::store::replay::{ReplayState, ReplayStep, RunningReplay};
use crate::store::step::AdvanceReplay;

/// A replay queues no more while its subscriber has this many pending: what is new waits behind so
/// few, and its lane holds all of it in memory.
const ROOM: usize = 512;
/// Forwards that one step queues, their messages' others aside.
const CHUNK: usize = 256;
/// Keys that one step looks at.
const SPAN: i64 = 20_000;

/// Whether a `forward` is one that a `replay` is to queue. Of two replays the later one goes over
/// what the earlier one queued, not the other way round. As a condition, so that no forward is read for it;
/// `store/conformance/upkeep.rs` holds it for every engine.
const WANTED: &str = "forward.subscriber_id = replay.subscriber_id AND forward.state != 'pending' \
     AND forward.state IN (SELECT value FROM json_each(replay.states)) \
     AND coalesce(forward.replay_id, 0) < replay.replay_id \
     AND (replay.since_ms IS NULL OR forward.pending_since_ms >= replay.since_ms) \
     AND (replay.until_ms IS NULL OR forward.pending_since_ms < replay.until_ms) \
     AND (replay.error_code IS NULL OR forward.last_error = replay.error_code) \
     AND (replay.status IS NULL OR replay.status = \
     (SELECT status FROM report WHERE report.report_id = forward.report_id)) \
     AND (coalesce(replay.source, replay.sources) IS NULL OR EXISTS \
     (SELECT 1 FROM message JOIN source USING (source_id) \
     WHERE message.message_id = forward.message_id \
     AND (replay.source IS NULL OR source.name = replay.source) \
     AND (replay.sources IS NULL OR source.name IN (SELECT value FROM json_each(replay.sources))))) \
     AND EXISTS (SELECT 1 FROM payload WHERE payload.payload_id = forward.payload_id)";

impl SqliteStep for AdvanceReplay {
    async fn take(self, store: &SqliteStore) -> Result<ReplayStep, Error> {
        let Self { replay } = self;
        let found = store
            .look("look for what to replay", move |connection| {
                if !has_room(connection, replay.subscriber_id)? {
                    return Ok(None);
                }
                look(connection, replay).map(Some)
            })
            .await?;
        let Some((ids, next_id)) = found else {
            return Ok(ReplayStep::NoRoom);
        };
        store
            .run(move |core| core.step_replay(replay, &ids, next_id))
            .await?;
        Ok(ReplayStep::Went)
    }
}

impl Core {
    /// Queues what was found again and notes where the next step begins, unless the replay was
    /// stopped, or taken further, since it was looked at.
    fn step_replay(
        &mut self,
        replay: RunningReplay,
        ids: &[i64],
        next_id: i64,
    ) -> Result<(), Error> {
        let queued = self.change("take a replay further", |connection, now_ms| {
            step(connection, replay, (ids, next_id), now_ms)
                .map_err(|error| backend("cannot take a replay further".to_owned(), error))
        })?;
        if queued > 0 {
            let touched = [replay.subscriber_id];
            self.lane_registry.spill(&touched);
            self.publish(&touched)?;
        }
        Ok(())
    }
}

fn has_room(connection: &Connection, subscriber_id: SubscriberKey) -> rusqlite::Result<bool> {
    let pending: usize = connection.query_row(
        "SELECT count(*) FROM (SELECT 1 FROM forward INDEXED BY forward_due \
         WHERE state = 'pending' AND subscriber_id = ?1 LIMIT ?2)",
        params![subscriber_id, ROOM],
        |row| row.get(0),
    )?;
    Ok(pending < ROOM)
}

/// The next forwards to be queued, and where to look after them.
fn look(connection: &Connection, replay: RunningReplay) -> rusqlite::Result<(Vec<i64>, i64)> {
    let until_id = replay.next.key().saturating_add(SPAN);
    let found: Vec<i64> = connection
        .prepare(&format!(
            "SELECT forward.forward_id FROM replay CROSS JOIN forward \
             WHERE replay.replay_id = ?1 AND forward.forward_id >= ?2 AND forward.forward_id < ?3 \
             AND forward.forward_id <= replay.last_id AND {WANTED} \
             ORDER BY forward.forward_id LIMIT ?4"
        ))?
        .query_map(
            params![replay.replay_id, replay.next.key(), until_id, CHUNK],
            |row| row.get(0),
        )?
        .collect::<rusqlite::Result<_>>()?;
    let next_id = match found.last() {
        Some(last_id) if found.len() == CHUNK => last_id + 1,
        _ => until_id,
    };
    Ok((found, next_id))
}

/// Queues the forwards of that chunk, each with the others of its message that are to be queued, so
/// that none of them overtakes another; returns how many.
fn step(
    connection: &Connection,
    replay: RunningReplay,
    (ids, next_id): (&[i64], i64),
    now_ms: i64,
) -> rusqlite::Result<usize> {
    let RunningReplay { replay_id, .. } = replay;
    let went = connection
        .prepare_cached(
            "UPDATE replay SET next_id = min(?3, last_id + 1) \
             WHERE replay_id = ?1 AND next_id = ?2 AND state = 'running'",
        )?
        .execute(params![replay_id, replay.next.key(), next_id])?;
    if went == 0 {
        return Ok(0);
    }
    let is_removed = connection
        .prepare_cached(
            "SELECT 1 FROM subscriber WHERE subscriber_id = ?1 AND removed_at_ms IS NULL",
        )?
        .exists([replay.subscriber_id])
        .map(|is_there| !is_there)?;
    if is_removed {
        end(connection, replay_id, ReplayState::Cancelled, now_ms)?;
        return Ok(0);
    }
    let queued = queue(connection, replay_id, ids, now_ms)?;
    let is_over = connection
        .prepare_cached(
            "UPDATE replay SET queued = queued + ?2 WHERE replay_id = ?1 \
             RETURNING next_id > last_id",
        )?
        .query_row(params![replay_id, queued], |row| row.get(0))?;
    if is_over {
        end(connection, replay_id, ReplayState::Done, now_ms)?;
    }
    Ok(queued)
}

fn queue(
    connection: &Connection,
    replay_id: ReplayKey,
    ids: &[i64],
    now_ms: i64,
) -> rusqlite::Result<usize> {
    let mut of_message = connection.prepare_cached(&format!(
        "SELECT forward.forward_id FROM replay CROSS JOIN forward AS found \
         CROSS JOIN forward INDEXED BY forward_message \
         WHERE replay.replay_id = ?1 AND found.forward_id = ?2 \
         AND forward.message_id = found.message_id AND forward.forward_id <= replay.last_id \
         AND {WANTED}"
    ))?;
    let new_id = connection
        .prepare_cached("SELECT new_id FROM replay WHERE replay_id = ?1")?
        .query_row([replay_id], |row| row.get(0))?;
    let mut requeue = Requeue::again(connection, new_id, now_ms)?;
    let mut queued = 0;
    for id in ids {
        let together: Vec<ForwardKey> = of_message
            .query_map(params![replay_id, id], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        queued += together.len();
        for forward_id in together {
            requeue.forward(forward_id, Some(replay_id))?;
        }
    }
    Ok(queued)
}
