//! The lanes at work: one task per subscriber sends what is pending and settles it.
//!
//! A lane is live (memory holds all that is pending, the writer hands over what comes) or
//! spilled (the table holds it, the lane reads what is due). It never waits for another
//! lane, and a gate (pause, open breaker) stops it without touching a row. Here the lanes
//! come and go; what one does is in `task`, while this instance holds its lease (`leased`).
//!
//! # Why live or spilled
//!
//! The writer hands new forwards over after the commit, a group at a time. Above 1024 it stops, and the
//! table alone holds the rest. The lane then reads what is due on the writer's thread, which alone switches
//! it back to live. So a forward is never in both places and never in neither.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::schedule::Schedule;
use super::sender::Sender;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::model::{Subscriber, SubscriberKey};
use crate::store::query::OutboundQuery;
use crate::store::{Error, Outbound, Store};
use connections::Connections;
use news::News;

pub mod connections;
mod disabled;
mod failing;
mod halt;
mod leased;
mod metrics;
mod news;
mod refill_at;
mod refilling;
mod task;

/// What every lane shares.
#[derive(Clone)]
pub struct Forwarding {
    /// Where forwards come from and go back to.
    pub store: Store,
    /// The only way out.
    pub sender: Arc<Sender>,
    /// How many connections to subscribers there may be, and whose they are.
    pub connections: Connections,
    /// When to try again.
    pub schedule: Arc<Schedule>,
    /// How long a subscriber may fail without pause before it is disabled.
    pub disable_after: Duration,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How many lanes read at once where they send to, and with which secrets.
    pub resyncs: Arc<Semaphore>,
}

impl Forwarding {
    /// Where a subscriber is sent to, and with which secrets; read in turn.
    async fn outbound(&self, subscriber_id: SubscriberKey) -> Result<Outbound, Error> {
        // It is never closed.
        let _turn = self.resyncs.acquire().await.map_err(|_| Error::Closed)?;
        self.store.read(OutboundQuery { subscriber_id }).await
    }

    /// Whether the clock is so far ahead that nothing may end by its age.
    fn is_held(&self) -> bool {
        self.store.age_hold().is_some()
    }

    /// The schedule, without an age at which a forward expires while the clock is held.
    fn by_age(&self, schedule: &Arc<Schedule>) -> Arc<Schedule> {
        if !self.is_held() {
            return Arc::clone(schedule);
        }
        Arc::new(Schedule {
            delays: schedule.delays.clone(),
            max_age: Duration::MAX,
        })
    }
}

/// A lane looks around after this long, even when nothing says it to.
const POLL: Duration = Duration::from_secs(1);

impl Forwarding {
    /// Runs a lane for every subscriber, present and future, until `stop` turns true; then
    /// waits for what is in flight.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut subscribers = self.store.subscribers();
        let mut lanes: HashMap<SubscriberKey, (watch::Sender<Arc<Subscriber>>, JoinHandle<()>)> =
            HashMap::new();
        loop {
            let current = Arc::clone(&subscribers.borrow_and_update());
            lanes.retain(|id, (_, handle)| {
                if handle.is_finished() {
                    // A bug of ours; what is pending for it is in the table, and a new lane reads it.
                    tracing::error!(subscriber = id.number(), "forward.lane_ended");
                    return false;
                }
                // A subscriber that is gone drops its sender, which ends its lane.
                current.iter().any(|subscriber| subscriber.id == *id)
            });
            for subscriber in current.iter() {
                if let Some((settings, _)) = lanes.get(&subscriber.id) {
                    // The store publishes the same value while nothing concerns this one:
                    // what happens to one subscriber does not disturb the others.
                    let known = Arc::ptr_eq(&settings.borrow(), subscriber);
                    if !known {
                        settings.send_replace(Arc::clone(subscriber));
                    }
                    continue;
                }
                let (settings, seen) = watch::channel(Arc::clone(subscriber));
                let news = News::new(seen, self.store.subscribers());
                let lane = leased::attend(self.clone(), self.store.clone(), news, stop.clone());
                let handle = tokio::spawn(lane);
                lanes.insert(subscriber.id, (settings, handle));
            }
            tokio::select! {
                changed = subscribers.changed() => if changed.is_err() { break },
                () = tokio::time::sleep(POLL) => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        for (_, (_, handle)) in lanes {
            // A lane that panicked has nothing in flight any more.
            let _ = handle.await;
        }
    }
}
