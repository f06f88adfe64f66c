//! When a spilled lane reads the table again, for each kind of forward.

use crate::forward::lane::Lane;

/// A spilled lane reads on when it holds fewer than this that were never tried, or fewer retries.
const LOW_WATER: usize = 512;
const LOW_WATER_OF_RETRIES: usize = 256;

/// When the table is to be read for each kind, ms since 1970 UTC.
#[derive(Clone, Copy)]
pub(super) struct RefillAt {
    pub(super) untried_ms: i64,
    pub(super) retries_ms: i64,
}

impl RefillAt {
    /// Both at that time.
    pub(super) const fn both(at_ms: i64) -> Self {
        Self {
            untried_ms: at_ms,
            retries_ms: at_ms,
        }
    }

    /// No later than that.
    pub(super) fn bring_forward(&mut self, at_ms: i64) {
        self.untried_ms = self.untried_ms.min(at_ms);
        self.retries_ms = self.retries_ms.min(at_ms);
    }

    /// Whether either is to be read of which memory holds few. Retries that fill their part of
    /// memory keep no new forward out.
    pub(super) fn is_due(self, lane: &Lane, now_ms: i64) -> bool {
        let untried = lane.untried();
        let retries = lane.len().saturating_sub(untried);
        (self.untried_ms <= now_ms && untried < LOW_WATER)
            || (self.retries_ms <= now_ms && retries < LOW_WATER_OF_RETRIES)
    }
}
