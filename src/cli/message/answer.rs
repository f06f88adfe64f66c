//! The one sentence about a message that a support agent reads out.
//!
//! Pure: decides from what is known, and knows no clock.

use std::collections::BTreeSet;

use crate::catalogue;
use crate::cli::forward::number;
use crate::cli::time::day_and_time;
use crate::model::{Kind, SendResult, Status, UNKNOWN_CHANNEL, WHATSAPP};
use crate::web::api::messages::{MessageView, TimelineView};
use crate::web::api::reports::{ErrorView, ReportView};
use crate::web::api::time::Time;

/// What became of the message.
pub(super) fn answer(timeline: &TimelineView) -> String {
    let message = &timeline.message;
    let group = timeline
        .reports
        .iter()
        .any(|report| report.participant.is_some());
    let recipient = message.recipient.as_deref().map(number);
    let recipient = recipient.unwrap_or_else(|| "the recipient".to_owned());
    let to = if group {
        format!("at least one member of the group {recipient}")
    } else {
        recipient
    };
    let on =
        |at: Option<Time>| at.map_or_else(String::new, |at| format!(" on {}", day_and_time(at)));
    let history = match message.status {
        Some(Status::Read) => format!("Read by {to}{}.", on(message.read_at)),
        Some(Status::Delivered) => {
            format!(
                "Delivered to {to}{}; no read report so far.",
                on(message.delivered_at)
            )
        }
        Some(Status::Sent) => format!(
            "Waiting: sent to {to}{}, no delivery report yet.",
            on(message.sent_at)
        ),
        Some(Status::Queued) => queued(timeline, &to, &on(message.queued_at)),
        Some(Status::Failed) => failed(message, &on(message.failed_at)),
        Some(Status::Deleted) => {
            return format!(
                "Deleted{}; nothing else was reported.",
                on(message.deleted_at)
            );
        }
        None if send_status(message) == Some("paused") => {
            format!("Held back: the provider has paused the template and does not send to {to}.")
        }
        None => no_status(timeline),
    };
    let history = match message.channel.as_str() {
        _ if message.status.is_none() => history,
        WHATSAPP => history,
        UNKNOWN_CHANNEL => format!("Not on WhatsApp, on another channel: {history}"),
        channel => format!("Not on WhatsApp, on {channel}: {history}"),
    };
    let contradicted = message.conflict.then(|| contradiction(message));
    let contradicted = contradicted.or_else(|| others_failed(timeline));
    let deleted = message.deleted_at;
    let deleted = deleted.map(|_| format!(" It was deleted{}.", on(deleted)));
    let explained = explained(timeline);
    let added = explained.into_iter().chain(contradicted).chain(deleted);
    std::iter::once(history).chain(added).collect()
}

/// Sentence about a message that the provider has and has not sent, or why not.
fn queued(timeline: &TimelineView, to: &str, on: &str) -> String {
    let message = &timeline.message;
    let is_reported = |report: &ReportView| report.kind != Kind::Registration;
    let registered_at = message.registration.as_ref().map(|it| it.registered_at);
    let word = send_status(message);
    if let (None, Some(at_ms)) = (word, registered_at)
        && !timeline.reports.iter().any(is_reported)
    {
        return format!(
            "Registered, no report yet: the message to {to} was registered on {}, and the \
             provider has reported nothing of it so far.",
            day_and_time(at_ms)
        );
    }
    match word {
        None | Some(SendResult::ACCEPTED) => {
            format!("Waiting: taken by the provider{on}, not sent to {to} yet.")
        }
        Some(word) => format!(
            "Waiting: the provider took the message for {to}{on} and answered {word}; it is sent, \
             or fails, when the provider has decided."
        ),
    }
}

/// Sentence about a message that failed, and why.
fn failed(message: &MessageView, on: &str) -> String {
    let failed = match send_status(message) {
        Some(SendResult::REFUSED) => "Failed, because the send itself was refused",
        _ => "Failed",
    };
    let no_reason = || "the provider gave no reason.".to_owned();
    let why = message.error.as_ref().map_or_else(no_reason, explain);
    let times = (message.error_at, message.failed_at);
    // The reason is that of the latest failure, which has a time of its own.
    let again = match times {
        (Some(error_ms), Some(failed_ms)) if error_ms != failed_ms => {
            let at = day_and_time(error_ms);
            format!(", and again on {at} with this reason")
        }
        _ => String::new(),
    };
    format!("{failed}{on}{again}: {why}")
}

/// The account event that best explains why the message stands as failed: what explains the failure
/// whose reason is answered, and no other one.
fn explained(timeline: &TimelineView) -> Option<String> {
    let message = &timeline.message;
    let error_key = |error: Option<&ErrorView>| error.map(|error| error.key.clone());
    let answered = error_key(message.error.as_ref());
    let at_ms = message.error_at.or(message.failed_at);
    let is_it = |report: &&ReportView| {
        report.status == Some(Status::Failed)
            && at_ms == Some(report.at())
            && (answered.is_none() || error_key(report.errors.first()) == answered)
    };
    let is_failed = message.status == Some(Status::Failed);
    let mut failures = timeline.reports.iter().rev().filter(|_| is_failed);
    let explanation = failures.find(is_it)?.explained_by.first()?;
    Some(format!(" What explains it: {}.", explanation.sentence))
}

/// How the provider answered the send, where that is known.
fn send_status(message: &MessageView) -> Option<&str> {
    message.registration.as_ref()?.send_status.as_deref()
}

/// The error with who can fix it and what to do.
fn explain(error: &ErrorView) -> String {
    let called = called(error);
    if let Some(entry) = catalogue::find(&error.key) {
        return format!("{} {} ({called})", entry.sentence(), entry.remedy);
    }
    let details = error.details.as_deref();
    let details = details.map_or_else(String::new, |text| format!(", \"{text}\""));
    format!("{called}{details}. The catalogue does not know this error: ask the provider.")
}

/// An error as the provider calls it: `error 131026, Message undeliverable`.
pub(super) fn called(error: &ErrorView) -> String {
    let title = error.title.as_deref().unwrap_or_default();
    let code = match error.code {
        Some(code) => code.to_string(),
        None if error.key.ends_with(":unknown") && title.is_empty() => {
            return "an unknown error".to_owned();
        }
        None => error.key.clone(),
    };
    match title.trim_end_matches('.') {
        "" => format!("error {code}"),
        title if title == code => format!("error {code}"),
        title => format!("error {code}, {title}"),
    }
}

fn contradiction(message: &MessageView) -> String {
    let at_ms = message.error_at.or(message.failed_at);
    let on = at_ms.map(day_and_time);
    let on = on.map_or_else(String::new, |on| format!(" on {on}"));
    let error = message.error.as_ref().map(called);
    let error = error.map_or_else(String::new, |error| format!(" ({error})"));
    format!(" The provider also reported a failure{on}{error}; a delivery outweighs it.")
}

/// The members of a group that a delivered or read message did not reach; they contradict no report.
fn others_failed(timeline: &TimelineView) -> Option<String> {
    let message = &timeline.message;
    if !matches!(message.status, Some(Status::Delivered | Status::Read)) {
        return None;
    }
    let failed = timeline.reports.iter();
    // A send that was refused before another one was taken is no failure of a member.
    let failed = failed.filter(|report| {
        report.status == Some(Status::Failed)
            && report.channel == message.channel
            && report.kind != Kind::Registration
    });
    let failed: BTreeSet<String> = failed.map(member).collect();
    let first = failed.first()?;
    let others = match failed.len() - 1 {
        0 => String::new(),
        1 => " and one other".to_owned(),
        others => format!(" and {others} others"),
    };
    let error = message.error.as_ref().map(called);
    let error = error.map_or_else(String::new, |error| format!(" ({error})"));
    Some(format!(" It failed for {first}{others}{error}."))
}

/// Whom a report to a group is about: a member by its number where there is one, or all.
pub(super) fn member(report: &ReportView) -> String {
    if report.participant.is_none() {
        return "the group as a whole".to_owned();
    }
    let names = [&report.member, &report.recipient, &report.participant];
    let member = names.into_iter().find_map(Option::as_ref);
    member.map_or_else(String::new, |member| number(member))
}

fn no_status(timeline: &TimelineView) -> String {
    let clicked = timeline
        .reports
        .iter()
        .find(|report| report.kind == Kind::Click);
    if let Some(click) = clicked {
        let at_ms = click.at();
        return format!(
            "A link in it was clicked on {}; no status was reported.",
            day_and_time(at_ms)
        );
    }
    "No status was reported, only what the timeline shows.".to_owned()
}

#[cfg(test)]
mod tests;
