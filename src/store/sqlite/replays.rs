//! Replays: forwards of one subscriber queued again, a chunk at a time.
//!
//! Here they begin, end and are read; how one goes on is in `replaying`.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::changes::Changing;
use super::clause::{Clause, Select};
use super::listing::ListedTable;
use super::reader::{Reader, SqliteQuery};
use super::{backend, enqueue, ranges};
use crate::model::{ReplayKey, SubscriberKey, Word as _};
use crate::store::query::{ListPlace, Listing, ReplayDetailQuery, ReplayQuery, RunningReplayQuery};
use crate::store::replay::{ReplayRecord, ReplaySelection, ReplayState, RunningReplay};
use crate::store::{Error, StoreChange};

const SELECT: &str = "SELECT replay.*, subscriber.name AS subscriber \
     FROM replay JOIN subscriber USING (subscriber_id)";

impl Changing<'_> {
    /// Begins a replay of the pending forwards of a subscriber up to now.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub(super) fn begin_replay(
        &mut self,
        subscriber_id: SubscriberKey,
        selection: &ReplaySelection,
    ) -> Result<ReplayRecord, Error> {
        let replay = begin(self.connection, subscriber_id, selection, self.now_ms)
            .map_err(|error| backend("cannot begin a replay".to_owned(), error))?;
        self.after.wake(StoreChange::Replays);
        Ok(replay)
    }

    /// Stops a replay; one that has ended stays as it is. Says whether it was stopped.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Backend`].
    pub(super) fn cancel_replay(
        &mut self,
        replay_id: ReplayKey,
    ) -> Result<(ReplayRecord, bool), Error> {
        let cancel = || -> rusqlite::Result<_> {
            let cancelled = ReplayState::Cancelled;
            let is_stopped = end(self.connection, replay_id, cancelled, self.now_ms)?;
            let replay = find(self.connection, replay_id)?;
            Ok(replay.map(|replay| (replay, is_stopped)))
        };
        cancel()
            .map_err(|error| backend("cannot cancel the replay".to_owned(), error))?
            .ok_or_else(|| Error::NotFound(format!("replay has the key {replay_id}")))
    }
}

/// Removes the replays that ended before that time.
pub(super) fn prune(
    connection: &Connection,
    (before_ms, latest_ms): (i64, i64),
) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM replay WHERE finished_at_ms < ?1 \
         OR finished_at_ms > ?2 AND created_at_ms < ?1";
    connection.execute(sql, [before_ms, latest_ms])
}

const REPLAYS: ListedTable = ListedTable::newest("replay", "replay_id", "created_at_ms");

impl SqliteQuery for RunningReplayQuery {
    fn answer(self, reader: &Reader) -> Result<Vec<RunningReplay>, Error> {
        reader.read("look for replays", |connection| {
            connection
                .prepare(
                    "SELECT replay_id, subscriber_id, next_id FROM replay \
                     WHERE state = 'running' ORDER BY replay_id",
                )?
                .query_map([], |row| {
                    Ok(RunningReplay {
                        replay_id: row.get(0)?,
                        subscriber_id: row.get(1)?,
                        next: ListPlace::of(row.get(2)?),
                    })
                })?
                .collect()
        })
    }
}

impl SqliteQuery for ReplayQuery {
    fn answer(self, reader: &Reader) -> Result<Listing<ReplayRecord>, Error> {
        let select = |_: &Connection| Ok(select(self.subscribers.as_deref()));
        reader.list("list replays", self.window, select, read_replay)
    }
}

impl SqliteQuery for ReplayDetailQuery {
    fn answer(self, reader: &Reader) -> Result<Option<ReplayRecord>, Error> {
        reader.read("read the replay", |connection| {
            connection
                .query_row(
                    &format!("{SELECT} WHERE uid = ?1"),
                    [self.uid.as_bytes()],
                    read_replay,
                )
                .optional()
        })
    }
}

/// The statement of a list of replays.
pub(super) fn select(subscribers: Option<&[SubscriberKey]>) -> Select {
    let mut clause = Clause::default();
    let subscribers = subscribers.map(|ids| serde_json::to_string(ids).unwrap_or_default());
    let condition = "replay.subscriber_id IN (SELECT value FROM json_each(?))";
    clause.and_if(condition, subscribers);
    clause.select(SELECT, REPLAYS, ranges::all())
}

fn begin(
    connection: &Connection,
    subscriber_id: SubscriberKey,
    selection: &ReplaySelection,
    now_ms: i64,
) -> rusqlite::Result<ReplayRecord> {
    let list = |words: &[String]| super::forward_reads::json_list(words);
    let states: Vec<String> = selection
        .states
        .iter()
        .map(|state| state.as_str().to_owned())
        .collect();
    // What comes from now on is no part of it. The last key ever given out also shows where an
    // empty store stands.
    let (first_id, last_id): (i64, i64) = connection.query_row(
        "SELECT coalesce(min(forward_id), 1), coalesce(max(forward_id), 0) FROM forward",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let is_empty = last_id < first_id;
    let state = if is_empty {
        ReplayState::Done
    } else {
        ReplayState::Running
    };
    let replay_id: ReplayKey = connection.query_row(
        "INSERT INTO replay (uid, subscriber_id, state, states, since_ms, until_ms, error_code, \
         source, sources, status, new_id, first_id, next_id, last_id, queued, created_at_ms, \
         finished_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, ?13, 0, \
         ?14, ?15) RETURNING replay_id",
        params![
            enqueue::new_uid(now_ms).as_bytes(),
            subscriber_id,
            state,
            list(&states).unwrap_or_else(|| "[]".to_owned()),
            selection.since_ms,
            selection.until_ms,
            selection.error,
            selection.source,
            list(&selection.sources),
            selection.status,
            selection.new_id,
            first_id,
            last_id,
            now_ms,
            is_empty.then_some(now_ms),
        ],
        |row| row.get(0),
    )?;
    find(connection, replay_id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
}

fn find(connection: &Connection, replay_id: ReplayKey) -> rusqlite::Result<Option<ReplayRecord>> {
    connection
        .query_row(
            &format!("{SELECT} WHERE replay_id = ?1"),
            [replay_id],
            read_replay,
        )
        .optional()
}

/// Ends a replay that is under way; returns whether it was.
pub(super) fn end(
    connection: &Connection,
    replay_id: ReplayKey,
    state: ReplayState,
    now_ms: i64,
) -> rusqlite::Result<bool> {
    let ended = connection
        .prepare_cached(
            "UPDATE replay SET state = ?2, finished_at_ms = ?3 \
             WHERE replay_id = ?1 AND state = 'running'",
        )?
        .execute(params![replay_id, state, now_ms])?;
    Ok(ended > 0)
}

fn read_replay(row: &Row<'_>) -> rusqlite::Result<ReplayRecord> {
    let uid: [u8; 16] = row.get("uid")?;
    let states: String = row.get("states")?;
    let sources: Option<String> = row.get("sources")?;
    let unreadable = super::cell::unreadable;
    let sources = sources.map(|sources| serde_json::from_str(&sources).map_err(unreadable));
    let (first_id, next_id, last_id): (i64, i64, i64) = (
        row.get("first_id")?,
        row.get("next_id")?,
        row.get("last_id")?,
    );
    let count = |keys: i64| u64::try_from(keys).unwrap_or_default();
    Ok(ReplayRecord {
        replay_id: row.get("replay_id")?,
        uid: Uuid::from_bytes(uid),
        subscriber_id: row.get("subscriber_id")?,
        subscriber: row.get("subscriber")?,
        state: row.get("state")?,
        selection: ReplaySelection {
            states: serde_json::from_str(&states).map_err(unreadable)?,
            since_ms: row.get("since_ms")?,
            until_ms: row.get("until_ms")?,
            error: row.get("error_code")?,
            source: row.get("source")?,
            sources: sources.transpose()?.unwrap_or_default(),
            status: row.get("status")?,
            new_id: row.get("new_id")?,
        },
        examined: count(next_id - first_id),
        total: count(last_id - first_id + 1),
        queued: row.get("queued")?,
        created_at_ms: row.get("created_at_ms")?,
        finished_at_ms: row.get("finished_at_ms")?,
    })
}
