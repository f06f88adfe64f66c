//! Registering messages: what a sender says joins the writer's next group.

use tokio::sync::oneshot;

use super::Store;
use crate::store::{Error, RegisterOutcome, Registering};

impl Store {
    /// Registers messages in one commit; returns after the fsync, one answer for each in their
    /// order. Registering again changes only what differs.
    ///
    /// # Errors
    /// [`Error::DiskFull`] at once, any other when the commit failed. Nothing of these is
    /// stored then.
    pub async fn register(
        &self,
        messages: Vec<Registering>,
    ) -> Result<Vec<RegisterOutcome>, Error> {
        let (reply, answer) = oneshot::channel();
        self.writer.register(messages, reply)?;
        let registered = match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(self.writer.unanswered().await),
        };
        // A new broadcast may be due for polling.
        self.polls.notify_one();
        registered
    }
}
