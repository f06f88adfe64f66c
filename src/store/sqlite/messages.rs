//! Reading messages: their timelines, and the reports of a webhook.

use rusqlite::{Connection, OptionalExtension, Row};

use super::forward_reads::{self, alert_of};
use super::reader::{Reader, SqliteQuery};
use super::{explanations, same_person};
use crate::model::{Kind, SkipReason, Status, SubscriberKey};
use crate::store::Error;
use crate::store::query::WebhookReportQuery;
use crate::store::timeline::{
    ErrorRecord, MessageRecord, PricingRecord, RegistrationOrigin, RegistrationRecord,
    ReportRecord, SkippedRecord, StatusTimes, Timeline,
};

pub(super) const SELECT_MESSAGE: &str = "SELECT message.*, source.name AS source, source.provider, \
     registration.origin, registration.owner, registration.template_name, \
     registration.template_language, registration.template_parameters, registration.metadata, \
     registration.sent_at_ms AS registered_sent_at_ms, registration.ttl_s, \
     registration.silent_after_ms, registration.send_status, registration.registered_at_ms \
     FROM message JOIN source USING (source_id) \
     LEFT JOIN registration ON registration.message_id = message.message_id";

impl Reader {
    /// All that is known of the message with this key; `None` when there is none.
    pub(super) fn timeline(&self, message_id: i64) -> Result<Option<Timeline>, Error> {
        self.read("read the timeline", |connection| {
            let Some(message) = message(connection, message_id)? else {
                return Ok(None);
            };
            let mut reports = reports(connection, message_id)?;
            add_forwards(connection, message_id, &mut reports)?;
            for report in &mut reports {
                if let Some(participant) = &report.participant {
                    let source = std::slice::from_ref(&message.source);
                    report.member = Some(same_person::called(connection, participant, source)?);
                }
                if report.status == Some(Status::Failed) {
                    report.explained_by = explanations::explaining(connection, &message, report)?;
                }
            }
            Ok(Some(Timeline { message, reports }))
        })
    }
}

impl SqliteQuery for WebhookReportQuery {
    fn answer(self, reader: &Reader) -> Result<Vec<ReportRecord>, Error> {
        let webhook = &self.webhook;
        reader.read("read the webhook's reports", |connection| {
            let mut select = connection.prepare(
                "SELECT * FROM report WHERE webhook_id = ?1 AND kind <> 'echo' \
                 ORDER BY report_id DESC",
            )?;
            let mut rows = select.query([webhook.webhook_id])?;
            let (mut reports, mut open) = (Vec::new(), webhook.new_reports);
            while open > 0
                && let Some(row) = rows.next()?
            {
                let mut report = read_report(connection, row)?;
                let message_id = row.get("message_id")?;
                add_forwards(connection, message_id, std::slice::from_mut(&mut report))?;
                // What a report makes count comes beside it.
                open -= u64::from(report.kind != Kind::Fallback);
                reports.push(report);
            }
            reports.reverse();
            Ok(reports)
        })
    }
}

/// Gives each of a message's reports the pending forwards for it.
fn add_forwards(
    connection: &Connection,
    message_id: i64,
    reports: &mut [ReportRecord],
) -> rusqlite::Result<()> {
    for forward in forward_reads::of_message(connection, message_id)? {
        let report_id = forward.forward.report_id;
        let mut reports = reports.iter_mut();
        if let Some(report) = reports.find(|report| Some(report.report_id) == report_id) {
            report.forwards.push(forward);
        }
    }
    Ok(())
}

fn message(connection: &Connection, message_id: i64) -> rusqlite::Result<Option<MessageRecord>> {
    connection
        .prepare_cached(&format!("{SELECT_MESSAGE} WHERE message.message_id = ?1"))?
        .query_row([message_id], read_message)
        .optional()
}

/// The keys of the messages that a person means: with this id of the provider's, or the one with
/// this key, written `17` or `key:17`.
pub(super) fn keys_of(connection: &Connection, term: &str) -> rusqlite::Result<Vec<i64>> {
    let term = term.trim();
    let found: Vec<i64> = connection
        .prepare("SELECT message_id FROM message WHERE provider_message_id = ?1")?
        .query_map([term], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let key = term.strip_prefix("key:").unwrap_or(term).parse().ok();
    Ok(match key {
        Some(key) if found.is_empty() => vec![key],
        _ => found,
    })
}

pub(super) fn read_message(row: &Row<'_>) -> rusqlite::Result<MessageRecord> {
    Ok(MessageRecord {
        message_id: row.get("message_id")?,
        provider_message_id: row.get("provider_message_id")?,
        source: row.get("source")?,
        provider: row.get("provider")?,
        channel: row.get("channel")?,
        status: row.get("status")?,
        conflict: row.get("conflict")?,
        message_type: row.get("type")?,
        type_rule: row.get("type_rule")?,
        recipient: row.get("recipient")?,
        sender: row.get("sender")?,
        text: row.get("text")?,
        broadcast: row.get("broadcast")?,
        category: row.get("category")?,
        times: StatusTimes {
            queued_at_ms: row.get("queued_at_ms")?,
            sent_at_ms: row.get("sent_at_ms")?,
            delivered_at_ms: row.get("delivered_at_ms")?,
            read_at_ms: row.get("read_at_ms")?,
            failed_at_ms: row.get("failed_at_ms")?,
            deleted_at_ms: row.get("deleted_at_ms")?,
        },
        error_at_ms: row.get("error_at_ms")?,
        error: read_error(row)?,
        registration: read_registration(row)?,
        first_report_at_ms: row.get("first_report_at_ms")?,
        last_report_at_ms: row.get("last_report_at_ms")?,
    })
}

/// Reads the registration from a row that joins the message; `None` when there is none.
fn read_registration(row: &Row<'_>) -> rusqlite::Result<Option<RegistrationRecord>> {
    let origin: Option<RegistrationOrigin> = row.get("origin")?;
    let Some(origin) = origin else {
        return Ok(None);
    };
    let parameters: Option<String> = row.get("template_parameters")?;
    let metadata: Option<String> = row.get("metadata")?;
    Ok(Some(RegistrationRecord {
        origin,
        owner: row.get("owner")?,
        template_name: row.get("template_name")?,
        template_language: row.get("template_language")?,
        template_parameters: parameters.and_then(|json| serde_json::from_str(&json).ok()),
        metadata: metadata.and_then(|json| serde_json::from_str(&json).ok()),
        sent_at_ms: row.get("registered_sent_at_ms")?,
        ttl_s: row.get("ttl_s")?,
        silent_after_ms: row.get("silent_after_ms")?,
        send_status: row.get("send_status")?,
        registered_at_ms: row.get("registered_at_ms")?,
    }))
}

/// The primary error, which messages and reports keep in columns of the same names.
pub(super) fn read_error(row: &Row<'_>) -> rusqlite::Result<Option<ErrorRecord>> {
    let Some(error_key) = row.get("error_key")? else {
        return Ok(None);
    };
    Ok(Some(ErrorRecord {
        error_key,
        code: row.get("error_code")?,
        title: row.get("error_title")?,
        details: row.get("error_details")?,
    }))
}

fn reports(connection: &Connection, message_id: i64) -> rusqlite::Result<Vec<ReportRecord>> {
    let mut reports: Vec<ReportRecord> = connection
        .prepare("SELECT * FROM report WHERE message_id = ?1 ORDER BY report_id")?
        .query_map([message_id], |row| read_report(connection, row))?
        .collect::<rusqlite::Result<_>>()?;
    reports.sort_by_key(ReportRecord::order);
    Ok(reports)
}

fn read_report(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<ReportRecord> {
    let errors = match row.get::<_, Option<String>>("errors")? {
        Some(several) => serde_json::from_str(&several).map_err(super::cell::unreadable)?,
        None => read_error(row)?.into_iter().collect(),
    };
    let oddities: Option<String> = row.get("oddities")?;
    let oddities = oddities.iter().flat_map(|words| words.split(", "));
    let skipped: Option<String> = row.get("skipped")?;
    let error_key: Option<String> = row.get("error_key")?;
    let report = (
        row.get("report_id")?,
        error_key.as_deref().unwrap_or_default(),
    );
    Ok(ReportRecord {
        report_id: row.get("report_id")?,
        webhook_id: row.get("webhook_id")?,
        kind: row.get("kind")?,
        provider_status: row.get("provider_status")?,
        status: row.get("status")?,
        change: row.get("change")?,
        provider_time: row.get("provider_time")?,
        provider_time_ms: row.get("provider_time_ms")?,
        received_at_ms: row.get("received_at_ms")?,
        repeats: row.get("repeats")?,
        last_repeat_ms: row.get("last_repeat_ms")?,
        recipient: row.get("recipient")?,
        recipient_user_id: row.get("recipient_user_id")?,
        participant: row.get("participant")?,
        member: None,
        channel: row.get("channel")?,
        url: row.get("url")?,
        field: row.get("field")?,
        template_id: row.get("template_id")?,
        pricing: read_pricing(row)?,
        errors,
        explained_by: Vec::new(),
        oddities: oddities.map(str::to_owned).collect(),
        skipped: skipped
            .map(|json| read_skipped(connection, &json, report))
            .transpose()?
            .unwrap_or_default(),
        forwards: Vec::new(),
    })
}

fn read_pricing(row: &Row<'_>) -> rusqlite::Result<PricingRecord> {
    let other: Option<String> = row.get("pricing_other")?;
    Ok(PricingRecord {
        category: row.get("pricing_category")?,
        model: row.get("pricing_model")?,
        kind: row.get("pricing_type")?,
        billable: row.get("billable")?,
        price: row.get("price")?,
        currency: row.get("currency")?,
        other: other.and_then(|json| serde_json::from_str(&json).ok()),
    })
}

/// Subscribers by name; removed ones still have theirs.
fn read_skipped(
    connection: &Connection,
    json: &str,
    report: (i64, &str),
) -> rusqlite::Result<Vec<SkippedRecord>> {
    #[derive(serde::Deserialize)]
    struct StoredSkip {
        subscriber_id: SubscriberKey,
        reason: SkipReason,
    }
    let skipped: Vec<StoredSkip> = serde_json::from_str(json).map_err(super::cell::unreadable)?;
    let mut name =
        connection.prepare_cached("SELECT name FROM subscriber WHERE subscriber_id = ?1")?;
    skipped
        .into_iter()
        .map(|skipped| {
            let alert = match skipped.reason {
                SkipReason::Gathered => alert_of(connection, skipped.subscriber_id, report)?,
                _ => None,
            };
            Ok(SkippedRecord {
                subscriber: name.query_row([skipped.subscriber_id], |row| row.get(0))?,
                reason: skipped.reason,
                alert: alert.map(Box::new),
            })
        })
        .collect()
}
