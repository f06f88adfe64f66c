//! The account events that explain a failure: found by its source, its time and its people, chosen by
//! [`crate::plan::explained`].

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::account_events::{SELECT, read};
use super::forward_reads::json_list;
use super::same_person;
use crate::model::{WHATSAPP, digits};
use crate::plan::explained::{self, CHANNEL_MS, FailureFacts, LOOK_BACK_MS, Past};
use crate::store::account_event::{AccountEventRecord, Explanation};
use crate::store::timeline::{MessageRecord, ReportRecord};

/// Events before a failure that are looked at; more than a source has in a usual quarter.
const MOST_LOOKED_AT: usize = 1000;

/// What may explain a failure: by the source and the time, and by the person where it is about one.
/// Errors of the channel may be many: they would hide what is older.
pub(super) const PAST: &str = "WHERE source_id = ?1 \
     AND coalesce(provider_time_ms, received_at_ms) BETWEEN ?2 AND ?3 \
     AND CASE about WHEN 'contact' THEN person IN (SELECT value FROM json_each(?4)) \
     OR person_user_id IN (SELECT value FROM json_each(?4)) \
     WHEN 'channel' THEN coalesce(provider_time_ms, received_at_ms) >= ?5 AND event = ?6 \
     ELSE 1 END \
     ORDER BY coalesce(provider_time_ms, received_at_ms) DESC, account_event_id DESC LIMIT ?7";

/// The events that explain this failure of the message, the latest first; none of one on another
/// channel, of which the providers of WhatsApp say nothing.
pub(super) fn explaining(
    connection: &Connection,
    message: &MessageRecord,
    report: &ReportRecord,
) -> rusqlite::Result<Vec<Explanation>> {
    if report.channel != WHATSAPP {
        return Ok(Vec::new());
    }
    let at_ms = report.at_ms();
    let error = report.errors.first();
    let code = error.and_then(|error| Some(error.error_key.split_once(':')?.1));
    let people = [
        &report.participant,
        &report.recipient,
        &report.recipient_user_id,
        &message.recipient,
    ];
    let mut names = BTreeSet::new();
    for person in people.into_iter().flatten() {
        let source = std::slice::from_ref(&message.source);
        names.extend(same_person::names_of(connection, &digits(person), source)?);
    }
    let source_id: i64 = connection
        .prepare_cached("SELECT source_id FROM message WHERE message_id = ?1")?
        .query_row([message.message_id], |row| row.get(0))?;
    let mut found: Vec<AccountEventRecord> = connection
        .prepare_cached(&format!("{SELECT} {PAST}"))?
        .query_map(
            params![
                source_id,
                at_ms.saturating_sub(LOOK_BACK_MS),
                at_ms,
                json_list(&Vec::from_iter(names)),
                at_ms.saturating_sub(CHANNEL_MS),
                code,
                MOST_LOOKED_AT,
            ],
            read,
        )?
        .collect::<rusqlite::Result<_>>()?;
    found.reverse();
    let [account_id, sender, sender_id]: [Option<String>; 3] = connection
        .prepare_cached("SELECT account_id, sender, sender_id FROM report WHERE report_id = ?1")?
        .query_row([report.report_id], |row| {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?])
        })?;
    let registration = message.registration.as_ref();
    let failure = FailureFacts {
        at_ms,
        error_key: error.map(|error| error.error_key.as_str()),
        details: error.and_then(|error| error.details.as_deref()),
        template_name: registration.and_then(|registration| registration.template_name.as_deref()),
        template_language: registration
            .and_then(|registration| registration.template_language.as_deref()),
        template_id: report.template_id.as_deref(),
        sender: sender.as_deref().or(message.sender.as_deref()),
        sender_id: sender_id.as_deref(),
        account_id: account_id.as_deref(),
    };
    let past: Vec<Past<'_>> = found.iter().map(past).collect();
    let places = explained::explaining(&past, &failure);
    let explaining = places.into_iter().filter_map(|place| found.get(place));
    Ok(explaining
        .map(|event| Explanation::of(event.clone(), at_ms))
        .collect())
}

fn past(event: &AccountEventRecord) -> Past<'_> {
    Past {
        at_ms: event.at_ms(),
        about: event.about,
        subject: &event.subject,
        event: &event.event,
        name: &event.name,
        template_id: event.template_id.as_deref(),
        language: event.language.as_deref(),
        sender: event.sender.as_deref(),
        sender_id: event.sender_id.as_deref(),
        account_id: event.account_id.as_deref(),
        ends_at_ms: event.ends_at_ms,
    }
}
