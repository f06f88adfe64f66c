//! What came of each kind of long work, as its job says it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::{Erased, Reread, Resealed};

/// What came of a job, by its kind.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = JobResult)]
#[allow(dead_code, reason = "it is there to be documented")]
pub(super) enum JobResultView {
    /// Of an erasure.
    Erase(ErasureView),
    /// Of reading stored webhooks again.
    Reprocess(ManyReprocessedView),
    /// Of sealing all secrets again.
    RotateKey(Resealed),
}

/// What an erasure removed, or would remove.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Erasure)]
pub(crate) struct ErasureView {
    /// Whether nothing was removed.
    pub(crate) dry_run: bool,
    /// What was found, by its kind. Of an erasure that a restart cut off: what was left of it.
    pub(crate) removed: Erased,
    /// What was searched.
    pub(crate) searched: Vec<String>,
    /// Where an erasure does not reach.
    pub(crate) out_of_reach: Vec<String>,
}

/// What came of reading many webhooks again.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ManyReprocessed)]
pub(crate) struct ManyReprocessedView {
    /// Whether nothing was changed.
    pub(crate) dry_run: bool,
    /// Webhooks that were read.
    pub(crate) examined: u64,
    /// Those that ended differently, and those that still cannot be read in full.
    pub(crate) webhooks: Vec<Reread>,
}
