//! What a request names and is not there: refused with the nearest, beside all else that is wrong.

use std::sync::Arc;

use actix_web::http::StatusCode;

use super::Asked;
use super::faults::Faults;
use super::problem::Problem;
use crate::model::Subscriber;
use crate::operations::json::merged;
use crate::operations::{Fault, Request, wanted};

impl Asked {
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

    /// What a list is narrowed to: the error as the store has it. What nobody knows is a fault.
    pub(super) async fn narrowed(
        &self,
        source: Option<&str>,
        error: Option<&str>,
        faults: &mut Faults,
    ) -> Result<Option<String>, Problem> {
        if source.is_none() && error.is_none() {
            return Ok(None);
        }
        let configured = self.shared.api.operations.sources().iter();
        let seen = configured.map(|it| it.name.clone());
        let seen: Vec<String> = seen.filter(|name| self.caller.sees_source(name)).collect();
        let (source, error) = (source.map(str::to_owned), error.map(str::to_owned));
        let caller = self.caller.clone();
        let (source, error) = self
            .read(move |reader| {
                let source = match source {
                    Some(name)
                        if !(seen.contains(&name)
                            || caller.sees_source(&name) && reader.has_source(&name)?) =>
                    {
                        let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
                        Err(wanted::no_such_source(&name, &seen, &caller))
                    }
                    _ => Ok(()),
                };
                let error = error.map(|it| wanted::known_error(&it, |key| reader.has_error(key)));
                Ok((source, error.transpose()))
            })
            .await?;
        if let Err(detail) = source {
            faults.add("source", detail);
        }
        Ok(error.unwrap_or_else(|detail| {
            faults.add("error", detail);
            None
        }))
    }
}
