//! Registering messages: what the sender tells joins what is reported, whichever comes first.
//!
//! A registration is a report of our own (`queued`), so that it goes through the same plan, and
//! is told to subscribers at most once, when nothing later was reported before.

use std::borrow::Cow;

use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::oneshot;

use super::accept::{Accepting, Owing};
use super::{Store, polls, rows, templates};
use crate::model::{FilledTemplate, Message, Registration, Report, Status};
use crate::plan::{self, Context};
use crate::provider::Provider;
use crate::store::timeline::{Origin, RegistrationRecord};
use crate::store::{Error, Registered, Registering};

/// What stands in the table of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Details {
    owner: Option<String>,
    template: Option<FilledTemplate>,
    metadata: Option<String>,
    sent_ms: Option<i64>,
    ttl_s: Option<i64>,
    registered_ms: i64,
}

impl Store {
    /// Registers messages in one commit; returns after the fsync, one answer for each in their
    /// order. Registering again changes only what is told differently.
    ///
    /// # Errors
    /// [`Error::DiskFull`] at once, any other when the commit failed. Nothing of these is
    /// stored then.
    pub async fn register(&self, messages: Vec<Registering>) -> Result<Vec<Registered>, Error> {
        let (reply, answer) = oneshot::channel();
        self.writer.register(messages, reply)?;
        let registered = answer.await.map_err(|_| Error::Closed)?;
        // There may be a broadcast to ask for.
        self.polls.notify_one();
        registered
    }
}

impl Accepting<'_> {
    /// Registers a message of that source at `now_ms`.
    pub(super) fn register(
        &self,
        source_id: i64,
        registering: &Registering,
        now_ms: i64,
    ) -> rusqlite::Result<(Registered, Owing)> {
        let connection = self.connection;
        let told = with_text(connection, &registering.registration)?;
        let report = Report::registered(&registering.provider_message_id, &told);
        let known = rows::find_message(connection, source_id, &report)?;
        let before = match &known {
            Some((message_id, _)) => find(connection, *message_id)?,
            None => None,
        };
        if let (Some((message_id, message)), Some(before)) = (&known, before) {
            let owner = registering.owner_after(before.owner.as_ref());
            if registering.owner.is_some() && registering.owner != owner {
                return Ok((Registered::OfAnotherOwner, Vec::new()));
            }
            let details = Details {
                owner,
                ..Details::new(registering, now_ms).over(&before)
            };
            let mut after = message.clone();
            after.register(&told);
            if after == *message && details == before {
                return Ok((Registered::Unchanged, Vec::new()));
            }
            rows::change_message(connection, *message_id, &after)?;
            write(connection, *message_id, &details, &after)?;
            return Ok((Registered::Updated, Vec::new()));
        }
        let telling = Telling {
            source_id,
            registering,
            told: &told,
            report: &report,
            now_ms,
        };
        self.announce(telling, known)
    }

    /// Writes the first registration of a message, and the report that it is.
    fn announce(
        &self,
        telling: Telling<'_>,
        known: Option<(i64, Message)>,
    ) -> rusqlite::Result<(Registered, Owing)> {
        let Telling {
            registering,
            report,
            now_ms,
            ..
        } = telling;
        let connection = self.connection;
        let (key, mut message) = known.map_or_else(
            || (None, Message::default()),
            |(message_id, message)| (Some(message_id), message),
        );
        message.register(telling.told);
        let context = Context {
            source: &registering.source,
            default_type: registering.default_type,
            default_sender: registering.default_sender.as_deref(),
            received_ms: now_ms,
            first_failure: None,
        };
        let standing = &message.standing;
        let plan = plan::plan(&message, standing, report, context, self.subscribers);
        let after = &plan.message;
        let (registered, message_id) = match key {
            None => (
                Registered::Created,
                rows::insert_message(connection, telling.source_id, report, after, now_ms)?,
            ),
            Some(message_id) => {
                rows::update_message(connection, message_id, after, true, now_ms)?;
                (Registered::Joined, message_id)
            }
        };
        let details = Details::new(registering, now_ms);
        write(connection, message_id, &details, after)?;
        let keys = rows::ReportKeys {
            message_id,
            webhook_id: None,
            identity: report.identity().0,
            received_ms: now_ms,
        };
        let report_id = rows::insert_report(connection, keys, report, &plan)?;
        let broadcast = registering.registration.bulk_id.as_deref();
        if let (Provider::Botsquad, Some(broadcast)) = (registering.provider, broadcast) {
            let is_news = registered == Registered::Created;
            polls::open(connection, (telling.source_id, broadcast), is_news, now_ms)?;
        }
        let owing = self.owe(message_id, report_id, now_ms, plan)?;
        Ok((registered, owing))
    }
}

/// A message that is told of for the first time.
#[derive(Clone, Copy)]
struct Telling<'a> {
    source_id: i64,
    registering: &'a Registering,
    /// What is told, with the text that a template becomes.
    told: &'a Registration,
    report: &'a Report,
    now_ms: i64,
}

impl Details {
    fn new(registering: &Registering, now_ms: i64) -> Self {
        let registration = &registering.registration;
        Self {
            owner: registering.owner.clone(),
            template: registration.template.clone(),
            metadata: registration.metadata.clone(),
            sent_ms: registration.sent_ms,
            ttl_s: registration.ttl_s,
            registered_ms: now_ms,
        }
    }

    /// As told again: what is told now holds, and what is not stays.
    fn over(self, before: &Self) -> Self {
        let before = before.clone();
        Self {
            owner: before.owner,
            template: self.template.or(before.template),
            metadata: self.metadata.or(before.metadata),
            sent_ms: self.sent_ms.or(before.sent_ms),
            ttl_s: self.ttl_s.or(before.ttl_s),
            registered_ms: before.registered_ms,
        }
    }
}

/// When the message was first known to be on its way, ms since 1970 UTC.
fn first_ms(message: &Message) -> Option<i64> {
    let steps = [Status::Queued, Status::Sent];
    let times = steps.map(|status| message.standing.first_ms(status));
    times.into_iter().flatten().min()
}

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
    let Some(told) = echo.and_then(|echo| echo.registration.as_ref()) else {
        return Ok(Cow::Borrowed(report));
    };
    let Cow::Owned(told) = with_text(connection, told)? else {
        return Ok(Cow::Borrowed(report));
    };
    let mut report = report.clone();
    if let Some(echo) = &mut report.echo {
        echo.registration = Some(told);
    }
    Ok(Cow::Owned(report))
}

/// Writes what an echo tells beside what stands with the message. A call tells it better; of
/// two echoes the greater value stays, as in [`Message::absorb`].
pub(super) fn learn(
    connection: &Connection,
    message_id: i64,
    told: &Registration,
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
            told.template.as_ref().map(|template| &template.name),
            told.template.as_ref().and_then(|it| it.language.as_ref()),
            told.template.as_ref().and_then(parameters),
            told.metadata,
            told.sent_ms,
            told.ttl_s,
            told.ttl_s
                .map(|seconds| told.sent_ms.unwrap_or(at_ms).saturating_add(seconds * 1000)),
            at_ms,
        ])?;
    Ok(())
}

/// Writes what a call told; in place of what an echo told.
fn write(
    connection: &Connection,
    message_id: i64,
    details: &Details,
    message: &Message,
) -> rusqlite::Result<()> {
    let template = details.template.as_ref();
    let sent_ms = details.sent_ms.or(first_ms(message));
    let sent_ms = sent_ms.unwrap_or(details.registered_ms);
    let silent_after_ms = details
        .ttl_s
        .map(|seconds| sent_ms.saturating_add(seconds.saturating_mul(1000)));
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO registration (message_id, origin, owner, template_name, \
             template_language, template_parameters, metadata, sent_at_ms, ttl_s, \
             silent_after_ms, registered_at_ms) \
             VALUES (?1, 'call', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            message_id,
            details.owner,
            template.map(|template| &template.name),
            template.and_then(|template| template.language.as_ref()),
            template.and_then(parameters),
            details.metadata,
            details.sent_ms,
            details.ttl_s,
            silent_after_ms,
            details.registered_ms,
        ])?;
    Ok(())
}

fn parameters(template: &FilledTemplate) -> Option<String> {
    serde_json::to_string(&template.parameters).ok()
}

/// What a call told before of this message.
fn find(connection: &Connection, message_id: i64) -> rusqlite::Result<Option<Details>> {
    connection
        .prepare_cached("SELECT * FROM registration WHERE message_id = ?1 AND origin = 'call'")?
        .query_row([message_id], |row| {
            let name: Option<String> = row.get("template_name")?;
            let language = row.get("template_language")?;
            let parameters: Option<String> = row.get("template_parameters")?;
            Ok(Details {
                owner: row.get("owner")?,
                template: name.map(|name| FilledTemplate {
                    name,
                    language,
                    parameters: parameters
                        .and_then(|json| serde_json::from_str(&json).ok())
                        .unwrap_or_default(),
                }),
                metadata: row.get("metadata")?,
                sent_ms: row.get("sent_at_ms")?,
                ttl_s: row.get("ttl_s")?,
                registered_ms: row.get("registered_at_ms")?,
            })
        })
        .optional()
}

/// Reads what was told, of a row that joins the message; `None` when nothing was.
pub(super) fn read_record(row: &Row<'_>) -> rusqlite::Result<Option<RegistrationRecord>> {
    let origin: Option<String> = row.get("origin")?;
    let Some(origin) = origin else {
        return Ok(None);
    };
    let parameters: Option<String> = row.get("template_parameters")?;
    let metadata: Option<String> = row.get("metadata")?;
    Ok(Some(RegistrationRecord {
        origin: match origin.as_str() {
            "echo" => Origin::Echo,
            _ => Origin::Call,
        },
        owner: row.get("owner")?,
        template_name: row.get("template_name")?,
        template_language: row.get("template_language")?,
        template_parameters: parameters.and_then(|json| serde_json::from_str(&json).ok()),
        metadata: metadata.and_then(|json| serde_json::from_str(&json).ok()),
        sent_at_ms: row.get("told_sent_at_ms")?,
        ttl_s: row.get("ttl_s")?,
        silent_after_ms: row.get("silent_after_ms")?,
        registered_at_ms: row.get("registered_at_ms")?,
    }))
}
