//! What a store is kept in order by: pruning, erasing, polls, replays, health.

use super::forwarding::attempt;
use super::{DAY_MS, RECIPIENT, SECOND_MS, START_MS, Subject, each_engine, report};
use crate::model::{ErrorCode, ForwardState, GaveUp, Status, SubscriberKey};
use crate::providers::Provider;
use crate::store::change::{EndReplay, InsertReplay, OpenPoll};
use crate::store::poll::PollState;
use crate::store::query::{
    OpenPollQuery, ReadableQuery, ReplayDetailQuery, RunningReplayQuery, Scope, TimelineQuery,
    WebhookDetailQuery,
};
use crate::store::replay::{ReplayRecord, ReplaySelection, ReplayState, ReplayStep};
use crate::store::step::{AdvanceReplay, RewriteStore, SettlePoll};
use crate::store::{
    Attempt, ChangeRecord, Error, LaneContents, Loss, Person, Prunable, PruneStep, Settled,
    Settlement, Store, StoreChange,
};

each_engine!(
    what_is_old_is_pruned_and_what_is_pending_is_not,
    what_ended_lately_keeps_its_message_and_its_payload,
    a_person_is_erased_and_a_dry_run_counts_the_same,
    a_poll_is_due_until_it_is_done,
    a_replay_queues_what_ended_and_ends_by_itself,
    a_replay_queues_what_its_selection_names_and_that_has_ended,
    a_replay_is_stopped_once,
    a_store_that_is_rewritten_keeps_what_it_had,
    a_healthy_store_says_so_and_a_closed_one_takes_nothing,
);

pub(super) async fn prune(store: &Store, what: Prunable, before_ms: i64) -> usize {
    let (mut removed, mut behind) = (0, None);
    loop {
        let step = PruneStep {
            what,
            before_ms,
            behind,
        };
        let pruned = store.step(step).await.unwrap();
        removed += pruned.removed;
        behind = pruned.next;
        if behind.is_none() {
            return removed;
        }
    }
}

async fn what_is_old_is_pruned_and_what_is_pending_is_not(subject: Subject) {
    let store = &subject.store;
    let silent = subject
        .commit(vec![report("silent", Status::Sent, 0)])
        .await;
    let crm = subject.subscriber("crm").await;
    subject
        .commit(vec![report("pending", Status::Sent, 1)])
        .await;
    subject.advance(2 * DAY_MS);
    let before_ms = START_MS + DAY_MS;
    assert_eq!(prune(store, Prunable::Messages, before_ms).await, 1);
    assert_eq!(prune(store, Prunable::Messages, before_ms).await, 0);
    let left = subject.messages().await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].provider_message_id.as_deref(), Some("pending"));
    assert_eq!(prune(store, Prunable::Webhooks, before_ms).await, 2);
    let detail = WebhookDetailQuery {
        webhook_id: silent.webhook_id,
        scope: Scope::default(),
    };
    let body = store.read(detail).await.unwrap();
    assert!(body.is_none_or(|detail| detail.body.is_none()));
    let lane = store.open_lane(crm.id).await.unwrap();
    let refill = store.refill(lane.key, LaneContents::default());
    let refill = refill.await.unwrap();
    assert_eq!(refill.pending.len(), 1);
    assert!(!refill.pending[0].payload.is_empty());
}

/// Counted from when its forward ended, a message is as old as one that was reported then.
async fn what_ended_lately_keeps_its_message_and_its_payload(subject: Subject) {
    let store = &subject.store;
    let crm = subject.subscriber("crm").await;
    let lane = subject.lane(&crm).await;
    subject.commit(vec![report("a", Status::Sent, 0)]).await;
    subject.advance(2 * DAY_MS);
    store.settle(Settlement {
        lane: lane.key,
        forward_id: subject.forward().await.forward_id,
        attempt: Some(Attempt {
            started_at_ms: subject.now_ms(),
            ..attempt(1, None)
        }),
        settled: Settled::Delivered,
    });
    for what in [Prunable::Messages, Prunable::Payloads] {
        assert_eq!(prune(store, what, START_MS + DAY_MS).await, 0, "{what:?}");
    }
    assert_eq!(subject.forward().await.state, ForwardState::Delivered);
    subject.advance(DAY_MS);
    let before_ms = subject.now_ms();
    assert_eq!(prune(store, Prunable::Payloads, before_ms).await, 1);
    let forward_id = subject.forward().await.forward_id;
    assert!(
        !subject.requeue(forward_id).await,
        "nothing is left to send"
    );
    assert_eq!(prune(store, Prunable::Messages, before_ms).await, 1);
}

async fn a_person_is_erased_and_a_dry_run_counts_the_same(subject: Subject) {
    let store = &subject.store;
    subject.subscriber("crm").await;
    subject
        .commit(vec![
            report("a", Status::Sent, 0),
            report("a", Status::Read, 1),
        ])
        .await;
    let person = Person::new("+385 99 000 11 22").unwrap();
    assert_eq!(person.name(), RECIPIENT);
    let counted = store.erase(&person, true, |_, _| {}).await.unwrap();
    assert_eq!((counted.messages, counted.reports), (1, 2));
    assert!(counted.forwards > 0 && counted.pending == counted.forwards);
    assert_eq!(subject.messages().await.len(), 1);
    let mut last = (0, 0);
    let erased = store.erase(&person, false, |done, total| last = (done, total));
    assert_eq!(erased.await.unwrap(), counted);
    assert_eq!(last.0, last.1, "it says that it is done");
    assert!(subject.messages().await.is_empty());
    assert!(subject.forwards().await.is_empty());
    let timeline = TimelineQuery {
        id: "a".to_owned(),
        scope: Scope::default(),
    };
    assert!(store.read(timeline).await.unwrap().is_none());
    let again = store.erase(&person, false, |_, _| {}).await.unwrap();
    assert!(again.is_nothing(), "{again:?}");
}

async fn a_poll_is_due_until_it_is_done(subject: Subject) {
    let store = &subject.store;
    let open = || OpenPoll {
        source: "bots".into(),
        provider: Provider::Botsquad,
        broadcast: "b-1".to_owned(),
    };
    let finish = |poll| (poll, ChangeRecord::default());
    let poll = store.change(open(), finish).await.unwrap();
    store.changed(StoreChange::Polls).await;
    assert_eq!(poll.state, PollState::Open);
    let open_polls = || OpenPollQuery {
        source: "bots".to_owned(),
        limit: 10,
    };
    let found = store.read(open_polls()).await.unwrap();
    assert_eq!(found, std::slice::from_ref(&poll));
    let mut later = poll.clone();
    later.due_at_ms = START_MS + 60 * SECOND_MS;
    later.polls = 1;
    let settle = |poll, was_due_ms| SettlePoll { poll, was_due_ms };
    store
        .step(settle(later.clone(), poll.due_at_ms))
        .await
        .unwrap();
    let found = store.read(open_polls()).await.unwrap();
    assert_eq!(found, [later.clone()]);
    // Opened again meanwhile, it is due now, whatever the poll under way would say.
    let finish = |poll| (poll, ChangeRecord::default());
    let reopened = store.change(open(), finish).await.unwrap();
    assert_eq!(reopened.poll_id, poll.poll_id);
    let mut done = later.clone();
    done.state = PollState::Done;
    store
        .step(settle(done.clone(), later.due_at_ms))
        .await
        .unwrap();
    let found = store.read(open_polls()).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].state, PollState::Open);
    store.step(settle(done, found[0].due_at_ms)).await.unwrap();
    let found = store.read(open_polls()).await.unwrap();
    assert!(found.is_empty(), "{found:?}");
}

/// A subscriber with a delivered forward.
async fn delivered(subject: &Subject) -> SubscriberKey {
    let crm = subject.subscriber("crm").await;
    subject.commit(vec![report("a", Status::Sent, 0)]).await;
    let forward_id = subject.forwards().await[0].forward_id;
    subject.store.settle(Settlement {
        lane: subject.store.open_lane(crm.id).await.unwrap().key,
        forward_id,
        attempt: None,
        settled: Settled::Delivered,
    });
    crm.id
}

fn replay(subscriber_id: SubscriberKey) -> InsertReplay {
    InsertReplay {
        subscriber_id,
        selection: ReplaySelection {
            states: vec![ForwardState::Delivered],
            ..ReplaySelection::default()
        },
    }
}

async fn a_replay_queues_what_ended_and_ends_by_itself(subject: Subject) {
    let store = &subject.store;
    let crm = delivered(&subject).await;
    let finish = |replay| (replay, ChangeRecord::default());
    let begun = store.change(replay(crm), finish).await.unwrap();
    store.changed(StoreChange::Replays).await;
    assert_eq!(begun.state, ReplayState::Running);
    let detail = ReplayDetailQuery { uid: begun.uid };
    for _ in 0..10 {
        let running = store.read(RunningReplayQuery).await.unwrap();
        let Some(replay) = running.first() else { break };
        let step = AdvanceReplay { replay: *replay };
        assert_eq!(store.step(step).await.unwrap(), ReplayStep::Went);
    }
    let found = store.read(detail).await.unwrap().unwrap();
    assert_eq!(
        (found.state, found.queued, found.examined),
        (ReplayState::Done, 1, found.total)
    );
    let forwards = subject.forwards().await;
    assert_eq!(forwards[0].state, ForwardState::Pending);
}

impl Subject {
    /// Begins a replay and takes it as far as it goes; returns how many forwards it queued, or `None` where it
    /// waits for room.
    async fn replayed(
        &self,
        subscriber_id: SubscriberKey,
        selection: ReplaySelection,
    ) -> Option<u64> {
        let insert = InsertReplay {
            subscriber_id,
            selection,
        };
        let finish = |replay: ReplayRecord| (replay.uid, ChangeRecord::default());
        let uid = self.store.change(insert, finish).await.unwrap();
        while let Some(replay) = self.store.read(RunningReplayQuery).await.unwrap().first() {
            let step = AdvanceReplay { replay: *replay };
            if self.store.step(step).await.unwrap() == ReplayStep::NoRoom {
                return None;
            }
        }
        let detail = self.store.read(ReplayDetailQuery { uid }).await.unwrap();
        Some(detail.unwrap().queued)
    }
}

/// Narrows what a replay selects.
type Narrow = fn(&mut ReplaySelection);

async fn a_replay_queues_what_its_selection_names_and_that_has_ended(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    let lane = subject.lane(&crm).await;
    let gave_up = Settled::GaveUp(GaveUp::AttemptsExhausted);
    for (id, settled, error) in [
        ("delivered", Settled::Delivered, None),
        ("late", gave_up, Some(ErrorCode::Timeout)),
        ("refused", gave_up, Some(ErrorCode::Http4xx)),
    ] {
        subject.commit(vec![report(id, Status::Sent, 0)]).await;
        subject.store.settle(Settlement {
            lane: lane.key,
            forward_id: subject.forwards().await[0].forward_id,
            attempt: Some(attempt(1, error)),
            settled,
        });
    }
    subject
        .commit(vec![report("pending", Status::Sent, 0)])
        .await;
    let all = || ReplaySelection {
        states: vec![ForwardState::Delivered, ForwardState::GaveUp],
        ..ReplaySelection::default()
    };
    // Queued again, a forward is pending, and no later replay's.
    let narrowed: [(Narrow, u64); 10] = [
        (|it| it.error = Some(ErrorCode::Tls), 0),
        (|it| it.status = Some(Status::Read), 0),
        (|it| it.since_ms = Some(START_MS + 1), 0),
        (|it| it.until_ms = Some(START_MS), 0),
        (|it| it.source = Some("elsewhere".to_owned()), 0),
        (|it| it.sources = vec!["elsewhere".to_owned()], 0),
        (|it| it.states = vec![ForwardState::Delivered], 1),
        (|it| it.error = Some(ErrorCode::Timeout), 1),
        (|it| it.since_ms = Some(START_MS), 1),
        (|_| {}, 0),
    ];
    for (narrow, queued) in narrowed {
        let mut selection = all();
        narrow(&mut selection);
        let described = format!("{selection:?}");
        let found = subject.replayed(crm.id, selection).await;
        assert_eq!(found, Some(queued), "{described}");
    }
    let report = |number| report(&format!("m{number}"), Status::Sent, 0);
    subject.commit((0..600).map(report).collect()).await;
    assert_eq!(subject.replayed(crm.id, all()).await, None, "so much waits");
}

async fn a_replay_is_stopped_once(subject: Subject) {
    let store = &subject.store;
    let crm = delivered(&subject).await;
    let finish = |replay| (replay, ChangeRecord::default());
    let begun = store.change(replay(crm), finish).await.unwrap();
    let end = || EndReplay {
        replay_id: begun.replay_id,
    };
    let finish = |ended| (ended, ChangeRecord::default());
    let (ended, is_stopped) = store.change(end(), finish).await.unwrap();
    assert!(is_stopped);
    assert_eq!(ended.state, ReplayState::Cancelled);
    let finish = |ended| (ended, ChangeRecord::default());
    let (again, is_stopped) = store.change(end(), finish).await.unwrap();
    assert!(!is_stopped);
    assert_eq!(again, ended);
    assert!(store.read(RunningReplayQuery).await.unwrap().is_empty());
}

async fn a_store_that_is_rewritten_keeps_what_it_had(subject: Subject) {
    subject.subscriber("crm").await;
    subject.commit(vec![report("a", Status::Sent, 0)]).await;
    let had = subject.forwards().await[0].uid;
    subject.store.step(RewriteStore).await.unwrap();
    let subject = subject.opened_again().await;
    let has = subject.forwards().await;
    assert_eq!((has[0].uid, has.len()), (had, 1));
}

async fn a_healthy_store_says_so_and_a_closed_one_takes_nothing(subject: Subject) {
    let store = &subject.store;
    let health = store.health();
    assert!(health.commit_ok && health.disk_ok && health.in_place);
    assert_eq!(health.queued, 0);
    assert!(store.age_hold().is_none());
    store.read(ReadableQuery).await.unwrap();
    assert_eq!(store.close().await, Ok::<(), Loss>(()));
    let arrival = super::arrival(START_MS, Vec::new());
    let refused = store.commit(arrival).await;
    assert!(matches!(refused, Err(Error::Closed)), "{refused:?}");
    let again = Store::open(
        &subject.options,
        subject.clock.clone(),
        std::sync::Arc::default(),
    );
    assert_eq!(again.unwrap().close().await, Ok(()));
}
