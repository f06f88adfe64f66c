//! Reading broadcasts: their list, how each stands, and its messages page by page.
//!
//! The index on bulk ids holds them by id and source and then in order of arrival, so a page of
//! messages costs what it shows; how a broadcast stands costs a look at each of its messages.

use rusqlite::{Connection, Row, params};

use super::histories::json_list;
use super::messages::read_error;
use super::polls::polls_of;
use super::reader::{Reader, maybe_word};
use super::search::seen;
use crate::provider::Provider;
use crate::store::Error;
use crate::store::broadcast::{BroadcastCounts, BroadcastMessage, BroadcastRecord};
use crate::store::poll::{PollRecord, PollState};
use crate::store::query::{Scope, Window};

/// As `v_broadcasts` counts.
const COUNTS: &str = "min(message_id) AS first_message_id, bulk_id, source.name AS source, \
     count(*) AS total, \
     count(*) FILTER (WHERE status IN ('delivered', 'read', 'deleted') \
         OR (status = 'sent' AND source.provider = 'botsquad')) AS success, \
     count(*) FILTER (WHERE status = 'failed') AS failure, \
     count(*) FILTER (WHERE status IS NULL OR status = 'queued' \
         OR (status = 'sent' AND source.provider <> 'botsquad')) AS pending, \
     source.provider AS provider, \
     min(first_report_at_ms) AS first_report_at_ms, max(last_report_at_ms) AS last_report_at_ms";

impl Reader {
    /// Broadcasts, the newest first, by the keys of their first messages.
    ///
    /// # Errors
    /// As every read.
    pub fn broadcasts(&self, scope: &Scope, window: Window) -> Result<Vec<BroadcastRecord>, Error> {
        self.read("list broadcasts", |connection| {
            // For who sees everything the index alone is read.
            let (join, seen) = if *scope == Scope::default() {
                ("", "?1 IS NULL AND ?2 IS NULL AND ?5 = '[]'".to_owned())
            } else {
                ("JOIN source USING (source_id)", seen("?5"))
            };
            let found: Vec<(String, i64)> = connection
                .prepare(&format!(
                    "SELECT bulk_id, message.source_id FROM message {join} \
                     WHERE bulk_id IS NOT NULL AND {seen} GROUP BY bulk_id, message.source_id \
                     HAVING min(message_id) < ?3 ORDER BY min(message_id) DESC LIMIT ?4"
                ))?
                .query_map(
                    params![
                        scope.owner,
                        json_list(&scope.sources),
                        window.before.unwrap_or(i64::MAX),
                        window.limit,
                        scope.owned()
                    ],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )?
                .collect::<rusqlite::Result<_>>()?;
            let mut broadcasts = Vec::with_capacity(found.len());
            for (bulk_id, source_id) in found {
                broadcasts.extend(counted(connection, scope, &bulk_id, Some(source_id))?);
            }
            Ok(broadcasts)
        })
    }

    /// How the broadcasts of this id stand: one for each source that has it.
    ///
    /// # Errors
    /// As every read.
    pub fn broadcast(&self, bulk_id: &str, scope: &Scope) -> Result<Vec<BroadcastRecord>, Error> {
        self.read("read the broadcast", |connection| {
            let mut found = counted(connection, scope, bulk_id, None)?;
            for poll in polls(connection, scope, bulk_id)? {
                if !found
                    .iter()
                    .any(|broadcast| broadcast.source == poll.source)
                {
                    found.push(registered(poll));
                }
            }
            Ok(found)
        })
    }

    /// The messages of a broadcast that follow the key `after`, in the order of arrival.
    ///
    /// # Errors
    /// As every read.
    pub fn broadcast_messages(
        &self,
        broadcast: &BroadcastRecord,
        scope: &Scope,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<BroadcastMessage>, Error> {
        self.read("read the messages of the broadcast", |connection| {
            connection
                .prepare(&format!(
                    "SELECT message_id, recipient, provider_message_id, status, error_key, \
                     error_code, error_title, error_details, last_report_at_ms \
                     FROM message JOIN source USING (source_id) WHERE {} AND bulk_id = ?3 \
                     AND message.source_id = (SELECT source_id FROM source WHERE name = ?4) \
                     AND message_id > ?5 ORDER BY message_id LIMIT ?6",
                    seen("?7")
                ))?
                .query_map(
                    params![
                        scope.owner,
                        json_list(&scope.sources),
                        broadcast.bulk_id,
                        broadcast.source,
                        after.unwrap_or_default(),
                        limit,
                        scope.owned()
                    ],
                    |row| {
                        Ok(BroadcastMessage {
                            message_id: row.get("message_id")?,
                            recipient: row.get("recipient")?,
                            provider_message_id: row.get("provider_message_id")?,
                            status: maybe_word(row, "status")?,
                            error: read_error(row)?,
                            last_report_at_ms: row.get("last_report_at_ms")?,
                        })
                    },
                )?
                .collect()
        })
    }
}

fn counted(
    connection: &Connection,
    scope: &Scope,
    bulk_id: &str,
    source_id: Option<i64>,
) -> rusqlite::Result<Vec<BroadcastRecord>> {
    let mut found: Vec<BroadcastRecord> = connection
        .prepare_cached(&format!(
            "SELECT {COUNTS} FROM message JOIN source USING (source_id) \
             WHERE {} AND bulk_id = ?3 AND (?4 IS NULL OR message.source_id = ?4) \
             GROUP BY message.source_id ORDER BY source.name",
            seen("?5")
        ))?
        .query_map(
            params![
                scope.owner,
                json_list(&scope.sources),
                bulk_id,
                source_id,
                scope.owned()
            ],
            read_broadcast,
        )?
        .collect::<rusqlite::Result<_>>()?;
    for poll in polls(connection, scope, bulk_id)? {
        let mut ours = found.iter_mut();
        if let Some(ours) = ours.find(|broadcast| broadcast.source == poll.source) {
            cover(&mut ours.counts, &poll);
        }
    }
    Ok(found)
}

/// What is asked for by that id. Who sees but some messages of a broadcast is told of those alone.
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

/// Users whom the server counts and of whom nothing is taken in yet are pending, until it is done.
fn cover(counts: &mut BroadcastCounts, poll: &PollRecord) {
    let of_server = poll.counts;
    counts.total = counts.total.max(of_server.total.unwrap_or(0));
    if poll.state == PollState::Done {
        // An old server says of nobody that it succeeded.
        counts.success = counts.success.max(of_server.success.unwrap_or(0));
    } else {
        let ended = counts.success.saturating_add(counts.failure);
        let rest = counts.total.saturating_sub(ended);
        counts.pending = counts.pending.max(rest);
    }
    let sum = [counts.success, counts.failure, counts.pending]
        .iter()
        .sum();
    counts.total = counts.total.max(sum);
}

/// A broadcast of which no message is known yet.
fn registered(poll: PollRecord) -> BroadcastRecord {
    let mut counts = BroadcastCounts::default();
    cover(&mut counts, &poll);
    BroadcastRecord {
        first_message_id: 0,
        counts,
        bulk_id: poll.broadcast,
        source: poll.source,
        ends_at_sent: true,
        first_report_at_ms: poll.registered_at_ms,
        last_report_at_ms: poll.answered_at_ms.unwrap_or(poll.registered_at_ms),
    }
}

fn read_broadcast(row: &Row<'_>) -> rusqlite::Result<BroadcastRecord> {
    Ok(BroadcastRecord {
        first_message_id: row.get("first_message_id")?,
        bulk_id: row.get("bulk_id")?,
        source: row.get("source")?,
        ends_at_sent: row.get_ref("provider")?.as_str()? == Provider::Botsquad.as_str(),
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
