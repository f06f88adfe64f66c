//! Watching the service: counting what came in by ranges of keys, keeping which conditions were
//! reported, and queueing each event to its subscribers.
//!
//! Events compare the present with the table `condition`, which has what was sent. So a crash repeats none and
//! swallows none, and flapping costs at most one beginning each ten minutes. Their forwards have no message:
//! `message_id` is the condition's key below zero, so those of one condition keep their order; below -2^40 stand
//! the notices of one subject. The usual counts of a source or an error are taken once a minute by ranges of keys,
//! beside the writer, and stand in the table `traffic` in steps of ten minutes. Webhooks cost nothing for it.

use std::ops::Range;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::apply::Enqueued;
use super::reader::{Reader, SqliteQuery};
use super::writer::Core;
use super::{SqliteStep, SqliteStore, backend, due};
use crate::model::{ConditionKey, Subscriber};
use crate::plan::{self, event::Event};
use crate::store::Error;
use crate::store::query::{ArrivedQuery, NotifiedQuery, TrafficQuery, UnconfirmedQuery};
use crate::store::step::{KeepCounts, NotifyConditions};
use crate::store::watching::{
    Arrived, Count, Counted, EventTransition, NotifiedCondition, Position,
};

/// Rows of a kind that are counted in one go.
const STEP: i64 = 100_000;
/// Events that were settled, removed in one go.
const PRUNE_STEP: usize = 500;

impl SqliteQuery for ArrivedQuery {
    fn answer(self, reader: &Reader) -> Result<Arrived, Error> {
        reader.read("count what came in", |connection| {
            let last = connection.query_row(
                "SELECT coalesce((SELECT max(webhook_id) FROM webhook), 0), \
                 coalesce((SELECT max(report_id) FROM report), 0)",
                [],
                |row| {
                    Ok(Position {
                        webhook: row.get(0)?,
                        report: row.get(1)?,
                    })
                },
            )?;
            let Some(after) = self.after else {
                return Ok(Arrived {
                    position: last,
                    ..Arrived::default()
                });
            };
            let position = Position {
                webhook: last.webhook.min(after.webhook + STEP),
                report: last.report.min(after.report + STEP),
            };
            let mut counts = Vec::new();
            count_webhooks(connection, after, position, &mut counts)?;
            count_reports(connection, after, position, &mut counts)?;
            Ok(Arrived {
                position,
                counts,
                more: position != last,
            })
        })
    }
}

impl SqliteQuery for TrafficQuery {
    fn answer(self, reader: &Reader) -> Result<Vec<Count>, Error> {
        reader.read("read what came in", |connection| {
            connection
                .prepare("SELECT begins_at_ms, what, subject, count FROM traffic")?
                .query_map([], |row| {
                    Ok(Count {
                        begins_at_ms: row.get(0)?,
                        what: row.get(1)?,
                        subject: row.get(2)?,
                        count: row.get(3)?,
                    })
                })?
                .collect()
        })
    }
}

impl SqliteQuery for UnconfirmedQuery {
    fn answer(self, reader: &Reader) -> Result<Vec<(String, u64)>, Error> {
        reader.read("count what fell silent", |connection| {
            connection
                .prepare(
                    "SELECT source.name, count(*) FROM registration INDEXED BY registration_silent \
                     CROSS JOIN message USING (message_id) CROSS JOIN source USING (source_id) \
                     WHERE silent_after_ms > ?1 AND silent_after_ms <= ?2 \
                     AND coalesce(delivered_at_ms, read_at_ms, failed_at_ms, deleted_at_ms) IS NULL \
                     GROUP BY source.source_id",
                )?
                .query_map([self.from_ms, self.until_ms], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }
}

impl SqliteQuery for NotifiedQuery {
    fn answer(self, reader: &Reader) -> Result<Vec<NotifiedCondition>, Error> {
        reader.read("read conditions", |connection| {
            connection
                .prepare("SELECT condition_id, what, subject, holds, began_at_ms, notified_at_ms FROM condition")?
                .query_map([], |row| {
                    Ok(NotifiedCondition {
                        condition_id: row.get(0)?,
                        what: row.get(1)?,
                        subject: row.get(2)?,
                        holds: row.get(3)?,
                        began_at_ms: row.get(4)?,
                        notified_at_ms: row.get(5)?,
                    })
                })?
                .collect()
        })
    }
}

fn count_webhooks(
    connection: &Connection,
    after: Position,
    until: Position,
    counts: &mut Vec<(Counted, String, u64)>,
) -> rusqlite::Result<()> {
    let mut rows = connection.prepare(
        "SELECT source.name, count(*), sum(unreadable > 0) FROM webhook JOIN source \
         USING (source_id) WHERE webhook_id > ?1 AND webhook_id <= ?2 GROUP BY source_id",
    )?;
    let mut rows = rows.query([after.webhook, until.webhook])?;
    while let Some(row) = rows.next()? {
        let source: String = row.get(0)?;
        let unreadable: u64 = row.get(2)?;
        if unreadable > 0 {
            counts.push((Counted::Unreadable, source.clone(), unreadable));
        }
        counts.push((Counted::Webhooks, source, row.get(1)?));
    }
    Ok(())
}

fn count_reports(
    connection: &Connection,
    after: Position,
    until: Position,
    counts: &mut Vec<(Counted, String, u64)>,
) -> rusqlite::Result<()> {
    let mut rows = connection.prepare(
        "SELECT CASE WHEN status = 'failed' AND change = 'new' AND other_channel IS NULL \
         THEN coalesce(error_key, 'unknown') END AS failure, count(*) FROM report \
         WHERE report_id > ?1 AND report_id <= ?2 GROUP BY failure",
    )?;
    let mut rows = rows.query([after.report, until.report])?;
    let mut reports = 0;
    while let Some(row) = rows.next()? {
        let (failure, count): (Option<String>, u64) = (row.get(0)?, row.get(1)?);
        reports += count;
        counts.extend(failure.map(|failure| (Counted::Failures, failure, count)));
    }
    if reports > 0 {
        counts.push((Counted::Reports, String::new(), reports));
    }
    Ok(())
}

impl SqliteStep for KeepCounts {
    async fn take(self, store: &SqliteStore) -> Result<(), Error> {
        let keep = move |core: &mut Core| {
            core.change("keep what came in", |connection, _| {
                keep_counts(connection, &self.counts, &self.kept)
                    .map_err(|error| backend("cannot keep what came in".to_owned(), error))
            })
        };
        store.run(keep).await
    }
}

impl SqliteStep for NotifyConditions {
    async fn take(self, store: &SqliteStore) -> Result<(), Error> {
        let Self { changes, gone } = self;
        store.run(move |core| core.notify(&changes, &gone)).await
    }
}

impl Core {
    fn notify(&mut self, changes: &[EventTransition], gone: &[ConditionKey]) -> Result<(), Error> {
        let subscribers = Arc::clone(&self.subscribers);
        self.queue("queue events", |connection, now_ms| {
            notify(connection, changes, gone, &subscribers, now_ms)
        })
    }
}

fn notify(
    connection: &Connection,
    changes: &[EventTransition],
    gone: &[ConditionKey],
    subscribers: &[Arc<Subscriber>],
    now_ms: i64,
) -> rusqlite::Result<Enqueued> {
    for condition_id in gone {
        connection
            .prepare_cached("DELETE FROM condition WHERE condition_id = ?1")?
            .execute([condition_id])?;
    }
    let mut pending = Enqueued::new();
    for change in changes {
        let condition_id: ConditionKey = connection
            .prepare_cached(
                "INSERT INTO condition (what, subject, holds, began_at_ms, notified_at_ms, text) \
                 VALUES (?1, ?2, ?3, ?4, ?4, ?5) ON CONFLICT (what, subject) DO UPDATE SET \
                 holds = excluded.holds, notified_at_ms = excluded.notified_at_ms, text = excluded.text, \
                 began_at_ms = CASE WHEN excluded.holds THEN excluded.began_at_ms \
                 ELSE began_at_ms END RETURNING condition_id",
            )?
            .query_row(
                params![
                    change.what,
                    change.subject,
                    change.holds,
                    change.at_ms,
                    change.text
                ],
                |row| row.get(0),
            )?;
        let Some(name) = change.event else { continue };
        let event = Event {
            name,
            subject: &change.subject,
            text: &change.text,
            data: &change.data,
        };
        let noticed = (&event, change.at_ms);
        if let Some(notice) = plan::due::condition(noticed, condition_id, subscribers, now_ms) {
            due::enqueue(connection, &notice, now_ms, &mut pending)?;
        }
    }
    Ok(pending)
}

fn keep_counts(
    connection: &Connection,
    counts: &[Count],
    kept: &Range<i64>,
) -> rusqlite::Result<()> {
    let mut keep = connection.prepare_cached(
        "INSERT INTO traffic (begins_at_ms, what, subject, count) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT DO UPDATE SET count = excluded.count",
    )?;
    for count in counts {
        keep.execute(params![
            count.begins_at_ms,
            count.what,
            count.subject,
            count.count,
        ])?;
    }
    connection
        .prepare_cached("DELETE FROM traffic WHERE begins_at_ms < ?1 OR begins_at_ms >= ?2")?
        .execute([kept.start, kept.end])?;
    Ok(())
}

/// Removes a few of the forwards that are about no message and were settled before that time, with all
/// that hangs on them.
pub(super) fn prune(
    connection: &Connection,
    (before_ms, latest_ms): (i64, i64),
) -> rusqlite::Result<usize> {
    let old: Vec<(i64, i64)> = connection
        .prepare_cached(
            "SELECT forward_id, payload_id FROM forward INDEXED BY forward_message \
             WHERE message_id <= 0 AND state != 'pending' \
             AND (settled_at_ms < ?1 OR settled_at_ms > ?3 AND pending_since_ms < ?1) LIMIT ?2",
        )?
        .query_map(params![before_ms, PRUNE_STEP, latest_ms], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (forward_id, payload_id) in &old {
        for sql in [
            "DELETE FROM attempt WHERE forward_id = ?1",
            "DELETE FROM former_uid WHERE forward_id = ?1",
            "DELETE FROM forward WHERE forward_id = ?1",
        ] {
            connection.prepare_cached(sql)?.execute([forward_id])?;
        }
        // The same bytes may still be pending for others.
        connection
            .prepare_cached(
                "DELETE FROM payload WHERE payload_id = ?1 AND NOT EXISTS (SELECT 1 FROM forward \
                 INDEXED BY forward_message WHERE message_id <= 0 AND payload_id = ?1)",
            )?
            .execute([payload_id])?;
    }
    Ok(old.len())
}
