//! Subscribers: adding, changing and removing them, and the secrets they verify with.

use rusqlite::{Connection, OptionalExtension, Row, params};
use std::sync::Arc;

use super::writer::Core;
use super::{Store, backend};
use crate::forward::envelope::SigningSecret;
use crate::model::{
    ErrorFormat, Filter, NumberFormat, Ordering, PayloadFormat, PayloadOptions,
    PayloadOptionsChange, Reports, Subscriber, SubscriberState, TimestampFormat,
};
use crate::store::{Error, StateChange};

/// A subscriber to be added.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct NewSubscriber {
    /// Unique among those that are not removed; `[a-z0-9-]`, 64 characters at most.
    pub name: String,
    /// Whose it is; the operator's own when `None`.
    #[serde(default)]
    pub owner: Option<String>,
    /// Where its payloads go; checked by the caller.
    pub url: String,
    /// Which reports it wants.
    pub filter: Filter,
    /// Whether late and contradicting reports are among them.
    #[serde(default)]
    pub reports: Reports,
    /// How its payloads look.
    pub options: PayloadOptions,
    /// What a later status of a message waits for.
    #[serde(default)]
    pub ordering: Ordering,
    /// How many forwards may be in flight to it at once.
    pub concurrency: u16,
}

impl NewSubscriber {
    /// One that wants everything, in the usual formats.
    #[must_use]
    pub fn new(name: &str, url: &str) -> Self {
        Self {
            name: name.to_owned(),
            owner: None,
            url: url.to_owned(),
            filter: Filter::default(),
            reports: Reports::default(),
            options: PayloadOptions::default(),
            ordering: Ordering::default(),
            concurrency: DEFAULT_CONCURRENCY,
        }
    }

    /// The same with that difference.
    #[must_use]
    pub fn with(mut self, change: SubscriberChange) -> Self {
        fn set<T>(value: &mut T, change: Option<T>) {
            if let Some(change) = change {
                *value = change;
            }
        }
        set(&mut self.url, change.url);
        set(&mut self.filter, change.filter);
        set(&mut self.reports, change.reports);
        set(&mut self.options.format, change.options.format);
        set(&mut self.options.error_format, change.options.error_format);
        set(&mut self.options.phone_format, change.options.phone_format);
        set(
            &mut self.options.timestamp_format,
            change.options.timestamp_format,
        );
        set(&mut self.ordering, change.ordering);
        set(&mut self.concurrency, change.concurrency);
        self
    }
}

/// What is to be different about a subscriber; `None` leaves it as it is.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct SubscriberChange {
    /// Where its payloads go; checked by the caller.
    pub url: Option<String>,
    /// Which reports it wants.
    pub filter: Option<Filter>,
    /// Whether late and contradicting reports are among them.
    #[serde(default)]
    pub reports: Option<Reports>,
    /// How its payloads look, those that are rendered from now on.
    #[serde(default)]
    pub options: PayloadOptionsChange,
    /// What a later status of a message waits for.
    #[serde(default)]
    pub ordering: Option<Ordering>,
    /// How many forwards may be in flight to it at once.
    pub concurrency: Option<u16>,
}

/// How many forwards may be in flight to a subscriber at once, unless it says otherwise.
const DEFAULT_CONCURRENCY: u16 = 8;

/// A secret that a subscriber's payloads are signed with.
#[derive(Debug, Clone)]
pub struct SubscriberSecret {
    /// The secret.
    pub secret: SigningSecret,
    /// Until when the payloads are signed with it, ms since 1970 UTC; `None` for the current one.
    pub expires_at_ms: Option<i64>,
}

const COLUMNS: &str = "subscriber_id, name, owner, url, state, state_reason, filter, reports, format, \
     ordering, error_format, phone_format, timestamp_format, concurrency, created_at_ms, failing_since_ms";

fn read(row: &Row<'_>) -> rusqlite::Result<Subscriber> {
    let filter: String = row.get("filter")?;
    let state: String = row.get("state")?;
    let reports: String = row.get("reports")?;
    let ordering: String = row.get("ordering")?;
    let format: String = row.get("format")?;
    let error_format: String = row.get("error_format")?;
    let phone_format: String = row.get("phone_format")?;
    let timestamp_format: String = row.get("timestamp_format")?;
    Ok(Subscriber {
        id: row.get("subscriber_id")?,
        name: row.get("name")?,
        owner: row.get("owner")?,
        url: row.get("url")?,
        state: word(&state)?,
        state_reason: row.get("state_reason")?,
        filter: serde_json::from_str(&filter).map_err(unreadable)?,
        reports: word(&reports)?,
        options: PayloadOptions {
            format: word(&format)?,
            error_format: word(&error_format)?,
            phone_format: word(&phone_format)?,
            timestamp_format: word(&timestamp_format)?,
        },
        ordering: word(&ordering)?,
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

    /// Changes how a subscriber is sent to; what is owed already keeps its payload.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn update_subscriber(
        &self,
        name: &str,
        change: SubscriberChange,
    ) -> Result<Arc<Subscriber>, Error> {
        let id = self.subscriber(name)?.id;
        self.run(move |core| core.update_subscriber(id, &change))
            .await?;
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
                     timestamp_format, concurrency, created_at_ms, owner, format, reports, \
                     ordering) VALUES (?1, ?2, 'active', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
                     RETURNING subscriber_id",
                    params![
                        new.name,
                        new.url,
                        filter,
                        new.options.error_format.as_str(),
                        new.options.phone_format.as_str(),
                        new.options.timestamp_format.as_str(),
                        new.concurrency,
                        now_ms,
                        new.owner,
                        new.options.format.as_str(),
                        new.reports.as_str(),
                        new.ordering.as_str(),
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

    fn update_subscriber(&mut self, id: i64, change: &SubscriberChange) -> Result<(), Error> {
        self.change("change the subscriber", |connection, _| {
            let update = || -> rusqlite::Result<usize> {
                let filter = change.filter.as_ref().map(serde_json::to_string);
                let filter = filter.transpose().map_err(unreadable)?;
                let options = change.options;
                connection.execute(
                    "UPDATE subscriber SET url = coalesce(?2, url), filter = coalesce(?3, filter), \
                     error_format = coalesce(?4, error_format), \
                     phone_format = coalesce(?5, phone_format), \
                     timestamp_format = coalesce(?6, timestamp_format), \
                     concurrency = coalesce(?7, concurrency), \
                     format = coalesce(?8, format), reports = coalesce(?9, reports), \
                     ordering = coalesce(?10, ordering) \
                     WHERE subscriber_id = ?1 AND removed_at_ms IS NULL",
                    params![
                        id,
                        change.url,
                        filter,
                        options.error_format.map(ErrorFormat::as_str),
                        options.phone_format.map(NumberFormat::as_str),
                        options.timestamp_format.map(TimestampFormat::as_str),
                        change.concurrency,
                        options.format.map(PayloadFormat::as_str),
                        change.reports.map(Reports::as_str),
                        change.ordering.map(Ordering::as_str),
                    ],
                )
            };
            let changed = update()
                .map_err(|error| backend("cannot change the subscriber".to_owned(), error))?;
            if changed == 0 {
                return Err(Error::NotFound(format!("subscriber has the key {id}")));
            }
            Ok(())
        })?;
        self.publish(&[])
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
