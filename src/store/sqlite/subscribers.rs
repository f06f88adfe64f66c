//! Subscribers: adding, changing and removing them, and the secrets they verify with.

use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::changes::Changing;
use super::subscriber_columns::{COLUMNS, cells_of_change, cells_of_new, read};
use super::writer::Core;
use super::{SqliteStep, SqliteStore, backend, forwards, secrets};
use crate::model::{
    AUTHORIZATION, NewSubscriber, SigningSecret, Subscriber, SubscriberChange, SubscriberKey,
    SubscriberKind, SubscriberState, quoted,
};
use crate::store::step::{ApplyStateChange, NoteFailing};
use crate::store::{Error, StateChange, StoreChange};

/// Every subscriber that is not removed, in the order they were added.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<Arc<Subscriber>>> {
    connection
        .prepare(&format!(
            "SELECT {COLUMNS} FROM subscriber WHERE removed_at_ms IS NULL ORDER BY subscriber_id"
        ))?
        .query_map([], |row| read(row).map(Arc::new))?
        .collect()
}

impl Changing<'_> {
    /// Adds a subscriber with a fresh secret, which is returned here and shown nowhere else.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the name is taken.
    pub(super) fn add_subscriber(
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
    pub(super) fn update_subscriber(
        &mut self,
        id: SubscriberKey,
        change: &SubscriberChange,
    ) -> Result<Subscriber, Error> {
        let before = self.subscriber(id)?;
        let failed = |error| backend("cannot change the subscriber".to_owned(), error);
        let is_chat = before.kind == SubscriberKind::Chat;
        // What is shown of a chat's URL may come back as it was read.
        let url = change.url.as_ref().filter(|url| **url != before.url);
        let shown = url.map(|url| shown(before.kind, url));
        update(self.connection, id, change, shown).map_err(failed)?;
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
    pub(super) fn set_state(
        &mut self,
        id: SubscriberKey,
        state: SubscriberState,
    ) -> Result<Subscriber, Error> {
        let change = StateChange {
            state,
            reason: None,
        };
        change_state(self.connection, id, &change)?;
        self.after.republish();
        self.subscriber(id)
    }

    /// Removes a subscriber: its name is free again, and nothing is left of its secrets. Some of its
    /// pending forwards are given up at once, the rest by [`GiveUpRemoved`]: webhooks wait for this
    /// transaction. Says how many were pending.
    ///
    /// [`GiveUpRemoved`]: crate::store::step::GiveUpRemoved
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Backend`].
    pub(super) fn remove_subscriber(&mut self, id: SubscriberKey) -> Result<usize, Error> {
        self.subscriber(id)?;
        let remove = || -> rusqlite::Result<usize> {
            let pending = forwards::count_pending(self.connection, id)?;
            self.connection.execute(
                "UPDATE subscriber SET removed_at_ms = ?2 WHERE subscriber_id = ?1",
                params![id, self.now_ms],
            )?;
            secrets::forget(self.connection, id)?;
            forwards::give_up_removed(self.connection)?;
            Ok(pending)
        };
        let pending =
            remove().map_err(|error| backend("cannot remove the subscriber".to_owned(), error))?;
        self.after.republish();
        self.after.wake(StoreChange::Removals);
        Ok(pending)
    }

    /// Gives a subscriber a new secret; the old one signs beside it until `old_until_ms`, or, when
    /// there is none, no more.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::KeyMissing`], [`Error::Backend`].
    pub(super) fn rotate_secret(
        &mut self,
        id: SubscriberKey,
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
    fn subscriber(&self, id: SubscriberKey) -> Result<Subscriber, Error> {
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
) -> rusqlite::Result<Option<SubscriberKey>> {
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
    let mut cells = cells_of_new(new)?;
    cells.extend([
        ("url", shown(new.kind, &new.url).into()),
        ("state", SubscriberState::Active.into()),
        ("created_at_ms", now_ms.into()),
    ]);
    let (columns, values): (Vec<&str>, Vec<Value>) = cells.into_iter().unzip();
    let marks = vec!["?"; columns.len()].join(", ");
    connection.query_row(
        &format!(
            "INSERT INTO subscriber ({}) VALUES ({marks}) RETURNING subscriber_id",
            columns.join(", ")
        ),
        params_from_iter(values),
        |row| row.get(0).map(Some),
    )
}

/// `url` is what is to stand in the table where that changes.
fn update(
    connection: &Connection,
    id: SubscriberKey,
    change: &SubscriberChange,
    url: Option<String>,
) -> rusqlite::Result<()> {
    let mut cells = cells_of_change(change)?;
    cells.extend(url.map(|url| ("url", url.into())));
    if cells.is_empty() {
        return Ok(());
    }
    let (columns, mut values): (Vec<&str>, Vec<Value>) = cells.into_iter().unzip();
    let changes: Vec<String> = columns
        .iter()
        .map(|column| format!("{column} = ?"))
        .collect();
    values.push(id.into());
    connection.execute(
        &format!(
            "UPDATE subscriber SET {} WHERE subscriber_id = ?",
            changes.join(", ")
        ),
        params_from_iter(values),
    )?;
    Ok(())
}

fn change_state(
    connection: &Connection,
    id: SubscriberKey,
    change: &StateChange,
) -> Result<(), Error> {
    let changed = connection
        .execute(
            "UPDATE subscriber SET state = ?2, state_reason = ?3, \
             failing_since_ms = CASE WHEN ?2 = 'active' THEN NULL ELSE failing_since_ms END, \
             resumes = resumes + (?2 = 'active' AND state <> 'active') \
             WHERE subscriber_id = ?1 AND removed_at_ms IS NULL",
            params![id, change.state, change.reason],
        )
        .map_err(|error| backend("cannot change the subscriber's state".to_owned(), error))?;
    if changed == 0 {
        return Err(Error::NotFound(format!("subscriber has the key {id}")));
    }
    Ok(())
}

impl SqliteStep for ApplyStateChange {
    async fn take(self, store: &SqliteStore) -> Result<(), Error> {
        let apply = move |core: &mut Core| core.change_state(self.subscriber_id, &self.change);
        store.run(apply).await
    }
}

impl SqliteStep for NoteFailing {
    async fn take(self, store: &SqliteStore) -> Result<(), Error> {
        let note = move |core: &mut Core| core.note_failing(self.subscriber_id, self.since_ms);
        store.run(note).await
    }
}

impl Core {
    fn change_state(&mut self, id: SubscriberKey, change: &StateChange) -> Result<(), Error> {
        self.change("change the subscriber's state", |connection, _| {
            change_state(connection, id, change)
        })?;
        self.publish(&[])
    }

    fn note_failing(&mut self, id: SubscriberKey, since_ms: Option<i64>) -> Result<(), Error> {
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
