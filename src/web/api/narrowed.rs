//! What a request names and is not there: refused with the nearest, beside all else that is wrong.

use std::sync::Arc;

use actix_web::http::StatusCode;

use super::HandlerContext;
use super::faults::Faults;
use crate::admin::json::merged;
use crate::admin::narrowing::{Narrowing, NarrowingKnown};
use crate::admin::{Fault, Request};
use crate::model::Subscriber;
use crate::web::problem::Problem;

impl HandlerContext {
    /// Refuses a request whose shape is wrong, with all that is wrong in its meaning beside it.
    pub(super) fn refuse(&self, faults: Vec<Fault>, request: &Request) -> Result<(), Problem> {
        if faults.is_empty() {
            return Ok(());
        }
        let operations = &self.shared.api.operations;
        let others = operations.faults_of(&self.caller, request);
        Err(Problem::faults(merged(faults, others)))
    }

    /// Refuses a source that is not configured, or not seen by the caller.
    pub(super) fn source(&self, name: &str) -> Result<(), Problem> {
        let known = self.shared.api.operations.known_source(&self.caller, name);
        known
            .map(|_| ())
            .map_err(|detail| Problem::new(StatusCode::NOT_FOUND, detail))
    }

    /// The subscriber that a list is narrowed to. One that nobody knows is missing, unless more is wrong.
    pub(super) fn narrowed_subscriber(
        &self,
        name: Option<&str>,
        mut faults: Faults,
    ) -> Result<Option<Arc<Subscriber>>, Problem> {
        match name.map(|name| self.subscriber(name)).transpose() {
            Err(missing) if faults.is_empty() => Err(missing),
            Err(missing) => {
                faults.add("subscriber", missing.to_string());
                faults.end().map(|()| None)
            }
            Ok(found) => faults.end().map(|()| found),
        }
    }

    /// What a list is narrowed to: the error as the store has it. What can match nothing is a fault.
    pub(super) async fn narrowed(
        &self,
        narrowing: Narrowing,
        faults: &mut Faults,
    ) -> Result<Option<String>, Problem> {
        let configured = self.shared.api.operations.sources().iter();
        let seen = configured.map(|it| it.name.clone());
        let seen: Vec<String> = seen.filter(|name| self.caller.sees_source(name)).collect();
        let caller = self.caller.clone();
        let (error, wrong) = self
            .read(move |reader| {
                let sources: Vec<&str> = seen.iter().map(String::as_str).collect();
                narrowing.check(&NarrowingKnown {
                    reader,
                    sources: &sources,
                    caller: &caller,
                })
            })
            .await?;
        for Fault { field, detail } in wrong {
            faults.add(&field, detail);
        }
        Ok(error)
    }
}
