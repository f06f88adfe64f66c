//! What a request names and is not there: refused with the nearest, beside all else that is wrong.

use actix_web::http::StatusCode;

use super::HandlerContext;
use crate::admin::json::merged;
use crate::admin::{Fault, Operation};
use crate::web::problem::Problem;

impl HandlerContext {
    /// Refuses a request whose shape is wrong, with all that is wrong in its meaning beside it.
    pub(super) fn refuse(
        &self,
        faults: Vec<Fault>,
        operation: &impl Operation,
    ) -> Result<(), Problem> {
        if faults.is_empty() {
            return Ok(());
        }
        let operations = &self.shared.api.operations;
        let others = operation.faults(operations, &self.caller);
        Err(Problem::faults(merged(faults, others)))
    }

    /// Refuses a source that is not configured, or not seen by the caller.
    pub(super) fn source(&self, name: &str) -> Result<(), Problem> {
        let known = self.shared.api.operations.known_source(&self.caller, name);
        known
            .map(|_| ())
            .map_err(|detail| Problem::new(StatusCode::NOT_FOUND, detail))
    }
}
