//! From an element that speaks of a message to a [`Report`], field by field.
//!
//! Nothing here fails: what an element does not say stays `None`, what it says oddly is
//! named in [`Report::oddities`].

use serde_json::Value;

use super::super::Hints;
use super::super::json::{boolean, integer, number, object, text};
use super::channel;
use super::party::{Parties, is_user_id};
use super::status::Group;
use super::{time, word};
use crate::model::{
    Echo, Kind, MessageType, Report, ReportError, Status, UNKNOWN_CHANNEL, Word as _, digits,
    is_phone_number,
};

/// Reads a delivery report.
pub(super) fn delivery(element: &Value, raw: &[u8], hints: &Hints) -> Report {
    let state = object(element, "status").unwrap_or(&Value::Null);
    let (group, conflict) = Group::of(state);
    let provider_status = text(state, "name")
        .or_else(|| text(state, "groupName"))
        .unwrap_or_else(|| group.map_or("UNKNOWN", Group::as_str).to_owned());
    let mut report = new(Kind::Delivery, provider_status, element, raw);
    if conflict {
        report.oddities.push("status-conflict");
    }
    report.errors.extend(stated_error(element));
    report.status = match group {
        Some(group) => Some(group.meaning(state)),
        // A group from the future, but an error that repeating would not mend.
        None => report
            .error()
            .is_some_and(|error| error.code > Some(0) && error.permanent == Some(true))
            .then_some(Status::Failed),
    };
    match (report.status, report.error().is_some()) {
        (None, _) => report.oddities.push("unknown-status"),
        // The first channel failed and the next is being tried: not the last word.
        (Some(Status::Queued | Status::Sent), true) if group == Some(Group::Pending) => {
            report.status = Some(Status::Sent);
            report.oddities.push("failover-pending");
        }
        (Some(Status::Delivered | Status::Sent), true) => {
            report.oddities.push("delivered-with-error");
        }
        (Some(Status::Failed), false) => report.errors.extend(error_of_status(state, group)),
        _ => {}
    }
    let parties = Parties::forth(element);
    set_channel(&mut report, element, &parties, hints);
    // Only sends of templates can ask for an SMS; the Messages API offers it for everything.
    let is_sms = match report.channel.as_deref() {
        Some("sms") => true,
        Some(UNKNOWN_CHANNEL) => channel::has_form_of_sms(element),
        _ => false,
    };
    if is_sms && word(element, "event").is_none() {
        report.evidence = Some(MessageType::Template);
    }
    let names: &[&str] = match report.status {
        Some(Status::Queued | Status::Sent) => &["sentAt", "sendAt", "doneAt"],
        _ => &["doneAt", "sentAt", "sendAt"],
    };
    set_time(&mut report, element, names);
    set_rest(&mut report, element, parties);
    report
}

/// Reads a seen report.
pub(super) fn seen(element: &Value, raw: &[u8], hints: &Hints) -> Report {
    let mut report = new(Kind::Seen, "SEEN", element, raw);
    report.status = Some(Status::Read);
    let parties = Parties::back(element, hints);
    set_channel(&mut report, element, &parties, hints);
    set_time(&mut report, element, &["seenAt"]);
    set_rest(&mut report, element, parties);
    report
}

/// Reads a deleted report.
pub(super) fn deleted(element: &Value, raw: &[u8], hints: &Hints) -> Report {
    let mut report = new(Kind::Deleted, "DELETED", element, raw);
    report.status = Some(Status::Deleted);
    let parties = Parties::back(element, hints);
    set_channel(&mut report, element, &parties, hints);
    set_time(&mut report, element, &["deletedAt"]);
    set_rest(&mut report, element, parties);
    report
}

/// Reads a click report: kept with its message, but no status.
pub(super) fn click(element: &Value, raw: &[u8]) -> Report {
    let mut report = new(Kind::Click, "CLICKED", element, raw);
    report.url = text(element, "url");
    // Despite its name this is when the click was received.
    set_time(&mut report, element, &["sendDateTime"]);
    set_rest(&mut report, element, Parties::recipient(element));
    report
}

/// A report of the message that the element names.
fn new(kind: Kind, provider_status: impl Into<String>, element: &Value, raw: &[u8]) -> Report {
    Report::new(kind, provider_status, text(element, "messageId"), raw)
}

/// Which channel the report is of, and what a delivery there means for WhatsApp.
fn set_channel(report: &mut Report, element: &Value, parties: &Parties, hints: &Hints) {
    report.channel = channel::of(element, parties, hints);
    if let Some(channel) = &report.channel
        && matches!(report.status, Some(Status::Delivered | Status::Read))
    {
        report.fallback = Some(channel::fallback(channel));
    }
}

/// The `error`, unless it says that there is none.
fn stated_error(element: &Value) -> Option<ReportError> {
    let error = object(element, "error")?;
    let id = integer(error, "id");
    let title = text(error, "name");
    // Without a number its name is all that there is.
    let is_error = match id {
        Some(id) => id != 0,
        None => title.is_some() && !is_no_error(error),
    };
    is_error.then(|| ReportError {
        key: id.map_or_else(
            || "infobip:unknown".to_owned(),
            |id| format!("infobip:{id}"),
        ),
        code: id,
        title,
        details: text(error, "description"),
        href: None,
        permanent: boolean(error, "permanent"),
    })
}

/// Whether an error without a number says that all is well.
fn is_no_error(error: &Value) -> bool {
    let says = |name| {
        let word = word(error, name).unwrap_or_default().to_ascii_uppercase();
        matches!(word.replace([' ', '-', '_'], "").as_str(), "OK" | "NOERROR")
    };
    integer(error, "groupId") == Some(0) || says("groupName") || says("name")
}

/// What a failure without an error has to say: its status.
pub(super) fn error_of_status(state: &Value, group: Option<Group>) -> Option<ReportError> {
    let group = group.filter(|group| group.is_failure())?;
    let id = integer(state, "id");
    let title = text(state, "name").unwrap_or_else(|| group.as_str().to_owned());
    Some(ReportError {
        key: match id {
            Some(id) => format!("infobip-status:{id}"),
            None => format!("infobip-status:{title}"),
        },
        code: id,
        title: Some(title),
        details: text(state, "description"),
        href: None,
        permanent: None,
    })
}

fn set_time(report: &mut Report, element: &Value, names: &[&str]) {
    let reading = time::read(element, names);
    report.time = reading.time;
    report.oddities.extend(reading.oddity);
}

/// What every kind of report may hold.
fn set_rest(report: &mut Report, element: &Value, parties: Parties) {
    if report.message.is_none() {
        report.oddities.push("message-id-missing");
    }
    set_recipient(report, element, &parties);
    report.sender = parties.business;
    let platform = object(element, "platform").unwrap_or(&Value::Null);
    let tenant = |name| text(element, name).or_else(|| text(platform, name));
    report.entity_id = tenant("entityId");
    report.application_id = tenant("applicationId");
    report.broadcast = text(element, "bulkId");
    if let Some(price) = object(element, "price") {
        report.pricing.price = number(price, "pricePerMessage");
        report.pricing.currency = text(price, "currency");
    }
    // Documented as a string; a client that sent our JSON may get it back as such.
    let echo = object(element, "callbackData").map(Value::to_string);
    let echo = echo.or_else(|| text(element, "callbackData"));
    report.echo = echo.map(Echo::new);
}

/// A phone number where there is one: Meta's usernames let `to` be a business-scoped user
/// id (`HR.1349…`), and put the number into `contact` where the business may know it.
fn set_recipient(report: &mut Report, element: &Value, parties: &Parties) {
    let contact = object(element, "contact").unwrap_or(&Value::Null);
    report.recipient_user_id = text(contact, "userId");
    report.recipient_parent_user_id = text(contact, "parentUserId");
    let user = parties.user.as_deref();
    if report.recipient_user_id.is_none() {
        report.recipient_user_id = user.filter(|user| is_user_id(user)).map(str::to_owned);
    }
    if user.is_some_and(is_phone_number) {
        report.recipient.clone_from(&parties.user);
        return;
    }
    // Infobip's own sample of a seen report repeats the business's number here.
    let business = parties.business.as_deref().map(digits);
    let phone = text(contact, "phoneNumber")
        .filter(|phone| business.as_deref() != Some(digits(phone).as_str()));
    report.recipient = phone
        .or_else(|| parties.user.clone())
        .or_else(|| report.recipient_user_id.clone());
}

#[cfg(test)]
mod tests;
