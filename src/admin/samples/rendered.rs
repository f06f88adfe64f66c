//! From what a sample is to its bytes, by the way that a true report takes: the provider's own
//! body, its parser, the plan. Nothing is stored.

use super::super::Failure;
use super::case::SampleCase;
use crate::ingest;
use crate::model::{
    Filter, Message, MessageType, Registration, Report, ReportError, SendResult, SkipReason,
    Status, StatusHistory, Subscriber, SubscriberKey, SubscriberKind,
};
use crate::plan::alert::Alert;
use crate::plan::event::Event;
use crate::plan::{self, Context, Plan};
use crate::play::bodies;
use crate::providers::Item;
use crate::providers::sample::Element;

/// The text of a sample's message.
const TEXT: &str = "A sample sent by `tickrelay subscriber test`";
/// What the provider adds to a sample of a failure.
const DETAILS: &str = "A sample of a failure, sent by `tickrelay subscriber test`";
/// Our key of a subscriber that wants everything; the store's begin at 1.
const UNFILTERED: SubscriberKey = SubscriberKey::of(-1);

/// A sample's bytes, and what would have become of them.
pub(super) struct Rendered {
    pub(super) payload: Vec<u8>,
    /// Why a true report of this would not have been sent.
    pub(super) skip_reason: Option<SkipReason>,
}

/// Renders a sample of the message with that id for this subscriber, its filter aside.
///
/// # Errors
/// [`Failure::Invalid`] when no report can say this.
pub(super) fn render(
    subscriber: &Subscriber,
    case: &SampleCase,
    id: &str,
    now_ms: i64,
) -> Result<Rendered, Failure> {
    if subscriber.kind == SubscriberKind::Events {
        let payload = event(now_ms);
        return Ok(Rendered {
            payload,
            skip_reason: None,
        });
    }
    let report = report(case, id, now_ms)?;
    let plan = planned(subscriber, case, &report, now_ms);
    let is_of = plan.message.message_type.map(|(_, it)| it);
    if let (Some(wanted), Some(is_of)) = (case.message_type, is_of)
        && wanted != is_of
    {
        let key = case.error.map_or("this", |entry| entry.key.as_str());
        let detail = format!("only a {is_of} can fail with {key}: leave the type out");
        return Err(Failure::invalid("/type", detail));
    }
    // Another channel's delivery is shown as the failure that it means.
    let (report, dispatch) = match plan.fallback {
        Some(fallback) => *fallback,
        None => (report, plan.dispatch),
    };
    let skipped = dispatch.skipped.iter();
    let skip_reason = skipped
        .filter(|(id, reason)| *id == subscriber.id && *reason != SkipReason::Gathered)
        .map(|(_, reason)| *reason)
        .next();
    let payload = if subscriber.kind == SubscriberKind::Chat {
        alert(subscriber, case, &report, plan.message.shown_recipient())
    } else {
        let mut payloads = dispatch.payloads.into_iter();
        let found = payloads.find(|(_, pending)| pending.contains(&UNFILTERED));
        found.map(|(payload, _)| payload).unwrap_or_default()
    };
    Ok(Rendered {
        payload,
        skip_reason,
    })
}

/// What the provider's parser makes of the provider's body.
fn report(case: &SampleCase, id: &str, now_ms: i64) -> Result<Report, Failure> {
    let origin = &case.origin;
    let refused = case.error.filter(|entry| entry.is_of_send());
    if refused.is_some() || !bodies::reports(origin.provider, case.status) {
        // Such a message is known only where its sender registers it.
        let registration = Registration {
            recipient: Some(case.recipient.clone()),
            sender: Some(origin.sender.clone()),
            sent_ms: Some(now_ms),
            ..Registration::default()
        };
        return Ok(Report::registered(
            Some(id),
            id,
            &registration,
            &refused.map_or(SendResult::Accepted, |entry| {
                SendResult::Refused(vec![ReportError {
                    key: entry.key.clone(),
                    code: None,
                    title: Some(entry.name.clone()),
                    details: Some(DETAILS.to_owned()),
                    href: None,
                    permanent: None,
                }])
            }),
        ));
    }
    let element = Element {
        id: id.to_owned(),
        recipient: case.recipient.clone(),
        group: None,
        status: case.status,
        at_ms: now_ms,
        category: bodies::category(message_type(case)),
        conversation: u128::from(now_ms.unsigned_abs()),
        broadcast: None,
        error: case.error.map(bodies::failure),
        details: DETAILS,
    };
    let body = bodies::write(origin.provider, Some(&origin.sender), &[element]);
    let parsed = ingest::read(origin.provider, body.as_bytes(), None, &origin.hints);
    let items = parsed.map(|parsed| parsed.items).unwrap_or_default();
    let report = items.into_iter().find_map(|item| match item {
        Item::Report(report) => Some(*report),
        _ => None,
    });
    let wanted = case.error.map(|entry| entry.key.clone());
    let says = |report: &Report| match &report.fallback {
        Some(fallback) => (Some(Status::Failed), Some(fallback.key.clone())),
        None => (report.status, report.error().map(|error| error.key.clone())),
    };
    report
        .filter(|report| says(report) == (Some(case.status), wanted.clone()))
        .ok_or_else(|| {
            let key = wanted.unwrap_or_default();
            let detail = format!(
                "no message fails with {key}: `tickrelay explain {key}` says what it is; name another"
            );
            Failure::invalid("/error", detail)
        })
}

/// What the body says of the type, where it says something.
fn message_type(case: &SampleCase) -> MessageType {
    case.message_type.unwrap_or(case.origin.default_type)
}

/// What the report means for this subscriber, and for one like it without a filter.
fn planned(subscriber: &Subscriber, case: &SampleCase, report: &Report, now_ms: i64) -> Plan {
    let known = Message {
        text: Some(TEXT.to_owned()),
        is_whatsapp: true,
        ..Message::default()
    };
    let context = Context {
        source: &case.origin.source,
        default_type: message_type(case),
        default_sender: case.origin.default_sender.as_deref(),
        received_ms: now_ms,
        first_failure: None,
    };
    let unfiltered = Subscriber {
        id: UNFILTERED,
        filter: Filter::default(),
        ..subscriber.clone()
    };
    let subscribers = [subscriber.clone().into(), unfiltered.into()];
    plan::plan(&known, &StatusHistory::new(), report, context, &subscribers)
}

/// An alert of that one failure.
fn alert(
    subscriber: &Subscriber,
    case: &SampleCase,
    report: &Report,
    recipient: Option<&str>,
) -> Vec<u8> {
    let error = report.error();
    let alert = Alert {
        subscriber: subscriber.name.clone(),
        failures: 1,
        error_key: error.map(|error| error.key.clone()).unwrap_or_default(),
        title: error.and_then(|error| error.title.clone()),
        source: Some(case.origin.source.clone()),
        message: report.message.clone(),
        recipient: recipient.map(str::to_owned),
        message_key: None,
    };
    alert.render(&subscriber.alert)
}

/// An event without meaning.
fn event(now_ms: i64) -> Vec<u8> {
    let event = Event {
        name: "sample",
        subject: "",
        text: TEXT,
        data: &serde_json::Map::new(),
    };
    event.render(now_ms)
}
