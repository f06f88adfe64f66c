//! Whether a broadcast is polled, and how its polling begins.

use rusqlite::{Connection, OptionalExtension, params};

use crate::plan::group::PollOpening;

/// Polls a broadcast from now on, as its polling begins.
pub(super) fn open(
    connection: &Connection,
    (source_id, broadcast): (i64, &str),
    opening: PollOpening,
    now_ms: i64,
) -> rusqlite::Result<()> {
    let sql = match opening {
        PollOpening::First => {
            "INSERT INTO poll (source_id, broadcast, state, registered_at_ms, due_at_ms) \
             VALUES (?1, ?2, 'open', ?3, ?3)"
        }
        PollOpening::Again => {
            "UPDATE poll SET state = 'open', registered_at_ms = ?3, due_at_ms = ?3, \
             gone_since_ms = NULL, gave_up = NULL, settled_at_ms = NULL \
             WHERE source_id = ?1 AND broadcast = ?2"
        }
    };
    connection
        .prepare_cached(sql)?
        .execute(params![source_id, broadcast, now_ms])?;
    Ok(())
}

/// Whether a broadcast is polled; `None` when it never was.
pub(super) fn is_open(
    connection: &Connection,
    (source_id, broadcast): (i64, &str),
) -> rusqlite::Result<Option<bool>> {
    connection
        .prepare_cached("SELECT state = 'open' FROM poll WHERE source_id = ?1 AND broadcast = ?2")?
        .query_row(params![source_id, broadcast], |row| row.get(0))
        .optional()
}
