//! The memory of one subscriber's lane: what is pending, and which forward goes next.
//!
//! Pure. Of one message at most one forward is in flight, and of those pending together the
//! earlier goes first: a forward that comes due sends its earlier siblings before it, even
//! those that were waiting for a retry, so that a subscriber that was down for a moment
//! still sees sent, delivered, read in that order. It waits for one attempt of each, not for
//! their success, and an attempt before its time uses up none of the schedule's.
//!
//! In strict order it does wait for their success, or for their being given up: of each
//! message only the earliest is looked at, and the others are due when it is gone.
//!
//! Forwards that were never tried and retries stand in two queues, which share the turns: however
//! many retries have piled up, new forwards need not wait for them, nor they for new ones.
//!
//! One poisoned status must not hold up the next for a day: hence an attempt and not a success. In strict
//! order a refill puts off in the table what stands behind a waiting forward, so that it is read once per
//! attempt and not once per look.

// The table counts its keys up: nobody picks them so that they collide.
use foldhash::HashMap;

use self::queues::Queues;
use crate::model::{LanePlace, MessageKey, Ordering};
use crate::store::{LaneContents, PendingForward};

/// The pending forwards of one subscriber and held in memory, each known by its place in the lane.
#[derive(Debug, Default)]
pub struct Lane {
    ordering: Ordering,
    items: HashMap<LanePlace, LaneItem>,
    /// The forwards of each message, in their order.
    messages: HashMap<MessageKey, Vec<PlaceInMessage>>,
    /// The message of each forward in flight, and the forward.
    in_flight: HashMap<MessageKey, LanePlace>,
    /// What may be sent from when on; holds no forward of a message that is in flight, and in strict
    /// order of each other message the earliest alone.
    ready: Queues,
    /// Items that were never tried.
    untried: usize,
    /// Whether the next probe is the oldest of those, not the newest.
    probes_oldest: bool,
    /// Attempts before this were made while the subscriber was down, ms since 1970 UTC.
    discounted_ms: i64,
}

/// Provider time, rank, place in the lane: the order within a message; the last part is its own alone.
type PlaceInMessage = (i64, u8, LanePlace);

#[derive(Debug)]
struct LaneItem {
    pending: PendingForward,
    /// Siblings up to here have had their attempt before this one.
    cleared: Option<PlaceInMessage>,
    /// Whether an attempt of it failed, be it a probe.
    is_tried: bool,
}

impl LaneItem {
    /// Its place in the queues.
    const fn key(&self) -> (i64, LanePlace) {
        (self.pending.due_at_ms, self.pending.lane_place())
    }
}

/// What becomes of a forward that was in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneAction {
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
    /// It went ahead of a sibling before its own time, and failed: it waits as it did.
    WentAhead {
        /// When that was, ms since 1970 UTC.
        last_attempt_ms: i64,
    },
    /// A probe that failed: nothing changes but the turn of its message, so that the next
    /// probe tries another one, and none of this message overtakes it.
    Requeues {
        /// Their turn, ms since 1970 UTC.
        due_at_ms: i64,
    },
}

impl Lane {
    /// Takes in a forward; one that is here already changes nothing.
    pub fn push(&mut self, mut pending: PendingForward) {
        let (message_id, place) = (pending.message_id, pending.place);
        if self.items.contains_key(&place.2) {
            return;
        }
        let is_strict = self.ordering == Ordering::Strict;
        if is_strict && pending.attempts == 0 {
            // It was never tried: the table has put it off for the sake of an earlier one.
            pending.due_at_ms = pending.due_at_ms.min(pending.pending_since_ms);
        }
        let item = LaneItem {
            is_tried: pending.attempts > 0,
            pending,
            cleared: None,
        };
        let siblings = self.messages.entry(message_id).or_default();
        let at = siblings.partition_point(|sibling| *sibling < place);
        siblings.insert(at, place);
        if !self.in_flight.contains_key(&message_id) && (at == 0 || !is_strict) {
            let second = siblings.get(1).filter(|_| is_strict);
            if let Some(second) = second.and_then(|second| self.items.get(&second.2)) {
                self.ready.remove(second.key());
            }
            self.ready.insert(item.is_tried, item.key());
        }
        self.untried += usize::from(!item.is_tried);
        self.items.insert(place.2, item);
    }

    /// Sends what it holds, and all that comes, in that order from here on.
    pub fn set_ordering(&mut self, ordering: Ordering) {
        if self.ordering == ordering {
            return;
        }
        self.ordering = ordering;
        self.ready.clear();
        let messages: Vec<MessageKey> = self.messages.keys().copied().collect();
        for message_id in messages {
            if !self.in_flight.contains_key(&message_id) {
                self.make_ready(message_id);
            }
        }
    }

    /// When the next forward may be sent, ms since 1970 UTC.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<i64> {
        self.ready.next_due_ms()
    }

    /// The forward that goes next at `now_ms`.
    #[must_use]
    pub fn next(&self, now_ms: i64) -> Option<&PendingForward> {
        let (_, chosen) = self.choose(now_ms)?;
        self.items.get(&chosen.2).map(|item| &item.pending)
    }

    /// Takes the forward that goes next at `now_ms`; it is in flight until [`Lane::finish`].
    pub fn take(&mut self, now_ms: i64) -> Option<PendingForward> {
        let (candidate, chosen) = self.choose(now_ms)?;
        self.ready.end_turn();
        self.depart(candidate, chosen)
    }

    /// As [`Lane::take`], for a probe: rather one that was never tried, and for whose sake no
    /// earlier sibling has to be tried first. What failed before may be refused for ever, which
    /// says nothing of the subscriber. The newest and the oldest take turns: of thousands that
    /// came together, all may be refused, and what came after them not.
    pub fn take_probe(&mut self, now_ms: i64) -> Option<PendingForward> {
        self.probes_oldest = !self.probes_oldest;
        let mut untried = self.ready.untried(now_ms, self.probes_oldest);
        let fresh = untried.find_map(|(due_ms, candidate)| {
            let chosen = self.goes_first(due_ms, candidate)?;
            (chosen.2 == candidate).then_some((candidate, chosen))
        });
        drop(untried);
        match fresh {
            Some((candidate, chosen)) => self.depart(candidate, chosen),
            None => self.take(now_ms),
        }
    }

    fn depart(&mut self, candidate: LanePlace, chosen: PlaceInMessage) -> Option<PendingForward> {
        let pending = self.items.get(&chosen.2)?.pending.clone();
        if candidate != chosen.2 {
            self.items.get_mut(&candidate)?.cleared = Some(chosen);
        }
        self.in_flight.insert(pending.message_id, chosen.2);
        let siblings = self.messages.get(&pending.message_id);
        for (_, _, id) in siblings.into_iter().flatten() {
            if let Some(item) = self.items.get(id) {
                self.ready.remove(item.key());
            }
        }
        Some(pending)
    }

    /// The forward whose turn it is, and the one that goes for its sake.
    fn choose(&self, now_ms: i64) -> Option<(LanePlace, PlaceInMessage)> {
        let (due_ms, candidate) = self.ready.next(now_ms)?;
        Some((candidate, self.goes_first(due_ms, candidate)?))
    }

    /// The earliest sibling that has not been tried since the forward came due, else the forward
    /// itself.
    fn goes_first(&self, due_ms: i64, candidate: LanePlace) -> Option<PlaceInMessage> {
        let item = self.items.get(&candidate)?;
        let (place, cleared) = (item.pending.place, item.cleared);
        let siblings = self.messages.get(&item.pending.message_id)?;
        let since_ms = due_ms.max(self.discounted_ms);
        let earlier = siblings.iter().find(|sibling| {
            let tried = self
                .items
                .get(&sibling.2)
                .and_then(|sibling| sibling.pending.last_attempt_ms);
            **sibling < place
                && cleared.is_none_or(|cleared| **sibling > cleared)
                && tried.is_none_or(|tried| tried < since_ms)
        });
        Some(earlier.copied().unwrap_or(place))
    }

    /// How many forwards of a message may go next, the earliest first.
    const fn most_open(&self) -> usize {
        match self.ordering {
            Ordering::Relaxed => usize::MAX,
            Ordering::Strict => 1,
        }
    }

    fn make_ready(&mut self, message_id: MessageKey) {
        let most = self.most_open();
        let siblings = self.messages.get(&message_id);
        for (_, _, id) in siblings.into_iter().flatten().take(most) {
            if let Some(item) = self.items.get(id) {
                self.ready.insert(item.is_tried, item.key());
            }
        }
    }

    /// Ends a forward's time in flight; its siblings may go again.
    pub fn finish(&mut self, forward: LanePlace, action: LaneAction) {
        let Some(item) = self.items.get_mut(&forward) else {
            return;
        };
        let message_id = item.pending.message_id;
        if action != LaneAction::Leaves && !std::mem::replace(&mut item.is_tried, true) {
            self.untried = self.untried.saturating_sub(1);
        }
        match action {
            LaneAction::Leaves => self.remove(forward),
            LaneAction::Waits {
                due_at_ms,
                last_attempt_ms,
                attempts,
            } => {
                item.pending.due_at_ms = due_at_ms;
                item.pending.last_attempt_ms = Some(last_attempt_ms);
                item.pending.attempts = attempts;
                // The next time it comes due, its siblings go first once more.
                item.cleared = None;
            }
            LaneAction::WentAhead { last_attempt_ms } => {
                item.pending.last_attempt_ms = Some(last_attempt_ms);
            }
            LaneAction::Requeues { due_at_ms } => self.line_up(message_id, due_at_ms),
        }
        self.in_flight.remove(&message_id);
        self.make_ready(message_id);
    }

    /// Lets what is due of a message line up again at `now_ms`: behind other messages, and in
    /// its own order, whatever was tried before.
    fn line_up(&mut self, message_id: MessageKey, now_ms: i64) {
        let siblings = self.messages.get(&message_id);
        for (_, _, id) in siblings.into_iter().flatten() {
            if let Some(item) = self.items.get_mut(id)
                && item.pending.due_at_ms <= now_ms
            {
                self.ready.remove(item.key());
                item.pending.due_at_ms = now_ms;
                item.cleared = None;
            }
        }
    }

    /// The subscriber is looked for at `now_ms` after it was down: attempts before that count
    /// as no turn, so that what failed then goes before its later siblings once more.
    pub fn discount_attempts(&mut self, now_ms: i64) {
        self.discounted_ms = now_ms;
        for item in self.items.values_mut() {
            item.cleared = None;
        }
    }

    fn remove(&mut self, forward: LanePlace) {
        let Some(item) = self.items.remove(&forward) else {
            return;
        };
        self.ready.remove(item.key());
        self.untried = self.untried.saturating_sub(usize::from(!item.is_tried));
        let message_id = item.pending.message_id;
        if let Some(siblings) = self.messages.get_mut(&message_id) {
            siblings.retain(|(_, _, sibling)| *sibling != forward);
            if siblings.is_empty() {
                self.messages.remove(&message_id);
            }
        }
    }

    /// Forgets all that is not in flight: the table is read again.
    pub fn forget_idle(&mut self) {
        let idle: Vec<LanePlace> = self
            .items
            .values()
            .filter(|item| {
                self.in_flight.get(&item.pending.message_id) != Some(&item.pending.lane_place())
            })
            .map(|item| item.pending.lane_place())
            .collect();
        for forward in idle {
            self.remove(forward);
        }
    }

    /// Forgets the messages of which nothing is due at `now_ms` nor in flight: they wait in
    /// the table. Returns when the first of them comes due, ms since 1970 UTC.
    pub fn forget_waiting(&mut self, now_ms: i64) -> Option<i64> {
        let messages: Vec<MessageKey> = self.messages.keys().copied().collect();
        let due_ms = |message_id| self.forget_waiting_of(message_id, now_ms);
        messages.into_iter().filter_map(due_ms).min()
    }

    /// As [`Lane::forget_waiting`], for one message.
    pub fn forget_waiting_of(&mut self, message_id: MessageKey, now_ms: i64) -> Option<i64> {
        let open = self.messages.get(&message_id)?.iter();
        let due_ms = |(_, _, id): &PlaceInMessage| Some(self.items.get(id)?.pending.due_at_ms);
        let first_ms = open.take(self.most_open()).filter_map(due_ms).min()?;
        if first_ms <= now_ms || self.in_flight.contains_key(&message_id) {
            return None;
        }
        self.forget_message(message_id);
        Some(first_ms)
    }

    /// Forgets a message of which nothing is in flight: it is in the table.
    pub fn forget_message(&mut self, message_id: MessageKey) {
        if self.in_flight.contains_key(&message_id) {
            return;
        }
        for (_, _, forward) in self.messages.remove(&message_id).unwrap_or_default() {
            self.remove(forward);
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

    /// The forwards held that were never tried.
    #[must_use]
    pub const fn untried(&self) -> usize {
        self.untried
    }

    /// What is held, as a refill has to know it.
    #[must_use]
    pub fn held(&self) -> LaneContents {
        LaneContents {
            forward_ids: self
                .items
                .values()
                .map(|it| it.pending.forward_id)
                .collect(),
            untried: self.untried,
            newest: false,
        }
    }
}

mod queues;
#[cfg(test)]
mod tests;
