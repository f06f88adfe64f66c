//! The contract, stated as claims that every engine passes.
//!
//! A claim works through [`Store`] alone. It names no engine, no table and no file, and what it has to
//! see it reads by the contract. [`each_engine`] runs it once for each engine.

mod account_events;
mod attempts;
mod broadcast_counts;
mod broadcast_polls;
mod change_records;
mod changes;
mod conditions;
mod filters;
mod forwarding;
mod intake;
mod jobs;
mod leases;
mod lists;
mod messages;
mod notices;
mod pruning;
mod refilling;
mod reprocessing;
mod settling;
mod subscribers;
mod templates;
mod traffic;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::change::{InsertSubscriber, NoChange};
use super::query::{ForwardQuery, MessageQuery, Window};
use super::timeline::{ForwardRecord, MessageRecord};
use super::{
    Accepted, Arrival, Attempt, Change, ChangeRecord, Options, Query, Settled, Settlement, Step,
    Store,
};
use crate::clock::{Clock, Hand};
use crate::model::{
    ErrorCode, Kind, MessageType, NewSubscriber, Outcome, Report, ReportError, Status, Subscriber,
    Word as _,
};
use crate::providers::{Item, Parsed, Provider};

/// When each claim begins, ms since 1970 UTC.
const START_MS: i64 = 1_770_798_600_000;
const SECOND_MS: i64 = 1000;
const DAY_MS: i64 = 24 * 3600 * SECOND_MS;
const RECIPIENT: &str = "385990001122";

/// Runs each claim on a new store of each engine.
macro_rules! each_engine {
    ($($(#[$note:meta])* $claim:ident),+ $(,)?) => {
        mod sqlite {
            use super::super::Subject;
            use crate::store::Options;

            $($(#[$note])* #[tokio::test]
            async fn $claim() {
                super::$claim(Subject::open(Options::of_test)).await;
            })+
        }
    };
}
use each_engine;

/// A store, and the hand of its clock, which stands still until a claim moves it.
struct Subject {
    store: Store,
    clock: Clock,
    hand: Hand,
    options: Options,
    _folder: TempDir,
}

impl Subject {
    fn open(options: impl FnOnce(&std::path::Path) -> Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path());
        let (clock, hand) = Clock::manual(START_MS);
        let store = Store::open(&options, clock.clone(), Arc::default()).unwrap();
        Self {
            store,
            clock,
            hand,
            options,
            _folder: folder,
        }
    }

    /// The same store after an orderly end and another start.
    async fn opened_again(mut self) -> Self {
        self.store.close().await.unwrap();
        self.store = Store::open(&self.options, self.clock.clone(), Arc::default()).unwrap();
        self
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    fn advance(&self, ms: i64) {
        self.hand
            .advance(Duration::from_millis(ms.try_into().unwrap()));
    }

    async fn commit(&self, items: Vec<Item>) -> Accepted {
        let arrival = arrival(self.now_ms(), items);
        self.store.commit(arrival).await.unwrap()
    }

    /// As [`Self::commit`], by that source.
    async fn commit_by(&self, source: &str, items: Vec<Item>) -> Accepted {
        let arrival = Arrival {
            source: source.into(),
            ..arrival(self.now_ms(), items)
        };
        self.store.commit(arrival).await.unwrap()
    }

    async fn read<Q: Query>(&self, query: Q) -> Q::Answer {
        self.store.read(query).await.unwrap()
    }

    async fn step<S: Step>(&self, step: S) -> S::Answer {
        self.store.step(step).await.unwrap()
    }

    /// Makes a change of which nothing is written down.
    async fn make<C: Change>(&self, change: C) -> C::Answer {
        let finish = |answer| (answer, ChangeRecord::default());
        self.store.change(change, finish).await.unwrap()
    }

    /// A subscriber that wants every report.
    async fn subscriber(&self, name: &str) -> Arc<Subscriber> {
        let new = NewSubscriber::new(name, "https://crm.example/ticks");
        self.add(new).await
    }

    async fn add(&self, new: NewSubscriber) -> Arc<Subscriber> {
        let kind = new.kind;
        let insert = InsertSubscriber { new };
        let finish = |(subscriber, _)| (subscriber, ChangeRecord::default());
        let subscriber = self.store.change(insert, finish).await.unwrap();
        assert_eq!(subscriber.kind, kind);
        Arc::new(subscriber)
    }

    /// The messages, the newest first.
    async fn messages(&self) -> Vec<MessageRecord> {
        let query = MessageQuery {
            window: Window::newest(100),
            ..MessageQuery::default()
        };
        self.store.read(query).await.unwrap().rows
    }

    /// The forwards, the newest first.
    async fn forwards(&self) -> Vec<ForwardRecord> {
        let query = ForwardQuery {
            window: Window::newest(100),
            ..ForwardQuery::default()
        };
        self.store.read(query).await.unwrap().rows
    }

    /// The newest forward of that message to that subscriber.
    async fn forward_to(&self, subscriber: &str, message: &str) -> ForwardRecord {
        let forwards = self.forwards().await.into_iter();
        let mut found = forwards.filter(|forward| {
            let id = forward.provider_message_id.as_deref();
            forward.subscriber == subscriber && id == Some(message)
        });
        found.next().unwrap()
    }

    /// Ends an attempt that began then and took 7 ms; it is on record when this returns.
    async fn end_attempt(
        &self,
        forward: &ForwardRecord,
        started_at_ms: i64,
        error: Option<ErrorCode>,
        settled: Settled,
    ) {
        let outcome = Outcome {
            http_status: None,
            error,
            detail: String::new(),
            excerpt: String::new(),
            retry_at_ms: None,
            duration_ms: 7,
        };
        let attempt = Attempt {
            number: Some(forward.attempts + 1),
            started_at_ms,
            outcome,
        };
        self.end(forward, Some(attempt), settled).await;
    }

    /// Ends a forward, or an attempt of it; what was settled before a change is on record once the
    /// change is made.
    async fn end(&self, forward: &ForwardRecord, attempt: Option<Attempt>, settled: Settled) {
        let subscriber = self.store.subscriber(&forward.subscriber).unwrap();
        let lane = self.store.open_lane(subscriber.id).await.unwrap();
        self.store.settle(Settlement {
            lane: lane.key,
            forward_id: forward.forward_id,
            attempt,
            settled,
        });
        self.make(NoChange).await;
    }
}

/// A webhook with these parts in it.
fn arrival(received_ms: i64, items: Vec<Item>) -> Arrival {
    Arrival {
        source: "cloud".into(),
        provider: Provider::MetaCloud,
        default_type: MessageType::Regular,
        default_sender: None,
        received_ms,
        content_type: Some("application/json".to_owned()),
        content_encoding: None,
        user_agent: None,
        broadcast: None,
        known: 0,
        body: format!("{items:?}").into_bytes(),
        parsed: Ok(Parsed { items }),
    }
}

/// A report of that message's status, so many seconds after the start.
fn report(message: &str, status: Status, second: i64) -> Item {
    let element = format!("{message} {status:?} {second}");
    let mut report = Report::new(Kind::Status, status.as_str(), None, element.as_bytes());
    report.message = Some(message.to_owned());
    report.status = Some(status);
    report.recipient = Some(RECIPIENT.to_owned());
    report.time.ms = Some(START_MS + second * SECOND_MS);
    report.time.text = Some((START_MS / SECOND_MS + second).to_string());
    Item::Report(Box::new(report))
}

/// The same with that difference.
fn report_with(
    (message, status, second): (&str, Status, i64),
    change: impl FnOnce(&mut Report),
) -> Item {
    let mut item = report(message, status, second);
    if let Item::Report(report) = &mut item {
        change(report);
    }
    item
}

/// A failure of that message with an error of that number.
fn failed(message: &str, code: i64) -> Item {
    report_with((message, Status::Failed, 0), |report| {
        report.errors.push(error(code));
    })
}

/// An error of that number.
fn error(code: i64) -> ReportError {
    ReportError {
        code: Some(code),
        ..ReportError::named(&format!("meta:{code}"), "Not delivered")
    }
}

/// Texts in the order of the alphabet, where none is promised.
fn sorted(texts: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let mut texts: Vec<String> = texts.into_iter().map(Into::into).collect();
    texts.sort_unstable();
    texts
}
