//! What came of registering one message: what it is since, and what of it was not taken.

use super::Fault;
use crate::model::{Status, quoted};
use crate::store::{RegisterOutcome, Registered};

/// What came of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The provider's id, where it could be read.
    pub provider_message_id: Option<String>,
    /// What the message is from then on; nothing when the provider paused it, or when nothing is
    /// registered.
    pub status: Option<Status>,
    /// The provider's own broadcast, which is kept instead of the registered one.
    pub kept_broadcast: Option<String>,
    /// The id of a refused send, where it names a message that the provider took.
    pub taken_id: Option<String>,
    /// What was done, or each field that cannot be as it is.
    pub outcome: Result<Registered, Vec<Fault>>,
}

impl Receipt {
    /// The outcome of a message that did not get to the store.
    pub(super) const fn new(
        provider_message_id: Option<String>,
        outcome: Result<Registered, Vec<Fault>>,
    ) -> Self {
        Self {
            provider_message_id,
            status: None,
            kept_broadcast: None,
            taken_id: None,
            outcome,
        }
    }

    /// Takes in what the store did.
    pub(super) fn take(&mut self, answer: RegisterOutcome) {
        if let Some(fault) = refusal(answer.registered) {
            self.outcome = Err(vec![fault]);
            return;
        }
        self.outcome = Ok(answer.registered);
        self.status = answer.status;
        self.kept_broadcast = answer.kept_broadcast;
        if answer.is_apart {
            self.taken_id = self.provider_message_id.take();
        }
    }

    /// The note on a message that was registered, but not with every field.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        if let Some(id) = &self.taken_id {
            return Some(format!(
                "{} names a message that the provider took, which stays as it is: this refused send is \
                 a failed message of its own, without msId",
                quoted(id)
            ));
        }
        let broadcast = quoted(self.kept_broadcast.as_ref()?);
        Some(format!(
            "the provider's own broadcast {broadcast} stays: a registered one is taken only where the \
             provider reports none"
        ))
    }
}

/// What the store refuses, as the field that is to blame.
fn refusal(registered: Registered) -> Option<Fault> {
    let (field, detail) = match registered {
        Registered::OfAnotherOwner => (
            "/msId",
            "this message was registered by another owner of the source",
        ),
        _ => return None,
    };
    Some(Fault::new(field, detail.to_owned()))
}
