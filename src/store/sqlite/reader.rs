//! Reading the store: connections of their own, read-only, each query under a time limit.
//!
//! Works beside a running service and without one; a reader never holds the writer up.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, OpenFlags};
use serde::de::value::{Error as UnknownWord, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};

use super::backend;
use super::schema::SCHEMA_VERSION;
use crate::store::{Backlog, Error};

/// How long a query of ours may run: a long read keeps the WAL from starting over.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Reads a store's file.
#[derive(Debug, Clone)]
pub struct Reader {
    path: PathBuf,
}

impl Reader {
    /// A reader of that file; nothing is opened yet.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Runs a read on a connection of its own; all its queries see the same commit.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no file yet, [`Error::TooNew`] or
    /// [`Error::Conflict`] when another version wrote it, [`Error::Timeout`] when it took
    /// too long, [`Error::Backend`] otherwise.
    pub(super) fn read<T>(
        &self,
        attempted: &str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        if !self.path.exists() {
            return Err(Error::NotFound(format!(
                "store at {}: it is made by the first `tickrelay serve`",
                self.path.display()
            )));
        }
        let wrap = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) => Error::Timeout(TIME_LIMIT),
            _ => backend(format!("cannot {attempted}"), error),
        };
        let connection = Connection::open_with_flags(
            &self.path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
        .map_err(wrap)?;
        connection
            .busy_timeout(Duration::from_secs(2))
            .map_err(wrap)?;
        let deadline = Instant::now() + TIME_LIMIT;
        connection
            .progress_handler(10_000, Some(move || Instant::now() > deadline))
            .map_err(wrap)?;
        self.check_version(&connection)?;
        connection.execute_batch("BEGIN").map_err(wrap)?;
        read(&connection).map_err(wrap)
    }

    /// Another version's tables would be misread, or fail in words that help nobody.
    fn check_version(&self, connection: &Connection) -> Result<(), Error> {
        let found: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|error| backend(format!("cannot read {}", self.path.display()), error))?;
        if found > SCHEMA_VERSION {
            return Err(Error::TooNew {
                path: self.path.clone(),
                found,
                known: SCHEMA_VERSION,
            });
        }
        if found < SCHEMA_VERSION {
            return Err(Error::Conflict(format!(
                "{} has schema version {found}, this tickrelay reads {SCHEMA_VERSION}: \
                 start `tickrelay serve` once, it brings the store up to date",
                self.path.display()
            )));
        }
        Ok(())
    }

    /// What is owed to each subscriber that is owed anything.
    ///
    /// # Errors
    /// As every read.
    pub fn backlog(&self) -> Result<Vec<Backlog>, Error> {
        self.read("read the backlog", |connection| {
            connection
                .prepare(
                    "SELECT subscriber_id, count(*), min(owed_since_ms) FROM forward \
                     WHERE state = 'pending' GROUP BY subscriber_id",
                )?
                .query_map([], |row| {
                    Ok(Backlog {
                        subscriber_id: row.get(0)?,
                        pending: row.get(1)?,
                        oldest_owed_since_ms: row.get(2)?,
                    })
                })?
                .collect()
        })
    }
}

/// A word of a closed set in a TEXT column, read by the words that serde writes.
pub(super) struct Word<T>(pub(super) T);

impl<T: DeserializeOwned> FromSql for Word<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word: StrDeserializer<'_, UnknownWord> = value.as_str()?.into_deserializer();
        T::deserialize(word)
            .map(Self)
            .map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

/// Reads a word column.
pub(super) fn word<T: DeserializeOwned>(
    row: &rusqlite::Row<'_>,
    column: &str,
) -> rusqlite::Result<T> {
    row.get(column).map(|Word(word)| word)
}

/// Reads a word column that may be NULL.
pub(super) fn maybe_word<T: DeserializeOwned>(
    row: &rusqlite::Row<'_>,
    column: &str,
) -> rusqlite::Result<Option<T>> {
    let word: Option<Word<T>> = row.get(column)?;
    Ok(word.map(|Word(word)| word))
}
