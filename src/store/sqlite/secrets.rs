//! The second file: what analysts must not see. Mode 0600, made by us.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Row, params};

use super::backend;
use crate::forward::envelope::SigningSecret;
use crate::model::{Headers, SecretText};
use crate::store::{Error, SubscriberSecret};

/// The open file; few rows, rarely read, so one connection behind a lock will do.
pub(super) struct Secrets {
    connection: Mutex<Connection>,
}

impl Secrets {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let attempted = || format!("cannot open {}", path.display());
        restrict(path).map_err(|error| backend(attempted(), error))?;
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(path)?;
            // EXTRA, not FULL: a journal whose removal was not synced comes back after a power
            // cut and takes with it a secret that was shown already.
            connection.execute_batch(
                "PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA; PRAGMA secure_delete = ON;
                 CREATE TABLE IF NOT EXISTS subscriber_secret (
                     secret_id     INTEGER PRIMARY KEY AUTOINCREMENT,
                     subscriber_id INTEGER NOT NULL,
                     secret        TEXT NOT NULL,
                     expires_at_ms INTEGER
                 ) STRICT;
                 CREATE TABLE IF NOT EXISTS subscriber_header (
                     subscriber_id INTEGER NOT NULL,
                     name          TEXT NOT NULL,
                     value         TEXT NOT NULL,
                     PRIMARY KEY (subscriber_id, name)
                 ) STRICT, WITHOUT ROWID;
                 CREATE TABLE IF NOT EXISTS token (
                     token_id      INTEGER PRIMARY KEY AUTOINCREMENT,
                     hash          BLOB NOT NULL UNIQUE,
                     name          TEXT NOT NULL,
                     role          TEXT NOT NULL,
                     owner         TEXT,
                     sources       TEXT NOT NULL,
                     created_at_ms INTEGER NOT NULL,
                     expires_at_ms INTEGER,
                     last_used_ms  INTEGER,
                     revoked_at_ms INTEGER
                 ) STRICT;
                 CREATE TABLE IF NOT EXISTS idempotency (
                     caller        TEXT NOT NULL,
                     key           TEXT NOT NULL,
                     request       BLOB NOT NULL,
                     begun_ms      INTEGER NOT NULL,
                     status        INTEGER,
                     body          BLOB,
                     location      TEXT,
                     PRIMARY KEY (caller, key)
                 ) STRICT;",
            )?;
            Ok(connection)
        };
        let connection = open().map_err(|error| backend(attempted(), error))?;
        Ok(Self {
            connection: Mutex::new(connection),
        })
    }

    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        // Every write below is one statement or one transaction, so a panic elsewhere
        // leaves nothing half done.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The one secret of a new subscriber, and its own headers; what stands there is another
    /// store's, whose file was taken away and whose keys begin anew.
    pub(super) fn set(
        &self,
        subscriber_id: i64,
        secret: &SigningSecret,
        headers: &Headers,
    ) -> Result<(), Error> {
        let mut connection = self.connection();
        let set = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            transaction.execute(
                "DELETE FROM subscriber_secret WHERE subscriber_id = ?1",
                [subscriber_id],
            )?;
            transaction.execute(
                "INSERT INTO subscriber_secret (subscriber_id, secret) VALUES (?1, ?2)",
                params![subscriber_id, secret.expose()],
            )?;
            transaction.execute(
                "DELETE FROM subscriber_header WHERE subscriber_id = ?1",
                [subscriber_id],
            )?;
            for (name, value) in headers {
                set_header(&transaction, subscriber_id, name, Some(value))?;
            }
            transaction.commit()
        };
        set(&mut connection).map_err(|error| backend("cannot keep the secret".to_owned(), error))
    }

    /// A new secret; the current one expires at `old_until_ms`, those that were rotated out
    /// before keep their time.
    pub(super) fn rotate(
        &self,
        subscriber_id: i64,
        secret: &SigningSecret,
        now_ms: i64,
        old_until_ms: i64,
    ) -> Result<(), Error> {
        let mut connection = self.connection();
        let rotate = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            transaction.execute(
                "DELETE FROM subscriber_secret WHERE subscriber_id = ?1 AND expires_at_ms <= ?2",
                params![subscriber_id, now_ms],
            )?;
            transaction.execute(
                "UPDATE subscriber_secret SET expires_at_ms = ?2 \
                 WHERE subscriber_id = ?1 AND expires_at_ms IS NULL",
                params![subscriber_id, old_until_ms],
            )?;
            transaction.execute(
                "INSERT INTO subscriber_secret (subscriber_id, secret) VALUES (?1, ?2)",
                params![subscriber_id, secret.expose()],
            )?;
            transaction.commit()
        };
        rotate(&mut connection)
            .map_err(|error| backend("cannot rotate the secret".to_owned(), error))
    }

    pub(super) fn remove(&self, subscriber_id: i64) -> Result<(), Error> {
        let connection = self.connection();
        for table in ["subscriber_secret", "subscriber_header"] {
            connection
                .execute(
                    &format!("DELETE FROM {table} WHERE subscriber_id = ?1"),
                    [subscriber_id],
                )
                .map_err(|error| backend("cannot forget the secret".to_owned(), error))?;
        }
        Ok(())
    }

    /// Sets headers of a subscriber's own, and takes those away that have no value.
    pub(super) fn change_headers(
        &self,
        subscriber_id: i64,
        headers: &BTreeMap<String, Option<SecretText>>,
    ) -> Result<(), Error> {
        let mut connection = self.connection();
        let change = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            for (name, value) in headers {
                set_header(&transaction, subscriber_id, name, value.as_ref())?;
            }
            transaction.commit()
        };
        change(&mut connection)
            .map_err(|error| backend("cannot keep the headers".to_owned(), error))
    }

    /// A subscriber's own headers, its credentials among them.
    pub(super) fn headers_of(&self, subscriber_id: i64) -> Result<Headers, Error> {
        let connection = self.connection();
        let read = || -> rusqlite::Result<Headers> {
            let mut found = connection
                .prepare("SELECT name, value FROM subscriber_header WHERE subscriber_id = ?1")?;
            let pair = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?.into()));
            found.query_map([subscriber_id], pair)?.collect()
        };
        read().map_err(|error| backend("cannot read the headers".to_owned(), error))
    }

    /// Newest first.
    pub(super) fn of(&self, subscriber_id: i64) -> Result<Vec<SubscriberSecret>, Error> {
        let connection = self.connection();
        let read = || -> rusqlite::Result<Vec<(String, Option<i64>)>> {
            connection
                .prepare(
                    "SELECT secret, expires_at_ms FROM subscriber_secret \
                     WHERE subscriber_id = ?1 ORDER BY secret_id DESC",
                )?
                .query_map([subscriber_id], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        };
        let rows = read().map_err(|error| backend("cannot read the secrets".to_owned(), error))?;
        rows.into_iter()
            .map(|(secret, expires_at_ms)| {
                let secret = secret
                    .parse()
                    .map_err(|error| backend("cannot read a secret".to_owned(), error))?;
                Ok(SubscriberSecret {
                    secret,
                    expires_at_ms,
                })
            })
            .collect()
    }
}

fn set_header(
    connection: &Connection,
    subscriber_id: i64,
    name: &str,
    value: Option<&SecretText>,
) -> rusqlite::Result<usize> {
    match value {
        Some(value) => connection.execute(
            "INSERT INTO subscriber_header (subscriber_id, name, value) VALUES (?1, ?2, ?3) \
             ON CONFLICT (subscriber_id, name) DO UPDATE SET value = excluded.value",
            params![subscriber_id, name, value.expose()],
        ),
        None => connection.execute(
            "DELETE FROM subscriber_header WHERE subscriber_id = ?1 AND name = ?2",
            params![subscriber_id, name],
        ),
    }
}

/// Makes the file before SQLite does, so that it is never readable by others.
fn restrict(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}
