//! What another channel's delivery means for a message of WhatsApp: it failed there.
//!
//! The delivery and WhatsApp's own reports come in any order. A delivery is held with the message
//! until a report shows that this is one of WhatsApp's, and counts then, once.

use std::borrow::Cow;

use crate::model::{
    Fallback, Kind, Message, Report, ReportEffect, ReportError, Status, StatusHistory,
};

/// The fallback that counts from now on: it did not before this report.
pub(super) fn made_to_count<'m>(before: &Message, after: &'m Message) -> Option<&'m Fallback> {
    let counts = |message: &Message| message.is_whatsapp && message.others.fallback().is_some();
    let fallback = after.others.fallback();
    fallback.filter(|_| counts(after) && !counts(before))
}

/// What a report of WhatsApp with this status comes upon: with it a held fallback counts, so that
/// what leads up to a failure is late. WhatsApp's own failure is sent with its own reason.
pub(super) fn history_with_fallback<'s>(
    known: &Message,
    history: &'s StatusHistory,
    status: Status,
) -> Cow<'s, StatusHistory> {
    match known.others.fallback() {
        Some(held) if !known.is_whatsapp && status != Status::Failed => {
            let mut history = history.clone();
            history.absorb(Status::Failed, held.at_ms);
            Cow::Owned(history)
        }
        _ => Cow::Borrowed(history),
    }
}

/// What the failure changes after the report that made it count.
pub(super) fn change(history: &StatusHistory, report: &Report) -> ReportEffect {
    let mut history = history.clone();
    if let (Some(status), None) = (report.status, &report.channel) {
        history.absorb(status, 0);
    }
    history.change(Status::Failed)
}

/// The failure as a report of our own, with WhatsApp's own reason after it where one is known.
pub(super) fn report(
    fallback: &Fallback,
    of: &Report,
    first_failure: Option<&ReportError>,
) -> Report {
    let mut report = Report::new(Kind::Fallback, "fallback", None, b"");
    report.message.clone_from(&of.message);
    report.status = Some(Status::Failed);
    report.time.ms = Some(fallback.at_ms);
    report.errors.push(fallback.error.clone());
    let own = of.error().filter(|_| of.channel.is_none());
    report.errors.extend(own.or(first_failure).cloned());
    report
}
