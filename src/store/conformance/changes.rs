//! What operators change, with the audit, kept answers, secrets and tokens.

use super::{DAY_MS, SECOND_MS, START_MS, Subject, each_engine};
use crate::access::Role;
use crate::access::token::NewToken;
use crate::model::{Credentials, NewSubscriber, SubscriberChange, SubscriberKey, SubscriberState};
use crate::store::audit::AuditEntry;
use crate::store::change::{
    AlterSubscriber, DeleteSubscriber, DeleteTemplate, EndToken, InsertSecret, InsertSubscriber,
    InsertToken, SetSubscriberState, WriteTemplate,
};
use crate::store::idempotency::{IdempotencyRecord, KeptAnswer, Remembered, Ticket};
use crate::store::query::{
    AuditQuery, OutboundQuery, RememberedQuery, TemplateDetailQuery, TemplateQuery, Window,
};
use crate::store::step::ForgetTicket;
use crate::store::{ChangeRecord, Error, Outbound};

each_engine!(
    a_change_its_audit_line_and_its_kept_answer_are_one,
    a_change_that_is_refused_leaves_nothing,
    a_kept_answer_is_forgotten_by_request_and_after_a_day,
    what_is_published_of_subscribers_is_what_was_committed,
    a_secret_signs_until_its_time_is_over,
    what_is_sealed_opens_after_another_key_and_another_start,
    a_token_is_found_by_its_text_until_it_is_ended,
    a_template_is_written_over_and_removed_once,
);

pub(super) fn entry(action: &str) -> AuditEntry {
    AuditEntry {
        caller: "cli".to_owned(),
        role: Role::Admin,
        action: action.to_owned(),
        kind: "subscriber".to_owned(),
        id: None,
        detail: serde_json::Value::Null,
    }
}

fn ticket(key: &str) -> Ticket {
    Ticket {
        caller: "cli".to_owned(),
        key: key.to_owned(),
        request: [7; 32],
    }
}

pub(super) fn kept(key: &str) -> IdempotencyRecord {
    IdempotencyRecord {
        ticket: ticket(key),
        answer: Some(KeptAnswer {
            status: 201,
            body: "{}".to_owned(),
            location: None,
        }),
    }
}

impl Subject {
    async fn insert(&self, name: &str, record: ChangeRecord) -> Result<SubscriberKey, Error> {
        let insert = InsertSubscriber {
            new: NewSubscriber::new(name, "https://crm.example/ticks"),
        };
        let finish = |(subscriber, _): (crate::model::Subscriber, _)| (subscriber.id, record);
        self.store.change(insert, finish).await
    }

    /// What was done by the audit, the newest first.
    pub(super) async fn audit(&self) -> Vec<String> {
        let query = AuditQuery {
            window: Window::newest(10),
        };
        let rows = self.store.read(query).await.unwrap().rows;
        rows.into_iter().map(|row| row.change.action).collect()
    }

    pub(super) async fn remembered(&self, key: &str) -> Option<Remembered> {
        let query = RememberedQuery {
            ticket: ticket(key),
        };
        self.store.read(query).await.unwrap()
    }

    async fn outbound(&self, subscriber_id: SubscriberKey) -> Outbound {
        let query = OutboundQuery { subscriber_id };
        self.store.read(query).await.unwrap()
    }

    /// What is kept secret of a subscriber, in plain text: its URL, headers and signing secrets.
    async fn exposed(&self, subscriber_id: SubscriberKey) -> Vec<String> {
        let outbound = self.outbound(subscriber_id).await;
        let url = outbound.url.expose().to_owned();
        let headers = outbound.headers.iter();
        let headers = headers.map(|(name, value)| format!("{name}: {}", value.expose()));
        let secrets = outbound.secrets.iter().map(|it| it.secret.expose());
        [url].into_iter().chain(headers).chain(secrets).collect()
    }
}

async fn a_change_its_audit_line_and_its_kept_answer_are_one(subject: Subject) {
    let record = ChangeRecord {
        audit: Some(entry("subscriber.added")),
        kept: Some(kept("k1")),
        job: None,
    };
    subject.insert("crm", record).await.unwrap();
    assert_eq!(subject.audit().await, ["subscriber.added"]);
    let remembered = subject.remembered("k1").await.unwrap();
    assert_eq!(remembered.request, [7; 32]);
    assert_eq!(remembered.answer.map(|answer| answer.status), Some(201));
    let subject = subject.opened_again().await;
    assert_eq!(subject.audit().await, ["subscriber.added"]);
    assert!(subject.remembered("k1").await.is_some());
    assert!(subject.store.subscriber("crm").is_ok());
}

async fn a_change_that_is_refused_leaves_nothing(subject: Subject) {
    subject
        .insert("crm", ChangeRecord::default())
        .await
        .unwrap();
    let record = || ChangeRecord {
        audit: Some(entry("subscriber.added")),
        kept: Some(kept("k1")),
        job: None,
    };
    let again = subject.insert("crm", record()).await;
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    let delete = DeleteSubscriber {
        subscriber_id: SubscriberKey::of(i64::MAX),
    };
    let finish = move |pending| (pending, record());
    let delete = subject.store.change(delete, finish).await;
    assert!(matches!(delete, Err(Error::NotFound(_))), "{delete:?}");
    assert!(subject.audit().await.is_empty());
    assert_eq!(subject.remembered("k1").await, None);
    // The name of one that was removed is free again.
    let crm = subject.store.subscriber("crm").unwrap();
    let delete = DeleteSubscriber {
        subscriber_id: crm.id,
    };
    let finish = |pending| (pending, ChangeRecord::default());
    subject.store.change(delete, finish).await.unwrap();
    let renewed = subject
        .insert("crm", ChangeRecord::default())
        .await
        .unwrap();
    assert_ne!(renewed, crm.id);
}

async fn a_kept_answer_is_forgotten_by_request_and_after_a_day(subject: Subject) {
    let note = |key| ChangeRecord {
        kept: Some(kept(key)),
        ..ChangeRecord::default()
    };
    for key in ["k1", "k2"] {
        subject.store.note(note(key)).await.unwrap();
    }
    let forget = ForgetTicket {
        ticket: ticket("k1"),
    };
    subject.store.step(forget).await.unwrap();
    assert_eq!(subject.remembered("k1").await, None);
    assert!(subject.remembered("k2").await.is_some());
    // By the hour: after a jump of a day nothing goes by age.
    for _ in 0..24 {
        subject.advance(DAY_MS / 24);
        assert!(subject.store.age_hold().is_none());
    }
    subject.advance(SECOND_MS);
    assert_eq!(subject.remembered("k2").await, None);
}

async fn what_is_published_of_subscribers_is_what_was_committed(subject: Subject) {
    let mut published = subject.store.subscribers();
    let crm = subject.subscriber("crm").await;
    assert!(published.has_changed().unwrap());
    assert_eq!(
        published.borrow_and_update().as_ref(),
        std::slice::from_ref(&crm)
    );
    let alter = AlterSubscriber {
        subscriber_id: crm.id,
        change: SubscriberChange {
            url: Some("https://new.example/".to_owned()),
            ..SubscriberChange::default()
        },
    };
    let finish = |subscriber| (subscriber, ChangeRecord::default());
    let altered = subject.store.change(alter, finish).await.unwrap();
    assert_ne!(altered, *crm);
    let paused = SetSubscriberState {
        subscriber_id: crm.id,
        state: SubscriberState::Paused,
    };
    let finish = |subscriber| (subscriber, ChangeRecord::default());
    let paused = subject.store.change(paused, finish).await.unwrap();
    assert_eq!(paused.state, SubscriberState::Paused);
    assert_eq!(*published.borrow_and_update()[0], paused);
    // A change of something else publishes nothing.
    let template = WriteTemplate {
        name: "order".to_owned(),
        language: "en".to_owned(),
        body: "Hi".to_owned(),
    };
    let finish = |template| (template, ChangeRecord::default());
    subject.store.change(template, finish).await.unwrap();
    assert!(!published.has_changed().unwrap());
}

async fn a_secret_signs_until_its_time_is_over(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    let insert = |old_until_ms| InsertSecret {
        subscriber_id: crm.id,
        old_until_ms,
    };
    let finish = |(_, secret)| (secret, ChangeRecord::default());
    let change = subject
        .store
        .change(insert(Some(START_MS + DAY_MS)), finish);
    change.await.unwrap();
    let outbound = subject.outbound(crm.id).await;
    let ends: Vec<_> = outbound
        .secrets
        .iter()
        .map(|secret| secret.expires_at_ms)
        .collect();
    assert_eq!(ends, [None, Some(START_MS + DAY_MS)], "the newest first");
    let finish = |(_, secret)| (secret, ChangeRecord::default());
    subject.store.change(insert(None), finish).await.unwrap();
    let outbound = subject.outbound(crm.id).await;
    assert_eq!(outbound.secrets.len(), 1, "all old ones are ended");
}

async fn what_is_sealed_opens_after_another_key_and_another_start(subject: Subject) {
    let insert = InsertSubscriber {
        new: NewSubscriber {
            auth: Some(Credentials::Bearer {
                token: "s3cret".to_owned().into(),
            }),
            ..NewSubscriber::new("crm", "https://crm.example/ticks")
        },
    };
    let finish = |added| (added, ChangeRecord::default());
    let (crm, secret) = subject.store.change(insert, finish).await.unwrap();
    let expected = [
        "https://crm.example/ticks".to_owned(),
        "authorization: Bearer s3cret".to_owned(),
        secret.expose(),
    ];
    assert_eq!(subject.exposed(crm.id).await, expected);
    let note = |_: &_| ChangeRecord {
        audit: Some(entry("key.rotated")),
        ..ChangeRecord::default()
    };
    let resealed = subject.store.rotate_key(note).await.unwrap();
    assert!(resealed.values > 0 && resealed.damaged.is_empty());
    assert_eq!(subject.audit().await, ["key.rotated"]);
    let subject = subject.opened_again().await;
    assert_eq!(subject.exposed(crm.id).await, expected);
}

async fn a_token_is_found_by_its_text_until_it_is_ended(subject: Subject) {
    let insert = InsertToken {
        new: NewToken {
            name: "analyst".to_owned(),
            role: Role::Analyst,
            owner: None,
            sources: vec!["cloud".to_owned()],
            expires_at_ms: None,
        },
    };
    let finish = |made| (made, ChangeRecord::default());
    let (record, text) = subject.store.change(insert, finish).await.unwrap();
    assert!(subject.store.find_token("no token").is_none());
    let found = subject.store.find_token(&text).unwrap();
    assert_eq!(found.token_id, record.token_id);
    subject.advance(SECOND_MS);
    subject.store.note_token_used(record.token_id);
    let subject = subject.opened_again().await;
    let found = subject.store.find_token(&text).unwrap();
    assert_eq!(found.last_used_ms, Some(START_MS + SECOND_MS));
    let end = EndToken {
        token_id: record.token_id,
    };
    let finish = |record| (record, ChangeRecord::default());
    let ended = subject.store.change(end, finish).await.unwrap();
    assert!(ended.revoked_at_ms.is_some());
    let found = subject.store.find_token(&text).unwrap();
    assert_eq!(found.revoked_at_ms, ended.revoked_at_ms);
    assert_eq!(subject.store.tokens().len(), 1);
}

async fn a_template_is_written_over_and_removed_once(subject: Subject) {
    let write = |body: &str| WriteTemplate {
        name: "order".to_owned(),
        language: "en".to_owned(),
        body: body.to_owned(),
    };
    for body in ["Hi {{1}}", "Hello {{1}}"] {
        let finish = |template| (template, ChangeRecord::default());
        let written = subject.store.change(write(body), finish).await.unwrap();
        assert_eq!(written.body, body);
    }
    let query = TemplateQuery {
        window: Window::newest(10),
    };
    assert_eq!(subject.store.read(query).await.unwrap().rows.len(), 1);
    let detail = || TemplateDetailQuery {
        name: "order".to_owned(),
        language: "en".to_owned(),
    };
    let found = subject.store.read(detail()).await.unwrap().unwrap();
    assert_eq!(found.body, "Hello {{1}}");
    let delete = || {
        let delete = DeleteTemplate {
            name: "order".to_owned(),
            language: "en".to_owned(),
        };
        let finish = |()| ((), ChangeRecord::default());
        subject.store.change(delete, finish)
    };
    delete().await.unwrap();
    assert!(subject.store.read(detail()).await.unwrap().is_none());
    let again = delete().await;
    assert!(matches!(again, Err(Error::NotFound(_))), "{again:?}");
}
