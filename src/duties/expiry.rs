//! Gives up forwards by their age, and those of removed subscribers.

use std::time::Duration;

use super::{Duty, Next, after, before};
use crate::clock::Clock;
use crate::store::step::{ExpireForwards, GiveUpRemoved};
use crate::store::{Error, Lease, Store, StoreChange};

/// From the beginning of a round to the next.
const INTERVAL: Duration = Duration::from_mins(1);
/// Between two small steps, so that webhooks come first.
const PAUSE: Duration = Duration::from_millis(50);

/// Gives up what has been pending for too long, and what is left of removed subscribers.
#[derive(Clone)]
pub struct Expiry {
    store: Store,
    clock: Clock,
    max_age: Duration,
    /// When the round under way began, ms since 1970 UTC.
    began_ms: Option<i64>,
}

impl Expiry {
    /// A forward may be pending for `max_age`.
    #[must_use]
    pub const fn new(store: Store, clock: Clock, max_age: Duration) -> Self {
        Self {
            store,
            clock,
            max_age,
            began_ms: None,
        }
    }
}

impl Duty for Expiry {
    const NAME: &'static str = "expiry";

    async fn step(&mut self, lease: &Lease) -> Result<Next, Error> {
        // By no age, so whatever the clock shows.
        if self.store.step_under(lease, GiveUpRemoved).await? > 0 {
            return Ok(Next::After(PAUSE));
        }
        let now_ms = self.clock.now_ms();
        // Later than now it lies only when the clock was set back.
        let under_way = self.began_ms.take().filter(|began_ms| *began_ms <= now_ms);
        let began_ms = under_way.unwrap_or(now_ms);
        // Looked at after the time, so that none is used that has jumped since.
        let is_held = self.store.age_hold().is_some();
        let expire = ExpireForwards {
            pending_before_ms: before(began_ms, self.max_age),
        };
        if !is_held && self.store.step_under(lease, expire).await? > 0 {
            self.began_ms = Some(began_ms);
            return Ok(Next::After(PAUSE));
        }
        Ok(Next::At(after(began_ms, INTERVAL)))
    }

    async fn woken(&mut self) {
        self.store.changed(StoreChange::Removals).await;
    }
}
