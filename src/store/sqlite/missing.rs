//! Which keys are missing: of the whole store, and of one subscriber.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::Connection;

use super::Store;
use super::keys::RowKeys;
use super::reader::Reader;
use super::reseal::all_used;
use crate::store::seal::KeyId;
use crate::store::{Error, KeySource};

/// The ids of the keys that this subscriber's values are sealed with.
fn keys_of(connection: &Connection, subscriber_id: i64) -> rusqlite::Result<BTreeSet<KeyId>> {
    let mut used = BTreeSet::new();
    for sql in [
        "SELECT substr(sealed, 1, 9) FROM subscriber_secret WHERE subscriber_id = ?1",
        "SELECT substr(sealed, 1, 9) FROM subscriber_header WHERE subscriber_id = ?1",
        "SELECT substr(url_sealed, 1, 9) FROM subscriber \
         WHERE subscriber_id = ?1 AND url_sealed IS NOT NULL",
    ] {
        let mut select = connection.prepare_cached(sql)?;
        let mut rows = select.query([subscriber_id])?;
        while let Some(row) = rows.next()? {
            used.extend(KeyId::of(&row.get::<_, Vec<u8>>(0)?));
        }
    }
    Ok(used)
}

impl Reader {
    /// The key without which this subscriber cannot be sent to, by its id, where one is missing
    /// from these sources; as [`Options::keys`](crate::store::Options) has them.
    ///
    /// # Errors
    /// As every read.
    pub fn missing_key_of(
        &self,
        subscriber_id: i64,
        sources: &[KeySource],
    ) -> Result<Option<String>, Error> {
        let used = self.read("look which keys are used", |connection| {
            keys_of(connection, subscriber_id)
        })?;
        let ring = RowKeys::peek(self.path(), sources);
        let missing = used.into_iter().find(|id| !ring.has(*id));
        Ok(missing.map(|id| id.to_string()))
    }
}

impl Store {
    /// Looks for the keys: those that something is sealed with and that are missing. One that goes
    /// missing or comes back is said in the log.
    ///
    /// # Errors
    /// As every read.
    pub async fn missing_keys(&self) -> Result<Vec<KeyId>, Error> {
        let (keys, reader) = (Arc::clone(&self.keys), self.reader());
        let look = move || {
            keys.refresh();
            keys.look(|| reader.read("look which keys are used", all_used))
        };
        let looked = tokio::task::spawn_blocking(look);
        looked.await.map_err(|_| Error::Closed)?
    }

    /// The key without which this subscriber cannot be sent to, where one is missing.
    ///
    /// # Errors
    /// As every read.
    pub async fn missing_key_of(&self, subscriber_id: i64) -> Result<Option<KeyId>, Error> {
        let keys = Arc::clone(&self.keys);
        self.look("look which keys are used", move |connection| {
            keys.refresh();
            let ring = keys.ring();
            let used = keys_of(connection, subscriber_id)?;
            Ok(used.into_iter().find(|id| !ring.has(*id)))
        })
        .await
    }
}
