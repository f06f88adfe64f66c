//! What an echo says of a message, and the text that a template becomes.

use std::borrow::Cow;

use rusqlite::{Connection, params};

use super::templates;
use crate::model::{FilledTemplate, Registration, Report};

/// Gives a registration that names a template the text that this becomes.
pub(super) fn with_text<'a>(
    connection: &Connection,
    registration: &'a Registration,
) -> rusqlite::Result<Cow<'a, Registration>> {
    let (None, Some(template)) = (&registration.text, &registration.template) else {
        return Ok(Cow::Borrowed(registration));
    };
    let body = templates::find_body(connection, &template.name, template.language.as_deref())?;
    let text = body.map_or_else(|| template.described(), |body| template.render(&body));
    let mut registration = registration.clone();
    registration.text = Some(text);
    Ok(Cow::Owned(registration))
}

/// As [`with_text`], of the echo that a report brings.
pub(super) fn with_echo_text<'a>(
    connection: &Connection,
    report: &'a Report,
) -> rusqlite::Result<Cow<'a, Report>> {
    let echo = report.echo.as_ref();
    let Some(registration) = echo.and_then(|echo| echo.registration.as_ref()) else {
        return Ok(Cow::Borrowed(report));
    };
    let Cow::Owned(registration) = with_text(connection, registration)? else {
        return Ok(Cow::Borrowed(report));
    };
    let mut report = report.clone();
    if let Some(echo) = &mut report.echo {
        echo.registration = Some(registration);
    }
    Ok(Cow::Owned(report))
}

/// Writes what an echo says beside what stands with the message. A call is preferred to an echo; of
/// two echoes the greater value stays, as in [`Message::absorb`].
pub(super) fn learn(
    connection: &Connection,
    message_id: i64,
    registration: &Registration,
    at_ms: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO registration (message_id, origin, template_name, template_language, \
             template_parameters, metadata, sent_at_ms, ttl_s, silent_after_ms, registered_at_ms) \
             VALUES (?1, 'echo', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT (message_id) DO UPDATE SET \
             template_name = coalesce(max(template_name, excluded.template_name), \
                 template_name, excluded.template_name), \
             template_language = coalesce(max(template_language, excluded.template_language), \
                 template_language, excluded.template_language), \
             template_parameters = coalesce(max(template_parameters, \
                 excluded.template_parameters), template_parameters, \
                 excluded.template_parameters), \
             metadata = coalesce(max(metadata, excluded.metadata), metadata, excluded.metadata), \
             ttl_s = coalesce(max(ttl_s, excluded.ttl_s), ttl_s, excluded.ttl_s), \
             silent_after_ms = coalesce(min(silent_after_ms, excluded.silent_after_ms), \
                 silent_after_ms, excluded.silent_after_ms) \
             WHERE origin = 'echo'",
        )?
        .execute(params![
            message_id,
            registration
                .template
                .as_ref()
                .map(|template| &template.name),
            registration
                .template
                .as_ref()
                .and_then(|it| it.language.as_ref()),
            registration.template.as_ref().and_then(parameters),
            registration.metadata,
            registration.sent_ms,
            registration.ttl_s,
            registration.ttl_s.map(|seconds| registration
                .sent_ms
                .unwrap_or(at_ms)
                .saturating_add(seconds * 1000)),
            at_ms,
        ])?;
    Ok(())
}

pub(super) fn parameters(template: &FilledTemplate) -> Option<String> {
    serde_json::to_string(&template.parameters).ok()
}
