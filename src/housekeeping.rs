//! What is done now and then: giving up by age, pruning by retention.

use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Retention;
use crate::store::Store;

/// How often it is looked after.
const INTERVAL: Duration = Duration::from_mins(1);
/// Between two small steps, so that webhooks come first.
const PAUSE: Duration = Duration::from_millis(50);

/// What there is to look after.
pub struct Plan {
    /// Where.
    pub store: Store,
    /// When.
    pub clock: Clock,
    /// How long what is kept.
    pub retention: Retention,
    /// How long a forward may wait.
    pub max_age: Duration,
}

impl Plan {
    /// Looks after the store until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            if let Err(error) = self.round(&stop).await {
                tracing::warn!(%error, "housekeeping.failed");
            }
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// One round: steps until nothing is left to do.
    async fn round(&self, stop: &watch::Receiver<bool>) -> Result<(), crate::store::Error> {
        let now_ms = self.clock.now_ms();
        while self.store.expire(before(now_ms, self.max_age)).await? > 0 && !*stop.borrow() {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}

fn before(now_ms: i64, age: Duration) -> i64 {
    now_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}
