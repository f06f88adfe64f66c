//! What a group must know of what is stored before it is decided: named by the work alone.
//!
//! It names more than is used in the end, so that it can be loaded in one go. Each message, link and
//! event has a place here, which stands for it throughout the group.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::Work;
use super::places::{GivenNames, ItemKeys, RegistrationKeys, ReportKeys, WorkKeys};
use crate::model::{
    About, AccountEvent, Message, Registration, Report, Status, StatusHistory, WebhookKey,
};
use crate::plan::{Arrival, Registering, limits};
use crate::providers::{Item, Provider};

/// Without a usable time of the provider's, what comes on one day is one event, ms.
const DAY_MS: i64 = 86_400_000;

/// What is to be loaded for a group, and by which of it each piece of work is found.
#[derive(Default)]
pub(crate) struct Keys<'w> {
    /// The sources, each with its provider; the place is named by the rest.
    pub(crate) sources: Vec<(&'w Arc<str>, Provider)>,
    /// The keys of webhooks that are stored and get more, or are read again.
    pub(crate) webhooks: HashSet<WebhookKey>,
    /// The messages.
    pub(crate) messages: Vec<MessageKeys<'w>>,
    /// The reports, each with the place of its message and what makes it one.
    pub(crate) reports: Vec<(usize, i64)>,
    /// Pairs of names that are given together.
    pub(crate) links: Vec<NamePair>,
    /// The account events.
    pub(crate) events: Vec<EventKeys<'w>>,
    /// The templates that texts are rendered from, by name and language.
    pub(crate) templates: BTreeSet<(&'w str, Option<&'w str>)>,
    /// Broadcasts that may have to be polled, each with its source.
    pub(crate) polls: BTreeSet<(usize, &'w str)>,
    /// Whether a report of it is a failure, or makes one of another.
    pub(super) may_fail: bool,
    /// What belongs to each piece of work, in their order.
    pub(super) works: Vec<WorkKeys<'w>>,
    by_name: HashMap<(usize, MessageName<'w>), usize>,
    by_pair: HashMap<NamePair, usize>,
}

/// What distinguishes a message among those of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum MessageName<'w> {
    /// The provider's id of it.
    Id(&'w str),
    /// The hash of its element, where the provider gave none.
    Element([u8; 32]),
}

/// A fact that may be read from the reports of a message, beside the message itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    /// The broadcast that the provider reported.
    OwnBroadcast,
    /// What was registered beside the message.
    Registration,
    /// Whether anything was reported of it, with which a refusal is compared.
    Reported,
    /// What its history is without a refusal.
    Untaken,
    /// The first error on WhatsApp itself.
    FirstFailure,
    /// The history of each member of its group, and of the group as a whole.
    People,
}

/// A message that a group is about.
pub(crate) struct MessageKeys<'w> {
    /// The place of its source.
    pub(crate) source: usize,
    /// What distinguishes it.
    pub(crate) name: MessageName<'w>,
    /// The members of its group that the group of work is about, by every name it gives them.
    pub(crate) members: BTreeSet<String>,
    /// How many reports of the group are of it.
    pub(super) reports: usize,
    facts: Vec<Fact>,
    /// The statuses that the group may add.
    added: StatusHistory,
}

impl MessageKeys<'_> {
    /// Whether that fact may be needed; `known` is the stored message.
    pub(crate) fn wants(&self, fact: Fact, known: &Message) -> bool {
        self.facts.contains(&fact) || (fact == Fact::People && self.may_mix(known))
    }

    /// Whether any may be needed.
    pub(crate) fn wants_any(&self, known: &Message) -> bool {
        !self.facts.is_empty() || self.may_mix(known)
    }

    /// Whether its statuses will contradict each other, which may be those of two people.
    fn may_mix(&self, known: &Message) -> bool {
        if known.conflict {
            return false;
        }
        let first = |status| known.history.first_ms(status).is_some() || self.adds(status);
        let has_failed = first(Status::Failed) || known.others.fallback().is_some();
        has_failed && (first(Status::Delivered) || first(Status::Read))
    }

    fn adds(&self, status: Status) -> bool {
        self.added.first_ms(status).is_some()
    }

    fn want(&mut self, fact: Fact) {
        if !self.facts.contains(&fact) {
            self.facts.push(fact);
        }
    }
}

/// Two names of one person at a source, in the order of the alphabet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct NamePair {
    /// The place of the source.
    pub(crate) source: usize,
    /// The one.
    pub(crate) name: String,
    /// The other.
    pub(crate) other: String,
}

/// An account event that comes once more, or for the first time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventKeys<'w> {
    /// The place of its source.
    pub(crate) source: usize,
    /// It.
    pub(crate) event: &'w AccountEvent,
    /// The provider's time, or the day of arrival where it gives none, ms since 1970 UTC.
    pub(crate) identity_ms: i64,
}

impl EventKeys<'_> {
    /// Whether earlier limits of its account are compared with it.
    pub(crate) fn has_limits(self) -> bool {
        self.event.name == limits::CHANGED
    }

    /// Whether errors of its code may be gathered.
    pub(crate) fn is_of_channel(self) -> bool {
        self.event.about == About::Channel
    }
}

impl<'w> Keys<'w> {
    /// The keys of a group.
    pub(super) fn of(group: &[Work<'w>]) -> Self {
        let mut keys = Self::default();
        for work in group {
            let work = match *work {
                Work::Webhook(arrival) => keys.webhook(arrival),
                Work::More {
                    webhook_id,
                    arrival,
                }
                | Work::Again {
                    webhook_id,
                    arrival,
                } => {
                    keys.webhooks.insert(webhook_id);
                    keys.webhook(arrival)
                }
                Work::Registration(registering) => keys.registration(registering),
            };
            keys.works.push(work);
        }
        keys
    }

    fn webhook(&mut self, arrival: &'w Arrival) -> WorkKeys<'w> {
        let source = self.source(&arrival.source, arrival.provider);
        let items = arrival.parsed.iter().flat_map(|parsed| &parsed.items);
        let items = items.map(|item| match item {
            Item::Report(report) => ItemKeys::Report(self.report(source, report)),
            Item::Account(event) => {
                let day_ms = arrival.received_ms.div_euclid(DAY_MS) * DAY_MS;
                self.events.push(EventKeys {
                    source,
                    event,
                    identity_ms: event.time.ms.unwrap_or(day_ms),
                });
                ItemKeys::Event(
                    self.events.len() - 1,
                    self.given(source, event.person_names()),
                )
            }
            Item::SamePerson(names) => ItemKeys::Names(self.given(source, names.clone())),
            Item::Ignored(_) | Item::Unreadable(_) => ItemKeys::Nothing,
        });
        WorkKeys::Webhook(source, items.collect())
    }

    fn source(&mut self, name: &'w Arc<str>, provider: Provider) -> usize {
        let known = self.sources.iter().position(|(known, _)| *known == name);
        known.unwrap_or_else(|| {
            self.sources.push((name, provider));
            self.sources.len() - 1
        })
    }

    fn report(&mut self, source: usize, report: &'w Report) -> ReportKeys {
        let name = match &report.message {
            Some(id) => MessageName::Id(id),
            None => MessageName::Element(report.element_hash),
        };
        let given = self.given(source, report.person_names());
        let echo = report.echo.as_ref();
        let echoed = echo.and_then(|echo| echo.registration.as_ref());
        if let Some(registration) = echoed {
            self.template(registration);
        }
        let keys = self.keyed(source, name, report, given);
        let message = &mut self.messages[keys.message];
        if echoed.is_some_and(Registration::has_details) {
            message.want(Fact::Registration);
        }
        if report.fallback.is_some() {
            message.want(Fact::FirstFailure);
            self.may_fail = true;
        }
        if report.group.is_some() || report.participant.is_some() {
            message.want(Fact::People);
        }
        if let Some(participant) = &report.participant {
            message.members.insert(participant.clone());
            message.members.extend(keys.given.names.iter().cloned());
        }
        keys
    }

    /// The keys of a report of that message.
    fn keyed(
        &mut self,
        source: usize,
        name: MessageName<'w>,
        report: &Report,
        given: GivenNames,
    ) -> ReportKeys {
        let place = *self.by_name.entry((source, name)).or_insert_with(|| {
            self.messages.push(MessageKeys {
                source,
                name,
                members: BTreeSet::new(),
                reports: 0,
                facts: Vec::new(),
                added: StatusHistory::new(),
            });
            self.messages.len() - 1
        });
        let identity = report.identity().0;
        self.reports.push((place, identity));
        let message = &mut self.messages[place];
        message.reports += 1;
        if let Some(status) = report.status {
            message.added.absorb(status, 0);
            self.may_fail |= status == Status::Failed;
        }
        ReportKeys {
            message: place,
            identity,
            given,
        }
    }

    fn registration(&mut self, registering: &'w Registering) -> WorkKeys<'w> {
        let source = self.source(&registering.source, registering.provider);
        let registration = &registering.registration;
        self.template(registration);
        let polled = registration.broadcast.as_deref();
        let polled = polled.filter(|_| registering.provider.is_pulled());
        self.polls
            .extend(polled.map(|broadcast| (source, broadcast)));
        let given = self.given(source, registration.person_names());
        let id = registering.provider_message_id.as_deref();
        let result = &registering.result;
        let mut report = Report::registered(id, &registering.element, registration, result);
        report.oddities.clone_from(&registering.oddities);
        let apart = (id.is_some() && result.is_refused()).then(|| {
            let mut report = report.clone();
            report.message = None;
            let keys = self.registered(source, None, &report, given.clone());
            (report, keys)
        });
        let keys = self.registered(source, id, &report, given);
        let message = &mut self.messages[keys.message];
        if id.is_some() && registration.broadcast.is_some() {
            message.want(Fact::OwnBroadcast);
        }
        if result.word().is_some() {
            message.want(Fact::Untaken);
        }
        WorkKeys::Registration(Box::new(RegistrationKeys {
            source,
            polled,
            own: (report, keys),
            apart,
        }))
    }

    fn registered(
        &mut self,
        source: usize,
        id: Option<&'w str>,
        report: &Report,
        given: GivenNames,
    ) -> ReportKeys {
        let element = MessageName::Element(report.element_hash);
        let name = id.map_or(element, MessageName::Id);
        let keys = self.keyed(source, name, report, given);
        let message = &mut self.messages[keys.message];
        message.want(Fact::Registration);
        if report.error().is_some() {
            message.want(Fact::Reported);
        }
        keys
    }

    fn template(&mut self, registration: &'w Registration) {
        if let (None, Some(template)) = (&registration.text, &registration.template) {
            self.templates
                .insert((&template.name, template.language.as_deref()));
        }
    }

    fn given(&mut self, source: usize, names: Vec<String>) -> GivenNames {
        let Some((first, others)) = names.split_first() else {
            return GivenNames::default();
        };
        let mut links = Vec::with_capacity(others.len());
        for other in others {
            // In one order, whichever of them was named first.
            let pair = NamePair {
                source,
                name: first.min(other).clone(),
                other: first.max(other).clone(),
            };
            let place = *self.by_pair.entry(pair).or_insert_with_key(|pair| {
                self.links.push(pair.clone());
                self.links.len() - 1
            });
            links.push(place);
        }
        GivenNames { names, links }
    }
}
