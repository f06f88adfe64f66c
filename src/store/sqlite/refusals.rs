//! Sends that a provider refused: when such an answer says nothing new, and how it is taken back.

use rusqlite::{Connection, OptionalExtension, params};

use super::rows;
use crate::model::{Message, Report, SendResult, Status, StatusHistory};
use crate::providers::{refuses_a_duplicate, refuses_one_message};

/// What a refused send says of the message that its id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bearing {
    /// It is the message's own send, which has failed.
    Own,
    /// The message was taken: this is another send, and says nothing of it.
    Another,
    /// Nothing new.
    Known,
}

/// What a refusal says of a known message. One id is one message: once it was taken, or reported of,
/// a later send with its id that was refused failed by itself.
pub(super) fn bearing(
    connection: &Connection,
    message_id: i64,
    word: Option<&str>,
    refusal: &Report,
) -> rusqlite::Result<Bearing> {
    let was_notified = was_notified(connection, message_id, refusal)?;
    if was_notified == Some(true) {
        return Ok(Bearing::Known);
    }
    let key = refusal.error().map_or("", |error| error.key.as_str());
    // The provider guards the first send: nothing failed.
    let another = if refuses_a_duplicate(key) {
        Bearing::Known
    } else {
        Bearing::Another
    };
    if word.is_some_and(|word| word != SendResult::REFUSED) {
        return Ok(another);
    }
    // A message that is refused by its id may be reported as refused too, but went nowhere.
    let is_by_id = refuses_one_message(key);
    let is_reported = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM report WHERE message_id = ?1 AND other_channel IS NULL \
             AND kind NOT IN ('registration', 'fallback') \
             AND (NOT ?2 OR status IN ('sent', 'delivered', 'read')))",
        )?
        .query_row(params![message_id, is_by_id], |row| row.get(0))?;
    Ok(match (is_reported, was_notified) {
        (true, _) => another,
        // It stands as refused, and keeps its first reason.
        (false, Some(_)) => Bearing::Known,
        (false, None) => Bearing::Own,
    })
}

/// Whether a refusal of the message with this error was reported, and then whether in these very
/// words: all errors without a number share one key, whatever the provider says.
fn was_notified(
    connection: &Connection,
    message_id: i64,
    refusal: &Report,
) -> rusqlite::Result<Option<bool>> {
    let error = refusal.error();
    let title = error.and_then(|error| error.title.as_deref());
    let details = error.and_then(|error| error.details.as_deref());
    connection
        .prepare_cached(
            "SELECT error_title IS ?3 AND error_details IS ?4 FROM report \
             WHERE message_id = ?1 AND identity = ?2",
        )?
        .query_row(
            params![message_id, refusal.identity().0, title, details],
            |row| row.get(0),
        )
        .optional()
}

/// Takes a refusal of the send out of what is known of a message.
pub(super) fn forget_refusal(
    connection: &Connection,
    message_id: i64,
    message: &mut Message,
) -> rusqlite::Result<()> {
    message.history = StatusHistory::new();
    let mut statement = connection.prepare_cached(
        "SELECT status, coalesce(provider_time_ms, received_at_ms) FROM report \
         WHERE message_id = ?1 AND status IS NOT NULL AND other_channel IS NULL \
         AND kind <> 'fallback' AND NOT (kind = 'registration' AND status = 'failed')",
    )?;
    let mut found = statement.query([message_id])?;
    while let Some(row) = found.next()? {
        let word: String = row.get(0)?;
        if let Ok(status) = word.parse::<Status>() {
            message.history.absorb(status, row.get(1)?);
        }
    }
    message.conflict &= message.history.is_conflict();
    if message.history.first_ms(Status::Failed).is_none() {
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
