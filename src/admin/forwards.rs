//! Queueing forwards again.

use serde_json::json;

use super::audit::Note;
use super::operation::By;
use super::{Failure, Operation, Operations};
use crate::access::{Caller, Permission};
use crate::model::{ForwardKey, quoted};
use crate::store::RetrySelection;
use crate::store::change::RequeueForwards;
use crate::store::query::{ForwardsByIdQuery, Scope};
use crate::store::timeline::ForwardDetail;

/// Queue forwards again.
#[derive(Debug, Clone)]
pub struct RetryForwards(pub RetrySelection);

/// Forwards that are queued again.
#[derive(Debug)]
pub struct RetriedForwards {
    /// How many.
    pub forwards: usize,
    /// The one that was named, as it is now, where it was one.
    pub detail: Option<Box<ForwardDetail>>,
}

impl Operation for RetryForwards {
    type Answer = RetriedForwards;
    const NEEDS: Permission = Permission::RetryForwards;

    fn note(&self) -> Option<Note> {
        let note = Note::new("forward", "retried").with(json!(self.0));
        Some(note.with_single(&self.0.forward_ids))
    }

    fn noted(note: Note, retried: &RetriedForwards) -> Option<Note> {
        (retried.forwards > 0).then(|| note.and("forwards", json!(retried.forwards)))
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<RetriedForwards, Failure> {
        let (Self(selection), scope) = (self, Scope::from(&by.caller));
        operations
            .check_forwards_seen(&by.caller, &selection.forward_ids, &scope)
            .await?;
        let requeue = RequeueForwards { selection, scope };
        let retried = |(forwards, detail)| RetriedForwards { forwards, detail };
        operations.change(by, requeue, retried).await
    }
}

impl Operations {
    /// To a caller that sees only a part, each must be of that part, and so must the subscriber that
    /// it goes to.
    async fn check_forwards_seen(
        &self,
        caller: &Caller,
        ids: &[ForwardKey],
        scope: &Scope,
    ) -> Result<(), Failure> {
        if *scope == Scope::default() {
            return Ok(());
        }
        let query = ForwardsByIdQuery {
            ids: ids.iter().map(ForwardKey::to_string).collect(),
            scope: scope.clone(),
        };
        let found = self.store.read(query).await?;
        for (id, found) in ids.iter().zip(found) {
            let missing = || Failure::Missing(format!("no forward {id}"));
            let forward = found.ok_or_else(missing)?;
            // One that was removed is sent nothing.
            let name = &forward.subscriber;
            if !forward.subscriber_removed && self.subscriber_of(caller, name).is_err() {
                return Err(Failure::Forbidden(format!(
                    "this token does not see the subscriber {name}, which gets other sources \
                     too: it may see this forward, not send it again",
                    name = quoted(name)
                )));
            }
        }
        Ok(())
    }
}
