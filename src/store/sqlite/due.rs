//! What was gathered for a notice, once its time is over: loaded here, decided by the plan, written here.
//!
//! The first failure of a quiet time is sent to a chat at once. It opens a minute in which failures of
//! the same error are counted in the table `alert`, within the transaction that stores them; what was
//! counted is sent when the minute is over, which opens the next. So there is one alert for each chat,
//! error and minute at most, and none is lost by a crash: it is a row, then a forward, which hangs on
//! the latest message that it counts.
//!
//! Errors of a channel are gathered in the same way, by source and code. They are stored as account
//! events; the open window stands in the row of the event that was sent last, so it is erased and pruned
//! with it.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::apply::Enqueued;
use super::enqueue::{NewForward, Queueing, lane_key, new_uid};
use super::ranges::{RangeTimes, RowTime};
use super::writer::Core;
use super::{SqliteStep, SqliteStore, account_events, backend};
use crate::model::{
    AccountEvent, AccountEventKey, MessageKey, ProviderTime, ReportKey, Subscriber,
};
use crate::plan::due::{
    self, DueAlert, DueNotice, DueOutage, DueWrites, GatheredErrors, LatestFailure, NoticeAbout,
};
use crate::plan::gathering::{ALERTS, CHANNEL_ERRORS, Gathering};
use crate::providers::event_words;
use crate::store::Error;
use crate::store::account_event::AccountEventRecord;
use crate::store::step::{SendAlerts, SendOutages};

/// Alerts whose window is over, as [`Gathering::is_over`] says.
const ALERTS_DUE: &str = "SELECT subscriber_id, error_key, failures, message_id, report_id \
     FROM alert WHERE due_at_ms <= ?1 OR due_at_ms > ?2";

/// Errors of a channel whose window is over, likewise.
const OUTAGES_DUE: &str = "SELECT account_event_id, source_id, event FROM account_event \
     WHERE notice_until_ms IS NOT NULL AND (notice_until_ms <= ?1 OR notice_until_ms > ?2)";

/// The latest error that a window gathered, and how many there are.
const GATHERED: &str = "SELECT max(account_event_id), count(*) FROM account_event \
     WHERE account_event_id > ?1 AND source_id = ?2 AND event = ?3 AND about = 'channel'";

impl SqliteStep for SendAlerts {
    async fn take(self, store: &SqliteStore) -> Result<(), Error> {
        let decide = |connection: &Connection, subscribers: &[Arc<Subscriber>], now_ms| {
            Ok(due::alerts(
                alerts(connection, now_ms)?,
                subscribers,
                now_ms,
            ))
        };
        let what = ("queue alerts", ALERTS_DUE, ALERTS);
        store.run(move |core| core.send_due(what, decide)).await
    }
}

impl SqliteStep for SendOutages {
    async fn take(self, store: &SqliteStore) -> Result<(), Error> {
        let decide = |connection: &Connection, subscribers: &[Arc<Subscriber>], now_ms| {
            Ok(due::outages(
                outages(connection, now_ms)?,
                subscribers,
                now_ms,
            ))
        };
        let what = ("queue errors of a channel", OUTAGES_DUE, CHANNEL_ERRORS);
        store.run(move |core| core.send_due(what, decide)).await
    }
}

impl Core {
    /// Writes what `decide` makes of what is due, if anything is.
    fn send_due(
        &mut self,
        (attempted, select, gathering): (&str, &str, Gathering),
        decide: impl FnOnce(&Connection, &[Arc<Subscriber>], i64) -> rusqlite::Result<DueWrites>,
    ) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        let any = self
            .connection
            .prepare_cached(select)
            .and_then(|mut due| due.exists([now_ms, gathering.end_ms(now_ms)]))
            .map_err(|error| backend(format!("cannot {attempted}"), error))?;
        if !any {
            return Ok(());
        }
        let subscribers = Arc::clone(&self.subscribers);
        self.queue(attempted, |connection, now_ms| {
            let writes = decide(connection, &subscribers, now_ms)?;
            apply(connection, writes, now_ms)
        })
    }

    /// Queues forwards in a transaction of its own, and hands them to their lanes once it is committed.
    pub(super) fn queue(
        &mut self,
        attempted: &str,
        act: impl FnOnce(&Connection, i64) -> rusqlite::Result<Enqueued>,
    ) -> Result<(), Error> {
        let counts = Arc::clone(&self.pending);
        let pending = self.change(attempted, |connection, now_ms| {
            let pending = act(connection, now_ms)
                .map_err(|error| backend(format!("cannot {attempted}"), error))?;
            counts.queued(&pending);
            Ok(pending)
        })?;
        self.lane_registry.hand_over(pending);
        Ok(())
    }
}

fn alerts(connection: &Connection, now_ms: i64) -> rusqlite::Result<Vec<DueAlert>> {
    connection
        .prepare_cached(ALERTS_DUE)?
        .query_map([now_ms, ALERTS.end_ms(now_ms)], |row| {
            Ok(DueAlert {
                subscriber_id: row.get(0)?,
                error_key: row.get(1)?,
                failures: row.get(2)?,
                latest: latest(connection, (row.get(3)?, row.get(4)?))?,
            })
        })?
        .collect()
}

/// What is known of that message and report; `None` when they were erased.
fn latest(
    connection: &Connection,
    (message_id, report_id): (i64, i64),
) -> rusqlite::Result<Option<LatestFailure>> {
    connection
        .prepare_cached(
            "SELECT report.error_title, source.name, message.provider_message_id, \
             coalesce(report.participant, report.recipient, message.recipient) \
             FROM message JOIN source USING (source_id) \
             JOIN report ON report.report_id = ?2 WHERE message.message_id = ?1",
        )?
        .query_row([message_id, report_id], |found| {
            Ok(LatestFailure {
                message_id: MessageKey::of(message_id),
                report_id: ReportKey::of(report_id),
                title: found.get(0)?,
                source: found.get(1)?,
                message: found.get(2)?,
                recipient: found.get(3)?,
            })
        })
        .optional()
}

fn outages(connection: &Connection, now_ms: i64) -> rusqlite::Result<Vec<DueOutage>> {
    let read = |row: &Row<'_>| {
        let event_id = row.get(0)?;
        let (source_id, event): (i64, String) = (row.get(1)?, row.get(2)?);
        Ok(DueOutage {
            event_id,
            gathered: gathered(connection, event_id, (source_id, &event))?,
        })
    };
    connection
        .prepare_cached(OUTAGES_DUE)?
        .query_map([now_ms, CHANNEL_ERRORS.end_ms(now_ms)], read)?
        .collect()
}

/// What the window of that event gathered.
fn gathered(
    connection: &Connection,
    event_id: AccountEventKey,
    (source_id, event): (i64, &str),
) -> rusqlite::Result<Option<GatheredErrors>> {
    let (latest, count): (Option<AccountEventKey>, u64) = connection
        .prepare_cached(GATHERED)?
        .query_row(params![event_id, source_id, event], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let Some(latest_id) = latest else {
        return Ok(None);
    };
    connection
        .prepare_cached(&format!(
            "{} WHERE account_event_id = ?1",
            account_events::SELECT
        ))?
        .query_row([latest_id], |row| {
            let first: Option<AccountEventKey> = row.get("first_event_id")?;
            let record = account_events::read(row)?;
            Ok(GatheredErrors {
                latest_id,
                first_id: first.unwrap_or(latest_id),
                count,
                source: record.source.clone(),
                at_ms: record.at_ms(),
                event: event_of(record),
            })
        })
        .optional()
}

/// An error of a channel as subscribers were notified of it.
fn event_of(record: AccountEventRecord) -> AccountEvent {
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

fn apply(connection: &Connection, writes: DueWrites, now_ms: i64) -> rusqlite::Result<Enqueued> {
    for (subscriber_id, error_key, next_ms) in writes.alerts {
        let key = (subscriber_id, error_key);
        match next_ms {
            Some(next_ms) => connection
                .prepare_cached(
                    "UPDATE alert SET failures = 0, due_at_ms = ?3 \
                     WHERE subscriber_id = ?1 AND error_key = ?2",
                )?
                .execute(params![key.0, key.1, next_ms])?,
            None => connection
                .prepare_cached("DELETE FROM alert WHERE subscriber_id = ?1 AND error_key = ?2")?
                .execute(params![key.0, key.1])?,
        };
    }
    for (event_id, until_ms) in writes.outages {
        connection
            .prepare_cached(
                "UPDATE account_event SET notice_until_ms = ?2 WHERE account_event_id = ?1",
            )?
            .execute(params![event_id, until_ms])?;
    }
    let mut pending = Enqueued::new();
    for notice in writes.notices {
        enqueue(connection, &notice, now_ms, &mut pending)?;
    }
    Ok(pending)
}

/// Writes a payload and its forwards.
pub(super) fn enqueue(
    connection: &Connection,
    notice: &DueNotice,
    now_ms: i64,
    pending: &mut Enqueued,
) -> rusqlite::Result<()> {
    let (message_id, report_id) = match notice.about {
        NoticeAbout::Message(message_id, report_id) => (message_id.number(), report_id.number()),
        NoticeAbout::Erased => (0, 0),
        NoticeAbout::Subject(first_id) => (lane_key(first_id.number()), 0),
        // Below zero there is no message.
        NoticeAbout::Condition(condition_id) => (-condition_id.number(), 0),
    };
    // For these rows alone: `Core::begin` has dropped those of the writer's groups.
    let mut times = RangeTimes::default();
    let mut queueing = Queueing::new(connection, &mut times)?;
    let payload_id = queueing.payload((report_id, RowTime::Unknown), &notice.body)?;
    for subscriber_id in &notice.subscribers {
        let forward = NewForward {
            uid: new_uid(now_ms),
            subscriber_id: *subscriber_id,
            message_id,
            report_id,
            payload_id,
            payload: &notice.body,
            place: notice.order,
            now_ms,
            alert_failures: notice.alert_failures,
        };
        pending.push(queueing.forward(&forward)?);
    }
    Ok(())
}
