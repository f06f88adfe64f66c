//! Erasing a person: found by readers, removed by the writer in small steps.
//!
//! No index leads from a number to its rows (it would cost every report), so the search goes
//! through the tables once, beside the writer. Deleted content is overwritten with zeros
//! (`secure_delete` is on for the writer), and the WAL is emptied at the end.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use rusqlite::{Connection, Row, params};

use super::writer::Core;
use super::{Store, backend};
use crate::model::digits;
use crate::provider;
use crate::store::{Erased, Error, Person};

/// Rows that one look goes through.
const LOOK: usize = 20_000;
/// Bytes of bodies that one look goes through.
const LOOK_BYTES: usize = 16 * 1024 * 1024;
/// Messages, reports or bodies that one step of the writer removes.
const STEP: usize = 100;
/// How often the WAL is tried to be emptied while a reader holds it.
const CHECKPOINT_TRIES: u32 = 100;

/// Where a person was found.
#[derive(Debug, Default)]
struct Found {
    /// The number's digits or the id, and the user ids of the same person.
    names: BTreeSet<String>,
    messages: BTreeSet<i64>,
    /// Reports of the person in a group's messages, which others share: by report, message.
    shared: BTreeMap<i64, i64>,
    webhooks: HashSet<i64>,
    bodies: Vec<i64>,
    attempts: Vec<i64>,
}

/// What a report says of the person it is about.
struct Sighting {
    report_id: i64,
    message_id: i64,
    webhook_id: Option<i64>,
    in_group: bool,
    numbers: [Option<String>; 2],
    user_ids: [Option<String>; 2],
}

impl Sighting {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            report_id: row.get(0)?,
            message_id: row.get(1)?,
            webhook_id: row.get(2)?,
            in_group: row.get(3)?,
            numbers: [row.get(4)?, row.get(5)?],
            user_ids: [row.get(6)?, row.get(7)?],
        })
    }
}

impl Found {
    fn is_person(&self, text: &str) -> bool {
        self.names.contains(text) || self.names.contains(&digits(text))
    }

    fn take_in(&mut self, sighting: &Sighting) {
        let Sighting {
            numbers, user_ids, ..
        } = sighting;
        let seen = numbers.iter().chain(user_ids).flatten();
        if !self.messages.contains(&sighting.message_id)
            && !seen.into_iter().any(|text| self.is_person(text))
        {
            return;
        }
        self.webhooks.extend(sighting.webhook_id);
        self.names.extend(user_ids.iter().flatten().cloned());
        if sighting.in_group {
            self.shared.insert(sighting.report_id, sighting.message_id);
        } else {
            self.messages.insert(sighting.message_id);
        }
    }
}

impl Store {
    /// Removes a person from every table, raw bodies included; `dry_run` only counts.
    ///
    /// `on_progress` is told keys looked at, and of how many. What arrives meanwhile may
    /// stay; what is in flight to a subscriber may still arrive there.
    ///
    /// # Errors
    /// [`Error::Backend`], [`Error::Closed`], [`Error::Timeout`]; what was removed until
    /// then stays removed, and erasing again goes on.
    pub async fn erase(
        &self,
        person: &Person,
        dry_run: bool,
        mut on_progress: impl FnMut(u64, u64) + Send,
    ) -> Result<Erased, Error> {
        let mut found = Found::default();
        found.names.insert(person.name().to_owned());
        let last = self.last_keys().await?;
        let [messages, reports, webhooks, attempts] = last;
        let (mut done, mut total) = (0, last.iter().sum::<i64>());
        loop {
            let known = found.names.len();
            self.find_messages(&mut found, messages).await?;
            on_progress(count(done + messages), count(total));
            self.find_reports(&mut found, reports).await?;
            done += messages + reports;
            on_progress(count(done), count(total));
            if found.names.len() == known {
                break;
            }
            // The same person may be known elsewhere by nothing but a user id.
            total += messages + reports;
        }
        self.find_bodies(&mut found, webhooks).await?;
        on_progress(count(done + webhooks), count(total));
        self.find_answers(&mut found, attempts).await?;
        on_progress(count(total), count(total));
        let mut erased = self.count(&found).await?;
        let names = found.names.clone();
        let is_named = move |text: &str| names.iter().any(|name| mentions(text, name));
        let kept = self.erase_kept(is_named, dry_run).await?;
        (erased.kept, erased.kept_unopened) = (kept.mentioned, kept.unopened);
        if !dry_run {
            self.remove(found, erased.pending > 0).await?;
        }
        Ok(erased)
    }

    /// Writes the whole file anew, without what deleted rows may have left in it. Webhooks
    /// wait meanwhile, or are refused.
    ///
    /// # Errors
    /// [`Error::Backend`], [`Error::Closed`].
    pub async fn vacuum(&self) -> Result<(), Error> {
        self.run(|core| {
            // The copy may not fit into memory, where other temporary tables live.
            core.connection
                .execute_batch("PRAGMA temp_store = FILE; VACUUM; PRAGMA temp_store = MEMORY;")
                .map_err(|error| backend("cannot write the file anew".to_owned(), error))
        })
        .await?;
        self.empty_wal().await
    }

    /// The highest keys of message, report, webhook and attempt.
    async fn last_keys(&self) -> Result<[i64; 4], Error> {
        self.look("look how much is stored", |connection| {
            connection.query_row(
                "SELECT (SELECT coalesce(max(message_id), 0) FROM message), \
                 (SELECT coalesce(max(report_id), 0) FROM report), \
                 (SELECT coalesce(max(webhook_id), 0) FROM webhook), \
                 (SELECT coalesce(max(attempt_id), 0) FROM attempt)",
                [],
                |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]),
            )
        })
        .await
    }

    async fn find_messages(&self, found: &mut Found, last: i64) -> Result<(), Error> {
        let mut after = 0;
        while after < last {
            let rows = self
                .look("search the messages", move |connection| {
                    connection
                        .prepare(
                            "SELECT message_id, recipient FROM message WHERE message_id > ?1 \
                             ORDER BY message_id LIMIT ?2",
                        )?
                        .query_map(params![after, LOOK], |row| Ok((row.get(0)?, row.get(1)?)))?
                        .collect::<rusqlite::Result<Vec<(i64, Option<String>)>>>()
                })
                .await?;
            after = rows.last().map_or(last, |(id, _)| *id);
            for (message_id, recipient) in rows {
                if recipient.is_some_and(|recipient| found.is_person(&recipient)) {
                    found.messages.insert(message_id);
                }
            }
        }
        Ok(())
    }

    async fn find_reports(&self, found: &mut Found, last: i64) -> Result<(), Error> {
        let mut after = 0;
        while after < last {
            let sightings = self
                .look("search the reports", move |connection| {
                    connection
                        .prepare(
                            "SELECT report_id, message_id, webhook_id, group_id IS NOT NULL, \
                             recipient, participant, recipient_user_id, recipient_parent_user_id \
                             FROM report WHERE report_id > ?1 ORDER BY report_id LIMIT ?2",
                        )?
                        .query_map(params![after, LOOK], Sighting::read)?
                        .collect::<rusqlite::Result<Vec<Sighting>>>()
                })
                .await?;
            after = sightings.last().map_or(last, |sighting| sighting.report_id);
            for sighting in &sightings {
                found.take_in(sighting);
            }
        }
        Ok(())
    }

    /// Bodies that brought a report of the person, and any other that names it.
    async fn find_bodies(&self, found: &mut Found, last: i64) -> Result<(), Error> {
        let mut after = 0;
        while after < last {
            let (names, webhooks) = (found.names.clone(), found.webhooks.clone());
            let (bodies, next) = self
                .look("search the raw bodies", move |connection| {
                    let mut select = connection.prepare(
                        "SELECT webhook_id, body, content_encoding FROM webhook \
                         WHERE webhook_id > ?1 AND body IS NOT NULL ORDER BY webhook_id",
                    )?;
                    let mut rows = select.query([after])?;
                    let (mut bodies, mut bytes, mut next) = (Vec::new(), 0, last);
                    while let Some(row) = rows.next()? {
                        let webhook_id: i64 = row.get(0)?;
                        let body: Vec<u8> = row.get(1)?;
                        let encoding: Option<String> = row.get(2)?;
                        if webhooks.contains(&webhook_id)
                            || names
                                .iter()
                                .any(|name| body_mentions(&body, encoding.as_deref(), name))
                        {
                            bodies.push(webhook_id);
                        }
                        bytes += body.len();
                        if bytes > LOOK_BYTES {
                            next = webhook_id;
                            break;
                        }
                    }
                    Ok((bodies, next))
                })
                .await?;
            found.bodies.extend(bodies);
            after = next;
        }
        Ok(())
    }

    /// Attempts of other forwards whose answer names the person; a subscriber may echo more
    /// than it was sent.
    async fn find_answers(&self, found: &mut Found, last: i64) -> Result<(), Error> {
        let mut after = 0;
        while after < last {
            let (names, messages) = (found.names.clone(), found.messages.clone());
            let (attempts, next) = self
                .look("search the answers of subscribers", move |connection| {
                    let mut select = connection.prepare(
                        "SELECT attempt_id, coalesce(excerpt, '') || ' ' || coalesce(detail, ''), \
                         message_id FROM attempt JOIN forward USING (forward_id) \
                         WHERE attempt_id > ?1 ORDER BY attempt_id LIMIT ?2",
                    )?;
                    let mut rows = select.query(params![after, LOOK])?;
                    let (mut attempts, mut next) = (Vec::new(), last);
                    while let Some(row) = rows.next()? {
                        let attempt_id: i64 = row.get(0)?;
                        let text: String = row.get(1)?;
                        if !messages.contains(&row.get(2)?)
                            && names.iter().any(|name| mentions(&text, name))
                        {
                            attempts.push(attempt_id);
                        }
                        next = attempt_id;
                    }
                    Ok((attempts, next))
                })
                .await?;
            found.attempts.extend(attempts);
            after = if next > after { next } else { last };
        }
        Ok(())
    }

    async fn count(&self, found: &Found) -> Result<Erased, Error> {
        let messages: Vec<i64> = found.messages.iter().copied().collect();
        let shared: Vec<(i64, i64)> = found.shared.iter().map(|(a, b)| (*a, *b)).collect();
        let mut erased = Erased {
            messages: messages.len() as u64,
            reports: shared.len() as u64,
            bodies: found.bodies.len() as u64,
            answers: found.attempts.len() as u64,
            ..Erased::default()
        };
        let [reports, forwards, pending] = self
            .look("count what hangs on the messages", move |connection| {
                let mut sums = [0_u64; 3];
                let mut of_message = connection.prepare(
                    "SELECT (SELECT count(*) FROM report WHERE message_id = ?1), count(*), \
                     count(*) FILTER (WHERE state = 'pending') FROM forward WHERE message_id = ?1",
                )?;
                let mut of_report = connection.prepare(
                    "SELECT 0, count(*), count(*) FILTER (WHERE state = 'pending') \
                     FROM forward WHERE message_id = ?1 AND report_id = ?2",
                )?;
                let mut add = |row: &Row<'_>| -> rusqlite::Result<()> {
                    for (index, sum) in sums.iter_mut().enumerate() {
                        *sum += row.get::<_, u64>(index)?;
                    }
                    Ok(())
                };
                for message_id in messages {
                    of_message.query_row([message_id], &mut add)?;
                }
                for (report_id, message_id) in shared {
                    of_report.query_row([message_id, report_id], &mut add)?;
                }
                Ok(sums)
            })
            .await?;
        erased.reports += reports;
        erased.forwards = forwards;
        erased.pending = pending;
        Ok(erased)
    }

    async fn remove(&self, found: Found, pending: bool) -> Result<(), Error> {
        let messages: Vec<i64> = found.messages.into_iter().collect();
        self.in_steps(messages, delete_message).await?;
        let shared: Vec<(i64, i64)> = found.shared.into_iter().collect();
        self.in_steps(shared, |connection, (report_id, message_id)| {
            delete_report(connection, message_id, report_id)
        })
        .await?;
        self.in_steps(found.bodies, |connection, webhook_id| {
            connection
                .prepare_cached("UPDATE webhook SET body = NULL WHERE webhook_id = ?1")?
                .execute([webhook_id])?;
            Ok(())
        })
        .await?;
        self.in_steps(found.attempts, |connection, attempt_id| {
            connection
                .prepare_cached(
                    "UPDATE attempt SET excerpt = NULL, detail = NULL WHERE attempt_id = ?1",
                )?
                .execute([attempt_id])?;
            Ok(())
        })
        .await?;
        if pending {
            self.run(Core::resync).await?;
        }
        self.empty_wal().await
    }

    /// Runs `act` on each of `items`, a few in each turn of the writer.
    async fn in_steps<I: Copy + Send + 'static>(
        &self,
        items: Vec<I>,
        act: fn(&Connection, I) -> rusqlite::Result<()>,
    ) -> Result<(), Error> {
        for step in items.chunks(STEP) {
            let step = step.to_vec();
            self.run(move |core| {
                core.change("erase", |connection, _| {
                    step.into_iter()
                        .try_for_each(|item| act(connection, item))
                        .map_err(|error| backend("cannot erase".to_owned(), error))
                })
            })
            .await?;
        }
        Ok(())
    }

    /// Moves the WAL into the file and cuts it to nothing; readers are waited for.
    async fn empty_wal(&self) -> Result<(), Error> {
        for _ in 0..CHECKPOINT_TRIES {
            let busy = self
                .run(|core| {
                    core.truncate()
                        .map_err(|error| backend("cannot empty the WAL".to_owned(), error))
                })
                .await?;
            if !busy {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Err(backend(
            "cannot empty the WAL, which may still hold what was erased".to_owned(),
            "another process reads the store without end: close it and erase again",
        ))
    }
}

/// Removes a message with everything that hangs on it.
pub(super) fn delete_message(connection: &Connection, message_id: i64) -> rusqlite::Result<()> {
    delete_forwards(connection, message_id, None)?;
    for sql in [
        "DELETE FROM report WHERE message_id = ?1",
        "DELETE FROM registration WHERE message_id = ?1",
        "DELETE FROM message WHERE message_id = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([message_id])?;
    }
    Ok(())
}

/// Removes one report with its forwards; the message goes with its last one.
fn delete_report(connection: &Connection, message_id: i64, report_id: i64) -> rusqlite::Result<()> {
    delete_forwards(connection, message_id, Some(report_id))?;
    connection
        .prepare_cached("DELETE FROM report WHERE report_id = ?1")?
        .execute([report_id])?;
    connection
        .prepare_cached(
            "DELETE FROM message WHERE message_id = ?1 \
             AND NOT EXISTS (SELECT 1 FROM report WHERE message_id = ?1)",
        )?
        .execute([message_id])?;
    connection
        .prepare_cached(
            "DELETE FROM registration WHERE message_id = ?1 \
             AND NOT EXISTS (SELECT 1 FROM message WHERE message_id = ?1)",
        )?
        .execute([message_id])?;
    Ok(())
}

/// Removes the forwards of a message, or of one of its reports, with payloads and attempts.
fn delete_forwards(
    connection: &Connection,
    message_id: i64,
    report_id: Option<i64>,
) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM attempt WHERE forward_id IN (SELECT forward_id FROM forward \
         WHERE message_id = ?1 AND (?2 IS NULL OR report_id = ?2))",
        "DELETE FROM former_uid WHERE forward_id IN (SELECT forward_id FROM forward \
         WHERE message_id = ?1 AND (?2 IS NULL OR report_id = ?2))",
        "DELETE FROM payload WHERE payload_id IN (SELECT payload_id FROM forward \
         WHERE message_id = ?1 AND (?2 IS NULL OR report_id = ?2))",
        "DELETE FROM forward WHERE message_id = ?1 AND (?2 IS NULL OR report_id = ?2)",
    ] {
        connection
            .prepare_cached(sql)?
            .execute(params![message_id, report_id])?;
    }
    Ok(())
}

/// Whether a stored body names the person; one that cannot be decoded is searched as it is.
fn body_mentions(body: &[u8], content_encoding: Option<&str>, name: &str) -> bool {
    provider::decode(body, content_encoding).map_or_else(
        |_| mentions(&String::from_utf8_lossy(body), name),
        |text| mentions(&text, name),
    )
}

/// Whether the text holds the name: an id anywhere, a number as a number of its own, which
/// zeros may precede.
fn mentions(text: &str, name: &str) -> bool {
    if name.chars().any(char::is_alphabetic) {
        return text.contains(name);
    }
    let is_digit = |character: char| character.is_ascii_digit();
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].trim_end_matches('0');
        !before.ends_with(is_digit) && !text[at + name.len()..].starts_with(is_digit)
    })
}

fn count(keys: i64) -> u64 {
    keys.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn a_number_is_found_as_a_number_of_its_own() {
        let check = |text: &str, expected: bool| {
            assert_eq!(mentions(text, "385990001122"), expected, "{text:?}");
        };
        check(r#"{"to":"385990001122"}"#, true);
        check(r#"{"to":385990001122}"#, true);
        check("+385990001122", true);
        check("00385990001122", true);
        check("1385990001122", false);
        check("3859900011220", false);
        check("1385990001122 385990001122", true);
        check("10385990001122", false);
        check("", false);
        assert!(mentions("xES.1349y", "ES.1349"));
    }
}
