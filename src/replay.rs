//! Replays under way: each is taken a step further in turn, beside what comes in.
//!
//! A replay waits while its subscriber is owed much already, be it by a replay or by what is new.
//! So it is as fast as its subscriber, what is new waits behind little of it, and what was
//! cancelled is not owed.

use std::time::Duration;

use tokio::sync::watch;

use crate::store::replay::ReplayStep;
use crate::store::{Error, Store};

/// Between two rounds, so that webhooks come first.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest pause while no subscriber has room.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The replays of a store.
pub struct Replaying {
    /// Where.
    pub store: Store,
}

/// What a round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// No replay is under way.
    Nothing,
    /// Every one that is waits for its subscriber.
    NoRoom,
    /// Some went on.
    Went,
}

impl Replaying {
    /// Goes on until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut pause = PAUSE;
        loop {
            let round = self.round().await;
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

    /// Goes on until every replay is over or waits for its subscriber.
    ///
    /// # Errors
    /// As the store's.
    pub async fn go_on(&self) -> Result<(), Error> {
        while self.round().await? == Round::Went {}
        Ok(())
    }

    async fn round(&self) -> Result<Round, Error> {
        let mut round = Round::Nothing;
        for replay in self.store.running_replays().await? {
            match self.store.step_replay(replay).await? {
                ReplayStep::Went => round = Round::Went,
                ReplayStep::NoRoom if round == Round::Nothing => round = Round::NoRoom,
                ReplayStep::NoRoom => {}
            }
        }
        Ok(round)
    }
}
