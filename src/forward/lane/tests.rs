//! The order of a lane, as tables of what happens, and strict order whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::model::{ForwardKey, MessageKey};

/// Forward `id` of `message`, due at `due`; its key is its place.
fn pending(id: i64, message: i64, due: i64) -> PendingForward {
    PendingForward {
        forward_id: ForwardKey::of(id),
        uid: Uuid::nil(),
        message_id: MessageKey::of(message),
        payload: bytes::Bytes::from_static(b"{}"),
        place: (id, 0, LanePlace::of(id)),
        attempts: 0,
        pending_since_ms: 0,
        due_at_ms: due,
        last_attempt_ms: None,
    }
}

fn lane(items: &[(i64, i64, i64)]) -> Lane {
    let mut lane = Lane::default();
    for (id, message, due) in items {
        lane.push(pending(*id, *message, *due));
    }
    lane
}

fn retry(due_at_ms: i64, last_attempt_ms: i64) -> LaneAction {
    LaneAction::Waits {
        due_at_ms,
        last_attempt_ms,
        attempts: 1,
    }
}

fn sorted(lane: &Lane) -> Vec<i64> {
    let held = lane.held().forward_ids.into_iter();
    let mut held: Vec<i64> = held.map(ForwardKey::number).collect();
    held.sort_unstable();
    held
}

fn next(lane: &Lane, now_ms: i64) -> Option<i64> {
    lane.next(now_ms).map(|pending| pending.forward_id.number())
}

fn finish(lane: &mut Lane, id: i64, action: LaneAction) {
    lane.finish(LanePlace::of(id), action);
}

fn take(lane: &mut Lane, now_ms: i64) -> Option<i64> {
    lane.take(now_ms).map(|pending| pending.forward_id.number())
}

#[test]
fn one_forward_of_a_message_is_in_flight_and_the_earlier_goes_first() {
    // The later status was handed over first.
    let mut lane = lane(&[(2, 7, 0), (1, 7, 0), (3, 8, 0)]);
    assert_eq!(take(&mut lane, 0), Some(1));
    assert_eq!(take(&mut lane, 0), Some(3));
    assert_eq!(take(&mut lane, 0), None);
    finish(&mut lane, 1, LaneAction::Leaves);
    assert_eq!(take(&mut lane, 0), Some(2));
    finish(&mut lane, 2, LaneAction::Leaves);
    finish(&mut lane, 3, LaneAction::Leaves);
    assert!(lane.is_empty());
}

#[test]
fn a_forward_that_comes_due_sends_its_waiting_siblings_first() {
    let mut lane = lane(&[(1, 7, 0)]);
    assert_eq!(take(&mut lane, 0), Some(1));
    finish(&mut lane, 1, retry(5_000, 0));
    lane.push(pending(2, 7, 1_000));
    assert_eq!(take(&mut lane, 500), None);
    assert_eq!(take(&mut lane, 1_000), Some(1));
    // It failed again: the later one waited for one attempt, not for its success.
    finish(&mut lane, 1, retry(300_000, 1_000));
    assert_eq!(take(&mut lane, 1_000), Some(2));
    finish(&mut lane, 2, LaneAction::Leaves);
    assert_eq!(take(&mut lane, 299_999), None);
    assert_eq!(take(&mut lane, 300_000), Some(1));
}

#[test]
fn siblings_go_first_each_time_a_forward_comes_due() {
    let mut lane = lane(&[(1, 7, 0), (2, 7, 0)]);
    for forward in [1, 2] {
        assert_eq!(take(&mut lane, 0), Some(forward));
        let due_at_ms = 10_000 / forward;
        finish(&mut lane, forward, retry(due_at_ms, 0));
    }
    // The later one is due first, twice; the earlier goes ahead of it each time.
    for due_ms in [5_000, 7_000] {
        assert_eq!(take(&mut lane, due_ms), Some(1));
        finish(
            &mut lane,
            1,
            LaneAction::WentAhead {
                last_attempt_ms: due_ms,
            },
        );
        assert_eq!(take(&mut lane, due_ms), Some(2));
        finish(&mut lane, 2, retry(7_000, due_ms));
    }
    assert_eq!(lane.next_due_ms(), Some(7_000));
}

#[test]
fn a_failed_probe_lets_another_forward_be_the_next() {
    let mut lane = lane(&[(1, 7, 0), (2, 8, 1)]);
    assert_eq!(take(&mut lane, 10), Some(1));
    finish(&mut lane, 1, LaneAction::Requeues { due_at_ms: 10 });
    assert_eq!(take(&mut lane, 10), Some(2));
}

#[test]
fn a_failed_probe_is_not_overtaken_by_its_later_siblings() {
    let mut lane = lane(&[(1, 7, 0), (2, 7, 1), (3, 8, 2)]);
    assert_eq!(take(&mut lane, 10), Some(1));
    finish(&mut lane, 1, LaneAction::Requeues { due_at_ms: 10 });
    assert_eq!(take(&mut lane, 11), Some(3));
    finish(&mut lane, 3, LaneAction::Requeues { due_at_ms: 11 });
    // The next probe, and the next after it, are of the first message's first again.
    assert_eq!(take(&mut lane, 12), Some(1));
    finish(&mut lane, 1, LaneAction::Requeues { due_at_ms: 12 });
    assert_eq!(take(&mut lane, 13), Some(3));
    finish(&mut lane, 3, LaneAction::Leaves);
    assert_eq!(take(&mut lane, 14), Some(1));
    finish(&mut lane, 1, LaneAction::Leaves);
    assert_eq!(take(&mut lane, 14), Some(2));
}

#[test]
fn what_failed_during_an_outage_goes_before_its_siblings_after_it() {
    let mut lane = lane(&[(1, 7, 0), (2, 7, 0), (3, 7, 0)]);
    assert_eq!(take(&mut lane, 5), Some(1));
    finish(&mut lane, 1, retry(5_000, 5));
    assert_eq!(take(&mut lane, 6), Some(2));
    finish(&mut lane, 2, retry(5_000, 6));
    lane.discount_attempts(100);
    for id in [1, 2, 3] {
        assert_eq!(take(&mut lane, 100), Some(id));
        finish(&mut lane, id, LaneAction::Leaves);
    }
    assert!(lane.is_empty());
}

#[test]
fn an_attempt_in_the_millisecond_a_sibling_came_due_is_not_repeated() {
    let mut lane = lane(&[(1, 7, 50), (2, 7, 50)]);
    assert_eq!(take(&mut lane, 50), Some(1));
    finish(&mut lane, 1, retry(5_050, 50));
    assert_eq!(take(&mut lane, 50), Some(2));
}

#[test]
fn looking_at_the_next_changes_nothing() {
    let mut lane = lane(&[(2, 7, 0), (1, 7, 1)]);
    for _ in 0..2 {
        assert_eq!(next(&lane, 5), Some(1));
    }
    assert_eq!(take(&mut lane, 5), Some(1));
    assert_eq!(next(&lane, 5), None);
}

#[test]
fn what_waits_is_forgotten_unless_a_sibling_is_due_or_in_flight() {
    let items = [(1, 7, 900), (2, 7, 0), (3, 8, 700), (4, 8, 800), (5, 9, 0)];
    let mut lane = lane(&items);
    lane.push(pending(6, 9, 600));
    finish(&mut lane, 5, LaneAction::Leaves);
    lane.push(pending(5, 9, 0));
    assert_eq!(lane.forget_waiting(10), Some(700));
    assert_eq!(sorted(&lane), [1, 2, 5, 6]);
    assert_eq!(take(&mut lane, 10), Some(1));
    finish(&mut lane, 1, retry(900, 10));
    assert_eq!(take(&mut lane, 10), Some(2));
    assert_eq!(lane.forget_waiting(10), None);
    finish(&mut lane, 2, retry(500, 10));
    assert_eq!(lane.forget_waiting_of(MessageKey::of(7), 10), Some(500));
    assert_eq!(sorted(&lane), [5, 6]);
    assert_eq!(take(&mut lane, 10), Some(5));
}

#[test]
fn a_forward_that_is_handed_over_twice_is_sent_once() {
    let mut lane = lane(&[(1, 7, 0), (1, 7, 0)]);
    assert_eq!(lane.len(), 1);
    assert_eq!(take(&mut lane, 0), Some(1));
    lane.push(pending(1, 7, 0));
    assert_eq!(take(&mut lane, 0), None);
}

#[test]
fn forgetting_keeps_what_is_in_flight() {
    let mut lane = lane(&[(1, 7, 0), (2, 7, 0), (3, 8, 0)]);
    assert_eq!(take(&mut lane, 0), Some(1));
    lane.forget_idle();
    assert_eq!(sorted(&lane), [1]);
    finish(&mut lane, 1, LaneAction::Leaves);
    assert!(lane.is_empty());
    assert_eq!(lane.next_due_ms(), None);
}

#[test]
fn a_message_that_is_forgotten_leaves_nothing_behind_unless_it_is_in_flight() {
    let mut lane = lane(&[(1, 7, 0), (2, 7, 0), (3, 8, 0)]);
    assert_eq!(take(&mut lane, 0), Some(1));
    lane.forget_message(MessageKey::of(7));
    assert_eq!(sorted(&lane), [1, 2, 3]);
    finish(&mut lane, 1, retry(5, 0));
    lane.forget_message(MessageKey::of(7));
    assert_eq!((sorted(&lane), lane.untried()), (vec![3], 1));
    assert_eq!(take(&mut lane, 9), Some(3));
    assert_eq!((take(&mut lane, 9), lane.next_due_ms()), (None, None));
    // It may be read again.
    lane.push(pending(2, 7, 0));
    assert_eq!(take(&mut lane, 9), Some(2));
}

fn strict(items: &[(i64, i64, i64)]) -> Lane {
    let mut lane = lane(items);
    lane.set_ordering(Ordering::Strict);
    lane
}

#[test]
fn in_strict_order_a_later_status_waits_until_the_earlier_is_settled() {
    let mut lane = strict(&[(1, 7, 0), (2, 7, 0), (3, 8, 0)]);
    assert_eq!(take(&mut lane, 0), Some(1));
    assert_eq!(take(&mut lane, 0), Some(3));
    finish(&mut lane, 1, retry(5_000, 0));
    finish(&mut lane, 3, LaneAction::Leaves);
    // One that comes meanwhile waits too, and wakes no lane.
    lane.push(pending(4, 7, 1_000));
    assert_eq!(lane.next_due_ms(), Some(5_000));
    assert_eq!(take(&mut lane, 4_999), None);
    assert_eq!(take(&mut lane, 5_000), Some(1));
    finish(&mut lane, 1, LaneAction::Leaves);
    assert_eq!(take(&mut lane, 5_000), Some(2));
    assert_eq!(take(&mut lane, 5_000), None);
    finish(&mut lane, 2, LaneAction::Leaves);
    assert_eq!(take(&mut lane, 5_000), Some(4));
}

#[test]
fn in_strict_order_an_earlier_status_that_comes_late_goes_first() {
    let mut lane = strict(&[(2, 7, 10)]);
    lane.push(pending(1, 7, 20));
    assert_eq!(lane.next_due_ms(), Some(0));
    assert_eq!(take(&mut lane, 20), Some(1));
    lane.push(pending(0, 7, 20));
    finish(&mut lane, 1, retry(5_000, 20));
    assert_eq!(take(&mut lane, 20), Some(0));
}

#[test]
fn in_strict_order_what_was_put_off_for_an_earlier_one_is_due_when_that_is_gone() {
    let mut lane = strict(&[]);
    lane.push(pending(1, 7, 0));
    // The table put it off until the earlier one's retry; it was never tried itself.
    lane.push(pending(2, 7, 900_000));
    assert_eq!(take(&mut lane, 10), Some(1));
    finish(&mut lane, 1, LaneAction::Leaves);
    assert_eq!(take(&mut lane, 10), Some(2));
    finish(&mut lane, 2, retry(900_000, 10));
    assert_eq!(take(&mut lane, 10), None);
}

#[test]
fn in_strict_order_a_message_waits_as_its_first_does() {
    let mut lane = strict(&[(1, 7, 0), (2, 7, 0), (3, 8, 0)]);
    assert_eq!(take(&mut lane, 0), Some(1));
    finish(&mut lane, 1, retry(900, 0));
    assert_eq!(lane.forget_waiting_of(MessageKey::of(7), 10), Some(900));
    assert_eq!(sorted(&lane), [3]);
}

#[test]
fn the_ordering_may_change_while_some_are_in_flight() {
    let mut lane = lane(&[(1, 7, 0), (2, 7, 0), (3, 8, 0), (4, 8, 5)]);
    assert_eq!(take(&mut lane, 0), Some(1));
    assert_eq!(take(&mut lane, 0), Some(3));
    finish(&mut lane, 3, retry(900, 0));
    lane.set_ordering(Ordering::Strict);
    finish(&mut lane, 1, retry(800, 0));
    assert_eq!(take(&mut lane, 10), None);
    lane.set_ordering(Ordering::Relaxed);
    // Each waits for one attempt of the earlier since it came due, which one of them had.
    assert_eq!(take(&mut lane, 10), Some(2));
    assert_eq!(take(&mut lane, 10), Some(3));
}

/// Something that happens to a lane; numbers choose among what there is.
#[derive(Debug, Clone)]
enum LaneEvent {
    /// A forward of that message comes: to a live lane with that place among its siblings, to
    /// the table of a spilled one as the last of them.
    Comes(i64, i64),
    /// As many as can go are sent.
    Sends,
    /// One in flight ends so.
    Ends(usize, u8),
    /// Time passes, ms.
    Passes(i64),
    /// The lane spills: what waits goes to the table.
    Spills,
    /// The lane reads the table: all of it, and is live; or what is due, with its siblings.
    Refills(bool),
    /// The subscriber is probed again.
    Probes,
}

fn event() -> impl Strategy<Value = LaneEvent> {
    prop_oneof![
        4 => (0_i64..4, 0_i64..50).prop_map(|(message, place)| LaneEvent::Comes(message, place)),
        4 => Just(LaneEvent::Sends),
        4 => (any::<usize>(), 0_u8..4).prop_map(|(which, how)| LaneEvent::Ends(which, how)),
        2 => (1_i64..2_000).prop_map(LaneEvent::Passes),
        1 => Just(LaneEvent::Spills),
        2 => any::<bool>().prop_map(LaneEvent::Refills),
        1 => Just(LaneEvent::Probes),
    ]
}

/// A strict lane beside what the table holds of its subscriber.
struct Played {
    lane: Lane,
    table: BTreeMap<i64, PendingForward>,
    in_flight: BTreeSet<i64>,
    live: bool,
    next_id: i64,
    now_ms: i64,
}

impl Played {
    fn play(&mut self, event: &LaneEvent) {
        match *event {
            LaneEvent::Comes(message, place) => {
                let id = self.next_id;
                self.next_id += 1;
                let mut pending = pending(id, message, self.now_ms);
                pending.pending_since_ms = self.now_ms;
                pending.place = (if self.live { place } else { 50 }, 0, LanePlace::of(id));
                self.table.insert(id, pending.clone());
                if self.live {
                    self.lane.push(pending);
                }
            }
            LaneEvent::Sends => while self.send() {},
            LaneEvent::Ends(which, how) => {
                let of = self.in_flight.len().max(1);
                let Some(id) = self.in_flight.iter().copied().nth(which % of) else {
                    return;
                };
                self.in_flight.remove(&id);
                self.end(id, how);
            }
            LaneEvent::Passes(ms) => self.now_ms += ms,
            LaneEvent::Spills => {
                self.live = false;
                self.lane.forget_waiting(self.now_ms);
            }
            LaneEvent::Refills(true) => {
                self.live = true;
                for pending in self.table.values() {
                    self.lane.push(pending.clone());
                }
            }
            LaneEvent::Refills(false) if !self.live => self.refill(),
            LaneEvent::Refills(false) => {}
            LaneEvent::Probes => self.lane.discount_attempts(self.now_ms),
        }
    }

    /// Sends one, which must be the earliest of its message that is queued at all.
    fn send(&mut self) -> bool {
        let Some(pending) = self.lane.take(self.now_ms) else {
            return false;
        };
        let siblings = self
            .table
            .values()
            .filter(|it| it.message_id == pending.message_id);
        let first = siblings.min_by_key(|it| it.place).unwrap();
        assert_eq!(
            first.forward_id, pending.forward_id,
            "it overtook an earlier one"
        );
        assert!(pending.due_at_ms <= self.now_ms, "before its time");
        assert!(
            self.in_flight.insert(pending.forward_id.number()),
            "sent twice"
        );
        true
    }

    fn end(&mut self, id: i64, how: u8) {
        let (now_ms, message_id) = (self.now_ms, self.table[&id].message_id);
        let action = match how {
            0 | 1 => {
                self.table.remove(&id);
                LaneAction::Leaves
            }
            2 => {
                let due_at_ms = now_ms + 1_000;
                let pending = self.table.get_mut(&id).unwrap();
                (pending.due_at_ms, pending.attempts) = (due_at_ms, pending.attempts + 1);
                LaneAction::Waits {
                    due_at_ms,
                    last_attempt_ms: now_ms,
                    attempts: pending.attempts,
                }
            }
            _ => LaneAction::Requeues { due_at_ms: now_ms },
        };
        finish(&mut self.lane, id, action);
        if !self.live {
            self.lane.forget_waiting_of(message_id, now_ms);
        }
    }

    /// As the store does it: a message of which anything is due comes whole, unless its
    /// earliest waits; then the others are put off.
    fn refill(&mut self) {
        let held = self.lane.held().forward_ids;
        let due = self.table.values().filter(|it| it.due_at_ms <= self.now_ms);
        let messages: BTreeSet<i64> = due.map(|it| it.message_id.number()).collect();
        for message in messages {
            let siblings = self
                .table
                .values_mut()
                .filter(|it| it.message_id.number() == message);
            let mut siblings: Vec<&mut PendingForward> = siblings.collect();
            siblings.sort_by_key(|it| it.place);
            let (first_ms, is_held) = (
                siblings[0].due_at_ms,
                held.contains(&siblings[0].forward_id),
            );
            for pending in siblings {
                if first_ms > self.now_ms && !is_held {
                    pending.due_at_ms = pending.due_at_ms.max(first_ms);
                } else {
                    self.lane.push(pending.clone());
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn in_strict_order_none_overtakes_an_earlier_one_and_all_arrive(
        events in proptest::collection::vec(event(), 1..200)
    ) {
        let mut played = Played {
            lane: strict(&[]),
            table: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            live: true,
            next_id: 1,
            now_ms: 0,
        };
        for event in &events {
            played.play(event);
        }
        // Whatever happened, once everything is taken all of it goes.
        for _ in 0..=2 * events.len() {
            for id in std::mem::take(&mut played.in_flight) {
                played.end(id, 0);
            }
            played.play(&LaneEvent::Passes(2_000));
            played.play(&LaneEvent::Refills(false));
            played.play(&LaneEvent::Sends);
        }
        prop_assert!(played.table.is_empty(), "{:?}", played.table);
        prop_assert!(played.lane.is_empty());
    }
}
