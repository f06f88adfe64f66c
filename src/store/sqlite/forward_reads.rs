//! Reading forwards: how each came to its end, attempt by attempt.

use std::time::Instant;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use uuid::Uuid;

use super::clause::{Clause, Select};
use super::listing::ListedTable;
use super::ranges::{self, Timed};
use super::reader::{Reader, SqliteQuery};
use super::{messages, search};
use crate::model::{ForwardKey, ForwardState, MessageKey, ReportKey, SubscriberKey, Word as _};
use crate::store::Error;
use crate::store::query::{
    AttemptOutcome, AttemptQuery, ForwardDetailQuery, ForwardQuery, ForwardsByIdQuery, ListPlace,
    Listing, Scope,
};
use crate::store::timeline::{
    AttemptAt, AttemptRecord, ForwardDetail, ForwardHistory, ForwardRecord,
};

const SELECT_FORWARD: &str = "SELECT forward.*, subscriber.name AS subscriber, subscriber.url, \
     subscriber.state AS subscriber_state, subscriber.failing_since_ms, \
     subscriber.removed_at_ms IS NOT NULL AS removed, \
     message.provider_message_id, message.recipient, report.status \
     FROM forward JOIN subscriber USING (subscriber_id) \
     LEFT JOIN message ON message.message_id = forward.message_id \
     LEFT JOIN report ON report.report_id = forward.report_id";

const SELECT_ATTEMPT: &str = "SELECT attempt.*, forward.uid, subscriber.name AS subscriber \
     FROM attempt CROSS JOIN forward USING (forward_id) \
     CROSS JOIN subscriber USING (subscriber_id) \
     LEFT JOIN message ON message.message_id = forward.message_id";

pub(super) const FORWARDS: ListedTable =
    ListedTable::newest("forward", "forward_id", "pending_since_ms");
const ATTEMPTS: ListedTable = ListedTable::newest("attempt", "attempt_id", "started_at_ms");

impl SqliteQuery for ForwardQuery {
    fn answer(self, reader: &Reader) -> Result<Listing<ForwardRecord>, Error> {
        reader.read("list forwards", |connection| {
            if self.state == Some(ForwardState::Pending) {
                let found = reader.pending_forwards(connection, &self)?;
                if let Some(found) = found {
                    return Ok(Listing::page(found, self.window.limit, None));
                }
            }
            let select = forwards(connection, &self, Of::AnyState)?;
            reader.list_on(connection, &select, self.window, read_forward)
        })
    }
}

impl Reader {
    /// Looks through the index of what is pending, which has no order by key, for each forward with
    /// its key; `None` when that took half of a list's time, because so much is.
    fn pending_forwards(
        &self,
        connection: &Connection,
        query: &ForwardQuery,
    ) -> rusqlite::Result<Option<Vec<(i64, ForwardRecord)>>> {
        self.cut_at(connection, Instant::now() + self.budget / 2)?;
        let select = forwards(connection, query, Of::Pending)?;
        let behind = query.window.behind.map_or(i64::MAX, ListPlace::key);
        let wanted = i64::try_from(query.window.limit.saturating_add(1)).unwrap_or(i64::MAX);
        let ends = [0, behind.saturating_sub(1), wanted].map(Value::from);
        let values = select.values.iter().chain(&ends);
        let found = connection
            .prepare(&select.sql)?
            .query_map(params_from_iter(values), |row| {
                let key: i64 = row.get("forward_id")?;
                Ok((key, read_forward(row)?))
            })
            .and_then(Iterator::collect);
        self.cut_at_last(connection)?;
        match found {
            Err(error) if self.is_over(&error) => Ok(None),
            found => found.map(Some),
        }
    }
}

impl SqliteQuery for AttemptQuery {
    fn answer(self, reader: &Reader) -> Result<Listing<AttemptAt>, Error> {
        let select = |connection: &Connection| attempts(connection, &self);
        reader.list("list attempts", self.window, select, |row| {
            let uid: [u8; 16] = row.get("uid")?;
            Ok(AttemptAt {
                attempt_id: row.get("attempt_id")?,
                forward_id: row.get("forward_id")?,
                uid: Uuid::from_bytes(uid),
                subscriber: row.get("subscriber")?,
                attempt: read_attempt(row)?,
            })
        })
    }
}

impl SqliteQuery for ForwardDetailQuery {
    fn answer(self, reader: &Reader) -> Result<Option<ForwardDetail>, Error> {
        reader.read("read the forward", |connection| {
            let Some(key) = key_of(connection, &self.id)? else {
                return Ok(None);
            };
            detail(connection, key, &self.scope)
        })
    }
}

impl SqliteQuery for ForwardsByIdQuery {
    fn answer(self, reader: &Reader) -> Result<Vec<Option<ForwardRecord>>, Error> {
        reader.read("read the forwards", |connection| {
            let find = |id: &String| {
                let Some(key) = key_of(connection, id)? else {
                    return Ok(None);
                };
                one(connection, key, &self.scope, read_forward)
            };
            self.ids.iter().map(find).collect()
        })
    }
}

/// By which way a list of forwards is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Part by part of the keys.
    AnyState,
    /// By the index of what is pending.
    Pending,
}

/// The statement of a list of forwards.
pub(super) fn forwards(
    connection: &Connection,
    query: &ForwardQuery,
    way: Of,
) -> rusqlite::Result<Select> {
    let mut clause = Clause::default();
    // As literal text, so that the index of what is pending can be used.
    if let Some(state) = query.state {
        clause.and(format!("forward.state = '{}'", state.as_str()));
    }
    // That index is of no use for a part of the keys: the sign keeps SQLite from it.
    let subscriber = match way {
        Of::AnyState => "+forward.subscriber_id = ?",
        Of::Pending => "forward.subscriber_id = ?",
    };
    clause.and_if(subscriber, query.subscriber_id);
    if let Some(message) = &query.message {
        let keys = messages::keys_of(connection, message)?;
        let keys = serde_json::to_string(&keys).unwrap_or_default();
        let condition = "forward.message_id IN (SELECT value FROM json_each(?))";
        clause.and_if(condition, Some(keys));
    }
    clause.and_if("forward.pending_since_ms >= ?", query.since_ms);
    clause.and_if("forward.pending_since_ms < ?", query.until_ms);
    let error = query.error;
    clause.and_if("forward.last_error = ?", error);
    let status = query.status;
    clause.and_if("report.status = ?", status);
    search::of_source(&mut clause, query.source.as_deref(), "message");
    seen(&mut clause, &query.scope);
    let recipient = (query.recipient.as_ref(), &query.scope);
    search::of_recipient(connection, &mut clause, recipient)?;
    let head = match way {
        Of::AnyState => SELECT_FORWARD.to_owned(),
        Of::Pending => SELECT_FORWARD.replace(
            "FROM forward JOIN",
            "FROM forward INDEXED BY forward_due JOIN",
        ),
    };
    let keys = ranges::within(connection, Timed::Forward, query.since_ms, query.until_ms)?;
    Ok(clause.select(&head, FORWARDS, keys))
}

/// The statement of a list of attempts.
pub(super) fn attempts(connection: &Connection, query: &AttemptQuery) -> rusqlite::Result<Select> {
    let mut clause = Clause::default();
    clause.and_if("forward.subscriber_id = ?", query.subscriber_id);
    clause.and_if("attempt.started_at_ms >= ?", query.since_ms);
    clause.and_if("attempt.started_at_ms < ?", query.until_ms);
    let error = query.error;
    clause.and_if("attempt.error_code = ?", error);
    match query.outcome {
        Some(AttemptOutcome::Delivered) => clause.and("attempt.error_code IS NULL"),
        Some(AttemptOutcome::Failed) => clause.and("attempt.error_code IS NOT NULL"),
        None => {}
    }
    seen(&mut clause, &query.scope);
    let keys = ranges::within(connection, Timed::Attempt, query.since_ms, query.until_ms)?;
    Ok(clause.select(SELECT_ATTEMPT, ATTEMPTS, keys))
}

/// A forward with all there is to it, if it is in this scope.
pub(super) fn detail(
    connection: &Connection,
    key: ForwardKey,
    scope: &Scope,
) -> rusqlite::Result<Option<ForwardDetail>> {
    let found = one(connection, key, scope, |row| {
        let payload_id: i64 = row.get("payload_id")?;
        let url: String = row.get("url")?;
        Ok((read_forward(row)?, url, payload_id))
    })?;
    let Some((forward, url, payload_id)) = found else {
        return Ok(None);
    };
    let payload: Option<Vec<u8>> = connection
        .query_row(
            "SELECT body FROM payload WHERE payload_id = ?1",
            [payload_id],
            |row| row.get(0),
        )
        .optional()?;
    Ok(Some(ForwardDetail {
        former_uids: former_uids(connection, key)?,
        forward: with_history(connection, forward)?,
        url,
        payload: String::from_utf8_lossy(&payload.unwrap_or_default()).into_owned(),
    }))
}

/// A forward with this key, as `read` reads it, if it is in this scope.
fn one<T>(
    connection: &Connection,
    key: ForwardKey,
    scope: &Scope,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    let mut clause = Clause::default();
    clause.and_if("forward.forward_id = ?", Some(key));
    seen(&mut clause, scope);
    let sql = format!("{SELECT_FORWARD} WHERE {}", clause.text());
    connection
        .prepare_cached(&sql)?
        .query_row(params_from_iter(clause.values()), read)
        .optional()
}

/// The key of the forward that has this `webhook-id`, or had it before it was sent again with a new
/// one, or the key that is written there.
fn key_of(connection: &Connection, id: &str) -> rusqlite::Result<Option<ForwardKey>> {
    let id = id.trim();
    let Ok(uid) = Uuid::parse_str(id) else {
        return Ok(id.parse().ok());
    };
    for table in ["forward", "former_uid"] {
        let found = connection
            .query_row(
                &format!("SELECT forward_id FROM {table} WHERE uid = ?1"),
                [uid.as_bytes()],
                |row| row.get(0),
            )
            .optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The ids that a forward had, the first one first.
fn former_uids(connection: &Connection, forward_id: ForwardKey) -> rusqlite::Result<Vec<Uuid>> {
    connection
        .prepare("SELECT uid FROM former_uid WHERE forward_id = ?1 ORDER BY replaced_at_ms, uid")?
        .query_map([forward_id], |row| Ok(Uuid::from_bytes(row.get(0)?)))?
        .collect()
}

/// Leaves of forwards those that may be seen: of the owner's subscribers, of the sources' messages.
fn seen(clause: &mut Clause, scope: &Scope) {
    clause.and_if("subscriber.owner = ?", scope.owner.clone());
    search::of_sources(clause, &scope.sources, "message");
}

/// A list as SQL takes it in; `None` for an empty one, which means any.
pub(super) fn json_list(words: &[String]) -> Option<String> {
    let list = serde_json::to_string(words).unwrap_or_default();
    (!words.is_empty()).then_some(list)
}

/// The forwards of one message with their attempts, in the order they were made.
pub(super) fn of_message(
    connection: &Connection,
    message_id: i64,
) -> rusqlite::Result<Vec<ForwardHistory>> {
    let forwards: Vec<ForwardRecord> = connection
        .prepare(&format!(
            "{SELECT_FORWARD} WHERE forward.message_id = ?1 ORDER BY forward.forward_id"
        ))?
        .query_map([message_id], read_forward)?
        .collect::<rusqlite::Result<_>>()?;
    forwards
        .into_iter()
        .map(|forward| with_history(connection, forward))
        .collect()
}

/// The alert that reported a failure with this error to a chat; `None` while it is gathered.
pub(super) fn alert_of(
    connection: &Connection,
    subscriber_id: SubscriberKey,
    (report_id, error_key): (i64, &str),
) -> rusqlite::Result<Option<ForwardRecord>> {
    connection
        .prepare_cached(&format!(
            "{SELECT_FORWARD} WHERE forward.subscriber_id = ?1 AND forward.report_id >= ?2 \
             AND forward.alert_failures IS NOT NULL AND coalesce(report.error_key, '') = ?3 \
             ORDER BY forward.report_id LIMIT 1"
        ))?
        .query_row(params![subscriber_id, report_id, error_key], read_forward)
        .optional()
}

fn with_history(
    connection: &Connection,
    forward: ForwardRecord,
) -> rusqlite::Result<ForwardHistory> {
    let history = connection
        .prepare_cached(
            "SELECT number, started_at_ms, duration_ms, http_status, error_code, detail, excerpt \
             FROM attempt WHERE forward_id = ?1 ORDER BY attempt_id",
        )?
        .query_map([forward.forward_id], read_attempt)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(ForwardHistory { forward, history })
}

fn read_forward(row: &Row<'_>) -> rusqlite::Result<ForwardRecord> {
    let uid: [u8; 16] = row.get("uid")?;
    // Other numbers stand for what events are about.
    let (message_id, report_id): (i64, i64) = (row.get("message_id")?, row.get("report_id")?);
    Ok(ForwardRecord {
        forward_id: row.get("forward_id")?,
        uid: Uuid::from_bytes(uid),
        subscriber: row.get("subscriber")?,
        subscriber_state: row.get("subscriber_state")?,
        subscriber_failing_since_ms: row.get("failing_since_ms")?,
        subscriber_removed: row.get("removed")?,
        message_id: (message_id > 0).then(|| MessageKey::of(message_id)),
        provider_message_id: row.get("provider_message_id")?,
        recipient: row.get("recipient")?,
        report_id: (report_id > 0).then(|| ReportKey::of(report_id)),
        status: row.get("status")?,
        state: row.get("state")?,
        gave_up: row.get("gave_up")?,
        attempts: row.get("attempts")?,
        pending_since_ms: row.get("pending_since_ms")?,
        due_at_ms: row.get("due_at_ms")?,
        last_attempt_ms: row.get("last_attempt_ms")?,
        settled_at_ms: row.get("settled_at_ms")?,
        alert_failures: row.get("alert_failures")?,
        last_error: row.get("last_error")?,
    })
}

fn read_attempt(row: &Row<'_>) -> rusqlite::Result<AttemptRecord> {
    Ok(AttemptRecord {
        number: row.get("number")?,
        started_at_ms: row.get("started_at_ms")?,
        duration_ms: row.get("duration_ms")?,
        http_status: row.get("http_status")?,
        error_code: row.get("error_code")?,
        detail: row.get("detail")?,
        excerpt: row.get("excerpt")?,
    })
}
