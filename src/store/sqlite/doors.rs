//! The writer's end of the lanes: a door for each, through which forwards are handed over
//! after their commit while the lane is live, and left in the table while it is not.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;

use crate::model::Subscriber;
use crate::store::{Feed, LaneGauge, Owed};

/// Forwards that a lane holds in memory; above it they wait in the table.
pub(super) const LANE_WINDOW: usize = 1024;

/// The open lanes by subscriber.
#[derive(Default)]
pub(super) struct Doors(HashMap<i64, Door>);

struct Door {
    feed: mpsc::UnboundedSender<Owed>,
    gauge: Arc<LaneGauge>,
}

impl Doors {
    /// Opens a lane, in the place of one that ended; it begins spilled.
    pub(super) fn open(&mut self, subscriber_id: i64) -> Feed {
        let (feed, owed) = mpsc::unbounded_channel();
        let gauge = Arc::new(LaneGauge::default());
        let door = Door {
            feed,
            gauge: Arc::clone(&gauge),
        };
        self.0.insert(subscriber_id, door);
        Feed { owed, gauge }
    }

    /// Hands a forward over, or tells the lane that one was left in the table.
    pub(super) fn hand_over(&mut self, subscriber_id: i64, owed: Owed) {
        let Some(door) = self.0.get(&subscriber_id) else {
            return;
        };
        let gauge = &door.gauge;
        if !gauge.live.load(Ordering::Acquire) {
            gauge.spilled.notify_one();
            return;
        }
        if gauge.held.fetch_add(1, Ordering::AcqRel) >= LANE_WINDOW {
            // From here on its forwards wait in the table until a refill has caught up.
            gauge.held.fetch_sub(1, Ordering::AcqRel);
            gauge.live.store(false, Ordering::Release);
            gauge.spilled.notify_one();
        } else if door.feed.send(owed).is_err() {
            self.0.remove(&subscriber_id);
        }
    }

    /// A lane has read the table: it holds so many now, and `live` when that is all there is.
    pub(super) fn refilled(&self, subscriber_id: i64, held: usize, live: bool) {
        if let Some(door) = self.0.get(&subscriber_id) {
            door.gauge.held.store(held, Ordering::Release);
            door.gauge.live.store(live, Ordering::Release);
        }
    }

    /// The table knows of these lanes' forwards what memory does not.
    pub(super) fn spill(&self, subscribers: &[i64]) {
        for door in subscribers.iter().filter_map(|id| self.0.get(id)) {
            door.gauge.live.store(false, Ordering::Release);
        }
    }

    /// Closes the doors of those that are gone.
    pub(super) fn keep(&mut self, subscribers: &[Arc<Subscriber>]) {
        self.0
            .retain(|id, _| subscribers.iter().any(|known| known.id == *id));
    }
}
