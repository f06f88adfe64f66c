//! What is done now and then: giving up by age, pruning by retention.

use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Retention;
use crate::store::{Error, Prunable, Store};

/// How often it is looked after.
const INTERVAL: Duration = Duration::from_mins(1);
/// By how much more than that the clock is ahead when it has jumped: nobody pruned for so long, or
/// it is wrong and would have everything pruned.
const JUMP: Duration = Duration::from_hours(24);
/// How long nothing is pruned after such a jump, for somebody to mend the clock.
const HELD: Duration = Duration::from_hours(24);
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
        let mut hold = Hold::default();
        loop {
            let now_ms = self.clock.now_ms();
            let next_ms = after(now_ms, INTERVAL);
            let prunes = !hold.holds(now_ms);
            if let Err(error) = self.round(prunes, &stop).await {
                tracing::warn!(%error, "housekeeping.failed");
            }
            // What was reckoned by a clock that was set back meanwhile is to be reckoned anew.
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
    async fn round(&self, prunes: bool, stop: &watch::Receiver<bool>) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        while self.store.expire(before(now_ms, self.max_age)).await? > 0 && !*stop.borrow() {
            tokio::time::sleep(PAUSE).await;
        }
        if !prunes {
            return Ok(());
        }
        for what in Prunable::ALL {
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

/// Nothing is pruned by a clock that has just jumped ahead: what is gone does not come back with
/// the right time.
#[derive(Debug, Default)]
struct Hold {
    seen_ms: Option<i64>,
    until_ms: Option<i64>,
}

impl Hold {
    /// Looks at the clock; whether pruning is put off.
    fn holds(&mut self, now_ms: i64) -> bool {
        match self.seen_ms.replace(now_ms) {
            Some(seen_ms) if now_ms < seen_ms => self.until_ms = None,
            Some(seen_ms) if now_ms > after(after(seen_ms, INTERVAL), JUMP) => {
                tracing::warn!(ahead_ms = now_ms - seen_ms, "housekeeping.held");
                self.until_ms = Some(after(now_ms, HELD));
            }
            _ => {}
        }
        self.until_ms.is_some_and(|until_ms| now_ms < until_ms)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_pruned_for_a_day_after_the_clock_jumped_ahead() {
        const HOUR_MS: i64 = 3_600_000;
        let mut hold = Hold::default();
        let mut check = |hours: i64, expected: bool| {
            assert_eq!(hold.holds(hours * HOUR_MS), expected, "{hours} hours");
        };
        check(1000, false);
        check(1024, false);
        // Too far ahead, for a day, unless it comes back.
        check(1050, true);
        check(1073, true);
        check(1074, false);
        check(11_000, true);
        check(1075, false);
        check(900, false);
    }
}
