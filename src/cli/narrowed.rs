//! What `--source` and `--error` narrow a list to: as [`wanted`] has it, so that the command line and
//! the API refuse alike.

use super::Settings;
use crate::access::Caller;
use crate::operations::wanted;
use crate::store::Reader;

/// The error as the store has it.
///
/// # Errors
/// Inside, in words, when there is no such source or error; outside when the store cannot be read.
pub(super) fn narrowed(
    settings: &Settings,
    reader: &Reader,
    source: Option<&str>,
    error: Option<&str>,
) -> anyhow::Result<Result<Option<String>, String>> {
    let mut refusals = Vec::new();
    if let Some(name) = source {
        let config = settings.load()?.config;
        let names: Vec<&str> = config.sources.iter().map(|it| it.name.as_str()).collect();
        if !names.contains(&name) && !reader.has_source(name)? {
            refusals.push(wanted::no_such_source(name, &names, &Caller::cli()));
        }
    }
    let key = match error {
        None => None,
        Some(text) => match wanted::known_error(text, |key| reader.has_error(key)) {
            Ok(key) => Some(key),
            Err(refusal) => {
                refusals.push(refusal);
                None
            }
        },
    };
    Ok(if refusals.is_empty() {
        Ok(key)
    } else {
        Err(refusals.join("\n"))
    })
}
