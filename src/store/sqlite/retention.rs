//! Pruning by age, in steps small enough that webhooks need not wait.
//!
//! Keys are given out in order of arrival, so a step looks at the oldest keys alone and no
//! index on times is needed. What a step may not remove yet is stepped over.

use rusqlite::{Connection, params};

use super::writer::Core;
use super::{Store, backend, erase};
use crate::store::{Error, Prunable, PruneStep};

/// Rows that one step looks at.
const STEP: usize = 500;
/// Messages that one step looks at; several rows hang on each.
const MESSAGES_STEP: usize = 100;

impl Store {
    /// Removes what is older than `before_ms` among the rows that follow the key `after`.
    ///
    /// Never what is pending, nor what a pending forward needs.
    ///
    /// # Errors
    /// [`Error::Backend`], [`Error::Closed`].
    pub async fn prune(
        &self,
        what: Prunable,
        before_ms: i64,
        after: i64,
    ) -> Result<PruneStep, Error> {
        self.run(move |core| core.prune(what, before_ms, after))
            .await
    }

    /// Removes the subscribers that were removed before that time and that no forward names
    /// any more; returns how many.
    ///
    /// # Errors
    /// [`Error::Backend`], [`Error::Closed`].
    pub async fn prune_subscribers(&self, removed_before_ms: i64) -> Result<usize, Error> {
        // Nothing is owed to a removed subscriber again, so what the reader finds stays true,
        // and the writer is spared a look through every forward.
        let ids = self
            .look("look for removed subscribers", move |connection| {
                connection
                    .prepare(
                        "SELECT subscriber_id FROM subscriber WHERE removed_at_ms < ?1 \
                         AND NOT EXISTS (SELECT 1 FROM forward \
                         WHERE forward.subscriber_id = subscriber.subscriber_id)",
                    )?
                    .query_map([removed_before_ms], |row| row.get(0))?
                    .collect::<rusqlite::Result<Vec<i64>>>()
            })
            .await?;
        if ids.is_empty() {
            return Ok(0);
        }
        self.run(move |core| {
            core.change("prune subscribers", |connection, _| {
                ids.iter()
                    .try_fold(0, |removed, id| {
                        let sql = "DELETE FROM subscriber WHERE subscriber_id = ?1";
                        Ok(removed + connection.execute(sql, [id])?)
                    })
                    .map_err(|error: rusqlite::Error| {
                        backend("cannot prune subscribers".to_owned(), error)
                    })
            })
        })
        .await
    }
}

impl Core {
    fn prune(&mut self, what: Prunable, before_ms: i64, after: i64) -> Result<PruneStep, Error> {
        self.change("prune", |connection, _| {
            prune(connection, what, before_ms, after)
                .map_err(|error| backend(format!("cannot prune {}", what.as_str()), error))
        })
    }
}

/// Columns: the key, whether it is old (what follows the first that is not is left for
/// later), whether it may go.
const fn candidates(what: Prunable) -> &'static str {
    match what {
        Prunable::Webhooks => {
            "SELECT webhook_id, received_at_ms < ?1, TRUE FROM webhook \
             WHERE webhook_id > ?2 ORDER BY webhook_id LIMIT ?3"
        }
        Prunable::Attempts => {
            "SELECT attempt_id, started_at_ms < ?1, forward.state IS NOT 'pending' \
             FROM attempt LEFT JOIN forward USING (forward_id) \
             WHERE attempt_id > ?2 ORDER BY attempt_id LIMIT ?3"
        }
        // A retry by hand settles a forward anew: its payload stays for as long again.
        Prunable::Payloads => {
            "SELECT payload_id, report.received_at_ms IS NULL OR report.received_at_ms < ?1, \
             payload.report_id > 0 \
             AND NOT EXISTS (SELECT 1 FROM forward WHERE forward.message_id = report.message_id \
             AND forward.payload_id = payload.payload_id \
             AND (forward.state = 'pending' OR forward.settled_at_ms >= ?1)) \
             FROM payload LEFT JOIN report USING (report_id) \
             WHERE payload_id > ?2 ORDER BY payload_id LIMIT ?3"
        }
        Prunable::Messages => {
            "SELECT message_id, first_report_at_ms < ?1, last_report_at_ms < ?1 \
             AND NOT EXISTS (SELECT 1 FROM forward WHERE forward.message_id = message.message_id \
             AND (forward.state = 'pending' OR forward.settled_at_ms >= ?1)) \
             FROM message WHERE message_id > ?2 ORDER BY message_id LIMIT ?3"
        }
    }
}

fn prune(
    connection: &Connection,
    what: Prunable,
    before_ms: i64,
    after: i64,
) -> rusqlite::Result<PruneStep> {
    let limit = match what {
        Prunable::Messages => MESSAGES_STEP,
        _ => STEP,
    };
    let mut step = PruneStep {
        removed: 0,
        next: None,
    };
    let mut seen = 0;
    let mut going = Vec::new();
    let mut select = connection.prepare_cached(candidates(what))?;
    let mut rows = select.query(params![before_ms, after, limit])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        if !row.get::<_, bool>(1)? {
            break;
        }
        seen += 1;
        if row.get(2)? {
            going.push(id);
        }
        step.next = (seen == limit).then_some(id);
    }
    drop(rows);
    for id in going {
        match what {
            Prunable::Webhooks => delete(connection, "webhook", id)?,
            Prunable::Attempts => delete(connection, "attempt", id)?,
            Prunable::Payloads => delete(connection, "payload", id)?,
            Prunable::Messages => erase::delete_message(connection, id)?,
        }
        step.removed += 1;
    }
    Ok(step)
}

/// Removes the row of that key; the key's column is named after its table.
fn delete(connection: &Connection, table: &str, id: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&format!("DELETE FROM {table} WHERE {table}_id = ?1"))?
        .execute([id])?;
    Ok(())
}
