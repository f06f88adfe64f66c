//! The subscribers, and what each is sent to with: its URL, its secrets, its headers.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Error, Store};
use crate::model::{Headers, SecretText, SigningSecret, Subscriber, quoted};

/// The subscribers as of the last commit; changes are published.
pub type Subscribers = watch::Receiver<Arc<[Arc<Subscriber>]>>;

impl Store {
    /// The subscriber of that name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn subscriber(&self, name: &str) -> Result<Arc<Subscriber>, Error> {
        let subscribers = Arc::clone(&self.subscribers().borrow());
        subscribers
            .iter()
            .find(|subscriber| subscriber.name == name)
            .cloned()
            .ok_or_else(|| {
                Error::NotFound(format!("subscriber is named {name}", name = quoted(name)))
            })
    }
}

/// All that a subscriber is sent to with.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// Where its payloads go, whole.
    pub url: SecretText,
    /// What they are signed with, the newest first.
    pub secrets: Vec<SubscriberSecret>,
    /// What is sent beside our own headers, its credentials among them.
    pub headers: Headers,
}

/// A secret that a subscriber's payloads are signed with.
#[derive(Debug, Clone)]
pub struct SubscriberSecret {
    /// The secret.
    pub secret: SigningSecret,
    /// Until when the payloads are signed with it, ms since 1970 UTC; `None` for the current one.
    pub expires_at_ms: Option<i64>,
}
