//! Invented work for a test: pieces that meet in their messages, people, broadcasts and errors.

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::model::{
    About, AccountEvent, Echo, EventGroup, FilledTemplate, Kind, MessageType, Parameters,
    Registration, Report, ReportError, SendResult, Status, WebhookKey, Word as _,
};
use crate::plan::group::Work;
use crate::plan::{Arrival, Registering};
use crate::providers::{Item, Parsed, Provider};

/// When everything is decided.
pub(super) const NOW_MS: i64 = 1_770_798_600_000;
const SENT_MS: i64 = 1_760_000_000_000;

/// One piece of work, which owns what [`Work`] borrows.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a story has a dozen of them")]
pub(super) enum Piece {
    Webhook(Arrival),
    Again(i64, Arrival),
    More(i64, Arrival),
    Registration(Registering),
}

impl Piece {
    pub(super) const fn work(&self) -> Work<'_> {
        match self {
            Self::Webhook(arrival) => Work::Webhook(arrival),
            Self::Again(webhook_id, arrival) => Work::Again {
                webhook_id: WebhookKey::of(*webhook_id),
                arrival,
            },
            Self::More(webhook_id, arrival) => Work::More {
                webhook_id: WebhookKey::of(*webhook_id),
                arrival,
            },
            Self::Registration(registering) => Work::Registration(registering),
        }
    }
}

const SOURCES: &[&str] = &["cloud", "bots"];
const IDS: &[&str] = &["a", "b", "c"];
const NUMBERS: &[&str] = &["34600000001", "34600000002", "+34600000003"];
const USERS: &[&str] = &["ES.1", "ES.2"];

fn pick(words: &'static [&'static str], weight: f64) -> impl Strategy<Value = Option<String>> {
    proptest::option::weighted(
        weight,
        proptest::sample::select(words).prop_map(str::to_owned),
    )
}

fn any_status() -> impl Strategy<Value = Option<Status>> {
    let all: Vec<Option<Status>> = Status::ALL
        .iter()
        .copied()
        .map(Some)
        .chain([None])
        .collect();
    proptest::sample::select(all)
}

fn any_registration() -> impl Strategy<Value = Registration> {
    (
        pick(&["Hello", "Bye"], 0.5),
        pick(NUMBERS, 0.6),
        pick(USERS, 0.3),
        proptest::option::weighted(0.4, 60_i64..70),
        proptest::option::weighted(0.3, 0_i64..4),
        pick(&["order", "other"], 0.4),
        pick(&["b-1", "b-2"], 0.4),
        pick(&[r#"{"a":1}"#, r#"{"b":2}"#], 0.3),
    )
        .prop_map(
            |(text, recipient, user_id, ttl_s, second, template, broadcast, metadata)| {
                Registration {
                    text,
                    recipient,
                    user_id,
                    ttl_s,
                    sent_ms: second.map(|second| SENT_MS + second),
                    template: template.map(|name| FilledTemplate {
                        name,
                        language: Some("en".to_owned()),
                        parameters: Parameters::Positional(vec!["Ana".to_owned()]),
                    }),
                    broadcast,
                    metadata,
                    ..Registration::default()
                }
            },
        )
}

fn error(code: i64, words: &str) -> ReportError {
    ReportError {
        key: format!("meta:{code}"),
        code: Some(code),
        title: Some("An error".to_owned()),
        details: Some(words.to_owned()),
        href: None,
        permanent: None,
    }
}

/// A report of a status, or of none, with its errors.
fn any_statement() -> impl Strategy<Value = Report> {
    (
        (pick(IDS, 0.9), any_status(), 0_u8..12),
        proptest::option::weighted(0.8, 0_i64..3),
        (0_i64..2, proptest::sample::select(&["x", "y"][..])),
    )
        .prop_map(|((id, status, kind), second, (code, words))| {
            let word = status.map_or("warning", Status::as_str);
            let kind = match kind {
                0 => Kind::Click,
                1 => Kind::Echo,
                _ => Kind::Status,
            };
            let mut report = Report::new(kind, word, None, b"");
            report.message = id;
            report.status = status.filter(|_| kind == Kind::Status);
            report.time.text = second.map(|second| second.to_string());
            report.time.ms = second.map(|second| SENT_MS + second * 1000);
            if report.status == Some(Status::Failed) {
                report.errors.push(error(131_026 + code, words));
            }
            report
        })
}

fn any_report() -> impl Strategy<Value = Report> {
    let people = (
        pick(NUMBERS, 0.6),
        pick(USERS, 0.4),
        pick(NUMBERS, 0.25),
        pick(&["grp"], 0.15),
    );
    let channel = (pick(&["sms", "viber"], 0.15), any::<bool>());
    let sent = (
        pick(&["b-1", "b-9"], 0.2),
        proptest::option::weighted(0.25, any_registration()),
    );
    (any_statement(), people, channel, sent).prop_map(|(mut report, people, channel, sent)| {
        let (recipient, user_id, participant, group) = people;
        report.recipient = recipient;
        report.recipient_user_id = user_id;
        if let (Some(channel), falls_back) = channel {
            if falls_back && report.status == Some(Status::Delivered) {
                report.fallback = Some(error(7, "fell back"));
            }
            report.channel = Some(channel);
        } else {
            report.group = group.or(participant.as_ref().map(|_| "grp".to_owned()));
            report.participant = participant;
        }
        report.broadcast = sent.0;
        report.echo = sent.1.map(|registration| Echo {
            text: Some("e".to_owned()),
            registration: Some(registration),
        });
        // A report without an id of its message is identified by its bytes.
        report.element_hash = Sha256::digest(format!("{report:?}")).into();
        report
    })
}

fn any_event() -> impl Strategy<Value = AccountEvent> {
    (
        proptest::sample::select(
            &[
                About::Channel,
                About::Account,
                About::Template,
                About::Contact,
            ][..],
        ),
        0_i64..3,
        proptest::option::weighted(0.7, 0_i64..3),
        pick(&["34600000001", "welcome1"], 0.8),
        pick(&["a 1000", "a 250"], 0.7),
        pick(USERS, 0.3),
    )
        .prop_map(|(about, code, second, subject, detail, user)| {
            let words = Provider::MetaCloud.definition().events;
            let words = match about {
                About::Account => words.of(EventGroup::Account, "LIMITS_CHANGED".to_owned()),
                _ => words.of(
                    EventGroup::Contact,
                    ["stop", "resume", "x"][usize::try_from(code).unwrap()].to_owned(),
                ),
            };
            let event = AccountEvent::new("f", about, subject, &words);
            let mut event = event.with_detail([detail]);
            if about == About::Contact {
                event = event.of_person(Some("34600000002".to_owned()), user);
            }
            event.time.ms = second.map(|second| SENT_MS + second * 1000);
            event
        })
}

fn any_item() -> impl Strategy<Value = Item> {
    prop_oneof![
        10 => any_report().prop_map(|report| Item::Report(Box::new(report))),
        2 => any_event().prop_map(|event| Item::Account(Box::new(event))),
        1 => any::<bool>().prop_map(|_| Item::Ignored("inbound".into())),
        1 => any::<bool>().prop_map(|_| Item::Unreadable("odd".to_owned())),
        2 => (proptest::sample::select(NUMBERS), proptest::sample::select(USERS)).prop_map(|(one, other)| {
            Item::SamePerson(vec![one.trim_start_matches('+').to_owned(), other.to_owned()])
        }),
    ]
}

pub(super) fn any_arrival() -> impl Strategy<Value = Arrival> {
    (
        proptest::sample::select(SOURCES),
        proptest::collection::vec(any_item(), 0..6),
        0_i64..3,
    )
        .prop_map(|(source, items, hours)| Arrival {
            source: source.into(),
            provider: if source == "bots" {
                Provider::Botsquad
            } else {
                Provider::MetaCloud
            },
            default_type: MessageType::Regular,
            default_sender: None,
            received_ms: NOW_MS - 10_000_000 + hours * 3_700_000,
            content_type: None,
            content_encoding: None,
            user_agent: None,
            broadcast: None,
            known: 0,
            body: b"{}".to_vec(),
            parsed: Ok(Parsed { items }),
        })
}

fn any_registering() -> impl Strategy<Value = Registering> {
    (
        proptest::sample::select(SOURCES),
        pick(IDS, 0.9),
        any_registration(),
        0_u8..6,
        pick(&["acme", "other"], 0.4),
        proptest::sample::select(&["x", "y"][..]),
    )
        .prop_map(|(source, id, registration, result, owner, words)| {
            let result = match result {
                0 => SendResult::Refused(vec![error(131_026, words)]),
                1 => SendResult::AcceptedAs("paused".to_owned()),
                2 | 3 => SendResult::accepted(),
                4 if id.is_some() => SendResult::Refused(vec![error(132_000, words)]),
                _ => SendResult::Accepted,
            };
            Registering {
                source: source.into(),
                provider: if source == "bots" {
                    Provider::Botsquad
                } else {
                    Provider::MetaCloud
                },
                default_type: MessageType::Template,
                default_sender: None,
                provider_message_id: id,
                element: words.to_owned(),
                registration,
                result,
                received_ms: None,
                oddities: Vec::new(),
                owner,
                owners: vec!["acme".to_owned(), "other".to_owned()],
            }
        })
}

pub(super) fn any_piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        6 => any_arrival().prop_map(Piece::Webhook),
        1 => (1_i64..6, any_arrival()).prop_map(|(key, arrival)| Piece::Again(key, arrival)),
        1 => (1_i64..6, any_arrival()).prop_map(|(key, arrival)| Piece::More(key, arrival)),
        3 => any_registering().prop_map(Piece::Registration),
    ]
}
