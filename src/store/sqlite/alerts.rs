//! Alerts to chats: failures are gathered by error until their minute is over.
//!
//! The first failure of a quiet time is sent at once. It opens a minute in which failures of the
//! same error are counted in the table `alert`, within the transaction that stores them; what was
//! counted is sent when the minute is over, which opens the next. So there is one alert for each
//! chat, error and minute at most, and none is lost by a crash: it is a row, then a forward.
//!
//! There is no second way out: an alert is a forward, which hangs on the latest message that it counts. The writer
//! looks once a second, renders one payload and queues one forward.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::backend;
use super::enqueue::{self, NewForward};
use super::writer::Core;
use crate::model::{Status, Subscriber, SubscriberKind};
use crate::plan::alert::Alert;
use crate::plan::gathering::ALERTS;
use crate::store::{Error, PendingForward};

/// A row of the table.
struct AlertRow {
    subscriber_id: i64,
    error_key: String,
    failures: u64,
    message_id: i64,
    report_id: i64,
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
    let payload_id = enqueue::insert_payload(connection, report_id, &body)?;
    let forward = NewForward {
        subscriber_id: chat.id,
        message_id,
        report_id,
        payload_id,
        payload: &body.into(),
        place: (now_ms, Status::Failed.order()),
        now_ms,
        alert_failures: Some(row.failures),
    };
    let pending = enqueue::insert(connection, &forward)?;
    connection
        .prepare_cached(
            "UPDATE alert SET failures = 0, due_at_ms = ?3 \
             WHERE subscriber_id = ?1 AND error_key = ?2",
        )?
        .execute(params![
            row.subscriber_id,
            row.error_key,
            ALERTS.end_ms(now_ms)
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

const DUE: &str = "SELECT subscriber_id, error_key, failures, message_id, report_id \
     FROM alert WHERE due_at_ms <= ?1 OR due_at_ms > ?2";

impl Core {
    /// Queues the alerts whose minute is over; the writer looks once a second.
    pub(super) fn send_alerts(&mut self) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        let wrap = |error| backend("cannot queue alerts".to_owned(), error);
        let any = self
            .connection
            .prepare_cached(DUE)
            .and_then(|mut due| due.exists([now_ms, ALERTS.end_ms(now_ms)]))
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
        .query_map([now_ms, ALERTS.end_ms(now_ms)], |row| {
            Ok(AlertRow {
                subscriber_id: row.get(0)?,
                error_key: row.get(1)?,
                failures: row.get(2)?,
                message_id: row.get(3)?,
                report_id: row.get(4)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut pending = Vec::new();
    for row in due {
        pending.extend(send(connection, &row, subscribers, now_ms)?);
    }
    Ok(pending)
}
