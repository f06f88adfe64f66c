//! What an operator may ask for over the API, by TCP, by the socket or in a command's own process. The
//! checks stand here, once.

mod audit;
mod carry;
mod erase;
mod exchange;
mod forwards;
pub(crate) mod items;
pub(crate) mod jobs;
pub(crate) mod json;
mod keys;
mod left_jobs;
mod limits;
pub(crate) mod narrowing;
mod operation;
mod polls;
mod receipt;
mod register;
mod replays;
mod reprocess;
mod samples;
mod subscribers;
mod templates;
mod tokens;
pub(crate) mod wanted;

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::access::Caller;
use crate::clock::Clock;
use crate::config::{Config, Retention, Source};
use crate::forward::sender::Sender;
use crate::model::quoted;
use crate::store::{Error, Store};

pub use crate::model::Fault;
pub use erase::{EraseOptions, ErasePerson};
pub use exchange::{RegisterExchange, SentExchange};
pub use forwards::{RetriedForwards, RetryForwards};
pub use keys::RotateKey;
pub use left_jobs::LeftJobs;
pub use operation::{AnswerShape, Once, Operation};
pub use polls::PollBroadcast;
pub use receipt::Receipt;
pub use register::{RegisterMessages, SentMessage, SentTemplate, Ttl};
pub use replays::{CancelReplay, CancelledReplay, ReplayOrder, StartReplay};
pub use reprocess::{ReprocessWebhooks, RereadWebhooks};
pub use samples::{Sample, SampleAnswer, SampleRequest, SampleResponse, TestSubscriber, Tested};
pub use subscribers::{
    AddSubscriber, GivenSecret, PauseSubscriber, RemoveSubscriber, RemovedSubscriber,
    ResumeSubscriber, RotateSecret, UpdateSubscriber,
};
pub use templates::{PutTemplate, RemoveTemplate};
pub use tokens::{CreateToken, CreatedToken, RevokeToken};

/// How far a long piece of work has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Done so far.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

/// Why it was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// These fields cannot be as they are.
    #[error("{}", Fault::sentence(.0))]
    Invalid(Vec<Fault>),
    /// There is no such thing, or not for this caller.
    #[error("{0}")]
    Missing(String),
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// The caller may not.
    #[error("{0}")]
    Forbidden(String),
    /// The request makes no sense; says what to do.
    #[error("{0}")]
    Refused(String),
    /// The store cannot do it now, but may soon.
    #[error("{0}")]
    Busy(String),
    /// It could not be done; the log has more.
    #[error("{0}")]
    Broken(String),
}

impl Failure {
    /// One field that cannot be as it is.
    #[must_use]
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(field, detail)])
    }
}

impl Failure {
    /// The same, with what was done all the same before it failed.
    fn after(self, done: impl std::fmt::Display) -> Self {
        match self {
            Self::Busy(detail) => Self::Busy(format!("{detail} ({done})")),
            Self::Broken(detail) => Self::Broken(format!("{detail} ({done})")),
            other => other,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(_) => Self::Missing(error.to_string()),
            Error::Conflict(_) => Self::Conflict(error.to_string()),
            Error::QueueFull
            | Error::DiskFull
            | Error::Displaced
            | Error::Unconfirmed
            | Error::LeaseLost
            | Error::Timeout(_)
            | Error::KeyMissing(_)
            | Error::Closed => Self::Busy(error.to_string()),
            Error::Unwritable { .. } => {
                tracing::error!(%error, "store.unwritable");
                Self::Busy(format!(
                    "the store cannot be used now: {error}; try again later"
                ))
            }
            _ => Self::Broken(format!("{:#}", anyhow::Error::from(error))),
        }
    }
}

/// Carries operations out.
#[derive(Clone)]
pub struct Operations {
    store: Store,
    sender: Arc<Sender>,
    clock: Clock,
    sources: Arc<[Source]>,
    retention: Retention,
    /// Operations that came over a connection; each is carried out even if the client goes away.
    tasks: TaskTracker,
    runtime: Option<Handle>,
    own_jobs: Arc<jobs::OwnJobs>,
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
            retention: config.retention.clone(),
            tasks: TaskTracker::new(),
            runtime: Handle::try_current().ok(),
            own_jobs: Arc::default(),
        }
    }

    /// The sources of the configuration.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The source of that name; one that the caller does not see is answered as one that is not there.
    pub(crate) fn known_source(&self, caller: &Caller, name: &str) -> Result<&Source, String> {
        self.source_for(caller, name).ok_or_else(|| {
            let seen = self.sources.iter().map(|source| source.name.as_str());
            let seen: Vec<&str> = seen.filter(|name| caller.sees_source(name)).collect();
            wanted::no_such_source(name, &seen, caller)
        })
    }
}

/// A name that people give: of a subscriber, an owner, a token.
fn check_name(field: &str, name: &str) -> Result<(), Fault> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
        let what = field.trim_start_matches('/');
        // A URL in the wrong place may be a chat's, with which anyone can post there.
        let given = match name {
            url if url.contains("://") => String::new(),
            name => format!(" {}", quoted(name)),
        };
        let detail = format!("{what}{given}: use 1 to 64 of a-z, 0-9 and '-'");
        return Err(Fault::new(field, detail));
    }
    Ok(())
}
