//! Reading messages for somebody who may see a part of them, page by page, and counting them.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::histories::json_list;
use super::messages::{SELECT_MESSAGE, read_message};
use super::reader::{Reader, maybe_word};
use crate::model::{Status, digits};
use crate::store::Error;
use crate::store::overview::{MessageCount, SourceActivity};
use crate::store::query::{MessageQuery, Scope};
use crate::store::timeline::{MessageRecord, Timeline};

/// Messages are in order of their first report, but for what a clock that was set back
/// has done: this much of that is allowed for, ms.
const CLOCK_MS: i64 = 3_600_000;

/// Whether a message may be seen: one of those that the owner (`?1`) registered at a source that
/// names it (of the list `owned`), or that a subscriber of the owner was to be told of, from one
/// of the sources (`?2`).
pub(super) fn seen(owned: &str) -> String {
    format!(
        "(?1 IS NULL OR EXISTS (SELECT 1 FROM forward JOIN subscriber \
         USING (subscriber_id) WHERE forward.message_id = message.message_id \
         AND subscriber.owner = ?1) OR (source.name IN (SELECT value FROM json_each({owned})) \
         AND EXISTS (SELECT 1 FROM registration AS own \
         WHERE own.message_id = message.message_id AND own.owner = ?1))) \
         AND (?2 IS NULL OR source.name IN (SELECT value FROM json_each(?2)))"
    )
}

impl Reader {
    /// The messages that match, the newest first.
    ///
    /// Recipients have no index: this reads from the newest back to `since_ms`.
    ///
    /// # Errors
    /// As every read.
    pub fn search(&self, query: &MessageQuery) -> Result<Vec<MessageRecord>, Error> {
        self.read("search messages", |connection| {
            let recipient = query.recipient.as_deref().map(digits);
            let error_code: Option<i64> =
                query.error.as_deref().and_then(|error| error.parse().ok());
            let recipients = [
                "report.recipient",
                "recipient_user_id",
                "recipient_parent_user_id",
                "participant",
            ];
            // A number is compared by its digits, an id as it is.
            let recipients = [recipients.map(plain), recipients.map(str::to_owned)].concat();
            let recipients = recipients.join(", ");
            let first = first_message_since(connection, query.since_ms)?;
            connection
                .prepare(&format!(
                    "{SELECT_MESSAGE} WHERE {} \
                     AND (?3 IS NULL OR provider_message_id = ?3) \
                     AND (?4 IS NULL OR ?4 IN ({}, message.recipient) OR EXISTS (SELECT 1 FROM report \
                     WHERE report.message_id = message.message_id AND ?4 IN ({recipients}))) \
                     AND (?5 IS NULL OR status = ?5) \
                     AND (?6 IS NULL OR error_key = ?6 OR error_code = ?7) \
                     AND (?8 IS NULL OR source.name = ?8) \
                     AND (?9 IS NULL OR message.bulk_id = ?9) \
                     AND (?10 IS NULL OR first_report_at_ms >= ?10) \
                     AND (?11 IS NULL OR first_report_at_ms < ?11) \
                     AND message.message_id < ?12 AND message.message_id >= ?13 \
                     AND (?15 IS NULL OR (silent_after_ms < ?15 AND coalesce(delivered_at_ms, \
                     read_at_ms, failed_at_ms, deleted_at_ms) IS NULL)) \
                     ORDER BY message.message_id DESC LIMIT ?14",
                    seen("?16"),
                    plain("message.recipient")
                ))?
                .query_map(
                    params![
                        query.scope.owner,
                        json_list(&query.scope.sources),
                        query.provider_message_id,
                        recipient,
                        query.status.map(Status::as_str),
                        query.error,
                        error_code,
                        query.source,
                        query.bulk_id,
                        query.since_ms,
                        query.until_ms,
                        query.window.before.unwrap_or(i64::MAX),
                        first,
                        query.window.limit,
                        query.silent_at_ms,
                        query.scope.owned(),
                    ],
                    read_message,
                )?
                .collect()
        })
    }

    /// All that may be seen of the newest message with this id of the provider's, or this key;
    /// `None` when there is none to be seen.
    ///
    /// # Errors
    /// As every read.
    pub fn timeline_of(&self, id: &str, scope: &Scope) -> Result<Option<Timeline>, Error> {
        let key = self.read("look for the message", |connection| {
            let find = |condition: &str, id: &dyn rusqlite::ToSql| {
                connection
                    .query_row(
                        &format!(
                            "SELECT message_id FROM message JOIN source USING (source_id) \
                             WHERE {condition} = ?3 AND {} ORDER BY message_id DESC LIMIT 1",
                            seen("?4")
                        ),
                        params![scope.owner, json_list(&scope.sources), id, scope.owned()],
                        |row| row.get::<_, i64>(0),
                    )
                    .optional()
            };
            let found = find("provider_message_id", &id)?;
            match (found, id.parse::<i64>()) {
                (None, Ok(key)) => find("message_id", &key),
                _ => Ok(found),
            }
        })?;
        let Some(key) = key else { return Ok(None) };
        let Some(mut timeline) = self.timeline(key)? else {
            return Ok(None);
        };
        if let Some(owner) = &scope.owner {
            self.keep_owners(owner, key, &mut timeline)?;
        }
        Ok(Some(timeline))
    }

    /// Leaves of a timeline what is about the owner's subscribers.
    fn keep_owners(
        &self,
        owner: &str,
        message_id: i64,
        timeline: &mut Timeline,
    ) -> Result<(), Error> {
        let (forwards, names) = self.read("read whose forwards they are", |connection| {
            let forwards: Vec<i64> = connection
                .prepare(
                    "SELECT forward_id FROM forward JOIN subscriber USING (subscriber_id) \
                     WHERE message_id = ?1 AND owner = ?2",
                )?
                .query_map(params![message_id, owner], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let names: Vec<String> = connection
                .prepare("SELECT name FROM subscriber WHERE owner = ?1 AND removed_at_ms IS NULL")?
                .query_map([owner], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            Ok((forwards, names))
        })?;
        for report in &mut timeline.reports {
            report
                .forwards
                .retain(|forward| forwards.contains(&forward.forward.forward_id));
            report
                .refusals
                .retain(|refusal| names.contains(&refusal.subscriber));
        }
        Ok(())
    }

    /// How many messages that were first reported since then are in which status, by source.
    ///
    /// # Errors
    /// As every read.
    pub fn count_messages(&self, since_ms: i64, scope: &Scope) -> Result<Vec<MessageCount>, Error> {
        self.read("count messages", |connection| {
            let first = first_message_since(connection, Some(since_ms))?;
            connection
                .prepare(&format!(
                    "SELECT source.name, status, count(*) AS messages \
                     FROM message JOIN source USING (source_id) \
                     WHERE {} AND message_id >= ?3 AND first_report_at_ms >= ?4 \
                     GROUP BY source.name, status ORDER BY source.name, status",
                    seen("?5")
                ))?
                .query_map(
                    params![
                        scope.owner,
                        json_list(&scope.sources),
                        first,
                        since_ms,
                        scope.owned()
                    ],
                    |row| {
                        Ok(MessageCount {
                            source: row.get(0)?,
                            status: maybe_word(row, "status")?,
                            messages: row.get(2)?,
                        })
                    },
                )?
                .collect()
        })
    }

    /// What came in by each source since then, and when the last webhook did.
    ///
    /// # Errors
    /// As every read.
    pub fn source_activity(&self, since_ms: i64) -> Result<Vec<SourceActivity>, Error> {
        self.read("read what came in", |connection| {
            let first: i64 = connection
                .query_row(
                    "SELECT webhook_id FROM webhook WHERE received_at_ms < ?1 \
                     ORDER BY webhook_id DESC LIMIT 1",
                    [since_ms - CLOCK_MS],
                    |row| row.get(0),
                )
                .optional()?
                .unwrap_or_default();
            connection
                .prepare(
                    "SELECT name, count(webhook_id), coalesce(sum(reports), 0), \
                     coalesce(sum(new_reports), 0), coalesce(sum(unreadable), 0), \
                     coalesce(max(received_at_ms), (SELECT received_at_ms FROM webhook AS older \
                     WHERE older.source_id = source.source_id ORDER BY webhook_id DESC LIMIT 1)) \
                     FROM source LEFT JOIN webhook ON webhook.source_id = source.source_id \
                     AND webhook_id >= ?1 AND received_at_ms >= ?2 GROUP BY source.source_id",
                )?
                .query_map([first, since_ms], read_activity)?
                .collect()
        })
    }
}

fn read_activity(row: &Row<'_>) -> rusqlite::Result<SourceActivity> {
    Ok(SourceActivity {
        source: row.get(0)?,
        webhooks: row.get(1)?,
        reports: row.get(2)?,
        new_reports: row.get(3)?,
        unreadable: row.get(4)?,
        last_seen_ms: row.get(5)?,
    })
}

/// The key of a message that is older than all that were first reported since then.
fn first_message_since(connection: &Connection, since_ms: Option<i64>) -> rusqlite::Result<i64> {
    let Some(since_ms) = since_ms else {
        return Ok(0);
    };
    let found = connection
        .query_row(
            "SELECT message_id FROM message WHERE first_report_at_ms < ?1 \
             ORDER BY message_id DESC LIMIT 1",
            [since_ms.saturating_sub(CLOCK_MS)],
            |row| row.get(0),
        )
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// A column as [`digits`] leaves a number: without what people write between digits.
fn plain(column: &str) -> String {
    ["+", " ", "-", "(", ")", ".", "/"]
        .iter()
        .fold(column.to_owned(), |text, letter| {
            format!("replace({text}, '{letter}', '')")
        })
}
