//! The timeline of a message: each report in the order of events, and what became of it.

use super::answer::{called, member};
use super::message_id;
use crate::catalogue;
use crate::cli::forward::{action, attempt_line, number};
use crate::cli::table::{clean, facts, item, prose};
use crate::cli::time::{span, stamp};
use crate::model::{
    Field, ForwardKey, ForwardState, Kind, ReportEffect, SkipReason, TypeRule, WHATSAPP, Word as _,
};
use crate::web::api::forwards::{ForwardView, HistoryView};
use crate::web::api::messages::{MessageView, TimelineView};
use crate::web::api::reports::ReportView;

/// What stands under a report is indented by this.
const INDENT: usize = 4;

/// An arrival is remarkable when it comes this long after the event, ms.
const REMARKABLE_MS: i64 = 60_000;

/// Letters of a subscriber's answer that a timeline has room for.
const EXCERPT: usize = 80;

/// The whole timeline.
pub(super) fn timeline(timeline: &TimelineView, now_ms: i64) -> String {
    let mut text = head(&timeline.message);
    text.push_str("\nAll times are UTC.\n");
    for report in &timeline.reports {
        text.push('\n');
        text.push_str(&event(report, &timeline.message, now_ms));
    }
    let mut forwards = timeline.reports.iter().flat_map(|report| &report.forwards);
    if let Some(forward) = forwards.find(|it| it.forward.state != ForwardState::Pending) {
        text.push('\n');
        text.push_str(&prose(&resend(forward.forward.key), 0));
    }
    text
}

/// How a status is sent again, and that this is not the message.
fn resend(forward_id: ForwardKey) -> String {
    format!(
        "To send a status to your system again: tickrelay forward retry {forward_id} (with the \
         number of its forward). The WhatsApp message itself is never sent again."
    )
}

fn head(message: &MessageView) -> String {
    let rule = match message.type_rule {
        TypeRule::Default => "a guess: the default of its source",
        TypeRule::Standby => "a guess: another responder sent it, and no price names a template",
        TypeRule::ErrorCode => "by its error code",
        TypeRule::Evidence => "by the provider's report",
        TypeRule::Echo => "as the sender's echo says",
        TypeRule::Registered => "as the sender registered",
        TypeRule::DirectSend => "WhatsApp makes a template of a Direct Send",
    };
    facts([
        ("Message", Some(message_id(message))),
        (
            "Source",
            Some(format!("{} ({})", message.source, message.provider)),
        ),
        (
            "Channel",
            Some(message.channel.clone()).filter(|channel| channel != WHATSAPP),
        ),
        ("To", message.recipient.as_deref().map(number)),
        ("From", message.sender.as_deref().map(number)),
        ("Type", Some(format!("{} ({rule})", message.message_type))),
        ("Category", message.category.clone()),
        ("Send", answered(message)),
        ("Broadcast", message.broadcast.clone()),
        ("Text", message.text.clone()),
    ])
}

/// How the provider answered the send, where that is more than that it was taken.
fn answered(message: &MessageView) -> Option<String> {
    let word = message.registration.as_ref()?.send_status.as_ref()?;
    Some(format!("{word} by the provider"))
}

fn event(report: &ReportView, message: &MessageView, now_ms: i64) -> String {
    let mut text = clean(&format!("{}  {}", stamp(report.at()), what(report)));
    text.push('\n');
    let mut line = |words: &str| text.push_str(&item(words, INDENT));
    line(&arrival(report));
    let remark = match report.kind {
        Kind::Echo => Some("no status: it describes the message, and no subscriber is notified"),
        _ => remark(report.change, !report.forwards.is_empty()),
    };
    if let Some(remark) = remark {
        line(remark);
    }
    for error in &report.errors {
        let details = error.details.as_deref();
        let details = details.map_or_else(String::new, |details| format!(": {details}"));
        line(&format!("{}{details}", called(error)));
        // The message's own error is explained in the answer above.
        let answered = message.error.as_ref().map(|error| &error.key);
        if answered != Some(&error.key)
            && let Some(entry) = catalogue::find(&error.key)
        {
            line(&entry.sentence());
        }
    }
    for explanation in &report.explained_by {
        let (sentence, remedy) = (&explanation.sentence, &explanation.event.remedy);
        line(&format!("{sentence}. {remedy}"));
    }
    if let Some(price) = price(report) {
        line(&price);
    }
    if let Some(id) = &report.template_id {
        line(&format!(
            "sent without a template: WhatsApp made the template {id} of it"
        ));
    }
    if !report.oddities.is_empty() {
        line(&format!("odd: {}", report.oddities.join(", ")));
    }
    for forward in &report.forwards {
        for words in forwarded(forward, now_ms) {
            line(&words);
        }
    }
    for words in refused(report, now_ms) {
        line(&words);
    }
    if report.change == ReportEffect::New && report.forwards.is_empty() && report.skipped.is_empty()
    {
        line("there was no subscriber to notify");
    }
    text
}

/// Why subscribers were not notified of a report by itself; of a chat, which alert reported it.
fn refused(report: &ReportView, now_ms: i64) -> Vec<String> {
    let mut lines = Vec::new();
    for skipped in &report.skipped {
        let subscriber = &skipped.subscriber;
        let mut sent = report.forwards.iter();
        let is_sent = sent.any(|it| it.forward.subscriber == *subscriber);
        lines.push(match (skipped.reason, &skipped.alert) {
            // The alert hangs on this report, and its forward says it.
            (SkipReason::Gathered, _) if is_sent => continue,
            (SkipReason::Gathered, Some(alert)) => {
                format!("{subscriber}: {}{}", action(alert, now_ms), in_alert(alert))
            }
            (SkipReason::Gathered, None) => {
                format!("{subscriber}: waits for the alert that reports it together with others")
            }
            (reason, _) => format!("{subscriber}: not notified, {}", reason.explain()),
        });
    }
    lines
}

/// Sentence about an alert, with the number of its failures.
fn in_alert(forward: &ForwardView) -> String {
    forward.alert_failures.map_or_else(String::new, |failures| {
        format!(" in an alert of {failures}")
    })
}

/// The status, with the provider's own word where that says more.
fn what(report: &ReportView) -> String {
    let word = &report.provider_status;
    let mut parts = vec![match report.status {
        Some(status) if status.as_str().eq_ignore_ascii_case(word) => status.to_string(),
        Some(status) if report.kind == Kind::Fallback => format!("{status} on WhatsApp"),
        Some(status) => format!("{status} ({word})"),
        None if report.kind == Kind::Click => "click".to_owned(),
        None if report.kind == Kind::Echo => "echo: another responder sent it".to_owned(),
        None => format!("{word} (not a status)"),
    }];
    if report.channel != WHATSAPP {
        parts.push(format!("over {}", report.channel));
    }
    if report.participant.is_some() {
        parts.push(format!("for {}", member(report)));
    }
    if let Some(url) = &report.url {
        parts.push(format!("on {url}"));
    }
    if report.field == Some(Field::Standby) && report.kind != Kind::Echo {
        parts.push("by standby: another responder sent the message".to_owned());
    }
    parts.join(" ")
}

/// What the provider says of the price, where it says more than the category.
fn price(report: &ReportView) -> Option<String> {
    let pricing = report.pricing.as_ref()?;
    let billable = pricing.billable.map(|billable| {
        let words = if billable { "billable" } else { "not billable" };
        words.to_owned()
    });
    let currency = pricing.currency.as_deref().unwrap_or_default();
    let amount = pricing.price.map(|price| format!("{price} {currency}"));
    let words = [
        pricing.category.clone(),
        pricing.kind.clone(),
        billable,
        amount.map(|amount| amount.trim().to_owned()),
        pricing.other.as_ref().map(ToString::to_string),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    (!words.is_empty()).then(|| format!("price: {}", words.join(", ")))
}

/// When it arrived, how long that took, and how often it came again.
fn arrival(report: &ReportView) -> String {
    let (received_ms, arrived) = (i64::from(report.received_at), stamp(report.received_at));
    if report.kind == Kind::Fallback {
        return format!("noted {arrived}: another channel delivered it");
    }
    let Some(webhook) = report.webhook_id else {
        return format!("registered {arrived}");
    };
    let arrival = match report.provider_time.map(i64::from) {
        None => format!("arrived {arrived} in webhook {webhook}; the provider gave no usable time"),
        Some(at_ms) if received_ms - at_ms >= REMARKABLE_MS => {
            let lag = span(received_ms - at_ms);
            format!("arrived {arrived}, {lag} later, in webhook {webhook}")
        }
        Some(at_ms) if at_ms - received_ms >= REMARKABLE_MS => {
            let ahead = span(at_ms - received_ms);
            format!("arrived {arrived} in webhook {webhook}; the provider's time is {ahead} ahead")
        }
        Some(_) => format!("arrived {arrived} in webhook {webhook}"),
    };
    let times = match report.repeats {
        0 => return arrival,
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        repeats => format!("{repeats} times"),
    };
    let last = report.last_repeat_at.map(stamp);
    let last = last.map_or_else(String::new, |last| format!(", last {last}"));
    format!("{arrival}; repeated {times}{last}")
}

/// Why no subscriber is notified, or only those that want all reports, where the report itself is the reason.
fn remark(change: ReportEffect, is_notified: bool) -> Option<&'static str> {
    match change {
        ReportEffect::New => None,
        ReportEffect::Superseded if is_notified => {
            Some("LATE: a later status was already known; sent to those that want all reports")
        }
        ReportEffect::Superseded => {
            Some("LATE: no subscriber is notified, a later status was already known")
        }
        ReportEffect::Contradicts if is_notified => Some(
            "CONTRADICTS: the message had already been reported as delivered; sent to those that \
             want all reports",
        ),
        ReportEffect::Contradicts => Some(
            "CONTRADICTS: no subscriber is notified, the message had already been reported as delivered",
        ),
        ReportEffect::Repeated => {
            Some("AGAIN: no subscriber is notified, this status was already known")
        }
        ReportEffect::NotAStatus => {
            Some("no subscriber is notified, it is none of the six statuses")
        }
        ReportEffect::OtherChannel => Some("it changes nothing of the WhatsApp message itself"),
    }
}

/// How a forward ended or what it waits for; its attempts too, unless the first one delivered it.
fn forwarded(forward: &HistoryView, now_ms: i64) -> Vec<String> {
    let record = &forward.forward;
    let removed = if record.subscriber_removed {
        " (removed)"
    } else {
        ""
    };
    let name = &record.subscriber;
    let (action, id) = (action(record, now_ms), record.key);
    let alert = in_alert(record);
    let mut lines = vec![format!("{name}{removed}: {action}{alert} (forward {id})")];
    let at_once = record.state == ForwardState::Delivered && forward.history.len() <= 1;
    if !at_once {
        let attempts = forward.history.iter();
        lines.extend(attempts.map(|attempt| format!("- {}", attempt_line(attempt, EXCERPT))));
    }
    lines
}
