//! What is written down of a change: its line of the audit and the answer under its key, with it or
//! not at all.

use std::fmt::Debug;

use super::changes::{entry, kept};
use super::{Subject, each_engine, report};
use crate::access::Role;
use crate::access::token::NewToken;
use crate::model::{NewSubscriber, Status, Subscriber, SubscriberChange, SubscriberState};
use crate::providers::Provider;
use crate::store::change::{
    AlterSubscriber, DeleteSubscriber, DeleteTemplate, EndReplay, EndToken, InsertReplay,
    InsertSecret, InsertSubscriber, InsertToken, NoChange, OpenPoll, RequeueForwards,
    SetSubscriberState, WriteTemplate,
};
use crate::store::query::Scope;
use crate::store::replay::ReplaySelection;
use crate::store::{Change, ChangeRecord, Error, Prunable, PruneStep, RetrySelection};

each_engine!(
    a_change_of_a_subscriber_has_its_audit_line_and_its_kept_answer,
    any_other_change_has_its_audit_line_and_its_kept_answer,
    a_change_of_what_is_gone_is_refused_and_leaves_nothing,
);

fn record(action: &str) -> ChangeRecord {
    let audited = ChangeRecord {
        audit: Some(entry(action)),
        ..ChangeRecord::default()
    };
    ChangeRecord {
        kept: Some(kept(action)),
        ..audited
    }
}

impl Subject {
    /// Makes a change, which is the newest in the audit then and known by its key.
    async fn make_as<C: Change>(&self, action: &str, change: C) -> C::Answer {
        let before = self.audit().await.len();
        assert_eq!(self.remembered(action).await, None);
        let record = record(action);
        let finish = move |answer| (answer, record);
        let answer = self.store.change(change, finish).await.unwrap();
        let audit = self.audit().await;
        assert_eq!((audit.len(), audit[0].as_str()), (before + 1, action));
        let remembered = self.remembered(action).await.unwrap();
        assert_eq!(remembered.answer, kept(action).answer);
        answer
    }

    /// A change that is refused because what it is about is gone.
    async fn refuse<C: Change>(&self, change: C)
    where
        C::Answer: Debug,
    {
        let before = self.audit().await;
        let record = record("refused");
        let finish = move |answer| (answer, record);
        let refused = self.store.change(change, finish).await;
        assert!(matches!(refused, Err(Error::NotFound(_))), "{refused:?}");
        assert_eq!(self.audit().await, before);
        assert_eq!(self.remembered("refused").await, None);
    }
}

fn crm() -> InsertSubscriber {
    InsertSubscriber {
        new: NewSubscriber::new("crm", "https://crm.example/ticks"),
    }
}

fn altered(subscriber: &Subscriber) -> AlterSubscriber {
    AlterSubscriber {
        subscriber_id: subscriber.id,
        change: SubscriberChange {
            url: Some("https://new.example/".to_owned()),
            ..SubscriberChange::default()
        },
    }
}

fn paused(subscriber: &Subscriber) -> SetSubscriberState {
    SetSubscriberState {
        subscriber_id: subscriber.id,
        state: SubscriberState::Paused,
    }
}

fn renewed(subscriber: &Subscriber) -> InsertSecret {
    InsertSecret {
        subscriber_id: subscriber.id,
        old_until_ms: None,
    }
}

fn removed(subscriber: &Subscriber) -> DeleteSubscriber {
    DeleteSubscriber {
        subscriber_id: subscriber.id,
    }
}

async fn a_change_of_a_subscriber_has_its_audit_line_and_its_kept_answer(subject: Subject) {
    let (crm, _) = subject.make_as("added", crm()).await;
    let changed = subject.make_as("changed", altered(&crm)).await;
    assert_eq!(changed.url, "https://new.example/");
    let changed = subject.make_as("paused", paused(&crm)).await;
    assert_eq!(changed.state, SubscriberState::Paused);
    subject.make_as("secret", renewed(&crm)).await;
    assert_eq!(subject.make_as("removed", removed(&crm)).await, 0);
    let subscribers = subject.store.subscribers();
    assert!(subscribers.borrow().is_empty());
}

async fn any_other_change_has_its_audit_line_and_its_kept_answer(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    subject.commit(vec![report("a", Status::Sent, 0)]).await;
    let forward = subject.forward_to("crm", "a").await;
    let requeue = RequeueForwards {
        selection: RetrySelection {
            forward_ids: vec![forward.forward_id],
            new_id: false,
        },
        scope: Scope::default(),
    };
    assert_eq!(subject.make_as("queued again", requeue).await.0, 1);
    let replay = InsertReplay {
        subscriber_id: crm.id,
        selection: ReplaySelection::default(),
    };
    let replay = subject.make_as("replay begun", replay).await;
    let replay_id = replay.replay_id;
    let end = EndReplay { replay_id };
    assert!(subject.make_as("replay ended", end).await.1);
    let poll = OpenPoll {
        source: "bots".into(),
        provider: Provider::Botsquad,
        broadcast: "b-1".to_owned(),
    };
    subject.make_as("poll opened", poll).await;
    let (name, language) = ("order".to_owned(), "en".to_owned());
    let template = WriteTemplate {
        name: name.clone(),
        language: language.clone(),
        body: "Hi".to_owned(),
    };
    subject.make_as("template written", template).await;
    let template = DeleteTemplate { name, language };
    subject.make_as("template removed", template).await;
    let token = InsertToken {
        new: NewToken {
            name: "analyst".to_owned(),
            role: Role::Analyst,
            owner: None,
            sources: Vec::new(),
            expires_at_ms: None,
        },
    };
    let (token, _) = subject.make_as("token made", token).await;
    let token_id = token.token_id;
    subject.make_as("token ended", EndToken { token_id }).await;
    subject.make_as("noted", NoChange).await;
}

async fn a_change_of_what_is_gone_is_refused_and_leaves_nothing(subject: Subject) {
    let (gone, _) = subject.make(crm()).await;
    let replay = InsertReplay {
        subscriber_id: gone.id,
        selection: ReplaySelection::default(),
    };
    let replay_id = subject.make(replay).await.replay_id;
    subject.make(EndReplay { replay_id }).await;
    subject.make(removed(&gone)).await;
    subject.advance(1);
    let prune = PruneStep {
        what: Prunable::Replays,
        before_ms: subject.now_ms(),
        behind: None,
    };
    assert_eq!(subject.step(prune).await.removed, 1);
    subject.refuse(altered(&gone)).await;
    subject.refuse(paused(&gone)).await;
    subject.refuse(renewed(&gone)).await;
    subject.refuse(removed(&gone)).await;
    subject.refuse(EndReplay { replay_id }).await;
    let (name, language) = ("order".to_owned(), "en".to_owned());
    subject.refuse(DeleteTemplate { name, language }).await;
}
