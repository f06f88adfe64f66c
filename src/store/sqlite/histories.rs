//! Reading forwards: how each came to its end, attempt by attempt.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::reader::{Reader, maybe_word, word};
use crate::model::{ErrorCode, ForwardState};
use crate::store::Error;
use crate::store::query::{AttemptOutcome, AttemptQuery, ForwardQuery, Scope};
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

impl Reader {
    /// The forwards that match, the newest first.
    ///
    /// # Errors
    /// As every read.
    pub fn forwards(&self, query: &ForwardQuery) -> Result<Vec<ForwardRecord>, Error> {
        self.read("list forwards", |connection| {
            connection
                .prepare(&format!(
                    "{SELECT_FORWARD} WHERE {} AND (?1 IS NULL OR forward.subscriber_id = ?1) \
                     AND (?2 IS NULL OR forward.owed_since_ms >= ?2) \
                     AND (?3 IS NULL OR forward.owed_since_ms < ?3) \
                     AND (?4 IS NULL OR forward.last_error = ?4) \
                     AND forward.forward_id < ?5 AND {} \
                     ORDER BY forward.forward_id DESC LIMIT ?6",
                    in_state(query.state),
                    seen("?7", "?8"),
                ))?
                .query_map(
                    params![
                        query.subscriber_id,
                        query.since_ms,
                        query.until_ms,
                        query.error.map(ErrorCode::as_str),
                        query.window.before.unwrap_or(i64::MAX),
                        query.window.limit,
                        query.scope.owner,
                        json_list(&query.scope.sources),
                    ],
                    read_forward,
                )?
                .collect()
        })
    }

    /// The attempts that match, the newest first.
    ///
    /// # Errors
    /// As every read.
    pub fn attempts(&self, query: &AttemptQuery) -> Result<Vec<AttemptAt>, Error> {
        self.read("list attempts", |connection| {
            connection
                .prepare(&format!(
                    "SELECT attempt.*, forward.uid, subscriber.name AS subscriber \
                     FROM attempt CROSS JOIN forward USING (forward_id) \
                     CROSS JOIN subscriber USING (subscriber_id) \
                     LEFT JOIN message ON message.message_id = forward.message_id \
                     WHERE (?1 IS NULL OR forward.subscriber_id = ?1) \
                     AND (?2 IS NULL OR attempt.started_at_ms >= ?2) \
                     AND (?3 IS NULL OR attempt.started_at_ms < ?3) \
                     AND (?4 IS NULL OR attempt.error_code = ?4) \
                     AND (?5 IS NULL OR (attempt.error_code IS NULL) = ?5) \
                     AND attempt.attempt_id < ?6 AND {} \
                     ORDER BY attempt.attempt_id DESC LIMIT ?7",
                    seen("?8", "?9"),
                ))?
                .query_map(
                    params![
                        query.subscriber_id,
                        query.since_ms,
                        query.until_ms,
                        query.error.map(ErrorCode::as_str),
                        query.outcome.map(|it| it == AttemptOutcome::Delivered),
                        query.window.before.unwrap_or(i64::MAX),
                        query.window.limit,
                        query.scope.owner,
                        json_list(&query.scope.sources),
                    ],
                    |row| {
                        let uid: [u8; 16] = row.get("uid")?;
                        Ok(AttemptAt {
                            attempt_id: row.get("attempt_id")?,
                            forward_id: row.get("forward_id")?,
                            uid: Uuid::from_bytes(uid),
                            subscriber: row.get("subscriber")?,
                            attempt: read_attempt(row)?,
                        })
                    },
                )?
                .collect()
        })
    }

    /// The forward with this `webhook-id`, now or formerly, or this key; `None` when there is
    /// none to be seen.
    ///
    /// # Errors
    /// As every read.
    pub fn forward(&self, id: &str, scope: &Scope) -> Result<Option<ForwardDetail>, Error> {
        self.read("read the forward", |connection| {
            let key = match (Uuid::parse_str(id.trim()), id.trim().parse::<i64>()) {
                (Ok(uid), _) => key_of(connection, uid)?,
                (_, Ok(key)) => Some(key),
                _ => None,
            };
            let Some(key) = key else { return Ok(None) };
            detail(connection, key, scope)
        })
    }
}

/// A forward with all there is to it, if it is in this scope.
pub(super) fn detail(
    connection: &Connection,
    key: i64,
    scope: &Scope,
) -> rusqlite::Result<Option<ForwardDetail>> {
    let found = connection
        .query_row(
            &format!(
                "{SELECT_FORWARD} WHERE forward.forward_id = ?1 AND {}",
                seen("?2", "?3")
            ),
            params![key, scope.owner, json_list(&scope.sources)],
            |row| {
                let payload_id: i64 = row.get("payload_id")?;
                let url: String = row.get("url")?;
                Ok((read_forward(row)?, url, payload_id))
            },
        )
        .optional()?;
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

/// The key of the forward that has this id, or had it before it was sent again with a new one.
fn key_of(connection: &Connection, uid: Uuid) -> rusqlite::Result<Option<i64>> {
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
fn former_uids(connection: &Connection, forward_id: i64) -> rusqlite::Result<Vec<Uuid>> {
    connection
        .prepare("SELECT uid FROM former_uid WHERE forward_id = ?1 ORDER BY replaced_at_ms, uid")?
        .query_map([forward_id], |row| Ok(Uuid::from_bytes(row.get(0)?)))?
        .collect()
}

/// Whether a forward may be seen by who has that owner (or none) and those sources (or any).
fn seen(owner: &str, sources: &str) -> String {
    format!(
        "({owner} IS NULL OR subscriber.owner = {owner}) \
         AND ({sources} IS NULL OR message.source_id IN (SELECT source_id FROM source \
         WHERE name IN (SELECT value FROM json_each({sources}))))"
    )
}

/// A list as SQL takes it in; `None` for an empty one, which means any.
pub(super) fn json_list(words: &[String]) -> Option<String> {
    let list = serde_json::to_string(words).unwrap_or_default();
    (!words.is_empty()).then_some(list)
}

/// As literal text, so that the index of what is pending can be used.
fn in_state(state: Option<ForwardState>) -> String {
    state.map_or_else(
        || "1".to_owned(),
        |state| format!("forward.state = '{}'", state.as_str()),
    )
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
    Ok(ForwardRecord {
        forward_id: row.get("forward_id")?,
        uid: Uuid::from_bytes(uid),
        subscriber: row.get("subscriber")?,
        subscriber_state: word(row, "subscriber_state")?,
        subscriber_failing_since_ms: row.get("failing_since_ms")?,
        subscriber_removed: row.get("removed")?,
        message_id: row.get("message_id")?,
        provider_message_id: row.get("provider_message_id")?,
        recipient: row.get("recipient")?,
        report_id: row.get("report_id")?,
        status: maybe_word(row, "status")?,
        state: word(row, "state")?,
        gave_up: maybe_word(row, "gave_up")?,
        attempts: row.get("attempts")?,
        owed_since_ms: row.get("owed_since_ms")?,
        due_at_ms: row.get("due_at_ms")?,
        last_attempt_ms: row.get("last_attempt_ms")?,
        settled_at_ms: row.get("settled_at_ms")?,
        last_error: maybe_word(row, "last_error")?,
    })
}

fn read_attempt(row: &Row<'_>) -> rusqlite::Result<AttemptRecord> {
    Ok(AttemptRecord {
        number: row.get("number")?,
        started_at_ms: row.get("started_at_ms")?,
        duration_ms: row.get("duration_ms")?,
        http_status: row.get("http_status")?,
        error_code: maybe_word(row, "error_code")?,
        detail: row.get("detail")?,
        excerpt: row.get("excerpt")?,
    })
}
