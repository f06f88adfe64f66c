//! Rows as no operation leaves them: what an earlier version, a fault or a long time would.

use rusqlite::{Params, Row, ToSql, params};

use super::tables::Tables;

/// The write lock of a store, as another process holds it; it ends when this is dropped.
pub(crate) struct WriteLock<'t>(&'t Tables);

impl Drop for WriteLock<'_> {
    fn drop(&mut self) {
        self.0.batch("ROLLBACK");
    }
}

impl Tables {
    /// Keeps the service from writing.
    pub(crate) fn lock(&self) -> WriteLock<'_> {
        self.batch("BEGIN IMMEDIATE");
        WriteLock(self)
    }

    /// Puts this body in the place of each that could not be read, as if it can be read at last.
    pub(crate) fn replace_unparsed(&self, body: &str) {
        let sql = "UPDATE webhook SET body = ?1 WHERE outcome = 'unparsed'";
        self.change(sql, [body.as_bytes()]);
    }

    /// Adds webhooks like the first that could not be read, with bodies of zeros.
    pub(crate) fn add_unparsed(&self, webhooks: usize, bytes: usize) {
        let sql = "INSERT INTO webhook (source_id, received_at_ms, outcome, reports, new_reports, \
                   unreadable, body) SELECT source_id, received_at_ms, 'unparsed', 0, 0, 1, \
                   zeroblob(?1) FROM webhook WHERE webhook_id = 1";
        for _ in 0..webhooks {
            self.change(sql, [bytes]);
        }
    }

    /// Takes every status away, as if its word was unknown when it came.
    pub(crate) fn forget_statuses(&self) {
        self.batch(
            "UPDATE report SET status = NULL, change = 'not-a-status';
             UPDATE message SET status = NULL, delivered_at_ms = NULL;",
        );
    }

    /// Takes every account event away, as a version that ignored them would have left it.
    pub(crate) fn forget_account_events(&self) {
        self.batch("DELETE FROM account_event; UPDATE webhook SET outcome = 'ignored'");
    }

    /// Takes every subscriber's secrets away.
    pub(crate) fn forget_secrets(&self) {
        self.batch("DELETE FROM subscriber_secret");
    }

    /// Flips one bit of a sealed value, in its last byte or in that of its key's id.
    pub(crate) fn damage(&self, (table, column): (&str, &str), byte: fn(&mut [u8]) -> &mut u8) {
        let key = match table {
            "subscriber_header" => "subscriber_id",
            _ => "rowid",
        };
        let sql = format!("SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL");
        let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?));
        let (row, mut sealed) = self.0.query_row(&sql, [], read).unwrap();
        *byte(&mut sealed) ^= 1;
        let sql = format!("UPDATE {table} SET {column} = ?1 WHERE {key} = ?2");
        self.change(&sql, params![sealed, row]);
    }

    /// Has the store refuse to remove rows of a table.
    pub(crate) fn refuse_removals(&self, table: &str) {
        self.batch(&format!(
            "CREATE TRIGGER refuse BEFORE DELETE ON {table} \
             BEGIN SELECT RAISE(ABORT, 'refused'); END"
        ));
    }

    /// Sets when each message was first and last reported, ms since 1970 UTC.
    pub(crate) fn set_reported_ms(&self, first: i64, last: i64) {
        let sql = "UPDATE message SET first_report_at_ms = ?1, last_report_at_ms = ?2";
        self.change(sql, [first, last]);
    }

    /// Has each forward tried once, when it was queued.
    pub(crate) fn try_all_once(&self) {
        self.batch("UPDATE forward SET attempts = 1, last_attempt_ms = pending_since_ms");
    }

    /// Gives a forward another state, behind the back of what counts them.
    pub(crate) fn set_state(&self, forward_id: impl ToSql, state: &str) {
        let sql = "UPDATE forward SET state = ?2 WHERE forward_id = ?1";
        self.change(sql, params![forward_id, state]);
    }

    /// Moves a forward among those of its message, by so many ms.
    pub(crate) fn move_place(&self, forward_id: impl ToSql, ms: i64) {
        let sql = "UPDATE forward SET place_ms = place_ms + ?2 WHERE forward_id = ?1";
        self.change(sql, params![forward_id, ms]);
    }

    /// Sets since when a forward is pending, ms since 1970 UTC.
    pub(crate) fn set_pending_since_ms(&self, forward_id: impl ToSql, since: i64) {
        let sql = "UPDATE forward SET pending_since_ms = ?2 WHERE forward_id = ?1";
        self.change(sql, params![forward_id, since]);
    }

    /// Has everything come due that waits: what is gathered for chats, and each forward.
    pub(crate) fn let_a_minute_pass(&self) {
        self.batch(
            "UPDATE alert SET due_at_ms = due_at_ms - 60000; UPDATE forward SET due_at_ms = 0;",
        );
    }

    /// Sets back every replay to where it begins.
    pub(crate) fn begin_replays_again(&self) {
        self.batch(
            "UPDATE forward SET replay_id = NULL; UPDATE replay SET state = 'running', \
             next_id = first_id, queued = 0, finished_at_ms = NULL",
        );
    }

    /// Sets what the answers to one message's attempts are kept as.
    pub(crate) fn set_excerpts(&self, provider_message_id: &str, excerpt: &str) {
        let sql = "UPDATE attempt SET excerpt = ?2 WHERE forward_id IN \
                   (SELECT forward_id FROM forward JOIN message USING (message_id) \
                   WHERE provider_message_id = ?1)";
        self.change(sql, [provider_message_id, excerpt]);
    }

    /// Adds a count of what came in during the step of time that begins then, ms since 1970 UTC.
    pub(crate) fn add_traffic(&self, begins_at_ms: i64, what: &str, subject: &str, count: i64) {
        let sql =
            "INSERT INTO traffic (begins_at_ms, what, subject, count) VALUES (?1, ?2, ?3, ?4)";
        self.change(sql, params![begins_at_ms, what, subject, count]);
    }

    /// Sets what the clock showed last, ms since 1970 UTC.
    pub(crate) fn set_clock_ms(&self, shown: i64) {
        self.change("UPDATE clock SET shown_ms = ?1", [shown]);
    }

    /// Changes rows, at least one.
    #[track_caller]
    fn change(&self, sql: &str, values: impl Params) {
        assert!(self.0.execute(sql, values).unwrap() > 0, "{sql}");
    }

    fn batch(&self, sql: &str) {
        self.0.execute_batch(sql).unwrap();
    }
}
