//! What a new report means: the message's new state, which subscribers are notified, and in which bytes.
//!
//! Pure, but called inside the writer's transaction, because the meaning depends on what is
//! stored and on the report's neighbours in the same batch. The next stage is
//! [`crate::store`], which writes it down.

pub(crate) mod alert;
mod arrival;
mod broadcast;
pub(crate) mod due;
pub(crate) mod event;
pub(crate) mod explained;
mod fallback;
pub(crate) mod gathering;
pub(crate) mod group;
mod limits;
pub(crate) mod notice;
mod payload;
pub(crate) mod refill;
mod registering;
pub(crate) mod settling;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalogue;
use crate::model::{
    Message, MessageType, PayloadOptions, Report, ReportEffect, ReportError, Reports, SkipReason,
    Status, StatusHistory, Subscriber, SubscriberKey, SubscriberKind,
};

pub use arrival::{Accepted, Arrival, FoundReport, Reread, WebhookOutcome};
pub(crate) use broadcast::ServerCounts;
pub use broadcast::{BroadcastCounts, MessageProgress};
pub use group::WorkAnswer;
pub use registering::{RegisterOutcome, Registered, Registering};

/// What the webhook's source knows beside the report.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The source's name, for filters.
    pub source: &'a str,
    /// The type of its messages when no report shows it; a guess.
    pub default_type: MessageType,
    /// Its own number, for reports that name none.
    pub default_sender: Option<&'a str>,
    /// When the webhook arrived, ms since 1970 UTC.
    pub received_ms: i64,
    /// For another channel's report: what an earlier one gave as WhatsApp's own reason.
    pub first_failure: Option<&'a ReportError>,
}

/// What a report means, ready to be written down.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The message with the report taken in.
    pub message: Message,
    /// Which subscribers are notified of the report.
    pub dispatch: Dispatch,
    /// That another channel delivered in WhatsApp's place, as a report of our own, and which subscribers are notified
    /// of that: with the report that makes it count, once for each message.
    pub fallback: Option<Box<(Report, Dispatch)>>,
}

/// Which subscribers are notified of a report, and in which bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatch {
    /// What the report changed.
    pub change: ReportEffect,
    /// The place of its forwards among those of the message: earlier goes first.
    pub place: (i64, u8),
    /// The rendered payloads, each with the ids of the subscribers queued it.
    pub payloads: Vec<(Vec<u8>, Vec<SubscriberKey>)>,
    /// The ids of the chats that are to be alerted.
    pub alerts: Vec<SubscriberKey>,
    /// Which are not notified, and why.
    pub skipped: Vec<(SubscriberKey, SkipReason)>,
}

/// Puts the reports of one webhook in the order in which they happened, so that a batch
/// holding `read` before `delivered` notifies a subscriber of both.
fn in_order_of_events<K>(reports: &mut [(&Report, K)], received_ms: i64) {
    // A copy of what was sent shows what the statuses beside it are about.
    reports.sort_by_key(|(report, _)| (!report.is_echo(), place(report, received_ms)));
}

fn place(report: &Report, received_ms: i64) -> (i64, u8) {
    let rank = report.status.map_or(u8::MAX, Status::order);
    (report.time.ms.unwrap_or(received_ms), rank)
}

/// Decides what `report` means for a message of which `known` is known.
///
/// `history` is what was reported before on WhatsApp of the one this report is about: the
/// message, or in a group its participant or the group as a whole.
#[must_use]
pub fn plan(
    known: &Message,
    history: &StatusHistory,
    report: &Report,
    context: Context<'_>,
    subscribers: &[Arc<Subscriber>],
) -> Plan {
    let implied = report
        .error()
        .and_then(|error| catalogue::find(&error.key))
        .and_then(|entry| entry.implies);
    let mut message = known.clone();
    message.absorb(report, context.received_ms, implied, context.default_type);
    message.conflict |= contradicts(history, report);
    let change = match report.status {
        None => ReportEffect::NotAStatus,
        Some(status) => change((known, &message), history, (report, status)),
    };
    let dispatch = dispatch(&message, report, change, context, subscribers);
    let fallback = fallback::made_to_count(known, &message).map(|fallback| {
        let change = fallback::change(history, report);
        let report = fallback::report(fallback, report, context.first_failure);
        let dispatch = self::dispatch(&message, &report, change, context, subscribers);
        Box::new((report, dispatch))
    });
    Plan {
        message,
        dispatch,
        fallback,
    }
}

/// What a report of `status` changes: in WhatsApp's own life of the message, or in that of the
/// report's channel where the message is none of WhatsApp's.
fn change(
    (known, after): (&Message, &Message),
    history: &StatusHistory,
    (report, status): (&Report, Status),
) -> ReportEffect {
    let Some(channel) = &report.channel else {
        return fallback::history_with_fallback(known, history, status).change(status);
    };
    // Of a flood of channels not all are kept.
    if known.is_whatsapp || after.others.leg(channel).is_none() {
        return ReportEffect::OtherChannel;
    }
    let leg = known.others.leg(channel);
    leg.map_or_else(StatusHistory::new, |leg| leg.history.clone())
        .change(status)
}

/// Decides which subscribers are notified of a report that changed so much.
fn dispatch(
    message: &Message,
    report: &Report,
    change: ReportEffect,
    context: Context<'_>,
    subscribers: &[Arc<Subscriber>],
) -> Dispatch {
    let mut dispatch = Dispatch {
        change,
        place: place(report, context.received_ms),
        payloads: Vec::new(),
        alerts: Vec::new(),
        skipped: Vec::new(),
    };
    // Event subscribers receive no reports.
    let subscribers = subscribers
        .iter()
        .filter(|subscriber| subscriber.kind != SubscriberKind::Events);
    let skipped = |subscriber: &Subscriber| skip_reason(change, subscriber.reports);
    let reported = subscribers
        .clone()
        .any(|subscriber| skipped(subscriber).is_none());
    let Some(status) = report.status.filter(|_| reported) else {
        let all = subscribers.filter_map(|it| Some((it.id, skipped(it)?)));
        dispatch.skipped.extend(all);
        return dispatch;
    };
    let facts = payload::PayloadFacts::new(message, report, (status, change), context);
    let errors: Vec<&str> = facts.errors().map(|error| error.key.as_str()).collect();
    let offer = facts.offer(&errors);
    let mut wanted: BTreeMap<PayloadOptions, Vec<SubscriberKey>> = BTreeMap::new();
    for subscriber in subscribers {
        let admitted = skipped(subscriber).map_or_else(|| subscriber.filter.admit(offer), Err);
        match admitted {
            Ok(()) if subscriber.kind == SubscriberKind::Chat => {
                let reason = if status == Status::Failed {
                    dispatch.alerts.push(subscriber.id);
                    SkipReason::Gathered
                } else {
                    SkipReason::NoFailure
                };
                dispatch.skipped.push((subscriber.id, reason));
            }
            Ok(()) => wanted
                .entry(subscriber.options)
                .or_default()
                .push(subscriber.id),
            Err(reason) => dispatch.skipped.push((subscriber.id, reason)),
        }
    }
    dispatch.payloads = wanted
        .into_iter()
        .map(|(options, pending)| (facts.render(options), pending))
        .collect();
    dispatch
}

/// Whether, with this report, the one it is about was both failed and delivered.
fn contradicts(history: &StatusHistory, report: &Report) -> bool {
    if report.channel.is_some() {
        return false;
    }
    let mut history = history.clone();
    match report.status {
        Some(status @ (Status::Failed | Status::Delivered | Status::Read)) => {
            history.absorb(status, 0);
        }
        // A member under two names: it takes a report with both to know that they are one.
        _ if report.participant.is_some() => {}
        _ => return false,
    }
    history.is_conflict()
}

/// Why a subscriber is not notified of a report that changes so much, whatever its filter wants.
const fn skip_reason(change: ReportEffect, reports: Reports) -> Option<SkipReason> {
    match (change, reports) {
        (ReportEffect::New, _)
        | (ReportEffect::Superseded | ReportEffect::Contradicts, Reports::All) => None,
        (ReportEffect::Superseded, Reports::Changes) => Some(SkipReason::Superseded),
        (ReportEffect::Contradicts, Reports::Changes) => Some(SkipReason::Contradicts),
        (ReportEffect::Repeated, _) => Some(SkipReason::Repeated),
        (ReportEffect::NotAStatus, _) => Some(SkipReason::NotAStatus),
        (ReportEffect::OtherChannel, _) => Some(SkipReason::OtherChannel),
    }
}
