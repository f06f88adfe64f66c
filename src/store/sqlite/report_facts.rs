//! Reading the facts of a message's reports that a group needs.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::model::{ReportError, Status, StatusHistory};
use crate::plan::group::{
    Fact, MessageFacts, MessageKeys, MessageState, RegistrationRow, ReportFacts,
};

/// The facts that the group needs of a message's reports.
pub(super) fn facts(
    connection: &Connection,
    message_id: i64,
    (keys, state): (&MessageKeys<'_>, &MessageState),
    names: &BTreeSet<String>,
) -> rusqlite::Result<MessageFacts> {
    let wants = |fact| keys.wants(fact, &state.message);
    let mut facts = MessageFacts::default();
    if wants(Fact::Registration) {
        facts.registration = registration(connection, message_id)?;
    }
    let of_all = [
        Fact::OwnBroadcast,
        Fact::Reported,
        Fact::Untaken,
        Fact::FirstFailure,
    ];
    if of_all.into_iter().any(wants) {
        all_reports(connection, message_id, &mut facts)?;
    } else if wants(Fact::People) {
        let has_members = "SELECT EXISTS (SELECT 1 FROM report WHERE message_id = ?1 \
                           AND participant IS NOT NULL)";
        facts.has_members = connection
            .prepare_cached(has_members)?
            .query_row([message_id], |row| row.get(0))?;
        let mut unnamed = connection.prepare_cached(
            "SELECT status, coalesce(provider_time_ms, received_at_ms) FROM report \
             WHERE message_id = ?1 AND participant IS NULL",
        )?;
        let mut found = unnamed.query([message_id])?;
        while let Some(row) = found.next()? {
            absorb(&mut facts.unnamed, row)?;
        }
        members(connection, message_id, names, &mut facts)?;
    }
    Ok(facts)
}

fn all_reports(
    connection: &Connection,
    message_id: i64,
    facts: &mut MessageFacts,
) -> rusqlite::Result<()> {
    let mut select = connection.prepare_cached(
        "SELECT kind, other_channel IS NULL, status, coalesce(provider_time_ms, received_at_ms), \
         broadcast, participant, error_key, error_code, error_title, error_details FROM report \
         WHERE message_id = ?1 ORDER BY report_id",
    )?;
    let mut found = select.query([message_id])?;
    while let Some(row) = found.next()? {
        let (broadcast, participant): (Option<String>, Option<String>) = (row.get(4)?, row.get(5)?);
        let (status, key): (Option<String>, Option<String>) = (row.get(2)?, row.get(6)?);
        let (code, title, details) = (row.get(7)?, row.get(8)?, row.get(9)?);
        let error = key.map(|key| ReportError {
            key,
            code,
            title,
            details,
            href: None,
            permanent: None,
        });
        facts.absorb(ReportFacts {
            kind: row.get(0)?,
            is_of_whatsapp: row.get(1)?,
            status: status.and_then(|word| word.parse().ok()),
            at_ms: row.get(3)?,
            broadcast: broadcast.as_deref(),
            error: error.as_ref(),
            participant: participant.as_deref(),
        });
    }
    Ok(())
}

/// What was reported of these members of the message's group.
pub(super) fn members(
    connection: &Connection,
    message_id: i64,
    names: &BTreeSet<String>,
    facts: &mut MessageFacts,
) -> rusqlite::Result<()> {
    let mut select = connection.prepare_cached(
        "SELECT status, coalesce(provider_time_ms, received_at_ms) FROM report \
         WHERE message_id = ?1 AND participant = ?2",
    )?;
    for name in names {
        let mut found = select.query(params![message_id, name])?;
        while let Some(row) = found.next()? {
            let history = facts.members.entry(name.clone()).or_default();
            absorb(history, row)?;
        }
    }
    Ok(())
}

fn absorb(history: &mut StatusHistory, row: &Row<'_>) -> rusqlite::Result<()> {
    let word: Option<String> = row.get(0)?;
    if let Some(status) = word.and_then(|word| word.parse::<Status>().ok()) {
        history.absorb(status, row.get(1)?);
    }
    Ok(())
}

/// What stands beside a message.
fn registration(
    connection: &Connection,
    message_id: i64,
) -> rusqlite::Result<Option<RegistrationRow>> {
    connection
        .prepare_cached(
            "SELECT origin = 'call', owner, template_name, template_language, template_parameters, \
             metadata, sent_at_ms, ttl_s, silent_after_ms, send_status, registered_at_ms \
             FROM registration WHERE message_id = ?1",
        )?
        .query_row([message_id], |row| {
            Ok(RegistrationRow {
                is_call: row.get(0)?,
                owner: row.get(1)?,
                template_name: row.get(2)?,
                template_language: row.get(3)?,
                template_parameters: row.get(4)?,
                metadata: row.get(5)?,
                sent_ms: row.get(6)?,
                ttl_s: row.get(7)?,
                silent_after_ms: row.get(8)?,
                send_status: row.get(9)?,
                registered_ms: row.get(10)?,
            })
        })
        .optional()
}
