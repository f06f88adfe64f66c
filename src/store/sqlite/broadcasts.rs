//! Reading broadcasts: their list, how each stands, and its messages page by page.
//!
//! The index on broadcasts holds them by id and source and then in order of arrival, so a page of
//! messages costs what it shows; how a broadcast stands costs a look at each of its messages.

use std::time::Instant;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::clause::{Clause, Select};
use super::listing::{ListOrder, ListedTable};
use super::messages::read_error;
use super::polls::polls_of;
use super::ranges;
use super::reader::{Reader, SqliteQuery};
use super::search::{self, MESSAGES, seen};
use crate::plan::BroadcastCounts;
use crate::store::Error;
use crate::store::broadcast::{BroadcastMessage, BroadcastRecord};
use crate::store::poll::PollRecord;
use crate::store::query::{
    BroadcastDetail, BroadcastDetailQuery, BroadcastQuery, ListPlace, Listing, Reached, Scope,
    Window,
};

/// As [`MessageProgress::of`](crate::plan::MessageProgress::of) and `v_broadcasts` count: to read each
/// message of a large broadcast would take too long.
const COUNTS: &str = "broadcast, source.name AS source, count(*) AS total, \
     count(*) FILTER (WHERE status IN ('delivered', 'read', 'deleted') \
         OR (status = 'sent' AND source.ends_at_sent)) AS success, \
     count(*) FILTER (WHERE status = 'failed') AS failure, \
     count(*) FILTER (WHERE status IS NULL OR status = 'queued' \
         OR (status = 'sent' AND NOT source.ends_at_sent)) AS pending, \
     source.ends_at_sent AS ends_at_sent, \
     min(first_report_at_ms) AS first_report_at_ms, max(last_report_at_ms) AS last_report_at_ms";

impl SqliteQuery for BroadcastQuery {
    fn answer(self, reader: &Reader) -> Result<Listing<BroadcastRecord>, Error> {
        let Self {
            source,
            scope,
            window,
        } = self;
        let Some(scope) = narrowed(scope, source) else {
            return Ok(Listing::from(Vec::new()));
        };
        reader.read("list broadcasts", |connection| {
            let begun = Instant::now();
            let found = match reader.by_index(connection, &scope, window)? {
                Some(found) => Listing::page(found, window.limit, None),
                None => reader.list_on(connection, &firsts(&scope), window, read_first)?,
            };
            let mut broadcasts = Listing {
                rows: Vec::with_capacity(found.rows.len()),
                next: found.next,
                reached: found.reached,
            };
            let mut last: Option<Reached> = None;
            for first in found.rows {
                // Counting looks at each message: what there is no time for is left to the next page.
                if let Some(last) = last
                    && begun.elapsed() >= reader.budget
                {
                    broadcasts.next = Some(last.place);
                    broadcasts.reached = Some(last);
                    return Ok(broadcasts);
                }
                let counted = counted(connection, &scope, &first.broadcast, Some(first.source_id))?;
                last = counted.last().map(|record| Reached {
                    place: ListPlace::of(first.message_id),
                    at_ms: Some(record.first_report_at_ms),
                });
                broadcasts.rows.extend(counted);
            }
            Ok(broadcasts)
        })
    }
}

/// What is left of a scope at one source, where one is named; `None` where it is out of the scope.
fn narrowed(scope: Scope, source: Option<String>) -> Option<Scope> {
    let Some(source) = source else {
        return Some(scope);
    };
    let is_seen = scope.sources.is_empty() || scope.sources.contains(&source);
    is_seen.then(|| Scope {
        sources: vec![source],
        ..scope
    })
}

impl Reader {
    /// Looks through the index of broadcasts, which has no order by key, for each with its key;
    /// `None` when that took half of a list's time, because there are so many messages.
    fn by_index(
        &self,
        connection: &Connection,
        scope: &Scope,
        window: Window,
    ) -> rusqlite::Result<Option<Vec<(i64, First)>>> {
        self.cut_at(connection, Instant::now() + self.budget / 2)?;
        let (sql, values) = grouped(scope, window);
        let found = connection
            .prepare(&sql)?
            .query_map(params_from_iter(&values), |row| {
                let first = read_first(row)?;
                Ok((first.message_id, first))
            })
            .and_then(Iterator::collect);
        self.cut_at_last(connection)?;
        match found {
            Err(error) if self.is_over(&error) => Ok(None),
            found => found.map(Some),
        }
    }
}

impl SqliteQuery for BroadcastDetailQuery {
    fn answer(self, reader: &Reader) -> Result<BroadcastDetail, Error> {
        let Self { id, scope, .. } = &self;
        let broadcasts = reader.read("read the broadcast", |connection| {
            let mut found = counted(connection, scope, id, None)?;
            for poll in polls(connection, scope, id)? {
                if !found
                    .iter()
                    .any(|broadcast| broadcast.source == poll.source)
                {
                    found.push(BroadcastRecord::of_poll(poll));
                }
            }
            if let Some(source) = &self.source {
                found.retain(|broadcast| broadcast.source == *source);
            }
            Ok(found)
        })?;
        let messages = match &broadcasts[..] {
            [broadcast] => self.messages(reader, broadcast)?,
            _ => Vec::new().into(),
        };
        Ok(BroadcastDetail {
            broadcasts,
            messages,
        })
    }
}

impl BroadcastDetailQuery {
    fn messages(
        &self,
        reader: &Reader,
        broadcast: &BroadcastRecord,
    ) -> Result<Listing<BroadcastMessage>, Error> {
        let select = |_: &Connection| Ok(messages(broadcast, &self.scope));
        reader.list(
            "read the messages of the broadcast",
            self.window,
            select,
            |row| {
                Ok(BroadcastMessage {
                    message_id: row.get("message_id")?,
                    recipient: row.get("recipient")?,
                    provider_message_id: row.get("provider_message_id")?,
                    status: row.get("status")?,
                    error: read_error(row)?,
                    last_report_at_ms: row.get("last_report_at_ms")?,
                })
            },
        )
    }
}

/// The first message of a broadcast at a source.
struct First {
    broadcast: String,
    source_id: i64,
    message_id: i64,
}

fn read_first(row: &Row<'_>) -> rusqlite::Result<First> {
    Ok(First {
        broadcast: row.get(0)?,
        source_id: row.get(1)?,
        message_id: row.get(2)?,
    })
}

/// The statement that has the first message of each broadcast, by their index: one more than the
/// page has.
pub(super) fn grouped(scope: &Scope, window: Window) -> (String, Vec<Value>) {
    let mut clause = Clause::default();
    clause.and("broadcast IS NOT NULL");
    seen(&mut clause, scope, "message");
    let behind = clause.bind(window.behind.map_or(i64::MAX, ListPlace::key));
    let wanted = i64::try_from(window.limit.saturating_add(1)).unwrap_or(i64::MAX);
    let wanted = clause.bind(wanted);
    let sql = format!(
        "SELECT broadcast, source_id, min(message_id) FROM message WHERE {} \
         GROUP BY broadcast, source_id \
         HAVING min(message_id) < {behind} ORDER BY min(message_id) DESC LIMIT {wanted}",
        clause.text()
    );
    (sql, clause.values().to_vec())
}

/// The same by parts of the keys: a message with none of its broadcast before it.
pub(super) fn firsts(scope: &Scope) -> Select {
    let mut clause = Clause::default();
    clause.and("message.broadcast IS NOT NULL");
    seen(&mut clause, scope, "message");
    let mut earlier = Clause::after(&clause);
    earlier.and(
        "earlier.broadcast = message.broadcast AND earlier.source_id = message.source_id \
         AND earlier.message_id < message.message_id",
    );
    seen(&mut earlier, scope, "earlier");
    clause.and_not_exists("message AS earlier", earlier);
    let head = "SELECT message.broadcast, message.source_id, message.message_id \
                FROM message NOT INDEXED";
    clause.select(head, MESSAGES, ranges::all())
}

/// The statement of the messages of a broadcast.
pub(super) fn messages(broadcast: &BroadcastRecord, scope: &Scope) -> Select {
    let mut clause = Clause::default();
    clause.and_if("message.broadcast = ?", Some(broadcast.id.clone()));
    search::of_source(&mut clause, Some(&broadcast.source), "message");
    seen(&mut clause, scope, "message");
    let head = "SELECT message_id, recipient, provider_message_id, status, error_key, \
                error_code, error_title, error_details, last_report_at_ms FROM message";
    let keyed = ListedTable {
        order: ListOrder::OldestFirst,
        ..MESSAGES
    };
    clause.select(head, keyed, ranges::all())
}

fn counted(
    connection: &Connection,
    scope: &Scope,
    broadcast: &str,
    source_id: Option<i64>,
) -> rusqlite::Result<Vec<BroadcastRecord>> {
    let mut clause = Clause::default();
    clause.and_if("message.broadcast = ?", Some(broadcast.to_owned()));
    clause.and_if("message.source_id = ?", source_id);
    seen(&mut clause, scope, "message");
    let sql = format!(
        "SELECT {COUNTS} FROM message JOIN source USING (source_id) WHERE {} \
         GROUP BY message.source_id ORDER BY source.name",
        clause.text()
    );
    let mut found: Vec<BroadcastRecord> = connection
        .prepare_cached(&sql)?
        .query_map(params_from_iter(clause.values()), read_broadcast)?
        .collect::<rusqlite::Result<_>>()?;
    for poll in polls(connection, scope, broadcast)? {
        let mut ours = found.iter_mut();
        if let Some(ours) = ours.find(|broadcast| broadcast.source == poll.source) {
            ours.cover(&poll);
        }
    }
    Ok(found)
}

/// The broadcast of that id. A scope that sees only some of its messages counts those alone.
fn polls(
    connection: &Connection,
    scope: &Scope,
    broadcast: &str,
) -> rusqlite::Result<Vec<PollRecord>> {
    if scope.owner.is_some() {
        return Ok(Vec::new());
    }
    let mut found = polls_of(connection, broadcast)?;
    found.retain(|poll| scope.sources.is_empty() || scope.sources.contains(&poll.source));
    Ok(found)
}

fn read_broadcast(row: &Row<'_>) -> rusqlite::Result<BroadcastRecord> {
    Ok(BroadcastRecord {
        id: row.get("broadcast")?,
        source: row.get("source")?,
        ends_at_sent: row.get("ends_at_sent")?,
        counts: BroadcastCounts {
            total: row.get("total")?,
            success: row.get("success")?,
            failure: row.get("failure")?,
            pending: row.get("pending")?,
        },
        first_report_at_ms: row.get("first_report_at_ms")?,
        last_report_at_ms: row.get("last_report_at_ms")?,
    })
}
