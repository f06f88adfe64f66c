//! The writer's end of the lanes: an inbox for each, by which forwards are handed over after
//! their commit while the lane is live, and left in the table while it is not.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{ForwardKey, Subscriber, SubscriberKey};
use crate::store::{LaneInbox, LaneKey, Lease, OpenLane, PendingForward};

/// Forwards that a lane holds in memory; above it they wait in the table.
pub(super) const LANE_WINDOW: usize = 1024;

/// The open lanes by subscriber.
#[derive(Default)]
pub(super) struct LaneRegistry(HashMap<SubscriberKey, LaneEntry>);

/// The end of an attempt that was not written down.
pub(super) struct UnwrittenSettlement {
    pub(super) subscriber_id: SubscriberKey,
    pub(super) forward_id: ForwardKey,
    /// It was settled under an epoch that was never granted. Else the forward is gone: it may have been
    /// erased while in flight.
    pub(super) is_fenced: bool,
}

struct LaneEntry {
    inbox: Arc<LaneInbox>,
    /// Room in which what one group queues is gathered; empty between groups.
    pending: Vec<PendingForward>,
}

impl LaneRegistry {
    /// Opens a lane, in the place of one that ended; it begins spilled. There is no other instance that
    /// could hold it, so it is leased for good.
    pub(super) fn open(&mut self, subscriber_id: SubscriberKey) -> OpenLane {
        let inbox = Arc::new(LaneInbox::default());
        let entry = LaneEntry {
            inbox: Arc::clone(&inbox),
            pending: Vec::new(),
        };
        self.0.insert(subscriber_id, entry);
        let lease = Lease::for_good();
        OpenLane {
            key: LaneKey {
                subscriber_id,
                shard: 0,
                epoch: lease.number(),
            },
            lease,
            inbox,
        }
    }

    /// Notifies the lanes of settlements that were not written down.
    pub(super) fn note_unwritten(&self, settlements: Vec<UnwrittenSettlement>) {
        for settlement in settlements {
            if let Some(entry) = self.0.get(&settlement.subscriber_id) {
                let UnwrittenSettlement {
                    forward_id,
                    is_fenced,
                    ..
                } = settlement;
                entry.inbox.note_unwritten(forward_id, is_fenced);
            }
        }
    }

    /// Hands forwards over, each lane's together, so that it is woken once for all of them;
    /// or notifies the lane that some were left in the table.
    pub(super) fn hand_over(
        &mut self,
        pending: impl IntoIterator<Item = (SubscriberKey, PendingForward)>,
    ) {
        for (subscriber_id, pending) in pending {
            if let Some(entry) = self.0.get_mut(&subscriber_id) {
                entry.pending.push(pending);
            }
        }
        for entry in self
            .0
            .values_mut()
            .filter(|entry| !entry.pending.is_empty())
        {
            entry.inbox.hand_over(entry.pending.drain(..), LANE_WINDOW);
        }
    }

    /// A lane has read the table: it holds so many now, and `live` when that is all there is.
    pub(super) fn refilled(&self, subscriber_id: SubscriberKey, held: usize, live: bool) {
        if let Some(entry) = self.0.get(&subscriber_id) {
            entry.inbox.refilled(held, live);
        }
    }

    /// The table knows of these lanes' forwards what memory does not.
    pub(super) fn spill(&self, subscribers: &[SubscriberKey]) {
        for entry in subscribers.iter().filter_map(|id| self.0.get(id)) {
            entry.inbox.spill();
        }
    }

    /// Drops the inboxes of subscribers that are gone.
    pub(super) fn keep(&mut self, subscribers: &[Arc<Subscriber>]) {
        self.0
            .retain(|id, _| subscribers.iter().any(|known| known.id == *id));
    }
}
