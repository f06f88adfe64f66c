//! What was reported of one member of a group, and of the group as a whole.
//!
//! A message's row joins what was said of all. Whether subscribers are notified of a report, and
//! whether it contradicts another, goes by what was said of the same person: of one name, and of
//! those that any statement gave along with it (`same_person`), before the reports or after them.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row, params};

use super::same_person;
use crate::model::{Message, Report, Status, StatusHistory, is_phone_number};

/// Takes in that these names are one person's. When that is news, what befell the person in a group
/// under one name may contradict what befell it under another.
pub(super) fn link(
    connection: &Connection,
    source_id: i64,
    names: &[String],
    at_ms: i64,
) -> rusqlite::Result<()> {
    if !same_person::link(connection, source_id, names, at_ms)? {
        return Ok(());
    }
    let Some(name) = names.first() else {
        return Ok(());
    };
    let person = GroupMember::of(connection, source_id, std::iter::once(name.as_str()))?;
    for message_id in person.failures(connection)? {
        if person.history(connection, message_id)?.is_conflict() {
            connection
                .prepare_cached("UPDATE message SET conflict = 1 WHERE message_id = ?1")?
                .execute([message_id])?;
        }
    }
    Ok(())
}

/// What was reported before of the one this report is about; `None` when that is the message.
pub(super) fn history(
    connection: &Connection,
    source_id: i64,
    known: Option<&(i64, Message)>,
    report: &Report,
) -> rusqlite::Result<Option<StatusHistory>> {
    let Some((message_id, message)) = known else {
        return Ok(None);
    };
    let message_id = *message_id;
    if let Some(participant) = report.participant.as_deref() {
        let given = report.person_names();
        let names = given.iter().map(String::as_str).chain([participant]);
        let person = GroupMember::of(connection, source_id, names)?;
        return person.history(connection, message_id).map(Some);
    }
    if report.group.is_some() || mixes_people(connection, message_id, message, report)? {
        return unnamed(connection, message_id).map(Some);
    }
    Ok(None)
}

/// What a member is called, the same under each of its names: by its number where one is known.
pub(super) fn called(
    connection: &Connection,
    participant: &str,
    source: &[String],
) -> rusqlite::Result<String> {
    let names = same_person::names_of(connection, participant, source)?;
    let number = names.iter().find(|name| is_phone_number(name));
    let name = number.or(names.first());
    Ok(name.map_or_else(|| participant.to_owned(), Clone::clone))
}

/// A member of groups, under every name that the source gave the same person.
struct GroupMember {
    source_id: i64,
    names: BTreeSet<String>,
}

impl GroupMember {
    /// The person with one of these names: each leads to those that were named along with it.
    fn of<'n>(
        connection: &Connection,
        source_id: i64,
        names: impl Iterator<Item = &'n str>,
    ) -> rusqlite::Result<Self> {
        let mut names: BTreeSet<String> = names.map(str::to_owned).collect();
        let mut unasked: Vec<String> = names.iter().cloned().collect();
        while let Some(name) = unasked.pop() {
            for other in same_person::neighbours(connection, source_id, &name)? {
                if names.len() < same_person::MOST && names.insert(other.clone()) {
                    unasked.push(other);
                }
            }
        }
        Ok(Self { source_id, names })
    }

    /// The messages that failed for this person and reached a member, and do not contradict
    /// themselves as yet.
    fn failures(&self, connection: &Connection) -> rusqlite::Result<BTreeSet<i64>> {
        let mut select = connection.prepare_cached(
            "SELECT message_id FROM report INDEXED BY report_failed_member \
             CROSS JOIN message USING (message_id) \
             WHERE participant = ?1 AND report.status = 'failed' \
             AND source_id = ?2 AND conflict = 0 \
             AND coalesce(message.delivered_at_ms, message.read_at_ms) IS NOT NULL",
        )?;
        let mut found = BTreeSet::new();
        for name in &self.names {
            let messages = select.query_map(params![name, self.source_id], |row| row.get(0))?;
            for message_id in messages {
                found.insert(message_id?);
            }
        }
        Ok(found)
    }

    /// What was reported of this person as a member of the message's group.
    fn history(&self, connection: &Connection, message_id: i64) -> rusqlite::Result<StatusHistory> {
        let mut select = connection.prepare_cached(
            "SELECT status, coalesce(provider_time_ms, received_at_ms) FROM report \
             WHERE message_id = ?1 AND participant = ?2",
        )?;
        let mut history = StatusHistory::new();
        for name in &self.names {
            let mut found = select.query(params![message_id, name])?;
            while let Some(row) = found.next()? {
                absorb(&mut history, row)?;
            }
        }
        Ok(history)
    }
}

/// Whether the message's row would show a contradiction that may be between two people.
fn mixes_people(
    connection: &Connection,
    message_id: i64,
    message: &Message,
    report: &Report,
) -> rusqlite::Result<bool> {
    let mut joined = message.history.clone();
    if let Some(status) = report.status {
        joined.absorb(status, 0);
    }
    if message.conflict || !joined.is_conflict() {
        return Ok(false);
    }
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM report WHERE message_id = ?1 AND participant IS NOT NULL)",
        )?
        .query_row([message_id], |row| row.get(0))
}

/// Joined over the reports that are of no member.
fn unnamed(connection: &Connection, message_id: i64) -> rusqlite::Result<StatusHistory> {
    let mut history = StatusHistory::new();
    let mut statement = connection.prepare_cached(
        "SELECT status, coalesce(provider_time_ms, received_at_ms) FROM report \
         WHERE message_id = ?1 AND participant IS NULL",
    )?;
    let mut found = statement.query([message_id])?;
    while let Some(row) = found.next()? {
        absorb(&mut history, row)?;
    }
    Ok(history)
}

fn absorb(history: &mut StatusHistory, row: &Row<'_>) -> rusqlite::Result<()> {
    let word: Option<String> = row.get(0)?;
    if let Some(status) = word.and_then(|word| word.parse::<Status>().ok()) {
        history.absorb(status, row.get(1)?);
    }
    Ok(())
}
