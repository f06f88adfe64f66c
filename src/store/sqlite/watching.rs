//! Forwards that are about no message: nothing else takes them along when they are old.

use rusqlite::{Connection, params};

use super::{Store, backend};
use crate::store::Error;

/// Forwards that were settled, removed in one go.
const PRUNE_STEP: usize = 500;

impl Store {
    /// Removes a few of the forwards that are about no message and were settled before that
    /// time, with all that hangs on them; returns how many.
    ///
    /// # Errors
    /// [`Error::Backend`], [`Error::Closed`].
    pub async fn prune_events(&self, before_ms: i64) -> Result<usize, Error> {
        self.run(move |core| {
            core.change("prune events", |connection, _| {
                prune_events(connection, before_ms)
                    .map_err(|error| backend("cannot prune events".to_owned(), error))
            })
        })
        .await
    }
}

fn prune_events(connection: &Connection, before_ms: i64) -> rusqlite::Result<usize> {
    let old: Vec<(i64, i64)> = connection
        .prepare_cached(
            "SELECT forward_id, payload_id FROM forward INDEXED BY forward_message \
             WHERE message_id <= 0 AND state != 'pending' AND settled_at_ms < ?1 LIMIT ?2",
        )?
        .query_map(params![before_ms, PRUNE_STEP], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (forward_id, payload_id) in &old {
        for sql in [
            "DELETE FROM attempt WHERE forward_id = ?1",
            "DELETE FROM forward WHERE forward_id = ?1",
        ] {
            connection.prepare_cached(sql)?.execute([forward_id])?;
        }
        // Others may still be owed the same bytes.
        connection
            .prepare_cached(
                "DELETE FROM payload WHERE payload_id = ?1 AND NOT EXISTS (SELECT 1 FROM forward \
                 INDEXED BY forward_message WHERE message_id <= 0 AND payload_id = ?1)",
            )?
            .execute([payload_id])?;
    }
    Ok(old.len())
}
