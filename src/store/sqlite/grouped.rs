//! One group of n leaves the rows, and gets the answers, of n groups of one.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::accept::take_in;
use super::import::Import;
use super::pieces::{NOW_MS, Piece, any_piece};
use super::ranges::RangeTimes;
use super::schema;
use super::sources::Sources;
use crate::model::{PayloadOptions, Subscriber};
use crate::plan::group::{PublicIds, Work};

fn open() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    let nothing = Import::nothing();
    schema::migrate(&mut connection, Path::new("memory"), (0, 0), &nothing).unwrap();
    connection
        .execute_batch(
            "INSERT INTO source (name, provider) VALUES ('cloud', 'meta-cloud'), \
             ('bots', 'botsquad'); INSERT INTO template (name, language, body, updated_at_ms) \
             VALUES ('order', 'en', 'Hi {{1}}', 0)",
        )
        .unwrap();
    connection
}

/// Every row of the tables that a group writes.
fn rows(connection: &Connection) -> Vec<String> {
    let mut rows = Vec::new();
    for table in [
        "webhook",
        "ignored",
        "message",
        "registration",
        "poll",
        "report",
        "payload",
        "forward",
        "alert",
        "same_person",
        "account_event",
    ] {
        let sql = format!("SELECT * FROM {table} ORDER BY 1, 2");
        let mut statement = connection.prepare(&sql).unwrap();
        let names: Vec<String> = statement
            .column_names()
            .into_iter()
            .map(Into::into)
            .collect();
        let mut found = statement.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let columns = names.iter().map(|name| {
                let value: Value = row.get(&**name).unwrap();
                format!("{name} {value:?}")
            });
            rows.push(format!(
                "{table}: {}",
                columns.collect::<Vec<_>>().join(", ")
            ));
        }
    }
    rows
}

/// Subscribers of each kind, and one that is notified of everything.
fn subscribers() -> Vec<Arc<Subscriber>> {
    let one = |id: i64, kind: &str, reports: &str, channels: &[&str]| {
        let subscriber = serde_json::json!({
            "id": id, "name": kind, "url": "https://a.example", "kind": kind, "state": "active",
            "alert": {"account_events": true}, "filter": {"channels": channels},
            "options": PayloadOptions::default(), "reports": reports, "ordering": "relaxed",
            "concurrency": 8, "headers": [], "created_at_ms": 0,
        });
        Arc::new(serde_json::from_value(subscriber).unwrap())
    };
    vec![
        one(1, "callback", "changes", &[]),
        one(2, "callback", "all", &["any"]),
        one(3, "chat", "changes", &[]),
        one(4, "events", "changes", &[]),
    ]
}

/// Takes the pieces in, so many as a group, with public ids from `ids`; returns the answers.
fn take(
    connection: &Connection,
    pieces: &[Piece],
    size: usize,
    ids: &mut PublicIds,
) -> Vec<String> {
    let subscribers = subscribers();
    let nothing = HashMap::new();
    let mut times = RangeTimes::default();
    let mut answers = Vec::new();
    for group in pieces.chunks(size) {
        let works: Vec<Work<'_>> = group.iter().map(Piece::work).collect();
        let mut sources = Sources::new(connection, &nothing);
        let writing = (connection, &mut times);
        let moment = (NOW_MS, &mut *ids);
        let applied = take_in(writing, &mut sources, &works, &subscribers, moment);
        let given = applied.unwrap().answers.into_iter();
        answers.extend(given.map(|answer| format!("{answer:?}")));
    }
    answers
}

fn check(stored: &[Piece], group: &[Piece]) -> Result<(), TestCaseError> {
    let (once, singly) = (open(), open());
    let answers = [(&once, usize::MAX), (&singly, 1)].map(|(connection, size)| {
        // The same randomness comes in with both.
        let mut ids = PublicIds::new((0, 0));
        take(connection, stored, 1, &mut ids);
        take(connection, group, size, &mut ids)
    });
    prop_assert_eq!(&answers[0], &answers[1]);
    let (once, singly) = (rows(&once), rows(&singly));
    for (once, singly) in once.iter().zip(&singly) {
        prop_assert_eq!(once, singly);
    }
    prop_assert_eq!(once.len(), singly.len());
    Ok(())
}

#[test]
fn one_group_leaves_the_rows_of_many() {
    let config = Config {
        cases: 100,
        failure_persistence: None,
        ..Config::default()
    };
    let pieces = || proptest::collection::vec(any_piece(), 0..6);
    let cases = (pieces(), pieces()).prop_map(|(stored, mut group)| {
        let is_webhook = |piece: &&Piece| matches!(piece, Piece::Webhook(_));
        let webhooks = i64::try_from(stored.iter().filter(is_webhook).count()).unwrap();
        // Only what is stored is read again.
        group.retain(
            |piece| !matches!(piece, Piece::Again(key, _) | Piece::More(key, _) if *key > webhooks),
        );
        (stored, group)
    });
    let outcome = TestRunner::new(config).run(&cases, |(stored, group)| check(&stored, &group));
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
