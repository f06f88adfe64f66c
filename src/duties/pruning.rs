//! Removes what is older than the configuration keeps it, kind by kind in small steps.

use std::time::Duration;

use super::{Duty, Next, after, before};
use crate::clock::Clock;
use crate::config::Retention;
use crate::model::Word as _;
use crate::store::query::ListPlace;
use crate::store::{Error, Lease, Prunable, PruneStep, Store};

/// From the beginning of a round to the next.
const INTERVAL: Duration = Duration::from_mins(1);
/// Between two small steps, so that webhooks come first.
const PAUSE: Duration = Duration::from_millis(50);

/// Removes what is old.
#[derive(Clone)]
pub struct Pruning {
    store: Store,
    clock: Clock,
    retention: Retention,
    round: Option<PruneRound>,
}

/// How far a round has come.
#[derive(Debug, Clone, Copy)]
struct PruneRound {
    began_ms: i64,
    /// The place of the kind that is removed now.
    kind: usize,
    /// The place up to which that is done.
    behind: Option<ListPlace>,
    /// How many of it were removed.
    removed: usize,
}

impl PruneRound {
    const fn of(began_ms: i64, kind: usize) -> Self {
        Self {
            began_ms,
            kind,
            behind: None,
            removed: 0,
        }
    }

    const fn next_kind(self) -> Self {
        Self::of(self.began_ms, self.kind + 1)
    }
}

impl Pruning {
    /// Keeps what is younger than `retention` says.
    #[must_use]
    pub const fn new(store: Store, clock: Clock, retention: Retention) -> Self {
        Self {
            store,
            clock,
            retention,
            round: None,
        }
    }

    /// What of that kind began before this is old, ms since 1970 UTC.
    fn before_ms(&self, what: Prunable, now_ms: i64) -> i64 {
        let days = match what {
            Prunable::Webhooks => self.retention.webhooks_days,
            // A payload that can still be looked at explains its attempts, and no more.
            Prunable::Attempts | Prunable::Payloads | Prunable::Events => {
                self.retention.attempts_days
            }
            Prunable::Messages
            | Prunable::Replays
            | Prunable::Subscribers
            | Prunable::Polls
            | Prunable::People
            | Prunable::AccountEvents => self.retention.messages_days,
        };
        before(now_ms, Duration::from_secs(u64::from(days) * 86_400))
    }
}

impl Duty for Pruning {
    const NAME: &'static str = "pruning";

    /// Goes on with the first kind of which something may be left.
    async fn step(&mut self, lease: &Lease) -> Result<Next, Error> {
        let now_ms = self.clock.now_ms();
        // Later than now a round began only when the clock was set back.
        let under_way = self.round.take().filter(|round| round.began_ms <= now_ms);
        let mut round = under_way.unwrap_or(PruneRound::of(now_ms, 0));
        let next_round = Next::At(after(round.began_ms, INTERVAL));
        // Looked at after the time, so that none is used that has jumped since.
        if self.store.age_hold().is_some() {
            return Ok(next_round);
        }
        while let Some(&what) = Prunable::ALL.get(round.kind).filter(|_| lease.is_held()) {
            // A kind that fails costs the others nothing.
            self.round = Some(round.next_kind());
            let step = PruneStep {
                what,
                before_ms: self.before_ms(what, round.began_ms),
                behind: round.behind,
            };
            let pruned = self.store.step_under(lease, step).await?;
            round.removed += pruned.removed;
            if pruned.next.is_some() {
                round.behind = pruned.next;
                self.round = Some(round);
                return Ok(Next::After(PAUSE));
            }
            if round.removed > 0 {
                let what = what.as_str();
                tracing::info!(what, removed = round.removed, "store.pruned");
            }
            round = round.next_kind();
        }
        self.round = None;
        Ok(next_round)
    }
}
