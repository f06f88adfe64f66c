//! Erasing a person: found by readers, removed by the writer in small steps.
//!
//! No index leads from a number to its rows (it would cost every report), so the search goes
//! through the tables once, beside the writer. How a person is named is in `mentions`, what is
//! about others and names it in `texts`. Deleted content is overwritten with zeros
//! (`secure_delete` is on for the writer), and the WAL is emptied at the end.
//!
//! `secure_delete` is always on. Switched on for an erasure alone it would leave what earlier moves of rows left in
//! pages: of 300 people erased from a store that had been updated at random, 26 were still in the file; with it
//! always on, none. Under ten times the disorder one in a thousand was, hence `erase --vacuum`, and hence the command
//! line looks for the number in the bytes of the files when it is done. The service never opens its own file beside
//! SQLite, since closing it would drop SQLite's locks.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use rusqlite::{Connection, Row, params};

use super::deletion::{delete_forwards, delete_message, delete_report};
use super::mentions::Mentions;
use super::texts::{TEXTS, Texts, blot_alerts, forget_ignored, keys_of};
use super::writer::Core;
use super::{SqliteStep, SqliteStore, account_events, backend, same_person};
use crate::providers;
use crate::store::step::RewriteStore;
use crate::store::{Erased, Error, Person};

/// Rows that one look goes through.
const LOOK: usize = 20_000;
/// Bytes of bodies that one look goes through.
const LOOK_BYTES: usize = 16 * 1024 * 1024;
/// Messages, reports or bodies that one step of the writer removes.
const STEP: usize = 100;
/// A message's id of fewer letters is not looked for in texts: it would be found everywhere.
const LEAST_ID: usize = 8;
/// How often the WAL is tried to be emptied while a reader holds it.
const CHECKPOINT_TRIES: u32 = 100;

/// Where a person was found.
#[derive(Debug, Default)]
struct PersonFound {
    /// The number's digits or the id, and the user ids and numbers of the same person.
    names: BTreeSet<String>,
    /// The provider's ids of the person's messages.
    ids: BTreeSet<String>,
    messages: BTreeSet<i64>,
    /// Reports of the person in a group's messages, which others share: by report, message.
    shared: BTreeMap<i64, i64>,
    /// Account events about the person, and what their forwards have in the place of a message.
    events: BTreeSet<i64>,
    event_lanes: BTreeSet<i64>,
    webhooks: HashSet<i64>,
    bodies: Vec<i64>,
    /// Bodies that could only be searched as the bytes they are.
    unread: u64,
    /// Rows that are about others and name the person, by table.
    texts: Vec<(Texts, Vec<i64>)>,
    /// What was ignored, where its name names the person.
    ignored: Vec<String>,
    /// Errors whose failures are gathered for an alert, where their name names the person.
    alerts: Vec<String>,
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

impl PersonFound {
    fn is_person(&self, text: &str) -> bool {
        let is_plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        self.names.contains(text)
            || (!is_plain
                && Person::new(text).is_ok_and(|person| self.names.contains(person.name())))
    }

    /// The person, as its numbers and user ids name it.
    fn by_name(&self) -> Mentions {
        Mentions::new(&self.names)
    }

    /// The same and the ids of its messages: all that is looked for in texts.
    fn mentions(&self) -> Mentions {
        Mentions::new(&self.names.union(&self.ids).cloned().collect())
    }

    fn add(&mut self, sighting: &Sighting) {
        let Sighting {
            numbers, user_ids, ..
        } = sighting;
        let is_any = |texts: &[Option<String>]| {
            let mut texts = texts.iter().flatten();
            texts.any(|text| self.is_person(text))
        };
        let (by_number, by_user_id) = (is_any(numbers), is_any(user_ids));
        if !by_number && !by_user_id {
            // One message may be of two people: what is said of the other names neither.
            if self.messages.contains(&sighting.message_id) {
                self.webhooks.extend(sighting.webhook_id);
                if sighting.in_group {
                    self.shared.insert(sighting.report_id, sighting.message_id);
                }
            }
            return;
        }
        self.webhooks.extend(sighting.webhook_id);
        self.names.extend(user_ids.iter().flatten().cloned());
        if sighting.in_group {
            self.shared.insert(sighting.report_id, sighting.message_id);
            return;
        }
        self.messages.insert(sighting.message_id);
        if by_user_id {
            // A person who is known by an id has a number too.
            let numbers = numbers.iter().flatten();
            let numbers = numbers.filter_map(|number| Person::new(number).ok());
            let numbers = numbers.filter(Person::is_number);
            self.names
                .extend(numbers.map(|number| number.name().to_owned()));
        }
    }
}

impl SqliteStep for RewriteStore {
    async fn take(self, store: &SqliteStore) -> Result<(), Error> {
        let rewrite = |core: &mut Core| {
            // The copy may not fit into memory, where other temporary tables live.
            core.connection
                .execute_batch("PRAGMA temp_store = FILE; VACUUM; PRAGMA temp_store = MEMORY;")
                .map_err(|error| backend("cannot rewrite the file".to_owned(), error))
        };
        store.run(rewrite).await?;
        store.empty_wal().await
    }
}

impl SqliteStore {
    pub(in crate::store) async fn erase(
        &self,
        person: &Person,
        dry_run: bool,
        mut on_progress: impl FnMut(u64, u64) + Send,
    ) -> Result<Erased, Error> {
        let mut found = PersonFound::default();
        found.names.insert(person.name().to_owned());
        let last = self.last_keys().await?;
        let [messages, reports, webhooks, _] = last;
        let (mut done, mut total) = (0, last.iter().sum::<i64>());
        loop {
            let known = found.names.len();
            self.find_names(&mut found).await?;
            self.find_events(&mut found).await?;
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
        self.find_ids(&mut found).await?;
        self.find_bodies(&mut found, webhooks).await?;
        on_progress(count(done + webhooks), count(total));
        self.find_texts(&mut found).await?;
        on_progress(count(total), count(total));
        let mut erased = self.count(&found).await?;
        let mentions = found.mentions();
        let is_named = move |text: &str| mentions.is_in(text);
        let kept = self.erase_kept(is_named, dry_run).await?;
        (erased.kept, erased.kept_unopened) = (kept.mentioned, kept.unopened);
        if !dry_run {
            // Lanes hold payloads in memory.
            let resync = erased.pending > 0 || erased.payloads > 0;
            self.remove(found, resync).await?;
        }
        Ok(erased)
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

    /// The other names of the same person, one of which took the place of another.
    async fn find_names(&self, found: &mut PersonFound) -> Result<(), Error> {
        let names = found.names.clone();
        let more = self
            .look("look for other names", move |connection| {
                let others = |name: &String| same_person::names_of(connection, name, &[]);
                names
                    .iter()
                    .map(others)
                    .collect::<rusqlite::Result<Vec<_>>>()
            })
            .await?;
        // A name too short to search for is in texts about anybody.
        let more = more.into_iter().flatten();
        let more = more.filter(|name| Person::new(name).is_ok());
        found.names.extend(more);
        Ok(())
    }

    /// Account events about the person, which may name it in two ways.
    async fn find_events(&self, found: &mut PersonFound) -> Result<(), Error> {
        let names = found.names.clone();
        let events = self
            .look("search the account events", move |connection| {
                account_events::of_person(connection, &names)
            })
            .await?;
        for event in events {
            found.events.insert(event.event_id);
            found.event_lanes.extend(event.lane_key);
            found.webhooks.insert(event.webhook_id);
            found.names.extend(event.names.into_iter().flatten());
        }
        Ok(())
    }

    /// Messages to the person, by their recipient or by an id that is made of the number. That of a
    /// message to a group may be made of anybody's.
    async fn find_messages(&self, found: &mut PersonFound, last: i64) -> Result<(), Error> {
        let mut after = 0;
        while after < last {
            let mentions = found.by_name();
            let rows = self
                .look("search the messages", move |connection| {
                    let mut select = connection.prepare(
                        "SELECT message_id, recipient, provider_message_id FROM message \
                         WHERE message_id > ?1 ORDER BY message_id LIMIT ?2",
                    )?;
                    let mut in_group = connection.prepare(
                        "SELECT 1 FROM report WHERE message_id = ?1 AND group_id IS NOT NULL",
                    )?;
                    let mut rows = select.query(params![after, LOOK])?;
                    let mut seen: Vec<(i64, Option<String>, bool)> = Vec::new();
                    while let Some(row) = rows.next()? {
                        let (key, id): (i64, Option<String>) = (row.get(0)?, row.get(2)?);
                        let by_id = id.is_some_and(|id| mentions.is_recipient_of(&id));
                        seen.push((key, row.get(1)?, by_id && !in_group.exists([key])?));
                    }
                    Ok(seen)
                })
                .await?;
            after = rows.last().map_or(last, |(id, _, _)| *id);
            for (message_id, recipient, by_id) in rows {
                if by_id || recipient.is_some_and(|recipient| found.is_person(&recipient)) {
                    found.messages.insert(message_id);
                }
            }
        }
        Ok(())
    }

    /// The provider's ids of what was found: they are looked for wherever else they stand.
    async fn find_ids(&self, found: &mut PersonFound) -> Result<(), Error> {
        let messages = serde_json::to_string(&found.messages).unwrap_or_default();
        found.ids = self
            .look("read the ids of the messages", move |connection| {
                connection
                    .prepare(
                        "SELECT provider_message_id FROM message \
                         WHERE message_id IN (SELECT value FROM json_each(?1)) \
                         AND length(provider_message_id) >= ?2",
                    )?
                    .query_map(params![messages, LEAST_ID], |row| row.get(0))?
                    .collect::<rusqlite::Result<BTreeSet<String>>>()
            })
            .await?;
        Ok(())
    }

    async fn find_reports(&self, found: &mut PersonFound, last: i64) -> Result<(), Error> {
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
                found.add(sighting);
            }
        }
        Ok(())
    }

    /// Bodies that brought a report of the person, and any other that names it.
    async fn find_bodies(&self, found: &mut PersonFound, last: i64) -> Result<(), Error> {
        let mentions = found.mentions();
        let mut after = 0;
        while after < last {
            let (mentions, webhooks) = (mentions.clone(), found.webhooks.clone());
            let (bodies, unread, next) = self
                .look("search the raw bodies", move |connection| {
                    let mut select = connection.prepare(
                        "SELECT webhook_id, body, content_encoding FROM webhook \
                         WHERE webhook_id > ?1 AND body IS NOT NULL ORDER BY webhook_id",
                    )?;
                    let mut rows = select.query([after])?;
                    let (mut bodies, mut bytes, mut unread, mut next) = (Vec::new(), 0, 0, last);
                    while let Some(row) = rows.next()? {
                        let webhook_id: i64 = row.get(0)?;
                        let body: Vec<u8> = row.get(1)?;
                        let encoding: Option<String> = row.get(2)?;
                        let opened = providers::opened(&body, encoding.as_deref());
                        let mut texts = opened.texts.iter();
                        if webhooks.contains(&webhook_id) || texts.any(|text| mentions.is_in(text))
                        {
                            bodies.push(webhook_id);
                        } else {
                            unread += u64::from(!opened.is_whole);
                        }
                        bytes += body.len();
                        if bytes > LOOK_BYTES {
                            next = webhook_id;
                            break;
                        }
                    }
                    Ok((bodies, unread, next))
                })
                .await?;
            found.bodies.extend(bodies);
            found.unread += unread;
            after = next;
        }
        Ok(())
    }

    /// Texts about others that name the person.
    async fn find_texts(&self, found: &mut PersonFound) -> Result<(), Error> {
        let (by_name, mentions) = (found.by_name(), found.mentions());
        for texts in TEXTS {
            let wanted = if texts.are_ids { &by_name } else { &mentions };
            let (mut keys, mut after) = (Vec::new(), Some(0));
            while let Some(from) = after {
                let mentions = wanted.clone();
                let (named, last) = self
                    .look("search the texts", move |connection| {
                        texts.find(connection, &mentions, (from, LOOK))
                    })
                    .await?;
                let is_theirs = |key| texts.table == "account_event" && found.events.contains(&key);
                let others = named.into_iter().filter(|named| !is_theirs(named.key));
                let others = others.filter(|named| {
                    let of_message = |id: i64| found.messages.contains(&id);
                    let of_report = |id: i64| found.shared.contains_key(&id);
                    !named.message_id.is_some_and(of_message)
                        && !named.report_id.is_some_and(of_report)
                });
                keys.extend(others.map(|named| named.key));
                after = last;
            }
            found.texts.push((*texts, keys));
        }
        (found.ignored, found.alerts) = self
            .look("search what was ignored or gathered", move |connection| {
                let ignored = keys_of("ignored", "what", connection, &by_name)?;
                let alerts = keys_of("alert", "error_key", connection, &mentions)?;
                Ok((ignored, alerts))
            })
            .await?;
        Ok(())
    }

    async fn count(&self, found: &PersonFound) -> Result<Erased, Error> {
        let messages: Vec<i64> = found.messages.iter().copied().collect();
        // What hangs on events hangs on them as it does on messages.
        let of_events = found.event_lanes.iter().copied();
        let owners: Vec<i64> = messages.iter().copied().chain(of_events).collect();
        let shared: Vec<(i64, i64)> = found.shared.iter().map(|(a, b)| (*a, *b)).collect();
        let named = |is_counted: fn(&str) -> bool| -> u64 {
            let tables = found.texts.iter().filter(|(of, _)| is_counted(of.table));
            tables.map(|(_, keys)| keys.len() as u64).sum()
        };
        let mut erased = Erased {
            messages: messages.len() as u64,
            reports: shared.len() as u64,
            bodies: found.bodies.len() as u64,
            answers: named(|table| table == "attempt"),
            payloads: named(|table| table == "payload"),
            texts: named(|table| table != "attempt" && table != "payload")
                + (found.ignored.len() + found.alerts.len()) as u64,
            account_events: found.events.len() as u64,
            unread: found.unread,
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
                for message_id in owners {
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

    /// The messages go last but for the person's other names: while they are there, erasing again
    /// finds what is about them.
    async fn remove(&self, found: PersonFound, resync: bool) -> Result<(), Error> {
        let (by_name, mentions) = (found.by_name(), found.mentions());
        for (texts, keys) in found.texts {
            let mentions = if texts.are_ids { &by_name } else { &mentions }.clone();
            self.in_steps(keys, move |connection, key| {
                texts.blot(connection, &mentions, key)
            })
            .await?;
        }
        self.run(move |core| {
            core.change("erase", |connection, _| {
                forget_ignored(connection, &found.ignored)
                    .and_then(|()| blot_alerts(connection, &mentions, &found.alerts))
                    .map_err(|error| backend("cannot erase".to_owned(), error))
            })
        })
        .await?;
        self.in_steps(found.bodies, |connection, webhook_id| {
            connection
                .prepare_cached("UPDATE webhook SET body = NULL WHERE webhook_id = ?1")?
                .execute([webhook_id])?;
            Ok(())
        })
        .await?;
        let shared: Vec<(i64, i64)> = found.shared.into_iter().collect();
        self.in_steps(shared, |connection, (report_id, message_id)| {
            delete_report(connection, message_id, report_id)
        })
        .await?;
        let lanes: Vec<i64> = found.event_lanes.into_iter().collect();
        self.in_steps(lanes, |connection, key| {
            delete_forwards(connection, key, None)
        })
        .await?;
        let events: Vec<i64> = found.events.into_iter().collect();
        self.in_steps(events, account_events::delete).await?;
        let messages: Vec<i64> = found.messages.into_iter().collect();
        self.in_steps(messages, delete_message).await?;
        let names = found.names;
        self.run(move |core| {
            core.change("erase", |connection, _| {
                let mut names = names.iter();
                names
                    .try_for_each(|name| same_person::forget(connection, name).map(drop))
                    .map_err(|error| backend("cannot erase".to_owned(), error))
            })
        })
        .await?;
        if resync {
            self.run(Core::resync).await?;
        }
        self.empty_wal().await
    }

    /// Runs `act` on each of `items`, a few in each turn of the writer.
    async fn in_steps<I: Copy + Send + 'static>(
        &self,
        items: Vec<I>,
        act: impl Fn(&Connection, I) -> rusqlite::Result<()> + Clone + Send + 'static,
    ) -> Result<(), Error> {
        for step in items.chunks(STEP) {
            let (step, act) = (step.to_vec(), act.clone());
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

fn count(keys: i64) -> u64 {
    keys.unsigned_abs()
}
