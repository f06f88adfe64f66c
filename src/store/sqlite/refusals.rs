//! Sends that a provider refused: when such an answer says nothing new, and how it is taken back.

use rusqlite::Connection;

use super::rows;
use crate::model::{Message, Report, SendResult, Standing, Status};

/// Whether a refusal changes nothing: it is known, or it is of a second send with the id of a
/// first one that was taken, of which it says nothing.
pub(super) fn is_moot(
    connection: &Connection,
    message_id: i64,
    word: Option<&str>,
    refusal: &Report,
) -> rusqlite::Result<bool> {
    if is_stored(connection, message_id, refusal)? {
        return Ok(true);
    }
    // An answer that refuses this very message is about its only send, unless the id was taken.
    let key = refusal.error().map_or("", |error| error.key.as_str());
    if key.starts_with("infobip-status:") && key != "infobip-status:23" {
        return Ok(false);
    }
    if word.is_some_and(|word| word != SendResult::REFUSED) {
        return Ok(true);
    }
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM report WHERE message_id = ?1 AND other_channel IS NULL \
             AND kind NOT IN ('registration', 'fallback'))",
        )?
        .query_row([message_id], |row| row.get(0))
}

/// Takes a refusal of the send out of what is known of a message.
pub(super) fn forget_refusal(
    connection: &Connection,
    message_id: i64,
    message: &mut Message,
) -> rusqlite::Result<()> {
    message.standing = Standing::new();
    let mut statement = connection.prepare_cached(
        "SELECT status, coalesce(provider_time_ms, received_at_ms) FROM report \
         WHERE message_id = ?1 AND status IS NOT NULL AND other_channel IS NULL \
         AND kind <> 'fallback' AND NOT (kind = 'registration' AND status = 'failed')",
    )?;
    let mut found = statement.query([message_id])?;
    while let Some(row) = found.next()? {
        let word: String = row.get(0)?;
        if let Ok(status) = word.parse::<Status>() {
            message.standing.absorb(status, row.get(1)?);
        }
    }
    message.conflict &= message.standing.is_conflict();
    if message.standing.first_ms(Status::Failed).is_none() {
        message.failure = None;
    }
    message.count_fallback();
    Ok(())
}

/// Whether the message has this very report.
pub(super) fn is_stored(
    connection: &Connection,
    message_id: i64,
    report: &Report,
) -> rusqlite::Result<bool> {
    let found = rows::find_report(connection, message_id, report.identity().0)?;
    Ok(found.is_some())
}
