//! What came in by each source lately, and when it last sent: in the time that a list may take.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::ranges::{self, Timed};
use super::reader::{Reader, SqliteQuery};
use super::webhooks::WEBHOOKS;
use crate::store::Error;
use crate::store::overview::SourceActivity;
use crate::store::query::{Listing, Reached, SourceActivityQuery};

/// The sources by their keys.
type SourcesByKey = BTreeMap<i64, SourceActivity>;

impl SqliteQuery for SourceActivityQuery {
    fn answer(self, reader: &Reader) -> Result<Listing<SourceActivity>, Error> {
        let Self { since_ms, now_ms } = self;
        reader.read("read what came in", |connection| {
            let mut sources = sources(connection)?;
            let until_ms = now_ms.saturating_add(1);
            let mut reached = reader.count(connection, &mut sources, (since_ms, until_ms))?;
            // What came last was stamped by a clock that may have been ahead, or behind.
            for until_ms in [until_ms, i64::MAX] {
                if reached.is_none() {
                    reached = reader.look_for_the_last(connection, &mut sources, until_ms)?;
                }
            }
            let rows = sources.into_values().collect();
            Ok(Listing {
                rows,
                next: None,
                reached,
            })
        })
    }
}

impl Reader {
    /// Counts what came in between the two times.
    fn count(
        &self,
        connection: &Connection,
        sources: &mut SourcesByKey,
        (since_ms, until_ms): (i64, i64),
    ) -> rusqlite::Result<Option<Reached>> {
        let keys = ranges::within(connection, Timed::Webhook, Some(since_ms), Some(until_ms))?;
        let mut part = connection.prepare(
            "SELECT source_id, count(*), sum(reports), sum(new_reports), sum(unreadable), \
             max(received_at_ms) FROM webhook WHERE webhook_id BETWEEN ?1 AND ?2 \
             AND received_at_ms >= ?3 AND received_at_ms < ?4 GROUP BY source_id",
        )?;
        self.walk(connection, WEBHOOKS, (&keys, None), |keys| {
            let mut rows = part.query(params![keys.first, keys.last, since_ms, until_ms])?;
            let mut found: Vec<(i64, [u64; 4], i64)> = Vec::new();
            while let Some(row) = rows.next()? {
                let counts = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
                found.push((row.get(0)?, counts, row.get(5)?));
            }
            for (source_id, [webhooks, reports, new_reports, unreadable], last_ms) in found {
                if let Some(source) = sources.get_mut(&source_id) {
                    source.webhooks += webhooks;
                    source.reports += reports;
                    source.new_reports += new_reports;
                    source.unreadable += unreadable;
                    source.last_seen_ms = source.last_seen_ms.max(Some(last_ms));
                }
            }
            Ok(false)
        })
    }

    /// When the sources that were not seen yet sent last before that time.
    fn look_for_the_last(
        &self,
        connection: &Connection,
        sources: &mut SourcesByKey,
        until_ms: i64,
    ) -> rusqlite::Result<Option<Reached>> {
        let is_unseen = |source: &SourceActivity| source.last_seen_ms.is_none();
        if !sources.values().any(is_unseen) {
            return Ok(None);
        }
        // Of what is beside a bare max SQLite gives the row of it.
        let mut part = connection.prepare(
            "SELECT source_id, received_at_ms, max(webhook_id) FROM webhook \
             WHERE webhook_id BETWEEN ?1 AND ?2 AND received_at_ms < ?3 GROUP BY source_id",
        )?;
        self.walk(connection, WEBHOOKS, (&ranges::all(), None), |keys| {
            let mut rows = part.query(params![keys.first, keys.last, until_ms])?;
            while let Some(row) = rows.next()? {
                if let Some(source) = sources.get_mut(&row.get(0)?) {
                    source.last_seen_ms = source.last_seen_ms.or(Some(row.get(1)?));
                }
            }
            Ok(!sources.values().any(is_unseen))
        })
    }
}

/// Every source, with nothing counted.
fn sources(connection: &Connection) -> rusqlite::Result<SourcesByKey> {
    let mut select = connection.prepare("SELECT source_id, name FROM source")?;
    let sources = select.query_map([], |row| {
        let source = SourceActivity {
            source: row.get(1)?,
            webhooks: 0,
            reports: 0,
            new_reports: 0,
            unreadable: 0,
            last_seen_ms: None,
        };
        Ok((row.get(0)?, source))
    })?;
    sources.collect()
}
