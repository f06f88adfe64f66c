//! What a request names and is not there: refused with the nearest, beside all else that is wrong.

use actix_web::http::StatusCode;

use super::Asked;
use super::problem::Problem;
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

    /// What a list is narrowed to: the error as the store has it. What nobody knows is refused.
    pub(super) async fn narrowed(
        &self,
        source: Option<&str>,
        error: Option<&str>,
    ) -> Result<Option<String>, Problem> {
        if source.is_none() && error.is_none() {
            return Ok(None);
        }
        let configured = self.shared.api.operations.sources().iter();
        let seen = configured.map(|it| it.name.clone());
        let seen: Vec<String> = seen.filter(|name| self.caller.sees_source(name)).collect();
        let (source, error) = (source.map(str::to_owned), error.map(str::to_owned));
        let caller = self.caller.clone();
        let (key, faults) = self
            .read(move |reader| {
                let mut faults = Vec::new();
                if let Some(name) = source
                    && !seen.contains(&name)
                    && !(caller.sees_source(&name) && reader.has_source(&name)?)
                {
                    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
                    let detail = wanted::no_such_source(&name, &seen, &caller);
                    faults.push(Fault {
                        field: "source".to_owned(),
                        detail,
                    });
                }
                let key = error.map(|text| wanted::known_error(&text, |key| reader.has_error(key)));
                let key = key.transpose().unwrap_or_else(|detail| {
                    faults.push(Fault {
                        field: "error".to_owned(),
                        detail,
                    });
                    None
                });
                Ok((key, faults))
            })
            .await?;
        if faults.is_empty() {
            Ok(key)
        } else {
            Err(Problem::faults(faults))
        }
    }
}
