//! What a list leaves out: each filter alone, and the scope of a reader.

use super::intake::registering;
use super::{
    DAY_MS, RECIPIENT, SECOND_MS, START_MS, Subject, arrival, each_engine, error, failed, report,
    report_with, sorted,
};
use crate::model::{ErrorCode, Filter, ForwardState, GaveUp, NewSubscriber, SendResult, Status};
use crate::providers::{Item, ParseError};
use crate::store::query::{ForwardQuery, MessageQuery, Scope, WebhookQuery, Window};
use crate::store::{Arrival, Registering, Registrations, Settled, WebhookOutcome};

each_engine!(
    a_list_of_messages_has_those_that_its_filter_names,
    a_list_of_forwards_has_those_that_its_filter_names,
    a_list_of_webhooks_has_those_that_its_filter_names,
);

/// What a query is narrowed by, and what is found then.
pub(super) type FilterCase<Q> = (fn(&mut Q), &'static str);

/// Another recipient than that of the usual reports.
const OTHER: &str = "385911112222";

/// A scope of this source.
pub(super) fn of_source(source: &str) -> Scope {
    Scope {
        sources: vec![source.to_owned()],
        ..Scope::default()
    }
}

/// A scope of this owner's subscribers.
pub(super) fn of_owner(owner: &str) -> Scope {
    Scope {
        owner: Some(owner.to_owned()),
        ..Scope::default()
    }
}

impl Subject {
    /// A subscriber of the owner `acme`, which wants reports of the source `second` alone.
    pub(super) async fn partner(&self) {
        let filter = Filter {
            sources: vec!["second".to_owned()],
            ..Filter::default()
        };
        let partner = NewSubscriber {
            owner: Some("acme".to_owned()),
            filter,
            ..NewSubscriber::new("partner", "https://partner.example/ticks")
        };
        self.add(partner).await;
    }

    async fn register(&self, registering: Registering) {
        let messages = vec![registering];
        let answers = self.store.commit(Registrations { messages }).await;
        assert_eq!(answers.unwrap().len(), 1);
    }

    /// Five messages, one a second: `a` and `b` of two sources and recipients, `c` of another
    /// channel, `d` registered and silent after a minute, `e` refused.
    async fn five_messages(&self) {
        let of_spring = report_with(("a", Status::Sent, 0), |report| {
            report.broadcast = Some("spring".to_owned());
        });
        self.commit(vec![of_spring]).await;
        self.advance(SECOND_MS);
        let of_other = report_with(("b", Status::Failed, 1), |report| {
            report.errors.push(error(131_026));
            report.recipient = Some(OTHER.to_owned());
        });
        self.commit_by("second", vec![of_other]).await;
        self.advance(SECOND_MS);
        let by_viber = report_with(("c", Status::Delivered, 2), |report| {
            report.channel = Some("viber_bm".to_owned());
        });
        self.commit(vec![by_viber]).await;
        self.advance(SECOND_MS);
        let mut silent = registering("d");
        silent.registration.ttl_s = Some(60);
        self.register(silent).await;
        self.advance(SECOND_MS);
        let mut refused = registering("e");
        refused.result = SendResult::Refused(vec![error(132_000)]);
        self.register(refused).await;
    }
}

impl Subject {
    async fn messages_by(&self, narrow: impl FnOnce(&mut MessageQuery)) -> String {
        let mut query = MessageQuery {
            window: Window::newest(10),
            ..MessageQuery::default()
        };
        narrow(&mut query);
        let rows = self.read(query).await.rows.into_iter();
        let ids = rows.filter_map(|row| row.provider_message_id);
        ids.collect::<Vec<_>>().join(" ")
    }

    /// In the order of the alphabet.
    async fn forwards_by(&self, narrow: impl FnOnce(&mut ForwardQuery)) -> String {
        let mut query = ForwardQuery {
            window: Window::newest(10),
            ..ForwardQuery::default()
        };
        narrow(&mut query);
        let rows = self.read(query).await.rows.into_iter();
        let found = rows.map(|row| {
            let id = row.provider_message_id.unwrap_or_default();
            format!("{}/{id}", row.subscriber)
        });
        sorted(found).join(" ")
    }
}

async fn a_list_of_messages_has_those_that_its_filter_names(subject: Subject) {
    subject.partner().await;
    subject.five_messages().await;
    let cases: [FilterCase<MessageQuery>; 18] = [
        (|_| {}, "e d c b a"),
        (|query| query.provider_message_id = Some("a".into()), "a"),
        (
            |query| query.recipient = Some("+385 91 111-2222".into()),
            "b",
        ),
        (|query| query.status = Some(Status::Failed), "e b"),
        (|query| query.channel = Some("viber".into()), "c"),
        (|query| query.channel = Some("viber_bm".into()), "c"),
        (|query| query.channel = Some("sms".into()), ""),
        (|query| query.error = Some("meta:131026".into()), "b"),
        (|query| query.error = Some("132000".into()), "e"),
        (|query| query.source = Some("second".into()), "b"),
        (|query| query.broadcast = Some("spring".into()), "a"),
        (
            |query| query.since_ms = Some(START_MS + 2 * SECOND_MS),
            "e d c",
        ),
        (
            |query| query.until_ms = Some(START_MS + 2 * SECOND_MS),
            "b a",
        ),
        (
            |query| query.silent_at_ms = Some(START_MS + 60 * SECOND_MS),
            "",
        ),
        (|query| query.silent_at_ms = Some(START_MS + DAY_MS), "d"),
        (|query| query.refused = true, "e"),
        (|query| query.scope = of_source("second"), "b"),
        // What is forwarded to the owner's subscribers.
        (|query| query.scope = of_owner("acme"), "b"),
    ];
    for (number, (narrow, expected)) in cases.into_iter().enumerate() {
        let found = subject.messages_by(narrow).await;
        assert_eq!(found, expected, "case {number}");
    }
}

impl Subject {
    /// `a` was delivered to `crm`; `b` of the other source was given up there, and is pending for
    /// the partner.
    async fn three_forwards(&self) {
        self.commit(vec![report("a", Status::Sent, 0)]).await;
        self.advance(SECOND_MS);
        let of_other = report_with(("b", Status::Failed, 1), |report| {
            report.recipient = Some(OTHER.to_owned());
        });
        self.commit_by("second", vec![of_other]).await;
        let now_ms = self.now_ms();
        let gave_up = Settled::GaveUp(GaveUp::AttemptsExhausted);
        for (message, error, settled) in [
            ("a", None, Settled::Delivered),
            ("b", Some(ErrorCode::Timeout), gave_up),
        ] {
            let forward = self.forward_to("crm", message).await;
            self.end_attempt(&forward, now_ms, error, settled).await;
        }
    }
}

async fn a_list_of_forwards_has_those_that_its_filter_names(subject: Subject) {
    let crm = subject.subscriber("crm").await;
    subject.partner().await;
    subject.three_forwards().await;
    let cases: [FilterCase<ForwardQuery>; 13] = [
        (|_| {}, "crm/a crm/b partner/b"),
        (|query| query.state = Some(ForwardState::Delivered), "crm/a"),
        (|query| query.state = Some(ForwardState::GaveUp), "crm/b"),
        (
            |query| query.state = Some(ForwardState::Pending),
            "partner/b",
        ),
        (|query| query.error = Some(ErrorCode::Timeout), "crm/b"),
        (|query| query.message = Some("a".into()), "crm/a"),
        (|query| query.recipient = Some(RECIPIENT.into()), "crm/a"),
        (
            |query| query.source = Some("second".into()),
            "crm/b partner/b",
        ),
        (|query| query.status = Some(Status::Sent), "crm/a"),
        (
            |query| query.since_ms = Some(START_MS + SECOND_MS),
            "crm/b partner/b",
        ),
        (|query| query.until_ms = Some(START_MS + SECOND_MS), "crm/a"),
        (|query| query.scope = of_source("cloud"), "crm/a"),
        (|query| query.scope = of_owner("acme"), "partner/b"),
    ];
    for (number, (narrow, expected)) in cases.into_iter().enumerate() {
        let found = subject.forwards_by(narrow).await;
        assert_eq!(found, expected, "case {number}");
    }
    let of_crm = subject.forwards_by(|query| query.subscriber_id = Some(crm.id));
    assert_eq!(of_crm.await, "crm/a crm/b");
}

impl Subject {
    /// Five webhooks, one a second: one is processed, one a repeat, one of another source without a
    /// report, one that cannot be read, and one that is processed in part.
    pub(super) async fn five_webhooks(&self) {
        let received = |number: i64, items| Arrival {
            user_agent: Some(number.to_string()),
            ..arrival(START_MS + number * SECOND_MS, items)
        };
        let sent = || vec![report("a", Status::Sent, 0)];
        let part = vec![failed("b", 131_026), Item::Unreadable("odd".to_owned())];
        let arrivals = [
            received(0, sent()),
            received(1, sent()),
            Arrival {
                source: "second".into(),
                ..received(2, Vec::new())
            },
            Arrival {
                parsed: Err(ParseError::NotJson("it ends".to_owned())),
                ..received(3, Vec::new())
            },
            received(4, part),
        ];
        for arrival in arrivals {
            self.store.commit(arrival).await.unwrap();
            self.advance(SECOND_MS);
        }
    }
}

async fn a_list_of_webhooks_has_those_that_its_filter_names(subject: Subject) {
    subject.five_webhooks().await;
    let cases: [FilterCase<WebhookQuery>; 9] = [
        (|_| {}, "4 3 2 1 0"),
        (
            |query| query.outcome = Some(WebhookOutcome::Processed),
            "4 0",
        ),
        (|query| query.outcome = Some(WebhookOutcome::Duplicate), "1"),
        (|query| query.outcome = Some(WebhookOutcome::Ignored), "2"),
        // Those that were read in part too.
        (
            |query| query.outcome = Some(WebhookOutcome::Unparsed),
            "4 3",
        ),
        (|query| query.source = Some("second".into()), "2"),
        (
            |query| query.since_ms = Some(START_MS + 2 * SECOND_MS),
            "4 3 2",
        ),
        (
            |query| query.until_ms = Some(START_MS + 2 * SECOND_MS),
            "1 0",
        ),
        (|query| query.scope = of_source("second"), "2"),
    ];
    for (number, (narrow, expected)) in cases.into_iter().enumerate() {
        let mut query = WebhookQuery {
            window: Window::newest(10),
            ..WebhookQuery::default()
        };
        narrow(&mut query);
        let rows = subject.read(query).await.rows.into_iter();
        let found: Vec<_> = rows.filter_map(|row| row.user_agent).collect();
        assert_eq!(found.join(" "), expected, "case {number}");
    }
}
