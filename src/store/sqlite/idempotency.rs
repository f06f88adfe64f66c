//! Answers to requests that carried an `Idempotency-Key`; in the second file, since an answer
//! may hold a secret.

use rusqlite::{OptionalExtension, params};

use super::{Store, backend};
use crate::store::Error;

/// How long an answer is kept, ms.
const KEPT_MS: i64 = 24 * 3600 * 1000;

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The hash of the request that it answered.
    pub request: [u8; 32],
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// `Location`, when it had one.
    pub location: Option<String>,
}

impl Store {
    /// The answer to a caller's request with this key within the last 24 h.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub async fn recall(&self, caller: String, key: String) -> Result<Option<Remembered>, Error> {
        let since_ms = self.clock.now_ms() - KEPT_MS;
        self.with_secrets(move |store| {
            store
                .secrets
                .connection()
                .query_row(
                    "SELECT request, status, body, location FROM idempotency \
                     WHERE caller = ?1 AND key = ?2 AND answered_ms > ?3",
                    params![caller, key, since_ms],
                    |row| {
                        Ok(Remembered {
                            request: row.get(0)?,
                            status: row.get(1)?,
                            body: row.get(2)?,
                            location: row.get(3)?,
                        })
                    },
                )
                .optional()
                .map_err(|error| backend("cannot look for an answer".to_owned(), error))
        })
        .await
    }

    /// Keeps an answer, and forgets those that are older than 24 h.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub async fn remember(
        &self,
        caller: String,
        key: String,
        answer: Remembered,
    ) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        self.with_secrets(move |store| {
            let mut connection = store.secrets.connection();
            let mut keep = || -> rusqlite::Result<()> {
                let transaction = connection.transaction()?;
                transaction.execute(
                    "DELETE FROM idempotency WHERE answered_ms <= ?1",
                    [now_ms - KEPT_MS],
                )?;
                transaction.execute(
                    "INSERT OR REPLACE INTO idempotency \
                     (caller, key, request, answered_ms, status, body, location) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params![
                        caller,
                        key,
                        answer.request,
                        now_ms,
                        answer.status,
                        answer.body,
                        answer.location
                    ],
                )?;
                transaction.commit()
            };
            keep().map_err(|error| backend("cannot keep an answer".to_owned(), error))
        })
        .await
    }
}
