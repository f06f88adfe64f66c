//! Another key: everything sealed is sealed again with it, in one transaction.
//!
//! The new key is in its file, beside the old ones, before the first row is sealed with it; the
//! old ones leave the file once every row is, on the disk. So a kill at any point leaves a file
//! whose keys open every row, and rotating again goes on.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rusqlite::{Connection, Row, params};

use super::changes::Changing;
use super::secrets::{Sealed, unopened};
use super::writer::Core;
use super::{SqliteStore, backend, set_durability};
use crate::store::seal::{KeyId, KeyRing, SealError, SealedCell};
use crate::store::{ChangeRecord, Durability, Error, Resealed, SealedPlace};

/// So many places of a missing key's values are named.
const SHOWN_PLACES: usize = 10;

impl SqliteStore {
    pub(in crate::store) async fn rotate_key(
        &self,
        entry: impl FnOnce(&Resealed) -> ChangeRecord + Send + 'static,
    ) -> Result<Resealed, Error> {
        self.writer.refuse_early()?;
        self.run(move |core| core.rotate_key(entry)).await
    }
}

impl Core {
    fn rotate_key(
        &mut self,
        entry: impl FnOnce(&Resealed) -> ChangeRecord,
    ) -> Result<Resealed, Error> {
        self.keys.refresh();
        let used = all_used(&self.connection)
            .map_err(|error| backend("cannot read the secrets".to_owned(), error))?;
        let ring = self.keys.ring();
        if let Some(missing) = used.iter().find(|id| !ring.has(**id)) {
            let places = sealed_with(&self.connection, *missing)
                .map_err(|error| backend("cannot read the secrets".to_owned(), error))?;
            return Err(Error::KeyMissing(format!(
                "the key {missing} is missing, and what it sealed cannot be sealed again ({places}): \
                 {}",
                self.keys.remedy()
            )));
        }
        let file = self.keys.add_new()?;
        let resealed = self.reseal(file.clone(), entry)?;
        for place in &resealed.damaged {
            tracing::error!(%place, "store.sealed_value_damaged");
        }
        // A damaged value may be mended from a backup, and opens with its own key alone.
        if file.is_some()
            && resealed.damaged.is_empty()
            && let Err(error) = self.keys.drop_old()
        {
            // Each key in the file opens; the next rotation drops them.
            tracing::warn!(%error, "store.old_key_kept");
        }
        tracing::info!(key = %resealed.key, ?file, values = resealed.values, "store.key_rotated");
        Ok(resealed)
    }

    fn reseal(
        &mut self,
        file: Option<PathBuf>,
        entry: impl FnOnce(&Resealed) -> ChangeRecord,
    ) -> Result<Resealed, Error> {
        let set = |core: &Self, durability| {
            set_durability(&core.connection, durability)
                .map_err(|error| backend("cannot set how commits are synced".to_owned(), error))
        };
        // Before an old key goes, what the new one sealed is on the disk.
        set(self, Durability::Full)?;
        let resealed = self.conduct(seal_again, |resealed| {
            let resealed = Resealed { file, ..resealed };
            let entry = entry(&resealed);
            (resealed, entry)
        });
        set(self, self.durability)?;
        resealed
    }
}

/// A column of sealed values.
struct SealedColumn {
    table: &'static str,
    name: &'static str,
    /// The columns that identify a row; of two the second may be a constant.
    row: [&'static str; 2],
    /// Whose value it is.
    subscriber: &'static str,
}

/// Every column of the store that is sealed.
const COLUMNS: [SealedColumn; 5] = [
    SealedColumn {
        table: "subscriber_secret",
        name: "sealed",
        row: ["secret_id", "''"],
        subscriber: "subscriber_secret.subscriber_id",
    },
    SealedColumn {
        table: "subscriber_header",
        name: "sealed",
        row: ["subscriber_id", "name"],
        subscriber: "subscriber_header.subscriber_id",
    },
    SealedColumn {
        table: "subscriber",
        name: "url_sealed",
        row: ["subscriber_id", "''"],
        subscriber: "subscriber.subscriber_id",
    },
    SealedColumn {
        table: "idempotency",
        name: "sealed",
        row: ["caller", "key"],
        subscriber: "NULL",
    },
    SealedColumn {
        table: "job",
        name: "sealed",
        row: ["job_id", "''"],
        subscriber: "NULL",
    },
];

/// A sealed value, with the parts of its row's key.
struct SealedValue {
    row: [String; 2],
    subscriber: Option<String>,
    sealed: Vec<u8>,
}

impl SealedColumn {
    /// Its values.
    fn values(&self, connection: &Connection) -> rusqlite::Result<Vec<SealedValue>> {
        let Self {
            table,
            name,
            row: [first, second],
            subscriber,
        } = self;
        let value = |row: &Row<'_>| {
            Ok(SealedValue {
                row: [row.get(0)?, row.get(1)?],
                subscriber: row.get(2)?,
                sealed: row.get(3)?,
            })
        };
        connection
            .prepare(&format!(
                "SELECT CAST({first} AS TEXT), {second}, \
                 (SELECT known.name FROM subscriber AS known \
                 WHERE known.subscriber_id = {subscriber}), {name} \
                 FROM {table} WHERE {name} IS NOT NULL"
            ))?
            .query_map([], value)?
            .collect()
    }

    fn place(&self, value: &SealedValue) -> SealedPlace {
        let keys = self.row.iter().zip(&value.row);
        let keys = keys.filter(|(name, _)| **name != "''");
        let keys: Vec<String> = keys.map(|(name, key)| format!("{name} {key}")).collect();
        SealedPlace {
            table: self.table.to_owned(),
            row: keys.join(", "),
            column: self.name.to_owned(),
            subscriber: value.subscriber.clone(),
        }
    }

    /// The value sealed with the first key.
    fn again(&self, ring: &KeyRing, value: &SealedValue) -> Result<Vec<u8>, SealError> {
        let [first, second] = &value.row;
        let place = SealedCell {
            table: self.table,
            row: &[first, second],
            column: self.name,
        };
        ring.seal(place, &ring.open(place, &value.sealed)?)
    }

    fn write(
        &self,
        connection: &Connection,
        value: &SealedValue,
        sealed: &[u8],
    ) -> Result<(), Error> {
        let Self {
            table,
            name,
            row: [first, second],
            ..
        } = self;
        let [first_key, second_key] = &value.row;
        connection
            .prepare_cached(&format!(
                "UPDATE {table} SET {name} = ?1 WHERE {first} = ?2 AND {second} = ?3"
            ))
            .and_then(|mut update| update.execute(params![sealed, first_key, second_key]))
            .map(drop)
            .map_err(|error| backend("cannot seal a value again".to_owned(), error))
    }
}

/// The ids of all keys that anything is sealed with.
pub(super) fn all_used(connection: &Connection) -> rusqlite::Result<BTreeSet<KeyId>> {
    let mut used = BTreeSet::new();
    for SealedColumn { table, name, .. } in &COLUMNS {
        let mut select = connection.prepare_cached(&format!(
            "SELECT DISTINCT substr({name}, 1, 9) FROM {table} WHERE {name} IS NOT NULL"
        ))?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            used.extend(KeyId::of(&row.get::<_, Vec<u8>>(0)?));
        }
    }
    Ok(used)
}

/// Where values stand that are sealed with that key; the first few.
fn sealed_with(connection: &Connection, id: KeyId) -> rusqlite::Result<String> {
    let mut places = Vec::new();
    for column in &COLUMNS {
        let values = column.values(connection)?.into_iter();
        let found = values.filter(|value| KeyId::of(&value.sealed) == Some(id));
        places.extend(found.map(|value| column.place(&value).to_string()));
    }
    let count = places.len();
    places.truncate(SHOWN_PLACES);
    let more = match count - places.len() {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Ok(format!("{}{more}", places.join("; ")))
}

/// Seals with the first key what another sealed. What is damaged stays as it is, and is named.
fn seal_again(changing: &mut Changing<'_>) -> Result<Resealed, Error> {
    changing.sealing(|Sealed { connection, ring }| {
        let first = ring.ids().next();
        let mut resealed = Resealed {
            key: first.map(|key| key.to_string()).unwrap_or_default(),
            values: 0,
            file: None,
            damaged: Vec::new(),
        };
        for column in &COLUMNS {
            let values = column.values(connection);
            let values =
                values.map_err(|error| backend("cannot read what is sealed".to_owned(), error))?;
            for value in values {
                if KeyId::of(&value.sealed) == first {
                    continue;
                }
                match column.again(ring, &value) {
                    Ok(sealed) => {
                        column.write(connection, &value, &sealed)?;
                        resealed.values += 1;
                    }
                    Err(SealError::Damaged) => resealed.damaged.push(column.place(&value)),
                    Err(error) => return Err(unopened("cannot seal a value again", error)),
                }
            }
        }
        Ok(resealed)
    })
}
