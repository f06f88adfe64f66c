//! What the watching of the service reads and keeps: counts of what came in, and messages that fell
//! silent.

use super::intake::registering;
use super::{SECOND_MS, START_MS, Subject, each_engine, failed, report};
use crate::model::Status;
use crate::providers::Item;
use crate::store::query::{ArrivedQuery, TrafficQuery, UnconfirmedQuery};
use crate::store::step::KeepCounts;
use crate::store::watching::{Count, Counted};
use crate::store::{Registering, Registrations};

each_engine!(
    what_came_in_is_counted_once_from_a_position_on,
    counts_are_kept_in_the_place_of_those_of_their_step_until_they_are_old,
    a_message_is_unconfirmed_from_the_end_of_its_time_until_it_ends,
);

async fn what_came_in_is_counted_once_from_a_position_on(subject: Subject) {
    subject.commit(vec![failed("before", 131_026)]).await;
    let begun = subject.read(ArrivedQuery { after: None }).await;
    assert!(begun.counts.is_empty() && !begun.more);
    let sent = || report("a", Status::Sent, 0);
    let odd = Item::Unreadable("odd".to_owned());
    subject
        .commit(vec![sent(), failed("b", 131_026), odd])
        .await;
    // A repeat is a webhook and no report.
    subject.commit(vec![sent()]).await;
    subject.commit_by("second", vec![sent()]).await;
    let mut counts = Vec::new();
    let mut after = Some(begun.position);
    for _ in 0..2 {
        let arrived = subject.read(ArrivedQuery { after }).await;
        assert!(!arrived.more);
        counts.extend(arrived.counts);
        after = Some(arrived.position);
    }
    counts.sort_unstable();
    let expected = [
        (Counted::Webhooks, "cloud", 2),
        (Counted::Webhooks, "second", 1),
        (Counted::Unreadable, "cloud", 1),
        (Counted::Reports, "", 3),
        (Counted::Failures, "meta:131026", 1),
    ];
    let expected = expected.map(|(what, subject, count)| (what, subject.to_owned(), count));
    assert_eq!(counts, expected);
}

/// Taken twice, the step leaves the same.
async fn counts_are_kept_in_the_place_of_those_of_their_step_until_they_are_old(subject: Subject) {
    let count = |begins_at_ms, subject: &str, count| Count {
        begins_at_ms,
        what: Counted::Webhooks,
        subject: subject.to_owned(),
        count,
    };
    let (old_ms, new_ms) = (START_MS, START_MS + SECOND_MS);
    let all = i64::MIN..i64::MAX;
    for (counts, kept, expected) in [
        (
            vec![count(old_ms, "cloud", 1), count(new_ms, "cloud", 2)],
            all.clone(),
            vec![count(old_ms, "cloud", 1), count(new_ms, "cloud", 2)],
        ),
        (
            vec![count(new_ms, "cloud", 5), count(new_ms, "second", 3)],
            all,
            vec![
                count(old_ms, "cloud", 1),
                count(new_ms, "cloud", 5),
                count(new_ms, "second", 3),
            ],
        ),
        (
            vec![count(new_ms, "second", 4)],
            new_ms..START_MS + 2 * SECOND_MS,
            vec![count(new_ms, "cloud", 5), count(new_ms, "second", 4)],
        ),
        (Vec::new(), new_ms + 1..i64::MAX, Vec::new()),
    ] {
        for _ in 0..2 {
            let (counts, kept) = (counts.clone(), kept.clone());
            subject.step(KeepCounts { counts, kept }).await;
            let mut found = subject.read(TrafficQuery).await;
            found.sort_by_key(|count| (count.begins_at_ms, count.subject.clone()));
            assert_eq!(found, expected);
        }
    }
}

async fn a_message_is_unconfirmed_from_the_end_of_its_time_until_it_ends(subject: Subject) {
    let register = |source: &str, message: &str, ttl_s| {
        let mut registering = Registering {
            source: source.into(),
            ..registering(message)
        };
        registering.registration.ttl_s = ttl_s;
        registering.registration.sent_ms = Some(START_MS);
        registering
    };
    let messages = vec![
        register("cloud", "silent", Some(60)),
        register("cloud", "sent", Some(60)),
        register("cloud", "delivered", Some(60)),
        register("cloud", "later", Some(120)),
        register("cloud", "patient", None),
        register("second", "silent", Some(60)),
    ];
    let registered = subject.store.commit(Registrations { messages }).await;
    assert_eq!(registered.unwrap().len(), 6);
    subject
        .commit(vec![
            report("sent", Status::Sent, 1),
            report("delivered", Status::Delivered, 1),
        ])
        .await;
    let unconfirmed = async |from_s: i64, until_s: i64| {
        let query = UnconfirmedQuery {
            from_ms: START_MS + from_s * SECOND_MS,
            until_ms: START_MS + until_s * SECOND_MS,
        };
        let mut found = subject.read(query).await;
        found.sort_unstable();
        found
    };
    let of = |source: &str, count: u64| (source.to_owned(), count);
    assert!(unconfirmed(0, 59).await.is_empty());
    let silent = [of("cloud", 2), of("second", 1)];
    assert_eq!(unconfirmed(59, 60).await, silent);
    assert!(unconfirmed(60, 119).await.is_empty());
    assert_eq!(unconfirmed(60, 120).await, [of("cloud", 1)]);
    subject
        .commit(vec![report("silent", Status::Read, 90)])
        .await;
    let silent = [of("cloud", 1), of("second", 1)];
    assert_eq!(unconfirmed(59, 60).await, silent);
}
