//! What happens to the messages of one source, in which order it is told.

use std::collections::VecDeque;

use super::message::Message;
use super::random::Random;
use crate::model::Status;

/// How many reports a shuffle draws from.
const SHUFFLED: usize = 512;
/// From how many of the last reports a duplicate is drawn.
const REMEMBERED: usize = 256;

/// One report of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) message: Message,
    pub(super) status: Status,
    /// When it happened, ms since 1970 UTC.
    pub(super) at_ms: i64,
}

/// How often things go otherwise than they should, each a share from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Mishaps {
    /// Reports that are told twice.
    pub duplicates: f64,
    /// Messages that fail.
    pub failures: f64,
    /// Whether reports come in any order.
    pub shuffle: bool,
}

/// The messages of all sources on their way; makes one report after the other.
#[derive(Debug)]
pub(super) struct Lifecycle {
    random: Random,
    mishaps: Mishaps,
    spread: usize,
    run: u32,
    next_number: u64,
    sent: VecDeque<Message>,
    delivered: VecDeque<Message>,
    shuffled: Vec<Event>,
    told: VecDeque<Event>,
}

impl Lifecycle {
    /// `spread` messages are on their way between two steps.
    pub(super) const fn new(seed: u64, run: u32, spread: usize, mishaps: Mishaps) -> Self {
        Self {
            random: Random::new(seed),
            mishaps,
            spread,
            run,
            next_number: 0,
            sent: VecDeque::new(),
            delivered: VecDeque::new(),
            shuffled: Vec::new(),
            told: VecDeque::new(),
        }
    }

    /// The next report, and whether it was told before.
    pub(super) fn next(&mut self, now_ms: i64) -> (Event, bool) {
        if !self.told.is_empty() && self.random.chance(self.mishaps.duplicates) {
            return (self.told[self.random.below(self.told.len())], true);
        }
        let event = self.next_new(now_ms);
        if self.mishaps.duplicates > 0.0 {
            if self.told.len() == REMEMBERED {
                self.told.pop_front();
            }
            self.told.push_back(event);
        }
        (event, false)
    }

    fn next_new(&mut self, now_ms: i64) -> Event {
        if !self.mishaps.shuffle {
            return self.happen(now_ms);
        }
        while self.shuffled.len() < SHUFFLED {
            let event = self.happen(now_ms);
            self.shuffled.push(event);
        }
        let drawn = self.random.below(SHUFFLED);
        self.shuffled.swap_remove(drawn)
    }

    /// Lets a waiting message take its next step, or a new one its first.
    fn happen(&mut self, at_ms: i64) -> Event {
        let event = |message, status| Event {
            message,
            status,
            at_ms,
        };
        if self.delivered.len() > self.spread
            && let Some(message) = self.delivered.pop_front()
        {
            return event(message, Status::Read);
        }
        if self.sent.len() > self.spread
            && let Some(message) = self.sent.pop_front()
        {
            if self.fails(message) {
                return event(message, Status::Failed);
            }
            if message.is_read() {
                self.delivered.push_back(message);
            }
            return event(message, Status::Delivered);
        }
        let message = Message {
            run: self.run,
            number: self.next_number,
        };
        self.next_number += 1;
        // Half of those that fail are refused before they are sent.
        if self.fails(message) && message.key() & 1 == 0 {
            return event(message, Status::Failed);
        }
        self.sent.push_back(message);
        event(message, Status::Sent)
    }

    fn fails(&self, message: Message) -> bool {
        Random::new(message.key()).chance(self.mishaps.failures)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    fn events(mishaps: Mishaps, seed: u64) -> Vec<(Event, bool)> {
        let mut lifecycle = Lifecycle::new(seed, 1, 1_000, mishaps);
        (0..20_000).map(|at_ms| lifecycle.next(at_ms)).collect()
    }

    #[test]
    fn the_same_seed_tells_the_same_story() {
        let mishaps = Mishaps {
            duplicates: 0.05,
            failures: 0.03,
            shuffle: true,
        };
        assert_eq!(events(mishaps, 7), events(mishaps, 7));
        assert_ne!(events(mishaps, 7), events(mishaps, 8));
    }

    #[test]
    fn without_mishaps_every_message_goes_its_way_in_order() {
        let mut last: HashMap<u64, Status> = HashMap::new();
        for (event, again) in events(Mishaps::default(), 7) {
            assert!(!again);
            let before = last.insert(event.message.number, event.status);
            let expected = match event.status {
                Status::Sent => None,
                Status::Delivered => Some(Status::Sent),
                Status::Read => Some(Status::Delivered),
                other => panic!("{other:?}"),
            };
            assert_eq!(before, expected);
        }
        assert!(last.values().any(|status| *status == Status::Read));
    }

    #[test]
    fn mishaps_come_as_often_as_asked() {
        let mishaps = Mishaps {
            duplicates: 0.05,
            failures: 0.10,
            shuffle: false,
        };
        let events = events(mishaps, 7);
        let again = events.iter().filter(|(_, again)| *again).count();
        assert!((900..1_100).contains(&again), "{again}");
        let messages: HashSet<u64> = events
            .iter()
            .map(|(event, _)| event.message.number)
            .collect();
        let failed: HashSet<u64> = events
            .iter()
            .filter(|(event, _)| event.status == Status::Failed)
            .map(|(event, _)| event.message.number)
            .collect();
        let share = failed.len() * 1000 / messages.len();
        assert!((60..120).contains(&share), "{share}");
    }
}
