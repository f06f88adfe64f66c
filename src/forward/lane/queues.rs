//! The two queues of a lane: forwards that were never tried, and retries.
//!
//! Pure. Each is in order of due time. They share the turns, so that neither waits for the other
//! to be empty.

use std::collections::BTreeSet;

use crate::model::LanePlace;

/// While both are due, one turn in this many is a retry's.
const RETRY_TURN: u8 = 4;

/// When a forward is due, ms since 1970 UTC, and its place in the lane.
type QueueKey = (i64, LanePlace);

/// What may be sent from when on.
#[derive(Debug, Default)]
pub(super) struct Queues {
    untried: BTreeSet<QueueKey>,
    retries: BTreeSet<QueueKey>,
    /// Counts the turns from 0 to [`RETRY_TURN`].
    turn: u8,
}

impl Queues {
    /// Adds one; to the retries when it was tried.
    pub(super) fn insert(&mut self, is_tried: bool, key: QueueKey) {
        if is_tried {
            self.retries.insert(key);
        } else {
            self.untried.insert(key);
        }
    }

    /// Removes one, whichever queue it is in; it is in one at most.
    pub(super) fn remove(&mut self, key: QueueKey) {
        if !self.untried.remove(&key) {
            self.retries.remove(&key);
        }
    }

    /// Removes all.
    pub(super) fn clear(&mut self) {
        self.untried.clear();
        self.retries.clear();
    }

    /// When the first is due, ms since 1970 UTC.
    pub(super) fn next_due_ms(&self) -> Option<i64> {
        let firsts = [self.untried.first(), self.retries.first()];
        firsts
            .into_iter()
            .flatten()
            .map(|(due_ms, _)| *due_ms)
            .min()
    }

    /// The one whose turn it is at `now_ms`.
    pub(super) fn next(&self, now_ms: i64) -> Option<QueueKey> {
        let due = |queue: &BTreeSet<QueueKey>| {
            let first = queue.first().copied();
            first.filter(|(due_ms, _)| *due_ms <= now_ms)
        };
        let (untried, retry) = (due(&self.untried), due(&self.retries));
        if self.turn + 1 == RETRY_TURN {
            retry.or(untried)
        } else {
            untried.or(retry)
        }
    }

    /// The one whose turn it was has been taken.
    pub(super) fn end_turn(&mut self) {
        self.turn = (self.turn + 1) % RETRY_TURN;
    }

    /// Those never tried that are due at `now_ms`, the oldest first or the newest.
    pub(super) fn untried(&self, now_ms: i64, newest: bool) -> impl Iterator<Item = QueueKey> {
        let mut due = self.untried.range(..=(now_ms, LanePlace::LAST)).copied();
        std::iter::from_fn(move || if newest { due.next_back() } else { due.next() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(due_ms: i64, place: i64) -> QueueKey {
        (due_ms, LanePlace::of(place))
    }

    /// Which of `untried` and `retries` due at 0 go in twelve turns: `u` or `r`.
    fn check(untried: i64, retries: i64, expected: &str) {
        let mut queues = Queues::default();
        for id in 0..untried {
            queues.insert(false, at(0, id));
        }
        for id in 0..retries {
            queues.insert(true, at(0, 1_000 + id));
        }
        let mut turns = String::new();
        while turns.len() < 12
            && let Some(key) = queues.next(0)
        {
            turns.push(if key < at(0, 1_000) { 'u' } else { 'r' });
            queues.end_turn();
            queues.remove(key);
        }
        assert_eq!(turns, expected);
    }

    #[test]
    fn neither_queue_waits_for_the_other_to_be_empty() {
        check(20, 20, "uuuruuuruuur");
        check(2, 20, "uurrrrrrrrrr");
        check(20, 1, "uuuruuuuuuuu");
        check(0, 3, "rrr");
    }

    #[test]
    fn what_is_not_due_has_no_turn() {
        let mut queues = Queues::default();
        queues.insert(true, at(5, 1));
        queues.insert(false, at(7, 2));
        assert_eq!((queues.next_due_ms(), queues.next(4)), (Some(5), None));
        assert_eq!(queues.next(6), Some(at(5, 1)));
        let untried = |now_ms| queues.untried(now_ms, false).count();
        assert_eq!((untried(6), untried(7)), (0, 1));
        queues.insert(false, at(1, 3));
        let first = |newest| queues.untried(9, newest).next();
        assert_eq!(
            (first(false), first(true)),
            (Some(at(1, 3)), Some(at(7, 2)))
        );
    }
}
