//! Having a broadcast asked for of which nobody told who was written to.

use std::sync::Arc;

use super::{Answer, Failure, Operations};
use crate::access::Caller;
use crate::provider::Provider;

/// The longest id of a broadcast, in bytes; the ids of its messages begin with it.
pub(super) const LONGEST_ID: usize = 256;

impl Operations {
    /// Asks that source for that broadcast, until nothing in it is pending.
    pub(super) async fn poll_broadcast(
        &self,
        caller: &Caller,
        source: &str,
        broadcast: String,
    ) -> Result<Answer, Failure> {
        let missing = || Failure::Missing(format!("no source is named {source:?}"));
        let source = self.source_for(caller, source).ok_or_else(missing)?;
        if source.polled.is_none() {
            return Err(Failure::Refused(format!(
                "source {:?} sends its reports by itself: only a source of provider {} is asked",
                source.name,
                Provider::Botsquad
            )));
        }
        check_id("/id", &broadcast)?;
        let name = Arc::from(source.name.as_str());
        let poll = self
            .store
            .open_poll(name, source.provider, broadcast)
            .await?;
        Ok(Answer::Poll(poll))
    }
}

/// The id of a broadcast, which becomes a part of a URL and of its messages' ids.
pub(super) fn check_id(field: &str, id: &str) -> Result<(), Failure> {
    if (1..=LONGEST_ID).contains(&id.len()) && !id.contains(char::is_control) {
        return Ok(());
    }
    let detail = format!("the id of a broadcast has 1 to {LONGEST_ID} bytes, none of control");
    Err(Failure::invalid(field, detail))
}
