//! The polled broadcasts: which are due, and how each poll went.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::changes::Changing;
use super::clause::{Clause, Select};
use super::listing::ListedTable;
use super::reader::{Reader, SqliteQuery};
use super::sources::Sources;
use super::writer::Core;
use super::{SqliteStep, SqliteStore, backend, poll_state, ranges};
use crate::plan::group::PollOpening;
use crate::providers::Provider;
use crate::store::poll::{PollCounts, PollOverview, PollRecord};
use crate::store::query::{
    KnownReportQuery, Listing, OpenPollQuery, PollOverviewQuery, PollQuery, ReportName,
    UnreportedQuery,
};
use crate::store::step::{CountPoll, SettlePoll};
use crate::store::{Error, StoreChange};

impl Changing<'_> {
    /// Polls a broadcast from now on, again where it was done or given up.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub(super) fn open_poll(
        &mut self,
        source: &Arc<str>,
        provider: Provider,
        broadcast: &str,
    ) -> Result<PollRecord, Error> {
        let open = || -> rusqlite::Result<PollRecord> {
            let nothing = HashMap::new();
            let source_id = Sources::new(self.connection, &nothing).id(source, provider)?;
            let poll = (source_id, broadcast);
            let is_open = poll_state::is_open(self.connection, poll)?;
            if let Some(opening) = PollOpening::of(is_open, true) {
                poll_state::open(self.connection, poll, opening, self.now_ms)?;
            }
            // A new request wants to know now.
            let sql = "UPDATE poll SET due_at_ms = ?3, gone_since_ms = NULL \
                       WHERE source_id = ?1 AND broadcast = ?2";
            self.connection
                .execute(sql, params![source_id, broadcast, self.now_ms])?;
            self.connection.query_row(
                &format!("{SELECT} WHERE source_id = ?1 AND broadcast = ?2"),
                params![source_id, broadcast],
                read,
            )
        };
        let poll = open().map_err(|error| backend("cannot open a poll".to_owned(), error))?;
        self.after.wake(StoreChange::Polls);
        Ok(poll)
    }
}

impl SqliteStep for SettlePoll {
    async fn take(self, store: &SqliteStore) -> Result<(), Error> {
        let settle = move |core: &mut Core| {
            core.change("settle a poll", |connection, now_ms| {
                settle(connection, &self.poll, self.was_due_ms, now_ms)
                    .map_err(|error| backend("cannot settle a poll".to_owned(), error))
            })
        };
        store.run(settle).await
    }
}

impl SqliteStep for CountPoll {
    async fn take(self, store: &SqliteStore) -> Result<(), Error> {
        let Self { poll_id, counts } = self;
        let count = move |core: &mut Core| {
            core.change("count a poll", |connection, _| {
                connection
                    .execute(
                        "UPDATE poll SET total = ?2, success = ?3, failure = ?4, pending = ?5 \
                         WHERE poll_id = ?1",
                        params![
                            poll_id,
                            counts.total,
                            counts.success,
                            counts.failure,
                            counts.pending
                        ],
                    )
                    .map(|_| ())
                    .map_err(|error| backend("cannot count a poll".to_owned(), error))
            })
        };
        store.run(count).await
    }
}

/// Removes broadcasts that are polled no more since before that time.
pub(super) fn prune(
    connection: &Connection,
    (before_ms, latest_ms): (i64, i64),
) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM poll WHERE settled_at_ms < ?1 \
         OR settled_at_ms > ?2 AND registered_at_ms < ?1";
    connection.execute(sql, [before_ms, latest_ms])
}

const SELECT: &str = "SELECT poll.*, source.name AS source FROM poll JOIN source USING (source_id)";

const POLLS: ListedTable = ListedTable::newest("poll", "poll_id", "registered_at_ms");

/// The statement of a list of polled broadcasts.
pub(super) fn select(source: Option<&str>) -> Select {
    let mut clause = Clause::default();
    // The index on source and broadcast has another order: the sign keeps SQLite from it.
    let condition = "+poll.source_id = (SELECT source_id FROM source WHERE name = ?)";
    clause.and_if(condition, source.map(str::to_owned));
    clause.select(SELECT, POLLS, ranges::all())
}

impl SqliteQuery for OpenPollQuery {
    fn answer(self, reader: &Reader) -> Result<Vec<PollRecord>, Error> {
        reader.read("look for what is to be polled", |connection| {
            connection
                .prepare(&format!(
                    "{SELECT} WHERE source_id = (SELECT source_id FROM source WHERE name = ?1) \
                     AND state = 'open' ORDER BY due_at_ms LIMIT ?2"
                ))?
                .query_map(params![self.source, self.limit], read)?
                .collect()
        })
    }
}

impl SqliteQuery for PollQuery {
    fn answer(self, reader: &Reader) -> Result<Listing<PollRecord>, Error> {
        let select = |_: &Connection| Ok(select(self.source.as_deref()));
        reader.list("list polls", self.window, select, read)
    }
}

impl SqliteQuery for PollOverviewQuery {
    fn answer(self, reader: &Reader) -> Result<Vec<PollOverview>, Error> {
        reader.read("count polls", |connection| {
            connection
                .prepare(
                    "SELECT source.name, count(*) FILTER (WHERE state = 'open'), \
                     count(*) FILTER (WHERE state = 'open' AND error_code IS NOT NULL), \
                     count(*) FILTER (WHERE state = 'done'), \
                     count(*) FILTER (WHERE state = 'gave-up'), max(answered_at_ms), \
                     min(error_code || ' ' || error_detail) FILTER (WHERE state = 'open') \
                     FROM poll JOIN source USING (source_id) GROUP BY source_id ORDER BY 1",
                )?
                .query_map([], |row| {
                    let trouble: Option<String> = row.get(6)?;
                    let trouble = trouble.as_deref().and_then(|text| text.split_once(' '));
                    Ok(PollOverview {
                        source: row.get(0)?,
                        open: row.get(1)?,
                        failing: row.get(2)?,
                        done: row.get(3)?,
                        gave_up: row.get(4)?,
                        answered_at_ms: row.get(5)?,
                        trouble: trouble.map(|(code, words)| (code.to_owned(), words.to_owned())),
                    })
                })?
                .collect()
        })
    }
}

impl SqliteQuery for UnreportedQuery {
    fn answer(self, reader: &Reader) -> Result<u64, Error> {
        reader.read("count messages without a report", |connection| {
            connection.query_row(
                "SELECT count(*) FROM message WHERE broadcast = ?1 \
                 AND source_id = (SELECT source_id FROM source WHERE name = ?2) \
                 AND (status IS NULL OR status = 'queued')",
                [self.broadcast, self.source],
                |row| row.get(0),
            )
        })
    }
}

impl SqliteQuery for KnownReportQuery {
    fn answer(self, reader: &Reader) -> Result<Vec<bool>, Error> {
        reader.read("look for known reports", |connection| {
            let mut find = connection.prepare(
                "SELECT report.status IS NOT NULL FROM message \
                 JOIN report ON report.message_id = message.message_id AND report.identity = ?2 \
                 WHERE provider_message_id = ?1 AND source_id = ?3",
            )?;
            let source_id: Option<i64> = connection
                .query_row(
                    "SELECT source_id FROM source WHERE name = ?1",
                    [self.source],
                    |row| row.get(0),
                )
                .optional()?;
            let mut known = |report: &ReportName| {
                let found: Option<bool> = find
                    .query_row(params![report.message, report.identity, source_id], |row| {
                        row.get(0)
                    })
                    .optional()?;
                Ok(found.is_some_and(|stored| stored || !report.has_status))
            };
            self.reports.iter().map(&mut known).collect()
        })
    }
}

/// The broadcasts of that id that are or were polled, of whichever source.
pub(super) fn polls_of(
    connection: &Connection,
    broadcast: &str,
) -> rusqlite::Result<Vec<PollRecord>> {
    connection
        .prepare_cached(&format!(
            "{SELECT} WHERE broadcast = ?1 AND source_id IN (SELECT source_id FROM source) \
             ORDER BY source.name"
        ))?
        .query_map([broadcast], read)?
        .collect()
}

fn settle(
    connection: &Connection,
    poll: &PollRecord,
    was_due_ms: i64,
    now_ms: i64,
) -> rusqlite::Result<()> {
    let counts = poll.counts;
    connection.execute(
        "UPDATE poll SET polls = ?2, unchanged = ?3, failures = ?4, answered_at_ms = ?5, \
         changed_at_ms = ?6, error_code = ?7, error_detail = ?8, answer_hash = ?9, \
         total = ?10, success = ?11, failure = ?12, pending = ?13 WHERE poll_id = ?1",
        params![
            poll.poll_id,
            poll.polls,
            poll.unchanged,
            poll.failures,
            poll.answered_at_ms,
            poll.changed_at_ms,
            poll.error_code,
            poll.error_detail,
            poll.answer_hash,
            counts.total,
            counts.success,
            counts.failure,
            counts.pending,
        ],
    )?;
    connection.execute(
        "UPDATE poll SET state = ?3, gave_up = ?4, due_at_ms = ?5, gone_since_ms = ?6, \
         settled_at_ms = CASE WHEN ?3 = 'open' THEN NULL ELSE ?7 END \
         WHERE poll_id = ?1 AND due_at_ms = ?2 AND state = 'open'",
        params![
            poll.poll_id,
            was_due_ms,
            poll.state,
            poll.gave_up,
            poll.due_at_ms,
            poll.gone_since_ms,
            now_ms,
        ],
    )?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<PollRecord> {
    Ok(PollRecord {
        poll_id: row.get("poll_id")?,
        source: row.get("source")?,
        broadcast: row.get("broadcast")?,
        state: row.get("state")?,
        gave_up: row.get("gave_up")?,
        registered_at_ms: row.get("registered_at_ms")?,
        due_at_ms: row.get("due_at_ms")?,
        polls: row.get("polls")?,
        unchanged: row.get("unchanged")?,
        failures: row.get("failures")?,
        gone_since_ms: row.get("gone_since_ms")?,
        answered_at_ms: row.get("answered_at_ms")?,
        changed_at_ms: row.get("changed_at_ms")?,
        error_code: row.get("error_code")?,
        error_detail: row.get("error_detail")?,
        answer_hash: row.get("answer_hash")?,
        counts: PollCounts {
            total: row.get("total")?,
            success: row.get("success")?,
            failure: row.get("failure")?,
            pending: row.get("pending")?,
        },
    })
}
