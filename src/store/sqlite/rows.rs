//! Webhooks, messages, reports and account events as rows: one function reads or writes each shape.

use rusqlite::{Connection, Row, Statement, ToSql, params};

use super::sparse_statement::SparseStatement;
use crate::model::{
    Message, MessageType, RegisteredFields, ReportError, Status, TypeRule, WebhookKey, Word as _,
};
use crate::plan::group::{EventRow, MessageName, MessageState, ReportRow, WebhookRow, channels};

/// What is known of a message, in the order in which [`read_message`] takes and
/// [`bind_message`] gives it.
macro_rules! known_columns {
    () => {
        "type, type_rule, recipient, sender, text, broadcast, category, registered, queued_at_ms, \
         sent_at_ms, delivered_at_ms, read_at_ms, failed_at_ms, deleted_at_ms, error_key, \
         error_code, error_title, error_details, error_at_ms, other_channel, others"
    };
}

macro_rules! select_message {
    ($condition:literal) => {
        concat!(
            "SELECT message_id, first_report_at_ms, last_report_at_ms, conflict, ",
            known_columns!(),
            " FROM message WHERE ",
            $condition
        )
    };
}

/// The message of that id at a source, for [`read_message`].
pub(super) const MESSAGE_BY_ID: &str =
    select_message!("provider_message_id = ?1 AND source_id = ?2");
/// The same by the element's hash, where the provider gave no id.
pub(super) const MESSAGE_BY_ELEMENT: &str = select_message!("element_hash = ?1 AND source_id = ?2");
/// The message of that key.
pub(super) const MESSAGE_BY_KEY: &str = select_message!("message_id = ?1");

/// By position: this runs for every report, and finding a column by its name compares names.
pub(super) fn read_message(row: &Row<'_>, source: usize) -> rusqlite::Result<MessageState> {
    let mut next = 0..;
    macro_rules! take {
        () => {
            row.get(next.next().unwrap_or_default())?
        };
    }
    let message_id = take!();
    let reported_ms = (take!(), take!());
    let conflict = take!();
    let message_type: String = take!();
    let rule: String = take!();
    let mut message = Message {
        conflict,
        message_type: TypeRule::of_word(&rule).zip(MessageType::of_word(&message_type)),
        recipient: take!(),
        sender: take!(),
        text: take!(),
        broadcast: take!(),
        category: take!(),
        ..Message::default()
    };
    let registered: Option<String> = take!();
    message.registered = registered.map(|words| RegisteredFields::from_words(&words));
    for status in STATUSES {
        if let Some(ms) = take!() {
            message.history.absorb(status, ms);
        }
    }
    let (key, code, title, details): (Option<String>, _, _, _) =
        (take!(), take!(), take!(), take!());
    let error = key.map(|key| ReportError {
        key,
        code,
        title,
        details,
        href: None,
        permanent: None,
    });
    let at_ms: Option<i64> = take!();
    message.failure = at_ms.zip(error);
    let (other, kept): (Option<String>, Option<String>) = (take!(), take!());
    let message = channels::separated(message, other.as_deref(), kept.as_deref());
    Ok(MessageState::stored(
        message_id,
        source,
        message,
        reported_ms,
    ))
}

/// The statuses whose first times stand with a message, in the order of their columns.
const STATUSES: [Status; 6] = [
    Status::Queued,
    Status::Sent,
    Status::Delivered,
    Status::Read,
    Status::Failed,
    Status::Deleted,
];

/// Binds what is known of a message as the first parameters, then what follows from it (status and
/// conflict), and last when it was reported.
fn bind_message(statement: &mut SparseStatement<'_>, state: &MessageState) -> rusqlite::Result<()> {
    let message = &state.message;
    let (leg, is_conflict) = message.shown();
    let (rule, message_type) = message.shown_type();
    let failure = leg.failure.as_ref();
    let error = failure.map(|(_, error)| error);
    let mut bind = |value: &dyn ToSql| statement.bind(value);
    bind(&message_type)?;
    bind(&rule)?;
    bind(&message.shown_recipient())?;
    bind(&message.shown_sender())?;
    bind(&message.text)?;
    bind(&message.broadcast)?;
    bind(&message.category)?;
    bind(&message.registered.map(RegisteredFields::words))?;
    for status in STATUSES {
        bind(&leg.history.first_ms(status))?;
    }
    bind(&error.map(|error| &error.key))?;
    bind(&error.and_then(|error| error.code))?;
    bind(&error.and_then(|error| error.title.as_ref()))?;
    bind(&error.and_then(|error| error.details.as_ref()))?;
    bind(&failure.map(|(at_ms, _)| at_ms))?;
    bind(&channels::other(message))?;
    bind(&channels::kept(message))?;
    bind(&leg.history.status())?;
    bind(&is_conflict)?;
    bind(&state.first_report_ms)?;
    bind(&state.last_report_ms)
}

/// Writes a message that was not known, for [`insert_message`].
pub(super) const INSERT_MESSAGE: &str = concat!(
    "INSERT INTO message (",
    known_columns!(),
    ", status, conflict, first_report_at_ms, last_report_at_ms, source_id, provider_message_id, \
     element_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, \
     ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28)"
);

/// Writes what a group changed of a message, for [`update_message`].
pub(super) const UPDATE_MESSAGE: &str = concat!(
    "UPDATE message SET (",
    known_columns!(),
    ", status, conflict, first_report_at_ms, last_report_at_ms) = (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, \
     ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25) \
     WHERE message_id = ?26"
);

/// Writes a message that was not known.
pub(super) fn insert_message(
    statement: &mut SparseStatement<'_>,
    source_id: i64,
    name: MessageName<'_>,
    state: &MessageState,
) -> rusqlite::Result<()> {
    let (id, element_hash) = match name {
        MessageName::Id(id) => (Some(id), None),
        MessageName::Element(hash) => (None, Some(hash)),
    };
    bind_message(statement, state)?;
    statement.bind(&source_id)?;
    statement.bind(&id)?;
    statement.bind(&element_hash)?;
    statement.run()?;
    Ok(())
}

/// Writes what changed of the message of that key.
pub(super) fn update_message(
    statement: &mut SparseStatement<'_>,
    message_id: i64,
    state: &MessageState,
) -> rusqlite::Result<()> {
    bind_message(statement, state)?;
    statement.bind(&message_id)?;
    statement.run()?;
    Ok(())
}

/// Writes a report, for [`insert_report`].
pub(super) const INSERT_REPORT: &str = "INSERT INTO report (message_id, webhook_id, identity, kind, provider_status, status, \
     change, provider_time, provider_time_ms, received_at_ms, recipient, recipient_user_id, \
     recipient_parent_user_id, group_id, participant, sender, sender_id, account_id, \
     other_channel, error_key, error_code, error_title, error_details, errors, echo, \
     pricing_category, pricing_model, pricing_type, billable, conversation_id, \
     conversation_origin, conversation_expires_ms, price, currency, broadcast, entity_id, \
     application_id, url, oddities, skipped, field, template_id, pricing_other) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, \
     ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, \
     ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, ?40, ?41, ?42, ?43)";

/// Writes a report of that message, brought by that webhook; returns its key.
pub(super) fn insert_report(
    statement: &mut SparseStatement<'_>,
    row: &ReportRow<'_>,
    (message_id, webhook_id): (i64, Option<WebhookKey>),
) -> rusqlite::Result<i64> {
    let report = &*row.report;
    let error = report.error();
    let pricing = &report.pricing;
    statement.insert(params![
        message_id,
        webhook_id,
        row.identity,
        report.kind,
        report.provider_status,
        report.status,
        row.change,
        report.time.text,
        report.time.ms,
        row.received_ms,
        report.recipient,
        report.recipient_user_id,
        report.recipient_parent_user_id,
        report.group,
        report.participant,
        report.sender,
        report.sender_id,
        report.account_id,
        report.channel,
        error.map(|error| &error.key),
        error.and_then(|error| error.code),
        error.and_then(|error| error.title.as_ref()),
        error.and_then(|error| error.details.as_ref()),
        row.all_errors(),
        report.echo.as_ref().and_then(|echo| echo.text.as_ref()),
        pricing.category,
        pricing.model,
        pricing.kind,
        pricing.billable,
        pricing.conversation_id,
        pricing.conversation_origin,
        pricing.conversation_expires_ms,
        pricing.price,
        pricing.currency,
        report.broadcast,
        report.entity_id,
        report.application_id,
        report.url,
        row.oddities(),
        row.skipped_by_filters(),
        report.field,
        report.template_id,
        pricing.other,
    ])
}

/// Writes a webhook, for [`insert_webhook`].
pub(super) const INSERT_WEBHOOK: &str = "INSERT INTO webhook (source_id, received_at_ms, outcome, outcome_detail, reports, \
     new_reports, unreadable, default_type, default_sender, content_type, content_encoding, \
     user_agent, broadcast, body) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

/// Writes a webhook; returns its key.
pub(super) fn insert_webhook(
    statement: &mut Statement<'_>,
    row: &WebhookRow<'_>,
    source_id: i64,
) -> rusqlite::Result<i64> {
    let (arrival, state) = (row.arrival, &row.state);
    statement.insert(params![
        source_id,
        arrival.received_ms,
        state.outcome,
        state.detail,
        state.reports,
        state.new_reports,
        state.unreadable,
        arrival.default_type,
        arrival.default_sender,
        arrival.content_type,
        arrival.content_encoding,
        arrival.user_agent,
        arrival.broadcast,
        row.keeps_body.then_some(&arrival.body),
    ])
}

/// Writes an account event; returns its key.
pub(super) fn insert_event(
    connection: &Connection,
    row: &EventRow<'_>,
    (source_id, webhook_id): (i64, WebhookKey),
) -> rusqlite::Result<i64> {
    let event = &*row.event;
    connection
        .prepare_cached(
            "INSERT INTO account_event (source_id, webhook_id, field, about, subject, event, name, \
             provider_time, provider_time_ms, identity_ms, received_at_ms, text, remedy, detail, \
             template_id, language, account_id, person, person_user_id, sender, sender_id, \
             ends_at_ms, notice_until_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, \
             ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)",
        )?
        .insert(params![
            source_id,
            webhook_id,
            event.field,
            event.about,
            event.subject,
            event.event,
            event.name,
            event.time.text,
            event.time.ms,
            row.keys.identity_ms,
            row.received_ms,
            event.text,
            event.remedy,
            event.detail,
            event.template_id,
            event.language,
            event.account_id,
            event.person,
            event.person_user_id,
            event.sender,
            event.sender_id,
            event.ends_at_ms,
            row.notice_until_ms,
        ])
}

/// Counts that a row came again so often, and last then.
pub(super) fn repeat(
    connection: &Connection,
    table: &str,
    key: i64,
    (count, last_ms): (usize, i64),
) -> rusqlite::Result<()> {
    let sql = format!(
        "UPDATE {table} SET repeats = repeats + ?2, \
         last_repeat_ms = max(coalesce(last_repeat_ms, ?3), ?3) WHERE {table}_id = ?1"
    );
    connection
        .prepare_cached(&sql)?
        .execute(params![key, count, last_ms])?;
    Ok(())
}
