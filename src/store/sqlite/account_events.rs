//! Account events: storing each once, notifying subscribers, listing and removing them.
//!
//! A new event is stored and queued in the transaction that stores its webhook, so a crash repeats
//! none and loses none. A repeated event is counted.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::clause::{Clause, Select};
use super::forward_reads::json_list;
use super::forwards::{self, NewForward};
use super::listing::ListedTable;
use super::reader::Reader;
use super::{Store, backend, outages, same_person, search};
use crate::model::{AccountEvent, Subscriber, SubscriberKind};
use crate::plan::limits;
use crate::plan::notice::{self, Notice};
use crate::store::account_event::{AccountEventQuery, AccountEventRecord};
use crate::store::query::Listing;
use crate::store::{Error, PendingForward};

/// Below this stand, in `forward.message_id`, the events of accounts: those of one subject go out in
/// order. Above it, and below zero, stand conditions of the service.
const BELOW: i64 = -(1 << 40);
/// Without a usable time of the provider's, what comes on one day is one event, ms.
const DAY_MS: i64 = 86_400_000;
/// Events removed in one go.
const PRUNE_STEP: usize = 500;

pub(super) const SELECT: &str = "SELECT account_event.*, source.name AS source, source.provider \
     FROM account_event JOIN source USING (source_id)";

/// The same for the list, which is read by parts of its keys: by the index of a source, each part would
/// read all of the source.
const LISTED: &str = "SELECT account_event.*, source.name AS source, source.provider \
     FROM account_event NOT INDEXED JOIN source USING (source_id)";

/// What `forward.message_id` holds for notices of the subject whose first event this is.
pub(super) const fn lane_key(first_event_id: i64) -> i64 {
    BELOW - first_event_id
}

/// From where an event comes.
#[derive(Clone, Copy)]
pub(super) struct From<'a> {
    pub(super) source_id: i64,
    pub(super) source: &'a str,
    pub(super) webhook_id: i64,
    pub(super) received_ms: i64,
    /// Since when it is pending, ms since 1970 UTC.
    pub(super) now_ms: i64,
    /// Whether the provider sent it now; stored bytes that are read again repeat nothing.
    pub(super) is_new: bool,
}

/// Takes an event in; what it queues when it was not known, `None` when it was.
pub(super) fn apply(
    connection: &Connection,
    event: &AccountEvent,
    from: From<'_>,
    subscribers: &[Arc<Subscriber>],
) -> rusqlite::Result<Option<Vec<(i64, PendingForward)>>> {
    let event = &*notice::explained(event);
    let Some(event_id) = insert(connection, event, from)? else {
        if from.is_new {
            count_repeat(connection, event, from)?;
        }
        return Ok(None);
    };
    let first: i64 = connection
        .prepare_cached(
            "UPDATE account_event SET first_event_id = coalesce((SELECT min(first_event_id) \
             FROM account_event WHERE source_id = ?2 AND subject = ?3 AND about = ?4), ?1) \
             WHERE account_event_id = ?1 RETURNING first_event_id",
        )?
        .query_row(
            params![event_id, from.source_id, event.subject, event.about],
            |row| row.get(0),
        )?;
    if !outages::notifies_now(connection, event, event_id, from)? {
        return Ok(Some(Vec::new()));
    }
    let notice = Notice {
        event,
        source: from.source,
        at_ms: event.time.ms.unwrap_or(from.received_ms),
        gathered: None,
    };
    enqueue(
        connection,
        &notice,
        lane_key(first),
        subscribers,
        from.now_ms,
    )
    .map(Some)
}

/// The event with what is known of the limits that its account had before.
pub(super) fn compared<'a>(
    connection: &Connection,
    event: &'a AccountEvent,
    from: From<'_>,
) -> rusqlite::Result<Cow<'a, AccountEvent>> {
    if event.name != limits::CHANGED {
        return Ok(Cow::Borrowed(event));
    }
    let earlier: Option<Option<String>> = connection
        .prepare_cached(
            "SELECT detail FROM account_event WHERE source_id = ?1 AND subject = ?2 AND field = ?3 \
             AND event = ?4 AND identity_ms < ?5 AND coalesce(account_id, '') = coalesce(?6, '') \
             ORDER BY identity_ms DESC LIMIT 1",
        )?
        .query_row(
            params![
                from.source_id,
                event.subject,
                event.field,
                event.event,
                identity_ms(event, from),
                event.account_id,
            ],
            |row| row.get(0),
        )
        .optional()?;
    Ok(limits::compared(event, earlier.flatten().as_deref()))
}

fn identity_ms(event: &AccountEvent, from: From<'_>) -> i64 {
    let day_ms = from.received_ms.div_euclid(DAY_MS) * DAY_MS;
    event.time.ms.unwrap_or(day_ms)
}

fn insert(
    connection: &Connection,
    event: &AccountEvent,
    from: From<'_>,
) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached(
            "INSERT INTO account_event (source_id, webhook_id, field, about, subject, event, name, \
             provider_time, provider_time_ms, identity_ms, received_at_ms, text, remedy, detail, \
             template_id, language, account_id, person, person_user_id, sender, sender_id, ends_at_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
             ?18, ?19, ?20, ?21, ?22) ON CONFLICT DO NOTHING RETURNING account_event_id",
        )?
        .query_row(
            params![
                from.source_id,
                from.webhook_id,
                event.field,
                event.about,
                event.subject,
                event.event,
                event.name,
                event.time.text,
                event.time.ms,
                identity_ms(event, from),
                from.received_ms,
                event.text,
                event.remedy,
                event.detail,
                event.template_id,
                event.language,
                event.account_id,
                event.person,
                event.person_user_id,
                event.sender,
                event.sender_id,
                event.ends_at_ms,
            ],
            |row| row.get(0),
        )
        .optional()
}

fn count_repeat(
    connection: &Connection,
    event: &AccountEvent,
    from: From<'_>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE account_event SET repeats = repeats + 1, last_repeat_ms = ?7 \
             WHERE source_id = ?1 AND subject = ?2 AND field = ?3 AND event = ?4 \
             AND identity_ms = ?5 AND coalesce(template_id, '') = coalesce(?6, '') \
             AND coalesce(account_id, '') = coalesce(?8, '')",
        )?
        .execute(params![
            from.source_id,
            event.subject,
            event.field,
            event.event,
            identity_ms(event, from),
            event.template_id,
            from.received_ms,
            event.account_id,
        ])?;
    Ok(())
}

/// Queues the event for all who want to be notified.
pub(super) fn enqueue(
    connection: &Connection,
    notice: &Notice<'_>,
    key: i64,
    subscribers: &[Arc<Subscriber>],
    now_ms: i64,
) -> rusqlite::Result<Vec<(i64, PendingForward)>> {
    let mut pending = Vec::new();
    for kind in [SubscriberKind::Events, SubscriberKind::Chat] {
        let mut recipients = subscribers.iter();
        let mut payload: Option<(i64, Arc<[u8]>)> = None;
        while let Some(subscriber) = recipients.find(|it| it.kind == kind && notice.is_for(it)) {
            let (payload_id, payload) = if let Some(payload) = &payload {
                payload
            } else {
                let body: Arc<[u8]> = notice.render(kind).unwrap_or_default().into();
                let payload_id = forwards::insert_payload(connection, 0, &body)?;
                payload.insert((payload_id, body))
            };
            let forward = NewForward {
                subscriber_id: subscriber.id,
                message_id: key,
                report_id: 0,
                payload_id: *payload_id,
                payload,
                place: (notice.at_ms, 0),
                now_ms,
            };
            pending.push(forwards::insert(connection, &forward)?);
        }
    }
    Ok(pending)
}

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

impl Reader {
    /// The account events that match, the newest first.
    ///
    /// # Errors
    /// As every read.
    pub fn account_events(
        &self,
        query: &AccountEventQuery,
    ) -> Result<Listing<AccountEventRecord>, Error> {
        let select = |connection: &Connection| select(connection, query);
        self.list("list account events", query.window, select, read)
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

impl Store {
    /// Removes a few of the account events that last came before that time; returns how many.
    ///
    /// # Errors
    /// [`Error::Backend`], [`Error::Closed`].
    pub async fn prune_account_events(&self, before_ms: i64) -> Result<usize, Error> {
        self.run(move |core| {
            core.change("prune account events", |connection, _| {
                connection
                    .prepare_cached(
                        "DELETE FROM account_event WHERE account_event_id IN \
                         (SELECT account_event_id FROM account_event \
                         WHERE max(received_at_ms, coalesce(last_repeat_ms, 0)) < ?1 LIMIT ?2)",
                    )
                    .and_then(|mut delete| delete.execute(params![before_ms, PRUNE_STEP]))
                    .map_err(|error| backend("cannot prune account events".to_owned(), error))
            })
        })
        .await
    }
}
