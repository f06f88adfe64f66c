//! Registering messages: a registration joins the reports, whichever comes first.
//!
//! A registration is a report of our own (`queued`), so that it goes through the same plan.
//! Subscribers are notified of it at most once, when nothing later was reported before.

use std::borrow::Cow;

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;

use super::accept::{Accepting, Enqueued, Noting};
use super::echoes::{parameters, with_text};
use super::refusals::{Bearing, bearing, forget_refusal, is_stored};
use super::{Store, alerts, people, polls, rows};
use crate::model::{FilledTemplate, Message, Registration, Report, SendResult, Status};
use crate::plan::{self, Context};
use crate::store::{Error, RegisterOutcome, Registered, Registering};

/// What stands in the table of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Details {
    owner: Option<String>,
    template: Option<FilledTemplate>,
    metadata: Option<String>,
    sent_ms: Option<i64>,
    ttl_s: Option<i64>,
    send_status: Option<String>,
    registered_ms: i64,
}

impl Store {
    /// Registers messages in one commit; returns after the fsync, one answer for each in their
    /// order. Registering again changes only what differs.
    ///
    /// # Errors
    /// [`Error::DiskFull`] at once, any other when the commit failed. Nothing of these is
    /// stored then.
    pub async fn register(
        &self,
        messages: Vec<Registering>,
    ) -> Result<Vec<RegisterOutcome>, Error> {
        let (reply, answer) = oneshot::channel();
        self.writer.register(messages, reply)?;
        let registered = match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(self.writer.unanswered().await),
        };
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
    ) -> rusqlite::Result<(RegisterOutcome, Enqueued)> {
        let mut registration = with_text(self.connection, &registering.registration)?;
        let kept_bulk_id = self.keep_bulk(source_id, registering, &mut registration)?;
        let (mut outcome, enqueued) =
            self.register_new(source_id, registering, &registration, now_ms)?;
        outcome.kept_bulk_id = kept_bulk_id;
        Ok((outcome, enqueued))
    }

    /// Leaves the broadcast out of what is said of a message whose bulk the provider itself
    /// reported; answers that bulk where it is another.
    fn keep_bulk(
        &self,
        source_id: i64,
        registering: &Registering,
        registration: &mut Cow<'_, Registration>,
    ) -> rusqlite::Result<Option<String>> {
        let (Some(id), Some(broadcast)) = (&registering.provider_message_id, &registration.bulk_id)
        else {
            return Ok(None);
        };
        let own: Option<String> = self
            .connection
            .prepare_cached(
                "SELECT max(report.bulk_id) FROM message JOIN report USING (message_id) \
                 WHERE provider_message_id = ?1 AND source_id = ?2",
            )?
            .query_row(params![id, source_id], |row| row.get(0))?;
        let kept = own.clone().filter(|own| own != broadcast);
        if own.is_some() {
            registration.to_mut().bulk_id = None;
        }
        Ok(kept)
    }

    fn register_new(
        &self,
        source_id: i64,
        registering: &Registering,
        registration: &Registration,
        now_ms: i64,
    ) -> rusqlite::Result<(RegisterOutcome, Enqueued)> {
        let connection = self.connection;
        let id = registering.provider_message_id.as_deref();
        let result = &registering.result;
        let mut report = Report::registered(id, &registering.element, registration, result);
        report.oddities.clone_from(&registering.oddities);
        let known = rows::find_message(connection, source_id, &report)?;
        let before = match &known {
            Some((message_id, _)) => find(connection, *message_id)?,
            None => None,
        };
        if let (Some(before), Some((_, message))) = (&before, &known)
            && registering.owner.is_some()
            && registering.owner != registering.owner_after(before.owner.as_ref())
        {
            let outcome = RegisterOutcome::new(Registered::OfAnotherOwner, message);
            return Ok((outcome, Vec::new()));
        }
        people::link(connection, source_id, &registration.person_names(), now_ms)?;
        let word = before.as_ref().and_then(|it| it.send_status.as_deref());
        if let Some((message_id, message)) = &known
            && result.is_refused()
        {
            match bearing(connection, *message_id, word, &report)? {
                Bearing::Own => {}
                Bearing::Another if id.is_some() => {
                    return self.register_apart(source_id, registering, registration, now_ms);
                }
                Bearing::Another | Bearing::Known => {
                    let outcome = RegisterOutcome::new(Registered::Unchanged, message);
                    return Ok((outcome, Vec::new()));
                }
            }
        }
        let dispatch = NewMessage {
            source_id,
            registering,
            registration,
            report: &report,
            before: before.as_ref(),
            now_ms,
        };
        match (known, &before) {
            (Some(known), Some(before)) if !result.is_refused() => {
                self.register_again(dispatch, known, before)
            }
            (known, _) => self.announce(dispatch, known),
        }
    }

    /// Registers a refused send whose id names a message that was taken: as a message of its own,
    /// without the id.
    fn register_apart(
        &self,
        source_id: i64,
        registering: &Registering,
        registration: &Registration,
        now_ms: i64,
    ) -> rusqlite::Result<(RegisterOutcome, Enqueued)> {
        let mut apart = registering.clone();
        apart.provider_message_id = None;
        let (mut outcome, enqueued) = self.register_new(source_id, &apart, registration, now_ms)?;
        outcome.is_apart = true;
        Ok((outcome, enqueued))
    }

    /// Writes what a second registration of a message changes.
    fn register_again(
        &self,
        dispatch: NewMessage<'_>,
        (message_id, known): (i64, Message),
        before: &Details,
    ) -> rusqlite::Result<(RegisterOutcome, Enqueued)> {
        let connection = self.connection;
        let mut message = known.clone();
        // The same id may be sent again after a refusal, and be taken then.
        let word = before.send_status.as_deref();
        let was_refused = word == Some(SendResult::REFUSED);
        let is_answered = dispatch.registering.result.word().is_some();
        let is_taken = was_refused && is_answered;
        if is_taken {
            forget_refusal(connection, message_id, &mut message)?;
        }
        // What was paused may be taken too.
        let is_news = is_taken || (word == Some(SendResult::PAUSED) && is_answered);
        if is_news && !is_stored(connection, message_id, dispatch.report)? {
            return self.announce(dispatch, Some((message_id, message)));
        }
        let details = dispatch.details();
        message.register(dispatch.registration);
        if message == known && details == *before {
            let outcome = RegisterOutcome::new(Registered::Unchanged, &message);
            return Ok((outcome, Vec::new()));
        }
        if is_taken {
            rows::update_message(connection, message_id, &message, true, None)?;
        } else {
            rows::change_message(connection, message_id, &message)?;
        }
        write(connection, message_id, &details, &message)?;
        let outcome = RegisterOutcome::new(Registered::Updated, &message);
        Ok((outcome, Vec::new()))
    }

    /// Writes the first registration of a message, and the report that it is.
    fn announce(
        &self,
        dispatch: NewMessage<'_>,
        known: Option<(i64, Message)>,
    ) -> rusqlite::Result<(RegisterOutcome, Enqueued)> {
        let NewMessage {
            registering,
            report,
            now_ms,
            ..
        } = dispatch;
        let connection = self.connection;
        let (key, mut message) = known.map_or_else(
            || (None, Message::default()),
            |(message_id, message)| (Some(message_id), message),
        );
        message.register(dispatch.registration);
        let context = Context {
            source: &registering.source,
            default_type: registering.default_type,
            default_sender: registering.default_sender.as_deref(),
            received_ms: now_ms,
            first_failure: None,
        };
        let history = &message.history;
        let plan = plan::plan(&message, history, report, context, self.subscribers);
        let after = &plan.message;
        let (registered, message_id) = match key {
            None => (
                Registered::Created,
                rows::insert_message(connection, dispatch.source_id, report, after, now_ms)?,
            ),
            Some(message_id) => {
                // A late registration is no report, but for the provider's own refusal.
                let reported_ms = report.errors.first().map(|_| now_ms);
                rows::update_message(connection, message_id, after, true, reported_ms)?;
                (Registered::Joined, message_id)
            }
        };
        let details = dispatch.details();
        write(connection, message_id, &details, after)?;
        let broadcast = registering.registration.bulk_id.as_deref();
        if let Some(broadcast) = broadcast.filter(|_| registering.provider.is_pulled()) {
            let is_news = registered == Registered::Created;
            polls::open(connection, (dispatch.source_id, broadcast), is_news, now_ms)?;
        }
        let noting = Noting {
            message_id,
            webhook_id: None,
            received_ms: now_ms,
            pending_since_ms: now_ms,
        };
        let outcome = RegisterOutcome::new(registered, after);
        let mut failures = alerts::GatheredFailures::default();
        let mut enqueued = self.note(noting, report, plan, &mut failures)?;
        let alerts = alerts::gather(connection, failures, self.subscribers, now_ms)?;
        enqueued.extend(alerts);
        Ok((outcome, enqueued))
    }
}

/// A message that is reported for the first time.
#[derive(Clone, Copy)]
struct NewMessage<'a> {
    source_id: i64,
    registering: &'a Registering,
    /// The registration, with the text that a template becomes.
    registration: &'a Registration,
    report: &'a Report,
    /// The earlier registration: then only a refusal is reported.
    before: Option<&'a Details>,
    now_ms: i64,
}

impl NewMessage<'_> {
    /// What is to stand in the table then.
    fn details(&self) -> Details {
        let details = Details::new(self.registering, self.now_ms);
        match self.before {
            Some(before) => Details {
                owner: self.registering.owner_after(before.owner.as_ref()),
                ..details.over(before)
            },
            None => details,
        }
    }
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
            send_status: registering.result.word().map(str::to_owned),
            registered_ms: now_ms,
        }
    }

    /// As registered again: new values hold, and missing ones stay.
    fn over(self, before: &Self) -> Self {
        let before = before.clone();
        let was_taken = before.send_status.as_deref();
        let was_taken = was_taken.is_some_and(|word| word != SendResult::REFUSED);
        // Of a message that is on its way it is not said any more that it is kept.
        let registration = self.send_status;
        let registration = registration.filter(|word| !(was_taken && word == SendResult::PAUSED));
        Self {
            owner: before.owner,
            template: self.template.or(before.template),
            metadata: self.metadata.or(before.metadata),
            sent_ms: self.sent_ms.or(before.sent_ms),
            ttl_s: self.ttl_s.or(before.ttl_s),
            send_status: registration.or(before.send_status),
            registered_ms: before.registered_ms,
        }
    }
}

/// When the message was first known to be on its way, ms since 1970 UTC.
fn first_ms(message: &Message) -> Option<i64> {
    let steps = [Status::Queued, Status::Sent];
    let times = steps.map(|status| message.history.first_ms(status));
    times.into_iter().flatten().min()
}

/// Writes what a call registered; in place of what an echo carried.
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
             silent_after_ms, send_status, registered_at_ms) \
             VALUES (?1, 'call', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
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
            details.send_status,
            details.registered_ms,
        ])?;
    Ok(())
}

/// What a call registered before of this message.
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
                send_status: row.get("send_status")?,
                registered_ms: row.get("registered_at_ms")?,
            })
        })
        .optional()
}
