//! What is noted of conditions, failures and subscribers that fail.

use super::{SECOND_MS, START_MS, Subject, each_engine, report};
use crate::model::{ReportError, Status, SubscriberState};
use crate::providers::Item;
use crate::store::ChangeRecord;
use crate::store::change::SetSubscriberState;
use crate::store::query::{ArrivedQuery, NotifiedQuery};
use crate::store::step::{NoteFailing, NotifyConditions};
use crate::store::watching::{Counted, EventTransition};

each_engine!(
    a_failure_is_counted_once_and_of_whatsapp_alone,
    a_condition_that_ends_keeps_when_it_began,
    a_subscriber_that_is_resumed_is_no_longer_failing,
);

async fn a_failure_is_counted_once_and_of_whatsapp_alone(subject: Subject) {
    let arrived = |after| subject.store.read(ArrivedQuery { after });
    let position = arrived(None).await.unwrap().position;
    let mut on_viber = report("b", Status::Failed, 1);
    let mut with_error = report("c", Status::Failed, 1);
    if let (Item::Report(on_viber), Item::Report(with_error)) = (&mut on_viber, &mut with_error) {
        on_viber.channel = Some("viber".into());
        with_error.errors = vec![ReportError::named("meta:131026", "Undeliverable")];
    }
    let failed = vec![
        report("a", Status::Failed, 1),
        // The same status at another time changes nothing.
        report("a", Status::Failed, 2),
        on_viber,
        with_error,
    ];
    subject.commit(failed).await;
    let mut arrived = arrived(Some(position)).await.unwrap();
    assert!(!arrived.more);
    arrived.counts.sort();
    let count = |what, of: &str, count| (what, of.to_owned(), count);
    assert_eq!(
        arrived.counts,
        [
            count(Counted::Webhooks, "cloud", 1),
            count(Counted::Reports, "", 4),
            count(Counted::Failures, "meta:131026", 1),
            count(Counted::Failures, "unknown", 1),
        ]
    );
}

async fn a_condition_that_ends_keeps_when_it_began(subject: Subject) {
    for (holds, second) in [(true, 0), (false, 5), (true, 9)] {
        let at_ms = START_MS + second * SECOND_MS;
        let change = EventTransition {
            what: "disk",
            subject: String::new(),
            holds,
            event: None,
            text: "The disk is full.".to_owned(),
            data: serde_json::Map::new(),
            at_ms,
        };
        let notify = NotifyConditions {
            changes: vec![change],
            gone: Vec::new(),
        };
        subject.store.step(notify).await.unwrap();
        let noted = subject.store.read(NotifiedQuery).await.unwrap();
        assert_eq!(noted.len(), 1);
        assert_eq!((noted[0].holds, noted[0].notified_at_ms), (holds, at_ms));
        let began_ms = if holds { at_ms } else { START_MS };
        assert_eq!(noted[0].began_at_ms, began_ms);
    }
}

async fn a_subscriber_that_is_resumed_is_no_longer_failing(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    let failing = NoteFailing {
        subscriber_id: crm.id,
        since_ms: Some(START_MS),
    };
    subject.store.step(failing).await.unwrap();
    for (state, since_ms) in [
        (SubscriberState::Paused, Some(START_MS)),
        (SubscriberState::Active, None),
    ] {
        let change = SetSubscriberState {
            subscriber_id: crm.id,
            state,
        };
        let finish = |subscriber| (subscriber, ChangeRecord::default());
        let changed = subject.store.change(change, finish).await.unwrap();
        assert_eq!((changed.state, changed.failing_since_ms), (state, since_ms));
    }
}
