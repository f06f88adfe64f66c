//! What is done now and then: giving up by age, pruning by retention.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Retention;
use crate::metrics::Metrics;
use crate::model::Word as _;
use crate::store::{Error, Prunable, Store};

/// How often it is looked after.
const INTERVAL: Duration = Duration::from_mins(1);
/// Between two small steps, so that webhooks come first.
const PAUSE: Duration = Duration::from_millis(50);

/// What there is to look after.
pub struct HousekeepingPlan {
    /// Where.
    pub store: Store,
    /// When.
    pub clock: Clock,
    /// How long what is kept.
    pub retention: Retention,
    /// How long a forward may wait.
    pub max_age: Duration,
}

impl HousekeepingPlan {
    /// Looks after the store until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            let now_ms = self.clock.now_ms();
            let next_ms = after(now_ms, INTERVAL);
            if let Err(error) = self.round(&stop).await {
                tracing::warn!(%error, "housekeeping.failed");
            }
            // What was reckoned by a clock that was set back meanwhile is to be reckoned again.
            if self.clock.now_ms() < now_ms && !*stop.borrow() {
                continue;
            }
            tokio::select! {
                () = self.clock.sleep_until(next_ms) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// One round: steps until nothing is left to do.
    async fn round(&self, stop: &watch::Receiver<bool>) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        // Looked at after the time, so that none is used that has jumped since.
        if self.store.held_clock().is_some() {
            return Ok(());
        }
        while self.store.expire(before(now_ms, self.max_age)).await? > 0 && !*stop.borrow() {
            tokio::time::sleep(PAUSE).await;
        }
        for &what in Prunable::ALL {
            let before_ms = before(now_ms, days(self.days(what)));
            let removed = self.prune(what, before_ms, stop).await?;
            if removed > 0 {
                tracing::info!(what = what.as_str(), removed, "housekeeping.pruned");
            }
        }
        let events_before_ms = before(now_ms, days(self.retention.attempts_days));
        while self.store.prune_events(events_before_ms).await? > 0 && !*stop.borrow() {
            tokio::time::sleep(PAUSE).await;
        }
        let gone_before_ms = before(now_ms, days(self.retention.messages_days));
        self.store.prune_replays(gone_before_ms).await?;
        self.store.prune_subscribers(gone_before_ms).await?;
        self.store.prune_polls(gone_before_ms).await?;
        while self.store.prune_people(gone_before_ms).await? > 0 && !*stop.borrow() {
            tokio::time::sleep(PAUSE).await;
        }
        while self.store.prune_account_events(gone_before_ms).await? > 0 && !*stop.borrow() {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Steps through one kind of row, by what may be old.
    async fn prune(
        &self,
        what: Prunable,
        before_ms: i64,
        stop: &watch::Receiver<bool>,
    ) -> Result<usize, Error> {
        let (mut removed, mut after) = (0, 0);
        loop {
            let pruned = self.store.prune(what, before_ms, after).await?;
            removed += pruned.removed;
            match pruned.next {
                Some(next) if !*stop.borrow() => after = next,
                _ => return Ok(removed),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    const fn days(&self, what: Prunable) -> u32 {
        match what {
            Prunable::Webhooks => self.retention.webhooks_days,
            // A payload that can still be looked at explains its attempts, and no more.
            Prunable::Attempts | Prunable::Payloads => self.retention.attempts_days,
            Prunable::Messages => self.retention.messages_days,
        }
    }
}

/// How often it is looked whether a key is missing.
const KEYS_EVERY: Duration = Duration::from_secs(1);

/// Looks which keys are missing until `stop` turns true, so that it is said when one goes and not
/// when something needs it. Beside the writer: the disk with the keys may hang.
pub async fn watch_keys(store: Store, metrics: Arc<Metrics>, mut stop: watch::Receiver<bool>) {
    loop {
        match store.missing_keys().await {
            Ok(missing) => {
                let count = i64::try_from(missing.len()).unwrap_or(i64::MAX);
                metrics.missing_keys.set(count);
            }
            Err(error) => tracing::warn!(%error, "housekeeping.keys_not_looked_at"),
        }
        tokio::select! {
            () = tokio::time::sleep(KEYS_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}

fn after(now_ms: i64, wait: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

fn before(now_ms: i64, age: Duration) -> i64 {
    now_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}
