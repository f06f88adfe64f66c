//! Requests that carried an `Idempotency-Key`, and their answers; in the second file, since an
//! answer may hold a secret.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Store, backend};
use crate::store::Error;

/// How long a key is kept, ms.
const KEPT_MS: i64 = 24 * 3600 * 1000;

/// A request that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The hash of the request.
    pub request: [u8; 32],
    /// What it was answered; none when it is being answered, or the service ended before it was.
    pub answer: Option<KeptAnswer>,
}

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// `Location`, when it had one.
    pub location: Option<String>,
}

impl Store {
    /// Writes, before anything is done, that a caller's request with this key is begun; or finds
    /// the one that was begun with it within the last 24 h. Forgets those that are older.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub async fn begin(
        &self,
        caller: String,
        key: String,
        request: [u8; 32],
    ) -> Result<Option<Remembered>, Error> {
        let now_ms = self.clock.now_ms();
        self.with_secrets(move |store| {
            let mut connection = store.secrets.connection();
            let mut begin = || -> rusqlite::Result<Option<Remembered>> {
                let transaction = connection.transaction()?;
                transaction.execute(
                    "DELETE FROM idempotency WHERE begun_ms <= ?1",
                    [now_ms - KEPT_MS],
                )?;
                let known = find(&transaction, &caller, &key)?;
                if known.is_none() {
                    transaction.execute(
                        "INSERT INTO idempotency (caller, key, request, begun_ms) \
                         VALUES (?1, ?2, ?3, ?4)",
                        params![caller, key, request, now_ms],
                    )?;
                }
                transaction.commit()?;
                Ok(known)
            };
            begin().map_err(|error| backend("cannot keep a key".to_owned(), error))
        })
        .await
    }

    /// Keeps the answer to what was begun.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub async fn remember(
        &self,
        caller: String,
        key: String,
        answer: KeptAnswer,
    ) -> Result<(), Error> {
        self.with_secrets(move |store| {
            let connection = store.secrets.connection();
            connection
                .execute(
                    "UPDATE idempotency SET status = ?3, body = ?4, location = ?5 \
                     WHERE caller = ?1 AND key = ?2",
                    params![caller, key, answer.status, answer.body, answer.location],
                )
                .map_err(|error| backend("cannot keep an answer".to_owned(), error))?;
            Ok(())
        })
        .await
    }

    /// Takes back what was begun and refused, so that it may be mended under its key.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub async fn forget_key(&self, caller: String, key: String) -> Result<(), Error> {
        self.with_secrets(move |store| {
            let connection = store.secrets.connection();
            connection
                .execute(
                    "DELETE FROM idempotency WHERE caller = ?1 AND key = ?2",
                    params![caller, key],
                )
                .map_err(|error| backend("cannot forget a key".to_owned(), error))?;
            Ok(())
        })
        .await
    }
}

fn find(connection: &Connection, caller: &str, key: &str) -> rusqlite::Result<Option<Remembered>> {
    let remembered = |row: &Row<'_>| {
        let status: Option<u16> = row.get(1)?;
        let answer = status.map(|status| -> rusqlite::Result<KeptAnswer> {
            Ok(KeptAnswer {
                status,
                body: row.get(2)?,
                location: row.get(3)?,
            })
        });
        Ok(Remembered {
            request: row.get(0)?,
            answer: answer.transpose()?,
        })
    };
    let sql =
        "SELECT request, status, body, location FROM idempotency WHERE caller = ?1 AND key = ?2";
    connection
        .query_row(sql, params![caller, key], remembered)
        .optional()
}
