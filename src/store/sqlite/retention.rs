//! Pruning by age, in steps small enough that webhooks need not wait.
//!
//! A step looks at the keys that may be old by what is noted of their ranges (`ranges`), so no
//! index on times is needed. What a step may not remove yet is stepped over.

use rusqlite::{Connection, params_from_iter};

use super::ranges::{self, KeySpan, Timed};
use super::writer::Core;
use super::{Store, backend, deletion, same_person};
use crate::model::Word as _;
use crate::store::clock_hold::latest_credible_ms;
use crate::store::{Error, Prunable, PruneStep};

/// Rows that one step looks at.
const STEP: i64 = 500;
/// Messages that one step looks at; several rows hang on each.
const MESSAGES_STEP: i64 = 100;
/// Links between a person's names that one step removes.
const PEOPLE_STEP: usize = 500;

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
        let keys = self
            .look("look for what is old", move |connection| {
                ranges::before(connection, timed(what), after, before_ms)
            })
            .await?;
        self.run(move |core| core.prune(what, before_ms, keys))
            .await
    }

    /// Forgets which names are one person's, where no report confirmed it since then: one step;
    /// returns how many, 0 when none is left.
    ///
    /// # Errors
    /// [`Error::Backend`], [`Error::Closed`].
    pub async fn prune_people(&self, before_ms: i64) -> Result<usize, Error> {
        // The reader looks through the table, so that the writer need not.
        let keys = self
            .look("look for people of old", move |connection| {
                same_person::old(connection, before_ms, PEOPLE_STEP)
            })
            .await?;
        if keys.is_empty() {
            return Ok(0);
        }
        self.run(move |core| {
            core.change("prune people", |connection, _| {
                keys.iter()
                    .try_fold(0, |removed, key| {
                        let forgotten = same_person::forget_old(connection, *key, before_ms)?;
                        Ok(removed + forgotten)
                    })
                    .map_err(|error: rusqlite::Error| {
                        backend("cannot prune people".to_owned(), error)
                    })
            })
        })
        .await
    }

    /// Removes the subscribers that were removed before that time and that no forward names
    /// any more; returns how many.
    ///
    /// # Errors
    /// [`Error::Backend`], [`Error::Closed`].
    pub async fn prune_subscribers(&self, removed_before_ms: i64) -> Result<usize, Error> {
        // Nothing is queued for a removed subscriber again, so what the reader finds stays true,
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
    fn prune(&mut self, what: Prunable, before_ms: i64, keys: KeySpan) -> Result<PruneStep, Error> {
        self.change("prune", |connection, now_ms| {
            prune(connection, what, (before_ms, now_ms), keys)
                .map_err(|error| backend(format!("cannot prune {}", what.as_str()), error))
        })
    }
}

pub(super) const fn timed(what: Prunable) -> Timed {
    match what {
        Prunable::Webhooks => Timed::Webhook,
        Prunable::Attempts => Timed::Attempt,
        Prunable::Payloads => Timed::Payload,
        Prunable::Messages => Timed::Message,
    }
}

/// Columns: the key, whether it is old and may go.
const fn candidates(what: Prunable) -> &'static str {
    match what {
        Prunable::Webhooks => {
            "SELECT webhook_id, received_at_ms < ?1 FROM webhook \
             WHERE webhook_id BETWEEN ?2 AND ?3 ORDER BY webhook_id LIMIT ?4"
        }
        Prunable::Attempts => {
            "SELECT attempt_id, CASE WHEN started_at_ms < ?1 \
             THEN forward.state IS NOT 'pending' ELSE FALSE END \
             FROM attempt LEFT JOIN forward USING (forward_id) \
             WHERE attempt_id BETWEEN ?2 AND ?3 ORDER BY attempt_id LIMIT ?4"
        }
        // A retry by hand settles a forward again: its payload stays for as long again. What a clock
        // settled that was ahead counts by its report alone, or it would stay until that time.
        Prunable::Payloads => {
            "SELECT payload_id, CASE WHEN payload.report_id > 0 \
             AND (report.received_at_ms IS NULL OR report.received_at_ms < ?1) \
             THEN NOT EXISTS (SELECT 1 FROM forward WHERE forward.message_id = report.message_id \
             AND forward.payload_id = payload.payload_id \
             AND (forward.state = 'pending' OR forward.settled_at_ms BETWEEN ?1 AND ?5)) ELSE FALSE END \
             FROM payload LEFT JOIN report USING (report_id) \
             WHERE payload_id BETWEEN ?2 AND ?3 ORDER BY payload_id LIMIT ?4"
        }
        Prunable::Messages => {
            "SELECT message_id, CASE WHEN last_report_at_ms < ?1 \
             THEN NOT EXISTS (SELECT 1 FROM forward WHERE forward.message_id = message.message_id \
             AND (forward.state = 'pending' OR forward.settled_at_ms BETWEEN ?1 AND ?5)) ELSE FALSE END \
             FROM message WHERE message_id BETWEEN ?2 AND ?3 ORDER BY message_id LIMIT ?4"
        }
    }
}

pub(super) fn prune(
    connection: &Connection,
    what: Prunable,
    (before_ms, now_ms): (i64, i64),
    (first_key, last_key): KeySpan,
) -> rusqlite::Result<PruneStep> {
    let limit = match what {
        Prunable::Messages => MESSAGES_STEP,
        _ => STEP,
    };
    let (mut seen, mut seen_key) = (0, first_key);
    let mut going = Vec::new();
    let mut select = connection.prepare_cached(candidates(what))?;
    let mut bound = vec![before_ms, first_key, last_key, limit];
    if matches!(what, Prunable::Payloads | Prunable::Messages) {
        bound.push(latest_credible_ms(now_ms));
    }
    let mut rows = select.query(params_from_iter(bound))?;
    while let Some(row) = rows.next()? {
        seen_key = row.get(0)?;
        seen += 1;
        if row.get(1)? {
            going.push(seen_key);
        }
    }
    drop(rows);
    // With fewer rows than that all these keys are done.
    let done_key = if seen == limit { seen_key } else { last_key };
    for id in &going {
        match what {
            Prunable::Webhooks => delete(connection, "webhook", *id)?,
            Prunable::Attempts => delete(connection, "attempt", *id)?,
            Prunable::Payloads => delete(connection, "payload", *id)?,
            Prunable::Messages => deletion::delete_message(connection, *id)?,
        }
    }
    if !going.is_empty() {
        ranges::thinned(connection, timed(what), (first_key, done_key))?;
    }
    Ok(PruneStep {
        removed: going.len(),
        next: (done_key < i64::MAX).then_some(done_key),
    })
}

/// Removes the row of that key; the key's column is named after its table.
fn delete(connection: &Connection, table: &str, id: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&format!("DELETE FROM {table} WHERE {table}_id = ?1"))?
        .execute([id])?;
    Ok(())
}
