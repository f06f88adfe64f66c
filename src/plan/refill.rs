//! Which of its pending forwards a lane is given when it reads the table.
//!
//! Pure. The engine counts what is pending and reads one [`Portion`] after the other, each forward with the
//! other pending ones of its message. A [`LaneFill`] says what the lane gets of them. An engine over a network
//! may read all messages of a portion at once: the fill takes no more of them than there is room for.
//!
//! What a portion consists of is a condition that an engine writes in its own language, so that an index finds
//! it: forwards of the kind whose due time is not after `due_before_ms`, by due time and then by key.
//! `store/conformance/refilling.rs` holds this for every engine.

use std::cmp::min;
use std::collections::HashSet;

use crate::model::{ForwardKey, LanePlace, MessageKey, Ordering};

/// In strict order a forward that waits for an earlier one is looked at again after this long
/// at the latest, whatever became of that one.
const PUT_OFF_MS: i64 = 600_000;

/// A lane that reads the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneFacts {
    /// Forwards that it holds in memory at most.
    pub(crate) window: usize,
    /// Forwards that are pending; they need not be counted further than to one more than the window.
    pub(crate) pending: usize,
    /// In which order the forwards of one message are sent.
    pub(crate) ordering: Ordering,
    /// Forwards that it holds already and that were never tried.
    pub(crate) untried: usize,
    /// Those that it holds already and that wait for another attempt.
    pub(crate) retries: usize,
    /// Whether the newest that was never tried is wanted too.
    pub(crate) newest: bool,
}

/// What a lane is given, in the order in which it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Portions {
    /// Retries.
    pub(crate) retries: Portion,
    /// What was never tried.
    pub(crate) untried: Portion,
    /// The newest that was never tried.
    pub(crate) newest: Option<Portion>,
}

/// Forwards of one kind that a lane is given at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Portion {
    /// Retries, or what was never tried.
    pub(crate) retries: bool,
    /// The newest first, not the oldest.
    pub(crate) newest: bool,
    /// Due by then, ms since 1970 UTC.
    pub(crate) due_before_ms: i64,
    ordering: Ordering,
    /// So many forwards at most, but for the last message's others.
    room: usize,
    has_news: bool,
}

impl LaneFacts {
    /// Whether all that is pending fits its memory: it is given all of that, and is live then.
    pub(crate) const fn is_live(self) -> bool {
        self.pending <= self.window
    }

    /// What it is given at `now_ms`. Of its memory one half at most is for retries; what was never tried may
    /// fill all of it.
    pub(crate) fn portions(self, now_ms: i64) -> Portions {
        let portion = |retries, room| Portion {
            retries,
            newest: false,
            due_before_ms: if self.is_live() { i64::MAX } else { now_ms },
            // A live lane holds the earlier forwards too, and keeps the order itself.
            ordering: if self.is_live() {
                Ordering::Relaxed
            } else {
                self.ordering
            },
            room,
            has_news: false,
        };
        let room = |most: usize, held| {
            if self.is_live() {
                self.window
            } else {
                most.saturating_sub(held)
            }
        };
        let untried = portion(false, room(self.window, self.untried));
        Portions {
            retries: portion(true, room(self.window / 2, self.retries)),
            untried,
            newest: (self.newest && !self.is_live()).then_some(Portion {
                newest: true,
                room: 1,
                ..untried
            }),
        }
    }
}

impl Portion {
    /// Whether there is room for more.
    pub(crate) const fn has_room(&self) -> bool {
        self.room > 0
    }

    /// Forwards of the kind among which its own are, where the lane knows so many already.
    pub(crate) const fn most_rows(&self, known: usize) -> usize {
        if self.newest { 1 } else { self.room + known }
    }

    /// Whether there may be more that is due, behind what was read or put off: the lane looks again at once,
    /// and else when the next of the kind comes due.
    pub(crate) const fn may_have_more(&self) -> bool {
        self.has_news || self.room == 0
    }
}

/// A pending forward, as far as the order of its message goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueuedForward {
    /// Its key.
    pub(crate) forward_id: ForwardKey,
    /// Its place among the forwards of the message: earlier goes first.
    pub(crate) place: (i64, u8, LanePlace),
    /// When it is to be sent, ms since 1970 UTC.
    pub(crate) due_at_ms: i64,
}

/// What a lane is given, as far as it was read.
pub(crate) struct LaneFill<F> {
    queued: fn(&F) -> QueuedForward,
    /// The keys of what it is given or held already.
    known: HashSet<ForwardKey>,
    pending: Vec<F>,
    put_off: Vec<(MessageKey, i64)>,
}

impl<F> LaneFill<F> {
    /// Nothing yet, for a lane that holds the forwards of these keys.
    pub(crate) fn new(held: Vec<ForwardKey>, queued: fn(&F) -> QueuedForward) -> Self {
        Self {
            queued,
            known: held.into_iter().collect(),
            pending: Vec::new(),
            put_off: Vec::new(),
        }
    }

    /// How many forwards are known.
    pub(crate) fn known(&self) -> usize {
        self.known.len()
    }

    /// Whether this one is known: its message needs no look.
    pub(crate) fn knows(&self, forward_id: ForwardKey) -> bool {
        self.known.contains(&forward_id)
    }

    /// Takes a message of which a forward was found, with all its pending forwards. Earlier ones go first, even
    /// those that wait for a retry.
    ///
    /// In strict order a message whose earliest forward waits is left out as a whole: it is put off.
    pub(crate) fn message(
        &mut self,
        portion: &mut Portion,
        message_id: MessageKey,
        mut siblings: Vec<F>,
    ) {
        let queued = self.queued;
        portion.has_news = true;
        let first = siblings.iter().map(queued).min_by_key(|it| it.place);
        let waits_until_ms = first
            .filter(|first| portion.ordering == Ordering::Strict && !self.knows(first.forward_id))
            .map(|first| first.due_at_ms)
            .filter(|due_ms| *due_ms > portion.due_before_ms);
        siblings.retain(|sibling| self.known.insert(queued(sibling).forward_id));
        if let Some(until_ms) = waits_until_ms {
            portion.room = portion.room.saturating_sub(1);
            self.put_off.push((message_id, until_ms));
        } else {
            // The others take room as well: of many messages with several reports each, the lane
            // would hold several times its window.
            portion.room = portion.room.saturating_sub(siblings.len().max(1));
            self.pending.append(&mut siblings);
        }
    }

    /// What the lane is given, and the messages whose forwards wait for the first of them, each with the time
    /// for which that waits.
    pub(crate) fn into_parts(self) -> (Vec<F>, Vec<(MessageKey, i64)>) {
        (self.pending, self.put_off)
    }
}

/// Until when the forwards of a message are put off whose first one waits until then, ms since 1970 UTC. So the
/// next look does not find them again: of a subscriber that refuses the first status of each message, all the
/// others would stand before what can be sent.
pub(crate) fn put_off_until_ms(first_waits_until_ms: i64, now_ms: i64) -> i64 {
    min(first_waits_until_ms, now_ms.saturating_add(PUT_OFF_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_790_000_000_000;
    const LATER_MS: i64 = NOW_MS + 1;

    const LANE: LaneFacts = LaneFacts {
        window: 8,
        pending: 9,
        ordering: Ordering::Strict,
        untried: 0,
        retries: 0,
        newest: false,
    };

    /// The forward of that key, due then; its place is by its key.
    fn forward(number: i64, due_at_ms: i64) -> QueuedForward {
        QueuedForward {
            forward_id: ForwardKey::of(number),
            place: (0, 0, LanePlace::of(number)),
            due_at_ms,
        }
    }

    fn fill(held: &[i64]) -> LaneFill<QueuedForward> {
        LaneFill::new(held.iter().copied().map(ForwardKey::of).collect(), |it| *it)
    }

    #[test]
    fn a_lane_has_room_for_so_many_of_each_kind() {
        let rooms = |lane: LaneFacts| {
            let portions = lane.portions(NOW_MS);
            let newest = portions.newest.map(|it| it.room);
            (portions.retries.room, portions.untried.room, newest)
        };
        let held = LaneFacts {
            untried: 3,
            retries: 3,
            newest: true,
            ..LANE
        };
        let full = LaneFacts {
            untried: 9,
            retries: 5,
            ..LANE
        };
        for (lane, expected) in [
            (LANE, (4, 8, None)),
            (held, (1, 5, Some(1))),
            (full, (0, 0, None)),
            (LaneFacts { pending: 8, ..held }, (8, 8, None)),
        ] {
            assert_eq!(rooms(lane), expected, "{lane:?}");
        }
        // A live lane is given what is due later too, and orders it itself.
        let live = LaneFacts { pending: 8, ..LANE }.portions(NOW_MS).untried;
        assert_eq!(
            (live.due_before_ms, live.ordering),
            (i64::MAX, Ordering::Relaxed)
        );
        assert_eq!(LANE.portions(NOW_MS).untried.due_before_ms, NOW_MS);
    }

    #[test]
    fn a_message_whose_first_forward_waits_is_put_off_in_strict_order_alone() {
        let waits = [forward(2, NOW_MS), forward(1, LATER_MS)];
        let is_due = [forward(1, NOW_MS), forward(2, LATER_MS)];
        for (ordering, held, siblings, given) in [
            // The lane has the first one, and keeps the order.
            (Ordering::Strict, &[1][..], waits, &[2][..]),
            (Ordering::Strict, &[], waits, &[]),
            (Ordering::Relaxed, &[], waits, &[2, 1]),
            (Ordering::Strict, &[], is_due, &[1, 2]),
        ] {
            let mut portion = LaneFacts { ordering, ..LANE }.portions(NOW_MS).untried;
            let mut fill = fill(held);
            fill.message(&mut portion, MessageKey::of(7), siblings.to_vec());
            assert!(
                [1, 2].map(ForwardKey::of).iter().all(|it| fill.knows(*it)),
                "it is not looked at again"
            );
            let (pending, put_off) = fill.into_parts();
            let found: Vec<i64> = pending.iter().map(|it| it.forward_id.number()).collect();
            assert_eq!(found, given, "{ordering:?} {held:?}");
            let is_put_off = given.is_empty();
            assert_eq!(
                put_off,
                Vec::from_iter(is_put_off.then_some((MessageKey::of(7), LATER_MS)))
            );
            assert_eq!(portion.room, 8 - given.len().max(1));
        }
    }

    #[test]
    fn a_portion_ends_with_its_room_and_is_looked_at_again_where_there_may_be_more() {
        let mut portion = LANE.portions(NOW_MS).retries;
        let mut fill = fill(&[90, 91]);
        assert_eq!(portion.most_rows(fill.known()), 6);
        assert!(!portion.may_have_more(), "nothing was found");
        fill.message(
            &mut portion,
            MessageKey::of(1),
            vec![forward(1, 0), forward(2, 0)],
        );
        assert!(portion.has_room() && portion.may_have_more());
        let rest = [3, 4, 5].map(|key| forward(key, 0));
        fill.message(&mut portion, MessageKey::of(2), rest.to_vec());
        assert!(!portion.has_room() && portion.may_have_more());
        assert_eq!(
            fill.into_parts().0.len(),
            5,
            "a message is given as a whole"
        );
        let newest = LaneFacts {
            newest: true,
            ..LANE
        };
        let newest = newest.portions(NOW_MS).newest.unwrap();
        assert_eq!((newest.newest, newest.most_rows(9)), (true, 1));
    }

    #[test]
    fn what_is_put_off_is_looked_at_again_in_ten_minutes_at_the_latest() {
        for (first_ms, expected_ms) in [
            (NOW_MS + 5, NOW_MS + 5),
            (NOW_MS + 3_600_000, NOW_MS + 600_000),
        ] {
            assert_eq!(put_off_until_ms(first_ms, NOW_MS), expected_ms);
        }
    }
}
