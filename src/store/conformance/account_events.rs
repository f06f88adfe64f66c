//! Account events: how they are listed, and how often they are notified of.

use std::collections::BTreeMap;

use super::filters::{FilterCase, of_source};
use super::{DAY_MS, RECIPIENT, SECOND_MS, START_MS, Subject, each_engine};
use crate::model::{About, AccountEvent, EventGroup, NewSubscriber, ProviderTime, SubscriberKind};
use crate::providers::{Item, Provider};
use crate::store::query::{AccountEventQuery, ForwardDetailQuery, Scope, Window};
use crate::store::step::SendOutages;

each_engine!(
    a_list_of_account_events_has_those_that_its_filter_names,
    an_account_event_that_comes_again_is_one_with_a_count,
    errors_of_a_channel_are_gathered_for_an_hour_and_sent_as_one,
);

const HOUR_MS: i64 = DAY_MS / 24;

/// An event of that subject, so many seconds after the start.
fn event(
    (group, about): (EventGroup, About),
    word: &str,
    subject: &str,
    second: i64,
) -> AccountEvent {
    let words = Provider::MetaCloud.definition().events;
    let words = words.of(group, word.to_owned());
    let mut event = AccountEvent::new("f", about, Some(subject.to_owned()), &words);
    event.time = ProviderTime {
        text: Some(second.to_string()),
        ms: Some(START_MS + second * SECOND_MS),
    };
    event
}

fn paused(template: &str, second: i64) -> AccountEvent {
    let group = (EventGroup::Template, About::Template);
    event(group, "PAUSED", template, second)
}

fn item(event: AccountEvent) -> Item {
    Item::Account(Box::new(event))
}

impl Subject {
    async fn events_by(&self, narrow: impl FnOnce(&mut AccountEventQuery)) -> String {
        let mut query = AccountEventQuery {
            window: Window::newest(10),
            ..AccountEventQuery::default()
        };
        narrow(&mut query);
        let rows = self.read(query).await.rows.into_iter();
        let found = rows.map(|row| format!("{}/{}", row.source, row.event));
        found.collect::<Vec<_>>().join(" ")
    }
}

async fn a_list_of_account_events_has_those_that_its_filter_names(subject: Subject) {
    let group = (EventGroup::Contact, About::Contact);
    let stop = event(group, "stop", "", 3).of_person(Some(RECIPIENT.to_owned()), None);
    subject.commit(vec![item(paused("order", 1))]).await;
    subject
        .commit_by("second", vec![item(paused("order", 2))])
        .await;
    subject.commit(vec![item(stop)]).await;
    let all = "cloud/stop second/PAUSED cloud/PAUSED";
    let both = "second/PAUSED cloud/PAUSED";
    let cases: [FilterCase<AccountEventQuery>; 10] = [
        (|_| {}, all),
        (
            |query| query.source = Some("second".into()),
            "second/PAUSED",
        ),
        (|query| query.subject = Some("order".into()), both),
        (
            |query| query.subject = Some("+385 99 000-11-22".into()),
            "cloud/stop",
        ),
        (|query| query.subject = Some("other".into()), ""),
        (|query| query.event = Some("template.paused".into()), both),
        (|query| query.event = Some("paused".into()), both),
        (
            |query| query.since_ms = Some(START_MS + 2 * SECOND_MS),
            "cloud/stop second/PAUSED",
        ),
        (
            |query| query.until_ms = Some(START_MS + 2 * SECOND_MS),
            "cloud/PAUSED",
        ),
        (|query| query.scope = of_source("second"), "second/PAUSED"),
    ];
    for (number, (narrow, expected)) in cases.into_iter().enumerate() {
        let found = subject.events_by(narrow).await;
        assert_eq!(found, expected, "case {number}");
    }
}

async fn an_account_event_that_comes_again_is_one_with_a_count(subject: Subject) {
    let first = subject.commit(vec![item(paused("order", 1))]).await;
    let new = BTreeMap::from([("template.paused".to_owned(), 1)]);
    assert_eq!(first.new_account_events, new);
    subject.advance(SECOND_MS);
    let again = subject.commit(vec![item(paused("order", 1))]).await;
    assert!(again.new_account_events.is_empty());
    let query = AccountEventQuery {
        window: Window::newest(10),
        ..AccountEventQuery::default()
    };
    let rows = subject.read(query).await.rows;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].name, "template.paused");
    assert_eq!(rows[0].received_at_ms, START_MS);
    assert_eq!(
        (rows[0].repeats, rows[0].last_repeat_ms),
        (1, Some(START_MS + SECOND_MS))
    );
    assert_eq!(rows[0].webhook_id, first.webhook_id);
}

impl Subject {
    /// How many errors each notice counts, the newest first; `None` of one that was sent at once.
    async fn counts_of_notices(&self) -> Vec<Option<u64>> {
        let mut counts = Vec::new();
        for forward in self.forwards().await {
            assert_eq!(forward.subscriber, "ops");
            let query = ForwardDetailQuery {
                id: forward.uid.to_string(),
                scope: Scope::default(),
            };
            let detail = self.read(query).await.unwrap();
            let payload: serde_json::Value = serde_json::from_str(&detail.payload).unwrap();
            counts.push(payload["data"]["count"].as_u64());
        }
        counts
    }
}

/// Steps that find nothing due change nothing.
async fn errors_of_a_channel_are_gathered_for_an_hour_and_sent_as_one(subject: Subject) {
    let ops = NewSubscriber {
        kind: SubscriberKind::Events,
        ..NewSubscriber::new("ops", "https://ops.example/events")
    };
    subject.add(ops).await;
    let group = (EventGroup::Channel, About::Channel);
    let outage = |code, second| vec![item(event(group, code, "", second))];
    let mut queued = Vec::new();
    for (code, second) in [("131000", 0), ("131000", 1), ("131000", 2), ("131001", 0)] {
        queued.push(subject.commit(outage(code, second)).await.forwards);
    }
    assert_eq!(queued, [1, 0, 0, 1], "each code for itself");
    subject.step(SendOutages).await;
    assert_eq!(subject.counts_of_notices().await, [None, None]);
    for _ in 0..2 {
        subject.advance(HOUR_MS + SECOND_MS);
        subject.step(SendOutages).await;
        subject.step(SendOutages).await;
        assert_eq!(subject.counts_of_notices().await, [Some(2), None, None]);
    }
    let next = subject.commit(outage("131000", 3)).await;
    assert_eq!(next.forwards, 1, "after a quiet hour it is sent at once");
}
