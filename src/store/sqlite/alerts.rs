//! Alerts to chats: failures are gathered by error until their minute is over.
//!
//! The first failure of a quiet time is sent at once. It opens a minute in which failures of the
//! same error are counted in the table `alert`, within the transaction that stores them; what was
//! counted is sent when the minute is over, which opens the next. So there is one alert for each
//! chat, error and minute at most, and none is lost by a crash: it is a row, then a forward.
//!
//! There is no second way out: an alert is a forward, which hangs on the latest message that it counts. The writer
//! looks once a second, renders one payload and queues one forward.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::backend;
use super::forwards::{self, NewForward};
use super::writer::Core;
use crate::model::{Status, Subscriber, SubscriberKind};
use crate::plan::alert::Alert;
use crate::store::{Error, PendingForward};

/// How long failures of one error are gathered after an alert.
const MINUTE_MS: i64 = 60_000;

/// The failures that one webhook brought, by chat and error.
#[derive(Default)]
pub(super) struct GatheredFailures(BTreeMap<(i64, String), Brought>);

#[derive(Default)]
struct Brought {
    failures: i64,
    message_id: i64,
    report_id: i64,
}

impl GatheredFailures {
    /// One more; the latest stands for all.
    pub(super) fn add(
        &mut self,
        subscriber_id: i64,
        error_key: Option<&str>,
        message_id: i64,
        report_id: i64,
    ) {
        let key = (subscriber_id, error_key.unwrap_or_default().to_owned());
        let brought = self.0.entry(key).or_default();
        brought.failures += 1;
        brought.message_id = message_id;
        brought.report_id = report_id;
    }
}

/// Counts what a webhook brought, and queues what is to be sent at once.
pub(super) fn gather(
    connection: &Connection,
    failures: GatheredFailures,
    subscribers: &[Arc<Subscriber>],
    now_ms: i64,
) -> rusqlite::Result<Vec<(i64, PendingForward)>> {
    let mut pending = Vec::new();
    for ((subscriber_id, error_key), brought) in failures.0 {
        let (failures, due_at_ms) = connection
            .prepare_cached(
                "INSERT INTO alert (subscriber_id, error_key, failures, message_id, report_id, \
                 due_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                 ON CONFLICT (subscriber_id, error_key) DO UPDATE SET \
                 failures = failures + excluded.failures, message_id = excluded.message_id, \
                 report_id = excluded.report_id RETURNING failures, due_at_ms",
            )?
            .query_row(
                params![
                    subscriber_id,
                    error_key,
                    brought.failures,
                    brought.message_id,
                    brought.report_id,
                    now_ms,
                ],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
        let row = AlertRow {
            subscriber_id,
            error_key,
            failures,
            message_id: brought.message_id,
            report_id: brought.report_id,
            due_at_ms,
        };
        if row.is_due(now_ms) {
            pending.extend(send(connection, &row, subscribers, now_ms)?);
        }
    }
    Ok(pending)
}

/// A row of the table.
struct AlertRow {
    subscriber_id: i64,
    error_key: String,
    failures: u64,
    message_id: i64,
    report_id: i64,
    due_at_ms: i64,
}

impl AlertRow {
    /// Whether its minute is over; one that is further off was set before the clock was set
    /// back.
    const fn is_due(&self, now_ms: i64) -> bool {
        self.due_at_ms <= now_ms || self.due_at_ms > now_ms + MINUTE_MS
    }
}

/// Queues what was gathered to its chat and begins the next minute; forgets it where there is
/// nothing to send or no chat to send it to.
fn send(
    connection: &Connection,
    row: &AlertRow,
    subscribers: &[Arc<Subscriber>],
    now_ms: i64,
) -> rusqlite::Result<Option<(i64, PendingForward)>> {
    let key = params![row.subscriber_id, row.error_key];
    let chat = subscribers.iter().find(|subscriber| {
        subscriber.id == row.subscriber_id && subscriber.kind == SubscriberKind::Chat
    });
    let Some(chat) = chat.filter(|_| row.failures > 0) else {
        connection
            .prepare_cached("DELETE FROM alert WHERE subscriber_id = ?1 AND error_key = ?2")?
            .execute(key)?;
        return Ok(None);
    };
    let found = latest(connection, row)?;
    // Its message may have been erased since: the alert then names no message.
    let (message_id, report_id) = match &found {
        Some(_) => (row.message_id, row.report_id),
        None => (0, 0),
    };
    let alert = Alert {
        subscriber: chat.name.clone(),
        failures: row.failures,
        error_key: row.error_key.clone(),
        message_key: found.is_some().then_some(row.message_id),
        ..found.unwrap_or_default()
    };
    let body = alert.render(&chat.alert);
    let payload_id = forwards::insert_payload(connection, report_id, &body)?;
    let forward = NewForward {
        subscriber_id: chat.id,
        message_id,
        report_id,
        payload_id,
        payload: &body.into(),
        place: (now_ms, Status::Failed.order()),
        now_ms,
    };
    let pending = forwards::insert(connection, &forward)?;
    connection
        .prepare_cached("UPDATE forward SET alert_failures = ?2 WHERE forward_id = ?1")?
        .execute(params![pending.1.forward_id, row.failures])?;
    connection
        .prepare_cached(
            "UPDATE alert SET failures = 0, due_at_ms = ?3 \
             WHERE subscriber_id = ?1 AND error_key = ?2",
        )?
        .execute(params![
            row.subscriber_id,
            row.error_key,
            now_ms + MINUTE_MS
        ])?;
    Ok(Some(pending))
}

/// What is known of the latest failure; `None` when it was erased.
fn latest(connection: &Connection, row: &AlertRow) -> rusqlite::Result<Option<Alert>> {
    connection
        .prepare_cached(
            "SELECT report.error_title, source.name, message.provider_message_id, \
             coalesce(report.participant, report.recipient, message.recipient) \
             FROM message JOIN source USING (source_id) \
             JOIN report ON report.report_id = ?2 WHERE message.message_id = ?1",
        )?
        .query_row(params![row.message_id, row.report_id], |found| {
            Ok(Alert {
                title: found.get(0)?,
                source: found.get(1)?,
                message: found.get(2)?,
                recipient: found.get(3)?,
                ..Alert::default()
            })
        })
        .optional()
}

const DUE: &str = "SELECT subscriber_id, error_key, failures, message_id, report_id, due_at_ms \
     FROM alert WHERE due_at_ms <= ?1 OR due_at_ms > ?2";

impl Core {
    /// Queues the alerts whose minute is over; the writer looks once a second.
    pub(super) fn send_alerts(&mut self) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        let wrap = |error| backend("cannot queue alerts".to_owned(), error);
        let any = self
            .connection
            .prepare_cached(DUE)
            .and_then(|mut due| due.exists([now_ms, now_ms + MINUTE_MS]))
            .map_err(wrap)?;
        if !any {
            return Ok(());
        }
        let subscribers = Arc::clone(&self.subscribers);
        let pending = self.change("queue alerts", |connection, now_ms| {
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
    let due: Vec<AlertRow> = connection
        .prepare_cached(DUE)?
        .query_map([now_ms, now_ms + MINUTE_MS], |row| {
            Ok(AlertRow {
                subscriber_id: row.get(0)?,
                error_key: row.get(1)?,
                failures: row.get(2)?,
                message_id: row.get(3)?,
                report_id: row.get(4)?,
                due_at_ms: row.get(5)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut pending = Vec::new();
    for row in due {
        pending.extend(send(connection, &row, subscribers, now_ms)?);
    }
    Ok(pending)
}
