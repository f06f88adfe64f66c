//! How a list is read page by page.

use std::cell::Cell;
use std::sync::Arc;

use super::changes::entry;
use super::{SECOND_MS, Subject, arrival, each_engine, report, report_with};
use crate::model::{About, AccountEvent, EventGroup, Status, Subscriber};
use crate::providers::{Item, Provider};
use crate::store::account_event::AccountEventRecord;
use crate::store::audit::AuditRecord;
use crate::store::broadcast::BroadcastRecord;
use crate::store::change::{InsertReplay, NoChange, OpenPoll, WriteTemplate};
use crate::store::overview::WebhookRecord;
use crate::store::poll::PollRecord;
use crate::store::query::{
    AccountEventQuery, AttemptQuery, AuditQuery, BroadcastQuery, ForwardQuery, ListPlace, Listing,
    MessageQuery, PollQuery, ReplayQuery, TemplateQuery, WebhookQuery, Window,
};
use crate::store::replay::{ReplayRecord, ReplaySelection};
use crate::store::timeline::{AttemptAt, ForwardRecord, MessageRecord};
use crate::store::{Arrival, ChangeRecord, Query, Settled, TemplateRecord};

each_engine!(
    a_list_goes_on_behind_its_last_row_and_ends_with_no_next,
    a_list_of_what_arrived_has_each_row_once_the_newest_first_while_more_arrives,
    a_list_of_what_was_done_has_each_row_once_the_newest_first_while_more_is_done,
);

impl Subject {
    /// The ids on a page of two messages, and the place behind which the next page begins.
    async fn page(&self, behind: Option<ListPlace>) -> (Vec<String>, Option<ListPlace>) {
        let query = MessageQuery {
            window: Window { behind, limit: 2 },
            ..MessageQuery::default()
        };
        let listing = self.store.read(query).await.unwrap();
        assert_eq!(listing.reached, None);
        let rows = listing.rows.into_iter();
        let ids = rows.filter_map(|row| row.provider_message_id);
        (ids.collect(), listing.next)
    }
}

async fn a_list_goes_on_behind_its_last_row_and_ends_with_no_next(subject: Subject) {
    assert_eq!(subject.page(None).await, (Vec::new(), None));
    for id in ["a", "b", "c", "d"] {
        subject.commit(vec![report(id, Status::Sent, 0)]).await;
    }
    let (ids, next) = subject.page(None).await;
    assert_eq!(ids, ["d", "c"]);
    // What comes meanwhile moves nothing, and a place that was shown is read as the same.
    subject.commit(vec![report("e", Status::Sent, 0)]).await;
    let read: ListPlace = next.unwrap().to_string().parse().unwrap();
    assert_eq!(Some(read), next);
    let (ids, next) = subject.page(next).await;
    assert_eq!(ids, ["b", "a"]);
    assert_eq!(next, None, "the last page is full, and nothing is left");
}

/// Lists that have a row for each number up to the count.
struct NumberedLists {
    subject: Subject,
    crm: Arc<Subscriber>,
    count: Cell<u32>,
}

impl NumberedLists {
    async fn new(subject: Subject) -> Self {
        let crm = subject.subscriber("crm").await;
        let lists = Self {
            subject,
            crm,
            count: Cell::new(0),
        };
        for _ in 0..5 {
            lists.grow().await;
        }
        lists
    }

    /// One more row in each list, with the next number in it.
    async fn grow(&self) {
        let Self { subject, crm, .. } = self;
        let number = self.count.get() + 1;
        self.count.set(number);
        let name = number.to_string();
        subject.advance(SECOND_MS);
        let now_ms = subject.now_ms();
        let sent = report_with((&name, Status::Sent, 0), |report| {
            report.broadcast = Some(name.clone());
        });
        let words = Provider::MetaCloud.definition().events;
        let words = words.of(EventGroup::Template, "PAUSED".to_owned());
        let paused = AccountEvent::new("f", About::Template, Some(name.clone()), &words);
        let items = vec![sent, Item::Account(Box::new(paused))];
        let arrival = Arrival {
            user_agent: Some(name.clone()),
            ..arrival(now_ms, items)
        };
        subject.store.commit(arrival).await.unwrap();
        let mut forward = subject.forward_to(&crm.name, &name).await;
        forward.attempts = number - 1;
        subject
            .end_attempt(&forward, now_ms, None, Settled::Untouched)
            .await;
        let template = WriteTemplate {
            name: name.clone(),
            language: "en".to_owned(),
            body: "Hi".to_owned(),
        };
        subject.make(template).await;
        let poll = OpenPoll {
            source: "bots".into(),
            provider: Provider::Botsquad,
            broadcast: name.clone(),
        };
        subject.make(poll).await;
        let selection = ReplaySelection {
            since_ms: Some(number.into()),
            ..ReplaySelection::default()
        };
        let subscriber_id = crm.id;
        let replay = InsertReplay {
            subscriber_id,
            selection,
        };
        subject.make(replay).await;
        let record = ChangeRecord {
            audit: Some(entry(&name)),
            ..ChangeRecord::default()
        };
        let noted = subject.store.change(NoChange, |()| ((), record)).await;
        noted.unwrap();
    }

    /// Reads a list two rows a page; after the first page the list grows.
    async fn check<Q, T>(&self, of: impl Fn(Window) -> Q, number: impl Fn(T) -> String)
    where
        Q: Query<Answer = Listing<T>>,
    {
        let count = self.count.get();
        let (mut found, mut behind) = (Vec::new(), None);
        loop {
            let window = Window { behind, limit: 2 };
            let listing = self.subject.read(of(window)).await;
            assert_eq!(listing.reached, None);
            assert!(listing.rows.len() <= 2, "{} rows", listing.rows.len());
            found.extend(listing.rows.into_iter().map(&number));
            behind = listing.next;
            if behind.is_none() {
                break;
            }
            if self.count.get() == count {
                self.grow().await;
            }
        }
        let expected = (1..=count).rev().map(|number| number.to_string());
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
}

async fn a_list_of_what_arrived_has_each_row_once_the_newest_first_while_more_arrives(
    subject: Subject,
) {
    let lists = NumberedLists::new(subject).await;
    let messages = |window| MessageQuery {
        window,
        ..MessageQuery::default()
    };
    let number = |row: MessageRecord| row.provider_message_id.unwrap_or_default();
    lists.check(messages, number).await;
    let webhooks = |window| WebhookQuery {
        window,
        ..WebhookQuery::default()
    };
    let number = |row: WebhookRecord| row.user_agent.unwrap_or_default();
    lists.check(webhooks, number).await;
    let forwards = |window| ForwardQuery {
        window,
        ..ForwardQuery::default()
    };
    let number = |row: ForwardRecord| row.provider_message_id.unwrap_or_default();
    lists.check(forwards, number).await;
    let broadcasts = |window| BroadcastQuery {
        window,
        ..BroadcastQuery::default()
    };
    let number = |row: BroadcastRecord| row.id;
    lists.check(broadcasts, number).await;
    let events = |window| AccountEventQuery {
        window,
        ..AccountEventQuery::default()
    };
    let number = |row: AccountEventRecord| row.subject;
    lists.check(events, number).await;
}

async fn a_list_of_what_was_done_has_each_row_once_the_newest_first_while_more_is_done(
    subject: Subject,
) {
    let lists = NumberedLists::new(subject).await;
    let attempts = |window| AttemptQuery {
        window,
        ..AttemptQuery::default()
    };
    let number = |row: AttemptAt| row.attempt.number.unwrap_or_default().to_string();
    lists.check(attempts, number).await;
    let audit = |window| AuditQuery { window };
    let number = |row: AuditRecord| row.change.action;
    lists.check(audit, number).await;
    let templates = |window| TemplateQuery { window };
    let number = |row: TemplateRecord| row.name;
    lists.check(templates, number).await;
    let polls = |window| PollQuery {
        source: None,
        window,
    };
    let number = |row: PollRecord| row.broadcast;
    lists.check(polls, number).await;
    let replays = |window| ReplayQuery {
        subscribers: None,
        window,
    };
    let number = |row: ReplayRecord| row.selection.since_ms.unwrap_or_default().to_string();
    lists.check(replays, number).await;
}
