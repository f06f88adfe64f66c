//! The state of a group that is being decided: what is known so far, and what is to be written.
//!
//! What every piece of work does stands here: taking a report in, and queueing what it is worth.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::events::EventIndex;
use super::ids::PublicIds;
use super::keys::Keys;
use super::known::{
    Known, KnownReport, MessageFacts, MessageState, ReportFacts, ReportPlace, Touch,
};
use super::places::ReportKeys;
use super::writes::{
    ForwardAbout, ForwardRow, LinkWrite, NotedReport, PayloadBody, PayloadRow, ReportRow,
    WebhookPlace, Writes,
};
use crate::model::{Message, Registration, Report, Subscriber, SubscriberKey};
use crate::plan::Dispatch;

/// A group that is being decided.
pub(super) struct Fold<'w, 's> {
    pub(super) subscribers: &'s [Arc<Subscriber>],
    pub(super) now_ms: i64,
    /// The ids of what is queued.
    pub(super) ids: &'s mut PublicIds,
    pub(super) keys: Keys<'w>,
    pub(super) known: Known,
    pub(super) writes: Writes<'w>,
    /// The account events so far.
    pub(super) events: EventIndex<'w>,
    /// The failures of the piece of work under way that chats are alerted of.
    pub(super) failures: Vec<ChatFailure>,
    /// The places of messages by the names of members of their groups.
    pub(super) places_of_members: HashMap<String, Vec<usize>>,
}

/// Of what a report is taken in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noting {
    /// The webhook that brings it; `None` for what is registered.
    pub(super) webhook: Option<WebhookPlace>,
    /// When it arrived, ms since 1970 UTC.
    pub(super) received_ms: i64,
    /// Since when its forwards are pending, ms since 1970 UTC.
    pub(super) pending_since_ms: i64,
}

/// A failure that a chat wants to be alerted of.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChatFailure {
    /// The chat.
    pub(super) subscriber_id: SubscriberKey,
    /// The place of the failed report.
    pub(super) report: usize,
}

impl<'w, 's> Fold<'w, 's> {
    pub(super) fn new(
        keys: Keys<'w>,
        mut known: Known,
        subscribers: &'s [Arc<Subscriber>],
        (now_ms, ids): (i64, &'s mut PublicIds),
    ) -> Self {
        let reports = keys.reports.len();
        known.reports.reserve(reports);
        let mut places_of_members: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, state) in known.messages.iter().enumerate() {
            let facts = state.as_ref().and_then(|state| state.facts.as_ref());
            for name in facts.into_iter().flat_map(|facts| facts.members.keys()) {
                places_of_members
                    .entry(name.clone())
                    .or_default()
                    .push(place);
            }
        }
        Self {
            subscribers,
            now_ms,
            ids,
            keys,
            known,
            writes: Writes {
                now_ms,
                reports: Vec::with_capacity(reports),
                ..Writes::default()
            },
            events: EventIndex::default(),
            failures: Vec::new(),
            places_of_members,
        }
    }

    /// What is to be written after the last piece of work.
    pub(super) fn finish(mut self) -> Writes<'w> {
        let people = self.known.people;
        let stored = people.links.iter().enumerate().filter(|(_, link)| {
            let link = link.as_ref();
            link.is_some_and(|link| link.key.is_some() && link.is_changed)
        });
        let places = people.new.iter().copied();
        for place in places.chain(stored.map(|(place, _)| place)) {
            if let Some(link) = &people.links[place] {
                self.writes.links.push(LinkWrite {
                    pair: self.keys.links[place].clone(),
                    key: link.key,
                    first_ms: link.first_ms,
                    last_ms: link.last_ms,
                });
            }
        }
        self.writes.message_keys = self.keys.messages;
        self.writes.messages = self.known.messages;
        self.writes
    }

    /// The message at that place as the work before left it; a message without anything where there is none.
    pub(super) fn message<'m>(&'m self, place: usize, fresh: &'m Message) -> &'m Message {
        let state = self.known.messages[place].as_ref();
        state.map_or(fresh, |state| &state.message)
    }

    /// Takes the message as it is from now on, reported at that time (ms since 1970 UTC); `None` when nothing
    /// was reported.
    pub(super) fn save(&mut self, place: usize, message: Message, reported_ms: Option<i64>) {
        let slot = &mut self.known.messages[place];
        if let Some(state) = slot {
            state.set(message);
            if let Some(at_ms) = reported_ms {
                state.reported(at_ms);
            }
            return;
        }
        let keys = &self.keys.messages[place];
        let at_ms = reported_ms.unwrap_or(self.now_ms);
        *slot = Some(MessageState {
            key: None,
            source: keys.source,
            facts: keys
                .wants_any(&Message::default())
                .then(Box::<MessageFacts>::default),
            message,
            first_report_ms: at_ms,
            last_report_ms: at_ms,
            touch: Touch::All,
        });
        self.writes.new_messages.push(place);
    }

    /// Writes the report and the fallback that it makes count; returns how many forwards they queue.
    pub(super) fn note(
        &mut self,
        noting: Noting,
        keys: &ReportKeys,
        (report, dispatch): (NotedReport<'w>, Dispatch),
        fallback: Option<Box<(Report, Dispatch)>>,
    ) -> usize {
        let mut forwards = self.note_one(noting, keys, report, dispatch);
        if let Some(fallback) = fallback {
            let (report, dispatch) = *fallback;
            let keys = ReportKeys {
                identity: report.identity().0,
                ..keys.clone()
            };
            forwards += self.note_one(noting, &keys, NotedReport::Made(report.into()), dispatch);
        }
        forwards
    }

    fn note_one(
        &mut self,
        noting: Noting,
        keys: &ReportKeys,
        report: NotedReport<'w>,
        dispatch: Dispatch,
    ) -> usize {
        let place = self.writes.reports.len();
        let known = KnownReport {
            place: ReportPlace::New(place),
            has_status: report.status.is_some(),
        };
        self.known
            .reports
            .insert((keys.message, keys.identity), known);
        let state = self.known.messages[keys.message].as_mut();
        if let Some(facts) = state.and_then(|state| state.facts.as_mut()) {
            if let Some(name) = &report.participant
                && !facts.members.contains_key(name)
            {
                let places = self.places_of_members.entry(name.clone()).or_default();
                places.push(keys.message);
            }
            facts.absorb(ReportFacts::of(&report, noting.received_ms));
        }
        for subscriber_id in dispatch.alerts {
            self.failures.push(ChatFailure {
                subscriber_id,
                report: place,
            });
        }
        let mut forwards = 0;
        for (body, subscribers) in dispatch.payloads {
            forwards += subscribers.len();
            let payload = self.payload(Some(place), body);
            for subscriber_id in subscribers {
                self.writes.forwards.push(ForwardRow {
                    uid: self.ids.make(noting.pending_since_ms),
                    subscriber_id,
                    about: ForwardAbout::Message(keys.message),
                    payload,
                    order: dispatch.place,
                    pending_since_ms: noting.pending_since_ms,
                    alert_failures: None,
                });
            }
        }
        self.writes.reports.push(ReportRow {
            message: keys.message,
            webhook: noting.webhook,
            identity: keys.identity,
            received_ms: noting.received_ms,
            report,
            change: dispatch.change,
            skipped: dispatch.skipped,
            repeats: None,
            is_forgotten: false,
        });
        forwards
    }

    /// Keeps the bytes of a payload; returns their place.
    pub(super) fn payload(&mut self, report: Option<usize>, body: Vec<u8>) -> usize {
        self.writes.payloads.push(PayloadRow {
            report,
            body: PayloadBody::Bytes(body.into_boxed_slice().into()),
        });
        self.writes.payloads.len() - 1
    }

    /// Gives a registration that names a template the text that this becomes.
    pub(super) fn with_text<'r>(&self, registration: &'r Registration) -> Cow<'r, Registration> {
        let (None, Some(template)) = (&registration.text, &registration.template) else {
            return Cow::Borrowed(registration);
        };
        let key = (template.name.clone(), template.language.clone());
        let body = self.known.templates.get(&key);
        let text = body.map_or_else(|| template.described(), |body| template.render(body));
        let mut registration = registration.clone();
        registration.text = Some(text);
        Cow::Owned(registration)
    }
}
