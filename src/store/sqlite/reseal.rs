//! Another key: everything sealed is sealed again with it, in one transaction.
//!
//! The new key is in its file, beside the old ones, before the first row is sealed with it; the
//! old ones leave the file once every row is, on the disk. So a kill at any point leaves a file
//! whose keys open every row, and rotating again goes on.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::changes::{Changing, Entry};
use super::secrets::{Sealed, Value};
use super::writer::Core;
use super::{Store, backend, idempotency, secrets, set_durability};
use crate::store::seal::KeyId;
use crate::store::{Durability, Error, KeysRecord, Resealed};

impl Store {
    /// Seals everything again: with a new key where we keep the file, else with the first key of
    /// the configuration.
    ///
    /// # Errors
    /// [`Error::KeyMissing`] when something cannot be opened, [`Error::DiskFull`],
    /// [`Error::Unwritable`], [`Error::Backend`], [`Error::Closed`]; all opens as before then.
    pub async fn rotate_key(
        &self,
        entry: impl FnOnce(&Resealed) -> Entry + Send + 'static,
    ) -> Result<Resealed, Error> {
        self.writer.refuse_early()?;
        self.run(move |core| core.rotate_key(entry)).await
    }

    /// The keys at hand and the keys that are used.
    ///
    /// # Errors
    /// As every read.
    pub async fn key_ids(&self) -> Result<KeysRecord, Error> {
        self.keys.refresh();
        let ring = self.keys.ring();
        let used = self.look("look which keys are used", all_used).await?;
        let missing = used.iter().filter(|id| !ring.has(**id));
        Ok(KeysRecord {
            missing: missing.map(ToString::to_string).collect(),
            at_hand: ring.ids().map(|id| id.to_string()).collect(),
            used: used.iter().map(ToString::to_string).collect(),
        })
    }
}

impl Core {
    fn rotate_key(&mut self, entry: impl FnOnce(&Resealed) -> Entry) -> Result<Resealed, Error> {
        self.keys.refresh();
        let used = all_used(&self.connection)
            .map_err(|error| backend("cannot read the secrets".to_owned(), error))?;
        let ring = self.keys.ring();
        if let Some(missing) = used.iter().find(|id| !ring.has(**id)) {
            return Err(Error::KeyMissing(format!(
                "the key {missing} is missing, and what it sealed cannot be sealed again: {}",
                self.keys.remedy()
            )));
        }
        let file = self.keys.add_new()?;
        let mut resealed = self.reseal(entry)?;
        if file.is_some()
            && let Err(error) = self.keys.drop_old()
        {
            // Each key in the file opens; the next rotation drops them.
            tracing::warn!(%error, "store.old_key_kept");
        }
        tracing::info!(key = %resealed.key, ?file, values = resealed.values, "store.key_rotated");
        resealed.file = file;
        Ok(resealed)
    }

    fn reseal(&mut self, entry: impl FnOnce(&Resealed) -> Entry) -> Result<Resealed, Error> {
        let set = |core: &Self, durability| {
            set_durability(&core.connection, durability)
                .map_err(|error| backend("cannot set how commits are synced".to_owned(), error))
        };
        // Before an old key goes, what the new one sealed is on the disk.
        set(self, Durability::Full)?;
        let resealed = self.conduct(seal_again, entry);
        set(self, self.durability)?;
        resealed
    }
}

/// The ids of all keys that anything is sealed with.
fn all_used(connection: &Connection) -> rusqlite::Result<BTreeSet<KeyId>> {
    let mut used = secrets::used_keys(connection)?;
    let mut select = connection.prepare("SELECT DISTINCT substr(sealed, 1, 9) FROM idempotency")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        used.extend(KeyId::of(&row.get::<_, Vec<u8>>(0)?));
    }
    Ok(used)
}

/// Seals with the first key what another sealed.
fn seal_again(changing: &mut Changing<'_>) -> Result<Resealed, Error> {
    let connection = changing.connection;
    let read = |error| backend("cannot read what is sealed".to_owned(), error);
    let secrets: Vec<(i64, Vec<u8>)> = connection
        .prepare("SELECT secret_id, sealed FROM subscriber_secret")
        .and_then(|mut select| {
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
        .map_err(read)?;
    let headers: Vec<(i64, String, Vec<u8>)> = connection
        .prepare("SELECT subscriber_id, name, sealed FROM subscriber_header")
        .and_then(|mut select| {
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        })
        .map_err(read)?;
    let urls: Vec<(i64, Vec<u8>)> = connection
        .prepare("SELECT subscriber_id, url_sealed FROM subscriber WHERE url_sealed IS NOT NULL")
        .and_then(|mut select| {
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
        .map_err(read)?;
    changing.sealing(|rows| {
        let key = rows.ring.ids().next();
        let mut values = 0;
        for (id, sealed) in &secrets {
            values += again(rows, Value::Secret(*id), sealed)?;
        }
        for (id, name, sealed) in &headers {
            values += again(rows, Value::Header(*id, name), sealed)?;
        }
        for (id, sealed) in &urls {
            values += again(rows, Value::Url(*id), sealed)?;
        }
        values += idempotency::seal_again(rows)?;
        Ok(Resealed {
            key: key.map(|key| key.to_string()).unwrap_or_default(),
            values,
            file: None,
        })
    })
}

/// Seals one value again; says how many that were, one or none.
fn again(rows: &Sealed<'_>, value: Value<'_>, sealed: &[u8]) -> Result<u64, Error> {
    if KeyId::of(sealed) == rows.ring.ids().next() {
        return Ok(0);
    }
    let sealed = rows.seal(value, &rows.open(value, sealed)?)?;
    let written = match value {
        Value::Secret(id) => rows.connection.execute(
            "UPDATE subscriber_secret SET sealed = ?2 WHERE secret_id = ?1",
            params![id, sealed],
        ),
        Value::Header(id, name) => rows.connection.execute(
            "UPDATE subscriber_header SET sealed = ?3 WHERE subscriber_id = ?1 AND name = ?2",
            params![id, name, sealed],
        ),
        Value::Url(id) => rows.connection.execute(
            "UPDATE subscriber SET url_sealed = ?2 WHERE subscriber_id = ?1",
            params![id, sealed],
        ),
    };
    written.map_err(|error| backend("cannot seal a secret again".to_owned(), error))?;
    Ok(1)
}
