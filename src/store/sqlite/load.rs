//! Loading what a group must know: prepared statements in a loop, in the writer's transaction.
//!
//! Which rows those are is for [`crate::plan::group`] to say. No rule stands here.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::report_facts::{facts, members};
use super::{poll_state, rows};
use crate::model::MessageKey;
use crate::plan::group::{
    EventKeys, Keys, Known, KnownEvent, KnownReport, MOST_NAMES, MOST_TEMPLATES, MessageName,
    NameLink, ReportPlace, WebhookState,
};

/// Loads what these keys name; `source_ids` has the keys of their sources.
pub(super) fn load(
    connection: &Connection,
    keys: &Keys<'_>,
    source_ids: &[i64],
) -> rusqlite::Result<Known> {
    let mut loading = Loading {
        connection,
        keys,
        source_ids,
        known: Known::default(),
    };
    loading.webhooks()?;
    loading.messages()?;
    loading.reports()?;
    loading.people()?;
    loading.facts()?;
    loading.events()?;
    loading.templates()?;
    loading.alerts()?;
    loading.polls()?;
    Ok(loading.known)
}

struct Loading<'k, 'w> {
    connection: &'k Connection,
    keys: &'k Keys<'w>,
    source_ids: &'k [i64],
    known: Known,
}

impl Loading<'_, '_> {
    fn webhooks(&mut self) -> rusqlite::Result<()> {
        for webhook_id in &self.keys.webhooks {
            let state = self
                .connection
                .prepare_cached(
                    "SELECT outcome, outcome_detail, reports, new_reports, unreadable FROM webhook \
                     WHERE webhook_id = ?1",
                )?
                .query_row([webhook_id], |row| {
                    Ok(WebhookState {
                        outcome: row.get(0)?,
                        detail: row.get(1)?,
                        reports: row.get(2)?,
                        new_reports: row.get(3)?,
                        unreadable: row.get(4)?,
                    })
                })
                .optional()?;
            self.known
                .webhooks
                .extend(state.map(|state| (*webhook_id, state)));
        }
        Ok(())
    }

    fn messages(&mut self) -> rusqlite::Result<()> {
        if self.keys.messages.is_empty() {
            return Ok(());
        }
        self.known.messages.reserve(self.keys.messages.len());
        let mut by_id = self.connection.prepare_cached(rows::MESSAGE_BY_ID)?;
        let mut by_element = self.connection.prepare_cached(rows::MESSAGE_BY_ELEMENT)?;
        for message in &self.keys.messages {
            let source_id = self.source_ids[message.source];
            let read = |row: &Row<'_>| rows::read_message(row, message.source);
            let state = match message.name {
                MessageName::Id(id) => by_id.query_row(params![id, source_id], read),
                MessageName::Element(hash) => by_element.query_row(params![hash, source_id], read),
            };
            self.known.messages.push(state.optional()?);
        }
        Ok(())
    }

    fn reports(&mut self) -> rusqlite::Result<()> {
        if self.known.messages.iter().all(Option::is_none) {
            return Ok(());
        }
        let mut find = self.connection.prepare_cached(
            "SELECT report_id, status IS NOT NULL, error_title, error_details FROM report \
             WHERE message_id = ?1 AND identity = ?2",
        )?;
        for place in &self.keys.reports {
            let message = self.known.messages[place.0].as_ref();
            let Some(message_id) = message.and_then(|state| state.key) else {
                continue;
            };
            let report = find
                .query_row(params![message_id, place.1], |row| {
                    Ok(KnownReport {
                        place: ReportPlace::Stored {
                            key: row.get(0)?,
                            title: row.get(2)?,
                            details: row.get(3)?,
                        },
                        has_status: row.get(1)?,
                    })
                })
                .optional()?;
            self.known
                .reports
                .extend(report.map(|report| (*place, report)));
        }
        Ok(())
    }

    fn people(&mut self) -> rusqlite::Result<()> {
        if !self.keys.links.is_empty() {
            let mut find = self.connection.prepare_cached(
                "SELECT same_person_id, first_seen_ms, last_seen_ms FROM same_person \
                 WHERE source_id = ?1 AND name = ?2 AND other_name = ?3",
            )?;
            for pair in &self.keys.links {
                let source_id = self.source_ids[pair.source];
                let link = find
                    .query_row(params![source_id, pair.name, pair.other], |row| {
                        Ok(NameLink::stored(row.get(0)?, (row.get(1)?, row.get(2)?)))
                    })
                    .optional()?;
                self.known.people.links.push(link);
            }
        }
        let Known {
            messages, people, ..
        } = &mut self.known;
        let mut rounds = people.rounds(self.keys, |place| messages[place].is_some());
        loop {
            let unread = people.unread(&mut rounds);
            if unread.is_empty() {
                return Ok(());
            }
            for (source, name) in unread {
                let found = neighbours(self.connection, self.source_ids[source], &name)?;
                people.read(source, name, found);
            }
        }
    }

    fn facts(&mut self) -> rusqlite::Result<()> {
        for (place, keys) in self.keys.messages.iter().enumerate() {
            let Some(state) = &mut self.known.messages[place] else {
                continue;
            };
            if !keys.wants_any(&state.message) {
                continue;
            }
            let members = self.known.people.names_of_members(keys);
            let Some(message_id) = state.key.map(MessageKey::number) else {
                continue;
            };
            let facts = facts(self.connection, message_id, (keys, state), &members)?;
            state.facts = Some(Box::new(facts));
        }
        let people = self.known.people.newly_named(self.keys);
        if people.is_empty() {
            return Ok(());
        }
        let messages = self.known.messages.iter().enumerate();
        let mut places: HashMap<i64, usize> = messages
            .filter_map(|(place, state)| Some((state.as_ref()?.key?.number(), place)))
            .collect();
        for (source, names) in people {
            for message_id in self.failures(source, &names)? {
                let place = if let Some(place) = places.get(&message_id) {
                    *place
                } else {
                    let read = |row: &Row<'_>| rows::read_message(row, source);
                    let state = self
                        .connection
                        .prepare_cached(rows::MESSAGE_BY_KEY)?
                        .query_row([message_id], read)?;
                    self.known.messages.push(Some(state));
                    self.known.messages.len() - 1
                };
                places.insert(message_id, place);
                if let Some(state) = &mut self.known.messages[place] {
                    let facts = state.facts.get_or_insert_default();
                    members(self.connection, message_id, &names, facts)?;
                }
            }
        }
        Ok(())
    }

    /// The messages that failed for this person and reached a member, and do not contradict
    /// themselves as yet. No other can come to contradict itself; whether one does is for the plan to say.
    fn failures(&self, source: usize, names: &BTreeSet<String>) -> rusqlite::Result<BTreeSet<i64>> {
        let mut select = self.connection.prepare_cached(
            "SELECT message_id FROM report INDEXED BY report_failed_member \
             CROSS JOIN message USING (message_id) \
             WHERE participant = ?1 AND report.status = 'failed' \
             AND source_id = ?2 AND conflict = 0 \
             AND coalesce(message.delivered_at_ms, message.read_at_ms) IS NOT NULL",
        )?;
        let mut found = BTreeSet::new();
        for name in names {
            let messages =
                select.query_map(params![name, self.source_ids[source]], |row| row.get(0))?;
            for message_id in messages {
                found.insert(message_id?);
            }
        }
        Ok(found)
    }

    fn events(&mut self) -> rusqlite::Result<()> {
        for event in &self.keys.events {
            let event = event_of(self.connection, *event, self.source_ids[event.source])?;
            self.known.events.push(event);
        }
        Ok(())
    }

    fn templates(&mut self) -> rusqlite::Result<()> {
        for (name, language) in &self.keys.templates {
            let found = templates(self.connection, name, *language)?;
            self.known.template((name, *language), found);
        }
        Ok(())
    }

    fn alerts(&mut self) -> rusqlite::Result<()> {
        if !self.known.may_alert(self.keys) {
            return Ok(());
        }
        let mut select = self
            .connection
            .prepare_cached("SELECT subscriber_id, error_key, failures, due_at_ms FROM alert")?;
        let found = select.query_map([], |row| {
            Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?)))
        })?;
        for alert in found {
            let (key, gathered) = alert?;
            self.known.alerts.insert(key, gathered);
        }
        Ok(())
    }

    fn polls(&mut self) -> rusqlite::Result<()> {
        for (source, broadcast) in &self.keys.polls {
            let poll = (self.source_ids[*source], *broadcast);
            let is_open = poll_state::is_open(self.connection, poll)?;
            let key = (*source, (*broadcast).to_owned());
            self.known
                .polls
                .extend(is_open.map(|is_open| (key, is_open)));
        }
        Ok(())
    }
}

fn event_of(
    connection: &Connection,
    keys: EventKeys<'_>,
    source_id: i64,
) -> rusqlite::Result<KnownEvent> {
    let event = keys.event;
    let key = connection
        .prepare_cached(
            "SELECT account_event_id FROM account_event WHERE source_id = ?1 AND subject = ?2 \
             AND field = ?3 AND event = ?4 AND identity_ms = ?5 \
             AND coalesce(template_id, '') = coalesce(?6, '') \
             AND coalesce(account_id, '') = coalesce(?7, '')",
        )?
        .query_row(
            params![
                source_id,
                event.subject,
                event.field,
                event.event,
                keys.identity_ms,
                event.template_id,
                event.account_id,
            ],
            |row| row.get(0),
        )
        .optional()?;
    let first = connection
        .prepare_cached(
            "SELECT min(first_event_id) FROM account_event \
             WHERE source_id = ?1 AND subject = ?2 AND about = ?3",
        )?
        .query_row(params![source_id, event.subject, event.about], |row| {
            row.get(0)
        })?;
    let earlier = if keys.has_limits() {
        limits_before(connection, keys, source_id)?
    } else {
        None
    };
    let is_gathered = keys.is_of_channel()
        && connection
            .prepare_cached(
                "SELECT 1 FROM account_event WHERE notice_until_ms IS NOT NULL \
                 AND source_id = ?1 AND event = ?2",
            )?
            .exists(params![source_id, event.event])?;
    Ok(KnownEvent {
        key,
        first,
        earlier,
        is_gathered,
    })
}

/// The latest limits of an account before these, with the time of their event.
fn limits_before(
    connection: &Connection,
    keys: EventKeys<'_>,
    source_id: i64,
) -> rusqlite::Result<Option<(i64, Option<String>)>> {
    let event = keys.event;
    connection
        .prepare_cached(
            "SELECT identity_ms, detail FROM account_event WHERE source_id = ?1 AND subject = ?2 \
             AND field = ?3 AND event = ?4 AND identity_ms < ?5 \
             AND coalesce(account_id, '') = coalesce(?6, '') ORDER BY identity_ms DESC LIMIT 1",
        )?
        .query_row(
            params![
                source_id,
                event.subject,
                event.field,
                event.event,
                keys.identity_ms,
                event.account_id,
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()
}

/// The names that the source gave along with this one, each in one step.
fn neighbours(
    connection: &Connection,
    source_id: i64,
    name: &str,
) -> rusqlite::Result<BTreeSet<String>> {
    connection
        .prepare_cached(
            "SELECT other_name FROM same_person WHERE name = ?2 AND source_id = ?1 \
             UNION SELECT name FROM same_person WHERE other_name = ?2 AND source_id = ?1 LIMIT ?3",
        )?
        .query_map(params![source_id, name, MOST_NAMES], |row| row.get(0))?
        .collect()
}

/// The bodies of the templates of that name, and of that language where there is one.
fn templates(
    connection: &Connection,
    name: &str,
    language: Option<&str>,
) -> rusqlite::Result<Vec<String>> {
    let (sql, values): (_, &[&dyn ToSql]) = match &language {
        Some(language) => (
            "SELECT body FROM template WHERE name = ?1 AND language = ?3 LIMIT ?2",
            &[&name, &MOST_TEMPLATES, language],
        ),
        None => (
            "SELECT body FROM template WHERE name = ?1 LIMIT ?2",
            &[&name, &MOST_TEMPLATES],
        ),
    };
    connection
        .prepare_cached(sql)?
        .query_map(values, |row| row.get(0))?
        .collect()
}
