//! The table of requests with an `Idempotency-Key`, sealed: an answer may hold a secret.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::changes::Changing;
use super::reader::{Reader, SqliteQuery};
use super::secrets::{Sealed, unopened, with_keys};
use super::writer::Core;
use super::{SqliteStep, SqliteStore, backend};
use crate::store::Error;
use crate::store::idempotency::{IdempotencyRecord, KEPT_MS, KeptAnswer, Remembered, Ticket};
use crate::store::query::RememberedQuery;
use crate::store::seal::{KeyRing, SealedCell};
use crate::store::step::ForgetTicket;

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct SealedAnswer {
    request: String,
    answer: Option<KeptAnswer>,
}

/// Acts on the place of the row of that caller and key.
fn in_place<T>((caller, key): (&str, &str), act: impl FnOnce(SealedCell<'_>) -> T) -> T {
    act(SealedCell {
        table: "idempotency",
        row: &[caller, key],
        column: "sealed",
    })
}

impl SqliteQuery for RememberedQuery {
    fn answer(self, reader: &Reader) -> Result<Option<Remembered>, Error> {
        let since_ms = match reader.clock_hold.held() {
            Some(_) => i64::MIN,
            None => reader.clock_hold.now_ms().saturating_sub(KEPT_MS),
        };
        let Ticket { caller, key, .. } = &self.ticket;
        // Keys first: what is read afterwards may be sealed with a new one, which is looked for then.
        with_keys(&reader.keys, |ring| {
            let sealed: Option<Vec<u8>> = reader.read("look a key up", |connection| {
                connection
                    .query_row(
                        "SELECT sealed FROM idempotency \
                         WHERE caller = ?1 AND key = ?2 AND begun_ms > ?3",
                        params![caller, key, since_ms],
                        |row| row.get(0),
                    )
                    .optional()
            })?;
            let open = |sealed: Vec<u8>| open(ring, (caller, key), &sealed);
            sealed.map(open).transpose()
        })
    }
}

impl SqliteStep for ForgetTicket {
    async fn take(self, store: &SqliteStore) -> Result<(), Error> {
        let Self { ticket } = self;
        let forget = move |core: &mut Core| {
            core.change("forget a key", |connection, _| {
                connection
                    .execute(
                        "DELETE FROM idempotency WHERE caller = ?1 AND key = ?2",
                        params![ticket.caller, ticket.key],
                    )
                    .map_err(|error| backend("cannot forget a key".to_owned(), error))
            })
        };
        store.run(forget).await.map(drop)
    }
}

/// Keeps what a repeat is to find, and forgets what is over a day old.
pub(super) fn keep(changing: &Changing<'_>, kept: &IdempotencyRecord) -> Result<(), Error> {
    changing
        .connection
        .prepare_cached("DELETE FROM idempotency WHERE begun_ms <= ?1")
        .and_then(|mut delete| delete.execute([changing.expiry_ms.saturating_sub(KEPT_MS)]))
        .map_err(|error| backend("cannot forget old keys".to_owned(), error))?;
    changing.sealing(|rows| write(rows, kept, changing.now_ms))
}

/// Writes a request that was begun at that time over what stands under its key.
pub(super) fn write(
    rows: &Sealed<'_>,
    kept: &IdempotencyRecord,
    begun_ms: i64,
) -> Result<(), Error> {
    let Ticket {
        caller,
        key,
        request,
    } = &kept.ticket;
    let text = SealedAnswer {
        request: hex::encode(request),
        answer: kept.answer.clone(),
    };
    let text = serde_json::to_vec(&text)
        .map_err(|error| backend("cannot keep an answer".to_owned(), error))?;
    let sealed = in_place((caller, key), |place| rows.ring.seal(place, &text))
        .map_err(|error| unopened("cannot seal an answer", error))?;
    rows.connection
        .prepare_cached(
            "INSERT INTO idempotency (caller, key, begun_ms, sealed) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (caller, key) DO UPDATE SET sealed = excluded.sealed",
        )
        .and_then(|mut insert| insert.execute(params![caller, key, begun_ms, sealed]))
        .map(drop)
        .map_err(|error| backend("cannot keep an answer".to_owned(), error))
}

fn open(ring: &KeyRing, row: (&str, &str), sealed: &[u8]) -> Result<Remembered, Error> {
    let unreadable = |error: &dyn std::fmt::Display| {
        backend("cannot read a kept answer".to_owned(), error.to_string())
    };
    let text = in_place(row, |place| ring.open(place, sealed))
        .map_err(|error| unopened("cannot open a kept answer", error))?;
    let SealedAnswer { request, answer } =
        serde_json::from_slice(&text).map_err(|error| unreadable(&error))?;
    let mut hash = [0; 32];
    hex::decode_to_slice(request, &mut hash).map_err(|error| unreadable(&error))?;
    Ok(Remembered {
        request: hash,
        answer,
    })
}

/// Kept answers that an erasure concerns.
pub(super) struct Concerned {
    /// Those that mention the person.
    pub(super) mentioned: u64,
    /// Those that no key at hand opens, so that their content is unknown.
    pub(super) unopened: u64,
}

impl SqliteStore {
    /// Drops the kept answers that mention the person, and those that no key opens; or counts them.
    ///
    /// # Errors
    /// [`Error::Unwritable`], [`Error::Backend`], [`Error::Closed`].
    pub(super) async fn erase_kept(
        &self,
        mentions: impl Fn(&str) -> bool + Send + 'static,
        dry_run: bool,
    ) -> Result<Concerned, Error> {
        if dry_run {
            // A command that only counts has no writer where no service runs.
            let keys = Arc::clone(&self.reader.keys);
            let search = move |connection: &Connection| {
                keys.refresh();
                erase(connection, &keys.ring(), mentions, dry_run)
            };
            return self.look("search the kept answers", search).await;
        }
        self.run(move |core| {
            core.keys.refresh();
            let ring = core.keys.ring();
            core.change("erase kept answers", |connection, _| {
                erase(connection, &ring, mentions, dry_run)
                    .map_err(|error| backend("cannot erase kept answers".to_owned(), error))
            })
        })
        .await
    }
}

fn erase(
    connection: &Connection,
    ring: &KeyRing,
    mentions: impl Fn(&str) -> bool,
    dry_run: bool,
) -> rusqlite::Result<Concerned> {
    let rows: Vec<(String, String, Vec<u8>)> = connection
        .prepare("SELECT caller, key, sealed FROM idempotency")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut concerned = Concerned {
        mentioned: 0,
        unopened: 0,
    };
    for (caller, key, sealed) in rows {
        let opened = open(ring, (&caller, &key), &sealed);
        match opened.map(|known| known.answer) {
            Ok(answer) => {
                let body = answer.map(|answer| answer.body).unwrap_or_default();
                if ![&body, &key, &caller]
                    .into_iter()
                    .any(|text| mentions(text))
                {
                    continue;
                }
                concerned.mentioned += 1;
            }
            Err(_) => concerned.unopened += 1,
        }
        if !dry_run {
            connection
                .prepare_cached("DELETE FROM idempotency WHERE caller = ?1 AND key = ?2")?
                .execute(params![caller, key])?;
        }
    }
    Ok(concerned)
}
