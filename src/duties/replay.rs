//! Replays under way: each is taken a step further in turn, beside what comes in.
//!
//! A replay waits while its subscriber has much pending already, be it by a replay or by what is new.
//! So it is as fast as its subscriber, what is new waits behind little of it, and what was
//! cancelled is not queued.
//!
//! The place of a replay is a key in the table `replay`, moved in the commit that queues its forwards, 256 at
//! a time. It goes on while its subscriber has fewer than 512 pending, so the lane stays live.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Duty, Next};
use crate::model::ReplayKey;
use crate::store::query::RunningReplayQuery;
use crate::store::replay::{ReplayStep, RunningReplay};
use crate::store::step::AdvanceReplay;
use crate::store::{Error, Lease, Store, StoreChange};

/// Between two rounds, so that webhooks come first.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest pause while no subscriber has room.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long a replay rests whose step failed; the others go on meanwhile.
const FAILED_PAUSE: Duration = Duration::from_secs(10);

/// Takes the replays of a store further.
#[derive(Clone)]
pub struct Replaying {
    store: Store,
    pause: Duration,
    resting: Resting,
}

/// Replays whose last step failed, and since when.
type Resting = HashMap<ReplayKey, Instant>;

/// What a round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReplayRound {
    /// No replay is under way.
    Nothing,
    /// Every one that is waits for its subscriber, or rests.
    NoRoom,
    /// Some went on.
    Went,
}

impl Duty for Replaying {
    const NAME: &'static str = "replay";

    async fn step(&mut self, lease: &Lease) -> Result<Next, Error> {
        let round = self.round(lease).await?;
        self.pause = match round {
            ReplayRound::Nothing => return Ok(Next::Woken),
            ReplayRound::NoRoom => (2 * self.pause).min(LONGEST_PAUSE),
            ReplayRound::Went => PAUSE,
        };
        Ok(Next::After(self.pause))
    }

    async fn woken(&mut self) {
        self.store.changed(StoreChange::Replays).await;
    }
}

impl Replaying {
    /// Begins with the first replay that is under way.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self {
            store,
            pause: PAUSE,
            resting: Resting::default(),
        }
    }

    /// Takes each replay a step further. One that fails costs the others nothing: it rests.
    async fn round(&mut self, lease: &Lease) -> Result<ReplayRound, Error> {
        self.resting
            .retain(|_, since| since.elapsed() < FAILED_PAUSE);
        let mut round = ReplayRound::Nothing;
        for replay in self.store.read(RunningReplayQuery).await? {
            if !lease.is_held() {
                break;
            }
            match self.go_on(replay, lease).await {
                ReplayStep::Went => round = ReplayRound::Went,
                ReplayStep::NoRoom if round == ReplayRound::Nothing => round = ReplayRound::NoRoom,
                ReplayStep::NoRoom => {}
            }
        }
        Ok(round)
    }

    /// Takes one a step further, unless it rests.
    async fn go_on(&mut self, replay: RunningReplay, lease: &Lease) -> ReplayStep {
        let replay_id = replay.replay_id;
        if self.resting.contains_key(&replay_id) {
            return ReplayStep::NoRoom;
        }
        let step = AdvanceReplay { replay };
        match self.store.step_under(lease, step).await {
            Ok(step) => step,
            Err(error) => {
                tracing::warn!(replay_id = replay_id.number(), %error, "replay.failed");
                self.resting.insert(replay_id, Instant::now());
                ReplayStep::NoRoom
            }
        }
    }
}
