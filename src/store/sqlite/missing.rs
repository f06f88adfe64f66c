//! Which keys are at hand, used and missing: of the whole store, and of one subscriber.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::reader::{Reader, SqliteQuery};
use super::reseal::all_used;
use crate::model::SubscriberKey;
use crate::store::query::{KeyQuery, MissingKeyQuery, SubscriberKeyQuery};
use crate::store::seal::KeyId;
use crate::store::{Error, KeysRecord};

/// The ids of the keys that this subscriber's values are sealed with.
fn keys_of(
    connection: &Connection,
    subscriber_id: SubscriberKey,
) -> rusqlite::Result<BTreeSet<KeyId>> {
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

impl SqliteQuery for MissingKeyQuery {
    fn answer(self, reader: &Reader) -> Result<Vec<KeyId>, Error> {
        let keys = &reader.keys;
        keys.refresh();
        keys.look(|| reader.read("look which keys are used", all_used))
    }
}

impl SqliteQuery for SubscriberKeyQuery {
    fn answer(self, reader: &Reader) -> Result<Option<KeyId>, Error> {
        let keys = &reader.keys;
        keys.refresh();
        let ring = keys.ring();
        let used = reader.read("look which keys are used", |connection| {
            keys_of(connection, self.subscriber_id)
        })?;
        Ok(used.into_iter().find(|id| !ring.has(*id)))
    }
}

impl SqliteQuery for KeyQuery {
    fn answer(self, reader: &Reader) -> Result<KeysRecord, Error> {
        let keys = &reader.keys;
        keys.refresh();
        let ring = keys.ring();
        let used = reader.read("look which keys are used", all_used)?;
        let missing = used.iter().filter(|id| !ring.has(**id));
        Ok(KeysRecord {
            missing: missing.map(ToString::to_string).collect(),
            at_hand: ring.ids().map(|id| id.to_string()).collect(),
            used: used.iter().map(ToString::to_string).collect(),
        })
    }
}
