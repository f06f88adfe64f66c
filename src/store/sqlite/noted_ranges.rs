//! What is noted of a range of keys: from memory where the writer's groups alone filled it, else by its rows.

use std::path::Path;
use std::sync::Arc;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use rusqlite::Connection;

use super::import::Import;
use super::pieces::any_arrival;
use super::ranges::{RangeTimes, RowTime, Timed};
use super::schema;
use super::writer::Core;
use crate::clock::Clock;
use crate::model::{Kind, Report, Status};
use crate::providers::{Item, Parsed};
use crate::store::{Arrival, Options, Store};

/// A store without rows.
fn empty() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    let nothing = Import::nothing();
    schema::migrate(&mut connection, Path::new("memory"), (0, 0), &nothing).unwrap();
    connection
}

/// What is noted, in the order of kinds and ranges.
fn notes(connection: &Connection) -> Vec<String> {
    let mut select = connection
        .prepare("SELECT concat_ws(' ', kind, range_id, earliest_ms, latest_ms) FROM key_range")
        .unwrap();
    let notes = select.query_map([], |row| row.get(0)).unwrap();
    notes.collect::<rusqlite::Result<_>>().unwrap()
}

#[test]
fn a_range_is_noted_from_memory_only_when_each_of_its_keys_was_seen() {
    use RowTime::{At, Uncounted, Unknown};

    let (connection, mut times) = (empty(), RangeTimes::default());
    let mut give = |key, time| {
        let given_out = times.given_out(&connection, Timed::Payload, (key, time));
        given_out.unwrap();
    };
    // Begun elsewhere: the rows of range 0 are read, and there are none.
    give(1023, At(1));
    give(1024, Uncounted);
    give(1025, At(50));
    give(1026, At(30));
    give(2048, Uncounted);
    give(3072, At(9));
    give(3073, Unknown);
    // Range 3 is read. Range 4 is noted although the next one's first key is never seen.
    give(4096, At(7));
    give(5121, At(8));
    give(6144, At(8));
    assert_eq!(notes(&connection), ["payload 1 30 50", "payload 4 7 7"]);
}

#[test]
fn a_time_that_is_lowered_while_its_range_is_open_is_noted() {
    let (connection, mut times) = (empty(), RangeTimes::default());
    let mut give = |key, at_ms| {
        let given_out = (key, RowTime::At(at_ms));
        times
            .given_out(&connection, Timed::Message, given_out)
            .unwrap();
        // The second is of a range that has ended.
        times.moved(Timed::Message, (key, at_ms - 10));
        times.moved(Timed::Message, (key - 1024, 0));
    };
    give(1024, 60);
    give(1025, 70);
    give(2048, 80);
    assert_eq!(notes(&connection), ["message 1 50 70"]);
}

/// A webhook that arrived then, with nothing in it or a report.
fn arrival(received_ms: i64, report: Option<Report>) -> Arrival {
    let tree = any_arrival().new_tree(&mut TestRunner::deterministic());
    let items = report.map(|report| Item::Report(Box::new(report)));
    Arrival {
        received_ms,
        parsed: Ok(Parsed {
            items: items.into_iter().collect(),
        }),
        ..tree.unwrap().current()
    }
}

/// A group that is rolled back, and any other transaction, may change what is in memory of a range.
#[tokio::test]
async fn the_writer_reads_a_range_again_that_its_groups_alone_did_not_fill() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::of_test(folder.path());
    let clock = Clock::manual(1_760_000_000_000).0;
    let store = Store::open(&options, clock, Arc::default()).unwrap();
    let other = Connection::open(folder.path().join("t.db")).unwrap();
    let commit = async |received_ms| store.commit(arrival(received_ms, None)).await.unwrap();
    let skip_to = |key: i64| {
        let sql = "UPDATE sqlite_sequence SET seq = ?1 - 1 WHERE name = 'webhook'";
        assert_eq!(other.execute(sql, [key]).unwrap(), 1);
    };
    commit(5).await;
    skip_to(1024);
    commit(20).await;
    // Of what is rolled back nothing is noted.
    other
        .execute_batch(
            "CREATE TRIGGER odd BEFORE INSERT ON message BEGIN SELECT RAISE(ABORT, 'odd'); END",
        )
        .unwrap();
    let mut report = Report::new(Kind::Status, "sent", Some("odd".to_owned()), b"odd");
    report.status = Some(Status::Sent);
    store.commit(arrival(1, Some(report))).await.unwrap_err();
    commit(30).await;
    skip_to(2048);
    let webhook_id = commit(40).await.webhook_id;
    assert_eq!(webhook_id.number(), 2048);
    // What another transaction did is noted.
    let raise = move |core: &mut Core| {
        core.change("raise a time", |connection, _| {
            let sql = "UPDATE webhook SET received_at_ms = 99 WHERE webhook_id = ?1";
            assert_eq!(connection.execute(sql, [webhook_id]).unwrap(), 1);
            Ok(())
        })
    };
    store.sqlite().run(raise).await.unwrap();
    commit(50).await;
    skip_to(3072);
    commit(60).await;
    // The control: what its groups filled alone is not read again.
    let odd = "UPDATE webhook SET received_at_ms = 99 WHERE webhook_id = 3072";
    assert_eq!(other.execute(odd, []).unwrap(), 1);
    skip_to(4096);
    commit(70).await;
    let noted = ["0 5 5", "1 20 30", "2 50 99", "3 60 60"];
    let noted = noted.map(|range| format!("webhook {range}"));
    assert_eq!(notes(&other), noted);
}
