//! Writing what a group leaves, table by table, in the writer's transaction.
//!
//! Places become keys here. Which rows those are is for [`crate::plan::group`] to say. No rule
//! stands here.

use std::collections::BTreeMap;

use bytes::Bytes;
use rusqlite::{Connection, params};

use super::enqueue::{NewForward, Queueing, lane_key};
use super::ranges::{RangeTimes, RowTime, Timed};
use super::sparse_statement::SparseStatement;
use super::{poll_state, rows};
use crate::model::{MessageKey, SubscriberKey, WebhookKey};
use crate::plan::group::{
    AlertWrite, FirstEvent, ForwardAbout, MessageState, PayloadBody, Touch, WebhookPlace,
    WorkAnswer, WorkOutcome, Writes,
};
use crate::store::PendingForward;

/// What is now pending, each with the subscriber it is queued for.
pub(super) type Enqueued = Vec<(SubscriberKey, PendingForward)>;

/// What a group did.
pub(super) struct Applied {
    /// What came of each piece of work.
    pub(super) answers: Vec<WorkAnswer>,
    /// What it queued.
    pub(super) pending: Enqueued,
}

/// Writes it; `source_ids` has the keys of its sources.
pub(super) fn apply(
    (connection, times): (&Connection, &mut RangeTimes),
    writes: Writes<'_>,
    source_ids: &[i64],
) -> rusqlite::Result<Applied> {
    let mut applying = Applying {
        connection,
        times,
        source_ids,
        webhooks: Vec::with_capacity(writes.webhooks.len()),
        messages: Vec::new(),
        reports: Vec::with_capacity(writes.reports.len()),
        events: Vec::with_capacity(writes.events.len()),
    };
    applying.webhooks(&writes)?;
    applying.links(&writes)?;
    applying.messages(&writes)?;
    applying.registrations(&writes)?;
    applying.reports(&writes)?;
    applying.events(&writes)?;
    applying.alerts(&writes)?;
    applying.polls(&writes)?;
    let (outcomes, pending) = applying.forwards(writes)?;
    let answers = outcomes.into_iter();
    Ok(Applied {
        answers: answers
            .map(|outcome| outcome.answer(&applying.webhooks))
            .collect(),
        pending,
    })
}

/// The keys of what was written so far, by places.
struct Applying<'k> {
    connection: &'k Connection,
    times: &'k mut RangeTimes,
    source_ids: &'k [i64],
    webhooks: Vec<WebhookKey>,
    messages: Vec<i64>,
    reports: Vec<i64>,
    events: Vec<i64>,
}

fn key(webhooks: &[WebhookKey], webhook: WebhookPlace) -> WebhookKey {
    match webhook {
        WebhookPlace::Stored(webhook_id) => webhook_id,
        WebhookPlace::New(place) => webhooks[place],
    }
}

fn first_event(events: &[i64], first: FirstEvent) -> i64 {
    match first {
        FirstEvent::Stored(event_id) => event_id.number(),
        FirstEvent::New(place) => events[place],
    }
}

impl Applying<'_> {
    fn webhooks(&mut self, writes: &Writes<'_>) -> rusqlite::Result<()> {
        if !writes.webhooks.is_empty() {
            let mut insert = self.connection.prepare_cached(rows::INSERT_WEBHOOK)?;
            for row in &writes.webhooks {
                let source_id = self.source_ids[row.source];
                let webhook_id = rows::insert_webhook(&mut insert, row, source_id)?;
                let given_out = (webhook_id, RowTime::At(row.arrival.received_ms));
                self.times
                    .given_out(self.connection, Timed::Webhook, given_out)?;
                self.webhooks.push(WebhookKey::of(webhook_id));
            }
        }
        for (webhook_id, state) in &writes.rewritten {
            self.connection
                .prepare_cached(
                    "UPDATE webhook SET outcome = ?2, outcome_detail = ?3, reports = ?4, \
                     new_reports = ?5, unreadable = ?6 WHERE webhook_id = ?1",
                )?
                .execute(params![
                    webhook_id,
                    state.outcome,
                    state.detail,
                    state.reports,
                    state.new_reports,
                    state.unreadable,
                ])?;
        }
        for ((source, what), seen) in &writes.ignored {
            self.connection
                .prepare_cached(
                    "INSERT INTO ignored (source_id, what, count, first_seen_ms, last_seen_ms) \
                     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (source_id, what) DO UPDATE SET \
                     count = count + excluded.count, \
                     first_seen_ms = min(first_seen_ms, excluded.first_seen_ms), \
                     last_seen_ms = max(last_seen_ms, excluded.last_seen_ms)",
                )?
                .execute(params![
                    self.source_ids[*source],
                    what,
                    seen.count,
                    seen.first_ms,
                    seen.last_ms,
                ])?;
        }
        Ok(())
    }

    fn links(&self, writes: &Writes<'_>) -> rusqlite::Result<()> {
        for link in &writes.links {
            if let Some(key) = link.key {
                self.connection
                    .prepare_cached(
                        "UPDATE same_person SET last_seen_ms = ?2 WHERE same_person_id = ?1",
                    )?
                    .execute(params![key, link.last_ms])?;
                continue;
            }
            self.connection
                .prepare_cached(
                    "INSERT INTO same_person (source_id, name, other_name, first_seen_ms, \
                     last_seen_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![
                    self.source_ids[link.pair.source],
                    link.pair.name,
                    link.pair.other,
                    link.first_ms,
                    link.last_ms,
                ])?;
        }
        Ok(())
    }

    fn messages(&mut self, writes: &Writes<'_>) -> rusqlite::Result<()> {
        let stored = |state: &Option<MessageState>| {
            let state = state.as_ref();
            state
                .and_then(|state| state.key)
                .map_or(0, MessageKey::number)
        };
        self.messages = writes.messages.iter().map(stored).collect();
        if !writes.new_messages.is_empty() {
            let mut insert = SparseStatement::new(self.connection, rows::INSERT_MESSAGE)?;
            for place in &writes.new_messages {
                let (keys, state) = (&writes.message_keys[*place], &writes.messages[*place]);
                let Some(state) = state else { continue };
                let source_id = self.source_ids[state.source];
                rows::insert_message(&mut insert, source_id, keys.name, state)?;
                let message_id = self.connection.last_insert_rowid();
                let given_out = (message_id, RowTime::At(state.first_report_ms));
                self.times
                    .given_out(self.connection, Timed::Message, given_out)?;
                self.messages[*place] = message_id;
            }
        }
        let stored = writes.messages.iter().flatten();
        let mut stored = stored.filter(|state| state.key.is_some()).peekable();
        if stored.peek().is_none() {
            return Ok(());
        }
        let mut update = SparseStatement::new(self.connection, rows::UPDATE_MESSAGE)?;
        let mut move_times = self.connection.prepare_cached(
            "UPDATE message SET first_report_at_ms = ?2, last_report_at_ms = ?3 \
             WHERE message_id = ?1",
        )?;
        for state in stored {
            let Some(message_id) = state.key.map(MessageKey::number) else {
                continue;
            };
            match state.touch {
                Touch::Nothing => {}
                Touch::Times => {
                    let (first_ms, last_ms) = (state.first_report_ms, state.last_report_ms);
                    move_times.execute([message_id, first_ms, last_ms])?;
                }
                Touch::All => rows::update_message(&mut update, message_id, state)?,
            }
            // A report that an earlier clock stamped lowers it.
            let first_ms = state.first_report_ms;
            self.times.moved(Timed::Message, (message_id, first_ms));
        }
        Ok(())
    }

    fn registrations(&self, writes: &Writes<'_>) -> rusqlite::Result<()> {
        for (place, row) in writes.registrations() {
            self.connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO registration (message_id, origin, owner, \
                     template_name, template_language, template_parameters, metadata, sent_at_ms, \
                     ttl_s, silent_after_ms, send_status, registered_at_ms) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                )?
                .execute(params![
                    self.messages[place],
                    if row.is_call { "call" } else { "echo" },
                    row.owner,
                    row.template_name,
                    row.template_language,
                    row.template_parameters,
                    row.metadata,
                    row.sent_ms,
                    row.ttl_s,
                    row.silent_after_ms,
                    row.send_status,
                    row.registered_ms,
                ])?;
        }
        Ok(())
    }

    fn reports(&mut self, writes: &Writes<'_>) -> rusqlite::Result<()> {
        if !writes.forgotten.is_empty() {
            // A payload of one of them has no time any more.
            self.times.forget(Timed::Payload);
        }
        for report_id in &writes.forgotten {
            self.connection
                .prepare_cached("DELETE FROM report WHERE report_id = ?1")?
                .execute([report_id])?;
        }
        if writes.reports.is_empty() && writes.repeated_reports.is_empty() {
            return Ok(());
        }
        let mut insert = SparseStatement::new(self.connection, rows::INSERT_REPORT)?;
        for row in &writes.reports {
            // A place of its own is kept, so that the others keep theirs.
            let mut report_id = 0;
            if !row.is_forgotten {
                let webhook = row.webhook.map(|webhook| key(&self.webhooks, webhook));
                let keys = (self.messages[row.message], webhook);
                report_id = rows::insert_report(&mut insert, row, keys)?;
            }
            self.reports.push(report_id);
            if let Some((count, last_ms)) = row.repeats {
                rows::repeat(self.connection, "report", report_id, (count, last_ms))?;
            }
        }
        let repeated = writes.repeated_reports.iter();
        let repeated: BTreeMap<i64, _> = repeated
            .map(|(report_id, seen)| (report_id.number(), seen))
            .collect();
        for (report_id, seen) in repeated {
            let seen = (seen.count, seen.last_ms);
            rows::repeat(self.connection, "report", report_id, seen)?;
        }
        Ok(())
    }

    fn events(&mut self, writes: &Writes<'_>) -> rusqlite::Result<()> {
        for row in &writes.events {
            let source_id = self.source_ids[row.keys.source];
            let webhook_id = key(&self.webhooks, row.webhook);
            let event_id = rows::insert_event(self.connection, row, (source_id, webhook_id))?;
            self.events.push(event_id);
            self.connection
                .prepare_cached(
                    "UPDATE account_event SET first_event_id = ?2 WHERE account_event_id = ?1",
                )?
                .execute([event_id, first_event(&self.events, row.first)])?;
            if let Some((count, last_ms)) = row.repeats {
                rows::repeat(self.connection, "account_event", event_id, (count, last_ms))?;
            }
        }
        for (event_id, seen) in &writes.repeated_events {
            let seen = (seen.count, seen.last_ms);
            rows::repeat(self.connection, "account_event", event_id.number(), seen)?;
        }
        Ok(())
    }

    fn alerts(&self, writes: &Writes<'_>) -> rusqlite::Result<()> {
        let alerts = writes.alerts.iter();
        let alerts = alerts.map(|((chat, error), alert)| ((chat.number(), &**error), alert));
        let alerts: BTreeMap<(i64, &str), &AlertWrite> = alerts.collect();
        for ((subscriber_id, error_key), alert) in alerts {
            self.connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO alert (subscriber_id, error_key, failures, message_id, \
                     report_id, due_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    subscriber_id,
                    error_key,
                    alert.failures,
                    self.messages[alert.message],
                    self.reports[alert.report],
                    alert.due_at_ms,
                ])?;
        }
        Ok(())
    }

    fn polls(&self, writes: &Writes<'_>) -> rusqlite::Result<()> {
        for (source, broadcast, opening) in &writes.polls {
            let poll = (self.source_ids[*source], *broadcast);
            poll_state::open(self.connection, poll, *opening, writes.now_ms)?;
        }
        Ok(())
    }

    /// Writes the payloads and what is pending of them.
    fn forwards(&mut self, writes: Writes<'_>) -> rusqlite::Result<(Vec<WorkOutcome>, Enqueued)> {
        // Each forward is of one of them.
        if writes.payloads.is_empty() {
            return Ok((writes.outcomes, Enqueued::new()));
        }
        let mut queueing = Queueing::new(self.connection, self.times)?;
        let mut payloads: Vec<(i64, i64, Bytes)> = Vec::with_capacity(writes.payloads.len());
        for row in writes.payloads {
            let body: Bytes = match row.body {
                PayloadBody::Bytes(body) => body,
                PayloadBody::Alert {
                    mut alert,
                    options,
                    message,
                } => {
                    alert.message_key = Some(MessageKey::of(self.messages[message]));
                    alert.render(&options).into()
                }
            };
            let report_id = row.report.map_or(0, |place| self.reports[place]);
            let time = row.report.map_or(RowTime::Uncounted, |place| {
                RowTime::At(writes.reports[place].received_ms)
            });
            let payload_id = queueing.payload((report_id, time), &body)?;
            payloads.push((payload_id, report_id, body));
        }
        let mut pending = Enqueued::with_capacity(writes.forwards.len());
        for row in writes.forwards {
            let (payload_id, report_id, payload) = &payloads[row.payload];
            let message_id = match row.about {
                ForwardAbout::Message(place) => self.messages[place],
                ForwardAbout::Subject(first) => lane_key(first_event(&self.events, first)),
            };
            let forward = NewForward {
                uid: row.uid,
                subscriber_id: row.subscriber_id,
                message_id,
                report_id: *report_id,
                payload_id: *payload_id,
                payload,
                place: row.order,
                now_ms: row.pending_since_ms,
                alert_failures: row.alert_failures,
            };
            pending.push(queueing.forward(&forward)?);
        }
        Ok((writes.outcomes, pending))
    }
}
