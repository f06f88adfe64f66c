//! What was reported of one member of a group, and of the group as a whole.
//!
//! A message's row joins what was said of all. Whether subscribers are told of a report, and
//! whether it contradicts another, goes by what was said of the same person.

use std::collections::HashSet;

use rusqlite::{Connection, Row, params};

use crate::model::{Message, Report, Standing, Status};

/// What was reported before of the one this report is about; `None` when that is the message.
pub(super) fn standing(
    connection: &Connection,
    known: Option<&(i64, Message)>,
    report: &Report,
) -> rusqlite::Result<Option<Standing>> {
    let Some((message_id, message)) = known else {
        return Ok(None);
    };
    let message_id = *message_id;
    if let Some(participant) = report.participant.as_deref() {
        let names = [Some(participant), report.recipient_user_id.as_deref()];
        return of_person(connection, message_id, names.into_iter().flatten()).map(Some);
    }
    if report.group.is_some() || mixes_people(connection, message_id, message, report)? {
        return of_nobody(connection, message_id).map(Some);
    }
    Ok(None)
}

/// Joined over the reports of a member under all its names: one report may have the number, the
/// next the user id, a third both.
fn of_person<'n>(
    connection: &Connection,
    message_id: i64,
    under: impl Iterator<Item = &'n str>,
) -> rusqlite::Result<Standing> {
    let mut standing = Standing::new();
    let mut statement = connection.prepare_cached(
        "SELECT status, coalesce(provider_time_ms, received_at_ms), report_id, participant, \
         recipient_user_id FROM report WHERE message_id = ?1 AND participant = ?2 \
         UNION ALL \
         SELECT status, coalesce(provider_time_ms, received_at_ms), report_id, participant, \
         recipient_user_id FROM report WHERE message_id = ?1 AND participant IS NOT NULL \
         AND recipient_user_id = ?2",
    )?;
    let mut names: Vec<String> = under.map(str::to_owned).collect();
    let mut asked: HashSet<String> = names.iter().cloned().collect();
    let mut known = HashSet::new();
    while let Some(name) = names.pop() {
        let mut found = statement.query(params![message_id, name])?;
        while let Some(row) = found.next()? {
            if !known.insert(row.get::<_, i64>(2)?) {
                continue;
            }
            absorb(&mut standing, row)?;
            for column in 3..5 {
                let name: Option<String> = row.get(column)?;
                if let Some(name) = name.filter(|name| asked.insert(name.clone())) {
                    names.push(name);
                }
            }
        }
    }
    Ok(standing)
}

/// Whether the message's row would tell of a contradiction that may be between two people.
fn mixes_people(
    connection: &Connection,
    message_id: i64,
    message: &Message,
    report: &Report,
) -> rusqlite::Result<bool> {
    let mut joined = message.standing.clone();
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
fn of_nobody(connection: &Connection, message_id: i64) -> rusqlite::Result<Standing> {
    let mut standing = Standing::new();
    let mut statement = connection.prepare_cached(
        "SELECT status, coalesce(provider_time_ms, received_at_ms) FROM report \
         WHERE message_id = ?1 AND participant IS NULL",
    )?;
    let mut found = statement.query([message_id])?;
    while let Some(row) = found.next()? {
        absorb(&mut standing, row)?;
    }
    Ok(standing)
}

fn absorb(standing: &mut Standing, row: &Row<'_>) -> rusqlite::Result<()> {
    let word: Option<String> = row.get(0)?;
    if let Some(status) = word.and_then(|word| word.parse::<Status>().ok()) {
        standing.absorb(status, row.get(1)?);
    }
    Ok(())
}
