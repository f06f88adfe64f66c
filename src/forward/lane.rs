//! The memory of one subscriber's lane: what is owed, and which forward goes next.
//!
//! Pure. Of one message at most one forward is in flight, and of those pending together the
//! earlier goes first: a forward that comes due sends its earlier siblings before it, even
//! those that were waiting for a retry, so that a subscriber that was down for a moment
//! still sees sent, delivered, read in that order. It waits for one attempt of each, not for
//! their success.

use std::collections::{BTreeSet, HashMap};

use crate::store::Owed;

/// What is owed to one subscriber and held in memory.
#[derive(Debug, Default)]
pub struct Lane {
    items: HashMap<i64, Item>,
    /// The forwards of each message, in their order.
    messages: HashMap<i64, Vec<Place>>,
    /// The message of each forward in flight, and the forward.
    in_flight: HashMap<i64, i64>,
    /// What may be sent from when on; holds no forward of a message that is in flight.
    ready: BTreeSet<(i64, i64)>,
}

/// Provider time, rank, key: the order within a message; the key is the last part.
type Place = (i64, u8, i64);

#[derive(Debug)]
struct Item {
    owed: Owed,
    /// Siblings up to here have had their attempt before this one.
    cleared: Option<Place>,
}

/// What becomes of a forward that was in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It ends here, or waits in the table alone.
    Leaves,
    /// It waits here for its next attempt.
    Waits {
        /// When that is due, ms since 1970 UTC.
        due_at_ms: i64,
        /// When it was last tried, ms since 1970 UTC.
        last_attempt_ms: i64,
        /// Attempts used up so far.
        attempts: u32,
    },
    /// A probe that failed: nothing changes but its turn, so that the next probe tries
    /// another forward.
    Requeues {
        /// Its turn, ms since 1970 UTC.
        due_at_ms: i64,
    },
}

impl Lane {
    /// Takes in a forward; one that is here already changes nothing.
    pub fn push(&mut self, owed: Owed) {
        let (forward_id, message_id, place) = (owed.forward_id, owed.message_id, owed.place);
        if self.items.contains_key(&forward_id) {
            return;
        }
        if !self.in_flight.contains_key(&message_id) {
            self.ready.insert((owed.due_at_ms, forward_id));
        }
        let siblings = self.messages.entry(message_id).or_default();
        let at = siblings.partition_point(|sibling| *sibling < place);
        siblings.insert(at, place);
        self.items.insert(
            forward_id,
            Item {
                owed,
                cleared: None,
            },
        );
    }

    /// Whether a forward could be sent at `now_ms`.
    #[must_use]
    pub fn is_due(&self, now_ms: i64) -> bool {
        self.next_due_ms().is_some_and(|due_ms| due_ms <= now_ms)
    }

    /// When the next forward may be sent, ms since 1970 UTC.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<i64> {
        self.ready.first().map(|(due_ms, _)| *due_ms)
    }

    /// Takes the forward that goes next at `now_ms`; it is in flight until [`Lane::finish`].
    pub fn take(&mut self, now_ms: i64) -> Option<Owed> {
        let (due_ms, candidate) = *self.ready.first()?;
        if due_ms > now_ms {
            return None;
        }
        let chosen = self.first_of_message(candidate)?;
        let owed = self.items.get(&chosen)?.owed.clone();
        self.in_flight.insert(owed.message_id, chosen);
        for key in self.keys_of(owed.message_id) {
            self.ready.remove(&key);
        }
        Some(owed)
    }

    /// The earliest sibling that has not been tried since the candidate came due, else the
    /// candidate itself.
    fn first_of_message(&mut self, candidate: i64) -> Option<i64> {
        let item = self.items.get(&candidate)?;
        let (due_ms, place, cleared) = (item.owed.due_at_ms, item.owed.place, item.cleared);
        let siblings = self.messages.get(&item.owed.message_id)?;
        let earlier = siblings.iter().find(|sibling| {
            let tried = self
                .items
                .get(&sibling.2)
                .and_then(|sibling| sibling.owed.last_attempt_ms);
            **sibling < place
                && cleared.is_none_or(|cleared| **sibling > cleared)
                && tried.is_none_or(|tried| tried <= due_ms)
        });
        let Some(earlier) = earlier.copied() else {
            return Some(candidate);
        };
        self.items.get_mut(&candidate)?.cleared = Some(earlier);
        Some(earlier.2)
    }

    fn keys_of(&self, message_id: i64) -> Vec<(i64, i64)> {
        let siblings = self
            .messages
            .get(&message_id)
            .map_or(&[][..], Vec::as_slice);
        siblings
            .iter()
            .filter_map(|(_, _, id)| Some((self.items.get(id)?.owed.due_at_ms, *id)))
            .collect()
    }

    /// Ends a forward's time in flight; its siblings may go again.
    pub fn finish(&mut self, forward_id: i64, fate: Fate) {
        let Some(item) = self.items.get_mut(&forward_id) else {
            return;
        };
        let message_id = item.owed.message_id;
        match fate {
            Fate::Leaves => self.remove(forward_id),
            Fate::Waits {
                due_at_ms,
                last_attempt_ms,
                attempts,
            } => {
                item.owed.due_at_ms = due_at_ms;
                item.owed.last_attempt_ms = Some(last_attempt_ms);
                item.owed.attempts = attempts;
            }
            Fate::Requeues { due_at_ms } => item.owed.due_at_ms = due_at_ms,
        }
        self.in_flight.remove(&message_id);
        for key in self.keys_of(message_id) {
            self.ready.insert(key);
        }
    }

    fn remove(&mut self, forward_id: i64) {
        let Some(item) = self.items.remove(&forward_id) else {
            return;
        };
        self.ready.remove(&(item.owed.due_at_ms, forward_id));
        let message_id = item.owed.message_id;
        if let Some(siblings) = self.messages.get_mut(&message_id) {
            siblings.retain(|(_, _, id)| *id != forward_id);
            if siblings.is_empty() {
                self.messages.remove(&message_id);
            }
        }
    }

    /// Forgets all that is not in flight: the table is read anew.
    pub fn forget_idle(&mut self) {
        let idle: Vec<i64> = self
            .items
            .values()
            .filter(|item| self.in_flight.get(&item.owed.message_id) != Some(&item.owed.forward_id))
            .map(|item| item.owed.forward_id)
            .collect();
        for forward_id in idle {
            self.remove(forward_id);
        }
    }

    /// Forwards held, those in flight included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The keys of the forwards held.
    #[must_use]
    pub fn held(&self) -> Vec<i64> {
        self.items.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// Forward `id` of `message`, due at `due`; its key is its place.
    fn owed(id: i64, message: i64, due: i64) -> Owed {
        Owed {
            forward_id: id,
            uid: Uuid::nil(),
            message_id: message,
            payload: std::sync::Arc::from(&b"{}"[..]),
            place: (id, 0, id),
            attempts: 0,
            owed_since_ms: 0,
            due_at_ms: due,
            last_attempt_ms: None,
        }
    }

    fn lane(items: &[(i64, i64, i64)]) -> Lane {
        let mut lane = Lane::default();
        for (id, message, due) in items {
            lane.push(owed(*id, *message, *due));
        }
        lane
    }

    fn retry(due_at_ms: i64, last_attempt_ms: i64) -> Fate {
        Fate::Waits {
            due_at_ms,
            last_attempt_ms,
            attempts: 1,
        }
    }

    fn take(lane: &mut Lane, now_ms: i64) -> Option<i64> {
        lane.take(now_ms).map(|owed| owed.forward_id)
    }

    #[test]
    fn one_forward_of_a_message_is_in_flight_and_the_earlier_goes_first() {
        // The later status was handed over first.
        let mut lane = lane(&[(2, 7, 0), (1, 7, 0), (3, 8, 0)]);
        assert_eq!(take(&mut lane, 0), Some(1));
        assert_eq!(take(&mut lane, 0), Some(3));
        assert_eq!(take(&mut lane, 0), None);
        lane.finish(1, Fate::Leaves);
        assert_eq!(take(&mut lane, 0), Some(2));
        lane.finish(2, Fate::Leaves);
        lane.finish(3, Fate::Leaves);
        assert!(lane.is_empty());
    }

    #[test]
    fn a_forward_that_comes_due_sends_its_waiting_siblings_first() {
        let mut lane = lane(&[(1, 7, 0)]);
        assert_eq!(take(&mut lane, 0), Some(1));
        lane.finish(1, retry(5_000, 0));
        lane.push(owed(2, 7, 1_000));
        assert_eq!(take(&mut lane, 500), None);
        assert_eq!(take(&mut lane, 1_000), Some(1));
        // It failed again: the later one waited for one attempt, not for its success.
        lane.finish(1, retry(300_000, 1_000));
        assert_eq!(take(&mut lane, 1_000), Some(2));
        lane.finish(2, Fate::Leaves);
        assert_eq!(take(&mut lane, 299_999), None);
        assert_eq!(take(&mut lane, 300_000), Some(1));
    }

    #[test]
    fn a_failed_probe_lets_another_forward_be_the_next() {
        let mut lane = lane(&[(1, 7, 0), (2, 8, 1)]);
        assert_eq!(take(&mut lane, 10), Some(1));
        lane.finish(1, Fate::Requeues { due_at_ms: 10 });
        assert_eq!(take(&mut lane, 10), Some(2));
    }

    #[test]
    fn a_forward_that_is_handed_over_twice_is_sent_once() {
        let mut lane = lane(&[(1, 7, 0), (1, 7, 0)]);
        assert_eq!(lane.len(), 1);
        assert_eq!(take(&mut lane, 0), Some(1));
        lane.push(owed(1, 7, 0));
        assert_eq!(take(&mut lane, 0), None);
    }

    #[test]
    fn forgetting_keeps_what_is_in_flight() {
        let mut lane = lane(&[(1, 7, 0), (2, 7, 0), (3, 8, 0)]);
        assert_eq!(take(&mut lane, 0), Some(1));
        lane.forget_idle();
        assert_eq!(lane.held(), [1]);
        lane.finish(1, Fate::Leaves);
        assert!(lane.is_empty());
        assert_eq!(lane.next_due_ms(), None);
    }
}
