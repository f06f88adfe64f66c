//! Subscribers: adding, changing and removing them, and the secrets they verify with.

use rusqlite::{Connection, OptionalExtension, Row, params};
use std::sync::Arc;

use super::changes::Changing;
use super::writer::Core;
use super::{Store, backend, forwards, secrets};
use crate::forward::envelope::SigningSecret;
use crate::model::{
    AUTHORIZATION, AlertOptions, AuthKind, ErrorFormat, Headers, NumberFormat, Ordering,
    PayloadFormat, PayloadOptions, Reports, Setting, Subscriber, SubscriberKind, SubscriberState,
    TimestampFormat, quoted,
};
use crate::store::{Error, NewSubscriber, Outbound, StateChange, SubscriberChange};

const COLUMNS: &str = "subscriber_id, name, owner, url, kind, wording, link, account_events, state, \
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
            account_events: row.get("account_events")?,
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
            .ok_or_else(|| {
                Error::NotFound(format!("subscriber is named {name}", name = quoted(name)))
            })
    }

    /// All that a subscriber is sent to with, as of the last commit.
    ///
    /// # Errors
    /// [`Error::KeyMissing`] while it cannot be opened, [`Error::NotFound`], [`Error::Backend`].
    pub async fn outbound(&self, subscriber_id: i64) -> Result<Outbound, Error> {
        self.run(move |core| core.outbound(subscriber_id)).await
    }
}

impl Changing<'_> {
    /// Adds a subscriber with a fresh secret, which is returned here and shown nowhere else.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the name is taken.
    pub fn add_subscriber(
        &mut self,
        new: &NewSubscriber,
    ) -> Result<(Subscriber, SigningSecret), Error> {
        let failed = |error| backend("cannot add the subscriber".to_owned(), error);
        let id = insert(self.connection, new, self.now_ms)
            .map_err(failed)?
            .ok_or_else(|| {
                Error::Conflict(format!(
                    "a subscriber is already named {}",
                    quoted(&new.name)
                ))
            })?;
        let secret = SigningSecret::generate();
        let headers = new.own_headers().into_iter();
        let headers = headers.map(|(name, value)| (name, Some(value))).collect();
        self.sealing(|sealed| {
            sealed.add_secret(id, &secret.expose(), None)?;
            sealed.change_headers(id, &headers)?;
            if new.kind == SubscriberKind::Chat {
                sealed.set_url(id, &new.url)?;
            }
            Ok(())
        })?;
        self.after.publish(id);
        Ok((self.subscriber(id)?, secret))
    }

    /// Changes how a subscriber is sent to; what is pending already keeps its payload.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::KeyMissing`], [`Error::Backend`].
    pub fn update_subscriber(
        &mut self,
        id: i64,
        change: &SubscriberChange,
    ) -> Result<Subscriber, Error> {
        let before = self.subscriber(id)?;
        let failed = |error| backend("cannot change the subscriber".to_owned(), error);
        let is_chat = before.kind == SubscriberKind::Chat;
        // What is shown of a chat's URL may come back as it was read.
        let url = change.url.as_ref().filter(|url| **url != before.url);
        let shown = url.map(|url| shown(before.kind, url));
        update(self.connection, id, change, shown.as_deref()).map_err(failed)?;
        let headers = change.own_headers();
        if !headers.is_empty() || (is_chat && url.is_some()) {
            self.sealing(|sealed| {
                sealed.change_headers(id, &headers)?;
                match url {
                    Some(url) if is_chat => sealed.set_url(id, url),
                    _ => Ok(()),
                }
            })?;
            let names = secrets::header_names(self.connection, id).map_err(failed)?;
            let names: Vec<String> = names
                .into_iter()
                .filter(|name| name != AUTHORIZATION)
                .collect();
            self.connection
                .execute(
                    "UPDATE subscriber SET headers = nullif(?2, '') WHERE subscriber_id = ?1",
                    params![id, names.join(", ")],
                )
                .map_err(failed)?;
        }
        self.after.publish(id);
        self.subscriber(id)
    }

    /// Pauses or resumes a subscriber; resuming forgets that it was failing.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Backend`].
    pub fn set_state(&mut self, id: i64, state: SubscriberState) -> Result<Subscriber, Error> {
        let change = StateChange {
            state,
            reason: None,
        };
        change_state(self.connection, id, &change)?;
        self.after.republish();
        self.subscriber(id)
    }

    /// Removes a subscriber: its pending forwards are given up, its name is free again, and nothing is
    /// left of its secrets. Says how many forwards were given up.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Backend`].
    pub fn remove_subscriber(&mut self, id: i64) -> Result<usize, Error> {
        self.subscriber(id)?;
        let remove = || -> rusqlite::Result<usize> {
            self.connection.execute(
                "UPDATE subscriber SET removed_at_ms = ?2 WHERE subscriber_id = ?1",
                params![id, self.now_ms],
            )?;
            secrets::forget(self.connection, id)?;
            forwards::give_up(self.connection, id, self.now_ms)
        };
        let given_up =
            remove().map_err(|error| backend("cannot remove the subscriber".to_owned(), error))?;
        self.after.republish();
        Ok(given_up)
    }

    /// Gives a subscriber a new secret; the old one signs beside it until `old_until_ms`, or, when
    /// there is none, no more.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::KeyMissing`], [`Error::Backend`].
    pub fn rotate_secret(
        &mut self,
        id: i64,
        old_until_ms: Option<i64>,
    ) -> Result<(Subscriber, SigningSecret), Error> {
        let subscriber = self.subscriber(id)?;
        let secret = SigningSecret::generate();
        let expiry_ms = self.expiry_ms;
        self.sealing(|sealed| sealed.rotate(id, &secret, expiry_ms, old_until_ms))?;
        self.after.publish(id);
        Ok((subscriber, secret))
    }

    /// The subscriber of that key as it is now.
    fn subscriber(&self, id: i64) -> Result<Subscriber, Error> {
        self.connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM subscriber WHERE subscriber_id = ?1 AND removed_at_ms IS NULL"
            ))
            .and_then(|mut select| select.query_row([id], read).optional())
            .map_err(|error| backend("cannot read the subscriber".to_owned(), error))?
            .ok_or_else(|| Error::NotFound(format!("subscriber has the key {id}")))
    }
}

/// What of its URL stands in the table.
fn shown(kind: SubscriberKind, url: &str) -> String {
    if kind == SubscriberKind::Chat {
        secrets::shown_url(url)
    } else {
        url.to_owned()
    }
}

/// Its key; `None` when the name is taken.
fn insert(
    connection: &Connection,
    new: &NewSubscriber,
    now_ms: i64,
) -> rusqlite::Result<Option<i64>> {
    let existing: Option<i64> = connection
        .query_row(
            "SELECT 1 FROM subscriber WHERE name = ?1 AND removed_at_ms IS NULL",
            [&new.name],
            |row| row.get(0),
        )
        .optional()?;
    if existing.is_some() {
        return Ok(None);
    }
    let filter = serde_json::to_string(&new.filter).map_err(unreadable)?;
    connection.query_row(
        "INSERT INTO subscriber (name, url, state, filter, error_format, phone_format, \
         timestamp_format, concurrency, created_at_ms, owner, format, reports, \
         ordering, timeout_ms, rate_limit, schedule, headers, auth, kind, \
         wording, link, account_events) VALUES (?1, ?2, 'active', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, \
         ?11, ?12, ?13, ?14, ?15, nullif(?16, ''), ?17, ?18, ?19, ?20, ?21) \
         RETURNING subscriber_id",
        params![
            new.name,
            shown(new.kind, &new.url),
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
            new.alert.account_events,
        ],
        |row| row.get(0).map(Some),
    )
}

/// `url` is what is to stand in the table where that changes.
fn update(
    connection: &Connection,
    id: i64,
    change: &SubscriberChange,
    url: Option<&str>,
) -> rusqlite::Result<()> {
    let filter = change.filter.as_ref().map(serde_json::to_string);
    let filter = filter.transpose().map_err(unreadable)?;
    let options = change.options;
    let schedule = change.schedule_ms.clone().and_then(Setting::own);
    let auth = change.auth.clone().and_then(Setting::own);
    let auth = auth.map(|auth| auth.kind());
    let alert = change.alert.as_ref();
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
         auth = CASE WHEN ?17 THEN ?18 ELSE auth END, \
         wording = CASE WHEN ?19 THEN ?20 ELSE wording END, \
         link = CASE WHEN ?19 THEN ?21 ELSE link END, \
         account_events = CASE WHEN ?19 THEN ?22 ELSE account_events END \
         WHERE subscriber_id = ?1",
        params![
            id,
            url,
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
            change.auth.is_some(),
            auth.map(AuthKind::as_str),
            change.alert.is_some(),
            alert.and_then(|alert| alert.wording.as_ref()),
            alert.and_then(|alert| alert.link.as_ref()),
            alert.is_some_and(|alert| alert.account_events),
        ],
    )?;
    Ok(())
}

fn change_state(connection: &Connection, id: i64, change: &StateChange) -> Result<(), Error> {
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
}

impl Core {
    pub(super) fn change_state(&mut self, id: i64, change: &StateChange) -> Result<(), Error> {
        self.change("change the subscriber's state", |connection, _| {
            change_state(connection, id, change)
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
}
