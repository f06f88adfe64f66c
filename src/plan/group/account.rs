//! Account events: which are new, and which subscribers are notified of them.

use std::borrow::Cow;

use super::events::{EventIdentity, LimitsOf};
use super::fold::{Fold, Noting};
use super::keys::EventKeys;
use super::writes::{EventRow, FirstEvent, ForwardAbout, ForwardRow, Repetition, WebhookPlace};
use crate::model::AccountEvent;
use crate::plan::gathering::CHANNEL_ERRORS;
use crate::plan::limits;
use crate::plan::notice::{self, Notice};

/// What came of an account event.
pub(super) struct NotedEvent {
    /// Our name of it.
    pub(super) name: String,
    /// How many forwards are queued of it; `None` when it was known.
    pub(super) forwards: Option<usize>,
}

impl<'w> Fold<'w, '_> {
    /// Takes an event in; `is_new` says that the provider sent it now: stored bytes that are read again repeat
    /// nothing.
    pub(super) fn event(
        &mut self,
        place: usize,
        noting: Noting,
        webhook: WebhookPlace,
        is_new: bool,
    ) -> NotedEvent {
        let keys = self.keys.events[place];
        let known = &self.known.events[place];
        let (key, first, is_gathered) = (known.key, known.first, known.is_gathered);
        let event = self.compared(place);
        let name = event.name.clone();
        let found = self.events.by_identity.get(&EventIdentity::of(keys));
        if key.is_some() || found.is_some() {
            match (key, found) {
                _ if !is_new => {}
                (Some(key), _) => {
                    let repeated = &mut self.writes.repeated_events;
                    let at_ms = noting.received_ms;
                    let repeated = repeated.entry(key).or_insert(Repetition::none(at_ms));
                    repeated.add(1, at_ms);
                }
                (None, Some(found)) => {
                    let repeats = &mut self.writes.events[*found].repeats;
                    let (count, last_ms) = repeats.unwrap_or((0, noting.received_ms));
                    *repeats = Some((count + 1, last_ms.max(noting.received_ms)));
                }
                (None, None) => {}
            }
            return NotedEvent {
                name,
                forwards: None,
            };
        }
        let new = self.writes.events.len();
        self.events.by_identity.insert(EventIdentity::of(keys), new);
        if keys.has_limits() {
            let limits = self.events.limits.entry(LimitsOf::of(keys)).or_default();
            limits.push((keys.identity_ms, new));
        }
        let subject = (keys.source, &*keys.event.subject, keys.event.about);
        let first = first.map_or(FirstEvent::New(new), FirstEvent::Stored);
        let first = *self.events.first.entry(subject).or_insert(first);
        let code = (keys.source, &*keys.event.event);
        // Of a channel's errors of one code the first opens a time in which others are gathered.
        let opens = keys.is_of_channel() && !is_gathered && self.events.gathered.insert(code);
        let mut forwards = 0;
        if opens || !keys.is_of_channel() {
            forwards = self.notify(keys, &event, first, noting);
        }
        self.writes.events.push(EventRow {
            keys,
            webhook,
            received_ms: noting.received_ms,
            event,
            first,
            notice_until_ms: opens.then(|| CHANNEL_ERRORS.end_ms(noting.pending_since_ms)),
            repeats: None,
        });
        NotedEvent {
            name,
            forwards: Some(forwards),
        }
    }

    /// The event with what is known of its error, and of the limits that its account had before.
    fn compared(&self, place: usize) -> Cow<'w, AccountEvent> {
        let keys = self.keys.events[place];
        if !keys.has_limits() {
            return notice::explained(keys.event);
        }
        let stored = self.known.events[place].earlier.as_ref();
        let stored = stored.map(|(at_ms, detail)| (*at_ms, detail.as_deref()));
        let new = self.events.limits.get(&LimitsOf::of(keys));
        let new = new.into_iter().flatten().map(|(at_ms, place)| {
            let row = &self.writes.events[*place];
            (*at_ms, row.event.detail.as_deref())
        });
        let earlier = stored.into_iter().chain(new);
        let earlier = earlier.filter(|(at_ms, _)| *at_ms < keys.identity_ms);
        let latest = earlier.max_by_key(|(at_ms, _)| *at_ms);
        match limits::compared(keys.event, latest.and_then(|(_, detail)| detail)) {
            Cow::Borrowed(event) => notice::explained(event),
            Cow::Owned(event) => Cow::Owned(notice::explained(&event).into_owned()),
        }
    }

    /// Queues the event for each subscriber that wants it; returns their number.
    fn notify(
        &mut self,
        keys: EventKeys<'w>,
        event: &AccountEvent,
        first: FirstEvent,
        noting: Noting,
    ) -> usize {
        let notice = Notice {
            event,
            source: self.keys.sources[keys.source].0,
            at_ms: event.time.ms.unwrap_or(noting.received_ms),
            gathered: None,
        };
        let at_ms = notice.at_ms;
        let mut forwards = 0;
        for (body, subscribers) in notice.payloads(self.subscribers) {
            let payload = self.payload(None, body);
            forwards += subscribers.len();
            for subscriber_id in subscribers {
                self.writes.forwards.push(ForwardRow {
                    uid: self.ids.make(noting.pending_since_ms),
                    subscriber_id,
                    about: ForwardAbout::Subject(first),
                    payload,
                    order: (at_ms, 0),
                    pending_since_ms: noting.pending_since_ms,
                    alert_failures: None,
                });
            }
        }
        forwards
    }
}
