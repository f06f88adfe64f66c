//! Subscribers' secrets, own headers and the URLs of chats: sealed rows of the store, opened for
//! the lane that sends with them.
//!
//! A lane reads URL, secrets and headers of one commit together, so a credential never goes to the URL of another
//! one. Without the key the lane waits, and no subscriber's state changes for that.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use url::Url;

use super::backend;
use super::keys::RowKeys;
use super::reader::{Reader, SqliteQuery};
use crate::model::{Headers, SecretText, SigningSecret, SubscriberKey};
use crate::store::query::OutboundQuery;
use crate::store::seal::{KeyRing, SealError, SealedCell};
use crate::store::{Error, Outbound, SubscriberSecret};

/// Old secrets of a subscriber that sign beside its new one, at most: each makes the header longer,
/// and a receiver has but so much room for one.
const OLD_SECRETS: u8 = 2;

/// Sealed rows of the store: opens and seals them, each in its place.
pub(super) struct Sealed<'a> {
    pub(super) connection: &'a Connection,
    pub(super) ring: &'a KeyRing,
}

/// A secret's key, it sealed, and when it expires, ms since 1970 UTC.
type SecretRow = (i64, Vec<u8>, Option<i64>);

/// A value of a subscriber that is sealed.
#[derive(Clone, Copy)]
pub(super) enum SecretValue<'a> {
    Secret(i64),
    Header(SubscriberKey, &'a str),
    Url(SubscriberKey),
}

impl SecretValue<'_> {
    fn in_place<T>(self, act: impl FnOnce(SealedCell<'_>) -> T) -> T {
        let (table, column, id, name) = match self {
            Self::Secret(id) => ("subscriber_secret", "sealed", id.to_string(), ""),
            Self::Header(id, name) => ("subscriber_header", "sealed", id.to_string(), name),
            Self::Url(id) => ("subscriber", "url_sealed", id.to_string(), ""),
        };
        let row = [id.as_str(), name];
        act(SealedCell {
            table,
            row: &row,
            column,
        })
    }
}

impl Sealed<'_> {
    pub(super) fn seal(&self, value: SecretValue<'_>, text: &str) -> Result<Vec<u8>, Error> {
        value
            .in_place(|place| self.ring.seal(place, text.as_bytes()))
            .map_err(|error| unopened("cannot seal a secret", error))
    }

    pub(super) fn open(&self, value: SecretValue<'_>, sealed: &[u8]) -> Result<String, Error> {
        let text = value
            .in_place(|place| self.ring.open(place, sealed))
            .map_err(|error| unopened("cannot open a secret", error))?;
        String::from_utf8(text).map_err(|error| backend("cannot read a secret".to_owned(), error))
    }

    /// Keeps a secret, which expires then if that is said.
    pub(super) fn add_secret(
        &self,
        subscriber_id: SubscriberKey,
        secret: &str,
        expires_at_ms: Option<i64>,
    ) -> Result<(), Error> {
        let failed = |error| backend("cannot keep the secret".to_owned(), error);
        // Its key is a part of what is sealed, so there is a row before there is a secret.
        let secret_id: i64 = self
            .connection
            .query_row(
                "INSERT INTO subscriber_secret (subscriber_id, sealed, expires_at_ms) \
                 VALUES (?1, x'', ?2) RETURNING secret_id",
                params![subscriber_id, expires_at_ms],
                |row| row.get(0),
            )
            .map_err(failed)?;
        let sealed = self.seal(SecretValue::Secret(secret_id), secret)?;
        self.connection
            .execute(
                "UPDATE subscriber_secret SET sealed = ?2 WHERE secret_id = ?1",
                params![secret_id, sealed],
            )
            .map_err(failed)?;
        Ok(())
    }

    /// A new secret. The current one expires at `old_until_ms`. Those that were rotated out before
    /// keep their time, unless it is over by `expiry_ms`. Of all old ones the newest
    /// [`OLD_SECRETS`] are kept; without a time all of them end now.
    pub(super) fn rotate(
        &self,
        subscriber_id: SubscriberKey,
        secret: &SigningSecret,
        expiry_ms: i64,
        old_until_ms: Option<i64>,
    ) -> Result<(), Error> {
        if old_until_ms.is_some() {
            // One that cannot be opened cannot go on signing either.
            self.secrets_of(subscriber_id)?;
        }
        let expire = || -> rusqlite::Result<()> {
            self.connection.execute(
                "DELETE FROM subscriber_secret \
                 WHERE subscriber_id = ?1 AND (expires_at_ms <= ?2 OR ?3 IS NULL)",
                params![subscriber_id, expiry_ms, old_until_ms],
            )?;
            self.connection.execute(
                "UPDATE subscriber_secret SET expires_at_ms = ?2 \
                 WHERE subscriber_id = ?1 AND expires_at_ms IS NULL",
                params![subscriber_id, old_until_ms],
            )?;
            self.connection.execute(
                "DELETE FROM subscriber_secret WHERE subscriber_id = ?1 AND secret_id NOT IN \
                 (SELECT secret_id FROM subscriber_secret WHERE subscriber_id = ?1 \
                 ORDER BY secret_id DESC LIMIT ?2)",
                params![subscriber_id, OLD_SECRETS],
            )?;
            Ok(())
        };
        expire().map_err(|error| backend("cannot rotate the secret".to_owned(), error))?;
        self.add_secret(subscriber_id, &secret.expose(), None)
    }

    /// Sets headers of a subscriber's own, and takes those away that have no value.
    pub(super) fn change_headers(
        &self,
        subscriber_id: SubscriberKey,
        headers: &BTreeMap<String, Option<SecretText>>,
    ) -> Result<(), Error> {
        let failed = |error| backend("cannot keep the headers".to_owned(), error);
        for (name, value) in headers {
            match value {
                Some(value) => {
                    let sealed =
                        self.seal(SecretValue::Header(subscriber_id, name), value.expose())?;
                    self.connection.execute(
                        "INSERT INTO subscriber_header (subscriber_id, name, sealed) \
                         VALUES (?1, ?2, ?3) ON CONFLICT (subscriber_id, name) \
                         DO UPDATE SET sealed = excluded.sealed",
                        params![subscriber_id, name, sealed],
                    )
                }
                None => self.connection.execute(
                    "DELETE FROM subscriber_header WHERE subscriber_id = ?1 AND name = ?2",
                    params![subscriber_id, name],
                ),
            }
            .map_err(failed)?;
        }
        Ok(())
    }

    /// Keeps the whole URL of a chat.
    pub(super) fn set_url(&self, subscriber_id: SubscriberKey, url: &str) -> Result<(), Error> {
        let sealed = self.seal(SecretValue::Url(subscriber_id), url)?;
        self.connection
            .execute(
                "UPDATE subscriber SET url_sealed = ?2 WHERE subscriber_id = ?1",
                params![subscriber_id, sealed],
            )
            .map_err(|error| backend("cannot keep the URL".to_owned(), error))?;
        Ok(())
    }

    /// All that a subscriber is sent to with, as one commit left it.
    pub(super) fn outbound(&self, subscriber_id: SubscriberKey) -> Result<Outbound, Error> {
        let failed = |error| backend("cannot read the subscriber's secrets".to_owned(), error);
        let (url, url_sealed): (String, Option<Vec<u8>>) = self
            .connection
            .query_row(
                "SELECT url, url_sealed FROM subscriber WHERE subscriber_id = ?1",
                [subscriber_id],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .map_err(failed)?
            .ok_or_else(|| Error::NotFound(format!("subscriber has the key {subscriber_id}")))?;
        let url = match url_sealed {
            Some(sealed) => self.open(SecretValue::Url(subscriber_id), &sealed)?,
            None => url,
        };
        Ok(Outbound {
            url: url.into(),
            secrets: self.secrets_of(subscriber_id)?,
            headers: self.headers_of(subscriber_id)?,
        })
    }

    /// The newest first.
    fn secrets_of(&self, subscriber_id: SubscriberKey) -> Result<Vec<SubscriberSecret>, Error> {
        let read = || -> rusqlite::Result<Vec<SecretRow>> {
            self.connection
                .prepare_cached(
                    "SELECT secret_id, sealed, expires_at_ms FROM subscriber_secret \
                     WHERE subscriber_id = ?1 ORDER BY secret_id DESC",
                )?
                .query_map([subscriber_id], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?
                .collect()
        };
        let rows = read().map_err(|error| backend("cannot read the secrets".to_owned(), error))?;
        let secret = |(secret_id, sealed, expires_at_ms): SecretRow| {
            let secret = self.open(SecretValue::Secret(secret_id), &sealed)?;
            let secret = secret
                .parse()
                .map_err(|error| backend("cannot read a secret".to_owned(), error))?;
            Ok(SubscriberSecret {
                secret,
                expires_at_ms,
            })
        };
        rows.into_iter().map(secret).collect()
    }

    /// A subscriber's own headers, its credentials among them.
    fn headers_of(&self, subscriber_id: SubscriberKey) -> Result<Headers, Error> {
        let read = || -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
            self.connection
                .prepare_cached(
                    "SELECT name, sealed FROM subscriber_header WHERE subscriber_id = ?1",
                )?
                .query_map([subscriber_id], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        };
        let rows = read().map_err(|error| backend("cannot read the headers".to_owned(), error))?;
        let header = |(name, sealed): (String, Vec<u8>)| {
            let value = self.open(SecretValue::Header(subscriber_id, &name), &sealed)?;
            Ok((name, value.into()))
        };
        rows.into_iter().map(header).collect()
    }
}

/// The names of a subscriber's own headers, its credentials among them.
pub(super) fn header_names(
    connection: &Connection,
    subscriber_id: SubscriberKey,
) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare("SELECT name FROM subscriber_header WHERE subscriber_id = ?1 ORDER BY name")?
        .query_map([subscriber_id], |row| row.get(0))?
        .collect()
}

/// Removes all that a subscriber was sent to with.
pub(super) fn forget(
    connection: &Connection,
    subscriber_id: SubscriberKey,
) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM subscriber_secret WHERE subscriber_id = ?1",
        "DELETE FROM subscriber_header WHERE subscriber_id = ?1",
        "UPDATE subscriber SET url_sealed = NULL WHERE subscriber_id = ?1",
    ] {
        connection.execute(sql, [subscriber_id])?;
    }
    Ok(())
}

/// Whether anything in the store is sealed.
pub(super) fn has_sealed(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM subscriber_secret) \
         OR EXISTS (SELECT 1 FROM subscriber_header) OR EXISTS (SELECT 1 FROM idempotency) \
         OR EXISTS (SELECT 1 FROM subscriber WHERE url_sealed IS NOT NULL)",
        [],
        |row| row.get(0),
    )
}

/// What every token may see of a chat's URL: where it is, not what lets one post there.
pub(super) fn shown_url(url: &str) -> String {
    let origin = Url::parse(url).map(|url| url.origin().ascii_serialization());
    format!("{}/…", origin.unwrap_or_default())
}

/// The store's error for what was not sealed or opened.
pub(super) fn unopened(attempted: &str, error: SealError) -> Error {
    match error {
        SealError::NoKey | SealError::Missing(_) => {
            Error::KeyMissing(format!("{attempted}: {error}"))
        }
        SealError::Damaged => backend(attempted.to_owned(), error),
    }
}

/// Does what needs keys; when one is missing, looks for it and tries once more.
pub(super) fn with_keys<T>(
    keys: &RowKeys,
    act: impl Fn(&KeyRing) -> Result<T, Error>,
) -> Result<T, Error> {
    let ring = keys.ring();
    let outcome = match act(&ring) {
        // A new key may have come meanwhile, with what is sealed with it.
        Err(Error::KeyMissing(_)) if keys.refresh() || !Arc::ptr_eq(&ring, &keys.ring()) => {
            act(&keys.ring())
        }
        outcome => outcome,
    };
    outcome.map_err(|error| match error {
        Error::KeyMissing(what) => Error::KeyMissing(format!("{what}: {}", keys.remedy())),
        other => other,
    })
}

impl SqliteQuery for OutboundQuery {
    fn answer(self, reader: &Reader) -> Result<Outbound, Error> {
        with_keys(&reader.keys, |ring| {
            reader.read_as("read what a subscriber is sent to with", |connection| {
                Sealed { connection, ring }.outbound(self.subscriber_id)
            })
        })
    }
}
