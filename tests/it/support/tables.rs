//! The SQL of every test that is not about SQL: what no answer of the contract shows, in one place.
//! A second engine has its own statements for these questions, and for `planted`.
//!
//! `tidy/statements` lists the other files that may hold SQL, each with its reason.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::{FromSql, Value, ValueRef};
use rusqlite::{Connection, Row};

use super::TestApp;

/// Failures of one error that a chat is not notified of yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gathered {
    /// How many there are.
    pub(crate) failures: i64,
    /// When the chat is notified of them, ms since 1970 UTC.
    pub(crate) due_at_ms: i64,
}

/// The tables of a store, of a service that runs or of none.
pub(crate) struct Tables(pub(super) Connection);

impl Tables {
    /// Those of the store at this path.
    pub(crate) fn at(store: &Path) -> Self {
        let connection = Connection::open(store).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        Self(connection)
    }

    /// How many rows a table has.
    pub(crate) fn count(&self, table: &str) -> usize {
        self.value(&format!("SELECT count(*) FROM {table}"))
    }

    /// What is gathered for chats, the first to be due first.
    pub(crate) fn gathered(&self) -> Vec<Gathered> {
        let sql = "SELECT failures, due_at_ms FROM alert ORDER BY due_at_ms";
        self.all(sql, |row| {
            Ok(Gathered {
                failures: row.get(0)?,
                due_at_ms: row.get(1)?,
            })
        })
    }

    /// When each pair of names of one person was last seen together, ms since 1970 UTC.
    pub(crate) fn name_pairs_seen_ms(&self) -> Vec<i64> {
        let sql = "SELECT last_seen_ms FROM same_person";
        self.all(sql, |row| row.get(0))
    }

    /// How often each thing was ignored that no report is.
    pub(crate) fn ignored(&self) -> Vec<usize> {
        self.all("SELECT count FROM ignored", |row| row.get(0))
    }

    /// Account events whose repeats are gathered at present.
    pub(crate) fn open_notices(&self) -> usize {
        self.value("SELECT count(*) FROM account_event WHERE notice_until_ms IS NOT NULL")
    }

    /// The ids of the keys that the secrets of subscribers are sealed with.
    pub(crate) fn keys_of_secrets(&self) -> Vec<String> {
        let sql = "SELECT DISTINCT lower(hex(substr(sealed, 2, 8))) FROM subscriber_secret";
        self.all(sql, |row| row.get(0))
    }

    /// The ids of the keys that anything is sealed with.
    pub(crate) fn keys(&self) -> Vec<String> {
        let sql = "SELECT DISTINCT lower(hex(substr(sealed, 2, 8))) FROM (SELECT sealed FROM \
             subscriber_secret UNION ALL SELECT sealed FROM subscriber_header UNION ALL SELECT \
             sealed FROM idempotency UNION ALL SELECT sealed FROM job WHERE sealed IS NOT NULL \
             UNION ALL SELECT url_sealed FROM subscriber WHERE url_sealed \
             IS NOT NULL)";
        self.all(sql, |row| row.get(0))
    }

    /// URLs of chats, which are sealed.
    pub(crate) fn sealed_urls(&self) -> usize {
        self.value("SELECT count(*) FROM subscriber WHERE url_sealed IS NOT NULL")
    }

    /// The `Idempotency-Key`s of the answers that are kept.
    pub(crate) fn kept_answers(&self) -> Vec<String> {
        self.all("SELECT key FROM idempotency ORDER BY key", |row| row.get(0))
    }

    /// How many secrets of subscribers were ever made.
    pub(crate) fn secrets_made(&self) -> usize {
        self.value("SELECT seq FROM sqlite_sequence WHERE name = 'subscriber_secret'")
    }

    /// How many reports each answer had that polling brought of a broadcast.
    pub(crate) fn polled_answers(&self, broadcast: &str) -> Vec<usize> {
        let sql = "SELECT reports FROM webhook WHERE broadcast = ?1";
        let mut statement = self.0.prepare(sql).unwrap();
        let rows = statement.query_map([broadcast], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// When the poll of a broadcast ended, ms since 1970 UTC; `None` while it is open.
    pub(crate) fn poll_settled_ms(&self, broadcast: &str) -> Option<i64> {
        let sql = "SELECT settled_at_ms FROM poll WHERE broadcast = ?1";
        let settled = self.0.query_row(sql, [broadcast], |row| row.get(0));
        settled.unwrap()
    }

    /// The messages of which a forward is delivered. No task has its turn meanwhile, as it would
    /// have while the store is read.
    pub(crate) fn delivered(&self) -> Vec<String> {
        let sql = "SELECT provider_message_id FROM forward JOIN message USING (message_id) \
                   WHERE state = 'delivered'";
        self.all(sql, |row| row.get(0))
    }

    /// Forwards that no replay ever queued.
    pub(crate) fn never_replayed(&self) -> usize {
        self.value("SELECT count(*) FROM forward WHERE replay_id IS NULL")
    }

    /// Everything that is known of a message, and which reports there are of it, by their identity.
    pub(crate) fn message(&self, id: &str) -> Vec<String> {
        let mut known = self.texts(
            "SELECT status, conflict, type, type_rule, recipient, sender, text, broadcast, \
             category, queued_at_ms, sent_at_ms, delivered_at_ms, read_at_ms, failed_at_ms, \
             deleted_at_ms, error_key, error_code, error_title, error_details, error_at_ms \
             FROM message WHERE provider_message_id = ?1",
            id,
        );
        known.extend(self.texts(
            "SELECT identity, provider_status, report.status, report.error_key FROM report \
             JOIN message USING (message_id) WHERE provider_message_id = ?1 ORDER BY identity",
            id,
        ));
        known
    }

    /// What is known of a message at other channels, and of others' reports.
    pub(crate) fn other_channels(&self, id: &str) -> Vec<String> {
        let sql = "SELECT channel, other_channel, others, registered FROM message \
                   WHERE provider_message_id = ?1";
        self.texts(sql, id)
    }

    /// The subscribers that reports of this status were kept from, with the reasons: all that is
    /// stored of them, shown or not.
    pub(crate) fn skipped(&self, status: &str) -> Vec<String> {
        let mut statement = self
            .0
            .prepare("SELECT skipped FROM report WHERE status = ?1")
            .unwrap();
        let rows = statement.query_map([status], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Which fields of each message its sender registered.
    pub(crate) fn registered(&self) -> Vec<String> {
        self.all("SELECT registered FROM message", |row| row.get(0))
    }

    /// Columns of texts in which a NUL character stands, as `table.column`.
    pub(crate) fn nul_columns(&self) -> Vec<String> {
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table'";
        let mut found = Vec::new();
        for table in self.all(tables, |row| row.get::<_, String>(0)) {
            let columns = format!("SELECT name FROM pragma_table_info('{table}')");
            for column in self.all(&columns, |row| row.get::<_, String>(0)) {
                let sql = format!(
                    "SELECT count(*) FROM \"{table}\" WHERE typeof(\"{column}\") = 'text' \
                     AND instr(\"{column}\", char(0)) > 0"
                );
                if self.value::<usize>(&sql) > 0 {
                    found.push(format!("{table}.{column}"));
                }
            }
        }
        found
    }

    /// Each table with its rows as text, but for those that change by themselves.
    pub(crate) fn contents(&self) -> Vec<(String, String)> {
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' \
                      AND name NOT IN ('clock', 'opened', 'traffic') ORDER BY name";
        let names = self.all(tables, |row| row.get::<_, String>(0));
        let table = |name: String| {
            let rows = self.all(&format!("SELECT * FROM {name}"), text_of);
            (name, rows.join("\n"))
        };
        names.into_iter().map(table).collect()
    }

    /// Copies all of it into a new store at this path.
    pub(crate) fn copy_to(&self, path: &Path) {
        let sql = format!("VACUUM INTO '{}'", path.display());
        self.0.execute_batch(&sql).unwrap();
    }

    fn value<T: FromSql>(&self, sql: &str) -> T {
        self.0.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn all<T>(&self, sql: &str, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let mut statement = self.0.prepare(sql).unwrap();
        let rows = statement.query_map([], read).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// The rows of that message, each as text.
    fn texts(&self, sql: &str, id: &str) -> Vec<String> {
        let mut statement = self.0.prepare(sql).unwrap();
        let rows = statement.query_map([id], text_of).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

/// A row with the types of its values.
fn text_of(row: &Row<'_>) -> rusqlite::Result<String> {
    let columns = 0..row.as_ref().column_count();
    let values: Result<Vec<Value>, _> = columns.map(|column| row.get(column)).collect();
    Ok(format!("{:?}", values?))
}

impl TestApp {
    /// The tables of its store.
    pub(crate) fn tables(&self) -> Tables {
        Tables::at(&self.path())
    }

    /// The file as an analyst opens it, while the service runs.
    pub(crate) fn sqlite(&self) -> Connection {
        self.tables().0
    }

    /// One value of one row.
    pub(crate) fn value<T: FromSql>(&self, sql: &str) -> T {
        self.tables().value(sql)
    }

    /// The rows of a query whose columns are all made text, for whole comparisons.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let text = |value: ValueRef<'_>| match value {
            ValueRef::Null => "-".to_owned(),
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Real(number) => number.to_string(),
            ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into(),
        };
        self.tables().all(sql, |row| {
            let columns = 0..row.as_ref().column_count();
            columns
                .map(|column| row.get_ref(column).map(text))
                .collect()
        })
    }
}
