//! The contract, stated as claims that every engine passes.
//!
//! A claim works through [`Store`] alone. It names no engine, no table and no file, and what it has to
//! see it reads by the contract. [`each_engine`] runs it once for each engine.

mod changes;
mod forwarding;
mod intake;
mod jobs;
mod lists;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::change::InsertSubscriber;
use super::query::{ForwardQuery, MessageQuery, Window};
use super::timeline::{ForwardRecord, MessageRecord};
use super::{Accepted, Arrival, ChangeRecord, Options, Store};
use crate::clock::{Clock, Hand};
use crate::model::{Kind, MessageType, NewSubscriber, Report, Status, Subscriber, Word as _};
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
