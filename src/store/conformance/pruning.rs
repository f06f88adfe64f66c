//! What goes by age: each kind once it is old, and never what is pending.

use super::upkeep::prune;
use super::{DAY_MS, RECIPIENT, START_MS, Subject, each_engine, report};
use crate::model::{
    About, AccountEvent, ErrorCode, EventGroup, ForwardState, GaveUp, NewSubscriber, Status,
    SubscriberKind, Word as _,
};
use crate::providers::{Item, Provider};
use crate::store::change::{DeleteSubscriber, EndReplay, InsertReplay, OpenPoll};
use crate::store::poll::PollState;
use crate::store::query::{
    AccountEventQuery, AttemptQuery, BacklogQuery, ForwardDetailQuery, PollQuery, Scope, Window,
};
use crate::store::replay::ReplaySelection;
use crate::store::step::{ExpireForwards, SettlePoll};
use crate::store::{Prunable, Settled};

each_engine!(
    what_goes_by_age_goes_once_it_is_old_and_what_is_pending_stays,
    what_waits_for_too_long_expires_a_thousand_at_a_time,
);

impl Subject {
    /// One of each kind that may go, and beside it `b`, which is pending and was tried once.
    async fn one_of_each(&self) {
        let gone = self.subscriber("gone").await;
        let subscriber_id = gone.id;
        self.make(DeleteSubscriber { subscriber_id }).await;
        let crm = self.subscriber("crm").await;
        let ops = NewSubscriber {
            kind: SubscriberKind::Events,
            ..NewSubscriber::new("ops", "https://ops.example/events")
        };
        self.add(ops).await;
        let words = Provider::MetaCloud.definition().events;
        let words = words.of(EventGroup::Template, "PAUSED".to_owned());
        let paused = AccountEvent::new("f", About::Template, Some("order".to_owned()), &words);
        let names = vec![RECIPIENT.to_owned(), "HR.1349".to_owned()];
        self.commit(vec![
            report("a", Status::Sent, 0),
            report("b", Status::Sent, 0),
            Item::Account(Box::new(paused)),
            Item::SamePerson(names),
        ])
        .await;
        let mut forwards = self.forwards().await.into_iter();
        let notice = forwards.find(|forward| forward.subscriber == "ops");
        let expired = Settled::GaveUp(GaveUp::Expired);
        self.end(&notice.unwrap(), None, expired).await;
        let again = Settled::RetryAt(START_MS + 60_000);
        for (message, error, settled) in [
            ("a", None, Settled::Delivered),
            ("b", Some(ErrorCode::Timeout), again),
        ] {
            let forward = self.forward_to("crm", message).await;
            self.end_attempt(&forward, START_MS, error, settled).await;
        }
        let replay = InsertReplay {
            subscriber_id: crm.id,
            selection: ReplaySelection::default(),
        };
        let replay_id = self.make(replay).await.replay_id;
        self.make(EndReplay { replay_id }).await;
        self.one_poll_of_two().await;
    }

    /// Of two polls one is done.
    async fn one_poll_of_two(&self) {
        let open = |broadcast: &str| OpenPoll {
            source: "bots".into(),
            provider: Provider::Botsquad,
            broadcast: broadcast.to_owned(),
        };
        self.make(open("open")).await;
        let mut poll = self.make(open("done")).await;
        poll.state = PollState::Done;
        let was_due_ms = poll.due_at_ms;
        self.step(SettlePoll { poll, was_due_ms }).await;
    }
}

async fn what_goes_by_age_goes_once_it_is_old_and_what_is_pending_stays(subject: Subject) {
    subject.one_of_each().await;
    let store = &subject.store;
    for what in Prunable::ALL {
        let young = prune(store, *what, START_MS).await;
        assert_eq!(young, 0, "{what:?}");
    }
    subject.advance(2 * DAY_MS);
    for what in Prunable::ALL {
        let old = prune(store, *what, START_MS + DAY_MS).await;
        assert_eq!(old, 1, "{what:?}");
        let again = prune(store, *what, START_MS + DAY_MS).await;
        assert_eq!(again, 0, "{what:?}");
    }
    let window = Window::newest(10);
    let forwards = subject.forwards().await;
    assert_eq!(forwards.len(), 1);
    let pending = &forwards[0];
    assert_eq!(
        (pending.provider_message_id.as_deref(), pending.state),
        (Some("b"), ForwardState::Pending)
    );
    let detail = ForwardDetailQuery {
        id: pending.uid.to_string(),
        scope: Scope::default(),
    };
    let detail = subject.read(detail).await.unwrap();
    assert!(detail.payload.contains("msId"), "{}", detail.payload);
    assert_eq!(detail.forward.history.len(), 1);
    let attempts = AttemptQuery {
        window,
        ..AttemptQuery::default()
    };
    assert_eq!(subject.read(attempts).await.rows.len(), 1);
    let events = AccountEventQuery {
        window,
        ..AccountEventQuery::default()
    };
    assert!(subject.read(events).await.rows.is_empty());
    let polls = PollQuery {
        source: None,
        window,
    };
    let polls = subject.read(polls).await.rows;
    assert_eq!(polls.len(), 1);
    assert_eq!(polls[0].broadcast, "open");
}

async fn what_waits_for_too_long_expires_a_thousand_at_a_time(subject: Subject) {
    const MESSAGES: usize = 1_200;
    subject.subscriber("crm").await;
    let sent = (0..MESSAGES).map(|number| report(&format!("m{number}"), Status::Sent, 0));
    subject.commit(sent.collect()).await;
    let expire = |pending_before_ms| subject.step(ExpireForwards { pending_before_ms });
    assert_eq!(expire(START_MS).await, 0, "none waits for so long");
    let mut expired = 0;
    loop {
        let some = expire(START_MS + 1).await;
        assert!(some <= 1_000, "{some} in one transaction");
        expired += some;
        if some == 0 {
            break;
        }
    }
    assert_eq!(expired, MESSAGES);
    assert!(subject.read(BacklogQuery).await.is_empty());
}
