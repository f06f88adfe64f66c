//! What is taken in: webhooks, their parts, what is parsed again, registrations.

use std::collections::HashSet;

use super::{SECOND_MS, START_MS, Subject, arrival, each_engine, report};
use crate::model::{
    MessageType, NewSubscriber, Registration, ReportError, SendResult, Status, SubscriberKind,
    WebhookKey,
};
use crate::providers::{Item, ParseError, Parsed, Provider};
use crate::store::query::{
    BacklogQuery, ReparsePreviewQuery, ReprocessableQuery, Scope, SourceActivityQuery,
    SourceExistsQuery, StoredWebhookQuery, TimelineQuery, WebhookDetailQuery,
};
use crate::store::{
    Arrival, Error, Registered, Registering, Registrations, ReparsedWebhooks, ReprocessSelection,
    WebhookOutcome, WebhookPart,
};

each_engine!(
    a_webhook_is_stored_with_its_bytes_its_reports_and_their_forwards,
    a_report_that_is_known_is_a_repeat_and_queues_nothing,
    a_status_is_the_same_whatever_the_order_of_its_reports,
    what_cannot_be_parsed_keeps_its_bytes_and_can_be_parsed_again,
    webhooks_that_wait_together_are_answered_each_for_itself,
    a_chat_gets_one_alert_however_its_failures_overtake_each_other,
    a_webhook_of_parts_is_processed_once_one_of_them_is_new,
    a_refused_send_keeps_the_broadcast_in_which_it_was_sent,
    a_part_belongs_to_its_webhook_and_none_to_one_that_is_gone,
    a_registration_and_a_report_meet_whichever_comes_first,
    a_registration_counts_from_when_it_was_handed_in,
    what_was_answered_is_there_after_another_start,
);

async fn a_webhook_is_stored_with_its_bytes_its_reports_and_their_forwards(subject: Subject) {
    let store = &subject.store;
    let crm = subject.subscriber("crm").await;
    let arrival = arrival(
        START_MS,
        vec![
            report("a", Status::Sent, 0),
            report("b", Status::Delivered, 1),
        ],
    );
    let body = arrival.body.clone();
    let accepted = store.commit(arrival).await.unwrap();
    assert_eq!(accepted.outcome, WebhookOutcome::Processed);
    assert_eq!(
        (accepted.reports, accepted.new_reports, accepted.forwards),
        (2, 2, 2)
    );
    let detail = WebhookDetailQuery {
        webhook_id: accepted.webhook_id,
        scope: Scope::default(),
    };
    let detail = store.read(detail).await.unwrap().unwrap();
    assert_eq!(detail.body, Some(body));
    assert_eq!(detail.webhook.received_at_ms, START_MS);
    let messages = subject.messages().await;
    let found: Vec<_> = messages
        .iter()
        .map(|message| (message.provider_message_id.as_deref(), message.status))
        .collect();
    assert_eq!(
        found,
        [
            (Some("b"), Some(Status::Delivered)),
            (Some("a"), Some(Status::Sent))
        ]
    );
    let backlog = store.read(BacklogQuery).await.unwrap();
    assert_eq!(backlog.len(), 1);
    assert_eq!((backlog[0].subscriber_id, backlog[0].pending), (crm.id, 2));
    let activity = SourceActivityQuery {
        since_ms: START_MS - SECOND_MS,
        now_ms: START_MS + SECOND_MS,
    };
    let activity = store.read(activity).await.unwrap().rows;
    assert_eq!((activity[0].webhooks, activity[0].new_reports), (1, 2));
    for (name, is_known) in [("cloud", true), ("other", false)] {
        let exists = SourceExistsQuery {
            name: name.to_owned(),
        };
        assert_eq!(store.read(exists).await.unwrap(), is_known, "{name}");
    }
}

async fn a_report_that_is_known_is_a_repeat_and_queues_nothing(subject: Subject) {
    subject.subscriber("crm").await;
    subject.commit(vec![report("a", Status::Sent, 0)]).await;
    subject.advance(SECOND_MS);
    let again = subject.commit(vec![report("a", Status::Sent, 0)]).await;
    assert_eq!(again.outcome, WebhookOutcome::Duplicate);
    assert_eq!((again.new_reports, again.forwards), (0, 0));
    let timeline = TimelineQuery {
        id: "a".to_owned(),
        scope: Scope::default(),
    };
    let timeline = subject.store.read(timeline).await.unwrap().unwrap();
    assert_eq!(timeline.reports.len(), 1);
    assert_eq!(timeline.reports[0].repeats, 1);
    assert_eq!(
        timeline.reports[0].last_repeat_ms,
        Some(START_MS + SECOND_MS)
    );
    assert_eq!(subject.forwards().await.len(), 1);
}

async fn a_status_is_the_same_whatever_the_order_of_its_reports(subject: Subject) {
    let statuses = [(Status::Sent, 1), (Status::Delivered, 2), (Status::Read, 3)];
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    for order in orders {
        let message = format!("{order:?}");
        // The last one comes alone, the others in one webhook.
        let of = |place: usize| report(&message, statuses[place].0, statuses[place].1);
        subject.commit(vec![of(order[0]), of(order[1])]).await;
        subject.commit(vec![of(order[2])]).await;
    }
    let messages = subject.messages().await;
    assert_eq!(messages.len(), orders.len());
    for message in messages {
        assert_eq!(message.status, Some(Status::Read), "{message:?}");
        let times = &message.times;
        let second = |second: i64| Some(START_MS + second * SECOND_MS);
        assert_eq!(
            (times.sent_at_ms, times.delivered_at_ms, times.read_at_ms),
            (second(1), second(2), second(3)),
            "{message:?}"
        );
    }
}

async fn what_cannot_be_parsed_keeps_its_bytes_and_can_be_parsed_again(subject: Subject) {
    let store = &subject.store;
    subject.subscriber("crm").await;
    let unparsed = Arrival {
        body: b"{\"later\":".to_vec(),
        parsed: Err(ParseError::NotJson("it ends".to_owned())),
        ..arrival(START_MS, Vec::new())
    };
    let accepted = store.commit(unparsed).await.unwrap();
    assert_eq!(accepted.outcome, WebhookOutcome::Unparsed);
    let webhook_id = accepted.webhook_id;
    let reprocessable = ReprocessableQuery {
        selection: ReprocessSelection::default(),
        not_before_ms: 0,
    };
    assert_eq!(store.read(reprocessable).await.unwrap(), [webhook_id]);
    let stored = StoredWebhookQuery {
        webhook_ids: vec![webhook_id],
        room: usize::MAX,
    };
    let stored = store.read(stored).await.unwrap();
    assert_eq!(stored[0].body, b"{\"later\":");
    let reparsed = || ReparsedWebhooks {
        webhooks: vec![(
            webhook_id,
            arrival(START_MS, vec![report("a", Status::Sent, 0)]),
        )],
    };
    let preview = ReparsePreviewQuery {
        reparsed: reparsed(),
        subscribers: store.subscribers().borrow().clone(),
        now_ms: subject.now_ms(),
    };
    let preview = store.read(preview).await.unwrap();
    assert!(
        subject.messages().await.is_empty(),
        "a preview changes nothing"
    );
    let reread = store.commit(reparsed()).await.unwrap();
    assert_eq!(preview, reread);
    assert_eq!(
        (reread[0].before, reread[0].after, reread[0].forwards),
        (WebhookOutcome::Unparsed, WebhookOutcome::Processed, 1)
    );
    assert_eq!(subject.messages().await.len(), 1);
    // What is known by now changes nothing.
    let again = store.commit(reparsed()).await.unwrap();
    assert!(again[0].found.is_empty(), "{again:?}");
    assert_eq!(subject.forwards().await.len(), 1);
}

async fn webhooks_that_wait_together_are_answered_each_for_itself(subject: Subject) {
    let mut tasks = tokio::task::JoinSet::new();
    for place in 0..60 {
        let store = subject.store.clone();
        // Every third is the same as the one before it.
        let message = format!("m{}", if place % 3 == 2 { place - 1 } else { place });
        let arrival = arrival(START_MS, vec![report(&message, Status::Sent, 0)]);
        tasks.spawn(async move { store.commit(arrival).await.unwrap() });
    }
    let answers = tasks.join_all().await;
    let new: usize = answers.iter().map(|answer| answer.new_reports).sum();
    assert_eq!(new, 40);
    let duplicates = answers
        .iter()
        .filter(|answer| answer.outcome == WebhookOutcome::Duplicate);
    assert_eq!(duplicates.count(), 20);
    let webhook_ids: HashSet<WebhookKey> = answers.iter().map(|it| it.webhook_id).collect();
    assert_eq!(webhook_ids.len(), 60, "each has a webhook of its own");
    assert_eq!(subject.messages().await.len(), 40);
}

async fn a_part_belongs_to_its_webhook_and_none_to_one_that_is_gone(subject: Subject) {
    let store = &subject.store;
    let accepted = subject.commit(vec![report("a", Status::Sent, 0)]).await;
    let part = |webhook_id| WebhookPart {
        webhook_id,
        arrival: arrival(START_MS, vec![report("b", Status::Sent, 0)]),
    };
    let more = store.commit(part(accepted.webhook_id)).await.unwrap();
    assert_eq!(
        (more.webhook_id, more.new_reports),
        (accepted.webhook_id, 1)
    );
    let detail = WebhookDetailQuery {
        webhook_id: accepted.webhook_id,
        scope: Scope::default(),
    };
    let detail = store.read(detail).await.unwrap().unwrap();
    assert_eq!((detail.webhook.reports, detail.webhook.new_reports), (2, 2));
    let gone = store.commit(part(WebhookKey::of(i64::MAX))).await;
    assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
}

/// Webhooks are received by several threads and decided in another order.
async fn a_chat_gets_one_alert_however_its_failures_overtake_each_other(subject: Subject) {
    let mut agents = NewSubscriber::new("agents", "https://chat.example/hook");
    agents.kind = SubscriberKind::Chat;
    subject.add(agents).await;
    subject.advance(1);
    let mut alerts = Vec::new();
    for (message, received_ms) in [("b", START_MS + 1), ("a", START_MS)] {
        let failed = arrival(received_ms, vec![report(message, Status::Failed, 0)]);
        alerts.push(subject.store.commit(failed).await.unwrap().forwards);
    }
    assert_eq!(alerts, [1, 0], "the second is gathered");
}

async fn a_webhook_of_parts_is_processed_once_one_of_them_is_new(subject: Subject) {
    let odd = Item::Unreadable("an entry that is no object".to_owned());
    let first = subject.commit(vec![odd]).await;
    assert_eq!(first.outcome, WebhookOutcome::Unparsed);
    let part = |items| WebhookPart {
        webhook_id: first.webhook_id,
        arrival: arrival(START_MS, items),
    };
    // What is known already changes nothing of it.
    for (items, outcome) in [
        (
            vec![report("a", Status::Sent, 0)],
            WebhookOutcome::Processed,
        ),
        (
            vec![report("a", Status::Sent, 0)],
            WebhookOutcome::Processed,
        ),
    ] {
        subject.store.commit(part(items)).await.unwrap();
        let detail = WebhookDetailQuery {
            webhook_id: first.webhook_id,
            scope: Scope::default(),
        };
        let detail = subject.store.read(detail).await.unwrap().unwrap();
        assert_eq!(detail.webhook.outcome, outcome);
    }
}

pub(super) fn registering(id: &str) -> Registering {
    Registering {
        source: "cloud".into(),
        provider: Provider::MetaCloud,
        default_type: MessageType::Regular,
        default_sender: None,
        provider_message_id: Some(id.to_owned()),
        element: id.to_owned(),
        registration: Registration {
            text: Some("Your order left".to_owned()),
            ..Registration::default()
        },
        result: SendResult::accepted(),
        received_ms: None,
        oddities: Vec::new(),
        owner: None,
        owners: Vec::new(),
    }
}

/// Its id names a message that the provider took, and that has another broadcast.
async fn a_refused_send_keeps_the_broadcast_in_which_it_was_sent(subject: Subject) {
    let mut taken = report("a", Status::Sent, 0);
    if let Item::Report(report) = &mut taken {
        report.broadcast = Some("spring".to_owned());
    }
    subject.commit(vec![taken]).await;
    let mut refused = registering("a");
    refused.registration.broadcast = Some("summer".to_owned());
    refused.result = SendResult::Refused(vec![ReportError {
        key: "meta:131026".to_owned(),
        code: Some(131_026),
        title: Some("Message undeliverable".to_owned()),
        details: None,
        href: None,
        permanent: None,
    }]);
    let messages = vec![refused];
    let answers = subject.store.commit(Registrations { messages }).await;
    let answer = &answers.unwrap()[0];
    assert!(answer.is_apart);
    assert_eq!(answer.kept_broadcast, None);
    let messages = subject.messages().await;
    let found = messages.iter().map(|message| {
        let id = message.provider_message_id.as_deref();
        (id, message.broadcast.as_deref())
    });
    let found: Vec<_> = found.collect();
    assert_eq!(found, [(None, Some("summer")), (Some("a"), Some("spring"))]);
}

async fn a_registration_and_a_report_meet_whichever_comes_first(subject: Subject) {
    let store = &subject.store;
    let register = |id: &'static str| {
        let messages = vec![registering(id)];
        async move {
            let answers = store.commit(Registrations { messages }).await.unwrap();
            answers[0].registered
        }
    };
    assert_eq!(register("first").await, Registered::Created);
    subject.commit(vec![report("first", Status::Sent, 0)]).await;
    subject.commit(vec![report("after", Status::Sent, 0)]).await;
    assert_eq!(register("after").await, Registered::Joined);
    assert_eq!(register("after").await, Registered::Unchanged);
    let messages = subject.messages().await;
    assert_eq!(messages.len(), 2);
    for message in messages {
        assert_eq!(message.text.as_deref(), Some("Your order left"));
        assert_eq!(message.status, Some(Status::Sent));
    }
}

/// Where it waited for its commit meanwhile, or is of the past.
async fn a_registration_counts_from_when_it_was_handed_in(subject: Subject) {
    subject.subscriber("crm").await;
    subject.advance(60 * SECOND_MS);
    let messages = vec![Registering {
        received_ms: Some(START_MS + SECOND_MS),
        ..registering("a")
    }];
    let registrations = Registrations { messages };
    subject.store.commit(registrations).await.unwrap();
    let forwards = subject.forwards().await;
    assert_eq!(forwards[0].pending_since_ms, START_MS + SECOND_MS);
}

async fn what_was_answered_is_there_after_another_start(subject: Subject) {
    subject.subscriber("crm").await;
    let accepted = subject.commit(vec![report("a", Status::Sent, 0)]).await;
    let unparsed = Arrival {
        parsed: Ok(Parsed::default()),
        ..arrival(START_MS, Vec::new())
    };
    let ignored = subject.store.commit(unparsed).await.unwrap();
    assert_eq!(ignored.outcome, WebhookOutcome::Ignored);
    let before = (
        format!("{:?}", subject.messages().await),
        format!("{:?}", subject.forwards().await),
    );
    let subject = subject.opened_again().await;
    let after = (
        format!("{:?}", subject.messages().await),
        format!("{:?}", subject.forwards().await),
    );
    assert_eq!(before, after);
    let again = subject.commit(vec![report("a", Status::Sent, 0)]).await;
    assert_eq!(again.outcome, WebhookOutcome::Duplicate);
    assert_ne!(again.webhook_id, accepted.webhook_id);
    assert_ne!(again.webhook_id, ignored.webhook_id);
}
