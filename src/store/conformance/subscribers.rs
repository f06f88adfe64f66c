//! How subscribers fare, what duties and lanes note of them, and the keys of their secrets.

use super::{DAY_MS, SECOND_MS, START_MS, Subject, each_engine, report};
use crate::model::{ErrorCode, GaveUp, Status, Subscriber, SubscriberState};
use crate::store::change::{DeleteSubscriber, SetSubscriberState};
use crate::store::overview::SubscriberOverview;
use crate::store::query::{
    BacklogQuery, KeyQuery, MissingKeyQuery, OutboundQuery, SubscriberHealthQuery,
    SubscriberKeyQuery, SubscriberQuery,
};
use crate::store::seal;
use crate::store::step::{ApplyStateChange, NoteFailing};
use crate::store::{Error, KeySource, Settled, StateChange};

each_engine!(
    subscribers_are_listed_in_the_order_they_were_added_with_what_ended_in_a_day,
    a_subscriber_fares_as_its_own_forwards_and_attempts_of_a_day,
    a_state_that_the_relay_decides_is_published_and_what_is_pending_waits,
    since_when_a_subscriber_fails_is_noted_until_it_answers_or_is_resumed,
    each_resumption_of_a_subscriber_is_counted_and_nothing_else,
    a_missing_key_is_named_and_what_it_sealed_opens_once_it_is_back,
);

impl Subject {
    /// `crm` takes the message `a`; `b` is given up, and `c` fails and waits. Each takes a second.
    /// Nothing is sent of `d`.
    async fn four_ends(&self) {
        let messages = ["a", "b", "c", "d"];
        let reports = messages.map(|message| report(message, Status::Sent, 0));
        self.commit(reports.into()).await;
        let gave_up = Settled::GaveUp(GaveUp::AttemptsExhausted);
        let again = Settled::RetryAt(START_MS + 60 * SECOND_MS);
        for (message, error, settled) in [
            ("a", None, Settled::Delivered),
            ("b", Some(ErrorCode::Timeout), gave_up),
            ("c", Some(ErrorCode::Http5xx), again),
        ] {
            self.advance(SECOND_MS);
            let forward = self.forward_to("crm", message).await;
            let now_ms = self.now_ms();
            self.end_attempt(&forward, now_ms, error, settled).await;
        }
        self.advance(SECOND_MS);
    }

    async fn overviews(&self, now_ms: i64) -> Vec<SubscriberOverview> {
        let listing = self.read(SubscriberQuery { now_ms }).await;
        assert_eq!(listing.reached, None);
        listing.rows
    }

    /// The subscriber as it is published.
    fn published(&self, name: &str) -> Subscriber {
        (*self.store.subscriber(name).unwrap()).clone()
    }
}

async fn subscribers_are_listed_in_the_order_they_were_added_with_what_ended_in_a_day(
    subject: Subject,
) {
    let removed = subject.subscriber("removed").await;
    subject.subscriber("crm").await;
    subject.four_ends().await;
    subject.subscriber("archive").await;
    let subscriber_id = removed.id;
    subject.make(DeleteSubscriber { subscriber_id }).await;
    let now_ms = subject.now_ms();
    let figures = |row: &SubscriberOverview| {
        let name = row.subscriber.name.clone();
        (name, row.pending, row.delivered_24h, row.gave_up_24h)
    };
    let of = |name: &str, pending, delivered, gave_up| {
        (name.to_owned(), Some(pending), delivered, gave_up)
    };
    let rows = subject.overviews(now_ms).await;
    let found: Vec<_> = rows.iter().map(figures).collect();
    assert_eq!(found, [of("crm", 2, 1, 1), of("archive", 0, 0, 0)]);
    assert_eq!(rows[0].subscriber, subject.published("crm"));
    let oldest: Vec<_> = rows.iter().map(|row| row.oldest_pending_ms).collect();
    assert_eq!(oldest, [Some(START_MS), None]);
    let rows = subject.overviews(now_ms + DAY_MS).await;
    let found: Vec<_> = rows.iter().map(figures).collect();
    assert_eq!(found, [of("crm", 2, 0, 0), of("archive", 0, 0, 0)]);
}

async fn a_subscriber_fares_as_its_own_forwards_and_attempts_of_a_day(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    let other = subject.subscriber("other").await;
    subject.four_ends().await;
    let now_ms = subject.now_ms();
    let health = |subscriber: &Subscriber, now_ms| {
        let subscriber_id = subscriber.id;
        subject.read(SubscriberHealthQuery {
            subscriber_id,
            now_ms,
        })
    };
    let found = health(&crm, now_ms).await;
    assert_eq!(
        (found.pending, found.oldest_pending_ms),
        (2, Some(START_MS))
    );
    assert_eq!(
        found.next_due_ms,
        Some(START_MS),
        "of the one not yet tried"
    );
    assert_eq!(
        (found.last_success_ms, found.last_failure_ms),
        (
            Some(START_MS + SECOND_MS + 7),
            Some(START_MS + 3 * SECOND_MS)
        ),
        "the end of the one, the beginning of the other"
    );
    assert_eq!(found.last_failure, Some(ErrorCode::Http5xx));
    assert_eq!(
        (found.delivered_attempts_24h, found.failed_attempts_24h),
        (1, 2)
    );
    assert_eq!((found.delivered_24h, found.gave_up_24h), (1, 1));
    let found = health(&other, now_ms).await;
    assert_eq!((found.pending, found.next_due_ms), (4, Some(START_MS)));
    assert_eq!((found.last_success_ms, found.last_failure), (None, None));
    assert_eq!((found.delivered_24h, found.failed_attempts_24h), (0, 0));
    // A day later what ended is past, and what is pending is not.
    let found = health(&crm, now_ms + DAY_MS).await;
    assert_eq!(
        (found.pending, found.oldest_pending_ms),
        (2, Some(START_MS))
    );
    assert_eq!(
        (found.delivered_attempts_24h, found.failed_attempts_24h),
        (0, 0)
    );
    assert_eq!((found.delivered_24h, found.gave_up_24h), (0, 0));
}

/// Taken twice, the step leaves the same.
async fn a_state_that_the_relay_decides_is_published_and_what_is_pending_waits(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    let other = subject.subscriber("other").await;
    subject.commit(vec![report("a", Status::Sent, 0)]).await;
    let disable = |subscriber: &Subscriber| ApplyStateChange {
        subscriber_id: subscriber.id,
        change: StateChange {
            state: SubscriberState::Disabled,
            reason: Some("http 410".to_owned()),
        },
    };
    let disabled = Subscriber {
        state: SubscriberState::Disabled,
        state_reason: Some("http 410".to_owned()),
        ..(*crm).clone()
    };
    for _ in 0..2 {
        subject.step(disable(&crm)).await;
        assert_eq!(subject.published("crm"), disabled);
        assert_eq!(subject.published("other"), *other);
    }
    let backlog = subject.read(BacklogQuery).await;
    assert!(backlog.iter().all(|queue| queue.pending == 1));
    assert_eq!(backlog.len(), 2, "what is pending is kept");
    let subject = subject.opened_again().await;
    assert_eq!(subject.published("crm"), disabled);
    let subscriber_id = crm.id;
    subject.make(DeleteSubscriber { subscriber_id }).await;
    let gone = subject.store.step(disable(&crm)).await;
    assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
}

async fn each_resumption_of_a_subscriber_is_counted_and_nothing_else(subject: Subject) {
    use SubscriberState::{Active, Paused};
    let subscriber_id = subject.subscriber("crm").await.id;
    for (state, resumes) in [
        (Active, 0),
        (Paused, 0),
        (Active, 1),
        (Active, 1),
        (Paused, 1),
    ] {
        let set = SetSubscriberState {
            subscriber_id,
            state,
        };
        assert_eq!(subject.make(set).await.resumes, resumes);
        assert_eq!(subject.published("crm").resumes, resumes);
    }
}

/// Taken twice, the step leaves the same.
async fn since_when_a_subscriber_fails_is_noted_until_it_answers_or_is_resumed(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    let other = subject.subscriber("other").await;
    let note = |since_ms| NoteFailing {
        subscriber_id: crm.id,
        since_ms,
    };
    let failing = Subscriber {
        failing_since_ms: Some(START_MS),
        ..(*crm).clone()
    };
    for (since_ms, expected) in [
        (Some(START_MS), &failing),
        (Some(START_MS), &failing),
        (None, &*crm),
        (Some(START_MS), &failing),
    ] {
        subject.step(note(since_ms)).await;
        assert_eq!(subject.published("crm"), *expected);
        assert_eq!(subject.published("other"), *other);
    }
    let subject = subject.opened_again().await;
    assert_eq!(subject.published("crm"), failing);
    let resume = SetSubscriberState {
        subscriber_id: crm.id,
        state: SubscriberState::Active,
    };
    assert_eq!(subject.make(resume).await, *crm);
    assert_eq!(subject.published("crm"), *crm);
}

async fn a_missing_key_is_named_and_what_it_sealed_opens_once_it_is_back(mut subject: Subject) {
    let [first, second] = [seal::generate(), seal::generate()];
    let key = |text: &str| KeySource::Text(text.to_owned().into());
    subject.options.keys = vec![key(&first)];
    let mut subject = subject.opened_again().await;
    let crm = subject.subscriber("crm").await;
    let subscriber_id = crm.id;
    let keys = subject.read(KeyQuery).await;
    let [id] = &keys.at_hand[..] else {
        panic!("{keys:?}");
    };
    assert_eq!((&keys.used, keys.missing.len()), (&keys.at_hand, 0));
    subject.options.keys = vec![key(&second)];
    let mut subject = subject.opened_again().await;
    let missing = subject.read(MissingKeyQuery).await;
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0].to_string(), *id);
    let of_crm = subject.read(SubscriberKeyQuery { subscriber_id }).await;
    assert_eq!(of_crm, Some(missing[0]));
    let other = subject.subscriber("other").await;
    let subscriber_id = other.id;
    let of_other = subject.read(SubscriberKeyQuery { subscriber_id }).await;
    assert_eq!(of_other, None, "it is sealed with the key at hand");
    let found = subject.read(KeyQuery).await;
    assert_eq!(found.missing, std::slice::from_ref(id));
    assert_eq!((found.at_hand.len(), found.used.len()), (1, 2));
    let subscriber_id = crm.id;
    let outbound = subject.store.read(OutboundQuery { subscriber_id }).await;
    assert!(
        matches!(outbound, Err(Error::KeyMissing(_))),
        "{outbound:?}"
    );
    subject.options.keys = vec![key(&second), key(&first)];
    let subject = subject.opened_again().await;
    assert!(subject.read(MissingKeyQuery).await.is_empty());
    let of_crm = subject.read(SubscriberKeyQuery { subscriber_id }).await;
    assert_eq!(of_crm, None);
    let outbound = subject.read(OutboundQuery { subscriber_id }).await;
    assert_eq!(outbound.secrets.len(), 1);
}
