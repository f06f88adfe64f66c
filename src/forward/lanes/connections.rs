//! The connections to subscribers: how many there may be at once, and which lane may have one more.
//!
//! Each lane has some of its own, which no other lane takes; the rest is first come, first served.
//! So subscribers that hang hold theirs and the rest, and the others still have their own. Where
//! there are more subscribers than connections, each has one at a time, in turns.
//!
//! The HTTP client keeps a connection for a while after its attempt. It counts for its lane as long
//! as it may be kept, and the lane's next attempt uses it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

// The keys of subscribers, of which nobody picks one that collides.
use foldhash::HashMap;
use tokio::sync::watch;

use crate::forward::sender::KEPT;
use crate::model::SubscriberKey;

/// The connections of all lanes.
#[derive(Clone)]
pub struct Connections(Arc<ConnectionPool>);

struct ConnectionPool {
    pool: Mutex<Pool>,
    /// Notifies lanes that wait for one.
    freed: watch::Sender<()>,
}

impl Connections {
    /// None yet, of which there may be `most`.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(ConnectionPool {
            pool: Mutex::new(Pool::new(most)),
            freed: watch::Sender::new(()),
        }))
    }

    /// Lets a subscriber's lane take part.
    pub(super) fn of(&self, lane: SubscriberKey) -> OfLane {
        OfLane {
            lane,
            freed: self.0.freed.subscribe(),
            shared: Arc::clone(&self.0),
            is_waiting: false,
            was_refused: false,
        }
    }
}

impl ConnectionPool {
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the pool, and notifies the lanes that wait.
    fn free(&self, change: impl FnOnce(&mut Pool)) {
        let mut pool = self.pool();
        change(&mut pool);
        if !pool.waiting.is_empty() {
            self.freed.send_replace(());
        }
    }
}

/// One lane's part in the connections.
pub(super) struct OfLane {
    lane: SubscriberKey,
    shared: Arc<ConnectionPool>,
    freed: watch::Receiver<()>,
    is_waiting: bool,
    was_refused: bool,
}

impl OfLane {
    /// Whether something is sent to the subscriber: one that is paused has no connections of its own.
    pub(super) fn set_active(&self, is_active: bool) {
        self.shared
            .free(|pool| pool.set_active(self.lane, is_active));
    }

    /// Begins to look at what may be sent.
    pub(super) fn begin(&mut self) {
        self.was_refused = false;
        self.freed.mark_unchanged();
    }

    /// A connection for one attempt; without one the lane waits for its turn.
    pub(super) fn take(&mut self) -> Option<GrantedConnection> {
        let is_taken = self.shared.pool().take(self.lane, Instant::now());
        (self.is_waiting, self.was_refused) = (!is_taken, !is_taken);
        is_taken.then(|| GrantedConnection {
            lane: self.lane,
            shared: Arc::clone(&self.shared),
            is_kept: false,
        })
    }

    /// All that may be sent was looked at: a lane that was refused nothing waits no longer.
    pub(super) fn end(&mut self) {
        if self.is_waiting && !self.was_refused {
            self.is_waiting = false;
            self.shared.free(|pool| pool.withdraw(self.lane));
        }
    }

    /// Whether it waits for a connection.
    pub(super) const fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// Returns when there may be one.
    pub(super) async fn freed(&mut self) {
        // Its sender is in what is shared, and so does not end first.
        let _ = self.freed.changed().await;
    }
}

impl Drop for OfLane {
    fn drop(&mut self) {
        self.set_active(false);
    }
}

/// One connection, for one attempt.
pub(super) struct GrantedConnection {
    lane: SubscriberKey,
    shared: Arc<ConnectionPool>,
    is_kept: bool,
}

impl GrantedConnection {
    /// The attempt is over; the HTTP client may have kept the connection.
    pub(super) fn end(mut self, is_kept: bool) {
        self.is_kept = is_kept;
    }
}

impl Drop for GrantedConnection {
    fn drop(&mut self) {
        let kept_at = self.is_kept.then(Instant::now);
        self.shared.free(|pool| pool.give_back(self.lane, kept_at));
    }
}

/// Who has how many. Pure.
struct Pool {
    most: usize,
    lanes: HashMap<SubscriberKey, LaneConnections>,
    /// The lanes that something is sent to.
    active: usize,
    /// What all lanes hold.
    held: usize,
    /// Lanes that were refused one, in the order in which they were.
    waiting: BTreeMap<u64, SubscriberKey>,
    turns: u64,
}

/// What one lane holds.
#[derive(Default)]
struct LaneConnections {
    is_active: bool,
    busy: usize,
    /// Since when the others are kept for its next attempt, the oldest first.
    kept: VecDeque<Instant>,
}

impl LaneConnections {
    fn count(&self) -> usize {
        self.busy + self.kept.len()
    }
}

impl Pool {
    fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            lanes: HashMap::default(),
            active: 0,
            held: 0,
            waiting: BTreeMap::new(),
            turns: 0,
        }
    }

    fn set_active(&mut self, lane: SubscriberKey, is_active: bool) {
        let held = self.lanes.entry(lane).or_default();
        match (held.is_active, is_active) {
            (false, true) => self.active += 1,
            (true, false) => self.active -= 1,
            _ => {}
        }
        held.is_active = is_active;
        if !is_active {
            if held.count() == 0 {
                self.lanes.remove(&lane);
            }
            self.withdraw(lane);
        }
    }

    /// How many each active lane has of its own: together they are half of all, or one each.
    fn own(&self) -> usize {
        if self.active > self.most {
            return 0;
        }
        (self.most / 2 / self.active.max(1)).max(1)
    }

    /// Takes one for this lane, or lets it wait.
    fn take(&mut self, lane: SubscriberKey, now: Instant) -> bool {
        let is_kept = self
            .lanes
            .get_mut(&lane)
            .is_some_and(|held| held.kept.pop_back().is_some());
        if is_kept {
            self.held -= 1;
        } else if !self.has_room(lane) {
            self.forget_kept(now);
            if !self.has_room(lane) {
                if self.own() == 0 && self.count(lane) > 0 {
                    // Its turn comes after lanes without a connection, even if it waited first.
                    self.withdraw(lane);
                } else if !self.waiting.values().any(|waiting| *waiting == lane) {
                    self.turns += 1;
                    self.waiting.insert(self.turns, lane);
                }
                return false;
            }
        }
        self.withdraw(lane);
        self.held += 1;
        self.lanes.entry(lane).or_default().busy += 1;
        true
    }

    fn count(&self, lane: SubscriberKey) -> usize {
        self.lanes.get(&lane).map_or(0, LaneConnections::count)
    }

    fn has_room(&self, lane: SubscriberKey) -> bool {
        let own = self.own();
        // Enough whatever the lanes hold of their own.
        let most_kept_back = self.active.saturating_mul(own);
        if self.waiting.is_empty()
            && own > 0
            && self.held < self.most.saturating_sub(most_kept_back)
        {
            return true;
        }
        let count = self.count(lane);
        if self.held >= self.most {
            return false;
        }
        if count < own {
            return true;
        }
        if own == 0 && count > 0 {
            return false;
        }
        let kept_back = self.lanes.values().map(|held| {
            let own = if held.is_active { own } else { 0 };
            held.count().max(own)
        });
        let free = self.most.saturating_sub(kept_back.sum());
        let earlier = self.waiting.values().take_while(|first| **first != lane);
        free > earlier.count()
    }

    /// The lane waits no longer.
    fn withdraw(&mut self, lane: SubscriberKey) {
        self.waiting.retain(|_, waiting| *waiting != lane);
    }

    /// An attempt is over; its connection is kept since then, or closed.
    fn give_back(&mut self, lane: SubscriberKey, kept_at: Option<Instant>) {
        let Some(held) = self.lanes.get_mut(&lane) else {
            return;
        };
        held.busy = held.busy.saturating_sub(1);
        match kept_at {
            Some(at) => held.kept.push_back(at),
            None => self.held -= 1,
        }
        if !held.is_active && held.count() == 0 {
            self.lanes.remove(&lane);
        }
    }

    /// Forgets those that the HTTP client has closed by now.
    fn forget_kept(&mut self, now: Instant) {
        for held in self.lanes.values_mut() {
            while held
                .kept
                .front()
                .is_some_and(|at| now.saturating_duration_since(*at) >= KEPT)
            {
                held.kept.pop_front();
                self.held -= 1;
            }
        }
        self.lanes
            .retain(|_, held| held.is_active || held.count() > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn key(lane: i64) -> SubscriberKey {
        SubscriberKey::of(lane)
    }

    fn pool(most: usize, lanes: i64) -> Pool {
        let mut pool = Pool::new(most);
        for lane in 0..lanes {
            pool.set_active(key(lane), true);
        }
        pool
    }

    /// Takes all that this lane gets.
    fn take_all(pool: &mut Pool, lane: i64, now: Instant) -> usize {
        std::iter::repeat_with(|| pool.take(key(lane), now))
            .take_while(|is_taken| *is_taken)
            .count()
    }

    #[test]
    fn lanes_that_hang_leave_the_others_their_own() {
        let now = Instant::now();
        let mut pool = pool(64, 61);
        let granted: usize = (0..60).map(|lane| take_all(&mut pool, lane, now)).sum();
        assert_eq!(granted, 63);
        assert_eq!(take_all(&mut pool, 60, now), 1);
        pool.give_back(key(60), None);
        assert_eq!(take_all(&mut pool, 60, now), 1);
    }

    #[test]
    fn one_lane_alone_may_have_all() {
        let now = Instant::now();
        assert_eq!(take_all(&mut pool(64, 1), 0, now), 64);
        let mut two = pool(64, 2);
        assert_eq!(take_all(&mut two, 0, now), 48);
        assert_eq!(take_all(&mut two, 1, now), 16);
        two.set_active(key(1), false);
        assert_eq!(take_all(&mut two, 0, now), 0, "it is still in use");
        (0..16).for_each(|_| two.give_back(key(1), None));
        assert_eq!(take_all(&mut two, 0, now), 16);
    }

    #[test]
    fn with_more_lanes_than_connections_each_has_one_in_turns() {
        let now = Instant::now();
        let mut pool = pool(4, 6);
        for lane in 0..6 {
            assert_eq!(take_all(&mut pool, lane, now), usize::from(lane < 4));
        }
        pool.give_back(key(0), None);
        assert!(
            !pool.take(key(5), now) && !pool.take(key(0), now),
            "the fifth waits for longer"
        );
        assert!(pool.take(key(4), now));
        pool.give_back(key(1), None);
        assert!(!pool.take(key(0), now) && pool.take(key(5), now));
        pool.give_back(key(2), None);
        assert!(!pool.take(key(2), now) && pool.take(key(0), now));
    }

    #[test]
    fn a_kept_connection_counts_until_it_is_closed_and_its_lane_uses_it() {
        let now = Instant::now();
        let mut pool = pool(4, 1);
        assert_eq!(take_all(&mut pool, 0, now), 4);
        (0..4).for_each(|_| pool.give_back(key(0), Some(now)));
        pool.set_active(key(1), true);
        assert_eq!(take_all(&mut pool, 1, now), 0);
        assert!(pool.take(key(0), now));
        pool.give_back(key(0), Some(now + KEPT));
        assert_eq!(take_all(&mut pool, 1, now + KEPT), 3);
        assert_eq!(pool.held, 4);
        pool.set_active(key(0), false);
        pool.forget_kept(now + 2 * KEPT);
        assert!(!pool.lanes.contains_key(&key(0)));
    }
}
