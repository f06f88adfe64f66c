//! Removing messages, reports and forwards with all that hangs on them, by age or for a person.

use rusqlite::{Connection, params_from_iter};

use super::clause::Clause;

/// Removes a message with everything that hangs on it.
pub(super) fn delete_message(connection: &Connection, message_id: i64) -> rusqlite::Result<()> {
    delete_forwards(connection, message_id, None)?;
    for sql in [
        "DELETE FROM report WHERE message_id = ?1",
        "DELETE FROM registration WHERE message_id = ?1",
        "DELETE FROM message WHERE message_id = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([message_id])?;
    }
    Ok(())
}

/// Removes one report with its forwards; the message goes with its last one.
pub(super) fn delete_report(
    connection: &Connection,
    message_id: i64,
    report_id: i64,
) -> rusqlite::Result<()> {
    delete_forwards(connection, message_id, Some(report_id))?;
    connection
        .prepare_cached("DELETE FROM report WHERE report_id = ?1")?
        .execute([report_id])?;
    connection
        .prepare_cached(
            "DELETE FROM message WHERE message_id = ?1 \
             AND NOT EXISTS (SELECT 1 FROM report WHERE message_id = ?1)",
        )?
        .execute([message_id])?;
    connection
        .prepare_cached(
            "DELETE FROM registration WHERE message_id = ?1 \
             AND NOT EXISTS (SELECT 1 FROM message WHERE message_id = ?1)",
        )?
        .execute([message_id])?;
    Ok(())
}

/// Removes the forwards of a message, or of one of its reports, with payloads and attempts.
pub(super) fn delete_forwards(
    connection: &Connection,
    message_id: i64,
    report_id: Option<i64>,
) -> rusqlite::Result<()> {
    let mut clause = Clause::default();
    clause.and_if("message_id = ?", Some(message_id));
    clause.and_if("report_id = ?", report_id);
    let theirs = clause.text();
    for sql in [
        format!(
            "DELETE FROM attempt WHERE forward_id IN \
             (SELECT forward_id FROM forward WHERE {theirs})"
        ),
        format!(
            "DELETE FROM former_uid WHERE forward_id IN \
             (SELECT forward_id FROM forward WHERE {theirs})"
        ),
        format!(
            "DELETE FROM payload WHERE payload_id IN \
             (SELECT payload_id FROM forward WHERE {theirs})"
        ),
        format!("DELETE FROM forward WHERE {theirs}"),
    ] {
        connection
            .prepare_cached(&sql)?
            .execute(params_from_iter(clause.values()))?;
    }
    Ok(())
}
