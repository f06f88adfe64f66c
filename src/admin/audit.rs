//! What is written into the audit of an operation.

use serde_json::{Value, json};

use crate::access::Caller;
use crate::store::audit::AuditEntry;

/// What an operation says of the change that it makes.
#[derive(Debug, Clone)]
pub struct Note {
    kind: &'static str,
    done: &'static str,
    id: Option<String>,
    detail: Value,
}

impl Note {
    /// Of a thing of that kind, what was done.
    pub(super) fn new(kind: &'static str, done: &'static str) -> Self {
        Self {
            kind,
            done,
            id: None,
            detail: json!({}),
        }
    }

    /// Of a subscriber.
    pub(super) fn of_subscriber(done: &'static str, name: &str) -> Self {
        Self::new("subscriber", done).with_id(&name)
    }

    /// With what identifies the thing.
    pub(super) fn with_id(mut self, id: &dyn ToString) -> Self {
        self.id = Some(id.to_string());
        self
    }

    /// With the one that was named, where it was one.
    pub(super) fn with_single(self, ids: &[i64]) -> Self {
        match ids {
            [id] => self.with_id(id),
            _ => self,
        }
    }

    /// With these facts, an object.
    pub(super) fn with(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    /// With one fact more.
    pub(super) fn and(mut self, name: &str, fact: Value) -> Self {
        self.detail[name] = fact;
        self
    }

    /// The line of the audit.
    pub(super) fn entry(self, caller: &Caller) -> AuditEntry {
        let note = match caller.address {
            Some(address) => self.and("address", json!(address)),
            None => self,
        };
        AuditEntry {
            caller: caller.called(),
            role: caller.role,
            action: format!("{}.{}", note.kind, note.done),
            kind: note.kind.to_owned(),
            id: note.id,
            detail: note.detail,
        }
    }
}
