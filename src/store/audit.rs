//! Who changed what: one row for each change, whichever interface it came through.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::Role;
use crate::model::AuditKey;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Its key.
    pub audit_id: AuditKey,
    /// When, ms since 1970 UTC.
    pub at_ms: i64,
    /// The change.
    #[serde(flatten)]
    pub change: AuditEntry,
}

/// What is written down of a change; never a secret, and never a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// `cli`, or the token's key and name.
    pub caller: String,
    /// What the caller was.
    pub role: Role,
    /// What was done, as in `subscriber.added`.
    pub action: String,
    /// What sort of thing it was done to: subscriber, forward, webhook, token, person.
    pub kind: String,
    /// Which one, where it was one and is no person.
    pub id: Option<String>,
    /// More about it.
    pub detail: Value,
}
