//! A lane's read of what is due and, where that may have changed, of where it is sent to.

use std::pin::Pin;

use super::Forwarding;
use crate::store::{Error, LaneContents, LaneKey, Outbound, Refill};

/// The read under way.
pub(super) type Refilling = Pin<Box<dyn Future<Output = Result<Fresh, Error>> + Send>>;

/// What was read.
pub(super) struct Fresh {
    /// Where the lane sends to and with which secrets, where that was to be read again.
    pub(super) outbound: Option<Outbound>,
    pub(super) refill: Refill,
}

/// Begins to read what is due and not `held`; with `resync` also where the lane sends to.
pub(super) fn begin(
    shared: &Forwarding,
    lane: LaneKey,
    held: LaneContents,
    resync: bool,
) -> Refilling {
    let shared = shared.clone();
    Box::pin(async move {
        let outbound = if resync {
            Some(shared.outbound(lane.subscriber_id).await?)
        } else {
            None
        };
        let refill = shared.store.refill(lane, held).await?;
        Ok(Fresh { outbound, refill })
    })
}

/// The answer of the read under way; none is awaited when there is none.
pub(super) async fn answer(refilling: &mut Option<Refilling>) -> Option<Result<Fresh, Error>> {
    Some(refilling.as_mut()?.await)
}
