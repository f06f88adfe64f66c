//! Account events: listing and removing them.
//!
//! A new event is stored and queued in the transaction that stores its webhook, so a crash repeats
//! none and loses none. A repeated event is counted.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row, params};

use super::clause::{Clause, Select};
use super::enqueue::lane_key;
use super::forward_reads::json_list;
use super::listing::ListedTable;
use super::reader::{Reader, SqliteQuery};
use super::{same_person, search};
use crate::store::Error;
use crate::store::account_event::AccountEventRecord;
use crate::store::query::{AccountEventQuery, Listing};

/// Events removed in one go.
const PRUNE_STEP: usize = 500;

pub(super) const SELECT: &str = "SELECT account_event.*, source.name AS source, source.provider \
     FROM account_event JOIN source USING (source_id)";

/// The same for the list, which is read by parts of its keys: by the index of a source, each part would
/// read all of the source.
const LISTED: &str = "SELECT account_event.*, source.name AS source, source.provider \
     FROM account_event NOT INDEXED JOIN source USING (source_id)";

/// The events about one of these names of a person, each with the key of its notices.
pub(super) fn of_person(
    connection: &Connection,
    names: &BTreeSet<String>,
) -> rusqlite::Result<Vec<OfPerson>> {
    let names = json_list(&names.iter().cloned().collect::<Vec<_>>());
    connection
        .prepare_cached(
            "SELECT account_event_id, first_event_id, webhook_id, person, person_user_id \
             FROM account_event WHERE person IN (SELECT value FROM json_each(?1)) \
             OR person_user_id IN (SELECT value FROM json_each(?1)) ORDER BY account_event_id",
        )?
        .query_map([names], |row| {
            let first: Option<i64> = row.get(1)?;
            Ok(OfPerson {
                event_id: row.get(0)?,
                lane_key: first.map(lane_key),
                webhook_id: row.get(2)?,
                names: [row.get(3)?, row.get(4)?],
            })
        })?
        .collect()
}

/// Removes an event.
pub(super) fn delete(connection: &Connection, event_id: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM account_event WHERE account_event_id = ?1")?
        .execute([event_id])?;
    Ok(())
}

/// An event about a person.
pub(super) struct OfPerson {
    pub(super) event_id: i64,
    /// What the forwards of its notices have in the place of a message.
    pub(super) lane_key: Option<i64>,
    pub(super) webhook_id: i64,
    /// How it names the person.
    pub(super) names: [Option<String>; 2],
}

const EVENTS: ListedTable =
    ListedTable::newest("account_event", "account_event_id", "received_at_ms");

impl SqliteQuery for AccountEventQuery {
    fn answer(self, reader: &Reader) -> Result<Listing<AccountEventRecord>, Error> {
        let select = |connection: &Connection| select(connection, &self);
        reader.list("list account events", self.window, select, read)
    }
}

/// The statement of a list of account events.
pub(super) fn select(
    connection: &Connection,
    query: &AccountEventQuery,
) -> rusqlite::Result<Select> {
    const AT: &str = "coalesce(account_event.provider_time_ms, account_event.received_at_ms)";
    let mut clause = Clause::default();
    search::of_source(&mut clause, query.source.as_deref(), "account_event");
    search::of_sources(&mut clause, &query.scope.sources, "account_event");
    if let Some(subject) = &query.subject {
        let sources = &query.scope.sources;
        let mut names = same_person::names_of(connection, &search::person_of(subject), sources)?;
        names.insert(subject.trim().to_owned());
        let names: Vec<String> = names.into_iter().collect();
        clause.and_if(
            "EXISTS (SELECT 1 FROM json_each(?) AS name WHERE name.value IN \
             (account_event.subject, account_event.template_id, account_event.account_id, \
             account_event.person, account_event.person_user_id))",
            json_list(&names),
        );
    }
    clause.and_if(
        "? IN (account_event.name, lower(account_event.event))",
        query.event_word(),
    );
    clause.and_if(&format!("{AT} >= ?"), query.since_ms);
    clause.and_if(&format!("{AT} < ?"), query.until_ms);
    Ok(clause.select(LISTED, EVENTS, vec![(1, i64::MAX)]))
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<AccountEventRecord> {
    Ok(AccountEventRecord {
        account_event_id: row.get("account_event_id")?,
        source: row.get("source")?,
        provider: row.get("provider")?,
        field: row.get("field")?,
        about: row.get("about")?,
        subject: row.get("subject")?,
        event: row.get("event")?,
        name: row.get("name")?,
        provider_time: row.get("provider_time")?,
        provider_time_ms: row.get("provider_time_ms")?,
        received_at_ms: row.get("received_at_ms")?,
        repeats: row.get("repeats")?,
        last_repeat_ms: row.get("last_repeat_ms")?,
        text: row.get("text")?,
        remedy: row.get("remedy")?,
        detail: row.get("detail")?,
        template_id: row.get("template_id")?,
        language: row.get("language")?,
        account_id: row.get("account_id")?,
        person: row.get("person")?,
        person_user_id: row.get("person_user_id")?,
        sender: row.get("sender")?,
        sender_id: row.get("sender_id")?,
        ends_at_ms: row.get("ends_at_ms")?,
        webhook_id: row.get("webhook_id")?,
    })
}

/// Removes a few of the account events that last came before that time.
pub(super) fn prune(
    connection: &Connection,
    (before_ms, _): (i64, i64),
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM account_event WHERE account_event_id IN \
             (SELECT account_event_id FROM account_event \
             WHERE max(received_at_ms, coalesce(last_repeat_ms, 0)) < ?1 LIMIT ?2)",
        )?
        .execute(params![before_ms, PRUNE_STEP])
}
