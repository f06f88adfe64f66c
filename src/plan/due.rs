//! What is sent of what was gathered, once its time is over: alerts to chats, and notices of a
//! channel's errors.
//!
//! Pure. The engine loads the windows that are over, and writes what is decided here. The first of a
//! quiet time was sent within its own group ([`super::group`]).

use std::sync::Arc;

use bytes::Bytes;

use super::alert::Alert;
use super::event::Event;
use super::gathering::{ALERTS, CHANNEL_ERRORS};
use super::notice::Notice;
use crate::model::{
    AccountEvent, AccountEventKey, ConditionKey, MessageKey, ReportKey, Status, Subscriber,
    SubscriberKey, SubscriberKind,
};

/// Failures of one error that were gathered for a chat.
pub(crate) struct DueAlert {
    /// The chat.
    pub(crate) subscriber_id: SubscriberKey,
    /// Their error; empty when the provider gave none.
    pub(crate) error_key: String,
    /// How many.
    pub(crate) failures: u64,
    /// The latest of them; `None` where it was erased since.
    pub(crate) latest: Option<LatestFailure>,
}

/// What a chat reads of a failure.
pub(crate) struct LatestFailure {
    /// The key of its message.
    pub(crate) message_id: MessageKey,
    /// The key of its report.
    pub(crate) report_id: ReportKey,
    /// The provider's own title of the error.
    pub(crate) title: Option<String>,
    /// Its source.
    pub(crate) source: String,
    /// The provider's id of its message.
    pub(crate) message: Option<String>,
    /// The recipient that it did not reach.
    pub(crate) recipient: Option<String>,
}

/// Errors of a channel that were gathered.
pub(crate) struct DueOutage {
    /// The key of the event that was sent last, and gathered those that followed.
    pub(crate) event_id: AccountEventKey,
    /// Those; `None` where there were none.
    pub(crate) gathered: Option<GatheredErrors>,
}

/// Errors of one code that came since the last notice.
pub(crate) struct GatheredErrors {
    /// The key of the latest.
    pub(crate) latest_id: AccountEventKey,
    /// The key of the first of its subject, whose notices go out in order.
    pub(crate) first_id: AccountEventKey,
    /// How many there are.
    pub(crate) count: u64,
    /// The latest.
    pub(crate) event: AccountEvent,
    /// Its source.
    pub(crate) source: String,
    /// When it happened, ms since 1970 UTC.
    pub(crate) at_ms: i64,
}

/// What is written of what is due, in this order.
#[derive(Default)]
pub(crate) struct DueWrites {
    /// Windows of alerts, by subscriber and error: when the next one ends, ms since 1970 UTC; `None`
    /// where none follows.
    pub(crate) alerts: Vec<(SubscriberKey, String, Option<i64>)>,
    /// Windows of a channel's errors, by the event that gathers: likewise.
    pub(crate) outages: Vec<(AccountEventKey, Option<i64>)>,
    /// Payloads, each with its forwards.
    pub(crate) notices: Vec<DueNotice>,
}

/// A payload, and the subscribers for which it is queued.
pub(crate) struct DueNotice {
    /// The subscribers.
    pub(crate) subscribers: Vec<SubscriberKey>,
    /// What it is about.
    pub(crate) about: NoticeAbout,
    /// The payload.
    pub(crate) body: Bytes,
    /// The place among the forwards of the same: earlier goes first.
    pub(crate) order: (i64, u8),
    /// How many failures it reports, where it is an alert.
    pub(crate) alert_failures: Option<u64>,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoticeAbout {
    /// A message and its report, by their keys.
    Message(MessageKey, ReportKey),
    /// A message that was erased.
    Erased,
    /// A subject of account events, by the key of its first one.
    Subject(AccountEventKey),
    /// A condition of the service, by its key: its events go out in order.
    Condition(ConditionKey),
}

/// The event of a condition that began or ended, for each subscriber that is sent the service's events.
pub(crate) fn condition(
    (event, at_ms): (&Event<'_>, i64),
    condition_id: ConditionKey,
    subscribers: &[Arc<Subscriber>],
    now_ms: i64,
) -> Option<DueNotice> {
    let wants = |subscriber: &&Arc<Subscriber>| subscriber.kind == SubscriberKind::Events;
    let receivers = subscribers.iter().filter(wants);
    let subscribers: Vec<SubscriberKey> = receivers.map(|subscriber| subscriber.id).collect();
    (!subscribers.is_empty()).then(|| DueNotice {
        subscribers,
        about: NoticeAbout::Condition(condition_id),
        body: event.render(at_ms).into(),
        order: (now_ms, 0),
        alert_failures: None,
    })
}

/// Sends to each chat what was gathered for it and begins its next window; forgets the window where
/// nothing was gathered, or no chat is left to send it to.
pub(crate) fn alerts(due: Vec<DueAlert>, chats: &[Arc<Subscriber>], now_ms: i64) -> DueWrites {
    let mut writes = DueWrites::default();
    for due in due {
        let chat = chats.iter().find(|subscriber| {
            subscriber.id == due.subscriber_id && subscriber.kind == SubscriberKind::Chat
        });
        let chat = chat.filter(|_| due.failures > 0);
        writes
            .notices
            .extend(chat.map(|chat| alert(&due, chat, now_ms)));
        let next_ms = chat.map(|_| ALERTS.end_ms(now_ms));
        writes
            .alerts
            .push((due.subscriber_id, due.error_key, next_ms));
    }
    writes
}

fn alert(due: &DueAlert, chat: &Subscriber, now_ms: i64) -> DueNotice {
    let latest = due.latest.as_ref();
    let alert = Alert {
        subscriber: chat.name.clone(),
        failures: due.failures,
        error_key: due.error_key.clone(),
        title: latest.and_then(|latest| latest.title.clone()),
        source: latest.map(|latest| latest.source.clone()),
        message: latest.and_then(|latest| latest.message.clone()),
        recipient: latest.and_then(|latest| latest.recipient.clone()),
        message_key: latest.map(|latest| latest.message_id),
    };
    let about = |latest: &LatestFailure| NoticeAbout::Message(latest.message_id, latest.report_id);
    DueNotice {
        subscribers: vec![chat.id],
        about: latest.map_or(NoticeAbout::Erased, about),
        body: alert.render(&chat.alert).into(),
        order: (now_ms, Status::Failed.order()),
        alert_failures: Some(due.failures),
    }
}

/// Notifies subscribers of each code's latest error with the count of all, which then gathers the next
/// ones; ends the window where none came.
pub(crate) fn outages(
    due: Vec<DueOutage>,
    subscribers: &[Arc<Subscriber>],
    now_ms: i64,
) -> DueWrites {
    let mut writes = DueWrites::default();
    for due in due {
        writes.outages.push((due.event_id, None));
        let Some(gathered) = due.gathered else {
            continue;
        };
        let next_ms = CHANNEL_ERRORS.end_ms(now_ms);
        writes.outages.push((gathered.latest_id, Some(next_ms)));
        let notice = Notice {
            event: &gathered.event,
            source: &gathered.source,
            at_ms: gathered.at_ms,
            gathered: Some(gathered.count),
        };
        let payloads = notice.payloads(subscribers).into_iter();
        writes
            .notices
            .extend(payloads.map(|(body, subscribers)| DueNotice {
                subscribers,
                about: NoticeAbout::Subject(gathered.first_id),
                body: body.into(),
                order: (gathered.at_ms, 0),
                alert_failures: None,
            }));
    }
    writes
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::{About, EventGroup, PayloadOptions};
    use crate::providers::Provider;

    const NOW_MS: i64 = 1_790_000_000_000;

    const fn key(number: i64) -> SubscriberKey {
        SubscriberKey::of(number)
    }

    const fn event(number: i64) -> AccountEventKey {
        AccountEventKey::of(number)
    }

    fn subscriber(id: i64, kind: &str) -> Arc<Subscriber> {
        let subscriber = json!({
            "id": id, "name": kind, "url": "https://a.example", "kind": kind, "state": "active",
            "alert": {"account_events": true}, "filter": {}, "options": PayloadOptions::default(),
            "reports": "changes", "ordering": "relaxed", "concurrency": 8, "headers": [],
            "created_at_ms": 0,
        });
        Arc::new(serde_json::from_value(subscriber).unwrap())
    }

    fn due_alert(subscriber: i64, failures: u64) -> DueAlert {
        DueAlert {
            subscriber_id: key(subscriber),
            error_key: "meta:131026".to_owned(),
            failures,
            latest: Some(LatestFailure {
                message_id: MessageKey::of(7),
                report_id: ReportKey::of(9),
                title: None,
                source: "cloud".to_owned(),
                message: Some("wamid.7".to_owned()),
                recipient: Some("34600000001".to_owned()),
            }),
        }
    }

    fn text(notice: &DueNotice) -> String {
        let body: Value = serde_json::from_slice(&notice.body).unwrap();
        body["text"].as_str().unwrap().to_owned()
    }

    #[test]
    fn what_was_gathered_for_a_chat_is_one_alert_and_opens_the_next_minute() {
        let writes = alerts(vec![due_alert(1, 3)], &[subscriber(1, "chat")], NOW_MS);
        let window = (key(1), "meta:131026".to_owned(), Some(NOW_MS + 60_000));
        assert_eq!(writes.alerts, [window]);
        let [notice] = &writes.notices[..] else {
            panic!("{} notices", writes.notices.len());
        };
        assert_eq!(notice.subscribers, [key(1)]);
        assert_eq!(
            notice.about,
            NoticeAbout::Message(MessageKey::of(7), ReportKey::of(9))
        );
        assert_eq!(notice.alert_failures, Some(3));
        let text = text(notice);
        assert!(text.starts_with("Not delivered: 3 messages. "), "{text}");
        assert!(text.contains("latest message wamid.7"), "{text}");
    }

    #[test]
    fn a_minute_without_failures_or_without_its_chat_ends_silently() {
        let subscribers = [subscriber(1, "chat"), subscriber(2, "events")];
        let due = [due_alert(1, 0), due_alert(2, 5), due_alert(3, 5)];
        let writes = alerts(due.into(), &subscribers, NOW_MS);
        let windows = writes.alerts.iter().map(|(id, _, next_ms)| (*id, *next_ms));
        assert!(windows.eq([1, 2, 3].map(|chat| (key(chat), None))));
        assert!(writes.notices.is_empty());
    }

    #[test]
    fn an_alert_whose_latest_message_was_erased_names_none() {
        let due = DueAlert {
            latest: None,
            ..due_alert(1, 2)
        };
        let writes = alerts(vec![due], &[subscriber(1, "chat")], NOW_MS);
        assert_eq!(writes.notices[0].about, NoticeAbout::Erased);
        let text = text(&writes.notices[0]);
        assert!(text.starts_with("Not delivered: 2 messages. "), "{text}");
        assert!(!text.contains("wamid"), "{text}");
    }

    #[test]
    fn gathered_errors_of_a_channel_are_one_notice_and_the_latest_gathers_on() {
        let words = Provider::USUAL.definition().events;
        let words = words.of(EventGroup::Contact, "stop".to_owned());
        let gathered = GatheredErrors {
            latest_id: event(8),
            first_id: event(3),
            count: 4,
            event: AccountEvent::new("errors", About::Channel, None, &words),
            source: "cloud".to_owned(),
            at_ms: NOW_MS - 5,
        };
        let due = [
            DueOutage {
                event_id: event(5),
                gathered: Some(gathered),
            },
            DueOutage {
                event_id: event(6),
                gathered: None,
            },
        ];
        let subscribers = [
            subscriber(1, "chat"),
            subscriber(2, "events"),
            subscriber(3, "callback"),
        ];
        let writes = outages(due.into(), &subscribers, NOW_MS);
        let next_ms = CHANNEL_ERRORS.end_ms(NOW_MS);
        let windows = [(5, None), (8, Some(next_ms)), (6, None)];
        assert_eq!(
            writes.outages,
            windows.map(|(id, next_ms)| (event(id), next_ms))
        );
        let notified: Vec<_> = writes
            .notices
            .iter()
            .map(|it| &it.subscribers[..])
            .collect();
        assert_eq!(notified, [[key(2)], [key(1)]]);
        for notice in &writes.notices {
            assert_eq!(notice.about, NoticeAbout::Subject(event(3)));
            assert_eq!(notice.order, (NOW_MS - 5, 0));
            let text = text(notice);
            assert!(
                text.contains("It came 4 times since the last notice."),
                "{text}"
            );
        }
    }
}
