//! What is written into the audit of an operation.

use serde_json::{Value, json};

use crate::access::{Caller, Role};
use crate::store::audit::AuditEntry;

/// What an operation says of the change that it makes.
#[derive(Debug, Clone)]
pub struct Note {
    kind: &'static str,
    done: &'static str,
    /// What the work is called that leads there.
    work: &'static str,
    id: Option<String>,
    detail: Value,
}

impl Note {
    /// Of a thing of that kind, what was done.
    pub(super) fn new(kind: &'static str, done: &'static str) -> Self {
        Self {
            kind,
            done,
            work: done,
            id: None,
            detail: json!({}),
        }
    }

    /// Of a subscriber.
    pub(super) fn of_subscriber(done: &'static str, name: &str) -> Self {
        Self::new("subscriber", done).with_id(&name)
    }

    /// Of work that is more than one transaction, which is called so while it goes on.
    pub(super) fn of_work(mut self, work: &'static str) -> Self {
        self.work = work;
        self
    }

    /// With another outcome.
    pub(super) fn ended(mut self, done: &'static str) -> Self {
        self.done = done;
        self
    }

    /// With what identifies the thing.
    pub(super) fn with_id(mut self, id: &dyn ToString) -> Self {
        self.id = Some(id.to_string());
        self
    }

    /// With the one that was named, where it was one.
    pub(super) fn with_single(self, ids: &[impl ToString]) -> Self {
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
        let done = self.done.to_owned();
        self.line(caller, &done)
    }

    /// The line before the work, which says no more than that it was begun.
    pub(super) fn begun(self, caller: &Caller) -> AuditEntry {
        let begun = format!("{}-begun", self.work);
        self.line(caller, &begun)
    }

    /// The line after work that failed.
    pub(super) fn failed(self, caller: &Caller) -> AuditEntry {
        let failed = format!("{}-failed", self.work);
        self.line(caller, &failed)
    }

    /// The line about work that the end of its process cut off, of its caller then.
    pub(super) fn interrupted(self, caller: String, role: Role) -> AuditEntry {
        AuditEntry {
            caller,
            role,
            action: format!("{}.{}-interrupted", self.kind, self.work),
            kind: self.kind.to_owned(),
            id: self.id,
            detail: self.detail,
        }
    }

    fn line(self, caller: &Caller, done: &str) -> AuditEntry {
        let note = match caller.address {
            Some(address) => self.and("address", json!(address)),
            None => self,
        };
        AuditEntry {
            caller: caller.called(),
            role: caller.role,
            action: format!("{}.{done}", note.kind),
            kind: note.kind.to_owned(),
            id: note.id,
            detail: note.detail,
        }
    }
}
