//! What a test reads of a running service by the store's contract: the same on every engine.

use tickrelay::store::account_event::AccountEventRecord;
use tickrelay::store::audit::AuditRecord;
use tickrelay::store::overview::{WebhookDetail, WebhookRecord};
use tickrelay::store::poll::PollRecord;
use tickrelay::store::query::{
    AccountEventQuery, AttemptQuery, AuditQuery, ForwardDetailQuery, ForwardQuery, MessageQuery,
    PollQuery, ReplayQuery, Scope, TimelineQuery, WebhookDetailQuery, WebhookQuery, Window,
};
use tickrelay::store::replay::ReplayRecord;
use tickrelay::store::timeline::{
    AttemptAt, ForwardDetail, ForwardRecord, MessageRecord, Timeline,
};
use tickrelay::store::{Query, query};

use super::TestApp;

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
    pub(crate) async fn webhook(&self, webhook_id: i64) -> WebhookDetail {
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
}
