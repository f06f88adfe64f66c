//! What the writer hands over to a subscriber's lane, and what both know of it.
//!
//! The writer hands over a group at a time, so that a lane is woken once for all of it. What
//! is full, and what is left in the table then, is decided under the one lock of the two.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{LaneKey, Lease, PendingForward};
use crate::model::ForwardKey;

/// A lane that this instance holds.
#[derive(Debug, Clone)]
pub struct OpenLane {
    /// Which one.
    pub key: LaneKey,
    /// The right to send what is pending in it, until that is lost.
    pub lease: Lease,
    /// How its forwards come.
    pub inbox: Arc<LaneInbox>,
}

/// The way of one subscriber's forwards from the writer, after their commit, to their lane.
#[derive(Debug, Default)]
pub struct LaneInbox {
    state: Mutex<InboxState>,
    /// Notified when there is something to take.
    notified: Notify,
}

#[derive(Debug, Default)]
struct InboxState {
    /// Handed over and not yet taken.
    pending: Vec<PendingForward>,
    /// Pending forwards in the lane's memory.
    held: usize,
    /// Whether memory holds every pending forward of the subscriber. The writer alone sets it.
    live: bool,
    /// Whether a forward was left in the table since the lane last took.
    left: bool,
    unwritten: Unwritten,
}

/// Forwards of which the end of an attempt was not written down.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unwritten {
    /// They are in the store no more: they were erased while in flight.
    pub gone: Vec<ForwardKey>,
    /// They were settled under another epoch than the lane's. Whoever holds the lane sends them.
    pub fenced: Vec<ForwardKey>,
}

/// What a lane finds in its feed.
#[derive(Debug)]
pub struct Drained {
    /// Forwards handed over while the lane was live.
    pub pending: Vec<PendingForward>,
    /// Whether memory, `pending` included, holds every pending forward of the subscriber.
    pub live: bool,
    /// Whether forwards were left in the table since the last time.
    pub left: bool,
    /// What came of settlements since the last time, where they were not written down.
    pub unwritten: Unwritten,
}

impl LaneInbox {
    /// Waits until there may be something to take; may be dropped at any time.
    pub async fn notified(&self) {
        self.notified.notified().await;
    }

    /// Takes all there is.
    #[must_use]
    pub fn take(&self) -> Drained {
        let mut state = self.state();
        state.held += state.pending.len();
        Drained {
            pending: std::mem::take(&mut state.pending),
            live: state.live,
            left: std::mem::take(&mut state.left),
            unwritten: std::mem::take(&mut state.unwritten),
        }
    }

    /// Takes what was handed over. The next [`LaneInbox::take`] notifies of the rest.
    #[must_use]
    pub fn take_pending(&self) -> Vec<PendingForward> {
        let mut state = self.state();
        state.held += state.pending.len();
        std::mem::take(&mut state.pending)
    }

    /// The lane says how much it holds; returns that and what is on its way to it.
    pub fn set_held(&self, held: usize) -> usize {
        let mut state = self.state();
        state.held = held;
        held + state.pending.len()
    }

    /// Hands over what fits into a memory of `window` forwards. Once something did not, all
    /// that comes waits in the table until a refill has caught up.
    pub(super) fn hand_over(
        &self,
        pending: impl ExactSizeIterator<Item = PendingForward>,
        window: usize,
    ) {
        let mut state = self.state();
        if state.live {
            let room = window.saturating_sub(state.held + state.pending.len());
            state.live = pending.len() <= room;
            state.left |= !state.live;
            state.pending.extend(pending.take(room));
        } else {
            state.left = true;
        }
        drop(state);
        self.notified.notify_one();
    }

    /// A lane has read the table: it holds so many now, and `live` when that is all there is.
    pub(super) fn refilled(&self, held: usize, live: bool) {
        let mut state = self.state();
        state.held = held;
        state.live = live;
    }

    /// A settlement of this forward was not written down: it was fenced, or the forward is gone.
    pub(super) fn note_unwritten(&self, forward_id: ForwardKey, is_fenced: bool) {
        let mut state = self.state();
        let unwritten = &mut state.unwritten;
        let of_kind = if is_fenced {
            &mut unwritten.fenced
        } else {
            &mut unwritten.gone
        };
        of_kind.push(forward_id);
        drop(state);
        self.notified.notify_one();
    }

    /// The table knows of the lane's forwards what memory does not.
    pub(super) fn spill(&self) {
        let mut state = self.state();
        state.live = false;
        state.left = true;
        drop(state);
        self.notified.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, InboxState> {
        // Nothing is done under the lock that could panic halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::{LanePlace, MessageKey};

    fn pending(ids: std::ops::Range<i64>) -> std::vec::IntoIter<PendingForward> {
        let pending = |id| PendingForward {
            forward_id: ForwardKey::of(id),
            uid: Uuid::nil(),
            message_id: MessageKey::of(id),
            payload: bytes::Bytes::from_static(b"{}"),
            place: (id, 0, LanePlace::of(id)),
            attempts: 0,
            pending_since_ms: 0,
            due_at_ms: 0,
            last_attempt_ms: None,
        };
        ids.map(pending).collect::<Vec<_>>().into_iter()
    }

    fn check(inbox: &LaneInbox, ids: std::ops::Range<i64>, live: bool, left: bool) {
        let taken = inbox.take();
        let found: Vec<i64> = taken
            .pending
            .iter()
            .map(|pending| pending.forward_id.number())
            .collect();
        assert_eq!(found, ids.collect::<Vec<_>>());
        assert_eq!((taken.live, taken.left), (live, left));
    }

    #[test]
    fn a_feed_begins_spilled_and_hands_nothing_over_until_it_is_live() {
        let inbox = LaneInbox::default();
        inbox.hand_over(pending(0..2), 4);
        check(&inbox, 0..0, false, true);
        check(&inbox, 0..0, false, false);
        inbox.refilled(2, true);
        inbox.hand_over(pending(2..4), 4);
        check(&inbox, 2..4, true, false);
    }

    #[test]
    fn what_does_not_fit_is_left_in_the_table_and_all_after_it_is_too() {
        let inbox = LaneInbox::default();
        inbox.refilled(1, true);
        inbox.hand_over(pending(0..2), 4);
        assert_eq!(inbox.set_held(1), 3);
        inbox.hand_over(pending(2..4), 4);
        inbox.hand_over(pending(4..5), 4);
        check(&inbox, 0..3, false, true);
        // What was taken counts as held before the lane has said so.
        inbox.refilled(0, true);
        inbox.hand_over(pending(5..9), 4);
        check(&inbox, 5..9, true, false);
        inbox.hand_over(pending(9..10), 4);
        check(&inbox, 0..0, false, true);
    }

    #[test]
    fn a_spilled_feed_keeps_what_was_handed_over_before() {
        let inbox = LaneInbox::default();
        inbox.refilled(0, true);
        inbox.hand_over(pending(0..1), 4);
        inbox.spill();
        assert_eq!(inbox.take_pending().len(), 1);
        // The lane learns of it even when nothing comes after.
        check(&inbox, 0..0, false, true);
        inbox.hand_over(pending(1..2), 4);
        check(&inbox, 0..0, false, true);
    }
}
