//! Subscribers: adding, changing and removing them, and the secrets they verify with.

use rusqlite::{Connection, OptionalExtension, Row, params};
use std::sync::Arc;

use super::writer::Core;
use super::{Store, backend, forwards};
use crate::forward::envelope::SigningSecret;
use crate::model::{
    AUTHORIZATION, AlertOptions, AuthKind, ErrorFormat, Headers, NumberFormat, Ordering,
    PayloadFormat, PayloadOptions, Reports, Setting, Subscriber, SubscriberState, TimestampFormat,
};
use crate::store::{Error, NewSubscriber, StateChange, SubscriberChange, SubscriberSecret};

const COLUMNS: &str = "subscriber_id, name, owner, url, kind, wording, link, state, \
     state_reason, filter, reports, format, error_format, phone_format, timestamp_format, ordering, concurrency, timeout_ms, \
     rate_limit, schedule, headers, auth, created_at_ms, failing_since_ms";

fn read(row: &Row<'_>) -> rusqlite::Result<Subscriber> {
    let filter: String = row.get("filter")?;
    let kind: String = row.get("kind")?;
    let state: String = row.get("state")?;
    let reports: String = row.get("reports")?;
    let ordering: String = row.get("ordering")?;
    let schedule: Option<String> = row.get("schedule")?;
    let headers: Option<String> = row.get("headers")?;
    let auth: Option<String> = row.get("auth")?;
    let format: String = row.get("format")?;
    let error_format: String = row.get("error_format")?;
    let phone_format: String = row.get("phone_format")?;
    let timestamp_format: String = row.get("timestamp_format")?;
    Ok(Subscriber {
        id: row.get("subscriber_id")?,
        name: row.get("name")?,
        owner: row.get("owner")?,
        url: row.get("url")?,
        kind: word(&kind)?,
        alert: AlertOptions {
            wording: row.get("wording")?,
            link: row.get("link")?,
        },
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
        timeout_ms: row.get("timeout_ms")?,
        rate_limit: row.get("rate_limit")?,
        schedule_ms: schedule
            .map(|schedule| serde_json::from_str(&schedule).map_err(unreadable))
            .transpose()?,
        headers: headers
            .map(|headers| headers.split(", ").map(str::to_owned).collect())
            .unwrap_or_default(),
        auth: auth.as_deref().map(word).transpose()?,
        created_at_ms: row.get("created_at_ms")?,
        failing_since_ms: row.get("failing_since_ms")?,
    })
}

/// The names of a subscriber's own headers, its credentials aside.
fn header_names(headers: &Headers) -> String {
    let names = headers.keys().map(String::as_str);
    let names: Vec<&str> = names.filter(|name| *name != AUTHORIZATION).collect();
    names.join(", ")
}

fn schedule_text(schedule_ms: Option<&Vec<u64>>) -> rusqlite::Result<Option<String>> {
    schedule_ms
        .map(|schedule| serde_json::to_string(schedule).map_err(unreadable))
        .transpose()
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
        let (name, headers) = (new.name.clone(), new.own_headers());
        let id = self.run(move |core| core.add_subscriber(&new)).await?;
        // A crash here leaves a subscriber without a secret, to be mended by rotate-secret;
        // it would not be sent to until then.
        self.secrets.set(id, &secret, &headers)?;
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
        let headers = change.own_headers();
        let names = if headers.is_empty() {
            None
        } else {
            // First the file that decides what is sent, then what is shown of it.
            self.secrets.change_headers(id, &headers)?;
            Some(header_names(&self.secrets.headers_of(id)?))
        };
        self.run(move |core| core.update_subscriber(id, &change, names.as_deref()))
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

    /// The headers that are sent to a subscriber beside ours, its credentials among them.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub fn own_headers(&self, subscriber_id: i64) -> Result<Headers, Error> {
        self.secrets.headers_of(subscriber_id)
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
                     ordering, timeout_ms, rate_limit, schedule, headers, auth, kind, \
                     wording, link) VALUES (?1, ?2, 'active', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, \
                     ?11, ?12, ?13, ?14, ?15, nullif(?16, ''), ?17, ?18, ?19, ?20) \
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
                        new.timeout_ms,
                        new.rate_limit,
                        schedule_text(new.schedule_ms.as_ref())?,
                        header_names(&new.headers),
                        new.auth.as_ref().map(|auth| auth.kind().as_str()),
                        new.kind.as_str(),
                        new.alert.wording,
                        new.alert.link,
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

    /// `names` are those of its own headers where these change.
    fn update_subscriber(
        &mut self,
        id: i64,
        change: &SubscriberChange,
        names: Option<&str>,
    ) -> Result<(), Error> {
        self.change("change the subscriber", |connection, _| {
            let update =
                || -> rusqlite::Result<usize> {
                    let filter = change.filter.as_ref().map(serde_json::to_string);
                    let filter = filter.transpose().map_err(unreadable)?;
                    let options = change.options;
                    let schedule = change.schedule_ms.clone().and_then(Setting::own);
                    let auth = change.auth.clone().and_then(Setting::own);
                    let auth = auth.map(|auth| auth.kind());
                    connection.execute(
                    "UPDATE subscriber SET url = coalesce(?2, url), filter = coalesce(?3, filter), \
                     error_format = coalesce(?4, error_format), \
                     phone_format = coalesce(?5, phone_format), \
                     timestamp_format = coalesce(?6, timestamp_format), \
                     concurrency = coalesce(?7, concurrency), \
                     format = coalesce(?8, format), reports = coalesce(?9, reports), \
                     ordering = coalesce(?10, ordering), \
                     timeout_ms = CASE WHEN ?11 THEN ?12 ELSE timeout_ms END, \
                     rate_limit = CASE WHEN ?13 THEN ?14 ELSE rate_limit END, \
                     schedule = CASE WHEN ?15 THEN ?16 ELSE schedule END, \
                     headers = CASE WHEN ?17 IS NULL THEN headers ELSE nullif(?17, '') END, \
                     auth = CASE WHEN ?18 THEN ?19 ELSE auth END, \
                     wording = CASE WHEN ?20 THEN ?21 ELSE wording END, \
                     link = CASE WHEN ?20 THEN ?22 ELSE link END \
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
                        change.timeout_ms.is_some(),
                        change.timeout_ms.and_then(Setting::own),
                        change.rate_limit.is_some(),
                        change.rate_limit.and_then(Setting::own),
                        change.schedule_ms.is_some(),
                        schedule_text(schedule.as_ref())?,
                        names,
                        change.auth.is_some(),
                        auth.map(AuthKind::as_str),
                        change.alert.is_some(),
                        change.alert.as_ref().and_then(|alert| alert.wording.as_ref()),
                        change.alert.as_ref().and_then(|alert| alert.link.as_ref()),
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
        // A header's new value is not in the row: its lane is told all the same.
        let touched = [id];
        self.publish(if names.is_some() { &touched } else { &[] })
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
                forwards::give_up(connection, id, now_ms)
            };
            remove().map_err(|error| backend("cannot remove the subscriber".to_owned(), error))
        })?;
        self.publish(&[])?;
        Ok(given_up)
    }
}
