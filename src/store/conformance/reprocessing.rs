//! Which stored webhooks are read again, and how many of them at once.

use super::{SECOND_MS, START_MS, Subject, each_engine};
use crate::store::ReprocessSelection;
use crate::store::query::{ReprocessableQuery, StoredWebhookQuery};

each_engine!(
    webhooks_that_a_selection_names_and_that_have_a_body_are_found_in_the_order_of_arrival,
    stored_webhooks_are_read_in_the_order_of_arrival_as_far_as_there_is_room,
);

async fn webhooks_that_a_selection_names_and_that_have_a_body_are_found_in_the_order_of_arrival(
    subject: Subject,
) {
    subject.five_webhooks().await;
    let webhooks = subject.webhooks().await.into_iter().rev();
    let ids: Vec<_> = webhooks.map(|webhook| webhook.webhook_id).collect();
    let found = async |selection, second: i64| {
        let query = ReprocessableQuery {
            selection,
            not_before_ms: START_MS + second * SECOND_MS,
        };
        let found = subject.read(query).await.into_iter();
        let places = found.map(|id| ids.iter().position(|known| *known == id));
        places.flatten().collect::<Vec<_>>()
    };
    let unread = ReprocessSelection::default;
    let all = || ReprocessSelection {
        all: true,
        ..ReprocessSelection::default()
    };
    assert_eq!(found(unread(), 0).await, [3, 4]);
    assert_eq!(found(all(), 0).await, [0, 2, 3, 4], "a repeat has no body");
    assert_eq!(found(all(), 3).await, [3, 4]);
    let of_second = ReprocessSelection {
        source: Some("second".to_owned()),
        ..all()
    };
    assert_eq!(found(of_second, 0).await, [2]);
    let since = ReprocessSelection {
        since_ms: Some(START_MS + 4 * SECOND_MS),
        ..unread()
    };
    assert_eq!(found(since, 0).await, [4]);
    let named = ReprocessSelection {
        webhook_ids: vec![ids[3], ids[1], ids[0]],
        ..unread()
    };
    assert_eq!(found(named, 0).await, [0, 3], "whatever became of them");
}

async fn stored_webhooks_are_read_in_the_order_of_arrival_as_far_as_there_is_room(
    subject: Subject,
) {
    subject.five_webhooks().await;
    let webhooks: Vec<_> = subject.webhooks().await.into_iter().rev().collect();
    let size = |place: usize| usize::try_from(webhooks[place].body_bytes.unwrap()).unwrap();
    let found = async |places: &[usize], room| {
        let ids = places.iter().map(|place| webhooks[*place].webhook_id);
        let query = StoredWebhookQuery {
            webhook_ids: ids.collect(),
            room,
        };
        let found = subject.read(query).await.into_iter();
        let sizes = found.map(|stored| (stored.received_ms, stored.body.len()));
        sizes.collect::<Vec<_>>()
    };
    let of = |places: &[usize]| {
        let stored = places.iter().map(|place| {
            let received_ms = webhooks[*place].received_at_ms;
            (received_ms, size(*place))
        });
        stored.collect::<Vec<_>>()
    };
    assert_eq!(found(&[4, 0, 3], usize::MAX).await, of(&[0, 3, 4]));
    assert_eq!(found(&[4, 0, 3], size(0) + size(3)).await, of(&[0, 3]));
    assert_eq!(found(&[4, 0, 3], size(0)).await, of(&[0]));
    assert_eq!(found(&[4, 0, 3], 0).await, of(&[0]), "always one");
    assert!(found(&[1], usize::MAX).await.is_empty(), "a repeat");
}
