//! Messages and reports as rows: one function reads or writes each shape.

use rusqlite::{Connection, OptionalExtension, Row, Statement, ToSql, params};

use super::channels;
use super::ranges::{self, Timed};
use crate::model::{
    Message, MessageType, RegisteredFields, Report, ReportError, Status, TypeRule, Word as _,
};
use crate::plan::Dispatch;

/// What is known of a message, in the order in which [`read_message`] takes and
/// [`bind_message`] gives it.
macro_rules! known_columns {
    () => {
        "type, type_rule, recipient, sender, text, bulk_id, category, registered, queued_at_ms, \
         sent_at_ms, delivered_at_ms, read_at_ms, failed_at_ms, deleted_at_ms, error_key, \
         error_code, error_title, error_details, error_at_ms, other_channel, others"
    };
}

/// Widens the times between which a message was reported of; not by NULL.
macro_rules! reported_at {
    ($ms:literal) => {
        concat!(
            "last_report_at_ms = max(last_report_at_ms, coalesce(",
            $ms,
            ", last_report_at_ms)), ",
            "first_report_at_ms = min(first_report_at_ms, coalesce(",
            $ms,
            ", first_report_at_ms))"
        )
    };
}

/// The message a report is about, when it is known: by the provider's id, or by the
/// element's hash where the provider gave none.
pub(super) fn find_message(
    connection: &Connection,
    source_id: i64,
    report: &Report,
) -> rusqlite::Result<Option<(i64, Message)>> {
    const BY_ID: &str = concat!(
        "SELECT message_id, conflict, ",
        known_columns!(),
        " FROM message WHERE provider_message_id = ?1 AND source_id = ?2"
    );
    const BY_ELEMENT: &str = concat!(
        "SELECT message_id, conflict, ",
        known_columns!(),
        " FROM message WHERE element_hash = ?1 AND source_id = ?2"
    );
    match &report.message {
        Some(id) => connection
            .prepare_cached(BY_ID)?
            .query_row(params![id, source_id], read_message),
        None => connection
            .prepare_cached(BY_ELEMENT)?
            .query_row(params![report.element_hash, source_id], read_message),
    }
    .optional()
}

/// By position: this runs for every report, and finding a column by its name compares names.
fn read_message(row: &Row<'_>) -> rusqlite::Result<(i64, Message)> {
    let mut next = 0..;
    macro_rules! take {
        () => {
            row.get(next.next().unwrap_or_default())?
        };
    }
    let message_id = take!();
    let conflict = take!();
    let message_type: String = take!();
    let rule: String = take!();
    let mut message = Message {
        conflict,
        message_type: TypeRule::of_word(&rule).zip(MessageType::of_word(&message_type)),
        recipient: take!(),
        sender: take!(),
        text: take!(),
        bulk_id: take!(),
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
    Ok((message_id, message))
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

/// Binds what is known of a message as the parameters from `?1` on, and last what follows
/// from it: status and conflict. Returns the number of the next one.
fn bind_message(statement: &mut Statement<'_>, message: &Message) -> rusqlite::Result<usize> {
    let (leg, is_conflict) = message.shown();
    let (rule, message_type) = type_and_rule(message);
    let failure = leg.failure.as_ref();
    let error = failure.map(|(_, error)| error);
    let mut next = 1;
    let mut bind = |value: &dyn ToSql| -> rusqlite::Result<()> {
        statement.raw_bind_parameter(next, value)?;
        next += 1;
        Ok(())
    };
    bind(&message_type)?;
    bind(&rule)?;
    bind(&message.shown_recipient())?;
    bind(&message.shown_sender())?;
    bind(&message.text)?;
    bind(&message.bulk_id)?;
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
    Ok(next)
}

/// Writes a message that was not known; returns its key.
pub(super) fn insert_message(
    connection: &Connection,
    source_id: i64,
    report: &Report,
    message: &Message,
    received_ms: i64,
) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached(concat!(
        "INSERT INTO message (",
        known_columns!(),
        ", status, conflict, source_id, provider_message_id, element_hash, first_report_at_ms, \
         last_report_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, \
         ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?27)"
    ))?;
    let next = bind_message(&mut statement, message)?;
    statement.raw_bind_parameter(next, source_id)?;
    statement.raw_bind_parameter(next + 1, &report.message)?;
    let element_hash = report.message.is_none().then_some(report.element_hash);
    statement.raw_bind_parameter(next + 2, element_hash)?;
    statement.raw_bind_parameter(next + 3, received_ms)?;
    statement.raw_execute()?;
    let message_id = connection.last_insert_rowid();
    ranges::given_out(connection, Timed::Message, message_id)?;
    Ok(message_id)
}

/// Writes what a report changed of a known message; most reports change something. `received_ms` is
/// when it arrived; `None` for what the sender registered, which moves no time of a report.
pub(super) fn update_message(
    connection: &Connection,
    message_id: i64,
    message: &Message,
    changed: bool,
    received_ms: Option<i64>,
) -> rusqlite::Result<()> {
    if !changed {
        connection
            .prepare_cached(concat!(
                "UPDATE message SET ",
                reported_at!("?2"),
                " WHERE message_id = ?1"
            ))?
            .execute(params![message_id, received_ms])?;
        return Ok(());
    }
    let mut statement = connection.prepare_cached(concat!(
        "UPDATE message SET (",
        known_columns!(),
        ", status, conflict) = (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
         ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23), ",
        reported_at!("?25"),
        " WHERE message_id = ?24"
    ))?;
    let next = bind_message(&mut statement, message)?;
    statement.raw_bind_parameter(next, message_id)?;
    statement.raw_bind_parameter(next + 1, received_ms)?;
    statement.raw_execute()?;
    Ok(())
}

/// Writes what the sender registered again of a known message: nothing was reported.
pub(super) fn change_message(
    connection: &Connection,
    message_id: i64,
    message: &Message,
) -> rusqlite::Result<()> {
    let (rule, message_type) = type_and_rule(message);
    connection
        .prepare_cached(
            "UPDATE message SET type = ?2, type_rule = ?3, recipient = ?4, sender = ?5, text = ?6, \
             bulk_id = ?7, registered = ?8, others = ?9 WHERE message_id = ?1",
        )?
        .execute(params![
            message_id,
            message_type,
            rule,
            message.shown_recipient(),
            message.shown_sender(),
            message.text,
            message.bulk_id,
            message.registered.map(RegisteredFields::words),
            channels::kept(message),
        ])?;
    Ok(())
}

/// Rule and type; every absorbed report brings at least the source's default.
fn type_and_rule(message: &Message) -> (TypeRule, MessageType) {
    message
        .message_type
        .unwrap_or((TypeRule::Default, MessageType::Template))
}

/// The report of that identity, when it is known: its key and its status.
pub(super) fn find_report(
    connection: &Connection,
    message_id: i64,
    identity: i64,
) -> rusqlite::Result<Option<(i64, Option<String>)>> {
    connection
        .prepare_cached(
            "SELECT report_id, status FROM report WHERE message_id = ?1 AND identity = ?2",
        )?
        .query_row(params![message_id, identity], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
}

/// Counts that a provider said the same again.
pub(super) fn count_repeat(
    connection: &Connection,
    report_id: i64,
    received_ms: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE report SET repeats = repeats + 1, last_repeat_ms = ?2 WHERE report_id = ?1",
        )?
        .execute(params![report_id, received_ms])?;
    Ok(())
}

/// Makes room for the same report read again; it was never forwarded, having had no status.
pub(super) fn forget_report(connection: &Connection, report_id: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM report WHERE report_id = ?1")?
        .execute([report_id])?;
    Ok(())
}

/// The keys of a report's row.
#[derive(Clone, Copy)]
pub(super) struct ReportKeys {
    pub(super) message_id: i64,
    /// `None` for what was registered.
    pub(super) webhook_id: Option<i64>,
    pub(super) identity: i64,
    pub(super) received_ms: i64,
}

/// Writes a report; returns its key.
pub(super) fn insert_report(
    connection: &Connection,
    keys: ReportKeys,
    report: &Report,
    dispatch: &Dispatch,
) -> rusqlite::Result<i64> {
    let error = report.error();
    let pricing = &report.pricing;
    connection
        .prepare_cached(
            "INSERT INTO report (message_id, webhook_id, identity, kind, provider_status, status, \
             change, provider_time, provider_time_ms, received_at_ms, recipient, recipient_user_id, \
             recipient_parent_user_id, group_id, participant, sender, sender_id, account_id, \
             other_channel, error_key, error_code, error_title, error_details, errors, echo, \
             pricing_category, pricing_model, pricing_type, billable, conversation_id, \
             conversation_origin, conversation_expires_ms, price, currency, bulk_id, entity_id, \
             application_id, url, oddities, refusals, field, template_id, pricing_other) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, \
             ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, \
             ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, ?40, ?41, ?42, ?43)",
        )?
        .insert(params![
            keys.message_id,
            keys.webhook_id,
            keys.identity,
            report.kind,
            report.provider_status,
            report.status,
            dispatch.change,
            report.time.text,
            report.time.ms,
            keys.received_ms,
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
            all_errors(report),
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
            report.bulk_id,
            report.entity_id,
            report.application_id,
            report.url,
            (!report.oddities.is_empty()).then(|| report.oddities.join(", ")),
            refusals(dispatch),
            report.field,
            report.template_id,
            pricing.other,
        ])
}

/// Every error as JSON, where there is more than the one that has columns.
fn all_errors(report: &Report) -> Option<String> {
    if report.errors.len() < 2 {
        return None;
    }
    let errors: Vec<_> = report
        .errors
        .iter()
        .map(|error| {
            serde_json::json!({
                "error_key": error.key,
                "code": error.code,
                "title": error.title,
                "details": error.details,
            })
        })
        .collect();
    serde_json::to_string(&errors).ok()
}

/// Which subscribers' filters refused it, as JSON; `change` holds the other reasons.
fn refusals(dispatch: &Dispatch) -> Option<String> {
    let refusals: Vec<_> = dispatch
        .refusals
        .iter()
        .filter(|(_, refusal)| !refusal.is_of_change())
        .map(|(subscriber_id, refusal)| {
            serde_json::json!({"subscriber_id": subscriber_id, "reason": refusal.as_str()})
        })
        .collect();
    if refusals.is_empty() {
        return None;
    }
    serde_json::to_string(&refusals).ok()
}
