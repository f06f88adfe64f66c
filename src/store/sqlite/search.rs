//! Reading messages within a scope, page by page, and counting them.
//!
//! There is no index on the recipient: it would be the second index with random access, paid for by every message.
//! So a search for a number scans messages and reports.

use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::clause::{Clause, Select};
use super::forward_reads::json_list;
use super::listing::ListedTable;
use super::messages::{SELECT_MESSAGE, read_message};
use super::ranges::{self, Timed};
use super::reader::{Reader, SqliteQuery};
use super::same_person;
use crate::model::{ForwardKey, digits};
use crate::store::overview::MessageCount;
use crate::store::query::{Listing, MessageCountQuery, MessageQuery, Scope, TimelineQuery};
use crate::store::timeline::{MessageRecord, Timeline};
use crate::store::{Error, Person};

pub(super) const MESSAGES: ListedTable =
    ListedTable::newest("message", "message_id", "first_report_at_ms");

/// Leaves the messages within the scope; the query calls them `alias`. They are of one of the
/// sources. An owner sees what it registered at a source that names it, and what its own
/// subscribers were to be notified of.
pub(super) fn seen(clause: &mut Clause, scope: &Scope, alias: &str) {
    if let Some(owner) = &scope.owner {
        let (owner, named) = (clause.bind(owner.clone()), clause.bind(scope.owned()));
        clause.and(format!(
            "(EXISTS (SELECT 1 FROM forward JOIN subscriber USING (subscriber_id) \
             WHERE forward.message_id = {alias}.message_id AND subscriber.owner = {owner}) \
             OR ({alias}.source_id IN (SELECT source_id FROM source \
             WHERE name IN (SELECT value FROM json_each({named}))) \
             AND EXISTS (SELECT 1 FROM registration AS own \
             WHERE own.message_id = {alias}.message_id AND own.owner = {owner})))"
        ));
    }
    of_sources(clause, &scope.sources, alias);
}

/// Leaves what came from one of these sources, or from any when there are none.
pub(super) fn of_sources(clause: &mut Clause, sources: &[String], alias: &str) {
    let condition = format!(
        "{alias}.source_id IN (SELECT source_id FROM source \
         WHERE name IN (SELECT value FROM json_each(?)))"
    );
    clause.and_if(&condition, json_list(sources));
}

/// Leaves what came from this source, where one is named.
pub(super) fn of_source(clause: &mut Clause, source: Option<&str>, alias: &str) {
    let condition = format!("{alias}.source_id = (SELECT source_id FROM source WHERE name = ?)");
    clause.and_if(&condition, source.map(str::to_owned));
}

/// The person that a text means, as `erase` reads it: a link or an address of `WhatsApp` holds a
/// number too. A name of no one person, such as a group's, is taken as it is.
pub(super) fn person_of(text: &str) -> String {
    Person::new(text).map_or_else(|_| digits(text), |person| person.name().to_owned())
}

/// Leaves messages that name this recipient, where one is given, or of which a report does.
///
/// Recipients have no index, so each row is compared, in any spelling of a number.
pub(super) fn of_recipient(
    connection: &Connection,
    clause: &mut Clause,
    (recipient, scope): (Option<&String>, &Scope),
) -> rusqlite::Result<()> {
    let Some(recipient) = recipient else {
        return Ok(());
    };
    let names = same_person::names_of(connection, &person_of(recipient), &scope.sources)?;
    let spelled = names
        .iter()
        .flat_map(|name| [name.clone(), format!("+{name}")]);
    let spelled: Vec<String> = spelled.collect();
    let spelled = json_list(&spelled).unwrap_or_default();
    let spelled = clause.bind(spelled);
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("names_recipient", 1, flags, move |columns| {
        let text = columns.get_raw(0).as_str().unwrap_or_default();
        Ok(names.contains(&digits(text)) || names.contains(text))
    })?;
    // Nearly every number is digits alone, or with a plus before them: only what is not is given to
    // the function.
    let is_theirs = |column: &str| {
        format!(
            "({column} IN (SELECT value FROM json_each({spelled})) \
             OR ({column} GLOB '*[^0-9+]*' AND names_recipient({column})))"
        )
    };
    let registered = [
        "named.recipient",
        "named.recipient_user_id",
        "named.recipient_parent_user_id",
        "named.participant",
    ];
    clause.and(format!(
        "({} OR EXISTS (SELECT 1 FROM report AS named \
 WHERE named.message_id = message.message_id AND ({})))",
        is_theirs("message.recipient"),
        registered.map(is_theirs).join(" OR ")
    ));
    Ok(())
}

/// The statement of a list of messages.
pub(super) fn select(connection: &Connection, query: &MessageQuery) -> rusqlite::Result<Select> {
    let mut clause = Clause::default();
    let provider_message_id = query.provider_message_id.clone();
    clause.and_if("message.provider_message_id = ?", provider_message_id);
    if let Some(error) = &query.error {
        match error.parse::<i64>() {
            Ok(code) => clause.and_if("message.error_code = ?", Some(code)),
            Err(_) => clause.and_if("message.error_key = ?", Some(error.clone())),
        }
    }
    clause.and_if("message.broadcast = ?", query.broadcast.clone());
    let status = query.status;
    clause.and_if("message.status = ?", status);
    clause.and_if(
        "substr(message.channel || '_', 1, length(?) + 1) = ? || '_'",
        query.channel.clone().filter(|channel| channel != "any"),
    );
    of_source(&mut clause, query.source.as_deref(), "message");
    clause.and_if("message.first_report_at_ms >= ?", query.since_ms);
    clause.and_if("message.first_report_at_ms < ?", query.until_ms);
    // The sign keeps SQLite from the index on that time, which holds each message that is over.
    clause.and_if(
        "+registration.silent_after_ms < ? AND coalesce(delivered_at_ms, read_at_ms, \
         failed_at_ms, deleted_at_ms) IS NULL",
        query.silent_at_ms,
    );
    if query.refused {
        clause.and(
            "message.message_id IN (SELECT message_id FROM registration \
             WHERE send_status = 'refused')",
        );
    }
    seen(&mut clause, &query.scope, "message");
    of_recipient(
        connection,
        &mut clause,
        (query.recipient.as_ref(), &query.scope),
    )?;
    let keys = ranges::within(connection, Timed::Message, query.since_ms, query.until_ms)?;
    Ok(clause.select(SELECT_MESSAGE, MESSAGES, keys))
}

impl SqliteQuery for MessageQuery {
    /// Recipients have no index: this searches from the newest on, as long as a list may.
    fn answer(self, reader: &Reader) -> Result<Listing<MessageRecord>, Error> {
        reader.list(
            "search messages",
            self.window,
            |connection| select(connection, &self),
            read_message,
        )
    }
}

impl SqliteQuery for TimelineQuery {
    fn answer(self, reader: &Reader) -> Result<Option<Timeline>, Error> {
        let Self { id, scope } = &self;
        let key = reader.read("look for the message", |connection| {
            let find = |condition: &str, id: Value| {
                let mut clause = Clause::default();
                clause.and_if(condition, Some(id));
                seen(&mut clause, scope, "message");
                let sql = format!(
                    "SELECT message_id FROM message WHERE {} ORDER BY message_id DESC LIMIT 1",
                    clause.text()
                );
                let values = params_from_iter(clause.values());
                connection
                    .query_row(&sql, values, |row| row.get::<_, i64>(0))
                    .optional()
            };
            let found = find("provider_message_id = ?", Value::from(id.clone()))?;
            match (found, id.parse::<i64>()) {
                (None, Ok(key)) => find("message_id = ?", Value::from(key)),
                _ => Ok(found),
            }
        })?;
        let Some(key) = key else { return Ok(None) };
        let Some(mut timeline) = reader.timeline(key)? else {
            return Ok(None);
        };
        if let Some(owner) = &scope.owner {
            reader.keep_owners(owner, key, &mut timeline)?;
        }
        Ok(Some(timeline))
    }
}

impl Reader {
    /// Leaves of a timeline what is about the owner's subscribers.
    fn keep_owners(
        &self,
        owner: &str,
        message_id: i64,
        timeline: &mut Timeline,
    ) -> Result<(), Error> {
        let (forwards, names) = self.read("read whose forwards they are", |connection| {
            let forwards: Vec<ForwardKey> = connection
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
                .skipped
                .retain(|skipped| names.contains(&skipped.subscriber));
        }
        Ok(())
    }
}

impl SqliteQuery for MessageCountQuery {
    fn answer(self, reader: &Reader) -> Result<Vec<MessageCount>, Error> {
        let Self {
            since_ms, until_ms, ..
        } = self;
        reader.read("count messages", |connection| {
            let keys = ranges::within(connection, Timed::Message, Some(since_ms), Some(until_ms))?;
            let mut clause = Clause::default();
            let keys = clause.bind(ranges::as_json(&keys));
            clause.and_if("first_report_at_ms >= ?", Some(since_ms));
            clause.and_if("first_report_at_ms < ?", Some(until_ms));
            seen(&mut clause, &self.scope, "message");
            connection
                .prepare(&format!(
                    "SELECT source.name, status, count(*) AS messages \
                     FROM json_each({keys}) AS keys CROSS JOIN message \
                     ON message_id BETWEEN keys.value ->> 0 AND keys.value ->> 1 \
                     JOIN source USING (source_id) WHERE {} \
                     GROUP BY source.name, status ORDER BY source.name, status",
                    clause.text()
                ))?
                .query_map(params_from_iter(clause.values()), |row| {
                    Ok(MessageCount {
                        source: row.get(0)?,
                        status: row.get("status")?,
                        messages: row.get(2)?,
                    })
                })?
                .collect()
        })
    }
}
