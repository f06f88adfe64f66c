//! What the writer hands over to a subscriber's lane, and what both know of it.
//!
//! The writer hands over a group at a time, so that a lane is woken once for all of it. What
//! is full, and what is left in the table then, is decided under the one lock of the two.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Owed;

/// The way of one subscriber's forwards from the writer, after their commit, to their lane.
#[derive(Debug, Default)]
pub struct Feed {
    state: Mutex<State>,
    /// Told when there is something to take.
    stirred: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Handed over and not yet taken.
    owed: Vec<Owed>,
    /// Pending forwards in the lane's memory.
    held: usize,
    /// Whether memory holds every pending forward of the subscriber. The writer alone sets it.
    live: bool,
    /// Whether a forward was left in the table since the lane last took.
    left: bool,
}

/// What a lane finds in its feed.
#[derive(Debug)]
pub struct Taken {
    /// Forwards handed over while the lane was live.
    pub owed: Vec<Owed>,
    /// Whether memory, `owed` included, holds every pending forward of the subscriber.
    pub live: bool,
    /// Whether forwards were left in the table since the last time.
    pub left: bool,
}

impl Feed {
    /// Waits until there may be something to take; may be dropped at any time.
    pub async fn stirred(&self) {
        self.stirred.notified().await;
    }

    /// Takes all there is.
    #[must_use]
    pub fn take(&self) -> Taken {
        let mut state = self.state();
        state.held += state.owed.len();
        Taken {
            owed: std::mem::take(&mut state.owed),
            live: state.live,
            left: std::mem::take(&mut state.left),
        }
    }

    /// Takes what was handed over, and leaves it to the next [`Feed::take`] to tell of the
    /// rest.
    #[must_use]
    pub fn take_owed(&self) -> Vec<Owed> {
        let mut state = self.state();
        state.held += state.owed.len();
        std::mem::take(&mut state.owed)
    }

    /// The lane says how much it holds; returns that and what is on its way to it.
    pub fn set_held(&self, held: usize) -> usize {
        let mut state = self.state();
        state.held = held;
        held + state.owed.len()
    }

    /// Hands over what fits into a memory of `window` forwards. Once something did not, all
    /// that comes waits in the table until a refill has caught up.
    pub(super) fn hand_over(&self, owed: impl ExactSizeIterator<Item = Owed>, window: usize) {
        let mut state = self.state();
        if state.live {
            let room = window.saturating_sub(state.held + state.owed.len());
            state.live = owed.len() <= room;
            state.left |= !state.live;
            state.owed.extend(owed.take(room));
        } else {
            state.left = true;
        }
        drop(state);
        self.stirred.notify_one();
    }

    /// A lane has read the table: it holds so many now, and `live` when that is all there is.
    pub(super) fn refilled(&self, held: usize, live: bool) {
        let mut state = self.state();
        state.held = held;
        state.live = live;
    }

    /// The table knows of the lane's forwards what memory does not.
    pub(super) fn spill(&self) {
        let mut state = self.state();
        state.live = false;
        state.left = true;
        drop(state);
        self.stirred.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is done under the lock that could panic halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn owed(ids: std::ops::Range<i64>) -> std::vec::IntoIter<Owed> {
        let owed = |id| Owed {
            forward_id: id,
            uid: Uuid::nil(),
            message_id: id,
            payload: std::sync::Arc::from(&b"{}"[..]),
            place: (id, 0, id),
            attempts: 0,
            owed_since_ms: 0,
            due_at_ms: 0,
            last_attempt_ms: None,
        };
        ids.map(owed).collect::<Vec<_>>().into_iter()
    }

    fn check(feed: &Feed, ids: std::ops::Range<i64>, live: bool, left: bool) {
        let taken = feed.take();
        let found: Vec<i64> = taken.owed.iter().map(|owed| owed.forward_id).collect();
        assert_eq!(found, ids.collect::<Vec<_>>());
        assert_eq!((taken.live, taken.left), (live, left));
    }

    #[test]
    fn a_feed_begins_spilled_and_hands_nothing_over_until_it_is_live() {
        let feed = Feed::default();
        feed.hand_over(owed(0..2), 4);
        check(&feed, 0..0, false, true);
        check(&feed, 0..0, false, false);
        feed.refilled(2, true);
        feed.hand_over(owed(2..4), 4);
        check(&feed, 2..4, true, false);
    }

    #[test]
    fn what_does_not_fit_is_left_in_the_table_and_all_after_it_is_too() {
        let feed = Feed::default();
        feed.refilled(1, true);
        feed.hand_over(owed(0..2), 4);
        assert_eq!(feed.set_held(1), 3);
        feed.hand_over(owed(2..4), 4);
        feed.hand_over(owed(4..5), 4);
        check(&feed, 0..3, false, true);
        // What was taken counts as held before the lane has said so.
        feed.refilled(0, true);
        feed.hand_over(owed(5..9), 4);
        check(&feed, 5..9, true, false);
        feed.hand_over(owed(9..10), 4);
        check(&feed, 0..0, false, true);
    }

    #[test]
    fn a_spilled_feed_keeps_what_was_handed_over_before() {
        let feed = Feed::default();
        feed.refilled(0, true);
        feed.hand_over(owed(0..1), 4);
        feed.spill();
        assert_eq!(feed.take_owed().len(), 1);
        // The lane learns of it even when nothing comes after.
        check(&feed, 0..0, false, true);
        feed.hand_over(owed(1..2), 4);
        check(&feed, 0..0, false, true);
    }
}
