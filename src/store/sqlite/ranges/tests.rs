//! Every filter by time against a scan of all rows, while the clock walks at random.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, params};
use tempfile::TempDir;

use super::super::clock_hold::latest_credible_ms;
use super::super::import::Import;
use super::super::reader::{Reader, SqliteQuery as _};
use super::super::requeue::Requeue;
use super::super::retention::{self, SteppedTable};
use super::super::schema;
use super::*;
use crate::clock::Clock;
use crate::model::{ForwardKey, SubscriberKey};
use crate::store::query::{
    ListPlace, MessageCountQuery, MessageQuery, Scope, SourceActivityQuery, SubscriberHealthQuery,
    SubscriberQuery, Window,
};

const START_MS: i64 = 1_760_000_000_000;
const DAY_MS: i64 = 86_400_000;
/// A few whole ranges and a part of one.
const ROWS: i64 = 5_500;

/// Numbers that are the same in each run.
struct TestRandom(u64);

impl TestRandom {
    fn below(&mut self, bound: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        i64::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// A store whose clock jumped now and then while it was filled.
struct Walked {
    _folder: TempDir,
    path: PathBuf,
    connection: Connection,
    random: TestRandom,
    now_ms: i64,
}

/// Ahead by more than a year and back, behind by two days and forward, and anything between.
fn walk(seed: u64) -> Walked {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickrelay.db");
    let mut connection = Connection::open(&path).unwrap();
    schema::migrate(&mut connection, &path, (0, 0), &Import::nothing()).unwrap();
    connection
        .execute_batch(
            "PRAGMA synchronous = OFF; INSERT INTO source (name, provider) VALUES ('cloud', 'meta');
             INSERT INTO subscriber (name, url, kind, state, filter, reports, format, error_format,
             phone_format, timestamp_format, ordering, concurrency, created_at_ms) VALUES ('crm',
             'http://127.0.0.1/', 'callback', 'active', '{}', 'changes', 'rocketchat', 'string',
             'digits', 'rfc3339', 'relaxed', 1, 0); BEGIN",
        )
        .unwrap();
    let mut random = TestRandom(seed);
    let mut times = RangeTimes::default();
    let (mut true_ms, mut off_ms) = (START_MS, 0);
    for _ in 0..ROWS {
        true_ms += random.below(100_000);
        if random.below(400) == 0 {
            off_ms = [
                0,
                0,
                400 * DAY_MS,
                2 * DAY_MS,
                -2 * DAY_MS,
                -3_600_000,
                -400 * DAY_MS,
            ][usize::try_from(random.below(7)).unwrap()];
        }
        insert(&connection, &mut times, true_ms + off_ms);
    }
    connection.execute_batch("COMMIT").unwrap();
    Walked {
        _folder: folder,
        path,
        connection,
        random,
        now_ms: true_ms,
    }
}

/// One row of each kind, stamped with that time.
fn insert(connection: &Connection, times: &mut RangeTimes, at_ms: i64) {
    for (timed, sql) in [
        (
            Timed::Webhook,
            "INSERT INTO webhook (source_id, received_at_ms, outcome, reports, new_reports, \
             unreadable) VALUES (1, ?1, 'processed', 1, 1, 0)",
        ),
        (
            Timed::Message,
            "INSERT INTO message (source_id, conflict, type, type_rule, status, \
             first_report_at_ms, last_report_at_ms) \
             VALUES (1, FALSE, 'Regular-Message', 'default', 'sent', ?1, ?1)",
        ),
        (
            Timed::Payload,
            "INSERT INTO payload (report_id, body) \
             SELECT 1 + coalesce(max(report_id), 0), x'00' FROM report WHERE ?1",
        ),
        (
            Timed::Forward,
            "INSERT INTO forward (uid, subscriber_id, message_id, report_id, payload_id, \
             place_ms, place_rank, state, attempts, pending_since_ms, due_at_ms, settled_at_ms) \
             SELECT randomblob(16), 1, max(message_id), max(message_id), max(message_id), 0, 0, \
             'delivered', 1, ?1, ?1, ?1 FROM message",
        ),
        (
            Timed::Attempt,
            "INSERT INTO attempt (forward_id, number, started_at_ms, duration_ms) \
             SELECT max(forward_id), 1, ?1, 5 FROM forward",
        ),
    ] {
        if timed == Timed::Payload {
            connection
                .prepare_cached(
                    "INSERT INTO report (message_id, identity, kind, provider_status, status, \
                     change, received_at_ms) SELECT max(message_id), 1, 'status', 'sent', 'sent', \
                     'new', ?1 FROM message",
                )
                .unwrap()
                .execute([at_ms])
                .unwrap();
        }
        let sql = sql.replace("1 + coalesce(max(report_id), 0)", "max(report_id)");
        let key = connection
            .prepare_cached(&sql)
            .unwrap()
            .insert([at_ms])
            .unwrap();
        times
            .given_out(connection, timed, (key, RowTime::At(at_ms)))
            .unwrap();
    }
}

impl Walked {
    /// A time that one of the rows has, or nearly.
    fn some_ms(&mut self) -> i64 {
        let off_ms = self.random.below(3) - 1;
        let key = self.random.below(ROWS);
        let found: i64 = self.number(&format!(
            "SELECT coalesce(max(received_at_ms), {START_MS}) FROM webhook WHERE webhook_id <= {key}"
        ));
        [found, self.now_ms, START_MS][usize::try_from(self.random.below(3)).unwrap()] + off_ms
    }

    fn number(&self, sql: &str) -> i64 {
        self.connection
            .query_row(sql, [], |row| row.get(0))
            .unwrap()
    }

    fn keys(&self, sql: &str) -> Vec<i64> {
        let mut select = self.connection.prepare(sql).unwrap();
        let keys = select.query_map([], |row| row.get(0)).unwrap();
        keys.collect::<rusqlite::Result<_>>().unwrap()
    }

    /// Compares every reader with a scan, for some pairs of times.
    fn read_and_compare(&mut self) {
        let budget = Duration::from_secs(5);
        let reader = Reader::new(&self.path, budget, &[], Clock::system());
        for _ in 0..6 {
            let (one, other) = (self.some_ms(), self.some_ms());
            let (since_ms, until_ms) = (one.min(other), one.max(other));
            let messages = format!(
                "FROM message WHERE first_report_at_ms >= {since_ms} AND first_report_at_ms < {until_ms}"
            );
            let limit = usize::try_from(self.random.below(4_000)).unwrap() + 1;
            let query = MessageQuery {
                since_ms: Some(since_ms),
                until_ms: Some(until_ms),
                window: Window::newest(limit),
                ..MessageQuery::default()
            };
            let found = query
                .answer(&reader)
                .unwrap()
                .map(|it| it.message_id.number());
            assert_eq!(
                found.rows,
                self.keys(&format!(
                    "SELECT message_id {messages} ORDER BY message_id DESC LIMIT {limit}"
                ))
            );
            let counts = MessageCountQuery {
                since_ms,
                until_ms,
                scope: Scope::default(),
            };
            let counts = counts.answer(&reader).unwrap();
            let counted: u64 = counts.iter().map(|count| count.messages).sum();
            assert_eq!(
                counted.cast_signed(),
                self.number(&format!("SELECT count(*) {messages}"))
            );
            let activity = SourceActivityQuery {
                since_ms,
                now_ms: until_ms,
            };
            let activity = activity.answer(&reader).unwrap().rows;
            let webhooks = format!(
                "SELECT count(*) FROM webhook WHERE received_at_ms BETWEEN {since_ms} AND {until_ms}"
            );
            assert_eq!(activity[0].webhooks.cast_signed(), self.number(&webhooks));
        }
        self.compare_a_day(&reader);
    }

    /// Compares what is shown of a subscriber's last day with a scan.
    fn compare_a_day(&self, reader: &Reader) {
        let now_ms = self.now_ms;
        let day_ago_ms = now_ms - DAY_MS;
        let overview = &SubscriberQuery { now_ms }.answer(reader).unwrap().rows[0];
        let settled = format!(
            "SELECT count(*) FROM forward WHERE settled_at_ms BETWEEN {day_ago_ms} AND {now_ms}"
        );
        assert_eq!(overview.delivered_24h.cast_signed(), self.number(&settled));
        let health = SubscriberHealthQuery {
            subscriber_id: SubscriberKey::of(1),
            now_ms,
        };
        let health = health.answer(reader).unwrap();
        let pending = format!(
            "FROM forward WHERE pending_since_ms BETWEEN {day_ago_ms} AND {now_ms} AND state = 'delivered'"
        );
        assert_eq!(
            health.delivered_24h.cast_signed(),
            self.number(&format!("SELECT count(*) {pending}"))
        );
        assert_eq!(
            health.last_success_ms.unwrap_or_default(),
            self.number(&format!(
                "SELECT coalesce(max(started_at_ms + duration_ms), 0) FROM attempt \
                 WHERE started_at_ms BETWEEN {day_ago_ms} AND {now_ms}"
            ))
        );
    }

    /// Prunes as the service does.
    fn prune(&self, table: SteppedTable, before_ms: i64) {
        let mut after = 0;
        let bounds = (before_ms, latest_credible_ms(before_ms));
        loop {
            let keys = before(&self.connection, table.timed, after, before_ms).unwrap();
            let step = retention::step_through(&self.connection, table, bounds, keys).unwrap();
            let Some(next) = step.next.map(ListPlace::key) else {
                return;
            };
            assert!(next > after, "each step goes on");
            after = next;
        }
    }
}

#[test]
fn every_filter_by_time_finds_what_a_scan_finds_however_the_clock_walked() {
    for seed in 1..=3 {
        let mut walked = walk(seed);
        walked.read_and_compare();
        // What is pending again is of now, whatever its key.
        let mut requeue = Requeue::again(&walked.connection, false, walked.now_ms).unwrap();
        for _ in 0..20 {
            requeue
                .forward(ForwardKey::of(1 + walked.random.below(ROWS)), None)
                .unwrap();
        }
        drop(requeue);
        let sql = "UPDATE forward SET state = 'delivered', settled_at_ms = pending_since_ms \
                   WHERE state = 'pending'";
        walked.connection.execute(sql, []).unwrap();
        walked.read_and_compare();
        let before_ms = walked.some_ms();
        for (pruned, rest) in [
            (
                retention::WEBHOOKS,
                "SELECT webhook_id FROM webhook WHERE received_at_ms >= ",
            ),
            (
                retention::ATTEMPTS,
                "SELECT attempt_id FROM attempt WHERE started_at_ms >= ",
            ),
            (
                retention::PAYLOADS,
                "SELECT payload.payload_id FROM payload JOIN report USING (report_id) JOIN forward \
                 USING (message_id) WHERE max(received_at_ms, settled_at_ms) >= ",
            ),
            (
                retention::MESSAGES,
                "SELECT message_id FROM message JOIN forward USING (message_id) \
                 WHERE max(last_report_at_ms, settled_at_ms) >= ",
            ),
        ] {
            let kept = walked.keys(&format!("{rest}{before_ms} ORDER BY 1"));
            walked.prune(pruned, before_ms);
            let table = pruned.timed.as_str();
            assert_eq!(
                walked.keys(&format!("SELECT {table}_id FROM {table} ORDER BY 1")),
                kept
            );
        }
        walked.read_and_compare();
    }
}

/// The control: the walks deceive a reader that takes an old key for an old time.
#[test]
fn a_reader_that_goes_by_key_order_is_deceived_by_the_walks() {
    let (mut hidden, mut stuck) = (0, 0);
    for seed in 1..=4 {
        let walked = walk(seed);
        let since_ms = walked.now_ms - DAY_MS;
        hidden += walked.number(&format!(
            "SELECT count(*) FROM webhook WHERE received_at_ms >= {since_ms} AND webhook_id <= \
             (SELECT max(webhook_id) FROM webhook WHERE received_at_ms < {since_ms} - 3600000)"
        ));
        // Pruning by the order of keys ends at the first that is too young.
        stuck += walked.number(&format!(
            "SELECT count(*) FROM webhook WHERE received_at_ms < {since_ms} AND webhook_id > \
             (SELECT min(webhook_id) FROM webhook WHERE received_at_ms >= {since_ms})"
        ));
    }
    assert!(hidden > 0 && stuck > 0, "{hidden} hidden, {stuck} stuck");
}

/// What the migration finds by a scan is what was noted from memory.
#[test]
fn a_store_from_before_is_noted_as_if_it_had_been_from_the_beginning() {
    let walked = walk(2);
    let notes = |connection: &Connection| -> Vec<String> {
        let mut select = connection
            .prepare("SELECT concat_ws(' ', kind, range_id, earliest_ms, latest_ms) FROM key_range")
            .unwrap();
        let notes = select.query_map([], |row| row.get(0)).unwrap();
        notes.collect::<rusqlite::Result<_>>().unwrap()
    };
    let before = notes(&walked.connection);
    assert_eq!(before.len(), 25);
    walked
        .connection
        .execute_batch(
            "DROP TABLE key_range; \
             ALTER TABLE forward RENAME COLUMN pending_since_ms TO owed_since_ms",
        )
        .unwrap();
    let migration = include_str!("../../../../schema/sqlite/0004_key_ranges.sql");
    walked.connection.execute_batch(migration).unwrap();
    assert_eq!(notes(&walked.connection), before);
}

#[test]
fn pruning_looks_at_no_range_that_is_known_to_be_young() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = Connection::open(folder.path().join("store.db")).unwrap();
    schema::migrate(
        &mut connection,
        Path::new("memory"),
        (0, 0),
        &Import::nothing(),
    )
    .unwrap();
    let note = |range: i64, earliest_ms: i64| {
        let sql = "INSERT INTO key_range VALUES ('webhook', ?1, ?2, ?2)";
        connection
            .execute(sql, params![range, earliest_ms])
            .unwrap();
    };
    for (range, earliest_ms) in [(0, 10), (1, 99), (2, 99), (3, 5), (5, 99)] {
        note(range, earliest_ms);
    }
    let check = |after, expected| {
        let found = before(&connection, Timed::Webhook, after, 50).unwrap();
        assert_eq!(found, expected, "after {after}");
    };
    check(0, (1, 1023));
    check(1023, (3072, 5119));
    check(4000, (4001, 5119));
    check(5119, (6144, i64::MAX));
    let since = within(&connection, Timed::Webhook, Some(50), None).unwrap();
    assert_eq!(since, [(4096, i64::MAX), (1024, 3071)]);
    let until = within(&connection, Timed::Webhook, None, Some(50)).unwrap();
    assert_eq!(until, [(6144, i64::MAX), (3072, 5119), (0, 1023)]);
    let all = within(&connection, Timed::Webhook, None, None).unwrap();
    assert_eq!(all, [(0, i64::MAX)]);
}
