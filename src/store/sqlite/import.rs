//! `tickrelay.secrets.db`, where versions before this one kept in plain what the store now holds
//! sealed: its rows come with the migration that makes their tables, then it is destroyed.
//!
//! A kill before the commit leaves both files as they were, one after it leaves a second file
//! whose rows are in the store: the next start destroys it and reads nothing of it. What was
//! plain stands in the log too, so every start empties that: [`super::wal_maintenance::clear_log`].

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags, Row, params};
use rusqlite_migration::HookError;

use super::keys::{RowKeys, sync_folder};
use super::options::SqliteOptions;
use super::reseal::all_used;
use super::secrets::{Sealed, has_sealed, shown_url};
use super::{backend, beside, idempotency, schema};
use crate::model::SubscriberKey;
use crate::store::Error;
use crate::store::idempotency::{IdempotencyRecord, KeptAnswer, Ticket};
use crate::store::seal::KeyRing;

/// Brings the store's schema up to date from the version and at the time given, with the rows of
/// the second file where there is one.
///
/// # Errors
/// [`Error::Backend`]; store and second file are as they were then.
pub(super) fn into(
    connection: &mut Connection,
    options: &SqliteOptions,
    (found, now_ms): (i64, i64),
    keys: &Arc<RowKeys>,
) -> Result<(), Error> {
    let second = beside(&options.path, "secrets");
    let is_before = found < schema::SEALED;
    let has_sealed = !is_before
        && has_sealed(connection)
            .map_err(|error| backend("cannot read the secrets".to_owned(), error))?;
    keys.make_first(&options.path, has_sealed)?;
    // Without a store of its own it is another's, whose keys mean nothing here.
    let is_its_own = found > 0;
    let import = Import {
        second: (is_before && is_its_own && second.exists()).then(|| second.clone()),
        keys: Arc::clone(keys),
    };
    schema::migrate(connection, &options.path, (found, now_ms), &import)?;
    keys.look(|| all_used(connection))
        .map_err(|error| backend("cannot read the secrets".to_owned(), error))?;
    if is_its_own {
        // Its rows are in the store: that it stays is no reason to stay away.
        if let Err(error) = destroy(&second) {
            tracing::warn!(
                file = %second.display(),
                %error,
                "it holds secrets in plain and cannot be removed: remove it"
            );
        }
    } else if second.exists() {
        tracing::warn!(
            file = %second.display(),
            "it holds secrets of a store that is not here in plain: remove it"
        );
    }
    Ok(())
}

/// What the migration that makes the tables of secrets brings into them.
#[derive(Clone)]
pub(super) struct Import {
    second: Option<PathBuf>,
    keys: Arc<RowKeys>,
}

impl Import {
    /// Nothing, for a store that is made.
    #[cfg(test)]
    pub(super) fn nothing() -> Self {
        Self {
            second: None,
            keys: Arc::new(RowKeys::open(Path::new("memory"), &[])),
        }
    }

    /// Brings it, in the migration's transaction.
    pub(super) fn run(&self, store: &Connection) -> Result<(), HookError> {
        let failed = |error: Error| HookError::Hook(error.to_string());
        let ring = self.keys.ring();
        let chats = seal_chats(store, &ring).map_err(failed)?;
        let mut secrets = 0;
        if let Some(path) = &self.second {
            secrets = copy(path, store, &ring).map_err(failed)?;
        }
        if chats + secrets > 0 {
            tracing::info!(secrets, chats, "store.secrets_sealed");
        }
        Ok(())
    }
}

/// Seals the URLs of chats; of a removed one nothing is left.
fn seal_chats(connection: &Connection, ring: &KeyRing) -> Result<usize, Error> {
    let failed = |error| backend("cannot seal the URLs of chats".to_owned(), error);
    let chats: Vec<(SubscriberKey, String, bool)> = connection
        .prepare(
            "SELECT subscriber_id, url, removed_at_ms IS NULL FROM subscriber WHERE kind = 'chat'",
        )
        .and_then(|mut select| {
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        })
        .map_err(failed)?;
    for (id, url, is_there) in &chats {
        if *is_there {
            Sealed { connection, ring }.set_url(*id, url)?;
        }
        connection
            .execute(
                "UPDATE subscriber SET url = ?2 WHERE subscriber_id = ?1",
                params![id, shown_url(url)],
            )
            .map_err(failed)?;
    }
    Ok(chats.len())
}

/// Takes the second file's rows over; says how many secrets and headers.
fn copy(path: &Path, store: &Connection, ring: &KeyRing) -> Result<usize, Error> {
    let failed = |error| backend(format!("cannot read {}", path.display()), error);
    // To be written as well: a journal that a crash left is rolled back first.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let second = Connection::open_with_flags(path, flags).map_err(failed)?;
    let tables: i64 = second
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(failed)?;
    if tables == 0 {
        return Ok(0);
    }
    copy_tokens(&second, store).map_err(failed)?;
    let sealed = Sealed {
        connection: store,
        ring,
    };
    let secrets: Vec<(SubscriberKey, String, Option<i64>)> = second
        .prepare(
            "SELECT subscriber_id, secret, expires_at_ms FROM subscriber_secret ORDER BY secret_id",
        )
        .and_then(|mut select| {
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        })
        .map_err(failed)?;
    for (subscriber_id, secret, expires_at_ms) in &secrets {
        sealed.add_secret(*subscriber_id, secret, *expires_at_ms)?;
    }
    let headers: Vec<(SubscriberKey, String, String)> = second
        .prepare("SELECT subscriber_id, name, value FROM subscriber_header")
        .and_then(|mut select| {
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        })
        .map_err(failed)?;
    let count = secrets.len() + headers.len();
    for (subscriber_id, name, value) in headers {
        sealed.change_headers(subscriber_id, &[(name, Some(value.into()))].into())?;
    }
    for (kept, begun_ms) in answers(&second).map_err(failed)? {
        idempotency::write(&sealed, &kept, begun_ms)?;
    }
    Ok(count)
}

/// Tokens keep their keys, by which the audit calls them.
fn copy_tokens(second: &Connection, store: &Connection) -> rusqlite::Result<()> {
    use rusqlite::types::Value;
    const COLUMNS: &str = "token_id, hash, name, role, owner, sources, created_at_ms, \
         expires_at_ms, last_used_ms, revoked_at_ms";
    let mut insert = store.prepare(&format!(
        "INSERT INTO token ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
    ))?;
    let mut select = second.prepare(&format!("SELECT {COLUMNS} FROM token ORDER BY token_id"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let values: Vec<Value> = (0..10)
            .map(|index| row.get(index))
            .collect::<Result<_, _>>()?;
        insert.execute(rusqlite::params_from_iter(values))?;
    }
    Ok(())
}

/// Requests with an `Idempotency-Key`, and when they were begun.
fn answers(second: &Connection) -> rusqlite::Result<Vec<(IdempotencyRecord, i64)>> {
    let answer = |row: &Row<'_>| -> rusqlite::Result<Option<KeptAnswer>> {
        let Some(status) = row.get("status")? else {
            return Ok(None);
        };
        let body: Vec<u8> = row.get("body")?;
        Ok(Some(KeptAnswer {
            status,
            body: String::from_utf8_lossy(&body).into_owned(),
            location: row.get("location")?,
        }))
    };
    second
        .prepare("SELECT * FROM idempotency")?
        .query_map([], |row| {
            let ticket = Ticket {
                caller: row.get("caller")?,
                key: row.get("key")?,
                request: row.get("request")?,
            };
            let answer = answer(row)?;
            Ok((IdempotencyRecord { ticket, answer }, row.get("begun_ms")?))
        })?
        .collect()
}

/// Overwrites the second file and removes it, with the journals beside it; of what is not there
/// nothing is done.
fn destroy(path: &Path) -> io::Result<()> {
    let mut is_there = false;
    for end in ["-journal", "-wal", "-shm", ""] {
        let mut path = path.as_os_str().to_owned();
        path.push(end);
        match overwrite(Path::new(&path)) {
            Ok(()) => is_there = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    if is_there {
        sync_folder(path)?;
        tracing::info!(file = %path.display(), "store.second_file_removed");
    }
    Ok(())
}

fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = std::fs::File::options().write(true).open(path)?;
    let mut left = file.metadata()?.len();
    let zeros = [0; 4096];
    while left > 0 {
        let part = zeros
            .len()
            .min(usize::try_from(left).unwrap_or(zeros.len()));
        file.write_all(zeros.get(..part).unwrap_or(&zeros))?;
        left -= part as u64;
    }
    file.sync_all()?;
    std::fs::remove_file(path)
}
