//! A message that its sender registers: what is handed in, and what came of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Message, MessageType, Registration, SendResult, Status};
use crate::providers::Provider;

/// A message to be registered; checked by the caller.
#[derive(Debug, Clone)]
pub struct Registering {
    /// The source's name.
    pub source: Arc<str>,
    /// The source's provider.
    pub provider: Provider,
    /// The type of the source's messages when no report shows it.
    pub default_type: MessageType,
    /// The source's own number.
    pub default_sender: Option<String>,
    /// The provider's id of the message; `None` only of a send that it refused.
    pub provider_message_id: Option<String>,
    /// What identifies a send that has no provider's id.
    pub element: String,
    /// What is registered of it.
    pub registration: Registration,
    /// How the provider answered the send.
    pub result: SendResult,
    /// When it was handed in, ms since 1970 UTC; `None` for now.
    pub received_ms: Option<i64>,
    /// Oddities of the registration, as stable words.
    pub oddities: Vec<&'static str>,
    /// The owner of the token that registered it; `None` for the operator.
    pub owner: Option<String>,
    /// The owners that the source names.
    pub owners: Vec<String>,
}

impl Registering {
    /// The message's owner, where another registered it before: an owner that the source still
    /// names keeps it.
    #[must_use]
    pub fn owner_after(&self, before: Option<&String>) -> Option<String> {
        let keeps = before.filter(|owner| self.owners.contains(owner));
        keeps.or(self.owner.as_ref()).or(before).cloned()
    }
}

/// What came of registering a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Registered {
    /// Nothing was known of it.
    Created,
    /// Something had been reported of it.
    Joined,
    /// It was registered before, and what is known of it changed.
    Updated,
    /// It was registered before with the same.
    Unchanged,
    /// Refused: it was registered by another owner that the source names.
    OfAnotherOwner,
}

/// What came of registering a message, and what of it was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterOutcome {
    /// What was done.
    pub registered: Registered,
    /// What the message is from then on.
    pub status: Option<Status>,
    /// The provider's own broadcast, which is kept instead of the registered one.
    pub kept_broadcast: Option<String>,
    /// Whether this is a refused send whose id names a message that the provider took: it is a failed
    /// message of its own, without the id.
    pub is_apart: bool,
}

impl RegisterOutcome {
    /// What was done, and what the message is since.
    #[must_use]
    pub fn new(registered: Registered, message: &Message) -> Self {
        let (shown, _) = message.shown();
        Self {
            registered,
            status: shown.history.status(),
            kept_broadcast: None,
            is_apart: false,
        }
    }
}
