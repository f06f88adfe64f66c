//! History: what a relay would have taken in over the last weeks, invented as a whole.
//!
//! Pure: the same scenario gives the same webhooks, byte for byte, in the order of their arrival. The
//! bodies are those that the providers' own samples write. Twelve countries are written to by day more
//! than by night; forty broadcasts are sent; a fifth of the people hide that they read; some blocked the
//! business; one source is silent for a night; a template is paused, and of another a wrong version is
//! sent; some webhooks come twice. [`crate::play::fill`] takes it in.

mod calendar;
mod course;
mod dice;
mod people;
mod sends;
mod subscribers;
mod webhooks;
mod world;

use std::ops::Range;

use self::calendar::{Calendar, SLOT_MS};
use self::course::{Course, PlannedMessage, PlannedReport, Troubles};
use self::dice::Dice;
use self::people::People;
use self::world::{COUNTRIES, PAUSED};
use crate::config::Source;
use crate::model::Registration;
use crate::providers::sample::TemplateNotice;

pub(crate) use self::subscribers::{INVENTED, InventedSubscriber};
pub(crate) use self::world::TEMPLATES;

/// Webhooks gather what arrives within so many ms, for each so many messages in all: the more there are,
/// the more of them come together.
const GATHERED_MS: (i64, u64) = (1_000, 100_000);
/// The longest time for which they gather.
const LONGEST_GATHERED_MS: i64 = 15_000;
/// The groups that are written to.
const GROUPS: u64 = 24;

/// What is to be invented.
#[derive(Debug, Clone)]
pub(crate) struct HistoryScenario {
    /// The sources; those of a provider without a history stay empty.
    pub(crate) sources: Vec<Source>,
    /// How many messages.
    pub(crate) messages: u64,
    /// Over how many days.
    pub(crate) days: u32,
    /// When it ends, ms since 1970 UTC.
    pub(crate) until_ms: i64,
    /// Decides everything that is left to chance.
    pub(crate) seed: u64,
}

impl HistoryScenario {
    /// Whether history can be invented for a source.
    pub(crate) fn has_history(source: &Source) -> bool {
        let samples = &source.provider.definition().samples;
        source.pulled.is_none() && samples.history.is_some()
    }

    /// From when to when it lasts, ms since 1970 UTC.
    pub(crate) fn span(&self) -> Range<i64> {
        let lasts_ms = i64::from(self.days) * 24 * 3_600_000;
        self.until_ms - lasts_ms..self.until_ms
    }
}

/// A webhook of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PastWebhook {
    /// The place of its source.
    pub(crate) source: usize,
    /// When it arrived, ms since 1970 UTC.
    pub(crate) received_ms: i64,
    /// The body, as its provider writes it.
    pub(crate) body: Vec<u8>,
}

/// A message that its sender registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PastSend {
    /// The place of its source.
    pub(crate) source: usize,
    /// The provider's id.
    pub(crate) id: String,
    /// When it was registered, ms since 1970 UTC.
    pub(crate) at_ms: i64,
    /// What was registered.
    pub(crate) registration: Registration,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PastEvent {
    /// A message was registered.
    Send(Box<PastSend>),
    /// A webhook arrived.
    Webhook(PastWebhook),
}

impl PastEvent {
    /// When, ms since 1970 UTC.
    pub(crate) fn at_ms(&self) -> i64 {
        match self {
            Self::Send(send) => send.at_ms,
            Self::Webhook(webhook) => webhook.received_ms,
        }
    }
}

/// A step of history.
#[derive(Debug)]
pub(crate) struct HistorySlot {
    /// When it ends, ms since 1970 UTC.
    pub(crate) until_ms: i64,
    /// What happened in it, in order.
    pub(crate) events: Vec<PastEvent>,
}

/// The steps of a scenario, one after the other.
#[derive(Debug)]
pub(crate) struct History {
    sources: Vec<Source>,
    /// How often each source is drawn.
    weights: Vec<u64>,
    run: u32,
    gathered_ms: i64,
    calendar: Calendar,
    course: Course,
    /// How many messages of each broadcast were sent.
    sent: Vec<u64>,
    next_number: u64,
    next_slot: usize,
    /// What arrives in each slot, as far as it is planned.
    due: Vec<Vec<PlannedReport>>,
    /// What comes again in each slot.
    again: Vec<Vec<PastWebhook>>,
}

impl History {
    /// The history of a scenario.
    pub(crate) fn new(scenario: &HistoryScenario) -> Self {
        let HistoryScenario { messages, seed, .. } = *scenario;
        // The first one with a history sends the most.
        let mut weight = 16;
        let weights = scenario.sources.iter().map(|source| {
            if !HistoryScenario::has_history(source) {
                return 0;
            }
            let own = weight;
            weight = (weight / 2).max(1);
            own
        });
        let weights: Vec<u64> = weights.collect();
        let times = (messages, scenario.days);
        let calendar = Calendar::new(seed, times, scenario.until_ms, &weights);
        let troubles = Troubles::of(&scenario.span(), &weights, &calendar.broadcasts);
        let providers = scenario.sources.iter().map(|source| source.provider);
        let gathered_ms = i64::try_from(messages / GATHERED_MS.1).unwrap_or(i64::MAX);
        let gathered_ms = gathered_ms.saturating_mul(GATHERED_MS.0);
        Self {
            // Apart from those of `simulate`, of which 16 bits count.
            run: 0x80_0000 | u32::try_from(seed & 0x7f_ffff).unwrap_or_default(),
            gathered_ms: gathered_ms.clamp(GATHERED_MS.0, LONGEST_GATHERED_MS),
            sent: vec![0; calendar.broadcasts.len()],
            next_number: 0,
            next_slot: 0,
            due: vec![Vec::new(); calendar.slots()],
            again: vec![Vec::new(); calendar.slots()],
            course: Course {
                seed,
                people: People::new(seed, messages),
                troubles,
                providers: providers.collect(),
            },
            sources: scenario.sources.clone(),
            weights,
            calendar,
        }
    }

    /// How many steps there are.
    pub(crate) fn slots(&self) -> usize {
        self.calendar.slots()
    }

    /// Plans the messages that begin in a slot; returns those of them that are registered.
    fn begin(&mut self, slot: usize) -> Vec<PlannedMessage> {
        let mut begun = self.broadcast(slot);
        begun.extend(self.single(slot));
        begun.retain_mut(|message| {
            message.number = self.next_number;
            self.next_number += 1;
            for report in self.course.reports(*message) {
                // What arrives later than history ends is not known yet.
                if let Some(slot) = self.calendar.slot_of(report.arrives_ms) {
                    self.due[slot].push(report);
                }
            }
            sends::is_registered(message)
        });
        begun
    }

    /// The messages of broadcasts that begin in a slot.
    fn broadcast(&mut self, slot: usize) -> Vec<PlannedMessage> {
        let until_ms = self.calendar.begin_ms(slot) + SLOT_MS;
        let mut begun = Vec::new();
        for (place, broadcast) in self.calendar.broadcasts.iter().enumerate() {
            let sent = &mut self.sent[place];
            let mut dice = Dice::of(self.course.seed, 7, ((place as u64) << 32) | *sent);
            let language = TEMPLATES[broadcast.template].language;
            while *sent < broadcast.messages && broadcast.at_ms(*sent) < until_ms {
                begun.push(PlannedMessage {
                    number: 0,
                    source: broadcast.source,
                    recipient: self.course.people.any_reading(language, &mut dice),
                    at_ms: broadcast.at_ms(*sent),
                    template: Some(broadcast.template),
                    broadcast: Some(place),
                    group: None,
                });
                *sent += 1;
            }
        }
        begun
    }

    /// The single messages that begin in a slot.
    fn single(&self, slot: usize) -> Vec<PlannedMessage> {
        let begin_ms = self.calendar.begin_ms(slot);
        let mut dice = Dice::of(self.course.seed, 8, slot as u64);
        let mut begun = Vec::new();
        for (country, count) in self.calendar.single(slot).into_iter().enumerate() {
            for _ in 0..count {
                let source = dice.weighted(self.weights.iter().copied());
                let history = self.sources[source].provider.definition().samples.history;
                let has_groups = history.is_some_and(|history| history.has_groups);
                let is_group = has_groups && dice.permille(6);
                begun.push(PlannedMessage {
                    number: 0,
                    source,
                    recipient: self.course.people.any_in(country, &mut dice),
                    at_ms: begin_ms + dice.ms(SLOT_MS),
                    template: single_template(country, &mut dice),
                    broadcast: None,
                    group: is_group.then(|| {
                        let group = u32::try_from(dice.below(GROUPS)).unwrap_or_default();
                        (group, 3 + group % 4)
                    }),
                });
            }
        }
        begun.sort_by_key(|message| message.at_ms);
        begun
    }

    /// The notices of the pause that arrive in a slot, from every source that reports one.
    fn notices(&self, slot: Range<i64>) -> Vec<PastWebhook> {
        let pause = &self.course.troubles.pause;
        let mut webhooks = Vec::new();
        for (source, from) in self.sources.iter().enumerate() {
            let history = from.provider.definition().samples.history;
            let samples = history.and_then(|history| history.pause);
            let Some(samples) = samples.filter(|_| self.weights[source] > 0) else {
                continue;
            };
            for (at_ms, is_paused) in [(pause.start, true), (pause.end, false)] {
                let received_ms = at_ms + 2_500;
                if !slot.contains(&received_ms) {
                    continue;
                }
                let mut body = String::new();
                let template = &TEMPLATES[PAUSED];
                let notice = TemplateNotice {
                    name: template.name,
                    language: template.language,
                    is_paused,
                    at_ms,
                };
                (samples.write)(&mut body, notice);
                webhooks.push(PastWebhook {
                    source,
                    received_ms,
                    body: body.into_bytes(),
                });
            }
        }
        webhooks
    }
}

impl Iterator for History {
    type Item = HistorySlot;

    fn next(&mut self) -> Option<HistorySlot> {
        let slot = self.next_slot;
        if slot >= self.calendar.slots() {
            return None;
        }
        self.next_slot += 1;
        let registered = self.begin(slot);
        let sends = registered.iter().map(|message| self.send(message));
        let mut events: Vec<PastEvent> =
            sends.map(|send| PastEvent::Send(Box::new(send))).collect();
        let due = std::mem::take(&mut self.due[slot]);
        let (begin_ms, until_ms) = (
            self.calendar.begin_ms(slot),
            self.calendar.begin_ms(slot) + SLOT_MS,
        );
        let mut webhooks = self.webhooks(due);
        webhooks.extend(self.notices(begin_ms..until_ms));
        for webhook in &webhooks {
            let again_ms = self.again_ms(webhook);
            let later = again_ms.and_then(|at_ms| self.calendar.slot_of(at_ms));
            if let (Some(received_ms), Some(later)) = (again_ms, later) {
                self.again[later].push(PastWebhook {
                    received_ms,
                    ..webhook.clone()
                });
            }
        }
        webhooks.append(&mut self.again[slot]);
        events.extend(webhooks.into_iter().map(PastEvent::Webhook));
        events.sort_by_key(PastEvent::at_ms);
        Some(HistorySlot { until_ms, events })
    }
}

/// The template of a single message to that country; none of what an agent writes.
fn single_template(country: usize, dice: &mut Dice) -> Option<usize> {
    let language = COUNTRIES[country].language;
    let weights = TEMPLATES.iter().map(|template| match template.category {
        "authentication" => 4,
        _ if template.language != language => 0,
        _ if template.is_bulk => 4,
        _ => 20,
    });
    let is_template = dice.permille(640);
    let place = dice.weighted(weights);
    is_template.then_some(place)
}

#[cfg(test)]
mod tests;
