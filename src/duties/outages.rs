//! Queues notices of a channel's errors whose time of gathering is over.

use std::time::Duration;

use super::{Duty, Next};
use crate::store::step::SendOutages;
use crate::store::{Error, Lease, Store};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Queues what was gathered of a channel's errors; the rules are in `plan/due.rs`.
#[derive(Clone)]
pub struct GatheredOutages {
    store: Store,
}

impl GatheredOutages {
    /// Those of this store.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Duty for GatheredOutages {
    const NAME: &'static str = "outages";

    async fn step(&mut self, lease: &Lease) -> Result<Next, Error> {
        self.store.step_under(lease, SendOutages).await?;
        Ok(Next::After(PAUSE))
    }
}
