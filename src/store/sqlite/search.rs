//! Reading messages for somebody who may see a part of them, page by page, and counting them.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::histories::json_list;
use super::messages::{SELECT_MESSAGE, read_message};
use super::ranges::{self, Timed};
use super::reader::{Reader, maybe_word};
use super::same_person;
use crate::model::{Status, digits};
use crate::store::Error;
use crate::store::overview::{MessageCount, SourceActivity};
use crate::store::query::{MessageQuery, Scope};
use crate::store::timeline::{MessageRecord, Timeline};

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
    /// Recipients have no index: this reads from the newest on what may be of that time.
    ///
    /// # Errors
    /// As every read.
    pub fn search(&self, query: &MessageQuery) -> Result<Vec<MessageRecord>, Error> {
        self.read("search messages", |connection| {
            let recipient = names_of(connection, query)?;
            let error = query.error.as_deref();
            let error_code: Option<i64> = error.and_then(|error| error.parse().ok());
            let recipients = recipients_of_reports();
            let keys = ranges::within(connection, Timed::Message, query.since_ms, query.until_ms)?;
            let mut select = connection.prepare(&format!(
                "{SELECT_MESSAGE} WHERE {} \
                 AND (?3 IS NULL OR provider_message_id = ?3) \
                 AND (?4 IS NULL OR EXISTS (SELECT 1 FROM json_each(?4) AS name \
                 WHERE name.value IN ({}, message.recipient)) OR EXISTS (SELECT 1 FROM report \
                 JOIN json_each(?4) AS name ON name.value IN ({recipients}) \
                 WHERE report.message_id = message.message_id)) \
                 AND (?5 IS NULL OR status = ?5) \
                 AND (?6 IS NULL OR error_key = ?6 OR error_code = ?7) \
                 AND (?8 IS NULL OR source.name = ?8) \
                 AND (?9 IS NULL OR message.bulk_id = ?9) \
                 AND (?10 IS NULL OR first_report_at_ms >= ?10) \
                 AND (?11 IS NULL OR first_report_at_ms < ?11) \
                 AND message.message_id BETWEEN ?12 AND ?13 \
                 AND (?15 IS NULL OR (silent_after_ms < ?15 AND coalesce(delivered_at_ms, \
                 read_at_ms, failed_at_ms, deleted_at_ms) IS NULL)) \
                 AND (NOT ?17 OR registration.send_status = 'refused') \
                 AND (?18 IS NULL OR substr(message.channel || '_', 1, length(?18) + 1) = ?18 || '_') \
                 ORDER BY message.message_id DESC LIMIT ?14",
                seen("?16"),
                plain("message.recipient")
            ))?;
            let last_key = query.window.before.map_or(i64::MAX, |before| before - 1);
            let mut found = Vec::new();
            for (first, last) in keys {
                let mut rows = select.query(params![
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
                    first,
                    last.min(last_key),
                    query.window.limit - found.len(),
                    query.silent_at_ms,
                    query.scope.owned(),
                    query.refused,
                    query.channel,
                ])?;
                while let Some(row) = rows.next()? {
                    found.push(read_message(row)?);
                }
                if found.len() >= query.window.limit {
                    break;
                }
            }
            Ok(found)
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

    /// How many messages that were first reported since then, and before `until_ms`, are in which
    /// status, by source.
    ///
    /// # Errors
    /// As every read.
    pub fn count_messages(
        &self,
        since_ms: i64,
        until_ms: i64,
        scope: &Scope,
    ) -> Result<Vec<MessageCount>, Error> {
        self.read("count messages", |connection| {
            let keys = ranges::within(connection, Timed::Message, Some(since_ms), Some(until_ms))?;
            connection
                .prepare(&format!(
                    "SELECT source.name, status, count(*) AS messages \
                     FROM json_each(?3) AS keys CROSS JOIN message \
                     ON message_id BETWEEN keys.value ->> 0 AND keys.value ->> 1 \
                     JOIN source USING (source_id) \
                     WHERE {} AND first_report_at_ms >= ?4 AND first_report_at_ms < ?5 \
                     GROUP BY source.name, status ORDER BY source.name, status",
                    seen("?6")
                ))?
                .query_map(
                    params![
                        scope.owner,
                        json_list(&scope.sources),
                        ranges::as_json(&keys),
                        since_ms,
                        until_ms,
                        scope.owned(),
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

    /// What came in by each source from `since_ms` to `now_ms`, and when the last webhook did.
    ///
    /// # Errors
    /// As every read.
    pub fn source_activity(
        &self,
        since_ms: i64,
        now_ms: i64,
    ) -> Result<Vec<SourceActivity>, Error> {
        self.read("read what came in", |connection| {
            let until_ms = now_ms.saturating_add(1);
            let keys = ranges::within(connection, Timed::Webhook, Some(since_ms), Some(until_ms))?;
            // What came last was stamped by a clock that may have been ahead, or behind.
            connection
                .prepare(
                    "WITH lately AS (SELECT source_id, count(*) AS webhooks, \
                     sum(reports) AS reports, sum(new_reports) AS new_reports, \
                     sum(unreadable) AS unreadable, max(received_at_ms) AS latest_ms \
                     FROM json_each(?1) AS keys CROSS JOIN webhook \
                     ON webhook_id BETWEEN keys.value ->> 0 AND keys.value ->> 1 \
                     WHERE received_at_ms >= ?2 AND received_at_ms < ?3 GROUP BY source_id) \
                     SELECT name, coalesce(webhooks, 0), coalesce(reports, 0), \
                     coalesce(new_reports, 0), coalesce(unreadable, 0), coalesce(latest_ms, \
                     (SELECT received_at_ms FROM webhook AS older \
                     WHERE older.source_id = source.source_id AND received_at_ms < ?3 \
                     ORDER BY webhook_id DESC LIMIT 1), \
                     (SELECT received_at_ms FROM webhook AS newest \
                     WHERE newest.source_id = source.source_id \
                     ORDER BY webhook_id DESC LIMIT 1)) \
                     FROM source LEFT JOIN lately USING (source_id) ORDER BY source.source_id",
                )?
                .query_map(
                    params![ranges::as_json(&keys), since_ms, until_ms],
                    read_activity,
                )?
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

/// Whom a report may be about: a number is compared by its digits, an id as it is.
fn recipients_of_reports() -> String {
    let columns = [
        "report.recipient",
        "recipient_user_id",
        "recipient_parent_user_id",
        "participant",
    ];
    [columns.map(plain), columns.map(str::to_owned)]
        .concat()
        .join(", ")
}

/// Every name of the recipient who is looked for, as a JSON list.
fn names_of(connection: &Connection, query: &MessageQuery) -> rusqlite::Result<Option<String>> {
    let Some(recipient) = &query.recipient else {
        return Ok(None);
    };
    let sources = &query.scope.sources;
    let names = same_person::names_of(connection, &digits(recipient), sources)?;
    Ok(json_list(&Vec::from_iter(names)))
}

/// A column as [`digits`] leaves a number: without what people write between digits.
fn plain(column: &str) -> String {
    ["+", " ", "-", "(", ")", ".", "/"]
        .iter()
        .fold(column.to_owned(), |text, letter| {
            format!("replace({text}, '{letter}', '')")
        })
}
