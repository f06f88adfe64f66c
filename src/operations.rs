//! What an operator may ask for, by whatever way: the CLI over the local socket, the CLI
//! with the store to itself, later the API. The checks stand here, once.

mod erase;
mod reprocess;
mod samples;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use crate::clock::Clock;
use crate::config::{Config, Retention, Source};
use crate::forward::sender::Sender;
use crate::model::{Subscriber, SubscriberState};
use crate::store::{
    Erased, Error, NewSubscriber, ReprocessSelection, Reread, RetrySelection, Store,
};

pub use erase::EraseOptions;
pub use samples::SampleAnswer;

/// How long a rotated secret goes on signing beside the new one.
const ROTATION: Duration = Duration::from_hours(24);

/// Something to be done.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Add a subscriber.
    AddSubscriber(NewSubscriber),
    /// Send nothing to it until it is resumed.
    PauseSubscriber {
        /// Its name.
        name: String,
    },
    /// Send to it again, all that is still owed included.
    ResumeSubscriber {
        /// Its name.
        name: String,
    },
    /// Remove it; what it is owed is given up.
    RemoveSubscriber {
        /// Its name.
        name: String,
    },
    /// Give it a new secret; the old one stays valid for 24 h.
    RotateSecret {
        /// Its name.
        name: String,
    },
    /// Send it one sample of each status.
    TestSubscriber {
        /// Its name.
        name: String,
    },
    /// Owe forwards again.
    RetryForwards(RetrySelection),
    /// Parse stored webhooks again and take in what is new in them.
    Reprocess {
        /// Which.
        selection: ReprocessSelection,
        /// Only show what would be found.
        dry_run: bool,
    },
    /// Remove a person from every table.
    Erase {
        /// A phone number in any spelling, or a business-scoped user id.
        person: String,
        /// How.
        options: EraseOptions,
    },
}

/// What was done.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// A subscriber as it is now.
    Subscriber(Subscriber),
    /// A subscriber and its secret, which is shown this once.
    Secret {
        /// The subscriber.
        subscriber: Subscriber,
        /// `whsec_…`
        secret: String,
        /// Until when the old secret signs too, ms since 1970 UTC.
        old_until_ms: Option<i64>,
    },
    /// It is removed.
    Removed {
        /// Forwards that were given up with it.
        given_up: usize,
    },
    /// What the subscriber answered to each sample.
    Samples(Vec<SampleAnswer>),
    /// Forwards that are owed again.
    Retried {
        /// How many.
        forwards: usize,
    },
    /// What a second reading found.
    Reprocessed {
        /// Webhooks that were read.
        examined: u64,
        /// Those that ended differently, and those that still cannot be read.
        webhooks: Vec<Reread>,
    },
    /// What was removed of a person.
    Erased(Erased),
}

/// How far a long piece of work has come.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Progress {
    /// Done so far.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

/// Why it was not done.
#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// What was asked makes no sense, there is no such thing, or it contradicts what is
    /// there; says what to do.
    #[error("{0}")]
    Refused(String),
    /// It could not be done; the log has more.
    #[error("{0}")]
    Broken(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(_) | Error::Conflict(_) => Self::Refused(error.to_string()),
            _ => Self::Broken(format!("{:#}", anyhow::Error::from(error))),
        }
    }
}

/// Does what is asked.
#[derive(Clone)]
pub struct Operations {
    store: Store,
    sender: Arc<Sender>,
    clock: Clock,
    sources: Arc<[Source]>,
    retention: Retention,
}

impl Operations {
    /// Operations on that store, with the sources of that configuration.
    #[must_use]
    pub fn new(config: &Config, store: Store, sender: Arc<Sender>, clock: Clock) -> Self {
        Self {
            store,
            sender,
            clock,
            sources: config.sources.clone().into(),
            retention: config.store.retention,
        }
    }

    /// Does what is asked; long work reports its progress.
    ///
    /// # Errors
    /// [`Failure::Refused`] for what makes no sense, [`Failure::Broken`] otherwise.
    pub async fn perform(
        &self,
        request: Request,
        progress: &UnboundedSender<Progress>,
    ) -> Result<Answer, Failure> {
        match request {
            Request::AddSubscriber(new) => self.add_subscriber(new).await,
            Request::PauseSubscriber { name } => {
                self.set_state(&name, SubscriberState::Paused).await
            }
            Request::ResumeSubscriber { name } => {
                self.set_state(&name, SubscriberState::Active).await
            }
            Request::RemoveSubscriber { name } => Ok(Answer::Removed {
                given_up: self.store.remove_subscriber(&name).await?,
            }),
            Request::RotateSecret { name } => self.rotate_secret(&name).await,
            Request::TestSubscriber { name } => {
                let subscriber = self.store.subscriber(&name)?;
                Ok(Answer::Samples(self.send_samples(&subscriber).await?))
            }
            Request::RetryForwards(selection) => Ok(Answer::Retried {
                forwards: self.store.retry(selection).await?,
            }),
            Request::Reprocess { selection, dry_run } => {
                self.reprocess(selection, dry_run, progress).await
            }
            Request::Erase { person, options } => self.erase(&person, options, progress).await,
        }
    }

    async fn add_subscriber(&self, mut new: NewSubscriber) -> Result<Answer, Failure> {
        check_name(&new.name)?;
        let target = self.sender.guard().target(&new.url);
        let target =
            target.map_err(|error| Failure::Refused(format!("url {:?}: {error}", new.url)))?;
        // What was judged is what is kept and shown, not how it was typed.
        target.as_str().clone_into(&mut new.url);
        if new.concurrency == 0 {
            return Err(Failure::Refused(
                "concurrency must be at least 1".to_owned(),
            ));
        }
        for wanted in &new.filter.sources {
            self.check_source(wanted)?;
        }
        let (subscriber, secret) = self.store.add_subscriber(new).await?;
        tracing::info!(subscriber = %subscriber.name, "subscriber.added");
        Ok(Answer::Secret {
            subscriber: (*subscriber).clone(),
            secret: secret.expose(),
            old_until_ms: None,
        })
    }

    fn check_source(&self, wanted: &str) -> Result<(), Failure> {
        if self.sources.iter().any(|source| source.name == wanted) {
            return Ok(());
        }
        let known: Vec<&str> = self
            .sources
            .iter()
            .map(|source| source.name.as_str())
            .collect();
        Err(Failure::Refused(format!(
            "no source is named {wanted:?}; the configuration has: {}",
            known.join(", ")
        )))
    }

    async fn set_state(&self, name: &str, state: SubscriberState) -> Result<Answer, Failure> {
        let subscriber = self.store.set_state(name, state).await?;
        tracing::info!(
            subscriber = name,
            state = state.as_str(),
            "subscriber.state"
        );
        Ok(Answer::Subscriber((*subscriber).clone()))
    }

    async fn rotate_secret(&self, name: &str) -> Result<Answer, Failure> {
        let rotation_ms = i64::try_from(ROTATION.as_millis()).unwrap_or(i64::MAX);
        let old_until_ms = self.clock.now_ms().saturating_add(rotation_ms);
        let secret = self.store.rotate_secret(name, old_until_ms).await?;
        let subscriber = self.store.subscriber(name)?;
        tracing::info!(subscriber = name, "subscriber.secret_rotated");
        Ok(Answer::Secret {
            subscriber: (*subscriber).clone(),
            secret: secret.expose(),
            old_until_ms: Some(old_until_ms),
        })
    }
}

fn check_name(name: &str) -> Result<(), Failure> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
        return Err(Failure::Refused(format!(
            "name {name:?}: use 1 to 64 of a-z, 0-9 and '-'"
        )));
    }
    Ok(())
}
