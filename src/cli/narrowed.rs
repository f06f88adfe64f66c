//! What the flags of a list narrow it to: checked as the API checks it, so that both refuse alike.

use super::Settings;
use crate::access::Caller;
use crate::admin::narrowing::{Narrowing, NarrowingKnown};
use crate::store::Reader;

/// The error as the store has it.
///
/// # Errors
/// Inside, in words, when something of it can match nothing; outside when the store cannot be read.
pub(super) fn narrowed(
    settings: &Settings,
    reader: &Reader,
    narrowing: &Narrowing,
) -> anyhow::Result<Result<Option<String>, String>> {
    let sources = match narrowing.source {
        Some(_) => settings.load()?.config.sources,
        None => Vec::new(),
    };
    let sources: Vec<&str> = sources.iter().map(|it| it.name.as_str()).collect();
    let (error, faults) = narrowing.check(&NarrowingKnown {
        reader,
        sources: &sources,
        caller: &Caller::cli(),
    })?;
    if faults.is_empty() {
        return Ok(Ok(error));
    }
    let told: Vec<String> = faults.into_iter().map(|fault| fault.detail).collect();
    Ok(Err(told.join("\n")))
}
