//! What a test reads of a running service by the store's contract: the same on every engine.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;
use tickrelay::model::{ForwardState, Status, WebhookKey, Word as _};
use tickrelay::store::account_event::AccountEventRecord;
use tickrelay::store::audit::AuditRecord;
use tickrelay::store::overview::{WebhookDetail, WebhookRecord};
use tickrelay::store::poll::PollRecord;
use tickrelay::store::query::{
    AccountEventQuery, ArrivedQuery, AttemptQuery, AuditQuery, ForwardDetailQuery, ForwardQuery,
    MessageQuery, PollQuery, ReplayQuery, RunningReplayQuery, Scope, TimelineQuery,
    WebhookDetailQuery, WebhookQuery, Window,
};
use tickrelay::store::replay::ReplayRecord;
use tickrelay::store::timeline::{
    AttemptAt, ForwardDetail, ForwardRecord, MessageRecord, ReportRecord, Timeline,
};
use tickrelay::store::watching::{Counted, Position};
use tickrelay::store::{Query, query};

use super::{TestApp, until_async};

/// All there is.
const ALL: Window = Window::newest(1_000_000);

impl TestApp {
    async fn listed<T, Q: Query<Answer = query::Listing<T>>>(&self, query: Q) -> Vec<T> {
        let listing = self.store.read(query).await.unwrap();
        assert_eq!(listing.reached, None, "the list was not read to its end");
        listing.rows
    }

    /// Every message, the newest first.
    pub(crate) async fn messages(&self) -> Vec<MessageRecord> {
        self.listed(MessageQuery {
            window: ALL,
            ..MessageQuery::default()
        })
        .await
    }

    /// The message with this id of the provider's, with its reports.
    pub(crate) async fn timeline(&self, id: &str) -> Option<Timeline> {
        let query = TimelineQuery {
            id: id.to_owned(),
            scope: Scope::default(),
        };
        self.store.read(query).await.unwrap()
    }

    /// Every forward, the newest first.
    pub(crate) async fn forwards(&self) -> Vec<ForwardRecord> {
        self.listed(ForwardQuery {
            window: ALL,
            ..ForwardQuery::default()
        })
        .await
    }

    /// The forward with this id or key, with its payload and attempts.
    pub(crate) async fn forward(&self, id: impl ToString) -> ForwardDetail {
        let query = ForwardDetailQuery {
            id: id.to_string(),
            scope: Scope::default(),
        };
        self.store.read(query).await.unwrap().unwrap()
    }

    /// How many forwards are in this state.
    pub(crate) async fn forwards_in(&self, state: ForwardState) -> usize {
        let forwards = self.listed(ForwardQuery {
            state: Some(state),
            window: ALL,
            ..ForwardQuery::default()
        });
        forwards.await.len()
    }

    /// The most attempts that a forward has used up.
    pub(crate) async fn most_attempts(&self) -> Option<u32> {
        self.forwards().await.iter().map(|it| it.attempts).max()
    }

    /// The attempts at a subscriber, the newest first.
    pub(crate) async fn attempts_at(&self, subscriber: &str) -> Vec<AttemptAt> {
        let mut attempts = self.attempts().await;
        attempts.retain(|it| it.subscriber == subscriber);
        attempts
    }

    /// Every attempt, the newest first.
    pub(crate) async fn attempts(&self) -> Vec<AttemptAt> {
        self.listed(AttemptQuery {
            window: ALL,
            ..AttemptQuery::default()
        })
        .await
    }

    /// Every webhook, the newest first.
    pub(crate) async fn webhooks(&self) -> Vec<WebhookRecord> {
        self.listed(WebhookQuery {
            window: ALL,
            ..WebhookQuery::default()
        })
        .await
    }

    /// The webhook with this key, with its body.
    pub(crate) async fn webhook(&self, webhook_id: WebhookKey) -> WebhookDetail {
        let query = WebhookDetailQuery {
            webhook_id,
            scope: Scope::default(),
        };
        self.store.read(query).await.unwrap().unwrap()
    }

    /// Every account event, the newest first.
    pub(crate) async fn account_events(&self) -> Vec<AccountEventRecord> {
        self.listed(AccountEventQuery {
            window: ALL,
            ..AccountEventQuery::default()
        })
        .await
    }

    /// Every broadcast that is or was polled, the newest first.
    pub(crate) async fn polls(&self) -> Vec<PollRecord> {
        self.listed(PollQuery {
            window: ALL,
            ..PollQuery::default()
        })
        .await
    }

    /// One field of the poll of that broadcast as text; `-` where it has none, or there is no poll.
    pub(crate) async fn poll(&self, broadcast: &str, field: &str) -> String {
        let mut polls = self.polls().await;
        polls.retain(|it| it.broadcast == broadcast);
        let [value] = fields(&polls, [field]).pop().unwrap_or(["-".to_owned()]);
        value
    }

    /// Waits until no replay runs.
    pub(crate) async fn replayed(&self) {
        let none = async || {
            self.store
                .read(RunningReplayQuery)
                .await
                .unwrap()
                .is_empty()
        };
        until_async("no replay runs", none).await;
    }

    /// Every replay, the newest first.
    pub(crate) async fn replays(&self) -> Vec<ReplayRecord> {
        self.listed(ReplayQuery {
            window: ALL,
            ..ReplayQuery::default()
        })
        .await
    }

    /// What was changed, the newest first.
    pub(crate) async fn audit(&self) -> Vec<AuditRecord> {
        self.listed(AuditQuery { window: ALL }).await
    }

    /// Every report, the first one first.
    pub(crate) async fn reports(&self) -> Vec<ReportRecord> {
        let mut reports = Vec::new();
        for message in self.messages().await {
            let timeline = self.timeline(&message.message_id.to_string()).await;
            let timeline = timeline.unwrap();
            assert_eq!(timeline.message.message_id, message.message_id);
            reports.extend(timeline.reports);
        }
        // The store alone orders keys; here they are known to be numbers that rise.
        let number = |report: &ReportRecord| report.report_id.to_string().parse::<u64>();
        reports.sort_by_key(|report| number(report).unwrap());
        reports
    }

    /// Every body that is kept, that of the newest webhook first.
    pub(crate) async fn bodies(&self) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        for webhook in self.webhooks().await {
            bodies.extend(self.webhook(webhook.webhook_id).await.body);
        }
        bodies
    }

    /// What was done to things of this kind, and to which one; the first one first.
    pub(crate) async fn audited(&self, kind: &str) -> Vec<[String; 2]> {
        let mut audit = self.audit().await;
        audit.retain(|it| it.change.kind == kind);
        audit.reverse();
        fields(&audit, ["action", "id"])
    }

    /// How many reports there are, however many.
    pub(crate) async fn report_count(&self) -> u64 {
        let after = Some(Position::default());
        let arrived = self.store.read(ArrivedQuery { after }).await.unwrap();
        assert!(!arrived.more, "there are more than are counted at once");
        let counts = arrived.counts.iter();
        let reports = counts.filter(|(what, ..)| *what == Counted::Reports);
        reports.map(|(.., count)| count).sum()
    }

    /// What was not forwarded to a subscriber: the message, its status, the subscriber, and why; the
    /// first message first.
    pub(crate) async fn skipped(&self) -> Vec<[String; 4]> {
        let mut all = Vec::new();
        for message in self.messages().await.iter().rev() {
            let timeline = self.timeline(&message.message_id.to_string()).await;
            let message = message.provider_message_id.as_deref().unwrap();
            for report in timeline.unwrap().reports {
                let status = report.status.map_or("-", Status::as_str);
                all.extend(report.skipped.iter().map(|it| {
                    [message, status, &it.subscriber, it.reason.as_str()].map(str::to_owned)
                }));
            }
        }
        all
    }

    /// The statuses of each message that were answered 200, in the order of the attempts.
    pub(crate) async fn taken(&self) -> BTreeMap<String, Vec<String>> {
        let forwards = self.forwards().await.into_iter();
        let forwards: HashMap<_, _> = forwards.map(|it| (it.forward_id, it)).collect();
        let mut attempts = self.attempts().await;
        attempts.retain(|it| it.attempt.http_status == Some(200));
        let mut taken = BTreeMap::<_, Vec<_>>::new();
        for attempt in attempts.iter().rev() {
            let forward = &forwards[&attempt.forward_id];
            let message = forward.provider_message_id.clone().unwrap();
            let status = forward.status.unwrap().to_string();
            taken.entry(message).or_default().push(status);
        }
        taken
    }

    /// The newest pending forwards, at most so many.
    pub(crate) async fn pending(&self, limit: usize) -> Vec<ForwardRecord> {
        self.listed(ForwardQuery {
            state: Some(ForwardState::Pending),
            window: Window::newest(limit),
            ..ForwardQuery::default()
        })
        .await
    }
}

/// These fields of each record as text, for whole comparisons: `status`, `error/error_key`; `-` where
/// there is none.
pub(crate) fn fields<const N: usize>(
    records: &[impl Serialize],
    names: [&str; N],
) -> Vec<[String; N]> {
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let row = |record: Value| names.map(|name| text(name.split('/').fold(&record, member)));
    let records = records.iter().map(serde_json::to_value);
    records.map(|record| row(record.unwrap())).collect()
}

/// A member of an object; null where there is no object.
fn member<'v>(value: &'v Value, name: &str) -> &'v Value {
    let missing = || panic!("no {name} in {value}");
    match value {
        Value::Null => value,
        _ => value.get(name).unwrap_or_else(missing),
    }
}

/// As [`fields`], each different row once, in order, with how many there are of it.
pub(crate) fn counted<const N: usize>(
    records: &[impl Serialize],
    names: [&str; N],
) -> Vec<Vec<String>> {
    let mut counts = BTreeMap::<_, usize>::new();
    for row in fields(records, names) {
        *counts.entry(row).or_default() += 1;
    }
    let row =
        |(row, count): ([String; N], usize)| row.into_iter().chain([count.to_string()]).collect();
    counts.into_iter().map(row).collect()
}

/// The one row there is.
#[track_caller]
pub(crate) fn only<T: std::fmt::Debug>(rows: Vec<T>) -> T {
    let [row] = <[T; 1]>::try_from(rows).unwrap();
    row
}

/// The key of the row that has this number.
pub(crate) fn key<K: FromStr<Err: Debug>>(number: i64) -> K {
    number.to_string().parse().unwrap()
}
