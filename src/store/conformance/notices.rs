//! What duties queue: events of conditions, and alerts that were gathered.

use serde_json::{Map, Value};

use super::{SECOND_MS, START_MS, Subject, each_engine, failed};
use crate::model::{NewSubscriber, SubscriberKind};
use crate::store::query::{ForwardDetailQuery, NotifiedQuery, Scope};
use crate::store::step::{NotifyConditions, SendAlerts};
use crate::store::watching::{EventTransition, NotifiedCondition};

each_engine!(
    a_condition_is_noted_and_its_events_are_queued_for_event_subscribers_alone,
    failures_are_gathered_for_a_minute_and_a_chat_gets_one_alert_of_them,
);

impl Subject {
    async fn of_kind(&self, name: &str, kind: SubscriberKind) {
        let url = format!("https://{name}.example/hook");
        let new = NewSubscriber {
            kind,
            ..NewSubscriber::new(name, &url)
        };
        self.add(new).await;
    }

    /// Notes a change of one condition.
    async fn transition(&self, holds: bool, event: Option<&'static str>) {
        let change = EventTransition {
            what: "source-silent",
            subject: "cloud".to_owned(),
            holds,
            event,
            text: "Source cloud is silent, or not.".to_owned(),
            data: Map::new(),
            at_ms: self.now_ms(),
        };
        let step = NotifyConditions {
            changes: vec![change],
            gone: Vec::new(),
        };
        self.step(step).await;
    }

    async fn condition(&self) -> NotifiedCondition {
        let mut notified = self.read(NotifiedQuery).await;
        assert_eq!(notified.len(), 1);
        notified.remove(0)
    }

    /// Of each forward its subscriber and the event in its payload, the newest first.
    async fn events_sent(&self) -> Vec<String> {
        let mut sent = Vec::new();
        for forward in self.forwards().await {
            let query = ForwardDetailQuery {
                id: forward.uid.to_string(),
                scope: Scope::default(),
            };
            let detail = self.read(query).await.unwrap();
            let payload: Value = serde_json::from_str(&detail.payload).unwrap();
            let event = payload["type"].as_str().unwrap_or_default();
            sent.push(format!("{} {event}", forward.subscriber));
        }
        sent
    }
}

async fn a_condition_is_noted_and_its_events_are_queued_for_event_subscribers_alone(
    subject: Subject,
) {
    subject.subscriber("crm").await;
    subject.of_kind("agents", SubscriberKind::Chat).await;
    subject.of_kind("ops", SubscriberKind::Events).await;
    assert!(subject.read(NotifiedQuery).await.is_empty());
    subject.transition(true, Some("source.silent")).await;
    let began = subject.condition().await;
    assert_eq!(
        (began.what.as_str(), began.subject.as_str(), began.holds),
        ("source-silent", "cloud", true)
    );
    assert_eq!(
        (began.began_at_ms, began.notified_at_ms),
        (START_MS, START_MS)
    );
    subject.advance(SECOND_MS);
    subject.transition(false, Some("source.active")).await;
    let ended = NotifiedCondition {
        holds: false,
        notified_at_ms: START_MS + SECOND_MS,
        ..began.clone()
    };
    assert_eq!(subject.condition().await, ended);
    let sent = ["ops source.active", "ops source.silent"];
    assert_eq!(subject.events_sent().await, sent);
    // What is about one condition goes out in order.
    let forwards = subject.forwards().await;
    assert_eq!(forwards[0].message_id, forwards[1].message_id);
    // Without an event it is noted alone.
    subject.advance(SECOND_MS);
    subject.transition(true, None).await;
    let again = subject.condition().await;
    assert_eq!((again.holds, again.began_at_ms), (true, subject.now_ms()));
    assert_eq!(subject.events_sent().await, sent);
    let subject = subject.opened_again().await;
    assert_eq!(subject.condition().await, again);
    for _ in 0..2 {
        let forget = NotifyConditions {
            changes: Vec::new(),
            gone: vec![again.condition_id],
        };
        subject.step(forget).await;
        assert!(subject.read(NotifiedQuery).await.is_empty());
    }
}

impl Subject {
    /// How many failures each alert reports, the newest first.
    async fn alerts(&self) -> Vec<u64> {
        let forwards = self.forwards().await.into_iter();
        let alerts = forwards.filter_map(|forward| forward.alert_failures);
        alerts.collect()
    }

    async fn fails(&self, message: &str, code: i64) -> usize {
        self.commit(vec![failed(message, code)]).await.forwards
    }
}

/// Steps that find nothing due change nothing.
async fn failures_are_gathered_for_a_minute_and_a_chat_gets_one_alert_of_them(subject: Subject) {
    const MINUTE_MS: i64 = 60 * SECOND_MS;
    subject.of_kind("agents", SubscriberKind::Chat).await;
    assert_eq!(subject.fails("a", 131_026).await, 1);
    assert_eq!(subject.fails("b", 131_026).await, 0);
    assert_eq!(subject.fails("c", 131_026).await, 0);
    assert_eq!(
        subject.fails("d", 131_047).await,
        1,
        "each error for itself"
    );
    subject.step(SendAlerts).await;
    assert_eq!(subject.alerts().await, [1, 1]);
    for _ in 0..2 {
        subject.advance(MINUTE_MS + SECOND_MS);
        subject.step(SendAlerts).await;
        subject.step(SendAlerts).await;
        assert_eq!(subject.alerts().await, [2, 1, 1]);
    }
    let latest = subject.forwards().await;
    assert_eq!(latest[0].provider_message_id.as_deref(), Some("c"));
    assert_eq!(subject.fails("e", 131_026).await, 1, "the minute was quiet");
}
