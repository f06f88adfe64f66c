//! Notices of errors of a channel: one for each source, code and window, however many errors come.
//!
//! As with alerts, the first is sent at once and opens a window. Later ones are stored, and sent
//! with their count when the window is over, which opens the next. The open window stands in the row
//! of the event that was sent last, so it is erased and pruned with it, and a crash loses none.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::account_events;
use super::backend;
use super::enqueue::lane_key;
use super::writer::Core;
use crate::model::{AccountEvent, ProviderTime, Subscriber};
use crate::plan::gathering::CHANNEL_ERRORS;
use crate::plan::notice::Notice;
use crate::providers::event_words;
use crate::store::account_event::AccountEventRecord;
use crate::store::{Error, PendingForward};

fn open(connection: &Connection, event_id: i64, now_ms: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE account_event SET notice_until_ms = ?2 WHERE account_event_id = ?1",
        )?
        .execute([event_id, CHANNEL_ERRORS.end_ms(now_ms)])?;
    Ok(())
}

/// Windows that are over; one that is further off was set before the clock was set back.
const DUE: &str = "SELECT account_event_id, source_id, event FROM account_event \
     WHERE notice_until_ms IS NOT NULL AND (notice_until_ms <= ?1 OR notice_until_ms > ?2)";

/// The latest error that a window gathered, and how many there are.
const GATHERED: &str = "SELECT max(account_event_id), count(*) FROM account_event \
     WHERE account_event_id > ?1 AND source_id = ?2 AND event = ?3 AND about = 'channel'";

impl Core {
    /// Queues what the windows that are over gathered; the writer looks once a second.
    pub(super) fn send_channel_errors(&mut self) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        let wrap = |error| backend("cannot queue errors of a channel".to_owned(), error);
        let any = self
            .connection
            .prepare_cached(DUE)
            .and_then(|mut due| due.exists([now_ms, CHANNEL_ERRORS.end_ms(now_ms)]))
            .map_err(wrap)?;
        if !any {
            return Ok(());
        }
        let subscribers = Arc::clone(&self.subscribers);
        let pending = self.change("queue errors of a channel", |connection, now_ms| {
            send_due(connection, &subscribers, now_ms).map_err(wrap)
        })?;
        self.lane_registry.hand_over(pending);
        Ok(())
    }
}

fn send_due(
    connection: &Connection,
    subscribers: &[Arc<Subscriber>],
    now_ms: i64,
) -> rusqlite::Result<Vec<(i64, PendingForward)>> {
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let due: Vec<(i64, i64, String)> = connection
        .prepare_cached(DUE)?
        .query_map([now_ms, CHANNEL_ERRORS.end_ms(now_ms)], read)?
        .collect::<rusqlite::Result<_>>()?;
    let mut pending = Vec::new();
    for (outage_id, source_id, event) in due {
        connection
            .prepare_cached(
                "UPDATE account_event SET notice_until_ms = NULL WHERE account_event_id = ?1",
            )?
            .execute([outage_id])?;
        let (latest, count): (Option<i64>, u64) = connection
            .prepare_cached(GATHERED)?
            .query_row(params![outage_id, source_id, event], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let Some(latest) = latest else { continue };
        let found = connection
            .prepare_cached(&format!(
                "{} WHERE account_event_id = ?1",
                account_events::SELECT
            ))?
            .query_row([latest], |row| {
                let first: Option<i64> = row.get("first_event_id")?;
                Ok((account_events::read(row)?, first.unwrap_or(latest)))
            })
            .optional()?;
        let Some((record, first)) = found else {
            continue;
        };
        open(connection, latest, now_ms)?;
        let event = event_of(&record);
        let notice = Notice {
            event: &event,
            source: &record.source,
            at_ms: record.at_ms(),
            gathered: Some(count),
        };
        let enqueued =
            account_events::enqueue(connection, &notice, lane_key(first), subscribers, now_ms)?;
        pending.extend(enqueued);
    }
    Ok(pending)
}

/// An error of a channel as subscribers were notified of it.
fn event_of(record: &AccountEventRecord) -> AccountEvent {
    let record = record.clone();
    AccountEvent {
        field: record.field,
        about: record.about,
        subject: record.subject,
        event: record.event,
        name: record.name,
        time: ProviderTime {
            text: record.provider_time,
            ms: record.provider_time_ms,
        },
        text: record.text,
        remedy: record.remedy,
        detail: record.detail,
        error_key: None,
        template_id: record.template_id,
        language: record.language,
        account_id: record.account_id,
        person: record.person,
        person_user_id: record.person_user_id,
        sender: record.sender,
        sender_id: record.sender_id,
        ends_at_ms: record.ends_at_ms,
        vocabulary: event_words(&record.provider),
    }
}
