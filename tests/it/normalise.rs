//! The folders of `fixtures/`: what the service makes of what the providers send.
//!
//! Each folder is posted over HTTP to a source of its own; what came of it is compared with
//! the folder's `expected.json`. `UPDATE_FIXTURES=1` writes that file: read it then as if
//! somebody else had written it.

use std::path::PathBuf;

use rusqlite::types::ValueRef;
use serde_json::{Map, Value, json};
use tickrelay::clock::{Clock, Hand};
use tickrelay::model::{ErrorFormat, NumberFormat, PayloadFormat, PayloadOptions, TimestampFormat};
use tickrelay::store::Prunable;

use crate::support::fixtures::{self, Case};
use crate::support::receiver::{Received, Receiver};
use crate::support::{TestApp, until};
use crate::upkeep::prune;

/// When the first body of each case arrives: 2026-02-11T08:30:00Z. Each further one is
/// posted a second later.
const ARRIVAL_MS: i64 = 1_770_798_600_000;

/// Longer texts are cut in `expected.json`, their length beside them.
const TEXT_LIMIT: usize = 160;

/// The service with a source for each case and the subscribers of [`Listeners`].
async fn boot(cases: &[Case]) -> (TestApp, Hand) {
    let (clock, hand) = Clock::manual(ARRIVAL_MS);
    let sources = cases.iter().map(Case::source).collect();
    let app = TestApp::boot_with(clock, |config| config.sources = sources).await;
    (app, hand)
}

/// Subscribers that take everything: one with the default formats, one with the others, one
/// with the extended payload.
struct Listeners {
    default: Receiver,
    other: Receiver,
    extended: Receiver,
}

impl Listeners {
    async fn subscribe(app: &TestApp) -> Self {
        let listeners = Self {
            default: Receiver::start(),
            other: Receiver::start(),
            extended: Receiver::start(),
        };
        app.subscribe("default", &listeners.default.url).await;
        app.subscribe_with("other", &listeners.other.url, |new| {
            new.options = PayloadOptions {
                format: PayloadFormat::Rocketchat,
                error_format: ErrorFormat::String,
                phone_format: NumberFormat::Digits,
                timestamp_format: TimestampFormat::EpochSeconds,
            };
        })
        .await;
        app.subscribe_with("extended", &listeners.extended.url, |new| {
            new.options.format = PayloadFormat::Extended;
        })
        .await;
        listeners
    }
}

/// Sets the clock to where each case begins. What waits is moved along, and the case begins when
/// that is over: it is about something else.
async fn set_back(app: &TestApp, hand: &Hand) {
    hand.set_ms(ARRIVAL_MS);
    // The writer looks at the clock after whatever it did.
    prune(app, Prunable::Replays, 0).await;
    let moved =
        "SELECT (SELECT shown_ms FROM clock) = ?1 AND NOT EXISTS (SELECT 1 FROM clock_rollback)";
    let moved = moved.replace("?1", &ARRIVAL_MS.to_string());
    until("what waits is moved", || app.value::<bool>(&moved)).await;
}

/// Posts each case; returns what came of it, as it stands in `expected.json`.
async fn found(cases: &[Case]) -> Vec<String> {
    let (app, hand) = boot(cases).await;
    let listeners = Listeners::subscribe(&app).await;
    let mut found = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let before = (
            listeners.default.count(),
            listeners.other.count(),
            listeners.extended.count(),
        );
        let mut answers = Vec::new();
        if number > 0 {
            set_back(&app, &hand).await;
        }
        for body in &case.bodies {
            answers.push(case.post(&app, &case.source_name(), body).await);
            // In order per message is promised, in which order two messages go is not.
            app.settled().await;
            hand.advance(std::time::Duration::from_secs(1));
        }
        let default = payloads(&listeners.default, before.0);
        let other = payloads(&listeners.other, before.1);
        let extended = payloads(&listeners.extended, before.2);
        assert_eq!(extended.len(), default.len(), "{}", case.path());
        for payload in &default {
            assert!(
                extended.iter().any(|extended| extends(extended, payload)),
                "{}: {payload}",
                case.path()
            );
        }
        let outcome = outcome(&app, case, &answers, &default, &other);
        found.push(serde_json::to_string_pretty(&outcome).unwrap() + "\n");
    }
    found
}

/// The cases of which something else was expected, and what.
fn faults(cases: &[Case], expected: &[String], found: &[String]) -> Vec<String> {
    let pairs = cases.iter().zip(expected.iter().zip(found));
    let fault = |(case, (expected, found)): (&Case, (&String, &String))| {
        difference(expected, found)
            .map(|lines| format!("{} ({})\n{lines}", case.path(), case.claim.title))
    };
    pairs.filter_map(fault).collect()
}

fn expected_file(case: &Case) -> PathBuf {
    case.folder.join("expected.json")
}

fn expected(cases: &[Case]) -> Vec<String> {
    let read = |case: &Case| std::fs::read_to_string(expected_file(case)).unwrap_or_default();
    cases.iter().map(read).collect()
}

#[actix_web::test]
async fn every_fixture_becomes_what_its_folder_expects() {
    let cases = fixtures::all();
    let found = found(&cases).await;
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        for (case, text) in cases.iter().zip(&found) {
            std::fs::write(expected_file(case), text).unwrap();
        }
    }
    let faults = faults(&cases, &expected(&cases), &found);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[actix_web::test]
async fn a_fixture_of_which_anything_else_is_expected_is_caught_by_its_name() {
    let mut cases = fixtures::all();
    cases.retain(|case| case.name == "failed-not-on-whatsapp" || case.name == "echo-of-the-sender");
    let (found, expected) = (found(&cases).await, expected(&cases));
    assert_eq!(faults(&cases, &expected, &found), Vec::<String>::new());
    // An answer, a webhook's outcome, a report's value, a payload's: each line by itself.
    for (number, case) in cases.iter().enumerate() {
        for line in 0..expected[number].lines().count() {
            let mut changed: Vec<&str> = expected[number].lines().collect();
            let gone = changed.remove(line);
            let mut expected = expected.clone();
            expected[number] = changed.join("\n") + "\n";
            let faults = faults(&cases, &expected, &found);
            assert_eq!(faults.len(), 1, "without {gone:?}: {faults:?}");
            assert!(faults[0].starts_with(&case.path()), "{faults:?}");
        }
    }
}

#[actix_web::test]
async fn every_fixture_posted_again_brings_nothing_new() {
    let cases = fixtures::all();
    let (app, hand) = boot(&cases).await;
    let _listeners = Listeners::subscribe(&app).await;
    for case in &cases {
        let source = case.source_name();
        let post_all = || async {
            for body in &case.bodies {
                case.post(&app, &source, body).await;
            }
        };
        post_all().await;
        let stored = state(&app, &source);
        hand.advance(std::time::Duration::from_mins(1));
        post_all().await;
        assert_eq!(state(&app, &source), stored, "{}", case.path());
    }
}

#[actix_web::test]
async fn every_fixture_ends_in_one_state_whatever_the_order_of_its_bodies() {
    let cases = fixtures::all();
    let backwards = |case: &Case| format!("{}-backwards", case.source_name());
    let (clock, _hand) = Clock::manual(ARRIVAL_MS);
    let app = TestApp::boot_with(clock, |config| {
        let both = |case: &Case| [case.source(), case.source_named(&backwards(case))];
        config.sources = cases.iter().flat_map(both).collect();
    })
    .await;
    for case in cases.iter().filter(|case| case.bodies.len() > 1) {
        for body in &case.bodies {
            case.post(&app, &case.source_name(), body).await;
        }
        for body in case.bodies.iter().rev() {
            case.post(&app, &backwards(case), body).await;
        }
        let forwards = messages(&app, &case.source_name());
        let backwards = messages(&app, &backwards(case));
        assert_eq!(forwards, backwards, "{}", case.path());
    }
}

/// All that is known of a source's messages and queued for them, and of its account.
fn state(app: &TestApp, source: &str) -> [Vec<Value>; 3] {
    let sql = "SELECT r.report_id, r.change, f.forward_id FROM report r JOIN message USING (message_id) \
               JOIN source USING (source_id) LEFT JOIN forward f USING (report_id) WHERE name = ?1 \
               ORDER BY r.report_id, f.forward_id";
    let forwards = rows(app, source, sql, &[]);
    let repeats = ["repeats", "last_repeat_ms"];
    let events = rows(app, source, ACCOUNT_EVENTS, &repeats);
    [messages(app, source), forwards, events]
}

/// What came of a case, as it stands in `expected.json`.
fn outcome(
    app: &TestApp,
    case: &Case,
    answers: &[u16],
    default: &[Value],
    other: &[Value],
) -> Value {
    check_raw_bytes(app, case);
    let source = case.source_name();
    let mut outcome = json!({
        "answers": answers,
        "webhooks": rows(app, &source, WEBHOOKS, &[]),
        "ignored": rows(app, &source, "SELECT what, count FROM ignored JOIN source USING (source_id) \
                                       WHERE name = ?1 ORDER BY what", &[]),
        "account_events": rows(app, &source, ACCOUNT_EVENTS, ACCOUNT_EVENT_KEYS),
        "reports": rows(app, &source, REPORTS, REPORT_KEYS),
        "messages": messages(app, &source),
        "payloads": default,
    });
    // What the other formats make of a plain number or of no error is in every other case.
    if default.iter().any(is_worth_another_format) {
        outcome["payloads_in_other_formats"] = json!(other);
    }
    outcome.as_object_mut().unwrap().retain(|key, value| {
        key == "answers"
            || key == "webhooks"
            || value.as_array().is_none_or(|rows| !rows.is_empty())
    });
    outcome
}

/// Whether the one has all that the other has.
fn extends(extended: &Value, payload: &Value) -> bool {
    let mut all = payload.as_object().unwrap().iter();
    all.all(|(key, value)| extended.get(key) == Some(value))
}

fn is_worth_another_format(payload: &Value) -> bool {
    let number = payload["mobileNo"].as_str().unwrap();
    payload.get("ErrorDetails").is_some() || !number.starts_with('+')
}

const WEBHOOKS: &str = "SELECT outcome, outcome_detail, reports, new_reports, unreadable \
     FROM webhook JOIN source USING (source_id) WHERE name = ?1 ORDER BY webhook_id";

/// `body` is the number of the body that brought the report.
const REPORTS: &str = "SELECT m.provider_message_id AS message, \
     (SELECT count(*) FROM webhook w WHERE w.source_id = m.source_id AND w.webhook_id <= r.webhook_id) \
     AS body, r.* FROM report r JOIN message m USING (message_id) JOIN source s USING (source_id) \
     WHERE s.name = ?1 ORDER BY r.report_id";

/// Columns that say nothing about what a report means.
const REPORT_KEYS: &[&str] = &[
    "report_id",
    "message_id",
    "webhook_id",
    "identity",
    "received_at_ms",
    "last_repeat_ms",
    // Beside it stands `channel`.
    "other_channel",
];

const ACCOUNT_EVENTS: &str = "SELECT e.* FROM account_event e JOIN source s USING (source_id) \
     WHERE s.name = ?1 ORDER BY e.account_event_id";

/// Columns that say nothing about what an account event means.
const ACCOUNT_EVENT_KEYS: &[&str] = &[
    "account_event_id",
    "source_id",
    "webhook_id",
    "first_event_id",
    "identity_ms",
    "received_at_ms",
    "last_repeat_ms",
    "notice_until_ms",
];

fn messages(app: &TestApp, source: &str) -> Vec<Value> {
    let sql = "SELECT provider_message_id AS message, channel, status, conflict, type, type_rule, recipient, \
               sender, text, broadcast, category, queued_at_ms, sent_at_ms, delivered_at_ms, \
               read_at_ms, failed_at_ms, deleted_at_ms, error_key FROM message \
               JOIN source USING (source_id) WHERE name = ?1 \
               ORDER BY provider_message_id, element_hash";
    rows(app, source, sql, &[])
}

/// The rows of a source as JSON, without what is null, zero by default, or `left_out`.
fn rows(app: &TestApp, source: &str, sql: &str, left_out: &[&str]) -> Vec<Value> {
    let connection = app.sqlite();
    let mut statement = connection.prepare(sql).unwrap();
    let names: Vec<String> = statement
        .column_names()
        .iter()
        .map(ToString::to_string)
        .collect();
    let read = |row: &rusqlite::Row<'_>| {
        let mut object = Map::new();
        for (index, name) in names.iter().enumerate() {
            let by_default = ["repeats", "conflict", "unreadable"].contains(&name.as_str());
            let value = match row.get_ref(index)? {
                ValueRef::Null => continue,
                ValueRef::Integer(0) if by_default => continue,
                ValueRef::Integer(number) => json!(number),
                ValueRef::Real(number) => json!(number),
                ValueRef::Text(text) if name == "channel" && text == b"whatsapp" => continue,
                ValueRef::Text(text) if name == "errors" => serde_json::from_slice(text).unwrap(),
                ValueRef::Text(text) => shortened(std::str::from_utf8(text).unwrap()),
                ValueRef::Blob(bytes) => json!(hex::encode(bytes)),
            };
            if !left_out.contains(&name.as_str()) {
                object.insert(name.clone(), value);
            }
        }
        Ok(Value::Object(object))
    };
    statement
        .query_map([source], read)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn shortened(text: &str) -> Value {
    let length = text.chars().count();
    if length <= TEXT_LIMIT {
        return json!(text);
    }
    let start: String = text.chars().take(TEXT_LIMIT / 4).collect();
    json!(format!("{start}… ({length} characters)"))
}

/// What a subscriber got since, message by message, and in the order of arrival for each.
fn payloads(receiver: &Receiver, before: usize) -> Vec<Value> {
    let mut payloads: Vec<Value> = receiver.received()[before..]
        .iter()
        .map(Received::json)
        .collect();
    // Two payloads without an id are of two messages, so nothing shows which comes first.
    payloads.sort_by_key(|payload| match payload.get("msId") {
        Some(id) => id.as_str().unwrap().to_owned(),
        None => payload.to_string(),
    });
    for payload in &mut payloads {
        for value in payload.as_object_mut().unwrap().values_mut() {
            if let Value::String(text) = value {
                *value = shortened(text);
            }
        }
    }
    payloads
}

/// Every body that was not known already is kept byte for byte.
fn check_raw_bytes(app: &TestApp, case: &Case) {
    let connection = app.sqlite();
    let mut statement = connection
        .prepare(
            "SELECT outcome, body FROM webhook JOIN source USING (source_id) WHERE name = ?1 \
             ORDER BY webhook_id",
        )
        .unwrap();
    let stored: Vec<(String, Option<Vec<u8>>)> = statement
        .query_map([case.source_name()], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(stored.len(), case.bodies.len(), "{}", case.path());
    for ((outcome, kept), sent) in stored.iter().zip(&case.bodies) {
        let expected = (outcome != "duplicate").then_some(sent);
        assert_eq!(kept.as_ref(), expected, "{}", case.path());
    }
}

/// The lines in which two texts differ, without what is equal at both ends.
fn difference(expected: &str, found: &str) -> Option<String> {
    if expected == found {
        return None;
    }
    let (mut expected, mut found): (Vec<&str>, Vec<&str>) =
        (expected.lines().collect(), found.lines().collect());
    while !expected.is_empty() && expected.last() == found.last() {
        expected.pop();
        found.pop();
    }
    let equal = expected
        .iter()
        .zip(&found)
        .take_while(|(one, two)| one == two)
        .count();
    let marked = |mark: &'static str, line: &&str| format!("  {mark} {line}");
    let gone = expected[equal..].iter().map(|line| marked("-", line));
    let new = found[equal..].iter().map(|line| marked("+", line));
    Some(gone.chain(new).collect::<Vec<_>>().join("\n"))
}
