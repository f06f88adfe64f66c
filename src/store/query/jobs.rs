//! Questions about long work.

use uuid::Uuid;

use super::{Listing, Window};
use crate::store::Query;
use crate::store::job::{JobRecord, RunningJob};

/// Which jobs to list, the newest first.
#[derive(Debug, Clone, Default)]
pub struct JobQuery {
    /// Those of this caller, as the audit calls it; of all when `None`.
    pub caller: Option<String>,
    /// Which page.
    pub window: Window,
}

impl Query for JobQuery {
    type Answer = Listing<JobRecord>;
}

/// The job with this id.
#[derive(Debug, Clone, Copy)]
pub struct JobDetailQuery {
    /// The id.
    pub uid: Uuid,
}

impl Query for JobDetailQuery {
    type Answer = Option<JobRecord>;
}

/// The jobs that have not ended, the first one first.
#[derive(Debug, Clone, Copy)]
pub struct RunningJobQuery;

impl Query for RunningJobQuery {
    type Answer = Vec<RunningJob>;
}
