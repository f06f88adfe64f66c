//! Operations on subscribers.

mod checks;

use std::convert::identity;
use std::time::Duration;

use serde_json::json;

use super::audit::Note;
use super::operation::By;
use super::{Failure, Fault, Operation, Operations};
use crate::access::{Caller, Permission};
use crate::model::{
    NewSubscriber, SigningSecret, Subscriber, SubscriberChange, SubscriberState, Word as _,
};
use crate::store::change::{
    AlterSubscriber, DeleteSubscriber, InsertSecret, InsertSubscriber, SetSubscriberState,
};

/// How long a rotated secret goes on signing beside the new one.
const ROTATION: Duration = Duration::from_hours(24);

/// Add a subscriber.
#[derive(Debug, Clone)]
pub struct AddSubscriber(pub NewSubscriber);

/// Change how a subscriber is sent to.
#[derive(Debug, Clone)]
pub struct UpdateSubscriber {
    /// Its name.
    pub name: String,
    /// What is to be different.
    pub change: SubscriberChange,
}

/// Send nothing to a subscriber until it is resumed.
#[derive(Debug, Clone)]
pub struct PauseSubscriber {
    /// Its name.
    pub name: String,
}

/// Send to a subscriber again, all pending forwards included.
#[derive(Debug, Clone)]
pub struct ResumeSubscriber {
    /// Its name.
    pub name: String,
}

/// Remove a subscriber; its pending forwards are given up.
#[derive(Debug, Clone)]
pub struct RemoveSubscriber {
    /// Its name.
    pub name: String,
}

/// Give a subscriber a new secret; the old one stays valid for 24 h, and of the old ones two at most.
#[derive(Debug, Clone)]
pub struct RotateSecret {
    /// Its name.
    pub name: String,
    /// End the old ones at once.
    pub now: bool,
}

/// A subscriber and its secret, which is shown this once.
#[derive(Debug)]
pub struct GivenSecret {
    /// The subscriber.
    pub subscriber: Subscriber,
    /// `whsec_…`
    pub secret: String,
    /// Until when the old secret signs too, ms since 1970 UTC.
    pub old_until_ms: Option<i64>,
}

impl GivenSecret {
    fn new((subscriber, secret): (Subscriber, SigningSecret), old_until_ms: Option<i64>) -> Self {
        Self {
            subscriber,
            secret: secret.expose(),
            old_until_ms,
        }
    }
}

/// What ended with a subscriber.
#[derive(Debug, Clone, Copy)]
pub struct RemovedSubscriber {
    /// Forwards that were pending for it, and are given up.
    pub pending: usize,
}

impl Operation for AddSubscriber {
    type Answer = GivenSecret;
    const NEEDS: Permission = Permission::WriteSubscribers;

    fn note(&self) -> Option<Note> {
        let note = Note::of_subscriber("added", &self.0.name);
        Some(note.with(json!({ "owner": self.0.owner })))
    }

    fn faults(&self, operations: &Operations, caller: &Caller) -> Vec<Fault> {
        operations.check_new(caller, &mut self.0.clone())
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<GivenSecret, Failure> {
        let Self(mut new) = self;
        none(operations.check_new(&by.caller, &mut new))?;
        let name = new.name.clone();
        let given = |given| GivenSecret::new(given, None);
        let added = operations.change(by, InsertSubscriber { new }, given);
        let added = added.await?;
        tracing::info!(subscriber = name, "subscriber.added");
        Ok(added)
    }
}

impl Operation for UpdateSubscriber {
    type Answer = Subscriber;
    const NEEDS: Permission = Permission::WriteSubscribers;

    fn note(&self) -> Option<Note> {
        // What the fields hold may be a secret.
        let note = Note::of_subscriber("changed", &self.name);
        Some(note.with(json!({ "changed": self.change.fields() })))
    }

    fn faults(&self, operations: &Operations, caller: &Caller) -> Vec<Fault> {
        let before = operations.subscriber_of(caller, &self.name);
        before.map_or_else(
            |_| Vec::new(),
            |before| operations.check_change(caller, &before, &mut self.change.clone()),
        )
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<Subscriber, Failure> {
        let Self { name, mut change } = self;
        let before = operations.subscriber_of(&by.caller, &name)?;
        none(operations.check_change(&by.caller, &before, &mut change))?;
        let alter = AlterSubscriber {
            subscriber_id: before.id,
            change,
        };
        let changed = operations.change(by, alter, identity).await?;
        tracing::info!(subscriber = name, "subscriber.changed");
        Ok(changed)
    }
}

impl Operation for PauseSubscriber {
    type Answer = Subscriber;
    const NEEDS: Permission = Permission::WriteSubscribers;

    fn note(&self) -> Option<Note> {
        Some(Note::of_subscriber("paused", &self.name))
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<Subscriber, Failure> {
        let state = SubscriberState::Paused;
        operations.set_state(by, &self.name, state).await
    }
}

impl Operation for ResumeSubscriber {
    type Answer = Subscriber;
    const NEEDS: Permission = Permission::WriteSubscribers;

    fn note(&self) -> Option<Note> {
        Some(Note::of_subscriber("resumed", &self.name))
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<Subscriber, Failure> {
        let state = SubscriberState::Active;
        operations.set_state(by, &self.name, state).await
    }
}

impl Operation for RemoveSubscriber {
    type Answer = RemovedSubscriber;
    const NEEDS: Permission = Permission::WriteSubscribers;

    fn note(&self) -> Option<Note> {
        Some(Note::of_subscriber("removed", &self.name))
    }

    fn noted(note: Note, removed: &RemovedSubscriber) -> Option<Note> {
        Some(note.and("pending", json!(removed.pending)))
    }

    async fn run(
        self,
        operations: &Operations,
        by: &By<Self>,
    ) -> Result<RemovedSubscriber, Failure> {
        let subscriber_id = operations.subscriber_of(&by.caller, &self.name)?.id;
        let removed = |pending| RemovedSubscriber { pending };
        let removed = operations.change(by, DeleteSubscriber { subscriber_id }, removed);
        let removed = removed.await?;
        tracing::info!(subscriber = self.name, "subscriber.removed");
        Ok(removed)
    }
}

impl Operation for RotateSecret {
    type Answer = GivenSecret;
    const NEEDS: Permission = Permission::WriteSubscribers;

    fn note(&self) -> Option<Note> {
        let note = Note::of_subscriber("secret-rotated", &self.name);
        Some(note.with(json!({ "now": self.now })))
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<GivenSecret, Failure> {
        let Self { name, now } = self;
        let subscriber_id = operations.subscriber_of(&by.caller, &name)?.id;
        let rotation_ms = i64::try_from(ROTATION.as_millis()).unwrap_or(i64::MAX);
        let old_until_ms = (!now).then(|| operations.clock.now_ms().saturating_add(rotation_ms));
        let insert = InsertSecret {
            subscriber_id,
            old_until_ms,
        };
        let given = move |given| GivenSecret::new(given, old_until_ms);
        let rotated = operations.change(by, insert, given).await?;
        tracing::info!(subscriber = name, "subscriber.secret_rotated");
        Ok(rotated)
    }
}

impl Operations {
    async fn set_state<O: Operation<Answer = Subscriber>>(
        &self,
        by: &By<O>,
        name: &str,
        state: SubscriberState,
    ) -> Result<Subscriber, Failure> {
        let set = SetSubscriberState {
            subscriber_id: self.subscriber_of(&by.caller, name)?.id,
            state,
        };
        let subscriber = self.change(by, set, identity).await?;
        tracing::info!(
            subscriber = name,
            state = state.as_str(),
            "subscriber.state"
        );
        Ok(subscriber)
    }
}

fn none(faults: Vec<Fault>) -> Result<(), Failure> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Failure::Invalid(faults))
    }
}
