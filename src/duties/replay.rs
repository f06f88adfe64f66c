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

use tokio::sync::watch;

use crate::store::replay::{ReplayStep, RunningReplay};
use crate::store::{Error, Store};

/// Between two rounds, so that webhooks come first.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest pause while no subscriber has room.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long a replay rests whose step failed; the others go on meanwhile.
const FAILED_PAUSE: Duration = Duration::from_secs(10);

/// The replays of a store.
pub struct Replaying {
    /// Where.
    pub store: Store,
}

/// Replays whose last step failed: since when, and why.
type Resting = HashMap<i64, (Instant, Error)>;

/// What a round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// No replay is under way.
    Nothing,
    /// Every one that is waits for its subscriber, or rests.
    NoRoom,
    /// Some went on.
    Went,
}

impl Replaying {
    /// Goes on until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut pause = PAUSE;
        let mut resting = Resting::default();
        loop {
            let round = self.round(&mut resting).await;
            pause = match round {
                Ok(Round::NoRoom) => (2 * pause).min(LONGEST_PAUSE),
                Ok(_) => PAUSE,
                Err(_) => LONGEST_PAUSE,
            };
            if let Err(error) = &round {
                tracing::warn!(%error, "replay.failed");
            }
            let wait = async {
                if matches!(round, Ok(Round::Nothing)) {
                    self.store.replay_begun().await;
                } else {
                    tokio::time::sleep(pause).await;
                }
            };
            tokio::select! {
                () = wait => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Goes on until every replay is over, waits for its subscriber or has failed.
    ///
    /// # Errors
    /// As the store's; of those that failed, one's.
    pub async fn go_on(&self) -> Result<(), Error> {
        let mut resting = Resting::default();
        while self.round(&mut resting).await? == Round::Went {}
        resting
            .into_values()
            .next()
            .map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Takes each replay a step further. One that fails costs the others nothing: it rests.
    async fn round(&self, resting: &mut Resting) -> Result<Round, Error> {
        resting.retain(|_, (since, _)| since.elapsed() < FAILED_PAUSE);
        let mut round = Round::Nothing;
        for replay in self.store.running_replays().await? {
            match self.step(replay, resting).await {
                ReplayStep::Went => round = Round::Went,
                ReplayStep::NoRoom if round == Round::Nothing => round = Round::NoRoom,
                ReplayStep::NoRoom => {}
            }
        }
        Ok(round)
    }

    async fn step(&self, replay: RunningReplay, resting: &mut Resting) -> ReplayStep {
        let replay_id = replay.replay_id;
        if resting.contains_key(&replay_id) {
            return ReplayStep::NoRoom;
        }
        match self.store.step_replay(replay).await {
            Ok(step) => step,
            Err(error) => {
                tracing::warn!(replay_id, %error, "replay.failed");
                resting.insert(replay_id, (Instant::now(), error));
                ReplayStep::NoRoom
            }
        }
    }
}
