//! Queues alerts to chats whose minute is over.

use std::time::Duration;

use super::{Duty, Next};
use crate::store::step::SendAlerts;
use crate::store::{Error, Lease, Store};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Queues what was gathered for chats; the rules are in `plan/due.rs`.
#[derive(Clone)]
pub struct GatheredAlerts {
    store: Store,
}

impl GatheredAlerts {
    /// Those of this store.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Duty for GatheredAlerts {
    const NAME: &'static str = "alerts";

    async fn step(&mut self, lease: &Lease) -> Result<Next, Error> {
        self.store.step_under(lease, SendAlerts).await?;
        Ok(Next::After(PAUSE))
    }
}
