//! The writer's end of the lanes: a door for each, through which forwards are handed over
//! after their commit while the lane is live, and left in the table while it is not.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::Subscriber;
use crate::store::{Feed, Owed};

/// Forwards that a lane holds in memory; above it they wait in the table.
pub(super) const LANE_WINDOW: usize = 1024;

/// The open lanes by subscriber.
#[derive(Default)]
pub(super) struct Doors(HashMap<i64, Door>);

struct Door {
    feed: Arc<Feed>,
    /// Room in which what one group owes is gathered; empty between groups.
    owed: Vec<Owed>,
}

impl Doors {
    /// Opens a lane, in the place of one that ended; it begins spilled.
    pub(super) fn open(&mut self, subscriber_id: i64) -> Arc<Feed> {
        let feed = Arc::new(Feed::default());
        let door = Door {
            feed: Arc::clone(&feed),
            owed: Vec::new(),
        };
        self.0.insert(subscriber_id, door);
        feed
    }

    /// Hands forwards over, each lane's together, so that it is woken once for all of them;
    /// or tells the lane that some were left in the table.
    pub(super) fn hand_over(&mut self, owed: impl IntoIterator<Item = (i64, Owed)>) {
        for (subscriber_id, owed) in owed {
            if let Some(door) = self.0.get_mut(&subscriber_id) {
                door.owed.push(owed);
            }
        }
        for door in self.0.values_mut().filter(|door| !door.owed.is_empty()) {
            door.feed.hand_over(door.owed.drain(..), LANE_WINDOW);
        }
    }

    /// A lane has read the table: it holds so many now, and `live` when that is all there is.
    pub(super) fn refilled(&self, subscriber_id: i64, held: usize, live: bool) {
        if let Some(door) = self.0.get(&subscriber_id) {
            door.feed.refilled(held, live);
        }
    }

    /// The table knows of these lanes' forwards what memory does not.
    pub(super) fn spill(&self, subscribers: &[i64]) {
        for door in subscribers.iter().filter_map(|id| self.0.get(id)) {
            door.feed.spill();
        }
    }

    /// Closes the doors of those that are gone.
    pub(super) fn keep(&mut self, subscribers: &[Arc<Subscriber>]) {
        self.0
            .retain(|id, _| subscribers.iter().any(|known| known.id == *id));
    }
}
