//! Why a store can serve no longer.
//!
//! The store's threads end nothing but themselves. They report the loss, acknowledge nothing from
//! then on, and leave what is kept to the next start; whether the process ends is its owner's choice.
//!
//! A panic is a reason on every engine; others are an engine's own (`sqlite/loss.rs`). `is_lost` then
//! refuses new work, and what was committed meanwhile is answered as unconfirmed.
//! `Server::run_until` waits for the loss beside its shutdown, stops without a grace and returns it. The command
//! alone chooses the exit code, 70; clippy's `exit` holds that.

use tokio::sync::watch;

/// Why a store can serve no longer, so that its service has to be started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// For a reason that only this engine has, in its words.
    #[error("{0}")]
    OfEngine(&'static str),
    /// What a commit waits for cannot be set.
    #[error("the store's durability cannot be set, so acknowledgements might outrun the disk")]
    Durability,
    /// The tokens were changed and cannot be read.
    #[error("the tokens cannot be read after a change, so a revoked one might still be valid")]
    Tokens,
    /// A thread of the store panicked.
    #[error("a thread of the store panicked")]
    Panicked,
    /// At the end, the store lacks what was acknowledged; in the engine's words.
    #[error("{0}")]
    Unkept(&'static str),
}

/// Where the store's threads report a loss. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct LossSignal(watch::Sender<Option<Loss>>);

impl LossSignal {
    /// Reports a loss; returns whether it is the first. The first one stays.
    pub(super) fn report(&self, loss: Loss) -> bool {
        self.0.send_if_modified(|reported| {
            let is_first = reported.is_none();
            reported.get_or_insert(loss);
            is_first
        })
    }

    /// What was reported.
    pub(super) fn get(&self) -> Option<Loss> {
        *self.0.borrow()
    }

    /// Waits until a loss is reported.
    pub(super) async fn reported(&self) -> Loss {
        let mut reported = self.0.subscribe();
        loop {
            if let Some(loss) = *reported.borrow_and_update() {
                return loss;
            }
            // The sender is in `self`, and so does not end first.
            let _ = reported.changed().await;
        }
    }
}
