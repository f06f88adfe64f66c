//! Questions about account events.

use super::{Listing, Scope, Window};
use crate::store::Query;
use crate::store::account_event::AccountEventRecord;

/// Which account events to list, the newest first.
#[derive(Debug, Clone, Default)]
pub struct AccountEventQuery {
    /// Of this source.
    pub source: Option<String>,
    /// Of this subject: a template's name or id, a number or a person in any spelling, an account.
    pub subject: Option<String>,
    /// Of this name of ours (`template.paused`), or this word of the provider (`PAUSED`).
    pub event: Option<String>,
    /// Happened at or after, ms since 1970 UTC.
    pub since_ms: Option<i64>,
    /// Happened before, ms since 1970 UTC.
    pub until_ms: Option<i64>,
    /// What may be seen; the owner does not matter.
    pub scope: Scope,
    /// Which page.
    pub window: Window,
}

impl AccountEventQuery {
    /// The event to match; both our names and the providers' words are compared.
    pub(in crate::store) fn event_word(&self) -> Option<String> {
        self.event
            .as_deref()
            .map(|event| event.trim().to_lowercase())
    }
}

impl Query for AccountEventQuery {
    type Answer = Listing<AccountEventRecord>;
}
