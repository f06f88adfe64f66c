//! Looks which keys are missing, so that it is said when one goes and not when something needs it.
//! Beside the writer: the disk with the keys may hang.

use std::sync::Arc;
use std::time::Duration;

use super::{Duty, Next};
use crate::metrics::Metrics;
use crate::store::query::MissingKeyQuery;
use crate::store::{Error, Lease, Store};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks which keys are missing.
#[derive(Clone)]
pub struct MissingKeys {
    store: Store,
    metrics: Arc<Metrics>,
}

impl MissingKeys {
    /// Counts the missing ones in `metrics`.
    #[must_use]
    pub const fn new(store: Store, metrics: Arc<Metrics>) -> Self {
        Self { store, metrics }
    }
}

impl Duty for MissingKeys {
    const NAME: &'static str = "keys";

    async fn step(&mut self, _: &Lease) -> Result<Next, Error> {
        let missing = self.store.read(MissingKeyQuery).await?;
        let count = i64::try_from(missing.len()).unwrap_or(i64::MAX);
        self.metrics.missing_keys.set(count);
        Ok(Next::After(PAUSE))
    }
}
