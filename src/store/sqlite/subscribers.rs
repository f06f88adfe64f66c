//! Subscribers: adding, changing and removing them, and the secrets they verify with.

use rusqlite::{Connection, OptionalExtension, Row, params};
use std::sync::Arc;

use super::reader::Reader;
use super::writer::Core;
use super::{Store, backend};
use crate::forward::envelope::SigningSecret;
use crate::model::{Filter, PayloadOptions, Subscriber, SubscriberState};
use crate::store::overview::SubscriberOverview;
use crate::store::{Error, StateChange};

/// A subscriber to be added.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct NewSubscriber {
    /// Unique among those that are not removed; `[a-z0-9-]`, 64 characters at most.
    pub name: String,
    /// Where its payloads go; checked by the caller.
    pub url: String,
    /// Which reports it wants.
    pub filter: Filter,
    /// How its payloads look.
    pub options: PayloadOptions,
    /// How many forwards may be in flight to it at once.
    pub concurrency: u16,
}

/// A secret that a subscriber's payloads are signed with.
#[derive(Debug, Clone)]
pub struct SubscriberSecret {
    /// The secret.
    pub secret: SigningSecret,
    /// Until when the payloads are signed with it, ms since 1970 UTC; `None` for the current one.
    pub expires_at_ms: Option<i64>,
}

const COLUMNS: &str = "subscriber_id, name, url, state, state_reason, filter, error_format, \
     phone_format, timestamp_format, concurrency, created_at_ms, failing_since_ms";

fn read(row: &Row<'_>) -> rusqlite::Result<Subscriber> {
    let filter: String = row.get("filter")?;
    let state: String = row.get("state")?;
    let error_format: String = row.get("error_format")?;
    let phone_format: String = row.get("phone_format")?;
    let timestamp_format: String = row.get("timestamp_format")?;
    Ok(Subscriber {
        id: row.get("subscriber_id")?,
        name: row.get("name")?,
        url: row.get("url")?,
        state: word(&state)?,
        state_reason: row.get("state_reason")?,
        filter: serde_json::from_str(&filter).map_err(unreadable)?,
        options: PayloadOptions {
            error_format: word(&error_format)?,
            phone_format: word(&phone_format)?,
            timestamp_format: word(&timestamp_format)?,
        },
        concurrency: row.get("concurrency")?,
        created_at_ms: row.get("created_at_ms")?,
        failing_since_ms: row.get("failing_since_ms")?,
    })
}

fn word<T: std::str::FromStr<Err = crate::model::UnknownWord>>(text: &str) -> rusqlite::Result<T> {
    text.parse().map_err(unreadable)
}

pub(super) fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
}

/// Every subscriber that is not removed, in the order they were added.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<Arc<Subscriber>>> {
    connection
        .prepare(&format!(
            "SELECT {COLUMNS} FROM subscriber WHERE removed_at_ms IS NULL ORDER BY subscriber_id"
        ))?
        .query_map([], |row| read(row).map(Arc::new))?
        .collect()
}

const DAY_MS: i64 = 24 * 3600 * 1000;

/// How far back a forward may have been made that ended today: the longest wait and some.
const LOOK_BACK_MS: i64 = 30 * DAY_MS;

impl Reader {
    /// Every subscriber that is not removed with how it fares at `now_ms`, in the order they
    /// were added.
    ///
    /// # Errors
    /// As every read.
    pub fn subscribers(&self, now_ms: i64) -> Result<Vec<SubscriberOverview>, Error> {
        self.read("read the subscribers", |connection| {
            let mut pending = connection.prepare(
                "SELECT count(*), min(owed_since_ms) FROM forward \
                 WHERE state = 'pending' AND subscriber_id = ?1",
            )?;
            let mut ended = connection.prepare(
                "SELECT coalesce(sum(state = 'delivered'), 0), coalesce(sum(state = 'gave-up'), 0) \
                 FROM forward WHERE subscriber_id = ?1 AND settled_at_ms >= ?2 AND forward_id >= ?3",
            )?;
            let first = first_forward_since(connection, now_ms - LOOK_BACK_MS)?;
            let mut overviews = Vec::new();
            for subscriber in load(connection)? {
                let id = subscriber.id;
                let (pending, oldest_pending_ms) =
                    pending.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
                let since_ms = now_ms - DAY_MS;
                let (delivered_24h, gave_up_24h) = ended
                    .query_row([id, since_ms, first], |row| Ok((row.get(0)?, row.get(1)?)))?;
                overviews.push(SubscriberOverview {
                    subscriber: Arc::unwrap_or_clone(subscriber),
                    pending,
                    oldest_pending_ms,
                    delivered_24h,
                    gave_up_24h,
                });
            }
            Ok(overviews)
        })
    }

    /// The subscriber of that name with how it fares at `now_ms`.
    ///
    /// # Errors
    /// [`Error::NotFound`], and as every read.
    pub fn subscriber(&self, name: &str, now_ms: i64) -> Result<SubscriberOverview, Error> {
        self.subscribers(now_ms)?
            .into_iter()
            .find(|overview| overview.subscriber.name == name)
            .ok_or_else(|| Error::NotFound(format!("subscriber is named {name:?}")))
    }
}

/// The key of the first forward made at `since_ms` or later: public ids begin with the time,
/// so the index on them tells, and no other index has to.
fn first_forward_since(connection: &Connection, since_ms: i64) -> rusqlite::Result<i64> {
    let mut least = [0; 16];
    least[..6].copy_from_slice(&since_ms.max(0).to_be_bytes()[2..]);
    connection
        .query_row(
            "SELECT forward_id FROM forward WHERE uid >= ?1 ORDER BY uid LIMIT 1",
            [least],
            |row| row.get(0),
        )
        .optional()
        .map(|found| found.unwrap_or(i64::MAX))
}

impl Store {
    /// Adds a subscriber with a fresh secret, which is returned here and shown nowhere else.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the name is taken.
    pub async fn add_subscriber(
        &self,
        new: NewSubscriber,
    ) -> Result<(Arc<Subscriber>, SigningSecret), Error> {
        let secret = SigningSecret::generate();
        let name = new.name.clone();
        let id = self.run(move |core| core.add_subscriber(&new)).await?;
        // A crash here leaves a subscriber without a secret, to be mended by rotate-secret;
        // it would not be sent to until then.
        self.secrets.set(id, &secret)?;
        self.run(move |core| core.publish(&[id])).await?;
        Ok((self.subscriber(&name)?, secret))
    }

    /// The subscriber of that name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn subscriber(&self, name: &str) -> Result<Arc<Subscriber>, Error> {
        let subscribers = Arc::clone(&self.subscribers().borrow());
        subscribers
            .iter()
            .find(|subscriber| subscriber.name == name)
            .cloned()
            .ok_or_else(|| Error::NotFound(format!("subscriber is named {name:?}")))
    }

    /// Pauses or resumes a subscriber; resuming forgets that it was failing.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn set_state(
        &self,
        name: &str,
        state: SubscriberState,
    ) -> Result<Arc<Subscriber>, Error> {
        let id = self.subscriber(name)?.id;
        let change = StateChange {
            state,
            reason: None,
        };
        self.change_state(id, change).await?;
        self.subscriber(name)
    }

    /// Removes a subscriber: what it is owed is given up, its name is free again.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn remove_subscriber(&self, name: &str) -> Result<usize, Error> {
        let id = self.subscriber(name)?.id;
        let given_up = self.run(move |core| core.remove_subscriber(id)).await?;
        self.secrets.remove(id)?;
        Ok(given_up)
    }

    /// Gives a subscriber a new secret; the old one signs beside it until `old_until_ms`.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn rotate_secret(
        &self,
        name: &str,
        old_until_ms: i64,
    ) -> Result<SigningSecret, Error> {
        let id = self.subscriber(name)?.id;
        let secret = SigningSecret::generate();
        self.secrets
            .rotate(id, &secret, self.clock.now_ms(), old_until_ms)?;
        self.run(move |core| core.publish(&[id])).await?;
        Ok(secret)
    }

    /// The secrets to sign a subscriber's payloads with, the newest first.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub fn signing_secrets(&self, subscriber_id: i64) -> Result<Vec<SubscriberSecret>, Error> {
        self.secrets.of(subscriber_id)
    }
}

impl Core {
    fn add_subscriber(&mut self, new: &NewSubscriber) -> Result<i64, Error> {
        self.change("add the subscriber", |connection, now_ms| {
            let add = || -> rusqlite::Result<Option<i64>> {
                let taken: Option<i64> = connection
                    .query_row(
                        "SELECT 1 FROM subscriber WHERE name = ?1 AND removed_at_ms IS NULL",
                        [&new.name],
                        |row| row.get(0),
                    )
                    .optional()?;
                if taken.is_some() {
                    return Ok(None);
                }
                let filter = serde_json::to_string(&new.filter).map_err(unreadable)?;
                connection.query_row(
                    "INSERT INTO subscriber (name, url, state, filter, error_format, phone_format, \
                     timestamp_format, concurrency, created_at_ms) \
                     VALUES (?1, ?2, 'active', ?3, ?4, ?5, ?6, ?7, ?8) RETURNING subscriber_id",
                    params![
                        new.name,
                        new.url,
                        filter,
                        new.options.error_format.as_str(),
                        new.options.phone_format.as_str(),
                        new.options.timestamp_format.as_str(),
                        new.concurrency,
                        now_ms,
                    ],
                    |row| row.get(0).map(Some),
                )
            };
            add()
                .map_err(|error| backend("cannot add the subscriber".to_owned(), error))?
                .ok_or_else(|| {
                    Error::Conflict(format!("a subscriber is already named {:?}", new.name))
                })
        })
    }

    pub(super) fn change_state(&mut self, id: i64, change: &StateChange) -> Result<(), Error> {
        self.change("change the subscriber's state", |connection, _| {
            let changed = connection
                .execute(
                    "UPDATE subscriber SET state = ?2, state_reason = ?3, \
                     failing_since_ms = CASE WHEN ?2 = 'active' THEN NULL ELSE failing_since_ms END \
                     WHERE subscriber_id = ?1 AND removed_at_ms IS NULL",
                    params![id, change.state.as_str(), change.reason],
                )
                .map_err(|error| backend("cannot change the subscriber's state".to_owned(), error))?;
            if changed == 0 {
                return Err(Error::NotFound(format!("subscriber has the key {id}")));
            }
            Ok(())
        })?;
        self.publish(&[])
    }

    pub(super) fn note_failing(&mut self, id: i64, since_ms: Option<i64>) -> Result<(), Error> {
        self.change("note that the subscriber fails", |connection, _| {
            connection
                .execute(
                    "UPDATE subscriber SET failing_since_ms = ?2 WHERE subscriber_id = ?1",
                    params![id, since_ms],
                )
                .map_err(|error| backend("cannot note that the subscriber fails".to_owned(), error))
        })?;
        self.publish(&[])
    }

    fn remove_subscriber(&mut self, id: i64) -> Result<usize, Error> {
        let given_up = self.change("remove the subscriber", |connection, now_ms| {
            let remove = || -> rusqlite::Result<usize> {
                connection.execute(
                    "UPDATE subscriber SET removed_at_ms = ?2 WHERE subscriber_id = ?1",
                    params![id, now_ms],
                )?;
                connection.execute(
                    "UPDATE forward SET state = 'gave-up', gave_up = 'subscriber-removed', \
                     settled_at_ms = ?2 WHERE subscriber_id = ?1 AND state = 'pending'",
                    params![id, now_ms],
                )
            };
            remove().map_err(|error| backend("cannot remove the subscriber".to_owned(), error))
        })?;
        self.publish(&[])?;
        Ok(given_up)
    }
}
