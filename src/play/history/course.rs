//! What becomes of a message: its reports, what each says, and when it arrives.
//!
//! All of it follows from the seed and the message's number, so that no message moves another's.

use std::ops::Range;

use super::calendar::{PAUSED_BROADCAST, PlannedBroadcast, WRONG_BROADCAST, hour_and_day};
use super::dice::Dice;
use super::people::{People, Recipient};
use super::world::{COUNTRIES, PAUSED, WRONG};
use crate::model::Status;
use crate::providers::Provider;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// From a send to `sent`, ms.
const SENDING: [i64; 5] = [250, 600, 900, 1_500, 4_000];
/// From `sent` to `delivered`, ms: a phone may be off for a day.
const DELIVERING: [i64; 9] = [
    500,
    1_200,
    2_000,
    3_000,
    5_000,
    12_000,
    MINUTE_MS,
    20 * MINUTE_MS,
    20 * HOUR_MS,
];
/// From `delivered` to `read`, ms.
const READING: [i64; 9] = [
    2_000,
    15_000,
    MINUTE_MS,
    4 * MINUTE_MS,
    12 * MINUTE_MS,
    40 * MINUTE_MS,
    3 * HOUR_MS,
    10 * HOUR_MS,
    60 * HOUR_MS,
];
/// From what happened to the arrival of its report, ms.
const LAG: [i64; 8] = [110, 180, 250, 340, 480, 800, 2_000, 20_000];
/// When people get up, in hours, and over how long.
const MORNING: (i64, i64) = (7, 3 * HOUR_MS);
/// Over how long the reports of a source that was silent arrive.
const CATCHING_UP_MS: i64 = 30 * MINUTE_MS;

/// A message that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlannedMessage {
    /// Counted from 0.
    pub(super) number: u64,
    /// The place of its source.
    pub(super) source: usize,
    /// Its recipient, or the first member of its group.
    pub(super) recipient: Recipient,
    /// When it is sent, ms since 1970 UTC.
    pub(super) at_ms: i64,
    /// The place of its template.
    pub(super) template: Option<usize>,
    /// The place of its broadcast.
    pub(super) broadcast: Option<usize>,
    /// Its group and how many are in it.
    pub(super) group: Option<(u32, u32)>,
}

/// One report of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlannedReport {
    /// The message.
    pub(super) message: PlannedMessage,
    /// Whose phone it is about.
    pub(super) recipient: Recipient,
    /// What happened.
    pub(super) status: Status,
    /// The key of why it failed.
    pub(super) error: Option<&'static str>,
    /// When, ms since 1970 UTC.
    pub(super) at_ms: i64,
    /// When it arrives, ms since 1970 UTC.
    pub(super) arrives_ms: i64,
}

/// What goes otherwise than it should, and when, ms since 1970 UTC.
#[derive(Debug, Clone)]
pub(super) struct Troubles {
    /// A template is paused.
    pub(super) pause: Range<i64>,
    /// A wrong version of another is sent.
    pub(super) wrong: Range<i64>,
    /// The place of a source that sends nothing.
    pub(super) silent_source: usize,
    /// When it is silent.
    pub(super) silence: Range<i64>,
}

impl Troubles {
    /// Those of a history of that span, with sources that are drawn so often and these broadcasts.
    pub(super) fn of(
        history: &Range<i64>,
        sources: &[u64],
        broadcasts: &[PlannedBroadcast],
    ) -> Self {
        let silence = history.start + (history.end - history.start) * 57 / 100;
        let begins_ms = |place: usize| {
            let broadcast = broadcasts.get(place);
            broadcast.map_or(history.start, |broadcast| broadcast.begins_ms)
        };
        let pause = begins_ms(PAUSED_BROADCAST) + 8 * MINUTE_MS;
        let wrong = begins_ms(WRONG_BROADCAST);
        let mut used = (0..sources.len()).filter(|place| sources[*place] > 0);
        let first = used.next();
        Self {
            pause: pause..pause + 26 * HOUR_MS,
            wrong: wrong..wrong + 30 * HOUR_MS,
            // Another than the one that sends the most, where there is one.
            silent_source: used.next().or(first).unwrap_or_default(),
            silence: silence..silence + 14 * HOUR_MS,
        }
    }
}

/// How messages fare.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) seed: u64,
    pub(super) people: People,
    pub(super) troubles: Troubles,
    /// By place of the source.
    pub(super) providers: Vec<Provider>,
}

/// What a message comes to.
enum CourseEnd {
    /// It fails before it is sent.
    Refused(&'static str),
    /// It is sent, and fails.
    Failed(&'static str),
    /// Nothing more is heard of it than that it was sent.
    Silent,
    /// It is delivered, and perhaps read.
    Delivered,
}

impl Course {
    /// Every report of a message, in the order in which things happen.
    pub(super) fn reports(&self, message: PlannedMessage) -> Vec<PlannedReport> {
        let mut dice = Dice::of(self.seed, 5, message.number);
        let mut reports = Vec::with_capacity(3);
        match message.group {
            Some((group, members)) => {
                for member in 0..members {
                    let recipient = self.member(group, member);
                    let sent_ms = message.at_ms + dice.along(&SENDING);
                    self.deliver((message, recipient), sent_ms, &mut dice, &mut reports);
                }
            }
            None => self.one(message, &mut dice, &mut reports),
        }
        for report in &mut reports {
            report.arrives_ms = self.arrival_ms(report, &mut dice);
        }
        reports
    }

    /// The member of a group at that place.
    pub(super) fn member(&self, group: u32, place: u32) -> Recipient {
        Recipient((group * 11 + place) % self.people.count().max(1))
    }

    fn one(&self, message: PlannedMessage, dice: &mut Dice, reports: &mut Vec<PlannedReport>) {
        let sent_ms = message.at_ms + dice.along(&SENDING);
        let mut note = |status, error, at_ms| {
            reports.push(PlannedReport {
                message,
                recipient: message.recipient,
                status,
                error,
                at_ms,
                arrives_ms: at_ms,
            });
        };
        let failure = match self.end(message, dice) {
            CourseEnd::Refused(key) => {
                note(Status::Failed, Some(key), sent_ms);
                (key, sent_ms)
            }
            CourseEnd::Failed(key) => {
                let failed_ms = sent_ms + SECOND_MS + dice.ms(20 * SECOND_MS);
                note(Status::Sent, None, sent_ms);
                note(Status::Failed, Some(key), failed_ms);
                (key, failed_ms)
            }
            CourseEnd::Silent => return note(Status::Sent, None, sent_ms),
            CourseEnd::Delivered => {
                note(Status::Sent, None, sent_ms);
                return self.deliver((message, message.recipient), sent_ms, dice, reports);
            }
        };
        let (key, failed_ms) = failure;
        let history = self.providers[message.source].definition().samples.history;
        // A wrong template is as wrong on another channel.
        let fallback = history.filter(|it| it.wrong_template != key);
        let fallback = fallback.and_then(|history| history.fallback);
        if let Some(fallback) = fallback.filter(|_| dice.permille(500)) {
            let at_ms = failed_ms + 4 * SECOND_MS + dice.ms(MINUTE_MS);
            note(Status::Failed, Some(fallback), at_ms);
        }
    }

    fn end(&self, message: PlannedMessage, dice: &mut Dice) -> CourseEnd {
        let samples = &self.providers[message.source].definition().samples;
        let Some(history) = samples.history else {
            return CourseEnd::Delivered;
        };
        let troubles = &self.troubles;
        if let Some(pause) = history.pause
            && message.template == Some(PAUSED)
            && troubles.pause.contains(&message.at_ms)
        {
            return CourseEnd::Refused(pause.error);
        }
        if message.template == Some(WRONG) && troubles.wrong.contains(&message.at_ms) {
            return CourseEnd::Refused(history.wrong_template);
        }
        if self.people.is_blocking(message.recipient) {
            return if dice.permille(500) {
                CourseEnd::Silent
            } else {
                CourseEnd::Failed(history.unreachable)
            };
        }
        // The first reasons are the most frequent.
        let weights = (0..samples.frequent.len()).map(|place| 32_u64 >> place.min(5));
        let key = samples.frequent.get(dice.weighted(weights));
        let key = key.copied().unwrap_or(history.unreachable);
        match dice.below(1000) {
            0..14 => CourseEnd::Refused(key),
            14..30 => CourseEnd::Failed(key),
            30..52 => CourseEnd::Silent,
            _ => CourseEnd::Delivered,
        }
    }

    /// The reports of a delivery.
    fn deliver(
        &self,
        (message, recipient): (PlannedMessage, Recipient),
        sent_ms: i64,
        dice: &mut Dice,
        reports: &mut Vec<PlannedReport>,
    ) {
        let delivered_ms = sent_ms + dice.along(&DELIVERING);
        let mut note = |status, at_ms| {
            reports.push(PlannedReport {
                message,
                recipient,
                status,
                error: None,
                at_ms,
                arrives_ms: at_ms,
            });
        };
        note(Status::Delivered, delivered_ms);
        // Marketing is read less.
        let is_bulk = message.broadcast.is_some();
        let is_read = dice.permille(if is_bulk { 610 } else { 820 });
        let read_ms = delivered_ms + dice.along(&READING);
        let ahead_ms = COUNTRIES[self.people.country(recipient)].ahead_min * MINUTE_MS;
        let (hour, _) = hour_and_day(read_ms + ahead_ms);
        let asleep_for = MORNING.0 - i64::try_from(hour).unwrap_or_default();
        let read_ms = match asleep_for {
            1.. => read_ms + asleep_for * HOUR_MS + dice.ms(MORNING.1),
            _ => read_ms,
        };
        if is_read && self.people.shows_reads(recipient) {
            note(Status::Read, read_ms);
        }
    }

    /// When a report arrives, ms since 1970 UTC: soon, or after its source was silent.
    fn arrival_ms(&self, report: &PlannedReport, dice: &mut Dice) -> i64 {
        let arrives_ms = report.at_ms + dice.along(&LAG);
        let silence = &self.troubles.silence;
        if report.message.source != self.troubles.silent_source || !silence.contains(&arrives_ms) {
            return arrives_ms;
        }
        let waited_ms = arrives_ms - silence.start;
        silence.end + waited_ms * CATCHING_UP_MS / (silence.end - silence.start).max(1)
    }
}
